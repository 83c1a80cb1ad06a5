package root

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// floors is the import policy: a package may import packages of lower floors only. A pattern ending in /* means all packages below. Do not
// change the table to get a build through; change the import.
const floors = `
1  parser/token runtime/internal/jsonw runtime/internal/deadline runtime/db/stmts runtime/password
2  parser/diag parser/cqn
3  parser/ast parser/csn runtime/auth
4  parser/syntax parser/load parser/link parser/check runtime/eval runtime/sqlgen runtime/sqlgen/* runtime/config runtime/i18n runtime/crypt
5  parser parser/format parser/lint parser/common parser/parsed runtime/authz runtime/db runtime/db/dbtest
6  runtime runtime/db/sqlite runtime/db/postgres runtime/db/postgres/* runtime/authstore runtime/authstore/*
7  runtime/policies runtime/external runtime/generic runtime/rls runtime/ql runtime/audit runtime/audit/* strategies strategies/*
8  runtime/odata runtime/odata/* runtime/rest runtime/explain
9  runtime/deploy
10 runtime/serve runtime/authztest
11 codegen codegen/* runtime/cdstest runtime/cdstest/*
12 cmd/cds cmd/cds/* samples/*
`

// sameFloor lists the imports within a floor that are wanted, with the reason.
var sameFloor = map[string]string{
	"parser/load → parser/syntax":                         "load parses the files it finds",
	"parser/link → parser/syntax":                         "conditions in string annotations are parsed when names are known",
	"runtime/sqlgen/ddl → runtime/sqlgen":                 "view bodies are compiled by the query compiler",
	"runtime/db/dbtest → runtime/db":                      "the conformance suite of drivers",
	"runtime/odata → runtime/odata/uri":                   "parts of one door",
	"runtime/odata → runtime/odata/edmx":                  "parts of one door",
	"runtime/odata* → runtime/odata/internal/*":           "parts of one door",
	"runtime/rest → runtime/odata":                        "REST is OData's URLs in plain JSON: the door that answers is the same",
	"runtime/db/postgres/pgtest → runtime/db/postgres/*":  "tests share one server",
	"strategies → strategies/*":                           "the table of built-in strategies",
	"strategies/* → strategies/internal/*":                "what several strategies share",
	"strategies/ias → strategies/xsuaa":                   "tokens of both are accepted side by side",
	"strategies/oidc → strategies/jwt":                    "presets of identity providers",
	"strategies/basic → strategies/mocked":                "basic is mocked without default users",
	"strategies/basic → strategies/internal/*":            "shared user table",
	"strategies/mocked → strategies/internal/*":           "shared user table",
	"runtime/audit/audittest → runtime/audit":             "the conformance suite of sinks",
	"codegen/* → codegen":                                 "a generator makes codegen files and values",
	"cmd/cds → cmd/cds/internal/command":                  "main calls the commands",
	"cmd/cds/internal/command → cmd/cds/internal/binding": "commands fetch credentials of bound services",
	"samples/bookshop → samples/bookshop/*":               "an app and its parts",
	"samples/bookshop/* → samples/bookshop/*":             "an app and its parts",
}

// bans are imports that no floor allows, with the reason.
var bans = []struct{ from, to, why string }{
	{"runtime/odata*", "runtime/sqlgen", "a door translates to queries, it does not compile them"},
	{"runtime/odata*", "runtime/db", "a door has no database"},
	{"runtime/odata*", "runtime/authz", "a door decides no rights"},
	{"runtime/rest*", "runtime/sqlgen", "a door translates to queries, it does not compile them"},
	{"runtime/rest*", "runtime/db", "a door has no database"},
	{"runtime/rest*", "runtime/authz", "a door decides no rights"},
	{"strategies*", "runtime/db", "a strategy can't read data"},
	{"strategies*", "runtime/authz", "a strategy decides no rights"},
	{"strategies*", "parser*", "a strategy knows no model"},
	{"runtime*", "parser", "a server without run-time extensions links no parser"},
	{"runtime*", "parser/syntax", "a server without run-time extensions links no parser"},
}

func TestImportFloors(t *testing.T) {
	floor := floorTable(t)
	for _, f := range goFiles(t, ".") {
		if strings.HasSuffix(f.path, "_test.go") {
			continue
		}
		from := path.Dir(f.path)
		if from == "." {
			continue
		}
		ff, ok := floor(from)
		if !ok {
			t.Errorf("%s: package %s is on no floor; add it to the table in floors_test.go", f.path, from)
			continue
		}
		for _, imp := range f.ast.Imports {
			name := strings.Trim(imp.Path.Value, `"`)
			if name == "database/sql" {
				t.Errorf("%s imports database/sql, which only an adapter for users may", f.path)
			}
			to, own := strings.CutPrefix(name, "cds/")
			if !own || to == from {
				continue
			}
			ft, ok := floor(to)
			if !ok {
				t.Errorf("%s imports %s, which is on no floor", f.path, to)
				continue
			}
			if ft > ff || ft == ff && !allowedSame(from, to) {
				t.Errorf("%s (floor %d) imports %s (floor %d)", f.path, ff, to, ft)
			}
			for _, b := range bans {
				if match(b.from, from) && match(b.to, to) {
					t.Errorf("%s imports %s: %s", f.path, to, b.why)
				}
			}
		}
	}
}

// The pure packages have no clock, no files, no network.
func TestPurePackages(t *testing.T) {
	pure := []string{"parser/link", "parser/check", "parser/cqn", "parser/csn", "parser/syntax", "runtime/sqlgen", "runtime/sqlgen/ddl", "runtime/eval", "runtime/authz", "codegen", "codegen/golang", "codegen/openapi", "codegen/asyncapi", "codegen/xssecurity", "codegen/mermaid", "codegen/cdl", "codegen/authzmatrix"}
	banned := map[string]bool{"os": true, "net": true, "net/http": true, "os/exec": true}
	for _, f := range goFiles(t, ".") {
		if strings.HasSuffix(f.path, "_test.go") || !contains(pure, path.Dir(f.path)) {
			continue
		}
		for _, imp := range f.ast.Imports {
			if name := strings.Trim(imp.Path.Value, `"`); banned[name] {
				t.Errorf("%s imports %s, but its package is pure", f.path, name)
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Now" {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" {
					t.Errorf("%s calls time.Now, but its package is pure", f.path)
				}
			}
			return true
		})
	}
}

func TestNoInit(t *testing.T) {
	for _, f := range goFiles(t, ".") {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s has an init function", f.path)
			}
		}
	}
}

func floorTable(t *testing.T) func(string) (int, bool) {
	t.Helper()
	table := map[string]int{}
	n := 0
	for _, line := range strings.Split(strings.TrimSpace(floors), "\n") {
		n++
		for _, p := range strings.Fields(line)[1:] {
			table[p] = n
		}
	}
	return func(p string) (int, bool) {
		if n, ok := table[p]; ok {
			return n, true
		}
		for d := path.Dir(p); d != "."; d = path.Dir(d) {
			if n, ok := table[d+"/*"]; ok {
				return n, true
			}
		}
		return 0, false
	}
}

func allowedSame(from, to string) bool {
	for rule := range sameFloor {
		a, b, _ := strings.Cut(rule, " → ")
		if match(a, from) && match(b, to) {
			return true
		}
	}
	return false
}

func match(pattern, p string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(p+"/", strings.TrimSuffix(prefix, "/")+"/")
	}
	return p == pattern
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

type goFile struct {
	path  string
	text  string
	ast   *ast.File
	fset  *token.FileSet
	isGen bool
}

// goFiles parses all Go files below dir, but for testdata.
func goFiles(t *testing.T, dir string) []goFile {
	t.Helper()
	var out []goFile
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if n := d.Name(); p != dir && (strings.HasPrefix(n, ".") || n == "testdata" || n == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, p, b, parser.ParseComments)
		if err != nil {
			return err
		}
		out = append(out, goFile{filepath.ToSlash(p), string(b), f, fset, ast.IsGenerated(f)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
