package authz

import (
	"slices"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// A root is one way to a composition child from its parent: a row p of parent such that p's composition via leads to the child. The
// child is visible where p is (decision 6).
type root struct {
	parent *csn.Entity
	via    *csn.Element
	// as is the entity whose rules hold for p, where it is not parent itself: the service's projection of parent, if the composition
	// exists outside the service only.
	as *csn.Entity
	// lost says that the child leaves out elements that lead to p, so that it can't be asked for.
	lost bool
}

func (r root) ruler() *csn.Entity {
	if r.as != nil {
		return r.as
	}
	return r.parent
}

// findRoots returns the parents that e follows. An entity on a cycle of compositions that nothing outside leads into (a hierarchy
// such as Genres.children) is a root itself.
func (p *policy) findRoots(e *csn.Entity) []root {
	free := grounded(e, map[*csn.Entity]bool{}, 0)
	if free && len(e.Parents) > 0 {
		return rootsOf(e.Parents)
	}
	base, out := p.baseRoots(e)
	if base == nil || !grounded(base, map[*csn.Entity]bool{}, 0) {
		return nil
	}
	if free {
		return out
	}
	return append(rootsOf(e.Parents), outside(e, out)...) // a hierarchy whose parent the service does not show
}

// outside returns those of the roots that e's service does not show, or not with the composition that leads to e.
func outside(e *csn.Entity, roots []root) []root {
	return slices.DeleteFunc(roots, func(r root) bool {
		return r.as != nil && slices.ContainsFunc(e.Parents, func(el *csn.Element) bool { return el.Owner == r.as })
	})
}

// anchor gives roots to entities on cycles of compositions, such as folders with files with folders: those that have a restriction are roots
// themselves, the others follow the parents that are roots or follow some.
func (p *policy) anchor() {
	loose := map[*csn.Entity][]root{} // with the parents that there are
	for i := range p.entities {
		if er := &p.entities[i]; er.entity != nil && er.own == nil && len(er.roots) == 0 {
			base, out := p.baseRoots(er.entity)
			if !grounded(er.entity, map[*csn.Entity]bool{}, 0) {
				loose[er.entity] = append(rootsOf(er.entity.Parents), outside(er.entity, out)...)
			} else if base != nil && !grounded(base, map[*csn.Entity]bool{}, 0) {
				loose[er.entity] = out
			}
		}
	}
	for more := true; more; {
		more = false
		found := map[*csn.Entity][]root{}
		for e, roots := range loose {
			for _, r := range roots {
				if p.restricts(r.ruler()) {
					found[e] = append(found[e], r)
				}
			}
		}
		for e, roots := range found { // together, so that none follows another of the same round
			p.entities[e.ID].roots, more = roots, true
			delete(loose, e)
		}
	}
}

func rootsOf(parents []*csn.Element) []root {
	var out []root
	for _, el := range parents {
		if el.Owner != nil && composition(el) {
			out = append(out, root{parent: el.Owner, via: el})
		}
	}
	return out
}

// grounded reports whether some way up the compositions ends at an entity that is no child, other than through e itself.
func grounded(e *csn.Entity, seen map[*csn.Entity]bool, depth int) bool {
	if seen[e] || depth > maxDepth {
		return false
	}
	seen[e] = true
	rs := rootsOf(e.Parents)
	if len(rs) == 0 {
		return true
	}
	for _, r := range rs {
		if grounded(r.parent, seen, depth+1) {
			return true
		}
	}
	return false
}

// baseRoots finds the parents of an entity whose composition does not exist within its service: those of the entity that it
// projects, nil for none. If the service shows the parent in some other form, that form's rules count.
func (p *policy) baseRoots(e *csn.Entity) (base *csn.Entity, out []root) {
	if e.Service == nil {
		return nil, nil
	}
	for b, depth := e.Base, 0; b != nil && depth < maxDepth; b, depth = b.Base, depth+1 {
		if len(b.Parents) == 0 {
			continue
		}
		for _, r := range rootsOf(b.Parents) {
			if r.parent == b {
				continue // a deeper level of a hierarchy: its rows hang on the roots too, but only over others
			}
			r.lost = !carries(e, b, r.via)
			shown := false
			for _, sp := range e.Service.Entities {
				if sp != e && sp.Table() != nil && sp.Table() == r.parent.Table() {
					shown = true
					as := r
					as.as = sp
					out = append(out, as)
				}
			}
			if !shown {
				out = append(out, r)
			}
		}
		return b, out
	}
	return nil, nil
}

// carries reports whether e has, under the same names, all elements of b by which the composition via finds its children.
func carries(e, b *csn.Entity, via *csn.Element) bool {
	a := via.Assoc()
	if a == nil || a.Join == nil {
		return false
	}
	ok := true
	cqn.Walk(a.Join, func(n any) bool {
		r, isRef := n.(*cqn.Ref)
		if !isRef || len(r.Path) != 2 || r.Path[0].Name != "$target" {
			return true
		}
		if !same(e, b, r.Path[1].Name) {
			ok = false
		}
		return true
	})
	return ok
}

// same reports whether the element called name of e is the one called name of b, which e projects, perhaps over several steps.
func same(e, b *csn.Entity, name string) bool {
	el := e.Flat.Lookup(name)
	for depth := 0; e != b && el != nil && depth < maxDepth; depth++ {
		e, el = e.Base, el.Origin
	}
	return e == b && el != nil && el.Name == name
}

// transferable reports whether a condition on sp means the same on its base b: all elements that it names in the scope of the row
// have the same names there.
func transferable(x cqn.Expr, sp, b *csn.Entity) bool {
	if sp == b {
		return true
	}
	reaches := false
	for e, depth := sp, 0; e != nil && depth < maxDepth; e, depth = e.Base, depth+1 {
		reaches = reaches || e == b
	}
	if !reaches {
		return false
	}
	ok := true
	visit := func(n any) bool {
		switch n := n.(type) {
		case *cqn.Exists, *cqn.Subquery:
			ok = false // has scopes of its own
		case *cqn.Ref:
			if len(n.Path) != 1 || n.Path[0].Filter != nil || !same(sp, b, n.Path[0].Name) {
				ok = false
			}
		}
		return ok
	}
	cqn.Walk(x, visit)
	return ok
}

// reach warns of children that cannot follow a restricted root (decision 6): nobody may read them.
func (p *policy) reach(n *normalizer) {
	for i := range p.entities {
		er := &p.entities[i]
		for _, r := range er.roots {
			if r.lost && p.restricts(r.ruler()) {
				n.diags.Warnf(codeRootHidden, er.entity.Span,
					"%s is a part of %s, which is restricted, but lacks the elements that lead there; nobody may access it", er.entity.Name, r.ruler().Name).Home =
					"entity:" + er.entity.Name
				break
			}
		}
	}
}

// restricts reports whether an entity or something that it follows has a restriction.
func (p *policy) restricts(e *csn.Entity) bool {
	todo := []*csn.Entity{e}
	for i := 0; i < len(todo); i++ {
		er := p.of(todo[i])
		if er.own != nil {
			return true
		}
		for _, r := range er.roots {
			if up := r.ruler(); !slices.Contains(todo, up) {
				todo = append(todo, up)
			}
		}
	}
	return false
}
