package authztest

import (
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/eval"
)

// evUpsert is a PUT, or an UPSERT by code: what is there is changed, what is not is created.
const evUpsert = "UPSERT"

// upsert makes of a case that changes or creates a row the one that does it by PUT. A row that is hidden, or not to be changed, is refused like a missing one
// that may not be created, lest it shows that it is there.
func (m *maker) upsert(c *Case) {
	if c.op != nil || c.el != nil || c.e == nil || c.r == nil || closed(c.e, evCreate) || closed(c.e, evUpdate) {
		return
	}
	if c.e.Drafts != nil {
		m.uncovered(nil, c.e.Name, evUpsert, "PUT of entities with drafts is not tried")
		return
	}
	p := *c
	p.Event, p.Doors, p.byKey = evUpsert, nil, c.Event == evCreate
	p.state = !p.byKey && tagged(c.e)
	switch {
	case p.byKey && (c.body == nil || tagged(c.e)): // what is not there has no state
		return
	case c.Event == evCreate:
		p.r = m.w.changed(c.r, c.u, cqn.NewRow()) // what is written on each change is written first
	case c.body == nil || !m.oracle(c.u).may(c.r, evUpdate, false, 0):
		p.body = m.w.whole(c.r) // taken for a new row, it must not be refused for what is missing
	}
	m.add(&p)
}

// tagged reports whether changes of an entity need the state that they are of.
func tagged(e *csn.Entity) bool {
	for _, el := range e.Flat {
		if el.Annotations.Get("odata.etag") != nil {
			return true
		}
	}
	return false
}

// whole is a payload with all that a row has and a client may send, and what has to be there.
func (w *world) whole(r *row) *cqn.Row {
	out := cqn.NewRow()
	for _, el := range r.e.Flat {
		if el.Key || !sendable(el) || w.restricted(el) {
			continue
		}
		v := r.values[el.Name]
		if v.IsNull() && (el.NotNull || el.Annotations.Is("mandatory")) {
			v = some(el)
		}
		if !v.IsNull() && fits(v, el) {
			out.Set(el.Name, v)
		}
	}
	return out
}

// some is a value of an element, null for none.
func some(el *csn.Element) cqn.Value {
	if len(el.Enum()) > 0 {
		return el.Enum()[0].Val()
	}
	for _, x := range freshOf(el.Scalar()) {
		if v, ok := eval.Convert(x, el.Scalar()); ok && fits(v, el) {
			return v
		}
	}
	return cqn.Null
}

// put expects an answer to a PUT. Code needs both rights, whatever is there.
func (m *maker) put(o *oracle, c *Case) (expectation, bool) {
	update, updates := o.entity(c.e, evUpdate, false)
	create, creates := o.entity(c.e, evCreate, false)
	x := m.putRow(o, c, update, updates, create, creates)
	switch {
	case !updates:
		c.code = &update
	case !creates:
		c.code = &create
	default:
		c.code = &x
	}
	return x, true
}

func (m *maker) putRow(o *oracle, c *Case, update expectation, updates bool, create expectation, creates bool) expectation {
	switch {
	case !updates:
		return update
	case !c.byKey && o.may(c.r, evUpdate, false, 0):
		x := m.change(o, c)
		x.byRow = false
		return x
	case !creates:
		return create
	case c.byKey && o.may(c.r, evCreate, false, 0):
		return create
	}
	x := refused(c.u, "the row must be neither changed nor created")
	if len(o.p.parents[c.e]) > 0 {
		x.statuses = append(x.statuses, 400, 404)
	}
	if c.state && c.u.Kind != auth.KindAnonymous { // there is no such state, as far as the user may know
		x.statuses = append(x.statuses, 412)
	}
	if c.r.foreign(c.u) && c.u.Kind != auth.KindAnonymous { // its key is taken
		x.statuses = append(x.statuses, 409)
	}
	return x
}

// upsertOf is the query by which code does it. It always has a whole row.
func (w *world) upsertOf(c *Case) cqn.Query {
	row := w.whole(c.r)
	for _, f := range c.body.Fields() {
		row.Set(f.Name, f.Value)
	}
	for _, k := range c.r.e.Keys {
		row.Set(k.Name, c.r.values[k.Name])
	}
	return &cqn.Upsert{Into: c.e.Name, Rows: []*cqn.Row{row}}
}
