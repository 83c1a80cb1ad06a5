// Package parser goes from .cds text to a checked, frozen model. It is the front door to the packages below it: load finds and
// parses files, link resolves them, csn freezes the result, check looks for mistakes.
//
// It is pure: files come in through io/fs.
package parser

import (
	"io/fs"
	"strings"

	"cds/parser/ast"
	"cds/parser/check"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/link"
	"cds/parser/load"
	"cds/parser/syntax"
	"cds/parser/token"
)

// Options tune a compilation. The zero value is that of migration: restrictions that can't be understood are warnings.
type Options struct {
	// Strict makes a restriction that can't be understood an error (auth.strict). Otherwise it is a warning, and what it guards is closed.
	Strict bool
	// Cache, if any, keeps syntax trees between compilations, so that only changed files are parsed.
	Cache *load.Cache
	// Texts take the place of files, by path: unsaved or generated ones.
	Texts map[string]string
	// Models are further roots of a project, as configured services name them: files and folders relative to the root, or packages.
	Models []string
	// StringLength is the length of strings without one, see csn.Model.
	StringLength int
	// Severities change how bad findings are. They should have passed Messages().Check.
	Severities diag.Settings
}

// A Result is what a compilation yields.
type Result struct {
	Model   *csn.Model // nil if there are errors
	Files   *token.FileSet
	Diags   diag.List // sorted by place
	Sources []string  // files read, relative to the root
}

// Compile compiles files and folders, and all they use. A folder stands for its index.cds or else for all .cds files in it.
func Compile(fsys fs.FS, paths []string, opt Options) *Result {
	loaded := load.Load(fsys, paths, load.Options{Cache: opt.Cache, Texts: opt.Texts, Models: opt.Models})
	res := &Result{Files: loaded.Files, Sources: loaded.Paths, Diags: loaded.Diags}
	sources := make([]link.Source, len(loaded.Sources))
	for i, s := range loaded.Sources {
		sources[i] = link.Source{File: s.File, Uses: s.Uses}
	}
	loaded = nil // the syntax trees are not needed after linking
	linked := link.Link(sources, link.Options{ParseExpr: syntax.ParseExpr, Files: res.Files, Lenient: !opt.Strict})
	res.Diags = append(res.Diags, linked.Diags...)
	res.Diags.Apply(opt.Severities)
	if !res.Diags.HasErrors() {
		m, diags := csn.Freeze(linked.Defs, res.Files, linked.Namespace)
		res.Diags = append(res.Diags, diags...)
		m.SetStringLength(opt.StringLength)
		if !diags.HasErrors() {
			res.Diags = append(res.Diags, check.Run(m, check.Options{Strict: opt.Strict})...)
		}
		res.Diags.Apply(opt.Severities)
		res.Model = m
	}
	if res.Diags.HasErrors() {
		res.Model = nil
	}
	res.Diags.Sort()
	return res
}

// A Parsed is what parsing yields: the trees of files, unlinked.
type Parsed struct {
	Trees []*ast.File // what is used comes before what uses it
	Files *token.FileSet
	Diags diag.List // sorted by place
}

// ParseFiles parses files and folders without linking them; with deep also all that they use.
func ParseFiles(fsys fs.FS, paths []string, deep bool, opt Options) *Parsed {
	loaded := load.Load(fsys, paths, load.Options{Cache: opt.Cache, Texts: opt.Texts, Shallow: !deep})
	res := &Parsed{Files: loaded.Files, Diags: loaded.Diags}
	res.Diags.Apply(opt.Severities)
	res.Diags.Sort()
	seen := make([]bool, len(loaded.Sources))
	var visit func(i int)
	visit = func(i int) { // what is used comes before what uses it, as when linking
		if seen[i] {
			return
		}
		seen[i] = true
		for _, u := range loaded.Sources[i].Uses {
			visit(u)
		}
		res.Trees = append(res.Trees, loaded.Sources[i].File)
	}
	for i := range loaded.Sources {
		visit(i)
	}
	return res
}

// IsReuse reports whether a file belongs to the reuse models that come with the compiler.
func IsReuse(file string) bool { return strings.HasPrefix(file, "@sap/cds/") }

// ProjectRoots returns the model files and folders of a CAP project: those in db, srv and app, and schema.cds and services.cds.
func ProjectRoots(fsys fs.FS) []string { return load.ProjectRoots(fsys) }

// CompileProject compiles the models of a CAP project: those in db, srv and app, and schema.cds and services.cds.
func CompileProject(fsys fs.FS, opt Options) *Result {
	roots := load.ProjectRoots(fsys)
	if len(roots) == 0 {
		res := &Result{Files: token.NewFileSet()}
		res.Diags.Errorf(codeNoModel, token.Span{}, "No model has been found: there are no .cds files in db, srv or app").Hint =
			"Put definitions into db/schema.cds and services into srv/."
		return res
	}
	return Compile(fsys, roots, opt)
}

// CompileString compiles one text; the reuse model '@sap/cds/common' is there to be used.
func CompileString(name, text string) *Result {
	return CompileStringWith(name, text, Options{})
}

// CompileStringWith is CompileString with options.
func CompileStringWith(name, text string, opt Options) *Result {
	texts := map[string]string{name: text}
	for k, v := range opt.Texts {
		texts[k] = v
	}
	opt.Texts = texts
	return Compile(noFiles{}, []string{name}, opt)
}

// noFiles is a file system without files.
type noFiles struct{}

func (noFiles) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// ParseExpr parses an expression of the language, without resolving names.
func ParseExpr(text string) (cqn.Expr, diag.List) {
	return syntax.ParseExpr(0, text, 0)
}
