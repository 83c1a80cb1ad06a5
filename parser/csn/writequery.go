package csn

import "cds/parser/cqn"

func (w *csnWriter) query(q cqn.Query) {
	w.open('{')
	w.queryFields(q)
	w.close('}')
}

func (w *csnWriter) queryFields(q cqn.Query) {
	switch q := q.(type) {
	case *cqn.Select:
		w.key("SELECT")
		w.selectBody(q)
	case *cqn.SetOp:
		w.key("SET")
		w.open('{')
		w.prop("op", q.Op)
		w.flag("all", q.All)
		w.key("args")
		w.open('[')
		for _, a := range q.Args {
			w.query(a)
		}
		w.close(']')
		w.orderBy(q.OrderBy)
		w.limit(q.Limit, q.Offset)
		w.close('}')
	}
}

func (w *csnWriter) selectBody(s *cqn.Select) {
	w.open('{')
	w.flag("one", s.One)
	w.flag("distinct", s.Distinct)
	w.key("from")
	w.source(s.From)
	w.mixins(s.Mixins)
	if s.Columns != nil {
		w.columns("columns", s.Columns)
	}
	if len(s.Exclude) > 0 {
		w.key("excluding")
		w.strings(s.Exclude)
	}
	if s.Where != nil {
		w.key("where")
		w.tokens(s.Where)
	}
	if len(s.GroupBy) > 0 {
		w.key("groupBy")
		w.open('[')
		for _, x := range s.GroupBy {
			w.object(x)
		}
		w.close(']')
	}
	if s.Having != nil {
		w.key("having")
		w.tokens(s.Having)
	}
	w.orderBy(s.OrderBy)
	w.limit(s.Limit, s.Offset)
	w.close('}')
}

func (w *csnWriter) mixins(list []cqn.Mixin) {
	if len(list) == 0 {
		return
	}
	w.key("mixin")
	w.open('{')
	for i := range list {
		m := &list[i]
		w.key(m.Name)
		w.open('{')
		w.prop("type", map[bool]string{false: "cds.Association", true: "cds.Composition"}[m.Composition])
		w.assoc(nil, &Assoc{TargetName: m.Target, Src: m.Src, Min: m.Min, Max: m.Max, On: m.On})
		w.close('}')
	}
	w.close('}')
}

func (w *csnWriter) orderBy(list []cqn.Order) {
	if len(list) == 0 {
		return
	}
	w.key("orderBy")
	w.open('[')
	for _, o := range list {
		w.open('{')
		w.operandFields(o.X)
		if o.Desc {
			w.prop("sort", "desc")
		}
		switch {
		case o.NullsFirst:
			w.prop("nulls", "first")
		case o.NullsLast:
			w.prop("nulls", "last")
		}
		w.close('}')
	}
	w.close(']')
}

func (w *csnWriter) limit(rows, offset cqn.Expr) {
	if rows == nil && offset == nil {
		return
	}
	w.key("limit")
	w.open('{')
	if rows != nil {
		w.key("rows")
		w.object(rows)
	}
	if offset != nil {
		w.key("offset")
		w.object(offset)
	}
	w.close('}')
}

func (w *csnWriter) source(s cqn.Source) {
	w.open('{')
	switch s := s.(type) {
	case *cqn.From:
		w.path(s.Path)
		w.as(s.As)
	case *cqn.Derived:
		w.queryFields(s.Query)
		w.as(s.As)
	case *cqn.Join:
		w.prop("join", joinName(s.Kind))
		w.key("args")
		w.open('[')
		w.source(s.L)
		w.source(s.R)
		w.close(']')
		if s.On != nil {
			w.key("on")
			w.tokens(s.On)
		}
	}
	w.close('}')
}

func joinName(k cqn.JoinKind) string {
	return [...]string{"inner", "left", "right", "full", "cross"}[k]
}

func (w *csnWriter) as(name string) {
	if name != "" {
		w.prop("as", name)
	}
}

func (w *csnWriter) columns(key string, cols []cqn.Column) {
	w.key(key)
	w.open('[')
	for i := range cols {
		c := &cols[i]
		if c.Star {
			w.str("*")
			continue
		}
		w.open('{')
		w.column(c)
		w.close('}')
	}
	w.close(']')
}

func (w *csnWriter) column(c *cqn.Column) {
	w.flag("key", c.Key)
	w.flag("virtual", c.Virtual)
	_, cast := c.X.(*cqn.Cast)
	switch {
	case c.X == nil:
	case cast: // a cast at the column itself is the column's type
		w.key("xpr")
		w.tokens(c.X)
	default:
		w.operandFields(c.X)
	}
	if c.Expand != nil {
		w.columns("expand", c.Expand.Columns)
		if len(c.Expand.Exclude) > 0 {
			w.key("excluding")
			w.strings(c.Expand.Exclude)
		}
	}
	if c.Inline != nil {
		w.columns("inline", c.Inline)
		if len(c.Exclude) > 0 {
			w.key("excluding")
			w.strings(c.Exclude)
		}
	}
	w.as(c.As)
	if c.Cast != nil {
		w.castType(c.Cast)
	}
}
