package authz

import (
	"errors"
	"slices"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/token"
	"cds/runtime/auth"
	"cds/runtime/eval"
	"cds/runtime/sqlgen"
)

// An Outcome is what an access comes to for everybody with certain roles, whatever his id and attributes and the time are. It is for tables
// and comparisons that people read, never for deciding requests.
type Outcome struct {
	Verdict Verdict
	// Where is, for AllowIf, the condition on the user and on the row that is read, changed, deleted, called or created.
	Where cqn.Expr
	// Check is, for UPDATE, what new values must fulfil where that is not the same as Where.
	Check cqn.Expr
	// Rules are as in Decision.
	Rules []string
	// Message says why nobody may, for Deny405.
	Message string
	// Masked is, for an element of which the value is not shown, or in rows that fulfil Where only, what is shown in its place: a literal or, with
	// Computed set, what is made of the row. "" for nothing.
	Masked   string
	Computed bool
}

// Allowed reports whether there may be a user with the roles, and a row, for whom the access is allowed.
func (o *Outcome) Allowed() bool { return o.Verdict == Allow || o.Verdict == AllowIf }

// withRoles returns a user with exactly these roles; without any it is who has not logged in.
func withRoles(roles []string) *auth.User {
	if !slices.ContainsFunc(roles, func(r string) bool { return r != auth.RoleAny }) {
		return auth.Anonymous
	}
	return auth.New(auth.User{}, roles...)
}

// Inspect answers an access for everybody with the roles. It takes the same way as Decide, but keeps the conditions that look at the user alone
// in the answer instead of asking them.
func (p *Policy) Inspect(roles []string, a Access) Outcome {
	return p.current(nil).inspect(nil, roles, a)
}

// inspect is Inspect with the policies that are for one user, nil for nobody in particular.
func (p *Policy) inspect(u *auth.User, roles []string, a Access) Outcome {
	var static cqn.Expr
	if b, ok := a.active(); ok {
		o := p.inspect(u, roles, b)
		if !o.Allowed() {
			return o
		}
		if o.Where != nil && eval.Static(o.Where) { // those on rows are asked when the draft is saved
			static = o.Where
		}
	}
	a = a.Plain()
	g := &guard{p: p.state, s: p.state.roles.subject(withRoles(roles), false, nil), access: a}
	if x := p.state.roles.audiences; x != nil && u != nil {
		g.s.mask = x.add(g.s.mask, u)
	}
	if n := len(a.Path); n > 0 {
		g.target = a.Path[n-1]
	}
	g.setVia()
	g.noTenant = p.state.tenants != nil && !g.s.user.Identified()
	if p.state.ofTenants(g.target) {
		static = and(static, ofUsersTenant(g.target))
	}
	d := decider{policy: p, guard: g, out: &Guard{state: g}, env: eval.Env{User: g.s.user}, open: true, static: static}
	d.follow(roles)
	dec := d.decide(&a)
	out := Outcome{Verdict: dec.Verdict, Rules: dec.Rules}
	switch {
	case dec.Verdict == Deny405:
		out.Message = dec.Message
		return out
	case !dec.Allowed():
		return out
	}
	rows, err := d.rows(&dec)
	if err != nil {
		return Outcome{Verdict: Deny403, Rules: append(dec.Rules, err.Error())}
	}
	out.Where = and(d.static, rows)
	if check := and(d.static, dec.Check); a.Op == nil && a.Event == Update && cqn.Format(check) != cqn.Format(out.Where) {
		out.Check = check
	}
	out.Verdict = Allow
	if out.Where != nil || out.Check != nil {
		out.Verdict = AllowIf
	}
	return out
}

// TenantOfRow stands in an Outcome for the tenant of a row whose entity shows no column that says so.
const TenantOfRow = "@tenant"

// ofUsersTenant is the condition that a row belongs to the user's tenant, which whoever makes SQL adds to each table.
func ofUsersTenant(e *csn.Entity) cqn.Expr {
	name := TenantOfRow
	if el := sqlgen.ShownTenant(e); el != nil {
		name = el.Name
	} else if el := sqlgen.TenantColumn(e); el != nil {
		name = el.Name
	}
	return &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef(name), R: &cqn.Param{From: cqn.FromUserTenant}}
}

// follow lets the associations of the path be followed on the conditions that they have.
func (d *decider) follow(roles []string) {
	g := d.guard
	for i, el := range g.access.Via {
		uses := []sqlgen.Use{sqlgen.Root}
		if i == len(g.access.Via)-1 && composition(el) && writes(g.access.event()) {
			uses = append(uses, sqlgen.Update)
		}
		for _, use := range uses {
			if o := d.policy.InspectElement(roles, el, use); o.Verdict == AllowIf {
				d.static = and(d.static, o.Where)
			}
		}
	}
	for i := range g.p.asked {
		if c := &g.p.asked[i]; len(g.access.Via) > 0 && !c.deny && c.to.meets(g.s.mask) {
			g.s.mask = g.s.mask.add(c.role)
		}
	}
}

// rows returns the condition on rows of an access that was not refused.
func (d *decider) rows(dec *Decision) (cqn.Expr, error) {
	g := d.guard
	switch {
	case g.target == nil:
		return nil, nil
	case g.access.Op == nil && g.access.Event == Create:
		return dec.Check, nil
	case g.access.Op == nil && g.access.Event == Upsert:
		return dec.Check, nil
	}
	c, err := d.out.Subject().Condition(g.target, sqlgen.Root)
	if err != nil {
		return nil, err
	}
	x, _ := c.Expr()
	return x, nil
}

// assume keeps the condition of a match that Decide would have asked here. Those that rows are asked for come with the rows.
func (d *decider) assume(m match, final bool) match {
	if final {
		d.static = and(d.static, m.condition())
		d.rules = append(d.rules, m.names...)
	}
	return m
}

// InspectElement answers for everybody with the roles whether an element may be used: READ (sqlgen.Root), CREATE (sqlgen.Insert) or UPDATE
// (sqlgen.Update). It is asked in addition to what holds for the entity.
func (p *Policy) InspectElement(roles []string, el *csn.Element, use sqlgen.Use) Outcome {
	st := p.state
	s := st.roles.subject(withRoles(roles), false, nil)
	ask := func(s subject) error {
		return (&Guard{state: &guard{p: st, s: s}}).Element(el, use)
	}
	out := Outcome{Verdict: Deny403}
	var names []string
	if r := st.elements[el]; r != nil {
		names = []string{r.on}
	}
	out.Rules = names
	all, open := s, ask(s) == nil // all has the roles of all conditions that grant
	all.mask = slices.Clone(s.mask)
	for i := range st.asked {
		c := &st.asked[i]
		if c.deny || !c.to.meets(s.mask) {
			continue
		}
		all.mask = all.mask.add(c.role)
		with := s
		with.mask = slices.Clone(s.mask).add(c.role)
		if !open && ask(with) == nil {
			out.Where = or(out.Where, c.where)
		}
	}
	if !open {
		out.masked(ask(s), ask(all))
		if out.Where == nil {
			return out
		}
	}
	for i := range st.asked {
		c := &st.asked[i]
		with := all
		with.mask = slices.Clone(all.mask).add(c.role)
		if c.deny && c.to.meets(s.mask) && ask(with) != nil {
			out.Where = and(out.Where, &cqn.Unary{Op: cqn.Not, X: c.where})
		}
	}
	out.Verdict = Allow
	if out.Where != nil {
		out.Verdict = AllowIf
	}
	return out
}

// masked takes down what is shown in the place of an element, by the refusals of a user and of one for whom all conditions on users hold.
func (o *Outcome) masked(refused, most error) {
	var f *sqlgen.Forbidden
	if (!errors.As(refused, &f) || f.Mask == nil) && (!errors.As(most, &f) || f.Mask == nil) {
		return
	}
	o.Masked, o.Computed = f.Mask.Text, f.Mask.Computed
	if f.Mask.Unless != nil {
		o.Where = or(o.Where, f.Mask.Unless)
	}
}

// RestrictedElement reports whether an element has a restriction, its own or of what it is made from.
func (p *Policy) RestrictedElement(el *csn.Element) bool { return p.state.elements[el] != nil }

// AccessRoles returns the roles on which an access may depend, sorted, without any and authenticated-user.
func (p *Policy) AccessRoles(a Access) []string {
	st := p.state
	var out []string
	add := func(r *rules) { out = append(out, r.roleNames()...) }
	add(st.serviceRules(a.Service))
	if a.Op != nil {
		add(st.ops[a.Op])
	}
	for _, el := range a.Via {
		add(st.elements[el])
	}
	seen := map[*csn.Entity]bool{}
	var visit func(e *csn.Entity)
	visit = func(e *csn.Entity) {
		if e == nil || seen[e] {
			return
		}
		seen[e] = true
		er := st.of(e)
		add(er.own)
		add(st.serviceRules(e.Service))
		visit(e.Active)
		for _, r := range er.roots {
			visit(r.parent)
			visit(r.as)
		}
	}
	for _, e := range a.Path {
		visit(e)
	}
	return st.userRoles(out)
}

// ElementRoles is AccessRoles for an element.
func (p *Policy) ElementRoles(el *csn.Element) []string {
	return p.state.userRoles(p.state.elements[el].roleNames())
}

func (r *rules) roleNames() []string {
	if r == nil {
		return nil
	}
	var out []string
	for _, o := range r.also {
		out = append(out, o.roleNames()...)
	}
	if r.requires != nil {
		out = append(out, r.requires.roles...)
	}
	for _, list := range [][]privilege{r.privileges, r.denies} {
		for i := range list {
			out = append(out, list[i].roles...)
		}
	}
	return append(out, r.mask.roleNames()...)
}

// userRoles sorts the names and adds the roles that include one of them.
func (p *policy) userRoles(names []string) []string {
	for role := range p.included {
		if has := below(p.included, role); slices.ContainsFunc(names, func(n string) bool { return has[n] }) {
			names = append(names, role)
		}
	}
	return slices.DeleteFunc(sorted(names), func(n string) bool { return n == auth.RoleAny || n == auth.RoleAuthenticated })
}

// RuleSpan returns where the rule stands that an explanation names ("CatalogService.Books#1", "CatalogService@requires"), or the
// restricted resource of that name.
func (p *Policy) RuleSpan(rule string) (token.Span, bool) {
	for _, r := range p.state.all {
		if r.on == rule {
			return r.at(), true
		}
		if r.requires != nil && r.requires.name == rule {
			return r.requires.span, true
		}
		for _, list := range [][]privilege{r.privileges, r.denies} {
			for i := range list {
				if list[i].name == rule {
					return list[i].span, true
				}
			}
		}
	}
	return token.Span{}, false
}

// at returns where rules stand: their first annotation or, if it has no place of its own, what it stands on.
func (r *rules) at() token.Span {
	if r.requires != nil && r.requires.span.Valid() {
		return r.requires.span
	}
	for i := range r.privileges {
		if r.privileges[i].span.Valid() {
			return r.privileges[i].span
		}
	}
	if r.mask != nil && r.mask.span.Valid() {
		return r.mask.span
	}
	return r.span
}

// A Grant is one privilege of @restrict, for those who look for mistakes in a policy; never for decisions.
type Grant struct {
	Rule   string // as in explanations: "CatalogService.Books#1"
	Entity *csn.Entity
	Deny   bool
	Words  []string // events and operations as written, "*" for all
	Roles  []string
	Where  cqn.Expr // nil for none
	Span   token.Span
}

// Grants lists the privileges on entities, in order of the model. Those that are closed because they are not understood are left out.
func (p *Policy) Grants() []Grant {
	var out []Grant
	for i := range p.state.entities {
		er := &p.state.entities[i]
		if er.entity == nil || er.own == nil || er.own.closed != "" || er.drafts || len(er.entity.Union) > 0 {
			continue
		}
		for _, list := range [][]privilege{er.own.privileges, er.own.denies} {
			for j := range list {
				pr := &list[j]
				out = append(out, Grant{Rule: pr.name, Entity: er.entity, Deny: pr.deny, Words: pr.words, Roles: pr.roles, Where: pr.where, Span: pr.span})
			}
		}
	}
	return out
}
