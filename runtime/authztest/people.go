package authztest

import (
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
)

// attrs returns the values of attributes in one of four forms: one value, another one, both, none.
func (w *world) attrs(form int, names []string) map[string][]string {
	out := map[string][]string{}
	for _, name := range names {
		texts := []string{"A1", "B2"}
		if p := w.spare.pools.of("attr:" + name); p != nil && len(p.texts) > 0 {
			texts = p.texts
		}
		a, b := texts[0], texts[min(1, len(texts)-1)]
		switch form {
		case 0:
			out[name] = []string{a}
		case 1:
			out[name] = []string{b}
		case 2:
			out[name] = slices.Compact([]string{a, b})
		}
	}
	return out
}

const attrForms = 4

// person returns a user with roles. Pseudo-roles of technical users make one; the others need nothing.
func (w *world) person(roles []string, attrs map[string][]string, tenant string) *auth.User {
	u := auth.User{ID: alice, Attrs: attrs, Tenant: tenant}
	var own []string
	for _, r := range roles {
		switch r {
		case auth.RoleAny, auth.RoleAuthenticated:
		case auth.RoleSystem:
			u.Kind = auth.KindSystem
		case auth.RoleInternal:
			u.Kind = auth.KindInternal
		default:
			own = append(own, r)
		}
	}
	return auth.New(u, own...)
}

// A User describes who asks in a case.
type User struct {
	ID         string              `json:"id"`
	Roles      []string            `json:"roles,omitempty"`
	Attributes map[string][]string `json:"attributes,omitempty"`
	Tenant     string              `json:"tenant,omitempty"`
}

func describe(u *auth.User) User {
	out := User{ID: u.ID, Tenant: u.Tenant, Attributes: map[string][]string{}}
	for _, r := range u.Roles() {
		if r != auth.RoleAny && r != auth.RoleAuthenticated {
			out.Roles = append(out.Roles, r)
		}
	}
	for n, v := range u.Attrs {
		if len(v) > 0 {
			out.Attributes[n] = v
		}
	}
	if u.Kind == auth.KindAnonymous {
		out.ID = "nobody"
	}
	return out
}

// String describes the user in one line.
func (u User) String() string {
	var parts []string
	if len(u.Roles) > 0 {
		parts = append(parts, strings.Join(u.Roles, "+"))
	}
	var names []string
	for n := range u.Attributes {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		parts = append(parts, n+"="+strings.Join(u.Attributes[n], "|"))
	}
	if u.Tenant != "" {
		parts = append(parts, "tenant "+u.Tenant)
	}
	if len(parts) == 0 {
		return u.ID
	}
	return u.ID + " (" + strings.Join(parts, ", ") + ")"
}

// asksTenant reports whether rules ask for the user's tenant.
func asksTenant(rules []*rule) bool { return asks(rules, cqn.FromUserTenant) }

// asks reports whether a condition of rules asks for what a parameter is from.
func asks(rules []*rule, from cqn.Origin) bool {
	found := false
	for _, r := range rules {
		for _, list := range [][]*privilege{r.grants, r.denies} {
			for _, p := range list {
				for _, x := range p.where {
					cqn.Walk(x, func(n any) bool {
						p, ok := n.(*cqn.Param)
						found = found || ok && p.From == from
						return !found
					})
				}
			}
		}
	}
	return found
}

// home is the tenant that users are of, if it matters.
func (w *world) home(rules []*rule) string {
	if asksTenant(rules) {
		return ours
	}
	return w.tenants[0]
}

// asked are the attributes that rules ask for, sorted.
func asked(rules []*rule) []string {
	var out []string
	for _, r := range rules {
		for _, list := range [][]*privilege{r.grants, r.denies} {
			for _, p := range list {
				for _, x := range p.where {
					cqn.Walk(x, func(n any) bool {
						if p, ok := n.(*cqn.Param); ok && p.From == cqn.FromUserAttr {
							out = append(out, p.Name)
						}
						return true
					})
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// layers are the rules that an event on an entity, or an unbound operation, has to pass; nil ones are left out.
func (w *world) layers(s *csn.Service, e *csn.Entity, op *csn.Operation) []*rule {
	var out []*rule
	add := func(key any) {
		if r := w.policy.rules[key]; r != nil {
			out = append(out, r)
		}
	}
	add(s)
	if e != nil {
		add(e)
	}
	if op != nil {
		add(op)
	}
	if e != nil {
		for _, el := range w.policy.parents[e] {
			if r := w.policy.rules[el.Owner]; r != nil {
				out = append(out, r)
			}
		}
	}
	return out
}

// key returns the roles with which a rule lets somebody pass for an event: of its @requires, and of each of its grants.
func (r *rule) keys(ev string) (required []string, grants [][]string) {
	if r.requires != nil {
		required = r.requires.roles
	}
	for _, g := range r.grants {
		if g.covers(ev) || ev != evRead && writes(ev) && g.covers(evUpdate) {
			grants = append(grants, g.roles)
		}
	}
	return required, grants
}

// teams returns sets of roles with which all layers may let somebody pass, except that one position must be passed with a given role: "" for any.
func teams(layers []*rule, ev string, at *privilege, with string) [][]string {
	out := [][]string{nil}
	cross := func(choices []string) {
		if len(choices) == 0 {
			return
		}
		var next [][]string
		for _, t := range out {
			for _, c := range choices {
				if len(next) < 24 {
					next = append(next, append(slices.Clone(t), c))
				}
			}
		}
		out = next
	}
	for _, r := range layers {
		required, grants := r.keys(ev)
		if r.requires == at && with != "" {
			required = []string{with}
		}
		cross(required)
		var choices []string
		for _, g := range r.grants {
			if g == at {
				choices = []string{with}
				break
			}
		}
		if choices == nil {
			for _, g := range grants {
				if len(g) > 0 && !slices.Contains(choices, g[0]) {
					choices = append(choices, g[0])
				}
			}
		}
		cross(choices)
	}
	if at != nil && at.deny && with != "" {
		for i := range out {
			out[i] = append(out[i], with)
		}
	}
	for i := range out {
		slices.Sort(out[i])
		out[i] = slices.Compact(out[i])
	}
	return out
}

// without returns what is left of a team if none of some roles is in it.
func without(team, roles []string) []string {
	return slices.DeleteFunc(slices.Clone(team), func(r string) bool { return slices.Contains(roles, r) })
}
