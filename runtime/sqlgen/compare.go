package sqlgen

import (
	"strconv"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// Comparisons. What makes them long is that some operands are no single values:
//
//   - A user attribute is a list V. `$user.a = e` and `e in $user.a` mean that e is in V; `!=` and `not in` that V has values and e is none
//     of them; all other comparisons that some value of V satisfies them. Without a value nothing is satisfied, also not for null elements.
//   - A path over a to-many association means that some row at its end satisfies the comparison.

// compare compiles a comparison: Binary, Between, Like, In, and the null tests of Unary.
func (sc *scope) compare(x cqn.Expr) (frag, error) {
	f, err := sc.compareAny(x)
	f.typ, f.el = typeBool, nil
	return f, err
}

func (sc *scope) compareAny(x cqn.Expr) (frag, error) {
	if many := sc.toMany(x); many != nil {
		return sc.someRow(x, many)
	}
	if f, ok, err := sc.membership(x); ok || err != nil {
		return f, err
	}
	if p := userAttr(x); p != nil {
		return sc.someValue(x, p)
	}
	switch x := x.(type) {
	case *cqn.Binary:
		return sc.comparison(x)
	case *cqn.Unary:
		return sc.nullTest(x.X, x.Op == cqn.IsNull)
	case *cqn.Between:
		return sc.between(x)
	case *cqn.Like:
		return sc.like(x)
	case *cqn.In:
		return sc.in(x)
	}
	return frag{}, sc.fail("INVALID_EXPRESSION", "not a comparison")
}

var comparisons = map[cqn.BinaryOp]string{cqn.Eq: " = ", cqn.NeSQL: " <> ", cqn.Lt: " < ", cqn.Le: " <= ", cqn.Gt: " > ", cqn.Ge: " >= "}

func (sc *scope) comparison(x *cqn.Binary) (frag, error) {
	nullSafe := x.Op == cqn.Ne || x.Op == cqn.EqNull
	if x.Op == cqn.Eq || nullSafe {
		for _, side := range [][2]cqn.Expr{{x.L, x.R}, {x.R, x.L}} {
			if isNull(side[0]) {
				return sc.nullTest(side[1], x.Op != cqn.Ne)
			}
		}
	}
	if l, ok := x.L.(*cqn.Tuple); ok && len(l.Items) > 1 {
		return sc.tuples(x, l)
	}
	if f, ok, err := sc.sealedComparison(x); ok || err != nil {
		return f, err
	}
	l, r, err := sc.operands(x, hint{})
	if err != nil {
		return frag{}, err
	}
	sc.noteTypes(l.typ, r.typ)
	if !nullSafe {
		op, ok := comparisons[x.Op]
		if !ok {
			return frag{}, sc.fail("INVALID_EXPRESSION", "unknown operator")
		}
		return frag{sql: l.at(precAdd) + op + r.at(precAdd), prec: precCompare}, nil
	}
	tmpl := sc.t.NullSafeEq
	if x.Op == cqn.Ne {
		tmpl = sc.t.NullSafeNe
	}
	f := frag{sql: fill(tmpl, []string{l.at(precAdd), r.at(precAdd)}), prec: precCompare}
	// What the user lacks never satisfies a comparison; a null-safe one would take it for a value.
	for _, side := range []struct {
		x cqn.Expr
		f frag
	}{{x.L, l}, {x.R, r}} {
		if p, ok := side.x.(*cqn.Param); ok && (p.From == cqn.FromUserID || p.From == cqn.FromUserTenant || p.From == cqn.FromUserLocale) {
			f = frag{sql: side.f.at(precCompare+1) + " IS NOT NULL AND " + f.at(precAnd), prec: precAnd}
		}
	}
	return f, nil
}

// tuples compares rows of values item by item.
func (sc *scope) tuples(x *cqn.Binary, l *cqn.Tuple) (frag, error) {
	r, ok := x.R.(*cqn.Tuple)
	if !ok || len(r.Items) != len(l.Items) || x.Op != cqn.Eq {
		return frag{}, sc.fail("INVALID_EXPRESSION", "lists can only be compared with lists of the same length by =")
	}
	var all cqn.Expr
	for i := range l.Items {
		var eq cqn.Expr = &cqn.Binary{Op: cqn.Eq, L: l.Items[i], R: r.Items[i]}
		if all != nil {
			eq = &cqn.Binary{Op: cqn.And, L: all, R: eq}
		}
		all = eq
	}
	return sc.cond(all)
}

func isNull(x cqn.Expr) bool {
	l, ok := x.(*cqn.Lit)
	return ok && l.Enum == "" && l.Value.IsNull()
}

// nullTest compiles `x is null`. For an association it asks for its foreign keys, for one without keys for its row.
func (sc *scope) nullTest(x cqn.Expr, null bool) (frag, error) {
	if p, ok := x.(*cqn.Param); ok && p.From == cqn.FromUserAttr && !sc.view {
		f := frag{sql: sc.bind(Bind{Param: *p, IsNull: true, Type: typeBool})}
		if !null {
			f = frag{sql: "NOT " + f.sql, prec: precNot}
		}
		return f, nil
	}
	if ref, ok := x.(*cqn.Ref); ok {
		if f, ok, err := sc.assocNull(ref, null); ok || err != nil {
			return f, err
		}
	}
	f, err := sc.tested(x)
	if err != nil {
		return frag{}, err
	}
	if null {
		return frag{sql: f.at(precCompare+1) + " IS NULL", prec: precCompare}, nil
	}
	return frag{sql: f.at(precCompare+1) + " IS NOT NULL", prec: precCompare}, nil
}

// tested compiles what a null test asks about: sealed elements have nulls, too.
func (sc *scope) tested(x cqn.Expr) (frag, error) {
	if ref, ok := x.(*cqn.Ref); ok {
		f, _, err := sc.unsealed(ref)
		if err == nil {
			err = f.masked
		}
		return f, err
	}
	return sc.expr(x, hint{})
}

// assocNull is the null test of an association: whether there is a row that it leads to.
func (sc *scope) assocNull(ref *cqn.Ref, null bool) (frag, bool, error) {
	src, path, err := sc.base(ref)
	if err != nil || src.entity == nil || len(path) == 0 {
		return frag{}, false, err
	}
	for len(path) > 0 {
		el, n := flat(src.entity, path)
		if el == nil || el.Assoc() == nil || el.Assoc().Target == nil {
			return frag{}, false, nil
		}
		if len(path) == n {
			if len(el.Assoc().FK) == 1 && path[n-1].Filter == nil {
				return frag{}, false, nil
			}
			break
		}
		path = path[n:]
		src = &source{entity: el.Assoc().Target}
	}
	f, err := sc.exists(&cqn.Exists{Path: ref})
	if err == nil && null {
		f = frag{sql: "NOT " + f.sql, prec: precNot}
	}
	return f, true, err
}

func (sc *scope) between(x *cqn.Between) (frag, error) {
	f, err := sc.expr(x.X, hint{})
	if err != nil {
		return frag{}, err
	}
	lo, err := sc.expr(x.Lo, f.hint())
	if err != nil {
		return frag{}, err
	}
	if f.typ == nil && lo.typ != nil && isBare(x.X) {
		if f, err = sc.expr(x.X, lo.hint()); err != nil {
			return frag{}, err
		}
	}
	hi, err := sc.expr(x.Hi, f.hint())
	if err != nil {
		return frag{}, err
	}
	sc.noteTypes(f.typ, lo.typ)
	sc.noteTypes(f.typ, hi.typ)
	return frag{sql: f.at(precAdd) + negated(x.Negated) + " BETWEEN " + lo.at(precAdd) + " AND " + hi.at(precAdd), prec: precCompare}, nil
}

func negated(not bool) string {
	if not {
		return " NOT"
	}
	return ""
}

func (sc *scope) like(x *cqn.Like) (frag, error) {
	text := hint{typ: typeString}
	f, err := sc.expr(x.X, text)
	if err != nil {
		return frag{}, err
	}
	p, err := sc.expr(x.Pattern, text)
	if err != nil {
		return frag{}, err
	}
	sql := f.at(precAdd) + negated(x.Negated) + " LIKE " + p.at(precAdd)
	if x.Escape != nil {
		e, err := sc.expr(x.Escape, text)
		if err != nil {
			return frag{}, err
		}
		sql += " ESCAPE " + e.at(precAdd)
	} else {
		sql += sc.t.LikePlain
	}
	return frag{sql: sql, prec: precCompare}, nil
}

// in compiles a membership in a list of expressions, one bound list, an array element or a subquery.
func (sc *scope) in(x *cqn.In) (frag, error) {
	if ref, ok := x.Set.(*cqn.Ref); ok {
		return sc.inArray(x, ref)
	}
	if f, ok, err := sc.sealedMember(x); ok || err != nil {
		return f, err
	}
	f, err := sc.expr(x.X, hint{})
	if err != nil {
		return frag{}, err
	}
	head := f.at(precAdd) + negated(x.Negated)
	switch set := x.Set.(type) {
	case *cqn.Tuple:
		if len(set.Items) == 0 {
			return frag{sql: sc.t.False}, sc.emptySet(x.Negated)
		}
		items, err := sc.list(set.Items, f.hint())
		return frag{sql: head + " IN (" + items + ")", prec: precCompare}, err
	case *cqn.Param:
		if set.From != cqn.FromLiteral {
			one, err := sc.param(set, f.hint())
			return frag{sql: head + " IN (" + one.sql + ")", prec: precCompare}, err
		}
		n := sc.bindIndex(Bind{Param: *set, Type: f.typ, List: true})
		return frag{sql: string(sc.d.InList([]byte(f.at(precAdd)), n, f.typ, x.Negated)), prec: precCompare}, nil
	case *cqn.Lit:
		if sc.view || set.Value.Kind() != cqn.KindList {
			return sc.in(&cqn.In{X: x.X, Set: &cqn.Tuple{Items: []cqn.Expr{set}}, Negated: x.Negated})
		}
		n, t := sc.bindIndex(Bind{Param: cqn.Param{Index: -1}, Const: set.Value, Type: f.typ, List: true}), f.typ
		if t != nil && numeric(t) {
			t = typeDecimal // see constType
		}
		return frag{sql: string(sc.d.InList([]byte(f.at(precAdd)), n, t, x.Negated)), prec: precCompare}, nil
	case *cqn.Subquery:
		q, err := sc.subquery(&cqn.Subquery{Query: set.Query})
		return frag{sql: head + " IN " + q.sql, prec: precCompare}, err
	}
	return frag{}, sc.fail("INVALID_EXPRESSION", "the right side of in must be a list")
}

// emptySet refuses `not in ()`, which would let everything through.
func (sc *scope) emptySet(not bool) error {
	if not {
		return sc.fail("INVALID_EXPRESSION", "not in () has no values")
	}
	return nil
}

// inArray compiles `x in tags`, tags being an array element, which is stored as JSON. Other conditions on arrays are errors.
func (sc *scope) inArray(x *cqn.In, ref *cqn.Ref) (frag, error) {
	set, err := sc.expr(ref, hint{})
	if err != nil {
		return frag{}, err
	}
	arr, ok := (*csn.Array)(nil), false
	if set.el != nil {
		arr, ok = set.el.Type.(*csn.Array)
	}
	if !ok {
		f, err := sc.expr(x.X, set.hint())
		return frag{sql: f.at(precAdd) + negated(x.Negated) + " IN (" + set.sql + ")", prec: precCompare}, err
	}
	h := hint{}
	if arr.Items != nil {
		h = hint{arr.Items.Scalar(), arr.Items}
	}
	f, err := sc.expr(x.X, h)
	if err != nil {
		return frag{}, err
	}
	tmpl := sc.t.Elements
	if tmpl == "" {
		return frag{}, &Error{Code: "NOT_SUPPORTED", Message: "conditions on arrays are not supported by this database", Status: 501}
	}
	t := or(f.hint(), h).typ
	if t == nil || t.Kind == csn.String || t.Kind == csn.UUID {
		t = typeText
	}
	item, err := TypeSQL(loose(t), sc.d)
	return frag{sql: f.at(precAdd) + negated(x.Negated) + " IN (" + fill(tmpl, []string{set.sql, item}) + ")", prec: precCompare}, err
}

// membership compiles the plain forms with a user attribute, which need one list only: a = e, a != e, e in a.
func (sc *scope) membership(x cqn.Expr) (frag, bool, error) {
	if sc.view {
		return frag{}, false, nil
	}
	var p *cqn.Param
	var e cqn.Expr
	not, strict, safe := false, false, false
	switch x := x.(type) {
	case *cqn.Binary:
		switch x.Op {
		case cqn.Eq:
		case cqn.EqNull:
			safe = true
		case cqn.Ne:
			not = true
		case cqn.NeSQL:
			not, strict = true, true
		default:
			return frag{}, false, nil
		}
		if p = attrOf(x.L); p != nil {
			e = x.R
		} else if p = attrOf(x.R); p != nil {
			e = x.L
		}
	case *cqn.In:
		p, e, not, strict = attrOf(x.Set), x.X, x.Negated, true
	}
	if p == nil || userAttr(e) != nil {
		return frag{}, false, nil
	}
	if isNull(e) {
		f, err := sc.nullTest(p, !not)
		return f, true, err
	}
	f, err := sc.expr(e, hint{})
	if err != nil {
		return frag{}, true, err
	}
	t := attrType(f, e)
	n := sc.bindIndex(Bind{Param: *p, Type: t, List: true})
	in := string(sc.d.InList([]byte(f.at(precAdd)), n, t, false))
	switch {
	case safe:
		return frag{sql: f.at(precCompare+1) + " IS NOT NULL AND " + in, prec: precAnd}, true, nil
	case !not:
		return frag{sql: in, prec: precCompare}, true, nil
	}
	in = string(sc.d.InList([]byte(f.at(precAdd)), n, t, true))
	if !strict {
		in = "(" + f.at(precCompare+1) + " IS NULL OR " + in + ")"
	}
	// Asked of the converted list: values that are none for this type count as absent.
	return frag{sql: "EXISTS (SELECT 1 FROM " + string(sc.d.ListRows(nil, n, t, "v")) + ") AND " + in, prec: precAnd}, true, nil
}

// attrType is the type that values of a user attribute, which are texts, are converted to: that of the element they are compared with. Results of
// arithmetic take any number, whatever their operands are.
func attrType(f frag, e cqn.Expr) *csn.Builtin {
	_, arith := e.(*cqn.Binary)
	switch {
	case f.typ == nil:
		return typeString
	case arith && numeric(f.typ):
		return typeDecimal
	}
	return f.typ
}

func attrOf(x cqn.Expr) *cqn.Param {
	if p, ok := x.(*cqn.Param); ok && p.From == cqn.FromUserAttr {
		return p
	}
	return nil
}

// userAttr finds a user attribute among the values that a comparison compares, but not inside subqueries and nested conditions.
func userAttr(x cqn.Expr) *cqn.Param {
	var found *cqn.Param
	cqn.Walk(x, func(n any) bool {
		switch n := n.(type) {
		case *cqn.Param:
			if n.From == cqn.FromUserAttr && found == nil {
				found = n
			}
		case *cqn.Subquery, *cqn.Exists, *cqn.Ref:
			return false
		}
		return found == nil
	})
	return found
}

// someValue compiles a comparison that some value of a user attribute must satisfy. Like a chain of or over the values, it is unknown if it is
// true for none and unknown for some; without values it is false.
func (sc *scope) someValue(x cqn.Expr, p *cqn.Param) (frag, error) {
	if u, ok := x.(*cqn.Unary); ok && u.X == cqn.Expr(p) {
		return sc.nullTest(p, u.Op == cqn.IsNull)
	}
	if err := sc.enter(); err != nil {
		return frag{}, err
	}
	defer sc.leave()
	not := false
	switch c := x.(type) {
	case *cqn.Binary:
		if c.Op == cqn.Ne || c.Op == cqn.NeSQL {
			op := cqn.Eq
			if c.Op == cqn.Ne {
				op = cqn.EqNull
			}
			x, not = &cqn.Binary{At: c.At, Op: op, L: c.L, R: c.R}, true
		}
	case *cqn.In:
		if c.Negated {
			x, not = &cqn.In{At: c.At, X: c.X, Set: c.Set}, true
		}
	case *cqn.Like:
		if c.Negated {
			x, not = &cqn.Like{At: c.At, X: c.X, Pattern: c.Pattern, Escape: c.Escape}, true
		}
	case *cqn.Between:
		if c.Negated {
			x, not = &cqn.Between{At: c.At, X: c.X, Lo: c.Lo, Hi: c.Hi}, true
		}
	}
	t := sc.otherType(x)
	if t == nil {
		t = typeString
	}
	n := sc.bindIndex(Bind{Param: *p, Type: t, List: true})
	sc.aliases++
	alias := "v" + strconv.Itoa(sc.aliases)
	rows := string(sc.d.ListRows(nil, n, t, alias))
	item := &raw{f: frag{sql: alias + ".value", typ: t}}
	one := cqn.Rewrite(x, func(y cqn.Expr) cqn.Expr {
		if q, ok := y.(*cqn.Param); ok && q.From == cqn.FromUserAttr && q.Name == p.Name {
			return item
		}
		return y
	})
	f, err := sc.compare(one)
	if err != nil {
		return frag{}, err
	}
	some := "(EXISTS (SELECT 1 FROM " + rows + " WHERE " + f.sql + ") OR EXISTS (SELECT 1 FROM " + rows + " WHERE " + f.at(precCompare+1) + " IS NULL) AND NULL)"
	if not {
		return frag{sql: "EXISTS (SELECT 1 FROM " + rows + ") AND NOT " + some, prec: precAnd}, nil
	}
	return frag{sql: some}, nil
}

// otherType guesses the type of what a user attribute is compared with: that of the first element in the comparison, text where texts are joined.
func (sc *scope) otherType(x cqn.Expr) *csn.Builtin {
	var t *csn.Builtin
	cqn.Walk(x, func(n any) bool {
		switch n := n.(type) {
		case *cqn.Ref:
			if t == nil {
				if f, err := sc.probe(n); err == nil {
					t = f.typ
				}
			}
			return false
		case *cqn.Lit:
			if t == nil {
				t = typeOfValue(n.Value)
			}
		case *cqn.Binary:
			if n.Op == cqn.Concat && t == nil {
				t = typeString
			}
		case *cqn.Case: // its conditions say nothing of its type
			for _, w := range n.Whens {
				if t == nil {
					t = sc.otherType(w.Then)
				}
			}
			if t == nil && n.Else != nil {
				t = sc.otherType(n.Else)
			}
			return false
		case *cqn.Subquery, *cqn.Exists:
			return false
		}
		return t == nil
	})
	return t
}

// probe finds the type of a path without adding anything to the statement.
func (sc *scope) probe(r *cqn.Ref) (frag, error) {
	src, path, err := sc.base(r)
	if err != nil || len(path) == 0 {
		return frag{}, sc.unknown(r)
	}
	if src.entity == nil {
		if c := src.derivedColumn(path[0].Name); c != nil {
			return frag{el: c.el, typ: builtin(c.typ)}, nil
		}
		return frag{}, sc.unknown(r)
	}
	for e := src.entity; e != nil; {
		el, n := flat(e, path)
		if el == nil {
			break
		}
		path = path[n:]
		a := el.Assoc()
		if len(path) == 0 {
			if a != nil && len(a.FK) == 1 {
				el = a.FK[0]
			}
			return frag{el: el, typ: el.Scalar()}, nil
		}
		if a == nil {
			break
		}
		e = a.Target
	}
	return frag{}, sc.unknown(r)
}

// toMany finds a path over a to-many association among the operands of a comparison, and where in it the association is.
func (sc *scope) toMany(x cqn.Expr) *manyPath {
	var found *manyPath
	cqn.Walk(x, func(n any) bool {
		switch n := n.(type) {
		case *cqn.Ref:
			if found == nil {
				found = sc.manyStep(n)
			}
			return false
		case *cqn.Subquery, *cqn.Exists:
			return false
		}
		return found == nil
	})
	return found
}

// A manyPath is a path and the number of its steps up to and with its first to-many association.
type manyPath struct {
	ref  *cqn.Ref
	upTo int
}

func (sc *scope) manyStep(r *cqn.Ref) *manyPath {
	src, path, err := sc.base(r)
	if err != nil || src.entity == nil {
		return nil
	}
	e := src.entity
	for len(path) > 0 && e != nil {
		el, n := flat(e, path)
		if el == nil || el.Assoc() == nil || n == len(path) {
			return nil
		}
		path, e = path[n:], el.Assoc().Target
		if el.Assoc().Many {
			return &manyPath{r, len(r.Path) - len(path)}
		}
	}
	return nil
}

// someRow turns a comparison with a to-many path into an exists.
func (sc *scope) someRow(x cqn.Expr, m *manyPath) (frag, error) {
	sc.aliases++
	v := "\x00" + strconv.Itoa(sc.aliases) // no name of a model
	pred := cqn.Rewrite(x, func(y cqn.Expr) cqn.Expr {
		if y == cqn.Expr(m.ref) {
			return &cqn.Ref{At: m.ref.At, Path: append([]cqn.Step{{Name: v}}, m.ref.Path[m.upTo:]...)}
		}
		return y
	})
	return sc.exists(&cqn.Exists{Path: &cqn.Ref{At: m.ref.At, Path: m.ref.Path[:m.upTo:m.upTo]}, Var: v, Pred: pred})
}
