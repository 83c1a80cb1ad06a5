package mocked_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/mocked"
	"cds/strategies/strategytest"
)

func load(t *testing.T, cfg config.Section) auth.Strategy {
	t.Helper()
	s, err := mocked.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func login(name, password string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.SetBasicAuth(name, password)
	return r
}

func TestConformance(t *testing.T) {
	strategytest.Run(t, strategytest.Subject{
		Env:     strategytest.Env,
		New:     func(t *testing.T) auth.Strategy { return load(t, mocked.Defaults()) },
		Good:    func(*testing.T) *http.Request { return login("alice", "") },
		UserID:  "alice",
		Bad:     []string{"Basic Og==", "Basic !!!", "Basic", "basic ", "Basic Ym9iCg==", "Basic " + strings.Repeat("A", 10000)},
		Foreign: []string{"Bearer abc", "Digest x", "Basically Ym9iOg=="},
	})
}

// The pre-defined users, as recorded.
func TestDefaults(t *testing.T) {
	s := load(t, mocked.Defaults())
	for _, c := range []struct {
		name, tenant string
		roles        []string
		features     []string
		kind         auth.Kind
	}{
		{"alice", "t1", []string{"admin"}, []string{"isbn"}, auth.KindNamed},
		{"bob", "t1", []string{"cds.ExtensionDeveloper"}, []string{"isbn"}, auth.KindNamed},
		{"carol", "t1", []string{"admin", "cds.ExtensionDeveloper"}, []string{"isbn"}, auth.KindNamed},
		{"dave", "t1", []string{"admin"}, nil, auth.KindNamed},
		{"erin", "t2", []string{"admin", "cds.ExtensionDeveloper"}, []string{"*"}, auth.KindNamed},
		{"fred", "t2", nil, []string{"isbn"}, auth.KindNamed},
		{"me", "t1", nil, []string{"*"}, auth.KindNamed},
		{"yves", "", []string{"internal-user"}, nil, auth.KindInternal},
		{"anybody", "", nil, nil, auth.KindNamed},
	} {
		u, err := s.Authenticate(t.Context(), login(c.name, "whatever"))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		roles := append([]string{"any", "authenticated-user"}, c.roles...)
		slices.Sort(roles)
		if diff := cmp.Diff(roles, u.Roles()); diff != "" {
			t.Errorf("%s: roles (-want +got)\n%s", c.name, diff)
		}
		if u.ID != c.name || u.Tenant != c.tenant || u.Kind != c.kind || !slices.Equal(u.Features, c.features) {
			t.Errorf("%s: got %+v", c.name, u)
		}
	}
}

// Naming a user in one's own configuration keeps what the default user of that name has (cap-behaviour, section 4).
func TestMergeWithDefaults(t *testing.T) {
	c, err := config.Load(config.Options{Defaults: config.Section{
		"requires": map[string]any{"auth": map[string]any{"kind": "mocked"}, "kinds": map[string]any{"mocked": mocked.Defaults()}},
	}, Env: []string{`CDS_CONFIG={"requires":{"auth":{"users":{"dave":{"tenant":"t9"},"bob":{"roles":["Viewer"]},"*":false}}}}`}})
	if err != nil {
		t.Fatal(err)
	}
	s := load(t, c.Sub("requires.auth"))
	dave, err := s.Authenticate(t.Context(), login("dave", ""))
	if err != nil || !dave.Is("admin") || dave.Tenant != "t9" {
		t.Errorf("dave: %+v, %v; want admin of t9", dave, err)
	}
	bob, err := s.Authenticate(t.Context(), login("bob", ""))
	if err != nil || bob.Is("cds.ExtensionDeveloper") || !bob.Is("Viewer") || bob.Tenant != "t1" {
		t.Errorf("bob: %+v, %v; want Viewer only, of t1", bob, err)
	}
	if _, err := s.Authenticate(t.Context(), login("zoe", "")); !errors.Is(err, auth.ErrCredentials) {
		t.Errorf("zoe: %v, want ErrCredentials since * is off", err)
	}
}

func TestForms(t *testing.T) {
	s := load(t, config.Section{"users": map[string]any{
		"plain":  true,
		"off":    false,
		"gone":   nil,
		"short":  "secret",
		"roles":  map[string]any{"roles": map[string]any{"A": true, "B": 1, "C": false, "D": nil}},
		"one":    map[string]any{"roles": "Solo"},
		"attrs":  map[string]any{"attr": map[string]any{"country": "FR", "limit": 500, "langs": []any{"de", "fr"}, "none": nil, "empty": []any{}}},
		"system": map[string]any{"roles": []any{"system-user"}},
		"gina":   map[string]any{"password": "s3cret", "id": "g1"},
		"*":      true,
	}})
	get := func(name, password string) *auth.User {
		u, err := s.Authenticate(t.Context(), login(name, password))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return auth.Anonymous
		}
		return u
	}
	if u := get("roles", ""); !u.Is("A") || !u.Is("B") || u.Is("C") || u.Is("D") {
		t.Errorf("roles: %v", u.Roles())
	}
	if u := get("one", ""); !u.Is("Solo") {
		t.Errorf("one: %v", u.Roles())
	}
	want := map[string][]string{"country": {"FR"}, "limit": {"500"}, "langs": {"de", "fr"}, "none": nil, "empty": nil}
	if diff := cmp.Diff(want, get("attrs", "").Attrs); diff != "" {
		t.Errorf("attrs (-want +got)\n%s", diff)
	}
	if u := get("system", ""); u.Kind != auth.KindSystem || u.Is(auth.RoleInternal) {
		t.Errorf("system: %+v", u)
	}
	if u := get("gina", "s3cret"); u.ID != "g1" {
		t.Errorf("gina: %+v", u)
	}
	get("gone", "")
	get("short", "secret")
	for _, c := range [][2]string{{"gina", "S3cret"}, {"gina", ""}, {"short", "x"}, {"off", ""}, {"*", ""}, {"anonymous", ""}, {"privileged", ""}, {"Anonymous", ""}, {"PRIVILEGED", ""}} {
		if u, err := s.Authenticate(t.Context(), login(c[0], c[1])); !errors.Is(err, auth.ErrCredentials) {
			t.Errorf("%v: user %v, error %v; want ErrCredentials", c, u, err)
		}
	}
	if u := get("GINA", "no"); u.ID != "GINA" { // names are case-sensitive: this is any other name
		t.Errorf("GINA: %+v", u)
	}
}

// What is not understood stops the start: a misspelt password would let anybody in.
func TestFaultyUsers(t *testing.T) {
	for _, c := range []struct {
		users any
		want  string
	}{
		{[]any{"alice"}, "requires.auth.users: must be an object"},
		{[]any{map[string]any{"roles": "x"}}, "requires.auth.users[0].name: is missing"},
		{[]any{map[string]any{"name": "a"}, map[string]any{"name": "a"}}, `requires.auth.users[1].name: "a" is there twice`},
		{map[string]any{"a": 5}, "requires.auth.users.a: true, false or an object"},
		{map[string]any{"a": map[string]any{"pasword": "x"}}, "requires.auth.users.a.pasword: unknown property; did you mean password?"},
		{map[string]any{"a": map[string]any{"colour": "x"}}, "requires.auth.users.a.colour: unknown property; known are"},
		{map[string]any{"a": map[string]any{"password": ""}}, "requires.auth.users.a.password: is empty"},
		{map[string]any{"a": map[string]any{"password": []any{"x"}}}, "requires.auth.users.a.password: a text is expected"},
		{map[string]any{"a": map[string]any{"password": "$argon2id$v=19$m=4194304,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}, "requires.auth.users.a.password: "},
		{map[string]any{"a": map[string]any{"password": "$6$salt$hash"}}, "requires.auth.users.a.password: is a hash of a kind that is not known"},
		{map[string]any{"a": map[string]any{"roles": []any{map[string]any{}}}}, "requires.auth.users.a.roles: a text is expected"},
		{map[string]any{"a": map[string]any{"attr": "DE"}}, "requires.auth.users.a.attr: an object"},
		{map[string]any{"a": map[string]any{"attr": map[string]any{"c": map[string]any{}}}}, "requires.auth.users.a.attr: c: a text"},
		{map[string]any{"a": map[string]any{"id": ""}}, "requires.auth.users.a.id"},
		{map[string]any{"a": map[string]any{"id": "privileged"}}, "requires.auth.users.a.id: \"privileged\" is no id"},
		{map[string]any{"anonymous": true}, "requires.auth.users.anonymous: \"anonymous\" is no name"},
		{map[string]any{"a": map[string]any{"privileged": "maybe"}}, "requires.auth.users.a.privileged: true or false"},
		{map[string]any{"a": map[string]any{"additional": "x"}}, "requires.auth.users.a.additional: an object"},
		{map[string]any{"*": []any{}}, "requires.auth.users.*: true or false"},
	} {
		_, err := mocked.New(config.Section{"users": c.users})
		var ce *auth.ConfigError
		if !errors.As(err, &ce) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v: got %v, want %q", c.users, err, c.want)
		}
	}
}

// The words of CAP for Java (E34): a list, attributes, technical users, one who may do everything.
func TestJavaForm(t *testing.T) {
	s := load(t, config.Section{
		"users": []any{
			map[string]any{"name": "viewer", "password": "pw", "tenant": "t1", "roles": []any{"Viewer"}, "attributes": map[string]any{"country": []any{"DE"}},
				"additional": map[string]any{"email": "v@example.com"}, "policies": []any{"shop.Viewer"}},
			map[string]any{"name": "sys", "system-user": true, "tenant": "t2"},
			map[string]any{"name": "int", "internal-user": true},
			map[string]any{"name": "both", "internal-user": true, "system-user": true},
			map[string]any{"name": "root", "privileged": true, "tenant": "t1", "attributes": map[string]any{"country": "FR"}},
		},
		"tenants": []any{map[string]any{"name": "t1", "features": []any{"isbn"}}},
	})
	get := func(name, password string) *auth.User {
		u, err := s.Authenticate(t.Context(), login(name, password))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return u
	}
	if u := get("viewer", "pw"); !u.Is("Viewer") || u.Is("shop.Viewer") || u.Tenant != "t1" || u.Attr("country")[0] != "DE" || u.Attr("email") != nil || u.Features[0] != "isbn" ||
		u.Info.(map[string]any)["email"] != "v@example.com" {
		t.Errorf("viewer: %+v", u)
	}
	if u := get("sys", ""); u.Kind != auth.KindSystem || !u.Is("system-user") || u.Is("internal-user") {
		t.Errorf("sys: %+v", u)
	}
	if u := get("int", ""); u.Kind != auth.KindInternal || u.Is("system-user") {
		t.Errorf("int: %+v", u)
	}
	if u := get("both", ""); !u.Is("internal-user") || !u.Is("system-user") {
		t.Errorf("both: %+v", u)
	}
	if u := get("root", ""); u.Kind != auth.KindDummy || !u.Is("whatever") || u.ID != "root" || u.Tenant != "t1" || u.Attr("country")[0] != "FR" {
		t.Errorf("root: %+v", u)
	}
}
