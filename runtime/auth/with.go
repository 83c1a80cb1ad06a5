package auth

import (
	"maps"
	"slices"
)

// Users are immutable: what changes one returns another. Anonymous and Privileged stay what they are.

// With returns the user with attributes set; those of other names stay. An empty list takes an attribute away.
func (u *User) With(attrs map[string][]string) *User {
	if !u.changeable() {
		return u
	}
	c := *u
	c.Attrs = maps.Clone(u.Attrs)
	if c.Attrs == nil {
		c.Attrs = make(map[string][]string, len(attrs))
	}
	for name, values := range attrs {
		if len(values) == 0 {
			delete(c.Attrs, name)
			continue
		}
		c.Attrs[name] = slices.Clone(values)
	}
	return &c
}

// WithRoles returns the user with roles in place of those it has; pseudo-roles that follow from its kind stay.
func (u *User) WithRoles(roles ...string) *User {
	if !u.changeable() || u.Kind == KindDummy {
		return u
	}
	return New(*u, roles...)
}

// WithTenant returns the user in another tenant.
func (u *User) WithTenant(tenant string) *User {
	if !u.changeable() {
		return u
	}
	c := *u
	c.Tenant = tenant
	return &c
}

func (u *User) changeable() bool { return u.Kind != KindAnonymous && u.Kind != KindPrivileged }
