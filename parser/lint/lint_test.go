package lint_test

import (
	"os"
	"sort"
	"strings"
	"testing"
	"testing/fstest"

	"cds/parser"
	"cds/parser/ast"
	"cds/parser/diag"
	"cds/parser/lint"
	"cds/parser/load"
)

func run(t *testing.T, texts map[string]string, opt lint.Options) diag.List {
	t.Helper()
	var names []string
	for n := range texts {
		names = append(names, n)
	}
	sort.Strings(names)
	loaded := load.Load(fstest.MapFS{}, names, load.Options{Texts: texts})
	res := parser.Compile(fstest.MapFS{}, names, parser.Options{Texts: texts})
	var files []*ast.File
	for _, s := range loaded.Sources {
		files = append(files, s.File)
	}
	return lint.Run(files, loaded.Files, res.Model, opt)
}

func has(l diag.List, code diag.Code) bool {
	for _, d := range l {
		if d.Code == code && d.Span.Valid() && d.Hint != "" {
			return true
		}
	}
	return false
}

// Each wrong example has its finding, with a place and a hint; each right one has not.
func TestExamples(t *testing.T) {
	for code, e := range lint.Messages() {
		if res := parser.CompileString("x.cds", e.Wrong); res.Model == nil {
			t.Errorf("%s: the wrong example does not compile: %v", code, res.Diags)
		}
		if l := run(t, map[string]string{"x.cds": e.Wrong}, lint.Options{}); !has(l, code) {
			t.Errorf("%s: not found in the wrong example: %v", code, l)
		}
		if l := run(t, map[string]string{"x.cds": e.Right}, lint.Options{}); has(l, code) {
			t.Errorf("%s: found in the right example: %v", code, l)
		}
		if l := run(t, map[string]string{"x.cds": e.Wrong}, lint.Options{Off: []diag.Code{code}}); has(l, code) {
			t.Errorf("%s: found though it is off", code)
		}
	}
}

func TestFindings(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nested elements", "entity E { key ID : UUID; s { Inner : String; } c : Composition of many { key Pos : Integer; } }", "lint-name-element lint-name-element"},
		{"capitals", "entity E { key ID : UUID; URL : String; _x : String; }", ""},
		{"abstract", "abstract entity A { a : String; } entity E : A { key ID : UUID; }", "lint-old-form"},
		{"alias used", "using { managed as m } from '@sap/cds/common'; entity E : m { key ID : UUID; }", ""},
		{"alias unused", "using { managed as m } from '@sap/cds/common'; entity E { key ID : UUID; }", "lint-unused-using"},
		{"used in a path", "using { db } from './db.cds'; entity E as projection on db.X;", ""},
		{"hidden import", "using { X } from './db.cds'; service S @(requires: 'a') { entity X { key ID : UUID; } }", "lint-shadowed-name"},
		{"types used elsewhere", "using { db } from './db.cds'; entity E { key ID : UUID; t : db.T; }", ""},
		{"closed by parts", "service S { @requires: 'a' entity X { key ID : UUID; } }", ""},
		{"open operation", "service S { action a(); }", "lint-service-open"},
		{"internal", "@protocol: 'none' service S { action a(); }", ""},
		{"restricted rows", "service S { @restrict: [{ grant: ['READ', 'UPDATE'], where: (owner = $user) }] entity X { key ID : UUID; owner : String; } }", ""},
		{"all events", "service S { @restrict: [{ grant: ['READ', '*'] }] entity X { key ID : UUID; } }", "lint-open-write"},
		{"service decides", "@requires: 'a' service S { @restrict: [{ grant: '*' }] entity X { key ID : UUID; } }", ""},
		{"does not compile", "entity books { key ID : Nope; }", "lint-name-definition"},
	} {
		l := run(t, map[string]string{"a.cds": c.text, "db.cds": "context db { entity X { key ID : UUID; } } type db.T : String; entity X { key ID : UUID; }"}, lint.Options{Off: []diag.Code{"lint-unused-definition"}})
		var got []string
		for _, d := range l {
			got = append(got, string(d.Code))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %q, want %q: %v", c.name, s, c.want, l)
		}
	}
}

// Our own sample keeps the rules.
func TestSample(t *testing.T) {
	root := os.DirFS("../../samples/bookshop")
	loaded := load.Load(root, load.ProjectRoots(root), load.Options{})
	res := parser.CompileProject(root, parser.Options{Strict: true})
	var files []*ast.File
	for _, s := range loaded.Sources {
		files = append(files, s.File)
	}
	for _, d := range lint.Run(files, loaded.Files, res.Model, lint.Options{}) {
		t.Logf("%v %s: %s", loaded.Files.Position(d.Span), d.Code, d.Message)
	}
}
