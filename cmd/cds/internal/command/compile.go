package command

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	cdl "cds/parser"
	"cds/parser/csn"
	"cds/parser/load"
	"cds/runtime/db/sqlite"
	"cds/runtime/odata/edmx"
	"cds/runtime/serve"
	"cds/runtime/sqlgen/ddl"

	"github.com/spf13/cobra"
)

// targets are the outputs of cds compile.
var targets = []string{"csn", "sql", "edmx"}

func (e *env) compile() *cobra.Command {
	var to, service, out string
	cmd := &cobra.Command{
		Use:     "compile [files or folder]",
		Short:   "Compile models to CSN, SQL or EDMX",
		Example: "  cds compile srv/cat-service.cds --to edmx --service CatalogService\n  cds compile . --to sql",
		RunE: func(_ *cobra.Command, args []string) error {
			defer oneShot()()
			known := false
			for _, t := range targets {
				known = known || t == to
			}
			if !known {
				return usageError{fmt.Errorf("unknown target %q; known targets: %s", to, strings.Join(targets, ", "))}
			}
			res, err := compileArgs(args)
			if err != nil {
				return err
			}
			e.diagnostics(res.Diags, res.Files)
			if res.Model == nil {
				return silent{res.Diags}
			}
			text, err := render(res.Model, to, service)
			if err != nil {
				return err
			}
			if out == "" {
				_, err = fmt.Fprint(e.out, text)
				return err
			}
			return os.WriteFile(out, []byte(text), 0o644)
		},
	}
	cmd.Flags().StringVar(&to, "to", "csn", "target: "+strings.Join(targets, ", "))
	cmd.Flags().StringVarP(&service, "service", "s", "", "service for edmx; may be left out if there is one only")
	cmd.Flags().StringVarP(&out, "out", "o", "", "file to write; default standard output")
	return cmd
}

// compileArgs compiles single files, or the project in a folder. Restrictions are read strictly.
func compileArgs(args []string) (*cdl.Result, error) {
	if len(args) == 0 {
		args = []string{"."}
	}
	if st, err := os.Stat(args[0]); err == nil && st.IsDir() && len(args) == 1 {
		p := &project{dir: args[0], cache: load.NewCache()}
		return p.compile()
	}
	root, files, err := fileArgs(args)
	if err != nil {
		return nil, err
	}
	return cdl.Compile(os.DirFS(root), files, cdl.Options{Strict: true}), nil
}

// fileArgs returns the working folder, or the folder above it that has all named files, and the files relative to it.
func fileArgs(args []string) (root string, files []string, err error) {
	if root, err = os.Getwd(); err != nil {
		return "", nil, err
	}
	for _, a := range args {
		abs, err := filepath.Abs(a)
		if err != nil {
			return "", nil, err
		}
		if _, err := os.Stat(abs); err != nil {
			return "", nil, &serve.StartError{Code: "no-model", Message: "there is no model " + a, Hint: "name a .cds file or a folder"}
		}
		for !within(root, abs) {
			root = filepath.Dir(root)
		}
		files = append(files, abs)
	}
	for i, f := range files {
		rel, err := filepath.Rel(root, f)
		if err != nil {
			return "", nil, err
		}
		files[i] = filepath.ToSlash(rel)
	}
	return root, files, nil
}

func within(root, file string) bool {
	rel, err := filepath.Rel(root, file)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

func render(m *csn.Model, to, service string) (string, error) {
	switch to {
	case "sql":
		stmts, err := ddl.Create(m, sqlite.New().Dialect())
		if err != nil {
			return "", err
		}
		return strings.Join(stmts, ";\n\n") + ";\n", nil
	case "edmx":
		s, err := pickService(m, service)
		if err != nil {
			return "", err
		}
		return string(edmx.Marshal(m, s, edmx.Options{})), nil
	}
	return string(csn.Marshal(m, csn.MarshalOptions{Indent: true, Docs: true})) + "\n", nil
}

func pickService(m *csn.Model, name string) (*csn.Service, error) {
	if s := m.Service(name); s != nil {
		return s, nil
	}
	var names []string
	for _, s := range m.Services {
		names = append(names, s.Name)
	}
	if name == "" && len(names) == 1 {
		return m.Services[0], nil
	}
	return nil, usageError{fmt.Errorf("--service must name one of the model's services: %s", strings.Join(names, ", "))}
}
