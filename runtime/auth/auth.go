// Package auth says who a user is: identity, roles, attributes, and the Strategy interface that finds them out.
//
// What a user may do is decided in package authz; strategies see only this package.
package auth

import (
	"context"
	"errors"
	"net/http"
	"slices"
)

// Kind tells persons from technical users.
type Kind uint8

// The kinds of users.
const (
	KindAnonymous  Kind = iota
	KindNamed           // a person, or a system acting under a name
	KindSystem          // a technical client
	KindInternal        // a technical client of the same identity instance
	KindPrivileged      // code, never a request
	KindDummy           // a request under the strategy "dummy": passes every check on roles and rows, not what nobody may do
)

// A User is who sent a request. It is immutable after New.
type User struct {
	ID     string              // "anonymous" for Anonymous
	Tenant string              // "" for none
	Locale string              // preferred language of the user, "" for none; the request's wins
	Attrs  map[string][]string // $user.<name>; a missing name and an empty list mean the same
	Kind   Kind
	// Features are the feature toggles of the user; ["*"] means all.
	Features []string
	// Info is what the strategy knows besides, nil for nothing: the verified claims of a token as map[string]any. Requests share it: it must not be changed.
	Info any
	// Token is the token that the request came with, for calls to other services in the user's name; "" for none.
	Token Secret
	roles []string // sorted, with pseudo-roles that follow from Kind
	under *Hierarchy
}

// The pseudo-roles (authz-semantics section 9).
const (
	RoleAny           = "any"
	RoleAuthenticated = "authenticated-user"
	RoleSystem        = "system-user"
	RoleInternal      = "internal-user"
)

// Anonymous is a request without credentials. Privileged passes every check; it is made by code only, never by a strategy.
var (
	Anonymous  = &User{ID: "anonymous", Kind: KindAnonymous, roles: []string{RoleAny}}
	Privileged = &User{ID: "privileged", Kind: KindPrivileged, roles: []string{RoleAny, RoleAuthenticated}}
)

// New returns an identified user with the given roles. Pseudo-roles that u.Kind implies are added: system-user for KindSystem,
// internal-user for KindInternal, which as recorded does not imply system-user (strategies that mean both name both). u.Kind must be
// KindNamed, KindSystem or KindInternal, anything else becomes KindNamed. Empty role names are dropped. u's attributes are copied.
func New(u User, roles ...string) *User {
	if u.Kind != KindSystem && u.Kind != KindInternal {
		u.Kind = KindNamed
	}
	all := append([]string{RoleAny, RoleAuthenticated}, roles...)
	switch u.Kind {
	case KindSystem:
		all = append(all, RoleSystem)
	case KindInternal:
		all = append(all, RoleInternal)
	}
	slices.Sort(all)
	u.roles = slices.DeleteFunc(slices.Compact(all), func(r string) bool { return r == "" })
	if u.Attrs != nil {
		attrs := make(map[string][]string, len(u.Attrs))
		for name, values := range u.Attrs {
			attrs[name] = slices.Clone(values)
		}
		u.Attrs = attrs
	}
	return &u
}

// NewDummy returns the user of the strategy "dummy", which is for trying things out: every check on roles and rows passes.
func NewDummy(id string) *User {
	return &User{ID: id, Kind: KindDummy, roles: []string{RoleAny, RoleAuthenticated}}
}

// Is reports whether the user has the role or, by the model's @roles, one that includes it. Names are case-sensitive. Privileged and
// dummy users have every role.
func (u *User) Is(role string) bool {
	if u.Kind == KindPrivileged || u.Kind == KindDummy {
		return true
	}
	_, ok := slices.BinarySearch(u.roles, role)
	return ok || u.under != nil && u.includes(role)
}

// Roles returns the user's roles as the strategy gave them, sorted, pseudo-roles included. Callers must not change the result.
func (u *User) Roles() []string { return u.roles }

// Attr returns the values of an attribute; nil if there are none.
func (u *User) Attr(name string) []string { return u.Attrs[name] }

// Identified reports whether the user is anybody but anonymous.
func (u *User) Identified() bool { return u.Kind != KindAnonymous }

// ErrCredentials says that credentials were presented and are wrong. The request is answered 401, on public paths too (U3).
var ErrCredentials = errors.New("invalid credentials")

// A Strategy finds out who sent a request.
//
// Authenticate returns (Anonymous, nil) where there are no credentials of its kind, and an error that wraps ErrCredentials
// where they are wrong. Any other error is a fault of the server. It is called concurrently.
//
// Challenge is the value of WWW-Authenticate for a 401, "" for none.
type Strategy interface {
	Authenticate(ctx context.Context, r *http.Request) (*User, error)
	Challenge() string
}
