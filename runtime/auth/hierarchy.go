package auth

import "slices"

// A Hierarchy says which roles include which: @roles of a model. It is immutable.
type Hierarchy struct {
	above    map[string][]string // by role, the roles that include it
	includes map[string]bool     // roles that include others
}

// NewHierarchy returns the hierarchy in which each role includes the given ones, over all levels, nil if none includes any.
func NewHierarchy(includes map[string][]string) *Hierarchy {
	h := &Hierarchy{above: map[string][]string{}, includes: map[string]bool{}}
	for role, list := range includes {
		for _, r := range list {
			h.above[r] = append(h.above[r], role)
			h.includes[role] = true
		}
	}
	if len(h.includes) == 0 {
		return nil
	}
	return h
}

// Under returns the user as one whose roles include others by h: Is knows of them, Roles does not. It is u itself where h says nothing of u's roles.
func (u *User) Under(h *Hierarchy) *User {
	if h != nil && u != nil && !slices.ContainsFunc(u.roles, func(r string) bool { return h.includes[r] }) {
		h = nil
	}
	if u == nil || u.under == h {
		return u
	}
	c := *u
	c.under = h // not that of another model, whose user it was
	return &c
}

// includes reports whether one of the user's roles includes another one.
func (u *User) includes(role string) bool {
	for _, r := range u.under.above[role] {
		if _, ok := slices.BinarySearch(u.roles, r); ok {
			return true
		}
	}
	return false
}
