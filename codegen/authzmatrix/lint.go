package authzmatrix

import (
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/token"
	"cds/runtime/auth"
	"cds/runtime/authz"
)

// LintOptions choose what Lint looks at.
type LintOptions struct {
	Policy authz.Options
	// Own tells which places to report; nil means all. Findings in files of packages help nobody.
	Own func(token.Span) bool
	// Given are the roles that users can have, as far as that is configured; nil if it is not known.
	Given []string
	// Source says where Given comes from, for the message.
	Source string
	// Indexed tells whether an index, or a key, of a table begins with a column; nil if that is not known.
	Indexed func(table, column string) bool
}

// Lint looks for restrictions that are hardly meant: privileges without effect, conditions that mean something else than they seem to say.
func Lint(m *csn.Model, opt LintOptions) diag.List {
	b, found := prepared(m, Options{Policy: opt.Policy})
	if b == nil {
		return nil
	}
	l := &linter{builder: b, opt: opt, rules: Messages(), found: found}
	grants := b.policy.Grants()
	for i := range grants {
		g := &grants[i]
		if g.Entity.Service == nil {
			continue // restrictions of other entities count where services show them
		}
		if !inherited(g, grants) {
			l.void(g)
			l.shutOut(g)
		}
		l.shadowed(g, grants)
		l.never(g)
		l.condition(g)
		l.unindexed(g)
	}
	l.roles()
	l.secondDoors()
	l.results()
	l.personal()
	l.masks()
	l.views()
	l.diags.Sort()
	return l.diags
}

// inherited reports whether a privilege was written for what the entity projects: then it may rightly speak of more than the projection allows.
func inherited(g *authz.Grant, all []authz.Grant) bool {
	return slices.ContainsFunc(all, func(o authz.Grant) bool { return o.Entity == g.Entity.Base && o.Span == g.Span })
}

type linter struct {
	*builder
	opt   LintOptions
	rules diag.Catalogue
	diags diag.List
	seen  map[string]bool
	found diag.List // what the policy compiler says

	closed map[*csn.Element][]*csn.Element // see closedElements
}

// add reports a finding once for each place: restrictions are inherited by several entities.
func (l *linter) add(code diag.Code, at token.Span, format string, args ...any) *diag.Diagnostic {
	var list diag.List
	d := list.Add(l.rules[code].Severity, code, at, format, args...)
	key := string(code) + " " + itoa(int(at.File)) + ":" + itoa(int(at.Start))
	if code == codeShutOut || code == codeNoRole || code == codeVoid || code == codeSecondElement || code == codePersonal || !at.Valid() {
		key += d.Message
	}
	if l.seen[key] || at.Valid() && l.opt.Own != nil && !l.opt.Own(at) {
		return d
	}
	if l.seen == nil {
		l.seen = map[string]bool{}
	}
	l.seen[key] = true
	l.diags = append(l.diags, *d)
	return &l.diags[len(l.diags)-1]
}

// standard are the standard events that a word of a grant stands for; nil for an operation.
func standard(word string) []authz.Event {
	switch word {
	case "*":
		return []authz.Event{authz.Read, authz.Create, authz.Update, authz.Delete}
	case "WRITE":
		return []authz.Event{authz.Create, authz.Update, authz.Delete}
	case "UPSERT":
		return []authz.Event{authz.Create, authz.Update}
	case "READ", "CREATE", "UPDATE", "DELETE":
		return []authz.Event{authz.Event(word)}
	}
	return nil
}

// void reports words of a grant for what nobody may do, since the entity is read-only and the like.
func (l *linter) void(g *authz.Grant) {
	if g.Deny || g.Entity.Exposure != csn.Exposed {
		return
	}
	for _, w := range g.Words {
		events := standard(w)
		if len(events) == 0 || w == "*" {
			continue
		}
		why := ""
		for _, ev := range events {
			o := l.policy.Inspect(slices.Clone(g.Roles), authz.Access{Service: g.Entity.Service, Event: ev, Path: []*csn.Entity{g.Entity}})
			if o.Verdict != authz.Deny405 {
				why = ""
				break
			}
			why = o.Message
		}
		if why != "" {
			l.add(codeVoid, g.Span, "%s grants %s, which nobody may: %s", g.Rule, w, why).Hint = "Leave the word out, or take the capability away."
		}
	}
}

// shutOut reports roles that are granted something within a service that does not let them in.
func (l *linter) shutOut(g *authz.Grant) {
	if g.Deny {
		return
	}
	for _, r := range g.Roles {
		if r == auth.RoleAny || r == auth.RoleAuthenticated {
			continue
		}
		alone := func(role string) bool {
			o := l.policy.Inspect([]string{role}, authz.Access{Service: g.Entity.Service, Event: authz.Read})
			return o.Allowed()
		}
		if alone(r) || slices.ContainsFunc(l.policy.AccessRoles(authz.Access{Service: g.Entity.Service, Event: authz.Read, Path: []*csn.Entity{g.Entity}}), func(other string) bool {
			return slices.Contains(l.policy.Includes(other), r) && alone(other)
		}) {
			continue
		}
		l.add(codeShutOut, g.Span, "%s grants to %s, but %s does not let in who has only that role", g.Rule, r, g.Entity.Service.Name).Hint =
			"Add the role to @requires of the service, or grant to the roles that it lets in."
	}
}

// shadowed reports a grant of which another one leaves nothing to do.
func (l *linter) shadowed(g *authz.Grant, all []authz.Grant) {
	for i := range all {
		h := &all[i]
		if h.Entity != g.Entity || h.Rule == g.Rule || h.Deny != g.Deny || !wider(h, g) || h.Rule > g.Rule && wider(g, h) {
			continue
		}
		d := l.add(codeCovered, g.Span, "%s has no effect: %s covers it", g.Rule, h.Rule)
		d.Hint = "Leave it out, or narrow the other one."
		d.Related = []diag.Related{{Message: "the wider one", Span: h.Span}}
		return
	}
}

// wider reports whether h covers g in events, roles and rows.
func wider(h, g *authz.Grant) bool {
	if !slices.Contains(h.Words, "*") {
		for _, w := range g.Words {
			if slices.Contains(h.Words, w) {
				continue
			}
			events := standard(w)
			if w == "*" || len(events) == 0 {
				return false
			}
			for _, ev := range events {
				if !slices.ContainsFunc(h.Words, func(o string) bool { return slices.Contains(standard(o), ev) && o != "UPSERT" }) {
					return false
				}
			}
		}
	}
	for _, r := range g.Roles {
		if !slices.Contains(h.Roles, r) && !slices.Contains(h.Roles, auth.RoleAny) && (r == auth.RoleAny || !slices.Contains(h.Roles, auth.RoleAuthenticated)) {
			return false
		}
	}
	a, b := termsOf(h.Where), termsOf(g.Where)
	if a.covers(b) {
		return true
	}
	f := find([]string{auth.RoleAuthenticated}, []*csn.Entity{g.Entity}, b, a)
	return f.sample == nil && !f.undecided
}

// never reports a condition that no row and no user fulfils.
func (l *linter) never(g *authz.Grant) {
	if g.Where == nil {
		return
	}
	f := find([]string{auth.RoleAuthenticated}, []*csn.Entity{g.Entity}, termsOf(g.Where), terms{})
	if f.sample == nil && !f.undecided {
		l.add(codeNever, g.Span, "the condition of %s never holds: %s", g.Rule, cqn.Format(g.Where)).Hint = "Look for comparisons that exclude each other."
	}
}

// condition reports negated comparisons with attributes, which hold for whoever lacks the attribute. What else there is to say of attributes in
// conditions, the compiler says.
func (l *linter) condition(g *authz.Grant) {
	if g.Where == nil || g.Deny {
		return
	}
	cqn.Walk(g.Where, func(n any) bool {
		if x, ok := n.(*cqn.Unary); ok && x.Op == cqn.Not {
			if a := attributeIn(x.X); a != "" {
				l.add(codeNegated, g.Span, "%s negates a comparison with %s: who has no value for it may use all rows", g.Rule, a).Hint = "Say which values are allowed, or add: and " + a + " is not null"
			}
		}
		return true
	})
}

// attributeIn returns an attribute that is compared in a condition, "" for none.
func attributeIn(x cqn.Expr) string {
	found := ""
	cqn.Walk(x, func(n any) bool {
		if u, ok := n.(*cqn.Unary); ok && (u.Op == cqn.IsNull || u.Op == cqn.IsNotNull) {
			return false
		}
		if p, ok := n.(*cqn.Param); ok && p.From == cqn.FromUserAttr && found == "" {
			found = "$user." + p.Name
		}
		return found == ""
	})
	return found
}

// roles reports roles that nobody can have.
func (l *linter) roles() {
	if l.opt.Given == nil {
		return
	}
	can := map[string]bool{auth.RoleAny: true, auth.RoleAuthenticated: true, auth.RoleSystem: true, auth.RoleInternal: true}
	for _, r := range l.opt.Given {
		can[r] = true
		for _, i := range l.policy.Includes(r) {
			can[i] = true
		}
	}
	for _, r := range l.policy.Roles(nil) {
		if can[r] {
			continue
		}
		at := l.mention(r)
		d := l.add(codeNoRole, at, "nobody can have the role %s: %s does not give it", r, l.opt.Source)
		for _, o := range l.opt.Given {
			if strings.EqualFold(o, r) {
				d.Hint = "Did you mean " + o + "? Names of roles are case-sensitive."
			}
		}
		if d.Hint == "" {
			d.Hint = "Add it there, or leave it out of the restrictions."
		}
	}
}

// mention is a place that names a role.
func (l *linter) mention(role string) token.Span {
	for _, g := range l.policy.Grants() {
		if slices.Contains(g.Roles, role) && g.Span.Valid() {
			return g.Span
		}
	}
	for i := range l.out.cells {
		c := &l.out.cells[i]
		if !slices.Contains(c.roles, role) || c.ask == nil {
			continue
		}
		for _, rule := range []string{c.row.Target + "@requires", c.row.Service + "@requires", c.row.Target, c.row.Target + "." + c.row.Element, c.row.Target + "." + c.row.Operation + "@requires"} {
			if at, ok := l.policy.RuleSpan(rule); ok && at.Valid() {
				return at
			}
		}
		return c.row.span
	}
	return token.Span{}
}
