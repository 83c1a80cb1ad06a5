package syntax

import "cds/parser/ast"

// elements consumes elements up to the closing brace, and that.
func (c *cursor) elements() []*ast.Element {
	out := []*ast.Element{}
	c.block(func() {
		if e := c.element(); c.failed == nil {
			out = append(out, e)
		}
	})
	return out
}

// element consumes one element with its separator.
func (c *cursor) element() *ast.Element {
	e := &ast.Element{}
	start := c.here()
	c.headStart(&e.Head)
	if after := c.peek2(); c.word("extend") && (isName(&after)) {
		c.next()
		c.acceptElementWord()
		c.extendElement(e)
	} else {
		c.modifiers(e)
		c.elementName(e)
		c.elementBody(e)
	}
	e.Where = c.since(start)
	c.separator()
	return e
}

// headStart consumes doc comment and annotations before an entry.
func (c *cursor) headStart(h *ast.Head) {
	h.Doc = c.docText()
	h.Annos = c.annos(false)
	if d := c.docText(); d != "" {
		h.Doc = d
	}
}

func (c *cursor) acceptElementWord() {
	if after := c.peek2(); c.word("element") && isName(&after) {
		c.next()
	}
}

// modifiers consumes `virtual key masked element`. Each of these words is a name where no other name follows.
func (c *cursor) modifiers(e *ast.Element) {
	for c.failed == nil {
		if after := c.peek2(); !isName(&after) {
			return
		}
		switch {
		case c.acceptWord("virtual"):
			e.Virtual = true
		case c.acceptWord("key"):
			e.Key = true
		case c.acceptWord("masked"):
			e.Masked = true
		case c.word("element"):
			c.next()
		default:
			return
		}
	}
}

func (c *cursor) elementName(e *ast.Element) {
	if d := c.docText(); d != "" {
		e.Doc = d
	}
	id := c.newName("the name of an element")
	e.Name = ast.NameOf(id)
	e.Annos = append(e.Annos, c.annos(true)...)
}

// elementBody consumes what follows the name: a structure, a type, or a value.
func (c *cursor) elementBody(e *ast.Element) {
	switch {
	case c.is("{"):
		e.Type = c.typeExpr()
	case c.accept(":"):
		if after := c.peek2(); c.word("localized") && isName(&after) {
			c.next()
			e.Localized = true
		}
		e.Type = c.typeExpr()
	case !c.is("=") && !c.is(";") && !c.is("}"):
		c.unexpected("‘:’")
		return
	}
	c.clauses(e)
}

// clauses consumes what may follow a type in any order: annotations, enum, default, null, a calculated value.
func (c *cursor) clauses(e *ast.Element) {
	once := func(said bool, what string) {
		if said {
			c.fail(codeTwice, c.here(), "‘%s’ is said twice", what)
		}
	}
	unmanaged := e.Type != nil && e.Type.Assoc != nil && e.Type.Assoc.On != nil
	for c.failed == nil {
		switch {
		case c.is("@"):
			e.Annos = append(e.Annos, c.annos(false)...)
		case unmanaged:
			return
		case c.word("enum") && e.Type != nil && (e.Type.Name != nil || e.Type.TypeOf != nil):
			once(e.Type.HasEnum, "enum")
			c.enum(e.Type)
		case c.word("default"):
			once(e.Default != nil, "default")
			c.next()
			e.Default = c.expr()
		case c.is("="):
			once(e.Value != nil, "=")
			c.next()
			e.Value = c.expr()
			if c.acceptWord("stored") {
				e.Stored = true
			}
		default:
			v, ok := c.nullability()
			if !ok {
				return
			}
			once(e.NotNull != nil, "null")
			e.NotNull = v
		}
	}
}

// params consumes the parameters of an operation or view in parentheses, after the opening one.
func (c *cursor) params() []*ast.Element {
	out := []*ast.Element{}
	for !c.is(")") && c.failed == nil {
		p := &ast.Element{}
		start := c.here()
		c.headStart(&p.Head)
		c.elementName(p)
		c.need(c.is(":"), "‘:’")
		c.elementBody(p)
		p.Where = c.since(start)
		out = append(out, p)
		if !c.accept(",") {
			break
		}
	}
	c.expect(")")
	return out
}

// operation consumes an action or function from its name on.
func (c *cursor) operation(o *ast.Operation) {
	o.Name = c.dotted("a name")
	o.Annos = append(o.Annos, c.annos(true)...)
	c.expect("(")
	o.Params = c.params()
	if c.acceptWord("returns") {
		o.ReturnsAnnos = c.annos(false)
		ret := &ast.Element{Type: c.typeExpr()}
		c.clauses(ret)
		o.Returns = ret.Type
		o.ReturnsAnnos = append(o.ReturnsAnnos, ret.Annos...)
		if ret.NotNull != nil {
			o.Returns.NotNull = ret.NotNull
		}
	} else if o.Function {
		c.unexpected("‘returns’")
	}
	o.Annos = append(o.Annos, c.annos(false)...)
}

// actions consumes `actions { … }` if it comes next.
func (c *cursor) actions() []*ast.Operation {
	if after := c.peek2(); !c.word("actions") || after.Type != tPunct || after.Value != "{" {
		return nil
	}
	c.next()
	c.next()
	out := []*ast.Operation{}
	c.block(func() {
		o := &ast.Operation{}
		start := c.here()
		c.headStart(&o.Head)
		switch {
		case c.acceptWord("action"):
		case c.acceptWord("function"):
			o.Function = true
		default:
			c.unexpected("‘action’ or ‘function’")
		}
		c.operation(o)
		o.Where = c.since(start)
		c.separator()
		if c.failed == nil {
			out = append(out, o)
		}
	})
	return out
}

// extendElement consumes the rest of `extend [element] e with { … }` inside an extend.
func (c *cursor) extendElement(e *ast.Element) {
	e.ExtendOnly = true
	id := c.newName("the name of an element")
	e.Name = ast.NameOf(id)
	c.acceptWord("with")
	e.Annos = append(e.Annos, c.annos(false)...)
	switch {
	case c.accept("{"):
		e.Elements = c.elements()
	case c.word("enum"):
		e.Type = &ast.TypeExpr{Span: c.here()}
		c.enum(e.Type)
	case c.accept("("):
		e.Type = &ast.TypeExpr{Span: c.here()}
		c.typeArgs(e.Type)
	}
}

// annotateElements consumes the body of an annotate: names with annotations, nested bodies.
func (c *cursor) annotateElements() []*ast.Element {
	out := []*ast.Element{}
	c.block(func() {
		e := &ast.Element{AnnotateOnly: true}
		start := c.here()
		c.headStart(&e.Head)
		id := c.newName("the name of an element")
		e.Name = ast.NameOf(id)
		e.Annos = append(e.Annos, c.annos(false)...)
		c.enumWord()
		if c.accept("{") {
			e.Elements = c.annotateElements()
		}
		e.Where = c.since(start)
		if !c.accept(",") {
			c.separator()
		}
		if c.failed == nil {
			out = append(out, e)
		}
	})
	return out
}

// annotateParams consumes parameters with annotations, after the opening parenthesis.
func (c *cursor) annotateParams() []*ast.Element {
	out := []*ast.Element{}
	for !c.is(")") && c.failed == nil {
		e := &ast.Element{AnnotateOnly: true}
		start := c.here()
		c.headStart(&e.Head)
		id := c.newName("the name of a parameter")
		e.Name = ast.NameOf(id)
		e.Annos = append(e.Annos, c.annos(false)...)
		e.Where = c.since(start)
		out = append(out, e)
		if !c.accept(",") {
			break
		}
	}
	c.expect(")")
	return out
}

// annotateReturns consumes `returns @a { x @b; }`.
func (c *cursor) annotateReturns() *ast.Element {
	if !c.acceptWord("returns") {
		return nil
	}
	e := &ast.Element{AnnotateOnly: true}
	e.Where = c.last
	e.Annos = c.annos(false)
	if c.accept("{") {
		e.Elements = c.annotateElements()
	}
	e.Where = c.since(e.Where)
	return e
}

// annotateActions consumes `actions { a @x (p @y) returns { … }; }` if it comes next. The operations have neither types nor a kind.
func (c *cursor) annotateActions() []*ast.Operation {
	if !c.word("actions") {
		return nil
	}
	c.next()
	c.expect("{")
	out := []*ast.Operation{}
	c.block(func() {
		o := &ast.Operation{}
		start := c.here()
		c.headStart(&o.Head)
		id := c.newName("the name of an action or function")
		o.Name = ast.NameOf(id)
		o.Annos = append(o.Annos, c.annos(false)...)
		if c.accept("(") {
			o.Params = c.annotateParams()
		}
		if r := c.annotateReturns(); r != nil {
			o.ReturnsAnnos = r.Annos
			o.Returns = &ast.TypeExpr{Span: r.Where, Struct: true, Fields: r.Elements}
		}
		o.Where = c.since(start)
		if !c.accept(",") {
			c.separator()
		}
		if c.failed == nil {
			out = append(out, o)
		}
	})
	return out
}
