package openapi_test

import (
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"cds/codegen/openapi"
	"cds/parser"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/generic"
	"cds/runtime/odata"
	"cds/runtime/rest"
)

// TestRESTByRole describes a service to several users: what the roles of one never allow is named nowhere, and all references lead somewhere.
func TestRESTByRole(t *testing.T) {
	res := parser.CompileString("s.cds", `
entity db.Orders { key ID : Integer; title : String; margin : Integer; secret : Association to db.Secrets; items : Composition of many db.Items on items.order = $self; }
entity db.Items { key ID : Integer; order : Association to db.Orders; product : String; }
entity db.Secrets { key ID : Integer; code : String; }
@protocol: 'rest' @requires: 'any' service S {
  @restrict: [{ grant: 'READ' }, { grant: '*', to: 'boss' }] entity Orders as projection on db.Orders actions { action approve(); };
  @requires: 'boss' entity Secrets as projection on db.Secrets;
  @requires: 'boss' action close();
  @requires: 'any' action reveal() returns many Secrets;
}
annotate S.Orders with { margin @requires: 'boss'; title @restrict: [{ grant: 'READ' }]; };`)
	if res.Model == nil {
		t.Fatal(res.Diags)
	}
	app, diags := cds.NewApp(res.Model, cds.AppOptions{Log: slog.New(slog.DiscardHandler)})
	if app == nil {
		t.Fatal(diags)
	}
	generic.Install(app)
	s := app.Service("S")
	opt := rest.Options{OpenAPI: func() ([]byte, error) { return openapi.REST(app.Model, s.Model, "/s") },
		OpenAPIByRole: func(v *odata.View) ([]byte, error) { return openapi.RESTByRole(app.Model, s.Model, "/s", v) }}
	opt.ByRole = true
	h := rest.Mount(s, opt)
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask := func(roles ...string) string {
		r := httptest.NewRequest("GET", "/openapi.json", nil)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r.WithContext(cds.NewContext(r.Context(), auth.New(auth.User{ID: "u"}, roles...), "")))
		if rec.Code != 200 || rec.Header().Get("Cache-Control") != "private, no-cache" {
			t.Fatalf("%d %v %s", rec.Code, rec.Header(), rec.Body)
		}
		var doc any
		if err := json.Unmarshal(rec.Body.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		for _, ref := range refs(doc) {
			if !strings.Contains(rec.Body.String(), `"`+ref[strings.LastIndexByte(ref, '/')+1:]+`":`) {
				t.Errorf("%v: %s leads nowhere", roles, ref)
			}
		}
		return rec.Body.String()
	}
	boss, other := ask("boss"), ask()
	for _, name := range []string{`"/Secrets"`, `"/close"`, `"/Orders/{ID}/approve"`, `"margin"`, `"secret"`, `"patch"`} {
		if !strings.Contains(boss, name) || strings.Contains(other, name) {
			t.Errorf("%s is shown to the boss: %v, to others: %v", name, strings.Contains(boss, name), strings.Contains(other, name))
		}
	}
	if !strings.Contains(other, `"/reveal"`) || !strings.Contains(other, `"S.Secrets"`) {
		t.Error("what an operation returns is not described")
	}
	opt.OpenAPIByRole = nil
	h = rest.Mount(s, opt)
	rec := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/openapi.json", nil)
	if h.ServeHTTP(rec, r.WithContext(cds.NewContext(r.Context(), auth.New(auth.User{ID: "u"}), ""))); rec.Code != 404 {
		t.Errorf("a description for all where descriptions follow roles: %d", rec.Code)
	}
}

// refs returns the references in a document.
func refs(v any) []string {
	var out []string
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if s, ok := x.(string); ok && k == "$ref" {
				out = append(out, s)
			}
			out = append(out, refs(x)...)
		}
	case []any:
		for _, x := range v {
			out = append(out, refs(x)...)
		}
	}
	return out
}
