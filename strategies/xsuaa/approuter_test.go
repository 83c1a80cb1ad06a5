//go:build unix

package xsuaa_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cds/strategies/internal/saptest"
)

// TestApprouter is a project in profile hybrid: bound to an XSUAA that cf knows, served by cds watch, behind an approuter that cds bind --exec starts and that logs the user in
// by authorization code. scripts/approuter installs the approuter; without it, or node, the test is skipped.
func TestApprouter(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	modules := filepath.Join(root, "bin", "approuter", "node_modules")
	if _, err := os.Stat(modules); err != nil {
		t.Skip("the approuter is not installed: scripts/approuter")
	}
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("node is not installed")
	}
	l := saptest.New(t)
	l.Login(t, "t1", "hunter2", claims{"scope": []string{"openid", "shop!t1.Editor"}, "xs.user.attributes": claims{"country": []string{"DE"}}})
	p := newProject(t, root, l)

	p.run("cds", "add", "xsuaa,approuter", "--for", "hybrid")
	p.run("cds", "bind", "--to", "shop-uaa")
	if out, err := os.ReadFile(filepath.Join(p.dir, ".cdsrc-private.json")); err != nil || bytes.Contains(out, []byte("hunter2")) {
		t.Fatalf("the private file: %v\n%s", err, out)
	}
	if err := os.Symlink(modules, filepath.Join(p.dir, "app", "node_modules")); err != nil {
		t.Fatal(err)
	}
	service := p.start(`listening on (http://\S+)`, nil, "cds", "watch", "--profile", "hybrid", "--port", "0", "--no-code")
	port := freePort(t)
	router := fmt.Sprintf("http://localhost:%d", port)
	p.start(`Application router is listening on port`, []string{fmt.Sprintf("PORT=%d", port),
		fmt.Sprintf(`destinations=[{"name":"srv-api","url":%q,"forwardAuthToken":true}]`, service)}, "cds", "bind", "--exec", "--", "npm", "start", "--prefix", "app")

	const path = "/odata/v4/shop/Books"
	for name, header := range map[string]string{"no token": "", "a token of nobody": "Bearer a.b.c"} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, service+path, nil)
		req.Header.Set("Authorization", header)
		if status, _ := do(t, http.DefaultClient, req); status != http.StatusUnauthorized {
			t.Errorf("%s: %d, want 401", name, status)
		}
	}
	browser := p.login(l, router+path, "alice@shop.example")
	status, body := get(t, browser, router+path+"?$select=title")
	if status != http.StatusOK || !strings.Contains(body, "Die Wand") || strings.Contains(body, "Jane Eyre") {
		t.Errorf("after the login: %d %s, want the books of the user's country", status, body)
	}
	// Writes need the approuter's token against forged requests, and the user is the one that logged in.
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, router+path, nil)
	req.Header.Set("X-Csrf-Token", "Fetch")
	res, err := browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	for token, want := range map[string]int{"": http.StatusForbidden, res.Header.Get("X-Csrf-Token"): http.StatusCreated} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, router+path, strings.NewReader(`{"ID":3,"title":"Momo","country":"DE"}`))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Csrf-Token", token)
		status, body := do(t, browser, req)
		if status != want || want == http.StatusCreated && !strings.Contains(body, `"owner":"alice@shop.example"`) {
			t.Errorf("POST with token %q: %d %s, want %d", token, status, body, want)
		}
	}
	for _, out := range p.outputs {
		if text := out.String(); strings.Contains(text, "hunter2") || regexp.MustCompile(`eyJ[\w-]+\.eyJ`).MatchString(text) {
			t.Errorf("a secret or a token was printed:\n%s", text)
		}
	}
}

// hybridProject is a project with a stand-in for cf.
type hybridProject struct {
	t       *testing.T
	dir     string
	bin     string
	env     []string
	outputs []*lockedBuffer
}

func newProject(t *testing.T, root string, l *saptest.Landscape) *hybridProject {
	t.Helper()
	dir := t.TempDir()
	p := &hybridProject{t: t, dir: filepath.Join(dir, "shop"), bin: filepath.Join(dir, "bin")}
	credentials, err := json.Marshal(claims{"credentials": claims{"clientid": "sb-shop!t1", "clientsecret": "hunter2", "url": l.URL, "uaadomain": l.Domain, "xsappname": "shop!t1",
		"identityzone": "t1", "identityzoneid": "t1", "zoneid": "t1", "tenantid": "t1", "tenantmode": "dedicated"}})
	if err != nil {
		t.Fatal(err)
	}
	cf := `#!/bin/sh
if [ "$1" = target ]; then printf 'API endpoint: https://api.cf.example\norg: my-org\nspace: dev\n'; exit; fi
case "$2" in
  /v3/service_plans/*) echo '{"name":"application","included":{"service_offerings":[{"name":"xsuaa","tags":["xsuaa"]}]}}' ;;
  */details) cat <<'END'
` + string(credentials) + `
END
  ;;
  *) echo '{"resources":[{"guid":"1","type":"managed","relationships":{"service_plan":{"data":{"guid":"2"}}}}]}' ;;
esac
`
	for name, file := range map[string]struct {
		text string
		mode os.FileMode
	}{
		"bin/cf":           {cf, 0o755},
		"ca.pem":           {string(l.CA), 0o644},
		"shop/ca.pem":      {string(l.CA), 0o644},
		"shop/.cdsrc.json": {`{"requires":{"auth":{"ca":"ca.pem"}}}`, 0o644},
		"shop/srv/shop.cds": {`@requires: 'Editor' service Shop {
  @restrict: [{ grant: ['READ', 'CREATE'], where: 'country = $user.country' }]
  entity Books { key ID : Integer; title : String; country : String; owner : String @cds.on.insert: $user; }
}`, 0o644},
		"shop/db/data/Shop.Books.csv": {"ID,title,country\n1,Die Wand,DE\n2,Jane Eyre,GB\n", 0o644},
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(file.text), file.mode); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(p.bin, "cds"), "./cmd/cds")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p.env = append(os.Environ(), "PATH="+p.bin+string(os.PathListSeparator)+os.Getenv("PATH"), "NODE_EXTRA_CA_CERTS="+filepath.Join(dir, "ca.pem"), "CDS_ENV=", "NODE_ENV=", "VCAP_SERVICES=")
	return p
}

func (p *hybridProject) run(name string, args ...string) {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), p.path(name), args...)
	cmd.Dir, cmd.Env = p.dir, p.env
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

func (p *hybridProject) path(name string) string { return filepath.Join(p.bin, name) }

// start starts a command and returns what the pattern's group matches in its output, within a minute.
func (p *hybridProject) start(ready string, env []string, name string, args ...string) string {
	p.t.Helper()
	cmd := exec.Command(p.path(name), args...)
	cmd.Dir, cmd.Env = p.dir, append(p.env, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r, w := io.Pipe()
	out := &lockedBuffer{}
	p.outputs = append(p.outputs, out)
	cmd.Stdout, cmd.Stderr = io.MultiWriter(out, w), io.MultiWriter(out, w)
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); _ = w.Close(); close(done) }()
	p.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-done
		}
	})
	found := make(chan string, 1)
	go func() {
		re := regexp.MustCompile(ready)
		sc := bufio.NewScanner(r)
		for sc.Scan() {
			if m := re.FindStringSubmatch(sc.Text()); m != nil {
				select {
				case found <- m[len(m)-1]:
				default:
				}
			}
		}
		close(found)
	}()
	select {
	case s, ok := <-found:
		if !ok {
			p.t.Fatalf("%s %v has ended:\n%s", name, args, out)
		}
		return s
	case <-time.After(time.Minute):
		p.t.Fatalf("%s %v is not ready:\n%s", name, args, out)
	}
	return ""
}

// login opens a page as a browser does: it is sent to the login, where the user says who it is, and comes back.
func (p *hybridProject) login(l *saptest.Landscape, page, user string) *http.Client {
	p.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	direct := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: 30 * time.Second}
	req, _ := http.NewRequestWithContext(p.t.Context(), http.MethodGet, page, nil)
	req.Header.Set("Accept", "text/html")
	res, err := direct.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	authorize := res.Header.Get("Location")
	if authorize == "" { // a page whose script goes there, after it has noted in cookies where to come back to
		authorize = string(regexp.MustCompile(`https://localhost:\d+/oauth/authorize\?[^"'\s]+`).Find(body))
		u, err := url.Parse(page)
		if err != nil {
			p.t.Fatal(err)
		}
		cookies := []*http.Cookie{{Name: "fragmentAfterLogin", Path: "/"}, {Name: "locationAfterLogin", Value: url.QueryEscape(u.RequestURI()), Path: "/"}}
		if m := regexp.MustCompile(`document\.cookie="signature=([^;"]+)`).FindSubmatch(body); m != nil {
			cookies = append(cookies, &http.Cookie{Name: "signature", Value: string(m[1]), Path: "/"})
		}
		jar.SetCookies(u, cookies)
	}
	if !strings.HasPrefix(authorize, l.URL+"/oauth/authorize?") {
		p.t.Fatalf("no way to the login: %d %v\n%s", res.StatusCode, res.Header, body)
	}
	req, _ = http.NewRequestWithContext(p.t.Context(), http.MethodPost, authorize, strings.NewReader(url.Values{"user": {user}}.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err = l.Client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	res.Body.Close()
	back := res.Header.Get("Location")
	if !strings.Contains(back, "/login/callback?") {
		p.t.Fatalf("the login does not lead back: %d %q", res.StatusCode, back)
	}
	if status, body := get(p.t, direct, back); status != http.StatusFound {
		p.t.Fatalf("back from the login: %d %s\n%s", status, body, p.outputs[len(p.outputs)-1])
	}
	return direct
}

func get(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.ReplaceAll(url, " ", "%20"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, c, req)
}

func do(t *testing.T, c *http.Client, req *http.Request) (int, string) {
	t.Helper()
	res, err := c.Do(req)
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

func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

// lockedBuffer is a buffer that a running command writes to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
