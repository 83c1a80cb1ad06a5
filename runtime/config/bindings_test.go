package config

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const vcapTwo = `{
	"xsuaa": [
		{"name": "shop-uaa", "instance_name": "shop-uaa", "binding_name": null, "label": "xsuaa", "plan": "application", "tags": ["xsuaa"], "credentials": {"clientid": "app", "clientsecret": "s1"}},
		{"name": "main", "instance_name": "other-uaa", "binding_name": "main", "label": "xsuaa", "plan": "broker", "tags": ["xsuaa", "extra"], "credentials": {"clientid": "broker", "clientsecret": "s2"}}
	],
	"user-provided": [{"name": "auth", "label": "user-provided", "tags": [], "credentials": {"clientid": "by-name"}}],
	"postgresql-db": [{"name": "pg", "label": "postgresql-db", "tags": ["relational", "db"], "credentials": {"hostname": "h", "port": 5432}}]
}`

func TestBindings_Match(t *testing.T) {
	tests := []struct {
		name, service, config string
		want                  string // client id, "" for none
	}{
		{"by name", "auth", `{}`, "by-name"},
		{"by binding name", "main", `{}`, "broker"},
		{"by instance name", "other-uaa", `{}`, "broker"},
		{"by tag", "extra", `{}`, "broker"},
		{"by label, the first of several", "xsuaa", `{}`, "app"},
		{"not at all", "unheard", `{}`, ""},
		{"a filter wins over the name", "auth", `{"vcap":{"label":"xsuaa"}}`, "app"},
		{"a filter fits in full", "auth", `{"vcap":{"label":"xsuaa","plan":"broker"}}`, "broker"},
		{"a filter that fits in part only", "auth", `{"vcap":{"label":"xsuaa","plan":"free"}}`, ""},
		{"all tags", "auth", `{"vcap":{"tags":["xsuaa","extra"]}}`, "broker"},
		{"one tag", "auth", `{"vcap":{"tag":"extra"}}`, "broker"},
		{"one tag of two is missing", "auth", `{"vcap":{"tags":["xsuaa","none"]}}`, ""},
		{"name in the filter", "auth", `{"vcap":{"name":"shop-uaa"}}`, "app"},
		{"an empty filter is none", "auth", `{"vcap":{}}`, "by-name"},
		{"a property switched off", "auth", `{"vcap":{"label":false,"name":"main"}}`, "broker"},
		{"all properties switched off", "auth", `{"vcap":{"label":false}}`, "by-name"},
		{"a property that is not known", "auth", `{"vcap":{"label":"xsuaa","lable":"x"}}`, ""},
		{"a filter that is empty text", "auth", `{"vcap":{"label":""}}`, ""},
		{"case matters", "auth", `{"vcap":{"label":"XSUAA"}}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := mustLoad(t, Options{
				Dir: files(map[string]string{".cdsrc.json": `{"requires":{"` + tt.service + `":` + tt.config + `}}`}),
				Env: []string{"VCAP_SERVICES=" + vcapTwo},
			})
			if got := c.Str("requires." + tt.service + ".credentials.clientid"); got != tt.want {
				t.Errorf("clientid = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestBindings_Precedence(t *testing.T) {
	dir := files(map[string]string{
		".cdsrc.json":      `{"requires":{"auth":{"kind":"xsuaa","credentials":{"clientid":"file","extra":"stays"}},"kinds":{"xsuaa":{"vcap":{"label":"xsuaa","plan":"application"}}}}}`,
		"default-env.json": `{"VCAP_SERVICES":{"xsuaa":[{"name":"x","label":"xsuaa","plan":"application","credentials":{"clientid":"default-env"}}]},"cds_port":7,"cds_requires_auth_x":"y"}`,
	})
	env := []string{"cds_requires_auth_credentials_clientid=env", "VCAP_SERVICES=" + vcapTwo}
	c := mustLoad(t, Options{Dir: dir, Env: env})
	if got := c.Str("requires.auth.credentials.clientid") + " " + c.Str("requires.auth.credentials.extra"); got != "app stays" {
		t.Errorf("with everything: %s", got)
	}
	if c.Sources[0].Name != "bindings" || len(c.Bindings) != 4 {
		t.Errorf("sources %v, %d bindings", c.Sources[0].Name, len(c.Bindings))
	}
	c = mustLoad(t, Options{Dir: dir, Env: env[:1]})
	if got := c.Str("requires.auth.credentials.clientid") + " " + c.Str("port") + " " + c.Str("requires.auth.x"); got != "default-env 7 y" {
		t.Errorf("with default-env.json: %s", got)
	}
	c = mustLoad(t, Options{Dir: dir, Env: env[:1], Profiles: []string{Production}})
	if got := c.Str("requires.auth.credentials.clientid") + " " + c.Str("port"); got != "env " {
		t.Errorf("default-env.json in production: %s", got)
	}
}

func TestBindings_FollowedKind(t *testing.T) {
	def := Section{"requires": map[string]any{
		"[development]": map[string]any{"auth": "mocked"},
		"kinds":         map[string]any{"xsuaa": map[string]any{"vcap": map[string]any{"label": "xsuaa"}}, "ias": map[string]any{"vcap": map[string]any{"label": "identity"}}},
	}}
	follow := map[string][]string{"auth": {"xsuaa", "ias"}}
	const identity = `{"identity":[{"name":"i","label":"identity","credentials":{"clientid":"ias"}}]}`
	both := strings.Replace(vcapTwo, "{", `{"identity":[{"name":"i","label":"identity","credentials":{"clientid":"ias"}}],`, 1)
	tests := []struct {
		name, profile, file, vcap string
		kind, client              string
		warnings                  int
	}{
		{"xsuaa", Production, `{}`, vcapTwo, "xsuaa", "app", 1}, // two of them are bound
		{"ias", Production, `{}`, identity, "ias", "ias", 0},
		{"both", Production, `{}`, both, "xsuaa", "app", 2},
		{"none", Production, `{}`, `{}`, "", "", 0},
		{"a kind is named", Production, `{"requires":{"auth":"ias"}}`, vcapTwo, "ias", "", 0},
		{"a chain", Production, `{"requires":{"auth":{"strategies":[{"kind":"apikey"},{"kind":"ias"}]}}}`, both, "", "ias", 0},
		{"a chain with a named member", Production, `{"requires":{"auth":{"strategies":["people"],"people":{"kind":"ias"}}}}`, both, "", "ias", 0},
		{"a chain that says what to bind", Production, `{"requires":{"auth":{"vcap":{"name":"main"},"strategies":[{"kind":"ias"}]}}}`, both, "", "broker", 0},
		{"an own strategy", Production, `{"requires":{"auth":{"impl":"corp"}}}`, identity, "", "", 0},
		{"switched off", Production, `{"requires":{"auth":false}}`, identity, "", "", 0},
		{"development", Development, `{}`, identity, "mocked", "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := mustLoad(t, Options{Dir: files(map[string]string{".cdsrc.json": tt.file}), Env: []string{"VCAP_SERVICES=" + tt.vcap}, Profiles: []string{tt.profile}, Defaults: def, Follow: follow})
			if c.Sub("requires.auth.ias") != nil || c.Sub("requires.auth.xsuaa") != nil {
				t.Errorf("presets of other kinds: %v", c.Sub("requires.auth").Keys())
			}
			if c.Str("requires.auth.kind") != tt.kind || c.Str("requires.auth.credentials.clientid") != tt.client || len(c.Warnings) != tt.warnings {
				t.Errorf("kind %q, client %q, warnings %q", c.Str("requires.auth.kind"), c.Str("requires.auth.credentials.clientid"), c.Warnings)
			}
		})
	}
}

func TestBindings_TrueIsTheKindOfThatName(t *testing.T) {
	c := mustLoad(t, Options{Dir: files(map[string]string{".cdsrc.json": `{"requires":{"xsuaa":true,"kinds":{"xsuaa":{"vcap":{"label":"xsuaa","plan":"broker"}}}}}`}), Env: []string{"VCAP_SERVICES=" + vcapTwo}})
	if got := c.Str("requires.xsuaa.credentials.clientid"); got != "broker" {
		t.Errorf("clientid %q", got)
	}
}

func TestLongKinds(t *testing.T) {
	for kind, want := range map[string]string{"xsuaa-auth": "xsuaa", "jwt-auth": "jwt", "corp-auth": "corp-auth", "-auth": "-auth", "xsuaa": "xsuaa"} {
		c := mustLoad(t, Options{Dir: files(map[string]string{".cdsrc.json": `{"requires":{"auth":"` + kind + `","x":"` + kind + `","kinds":{"xsuaa":{"vcap":{"label":"xsuaa","plan":"broker"}}}}}`}), Env: []string{"VCAP_SERVICES=" + vcapTwo}})
		if got := c.Str("requires.auth.kind"); got != want || c.Str("requires.x.kind") != kind {
			t.Errorf("%s: %s", kind, got)
		}
		if bound := c.Str("requires.auth.credentials.clientid") == "broker"; bound != (want == "xsuaa") {
			t.Errorf("%s: bound %v", kind, bound)
		}
	}
}

func TestPrivateFile_OthersCanRead(t *testing.T) {
	for _, tt := range []struct {
		text string
		mode fs.FileMode
		want int
	}{
		{`{"requires":{"[hybrid]":{"auth":{"credentials":{"clientsecret":"s"}}}}}`, 0o644, 1},
		{`{"requires":{"[hybrid]":{"auth":{"credentials":{"clientsecret":"s"}}}}}`, 0o600, 0},
		{`{"requires":{"[hybrid]":{"auth":{"binding":{"instance":"i"}}}}}`, 0o644, 0},
	} {
		c := mustLoad(t, Options{Dir: fstest.MapFS{".cdsrc-private.json": {Data: []byte(tt.text), Mode: tt.mode}}})
		if len(c.Warnings) != tt.want {
			t.Errorf("%s %o: %q", tt.text, tt.mode, c.Warnings)
		}
	}
}

func TestKinds_Chained(t *testing.T) {
	c := mustLoad(t, Options{Dir: files(map[string]string{".cdsrc.json": `{"requires":{
		"db":"shop-db","x":"a","kinds":{
			"shop-db":{"kind":"sql","credentials":{"schema":"shop"},"pool":{"max":1}},
			"sql":{"[production]":{"kind":"postgres"},"[development]":{"kind":"sqlite"},"pool":{"max":2,"min":3}},
			"postgres":{"credentials":{"schema":"public","host":"h"}},
			"a":{"kind":"b","one":1},"b":{"kind":"a","two":2}}}}`}), Profiles: []string{Production}})
	got := []string{c.Str("requires.db.kind"), c.Str("requires.db.credentials.schema"), c.Str("requires.db.credentials.host"), c.Str("requires.db.pool.max"), c.Str("requires.db.pool.min"),
		c.Str("requires.x.one"), c.Str("requires.x.two")}
	if d := cmp.Diff([]string{"postgres", "shop", "h", "1", "3", "1", "2"}, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// mounts is a file system by absolute path.
func mounts(m map[string]string) func(string) fs.FS {
	all := fstest.MapFS{}
	for k, v := range m {
		all[strings.TrimPrefix(k, "/")] = &fstest.MapFile{Data: []byte(v)}
	}
	return func(dir string) fs.FS {
		sub, err := fs.Sub(all, strings.Trim(dir, "/"))
		if err != nil {
			return fstest.MapFS{}
		}
		return sub
	}
}

func TestBindings_FilePath(t *testing.T) {
	mount := mounts(map[string]string{"/etc/cf/vcap": vcapTwo})
	file := files(map[string]string{".cdsrc.json": `{"requires":{"auth":{"vcap":{"name":"main"}}}}`})
	c := mustLoad(t, Options{Dir: file, Env: []string{"VCAP_SERVICES_FILE_PATH=/etc/cf/vcap"}, Mount: mount})
	if got := c.Str("requires.auth.credentials.clientid"); got != "broker" {
		t.Errorf("clientid %q", got)
	}
	for _, opt := range []Options{
		{Env: []string{"VCAP_SERVICES_FILE_PATH=/etc/cf/none"}, Mount: mount},
		{Env: []string{"VCAP_SERVICES_FILE_PATH=/etc/cf/vcap"}},
	} {
		var e *Error
		if _, err := Load(opt); !errors.As(err, &e) || e.Place != "VCAP_SERVICES_FILE_PATH" {
			t.Errorf("got %v", err)
		}
	}
}

func TestBindings_Kubernetes(t *testing.T) {
	mount := mounts(map[string]string{
		// plain entries
		"/bindings/uaa/type": "xsuaa\n", "/bindings/uaa/plan": "application", "/bindings/uaa/tags": "one, two", "/bindings/uaa/instance_name": "shop-uaa",
		"/bindings/uaa/clientid": "plain\n", "/bindings/uaa/clientsecret": "s", "/bindings/uaa/list": `["a"]`, "/bindings/uaa/..data/clientid": "old",
		"/bindings/uaa/broken": `{"a":`,
		// one object
		"/bindings/ias/type": "identity", "/bindings/ias/credentials": `{"clientid":"object","domains":["x.example"],"n":1}`,
		// described entries
		"/bindings/db/.metadata": `{"metaDataProperties":[{"name":"label","format":"text"},{"name":"tags","format":"json"},{"name":"type","sourceName":"kind","format":"text"},{"name":"plan","format":"text"}],
			"credentialProperties":[{"name":"user","format":"text"},{"name":"all","format":"json","container":true},{"name":"cert","format":"json"}]}`,
		"/bindings/db/label": "hana", "/bindings/db/kind": "db-type", "/bindings/db/tags": `["relational"]`, "/bindings/db/user": "u", "/bindings/db/all": `{"host":"h"}`, "/bindings/db/cert": `{"pem":"x"}`, "/bindings/db/other": "left out",
		"/bindings/file": "no folder", "/bindings/..2024/type": "hidden",
	})
	c := mustLoad(t, Options{Dir: files(map[string]string{".cdsrc.json": `{"requires":{
		"auth":{"vcap":{"label":"xsuaa","plan":"application","tags":["one","two"],"name":"shop-uaa"}},"ias":{},"x":{"vcap":{"label":"hana","tag":"db-type"}}}}`}),
		Env: []string{"SERVICE_BINDING_ROOT=/bindings"}, Mount: mount})
	got := map[string]any{"auth": c.Sub("requires.auth.credentials"), "ias": c.Sub("requires.ias.credentials"), "x": c.Sub("requires.x.credentials")}
	want := map[string]any{
		"auth": Section{"clientid": "plain", "clientsecret": "s", "list": []any{"a"}, "broken": `{"a":`},
		"ias":  Section{"clientid": "object", "domains": []any{"x.example"}, "n": got["ias"].(Section)["n"]},
		"x":    Section{"user": "u", "host": "h", "cert": map[string]any{"pem": "x"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if n := len(c.Bindings); n != 3 {
		t.Errorf("%d bindings", n)
	}
	if c := mustLoad(t, Options{Env: []string{"SERVICE_BINDING_ROOT=/none"}, Mount: mount}); len(c.Bindings) != 0 {
		t.Error("bindings from a folder that is not there")
	}
}

// A binding that can't be read stops the start, and its text, which holds secrets, is not in the error.
func TestBindings_Broken(t *testing.T) {
	mount := mounts(map[string]string{
		"/meta/a/.metadata": `{"metaDataProperties": hunter2`, "/json/a/.metadata": `{"credentialProperties":[{"name":"pw","format":"json"}]}`, "/json/a/pw": "hunter2",
		"/large/a/pw": "hunter2" + strings.Repeat("x", maxBindingFile),
	})
	for _, tt := range []struct{ env, place string }{
		{`VCAP_SERVICES={"xsuaa":[{"credentials":{"clientsecret":"hunter2"}}]`, "VCAP_SERVICES"},
		{`VCAP_SERVICES="hunter2"`, "VCAP_SERVICES"},
		{`VCAP_SERVICES=hunter2`, "VCAP_SERVICES"},
		{`VCAP_SERVICES=[]`, "VCAP_SERVICES"},
		{`VCAP_SERVICES={"xsuaa":"hunter2"}`, "VCAP_SERVICES.xsuaa"},
		{`VCAP_SERVICES={"xsuaa":[{"credentials":"hunter2"}]}`, "VCAP_SERVICES.xsuaa"},
		{`VCAP_SERVICES={} {"hunter2":1}`, "VCAP_SERVICES"},
		{"SERVICE_BINDING_ROOT=/meta", "SERVICE_BINDING_ROOT/a/.metadata"},
		{"SERVICE_BINDING_ROOT=/json", "SERVICE_BINDING_ROOT/a/.metadata"},
		{"SERVICE_BINDING_ROOT=/large", "SERVICE_BINDING_ROOT/a"},
	} {
		_, err := Load(Options{Env: []string{tt.env}, Mount: mount})
		var e *Error
		if !errors.As(err, &e) || e.Place != tt.place {
			t.Errorf("%s: %v, want an error at %s", tt.env[:20], err, tt.place)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error tells the secret: %v", tt.env[:20], err)
		}
	}
}

func TestBindings_Pointers(t *testing.T) {
	dir := files(map[string]string{".cdsrc-private.json": `{"requires":{"[hybrid]":{"auth":{"kind":"xsuaa","binding":{"type":"cf","instance":"shop-uaa","key":"k","resolved":false,"credentials":{"extra":"e"}},"vcap":{"name":"auth"}}}}}`})
	c := mustLoad(t, Options{Dir: dir, Profiles: []string{Hybrid}})
	if len(c.Unbound) != 1 || c.Unbound[0].Service != "auth" || c.Unbound[0].Kind != "xsuaa" || c.Unbound[0].Data.Str("instance") != "shop-uaa" || c.Unbound[0].Vcap.Str("name") != "auth" {
		t.Fatalf("unbound: %+v", c.Unbound)
	}
	vcap, err := VCAP([]Binding{{Name: "auth", InstanceName: "shop-uaa", Label: "xsuaa", Credentials: Section{"clientid": "c"}}})
	if err != nil {
		t.Fatal(err)
	}
	c = mustLoad(t, Options{Dir: dir, Profiles: []string{Hybrid}, Env: []string{"VCAP_SERVICES=" + string(vcap)}})
	if len(c.Unbound) != 0 || c.Str("requires.auth.credentials.clientid") != "c" || c.Str("requires.auth.credentials.extra") != "e" {
		t.Errorf("unbound: %+v, credentials %v", c.Unbound, c.Sub("requires.auth.credentials").Keys())
	}
	if c = mustLoad(t, Options{Dir: dir}); len(c.Unbound) != 0 {
		t.Error("the pointer counts without its profile")
	}
}

func FuzzParseVCAP(f *testing.F) {
	f.Add(vcapTwo)
	f.Add(`{"a":[{"name":null,"tags":null,"credentials":null}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ParseVCAP([]byte(text), "VCAP_SERVICES")
		if err != nil {
			return
		}
		out, err := VCAP(list)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseVCAP(out, "VCAP_SERVICES")
		if err != nil || len(again) != len(list) {
			t.Fatalf("written and read again: %d of %d bindings, %v", len(again), len(list), err)
		}
		names := func(l []Binding) (out []string) {
			for _, b := range l {
				out = append(out, b.Name)
			}
			slices.Sort(out)
			return out
		}
		if d := cmp.Diff(names(list), names(again)); d != "" {
			t.Error(d)
		}
	})
}

func FuzzSecretBinding(f *testing.F) {
	f.Add("name", `{"metaDataProperties":[{"name":"type","format":"text"}]}`, `["a"]`)
	f.Add("credentials", `{"a":{}}`, "x")
	f.Fuzz(func(t *testing.T, key, meta, value string) {
		_, _ = SecretBinding("b", map[string][]byte{".metadata": []byte(meta), key: []byte(value)}, "x")
		if _, err := SecretBinding("b", map[string][]byte{key: []byte(value), "tags": []byte(meta)}, "x"); err != nil && key != ".metadata" {
			t.Error(err)
		}
	})
}
