package uri

import (
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/odata/internal/edm"
)

// additive reads sums: OData's add and sub.
func (p *exprParser) additive(c *scanner, e *csn.Entity) (operand, error) {
	return p.arithmetic(c, e, p.multiplicative, "add", "sub")
}

func (p *exprParser) multiplicative(c *scanner, e *csn.Entity) (operand, error) {
	return p.arithmetic(c, e, p.unary, "mul", "divby", "div", "mod")
}

func (p *exprParser) arithmetic(c *scanner, e *csn.Entity, sub func(*scanner, *csn.Entity) (operand, error), words ...string) (operand, error) {
	l, err := sub(c, e)
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
		r, err := sub(c, e)
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
	if o.cond || o.assoc != nil {
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
func (p *exprParser) unary(c *scanner, e *csn.Entity) (operand, error) {
	if c.peek() != '-' || c.i+1 < len(c.s) && isDigit(c.s[c.i+1]) {
		return p.primary(c, e)
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
	o, err := p.unary(c, e)
	if err != nil {
		return o, err
	}
	if !numeric(o) {
		return o, c.fail("Expected a number after the minus sign")
	}
	return operand{x: &cqn.Unary{Op: cqn.Neg, X: o.x}, t: o.t}, nil
}

func (p *exprParser) primary(c *scanner, e *csn.Entity) (operand, error) {
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
		o, err := p.or(c, e)
		if err != nil {
			return o, err
		}
		c.blanks()
		return o, c.expect(')')
	case '@':
		return p.alias(c)
	case '[', '{':
		return operand{}, unsupported("JSON literals are not supported in %s", c.option)
	}
	lit, ok, err := c.literal()
	if err != nil {
		return operand{}, err
	}
	if ok {
		l := lit // only constants are kept
		return operand{x: &cqn.Lit{Value: l.value}, lit: &l}, nil
	}
	w := c.word()
	if w == "" || isDigit(w[0]) {
		return operand{}, c.fail("Expected \"(\", \"not\", a function, a property or a literal")
	}
	if c.i+len(w) < len(c.s) && c.s[c.i+len(w)] == '(' {
		return p.call(c, e, w)
	}
	return p.path(c, e)
}

// path reads property paths, lambdas and lambda variables. Every step must exist in the model.
func (p *exprParser) path(c *scanner, scope *csn.Entity) (operand, error) {
	e := scope
	name := c.word()
	c.i += len(name)
	var path []string
	for i := len(p.vars) - 1; i >= 0; i-- {
		v := p.vars[i]
		if v.name != name {
			continue
		}
		if v.item != nil {
			return operand{x: cqn.NewRef(name), t: itemType(v.item)}, nil
		}
		if !c.accept('/') {
			return operand{}, c.fail("Expected \"/\" after variable %q", name)
		}
		e, path = v.entity, []string{name}
		name = c.word()
		c.i += len(name)
		break
	}
	for len(path) < MaxPath {
		el := e.Element(name)
		if name == "" {
			return operand{}, p.afterSlash(c)
		}
		if el == nil {
			return operand{}, noProperty(name, e)
		}
		path = append(path, name)
		if c.peek() != '/' {
			return p.leaf(el, path)
		}
		c.i++
		if w := c.word(); (w == "any" || w == "all") && c.i+3 < len(c.s) && c.s[c.i+3] == '(' {
			return p.lambda(c, scope, el, path, w)
		}
		a := el.Assoc()
		if a == nil {
			return operand{}, bad("Property %q of %q has no properties", name, e.Name)
		}
		if a.Many && c.peek() != '$' {
			return operand{}, &Error{Status: 400, Message: "Path over the association to many \"" + name + "\"", Hint: "use any or all"}
		}
		if a.Target == nil || a.Target.Service != p.r.Service {
			return operand{}, noProperty(name, e)
		}
		e = a.Target
		name = c.word()
		c.i += len(name)
	}
	return operand{}, bad("Path in %s has more than %d steps", c.option, MaxPath)
}

func (p *exprParser) afterSlash(c *scanner) error {
	if strings.HasPrefix(c.s[c.i:], "$count") {
		return unsupported("\"/$count\" in expressions is not supported")
	}
	return c.fail("Expected a property")
}

func noProperty(name string, e *csn.Entity) error {
	return bad("Property \"%s\" does not exist in \"%s\"", name, e.Name)
}

func (p *exprParser) leaf(el *csn.Element, path []string) (operand, error) {
	if el.Assoc() != nil {
		return operand{assoc: el, path: path}, nil
	}
	b := el.Scalar()
	if b == nil {
		return operand{}, bad("Property %q can't be used as a value in an expression", el.Name)
	}
	if b.Kind == csn.LargeBinary {
		return operand{}, bad("Stream %q can't be used in an expression", el.Name)
	}
	if el.Virtual {
		return operand{}, bad("Virtual element %q is not allowed in expressions", el.Name)
	}
	return operand{x: cqn.NewRef(path...), t: b}, nil
}

func itemType(el *csn.Element) *csn.Builtin {
	if a, ok := el.Type.(*csn.Array); ok && a.Items != nil {
		return a.Items.Scalar()
	}
	return nil
}

// lambda reads any(…) and all(…) after the collection el. Names in its condition that are no variables belong to the rows of scope.
func (p *exprParser) lambda(c *scanner, scope *csn.Entity, el *csn.Element, path []string, word string) (operand, error) {
	if err := p.enter(c); err != nil {
		return operand{}, err
	}
	defer p.leave()
	c.i += len(word) + 1
	a := el.Assoc()
	_, array := el.Type.(*csn.Array)
	switch {
	case a != nil && !a.Many:
		return operand{}, bad("Invalid use of lambda any / all on an association to one")
	case a == nil && !array:
		return operand{}, bad("Invalid use of lambda any / all on property %q", el.Name)
	case a != nil && (a.Target == nil || a.Target.Service != p.r.Service):
		return operand{}, noProperty(el.Name, el.Owner)
	}
	c.blanks()
	if word == "any" && c.accept(')') {
		if array {
			return operand{}, unsupported("any() on the array %q is not supported", el.Name)
		}
		return operand{x: &cqn.Exists{Path: cqn.NewRef(path...)}, cond: true}, nil
	}
	name := c.word()
	if name == "" || isDigit(name[0]) {
		return operand{}, c.fail("Expected a variable")
	}
	c.i += len(name)
	c.blanks()
	if err := c.expect(':'); err != nil {
		return operand{}, err
	}
	c.blanks()
	v := variable{name: name}
	if array {
		v.item = el
	} else {
		v.entity = a.Target
	}
	p.vars = append(p.vars, v)
	o, err := p.or(c, scope)
	p.vars = p.vars[:len(p.vars)-1]
	if err != nil {
		return operand{}, err
	}
	pred, err := p.asCondition(c, o)
	if err != nil {
		return operand{}, err
	}
	c.blanks()
	if err := c.expect(')'); err != nil {
		return operand{}, err
	}
	if array {
		return membership(el, path, name, word, pred)
	}
	if word == "any" {
		return operand{x: &cqn.Exists{Path: cqn.NewRef(path...), Var: name, Pred: pred}, cond: true}, nil
	}
	// all: no row for which the condition is not true
	none := &cqn.Exists{Path: cqn.NewRef(path...), Var: name, Pred: &cqn.Unary{Op: cqn.IsNotTrue, X: pred}}
	return operand{x: &cqn.Unary{Op: cqn.Not, X: none}, cond: true}, nil
}

// membership turns tags/any(t:t eq 'x') into 'x' in tags; other conditions on arrays are not supported.
func membership(el *csn.Element, path []string, name, word string, pred cqn.Expr) (operand, error) {
	b, _ := pred.(*cqn.Binary)
	if word != "any" || b == nil || b.Op != cqn.Eq {
		return operand{}, unsupported("Of lambdas on the array %q only any(x:x eq value) is supported", el.Name)
	}
	x, ref := b.R, b.L
	if _, ok := x.(*cqn.Ref); ok {
		x, ref = ref, x
	}
	r, ok := ref.(*cqn.Ref)
	_, constant := x.(*cqn.Lit)
	if !ok || !constant || len(r.Path) != 1 || r.Path[0].Name != name {
		return operand{}, unsupported("Of lambdas on the array %q only any(x:x eq value) is supported", el.Name)
	}
	return operand{x: &cqn.In{X: x, Set: cqn.NewRef(path...)}, cond: true}, nil
}
