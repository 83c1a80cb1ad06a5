package doors

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"cds/codegen"
)

// Write writes the report as "text" or "json".
func (r *Report) Write(w io.Writer, format string) error {
	if format == "json" {
		return codegen.WriteJSON(w, r)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "TARGET\tOPERATION\tWHO\tDOORS\tANSWER\tPREDICATE")
	for i := range r.Rows {
		row := &r.Rows[i]
		n, first := 0, (*Door)(nil)
		for j := range row.Doors {
			if d := &row.Doors[j]; d.Answer != Unreached {
				if n++; first == nil {
					first = d
				}
			}
		}
		said, hash := Unreached, "–"
		if first != nil {
			said, hash = first.Answer, first.Hash
		}
		if !row.Same {
			said, hash = "differs", "see below"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%d\t%s\t%s\n", row.Target, row.Operation, strings.Join(row.Roles, " + "), n, said, hash)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	var b strings.Builder
	for i := range r.Rows {
		if row := &r.Rows[i]; !row.Same {
			fmt.Fprintf(&b, "difference: %s of %s for %s\n", row.Operation, row.Target, strings.Join(row.Roles, " + "))
			for _, d := range row.Doors {
				fmt.Fprintf(&b, "  %-40s %d %s %s\n", d.Name, d.Status, d.Answer, strings.Join(d.Where, "; "))
			}
		}
	}
	for _, n := range r.Notes {
		b.WriteString("note: " + n + "\n")
	}
	fmt.Fprintf(&b, "%d requests, %d statements with a guard looked at: ", r.Requests, r.Statements)
	if r.Differences == 0 {
		b.WriteString("all doors come to the same\n")
	} else {
		fmt.Fprintf(&b, "%d differences\n", r.Differences)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
