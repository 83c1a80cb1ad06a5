package csn

import (
	"testing"

	"cds/parser/cqn"
)

// Copies of an element share what few elements have; changing it in one leaves the others as they are.
func TestFacetsAreShared(t *testing.T) {
	one, two := &cqn.Lit{Value: cqn.Int(1)}, &cqn.Lit{Value: cqn.Int(2)}
	a := &Element{}
	if a.SetDefault(nil); a.facets != nil {
		t.Error("nothing takes room")
	}
	a.SetDefault(one)
	a.SetEnum([]EnumSymbol{{Def: Def{Name: "x"}}})
	b, c := *a, &Element{}
	c.ShareFacets(a)
	b.SetDefault(two)
	c.SetValue(two)
	if a.Default() != cqn.Expr(one) || a.Value() != nil || b.Default() != cqn.Expr(two) || len(b.Enum()) != 1 || c.Default() != cqn.Expr(one) {
		t.Errorf("a %+v, b %+v, c %+v", a.Facets(), b.Facets(), c.Facets())
	}
	b.SetDefault(nil)
	if b.SetEnum(nil); b.facets != nil {
		t.Errorf("facets are left: %+v", b.Facets())
	}
}

// Paths of the same steps are one; others are not, whatever characters names have.
func TestPathsAreShared(t *testing.T) {
	f := &freezer{paths: map[string]*[]string{}}
	ab := f.pathOf([]string{"a"}, "b")
	if f.pathOf(nil, "a", "b") != ab {
		t.Error("the path a, b is there twice")
	}
	if p := f.pathOf(nil, "a\x00b"); len(*p) != 1 || (*p)[0] != "a\x00b" || len(*ab) != 2 {
		t.Errorf("got %q and %q", *p, *ab)
	}
}
