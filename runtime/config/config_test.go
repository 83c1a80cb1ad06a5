package config

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"
)

func files(m map[string]string) fstest.MapFS {
	fs := fstest.MapFS{}
	for k, v := range m {
		fs[k] = &fstest.MapFile{Data: []byte(v)}
	}
	return fs
}

func mustLoad(t *testing.T, opt Options) *Config {
	t.Helper()
	c, err := Load(opt)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLoad_Precedence(t *testing.T) {
	all := map[string]string{
		".env":                `cds.a=env-file`,
		".cdsrc-private.json": `{"a":"private"}`,
		"package.json":        `{"name":"x","cds":{"a":"package"}}`,
		".cdsrc.json":         `{"a":"rc"} // trailing comment`,
	}
	env := []string{"cds_a=process"}
	def := Section{"a": "default"}
	for _, step := range []struct{ want, drop string }{
		{"process", ""}, {"env-file", "process"}, {"private", ".env"}, {"package", ".cdsrc-private.json"}, {"rc", "package.json"}, {"default", ".cdsrc.json"},
	} {
		if step.drop == "process" {
			env = nil
		}
		delete(all, step.drop)
		c := mustLoad(t, Options{Dir: files(all), Env: env, Defaults: def})
		if got := c.Str("a"); got != step.want {
			t.Errorf("after dropping %q: a = %q, want %q", step.drop, got, step.want)
		}
	}
}

func TestLoad_Profiles(t *testing.T) {
	dir := files(map[string]string{".cdsrc.json": `{
		"requires": {
			"auth": "mocked",
			"[production]": {"auth": {"kind": "jwt"}},
			"db": {"kind": "sqlite", "[hybrid]": {"kind": "postgres"}}
		},
		"[test]": {"x": {"y": 1}}
	}`})
	for _, tt := range []struct {
		profiles, env []string
		path, want    string
	}{
		{nil, nil, "requires.auth.kind", "mocked"},
		{[]string{"production"}, nil, "requires.auth.kind", "jwt"},
		{nil, []string{"NODE_ENV=production"}, "requires.auth.kind", "jwt"},
		{nil, []string{"CDS_ENV=hybrid,production", "NODE_ENV=test"}, "requires.db.kind", "postgres"},
		{nil, []string{"CDS_ENV=hybrid,production"}, "requires.auth.kind", "jwt"},
		{[]string{"hybrid"}, []string{"NODE_ENV=production"}, "requires.auth.kind", "mocked"},
		{nil, []string{"NODE_ENV=test"}, "x.y", "1"},
	} {
		c := mustLoad(t, Options{Dir: dir, Profiles: tt.profiles, Env: tt.env})
		if got := c.Str(tt.path); got != tt.want {
			t.Errorf("profiles %v env %v: %s = %q, want %q", tt.profiles, tt.env, tt.path, got, tt.want)
		}
	}
}

func TestLoad_UnknownProfile(t *testing.T) {
	_, err := Load(Options{Dir: files(nil), Profiles: []string{"prodution"}})
	var ce *Error
	if !errors.As(err, &ce) || ce.Code != "config-unknown-profile" || !strings.Contains(ce.Hint, "production") {
		t.Fatalf("err = %v", err)
	}
	for _, env := range []string{"NODE_ENV=Production", "CDS_ENV=prod", "CDS_ENV=test,prodution"} { // which would let users of development in
		if _, err := Load(Options{Dir: files(nil), Env: []string{env}}); !errors.As(err, &ce) || ce.Code != "config-unknown-profile" || !strings.Contains(ce.Hint, "did you mean production") {
			t.Errorf("%s: err = %v", env, err)
		}
	}
	own := fstest.MapFS{"package.json": &fstest.MapFile{Data: []byte(`{"cds":{"requires":{"[prod]":{"auth":"jwt"}}}}`)}}
	if c := mustLoad(t, Options{Dir: own, Env: []string{"CDS_ENV=prod"}}); c.Str("requires.auth.kind") != "jwt" {
		t.Error("a profile of one's own")
	}
	c := mustLoad(t, Options{Dir: files(nil), Env: []string{"NODE_ENV=ci"}})
	if len(c.Warnings) != 1 {
		t.Errorf("warnings = %q, want one about ci", c.Warnings)
	}
}

func TestLoad_Environment(t *testing.T) {
	c := mustLoad(t, Options{Env: []string{
		"cds_foo_x=9", "CDS_foo_z=10", `cds_foo={"y":1,"x":2}`, `CDS_CONFIG={"foo":{"w":11,"x":1}}`, "CDS_G=g", "cds_requires_auth=basic",
		"CDSX_a=1", "cds_=2", "cds_requires_auth_restrict_all_services=true",
	}, Defaults: Section{"requires": map[string]any{"auth": map[string]any{"kind": "mocked", "users": map[string]any{"alice": true}}}}})
	for path, want := range map[string]string{
		"foo.x": "9", "foo.y": "1", "foo.z": "10", "foo.w": "11", "g": "g", "requires.auth.kind": "basic", "requires.auth.users.alice": "true",
		"requires.auth.restrict_all_services": "true",
	} {
		if got := c.Str(path); got != want {
			t.Errorf("%s = %q, want %q", path, got, want)
		}
	}
}

// A user named without roles in one's own configuration keeps the default user's roles, as in CAP.
func TestLoad_KindPresetsMergeDeeply(t *testing.T) {
	def := Section{"requires": map[string]any{"auth": "mocked", "kinds": map[string]any{
		"mocked": map[string]any{"users": map[string]any{"dave": map[string]any{"roles": []any{"admin"}}}},
	}}}
	c := mustLoad(t, Options{Dir: files(map[string]string{"package.json": `{"cds":{"requires":{"auth":{"users":{"dave":{"tenant":"t2"}}}}}}`}), Defaults: def})
	dave := c.Sub("requires.auth.users.dave")
	if got := strings.Join(dave.Strings("roles"), ","); got != "admin" || dave.Str("tenant") != "t2" {
		t.Errorf("dave = %v", dave)
	}
}

func TestLoad_BadFiles(t *testing.T) {
	for name, tt := range map[string]struct{ file, text, place string }{
		"syntax":    {".cdsrc.json", "{\n  \"a\": ,\n}", ".cdsrc.json:2:"},
		"cut":       {".cdsrc.json", "{\"a\": {", ".cdsrc.json:1:"},
		"array":     {".cdsrc.json", "[1]", ".cdsrc.json:1:"},
		"cds":       {"package.json", `{"cds": 1}`, "package.json"},
		"dotenv":    {".env", "x=1\nnonsense\n", ".env:2:1"},
		"CDS_CONF":  {".env", "CDS_CONFIG=[]", ".env"},
		"two roots": {".cdsrc.json", "{} {}", ".cdsrc.json:1:"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(Options{Dir: files(map[string]string{tt.file: tt.text})})
			var ce *Error
			if !errors.As(err, &ce) || !strings.HasPrefix(ce.Place, tt.place) {
				t.Fatalf("err = %v, want an Error at %s", err, tt.place)
			}
		})
	}
}

func TestSection_Accessors(t *testing.T) {
	s := Section{"a": map[string]any{"b": true, "n": 3, "l": []any{"x", 1}}, "s": "one"}
	if !s.Bool("a.b", false) || s.Int("a.n", 0) != 3 || s.Int("a.b", 7) != 7 || s.Bool("s", true) != true {
		t.Error("scalars are misread")
	}
	if got := strings.Join(s.Strings("a.l"), "|"); got != "x|1" {
		t.Errorf("list = %s", got)
	}
	if got := s.Strings("s"); len(got) != 1 || got[0] != "one" {
		t.Errorf("single = %v", got)
	}
	if s.Sub("s") != nil || s.Str("a") != "" || s.Str("no.such") != "" {
		t.Error("missing values are not empty")
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(`{"requires":{"auth":"mocked"}}`, "A=1\ncds.x=2")
	f.Add(`{"[x]":{"[y]":1}}`, "CDS_CONFIG={}")
	f.Fuzz(func(t *testing.T, rc, env string) {
		c, err := Load(Options{Dir: files(map[string]string{".cdsrc.json": rc, ".env": env})})
		if err == nil && c.Section == nil {
			t.Error("no section and no error")
		}
	})
}

func TestSourceOf(t *testing.T) {
	c, err := Load(Options{
		Dir: fstest.MapFS{
			".cdsrc.json":  {Data: []byte(`{"requires":{"auth":{"kind":"mocked","users":{"bob":{"roles":["x"]}}},"[production]":{"auth":"basic"}},"a":{"b":1,"c":2}}`)},
			"package.json": {Data: []byte(`{"cds":{"a":{"b":3}}}`)},
			".env":         {Data: []byte("CDS_REQUIRES_AUTH_STRICT=false\n")},
		},
		Env:      []string{"cds_a_d=4", `VCAP_SERVICES={"x":[{"name":"svc","credentials":{"url":"u"}}]}`},
		Defaults: Section{"requires": map[string]any{"svc": map[string]any{"kind": "s"}, "kinds": map[string]any{"mocked": map[string]any{"users": map[string]any{"alice": true}}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"requires.auth.kind": ".cdsrc.json", "requires.auth.users.bob.roles": ".cdsrc.json", "requires.auth.users.alice": "defaults, kind mocked", "requires.auth.strict": ".env",
		"a.b": "package.json#cds", "a.c": ".cdsrc.json", "a.d": "process.env", "requires.svc.credentials.url": "bindings", "requires.auth.nothing": "", "nothing": "",
	} {
		if got := c.SourceOf(path); got != want {
			t.Errorf("%s is from %q, want %q", path, got, want)
		}
	}
}
