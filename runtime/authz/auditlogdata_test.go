package authz

import (
	"strings"
	"testing"

	"cds/runtime/sqlgen"
)

// A grant of the database would not be bound to the tenant of the user, as those of the model are.
func TestNoGrantsOfTheAuditLog(t *testing.T) {
	m, base, diags := policyOf(t, `@requires: 'auditor' service S { @audit.log @readonly @cds.persistence.exists entity Records { key ID : String; tenant : String; event : String; } }`)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	p, faults := base.With([]DataPolicy{to(dataPolicy(t, "g", "S.Records", Extend, "", "READ"), "auditor")}, true)
	if len(faults) != 1 || !strings.Contains(faults[0].Message, "shows the audit log") {
		t.Errorf("%+v", faults)
	}
	a, user := access(t, m, "READ S.Records"), named("x", "auditor")
	want := condition(base.Decide(user, a).Guard, a.Path[0], sqlgen.Root)
	if got := condition(p.Decide(user, a).Guard, a.Path[0], sqlgen.Root); got != want || !strings.Contains(got, "tenant") {
		t.Errorf("%s, not %s", got, want)
	}
}
