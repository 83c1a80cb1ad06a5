package link

import "cds/parser/cqn"

// mapHeads applies fn to the references of an expression that stand in its own scope: not to those inside filters and
// subqueries, whose scope is another. The tree that is passed in is not changed.
func mapHeads(x cqn.Expr, fn func(*cqn.Ref) cqn.Expr) cqn.Expr { return headMapper{fn}.expr(x, 0) }

type headMapper struct{ fn func(*cqn.Ref) cqn.Expr }

func (m headMapper) expr(x cqn.Expr, depth int) cqn.Expr {
	if depth > 2*maxDepth {
		return x
	}
	depth++
	switch n := x.(type) {
	case nil:
		return nil
	case *cqn.Ref:
		return m.ref(n)
	case *cqn.Call:
		c := *n
		c.Args = m.list(n.Args, depth)
		return &c
	case *cqn.Unary:
		c := *n
		c.X = m.expr(n.X, depth)
		return &c
	case *cqn.Binary:
		c := *n
		c.L, c.R = m.expr(n.L, depth), m.expr(n.R, depth)
		return &c
	case *cqn.Between:
		c := *n
		c.X, c.Lo, c.Hi = m.expr(n.X, depth), m.expr(n.Lo, depth), m.expr(n.Hi, depth)
		return &c
	case *cqn.Like:
		c := *n
		c.X, c.Pattern, c.Escape = m.expr(n.X, depth), m.expr(n.Pattern, depth), m.expr(n.Escape, depth)
		return &c
	case *cqn.In:
		c := *n
		c.X, c.Set = m.expr(n.X, depth), m.expr(n.Set, depth)
		return &c
	case *cqn.Case:
		c := *n
		c.X, c.Else = m.expr(n.X, depth), m.expr(n.Else, depth)
		c.Whens = make([]cqn.When, len(n.Whens))
		for i, w := range n.Whens {
			c.Whens[i] = cqn.When{Cond: m.expr(w.Cond, depth), Then: m.expr(w.Then, depth)}
		}
		return &c
	case *cqn.Exists:
		c := *n
		if n.Path != nil {
			if r, ok := m.ref(n.Path).(*cqn.Ref); ok {
				c.Path = r
			}
		}
		return &c
	case *cqn.Tuple:
		return &cqn.Tuple{At: n.At, Items: m.list(n.Items, depth)}
	case *cqn.Cast:
		c := *n
		c.X = m.expr(n.X, depth)
		return &c
	}
	return x
}

func (m headMapper) ref(r *cqn.Ref) cqn.Expr {
	if r == nil || len(r.Path) == 0 {
		return r
	}
	return m.fn(r)
}

func (m headMapper) list(xs []cqn.Expr, depth int) []cqn.Expr {
	if xs == nil {
		return nil
	}
	out := make([]cqn.Expr, len(xs))
	for i, x := range xs {
		out[i] = m.expr(x, depth)
	}
	return out
}

// renameHead gives the first step of paths another name: the own name of an association in its condition.
func renameHead(x cqn.Expr, from, to string) cqn.Expr {
	if x == nil || from == to {
		return x
	}
	return mapHeads(x, func(r *cqn.Ref) cqn.Expr {
		if r.Path[0].Name != from {
			return r
		}
		out := &cqn.Ref{At: r.At, Path: append([]cqn.Step(nil), r.Path...)}
		out.Path[0].Name = to
		return out
	})
}
