package authz

import (
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/runtime/auth"
)

// openElements is siblings for elements (decision 7): an element without a restriction that shows, or is computed from, what another entity of the same service
// shows under one. An entity with a restriction of its own has said what holds.
func (p *policy) openElements(n *normalizer, m *csn.Model) {
	if len(p.elements) == 0 {
		return
	}
	sev := diag.Error
	if !n.strict {
		sev = diag.Warning
	}
	anybody := p.roles.subject(auth.Anonymous, false, nil)
	for _, s := range m.Services {
		restricted := map[*csn.Element]*csn.Element{}
		for _, e := range s.Entities {
			for _, el := range e.Flat {
				if r := p.elements[el]; r != nil && e.Active == nil && !r.match(anybody, Read).ok {
					for x := range origins(e, el) {
						restricted[x] = el
					}
				}
			}
		}
		if len(restricted) == 0 {
			continue
		}
		for _, e := range s.Entities {
			if p.of(e).own != nil || e.Exposure != csn.Exposed || e.Active != nil {
				continue
			}
			for _, el := range e.Flat {
				if o := p.shown(e, el, restricted); o != nil {
					d := n.diags.Add(sev, codeSibling, e.Span, "%s.%s has no restriction, but %s.%s, which shows the same, has one", e.Name, el.Name, name(o.Owner), o.Name)
					d.Hint = "say what holds here: @requires or @restrict, be it @requires: 'any'"
					d.Home = "entity:" + e.Name
				}
			}
		}
	}
}

// shown returns the restricted element of another entity whose value an unrestricted one shows.
func (p *policy) shown(e *csn.Entity, el *csn.Element, restricted map[*csn.Element]*csn.Element) *csn.Element {
	if p.elements[el] != nil {
		return nil
	}
	in := origins(e, el)
	in.of(e, el, 0)
	for _, x := range in.sorted() {
		if o := restricted[x]; o != nil && o.Owner != e {
			return o
		}
	}
	return nil
}

// origins are an element and those below it that it is by another name. What it is computed from is not among them, by whatever name.
func origins(e *csn.Entity, el *csn.Element) inputs {
	out, todo := inputs{el: true}, []*csn.Element{el}
	for i := 0; i < len(todo); i++ {
		owner, below := todo[i].Owner, inputs{}
		if i == 0 {
			if owner = e; el.Origin != nil && recast(e, el) {
				return out
			}
		}
		below.of(owner, todo[i], maxInputs) // the next level alone
		for x, used := range below {
			if !used && !out[x] {
				out[x] = true
				todo = append(todo, x)
			}
		}
	}
	return out
}
