package eval

import (
	"encoding/json"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// comparison evaluates = != <> == < <= > >=. A user attribute takes part as the list of its values (section 11): equal to any of
// them, different from all of them; without values it satisfies no comparison (decision 13).
func (m *machine) comparison(x *cqn.Binary) (Truth, error) {
	if x.L == nil || x.R == nil {
		return Unknown, &ErrNotEvaluable{"an incomplete comparison"}
	}
	la, ra := attribute(x.L), attribute(x.R)
	switch {
	case la != nil && ra != nil:
		return m.compareLists(x.Op, m.user().Attr(la.Name), m.user().Attr(ra.Name)), nil
	case la != nil:
		return m.compareList(mirror(x.Op), x.R, m.user().Attr(la.Name))
	case ra != nil:
		return m.compareList(x.Op, x.L, m.user().Attr(ra.Name))
	}
	l, r, err := m.pair(x.L, x.R)
	if err != nil {
		return Unknown, err
	}
	if l.IsNull() && identity(x.L) || r.IsNull() && identity(x.R) {
		return Unknown, nil // nobody is not "somebody else"
	}
	return compareScalars(x.Op, l, r), nil
}

// attribute returns x as a user attribute, nil for anything else.
func attribute(x cqn.Expr) *cqn.Param {
	if p, ok := x.(*cqn.Param); ok && p.From == cqn.FromUserAttr {
		return p
	}
	return nil
}

// identity reports whether x is the user's id, tenant or locale, which may be missing.
func identity(x cqn.Expr) bool {
	p, ok := x.(*cqn.Param)
	return ok && (p.From == cqn.FromUserID || p.From == cqn.FromUserTenant || p.From == cqn.FromUserLocale)
}

func mirror(op cqn.BinaryOp) cqn.BinaryOp {
	switch op {
	case cqn.Lt:
		return cqn.Gt
	case cqn.Le:
		return cqn.Ge
	case cqn.Gt:
		return cqn.Lt
	case cqn.Ge:
		return cqn.Le
	}
	return op
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
			for i := range el.Enum {
				if el.Enum[i].Name == lit.Enum {
					return el.Enum[i].Val(), nil
				}
			}
		}
	case *cqn.Tuple:
		if len(lit.Items) == 1 {
			return m.operand(lit.Items[0], other)
		}
		return cqn.Null, &ErrNotEvaluable{"a list as an operand"}
	}
	return m.value(x)
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
	c, ok := compare(l, r)
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

// compare orders two values that are not null. It fails for values that have no common order.
func compare(l, r cqn.Value) (int, bool) {
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

// compareList compares a value with the list of an attribute's values: e op any of them; for != and <> all of them.
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
			if identity(x) {
				return Unknown, nil
			}
			return True, nil
		case cqn.EqNull:
			return False, nil
		}
		return Unknown, nil
	}
	switch op {
	case cqn.Ne:
		return anyOf(cqn.Eq, e, vs).not(), nil
	case cqn.NeSQL:
		return anyOf(cqn.Eq, e, vs).not(), nil
	}
	return anyOf(op, e, vs), nil
}

func anyOf(op cqn.BinaryOp, e cqn.Value, vs []cqn.Value) Truth {
	t := False
	for _, v := range vs {
		t = max(t, compareScalars(op, e, v))
	}
	return t
}

// compareLists compares two attributes as texts.
func (m *machine) compareLists(op cqn.BinaryOp, ls, rs []string) Truth {
	if len(ls) == 0 || len(rs) == 0 {
		return False
	}
	negate := op == cqn.Ne || op == cqn.NeSQL
	if negate {
		op = cqn.Eq
	}
	t := False
	for _, l := range ls {
		for _, r := range rs {
			t = max(t, compareScalars(op, cqn.String(l), cqn.String(r)))
		}
	}
	if negate {
		return t.not()
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
	decimalType = &csn.Builtin{Name: "cds.Decimal", Kind: csn.Decimal}
	booleanType = &csn.Builtin{Name: "cds.Boolean", Kind: csn.Boolean}
)

// typeOf returns the type of an operand: that of the element it names, else one that fits its value; nil means text.
func (m *machine) typeOf(x cqn.Expr, v cqn.Value) *csn.Builtin {
	if el := m.element(x); el != nil {
		return el.Scalar()
	}
	switch {
	case isNumber(v):
		return decimalType
	case v.Kind() == cqn.KindBool:
		return booleanType
	}
	return nil
}

// between evaluates x between lo and hi.
func (m *machine) between(x *cqn.Between) (Truth, error) {
	lo, err := m.scalarComparison(cqn.Ge, x.X, x.Lo)
	if err != nil {
		return Unknown, err
	}
	hi, err := m.scalarComparison(cqn.Le, x.X, x.Hi)
	t := min(lo, hi)
	if x.Negated {
		t = t.not()
	}
	return t, err
}

// scalarComparison compares without list semantics: an attribute counts only if it has exactly one value.
func (m *machine) scalarComparison(op cqn.BinaryOp, lx, rx cqn.Expr) (Truth, error) {
	l, r, err := m.pair(lx, rx)
	if err != nil {
		return Unknown, err
	}
	if attribute(lx) != nil {
		l = m.convertScalar(l, rx, r)
	}
	if attribute(rx) != nil {
		r = m.convertScalar(r, lx, l)
	}
	return compareScalars(op, l, r), nil
}

func (m *machine) convertScalar(v cqn.Value, other cqn.Expr, ov cqn.Value) cqn.Value {
	if v.IsNull() {
		return v
	}
	c, _ := Convert(v.Str(), m.typeOf(other, ov))
	return c
}

// in evaluates membership in a list, a user attribute or an array element.
func (m *machine) in(x *cqn.In) (Truth, error) {
	var t Truth
	var err error
	if a := attribute(x.X); a != nil && len(m.user().Attr(a.Name)) == 0 {
		return False, nil // also for "not in": an attribute without value satisfies nothing
	}
	switch set := x.Set.(type) {
	case *cqn.Tuple:
		t, err = m.inTuple(x.X, set)
	case *cqn.Param:
		if set.From == cqn.FromUserAttr {
			if len(m.user().Attr(set.Name)) == 0 {
				return False, nil
			}
			t, err = m.comparison(&cqn.Binary{Op: cqn.Eq, L: x.X, R: set})
			break
		}
		t, err = m.inValue(x.X, set)
	case *cqn.Ref, *cqn.Lit:
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
		u, err := m.comparison(&cqn.Binary{Op: cqn.Eq, L: x, R: item})
		if err != nil {
			return Unknown, err
		}
		t = max(t, u)
	}
	return t, nil
}

// inValue evaluates membership in a list value: that of an array element or of a parameter. Null is no list.
func (m *machine) inValue(x, set cqn.Expr) (Truth, error) {
	v, err := m.value(set)
	if err != nil {
		return Unknown, err
	}
	vs, ok := listOf(v)
	if !ok {
		return Unknown, nil
	}
	if a := attribute(x); a != nil {
		t := False
		for _, s := range m.user().Attr(a.Name) {
			t = max(t, anyOf(cqn.Eq, cqn.String(s), vs))
		}
		return t, nil
	}
	e, err := m.value(x)
	if err != nil {
		return Unknown, err
	}
	if len(vs) == 0 {
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
