package rls_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cds/runtime/db"
	"cds/runtime/db/postgres"
	"cds/runtime/deploy"
	"cds/runtime/rls"
)

func problems(t *testing.T, s *rls.Schema, p db.Pool) string {
	t.Helper()
	list, err := s.Check(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, x := range list {
		out = append(out, x.String())
	}
	return strings.Join(out, "\n")
}

const checked = shop + `
entity my.Teams { key ID : Integer; member : String(20); plans : Composition of many my.Plans on plans.team = $self; }
entity my.Plans { key ID : Integer; team : Association to my.Teams; }
@requires: 'authenticated-user' service Work { @restrict: [{ grant: 'READ', where: 'member = $user' }] entity Teams as projection on my.Teams; entity Plans as projection on my.Plans; }`

// Each difference between the database and the model is told, with its object.
func TestCheck(t *testing.T) {
	d := open(t)
	s := d.deploy(t, checked)
	if p := problems(t, s, d.server); p != "" {
		t.Fatalf("freshly deployed: %s", p)
	}
	for _, tt := range []struct{ do, undo, want string }{
		{"ALTER POLICY cds_rls_select ON my_Orders USING (true)", "", "policy cds_rls_select of table my_Orders was changed by hand"},
		{"DROP POLICY cds_rls_delete ON my_Orders", "", "policy cds_rls_delete of table my_Orders is missing"},
		{"CREATE POLICY mine ON my_Orders USING (true)", "DROP POLICY mine ON my_Orders", "policy mine of table my_Orders is not the model's"},
		{"ALTER TABLE my_Orders DISABLE ROW LEVEL SECURITY", "", "table my_Orders has no row-level security"},
		{"ALTER VIEW Shop_Orders SET (security_invoker = false)", "", "view Shop_Orders is not read with the rights of who asks"},
		{"CREATE OR REPLACE FUNCTION cds_rls_open(t text) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT true'", "", "function cds_rls_open was changed by hand"},
		{"ALTER FUNCTION cds_rls_context() SECURITY INVOKER", "", "function cds_rls_context was changed by hand"},
		{"GRANT SELECT ON cds_rls_key TO " + role, "", "table cds_rls_key can be used by the server beyond its policies (SELECT)"},
		{"GRANT CREATE ON SCHEMA public TO " + role, "REVOKE CREATE ON SCHEMA public FROM " + role, "may create tables and functions"},
		{"UPDATE cds_rls_key SET inner_pad = outer_pad", "", "the key is not the one"},
		{"GRANT cds TO " + role, "REVOKE cds FROM " + role, "owns tables, or is a member of the role that does"},
		{"ALTER ROLE " + role + " BYPASSRLS", "ALTER ROLE " + role + " NOBYPASSRLS", "is not held to policies"},
		{fmt.Sprintf("ALTER FUNCTION %s(my_Plans) STABLE COST 1 SET search_path FROM CURRENT", s.Functions[0].Name), "", "was changed by hand"},
	} {
		d.script(t, tt.do)
		if got := problems(t, s, d.server); !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.do, got, tt.want)
		}
		if tt.undo != "" {
			d.script(t, tt.undo)
		}
		d.deploy(t, checked) // mends it
		if got := problems(t, s, d.server); got != "" {
			t.Errorf("%s: after another deployment: %s", tt.do, got)
		}
	}
}

// Whatever the server may do beyond the policies is told, whoever gave it the right and by which way. What the next deployment does not mend is undone by hand.
func TestCheck_rights(t *testing.T) {
	d := open(t)
	d.script(t, "CREATE TABLE auth_users (id int); CREATE TABLE cds_audit (id int)")
	s := d.deploy(t, checked)
	for _, tt := range []struct{ do, undo, want string }{
		{"GRANT TRUNCATE ON my_Orders TO " + role, "", "table my_orders can be used by the server beyond its policies (TRUNCATE)"},
		{"GRANT ALL ON my_Orders TO PUBLIC", "", "table my_orders can be used by the server beyond its policies (TRUNCATE, REFERENCES, TRIGGER)"},
		{"GRANT REFERENCES (owner) ON my_Orders TO " + role, "", "table my_orders can be used by the server beyond its policies (REFERENCES)"},
		{"GRANT TRIGGER ON Shop_Orders TO " + role, "", "view shop_orders can be used by the server beyond its policies (TRIGGER)"},
		{"GRANT UPDATE ON cds_rls_key TO " + role, "", "table cds_rls_key can be used by the server beyond its policies (UPDATE)"},
		{"GRANT SELECT (inner_pad) ON cds_rls_key TO " + role, "", "table cds_rls_key can be used by the server beyond its policies (SELECT)"},
		{"GRANT DELETE ON cds_rls_key TO PUBLIC", "", "table cds_rls_key can be used by the server beyond its policies (DELETE)"},
		{"GRANT INSERT ON cds_model TO " + role, "", "table cds_model can be used by the server beyond its policies (INSERT)"},
		{"CREATE ROLE rls_up BYPASSRLS; GRANT rls_up TO " + role, "DROP ROLE rls_up", "the role of the server is not held to policies (SUPERUSER or BYPASSRLS), as a member of rls_up"},
		{"CREATE ROLE rls_mid; CREATE ROLE rls_up REPLICATION; GRANT rls_up TO rls_mid; GRANT rls_mid TO " + role, "DROP ROLE rls_up; DROP ROLE rls_mid", "may copy the whole database (REPLICATION), as a member of rls_up"},
		{"ALTER ROLE " + role + " NOINHERIT; CREATE ROLE rls_mid; GRANT TRUNCATE ON my_Orders TO rls_mid; GRANT rls_mid TO " + role, "ALTER ROLE " + role + " INHERIT; REVOKE ALL ON my_Orders FROM rls_mid; DROP ROLE rls_mid", "table my_orders can be used by the server beyond its policies (TRUNCATE)"},
		{"CREATE ROLE rls_mid; GRANT CREATE ON SCHEMA public TO rls_mid; GRANT rls_mid TO " + role, "REVOKE CREATE ON SCHEMA public FROM rls_mid; DROP ROLE rls_mid", "may create tables and functions"},
		{"ALTER ROLE " + role + " CREATEROLE", "ALTER ROLE " + role + " NOCREATEROLE", "the role " + role + " may make itself a member of other roles (CREATEROLE)"},
		{"GRANT pg_write_all_data TO " + role, "REVOKE pg_write_all_data FROM " + role, "as a member of pg_write_all_data"},
		{"GRANT pg_read_server_files TO " + role, "REVOKE pg_read_server_files FROM " + role, "as a member of pg_read_server_files"},
		{"ALTER FUNCTION cds_rls_value(text) OWNER TO " + role, "ALTER FUNCTION cds_rls_value(text) OWNER TO cds", "owns tables, or is a member of the role that does"},
		{"ALTER VIEW Shop_Orders OWNER TO " + role, "ALTER VIEW Shop_Orders OWNER TO cds", "owns tables, or is a member of the role that does"},
		{"ALTER TABLE cds_model DISABLE ROW LEVEL SECURITY", "", "table cds_model has no row-level security"},
		{"ALTER TABLE auth_users DISABLE ROW LEVEL SECURITY", "", "table auth_users has no row-level security"},
		{"CREATE POLICY mine ON auth_users USING (true)", "DROP POLICY mine ON auth_users", "policy mine of table auth_users is not the model's"},
		{"CREATE POLICY cds_rls_mine ON cds_audit USING (true)", "", "policy cds_rls_mine of table cds_audit is not the model's"},
		{"ALTER POLICY cds_rls_system ON cds_audit USING (true)", "", "policy cds_rls_system of table cds_audit was changed by hand"},
		{"CREATE TABLE auth_x (i int); GRANT SELECT ON auth_x TO " + role, "DROP TABLE auth_x", "table auth_x has no row-level security"},
		{"CREATE TABLE copied AS SELECT * FROM my_Orders; GRANT SELECT (id) ON copied TO " + role, "DROP TABLE copied", "table copied is not the model's"},
		{"CREATE TABLE child () INHERITS (my_Orders); GRANT UPDATE ON child TO PUBLIC", "DROP TABLE child", "table child is not the model's"},
		{"CREATE VIEW seen AS SELECT * FROM my_Orders; GRANT SELECT ON seen TO " + role, "DROP VIEW seen", "view seen is not the model's"},
		{"CREATE MATERIALIZED VIEW kept AS SELECT * FROM my_Orders; GRANT SELECT ON kept TO " + role, "DROP MATERIALIZED VIEW kept", "table kept is not the model's"},
		{"CREATE SCHEMA aside; GRANT USAGE ON SCHEMA aside TO PUBLIC; CREATE VIEW aside.seen AS SELECT * FROM public.my_Orders; GRANT SELECT ON aside.seen TO " + role, "DROP SCHEMA aside CASCADE", "view aside.seen shows the server tables of the model"},
		{"CREATE FUNCTION cds_rls_open(t varchar) RETURNS boolean LANGUAGE sql AS 'SELECT true'", "", "function cds_rls_open is there more than once"},
		{"CREATE FUNCTION cds_rls_mine() RETURNS boolean LANGUAGE sql AS 'SELECT true'", "", "function cds_rls_mine is not the model's"},
		{"ALTER FUNCTION cds_rls_open(text) STRICT", "", "function cds_rls_open was changed by hand"},
	} {
		d.script(t, tt.do)
		if got := problems(t, s, d.server); !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.do, got, tt.want)
		}
		if tt.undo != "" {
			d.script(t, tt.undo)
		}
		d.deploy(t, checked)
		if got := problems(t, s, d.server); got != "" {
			t.Errorf("%s: after another deployment: %s", tt.do, got)
		}
	}
}

// Statements that were not run in one transaction made functions that a temporary table could deceive.
func TestCheck_searchPath(t *testing.T) {
	d := open(t)
	s := d.deploy(t, checked)
	for _, sql := range s.Script(rls.Application{Role: role, Key: d.key}) {
		d.script(t, sql)
	}
	if got := problems(t, s, d.server); !strings.Contains(got, "function cds_rls_context looks for its tables elsewhere") {
		t.Error(got)
	}
	d.deploy(t, checked)
	if got := problems(t, s, d.server); got != "" {
		t.Error(got)
	}
}

// What somebody else looks after is nothing to tell: his own policies, views that are read with the rights of who asks, tables that the server has no right on, and entities that
// say that they are made by somebody else.
func TestCheck_others(t *testing.T) {
	d := open(t)
	s := d.deploy(t, checked+"\n@cds.persistence.exists entity my.Legacy { key ID : Integer; }")
	d.script(t, `CREATE TABLE my_Legacy (id int); GRANT SELECT, TRUNCATE ON my_Legacy TO `+role+`;
CREATE TABLE own (id int); ALTER TABLE own ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON own USING (true); GRANT SELECT ON own TO `+role+`;
CREATE VIEW seen WITH (security_invoker = true) AS SELECT * FROM my_Orders; GRANT SELECT ON seen TO `+role+`;
CREATE TABLE cds_other (id int); CREATE TABLE notes (id int); CREATE VIEW closed AS SELECT * FROM my_Orders`)
	if got := problems(t, s, d.server); got != "" {
		t.Error(got)
	}
}

// Names that are longer than those of the database are compared as it cuts them.
func TestCheck_long(t *testing.T) {
	d := open(t)
	long := strings.Repeat("Lengthy", 10)
	s := d.deploy(t, strings.ReplaceAll(checked, "my.Orders", "my."+long))
	if got := problems(t, s, d.server); got != "" {
		t.Error(got)
	}
}

// A model that has changed is told, and deployed over what was there: policies hold on to columns, and functions to tables.
func TestEvolve(t *testing.T) {
	d := open(t)
	old := d.deploy(t, checked)
	text := strings.Replace(checked, "owner = $user", "owner != $user", 1)
	text = strings.Replace(text, "owner : String(40)", "owner : String(80)", 1)
	text = strings.Replace(text, "note : String(20)", "remark : String(20)", 1)
	_, s := compile(t, text)
	if got := problems(t, s, d.server); !strings.Contains(got, "policy cds_rls_select of table my_Orders was made from another state of the model") {
		t.Error(got)
	}
	d.deploy(t, text)
	if got := problems(t, s, d.server); got != "" {
		t.Error(got)
	}
	if got := problems(t, old, d.server); !strings.Contains(got, "another state") {
		t.Error(got)
	}
}

// The statements of a plan, run by hand, do what the deployment does: also where a policy holds on to a column that is changed, and where there is to be none any more.
func TestEvolve_byHand(t *testing.T) {
	d := open(t)
	d.deploy(t, checked)
	m, s := compile(t, strings.Replace(checked, "owner : String(40)", "owner : String(80)", 1))
	stop := errors.New("stop")
	by := func(rows *deploy.RowSecurity) {
		t.Helper()
		var p *deploy.Plan
		opt := deploy.Options{Rows: rows, Show: func(plan *deploy.Plan) error { p = plan; return stop }}
		if err := deploy.Evolve(context.Background(), d.owner, m, opt); !errors.Is(err, stop) {
			t.Fatal(err)
		}
		d.script(t, strings.Join(slices.Concat(p.Unlock, p.Script(), p.Rows), ";\n"))
	}
	by(&deploy.RowSecurity{Schema: s, App: rls.Application{Role: role, Key: d.key}})
	if got := problems(t, s, d.server); got != "" {
		t.Error(got)
	}
	by(nil)
	if got := problems(t, s, d.server); !strings.Contains(got, "table my_Orders has no row-level security") || !strings.Contains(got, "function cds_rls_open is missing") {
		t.Error(got)
	}
}

// Without row-level security in the configuration a deployment takes it away.
func TestEvolve_off(t *testing.T) {
	d := open(t)
	d.deploy(t, shop)
	m, s := compile(t, shop)
	if err := deploy.Evolve(context.Background(), d.owner, m, deploy.Options{}); err != nil {
		t.Fatal(err)
	}
	d.script(t, "INSERT INTO my_Orders VALUES (1, 'bob')")
	if got, err := d.query(t, "{}", sql("SELECT ID FROM my_Orders")); err == nil && got != "1" {
		t.Errorf("%q, %v", got, err)
	}
	if got := problems(t, s, d.server); !strings.Contains(got, "has no row-level security") {
		t.Error(got)
	}
}

// A role that is not there, and a statement that fails, leave the database as it was.
func TestEvolve_fails(t *testing.T) {
	d := open(t)
	s := d.deploy(t, shop)
	m, _ := compile(t, shop)
	opt := deploy.Options{Rows: &deploy.RowSecurity{Schema: s, App: rls.Application{Role: "nobody of this name", Key: d.key}}}
	err := deploy.Evolve(context.Background(), d.owner, m, opt)
	if err == nil || !strings.Contains(err.Error(), "has no role nobody of this name") {
		t.Errorf("%v", err)
	}
	if got := problems(t, s, d.server); got != "" {
		t.Error(got)
	}
	if postgres.RowSecurityDialect().Tables().RowSecurity == postgres.Dialect().Tables().RowSecurity {
		t.Error("the dialects are the same")
	}
}
