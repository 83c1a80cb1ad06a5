package local_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	cdl "cds/parser"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/authstore"
	"cds/runtime/cdstest"
	"cds/runtime/config"
	"cds/runtime/db"
	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgtest"
	"cds/runtime/db/sqlite"
	"cds/runtime/serve"
	"cds/strategies"
)

const restSecret = "restgo-test-secret"

var data = fstest.MapFS{
	"db/data/my-notes.csv": {Data: []byte("id;user_id;body\n1;1;n1\n5;2;mine\n6;2;forged\n7;3;n3\n")},
}

// databases opens an empty database of each kind.
var databases = map[string]func(t testing.TB) db.Pool{
	"sqlite":   func(t testing.TB) db.Pool { return opened(t, sqlite.New(), db.Config{URL: ":memory:"}) },
	"postgres": func(t testing.TB) db.Pool { return opened(t, postgres.New(), pgtest.Open(t)) },
}

func opened(t testing.TB, d db.Driver, cfg db.Config) db.Pool {
	t.Helper()
	p, err := d.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func compile(t testing.TB, text string) func() (*csn.Model, error) {
	t.Helper()
	return func() (*csn.Model, error) {
		res := cdl.CompileString("model.cds", text)
		if res.Model == nil {
			return nil, res.Diags
		}
		return res.Model, nil
	}
}

type obj = map[string]any

// legacy is the configuration for an application that comes from rest-go, with its tokens and its rules for passwords.
func legacy() config.Section {
	return config.Section{"requires": obj{"auth": obj{"kind": "local",
		"jwt":   obj{"secret": restSecret, "issuer": false, "audience": false, "requireExp": false},
		"token": obj{"from": []any{"raw"}},
		"local": obj{"register": true, "setupToken": strings.Repeat("bootstrap", 5), "expires": "24h", "passwords": obj{"length": 1, "memory": 8192, "time": 1}},
	}}}
}

func onBoth(t *testing.T, text string, cfg config.Section, run func(t *testing.T, a *cdstest.App)) {
	for name, open := range databases {
		t.Run(name, func(t *testing.T) {
			run(t, cdstest.New(t, cdstest.Config{Model: compile(t, text), FS: data, Overrides: cfg, Database: open, Profiles: []string{"development"}}))
		})
	}
}

const twoEntities = `
namespace my;
entity notes { key id : Integer; user_id : String; body : String; }
service Main @(path: 'main', protocol: ['rest', 'odata'], requires: 'authenticated-user') {
  @restrict: [{ grant: '*', where: 'user_id = $user.id' }]
  entity Notes as projection on my.notes;
}
`

func body(t *testing.T, r *cdstest.Response) obj {
	t.Helper()
	var m obj
	if err := json.Unmarshal([]byte(r.Body()), &m); err != nil {
		t.Fatalf("%d %s: %v", r.Code(), r.Body(), err)
	}
	return m
}

// The whole way: setup, register, login, a request as this user, logout.
func TestServer(t *testing.T) {
	onBoth(t, twoEntities, legacy(), func(t *testing.T, a *cdstest.App) {
		c := a.HTTP().With("Content-Type", "application/json")
		boot := body(t, c.With("Authorization", "Bearer "+strings.Repeat("bootstrap", 5)).POST("/auth/setup", obj{}).Status(200))
		c.POST("/auth/register", obj{"username": "hello", "password": "world"}).Status(200)
		c.POST("/auth/register", obj{"username": "hello", "password": "world"}).Status(409)
		admin := body(t, c.POST("/auth/login", obj{"username": boot["Username"], "password": boot["Password"]}).Status(200))
		hello := body(t, c.POST("/auth/login", obj{"username": "hello", "password": "world"}).Status(200))
		as := func(tok obj) *cdstest.Client { return a.HTTP().With("Authorization", "Bearer "+tok["token"].(string)) }

		a.HTTP().GET("/odata/v4/main/Notes").Status(401)
		as(hello).GET("/auth/login").Status(405)
		if got := as(hello).GET("/odata/v4/main/Notes").Status(200).Body(); !strings.Contains(got, "forged") || strings.Contains(got, "n1") {
			t.Errorf("rows of user 2: %s", got)
		}

		for _, name := range []string{"auth_users", "auth_sessions", "my_auth_users", "AUTH_USERS", "auth.users"} {
			for _, path := range []string{"/", "/rest/main/", "/odata/v4/main/"} {
				for _, q := range []string{"", "?$select=password", "?select=id,username,password", "(1)", "/$count"} {
					as(admin).GET(path + name + q).Lacks("argon2").Lacks("rest_admin")
					if code := as(admin).GET(path + name + q).Code(); code < 400 {
						t.Errorf("%s%s%s: %d", path, name, q, code)
					}
				}
			}
		}
		c.With("Authorization", "Bearer "+hello["token"].(string)).POST("/auth/logout", obj{}).Status(200)
		as(hello).GET("/odata/v4/main/Notes").Status(401)
	})
}

// An entity that would lie over the table of users stops the start, whatever its name looks like.
func TestTaken(t *testing.T) {
	for _, text := range []string{
		"@cds.persistence.exists entity auth_users { key id : Integer; username : String; password : String; } service S { entity Users as projection on auth_users; }",
		"namespace Auth; entity Users { key id : Integer; password : String; } service S { entity U as projection on Users; }",
		"service auth { @cds.persistence.exists entity Sessions { key id : String; data : LargeBinary; } }",
	} {
		app := serve.New(compile(t, text))
		app.Databases(sqlite.New())
		app.Strategies(strategies.Builtin())
		_, err := app.Build(t.Context(), serve.Options{FS: fstest.MapFS{}, Env: []string{}, Overrides: legacy()})
		if err == nil || !strings.Contains(err.Error(), "give the entity another name") {
			t.Errorf("%.60s: %v", text, err)
		}
	}
}

// A recorded is a recorded request with its answer.
type recorded struct {
	N        int               `json:"n"`
	Server   string            `json:"server"`
	Method   string            `json:"method"`
	Path     string            `json:"path"`
	Headers  map[string]string `json:"headers"`
	Body     any               `json:"body"`
	Status   any               `json:"status"`
	Response any               `json:"response"`
}

func readRecorded(t *testing.T) []recorded {
	t.Helper()
	f, err := os.Open("../../../shared/conformance/seeds/restgo-cases.jsonl")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the recorded cases are not here")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []recorded
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var c recorded
		if err := json.Unmarshal(sc.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}

// safer lists where we decide otherwise than recorded, on purpose.
var safer = map[string]struct {
	status int
	why    string
}{
	"GET /auth/setup":          {405, ""},
	"POST /auth/setup":         {401, "without the bootstrap token nobody makes the first user"},
	"POST /auth/nope":          {404, "an unknown path is not found, as any other"},
	"POST /auth/":              {404, "an unknown path is not found, as any other"},
	"register empty password":  {400, "an empty password is no password"},
	"register long password":   {200, "argon2id takes passwords of 80 bytes; nothing is cut off"},
	"login unknown user":       {401, "not to tell who has an account"},
	"setup again":              {409, "no fault of the server"},
	"odd claims":               {401, "the connection is not cut"},
	"register duplicate":       {409, "on both databases"},
	"content type":             {415, "JSON has the content type of JSON"},
	"bad JSON of registration": {400, ""},
}

// expected is the answer that we owe to a recorded request.
func expected(c recorded) (status int, why string) {
	status = int(number(c.Status))
	in, _ := c.Body.(obj)
	pw, _ := in["password"].(string)
	pick := func(key string) (int, string) { return safer[key].status, safer[key].why }
	switch key := c.Method + " " + c.Path; {
	case status == 0:
		return pick("odd claims")
	case key == "POST /auth/setup" || key == "POST /auth/nope" || key == "POST /auth/" || key == "GET /auth/setup":
		return pick(key)
	case strings.HasSuffix(key, "/auth/register") && in != nil && pw == "":
		return pick("register empty password")
	case strings.HasSuffix(key, "/auth/register") && len(pw) > 72:
		return pick("register long password")
	case strings.HasSuffix(key, "/auth/register") && status == 500:
		return pick("register duplicate")
	case strings.HasSuffix(key, "/auth/login") && status == 404:
		return pick("login unknown user")
	}
	return status, ""
}

func number(v any) float64 { f, _ := v.(float64); return f }

// The recorded decisions of rest-go's endpoints and of its tokens, or safer ones.
func TestRecorded(t *testing.T) {
	cases := readRecorded(t)
	for server, dbName := range map[string]string{"sqlite+auth": "sqlite", "postgres15+auth": "postgres"} {
		t.Run(server, func(t *testing.T) {
			a := cdstest.New(t, cdstest.Config{Model: compile(t, twoEntities), FS: data, Overrides: legacy(), Database: databases[dbName]})
			store, err := authstore.Open(t.Context(), a.CDS.DB, a.CDS.Options.Now)
			if err != nil {
				t.Fatal(err)
			}
			boot := a.HTTP().With("Authorization", strings.Repeat("bootstrap", 5)).POST("/auth/setup", nil).Status(200)
			admin := body(t, boot)
			ran := 0
			for _, c := range cases {
				if c.Server != server || !strings.HasPrefix(c.Path, "/auth/") && (c.N < 41 || c.N > 48 || c.Path != "/notes") {
					continue
				}
				ran++
				path := strings.Replace(c.Path, "/notes", "/odata/v4/main/Notes", 1)
				h := a.HTTP().With("Content-Type", "application/json")
				for k, v := range c.Headers {
					h = h.With(k, v)
				}
				if c.N > 40 && c.N < 49 { // tokens of other systems: for a user who is there, and before the time at which they end
					ensure(t, store, "hello")
				}
				in, _ := c.Body.(obj)
				if in["username"] == "rest_admin" {
					in["password"] = admin["Password"]
				}
				want, why := expected(c)
				if want == 409 { // the case of the first one may be elsewhere
					h.Do(c.Method, path, c.Body)
				}
				r := h.Do(c.Method, path, c.Body)
				if r.Code() != want {
					t.Errorf("R-%d %s %s %v: %d %s, want %d (recorded %v) %s", c.N, c.Method, c.Path, c.Body, r.Code(), r.Body(), want, c.Status, why)
				}
			}
			if ran == 0 {
				t.Error("no case was found")
			}
			t.Logf("%d cases", ran)
		})
	}
}

func ensure(t *testing.T, s auth.UserStore, name string) {
	t.Helper()
	if _, err := s.AddUser(t.Context(), &auth.StoredUser{Name: name}); err != nil && !errors.Is(err, auth.ErrExists) {
		t.Fatal(err)
	}
}
