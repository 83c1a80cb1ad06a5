package link

import (
	"strings"

	"cds/parser/ast"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/token"
)

// A viewQuery is the body of a view with what extensions add to it.
type viewQuery struct {
	node       *ast.Query // nil when the view is inferred
	owner      *def
	scope      *scope // nil: that of the owner
	more       []moreColumns
	params     csn.Elements
	projection bool // `projection on`
	plain      bool // known when the view is inferred: it reads an entity by its name
	base       *def // likewise: the entity that it projects
}

type moreColumns struct {
	cols  []*ast.Column
	excl  []ast.Ident
	scope *scope
}

func (q *viewQuery) extend(n *ast.Extend, s *scope) {
	if len(n.Columns) > 0 || len(n.Excluding) > 0 {
		q.more = append(q.more, moreColumns{n.Columns, n.Excluding, s})
	}
}

// A colSpec is a column as written; ast is nil for columns of nested queries, which have no annotations.
type colSpec struct {
	c              cqn.Column
	ast            *ast.Column
	names          *scope
	expand, inline []colSpec
}

func specsOf(cols []*ast.Column, s *scope) []colSpec {
	out := make([]colSpec, 0, len(cols))
	for _, c := range cols {
		out = append(out, colSpec{c: c.CQN(), ast: c, names: s, expand: specsOf(c.Expand, s), inline: specsOf(c.Inline, s)})
	}
	return out
}

func plainSpecs(cols []cqn.Column, s *scope) []colSpec {
	out := make([]colSpec, 0, len(cols))
	for _, c := range cols {
		sp := colSpec{c: c, names: s, inline: plainSpecs(c.Inline, s)}
		if c.Expand != nil {
			sp.expand = plainSpecs(c.Expand.Columns, s)
		}
		out = append(out, sp)
	}
	return out
}

// An outCol is a column of a result: its name and where it comes from.
type outCol struct {
	name   string
	el     *csn.Element // the element it takes, nil for an expression
	path   []*csn.Element
	x      cqn.Expr
	sub    []outCol // expanded
	many   bool
	key    bool     // marked as key
	isKey  bool     // a key of the result
	spec   *colSpec // nil for a column that `*` stands for
	cast   *csn.Element
	span   token.Span
	filter cqn.Expr
	direct bool // element of the source itself: no path, no $self
	from   *source
}

// A signature is what a query yields.
type signature struct {
	cols    []outCol
	keys    bool   // keys of the source pass on
	missing string // a key of the source that is no column
}

// linkQuery links a query that is part of an expression or a FROM clause.
func (l *linker) linkQuery(q cqn.Query, s *escope) (cqn.Query, signature) {
	if s.depth > maxDepth {
		return q, signature{}
	}
	switch q := q.(type) {
	case *cqn.Select:
		specs := plainSpecs(q.Columns, s.names)
		return l.linkSelect(q, specs, len(q.Columns) > 0, nil, s)
	case *cqn.SetOp:
		out := *q
		var sig signature
		out.Args = nil
		for i, a := range q.Args {
			in := s.inner()
			arg, as := l.linkQuery(a, in)
			if i == 0 {
				sig = as
			}
			out.Args = append(out.Args, arg)
		}
		ord := s.inner()
		ord.sources = []source{{elems: l.columnElements(sig.cols)}}
		out.OrderBy, out.Limit, out.Offset = ord.orders(q.OrderBy), q.Limit, q.Offset
		return &out, sig
	}
	return q, signature{}
}

// linkAST links the body of a view.
func (l *linker) linkAST(q *ast.Query, more []moreColumns, s *escope) (cqn.Query, signature) {
	if q == nil || s.depth > maxDepth {
		return &cqn.Select{}, signature{}
	}
	if q.SetOp != "" {
		out := &cqn.SetOp{Op: q.SetOp, All: q.All, Limit: q.Limit, Offset: q.Offset, Span: q.Span}
		var sig signature
		for i, a := range q.Args {
			arg, as := l.linkAST(a, more, s.inner())
			if i == 0 {
				sig = as
			}
			if len(as.cols) != len(sig.cols) {
				l.diags.Errorf("query-union-mismatch", a.Span, "The queries of a union have different numbers of columns: %d and %d", len(sig.cols), len(as.cols))
			}
			out.Args = append(out.Args, arg)
		}
		ord := s.inner()
		ord.sources = []source{{elems: l.columnElements(sig.cols)}}
		out.OrderBy = ord.orders(q.OrderBy)
		return out, sig
	}
	specs := specsOf(q.Columns, s.names)
	has := q.HasColumns
	sel := q.CQN().(*cqn.Select)
	for _, m := range more {
		if !has && len(m.cols) > 0 {
			specs = append(specs, colSpec{c: cqn.Column{Star: true}, names: s.names})
			has = true
		}
		specs = append(specs, specsOf(m.cols, m.scope)...)
		for _, x := range m.excl {
			sel.Exclude = append(sel.Exclude, x.Text)
		}
	}
	return l.linkSelect(sel, specs, has, q.Mixin, s)
}

// linkSelect links one select: sources first, then columns, then the clauses, which see the sources.
func (l *linker) linkSelect(q *cqn.Select, specs []colSpec, has bool, mixin []*ast.Element, s *escope) (*cqn.Select, signature) {
	out := *q
	out.From = l.linkSource(q.From, s, 0)
	var sig signature
	s.self = func(name string) *csn.Element {
		for i := range sig.cols {
			if sig.cols[i].name == name {
				return l.resultElement(&sig.cols[i])
			}
		}
		return nil
	}
	l.mixins(mixin, s)
	_, joined := out.From.(*cqn.Join)
	sig.keys = !joined
	if !has {
		sig.cols = l.star(s, q.Exclude, nil)
		out.Columns = nil
	} else {
		cl := &columnLinker{l: l, s: s, specs: specs, exclude: q.Exclude, sig: &sig}
		out.Columns = cl.run()
	}
	sig.markKeys()
	l.excluded(q, s)
	out.Mixins = l.linkMixins(mixin, s)
	out.Where, out.Having, out.GroupBy = s.expr(q.Where), s.expr(q.Having), s.exprs(q.GroupBy)
	if len(q.OrderBy) > 0 { // columns of the result come before elements of the sources
		ord := s.inner()
		ord.self = s.self
		ord.sources = []source{{elems: l.columnElements(sig.cols)}}
		out.OrderBy = ord.orders(q.OrderBy)
	}
	return &out, sig
}

// excluded warns of names in excluding that the source lacks: a misspelt one would show what was meant to be hidden.
func (l *linker) excluded(q *cqn.Select, s *escope) {
	for _, name := range q.Exclude {
		found := s.silent
		for _, src := range s.sources {
			found = found || src.elems.Lookup(name) != nil
		}
		if !found {
			x := l.diags.Errorf("ref-undefined-excluding", q.Span, "The excluded element “%s” has not been found", name)
			var known []string
			for _, src := range s.sources {
				for _, e := range src.elems {
					known = append(known, e.Name)
				}
			}
			x.Hint = didYouMean(name, known)
		}
	}
}

func (l *linker) linkSource(f cqn.Source, s *escope, depth int) cqn.Source {
	if depth > maxDepth {
		return f
	}
	switch f := f.(type) {
	case *cqn.From:
		return l.linkFrom(f, s)
	case *cqn.Join:
		out := &cqn.Join{Kind: f.Kind}
		n := len(s.sources)
		out.L = l.linkSource(f.L, s, depth+1)
		m := len(s.sources)
		out.R = l.linkSource(f.R, s, depth+1)
		for i := n; i < len(s.sources); i++ {
			if f.Kind == cqn.FullJoin || i < m && f.Kind == cqn.RightJoin || i >= m && f.Kind == cqn.LeftJoin {
				s.sources[i].outer = true
			}
		}
		out.On = s.expr(f.On)
		return out
	case *cqn.Derived:
		in := s.inner()
		if s.outer == nil {
			in.outer = nil
		}
		q, sig := l.linkQuery(f.Query, in)
		s.sources = append(s.sources, source{alias: f.As, elems: l.columnElements(sig.cols)})
		return &cqn.Derived{Query: q, As: f.As}
	}
	return f
}

// linkFrom resolves the entity of a FROM clause. The dotted name in the first step may go on with associations.
func (l *linker) linkFrom(f *cqn.From, s *escope) cqn.Source {
	if f.Path == nil || len(f.Path.Path) == 0 {
		return f
	}
	head := f.Path.Path[0]
	d, rest := l.entityPrefix(s.names, head.Name)
	if d == nil {
		if head.Name != "" {
			l.unknownDef(s.names, &ast.Name{Text: head.Name, Span: head.Span}, "Artifact")
		}
		l.breakScope(s) // its elements are not known either
		return f
	}
	if d.kind != kEntity && d.kind != kAspect {
		l.diags.Errorf("ref-invalid-source", head.Span, "An entity is expected here, but “%s” is %s %s", d.name, article(d.kind), d.kind)
		l.breakScope(s)
		return f
	}
	steps := []cqn.Step{{Name: d.name, Filter: head.Filter, Args: head.Args, Span: head.Span}}
	if len(rest) > 0 {
		steps[0].Filter, steps[0].Args = nil, nil
		for i, r := range rest {
			st := cqn.Step{Name: r, Span: head.Span}
			if i == len(rest)-1 {
				st.Filter, st.Args = head.Filter, head.Args
			}
			steps = append(steps, st)
		}
	}
	steps = append(steps, f.Path.Path[1:]...)
	return l.linkFromSteps(f, s, d, steps, lastPart(head.Name))
}

// breakScope stops reports on elements of a query whose source is not known, and of those that read this one.
func (l *linker) breakScope(s *escope) {
	s.silent = true
	if s.owner != nil {
		s.owner.broken = true
	}
}

func (l *linker) linkFromSteps(f *cqn.From, s *escope, d *def, steps []cqn.Step, alias string) cqn.Source {
	l.complete(d)
	elems := l.elementsOf(d)
	if d.inferred == doing || d.broken {
		l.breakScope(s) // the cause was reported
	}
	out := &cqn.From{Path: &cqn.Ref{At: f.Path.At, Path: steps}, As: f.As}
	steps[0] = l.sourceFilter(steps[0], d, elems, s)
	for i := 1; i < len(steps); i++ {
		el := elems.Lookup(steps[i].Name)
		if el == nil {
			l.unknownElement(steps[i].Name, steps[i].Span, elems, d.name)
			return out
		}
		next, t := l.below(el)
		if t == nil || el.Assoc() == nil {
			l.diags.Errorf("ref-expecting-assoc", steps[i].Span, "An association is expected here, but “%s” is none", el.Name)
			return out
		}
		elems, d, alias = next, t, el.Name
		steps[i] = l.sourceFilter(steps[i], d, elems, s)
	}
	if f.As != "" {
		alias = f.As
	}
	for _, o := range s.sources {
		if o.alias == alias {
			l.diags.Errorf("duplicate-alias", f.Path.Where, "The alias “%s” is used twice", alias).Hint = "Give this source another name with `as`."
		}
	}
	s.sources = append(s.sources, source{alias: alias, def: d, elems: elems})
	return out
}

func (l *linker) sourceFilter(st cqn.Step, d *def, elems csn.Elements, s *escope) cqn.Step {
	if st.Filter != nil {
		in := &escope{l: l, names: s.names, owner: s.owner, params: s.params, silent: s.silent, depth: s.depth + 1, direct: true, sources: []source{{def: d, elems: elems}}}
		st.Filter = in.expr(st.Filter)
	}
	st.Args = s.namedArgs(st.Args)
	return st
}

// entityPrefix finds the longest beginning of a dotted name that is an entity; the rest is a path of associations.
func (l *linker) entityPrefix(s *scope, name string) (*def, []string) {
	if d := l.lookup(s, name); d != nil {
		return d, nil
	}
	parts := strings.Split(name, ".")
	for n := len(parts) - 1; n > 0; n-- {
		if d := l.lookup(s, strings.Join(parts[:n], ".")); d != nil && d.kind == kEntity {
			// A part that is exposed along with d (S.Books.texts) comes into being when d is inferred.
			if d.query != nil && d.service != nil && d.inferred == todo {
				l.infer(d)
				if x := l.byName[d.name+"."+strings.Join(parts[n:], ".")]; x != nil {
					return x, nil
				}
			}
			return d, parts[n:]
		}
	}
	return nil, nil
}

// mixins adds the associations of a mixin clause to the scope.
func (l *linker) mixins(ms []*ast.Element, s *escope) {
	for _, m := range ms {
		e := l.newElement(s.owner, m, s.names)
		inf := l.info(e)
		inf.setNotes(nil)
		l.resolve(e)
		if a := e.Assoc(); a == nil || a.On == nil {
			l.diags.Errorf("mixin-invalid", m.Name.Span, "A mixin is an association with an ON condition")
			continue
		}
		s.extra = append(s.extra, e)
	}
}

// linkMixins links the conditions of the mixins. It comes after the columns, which the conditions may name by $projection.
func (l *linker) linkMixins(ms []*ast.Element, s *escope) []cqn.Mixin {
	var out []cqn.Mixin
	s.inMixin = true
	defer func() { s.inMixin = false }()
	for _, m := range ms {
		e := s.extra.Lookup(m.Name.Text)
		if e == nil {
			continue // reported
		}
		a, inf := e.Assoc(), l.info(e)
		if inf.target == nil {
			continue // reported as well
		}
		x := cqn.Mixin{Name: e.Name, Target: inf.target.name, Composition: a.Composition, Src: a.Src, Min: a.Min, Max: a.Max, On: s.expr(a.On)}
		out = append(out, x)
	}
	return out
}

// resultElement returns the element that a column takes over, or one that stands for its expression.
func (l *linker) resultElement(c *outCol) *csn.Element {
	if c.el != nil || c.sub != nil {
		return c.el
	}
	if es := l.columnElements([]outCol{*c}); len(es) == 1 {
		return es[0]
	}
	return nil
}

// columnElements makes elements of result columns, for the scope of an enclosing query.
func (l *linker) columnElements(cols []outCol) csn.Elements {
	var out csn.Elements
	for i := range cols {
		c := &cols[i]
		if c.name == "" {
			continue
		}
		e := &csn.Element{}
		e.Name, e.Span = c.name, c.span
		inf := elemInfo{state: done, source: c.el, more: columnInfo(c.path, c.filter), cast: c.cast != nil, derived: true}
		if c.el != nil {
			if si := l.info(c.el); si != nil && si.derived && len(c.path) == 0 && c.filter == nil {
				inf.source, inf.more, inf.cast = si.source, columnInfo(si.rest().path, si.rest().filter), si.cast || inf.cast
			}
		}
		switch {
		case c.cast != nil:
			e.Type, e.TypeName = c.cast.Type, c.cast.TypeName
			e.SetEnum(c.cast.Enum())
		case c.el != nil:
			l.resolve(c.el)
			name := e.Name
			*e = *c.el
			e.Name, e.Span = name, c.span
			e.SetValue(nil)
			e.Key = c.isKey
			if old := l.info(c.el); old != nil {
				inf.target = old.target
			}
		default:
			l.exprType(e, c.x)
		}
		l.know(e, inf)
		if e.Type == nil {
			l.fallback(e)
		}
		out = append(out, e)
	}
	return out
}
