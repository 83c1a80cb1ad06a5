package cqn

import "cds/parser/token"

// A Query is *Select *SetOp *Insert *Upsert *Update *Delete.
type Query interface{ query() }

// A Select reads rows.
type Select struct {
	From     Source   // nil inside an Expand: the association's target
	Mixins   []Mixin  // associations that the columns and conditions may follow; in bodies of views only
	Columns  []Column // none means all scalar elements, as `*`
	Exclude  []string
	Where    Expr
	Search   []string // words of $search, all of which must be found
	Terms    []Expr   // further words, as expressions; Parametrize moves Search here
	GroupBy  []Expr
	Having   Expr
	OrderBy  []Order
	Limit    Expr // *Lit or *Param; nil for none
	Offset   Expr
	Distinct bool
	One      bool // at most one row, answered as a single object
	Lock     Lock
	Span     token.Span
	// Localized asks for texts in the user's locale where the source has translations.
	Localized bool
}

// A Mixin is an association that exists within one query only, unless a column publishes it. On sees the mixin by its name, the sources of
// the query, and its result as $projection.
type Mixin struct {
	Name          string
	Target        string // absolute name of an entity
	Composition   bool
	Src, Min, Max string // cardinality, as in CSN
	On            Expr
}

// Lock asks for row locks, which hold until the transaction ends.
type Lock uint8

// The locks.
const (
	NoLock Lock = iota
	LockShare
	LockUpdate
)

// A SetOp combines queries: union, union all, intersect, except, left to right.
type SetOp struct {
	Op      string // "union", "intersect", "except"
	All     bool
	Args    []Query
	OrderBy []Order
	Limit   Expr
	Offset  Expr
	Span    token.Span
}

// A Source is what a query reads from: *From *Join *Derived.
type Source interface{ source() }

// A From reads an entity. Path's first step is the absolute name of an entity, which may have a filter and arguments; the
// following steps are associations: `my.Orders[ID = 1].items`.
type From struct {
	Path *Ref
	As   string // alias; "" lets the compiler choose
}

// JoinKind is the kind of a join.
type JoinKind uint8

// The kinds of joins.
const (
	InnerJoin JoinKind = iota
	LeftJoin
	RightJoin
	FullJoin
	CrossJoin
)

// A Join combines two sources.
type Join struct {
	Kind JoinKind
	L, R Source
	On   Expr
}

// A Derived is a query used as a source.
type Derived struct {
	Query Query
	As    string
}

// A Column is one output column of a Select.
//
//   - Star
//     x + 1 as y             X, As
//     author.name            X (the name is the last step)
//     author { name }        X is the association path, Expand what to read of it
//     author.{ name }        X is the path, Inline the columns
type Column struct {
	Star    bool
	X       Expr
	As      string
	Expand  *Select  // nested rows; From is nil. Where, OrderBy, Limit, Offset are relative to the target
	Inline  []Column // flattened into this query
	Exclude []string // for Inline with a Star
	Cast    *TypeName
	Key     bool
	Virtual bool // in bodies of views only
	// Count asks for the number of all nested rows beside an Expand, as OData's $count inside $expand.
	Count bool
	// Out is where the value stands in the answer, if not under its name: {"genre":{"name": …}} for genre, name.
	Out []string
	// Variants says in which rows the column is there at all, where rows of several forms are answered together: bit n stands for rows whose
	// VariantColumn is n. 0 is all rows.
	Variants uint64
	Span     token.Span
}

// VariantColumn is the name of the output column that says which form a row has. It is not answered itself.
const VariantColumn = "#variant"

// An Order is one item of ORDER BY.
type Order struct {
	X          Expr
	Desc       bool
	NullsFirst bool
	NullsLast  bool
}

// An Insert adds rows. Rows may be deep: nested rows of compositions.
type Insert struct {
	Into string // entity name
	Rows []*Row
}

// An Upsert adds or changes rows by key.
type Upsert struct {
	Into string
	Rows []*Row
}

// An Update changes rows. Entity may carry key filters and association steps as From does.
type Update struct {
	Entity *Ref
	Where  Expr
	Data   *Row         // constant values, possibly deep
	With   []Assignment // computed values
}

// An Assignment sets an element to the value of an expression on the row's old values.
type Assignment struct {
	Name string
	X    Expr
}

// A Delete removes rows.
type Delete struct {
	From  *Ref
	Where Expr
}

func (*Select) query() {}
func (*SetOp) query()  {}
func (*Insert) query() {}
func (*Upsert) query() {}
func (*Update) query() {}
func (*Delete) query() {}

func (*From) source()    {}
func (*Join) source()    {}
func (*Derived) source() {}
