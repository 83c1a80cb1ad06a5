// Package jwt is the strategy for bearer tokens of any issuer: JSON Web Tokens that are verified with keys from the configuration, several of
// them side by side, and opaque tokens that an introspection endpoint knows.
package jwt

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/internal/token"
)

// cached is how many verified tokens are known at most.
const cached = 20_000

// A Strategy authenticates requests by their tokens.
type Strategy struct {
	cfg     *settingsOf
	extract *token.Extractor
	mapping *token.Mapping
	cross   *http.CrossOriginProtection

	run atomic.Pointer[running]
}

// running is what depends on what the server lends.
type running struct {
	now      func() time.Time
	keys     *keyring
	verifier token.Verifier
	cache    *token.Cache
	ask      *introspector     // nil: no introspection
	revoked  auth.SessionStore // nil: no list of revoked tokens
}

// New makes the strategy from the section requires.auth: jwt, provider, claims, token, introspection, revocation, optional. Nothing is fetched
// yet. Errors are *config.Error or *auth.ConfigError and name the key to set.
func New(cfg config.Section) (auth.Strategy, error) {
	s := &Strategy{cross: http.NewCrossOriginProtection()}
	var err error
	if s.cfg, err = read(cfg); err != nil {
		return nil, err
	}
	if s.extract, err = token.NewExtractor(s.cfg.from); err != nil {
		return nil, &auth.ConfigError{Key: "requires.auth.token.from", Message: err.Error(), Example: `["bearer"]`}
	}
	for _, o := range s.cfg.origins {
		if err := s.cross.AddTrustedOrigin(o); err != nil {
			return nil, &auth.ConfigError{Key: "requires.auth.token.origins", Message: err.Error(), Example: `["https://app.example.com"]`}
		}
	}
	if s.mapping, err = token.NewMapping(s.cfg.section); err != nil {
		return nil, err
	}
	env := &auth.Env{Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	if err := s.start(env); err != nil {
		return nil, err
	}
	return s, nil
}

// Setup takes the clock, the client for outgoing calls and the stores of the server, and fetches key sets in the background. Errors: settings that
// production does not allow, a key file that can't be read, revocation without a store.
func (s *Strategy) Setup(ctx context.Context, env *auth.Env) error {
	if err := s.cfg.check(env); err != nil {
		return err
	}
	if s.cfg.revocation && env.Sessions == nil {
		return &auth.ConfigError{Key: "requires.auth.revocation.store", Message: "the server has no store for sessions"}
	}
	if err := s.start(env); err != nil {
		return err
	}
	r := s.run.Load()
	go func() {
		r.keys.prefetch(ctx)
		<-ctx.Done()
		r.keys.close()
	}()
	return nil
}

func (s *Strategy) start(env *auth.Env) error {
	r := &running{now: env.Now, cache: token.NewCache(cached, env.Now)}
	var err error
	if r.keys, err = newKeyring(s.cfg, env, r.cache.Clear); err != nil {
		return err
	}
	r.verifier = token.Verifier{Keys: r.keys.list, Now: env.Now, Leeway: s.cfg.leeway}
	if s.cfg.introspection != nil {
		r.ask = newIntrospector(s.cfg.introspection, env)
	}
	if s.cfg.revocation {
		r.revoked = env.Sessions
		r.cache.Limit(s.cfg.revocationAge)
	}
	if old := s.run.Swap(r); old != nil {
		old.keys.close()
	}
	return nil
}

// Authenticate returns the user of the request's token; Anonymous if there is none. What is wrong with a token is for the log; the client learns that it
// is invalid.
func (s *Strategy) Authenticate(ctx context.Context, r *http.Request) (*auth.User, error) {
	raw, ok, err := s.extract.SameOrigin(r, s.cross)
	if err == nil && ok {
		var u *auth.User
		if u, err = s.User(ctx, raw); err == nil {
			return u, nil
		}
	}
	if err != nil && !s.cfg.optional {
		return nil, err
	}
	return auth.Anonymous, nil
}

// Message returns the user of a message of a websocket, which has its own token in data.token; Anonymous if it has none.
func (s *Strategy) Message(ctx context.Context, msg []byte) (*auth.User, error) {
	raw, ok, err := s.extract.FromMessage(msg)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return auth.Anonymous, nil
	}
	return s.User(ctx, raw)
}

// Challenge is what RFC 6750 section 3 wants for requests without a token.
func (s *Strategy) Challenge() string { return "Bearer" }

// Vary tells caches which headers decide about the answer, beside Authorization.
func (s *Strategy) Vary() []string { return s.extract.Vary() }

// User returns the user of a token. Errors wrap auth.ErrCredentials.
func (s *Strategy) User(ctx context.Context, raw string) (*auth.User, error) {
	r := s.run.Load()
	r.keys.refresh()
	if u, ok := r.cache.Get(raw); ok {
		return u, nil
	}
	cleared := r.cache.Cleared()
	u, until, err := s.verify(ctx, r, raw)
	if err != nil {
		return nil, err
	}
	r.cache.PutUntil(raw, u, until.exp, until.keys, cleared)
	return u, nil
}

// until is how long a verified token counts: its own end, and that of the key set that it was verified with.
type until struct{ exp, keys time.Time }

func (s *Strategy) verify(ctx context.Context, r *running, raw string) (*auth.User, until, error) {
	var end until
	claims, err := s.claims(ctx, r, raw, &end)
	if err != nil {
		return nil, end, err
	}
	u, err := s.mapping.User(claims)
	if err != nil {
		return nil, end, err
	}
	u.Token = auth.Secret(raw)
	return u, end, nil
}

// claims returns the claims of a token that counts.
func (s *Strategy) claims(ctx context.Context, r *running, raw string, end *until) (token.Claims, error) {
	var claims token.Claims
	t, err := token.Parse(raw)
	switch {
	case err == nil && r.keys.any():
		key, err := r.verifier.Verify(ctx, t)
		if err != nil {
			return nil, err
		}
		if key.Set != nil {
			end.keys = key.Set.FreshUntil()
		}
		claims = t.Claims
	case r.ask == nil && err != nil:
		return nil, err
	case r.ask == nil:
		return nil, token.Refuse("token-unknown-key", "no key is configured")
	case err != nil && r.keys.any() && !token.Opaque(raw): // a token of the issuer's kind that is broken
		return nil, err
	}
	if r.ask != nil && (claims == nil || r.ask.cfg.always) {
		answer, err := r.ask.token(ctx, raw)
		if err != nil {
			return nil, err
		}
		if err := r.verifier.CheckClaims(&token.Token{Claims: answer}, r.ask.key(answer)); err != nil {
			return nil, err
		}
		if claims == nil {
			claims = answer
		}
	}
	end.exp, _, _ = claims.Time("exp") // checked by now
	if !end.exp.IsZero() {
		end.exp = end.exp.Add(s.cfg.leeway)
	}
	return claims, s.notRevoked(ctx, r, raw, claims)
}

// notRevoked looks a token up in the list of revoked ones, by its id (jti) and by itself. A list that can't be read lets nobody in.
func (s *Strategy) notRevoked(ctx context.Context, r *running, raw string, c token.Claims) error {
	if r.revoked == nil {
		return nil
	}
	ids := []string{auth.RevokedID(raw)}
	if jti, _ := c["jti"].(string); jti != "" {
		ids = append(ids, auth.RevokedID(jti))
	}
	for _, id := range ids {
		switch _, err := r.revoked.Session(ctx, id); {
		case err == nil:
			return token.Refuse("token-revoked", "the token was revoked")
		case !errors.Is(err, auth.ErrNotFound):
			return token.Refuse("token-revocation-unavailable", "the list of revoked tokens can't be read: %v", err)
		}
	}
	return nil
}
