package sqlgen_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/db/sqlite"
	"cds/runtime/sqlgen"
)

const tenantModel = `
entity d.A { key ID : Integer; @tenant t : String; x : Integer; b : Association to d.B; parts : Composition of many { key n : Integer; }; st { k : Composition of many d.K on k.a = $self; } l : localized String; }
entity d.B { key ID : Integer; many : Association to many d.A on many.b = $self; y : Integer; k : Association to d.K; v : Association to S.V; }
entity d.K { key ID : Integer; a : Association to d.A; z : Integer; }
@cds.persistence.skip entity d.N { key ID : Integer; @tenant t : String; }
@cds.persistence.exists entity d.X as select from d.A { key ID, @tenant t as whose };
service S {
  @cds.redirection.target entity A as projection on d.A { *, t as mandant } excluding { t }; @cds.redirection.target entity B as projection on d.B; @cds.redirection.target entity K as projection on d.K;
  entity V as select from d.A { key ID, x }; entity W as select from d.A { key ID, t, x }; entity Z as select from d.A { key ID, 100 / x as q : Integer };
  entity U as select from d.A { key ID, t, x } union all select from d.A { ID, t, x }; entity BV as select from d.B { key ID, y };
}`

// TestTenant: every statement on rows of tenants is bound to one, over whatever entity, and no other is.
func TestTenant(t *testing.T) {
	m := parser.CompileString("tenant.cds", tenantModel).Model
	d := sqlite.New().Dialect()
	ref := cqn.NewRef
	var b strings.Builder
	show := func(what string, q cqn.Query, g sqlgen.Guarder) {
		fmt.Fprintf(&b, "%s\n", what)
		p, err := sqlgen.Compile(q, m, g, d)
		if err != nil {
			fmt.Fprintf(&b, "  %v\n", err)
			return
		}
		fmt.Fprintf(&b, "  tenant %v, session %v, %d binds: %s\n", p.Tenant, !p.Anonymous, len(p.Binds), p.SQL)
		for _, c := range p.Children {
			fmt.Fprintf(&b, "    %s\n", c.Plan.SQL)
		}
	}
	read := func(e, where string) *cqn.Select {
		q := &cqn.Select{From: from(e), Columns: []cqn.Column{{X: ref(m.Entity(e).Flat[0].Name)}}}
		if where != "" {
			q.Where = expr(t, where)
		}
		return q
	}
	for _, e := range []string{"d.A", "d.A.parts", "d.K", "d.B", "d.N", "d.X", "S.A", "S.A.parts", "S.A.texts", "S.K", "S.V", "S.W", "S.Z", "S.U", "S.B", "S.BV"} {
		show("read "+e, read(e, ""), &guard{})
	}
	for _, c := range [][2]string{{"d.A", "x > 1"}, {"d.A", "100 / x > 1"}, {"d.K", "100 / z > 1"}, {"S.V", "100 / x > 1"}, {"S.V", "x > 1"}, {"S.W", "100 / x > 1"}, {"S.Z", "q > 1"}, {"S.U", "100 / x > 1"}, {"S.B", "100 / y > 1"}, {"S.B", "exists many"}, {"S.B", "exists many[100 / x > 1]"},
		{"S.B", "k.z = 1"}, {"S.B", "v.x = 1"}} {
		show("read "+c[0]+" where "+c[1], read(c[0], c[1]), &guard{})
	}
	show("expand", &cqn.Select{From: from("S.B"), Columns: []cqn.Column{{X: ref("ID")}, {X: ref("many"), Expand: &cqn.Select{}}}}, &guard{})
	show("path", &cqn.Select{From: from("S.A"), Columns: []cqn.Column{{X: ref("ID")}, {X: ref("b", "y")}}}, &guard{})
	for _, where := range []string{"exists many", "v.x = 1", "k.z = 1"} {
		show("read S.B under "+where, read("S.B", ""), &guard{where: map[string]cqn.Expr{"S.B": expr(t, where)}})
	}
	for _, where := range []string{"mandant != $user.tenant", "mandant <> $user.tenant", "$user.tenant = mandant", "not mandant = $user.tenant", "mandant != $user", "$user.tenant is null"} {
		show("read S.A under "+where, read("S.A", ""), &guard{where: map[string]cqn.Expr{"S.A": expr(t, where)}})
	}
	show("read S.A under x > 1", read("S.A", ""), &guard{where: map[string]cqn.Expr{"S.A": expr(t, "x > 1")}})
	show("read S.A under 100 / x > 1", read("S.A", ""), &guard{where: map[string]cqn.Expr{"S.A": expr(t, "100 / x > 1")}})
	for _, where := range []string{"x > 1", "100 / x > 1"} {
		g := &guard{where: map[string]cqn.Expr{"S.A": expr(t, where)}}
		change := &cqn.Update{Entity: ref("S.A"), Data: row("x", 1), Where: expr(t, "100 / x > 2")}
		show("update S.A under "+where, change, g)
		show("delete S.A under "+where, &cqn.Delete{From: ref("S.A"), Where: expr(t, "100 / x > 2")}, g)
	}
	for _, e := range []string{"S.A", "S.K", "S.B"} {
		el := map[string]string{"S.A": "x", "S.K": "z", "S.B": "y"}[e]
		show("update "+e, &cqn.Update{Entity: ref(e), Data: row(el, 1)}, &guard{})
		show("delete "+e, &cqn.Delete{From: ref(e)}, &guard{})
		show("insert "+e, &cqn.Insert{Into: e, Rows: []*cqn.Row{row("ID", 1)}}, &guard{})
	}
	show("update the tenant", &cqn.Update{Entity: ref("S.A"), Data: row("mandant", "t2")}, &guard{})
	show("insert with a tenant", &cqn.Insert{Into: "S.A", Rows: []*cqn.Row{row("ID", 1, "mandant", "t2")}}, &guard{})
	fmt.Fprintf(&b, "all tenants\n  %s\n", sqlgen.TenantsSQL(m, d))
	localized, err := sqlgen.CompileLocalized(m.Entity("d.A"), m, d)
	fmt.Fprintf(&b, "localized view of d.A\n  %s %v\n", localized, err)
	for _, e := range []string{"S.A", "S.A.parts", "S.V", "S.Z", "S.U", "S.BV"} {
		sql, err := sqlgen.CompileView(m.Entity(e).Source, m.Entity(e), m, d, sqlgen.ViewOptions{})
		fmt.Fprintf(&b, "view %s\n  %s %v\n", e, sql, err)
	}
	same(t, "testdata/tenant.txt", b.String())
	if p, err := sqlgen.Compile(read("S.B", ""), m, nil, d); err == nil {
		t.Errorf("without a guard: %s", p.SQL)
	}
}

// same compares with a file, or writes it with CDS_UPDATE=1.
func same(t *testing.T, file, got string) {
	t.Helper()
	if os.Getenv("CDS_UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	gl, wl := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gl), len(wl)) {
		g, w := "", ""
		if i < len(gl) {
			g = gl[i]
		}
		if i < len(wl) {
			w = wl[i]
		}
		if g != w {
			t.Errorf("%s:%d: got\n%s\nwant\n%s", file, i+1, g, w)
		}
	}
}

// TestTenantColumn: which elements say whose a row is, and for what.
func TestTenantColumn(t *testing.T) {
	m := parser.CompileString("tenant.cds", tenantModel+`
entity e.Virtual { key ID : Integer; @tenant virtual t : String; }
entity e.Computed { key ID : Integer; @tenant t : String = 'x'; }
entity e.Assoc { key ID : Integer; @tenant t : Association to e.Assoc; }
entity e.Struct { key ID : Integer; @tenant t { a : String; } }
entity e.Not { key ID : Integer; @tenant: false t : String; }
entity e.Tree { key ID : Integer; @tenant t : String; nodes : Composition of many e.Node on nodes.tree = $self; }
entity e.Node { key ID : Integer; tree : Association to e.Tree; up : Association to e.Node; subs : Composition of many e.Node on subs.up = $self; leaves : Composition of many { key n : Integer; } }
entity e.Free { key ID : Integer; parts : Composition of many { key n : Integer; } }
entity e.Two as select from d.B { key ID } union all select from d.A { ID };
entity e.Deep as select from S.V { key ID }; entity e.Deeper as select from e.Deep { key ID }; entity e.Apart as select from d.B { key ID };
entity e.Shown as projection on S.A; entity e.Hidden as projection on S.A { ID };`).Model
	name := func(el *csn.Element) string {
		if el == nil {
			return ""
		}
		return el.Name
	}
	for e, want := range map[string]struct {
		column  string
		parents int
		bound   bool
		shown   string
	}{
		"d.A": {"t", 0, true, "t"}, "d.A.parts": {"", 1, true, ""}, "d.A.texts": {"", 1, true, ""}, "d.K": {"", 1, true, ""}, "d.B": {"", 0, false, ""}, "S.A": {"", 0, true, "mandant"}, "S.V": {"", 0, true, ""}, "S.W": {"", 0, true, "t"},
		"S.U": {"", 0, true, ""}, "S.BV": {"", 0, false, ""}, "d.X": {"whose", 0, true, "whose"}, "e.Virtual": {}, "e.Computed": {}, "e.Assoc": {"t_ID", 0, true, "t_ID"}, "e.Struct": {"t_a", 0, true, "t_a"}, "e.Not": {},
		"e.Tree": {"t", 0, true, "t"}, "e.Node": {"", 1, true, ""}, "e.Node.leaves": {"", 1, true, ""}, "e.Free": {}, "e.Free.parts": {}, "e.Two": {"", 0, true, ""}, "e.Deep": {"", 0, true, ""}, "e.Deeper": {"", 0, true, ""}, "e.Apart": {},
		"e.Shown": {"", 0, true, "mandant"}, "e.Hidden": {"", 0, true, ""},
	} {
		x := m.Entity(e)
		if got := name(sqlgen.TenantColumn(x)); got != want.column {
			t.Errorf("%s: column %q", e, got)
		}
		if got := sqlgen.TenantParents(x); len(got) != want.parents {
			t.Errorf("%s: %d parents", e, len(got))
		}
		if got := sqlgen.TenantBound(x); got != want.bound {
			t.Errorf("%s: bound %v", e, got)
		}
		if got := name(sqlgen.ShownTenant(x)); got != want.shown {
			t.Errorf("%s: shows %q", e, got)
		}
	}
	if sqlgen.TenantColumn(nil) != nil || sqlgen.TenantParents(nil) != nil || sqlgen.TenantBound(nil) || sqlgen.ShownTenant(nil) != nil {
		t.Error("no entity belongs to somebody")
	}
}

// TestTenantParents_circles: where compositions lead in many circles, each table is looked at once; with or without a tenant somewhere above.
func TestTenantParents_circles(t *testing.T) {
	for _, column := range []string{"", "@tenant t : String;"} {
		text := "entity d.Top { key ID : Integer; " + column + " down : Composition of many d.E0 on down.ID = ID; }\n"
		const n = 12
		for i := range n {
			text += fmt.Sprintf("entity d.E%d { key ID : Integer; ", i)
			for k := range n {
				text += fmt.Sprintf("c%d : Composition of many d.E%d on c%d.ID = ID; ", k, k, k)
			}
			text += "}\n"
		}
		res := parser.CompileString("m.cds", text)
		if res.Model == nil {
			t.Fatal(res.Diags)
		}
		want := map[string]int{"": 0, "@tenant t : String;": n - 1}[column]
		if got := len(sqlgen.TenantParents(res.Model.Entity("d.E5"))); got != want {
			t.Errorf("%q: %d parents, want %d", column, got, want)
		}
	}
}
