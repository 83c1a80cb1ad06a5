package csn

import (
	"fmt"
	"strings"

	"cds/parser/cqn"
	"cds/parser/diag"
	"cds/parser/token"
)

// The first steps of references in Assoc.Join.
const (
	joinSource = "$source"
	joinTarget = "$target"
)

// joins computes Join, Pairs, Rest and Backlink of all associations.
func (f *freezer) joins() {
	j := &joiner{freezer: f, paths: map[*Entity]map[string][]*Element{}, state: map[*Assoc]uint8{}, equals: map[[2]string]cqn.Expr{}}
	for _, e := range f.m.Entities {
		for _, el := range e.Flat {
			if el.Assoc() != nil {
				j.join(e, el)
			}
		}
	}
}

type joiner struct {
	*freezer
	paths map[*Entity]map[string][]*Element // flat elements at and below a structured path, without associations
	state map[*Assoc]uint8                  // 1 being computed, 2 done
	// equals has the conditions that make foreign keys, by their columns: associations of the same name have the same ones.
	equals map[[2]string]cqn.Expr
}

// join computes the join of one association, after those that it depends on.
func (j *joiner) join(e *Entity, el *Element) {
	a := el.Assoc()
	if j.state[a] != 0 || a.Target == nil {
		return
	}
	j.state[a] = 1
	defer func() { j.state[a] = 2 }()
	switch {
	case a.On != nil:
		c := &onCondition{joiner: j, e: e, el: el, a: a}
		x, err := c.expr(a.On, 0)
		if err != nil {
			sev := diag.Error
			if e.Source != nil {
				// A view may hide what the condition needs. Nothing is lost but the association, whose use is then an error.
				sev = diag.Warning
			}
			d := j.report(sev, codeOn, e, el, "the on-condition of %s.%s: %s", e.Name, el.Name, err.msg)
			if err.at.Valid() {
				d.Span = err.at
			}
			return
		}
		a.Join = x
	case len(a.FK) > 0:
		var conds []cqn.Expr
		for i, fk := range a.FK {
			conds = append(conds, j.equal(fk.Name, a.FKTarget[i].Name))
		}
		a.Join = conjunction(conds)
	}
	j.split(e, a)
	if a.Target.SkipPersistence {
		a.Join = nil
	}
}

// equal returns the condition that a source column equals a target column. It is shared, as trees never change.
func (j *joiner) equal(source, target string) cqn.Expr {
	k := [2]string{source, target}
	x := j.equals[k]
	if x == nil {
		x = equal(joinRef(joinSource, source), joinRef(joinTarget, target))
		j.equals[k] = x
	}
	return x
}

// split divides a join into pairs of equal columns and the rest.
func (j *joiner) split(e *Entity, a *Assoc) {
	var rest []cqn.Expr
	for _, x := range conjuncts(a.Join, nil) {
		b, ok := x.(*cqn.Binary)
		if ok && b.Op == cqn.Eq {
			ls, ln := joinColumn(b.L)
			rs, rn := joinColumn(b.R)
			if ls == joinTarget && rs == joinSource {
				ls, ln, rs, rn = rs, rn, ls, ln
			}
			if ls == joinSource && rs == joinTarget {
				if s, t := e.Element(ln), a.Target.Element(rn); s != nil && t != nil {
					a.Pairs = append(a.Pairs, JoinPair{s, t})
					continue
				}
			}
		}
		rest = append(rest, x)
	}
	a.Rest = conjunction(rest)
}

func joinColumn(x cqn.Expr) (side, name string) {
	if r, ok := x.(*cqn.Ref); ok && len(r.Path) == 2 {
		return r.Path[0].Name, r.Path[1].Name
	}
	return "", ""
}

func joinRef(side, name string) cqn.Expr { return cqn.NewRef(side, name) }

func equal(l, r cqn.Expr) cqn.Expr { return &cqn.Binary{Op: cqn.Eq, L: l, R: r} }

// conjuncts appends the operands of the ands at the top of x.
func conjuncts(x cqn.Expr, to []cqn.Expr) []cqn.Expr {
	for x != nil {
		b, ok := x.(*cqn.Binary)
		if !ok || b.Op != cqn.And {
			return append(to, x)
		}
		to = conjuncts(b.L, to)
		x = b.R
	}
	return to
}

func conjunction(xs []cqn.Expr) cqn.Expr {
	var out cqn.Expr
	for _, x := range xs {
		if out == nil {
			out = x
		} else {
			out = &cqn.Binary{Op: cqn.And, L: out, R: x}
		}
	}
	return out
}

// at returns the columns at and below a structured path.
func (j *joiner) at(e *Entity, path []string) []*Element {
	m := j.paths[e]
	if m == nil {
		m = make(map[string][]*Element, 2*len(e.Flat))
		for _, el := range e.Flat {
			if el.Assoc() != nil {
				continue
			}
			for i := 1; i <= len(el.Path()); i++ {
				k := strings.Join(el.Path()[:i], ".")
				m[k] = append(m[k], el)
			}
			if len(el.Path()) > 1 { // also by its flat name
				m[el.Name] = append(m[el.Name], el)
			}
		}
		j.paths[e] = m
	}
	return m[strings.Join(path, ".")]
}

// association returns the flat association at a structured path.
func association(e *Entity, path []string) *Element {
	p := strings.Join(path, ".")
	for _, el := range e.Flat {
		if el.Assoc() != nil && strings.Join(el.Path(), ".") == p {
			return el
		}
	}
	return nil
}

// onCondition rewrites the on-condition of one association to columns.
type onCondition struct {
	*joiner
	e  *Entity
	el *Element
	a  *Assoc
}

type onError struct {
	msg string
	at  token.Span
}

func onErrorf(x cqn.Expr, format string, args ...any) *onError {
	return &onError{fmt.Sprintf(format, args...), x.Span()}
}

// operand is a reference of an on-condition: what it leads to.
type operand struct {
	side string
	path []string
	self bool       // $self alone
	cols []*Element // columns at the path
}

func (c *onCondition) expr(x cqn.Expr, depth int) (cqn.Expr, *onError) {
	if depth > 2*maxDepth {
		return nil, onErrorf(x, "it is nested too deeply")
	}
	switch n := x.(type) {
	case *cqn.Binary:
		if n.Op >= cqn.Eq && n.Op <= cqn.Ge {
			return c.comparison(n, depth)
		}
		l, err := c.expr(n.L, depth+1)
		if err != nil {
			return nil, err
		}
		r, err := c.expr(n.R, depth+1)
		if err != nil {
			return nil, err
		}
		return &cqn.Binary{At: n.At, Op: n.Op, L: l, R: r}, nil
	case *cqn.Ref:
		o, err := c.resolve(n)
		if err != nil {
			return nil, err
		}
		if o.self || len(o.cols) != 1 {
			return nil, onErrorf(n, "%s is no scalar element", refText(n))
		}
		return joinRef(o.side, o.cols[0].Name), nil
	case *cqn.Unary:
		y, err := c.expr(n.X, depth+1)
		if err != nil {
			return nil, err
		}
		return &cqn.Unary{At: n.At, Op: n.Op, X: y}, nil
	case *cqn.Exists, *cqn.Subquery:
		return nil, onErrorf(n, "subqueries are not allowed in it")
	}
	var failed *onError
	y := cqn.Rewrite(x, func(n cqn.Expr) cqn.Expr {
		switch n.(type) {
		case *cqn.Ref, *cqn.Exists, *cqn.Subquery:
			z, err := c.expr(n, depth+1)
			if err != nil {
				if failed == nil {
					failed = err
				}
				return n
			}
			return z
		}
		return n
	})
	return y, failed
}

// comparison handles what only comparisons may hold: $self, structures and associations.
func (c *onCondition) comparison(n *cqn.Binary, depth int) (cqn.Expr, *onError) {
	lr, lok := n.L.(*cqn.Ref)
	rr, rok := n.R.(*cqn.Ref)
	if !lok || !rok {
		return c.plain(n, depth)
	}
	l, err := c.resolve(lr)
	if err != nil {
		return nil, err
	}
	r, err := c.resolve(rr)
	if err != nil {
		return nil, err
	}
	if l.self {
		l, r = r, l
	}
	switch {
	case r.self && n.Op != cqn.Eq && n.Op != cqn.EqNull:
		return nil, onErrorf(n, "$self can only be compared by =")
	case r.self:
		return c.backlink(n, l)
	case len(l.cols) == 1 && len(r.cols) == 1:
		return &cqn.Binary{At: n.At, Op: n.Op, L: joinRef(l.side, l.cols[0].Name), R: joinRef(r.side, r.cols[0].Name)}, nil
	}
	return c.structured(n, l, r)
}

func (c *onCondition) plain(n *cqn.Binary, depth int) (cqn.Expr, *onError) {
	l, err := c.expr(n.L, depth+1)
	if err != nil {
		return nil, err
	}
	r, err := c.expr(n.R, depth+1)
	if err != nil {
		return nil, err
	}
	return &cqn.Binary{At: n.At, Op: n.Op, L: l, R: r}, nil
}

// structured compares structures or associations part by part.
func (c *onCondition) structured(n *cqn.Binary, l, r operand) (cqn.Expr, *onError) {
	if len(l.cols) != len(r.cols) {
		return nil, onErrorf(n, "%s and %s have different parts", strings.Join(l.path, "."), strings.Join(r.path, "."))
	}
	op := cqn.And
	switch n.Op {
	case cqn.Eq, cqn.EqNull:
	case cqn.Ne, cqn.NeSQL:
		op = cqn.Or
	default:
		return nil, onErrorf(n, "structures can only be compared by = and !=")
	}
	var out cqn.Expr
	for i, lc := range l.cols {
		rc := r.cols[i]
		if tail(lc, l) != tail(rc, r) {
			return nil, onErrorf(n, "%s and %s have different parts", strings.Join(l.path, "."), strings.Join(r.path, "."))
		}
		x := cqn.Expr(&cqn.Binary{At: n.At, Op: n.Op, L: joinRef(l.side, lc.Name), R: joinRef(r.side, rc.Name)})
		if out != nil {
			x = &cqn.Binary{At: n.At, Op: op, L: out, R: x}
		}
		out = x
	}
	return out, nil
}

// tail is the part of a column's path below that of the operand.
func tail(col *Element, o operand) string {
	if len(o.path) >= len(col.Path()) {
		return ""
	}
	return strings.Join(col.Path()[len(o.path):], ".")
}

// backlink turns `x.back = $self` into what the association back of the target says.
func (c *onCondition) backlink(n *cqn.Binary, o operand) (cqn.Expr, *onError) {
	if o.side != joinTarget {
		return nil, onErrorf(n, "$self must be compared with an association of the target %s", c.a.TargetName)
	}
	back := association(c.a.Target, o.path)
	if back == nil {
		return nil, onErrorf(n, "%s has no association %s", c.a.TargetName, strings.Join(o.path, "."))
	}
	b := back.Assoc()
	if b.Target == nil {
		return nil, onErrorf(n, "the target of %s.%s is unknown", c.a.TargetName, back.Name)
	}
	if len(b.FK) == 0 {
		if c.state[b] == 1 {
			return nil, onErrorf(n, "it and that of %s.%s depend on each other", c.a.TargetName, back.Name)
		}
		c.join(c.a.Target, back)
		if b.Join == nil {
			return nil, onErrorf(n, "%s.%s has neither keys nor a condition", c.a.TargetName, back.Name)
		}
		return c.swap(n, b)
	}
	var conds []cqn.Expr
	for i, fk := range b.FK {
		s := c.counterpart(b.FKTarget[i], b.Target)
		if s == nil {
			return nil, onErrorf(n, "%s has no element for the key %s of %s", c.e.Name, b.FKTarget[i].Name, b.Target.Name)
		}
		conds = append(conds, equal(joinRef(joinTarget, fk.Name), joinRef(joinSource, s.Name)))
	}
	if c.a.Backlink == nil {
		c.a.Backlink = back
	}
	return conjunction(conds), nil
}

// swap exchanges the sides of the join of the target's unmanaged association b.
func (c *onCondition) swap(n *cqn.Binary, b *Assoc) (cqn.Expr, *onError) {
	var failed *onError
	x := cqn.Rewrite(b.Join, func(x cqn.Expr) cqn.Expr {
		switch side, name := joinColumn(x); side {
		case joinSource:
			return joinRef(joinTarget, name)
		case joinTarget:
			t := b.Target.Element(name)
			if t == nil {
				break
			}
			if s := c.counterpart(t, b.Target); s != nil {
				return joinRef(joinSource, s.Name)
			}
			failed = onErrorf(n, "%s has no element for %s of %s", c.e.Name, name, b.Target.Name)
		}
		return x
	})
	return x, failed
}

// counterpart finds the element of the association's owner that stands for t, an element of entity te: t itself if the owner is te; else
// the element with the same name, since one is a projection of the other.
func (c *onCondition) counterpart(t *Element, te *Entity) *Element {
	if te == c.e {
		return t
	}
	if s := c.e.Element(t.Name); s != nil && s.Assoc() == nil {
		return s
	}
	// Renamed in a projection: the keys of both correspond in order.
	if len(te.Keys) == len(c.e.Keys) {
		for i, k := range te.Keys {
			if k == t {
				return c.e.Keys[i]
			}
		}
	}
	return nil
}

// resolve finds what a reference in the on-condition stands for.
func (c *onCondition) resolve(r *cqn.Ref) (operand, *onError) {
	path := make([]string, len(r.Path))
	for i, s := range r.Path {
		if s.Filter != nil || len(s.Args) > 0 {
			return operand{}, onErrorf(r, "filters and arguments are not allowed in it")
		}
		path[i] = s.Name
	}
	if len(path) == 0 {
		return operand{}, onErrorf(r, "it has an empty path")
	}
	own := c.el.Path()
	switch {
	case path[0] == "$self" || path[0] == "$projection":
		if len(path) == 1 {
			return operand{side: joinSource, self: true}, nil
		}
		if len(path) > len(own)+1 && equalPath(path[1:len(own)+1], own) {
			return c.columns(r, joinTarget, c.a.Target, path[len(own)+1:])
		}
		return c.columns(r, joinSource, c.e, path[1:])
	case len(path) > len(own) && equalPath(path[:len(own)], own):
		return c.columns(r, joinTarget, c.a.Target, path[len(own):])
	case path[0] == own[len(own)-1] && len(path) > 1: // within a structure
		return c.columns(r, joinTarget, c.a.Target, path[1:])
	}
	o, err := c.columns(r, joinSource, c.e, path)
	if err != nil && len(own) > 1 { // relative to the structure that the association stands in
		if o, err2 := c.columns(r, joinSource, c.e, appendPath(own[:len(own)-1], path...)); err2 == nil {
			return o, nil
		}
	}
	return o, err
}

func (c *onCondition) columns(r *cqn.Ref, side string, e *Entity, path []string) (operand, *onError) {
	o := operand{side: side, path: path, cols: c.at(e, path)}
	if len(o.cols) == 0 && association(e, path) == nil {
		return o, onErrorf(r, "%s is no element or foreign key of %s", strings.Join(path, "."), e.Name)
	}
	return o, nil
}

func equalPath(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func refText(r *cqn.Ref) string {
	var b strings.Builder
	for i, s := range r.Path {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(s.Name)
	}
	return b.String()
}
