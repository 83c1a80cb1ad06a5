package authz

import (
	"cds/parser/cqn"
	"cds/parser/csn"
)

// A Whole is one entity that the rows of another one are parts of: they are visible where a row of it is (decision 6).
type Whole struct {
	Entity *csn.Entity // whose rules hold
	root   root
}

// WholesOf returns what the rows of an entity are parts of; none for a root.
func (p *Policy) WholesOf(e *csn.Entity) []Whole {
	if e == nil {
		return nil
	}
	var out []Whole
	for _, r := range p.state.of(e).roots {
		out = append(out, Whole{r.ruler(), r})
	}
	return out
}

// Part returns the condition that a part belongs to a row of the whole that fulfils x; false if that cannot be asked of the part.
func (w Whole) Part(x cqn.Expr) (cqn.Expr, bool) {
	if w.root.lost || w.root.as != nil && !transferable(x, w.root.as, w.root.parent) {
		return nil, false
	}
	return &cqn.Exists{Inverse: w.root.parent.Name, Path: pathOf(w.root.via), Pred: x}, true
}
