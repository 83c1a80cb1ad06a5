package oidc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	cdl "cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/runtime/db"
	"cds/runtime/db/sqlite"
	"cds/runtime/serve"
	"cds/strategies/apikey"
	"cds/strategies/oidc"
)

const model = `
service Open { function who() returns String; action touch() returns String; }
@requires: 'authenticated-user' service Known { function who() returns String; action touch() returns String; entity Things { key ID : Integer; } }
@requires: 'admin' service Staff { function who() returns String; action touch() returns String; }
`

// A clock is the time of the server and the provider.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// A log keeps what is logged.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// An app is a server with a login at a provider.
type app struct {
	t     *testing.T
	p     *provider
	clock *clock
	URL   string
	log   *logged
	strat *spy
	pool  db.Pool // nil: in memory
	h     http.Handler
}

// A spy lets tests see what the server lends the strategy.
type spy struct {
	*oidc.Strategy
	env *auth.Env
}

func (s *spy) Setup(ctx context.Context, env *auth.Env) error {
	s.env = env
	return s.Strategy.Setup(ctx, env)
}

// newApp starts the server. change may change the section requires.auth.oidc.
func newApp(t *testing.T, change func(sec map[string]any)) *app {
	t.Helper()
	a := &app{t: t, clock: &clock{t: time.Now()}, log: &logged{}}
	a.p = newProvider(t, a.clock.now)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.h.ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	a.URL = srv.URL
	sec := map[string]any{"issuer": a.p.URL, "insecureLoopback": true, "clientId": clientID, "clientSecret": clientSecret, "baseUrl": a.URL, "audience": []any{clientID, "api"}, "login": "redirect"}
	if change != nil {
		change(sec)
	}
	s, err := a.build(map[string]any{"kind": "oidc", "oidc": sec}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	a.h = s.Handler()
	return a
}

func (a *app) build(section map[string]any, profiles []string) (*serve.Server, error) {
	server := serve.New(func() (*csn.Model, error) {
		res := cdl.CompileString("app.cds", model)
		if res.Model == nil {
			return nil, res.Diags
		}
		return res.Model, nil
	})
	server.Databases(sqlite.New())
	server.Strategy("oidc", func(cfg config.Section) (auth.Strategy, error) {
		s, err := oidc.New(cfg)
		if err != nil {
			return nil, err
		}
		a.strat = &spy{Strategy: s.(*oidc.Strategy)}
		return a.strat, nil
	})
	server.Register(func(app *cds.App) error {
		for _, name := range []string{"Open", "Known", "Staff"} {
			app.Service(name).On(cds.Match{Events: []cds.Event{"who", "touch"}}, func(ctx context.Context, _ *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
				u := cds.UserFrom(ctx)
				v := cqn.String(u.ID + " " + string(u.Token))
				return &cds.Result{Value: &v}, nil
			})
		}
		return nil
	})
	cfg, err := json.Marshal(map[string]any{"requires": map[string]any{"auth": section}})
	if err != nil {
		a.t.Fatal(err)
	}
	server.Strategy("apikey", apikey.New)
	return server.Build(a.t.Context(), serve.Options{FS: fstest.MapFS{".cdsrc.json": {Data: cfg}}, Env: []string{}, Profiles: profiles, InMemory: a.pool == nil, Pool: a.pool, Now: a.clock.now,
		Log: slog.New(slog.NewTextHandler(a.log, nil))})
}

// A user is a browser: it keeps cookies and follows redirects.
type user struct {
	a     *app
	c     *http.Client
	trail []string // where it was sent
}

func (a *app) browser() *user {
	jar, err := cookiejar.New(nil)
	if err != nil {
		a.t.Fatal(err)
	}
	u := &user{a: a}
	u.c = &http.Client{Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		u.trail = append(u.trail, req.URL.String())
		for name, v := range via[0].Header { // a redirected navigation stays one
			if name != "Cookie" { // which the jar knows better
				req.Header[name] = v
			}
		}
		return nil
	}}
	return u
}

// stopAt makes the browser stop before a redirect to an address that begins so.
func (u *user) stopAt(prefix string) {
	u.c.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		u.trail = append(u.trail, req.URL.String())
		if strings.HasPrefix(req.URL.String(), prefix) {
			return http.ErrUseLastResponse
		}
		return nil
	}
}

type response struct {
	*http.Response
	body string
}

func (u *user) do(method, path string, header ...string) *response {
	u.a.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = u.a.URL + path
	}
	req, err := http.NewRequestWithContext(u.a.t.Context(), method, path, nil)
	if err != nil {
		u.a.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := u.c.Do(req)
	if err != nil {
		u.a.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		u.a.t.Fatal(err)
	}
	return &response{res, string(b)}
}

// visit opens a page as a person does.
func (u *user) visit(path string) *response {
	u.a.t.Helper()
	return u.do("GET", path, "Accept", "text/html,*/*", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "none")
}

const who = "/odata/v4/known/who()"

// login signs in and checks that it worked.
func (u *user) login() {
	u.a.t.Helper()
	if r := u.visit(who); r.StatusCode != 200 || !strings.Contains(r.body, `"u-1 access-`) && !strings.Contains(r.body, `"u-1 ey`) {
		u.a.t.Fatalf("login: %d %s, by %q\n%s", r.StatusCode, r.body, u.trail, u.a.log)
	}
}

// expect asks who one is: "" for nobody.
func (u *user) expect(id string) {
	u.a.t.Helper()
	r := u.do("GET", who)
	if id == "" {
		if r.StatusCode != 401 || !strings.Contains(r.Header.Get("WWW-Authenticate"), "Bearer") {
			u.a.t.Fatalf("%d %s, 401 was expected", r.StatusCode, r.body)
		}
		return
	}
	if r.StatusCode != 200 || !strings.Contains(r.body, `"`+id+` `) {
		u.a.t.Fatalf("%d %s, user %s was expected\n%s", r.StatusCode, r.body, id, u.a.log)
	}
}

// cookie returns the value of the session's cookie.
func (u *user) cookie(kind string) string {
	at, _ := url.Parse(u.a.URL)
	for _, c := range u.c.Jar.Cookies(at) {
		if c.Name == "cds-"+kind+"-"+at.Port() {
			return c.Value
		}
	}
	return ""
}

func (u *user) setCookie(kind, value string) {
	at, _ := url.Parse(u.a.URL)
	u.c.Jar.SetCookies(at, []*http.Cookie{{Name: "cds-" + kind + "-" + at.Port(), Value: value, Path: "/"}})
}
