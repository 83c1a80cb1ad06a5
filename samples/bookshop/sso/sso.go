// Package sso is an authentication strategy of the application's own, registered as corp-sso: a gateway of the company logs users in, and tells who
// they are in headers of the requests that it hands on.
package sso

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"cds/runtime/auth"
	"cds/runtime/config"
)

// A Gateway believes the headers of requests that come from it, and refuses those of others.
type Gateway struct {
	user, groups string // names of headers
	trusted      func(r *http.Request) bool
}

// New makes the strategy from the section requires.auth:
//
//	"auth": { "kind": "corp-sso", "sso": { "user": "X-Remote-User", "groups": "X-Remote-Groups" } }
func New(cfg config.Section) (auth.Strategy, error) {
	g := &Gateway{user: cfg.Str("sso.user"), groups: cfg.Str("sso.groups"), trusted: func(*http.Request) bool { return false }}
	if g.user == "" {
		return nil, auth.Missing("requires.auth.sso.user", "the gateway says in a header who the user is", `"X-Remote-User"`)
	}
	return g, nil
}

// Setup takes what the server knows of proxies (server.trusted_proxies).
func (g *Gateway) Setup(_ context.Context, env *auth.Env) error {
	g.trusted = env.Trusted
	return nil
}

// Authenticate returns the user that the gateway names; Anonymous where there is no such header.
func (g *Gateway) Authenticate(_ context.Context, r *http.Request) (*auth.User, error) {
	names := r.Header.Values(g.user)
	switch {
	case len(names) == 0:
		return auth.Anonymous, nil
	case !g.trusted(r):
		return nil, fmt.Errorf("%w: %s in a request that is not from the gateway", auth.ErrCredentials, g.user)
	case len(names) > 1 || names[0] == "" || auth.ReservedID(names[0]):
		return nil, fmt.Errorf("%w: %s names nobody", auth.ErrCredentials, g.user)
	}
	var roles []string
	if g.groups != "" {
		roles = strings.FieldsFunc(r.Header.Get(g.groups), func(c rune) bool { return c == ',' || c == ' ' })
	}
	for _, role := range roles {
		if role == auth.RoleSystem || role == auth.RoleInternal {
			return nil, fmt.Errorf("%w: the group %s is not the gateway's to give", auth.ErrForbidden, role)
		}
	}
	return auth.New(auth.User{ID: names[0]}, roles...), nil
}

// Challenge names the scheme; the gateway answers requests without a login before they come here.
func (g *Gateway) Challenge() string { return `Gateway realm="corp-sso"` }

// Vary tells caches which headers the answer depends on.
func (g *Gateway) Vary() []string { return []string{g.user} }
