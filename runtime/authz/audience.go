package authz

import (
	"maps"
	"slices"

	"cds/runtime/auth"
)

// audiences are whom policies name in other ways than by roles of the model: single users, and users of one tenant. Each policy of that kind has a role
// of its own, which nobody has by name, so that it is part of the keys of guards as other roles are.
type audiences struct {
	users   map[string][]member // by id
	tenants map[string][]member
}

// A member gets a role: if it belongs to the tenant, unless that is "", and has one of the roles, unless there are none.
type member struct {
	role   int
	tenant string
	roles  roleSet
}

// clone returns audiences that can be added to, nil for none.
func (a *audiences) clone() *audiences {
	if a == nil {
		return nil
	}
	out := &audiences{users: maps.Clone(a.users), tenants: maps.Clone(a.tenants)}
	for _, m := range [...]map[string][]member{out.users, out.tenants} {
		for k := range m {
			m[k] = slices.Clip(m[k])
		}
	}
	return out
}

// add gives a user's set of roles those that policies have for him.
func (a *audiences) add(mask roleSet, u *auth.User) roleSet {
	if !u.Identified() {
		return mask
	}
	var got []int
	for _, m := range a.users[u.ID] {
		if m.tenant == "" || m.tenant == u.Tenant {
			got = append(got, m.role)
		}
	}
	for _, m := range a.tenants[u.Tenant] {
		if m.roles == nil || m.roles.meets(mask) {
			got = append(got, m.role)
		}
	}
	for _, n := range got {
		mask = mask.add(n)
	}
	return mask
}

// audience says whom a policy is for. Whom it can't tell apart it takes for all.
func (c *dataCompiler) audience(d *DataPolicy, pr *privilege) (fault, hint string) {
	t := &c.p.roles
	pr.roles, pr.to = []string{auth.RoleAny}, t.set([]string{auth.RoleAny})
	for _, r := range d.Roles {
		if r == "" || r[:1] == conditionRole {
			return "a role has an empty name", ""
		}
	}
	for _, u := range d.Users {
		if u == "" || auth.ReservedID(u) {
			return "the user \"" + u + "\" is nobody in particular", "name the ids of users, or roles"
		}
	}
	if len(d.Roles)+len(d.Users) > 0 {
		pr.roles, pr.to = nil, nil
	}
	if d.Tenant == "" {
		pr.roles, pr.to = slices.Clone(d.Roles), t.set(d.Roles)
		if len(d.Roles)+len(d.Users) == 0 {
			pr.roles, pr.to = []string{auth.RoleAny}, t.set([]string{auth.RoleAny})
		}
	}
	if len(d.Users) == 0 && d.Tenant == "" {
		return "", ""
	}
	role := t.intern(conditionRole + "policy:" + d.key())
	if t.audiences == nil {
		t.audiences = &audiences{users: map[string][]member{}, tenants: map[string][]member{}}
	}
	for _, u := range d.Users {
		t.audiences.users[u] = append(t.audiences.users[u], member{role: role, tenant: d.Tenant})
		pr.roles = append(pr.roles, "user "+u)
	}
	if d.Tenant != "" {
		if len(d.Roles) > 0 || len(d.Users) == 0 {
			m := member{role: role, tenant: d.Tenant}
			if len(d.Roles) > 0 {
				m.roles = t.set(d.Roles)
			}
			t.audiences.tenants[d.Tenant] = append(t.audiences.tenants[d.Tenant], m)
			pr.roles = append(pr.roles, d.Roles...)
		}
		pr.roles = append(pr.roles, "tenant "+d.Tenant)
		pr.to = nil
	}
	pr.to = pr.to.add(role)
	return "", ""
}
