package serve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/serve"
)

func TestExtensions(t *testing.T) {
	app := newApp(t)
	var order []string
	tag := func(name string) serve.Middleware {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				order = append(order, name+":"+cds.UserFrom(r.Context()).ID)
				next.ServeHTTP(w, r)
			})
		}
	}
	app.Use(tag("outer"))
	app.Use(tag("inner"))
	app.UseFor("Open", tag("open"))
	app.HandleFunc("GET /reports/{id}", func(w http.ResponseWriter, r *http.Request) {
		if cds.AppFrom(r.Context()) == nil {
			t.Error("the route does not know the app")
		}
		fmt.Fprintf(w, "report %s for %s", r.PathValue("id"), cds.UserFrom(r.Context()).ID)
	})
	app.HandleFunc("/odata/v4/open/", func(w http.ResponseWriter, r *http.Request) { t.Error("a route has taken the place of a service") })
	loaded := 0
	app.OnLoaded(func(m *csn.Model) error { loaded++; return nil })
	app.Register(func(a *cds.App) error {
		a.OnServed(func(context.Context) error { order = append(order, "served"); return nil })
		a.OnShutdown(func() { order = append(order, "shutdown") })
		return nil
	})
	s, err := app.Build(context.Background(), serve.Options{Env: []string{}, FS: data})
	if err != nil {
		t.Fatal(err)
	}
	h := s.Handler()
	if body := bodyOf(t, get(t, h, "/reports/7", "alice")); body != "report 7 for alice" {
		t.Error(body)
	}
	if res := get(t, h, "/odata/v4/open/Books", ""); res.StatusCode != 200 {
		t.Error(res.StatusCode)
	}
	if res := get(t, h, "/nothing", ""); res.StatusCode != 404 {
		t.Error(res.StatusCode)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	want := "served outer:anonymous inner:anonymous outer:anonymous inner:anonymous open:anonymous outer:anonymous inner:anonymous shutdown"
	if got := strings.Join(order, " "); got != want || loaded != 1 {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func bodyOf(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFaultyExtensionsStopTheStart(t *testing.T) {
	for name, set := range map[string]func(*serve.App){
		"service": func(a *serve.App) { a.UseFor("Nope", func(h http.Handler) http.Handler { return h }) },
		"loaded":  func(a *serve.App) { a.OnLoaded(func(*csn.Model) error { return errors.New("x") }) },
		"served": func(a *serve.App) {
			a.Register(func(a *cds.App) error { a.OnServed(func(context.Context) error { return errors.New("x") }); return nil })
		},
		"texts":    nil,
		"loglevel": nil,
	} {
		app := newApp(t)
		opt := serve.Options{Env: []string{}, FS: data}
		switch name {
		case "texts":
			opt.FS = fstest.MapFS{"_i18n/messages.properties": {Data: []byte(`A=\u1`)}}
		case "loglevel":
			opt.Env = []string{"cds_log_levels_shop=loud"}
		default:
			set(app)
		}
		if s, err := app.Build(context.Background(), opt); err == nil {
			s.Close()
			t.Errorf("%s: no error", name)
		}
	}
}

func TestListening(t *testing.T) {
	app := newApp(t)
	heard := make(chan net.Addr, 1)
	app.OnListening(func(a net.Addr) { heard <- a })
	s, err := app.Build(context.Background(), serve.Options{Env: []string{}, FS: data})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	if a := <-heard; a.String() != ln.Addr().String() {
		t.Error(a)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestLogsOfModules: DEBUG and log.levels choose what each module writes.
func TestLogsOfModules(t *testing.T) {
	var log bytes.Buffer
	app := newApp(t)
	s, err := app.Build(context.Background(), serve.Options{Env: []string{"DEBUG=shop, other,sql", "cds_log_levels_quiet=error"}, FS: data, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := s.CDS.NewContext(context.Background(), nil, "")
	cds.Log(ctx, "shop").Debug("shown", "password", "hunter2")
	cds.Log(ctx, "shop").With("a", 1).WithGroup("g").Debug("grouped")
	cds.Log(ctx, "third").Debug("hidden")
	cds.Log(ctx, "third").Info("informed")
	cds.Log(ctx, "quiet").Warn("hushed")
	get(t, s.Handler(), "/odata/v4/open/Books?$filter=title%20eq%20'topsecret'", "")
	got := log.String()
	for _, want := range []string{"shown", "module=shop", "grouped", "informed", "module=third", "module=sql", "FROM"} {
		if !strings.Contains(got, want) {
			t.Errorf("the log lacks %q: %s", want, got)
		}
	}
	for _, no := range []string{"hidden", "hushed", "hunter2", "topsecret"} {
		if strings.Contains(got, no) {
			t.Errorf("the log has %q: %s", no, got)
		}
	}
}
