package authz

import (
	"slices"

	"cds/parser/csn"
	"cds/parser/token"
)

// MaskReads returns the restricted elements, others than the masked one, of which what is shown in its place is made, in a fixed order, and where the mask
// stands. Masks read with the definer's right, so this may tell something of elements to who may not read them.
func (p *Policy) MaskReads(e *csn.Entity, el *csn.Element) ([]*csn.Element, token.Span) {
	r := p.state.elements[el]
	if e == nil || r == nil || r.mask == nil || r.mask.show == nil || !r.mask.show.Computed {
		return nil, token.Span{}
	}
	in := inputs{}
	in.names(r.mask.show.X, []*csn.Entity{e}, 0)
	below := origins(e, el)
	var out []*csn.Element
	for _, x := range in.sorted() {
		if o := p.state.elements[x]; in[x] && o != nil && !below[x] {
			out = append(out, x)
		}
	}
	return out, r.mask.span
}

// about returns the entity whose rows the mask of one of its elements asks, nil for none.
func (m *mask) about(e *csn.Entity) *csn.Entity {
	if m != nil && slices.ContainsFunc(m.exempt, func(p privilege) bool { return p.where != nil }) {
		return e
	}
	return nil
}

// grants returns who sees values, or changes them, in the form of privileges for those who look at rules. They are needed in addition.
func (m *mask) grants(ev Event) []privilege {
	if m == nil {
		return nil
	}
	var out []privilege
	switch ev {
	case Read:
		out = append(out, privilege{name: m.name, all: true, roles: m.unless, span: m.span})
		out = append(out, m.exempt...)
	case Update, Upsert:
		out = append(out, privilege{name: m.name, all: true, roles: slices.Concat(m.unless, m.writers), span: m.span})
	}
	return out
}
