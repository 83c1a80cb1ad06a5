package authzmatrix

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"html"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"cds/codegen"
)

// Formats are the names of the formats that Write knows.
func Formats() []string { return []string{"table", "csv", "json", "html", "md"} }

// Write writes the matrix in one of Formats.
func (m *Matrix) Write(w io.Writer, format string) error {
	var b bytes.Buffer
	switch format {
	case "table":
		m.table(&b)
	case "csv":
		if err := m.csv(&b); err != nil {
			return err
		}
	case "json":
		if err := codegen.WriteJSON(&b, m); err != nil {
			return err
		}
	case "html":
		m.html(&b)
	case "md":
		m.markdown(&b)
	default:
		return fmt.Errorf("there is no format %q; there are %s", format, strings.Join(Formats(), ", "))
	}
	_, err := w.Write(b.Bytes())
	return err
}

// who is the text of a line's roles.
func (r *Row) who() string {
	if len(r.Roles) == 0 {
		return "–"
	}
	return roleText(r.Roles)
}

// says is the text of a line's answer.
func (r *Row) says() string {
	switch r.Answer {
	case If:
		s := r.Where
		if s == "" {
			s = "true"
		}
		if r.NewValues != "" {
			s += "; new values: " + r.NewValues
		}
		if r.Reason != "" {
			s += "; else masked as " + r.Reason
		}
		return "if " + s
	case Nobody:
		if r.Reason != "" {
			return "nobody: " + r.Reason
		}
	case Masked:
		return "masked as " + r.Reason
	case Deny:
		return "denied"
	case Served:
		return ""
	}
	return r.Answer
}

// name is the text of a line's target, without the name of the service.
func (r *Row) name() string {
	if r.Target == r.Service {
		return "(" + r.Kind + ")"
	}
	s := strings.TrimPrefix(r.Target, r.Service+".")
	if r.Element != "" {
		s += "." + r.Element
	}
	return s
}

// A line is one or several rows for people: operations about which the same is said stand together.
type line struct {
	name, operation, who, at, says, answer string
	first, more                            bool // of its name; of its operation
}

// lines are the rows of one service for people.
func lines(rows []Row) []line {
	var out []line
	last := 0 // where in out the block before begins
	for i := 0; i < len(rows); {
		var block []line
		j := i
		for ; j < len(rows) && rows[j].name() == rows[i].name() && rows[j].Operation == rows[i].Operation; j++ {
			r := &rows[j]
			block = append(block, line{name: r.name(), operation: r.Operation, who: r.who(), at: places(r.At), says: r.says(), answer: r.Answer,
				first: j == i && (i == 0 || rows[i-1].name() != r.name()), more: j > i})
		}
		if i > 0 && sameLines(out[last:], block) {
			for k := last; k < len(out); k++ {
				out[k].operation += ", " + block[0].operation
			}
		} else {
			last = len(out)
			out = append(out, block...)
		}
		i = j
	}
	return out
}

func sameLines(a, b []line) bool {
	return slices.EqualFunc(a, b, func(x, y line) bool {
		return x.name == y.name && x.who == y.who && x.at == y.at && x.says == y.says && x.answer == y.answer
	})
}

// places writes the name of a file once for several lines of it.
func places(at []string) string {
	var b strings.Builder
	before := ""
	for i, p := range at {
		if i > 0 {
			b.WriteString(", ")
		}
		if n := strings.LastIndexByte(p, ':'); n >= 0 && p[:n] == before {
			p = p[n:]
		} else if n >= 0 {
			before = p[:n]
		}
		b.WriteString(p)
	}
	return b.String()
}

func columns() []string { return []string{"what", "operation", "who", "where it says so", "answer"} }

// services are the rows of each service.
func (m *Matrix) services() [][]Row {
	var out [][]Row
	for i, r := range m.Rows {
		if i == 0 || r.Service != m.Rows[i-1].Service {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], r)
	}
	return out
}

// heading are the lines above the table.
func (m *Matrix) heading() []string {
	profile := m.Profile
	if profile == "" {
		profile = "none"
	}
	login := "open to everybody"
	if m.Login {
		login = "open to whoever has logged in"
	}
	out := []string{"model " + m.Model, "policy " + m.Policy, "profile " + profile + "; services without a restriction are " + login}
	return append(out, m.Notes...)
}

func (m *Matrix) table(b *bytes.Buffer) {
	for _, line := range m.heading() {
		fmt.Fprintln(b, line)
	}
	for _, rows := range m.services() {
		fmt.Fprintf(b, "\n%s\n", rows[0].Service)
		var text bytes.Buffer
		w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
		for _, l := range lines(rows) {
			if !l.first {
				l.name = ""
			}
			if l.more {
				l.operation = ""
			}
			fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\n", oneLine(l.name), oneLine(l.operation), oneLine(l.who), oneLine(l.at), oneLine(l.says))
		}
		_ = w.Flush() // a buffer takes everything
		for line := range strings.Lines(text.String()) {
			b.WriteString(strings.TrimRight(line, " \n") + "\n")
		}
	}
}

// oneLine keeps texts from breaking tables.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// header are the columns of the CSV file.
func header() []string {
	return []string{"service", "kind", "target", "element", "operation", "roles", "answer", "where", "newValues", "reason", "rules", "at"}
}

const listMark = " + "

func (m *Matrix) csv(b *bytes.Buffer) error {
	w := csv.NewWriter(b)
	if err := w.Write(header()); err != nil {
		return err
	}
	for _, r := range m.Rows {
		if err := w.Write([]string{r.Service, r.Kind, r.Target, r.Element, r.Operation, strings.Join(r.Roles, listMark), r.Answer, r.Where, r.NewValues, r.Reason,
			strings.Join(r.Rules, listMark), strings.Join(r.At, listMark)}); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

func (m *Matrix) markdown(b *bytes.Buffer) {
	b.WriteString("# Who may do what\n\n")
	for _, line := range m.heading() {
		fmt.Fprintf(b, "- %s\n", markdownText(line))
	}
	for _, rows := range m.services() {
		fmt.Fprintf(b, "\n## %s\n\n| %s |\n|%s\n", markdownText(rows[0].Service), strings.Join(columns(), " | "), strings.Repeat("---|", len(columns())))
		for _, l := range lines(rows) {
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", markdownText(l.name), markdownText(l.operation), markdownText(l.who), markdownText(l.at), markdownText(l.says))
		}
	}
}

// markdownText shows a text as it is: neither as markup nor as the end of a cell.
func markdownText(s string) string {
	var b strings.Builder
	for _, r := range oneLine(s) {
		switch {
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '&':
			b.WriteString("&amp;")
		case strings.ContainsRune("\\`*_[]|#~", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

const style = `body{font:14px/1.5 system-ui,sans-serif;margin:2rem;color:#222}table{border-collapse:collapse;width:100%;margin-bottom:2rem}
th,td{border-bottom:1px solid #ddd;padding:.3rem .6rem;text-align:left;vertical-align:top}th{background:#f5f5f5}
.nobody,.deny{color:#777}.if{color:#8a5a00}.allow{color:#0a6b2d}code{font-size:13px}ul{color:#555}`

func (m *Matrix) html(b *bytes.Buffer) {
	b.WriteString("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Who may do what</title><style>" + style + "</style></head><body>\n")
	b.WriteString("<h1>Who may do what</h1>\n<ul>\n")
	for _, line := range m.heading() {
		fmt.Fprintf(b, "<li>%s</li>\n", html.EscapeString(line))
	}
	b.WriteString("</ul>\n")
	for _, rows := range m.services() {
		fmt.Fprintf(b, "<h2>%s</h2>\n<table>\n<tr>", html.EscapeString(rows[0].Service))
		for _, c := range columns() {
			fmt.Fprintf(b, "<th>%s</th>", c)
		}
		b.WriteString("</tr>\n")
		for _, l := range lines(rows) {
			fmt.Fprintf(b, "<tr class=\"%s\"><td>%s</td><td>%s</td><td>%s</td><td><code>%s</code></td><td><code>%s</code></td></tr>\n", html.EscapeString(l.answer),
				html.EscapeString(l.name), html.EscapeString(l.operation), html.EscapeString(l.who), html.EscapeString(l.at), html.EscapeString(l.says))
		}
		b.WriteString("</table>\n")
	}
	b.WriteString("</body></html>\n")
}
