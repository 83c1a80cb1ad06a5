package rls_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/token"
	"cds/runtime/authz"
	"cds/runtime/db"
	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgtest"
	"cds/runtime/deploy"
	"cds/runtime/rls"
	"cds/runtime/sqlgen"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

const (
	role   = "cds_rls_test"
	secret = "a secret of these tests, and no other"
)

// compile makes the model, with drafts, and its row-level security.
func compile(t *testing.T, text string) (*csn.Model, *rls.Schema) {
	t.Helper()
	res := parser.CompileString("model.cds", text)
	if res.Model == nil || res.Diags.HasErrors() {
		t.Fatal(res.Diags)
	}
	full, diags := csn.WithDrafts(res.Model, "")
	if full == nil {
		t.Fatal(diags)
	}
	p, diags := authz.Compile(full, authz.Options{Strict: true, RestrictAllServices: true})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	s, diags := rls.Compile(full, p, postgres.Dialect())
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return res.Model, s
}

// TestGolden compares the policies of the models in testdata. CDS_UPDATE=1 writes them anew.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no archives", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			a, err := txtar.ParseFile(f)
			if err != nil || len(a.Files) != 2 {
				t.Fatal(err)
			}
			_, s := compile(t, string(a.Files[0].Data))
			got := s.Text()
			if os.Getenv("CDS_UPDATE") == "1" {
				a.Files[1].Data = got
				if err := os.WriteFile(f, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(string(a.Files[1].Data), string(bytes.TrimSpace(got))+"\n"); d != "" {
				t.Error(d)
			}
		})
	}
}

// An entity whose rows no condition on the table can tell stops the deployment, at its place.
func TestCompile_refuses(t *testing.T) {
	res := parser.CompileString("model.cds", `entity my.E { key ID : Integer; a : Integer; f : Association to my.E; }
@requires: 'any' service S { @restrict: [{ grant: 'READ', where: 'up = 1' }] entity V as projection on my.E { key a, f.a as up }; }`)
	full, _ := csn.WithDrafts(res.Model, "")
	if full == nil {
		t.Fatal(res.Diags)
	}
	p, _ := authz.Compile(full, authz.Options{Strict: true})
	_, diags := rls.Compile(full, p, postgres.Dialect())
	if len(diags) == 0 || diags[0].Code != rls.CodeRow || diags[0].Span == (token.Span{}) {
		t.Errorf("%v", diags)
	}
}

// A database is one with row-level security, as its owner and as the server open it.
type database struct {
	owner, server db.Pool
	key           *db.RowKey
	cfg           db.Config // of the server, without the key
}

func open(t *testing.T) *database {
	t.Helper()
	cfg := pgtest.Open(t)
	d := &database{}
	var err error
	if d.key, err = db.NewRowKey(secret); err != nil {
		t.Fatal(err)
	}
	as, err := pgtest.Shared(t).As(context.Background(), cfg, role)
	if err != nil {
		t.Fatal(err)
	}
	d.cfg = as
	as.RowKey = d.key
	if d.owner, err = postgres.New().Open(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.owner.Close() })
	if d.server, err = postgres.New().Open(context.Background(), as); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.server.Close() })
	return d
}

func (d *database) deploy(t *testing.T, text string) *rls.Schema {
	t.Helper()
	m, s := compile(t, text)
	opt := deploy.Options{Rows: &deploy.RowSecurity{Schema: s, App: rls.Application{Role: role, Key: d.key}}, AllowDrop: true}
	if err := deploy.Evolve(context.Background(), d.owner, m, opt); err != nil {
		t.Fatal(err)
	}
	return s
}

func (d *database) script(t *testing.T, sql string) {
	t.Helper()
	if err := db.InTx(context.Background(), d.owner, func(tx db.Tx) error { return tx.Script(context.Background(), sql) }); err != nil {
		t.Fatal(err)
	}
}

// query returns the first column of the rows that statements give, one after the other, in one transaction of the server.
func (d *database) query(t *testing.T, claims string, stmts ...db.Stmt) (out string, err error) {
	t.Helper()
	tx, err := d.server.Write(context.Background(), db.Session{Claims: claims})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	for _, s := range stmts {
		var all []string
		err := db.Each(context.Background(), tx, s, func(r db.Rows) error {
			all = append(all, string(r.Text(0)))
			return nil
		})
		if err != nil {
			return "", err
		}
		out = strings.Join(all, " ")
	}
	return out, nil
}

const shop = `entity my.Orders { key ID : Integer; owner : String(40); note : String(20); }
@requires: 'authenticated-user' service Shop {
  @restrict: [{ grant: ['READ', 'UPDATE'], where: 'owner = $user' }, { grant: '*', to: 'admin' }] entity Orders as projection on my.Orders;
}`

const (
	alice = `{"user:String":"alice","roles:String[]":["authenticated-user"]}`
	admin = `{"user:String":"bob","roles:String[]":["authenticated-user","admin"]}`
)

func sql(text string) db.Stmt { return db.Stmt{SQL: text} }

// SQL that nothing guards sees and changes what the policies give, whoever wrote it.
func TestRawSQL(t *testing.T) {
	d := open(t)
	d.deploy(t, shop)
	d.script(t, "INSERT INTO my_Orders VALUES (1, 'alice'), (2, 'bob'), (3, NULL)")
	all := sql("SELECT ID FROM my_Orders ORDER BY ID")
	for _, tt := range []struct {
		name, claims string
		stmts        []db.Stmt
		want         string
		err          error // nil for none
	}{
		{name: "own rows", claims: alice, stmts: []db.Stmt{all}, want: "1"},
		{name: "a view", claims: alice, stmts: []db.Stmt{sql("SELECT ID FROM Shop_Orders")}, want: "1"},
		{name: "admin", claims: admin, stmts: []db.Stmt{all}, want: "1 2 3"},
		{name: "nobody", claims: "{}", stmts: []db.Stmt{all}},
		{name: "no session", stmts: []db.Stmt{all}},
		{name: "opened", claims: alice, stmts: []db.Stmt{{SQL: all.SQL, Opens: `"my_Orders"`}}, want: "1 2 3"},
		{name: "another one opened", claims: alice, stmts: []db.Stmt{{SQL: all.SQL, Opens: `"my_Other"`}}, want: "1"},
		{name: "opened before", claims: alice, stmts: []db.Stmt{{SQL: all.SQL, Opens: `"my_Orders"`}, all}, want: "1"},
		{name: "update", claims: alice, stmts: []db.Stmt{sql("UPDATE my_Orders SET note = 'x' RETURNING ID")}, want: "1"},
		{name: "update by a view", claims: alice, stmts: []db.Stmt{sql("UPDATE Shop_Orders SET note = 'x' RETURNING ID")}, want: "1"},
		{name: "locked", claims: alice, stmts: []db.Stmt{sql("SELECT ID FROM Shop_Orders FOR UPDATE")}, want: "1"},
		{name: "update away", claims: alice, stmts: []db.Stmt{sql("UPDATE my_Orders SET owner = 'bob'")}, err: db.ErrRows},
		{name: "delete", claims: alice, stmts: []db.Stmt{sql("DELETE FROM my_Orders RETURNING ID")}},
		{name: "insert", claims: alice, stmts: []db.Stmt{sql("INSERT INTO my_Orders VALUES (4, 'alice')")}, err: db.ErrRows},
		{name: "insert by admin", claims: admin, stmts: []db.Stmt{sql("INSERT INTO my_Orders VALUES (4, 'alice') RETURNING ID")}, want: "4"},
		{name: "opened is not writable", claims: alice, stmts: []db.Stmt{{SQL: "UPDATE my_Orders SET note = 'x' RETURNING ID", Opens: `"my_Orders"`}}, want: "1"},
		{name: "privileged", claims: alice, stmts: []db.Stmt{{SQL: "UPDATE my_Orders SET note = 'x' RETURNING ID", Opens: sqlgen.EverythingOpen}}, want: "1 2 3"},
		{name: "copied session", claims: alice, stmts: []db.Stmt{sql("SELECT set_config('cds.rls', '', true)"), all}},
	} {
		got, err := d.query(t, tt.claims, tt.stmts...)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v; want %q, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
}

// What SQL sets in a session is not believed.
func TestForged(t *testing.T) {
	d := open(t)
	d.deploy(t, shop)
	d.script(t, "INSERT INTO my_Orders VALUES (1, 'alice'), (2, 'bob')")
	body := `{"i":4102444800,"o":["*"],"v":{}}`
	stolen, err := d.query(t, alice, sql("SELECT current_setting('cds.rls')"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := db.NewRowKey("another secret, as long as the first one")
	if err != nil {
		t.Fatal(err)
	}
	for name, forged := range map[string]string{
		"plain":           body,
		"zeros":           strings.Repeat("0", 64) + body,
		"no hex":          strings.Repeat("z", 64) + body,
		"own signature":   stolen[:64] + body,
		"changed":         strings.Replace(stolen, "alice", "carol", 1),
		"another key":     string(other.Sign([]byte(body))),
		"too old":         string(d.key.Sign([]byte(`{"i":1,"o":["*"],"v":{}}`))),
		"no time":         string(d.key.Sign([]byte(`{"o":["*"]}`))),
		"upper-case hex":  strings.ToUpper(stolen[:64]) + stolen[64:],
		"a quote in it":   "'" + stolen,
		"nothing but hex": strings.Repeat("0", 64),
	} {
		got, err := d.query(t, alice, db.Stmt{SQL: "SELECT set_config('cds.rls', $1, true)", Binds: []cqn.Value{cqn.String(forged)}}, sql("SELECT ID FROM my_Orders"))
		if err == nil {
			t.Errorf("%s: was believed: %q", name, got)
		}
	}
	for _, probe := range []string{
		"SELECT inner_pad FROM cds_rls_key", "UPDATE cds_rls_key SET one = one", "SET row_security = off; SELECT ID FROM my_Orders", "ALTER TABLE my_Orders DISABLE ROW LEVEL SECURITY",
		"DROP POLICY cds_rls_select ON my_Orders", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "SET ROLE cds", "DELETE FROM cds_model",
		"CREATE OR REPLACE FUNCTION cds_rls_open(t text) RETURNS boolean LANGUAGE sql AS 'SELECT true'", "TRUNCATE my_Orders",
	} {
		tx, err := d.server.Write(context.Background(), db.Session{Claims: alice})
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.Script(context.Background(), probe); err == nil {
			t.Errorf("%s: no error", probe)
		}
		_ = tx.Rollback()
	}
}

// A temporary table does not take the place of one that a function reads.
func TestShadowed(t *testing.T) {
	d := open(t)
	d.deploy(t, `entity my.Teams { key ID : Integer; member : String(20); }
entity my.Plans { key ID : Integer; team : Association to my.Teams; }
@requires: 'authenticated-user' service S { @restrict: [{ grant: 'READ', where: 'exists team[member = $user]' }] entity Plans as projection on my.Plans; }`)
	d.script(t, "INSERT INTO my_Teams VALUES (1, 'alice'), (2, 'bob'); INSERT INTO my_Plans VALUES (1, 1), (2, 2)")
	all := sql("SELECT ID FROM my_Plans ORDER BY ID")
	tx, err := d.server.Write(context.Background(), db.Session{Claims: alice})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := tx.Script(context.Background(), "CREATE TEMP TABLE my_Teams AS SELECT 2 AS ID, 'alice' AS member; CREATE TEMP TABLE cds_rls_key AS SELECT true AS one, ''::bytea AS inner_pad, ''::bytea AS outer_pad"); err != nil {
		t.Fatal(err)
	}
	got := ""
	if err := db.Each(context.Background(), tx, all, func(r db.Rows) error { got += string(r.Text(0)); return nil }); err != nil || got != "1" {
		t.Errorf("%q, %v", got, err)
	}
}

// What opens all tables opens neither the rows of other tenants nor the tables that belong to no model: these are asked for by name.
func TestEverythingOpen(t *testing.T) {
	d := open(t)
	d.script(t, "CREATE TABLE auth_users (id int); INSERT INTO auth_users VALUES (7)")
	d.deploy(t, `entity my.Orders { key ID : Integer; @tenant tenant : String(36); lines : Composition of many { key nr : Integer; }; }
@requires: 'admin' service Shop { entity Orders as projection on my.Orders excluding { tenant }; }`)
	d.script(t, "INSERT INTO my_Orders VALUES (1, 't1'), (2, 't2'); INSERT INTO my_Orders_lines VALUES (1, 1), (2, 2)")
	user := `{"tenant:String":"t1","roles:String[]":["authenticated-user"]}`
	for _, tt := range []struct{ name, claims, sql, opens, want string }{
		{"nothing", user, "SELECT ID FROM my_Orders", "", ""},
		{"everything", user, "SELECT ID FROM my_Orders ORDER BY ID", sqlgen.EverythingOpen, "1"},
		{"parts", user, "SELECT nr FROM my_Orders_lines ORDER BY nr", sqlgen.EverythingOpen, "1"},
		{"all tenants", user, "SELECT ID FROM my_Orders ORDER BY ID", sqlgen.EverythingOpen + "," + sqlgen.AllTenantsOpen, "1 2"},
		{"no tenant", `{}`, "SELECT ID FROM my_Orders ORDER BY ID", sqlgen.EverythingOpen, ""},
		{"no user", ``, "SELECT ID FROM my_Orders ORDER BY ID", sqlgen.EverythingOpen, ""},
		{"another tenant's row", user, "UPDATE my_Orders SET ID = ID WHERE ID = 2 RETURNING ID", sqlgen.EverythingOpen, ""},
		{"logins", user, "SELECT id FROM auth_users", sqlgen.EverythingOpen, ""},
		{"logins, by the server", user, "SELECT id FROM auth_users", db.SystemTables, "7"},
	} {
		got, err := d.query(t, tt.claims, db.Stmt{SQL: tt.sql, Opens: tt.opens})
		if got != tt.want || err != nil {
			t.Errorf("%s: %q, %v; want %q", tt.name, got, err, tt.want)
		}
	}
}

// Without a session that the server has signed there is what everybody may see, and nothing of what a user is asked for.
func TestNobody(t *testing.T) {
	d := open(t)
	d.deploy(t, `entity my.News { key ID : Integer; owner : String(20); }
entity my.Own { key ID : Integer; owner : String(20); }
@requires: 'any' service S { @readonly entity News as projection on my.News; @restrict: [{ grant: '*', where: 'owner = $user or $user.a is null or owner != $user.b' }, { deny: 'READ', to: 'x' }] entity Own as projection on my.Own; }`)
	d.script(t, "INSERT INTO my_News VALUES (1, 'a'); INSERT INTO my_Own VALUES (1, 'a'), (2, NULL)")
	for q, want := range map[string]string{
		"SELECT ID FROM my_News": "1", "SELECT ID FROM my_Own": "", "DELETE FROM my_News RETURNING ID": "", "UPDATE my_Own SET owner = 'b' RETURNING ID": "",
	} {
		for _, claims := range []string{"", "{}"} {
			if got, err := d.query(t, claims, sql(q)); got != want || err != nil {
				t.Errorf("%s as %q: %q, %v; want %q", q, claims, got, err, want)
			}
		}
	}
}
