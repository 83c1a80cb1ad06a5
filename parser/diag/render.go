package diag

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"cds/parser/token"
)

// RenderOptions says how Render writes. The zero value is right for files and pipes.
type RenderOptions struct {
	Color   bool // with ANSI escapes, for terminals
	Short   bool // one line for each diagnostic: no source text, related places or hints
	Summary bool // end with the numbers of errors and warnings
}

const (
	tabWidth = 4
	maxLine  = 160 // columns of source text shown; longer lines are cut around the place
)

// Render writes diagnostics for people:
//
//	db/schema.cds:3:9: error[ref-undefined-def]: There is no type ‘Strin’
//	  3 |     x : Strin;
//	    |         ^^^^^
//	    = hint: Did you mean ‘String’?
//
// Columns count characters. Control characters of the source are shown as spaces or ‘?’, so a source cannot steer the terminal.
// The error is that of w.
func Render(w io.Writer, l List, fs *token.FileSet, opt RenderOptions) error {
	r := renderer{fs: fs, opt: opt}
	for i := range l {
		r.diagnostic(&l[i])
	}
	if opt.Summary {
		r.summary(l)
	}
	_, err := io.WriteString(w, r.b.String())
	return err
}

type renderer struct {
	b   strings.Builder
	fs  *token.FileSet
	opt RenderOptions
}

func (r *renderer) paint(color, s string) string {
	if !r.opt.Color || s == "" {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

func color(s Severity) string {
	switch s {
	case Error:
		return "1;31"
	case Warning:
		return "1;33"
	}
	return "1;36"
}

func (r *renderer) diagnostic(d *Diagnostic) {
	if at := place(r.fs.Position(d.Span)); at != "" {
		r.b.WriteString(r.paint("1", at) + ": ")
	}
	head := d.Severity.String()
	if d.Code != "" {
		head += "[" + string(d.Code) + "]"
	}
	fmt.Fprintf(&r.b, "%s: %s\n", r.paint(color(d.Severity), head), clean(d.Message))
	if r.opt.Short {
		return
	}
	margin := r.source(d.Span, color(d.Severity), "^")
	for _, rel := range d.Related {
		fmt.Fprintf(&r.b, "%s= %s", margin, clean(rel.Message))
		if at := place(r.fs.Position(rel.Span)); at != "" {
			r.b.WriteString(": " + at)
		}
		r.b.WriteByte('\n')
		r.source(rel.Span, "1;34", "-")
	}
	if d.Hint != "" {
		fmt.Fprintf(&r.b, "%s= hint: %s\n", margin, clean(d.Hint))
	}
}

// source writes the line of a span with the span underlined, and returns the margin for notes below it.
func (r *renderer) source(sp token.Span, paint, mark string) string {
	f := r.fs.File(sp.File)
	if f == nil {
		return "  "
	}
	p := r.fs.Position(sp)
	line := []rune(f.Line(p.Line))
	from := min(p.Col-1, len(line))
	to := len(line)
	if p.EndLine == p.Line {
		to = min(max(p.EndCol-1, from), len(line))
	}
	text, start, end := window(line, from, to)
	nr := strconv.Itoa(p.Line)
	margin := strings.Repeat(" ", len(nr)+3)
	fmt.Fprintf(&r.b, "  %s %s %s\n", nr, r.paint("2", "|"), strings.TrimRight(text, " "))
	fmt.Fprintf(&r.b, "%s%s %s%s\n", margin, r.paint("2", "|"), strings.Repeat(" ", start), r.paint(paint, strings.Repeat(mark, max(end-start, 1))))
	return margin
}

// window expands tabs, cuts a long line around the place, and returns the columns where the place starts and ends.
func window(line []rune, from, to int) (text string, start, end int) {
	prefix, suffix := "", ""
	if len(line) > maxLine {
		lo := max(0, min(from-maxLine/4, len(line)-maxLine))
		hi := min(len(line), lo+maxLine)
		if lo > 0 {
			prefix = "…"
		}
		if hi < len(line) {
			suffix = "…"
		}
		line, from, to = line[lo:hi], from-lo, min(to, hi)-lo
	}
	var b strings.Builder
	b.WriteString(prefix)
	col := len([]rune(prefix))
	start, end = -1, -1
	for i, c := range line {
		if i == from {
			start = col
		}
		if i == to {
			end = col
		}
		switch {
		case c == '\t':
			n := tabWidth - col%tabWidth
			b.WriteString(strings.Repeat(" ", n))
			col += n
			continue
		case !unicode.IsPrint(c):
			c = '?'
		}
		b.WriteRune(c)
		col++
	}
	if start < 0 {
		start = col
	}
	if end < 0 {
		end = col
	}
	b.WriteString(suffix)
	return b.String(), start, end
}

// clean makes a text fit for a terminal: line ends stay, other control characters go.
func clean(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '\n' || c == '\t' || unicode.IsPrint(c) {
			return c
		}
		return '?'
	}, s)
}

func place(p token.Position) string {
	if p.File == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d:%d", clean(p.File), p.Line, p.Col)
}

func (r *renderer) summary(l List) {
	var n [Info + 1]int
	for i := range l {
		n[min(l[i].Severity, Info)]++
	}
	count := func(n int, what string) string {
		if n == 1 {
			return "1 " + what
		}
		return fmt.Sprintf("%d %ss", n, what)
	}
	switch {
	case n[Error] > 0 && n[Warning] > 0:
		r.b.WriteString(count(n[Error], "error") + ", " + count(n[Warning], "warning") + "\n")
	case n[Error] > 0:
		r.b.WriteString(count(n[Error], "error") + "\n")
	case n[Warning] > 0:
		r.b.WriteString(count(n[Warning], "warning") + "\n")
	}
}

// The JSON form of a diagnostic. Lines and columns count from 1; they are absent where there is no place.
type jsonDiag struct {
	Severity string        `json:"severity"`
	Code     Code          `json:"code"`
	Message  string        `json:"message"`
	Hint     string        `json:"hint,omitempty"`
	Home     string        `json:"home,omitempty"`
	Place    *jsonPlace    `json:"location,omitempty"`
	Related  []jsonRelated `json:"related,omitempty"`
}

type jsonPlace struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Col     int    `json:"col"`
	EndLine int    `json:"endLine"`
	EndCol  int    `json:"endCol"`
}

type jsonRelated struct {
	Message string     `json:"message"`
	Place   *jsonPlace `json:"location,omitempty"`
}

// RenderJSON writes diagnostics as a JSON array for programs.
func RenderJSON(w io.Writer, l List, fs *token.FileSet) error {
	at := func(sp token.Span) *jsonPlace {
		p := fs.Position(sp)
		if p.File == "" {
			return nil
		}
		return &jsonPlace{p.File, p.Line, p.Col, p.EndLine, p.EndCol}
	}
	out := make([]jsonDiag, len(l))
	for i := range l {
		d := &l[i]
		out[i] = jsonDiag{Severity: d.Severity.String(), Code: d.Code, Message: d.Message, Hint: d.Hint, Home: d.Home, Place: at(d.Span)}
		for _, rel := range d.Related {
			out[i].Related = append(out[i].Related, jsonRelated{rel.Message, at(rel.Span)})
		}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}
