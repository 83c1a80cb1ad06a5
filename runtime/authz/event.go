package authz

import (
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/eval"
)

// eventRules are what holds for those who subscribe to an event.
type eventRules struct {
	own   *rules
	shape *csn.Entity  // the payload, as the entity that conditions are about
	parts *payloadPart // what of the payload is shown; nil for all of it to everybody
}

// payload returns an event's payload in the form of an entity: its plain elements, for conditions compare these only.
func payload(e *csn.Event) *csn.Entity {
	out := plainElements(payloadElements(e))
	out.Def, out.Service = csn.Def{Name: e.Name, Span: e.Span}, e.Service
	return out
}

// plainElements returns an entity of those elements that have a plain value.
func plainElements(all csn.Elements) *csn.Entity {
	out := &csn.Entity{ID: -1}
	for _, el := range all {
		if el.Scalar() != nil {
			out.Elements = append(out.Elements, el)
		}
	}
	out.Flat = out.Elements
	return out
}

func payloadElements(e *csn.Event) csn.Elements {
	if e.Type == nil {
		return nil
	}
	st, ok := e.Type.Type.(*csn.Struct)
	if !ok {
		return nil
	}
	return st.Elements
}

// event compiles the rules of an event, and of the elements of its payload: their own, or those of the element that they are of the type of.
func (p *policy) event(n *normalizer, m *csn.Model, s *csn.Service, e *csn.Event) {
	er := eventRules{shape: payload(e)}
	local := eventName(e)
	named := []csn.Annotations{e.Annotations, s.Annotations}
	er.own = p.keep(n.rules(resource{what: "event", on: e.Name, entity: er.shape, ops: func(w string) bool { return w == local || w == e.Name }, named: named}, &e.Def))
	if er.own != nil {
		er.own.shorten(e.Name, local)
	}
	if e.Type != nil {
		reader := payloadReader{p: p, n: n, m: m, named: named, known: map[payloadType]*payloadPart{}}
		if parts := reader.part(e.Name, er.shape, e.Type, origin{}, 0); reader.found {
			er.parts = parts
		}
	}
	if er.own == nil && er.parts == nil {
		return
	}
	if p.events == nil {
		p.events = map[*csn.Event]*eventRules{}
	}
	p.events[e] = &er
}

func eventName(e *csn.Event) string {
	if e.Service != nil && len(e.Name) > len(e.Service.Name)+1 {
		return e.Name[len(e.Service.Name)+1:]
	}
	return e.Name
}

// shorten lets grants name the event as rules ask for it.
func (r *rules) shorten(name, local string) {
	for _, list := range [][]privilege{r.privileges, r.denies} {
		for i := range list {
			for _, w := range list[i].ops {
				if w == name {
					list[i].ops = append(list[i].ops, local)
					break
				}
			}
		}
	}
}

// Subscribe decides whether a user may subscribe to an event: the service has to let him in as for READ, and the event itself by @requires and @restrict. A
// condition on the payload is left to Deliver, as is whatever else may change while the subscription lasts. AllowIf has such a condition.
func (p *Policy) Subscribe(u *auth.User, e *csn.Event, now string) Decision {
	out, _ := p.subscribe(u, e, now)
	return out
}

func (p *Policy) subscribe(u *auth.User, e *csn.Event, now string) (Decision, match) {
	if e == nil {
		return Decision{Verdict: Deny403, Code: "403", Message: "Forbidden", Rules: []string{"unknown event"}}, match{}
	}
	out := p.Decide(u, Access{Service: e.Service, Event: Read, Now: now})
	er := p.state.events[e]
	if !out.Allowed() || er == nil || er.own == nil {
		return out, match{ok: out.Allowed()}
	}
	g := out.Guard.state
	if g.s.free {
		return out, match{ok: true}
	}
	d := decider{policy: p, guard: g, out: out.Guard, env: eval.Env{User: g.s.user, Now: now}, rules: out.Rules}
	m := d.settle(er.own.match(g.s, Event(eventName(e))), false)
	if !m.ok {
		return d.deny(m, false), m
	}
	verdict := Allow
	if len(m.privs)+len(m.denies) > 0 {
		verdict, d.rules = AllowIf, append(d.rules, m.names...)
	}
	return Decision{Verdict: verdict, Rules: d.rules, Guard: out.Guard}, m
}

// Deliver returns what an event shows to a user, and whether it goes to him at all. It is decided anew for each event. The condition is evaluated on the
// payload, where an element that is not there is null: what is unknown is not delivered. Elements that the user may not read, or not as they are, are left
// out.
func (p *Policy) Deliver(u *auth.User, e *csn.Event, data *cqn.Row, now string) (*cqn.Row, bool) {
	d, m := p.subscribe(u, e, now)
	if !d.Allowed() {
		return nil, false
	}
	er := p.state.events[e]
	if er == nil {
		return data.Clone(), true
	}
	env := eval.Env{User: u, Now: now, AbsentIsNull: true}
	holds := func(x cqn.Expr) (eval.Truth, error) { return eval.Test(x, data, er.shape, &env) }
	granted := len(m.privs) == 0
	for _, pr := range m.privs {
		if t, err := holds(pr.where); err == nil && t == eval.True {
			granted = true
			break
		}
	}
	if !granted {
		return nil, false
	}
	for _, pr := range m.denies {
		if t, err := holds(pr.where); err != nil || t != eval.False {
			return nil, false
		}
	}
	if er.parts == nil {
		return data.Clone(), true
	}
	shown, ok := er.parts.shown(d.Guard.state, cqn.OfRow(data))
	if !ok {
		return cqn.NewRow(), true
	}
	return shown.Row(), true
}

// InspectEvent answers a subscription for everybody with the roles; see Inspect. Where is a condition on the payload and the user.
func (p *Policy) InspectEvent(roles []string, e *csn.Event) Outcome {
	out := p.Inspect(roles, Access{Service: e.Service, Event: Read})
	er := p.state.events[e]
	if !out.Allowed() || er == nil || er.own == nil {
		return out
	}
	s := p.state.roles.subject(withRoles(roles), false, nil)
	m := er.own.match(s, Event(eventName(e)))
	if !m.ok {
		return Outcome{Verdict: Deny403, Rules: m.names}
	}
	out.Where, out.Rules, out.Verdict = and(out.Where, m.condition()), append(out.Rules, m.names...), Allow
	if out.Where != nil {
		out.Verdict = AllowIf
	}
	return out
}

// EventRoles returns the roles on which a subscription may depend, as AccessRoles does.
func (p *Policy) EventRoles(e *csn.Event) []string {
	out := p.state.serviceRules(e.Service).roleNames()
	if er := p.state.events[e]; er != nil {
		out = append(out, er.own.roleNames()...)
	}
	return p.state.userRoles(out)
}
