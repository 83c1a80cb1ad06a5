package serve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	cdl "cds/parser"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/runtime/db/sqlite"
	"cds/runtime/serve"
)

// A probe is a strategy with everything that strategies may have.
type probe struct {
	user      *auth.User
	err       error
	setupErr  error
	routes    map[string]http.Handler
	env       *auth.Env
	ctx       context.Context
	closed    bool
	refreshed int
	prompt    bool
}

func (p *probe) Authenticate(context.Context, *http.Request) (*auth.User, error) {
	return p.user, p.err
}
func (p *probe) Challenge() string { return "Probe" }
func (p *probe) Setup(ctx context.Context, env *auth.Env) error {
	p.ctx, p.env = ctx, env
	return p.setupErr
}
func (p *probe) Routes() map[string]http.Handler { return p.routes }
func (p *probe) Refresh(w http.ResponseWriter, _ *http.Request, u *auth.User) {
	p.refreshed++
	w.Header().Set("X-Renewed", u.ID)
}
func (p *probe) Prompt(w http.ResponseWriter, r *http.Request) bool {
	if p.prompt {
		http.Redirect(w, r, "/auth/login", http.StatusSeeOther)
	}
	return p.prompt
}
func (p *probe) Vary() []string { return []string{"Cookie"} }
func (p *probe) Close() error   { p.closed = true; return nil }

// A challenger is an error with a challenge of its own.
type challenger struct{ text string }

func (c challenger) Error() string     { return "no good" }
func (c challenger) Unwrap() error     { return auth.ErrCredentials }
func (c challenger) Challenge() string { return c.text }

func buildProbe(t *testing.T, p *probe, opt serve.Options) (*serve.Server, error) {
	t.Helper()
	app := newApp(t)
	app.Strategy("probe", func(config.Section) (auth.Strategy, error) { return p, nil })
	app.HandleFunc("GET /own/page", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "own") })
	opt.FS, opt.Env = fstest.MapFS{".cdsrc.json": {Data: []byte(`{"requires":{"auth":"probe"}}`)}}, []string{}
	return app.Build(t.Context(), opt)
}

func mustProbe(t *testing.T, p *probe, opt serve.Options) *serve.Server {
	t.Helper()
	s, err := buildProbe(t, p, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Whatever a strategy fails with, the answer is 401 with a challenge: never 500, never anonymous.
func TestStrategy_Fails(t *testing.T) {
	for _, tt := range []struct {
		name      string
		user      *auth.User
		err       error
		challenge string
	}{
		{"bad credentials", nil, fmt.Errorf("%w: expired", auth.ErrCredentials), "Probe"},
		{"a challenge of its own", nil, fmt.Errorf("token: %w", challenger{`Bearer error="invalid_token"`}), `Bearer error="invalid_token"`},
		{"a challenge that breaks the header", nil, challenger{"Bearer\r\nX: y"}, ""},
		{"its issuer is down", nil, errors.New("dial tcp: connection refused"), "Probe"},
		{"no user", nil, nil, "Probe"},
		{"the privileged user", auth.Privileged, nil, "Probe"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := mustProbe(t, &probe{user: tt.user, err: tt.err}, serve.Options{}).Handler()
			for _, path := range []string{"/odata/v4/open/Books", "/odata/v4/staff/Books", "/own/page"} {
				r := get(t, h, path, "")
				if b := body(t, r); r.StatusCode != 401 || b != "Unauthorized" || r.Header.Get("WWW-Authenticate") != tt.challenge {
					t.Errorf("%s: %d %q, challenge %q", path, r.StatusCode, b, r.Header.Get("WWW-Authenticate"))
				}
			}
		})
	}
}

// A waiter is an error with a time to wait.
type waiter struct{ error }

func (waiter) RetryAfter() time.Duration { return 1500 * time.Millisecond }

func TestStrategy_ForbiddenAndWaiting(t *testing.T) {
	p := &probe{err: fmt.Errorf("no tenant: %w", auth.ErrForbidden)}
	h := mustProbe(t, p, serve.Options{}).Handler()
	if r := get(t, h, "/odata/v4/open/Books", ""); r.StatusCode != 403 || body(t, r) != "Forbidden\n" {
		t.Errorf("%d", r.StatusCode)
	}
	p.err = waiter{auth.ErrCredentials}
	if r := get(t, h, "/odata/v4/open/Books", ""); r.StatusCode != 401 {
		t.Errorf("%d", r.StatusCode)
	}
	p.err = fmt.Errorf("too many: %w", errors.Join(auth.ErrCredentials, waiter{auth.ErrCredentials}))
	if r := get(t, h, "/odata/v4/open/Books", ""); r.StatusCode != 401 || r.Header.Get("Retry-After") != "2" {
		t.Errorf("%d %v", r.StatusCode, r.Header)
	}
}

// A pair is a group of two.
type pair struct{ a, b auth.Strategy }

func (p pair) Members() []auth.Strategy { return []auth.Strategy{p.a, p.b} }
func (p pair) Challenge() string        { return p.a.Challenge() }
func (p pair) Authenticate(ctx context.Context, r *http.Request) (*auth.User, error) {
	u, _, err := p.Decide(ctx, r)
	return u, err
}
func (p pair) Decide(ctx context.Context, r *http.Request) (*auth.User, auth.Strategy, error) {
	if r.Header.Get("Authorization") != "" {
		u, err := p.b.Authenticate(ctx, r)
		return u, p.b, err
	}
	return auth.Anonymous, nil, nil
}

func TestStrategy_Group(t *testing.T) {
	one := &probe{routes: map[string]http.Handler{"GET /one": say("one")}}
	two := &probe{user: auth.New(auth.User{ID: "anna"}), routes: map[string]http.Handler{"GET /two": say("two")}}
	app := newApp(t)
	app.Strategy("pair", func(config.Section) (auth.Strategy, error) { return pair{headerStrategy{}, pair{one, two}}, nil })
	opt := serve.Options{FS: fstest.MapFS{".cdsrc.json": {Data: []byte(`{"requires":{"auth":"pair"}}`)}}, Env: []string{}}
	s, err := app.Build(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/one", "/two"} {
		if r := get(t, s.Handler(), path, ""); r.StatusCode != 200 {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
	if one.env == nil || one.env != two.env {
		t.Error("members are lent the same")
	}
	s.Close()
	if !one.closed || !two.closed {
		t.Error("members are not closed")
	}
	two.routes = one.routes
	var start *serve.StartError
	if _, err := app.Build(t.Context(), opt); !errors.As(err, &start) || start.Code != "auth-route" {
		t.Errorf("two members with one path: %v", err)
	}
	two.routes = nil
	app.Strategy("pair", func(config.Section) (auth.Strategy, error) { return pair{one, two}, nil })
	if s, err = app.Build(t.Context(), opt); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if r := get(t, s.Handler(), "/odata/v4/open/Books", "x"); r.StatusCode != 200 || two.refreshed != 1 || one.refreshed != 0 {
		t.Errorf("%d, refreshed %d and %d times", r.StatusCode, one.refreshed, two.refreshed)
	}
}

func TestStrategy_Client(t *testing.T) {
	for _, tt := range []struct{ trusted, remote, forwarded, want string }{
		{"", "192.0.2.1:80", "", "192.0.2.1"},
		{"", "192.0.2.1:80", "10.0.0.9", "192.0.2.1"},
		{"192.0.2.1", "192.0.2.1:80", "1.1.1.1, 203.0.113.7", "203.0.113.7"},
		{"192.0.2.0/24", "192.0.2.1:80", "1.1.1.1, 203.0.113.7, 192.0.2.2", "203.0.113.7"},
		{"192.0.2.1", "192.0.2.1:80", "1.1.1.1:5, 203.0.113.7:4321", "203.0.113.7"},
		{"192.0.2.1", "192.0.2.1:80", "[2001:db8::7]:4321", "2001:db8::7"},
		{"192.0.2.1", "192.0.2.1:80", "junk", "192.0.2.1"},
		{"192.0.2.1", "192.0.2.1:80", "", "192.0.2.1"},
		{"", "[2001:db8::1%eth0]:80", "", "2001:db8::1"},
		{"", "[::ffff:192.0.2.1]:80", "", "192.0.2.1"},
	} {
		p := &probe{user: auth.Anonymous}
		opt := serve.Options{}
		if tt.trusted != "" {
			opt.Overrides = config.Section{"server": map[string]any{"trusted_proxies": []any{tt.trusted}}}
		}
		mustProbe(t, p, opt)
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tt.remote
		if tt.forwarded != "" {
			r.Header.Set("X-Forwarded-For", tt.forwarded)
		}
		if got := p.env.Client(r); got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}

// An identity provider that is down does not fill the log.
func TestStrategy_FaultsAreLoggedOnceASecond(t *testing.T) {
	var log bytes.Buffer
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := mustProbe(t, &probe{err: errors.New("no route to host")}, serve.Options{
		Log: slog.New(slog.NewTextHandler(&log, nil)), Now: func() time.Time { return now },
	})
	for range 50 {
		get(t, s.Handler(), "/odata/v4/open/Books", "")
	}
	if n := strings.Count(log.String(), "no route to host"); n != 1 {
		t.Fatalf("%d lines: %s", n, &log)
	}
	now = now.Add(time.Second)
	get(t, s.Handler(), "/odata/v4/open/Books", "")
	if !strings.Contains(log.String(), "unreported=49") {
		t.Fatalf("%s", &log)
	}
}

func TestStrategy_LendsAndCloses(t *testing.T) {
	p := &probe{user: auth.New(auth.User{ID: "anna"})}
	s := mustProbe(t, p, serve.Options{})
	e := p.env
	if e == nil || e.Now == nil || e.Log == nil || e.HTTP == nil || e.HTTP.Timeout <= 0 || e.Files == nil || e.Client == nil || e.Trusted == nil || e.Sessions == nil || e.Users == nil || e.Production {
		t.Fatalf("env %+v", e)
	}
	if p.ctx.Err() != nil {
		t.Fatal("its background work has ended before the server")
	}
	r := get(t, s.Handler(), "/odata/v4/open/Books", "")
	if r.StatusCode != 200 || r.Header.Get("X-Renewed") != "anna" || p.refreshed != 1 {
		t.Errorf("%d %v, refreshed %d times", r.StatusCode, r.Header, p.refreshed)
	}
	if v := r.Header.Get("Vary"); !strings.Contains(v, "Cookie") {
		t.Errorf("Vary %q", v)
	}
	s.Close()
	if p.ctx.Err() == nil || !p.closed {
		t.Error("its background work goes on after Close")
	}
	var start *serve.StartError
	if _, err := buildProbe(t, &probe{setupErr: errors.New("requires.auth.probe.url: is missing")}, serve.Options{}); !errors.As(err, &start) || start.Code != "auth-config" || !strings.Contains(start.Message, "requires.auth.probe.url") {
		t.Errorf("error of Setup: %v", err)
	}
}

// A client for outgoing calls goes to no other host.
func TestStrategy_Outgoing(t *testing.T) {
	p := &probe{user: auth.Anonymous}
	mustProbe(t, p, serve.Options{})
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "other") }))
	defer other.Close()
	var here *httptest.Server
	here = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, other.URL, http.StatusFound)
		case "/near":
			http.Redirect(w, r, here.URL+"/", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		}
	}))
	defer here.Close()
	for path, ok := range map[string]bool{"/": true, "/near": true, "/away": false, "/loop": false} {
		r, err := p.env.HTTP.Get(here.URL + path)
		if r != nil {
			r.Body.Close()
		}
		if (err == nil) != ok {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func say(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		_, _ = io.WriteString(w, text)
	})
}

func TestStrategy_Routes(t *testing.T) {
	p := &probe{err: errors.New("down"), routes: map[string]http.Handler{"GET /auth/login": say("login"), "POST /auth/login": say("posted"), "GET /auth/by/{name}": say("named")}}
	h := mustProbe(t, p, serve.Options{}).Handler()
	for _, tt := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/auth/login", "", 200, "login"},
		{"HEAD", "/auth/login", "", 200, "login"},
		{"POST", "/auth/login", "x", 200, "posted"},
		{"POST", "/auth/login", strings.Repeat("x", 2<<20), 413, ""},
		{"GET", "/auth/by/ada", "", 200, "named"},
		{"DELETE", "/auth/login", "", 405, ""},
		{"GET", "//auth/login", "", 404, ""},
		{"GET", "/x/../auth/login", "", 404, ""},
		{"GET", "/auth/loginx", "", 404, ""},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, strings.NewReader(tt.body)))
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s %s: %d %.100s", tt.method, tt.path, w.Code, w.Body)
		}
		if w.Code == 405 && w.Header().Get("Allow") != "GET, HEAD, POST" {
			t.Errorf("Allow %q", w.Header().Get("Allow"))
		}
		if w.Code == 404 {
			continue
		}
		for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Content-Security-Policy": "default-src 'none'",
			"Referrer-Policy": "no-referrer", "Vary": "Cookie", "X-Correlation-Id": "-"} {
			if got := w.Header().Get(name); !strings.Contains(got, want) {
				t.Errorf("%s %s: %s %q", tt.method, tt.path, name, got)
			}
		}
	}
}

func TestStrategy_RouteConflicts(t *testing.T) {
	for pattern, code := range map[string]string{
		"GET /odata/v4/open/login": "path-taken",
		"GET /odata/v4/open":       "path-taken",
		"GET /odata/":              "path-taken",
		"GET /health":              "path-taken",
		"GET /own/page":            "path-taken",
		"/auth/login":              "auth-route",
		"GET auth/login":           "auth-route",
		"GET host/auth/login":      "auth-route",
		"GET /auth/{":              "auth-route",
	} {
		var start *serve.StartError
		if _, err := buildProbe(t, &probe{routes: map[string]http.Handler{pattern: say("x")}}, serve.Options{}); !errors.As(err, &start) || start.Code != code {
			t.Errorf("%s: %v, want %s", pattern, err, code)
		}
	}
}

// A strategy may send a browser to its login instead of 401.
func TestStrategy_Prompt(t *testing.T) {
	p := &probe{user: auth.Anonymous, prompt: true}
	h := mustProbe(t, p, serve.Options{}).Handler()
	if r := get(t, h, "/odata/v4/staff/Books", ""); r.StatusCode != 303 || r.Header.Get("Location") != "/auth/login" || r.Header.Get("Cache-Control") != "no-store" || !strings.Contains(r.Header.Get("Vary"), "Cookie") {
		t.Errorf("%d %v", r.StatusCode, r.Header)
	}
	if r := get(t, h, "/odata/v4/open/Books", ""); r.StatusCode != 200 {
		t.Errorf("an open service: %d", r.StatusCode)
	}
	p.prompt = false
	if r := get(t, h, "/odata/v4/staff/Books", ""); r.StatusCode != 401 || r.Header.Get("WWW-Authenticate") != "Probe" {
		t.Errorf("%d %v", r.StatusCode, r.Header)
	}
}

// A service at the root leaves room for the pages of the strategy, and has everything else.
func TestStrategy_RoutesBesideRoot(t *testing.T) {
	app := serve.New(func() (*csn.Model, error) {
		res := cdl.CompileString("root.cds", "@path: '/' service Root { function auth() returns String; }")
		return res.Model, res.Diags.Err()
	})
	app.Databases(sqlite.New())
	p := &probe{user: auth.Anonymous, routes: map[string]http.Handler{"GET /auth/login": say("login")}}
	app.Strategy("probe", func(config.Section) (auth.Strategy, error) { return p, nil })
	s, err := app.Build(t.Context(), serve.Options{FS: fstest.MapFS{".cdsrc.json": {Data: []byte(`{"requires":{"auth":"probe"}}`)}}, Env: []string{}, InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for path, want := range map[string]string{"/auth/login": "login", "/$metadata": "edmx", "/auth()": "no handler", "/auth/other": "error"} {
		if r := get(t, s.Handler(), path, ""); !strings.Contains(body(t, r), want) {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
}
