package command

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"cds/runtime/serve"

	"github.com/spf13/cobra"
)

func (e *env) watch() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "watch [dir]",
		Short: "Serve a project and restart it on every change",
		Long: `Serve the project in a folder and follow changes of its models, data, configuration and Go code. While a change has errors, they are
shown and the last good state goes on serving. A project with a Go main package is regenerated, built and run.`,
		Args: maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := newProject(args, f.profile)
			if err != nil {
				return err
			}
			changes, err := watchFiles(cmd.Context(), p.dir)
			if err != nil {
				return err
			}
			ln, err := e.watchListener(p, f.port)
			if err != nil {
				return err
			}
			defer ln.Close()
			var r runner
			if !f.noCode && p.hasGoMain() {
				r = newGoRunner(e, p, f, ln)
			} else {
				r = newModelRunner(e, p, f, ln)
			}
			defer r.stop()
			return e.follow(cmd.Context(), r, changes)
		},
	}
	f.add(cmd)
	return cmd
}

// A runner serves one state of a project after the other.
type runner interface {
	// update brings the project's current state to life. On an error, which it has shown, the last good state goes on.
	update(ctx context.Context, c change) error
	stop()
}

func (e *env) follow(ctx context.Context, r runner, changes <-chan change) error {
	began := time.Now()
	err := r.update(ctx, change{model: true, code: true, data: true, config: true})
	e.report(err, began)
	for c := range changes {
		fmt.Fprintln(e.err, strings.Repeat("_", 72))
		began = time.Now()
		e.report(r.update(ctx, c), began)
	}
	fmt.Fprintln(e.err, "\n  watch has ended")
	return nil
}

func (e *env) report(err error, began time.Time) {
	if err != nil {
		fmt.Fprintln(e.err, "  waiting for a change that mends this")
		return
	}
	fmt.Fprintf(e.err, "  ready after %d ms; watching for changes\n", time.Since(began).Milliseconds())
}

// watchListener opens the port once: it stays open over all restarts.
func (e *env) watchListener(p *project, port int) (net.Listener, error) {
	if port < 0 {
		port = 4004
		if cfg, err := serve.LoadConfig(serve.Options{Dir: p.dir, Profiles: p.profiles}); err == nil {
			port = cfg.Int("server.port", port)
		} else {
			e.show(err)
		}
	}
	return serve.Listen(port)
}

// A modelRunner serves bare models in this process. The handler is swapped; requests that are under way finish on the old one.
type modelRunner struct {
	e       *env
	p       *project
	f       serveFlags
	ln      net.Listener
	current atomic.Pointer[serve.Server]
	started bool
	http    *http.Server
	serving chan struct{}
}

func newModelRunner(e *env, p *project, f serveFlags, ln net.Listener) *modelRunner {
	return &modelRunner{e: e, p: p, f: f, ln: ln}
}

func (r *modelRunner) update(ctx context.Context, _ change) error {
	if !r.started {
		r.started = true
		r.start()
	}
	res, err := r.p.compile()
	if err != nil {
		r.e.show(err)
		return err
	}
	r.e.diagnostics(res.Diags, res.Files)
	if res.Model == nil {
		return silent{res.Diags}
	}
	environ, err := r.e.environ(ctx, r.p)
	if err != nil {
		r.e.show(err)
		return err
	}
	next, err := r.p.app(res.Model).Build(ctx, serve.Options{Dir: r.p.dir, Profiles: r.p.profiles, InMemory: r.f.memory, Env: environ})
	if err != nil {
		r.e.show(err)
		return err
	}
	old := r.current.Swap(next)
	if old != nil {
		time.AfterFunc(30*time.Second, func() { _ = old.Close() }) // requests on it have ended by then
	}
	url := "http://" + strings.Replace(r.ln.Addr().String(), "127.0.0.1", "localhost", 1)
	next.Banner(r.e.err, url)
	fmt.Fprintf(r.e.err, "\n  listening on %s\n", url)
	return nil
}

func (r *modelRunner) start() {
	r.http = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if s := r.current.Load(); s != nil {
				s.Handler().ServeHTTP(w, req)
				return
			}
			notYet(w, req)
		}),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 60 * time.Second, IdleTimeout: 120 * time.Second,
		MaxHeaderBytes: 32 << 10,
	}
	r.serving = make(chan struct{})
	go func() {
		defer close(r.serving)
		_ = r.http.Serve(r.ln) // ends with ErrServerClosed
	}()
}

// notYet answers while there is no good state to serve.
func notYet(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, "The project has errors: see the terminal where cds watch runs.", http.StatusServiceUnavailable)
}

func (r *modelRunner) stop() {
	if r.http != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if r.http.Shutdown(ctx) != nil {
			_ = r.http.Close()
		}
		<-r.serving
	}
	if s := r.current.Load(); s != nil {
		if err := s.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}
