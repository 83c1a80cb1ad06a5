package authztest

import (
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
)

// Bounds of the search for a root and its parts.
const (
	maxRoots = 40
	maxLikes = 20
)

// A deepWrite writes a row together with a part of it.
type deepWrite struct {
	*maker
	s    *csn.Service
	e    *csn.Entity
	el   *csn.Element // the composition
	part *csn.Entity
	rule *rule // of the part; nil where it follows its root
	done map[string]bool
}

// deep makes the cases of writing rows of an entity with their parts: new ones with new parts, and changes that bring a part, change one or leave one out. A part
// with a restriction of its own must fulfil it; whoever may not do it may not do the whole.
func (m *maker) deep(s *csn.Service, e *csn.Entity) {
	if e.Exposure == csn.AutoExposed || m.w.unserved(e) != "" || closed(e, evCreate) && closed(e, evUpdate) {
		return
	}
	for _, el := range e.Flat {
		a := el.Assoc()
		if a == nil || !a.Composition || a.Target == nil || a.Target.Service != s || strings.HasSuffix(a.Target.Name, ".texts") {
			continue
		}
		d := &deepWrite{maker: m, s: s, e: e, el: el, part: a.Target, rule: m.w.policy.rules[a.Target], done: map[string]bool{}}
		if why := d.untried(); why != "" {
			if m.w.policy.rules[e] == nil && d.rule == nil {
				continue // nothing is asked
			}
			m.uncovered(&privilege{name: e.Name + "." + el.Name, span: el.Span}, "", "", "writing it together with its root is not tried: "+why)
			continue
		}
		if why := d.unmade(); why != "" && !closed(e, evCreate) {
			m.uncovered(&privilege{name: e.Name + "." + el.Name, span: el.Span}, "", evCreate, "writing it together with its root is not tried where that is new: "+why)
		}
		d.run()
	}
}

// unmade says why no new root is written with a part, "" if one is.
func (d *deepWrite) unmade() string {
	switch {
	case d.rule != nil && d.far(evCreate):
		return "a condition looks at other rows"
	case len(d.w.policy.parents[d.e]) > 0:
		return "the root is itself a part"
	}
	return ""
}

func (d *deepWrite) untried() string {
	a := d.el.Assoc()
	switch {
	case d.e.Drafts != nil:
		return "it has drafts"
	case !a.Many || len(a.Pairs) == 0:
		return "it is a composition of one, or follows no equal elements"
	case d.w.policy.rules[d.el] != nil:
		return "the composition has a restriction"
	case d.w.unserved(d.part) != "":
		return d.w.unserved(d.part)
	case len(d.w.policy.parents[d.part]) != 1:
		return "parts of several roots"
	case d.w.deep(d.part) || tagged(d.part) || tagged(d.e):
		return "its rows have parts of their own, or entity tags"
	}
	return ""
}

// run tries users who are known to do something with the root or with the part, alone and with the roles of both.
func (d *deepWrite) run() {
	var roots, parts []*auth.User
	seen := map[string]bool{}
	for _, c := range d.cases {
		if key := c.User.String(); c.u != nil && c.op == nil && c.el == nil && (c.e == d.e || c.e == d.part) && !seen[c.e.Name+key] {
			seen[c.e.Name+key] = true
			if c.e == d.e {
				roots = append(roots, c.u)
			} else {
				parts = append(parts, c.u)
			}
		}
	}
	users := slices.Concat(roots, parts)
	for _, r := range roots {
		for _, p := range parts {
			if r.Kind == p.Kind && r.Tenant == p.Tenant && len(users) < maxUsers {
				users = append(users, d.w.person(slices.Concat(r.Roles(), p.Roles()), merged(r.Attrs, p.Attrs), r.Tenant))
			}
		}
	}
	for _, u := range users {
		d.with(u)
	}
}

func merged(a, b map[string][]string) map[string][]string {
	out := map[string][]string{}
	for _, m := range []map[string][]string{a, b} {
		for n, v := range m {
			if len(out[n]) == 0 {
				out[n] = v
			}
		}
	}
	return out
}

// with tries one user.
func (d *deepWrite) with(u *auth.User) {
	o := d.oracle(u)
	all := d.w.of(d.e)
	for _, r := range all[:min(len(all), maxRoots)] {
		if r.foreign(u) {
			continue
		}
		if !closed(d.e, evCreate) {
			d.created(o, r)
		}
		if !closed(d.e, evUpdate) && o.onRow(r, evUpdate, false).allowed && o.sees(r) {
			d.changed(o, r)
		}
		o.fault = ""
	}
}

// of are the parts of a row.
func (d *deepWrite) of(r *row) []*row {
	j := &judge{w: d.w, u: auth.Privileged}
	var out []*row
	for _, p := range d.w.of(d.part) {
		if d.w.joined(j, d.el.Assoc(), r, p) {
			out = append(out, p)
		}
	}
	return out
}

// partOf makes a new part of a row, and what a client sends of it.
func (d *deepWrite) partOf(u *auth.User, root, like *row) (*row, *cqn.Row) {
	n, body := d.w.newcomer(u, like)
	if n == nil {
		return nil, nil
	}
	for _, p := range d.el.Assoc().Pairs {
		n.values[p.Target.Name] = root.values[p.Source.Name]
		body.Delete(p.Target.Name)
	}
	return n, body
}

// own tells whether the part's own restriction lets the user do something with a part.
func (d *deepWrite) own(o *oracle, ev string, p *row) bool {
	return !p.foreign(o.u) && o.role(d.rule, ev) && o.row(d.rule, ev, p)
}

// created makes a new row with a new part. What a condition on the part asks of other rows is not known before these are there.
func (d *deepWrite) created(o *oracle, like *row) {
	if d.unmade() != "" || d.complete("a new row with a new part") {
		return
	}
	root, body := d.w.newcomer(o.u, like)
	if root == nil {
		return
	}
	x := d.creation(o, &Case{e: d.e, r: root, u: o.u})
	if !x.allowed && d.done["a new row with a new part"+rootRefuses] && d.done["a new row with a new part"+rootRefuses+" by PUT"] {
		return
	}
	for _, p := range d.likes() {
		part, sent := d.partOf(o.u, root, p)
		if part == nil {
			continue
		}
		d.offer(o, evCreate, "a new row with a new part", x, d.own(o, evCreate, part), root, with(body, d.el, sent))
	}
}

// far reports whether a condition on the part looks at other rows.
func (d *deepWrite) far(ev string) bool {
	for _, list := range [][]*privilege{d.rule.grants, d.rule.denies} {
		for _, p := range list {
			for _, x := range p.where {
				away := false
				cqn.Walk(x, func(n any) bool {
					switch n := n.(type) {
					case *cqn.Exists, *cqn.Subquery:
						away = true
					case *cqn.Ref:
						away = away || len(n.Path) > 1
					}
					return !away
				})
				if away && p.covers(ev) {
					return true
				}
			}
		}
	}
	return false
}

// changed makes changes of a row with its parts. Those that are not sent are removed, unless the user does not see them: then it is another case.
func (d *deepWrite) changed(o *oracle, r *row) {
	parts := d.of(r)
	if slices.ContainsFunc(parts, func(p *row) bool { return !o.sees(p) }) || len(parts) > maxBeside {
		return
	}
	x := expectation{allowed: true, why: "a grant fits"}
	same := func(but *row) (out []*cqn.Row) {
		for _, p := range parts {
			if p != but {
				out = append(out, d.sent(p))
			}
		}
		return out
	}
	still := func(but *row) bool { // what is sent along is taken for a change
		return !slices.ContainsFunc(parts, func(p *row) bool { return p != but && !d.own(o, evUpdate, p) })
	}
	for _, p := range parts {
		if !still(p) {
			continue
		}
		body := d.sent(p)
		d.offer(o, evUpdate, "a change of a part", x, d.own(o, evUpdate, p) && d.own(o, evUpdate, d.w.changed(p, o.u, body)), r, with(nil, d.el, append(same(p), body)...))
		d.offer(o, evUpdate, "a part is left out", x, d.own(o, evDelete, p), r, with(nil, d.el, same(p)...))
	}
	if d.complete("a part more") || !still(nil) {
		return
	}
	for _, p := range d.likes() {
		if n, sent := d.partOf(o.u, r, p); n != nil {
			d.offer(o, evUpdate, "a part more", x, d.own(o, evCreate, n), r, with(nil, d.el, append(same(nil), sent)...))
		}
	}
}

// sent is a part as a client sends it that has read it.
func (d *deepWrite) sent(p *row) *cqn.Row {
	out := d.w.whole(p)
	for _, pair := range d.el.Assoc().Pairs {
		out.Delete(pair.Target.Name)
	}
	for _, k := range p.e.Keys {
		out.Set(k.Name, p.values[k.Name])
	}
	return out
}

// with is a payload with parts.
func with(body *cqn.Row, el *csn.Element, parts ...*cqn.Row) *cqn.Row {
	out := cqn.NewRow()
	if body != nil {
		out = body.Clone()
	}
	out.Set(el.Name, cqn.OfRows(slices.Clone(parts)))
	return out
}

// Whoever refuses a write of both.
const (
	rootRefuses = ": its root refuses"
	partRefuses = ": the part refuses"
)

// complete reports whether all that can be shown of a kind of write is: changes are tried of roots that may be changed only.
func (d *deepWrite) complete(what string) bool {
	if !closed(d.e, evCreate) && !closed(d.e, evUpdate) && (!d.done[what+" by PUT"] || d.rule != nil && !d.done[what+partRefuses+" by PUT"]) {
		return false
	}
	return d.done[what] && (d.rule == nil || d.done[what+partRefuses]) && (d.done[what+rootRefuses] || what != "a new row with a new part")
}

// likes are the parts that new ones are made like.
func (d *deepWrite) likes() []*row {
	all := d.w.of(d.part)
	return all[:min(len(all), maxLikes)]
}

// offer keeps a case unless there is one that shows the same: that it works, that the root refuses, and that the part alone refuses.
func (d *deepWrite) offer(o *oracle, ev, what string, x expectation, own bool, r *row, body *cqn.Row) {
	d.keep(o, ev, what, x, own, r, body, nil)
	if closed(d.e, evCreate) || closed(d.e, evUpdate) {
		return
	}
	// The same by PUT, which creates the row or changes all of it.
	c := &Case{e: d.e, r: r, u: o.u, body: body, byKey: ev == evCreate}
	if c.byKey {
		c.r = d.w.changed(r, o.u, cqn.NewRow()) // what is written on each change is written first
	} else {
		c.body = d.w.whole(r)
		c.body.Set(d.el.Name, body.Value(d.el.Name))
	}
	scalars := *c // parts are judged apart
	scalars.body = c.body.Clone()
	scalars.body.Delete(d.el.Name)
	if x, _ = d.put(o, &scalars); scalars.code != nil && scalars.code.allowed && !own {
		no := d.partRefused(o)
		scalars.code = &no
	}
	d.keep(o, evUpsert, what, x, own, c.r, c.body, &scalars)
}

// partRefused expects the refusal of a part.
func (d *deepWrite) partRefused(o *oracle) expectation {
	x := refused(o.u, "the part must not be written so")
	x.statuses = append(x.statuses, 400, 404)
	return x
}

// keep keeps a case; put says what is particular to a PUT.
func (d *deepWrite) keep(o *oracle, ev, what string, x expectation, own bool, r *row, body *cqn.Row, put *Case) {
	goal := what
	switch {
	case !x.allowed:
		goal += rootRefuses
	case !own:
		goal += partRefuses
		x = d.partRefused(o)
	}
	key := goal
	if put != nil {
		key += " by PUT"
	}
	if d.done[key] || o.fault != "" {
		return
	}
	d.done[key] = true
	p := &privilege{name: d.part.Name, span: d.el.Span}
	if d.rule != nil {
		p.span = d.rule.span
	}
	c := &Case{At: d.w.place(p), Rule: p.name, Event: ev, Target: d.e.Name + "/" + d.el.Name, Goal: goal, User: describe(o.u), Key: r.key(),
		Expect: statusText(x), Why: x.why, service: d.s, e: d.e, u: o.u, r: r, body: body, x: x}
	if put != nil {
		c.byKey, c.code = put.byKey, put.code
	}
	d.cases = append(d.cases, c)
}
