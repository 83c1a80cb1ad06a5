package authztest

import (
	"fmt"
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
)

// A quest looks for users and rows that show what one position of the policy does to one event.
type quest struct {
	*maker
	s     *csn.Service
	e     *csn.Entity
	op    *csn.Operation
	ev    string
	p     *privilege
	rules []*rule
	best  map[string]*pick
	order []string
	// inherited says that the position is of a root; its condition is not one on the part's rows.
	inherited bool
}

// A pick is the user and the row that were chosen for a goal. Its rank is 0 if nothing but the position decides.
type pick struct {
	u    *auth.User
	r    *row
	goal string
	rank int
}

// offer keeps a user and a row for a goal unless there are better ones.
func (q *quest) offer(key, text string, u *auth.User, r *row, rank int) {
	have := q.best[key]
	if have == nil {
		q.order = append(q.order, key)
	}
	if have == nil || rank < have.rank {
		q.best[key] = &pick{u, r, text, rank}
	}
}

// ruleOf returns the rule that the position is of.
func (q *quest) ruleOf() *rule {
	for _, r := range q.rules {
		if r.requires == q.p || slices.Contains(r.grants, q.p) || slices.Contains(r.denies, q.p) {
			return r
		}
	}
	return nil
}

func (q *quest) run() {
	parts := atoms(q.p.where)
	roles := q.p.roles
	if len(roles) == 0 {
		return // a case for what nobody is granted tells
	}
	rows := q.candidates()
	if q.e != nil && len(rows) == 0 {
		why := "no row of " + q.e.Name + " could be made"
		q.wanting++
		if t := q.e.Table(); t != nil && q.w.spare.lost[t] != "" {
			why += ": " + q.w.spare.lost[t]
		}
		q.uncovered(q.p, "", q.ev, why)
		return
	}
	for i, role := range roles {
		for n, u := range q.users(role) {
			if n >= maxUsers {
				break
			}
			q.try(u, rows, parts, role, i == 0)
		}
	}
	if q.p.deny || len(q.p.where) > 0 || !slices.Contains(roles, auth.RoleAny) {
		q.lackRoles(rows)
	}
	q.nobody(rows)
	q.newValue(rows)
	q.conclude(parts)
}

// users returns those who may pass the position with a role, in all forms of attributes and of tenants.
func (q *quest) users(role string) []*auth.User {
	var out []*auth.User
	forms, names := attrForms, asked(q.rules)
	if len(names) == 0 {
		forms = 1
	}
	for _, team := range teams(q.rules, q.ev, q.p, role) {
		for form := range forms {
			out = append(out, q.w.person(team, q.w.attrs(form, names), q.w.home(q.rules)))
		}
		if len(q.w.tenants) > 1 && q.e != nil && q.w.bound[q.e] || asksTenant(q.rules) {
			out = append(out, q.w.person(team, q.w.attrs(0, names), other), q.w.person(team, q.w.attrs(0, names), ""))
		}
	}
	return out
}

// candidates are the rows that are tried; for CREATE, those whose copies are.
func (q *quest) candidates() []*row {
	if q.e == nil || q.op != nil && q.op.Collection {
		return []*row{nil}
	}
	rows := q.w.of(q.e)
	if len(rows) > maxRows {
		rows = rows[:maxRows]
	}
	if q.ev == evDelete {
		rows = slices.DeleteFunc(slices.Clone(rows), q.w.heavy)
	}
	return rows
}

// instance is the row that is judged: for CREATE a new one.
func (q *quest) instance(u *auth.User, r *row) *row {
	if q.ev != evCreate {
		return r
	}
	n, _ := q.w.newcomer(u, r)
	return n
}

// try tells which goals a user reaches with which row.
func (q *quest) try(u *auth.User, rows []*row, parts []cqn.Expr, role string, first bool) {
	o := q.oracle(u)
	for _, from := range rows {
		r := q.instance(u, from)
		if r == nil && q.e != nil && (q.op == nil || !q.op.Collection) {
			continue
		}
		x, ok := q.expect(o, q.newCase(u, r, from))
		if o.fault != "" {
			q.uncovered(q.p, "", q.ev, "not judged: "+o.fault)
			o.fault = ""
			return
		}
		if !ok {
			continue
		}
		holds := len(q.p.where) == 0 || (r != nil || q.p.static()) && o.all(q.p, r) == yes
		var reached []goal
		switch {
		case r != nil && r.foreign(u) && !x.allowed:
			reached = []goal{{"tenant", "another tenant's row"}}
		case q.inherited && !x.allowed:
			reached = []goal{{"root", "its root refuses"}}
		default:
			if holds {
				reached = append(reached, goal{"role " + role, "with " + roleText(role)})
			}
			if first && len(q.p.where) > 0 && (r != nil || q.p.static()) {
				reached = append(reached, o.goals(q.p, r, parts)...)
			}
		}
		rank := -1
		for _, g := range reached {
			if have := q.best[g.key]; have != nil && have.rank == 0 {
				continue
			}
			if rank < 0 {
				rank = q.rank(u, r, from, x.allowed, holds)
			}
			q.offer(g.key, g.text, u, from, rank)
		}
	}
}

// rank is 0 if the answer hangs on the position: it would be another one if its condition came out otherwise. It is 1 if others decide the same, 2 if they
// decide otherwise.
func (q *quest) rank(u *auth.User, r, from *row, allowed, holds bool) int {
	if allowed != (holds != q.p.deny) && !q.inherited {
		return 2
	}
	if len(q.p.where) == 0 && !q.p.deny {
		if rule := q.ruleOf(); rule != nil && !newOracle(q.w, u).alone(rule, q.p, q.ev, r) {
			return 1
		}
		return 0
	}
	o := newOracle(q.w, u)
	o.memo, o.given = nil, map[*privilege]truth{q.p: yes}
	if holds {
		o.given[q.p] = no
	}
	if x, ok := q.expect(o, q.newCase(u, r, from)); !ok || x.allowed == allowed {
		return 1
	}
	return 0
}

func roleText(role string) string {
	switch role {
	case auth.RoleAny:
		return "any role"
	case auth.RoleAuthenticated:
		return "a login"
	}
	return "the role " + role
}

func (q *quest) newCase(u *auth.User, r, from *row) *Case {
	c := &Case{At: q.w.place(q.p), Rule: q.p.name, Event: q.ev, service: q.s, e: q.e, op: q.op, u: u, r: r}
	switch {
	case q.ev == evCreate && q.e != nil && q.op == nil:
		if from != nil {
			c.r, c.body = q.w.newcomer(u, from)
		}
	case q.ev == evUpdate && q.op == nil:
		c.body = q.w.untouched(r)
	}
	return c
}

// lackRoles looks for the same users without the roles of the position, and without their attributes.
func (q *quest) lackRoles(rows []*row) {
	for _, key := range slices.Clone(q.order) {
		b := q.best[key]
		if !strings.HasPrefix(key, "role ") || b.rank > 1 {
			continue
		}
		role := strings.TrimPrefix(key, "role ")
		team := without(b.u.Roles(), q.p.roles)
		if role == auth.RoleAny || role == auth.RoleAuthenticated || len(team) == len(b.u.Roles()) {
			continue
		}
		q.offer("lacks "+role, "without "+roleText(role), q.w.person(team, b.u.Attrs, b.u.Tenant), b.r, 0)
	}
	names := asked(q.rules)
	for _, team := range teams(q.rules, q.ev, q.p, "") { // who passes everything else
		if q.p.deny || slices.ContainsFunc(team, func(r string) bool { return slices.Contains(q.p.roles, r) }) {
			continue
		}
		u := q.w.person(team, q.w.attrs(0, names), q.w.home(q.rules))
		o := q.oracle(u)
		for _, from := range rows {
			r := q.instance(u, from)
			if r == nil && q.e != nil && (q.op == nil || !q.op.Collection) || r == nil && !q.p.static() {
				continue
			}
			if x, ok := q.expect(o, q.newCase(u, r, from)); ok && !x.allowed && o.all(q.p, r) == yes && o.fault == "" && q.elsewhere(o, r) {
				q.offer("else "+strings.Join(team, "+"), "with other roles alone", u, from, 0)
				break
			}
			o.fault = ""
		}
	}
}

// elsewhere reports whether the rules of all other layers let the user have the row, so that nothing but the position's own rule refuses it.
func (q *quest) elsewhere(o *oracle, r *row) bool {
	own := q.ruleOf()
	for _, x := range q.rules {
		if x == own {
			continue
		}
		if x != q.w.policy.rules[q.s] && q.e != nil && x == q.w.policy.rules[q.e] && !o.role(x, q.ev) {
			return false
		}
		if x == q.w.policy.rules[q.s] && !o.static(x, q.ev) {
			return false
		}
	}
	return r == nil || q.op != nil || o.rooted(r, q.ev, false, 0)
}

// nobody looks for a request without a login for what somebody may.
func (q *quest) nobody(rows []*row) {
	for _, key := range q.order {
		if b := q.best[key]; b.rank == 0 {
			q.offer("nobody", "without a login", anonymous, b.r, 0)
			return
		}
	}
	if len(rows) > 0 {
		q.offer("nobody", "without a login", anonymous, rows[0], 1)
	}
}

// newValue looks for a change that takes a row out of what the user may change.
func (q *quest) newValue(rows []*row) {
	if q.ev != evUpdate || q.op != nil || len(q.p.where) == 0 || q.p.deny {
		return
	}
	for _, key := range q.order {
		b := q.best[key]
		if !strings.HasPrefix(key, "role ") || b.rank > 1 {
			continue
		}
		o := q.oracle(b.u)
		for _, body := range q.w.changes(b.r) {
			c := q.newCase(b.u, b.r, b.r)
			c.body, c.Goal = body, "new value "+body.Fields()[0].Name+" = "+body.Fields()[0].Value.Format()
			if x, ok := q.expect(o, c); ok && !x.allowed && o.fault == "" && q.w.onlyData(o, c) {
				q.add(c)
				return
			}
			o.fault = ""
		}
		return
	}
}

// conclude makes cases of what was found, and tells what was not.
func (q *quest) conclude(parts []cqn.Expr) {
	allowed, holding := false, false
	for _, key := range q.order {
		b := q.best[key]
		c := q.newCase(b.u, b.r, b.r)
		c.Goal = b.goal
		if q.add(c) {
			allowed = allowed || c.x.allowed && b.rank <= 1
			holding = holding || strings.HasPrefix(key, "role ")
		}
	}
	switch {
	case !holding && len(q.p.where) > 0:
		q.uncovered(q.p, "", q.ev, "no user and row were found that fulfil "+q.p.text)
		q.wanting++
	case !allowed && !q.p.deny:
		q.lacking = append(q.lacking, Uncovered{At: q.w.place(q.p), Rule: q.p.name, Event: q.ev, Why: "nobody was found whom it lets through: other rules refuse everybody",
			unlessElsewhere: slices.Contains(q.p.events, "*")})
	}
	if holding {
		q.limits(parts)
	}
	if len(parts) < 2 && holding {
		if _, fails := q.found("0 does not hold"); !fails && len(parts) == 1 && !q.always(parts[0]) {
			q.uncovered(q.p, "", q.ev, "no user and row were found that do not fulfil "+q.p.text)
			q.wanting++
		}
		return
	}
	if !holding {
		return
	}
	want := wanted(q.p, parts)
	for i, x := range parts {
		if q.always(x) {
			delete(want, fmt.Sprintf("%d does not hold", i))
		}
	}
	for _, k := range sortedKeys(want) {
		if _, ok := q.found(k); !ok {
			q.uncovered(q.p, "", q.ev, want[k])
			q.wanting++
		}
	}
}

// limits tells of comparisons with a limit that no row was found at.
func (q *quest) limits(parts []cqn.Expr) {
	for i, x := range parts {
		b, ok := x.(*cqn.Binary)
		if !ok || b.Op < cqn.Lt || b.Op > cqn.Ge || attribute(b.L) != nil || attribute(b.R) != nil || q.always(x) {
			continue
		}
		if in := enclosing(q.p, x); in != nil && (q.e == nil || enclosing(q.p, in) != nil) {
			continue // sides of rows behind rows are not told apart
		}
		prefix := fmt.Sprint(i, " ")
		if !slices.ContainsFunc(q.order, func(k string) bool { return strings.HasPrefix(k, prefix) && strings.HasSuffix(k, " equal") }) {
			q.uncovered(q.p, "", q.ev, "no row was found at the limit of "+cqn.Format(x)+" that hangs on it")
			q.wanting++
		}
	}
}

// beyond looks for somebody whom a grant lets do other things, to be refused this one.
func (q *quest) beyond() {
	rows := q.candidates()
	for _, role := range q.p.roles {
		for _, u := range q.users(role) {
			o := q.oracle(u)
			for _, from := range rows {
				r := q.instance(u, from)
				if r == nil && q.e != nil && (q.op == nil || !q.op.Collection) || r == nil && !q.p.static() {
					continue
				}
				c := q.newCase(u, r, from)
				if x, ok := q.expect(o, c); ok && !x.allowed && o.all(q.p, r) == yes && o.fault == "" {
					c.Goal = "granted for other events"
					q.add(c)
					return
				}
				o.fault = ""
			}
		}
	}
}

// always reports whether a part can't fail: a constant, or for new rows what the framework itself writes.
func (q *quest) always(x cqn.Expr) bool {
	constant, written := true, q.ev == evCreate
	cqn.Walk(x, func(n any) bool {
		switch n := n.(type) {
		case *cqn.Param, *cqn.Exists:
			constant = false
		case *cqn.Ref:
			constant = false
			el, _ := resolve(q.e, n.Path)
			if el == nil {
				written = false
			} else if _, ok := q.w.managed(el, "cds.on.insert", anonymous); !ok {
				written = false
			}
		}
		return true
	})
	return constant || written
}

func (q *quest) found(prefix string) (string, bool) {
	for _, k := range q.order {
		if strings.HasPrefix(k, prefix+" ") {
			return k, true
		}
	}
	return "", false
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
