package sqlgen_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/db"
	"cds/runtime/db/postgres"
	"cds/runtime/sqlgen"
)

// TestTenant_updates: who changes rows under a condition that may fail changes those of the tenant only, and the condition is asked of no others; parts of
// a tenant's rows belong to the tenant under whatever name a projection shows their parent.
func TestTenant_updates(t *testing.T) {
	m := compile(t, `
entity d.A { key ID : Integer; @tenant t : String; x : Integer; }
entity d.B { key ID : Integer; a : Association to d.A; y : Integer; }
entity d.P { key ID : Integer; @tenant t : String; kids : Composition of many d.C on kids.up = $self; }
entity d.C { key ID : Integer; up : Association to d.P; n : Integer; }
service S {
  entity A as projection on d.A excluding { t }; entity B as projection on d.B; @cds.redirection.target entity P as projection on d.P; @cds.redirection.target entity C as projection on d.C { ID, up as parent, n };
}`)
	d := open(t).Dialect()
	fails := expr(t, "100 / x > 1")
	for what, q := range map[string]cqn.Query{
		"update": &cqn.Update{Entity: cqn.NewRef("S.A"), Data: row("x", 1)}, "delete": &cqn.Delete{From: cqn.NewRef("S.A")}, "update some": &cqn.Update{Entity: cqn.NewRef("S.A"), Data: row("x", 1), Where: expr(t, "ID = 1")},
		"read by a condition on the way": parseQuery(t, "select from S.B { ID } where 100 / y > 1 and a.x = 1"), "read by a condition": parseQuery(t, "select from S.B { ID } where a.x = 1 and 100 / y > 1"), "read by either": parseQuery(t, "select from S.B { ID } where 100 / y > 1 or a.x = 1"),
	} {
		p, err := sqlgen.Compile(q, m, &guard{where: map[string]cqn.Expr{"S.A": fails}}, d)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		barriers := strings.Count(p.SQL, "OFFSET 0") // one around the tenant's rows, one around those that the condition lets through
		if !p.Tenant || barriers != 2 || !strings.HasPrefix(what, "read") && !strings.Contains(p.SQL, ".t = ?") {
			t.Errorf("%s: bound %v, barriers %d: %s", what, p.Tenant, barriers, p.SQL)
		}
	}
	for what, q := range map[string]cqn.Query{"update": &cqn.Update{Entity: cqn.NewRef("S.C"), Data: row("n", 1)}, "delete": &cqn.Delete{From: cqn.NewRef("S.C")}, "read": parseQuery(t, "select from S.C { ID }")} {
		p, err := sqlgen.Compile(q, m, &guard{}, d)
		if err != nil || !p.Tenant {
			t.Errorf("%s of parts is not bound to the tenant: %v", what, err)
			continue
		}
		if what != "read" && (!strings.Contains(p.SQL, "EXISTS (SELECT 1 FROM d_P AS t2 WHERE") || !strings.Contains(p.SQL, "t2.t = ?")) {
			t.Errorf("%s of parts: %s", what, p.SQL)
		}
	}
	insert, err := sqlgen.Compile(&cqn.Insert{Into: "S.B", Rows: []*cqn.Row{row("ID", 1)}}, m, &guard{}, d)
	if err != nil || insert.Tenant {
		t.Errorf("a row of nobody belongs to a tenant: %v", err)
	}
}

// TestTenant_none: what cannot say whose a row is does not, and tables that are not there have no tenants.
func TestTenant_none(t *testing.T) {
	m := compile(t, `
entity e.Many { key ID : Integer; @tenant t : many String; }
entity e.Tree { key ID : Integer; @tenant t : String; kids : Composition of many e.Own on kids.up = $self; }
entity e.Own { key ID : Integer; @tenant whose : String; up : Association to e.Tree; }
@cds.persistence.skip entity e.Skipped { key ID : Integer; @tenant t : String; }`)
	if el := sqlgen.TenantColumn(m.Entity("e.Many")); el != nil || sqlgen.TenantBound(m.Entity("e.Many")) {
		t.Error("a list says whose a row is")
	}
	if p := sqlgen.TenantParents(m.Entity("e.Own")); len(p) != 0 {
		t.Errorf("a row with a tenant of its own belongs to that of %s", p[0].Owner.Name)
	}
	sql := sqlgen.TenantsSQL(m, open(t).Dialect())
	if strings.Contains(sql, "Skipped") || strings.Count(sql, "SELECT DISTINCT") != 2 || !strings.Contains(sql, "whose") {
		t.Errorf("tenants: %s", sql)
	}
}

const sliced = `
entity t.Team { key ID : Integer; @cds.valid.from vf : DateTime; @cds.valid.to vt : DateTime; name : String; members : Composition of many t.Member on members.team = $self; }
entity t.Member { key ID : Integer; team : Association to t.Team; half : Association to t.Half; other : Association to t.Rest; title : String; }
entity t.Half { key ID : Integer; @cds.valid.from vf : DateTime; x : Integer; }
entity t.Rest { key ID : Integer; @cds.valid.to vt : DateTime; x : Integer; }`

// TestSlices: conditions look at what is valid now; at composition parents, as they are at the time that the client asks for.
func TestSlices(t *testing.T) {
	m := compile(t, sliced)
	d := open(t).Dialect()
	for _, tt := range []struct {
		what  string
		where cqn.Expr
		want  string
	}{
		{"another entity", expr(t, "exists team[name = 'a']"), "t2.vf <= ?1 AND t2.vt > ?1 ?1=$now"},
		{"a parent", &cqn.Exists{Inverse: "t.Team", Path: cqn.NewRef("members"), Pred: expr(t, "name = 'a'")}, "t2.vf <= ?1 AND t2.vt > ?2 ?1=$at.to ?2=$at.from"},
		{"one without an end", expr(t, "exists half[x = 1]"), ""},
		{"one without a beginning", expr(t, "exists other[x = 1]"), ""},
	} {
		// What a user may not see says when rows are valid all the same.
		g := &guard{where: map[string]cqn.Expr{"t.Member": tt.where}, hidden: map[string]bool{"t.Team.vf": true, "t.Team.vt": true}}
		p, err := sqlgen.Compile(parseQuery(t, "select from t.Member { ID }"), m, g, d)
		if err != nil {
			t.Errorf("%s: %v", tt.what, err)
			continue
		}
		var binds []string
		for i, b := range p.Binds {
			if b.Param.From == cqn.FromNow || b.Param.From == cqn.FromAt {
				binds = append(binds, fmt.Sprintf("?%d=%s", i+1, cqn.Format(&b.Param)))
			}
		}
		got := ""
		if i := strings.Index(p.SQL, "t2.vf <="); i >= 0 {
			got, _, _ = strings.Cut(p.SQL[i:], " AND t2.name")
			got = strings.TrimSuffix(got, ")") + " " + strings.Join(binds, " ")
		}
		if got != tt.want || tt.want == "" && len(binds) > 0 {
			t.Errorf("%s: %s: %s", tt.what, got, p.SQL)
		}
	}
}

// TestOpens_by: where the database holds a second lock, it is lifted for the tables that conditions look at, for rows to be changed and for what is in no service.
func TestOpens_by(t *testing.T) {
	m := compile(t, `
entity d.A { key ID : Integer; n : Integer; b : Association to d.B; }
entity d.B { key ID : Integer; n : Integer; }
service S { entity A as projection on d.A; entity B as projection on d.B; }`)
	for _, tt := range []struct {
		what  string
		q     cqn.Query
		where string
		want  string
	}{
		{"read", parseQuery(t, "select from S.A { ID }"), "", ""},
		{"read over a path", parseQuery(t, "select from S.A { ID, b.n as n }"), "", ""},
		{"read under a condition", parseQuery(t, "select from S.A { ID }"), "b.n = 1", `"d_B"`},
		{"read outside services", parseQuery(t, "select from d.A { ID }"), "", `"d_A"`},
		{"update", &cqn.Update{Entity: cqn.NewRef("S.A"), Data: row("n", 1)}, "", `"d_A"`},
		{"delete", &cqn.Delete{From: cqn.NewRef("S.A")}, "", `"d_A"`},
		{"insert", &cqn.Insert{Into: "S.A", Rows: []*cqn.Row{row("ID", 1)}}, "", ""},
	} {
		g := &guard{}
		if tt.where != "" {
			g.where = map[string]cqn.Expr{"S.A": expr(t, tt.where)}
		}
		p, err := sqlgen.Compile(tt.q, m, g, postgres.RowSecurityDialect())
		if err != nil || p.Opens != tt.want {
			t.Errorf("%s: opens %s, %v; want %s", tt.what, p.Opens, err, tt.want)
		}
	}
}

// TestRowRules: rules on single rows are bound to the tenant where the rows belong to one, and have no rule where they do not.
func TestRowRules(t *testing.T) {
	m := compile(t, `
entity d.A { key ID : Integer; @tenant t : String; n : Integer; }
entity d.B { key ID : Integer; n : Integer; }
@cds.persistence.exists entity X as projection on d.A { ID, @tenant t as whose, n, n + 1 as more : Integer };
entity Y as projection on d.B { ID, n + 1 as more : Integer };`)
	d := open(t).Dialect()
	for name, want := range map[string]string{
		"X": "EXISTS (SELECT 1 FROM X AS t1 WHERE t1.ID = r.ID AND t1.whose = ?1 AND t1.more > ?2)",
		"Y": "EXISTS (SELECT 1 FROM Y AS t1 WHERE t1.ID = r.ID AND t1.more > ?1)",
	} {
		r, err := sqlgen.CompileRow(expr(t, "more > 1"), m.Entity(name), m, d, "r")
		if err != nil || r.SQL != want || !r.ByTable {
			t.Errorf("%s: %+v, %v; want %s", name, r, err, want)
		}
	}
	for name, want := range map[string]bool{"d.A": true, "d.B": false, "X": true, "Y": false} {
		r, err := sqlgen.CompileRowTenant(m.Entity(name), m, d, "r")
		if err != nil || (r != nil) != want || want && (r.SQL == "" || !r.Alone) {
			t.Errorf("whose rows of %s are: %+v, %v", name, r, err)
		}
	}
}

// TestGuard_lambda: a condition that looks from within a list back at the row itself, and from there over another path, is asked of the row behind a barrier too.
func TestGuard_lambda(t *testing.T) {
	m := compile(t, `
entity G { key ID : Integer; name : String; }
entity P { key ID : Integer; n : Integer; up : Association to G; notes : Association to many N on notes.p = $self; }
entity N { key ID : Integer; text : String; p : Association to P; }`)
	p := open(t)
	exec(t, p, script(t, m, p.Dialect())...)
	exec(t, p, "INSERT INTO G VALUES (1, 'a'), (2, 'b')", "INSERT INTO P VALUES (1, 1, 1), (2, 1, 2), (3, 0, 1)", "INSERT INTO N VALUES (1, 'a', 1), (2, 'a', 2), (3, 'a', 3)")
	where := &cqn.Exists{Path: cqn.NewRef("notes"), Var: "x", Pred: &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("x", "text"), R: cqn.NewRef("up", "name")}}
	for query, want := range map[string]int{"select from P { ID }": 2, "select from P { ID } where 100 / n > 1": 1, "select from N { ID } where exists p": 2, "select from N { ID, p.n as n } where p.n > 0": 1, "select from N { ID, p.n as n } where 100 / p.n > 1": 1} {
		q := parseQuery(t, query)
		_, lits := cqn.Shape(q)
		plan, err := sqlgen.Compile(q, m, &guard{where: map[string]cqn.Expr{"P": where}}, p.Dialect())
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		if strings.Contains(plan.SQL, "JOIN G") {
			t.Errorf("%s: a condition adds to the tables of the query: %s", query, plan.SQL)
		}
		tx, err := p.Read(context.Background(), db.Session{})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(run(t, tx, plan, user{}, lits, nil, "")); got != want {
			t.Errorf("%s: %d rows, want %d: %s", query, got, want, plan.SQL)
		}
		_ = tx.Rollback()
	}
}

// TestGuard_unionRights: what may be done with a row of a union is asked of the entity that the row is of, with the definer's right.
func TestGuard_unionRights(t *testing.T) {
	res := parser.CompileString("model.cds", "entity d.A { key ID : Integer; n : Integer; b : Association to d.B; }; entity d.B { key ID : Integer; n : Integer; }; service S { @odata.draft.enabled entity A as projection on d.A; entity B as projection on d.B; }")
	if res.Model == nil {
		t.Fatal(res.Diags)
	}
	m, diags := csn.WithDrafts(res.Model, "")
	if m == nil {
		t.Fatal(diags)
	}
	g := &rower{guard{forbidden: map[string]bool{"S.B": true}}, []sqlgen.RowCondition{{Entity: m.Entity("S.A"), When: sqlgen.Where(expr(t, "b.n = 1"))}, {Entity: m.Entity("S.A.drafts"), When: sqlgen.Where(expr(t, "n = 1"))}}}
	q := &cqn.Select{From: from("S.A.activeOrDraft"), Columns: []cqn.Column{{X: cqn.NewRef("ID")}, sqlgen.RightsOf(nil, "may")}}
	p, err := sqlgen.Compile(q, m, g, open(t).Dialect())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(p.SQL, ".ID = t1.ID AND ") != 2 || !strings.Contains(p.SQL, "LEFT JOIN S_B") {
		t.Errorf("rights on both kinds of rows: %s", p.SQL)
	}
}

// TestPlan_session: a statement that asks the session for the time says so.
func TestPlan_session(t *testing.T) {
	m := compile(t, "entity A { key ID : Integer; at : Timestamp; @encrypted s : String; }")
	for query, want := range map[string]bool{"select from A { ID }": true, "select from A { ID } where at = now()": false, "select from A { ID, now() as n }": false} {
		p, err := sqlgen.Compile(parseQuery(t, query), m, &guard{}, open(t).Dialect())
		if err != nil || p.Anonymous != want || len(p.Sealed) != 0 {
			t.Errorf("%s: without a session %v, %d sealed, %v: %s", query, p.Anonymous, len(p.Sealed), err, p.SQL)
		}
	}
	p, err := sqlgen.Compile(parseQuery(t, "select from A { ID, s }"), m, &guard{}, open(t).Dialect())
	if err != nil || len(p.Sealed) != 1 {
		t.Errorf("the plan knows %d sealed columns, %v", len(p.Sealed), err)
	}
}
