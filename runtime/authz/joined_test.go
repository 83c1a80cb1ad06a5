package authz

import (
	"strings"
	"testing"

	"cds/runtime/sqlgen"
)

// TestElements_joined: an association that is found by a restricted element, here or on the other side, is restricted as that is, and so is what is reached over it;
// not what leads back.
func TestElements_joined(t *testing.T) {
	m, p, _ := policyOf(t, `
entity d.B { key ID : Integer; n : Integer; @requires: 'hr' code : Integer; @requires: 'hr' up : Association to d.A; }
entity d.K { @requires: 'hr' key ID : Integer; n : Integer; }
entity d.A { key ID : Integer; @requires: 'hr' no : Integer; free : Integer;
  byNo : Association to d.B on byNo.ID = no; byCode : Association to many d.B on byCode.code = free; byID : Association to d.B on byID.ID = free;
  parts : Composition of many d.B on parts.up = $self; few : Association to many d.B on few.up = $self and few.n = no;
  coded : Association to many d.B on coded.up = $self and coded.code = free; mine : Association to many d.B on mine.n = free and mine.n = $user.level; key1 : Association to d.K;
  @requires: 'any' told : Association to d.B on told.ID = no; calc : Integer = byNo.n + 1; plain : Integer = byID.n + 1; }
service S { entity B as projection on d.B; entity A as projection on d.A { *, byNo as other, byNo.n as n1, byID.n as n2, told.n as n3 };
  @cds.redirection.target: false entity V as select from d.A mixin { m : Association to d.B on m.ID = no; } into { key ID, no, m }; }`)
	d := p.Decide(named("u"), access(t, m, "READ S.A"))
	for _, e := range []string{"S.A", "S.V"} {
		for _, el := range m.Entity(e).Flat {
			hidden := strings.Contains(" no byNo byCode few coded other n1 calc m ", " "+el.Name+" ")
			if err := d.Guard.Element(el, sqlgen.Root); (err != nil) != hidden && el.Name != "n3" {
				t.Errorf("%s.%s: %v", e, el.Name, err)
			}
		}
	}
}
