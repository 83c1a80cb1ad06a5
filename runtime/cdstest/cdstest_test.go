package cdstest

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"cds/parser"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/config"
)

const model = `
service S {
  entity Open { key ID : Integer; name : String; }
  @restrict: [{ grant: 'READ', where: 'land = $user.land' }, { grant: '*', to: 'boss' }]
  entity Guarded { key ID : Integer; land : String; } actions { action stamp(); };
  @requires: 'boss' action close();
  event Made : { ID : Integer; name : String; };
}`

func shop(t testing.TB, cfg Config) *App {
	t.Helper()
	cfg.Model = func() (*csn.Model, error) {
		res := parser.CompileString("s.cds", model)
		return res.Model, res.Diags.Err()
	}
	if cfg.FS == nil {
		cfg.FS = fstest.MapFS{
			"db/data/S.Open.csv":    {Data: []byte("ID,name\n1,one\n")},
			"db/data/S.Guarded.csv": {Data: []byte("ID,land\n1,DE\n2,FR\n")},
		}
	}
	return New(t, cfg)
}

func TestUsersOfOneTest(t *testing.T) {
	app := shop(t, Config{Users: []TestUser{User("x", Roles("boss", "clerk"), Attr("land", "DE", "AT"), Tenant("t9")), User("y", Attr("land", "FR"))}})
	u := app.UserNamed("x")
	if u.ID != "x" || !u.Is("boss") || !u.Is("clerk") || u.Is("admin") || u.Tenant != "t9" || len(u.Attr("land")) != 2 {
		t.Errorf("user is %+v", u)
	}
	if app.UserNamed("").Identified() {
		t.Error("no name is somebody")
	}
	if got := cds.UserFrom(app.As("y")).Attr("land"); len(got) != 1 || got[0] != "FR" {
		t.Errorf("land is %v", got)
	}
	if got := cds.LocaleFrom(app.In("y", "de")); got != "de" {
		t.Errorf("locale is %q", got)
	}
	app.HTTP().As("y").GET("/odata/v4/s/Guarded").Status(200).Contains(`"land":"FR"`).Lacks("DE")
}

// The default user is for tests of something else than authorization.
func TestDefaultUser(t *testing.T) {
	app := shop(t, Config{DefaultUser: auth.Privileged, Users: []TestUser{User("y", Attr("land", "FR"))}})
	app.HTTP().GET("/odata/v4/s/Guarded").Status(200).Contains("DE").Contains("FR")
	app.HTTP().As("y").GET("/odata/v4/s/Guarded").Status(200).Lacks("DE")
	if cds.UserFrom(app.As("")) != auth.Privileged {
		t.Error("calls from code have another user")
	}
	shop(t, Config{}).HTTP().GET("/odata/v4/s/Guarded").Status(200).Lacks("DE").Lacks("FR")
}

// What the application makes of users holds in tests too.
func TestIdentify(t *testing.T) {
	app := shop(t, Config{Users: []TestUser{User("y")}, Identify: func(_ context.Context, r *http.Request, u *cds.User) (*cds.User, error) {
		if !u.Identified() {
			return u, nil
		}
		return u.With(map[string][]string{"land": r.Header.Values("X-Land")}), nil
	}})
	app.HTTP().As("y").With("X-Land", "FR").GET("/odata/v4/s/Guarded").Status(200).Contains("FR").Lacks("DE")
	app.HTTP().As("y").GET("/odata/v4/s/Guarded").Status(200).Lacks("FR").Lacks("DE")
}

func TestHTTP(t *testing.T) {
	app := shop(t, Config{Users: []TestUser{User("x", Roles("boss"))}})
	if got := app.HTTP().GET("/odata/v4/s/Open?$filter=name eq 'one'").Status(200).Values("ID"); len(got) != 1 || got[0] != "1" {
		t.Errorf("values are %v", got)
	}
	app.HTTP().POST("/odata/v4/s/Open", map[string]any{"ID": 2, "name": "two"}).Status(201)
	app.HTTP().PATCH("/odata/v4/s/Open(2)", `{"name":"zwei"}`).Status(200).Contains("zwei")
	app.HTTP().PUT("/odata/v4/s/Open(3)", `{"name":"three"}`).Status(201)
	app.HTTP().DELETE("/odata/v4/s/Open(3)").Status(204)
	var row struct{ Name string }
	if app.HTTP().With("Accept", "application/json").GET("/odata/v4/s/Open(2)").JSON(&row); row.Name != "zwei" {
		t.Errorf("row is %+v", row)
	}
	if h := app.HTTP().POST("/odata/v4/s/close", "{}").Status(401).Header("WWW-Authenticate"); !strings.HasPrefix(h, "Basic") {
		t.Errorf("challenge is %q", h)
	}
}

func TestRefusedRequestsReachNoHandler(t *testing.T) {
	app := shop(t, Config{Users: []TestUser{User("x", Roles("boss"))}})
	app.HTTP().POST("/odata/v4/s/Guarded", `{"ID":3}`).Status(401)
	app.HTTP().POST("/odata/v4/s/close", `{}`).Status(401)
	if n := app.Handled("S"); n != 0 {
		t.Errorf("%d requests got through: %v", n, app.Counts())
	}
	app.HTTP().As("x").POST("/odata/v4/s/Guarded", `{"ID":3}`).Status(201)
	if n := app.Handled("CREATE S.Guarded"); n != 1 || app.Handled("S") < 1 {
		t.Errorf("counts are %v", app.Counts())
	}
}

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	var tmpl Template
	t.Cleanup(func() { tmpl.Close() })
	a, b := shop(t, Config{Template: &tmpl}), shop(t, Config{Template: &tmpl})
	a.HTTP().DELETE("/odata/v4/s/Open(1)").Status(204)
	b.HTTP().GET("/odata/v4/s/Open(1)").Status(200)
	shop(t, Config{Template: &tmpl}).HTTP().GET("/odata/v4/s/Open(1)").Status(200)
}

func TestMatrixText(t *testing.T) {
	app := shop(t, Config{})
	got := MatrixText(app, "S")
	for _, c := range []struct{ what, cells string }{
		{"S", "anonymous login boss"},
		{"Open: READ, CREATE, UPDATE, DELETE", "yes yes yes"},
		{"Guarded: READ", "rows rows yes"},
		{"Guarded: CREATE, UPDATE, DELETE, stamp", "401 403 yes"},
		{"close", "401 403 yes"},
	} {
		found := false
		for _, line := range strings.Split(got, "\n") {
			if rest, ok := strings.CutPrefix(line, c.what+" "); ok {
				found = strings.Join(strings.Fields(rest), " ") == c.cells
			}
		}
		if !found {
			t.Errorf("%s is not %s in\n%s", c.what, c.cells, got)
		}
	}
	golden := filepath.Join(t.TempDir(), "sub", "m.txt")
	t.Setenv("CDS_UPDATE", "1")
	Matrix(t, app, "S", golden)
	t.Setenv("CDS_UPDATE", "")
	Matrix(t, app, "S", golden)
	if err := os.WriteFile(golden, []byte(strings.Replace(got, "401", "yes", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if msg := failure(t, func(tb testing.TB) { Matrix(tb, app, "S", golden) }); !strings.Contains(msg, "have changed") {
		t.Errorf("a changed right passes: %q", msg)
	}
}

// The checks must be able to fail.
func TestChecksFail(t *testing.T) {
	app := shop(t, Config{Users: []TestUser{User("x")}})
	for name, check := range map[string]func(tb testing.TB){
		"status":        func(tb testing.TB) { in(app, tb).HTTP().GET("/odata/v4/s/Open").Status(404) },
		"contains":      func(tb testing.TB) { in(app, tb).HTTP().GET("/odata/v4/s/Open").Contains("nowhere") },
		"lacks":         func(tb testing.TB) { in(app, tb).HTTP().GET("/odata/v4/s/Open").Lacks("one") },
		"json":          func(tb testing.TB) { in(app, tb).HTTP().GET("/odata/v4/s/$metadata").JSON(&struct{ Value int }{}) },
		"misspelt user": func(tb testing.TB) { in(app, tb).HTTP().As("nobody") },
		"misspelt as":   func(tb testing.TB) { in(app, tb).As("nobody") },
		"no error":      func(tb testing.TB) { Forbidden(tb, nil) },
		"other error":   func(tb testing.TB) { NotFound(tb, cds.Reject(403, "", "")) },
		"unknown fault": func(tb testing.TB) { Unauthorized(tb, fmt.Errorf("x")) },
		"no model":      func(tb testing.TB) { New(tb, Config{}) },
		"bad data": func(tb testing.TB) {
			shop(tb, Config{FS: fstest.MapFS{"db/data/S.Open.csv": {Data: []byte("nope\n1\n")}}})
		},
		"handlers":       func(tb testing.TB) { shop(tb, Config{Register: func(*cds.App) error { return fmt.Errorf("no") }}) },
		"missing golden": func(tb testing.TB) { Matrix(tb, app, "S", "testdata/none.txt") },
		"bad strategy": func(tb testing.TB) {
			shop(tb, Config{Overrides: config.Section{"requires": map[string]any{"auth": map[string]any{"kind": "none"}}}})
		},
	} {
		if msg := failure(t, check); msg == "" {
			t.Errorf("%s: did not fail", name)
		}
	}
}

func in(a *App, tb testing.TB) *App { c := *a; c.t = tb; return &c }

// failure runs fn with a TB that only records, and returns what it said.
func failure(t *testing.T, fn func(testing.TB)) string {
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() { // Fatal must end a goroutine
		defer close(done)
		fn(r)
	}()
	<-done
	return r.said
}

type recorder struct {
	testing.TB
	said string
}

func (r *recorder) Helper()                        {}
func (r *recorder) Errorf(format string, a ...any) { r.said += fmt.Sprintf(format, a...) }
func (r *recorder) Fatalf(format string, a ...any) {
	r.said += fmt.Sprintf(format, a...)
	runtime.Goexit()
}
func (r *recorder) Fatal(a ...any) {
	r.said += fmt.Sprint(a...)
	runtime.Goexit()
}

func TestReset(t *testing.T) {
	var shared Template
	t.Cleanup(func() { _ = shared.Close() })
	for _, template := range []*Template{nil, &shared} {
		app := shop(t, Config{Template: template})
		for range 2 {
			app.HTTP().POST("/odata/v4/s/Open", `{"ID":7,"name":"seven"}`).Status(201)
			app.Reset()
			app.HTTP().GET("/odata/v4/s/Open/$count").Status(200).Contains("1")
			app.HTTP().GET("/odata/v4/s/Open(7)").Status(404)
		}
	}
}

func TestEventsAndLogAreCaptured(t *testing.T) {
	app := shop(t, Config{Register: func(a *cds.App) error {
		s := a.Service("S")
		s.Before(cds.Match{Events: []cds.Event{"CREATE"}}, func(ctx context.Context, r *cds.RawRequest) error {
			a.Logger("shop").Info("a row is made", "id", r.Data.Value("ID").Int())
			if err := s.Emit(ctx, "Made", r.Data.Clone()); err != nil {
				return err
			}
			if r.Data.Value("ID").Int() == 13 {
				return r.Reject(409, "UNLUCKY", "no")
			}
			return nil
		})
		return nil
	}})
	app.HTTP().POST("/odata/v4/s/Open", `{"ID":13,"name":"x"}`).Status(409)
	app.HTTP().POST("/odata/v4/s/Open", `{"ID":7,"name":"seven"}`).Status(201)
	if got := app.Events("S.Made"); len(got) != 1 || got[0].Data.Value("name").Str() != "seven" || len(app.Events("")) != 1 || len(app.Events("S.Other")) != 0 {
		t.Errorf("events are %v", got)
	}
	if got := app.Logged("a row is made"); len(got) != 2 || got[1]["id"] != 7.0 || got[1]["module"] != "shop" {
		t.Errorf("records are %v", got)
	}
	app.ClearLog()
	if len(app.Logged("")) != 0 || app.Log() != "" {
		t.Error("the log is not empty")
	}
}
