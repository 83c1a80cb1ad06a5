package chain_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/apikey"
	"cds/strategies/basic"
	"cds/strategies/chain"
	"cds/strategies/mocked"
	"cds/strategies/strategytest"
)

// A stub is a strategy that knows one header, with what strategies may have besides.
type stub struct {
	header, challenge string
	setup             bool
	setupErr          error
	closed            bool
	asked             int
	routes            map[string]http.Handler
	prompt            bool
}

func (s *stub) Authenticate(_ context.Context, r *http.Request) (*auth.User, error) {
	s.asked++
	switch v := r.Header.Get(s.header); v {
	case "":
		return auth.Anonymous, nil
	case "wrong":
		return nil, fmt.Errorf("%w: wrong", auth.ErrCredentials)
	case "down":
		return nil, errors.New("the issuer is down")
	case "nothing":
		return nil, nil
	default:
		return auth.New(auth.User{ID: v}), nil
	}
}
func (s *stub) Challenge() string                              { return s.challenge }
func (s *stub) Setup(_ context.Context, _ *auth.Env) error     { s.setup = true; return s.setupErr }
func (s *stub) Routes() map[string]http.Handler                { return s.routes }
func (s *stub) Vary() []string                                 { return []string{s.header} }
func (s *stub) Close() error                                   { s.closed = true; return nil }
func (s *stub) Prompt(http.ResponseWriter, *http.Request) bool { return s.prompt }
func (s *stub) Explain(_ context.Context, c string) ([]string, *auth.User, error) {
	if c == s.header {
		return []string{"it is mine"}, auth.New(auth.User{ID: "x"}), nil
	}
	return []string{"not mine"}, nil, auth.ErrCredentials
}

// table makes kinds a and b of stubs.
func table(stubs map[string]*stub) map[string]chain.Builder {
	out := map[string]chain.Builder{"mocked": mocked.New, "basic": basic.New, "apikey": apikey.New}
	for name, s := range stubs {
		out[name] = func(config.Section) (auth.Strategy, error) { return s, nil }
	}
	return out
}

func load(t *testing.T, kinds map[string]chain.Builder, members ...any) *chain.Chain {
	t.Helper()
	s, err := chain.New(kinds, nil)(config.Section{"kind": "chain", "strategies": members})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*chain.Chain)
}

func request(path string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// unsigned is a token with claims and without a signature that counts.
func unsigned(claims string) string {
	b := base64.RawURLEncoding.EncodeToString
	return b([]byte(`{"alg":"HS256"}`)) + "." + b([]byte(claims)) + "." + b([]byte("nothing"))
}

func keySection(key string) map[string]any {
	sum := sha256.Sum256([]byte(key))
	return map[string]any{"keys": map[string]any{"job": map[string]any{"hash": "sha256:" + hex.EncodeToString(sum[:]), "roles": []any{"Importer"}}}}
}

// API keys for machines beside passwords for people.
func TestSuite(t *testing.T) {
	fresh := func(t *testing.T) auth.Strategy {
		return load(t, table(nil), map[string]any{"kind": "apikey", "apikey": keySection("k3y")},
			map[string]any{"kind": "basic", "users": map[string]any{"bob": "pw"}})
	}
	t.Run("person", func(t *testing.T) {
		strategytest.Run(t, strategytest.Subject{New: fresh, Env: strategytest.Env, UserID: "bob", Bad: []string{"Basic Ym9iOng=", "Basic Og=="}, Foreign: []string{"Bearer abc"},
			Good: func(*testing.T) *http.Request { return request("/", "Authorization", "Basic Ym9iOnB3") }})
	})
	t.Run("machine", func(t *testing.T) {
		strategytest.Run(t, strategytest.Subject{New: fresh, Env: strategytest.Env, UserID: "job",
			Good: func(*testing.T) *http.Request { return request("/", "X-API-Key", "k3y") }})
	})
	if c := fresh(t).Challenge(); c != `ApiKey realm="Keys", header="X-Api-Key", Basic realm="Users"` {
		t.Error(c)
	}
}

func TestDecide(t *testing.T) {
	a, b := &stub{header: "A"}, &stub{header: "B"}
	c := load(t, table(map[string]*stub{"a": a, "b": b}), map[string]any{"kind": "a"}, map[string]any{"kind": "b"})
	for _, tt := range []struct {
		name    string
		headers []string
		user    string
		by      auth.Strategy
		refused bool
	}{
		{"none", nil, "anonymous", nil, false},
		{"first", []string{"A", "x"}, "x", a, false},
		{"second", []string{"B", "y"}, "y", b, false},
		{"both: the first decides", []string{"A", "x", "B", "y"}, "x", a, false},
		{"a refusal is final", []string{"A", "wrong", "B", "y"}, "", a, true},
		{"a failure is final", []string{"A", "down", "B", "y"}, "", a, false},
		{"a broken contract is final", []string{"A", "nothing", "B", "y"}, "", a, false},
		{"the second refuses", []string{"B", "wrong"}, "", b, true},
	} {
		u, by, err := c.Decide(t.Context(), request("/", tt.headers...))
		if tt.user == "" {
			if err == nil || u != nil || errors.Is(err, auth.ErrCredentials) != tt.refused {
				t.Errorf("%s: %v, %v", tt.name, u, err)
			}
		} else if err != nil || u.ID != tt.user {
			t.Errorf("%s: %v, %v", tt.name, u, err)
		}
		if by != tt.by {
			t.Errorf("%s: decided by %v", tt.name, by)
		}
	}
}

func TestWhen(t *testing.T) {
	for _, tt := range []struct {
		when any
		r    *http.Request
		want bool
	}{
		{nil, request("/x"), true},
		{map[string]any{}, request("/x"), true},
		{map[string]any{"path": "/m"}, request("/m"), true},
		{map[string]any{"path": "/m"}, request("/m/Books?x=1"), true},
		{map[string]any{"path": "/m/"}, request("/m/Books"), true},
		{map[string]any{"path": "/m"}, request("/machines"), false},
		{map[string]any{"path": "/m"}, request("/M/x"), false},
		{map[string]any{"path": "/m"}, request("/%6d/x"), false},
		{map[string]any{"path": "/m"}, request("//m/x"), false},
		{map[string]any{"path": "/m"}, request("/x/../m/y"), false},
		{map[string]any{"path": []any{"/a", "/m"}}, request("/m/x"), true},
		{map[string]any{"path": "/"}, request("/anything"), true},
		{map[string]any{"scheme": "bearer"}, request("/", "Authorization", "Bearer x"), true},
		{map[string]any{"scheme": "Bearer"}, request("/", "Authorization", "Basic x"), false},
		{map[string]any{"scheme": "Bearer"}, request("/", "Authorization", "Bearerx"), false},
		{map[string]any{"scheme": "Bearer"}, request("/"), false},
		{map[string]any{"scheme": []any{"Basic", "Bearer"}}, request("/", "Authorization", "BEARER x"), true},
		{map[string]any{"header": "x-machine"}, request("/", "X-Machine", "1"), true},
		{map[string]any{"header": "x-machine"}, request("/"), false},
		{map[string]any{"cookie": "sid"}, request("/", "Cookie", "a=b; sid=1"), true},
		{map[string]any{"cookie": "sid"}, request("/", "Cookie", "xsid=1"), false},
		{map[string]any{"issuer": "https://a.example"}, request("/", "Authorization", "bearer "+unsigned(`{"iss":"https://a.example"}`)), true},
		{map[string]any{"issuer": []any{"x", "https://a.example"}}, request("/", "Authorization", "Bearer "+unsigned(`{"iss":"https://a.example"}`)), true},
		{map[string]any{"issuer": "https://a.example"}, request("/", "Authorization", "Bearer "+unsigned(`{"iss":"https://a.example/"}`)), false},
		{map[string]any{"issuer": "https://a.example"}, request("/", "Authorization", "Bearer "+unsigned(`{"iss":["https://a.example"]}`)), false},
		{map[string]any{"issuer": "https://a.example"}, request("/", "Authorization", "Bearer "+unsigned(`{"ISS":"https://a.example"}`)), false},
		{map[string]any{"issuer": "https://a.example"}, request("/", "Authorization", "Bearer x"), false},
		{map[string]any{"issuer": "https://a.example"}, request("/", "Authorization", "Basic "+unsigned(`{"iss":"https://a.example"}`)), false},
		{map[string]any{"issuer": "https://a.example"}, request("/"), false},
		{map[string]any{"path": "/m", "header": "x-machine"}, request("/m", "X-Machine", "1"), true},
		{map[string]any{"path": "/m", "header": "x-machine"}, request("/n", "X-Machine", "1"), false},
	} {
		a := &stub{header: "A"}
		c := load(t, table(map[string]*stub{"a": a}), map[string]any{"kind": "a", "when": tt.when})
		if _, err := c.Authenticate(t.Context(), tt.r); err != nil && !strings.Contains(err.Error(), "no member of the chain") {
			t.Fatal(err)
		}
		if got := a.asked == 1; got != tt.want {
			t.Errorf("%v with %s %v: asked %v", tt.when, tt.r.URL, tt.r.Header, got)
		}
	}
}

// A token that no member is for is wrong, even where each is for an issuer of its own; a request without a token is not.
func TestForeignIssuer(t *testing.T) {
	a, b := &stub{header: "A"}, &stub{header: "B"}
	of := func(iss string) map[string]any { return map[string]any{"issuer": iss} }
	c := load(t, table(map[string]*stub{"a": a, "b": b}), map[string]any{"kind": "a", "when": of("https://a.example")}, map[string]any{"kind": "b", "when": of("https://b.example")})
	for header, refused := range map[string]bool{
		"": false, "Basic Ym9iOg==": false, "Bearer": true, "Bearer x": true, "Bearer " + unsigned(`{"iss":"https://c.example"}`): true, "Bearer " + unsigned(`{}`): true,
		"Bearer " + unsigned(`{"iss":"https://b.example"}`): false,
	} {
		r := request("/")
		if header != "" {
			r.Header.Set("Authorization", header)
		}
		u, by, err := c.Decide(t.Context(), r)
		if refused && (!errors.Is(err, auth.ErrCredentials) || u != nil || by != nil) || !refused && (err != nil || u != auth.Anonymous) {
			t.Errorf("%q: %v, %v", header, u, err)
		}
	}
	last := load(t, table(map[string]*stub{"a": a, "b": b}), map[string]any{"kind": "a", "when": of("https://a.example")}, map[string]any{"kind": "b"})
	if u, err := last.Authenticate(t.Context(), request("/", "Authorization", "Bearer x", "B", "y")); err != nil || u.ID != "y" {
		t.Errorf("a member without a condition: %v, %v", u, err)
	}
}

// A key that works on one path is none on another: its sender is anonymous there.
func TestKeyElsewhere(t *testing.T) {
	c := load(t, table(nil), map[string]any{"kind": "apikey", "when": map[string]any{"path": "/m"}, "apikey": keySection("k3y")})
	for path, want := range map[string]string{"/m/x": "job", "/x": "anonymous"} {
		u, err := c.Authenticate(t.Context(), request(path, "X-API-Key", "k3y"))
		if err != nil || u.ID != want {
			t.Errorf("%s: %v, %v", path, u, err)
		}
	}
	if _, err := c.Authenticate(t.Context(), request("/m/x", "X-API-Key", "wrong")); !errors.Is(err, auth.ErrCredentials) {
		t.Error(err)
	}
}

// Sections may be named in the list and stand beside it, where profiles and variables of the environment reach them.
func TestNamed(t *testing.T) {
	cfg := config.Section{"strategies": []any{"machines", "people"},
		"machines": map[string]any{"kind": "apikey", "apikey": keySection("k3y")},
		"people":   map[string]any{"impl": "b", "kind": "custom"}}
	b := &stub{header: "B"}
	s, err := chain.New(table(map[string]*stub{"b": b}), nil)(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if u, err := s.Authenticate(t.Context(), request("/", "B", "y")); err != nil || u.ID != "y" {
		t.Error(u, err)
	}
}

// Defaults of kinds hold for members, as do the credentials of a bound service.
func TestPresets(t *testing.T) {
	var got config.Section
	kinds := map[string]chain.Builder{"a": func(cfg config.Section) (auth.Strategy, error) { got = cfg; return &stub{header: "A"}, nil }}
	_, err := chain.New(kinds, config.Section{"a": map[string]any{"x": "preset", "y": "preset"}})(config.Section{
		"credentials": map[string]any{"clientid": "c"}, "strategies": []any{map[string]any{"kind": "a", "y": "own", "when": map[string]any{"path": "/m"}}}})
	if err != nil || got.Str("x") != "preset" || got.Str("y") != "own" || got.Str("credentials.clientid") != "c" || got["when"] != nil {
		t.Errorf("%v, %v", got, err)
	}
}

func TestConfiguration(t *testing.T) {
	closed := &stub{header: "A"}
	kinds := table(map[string]*stub{"a": closed})
	kinds["plain"] = func(config.Section) (auth.Strategy, error) { return nil, errors.New("is broken") }
	member := func(m map[string]any) config.Section { return config.Section{"strategies": []any{m}} }
	for _, tt := range []struct {
		cfg  config.Section
		want string
	}{
		{nil, "requires.auth.strategies: is missing"},
		{config.Section{"strategies": []any{}}, "requires.auth.strategies: is missing"},
		{config.Section{"strategies": "apikey"}, "requires.auth.strategies: is missing"},
		{config.Section{"strategies": slices.Repeat([]any{map[string]any{"kind": "a"}}, 17)}, "requires.auth.strategies: has more than"},
		{config.Section{"strategies": []any{5}}, "requires.auth.strategies[0]: an object"},
		{config.Section{"strategies": []any{"people"}}, "requires.auth.people: is missing: strategies names it"},
		{config.Section{"strategies": []any{"p", "p"}, "p": map[string]any{"kind": "a"}}, "requires.auth.strategies: requires.auth.p is there twice"},
		{member(map[string]any{}), "requires.auth.strategies[0].kind: is missing"},
		{member(map[string]any{"kind": "b"}), `requires.auth.strategies[0].kind: kind "b" is not known`},
		{member(map[string]any{"kind": "chain"}), "requires.auth.strategies[0].kind: a chain in a chain"},
		{member(map[string]any{"kind": "a", "strict": false}), "requires.auth.strategies[0].strict: is a setting of the whole"},
		{member(map[string]any{"kind": "a", "allowInProduction": true}), "requires.auth.strategies[0].allowInProduction: is a setting of the whole"},
		{member(map[string]any{"kind": "a", "[production]": map[string]any{}}), "requires.auth.strategies[0].[production]: profiles don't work in lists"},
		{member(map[string]any{"kind": "a", "when": "always"}), "requires.auth.strategies[0].when: an object"},
		{member(map[string]any{"kind": "a", "when": map[string]any{"path": "odata"}}), `requires.auth.strategies[0].when.path: "odata" is no path`},
		{member(map[string]any{"kind": "a", "when": map[string]any{"path": "/*"}}), `requires.auth.strategies[0].when.path: "/*" is no path`},
		{member(map[string]any{"kind": "a", "when": map[string]any{"path": []any{}}}), "requires.auth.strategies[0].when.path: is empty"},
		{member(map[string]any{"kind": "a", "when": map[string]any{"paths": "/x"}}), "requires.auth.strategies[0].when.paths: unknown condition"},
		{member(map[string]any{"kind": "apikey"}), "requires.auth.strategies[0].apikey.keys: is missing"},
		{member(map[string]any{"kind": "basic", "users": map[string]any{"bob": map[string]any{"password": ""}}}), "requires.auth.strategies[0].users.bob.password: is empty"},
		{config.Section{"strategies": []any{map[string]any{"kind": "a"}, map[string]any{"kind": "plain"}}}, "requires.auth.strategies[1]: is broken"},
	} {
		_, err := chain.New(kinds, nil)(tt.cfg)
		var ce *auth.ConfigError
		if !errors.As(err, &ce) || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%v:\n got %v\nwant %s", tt.cfg, err, tt.want)
		}
	}
	if !closed.closed {
		t.Error("the member that was made before the broken one is not closed")
	}
}

func TestServerSide(t *testing.T) {
	page := http.NotFoundHandler()
	a := &stub{header: "A", routes: map[string]http.Handler{"GET /auth/a": page}}
	b := &stub{header: "B", routes: map[string]http.Handler{"GET /auth/b": page}, prompt: true}
	c := load(t, table(map[string]*stub{"a": a, "b": b}), map[string]any{"kind": "a", "when": map[string]any{"header": "x-m", "cookie": "sid"}},
		map[string]any{"kind": "b", "when": map[string]any{"path": "/ui"}})
	env := &auth.Env{Now: time.Now, Log: slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil))}
	if err := c.Setup(t.Context(), env); err != nil || !a.setup || !b.setup {
		t.Fatal(err, a.setup, b.setup)
	}
	if r := c.Routes(); len(r) != 2 || r["GET /auth/a"] == nil || r["GET /auth/b"] == nil {
		t.Error(r)
	}
	if v := strings.Join(c.Vary(), " "); v != "A B Cookie X-M" {
		t.Error(v)
	}
	if w := httptest.NewRecorder(); c.Prompt(w, request("/api")) || !c.Prompt(w, request("/ui/x")) {
		t.Error("Prompt does not keep to the path of its member")
	}
	if len(c.Members()) != 2 {
		t.Error(c.Members())
	}
	lines, u, err := c.Explain(t.Context(), "B")
	if err != nil || u.ID != "x" || strings.Join(lines, "|") != "requires.auth.strategies[0]:|  not mine|requires.auth.strategies[1]:|  it is mine" {
		t.Error(lines, u, err)
	}
	if _, _, err := c.Explain(t.Context(), "C"); !errors.Is(err, auth.ErrCredentials) {
		t.Error(err)
	}
	if err := c.Close(); err != nil || !a.closed || !b.closed {
		t.Error(err)
	}
	b.routes = a.routes
	if err := c.Setup(t.Context(), env); err == nil || !strings.HasPrefix(err.Error(), "requires.auth.strategies[1]: has a page at GET /auth/a") {
		t.Errorf("two pages at one path: %v", err)
	}
	b.setupErr = auth.Missing("requires.auth.jwt.audience", "", "")
	if err := c.Setup(t.Context(), env); err == nil || !strings.HasPrefix(err.Error(), "requires.auth.strategies[1].jwt.audience: ") {
		t.Errorf("%v", err)
	}
}

// FuzzConfiguration reads anything as a section: it is understood or refused, and the chain that comes of it stumbles over no request.
func FuzzConfiguration(f *testing.F) {
	f.Add(`{"strategies":[{"kind":"apikey","when":{"path":"/m"},"apikey":{"keys":{"a":{"hash":"sha256:00"}}}}]}`)
	f.Add(`{"strategies":["p"],"p":{"kind":"basic","users":{"bob":{"password":"x","roles":{"a":1}},"*":true}}}`)
	f.Add(`{"strategies":[{"kind":"mocked","users":[{"name":"x","attr":{"a":[1]}}],"tenants":[{"name":"t"}],"when":{"issuer":["i"]}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var cfg config.Section
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		if dec.Decode(&cfg) != nil {
			t.Skip()
		}
		s, err := chain.New(table(nil), nil)(cfg)
		if err != nil {
			var ce *auth.ConfigError
			if !errors.As(err, &ce) || !strings.HasPrefix(ce.Key, "requires.auth") {
				t.Fatalf("%v: no place", err)
			}
			return
		}
		for _, r := range []*http.Request{request("/m"), request("/m", "Authorization", "Basic Ym9iOng="), request("/m", "X-API-Key", "a.b")} {
			u, err := s.Authenticate(t.Context(), r)
			if err == nil && (u == nil || u.Kind == auth.KindPrivileged) || err != nil && u != nil {
				t.Fatalf("%v, %v", u, err)
			}
		}
	})
}
