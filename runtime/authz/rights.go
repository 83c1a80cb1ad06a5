package authz

import (
	"errors"
	"slices"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/eval"
	"cds/runtime/sqlgen"
)

// An Extent says of how much something is allowed.
type Extent uint8

// The extents. Some is a condition: on rows, on new values or, where only roles are known, on the user.
const (
	None Extent = iota
	Some
	All
)

func (x Extent) String() string { return [...]string{"none", "some", "all"}[x] }

// Rights are what somebody may do with a service, as far as it does not depend on single rows. They are for those who show it to people or describe
// the service to them; requests are decided one by one by Decide.
type Rights struct {
	Entities []EntityRights    // in order of the service, without those that exist for drafts
	Ops      []OperationRights // unbound ones
	byEntity map[*csn.Entity]int
}

// EntityRights are those on one entity.
type EntityRights struct {
	Entity *csn.Entity
	// Path and Via are the way on which the rights were asked: the entity alone or, for what is exposed for its parents only, over one of them.
	Path                         []*csn.Entity
	Via                          []*csn.Element
	Read, Create, Update, Delete Extent
	Ops                          []OperationRights
	Elements                     []ElementRights // of Entity.Flat, in its order
}

// OperationRights say whether an operation may be called.
type OperationRights struct {
	Op   *csn.Operation
	Call Extent
}

// ElementRights are those on one element, in addition to those on its entity.
type ElementRights struct {
	Read, Create, Update Extent
	Masked               bool // something is shown in place of its value
}

// Entity returns the rights on an entity, nil if the service does not have it.
func (r *Rights) Entity(e *csn.Entity) *EntityRights {
	if i, ok := r.byEntity[e]; ok {
		return &r.Entities[i]
	}
	return nil
}

// Narrowed returns the rights without what somebody else takes away, who is asked about each that is there: on an entity, or one to call an operation, which is nil for
// others as e is for unbound ones. What he answers counts where it is less.
func (r *Rights) Narrowed(ask func(e *EntityRights, ev Event, op *csn.Operation) Extent) *Rights {
	narrow := func(x *Extent, e *EntityRights, ev Event, op *csn.Operation) {
		if *x != None {
			*x = min(*x, ask(e, ev, op))
		}
	}
	operations := func(e *EntityRights, list []OperationRights) []OperationRights {
		list = slices.Clone(list)
		for i := range list {
			narrow(&list[i].Call, e, Event(list[i].Op.LocalName()), list[i].Op)
		}
		return list
	}
	out := *r
	out.Entities = slices.Clone(r.Entities)
	for i := range out.Entities {
		e, of := &out.Entities[i], &r.Entities[i]
		narrow(&e.Read, of, Read, nil)
		narrow(&e.Create, of, Create, nil)
		narrow(&e.Update, of, Update, nil)
		narrow(&e.Delete, of, Delete, nil)
		e.Ops = operations(of, of.Ops)
	}
	out.Ops = operations(nil, r.Ops)
	return &out
}

// Any reports whether anything may be done with the entity.
func (r *EntityRights) Any() bool {
	return r.Read|r.Create|r.Update|r.Delete != None || slices.ContainsFunc(r.Ops, func(o OperationRights) bool { return o.Call != None })
}

// Rights returns what a user may do with a service at a time (Access.Now). It equals for users with equal RightsKey.
func (p *Policy) Rights(u *auth.User, s *csn.Service, now string) *Rights {
	p = p.current(u)
	st := p.state
	env := &eval.Env{User: u, Now: now}
	sub := st.roles.subject(u, false, nil)
	st.ask(&sub, env)
	g := &Guard{state: &guard{p: st, s: sub}}
	m := rightsMaker{service: s, out: newRights(s)}
	m.access = func(a Access) Extent {
		a.Now = now
		d := p.Decide(u, a)
		return settled(&d, env)
	}
	m.element = func(el *csn.Element, use sqlgen.Use) (Extent, bool) {
		err := g.Element(el, use)
		if err == nil {
			return All, false
		}
		var f *sqlgen.Forbidden
		switch {
		case !errors.As(err, &f) || f.Mask == nil:
			return None, false
		case f.Mask.Unless != nil: // its own value on some rows
			return Some, true
		}
		return None, true
	}
	return m.make()
}

// settled returns the extent of a decision. A condition that looks at no row is asked.
func settled(d *Decision, env *eval.Env) Extent {
	switch d.Verdict {
	case Allow:
		return All
	case AllowIf:
	default:
		return None
	}
	c, err := d.Guard.Subject().Condition(d.Guard.state.target, sqlgen.Root)
	if err != nil {
		return None
	}
	x, _ := c.Expr()
	if !eval.Static(x) {
		return Some
	}
	if t, err := eval.Test(x, nil, nil, env); err != nil || t != eval.True {
		return None
	}
	return All
}

// RoleRights returns what users with exactly the roles of u may do with a service: what depends on anything else about them is Some. Policies that are not in
// the model count for u himself.
func (p *Policy) RoleRights(u *auth.User, s *csn.Service) *Rights {
	p = p.current(u)
	roles := u.Roles()
	m := rightsMaker{service: s, out: newRights(s)}
	extent := func(o Outcome) Extent {
		switch o.Verdict {
		case Allow:
			return All
		case AllowIf:
			return Some
		}
		return None
	}
	m.access = func(a Access) Extent { return extent(p.inspect(u, roles, a)) }
	m.element = func(el *csn.Element, use sqlgen.Use) (Extent, bool) {
		if !p.RestrictedElement(el) {
			return All, false
		}
		o := p.InspectElement(roles, el, use)
		return extent(o), o.Masked != ""
	}
	return m.make()
}

// Current returns the policy by which is decided about a user now (see Use), for those who keep what follows from it.
func (p *Policy) Current(u *auth.User) *Policy { return p.current(u) }

// RightsKey is equal for users who have the same Rights at a time: it has the roles that rules mention, and which of the conditions that look at the user
// alone hold.
func (p *Policy) RightsKey(u *auth.User, now string) string {
	p = p.current(u)
	st := p.state
	s := st.roles.subject(u, false, nil)
	if s.all {
		return p.allKey(s)
	}
	env := &eval.Env{User: s.user, Now: now}
	st.ask(&s, env)
	b := s.mask.append(nil)
	for _, x := range st.statics {
		t, err := eval.Test(x, nil, nil, env)
		if err != nil { // is left to the database
			b = append(b, 'e')
		}
		b = append(b, 'f'+byte(t)) // unknown and false differ where they deny
	}
	return string(p.identity(b, s))
}

// RoleKey is equal for users with equal roles, as far as rules mention them.
func (p *Policy) RoleKey(u *auth.User) string {
	p = p.current(u)
	s := p.state.roles.subject(u, false, nil)
	if s.all {
		return p.allKey(s)
	}
	return string(p.identity(s.mask.append(nil), s))
}

// allKey is the key of those for whom roles and rows don't count. Whose tenant is asked for nevertheless may have none.
func (p *Policy) allKey(s subject) string {
	switch {
	case s.free:
		return "free"
	case p.state.tenants != nil && s.user.Tenant == "":
		return "all~"
	}
	return "all"
}

// identity appends what matters of a user beside roles and conditions.
func (p *Policy) identity(b []byte, s subject) []byte {
	if !s.user.Identified() {
		b = append(b, '?')
	}
	if p.state.tenants != nil && s.user.Tenant == "" {
		b = append(b, '~')
	}
	return b
}

// Unrestricted reports whether no rule on roles and rows counts for a user.
func (p *Policy) Unrestricted(u *auth.User) bool { return p.state.roles.subject(u, false, nil).all }

// findStatics collects the conditions that look at the user alone.
func (p *policy) findStatics() {
	var found []cqn.Expr
	seen := map[string]bool{}
	add := func(r *rules) {
		if r == nil {
			return
		}
		for _, list := range [][]privilege{r.privileges, r.denies} {
			for i := range list {
				if x := list[i].where; x != nil && list[i].static && !seen[cqn.Format(x)] {
					seen[cqn.Format(x)] = true
					found = append(found, x)
				}
			}
		}
	}
	for _, r := range p.services {
		add(r)
	}
	for _, r := range p.ops {
		add(r)
	}
	for i := range p.entities {
		add(p.entities[i].own)
	}
	p.statics = found
}

func newRights(s *csn.Service) *Rights {
	r := &Rights{byEntity: map[*csn.Entity]int{}}
	for _, e := range s.Entities {
		if e.Active == nil {
			r.byEntity[e] = len(r.Entities)
			r.Entities = append(r.Entities, EntityRights{Entity: e, Elements: make([]ElementRights, len(e.Flat))})
		}
	}
	return r
}

// maxWay bounds the ways on which rights are looked for.
const maxWay = 8

// A rightsMaker asks for all there is in a service. Entities that are exposed for their parents only are asked for over each parent that may be read.
type rightsMaker struct {
	service *csn.Service
	access  func(a Access) Extent
	element func(el *csn.Element, use sqlgen.Use) (x Extent, masked bool)
	out     *Rights
	queue   []*EntityRights
}

func (m *rightsMaker) make() *Rights {
	for i := range m.out.Entities {
		r := &m.out.Entities[i]
		m.elements(r)
		if r.Entity.Exposure != csn.AutoExposed {
			m.reach(r, []*csn.Entity{r.Entity}, nil)
		}
	}
	for len(m.queue) > 0 {
		r := m.queue[0]
		m.queue = m.queue[1:]
		m.below(r)
	}
	for _, op := range m.service.Ops {
		m.out.Ops = append(m.out.Ops, OperationRights{op, m.access(Access{Service: m.service, Event: Event(op.LocalName()), Op: op})})
	}
	return m.out
}

// below asks for what hangs on an entity.
func (m *rightsMaker) below(r *EntityRights) {
	if len(r.Path) >= maxWay {
		return
	}
	for i, el := range r.Entity.Flat {
		a := el.Assoc()
		if a == nil || r.Elements[i].Read == None {
			continue
		}
		if t := m.out.Entity(a.Target); t != nil && t.Entity.Exposure == csn.AutoExposed {
			m.reach(t, append(slices.Clone(r.Path), t.Entity), append(slices.Clone(r.Via), el))
		}
	}
}

// reach asks for an entity on one way. What is allowed on any way is allowed.
func (m *rightsMaker) reach(r *EntityRights, path []*csn.Entity, via []*csn.Element) {
	ask := func(ev Event, op *csn.Operation) Extent {
		return m.access(Access{Service: m.service, Event: ev, Path: path, Via: via, Op: op})
	}
	unread := r.Read == None
	r.Read, r.Create = max(r.Read, ask(Read, nil)), max(r.Create, ask(Create, nil))
	r.Update, r.Delete = max(r.Update, ask(Update, nil)), max(r.Delete, ask(Delete, nil))
	first := r.Ops == nil
	n := 0
	for _, op := range r.Entity.Actions {
		if op.Draft != csn.NoDraftOp {
			continue
		}
		call := ask(Event(op.LocalName()), op)
		if first {
			r.Ops = append(r.Ops, OperationRights{op, call})
		} else {
			r.Ops[n].Call = max(r.Ops[n].Call, call)
		}
		n++
	}
	if r.Path == nil || unread && r.Read != None {
		r.Path, r.Via = path, via
	}
	if unread && r.Read != None {
		m.queue = append(m.queue, r)
	}
}

func (m *rightsMaker) elements(r *EntityRights) {
	for i, el := range r.Entity.Flat {
		x := &r.Elements[i]
		if el.Internal {
			continue
		}
		if s := el.Seal(); s == nil || !s.Hashed() { // of what is hashed nothing can be shown
			x.Read, x.Masked = m.element(el, sqlgen.Root)
		}
		x.Create, _ = m.element(el, sqlgen.Insert)
		x.Update, _ = m.element(el, sqlgen.Update)
	}
}
