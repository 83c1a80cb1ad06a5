package authz

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/eval"
)

// An Effect is what a DataPolicy does to those whom it is for.
type Effect string

// The effects. Restrict leaves only the rows that fulfil the condition, Refuse takes away those that do, or all of them without a condition, as `deny` of
// the model does. Extend grants as `grant` does, where that is allowed.
const (
	Restrict Effect = "restrict"
	Refuse   Effect = "deny"
	Extend   Effect = "grant"
)

// A DataPolicy is a rule that is not in the model: somebody has written it while the application runs. Restrict and Refuse can only take away, since they
// are added to what denies (decision 16). Extend is one privilege more of an entity's @restrict: whatever else is demanded, by @requires of the service and
// the entity, capabilities, tenants and what denies, still holds.
type DataPolicy struct {
	ID     string // unique among those of its tenant
	Name   string // for people; "" for none
	Entity string // entity of a service, a service for all that is in it, or "*" for all services
	Events []string
	Roles  []string // any of; without roles and users everybody
	Users  []string // ids of users, in addition to those with one of the roles
	Tenant string   // whose users only; "" for those of all tenants
	Effect Effect
	Where  cqn.Expr // nil for none
	Text   string   // of Where
	// Fault says why the condition is not understood; "" for understood. A policy with a fault denies what it is about.
	Fault string
}

// title is the name of the policy in explanations.
func (d *DataPolicy) title() string {
	if d.Name == "" {
		return "policy:" + d.ID
	}
	return "policy:" + d.ID + " (" + strings.ReplaceAll(d.Name, ":", ",") + ")"
}

// key tells policies apart. No id has a slash.
func (d *DataPolicy) key() string { return d.Tenant + "/" + d.ID }

// A DataFault is a policy that does not fit the model, and what follows from that.
type DataFault struct {
	ID, Tenant, Message string
	Hint                string
	// Closed says what the policy denies because of that; "" for nothing, where it would only have granted.
	Closed string
}

// dataRules are what a policy has beside the model's rules.
type dataRules struct {
	version string // of the policies: part of the keys of guards
	shut    string // why nothing is allowed at all; "" for not
}

// With returns the policy with rules beside those of the model. extend allows those that grant. A policy that does not fit the model denies what it is
// about: the entity, if that is not known its service, and if that is not known either everything. Equal lists give policies whose guards have equal keys. What
// With has made of a policy may be given more in the same way, by ids that it does not have: what nothing is added to is shared.
func (p *Policy) With(list []DataPolicy, extend bool) (*Policy, []DataFault) {
	if len(list) == 0 {
		return &Policy{model: p.model, opt: p.opt, state: p.state}, nil
	}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b DataPolicy) int { return strings.Compare(a.key(), b.key()) })
	st := *p.state
	st.entities = slices.Clone(st.entities)
	st.roles.ids, st.roles.audiences = maps.Clone(st.roles.ids), st.roles.audiences.clone()
	c := dataCompiler{p: &st, model: p.model, extend: extend, entities: map[*csn.Entity]*added{}, ops: map[*csn.Operation]*added{}}
	for i := range list {
		c.policy(&list[i])
	}
	c.apply()
	st.findStatics()
	st.data = &dataRules{version: dataVersion(list, extend)}
	if was := p.state.data; was != nil {
		sum := sha256.Sum256([]byte(was.version + st.data.version))
		st.data.version, st.data.shut = string(sum[:versionLength]), was.shut
	}
	return &Policy{model: p.model, opt: p.opt, state: &st}, c.faults
}

// Check tells what is wrong with a policy; nothing if With would take it as it is meant.
func (p *Policy) Check(d DataPolicy, extend bool) []DataFault {
	_, faults := p.With([]DataPolicy{d}, extend)
	return faults
}

// Shut returns a policy that allows nothing but privileged code, for a reason that explanations show.
func (p *Policy) Shut(why string) *Policy {
	st := *p.state
	st.data = &dataRules{shut: why, version: strings.Repeat("-", versionLength)}
	return &Policy{model: p.model, opt: p.opt, state: &st}
}

// live are the policies that decide in the place of another one.
type live struct {
	all     *Policy            // nil for that other one itself
	tenants map[string]*Policy // for users of a tenant, instead of all
}

// Use makes p decide as q does from now on, which With or Shut have made of it; nil for as the model says. Decisions that were made stay as they are. Tables
// and positions are still those of the model.
func (p *Policy) Use(q *Policy) { p.UseFor(q, nil) }

// UseFor is Use with other policies for the users of some tenants: what tenants add is no matter of others, and costs them nothing. The map must not be
// changed any more.
func (p *Policy) UseFor(q *Policy, tenants map[string]*Policy) { p.live.Store(&live{q, tenants}) }

// current is the policy by which is decided about a user, nil for nobody in particular.
func (p *Policy) current(u *auth.User) *Policy {
	l := p.live.Load()
	if l == nil {
		return p
	}
	if u != nil && u.Tenant != "" {
		if q := l.tenants[u.Tenant]; q != nil {
			return q
		}
	}
	if l.all != nil {
		return l.all
	}
	return p
}

// versionLength is how long versions are, so that no key is part of another.
const versionLength = 16

// dataVersion tells lists of policies apart.
func dataVersion(list []DataPolicy, extend bool) string {
	type key struct {
		ID, Name, Entity      string
		Events, Roles, Users  []string
		Tenant, Effect, Where string
		Text, Fault           string
	}
	keys := make([]key, len(list))
	for i, d := range list {
		where := ""
		if d.Where != nil {
			where = cqn.Format(d.Where)
		}
		keys[i] = key{d.ID, d.Name, d.Entity, d.Events, d.Roles, d.Users, d.Tenant, string(d.Effect), where, d.Text, d.Fault}
	}
	b, err := json.Marshal(keys)
	if err != nil { // texts can always be written
		b = fmt.Append(nil, keys)
	}
	sum := sha256.Sum256(fmt.Appendf(b, "/%t", extend))
	return string(sum[:versionLength])
}

// added is what policies add to the rules of one entity or operation.
type added struct{ denies, grants []privilege }

// A dataCompiler adds policies to the compiled restrictions of a model.
type dataCompiler struct {
	p        *policy
	model    *csn.Model
	extend   bool
	entities map[*csn.Entity]*added
	ops      map[*csn.Operation]*added
	faults   []DataFault
}

// A target is what a policy is about.
type target struct {
	entities []*csn.Entity
	ops      []*csn.Operation // unbound
	name     string
	one      bool // it is one entity
}

// policy compiles one policy.
func (c *dataCompiler) policy(d *DataPolicy) {
	t, fault, hint := c.find(d.Entity)
	pr := privilege{name: "policy:" + d.ID, names: []string{d.title()}, all: true, words: []string{"*"}, text: d.Text, data: true, deny: true}
	check := func(message, h string) {
		if message != "" && fault == "" {
			fault, hint = message, h
		}
	}
	check(c.audience(d, &pr))
	check(c.events(d, &t, &pr))
	check(c.condition(d, &t, &pr))
	if d.Effect == Extend {
		if fault == "" && c.extend {
			fault, hint = c.extendable(d, &t)
		} else if fault == "" {
			fault, hint = "policies may not grant here", "authz.policies: 'extend' in the configuration allows it"
		}
		if fault != "" {
			c.faults = append(c.faults, DataFault{ID: d.ID, Tenant: d.Tenant, Message: fault, Hint: hint})
			return
		}
		c.grant(d, &t, pr)
		return
	}
	if fault != "" {
		c.faults = append(c.faults, DataFault{ID: d.ID, Tenant: d.Tenant, Message: fault, Hint: hint, Closed: t.name})
		pr.names = []string{d.title() + ": does not fit the model, " + fault}
		c.deny(&t, pr)
		return
	}
	pr.where = d.Where
	if d.Effect == Restrict {
		pr.keep, pr.where = d.Where, &cqn.Unary{Op: cqn.Not, X: d.Where}
		pr.text = "not (" + d.Text + ")"
	}
	if pr.where != nil {
		pr.static = eval.Static(pr.where)
		pr.settleConstant()
		if pr.where == nil || isNever(pr.where) {
			pr.keep = nil
		}
	}
	c.deny(&t, pr)
}

// find looks for what a policy is about. What is not there stands for the nearest thing that is: its service, else everything.
func (c *dataCompiler) find(name string) (t target, fault, hint string) {
	if name == "*" {
		return c.everything(), "", ""
	}
	if e := c.model.Entity(name); e != nil && e.Service != nil && e.Active == nil && !framework(e) {
		return target{entities: []*csn.Entity{e}, name: name, one: true}, "", ""
	}
	if s := c.model.Service(name); s != nil {
		return c.service(s), "", ""
	}
	fault = fmt.Sprintf("there is no service and no entity of a service called %s", name)
	var names []string
	for _, s := range c.model.Services {
		names = append(names, s.Name)
		for _, e := range s.Entities {
			if e.Active == nil {
				names = append(names, e.Name)
			}
		}
	}
	if near := nearest(name, names...); near != "" {
		hint = "did you mean " + near + "?"
	}
	for rest := name; ; {
		i := strings.LastIndexByte(rest, '.')
		if i < 0 {
			return c.everything(), fault, hint
		}
		rest = rest[:i]
		if s := c.model.Service(rest); s != nil {
			return c.service(s), fault, hint
		}
	}
}

func (c *dataCompiler) service(s *csn.Service) target {
	t := target{name: s.Name, ops: s.Ops}
	for _, e := range s.Entities {
		if e.Active == nil && !framework(e) {
			t.entities = append(t.entities, e)
		}
	}
	return t
}

func (c *dataCompiler) everything() target {
	t := target{name: "*"}
	for _, s := range c.model.Services {
		x := c.service(s)
		t.entities, t.ops = append(t.entities, x.entities...), append(t.ops, x.ops...)
	}
	return t
}

// events reads what a policy is about: all events if none is named.
func (c *dataCompiler) events(d *DataPolicy, t *target, pr *privilege) (fault, hint string) {
	if len(d.Events) == 0 {
		return "", ""
	}
	q := privilege{words: d.Events}
	for _, w := range d.Events {
		ev, standard := eventOf(w)
		switch {
		case w == "*":
			q.all = true
		case w == "UPSERT":
			return "UPSERT is no event of policies: it is a CREATE or an UPDATE", "name CREATE, UPDATE or both"
		case standard:
			q.ev |= ev
		case t.has(w):
			q.ops = append(q.ops, w)
		default:
			if near := nearest(w, "READ", "CREATE", "UPDATE", "DELETE", "WRITE"); near != "" {
				hint = "did you mean " + near + "?"
			}
			return fmt.Sprintf("%q is no event of %s", w, t.name), hint
		}
	}
	pr.all, pr.ev, pr.ops, pr.words = q.all, q.ev, q.ops, q.words
	return "", ""
}

// has reports whether an operation of that name belongs to a target.
func (t *target) has(op string) bool {
	return slices.ContainsFunc(t.entities, func(e *csn.Entity) bool { return operationNames(e)(op) }) ||
		slices.ContainsFunc(t.ops, func(o *csn.Operation) bool { return o.LocalName() == op })
}

// condition checks the condition of a policy on all that it is about.
func (c *dataCompiler) condition(d *DataPolicy, t *target, pr *privilege) (fault, hint string) {
	switch {
	case d.Effect != Restrict && d.Effect != Refuse && d.Effect != Extend:
		return fmt.Sprintf("%q is no effect", d.Effect), "effects are restrict, deny and grant"
	case d.Fault != "":
		return d.Fault, ""
	case d.Where == nil && d.Effect == Restrict:
		return "a policy that restricts needs a condition", "write where, or deny instead of restrict"
	case d.Where == nil || eval.Static(d.Where):
		return "", ""
	}
	asked := t.withRows()
	for _, e := range asked {
		if fault := checkCondition(d.Where, e); fault != "" {
			return fmt.Sprintf("the condition %s cannot be resolved: %s", d.Text, fault), ""
		}
	}
	for _, op := range t.ops {
		if pr.covers(Event(op.LocalName())) {
			return fmt.Sprintf("the condition %s asks for a row, and %s has none", d.Text, op.Name), "name the events that the policy is about"
		}
	}
	t.entities = asked
	return "", ""
}

// withRows returns the entities whose rows conditions are about: the framework's records of drafts, which services with drafts have, are seen by their owners
// alone and have elements of their own.
func (t *target) withRows() []*csn.Entity {
	return slices.DeleteFunc(slices.Clone(t.entities), func(e *csn.Entity) bool { return !t.one && e.Base != nil && framework(e.Base) })
}

// Asked returns the entities on whose rows a policy asks its condition.
func (p *Policy) Asked(d DataPolicy) []*csn.Entity {
	c := dataCompiler{p: p.state, model: p.model}
	t, fault, _ := c.find(d.Entity)
	if fault != "" {
		return nil
	}
	return t.withRows()
}

// extendable says why an entity's @restrict cannot be extended.
func (c *dataCompiler) extendable(d *DataPolicy, t *target) (fault, hint string) {
	switch {
	case !t.one:
		return "only entities can be granted", "name one entity of a service"
	case len(d.Events) == 0:
		return "a policy that grants names its events", "READ, or * for all of them"
	case len(d.Roles)+len(d.Users) == 0:
		return "a policy that grants names roles or users", ""
	}
	if AuditLog(t.entities[0]) { // its grants are bound to the tenant of the user, which one more would not be
		return t.name + " shows the audit log: who may read it is for the model to say", ""
	}
	if own := c.p.of(t.entities[0]).own; own == nil || !own.restricted || own.closed != "" {
		return t.name + " has no @restrict that could be extended", "whoever its service lets in has access already, or nobody may"
	}
	return "", ""
}

// deny adds a privilege that takes away.
func (c *dataCompiler) deny(t *target, pr privilege) {
	if isNever(pr.where) { // it denies nothing
		return
	}
	for _, e := range t.entities {
		c.of(e).denies = append(c.of(e).denies, pr)
	}
	for _, op := range t.ops {
		if pr.covers(Event(op.LocalName())) {
			if c.ops[op] == nil {
				c.ops[op] = &added{}
			}
			c.ops[op].denies = append(c.ops[op].denies, pr)
		}
	}
}

// grant adds a privilege of an entity's @restrict.
func (c *dataCompiler) grant(d *DataPolicy, t *target, pr privilege) {
	pr.deny, pr.where = false, d.Where
	if pr.where != nil {
		pr.static = eval.Static(pr.where)
		pr.settleConstant()
	}
	c.of(t.entities[0]).grants = append(c.of(t.entities[0]).grants, pr)
}

func (c *dataCompiler) of(e *csn.Entity) *added {
	a := c.entities[e]
	if a == nil {
		a = &added{}
		c.entities[e] = a
	}
	return a
}

// apply puts what was found into rules of their own, those of drafts too. Whom an entity follows stays as the model says.
func (c *dataCompiler) apply() {
	for i := range c.p.entities {
		er := &c.p.entities[i]
		switch {
		case er.entity == nil:
		case isDraft(er.entity):
			if a := c.entities[er.entity.Active]; a != nil {
				d := (&rules{privileges: a.grants, denies: a.denies}).forDrafts(er.entity.Name)
				er.own = er.own.plus(er.entity.Name, &added{d.denies, d.privileges})
			}
		default:
			if a := c.entities[er.entity]; a != nil {
				er.own = er.own.plus(er.entity.Name, a)
			}
		}
	}
	if len(c.ops) > 0 {
		c.p.ops = maps.Clone(c.p.ops)
	}
	for op, a := range c.ops {
		c.p.ops[op] = c.p.ops[op].plus(op.Name, a)
	}
}

// plus returns rules with what policies add; r may be nil.
func (r *rules) plus(on string, a *added) *rules {
	out := rules{on: on}
	if r != nil {
		out = *r
	}
	out.denies = slices.Concat(out.denies, a.denies)
	out.privileges = slices.Concat(out.privileges, a.grants)
	return &out
}

// isNever reports whether a condition is the one that holds for no row.
func isNever(x cqn.Expr) bool {
	l, ok := x.(*cqn.Lit)
	return ok && l.Value.Kind() == cqn.KindBool && !l.Value.Bool()
}
