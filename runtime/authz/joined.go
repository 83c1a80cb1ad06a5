package authz

import (
	"cds/parser/cqn"
	"cds/parser/csn"
)

// joined adds what the condition of an association of e compares: whoever sees which rows it leads to learns something of that. That the other side leads back by
// an association of its own says no more than that association's target does.
func (in inputs) joined(e *csn.Entity, el *csn.Element, depth int) {
	a := el.Assoc()
	if a == nil || a.On == nil || a.Join == nil {
		return
	}
	add := func(of *csn.Entity, x *csn.Element) {
		if x != nil && !in[x] {
			in[x] = true
			in.of(of, x, depth+1)
		}
	}
	cqn.Walk(a.Join, func(n any) bool {
		r, ok := n.(*cqn.Ref)
		if !ok || len(r.Path) != 2 {
			return true
		}
		switch name := r.Path[1].Name; r.Path[0].Name {
		case "$source":
			add(e, e.Flat.Lookup(name))
		case "$target":
			if x := a.Target.Flat.Lookup(name); x != nil && (a.Backlink == nil || x.ForeignKey != a.Backlink) {
				add(a.Target, x)
			}
		}
		return true
	})
}
