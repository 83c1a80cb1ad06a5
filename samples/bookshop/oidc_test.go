package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cds/runtime/cdstest/browser"
	"cds/runtime/config"
	"cds/runtime/db/sqlite"
	"cds/runtime/serve"
	"cds/samples/bookshop/internal/gen/model"
	"cds/samples/bookshop/srv"
	"cds/strategies"
)

// TestOIDC has people sign in to the bookshop with a browser, at a certified OpenID provider (testdata/oidc/server.mjs). Pictures of the pages are kept in
// bin/artifacts/bookshop-oidc-*.png.
func TestOIDC(t *testing.T) {
	modules, err := filepath.Abs(filepath.Join("..", "..", "bin", "oidc-provider", "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(modules, "oidc-provider", "lib", "index.js")); err != nil {
		browser.Required(t, "oidc-provider is not installed: run scripts/oidc-provider")
	}
	if _, err := exec.LookPath("node"); err != nil {
		browser.Required(t, "Node.js is not installed")
	}
	b := browser.Open(t)
	shop := newShop(t)
	idp := startProvider(t, modules, shop.URL)
	shop.start(t, idp.URL)
	l := &login{t, b, shop, idp}

	for _, step := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"sign in", l.signIn}, {"who may do what", l.rights}, {"another site", l.otherSite}, {"refresh", l.refresh}, {"sign out", l.signOut},
		{"the issuer signs out", l.backchannel}, {"an error page", l.failure}, {"a machine", l.machine},
	} {
		t.Log(step.name)
		step.run(t)
	}
}

type login struct {
	t    *testing.T
	b    *browser.Browser
	shop *shop
	idp  *idp
}

func (l *login) picture(name string) {
	l.b.Screenshot(filepath.Join("..", "..", "bin", "artifacts", "bookshop-oidc-"+name+".png"))
}

const ordersPage = "/odata/v4/order/Orders"

// at waits for a page of the shop.
func (l *login) at(path string) {
	l.b.Until(fmt.Sprintf("location.href.startsWith(%q) && document.readyState === 'complete'", l.shop.URL+path))
}

// enter fills in the provider's forms: name and password, then what the shop may know.
func (l *login) enter(name string) {
	l.b.Until(fmt.Sprintf("location.href.startsWith(%q) && document.querySelector('input[name=login]')", l.idp.URL))
	l.b.Eval(fmt.Sprintf(`document.querySelector('input[name=login]').value = %q; document.querySelector('input[name=password]').value = 'x'; document.forms[0].submit()`, name), nil)
	l.b.Until(`document.querySelector('input[name=prompt][value=consent]')`)
	l.b.Eval(`document.forms[0].submit()`, nil)
}

func (l *login) signIn(t *testing.T) {
	l.b.Visit(l.shop.URL + ordersPage + "?$top=2")
	l.at("/auth/login?returnTo=")
	l.picture("login")
	l.b.Eval(`document.querySelector('a.button').click()`, nil)
	l.enter("alice")
	l.at(ordersPage + "?$top=2")
	var text, cookies string
	l.b.Eval("document.body.innerText", &text)
	l.b.Eval("document.cookie", &cookies)
	if !strings.Contains(text, `"@odata.context"`) {
		t.Errorf("no orders: %s", text)
	}
	if strings.Contains(cookies, "cds-") {
		t.Errorf("scripts see the cookies: %s", cookies)
	}
}

// fetch has the page call the shop.
func (l *login) fetch(method, path, body string) (status int, text string) {
	var r struct {
		Status int
		Text   string
	}
	l.b.Eval(fmt.Sprintf(`fetch(%q, { method: %q, headers: { 'Content-Type': 'application/json' }, body: %q || undefined })
		.then(async (r) => ({ status: r.status, text: await r.text() }))`, path, method, body), &r)
	return r.Status, r.Text
}

func (l *login) rights(t *testing.T) {
	if status, text := l.fetch("GET", "/auth/user", ""); status != 200 || !strings.Contains(text, `"id":"alice"`) || !strings.Contains(text, "Alice Ada") {
		t.Errorf("%d %s", status, text)
	}
	if status, text := l.fetch("GET", "/odata/v4/admin/stockLevel()", ""); status != 200 {
		t.Errorf("alice is admin: %d %s", status, text)
	}
	if status, text := l.fetch("POST", "/odata/v4/catalog/submitOrder", `{"book":201,"quantity":1,"country":"DE"}`); status != 200 {
		t.Errorf("an order: %d %s", status, text)
	}
}

// stock is how many copies of a book are left.
func (l *login) stock(t *testing.T) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.shop.URL+"/odata/v4/catalog/Books(201)?$select=stock", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, text := call(t, req)
	return text
}

// otherSite lets a page elsewhere order a book with the cookie of whoever looks at it. Other ports of a host are the same site: browsers send the cookie.
func (l *login) otherSite(t *testing.T) {
	before := l.stock(t)
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("<title>evil</title>"))
	}))
	defer evil.Close()
	l.b.Visit(evil.URL)
	seen := l.shop.posts.Load()
	l.b.Eval(fmt.Sprintf(`fetch(%q, { method: 'POST', mode: 'no-cors', credentials: 'include', headers: { 'Content-Type': 'text/plain' }, body: '{"book":201,"quantity":1,"country":"DE"}' }).then(() => 1)`,
		l.shop.URL+"/odata/v4/catalog/submitOrder"), nil)
	if l.shop.posts.Load() != seen+1 || !l.shop.cookie.Load() {
		t.Error("the request did not reach the shop with its cookie, so the test shows nothing")
	}
	if after := l.stock(t); after != before {
		t.Errorf("another site has ordered a book: %s, before %s", after, before)
	}
	if !strings.Contains(l.shop.log.String(), "a request of another site") {
		t.Error("the log does not say that it was refused")
	}
	l.b.Visit(l.shop.URL + ordersPage)
}

func (l *login) refresh(t *testing.T) {
	if n := l.idp.count("grant refresh_token"); n != 0 {
		t.Fatalf("refreshed %d times", n)
	}
	for i := range 3 {
		l.shop.ahead.Add(int64(590 * time.Second))
		if status, text := l.fetch("GET", ordersPage+"?$top=1", ""); status != 200 {
			t.Fatalf("round %d: %d %s", i, status, text)
		}
	}
	if n := l.idp.count("grant refresh_token"); n != 3 {
		t.Errorf("refreshed %d times: %s", n, l.idp.said())
	}
	l.shop.ahead.Store(0)
}

func (l *login) signOut(t *testing.T) {
	l.b.Visit(l.shop.URL + "/auth/logout")
	l.picture("logout")
	l.b.Eval(`document.querySelector('button').click()`, nil)
	l.b.Until(fmt.Sprintf("location.href.startsWith(%q) && document.querySelector('button[value=yes]')", l.idp.URL))
	l.b.Eval(`document.querySelector('button[value=yes]').click()`, nil)
	l.at("/auth/logged-out")
	l.picture("logged-out")
	for end := time.Now().Add(10 * time.Second); l.idp.count("revoked") == 0; time.Sleep(20 * time.Millisecond) { // nobody waits for it but this test
		if time.Now().After(end) {
			t.Fatalf("the refresh token is not revoked: %s", l.idp.said())
		}
	}
	var text string
	if l.b.Eval("document.body.innerText", &text); !strings.Contains(text, "You are signed out") {
		t.Errorf("%s", text)
	}
	l.b.Visit(l.shop.URL + ordersPage)
	l.at("/auth/login")
}

// backchannel signs in as sam, who then signs out at the provider: the shop is told behind the browser's back.
func (l *login) backchannel(t *testing.T) {
	l.b.Visit(l.shop.URL + "/auth/start?returnTo=" + ordersPage)
	l.enter("sam")
	l.at(ordersPage)
	if status, text := l.fetch("GET", "/auth/user", ""); status != 200 || !strings.Contains(text, `"id":"sam"`) {
		t.Fatalf("%d %s", status, text)
	}
	if status, _ := l.fetch("GET", "/odata/v4/admin/stockLevel()", ""); status != 403 {
		t.Errorf("sam is no admin: %d", status)
	}
	told := l.idp.count("backchannel")
	l.b.Visit(l.idp.URL + "/session/end")
	l.b.Until("document.querySelector('button[value=yes]')")
	l.b.Eval(`document.querySelector('button[value=yes]').click()`, nil)
	l.b.Until("location.pathname === '/session/end/success'")
	if n := l.idp.count("backchannel"); n != told+1 {
		t.Errorf("the shop was told %d times: %s", n-told, l.idp.said())
	}
	l.b.Visit(l.shop.URL + ordersPage)
	l.at("/auth/login")
	if !strings.Contains(l.shop.log.String(), "the issuer has ended sessions") {
		t.Error("the log does not say so")
	}
}

func (l *login) failure(t *testing.T) {
	l.b.Visit(l.shop.URL + "/auth/callback?code=x&state=y")
	l.picture("error")
	var text string
	if l.b.Eval("document.body.innerText", &text); !strings.Contains(text, "Sign-in did not work") || !strings.Contains(text, "Reference") {
		t.Errorf("%s", text)
	}
}

// machine calls with a token of its own: a JWT access token (RFC 9068), which the cross-site check does not concern.
func (l *login) machine(t *testing.T) {
	form := url.Values{"grant_type": {"client_credentials"}, "resource": {"https://shop.example/api"}, "scope": {"admin"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, l.idp.URL+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("robot", url.QueryEscape("a secret of the robot"))
	var answer struct {
		Token string `json:"access_token"`
	}
	if status, text := call(t, req); json.Unmarshal([]byte(text), &answer) != nil || strings.Count(answer.Token, ".") != 2 {
		t.Fatalf("%d %s", status, text)
	}
	for token, want := range map[string]int{answer.Token: 200, answer.Token[:len(answer.Token)-3] + "AAA": 401} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.shop.URL+"/odata/v4/admin/stockLevel()", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Origin", "https://elsewhere.example")
		if status, text := call(t, req); status != want {
			t.Errorf("%d %s, want %d", status, text, want)
		}
	}
}

func call(t *testing.T, req *http.Request) (int, string) {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// A shop is the bookshop with a login.
type shop struct {
	URL    string
	h      atomic.Pointer[http.Handler]
	ahead  atomic.Int64 // how far the shop's clock is ahead
	posts  atomic.Int64 // orders that were tried
	cookie atomic.Bool  // the last one came with a cookie
	log    *lines
}

func newShop(t *testing.T) *shop {
	s := &shop{log: &lines{}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/submitOrder") {
			s.posts.Add(1)
			s.cookie.Store(strings.Contains(r.Header.Get("Cookie"), "cds-session"))
		}
		(*s.h.Load()).ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	s.URL = srv.URL
	return s
}

func (s *shop) start(t *testing.T, issuer string) {
	t.Helper()
	app := serve.New(model.Model)
	app.Databases(sqlite.New())
	app.Strategies(strategies.Builtin())
	app.Register(srv.Register)
	server, err := app.Build(t.Context(), serve.Options{Dir: ".", Env: []string{}, InMemory: true, Log: slog.New(slog.NewTextHandler(s.log, nil)),
		Now: func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) },
		Overrides: config.Section{"requires": map[string]any{"auth": map[string]any{"kind": "oidc", "oidc": map[string]any{
			"issuer": issuer, "insecureLoopback": true, "audience": "bookshop-api", "clientId": "bookshop", "clientSecret": "a secret with spaces & signs: +/%", "baseUrl": s.URL, "login": "page",
			"title": "Bookshop", "scopes": "openid offline_access profile bookshop", "claimsFrom": []any{"id", "userinfo"}, "params": map[string]any{"prompt": "consent"},
			"session": map[string]any{"idle": "2h"},
		}}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	h := server.Handler()
	s.h.Store(&h)
}

// lines keeps what is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// An idp is the provider's process.
type idp struct {
	URL string
	out *lines
}

func (p *idp) said() string { return p.out.String() }

func (p *idp) count(line string) int { return strings.Count(p.said(), line+"\n") }

func startProvider(t *testing.T, modules, app string) *idp {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, "node", filepath.Join("testdata", "oidc", "server.mjs"), modules, app)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &idp{out: &lines{}}
	errs := &lines{}
	cmd.Stderr = errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	first := make(chan string, 1)
	go func() {
		defer close(read)
		sc := bufio.NewScanner(out)
		for n := 0; sc.Scan(); n++ {
			if n == 0 {
				first <- sc.Text()
			}
			fmt.Fprintln(p.out, sc.Text())
		}
		close(first)
	}()
	t.Cleanup(func() {
		cancel()
		<-read
		_ = cmd.Wait() // it was ended
		if t.Failed() {
			t.Logf("the provider: %s%s", p.out, errs)
		}
	})
	var ok bool
	if p.URL, ok = <-first; !ok {
		t.Fatalf("the provider did not start: %s", errs)
	}
	return p
}
