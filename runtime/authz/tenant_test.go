package authz

import (
	"strings"
	"testing"

	"cds/parser/csn"
)

// TestTenantHoles: where a model has tenants, each table that services read says whose its rows are, or that they are everybody's.
func TestTenantHoles(t *testing.T) {
	const own = "entity d.A { key ID : Integer; @tenant t : String; "
	const onlyA = " service S { entity A as projection on d.A; }"
	for _, c := range []struct{ model, want string }{
		{own + "}" + onlyA, ""},
		{"entity d.A { key ID : Integer; }" + onlyA, ""}, // no tenants at all
		// tables without a column
		{own + "} entity d.B { key ID : Integer; } service S { entity A as projection on d.A; entity B as projection on d.B; }", "d.B is read by services"},
		{own + "} @tenant: false entity d.B { key ID : Integer; } service S { entity A as projection on d.A; entity B as projection on d.B; }", ""},
		{own + "} entity d.B { key ID : Integer; }" + onlyA, ""}, // read by no service
		{own + "b : Association to d.B; } entity d.B { key ID : Integer; }" + onlyA, "d.B is read by services"},
		{own + "} entity d.B { key ID : Integer; } entity d.V as select from d.B { key ID }; service S { entity A as projection on d.A; entity V as projection on d.V; }", "d.B is read by services"},
		{own + "} entity d.B { key ID : Integer; } service S { entity A as projection on d.A; entity V as select from d.A left join d.B on A.ID = B.ID { key A.ID, B.ID as b }; }", "d.B is read by services"},
		{own + "} entity d.B { key ID : Integer; } entity d.V as projection on d.B; service S { entity A as projection on d.A; entity V as projection on d.V; }", "d.B is read by services"},
		{own + "} @cds.persistence.skip entity d.B { key ID : Integer; } service S { entity A as projection on d.A; entity B as projection on d.B; }", ""},
		{own + "} @cds.persistence.exists entity d.V as select from d.A { key ID }; service S { entity A as projection on d.A; entity V as projection on d.V; }", "d.V is read by services"},
		{own + "} @cds.persistence.exists entity d.V as select from d.A { key ID, t }; service S { @cds.redirection.target entity A as projection on d.A; entity V as projection on d.V; }", ""},
		// parts
		{own + "parts : Composition of many { key n : Integer; } }" + onlyA, ""},
		{own + "x : localized String; }" + onlyA, ""},
		{own + "ks : Composition of many d.K on ks.a = $self; } entity d.K { key ID : Integer; a : Association to d.A; }" + onlyA, ""},
		{own + "ks : Composition of many d.K on ks.a = $self; } entity d.K { key ID : Integer; a : Association to d.A; b : Association to d.B; } @tenant: false entity d.B { key ID : Integer; ks : Composition of many d.K on ks.b = $self; }" + onlyA,
			"d.K is a part of d.B too"},
		{own + "ks : Composition of many d.K on ks.a = $self; } entity d.K { key ID : Integer; a : Association to d.A; up : Association to d.K; subs : Composition of many d.K on subs.up = $self; }" + onlyA, "d.K is a part of itself"},
		{own + "} @tenant: false entity d.B { key ID : Integer; parts : Composition of many { key n : Integer; deep : Composition of many { key n : Integer; } } } service S { entity A as projection on d.A; entity B as projection on d.B; }", ""},
		{own + "} @tenant: false entity d.B { key ID : Integer; ks : Composition of many d.K on ks.b = $self; } entity d.C { key ID : Integer; ks : Composition of many d.K on ks.c = $self; } entity d.K { key ID : Integer; b : Association to d.B; c : Association to d.C; }" +
			" service S { entity A as projection on d.A; entity B as projection on d.B; }", "d.K is read by services"},
		{own + "} @tenant: false entity d.B { key ID : Integer; up : Association to d.B; subs : Composition of many d.B on subs.up = $self; } service S { entity A as projection on d.A; entity B as projection on d.B; }", ""},
		{own + "} entity d.B { key ID : Integer; up : Association to d.B; subs : Composition of many d.B on subs.up = $self; } service S { entity A as projection on d.A; entity B as projection on d.B; }", "d.B is read by services"},
		{own + "} @tenant: true entity d.B { key ID : Integer; } service S { entity A as projection on d.A; entity B as projection on d.B; }", "d.B is read by services"},
		{own + "} @tenant: 'no' entity d.B { key ID : Integer; } service S { entity A as projection on d.A; entity B as projection on d.B; }", "d.B is read by services"},
		{own + "} @tenant: false entity d.R { key ID : Integer; bs : Composition of many d.B on bs.r = $self; } entity d.B { key ID : Integer; r : Association to d.R; up : Association to d.B; subs : Composition of many d.B on subs.up = $self; }" +
			" service S { entity A as projection on d.A; entity B as projection on d.B; }", ""},
		{own + "} entity d.B { key ID : Integer; c : Association to d.C; cs : Composition of many d.C on cs.b = $self; } entity d.C { key ID : Integer; b : Association to d.B; bs : Composition of many d.B on bs.c = $self; }" +
			" service S { entity A as projection on d.A; entity B as projection on d.B; }", "d.B is read by services"}, // a part of its own part
		{own + "} entity d.B { key ID : Integer; x : localized String; } service S { entity A as projection on d.A; entity B as projection on d.B; }", "d.B.texts is read by services"},
		{own + "} @tenant: false entity d.F { key ID : Integer; } entity DRAFT.Own { key ID : Integer; } service S { entity A as projection on d.A; entity R as projection on DRAFT.Own; }", ""}, // the framework's
		// what is nearly @tenant
		{"entity d.A { key ID : Integer; @Tenant t : String; }" + onlyA, "has @Tenant on t, which looks like a misspelt @tenant"},
		{own + "} @Tenant: null entity d.B { key ID : Integer; @Tenant: null s : String; } service S { entity A as projection on d.A; }", ""},
		{"@cds.persistence.exists entity d.A as select from d.B { key ID, @Tenant t }; entity d.B { key ID : Integer; t : String; }" + onlyA, "d.A has @Tenant on t"},
		{own + "} @tennant: false entity d.B { key ID : Integer; } service S { entity A as projection on d.A; }", "has @tennant, which looks like a misspelt @tenant"},
		{"@tenancy: 'shared' entity d.A { key ID : Integer; @tenantId t : String; @tenants: ['x'] u : String; }" + onlyA, ""},
		// the column
		{"@tenant: false " + own + "}" + onlyA, "d.A has a column of the tenant and says @tenant: false"},
		{own + "@tenant u : String; }" + onlyA, "d.A has @tenant on t and on u"},
		{"entity d.A { key ID : Integer; @tenant t : Integer; }" + onlyA, "d.A has @tenant on t, which is no text"},
		{"entity d.A { key ID : Integer; @tenant t : UUID; }" + onlyA, ""},
		{"entity d.A { key ID : Integer; @tenant t : String = 'x'; }" + onlyA, "d.A has @tenant on t, which is no column"},
		{"entity d.A { key ID : Integer; @tenant virtual t : String; }" + onlyA, "d.A has @tenant on t, which is no column"},
		{"entity d.A { key ID : Integer; @tenant t : Association to d.T; } @tenant: false entity d.T { key ID : String; }" + onlyA, ""},
		{"entity d.A { key ID : Integer; @tenant t : Association to d.T; } @tenant: false entity d.T { key ID : String; key x : String; }" + onlyA, "d.A has @tenant on t_ID and on t_x"},
		{"entity d.A { key ID : Integer; @tenant up : Association to d.T on up.ID = ID; } @tenant: false entity d.T { key ID : Integer; }" + onlyA, "d.A has @tenant on up, which is no column"},
		{own + "} @cds.persistence.exists entity d.V as select from d.A { key ID, t, @tenant 'x' as u : String }; service S { @cds.redirection.target entity A as projection on d.A; entity V as projection on d.V; }", "d.V has @tenant on t and on u"},
		{own + "} entity d.V as select from d.A { key ID, t, @tenant 'x' as u : String };" + onlyA, ""},
		{own + "} @tenant: false entity d.B { key ID : Integer; } service S { entity A as projection on d.A; entity V as select from d.B { key ID, @tenant 'x' as u : String }; }", "S.V has @tenant on u, but none of its tables"},
		{own + "} @tenant: false entity d.B { key ID : Integer; s : String; } service S { entity A as projection on d.A; entity V as projection on d.B { ID, @tenant s }; }", ""},
	} {
		m := compiled(t, c.model)
		_, diags := Compile(m, Options{Strict: true})
		got := ""
		for _, d := range diags {
			if d.Code == codeTenant {
				got += d.Message + "; "
				if !d.Span.Valid() || d.Hint == "" {
					t.Errorf("%s: no place or hint: %s", c.model, d.Message)
				}
			}
		}
		if diags.HasErrors() != (c.want != "") {
			t.Errorf("%s: stops the start: %v", c.model, diags.HasErrors())
		}
		if strings.Count(got, "which looks like") > 1 {
			t.Errorf("%s: reported for what shows it, too: %s", c.model, got)
		}
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.model, got, c.want)
		}
		p, diags := Compile(m, Options{})
		if diags.HasErrors() {
			t.Errorf("%s: not strict: %v", c.model, diags)
		}
		if (len(p.TenantHoles()) > 0) != (c.want != "") {
			t.Errorf("%s: holes %v", c.model, p.TenantHoles())
		}
		if want := strings.Contains(c.model, "@tenant t : String; ") || strings.Contains(c.model, "@tenant t : UUID") || strings.Contains(c.model, "@tenant t : Integer") || strings.Contains(c.model, "@tenant t : Assoc"); p.Tenants() != want {
			t.Errorf("%s: has tenants: %v", c.model, p.Tenants())
		}
	}
}

// TestTenantTables: what is told of each entity is what SQL does.
func TestTenantTables(t *testing.T) {
	m, diags := csn.WithDrafts(compiled(t, `
entity d.A { key ID : Integer; @tenant t : String; parts : Composition of many { key n : Integer; } }
@tenant: false entity d.F { key ID : Integer; parts : Composition of many { key n : Integer; } }
service S { @odata.draft.enabled entity A as projection on d.A; entity F as projection on d.F; entity V as select from d.A { key ID }; }`), "")
	if m == nil {
		t.Fatal(diags)
	}
	p, faults := Compile(m, Options{Strict: true})
	for _, d := range faults {
		if d.Code == codeTenant {
			t.Error(d.Message)
		}
	}
	got := map[string]TenantTable{}
	for _, x := range p.TenantTables() {
		got[x.Entity.Name] = x
	}
	for name, want := range map[string]struct {
		column  string
		parents int
		bound   bool
		shared  bool
	}{
		"d.A": {"t", 0, true, false}, "d.A.parts": {"", 1, true, false}, "d.F": {"", 0, false, true}, "d.F.parts": {"", 0, false, true}, "S.V": {"", 0, true, false}, "S.A": {"", 0, true, false}, "S.F": {"", 0, false, true},
		"S.A.drafts": {"t", 0, true, false},
	} {
		x := got[name]
		column := ""
		if x.Column != nil {
			column = x.Column.Name
		}
		if column != want.column || len(x.Parents) != want.parents || x.Bound != want.bound || x.Shared != want.shared {
			t.Errorf("%s: column %s, parents %d, bound %v, shared %v", name, column, len(x.Parents), x.Bound, x.Shared)
		}
	}
	if len(p.TenantHoles()) > 0 {
		t.Errorf("holes: %v", p.TenantHoles())
	}
}

// TestTenantHoles_framework: tables that the framework brings, as models of others have them, are no holes.
func TestTenantHoles_framework(t *testing.T) {
	for name, want := range map[string]int{"cds.outbox.Messages": 0, "DRAFT.Own": 0, "d.Messages": 1} {
		m, diags := csn.Read([]byte(`{"definitions": {
  "d.A": {"kind": "entity", "elements": {"ID": {"key": true, "type": "cds.Integer"}, "t": {"@tenant": true, "type": "cds.String"}}},
  "` + name + `": {"kind": "entity", "elements": {"ID": {"key": true, "type": "cds.Integer"}}},
  "S": {"kind": "service"},
  "S.A": {"kind": "entity", "projection": {"from": {"ref": ["d.A"]}}, "elements": {"ID": {"key": true, "type": "cds.Integer"}, "t": {"@tenant": true, "type": "cds.String"}}},
  "S.M": {"kind": "entity", "projection": {"from": {"ref": ["` + name + `"]}}, "elements": {"ID": {"key": true, "type": "cds.Integer"}}}}}`))
		if m == nil {
			t.Fatal(diags)
		}
		p, _ := Compile(m, Options{})
		if holes := p.TenantHoles(); len(holes) != want {
			t.Errorf("%s: %v", name, holes)
		}
	}
}

// TestOfTenants_stranger: entities of something else belong to no tenant of the model.
func TestOfTenants_stranger(t *testing.T) {
	m, p, _ := policyOf(t, "entity A { key ID : Integer; @tenant t : String; } entity B { key ID : Integer; }")
	for e, want := range map[*csn.Entity]bool{nil: false, m.Entity("A"): true, m.Entity("B"): false, {ID: -1}: false, {ID: len(m.Entities)}: false} {
		if p.OfTenants(e) != want {
			t.Errorf("%v: %v", e, !want)
		}
	}
}
