// Package command is the command line of cds: one file per command.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"cds/parser/diag"
	"cds/parser/token"
	"cds/runtime/deploy"
	"cds/runtime/serve"

	"github.com/spf13/cobra"
)

// Exit codes: 0 success, 1 the work failed (diagnostics, a start that failed), 2 the command line is wrong.
const (
	exitFailed = 1
	exitUsage  = 2
)

// env is what commands share.
type env struct {
	in       io.Reader
	out, err io.Writer
	color    bool
}

// silent is an error that has been shown already.
type silent struct{ error }

// usageError is a wrong command line.
type usageError struct{ error }

// Main runs one command and returns the exit code.
func Main(args []string, in io.Reader, out, errw io.Writer) int {
	e := &env{in: in, out: out, err: errw, color: isTerminal(errw)}
	root := e.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errw)
	ctx, stop := serve.Signals(context.Background())
	defer stop()
	err := root.ExecuteContext(ctx)
	var s silent
	var u usageError
	var code exitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &s):
		return exitFailed
	case errors.As(err, &u):
		fmt.Fprintf(errw, "error[usage]: %v\n", err)
		return exitUsage
	}
	e.show(err)
	return exitFailed
}

func (e *env) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "cds",
		Short:         "Annotation-driven services from CDS models",
		Long:          "cds serves CDS models with @requires and @restrict as OData services, and generates typed Go code for their handlers.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q%s", args[0], suggest(cmd, args[0]))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see: cds help %s", err, cmd.Name())}
	})
	root.AddCommand(e.watch(), e.serve(), e.deploy(), e.encrypt(), e.add(), e.bind(), e.compile(), e.fmt(), e.lint(), e.gen(), e.env(), e.auth(), e.authz(), e.audit(), e.explain(), e.version())
	return root
}

func suggest(cmd *cobra.Command, name string) string {
	cmd.SuggestionsMinimumDistance = 2
	if s := cmd.SuggestionsFor(name); len(s) > 0 {
		return fmt.Sprintf("; did you mean %q?", s[0])
	}
	return "; see: cds help"
}

// show prints an error of the product in its best form.
func (e *env) show(err error) {
	var me *serve.ModelError
	var de *deploy.Error
	switch {
	case errors.As(err, &me):
		e.diagnostics(me.Diags, me.Files)
	case errors.As(err, &de):
		fmt.Fprintln(e.err, de.Error())
	default:
		fmt.Fprintln(e.err, err)
	}
}

func (e *env) diagnostics(l diag.List, files *token.FileSet) {
	diag.Render(e.err, l, files, diag.RenderOptions{Color: e.color})
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// maxArgs is cobra.MaximumNArgs as a usage error.
func maxArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.MaximumNArgs(n)(cmd, args); err != nil {
			return usageError{fmt.Errorf("%w; see: cds help %s", err, cmd.Name())}
		}
		return nil
	}
}
