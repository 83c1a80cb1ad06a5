package syntax

import (
	"strings"

	"github.com/alecthomas/participle/v2/lexer"

	"cds/parser/ast"
)

// Parse reads what follows `extend`: `[kind] Name[:element] [with] [annotations] [body]`.
func (p *extendBody) Parse(lex *lexer.PeekingLexer) error {
	return p.read(lex, func(c *cursor) {
		e := &p.ext
		e.Kind = c.extendKind()
		e.Name = c.dotted("the name of a definition")
		if c.accept(":") {
			n := c.dotted("the name of an element")
			e.ElementPath = &n
		}
		e.Annos = c.annos(false)
		with := c.acceptWord("with")
		e.Annos = append(e.Annos, c.annos(false)...)
		c.extendWhat(e)
		if a := c.actions(); a != nil {
			e.Actions = a
		}
		if !with && c.failed == nil && c.lastV != "}" && len(e.Annos) == 0 {
			c.unexpected("‘with’")
		}
	})
}

func (c *cursor) extendKind() string {
	after := c.peek2()
	if !isName(&after) || isWord(&after, "with") {
		return ""
	}
	switch w := strings.ToLower(c.peek().Value); w {
	case "entity", "projection", "service", "context", "type", "aspect", "event", "element", "view":
		c.next()
		return w
	}
	return ""
}

// extendWhat consumes the body: names of aspects, elements, columns, declarations, enum symbols or type facets.
func (c *cursor) extendWhat(e *ast.Extend) {
	after := c.peek2()
	brace := after.Type == tPunct && after.Value == "{"
	switch {
	case c.word("columns") && brace:
		c.next()
		c.next()
		e.Columns = c.columns()
		c.excluding(&e.Excluding)
	case c.word("definitions") && brace:
		c.next()
		c.next()
		e.Decls = c.declList()
	case c.word("elements") && brace:
		c.next()
		c.next()
		e.Elements = c.elements()
	case c.word("enum") && brace:
		c.next()
		c.next()
		e.Enum = c.enumSymbols()
	case c.accept("("):
		t := &ast.TypeExpr{}
		c.typeArgs(t)
		e.TypeArgs = t.NamedArgs
		if len(t.Args) > 0 && c.failed == nil {
			c.fail(codeToken, c.last, "The facets of a type need names, such as ‘length: 100’")
		}
	case isName(c.peek()) && !c.word("actions"):
		e.Includes = c.names(nil)
		if c.accept("{") {
			e.Elements = c.elements()
		}
	case c.is("{"):
		c.extendBraces(e)
	}
}

func (c *cursor) extendBraces(e *ast.Extend) {
	c.next()
	switch e.Kind {
	case "projection":
		e.Columns = c.columns()
		c.excluding(&e.Excluding)
	case "service", "context":
		e.Decls = c.declList()
	case "entity", "type", "aspect", "event", "element", "view":
		e.Elements = c.elements()
	default:
		if c.declAhead() {
			e.Decls = c.declList()
		} else {
			e.Elements = c.elements()
		}
	}
}

// declAhead reports whether a body without kind begins with a declaration: behind annotations, a keyword and a name.
func (c *cursor) declAhead() bool {
	if c.failed != nil {
		return false
	}
	mark, last, lastV := c.lex.MakeCheckpoint(), c.last, c.lastV
	c.annos(false)
	yes := false
	if c.failed == nil {
		if after := c.peek2(); isName(&after) && startsDecl(c.peek()) && !c.word("annotate") && !c.word("extend") {
			yes = true
		}
	}
	c.failed = nil
	c.lex.LoadCheckpoint(mark)
	c.last, c.lastV = last, lastV
	return yes
}

func (p *extendBody) convert(h ast.Head) ast.Decl {
	e := p.ext
	h.Name = e.Name
	h.Annos = append(h.Annos, e.Annos...)
	e.Head = h
	return &e
}

// Parse reads what follows `annotate`: `Name[:element] [with] [annotations] [(parameters)] [{ elements }] [actions] [returns]`.
func (p *annotateBody) Parse(lex *lexer.PeekingLexer) error {
	return p.read(lex, func(c *cursor) {
		a := &p.ann
		a.Name = c.dotted("the name of a definition")
		if c.accept(":") {
			n := c.dotted("the name of an element")
			a.ElementPath = &n
		}
		a.Annos = c.annos(false)
		c.acceptWord("with")
		a.Annos = append(a.Annos, c.annos(false)...)
		if c.accept("(") {
			a.Params = c.annotateParams()
		}
		c.enumWord()
		if c.accept("{") {
			a.Elements = c.annotateElements()
		}
		a.Actions = c.annotateActions()
		a.Returns = c.annotateReturns()
	})
}

// enumWord consumes the `enum` before symbols in braces, which says only what they are.
func (c *cursor) enumWord() {
	if after := c.peek2(); c.word("enum") && after.Type == tPunct && after.Value == "{" {
		c.next()
	}
}

func (p *annotateBody) convert(h ast.Head) ast.Decl {
	a := p.ann
	h.Name = a.Name
	h.Annos = append(h.Annos, a.Annos...)
	a.Head = h
	return &a
}
