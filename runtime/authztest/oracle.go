package authztest

import (
	"cds/parser/csn"
	"cds/runtime/auth"
)

// An expectation is what an answer must be: one of some HTTP statuses, or any that says that the request was let through.
type expectation struct {
	allowed  bool
	statuses []int
	why      string
	// byRow says that the row is refused, not the user: code that changes rows by a condition is told that there are none.
	byRow bool
}

func (x expectation) fits(status int) bool {
	if x.allowed {
		return status < 400 || status == 501 // 501: authorized, and nobody there to do it
	}
	for _, s := range x.statuses {
		if s == status {
			return true
		}
	}
	return false
}

func refused(u *auth.User, why string) expectation {
	if u.Kind == auth.KindAnonymous {
		return expectation{statuses: []int{401}, why: why}
	}
	return expectation{statuses: []int{403}, why: why}
}

var hidden = expectation{statuses: []int{404}, why: "the row is hidden"}

// An oracle answers for one user.
type oracle struct {
	*judge
	p    *policy
	memo map[visit]bool // nil to forget
	// given is the truth of a privilege's conditions, whatever they say.
	given map[*privilege]truth
}

type visit struct {
	r  *row
	ev string
}

func newOracle(w *world, u *auth.User) *oracle {
	return &oracle{judge: &judge{w: w, u: u}, p: w.policy, memo: map[visit]bool{}}
}

// role tells whether a rule lets the user do something at all, before any row is looked at. A condition that asks no row is settled here, unless rows are
// read: then it filters them.
func (o *oracle) role(r *rule, ev string) bool {
	switch {
	case r == nil:
		return true
	case r.closed != "", r.requires != nil && !o.p.has(o.u, r.requires.roles):
		return false
	case !r.restricted:
		return true
	}
	for _, d := range r.denies {
		if !d.covers(ev) || !o.p.has(o.u, d.roles) {
			continue
		}
		if len(d.where) == 0 || ev != evRead && d.static() && o.all(d, nil) != no {
			return false
		}
	}
	for _, g := range r.grants {
		if g.covers(ev) && o.p.has(o.u, g.roles) && (ev == evRead || !g.static() || o.all(g, nil) == yes) {
			return true
		}
	}
	return false
}

// static is role for what has no rows: services and operations.
func (o *oracle) static(r *rule, ev string) bool { return o.role(r, ev) && o.row(r, ev, nil) }

// all is the truth of a privilege's conditions on a row.
func (o *oracle) all(p *privilege, r *row) truth {
	if t, ok := o.given[p]; ok {
		return t
	}
	t := yes
	for _, x := range p.where {
		t = min(t, o.test(x, scope{r: r, self: r}, 0))
	}
	return t
}

// row tells whether a rule, whose role part has let the user pass, lets him do something with one row.
func (o *oracle) row(r *rule, ev string, at *row) bool {
	if r == nil || !r.restricted {
		return true
	}
	for _, d := range r.denies {
		if d.covers(ev) && o.p.has(o.u, d.roles) && o.all(d, at) != no { // what is unknown denies
			return false
		}
	}
	for _, g := range r.grants {
		if g.covers(ev) && o.p.has(o.u, g.roles) && o.all(g, at) == yes {
			return true
		}
	}
	return false
}

// free tells whether a rule lets the user do something with every row.
func (o *oracle) free(r *rule, ev string) bool {
	if r == nil || !r.restricted {
		return true
	}
	for _, d := range r.denies {
		if d.covers(ev) && o.p.has(o.u, d.roles) {
			return false
		}
	}
	for _, g := range r.grants {
		if g.covers(ev) && o.p.has(o.u, g.roles) && len(g.where) == 0 {
			return true
		}
	}
	return false
}

// above is what a part's root must allow: reading where the part is read, else changing it.
func above(ev string, reads bool) string {
	if ev == evRead || reads {
		return evRead
	}
	return evUpdate
}

// reach tells whether the user may do something with some row of an entity. A part needs a root that may be changed, or read.
func (o *oracle) reach(e *csn.Entity, ev string, reads bool, depth int) bool {
	if !o.role(o.p.rules[e], ev) || depth > 20 {
		return false
	}
	parents := o.p.parents[e]
	if len(parents) == 0 {
		return true
	}
	for _, el := range parents {
		if o.reach(el.Owner, above(ev, reads), reads, depth+1) {
			return true
		}
	}
	return false
}

// open tells whether no condition is asked of an entity's rows, those of its roots included.
func (o *oracle) open(e *csn.Entity, ev string, reads bool, depth int) bool {
	if !o.role(o.p.rules[e], ev) || !o.free(o.p.rules[e], ev) || depth > 20 {
		return false
	}
	for _, el := range o.p.parents[e] {
		if !o.open(el.Owner, above(ev, reads), reads, depth+1) {
			return false
		}
	}
	return true
}

// may tells whether the user may do something with a row: its own rule and that of one of its roots, unless nothing is asked of these.
func (o *oracle) may(r *row, ev string, reads bool, depth int) bool {
	if why := o.p.unknown[r.e]; why != "" {
		o.fail("%s: %s", r.e.Name, why)
		return false
	}
	if depth == 0 {
		if known, ok := o.memo[visit{r, ev}]; ok && !reads {
			return known
		}
	}
	out := !r.foreign(o.u) && o.role(o.p.rules[r.e], ev) && o.row(o.p.rules[r.e], ev, r) && o.rooted(r, ev, reads, depth)
	if depth == 0 && !reads && o.fault == "" && o.memo != nil {
		o.memo[visit{r, ev}] = out
	}
	return out
}

func (o *oracle) rooted(r *row, ev string, reads bool, depth int) bool {
	parents := o.p.parents[r.e]
	if len(parents) == 0 {
		return true
	}
	if depth > 20 {
		return false
	}
	open := true
	for _, el := range parents {
		open = open && o.open(el.Owner, above(ev, reads), reads, depth+1)
	}
	if open {
		return true
	}
	for _, el := range parents {
		if !o.reach(el.Owner, above(ev, reads), reads, depth+1) {
			continue
		}
		for _, p := range o.w.of(el.Owner) {
			if el.Assoc() != nil && o.w.joined(o.judge, el.Assoc(), p, r) && o.may(p, above(ev, reads), reads, depth+1) {
				return true
			}
		}
	}
	return false
}

// sees tells whether the user may read a row.
func (o *oracle) sees(r *row) bool { return o.may(r, evRead, false, 0) }

// enter is what everything in a service needs: the service's own rule.
func (o *oracle) enter(s *csn.Service, ev string) (expectation, bool) {
	r := o.p.rules[s]
	if r == nil && o.p.login && !o.u.Identified() {
		return refused(o.u, s.Name+" needs a login"), false
	}
	if r != nil && !o.static(r, ev) {
		return refused(o.u, "the service does not grant it"), false
	}
	return expectation{}, true
}

// entity is what comes before rows: the service, what nobody may, tenants, roles.
func (o *oracle) entity(e *csn.Entity, ev string, reads bool) (expectation, bool) {
	if x, ok := o.enter(e.Service, ev); !ok {
		return x, false
	}
	if closed(e, ev) && (ev != evRead || e.Exposure != csn.AutoExposed) {
		return expectation{statuses: []int{405}, why: "nobody may"}, false
	}
	if o.w.bound[e] && o.u.Tenant == "" {
		return refused(o.u, "the user has no tenant"), false
	}
	if !o.reach(e, ev, reads, 0) {
		return refused(o.u, "no grant fits the user"), false
	}
	return expectation{allowed: true, why: "a grant fits"}, true
}

// onRow expects an answer to an event on an existing row.
func (o *oracle) onRow(r *row, ev string, reads bool) expectation {
	x, ok := o.entity(r.e, ev, reads)
	switch {
	case !ok:
		return x
	case o.may(r, ev, reads, 0):
		return x
	case ev == evRead || !o.reach(r.e, evRead, false, 0) || !o.sees(r):
		return hidden
	}
	x = refused(o.u, "the row fulfils no condition")
	x.byRow = true
	return x
}

// closed reports what nobody may do with an entity.
func closed(e *csn.Entity, ev string) bool {
	a := e.Annotations
	off := func(name string) bool { return a.Get("Capabilities." + name).False() }
	switch {
	case e.Exposure == csn.AutoExposed:
		return true
	case writes(ev) && (a.Is("readonly") || e.Exposure == csn.AutoExposedRead):
		return true
	case a.Is("insertonly"):
		return ev != evCreate && (writes(ev) || ev == evRead)
	}
	switch ev {
	case evRead:
		return off("ReadRestrictions.Readable") || off("Readable")
	case evCreate:
		return off("InsertRestrictions.Insertable") || off("Insertable")
	case evUpdate:
		return off("UpdateRestrictions.Updatable") || off("Updatable")
	case evDelete:
		return off("DeleteRestrictions.Deletable") || off("Deletable")
	}
	return false
}
