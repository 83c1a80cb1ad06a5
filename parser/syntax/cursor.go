package syntax

import (
	"strings"

	"github.com/alecthomas/participle/v2/lexer"

	"cds/parser/ast"
	"cds/parser/diag"
	"cds/parser/token"
)

// A cursor reads tokens for the hand-written part of the grammar. Its first failure is kept in failed; from then on it sees nothing
// but the end of the text, so all loops end and callers need not ask after each step. Blocks clear the failure and go on
// behind the faulty entry (see recover).
type cursor struct {
	lex    *lexer.PeekingLexer
	failed *diag.Diagnostic
	end    lexer.Token // what a failed cursor sees
	diags  diag.List   // of faults that were recovered from
	depth  int
	last   token.Span // of the token consumed last
	lastV  string
}

func newCursor(lex *lexer.PeekingLexer) *cursor { return &cursor{lex: lex} }

// span returns the place of a token in the file.
func span(t *lexer.Token) token.Span {
	n := len(t.Value)
	if t.Pos.Offset != t.Pos.Column { // inside a string of the file: quotes count twice
		n += strings.Count(t.Value, "'")
	}
	return token.Span{File: token.FileID(t.Pos.Line), Start: int32(t.Pos.Offset), End: int32(t.Pos.Offset + n)}
}

func (c *cursor) peek() *lexer.Token {
	if c.failed != nil {
		return &c.end
	}
	return c.lex.Peek()
}

func (c *cursor) next() lexer.Token {
	if c.failed != nil {
		return c.end
	}
	t := *c.lex.Next()
	c.last, c.lastV = span(&t), t.Value
	if t.Type == tString || t.Type == tTyped {
		c.lastV = ""
	}
	return t
}

// peek2 returns the token after the next one.
func (c *cursor) peek2() lexer.Token {
	if c.failed != nil || c.lex.Peek().EOF() {
		return *c.peek()
	}
	mark := c.lex.MakeCheckpoint()
	c.lex.Next()
	t := *c.lex.Peek()
	c.lex.LoadCheckpoint(mark)
	return t
}

func (c *cursor) here() token.Span { return span(c.peek()) }

// since returns the span from s to the token consumed last.
func (c *cursor) since(s token.Span) token.Span {
	if c.last.End < s.End {
		return s
	}
	return s.To(c.last)
}

// is reports whether the next token is the punctuation p.
func (c *cursor) is(p string) bool { t := c.peek(); return t.Type == tPunct && t.Value == p }

// word reports whether the next token is the keyword w, in any case.
func (c *cursor) word(w string) bool { return isWord(c.peek(), w) }

func isWord(t *lexer.Token, w string) bool {
	return t.Type == tIdent && len(t.Value) == len(w) && strings.EqualFold(t.Value, w)
}

// accept consumes the punctuation p if it is next.
func (c *cursor) accept(p string) bool {
	if c.is(p) {
		c.next()
		return true
	}
	return false
}

// acceptWord consumes the keyword w if it is next.
func (c *cursor) acceptWord(w string) bool {
	if c.word(w) {
		c.next()
		return true
	}
	return false
}

// acceptWords consumes several keywords in a row, or none of them.
func (c *cursor) acceptWords(ws ...string) bool {
	if !c.word(ws[0]) {
		return false
	}
	mark, last, lastV := c.lex.MakeCheckpoint(), c.last, c.lastV
	for _, w := range ws {
		if !c.acceptWord(w) {
			c.lex.LoadCheckpoint(mark)
			c.last, c.lastV = last, lastV
			return false
		}
	}
	return true
}

// expect consumes the punctuation p or fails.
func (c *cursor) expect(p string) { c.need(c.accept(p), "‘"+p+"’") }

// expectWord consumes the keyword w or fails.
func (c *cursor) expectWord(w string) { c.need(c.acceptWord(w), "‘"+w+"’") }

func (c *cursor) need(ok bool, what string) {
	if !ok {
		c.unexpected(what)
	}
}

// unexpected fails at the next token.
func (c *cursor) unexpected(expected string) {
	if c.failed == nil {
		c.fail(codeToken, c.here(), "Unexpected %s, expected %s", describe(c.peek()), expected)
	}
}

// fail records a failure unless there is one already.
func (c *cursor) fail(code diag.Code, at token.Span, format string, args ...any) {
	if c.failed != nil {
		return
	}
	var l diag.List
	c.failed = l.Errorf(code, at, format, args...)
	c.end = lexer.Token{Type: tEOF, Pos: c.lex.Peek().Pos}
}

// report adds a diagnostic without failing.
func (c *cursor) report(code diag.Code, at token.Span, format string, args ...any) {
	if c.failed == nil && len(c.diags) < maxDiags {
		c.diags.Errorf(code, at, format, args...)
	}
}

// enter guards a recursion: it fails, and returns false, beyond the depth limit. Each enter needs a leave.
func (c *cursor) enter() bool {
	c.depth++
	if c.depth > maxDepth {
		c.fail(codeDeep, c.here(), "Nested more than %d levels deep", maxDepth)
		return false
	}
	return c.failed == nil
}

func (c *cursor) leave() { c.depth-- }

func describe(t *lexer.Token) string {
	switch t.Type {
	case tEOF:
		return "end of text"
	case tString, tBacktick, tTyped:
		return "string " + clip(t.Value, 20)
	case tNumber:
		return "number " + clip(t.Value, 20)
	}
	return "‘" + clip(t.Value, 30) + "’"
}

// result turns the failure of a Parseable into an error that participle hands through.
func (c *cursor) result() error {
	if c.failed == nil {
		return nil
	}
	return &failure{*c.failed, c.diags}
}

// A failure is a diagnostic as an error of participle's grammar.
type failure struct {
	d     diag.Diagnostic
	diags diag.List // recovered from before
}

func (f *failure) Error() string            { return f.d.Message }
func (f *failure) Message() string          { return f.d.Message }
func (f *failure) Position() lexer.Position { return lexer.Position{Offset: int(f.d.Span.Start)} }

// block reads entries until the closing brace, which it consumes. Each call of entry reads one entry with its separator. A faulty entry
// costs one diagnostic. The opening brace has been consumed. At the end of the text the block fails.
func (c *cursor) block(entry func()) {
	if !c.enter() {
		c.leave()
		return
	}
	for c.failed == nil && !c.is("}") && c.peek().Type != tEOF {
		start := c.lex.MakeCheckpoint()
		entry()
		if c.failed != nil && !c.recover(start, false) {
			c.leave()
			return
		}
		if c.failed == nil && c.lex.RawCursor() == start.RawCursor() { // no entry may stand still
			c.unexpected("‘}’")
			c.recover(start, false)
		}
	}
	c.leave()
	c.need(c.accept("}"), "‘}’")
}

// recover notes the failure and moves behind the entry that began at start: behind the first `;` at its level, or behind a block that ends it, or
// before the `}` or declaration that follows. It reports false, and keeps the failure, if that is the end of the text.
func (c *cursor) recover(start lexer.Checkpoint, top bool) bool {
	broken := c.lex.RawCursor()
	f := *c.failed
	c.failed = nil
	if !c.skip(start, broken, top) {
		c.failed = &f
		return false
	}
	if len(c.diags) < maxDiags {
		c.diags = append(c.diags, f)
	}
	return true
}

func (c *cursor) skip(start lexer.Checkpoint, broken lexer.RawCursor, top bool) bool {
	c.lex.LoadCheckpoint(start)
	var open []byte
	popTo := func(b byte) bool { // closes what is open down to b
		for i := len(open) - 1; i >= 0; i-- {
			if open[i] == b {
				open = open[:i]
				return true
			}
		}
		return false
	}
	for first := true; ; first = false {
		t := c.lex.Peek()
		past := c.lex.RawCursor() >= broken
		if t.EOF() {
			return top
		}
		if past && !first && len(open) == 0 && startsDecl(t) && ownLine(t) {
			return true
		}
		if t.Type != tPunct {
			c.next()
			continue
		}
		switch t.Value {
		case "{", "(", "[":
			open = append(open, t.Value[0])
		case ")":
			if len(open) > 0 && open[len(open)-1] == '(' {
				open = open[:len(open)-1]
			}
		case "]":
			if len(open) > 0 && open[len(open)-1] == '[' {
				open = open[:len(open)-1]
			}
		case "}":
			if !popTo('{') {
				if !top {
					return true // the end of the block around
				}
				open = open[:0]
			}
			c.next()
			if past && len(open) == 0 {
				c.accept(";")
				return true
			}
			continue
		case ";":
			for len(open) > 0 && open[len(open)-1] != '{' {
				open = open[:len(open)-1]
			}
			if past && len(open) == 0 {
				c.next()
				return true
			}
		}
		c.next()
	}
}

// startsDecl reports whether a word begins declarations.
func startsDecl(t *lexer.Token) bool {
	if t.Type != tIdent {
		return t.Type == tPunct && t.Value == "@"
	}
	switch strings.ToLower(t.Value) {
	case "entity", "service", "context", "type", "aspect", "event", "action", "function", "annotate", "extend", "using", "namespace", "define", "view", "annotation", "abstract":
		return true
	}
	return false
}

// ownLine reports whether t is the first token of its line.
func ownLine(t *lexer.Token) bool {
	text, off := t.Pos.Filename, t.Pos.Column
	for off > 0 {
		off--
		switch text[off] {
		case ' ', '\t', '\r':
		case '\n':
			return true
		default:
			return false
		}
	}
	return true
}

// docText returns the doc comment before the next token, "" for none, ast.NoDoc for an empty one.
func (c *cursor) docText() string {
	if c.failed != nil {
		return ""
	}
	doc := ""
	for i := c.lex.RawCursor(); ; i++ {
		t := c.lex.Range(i, i+1)
		if len(t) == 0 || t[0].Type != tDoc {
			return doc
		}
		if doc = cleanDoc(t[0].Value); doc == "" {
			doc = ast.NoDoc
		}
	}
}

// cleanDoc strips the comment marks, leading stars and the common indent.
func cleanDoc(s string) string {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "/**"), "*/")
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	stars := true
	for _, l := range lines[1:] {
		if t := strings.TrimSpace(l); t != "" && t[0] != '*' {
			stars = false
		}
	}
	indent := -1
	for i, l := range lines {
		if i > 0 && stars {
			if t := strings.TrimLeft(l, " \t"); strings.HasPrefix(t, "*") {
				l = t[1:]
			}
		}
		l = strings.TrimRight(l, " \t")
		lines[i] = l
		if n := len(l) - len(strings.TrimLeft(l, " \t")); i > 0 && l != "" && (indent < 0 || n < indent) {
			indent = n
		}
	}
	for i, l := range lines {
		if i == 0 {
			lines[i] = strings.TrimLeft(l, " \t")
		} else if len(l) >= indent && indent > 0 {
			lines[i] = l[indent:]
		}
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}
