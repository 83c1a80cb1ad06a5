package serve_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cds/parser/csn"
	"cds/runtime/db/sqlite"
	"cds/runtime/serve"
	"cds/strategies"

	cdl "cds/parser"
)

const auditedModel = `
entity shop.Customers {
  key ID : Integer;
  @PersonalData.IsPotentiallyPersonal name : String(100);
  @PersonalData.IsPotentiallySensitive card : String(100);
}
@requires: 'authenticated-user'
service Sales { @restrict: [{ grant: ['READ', 'CREATE', 'UPDATE'] }] entity Customers as projection on shop.Customers; }
`

func auditedApp() *serve.App {
	app := serve.New(func() (*csn.Model, error) {
		res := cdl.CompileString("sales.cds", auditedModel)
		if res.Model == nil {
			return nil, res.Diags
		}
		return res.Model, nil
	})
	app.Databases(sqlite.New())
	app.Strategies(strategies.Builtin())
	return app
}

// What comes over HTTP is recorded once, with the correlation id of the request: also what a door refuses, and credentials, of which nothing is kept.
func TestAudit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	s, err := startRC(t, auditedApp(), `{"requires":{"auth":{"kind":"basic","users":{"bob":{"password":"t0psecret"}}}},"audit":{"sinks":["file"],"file":"`+file+`"}}`)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(id, method, path, password, body string) int {
		req := httptest.NewRequest(method, path, strings.NewReader(body))
		if body != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		if password != "" {
			req.SetBasicAuth("bob", password)
		}
		req.Header.Set("X-Correlation-Id", id)
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, req)
		return w.Code
	}
	const all = "/odata/v4/sales/Customers"
	for _, tt := range []struct {
		id, method, path, password, body string
		status                           int
	}{
		{"c1", "POST", all, "t0psecret", `{"ID":1,"name":"Ann","card":"4111"}`, 201},
		{"c2", "GET", all + "?$select=name", "t0psecret", "", 200},
		{"c3", "GET", all + "(1)", "t0psecret", "", 200},
		{"c4", "GET", all, "wr0ng-s3cret", "", 401},
		{"c5", "GET", all, "", "", 401},
		{"c6", "DELETE", all + "(1)", "t0psecret", "", 403},
		{"c7", "GET", "/odata/v4/sales/cds_audit", "t0psecret", "", 404},
		{"c8", "PATCH", all + "(1)", "t0psecret", `{"name":"Anna"}`, 200},
	} {
		if got := ask(tt.id, tt.method, tt.path, tt.password, tt.body); got != tt.status {
			t.Errorf("%s: %d, want %d", tt.id, got, tt.status)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for id, want := range map[string][]string{
		"c1": {"PersonalDataModified", "SensitiveDataRead"}, "c2": nil, "c3": {"SensitiveDataRead"}, "c4": {"LoginRefused"}, "c5": {"AccessDenied"}, "c6": {"AccessDenied"},
		"c7": nil, "c8": {"PersonalDataModified", "SensitiveDataRead"},
	} {
		var got []string
		for _, line := range strings.Split(text, "\n") {
			if strings.Contains(line, `"correlation":"`+id+`"`) {
				_, e, _ := strings.Cut(line, `"event":"`)
				e, _, _ = strings.Cut(e, `"`)
				got = append(got, e)
			}
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: %v, want %v", id, got, want)
		}
	}
	for _, secret := range []string{"s3cret", "t0psecret", "4111"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
	if n := strings.Count(text, "\n"); n != strings.Count(text, `"correlation":"c`) {
		t.Errorf("records without correlation in\n%s", text)
	}
}

// A configuration that is not understood stops the start.
func TestAuditMisconfigured(t *testing.T) {
	_, err := startRC(t, auditedApp(), `{"requires":{"auth":"mocked"},"audit":{"sinks":["files"]}}`)
	if err == nil || !strings.Contains(err.Error(), "audit.sinks") {
		t.Error(err)
	}
}

// A wrong password at a login page is a refused login, too.
func TestAuditOfLogin(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	s, err := startRC(t, auditedApp(), `{"requires":{"auth":{"kind":"local","jwt":{"secret":"a secret of more than thirty-two bytes"}}},"audit":{"sinks":["file"],"file":"`+file+`"}}`)
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest("POST", "/auth/login", strings.NewReader(`{"username":"nam3","password":"wr0ng-s3cret"}`))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Correlation-Id", "c1")
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, req)
	if err := s.Close(); err != nil || w.Code != 401 {
		t.Fatal(err, w.Code, w.Body)
	}
	b, err := os.ReadFile(file)
	if text := string(b); err != nil || !strings.Contains(text, `"event":"LoginRefused"`) || !strings.Contains(text, `"correlation":"c1"`) || strings.Contains(text, "s3cret") || strings.Contains(text, "nam3") {
		t.Errorf("%v %s", err, text)
	}
}
