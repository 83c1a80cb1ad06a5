package authz

import (
	"strings"
	"testing"

	"cds/parser/cqn"
)

// TestLevels_open: where nothing is restricted, rows of hierarchies hang on no parent, however many projections of the parents there are, in the service or below it.
func TestLevels_open(t *testing.T) {
	for _, more := range []string{
		"entity d.V as projection on d.E; service S { @cds.redirection.target entity E as projection on d.E; @cds.redirection.target: false entity W as projection on d.E { ID, n as m }; entity K as projection on d.K; }",
		"entity d.V as projection on d.E; service S { entity K as projection on d.K; }",
		"entity d.V as projection on d.E; service S { entity K as projection on d.K; @cds.redirection.target: false entity E as projection on d.E; }",
		"service S { @cds.redirection.target: false entity W as projection on d.E { ID, n as m }; entity K as projection on d.K; }",
	} {
		const tables = `entity d.E { key ID : Integer; n : Integer; up : Association to d.E; self : Composition of many d.E on self.up = $self; one : Composition of d.E; k : Composition of d.K; }
entity d.K { key ID : Integer; n : Integer; }
`
		m, p, _ := policyOf(t, tables+more)
		for _, e := range m.Entities {
			if e.Service == nil {
				continue
			}
			if x, ok := p.Everyone(e, Read); !ok || x != nil {
				t.Errorf("%s: rows of %s: %v %s", more, e.Name, ok, cqn.Format(x))
			}
		}
		m, p, _ = policyOf(t, tables+strings.Replace(more, "service S {", "annotate d.E with @restrict: [{ grant: 'READ', where: 'n = 1' }]; service S {", 1))
		for _, e := range m.Entities {
			if e.Service == nil {
				continue
			}
			if x, ok := p.Everyone(e, Read); ok && x == nil {
				t.Errorf("%s: rows of %s are open to all", more, e.Name)
			}
		}
	}
}
