package auth

import (
	"errors"
	"net/http/httptest"
	"slices"
	"testing"
)

func TestNew(t *testing.T) {
	for _, c := range []struct {
		name  string
		kind  Kind
		roles []string
		want  []string
	}{
		{"named", KindNamed, []string{"b", "a", "b", ""}, []string{"a", "any", "authenticated-user", "b"}},
		{"anonymous becomes named", KindAnonymous, nil, []string{"any", "authenticated-user"}},
		{"privileged becomes named", KindPrivileged, nil, []string{"any", "authenticated-user"}},
		{"dummy becomes named", KindDummy, nil, []string{"any", "authenticated-user"}},
		{"system", KindSystem, nil, []string{"any", "authenticated-user", "system-user"}},
		{"internal is not system, as recorded", KindInternal, nil, []string{"any", "authenticated-user", "internal-user"}},
	} {
		u := New(User{ID: "x", Kind: c.kind}, c.roles...)
		if !slices.Equal(u.Roles(), c.want) {
			t.Errorf("%s: roles %v, want %v", c.name, u.Roles(), c.want)
		}
		if u.Kind == KindPrivileged || u.Kind == KindAnonymous || u.Kind == KindDummy {
			t.Errorf("%s: kind %d", c.name, u.Kind)
		}
		if u.Is("nope") || u.Is("ANY") || !u.Is("any") {
			t.Errorf("%s: Is is wrong", c.name)
		}
	}
}

// A user keeps nothing of its maker's maps and lists, so nobody can give it more afterwards.
func TestImmutable(t *testing.T) {
	attrs := map[string][]string{"country": {"DE"}}
	roles := []string{"Viewer"}
	u := New(User{ID: "x", Attrs: attrs}, roles...)
	attrs["country"][0], attrs["limit"], roles[0] = "FR", []string{"9"}, "admin"
	if u.Attr("country")[0] != "DE" || u.Attr("limit") != nil || u.Is("admin") {
		t.Fatalf("user changed with its source: %+v", u)
	}
}

func TestPseudoUsers(t *testing.T) {
	if Anonymous.Identified() || Anonymous.Is(RoleAuthenticated) || !Anonymous.Is(RoleAny) {
		t.Error("Anonymous")
	}
	if !Privileged.Identified() || !Privileged.Is("anything") {
		t.Error("Privileged")
	}
	if d := NewDummy("d"); !d.Is("anything") || d.Kind != KindDummy || !d.Identified() {
		t.Error("dummy")
	}
}

func TestBasic(t *testing.T) {
	for _, c := range []struct {
		header, name, password string
		ok, bad                bool
	}{
		{"", "", "", false, false},
		{"Bearer abc", "", "", false, false},
		{"Basically Ym9iOg==", "", "", false, false},
		{"Basic Ym9iOnB3", "bob", "pw", true, false},
		{"basic Ym9iOnB3", "bob", "pw", true, false},
		{"BASIC   Ym9iOnB3", "bob", "pw", true, false},
		{"Basic Ym9i", "bob", "", true, false},            // no colon
		{"Basic Ym9iOg", "bob", "", true, false},          // no padding
		{"Basic Ym9iOmE6Yg==", "bob", "a:b", true, false}, // colon in the password
		{"Basic Og==", "", "", false, true},               // no name
		{"Basic OnB3", "", "", false, true},
		{"Basic !!!", "", "", false, true},
		{"Basic", "", "", false, true},
		{"Basic /w==", "", "", false, true},     // no UTF-8
		{"Basic Ym8KYjp4", "", "", false, true}, // line feed in the name
	} {
		r := httptest.NewRequest("GET", "/", nil)
		if c.header != "" {
			r.Header.Set("Authorization", c.header)
		}
		name, password, ok, err := Basic(r)
		if name != c.name || password != c.password || ok != c.ok || errors.Is(err, ErrCredentials) != c.bad || (err != nil) != c.bad {
			t.Errorf("%q: got %q %q %v %v", c.header, name, password, ok, err)
		}
	}
}

func FuzzBasic(f *testing.F) {
	for _, s := range []string{"Basic Ym9iOg==", "basic", "Basic \xff", "Bearer x", "Basic ===="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Authorization"] = []string{header}
		name, _, ok, err := Basic(r)
		if ok && (name == "" || err != nil) || err != nil && !errors.Is(err, ErrCredentials) {
			t.Fatalf("%q: %q %v %v", header, name, ok, err)
		}
	})
}
