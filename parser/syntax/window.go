package syntax

import (
	"strings"

	"github.com/alecthomas/participle/v2/lexer"

	"cds/parser/ast"
	"cds/parser/token"
)

// Tokens for participle are large, so a file without faults is parsed by way of a window that holds some declarations at a time. What is
// seen through it starts and ends between declarations. A file with a fault is parsed again as a whole, since recovery looks ahead.

const (
	windowSize  = 1024 // tokens; it grows where one declaration has more
	windowLeast = 256  // tokens to read before a window ends
)

// A window is a lexer of participle whose tokens are replaced time and again.
type window struct {
	scan   *scanner
	lex    *lexer.PeekingLexer
	tokens []lexer.Token // those of lex
	next   lexer.Token   // read, but not in the window any more
	done   bool          // next is the end of the text
}

func newWindow(s *scanner) *window {
	w := &window{scan: s}
	w.resize(windowSize)
	w.next, _ = s.Next()
	return w
}

// blanks makes n tokens of no meaning.
type blanks int

func (b *blanks) Next() (lexer.Token, error) {
	if *b--; *b <= 0 {
		return lexer.EOFToken(lexer.Position{}), nil
	}
	return lexer.Token{Type: tPunct}, nil
}

func (w *window) resize(n int) {
	b := blanks(n)
	w.lex, _ = lexer.Upgrade(&b, tDoc) // blanks never fail
	old := w.tokens
	w.tokens = w.lex.Range(0, lexer.RawCursor(n))
	copy(w.tokens, old)
}

// fill puts the next declarations into the window. It reports false at the end of the text and at a fault of the scanner.
func (w *window) fill() bool {
	if w.done || len(w.scan.diags) > 0 {
		return false
	}
	n := 0
	var b borders
	for {
		t := w.next
		w.done = t.EOF()
		if w.done || n >= windowLeast && b.before(&t) {
			break
		}
		if n == len(w.tokens)-1 {
			w.resize(2 * len(w.tokens))
		}
		w.tokens[n] = t
		n++
		b.pass(&t)
		w.next, _ = w.scan.Next()
	}
	w.tokens[n] = lexer.Token{Type: tEOF, Pos: w.next.Pos}
	w.lex.LoadCheckpoint(lexer.Checkpoint{})
	w.lex.FastForward(-1) // over a doc comment at the beginning
	return true
}

// borders finds where a declaration is surely over. Taking too many places for borders costs a second parse only, as long as no annotation
// behind a declaration is taken for one of the next.
type borders struct {
	depth int
	end   byte // of the last token that may end a declaration, 0 for none
	plain bool // the declaration is one that no annotation can stand behind
	named bool // the next word is the name of a declaration
	part  bool // the next word belongs to an annotation or a longer name
}

func (b *borders) pass(t *lexer.Token) {
	b.end = 0
	if t.Type == tDoc { // it belongs to what follows
		return
	}
	if t.Type != tPunct {
		if b.depth == 0 && t.Type == tIdent && !b.part {
			b.word(t)
		}
		b.part = false
		return
	}
	b.part = t.Value == "@" || t.Value == "." || t.Value == ":" || t.Value == "#"
	switch t.Value {
	case "{", "(", "[":
		b.depth++
	case "}", ")", "]":
		b.depth--
	}
	if b.depth == 0 && (t.Value == "}" || t.Value == ";") {
		b.end = t.Value[0]
	}
}

// word takes a word at the level of declarations that may be the keyword of one.
func (b *borders) word(t *lexer.Token) {
	switch w := strings.ToLower(t.Value); {
	case b.named:
		b.named = false
	case w == "as":
		b.plain = false
	case w == "define", w == "abstract":
	case startsDecl(t):
		b.plain = w == "entity" || w == "service" || w == "context" || w == "aspect"
		b.named = true
	}
}

// before reports whether a declaration is over before t.
func (b *borders) before(t *lexer.Token) bool {
	switch {
	case b.end == ';':
		return true
	case b.end != '}' || t.Type != tIdent && !b.plain:
		return false
	}
	return t.Type == tDoc || startsDecl(t)
}

// parseClean adds the declarations of a text without faults to f. If it reports false, f is of no use.
func parseClean(f *ast.File, id token.FileID, text string) bool {
	w := newWindow(newScanner(id, text, 0))
	add := &fileBuilder{file: f}
	for w.fill() {
		c := newCursor(w.lex)
		add.cursor = c
		c.declarations(false, add.declaration)
		if c.failed != nil || len(c.diags) > 0 {
			return false
		}
	}
	return w.done && len(w.scan.diags) == 0 && !w.scan.deep
}

// A fileBuilder puts declarations into a file.
type fileBuilder struct {
	file   *ast.File
	cursor *cursor
}

func (b *fileBuilder) declaration(d *declaration, at token.Span) {
	f := b.file
	switch {
	case d.Namespace != nil:
		if f.Namespace != nil || len(f.Decls) > 0 {
			b.cursor.report(codeToken, at, "Unexpected ‘namespace’, expected a definition: a namespace can stand once, before all definitions")
			return
		}
		f.Namespace = &d.Namespace.name
	case d.Using != nil:
		u := d.Using.using
		u.Span = at
		f.Usings = append(f.Usings, &u)
	default:
		f.Decls = append(f.Decls, d.convert(at))
	}
}
