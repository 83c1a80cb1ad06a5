package command

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"cds/parser/diag"
	"cds/parser/format"
	"cds/parser/token"

	"github.com/spf13/cobra"
)

func (e *env) fmt() *cobra.Command {
	var check, write bool
	cmd := &cobra.Command{
		Use:   "fmt [files or folders]",
		Short: "Lay out .cds files",
		Long: "Prints .cds files with regular indents, spaces and columns; comments and line breaks stay. With -w the files are rewritten, with --check those\n" +
			"that are not laid out so are listed and the exit code is 1. A dash stands for standard input; without arguments it is the current folder.",
		Example: "  cds fmt -w .\n  cds fmt --check db srv",
		RunE: func(_ *cobra.Command, args []string) error {
			if check && write {
				return usageError{errors.New("--check and -w exclude each other")}
			}
			if len(args) == 0 {
				args = []string{"."}
			}
			files, err := cdsFiles(args)
			if err != nil {
				return err
			}
			differ, faulty := 0, diag.List(nil)
			for _, f := range files {
				changed, diags, err := e.formatFile(f, check, write)
				if err != nil {
					return err
				}
				faulty = append(faulty, diags...)
				if changed {
					differ++
				}
			}
			if faulty.HasErrors() {
				return silent{faulty}
			}
			if check && differ > 0 {
				return silent{fmt.Errorf("%d files are not formatted", differ)}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "list files that would change, and fail if there are any")
	cmd.Flags().BoolVarP(&write, "write", "w", false, "rewrite the files")
	return cmd
}

// formatFile formats one file and does with it what the flags say.
func (e *env) formatFile(name string, check, write bool) (changed bool, diags diag.List, err error) {
	var b []byte
	if name == "-" {
		b, err = io.ReadAll(e.in)
	} else {
		b, err = os.ReadFile(name)
	}
	if err != nil {
		return false, nil, err
	}
	files := token.NewFileSet()
	text := string(b)
	out, diags := format.Source(files.Add(filepath.ToSlash(name), text), name, text)
	if diags.HasErrors() {
		e.diagnostics(diags, files)
		return false, diags, nil
	}
	switch changed = out != text; {
	case check && changed:
		fmt.Fprintln(e.out, name)
	case check:
	case !write || name == "-":
		_, err = io.WriteString(e.out, out)
	case changed:
		st, serr := os.Stat(name)
		if serr != nil {
			return false, nil, serr
		}
		err = os.WriteFile(name, []byte(out), st.Mode().Perm())
	}
	return changed, nil, err
}

// cdsFiles returns the named files, and the .cds files in named folders and below: not those of packages, and of hidden folders.
func cdsFiles(args []string) ([]string, error) {
	var out []string
	for _, a := range args {
		if a == "-" {
			out = append(out, a)
			continue
		}
		err := filepath.WalkDir(a, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case !d.IsDir():
				if path == a || strings.HasSuffix(path, ".cds") {
					out = append(out, path)
				}
			case path != a && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".")):
				return filepath.SkipDir
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
