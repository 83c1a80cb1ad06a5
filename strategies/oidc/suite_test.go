package oidc_test

import (
	"crypto"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/oauth2-proxy/mockoidc"

	"cds/runtime/auth"
	"cds/runtime/config"
	ours "cds/strategies/oidc"
	"cds/strategies/strategytest"
)

// The suite of all strategies, with a session as credentials.
func TestSession_Suite(t *testing.T) {
	sec := map[string]any{"key": key(1)}
	a := newApp(t, session(sec))
	u := a.browser()
	u.login()
	cookie := &http.Cookie{Name: "cds-session-" + strings.Split(a.URL, ":")[2], Value: u.cookie("session")}
	strategytest.Run(t, strategytest.Subject{
		New: func(t *testing.T) auth.Strategy {
			s, err := ours.New(config.Section{"oidc": map[string]any{"issuer": a.p.URL, "insecureLoopback": true, "clientId": clientID, "clientSecret": clientSecret, "baseUrl": a.URL, "session": sec, "login": "page"}})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		Env: func(t *testing.T) *auth.Env {
			env := strategytest.Env(t)
			env.Sessions, env.HTTP = a.strat.env.Sessions, a.strat.env.HTTP
			return env
		},
		Good: func(*testing.T) *http.Request {
			r := httptest.NewRequest("GET", "/", nil)
			r.AddCookie(cookie)
			return r
		},
		UserID: "u-1",
		Bad:    []string{"Bearer", "Bearer a.b.c", "bearer x"}, Foreign: []string{"Basic Ym9iOg==", "Negotiate x"},
	})
}

// Logins in several tabs of one browser don't disturb each other.
func TestLogin_Tabs(t *testing.T) {
	a := newApp(t, nil)
	u := a.browser()
	one, two := u.begin(), u.begin()
	for _, to := range []string{one, two} {
		if r := u.visit(to); r.StatusCode >= 400 && r.StatusCode != 404 {
			t.Errorf("%d %s", r.StatusCode, r.body)
		}
		u.expect("u-1")
	}
}

// Of two requests with the same answer one logs in.
func TestLogin_Twice(t *testing.T) {
	a := newApp(t, nil)
	u := a.browser()
	to := u.begin()
	u.c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	var wg sync.WaitGroup
	codes := make([]int, 8)
	for i := range codes {
		wg.Go(func() { codes[i] = u.visit(to).StatusCode })
	}
	wg.Wait()
	n := 0
	for _, c := range codes {
		if c == 303 {
			n++
		} else if c != 400 {
			t.Errorf("%v", codes)
		}
	}
	if n != 1 || a.p.count("/token") != 1 {
		t.Errorf("%v, %d requests for tokens", codes, a.p.count("/token"))
	}
}

// What the library of others refuses is refused here, too.
func TestIDToken_Judge(t *testing.T) {
	a := newApp(t, nil)
	judge := oidc.NewVerifier(a.p.URL, &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{a.p.key.Private.Public()}}, &oidc.Config{ClientID: clientID, Now: a.clock.now})
	now := a.clock.now().Unix()
	agreed := 0
	for _, iss := range []any{a.p.URL, a.p.URL + "/", "", nil} {
		for _, aud := range []any{clientID, []string{clientID}, []string{"x"}, []string{}, "", nil} {
			for _, exp := range []any{now + 60, now - 100, "60", nil} {
				for _, nbf := range []any{nil, now - 10, now + 1000} {
					claims := map[string]any{"iss": iss, "aud": aud, "exp": exp, "nbf": nbf, "sub": "u-1"}
					var refused bool
					a.p.set(func() {
						raw := a.p.sign(claims)
						_, err := judge.Verify(t.Context(), raw)
						refused = err != nil
						a.p.onToken = func(m map[string]any) {
							m["id_token"] = a.p.sign(merge(claims, map[string]any{"nonce": a.p.last.Get("nonce")}))
						}
					})
					u := a.browser()
					u.visit("/auth/start")
					in := u.cookie("session") != ""
					if in && refused {
						t.Errorf("%v: let in, though others refuse the token", claims)
					}
					if in == !refused {
						agreed++
					}
					if in != (iss == a.p.URL && (aud == any(clientID) || equal(aud, clientID)) && exp == any(now+60) && nbf != any(now+1000)) {
						t.Errorf("%v: in %v", claims, in)
					}
					a.clock.add(time.Second)
				}
			}
		}
	}
	if agreed < 250 {
		t.Errorf("agreed %d times only", agreed)
	}
}

func equal(v any, s string) bool {
	list, ok := v.([]string)
	return ok && len(list) == 1 && list[0] == s
}

// A provider that others wrote.
func TestMockOIDC(t *testing.T) {
	m, err := mockoidc.Run()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Shutdown() }()
	m.QueueUser(&mockoidc.MockUser{Subject: "u-1", Email: "alice@example.com", PreferredUsername: "alice", Groups: []string{"admin"}})
	a := newApp(t, nil)
	s, err := a.build(map[string]any{"kind": "oidc", "claims": map[string]any{"roles": "groups"}, "oidc": map[string]any{"issuer": m.Issuer(), "insecureLoopback": true, "clientId": m.ClientID,
		"clientSecret": m.ClientSecret, "clientAuth": "post", "baseUrl": a.URL, "login": "redirect", "scopes": "openid email profile groups"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a.h = s.Handler()
	u := a.browser()
	if r := u.visit("/odata/v4/staff/who()"); r.StatusCode != 200 || !strings.Contains(r.body, "u-1") {
		t.Fatalf("%d %s by %q\n%s", r.StatusCode, r.body, u.trail, a.log)
	}
	m.QueueError(&mockoidc.ServerError{Code: 503, Error: mockoidc.InternalServerError, Description: "down"})
	if r := a.browser().visit("/odata/v4/staff/who()"); r.StatusCode < 400 || r.StatusCode == 500 && strings.Contains(r.Request.URL.String(), a.URL) {
		t.Errorf("%d %s", r.StatusCode, r.Request.URL)
	}
}

// Presets of providers know the issuer.
func TestPresets(t *testing.T) {
	for provider, more := range map[string]map[string]any{
		"auth0": {"domain": "t.eu.auth0.com"}, "keycloak": {"domain": "sso.example.com", "realm": "main"}, "okta": {"domain": "dev-1.okta.com"},
		"azure": {"tenant": "0aef2d4c-0000-4000-8000-1234567890ab"}, "cognito": {"region": "eu-central-1", "pool": "eu-central-1_AbCdEfGhI"},
	} {
		sec := config.Section(merge(more, map[string]any{"provider": provider, "oidc": map[string]any{"clientId": "c", "clientSecret": "s", "baseUrl": "https://a.example"}}))
		s, err := ours.New(sec)
		if err != nil {
			t.Errorf("%s: %v", provider, err)
			continue
		}
		env := strategytest.Env(t)
		if err := s.(auth.Setter).Setup(t.Context(), env); err != nil {
			t.Fatal(err)
		}
		lines, _, _ := s.(auth.Explainer).Explain(t.Context(), "x")
		if host := url.QueryEscape("/.well-known/openid-configuration"); !strings.Contains(url.QueryEscape(lines[0]), host) {
			t.Errorf("%s: %q", provider, lines)
		}
	}
	for _, provider := range []string{"cube", "nobody"} {
		if _, err := ours.New(config.Section{"provider": provider, "oidc": map[string]any{"clientId": "c"}}); err == nil || !strings.Contains(err.Error(), "requires.auth.provider") {
			t.Errorf("%s: %v", provider, err)
		}
	}
}
