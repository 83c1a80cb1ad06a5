package authz

import (
	"fmt"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// maxDepth bounds recursion over expressions and chains of entities.
const maxDepth = 200

// conditionOf returns the condition that an annotation's value stands for, nil if it is none or could not be parsed.
func conditionOf(v *cqn.AnnoValue) cqn.Expr {
	if v == nil {
		return nil
	}
	switch v.Kind {
	case cqn.AnnoExpr:
		return v.Expr
	case cqn.AnnoString:
		if v.Text == "true" && v.Expr == nil {
			return &cqn.Lit{Value: cqn.Bool(true)} // decision 2
		}
		return v.Expr
	case cqn.AnnoBool:
		return &cqn.Lit{Value: cqn.Bool(v.Bool)}
	}
	return nil
}

// constant reports whether a static condition does not even ask for the user or the time.
func constant(x cqn.Expr) bool {
	yes := true
	cqn.Walk(x, func(n any) bool {
		if _, ok := n.(*cqn.Param); ok {
			yes = false
		}
		return yes
	})
	return yes
}

// CheckCondition is an error that says what of a condition on rows of e does not resolve, nil if all does.
func CheckCondition(x cqn.Expr, e *csn.Entity) error {
	if fault := checkCondition(x, e); fault != "" {
		return fmt.Errorf("the condition %s cannot be resolved: %s", cqn.Format(x), fault)
	}
	return nil
}

// checkCondition resolves all names of a condition on the rows of e (N9). It returns what does not resolve, "" if all does.
func checkCondition(x cqn.Expr, e *csn.Entity) string {
	c := &conditionChecker{root: e}
	c.expr(x, scope{entity: e}, 0)
	return c.fault
}

type conditionChecker struct {
	root  *csn.Entity
	fault string
}

// A scope is where the first step of a path is looked up: variables of enclosing exists, then the elements of entity.
type scope struct {
	entity *csn.Entity
	vars   map[string]*csn.Entity
}

func (s scope) with(name string, e *csn.Entity) scope {
	vars := map[string]*csn.Entity{name: e}
	for n, v := range s.vars {
		if n != name {
			vars[n] = v
		}
	}
	return scope{entity: s.entity, vars: vars}
}

func (c *conditionChecker) fail(format string, args ...any) {
	if c.fault == "" {
		c.fault = fmt.Sprintf(format, args...)
	}
}

func (c *conditionChecker) exprs(s scope, depth int, xs ...cqn.Expr) {
	for _, x := range xs {
		if x != nil {
			c.expr(x, s, depth+1)
		}
	}
}

func (c *conditionChecker) expr(x cqn.Expr, s scope, depth int) {
	if depth > maxDepth {
		c.fail("it is nested too deeply")
		return
	}
	switch x := x.(type) {
	case *cqn.Ref:
		if el := c.path(x, s, depth); el != nil {
			c.operand(x, el)
		}
	case *cqn.Lit:
	case *cqn.Param:
		switch x.From {
		case cqn.FromLiteral, cqn.FromKeys, cqn.FromViewArg:
			c.fail("a parameter of a request cannot stand in it")
		}
	case *cqn.Call:
		if x.Over != nil || x.Star || x.Distinct {
			c.fail("aggregates and window functions cannot stand in it")
		}
		c.exprs(s, depth, x.Args...)
	case *cqn.Unary:
		c.exprs(s, depth, x.X)
	case *cqn.Binary:
		c.exprs(s, depth, x.L, x.R)
	case *cqn.Between:
		c.exprs(s, depth, x.X, x.Lo, x.Hi)
	case *cqn.Like:
		c.exprs(s, depth, x.X, x.Pattern, x.Escape)
	case *cqn.In:
		c.exprs(s, depth, x.X)
		c.set(x, s, depth)
	case *cqn.Case:
		c.exprs(s, depth, x.X, x.Else)
		for _, w := range x.Whens {
			c.exprs(s, depth, w.Cond, w.Then)
		}
	case *cqn.Exists:
		c.exists(x, s, depth)
	case *cqn.Tuple:
		c.exprs(s, depth, x.Items...)
	case *cqn.Cast:
		c.exprs(s, depth, x.X)
	default:
		c.fail("subqueries are not supported in it")
	}
}

// set checks the right side of `in`: the one place where an array element may stand (N10, decision 14).
func (c *conditionChecker) set(x *cqn.In, s scope, depth int) {
	r, ok := x.Set.(*cqn.Ref)
	if !ok {
		c.exprs(s, depth, x.Set)
		return
	}
	el := c.path(r, s, depth)
	if el == nil {
		return
	}
	if _, array := el.Type.(*csn.Array); !array {
		c.fail("%s is no list", cqn.Format(r))
	}
}

// operand checks the element at the end of a path that is used as a value.
func (c *conditionChecker) operand(r *cqn.Ref, el *csn.Element) {
	switch t := el.Type.(type) {
	case *csn.Array:
		c.fail("%s is a list, of which only membership can be asked ('x' in %s)", cqn.Format(r), cqn.Format(r))
	case *csn.Struct:
		c.fail("%s is a structure", cqn.Format(r))
	case *csn.Assoc:
		if len(t.Keys) == 0 {
			c.fail("%s is an association without foreign key; use exists", cqn.Format(r))
		}
	}
	if el.Virtual {
		c.fail("%s is virtual: the database has no such column", cqn.Format(r))
	}
}

func (c *conditionChecker) exists(x *cqn.Exists, s scope, depth int) {
	if x.Path == nil || x.Inverse != "" {
		c.fail("exists needs a path")
		return
	}
	el := c.path(x.Path, s, depth)
	if el == nil {
		return
	}
	a := el.Assoc()
	if a == nil || a.Target == nil {
		c.fail("exists needs an association, %s is none", cqn.Format(x.Path))
		return
	}
	if x.Pred == nil {
		return
	}
	if x.Var != "" {
		c.expr(x.Pred, s.with(x.Var, a.Target), depth+1)
		return
	}
	c.expr(x.Pred, scope{entity: a.Target, vars: s.vars}, depth+1)
}

// path resolves a path and returns the element at its end, nil if it does not resolve or ends on a row.
func (c *conditionChecker) path(r *cqn.Ref, s scope, depth int) *csn.Element {
	e, steps := s.entity, r.Path
	if len(steps) > 1 {
		switch target, isVar := s.vars[steps[0].Name]; {
		case isVar:
			e, steps = target, steps[1:]
		case steps[0].Name == "$self" || steps[0].Name == "$projection":
			e, steps = c.root, steps[1:]
		}
	}
	var el *csn.Element
	elements := csn.Elements(nil)
	flat := csn.Elements(nil)
	if e != nil {
		elements, flat = e.Elements, e.Flat
	}
	for i, step := range steps {
		if el = elements.Lookup(step.Name); el == nil {
			el = flat.Lookup(step.Name)
		}
		if el == nil {
			c.fail("there is no element %s in %s", cqn.Format(r), c.root.Name)
			return nil
		}
		elements, flat = nil, nil
		var target *csn.Entity
		switch t := el.Type.(type) {
		case *csn.Assoc:
			if target = t.Target; target != nil {
				elements, flat = target.Elements, target.Flat
			}
		case *csn.Struct:
			elements = t.Elements
		}
		if step.Filter != nil {
			if target == nil {
				c.fail("%s has a filter but is no association", step.Name)
				return nil
			}
			c.expr(step.Filter, scope{entity: target, vars: s.vars}, depth+1)
		}
		if len(step.Args) > 0 {
			c.fail("arguments cannot stand in it")
		}
		if i < len(steps)-1 && elements == nil && flat == nil {
			c.fail("%s has no elements of its own", step.Name)
			return nil
		}
	}
	return el
}
