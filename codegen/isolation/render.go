package isolation

import (
	"cmp"
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
	if !r.Tenants && r.Holes == 0 {
		_, err := fmt.Fprintln(w, "the model has no element with @tenant: its tables are not shared by tenants")
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "KIND\tNAME\tROWS\tHOW\tAT")
	for _, row := range r.Rows {
		how := row.How
		if row.Answer == Hole {
			how = "see below"
		} else if row.Statements > 0 {
			how = plural(row.Statements, "statement")
			if row.Occurrences > 0 {
				how += ", " + plural(row.Occurrences, "table")
			}
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", row.Kind, row.Name, row.Answer, how, row.At)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	var b strings.Builder
	for _, row := range r.Rows {
		if row.Answer == Hole {
			b.WriteString(cmp.Or(row.At, "?") + ": hole: " + row.Kind + " " + row.Name + ": " + row.How + "\n")
		}
	}
	for _, n := range r.Notes {
		b.WriteString("note: " + n + "\n")
	}
	fmt.Fprintf(&b, "%s looked at (%s), with %s of rows of tenants: ", plural(r.Statements, "statement"), strings.Join(r.Databases, ", "), plural(r.Occurrences, "table"))
	if r.Holes == 0 {
		b.WriteString("each is bound to the tenant of the user\n")
	} else {
		b.WriteString(plural(r.Holes, "hole") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
