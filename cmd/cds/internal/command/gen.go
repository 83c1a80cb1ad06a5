package command

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"cds/codegen"
	"cds/codegen/golang"
	"cds/parser/csn"
	"cds/runtime/serve"

	"github.com/spf13/cobra"
)

func (e *env) gen() *cobra.Command {
	var check bool
	var profile string
	cmd := &cobra.Command{
		Use:   "gen [dir]",
		Short: "Generate the typed Go package of each service",
		Long: `Generate Go code for the project in a folder: one package per service below internal/gen, and the embedded model. Files there belong to the
generator; all other files are yours and never touched. --check writes nothing and fails if something would change.`,
		Args: maxArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := newProject(args, profile)
			if err != nil {
				return err
			}
			res, err := e.compiled(p)
			if err != nil {
				return err
			}
			files, err := e.generate(p, res.Model)
			if err != nil {
				return err
			}
			drift := codegen.Diff(os.DirFS(p.dir), files)
			if check {
				if len(drift) > 0 {
					return &serve.StartError{Code: "gen-drift", Message: "generated code is not up to date: " + strings.Join(drift, ", "), Hint: "run: cds gen " + p.dir}
				}
				return nil
			}
			n, err := writeFiles(p.dir, files)
			fmt.Fprintf(e.err, "%d of %d generated files written\n", n, len(files))
			return err
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "write nothing; fail if a file would change")
	cmd.Flags().StringVar(&profile, "profile", "", "configuration profiles, separated by commas")
	return cmd
}

// generate makes the Go files of a project, with paths relative to its folder.
func (e *env) generate(p *project, m *csn.Model) ([]codegen.File, error) {
	module, err := modulePath(p.dir)
	if err != nil {
		return nil, err
	}
	files, diags := golang.Generate(m, golang.Options{Module: module, Lenient: p.lenient})
	e.diagnostics(diags, m.Files)
	if diags.HasErrors() {
		return nil, silent{diags}
	}
	return files, nil
}

// writeFiles writes what differs, and removes generated files of services that are gone.
func writeFiles(dir string, files []codegen.File) (int, error) {
	want := map[string]bool{}
	n := 0
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.Path))
		want[path] = true
		if old, err := os.ReadFile(path); err == nil && string(old) == string(f.Content) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return n, err
		}
		if err := os.WriteFile(path, f.Content, 0o644); err != nil {
			return n, err
		}
		n++
	}
	stale, err := filepath.Glob(filepath.Join(dir, "internal", "gen", "*", "*.gen.go"))
	if err != nil {
		return n, err
	}
	deeper, _ := filepath.Glob(filepath.Join(dir, "internal", "gen", "*", "*", "*.gen.go"))
	for _, path := range append(stale, deeper...) {
		if !want[path] {
			if err := os.Remove(path); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}

// modulePath is the import path of a folder: the module's path from the nearest go.mod, and the way down from there.
func modulePath(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for root := abs; ; root = filepath.Dir(root) {
		f, err := os.Open(filepath.Join(root, "go.mod"))
		if err != nil {
			if root == filepath.Dir(root) {
				return "", &serve.StartError{Code: "no-go-module", Message: "there is no go.mod in " + dir + " or above it", Hint: "run: go mod init example.com/shop"}
			}
			continue
		}
		defer f.Close()
		sc := bufio.NewScanner(f)
		for sc.Scan() {
			if name, ok := strings.CutPrefix(strings.TrimSpace(sc.Text()), "module "); ok {
				rel, err := filepath.Rel(root, abs)
				if err != nil || rel == "." {
					return strings.TrimSpace(name), err
				}
				return strings.TrimSpace(name) + "/" + filepath.ToSlash(rel), nil
			}
		}
		return "", &serve.StartError{Code: "no-go-module", Message: filepath.Join(root, "go.mod") + " names no module", Hint: ""}
	}
}
