package authztest

import (
	"fmt"
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/runtime/auth"
)

// atoms are the parts of conditions that are true or not by themselves. Those within an exists are among them.
func atoms(xs []cqn.Expr) []cqn.Expr {
	var out []cqn.Expr
	var visit func(x cqn.Expr, depth int)
	visit = func(x cqn.Expr, depth int) {
		if x == nil || depth > maxNesting {
			return
		}
		switch y := x.(type) {
		case *cqn.Binary:
			if y.Op == cqn.And || y.Op == cqn.Or {
				visit(y.L, depth+1)
				visit(y.R, depth+1)
				return
			}
		case *cqn.Unary:
			if y.Op == cqn.Not {
				visit(y.X, depth+1)
				return
			}
		case *cqn.Exists:
			out = append(out, x)
			visit(y.Pred, depth+1)
			if y.Path != nil {
				for _, st := range y.Path.Path {
					visit(st.Filter, depth+1)
				}
			}
			return
		}
		out = append(out, x)
	}
	for _, x := range xs {
		visit(x, 0)
	}
	return out
}

// forced is the truth of a privilege's conditions if one part had a given truth.
func (o *oracle) forced(p *privilege, r *row, x cqn.Expr, t truth) truth {
	o.force = map[cqn.Expr]truth{x: t}
	defer func() { o.force = nil }()
	return o.all(p, r)
}

// side describes on which side of an atom a row and a user are: below, at or above a limit, without a value, in no list, with no rows behind it.
func (o *oracle) side(x cqn.Expr, s scope) string {
	switch x := x.(type) {
	case *cqn.Binary:
		side := o.relation(x.L, x.R, s)
		if x.Op < cqn.Lt && (side == "below" || side == "above") {
			return "another value"
		}
		return side
	case *cqn.Between:
		if o.value(x.X, s, 0).IsNull() {
			return "null"
		}
		return o.relation(x.X, x.Lo, s) + " the lower limit, " + o.relation(x.X, x.Hi, s) + " the upper one"
	case *cqn.In:
		if p := attribute(x.Set); p != nil {
			return o.relation(x.X, p, s)
		}
		if attribute(x.X) == nil && o.value(x.X, s, 0).IsNull() {
			return "null"
		}
	case *cqn.Like:
		if o.value(x.X, s, 0).IsNull() {
			return "null"
		}
	case *cqn.Exists:
		from, steps := o.start(x.Path, s)
		if from == nil {
			return ""
		}
		bare := make([]cqn.Step, len(steps))
		for i, st := range steps {
			bare[i] = cqn.Step{Name: st.Name}
		}
		switch n := len(o.follow(from, bare, s, 0)); n {
		case 0:
			return "no row there"
		case 1:
			return "one row there"
		default:
			return "several rows there"
		}
	}
	return ""
}

// relation is how two operands stand to each other.
func (o *oracle) relation(l, r cqn.Expr, s scope) string {
	p := attribute(l)
	if p == nil {
		p = attribute(r)
	} else {
		r = l
		l = r
	}
	if p != nil {
		switch n := len(o.u.Attr(p.Name)); {
		case n == 0:
			return "no $user." + p.Name
		case n > 1:
			return "several $user." + p.Name
		}
		if attribute(l) == nil && o.value(l, s, 0).IsNull() {
			return "null"
		}
		return "one $user." + p.Name
	}
	if nullLiteral(l) || nullLiteral(r) {
		return ""
	}
	a, b := o.operand(l, r, s, 0), o.operand(r, l, s, 0)
	if a.IsNull() || b.IsNull() {
		return "null"
	}
	c, ok := order(a, b)
	switch {
	case !ok:
		return ""
	case c < 0:
		return "below"
	case c > 0:
		return "above"
	}
	return "equal"
}

// A goal is something that a case is wanted for.
type goal struct {
	key  string
	text string
}

// goals are those that a user and a row reach for a privilege with conditions: each of its parts decides, one way and the other, on each side.
func (o *oracle) goals(p *privilege, r *row, parts []cqn.Expr) []goal {
	base := o.all(p, r) == yes
	var out []goal
	verdict := "does not hold"
	if base {
		verdict = "holds"
	}
	if len(parts) > 1 {
		out = append(out, goal{"whole " + verdict, p.text + " " + verdict})
	}
	for i, x := range parts {
		if (o.forced(p, r, x, yes) == yes) == (o.forced(p, r, x, no) == yes) {
			continue // it does not hang on this part
		}
		var side string
		if in := enclosing(p, x); in == nil {
			side = o.side(x, scope{r: r, self: r})
		} else {
			side = o.sides(in, x, r)
		}
		g := goal{fmt.Sprintf("%d %s %s", i, verdict, side), cqn.Format(x) + " decides: " + verdict}
		if side != "" {
			g.text += " (" + side + ")"
		}
		out = append(out, g)
	}
	return out
}

// enclosing returns the innermost exists that a part of a condition stands in, nil for none.
func enclosing(p *privilege, x cqn.Expr) *cqn.Exists {
	var in *cqn.Exists
	for _, c := range p.where {
		cqn.Walk(c, func(n any) bool {
			if e, ok := n.(*cqn.Exists); ok && cqn.Expr(e) != x {
				cqn.Walk(e, func(m any) bool {
					if y, ok := m.(cqn.Expr); ok && y == x {
						in = e
					}
					return true
				})
			}
			return true
		})
	}
	return in
}

// maxBeside bounds the rows behind an exists whose sides are told.
const maxBeside = 3

// sides describes on which sides of a part the rows are that an exists asks for.
func (o *oracle) sides(in *cqn.Exists, x cqn.Expr, r *row) string {
	from, steps := o.start(in.Path, scope{r: r, self: r})
	if from == nil || from.e != r.e || len(steps) != len(in.Path.Path) || in.Var != "" {
		return ""
	}
	if el, _ := resolve(r.e, steps); el == nil { // within another exists
		return ""
	}
	bare := make([]cqn.Step, len(steps))
	for i, st := range steps {
		bare[i] = cqn.Step{Name: st.Name}
	}
	rows := o.follow(from, bare, scope{r: r, self: r}, 0)
	if len(rows) > maxBeside {
		return ""
	}
	var out []string
	for _, t := range rows {
		if side := o.side(x, scope{r: t, self: r}); side != "" && !slices.Contains(out, side) {
			out = append(out, side)
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// wanted are the keys of goals that must be reached for a privilege, with what to say if they are not.
func wanted(p *privilege, parts []cqn.Expr) map[string]string {
	out := map[string]string{}
	for i, x := range parts {
		out[fmt.Sprintf("%d holds", i)] = "no row and user were found for whom " + cqn.Format(x) + " alone makes it hold"
		out[fmt.Sprintf("%d does not hold", i)] = "no row and user were found for whom " + cqn.Format(x) + " alone keeps it from holding"
	}
	return out
}

// alone reports whether nothing but a privilege gives the user the row, or takes it from him.
func (o *oracle) alone(r *rule, p *privilege, ev string, at *row) bool {
	for _, g := range r.grants {
		if g != p && !p.deny && g.covers(ev) && o.p.has(o.u, g.roles) && o.all(g, at) == yes {
			return false
		}
	}
	for _, d := range r.denies {
		if d != p && d.covers(ev) && o.p.has(o.u, d.roles) && o.all(d, at) != no {
			return false
		}
	}
	return true
}

var anonymous = auth.Anonymous
