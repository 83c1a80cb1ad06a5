package uri

import (
	"cds/parser/cqn"
	"cds/parser/csn"
)

func itemType(el *csn.Element) *csn.Builtin {
	if a, ok := el.Type.(*csn.Array); ok && a.Items != nil {
		return a.Items.Scalar()
	}
	return nil
}

// lambda reads any(…) and all(…) after the collection el. Names in its condition that are no variables belong to the rows of scope.
func (p *exprParser) lambda(c *scanner, s *scope, el *csn.Element, path []string, word string) (operand, error) {
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
	o, err := p.or(c, s)
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
