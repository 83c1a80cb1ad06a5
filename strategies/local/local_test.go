package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cds/runtime/auth"
	"cds/runtime/authstore"
	"cds/runtime/authstore/authstoretest"
	"cds/runtime/config"
	"cds/runtime/password"
	"cds/strategies/internal/token"
	"cds/strategies/jwt"
	"cds/strategies/strategytest"

	"golang.org/x/crypto/bcrypt"
)

const secret = "a secret of more than thirty-two bytes"

// cheap makes hashes that tests can afford.
var cheap = map[string]any{"length": 5, "memory": 8192, "time": 1}

// A world is a strategy with its stores, clock and endpoints.
type world struct {
	*Strategy
	t     *testing.T
	clock *authstoretest.Clock
	store *authstore.Mem
	log   *bytes.Buffer
	told  []string // what the server was told of refusals
	mux   *http.ServeMux
	from  string // address of the client
}

func section(over config.Section) config.Section {
	return config.Merge(config.Section{"jwt": map[string]any{"secret": secret}, "local": map[string]any{"passwords": cheap, "register": true}}, over)
}

func newWorld(t *testing.T, over config.Section) *world {
	t.Helper()
	st, err := New(section(over))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Strategy: st.(*Strategy), t: t, clock: authstoretest.NewClock(), log: &bytes.Buffer{}, mux: http.NewServeMux(), from: "192.0.2.1:1000"}
	w.store = authstore.Memory(w.clock.Now)
	if err := w.Setup(t.Context(), w.env()); err != nil {
		t.Fatal(err)
	}
	for pattern, h := range w.Routes() {
		w.mux.Handle(pattern, h)
	}
	return w
}

func (w *world) env() *auth.Env {
	return &auth.Env{Now: w.clock.Now, Log: slog.New(slog.NewTextHandler(w.log, nil)), Sessions: w.store, Users: w.store, Client: func(r *http.Request) string { return r.RemoteAddr },
		OnRefused: func(_ *http.Request, err error) { w.told = append(w.told, err.Error()) }}
}

// user adds a user with the password "password".
func (w *world) user(u auth.StoredUser) *auth.StoredUser {
	w.t.Helper()
	if u.Hash == "" {
		h, err := w.cfg.params.Hash(w.t.Context(), "password")
		if err != nil {
			w.t.Fatal(err)
		}
		u.Hash = h
	}
	id, err := w.store.AddUser(w.t.Context(), &u)
	if err != nil {
		w.t.Fatal(err)
	}
	u.ID = id
	return &u
}

type response struct {
	status int
	header http.Header
	body   map[string]any
}

func (r response) str(name string) string { s, _ := r.body[name].(string); return s }

// post sends JSON (a value or a text) to an endpoint.
func (w *world) post(name, bearer string, body any) response {
	w.t.Helper()
	text, ok := body.(string)
	if !ok && body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		text = string(b)
	}
	r := httptest.NewRequest("POST", "/auth/"+name, strings.NewReader(text))
	r.RemoteAddr = w.from
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	return w.do(r)
}

func (w *world) do(r *http.Request) response {
	w.t.Helper()
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	out := response{status: rec.Code, header: rec.Header()}
	if err := json.Unmarshal(rec.Body.Bytes(), &out.body); err != nil && rec.Code != 405 && rec.Code != 404 {
		w.t.Fatalf("%s: %q is no JSON", r.URL, rec.Body)
	}
	return out
}

type in map[string]any

func (w *world) login(name, pw string) response {
	w.t.Helper()
	return w.post("login", "", in{"username": name, "password": pw})
}

func (w *world) mustLogin(name, pw string) response {
	w.t.Helper()
	r := w.login(name, pw)
	if r.status != 200 {
		w.t.Fatalf("login of %s: %d %v", name, r.status, r.body)
	}
	return r
}

// who returns the id of the user of a token, or why there is none.
func (w *world) who(tok string) (string, error) {
	w.t.Helper()
	u, err := w.Authenticate(w.t.Context(), bearer(tok))
	if err != nil {
		if !errors.Is(err, auth.ErrCredentials) || u != nil {
			w.t.Fatalf("user %v, error %v", u, err)
		}
		return "", err
	}
	return u.ID, nil
}

func bearer(tok string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+tok)
	return r
}

func (w *world) refused(tok, code string) {
	w.t.Helper()
	id, err := w.who(tok)
	var r *token.Refusal
	if !errors.As(err, &r) || r.Code != code {
		w.t.Errorf("user %q, error %v; want %s", id, err, code)
	}
}

func (w *world) accepted(tok, id string) {
	w.t.Helper()
	if got, err := w.who(tok); got != id {
		w.t.Errorf("user %q, error %v; want %s", got, err, id)
	}
}

func TestStrategy(t *testing.T) {
	w := newWorld(t, nil)
	alice := w.user(auth.StoredUser{Name: "alice"})
	tok := w.mustLogin("alice", "password").str("token")
	foreign, err := auth.Sign(auth.SigningKey{Secret: "another secret of more than 32 bytes"}, map[string]any{"sub": "1", "iss": "local", "aud": "local"}, w.clock.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	strategytest.Run(t, strategytest.Subject{
		New:     func(*testing.T) auth.Strategy { return w.Strategy },
		Good:    func(*testing.T) *http.Request { return bearer(tok) },
		UserID:  alice.ID,
		Bad:     []string{"Bearer garbage", "Bearer " + foreign, "Bearer " + tok + "x", "Bearer " + tok[:len(tok)-4], "bearer ", "Bearer a.b.c"},
		Foreign: []string{"Basic YWxpY2U6cGFzc3dvcmQ=", "Digest x"},
	})
}

func TestLogin(t *testing.T) {
	w := newWorld(t, nil)
	u := w.user(auth.StoredUser{Name: "alice", Admin: true, Roles: []string{"Editor"}, Tenant: "t1", Attrs: map[string][]string{"country": {"DE", "FR"}, "sub": {"x"}}})
	r := w.mustLogin("alice", "password")
	if r.str("token_type") != "Bearer" || r.body["expires_in"] != 900.0 || r.str("access_token") != r.str("token") || r.str("refresh_token") == "" ||
		r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v %v", r.body, r.header)
	}
	got, err := w.Authenticate(t.Context(), bearer(r.str("token")))
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != u.ID || !got.Is("admin") || !got.Is("Editor") || got.Is("system-user") || got.Tenant != "t1" || fmt.Sprint(got.Attrs) != "map[country:[DE FR] sub:[x] username:[alice]]" {
		t.Errorf("%+v", got)
	}
	parsed, err := token.Parse(r.str("token"))
	if err != nil {
		t.Fatal(err)
	}
	c := parsed.Claims
	delete(c, "jti")
	delete(c, "sid")
	b, _ := json.Marshal(c)
	want := `{"aud":"local","country":["DE","FR"],"exp":1772601667,"iat":1772600767,"is_admin":true,"iss":"local","roles":["Editor","admin"],"sub":"1","tenant":"t1","user_id":1,"username":"alice"}`
	if string(b) != want {
		t.Errorf("claims %s", b)
	}
	if strings.Contains(w.log.String(), "password") && strings.Contains(w.log.String(), r.str("token")) {
		t.Error("the log has secrets")
	}
}

// The kind jwt accepts the tokens with the same section jwt.
func TestJWTAccepts(t *testing.T) {
	w := newWorld(t, nil)
	w.user(auth.StoredUser{Name: "alice", Admin: true, Tenant: "t1", Roles: []string{"Editor"}, Attrs: map[string][]string{"country": {"DE"}}})
	tok := w.mustLogin("alice", "password").str("token")
	st, err := jwt.New(config.Section{"jwt": map[string]any{"secret": secret, "issuer": "local", "audience": "local"}, "claims": map[string]any{"tenant": "tenant"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.(auth.Setter).Setup(t.Context(), w.env()); err != nil {
		t.Fatal(err)
	}
	u, err := st.Authenticate(t.Context(), bearer(tok))
	if err != nil || u.ID != "1" || !u.Is("admin") || !u.Is("Editor") || u.Tenant != "t1" || fmt.Sprint(u.Attr("country")) != "[DE]" {
		t.Errorf("%+v, %v", u, err)
	}
}

// Who does not know the password learns nothing: not whether there is such a user.
func TestWrongLogin(t *testing.T) {
	w := newWorld(t, nil)
	w.user(auth.StoredUser{Name: "alice"})
	w.user(auth.StoredUser{Name: "off", Disabled: true})
	w.user(auth.StoredUser{Name: "nohash", Hash: "!"})
	plain := w.user(auth.StoredUser{Name: "plain", Hash: "password"})
	want := w.login("alice", "wrong")
	if want.status != 401 || want.header.Get("WWW-Authenticate") != "Bearer" {
		t.Fatalf("%+v", want)
	}
	for _, tt := range [][2]string{{"nobody", "password"}, {"off", "password"}, {"nohash", "!"}, {"nohash", ""}, {"plain", "password"}, {"ALICE", "password"}, {"alice ", "password"},
		{"", ""}, {"alice", ""}, {"alice", strings.Repeat("x", 5000)}, {"*", "x"}, {"anonymous", ""}, {"' OR 1=1 --", "x"}, {"alice\x00", "password"}} {
		got := w.login(tt[0], tt[1])
		if fmt.Sprint(got.status, got.body, got.header) != fmt.Sprint(want.status, want.body, want.header) {
			t.Errorf("%q: %d %v %v, want %d %v", tt, got.status, got.body, got.header, want.status, want.body)
		}
	}
	if len(w.told) < 10 || w.told[0] != `login refused: user "alice" from 192.0.2.1:1000` {
		t.Errorf("the server was told %q", w.told)
	}
	if strings.Contains(w.log.String()+fmt.Sprint(w.told), "nobody") {
		t.Error("the log has a name that nobody has: it could be a password")
	}
	if u, _ := w.store.UserByID(t.Context(), plain.ID); u.Hash != "password" {
		t.Error("a password that is no hash was taken for one")
	}
}

func TestBadRequests(t *testing.T) {
	w := newWorld(t, nil)
	w.user(auth.StoredUser{Name: "alice"})
	for _, name := range []string{"login", "register", "refresh", "password"} {
		for _, body := range []string{"", "nope", "[]", "null", `"x"`, "{}", `{"username":1,"password":"x"}`, `{"username":"a"}`, `{"username":null,"password":null,"refresh_token":null}`,
			`{"refresh_token":{}}`, `{"username":"alice","password":["password"]}`, `{} x`, strings.Repeat("[", 5000)} {
			r := w.post(name, "", body)
			if want := 400; r.status != want && (name != "password" || r.status != 401) {
				t.Errorf("%s %.30s: %d %v", name, body, r.status, r.body)
			}
		}
		if r := w.post(name, "", `{"x":"`+strings.Repeat("x", 20<<10)+`"}`); r.status != 413 {
			t.Errorf("%s with a big body: %d", name, r.status)
		}
		req := httptest.NewRequest("POST", "/auth/"+name, strings.NewReader(`{"username":"alice","password":"password"}`))
		for _, ct := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/json-patch+json", "multipart/form-data; boundary=x"} {
			req.Header.Set("Content-Type", ct)
			if r := w.do(req); r.status != 415 && r.status != 400 {
				t.Errorf("%s with content type %q: %d %v", name, ct, r.status, r.body)
			}
		}
	}
	if r := w.do(httptest.NewRequest("GET", "/auth/login", nil)); r.status != 405 {
		t.Errorf("GET: %d", r.status)
	}
}

func TestRefresh(t *testing.T) {
	w := newWorld(t, nil)
	u := w.user(auth.StoredUser{Name: "alice"})
	first := w.mustLogin("alice", "password")
	w.clock.Pass(20 * time.Minute)
	w.refused(first.str("token"), "token-expired")
	second := w.post("refresh", "", in{"refresh_token": first.str("refresh_token")})
	if second.status != 200 || second.str("refresh_token") == first.str("refresh_token") {
		t.Fatalf("%d %v", second.status, second.body)
	}
	w.accepted(second.str("token"), u.ID)
	third := w.post("refresh", "", in{"refresh_token": second.str("refresh_token")})
	w.accepted(third.str("token"), u.ID)

	// Somebody presents a token that was used: the whole login ends, with all that was made of it.
	if r := w.post("refresh", "", in{"refresh_token": first.str("refresh_token")}); r.status != 401 {
		t.Fatalf("a token that was used: %d %v", r.status, r.body)
	}
	w.refused(third.str("token"), "token-ended")
	if r := w.post("refresh", "", in{"refresh_token": third.str("refresh_token")}); r.status != 401 {
		t.Errorf("the last token of the login: %d", r.status)
	}
	if !strings.Contains(w.log.String(), "used twice") {
		t.Error("the log does not tell")
	}
	for _, bad := range []string{"", ".", "a", "a.b", first.str("token"), strings.Repeat("x", 10000), "\x00.\x00"} {
		if r := w.post("refresh", "", in{"refresh_token": bad}); r.status != 401 {
			t.Errorf("%.20q: %d", bad, r.status)
		}
	}
}

// Of many who use a refresh token at once, one gets tokens.
func TestRefreshOnce(t *testing.T) {
	w := newWorld(t, nil)
	w.user(auth.StoredUser{Name: "alice"})
	tok := w.mustLogin("alice", "password").str("refresh_token")
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if r := w.post("refresh", "", in{"refresh_token": tok}); r.status == 200 {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d got tokens", won.Load())
	}
}

// A login has an end that no refreshing puts off.
func TestLoginEnds(t *testing.T) {
	w := newWorld(t, config.Section{"local": map[string]any{"loginExpires": "2h"}})
	u := w.user(auth.StoredUser{Name: "alice"})
	r := w.mustLogin("alice", "password")
	for range 11 {
		w.clock.Pass(10 * time.Minute)
		if r = w.post("refresh", "", in{"refresh_token": r.str("refresh_token")}); r.status != 200 {
			t.Fatal(r)
		}
	}
	w.accepted(r.str("token"), u.ID)
	if r.body["expires_in"] != 600.0 {
		t.Errorf("expires in %v s, want 600: the rest of the login", r.body["expires_in"])
	}
	w.clock.Pass(11 * time.Minute)
	if r := w.post("refresh", "", in{"refresh_token": r.str("refresh_token")}); r.status != 401 {
		t.Errorf("after the end: %d", r.status)
	}
	if _, err := w.who(r.str("token")); err == nil {
		t.Error("an access token outlives its login")
	}
}

func TestLogout(t *testing.T) {
	w := newWorld(t, nil)
	u := w.user(auth.StoredUser{Name: "alice"})
	a, b, c := w.mustLogin("alice", "password"), w.mustLogin("alice", "password"), w.mustLogin("alice", "password")
	for _, r := range []response{a, b, c} {
		w.accepted(r.str("token"), u.ID)
	}
	logout := func(tok string, body any) {
		t.Helper()
		if r := w.post("logout", tok, body); r.status != 200 || r.str("msg") != "success" {
			t.Errorf("logout: %d %v", r.status, r.body)
		}
	}
	logout("", nil)
	logout("garbage", nil)
	logout("", in{"refresh_token": "a.b"})
	logout("", in{"refresh_token": strings.Split(a.str("refresh_token"), ".")[0] + ".guessed"})
	w.accepted(a.str("token"), u.ID)

	logout(a.str("token"), nil)
	w.refused(a.str("token"), "token-ended")
	if r := w.post("refresh", "", in{"refresh_token": a.str("refresh_token")}); r.status != 401 {
		t.Errorf("refresh after logout: %d", r.status)
	}
	w.accepted(b.str("token"), u.ID)
	logout("", in{"refresh_token": b.str("refresh_token")})
	w.refused(b.str("token"), "token-ended")
	w.accepted(c.str("token"), u.ID)
	d := w.mustLogin("alice", "password")
	logout(d.str("token"), in{"all": true})
	w.refused(c.str("token"), "token-ended")
	e := w.mustLogin("alice", "password") // in the same second
	w.accepted(e.str("token"), u.ID)
	if r := w.post("logout", e.str("token"), `{"all":1}`); r.status != 400 {
		t.Errorf("all: 1: %d", r.status)
	}
}

func TestPasswordChange(t *testing.T) {
	w := newWorld(t, nil)
	u := w.user(auth.StoredUser{Name: "alice", Roles: []string{"Editor"}})
	a, b := w.mustLogin("alice", "password"), w.mustLogin("alice", "password")
	lone, err := w.sign(u, "", nil, w.clock.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	w.accepted(lone, u.ID)
	change := func(tok, old, pw string, want int) response {
		t.Helper()
		r := w.post("password", tok, in{"old_password": old, "new_password": pw})
		if r.status != want {
			t.Errorf("%.10q → %.10q: %d %v, want %d", old, pw, r.status, r.body, want)
		}
		return r
	}
	change("", "password", "another", 401)
	change("garbage", "password", "another", 401)
	change(a.str("token"), "wrong", "another", 401)
	change(a.str("token"), "password", "four", 400)
	change(a.str("token"), "password", "ALICE", 400)
	change(a.str("token"), "password", strings.Repeat("x", 1025), 400)
	w.accepted(b.str("token"), u.ID)
	r := change(a.str("token"), "password", "another", 200)
	w.accepted(r.str("token"), u.ID)
	for _, tok := range []string{a.str("token"), b.str("token"), lone} {
		w.refused(tok, "token-ended")
	}
	if r := w.post("refresh", "", in{"refresh_token": b.str("refresh_token")}); r.status != 401 {
		t.Errorf("refresh after the change: %d", r.status)
	}
	if r := w.login("alice", "password"); r.status != 401 {
		t.Errorf("the old password: %d", r.status)
	}
	w.mustLogin("alice", "another")
	if got, _ := w.store.UserByName(t.Context(), "alice"); len(got.Roles) != 1 {
		t.Error("the roles are lost")
	}
}

func TestRegister(t *testing.T) {
	w := newWorld(t, config.Section{"local": map[string]any{"registerRoles": []any{"Reader"}}})
	register := func(name, pw string, want int) {
		t.Helper()
		r := w.post("register", "", in{"username": name, "password": pw, "is_admin": true, "roles": []string{"admin"}, "IS_ADMIN": true})
		if r.status != want {
			t.Errorf("%q: %d %v, want %d", name, r.status, r.body, want)
		}
	}
	register("hello", "world", 200)
	u, err := w.store.UserByName(t.Context(), "hello")
	if err != nil || u.Admin || fmt.Sprint(u.Roles) != "[Reader]" || !password.Is(u.Hash) || strings.Contains(u.Hash, "world") {
		t.Fatalf("%+v, %v", u, err)
	}
	register("hello", "other", 409)
	register("Hello", "hello", 400)
	register("rest_admin", "world", 409)
	register("anonymous", "world", 400)
	register("*", "world", 400)
	register("a\nb", "world", 400)
	register("", "world", 400)
	register("M\u00fcller", "world", 200)
	register("Mu\u0308ller", "world", 400)
	register("zero\u200bwidth", "world", 400)
	register("short", "four", 400)
	register("long", strings.Repeat("p", 80), 200)
	register("longer", strings.Repeat("p", 1025), 400)
	if r := w.mustLogin("long", strings.Repeat("p", 80)); r.status != 200 {
		t.Error("80 bytes")
	}
	for range 30 {
		w.post("register", "", in{"username": "hello", "password": "other"})
	}
	if r := w.post("register", "", in{"username": "flood", "password": "world"}); r.status != 429 || r.header.Get("Retry-After") == "" {
		t.Errorf("a flood: %d", r.status)
	}
	w.from = "192.0.2.99:1"
	register("flood", "world", 200)

	closed := newWorld(t, config.Section{"local": map[string]any{"register": false}})
	if r := closed.post("register", "", in{"username": "hello", "password": "world"}); r.status != 403 {
		t.Errorf("closed: %d", r.status)
	}
}

func TestSetup(t *testing.T) {
	boot := strings.Repeat("bootstrap", 5)
	w := newWorld(t, config.Section{"local": map[string]any{"setupToken": boot}})
	for _, tok := range []string{"", "wrong", boot[1:]} {
		if r := w.post("setup", tok, nil); r.status != 401 {
			t.Errorf("with %q: %d", tok, r.status)
		}
	}
	r := w.post("setup", boot, nil)
	if r.status != 200 || r.str("Username") != "rest_admin" || len(r.str("Password")) < 12 {
		t.Fatalf("%d %v", r.status, r.body)
	}
	u, err := w.Authenticate(t.Context(), bearer(w.mustLogin("rest_admin", r.str("Password")).str("token")))
	if err != nil || !u.Is("admin") {
		t.Errorf("%+v, %v", u, err)
	}
	if r := w.post("setup", boot, nil); r.status != 409 || r.str("msg") != "setup is already done before" || r.str("Password") != "" {
		t.Errorf("again: %d %v", r.status, r.body)
	}
	if r := newWorld(t, nil).post("setup", "", nil); r.status != 403 {
		t.Errorf("without a token in the configuration: %d", r.status)
	}
}

// Failures make the next tries of the name wait, from the same address at once.
func TestBackOff(t *testing.T) {
	w := newWorld(t, nil)
	w.user(auth.StoredUser{Name: "alice"})
	w.user(auth.StoredUser{Name: "bob"})
	for range 6 {
		if r := w.login("alice", "wrong"); r.status != 401 {
			t.Fatal(r.status)
		}
	}
	r := w.login("alice", "password")
	if r.status != 429 || r.header.Get("Retry-After") != "1" {
		t.Fatalf("%d %v", r.status, r.header)
	}
	w.mustLogin("bob", "password")
	w.from = "192.0.2.2:1000"
	w.mustLogin("alice", "password")
	w.from = "192.0.2.1:2000"
	w.clock.Pass(time.Second)
	w.mustLogin("alice", "password")

	// Many at once get no more tries than one after the other.
	w.from = "192.0.2.3:1"
	var tried atomic.Int32
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			if w.login("alice", "wrong").status == 401 {
				tried.Add(1)
			}
		})
	}
	wg.Wait()
	if n := tried.Load(); n != 6 {
		t.Errorf("%d tries at once", n)
	}
}

// Hashes of before are accepted, and renewed while the password is known.
func TestRehash(t *testing.T) {
	w := newWorld(t, nil)
	old, err := bcrypt.GenerateFromPassword([]byte("world"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	u := w.user(auth.StoredUser{Name: "hello", Hash: string(old)})
	if w.login("hello", "wrong").status != 401 {
		t.Error("a wrong password")
	}
	w.mustLogin("hello", "world")
	got, err := w.store.UserByID(t.Context(), u.ID)
	if err != nil || !strings.HasPrefix(got.Hash, "$argon2id$v=19$m=8192,t=1,p=1$") {
		t.Errorf("%+v, %v", got, err)
	}
	w.mustLogin("hello", "world")
}

// What the administrator changes counts at once in this process when it is asked for anew, and after a few seconds in any case.
func TestChangesCount(t *testing.T) {
	w := newWorld(t, nil)
	u := w.user(auth.StoredUser{Name: "alice", Admin: true})
	r := w.mustLogin("alice", "password")
	tok := r.str("token")
	w.accepted(tok, u.ID)
	u.Admin, u.Roles = false, []string{"Editor"}
	if err := w.store.SetUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	w.clock.Pass(5 * time.Second)
	got, err := w.Authenticate(t.Context(), bearer(tok))
	if err != nil || got.Is("admin") || !got.Is("Editor") {
		t.Errorf("%+v, %v", got, err)
	}
	u.Disabled = true
	if err := w.store.SetUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	w.clock.Pass(5 * time.Second)
	w.refused(tok, "token-user")
	if r := w.post("refresh", "", in{"refresh_token": r.str("refresh_token")}); r.status != 401 {
		t.Errorf("refresh of a disabled user: %d", r.status)
	}
	if err := Remove(t.Context(), w.store, w.store, "alice"); err != nil {
		t.Fatal(err)
	}
	w.refused(tok, "token-user")
	again := w.user(auth.StoredUser{Name: "alice"})
	if again.ID == u.ID {
		t.Fatal("the id is given again")
	}
	w.refused(tok, "token-user")
}

// Stores that are down let nobody in, and nobody learns why.
func TestStoreDown(t *testing.T) {
	w := newWorld(t, nil)
	w.user(auth.StoredUser{Name: "alice"})
	r := w.mustLogin("alice", "password")
	env := w.env()
	env.Users, env.Sessions = down{}, down{}
	w.run.Load().env = env
	if u, err := w.Authenticate(t.Context(), bearer(r.str("token"))); u != nil || err == nil {
		t.Errorf("%+v, %v", u, err)
	}
	for name, body := range map[string]in{"login": {"username": "alice", "password": "password"}, "refresh": {"refresh_token": r.str("refresh_token")},
		"register": {"username": "new", "password": "password"}, "logout": {"refresh_token": r.str("refresh_token")}} {
		if r := w.post(name, r.str("token"), body); r.status != 503 || strings.Contains(fmt.Sprint(r.body), "connection") {
			t.Errorf("%s: %d %v", name, r.status, r.body)
		}
	}
	if !strings.Contains(w.log.String(), "connection lost") {
		t.Error("the log does not say why")
	}
}

type down struct{}

var errDown = errors.New("connection lost")

func (down) Session(context.Context, string) (*auth.Session, error)         { return nil, errDown }
func (down) PutSession(context.Context, *auth.Session) error                { return errDown }
func (down) TakeSession(context.Context, string) (*auth.Session, error)     { return nil, errDown }
func (down) EndSessions(context.Context, string, string) (int, error)       { return 0, errDown }
func (down) UserByName(context.Context, string) (*auth.StoredUser, error)   { return nil, errDown }
func (down) UserByID(context.Context, string) (*auth.StoredUser, error)     { return nil, errDown }
func (down) AddUser(context.Context, *auth.StoredUser) (string, error)      { return "", errDown }
func (down) SetUser(context.Context, *auth.StoredUser) error                { return errDown }
func (down) RemoveUser(context.Context, string) error                       { return errDown }
func (down) Users(context.Context, string, int) ([]*auth.StoredUser, error) { return nil, errDown }

// Any body and any header: an answer, and nobody comes in.
func FuzzEndpoints(f *testing.F) {
	for _, s := range []string{`{"username":"alice","password":"x"}`, `{"refresh_token":"a.b"}`, `{"all":true}`, "", "[", "username=alice&password=x&to=/"} {
		f.Add("login", "application/json", "Bearer x.y.z", "local=x", s)
		f.Add("refresh", "application/x-www-form-urlencoded", "", "", s)
		f.Add("logout", "application/json; charset=utf-8", "Basic x", "local=", s)
		f.Add("password", "text/plain", "bearer", "", s)
		f.Add("setup", "", "", "", s)
	}
	st, err := New(section(config.Section{"local": map[string]any{"pages": true, "register": false}}))
	if err != nil {
		f.Fatal(err)
	}
	s := st.(*Strategy)
	store := authstore.Memory(time.Now)
	if err := s.Setup(f.Context(), &auth.Env{Now: time.Now, Log: slog.New(slog.DiscardHandler), Sessions: store, Users: store}); err != nil {
		f.Fatal(err)
	}
	mux := http.NewServeMux()
	for pattern, h := range s.Routes() {
		mux.Handle(pattern, h)
	}
	f.Fuzz(func(t *testing.T, name, ct, authorization, cookie, body string) {
		r := httptest.NewRequest("POST", "/auth/", strings.NewReader(body))
		r.URL.Path = "/auth/" + name
		r.Header.Set("Content-Type", ct)
		r.Header.Set("Authorization", authorization)
		r.Header.Set("Cookie", cookie)
		if u, err := s.Authenticate(t.Context(), r); err == nil && u.Identified() {
			t.Errorf("user %s", u.ID)
		}
		rec := httptest.NewRecorder()
		mux.ServeHTTP(rec, r)
		if rec.Code >= 500 || rec.Code == 200 && (name == "login" || name == "refresh" || name == "password" || name == "setup") {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	})
}

// A token that is known costs no signature and no database.
func BenchmarkKnownToken(b *testing.B) {
	st, err := New(section(nil))
	if err != nil {
		b.Fatal(err)
	}
	s := st.(*Strategy)
	now := time.Now()
	store := authstore.Memory(time.Now)
	env := &auth.Env{Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler), Sessions: store, Users: store}
	if err := s.Setup(b.Context(), env); err != nil {
		b.Fatal(err)
	}
	u := &auth.StoredUser{Name: "alice"}
	if u.ID, err = store.AddUser(b.Context(), u); err != nil {
		b.Fatal(err)
	}
	tok, err := s.sign(u, "", nil, now, time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	r := bearer(tok)
	for b.Loop() {
		if _, err := s.Authenticate(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}
