package syntax

import (
	"cds/parser/ast"
	"cds/parser/cqn"
)

// typeExpr consumes a type: a name with arguments, `type of`, a structure, an array, an association or a composition.
func (c *cursor) typeExpr() *ast.TypeExpr {
	t := &ast.TypeExpr{Span: c.here()}
	if c.enter() {
		c.typeInto(t)
	}
	c.leave()
	t.Span = c.since(t.Span)
	return t
}

func (c *cursor) typeInto(t *ast.TypeExpr) {
	after := c.peek2()
	switch {
	case c.is("{"):
		c.next()
		t.Struct = true
		t.Fields = c.elements()
	case c.word("many") && (isName(&after) || after.Value == "{" && after.Type == tPunct), c.word("array") && isWord(&after, "of"):
		c.next()
		if isWord(&after, "of") {
			c.next()
		}
		c.arrayItems(t)
	case c.word("association") && (isWord(&after, "to") || after.Value == "["), c.word("composition") && (isWord(&after, "of") || after.Value == "["):
		t.Assoc = c.assoc()
	case c.word("type") && isWord(&after, "of"):
		c.next()
		c.next()
		t.TypeOf = &cqn.Ref{}
		c.typeRef(t)
	default:
		c.namedType(t)
	}
}

func (c *cursor) arrayItems(t *ast.TypeExpr) {
	t.Array = c.typeExpr()
	if t.Array.Assoc != nil {
		c.fail(codeUnsupport, t.Array.Span, "An array cannot have associations as items")
	}
	if t.Array.Name != nil && c.word("enum") {
		c.enum(t.Array)
	}
	if v, ok := c.nullability(); ok {
		t.NotNull = v
	}
}

// nullability consumes `null` or `not null`.
func (c *cursor) nullability() (*bool, bool) {
	v := false
	switch {
	case c.acceptWords("not", "null"):
		v = true
	case c.acceptWord("null"):
	default:
		return nil, false
	}
	return &v, true
}

// typeRef consumes the path of `type of`, or of `E:x.y`.
func (c *cursor) typeRef(t *ast.TypeExpr) {
	n := c.dotted("the name of an element or a type")
	if !c.is(":") {
		for _, p := range n.Idents() {
			t.TypeOf.Path = append(t.TypeOf.Path, cqn.Step{Name: p.Text, Span: p.Span})
		}
		t.TypeOf.Where = n.Span
		return
	}
	c.colonRef(t, n)
}

func (c *cursor) colonRef(t *ast.TypeExpr, def ast.Name) {
	c.next()
	t.Colon = true
	t.TypeOf = &cqn.Ref{Path: []cqn.Step{{Name: def.Text, Span: def.Span}}}
	n := c.dotted("the name of an element")
	for _, p := range n.Idents() {
		t.TypeOf.Path = append(t.TypeOf.Path, cqn.Step{Name: p.Text, Span: p.Span})
	}
	t.TypeOf.Where = def.Span.To(n.Span)
}

func (c *cursor) namedType(t *ast.TypeExpr) {
	n := c.dotted("a type")
	if c.is(":") {
		c.colonRef(t, n)
		return
	}
	t.Name = &n
	if c.accept("(") {
		c.typeArgs(t)
	}
}

// typeArgs consumes `10`, `9, 2`, `9, variable` or `length: 10, …` and the closing parenthesis.
func (c *cursor) typeArgs(t *ast.TypeExpr) {
	for !c.is(")") && c.failed == nil {
		if after := c.peek2(); isName(c.peek()) && after.Type == tPunct && after.Value == ":" {
			name := c.next().Value
			c.next()
			if t.NamedArgs == nil {
				t.NamedArgs = map[string]string{}
			}
			t.NamedArgs[name] = c.typeArg()
		} else {
			t.Args = append(t.Args, c.typeArg())
		}
		if !c.accept(",") {
			break
		}
	}
	c.expect(")")
}

func (c *cursor) typeArg() string {
	if c.peek().Type == tNumber || c.word("variable") || c.word("floating") {
		return c.next().Value
	}
	c.unexpected("a number")
	return ""
}

// assoc consumes an association or composition.
func (c *cursor) assoc() *ast.AssocExpr {
	a := &ast.AssocExpr{Composition: c.word("composition")}
	c.next()
	if c.is("[") {
		a.Card = c.cardinality()
	}
	if a.Composition {
		c.expectWord("of")
	} else {
		c.expectWord("to")
	}
	if after := c.peek2(); c.word("many") || c.word("one") {
		if isName(&after) && !c.followsTarget(after.Value) || after.Type == tPunct && after.Value == "{" {
			a.Many = c.word("many")
			a.One = !a.Many
			c.next()
		}
	}
	if a.Composition && c.accept("{") {
		a.HasInline = true
		a.Inline = c.elements()
		return a
	}
	n := c.dotted("the name of an entity")
	a.Target = &n
	switch {
	case c.accept("{"):
		a.HasKeys = true
		a.Keys = c.foreignKeys()
	case c.acceptWord("on"):
		a.On = c.expr()
	}
	return a
}

// followsTarget reports whether a word can only stand behind the target, so that `many` or `one` before it is the target's name.
func (c *cursor) followsTarget(w string) bool { return w == "on" || w == "not" || w == "null" }

// cardinality consumes `[*]`, `[n]`, `[min..max]`, each with `src,` before it.
func (c *cursor) cardinality() *ast.Card {
	k := &ast.Card{Span: c.here()}
	c.next()
	bound := func() string {
		if c.peek().Type == tNumber || c.is("*") {
			return c.next().Value
		}
		c.unexpected("a number or ‘*’")
		return ""
	}
	if !c.is("]") {
		k.Max = bound()
		if c.accept(",") {
			k.Src, k.Max = k.Max, bound()
		}
		if c.accept("..") {
			k.Min, k.Max = k.Max, bound()
		}
	}
	c.expect("]")
	k.Span = c.since(k.Span)
	return k
}

// foreignKeys consumes `ID, code as c }`.
func (c *cursor) foreignKeys() []ast.FKey {
	keys := []ast.FKey{}
	for !c.is("}") && c.failed == nil {
		k := ast.FKey{Annos: c.annos(true)}
		n := c.dotted("the name of an element")
		k.Path = &cqn.Ref{At: cqn.At{Where: n.Span}}
		for _, p := range n.Idents() {
			k.Path.Path = append(k.Path.Path, cqn.Step{Name: p.Text, Span: p.Span})
		}
		if c.acceptWord("as") {
			id := c.newName("a name")
			k.As = &id
		}
		k.Annos = append(k.Annos, c.annos(false)...)
		keys = append(keys, k)
		if !c.accept(",") && !c.accept(";") {
			break
		}
	}
	c.expect("}")
	return keys
}

// enum consumes `enum { a; b = 1; }` into t.
func (c *cursor) enum(t *ast.TypeExpr) {
	c.next()
	c.expect("{")
	t.HasEnum = true
	t.Enum = c.enumSymbols()
}

func (c *cursor) enumSymbols() []*ast.EnumSymbol {
	out := []*ast.EnumSymbol{}
	c.block(func() {
		s := &ast.EnumSymbol{}
		start := c.here()
		s.Doc = c.docText()
		s.Annos = c.annos(false)
		if s.Doc == "" {
			s.Doc = c.docText()
		}
		id := c.newName("the name of an enum symbol")
		s.Name = ast.NameOf(id)
		s.Annos = append(s.Annos, c.annos(false)...)
		if c.accept("=") {
			s.Value = c.unary()
		}
		s.Annos = append(s.Annos, c.annos(false)...)
		s.Where = c.since(start)
		c.separator()
		if c.failed == nil {
			out = append(out, s)
		}
	})
	return out
}

// separator consumes the `;` behind an entry, which may be missing before and behind a closing brace.
func (c *cursor) separator() {
	if c.accept(";") || c.is("}") || c.lastV == "}" {
		return
	}
	c.unexpected("‘;’")
}
