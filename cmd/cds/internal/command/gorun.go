package command

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"cds/parser/csn"
	"cds/runtime/serve"
)

// A goRunner regenerates, builds and runs a project's Go main package. Programs share one listener: the next one answers before the
// one before it is told to end.
type goRunner struct {
	e     *env
	p     *project
	f     serveFlags
	ln    net.Listener
	tmp   string
	bin   string
	n     int
	child *child
	// waiting answers with 503 until there is a first program.
	waiting *http.Server
}

func newGoRunner(e *env, p *project, f serveFlags, ln net.Listener) *goRunner {
	return &goRunner{e: e, p: p, f: f, ln: ln}
}

func (r *goRunner) update(ctx context.Context, c change) error {
	err := r.swap(ctx, c)
	if err != nil && r.child == nil && r.waiting == nil {
		r.wait()
	}
	var s silent
	if err != nil && !errors.As(err, &s) {
		r.e.show(err)
	}
	return err
}

func (r *goRunner) swap(ctx context.Context, c change) error {
	n := 0
	if c.model || c.config || r.child == nil {
		res, err := r.e.compiled(r.p)
		if err != nil {
			return err
		}
		if r.child != nil && !c.code {
			r.preview(ctx, res.Model)
		}
		if n, err = r.regenerate(res.Model); err != nil {
			return err
		}
	}
	if r.child == nil || c.code || n > 0 {
		bin, err := r.build(ctx)
		if err != nil {
			return err
		}
		r.bin = bin
	}
	return r.start(ctx, "")
}

// wait answers requests as long as there is no program that could.
func (r *goRunner) wait() {
	tcp, ok := r.ln.(*net.TCPListener)
	if !ok {
		return
	}
	f, err := tcp.File()
	if err != nil {
		return
	}
	defer f.Close()
	ln, err := net.FileListener(f)
	if err != nil {
		return
	}
	r.waiting = &http.Server{Handler: http.HandlerFunc(notYet), ReadHeaderTimeout: 10 * time.Second}
	go func(s *http.Server) { _ = s.Serve(ln) }(r.waiting) // ends with ErrServerClosed
}

// preview serves a changed model with the program there is, within a moment, while the next one is built. Where it cannot, since handlers need
// what the model no longer has, the program before goes on.
func (r *goRunner) preview(ctx context.Context, m *csn.Model) {
	file := filepath.Join(r.tmp, "model.csn")
	if err := os.WriteFile(file, csn.Marshal(m, csn.MarshalOptions{}), 0o600); err != nil {
		return
	}
	if r.start(ctx, file) == nil {
		fmt.Fprintln(r.e.err, "  the changed model is live; building the program that goes with it")
	}
}

// start starts the program and ends the one before.
func (r *goRunner) start(ctx context.Context, model string) error {
	next, err := startChild(ctx, r.e, r.p, r.f, r.bin, model, r.ln)
	if err != nil {
		return err
	}
	old := r.child
	r.child = next
	old.stop()
	if r.waiting != nil {
		_ = r.waiting.Close()
		r.waiting = nil
	}
	return nil
}

// regenerate writes the generated code of the model and returns how many files changed.
func (r *goRunner) regenerate(m *csn.Model) (int, error) {
	files, err := r.e.generate(r.p, m)
	if err != nil {
		return 0, err
	}
	n, err := writeFiles(r.p.dir, files)
	if n > 0 {
		fmt.Fprintf(r.e.err, "  %d generated files changed\n", n)
	}
	return n, err
}

func (r *goRunner) build(ctx context.Context) (string, error) {
	if r.tmp == "" {
		dir, err := os.MkdirTemp("", "cds-watch-")
		if err != nil {
			return "", err
		}
		r.tmp = dir
	}
	r.n++
	bin := filepath.Join(r.tmp, "app"+strconv.Itoa(r.n%2))
	return bin, goBuild(ctx, r.p.dir, bin)
}

func (r *goRunner) stop() {
	r.child.stop()
	if r.waiting != nil {
		_ = r.waiting.Close()
	}
	if r.tmp != "" {
		_ = os.RemoveAll(r.tmp)
	}
}

// goBuild builds the main package in dir. The compiler's messages are the error.
func goBuild(ctx context.Context, dir, bin string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", bin, ".")
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return &serve.StartError{Code: "no-go", Message: "the go command was not found", Hint: "install Go, or serve the bare models with --no-code"}
		}
		return &serve.StartError{Code: "go-build", Message: "the Go code does not build\n" + out.String(), Hint: "after a change of the model, handlers may need one too"}
	}
	return nil
}

// serveGo builds and runs a project's program once, in the foreground.
func (e *env) serveGo(ctx context.Context, p *project, f serveFlags) error {
	tmp, err := os.MkdirTemp("", "cds-serve-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	bin := filepath.Join(tmp, "app")
	if err := goBuild(ctx, p.dir, bin); err != nil {
		return err
	}
	port := f.port
	if port < 0 {
		cfg, err := serve.LoadConfig(serve.Options{Dir: p.dir, Profiles: p.profiles})
		if err != nil {
			return err
		}
		port = cfg.Int("server.port", 4004)
	}
	ln, err := serve.Listen(port)
	if err != nil {
		return err
	}
	defer ln.Close()
	c, err := startChild(ctx, e, p, f, bin, "", ln)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		c.stop()
		return nil
	case err := <-c.done:
		return err
	}
}

// A child is a running program of the project.
type child struct {
	cmd  *exec.Cmd
	done chan error
}

// startChild starts the program on the given listener and waits until it answers. If it ends before that, its exit is the error; it has
// said why on standard error.
func startChild(ctx context.Context, e *env, p *project, f serveFlags, bin, model string, ln net.Listener) (*child, error) {
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		return nil, errors.New("the listener has no file")
	}
	lf, err := tcp.File()
	if err != nil {
		return nil, err
	}
	defer lf.Close()
	readyR, readyW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer readyR.Close()
	args := []string{}
	if f.profile != "" {
		args = append(args, "--profile", f.profile)
	}
	if f.memory {
		args = append(args, "--in-memory")
	}
	environ, err := e.environ(ctx, p)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(bin, args...)
	cmd.Dir = p.dir
	cmd.Stdout, cmd.Stderr = e.err, e.err
	cmd.ExtraFiles = []*os.File{lf, readyW} // descriptors 3 and 4
	cmd.Env = append(environ, "CDS_LISTEN_FD=3", "CDS_READY_FD=4", "CDS_MODEL="+model)
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		readyW.Close()
		return nil, err
	}
	readyW.Close()
	c := &child{cmd: cmd, done: make(chan error, 1)}
	go func() { c.done <- cmd.Wait() }()
	line, _ := bufio.NewReader(readyR).ReadString('\n')
	if line != "" {
		return c, nil
	}
	select {
	case <-ctx.Done():
		c.stop()
		return nil, ctx.Err()
	case err := <-c.done:
		if err == nil {
			err = errors.New("it ended at once")
		}
		return nil, &serve.StartError{Code: "app-start", Message: "the program did not start: " + err.Error()}
	}
}

// stop ends the program gracefully, and by force after 35 seconds. It does nothing for a nil child.
func (c *child) stop() {
	if c == nil {
		return
	}
	_ = terminate(c.cmd)
	select {
	case <-c.done:
	case <-time.After(35 * time.Second):
		_ = c.cmd.Process.Kill()
		<-c.done
	}
}
