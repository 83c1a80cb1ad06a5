package authz

import (
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
)

// What everyone may do, as one condition: that of the rules where the user is not known yet, so that his roles are asked in the condition itself. A database
// that holds a second lock on its tables (row-level security) is told it when the model is deployed.

// RoleAttribute is the name of the attribute of the user that stands for his roles in the conditions of Policy.Everyone. No attribute of a user has it.
const RoleAttribute = "\x00roles"

// Everyone returns the condition under which an event may touch rows of e for the user that it is evaluated for, over whatever path he comes; false if nobody may
// but privileged code. For writing, it says which rows may be changed or deleted; new ones have to fulfil that of CREATE or UPDATE. It may let more through for
// writing than Decide does: a part of a document may be written by whoever may create, change or delete its parent.
//
// Policies that are data of the application (DataPolicy) are not part of it.
func (p *Policy) Everyone(e *csn.Entity, ev Event) (cqn.Expr, bool) {
	st := p.state
	g := &guard{p: st, s: subject{user: auth.Anonymous, everyone: &st.roles}, access: Access{Event: ev}}
	if e != nil {
		g.access.Service = e.Service
	}
	b := builder{guard: g}
	x, ok := b.rows(e, ev)
	if !ok || writes(ev) && !st.writable(e, ev) {
		return nil, false
	}
	service, ok := st.serviceForEveryone(g, e, ev)
	return and(service, x), ok
}

// serviceForEveryone returns what the service of e asks of the user.
func (p *policy) serviceForEveryone(g *guard, e *csn.Entity, ev Event) (cqn.Expr, bool) {
	var any cqn.Expr
	for _, ev := range serviceEvents(e, ev) {
		m := p.serviceRules(e.Service).match(g.s, ev)
		if !m.ok {
			continue
		}
		x := m.condition()
		if x == nil {
			return nil, true
		}
		any = or(any, x)
	}
	return any, any != nil
}

// writable reports whether what nobody may do (405) leaves an event on rows of e. For parts their root says it.
func (p *policy) writable(e *csn.Entity, ev Event) bool {
	er := p.of(e)
	if len(er.roots) > 0 {
		return true
	}
	return er.caps.check(e, ev).code == "" && e.Exposure != csn.AutoExposedRead
}

// parentOf returns the condition on the rows of a root's parent for an event on its parts. What everyone may do to a part is what he may do by changing, creating
// or deleting the document that it is a part of, be that its parent or some row further up, down to which the rows between are changed.
func (b *builder) parentOf(r root, ev Event) (cqn.Expr, bool) {
	if b.guard.s.everyone == nil || ev == Read {
		return b.parentRows(r, b.guard.parentEvent(r.parent, ev))
	}
	var any cqn.Expr
	found := false
	said := map[string]bool{}
	for _, ev := range [...]Event{Update, Create, Delete} {
		if ev != Update && b.inner {
			break // the document is that of some parent below
		}
		if !b.guard.p.writable(r.ruler(), ev) {
			continue
		}
		was := b.inner
		b.inner = b.inner || ev != Update
		x, ok := b.parentRows(r, ev)
		b.inner = was
		switch {
		case !ok:
			continue
		case x == nil:
			return nil, true
		}
		found = true
		if text := cqn.Format(x); !said[text] {
			said[text] = true
			any = or(any, x)
		}
	}
	return any, found
}

// forEveryone is grants with roles as conditions.
func (r *rules) forEveryone(t *roleTable, e Event) match {
	m := match{ok: true}
	asked := cqn.Expr(nil)
	if r.requires != nil {
		test, ok := t.test(r.requires.to)
		if !ok {
			return match{}
		}
		asked = test
	}
	for i := range r.denies {
		d := &r.denies[i]
		test, ok := t.test(d.to)
		if d.data || !d.covers(e) || !ok {
			continue
		}
		x := and(test, d.where)
		if x == nil {
			return match{}
		}
		m.denies = append(m.denies, &privilege{where: x})
	}
	if !r.restricted {
		m.privs = []*privilege{{where: asked}}
		return m
	}
	for i := range r.privileges {
		p := &r.privileges[i]
		test, ok := t.test(p.to)
		if p.data || !p.covers(e) || !ok {
			continue
		}
		x := and(and(asked, test), p.where)
		if x == nil {
			m.privs = nil
			return m
		}
		m.privs = append(m.privs, &privilege{where: x})
	}
	m.ok = len(m.privs) > 0
	return m
}

// test returns the condition that the user has one of the roles; nil if everybody has, and false if nobody can.
func (t *roleTable) test(to roleSet) (cqn.Expr, bool) {
	var names []string
	for name, n := range t.ids {
		if strings.HasPrefix(name, conditionRole) {
			continue
		}
		has := roleSet(nil).add(n).union(t.implied[n])
		if !has.meets(to) {
			continue
		}
		if name == auth.RoleAny {
			return nil, true
		}
		names = append(names, name)
	}
	slices.Sort(names)
	var x cqn.Expr
	for _, n := range names {
		x = or(x, &cqn.Binary{Op: cqn.Eq, L: &cqn.Lit{Value: cqn.String(n)}, R: &cqn.Param{From: cqn.FromUserAttr, Name: RoleAttribute}})
	}
	return x, x != nil
}

// lifted is the condition on roles alone under which no parent has to fulfil anything. For a user whose roles are known such a parent need not even be there,
// so it must not be asked for either where roles are part of the condition.
type lifted struct {
	x  cqn.Expr
	no bool // there is none
}

// add adds what is asked of one more parent: it must be nothing for all of them.
func (l *lifted) add(x cqn.Expr, ok bool) {
	y, can := lift(x)
	l.no = l.no || !ok || !can
	l.x = and(l.x, y)
}

// lift returns the condition on roles under which x, made of privileges, asks nothing of the row; nil for always, and false for never.
func lift(x cqn.Expr) (cqn.Expr, bool) {
	switch x := x.(type) {
	case nil:
		return nil, true
	case *cqn.Unary:
		if test, ok := testIn(x.X); ok && x.Op == cqn.Not { // of what denies, to others
			return &cqn.Unary{Op: cqn.Not, X: test}, true
		}
	case *cqn.Binary:
		if isTest(x) {
			return x, true
		}
		l, okL := lift(x.L)
		r, okR := lift(x.R)
		switch {
		case x.Op == cqn.And:
			return and(l, r), okL && okR
		case x.Op != cqn.Or:
		case okL && okR:
			return or(l, r), true // neither is nil: no part of a condition is
		case okL:
			return l, true
		case okR:
			return r, true
		}
	}
	return nil, false
}

// isTest reports whether an expression asks for nothing but roles.
func isTest(x cqn.Expr) bool {
	b, ok := x.(*cqn.Binary)
	if !ok {
		return false
	}
	if b.Op == cqn.Or {
		return isTest(b.L) && isTest(b.R)
	}
	p, ok := b.R.(*cqn.Param)
	return ok && b.Op == cqn.Eq && p.From == cqn.FromUserAttr && p.Name == RoleAttribute
}

// testIn returns the test of roles that a conjunction begins with.
func testIn(x cqn.Expr) (cqn.Expr, bool) {
	if isTest(x) {
		return x, true
	}
	b, ok := x.(*cqn.Binary)
	if !ok || b.Op != cqn.And {
		return nil, false
	}
	return testIn(b.L)
}
