package serve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/runtime/serve"
)

// startRC builds with a configuration, whose error is wanted.
func startRC(t *testing.T, app *serve.App, rc string, profiles ...string) (*serve.Server, error) {
	t.Helper()
	s, err := app.Build(t.Context(), serve.Options{FS: fstest.MapFS{".cdsrc.json": {Data: []byte(rc)}}, Env: []string{}, Profiles: profiles,
		Log: slog.New(slog.DiscardHandler), InMemory: true})
	if err == nil {
		t.Cleanup(func() { s.Close() })
	}
	return s, err
}

// A configuration that nobody can come in with, or everybody, stops the start, and the message says which key to set where.
func TestStrategy_Misconfigured(t *testing.T) {
	for _, tt := range []struct {
		name, rc         string
		production       bool
		code, says, hint string
	}{
		{"near a kind", `{"requires":{"auth":"moked"}}`, false, "auth-kind-unknown", `requires.auth.kind: authentication kind "moked"`, "did you mean mocked? known kinds: apikey, basic, chain, dummy, "},
		{"no kind at all", `{"requires":{"auth":"saml"}}`, false, "auth-kind-unknown", `"saml"`, `app.Strategy("saml", New)`},
		{"unknown function", `{"requires":{"auth":{"impl":"corp-sso"}}}`, false, "auth-kind-unknown", `requires.auth.impl: authentication kind "corp-sso"`, `registered in main.go: app.Strategy("corp-sso", New)`},
		{"impl wins over kind", `{"requires":{"auth":{"kind":"mocked","impl":"corp-sso"}}}`, false, "auth-kind-unknown", "corp-sso", "app.Strategy"},
		{"script", `{"requires":{"auth":{"kind":"custom","impl":"./srv/auth.js"}}}`, false, "auth-impl-script", "./srv/auth.js", `app.Strategy("custom", New)`},
		{"script beside the usual kind", `{"requires":{"auth":{"impl":"srv/auth.js"}}}`, false, "auth-impl-script", "srv/auth.js", `app.Strategy("custom", New)`},
		{"script without a kind", `{"requires":{"[production]":{"auth":{"impl":"srv/auth.ts"}}}}`, true, "auth-impl-script", "srv/auth.ts", `app.Strategy("custom", New)`},
		{"nothing in production", `{}`, true, "auth-kind-missing", "requires.auth.kind", "[production]"},
		{"empty kind", `{"requires":{"auth":{"kind":""}}}`, true, "auth-kind-missing", "requires.auth.kind", "[production]"},
		{"optional in production", `{"requires":{"auth":{"kind":"basic","optional":true,"users":{"bob":"x"}}}}`, true, "auth-optional-in-production", "requires.auth.optional", "[development]"},
		{"mocked in production", `{"requires":{"auth":"mocked"}}`, true, "auth-unsafe-in-production", "requires.auth.kind", "allowInProduction"},
		{"mocked within a chain", `{"requires":{"auth":{"strategies":[{"kind":"mocked"}]}}}`, true, "auth-unsafe-in-production", "requires.auth.strategies[0].kind", "allowInProduction"},
		{"dummy within a chain, by name", `{"requires":{"auth":{"strategies":["all"],"all":{"kind":"dummy"}}}}`, true, "auth-unsafe-in-production", "requires.auth.all.kind", "allowInProduction"},
		{"no password", `{"requires":{"auth":{"kind":"basic","users":{"bob":{}}}}}`, true, "auth-password-missing", `"bob"`, "requires.auth.users"},
		{"no password, as a list", `{"requires":{"auth":{"kind":"basic","users":[{"name":"bob"}]}}}`, true, "auth-password-missing", "requires.auth.users.bob.password: is missing", "cds auth hash"},
		{"a list of others", `{"requires":{"auth":{"kind":"basic","users":[{"name":"bob"},{"name":"bob"}]}}}`, false, "auth-config", "requires.auth.users[1].name", "requires.auth"},
		{"no password within a chain", `{"requires":{"auth":{"strategies":[{"kind":"basic","users":{"bob":{}}}]}}}`, true, "auth-password-missing", `"bob"`, "requires.auth.strategies[0].users"},
		{"no members", `{"requires":{"auth":"chain"}}`, false, "auth-config", "requires.auth.strategies: is missing", `"strategies": [ { "kind": "apikey"`},
		{"unknown member", `{"requires":{"auth":{"strategies":[{"kind":"apikeys"}]}}}`, false, "auth-kind-unknown", "requires.auth.strategies[0].kind", "did you mean apikey?"},
		{"member without keys", `{"requires":{"auth":{"strategies":[{"kind":"apikey"}]}}}`, false, "auth-config", "requires.auth.strategies[0].apikey.keys: is missing", `{ "strategies": [ { "apikey": { "keys":`},
		{"misspelt user", `{"requires":{"auth":{"kind":"basic","users":{"bob":{"pasword":"x"}}}}}`, false, "auth-config", "requires.auth.users.bob.pasword: unknown property; did you mean password?", "requires.auth"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var profiles []string
			if tt.production {
				profiles = []string{"production"}
			}
			_, err := startRC(t, newApp(t), tt.rc, profiles...)
			var se *serve.StartError
			if !errors.As(err, &se) {
				t.Fatalf("error %v", err)
			}
			if se.Code != tt.code || !strings.Contains(se.Message, tt.says) || !strings.Contains(se.Hint, tt.hint) {
				t.Errorf("got  %s: %s\n      hint: %s\nwant %s: …%s…\n      hint: …%s…", se.Code, se.Message, se.Hint, tt.code, tt.says, tt.hint)
			}
		})
	}
}

// Whatever stands in the place of a section, nobody comes in by it.
func TestStrategy_NoSection(t *testing.T) {
	for _, value := range []string{"false", "true", "5", "[]", `["mocked"]`, `{"kind":5}`, `{"kind":["mocked"]}`, `{"kind":{}}`, `{"kind":null}`, `{"kind":""}`, `{"kind":" mocked"}`, `{"kind":"Mocked"}`, `""`, `{"strategies":{}}`,
		`{"strategies":null}`, `{"strategies":"mocked"}`, `{"impl":["x"],"kind":""}`} {
		for _, profile := range []string{"development", "production"} {
			s, err := startRC(t, newApp(t), `{"requires":{"auth":`+value+`}}`, profile)
			var se *serve.StartError
			switch {
			case err == nil && profile == "development" && s.Kind == "mocked": // the default
			case err == nil:
				t.Errorf("%s in %s: it starts with kind %q", value, profile, s.Kind)
			case !errors.As(err, &se) || se.Hint == "" || !strings.Contains(se.Message, "requires.auth"):
				t.Errorf("%s in %s: %v", value, profile, err)
			}
		}
	}
}

// What is allowed against advice is told at each start.
func TestStrategy_AllowedInProduction(t *testing.T) {
	var log bytes.Buffer
	s, err := newApp(t).Build(t.Context(), serve.Options{FS: rc(`{"requires":{"auth":{"kind":"mocked","allowInProduction":true}}}`), Env: []string{}, Profiles: []string{"production"},
		InMemory: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "anybody may come in") {
		t.Errorf("log: %s", log.String())
	}
	var banner bytes.Buffer
	s.Banner(&banner, "")
	if !strings.Contains(banner.String(), "anybody may come in") {
		t.Error("the banner does not tell")
	}
}

// restrict_all_services (decisions 17 and 40): on in every profile but development and test, unless switched off.
func TestStrategy_RestrictAllServices(t *testing.T) {
	users := `"auth":{"kind":"basic","users":{"bob":{"password":"x"}}`
	for _, tt := range []struct {
		setting  string
		profiles []string
		open     bool
	}{
		{"", nil, true},
		{"", []string{"development"}, true},
		{"", []string{"test"}, true},
		{"", []string{"hybrid"}, false},
		{"", []string{"staging"}, false},
		{"", []string{"test", "staging"}, false},
		{"", []string{"production"}, false},
		{`,"restrict_all_services":false`, []string{"production"}, true},
		{`,"restrict_all_services":false`, []string{"hybrid"}, true},
		{`,"restrict_all_services":true`, nil, false},
		{`,"restrict_all_services":true`, []string{"test"}, false},
	} {
		s, err := startRC(t, newApp(t), `{"requires":{`+users+tt.setting+`}},"[staging]":{}}`, tt.profiles...)
		if err != nil {
			t.Fatal(tt, err)
		}
		for path, user := range map[string]string{"/odata/v4/open/Books": "", "/odata/v4/open/$metadata": "", "/odata/v4/open": ""} {
			want := 401
			if tt.open {
				want = 200
			}
			if r := get(t, s.Handler(), path, user); r.StatusCode != want {
				t.Errorf("%v, setting %q: %s is %d, want %d", tt.profiles, tt.setting, path, r.StatusCode, want)
			}
		}
		r := httptest.NewRequest("GET", "/odata/v4/open/Books", nil)
		r.SetBasicAuth("bob", "x")
		w := httptest.NewRecorder()
		if s.Handler().ServeHTTP(w, r); w.Code != 200 {
			t.Errorf("%v, setting %q: %d to a known user", tt.profiles, tt.setting, w.Code)
		}
	}
}

// requires.auth.optional, outside production: wrong credentials count as none, which is told once.
func TestStrategy_Optional(t *testing.T) {
	var log bytes.Buffer
	s, err := newApp(t).Build(t.Context(), serve.Options{FS: rc(`{"requires":{"auth":{"kind":"basic","optional":true,"users":{"bob":"pw"}}}}`), Env: []string{},
		Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 3 {
		if r := get(t, s.Handler(), "/odata/v4/open/Books", "bob"); r.StatusCode != 200 {
			t.Errorf("open: %d", r.StatusCode)
		}
	}
	if r := get(t, s.Handler(), "/odata/v4/staff/Books", "bob"); r.StatusCode != 401 {
		t.Errorf("restricted: %d", r.StatusCode)
	}
	if n := strings.Count(log.String(), "taken for none"); n != 1 {
		t.Errorf("told %d times: %s", n, log.String())
	}
	p := &probe{err: errors.New("the issuer is down")}
	app := newApp(t)
	app.Strategy("probe", func(config.Section) (auth.Strategy, error) { return p, nil })
	s, err = startRC(t, app, `{"requires":{"auth":{"kind":"probe","optional":true}}}`)
	if err != nil {
		t.Fatal(err)
	}
	if r := get(t, s.Handler(), "/odata/v4/open/Books", ""); r.StatusCode != 401 {
		t.Errorf("a strategy that fails: %d, want 401", r.StatusCode)
	}
}

// A kind that is named wins over a list, as in a profile for development; the default kind does not.
func TestStrategy_KindOverList(t *testing.T) {
	const list = `"strategies":[{"kind":"basic","users":{"bob":"pw"}}]`
	for rc, want := range map[string]string{
		`{"requires":{"auth":{` + list + `}}}`:                                                  "chain",
		`{"requires":{"auth":{"kind":"chain",` + list + `}}}`:                                   "chain",
		`{"requires":{"auth":{"kind":"chain",` + list + `,"[development]":{"kind":"mocked"}}}}`: "mocked",
		`{"requires":{"auth":{"kind":"chain",` + list + `,"[test]":{"kind":"dummy"}}}}`:         "chain",
	} {
		s, err := startRC(t, newApp(t), rc)
		if err != nil {
			t.Fatal(rc, err)
		}
		if noted := strings.Contains(strings.Join(s.Notes, "\n"), "strategies is not used"); s.Kind != want || noted != (want != "chain") {
			t.Errorf("%s: kind %s, notes %v", rc, s.Kind, s.Notes)
		}
	}
}

// In a chain the credentials of a bound service are those of its members; the list, not the service, says who is asked.
func TestStrategy_ChainWithBoundService(t *testing.T) {
	const vcap = `VCAP_SERVICES={"xsuaa":[{"name":"uaa","label":"xsuaa","credentials":{"clientid":"c","clientsecret":"x","url":"https://127.0.0.1:1","uaadomain":"127.0.0.1:1","xsappname":"shop"}}]}`
	for rc, want := range map[string]string{
		`{"requires":{"auth":{"vcap":{"label":"xsuaa"},"strategies":[{"kind":"basic","users":{"bob":{"password":"pw"}}},{"kind":"xsuaa"}]}}}`: "chain",
		`{"requires":{"auth":{"kind":"chain","vcap":{"label":"xsuaa"},"strategies":[{"kind":"xsuaa"}]}}}`:                                     "chain",
		`{}`: "xsuaa",
	} {
		s, err := newApp(t).Build(t.Context(), serve.Options{FS: fstest.MapFS{".cdsrc.json": {Data: []byte(rc)}}, Env: []string{vcap}, Profiles: []string{"production"},
			Log: slog.New(slog.DiscardHandler), InMemory: true})
		if err != nil {
			t.Errorf("%s: %v", rc, err)
			continue
		}
		if s.Kind != want {
			t.Errorf("%s: kind %s", rc, s.Kind)
		}
		s.Close()
	}
}

// The list of CAP for Java is the same as the usual form, without the pre-defined users.
func TestStrategy_UserList(t *testing.T) {
	s, err := newApp(t).Build(t.Context(), serve.Options{FS: rc(`{"requires":{"auth":{"users":[{"name":"eve","roles":["admin"]},{"name":"zoe"}]}}}`), Env: []string{},
		Log: slog.New(slog.DiscardHandler), Overrides: config.Section{"requires": map[string]any{"auth": map[string]any{"users": map[string]any{"ann": map[string]any{"roles": "admin"}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, want := range map[string]int{"eve": 200, "ann": 200, "zoe": 403, "alice": 401, "anybody": 401} {
		if r := get(t, s.Handler(), "/odata/v4/staff/Books", name); r.StatusCode != want {
			t.Errorf("%s: %d, want %d", name, r.StatusCode, want)
		}
	}
	var banner bytes.Buffer
	if s.Banner(&banner, ""); !strings.Contains(banner.String(), "eve [admin]") {
		t.Error(banner.String())
	}
}

func TestStrategy_DefaultUsersOff(t *testing.T) {
	s, err := startRC(t, newApp(t), `{"requires":{"auth":{"defaultUsers":false,"users":{"alice":{"password":"pw"},"eve":{"roles":["admin"]}}}}}`)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"alice": 401, "bob": 401, "anybody": 401, "eve": 200} {
		if r := get(t, s.Handler(), "/odata/v4/staff/Books", name); r.StatusCode != want {
			t.Errorf("%s: %d, want %d", name, r.StatusCode, want)
		}
	}
	r := httptest.NewRequest("GET", "/odata/v4/staff/Books", nil)
	r.SetBasicAuth("alice", "pw")
	w := httptest.NewRecorder()
	if s.Handler().ServeHTTP(w, r); w.Code != 403 {
		t.Errorf("alice has roles of the default alice: %d", w.Code)
	}
}

// An API key for machines beside passwords for people, in one server.
func TestStrategy_Chain(t *testing.T) {
	s, err := startRC(t, newApp(t), `{"requires":{"auth":{"strategies":[
		{"kind":"apikey","when":{"path":"/odata/v4/staff"},"apikey":{"keys":{"job":{"hash":"sha256:3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0","roles":["admin"]}}}},
		{"kind":"basic","users":{"bob":{"password":"pw"}}}]}}}`)
	if err != nil {
		t.Fatal(err)
	}
	var banner bytes.Buffer
	if s.Banner(&banner, ""); s.Kind != "chain" || !strings.Contains(banner.String(), "chain: apikey, basic") {
		t.Error(s.Kind, banner.String())
	}
	for _, tt := range []struct {
		path, key, user string
		want            int
	}{
		{"staff", "token", "", 200}, {"staff", "wrong", "", 401}, {"staff", "wrong", "bob", 401}, {"staff", "", "bob", 403}, {"staff", "", "", 401},
		{"open", "token", "", 200}, {"open", "wrong", "", 200}, {"open", "", "bob", 200}, {"open", "", "eve", 401},
	} {
		r := httptest.NewRequest("GET", "/odata/v4/"+tt.path+"/Books", nil)
		if tt.key != "" {
			r.Header.Set("X-API-Key", tt.key)
		}
		if tt.user != "" {
			r.SetBasicAuth(tt.user, "pw")
		}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%v: %d", tt, w.Code)
		}
		if h := w.Header(); w.Code == 401 && h.Get("WWW-Authenticate") != `ApiKey realm="Keys", header="X-Api-Key", Basic realm="Users"` || !strings.Contains(h.Get("Vary"), "X-Api-Key") {
			t.Errorf("%v: %v", tt, h)
		}
	}
}

// A login is offered to whoever brings nothing, not to a machine whose key is wrong.
func TestStrategy_ChainPrompts(t *testing.T) {
	app := newApp(t)
	app.Strategy("probe", func(config.Section) (auth.Strategy, error) { return &probe{user: auth.Anonymous, prompt: true}, nil })
	s, err := startRC(t, app, `{"requires":{"auth":{"strategies":[{"kind":"basic","users":{"bob":{"password":"pw"}}},{"kind":"probe"}]}}}`)
	if err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]int{"": 303, "bob": 401} {
		if r := get(t, s.Handler(), "/odata/v4/staff/Books", user); r.StatusCode != want {
			t.Errorf("%q: %d, want %d", user, r.StatusCode, want)
		}
	}
}

// checkAuth in the manner of Cube, as a function of an application: what is thrown in a word, as a header's value.
func checkAuth(ctx context.Context, r *http.Request, u *auth.User) (*auth.User, error) {
	switch v := r.Header.Get("Authorization"); v {
	case "":
		return nil, errors.New("no token given")
	case "e401":
		return nil, fmt.Errorf("%w: custom 401", auth.ErrCredentials)
	case "e403":
		return nil, fmt.Errorf("%w: custom 403", auth.ErrForbidden)
	case "throw":
		return nil, errors.New("custom")
	case "panic":
		panic("custom")
	case "null":
		return nil, nil
	case "root":
		return auth.Privileged, nil
	case "dummy":
		return auth.NewDummy("x"), nil
	case "anonymous":
		return auth.Anonymous, nil
	case "admin":
		return auth.New(auth.User{ID: "admin"}, "admin"), nil
	}
	return auth.New(auth.User{ID: "u42", Attrs: map[string][]string{"user_id": {"42"}}}), nil
}

// A custom check decides with 401 and 403: Cube answers 500 to whatever it throws (F8). Nothing that it does gets more than a user may.
func TestStrategy_Identify(t *testing.T) {
	var log bytes.Buffer
	app := newApp(t)
	app.Strategy("none", func(config.Section) (auth.Strategy, error) { return &probe{user: auth.Anonymous}, nil })
	app.Identify(checkAuth)
	s, err := app.Build(t.Context(), serve.Options{FS: rc(`{"requires":{"auth":"none"}}`), Env: []string{}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, tt := range []struct {
		header     string
		open       int
		restricted int
		why        string
	}{
		{"", 401, 401, "called without a header too, and not knowing who asks lets nobody in"},
		{"e401", 401, 401, "typed"},
		{"e403", 403, 403, "typed"},
		{"throw", 401, 401, "an untyped error is no fault that a client should see as 500"},
		{"panic", 401, 401, "nor is a panic"},
		{"null", 401, 401, "no user"},
		{"root", 401, 401, "a request is never privileged"},
		{"dummy", 401, 401, "nor passes it every check"},
		{"anonymous", 200, 401, "nobody in particular"},
		{"admin", 200, 200, "with the role"},
		{"42", 200, 403, "without the role"},
	} {
		for path, want := range map[string]int{"open": tt.open, "staff": tt.restricted} {
			r := httptest.NewRequest("GET", "/odata/v4/"+path+"/Books", nil)
			if tt.header != "" {
				r.Header.Set("Authorization", tt.header)
			}
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			if w.Code != want || strings.Contains(w.Body.String(), "custom") {
				t.Errorf("%q at %s: %d %s, want %d: %s", tt.header, path, w.Code, w.Body, want, tt.why)
			}
			if w.Code == 401 && w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%q at %s: no challenge", tt.header, path)
			}
		}
	}
	for _, cause := range []string{"custom 401", "custom 403", "panic in authentication"} {
		if !strings.Contains(log.String(), cause) {
			t.Errorf("the log lacks %q", cause)
		}
	}
}

// Functions run in order, with what the strategy and those before have found out.
func TestStrategy_IdentifyInOrder(t *testing.T) {
	app := newApp(t)
	for _, role := range []string{"half", "admin"} {
		app.Identify(func(_ context.Context, _ *http.Request, u *auth.User) (*auth.User, error) {
			if role == "admin" && !u.Is("half") || !u.Identified() {
				return u, nil
			}
			return u.WithRoles(append(slices.Clone(u.Roles()), role)...), nil
		})
	}
	s, err := startRC(t, app, `{}`)
	if err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]int{"bob": 200, "": 401} {
		if r := get(t, s.Handler(), "/odata/v4/staff/Books", user); r.StatusCode != want {
			t.Errorf("%s: %d", user, r.StatusCode)
		}
	}
}

// The default user (cds.User.default) is for tests.
func TestStrategy_DefaultUser(t *testing.T) {
	for _, u := range []*auth.User{auth.Privileged, auth.New(auth.User{ID: "x"}, "admin")} {
		app := newApp(t)
		app.DefaultUser(u)
		s, err := startRC(t, app, `{}`, "test")
		if err != nil {
			t.Fatal(err)
		}
		if r := get(t, s.Handler(), "/odata/v4/staff/Books", ""); r.StatusCode != 200 {
			t.Errorf("%s: %d", u.ID, r.StatusCode)
		}
		if r := get(t, s.Handler(), "/odata/v4/staff/Books", "bob"); r.StatusCode != 403 {
			t.Errorf("with credentials: %d", r.StatusCode)
		}
		if len(s.Notes) == 0 || !strings.Contains(strings.Join(s.Notes, "\n"), "requests without credentials are those of "+u.ID) {
			t.Errorf("notes: %v", s.Notes)
		}
		_, err = startRC(t, app, `{"requires":{"auth":{"kind":"basic","users":{"bob":"x"}}}}`, "production")
		var se *serve.StartError
		if !errors.As(err, &se) || se.Code != "auth-default-user" {
			t.Errorf("production: %v", err)
		}
	}
}

// Who was let in is in the log at DEBUG=auth, with names only; who was not, always, but not without end.
func TestStrategy_Log(t *testing.T) {
	var log bytes.Buffer
	options := func(env ...string) serve.Options {
		log.Reset()
		return serve.Options{FS: rc(`{"requires":{"auth":{"kind":"basic","users":{"bob":{"password":"S3CRET","attr":{"country":"PRIVATE"},"roles":["Viewer"]}}}}}`),
			Env: append([]string{}, env...), Log: slog.New(slog.NewTextHandler(&log, nil))}
	}
	send := func(s *serve.Server, name, password string, times int) {
		for range times {
			r := httptest.NewRequest("GET", "/odata/v4/open/Books", nil)
			if name != "" {
				r.SetBasicAuth(name, password)
			}
			s.Handler().ServeHTTP(httptest.NewRecorder(), r)
		}
	}
	s := build(t, options("DEBUG=auth"))
	send(s, "bob", "S3CRET", 1)
	send(s, "", "", 1)
	send(s, "bob", "WR0NG", 1)
	for _, want := range []string{"level=DEBUG msg=authenticated module=auth user=bob kind=named", `roles="Viewer any authenticated-user" attributes=country method=GET path=/odata/v4/open/Books`,
		"user=anonymous kind=anonymous", "level=WARN msg=\"authentication refused\" module=auth", "wrong password"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.String())
		}
	}
	for _, secret := range []string{"S3CRET", "WR0NG", "PRIVATE", "Ym9iOl"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%s is in the log:\n%s", secret, log.String())
		}
	}
	s = build(t, options())
	log.Reset()
	send(s, "bob", "S3CRET", 1)
	send(s, "eve", "x", 3)
	if n := strings.Count(log.String(), "\n"); n != 3 || strings.Contains(log.String(), "msg=authenticated") {
		t.Errorf("without DEBUG:\n%s", log.String())
	}
	log.Reset()
	for i := range 200 {
		send(s, fmt.Sprint("eve", i), "x", 1)
	}
	if n := strings.Count(log.String(), "unknown user"); n < 10 || n > 20 {
		t.Errorf("%d lines of one cause", n)
	}
}
