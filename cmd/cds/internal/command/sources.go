package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	cdl "cds/parser"
	"cds/parser/diag"
	"cds/runtime/config"
	"cds/runtime/serve"
)

// stdinName is what the text from standard input is called in diagnostics.
const stdinName = "stdin.cds"

// maxStdin bounds a text from standard input.
const maxStdin = 16 << 20

// sources finds out what the arguments of compile name: a single folder is a project, everything else a list of files and folders below
// their common root.
func (e *env) sources(args []string, f *compileFlags) (*source, error) {
	if len(args) == 0 {
		args = []string{"."}
	}
	if st, err := os.Stat(args[0]); err == nil && st.IsDir() && len(args) == 1 {
		src, err := projectSource(args[0], f)
		if err != nil {
			return nil, err
		}
		return src, src.widen(args[0], f.outside)
	}
	src := &source{strict: true, texts: map[string]string{}}
	var err error
	if src.severities, err = severitiesOf(f.severities, messages()); err != nil {
		return nil, err
	}
	root, files, err := fileArgs(args)
	if err != nil {
		return nil, err
	}
	src.fsys, src.paths = os.DirFS(root), files
	for _, p := range files {
		if path.Base(p) == stdinName && slices.Contains(args, "-") {
			if src.texts[p], err = e.stdin(); err != nil {
				return nil, err
			}
		}
	}
	return src, src.widen(root, f.outside)
}

// widen lets the sources use files in dir, a folder above root, too. Without dir they can use those below root only.
func (s *source) widen(root, dir string) error {
	if dir == "" {
		return nil
	}
	root, err := filepath.Abs(root)
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return err
	}
	if !within(dir, root) {
		return usageError{fmt.Errorf("--allow-outside must name a folder above %s, which %s is not", root, dir)}
	}
	rel, err := filepath.Rel(dir, root)
	if err != nil {
		return err
	}
	texts := map[string]string{}
	for name, text := range s.texts {
		texts[path.Join(filepath.ToSlash(rel), name)] = text
	}
	s.fsys, s.texts = os.DirFS(dir), texts
	for i, p := range s.paths {
		s.paths[i] = path.Join(filepath.ToSlash(rel), p)
	}
	return nil
}

func (e *env) stdin() (string, error) {
	b, err := io.ReadAll(io.LimitReader(e.in, maxStdin+1))
	if err == nil && len(b) > maxStdin {
		err = errors.New("error[stdin-too-large]: standard input is larger than 16 MB")
	}
	return string(b), err
}

// fileArgs returns the working folder, or the folder above it that has all named files, and the files relative to it.
func fileArgs(args []string) (root string, files []string, err error) {
	cwd, err := os.Getwd()
	if err != nil {
		return "", nil, err
	}
	root = cwd
	for _, a := range args {
		list, err := expand(a, cwd)
		if err != nil {
			return "", nil, err
		}
		for _, p := range list {
			for !within(root, p) {
				root = filepath.Dir(root)
			}
			files = append(files, p)
		}
	}
	for i, p := range files {
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return "", nil, err
		}
		files[i] = filepath.ToSlash(rel)
	}
	return root, files, nil
}

// expand returns the absolute paths that an argument stands for: a file or folder, a pattern, or "-".
func expand(arg, cwd string) ([]string, error) {
	if arg == "-" {
		return []string{filepath.Join(cwd, stdinName)}, nil
	}
	list := []string{arg}
	if _, err := os.Stat(arg); err != nil {
		list = nil
		if strings.ContainsAny(arg, "*?[") {
			if list, err = filepath.Glob(arg); err != nil {
				return nil, usageError{fmt.Errorf("%q is no pattern: %w", arg, err)}
			}
		} else if _, err := os.Stat(arg + ".cds"); err == nil {
			list = []string{arg + ".cds"}
		}
	}
	if len(list) == 0 {
		return nil, &serve.StartError{Code: "no-model", Message: "there is no model " + arg, Hint: "name a .cds file, a folder or a pattern"}
	}
	for i, p := range list {
		abs, err := filepath.Abs(p)
		if err != nil {
			return nil, err
		}
		list[i] = abs
	}
	return list, nil
}

// projectSource is the project in a folder, or the .cds files directly in it if it has none of a project's folders.
func projectSource(dir string, f *compileFlags) (*source, error) {
	cfg, err := serve.LoadConfig(serve.Options{Dir: dir, Profiles: serve.SplitProfiles(f.profile)})
	if err != nil {
		return nil, err
	}
	if err := configuredNames(cfg); err != nil {
		return nil, err
	}
	src := &source{fsys: os.DirFS(dir), strict: cfg.Bool("requires.auth.strict", true)}
	if src.severities, err = severitiesOf(append(configured(cfg), f.severities...), messages()); err != nil {
		return nil, err
	}
	src.models, src.stringLength = configuredModels(cfg), cfg.Int("cdsc.defaultStringLength", 0)
	src.paths = cdl.ProjectRoots(src.fsys)
	if len(src.paths) == 0 {
		if list, _ := filepath.Glob(filepath.Join(dir, "*.cds")); len(list) > 0 {
			src.paths = []string{"."}
		}
	}
	return src, nil
}

// configured returns the severities of the configuration, cdsc.severities, in the form of the flag.
func configured(cfg *config.Config) []string {
	sec := cfg.Sub("cdsc.severities")
	var out []string
	for _, k := range sec.Keys() {
		out = append(out, k+"="+sec.Str(k))
	}
	return out
}

// configuredModels returns the models of the configured services, requires.*.model: a name or a list of names each.
func configuredModels(cfg *config.Config) []string {
	var out []string
	required := cfg.Sub("requires")
	for _, k := range required.Keys() {
		for _, m := range required.Strings(k + ".model") {
			if m != "" && !slices.Contains(out, m) {
				out = append(out, m)
			}
		}
	}
	return out
}

func (s *source) options() cdl.Options {
	return cdl.Options{Strict: s.strict, Texts: s.texts, Severities: s.severities, Models: s.models, StringLength: s.stringLength}
}

// compile links the sources.
func (s *source) compile() *cdl.Result {
	if len(s.paths) == 0 {
		return cdl.CompileProject(s.fsys, s.options()) // which says that there is none
	}
	return cdl.Compile(s.fsys, s.paths, s.options())
}

func within(root, file string) bool {
	rel, err := filepath.Rel(root, file)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// messages is the catalogue of all diagnostics.
func messages() diag.Catalogue {
	all := cdl.Messages()
	for _, part := range catalogues() {
		for code, e := range part {
			all[code] = e
		}
	}
	return all
}
