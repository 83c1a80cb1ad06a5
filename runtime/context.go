package cds

import "context"

type scopeKey struct{}

// A scope is what a context knows of its request.
type scope struct {
	app        *App // nil for contexts made by NewContext
	user       *User
	locale     string
	unit       *unit // nil outside requests
	privileged bool
	envelope   bool        // of App.Tx: what is dispatched in it is a request of its own
	request    *RawRequest // the outermost one; nil outside requests
}

func scopeOf(ctx context.Context) *scope {
	s, _ := ctx.Value(scopeKey{}).(*scope)
	return s
}

// A scoped is a context with a scope, in one piece.
type scoped struct {
	context.Context
	scope scope
}

// Value returns the scope for its key.
func (c *scoped) Value(key any) any {
	if _, ok := key.(scopeKey); ok {
		return &c.scope
	}
	return c.Context.Value(key)
}

// into returns a context with the scope.
func (s scope) into(ctx context.Context) context.Context { return &scoped{ctx, s} }

// NewContext returns a context that carries the user and locale of a request that is to be dispatched. Doors and the server's
// authentication use it; RawRequest.User and Locale win over it. Within a request it changes the user for nested calls, which is logged.
func NewContext(ctx context.Context, u *User, locale string) context.Context {
	s := scope{user: u, locale: locale}
	if old := scopeOf(ctx); old != nil {
		s.app, s.unit = old.app, old.unit
		if old.app != nil {
			s.user = u.Under(old.app.inner.hierarchy)
		}
		if old.unit != nil && old.user != u && u != nil {
			old.app.Options.Log.InfoContext(ctx, "acting as another user", "user", UserFrom(ctx).ID, "as", u.ID)
		}
	}
	return s.into(ctx)
}

// NewContext returns a context for calls from code outside requests: AppFrom, UserFrom and LocaleFrom find a, u and locale in it.
func (a *App) NewContext(ctx context.Context, u *User, locale string) context.Context {
	return scope{app: a, user: u.Under(a.inner.hierarchy), locale: locale}.into(ctx)
}

// AppFrom returns the App of the request (or App.NewContext) that ctx belongs to, nil outside of both. The typed query builders
// find their service through it.
func AppFrom(ctx context.Context) *App {
	if s := scopeOf(ctx); s != nil {
		return s.app
	}
	return nil
}

// UserFrom returns the user of the request that ctx belongs to, Anonymous outside requests.
func UserFrom(ctx context.Context) *User {
	if s := scopeOf(ctx); s != nil && s.user != nil {
		return s.user
	}
	return anonymous
}

// Anonymous returns the user of requests without credentials, for calls as nobody in particular: a.NewContext(ctx, cds.Anonymous(), "").
func Anonymous() *User { return anonymous }

// LocaleFrom returns the locale of the request that ctx belongs to, "" outside requests and for the default language.
func LocaleFrom(ctx context.Context) string {
	if s := scopeOf(ctx); s != nil {
		return s.locale
	}
	return ""
}

// Privileged runs fn with every check passed: services called with fn's context authorize nothing and filter no rows. The user stays who
// it is, so managed elements and $user are unchanged. The reason is logged with the user who caused it.
func Privileged(ctx context.Context, reason string, fn func(ctx context.Context) error) error {
	s := scopeOf(ctx)
	if s == nil || s.app == nil {
		return errOutside
	}
	if reason == "" {
		return Reject(500, "500", "Privileged needs a reason")
	}
	s.app.Options.Log.InfoContext(ctx, "privileged", "reason", reason, "user", UserFrom(ctx).ID, "tenant", UserFrom(ctx).Tenant)
	if acc := s.app.inner.accounts; acc != nil {
		s.notePrivileged(ctx, acc, reason)
	}
	c := *s
	c.privileged = true
	return fn(c.into(ctx))
}
