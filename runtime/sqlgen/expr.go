package sqlgen

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// Binding strengths of SQL operators, weakest first; 0 is an atom.
const (
	precAtom = iota
	precOr
	precAnd
	precNot
	precCompare
	precAdd
	precMul
	precConcat
)

// A frag is a piece of SQL with its strength and what is known of its type.
type frag struct {
	sql  string
	prec int
	el   *csn.Element
	typ  *csn.Builtin
	seal *csn.Seal // of a path that was unsealed
	// masked is the refusal of a column of a subquery that shows a mask, see masked.
	masked error
}

// at returns the SQL for a place where operators weaker than prec need parentheses.
func (f frag) at(prec int) string {
	if f.prec != precAtom && f.prec < prec {
		return "(" + f.sql + ")"
	}
	return f.sql
}

// A hint is what the other operand of a comparison says about the type of a value: literals and parameters are converted to it.
type hint struct {
	typ *csn.Builtin
	el  *csn.Element
}

func (f frag) hint() hint { return hint{f.typ, f.el} }

// raw is an operand that is SQL already: one value of a list that a condition is tried on.
type raw struct {
	cqn.At
	f frag
}

func builtin(t csn.Type) *csn.Builtin { b, _ := t.(*csn.Builtin); return b }

// builtins are the types of expressions that no element has.
var (
	typeString    = &csn.Builtin{Name: "cds.String", Kind: csn.String}
	typeText      = &csn.Builtin{Name: "cds.LargeString", Kind: csn.LargeString}
	typeBool      = &csn.Builtin{Name: "cds.Boolean", Kind: csn.Boolean}
	typeInt       = &csn.Builtin{Name: "cds.Integer", Kind: csn.Integer}
	typeInt64     = &csn.Builtin{Name: "cds.Int64", Kind: csn.Int64}
	typeDouble    = &csn.Builtin{Name: "cds.Double", Kind: csn.Double}
	typeDecimal   = &csn.Builtin{Name: "cds.Decimal", Kind: csn.Decimal}
	typeTimestamp = &csn.Builtin{Name: "cds.Timestamp", Kind: csn.Timestamp}
	typeDate      = &csn.Builtin{Name: "cds.Date", Kind: csn.Date}
	typeTime      = &csn.Builtin{Name: "cds.Time", Kind: csn.Time}
)

// cond compiles a condition.
func (sc *scope) cond(x cqn.Expr) (frag, error) { return sc.expr(x, hint{typ: typeBool}) }

// expr compiles an expression.
func (sc *scope) expr(x cqn.Expr, h hint) (frag, error) {
	if err := sc.enter(); err != nil {
		return frag{}, err
	}
	defer sc.leave()
	sc.note(x)
	switch x := x.(type) {
	case *raw:
		return x.f, nil
	case *cqn.Ref:
		return sc.value(x)
	case *cqn.Lit:
		return sc.lit(x, h)
	case *cqn.Param:
		return sc.param(x, h)
	case *cqn.Call:
		return sc.call(x, h)
	case *cqn.Unary:
		return sc.unary(x, h)
	case *cqn.Binary:
		return sc.binary(x, h)
	case *cqn.Between, *cqn.Like, *cqn.In:
		return sc.compare(x)
	case *cqn.Case:
		return sc.caseOf(x, h)
	case *cqn.Exists:
		return sc.exists(x)
	case *cqn.Subquery:
		return sc.subquery(x)
	case *cqn.Cast:
		return sc.cast(x)
	case *cqn.Tuple:
		if len(x.Items) == 1 {
			return sc.expr(x.Items[0], h)
		}
		items, err := sc.list(x.Items, h)
		return frag{sql: "(" + items + ")"}, err
	}
	return frag{}, sc.fail("INVALID_EXPRESSION", "an expression is missing or not understood")
}

func (sc *scope) list(xs []cqn.Expr, h hint) (string, error) {
	parts := make([]string, len(xs))
	for i, x := range xs {
		f, err := sc.expr(x, h)
		if err != nil {
			return "", err
		}
		parts[i] = f.at(precCompare)
	}
	return strings.Join(parts, ", "), nil
}

// bind adds a parameter, or finds the one that has the same value, and returns its placeholder.
func (st *stmt) bind(b Bind) string {
	t := b.Type
	if b.Seal != nil {
		t = typeText
	}
	return string(st.d.Param(nil, st.bindIndex(b), t))
}

func (st *stmt) bindIndex(b Bind) int {
	b.Param.At = cqn.At{}
	if b.Column == "" {
		b.Type = loose(b.Type)
	}
	for i := range st.binds {
		o := &st.binds[i]
		if b.Param.Index >= 0 && b.Column == "" && o.Param == b.Param && o.Type == b.Type && o.List == b.List && o.IsNull == b.IsNull && o.Seal == b.Seal && o.Column == "" {
			return i + 1
		}
	}
	st.binds = append(st.binds, b)
	return len(st.binds)
}

// loose returns a type without length, precision and scale: a value that is too long for an element may still be compared with it.
func loose(t *csn.Builtin) *csn.Builtin {
	if t == nil {
		return nil
	}
	switch {
	case t.Kind == csn.String:
		return typeString
	case t.Kind == csn.Decimal:
		return typeDecimal
	case t.Length > 0:
		c := *t
		c.Length = 0
		return &c
	}
	return t
}

// lit compiles a constant: TRUE, FALSE and NULL as they are, symbols of an enum by the other operand, others bound. In views, where nothing
// can be bound, constants are written out.
func (sc *scope) lit(x *cqn.Lit, h hint) (frag, error) {
	v := x.Value
	if x.Enum != "" && v.IsNull() {
		sym, err := sc.enumValue(x.Enum, h)
		if err != nil {
			return frag{}, err
		}
		v = sym
	}
	switch v.Kind() {
	case cqn.KindNull:
		return frag{sql: "NULL", typ: h.typ}, nil
	case cqn.KindBool:
		if v.Bool() {
			return frag{sql: sc.t.True, typ: typeBool}, nil
		}
		return frag{sql: sc.t.False, typ: typeBool}, nil
	}
	if sc.view {
		s, err := sc.literalSQL(v)
		f := frag{sql: s, typ: typeOfValue(v)}
		if strings.HasPrefix(s, "-") {
			f.prec = precConcat // a second minus before it would begin a comment
		}
		return f, err
	}
	t := h.typ
	if t == nil || t.Kind == csn.Boolean {
		t = nil
	}
	n := sc.bindIndex(Bind{Param: cqn.Param{Index: -1}, Const: v, Type: t})
	f := frag{sql: string(sc.d.Param(nil, n, constType(v, t))), typ: h.typ}
	if t == nil {
		f.typ = typeOfValue(v)
	}
	return f, nil
}

// constType is the type that a constant of the model has in SQL, being compared with one of type t: a number keeps its own, since 1.5 is
// no integer and must not become one.
func constType(v cqn.Value, t *csn.Builtin) *csn.Builtin {
	own := typeOfValue(v)
	if t == nil || own != nil && numeric(own) && numeric(t) {
		return own
	}
	return t
}

// enumValue finds the value of #symbol in the type of the other operand.
func (sc *scope) enumValue(symbol string, h hint) (cqn.Value, error) {
	if h.el != nil {
		for i := range h.el.Enum() {
			if h.el.Enum()[i].Name == symbol {
				return h.el.Enum()[i].Val(), nil
			}
		}
		return cqn.Null, sc.fail("UNKNOWN_SYMBOL", "#%s is not a symbol of %s", symbol, h.el.Name)
	}
	return cqn.Null, sc.fail("UNKNOWN_SYMBOL", "#%s is not compared with an element that has symbols", symbol)
}

// literalSQL writes a constant of a model as SQL text, for views only.
func (sc *scope) literalSQL(v cqn.Value) (string, error) {
	quote := func(s string) (string, error) {
		if strings.IndexByte(s, 0) >= 0 {
			return "", &Error{Code: "INVALID_LITERAL", Message: "a constant contains a NUL character"}
		}
		return "'" + strings.ReplaceAll(s, "'", "''") + "'", nil
	}
	switch v.Kind() {
	case cqn.KindInt:
		return strconv.FormatInt(v.Int(), 10), nil
	case cqn.KindFloat:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64), nil
	case cqn.KindDecimal:
		if _, err := strconv.ParseFloat(v.Str(), 64); err != nil || strings.ContainsAny(v.Str(), "xXpP_iInN") {
			return "", &Error{Code: "INVALID_LITERAL", Message: fmt.Sprintf("%q is not a decimal number", v.Str())}
		}
		return v.Str(), nil
	case cqn.KindBytes:
		return fill(sc.t.Bytes, []string{fmt.Sprintf("%X", v.Str())}), nil
	case cqn.KindString, cqn.KindDate, cqn.KindTime, cqn.KindDateTime, cqn.KindTimestamp:
		return quote(v.Str())
	}
	return "", &Error{Code: "INVALID_LITERAL", Message: "a list cannot be a constant of a view"}
}

func typeOfValue(v cqn.Value) *csn.Builtin {
	switch v.Kind() {
	case cqn.KindInt:
		return typeInt64
	case cqn.KindFloat:
		return typeDouble
	case cqn.KindDecimal:
		return typeDecimal
	case cqn.KindString:
		return typeString
	case cqn.KindDate:
		return typeDate
	case cqn.KindTime:
		return typeTime
	case cqn.KindDateTime, cqn.KindTimestamp:
		return typeTimestamp
	}
	return nil
}

// param compiles a parameter where one value is expected. A user attribute is a list, so it only has a meaning in comparisons, which don't
// come here with it.
func (sc *scope) param(x *cqn.Param, h hint) (frag, error) {
	if sc.view {
		return sc.sessionVar(x)
	}
	t := h.typ
	if t != nil && t.Kind == csn.Boolean && x.From != cqn.FromLiteral {
		t = nil
	}
	switch x.From {
	case cqn.FromUserAttr:
		return frag{}, sc.fail("INVALID_USER_ATTRIBUTE", "$user.%s is a list of values: it can be compared, but is not a value by itself", x.Name)
	case cqn.FromUserID, cqn.FromUserTenant, cqn.FromUserLocale:
		if t == nil {
			t = typeString
		}
	case cqn.FromNow, cqn.FromAt:
		if t == nil || t.Kind == csn.String {
			t = typeTimestamp
		}
	}
	return frag{sql: sc.bind(Bind{Param: *x, Type: t}), typ: t}, nil
}

// sessionVar is a parameter in a view: a variable of the connection.
func (sc *scope) sessionVar(x *cqn.Param) (frag, error) {
	name := ""
	switch x.From {
	case cqn.FromUserID:
		name = "$user.id"
	case cqn.FromUserTenant:
		name = "$user.tenant"
	case cqn.FromUserLocale:
		name = "$user.locale"
	case cqn.FromNow:
		name = "$now"
	case cqn.FromAt:
		name = "$valid." + strings.TrimPrefix(strings.TrimPrefix(x.Name, "$at."), "$valid.")
	}
	sql, ok := sc.t.Sessions[name]
	if !ok {
		return frag{}, sc.fail("NOT_SUPPORTED", "%s cannot be used in a view", cqn.Format(x))
	}
	return frag{sql: sql, typ: typeString}, nil
}

func (sc *scope) unary(x *cqn.Unary, h hint) (frag, error) {
	if x.Op == cqn.IsNull || x.Op == cqn.IsNotNull {
		return sc.compare(x)
	}
	f, err := sc.expr(x.X, h)
	if err != nil {
		return frag{}, err
	}
	switch x.Op {
	case cqn.Not:
		return frag{sql: "NOT " + f.at(precNot+1), prec: precNot, typ: typeBool}, nil
	case cqn.Neg:
		return frag{sql: "-" + f.at(precConcat+1), prec: precConcat, typ: f.typ}, nil
	case cqn.Plus:
		return f, nil
	case cqn.IsNotTrue:
		return frag{sql: f.at(precCompare+1) + " IS NOT TRUE", prec: precCompare, typ: typeBool}, nil
	}
	return frag{}, sc.fail("INVALID_EXPRESSION", "unknown operator")
}

var arithmetic = map[cqn.BinaryOp]struct {
	text string
	prec int
}{cqn.Add: {" + ", precAdd}, cqn.Sub: {" - ", precAdd}, cqn.Mul: {" * ", precMul}, cqn.Div: {" / ", precMul}, cqn.Mod: {" % ", precMul}}

func (sc *scope) binary(x *cqn.Binary, h hint) (frag, error) {
	switch x.Op {
	case cqn.And, cqn.Or:
		return sc.junction(x)
	case cqn.Concat:
		l, r, err := sc.operands(x, hint{typ: typeString})
		if err != nil {
			return frag{}, err
		}
		sql := fill(sc.t.Concat, []string{l.at(precConcat), r.at(precConcat + 1)})
		return frag{sql: sql, prec: precConcat, typ: typeString}, nil
	}
	op, ok := arithmetic[x.Op]
	if !ok {
		return sc.compare(x)
	}
	if h.typ != nil && !numeric(h.typ) {
		h.typ = nil
	}
	l, r, err := sc.operands(x, hint{typ: h.typ})
	if err != nil {
		return frag{}, err
	}
	typ := l.typ
	if typ == nil || r.typ != nil && (r.typ.Kind == csn.Double || r.typ.Kind == csn.Decimal && typ.Kind != csn.Double) {
		typ = r.typ
	}
	if typ != nil && typ.Kind == csn.Decimal {
		typ = typeDecimal // precision and scale of an operand don't hold for the result
	}
	return frag{sql: l.at(op.prec) + op.text + r.at(op.prec+1), prec: op.prec, typ: typ}, nil
}

func numeric(t *csn.Builtin) bool {
	switch t.Kind {
	case csn.Integer, csn.UInt8, csn.Int16, csn.Int32, csn.Int64, csn.Decimal, csn.Double:
		return true
	}
	return false
}

// junction compiles a chain of and or of or. It goes down the left side in a loop, since chains get long.
func (sc *scope) junction(x *cqn.Binary) (frag, error) {
	word, prec := " AND ", precAnd
	if x.Op == cqn.Or {
		word, prec = " OR ", precOr
	}
	var operands []cqn.Expr
	var left cqn.Expr = x
	for {
		b, ok := left.(*cqn.Binary)
		if !ok || b.Op != x.Op {
			break
		}
		operands = append(operands, b.R)
		left = b.L
	}
	operands = append(operands, left)
	slices.Reverse(operands)
	parts := make([]string, len(operands))
	for i, o := range operands {
		f, err := sc.cond(o)
		if err != nil {
			return frag{}, err
		}
		parts[i] = f.at(prec)
	}
	return frag{sql: strings.Join(parts, word), prec: prec, typ: typeBool}, nil
}

// operands compiles both sides, the one that knows its type first, so that literals and parameters can be converted to it.
func (sc *scope) operands(x *cqn.Binary, h hint) (l, r frag, err error) {
	if isBare(x.L) && !isBare(x.R) {
		if r, err = sc.expr(x.R, h); err == nil {
			l, err = sc.expr(x.L, or(r.hint(), h))
		}
		return l, r, err
	}
	if l, err = sc.expr(x.L, h); err == nil {
		r, err = sc.expr(x.R, or(l.hint(), h))
	}
	return l, r, err
}

func or(a, b hint) hint {
	if a.typ == nil {
		a.typ = b.typ
	}
	return a
}

// isBare reports whether an expression takes its type from its surroundings.
func isBare(x cqn.Expr) bool {
	switch x := x.(type) {
	case *cqn.Lit, *cqn.Param:
		return true
	case *cqn.Unary:
		return x.Op == cqn.Neg && isBare(x.X)
	}
	return false
}

func (sc *scope) caseOf(x *cqn.Case, h hint) (frag, error) {
	var b strings.Builder
	b.WriteString("CASE")
	ch := hint{typ: typeBool}
	if x.X != nil {
		f, err := sc.expr(x.X, hint{})
		if err != nil {
			return frag{}, err
		}
		b.WriteString(" " + f.at(precCompare+1))
		ch = f.hint()
	}
	var typ *csn.Builtin
	for _, w := range x.Whens {
		c, err := sc.expr(w.Cond, ch)
		if err != nil {
			return frag{}, err
		}
		v, err := sc.expr(w.Then, or(hint{typ: typ}, h))
		if err != nil {
			return frag{}, err
		}
		sc.noteTypes(typ, v.typ)
		if typ == nil {
			typ = v.typ
		}
		b.WriteString(" WHEN " + c.sql + " THEN " + v.sql)
	}
	if x.Else != nil {
		v, err := sc.expr(x.Else, or(hint{typ: typ}, h))
		if err != nil {
			return frag{}, err
		}
		sc.noteTypes(typ, v.typ)
		if typ == nil {
			typ = v.typ
		}
		b.WriteString(" ELSE " + v.sql)
	}
	b.WriteString(" END")
	return frag{sql: b.String(), typ: typ}, nil
}

func (sc *scope) cast(x *cqn.Cast) (frag, error) {
	t := typeNamed(x.Type)
	if t == nil {
		return frag{}, sc.fail("UNKNOWN_TYPE", "cannot cast to %s", x.Type.Name)
	}
	f, err := sc.expr(x.X, hint{})
	if err != nil {
		return frag{}, err
	}
	sql, err := TypeSQL(sc.m.Sized(t), sc.d)
	return frag{sql: "CAST(" + f.sql + " AS " + sql + ")", typ: t}, err
}

// subquery compiles a query as a value, a set or the operand of exists. Names of the enclosing query are visible in it.
func (sc *scope) subquery(x *cqn.Subquery) (frag, error) {
	in := sc.sub()
	in.parent = sc
	sql, cols, err := in.query(x.Query)
	if err != nil {
		return frag{}, err
	}
	if x.Exists {
		return frag{sql: "EXISTS (" + sql + ")", typ: typeBool}, nil
	}
	for i := range cols {
		if cols[i].masked != nil {
			return frag{}, cols[i].masked
		}
		if cols[i].seal != nil { // the value of a subquery is part of an expression
			return frag{}, sc.sealedUse(cols[i].name, cols[i].seal)
		}
	}
	f := frag{sql: "(" + sql + ")"}
	if len(cols) == 1 {
		f.el, f.typ = cols[0].el, builtin(cols[0].typ)
	}
	return f, nil
}
