package mutate

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A mutant is one change of the code that decides: what it is called does not depend on line numbers.
type mutant struct {
	id   int
	file string // relative to the repository
	line int
	fn   string
	kind string // what is changed: true, false, first, second, dropped, flipped
	text string // the source of it
	nth  int    // of those that are called the same, from 1
}

// name is how a list refers to the mutant.
func (m mutant) name() string {
	name := fmt.Sprintf("%s | %s | %s | %s", m.file, m.fn, m.kind, m.text)
	if m.nth > 1 {
		name += fmt.Sprintf(" [%d]", m.nth)
	}
	return name
}

func (m mutant) String() string {
	return fmt.Sprintf("%s:%d %s: %s: %s", m.file, m.line, m.fn, m.kind, m.text)
}

// All mutants are in one build: a variable of the process says which of them is alive. So code is compiled once, and each mutant costs only the tests.
const helpers = `package %s

import (
	"os"
	"strconv"
)

var mAlive, _ = strconv.Atoi(os.Getenv("CDS_MUTANT"))

// mB is v, or true for mutant n and false for n+1.
func mB(n int, v bool) bool { return (v || mAlive == n) && mAlive != n+1 }

// mT is v, or true for mutant n; mF is v, or false for it; mN is v, or its contrary.
func mT(n int, v bool) bool { return v || mAlive == n }
func mF(n int, v bool) bool { return v && mAlive != n }
func mN(n int, v bool) bool { return v != (mAlive == n) }

// mK says whether a statement is kept.
func mK(n int) bool { return mAlive != n }

// mAnd is f, or what returns the first operand for mutant n and the second for n+1.
func mAnd[T any](n int, f func(a, b T) T) func(a, b T) T {
	switch mAlive {
	case n:
		return func(a, _ T) T { return a }
	case n + 1:
		return func(_, b T) T { return b }
	}
	return f
}
`

// An edit inserts at a place of a file. Edits at the same place go by order: what ends goes before what begins.
type edit struct {
	at, order int
	text      string
}

// An instrument puts mutants into a file.
type instrument struct {
	fset    *token.FileSet
	file    string
	src     []byte
	next    int
	only    func(fn, text string) bool // which places count
	mutants []mutant
	edits   []edit
	fn      string
}

// put instruments one file and returns its new text.
func put(root, file string, next int, only func(fn, text string) bool) (out []byte, mutants []mutant, err error) {
	in := &instrument{fset: token.NewFileSet(), file: file, next: next, only: only}
	if in.src, err = os.ReadFile(filepath.Join(root, file)); err != nil {
		return nil, nil, err
	}
	f, err := parser.ParseFile(in.fset, file, in.src, 0)
	if err != nil {
		return nil, nil, err
	}
	for _, d := range f.Decls {
		fd, ok := d.(*ast.FuncDecl)
		if !ok || fd.Body == nil {
			continue
		}
		in.fn = funcName(fd)
		ast.Inspect(fd.Body, in.visit)
	}
	return in.apply(), in.mutants, nil
}

func funcName(fd *ast.FuncDecl) string {
	if fd.Recv == nil || len(fd.Recv.List) == 0 {
		return fd.Name.Name
	}
	t := fd.Recv.List[0].Type
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name + "." + fd.Name.Name
	}
	return fd.Name.Name
}

func (in *instrument) offset(p token.Pos) int { return in.fset.Position(p).Offset }

func (in *instrument) text(n ast.Node) string {
	return strings.Join(strings.Fields(string(in.src[in.offset(n.Pos()):in.offset(n.End())])), " ")
}

// add notes mutants of the kinds at a node, and returns the number of the first; false if the place does not count.
func (in *instrument) add(n ast.Node, kinds ...string) (int, bool) {
	text := in.text(n)
	if !in.only(in.fn, text) {
		return 0, false
	}
	first := in.next
	for _, k := range kinds {
		m := mutant{in.next, in.file, in.fset.Position(n.Pos()).Line, in.fn, k, text, 1}
		for _, o := range in.mutants {
			if o.fn == m.fn && o.kind == k && o.text == text {
				m.nth++
			}
		}
		in.mutants = append(in.mutants, m)
		in.next++
	}
	return first, true
}

// wrap puts text around a node: outer nodes open earlier and close later.
func (in *instrument) wrap(n ast.Node, before, after string) {
	from, to := in.offset(n.Pos()), in.offset(n.End())
	in.edits = append(in.edits, edit{at: from, order: 1_000_000 - to, text: before}, edit{at: to, order: -from - 1, text: after})
}

func (in *instrument) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.FuncLit, *ast.ForStmt:
	case *ast.IfStmt:
		in.condition(n.Cond)
	case *ast.SwitchStmt:
		if n.Tag == nil {
			for _, c := range n.Body.List {
				for _, x := range c.(*ast.CaseClause).List {
					in.condition(x)
				}
			}
		}
	case *ast.BinaryExpr:
		in.operands(n)
	case *ast.Ident:
		if n.Name == "true" || n.Name == "false" {
			if first, ok := in.add(n, "flipped"); ok {
				in.wrap(n, fmt.Sprintf("mN(%d, ", first), ")")
			}
		}
	case *ast.CallExpr:
		in.call(n)
	case *ast.BlockStmt:
		in.statements(n.List)
	case *ast.CaseClause:
		in.statements(n.Body)
	}
	return true
}

// condition makes two mutants: it always holds, it never does.
func (in *instrument) condition(x ast.Expr) {
	if first, ok := in.add(x, "true", "false"); ok {
		in.wrap(x, fmt.Sprintf("mB(%d, ", first), ")")
	}
}

// operands makes a mutant for each operand of && and || that does not count.
func (in *instrument) operands(n *ast.BinaryExpr) {
	fn, kind := "mT", "true"
	switch n.Op {
	case token.LAND:
	case token.LOR:
		fn, kind = "mF", "false"
	default:
		return
	}
	for _, x := range []ast.Expr{n.X, n.Y} {
		if b, ok := x.(*ast.BinaryExpr); ok && b.Op == n.Op {
			continue // its operands are
		}
		if first, ok := in.add(x, kind); ok {
			in.wrap(x, fmt.Sprintf("%s(%d, ", fn, first), ")")
		}
	}
}

// call makes mutants of and(x, y) and or(x, y): x alone, y alone.
func (in *instrument) call(n *ast.CallExpr) {
	name := n.Fun
	if s, ok := name.(*ast.SelectorExpr); ok {
		name = s.Sel
	}
	id, ok := name.(*ast.Ident)
	if !ok || id.Name != "and" && id.Name != "or" || len(n.Args) != 2 {
		return
	}
	if first, ok := in.add(n, "first", "second"); ok {
		in.wrap(n.Fun, fmt.Sprintf("mAnd(%d, ", first), ")")
	}
}

// statements makes mutants without an assignment, a call, or a jump.
func (in *instrument) statements(list []ast.Stmt) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.ExprStmt, *ast.IncDecStmt:
		case *ast.AssignStmt:
			if s.Tok == token.DEFINE {
				continue
			}
		case *ast.BranchStmt:
			if s.Tok != token.CONTINUE && s.Tok != token.BREAK {
				continue
			}
		default:
			continue
		}
		if first, ok := in.add(s, "dropped"); ok {
			in.wrap(s, fmt.Sprintf("if mK(%d) { ", first), " }")
		}
	}
}

func (in *instrument) apply() []byte {
	slices.SortStableFunc(in.edits, func(a, b edit) int {
		if a.at != b.at {
			return a.at - b.at
		}
		return a.order - b.order
	})
	var out bytes.Buffer
	at := 0
	for _, e := range in.edits {
		out.Write(in.src[at:e.at])
		out.WriteString(e.text)
		at = e.at
	}
	out.Write(in.src[at:])
	return out.Bytes()
}
