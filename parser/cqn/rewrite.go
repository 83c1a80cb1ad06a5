package cqn

// Rewrite returns x with fn applied to every expression in it, children first. Unchanged parts are shared with x, which is
// never changed itself. Subqueries are entered, so a rewriter of names must mind scopes. See Walk for what is visited; a result
// of fn for the path of an Exists that is no *Ref is ignored.
func Rewrite(x Expr, fn func(Expr) Expr) Expr {
	if isNil(x) {
		return nil
	}
	return rewriter{fn: fn}.expr(x)
}

// RewriteQuery does the same for all expressions of a query.
func RewriteQuery(q Query, fn func(Expr) Expr) Query {
	if isNil(q) {
		return nil
	}
	return rewriter{fn: fn}.query(q)
}

// A rewriter applies fn. The hooks, if any, see a set of an In and a Select before they are entered.
type rewriter struct {
	fn  func(Expr) Expr
	set func(Expr) (Expr, bool)
	sel func(*Select) *Select
}

// opt rewrites an expression that may be absent.
func (r rewriter) opt(x Expr) Expr {
	if isNil(x) {
		return nil
	}
	return r.expr(x)
}

func (r rewriter) exprs(xs []Expr) ([]Expr, bool) {
	return rewriteSlice(xs, func(x Expr) (Expr, bool) { y := r.opt(x); return y, y != x })
}

// rewriteSlice maps a slice, copying it only if some item changed.
func rewriteSlice[T any](in []T, f func(T) (T, bool)) ([]T, bool) {
	out, changed := in, false
	for i := range in {
		v, ch := f(in[i])
		if ch && !changed {
			out, changed = append([]T(nil), in...), true
		}
		if changed {
			out[i] = v
		}
	}
	return out, changed
}

func (r rewriter) expr(x Expr) Expr {
	switch n := x.(type) {
	case *Ref:
		if c, ch := r.steps(n); ch {
			x = c
		}
	case *Call:
		x = r.call(n)
	case *Unary:
		if a := r.opt(n.X); a != n.X {
			c := *n
			c.X = a
			x = &c
		}
	case *Binary:
		if a, b := r.opt(n.L), r.opt(n.R); a != n.L || b != n.R {
			c := *n
			c.L, c.R = a, b
			x = &c
		}
	case *Between:
		if a, lo, hi := r.opt(n.X), r.opt(n.Lo), r.opt(n.Hi); a != n.X || lo != n.Lo || hi != n.Hi {
			c := *n
			c.X, c.Lo, c.Hi = a, lo, hi
			x = &c
		}
	case *Like:
		if a, p, e := r.opt(n.X), r.opt(n.Pattern), r.opt(n.Escape); a != n.X || p != n.Pattern || e != n.Escape {
			c := *n
			c.X, c.Pattern, c.Escape = a, p, e
			x = &c
		}
	case *In:
		if a, s := r.opt(n.X), r.inSet(n.Set); a != n.X || s != n.Set {
			c := *n
			c.X, c.Set = a, s
			x = &c
		}
	case *Case:
		x = r.cases(n)
	case *Exists:
		x = r.exists(n)
	case *Tuple:
		if items, ch := r.exprs(n.Items); ch {
			x = &Tuple{n.At, items}
		}
	case *Subquery:
		if q := r.query(n.Query); q != n.Query {
			c := *n
			c.Query = q
			x = &c
		}
	case *Cast:
		if a := r.opt(n.X); a != n.X {
			c := *n
			c.X = a
			x = &c
		}
	}
	return r.fn(x)
}

func (r rewriter) inSet(x Expr) Expr {
	if r.set != nil {
		if y, ok := r.set(x); ok {
			return y
		}
	}
	return r.opt(x)
}

func (r rewriter) call(n *Call) Expr {
	args, ch := r.exprs(n.Args)
	over := n.Over
	if over != nil {
		part, ch1 := r.exprs(over.PartitionBy)
		ord, ch2 := r.orders(over.OrderBy)
		if ch1 || ch2 {
			over = &Window{part, ord, over.Frame}
		}
	}
	if !ch && over == n.Over {
		return n
	}
	c := *n
	c.Args, c.Over = args, over
	return &c
}

func (r rewriter) cases(n *Case) Expr {
	a := r.opt(n.X)
	whens, ch := rewriteSlice(n.Whens, func(w When) (When, bool) {
		v := When{r.opt(w.Cond), r.opt(w.Then)}
		return v, v != w
	})
	e := r.opt(n.Else)
	if a == n.X && e == n.Else && !ch {
		return n
	}
	c := *n
	c.X, c.Whens, c.Else = a, whens, e
	return &c
}

func (r rewriter) exists(n *Exists) Expr {
	path := n.Path
	if path != nil {
		if p, ok := r.expr(path).(*Ref); ok && p != nil {
			path = p
		}
	}
	pred := r.opt(n.Pred)
	if path == n.Path && pred == n.Pred {
		return n
	}
	c := *n
	c.Path, c.Pred = path, pred
	return &c
}

// steps rewrites the filters and arguments of a path.
func (r rewriter) steps(n *Ref) (*Ref, bool) {
	if n == nil {
		return nil, false
	}
	path, ch := rewriteSlice(n.Path, func(s Step) (Step, bool) {
		args, ch := rewriteSlice(s.Args, func(a NamedArg) (NamedArg, bool) {
			v := NamedArg{a.Name, r.opt(a.X)}
			return v, v != a
		})
		f := r.opt(s.Filter)
		if !ch && f == s.Filter {
			return s, false
		}
		s.Args, s.Filter = args, f
		return s, true
	})
	if !ch {
		return n, false
	}
	return &Ref{n.At, path}, true
}

func (r rewriter) orders(os []Order) ([]Order, bool) {
	return rewriteSlice(os, func(o Order) (Order, bool) {
		x := r.opt(o.X)
		ch := x != o.X
		o.X = x
		return o, ch
	})
}

func (r rewriter) columns(cs []Column) ([]Column, bool) {
	return rewriteSlice(cs, func(c Column) (Column, bool) {
		x := r.opt(c.X)
		expand := c.Expand
		if expand != nil {
			expand = r.query(expand).(*Select)
		}
		inline, ch := r.columns(c.Inline)
		ch = ch || x != c.X || expand != c.Expand
		c.X, c.Expand, c.Inline = x, expand, inline
		return c, ch
	})
}

func (r rewriter) query(q Query) Query {
	switch n := q.(type) {
	case *Select:
		return r.selection(n)
	case *SetOp:
		args, ch1 := rewriteSlice(n.Args, func(a Query) (Query, bool) { b := r.query(a); return b, b != a })
		ord, ch2 := r.orders(n.OrderBy)
		lim, off := r.opt(n.Limit), r.opt(n.Offset)
		if ch1 || ch2 || lim != n.Limit || off != n.Offset {
			c := *n
			c.Args, c.OrderBy, c.Limit, c.Offset = args, ord, lim, off
			return &c
		}
	case *Update:
		ref, ch1 := r.steps(n.Entity)
		where := r.opt(n.Where)
		with, ch2 := rewriteSlice(n.With, func(a Assignment) (Assignment, bool) {
			v := Assignment{a.Name, r.opt(a.X)}
			return v, v != a
		})
		if ch1 || ch2 || where != n.Where {
			c := *n
			c.Entity, c.Where, c.With = ref, where, with
			return &c
		}
	case *Delete:
		ref, ch := r.steps(n.From)
		where := r.opt(n.Where)
		if ch || where != n.Where {
			return &Delete{ref, where}
		}
	}
	return q
}

func (r rewriter) selection(n *Select) Query {
	if n == nil {
		return n
	}
	orig := n
	if r.sel != nil {
		n = r.sel(n)
	}
	from := r.source(n.From)
	mixins, ch5 := rewriteSlice(n.Mixins, func(m Mixin) (Mixin, bool) {
		on := r.opt(m.On)
		ch := on != m.On
		m.On = on
		return m, ch
	})
	cols, ch1 := r.columns(n.Columns)
	where := r.opt(n.Where)
	group, ch2 := r.exprs(n.GroupBy)
	having := r.opt(n.Having)
	ord, ch3 := r.orders(n.OrderBy)
	lim, off := r.opt(n.Limit), r.opt(n.Offset)
	terms, ch4 := r.exprs(n.Terms)
	if n == orig && !ch1 && !ch2 && !ch3 && !ch4 && !ch5 && from == n.From && where == n.Where && having == n.Having && lim == n.Limit && off == n.Offset {
		return n
	}
	c := *n
	c.From, c.Columns, c.Where, c.GroupBy, c.Having, c.OrderBy, c.Limit, c.Offset = from, cols, where, group, having, ord, lim, off
	c.Terms, c.Mixins = terms, mixins
	return &c
}

func (r rewriter) source(s Source) Source {
	switch n := s.(type) {
	case *From:
		if p, ch := r.steps(n.Path); ch {
			return &From{p, n.As}
		}
	case *Join:
		l, rt := r.source(n.L), r.source(n.R)
		on := r.opt(n.On)
		if l != n.L || rt != n.R || on != n.On {
			return &Join{n.Kind, l, rt, on}
		}
	case *Derived:
		if q := r.query(n.Query); q != n.Query {
			return &Derived{q, n.As}
		}
	}
	return s
}
