// Package lint looks for what compiles but is hardly meant, or reads badly: names, unused and hidden things, old forms, and restrictions that are
// visible mistakes without analysing who may do what. Rules that concern correctness are in package check and always run.
//
// One file holds one family of rules. Each rule has a code, documented in Messages; codes can be switched off.
package lint

import (
	"strings"

	"cds/parser/ast"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/syntax"
	"cds/parser/token"
)

// Options choose the rules.
type Options struct {
	Off []diag.Code // rules that do not run
}

// Run applies the rules to the files of a model, which may be nil if it does not compile: then only rules about single files run. Files of
// packages, those in node_modules or named with an @, are left out.
func Run(files []*ast.File, texts *token.FileSet, m *csn.Model, opt Options) diag.List {
	l := &linter{model: m, own: map[token.FileID]bool{}, words: map[string]int{}, rules: Messages()}
	var own []*ast.File
	for _, f := range files {
		if f == nil || strings.HasPrefix(f.Name, "@") || strings.Contains("/"+f.Name, "/node_modules/") {
			continue
		}
		src := texts.File(f.ID)
		if src == nil {
			continue
		}
		own = append(own, f)
		l.own[f.ID] = true
		l.file(f, src.Text)
	}
	for _, f := range own {
		l.unused(f)
	}
	if m != nil {
		l.keys()
		l.access()
	}
	l.diags.Sort()
	out := l.diags[:0]
	for _, d := range l.diags {
		if !off(opt.Off, d.Code) {
			out = append(out, d)
		}
	}
	return out
}

func off(list []diag.Code, c diag.Code) bool {
	for _, o := range list {
		if o == c {
			return true
		}
	}
	return false
}

type linter struct {
	model *csn.Model
	own   map[token.FileID]bool
	words map[string]int // how often a word stands in the files
	rules diag.Catalogue
	diags diag.List
}

// add reports a finding with the severity that its rule has in the catalogue.
func (l *linter) add(code diag.Code, at token.Span, format string, args ...any) *diag.Diagnostic {
	return l.diags.Add(l.rules[code].Severity, code, at, format, args...)
}

// file applies the rules that look at one file.
func (l *linter) file(f *ast.File, text string) {
	words := map[string]int{} // of this file, outside of usings
	tokens, _ := syntax.Tokens(f.ID, text)
	for _, t := range tokens {
		if t.Kind != syntax.Word {
			continue
		}
		w := plain(text[t.Start:t.End])
		l.words[w]++
		if !inUsing(f, t.Start) {
			words[w]++
		}
	}
	aliases := l.usings(f, words)
	l.decls(f, f.Decls, aliases, text, 0)
}

// plain returns a name without its delimiters.
func plain(w string) string {
	if strings.HasPrefix(w, "![") {
		return strings.ReplaceAll(strings.TrimSuffix(w[2:], "]"), "]]", "]")
	}
	return w
}

func inUsing(f *ast.File, off int) bool {
	for _, u := range f.Usings {
		if int(u.Span.Start) <= off && off < int(u.Span.End) {
			return true
		}
	}
	return false
}

func last(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }
