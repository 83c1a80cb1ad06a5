package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"cds/runtime/auth"
)

// An Identifier changes what the strategy has found out of a request: it may add attributes taken from headers, map roles, or refuse. u is
// auth.Anonymous where there were no credentials. It returns u itself or another user, or an error: auth.ErrCredentials (wrapped) is answered 401,
// auth.ErrForbidden 403, any other 401 too, since who asks is not known then.
type Identifier = func(ctx context.Context, r *http.Request, u *auth.User) (*auth.User, error)

// Identify adds a function that has a say in who sent a request, after the strategy. They run in order, each with the result of the one before.
func (a *App) Identify(fn Identifier) { a.ext.identify = append(a.ext.identify, fn) }

// DefaultUser makes requests without credentials those of u, for tests; auth.Privileged lets them do everything. Production refuses to start with it.
func (a *App) DefaultUser(u *auth.User) { a.ext.defaultUser = u }

// checkIdentity refuses what is not for production.
func (s *Server) checkIdentity(a *App, production bool) error {
	s.identifiers, s.defaultUser = a.ext.identify, a.ext.defaultUser
	if s.defaultUser == nil {
		return nil
	}
	if production {
		return &StartError{"auth-default-user", "app.DefaultUser lets requests without credentials in as " + s.defaultUser.ID + " and is refused in production",
			"call it in tests only, or use the kind dummy for trying things out"}
	}
	s.Notes = append(s.Notes, "requests without credentials are those of "+s.defaultUser.ID)
	return nil
}

// errIdentify is an Identifier that breaks its contract.
var errIdentify = errors.New("a function given to Identify returned no user, or one that only code may be")

// identify asks the strategy who sent a request, then the application. by is the strategy that decided; nil for none. A panic is a failure like any
// other: it lets nobody in.
func (s *Server) identify(ctx context.Context, req *http.Request) (user *auth.User, by auth.Strategy, err error) {
	defer func() {
		if p := recover(); p != nil {
			if e, ok := p.(error); ok && errors.Is(e, http.ErrAbortHandler) {
				panic(p)
			}
			s.Log.ErrorContext(ctx, "panic in authentication", "panic", fmt.Sprint(p), "stack", stack())
			user, err = nil, errStrategy
		}
	}()
	if g := s.authn.group; g != nil {
		user, by, err = g.Decide(ctx, req)
	} else {
		by = s.Strategy
		user, err = by.Authenticate(ctx, req)
	}
	switch {
	case err != nil && s.optional && errors.Is(err, auth.ErrCredentials):
		s.tolerated.Do(func() {
			s.Log.WarnContext(ctx, "wrong credentials are taken for none (requires.auth.optional); further ones are not reported", "reason", err.Error())
		})
		user, err = auth.Anonymous, nil
	case err != nil:
		return nil, by, err
	case user == nil || user.Kind == auth.KindPrivileged:
		return nil, by, errStrategy
	}
	for _, fn := range s.identifiers {
		next, err := fn(ctx, req, user)
		if err != nil {
			return nil, by, err
		}
		if next == nil || next != user && (next.Kind == auth.KindPrivileged || next.Kind == auth.KindDummy && user.Kind != auth.KindDummy) {
			return nil, by, errIdentify
		}
		user = next
	}
	if user == auth.Anonymous && s.defaultUser != nil {
		user = s.defaultUser
	}
	return user, by, nil
}
