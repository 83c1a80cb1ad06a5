package syntax

import (
	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"

	"cds/parser/ast"
	"cds/parser/diag"
	"cds/parser/token"
)

// The pieces of the grammar that are read by hand. Each has a Parse method, which makes it a Parseable of participle, and the
// diagnostics of the faults that it recovered from.

type piece struct{ diags diag.List }

// read runs f on a cursor over lex.
func (p *piece) read(lex *lexer.PeekingLexer, f func(c *cursor)) error {
	c := newCursor(lex)
	f(c)
	p.diags = c.diags
	return c.result()
}

type (
	// head is doc comment and annotations before the keyword.
	head struct {
		piece
		ast.Head
	}
	dottedName struct {
		piece
		name ast.Name
	}
	// definedName is the name of a definition and the annotations behind it.
	definedName struct {
		piece
		doc   string
		name  ast.Name
		annos []*ast.Anno
	}
	usingBody struct {
		piece
		using ast.Using
	}
	declBlock struct {
		piece
		decls []ast.Decl
	}
	elementBlock struct {
		piece
		at       token.Span
		elements []*ast.Element
	}
	aspectBody  struct{ elementBlock }
	actionBlock struct {
		piece
		actions []*ast.Operation
	}
	nameList struct {
		piece
		names []*ast.Name
	}
	viewParams struct {
		piece
		params []*ast.Element
	}
	queryBody struct {
		piece
		query *ast.Query
	}
	// typeBody is what stands behind the colon of a type or event.
	typeBody struct {
		piece
		includes []*ast.Name
		owner    ast.Element // holds type, annotations, default
		query    *ast.Query
	}
	operationBody struct {
		piece
		op ast.Operation
	}
	functionBody struct {
		piece
		op ast.Operation
	}
	extendBody struct {
		piece
		ext ast.Extend
	}
	annotateBody struct {
		piece
		ann ast.Annotate
	}
)

// The get methods return the diagnostics' owner of a part that may be absent: nil then.

func (p *elementBlock) get() *piece {
	if p == nil {
		return nil
	}
	return &p.piece
}

func (p *actionBlock) get() *piece {
	if p == nil {
		return nil
	}
	return &p.piece
}

func (p *viewParams) get() *piece {
	if p == nil {
		return nil
	}
	return &p.piece
}

func (p *queryBody) get() *piece {
	if p == nil {
		return nil
	}
	return &p.piece
}

func (p *typeBody) get() *piece {
	if p == nil {
		return nil
	}
	return &p.piece
}

func (p *head) Parse(lex *lexer.PeekingLexer) error {
	return p.read(lex, func(c *cursor) { c.headStart(&p.Head) })
}

func (p *dottedName) Parse(lex *lexer.PeekingLexer) error {
	return p.read(lex, func(c *cursor) { p.name = c.dotted("a name") })
}

func (p *definedName) Parse(lex *lexer.PeekingLexer) error {
	return p.read(lex, func(c *cursor) {
		p.doc = c.docText()
		p.name = c.dotted("a name")
		p.annos = c.annos(true)
	})
}

// into completes a head with name and annotations.
func (p *definedName) into(h ast.Head) ast.Head {
	h.Name = p.name
	if p.doc != "" {
		h.Doc = p.doc
	}
	h.Annos = append(h.Annos, p.annos...)
	return h
}

func (p *usingBody) Parse(lex *lexer.PeekingLexer) error {
	return p.read(lex, func(c *cursor) {
		u := &p.using
		u.Span = c.here()
		switch {
		case c.word("from"):
		case c.accept("{"):
			for !c.is("}") && c.failed == nil {
				u.Items = append(u.Items, c.usingItem())
				if !c.accept(",") {
					break
				}
			}
			c.expect("}")
		default:
			u.Items = append(u.Items, c.usingItem())
		}
		if c.acceptWord("from") {
			u.From, u.FromSpan = c.stringValue("the path of a file in quotes")
		} else if len(u.Items) == 0 {
			c.unexpected("‘from’")
		}
		u.Span = c.since(u.Span)
	})
}

func (c *cursor) usingItem() ast.UsingItem {
	it := ast.UsingItem{Name: c.dotted("a name")}
	if c.acceptWord("as") {
		id := c.newName("an alias")
		it.As = &id
	}
	return it
}

func (p *declBlock) Parse(lex *lexer.PeekingLexer) error {
	return p.read(lex, func(c *cursor) {
		c.expect("{")
		p.decls = c.declList()
	})
}

// declList consumes declarations up to the closing brace, and that.
func (c *cursor) declList() []ast.Decl {
	out := []ast.Decl{}
	c.declarations(true, func(d *declaration, at token.Span) {
		switch {
		case d.Namespace != nil:
			c.report(codeOrder, d.Namespace.name.Span, "‘namespace’ must stand at the beginning of the file")
		case d.Using != nil:
			c.report(codeOrder, d.Using.using.Span, "‘using’ cannot stand inside a service or context")
		default:
			out = append(out, d.convert(at))
		}
	})
	c.need(c.accept("}"), "a declaration or ‘}’")
	return out
}

// Parse reads the body of an aspect, which may be missing: `@readonly aspect Fixed;`.
func (p *aspectBody) Parse(lex *lexer.PeekingLexer) error {
	if t := lex.Peek(); t.Type == tPunct && t.Value == ";" {
		return nil
	}
	return p.elementBlock.Parse(lex)
}

func (p *aspectBody) get() *piece {
	if p == nil {
		return nil
	}
	return &p.piece
}

func (p *elementBlock) Parse(lex *lexer.PeekingLexer) error {
	return p.read(lex, func(c *cursor) {
		p.at = c.here()
		c.need(c.accept("{"), "‘{’, ‘:’ or ‘as’")
		if c.failed == nil {
			p.elements = c.elements()
		}
		p.at = c.since(p.at)
	})
}

func (p *actionBlock) Parse(lex *lexer.PeekingLexer) error {
	if !isWord(lex.Peek(), "actions") {
		return participle.NextMatch
	}
	return p.read(lex, func(c *cursor) {
		if p.actions = c.actions(); p.actions == nil {
			c.next()
			c.expect("{")
		}
	})
}

func (p *nameList) Parse(lex *lexer.PeekingLexer) error {
	return p.read(lex, func(c *cursor) { p.names = c.names(nil) })
}

// names consumes names separated by commas. A first one may have been read already.
func (c *cursor) names(first *ast.Name) (out []*ast.Name) {
	if first != nil {
		if out = append(out, first); !c.accept(",") {
			return out
		}
	}
	for c.failed == nil && !c.is("{") {
		n := c.dotted("a name")
		out = append(out, &n)
		if !c.accept(",") {
			break
		}
	}
	return out
}

func (p *viewParams) Parse(lex *lexer.PeekingLexer) error {
	t := lex.Peek()
	paren := t.Type == tPunct && t.Value == "("
	if !paren && !isWord(t, "with") {
		return participle.NextMatch
	}
	return p.read(lex, func(c *cursor) {
		if paren {
			c.next()
			p.params = c.params()
			return
		}
		c.next()
		c.expectWord("parameters")
		for c.failed == nil {
			e := &ast.Element{}
			start := c.here()
			c.headStart(&e.Head)
			c.elementName(e)
			c.need(c.is(":"), "‘:’")
			c.elementBody(e)
			e.Where = c.since(start)
			p.params = append(p.params, e)
			if !c.accept(",") {
				break
			}
		}
	})
}

func (p *queryBody) Parse(lex *lexer.PeekingLexer) error {
	return p.read(lex, func(c *cursor) { p.query = c.query() })
}

func (p *typeBody) Parse(lex *lexer.PeekingLexer) error {
	return p.read(lex, func(c *cursor) {
		after := c.peek2()
		if c.word("projection") && isWord(&after, "on") {
			p.query = c.query()
			return
		}
		if c.word("localized") && isName(&after) {
			c.next()
			p.owner.Localized = true
		}
		t := c.typeExpr()
		p.owner.Type = t
		if t.Name != nil && t.Args == nil && t.NamedArgs == nil && (c.is(",") || c.is("{")) {
			p.includes = c.names(t.Name)
			at := t.Span
			p.owner.Type = &ast.TypeExpr{Span: at, Struct: true}
			if c.expect("{"); c.failed == nil {
				p.owner.Type.Fields = c.elements()
			}
			p.owner.Type.Span = c.since(at)
		}
		c.clauses(&p.owner)
		if p.owner.Value != nil {
			c.fail(codeToken, p.owner.Value.Span(), "A type cannot have a calculated value")
		}
	})
}

func (p *operationBody) Parse(lex *lexer.PeekingLexer) error {
	return p.read(lex, func(c *cursor) { c.operation(&p.op) })
}

func (p *functionBody) Parse(lex *lexer.PeekingLexer) error {
	p.op.Function = true
	return p.read(lex, func(c *cursor) { c.operation(&p.op) })
}

func (p *operationBody) convert(h ast.Head) ast.Decl { return operationOf(p.op, h) }
func (p *functionBody) convert(h ast.Head) ast.Decl  { return operationOf(p.op, h) }

func operationOf(o ast.Operation, h ast.Head) *ast.Operation {
	h.Name = o.Name
	h.Annos = append(h.Annos, o.Annos...)
	o.Head = h
	return &o
}
