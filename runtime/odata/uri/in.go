package uri

import (
	"strings"

	"cds/parser/cqn"
)

// in reads the right side of an in operator: a list in parentheses or brackets, an alias for one, or a collection of the model. A null in a
// list matches null.
func (p *exprParser) in(c *scanner, s *scope, l operand) (operand, error) {
	if l.assoc != nil {
		return l, bad("Association %q can't be used as a value in an expression", l.assoc.Name)
	}
	switch c.peek() {
	case '(':
		return p.inList(c, l, ')')
	case '[':
		return p.inList(c, l, ']')
	case '@':
		return p.inAlias(c, s, l)
	}
	return p.inCollection(c, s, l)
}

func (p *exprParser) inAlias(c *scanner, s *scope, l operand) (operand, error) {
	from := c.i
	c.i++
	c.i += len(c.word())
	name := c.s[from:c.i]
	sub := &scanner{option: name, s: strings.Trim(p.aliases(name), " \t")}
	if sub.peek() != '(' && sub.peek() != '[' {
		return l, sub.fail("Expected a list, as %s=[1,2],", name)
	}
	o, err := p.in(sub, s, l)
	if err == nil && !sub.end() {
		err = sub.fail("Expected end of input")
	}
	return o, err
}

func (p *exprParser) inList(c *scanner, l operand, closing byte) (operand, error) {
	json := c.peek() == '['
	c.i++
	m := members{p: p, l: l}
	if c.blanks(); c.accept(closing) {
		return operand{x: m.condition(), cond: true}, nil
	}
	for {
		c.blanks()
		if m.n >= MaxInList {
			return l, bad("List of in has more than %d items", MaxInList)
		}
		var o operand
		var err error
		switch {
		case json && c.peek() == '"':
			o, err = jsonString(c)
		default:
			o, err = p.constant(c)
		}
		if err == nil {
			err = m.add(c, o)
		}
		if err != nil {
			return l, err
		}
		c.blanks()
		if c.accept(closing) {
			return operand{x: m.condition(), cond: true}, nil
		}
		if err := c.expect(','); err != nil {
			return l, err
		}
	}
}

// jsonString reads a string in double quotes.
func jsonString(c *scanner) (operand, error) {
	c.i++
	var b strings.Builder
	for c.i < len(c.s) && c.s[c.i] != '"' {
		if c.s[c.i] == '\\' {
			c.i++
			if c.i >= len(c.s) || strings.IndexByte(`"\/`, c.s[c.i]) < 0 {
				return operand{}, c.fail("Expected a character that needs no escape")
			}
		}
		b.WriteByte(c.s[c.i])
		c.i++
	}
	if !c.accept('"') {
		return operand{}, c.fail("Expected a closing quote")
	}
	lit := &literal{text: b.String(), quoted: true, value: cqn.String(b.String())}
	return operand{x: &cqn.Lit{Value: lit.value}, lit: lit}, nil
}

// members collects the items of a list.
type members struct {
	p     *exprParser
	l     operand
	items []cqn.Expr
	n     int
	null  bool
}

func (m *members) add(c *scanner, o operand) error {
	m.n++
	switch {
	case isNull(o):
		m.null = true
		return nil
	case o.assoc != nil || o.cond || o.many != nil:
		return c.fail("Expected a value in the list")
	case compareWhole(cqn.Eq, m.l, o) != nil: // no value of the type equals it
		return nil
	}
	if isDuration(m.l) || isDuration(o) {
		if err := toDuration(c, &m.l, &o); err != nil {
			return err
		}
	} else if err := m.p.adapt(&o, m.l.t); err != nil {
		return err
	}
	m.items = append(m.items, o.x)
	return nil
}

func (m *members) condition() cqn.Expr {
	var x cqn.Expr
	if len(m.items) > 0 {
		x = &cqn.In{X: m.l.x, Set: &cqn.Tuple{Items: m.items}}
	}
	if m.null {
		var t cqn.Expr = &cqn.Unary{Op: cqn.IsNull, X: m.l.x}
		if x != nil {
			t = &cqn.Binary{Op: cqn.Or, L: x, R: t}
		}
		x = t
	}
	if x == nil {
		x = &cqn.Lit{Value: cqn.Bool(false)}
	}
	return x
}

// inCollection reads a collection of the model: an array element, or the values of a property over an association to many.
func (p *exprParser) inCollection(c *scanner, s *scope, l operand) (operand, error) {
	saved := p.aggregating
	p.aggregating = true
	o, err := p.path(c, s)
	p.aggregating = saved
	switch {
	case err != nil:
		return l, err
	case o.many != nil && o.assoc == nil:
		if l.lit != nil {
			if err := p.adapt(&l, o.t); err != nil {
				return l, err
			}
		}
		ref, ok := o.x.(*cqn.Ref)
		if !ok {
			return l, c.fail("Expected a collection after in")
		}
		v := p.freshVar()
		ref = &cqn.Ref{Path: append([]cqn.Step{{Name: v}}, ref.Path...)}
		pred := &cqn.Binary{Op: cqn.Eq, L: ref, R: l.x}
		return operand{x: &cqn.Exists{Path: o.many, Var: v, Pred: pred}, cond: true}, nil
	case o.array != nil:
		if l.lit != nil {
			if err := p.adapt(&l, itemType(o.array)); err != nil {
				return l, err
			}
		}
		return operand{x: &cqn.In{X: l.x, Set: o.x}, cond: true}, nil
	}
	return l, c.fail("Expected a list or a collection after in")
}

// constant reads a literal or a parameter alias.
func (p *exprParser) constant(c *scanner) (operand, error) {
	if c.peek() == '@' {
		o, err := p.alias(c, nil)
		if err == nil && o.lit == nil {
			err = c.fail("Expected a constant")
		}
		return o, err
	}
	lit, ok, err := c.literal()
	if err != nil {
		return operand{}, err
	}
	if !ok {
		return operand{}, c.fail("Expected a constant")
	}
	return operand{x: &cqn.Lit{Value: lit.value}, lit: &lit}, nil
}

// aliases returns the text of a parameter alias, those of an expand's own before those of the URL.
func (p *exprParser) aliases(name string) string {
	for i := len(p.local) - 1; i >= 0; i-- {
		if p.local[i].name == name {
			return p.local[i].value
		}
	}
	return p.r.aliases[name]
}

// alias reads @name and takes its value: a constant or, where names have a meaning, any expression.
func (p *exprParser) alias(c *scanner, s *scope) (operand, error) {
	from := c.i
	c.i++
	w := c.word()
	c.i += len(w)
	name := c.s[from:c.i]
	if c.peek() == '.' || c.peek() == '/' && s != nil {
		return operand{}, unsupported("Annotations in expressions are not supported")
	}
	if w == "" {
		return operand{}, c.fail("Expected the name of a parameter alias")
	}
	text := p.aliases(name)
	if text == "" {
		return operand{x: &cqn.Lit{}, lit: &literal{text: "null"}}, nil // an alias without value is null
	}
	sub := &scanner{option: name, s: text}
	lit, ok, err := sub.literal()
	if err == nil && ok && sub.end() && !lit.duration {
		return operand{x: &cqn.Lit{Value: lit.value}, lit: &lit}, nil
	}
	if s == nil {
		return operand{}, sub.fail("Expected a constant")
	}
	if err := p.enter(c); err != nil { // aliases may name each other
		return operand{}, err
	}
	defer p.leave()
	sub.i = 0
	sub.blanks()
	o, err := p.or(sub, s)
	if err != nil {
		return o, err
	}
	if sub.blanks(); !sub.end() {
		return o, sub.fail("Expected an operator or end of input")
	}
	return o, nil
}
