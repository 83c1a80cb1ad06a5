package rls_test

import (
	"context"
	"fmt"
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
		{"GRANT SELECT ON cds_rls_key TO " + role, "", "table cds_rls_key can be read by the server"},
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
