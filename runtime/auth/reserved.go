package auth

import "strings"

// ReservedID reports whether an id or a name would be taken for somebody else: nobody who logs in can have it, whatever a token or a table says. Case does not
// matter, since who reads a log might not notice it.
func ReservedID(id string) bool {
	return id == "*" || strings.EqualFold(id, Anonymous.ID) || strings.EqualFold(id, Privileged.ID)
}

// ReservedRole reports whether a role is a pseudo-role, which follows from who somebody is: it can't be given.
func ReservedRole(role string) bool {
	switch role {
	case RoleAny, RoleAuthenticated, RoleSystem, RoleInternal:
		return true
	}
	return false
}
