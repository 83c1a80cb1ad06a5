package auth

import (
	"slices"
	"testing"
)

func TestWith(t *testing.T) {
	u := New(User{ID: "x", Kind: KindSystem, Tenant: "t1", Attrs: map[string][]string{"a": {"1"}, "b": {"2"}}}, "Viewer", "Editor")
	values := []string{"3"}
	v := u.With(map[string][]string{"b": nil, "c": values}).WithRoles("Viewer").WithTenant("t2")
	values[0] = "changed"
	if u.Tenant != "t1" || u.Attr("b") == nil || u.Attr("c") != nil || !u.Is("Editor") {
		t.Errorf("the original changed: %+v", u)
	}
	if v.ID != "x" || v.Tenant != "t2" || v.Attr("a")[0] != "1" || v.Attr("b") != nil || v.Attr("c")[0] != "3" {
		t.Errorf("%+v", v)
	}
	if !slices.Equal(v.Roles(), []string{"Viewer", "any", "authenticated-user", "system-user"}) || v.Kind != KindSystem {
		t.Errorf("roles %v", v.Roles())
	}
	if New(User{ID: "y"}).With(map[string][]string{"a": {"1"}}).Attr("a")[0] != "1" {
		t.Error("no attributes before")
	}
	for _, u := range []*User{Anonymous, Privileged} {
		if u.With(map[string][]string{"a": {"1"}}) != u || u.WithRoles("admin") != u || u.WithTenant("t") != u {
			t.Errorf("%s was changed", u.ID)
		}
	}
	if d := NewDummy("d"); d.WithRoles("x") != d || d.With(map[string][]string{"a": {"1"}}).Kind != KindDummy {
		t.Error("dummy")
	}
}
