package serve

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"cds/parser/diag"
)

// Main is the main function of an application: it reads the flags --port, --profile, --in-memory and --dir, serves until SIGTERM or SIGINT,
// and ends the process: 0 after a graceful stop, 1 if the start failed, 2 for wrong flags.
func (a *App) Main() {
	os.Exit(a.run(os.Args[1:], os.Stderr))
}

func (a *App) run(args []string, out io.Writer) int {
	fl := flag.NewFlagSet("app", flag.ContinueOnError)
	fl.SetOutput(out)
	port := fl.Int("port", -1, "port on the loopback interface; 0 picks a free one (default 4004)")
	profile := fl.String("profile", "", "configuration profiles, separated by commas")
	memory := fl.Bool("in-memory", false, "use a private database in memory")
	dir := fl.String("dir", ".", "project folder with configuration and data")
	if err := fl.Parse(args); err != nil {
		return 2
	}
	opt := RunOptions{Options: Options{Dir: *dir, Profiles: SplitProfiles(*profile), InMemory: *memory}, Port: *port, Out: out}
	ctx, stop := Signals(context.Background())
	defer stop()
	if err := a.Run(ctx, opt); err != nil {
		report(out, err)
		return 1
	}
	return 0
}

// report writes why an application does not start: of a model each finding, with its place where the sources are known.
func report(out io.Writer, err error) {
	var m *ModelError
	if !errors.As(err, &m) || diag.Render(out, m.Diags, m.Files, diag.RenderOptions{}) != nil {
		fmt.Fprintln(out, err)
	}
}

// RunOptions configure Run.
type RunOptions struct {
	Options
	Port int       // -1: as configured (server.port, environment PORT, 4004); 0: a free one
	Out  io.Writer // for the banner; nil: none
	// Quiet leaves out the banner but for the line with the address.
	Quiet bool
}

// Run builds the application and serves it on the loopback interface until ctx ends.
func (a *App) Run(ctx context.Context, opt RunOptions) error {
	if opt.Out == nil {
		opt.Out = io.Discard
	}
	relaxCollector()
	s, err := a.Build(ctx, opt.Options)
	if err != nil {
		return err
	}
	defer s.Close()
	ln, err := listen(s, opt.Port)
	if err != nil {
		return err
	}
	url := "http://" + strings.Replace(ln.Addr().String(), "127.0.0.1", "localhost", 1)
	if !opt.Quiet {
		s.Banner(opt.Out, url)
	}
	fmt.Fprintf(opt.Out, "\n  listening on %s\n", url)
	ready()
	return s.Serve(ctx, ln)
}

// Signals returns a context that ends at the first SIGTERM or SIGINT. A second one ends the process at once.
func Signals(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-ch
		cancel()
		<-ch
		os.Exit(1)
	}()
	return ctx, cancel
}

// SplitProfiles splits a comma-separated list; "" yields none.
func SplitProfiles(s string) []string {
	var out []string
	for _, p := range strings.Split(s, ",") {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

// listen opens the port, or takes the listener that `cds watch` handed down, so that no request is refused while it restarts the program.
func listen(s *Server, port int) (net.Listener, error) {
	if fd, err := strconv.Atoi(os.Getenv("CDS_LISTEN_FD")); err == nil && fd > 2 {
		f := os.NewFile(uintptr(fd), "listener")
		defer f.Close()
		return net.FileListener(f)
	}
	if port < 0 {
		port = s.Config.Int("server.port", 4004)
		if p, err := strconv.Atoi(os.Getenv("PORT")); err == nil {
			port = p
		}
	}
	return Listen(port)
}

// Listen opens a port on the loopback interface. A port in use is a *StartError with a hint.
func Listen(port int) (net.Listener, error) {
	ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &StartError{"port-in-use", fmt.Sprintf("port %d is in use", port), "end the other server, or choose another port: --port 0 picks a free one"}
	}
	if err != nil {
		return nil, &StartError{"port-unusable", fmt.Sprintf("port %d can't be opened", port), "choose a port between 1024 and 65535, or 0 for a free one"}
	}
	return ln, nil
}

// ready tells `cds watch` that the program answers.
func ready() {
	if fd, err := strconv.Atoi(os.Getenv("CDS_READY_FD")); err == nil && fd > 2 {
		f := os.NewFile(uintptr(fd), "ready")
		_, _ = f.Write([]byte("ready\n"))
		_ = f.Close()
	}
}
