package sqlgen_test

import (
	"errors"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/sqlgen"
)

// A mute guard answers with nothing.
type mute struct{ guard }

func (*mute) Condition(*csn.Entity, sqlgen.Use) (sqlgen.Condition, error) {
	return sqlgen.Condition{}, nil
}

// TestGuard_missing: what nobody guards is not compiled, whatever it is and however deep.
func TestGuard_missing(t *testing.T) {
	m := parser.CompileString("tenant.cds", tenantModel).Model
	d := open(t).Dialect()
	statements := map[string]cqn.Query{
		"read": parseQuery(t, "select from d.B { ID }"), "read a view": parseQuery(t, "select from S.BV { ID }"), "read a union": parseQuery(t, "select from S.U { ID }"), "path": parseQuery(t, "select from d.B { k.z as z }"), "expand": parseQuery(t, "select from d.B { ID, many { x } }"),
		"exists": parseQuery(t, "select from d.B { ID } where exists many"), "subquery": parseQuery(t, "select from d.B { ID } where ID in (select ID from d.K)"), "read rows of tenants": parseQuery(t, "select from d.A { ID }"),
		"update": &cqn.Update{Entity: cqn.NewRef("d.B"), Data: row("y", 1)}, "delete": &cqn.Delete{From: cqn.NewRef("d.B")}, "insert": &cqn.Insert{Into: "d.B", Rows: []*cqn.Row{row("ID", 1)}},
	}
	for what, q := range statements {
		if p, err := sqlgen.Compile(q, m, nil, d); err == nil {
			t.Errorf("%s without a guard: %s", what, p.SQL)
		}
		var f *sqlgen.Forbidden
		if p, err := sqlgen.Compile(q, m, &mute{}, d); err == nil {
			t.Errorf("%s with a guard that says nothing: %s", what, p.SQL)
		} else if !errors.As(err, &f) {
			t.Errorf("%s with a guard that says nothing: %v", what, err)
		}
		if _, err := sqlgen.Compile(q, m, &guard{}, d); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestTenant_whose: by which column, or over what, the rows of an entity belong to tenants.
func TestTenant_whose(t *testing.T) {
	res := parser.CompileString("tenant.cds", `
entity d.T { key ID : String; }
entity d.A { key ID : Integer; @tenant t : String; parts : Composition of many { key n : Integer; deep : Composition of many { key n : Integer; } } }
entity d.R { key ID : Integer; @tenant ref : Association to d.T; }
entity d.V { key ID : Integer; @tenant virtual v : String; @tenant c : String = 'x'; }
entity d.F { key ID : Integer; parts : Composition of many { key n : Integer; }; a : Association to d.A; }
entity d.Q { key ID : Integer; @tenant t : String; seen : Composition of many d.QV on seen.up = $self; }
entity d.QT { key ID : Integer; up : Association to d.Q; } entity d.QV as projection on d.QT;
entity d.Loop { key ID : Integer; up : Association to d.Loop; subs : Composition of many d.Loop on subs.up = $self; }
@cds.persistence.exists entity d.X as select from d.A { key ID, @tenant t as whose };
@cds.persistence.exists entity d.Y as select from d.A { key ID, t };
service S {
  @cds.redirection.target @odata.draft.enabled entity A as projection on d.A; entity W as select from d.A { key ID, t as mandant }; entity WW as projection on W { ID, mandant as m2 }; @cds.redirection.target entity P as projection on d.A.parts; entity V as select from d.A { key ID }; entity F as projection on d.F;
  entity U as select from d.F { key ID } union all select from d.A { ID }; entity UF as select from d.F { key ID } union all select from d.Loop { ID }; entity J as select from d.F { key ID, a.ID as aid : Integer }; entity R as projection on d.R;
}`)
	if res.Model == nil {
		t.Fatal(res.Diags)
	}
	m, diags := csn.WithDrafts(res.Model, "")
	if m == nil {
		t.Fatal(diags)
	}
	for name, want := range map[string]string{ // column, parents, bound, shown
		"d.A": "t 0 true t", "d.A.parts": "- 1 true -", "d.A.parts.deep": "- 1 true -", "d.R": "ref_ID 0 true ref_ID", "d.V": "- 0 false -", "d.F": "- 0 false -", "d.F.parts": "- 0 false -", "d.Loop": "- 0 false -", "d.QV": "- 0 false -", "d.X": "whose 0 true whose", "d.Y": "t 0 true t",
		"S.A": "- 0 true t", "S.W": "- 0 true mandant", "S.WW": "- 0 true m2", "S.P": "- 0 true -", "S.V": "- 0 true -", "S.F": "- 0 false -", "S.U": "- 0 true -", "S.UF": "- 0 false -", "S.J": "- 0 true -", "S.R": "- 0 true ref_ID",
		"S.A.drafts": "t 0 true t", "S.A.activeOrDraft": "- 0 true -", "S.P.drafts": "- 1 true -",
	} {
		e := m.Entity(name)
		if e == nil {
			t.Errorf("no entity %s", name)
			continue
		}
		called := func(el *csn.Element) string {
			if el == nil {
				return "-"
			}
			return el.Name
		}
		bound := map[bool]string{true: "true", false: "false"}
		got := called(sqlgen.TenantColumn(e)) + " " + string(rune('0'+len(sqlgen.TenantParents(e)))) + " " + bound[sqlgen.TenantBound(e)] + " " + called(sqlgen.ShownTenant(e))
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if sqlgen.TenantBound(nil) || sqlgen.TenantColumn(nil) != nil || sqlgen.ShownTenant(nil) != nil || sqlgen.TenantParents(nil) != nil {
		t.Error("nothing belongs to a tenant")
	}
	if got := sqlgen.TenantsSQL(m, open(t).Dialect()); strings.ContainsAny(got, "?$") || strings.Count(got, " UNION ") != strings.Count(got, "SELECT DISTINCT")-1 || !strings.Contains(got, "d_R") {
		t.Errorf("tenants are found by %s", got)
	}
}
