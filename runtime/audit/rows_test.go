package audit_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/csn"
	"cds/runtime/audit"
	"cds/runtime/config"
	"cds/runtime/db"
	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgtest"
	"cds/runtime/deploy"
	"cds/runtime/rls"
	"cds/runtime/serve"
	"cds/strategies"
)

// Where the database has row-level security the log is read by its entity all the same, by whom that lets, and by no other SQL.
func TestRecordsWithRows(t *testing.T) {
	ctx := context.Background()
	const role = "cds_audit_test"
	cfg := pgtest.Open(t)
	owner, err := postgres.New().Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = owner.Close() }()
	key, err := db.NewRowKey("a secret of this test, and of no other")
	if err != nil {
		t.Fatal(err)
	}
	as, err := pgtest.Shared(t).As(ctx, cfg, role)
	if err != nil {
		t.Fatal(err)
	}
	as.RowKey = key
	m := parser.CompileString("model.cds", shown).Model
	schema, err := serve.RowPolicies(&config.Config{Section: config.Section{}}, m, postgres.Dialect())
	if err != nil {
		t.Fatal(err)
	}
	if err := audit.Prepare(ctx, owner); err != nil {
		t.Fatal(err)
	}
	if err := audit.PrepareShown(ctx, owner, m); err != nil {
		t.Fatal(err)
	}
	if err := deploy.Evolve(ctx, owner, m, deploy.Options{Rows: &deploy.RowSecurity{Schema: schema, App: rls.Application{Role: role, Key: key}}}); err != nil {
		t.Fatal(err)
	}
	pool, err := postgres.New().Open(ctx, as)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pool.Close() }()
	app := serve.New(func() (*csn.Model, error) { return m, nil })
	app.Strategies(strategies.Builtin())
	users := map[string]any{"rita": map[string]any{"roles": []any{"audit-reader"}}, "clara": map[string]any{"roles": []any{"clerk"}}}
	s, err := app.Build(ctx, serve.Options{Env: []string{}, Profiles: []string{"production"}, Pool: pool, Overrides: config.Section{"requires": map[string]any{
		"auth": map[string]any{"kind": "mocked", "allowInProduction": true, "users": users}}}})
	if err != nil {
		t.Fatal(err) // differences are errors in production
	}
	defer func() { _ = s.Close() }()
	call := func(user, method, path, body string) (int, string) {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.SetBasicAuth(user, "")
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	if code, body := call("clara", http.MethodPost, "/odata/v4/sales/Customers", `{"ID":1,"name":"Ann"}`); code != http.StatusCreated {
		t.Fatal(code, body)
	}
	const records = "/odata/v4/audit/Records?$select=user&$filter=event%20eq%20'PersonalDataModified'"
	if code, body := call("rita", http.MethodGet, records, ""); code != http.StatusOK || !strings.Contains(body, `"user":"clara"`) {
		t.Error(code, body)
	}
	if code, body := call("clara", http.MethodGet, records, ""); code != http.StatusForbidden {
		t.Error(code, body)
	}
	tx, err := pool.Read(ctx, db.Session{Claims: `{"roles:String[]":["audit-reader","authenticated-user"]}`})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	err = db.Each(ctx, tx, db.Stmt{SQL: "SELECT ID FROM Audit_Records", Opens: `"*"`}, func(db.Rows) error {
		t.Error("native SQL reads the log")
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
