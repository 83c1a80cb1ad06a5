package explain

import (
	"errors"
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/authz"
	"cds/runtime/eval"
)

// maxAsked bounds the statements of one explanation.
const maxAsked = 300

var errTooMany = errors.New("too many statements for one explanation")

// run runs a query as the owner of the database, with the parameters of a user.
func (x *explainer) run(u *auth.User, q *cqn.Select) ([]*cqn.Row, error) {
	if x.asked++; x.asked > maxAsked {
		return nil, errTooMany
	}
	ctx := x.app.NewContext(x.ctx, u, "")
	res, err := cds.DB(ctx).Run(ctx, q)
	if err != nil {
		return nil, err
	}
	return res.Rows, nil
}

// count counts the rows of the target that fulfil a condition; nil is fulfilled by all.
func (x *explainer) count(u *auth.User, cond cqn.Expr) (int64, error) {
	e := x.target()
	rows, err := x.run(u, &cqn.Select{From: &cqn.From{Path: cqn.NewRef(e.Name)}, Where: cond,
		Columns: []cqn.Column{{X: &cqn.Call{Name: "count", Star: true}, As: "n"}}})
	if err != nil || len(rows) != 1 {
		return 0, err
	}
	return rows[0].Value("n").Int(), nil
}

// fits tells whether the row with the key fulfils a condition.
func (x *explainer) fits(u *auth.User, cond cqn.Expr) (bool, error) {
	switch {
	case x.row == nil:
		return false, nil
	case cond == nil:
		return true, nil
	}
	t, err := x.truth(u, cond)
	return t == eval.True, err
}

// truth tests a condition on the row: in memory where that is possible, else on the database.
func (x *explainer) truth(u *auth.User, cond cqn.Expr) (eval.Truth, error) {
	t, err := eval.Test(cond, x.row, x.target(), x.env(u))
	if err == nil {
		return t, nil
	}
	if x.app.DB == nil || x.row == nil {
		return eval.Unknown, err
	}
	for _, c := range []struct {
		x    cqn.Expr
		says eval.Truth
	}{{cond, eval.True}, {&cqn.Unary{Op: cqn.Not, X: cond}, eval.False}} {
		n, err := x.count(u, &cqn.Binary{Op: cqn.And, L: x.key, R: c.x})
		if err != nil {
			return eval.Unknown, err
		}
		if n > 0 {
			return c.says, nil
		}
	}
	return eval.Unknown, nil
}

// step brings a step of the trace into the form of the report.
func (x *explainer) step(t *authz.Step) Step {
	s := Step{What: t.What, On: t.On, Event: string(t.Event), At: t.At, Note: t.Note}
	for i := range t.Grants {
		g := &t.Grants[i]
		out := Grant{Rule: g.Rule, At: g.At, Deny: g.Deny, Grant: g.Grant, To: g.To, Where: g.Text, Message: g.Message}
		switch {
		case !g.Covers:
			out.Result = "other event"
		case len(g.By) == 0:
			out.Result = "role"
		default:
			out.Role = g.By[0]
			out.Result = "grants"
			if g.Deny {
				out.Result = "denies"
			}
			if g.Where != nil {
				// Only conditions on the target's own rows can be tested on the row.
				p := x.part(g.Where, t.Entity != nil && t.Entity == x.target(), 0)
				out.Part, out.Result = &p, p.Truth
			}
		}
		s.Grants = append(s.Grants, out)
	}
	return s
}

// part takes a condition apart at its ands and ors. own says that it is about the row that was asked for.
func (x *explainer) part(cond cqn.Expr, own bool, depth int) Part {
	p := Part{Text: cqn.Format(cond), Truth: x.truthText(cond, own)}
	if b, ok := cond.(*cqn.Binary); ok && (b.Op == cqn.And || b.Op == cqn.Or) && depth < 20 {
		p.Parts = []Part{x.part(b.L, own, depth+1), x.part(b.R, own, depth+1)}
		return p
	}
	p.Values = x.values(cond, own)
	return p
}

func (x *explainer) truthText(cond cqn.Expr, own bool) string {
	if eval.Static(cond) {
		if t, err := eval.Test(cond, nil, nil, x.env(x.user)); err == nil {
			return t.String()
		}
	}
	if !own || x.row == nil {
		return "for some rows"
	}
	t, err := x.truth(x.user, cond)
	if err != nil {
		return "by the database"
	}
	return t.String()
}

// values are what a comparison compares: elements of the row and what the user has.
func (x *explainer) values(cond cqn.Expr, own bool) []string {
	var out []string
	deep := false
	cqn.Walk(cond, func(n any) bool {
		switch n := n.(type) {
		case *cqn.Exists, *cqn.Subquery:
			deep = true // names inside are those of other rows
		case *cqn.Param:
			out = append(out, cqn.Format(n)+" = "+x.userValue(n))
		case *cqn.Ref:
			if own && !deep && x.row != nil && len(n.Path) == 1 {
				if v, ok := x.row.Get(n.Path[0].Name); ok {
					out = append(out, cqn.Format(n)+" = "+shown(v))
				}
			}
		}
		return true
	})
	slices.Sort(out)
	return slices.Compact(out)
}

// userValue shows what a user has for a parameter.
func (x *explainer) userValue(p *cqn.Param) string {
	switch p.From {
	case cqn.FromUserID:
		if !x.user.Identified() {
			return "nobody"
		}
		return "'" + x.user.ID + "'"
	case cqn.FromUserTenant:
		if x.user.Tenant == "" {
			return "no value"
		}
		return "'" + x.user.Tenant + "'"
	case cqn.FromUserAttr:
		vs := x.user.Attr(p.Name)
		if len(vs) == 0 {
			return "no value"
		}
		return "'" + strings.Join(vs, "', '") + "'"
	case cqn.FromNow:
		return x.access.Now
	}
	return "?"
}

// shown is a value for people.
func shown(v cqn.Value) string {
	switch v.Kind() {
	case cqn.KindNull:
		return "null"
	case cqn.KindBool, cqn.KindInt, cqn.KindFloat, cqn.KindDecimal:
		return v.Format()
	case cqn.KindString:
		s := []rune(v.Format())
		if len(s) > 60 {
			return "'" + string(s[:60]) + "…'"
		}
	}
	return "'" + v.Format() + "'"
}

// elementOf returns the element that a path of one step names.
func (x *explainer) elementOf(r *cqn.Ref) (*csn.Element, cqn.Value, bool) {
	e := x.target()
	if e == nil || x.row == nil || len(r.Path) != 1 {
		return nil, cqn.Null, false
	}
	v, ok := x.row.Get(r.Path[0].Name)
	return e.Flat.Lookup(r.Path[0].Name), v, ok && !v.IsNull()
}
