// Package format lays out .cds text: indents, spaces between tokens, blank lines, columns. Where lines break stays the author's choice.
//
// Only space changes, never a token or a comment, so a formatted text means the same. Formatting twice gives what formatting once gives.
package format

import (
	"strings"

	"cds/parser/diag"
	"cds/parser/syntax"
	"cds/parser/token"
)

// CodeUnstable is reported, and the text left alone, if formatting would change more than space. It points at a fault of this package.
const CodeUnstable diag.Code = "fmt-unstable"

// Messages documents the diagnostics of this package.
func Messages() diag.Catalogue {
	return diag.Catalogue{CodeUnstable: {Severity: diag.Error, Title: "A text that can't be formatted",
		Explain: "Formatting changes nothing but space between tokens. Here it would have changed more, so the file was left as it is. Please report it."}}
}

// Source formats one text. With diagnostics, which are those of the parser, the text is returned as it was.
func Source(id token.FileID, name, text string) (string, diag.List) {
	file, diags := syntax.ParseFile(id, name, text)
	if diags.HasErrors() {
		return text, diags
	}
	tokens, diags := syntax.Tokens(id, text)
	if diags.HasErrors() || len(tokens) == 0 {
		return text, diags
	}
	l := &layout{text: text, tokens: make([]tok, len(tokens)), marks: marksOf(file)}
	for i, t := range tokens {
		l.tokens[i] = tok{Token: t, s: text[t.Start:t.End]}
		gap := text[l.end(i-1):t.Start]
		l.tokens[i].lines = strings.Count(gap, "\n")
		l.tokens[i].space = gap != ""
	}
	l.match()
	l.breaks()
	out := l.write()
	if !same(tokens, text, out) {
		diags.Errorf(CodeUnstable, token.Span{File: id}, "%s can't be formatted", name)
		return text, diags
	}
	return out, nil
}

// same reports whether out has the tokens of text.
func same(tokens []syntax.Token, text, out string) bool {
	after, diags := syntax.Tokens(0, out)
	if len(after) != len(tokens) || len(diags) > 0 {
		return false
	}
	for i, t := range tokens {
		a, b := text[t.Start:t.End], out[after[i].Start:after[i].End]
		if a != b && (t.Kind != syntax.BlockComment && t.Kind != syntax.LineComment || strings.Join(strings.Fields(a), " ") != strings.Join(strings.Fields(b), " ")) {
			return false
		}
	}
	return true
}

// A tok is a token with its place in the layout.
type tok struct {
	syntax.Token
	s     string
	lines int  // line ends before it
	space bool // something stood between it and the token before
	mate  int  // index of the other bracket, -1 for none
}

func (t *tok) comment() bool { return t.Kind == syntax.LineComment || t.Kind == syntax.BlockComment }
func (t *tok) opens() bool {
	return t.Kind == syntax.Punctuation && (t.s == "{" || t.s == "(" || t.s == "[")
}
func (t *tok) closes() bool {
	return t.Kind == syntax.Punctuation && (t.s == "}" || t.s == ")" || t.s == "]")
}
func (t *tok) is(s string) bool { return t.Kind == syntax.Punctuation && t.s == s }

type layout struct {
	text   string
	tokens []tok
	marks  *marks
}

// end returns where token i ends, 0 for -1; a byte order mark counts as space.
func (l *layout) end(i int) int {
	if i < 0 {
		return 0
	}
	return l.tokens[i].End
}

// match finds the partner of each bracket.
func (l *layout) match() {
	var open []int
	for i := range l.tokens {
		t := &l.tokens[i]
		t.mate = -1
		switch {
		case t.opens():
			open = append(open, i)
		case t.closes() && len(open) > 0:
			j := open[len(open)-1]
			open = open[:len(open)-1]
			t.mate, l.tokens[j].mate = j, i
		}
	}
}

// breaks settles where lines end: as the author has it but for braces, semicolons and blank lines.
func (l *layout) breaks() {
	depth := 0
	for i := range l.tokens {
		t := &l.tokens[i]
		if i == 0 {
			t.lines = 0
			if t.opens() {
				depth++
			}
			continue
		}
		p := &l.tokens[i-1]
		t.lines = min(t.lines, 2)
		switch {
		case p.Kind == syntax.LineComment:
			t.lines = max(t.lines, 1)
		case l.marks.verbatim(t.Start):
		case !p.comment() && (t.is("{") && !p.is(",") && !p.opens() || t.is(";") || t.is(",")):
			t.lines = 0
		case depth == 0 && (p.is(";") || p.is("}") && l.marks.heads.begins(t.Start)) && !t.comment():
			t.lines = max(t.lines, 1)
		}
		if t.is("}") && t.mate >= 0 && l.tokens[t.mate+1].lines > 0 && t.mate+1 < i {
			t.lines = 1 // a block that starts on a line of its own ends on one
		}
		if p.opens() || t.closes() {
			t.lines = min(t.lines, 1)
		}
		if t.opens() {
			depth++
		} else if t.closes() {
			depth--
		}
	}
}
