package explain

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"cds/runtime/auth"
)

// Text writes the report for people.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	b.WriteString(r.User.text() + "\n" + r.Event + " " + r.Target)
	if r.Key != "" {
		b.WriteString("(" + r.Key + ")")
	}
	fmt.Fprintf(&b, "\n\n%s %d: %s\n", r.Verdict, r.Status, r.Why)
	if r.Message != "" && r.Status == 403 {
		fmt.Fprintf(&b, "  message: %s\n", r.Message)
	}
	for i := range r.Steps {
		r.Steps[i].text(&b)
	}
	if r.Condition != "" {
		fmt.Fprintf(&b, "\nrows must fulfil\n  %s\n", r.Condition)
	}
	if r.NewValues != "" {
		fmt.Fprintf(&b, "\nnew values must fulfil, else 403 AUTHZ_DATA\n  %s\n", r.NewValues)
	}
	if r.SQL != "" {
		fmt.Fprintf(&b, "\nin SQL (%s)\n  %s\n", r.Dialect, strings.ReplaceAll(r.SQL, "\n", "\n  "))
	}
	if r.Rows != nil {
		fmt.Fprintf(&b, "\nrows\n  %d of %d for %s", r.Rows.Visible, r.Rows.All, r.User.ID)
		if hidden := r.Rows.All - r.Rows.Visible; hidden > 0 {
			fmt.Fprintf(&b, "; %d hidden by conditions", hidden)
		}
		b.WriteString("\n")
	} else if r.NoDatabase && (r.Condition != "" || r.Key != "") {
		b.WriteString("\nno database was asked: what depends on rows is open\n")
	}
	switch {
	case len(r.Changes) > 0:
		b.WriteString("\nit would be allowed\n")
		for _, c := range r.Changes {
			b.WriteString("  " + c + "\n")
		}
	case r.Status == 405:
		b.WriteString("\nno user may do this\n")
	case r.Status >= 400 && r.Verdict != "missing":
		b.WriteString("\nno change of one or two roles or values was found that would allow it\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (u *User) text() string {
	roles := slices.DeleteFunc(slices.Clone(u.Roles), func(r string) bool { return r == auth.RoleAny || r == auth.RoleAuthenticated })
	out := u.ID + ", without roles"
	if len(roles) > 0 {
		out = u.ID + ", with " + strings.Join(roles, ", ")
	}
	if u.Tenant != "" {
		out += ", tenant " + u.Tenant
	}
	var names []string
	for n := range u.Attrs {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		out += ", $user." + n + " = " + strings.Join(u.Attrs[n], "|")
	}
	return out
}

func (s *Step) text(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s %s: %s", s.What, s.On, s.Event)
	if s.At != "" {
		b.WriteString("  (" + s.At + ")")
	}
	b.WriteString("\n")
	if s.Note != "" {
		b.WriteString("  " + s.Note + "\n")
	}
	for i := range s.Grants {
		s.Grants[i].text(b)
	}
}

func (g *Grant) text(b *strings.Builder) {
	word := "grant "
	switch {
	case g.Deny:
		word = "deny "
	case len(g.Grant) == 0:
		word = "requires "
	}
	line := word + strings.Join(g.Grant, ", ")
	if len(g.Grant) > 0 {
		line += " to "
	}
	line += strings.Join(g.To, " or ")
	if len(g.To) == 0 {
		line += "nobody"
	}
	if g.Where != "" {
		line += " where " + g.Where
	}
	mark := map[string]string{"grants": "yes", "denies": "no", "other event": "-", "role": "no"}[g.Result]
	if g.Deny && (g.Result == "role") {
		mark = "-"
	}
	if mark == "" {
		mark = "?"
		switch {
		case g.Result == "true" && !g.Deny, g.Result == "false" && g.Deny:
			mark = "yes"
		case g.Result == "true", g.Result == "false", g.Result == "unknown":
			mark = "no"
		}
	}
	note := map[string]string{"other event": "is about other events", "role": "the user has none of the roles"}[g.Result]
	if g.Deny && g.Result == "role" {
		note = "is about other users"
	}
	fmt.Fprintf(b, "  %-3s  %s", mark, line)
	if g.At != "" {
		b.WriteString("  (" + g.At + ")")
	}
	b.WriteString("\n")
	if note != "" {
		b.WriteString("         " + note + "\n")
	}
	if g.Part != nil {
		g.Part.text(b, 9)
	}
}

func (p *Part) text(b *strings.Builder, indent int) {
	fmt.Fprintf(b, "%*s%s: %s", indent, "", p.Truth, p.Text)
	if len(p.Values) > 0 {
		b.WriteString("    with " + strings.Join(p.Values, ", "))
	}
	b.WriteString("\n")
	for i := range p.Parts {
		p.Parts[i].text(b, indent+4)
	}
}
