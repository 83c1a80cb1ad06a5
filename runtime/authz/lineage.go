package authz

import (
	"slices"
	"strings"

	"cds/parser/csn"
)

// Lineage returns the elements that the value of an element of e is made from, down to those of tables, itself among them, in a fixed order. It is for
// those who look for ways around a restriction; decisions have them compiled.
func Lineage(e *csn.Entity, el *csn.Element) []*csn.Element {
	in := inputs{el: false}
	in.of(e, el, 0)
	return in.sorted()
}

// Tables returns the tables whose rows an entity shows, itself if it is one, in order of their names; with all set also those that it looks into by paths,
// subqueries and calculated elements.
func Tables(e *csn.Entity, all bool) []*csn.Entity {
	set := sources(e, all)
	if all {
		for _, el := range e.Flat {
			for _, x := range Lineage(e, el) {
				if x.Owner != nil && x.Owner.Source == nil {
					set[x.Owner] = true
				}
			}
		}
	}
	var out []*csn.Entity
	for t := range set {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *csn.Entity) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Restricted reports whether an entity has a restriction, be it inherited, or is a part of something that has one.
func (p *Policy) Restricted(e *csn.Entity) bool { return p.state.restricts(e) }

// Freed reports whether an entity takes away, by null, a restriction that it would inherit.
func Freed(e *csn.Entity) bool { return freed(e) }
