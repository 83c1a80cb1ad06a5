package command

import (
	"fmt"
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
	var profile string
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
			src, err := e.sources(args, &compileFlags{profile: profile})
			if err != nil {
				return err
			}
			findings, res := lintModel(src, codes)
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
	cmd.Flags().StringVar(&profile, "profile", "", "configuration profiles, separated by commas")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&list, "rules", false, "list the rules")
	return cmd
}

// lintModel compiles and lints. What makes compiling fail comes first; rules about single files run nevertheless.
func lintModel(src *source, off []diag.Code) (diag.List, *cdl.Result) {
	opt := src.options()
	opt.Cache = load.NewCache()
	loaded := load.Load(src.fsys, src.paths, load.Options{Cache: opt.Cache, Texts: opt.Texts, Models: opt.Models})
	if len(src.paths) == 0 {
		res := src.compile() // which says that there is nothing
		return res.Diags, res
	}
	res := cdl.Compile(src.fsys, src.paths, opt)
	var files []*ast.File
	for _, s := range loaded.Sources {
		files = append(files, s.File)
	}
	out := append(diag.List(nil), res.Diags...)
	out = append(out, lint.Run(files, res.Files, res.Model, lint.Options{Off: off})...)
	out.Sort()
	return out, res
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
