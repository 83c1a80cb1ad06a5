package serve_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/runtime/serve"
)

// buildAuth builds an application with a strategy that only takes note of its configuration.
func buildAuth(t *testing.T, file string, env []string, profiles ...string) (config.Section, *serve.Server, error) {
	t.Helper()
	var got config.Section
	app := serve.New(func() (*csn.Model, error) { return &csn.Model{}, nil })
	note := func(sec config.Section) (auth.Strategy, error) {
		got = sec
		return nil, errors.New("enough")
	}
	app.Strategies(map[string]serve.NewStrategy{"xsuaa": note, "ias": note, "jwt": note, "mocked": note})
	s, err := app.Build(t.Context(), serve.Options{FS: fstest.MapFS{".cdsrc.json": {Data: []byte(file)}}, Env: env, Profiles: profiles})
	return got, s, err
}

func TestBindings_KindFollows(t *testing.T) {
	xsuaa := `VCAP_SERVICES={"xsuaa":[{"name":"uaa","label":"xsuaa","credentials":{"clientid":"x"}}]}`
	ias := `VCAP_SERVICES={"identity":[{"name":"i","label":"identity","credentials":{"clientid":"i"}}]}`
	both := `VCAP_SERVICES={"identity":[{"name":"i","label":"identity","credentials":{"clientid":"i"}}],"xsuaa":[{"name":"uaa","label":"xsuaa","credentials":{"clientid":"x"}}]}`
	for _, tt := range []struct {
		file, env, profile, kind, client, other string
	}{
		{`{}`, xsuaa, "production", "xsuaa", "x", ""},
		{`{}`, ias, "production", "ias", "i", ""},
		{`{"requires":{"auth":"jwt"}}`, xsuaa, "production", "jwt", "x", ""},
		{`{"requires":{"auth":"ias","xsuaa":true}}`, both, "production", "ias", "i", "x"},
		{`{"requires":{"auth":"ias"}}`, both, "production", "ias", "i", ""},
		{`{}`, xsuaa, "development", "mocked", "", ""},
	} {
		sec, _, err := buildAuth(t, tt.file, []string{tt.env}, tt.profile)
		if sec.Str("kind") != tt.kind || sec.Str("credentials.clientid") != tt.client || sec.Str("xsuaa.credentials.clientid") != tt.other {
			t.Errorf("%s %s: kind %q, client %q, other %q (%v)", tt.file, tt.profile, sec.Str("kind"), sec.Str("credentials.clientid"), sec.Str("xsuaa.credentials.clientid"), err)
		}
	}
	var start *serve.StartError
	if _, _, err := buildAuth(t, `{}`, []string{}, "production"); !errors.As(err, &start) || start.Code != "auth-kind-missing" {
		t.Errorf("nothing bound: %v", err)
	}
}

// Kubernetes mounts secrets as links into a hidden folder that is exchanged as a whole.
func TestBindings_MountedSecret(t *testing.T) {
	root := t.TempDir()
	data := filepath.Join(root, "uaa", "..2026_11_21", "nested")
	if err := os.MkdirAll(data, 0o755); err != nil {
		t.Fatal(err)
	}
	link := func(to, from string) {
		if err := os.Symlink(to, filepath.Join(root, "uaa", from)); err != nil {
			t.Skip("there are no symbolic links here")
		}
	}
	link("..2026_11_21", "..data")
	for name, text := range map[string]string{"type": "xsuaa", "clientid": "mounted", "clientsecret": "s"} {
		if err := os.WriteFile(filepath.Join(root, "uaa", "..2026_11_21", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		link("..data/"+name, name)
	}
	sec, _, _ := buildAuth(t, `{}`, []string{"SERVICE_BINDING_ROOT=" + root}, "production")
	if sec.Str("kind") != "xsuaa" || sec.Str("credentials.clientid") != "mounted" || len(sec.Sub("credentials")) != 2 {
		t.Errorf("kind %q, credentials %v", sec.Str("kind"), sec.Sub("credentials").Keys())
	}
	file := filepath.Join(root, "vcap.json")
	if err := os.WriteFile(file, []byte(`{"identity":[{"name":"i","credentials":{"clientid":"from file"}}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	sec, _, _ = buildAuth(t, `{}`, []string{"VCAP_SERVICES_FILE_PATH=" + file}, "production")
	if sec.Str("kind") != "ias" || sec.Str("credentials.clientid") != "from file" {
		t.Errorf("kind %q, credentials %v", sec.Str("kind"), sec.Sub("credentials").Keys())
	}
}

// A binding that is only named must not start a server that then has no credentials, or those of something else.
func TestBindings_Unresolved(t *testing.T) {
	const file = `{"requires":{"auth":{"[hybrid]":{"kind":"xsuaa","binding":{"type":"cf","instance":"shop-uaa","key":"k"},"vcap":{"name":"auth"}}}}}`
	_, _, err := buildAuth(t, file, []string{}, "hybrid")
	var start *serve.StartError
	if !errors.As(err, &start) || start.Code != "binding-unresolved" || !strings.Contains(start.Hint, "cds bind --exec") {
		t.Errorf("got %v", err)
	}
	sec, _, _ := buildAuth(t, file, []string{`VCAP_SERVICES={"xsuaa":[{"name":"auth","credentials":{"clientid":"x"}}]}`}, "hybrid")
	if sec.Str("credentials.clientid") != "x" {
		t.Errorf("resolved: %v", sec.Keys())
	}
}
