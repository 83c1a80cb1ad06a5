package auth

import "testing"

// TestHierarchy: Is knows of roles that are included, over all levels; Roles does not.
func TestHierarchy(t *testing.T) {
	h := NewHierarchy(map[string][]string{"manager": {"clerk", "support"}, "boss": {"manager", "clerk", "support"}, "nothing": nil})
	for _, c := range []struct {
		roles []string
		is    map[string]bool
	}{
		{nil, map[string]bool{"clerk": false, "any": true}},
		{[]string{"clerk"}, map[string]bool{"clerk": true, "support": false, "manager": false}},
		{[]string{"manager"}, map[string]bool{"clerk": true, "support": true, "manager": true, "boss": false}},
		{[]string{"boss"}, map[string]bool{"clerk": true, "manager": true, "Clerk": false, "": false}},
	} {
		plain := New(User{ID: "u"}, c.roles...)
		u := plain.Under(h)
		for role, want := range c.is {
			if u.Is(role) != want {
				t.Errorf("%v: Is(%s) is %v", c.roles, role, !want)
			}
		}
		if len(u.Roles()) != len(plain.Roles()) {
			t.Errorf("%v: roles %v", c.roles, u.Roles())
		}
		if u.Under(h) != u || plain.Under(nil) != plain {
			t.Errorf("%v: a new user where there was one", c.roles)
		}
	}
	clerk := New(User{ID: "u"}, "clerk")
	if clerk.Under(h) != clerk || Anonymous.Under(h) != Anonymous || Privileged.Under(h) != Privileged || (*User)(nil).Under(h) != nil {
		t.Error("a new user where nothing is included")
	}
	// The user of one model in another.
	other := NewHierarchy(map[string][]string{"manager": {"auditor"}})
	u := New(User{ID: "u"}, "manager").Under(h)
	if v := u.Under(other); !v.Is("auditor") || v.Is("clerk") {
		t.Error("roles of another model")
	}
	if u.Under(nil).Is("clerk") || u.Under(NewHierarchy(map[string][]string{"x": {"y"}})).Is("clerk") || !u.Is("clerk") {
		t.Error("roles of another model, in one that says nothing of them")
	}
	if NewHierarchy(nil) != nil || NewHierarchy(map[string][]string{"a": nil}) != nil {
		t.Error("a hierarchy of nothing")
	}
	if n := testing.AllocsPerRun(10, func() { _ = clerk.Under(h).Is("manager") }); n != 0 {
		t.Errorf("%v allocations for a user without included roles", n)
	}
}
