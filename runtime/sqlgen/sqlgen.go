// Package sqlgen compiles a query, a model and a guard to a SQL plan for one dialect. It is pure: no I/O, no clock.
//
// Every table access in a plan (FROM, JOIN, EXISTS, sub-select, expand, and the subject of a write) is created by one
// function, newSource, which asks the Guarder for the entity's condition. There is no way around it.
package sqlgen

import (
	"errors"
	"fmt"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// Use says how a query uses an entity.
type Use uint8

// The uses of an entity in a query.
const (
	Root   Use = iota // the target of the request
	Path              // a step of a resource path, or a path in an expression
	Expand            // nested rows
	Exists            // exists, any, all
	Update            // rows to be changed
	Delete            // rows to be removed
	Insert            // the table that rows are added to
)

// A Condition is a guard's answer for one entity and use. Its zero value denies: it is an error to compile it.
type Condition struct {
	kind  uint8
	right right // see rowsecurity.go
	expr  cqn.Expr
}

// AllRows lets every row through. Where lets those rows through for which x is true; x is in the scope of the entity and its own
// paths and subqueries are read with the definer's right, that is unguarded.
func AllRows() Condition { return Condition{kind: 1} }

// Where returns a condition on the entity's rows.
func Where(x cqn.Expr) Condition {
	if x == nil {
		return Condition{}
	}
	return Condition{kind: 2, expr: x}
}

// Expr returns the condition's expression, nil for AllRows, and whether the condition lets any row through at all.
func (c Condition) Expr() (cqn.Expr, bool) { return c.expr, c.kind != 0 }

// A Guarder decides which rows of an entity a query may touch. An error is a *Forbidden or a fault.
type Guarder interface {
	Condition(e *csn.Entity, use Use) (Condition, error)
	// Element reports an error if the element must not be named in this use (a forbidden element). Columns of `*` that it refuses are left out.
	Element(e *csn.Element, use Use) error
	// Key distinguishes guards that give different answers; it is part of the plan cache's key.
	Key() string
}

// Forbidden is the error of a Guarder that denies access to an entity or element: 401 for the anonymous user, else 403.
type Forbidden struct {
	Entity, Element string
	Anonymous       bool
	Reason          string // for logs and for explain; not for clients in production
	Message         string // text for the client that the model has; "" for the usual one
	// Mask, of an element, is shown in its place where it is selected by itself. Everywhere else it is forbidden like any other: what is computed,
	// filtered, sorted or grouped by it would tell its value.
	Mask *Mask
}

func (f *Forbidden) Error() string {
	return fmt.Sprintf("access to %s %s is forbidden", f.Entity, f.Element)
}

// An Error is a query that cannot be compiled because of what the client or the model says: an unknown element, a wrong type, a
// path over a structure. Status is an HTTP status, 400 if 0.
type Error struct {
	Code    string
	Message string
	Status  int
}

func (e *Error) Error() string { return e.Message }

// ErrNotUpdatable is wrapped in errors for writes to views that are not simple projections.
var ErrNotUpdatable = errors.New("entity is not updatable")

// A Bind says how one parameter of a plan is filled.
type Bind struct {
	Param cqn.Param
	// Type is what to convert the value to; nil leaves it as it is. A client's literal that does not convert is an error, values of a user
	// attribute that don't are left out of its list. Except for payloads it has no length: a long text may be compared with a short element.
	Type *csn.Builtin
	List bool // one list bind
	// IsNull binds whether the user attribute has no value, as a boolean.
	IsNull bool
	// Const is a constant of the model, used if Param is unset (Param.Index == -1). It is bound as it is, without conversion.
	Const cqn.Value
	// Column, in a write plan, is the payload's element that fills the parameter.
	Column string
	// Seal, unless nil, says in what form the value is kept: it is converted, and then encrypted or hashed. Of a List, which stands for values to be
	// compared with, each is given in the form that every key makes of it.
	Seal *csn.Seal
}

// A Plan is compiled SQL with binds and columns for one query shape.
type Plan struct {
	SQL     string
	Binds   []Bind
	Columns []Column
	// Children are the statements for to-many expands, run once per page of parents.
	Children []*Child
	Entity   *csn.Entity
	One      bool
	// Anonymous is set if nothing in the statement asks the session (session variables of views and functions): the database need not be told it.
	Anonymous bool
	// Tenant is set if rows are touched that belong to tenants: without a tenant the plan must not be run.
	Tenant bool
	// Opens lists the tables of which the statement may see more than the user may read, as elements of a JSON array; see rowsecurity.go. Always ""
	// without Tables.RowSecurity.
	Opens string
	// Sealed are the columns, at any level but those of Children, whose values are encrypted.
	Sealed []Column
	// Masked are the columns, at any level but those of Children, that functions of the application mask.
	Masked []Column
	// Blobs are the parameters of a write whose data follow the statement, where the database keeps rows by number (Tables.RowID): the statement
	// returns the numbers of the rows that it has written.
	Blobs []BlobColumn
	// Place, of a query for `cds.place(element)`, is the column whose value is in the rows with the numbers that the query returns.
	Place BlobColumn
}

// A BlobColumn is a column of a table, with the position of the bind that fills it.
type BlobColumn struct {
	Table, Column string
	Bind          int
}

// A Column describes one or several positions of the result row.
type Column struct {
	Name    string       // output name
	Index   int          // position in the result row
	Element *csn.Element // nil for computed columns
	Type    csn.Type     // *csn.Builtin, *csn.Array; nil if unknown
	// Nested is set for to-one expands: the columns of the joined row. Present is the position of a column that is null if there is no row, -1
	// for an object that is always there.
	Nested  []Column
	Present int
	// Variants, unless 0, says in which rows the column is there: those whose number at position Variant has its bit set.
	Variant  int
	Variants uint64
	// Child is set for to-many expands: an index into Plan.Children, 1-based.
	Child int
	// Hidden columns are read for merging or keys, not answered.
	Hidden bool
	// Seal, unless nil, says how the value was encrypted; Type is that of the plain one.
	Seal *csn.Seal
	// Mask, unless nil, says how a function of the application masks the value.
	Mask *FuncMask
	// masked, if the column shows a mask, is the refusal of a query around that would do more than show it.
	masked error
	// MediaType is the position of the column with the media type of this stream, -1 for none.
	MediaType int
}

// A Child reads the rows of one to-many expand for a page of parents. Its plan has one list bind (cqn.FromKeys) per key column, and
// hidden leading columns with the parents' keys in the order of ParentKeys, by which its rows are ordered first.
type Child struct {
	Plan       *Plan
	ParentKeys []int // positions of key columns in the parent's row
	ChildKeys  []int // positions of the same keys in the child's row
	Count      bool  // the child row has the total of its siblings in CountIndex
	CountIndex int
	// CountOnly asks for the number only, with no rows ($expand=items/$count).
	CountOnly bool
	// One is the plan's SQL for parents that all have the same key: its bind is that value, not a list of it, which databases plan better and
	// only once. "" where there is none.
	One string
	// Known is the number, from 1, of the bind of the parent's plan that all parents have as that key; 0 if it is known only when they are read. The child has no
	// children itself then.
	Known int
}

// A Dialect is mostly tables; methods only where a table can't say it. Implementations are in runtime/db/<name>.
type Dialect interface {
	Name() string
	Tables() *Tables
	// Param appends placeholder number n (from 1) for a value of type t.
	Param(b []byte, n int, t *csn.Builtin) []byte
	// InList appends `IN …` for ONE bound list: ` = ANY($n)` or ` IN (SELECT value FROM json_each(?n))`; with not the opposite.
	InList(b []byte, n int, t *csn.Builtin, not bool) []byte
	// ListRows appends a FROM item with alias that yields the elements of bound list n in column "value" and their positions in column "key".
	ListRows(b []byte, n int, t *csn.Builtin, alias string) []byte
}

// Tables are a dialect's facts.
type Tables struct {
	Reserved  map[string]bool   // upper-case words that must be quoted as names
	Types     map[string]string // "cds.String" → "NVARCHAR(%d)"; %d or %d,%d take length or precision and scale
	Functions map[string]string // function → template with ?1, ?2 …, or ?* for all arguments comma-separated
	// Sessions maps "$user.id", "$user.locale", "$now", "$valid.from", … to SQL for use in views.
	Sessions map[string]string
	// NullSafeEq and NullSafeNe are templates with ?1, ?2.
	NullSafeEq, NullSafeNe string
	True, False            string
	Concat                 string // template
	// Elements is the template of a query for the elements of a JSON array, ?2 being the SQL type they are compared with; "" if there is none.
	Elements string
	// Regexp is the template of matchesPattern; "" if there is none.
	Regexp string
	// NullsOrder is set if NULLS FIRST/LAST is understood.
	NullsOrder bool
	// NullsHigh is set if nulls sort after all values where nothing else is said. Elsewhere, and in CAP, they are the least.
	NullsHigh bool
	// LockUpdate is appended to SELECT … FOR UPDATE, ?1 being the alias of the rows to lock; "" if there are no row locks.
	LockUpdate string
	// Bytes is the template of a constant of bytes, ?1 being its hexadecimal digits.
	Bytes string
	// LikePlain is appended to LIKE without ESCAPE where the database would take backslashes for escapes.
	LikePlain string
	// AlterColumn is what ALTER COLUMN name says before a new type; "" where a table can only be changed by making it anew.
	AlterColumn string
	// HasColumn is a query for the number of columns with the name that is its second parameter in the table that is its first, a quoted name.
	HasColumn string
	// Barrier is appended to a derived table so that its conditions are judged before any from outside.
	Barrier string
	// RowID are names of the number by which the database keeps a row and opens single values of it; a column of the same name hides one. None where
	// there is no such number.
	RowID []string
	// Pieces is the template of a query for all pieces of a value, in their order: ?1 is a query for the value, ?2 and ?3 are the first and the last byte, counted from
	// 1, ?4 is the size of a piece. Its rows have the first byte and the piece. "" where pieces are better asked for one by one.
	Pieces string
	// MaxName is the most bytes of a name that the database keeps; 0 for any number.
	MaxName int
	// RowSecurity is set for a database that itself hides rows from the user of the session.
	RowSecurity bool
}
