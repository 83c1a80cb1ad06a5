package mutate

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A mutant is one change of the code that decides: what it is called does not depend on line numbers.
type mutant struct {
	id   int
	file string // relative to the repository
	line int
	fn   string
	kind string // what is changed: true, false, first, second, dropped, flipped, zero
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
	results []*ast.Field      // of the function that is looked at
	truth   map[ast.Expr]bool // conditions that have their mutants
}

// put instruments one file and returns its new text.
func put(root, file string, next int, only func(fn, text string) bool) (out []byte, mutants []mutant, err error) {
	in := &instrument{fset: token.NewFileSet(), file: file, next: next, only: only, truth: map[ast.Expr]bool{}}
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
		in.body(fd.Type, fd.Body)
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

// text is the source of a node; of a loop, its first line.
func (in *instrument) text(n ast.Node) string {
	switch s := n.(type) {
	case *ast.LabeledStmt:
		return in.text(s.Stmt)
	case *ast.ForStmt:
		return strings.Join(strings.Fields(string(in.src[in.offset(s.Pos()):in.offset(s.Body.Lbrace)])), " ")
	case *ast.RangeStmt:
		return strings.Join(strings.Fields(string(in.src[in.offset(s.Pos()):in.offset(s.Body.Lbrace)])), " ")
	}
	return strings.Join(strings.Fields(string(in.src[in.offset(n.Pos()):in.offset(n.End())])), " ")
}

// told are statements and conditions about what people are told of a decision. They decide nothing.
var told = regexp.MustCompile(`^(b\.why|why|b\.message|b\.names|d\.rules|out\.Lacking|out\.Message|d\.Home|d\.Hint|d\.Home, d\.Hint) (=|==|!=) `)

// add notes mutants of the kinds at a node, and returns the number of the first; false if the place does not count.
func (in *instrument) add(n ast.Node, kinds ...string) (int, bool) {
	text := in.text(n)
	if !in.only(in.fn, text) || told.MatchString(text) || text == "refusal{}" || text == "match{}" {
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

// body looks at one function.
func (in *instrument) body(t *ast.FuncType, body *ast.BlockStmt) {
	was := in.results
	in.results = nil
	if t.Results != nil {
		for _, f := range t.Results.List {
			for range max(1, len(f.Names)) {
				in.results = append(in.results, f)
			}
		}
	}
	ast.Inspect(body, in.visit)
	in.results = was
}

func (in *instrument) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.FuncLit:
		in.body(n.Type, n.Body)
		return false
	case *ast.GenDecl:
		return n.Tok != token.CONST
	case *ast.IfStmt:
		in.condition(n.Cond)
	case *ast.ForStmt:
		if n.Cond != nil {
			in.truth[n.Cond] = true
		}
	case *ast.SwitchStmt:
		if n.Tag == nil {
			for _, c := range n.Body.List {
				for _, x := range c.(*ast.CaseClause).List {
					in.condition(x)
				}
			}
		}
	case *ast.ReturnStmt:
		in.returned(n)
	case *ast.UnaryExpr:
		if n.Op == token.NOT && !in.truth[n] {
			in.condition(n)
		}
	case *ast.BinaryExpr:
		switch n.Op {
		case token.LAND, token.LOR, token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ:
			if !in.truth[n] {
				in.condition(n)
			}
		}
		in.operands(n)
	case *ast.ParenExpr:
		in.truth[n.X] = in.truth[n]
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

// condition makes two mutants: it always holds, it never does. The operands of a negation are covered by that.
func (in *instrument) condition(x ast.Expr) {
	in.truth[x] = true
	for y := x; ; {
		switch u := y.(type) {
		case *ast.ParenExpr:
			y = u.X
		case *ast.UnaryExpr:
			y = u.X
		default:
			if first, ok := in.add(x, "true", "false"); ok {
				in.wrap(x, fmt.Sprintf("mB(%d, ", first), ")")
			}
			return
		}
		in.truth[y] = true
	}
}

// returned makes mutants of what a function returns: a truth that is always or never told, an error or an answer that is not given.
func (in *instrument) returned(n *ast.ReturnStmt) {
	if len(n.Results) != len(in.results) {
		return
	}
	for i, x := range n.Results {
		id, _ := in.results[i].Type.(*ast.Ident)
		switch y := x.(type) {
		case *ast.Ident:
			if id != nil && id.Name == "bool" && y.Name != "true" && y.Name != "false" {
				in.condition(x)
			}
		case *ast.CallExpr, *ast.SelectorExpr, *ast.IndexExpr, *ast.UnaryExpr, *ast.CompositeLit:
			if id != nil && id.Name == "bool" {
				in.condition(x)
				continue
			}
			if first, ok := in.add(x, "zero"); ok {
				in.wrap(x, fmt.Sprintf("mZ[%s](%d, ", in.text(in.results[i].Type), first), ")")
			}
		}
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
		in.truth[x] = true
		if b, ok := x.(*ast.BinaryExpr); ok && b.Op == n.Op {
			continue // its operands are
		}
		if u, ok := x.(*ast.UnaryExpr); ok {
			in.truth[u.X] = true
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

// statements makes mutants without an assignment, a call, a loop, or a jump.
func (in *instrument) statements(list []ast.Stmt) {
	for _, s := range list {
		if !droppable(s) {
			continue
		}
		if first, ok := in.add(s, "dropped"); ok {
			in.wrap(s, fmt.Sprintf("if mK(%d) { ", first), " }")
		}
	}
}

func droppable(s ast.Stmt) bool {
	switch s := s.(type) {
	case *ast.ExprStmt:
		c, ok := s.X.(*ast.CallExpr)
		if ok {
			id, ok := c.Fun.(*ast.Ident)
			return !ok || id.Name != "panic" // it may end a function
		}
		return true
	case *ast.IncDecStmt, *ast.RangeStmt:
		return true
	case *ast.ForStmt:
		return s.Cond != nil // else it may end a function
	case *ast.LabeledStmt:
		return droppable(s.Stmt)
	case *ast.AssignStmt:
		return s.Tok != token.DEFINE
	case *ast.BranchStmt:
		return s.Tok == token.CONTINUE || s.Tok == token.BREAK
	}
	return false
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
