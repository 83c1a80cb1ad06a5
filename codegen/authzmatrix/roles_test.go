package authzmatrix_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cds/codegen/authzmatrix"
)

// manyRoles makes a model where one operation depends on n roles, and needs three of them together.
func manyRoles(n int) string {
	var to []string
	for i := range n {
		to = append(to, fmt.Sprintf("'r%02d'", i))
	}
	return `@requires: 'staff' service S { @requires: 'second' @restrict: [{ grant: 'READ', to: [` + strings.Join(to, ", ") + `] }] entity E { key ID : Integer; } }`
}

// However many roles there are, it is never said that nobody may where somebody may.
func TestManyRoles(t *testing.T) {
	for _, n := range []int{2, 10, 30, 60} {
		m := made(t, manyRoles(n))
		var read []authzmatrix.Row
		for _, r := range m.Rows {
			if r.Operation == "READ" {
				read = append(read, r)
			}
		}
		if len(read) == 0 {
			t.Fatalf("%d roles: no row", n)
		}
		for _, r := range read {
			if r.Answer != authzmatrix.Allow || len(r.Roles) != 3 || !slices.Contains(r.Roles, "staff") || !slices.Contains(r.Roles, "second") {
				t.Errorf("%d roles: %v %s", n, r.Roles, r.Answer)
			}
		}
		if noted := len(m.Notes) > 0; noted != (n > 4) {
			t.Errorf("%d roles: notes %v", n, m.Notes)
		}
	}
}

// A change for who has many roles is seen.
func TestManyRolesDiff(t *testing.T) {
	text := manyRoles(60)
	a, opt := compile(t, "a.cds", text)
	b, _ := compile(t, "b.cds", strings.Replace(text, "'READ'", "'WRITE'", 1))
	d, _ := authzmatrix.Compare(a, b, opt, opt)
	if d == nil || len(d.Changes) != 4 || !d.Widens() {
		t.Errorf("%+v", d)
	}
}
