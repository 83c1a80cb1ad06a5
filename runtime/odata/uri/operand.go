package uri

import (
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/odata/internal/edm"
)

// additive reads sums: OData's add and sub.
func (p *exprParser) additive(c *scanner, s *scope) (operand, error) {
	return p.arithmetic(c, s, p.multiplicative, "add", "sub")
}

func (p *exprParser) multiplicative(c *scanner, s *scope) (operand, error) {
	return p.arithmetic(c, s, p.unary, "mul", "divby", "div", "mod")
}

func (p *exprParser) arithmetic(c *scanner, s *scope, sub func(*scanner, *scope) (operand, error), words ...string) (operand, error) {
	l, err := sub(c, s)
	if err != nil {
		return l, err
	}
	for {
		word, ok := c.keyword(words...)
		if !ok {
			return l, nil
		}
		if err := p.node(); err != nil {
			return l, err
		}
		r, err := sub(c, s)
		if err != nil {
			return l, err
		}
		if l, err = p.calculate(c, word, l, r); err != nil {
			return l, err
		}
	}
}

// calculate makes an arithmetic expression. div of two whole numbers is whole, divby never (OData URL Conventions 5.1.1.2).
func (p *exprParser) calculate(c *scanner, word string, l, r operand) (operand, error) {
	if o, ok, err := p.calculateTime(c, word, l, r); ok || err != nil {
		return o, err
	}
	for _, o := range []*operand{&l, &r} {
		if !numeric(*o) {
			return l, c.fail("Expected numbers as operands of %q", word)
		}
	}
	lx, rx := factor(l, r), factor(r, l)
	op := cqn.Add
	switch word {
	case "sub":
		op = cqn.Sub
	case "mul":
		op = cqn.Mul
	case "div", "divby":
		op = cqn.Div
	case "mod":
		op = cqn.Mod
	}
	t := &csn.Builtin{Name: "cds.Decimal", Kind: csn.Decimal, Variable: true}
	if word != "divby" && whole(l) && whole(r) {
		t = &csn.Builtin{Name: "cds.Int64", Kind: csn.Int64}
	}
	var x cqn.Expr = &cqn.Binary{Op: op, L: lx, R: rx}
	switch {
	case word == "divby":
		x = &cqn.Binary{Op: op, L: &cqn.Cast{X: lx, Type: cqn.TypeName{Name: "cds.Double"}}, R: rx}
	case word == "mod" && t.Kind != csn.Int64:
		return l, unsupported("\"mod\" of fractions is not supported")
	}
	return operand{x: x, t: t, computed: true}, nil
}

// factor returns an operand of an arithmetic operator. A constant that the type of the other side does not have says its own type,
// since constants take that of the other side otherwise.
func factor(o, other operand) cqn.Expr {
	if o.lit == nil {
		return o.x
	}
	x := &cqn.Lit{Value: number(o.lit.text)}
	kind := csn.Integer
	if other.lit == nil && other.t != nil && !(other.computed && whole(other)) {
		kind = other.t.Kind
	}
	lo, hi, ok := limits(kind)
	n, isWhole := edm.Int(o.lit.text)
	switch {
	case !ok || isWhole && n >= lo && n <= hi:
		return x
	case isWhole:
		return &cqn.Cast{X: x, Type: cqn.TypeName{Name: "cds.Int64"}}
	}
	return &cqn.Cast{X: x, Type: cqn.TypeName{Name: "cds.Double"}}
}

func numeric(o operand) bool {
	if o.cond || o.assoc != nil || o.many != nil || isDuration(o) {
		return false
	}
	if o.lit != nil {
		return !o.lit.quoted && !o.lit.value.IsNull() && (o.lit.value.Kind() == cqn.KindInt || o.lit.value.Kind() == cqn.KindDecimal)
	}
	if o.t == nil {
		return false
	}
	switch o.t.Kind {
	case csn.UInt8, csn.Int16, csn.Int32, csn.Integer, csn.Int64, csn.Decimal, csn.Double:
		return true
	}
	return false
}

func whole(o operand) bool {
	if o.lit != nil {
		return o.lit.value.Kind() == cqn.KindInt
	}
	return o.t != nil && o.t.Kind != csn.Decimal && o.t.Kind != csn.Double
}

// unary reads a minus sign before anything but a number.
func (p *exprParser) unary(c *scanner, s *scope) (operand, error) {
	if c.peek() != '-' || c.i+1 < len(c.s) && isDigit(c.s[c.i+1]) {
		return p.primary(c, s)
	}
	if err := p.enter(c); err != nil {
		return operand{}, err
	}
	defer p.leave()
	if err := p.node(); err != nil {
		return operand{}, err
	}
	c.i++
	c.blanks()
	o, err := p.unary(c, s)
	if err != nil {
		return o, err
	}
	if isDuration(o) {
		return negatedDuration(o), nil
	}
	if !numeric(o) {
		return o, c.fail("Expected a number after the minus sign")
	}
	return operand{x: &cqn.Unary{Op: cqn.Neg, X: o.x}, t: o.t}, nil
}

func (p *exprParser) primary(c *scanner, s *scope) (operand, error) {
	if err := p.enter(c); err != nil {
		return operand{}, err
	}
	defer p.leave()
	if err := p.node(); err != nil {
		return operand{}, err
	}
	switch c.peek() {
	case '(':
		c.i++
		c.blanks()
		o, err := p.or(c, s)
		if err != nil {
			return o, err
		}
		c.blanks()
		return o, c.expect(')')
	case '@':
		return p.alias(c, s)
	case '$':
		return p.dollar(c, s)
	case '[', '{':
		return operand{}, unsupported("JSON literals are not supported in %s", c.option)
	}
	lit, ok, err := c.literal()
	if err != nil {
		return operand{}, err
	}
	if ok {
		if lit.duration {
			return constantDuration(lit.value.Str()), nil
		}
		l := lit // only constants are kept
		return operand{x: &cqn.Lit{Value: l.value}, lit: &l}, nil
	}
	w := c.word()
	if w == "" || isDigit(w[0]) {
		return operand{}, c.fail("Expected \"(\", \"not\", a function, a property or a literal")
	}
	switch c.at(len(w)) {
	case '(':
		return p.call(c, s, w)
	case '.':
		return p.qualified(c)
	}
	return p.path(c, s)
}
