// Package parsed writes CSN of sources that are not linked: the flavour "parsed", with definitions and extensions side by side and names
// resolved as far as the file tells, and "xtended", with the extensions merged into the definitions and nothing inferred.
package parsed

import (
	"bytes"
	"slices"
	"sort"
	"strings"

	"cds/parser/ast"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/link"
)

// Options say what is written.
type Options struct {
	Extended bool // merge extensions into definitions: the flavour "xtended"
	Indent   bool // one property per line
	Docs     bool // with doc comments
	Creator  string
	// Leave names files whose content is left out but which are named in `requires`: reuse models.
	Leave func(file string) bool
}

// maxDepth limits nesting; the parser's own limit is the same.
const maxDepth = 200

// Marshal returns the CSN of files as JSON. Files that others use come before these, so that extensions apply in that order.
func Marshal(files []*ast.File, opt Options) []byte {
	w := &writer{opt: opt, defs: newObj()}
	w.scanAll(files)
	for i, f := range files {
		if opt.Leave == nil || !opt.Leave(f.Name) {
			w.file(f, w.tops[i])
		}
	}
	root := newObj()
	if len(files) > 0 && files[0].Namespace != nil {
		root.set("namespace", files[0].Namespace.Text)
	}
	if len(w.requires) > 0 && !opt.Extended {
		root.set("requires", texts(w.requires))
	}
	sort.SliceStable(w.exts, func(i, j int) bool { return w.exts[i].name < w.exts[j].name })
	if opt.Extended {
		w.merge()
	}
	root.set("definitions", w.defs)
	if len(w.exts) > 0 {
		list := make([]any, len(w.exts))
		for i := range w.exts {
			list[i] = w.exts[i].o
		}
		root.set("extensions", list)
	}
	flavor := "parsed"
	if opt.Extended {
		flavor = "xtended"
	}
	meta := newObj()
	if opt.Creator != "" {
		meta.set("creator", opt.Creator)
	}
	root.set("meta", meta.set("flavor", flavor).set("compilerCsnFlavor", flavor)).set("$version", "2.0")
	var b bytes.Buffer
	appendValue(&b, root)
	if opt.Indent {
		return csn.Indent(b.Bytes())
	}
	return b.Bytes()
}

type writer struct {
	opt      Options
	defs     *obj
	exts     []extension
	requires []string
	tops     []*scope
	known    map[string]bool // definitions of all files and the beginnings of their names
}

type extension struct {
	name string
	o    *obj
}

// A scope is a block in which names are looked up.
type scope struct {
	outer  *scope
	prefix string
	names  map[string]string
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

func (w *writer) scanAll(files []*ast.File) {
	w.known = map[string]bool{}
	for _, f := range files {
		global := &scope{names: map[string]string{}}
		for _, u := range f.Usings {
			if u.From != "" && !slices.Contains(w.requires, u.From) && (w.opt.Leave == nil || w.opt.Leave(u.From+".cds")) {
				w.requires = append(w.requires, u.From)
			}
			for _, it := range u.Items {
				alias := it.Name.Text[strings.LastIndexByte(it.Name.Text, '.')+1:]
				if it.As != nil {
					alias = it.As.Text
				}
				global.names[alias] = it.Name.Text
			}
		}
		ns := ""
		if f.Namespace != nil {
			ns = f.Namespace.Text
		}
		top := w.block(global, ns, f.Decls)
		w.tops = append(w.tops, top)
		w.scan(top, f.Decls, 0)
	}
}

// block returns the scope of a block with its own definitions.
func (w *writer) block(outer *scope, prefix string, decls []ast.Decl) *scope {
	s := &scope{outer: outer, prefix: prefix, names: map[string]string{}}
	for _, d := range decls {
		if h := head(d); h != nil {
			first, _, _ := strings.Cut(h.Name.Text, ".")
			s.names[first] = join(prefix, first)
		}
	}
	return s
}

// scan notes the absolute names of all definitions.
func (w *writer) scan(s *scope, decls []ast.Decl, depth int) {
	if depth > maxDepth {
		return
	}
	for _, d := range decls {
		if h := head(d); h != nil {
			w.known[join(s.prefix, h.Name.Text)] = true
		}
		switch n := d.(type) {
		case *ast.Service:
			w.scan(&scope{prefix: join(s.prefix, n.Name.Text)}, n.Decls, depth+1)
		case *ast.Context:
			w.scan(&scope{prefix: join(s.prefix, n.Name.Text)}, n.Decls, depth+1)
		}
	}
}

// head returns the head of a declaration that defines a name, nil for extensions.
func head(d ast.Decl) *ast.Head {
	switch d := d.(type) {
	case *ast.Service:
		return &d.Head
	case *ast.Context:
		return &d.Head
	case *ast.Entity:
		return &d.Head
	case *ast.Aspect:
		return &d.Head
	case *ast.Type:
		return &d.Head
	case *ast.Operation:
		return &d.Head
	case *ast.Event:
		return &d.Head
	case *ast.Annotation:
		return &d.Head
	}
	return nil
}

// name resolves the name of a definition. What no block knows is taken as absolute.
func (s *scope) name(n string) string {
	first, rest, dotted := strings.Cut(n, ".")
	for b := s; b != nil; b = b.outer {
		if abs, ok := b.names[first]; ok {
			if dotted {
				return abs + "." + rest
			}
			return abs
		}
	}
	return n
}

// typeName resolves the name of a type, which may be a builtin one.
func (w *writer) typeName(s *scope, n string) string {
	abs := s.name(n)
	if abs == n && !w.known[n] {
		if b, ok := link.BuiltinType(n); ok {
			return b
		}
	}
	return abs
}

// query returns a query with absolute names in its sources and casts. Only first steps of sources are names of definitions.
func (w *writer) query(s *scope, q cqn.Query, depth int) cqn.Query {
	if depth > maxDepth {
		return q
	}
	switch q := q.(type) {
	case *cqn.Select:
		c := *q
		c.From = w.source(s, q.From, depth+1)
		return cqn.RewriteQuery(&c, w.rewrite(s, depth+1))
	case *cqn.SetOp:
		c := *q
		c.Args = nil
		for _, a := range q.Args {
			c.Args = append(c.Args, w.query(s, a, depth+1))
		}
		return &c
	}
	return q
}

func (w *writer) source(s *scope, f cqn.Source, depth int) cqn.Source {
	if depth > maxDepth {
		return f
	}
	switch f := f.(type) {
	case *cqn.From:
		if f.Path == nil || len(f.Path.Path) == 0 {
			return f
		}
		r := &cqn.Ref{At: f.Path.At, Path: slices.Clone(f.Path.Path)}
		r.Path[0].Name = s.name(r.Path[0].Name)
		return &cqn.From{Path: r, As: f.As}
	case *cqn.Join:
		return &cqn.Join{Kind: f.Kind, L: w.source(s, f.L, depth+1), R: w.source(s, f.R, depth+1), On: w.expr(s, f.On)}
	case *cqn.Derived:
		return &cqn.Derived{Query: w.query(s, f.Query, depth+1), As: f.As}
	}
	return f
}

func (w *writer) expr(s *scope, x cqn.Expr) cqn.Expr {
	if x == nil {
		return nil
	}
	return cqn.Rewrite(x, w.rewrite(s, 0))
}

func (w *writer) rewrite(s *scope, depth int) func(cqn.Expr) cqn.Expr {
	return func(x cqn.Expr) cqn.Expr {
		switch n := x.(type) {
		case *cqn.Cast:
			c := *n
			c.Type.Name = w.typeName(s, c.Type.Name)
			return &c
		case *cqn.Subquery:
			if q := w.query(s, n.Query, depth+1); q != n.Query {
				c := *n
				c.Query = q
				return &c
			}
		}
		return x
	}
}
