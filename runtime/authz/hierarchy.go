package authz

import (
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/runtime/auth"
)

// rolesPrefix begins the names of annotations on services that say which roles a role includes: @roles.admin: ['editor', 'auditor']. Written as
// @roles: { admin: […] } they arrive in this form.
const rolesPrefix = "roles."

// pseudoRoles are given by who a user is. No role includes them and they include none.
var pseudoRoles = [...]string{auth.RoleAny, auth.RoleAuthenticated, auth.RoleSystem, auth.RoleInternal}

// An inclusion is one line of the hierarchy of roles.
type inclusion struct {
	role string
	has  []string
	on   string // service that says so
	at   *cqn.AnnoField
}

// hierarchy reads which roles include which. It holds for the whole model, as roles do. It is expanded before anything is decided (decision 16).
func (p *policy) hierarchy(n *normalizer, m *csn.Model) {
	var all []inclusion
	for _, s := range m.Services {
		all = append(all, p.inclusions(n, s)...)
	}
	for _, e := range m.Entities {
		n.misplaced("entity", e.Name, e.Annotations)
		for _, op := range e.Actions {
			n.misplaced("operation", e.Name+"."+op.Name, op.Annotations)
		}
	}
	for _, s := range m.Services {
		for _, op := range s.Ops {
			n.misplaced("operation", op.Name, op.Annotations)
		}
	}
	if len(all) == 0 {
		return
	}
	mentioned := p.mentioned()
	direct := map[string][]string{}
	for i := range all {
		direct[all[i].role] = append(direct[all[i].role], all[i].has...)
	}
	for i := range all {
		in := &all[i]
		for _, h := range in.has {
			if !mentioned[h] && direct[h] == nil {
				d := n.roleFault(in, "no restriction mentions the role %s", h)
				if near := nearest(h, sortedKeys(mentioned)...); near != "" {
					d.Hint = "did you mean " + near + "?"
				}
			}
		}
		if reaches(direct, in.has, in.role, map[string]bool{}) {
			n.roleFault(in, "the role %s includes itself", in.role)
		}
	}
	p.roles.implied = map[int]roleSet{}
	for role := range direct {
		var set roleSet
		for _, r := range sortedKeys(below(direct, role)) {
			set = set.add(p.roles.intern(r))
		}
		p.roles.implied[p.roles.intern(role)] = set
	}
	p.included = direct
}

// misplaced reports a hierarchy of roles where it has no effect.
func (n *normalizer) misplaced(what, on string, as csn.Annotations) {
	for i := range as {
		if a := &as[i]; a.Name == "roles" || strings.HasPrefix(a.Name, rolesPrefix) {
			n.roleFault(&inclusion{on: on, at: a}, "@%s has no effect on %s %s", a.Name, what, on).Hint = "write it on the service"
		}
	}
}

// inclusions reads the annotations of one service.
func (p *policy) inclusions(n *normalizer, s *csn.Service) (out []inclusion) {
	res := resource{what: "service", on: s.Name}
	for i := range s.Annotations {
		a := &s.Annotations[i]
		role, ok := strings.CutPrefix(a.Name, rolesPrefix)
		if !ok {
			if a.Name == "roles" && !(a.Value != nil && a.Value.Kind == cqn.AnnoNull) {
				n.roleFault(&inclusion{on: s.Name, at: a}, "@roles is not understood").Hint = "write @roles: { admin: ['editor', …] }"
			}
			continue
		}
		in := inclusion{role: role, on: s.Name, at: a}
		if in.has, ok = n.texts(res, a.Value, "@"+a.Name); !ok {
			n.roleFault(&in, "@%s must be a role or a list of roles, each as a text", a.Name)
			continue
		}
		for _, r := range append([]string{role}, in.has...) {
			if slices.Contains(pseudoRoles[:], r) {
				n.roleFault(&in, "%s follows from who a user is; it cannot include roles or be included", r)
				ok = false
			}
		}
		if ok {
			out = append(out, in)
		}
	}
	return out
}

// roleFault reports what is not understood of the hierarchy. What is not understood includes nothing.
func (n *normalizer) roleFault(in *inclusion, format string, args ...any) *diag.Diagnostic {
	sev := diag.Error
	if !n.strict {
		sev = diag.Warning
	}
	d := n.diags.Add(sev, codeRoles, in.at.Span, format, args...)
	d.Home = in.on
	return d
}

// mentioned are the roles that restrictions name.
func (p *policy) mentioned() map[string]bool {
	out := map[string]bool{}
	for _, r := range p.all {
		if r.requires != nil {
			for _, n := range r.requires.roles {
				out[n] = true
			}
		}
		for _, list := range [][]privilege{r.privileges, r.denies} {
			for i := range list {
				for _, n := range list[i].roles {
					out[n] = true
				}
			}
		}
		for _, n := range r.mask.roleNames() {
			out[n] = true
		}
	}
	return out
}

// reaches reports whether a role is among those that others include, directly or not.
func reaches(direct map[string][]string, from []string, role string, seen map[string]bool) bool {
	for _, f := range from {
		if f == role {
			return true
		}
		if !seen[f] {
			seen[f] = true
			if reaches(direct, direct[f], role, seen) {
				return true
			}
		}
	}
	return false
}

// below returns all roles that a role includes, itself left out.
func below(direct map[string][]string, role string) map[string]bool {
	out := map[string]bool{}
	next := direct[role]
	for len(next) > 0 {
		r := next[len(next)-1]
		next = next[: len(next)-1 : len(next)-1]
		if !out[r] && r != role {
			out[r] = true
			next = append(next, direct[r]...)
		}
	}
	return out
}

func sortedKeys(m map[string]bool) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// Hierarchy returns the model's @roles for users, nil if there are none.
func (p *Policy) Hierarchy() *auth.Hierarchy {
	all := make(map[string][]string, len(p.state.included))
	for role := range p.state.included {
		all[role] = p.Includes(role)
	}
	return auth.NewHierarchy(all)
}

// Includes returns which roles a role includes by the model's @roles, itself left out, sorted.
func (p *Policy) Includes(role string) []string {
	return sortedKeys(below(p.state.included, role))
}
