package serve_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/csn"
	"cds/runtime/config"
	"cds/runtime/db"
	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgtest"
	"cds/runtime/deploy"
	"cds/runtime/rls"
	"cds/runtime/serve"
	"cds/strategies"
)

const rowsModel = `entity my.Orders { key ID : Integer; owner : String(40); }
@requires: 'authenticated-user' service Shop { @restrict: [{ grant: 'READ', where: 'owner = $user' }] entity Orders as projection on my.Orders; }`

// A server whose database has another row-level security than its model does not start in production, and says so elsewhere.
func TestRowSecurity_differs(t *testing.T) {
	ctx := context.Background()
	cfg := pgtest.Open(t)
	key, err := db.NewRowKey("a secret of this test, and of no other")
	if err != nil {
		t.Fatal(err)
	}
	as, err := pgtest.Shared(t).As(ctx, cfg, "cds_serve_test")
	if err != nil {
		t.Fatal(err)
	}
	as.RowKey = key
	m := parser.CompileString("rows.cds", rowsModel).Model
	build := func(profile string) (*serve.Server, error) {
		pool, err := postgres.New().Open(ctx, as)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = pool.Close() })
		app := serve.New(func() (*csn.Model, error) { return m, nil })
		app.Strategies(strategies.Builtin())
		s, err := app.Build(ctx, serve.Options{Env: []string{}, Profiles: []string{profile}, Pool: pool,
			Overrides: config.Section{"requires": map[string]any{"auth": map[string]any{"kind": "mocked", "allowInProduction": true, "restrict_all_services": true}}}})
		if err == nil {
			t.Cleanup(func() { _ = s.Close() })
		}
		return s, err
	}
	owner, err := postgres.New().Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = owner.Close() }()
	schema, err := serve.RowPolicies(&config.Config{Section: config.Section{}}, m, postgres.Dialect())
	if err != nil {
		t.Fatal(err)
	}
	if err := deploy.Evolve(ctx, owner, m, deploy.Options{Rows: &deploy.RowSecurity{Schema: schema, App: rls.Application{Role: "cds_serve_test", Key: key}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := build("production"); err != nil {
		t.Errorf("as deployed: %v", err)
	}
	if err := db.InTx(ctx, owner, func(tx db.Tx) error { return tx.Script(ctx, "ALTER POLICY cds_rls_select ON my_Orders USING (true)") }); err != nil {
		t.Fatal(err)
	}
	_, err = build("production")
	var se *serve.StartError
	if !errors.As(err, &se) || se.Code != "rls-differs" || !strings.Contains(se.Message, "policy cds_rls_select of table my_Orders was changed by hand") || !strings.Contains(se.Hint, "cds deploy") {
		t.Errorf("in production: %v", err)
	}
	s, err := build("development")
	if err != nil || !strings.Contains(strings.Join(s.Notes, "\n"), "changed by hand") {
		t.Errorf("in development: %v", err)
	}
}

// What is misspelt or missing in requires.db.rls stops the start.
func TestRowSecurityOf(t *testing.T) {
	const secret = "a secret of this test, and of no other"
	for _, tt := range []struct {
		rls  any
		code string // "" for none
		on   bool
	}{
		{nil, "", false},
		{false, "", false},
		{true, "rls-config", false},
		{"yes", "rls-config", false},
		{[]any{}, "rls-config", false},
		{map[string]any{"role": "a", "key": secret}, "", true},
		{map[string]any{"role": "a", "key": secret, "enabled": false}, "", false},
		{map[string]any{"role": "a"}, "rls-key-missing", false},
		{map[string]any{"role": "a", "key": "short"}, "rls-key-short", false},
		{map[string]any{"key": secret}, "rls-config", false},
		{map[string]any{"rolle": "a", "key": secret}, "rls-config", false},
	} {
		rows, err := serve.RowSecurityOf(&config.Config{Section: config.Section{"requires": map[string]any{"db": map[string]any{"rls": tt.rls}}}})
		var se *serve.StartError
		errors.As(err, &se)
		switch {
		case tt.code == "" && (err != nil || rows.On != tt.on || rows.On != (rows.Key != nil)):
			t.Errorf("%v: %+v, %v", tt.rls, rows, err)
		case tt.code != "" && (se == nil || se.Code != tt.code):
			t.Errorf("%v: %v, want %s", tt.rls, err, tt.code)
		case err != nil && strings.Contains(err.Error(), secret):
			t.Errorf("%v: the error has the secret in it", tt.rls)
		}
	}
}
