package command

import (
	"fmt"
	"io/fs"
	"os"
	"slices"

	cdl "cds/parser"
	"cds/parser/ast"
	"cds/parser/diag"
	"cds/parser/lint"
	"cds/parser/load"

	"github.com/spf13/cobra"
)

func (e *env) lint() *cobra.Command {
	var off []string
	var asJSON, list bool
	worst := "warning"
	cmd := &cobra.Command{
		Use:   "lint [files or folder]",
		Short: "Look for what compiles but is hardly meant",
		Long: "Reports what the compiler warns of, and what the lint rules find: names, unused and hidden things, old forms, services that nobody guards.\n" +
			"The exit code is 1 if there is a finding as bad as --max-severity says, or worse.",
		Example: "  cds lint .\n  cds lint --off lint-name-element,lint-unused-definition",
		RunE: func(_ *cobra.Command, args []string) error {
			defer oneShot()()
			if list {
				return e.lintRules()
			}
			limit, ok := map[string]diag.Severity{"error": diag.Error, "warning": diag.Warning, "info": diag.Info}[worst]
			if !ok {
				return usageError{fmt.Errorf("--max-severity is error, warning or info, not %q", worst)}
			}
			rules := lint.Messages()
			var codes []diag.Code
			for _, o := range off {
				if _, ok := rules[diag.Code(o)]; !ok {
					return usageError{fmt.Errorf("there is no rule %q; cds lint --rules lists them", o)}
				}
				codes = append(codes, diag.Code(o))
			}
			fsys, roots, err := lintRoots(args)
			if err != nil {
				return err
			}
			findings, res := lintModel(fsys, roots, codes)
			if asJSON {
				err = diag.RenderJSON(e.out, findings, res.Files)
			} else {
				e.diagnostics(findings, res.Files)
			}
			if err == nil && slices.ContainsFunc(findings, func(d diag.Diagnostic) bool { return d.Severity <= limit }) {
				return silent{fmt.Errorf("%d findings", len(findings))}
			}
			return err
		},
	}
	cmd.Flags().StringSliceVar(&off, "off", nil, "rules to switch off")
	cmd.Flags().StringVar(&worst, "max-severity", worst, "fail for findings of this severity or worse: error, warning, info")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&list, "rules", false, "list the rules")
	return cmd
}

// lintModel compiles and lints. What makes compiling fail comes first; rules about single files run nevertheless.
func lintModel(fsys fs.FS, roots []string, off []diag.Code) (diag.List, *cdl.Result) {
	cache := load.NewCache()
	loaded := load.Load(fsys, roots, load.Options{Cache: cache})
	res := cdl.Compile(fsys, roots, cdl.Options{Strict: true, Cache: cache})
	var files []*ast.File
	for _, s := range loaded.Sources {
		files = append(files, s.File)
	}
	out := append(diag.List(nil), res.Diags...)
	out = append(out, lint.Run(files, res.Files, res.Model, lint.Options{Off: off})...)
	out.Sort()
	return out, res
}

// lintRoots returns the sources of a project, or the named files.
func lintRoots(args []string) (fs.FS, []string, error) {
	if len(args) == 0 {
		args = []string{"."}
	}
	if st, err := os.Stat(args[0]); err == nil && st.IsDir() && len(args) == 1 {
		fsys := os.DirFS(args[0])
		if roots := load.ProjectRoots(fsys); len(roots) > 0 {
			return fsys, roots, nil
		}
		return fsys, []string{"."}, nil
	}
	root, files, err := fileArgs(args)
	return os.DirFS(root), files, err
}

func (e *env) lintRules() error {
	rules := lint.Messages()
	codes := make([]string, 0, len(rules))
	for c := range rules {
		codes = append(codes, string(c))
	}
	slices.Sort(codes)
	for _, c := range codes {
		if _, err := fmt.Fprintf(e.out, "%-24s %-8s %s\n", c, rules[diag.Code(c)].Severity, rules[diag.Code(c)].Title); err != nil {
			return err
		}
	}
	return nil
}
