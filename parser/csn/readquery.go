package csn

import "cds/parser/cqn"

// query reads {SELECT: …} or {SET: …}. It returns nil after a diagnostic.
func (r *csnReader) query(n *node) cqn.Query {
	if !r.want(n, 'o', "a query") {
		return nil
	}
	if r.depth++; r.depth > 2*maxDepth {
		r.depth--
		r.bad(codeTooDeep, n, "a query is nested more than %d levels deep", 2*maxDepth)
		return nil
	}
	defer func() { r.depth-- }()
	switch {
	case n.has("SELECT"):
		if s := r.selectBody(n.get("SELECT")); s != nil {
			return s
		}
		return nil
	case n.has("SET"):
		if s := r.setOp(n.get("SET")); s != nil {
			return s
		}
		return nil
	}
	r.bad(codeQuery, n, "a query needs SELECT or SET")
	return nil
}

func (r *csnReader) setOp(n *node) *cqn.SetOp {
	if !r.want(n, 'o', "SET") {
		return nil
	}
	s := &cqn.SetOp{Op: n.get("op").str(), All: r.bool(n.get("all"), "all")}
	switch s.Op {
	case "":
		s.Op = "union"
	case "union", "intersect", "except":
	case "minus":
		s.Op = "except"
	default:
		r.bad(codeQuery, n, "unknown set operation %q", s.Op)
		return nil
	}
	args := n.get("args")
	if !r.want(args, 'a', "args") || len(args.items) == 0 {
		r.bad(codeQuery, n, "SET needs args")
		return nil
	}
	for _, a := range args.items {
		q := r.query(a)
		if q == nil {
			return nil
		}
		s.Args = append(s.Args, q)
	}
	s.OrderBy = r.orderBy(n.get("orderBy"))
	s.Limit, s.Offset = r.limit(n.get("limit"))
	return s
}

func (r *csnReader) selectBody(n *node) *cqn.Select {
	if !r.want(n, 'o', "SELECT") {
		return nil
	}
	s := &cqn.Select{
		From:     r.source(n.get("from")),
		Mixins:   r.mixins(n.get("mixin")),
		Columns:  r.columns(n.get("columns")),
		Exclude:  r.strings(n.get("excluding"), "excluding"),
		Distinct: r.bool(n.get("distinct"), "distinct"),
		One:      r.bool(n.get("one"), "one"),
	}
	if s.From == nil {
		r.bad(codeQuery, n, "a query needs a source in from")
		return nil
	}
	if w := n.get("where"); w != nil {
		s.Where = r.condition(w)
	}
	if h := n.get("having"); h != nil {
		s.Having = r.condition(h)
	}
	if g := n.get("groupBy"); r.want(g, 'a', "groupBy") {
		for _, x := range g.items {
			if v := r.operand(x); v != nil {
				s.GroupBy = append(s.GroupBy, v)
			}
		}
	}
	s.OrderBy = r.orderBy(n.get("orderBy"))
	s.Limit, s.Offset = r.limit(n.get("limit"))
	return s
}

// mixins reads the associations of a query.
func (r *csnReader) mixins(n *node) []cqn.Mixin {
	if !r.want(n, 'o', "mixin") {
		return nil
	}
	var out []cqn.Mixin
	for i, x := range n.items {
		if !r.want(x, 'o', "an association") {
			continue
		}
		a := r.assoc(&Element{TypeName: x.get("type").str()}, x)
		if a.TargetName == "" || a.On == nil {
			r.bad(codeQuery, x, "the mixin %q needs a target and an ON condition", n.keys[i])
			continue
		}
		out = append(out, cqn.Mixin{Name: n.keys[i], Target: a.TargetName, Composition: a.Composition, Src: a.Src, Min: a.Min, Max: a.Max, On: a.On})
	}
	return out
}

func (r *csnReader) limit(n *node) (rows, offset cqn.Expr) {
	if !r.want(n, 'o', "limit") {
		return nil, nil
	}
	if x := n.get("rows"); x != nil {
		rows = r.operand(x)
	}
	if x := n.get("offset"); x != nil {
		offset = r.operand(x)
	}
	return rows, offset
}

func (r *csnReader) orderBy(n *node) []cqn.Order {
	if !r.want(n, 'a', "orderBy") {
		return nil
	}
	var out []cqn.Order
	for _, x := range n.items {
		v := r.operand(x)
		if v == nil {
			continue
		}
		o := cqn.Order{X: v, Desc: x.get("sort").str() == "desc"}
		switch x.get("nulls").str() {
		case "first":
			o.NullsFirst = true
		case "last":
			o.NullsLast = true
		}
		out = append(out, o)
	}
	return out
}

func (r *csnReader) source(n *node) cqn.Source {
	if !r.want(n, 'o', "from") {
		return nil
	}
	if r.depth++; r.depth > 2*maxDepth {
		r.depth--
		r.bad(codeTooDeep, n, "sources are nested more than %d levels deep", 2*maxDepth)
		return nil
	}
	defer func() { r.depth-- }()
	as := n.get("as").str()
	switch {
	case n.has("ref"):
		if path := r.steps(n.get("ref")); path != nil {
			return &cqn.From{Path: &cqn.Ref{Path: path}, As: as}
		}
	case n.has("SELECT"), n.has("SET"):
		if q := r.query(n); q != nil {
			return &cqn.Derived{Query: q, As: as}
		}
	case n.has("join"):
		return r.join(n)
	default:
		r.bad(codeQuery, n, "a source needs ref, join, SELECT or SET")
	}
	return nil
}

func (r *csnReader) join(n *node) cqn.Source {
	kinds := map[string]cqn.JoinKind{"inner": cqn.InnerJoin, "left": cqn.LeftJoin, "right": cqn.RightJoin, "full": cqn.FullJoin, "cross": cqn.CrossJoin}
	kind, ok := kinds[n.get("join").str()]
	args := n.get("args")
	if !ok || !r.want(args, 'a', "args") || len(args.items) < 2 || len(args.items) > maxDepth {
		r.bad(codeQuery, n, "a join needs a known kind and two or more args")
		return nil
	}
	var out cqn.Source
	for _, a := range args.items {
		s := r.source(a)
		if s == nil {
			return nil
		}
		if out == nil {
			out = s
		} else {
			out = &cqn.Join{Kind: kind, L: out, R: s}
		}
	}
	if on := n.get("on"); on != nil {
		out.(*cqn.Join).On = r.condition(on)
	}
	return out
}

func (r *csnReader) columns(n *node) []cqn.Column {
	if !r.want(n, 'a', "columns") {
		return nil
	}
	if r.depth++; r.depth > 2*maxDepth {
		r.depth--
		r.bad(codeTooDeep, n, "columns are nested more than %d levels deep", 2*maxDepth)
		return nil
	}
	defer func() { r.depth-- }()
	out := make([]cqn.Column, 0, len(n.items))
	for _, x := range n.items {
		if x.str() == "*" {
			out = append(out, cqn.Column{Star: true})
			continue
		}
		if r.want(x, 'o', "a column") {
			out = append(out, r.column(x))
		}
	}
	return out
}

func (r *csnReader) column(n *node) cqn.Column {
	c := cqn.Column{As: n.get("as").str(), Key: r.bool(n.get("key"), "key"), Virtual: r.bool(n.get("virtual"), "virtual"), Exclude: r.strings(n.get("excluding"), "excluding")}
	// A cast to an association is a redirection, which the linked element tells.
	if t := n.get("cast"); t != nil && !t.has("target") {
		c.Cast = r.typeName(t)
	}
	switch {
	case n.has("inline"):
		c.Inline = r.columns(n.get("inline"))
	case n.has("expand"):
		c.Expand = &cqn.Select{Columns: r.columns(n.get("expand")), Exclude: c.Exclude}
		c.Exclude = nil
	}
	if (c.Expand != nil || c.Inline != nil) && !n.has("ref") { // an anonymous structure: { a, b } as s
		return c
	}
	c.X = r.operandWithoutCast(n)
	return c
}
