package serve_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	cdl "cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/runtime/db/sqlite"
	"cds/runtime/serve"
	"cds/strategies"
)

const model = `
entity shop.Books { key ID : Integer; @title: '{i18n>Title}' title : String; }
service Open { entity Books as projection on shop.Books; }
@requires: 'admin' service Staff { entity Books as projection on shop.Books; }
@protocol: 'none' service Inner { entity Books as projection on shop.Books; }
@protocol: 'graphql' service Graph { entity Books as projection on shop.Books; }
@cds.server.body_parser.limit: '8kb' service Roomy { entity Books as projection on shop.Books; }
service Locale { function lang() returns String; }
service Panics { function boom() returns String; }
`

var data = fstest.MapFS{
	"db/data/shop-Books.csv": {Data: []byte("ID,title\n1,Emma\n2,Persuasion\n")},
}

func newApp(t *testing.T) *serve.App {
	t.Helper()
	app := serve.New(func() (*csn.Model, error) {
		res := cdl.CompileString("shop.cds", model)
		if res.Model == nil {
			return nil, res.Diags
		}
		return res.Model, nil
	})
	app.Databases(sqlite.New())
	app.Strategies(strategies.Builtin())
	app.Data(data)
	app.Register(func(a *cds.App) error {
		a.Service("Panics").On(cds.Match{Events: []cds.Event{"boom"}}, func(context.Context, *cds.RawRequest, cds.Next) (*cds.Result, error) {
			panic("assignment to entry in nil map")
		})
		a.Service("Locale").On(cds.Match{Events: []cds.Event{"lang"}}, func(_ context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
			v := cqn.String(r.Locale)
			return &cds.Result{Value: &v}, nil
		})
		return nil
	})
	return app
}

func build(t *testing.T, opt serve.Options) *serve.Server {
	t.Helper()
	if opt.FS == nil {
		opt.FS = fstest.MapFS{}
	}
	if opt.Env == nil {
		opt.Env = []string{}
	}
	s, err := newApp(t).Build(context.Background(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func get(t *testing.T, h http.Handler, path, user string) *http.Response {
	t.Helper()
	r := httptest.NewRequest("GET", path, nil)
	if user != "" {
		r.SetBasicAuth(user, "")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestServer_Paths(t *testing.T) {
	h := build(t, serve.Options{}).Handler()
	for _, tt := range []struct {
		path, user string
		status     int
		contains   string
	}{
		{"/health", "", 200, `{"status":"UP"}`},
		{"/", "", 200, `href="/odata/v4/open/$metadata"`},
		{"/favicon.ico", "", 204, ""},
		{"/nope", "", 404, ""},
		{"/odata/v4/open/Books", "", 200, "Persuasion"},
		{"/odata/v4/staff/Books", "", 401, "Unauthorized"},
		{"/odata/v4/staff/Books", "bob", 403, "error"},
		{"/odata/v4/staff/Books", "alice", 200, "Emma"},
		{"/odata/v4/inner/Books", "alice", 404, ""},
		{"/odata/v4/openish/Books", "", 404, ""},
	} {
		r := get(t, h, tt.path, tt.user)
		if b := body(t, r); r.StatusCode != tt.status || !strings.Contains(b, tt.contains) {
			t.Errorf("GET %s as %q: %d %s, want %d with %q", tt.path, tt.user, r.StatusCode, b, tt.status, tt.contains)
		}
		if r.Header.Get("X-Correlation-Id") == "" {
			t.Errorf("GET %s: no correlation id", tt.path)
		}
	}
}

func TestServer_CorrelationID(t *testing.T) {
	h := build(t, serve.Options{}).Handler()
	for in, kept := range map[string]bool{"abc-1": true, strings.Repeat("x", 200): false, "a b": false, "a\x1b[31m": false} {
		r := httptest.NewRequest("GET", "/health", nil)
		r.Header["X-Correlation-Id"] = []string{in}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get("X-Correlation-Id"); (got == in) != kept || got == "" {
			t.Errorf("id %q: answered %q, kept should be %v", in, got, kept)
		}
	}
}

// A panic in a handler costs one answer, not the process, and says nothing of the inside.
func TestServer_PanicInHandler(t *testing.T) {
	h := build(t, serve.Options{}).Handler()
	for range 2 {
		r := get(t, h, "/odata/v4/panics/boom()", "")
		if b := body(t, r); r.StatusCode != 500 || strings.Contains(b, "nil map") {
			t.Fatalf("%d %s", r.StatusCode, b)
		}
	}
}

func TestServer_BannerTellsWhatIsOpen(t *testing.T) {
	s := build(t, serve.Options{})
	var b bytes.Buffer
	s.Banner(&b, "http://localhost:1")
	for _, want := range []string{"sqlite in memory", "mocked", "alice", "http://localhost:1/odata/v4/open", "(1 entity)", "open to everybody", `protocol "graphql"`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the banner lacks %q:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "/inner") {
		t.Error("the banner shows a service that is not served")
	}
}

func TestBuild_Refusals(t *testing.T) {
	for name, tt := range map[string]struct {
		rc       string
		profiles []string
		code     string
	}{
		"nothing named in production": {`{}`, []string{"production"}, "auth-kind-missing"},
		"mocked in production":        {`{"requires":{"auth":"mocked"}}`, []string{"production"}, "auth-unsafe-in-production"},
		"dummy in production":         {`{"requires":{"auth":"dummy"}}`, []string{"production"}, "auth-unsafe-in-production"},
		"basic without password":      {`{"requires":{"auth":{"kind":"basic","users":{"bob":{"roles":["admin"]}}}}}`, []string{"production"}, "auth-password-missing"},
		"unknown kind":                {`{"requires":{"auth":"magic"}}`, nil, "auth-kind-unknown"},
		"script":                      {`{"requires":{"auth":{"kind":"mocked","impl":"srv/auth.js"}}}`, nil, "auth-impl-script"},
		"unknown database":            {`{"requires":{"db":{"kind":"oracle","credentials":{"url":"x"}}}}`, nil, "db-kind-unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newApp(t).Build(context.Background(), serve.Options{
				FS: fstest.MapFS{".cdsrc.json": {Data: []byte(tt.rc)}}, Env: []string{}, Profiles: tt.profiles,
			})
			var se *serve.StartError
			if !errors.As(err, &se) || se.Code != tt.code || se.Hint == "" {
				t.Fatalf("err = %v, want %s with a hint", err, tt.code)
			}
		})
	}
}

func TestBuild_ProductionHidesIndexAndRestrictsAll(t *testing.T) {
	s := build(t, serve.Options{
		FS:       fstest.MapFS{".cdsrc.json": {Data: []byte(`{"requires":{"auth":{"kind":"basic","users":{"bob":{"password":"x"}}}}}`)}},
		Profiles: []string{config.Production}, InMemory: true,
	})
	if r := get(t, s.Handler(), "/", ""); r.StatusCode != 404 {
		t.Errorf("index in production: %d", r.StatusCode)
	}
	if r := get(t, s.Handler(), "/odata/v4/open/Books", ""); r.StatusCode != 401 {
		t.Errorf("a service without @requires in production: %d, want 401", r.StatusCode)
	}
}

func TestServer_IndexIsChosen(t *testing.T) {
	if r := get(t, build(t, serve.Options{FS: rc(`{"server":{"index":false}}`)}).Handler(), "/", ""); r.StatusCode != 404 {
		t.Errorf("switched off: %d", r.StatusCode)
	}
	s := build(t, serve.Options{FS: rc(production + `,"server":{"index":true}}`), Profiles: []string{config.Production}, InMemory: true})
	r := get(t, s.Handler(), "/", "")
	if b := body(t, r); r.StatusCode != 200 || !strings.Contains(b, "/odata/v4/open") || strings.Contains(b, "alice") || strings.Contains(b, "sqlite") {
		t.Errorf("switched on: %d %s", r.StatusCode, b)
	}
}

func TestServer_WrongPasswordIs401OnPublicPaths(t *testing.T) {
	s := build(t, serve.Options{FS: fstest.MapFS{".cdsrc.json": {Data: []byte(`{"requires":{"auth":{"users":{"eve":{"password":"right"}}}}}`)}}})
	r := httptest.NewRequest("GET", "/odata/v4/open/Books", nil)
	r.SetBasicAuth("eve", "wrong")
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	if w.Code != 401 || !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Basic") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestApp_CustomStrategy(t *testing.T) {
	app := newApp(t)
	app.Strategy("header", func(config.Section) (auth.Strategy, error) { return headerStrategy{}, nil })
	s, err := app.Build(context.Background(), serve.Options{
		FS: fstest.MapFS{".cdsrc.json": {Data: []byte(`{"requires":{"auth":"header"}}`)}}, Env: []string{},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := httptest.NewRequest("GET", "/odata/v4/staff/Books", nil)
	r.Header.Set("X-User", "root")
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	if w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

type headerStrategy struct{}

func (headerStrategy) Authenticate(_ context.Context, r *http.Request) (*auth.User, error) {
	if n := r.Header.Get("X-User"); n != "" {
		return auth.New(auth.User{ID: n}, "admin"), nil
	}
	return auth.Anonymous, nil
}

func (headerStrategy) Challenge() string { return "" }

func TestListen_PortInUse(t *testing.T) {
	ln, err := serve.Listen(0)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, err = serve.Listen(ln.Addr().(*net.TCPAddr).Port)
	var se *serve.StartError
	if !errors.As(err, &se) || se.Code != "port-in-use" || !strings.Contains(se.Hint, "--port") {
		t.Errorf("err = %v", err)
	}
}

func TestServer_ServeStopsGracefully(t *testing.T) {
	s := build(t, serve.Options{})
	ln, err := serve.Listen(0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	resp, err := http.Get("http://" + ln.Addr().String() + "/health")
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
	resp.Body.Close()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stop: %v", err)
	}
	if r := get(t, s.Handler(), "/health", ""); r.StatusCode != 503 {
		t.Errorf("health while stopping: %d, want 503", r.StatusCode)
	}
}
