package explain

import (
	"slices"
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/runtime/auth"
	"cds/runtime/authz"
	"cds/runtime/eval"
	"cds/runtime/sqlgen"
)

// Bounds of the search for a change: candidates, and answers.
const (
	maxCandidates = 60
	maxChanges    = 8
)

// A candidate is one thing that could be different about a user.
type candidate struct {
	text   string
	change func(u *draft)
}

// A draft is a user to be made.
type draft struct {
	user  auth.User
	roles []string
}

// changes looks for the least that would have to be different: one role or value, or two, that make the answer another one. Each of
// the texts alone is enough.
func (x *explainer) changes(t *authz.Trace, r *Report) []string {
	all := x.candidates(t)
	var out []string
	for _, c := range all {
		if x.allowedWith(c) {
			out = append(out, c.text)
		}
		if len(out) == maxChanges {
			return out
		}
	}
	if len(out) > 0 {
		return out
	}
	for i, a := range all {
		for _, b := range all[i+1:] {
			if x.allowedWith(a, b) {
				out = append(out, a.text+" and "+b.text)
			}
			if len(out) == maxChanges {
				return out
			}
		}
	}
	return out
}

// allowedWith tells whether a changed user would be let through.
func (x *explainer) allowedWith(cs ...candidate) bool {
	d := draft{user: *x.user, roles: slices.Clone(x.user.Roles())}
	if !x.user.Identified() {
		d.user = auth.User{ID: "somebody"}
	}
	attrs := map[string][]string{}
	for n, v := range x.user.Attrs {
		attrs[n] = v
	}
	d.user.Attrs = attrs
	for _, c := range cs {
		c.change(&d)
	}
	u := auth.New(d.user, slices.DeleteFunc(d.roles, func(r string) bool { return r == auth.RoleAny || r == auth.RoleAuthenticated })...)
	dec := x.app.Policy.Decide(u, x.access)
	if !dec.Allowed() {
		return false
	}
	if x.element != nil && !x.sees(u, &dec) {
		return false
	}
	e := x.target()
	if e == nil || x.access.Event == authz.Create {
		return true
	}
	c, err := dec.Guard.Subject().Condition(e, sqlgen.Root)
	if err != nil {
		return false
	}
	cond, _ := c.Expr()
	if x.keyed && x.row != nil {
		ok, err := x.fits(u, cond)
		return ok && err == nil
	}
	if cond != nil && eval.Static(cond) {
		t, err := eval.Test(cond, nil, nil, x.env(u))
		return err == nil && t == eval.True
	}
	return true
}

// candidates are the changes that could matter: roles that rules name, values that conditions compare.
func (x *explainer) candidates(t *authz.Trace) []candidate {
	var out []candidate
	add := func(text string, change func(*draft)) {
		if len(out) < maxCandidates && !slices.ContainsFunc(out, func(c candidate) bool { return c.text == text }) {
			out = append(out, candidate{text, change})
		}
	}
	if !x.user.Identified() {
		add("logged in", func(*draft) {})
	}
	named := map[string]bool{}
	for _, s := range t.Steps {
		for _, g := range s.Grants {
			for _, r := range g.To {
				switch {
				case r == auth.RoleAny || r == auth.RoleAuthenticated || !g.Covers || named[r]:
				case g.Deny && slices.Contains(x.user.Roles(), r):
					named[r] = true
					add("without the role "+r, func(d *draft) { d.roles = slices.DeleteFunc(d.roles, func(h string) bool { return h == r }) })
				case !g.Deny && !slices.Contains(t.Roles, r):
					named[r] = true
					add(x.login()+"with the role "+r, func(d *draft) { d.roles = append(d.roles, r) })
				}
			}
			if g.Covers && g.Where != nil {
				x.valueCandidates(g.Where, add)
			}
		}
	}
	return out
}

// login begins the text of a change that only somebody with a name can have.
func (x *explainer) login() string {
	if x.user.Identified() {
		return ""
	}
	return "logged in "
}

// valueCandidates adds what a user could be or have so that the comparisons of a condition come out another way.
func (x *explainer) valueCandidates(cond cqn.Expr, add func(string, func(*draft))) {
	cqn.Walk(cond, func(n any) bool {
		var l, r cqn.Expr
		switch n := n.(type) {
		case *cqn.Binary:
			l, r = n.L, n.R
		case *cqn.In:
			l, r = n.X, n.Set
		case *cqn.Exists, *cqn.Subquery:
			return false
		case *cqn.Unary:
			if p, ok := n.X.(*cqn.Param); ok && p.From == cqn.FromUserAttr && (n.Op == cqn.IsNull || n.Op == cqn.IsNotNull) {
				add("without "+cqn.Format(p), func(d *draft) { delete(d.user.Attrs, p.Name) })
			}
		}
		for _, pair := range [][2]cqn.Expr{{l, r}, {r, l}} {
			if p, ok := pair[0].(*cqn.Param); ok && pair[1] != nil {
				for _, v := range x.near(pair[1]) {
					addValue(p, v, add)
				}
			}
		}
		return true
	})
}

func addValue(p *cqn.Param, v string, add func(string, func(*draft))) {
	switch p.From {
	case cqn.FromUserID:
		add("as the user '"+v+"'", func(d *draft) { d.user.ID = v })
	case cqn.FromUserTenant:
		add("in the tenant '"+v+"'", func(d *draft) { d.user.Tenant = v })
	case cqn.FromUserAttr:
		add("with "+cqn.Format(p)+" = '"+v+"'", func(d *draft) { d.user.Attrs[p.Name] = append(slices.Clone(d.user.Attrs[p.Name]), v) })
		if p.Name != "" {
			add("with "+cqn.Format(p)+" = '"+v+"' alone", func(d *draft) { d.user.Attrs[p.Name] = []string{v} })
		}
	}
}

// near returns values at which a comparison with an operand turns.
func (x *explainer) near(other cqn.Expr) (out []string) {
	var v cqn.Value
	switch o := other.(type) {
	case *cqn.Lit:
		v = o.Value
	case *cqn.Tuple:
		for _, it := range o.Items {
			out = append(out, x.near(it)...)
		}
		return out
	case *cqn.Ref:
		_, value, ok := x.elementOf(o)
		if !ok {
			return nil
		}
		v = value
	default:
		return nil
	}
	if v.IsNull() {
		return nil
	}
	text := v.Format()
	out = append(out, text)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && v.Kind() == cqn.KindInt {
		out = append(out, strconv.FormatInt(n+1, 10), strconv.FormatInt(n-1, 10))
	}
	return out
}

// Summary is the report in one line.
func (r *Report) Summary() string {
	return strings.TrimSpace(r.Verdict + " " + strconv.Itoa(r.Status) + " " + r.Why)
}
