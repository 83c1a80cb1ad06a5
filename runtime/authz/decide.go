package authz

import (
	"fmt"
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/eval"
)

// event returns the name under which rules know what is done: an operation's name, else the standard event.
func (a *Access) event() Event {
	if a.Op != nil {
		return Event(a.Op.LocalName())
	}
	return a.Event
}

// Decide decides one access, in the order of section 4: service, static capability, entities of the path, target, operation. It
// runs before any user code and needs no database: what depends on rows is left in the decision's guard and check.
func (p *Policy) Decide(u *auth.User, a Access) Decision {
	p = p.current(u)
	if d, ok := p.newDraft(u, a); ok && !d.Allowed() {
		return d
	}
	a = a.Plain()
	st := p.state
	m := &struct { // one allocation
		guard guard
		out   Guard
		mask  [2]uint64
		rules [4]string
	}{}
	g := &m.guard
	g.p, g.s, g.access = st, st.roles.subject(u, a.Privileged, m.mask[:0]), a
	m.out.state = g
	if n := len(a.Path); n > 0 {
		g.target = a.Path[n-1]
	}
	g.setVia()
	g.noTenant = st.tenants != nil && g.s.user.Tenant == "" && !g.s.free
	d := decider{policy: p, guard: g, out: &m.out, env: eval.Env{User: g.s.user, Now: a.Now}, rules: m.rules[:0]}
	st.ask(&g.s, &d.env)
	return d.decide(&g.access)
}

// setVia notes by which compositions the path came down.
func (g *guard) setVia() {
	for i, el := range g.access.Via {
		if i+1 >= len(g.access.Path) || !composition(el) {
			continue
		}
		if g.via == nil {
			g.via = map[*csn.Entity]root{}
		}
		child := g.access.Path[i+1]
		if child == g.access.Path[i] {
			continue // a level of a hierarchy; its rules are the same on every level
		}
		g.via[child] = root{parent: g.access.Path[i], via: el}
	}
}

// A decider makes one decision.
type decider struct {
	policy *Policy
	guard  *guard
	out    *Guard // of guard
	env    eval.Env
	rules  []string
	// open leaves conditions on the user alone unasked and collects them in static; see Inspect.
	open   bool
	static cqn.Expr
}

func (d *decider) decide(a *Access) Decision {
	g := d.guard
	if g.s.free {
		return Decision{Verdict: Allow, Rules: []string{"privileged"}, Guard: d.out}
	}
	if x := g.p.data; x != nil && x.shut != "" {
		return d.deny(match{names: []string{x.shut}}, false)
	}
	if fault := incomprehensible(a); fault != "" {
		return d.deny(match{names: []string{fault}}, false)
	}
	ev := a.event()
	for _, ev := range parts(ev) {
		m := match{}
		for _, ev := range serviceEvents(g.target, ev) {
			if m = d.settle(g.p.serviceRules(a.Service).match(g.s, ev), true); m.ok {
				break
			}
		}
		if !m.ok {
			return d.deny(m, true)
		}
	}
	if g.target == nil {
		return d.unbound(a, ev)
	}
	if r := g.p.refused(a); r.code != "" {
		return Decision{Verdict: Deny405, Code: r.code, Message: r.message, Rules: append(d.rules, r.message), Guard: d.closed(r.message)}
	}
	if why := g.closedStep(); why != "" {
		return d.deny(match{names: []string{why}}, false)
	}
	if e := g.stranger(); e != nil {
		out := d.deny(match{names: []string{e.Name + ": " + noTenant}}, false)
		if out.Verdict == Deny403 {
			out.Code = CodeNoTenant
		}
		return out
	}
	for _, e := range a.Path[:len(a.Path)-1] {
		b := builder{guard: g, dry: true}
		if _, ok := b.rows(e, Read); !ok {
			return d.deny(match{names: []string{e.Name + ": " + b.why}, message: b.message}, false)
		}
	}
	return d.onTarget(a, ev)
}

// closedStep returns an association of the path that the user may not follow, or for writing over a composition not change; "" for none.
func (g *guard) closedStep() string {
	if len(g.p.elements) == 0 {
		return ""
	}
	for i, el := range g.access.Via {
		r := g.p.elements[el]
		if m := r.match(g.s, Read); !m.ok {
			return m.names[0]
		}
		if i == len(g.access.Via)-1 && composition(el) && writes(g.access.event()) {
			if m := r.match(g.s, Update); !m.ok {
				return m.names[0]
			}
		}
	}
	return ""
}

// incomprehensible says why an access cannot be decided, "" if it can. Nothing that is not understood may pass.
func incomprehensible(a *Access) string {
	switch {
	case a.Service == nil:
		return "no service"
	case a.Op == nil && a.Event != Read && !writes(a.Event):
		return "unknown event " + string(a.Event)
	case a.Op == nil && len(a.Path) == 0 && a.Event != Read:
		return "no entity"
	case a.Op != nil && a.Op.Entity != nil && len(a.Path) == 0:
		return "no entity for a bound operation"
	case slices.Contains(a.Path, nil):
		return "unknown entity"
	}
	return ""
}

// unbound decides the service root and unbound operations.
func (d *decider) unbound(a *Access, ev Event) Decision {
	if a.Op != nil {
		if m := d.settle(d.guard.p.ops[a.Op].match(d.guard.s, ev), true); !m.ok {
			return d.deny(m, false)
		}
	}
	return Decision{Verdict: Allow, Rules: d.rules, Guard: d.out}
}

// onTarget decides the last entity of the path, and a bound operation on it.
func (d *decider) onTarget(a *Access, ev Event) Decision {
	g := d.guard
	if a.Op != nil {
		if m := d.settle(g.p.ops[a.Op].match(g.s, ev), true); !m.ok {
			return d.deny(m, false)
		}
	}
	if ev != Read { // READ with a condition that no row fulfils is an empty result, not a refusal
		before := len(d.rules)
		for _, part := range parts(ev) {
			if m := d.settle(g.p.of(g.target).own.match(g.s, part), false); !m.ok {
				return d.deny(m, false)
			}
		}
		d.rules = d.rules[:before] // named again with those of the composition parents
	}
	b := builder{guard: g, dry: true}
	x, ok := b.rows(g.target, ev)
	if !ok {
		return d.deny(match{names: []string{b.why}, lacking: g.p.of(g.target).own.match(g.s, ev).lacking, message: b.message}, false)
	}
	out := Decision{Verdict: Allow, Rules: append(d.rules, b.names...), Guard: d.out}
	if x != nil {
		out.Verdict, out.Message = AllowIf, b.message
	}
	switch ev {
	case Create, Update, Upsert:
		own, parent, err := out.Guard.checks(g.target, ev)
		if err != nil {
			return d.deny(match{names: []string{err.Error()}}, false)
		}
		out.Check, out.Parent = and(own, parent), parent
	}
	return out
}

// settle evaluates the static conditions of a match: one that holds makes it unconditional, those that do not are left out. What
// cannot be evaluated stays for the database, or counts as not fulfilled where final is set because there are no rows to ask about.
func (d *decider) settle(m match, final bool) match {
	if !m.ok {
		return m
	}
	if d.open {
		return d.assume(m, final)
	}
	if m, ok := d.settleDenies(&m, final); !ok {
		return m
	}
	if len(m.privs) == 0 {
		d.rules = append(d.rules, m.names...)
		return m
	}
	var rest []*privilege
	for _, p := range m.privs {
		if !p.static {
			rest = append(rest, p)
			continue
		}
		t, err := eval.Test(p.where, nil, nil, &d.env)
		if err == nil && t == eval.True {
			d.rules = append(d.rules, p.name)
			return match{ok: true, names: []string{p.name}, denies: m.denies}
		}
		if err != nil && !final {
			rest = append(rest, p)
		}
	}
	if len(rest) == 0 || final {
		return match{names: []string{m.privs[0].name + ": its condition does not hold"}, message: m.text()}
	}
	m.privs = rest
	return m
}

// settleDenies evaluates the static conditions of what denies, and takes those that are false out of the match. Any other one refuses: ok is false
// then.
func (d *decider) settleDenies(m *match, final bool) (refused match, ok bool) {
	var rest []*privilege
	for _, p := range m.denies {
		if !p.static {
			rest = append(rest, p)
			continue
		}
		switch t, err := eval.Test(p.where, nil, nil, &d.env); {
		case err == nil && t == eval.False:
		case err != nil && !final:
			rest = append(rest, p)
		default:
			return match{names: p.names, message: p.message}, false
		}
	}
	if final && len(rest) > 0 { // no row could be asked
		return match{names: rest[0].names, message: rest[0].message}, false
	}
	m.denies = rest
	return match{}, true
}

// deny makes the decision that refuses: 401 where a login could help, else 403 (U1, U2). Service-level refusals name the lacking
// roles outside production.
func (d *decider) deny(m match, service bool) Decision {
	out := Decision{Verdict: Deny403, Code: "403", Message: "Forbidden", Rules: append(d.rules, m.names...)}
	why := "denied"
	if len(m.names) > 0 {
		why = m.names[0]
	}
	if !d.guard.s.all && !d.guard.s.user.Identified() {
		out.Verdict, out.Code, out.Message = Deny401, "401", "Unauthorized"
	}
	out.Lacking = compact(m.lacking)
	if out.Verdict == Deny403 && service && len(out.Lacking) > 0 && !d.policy.opt.Production {
		out.Message = fmt.Sprintf("User '%s' is lacking required roles: [%s]", d.guard.s.user.ID, strings.Join(out.Lacking, ","))
	}
	if out.Verdict == Deny403 && m.message != "" {
		out.Message = m.message
	}
	out.Guard = d.closed(why)
	return out
}

// closed returns a guard that denies everything.
func (d *decider) closed(why string) *Guard {
	return &Guard{state: &guard{p: d.guard.p, s: d.guard.s, deny: why}}
}

// compact removes repetitions and keeps the order.
func compact(names []string) []string {
	var out []string
	for _, n := range names {
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}
