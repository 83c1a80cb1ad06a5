package sqlgen_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// Only newSource may name a table: a table access made elsewhere would be unguarded. Whoever writes " FROM " takes the text of a source,
// which nobody else can make.
func TestNewSource_only(t *testing.T) {
	const only = "newSource"
	fset := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || strings.HasSuffix(fset.Position(fn.Pos()).Filename, "_test.go") {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "TableName" && fn.Name.Name != only && fn.Name.Name != "openTable" { // which tells the session of it
						t.Errorf("%s: %s names a table; only newSource may", fset.Position(n.Pos()), fn.Name.Name)
					}
				case *ast.KeyValueExpr:
					if k, ok := n.Key.(*ast.Ident); ok && k.Name == "from" && fn.Name.Name != "newSource" {
						t.Errorf("%s: %s makes the table of a source; only newSource may", fset.Position(n.Pos()), fn.Name.Name)
					}
				case *ast.AssignStmt:
					for _, l := range n.Lhs {
						// Of a selection, from is its FROM clause; of a source it is the table.
						if s, ok := l.(*ast.SelectorExpr); ok && s.Sel.Name == "from" && isSource(s.X) && fn.Name.Name != "newSource" && fn.Name.Name != "joinedEntity" {
							t.Errorf("%s: %s changes the table of a source; only newSource may", fset.Position(n.Pos()), fn.Name.Name)
						}
					}
				case *ast.SelectorExpr:
					if id, ok := n.X.(*ast.Ident); ok && id.Name == "e" && n.Sel.Name == "Name" && inConcat(fn, n) {
						t.Errorf("%s: %s writes the name of an entity into SQL", fset.Position(n.Pos()), fn.Name.Name)
					}
				}
				return true
			})
		}
	}
}

// isSource tells variables that hold a source by their names, which the package keeps to.
func isSource(x ast.Expr) bool {
	id, ok := x.(*ast.Ident)
	return ok && (id.Name == "src" || id.Name == "next" || id.Name == "target" || id.Name == "cur" || id.Name == "p" || id.Name == "d")
}

// inConcat reports whether an expression is a direct operand of a + with a text that looks like SQL.
func inConcat(fn *ast.FuncDecl, x ast.Expr) bool {
	found := false
	ast.Inspect(fn, func(n ast.Node) bool {
		b, ok := n.(*ast.BinaryExpr)
		if ok && b.Op == token.ADD && (b.X == x || b.Y == x) {
			for _, side := range []ast.Expr{b.X, b.Y} {
				if l, ok := side.(*ast.BasicLit); ok && (strings.Contains(l.Value, "FROM") || strings.Contains(l.Value, "JOIN") || strings.Contains(l.Value, "UPDATE")) {
					found = true
				}
			}
		}
		return !found
	})
	return found
}
