package authz

import (
	"bytes"
	"testing"

	"cds/parser/csn"
)

// TestMaskFromCSN: a model that was written and read again has the same masks, as a server has that was built with it.
func TestMaskFromCSN(t *testing.T) {
	m := compiled(t, `@roles: { boss: 'hr' } service S { @authz.condition.own: (owner = $user) @requires: 'any' entity E { key ID : Integer; owner : String; n : Integer;
  @mask: { expr: (concat('*', substring(a, -2))), unless: ['hr', { to: 'clerk', where: (owner = $user) }, { if: 'own' }], write: 'clerk' } a : String;
  @mask: (case when n > 5 then b else null end) b : String; @mask: { fn: 'last(4)', unless: { where: ($user.level = 'high') } } c : String; @mask: { value: 0 } d : Integer; } }`)
	var data bytes.Buffer
	if err := csn.Write(&data, m, csn.MarshalOptions{}); err != nil {
		t.Fatal(err)
	}
	again, diags := csn.Read(data.Bytes())
	if again == nil || diags.HasErrors() {
		t.Fatal(diags)
	}
	p, _ := Compile(m, Options{Strict: true})
	q, found := Compile(again, Options{Strict: true})
	if found.HasErrors() || p.Digest() != q.Digest() {
		t.Errorf("%v\n%v\n%v", found, p.Table(), q.Table())
	}
	for _, name := range []string{"a", "b", "c", "d"} {
		x, y := p.state.elements[m.Entity("S.E").Element(name)].mask, q.state.elements[again.Entity("S.E").Element(name)].mask
		if x.show.Text != y.show.Text || x.show.Computed != y.show.Computed || len(x.exempt) != len(y.exempt) {
			t.Errorf("%s: %+v, %+v", name, x.show, y.show)
		}
	}
}
