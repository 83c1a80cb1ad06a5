package sqlgen

import (
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// markSession notes which statements of a plan can do without the session, see Plan.Anonymous.
func (c *compiler) markSession(p *Plan) {
	if p == nil {
		return
	}
	p.Anonymous = !c.asks
	for _, sql := range c.t.Sessions {
		p.Anonymous = p.Anonymous && !strings.Contains(p.SQL, sql)
	}
	for _, child := range p.Children {
		c.markSession(child.Plan)
	}
}

// asksSession reports whether reading an entity's table or view asks the session who is asking, in which language or when. When in doubt it says so.
func asksSession(e *csn.Entity, depth int) bool {
	if e.Source == nil {
		return e.Exists // made by somebody else: it may be anything
	}
	if depth > maxViews || depth == 0 && TenantBound(e) {
		return true
	}
	asks, path := false, false
	cqn.Walk(e.Source, func(n any) bool {
		switch n := n.(type) {
		case *cqn.Param:
			asks = asks || n.From != cqn.FromLiteral
		case *cqn.Call:
			asks = asks || len(n.Args) == 0 && !n.Star && n.Over == nil // now() and its like
		case *cqn.Ref:
			path = path || len(n.Path) > 1
		case *cqn.Exists:
			path = true
		}
		return !asks
	})
	for _, r := range e.Reads {
		if asks {
			return true
		}
		asks = r != e && (asksSession(r, depth+1) || elementsAsk(r, path))
	}
	return asks
}

// defaultsAsk reports whether the database asks the session for values that a new row lacks.
func defaultsAsk(e *csn.Entity) bool {
	if e == nil {
		return true
	}
	for _, el := range e.Flat {
		if el.Default() != nil && anyParam(el.Default()) || el.Stored && el.Value() != nil && anyParam(el.Value()) {
			return true
		}
	}
	return false
}

// elementsAsk reports whether a view may ask the session because of what an entity that it reads calculates, or how its associations are joined.
func elementsAsk(e *csn.Entity, joined bool) bool {
	for _, el := range e.Flat {
		if el.Value() != nil && !el.Stored && anyParam(el.Value()) {
			return true
		}
		if a := el.Assoc(); a != nil && joined && a.Join != nil && anyParam(a.Join) {
			return true
		}
	}
	return false
}

func anyParam(x cqn.Expr) bool {
	found := false
	cqn.Walk(x, func(n any) bool {
		switch n := n.(type) {
		case *cqn.Param:
			found = found || n.From != cqn.FromLiteral
		case *cqn.Call:
			found = found || len(n.Args) == 0 && !n.Star
		}
		return !found
	})
	return found
}
