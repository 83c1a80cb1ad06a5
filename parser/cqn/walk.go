package cqn

// Walk calls fn for node and, as long as fn returns true, for everything below it: expressions, queries and sources, in the
// order of their text. node is an Expr, Query, Source or nil.
//
// The path of an Exists is visited as a *Ref. The path of a From, Update or Delete names an entity, not an element, so it is not
// visited itself, only its filters and arguments are. Expanded and inlined columns are entered; fn sees an expand as its *Select.
//
// Walk does not limit depth: trees come from parsers, which do.
func Walk(node any, fn func(node any) bool) {
	if isNil(node) || !fn(node) {
		return
	}
	w := walker{fn}
	switch n := node.(type) {
	case Expr:
		w.expr(n)
	case Query:
		w.query(n)
	case Source:
		w.source(n)
	}
}

type walker struct{ fn func(any) bool }

func (w walker) walk(n any) { Walk(n, w.fn) }

func (w walker) exprs(xs []Expr) {
	for _, x := range xs {
		w.walk(x)
	}
}

func (w walker) expr(x Expr) {
	switch x := x.(type) {
	case *Ref:
		w.steps(x)
	case *Lit, *Param:
	case *Call:
		w.exprs(x.Args)
		if x.Over != nil {
			w.exprs(x.Over.PartitionBy)
			w.orders(x.Over.OrderBy)
		}
	case *Unary:
		w.walk(x.X)
	case *Binary:
		w.walk(x.L)
		w.walk(x.R)
	case *Between:
		w.walk(x.X)
		w.walk(x.Lo)
		w.walk(x.Hi)
	case *Like:
		w.walk(x.X)
		w.walk(x.Pattern)
		w.walk(x.Escape)
	case *In:
		w.walk(x.X)
		w.walk(x.Set)
	case *Case:
		w.walk(x.X)
		for _, c := range x.Whens {
			w.walk(c.Cond)
			w.walk(c.Then)
		}
		w.walk(x.Else)
	case *Exists:
		w.walk(x.Path)
		w.walk(x.Pred)
	case *Tuple:
		w.exprs(x.Items)
	case *Subquery:
		w.walk(x.Query)
	case *Cast:
		w.walk(x.X)
	}
}

func (w walker) steps(r *Ref) {
	if r == nil {
		return
	}
	for i := range r.Path {
		for j := range r.Path[i].Args {
			w.walk(r.Path[i].Args[j].X)
		}
		w.walk(r.Path[i].Filter)
	}
}

func (w walker) orders(os []Order) {
	for i := range os {
		w.walk(os[i].X)
	}
}

func (w walker) columns(cs []Column) {
	for i := range cs {
		w.walk(cs[i].X)
		w.walk(cs[i].Expand)
		w.columns(cs[i].Inline)
	}
}

func (w walker) query(q Query) {
	switch q := q.(type) {
	case *Select:
		w.walk(q.From)
		for i := range q.Mixins {
			w.walk(q.Mixins[i].On)
		}
		w.columns(q.Columns)
		w.walk(q.Where)
		w.exprs(q.GroupBy)
		w.walk(q.Having)
		w.orders(q.OrderBy)
		w.walk(q.Limit)
		w.walk(q.Offset)
		w.exprs(q.Terms)
	case *SetOp:
		for _, a := range q.Args {
			w.walk(a)
		}
		w.orders(q.OrderBy)
		w.walk(q.Limit)
		w.walk(q.Offset)
	case *Update:
		w.steps(q.Entity)
		w.walk(q.Where)
		for i := range q.With {
			w.walk(q.With[i].X)
		}
	case *Delete:
		w.steps(q.From)
		w.walk(q.Where)
	}
}

func (w walker) source(s Source) {
	switch s := s.(type) {
	case *From:
		w.steps(s.Path)
	case *Join:
		w.walk(s.L)
		w.walk(s.R)
		w.walk(s.On)
	case *Derived:
		w.walk(s.Query)
	}
}

// isNil reports whether a node is absent, also as a nil pointer in an interface.
func isNil(node any) bool {
	switch n := node.(type) {
	case nil:
		return true
	case *Ref:
		return n == nil
	case *Select:
		return n == nil
	case *Lit:
		return n == nil
	case *Param:
		return n == nil
	}
	return false
}
