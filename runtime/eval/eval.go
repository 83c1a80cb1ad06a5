// Package eval evaluates expressions in memory on one row, with SQL's three-valued logic: static conditions, new values of
// writes, filters of messages. It must agree with the SQL that sqlgen makes; a property test compares them.
//
// What cannot be known without the database (paths over associations, exists, subqueries, elements that the row lacks) is
// never guessed: it yields *ErrNotEvaluable, and the caller asks the database instead, or denies.
package eval

import (
	"errors"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
)

// An Env holds what expressions may refer to beside the row.
type Env struct {
	User *auth.User // nil means Anonymous
	Now  string     // timestamp text of the request; "" makes $now not evaluable
	Args map[string]cqn.Value
	// Literals are the values behind cqn.FromLiteral parameters.
	Literals []cqn.Value
	// AbsentIsNull says that the row is complete: an element that it lacks is null, as in a new row. Without it an absent element
	// means "unchanged and unknown here" (D3) and is not evaluable.
	AbsentIsNull bool
}

// Truth is a three-valued truth value.
type Truth uint8

// The truth values.
const (
	False Truth = iota
	Unknown
	True
)

func (t Truth) String() string {
	switch t {
	case True:
		return "true"
	case False:
		return "false"
	}
	return "unknown"
}

// ErrNotEvaluable is returned for expressions that need the database: paths over associations, exists, subqueries.
type ErrNotEvaluable struct{ What string }

func (e *ErrNotEvaluable) Error() string { return e.What + " cannot be evaluated without the database" }

// ErrTooDeep is returned for expressions nested deeper than MaxDepth.
var ErrTooDeep = errors.New("expression is nested too deeply")

// MaxDepth is how deep expressions may be nested, calculated elements included.
const MaxDepth = 500

// Eval returns the value of x on a row of e. Conditions yield Bool values, or Null for unknown. A user attribute is a list, which has a
// meaning in comparisons only; anywhere else it is not evaluable.
//
// row may be nil for static expressions, e if elements are to be taken by name alone. Errors: *ErrNotEvaluable, ErrTooDeep.
func Eval(x cqn.Expr, row *cqn.Row, e *csn.Entity, env *Env) (cqn.Value, error) {
	return newMachine(row, e, env).value(x)
}

// Test returns the truth of x on a row of e. Numbers other than 0 count as true, as in SQL; other kinds are unknown.
func Test(x cqn.Expr, row *cqn.Row, e *csn.Entity, env *Env) (Truth, error) {
	return newMachine(row, e, env).truth(x)
}

// Static reports whether x depends on nothing but the user, the clock and constants (authz-semantics section 1).
func Static(x cqn.Expr) bool { return static(x, 0) }

func static(x cqn.Expr, depth int) bool {
	if depth > MaxDepth {
		return false
	}
	all := func(xs ...cqn.Expr) bool {
		for _, y := range xs {
			if y != nil && !static(y, depth+1) {
				return false
			}
		}
		return true
	}
	switch x := x.(type) {
	case *cqn.Lit:
		return x.Enum == "" || !x.Value.IsNull()
	case *cqn.Param:
		switch x.From {
		case cqn.FromUserID, cqn.FromUserAttr, cqn.FromUserTenant, cqn.FromUserLocale, cqn.FromNow:
			return true
		}
		return false
	case *cqn.Call:
		return !x.Star && x.Over == nil && all(x.Args...)
	case *cqn.Unary:
		return x.X != nil && all(x.X)
	case *cqn.Binary:
		return all(x.L, x.R)
	case *cqn.Between:
		return all(x.X, x.Lo, x.Hi)
	case *cqn.Like:
		return all(x.X, x.Pattern, x.Escape)
	case *cqn.In:
		return all(x.X, x.Set)
	case *cqn.Tuple:
		return all(x.Items...)
	case *cqn.Cast:
		return all(x.X)
	case *cqn.Case:
		for _, w := range x.Whens {
			if !all(w.Cond, w.Then) {
				return false
			}
		}
		return all(x.X, x.Else)
	}
	return false
}

// A machine evaluates one expression on one row.
type machine struct {
	row   *cqn.Row
	e     *csn.Entity
	env   *Env
	depth int
}

func newMachine(row *cqn.Row, e *csn.Entity, env *Env) *machine {
	if env == nil {
		env = &Env{}
	}
	return &machine{row: row, e: e, env: env}
}

func (m *machine) enter() error {
	m.depth++
	if m.depth > MaxDepth {
		return ErrTooDeep
	}
	return nil
}

func (m *machine) leave() { m.depth-- }

func (m *machine) user() *auth.User {
	if m.env.User == nil {
		return auth.Anonymous
	}
	return m.env.User
}

// truth evaluates a condition.
func (m *machine) truth(x cqn.Expr) (Truth, error) {
	if err := m.enter(); err != nil {
		return Unknown, err
	}
	defer m.leave()
	switch x := x.(type) {
	case *cqn.Unary:
		return m.unaryTruth(x)
	case *cqn.Binary:
		switch {
		case x.Op == cqn.And || x.Op == cqn.Or:
			return m.junction(x)
		case x.Op >= cqn.Eq && x.Op <= cqn.Ge:
			return m.compare(x)
		}
	case *cqn.Between, *cqn.Like, *cqn.In:
		return m.compare(x)
	case *cqn.Exists:
		return Unknown, &ErrNotEvaluable{"exists"}
	case *cqn.Subquery:
		return Unknown, &ErrNotEvaluable{"a subquery"}
	case *cqn.Call:
		if t, ok, err := m.predicate(x); ok || err != nil {
			return t, err
		}
	}
	v, err := m.value(x)
	if err != nil {
		return Unknown, err
	}
	return truthOf(v), nil
}

// truthOf reads a value as a condition.
func truthOf(v cqn.Value) Truth {
	switch v.Kind() {
	case cqn.KindBool:
		return of(v.Bool())
	case cqn.KindInt, cqn.KindFloat, cqn.KindDecimal:
		if c, ok := compareNumbers(v, cqn.Int(0)); ok {
			return of(c != 0)
		}
	}
	return Unknown
}

func of(b bool) Truth {
	if b {
		return True
	}
	return False
}

func (t Truth) not() Truth { return True - t }

// bool returns a truth as a value.
func (t Truth) value() cqn.Value {
	if t == Unknown {
		return cqn.Null
	}
	return cqn.Bool(t == True)
}

func (m *machine) unaryTruth(x *cqn.Unary) (Truth, error) {
	switch x.Op {
	case cqn.Not, cqn.IsNotTrue:
		t, err := m.truth(x.X)
		if err != nil {
			return Unknown, err
		}
		if x.Op == cqn.IsNotTrue {
			return of(t != True), nil
		}
		return t.not(), nil
	case cqn.IsNull, cqn.IsNotNull:
		null, err := m.isNull(x.X)
		return of(null == (x.Op == cqn.IsNull)), err
	}
	v, err := m.value(x)
	return truthOf(v), err
}

// isNull tells whether x has no value. An attribute with several values is not null (section 11).
func (m *machine) isNull(x cqn.Expr) (bool, error) {
	if p, ok := x.(*cqn.Param); ok && p.From == cqn.FromUserAttr {
		return len(m.user().Attr(p.Name)) == 0, nil
	}
	v, err := m.value(x)
	return v.IsNull(), err
}

// junction evaluates and, or. A side that decides hides an error of the other one, since the answer would be the same.
func (m *machine) junction(x *cqn.Binary) (Truth, error) {
	decided := True
	if x.Op == cqn.And {
		decided = False
	}
	l, lerr := m.truth(x.L)
	if lerr == nil && l == decided {
		return l, nil
	}
	r, rerr := m.truth(x.R)
	if rerr == nil && r == decided {
		return r, nil
	}
	if err := errors.Join(lerr, rerr); err != nil {
		return Unknown, first(lerr, rerr)
	}
	if x.Op == cqn.And {
		return min(l, r), nil
	}
	return max(l, r), nil
}

func first(errs ...error) error {
	for _, e := range errs {
		if e != nil {
			return e
		}
	}
	return nil
}
