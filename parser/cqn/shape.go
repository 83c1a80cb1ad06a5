package cqn

import "encoding/binary"

// Shape returns what a query has in common with all others that need the same SQL, and the literals in which they differ. Two queries
// with equal keys differ in literals only. The n-th value belongs to the parameter FromLiteral with Index n that Parametrize puts
// into its place. Values keep their kind in the key; null, true, false and enum symbols are part of the key, since SQL depends on them.
// A set of several literals (`x in (1, 2)`) counts as one value, a list, so the key knows no list length. Payloads of writes count with
// the names of their fields, in order; their values are no literals. Places in source texts don't count.
func Shape(q Query) (key string, values []Value) {
	var buf [512]byte
	b, values := AppendShape(buf[:0], nil, q)
	return string(b), values
}

// AppendShape is Shape for callers that keep buffers.
func AppendShape(key []byte, values []Value, q Query) ([]byte, []Value) {
	s := shaper{key, values}
	s.query(q)
	return s.key, s.values
}

// Parametrize replaces the literals of a query by parameters, numbered as Shape numbers its values.
func Parametrize(q Query) (Query, []Value) {
	var values []Value
	param := func(at At, v Value) Expr {
		values = append(values, v)
		return &Param{At: at, From: FromLiteral, Index: len(values) - 1}
	}
	r := rewriter{
		fn: func(x Expr) Expr {
			if l, ok := x.(*Lit); ok && isValue(l) {
				return param(l.At, l.Value)
			}
			return x
		},
		set: func(x Expr) (Expr, bool) {
			t, ok := literalSet(x)
			if !ok {
				return nil, false
			}
			return param(t.At, listOf(t)), true
		},
		sel: func(s *Select) *Select {
			if len(s.Search) == 0 {
				return s
			}
			c := *s
			c.Search, c.Terms = nil, make([]Expr, 0, len(s.Search)+len(s.Terms))
			for _, w := range s.Search {
				c.Terms = append(c.Terms, &Lit{Value: String(w)})
			}
			c.Terms = append(c.Terms, s.Terms...)
			return &c
		},
	}
	if isNil(q) {
		return nil, nil
	}
	q = r.query(q)
	return q, values
}

// isValue reports whether a literal is a value of Shape rather than part of its key.
func isValue(x *Lit) bool {
	return x.Enum == "" && x.Value.Kind() != KindNull && x.Value.Kind() != KindBool
}

// literalSet returns a set of literals only.
func literalSet(x Expr) (*Tuple, bool) {
	t, ok := x.(*Tuple)
	if !ok || len(t.Items) == 0 {
		return nil, false
	}
	for _, i := range t.Items {
		if l, ok := i.(*Lit); !ok || !isValue(l) {
			return nil, false
		}
	}
	return t, true
}

func listOf(t *Tuple) Value {
	vs := make([]Value, len(t.Items))
	for i, x := range t.Items {
		vs[i] = x.(*Lit).Value
	}
	return List(vs)
}

type shaper struct {
	key    []byte
	values []Value
}

// Every node is written as a tag, its scalar fields with lengths where they vary, and its children; absent children are '_'. So the key
// can be read back unambiguously, which makes it injective.

func (s *shaper) str(v string) {
	s.num(len(v))
	s.key = append(s.key, v...)
}

func (s *shaper) num(n int) { s.key = binary.AppendVarint(s.key, int64(n)) }

func (s *shaper) flag(bs ...bool) {
	var v byte
	for i, b := range bs {
		if b {
			v |= 1 << i
		}
	}
	s.key = append(s.key, v)
}

func (s *shaper) tag(t byte) { s.key = append(s.key, t) }

func (s *shaper) exprs(xs []Expr) {
	s.num(len(xs))
	for _, x := range xs {
		s.expr(x)
	}
}

func (s *shaper) expr(x Expr) {
	if isNil(x) {
		s.tag('_')
		return
	}
	switch x := x.(type) {
	case *Ref:
		s.tag('r')
		s.ref(x)
	case *Lit:
		s.lit(x)
	case *Param:
		s.tag('p')
		s.num(int(x.From))
		s.str(x.Name)
		s.num(x.Index)
	case *Call:
		s.call(x)
	case *Unary:
		s.key = append(s.key, 'u', byte(x.Op))
		s.expr(x.X)
	case *Binary:
		s.key = append(s.key, 'b', byte(x.Op))
		s.expr(x.L)
		s.expr(x.R)
	case *Between:
		s.tag('w')
		s.flag(x.Negated)
		s.expr(x.X)
		s.expr(x.Lo)
		s.expr(x.Hi)
	case *Like:
		s.tag('k')
		s.flag(x.Negated)
		s.expr(x.X)
		s.expr(x.Pattern)
		s.expr(x.Escape)
	case *In:
		s.tag('i')
		s.flag(x.Negated)
		s.expr(x.X)
		if t, ok := literalSet(x.Set); ok {
			s.tag('L')
			s.tag(byte(t.Items[0].(*Lit).Value.Kind()))
			s.values = append(s.values, listOf(t))
			return
		}
		s.expr(x.Set)
	case *Case:
		s.tag('c')
		s.expr(x.X)
		s.num(len(x.Whens))
		for _, w := range x.Whens {
			s.expr(w.Cond)
			s.expr(w.Then)
		}
		s.expr(x.Else)
	case *Exists:
		s.tag('e')
		s.str(x.Var)
		s.str(x.Inverse)
		if x.Path == nil {
			s.tag('_')
		} else {
			s.ref(x.Path)
		}
		s.expr(x.Pred)
	case *Tuple:
		s.tag('t')
		s.exprs(x.Items)
	case *Subquery:
		s.tag('q')
		s.flag(x.Exists)
		s.query(x.Query)
	case *Cast:
		s.tag('a')
		s.typeName(x.Type)
		s.expr(x.X)
	}
}

func (s *shaper) lit(x *Lit) {
	if isValue(x) {
		s.key = append(s.key, 'v', byte(x.Value.Kind()))
		s.values = append(s.values, x.Value)
		return
	}
	s.key = append(s.key, 'l', byte(x.Value.Kind()))
	s.flag(x.Value.Bool())
	s.str(x.Enum)
}

func (s *shaper) ref(x *Ref) {
	s.num(len(x.Path))
	for i := range x.Path {
		st := &x.Path[i]
		s.str(st.Name)
		s.num(len(st.Args))
		for _, a := range st.Args {
			s.str(a.Name)
			s.expr(a.X)
		}
		s.expr(st.Filter)
	}
}

func (s *shaper) call(x *Call) {
	s.tag('f')
	s.str(x.Name)
	s.flag(x.Distinct, x.Star, x.Over != nil)
	s.exprs(x.Args)
	if x.Over != nil {
		s.exprs(x.Over.PartitionBy)
		s.orders(x.Over.OrderBy)
		s.str(x.Over.Frame)
	}
}

func (s *shaper) typeName(t TypeName) {
	s.str(t.Name)
	s.num(t.Length)
	s.num(t.Precision)
	s.num(t.Scale)
}

func (s *shaper) orders(os []Order) {
	s.num(len(os))
	for i := range os {
		s.flag(os[i].Desc, os[i].NullsFirst, os[i].NullsLast)
		s.expr(os[i].X)
	}
}

func (s *shaper) columns(cs []Column) {
	s.num(len(cs))
	for i := range cs {
		c := &cs[i]
		shaped := len(c.Out) > 0 || c.Variants != 0
		s.flag(c.Star, c.Expand != nil, c.Inline != nil, c.Cast != nil, c.Key, c.Virtual, c.Count, shaped)
		if shaped {
			s.strs(c.Out)
			s.key = binary.AppendUvarint(s.key, c.Variants)
		}
		s.str(c.As)
		s.expr(c.X)
		if c.Expand != nil {
			s.query(c.Expand)
		}
		if c.Inline != nil {
			s.columns(c.Inline)
		}
		s.strs(c.Exclude)
		if c.Cast != nil {
			s.typeName(*c.Cast)
		}
	}
}

func (s *shaper) strs(vs []string) {
	s.num(len(vs))
	for _, v := range vs {
		s.str(v)
	}
}

func (s *shaper) mixins(ms []Mixin) {
	s.num(len(ms))
	for i := range ms {
		m := &ms[i]
		s.strs([]string{m.Name, m.Target, m.Src, m.Min, m.Max})
		s.flag(m.Composition)
		s.expr(m.On)
	}
}

func (s *shaper) query(q Query) {
	switch q := q.(type) {
	case *Select:
		if q == nil {
			s.tag('_')
			return
		}
		s.tag('S')
		s.flag(q.Distinct, q.One, q.Localized)
		s.tag(byte(q.Lock))
		s.source(q.From)
		s.mixins(q.Mixins)
		s.columns(q.Columns)
		s.strs(q.Exclude)
		s.expr(q.Where)
		s.exprs(q.GroupBy)
		s.expr(q.Having)
		s.orders(q.OrderBy)
		s.expr(q.Limit)
		s.expr(q.Offset)
		s.num(len(q.Search) + len(q.Terms))
		for _, w := range q.Search {
			s.expr(&Lit{Value: String(w)})
		}
		for _, x := range q.Terms {
			s.expr(x)
		}
	case *SetOp:
		s.tag('O')
		s.str(q.Op)
		s.flag(q.All)
		s.num(len(q.Args))
		for _, a := range q.Args {
			s.query(a)
		}
		s.orders(q.OrderBy)
		s.expr(q.Limit)
		s.expr(q.Offset)
	case *Insert:
		s.tag('I')
		s.str(q.Into)
		s.rows(q.Rows)
	case *Upsert:
		s.tag('P')
		s.str(q.Into)
		s.rows(q.Rows)
	case *Update:
		s.tag('U')
		s.path(q.Entity)
		s.expr(q.Where)
		s.row(q.Data)
		s.num(len(q.With))
		for _, a := range q.With {
			s.str(a.Name)
			s.expr(a.X)
		}
	case *Delete:
		s.tag('D')
		s.path(q.From)
		s.expr(q.Where)
	default:
		s.tag('_')
	}
}

func (s *shaper) path(r *Ref) {
	if r == nil {
		s.tag('_')
		return
	}
	s.tag('r')
	s.ref(r)
}

func (s *shaper) rows(rs []*Row) {
	s.num(len(rs))
	for _, r := range rs {
		s.row(r)
	}
}

func (s *shaper) row(r *Row) {
	fs := r.Fields()
	s.num(len(fs))
	for i := range fs {
		s.str(fs[i].Name)
		s.flag(fs[i].Value.Kind() == KindRow, fs[i].Value.Kind() == KindRows, fs[i].Value.Kind() == KindBlob)
	}
}

func (s *shaper) source(src Source) {
	switch src := src.(type) {
	case *From:
		s.tag('F')
		s.str(src.As)
		s.path(src.Path)
	case *Join:
		s.key = append(s.key, 'J', byte(src.Kind))
		s.source(src.L)
		s.source(src.R)
		s.expr(src.On)
	case *Derived:
		s.tag('V')
		s.str(src.As)
		s.query(src.Query)
	default:
		s.tag('_')
	}
}
