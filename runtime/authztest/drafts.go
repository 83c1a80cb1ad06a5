package authztest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
)

// The steps of somebody who comes upon a draft of another user, as the events of cases.
var intrusions = []string{evRead, "LIST", "PATCH", "SAVE", "DISCARD"}

// The steps of somebody who may change a row of which another user has a draft, and of one who comes when its lock has ended.
const (
	stepEdit   = "EDIT"
	stepChange = "CHANGE"
	stepRemove = "REMOVE"
	stepTake   = "TAKE OVER"
)

// lockEnds is after which time nobody's draft keeps others away.
const lockEnds = 16 * time.Minute

// A draftOf is a draft that somebody makes: of a new row, or of one that is there.
type draftOf struct {
	owner *auth.User
	r     *row
	isNew bool
	body  *cqn.Row
}

// drafted reports whether rows of an entity are edited by way of drafts that begin with them.
func drafted(e *csn.Entity) bool { return e != nil && e.Drafts != nil && e.DraftRoot }

// mallory is whom drafts are hidden from.
const mallory = "mallory"

// drafts makes the cases of drafts that others have made: for somebody with the same rights they are not there.
func (m *maker) drafts(s *csn.Service, e *csn.Entity) {
	if !drafted(e) || m.w.unserved(e) != "" {
		return
	}
	for _, ev := range []string{evCreate, evUpdate} {
		if closed(e, ev) {
			continue
		}
		found := false
		for _, c := range m.cases {
			if c.e != e || c.Event != ev || c.el != nil || c.body == nil || !c.x.allowed || !c.u.Identified() || !m.edits(c) {
				continue
			}
			found = true
			for _, step := range intrusions {
				u := m.w.person(c.u.Roles(), c.u.Attrs, c.u.Tenant)
				u.ID = mallory
				x := expectation{statuses: []int{404}, why: "it is the draft of another user"}
				m.cases = append(m.cases, &Case{At: c.At, Rule: c.Rule, Event: step, Target: e.Drafts.Name, Goal: "a draft of another user, of " + map[string]string{evCreate: "a new row", evUpdate: "a row"}[ev],
					User: describe(u), Key: c.Key, Expect: statusText(x), Why: x.why, service: s, e: e, u: u, r: c.r, x: x, draft: &draftOf{c.u, c.r, ev == evCreate, c.body}})
			}
			if ev == evUpdate {
				m.locks(s, e, c)
			}
			break
		}
		if !found {
			m.uncovered(&privilege{name: e.Drafts.Name}, "", ev, "nobody was found who may make a draft")
		}
	}
}

// locks makes the cases of a row of which another user has a draft: it is changed by nobody else until the lock ends.
func (m *maker) locks(s *csn.Service, e *csn.Entity, c *Case) {
	u := m.w.person(c.u.Roles(), c.u.Attrs, c.u.Tenant)
	u.ID = mallory
	o := m.oracle(u)
	defer func() { o.fault = "" }()
	if !m.oracle(c.u).sees(c.r) || !o.sees(c.r) || !m.change(o, &Case{e: e, r: c.r, u: u, body: c.body}).allowed || o.fault != "" {
		m.uncovered(&privilege{name: e.Drafts.Name}, "", "", "the lock of a draft is not tried: nobody else was found who may change the row")
		return
	}
	for _, step := range []string{stepEdit, stepChange, stepRemove, stepTake} {
		x := expectation{statuses: []int{409}, why: "another user has a draft of it"}
		switch {
		case step == stepRemove && !o.onRow(c.r, evDelete, false).allowed, step == stepTake && m.w.policy.asksTime():
			continue
		case step == stepTake:
			x = expectation{allowed: true, why: "the lock has ended"}
		}
		m.cases = append(m.cases, &Case{At: c.At, Rule: c.Rule, Event: step, Target: e.Name, Goal: "of which another user has a draft", User: describe(u), Key: c.Key, Expect: statusText(x), Why: x.why,
			service: s, e: e, u: u, r: c.r, x: x, body: c.body, draft: &draftOf{c.u, c.r, false, c.body}})
	}
}

// asksTime reports whether a condition asks for the time.
func (p *policy) asksTime() bool {
	return asks(slices.Collect(maps.Values(p.rules)), cqn.FromNow)
}

// edits reports whether the user of a case sees what he edits.
func (m *maker) edits(c *Case) bool {
	o := m.oracle(c.u)
	defer func() { o.fault = "" }()
	if _, ok := o.entity(c.e, evRead, false); !ok {
		return false
	}
	return (c.Event == evCreate || o.sees(c.r)) && o.fault == ""
}

// draftAddress is the URL of a row's draft.
func draftAddress(r *row) string {
	var parts []string
	for _, k := range r.e.Keys {
		if k.Name != csn.DraftActive {
			parts = append(parts, k.Name+"="+literal(k, r.values[k.Name]))
		}
	}
	return fmt.Sprintf("/%s(%s,%s=false)", setName(r.e), strings.Join(parts, ","), csn.DraftActive)
}

// as sends a request of the case as somebody else.
func (x *runner) as(u *auth.User, c *Case, method, path, body string) reply {
	other := *c
	other.u = u
	return x.send(x.odata[c.service.Name], &other, method, path, body)
}

// begin makes a draft.
func (x *runner) begin(c *Case, d *draftOf) reply {
	if d.isNew {
		return x.as(d.owner, c, http.MethodPost, "/"+setName(c.e), jsonOf(d.body))
	}
	return x.as(d.owner, c, http.MethodPost, address(d.r)+"/"+c.service.Name+".draftEdit", "{}")
}

// choreography creates or changes a row by a draft of it: what must come of it is what comes of doing it at once. Who must not do it at all gets no draft, and one
// with values that must not be is not made active.
func (x *runner) choreography(c *Case) error {
	o := newOracle(x.w, c.u)
	if _, reads := o.entity(c.e, evRead, false); !reads && c.x.allowed {
		return nil // what is edited is answered
	}
	want := *c
	want.Doors = nil
	switch {
	case !c.u.Identified():
		want.x = refused(c.u, "drafts need a login")
	case c.Event == evUpdate && !o.sees(c.r) && o.onRow(c.r, evUpdate, false).allowed:
		want.x = hidden
	}
	d := &draftOf{c.u, c.r, c.Event == evCreate, c.body}
	a, step := x.begin(c, d), "NEW"
	made := a.status < 400
	if !d.isNew {
		if step = "EDIT"; made {
			a, step = x.as(c.u, c, http.MethodPatch, draftAddress(c.r), jsonOf(c.body)), "PATCH"
		}
	}
	if a.status < 400 {
		a, step = x.as(c.u, c, http.MethodPost, draftAddress(c.r)+"/"+c.service.Name+".draftActivate", "{}"), "SAVE"
	}
	x.note(&want, "draft", a.status, "at "+step)
	last := &want.Doors[0]
	if last.OK && last.Note != undecided {
		last.Note = ""
	}
	c.Doors = append(c.Doors, *last)
	if made {
		return x.restore()
	}
	return nil
}

// intrude comes upon a draft of another user.
func (x *runner) intrude(c *Case) error {
	if a := x.begin(c, c.draft); a.status >= 400 {
		x.note(c, "draft", http.StatusInternalServerError, fmt.Sprintf("the draft could not be made: %d", a.status))
		return nil
	}
	at := draftAddress(c.r)
	var a reply
	switch c.Event {
	case evRead:
		a = x.as(c.u, c, http.MethodGet, at, "")
	case "LIST":
		a = x.as(c.u, c, http.MethodGet, "/"+setName(c.e)+"?$filter="+csn.DraftActive+"%20eq%20false", "")
		if keys, ok := keysIn(c.e, a.body, ""); a.status < 400 && ok && len(keys) == 0 {
			a.status = http.StatusNotFound
		}
	case "PATCH":
		a = x.as(c.u, c, http.MethodPatch, at, jsonOf(x.w.untouched(c.r)))
	case "SAVE":
		a = x.as(c.u, c, http.MethodPost, at+"/"+c.service.Name+".draftActivate", "{}")
	case "DISCARD":
		a = x.as(c.u, c, http.MethodDelete, at, "")
	case stepEdit:
		a = x.as(c.u, c, http.MethodPost, address(c.r)+"/"+c.service.Name+".draftEdit", `{"PreserveChanges":false}`)
	case stepChange: // at once, without a draft
		a = x.as(c.u, c, http.MethodPatch, address(c.r), jsonOf(c.body))
	case stepRemove:
		a = x.as(c.u, c, http.MethodDelete, address(c.r), "")
	case stepTake:
		x.pass(lockEnds)
		a = x.as(c.u, c, http.MethodPost, address(c.r)+"/"+c.service.Name+".draftEdit", `{"PreserveChanges":false}`)
		x.pass(0)
		x.note(c, "draft", a.status, "")
		return x.restore()
	}
	if still := x.as(c.draft.owner, c, http.MethodGet, at, ""); still.status != http.StatusOK {
		a.status = http.StatusInternalServerError
	}
	x.note(c, "draft", a.status, "")
	return x.restore()
}
