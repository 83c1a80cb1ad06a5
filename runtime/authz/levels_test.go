package authz

import (
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/runtime/sqlgen"
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

// TestLevels_beyond: what lies beyond the levels that are asked for is open only if nothing at all is asked of what is above: not by its service, nor because it may not
// be read.
func TestLevels_beyond(t *testing.T) {
	const tree = `entity Tops { key ID : Integer; folders : Composition of many Folders on folders.top = $self; }
  entity Folders { key ID : Integer; top : Association to Tops; up : Association to Files; files : Composition of many Files on files.up = $self; }
  entity Files { key ID : Integer; up : Association to Folders; folders : Composition of many Folders on folders.up = $self; } }`
	const shown = ` @requires: 'any' service S { entity Folders as projection on T.Folders; entity Files as projection on T.Files; }`
	for _, c := range []struct{ model, do, on, want string }{
		{"service S { " + tree, "READ S.Folders", "S.Files", "all"},
		{"service S { @Capabilities.ReadRestrictions.Readable: false " + tree, "READ S.Folders", "S.Files", "refused"},
		{"service S { @Capabilities.ReadRestrictions.Readable: false " + tree, "UPDATE S.Folders", "S.Files", "all"},
		{"service S { entity Other { key ID : Integer; } @Capabilities.ReadRestrictions.Readable: false " + tree, "READ S.Other", "S.Folders", "refused"},
		{"service S { entity Other { key ID : Integer; } " + tree, "READ S.Other", "S.Folders", "all"},
		{"service S { @restrict: [{ grant: 'READ', to: 'x' }] " + tree, "READ S.Folders", "S.Files", "refused"},
		{"@requires: 'x' service T { " + tree + shown, "READ S.Folders", "S.Files", "refused"},
		{"@requires: 'x' service T { " + tree + shown, "READ S.Folders", "S.Folders", "refused"},
	} {
		m, p, _ := policyOf(t, c.model)
		d := p.Decide(named("u"), access(t, m, c.do))
		got, use := "refused", sqlgen.Root
		if strings.HasPrefix(c.do, "UPDATE") {
			use = sqlgen.Update
		}
		if x, err := d.Guard.Condition(m.Entity(c.on), use); err == nil {
			got = "all"
			if w, _ := x.Expr(); w != nil {
				got = cqn.Format(w)
			}
		}
		if got != c.want {
			t.Errorf("%s: %s: %s, want %s", c.model, c.do, got, c.want)
		}
	}
}
