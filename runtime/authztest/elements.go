package authztest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/token"
)

// A veil is the @mask of an element: what is shown, and to whom the value is.
type veil struct {
	value  cqn.Value
	unless []string
	span   token.Span
	// computed is set if what is shown is made of the row, and so not known here; inCode, if that is done by a function of the application.
	computed, inCode bool
}

// veilOf returns the mask of an element, nil for none.
func veilOf(el *csn.Element) *veil {
	var out *veil
	for i := range el.Annotations {
		a := &el.Annotations[i]
		if a.Name != "mask" && !strings.HasPrefix(a.Name, "mask.") || a.Value != nil && a.Value.Kind == cqn.AnnoNull {
			continue
		}
		if out == nil {
			out = &veil{span: a.Span}
		}
		switch a.Name {
		case "mask.expr", "mask.fn":
			out.computed = true
		case "mask.go":
			out.inCode = true
		case "mask", "mask.value":
			out.computed = out.computed || a.Value != nil && a.Value.Kind == cqn.AnnoExpr
			if v := a.Value; v != nil && v.Kind == cqn.AnnoString {
				out.value = cqn.String(v.Text)
			} else if v != nil && v.Kind == cqn.AnnoNumber {
				out.value = cqn.Decimal(v.Text)
			}
		case "mask.unless":
			out.unless, _ = names(a.Value)
		}
	}
	return out
}

// elements makes the cases of an entity's elements that have rules of their own.
func (m *maker) elements(s *csn.Service, e *csn.Entity) {
	if e.Exposure == csn.AutoExposed {
		return
	}
	for _, el := range e.Flat {
		r, v := m.w.policy.rules[el], veilOf(el)
		if r == nil && v == nil || el.ForeignKey != nil {
			continue
		}
		p := &privilege{name: e.Name + "." + el.Name, events: []string{"*"}}
		if r != nil {
			p.span = r.span
		} else {
			p.name, p.span = p.name+"@mask", v.span
		}
		switch {
		case el.Assoc() != nil || el.Scalar() == nil:
			m.uncovered(p, "", "", "restrictions on associations and structures are not tried")
		case el.Key || el.Virtual:
			m.uncovered(p, "", "", "it is a key, or virtual")
		default:
			m.element(s, e, el, r, v, p)
		}
	}
}

// element makes the cases of one element: for everybody who reads the entity with each of the roles that the element asks for, and without.
func (m *maker) element(s *csn.Service, e *csn.Entity, el *csn.Element, r *rule, v *veil, p *privilege) {
	var special []string
	if r != nil {
		for _, q := range positions([]*rule{r}, evRead) {
			special = append(special, q.roles...)
		}
		for _, q := range positions([]*rule{r}, evUpdate) {
			special = append(special, q.roles...)
		}
	}
	if v != nil {
		special = append(special, v.unless...)
	}
	slices.Sort(special)
	special = slices.Compact(special)
	for _, ev := range []string{evRead, evUpdate, evCreate} {
		if closed(e, ev) || ev != evRead && (r == nil || !sendable(el)) {
			continue
		}
		if ev != evRead && e.Drafts != nil {
			m.uncovered(p, "", ev, "writing restricted elements of entities with drafts is not tried")
			continue
		}
		reached := false
		for _, with := range append([]string{""}, special...) {
			reached = m.elementFor(s, e, el, r, v, p, ev, with, special) || reached
		}
		if !reached {
			m.uncovered(p, "", ev, "nobody was found who may do it with some row")
		}
	}
}

// elementFor makes the case of one role; "" for none of those that the element asks for.
func (m *maker) elementFor(s *csn.Service, e *csn.Entity, el *csn.Element, r *rule, v *veil, p *privilege, ev, with string, special []string) bool {
	rules := m.w.layers(s, e, nil)
	for _, team := range teams(rules, ev, nil, "") {
		team = without(team, special)
		if with != "" {
			team = append(team, with)
		}
		u := m.w.person(team, m.w.attrs(0, asked(append(rules, nonNil(r)...))), m.w.home(rules))
		o := m.oracle(u)
		var best *row
		for _, at := range m.w.of(e) {
			if (best == nil || best.values[el.Name].IsNull()) && m.open(o, at, ev) && o.fault == "" {
				best = at
			}
		}
		if best == nil {
			continue
		}
		c := &Case{At: m.w.place(p), Rule: p.name, Event: ev, Target: e.Name + "/" + el.Name, Key: best.key(), User: describe(u), Goal: "without its roles",
			service: s, e: e, el: el, u: u, r: best, x: expectation{allowed: true}}
		if with != "" {
			c.Goal = "with " + roleText(with)
		}
		value := best.values[el.Name]
		switch {
		case r != nil && !o.static(r, ev):
			c.x = refused(u, "the element is not granted")
		case v != nil && !o.p.has(u, v.unless):
			c.shown, c.Why = &v.value, "masked"
			c.anything = v.computed || v.inCode && !m.w.standIns
		default:
			c.shown = &value
		}
		if ev != evRead {
			if value.IsNull() || !fits(value, el) {
				continue
			}
			c.body = cqn.NewRow()
			if ev == evCreate {
				c.r, c.body = m.w.newcomer(u, best)
			}
			c.body.Set(el.Name, value)
		}
		if o.fault != "" {
			m.uncovered(p, "", ev, "not judged: "+o.fault)
			return true
		}
		c.Expect = statusText(c.x)
		if c.x.allowed && c.Why == "masked" {
			c.Expect = "masked"
		}
		m.cases = append(m.cases, c)
		return true
	}
	return false
}

// open reports whether the user may do something with a row, or create one like it, as far as elements don't matter.
func (m *maker) open(o *oracle, at *row, ev string) bool {
	if ev != evCreate {
		return o.onRow(at, ev, false).allowed && o.sees(at)
	}
	n, _ := m.w.newcomer(o.u, at)
	_, ok := o.entity(at.e, ev, false)
	return ok && n != nil && o.may(n, ev, false, 0)
}

func nonNil(r *rule) []*rule {
	if r == nil {
		return nil
	}
	return []*rule{r}
}

// element reads one element, or writes it.
func (x *runner) element(c *Case) error {
	if c.Event != evRead {
		return x.write(c)
	}
	url := address(c.r)
	one := url + "?$select=" + c.el.Name
	odata, rest := x.odata[c.service.Name], x.rest[c.service.Name]
	x.shows(c, "odata", x.send(odata, c, http.MethodGet, one, ""))
	x.shows(c, "rest", x.send(rest, c, http.MethodGet, one, ""))
	x.shows(c, "batch", x.batch(c, http.MethodGet, one, ""))
	x.note(c, "go", x.code(c, &cqn.Select{From: &cqn.From{Path: c.r.path()}, Columns: []cqn.Column{{X: cqn.NewRef(c.el.Name)}}}).status, "")
	whole := x.send(odata, c, http.MethodGet, url, "") // all that may be read
	status := whole.status
	if got, there := member(whole.body, c.el.Name); status < 400 && (there != c.x.allowed || there && !c.shows(got)) {
		status = http.StatusInternalServerError
	}
	x.names["*"] = true
	x.answers++
	c.Doors = append(c.Doors, Answer{Door: "*", Status: status, OK: status < 400})
	filter := *c
	if filter.Doors = nil; c.Why == "masked" { // the value must not be found out
		filter.x = refused(c.u, "masked")
	}
	x.note(&filter, "filter", x.send(odata, c, http.MethodGet, "/"+setName(c.e)+"?$filter="+c.el.Name+"%20eq%20null", "").status, "")
	c.Doors = append(c.Doors, filter.Doors...)
	return nil
}

// shows notes whether a door shows what it must.
func (x *runner) shows(c *Case, door string, a reply) {
	if got, there := member(a.body, c.el.Name); a.status < 400 && c.x.allowed && (!there || !c.shows(got)) {
		x.note(c, door, http.StatusInternalServerError, "another value is shown")
		return
	}
	x.note(c, door, a.status, "")
}

// shows reports whether a value of JSON is the one that must be shown.
func (c *Case) shows(got any) bool { return c.anything || shows(got, c.shown) }

// member returns a property of a JSON object.
func member(body []byte, name string) (any, bool) {
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.UseNumber()
	var o map[string]any
	if d.Decode(&o) != nil {
		return nil, false
	}
	v, ok := o[name]
	return v, ok
}

// shows reports whether a value of JSON is the one that is expected.
func shows(got any, want *cqn.Value) bool {
	var have cqn.Value
	switch v := got.(type) {
	case string:
		have = cqn.String(v)
	case json.Number:
		have = cqn.Decimal(v.String())
	case bool:
		have = cqn.Bool(v)
	case nil:
		return want.IsNull()
	default:
		return true // lists are not compared
	}
	switch {
	case want.IsNull():
		return false
	case number(*want) != nil:
		n := number(cqn.Decimal(plain(have)))
		return n != nil && n.Cmp(number(*want)) == 0
	case moment(*want):
		s, ok1 := instant(want.Str())
		t, ok2 := instant(have.Str())
		return ok1 && ok2 && s.Equal(t)
	}
	return plain(have) == plain(*want)
}
