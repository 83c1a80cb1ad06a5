// Package oidc is the strategy for OpenID Connect. As a resource server it accepts the tokens of one issuer, found by discovery. As a relying party
// it lets people log in with a browser: authorization code flow with PKCE, a session on the server side that a cookie with a random id points to,
// refresh, logout here and at the issuer, and logout by the issuer (back channel).
//
// The issuer is never needed for the start: it is asked when it is needed first. While it cannot be reached, tokens whose keys are not known are
// refused with 401, and the login page says that it does not work at the moment; sessions go on.
package oidc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/internal/browser"
	"cds/strategies/internal/token"
	"cds/strategies/jwt"
)

// cachedTokens bounds how many verified tokens are remembered.
const cachedTokens = 10_000

// A Strategy is the strategy, made by New and ready after Setup.
type Strategy struct {
	cfg     *section
	extract *token.Extractor
	mapping *token.Mapping

	env        *auth.Env
	background context.Context
	discovery  *token.Discovery
	set        *token.JWKS
	bearer     *token.Verifier // tokens that requests bring
	identity   *token.Verifier // ID tokens of logins
	logout     *token.Verifier // logout tokens of the back channel
	tokens     *token.Cache

	seal     *sealer
	sessions *sessions
	cross    *http.CrossOriginProtection
	starts   *limiter
	flights  flights
	pages    *pages
	cookies  cookieNames
}

// New makes the strategy from the section requires.auth: oidc, provider, claims and token. Errors name the key to set.
func New(cfg config.Section) (auth.Strategy, error) {
	cfg, err := jwt.Preset(cfg)
	if err != nil {
		return nil, err
	}
	sec, err := readSettings(cfg)
	if err != nil {
		return nil, err
	}
	s := &Strategy{cfg: sec, cross: http.NewCrossOriginProtection()}
	if sec.base != nil {
		sec.origins = append(sec.origins, sec.base.String())
	}
	for _, o := range sec.origins {
		if err := s.cross.AddTrustedOrigin(o); err != nil {
			return nil, &auth.ConfigError{Key: at + ".session.origins", Message: err.Error()}
		}
	}
	if s.extract, err = token.NewExtractor(cfg.Strings("token.from")); err != nil {
		return nil, &auth.ConfigError{Key: "requires.auth.token.from", Message: err.Error(), Example: `["bearer"]`}
	}
	if s.mapping, err = token.NewMapping(cfg); err != nil {
		return nil, err
	}
	return s, nil
}

// Setup implements auth.Setter.
func (s *Strategy) Setup(ctx context.Context, env *auth.Env) error {
	s.env, s.background = env, ctx
	s.tokens = token.NewCache(cachedTokens, env.Now)
	opt := token.JWKSOptions{Client: env.HTTP, Now: env.Now, Log: env.Log, TTL: s.cfg.ttl, Refetch: s.cfg.refetch, Stale: s.cfg.stale, Loopback: s.cfg.loopback, Removed: s.tokens.Clear}
	s.discovery = token.NewDiscovery(s.cfg.issuer, opt)
	s.set = s.discovery.JWKS()
	own := []string{s.cfg.issuer}
	s.bearer = s.verifier("", s.cfg.issuers, s.cfg.audience, s.cfg.noAudience, nil)
	s.identity = s.verifier("the ID token's ", own, []string{s.cfg.clientID}, false, []string{"", "JWT"})
	s.logout = s.verifier("the logout token's ", own, []string{s.cfg.clientID}, false, []string{"", "JWT", "logout+jwt"})
	if s.cfg.base == nil {
		return nil
	}
	return s.setupLogin(env)
}

// setupLogin prepares what only browsers need.
func (s *Strategy) setupLogin(env *auth.Env) error {
	plain := s.cfg.base.Scheme == "http"
	switch {
	case env.Production && plain:
		return &auth.ConfigError{Key: at + ".baseUrl", Message: "is http, over which anybody may read the cookies; production needs https", Example: `"https://shop.example.com"`}
	case env.Production && len(s.cfg.keys) == 0:
		return auth.Missing(at+".session.key", "the tokens in sessions are encrypted with it, on every instance of the server with the same one; make one with: openssl rand -base64 32", `"…"`)
	case env.Sessions == nil:
		return errors.New("there is no place for sessions")
	}
	var err error
	if s.seal, err = newSealer(s.cfg.keys); err != nil {
		return err
	}
	if len(s.cfg.keys) == 0 {
		env.Log.Info("oidc: " + at + ".session.key is not set: sessions end with this process")
	}
	s.sessions = newSessions(s.cfg.cache, env.Now)
	s.starts = newLimiter(env.Now)
	s.cookies = namesFor(plain, s.cfg.base.Port(), s.cfg.path)
	s.pages, err = newPages(s.cfg)
	return err
}

// verifier checks tokens of the issuer for some purpose.
func (s *Strategy) verifier(what string, issuer, audience []string, any bool, types []string) *token.Verifier {
	keys := []*token.Key{{Name: what + at, Algorithms: s.cfg.algorithms, Set: s.set, Issuer: issuer, Audience: audience, NoAudience: any, Types: types}}
	return &token.Verifier{Keys: func() []*token.Key { return keys }, Now: s.env.Now, Leeway: s.cfg.leeway}
}

// Close ends fetches that are under way.
func (s *Strategy) Close() error {
	if s.discovery != nil {
		s.set.Close()
		s.discovery.Close()
	}
	return nil
}

// Challenge implements auth.Strategy (RFC 6750 section 3).
func (s *Strategy) Challenge() string { return "Bearer" }

// Vary implements auth.Varier.
func (s *Strategy) Vary() []string {
	out := s.extract.Vary()
	if s.cfg.base != nil && !s.extract.Cookies() {
		out = append(out, "Cookie")
	}
	return out
}

var errNotReady = errors.New("the strategy was not set up")

// Authenticate implements auth.Strategy. A token of the request counts before a session. A session cookie that leads nowhere, because the session has
// ended, counts as none: browsers send it to public pages, too.
func (s *Strategy) Authenticate(ctx context.Context, r *http.Request) (*auth.User, error) {
	if s.env == nil {
		return nil, errNotReady
	}
	raw, ok, err := s.extract.SameOrigin(r, s.cross)
	if err != nil {
		return nil, err
	}
	if ok {
		return s.byToken(ctx, raw)
	}
	if s.cfg.base == nil {
		return auth.Anonymous, nil
	}
	return s.bySession(ctx, r)
}

// byToken verifies a token that the request brought.
func (s *Strategy) byToken(ctx context.Context, raw string) (*auth.User, error) {
	if u, ok := s.tokens.Get(raw); ok {
		return u, nil
	}
	cleared := s.tokens.Cleared()
	c, err := s.verifyBearer(ctx, raw)
	if err != nil {
		return nil, err
	}
	u, err := s.mapping.User(c)
	if err != nil {
		return nil, err
	}
	u.Token = auth.Secret(raw)
	exp, _, _ := c.Time("exp")
	s.tokens.PutUntil(raw, u, exp, s.set.FreshUntil(), cleared)
	return u, nil
}

// verifyBearer verifies an access token, or an ID token where its audience is accepted.
func (s *Strategy) verifyBearer(ctx context.Context, raw string) (token.Claims, error) {
	t, err := token.Parse(raw)
	if err != nil {
		return nil, err
	}
	if _, err := s.bearer.Verify(ctx, t); err != nil {
		return nil, err
	}
	return t.Claims, nil
}

// Prompt implements auth.Prompter: a browser that opens a page of a service is sent to the login, where the configuration says so. Programs, and scripts
// within pages, get 401.
func (s *Strategy) Prompt(w http.ResponseWriter, r *http.Request) bool {
	if s.cfg.login == "" || s.env == nil || s.cfg.base == nil || !browser.Navigation(r) {
		return false
	}
	q := url.Values{}
	if to := browser.Target(r.URL.RequestURI(), s.cfg.path); to != "/" {
		q.Set("returnTo", to)
	}
	redirect(w, withQuery(s.cfg.path+"/login", q))
	return true
}

// Explain implements auth.Explainer: what is expected of tokens, and what is wrong with this one.
func (s *Strategy) Explain(ctx context.Context, credentials string) (lines []string, u *auth.User, err error) {
	if s.env == nil {
		return nil, nil, errNotReady
	}
	lines = append(lines, "issuer "+s.cfg.issuer+", found by "+token.WellKnown(s.cfg.issuer))
	if !s.cfg.noAudience {
		lines = append(lines, "audience "+strings.Join(s.cfg.audience, " or "))
	}
	c, err := s.verifyBearer(ctx, strings.TrimSpace(credentials))
	if err != nil {
		return append(lines, "refused: "+err.Error()), nil, err
	}
	if u, err = s.mapping.User(c); err != nil {
		return append(lines, "refused: "+err.Error()), nil, err
	}
	return lines, u, nil
}

// log returns the logger.
func (s *Strategy) log() *slog.Logger { return s.env.Log }

// redirect sends a browser to a path of ours or an address that was checked. It is not http.Redirect, which changes paths.
func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", ascii(to))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
}

// ascii escapes what is not to be in a header.
func ascii(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func withQuery(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}
