package syntax

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/participle/v2/lexer"

	"cds/parser/ast"
	"cds/parser/token"
)

// reserved reports whether a word cannot be a name unless delimited. `key` is not among them: an element may be called so.
func reserved(w string) bool {
	switch strings.ToLower(w) {
	case "all", "any", "as", "by", "case", "cast", "distinct", "exists", "extract", "false", "from", "in", "new", "not", "null",
		"of", "on", "select", "some", "trim", "true", "when", "where", "with":
		return true
	}
	return false
}

func isName(t *lexer.Token) bool { return t.Type == tIdent || t.Type == tDelim }

// ident consumes one identifier that may be any word.
func (c *cursor) ident(what string) ast.Ident {
	t := c.peek()
	if !isName(t) {
		c.unexpected(what)
		return ast.Ident{Span: c.here()}
	}
	tok := c.next()
	return ast.Ident{Text: nameText(&tok), Span: c.last, Delimited: tok.Type == tDelim}
}

// newName consumes one identifier that gives something a name; reserved words must be delimited.
func (c *cursor) newName(what string) ast.Ident {
	if t := c.peek(); t.Type == tIdent && reserved(t.Value) && !strings.EqualFold(t.Value, "in") { // parameters are often called `in`
		at := c.here()
		c.fail(codeReserved, at, "‘%s’ is a reserved word and cannot be a name", t.Value)
		c.failed.Hint = "Write ![" + t.Value + "]."
	}
	return c.ident(what)
}

func nameText(t *lexer.Token) string {
	if t.Type != tDelim {
		return t.Value
	}
	s := t.Value
	if strings.HasPrefix(s, `"`) {
		return strings.Trim(s, `"`)
	}
	s = strings.TrimSuffix(strings.TrimPrefix(s, "!["), "]")
	return strings.ReplaceAll(s, "]]", "]")
}

// dotted consumes a dotted name. The first part must not be a reserved word.
func (c *cursor) dotted(what string) ast.Name {
	first := c.newName(what)
	n := ast.NameOf(first)
	for c.is(".") {
		if t := c.peek2(); !isName(&t) {
			break // `a.{` and `a.*` belong to the caller
		}
		c.next()
		part := c.ident("a name")
		n.Parts = append(n.Idents(), part)
		n.Text += "." + part.Text
		n.Span = n.Span.To(part.Span)
	}
	return n
}

// idents consumes a list of names in braces, after the opening brace.
func (c *cursor) idents() []ast.Ident {
	out := []ast.Ident{}
	for !c.is("}") && c.failed == nil {
		out = append(out, c.ident("a name"))
		if !c.accept(",") {
			break
		}
	}
	c.expect("}")
	return out
}

// stringValue consumes a string and returns its text.
func (c *cursor) stringValue(what string) (string, token.Span) {
	t := c.peek()
	if t.Type != tString && t.Type != tBacktick {
		c.unexpected(what)
		return "", c.here()
	}
	tok := c.next()
	return c.unquote(&tok), c.last
}

// unquote returns the text of a string token. Bad escapes are reported.
func (c *cursor) unquote(t *lexer.Token) string {
	s := t.Value
	if t.Type == tBacktick {
		return c.unescape(t)
	}
	if i := strings.IndexByte(s, '\''); i >= 0 {
		s = s[i+1:]
	}
	if n := len(s); n > 0 && s[n-1] == '\'' {
		s = s[:n-1]
	}
	return strings.ReplaceAll(s, "''", "'")
}

func (c *cursor) unescape(t *lexer.Token) string {
	s := strings.ReplaceAll(t.Value, "\r\n", "\n")
	if strings.HasPrefix(s, "```") && len(s) >= 6 {
		s = stripBlock(s[3 : len(s)-3])
	} else {
		s = strings.TrimPrefix(s, "`")
		s = strings.TrimSuffix(s, "`")
	}
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		text, n := escape(s[i+1:])
		if n == 0 {
			c.report(codeEscape, span(t), "Unknown escape %q in a string", clip(s[i:], 4))
			return s
		}
		b.WriteString(text)
		i += n
	}
	return b.String()
}

// escape returns what the escape after a backslash stands for, and its length; 0 for an unknown one.
func escape(s string) (string, int) {
	if s == "" {
		return "", 0
	}
	switch s[0] {
	case 'n':
		return "\n", 1
	case 'r':
		return "\r", 1
	case 't':
		return "\t", 1
	case 'b':
		return "\b", 1
	case 'f':
		return "\f", 1
	case 'v':
		return "\v", 1
	case '0':
		if len(s) > 1 && s[1] >= '0' && s[1] <= '9' {
			return "", 0
		}
		return "\x00", 1
	case '\\', '`', '$', '\'', '"':
		return s[:1], 1
	case '\n': // continues the line
		return "", 1
	case 'x':
		return hexRune(s, 1, 3)
	case 'u':
		if strings.HasPrefix(s, "u{") {
			if end := strings.IndexByte(s, '}'); end > 2 && end <= 8 {
				text, n := hexRune(s, 2, end)
				if n > 0 {
					return text, end + 1
				}
			}
			return "", 0
		}
		return hexRune(s, 1, 5)
	}
	return "", 0
}

func hexRune(s string, from, to int) (string, int) {
	if len(s) < to {
		return "", 0
	}
	n, err := strconv.ParseUint(s[from:to], 16, 32)
	if err != nil || !utf8.ValidRune(rune(n)) {
		return "", 0
	}
	return fmt.Sprintf("%c", rune(n)), to
}

// stripBlock drops the tag after the opening fence, the first and last line break, and the common indent.
func stripBlock(s string) string {
	_, body, ok := strings.Cut(s, "\n")
	if !ok {
		return s
	}
	lines := strings.Split(body, "\n")
	if n := len(lines); n > 0 && strings.TrimSpace(lines[n-1]) == "" {
		lines = lines[:n-1]
	}
	indent := -1
	for _, l := range lines {
		if n := len(l) - len(strings.TrimLeft(l, " \t")); strings.TrimSpace(l) != "" && (indent < 0 || n < indent) {
			indent = n
		}
	}
	for i, l := range lines {
		lines[i] = l[min(max(indent, 0), len(l)):]
	}
	return strings.Join(lines, "\n")
}
