// Package load finds the source files of a model and parses them: roots, then whatever their `using … from` lead to.
//
// Files come in through io/fs, whose root is the project: nothing outside can be reached. Files of one round are parsed in
// parallel; a Cache keeps the trees of those that did not change. The reuse model '@sap/cds/common' is embedded.
package load

import (
	"errors"
	"io/fs"
	"path"
	"runtime"
	"sort"
	"strings"
	"sync"

	"cds/parser/ast"
	"cds/parser/diag"
	"cds/parser/syntax"
	"cds/parser/token"
)

// Limits of what is read.
const (
	maxFileSize = 16 << 20
	maxFiles    = 20000
)

// A Source is a parsed file and what it uses.
type Source struct {
	File *ast.File
	Uses []int // indexes of the sources that its usings lead to, in order
}

// Options tune loading. The zero value is useful.
type Options struct {
	Cache *Cache            // nil: everything is parsed
	Texts map[string]string // texts that take the place of files, by path: unsaved or generated ones
	// Models are further roots: files and folders relative to the root, or packages. One that is not found is a warning.
	Models []string
	// Shallow reads the roots only and does not follow what they use.
	Shallow bool
}

// A Result has the sources in loading order: roots first, then what they use, round by round.
type Result struct {
	Sources []Source
	Files   *token.FileSet
	Paths   []string // files read, relative to the root; without embedded ones
	Diags   diag.List
}

// Load reads and parses the given files and folders, and everything they use. A folder stands for its index.cds, or else
// for all .cds files in it. Missing files are reported; what can be loaded is.
func Load(fsys fs.FS, paths []string, opt Options) *Result {
	l := &loader{fsys: fsys, opt: opt, res: &Result{Files: token.NewFileSet()}, index: map[string]int{}}
	for _, p := range paths {
		l.root(p)
	}
	for _, m := range opt.Models {
		l.model(m)
	}
	for len(l.pending) > 0 {
		l.round()
	}
	l.link()
	if opt.Cache != nil {
		opt.Cache.keep(l.used)
	}
	return l.res
}

type loader struct {
	fsys    fs.FS
	opt     Options
	res     *Result
	index   map[string]int // path to source
	pending []job
	names   []string   // path of each source
	links   [][]string // resolved paths of each source's usings
	used    map[cacheKey]bool
}

// A job is a file to read.
type job struct {
	name string
	from token.Span // the using that asked for it
	text string
	id   token.FileID
	file *ast.File
	diag diag.List
	key  cacheKey
}

// root adds a root: a file or a folder.
func (l *loader) root(p string) {
	clean := path.Clean(strings.ReplaceAll(p, "\\", "/"))
	if !fs.ValidPath(clean) {
		l.res.Diags.Errorf(codeOutside, token.Span{}, "The path “%s” leads out of the project", p)
		return
	}
	if _, ok := l.opt.Texts[clean]; ok {
		l.want(clean, token.Span{})
		return
	}
	st, err := fs.Stat(l.fsys, clean)
	if err != nil && path.Ext(clean) == "" {
		if _, err2 := fs.Stat(l.fsys, clean+".cds"); err2 == nil {
			l.want(clean+".cds", token.Span{})
			return
		}
	}
	switch {
	case err != nil:
		l.res.Diags.Errorf(codeUnknownLocal, token.Span{}, "There is no file or folder “%s”", p)
	case st.IsDir():
		l.folder(clean)
	default:
		l.want(clean, token.Span{})
	}
}

// folder adds a folder's index.cds, or else all its .cds files in order of their names.
func (l *loader) folder(dir string) {
	if l.isFile(path.Join(dir, "index.cds")) {
		l.want(path.Join(dir, "index.cds"), token.Span{})
		return
	}
	for _, name := range sources(l.fsys, dir) {
		l.want(path.Join(dir, name), token.Span{})
	}
}

// sources lists the .cds files directly in a folder.
func sources(fsys fs.FS, dir string) []string {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if !e.IsDir() && path.Ext(e.Name()) == ".cds" {
			out = append(out, e.Name())
		}
	}
	sort.Strings(out)
	return out
}

// ProjectRoots returns the model files of a CAP project: the folders db, srv, app and those directly in app, and schema.cds and
// services.cds beside them, as far as they exist and hold .cds files.
func ProjectRoots(fsys fs.FS) []string {
	var out []string
	dir := func(d string) {
		if len(sources(fsys, d)) > 0 {
			out = append(out, d)
		}
	}
	dir("db")
	dir("srv")
	dir("app")
	if apps, err := fs.ReadDir(fsys, "app"); err == nil {
		for _, a := range apps {
			if a.IsDir() && a.Name() != "node_modules" && !strings.HasPrefix(a.Name(), ".") {
				dir(path.Join("app", a.Name()))
			}
		}
	}
	for _, f := range []string{"schema.cds", "services.cds"} {
		if st, err := fs.Stat(fsys, f); err == nil && !st.IsDir() {
			out = append(out, f)
		}
	}
	return out
}

func (l *loader) isFile(name string) bool {
	if _, ok := l.opt.Texts[name]; ok {
		return true
	}
	if embedded(name) != "" {
		return true
	}
	st, err := fs.Stat(l.fsys, name)
	return err == nil && !st.IsDir()
}

// want puts a file on the list, once.
func (l *loader) want(name string, from token.Span) {
	if _, ok := l.index[name]; ok {
		return
	}
	if len(l.names) >= maxFiles {
		if len(l.names) == maxFiles {
			l.res.Diags.Errorf(codeTooMany, from, "The model has more than %d files", maxFiles)
		}
		return
	}
	l.index[name] = len(l.names)
	l.names = append(l.names, name)
	l.links = append(l.links, nil)
	l.pending = append(l.pending, job{name: name, from: from})
}

// round reads and parses what is pending, then resolves the usings found.
func (l *loader) round() {
	jobs := l.pending
	l.pending = nil
	for i := range jobs {
		j := &jobs[i]
		text, err := l.read(j.name)
		if err != nil {
			l.res.Diags.Errorf(codeUnreadable, j.from, "The file “%s” can't be read: %s", j.name, reason(err))
		}
		j.text = text
		j.id = l.res.Files.Add(j.name, text)
		if embedded(j.name) == "" {
			l.res.Paths = append(l.res.Paths, j.name)
		}
	}
	l.parse(jobs)
	for i := range jobs {
		j := &jobs[i]
		l.res.Diags = append(l.res.Diags, j.diag...)
		l.res.Sources = append(l.res.Sources, Source{File: j.file})
	}
	for i := range jobs {
		n := l.index[jobs[i].name]
		for _, u := range jobs[i].file.Usings {
			if u.From == "" || l.opt.Shallow {
				continue
			}
			if to := l.resolve(jobs[i].name, u); to != "" {
				l.links[n] = append(l.links[n], to)
				l.want(to, u.FromSpan)
			}
		}
	}
}

// parse parses jobs in parallel, from the cache where possible.
func (l *loader) parse(jobs []job) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	if l.used == nil {
		l.used = map[cacheKey]bool{}
	}
	for i := range jobs {
		j := &jobs[i]
		j.key = keyOf(j.id, j.name, j.text)
		l.used[j.key] = true
		if l.opt.Cache != nil {
			if e, ok := l.opt.Cache.get(j.key); ok {
				j.file, j.diag = e.file, append(diag.List(nil), e.diags...)
				continue
			}
		}
		wg.Add(1)
		go func() {
			slots <- struct{}{}
			defer func() { <-slots; wg.Done() }()
			if isCSN(j.name) {
				j.file, j.diag = parseCSN(j.id, j.name, j.text)
			} else {
				j.file, j.diag = syntax.ParseFile(j.id, j.name, j.text)
			}
		}()
	}
	wg.Wait()
	for i := range jobs {
		if jobs[i].file == nil {
			jobs[i].file = &ast.File{ID: jobs[i].id, Name: jobs[i].name}
		}
		if l.opt.Cache != nil {
			l.opt.Cache.put(jobs[i].key, entry{jobs[i].file, append(diag.List(nil), jobs[i].diag...)})
		}
	}
}

func (l *loader) read(name string) (string, error) {
	if t, ok := l.opt.Texts[name]; ok {
		return t, nil
	}
	if t := embedded(name); t != "" {
		return t, nil
	}
	st, err := fs.Stat(l.fsys, name)
	if err != nil {
		return "", err
	}
	if st.Size() > maxFileSize {
		return "", errTooLarge
	}
	b, err := fs.ReadFile(l.fsys, name)
	if len(b) > maxFileSize {
		return "", errTooLarge
	}
	return string(b), err
}

var errTooLarge = errors.New("it is larger than 16 MB")

// reason is an error without the path, which the message names already.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// link turns the paths of usings into indexes.
func (l *loader) link() {
	for i := range l.res.Sources {
		for _, to := range l.links[i] {
			if n, ok := l.index[to]; ok {
				l.res.Sources[i].Uses = append(l.res.Sources[i].Uses, n)
			}
		}
	}
}
