package authzmatrix

import (
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/authz"
	"cds/runtime/sqlgen"
)

// unindexed reports a condition of which one alternative has no comparison that an index serves: all rows of the table are looked at then.
func (l *linter) unindexed(g *authz.Grant) {
	if l.opt.Indexed == nil || g.Where == nil || g.Deny {
		return
	}
	table := g.Entity.Table()
	if table == nil || g.Entity.SkipPersistence {
		return
	}
	for _, t := range termsOf(g.Where) {
		var names []string
		served := false
		for _, p := range t.parts {
			cols, ok := l.columns(g.Entity, table, p)
			served = served || ok
			names = append(names, cols...)
		}
		if served || len(names) == 0 { // what looks at no row needs no index
			continue
		}
		slices.Sort(names)
		names = slices.Compact(names)
		l.add(codeNoIndex, g.Span, "no index serves the condition of %s: %s of %s", g.Rule, strings.Join(names, ", "), table.Name).Hint =
			"@cds.persistence.index.<name>: ['" + names[0] + "'] on the entity makes one, if the condition leaves few rows."
		return
	}
}

// columns returns the columns of the table that a part of a condition looks at, and whether an index finds the rows that fulfil it.
func (l *linter) columns(e, table *csn.Entity, x cqn.Expr) (names []string, served bool) {
	cqn.Walk(x, func(n any) bool {
		switch n := n.(type) {
		case *cqn.Exists, *cqn.Subquery: // its rows are found by what joins them
			served = true
			return false
		case *cqn.Ref:
			el, _ := resolve(e, &cqn.Ref{Path: n.Path[:1]})
			if len(n.Path) > 1 || el == nil {
				served = true // a path: the deployment has an index of what leads there
				return false
			}
			if b := bottom(el); b.Owner == table {
				names = append(names, b.Name)
			}
			return false
		}
		return true
	})
	if served {
		return names, true
	}
	if c := compared(x); c != nil {
		if el, _ := resolve(e, c); el != nil && bottom(el).Owner == table {
			return names, l.opt.Indexed(sqlgen.TableName(table), bottom(el).Name)
		}
	}
	return names, false
}

// compared returns the element that a comparison finds by an order of values; nil for other conditions.
func compared(x cqn.Expr) *cqn.Ref {
	side := func(a, b cqn.Expr) *cqn.Ref {
		r, ok := a.(*cqn.Ref)
		if _, both := b.(*cqn.Ref); !ok || both {
			return nil
		}
		return r
	}
	switch x := x.(type) {
	case *cqn.Binary:
		switch x.Op {
		case cqn.Eq, cqn.EqNull, cqn.Lt, cqn.Le, cqn.Gt, cqn.Ge:
			if r := side(x.L, x.R); r != nil {
				return r
			}
			return side(x.R, x.L)
		}
	case *cqn.In:
		if !x.Negated {
			return side(x.X, x.Set)
		}
	case *cqn.Between:
		if !x.Negated {
			return side(x.X, x.Lo)
		}
	case *cqn.Unary:
		if x.Op == cqn.IsNull {
			return side(x.X, nil)
		}
	}
	return nil
}
