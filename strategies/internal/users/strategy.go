package users

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"cds/runtime/auth"
	"cds/strategies/internal/backoff"
)

// A Strategy lets in the users of a table by Basic credentials.
type Strategy struct {
	users *Table
	guard *backoff.Guard // nil: nobody has to wait
	tame  bool           // back-off in production only
	env   *auth.Env
}

// NewStrategy returns the strategy. tame is for development: nobody has to wait after wrong passwords, unless in production.
func NewStrategy(t *Table, tame bool) *Strategy {
	s := &Strategy{users: t, tame: tame}
	if !tame {
		s.guard = backoff.NewGuard(time.Now)
	}
	return s
}

// Setup implements auth.Setter. In production a user without a password is refused unless the kind is for development, and passwords in plain text are
// warned of.
func (s *Strategy) Setup(_ context.Context, env *auth.Env) error {
	s.env = env
	s.users.cache.Clock(env.Now)
	s.guard = nil
	if !s.tame || env.Production {
		s.guard = backoff.NewGuard(env.Now)
	}
	if list := s.users.policies; len(list) > 0 {
		env.Log.Warn("policies of users in the configuration give no rights: they are not evaluated", "users", strings.Join(list, ", "))
	}
	if !env.Production {
		return nil
	}
	open, plain := s.users.weak()
	if len(open) > 0 && !s.tame {
		return auth.Missing(key+"."+open[0]+".password", "anybody could come in as that user", `"$argon2id$…"`)
	}
	if len(plain) > 0 {
		env.Log.Warn("users of the configuration have passwords in plain text; cds auth hash makes hashes of them", "users", strings.Join(plain, ", "))
	}
	return nil
}

// Authenticate returns the user behind Basic credentials; Anonymous where there are none.
func (s *Strategy) Authenticate(ctx context.Context, r *http.Request) (*auth.User, error) {
	name, password, ok, err := auth.Basic(r)
	if err != nil {
		return nil, err
	}
	if !ok {
		return auth.Anonymous, nil
	}
	if s.guard == nil {
		return s.users.Login(ctx, name, password)
	}
	var u *auth.User
	var refusal error
	d, fault := s.guard.Try(name, s.client(r), func() (bool, error) {
		if u, refusal = s.users.Login(ctx, name, password); refusal != nil && !errors.Is(refusal, auth.ErrCredentials) {
			return false, refusal
		}
		return refusal == nil, nil
	})
	switch {
	case fault != nil:
		return nil, fault
	case d > 0:
		return nil, &waiting{name, d}
	}
	return u, refusal
}

func (s *Strategy) client(r *http.Request) string {
	if s.env != nil && s.env.Client != nil {
		return s.env.Client(r)
	}
	return r.RemoteAddr
}

// Challenge asks browsers for a name and password.
func (s *Strategy) Challenge() string { return `Basic realm="Users"` }

// waiting is the refusal of a try that came too early.
type waiting struct {
	name string
	d    time.Duration
}

func (e *waiting) Error() string {
	return fmt.Sprintf("%v: too many failures, name %q has to wait %s", auth.ErrCredentials, e.name, e.d.Round(time.Second))
}

func (e *waiting) Unwrap() error { return auth.ErrCredentials }

// RetryAfter implements auth.Waiter.
func (e *waiting) RetryAfter() time.Duration { return e.d }
