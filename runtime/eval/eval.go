// Package eval evaluates expressions in memory on one row, with SQL's three-valued logic: static conditions, new values of
// writes, filters of messages. It must agree with the SQL that sqlgen makes; a property test compares them.
package eval

import (
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
)

// An Env holds what expressions may refer to beside the row.
type Env struct {
	User *auth.User
	Now  string // timestamp text of the request
	Args map[string]cqn.Value
	// Literals are the values behind cqn.FromLiteral parameters.
	Literals []cqn.Value
}

// Truth is a three-valued truth value.
type Truth uint8

// The truth values.
const (
	False Truth = iota
	Unknown
	True
)

// ErrNotEvaluable is returned for expressions that need the database: paths over associations, exists, subqueries.
type ErrNotEvaluable struct{ What string }

func (e *ErrNotEvaluable) Error() string { return e.What + " cannot be evaluated without the database" }

var _ csn.Type
