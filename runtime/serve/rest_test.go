package serve_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"cds/codegen/openapi"
	"cds/parser"
	"cds/parser/csn"
	"cds/runtime/config"
	"cds/runtime/db/sqlite"
	"cds/runtime/serve"
	"cds/strategies"
)

const protocols = `
entity Things { key ID : Integer; name : String; }
@protocol: 'rest' service Plain { entity T as projection on Things; }
@rest @odata service Both { entity T as projection on Things; }
@protocol: ['odata', 'rest'] service List { entity T as projection on Things; }
@protocol: [{ kind: 'rest', path: 'v2/api' }, { kind: 'odata', path: '/o' }] service Objects { entity T as projection on Things; }
@protocol: { kind: 'rest', path: '/one' } service One { entity T as projection on Things; }
@path: '/api' @protocol: 'rest' @requires: 'admin' service Absolute { entity T as projection on Things; }
@protocol: 'none' service Inner { entity T as projection on Things; }
`

func buildREST(t *testing.T, model string, profiles []string, over config.Section) (*serve.Server, error) {
	t.Helper()
	app := serve.New(func() (*csn.Model, error) {
		res := parser.CompileString("rest.cds", model)
		if res.Model == nil {
			return nil, res.Diags
		}
		return res.Model, nil
	})
	app.Databases(sqlite.New())
	app.Strategies(strategies.Builtin())
	app.OpenAPI(openapi.REST)
	app.Data(fstest.MapFS{"db/data/Things.csv": {Data: []byte("ID,name\n1,one\n")}})
	s, err := app.Build(context.Background(), serve.Options{FS: fstest.MapFS{}, Env: []string{}, Profiles: profiles, Overrides: over, InMemory: true})
	if s != nil {
		t.Cleanup(func() { s.Close() })
	}
	return s, err
}

func askAs(s *serve.Server, method, path, user string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	if user != "" {
		r.SetBasicAuth(user, user)
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

const row = `{"ID":1,"name":"one"}`

func TestProtocols(t *testing.T) {
	s, err := buildREST(t, protocols, []string{"development"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/rest/plain/T/1":        row,
		"/odata/v4/plain/T(1)":   "",
		"/rest/both/T/1":         row,
		"/odata/v4/both/T(1)":    `{"@odata.context":"$metadata#T/$entity","ID":1,"name":"one"}`,
		"/rest/list/T/1":         row,
		"/odata/v4/list/T(1)":    `{"@odata.context":"$metadata#T/$entity","ID":1,"name":"one"}`,
		"/rest/v2/api/T/1":       row,
		"/o/T(1)":                `{"@odata.context":"$metadata#T/$entity","ID":1,"name":"one"}`,
		"/rest/objects/T/1":      "",
		"/one/T/1":               row,
		"/rest/one/T/1":          "",
		"/rest/inner/T/1":        "",
		"/odata/v4/inner/T(1)":   "",
		"/rest/plain/$metadata":  "",
		"/rest/absolute/T/1":     "",
		"/odata/v4/absolute/T/1": "",
	} {
		w := askAs(s, http.MethodGet, path, "alice")
		if want == "" && w.Code != 404 || want != "" && (w.Code != 200 || w.Body.String() != want) {
			t.Errorf("%s: %d %.200s, want %s", path, w.Code, w.Body, want)
		}
	}
	if w := askAs(s, http.MethodGet, "/api/T", ""); w.Code != 401 {
		t.Errorf("anonymous: %d", w.Code)
	}
	if w := askAs(s, http.MethodGet, "/rest/v2/api/openapi.json", ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"url": "/rest/v2/api"`) {
		t.Errorf("openapi.json: %d %.300s", w.Code, w.Body)
	}
	if w := askAs(s, http.MethodGet, "/api/openapi.json", ""); w.Code != 401 {
		t.Errorf("openapi.json of a restricted service: %d", w.Code)
	}
	if w := askAs(s, http.MethodGet, "/o/openapi.json", ""); w.Code != 404 {
		t.Errorf("openapi.json of an OData service: %d", w.Code)
	}
	if w := askAs(s, http.MethodGet, "/", ""); !strings.Contains(w.Body.String(), `/rest/plain/$api-docs`) || strings.Contains(w.Body.String(), "/rest/plain/$metadata") {
		t.Error("the index page has no link to the page of REST services, or one to metadata that they don't have")
	}
}

func TestProtocolRoots(t *testing.T) {
	over := config.Section{"protocols": map[string]any{"rest": map[string]any{"path": "/r/"}, "odata-v4": map[string]any{"path": "odata"}}}
	s, err := buildREST(t, protocols, []string{"development"}, over)
	if err != nil {
		t.Fatal(err)
	}
	for path, status := range map[string]int{"/r/both/T/1": 200, "/odata/both/T(1)": 200, "/rest/both/T/1": 404, "/odata/v4/both/T(1)": 404, "/one/T/1": 200} {
		if w := askAs(s, http.MethodGet, path, ""); w.Code != status {
			t.Errorf("%s: %d, want %d", path, w.Code, status)
		}
	}
}

func TestProtocolsAtOnePath(t *testing.T) {
	_, err := buildREST(t, `@path: '/x' @protocol: ['odata', 'rest'] service S { entity T { key ID : Integer; } }`, []string{"development"}, nil)
	var start *serve.StartError
	if !errors.As(err, &start) || start.Code != "path-taken" || !strings.Contains(start.Hint, "relative") {
		t.Errorf("%v", err)
	}
}

// The page to try a service is off in production, unless it is asked for.
func TestPageInProduction(t *testing.T) {
	over := config.Section{"requires": map[string]any{"auth": map[string]any{"kind": "basic", "restrict_all_services": false, "users": map[string]any{"u": map[string]any{"password": "p"}}}}}
	for _, asked := range []bool{false, true} {
		if asked {
			over["server"] = map[string]any{"api_docs": true}
		}
		s, err := buildREST(t, `@protocol: 'rest' service S { entity T { key ID : Integer; } }`, []string{"production"}, over)
		if err != nil {
			t.Fatal(err)
		}
		if w := askAs(s, http.MethodGet, "/rest/s/$api-docs", ""); (w.Code == 200) != asked {
			t.Errorf("asked for: %v, page: %d", asked, w.Code)
		}
	}
}
