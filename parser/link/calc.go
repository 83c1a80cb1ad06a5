package link

import (
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
)

// calculations reports calculated elements that depend on themselves, over other elements and over associations. Before: elements are resolved.
// After: nothing is changed; who follows calculated elements comes to an end.
func (l *linker) calculations() {
	c := &calcWalk{l: l, state: map[*csn.Element]state{}}
	for _, d := range l.defs {
		if d.query != nil || d.kind != kEntity && d.kind != kAspect {
			continue
		}
		for _, e := range d.elems {
			c.element(e, d.elems)
		}
	}
}

type calcWalk struct {
	l     *linker
	state map[*csn.Element]state
	chain []*csn.Element
}

// element follows the calculation of an element, and those of the parts of a structure. scope has the elements that its names are.
func (c *calcWalk) element(e *csn.Element, scope csn.Elements) {
	if len(c.chain) > maxDepth {
		return
	}
	if s, ok := e.Type.(*csn.Struct); ok && e.Value() == nil && e.TypeName == "" {
		for _, p := range s.Elements {
			c.element(p, scope)
		}
		return
	}
	if e.Value() == nil || c.state[e] == done {
		return
	}
	if c.state[e] == doing {
		c.report(e)
		return
	}
	c.state[e] = doing
	c.chain = append(c.chain, e)
	c.expr(e.Value(), scope)
	c.chain = c.chain[:len(c.chain)-1]
	c.state[e] = done
}

// expr follows all references in an expression; queries inside have scopes of their own and are left out.
func (c *calcWalk) expr(x cqn.Expr, scope csn.Elements) {
	cqn.Walk(x, func(n any) bool {
		switch n := n.(type) {
		case *cqn.Subquery:
			return false
		case *cqn.Ref:
			c.path(n, scope)
			return false
		}
		return true
	})
}

func (c *calcWalk) path(r *cqn.Ref, scope csn.Elements) {
	elems, steps := scope, r.Path
	if len(steps) > 1 && steps[0].Name == "$self" {
		steps = steps[1:]
	}
	for _, st := range steps {
		e := elems.Lookup(st.Name)
		if e == nil {
			return
		}
		c.element(e, c.siblings(e, elems, scope))
		if elems, _ = c.l.below(e); st.Filter != nil {
			c.expr(st.Filter, elems)
		}
	}
}

// siblings returns the scope of an element's calculation: the entity's elements, also for parts of structures.
func (c *calcWalk) siblings(e *csn.Element, in, scope csn.Elements) csn.Elements {
	if inf := c.l.info(e); inf != nil && inf.owner != nil && inf.owner.elems != nil {
		return inf.owner.elems
	}
	if len(in) > 0 {
		return in
	}
	return scope
}

func (c *calcWalk) report(e *csn.Element) {
	var names []string
	var related []diag.Related
	for i := len(c.chain) - 1; i >= 0; i-- {
		names = append([]string{c.chain[i].Name}, names...)
		if c.chain[i] == e {
			break
		}
		related = append(related, diag.Related{Message: "over this element", Span: c.chain[i].Span})
	}
	x := c.l.diags.Errorf("ref-cyclic", e.Span, "Illegal circular reference: %s → %s", strings.Join(names, " → "), e.Name)
	x.Related, x.Hint = related, "A calculated element can't be part of its own value."
	if inf := c.l.info(e); inf != nil && inf.owner != nil {
		x.Home = home(inf.owner, e.Name)
	}
}
