package oidc_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cds/runtime/config"
	"cds/runtime/serve"
	"cds/strategies/oidc"
)

// A configuration that cannot work stops the start and says which key to set.
func TestConfig_Errors(t *testing.T) {
	const ok = `"issuer":"https://i.example","clientId":"c","baseUrl":"https://a.example"`
	for _, tt := range []struct{ section, want string }{
		{`{}`, "requires.auth.oidc.issuer: is missing"},
		{`{"issuer":"https://i.example"}`, "requires.auth.oidc.audience: is missing"},
		{`{"issuer":"http://i.example","clientId":"c"}`, "requires.auth.oidc.issuer"},
		{`{"issuer":"http://127.0.0.1:1","clientId":"c"}`, "insecureLoopback"},
		{`{"issuer":"https://u:p@i.example","clientId":"c"}`, "requires.auth.oidc.issuer"},
		{`{"issuer":"https://i.example?x","clientId":"c"}`, "requires.auth.oidc.issuer"},
		{`{"issuer":"https://i.example","clientSecret":"s","clientId":"c"}`, "requires.auth.oidc.baseUrl: is missing"},
		{`{"issuer":"https://i.example","audience":"c","login":"page","baseUrl":"https://a.example"}`, "requires.auth.oidc.clientId: is missing"},
		{`{` + ok + `,"baseUrl":"http://a.example"}`, "requires.auth.oidc.baseUrl"},
		{`{` + ok + `,"baseUrl":"https://a.example/x"}`, "requires.auth.oidc.baseUrl"},
		{`{` + ok + `,"baseUrl":"https://u@a.example"}`, "requires.auth.oidc.baseUrl"},
		{`{` + ok + `,"redirectUri":"https://b.example/cb"}`, "requires.auth.oidc.redirectUri"},
		{`{` + ok + `,"redirectUri":"https://a.example"}`, "requires.auth.oidc.redirectUri"},
		{`{` + ok + `,"redirectUri":"https://a.example/{x}"}`, "requires.auth.oidc.redirectUri"},
		{`{` + ok + `,"postLogoutRedirectUri":"javascript:x"}`, "requires.auth.oidc.postLogoutRedirectUri"},
		{`{` + ok + `,"login":"sometimes"}`, "requires.auth.oidc.login"},
		{`{` + ok + `,"path":"auth"}`, "requires.auth.oidc.path"},
		{`{` + ok + `,"path":"/a/../b"}`, "requires.auth.oidc.path"},
		{`{` + ok + `,"scopes":["email"]}`, "openid is missing"},
		{`{` + ok + `,"algorithms":["HS256"]}`, "requires.auth.oidc.algorithms"},
		{`{` + ok + `,"algorithms":["none"]}`, "requires.auth.oidc.algorithms"},
		{`{` + ok + `,"claimsFrom":["cookie"]}`, "requires.auth.oidc.claimsFrom"},
		{`{` + ok + `,"clientAuth":"jwt"}`, "requires.auth.oidc.clientAuth"},
		{`{` + ok + `,"params":{"state":"x"}}`, "requires.auth.oidc.params.state"},
		{`{` + ok + `,"leeway":"2m"}`, "requires.auth.oidc.leeway"},
		{`{` + ok + `,"clientID":"x"}`, "requires.auth.oidc.clientID"},
		{`{` + ok + `,"session":{"key":"short"}}`, "requires.auth.oidc.session.key"},
		{`{` + ok + `,"session":{"idle":"2h","absolute":"1h"}}`, "requires.auth.oidc.session.idle"},
		{`{` + ok + `,"session":{"absolute":"9999h"}}`, "requires.auth.oidc.session.absolute"},
		{`{` + ok + `,"session":{"origins":["*"]}}`, "requires.auth.oidc.session.origins"},
		{`{` + ok + `,"session":{"lifetime":1}}`, "requires.auth.oidc.session.lifetime"},
	} {
		var sec map[string]any
		if err := json.Unmarshal([]byte(tt.section), &sec); err != nil {
			t.Fatal(err)
		}
		_, err := oidc.New(config.Section{"oidc": sec})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "short") {
			t.Errorf("%s: %v, want %s", tt.section, err, tt.want)
		}
	}
	if _, err := oidc.New(config.Section{"oidc": map[string]any{"issuer": "https://i.example", "audience": "x"}, "token": map[string]any{"from": "moon"}}); err == nil || !strings.Contains(err.Error(), "requires.auth.token.from") {
		t.Errorf("%v", err)
	}
	if _, err := oidc.New(config.Section{"oidc": map[string]any{"issuer": "https://i.example", "audience": "x"}, "claims": map[string]any{"idd": "sub"}}); err == nil || !strings.Contains(err.Error(), "requires.auth.claims.idd") {
		t.Errorf("%v", err)
	}
}

// What only production asks for.
func TestConfig_Production(t *testing.T) {
	a := &app{t: t, clock: &clock{}, log: &logged{}}
	for _, tt := range []struct {
		sec  map[string]any
		want string // "" for a start
	}{
		{map[string]any{"issuer": "https://i.example", "clientId": "c", "baseUrl": "https://a.example"}, "requires.auth.oidc.session.key"},
		{map[string]any{"issuer": "https://i.example", "clientId": "c", "baseUrl": "http://localhost:4004", "session": map[string]any{"key": key(1)}}, "requires.auth.oidc.baseUrl"},
		{map[string]any{"issuer": "https://i.example", "clientId": "c", "baseUrl": "https://a.example", "session": map[string]any{"key": key(1)}}, ""},
		{map[string]any{"issuer": "https://i.example", "audience": "c"}, ""},
		{map[string]any{"issuer": "https://i.example", "clientId": "c", "baseUrl": "https://a.example", "path": "/odata/v4", "session": map[string]any{"key": key(1)}}, ""},
		{map[string]any{"issuer": "https://i.example", "clientId": "c", "baseUrl": "https://a.example", "path": "/odata/v4/open", "session": map[string]any{"key": key(1)}}, "path-taken"},
	} {
		s, err := a.build(map[string]any{"kind": "oidc", "oidc": tt.sec}, []string{"production"})
		if s != nil {
			s.Close()
		}
		var start *serve.StartError
		if tt.want == "" && err != nil || tt.want != "" && (!errors.As(err, &start) || !strings.Contains(err.Error(), tt.want) || start.Hint == "") {
			t.Errorf("%v: %v", tt.sec, err)
		}
	}
}

// In production cookies are bound to the host and to https.
func TestLogin_Production(t *testing.T) {
	a := newApp(t, nil) // for its provider
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.h.ServeHTTP(w, r) }))
	defer srv.Close()
	a.URL = srv.URL
	s, err := a.build(map[string]any{"kind": "oidc", "oidc": map[string]any{"issuer": a.p.URL, "insecureLoopback": true, "clientId": clientID, "clientSecret": clientSecret, "baseUrl": a.URL,
		"redirectUri": a.URL + "/signin-oidc", "path": "/account", "login": "redirect", "session": map[string]any{"key": key(7)}}}, []string{"production"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a.h = s.Handler()
	u := a.browser()
	u.c.Transport = srv.Client().Transport
	u.login()
	if len(u.trail) != 4 || !strings.HasPrefix(u.trail[0], a.URL+"/account/login") || !strings.HasPrefix(u.trail[2], a.URL+"/signin-oidc?") {
		t.Errorf("%q", u.trail)
	}
	u.c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for i, want := range []string{"__Host-cds-login-account=", "", "__Host-cds-session-account="} {
		next := "/account/start"
		if i > 0 {
			next = u.trail[len(u.trail)-1]
		}
		r := u.visit(next)
		u.trail = append(u.trail, r.Header.Get("Location"))
		set := strings.Join(r.Header["Set-Cookie"], "\n")
		if want == "" {
			continue
		}
		for _, part := range []string{want, "; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax"} {
			if !strings.Contains(set, part) {
				t.Errorf("%s: no %s", set, part)
			}
		}
		if strings.Contains(set, "Domain") {
			t.Errorf("%s", set)
		}
	}
}
