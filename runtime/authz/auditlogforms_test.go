package authz

import (
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/sqlgen"
)

// auditPolicy compiles a model with drafts.
func auditPolicy(t *testing.T, text string) (*csn.Model, *Policy, []string) {
	t.Helper()
	res := parser.CompileString("model.cds", text)
	if res.Model == nil {
		t.Fatal(res.Diags)
	}
	m, diags := csn.WithDrafts(res.Model, "")
	if m == nil {
		t.Fatal(diags)
	}
	p, diags := Compile(m, Options{Strict: true})
	var said []string
	for _, d := range diags {
		if d.Code == codeAuditLog {
			said = append(said, d.Message)
		}
	}
	return m, p, said
}

// TestAuditLog_forms: an entity shows the audit log in one form only; every other one does not start, and nobody may read it.
func TestAuditLog_forms(t *testing.T) {
	const elements = "key ID : String; tenant : String; event : String;"
	// log is an entity of a service for auditors.
	log := func(annotations, elements string) string {
		return "@requires: 'auditor' service S { @audit.log @readonly @cds.persistence.exists " + annotations + " entity Log { " + elements + " } }"
	}
	for _, c := range []struct{ what, model, want string }{
		{"the form", log("", elements), ""},
		{"all elements", log("", "key ID : String; time : Timestamp; event : String; user : String; tenant : String; correlation : String; service : String; request : String; target : String; action : String; client : String; status : Integer; reason : LargeString; grants : LargeString; object : LargeString; objects : LargeString; attributes : LargeString;"), ""},
		{"shorter types", log("", elements+" status : Int32; reason : String; grants : String;"), ""},
		{"beside others", log("", elements) + " service T { entity A { key ID : Integer; b : Association to B; } entity B { key ID : Integer; } @audit.log: false entity C { key ID : Integer; } @audit.log: null entity D { key ID : Integer; } @audited @audit entity E { key ID : Integer; @auditing n : Integer; } }", ""},
		{"own role", "service S { @requires: 'auditor' @audit.log @readonly @cds.persistence.exists entity Log { " + elements + " } }", ""},
		{"own grant", "service S { @restrict: [{ grant: 'READ', to: 'auditor' }] @audit.log @readonly @cds.persistence.exists entity Log { " + elements + " } }", ""},
		{"one role of the service is enough", "@requires: 'auditor' service S { @requires: 'any' @audit.log @readonly @cds.persistence.exists entity Log { " + elements + " } }", ""},
		{"outside", "@requires: 'auditor' @audit.log @readonly @cds.persistence.exists entity Log { " + elements + " }", "it must stand in a service"},
		{"a projection", "@cds.persistence.exists entity d.Log { " + elements + " } @requires: 'auditor' service S { @audit.log @readonly @cds.persistence.exists entity Log as projection on d.Log; }", "it must stand in a service"},
		{"a table", strings.Replace(log("", elements), "@cds.persistence.exists", "", 1), "it needs @cds.persistence.exists"},
		{"writable", strings.Replace(log("", elements), "@readonly", "", 1), "it must be @readonly"},
		{"drafts", log("@odata.draft.enabled", elements), "it can have no drafts"},
		{"everybody", "service S { @audit.log @readonly @cds.persistence.exists entity Log { " + elements + " } }", "must be restricted to a role"},
		{"any", "@requires: 'any' service S { @audit.log @readonly @cds.persistence.exists entity Log { " + elements + " } }", "must be restricted to a role"},
		{"all who log in", "@requires: 'authenticated-user' service S { @audit.log @readonly @cds.persistence.exists entity Log { " + elements + " } }", "must be restricted to a role"},
		{"a grant to any", "service S { @restrict: [{ grant: 'READ', to: 'auditor' }, { grant: 'READ' }] @audit.log @readonly @cds.persistence.exists entity Log { " + elements + " } }", "must be restricted to a role"},
		{"a grant to all who log in", "service S { @restrict: [{ grant: 'READ', to: 'authenticated-user' }] @audit.log @readonly @cds.persistence.exists entity Log { " + elements + " } }", "must be restricted to a role"},
		{"read by another", "@requires: 'auditor' service S { @audit.log @readonly @cds.persistence.exists entity Log { " + elements + " } @readonly entity V as select from Log { key ID }; }", "S.V reads it"},
		{"reached from another", "@requires: 'auditor' service S { @audit.log @readonly @cds.persistence.exists entity Log { " + elements + " } entity A { key ID : Integer; log : Association to Log; } }", "S.A.log leads there"},
		{"no key", log("", "ID : String; tenant : String;"), "it needs the key ID"},
		{"two keys", log("", "key ID : String; key event : String; tenant : String;"), "it needs the key ID"},
		{"another key", log("", "key event : String; ID : String; tenant : String;"), "it needs the key ID"},
		{"no tenant", log("", "key ID : String; event : String;"), "it needs the key ID"},
		{"another element", log("", elements+" more : String;"), "no element more"},
		{"a structure", log("", "key ID : String; tenant : String; event { x : String; };"), "no element event"},
		{"calculated", log("", "key ID : String; tenant : String; event : String = 'x';"), "no element event"},
		{"virtual", log("", "key ID : String; tenant : String; virtual event : String;"), "no element event"},
		{"a text for a time", log("", elements+" time : String;"), "no element time"},
		{"a number for a text", log("", "key ID : String; tenant : String; event : Int32;"), "no element event"},
		{"a number for a long text", log("", elements+" reason : Integer;"), "no element reason"},
		{"a text for a number", log("", elements+" status : String;"), "no element status"},
		{"another number", log("", elements+" status : Int64;"), "no element status"},
		{"a misspelt one", "service S { @audit.logs entity A { key ID : Integer; } }", "@audit.logs is not understood"},
		{"other letters", "service S { @Audit.Log entity A { key ID : Integer; } }", "@Audit.Log is not understood"},
		{"a part", "service S { @audit.log.tenant entity A { key ID : Integer; } }", "@audit.log.tenant is not understood"},
		{"a value", "service S { @audit.log: 'yes' entity A { key ID : Integer; } }", "@audit.log is not understood"},
		{"an element", "service S { entity A { key ID : Integer; @audit.log n : Integer; } }", "@audit.log is not understood"},
		{"a service", "@audit.log service S { entity A { key ID : Integer; } }", "@audit.log is not understood"},
	} {
		m, p, said := auditPolicy(t, c.model)
		if c.want == "" && len(said) > 0 || c.want != "" && (len(said) == 0 || !strings.Contains(strings.Join(said, "\n"), c.want)) {
			t.Errorf("%s: %q, want %q", c.what, said, c.want)
		}
		e := m.Entity("S.Log")
		if e == nil {
			continue
		}
		for _, u := range []*auth.User{named("u"), named("u", "auditor")} {
			d := p.Decide(u, Access{Service: e.Service, Event: Read, Path: []*csn.Entity{e}})
			if may := c.want == "" && u.Is("auditor"); d.Allowed() != may {
				t.Errorf("%s: read by %v: %v", c.what, u, d.Verdict)
			} else if cond := condition(d.Guard, e, sqlgen.Root); may && !strings.Contains(cond, "tenant = $user.tenant") {
				t.Errorf("%s: records of whom are read: %s", c.what, cond)
			}
		}
	}
}

// TestAuditLog_where: what the entity's own grants ask for is asked beside the tenant.
func TestAuditLog_where(t *testing.T) {
	m, p, said := auditPolicy(t, `service S { @restrict: [{ grant: 'READ', to: 'auditor' }, { grant: 'READ', to: 'desk', where: (event = 'LoginRefused') }, { grant: 'READ', to: 'late', where: ($now > '2030-01-01') }] @audit.log @readonly @cds.persistence.exists entity Log { key ID : String; tenant : String; event : String; } }`)
	if len(said) > 0 {
		t.Fatal(said)
	}
	e := m.Entity("S.Log")
	const tenant = "tenant = $user.tenant or $user.tenant is null and tenant = ''"
	for role, want := range map[string]string{"auditor": tenant, "desk": "event = 'LoginRefused' and (" + tenant + ")", "late": "$now > '2030-01-01' and (" + tenant + ")", "other": ""} {
		d := p.Decide(named("u", role), Access{Service: e.Service, Event: Read, Path: []*csn.Entity{e}, Now: "2031-01-01T00:00:00Z"})
		if got := condition(d.Guard, e, sqlgen.Root); d.Allowed() != (want != "") || d.Allowed() && got != want {
			t.Errorf("%s reads %q, want %q", role, got, want)
		}
	}
}
