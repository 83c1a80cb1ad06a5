package authzmatrix

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"cds/codegen"
)

// DiffFormats are the names of the formats that a Diff can be written in.
func DiffFormats() []string { return []string{"text", "json", "md"} }

// Write writes what changes in one of DiffFormats.
func (d *Diff) Write(w io.Writer, format string) error {
	var b bytes.Buffer
	switch format {
	case "text":
		d.text(&b)
	case "json":
		if err := codegen.WriteJSON(&b, d); err != nil {
			return err
		}
	case "md":
		d.markdown(&b)
	default:
		return fmt.Errorf("there is no format %q; there are %s", format, strings.Join(DiffFormats(), ", "))
	}
	_, err := w.Write(b.Bytes())
	return err
}

// Summary counts the changes.
func (d *Diff) Summary() string {
	if len(d.Changes) == 0 {
		return "nobody may more or less than before"
	}
	count := map[string]int{}
	for i := range d.Changes {
		count[d.Changes[i].Effect]++
	}
	var parts []string
	for _, e := range []string{Widened, Narrowed, Moved, Changed, Undecided} {
		if count[e] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[e], e))
		}
	}
	return strings.Join(parts, ", ")
}

// merged are the changes for people: operations for which the same changes stand together.
func (d *Diff) merged() []Change {
	var out []Change
	last := map[string]int{}
	for i := range d.Changes {
		c := d.Changes[i]
		lines := append([]string{c.Effect, c.Service, c.Kind, c.Target, c.Element, roleText(c.Roles)}, c.Details()...)
		key := strings.Join(lines, "\x00")
		if at, ok := last[key]; ok && c.Kind != KindDoor {
			out[at].Operation += ", " + c.Operation
			continue
		}
		last[key] = len(out)
		out = append(out, c)
	}
	return out
}

func (d *Diff) text(b *bytes.Buffer) {
	changes := d.merged()
	for i := range changes {
		c := &changes[i]
		fmt.Fprintln(b, c.Title())
		for _, line := range c.Details() {
			fmt.Fprintf(b, "  %s\n", line)
		}
	}
	fmt.Fprintln(b, d.Summary())
}

func (d *Diff) markdown(b *bytes.Buffer) {
	fmt.Fprintf(b, "### Who may do what: %s\n", d.Summary())
	if len(d.Changes) > 0 {
		b.WriteString("\n| change | what | who | before | now | example |\n|---|---|---|---|---|---|\n")
	}
	changes := d.merged()
	for i := range changes {
		c := &changes[i]
		name := c.Target
		if c.Element != "" {
			name += "." + c.Element
		}
		var example []string
		if c.Gains != nil {
			example = append(example, "gains: "+c.Gains.String())
		}
		if c.Loses != nil {
			example = append(example, "loses: "+c.Loses.String())
		}
		for _, o := range c.Open {
			example = append(example, "whether somebody "+o+" is undecided")
		}
		cells := []string{c.Effect, c.Operation + " of " + name, roleText(c.Roles), c.Old, c.New, strings.Join(example, "; ")}
		for j := range cells {
			cells[j] = markdownText(cells[j])
		}
		fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
	}
}
