package syntax

import (
	"strings"

	"github.com/alecthomas/participle/v2/lexer"

	"cds/parser/ast"
	"cds/parser/cqn"
)

// annos consumes annotations: `@a.b#q: value`, `@flag`, `@( a: 1, flag )`. Where a colon after the annotation belongs to what follows
// (`x @a : String`), bare is set, and only annotations in parentheses have values.
func (c *cursor) annos(bare bool) []*ast.Anno {
	var out []*ast.Anno
	for c.is("@") {
		at := c.here()
		c.next()
		if !c.accept("(") {
			a := &ast.Anno{Name: c.annoName()}
			c.annoValueOf(a, !bare)
			a.Span = c.since(at)
			out = append(out, a)
			continue
		}
		for !c.is(")") && c.failed == nil {
			start := c.here()
			c.accept("@")
			a := &ast.Anno{Name: c.annoName()}
			c.annoValueOf(a, true)
			a.Span = c.since(start)
			out = append(out, a)
			if !c.accept(",") {
				break
			}
		}
		c.expect(")")
	}
	return out
}

func (c *cursor) annoValueOf(a *ast.Anno, colon bool) {
	if colon && c.accept(":") {
		a.Value = c.annoValue()
		return
	}
	a.Value = &cqn.AnnoValue{Kind: cqn.AnnoTrue, Span: a.Name.Span}
}

// annoName consumes the name of an annotation with its qualifier; `@` may stand before any part but the first.
func (c *cursor) annoName() ast.Name {
	first := c.ident("the name of an annotation")
	n := ast.NameOf(first)
	part := func(sep string) {
		id := c.ident("a name")
		n.Parts = append(n.Idents(), id)
		n.Text += sep + id.Text
		n.Span = n.Span.To(id.Span)
	}
	for c.is(".") || c.is("#") {
		sep := c.peek().Value
		c.next()
		if sep == "." && c.accept("@") {
			sep = ".@"
		}
		part(sep)
	}
	return n
}

// annoValue consumes the value of an annotation.
func (c *cursor) annoValue() *cqn.AnnoValue {
	v := &cqn.AnnoValue{Span: c.here()}
	if c.enter() {
		c.annoValueInto(v)
	}
	c.leave()
	v.Span = c.since(v.Span)
	return v
}

func (c *cursor) annoValueInto(v *cqn.AnnoValue) {
	t := *c.peek()
	switch {
	case t.Type == tString || t.Type == tBacktick:
		c.next()
		v.Kind, v.Text = cqn.AnnoString, c.unquote(&t)
	case t.Type == tTyped:
		c.next()
		c.typedLiteral(&t) // reports malformed ones
		v.Kind, v.Text = cqn.AnnoString, c.unquote(&t)
	case t.Type == tNumber:
		c.next()
		v.Kind, v.Text = cqn.AnnoNumber, t.Value
	case c.is("-") || c.is("+"):
		c.next()
		if c.peek().Type != tNumber {
			c.unexpected("a number")
			return
		}
		n := c.next()
		v.Kind, v.Text = cqn.AnnoNumber, strings.TrimPrefix(t.Value+n.Value, "+")
	case c.is("#"):
		c.next()
		v.Kind, v.Text = cqn.AnnoSymbol, c.annoPath(c.ident("the name of an enum symbol").Text)
	case c.is("("):
		c.annoExpr(v)
	case c.is("["):
		c.annoArray(v)
	case c.is("{"):
		c.annoStruct(v)
	case isName(&t):
		c.annoWord(v, &t)
	default:
		c.unexpected("the value of an annotation")
	}
}

func (c *cursor) annoWord(v *cqn.AnnoValue, t *lexer.Token) {
	switch {
	case isWord(t, "true"), isWord(t, "false"):
		c.next()
		v.Kind, v.Bool = cqn.AnnoBool, isWord(t, "true")
	case isWord(t, "null"):
		c.next()
		v.Kind = cqn.AnnoNull
	default:
		c.next()
		v.Kind, v.Text = cqn.AnnoRef, c.annoPath(nameText(t))
	}
}

// annoPath consumes the rest of a path in an annotation: `a.b#q.@c`.
func (c *cursor) annoPath(first string) string {
	for c.is(".") || c.is("#") {
		sep := c.next().Value
		if c.accept("@") {
			sep += "@"
		}
		first += sep + c.ident("a name").Text
	}
	return first
}

// annoExpr consumes an expression in parentheses and keeps its text as written.
func (c *cursor) annoExpr(v *cqn.AnnoValue) {
	c.next()
	from := c.peek().Pos
	v.Kind, v.Expr = cqn.AnnoExpr, c.expr()
	to := c.peek().Pos
	if c.failed == nil && to.Column >= from.Column {
		v.Text = strings.TrimSpace(from.Filename[from.Column:to.Column])
	}
	c.expect(")")
}

func (c *cursor) annoArray(v *cqn.AnnoValue) {
	c.next()
	v.Kind = cqn.AnnoArray
	for !c.is("]") && c.failed == nil {
		if c.is("...") {
			e := &cqn.AnnoValue{Kind: cqn.AnnoEllipsis, Span: c.here()}
			c.next()
			if c.acceptWords("up", "to") {
				e.Items = []*cqn.AnnoValue{c.annoValue()}
				e.Span = c.since(e.Span)
			}
			v.Items = append(v.Items, e)
		} else {
			v.Items = append(v.Items, c.annoValue())
		}
		if !c.accept(",") {
			break
		}
	}
	c.expect("]")
}

func (c *cursor) annoStruct(v *cqn.AnnoValue) {
	c.next()
	v.Kind = cqn.AnnoStruct
	if c.is("}") {
		c.fail(codeAnno, c.here(), "Unexpected ‘}’: an empty structure says nothing; expected a name")
	}
	for !c.is("}") && c.failed == nil {
		prefix := ""
		if c.accept("@") {
			prefix = "@"
		}
		n := c.annoName()
		a := &ast.Anno{Name: n}
		c.annoValueOf(a, true)
		v.Fields = append(v.Fields, cqn.AnnoField{Name: prefix + n.Text, Value: a.Value, Span: n.Span})
		if !c.accept(",") {
			break
		}
	}
	c.expect("}")
}
