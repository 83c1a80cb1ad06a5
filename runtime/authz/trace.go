package authz

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
)

// A Trace is how a decision came about, for people: the resources that were asked, in order, with all their privileges. It decides nothing.
type Trace struct {
	Decision Decision
	Roles    []string // of the user, with those that they include
	Steps    []Step
}

// A Step is one resource that a decision asks.
type Step struct {
	What   string // "service", "capability", "entity", "path", "parent", "operation", "element"
	On     string
	Event  Event
	At     string // file:line, "" if it is not known
	Note   string // why nobody may, or that there is no restriction
	Grants []GrantTrace
	// Entity is whose rows the conditions are about, nil if they are about none.
	Entity *csn.Entity
}

// A GrantTrace is one privilege and how far it fits an access. The one of @requires has no grant words.
type GrantTrace struct {
	Rule, At      string // At is file:line, or the name of a policy that is not in the model
	Deny          bool
	Grant, To     []string
	Where         cqn.Expr // nil for none
	Text, Message string
	Covers        bool     // it is about the event
	By            []string // which of the user's roles it fits
}

// Trace decides an access and tells how. Element is for asking about one element of the target too; nil for none.
func (p *Policy) Trace(u *auth.User, a Access, element *csn.Element) Trace {
	p = p.current(u)
	if u == nil {
		u = auth.Anonymous
	}
	t := tracer{p: p, roles: p.rolesOf(u)}
	out := Trace{Decision: p.Decide(u, a), Roles: t.roles}
	a = a.Plain()
	if a.Service == nil {
		return out
	}
	t.add("service", a.Service.Name, a.event(), p.state.serviceRules(a.Service), nil)
	if len(a.Path) == 0 {
		if a.Op != nil {
			t.add("operation", a.Op.Name, a.event(), p.state.ops[a.Op], nil)
		}
		out.Steps = t.steps
		return out
	}
	last := len(a.Path) - 1
	if r := p.state.refused(&a); r.code != "" {
		t.steps = append(t.steps, Step{What: "capability", On: a.Path[last].Name, Event: a.Event, Note: r.message, At: p.place(a.Path[last].Span)})
	}
	for _, e := range a.Path[:last] {
		t.entity("path", e, Read, nil, 0)
	}
	target := a.Path[last]
	if a.Op != nil {
		t.add("operation", target.Name+"."+a.Op.LocalName(), a.event(), p.state.ops[a.Op], nil)
	}
	g := &guard{p: p.state, access: a, target: target}
	g.setVia()
	for _, ev := range parts(a.event()) {
		t.entity("entity", target, ev, g, 0)
	}
	if element != nil {
		r, about := p.state.elements[element], (*csn.Entity)(nil)
		if r != nil {
			about = r.mask.about(target)
			for _, o := range r.also {
				t.add("element", o.on, elementEvent(a.event()), o, nil)
			}
		}
		t.add("element", target.Name+"."+element.Name, elementEvent(a.event()), r, about)
	}
	out.Steps = t.steps
	return out
}

// elementEvent is what an event asks of the elements that it names.
func elementEvent(ev Event) Event {
	if ev == Create || ev == Update {
		return ev
	}
	if ev == Upsert {
		return Update
	}
	return Read
}

// rolesOf returns the roles of a user and those that they include, sorted.
func (p *Policy) rolesOf(u *auth.User) []string {
	out := slices.Clone(u.Roles())
	for _, r := range u.Roles() {
		out = append(out, p.Includes(r)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

type tracer struct {
	p     *Policy
	roles []string
	steps []Step
}

// entity adds the steps for an entity and the composition parents that it follows.
func (t *tracer) entity(what string, e *csn.Entity, ev Event, g *guard, depth int) {
	er := t.p.state.of(e)
	if len(er.roots) == 0 || er.own != nil {
		t.add(what, e.Name, ev, er.own, e)
	}
	roots := er.roots
	if g != nil {
		if r, ok := g.via[e]; ok {
			roots = []root{r}
		}
	}
	for _, r := range roots {
		if depth < maxLevels && r.ruler() != e {
			next := Update
			if ev == Read {
				next = Read
			} else if g != nil {
				next = g.parentEvent(r.parent, ev)
			}
			t.entity("parent", r.ruler(), next, g, depth+1)
		}
	}
}

func (t *tracer) add(what, on string, ev Event, r *rules, e *csn.Entity) {
	s := Step{What: what, On: on, Event: ev, Entity: e}
	switch {
	case r == nil:
		s.Note = "no restriction"
	case r.closed != "":
		s.Note, s.At = "closed: "+r.closed, t.p.place(r.span)
	default:
		s.At = t.p.place(r.span)
		if r.requires != nil {
			s.Grants = append(s.Grants, t.grant(r.requires, ev))
		}
		if r.restricted && len(r.privileges)+len(r.denies) == 0 {
			s.Note = "grants nothing"
		}
		s.Grants = append(s.Grants, t.grants(r, ev)...)
		for _, p := range r.mask.grants(ev) {
			s.Grants = append(s.Grants, t.grant(&p, ev))
		}
	}
	t.steps = append(t.steps, s)
}

// grants returns all privileges of a @restrict in the order in which they are written.
func (t *tracer) grants(r *rules, ev Event) []GrantTrace {
	type numbered struct {
		n int
		g GrantTrace
	}
	var all []numbered
	for _, list := range [][]privilege{r.privileges, r.denies} {
		for i := range list {
			n, _ := strconv.Atoi(list[i].name[strings.LastIndexByte(list[i].name, '#')+1:])
			if list[i].data { // those that are not the model's come last
				n = math.MaxInt
			}
			all = append(all, numbered{n, t.grant(&list[i], ev)})
		}
	}
	slices.SortStableFunc(all, func(a, b numbered) int { return cmp.Compare(a.n, b.n) })
	var out []GrantTrace
	for _, x := range all {
		out = append(out, x.g)
	}
	return out
}

func (t *tracer) grant(p *privilege, ev Event) GrantTrace {
	g := GrantTrace{Rule: p.name, At: t.p.place(p.span), Deny: p.deny, To: p.roles, Where: p.where, Text: p.text, Message: p.message, Covers: p.covers(ev)}
	if !strings.HasSuffix(p.name, "@requires") && !strings.HasSuffix(p.name, "@mask") && p.name != "restrict_all_services" {
		g.Grant = p.words
	}
	if p.data { // where to look for it
		g.At = p.names[0]
	}
	if p.asked { // its condition was made a role
		for _, c := range t.p.state.asked {
			if p.to.meets(roleSet(nil).add(c.role)) {
				g.Where = c.where
			}
		}
	}
	for _, r := range p.roles {
		if slices.Contains(t.roles, r) {
			g.By = append(g.By, r)
		}
	}
	return g
}
