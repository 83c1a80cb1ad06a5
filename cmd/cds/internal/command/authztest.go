package command

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"cds/codegen/authzmatrix"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/runtime/authztest"
	"cds/runtime/serve"

	"github.com/spf13/cobra"
)

// authzTestFlags are the flags of cds authz test. own is the command that runs the project's tests.
type authzTestFlags struct {
	profile, format, service string
	to                       string
	seed                     uint64
	all, mutate, exec        bool
	policies                 bool
	min                      float64
	own                      []string
}

func (e *env) authzTest() *cobra.Command {
	f := authzTestFlags{format: "text"}
	cmd := &cobra.Command{
		Use:   "test [folder or files] [-- command]",
		Short: "Make test cases from the restrictions and try them at all doors; measure what tests would notice",
		Long: `Makes cases from the restrictions of a model: for each grant users and rows that it lets through and that it just does not - without the role, without the
attribute, with a row on the other side of each comparison, with null, with nothing behind an exists, of another tenant. The rows are made up, in a database in
memory, or with --to postgres on PostgreSQL: on a server that is started for it, or in databases of its own on the one that a URL leads to. Each case is tried over OData, REST, $batch, $expand, paths, $filter and from code, and compared with what the annotations say, as a slow evaluator
that shares no code with the runtime reads them. PUT, rows that are written together with their parts, and drafts are among them; with --policies, policies as data too. Handlers of the project do not run; cdstest.Authz runs the cases with them, in a Go test. What no case
could be made for is listed, with the reason. The exit code is 1 if something differs.

--mutate changes the restrictions one by one - drops a grant, a deny, a condition, a mask or @requires, grants to everybody or everything, negates a condition, takes
one operator for another - and tells which changes no case notices. With --exec the command after -- is what should notice: it is run in the folder with
the changed model in CDS_TEST_MODEL, which apps of cdstest start with. Changes after which nobody may do more or less do not count. --min makes the exit
code 1 below a score in percent.`,
		Example: "  cds authz test .\n  cds authz test . --format junit > authz.xml\n  cds authz test . --to postgres\n  cds authz test . --mutate --min 90\n  cds authz test . --mutate --exec -- go test ./...",
		RunE: func(cmd *cobra.Command, args []string) error {
			if n := cmd.ArgsLenAtDash(); n >= 0 {
				args, f.own = args[:n], args[n:]
			}
			if err := f.check(); err != nil {
				return err
			}
			if f.mutate {
				return e.runAuthzMutate(cmd.Context(), args, &f)
			}
			return e.runAuthzTest(cmd.Context(), args, &f)
		},
	}
	cmd.Flags().StringVar(&f.format, "format", f.format, "text, json or junit")
	cmd.Flags().BoolVar(&f.all, "all", false, "list all cases, or all changes")
	cmd.Flags().StringVar(&f.service, "service", "", "cases of this service only")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "makes other rows")
	cmd.Flags().BoolVar(&f.policies, "policies", false, "with made-up policies as data, which narrow what the restrictions grant")
	cmd.Flags().StringVarP(&f.to, "to", "2", "", "database: sqlite, in memory, or postgres[:url] (default sqlite)")
	cmd.Flags().BoolVar(&f.mutate, "mutate", false, "change the restrictions one by one, and tell which changes nobody notices")
	cmd.Flags().BoolVar(&f.exec, "exec", false, "with --mutate: the command after -- is what should notice")
	cmd.Flags().Float64Var(&f.min, "min", 0, "with --mutate: exit code 1 below this score, in percent")
	cmd.Flags().StringVar(&f.profile, "profile", matrixProfile, "configuration profiles, separated by commas")
	return cmd
}

// check refuses flags that do not go together.
func (f *authzTestFlags) check() error {
	switch {
	case !slices.Contains([]string{"text", "json", "junit"}, f.format):
		return usageError{fmt.Errorf("--format is text, json or junit, not %q", f.format)}
	case f.mutate && f.format == "junit":
		return usageError{errors.New("--mutate writes text or json")}
	case !f.mutate && (f.exec || f.min != 0):
		return usageError{errors.New("--exec and --min need --mutate")}
	case f.exec != (len(f.own) > 0):
		return usageError{errors.New("--exec and a command after -- belong together: --mutate --exec -- go test ./...")}
	case f.exec && f.to != "":
		return usageError{errors.New("--to is for the generated cases: with --exec the command says which database it takes")}
	case f.min < 0 || f.min > 100:
		return usageError{fmt.Errorf("--min is a percentage, not %v", f.min)}
	}
	return nil
}

// databases makes those that the cases are tried on; nil for SQLite in memory.
func (f *authzTestFlags) databases(ctx context.Context) (*authztest.Postgres, error) {
	kind, url, _ := strings.Cut(f.to, ":")
	switch {
	case f.to == "", f.to == "sqlite":
		return nil, nil
	case kind == "postgres" && strings.HasPrefix(url, "//"), kind == "postgresql": // the URL itself
		url = f.to
	case kind != "postgres":
		return nil, usageError{fmt.Errorf("--to: the database %q is not known: expected sqlite or postgres[:url]", kind)}
	}
	p, err := authztest.OnPostgres(ctx, url)
	if err != nil {
		return nil, &serve.StartError{Code: "authz-database", Message: err.Error(),
			Hint: "--to postgres starts a server of its own where PostgreSQL is installed; --to postgres:postgres://user:password@host/database makes databases there and removes them again"}
	}
	return p, nil
}

// on has cases tried on the database that was asked for; done ends it.
func (p *policyTest) on(ctx context.Context, f *authzTestFlags) (done func(), err error) {
	pg, err := f.databases(ctx)
	if pg == nil || err != nil {
		return func() {}, err
	}
	p.opt.Databases = pg
	return func() { _ = pg.Close() }, nil
}

// policyTest is what both kinds of runs need: the model and its sources, and how it is served.
type policyTest struct {
	src    *source
	model  *csn.Model
	opt    authztest.Options
	matrix authzmatrix.Options
}

func (e *env) policyTest(args []string, f *authzTestFlags) (*policyTest, error) {
	opt, err := matrixOptions(args, f.profile)
	if err != nil {
		return nil, err
	}
	src, res, err := e.policyModel(args, f.profile, f.service)
	if err != nil {
		return nil, err
	}
	opt.Files = res.Files
	return &policyTest{src, res.Model, authztest.Options{Authz: opt.Policy, Seed: f.seed, Service: f.service, Policies: f.policies}, opt}, nil
}

func (e *env) runAuthzTest(ctx context.Context, args []string, f *authzTestFlags) error {
	p, err := e.policyTest(args, f)
	if err != nil {
		return err
	}
	done, err := p.on(ctx, f)
	if err != nil {
		return err
	}
	defer done()
	rep, diags, err := authztest.Run(ctx, p.model, p.opt)
	switch {
	case err != nil:
		return err
	case rep == nil:
		return &serve.ModelError{Diags: diags, Files: p.matrix.Files}
	}
	if err := rep.Write(e.out, f.format, f.all); err != nil {
		return err
	}
	if rep.Differences > 0 {
		return silent{errors.New(rep.Summary())}
	}
	return nil
}

func (e *env) runAuthzMutate(ctx context.Context, args []string, f *authzTestFlags) error {
	p, err := e.policyTest(args, f)
	if err != nil {
		return err
	}
	done, err := p.on(ctx, f)
	if err != nil {
		return err
	}
	defer done()
	lab := authztest.Laboratory{Compile: p.compile, Same: p.same}
	if f.exec {
		dir := "."
		if len(args) == 1 {
			dir = args[0]
		}
		tmp, err := os.MkdirTemp("", "cds-authz-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		runs := 0
		lab.Exec = func(ctx context.Context, m *csn.Model) (bool, error) {
			runs++ // a name of its own, lest results of other models are taken for its
			return ownTests(ctx, dir, f.own, m, filepath.Join(tmp, fmt.Sprintf("model%d.json", runs)))
		}
		lab.Progress = func(done, all int, mu *authztest.Mutant) {
			fmt.Fprintf(e.err, "%d/%d %s: %s: %s\n", done, all, mu.At, mu.What, mu.Outcome)
		}
	}
	s, diags, err := authztest.Measure(ctx, p.model, p.matrix.Files, p.opt, lab)
	switch {
	case errors.Is(err, authztest.ErrUnchanged):
		return &serve.StartError{Code: "authz-unchanged", Message: err.Error(), Hint: "cds authz test, or the command itself, shows what; mend that first"}
	case err != nil:
		return err
	case s == nil:
		return &serve.ModelError{Diags: diags, Files: p.matrix.Files}
	case f.format == "json":
		err = s.JSON(e.out)
	default:
		err = s.Write(e.out, f.all)
	}
	if err != nil {
		return err
	}
	if s.Percent() < f.min {
		fmt.Fprintf(e.err, "error[authz-score]: the score is %.1f%%, less than %v%%\n", s.Percent(), f.min)
		return silent{errors.New("score too low")}
	}
	return nil
}

// compile compiles the model with some files replaced.
func (p *policyTest) compile(files map[string]string) (*csn.Model, diag.List) {
	src := *p.src
	src.texts = map[string]string{}
	maps.Copy(src.texts, p.src.texts)
	maps.Copy(src.texts, files)
	res := src.compile()
	return res.Model, res.Diags
}

// same reports whether it could be proved that two models grant the same.
func (p *policyTest) same(before, after *csn.Model) bool {
	d, found := authzmatrix.Compare(before, after, p.matrix, p.matrix)
	return d != nil && !found.HasErrors() && len(d.Changes) == 0
}

// ownTests runs a project's tests with a model, and reports whether they fail.
func ownTests(ctx context.Context, dir string, command []string, m *csn.Model, file string) (bool, error) {
	if err := os.WriteFile(file, csn.Marshal(m, csn.MarshalOptions{}), 0o600); err != nil {
		return false, err
	}
	defer func() { _ = os.Remove(file) }()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), authztest.ModelVariable+"="+file)
	err := cmd.Run()
	var failed *exec.ExitError
	switch {
	case err == nil:
		return false, nil
	case errors.As(err, &failed) && ctx.Err() == nil:
		return true, nil
	}
	return false, fmt.Errorf("%s: %w", strings.Join(command, " "), err)
}
