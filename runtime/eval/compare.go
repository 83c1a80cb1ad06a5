package eval

import (
	"encoding/json"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// Comparisons. A user attribute is the list V of its values (section 11): `$user.a = e` and `e in $user.a` mean that e is in V, `!=` and
// `not in` that V has values and e is none of them; every other comparison that some value of V satisfies it. Without values nothing is
// satisfied (decision 13). sqlgen does the same.

// compare evaluates a comparison: Binary, Between, Like or In.
func (m *machine) compare(x cqn.Expr) (Truth, error) {
	if t, ok, err := m.membership(x); ok || err != nil {
		return t, err
	}
	if p := userAttr(x); p != nil {
		return m.someValue(x, p)
	}
	switch x := x.(type) {
	case *cqn.Binary:
		return m.comparison(x)
	case *cqn.Between:
		return m.between(x)
	case *cqn.Like:
		return m.like(x)
	case *cqn.In:
		return m.in(x)
	}
	return Unknown, &ErrNotEvaluable{"this kind of comparison"}
}

// comparison evaluates = != <> == < <= > >= of two single values.
func (m *machine) comparison(x *cqn.Binary) (Truth, error) {
	if x.L == nil || x.R == nil {
		return Unknown, &ErrNotEvaluable{"an incomplete comparison"}
	}
	nullSafe := x.Op == cqn.Ne || x.Op == cqn.EqNull
	if x.Op == cqn.Eq || nullSafe { // `a = null` asks for null
		for _, side := range [][2]cqn.Expr{{x.L, x.R}, {x.R, x.L}} {
			if nullLiteral(side[0]) {
				null, err := m.isNull(side[1])
				return of(null == (x.Op != cqn.Ne)), err
			}
		}
	}
	l, r, err := m.pair(x.L, x.R)
	if err != nil {
		return Unknown, err
	}
	if nullSafe && (l.IsNull() && identity(x.L) || r.IsNull() && identity(x.R)) {
		return False, nil // nobody is not "somebody else"
	}
	return compareScalars(x.Op, l, r), nil
}

func nullLiteral(x cqn.Expr) bool {
	l, ok := x.(*cqn.Lit)
	return ok && l.Enum == "" && l.Value.IsNull()
}

// attribute returns x as a user attribute, nil for anything else.
func attribute(x cqn.Expr) *cqn.Param {
	if p, ok := x.(*cqn.Param); ok && p.From == cqn.FromUserAttr {
		return p
	}
	return nil
}

// userAttr finds a user attribute among the operands of a comparison.
func userAttr(x cqn.Expr) *cqn.Param {
	var found *cqn.Param
	cqn.Walk(x, func(n any) bool {
		switch n := n.(type) {
		case *cqn.Param:
			if found == nil {
				found = attribute(n)
			}
		case *cqn.Subquery, *cqn.Exists, *cqn.Ref:
			return false
		}
		return found == nil
	})
	return found
}

// identity reports whether x is the user's id, tenant or locale, which may be missing.
func identity(x cqn.Expr) bool {
	p, ok := x.(*cqn.Param)
	return ok && (p.From == cqn.FromUserID || p.From == cqn.FromUserTenant || p.From == cqn.FromUserLocale)
}

// membership evaluates the plain forms a = e, a != e and e in a.
func (m *machine) membership(x cqn.Expr) (t Truth, ok bool, err error) {
	var p *cqn.Param
	var e cqn.Expr
	op, not := cqn.Eq, false
	switch x := x.(type) {
	case *cqn.Binary:
		if op = x.Op; op < cqn.Eq || op > cqn.EqNull {
			return Unknown, false, nil
		}
		if p, e = attribute(x.L), x.R; p == nil {
			p, e = attribute(x.R), x.L
		}
	case *cqn.In:
		p, e, not = attribute(x.Set), x.X, x.Negated
	}
	if p == nil || e == nil {
		return Unknown, false, nil
	}
	if userAttr(e) != nil {
		if _, set := x.(*cqn.In); set {
			return Unknown, false, &ErrNotEvaluable{"an attribute within another one's list"}
		}
		return Unknown, false, nil
	}
	if nullLiteral(e) {
		null, err := m.isNull(p)
		return of(null != (not || op == cqn.Ne || op == cqn.NeSQL)), true, err
	}
	if not {
		op = cqn.NeSQL
	}
	t, err = m.compareList(op, e, m.user().Attr(p.Name))
	return t, true, err
}

// someValue evaluates a comparison once for each value of the attribute p and tells whether some value satisfies it.
func (m *machine) someValue(x cqn.Expr, p *cqn.Param) (Truth, error) {
	if err := m.enter(); err != nil {
		return Unknown, err
	}
	defer m.leave()
	if nestedSet(x) {
		return Unknown, &ErrNotEvaluable{"a membership within a comparison with $user." + p.Name}
	}
	x, not := positive(x)
	typ := m.otherType(x)
	some, count := False, 0
	for _, s := range m.user().Attr(p.Name) {
		v, ok := Convert(s, typ)
		if !ok {
			continue
		}
		count++
		one := cqn.Rewrite(x, func(y cqn.Expr) cqn.Expr {
			if q := attribute(y); q != nil && q.Name == p.Name {
				return &cqn.Lit{Value: v}
			}
			return y
		})
		t, err := m.compare(one)
		if err != nil {
			return Unknown, err
		}
		some = max(some, t)
	}
	switch {
	case count == 0:
		return False, nil
	case not:
		return some.not(), nil
	}
	return some, nil
}

// nestedSet reports whether a comparison contains a membership in an attribute's list, as in `case when a in $user.x then b else c end = d`.
func nestedSet(x cqn.Expr) bool {
	found := false
	cqn.Walk(x, func(n any) bool {
		if in, ok := n.(*cqn.In); ok && attribute(in.Set) != nil {
			found = true
		}
		return !found
	})
	return found
}

// positive turns a comparison with a negated operator into its opposite.
func positive(x cqn.Expr) (cqn.Expr, bool) {
	switch c := x.(type) {
	case *cqn.Binary:
		switch c.Op {
		case cqn.Ne:
			return &cqn.Binary{Op: cqn.EqNull, L: c.L, R: c.R}, true
		case cqn.NeSQL:
			return &cqn.Binary{Op: cqn.Eq, L: c.L, R: c.R}, true
		}
	case *cqn.In:
		if c.Negated {
			return &cqn.In{X: c.X, Set: c.Set}, true
		}
	case *cqn.Like:
		if c.Negated {
			return &cqn.Like{X: c.X, Pattern: c.Pattern, Escape: c.Escape}, true
		}
	case *cqn.Between:
		if c.Negated {
			return &cqn.Between{X: c.X, Lo: c.Lo, Hi: c.Hi}, true
		}
	}
	return x, false
}

// otherType is the type that an attribute in a comparison is converted to: that of the first element or constant, text where texts are joined.
func (m *machine) otherType(x cqn.Expr) *csn.Builtin {
	var t *csn.Builtin
	cqn.Walk(x, func(n any) bool {
		switch n := n.(type) {
		case *cqn.Ref:
			if el := m.element(n); t == nil && el != nil {
				t = el.Scalar()
			}
			return false
		case *cqn.Lit:
			if t == nil {
				t = m.typeOf(n, n.Value)
			}
		case *cqn.Binary:
			if n.Op == cqn.Concat && t == nil {
				t = stringType
			}
		case *cqn.Case: // its conditions say nothing of its type
			for _, w := range n.Whens {
				if t == nil {
					t = m.otherType(w.Then)
				}
			}
			if t == nil && n.Else != nil {
				t = m.otherType(n.Else)
			}
			return false
		case *cqn.Subquery, *cqn.Exists:
			return false
		}
		return t == nil
	})
	return t
}

// pair evaluates both operands; a symbol without a value takes it from the enum of the other operand's element.
func (m *machine) pair(lx, rx cqn.Expr) (l, r cqn.Value, err error) {
	if l, err = m.operand(lx, rx); err == nil {
		r, err = m.operand(rx, lx)
	}
	return l, r, err
}

func (m *machine) operand(x, other cqn.Expr) (cqn.Value, error) {
	switch lit := x.(type) {
	case *cqn.Lit:
		if lit.Enum == "" || !lit.Value.IsNull() {
			break
		}
		if el := m.element(other); el != nil {
			for i := range el.Enum() {
				if el.Enum()[i].Name == lit.Enum {
					return el.Enum()[i].Val(), nil
				}
			}
		}
	case *cqn.Tuple:
		if len(lit.Items) == 1 {
			return m.operand(lit.Items[0], other)
		}
		return cqn.Null, &ErrNotEvaluable{"a list as an operand"}
	}
	v, err := m.value(x)
	if p, ok := x.(*cqn.Param); ok && p.From == cqn.FromNow && err == nil {
		if el := m.element(other); el != nil && el.Scalar() != nil {
			if c, ok := moment(v, el.Scalar()); ok {
				return c, nil
			}
		}
	}
	return v, err
}

// element returns the element that x names, nil if it is no plain reference.
func (m *machine) element(x cqn.Expr) *csn.Element {
	if r, ok := x.(*cqn.Ref); ok && m.e != nil {
		_, el, _ := m.resolve(r)
		return el
	}
	return nil
}

// compareScalars compares two values. != and == treat null as a value, the others yield unknown for it.
func compareScalars(op cqn.BinaryOp, l, r cqn.Value) Truth {
	if l.IsNull() || r.IsNull() {
		switch op {
		case cqn.Ne:
			return of(l.IsNull() != r.IsNull())
		case cqn.EqNull:
			return of(l.IsNull() && r.IsNull())
		}
		return Unknown
	}
	c, ok := order(l, r)
	if !ok {
		return Unknown
	}
	switch op {
	case cqn.Eq, cqn.EqNull:
		return of(c == 0)
	case cqn.Ne, cqn.NeSQL:
		return of(c != 0)
	case cqn.Lt:
		return of(c < 0)
	case cqn.Le:
		return of(c <= 0)
	case cqn.Gt:
		return of(c > 0)
	case cqn.Ge:
		return of(c >= 0)
	}
	return Unknown
}

// order compares two values that are not null. It fails for values that have no common order.
func order(l, r cqn.Value) (int, bool) {
	switch {
	case isText(l) && isText(r), l.Kind() == cqn.KindBytes && r.Kind() == cqn.KindBytes:
		return strings.Compare(l.Str(), r.Str()), true
	case l.Kind() == cqn.KindBool:
		l = number(l)
	}
	if r.Kind() == cqn.KindBool {
		r = number(r)
	}
	return compareNumbers(l, r)
}

func number(b cqn.Value) cqn.Value {
	if b.Bool() {
		return cqn.Int(1)
	}
	return cqn.Int(0)
}

func isText(v cqn.Value) bool {
	switch v.Kind() {
	case cqn.KindString, cqn.KindDate, cqn.KindTime, cqn.KindDateTime, cqn.KindTimestamp:
		return true
	}
	return false
}

func isNumber(v cqn.Value) bool {
	switch v.Kind() {
	case cqn.KindInt, cqn.KindFloat, cqn.KindDecimal:
		return true
	}
	return false
}

// compareList tells whether a value is in the list of an attribute's values (=, ==), or is not (!=, <>).
func (m *machine) compareList(op cqn.BinaryOp, x cqn.Expr, texts []string) (Truth, error) {
	e, err := m.value(x)
	if err != nil {
		return Unknown, err
	}
	vs := m.convertAll(texts, x, e)
	if len(vs) == 0 {
		return False, nil
	}
	if e.IsNull() {
		switch op {
		case cqn.Ne:
			return True, nil
		case cqn.EqNull:
			return False, nil
		}
		return Unknown, nil
	}
	t := anyOf(cqn.Eq, e, vs)
	if op == cqn.Ne || op == cqn.NeSQL {
		t = t.not()
	}
	return t, nil
}

func anyOf(op cqn.BinaryOp, e cqn.Value, vs []cqn.Value) Truth {
	t := False
	for _, v := range vs {
		t = max(t, compareScalars(op, e, v))
	}
	return t
}

// convertAll converts attribute values to the type that they are compared with; those that do not convert are left out (V2).
func (m *machine) convertAll(texts []string, x cqn.Expr, v cqn.Value) []cqn.Value {
	t := m.typeOf(x, v)
	out := make([]cqn.Value, 0, len(texts))
	for _, s := range texts {
		if c, ok := Convert(s, t); ok {
			out = append(out, c)
		}
	}
	return out
}

// Types for operands that are no elements.
var (
	stringType    = &csn.Builtin{Name: "cds.String", Kind: csn.String}
	int64Type     = &csn.Builtin{Name: "cds.Int64", Kind: csn.Int64}
	doubleType    = &csn.Builtin{Name: "cds.Double", Kind: csn.Double}
	decimalType   = &csn.Builtin{Name: "cds.Decimal", Kind: csn.Decimal}
	booleanType   = &csn.Builtin{Name: "cds.Boolean", Kind: csn.Boolean}
	dateType      = &csn.Builtin{Name: "cds.Date", Kind: csn.Date}
	timeType      = &csn.Builtin{Name: "cds.Time", Kind: csn.Time}
	timestampType = &csn.Builtin{Name: "cds.Timestamp", Kind: csn.Timestamp}
)

// typeOf returns the type of an operand: that of the element it names, else one that fits its value; nil means text.
func (m *machine) typeOf(x cqn.Expr, v cqn.Value) *csn.Builtin {
	if el := m.element(x); el != nil {
		return el.Scalar()
	}
	b, arithmetic := x.(*cqn.Binary)
	arithmetic = arithmetic && b.Op >= cqn.Add && b.Op <= cqn.Mod
	switch v.Kind() {
	case cqn.KindNull:
		if arithmetic { // what of it is null does not make a text of it
			return decimalType
		}
	case cqn.KindInt:
		if arithmetic {
			return decimalType
		}
		return int64Type
	case cqn.KindFloat:
		return doubleType
	case cqn.KindDecimal:
		return decimalType
	case cqn.KindBool:
		return booleanType
	case cqn.KindDate:
		return dateType
	case cqn.KindTime:
		return timeType
	case cqn.KindDateTime, cqn.KindTimestamp:
		return timestampType
	}
	return nil
}

// between evaluates x between lo and hi.
func (m *machine) between(x *cqn.Between) (Truth, error) {
	lo, err := m.comparison(&cqn.Binary{Op: cqn.Ge, L: x.X, R: x.Lo})
	if err != nil {
		return Unknown, err
	}
	hi, err := m.comparison(&cqn.Binary{Op: cqn.Le, L: x.X, R: x.Hi})
	t := min(lo, hi)
	if x.Negated {
		t = t.not()
	}
	return t, err
}

// in evaluates membership in a list or an array element.
func (m *machine) in(x *cqn.In) (Truth, error) {
	var t Truth
	var err error
	switch set := x.Set.(type) {
	case *cqn.Tuple:
		t, err = m.inTuple(x.X, set)
	case *cqn.Param, *cqn.Ref, *cqn.Lit:
		t, err = m.inValue(x.X, set)
	default:
		return Unknown, &ErrNotEvaluable{"a subquery"}
	}
	if x.Negated {
		t = t.not()
	}
	return t, err
}

func (m *machine) inTuple(x cqn.Expr, set *cqn.Tuple) (Truth, error) {
	t := False
	for _, item := range set.Items {
		l, r, err := m.pair(x, item)
		if err != nil {
			return Unknown, err
		}
		t = max(t, compareScalars(cqn.Eq, l, r))
	}
	return t, nil
}

// inValue evaluates membership in a list value: that of an array element or of a parameter. An array without value has no items.
func (m *machine) inValue(x, set cqn.Expr) (Truth, error) {
	v, err := m.value(set)
	if err != nil {
		return Unknown, err
	}
	e, err := m.value(x)
	if err != nil {
		return Unknown, err
	}
	if _, array := set.(*cqn.Ref); !array && v.Kind() != cqn.KindList {
		return compareScalars(cqn.Eq, e, v), nil
	}
	vs, ok := listOf(v)
	switch {
	case v.IsNull():
		return False, nil
	case !ok:
		return Unknown, nil
	case len(vs) == 0:
		return False, nil
	}
	return anyOf(cqn.Eq, e, vs), nil
}

// listOf returns the items of a list, also of one that a database keeps as JSON text.
func listOf(v cqn.Value) ([]cqn.Value, bool) {
	if v.Kind() == cqn.KindList {
		return v.List(), true
	}
	if v.Kind() != cqn.KindString {
		return nil, false
	}
	d := json.NewDecoder(strings.NewReader(v.Str()))
	d.UseNumber()
	var items []any
	if d.Decode(&items) != nil {
		return nil, false
	}
	out := make([]cqn.Value, len(items))
	for i, it := range items {
		switch it := it.(type) {
		case string:
			out[i] = cqn.String(it)
		case bool:
			out[i] = cqn.Bool(it)
		case json.Number:
			out[i] = cqn.Decimal(it.String())
		case nil:
		default:
			return nil, false
		}
	}
	return out, true
}
