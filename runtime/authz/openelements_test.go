package authz

import (
	"testing"

	"cds/parser"
)

// TestOpenElements_computed: an element that shows what another entity of the service restricts must say what holds for it; one that shows what something restricted is
// only computed from, beside what restricts it, need not.
func TestOpenElements_computed(t *testing.T) {
	for view, refused := range map[string]bool{
		"entity V as projection on P { ID, n, concat(w, b.hid) as c : String }; entity W as projection on P { ID, w, n }":                                                                false,
		"entity V as projection on P { ID, n + b.hid as c : Integer }; entity W as projection on d.A { ID, w, n }":                                                                       false,
		"entity V as select from P { key ID, n as c } union all select from P { ID, b.hid as c }; entity W as projection on P { ID, w, n as m }":                                         false,
		"entity V as projection on P { ID, @requires: 'hr' n as c }; entity W as projection on P { ID, w }":                                                                              true,
		"entity V as projection on d.A { ID, @requires: 'hr' n as c }; entity W as projection on P { ID, w }":                                                                            true, // P
		"@cds.redirection.target: false entity V as projection on Q { ID, @requires: 'hr' m as c }; entity W as projection on Q { ID, m as l }":                                          true,
		"@cds.redirection.target: false entity V as projection on Q { ID, @requires: 'hr' m as c }; entity W as projection on Q { ID, m + 1 as l : Integer }":                            true,
		"@cds.redirection.target: false entity V as projection on Q { ID, @requires: 'hr' m as c }; entity W as projection on R { ID, k }; entity R as projection on d.A { ID, n as k }": true,
		"entity V as projection on P { ID, @requires: 'hr' n as c : Integer }; entity W as projection on P { ID, n as m }":                                                               false, // of a type of its own
	} {
		res := parser.CompileString("m.cds", `entity d.B { key ID : Integer; @requires: 'hr' hid : Integer; } entity d.A { key ID : Integer; w : String; n : Integer; b : Association to d.B; }
service S { @cds.redirection.target entity P as projection on d.A; @cds.redirection.target entity B as projection on d.B; `+view+`; }
entity Q as projection on d.A { ID, n as m };`)
		if res.Model == nil {
			t.Fatalf("%s: %v", view, res.Diags)
		}
		if _, diags := Compile(res.Model, Options{Strict: true}); diags.HasErrors() != refused {
			t.Errorf("%s: %v", view, diags)
		}
	}
}

// TestOpenElements_names: what a view calls an element is not what a table below that calls so.
func TestOpenElements_names(t *testing.T) {
	res := parser.CompileString("m.cds", `entity d.A { key ID : Integer; w : String; n : String; }
entity d.Q as projection on d.A { ID, n as m, w as n };
service S { entity V as projection on d.Q { ID, @requires: 'hr' m as c }; entity W as projection on d.A { ID, w as k }; }`)
	if res.Model == nil {
		t.Fatal(res.Diags)
	}
	if _, diags := Compile(res.Model, Options{Strict: true}); diags.HasErrors() {
		t.Error(diags)
	}
}
