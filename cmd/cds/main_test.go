package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"cds/cmd/cds/internal/command"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"cds": func() { os.Exit(command.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", UpdateScripts: os.Getenv("CDS_UPDATE") != ""})
}

// A cdsProcess is a running cds command whose standard error is read line by line.
type cdsProcess struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string
	seen  []string
	url   string
}

// startCDS runs the command in a process of its own: the test binary under the name cds, as testscript prepares it.
func startCDS(t *testing.T, args ...string) *cdsProcess {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "cds")
	if err := os.Symlink(exe, link); err != nil {
		t.Fatal(err)
	}
	p := &cdsProcess{t: t, cmd: exec.Command(link, args...), lines: make(chan string, 1000)}
	p.cmd.Env = append(os.Environ(), "CDS_ENV=", "NODE_ENV=")
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		sc := bufio.NewScanner(stderr)
		for sc.Scan() {
			p.lines <- sc.Text()
		}
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
	return p
}

// await reads lines until one contains text, which it returns.
func (p *cdsProcess) await(text string) string {
	p.t.Helper()
	timeout := time.After(120 * time.Second)
	for {
		select {
		case l, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("the process ended before it said %q:\n%s", text, strings.Join(p.seen, "\n"))
			}
			p.seen = append(p.seen, l)
			if i := strings.Index(l, "listening on "); i >= 0 {
				p.url = strings.TrimSpace(l[i+len("listening on "):])
			}
			if strings.Contains(l, text) {
				return l
			}
		case <-timeout:
			p.t.Fatalf("no line with %q:\n%s", text, strings.Join(p.seen, "\n"))
		}
	}
}

func (p *cdsProcess) get(path, user string) (int, string) {
	p.t.Helper()
	req, err := http.NewRequest("GET", p.url+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if user != "" {
		req.SetBasicAuth(user, "")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// end sends SIGTERM and returns the exit code.
func (p *cdsProcess) end() int {
	p.t.Helper()
	http.DefaultClient.CloseIdleConnections()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		for range p.lines { // let the process write on
		}
	}()
	err := p.cmd.Wait()
	var ee *exec.ExitError
	if err != nil && !errors.As(err, &ee) {
		p.t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode()
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func project(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "db/schema.cds", "namespace shop;\nentity Books { key ID : Integer; title : String; }\n")
	write(t, dir, "srv/cat.cds", "using { shop } from '../db/schema';\nservice Cat { entity Books as projection on shop.Books; }\n")
	write(t, dir, "db/data/shop-Books.csv", "ID,title\n1,Emma\n")
	return dir
}

func TestServe_ForegroundHealthSIGTERM(t *testing.T) {
	p := startCDS(t, "serve", project(t), "--port", "0")
	p.await("listening on")
	if code, b := p.get("/health", ""); code != 200 {
		t.Errorf("health: %d %s", code, b)
	}
	if code, b := p.get("/odata/v4/cat/Books", ""); code != 200 || !strings.Contains(b, "Emma") {
		t.Errorf("Books: %d %s", code, b)
	}
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
}

func TestWatch_FollowsModelDataAndErrors(t *testing.T) {
	dir := project(t)
	p := startCDS(t, "watch", dir, "--port", "0")
	p.await("ready after")

	write(t, dir, "db/data/shop-Books.csv", "ID,title\n1,Emma\n2,Persuasion\n")
	p.await("ready after")
	if _, b := p.get("/odata/v4/cat/Books", ""); !strings.Contains(b, "Persuasion") {
		t.Errorf("the change of the data is not served: %s", b)
	}

	write(t, dir, "srv/cat.cds", "using { shop } from '../db/schema';\nservice Cat { entity Books as projection on shop.Boks; }\n")
	p.await("srv/cat.cds:2:")
	p.await("waiting for a change")
	if code, _ := p.get("/odata/v4/cat/Books", ""); code != 200 {
		t.Errorf("with an error in the model the last good state must go on: %d", code)
	}

	write(t, dir, "srv/cat.cds", "using { shop } from '../db/schema';\n@requires: 'admin' service Cat { entity Books as projection on shop.Books; }\n")
	p.await("ready after")
	if code, _ := p.get("/odata/v4/cat/Books", ""); code != 401 {
		t.Errorf("the new @requires is not in force: %d", code)
	}
	if code, _ := p.get("/odata/v4/cat/Books", "alice"); code != 200 {
		t.Errorf("alice: %d", code)
	}
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// A project that has errors from the start answers 503 until they are mended.
func TestWatch_StartsWithErrors(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "srv/cat.cds", "service Cat { entity Books as projection on Nothing; }\n")
	port := freePort(t)
	p := startCDS(t, "watch", dir, "--port", port)
	p.await("srv/cat.cds:1:")
	p.await("waiting for a change")
	p.url = "http://localhost:" + port
	if code, b := p.get("/odata/v4/cat/Books", ""); code != 503 || !strings.Contains(b, "errors") {
		t.Errorf("%d %s, want 503", code, b)
	}
	write(t, dir, "srv/cat.cds", "service Cat { entity Books { key ID : Integer; } }\n")
	p.await("ready after")
	if code, _ := p.get("/odata/v4/cat/Books", ""); code != 200 {
		t.Errorf("mended: %d", code)
	}
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
}

// A project with a Go main package is generated, built and run; a change of a handler is live without a hand.
func TestWatch_GoProject(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	// Inside the module, so that it builds without a module of its own.
	dir, err := os.MkdirTemp(filepath.Join(root, "cmd", "cds", "testdata"), "watch-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	write(t, dir, "srv/cat.cds", "service Cat { function hello() returns String; }\n")
	write(t, dir, "main.go", mainGo(filepath.Base(dir)))
	handler := func(text string) string {
		return fmt.Sprintf(`package srv

import (
	"context"

	"cds/cmd/cds/testdata/%s/internal/gen/cat"
	cds "cds/runtime"
)

type impl struct{}

func (impl) Hello(context.Context, *cds.Request[cds.None]) (cds.Opt[string], error) { return cds.Some(%q), nil }

// Register registers the handlers.
func Register(app *cds.App) error { return cat.Serve(app, impl{}) }
`, filepath.Base(dir), text)
	}
	write(t, dir, "srv/cat.go", handler("one"))
	p := startCDS(t, "watch", dir, "--port", "0")
	p.await("ready after")
	if _, b := p.get("/odata/v4/cat/hello()", ""); !strings.Contains(b, "one") {
		t.Errorf("hello: %s", b)
	}
	write(t, dir, "srv/cat.go", handler("two"))
	p.await("ready after")
	if _, b := p.get("/odata/v4/cat/hello()", ""); !strings.Contains(b, "two") {
		t.Errorf("the changed handler is not live: %s", b)
	}
	write(t, dir, "srv/cat.cds", "@requires: 'admin' service Cat { function hello() returns String; }\n")
	p.await("the changed model is live")
	if code, _ := p.get("/odata/v4/cat/hello()", ""); code != 401 {
		t.Errorf("the changed model must be in force before the program is built: %d", code)
	}
	p.await("ready after")
	if code, _ := p.get("/odata/v4/cat/hello()", ""); code != 401 {
		t.Errorf("with the new program: %d, want 401", code)
	}
	if code, b := p.get("/odata/v4/cat/hello()", "alice"); code != 200 || !strings.Contains(b, "two") {
		t.Errorf("alice: %d %s", code, b)
	}
	write(t, dir, "srv/cat.go", "package srv\n\nfunc broken( {\n")
	p.await("go-build")
	p.await("waiting for a change")
	if _, b := p.get("/odata/v4/cat/hello()", "alice"); !strings.Contains(b, "two") {
		t.Errorf("with an error in the code the last good program must go on: %s", b)
	}
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func mainGo(name string) string {
	return fmt.Sprintf(`package main

import (
	"cds/cmd/cds/testdata/%[1]s/internal/gen/model"
	"cds/cmd/cds/testdata/%[1]s/srv"
	"cds/runtime/db/sqlite"
	"cds/runtime/serve"
	"cds/strategies"
)

func main() {
	app := serve.New(model.Model)
	app.Databases(sqlite.New())
	app.Strategies(strategies.Builtin())
	app.Register(srv.Register)
	app.Main()
}
`, name)
}
