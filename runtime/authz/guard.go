package authz

import (
	"strconv"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/sqlgen"
)

// guard is what a Guard knows: the rules, the user and the access that was decided.
type guard struct {
	p      *policy
	s      subject
	deny   string // why everything is denied; "" for not
	access Access
	target *csn.Entity
	// via says by which composition the path came to an entity: then the parent in the path decides, not any parent.
	via map[*csn.Entity]root
	// subject makes the root of a query the subject of the decision's event.
	subject bool
	narrow  []narrowing
	// noTenant: rows of tenants are not for this user, who has none.
	noTenant bool
}

// A narrowing is a further condition on the rows of an entity.
type narrowing struct {
	entity *csn.Entity
	x      cqn.Expr
}

// Condition implements sqlgen.Guarder: the condition under which rows of e may be used, or *sqlgen.Forbidden.
//
// Reading uses (Root, Path, Expand, Exists) ask for READ. Update and Delete ask for the event of the same name and Insert for
// CREATE, with no condition on rows then (see Check); on the target of a bound operation they ask for that operation. Writing a
// composition child asks for its parent too.
func (g *Guard) Condition(e *csn.Entity, use sqlgen.Use) (sqlgen.Condition, error) {
	if g == nil || g.state == nil {
		return sqlgen.Condition{}, &sqlgen.Forbidden{Entity: name(e), Reason: "no decision was made"}
	}
	st := g.state
	if st.deny != "" {
		return sqlgen.Condition{}, st.forbidden(e, st.deny, "")
	}
	if st.noTenant && st.p.ofTenants(e) {
		return sqlgen.Condition{}, st.forbidden(e, noTenant, "")
	}
	b := builder{guard: st}
	ev := st.event(e, use)
	x, ok := b.rows(e, ev)
	if !ok {
		return sqlgen.Condition{}, st.forbidden(e, b.why, b.message)
	}
	for _, n := range st.narrow {
		if n.entity == e && use != sqlgen.Insert {
			x = and(x, n.x)
		}
	}
	c := sqlgen.AllRows()
	if x != nil && use != sqlgen.Insert {
		c = sqlgen.Where(x)
	}
	switch {
	case st.s.all:
		c = c.ByOwner()
	case ev != Read:
		c = c.Unread()
	}
	return c, nil
}

func name(e *csn.Entity) string {
	if e == nil {
		return "unknown"
	}
	return e.Name
}

func (g *guard) forbidden(e *csn.Entity, why, message string) *sqlgen.Forbidden {
	return &sqlgen.Forbidden{Entity: name(e), Anonymous: g.anonymous(), Reason: why, Message: message}
}

func (g *guard) anonymous() bool { return !g.s.all && !g.s.user.Identified() }

// event returns what a use of e asks for.
func (g *guard) event(e *csn.Entity, use sqlgen.Use) Event {
	onTarget := e == g.target
	switch use {
	case sqlgen.Update, sqlgen.Delete:
		if onTarget && g.access.Op != nil {
			return Event(g.access.Op.LocalName())
		}
		if use == sqlgen.Delete {
			return Delete
		}
		return Update
	case sqlgen.Insert:
		return Create
	case sqlgen.Root:
		if onTarget && g.subject {
			return g.access.event()
		}
	}
	return Read
}

// Check returns the condition that new values of e must fulfil for a Create or Update within this request; nil for none. Its scope
// is e. For the target it includes what its composition parent asks for; entities below the target are written as parts of it, so
// only their own restriction counts. The error is a *sqlgen.Forbidden.
func (g *Guard) Check(e *csn.Entity, ev Event) (cqn.Expr, error) {
	own, parent, err := g.checks(e, ev)
	return and(own, parent), err
}

// checks returns both parts of Check apart.
func (g *Guard) checks(e *csn.Entity, ev Event) (own, parent cqn.Expr, err error) {
	if g == nil || g.state == nil {
		return nil, nil, &sqlgen.Forbidden{Entity: name(e), Reason: "no decision was made"}
	}
	st := g.state
	if st.deny != "" {
		return nil, nil, st.forbidden(e, st.deny, "")
	}
	b := builder{guard: st}
	own, ok := b.own(e, ev)
	if ok && e == st.target {
		parent, ok = b.follow(e, ev)
	}
	if !ok {
		return nil, nil, st.forbidden(e, b.why, b.message)
	}
	for _, n := range st.narrow {
		if n.entity == e {
			own = and(own, n.x)
		}
	}
	return own, parent, nil
}

// Element implements sqlgen.Guarder: a *sqlgen.Forbidden if the element must not be named in this use.
func (g *Guard) Element(el *csn.Element, use sqlgen.Use) error {
	if g == nil || g.state == nil {
		return &sqlgen.Forbidden{Entity: name(el.Owner), Element: el.Name, Reason: "no decision was made"}
	}
	st := g.state
	if st.deny != "" {
		return &sqlgen.Forbidden{Entity: name(el.Owner), Element: el.Name, Anonymous: st.anonymous(), Reason: st.deny}
	}
	if draftElement(el, use == sqlgen.Insert || use == sqlgen.Update) && !st.s.all {
		return &sqlgen.Forbidden{Entity: name(el.Owner), Element: el.Name, Anonymous: st.anonymous(), Reason: "not for clients"}
	}
	if len(st.p.elements) == 0 {
		return nil
	}
	r := st.p.elements[el]
	if r == nil {
		return nil
	}
	if isDraft(el.Owner) && use >= sqlgen.Update {
		return draftWrite(r, st, el, use)
	}
	ev := Read
	switch use {
	case sqlgen.Update:
		ev = Update
	case sqlgen.Insert:
		ev = Create
	case sqlgen.Delete:
		return nil
	}
	if m := r.match(st.s, ev); !m.ok {
		return &sqlgen.Forbidden{Entity: name(el.Owner), Element: el.Name, Anonymous: st.anonymous(), Reason: m.names[0], Message: m.message, Mask: m.mask}
	}
	return nil
}

// Subject returns a guard for selecting the rows that the decision's event addresses: the root of a query is guarded by the
// condition of that event (UPDATE, DELETE, a bound operation) instead of READ's. Everything else is as in g.
func (g *Guard) Subject() *Guard {
	if g == nil || g.state == nil {
		return g
	}
	st := *g.state
	st.subject = true
	return &Guard{state: &st}
}

// Narrow returns a guard that also demands x of the rows of e, in every use. It never widens: a nil x changes nothing.
func (g *Guard) Narrow(e *csn.Entity, x cqn.Expr) *Guard {
	if g == nil || g.state == nil || x == nil {
		return g
	}
	st := *g.state
	st.narrow = append(st.narrow[:len(st.narrow):len(st.narrow)], narrowing{e, x})
	return &Guard{state: &st}
}

// Key implements sqlgen.Guarder. Guards of one policy with equal keys give equal answers: the key has the user's roles as far as
// rules mention them, and what of the access conditions depend on; never a user's id or attributes, which are bound.
func (g *Guard) Key() string { return string(g.AppendKey(make([]byte, 0, 64))) }

// AppendKey appends Key to b.
func (g *Guard) AppendKey(b []byte) []byte {
	if g == nil || g.state == nil {
		return append(b, "none"...)
	}
	st := g.state
	switch {
	case st.deny != "":
		return append(b, "deny"...)
	case st.s.all:
		b = append(b, "all"...)
	default:
		b = st.s.mask.append(b)
		if st.anonymous() {
			b = append(b, '?')
		}
		b = st.appendAccess(b)
		if st.p.data != nil {
			b = append(append(b, '$'), st.p.data.version...)
		}
	}
	if st.noTenant {
		b = append(b, '~')
	}
	for _, n := range st.narrow {
		b = append(b, '&')
		b = strconv.AppendInt(b, int64(n.entity.ID), 10)
		b = append(b, ':')
		text := cqn.Format(n.x)
		b = strconv.AppendInt(b, int64(len(text)), 10)
		b = append(b, ':')
		b = append(b, text...)
	}
	return b
}

// appendAccess writes what of the access conditions depend on.
func (g *guard) appendAccess(b []byte) []byte {
	if g.access.Service != nil {
		b = append(b, '@')
		b = append(b, g.access.Service.Name...)
	}
	if g.access.event() != Read {
		b = append(b, '!')
		b = append(b, g.access.event()...)
		if g.target != nil {
			b = append(b, '/')
			b = strconv.AppendInt(b, int64(g.target.ID), 10)
		}
		if g.subject {
			b = append(b, 's')
		}
	}
	for i, e := range g.access.Path {
		if r, ok := g.via[e]; ok && i > 0 {
			b = append(b, '<')
			b = strconv.AppendInt(b, int64(e.ID), 10)
			b = append(b, '.')
			b = strconv.AppendInt(b, int64(r.parent.ID), 10)
			b = append(b, '.')
			b = append(b, r.via.Name...)
		}
	}
	return b
}

// Privileged returns the guard of elevated code: all rows of all entities. The caller logs the reason.
func (p *Policy) Privileged() *Guard {
	return &Guard{state: &guard{p: p.state, s: subject{user: auth.Privileged, all: true, free: true}}}
}
