package oidc_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/oidc"
)

func key(b byte) string {
	return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32))
}

func session(settings map[string]any) func(sec map[string]any) {
	return func(sec map[string]any) { sec["session"] = settings }
}

// stored returns the id of the record of a session.
func (a *app) stored(value string) string {
	sum := sha256.Sum256([]byte(a.p.URL + "\x00" + clientID + "\x00" + value))
	return "oidc:s:" + hex.EncodeToString(sum[:])
}

// A session that is used goes on, up to its absolute end; one that is not used ends before.
func TestSession_Times(t *testing.T) {
	a := newApp(t, session(map[string]any{"idle": "1h", "absolute": "8h"}))
	a.p.noRefresh = true
	u, idle := a.browser(), a.browser()
	u.login()
	idle.login()
	for range 9 {
		a.clock.add(50 * time.Minute)
		u.expect("u-1")
	}
	idle.expect("")
	a.clock.add(29 * time.Minute) // 7:59 after the login
	u.expect("u-1")
	a.clock.add(2 * time.Minute)
	u.expect("")
	if n := a.p.count("/token"); n != 2 {
		t.Errorf("%d requests for tokens", n)
	}
}

// What is known of a session ends with it, though it was read just now; and a configuration that has become stricter counts for sessions that are there.
func TestSession_Ends(t *testing.T) {
	a := newApp(t, session(map[string]any{"absolute": "1m", "idle": "1m", "cache": "30s", "key": key(1)}))
	u := a.browser()
	u.login()
	a.clock.add(59 * time.Second)
	u.expect("u-1")
	a.clock.add(2 * time.Second)
	u.expect("")

	a = newApp(t, session(map[string]any{"absolute": "8h", "idle": "8h", "key": key(1)}))
	u = a.browser()
	u.login()
	strict := a.another(t, map[string]any{"session": map[string]any{"absolute": "2h", "idle": "1h", "key": key(1)}})
	if got := u.ask(t, strict); got != "u-1" {
		t.Error(got)
	}
	a.clock.add(61 * time.Minute)
	if got := u.ask(t, strict); got != "anonymous" {
		t.Error(got)
	}
}

// The store has nothing that is of use to who reads it, and records can't be exchanged.
func TestSession_Stored(t *testing.T) {
	a := newApp(t, session(map[string]any{"key": key(1), "idle": "2h"}))
	u, v := a.browser(), a.browser()
	u.login()
	v.login()
	ctx := t.Context()
	su, err := a.strat.env.Sessions.Session(ctx, a.stored(u.cookie("session")))
	if err != nil {
		t.Fatal(err)
	}
	sv, err := a.strat.env.Sessions.Session(ctx, a.stored(v.cookie("session")))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(su.Data, []byte("access-")) || bytes.Contains(su.Data, []byte("alice")) || strings.Contains(su.ID+su.Subject+su.Group, "u-1") || su.Subject != sv.Subject || su.Group == "" {
		t.Errorf("stored as it is: %+v", su)
	}
	if d := su.Expires.Sub(a.clock.now()); d > 2*time.Hour || d < 2*time.Hour-2*time.Second {
		t.Errorf("expires in %s", d)
	}
	// Data is bound to its record.
	su.Data = sv.Data
	if err := a.strat.env.Sessions.PutSession(ctx, su); err != nil {
		t.Fatal(err)
	}
	a.clock.add(time.Minute) // the cache has forgotten it
	u.expect("")
	v.expect("u-1")
}

// another makes a second instance of the server's strategy, with the same store.
func (a *app) another(t *testing.T, sec map[string]any) auth.Strategy {
	t.Helper()
	all := map[string]any{"issuer": a.p.URL, "insecureLoopback": true, "clientId": clientID, "clientSecret": clientSecret, "baseUrl": a.URL}
	for k, v := range sec {
		all[k] = v
	}
	s, err := oidc.New(config.Section{"oidc": all})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.(auth.Setter).Setup(t.Context(), a.strat.env); err != nil {
		t.Fatal(err)
	}
	return s
}

// ask has a strategy find out who sends the cookie of a browser.
func (u *user) ask(t *testing.T, s auth.Strategy) string {
	t.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: "cds-session-" + strings.Split(u.a.URL, ":")[2], Value: u.cookie("session")})
	got, err := s.Authenticate(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return got.ID
}

// Keys can be changed: sessions of the one before count as long as it is listed.
func TestSession_Keys(t *testing.T) {
	a := newApp(t, session(map[string]any{"key": key(1)}))
	u := a.browser()
	u.login()
	for _, tt := range []struct {
		key  any
		want string
	}{
		{key(1), "u-1"}, {[]any{key(2), key(1)}, "u-1"}, {hex.EncodeToString(bytes.Repeat([]byte{1}, 32)), "u-1"}, {key(2), "anonymous"}, {[]any{key(2), key(3)}, "anonymous"}, {nil, "anonymous"},
	} {
		if got := u.ask(t, a.another(t, map[string]any{"session": map[string]any{"key": tt.key}})); got != tt.want {
			t.Errorf("%v: %s", tt.key, got)
		}
	}
}

// Tokens are refreshed ahead of their end, once for each session, however many requests there are.
func TestRefresh(t *testing.T) {
	a := newApp(t, session(map[string]any{"idle": "3h"}))
	u := a.browser()
	u.login()
	first := u.do("GET", who).body
	a.clock.add(58 * time.Minute)
	if b := u.do("GET", who).body; b != first || a.p.count("/token") != 1 {
		t.Fatalf("refreshed too early: %s", b)
	}
	a.clock.add(90 * time.Second)
	if b := u.do("GET", who).body; b == first || !strings.Contains(b, "u-1 access-") || a.p.count("/token") != 2 {
		t.Fatalf("not refreshed: %s", b)
	}
	a.clock.add(61 * time.Minute) // beyond the end
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() { u.expect("u-1") })
	}
	wg.Wait()
	if n := a.p.count("/token"); n != 3 {
		t.Errorf("%d requests for tokens", n)
	}
	a.p.set(func() { a.p.claims = merge(a.p.claims, map[string]any{"roles": []string{}}) })
	if r := u.do("GET", "/odata/v4/staff/who()"); r.StatusCode != 200 {
		t.Errorf("%d", r.StatusCode)
	}
	a.clock.add(time.Hour)
	if r := u.do("GET", "/odata/v4/staff/who()"); r.StatusCode != 403 {
		t.Errorf("the new ID token does not count: %d", r.StatusCode)
	}
}

// Of two instances of the server one uses the refresh token, which counts once only.
func TestRefresh_TwoInstances(t *testing.T) {
	sec := map[string]any{"idle": "3h", "key": key(1)}
	a := newApp(t, session(sec))
	u := a.browser()
	u.login()
	other := a.another(t, map[string]any{"session": sec})
	if got := u.ask(t, other); got != "u-1" {
		t.Fatal(got)
	}
	for range 3 {
		a.clock.add(time.Hour)
		var wg sync.WaitGroup
		wg.Go(func() { u.expect("u-1") })
		wg.Go(func() {
			if got := u.ask(t, other); got != "u-1" {
				t.Error(got)
			}
		})
		wg.Wait()
	}
	a.clock.add(10 * time.Second)
	u.expect("u-1")
	if n := a.p.count("/token"); n > 7 || strings.Contains(a.log.String(), "has ended a session") {
		t.Errorf("%d requests for tokens: %s", n, a.log)
	}
}

// Where the issuer is down the session goes on, and it is not asked all the time.
func TestRefresh_IssuerDown(t *testing.T) {
	a := newApp(t, session(map[string]any{"idle": "3h"}))
	u := a.browser()
	u.login()
	a.p.set(func() { a.p.status["/token"] = 503 })
	a.clock.add(61 * time.Minute)
	for range 10 {
		u.expect("u-1")
		a.clock.add(2 * time.Second) // also where the session is read again
	}
	if n := a.p.count("/token"); n != 2 {
		t.Errorf("%d requests for tokens", n)
	}
	a.p.set(func() { a.p.status["/token"] = 0 })
	a.clock.add(11 * time.Second)
	before := a.p.count("/token")
	if u.expect("u-1"); a.p.count("/token") != before+1 {
		t.Error("it is not tried again")
	}
	if s := a.log.String(); !strings.Contains(s, "answered 503") || strings.Contains(s, "refresh-") {
		t.Errorf("%s", s)
	}
}

// What the issuer refuses has ended, and so has what comes back for somebody else.
func TestRefresh_Ends(t *testing.T) {
	for name, change := range map[string]func(p *provider){
		"refused":         func(p *provider) { clear(p.refresh) },
		"another user":    func(p *provider) { p.claims = merge(p.claims, map[string]any{"sub": "u-2"}) },
		"another session": func(p *provider) { p.claims = merge(p.claims, map[string]any{"sid": "sid-2"}) },
		"another issuer":  func(p *provider) { p.claims = merge(p.claims, map[string]any{"iss": "https://evil.example"}) },
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, session(map[string]any{"idle": "3h"}))
			u := a.browser()
			u.login()
			a.p.set(func() { change(a.p) })
			a.clock.add(time.Hour)
			u.expect("")
			u.expect("")
			if n := a.p.count("/token"); n != 2 {
				t.Errorf("%d requests for tokens", n)
			}
		})
	}
}

// A refresh token that an instance took with it when it died: the session does not go on without it.
func TestRefresh_Lost(t *testing.T) {
	a := newApp(t, session(map[string]any{"idle": "3h"}))
	u := a.browser()
	u.login()
	value := u.cookie("session")
	id := strings.Replace(a.stored(a.stored(value)), "oidc:s:", "oidc:r:", 1)
	if _, err := a.strat.env.Sessions.TakeSession(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	a.clock.add(time.Hour)
	u.expect("u-1") // another instance may be at it
	a.clock.add(30 * time.Second)
	u.expect("u-1")
	a.clock.add(31 * time.Second)
	u.expect("")
	if n := a.p.count("/token"); n != 1 {
		t.Errorf("%d requests for tokens", n)
	}
}

// A logout while tokens are refreshed is a logout.
func TestRefresh_Logout(t *testing.T) {
	a := newApp(t, session(map[string]any{"idle": "3h"}))
	u := a.browser()
	u.login()
	value := u.cookie("session")
	hold := make(chan struct{})
	a.p.set(func() { a.p.hold = hold })
	a.clock.add(time.Hour)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), "GET", a.URL+who, nil)
		if err != nil {
			return
		}
		r.AddCookie(&http.Cookie{Name: "cds-session-" + strings.Split(a.URL, ":")[2], Value: value})
		if res, err := http.DefaultClient.Do(r); err == nil {
			res.Body.Close()
		}
	}()
	for a.p.count("/token") < 2 {
		time.Sleep(time.Millisecond)
	}
	u.do("POST", "/auth/logout", "Accept", "application/json")
	close(hold)
	<-done
	u.setCookie("session", value)
	u.expect("")
	if _, err := a.strat.env.Sessions.Session(t.Context(), a.stored(value)); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("the session is back: %v", err)
	}
}

// A broken store is a failure, not a user and not anonymous.
type brokenStore struct{ auth.SessionStore }

func (brokenStore) Session(context.Context, string) (*auth.Session, error) {
	return nil, errors.New("no connection")
}

func TestSession_StoreDown(t *testing.T) {
	a := newApp(t, nil)
	u := a.browser()
	u.login()
	a.strat.env.Sessions = brokenStore{a.strat.env.Sessions}
	a.clock.add(time.Minute)
	for _, path := range []string{who, "/odata/v4/open/who()"} {
		if r := u.do("GET", path); r.StatusCode != 401 || r.Header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.body)
		}
	}
	if r := u.visit("/auth/callback?code=x&state=" + strings.Repeat("A", 43)); r.StatusCode != 400 {
		t.Errorf("%d", r.StatusCode)
	}
	if !strings.Contains(a.log.String(), "no connection") {
		t.Errorf("%s", a.log)
	}
}

// The issuer is down when the server starts, and comes back.
func TestLogin_IssuerDown(t *testing.T) {
	a := newApp(t, nil)
	a.p.set(func() { a.p.status["/.well-known/openid-configuration"] = 500 })
	token := a.p.sign(map[string]any{"iss": a.p.URL, "aud": "api", "sub": "m"})
	u := a.browser()
	if r := u.do("GET", who, "Authorization", "Bearer "+token); r.StatusCode != 401 {
		t.Errorf("%d", r.StatusCode)
	}
	if r := u.visit(who); r.StatusCode != 503 || !strings.Contains(r.body, "not possible at the moment") || r.Header.Get("Retry-After") == "" || strings.Contains(r.body, "127.0.0.1:"+strings.Split(a.p.URL, ":")[2]) {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	a.p.set(func() { a.p.status = map[string]int{} })
	a.clock.add(5 * time.Second)
	u.login()
	a.p.set(func() {
		for _, path := range []string{"/.well-known/openid-configuration", "/jwks", "/token"} {
			a.p.status[path] = 500
		}
	})
	a.clock.add(10 * time.Minute)
	u.expect("u-1")
	if r := u.do("GET", who, "Authorization", "Bearer "+token); r.StatusCode != 200 {
		t.Errorf("known keys: %d", r.StatusCode)
	}
}

// The claims of the user may come from the access token and from the userinfo endpoint as well. What an earlier source says counts.
func TestLogin_Claims(t *testing.T) {
	start := func(t *testing.T, from ...any) *app {
		a := newApp(t, func(sec map[string]any) { sec["claimsFrom"] = from })
		a.p.claims = map[string]any{"sub": "u-1", "roles": []string{"x"}}
		a.p.access = map[string]any{"roles": []string{"admin"}}
		a.p.userinfo = map[string]any{"sub": "u-1", "roles": []string{"admin"}, "name": "Ada"}
		return a
	}
	for _, tt := range []struct {
		from   []any
		status int
	}{{[]any{"id"}, 403}, {[]any{"id", "access"}, 403}, {[]any{"access", "id"}, 200}, {[]any{"userinfo", "id"}, 200}} {
		a := start(t, tt.from...)
		u := a.browser()
		u.login()
		if r := u.do("GET", "/odata/v4/staff/who()"); r.StatusCode != tt.status {
			t.Errorf("%v: %d %s", tt.from, r.StatusCode, r.body)
		}
	}
	for name, change := range map[string]func(p *provider){
		"userinfo of another user":              func(p *provider) { p.userinfo["sub"] = "u-2" },
		"userinfo without a subject":            func(p *provider) { delete(p.userinfo, "sub") },
		"an access token of another user":       func(p *provider) { p.access["sub"] = "u-2" },
		"an access token for somebody else":     func(p *provider) { p.access["aud"] = "other" },
		"an access token that can't be read":    func(p *provider) { p.access = nil },
		"userinfo that is not to be had":        func(p *provider) { p.status["/userinfo"] = 500 },
		"userinfo, but nobody knows from where": func(p *provider) { p.metadata = map[string]any{"userinfo_endpoint": nil} },
	} {
		a := start(t, "id", "access", "userinfo")
		a.p.set(func() { change(a.p) })
		u := a.browser()
		if r := u.visit(who); r.StatusCode != 400 || u.cookie("session") != "" {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
		}
	}
}

// A page can ask who is signed in.
func TestUser(t *testing.T) {
	a := newApp(t, nil)
	u := a.browser()
	if r := u.do("GET", "/auth/user"); r.StatusCode != 401 || !strings.Contains(r.body, `"login":"/auth/login"`) {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	u.login()
	if r := u.do("GET", "/auth/user"); r.StatusCode != 200 || !strings.Contains(r.body, `"id":"u-1"`) || !strings.Contains(r.body, `"name":"Alice Ada"`) || strings.Contains(r.body, "access-") {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}

// Who is sent to the login, and who gets 401.
func TestPrompt(t *testing.T) {
	page := []string{"Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	for _, tt := range []struct {
		name, login, method, path string
		header                    []string
		status                    int
	}{
		{"a page", "redirect", "GET", who, page, 303},
		{"a page, of an old browser", "redirect", "GET", who, page[:2], 303},
		{"a page, by our own page", "page", "GET", who, page, 303},
		{"a page, but it is not wanted", "", "GET", who, page, 401},
		{"a program", "redirect", "GET", who, nil, 401},
		{"a script", "redirect", "GET", who, []string{"Accept", "*/*", "Sec-Fetch-Mode", "cors"}, 401},
		{"a script that says so", "redirect", "GET", who, append(page[:2:2], "X-Requested-With", "XMLHttpRequest"), 401},
		{"a frame", "redirect", "GET", who, append(page[:4:4], "Sec-Fetch-Dest", "iframe"), 401},
		{"a form", "redirect", "POST", "/odata/v4/known/touch", page, 401},
		{"with a bad token", "redirect", "GET", who, append(page[:6:6], "Authorization", "Bearer x.y.z"), 401},
		{"an open page", "redirect", "GET", "/odata/v4/open/who()", page, 200},
	} {
		a := newApp(t, func(sec map[string]any) { sec["login"] = tt.login })
		u := a.browser()
		u.c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		if tt.login == "" {
			a = newApp(t, func(sec map[string]any) { delete(sec, "login") })
		}
		u.a = a
		if r := u.do(tt.method, tt.path, tt.header...); r.StatusCode != tt.status || tt.status == 303 && r.Header.Get("Location") != "/auth/login?returnTo=%2Fodata%2Fv4%2Fknown%2Fwho%28%29" {
			t.Errorf("%s: %d %q", tt.name, r.StatusCode, r.Header.Get("Location"))
		}
	}
}
