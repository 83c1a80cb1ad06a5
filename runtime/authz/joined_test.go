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
  @requires: 'any' said : Integer = no + 1; bySaid : Association to d.B on bySaid.ID = said;
  @requires: 'any' told : Association to d.B on told.ID = no; calc : Integer = byNo.n + 1; plain : Integer = byID.n + 1; }
service S { entity B as projection on d.B; entity A as projection on d.A { *, byNo as other, byNo.n as n1, byID.n as n2, told.n as n3 };
  @cds.redirection.target: false entity V as select from d.A mixin { m : Association to d.B on m.ID = no; } into { key ID, no, m }; }`)
	d := p.Decide(named("u"), access(t, m, "READ S.A"))
	for _, e := range []string{"d.A", "S.A", "S.V"} {
		for _, el := range m.Entity(e).Flat {
			hidden := strings.Contains(" no byNo byCode few coded bySaid other n1 calc m ", " "+el.Name+" ")
			if err := d.Guard.Element(el, sqlgen.Root); (err != nil) != hidden && el.Name != "n3" {
				t.Errorf("%s.%s: %v", e, el.Name, err)
			}
		}
	}
}

// TestElements_joinedBesides: what an association compares counts beside what it is restricted by itself, unless that has been answered where it was written.
func TestElements_joinedBesides(t *testing.T) {
	m, p, _ := policyOf(t, `
entity d.A { key ID : Integer; @requires: 'r1' no : Integer; @requires: 'r2' byNo : Association to d.A on byNo.ID = no; }
entity d.B { key ID : Integer; @requires: 'r1' o : Integer; @requires: 'r2' x : Integer = o + 1; @requires: 'r2' up : Association to d.B on up.ID = o; }
entity d.P as projection on d.B { ID, o, up };
service S { entity V as select from d.A { ID, no, byNo }; @cds.redirection.target: false entity W as select from d.A { ID, @requires: 'r3' no, byNo }; entity X as select from d.P { ID, up.x as c }; }`)
	d := p.Decide(named("u", "r1", "r2", "r3"), access(t, m, "READ S.V"))
	for on, open := range map[string]bool{"S.V/byNo": true, "S.W/byNo": false, "S.X/c": false} {
		e, el, _ := strings.Cut(on, "/")
		if err := d.Guard.Element(m.Entity(e).Element(el), sqlgen.Root); (err == nil) != open {
			t.Errorf("%s: %v", on, err)
		}
	}
}
