package command

import (
	"cds/runtime/serve"

	"github.com/spf13/cobra"
)

// serveFlags are the flags of serve and watch.
type serveFlags struct {
	port    int
	profile string
	memory  bool
	noCode  bool
}

func (f *serveFlags) add(cmd *cobra.Command) {
	cmd.Flags().IntVar(&f.port, "port", -1, "port on the loopback interface; 0 picks a free one")
	cmd.Flags().Lookup("port").DefValue = "4004"
	cmd.Flags().StringVar(&f.profile, "profile", "", "configuration profiles, separated by commas")
	cmd.Flags().BoolVar(&f.memory, "in-memory", false, "use a private database in memory, whatever is configured")
	cmd.Flags().BoolVar(&f.noCode, "no-code", false, "serve the bare models, without the project's Go code")
}

func (e *env) serve() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve [dir]",
		Short: "Serve a project",
		Long: `Serve the project in a folder on the loopback interface, in the foreground. GET /health answers 200 once it is ready; SIGTERM ends it
gracefully with exit code 0. A project with a Go main package is built and run; --no-code serves its models alone.`,
		Args: maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := newProject(args, f.profile)
			if err != nil {
				return err
			}
			if !f.noCode && p.hasGoMain() {
				return e.serveGo(cmd.Context(), p, f)
			}
			res, err := e.compiled(p)
			if err != nil {
				return err
			}
			environ, err := e.environ(cmd.Context(), p)
			if err != nil {
				return err
			}
			return p.app(res.Model).Run(cmd.Context(), serve.RunOptions{
				Options: serve.Options{Dir: p.dir, Profiles: p.profiles, InMemory: f.memory, Env: environ},
				Port:    f.port, Out: e.err,
			})
		},
	}
	f.add(cmd)
	return cmd
}
