package oidc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgtest"
)

// Two issuers and keys of machines side by side. What was begun at one issuer is not taken at the other one, though both use one store and one key.
func TestChain(t *testing.T) {
	a := newApp(t, nil)
	other := newProvider(t, a.clock.now)
	other.claims = map[string]any{"sub": "partner", "sid": "sid-1"}
	member := func(p *provider, path string) map[string]any {
		return map[string]any{"kind": "oidc", "oidc": map[string]any{"issuer": p.URL, "insecureLoopback": true, "clientId": clientID, "clientSecret": clientSecret, "baseUrl": a.URL,
			"path": path, "login": "page", "session": map[string]any{"key": key(1)}}}
	}
	keys := map[string]any{"kind": "apikey", "apikey": map[string]any{"keys": map[string]any{"robot": map[string]any{"hash": "sha256:2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683"}}}} // of "key"
	s, err := a.build(map[string]any{"kind": "chain", "strategies": []any{keys, member(a.p, "/auth"), member(other, "/partner")}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a.h = s.Handler()

	u := a.browser()
	if r := u.visit("/auth/start?returnTo=" + url.QueryEscape(who)); !strings.Contains(r.body, `"u-1 `) {
		t.Fatalf("%d %s\n%s", r.StatusCode, r.body, a.log)
	}
	v := a.browser()
	if r := v.visit("/partner/start?returnTo=" + url.QueryEscape(who)); !strings.Contains(r.body, `"partner `) {
		t.Fatalf("%d %s\n%s", r.StatusCode, r.body, a.log)
	}
	if r := a.browser().do("GET", who, "X-API-Key", "key"); !strings.Contains(r.body, `"robot `) {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	if r := a.browser().visit(who); r.StatusCode != 200 || !strings.Contains(r.body, `href="/auth/start?`) {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	// Mix-up: the answer of one issuer at the callback of the other one.
	mixed := a.browser()
	to := mixed.begin()
	before := other.count("/token")
	login := mixed.cookie("login")
	mixed.visit("/partner/start") // for its cookie
	for _, change := range []func(q url.Values){func(url.Values) {}, func(q url.Values) { q.Set("iss", other.URL) }, func(q url.Values) { q.Del("iss") }} {
		address := with(t, strings.Replace(to, "/auth/callback", "/partner/callback", 1), change)
		r := mixed.do("GET", address, "Accept", "text/html", "Cookie", "cds-login-partner-"+strings.Split(a.URL, ":")[2]+"="+login)
		if r.StatusCode != 400 {
			t.Errorf("%d %s", r.StatusCode, r.body)
		}
	}
	if n := other.count("/token"); n != before+1 { // that of its own login
		t.Errorf("the code was sent to the other issuer: %d requests", n-before)
	}
	// A session of one under the name of the other one.
	at, _ := url.Parse(a.URL)
	swapped := a.browser()
	swapped.c.Jar.SetCookies(at, []*http.Cookie{{Name: "cds-session-partner-" + at.Port(), Value: u.cookie("session"), Path: "/"}})
	swapped.expect("")
	// The back channel of one does not end the other's.
	if code := a.back(a.logoutToken("j", map[string]any{"sub": nil})); code != 200 {
		t.Errorf("%d", code)
	}
	u.expect("")
	v.expect("partner")
}

// Sessions in PostgreSQL.
func TestSession_Postgres(t *testing.T) {
	pool, err := postgres.New().Open(t.Context(), pgtest.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	a := newApp(t, nil)
	a.pool = pool
	s, err := a.build(map[string]any{"kind": "oidc", "oidc": map[string]any{"issuer": a.p.URL, "insecureLoopback": true, "clientId": clientID, "clientSecret": clientSecret, "baseUrl": a.URL,
		"login": "redirect", "session": map[string]any{"idle": "3h"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a.h = s.Handler()
	u, v := a.browser(), a.browser()
	u.login()
	v.login()
	a.clock.add(59*time.Minute + 30*time.Second)
	u.expect("u-1")
	v.expect("u-1")
	if n := a.p.count("/token"); n != 4 {
		t.Errorf("%d requests for tokens", n)
	}
	if r := u.do("POST", "/auth/logout", "Accept", "application/json"); r.StatusCode != 200 {
		t.Errorf("%d", r.StatusCode)
	}
	u.expect("")
	v.expect("u-1")
	if code := a.back(a.logoutToken("j", map[string]any{"sid": nil})); code != 200 {
		t.Errorf("%d", code)
	}
	v.expect("")
	var left int
	for _, value := range []string{u.cookie("session"), v.cookie("session")} {
		if _, err := a.strat.env.Sessions.Session(t.Context(), a.stored(value)); err == nil {
			left++
		}
	}
	if left > 0 {
		t.Errorf("%d records are left", left)
	}
}
