package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cds/codegen/authzmatrix"
	cdl "cds/parser"
	"cds/parser/ast"
	"cds/parser/diag"
	"cds/parser/lint"
	"cds/parser/load"
	"cds/parser/token"
	"cds/runtime/db/sqlite"
	"cds/runtime/deploy"
	"cds/runtime/serve"

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
		Long: "Reports what the compiler warns of, and what the lint rules find: names, unused and hidden things, old forms, services that nobody guards, grants without effect, and conditions that mean\n" +
			"something else than they seem to. Roles are compared with xs-security.json, or with the users of the kind basic.\n" +
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
			rules := lintMessages()
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
			roles, source, err := givenRoles(args, profile)
			if err != nil {
				return err
			}
			findings, res := lintModel(src, codes, authzmatrix.LintOptions{Given: roles, Source: source})
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
func lintModel(src *source, off []diag.Code, policy authzmatrix.LintOptions) (diag.List, *cdl.Result) {
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
	if res.Model != nil {
		policy.Policy.RestrictAllServices = true
		if has, err := deploy.Indexed(res.Model, sqlite.Dialect()); err == nil { // else the deployment tells
			policy.Indexed = has
		}
		policy.Own = func(at token.Span) bool {
			f := res.Files.File(at.File)
			return f != nil && !strings.HasPrefix(f.Name, "@") && !strings.Contains("/"+f.Name, "/node_modules/")
		}
		out = append(out, slices.DeleteFunc(authzmatrix.Lint(res.Model, policy), func(d diag.Diagnostic) bool { return slices.Contains(off, d.Code) })...)
	}
	out.Sort()
	return out, res
}

// lintMessages are the rules of all linters.
func lintMessages() diag.Catalogue {
	all := lint.Messages()
	maps.Copy(all, authzmatrix.Messages())
	return all
}

// givenRoles returns the roles that a project says there are, and where: the scopes in xs-security.json or else the roles of the users that the kind
// basic is configured with. nil if it says nothing.
func givenRoles(args []string, profile string) (roles []string, source string, err error) {
	dir := "."
	if len(args) > 0 {
		dir = args[0]
	}
	if st, err := os.Stat(dir); len(args) > 1 || err != nil || !st.IsDir() {
		return nil, "", nil
	}
	data, err := os.ReadFile(filepath.Join(dir, "xs-security.json"))
	switch {
	case err == nil:
		var doc struct {
			Scopes []struct{ Name string }
		}
		if err := json.Unmarshal(data, &doc); err != nil {
			return nil, "", fmt.Errorf("error[xs-security]: xs-security.json: %w", err)
		}
		roles = []string{}
		for _, s := range doc.Scopes {
			roles = append(roles, s.Name[strings.LastIndexByte(s.Name, '.')+1:])
		}
		return roles, "xs-security.json", nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, "", err
	}
	cfg, err := serve.LoadConfig(serve.Options{Dir: dir, Profiles: serve.SplitProfiles(profile)})
	if err != nil || cfg.Str("requires.auth.kind") != "basic" {
		return nil, "", err
	}
	users := cfg.Sub("requires.auth.users")
	for _, name := range users.Keys() {
		roles = append(roles, users.Strings(name+".roles")...)
	}
	return roles, "the list of users of the kind basic", nil
}

func (e *env) lintRules() error {
	rules := lintMessages()
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
