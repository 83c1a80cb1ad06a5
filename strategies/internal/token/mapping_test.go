package token

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cds/runtime/auth"
	"cds/runtime/config"
)

func section(t testing.TB, text string) config.Section {
	t.Helper()
	m, err := decodeObject([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return m
}

// brief writes a user in one line.
func brief(u *auth.User) string {
	if u == nil {
		return ""
	}
	s := u.ID
	if u.Kind == auth.KindSystem {
		s += " system"
	}
	if u.Kind == auth.KindInternal {
		s += " internal"
	}
	if u.Tenant != "" {
		s += " @" + u.Tenant
	}
	if u.Locale != "" {
		s += " locale=" + u.Locale
	}
	for _, r := range u.Roles() {
		if r != auth.RoleAny && r != auth.RoleAuthenticated {
			s += " +" + r
		}
	}
	var names []string
	for n := range u.Attrs {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		s += fmt.Sprintf(" %s=%s", n, strings.Join(u.Attrs[n], ","))
	}
	return s
}

func TestMapping(t *testing.T) {
	const none = `"attrs":{}`
	for _, c := range []struct{ name, cfg, claims, want string }{ // want "" means refused
		{"defaults", `{}`, `{"sub":"alice","roles":["a","b"],"scope":"c d","locale":"de","country":"DE"}`,
			"alice locale=de +a +b +c +d country=DE locale=de roles=a,b scope=c d sub=alice"},
		{"no id", `{}`, `{"roles":["a"]}`, ""},
		{"empty id", `{}`, `{"sub":""}`, ""},
		{"reserved id", `{}`, `{"sub":"anonymous"}`, ""},
		{"reserved id in another case", `{}`, `{"sub":"Privileged"}`, ""},
		{"id with a line feed", `{}`, `{"sub":"a\nb"}`, ""},
		{"long id", `{}`, `{"sub":"` + strings.Repeat("x", 2000) + `"}`, ""},
		{"default id", `{"claims":{"defaultId":"cube",` + none + `}}`, `{}`, "cube"},
		{"default id for a list", `{"claims":{"id":"user_id","defaultId":"cube"}}`, `{"user_id":[1,2]}`, "cube user_id=1,2"},
		{"first id", `{"claims":{"id":["user_name","sub"],` + none + `}}`, `{"sub":"s","user_name":"u"}`, "u"},
		{"second id", `{"claims":{"id":["user_name","sub"],` + none + `}}`, `{"sub":"s","user_name":null}`, "s"},
		{"number as id", `{"claims":{"id":"user_id",` + none + `}}`, `{"user_id":42}`, "42"},
		{"the same number", `{"claims":{"id":"user_id",` + none + `}}`, `{"user_id":4.2e1}`, "42"},
		{"large number as id", `{"claims":{"id":"user_id",` + none + `}}`, `{"user_id":9007199254740993}`, "9007199254740993"},
		{"minus zero as id", `{"claims":{"id":"user_id",` + none + `}}`, `{"user_id":-0.0}`, "0"},
		{"a fraction as id", `{"claims":{"id":"user_id",` + none + `}}`, `{"user_id":1.5}`, "1.5"},
		{"an endless number as id", `{"claims":{"id":"user_id",` + none + `}}`, `{"user_id":1e999}`, "1e999"},
		{"zero as id", `{"claims":{"id":"user_id",` + none + `}}`, `{"user_id":0}`, "0"},
		{"boolean as id", `{"claims":{"id":"user_id"}}`, `{"user_id":true}`, ""},
		{"object as id", `{"claims":{"id":"user_id"}}`, `{"user_id":{"a":1}}`, ""},
		{"list as id", `{"claims":{"id":"user_id"}}`, `{"user_id":["a"]}`, ""},
		{"id has to be a number", `{"claims":{"id":"user_id","idType":"number",` + none + `}}`, `{"user_id":2}`, "2"},
		{"id is no number", `{"claims":{"id":"user_id","idType":"number"}}`, `{"user_id":"2"}`, ""},

		{"roles from nested paths", `{"claims":{"roles":["realm_access.roles","resource_access.my.app.roles"],` + none + `}}`,
			`{"sub":"x","realm_access":{"roles":["a"]},"resource_access":{"my.app":{"roles":["b"]},"other":{"roles":["c"]}}}`, "x +a +b"},
		{"prefix", `{"claims":{"roles":["scope"],"rolesPrefix":"app.",` + none + `}}`, `{"sub":"x","scope":"app.read openid other.admin app. admin"}`, "x +read"},
		{"prefix of one source", `{"claims":{"roles":["roles",{"path":"scope","prefix":"app."}],` + none + `}}`, `{"sub":"x","roles":["admin"],"scope":"app.read write"}`, "x +admin +read"},
		{"two prefixes", `{"claims":{"roles":"scope","rolesPrefix":["a.","b."],` + none + `}}`, `{"sub":"x","scope":"a.r b.s c.t"}`, "x +r +s"},
		{"pseudo-roles are dropped", `{"claims":{` + none + `}}`, `{"sub":"x","roles":["any","authenticated-user","system-user","internal-user","ok"]}`, "x +ok"},
		{"pseudo-roles behind a prefix", `{"claims":{"rolesPrefix":"p.",` + none + `}}`, `{"sub":"x","roles":["p.system-user"]}`, "x"},
		{"role by a boolean", `{"claims":{"roles":[{"path":"is_admin","role":"admin"}],` + none + `}}`, `{"sub":"x","is_admin":true}`, "x +admin"},
		{"no role by a boolean", `{"claims":{"roles":[{"path":"is_admin","role":"admin"}],` + none + `}}`, `{"sub":"x","is_admin":false}`, "x"},
		{"role by a text", `{"claims":{"roles":[{"path":"is_admin","role":"admin"}]}}`, `{"sub":"x","is_admin":"true"}`, ""},
		{"role by a number", `{"claims":{"roles":[{"path":"is_admin","role":"admin"}]}}`, `{"sub":"x","is_admin":1}`, ""},
		{"roles are a number", `{}`, `{"sub":"x","roles":1}`, ""},
		{"roles are an object", `{}`, `{"sub":"x","roles":{"admin":true}}`, ""},
		{"roles have a number", `{}`, `{"sub":"x","roles":["a",1]}`, ""},
		{"roles are nested", `{}`, `{"sub":"x","roles":[["a"]]}`, ""},
		{"roles are true", `{}`, `{"sub":"x","roles":true}`, ""},
		{"roles are null", `{"claims":{` + none + `}}`, `{"sub":"x","roles":null}`, "x"},
		{"roles are text", `{"claims":{` + none + `}}`, `{"sub":"x","roles":"  a\tb  "}`, "x +a +b"},

		{"tenant", `{"claims":{"tenant":"org_id",` + none + `}}`, `{"sub":"x","org_id":"t1"}`, "x @t1"},
		{"tenant is a list", `{"claims":{"tenant":"org_id"}}`, `{"sub":"x","org_id":["t1","t2"]}`, ""},
		{"no tenant", `{"claims":{"tenant":"org_id",` + none + `}}`, `{"sub":"x"}`, "x"},
		{"tenant is not guessed", `{"claims":{` + none + `}}`, `{"sub":"x","tenant":"t1","zid":"t1","tid":"t1"}`, "x"},
		{"strange locale", `{"claims":{` + none + `}}`, `{"sub":"x","locale":"de; drop"}`, "x"},
		{"locale is an object", `{"claims":{` + none + `}}`, `{"sub":"x","locale":{}}`, "x"},

		{"attributes by name", `{"claims":{"attrs":{"country":"address.country","level":"level"}}}`, `{"sub":"x","address":{"country":"DE"},"level":3,"more":"no"}`, "x country=DE level=3"},
		{"an attribute that is an object", `{"claims":{"attrs":{"country":"address"}}}`, `{"sub":"x","address":{"country":"DE"}}`, ""},
		{"an attribute with an object", `{"claims":{"attrs":{"l":"l"}}}`, `{"sub":"x","l":["a",{}]}`, ""},
		{"an attribute that is missing", `{"claims":{"attrs":{"l":"l"}}}`, `{"sub":"x"}`, "x"},
		{"an attribute that is null", `{"claims":{"attrs":{"l":"l"}}}`, `{"sub":"x","l":null}`, "x"},
		{"all attributes and a path", `{"claims":{"attrs":{"*":"*","c":"a.c"}}}`, `{"sub":"x","a":{"c":"1"},"b":[1,2]}`, "x b=1,2 c=1 sub=x"},
		{"objects are no attributes", `{"claims":{"attrs":"*"}}`, `{"sub":"x","a":{"b":1},"c":[{"d":1}],"e":[],"f":null,"g":false,"h":0}`, "x g=false h=0 sub=x"},

		{"u is laid over", `{"claims":{"merge":["u"]}}`, `{"sub":"x","user_id":43,"u":{"user_id":42}}`, "x sub=x user_id=42"},
		{"u hides itself", `{"claims":{"merge":["u"]}}`, `{"sub":"x","u":{"u":1}}`, "x sub=x u=1"},
		{"u with a null hides the root's", `{"claims":{"merge":["u"]}}`, `{"sub":"x","user_id":43,"u":{"user_id":null}}`, "x sub=x"},
		{"u gives the roles", `{"claims":{"merge":["u"],` + none + `}}`, `{"sub":"x","roles":["a"],"u":{"roles":["b"]}}`, "x +b"},
		{"u is a text", `{"claims":{"merge":["u"]}}`, `{"sub":"x","u":"str"}`, ""},
		{"u is null", `{"claims":{"merge":["u"]}}`, `{"sub":"x","u":null}`, ""},
		{"u is a list", `{"claims":{"merge":["u"]}}`, `{"sub":"x","u":[]}`, ""},
		{"u is false", `{"claims":{"merge":["u"]}}`, `{"sub":"x","u":false}`, ""},
		{"no u", `{"claims":{"merge":["u"]}}`, `{"sub":"x"}`, "x sub=x"},

		{"namespace", `{"jwt":{"claimsNamespace":"https://ns.example"}}`, `{"sub":"x","roles":["a"],"country":"DE","https://ns.example":{"user_id":42,"roles":["b"]}}`, "x +b roles=b user_id=42"},
		{"namespace is missing", `{"jwt":{"claimsNamespace":"https://ns.example"}}`, `{"sub":"x","roles":["a"],"u":{"user_id":42}}`, "x"},
		{"namespace and u", `{"jwt":{"claimsNamespace":"https://ns.example"},"claims":{"merge":["u"]}}`, `{"sub":"x","u":{"user_id":42}}`, "x"},
		{"namespace is a text", `{"jwt":{"claimsNamespace":"https://ns.example"}}`, `{"sub":"x","https://ns.example":"y"}`, ""},
		{"namespace is null", `{"jwt":{"claimsNamespace":"https://ns.example"}}`, `{"sub":"x","https://ns.example":null}`, ""},
		{"id in the namespace", `{"jwt":{"claimsNamespace":"n"},"claims":{"id":["user_id","sub"]}}`, `{"sub":"x","user_id":"root","n":{"user_id":"inner"}}`, "inner user_id=inner"},

		{"technical user", `{"claims":{"kind":{"claim":"gty","system":["client-credentials"]},` + none + `}}`, `{"sub":"x","gty":"client-credentials"}`, "x system +system-user"},
		{"person", `{"claims":{"kind":{"claim":"gty","system":["client-credentials"]},` + none + `}}`, `{"sub":"x","gty":"password"}`, "x"},
		{"technical user by another claim", `{"claims":{"kind":{"claim":"sub","equals":"cid"},` + none + `}}`, `{"sub":"x","cid":"x"}`, "x system +system-user"},
		{"neither claim", `{"claims":{"kind":{"claim":"a","equals":"b"},` + none + `}}`, `{"sub":"x"}`, "x"},
		{"internal", `{"claims":{"kind":{"claim":"azp","internal":["me"]},` + none + `}}`, `{"sub":"x","azp":"me"}`, "x internal +internal-user"},
	} {
		m, err := NewMapping(section(t, c.cfg))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		u, err := m.User(Claims(section(t, c.claims)))
		if got := brief(u); got != c.want || (err != nil) != (c.want == "") || err != nil && !errors.Is(err, auth.ErrCredentials) {
			t.Errorf("%s: %q, error %v; want %q", c.name, got, err, c.want)
		}
		if u != nil && (u.Kind == auth.KindPrivileged || u.Info == nil) {
			t.Errorf("%s: kind %d, info %v", c.name, u.Kind, u.Info)
		}
	}
}

func TestMappingSettings(t *testing.T) {
	for _, c := range []struct{ cfg, want string }{ // want: where the error is
		{`{"claims":{"ids":"sub"}}`, "requires.auth.claims.ids"},
		{`{"claims":"sub"}`, "requires.auth.claims"},
		{`{"claims":{"id":{}}}`, "requires.auth.claims.id"},
		{`{"claims":{"id":[""]}}`, "requires.auth.claims.id"},
		{`{"claims":{"id":[["a"]]}}`, "requires.auth.claims.id"},
		{`{"claims":{"idType":"uuid"}}`, "requires.auth.claims.idType"},
		{`{"claims":{"defaultId":"anonymous"}}`, "requires.auth.claims.defaultId"},
		{`{"claims":{"roles":[1]}}`, "requires.auth.claims.roles"},
		{`{"claims":{"roles":[{"path":""}]}}`, "requires.auth.claims.roles.path"},
		{`{"claims":{"roles":[{"path":"a","prefx":"b"}]}}`, "requires.auth.claims.roles.prefx"},
		{`{"claims":{"attrs":"all"}}`, "requires.auth.claims.attrs"},
		{`{"claims":{"attrs":{"a":1}}}`, "requires.auth.claims.attrs.a"},
		{`{"claims":{"kind":{"system":["x"]}}}`, "requires.auth.claims.kind.claim"},
		{`{"claims":{"kind":{"claims":"x"}}}`, "requires.auth.claims.kind.claims"},
		{`{"claims":{"rolesprefix":"a."}}`, ""}, // as a variable of the environment has it
	} {
		_, err := NewMapping(section(t, c.cfg))
		var e *config.Error
		if errors.As(err, &e) && e.Place == c.want || err == nil && c.want == "" {
			continue
		}
		t.Errorf("%s: %v, want an error at %q", c.cfg, err, c.want)
	}
}

// A variable of the environment in upper case and a setting of a file: which one is meant can't be known.
func TestMappingTwice(t *testing.T) {
	_, err := NewMapping(config.Section{"claims": map[string]any{"rolesprefix": "a.", "rolesPrefix": "b."}})
	var e *config.Error
	if !errors.As(err, &e) || e.Place != "requires.auth.claims.rolesprefix" {
		t.Error(err)
	}
}

// Printing a user does not tell the token.
func TestUserIsNotPrinted(t *testing.T) {
	u := auth.New(auth.User{ID: "x", Token: "tOkEn"})
	for _, f := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if s := fmt.Sprintf(f, u); strings.Contains(s, "tOkEn") {
			t.Errorf("%s: %s", f, s)
		}
		if s := fmt.Sprintf(f, *u); strings.Contains(s, "tOkEn") {
			t.Errorf("%s: %s", f, s)
		}
	}
	if string(u.Token) != "tOkEn" {
		t.Error("the token is lost")
	}
}
