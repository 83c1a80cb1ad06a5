package authztest

import (
	"fmt"
	"slices"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
)

// A Case is one thing that a user tries, with what must come of it.
type Case struct {
	At     string   `json:"at,omitempty"` // file:line of the rule that it is about
	Rule   string   `json:"rule"`
	Event  string   `json:"event"`
	Target string   `json:"target"`
	Goal   string   `json:"goal"`
	User   User     `json:"user"`
	Key    string   `json:"key,omitempty"`
	Expect string   `json:"expect"`
	Why    string   `json:"why,omitempty"`
	Doors  []Answer `json:"doors"`

	service *csn.Service
	e       *csn.Entity
	op      *csn.Operation
	el      *csn.Element
	u       *auth.User
	r       *row
	body    *cqn.Row
	x       expectation
	keys    []string   // of a list
	shown   *cqn.Value // of a masked element; nil for the value itself
	// anything is set if what is shown is not known
	anything bool
	draft    *draftOf     // of another user
	byKey    bool         // of an upsert: there is no row with the key
	state    bool         // of an upsert: it must say which state of the row it is about
	code     *expectation // what code is answered, if that is something else than requests are
}

// An Answer is what one door says.
type Answer struct {
	Door   string `json:"door"`
	Status int    `json:"status"`
	OK     bool   `json:"ok"`
	Note   string `json:"note,omitempty"`
}

// An Uncovered is a part of the policy that no case could be made for.
type Uncovered struct {
	At    string `json:"at,omitempty"`
	Rule  string `json:"rule"`
	Event string `json:"event,omitempty"`
	Why   string `json:"why"`
	// unlessElsewhere holds it back if some other event, or entity of the service, covers the rule.
	unlessElsewhere bool
}

// A maker makes the cases of a world.
type maker struct {
	w       *world
	cases   []*Case
	lacking []Uncovered
	oracles map[string]*oracle
	wanting int    // goals that were not reached in this round
	only    string // service
}

// Bounds of the search for one position and event.
const (
	maxRows  = 110
	maxUsers = 48
)

func (m *maker) oracle(u *auth.User) *oracle {
	key := fmt.Sprint(u.Kind, u.ID, u.Tenant, u.Roles(), u.Attrs)
	if o := m.oracles[key]; o != nil {
		o.fault = ""
		return o
	}
	o := newOracle(m.w, u)
	m.oracles[key] = o
	return o
}

func (m *maker) uncovered(p *privilege, on, ev, why string) {
	u := Uncovered{At: m.w.place(p), Rule: on, Event: ev, Why: why}
	if p != nil {
		u.Rule = p.name
	}
	if !slices.Contains(m.lacking, u) {
		m.lacking = append(m.lacking, u)
	}
}

// settle leaves out what is covered elsewhere after all.
func (m *maker) settle() {
	covered := map[string]bool{}
	for _, c := range m.cases {
		if c.x.allowed {
			covered[c.Rule] = true
		}
	}
	m.lacking = slices.DeleteFunc(m.lacking, func(u Uncovered) bool { return u.unlessElsewhere && covered[u.Rule] })
}

// all makes the cases of all services.
func (m *maker) all() {
	for _, s := range m.w.app.Model.Services {
		if m.only != "" && s.Name != m.only {
			continue
		}
		for _, e := range s.Entities {
			if e.Active != nil || framework(e.LocalName()) || e.LocalName() == csn.DraftAdmin {
				continue
			}
			m.entity(s, e)
		}
		for _, op := range s.Ops {
			m.operation(s, op)
		}
	}
}

// together makes the cases of rows that are written with their parts.
func (m *maker) together() {
	for _, s := range m.w.app.Model.Services {
		if m.only != "" && s.Name != m.only {
			continue
		}
		for _, e := range s.Entities {
			if e.Active == nil && !framework(e.LocalName()) && e.LocalName() != csn.DraftAdmin {
				m.deep(s, e)
				m.drafts(s, e)
			}
		}
	}
}

// positions are the places of rules that an event has to do with.
func positions(rules []*rule, ev string) []*privilege {
	var out []*privilege
	for _, r := range rules {
		if r.requires != nil {
			out = append(out, r.requires)
		}
		for _, list := range [][]*privilege{r.grants, r.denies} {
			for _, p := range list {
				if p.covers(ev) && !p.implied {
					out = append(out, p)
				}
			}
		}
	}
	return out
}

func (m *maker) entity(s *csn.Service, e *csn.Entity) {
	rules := m.w.layers(s, e, nil)
	if why := m.w.unserved(e); why != "" {
		for _, p := range positions(rules[min(len(rules), boolInt(m.w.policy.rules[s] != nil)):], evRead) {
			m.uncovered(p, e.Name, "", why)
		}
		return
	}
	for _, ev := range []string{evRead, evCreate, evUpdate, evDelete} {
		switch {
		case closed(e, ev) && (ev != evRead || e.Exposure != csn.AutoExposed):
			continue
		}
		m.event(s, e, nil, ev)
	}
	for _, op := range e.Actions {
		if op.Draft != csn.NoDraftOp {
			continue
		}
		if e.Drafts != nil {
			m.uncovered(nil, e.Name+"."+op.Name, op.Name, "operations of entities with drafts are not tried")
			continue
		}
		m.event(s, e, op, op.Name)
	}
	m.elements(s, e)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// event makes the cases of an event on an entity for all positions of its rules.
func (m *maker) event(s *csn.Service, e *csn.Entity, op *csn.Operation, ev string) {
	rules := m.w.layers(s, e, op)
	own := rules
	for i, r := range own { // those of roots are positions of their own entities
		if r != m.w.policy.rules[s] && r != m.w.policy.rules[e] && (op == nil || r != m.w.policy.rules[op]) {
			own = own[:i]
			break
		}
	}
	for _, r := range own {
		if r.closed != "" || r.restricted && !slices.ContainsFunc(r.grants, func(p *privilege) bool { return p.covers(ev) && len(p.roles) > 0 }) ||
			r.requires != nil && len(r.requires.roles) == 0 {
			m.shut(s, e, op, ev, r)
		}
	}
	list := positions(own, ev)
	for _, p := range list {
		q := &quest{maker: m, s: s, e: e, op: op, ev: ev, p: p, rules: rules, best: map[string]*pick{}}
		q.run()
	}
	if m.w.policy.rules[e] == nil && ev == evRead { // a part follows its root
		for _, p := range positions(rules[len(own):], ev) {
			if p.deny || len(p.roles) == 0 {
				continue
			}
			c := *p
			c.where = nil
			q := &quest{maker: m, s: s, e: e, op: op, ev: ev, p: &c, inherited: true, rules: rules, best: map[string]*pick{}}
			q.run()
		}
	}
	for _, r := range own {
		for _, p := range r.grants {
			if !p.covers(ev) {
				q := &quest{maker: m, s: s, e: e, op: op, ev: ev, p: p, rules: rules, best: map[string]*pick{}}
				q.beyond()
			}
		}
	}
}

// shut makes a case for what nobody is granted: somebody with all roles is refused.
func (m *maker) shut(s *csn.Service, e *csn.Entity, op *csn.Operation, ev string, r *rule) {
	u := m.w.person(m.roles(), m.w.attrs(0, m.w.spare.pools.attrs), m.w.tenants[0])
	c := &Case{Rule: r.on, At: m.w.place(&privilege{span: r.span}), Goal: "nobody is granted it", service: s, e: e, op: op, u: u, Event: ev}
	if e != nil {
		rows := m.w.of(e)
		if len(rows) == 0 {
			return
		}
		c.r = rows[0]
	}
	m.add(c)
}

// roles are all that the model mentions.
func (m *maker) roles() []string {
	var out []string
	for _, r := range m.w.policy.rules {
		out = append(out, r.mentioned...)
		if r.requires != nil {
			out = append(out, r.requires.roles...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// add judges a case and keeps it.
func (m *maker) add(c *Case) bool {
	o := m.oracle(c.u)
	x, ok := m.expect(o, c)
	if o.fault != "" {
		m.uncovered(&privilege{name: c.Rule}, "", c.Event, "not judged: "+o.fault)
		return false
	}
	if !ok {
		return false
	}
	c.x = x
	c.User, c.Why = describe(c.u), x.why
	if c.e != nil {
		c.Target = c.e.Name
	} else if c.op != nil {
		c.Target = c.op.Name
	}
	if c.r != nil {
		c.Key = c.r.key()
	}
	c.Expect = statusText(x)
	for _, have := range m.cases {
		if have.Rule == c.Rule && have.Event == c.Event && have.e == c.e && have.op == c.op && have.el == c.el && have.Key == c.Key && have.User.String() == c.User.String() && have.body == nil && c.body == nil {
			return true
		}
	}
	m.cases = append(m.cases, c)
	if c.Event == evCreate || c.Event == evUpdate {
		m.upsert(c)
	}
	return true
}

// expect asks the oracle; false if the case makes no sense.
func (m *maker) expect(o *oracle, c *Case) (expectation, bool) {
	switch {
	case c.e == nil:
		if x, ok := o.enter(c.service, c.Event); !ok {
			return x, true
		}
		if !o.static(o.p.rules[c.op], c.Event) {
			return refused(c.u, "the operation is not granted"), true
		}
		return expectation{allowed: true}, true
	case c.Event == evCreate:
		return m.creation(o, c), true
	case c.op != nil:
		if x, ok := o.enter(c.e.Service, c.Event); !ok {
			return x, true
		}
		if !o.static(o.p.rules[c.op], c.Event) {
			return refused(c.u, "the operation is not granted"), true
		}
		if c.op.Collection {
			x, _ := o.entity(c.e, c.Event, c.op.Function)
			return x, true
		}
		// Where no condition is asked, no row is looked for: the operation's handler finds none of another tenant.
		return o.onRow(c.r, c.Event, c.op.Function), !c.r.foreign(c.u) || !o.open(c.e, c.Event, c.op.Function, 0)
	case c.Event == evUpdate:
		return m.change(o, c), true
	case c.Event == evUpsert:
		return m.put(o, c)
	}
	return o.onRow(c.r, c.Event, false), true
}

// creation expects an answer to a new row.
func (m *maker) creation(o *oracle, c *Case) expectation {
	x, ok := o.entity(c.e, evCreate, false)
	switch {
	case !ok || o.may(c.r, evCreate, false, 0):
		return x
	case len(o.p.parents[c.e]) > 0:
		x = refused(c.u, "the new row, or its root, must not be written")
		x.statuses = append(x.statuses, 400, 404)
		return x
	}
	return refused(c.u, "the new row fulfils no condition")
}

// change expects an answer to new values for a row.
func (m *maker) change(o *oracle, c *Case) expectation {
	x := o.onRow(c.r, evUpdate, false)
	if !x.allowed || c.body == nil {
		return x
	}
	if !o.may(m.w.changed(c.r, c.u, c.body), evUpdate, false, 0) {
		return refused(c.u, "the changed row fulfils no condition")
	}
	return x
}

// operation makes the cases of an unbound action or function.
func (m *maker) operation(s *csn.Service, op *csn.Operation) {
	rules := m.w.layers(s, nil, op)
	for _, r := range rules {
		if r.closed != "" || r.requires != nil && len(r.requires.roles) == 0 {
			m.shut(s, nil, op, op.LocalName(), r)
		}
	}
	for _, p := range positions(rules, op.LocalName()) {
		q := &quest{maker: m, s: s, op: op, ev: op.LocalName(), p: p, rules: rules, best: map[string]*pick{}}
		q.run()
	}
}
