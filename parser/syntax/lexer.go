// Package syntax parses the text of .cds files, and the conditions inside string annotations, to syntax trees of package ast.
//
// Participle reads the declarations by the grammar of decl.go. Everything inside them that is frequent or needs exact messages
// (names, annotations, types, elements, queries, expressions) is read by hand-written methods of cursor, which the grammar calls
// through participle's Parseable. Faults never stop the parser: it reports one diagnostic and goes on behind the next `;` or `}`.
package syntax

import (
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/alecthomas/participle/v2/lexer"

	"cds/parser/diag"
	"cds/parser/token"
)

// The types of tokens. Keywords are identifiers: they are words only where the grammar asks for them.
const (
	tEOF   = lexer.EOF
	tIdent = lexer.TokenType(iota + 1)
	tDelim // ![name]
	tNumber
	tString   // 'text'
	tBacktick // `text` or ```text```
	tTyped    // date'…', time'…', timestamp'…', x'…'
	tPunct
	tDoc // doc comment, elided
)

const (
	maxText  = 64 << 20 // bytes of one file
	maxDepth = 200      // nesting of brackets, of types and of operators
	maxChain = 5000     // operators of one level in a row
	maxDiags = 100      // reported per file
)

// definition makes scanners. It implements participle's lexer.Definition and lexer.StringDefinition.
type definition struct{}

func (definition) Symbols() map[string]lexer.TokenType {
	return map[string]lexer.TokenType{"EOF": tEOF, "Ident": tIdent, "Delim": tDelim, "Number": tNumber, "String": tString,
		"Backtick": tBacktick, "Typed": tTyped, "Punct": tPunct, "Doc": tDoc}
}

func (definition) Lex(name string, r io.Reader) (lexer.Lexer, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxText+1))
	return newScanner(0, string(b), 0), err
}

func (definition) LexString(name, text string) (lexer.Lexer, error) {
	return newScanner(0, text, 0), nil
}

// A scanner cuts a text into tokens. A token's position holds, in place of what participle thinks of: as Offset the byte offset
// in the file, as Line the FileID, as Column the offset in text, as Filename the text. So each token leads to its source.
type scanner struct {
	file token.FileID
	text string
	pos  int
	// A condition in a string of the file starts at base; there, a quote in text is two quotes in the file.
	base, shift int
	inString    bool
	open        int // brackets that are open
	deep        bool
	diags       diag.List
}

func newScanner(file token.FileID, text string, base int32) *scanner {
	s := &scanner{file: file, text: text, base: int(base), inString: base > 0}
	if !s.inString && strings.HasPrefix(text, "\ufeff") {
		s.pos = len("\ufeff")
	}
	return s
}

// Next returns the next token; it never fails, but collects diagnostics.
func (s *scanner) Next() (lexer.Token, error) {
	for s.pos < len(s.text) && !s.deep {
		start := s.pos
		typ := s.scan()
		at := s.position(start)
		if s.inString {
			s.shift += strings.Count(s.text[start:s.pos], "'")
		}
		if typ != 0 {
			return lexer.Token{Type: typ, Value: s.text[start:s.pos], Pos: at}, nil
		}
	}
	return lexer.Token{Type: tEOF, Pos: s.position(len(s.text))}, nil
}

func (s *scanner) position(off int) lexer.Position {
	return lexer.Position{Filename: s.text, Offset: s.base + s.shift + off, Line: int(s.file), Column: off}
}

func (s *scanner) span(start, end int) token.Span {
	d := s.base + s.shift
	if s.inString {
		end += strings.Count(s.text[start:end], "'")
	}
	return token.Span{File: s.file, Start: int32(d + start), End: int32(d + end)}
}

func (s *scanner) errorf(code diag.Code, start, end int, format string, args ...any) *diag.Diagnostic {
	if len(s.diags) >= maxDiags {
		return new(diag.Diagnostic)
	}
	return s.diags.Errorf(code, s.span(start, end), format, args...)
}

// scan moves behind the next token and returns its type, 0 for space, comments and unknown characters.
func (s *scanner) scan() lexer.TokenType {
	c := s.text[s.pos]
	switch {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
		s.pos++
		return 0
	case identStart(c):
		return s.word()
	case c >= '0' && c <= '9':
		s.number()
		return tNumber
	case c == '\'':
		s.quoted(s.pos)
		return tString
	case c == '`':
		s.backtick()
		return tBacktick
	case c == '"':
		return s.doubleQuoted()
	case c == '/' && s.has("//"):
		s.toLineEnd()
		return 0
	case c == '/' && s.has("/*"):
		return s.comment()
	case c == '!' && s.has("!["):
		return s.delimited()
	case c >= utf8.RuneSelf:
		return s.wide()
	}
	return s.punct()
}

func (s *scanner) has(p string) bool { return strings.HasPrefix(s.text[s.pos:], p) }

func identStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$'
}

func identPart(c byte) bool { return identStart(c) || c >= '0' && c <= '9' }

func (s *scanner) word() lexer.TokenType {
	start := s.pos
	for s.pos < len(s.text) {
		if c := s.text[s.pos]; c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s.text[s.pos:])
			if r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
				break
			}
			s.pos += n
		} else if identPart(c) {
			s.pos++
		} else {
			break
		}
	}
	if s.pos < len(s.text) && s.text[s.pos] == '\'' {
		switch strings.ToLower(s.text[start:s.pos]) {
		case "date", "time", "timestamp", "x":
			s.quoted(start)
			return tTyped
		}
	}
	return tIdent
}

// wide scans an identifier that starts with a letter outside ASCII, or complains about what else it is.
func (s *scanner) wide() lexer.TokenType {
	start := s.pos
	r, n := utf8.DecodeRuneInString(s.text[s.pos:])
	if r != utf8.RuneError && unicode.IsLetter(r) {
		return s.word()
	}
	if unicode.IsSpace(r) {
		s.pos += n
		return 0
	}
	for s.pos < len(s.text) && s.text[s.pos] >= utf8.RuneSelf {
		r, n = utf8.DecodeRuneInString(s.text[s.pos:])
		if unicode.IsLetter(r) && r != utf8.RuneError || unicode.IsSpace(r) {
			break
		}
		s.pos += n
	}
	s.unknown(start)
	return 0
}

func (s *scanner) unknown(start int) {
	s.errorf(codeChar, start, s.pos, "Unknown character %q", clip(s.text[start:s.pos], 12))
}

func (s *scanner) number() {
	digits := func() {
		for s.pos < len(s.text) && s.text[s.pos] >= '0' && s.text[s.pos] <= '9' {
			s.pos++
		}
	}
	digit := func(i int) bool { return i < len(s.text) && s.text[i] >= '0' && s.text[i] <= '9' }
	digits()
	if s.has(".") && digit(s.pos+1) {
		s.pos++
		digits()
	}
	if s.has("e") || s.has("E") {
		i := s.pos + 1
		if i < len(s.text) && (s.text[i] == '+' || s.text[i] == '-') {
			i++
		}
		if digit(i) {
			s.pos = i
			digits()
		}
	}
}

// quoted scans a single-quoted string that begins at s.pos; start is where the token begins.
func (s *scanner) quoted(start int) {
	for s.pos++; s.pos < len(s.text); s.pos++ {
		switch s.text[s.pos] {
		case '\'':
			if s.pos+1 < len(s.text) && s.text[s.pos+1] == '\'' {
				s.pos++
				continue
			}
			s.pos++
			return
		case '\n', '\r':
			s.unclosed(start, "String", "'")
			return
		}
	}
	s.unclosed(start, "String", "'")
}

func (s *scanner) unclosed(start int, what, end string) {
	s.errorf(codeUnclosed, start, min(s.pos, start+2), "%s that starts here is not terminated, expected %s", what, end)
}

func (s *scanner) backtick() {
	start := s.pos
	end := "`"
	if s.has("```") {
		end = "```"
	}
	for s.pos += len(end); s.pos < len(s.text); s.pos++ {
		switch {
		case s.text[s.pos] == '\\' && s.pos+1 < len(s.text):
			s.pos++
		case s.has(end):
			s.pos += len(end)
			return
		}
	}
	s.unclosed(start, "String", end)
}

func (s *scanner) doubleQuoted() lexer.TokenType {
	start := s.pos
	n := strings.IndexAny(s.text[start+1:], "\"\n")
	if n < 0 || s.text[start+1+n] == '\n' {
		s.pos++
		s.errorf(codeQuotes, start, s.pos, "Unexpected %q", `"`)
		return 0
	}
	s.pos = start + n + 2
	d := s.errorf(codeQuotes, start, s.pos, "Names and strings cannot stand in double quotes")
	d.Hint = "Write ![" + clip(s.text[start+1:s.pos-1], 40) + "] for a name, '…' for a string."
	return tDelim
}

func (s *scanner) delimited() lexer.TokenType {
	start := s.pos
	for s.pos += 2; s.pos < len(s.text); s.pos++ {
		switch s.text[s.pos] {
		case ']':
			if s.pos+1 < len(s.text) && s.text[s.pos+1] == ']' {
				s.pos++
				continue
			}
			s.pos++
			if s.pos-start == 3 {
				s.errorf(codeLiteral, start, s.pos, "A delimited name cannot be empty")
			}
			return tDelim
		case '\n':
			s.unclosed(start, "Name", "]")
			return tDelim
		}
	}
	s.unclosed(start, "Name", "]")
	return tDelim
}

func (s *scanner) toLineEnd() {
	if n := strings.IndexByte(s.text[s.pos:], '\n'); n >= 0 {
		s.pos += n
		return
	}
	s.pos = len(s.text)
}

func (s *scanner) comment() lexer.TokenType {
	start := s.pos
	n := strings.Index(s.text[start+2:], "*/")
	if n < 0 {
		s.pos = len(s.text)
		s.errorf(codeUnclosed, start, start+2, "Comment that starts here is not terminated, expected */")
		return 0
	}
	s.pos = start + n + 4
	if n > 0 && s.text[start+2] == '*' {
		return tDoc
	}
	return 0
}

// The punctuation of more than one character, longest first.
var longPuncts = [...]string{"...", "..", "||", "<=", ">=", "<>", "!=", "==", "=>"}

func (s *scanner) punct() lexer.TokenType {
	start := s.pos
	for _, p := range longPuncts {
		if s.has(p) {
			s.pos += len(p)
			return tPunct
		}
	}
	c := s.text[s.pos]
	s.pos++
	switch c {
	case '(', '[', '{':
		if s.open++; s.open > maxDepth {
			s.deep = true
			s.errorf(codeDeep, start, s.pos, "Brackets are nested more than %d levels deep", maxDepth)
			return 0
		}
	case ')', ']', '}':
		s.open = max(s.open-1, 0)
	case ';', ':', ',', '.', '@', '#', '=', '<', '>', '+', '-', '*', '/', '?':
	default:
		s.unknown(start)
		return 0
	}
	return tPunct
}

func clip(s string, n int) string {
	if len(s) <= n {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return strings.ToValidUTF8(s[:n], "\uFFFD") + "…"
}
