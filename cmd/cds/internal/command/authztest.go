package command

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"cds/runtime/authztest"
	"cds/runtime/serve"

	"github.com/spf13/cobra"
)

type authzTestFlags struct {
	profile, format, service string
	seed                     uint64
	all                      bool
}

func (e *env) authzTest() *cobra.Command {
	f := authzTestFlags{format: "text"}
	cmd := &cobra.Command{
		Use:   "test [folder or files]",
		Short: "Make test cases from the restrictions, and try them at all doors",
		Long: `Makes cases from the restrictions of a model: for each grant users and rows that it lets through and that it just does not - without the role, without the
attribute, with a row on the other side of each comparison, with null, with nothing behind an exists, of another tenant. The rows are made up, in a database in
memory. Each case is tried over OData, REST, $batch, $expand, paths, $filter and from code, and compared with what the annotations say, as a slow evaluator
that shares no code with the runtime reads them.

The handlers of the project do not run: cdstest.Authz runs the cases with them, in a Go test. What no case could be made for is listed, with the reason.
The exit code is 1 if something differs.`,
		Example: "  cds authz test .\n  cds authz test . --all\n  cds authz test . --format junit > authz.xml",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains([]string{"text", "json", "junit"}, f.format) {
				return usageError{fmt.Errorf("--format is text, json or junit, not %q", f.format)}
			}
			return e.runAuthzTest(cmd.Context(), args, &f)
		},
	}
	cmd.Flags().StringVar(&f.format, "format", f.format, "text, json or junit")
	cmd.Flags().BoolVar(&f.all, "all", false, "list all cases, not only those that differ")
	cmd.Flags().StringVar(&f.service, "service", "", "this service only")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "makes other rows")
	cmd.Flags().StringVar(&f.profile, "profile", matrixProfile, "configuration profiles, separated by commas")
	return cmd
}

func (e *env) runAuthzTest(ctx context.Context, args []string, f *authzTestFlags) error {
	opt, err := matrixOptions(args, f.profile)
	if err != nil {
		return err
	}
	src, err := e.sources(args, &compileFlags{profile: f.profile})
	if err != nil {
		return err
	}
	res := src.compile()
	if res.Model == nil || res.Diags.HasErrors() {
		return &serve.ModelError{Diags: res.Diags, Files: res.Files}
	}
	if f.service != "" && res.Model.Service(f.service) == nil {
		return unknownService(res.Model, f.service)
	}
	rep, diags, err := authztest.Run(ctx, res.Model, authztest.Options{Authz: opt.Policy, Seed: f.seed, Service: f.service})
	switch {
	case err != nil:
		return err
	case rep == nil:
		return &serve.ModelError{Diags: diags, Files: res.Files}
	}
	if err := rep.Write(e.out, f.format, f.all); err != nil {
		return err
	}
	if rep.Differences > 0 {
		return silent{errors.New(rep.Summary())}
	}
	return nil
}
