package odata

import (
	"fmt"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/odata/internal/testmodel"
)

// TestAppendAny: values of all shapes as JSON, with the types of their elements.
func TestAppendAny(t *testing.T) {
	dec := &csn.Element{Def: csn.Def{Name: "d"}, Type: &csn.Builtin{Kind: csn.Decimal, Precision: 5, Scale: 2, HasScale: true}}
	structure := &csn.Element{Type: &csn.Struct{Elements: csn.Elements{dec}}}
	array := &csn.Element{Type: &csn.Array{Items: structure}}
	row := cqn.NewRow(field("d", cqn.Decimal("1.5")), field("other", cqn.String("x")))
	for _, tc := range []struct {
		v    cqn.Value
		el   *csn.Element
		want string
	}{
		{cqn.Null, nil, `null`},
		{cqn.OfRow(row), structure, `{"d":"1.50","other":"x"}`},
		{cqn.OfRows([]*cqn.Row{row}), array, `[{"d":"1.50","other":"x"}]`},
		{cqn.List([]cqn.Value{cqn.OfRow(row), cqn.Null}), array, `[{"d":"1.50","other":"x"},null]`},
		{cqn.List([]cqn.Value{cqn.Int(1), cqn.String("a")}), nil, `[1,"a"]`},
		{cqn.OfRows(nil), nil, `[]`},
	} {
		if got := string(appendAny(nil, tc.v, tc.el, true)); got != tc.want {
			t.Errorf("%s, want %s", got, tc.want)
		}
	}
}

func TestRowsOf(t *testing.T) {
	r := book()
	for _, tc := range []struct {
		v    cqn.Value
		want int
	}{
		{cqn.Null, 0}, {cqn.OfRow(r), 1}, {cqn.OfRows([]*cqn.Row{r, r}), 2}, {cqn.List([]cqn.Value{cqn.OfRow(r), cqn.Int(1)}), 1},
	} {
		if got := len(rowsOf(tc.v)); got != tc.want {
			t.Errorf("%v: %d rows, want %d", tc.v, got, tc.want)
		}
	}
}

func TestTags(t *testing.T) {
	for in, want := range map[string]string{
		``: `[]`, `*`: `[*]`, `W/"a", "b"`: `[W/"a" "b"]`, `W/"a,b"`: `[W/"a,b"]`, `, ,`: `[]`, `frob`: `[frob]`, `"open`: `["open]`,
	} {
		if got := fmt.Sprint(tags([]string{in})); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestControl(t *testing.T) {
	for name, want := range map[string]bool{
		"@odata.type": true, "x@odata.type": true, "x@Core.Description": true, "@frob": false, "x@delta": false, "x": false, "a.b@c": false, "": false,
	} {
		if control(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

// TestKeyPredicate: values come from the first row that has them.
func TestKeyPredicate(t *testing.T) {
	e := testmodel.Shop(t).Entity("Shop.Codes")
	a := cqn.NewRow(field("a", cqn.Int(1)))
	b := cqn.NewRow(field("a", cqn.Int(2)), field("b", cqn.String("x'y")))
	if got := keyPredicate(e, a, nil, b); got != "(a=1,b='x''y')" {
		t.Error(got)
	}
	if got := keyPredicate(e, nil); got != "(a=null,b=null)" {
		t.Error(got)
	}
}
