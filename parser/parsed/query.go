package parsed

import (
	"cds/parser/ast"
	"cds/parser/csn"
)

// body writes the query of a view.
func (w *writer) body(o *obj, s *scope, m *member, q *ast.Query) {
	switch {
	case q == nil:
	case q.Projection:
		o.set("projection", m.selection(q, 0))
	default:
		o.set("query", m.query(q, 0))
	}
}

func (m *member) query(q *ast.Query, depth int) *obj {
	if depth > maxDepth {
		return newObj()
	}
	if q.SetOp == "" {
		return newObj().set("SELECT", m.selection(q, depth))
	}
	set := newObj().set("op", q.SetOp)
	set.flag("all", q.All)
	args := make([]any, len(q.Args))
	for i, a := range q.Args {
		args[i] = m.query(a, depth+1)
	}
	set.set("args", args)
	m.tail(set, q)
	return newObj().set("SET", set)
}

func (m *member) selection(q *ast.Query, depth int) *obj {
	w, s := m.w, m.s
	o := newObj()
	o.flag("distinct", q.Distinct)
	o.set("from", raw(csn.SourceJSON(w.source(s, q.From, depth))))
	m.elements(o, "mixin", q.Mixin)
	if q.HasColumns {
		o.set("columns", m.columns(q.Columns, depth))
	}
	excluding(o, q.Excluding)
	if q.Where != nil {
		o.set("where", raw(csn.TokensJSON(w.expr(s, q.Where))))
	}
	if len(q.GroupBy) > 0 {
		list := make([]any, len(q.GroupBy))
		for i, x := range q.GroupBy {
			list[i] = raw(csn.OperandJSON(w.expr(s, x)))
		}
		o.set("groupBy", list)
	}
	if q.Having != nil {
		o.set("having", raw(csn.TokensJSON(w.expr(s, q.Having))))
	}
	m.tail(o, q)
	return o
}

// tail writes ORDER BY and LIMIT.
func (m *member) tail(o *obj, q *ast.Query) {
	if b := csn.OrderByJSON(q.OrderBy); b != nil {
		o.set("orderBy", raw(b))
	}
	if b := csn.LimitJSON(q.Limit, q.Offset); b != nil {
		o.set("limit", raw(b))
	}
}

func excluding(o *obj, ids []ast.Ident) {
	if len(ids) == 0 {
		return
	}
	list := make([]any, len(ids))
	for i, id := range ids {
		list[i] = id.Text
	}
	o.set("excluding", list)
}

func (m *member) columns(cols []*ast.Column, depth int) []any {
	out := make([]any, 0, len(cols))
	if depth > maxDepth {
		return out
	}
	for _, c := range cols {
		if c.Star {
			out = append(out, "*")
			continue
		}
		out = append(out, m.column(c, depth))
	}
	return out
}

func (m *member) column(c *ast.Column, depth int) *obj {
	o := newObj()
	m.w.notes(o, c.Doc, c.Annos)
	o.flag("key", c.Key)
	o.flag("virtual", c.Virtual)
	o.flag("masked", c.Masked)
	o.flag("localized", c.Localized)
	if c.X != nil {
		o.merge(csn.ColumnOperandJSON(m.w.expr(m.s, constant(c.X))))
	}
	if c.HasInline {
		o.set("inline", m.columns(c.Inline, depth+1))
	}
	if c.HasExpand {
		o.set("expand", m.columns(c.Expand, depth+1))
	}
	excluding(o, c.Excluding)
	if c.As != nil {
		o.set("as", c.As.Text)
	}
	switch cast := newObj(); {
	case c.Redirect != nil:
		cast.set("type", "cds.Association")
		if c.Redirect.Target != nil {
			cast.set("target", m.s.name(c.Redirect.Target.Text))
		}
		m.condition(cast, c.Redirect)
		o.set("cast", cast)
	case c.Type != nil:
		m.typ(cast, c.Type, depth)
		m.facts(cast, c.NotNull, nil)
		o.set("cast", cast)
	}
	return o
}
