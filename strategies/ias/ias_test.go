package ias_test

import (
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/ias"
	"cds/strategies/internal/idptest"
	"cds/strategies/internal/saptest"
	"cds/strategies/strategytest"
)

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

const issuer = "https://tenant." + saptest.IASDomain

type claims = map[string]any

func section() config.Section {
	return config.Section{"kind": "ias", "credentials": claims{"clientid": "client-1", "url": issuer, "domains": []any{saptest.IASDomain}, "app_tid": "t1"}}
}

func strategy(t *testing.T, l *saptest.Landscape, cfg config.Section) auth.Strategy {
	t.Helper()
	s, err := ias.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	env := &auth.Env{Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler), HTTP: l.Client, Trusted: func(*http.Request) bool { return false }}
	if err := s.(auth.Setter).Setup(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	return s
}

func bearer(token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func with(more claims) claims {
	c := claims{"iss": issuer, "aud": "client-1", "sub": "u-1", "azp": "client-2", "app_tid": "t1"}
	maps.Copy(c, more)
	return c
}

func TestConformance(t *testing.T) {
	l := saptest.New(t)
	good := l.Key(t, issuer).Sign(t, with(nil), now)
	strategytest.Run(t, strategytest.Subject{
		New:     func(t *testing.T) auth.Strategy { return strategy(t, l, section()) },
		Good:    func(*testing.T) *http.Request { return bearer(good) },
		UserID:  "u-1",
		Bad:     []string{"Bearer", "Bearer x", "Bearer a.b.c", "bearer " + good + "x"},
		Foreign: []string{"Basic Ym9iOg=="},
	})
}

func TestUsers(t *testing.T) {
	l := saptest.New(t)
	s := strategy(t, l, section())
	key := l.Key(t, issuer)
	for _, tt := range []struct {
		name   string
		claims claims
		id     string
		roles  string
		tenant string
		attrs  map[string][]string
	}{
		{"a person", nil, "u-1", "", "t1", map[string][]string{}},
		{"attributes", claims{"email": "a@x.example", "groups": []string{"g1", "g2"}, "n": 7, "ok": true, "deep": claims{"x": 1}, "mixed": []any{"a", 1}}, "u-1", "", "t1",
			map[string][]string{"email": {"a@x.example"}, "groups": {"g1", "g2"}, "n": {"7"}, "ok": {"true"}}},
		{"no claim of a person gives a role", claims{"roles": []string{"admin"}, "scope": "admin", "ias_apis": []string{"Read"}}, "u-1", "", "t1", nil},
		{"no tenant", claims{"app_tid": nil}, "u-1", "", "", nil},
		{"several audiences", claims{"aud": []string{"x", "client-1"}}, "u-1", "", "t1", nil},
		{"a technical client", claims{"sub": "client-2", "ias_apis": []string{"Read", "internal-user", "system-user", "any"}}, "system", "Read system-user", "t1", nil},
		{"the application itself", claims{"sub": "client-1", "azp": "client-1"}, "system", "internal-user system-user", "t1", nil},
		{"no client", claims{"azp": nil}, "u-1", "", "t1", nil},
		{"expired 59 s ago", claims{"exp": now.Add(-59 * time.Second).Unix()}, "u-1", "", "t1", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, err := s.Authenticate(t.Context(), bearer(key.Sign(t, with(tt.claims), now)))
			if err != nil {
				t.Fatal(err)
			}
			var roles []string
			for _, r := range u.Roles() {
				if r != auth.RoleAny && r != auth.RoleAuthenticated {
					roles = append(roles, r)
				}
			}
			if got := strings.Join(roles, " "); u.ID != tt.id || got != tt.roles || u.Tenant != tt.tenant {
				t.Errorf("user %q of %q with %q", u.ID, u.Tenant, got)
			}
			if tt.attrs != nil {
				if d := cmp.Diff(tt.attrs, u.Attrs); d != "" {
					t.Errorf("-want +got:\n%s", d)
				}
			}
		})
	}
}

func TestRefused(t *testing.T) {
	l := saptest.New(t)
	s := strategy(t, l, section())
	key := l.Key(t, issuer)
	sign := func(c claims) string { return key.Sign(t, with(c), now) }
	evil := l.Key(t, "https://x.evil.test")
	second := l.Key(t, "https://second."+saptest.IASDomain)
	stranger := idptest.NewKey(t, "RS256")
	stranger.ID = key.ID
	for name, token := range map[string]string{
		"another domain":                       evil.Sign(t, with(claims{"iss": "https://x.evil.test"}), now),
		"a domain that ends the same":          sign(claims{"iss": "https://evil" + saptest.IASDomain}),
		"the domain in front":                  sign(claims{"iss": issuer + ".evil.test"}),
		"the domain as user":                   sign(claims{"iss": "https://x." + saptest.IASDomain + "@x.evil.test"}),
		"the domain as path":                   sign(claims{"iss": "https://x.evil.test/x." + saptest.IASDomain}),
		"the domain as query":                  sign(claims{"iss": "https://x.evil.test?x." + saptest.IASDomain}),
		"the domain as fragment":               sign(claims{"iss": "https://x.evil.test#x." + saptest.IASDomain}),
		"the domain after a backslash":         sign(claims{"iss": `https://x.evil.test\x.` + saptest.IASDomain}),
		"the domain itself":                    sign(claims{"iss": "https://" + saptest.IASDomain}),
		"only a dot in front":                  sign(claims{"iss": "https://." + saptest.IASDomain}),
		"http":                                 sign(claims{"iss": "http://tenant." + saptest.IASDomain}),
		"a slash at the end":                   sign(claims{"iss": issuer + "/"}),
		"no issuer":                            sign(claims{"iss": nil}),
		"another tenant's issuer, our key":     sign(claims{"iss": "https://second." + saptest.IASDomain}),
		"our issuer, another tenant's key":     second.Sign(t, with(nil), now),
		"a stranger's key":                     stranger.Sign(t, with(nil), now),
		"another client":                       sign(claims{"aud": "client-2"}),
		"a client like ours":                   sign(claims{"aud": "client-1.x"}),
		"no audience":                          sign(claims{"aud": nil}),
		"expired 61 s ago":                     sign(claims{"exp": now.Add(-61 * time.Second).Unix()}),
		"no end":                               sign(claims{"exp": nil}),
		"no subject":                           sign(claims{"sub": nil}),
		"an empty subject":                     sign(claims{"sub": ""}),
		"the anonymous user":                   sign(claims{"sub": "anonymous"}),
		"the technical user's name":            sign(claims{"sub": "system"}),
		"client of the wrong type":             sign(claims{"azp": 1}),
		"client with a line break":             sign(claims{"azp": "a\r\nx-evil: 1"}),
		"tenant of the wrong type":             sign(claims{"app_tid": []string{"t1"}}),
		"interfaces with a number":             sign(claims{"sub": "client-2", "ias_apis": []any{"Read", 1}}),
		"bound to a certificate":               sign(claims{"cnf": claims{"x5t#S256": strings.Repeat("A", 43)}}),
		"a token of XSUAA, which is not there": key.Sign(t, saptest.XSUAA("t1", nil), now),
	} {
		t.Run(name, func(t *testing.T) {
			if u, err := s.Authenticate(t.Context(), bearer(token)); !errors.Is(err, auth.ErrCredentials) || u != nil {
				t.Errorf("user %v, error %v", u, err)
			}
		})
	}
	if n := len(l.Requests("evil")); n > 0 {
		t.Errorf("%d requests went where a token said", n)
	}
}

// The service is told which tenant and client ask, so that it answers with keys only for tenants that have the application.
func TestHeaders(t *testing.T) {
	l := saptest.New(t)
	s := strategy(t, l, section())
	key := l.Key(t, issuer)
	var wg sync.WaitGroup
	for i := range 20 {
		token := key.Sign(t, with(claims{"n": i}), now)
		wg.Go(func() {
			if _, err := s.Authenticate(t.Context(), bearer(token)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got := l.Requests("/oauth2/certs")
	if len(got) != 1 || len(l.Requests("openid-configuration")) != 1 {
		t.Fatalf("%d fetches of keys, %d of metadata", len(got), len(l.Requests("openid-configuration")))
	}
	if h := got[0].Header; h.Get("x-client_id") != "client-1" || h.Get("x-app_tid") != "t1" || h.Get("x-azp") != "client-2" {
		t.Errorf("headers %v", h)
	}
	if _, err := s.Authenticate(t.Context(), bearer(key.Sign(t, with(claims{"app_tid": "t2"}), now))); err != nil {
		t.Fatal(err)
	}
	if got := l.Requests("/oauth2/certs"); len(got) != 2 || got[1].Header.Get("x-app_tid") != "t2" {
		t.Errorf("the keys of another tenant were not asked for")
	}
}

func TestBesideXSUAA(t *testing.T) {
	l := saptest.New(t)
	cfg := config.Merge(section(), config.Section{"xsuaa": claims{"credentials": claims{"clientid": "sb-shop!t1", "xsappname": "shop!t1", "uaadomain": l.Domain}}})
	s := strategy(t, l, cfg)
	u, err := s.Authenticate(t.Context(), bearer(l.Key(t, "t1").Sign(t, saptest.XSUAA("t1", nil), now)))
	if err != nil || u.ID != "alice" || !u.Is("Editor") {
		t.Errorf("a token of XSUAA: %v %v", u, err)
	}
	u, err = s.Authenticate(t.Context(), bearer(l.Key(t, issuer).Sign(t, with(nil), now)))
	if err != nil || u.ID != "u-1" {
		t.Errorf("a token of Identity Authentication: %v %v", u, err)
	}
	for name, token := range map[string]string{
		"XSUAA's claims, the other's key": l.Key(t, issuer).Sign(t, saptest.XSUAA("t1", nil), now),
		"the other's issuer, XSUAA's key": l.Key(t, "t1").Sign(t, saptest.XSUAA("t1", claims{"iss": issuer}), now),
		"the other's claims, XSUAA's key": l.Key(t, "t1").Sign(t, with(nil), now),
		"an issuer that is neither's":     l.Key(t, issuer).Sign(t, with(claims{"iss": "https://evil.test"}), now),
		"XSUAA's for another application": l.Key(t, "t1").Sign(t, saptest.XSUAA("t1", claims{"aud": "client-1"}), now),
	} {
		if u, err := s.Authenticate(t.Context(), bearer(token)); !errors.Is(err, auth.ErrCredentials) || u != nil {
			t.Errorf("%s: user %v, error %v", name, u, err)
		}
	}
	lines, _, err := s.(auth.Explainer).Explain(t.Context(), l.Key(t, "t1").Sign(t, saptest.XSUAA("t1", nil), now))
	if err != nil || len(lines) < 3 || !strings.Contains(lines[0], "XSUAA") {
		t.Errorf("%v %q", err, lines)
	}
}

// Each of the two has its own rule about certificates: that of one does not open or shut the other.
func TestBesideRules(t *testing.T) {
	l := saptest.New(t)
	bound := claims{"cnf": claims{"x5t#S256": strings.Repeat("A", 43)}}
	own, other := bearer(l.Key(t, issuer).Sign(t, with(bound), now)), bearer(l.Key(t, "t1").Sign(t, saptest.XSUAA("t1", bound), now))
	for _, c := range []struct {
		own, other         any
		ownPass, otherPass bool
	}{{true, false, false, true}, {false, true, true, false}} {
		x := claims{"credentials": claims{"clientid": "sb-shop!t1", "xsappname": "shop!t1", "uaadomain": l.Domain}, "x5t": c.other}
		s := strategy(t, l, config.Merge(section(), config.Section{"x5t": c.own, "xsuaa": x}))
		for range 2 { // once more, when they are known
			if _, err := s.Authenticate(t.Context(), own); (err == nil) != c.ownPass {
				t.Errorf("x5t %v beside %v: %v", c.own, c.other, err)
			}
			if _, err := s.Authenticate(t.Context(), other); (err == nil) != c.otherPass {
				t.Errorf("x5t %v of XSUAA beside %v: %v", c.other, c.own, err)
			}
		}
	}
}

func TestLocalhost(t *testing.T) {
	l := saptest.New(t)
	const local = "https://tenant.localhost:8443"
	cfg := config.Merge(section(), config.Section{"credentials": claims{"domains": []any{"localhost"}}})
	s := strategy(t, l, cfg).(auth.Explainer)
	for iss, want := range map[string]bool{local: true, "https://tenant.localhost": true, "https://tenant.localhost.evil.test": false, "https://localhost:8443": false, "https://tenant.localhost:8443/x": false} {
		_, _, err := s.Explain(t.Context(), l.Key(t, local).Sign(t, with(claims{"iss": iss}), now))
		if refused := err != nil && strings.Contains(err.Error(), "token-issuer"); refused == want {
			t.Errorf("%s: %v", iss, err)
		}
	}
}

func TestConfiguration(t *testing.T) {
	for _, tt := range []struct {
		cfg  config.Section
		want string
	}{
		{config.Section{}, "requires.auth.credentials: is missing"},
		{config.Section{"credentials": claims{"domains": []any{"a.b"}}}, "requires.auth.credentials.clientid"},
		{config.Section{"credentials": claims{"clientid": "c"}}, "requires.auth.credentials.domains"},
		{config.Section{"credentials": claims{"clientid": "c", "domains": []any{}}}, "requires.auth.credentials.domains"},
		{config.Section{"credentials": claims{"clientid": "c", "domains": []any{"com"}}}, "requires.auth.credentials.domains"},
		{config.Section{"credentials": claims{"clientid": "c", "domains": []any{"https://a.b"}}}, "requires.auth.credentials.domains"},
		{config.Merge(section(), config.Section{"xsuaa": claims{"credentials": claims{"clientid": "c"}}}), "requires.xsuaa.credentials.xsappname"},
	} {
		if _, err := ias.New(tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want an error with %s", err, tt.want)
		}
	}
}
