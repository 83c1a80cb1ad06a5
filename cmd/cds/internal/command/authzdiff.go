package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"cds/codegen/authzmatrix"
	cdl "cds/parser"
	"cds/parser/diag"
	"cds/runtime/serve"

	"github.com/spf13/cobra"
)

// What makes diff fail.
const (
	failOnWiden = "widen"
	failOnAny   = "any"
	failOnNone  = "none"
)

type diffFlags struct{ profile, oldProfile, dir, format, failOn, service string }

func (e *env) authzDiff() *cobra.Command {
	f := diffFlags{format: "text", failOn: failOnWiden, dir: "."}
	cmd := &cobra.Command{
		Use:   "diff old [new]",
		Short: "Tell who gains and who loses rights between two models",
		Long: `Compares the policies of two models and tells for every operation who may more and who may less, with an example of a user and a row for
each direction. old and new are folders of projects, files, or revisions of git (HEAD~1, a branch, git:NAME where a folder has the same name);
without new it is the folder of --dir. Revisions are read from git and leave the working tree alone.

The exit code is 0 if nothing changes, or nothing that --fail-on names: "widen" (the default) fails if somebody may more, or if that could not be
decided; "any" fails for every change; "none" never fails. 2 is a wrong command line.

What is compared are rights to operations and restricted elements. An element without a restriction follows its entity, and is not listed.`,
		Example: "  cds authz diff HEAD~1\n  cds authz diff main . --format md --fail-on any\n  cds authz diff ../old ../new",
		RunE: func(cmd *cobra.Command, args []string) error {
			defer oneShot()()
			switch {
			case len(args) < 1 || len(args) > 2:
				return usageError{errors.New("cds authz diff takes one or two models: old and new; see: cds help authz diff")}
			case !slices.Contains(authzmatrix.DiffFormats(), f.format):
				return usageError{fmt.Errorf("--format is one of %s, not %q", strings.Join(authzmatrix.DiffFormats(), ", "), f.format)}
			case !slices.Contains([]string{failOnWiden, failOnAny, failOnNone}, f.failOn):
				return usageError{fmt.Errorf("--fail-on is widen, any or none, not %q", f.failOn)}
			}
			if len(args) == 1 {
				args = append(args, f.dir)
			}
			return e.diffModels(cmd.Context(), args[0], args[1], &f)
		},
	}
	cmd.Flags().StringVar(&f.format, "format", f.format, "text, json or md")
	cmd.Flags().StringVar(&f.failOn, "fail-on", f.failOn, "what gives the exit code 1: widen, any or none")
	cmd.Flags().StringVar(&f.dir, "dir", f.dir, "folder of the project that revisions are of")
	cmd.Flags().StringVar(&f.service, "service", "", "this service only")
	cmd.Flags().StringVar(&f.profile, "profile", matrixProfile, "configuration profiles, separated by commas")
	cmd.Flags().StringVar(&f.oldProfile, "old-profile", "", "profiles of old, if they are others")
	return cmd
}

func (e *env) diffModels(ctx context.Context, before, after string, f *diffFlags) error {
	oldProfile := f.oldProfile
	if oldProfile == "" {
		oldProfile = f.profile
	}
	a, oldOpt, err := e.side(ctx, before, oldProfile, f)
	if err != nil {
		return err
	}
	b, newOpt, err := e.side(ctx, after, f.profile, f)
	if err != nil {
		return err
	}
	d, found := authzmatrix.Compare(a.Model, b.Model, oldOpt, newOpt)
	if d == nil {
		return &serve.ModelError{Diags: found, Files: b.Files}
	}
	if err := d.Write(e.out, f.format); err != nil {
		return err
	}
	switch {
	case f.failOn == failOnAny && len(d.Changes) > 0, f.failOn == failOnWiden && d.Widens():
		return silent{errors.New(d.Summary())}
	}
	return nil
}

// side compiles one of the models. A policy with faults is none to compare with.
func (e *env) side(ctx context.Context, name, profile string, f *diffFlags) (*cdl.Result, authzmatrix.Options, error) {
	args, outside, cleanup, err := e.sideSources(ctx, name, f.dir)
	if err != nil {
		return nil, authzmatrix.Options{}, err
	}
	defer cleanup()
	opt, err := matrixOptions(args, profile)
	if err != nil {
		return nil, opt, err
	}
	src, err := e.sources(args, &compileFlags{profile: profile, outside: outside})
	if err != nil {
		return nil, opt, err
	}
	res := src.compile()
	if res.Model == nil {
		fmt.Fprintf(e.err, "%s does not compile\n", name)
		return nil, opt, &serve.ModelError{Diags: res.Diags, Files: res.Files}
	}
	if f.service != "" {
		opt.Service = f.service
	}
	opt.Files = res.Files
	if _, found := authzmatrix.Check(res.Model, opt); found.HasErrors() {
		fmt.Fprintf(e.err, "the policy of %s has errors\n", name)
		found = slices.DeleteFunc(found, func(d diag.Diagnostic) bool { return d.Severity != diag.Error })
		return nil, opt, &serve.ModelError{Diags: found, Files: res.Files}
	}
	return res, opt, nil
}

// sideSources finds out what an argument names: files, a folder, or a revision, which is written to a folder that cleanup removes.
func (e *env) sideSources(ctx context.Context, name, dir string) (args []string, outside string, cleanup func(), err error) {
	none := func() {}
	rev, forced := strings.CutPrefix(name, "git:")
	if !forced {
		if _, err := os.Stat(name); err == nil {
			return []string{name}, "", none, nil
		}
	}
	tmp, err := os.MkdirTemp("", "cds-authz-")
	if err != nil {
		return nil, "", none, err
	}
	cleanup = func() { _ = os.RemoveAll(tmp) }
	sub, err := exportRevision(ctx, dir, rev, tmp)
	if err != nil {
		cleanup()
		return nil, "", none, err
	}
	if sub != tmp {
		outside = tmp
	}
	return []string{sub}, outside, cleanup, nil
}
