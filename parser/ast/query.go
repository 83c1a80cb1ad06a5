package ast

import (
	"strconv"

	"cds/parser/cqn"
)

// CQN returns the query as data, for queries inside expressions and from clauses. Names are still as written.
// Annotations, mixins and redirections have no place in such a query and are dropped: the linker reads them from q.
func (q *Query) CQN() cqn.Query {
	if q == nil {
		return &cqn.Select{}
	}
	if q.SetOp != "" {
		s := &cqn.SetOp{Op: q.SetOp, All: q.All, OrderBy: q.OrderBy, Limit: q.Limit, Offset: q.Offset, Span: q.Span}
		for _, a := range q.Args {
			s.Args = append(s.Args, a.CQN())
		}
		return s
	}
	s := &cqn.Select{From: q.From, Where: q.Where, GroupBy: q.GroupBy, Having: q.Having, OrderBy: q.OrderBy,
		Limit: q.Limit, Offset: q.Offset, Distinct: q.Distinct, Exclude: texts(q.Excluding), Span: q.Span}
	s.Columns = columns(q.Columns)
	return s
}

func texts(ids []Ident) []string {
	var out []string
	for _, id := range ids {
		out = append(out, id.Text)
	}
	return out
}

func columns(cols []*Column) []cqn.Column {
	var out []cqn.Column
	for _, c := range cols {
		out = append(out, c.CQN())
	}
	return out
}

// CQN returns the column as data.
func (c *Column) CQN() cqn.Column {
	out := cqn.Column{Star: c.Star, X: c.X, Key: c.Key, Virtual: c.Virtual, Span: c.Span}
	if c.As != nil {
		out.As = c.As.Text
	}
	if c.HasExpand {
		out.Expand = &cqn.Select{Columns: columns(c.Expand), Exclude: texts(c.Excluding), Span: c.Span}
	}
	if c.HasInline {
		out.Inline, out.Exclude = columns(c.Inline), texts(c.Excluding)
	}
	if c.Type != nil && c.Type.Name != nil {
		t := c.Type.TypeName()
		out.Cast = &t
	}
	return out
}

// TypeName returns the name and parameters of a named type, as a cast has them. Other types yield the zero TypeName.
func (t *TypeExpr) TypeName() cqn.TypeName {
	n := cqn.TypeName{}
	if t == nil || t.Name == nil {
		return n
	}
	n.Name = t.Name.Text
	arg := func(i int, name string) int {
		s := t.NamedArgs[name]
		if i < len(t.Args) {
			s = t.Args[i]
		}
		v, _ := strconv.Atoi(s) // "variable" and "floating" have no number
		return v
	}
	switch {
	case len(t.Args) == 2 || t.NamedArgs["precision"] != "" || t.NamedArgs["scale"] != "" || n.Name == "Decimal" || n.Name == "cds.Decimal":
		n.Precision, n.Scale = arg(0, "precision"), arg(1, "scale")
	default:
		n.Length = arg(0, "length")
	}
	return n
}
