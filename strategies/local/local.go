// Package local is the strategy for users of the application's own: names and passwords in the database, a login that hands out tokens, and the check
// of these tokens.
//
// An access token is a JWT that counts for minutes; other services accept it with the kind jwt. A refresh token gets the next one. It is a random value that
// is used once: who presents one again ends the login that it came from, since then two have it. What a user may do is read from the database, not from the
// token, so a change of roles counts at once.
package local

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/internal/backoff"
	"cds/strategies/internal/token"
)

// Kind is the name of the strategy in requires.auth.kind.
const Kind = "local"

// cached is how many verified tokens are known at most.
const cached = 20_000

// A Strategy authenticates requests by tokens that it has issued itself.
type Strategy struct {
	cfg     *settingsOf
	extract *token.Extractor
	run     atomic.Pointer[running] // nil before Setup
}

// running is what depends on what the server lends.
type running struct {
	env      *auth.Env
	verifier token.Verifier
	cache    *token.Cache
	guard    *backoff.Guard
	newcomer *backoff.Table // registrations and setups by address
	turns    *turns
	cross    *http.CrossOriginProtection
}

// New makes the strategy from the section requires.auth: jwt, local and token. Errors are *config.Error or *auth.ConfigError and name the key to set.
func New(cfg config.Section) (auth.Strategy, error) {
	s := &Strategy{}
	var err error
	if s.cfg, err = read(cfg); err != nil {
		return nil, err
	}
	if s.extract, err = token.NewExtractor(s.cfg.from); err == nil && s.extract.Cookies() {
		err = errors.New("the kind local takes tokens from headers only: browsers send cookies of their own accord, for pages of others too")
	}
	if err != nil {
		return nil, &auth.ConfigError{Key: "requires.auth.token.from", Message: err.Error(), Example: `["bearer"]`}
	}
	return s, nil
}

// Setup takes the clock and the stores of the server, and makes the tables where they are missing. Errors: settings that production does not allow, a database
// without the tables where they cannot be made.
func (s *Strategy) Setup(ctx context.Context, env *auth.Env) error {
	if env.Users == nil || env.Sessions == nil {
		return errors.New("users in the database need a store of users and one of sessions, which this server does not have")
	}
	if err := s.cfg.check(env); err != nil {
		return err
	}
	for _, store := range []any{env.Users, env.Sessions} {
		if p, ok := store.(interface{ Prepare(context.Context) error }); ok {
			if err := p.Prepare(ctx); err != nil {
				return err
			}
		}
	}
	r := &running{env: env, cache: token.NewCache(cached, env.Now), guard: backoff.NewGuard(env.Now), newcomer: backoff.New(env.Now),
		turns: newTurns(), cross: http.NewCrossOriginProtection()}
	r.cache.Limit(s.cfg.recheck)
	r.newcomer.Free, r.newcomer.Max = 20, 10*time.Minute
	r.verifier = token.Verifier{Keys: func() []*token.Key { return s.cfg.keys }, Now: env.Now, Leeway: s.cfg.leeway}
	if first, err := env.Users.Users(ctx, "", 1); err == nil && len(first) == 0 {
		env.Log.Warn("there are no users yet: cds auth setup makes the first", "kind", Kind)
	}
	s.run.Store(r)
	return nil
}

// Authenticate returns the user of the request's token, else of the browser's login; Anonymous if there is neither.
func (s *Strategy) Authenticate(ctx context.Context, r *http.Request) (*auth.User, error) {
	raw, ok, err := s.extract.Token(r)
	if err != nil {
		return nil, err
	}
	run := s.run.Load()
	switch {
	case !ok && (!s.cfg.pages || run == nil):
		return auth.Anonymous, nil
	case run == nil:
		return nil, token.Refuse("token-not-ready", "the strategy has not been set up")
	case !ok:
		return s.byCookie(ctx, run, r)
	}
	if u, ok := run.cache.Get(raw); ok {
		return u, nil
	}
	cleared := run.cache.Cleared() // by a logout meanwhile
	in, err := s.check(ctx, run, raw)
	if err != nil {
		return nil, err
	}
	u, err := s.userOf(in.user, raw)
	if err != nil {
		return nil, err
	}
	run.cache.PutUntil(raw, u, in.expires, time.Time{}, cleared)
	return u, nil
}

// Challenge is what RFC 6750 section 3 wants for requests without a token.
func (s *Strategy) Challenge() string { return "Bearer" }

// Vary tells caches which headers decide about the answer, beside Authorization.
func (s *Strategy) Vary() []string {
	out := s.extract.Vary()
	if s.cfg.pages {
		out = append(out, "Cookie")
	}
	return out
}

// A login is a verified token, with the user as the database has it now.
type login struct {
	user    *auth.StoredUser
	key     *token.Key
	claims  token.Claims
	expires time.Time // zero for never
	issued  time.Time // zero if it does not say
	sid     string    // "" for a token that belongs to no login
}

// check verifies a token, and that its user and its login still count.
func (s *Strategy) check(ctx context.Context, run *running, raw string) (*login, error) {
	t, err := token.Parse(raw)
	if err != nil {
		return nil, err
	}
	in := &login{claims: t.Claims}
	if in.key, err = run.verifier.Verify(ctx, t); err != nil {
		return nil, err
	}
	var ok bool
	if in.expires, ok, _ = t.Claims.Time("exp"); ok { // checked by now
		in.expires = in.expires.Add(s.cfg.leeway)
	}
	in.issued, _, _ = t.Claims.Time("iat")
	if v, there := t.Claims["sid"]; there {
		if in.sid, ok = v.(string); !ok || in.sid == "" {
			return nil, token.Refuse("token-claim", "the claim sid is no text")
		}
	}
	if in.user, err = s.findUser(ctx, run, t.Claims); err != nil {
		return nil, err
	}
	return in, in.counts(ctx, run, raw)
}

// findUser returns the user that a token names. Where ids are numbers, as those of the database are, it has to do so by user_id, a number too; sub alone
// is enough for stores with other ids only. Where both are there, they have to agree.
func (s *Strategy) findUser(ctx context.Context, run *running, c token.Claims) (*auth.StoredUser, error) {
	sub, hasSub := c["sub"].(string)
	id := sub
	v, hasID := c["user_id"]
	if hasID {
		n, ok := v.(json.Number)
		if !ok {
			return nil, token.Refuse("token-claim", "the claim user_id is no number")
		}
		id = n.String()
	}
	if id == "" {
		return nil, token.Refuse("token-claim", "the token names no user: it has neither user_id nor sub")
	}
	find := run.env.Users.UserByID
	if !hasID && s.cfg.byName {
		find = run.env.Users.UserByName
	}
	u, err := find(ctx, id)
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return nil, token.Refuse("token-user", "there is no user %.60q", id)
	case err != nil:
		return nil, err
	case hasSub && sub != s.subject(u):
		return nil, token.Refuse("token-user", "the claims sub and user_id name different users")
	}
	if _, numbered := userNumber(u); numbered && !hasID {
		return nil, token.Refuse("token-claim", "the token has no user_id")
	}
	return u, nil
}

// counts reports why a token that was good once does not count any more.
func (in *login) counts(ctx context.Context, run *running, raw string) error {
	u := in.user
	switch {
	case u.Disabled:
		return token.Refuse("token-user", "user %q is disabled", u.Name)
	case !u.Valid.IsZero() && in.before(u.Valid):
		return token.Refuse("token-ended", "the token is from before the time at which all logins of user %q were ended", u.Name)
	}
	if in.sid != "" {
		x, err := run.env.Sessions.Session(ctx, sessionID(in.sid))
		switch {
		case errors.Is(err, auth.ErrNotFound) || err == nil && x.Subject != subjectOf(u):
			return token.Refuse("token-ended", "the login of user %q that the token belongs to has ended", u.Name)
		case err != nil:
			return err
		}
	}
	if in.sid != "" {
		return nil // a login is ended as a whole
	}
	ids := []string{raw}
	if jti, _ := in.claims["jti"].(string); jti != "" {
		ids = append(ids, jti)
	}
	for _, id := range ids {
		switch _, err := run.env.Sessions.Session(ctx, auth.RevokedID(id)); {
		case err == nil:
			return token.Refuse("token-revoked", "the token was revoked")
		case !errors.Is(err, auth.ErrNotFound):
			return err
		}
	}
	return nil
}

// before reports whether the token was issued before a time. Tokens know whole seconds only: of one of the same second the record of its login tells.
func (in *login) before(t time.Time) bool {
	t = t.Truncate(time.Second)
	if in.sid == "" {
		return !in.issued.After(t)
	}
	return in.issued.Before(t)
}

// subject is the claim sub of a user's tokens, and the id of the user.
func (s *Strategy) subject(u *auth.StoredUser) string {
	if s.cfg.byName {
		return u.Name
	}
	return u.ID
}

// roleAdmin is what users with is_admin have.
const roleAdmin = "admin"

// userOf makes the user of a request.
func (s *Strategy) userOf(u *auth.StoredUser, raw string) (*auth.User, error) {
	id := s.subject(u)
	if err := token.CheckID(id); err != nil {
		return nil, err
	}
	out := auth.New(auth.User{ID: id, Tenant: u.Tenant, Attrs: attrs(u)}, roles(u)...)
	out.Token = auth.Secret(raw)
	return out, nil
}

// attrs are a user's attributes, and the name as username.
func attrs(u *auth.StoredUser) map[string][]string {
	out := map[string][]string{}
	maps.Copy(out, u.Attrs)
	out["username"] = []string{u.Name}
	return out
}

// roles are a user's roles, without those that follow from who somebody is.
func roles(u *auth.StoredUser) []string {
	out := slices.DeleteFunc(slices.Clone(u.Roles), auth.ReservedRole)
	if u.Admin && !slices.Contains(out, roleAdmin) {
		out = append(out, roleAdmin)
	}
	return out
}

// userNumber is the claim user_id: a number, as ids of the database are.
func userNumber(u *auth.StoredUser) (int64, bool) {
	n, err := strconv.ParseInt(u.ID, 10, 64)
	return n, err == nil
}

// log is the server's.
func (run *running) log() *slog.Logger { return run.env.Log }
