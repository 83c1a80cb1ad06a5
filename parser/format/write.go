package format

import (
	"strings"
	"unicode/utf8"

	"cds/parser/syntax"
)

const (
	indentUnit = "  "
	maxPad     = 24 // columns are lined up as long as no name is that much longer than another
)

// A line is one line of output. Cells are lined up with those of the lines around it.
type line struct {
	indent  int
	text    strings.Builder
	colon   int // offset of the colon that is lined up, -1 for none
	comment int // offset of a trailing comment, -1 for none
	block   int // bracket around it: lines of one block are lined up
	raw     bool
}

// write lays the tokens out.
func (l *layout) write() string {
	var lines []*line
	cur := &line{colon: -1, comment: -1, block: -1}
	type bracket struct{ at, indent, line int }
	var open []bracket
	lineNo := 0
	for i := range l.tokens {
		t := &l.tokens[i]
		if i > 0 && l.marks.verbatim(t.Start) {
			gap := l.text[l.end(i-1):t.Start]
			cur.text.WriteString(gap)
			cur.raw = cur.raw || strings.Contains(gap, "\n")
		} else if i == 0 || t.lines > 0 {
			if i > 0 {
				lines = append(lines, cur)
				if t.lines > 1 {
					lines = append(lines, nil)
				}
			}
			lineNo++
			cur = &line{colon: -1, comment: -1, block: -1}
			if n := len(open); n > 0 {
				cur.indent, cur.block = open[n-1].indent+1, open[n-1].at
				if t.closes() {
					cur.indent--
				}
			}
			if l.continues(i) {
				cur.indent++
			}
		} else if l.spaced(i) {
			cur.text.WriteByte(' ')
		}
		l.cell(cur, i)
		cur.text.WriteString(l.token(t, cur.indent))
		switch {
		case t.opens():
			open = append(open, bracket{i, cur.indent, lineNo})
		case t.closes() && len(open) > 0:
			open = open[:len(open)-1]
		}
	}
	return render(append(lines, cur))
}

// cell notes the places in a line that are lined up with those of other lines.
func (l *layout) cell(cur *line, i int) {
	t := &l.tokens[i]
	switch {
	case t.is(":") && cur.colon < 0 && l.typeColon(i) && l.lineStart(i):
		cur.colon = cur.text.Len()
	case t.Kind == syntax.LineComment && cur.text.Len() > 0 && (i+1 == len(l.tokens) || l.tokens[i+1].lines > 0):
		cur.comment = cur.text.Len()
	}
}

// lineStart reports whether the element of the colon at i is the first thing in its line.
func (l *layout) lineStart(i int) bool {
	depth := 0
	for j := i - 1; j >= 0; j-- {
		t := &l.tokens[j]
		switch {
		case t.closes():
			depth++
		case t.opens():
			if depth--; depth < 0 {
				return false
			}
		case depth == 0 && (t.is(";") || t.is(",")):
			return false
		}
		if t.lines > 0 || j == 0 {
			return l.marks.heads.has(t.Start)
		}
	}
	return false
}

// typeColon reports whether the colon at i stands between a name and its type.
func (l *layout) typeColon(i int) bool {
	for j := i + 1; j < len(l.tokens) && j < i+4; j++ {
		if l.marks.typed[l.tokens[j].Start] {
			return true
		}
		if !l.tokens[j].comment() && !strings.EqualFold(l.tokens[j].s, "localized") && !strings.EqualFold(l.tokens[j].s, "masked") {
			return false
		}
	}
	return false
}

// continues reports whether the line that starts with token i goes on with what the line before began.
func (l *layout) continues(i int) bool {
	t := &l.tokens[i]
	if i == 0 || t.closes() {
		return false
	}
	j := i - 1
	for j >= 0 && l.tokens[j].comment() {
		j--
	}
	if j < 0 {
		return false
	}
	p := &l.tokens[j]
	if p.is(";") || p.is("}") || p.is(",") || p.opens() {
		return false
	}
	for k := i; k < len(l.tokens); k++ { // comments belong to what follows
		if !l.tokens[k].comment() {
			return !l.tokens[k].closes() && !l.marks.heads.has(l.tokens[k].Start)
		}
	}
	return false
}

// token returns the text of a token. Lines of a comment with stars are indented like its first.
func (l *layout) token(t *tok, indent int) string {
	switch t.Kind {
	case syntax.LineComment:
		return strings.TrimRight(t.s, " \t\r\f\v")
	case syntax.BlockComment:
	default:
		return t.s
	}
	rows := strings.Split(t.s, "\n")
	for _, r := range rows[1:] {
		if !strings.HasPrefix(strings.TrimLeft(r, " \t"), "*") {
			return t.s
		}
	}
	for i := 1; i < len(rows); i++ {
		rows[i] = strings.Repeat(indentUnit, indent) + " " + strings.TrimRight(strings.TrimLeft(rows[i], " \t"), " \t\r")
	}
	if len(rows) > 1 {
		rows[0] = strings.TrimRight(rows[0], " \t\r")
	}
	return strings.Join(rows, "\n")
}

// spaced reports whether a space stands between token i and the one before, which are on one line.
func (l *layout) spaced(i int) bool {
	t, p := &l.tokens[i], &l.tokens[i-1]
	if t.comment() || p.comment() {
		return !(p.opens() && !p.is("{")) && !t.is(",") && !t.is(";")
	}
	switch {
	case t.is(":") && (l.typeColon(i) || i+1 < len(l.tokens) && l.marks.casts[l.tokens[i+1].Start]):
		return true
	case p.is(":") && (l.typeColon(i-1) || l.marks.casts[t.Start] || l.marks.values[t.Start]):
		return true
	case t.is(":") && i+1 < len(l.tokens) && l.marks.values[l.tokens[i+1].Start]:
		return false
	}
	if t.Kind == syntax.Punctuation {
		switch t.s {
		case ";", ",", ")", "]", ".":
			return false
		case "}":
			return !p.is("{")
		case "{":
			return !(p.is(".") || p.is("(") || p.is("[") || p.is("@"))
		case "=", "==", "!=", "<>", "<=", ">=", "=>", "||", "?":
			return true
		case "@":
			return !(p.is("(") || p.is("[") || p.is("."))
		}
	}
	if p.Kind == syntax.Punctuation {
		switch p.s {
		case "(", "[", ".", "@", "#":
			return false
		case ",", ";", "{", "}", "=", "==", "!=", "<>", "<=", ">=", "=>", "||", "?":
			return true
		case ")", "]":
			if t.Kind != syntax.Punctuation {
				return true
			}
		}
	}
	if t.Kind != syntax.Punctuation && p.Kind != syntax.Punctuation {
		return true
	}
	return t.space
}

// render joins lines, with columns lined up.
func render(lines []*line) string {
	alignColons(lines)
	alignComments(lines)
	var b strings.Builder
	for _, ln := range lines {
		if ln != nil {
			b.WriteString(strings.Repeat(indentUnit, ln.indent))
			b.WriteString(ln.text.String())
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// runs calls f for each run of neighbouring lines that belong together.
func runs(lines []*line, cell func(*line) int, f func([]*line)) {
	for i := 0; i < len(lines); i++ {
		if lines[i] == nil || cell(lines[i]) < 0 {
			continue
		}
		j := i + 1
		for j < len(lines) && lines[j] != nil && cell(lines[j]) >= 0 && lines[j].block == lines[i].block && lines[j].indent == lines[i].indent {
			j++
		}
		f(lines[i:j])
		i = j - 1
	}
}

func alignColons(lines []*line) {
	runs(lines, func(ln *line) int { return ln.colon }, func(run []*line) {
		pad(run, func(ln *line) int { return ln.colon }, func(ln *line, n int) {
			ln.insert(ln.colon, n)
			if ln.comment > ln.colon {
				ln.comment += n
			}
		})
	})
}

func alignComments(lines []*line) {
	runs(lines, func(ln *line) int { return ln.comment }, func(run []*line) {
		pad(run, func(ln *line) int { return ln.comment }, func(ln *line, n int) { ln.insert(ln.comment, n) })
	})
}

// pad inserts spaces so that a cell begins in the same column in all lines of a run.
func pad(run []*line, cell func(*line) int, insert func(*line, int)) {
	width := func(ln *line) int {
		s := ln.text.String()[:cell(ln)]
		return utf8.RuneCountInString(s[strings.LastIndexByte(s, '\n')+1:])
	}
	least, most := 1<<30, 0
	for _, ln := range run {
		least, most = min(least, width(ln)), max(most, width(ln))
	}
	if most-least > maxPad {
		return
	}
	for _, ln := range run {
		insert(ln, most-width(ln))
	}
}

func (ln *line) insert(at, n int) {
	s := ln.text.String()
	ln.text.Reset()
	ln.text.WriteString(s[:at])
	ln.text.WriteString(strings.Repeat(" ", n))
	ln.text.WriteString(s[at:])
}
