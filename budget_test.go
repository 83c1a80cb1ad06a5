package root

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The budget of docs/architecture.md: small files and functions. The exceptions are flat switches over node kinds and the like.
const (
	maxFileLines    = 1000
	maxFuncLines    = 120
	medianFileLines = 200
	p95FileLines    = 650
	medianFuncLines = 12
	p95FuncLines    = 60
)

// longFunctions may be longer than maxFuncLines: flat switches over node kinds.
var longFunctions = map[string]bool{}

func TestBudget(t *testing.T) {
	var files, funcs []int
	for _, f := range goFiles(t, ".") {
		if f.isGen || strings.HasSuffix(f.path, "_test.go") {
			continue
		}
		n := strings.Count(f.text, "\n")
		files = append(files, n)
		if n > maxFileLines {
			t.Errorf("%s has %d lines, more than %d: it is more than one subject", f.path, n, maxFileLines)
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			lines := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1
			funcs = append(funcs, lines)
			if lines > maxFuncLines && !longFunctions[path.Dir(f.path)+"."+fn.Name.Name] {
				t.Errorf("%s: function %s has %d lines, more than %d", f.path, fn.Name.Name, lines, maxFuncLines)
			}
		}
	}
	check := func(what string, list []int, q float64, limit int) {
		slices.Sort(list)
		if v := list[int(float64(len(list)-1)*q)]; v > limit {
			t.Errorf("%s is %d lines, more than %d", what, v, limit)
		} else {
			t.Logf("%s: %d lines (limit %d)", what, v, limit)
		}
	}
	check("the median file", files, 0.5, medianFileLines)
	check("the 95th percentile of files", files, 0.95, p95FileLines)
	check("the median function", funcs, 0.5, medianFuncLines)
	check("the 95th percentile of functions", funcs, 0.95, p95FuncLines)
}

func TestPackageComments(t *testing.T) {
	has := map[string]bool{}
	for _, f := range goFiles(t, ".") {
		if strings.HasSuffix(f.path, "_test.go") {
			continue
		}
		dir := path.Dir(f.path)
		has[dir] = has[dir] || f.ast.Doc != nil
	}
	for dir, ok := range has {
		if !ok {
			t.Errorf("package %s has no package comment", dir)
		}
	}
}

// Product code says nothing of how it came about.
func TestNoLooseEnds(t *testing.T) {
	todo := regexp.MustCompile(`\b(TODO|FIXME|XXX)\b`)
	for _, f := range goFiles(t, ".") {
		if f.path == "budget_test.go" {
			continue
		}
		for _, g := range f.ast.Comments {
			if todo.MatchString(g.Text()) {
				t.Errorf("%s:%d: a comment marks unfinished work", f.path, f.fset.Position(g.Pos()).Line)
			}
			if !strings.HasSuffix(f.path, "_test.go") && strings.Contains(g.Text(), "../shared") {
				t.Errorf("%s:%d: a comment names a path outside the repository", f.path, f.fset.Position(g.Pos()).Line)
			}
		}
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	var missing []string
	total := 0
	for _, f := range goFiles(t, ".") {
		if f.isGen || strings.HasSuffix(f.path, "_test.go") || f.ast.Name.Name == "main" {
			continue
		}
		for _, d := range f.ast.Decls {
			for name, doc := range exported(d) {
				total++
				if !doc {
					missing = append(missing, f.path+": "+name)
				}
			}
		}
	}
	if len(missing)*20 > total { // 95%
		slices.Sort(missing)
		t.Errorf("%d of %d exported names have no comment:\n%s", len(missing), total, strings.Join(missing, "\n"))
	}
}

// exported lists the exported names of a declaration and whether each is documented.
func exported(d ast.Decl) map[string]bool {
	out := map[string]bool{}
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && exportedReceiver(d) {
			out[d.Name.Name] = d.Doc != nil
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() {
					out[s.Name.Name] = d.Doc != nil || s.Doc != nil || s.Comment != nil
				}
			case *ast.ValueSpec:
				for _, n := range s.Names {
					if n.IsExported() {
						out[n.Name] = d.Doc != nil || s.Doc != nil || s.Comment != nil
					}
				}
			}
		}
	}
	return out
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	x := d.Recv.List[0].Type
	if s, ok := x.(*ast.StarExpr); ok {
		x = s.X
	}
	switch i := x.(type) {
	case *ast.IndexExpr:
		x = i.X
	case *ast.IndexListExpr:
		x = i.X
	}
	id, ok := x.(*ast.Ident)
	return ok && id.IsExported()
}
