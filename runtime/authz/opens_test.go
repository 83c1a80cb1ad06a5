package authz_test

import (
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/authz"
	"cds/runtime/db/postgres"
	"cds/runtime/sqlgen"
)

// TestOpens: where the database holds a second lock, a statement has the right to more than what the user may read for just those tables that its decision
// says something else about: those of another event's rows, to be seen, and with elevated code all, also to be written.
func TestOpens(t *testing.T) {
	res := parser.CompileString("test.cds", `
entity d.A { key ID : Integer; n : Integer; b : Association to d.B; }
entity d.B { key ID : Integer; n : Integer; }
service S {
  @restrict: [{ grant: 'READ', where: 'n > 1' }, { grant: ['UPDATE', 'go'], where: 'n > 2' }, { grant: 'DELETE' }] entity A as projection on d.A actions { action go(); };
  @restrict: [{ grant: 'READ', where: 'exists d.A[ID = 1]' }] entity Odd { key ID : Integer; }
  entity B as projection on d.B;
}`)
	if res.Model == nil {
		t.Fatal(res.Diags)
	}
	m := res.Model
	p, _ := authz.Compile(m, authz.Options{})
	a := m.Entity("S.A")
	read := &cqn.Select{From: &cqn.From{Path: cqn.NewRef("S.A")}, Columns: []cqn.Column{{X: cqn.NewRef("ID")}}}
	over := &cqn.Select{From: &cqn.From{Path: cqn.NewRef("S.A")}, Columns: []cqn.Column{{X: cqn.NewRef("b", "n")}}}
	data := cqn.NewRow()
	data.Set("n", cqn.Int(1))
	change, remove := &cqn.Update{Entity: cqn.NewRef("S.A"), Data: data}, &cqn.Delete{From: cqn.NewRef("S.A")}
	decide := func(u *auth.User, ev authz.Event, op *csn.Operation) *authz.Guard {
		d := p.Decide(u, authz.Access{Service: a.Service, Event: ev, Path: []*csn.Entity{a}, Op: op})
		if !d.Allowed() {
			t.Fatalf("%s is refused: %v", ev, d.Rules)
		}
		return d.Guard
	}
	u := auth.New(auth.User{ID: "u"})
	for _, c := range []struct {
		what  string
		guard *authz.Guard
		q     cqn.Query
		want  string
	}{
		{"read", decide(u, authz.Read, nil), read, ""}, {"read over a path", decide(u, authz.Read, nil), over, ""},
		{"read for an update", decide(u, authz.Update, nil).Subject(), read, `"d_A"`}, {"read before an update", decide(u, authz.Update, nil), read, ""}, {"read for an operation", decide(u, "go", a.Action("go")).Subject(), read, `"d_A"`},
		{"update", decide(u, authz.Update, nil), change, `"d_A"`}, {"delete", decide(u, authz.Delete, nil), remove, `"d_A"`},
		{"a dummy user reads", decide(auth.NewDummy("d"), authz.Read, nil), read, `"+d_A"`}, {"a dummy user updates", decide(auth.NewDummy("d"), authz.Update, nil), change, `"+d_A"`},
		{"code reads", p.Privileged(), read, `"+d_A"`}, {"code reads over a path", p.Privileged(), over, `"+d_A","+d_B"`}, {"code updates", p.Privileged(), change, `"+d_A"`}, {"code deletes", p.Privileged(), remove, `"+d_A"`},
	} {
		plan, err := sqlgen.Compile(c.q, m, c.guard, postgres.RowSecurityDialect())
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		if plan.Opens != c.want {
			t.Errorf("%s: opens %s, want %s", c.what, plan.Opens, c.want)
		}
		plan, err = sqlgen.Compile(c.q, m, c.guard, postgres.Dialect())
		if err != nil || plan.Opens != "" || strings.Contains(plan.SQL, "cds.rls") {
			t.Errorf("%s without a second lock: opens %s %v", c.what, plan.Opens, err)
		}
	}
}
