package local

import (
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cds/runtime/auth"
	"cds/runtime/cdstest/browser"
	"cds/runtime/config"
)

// A surfer is a browser at a server that has the pages and, at /me, tells who asks.
type surfer struct {
	*world
	srv *httptest.Server
	*http.Client
}

func newSurfer(t *testing.T, over config.Section) *surfer {
	t.Helper()
	w := newWorld(t, config.Merge(config.Section{"local": map[string]any{"pages": true, "title": "Book<shop>"}}, over))
	w.mux.HandleFunc("/me", func(rw http.ResponseWriter, r *http.Request) {
		u, err := w.Authenticate(r.Context(), r)
		switch {
		case errors.Is(err, auth.ErrForbidden):
			rw.WriteHeader(http.StatusForbidden)
		case err != nil:
			rw.WriteHeader(http.StatusUnauthorized)
		case !u.Identified() && w.Prompt(rw, r):
		default:
			_, _ = io.WriteString(rw, u.ID)
		}
	})
	s := &surfer{world: w, srv: httptest.NewServer(w.mux), Client: &http.Client{}}
	t.Cleanup(s.srv.Close)
	s.Jar, _ = cookiejar.New(nil)
	s.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return s
}

// send sends a request with headers (name, value, …); a body makes it a form.
func (s *surfer) send(method, path string, form url.Values, header ...string) (*http.Response, string) {
	s.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.srv.URL+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := s.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res, string(b)
}

func (s *surfer) signIn(name, pw, to string) *http.Response {
	s.t.Helper()
	res, _ := s.send("POST", "/auth/login", url.Values{"username": {name}, "password": {pw}, "to": {to}}, "Sec-Fetch-Site", "same-origin")
	return res
}

func (s *surfer) me(want string, header ...string) {
	s.t.Helper()
	if res, got := s.send("GET", "/me", nil, header...); got != want || res.StatusCode != 200 {
		s.t.Errorf("%d %q, want %q", res.StatusCode, got, want)
	}
}

func TestPages(t *testing.T) {
	s := newSurfer(t, nil)
	u := s.user(auth.StoredUser{Name: "al<i>ce"})
	res, _ := s.send("GET", "/me?x=1", nil, "Accept", "text/html,*/*")
	if res.StatusCode != 303 || res.Header.Get("Location") != "/auth/login?to=%2Fme%3Fx%3D1" {
		t.Fatalf("%d %s", res.StatusCode, res.Header.Get("Location"))
	}
	res, page := s.send("GET", res.Header.Get("Location"), nil)
	if res.StatusCode != 200 || !strings.Contains(page, `name="to" value="/me?x=1"`) || !strings.Contains(page, "Book&lt;shop&gt;") || res.Header.Get("Cache-Control") != "no-store" ||
		!strings.Contains(res.Header.Get("Content-Security-Policy"), "default-src 'none'; style-src 'sha256-") {
		t.Errorf("%d %v\n%s", res.StatusCode, res.Header, page)
	}
	res, page = s.send("POST", "/auth/login", url.Values{"username": {`"><script>`}, "password": {"wrong"}, "to": {"/me"}})
	if res.StatusCode != 401 || strings.Contains(page, "<script>") || !strings.Contains(page, "The name or the password is wrong.") || len(res.Cookies()) > 0 {
		t.Errorf("%d\n%s", res.StatusCode, page)
	}
	res = s.signIn("al<i>ce", "password", "/me?x=1")
	if res.StatusCode != 303 || res.Header.Get("Location") != "/me?x=1" || len(res.Cookies()) != 1 {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	c := res.Cookies()[0]
	if c.Name != "local" || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || len(c.Value) < 40 {
		t.Errorf("%+v", c)
	}
	s.me(u.ID)
	if _, err := s.store.Session(t.Context(), c.Value); err == nil {
		t.Error("the value itself is stored")
	}
	if _, page = s.send("GET", "/auth/login", nil); !strings.Contains(page, "You are signed in as al&lt;i&gt;ce.") {
		t.Error(page)
	}
	if _, page = s.send("GET", "/auth/logout", nil); !strings.Contains(page, "Do you want to sign out?") {
		t.Error(page)
	}
	s.me(u.ID)
	if res, page = s.send("POST", "/auth/logout", url.Values{}); res.StatusCode != 200 || !strings.Contains(page, "You are signed out.") {
		t.Errorf("%d %s", res.StatusCode, page)
	}
	s.me("anonymous")
	if u, err := s.Authenticate(t.Context(), withCookie("local="+c.Value)); err != nil || u.Identified() {
		t.Errorf("the cookie of before: %v, %v", u, err)
	}
}

func withCookie(header string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", header)
	return r
}

// Requests that pages of other sites make a browser send.
func TestCrossSite(t *testing.T) {
	s := newSurfer(t, nil)
	u := s.user(auth.StoredUser{Name: "alice"})
	s.user(auth.StoredUser{Name: "mallory"})
	s.signIn("alice", "password", "")
	for _, h := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
		if res, _ := s.send("POST", "/me", nil, h...); res.StatusCode != 403 {
			t.Errorf("%v: a change: %d", h, res.StatusCode)
		}
		if res, _ := s.send("POST", "/auth/login", url.Values{"username": {"mallory"}, "password": {"password"}}, h...); res.StatusCode != 403 || len(res.Cookies()) > 0 {
			t.Errorf("%v: login as somebody else: %d", h, res.StatusCode)
		}
		if res, _ := s.send("POST", "/auth/logout", url.Values{}, h...); res.StatusCode != 403 || len(res.Cookies()) > 0 {
			t.Errorf("%v: logout: %d", h, res.StatusCode)
		}
	}
	s.me(u.ID)
	if res, _ := s.send("POST", "/me", nil, "Sec-Fetch-Site", "same-origin"); res.StatusCode != 200 {
		t.Errorf("a change of our own: %d", res.StatusCode)
	}
	tok := s.mustLogin("mallory", "password").str("token")
	s.me("2", "Authorization", "Bearer "+tok, "Sec-Fetch-Site", "cross-site") // a token wins, and no browser adds one of its own accord
}

// Where a login leads to is a path of this host.
func TestTargets(t *testing.T) {
	s := newSurfer(t, nil)
	s.user(auth.StoredUser{Name: "alice"})
	for to, want := range map[string]string{
		"": "/", "/": "/", "/a/b?c=d#e": "/a/b?c=d#e", "https://evil.example": "/", "//evil.example": "/", "/\\evil.example": "/", "/%2Fevil.example": "/", "/\t/evil.example": "/",
		"javascript:alert(1)": "/", "evil": "/", "/auth/login": "/", "/auth/logout?x": "/", "/authors": "/authors", "/a\r\nX: y": "/", strings.Repeat("/a", 2000): "/",
	} {
		if res := s.signIn("alice", "password", to); res.StatusCode != 303 || res.Header.Get("Location") != want {
			t.Errorf("%.40q: %d %q, want %q", to, res.StatusCode, res.Header.Get("Location"), want)
		}
	}
}

// A login in the browser ends like any other.
func TestCookieEnds(t *testing.T) {
	s := newSurfer(t, config.Section{"local": map[string]any{"loginExpires": "2h"}})
	u := s.user(auth.StoredUser{Name: "alice"})
	again := func() {
		t.Helper()
		if res := s.signIn("alice", "password", ""); res.StatusCode != 303 {
			t.Fatal(res.StatusCode)
		}
		s.me(u.ID)
	}
	again()
	s.clock.Pass(2 * time.Hour)
	s.me("anonymous")
	again()
	if err := SetPassword(t.Context(), section(nil), s.store, s.store, "alice", "password", s.clock.Now()); err != nil {
		t.Fatal(err)
	}
	s.clock.Pass(5 * time.Second)
	s.me("anonymous")
	again()
	s.post("logout", s.mustLogin("alice", "password").str("token"), in{"all": true})
	s.me("anonymous")
	again()
	off, err := s.store.UserByName(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	off.Disabled = true
	if err := s.store.SetUser(t.Context(), off); err != nil {
		t.Fatal(err)
	}
	s.clock.Pass(5 * time.Second)
	s.me("anonymous")
}

// Cookies that nobody has handed out, and those of other origins.
func TestCookies(t *testing.T) {
	s := newSurfer(t, nil)
	u := s.user(auth.StoredUser{Name: "alice"})
	value := s.signIn("alice", "password", "").Cookies()[0].Value
	for header, want := range map[string]string{
		"local=" + value: u.ID, "other=1; local=" + value: u.ID, "local=": "anonymous", "local=guess": "anonymous", "local=" + value + "x": "anonymous",
		"local=" + value + "; local=" + value: "anonymous", "__Host-local=" + value: "anonymous", "Local=" + value: "anonymous",
		"local=" + strings.Repeat("x", 5000): "anonymous", "local=\x00": "anonymous",
	} {
		got, err := s.Authenticate(t.Context(), withCookie(header))
		if err != nil || got.ID != want {
			t.Errorf("%.40q: %v, %v; want %s", header, got, err, want)
		}
	}
	env := s.env()
	env.Production = true
	if err := s.Setup(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Authenticate(t.Context(), withCookie("local="+value)); got == nil || got.Identified() {
		t.Error("production takes the cookie of http")
	}
	c := s.signIn("alice", "password", "").Cookies()[0]
	if c.Name != "__Host-local" || !c.Secure || c.Path != "/" || c.Domain != "" {
		t.Errorf("%+v", c)
	}
	if got, err := s.Authenticate(t.Context(), withCookie("__Host-local="+c.Value)); err != nil || got.ID != u.ID {
		t.Errorf("%v, %v", got, err)
	}
	without := newWorld(t, nil)
	without.Strategy.run.Store(s.run.Load())
	if got, err := without.Authenticate(t.Context(), withCookie("__Host-local="+c.Value)); err != nil || got.Identified() {
		t.Errorf("without pages cookies count: %v, %v", got, err)
	}
}

// Who is asked to log in: a person who opens a page, nobody else.
func TestPrompt(t *testing.T) {
	s := newSurfer(t, nil)
	html := []string{"Accept", "text/html"}
	for name, tt := range map[string]struct {
		method string
		header []string
		want   int
	}{
		"a page": {"GET", html, 303}, "a page of a new browser": {"GET", append(html[:2:2], "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"), 303},
		"a program": {"GET", nil, 200}, "a script": {"GET", []string{"Accept", "*/*"}, 200}, "a frame": {"GET", append(html[:2:2], "Sec-Fetch-Dest", "iframe"), 200},
		"a form": {"POST", html, 200}, "XHR": {"GET", append(html[:2:2], "X-Requested-With", "XMLHttpRequest"), 200}, "a bad token": {"GET", append(html[:2:2], "Authorization", "Bearer x"), 401},
	} {
		if res, _ := s.send(tt.method, "/me", nil, tt.header...); res.StatusCode != tt.want {
			t.Errorf("%s: %d, want %d", name, res.StatusCode, tt.want)
		}
	}
	if newWorld(t, nil).Prompt(httptest.NewRecorder(), withCookie("x=y")) {
		t.Error("without pages")
	}
}

// Stores that are down let nobody in.
func TestPagesStoreDown(t *testing.T) {
	s := newSurfer(t, nil)
	s.user(auth.StoredUser{Name: "alice"})
	value := s.signIn("alice", "password", "").Cookies()[0].Value
	env := s.env()
	env.Users, env.Sessions = down{}, down{}
	s.run.Load().env = env
	if u, err := s.Authenticate(t.Context(), withCookie("local="+value)); err == nil || u != nil {
		t.Errorf("%v, %v", u, err)
	}
	for _, path := range []string{"/auth/login", "/auth/logout"} {
		if res, page := s.send("POST", path, url.Values{"username": {"alice"}, "password": {"password"}}); res.StatusCode != 503 || strings.Contains(page, "connection") {
			t.Errorf("%s: %d %s", path, res.StatusCode, page)
		}
		if res, _ := s.send("GET", path, nil); res.StatusCode != 200 {
			t.Errorf("GET %s: %d", path, res.StatusCode)
		}
	}
}

// A person in a real browser: sent to the login, a wrong password, the right one, and out again.
func TestInBrowser(t *testing.T) {
	s := newSurfer(t, nil)
	u := s.user(auth.StoredUser{Name: "alice"})
	b := browser.Open(t)
	b.Visit(s.srv.URL + "/me?x=1")
	b.Until(`document.querySelector("#username") !== null`)
	try := func(pw string) {
		b.Eval(`document.querySelector("#username").value = "alice"; document.querySelector("#password").value = "`+pw+`"; document.querySelector("button").click(); 0`, nil)
	}
	try("wrong")
	b.Until(`document.querySelector(".fault") !== null`)
	b.Screenshot(filepath.Join("..", "..", "bin", "artifacts", "local-login.png"))
	try("password")
	b.Until(`location.pathname === "/me" && document.body.innerText === "` + u.ID + `"`)
	b.Visit(s.srv.URL + "/auth/logout")
	b.Until(`document.querySelector("form button") !== null`)
	b.Eval(`document.querySelector("form button").click(); 0`, nil)
	b.Until(`document.body.innerText.includes("You are signed out.")`)
	b.Visit(s.srv.URL + "/me")
	b.Until(`document.querySelector("#username") !== null`)
}
