// Package xsuaa is the strategy for tokens of the XSUAA service of SAP's Business Technology Platform: its keys by tenant, its audiences, scopes as
// roles, attributes, and technical users by the grant type.
package xsuaa

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/internal/sap"
	"cds/strategies/internal/settings"
	"cds/strategies/internal/token"
)

// leeway is how much clocks may differ; known is how many verified tokens are known.
const (
	leeway = time.Minute
	known  = 10_000
)

// A Strategy accepts tokens of one XSUAA instance. It is safe for concurrent use after Setup.
type Strategy struct {
	sap.Door

	clientID, appName, domain string
	zone                      string // of the provider, "" if the credentials don't tell
	ca                        string
	zones                     *sap.Sets

	now    func() time.Time
	log    *slog.Logger
	client *http.Client
}

// Fits reports whether a section has the credentials of an XSUAA instance.
func Fits(cfg config.Section) bool {
	c := cfg.Sub("credentials")
	return c.Str("uaadomain") != "" && c.Str("xsappname") != ""
}

// New makes the strategy from the section requires.auth: credentials with clientid, xsappname and uaadomain, which a bound service has; x5t and ca. Errors: credentials that
// are not there.
func New(cfg config.Section) (auth.Strategy, error) { return newStrategy(cfg, "requires.auth") }

// Beside makes the strategy for the tokens of an instance that is bound beside another identity service. path is where its section is.
func Beside(cfg config.Section, path string) (*Strategy, error) { return newStrategy(cfg, path) }

func newStrategy(cfg config.Section, path string) (*Strategy, error) {
	if cfg.Sub("credentials") == nil {
		return nil, auth.Missing(path+".credentials", "no XSUAA instance is bound to the application (VCAP_SERVICES, SERVICE_BINDING_ROOT, cds bind)",
			`{"clientid":"sb-shop!t1","clientsecret":"…","url":"https://tenant.authentication.example","uaadomain":"authentication.example","xsappname":"shop!t1"}`)
	}
	r := settings.New(cfg, path)
	c := r.Section("credentials")
	s := &Strategy{clientID: c.Text("clientid"), appName: c.Text("xsappname"), domain: c.Text("uaadomain"), ca: r.Text("ca"), Door: sap.Door{Cert: sap.ReadCertRule(r), Cross: http.NewCrossOriginProtection()},
		now: time.Now, log: slog.New(slog.DiscardHandler), client: sap.DefaultClient()}
	for _, name := range []string{"identityzoneid", "zoneid", "tenantid"} {
		if zid := cfg.Sub("credentials").Str(name); s.zone == "" && sap.ValidID(zid) {
			s.zone = zid
		}
	}
	var err error
	if s.Extract, err = token.NewExtractor(r.Section("token").Texts("from")); err != nil {
		r.Fail("token.from", "", "%v", err)
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	for _, need := range []struct{ key, value, why, example string }{
		{"clientid", s.clientID, "tokens for other applications would be accepted", `"sb-shop!t1"`},
		{"xsappname", s.appName, "it tells which scopes are the application's", `"shop!t1"`},
		{"uaadomain", s.domain, "it is where the keys of tokens are", `"authentication.eu10.hana.ondemand.com"`},
	} {
		if need.value == "" {
			return nil, auth.Missing(path+".credentials."+need.key, need.why, need.example)
		}
	}
	if !sap.ValidHost(s.domain) {
		return nil, &auth.ConfigError{Key: path + ".credentials.uaadomain", Message: "is not the name of a host", Example: `"authentication.eu10.hana.ondemand.com"`}
	}
	s.open()
	return s, nil
}

// open makes the caches, which know the clock and the client.
func (s *Strategy) open() {
	s.Cache, s.Judge = token.NewCache(known, s.now), s.Verify
	s.zones = sap.NewSets(s.now, func(zid string) *token.JWKS {
		return token.NewJWKS(token.JWKSOptions{URL: s.keysURL(zid), Client: s.client, Now: s.now, Log: s.log, Removed: s.Cache.Clear})
	})
}

// keysURL is where the keys of a tenant are. It is made of the configured domain only: what the token says of it (jku) is not looked at.
func (s *Strategy) keysURL(zid string) string {
	return "https://" + s.domain + "/token_keys?zid=" + url.QueryEscape(zid)
}

// Setup takes the client, the clock and what is known of proxies. The provider's keys are fetched in the background: a service that is down does not stop the start, the log tells,
// and tokens are refused until it is back.
func (s *Strategy) Setup(ctx context.Context, env *auth.Env) error {
	client, err := sap.Client(env, s.ca)
	if err != nil {
		return err
	}
	s.zones.Close()
	s.client, s.now, s.log, s.Cert.Trusted = client, env.Now, env.Log, env.Trusted
	s.open()
	if s.zone == "" {
		return nil
	}
	if set, err := s.zones.Get(s.zone); err == nil {
		s.zones.Proven(s.zone)                // by the credentials: tokens that name other tenants must not displace it
		go func() { _ = set.Prefetch(ctx) }() // which logs its failures; a request tries again
	}
	return nil
}

// Close ends fetches that are under way.
func (s *Strategy) Close() error {
	s.zones.Close()
	return nil
}

// Verify checks all of a token but its binding to a certificate, and makes the user. It also returns the token's end.
func (s *Strategy) Verify(ctx context.Context, t *token.Token) (*auth.User, time.Time, error) {
	zid, _ := t.Claims["zid"].(string)
	if !sap.ValidID(zid) {
		return nil, time.Time{}, token.Refuse("token-claim", "the claim zid, which names the tenant, is missing or malformed")
	}
	key := &token.Key{
		Name:       "the keys of " + s.domain,
		Algorithms: []string{"RS256", "RS384"},
		NoIssuer:   true, // the keys of the tenant at the configured domain are the issuer
		Audience:   []string{s.clientID, s.appName},
		Audiences:  audiences,
	}
	v := &token.Verifier{Keys: func() []*token.Key { return []*token.Key{key} }, Now: s.now, Leeway: leeway}
	if err := v.CheckClaims(t, key); err != nil { // first, so that nothing is fetched for tokens that are refused anyway
		return nil, time.Time{}, err
	}
	var err error
	if key.Set, err = s.zones.Get(zid); err != nil {
		return nil, time.Time{}, err
	}
	if _, err = v.Verify(ctx, t); err != nil {
		return nil, time.Time{}, err
	}
	s.zones.Proven(zid)
	u, err := s.user(t, zid)
	if err != nil {
		return nil, time.Time{}, err
	}
	exp, _, err := t.Claims.Time("exp")
	return u, exp, err
}

// audiences are the entries of aud, each whole and up to its first dot; without aud those of the scopes, which begin with an application's name.
func audiences(c token.Claims) []string {
	list := c.Strings("aud")
	if len(list) == 0 {
		list = scopesOf(c)
		for i, scope := range list {
			j := strings.LastIndexByte(scope, '.')
			list[i] = scope[:max(j, 0)]
		}
	}
	out := list[:len(list):len(list)]
	for _, a := range list {
		if name, _, cut := strings.Cut(a, "."); cut {
			out = append(out, name)
		}
	}
	return out
}

// scopesOf returns the scopes: a list, or a text with blanks between them.
func scopesOf(c token.Claims) []string {
	if s, ok := c.Str("scope"); ok {
		return strings.Fields(s)
	}
	return slices.Clone(c.Strings("scope"))
}

// Explain says what decided about a token.
func (s *Strategy) Explain(ctx context.Context, credentials string) (lines []string, u *auth.User, err error) {
	t, err := token.Parse(strings.TrimSpace(credentials))
	if err != nil {
		return []string{"the token can't be read: " + err.Error()}, nil, err
	}
	zid, _ := t.Claims.Str("zid")
	lines = []string{
		fmt.Sprintf("application %q, client %q", s.appName, s.clientID),
		fmt.Sprintf("signed with %q by the key %q of %s", t.Header.Alg, t.Header.Kid, s.keysURL(zid)),
		fmt.Sprintf("audiences: %q", audiences(t.Claims)),
	}
	if t.Header.JKU != "" {
		lines = append(lines, fmt.Sprintf("the header's jku %.100q is not looked at", t.Header.JKU))
	}
	u, _, err = s.Verify(ctx, t)
	if err != nil {
		return append(lines, "refused: "+err.Error()), nil, err
	}
	if _, bound := t.Claims["cnf"]; bound && !s.Cert.Off {
		lines = append(lines, "bound to a client certificate, which each request has to show")
	}
	return append(lines, fmt.Sprintf("accepted: user %q, tenant %q, roles %v", u.ID, u.Tenant, u.Roles())), u, nil
}
