package authz

import (
	"slices"

	"cds/parser/csn"
)

// nested returns the rules of a flat element within structures: its own and those of all structures around it, of which each must let it through. nil for none, and
// where only the outermost has some. In in are those of structures within structures, which what is in them shares.
func (p *policy) nested(e *csn.Entity, el *csn.Element, in map[string]*rules, read func(name string, el *csn.Element) *rules) *rules {
	path := el.Path()
	if len(path) < 2 || el.ForeignKey != nil {
		return nil
	}
	around := e.Elements.Lookup(path[0])
	if around == nil {
		return nil
	}
	outer := p.elements[around]
	said := []*csn.Element{around} // what an annotation may have come down from
	found := false
	name := path[0]
	for _, step := range path[1 : len(path)-1] {
		st, ok := around.Type.(*csn.Struct)
		if !ok {
			return nil
		}
		if around = st.Elements.Lookup(step); around == nil {
			return nil
		}
		name += "_" + step
		r, known := in[name]
		if !known {
			if restrictedHere(around, said) {
				r = p.within(outer, read(name, around))
			}
			in[name] = r
		}
		if r != nil {
			outer, found = r, true
		}
		said = append(said, around)
	}
	if restrictedHere(el, said) {
		if r := p.within(outer, read(el.Name, el)); r != nil {
			return r
		}
	}
	if !found {
		return nil
	}
	return outer
}

// within adds the rules of the structure around an element to its own.
func (p *policy) within(outer, own *rules) *rules {
	if own == nil {
		return nil
	}
	if own = p.askFirst(own); outer != nil {
		own.also = append(outer.also[:len(outer.also):len(outer.also)], outer)
	}
	return own
}

// restrictedHere reports whether an element has a restriction of its own, not only those that have come down to it from the structures around it.
func restrictedHere(el *csn.Element, around []*csn.Element) bool {
	for i := range el.Annotations {
		a := &el.Annotations[i]
		if restricts(a) && !slices.ContainsFunc(around, func(o *csn.Element) bool { return annotated(o, a) }) {
			return true
		}
	}
	return false
}
