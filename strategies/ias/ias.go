// Package ias is the strategy for tokens of SAP's Identity Authentication service: issuers below the configured domains, keys by discovery, technical users by
// the client, and none of its claims gives a role to a person. Beside it tokens of XSUAA may be accepted.
package ias

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/internal/sap"
	"cds/strategies/internal/settings"
	"cds/strategies/internal/token"
	"cds/strategies/xsuaa"
)

// leeway is how much clocks may differ; known is how many verified tokens are known.
const (
	leeway = time.Minute
	known  = 10_000
)

// A Strategy accepts tokens for one client of Identity Authentication. It is safe for concurrent use after Setup.
type Strategy struct {
	sap.Door

	clientID string
	domains  []string // in lower case, without a dot in front
	ca       string
	sets     *sap.Sets
	beside   *xsuaa.Strategy // nil for none

	now    func() time.Time
	log    *slog.Logger
	client *http.Client
}

// Fits reports whether a section has the credentials of Identity Authentication.
func Fits(cfg config.Section) bool {
	c := cfg.Sub("credentials")
	return c.Str("clientid") != "" && (len(c.Strings("domains")) > 0 || c.Str("domain") != "")
}

// New makes the strategy from the section requires.auth: credentials with clientid and domains, which a bound service has; x5t, ca, and xsuaa, the section of an XSUAA
// instance whose tokens are accepted too. Errors: credentials that are not there.
func New(cfg config.Section) (auth.Strategy, error) {
	if cfg.Sub("credentials") == nil {
		return nil, auth.Missing("requires.auth.credentials", "no instance of Identity Authentication is bound to the application (VCAP_SERVICES, SERVICE_BINDING_ROOT, cds bind)",
			`{"clientid":"…","url":"https://tenant.accounts.example","domains":["accounts.example"]}`)
	}
	r := settings.New(cfg, "requires.auth")
	c := r.Section("credentials")
	s := &Strategy{clientID: c.Text("clientid"), ca: r.Text("ca"), Door: sap.Door{Cert: sap.ReadCertRule(r), Cross: http.NewCrossOriginProtection()}, now: time.Now, log: slog.New(slog.DiscardHandler), client: sap.DefaultClient()}
	for _, d := range append(c.Texts("domains"), c.Texts("domain")...) {
		d = strings.ToLower(strings.TrimPrefix(d, "."))
		if !sap.ValidHost(d) || !strings.Contains(d, ".") && d != "localhost" && !strings.HasPrefix(d, "localhost:") {
			c.Fail("domains", `such as ["accounts.ondemand.com"]`, "%.100q is not the name of a domain", d)
			continue
		}
		s.domains = append(s.domains, d)
	}
	var err error
	if s.Extract, err = token.NewExtractor(r.Section("token").Texts("from")); err != nil {
		r.Fail("token.from", "", "%v", err)
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	if s.clientID == "" {
		return nil, auth.Missing("requires.auth.credentials.clientid", "tokens for other applications would be accepted", `"0ff1ce00-0000-0000-0000-000000000000"`)
	}
	if len(s.domains) == 0 {
		return nil, auth.Missing("requires.auth.credentials.domains", "tokens of any issuer would be accepted", `["accounts.ondemand.com"]`)
	}
	if other := cfg.Sub("xsuaa"); other != nil {
		if s.beside, err = xsuaa.Beside(other, "requires.xsuaa"); err != nil {
			return nil, err
		}
	}
	s.open()
	return s, nil
}

func (s *Strategy) open() {
	s.Cache, s.Judge, s.Other = token.NewCache(known, s.now), s.verify, s.other
	s.sets = sap.NewSets(s.now, s.keys)
}

// Setup takes the client, the clock and what is known of proxies.
func (s *Strategy) Setup(ctx context.Context, env *auth.Env) error {
	client, err := sap.Client(env, s.ca)
	if err != nil {
		return err
	}
	s.sets.Close()
	s.client, s.now, s.log, s.Cert.Trusted = client, env.Now, env.Log, env.Trusted
	s.open()
	if s.beside != nil {
		return s.beside.Setup(ctx, env)
	}
	return nil
}

// Close ends fetches that are under way.
func (s *Strategy) Close() error {
	s.sets.Close()
	if s.beside != nil {
		return s.beside.Close()
	}
	return nil
}

// other is the door of XSUAA for tokens of other issuers.
func (s *Strategy) other(t *token.Token) *sap.Door {
	if iss, _ := t.Claims["iss"].(string); s.beside == nil || s.issuerOK(iss) {
		return nil
	}
	return &s.beside.Door
}

func (s *Strategy) verify(ctx context.Context, t *token.Token) (*auth.User, time.Time, error) {
	iss, _ := t.Claims["iss"].(string)
	key := &token.Key{
		Name:       "the keys of " + iss,
		Algorithms: []string{"RS256", "RS384", "ES256"},
		Issuer:     []string{"https://*." + strings.Join(s.domains, ", https://*.")},
		IssuerOK:   s.issuerOK,
		Audience:   []string{s.clientID},
	}
	v := &token.Verifier{Keys: func() []*token.Key { return []*token.Key{key} }, Now: s.now, Leeway: leeway}
	if err := v.CheckClaims(t, key); err != nil { // first, so that nothing is fetched for tokens that are refused anyway
		return nil, time.Time{}, err
	}
	name, err := source(t.Claims)
	if err != nil {
		return nil, time.Time{}, err
	}
	if key.Set, err = s.sets.Get(name); err != nil {
		return nil, time.Time{}, err
	}
	if _, err = v.Verify(ctx, t); err != nil {
		return nil, time.Time{}, err
	}
	s.sets.Proven(name)
	u, err := s.user(t)
	if err != nil {
		return nil, time.Time{}, err
	}
	exp, _, err := t.Claims.Time("exp")
	return u, exp, err
}

// issuerOK reports whether an issuer is https and a host below one of the domains, and nothing else that a URL may have: where its keys are fetched is made of it.
func (s *Strategy) issuerOK(iss string) bool {
	host, ok := strings.CutPrefix(iss, "https://")
	return ok && s.below(host)
}

// below reports whether a host is below one of the domains.
func (s *Strategy) below(host string) bool {
	if !sap.ValidHost(host) {
		return false
	}
	host = strings.ToLower(host)
	for _, d := range s.domains {
		at := host
		if d == "localhost" {
			at, _, _ = strings.Cut(host, ":") // stand-ins are at any port
		}
		if sub, ok := strings.CutSuffix(at, "."+d); ok && sub != "" {
			return true
		}
	}
	return false
}

// source names where the keys of a token are: its issuer, and the application's tenant and client that the issuer is told, so that it answers with keys only for
// tenants that have the application.
func source(c token.Claims) (string, error) {
	parts := []string{"", "", ""}
	parts[0], _ = c["iss"].(string)
	for i, name := range []string{"app_tid", "azp"} {
		v, ok := c[name]
		if !ok || v == nil {
			continue
		}
		text, _ := v.(string)
		if !sap.ValidID(text) {
			return "", token.Refuse("token-claim", "the claim %s is malformed", name)
		}
		parts[i+1] = text
	}
	return strings.Join(parts, "\n"), nil
}

// keys makes the key set of a source.
func (s *Strategy) keys(source string) *token.JWKS {
	parts := strings.SplitN(source, "\n", 3)
	header := http.Header{"X-Client_id": {s.clientID}}
	if parts[1] != "" {
		header["X-App_tid"] = []string{parts[1]}
	}
	if parts[2] != "" {
		header["X-Azp"] = []string{parts[2]}
	}
	find := func(ctx context.Context) (string, error) {
		m, err := token.Discover(ctx, s.client, parts[0])
		if err != nil {
			return "", err
		}
		u, err := url.Parse(m.JWKSURI)
		if err != nil || u.Scheme != "https" || !s.below(u.Host) {
			return "", errors.New("the metadata name a key set outside of the configured domains")
		}
		return m.JWKSURI, nil
	}
	return token.NewJWKS(token.JWKSOptions{Find: find, Header: header, Client: s.client, Now: s.now, Log: s.log, Removed: s.Cache.Clear})
}

// Explain says what decided about a token.
func (s *Strategy) Explain(ctx context.Context, credentials string) (lines []string, u *auth.User, err error) {
	t, err := token.Parse(strings.TrimSpace(credentials))
	if err != nil {
		return []string{"the token can't be read: " + err.Error()}, nil, err
	}
	iss, _ := t.Claims.Str("iss")
	if s.beside != nil && !s.issuerOK(iss) {
		lines, u, err = s.beside.Explain(ctx, credentials)
		return append([]string{fmt.Sprintf("the issuer %.100q is not below %s, so XSUAA decides", iss, strings.Join(s.domains, ", "))}, lines...), u, err
	}
	lines = []string{
		fmt.Sprintf("client %q, issuers below %s", s.clientID, strings.Join(s.domains, ", ")),
		fmt.Sprintf("issuer %.100q, signed with %q by the key %q, audiences %q", iss, t.Header.Alg, t.Header.Kid, t.Claims.Strings("aud")),
	}
	u, _, err = s.verify(ctx, t)
	if err != nil {
		return append(lines, "refused: "+err.Error()), nil, err
	}
	if _, bound := t.Claims["cnf"]; bound && !s.Cert.Off {
		lines = append(lines, "bound to a client certificate, which each request has to show")
	}
	return append(lines, fmt.Sprintf("accepted: user %q, tenant %q, roles %v", u.ID, u.Tenant, u.Roles())), u, nil
}
