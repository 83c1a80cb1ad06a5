package authztest

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
)

// truth is one of three values; unknown is what a comparison with null is.
type truth int8

const (
	no truth = iota
	unknown
	yes
)

func of(b bool) truth {
	if b {
		return yes
	}
	return no
}

func (t truth) String() string { return [...]string{"false", "unknown", "true"}[t] }

// A judge evaluates conditions on rows in memory. It is slow and obvious, and shares no code with what it judges: neither with the policy compiler, nor the
// query compiler, nor the evaluator of the runtime. What it does not know it says: then fault tells what, and the result means nothing.
type judge struct {
	w     *world
	u     *auth.User
	fault string
	// force gives the truth of some parts, to find out whether a result hangs on them.
	force map[cqn.Expr]truth
}

// A scope is where names are looked up.
type scope struct {
	r    *row
	vars map[string]*row
	self *row
}

func (s scope) with(name string, r *row) scope {
	vars := map[string]*row{name: r}
	for n, v := range s.vars {
		if n != name {
			vars[n] = v
		}
	}
	return scope{s.r, vars, s.self}
}

// maxNesting bounds conditions.
const maxNesting = 100

func (j *judge) fail(format string, args ...any) truth {
	if j.fault == "" {
		j.fault = fmt.Sprintf(format, args...)
	}
	return unknown
}

// test evaluates a condition.
func (j *judge) test(x cqn.Expr, s scope, depth int) truth {
	if t, ok := j.force[x]; ok {
		return t
	}
	if depth > maxNesting {
		return j.fail("it is nested too deeply")
	}
	switch x := x.(type) {
	case nil:
		return yes
	case *cqn.Binary:
		return j.binary(x, s, depth)
	case *cqn.Unary:
		switch x.Op {
		case cqn.Not:
			return yes - j.test(x.X, s, depth+1)
		case cqn.IsNull:
			return of(j.isNull(x.X, s, depth))
		case cqn.IsNotNull:
			return of(!j.isNull(x.X, s, depth))
		}
	case *cqn.Between:
		t := min(j.compare(cqn.Ge, x.X, x.Lo, s, depth), j.compare(cqn.Le, x.X, x.Hi, s, depth))
		return negated(t, x.Negated)
	case *cqn.Like:
		return j.like(x, s, depth)
	case *cqn.In:
		return j.in(x, s, depth)
	case *cqn.Exists:
		return j.exists(x, s, depth)
	case *cqn.Lit, *cqn.Ref, *cqn.Call, *cqn.Case:
		v := j.value(x, s, depth)
		switch v.Kind() {
		case cqn.KindNull:
			return unknown
		case cqn.KindBool:
			return of(v.Bool())
		}
	}
	return j.fail("%s is no condition that it knows", cqn.Format(x))
}

func negated(t truth, not bool) truth {
	if not {
		return yes - t
	}
	return t
}

func (j *judge) binary(x *cqn.Binary, s scope, depth int) truth {
	switch x.Op {
	case cqn.And:
		return min(j.test(x.L, s, depth+1), j.test(x.R, s, depth+1))
	case cqn.Or:
		return max(j.test(x.L, s, depth+1), j.test(x.R, s, depth+1))
	case cqn.Eq, cqn.Ne, cqn.NeSQL, cqn.EqNull, cqn.Lt, cqn.Le, cqn.Gt, cqn.Ge:
		return j.compare(x.Op, x.L, x.R, s, depth)
	}
	return j.fail("%s is no condition that it knows", cqn.Format(x))
}

func nullLiteral(x cqn.Expr) bool {
	l, ok := x.(*cqn.Lit)
	return ok && l.Enum == "" && l.Value.IsNull()
}

func attribute(x cqn.Expr) *cqn.Param {
	if p, ok := x.(*cqn.Param); ok && p.From == cqn.FromUserAttr {
		return p
	}
	return nil
}

// identity reports whether x is something single that the user may lack.
func identity(x cqn.Expr) bool {
	p, ok := x.(*cqn.Param)
	return ok && (p.From == cqn.FromUserID || p.From == cqn.FromUserTenant)
}

// compare compares two operands. An attribute is the list of its values: = is membership, != that there are values and none is it, everything else that
// some value does it. Without values nothing holds. != knows null, <> does not.
func (j *judge) compare(op cqn.BinaryOp, l, r cqn.Expr, s scope, depth int) truth {
	if op == cqn.Eq || op == cqn.Ne || op == cqn.EqNull {
		if nullLiteral(l) {
			l, r = r, l
		}
		if nullLiteral(r) {
			return of(j.isNull(l, s, depth) == (op != cqn.Ne))
		}
	}
	if p := attribute(l); p != nil {
		if attribute(r) != nil {
			return j.fail("two attributes are compared")
		}
		return j.member(mirror(op), r, p, s, depth)
	}
	if p := attribute(r); p != nil {
		return j.member(op, l, p, s, depth)
	}
	a, b := j.operand(l, r, s, depth), j.operand(r, l, s, depth)
	if (op == cqn.Ne || op == cqn.EqNull) && (a.IsNull() && identity(l) || b.IsNull() && identity(r)) {
		return no // nobody is not somebody else
	}
	return j.scalars(op, a, b)
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

// operand is value; a symbol is looked up in the enum of the element that it is compared with.
func (j *judge) operand(x, other cqn.Expr, s scope, depth int) cqn.Value {
	l, ok := x.(*cqn.Lit)
	if !ok || l.Enum == "" || !l.Value.IsNull() {
		return j.value(x, s, depth+1)
	}
	if r, ok := other.(*cqn.Ref); ok {
		if el := j.element(r, s); el != nil {
			for _, sym := range el.Enum() {
				if sym.Name == l.Enum {
					return sym.Val()
				}
			}
		}
	}
	j.fail("the symbol #%s has no value", l.Enum)
	return cqn.Null
}

// element returns the element at the end of a path, nil if it finds none.
func (j *judge) element(r *cqn.Ref, s scope) *csn.Element {
	from, steps := j.start(r, s)
	if from == nil {
		return nil
	}
	el, _ := resolve(from.e, steps)
	return el
}

func (j *judge) member(op cqn.BinaryOp, x cqn.Expr, p *cqn.Param, s scope, depth int) truth {
	v := j.operand(x, p, s, depth)
	all := j.u.Attr(p.Name)
	if len(all) == 0 {
		return no
	}
	one := op
	if op == cqn.Ne || op == cqn.NeSQL {
		one = cqn.Eq
	}
	some, count := no, 0
	for _, text := range all {
		if t, ok := j.asTexts(one, v, text); ok {
			some, count = max(some, t), count+1
		}
	}
	switch {
	case op == cqn.Ne && v.IsNull():
		return yes
	case op == cqn.Ne || op == cqn.NeSQL:
		return yes - some
	case count == 0:
		return no
	}
	return some
}

// asTexts compares with a value of an attribute, which is a text. It is not ok for a text that is no value of the other's type.
func (j *judge) asTexts(op cqn.BinaryOp, v cqn.Value, text string) (truth, bool) {
	if v.IsNull() {
		return j.scalars(op, v, cqn.String(text)), true
	}
	if number(v) != nil {
		n, ok := new(big.Rat).SetString(text)
		if !ok {
			return no, false
		}
		return ordered(op, number(v).Cmp(n)), true
	}
	if v.Kind() == cqn.KindBool {
		if text != "true" && text != "false" {
			return no, false
		}
		return j.scalars(op, v, cqn.Bool(text == "true")), true
	}
	return j.scalars(op, v, cqn.String(text)), true
}

// scalars compares single values.
func (j *judge) scalars(op cqn.BinaryOp, a, b cqn.Value) truth {
	if a.IsNull() || b.IsNull() {
		switch op {
		case cqn.Ne:
			return of(a.IsNull() != b.IsNull())
		case cqn.EqNull:
			return of(a.IsNull() == b.IsNull())
		}
		return unknown
	}
	c, ok := order(a, b)
	if !ok {
		return j.fail("values of different types are compared: %s and %s", a.Format(), b.Format())
	}
	return ordered(op, c)
}

func ordered(op cqn.BinaryOp, c int) truth {
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
	}
	return of(c >= 0)
}

// order orders two values that are not null.
func order(a, b cqn.Value) (int, bool) {
	if m, n := number(a), number(b); m != nil && n != nil {
		return m.Cmp(n), true
	} else if m != nil || n != nil {
		return 0, false
	}
	if a.Kind() == cqn.KindBool || b.Kind() == cqn.KindBool {
		return int(of(a.Bool())) - int(of(b.Bool())), a.Kind() == b.Kind()
	}
	if moment(a) || moment(b) {
		s, ok1 := instant(a.Str())
		t, ok2 := instant(b.Str())
		return s.Compare(t), ok1 && ok2
	}
	switch a.Kind() {
	case cqn.KindString, cqn.KindDate, cqn.KindTime, cqn.KindBytes:
		return strings.Compare(a.Str(), b.Str()), true
	}
	return 0, false
}

func number(v cqn.Value) *big.Rat {
	switch v.Kind() {
	case cqn.KindInt:
		return new(big.Rat).SetInt64(v.Int())
	case cqn.KindFloat:
		return new(big.Rat).SetFloat64(v.Float())
	case cqn.KindDecimal:
		if r, ok := new(big.Rat).SetString(v.Str()); ok {
			return r
		}
	}
	return nil
}

func moment(v cqn.Value) bool { return v.Kind() == cqn.KindDateTime || v.Kind() == cqn.KindTimestamp }

func instant(s string) (time.Time, bool) {
	for _, form := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(form, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func (j *judge) isNull(x cqn.Expr, s scope, depth int) bool {
	if p := attribute(x); p != nil {
		return len(j.u.Attr(p.Name)) == 0
	}
	return j.value(x, s, depth+1).IsNull()
}

func (j *judge) in(x *cqn.In, s scope, depth int) truth {
	switch set := x.Set.(type) {
	case *cqn.Tuple:
		t := no
		for _, it := range set.Items {
			t = max(t, j.compare(cqn.Eq, x.X, it, s, depth))
		}
		return negated(t, x.Negated)
	case *cqn.Param:
		if set.From == cqn.FromUserAttr {
			op := cqn.Eq
			if x.Negated {
				op = cqn.NeSQL
			}
			return j.compare(op, x.X, set, s, depth)
		}
	case *cqn.Ref:
		v, list := j.value(x.X, s, depth+1), j.value(set, s, depth+1)
		if list.Kind() == cqn.KindNull || v.IsNull() {
			return unknown
		}
		t := no
		for _, it := range list.List() {
			t = max(t, j.scalars(cqn.Eq, v, it))
		}
		return negated(t, x.Negated)
	}
	return j.fail("%s is no list that it knows", cqn.Format(x.Set))
}

func (j *judge) like(x *cqn.Like, s scope, depth int) truth {
	if attribute(x.X) != nil || attribute(x.Pattern) != nil {
		return j.fail("an attribute is compared by like")
	}
	v, p := j.value(x.X, s, depth+1), j.value(x.Pattern, s, depth+1)
	escape := ""
	if x.Escape != nil {
		escape = j.value(x.Escape, s, depth+1).Str()
	}
	if v.IsNull() || p.IsNull() {
		return unknown
	}
	if v.Kind() != cqn.KindString || p.Kind() != cqn.KindString {
		return j.fail("like compares what are no texts")
	}
	return negated(of(matches([]rune(v.Str()), []rune(p.Str()), escape)), x.Negated)
}

// matches is SQL's LIKE.
func matches(s, p []rune, escape string) bool {
	if len(p) == 0 {
		return len(s) == 0
	}
	switch {
	case escape != "" && string(p[0]) == escape && len(p) > 1:
		return len(s) > 0 && s[0] == p[1] && matches(s[1:], p[2:], escape)
	case p[0] == '%':
		for i := range len(s) + 1 {
			if matches(s[i:], p[1:], escape) {
				return true
			}
		}
		return false
	case p[0] == '_':
		return len(s) > 0 && matches(s[1:], p[1:], escape)
	}
	return len(s) > 0 && s[0] == p[0] && matches(s[1:], p[1:], escape)
}

// exists asks whether a path leads to a row that fulfils the condition.
func (j *judge) exists(x *cqn.Exists, s scope, depth int) truth {
	if x.Path == nil || x.Inverse != "" {
		return j.fail("exists without a path")
	}
	from, steps := j.start(x.Path, s)
	if from == nil {
		return no
	}
	for _, t := range j.follow(from, steps, s, depth) {
		in := scope{r: t, vars: s.vars, self: s.self}
		if x.Var != "" {
			in = s.with(x.Var, t)
		}
		if x.Pred == nil || j.test(x.Pred, in, depth+1) == yes {
			return yes
		}
	}
	return no
}
