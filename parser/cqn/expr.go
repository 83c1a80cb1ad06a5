// Package cqn holds queries and expressions as data: a closed set of node types that the parser makes, that doors make from
// requests, and that the query compiler turns into SQL. Trees are immutable once built; Rewrite returns changed copies.
//
// Names in expressions are resolved by whoever reads them: a Ref's first step is looked up in the scope of the query (see
// the comment of Ref), the following steps in the target of the association or structure before them.
package cqn

import "cds/parser/token"

// An Expr is an expression: *Ref *Lit *Param *Call *Unary *Binary *Between *Like *In *Case *Exists *Tuple *Subquery *Cast.
type Expr interface {
	Span() token.Span
	expr()
}

// At is embedded in every node to carry its place in a source text, invalid for nodes made by a program.
type At struct{ Where token.Span }

// Span returns the place.
func (a At) Span() token.Span { return a.Where }
func (At) expr()              {}

// A Ref names an element by a path: `author.name`, `items[qty > 10].product`, `$self.items`, `$user.country`.
//
// Scope of the first step, in this order: a variable of an enclosing Exists; an alias of the query's sources; an element
// of the query's source. `$self` as first step is the row of the outermost entity or query. Within the filter of a step
// (Step.Filter) the scope is the target of that step. Pseudo variables (`$user`, `$now`, `$tenant`, …) are Params, never
// Refs, in expressions made by this repository's parsers; the exception is `$self`.
type Ref struct {
	At
	Path []Step
}

// A Step is one part of a path.
type Step struct {
	Name   string
	Filter Expr       // infix filter; nil for none
	Args   []NamedArg // arguments of a parameterised view
	Span   token.Span
}

// NamedArg is a named argument.
type NamedArg struct {
	Name string
	X    Expr
}

// NewRef returns a reference without filters.
func NewRef(path ...string) *Ref {
	if len(path) == 1 { // by far the most frequent case takes one allocation
		x := &struct {
			ref  Ref
			path [1]Step
		}{}
		x.path[0].Name = path[0]
		x.ref.Path = x.path[:]
		return &x.ref
	}
	r := &Ref{Path: make([]Step, len(path))}
	for i, p := range path {
		r.Path[i].Name = p
	}
	return r
}

// A Lit is a constant written in a model or built by a program. Client literals in requests become Params (see Shape).
type Lit struct {
	At
	Value Value
	Enum  string // symbol name without '#'; then Value is null until the linker or compiler resolves it by the other operand's type
}

// Origin says where the value of a Param comes from.
type Origin uint8

// The origins of parameters.
const (
	FromLiteral    Origin = iota // literal number Index of the request, see Shape
	FromUserID                   // $user, $user.id; null for anonymous
	FromUserAttr                 // $user.<Name>: a list of values, see authz-semantics section 11
	FromUserTenant               // $user.tenant, $tenant
	FromUserLocale               // $user.locale
	FromNow                      // $now: the time of the request, the same all through it
	FromAt                       // $at.from, $at.to (Name) and $valid.…: temporal
	FromViewArg                  // argument Name of a parameterised view
	FromKeys                     // list of parent keys, bound by the expand executor; Name is the target's column
)

// A Param stands for a value that is known only when the request runs. It is bound, never spliced into SQL.
type Param struct {
	At
	From  Origin
	Name  string
	Index int
}

// A Call is a function call. Name is lower case for standard functions: those of CDL/SQL (lower, substring, coalesce,
// count, sum, …) and of OData (contains, startswith, indexof, year, …).
type Call struct {
	At
	Name     string
	Args     []Expr
	Distinct bool // count(distinct x)
	Star     bool // count(*)
	Over     *Window
}

// A Window is the OVER clause of a window function.
type Window struct {
	PartitionBy []Expr
	OrderBy     []Order
	Frame       string // canonical text of the frame clause, "" for none
}

// UnaryOp is an operator with one operand.
type UnaryOp uint8

// The unary operators.
const (
	Not UnaryOp = iota
	Neg
	Plus
	IsNull
	IsNotNull
	IsNotTrue // false or unknown; made for OData's all()
)

// A Unary is an operator with one operand.
type Unary struct {
	At
	Op    UnaryOp
	Paren bool // see Parens
	X     Expr
}

// BinaryOp is an operator with two operands.
type BinaryOp uint8

// The binary operators. Ne is CDL's != and OData's ne, which treats null as a value; NeSQL is <>; EqNull is CDL's ==,
// null-safe as well.
const (
	And BinaryOp = iota
	Or
	Eq
	Ne
	NeSQL
	EqNull
	Lt
	Le
	Gt
	Ge
	Add
	Sub
	Mul
	Div
	Mod
	Concat
)

// A Binary is an operator with two operands.
type Binary struct {
	At
	Op    BinaryOp
	Paren bool // see Parens
	L, R  Expr
}

// A Between is `x between lo and hi`.
type Between struct {
	At
	X, Lo, Hi Expr
	Negated   bool
	Paren     bool // see Parens
}

// A Like is `x like pattern escape e`.
type Like struct {
	At
	X, Pattern, Escape Expr // Escape may be nil
	Negated            bool
	Paren              bool // see Parens
}

// An In is `x in (a, b)`, `x in $user.attr`, `x in (select …)`: Set is a *Tuple, *Param, *Ref (array element) or *Subquery.
type In struct {
	At
	X, Set  Expr
	Negated bool
	Paren   bool // see Parens
}

// A Case is `case when … then … else … end`, also the ternary operator. With X it is the simple form.
type Case struct {
	At
	X     Expr
	Whens []When
	Else  Expr
	Paren bool // see Parens
}

// A When is one branch of a Case.
type When struct{ Cond, Then Expr }

// An Exists is true if some row exists at the end of Path, an association path whose steps may have filters, relative to the
// scope. Pred, if any, is a further condition on the last target.
//
//	exists items[qty > 10]        Path items (with filter)
//	items/any(i: i/qty gt price)  Path items, Var i, Pred i.qty > price
//
// With Var "" the scope of Pred is the last target, as in an infix filter; with Var it is the enclosing scope plus Var.
//
// With Inverse it means: there is a row p of the entity Inverse such that the association Path of p leads to the current row and
// Pred holds for p (scope: p). It expresses "the row's composition parent satisfies …" without a backlink.
type Exists struct {
	At
	Path    *Ref
	Var     string
	Pred    Expr
	Inverse string
}

// A Tuple is a parenthesised list of two or more expressions, or the set of an In.
type Tuple struct {
	At
	Items []Expr
}

// A Subquery is a query used as a value, a set or the operand of exists.
type Subquery struct {
	At
	Query  Query
	Exists bool // `exists (select …)`
}

// A Cast is `cast(x as type)`.
type Cast struct {
	At
	X    Expr
	Type TypeName
}

// A TypeName names a type with its parameters, such as cds.Decimal(9,2).
type TypeName struct {
	Name                     string
	Length, Precision, Scale int // 0 is "not given"
}

// Parens returns x with the note that it stands in parentheses, if it is an expression with operators. They mean nothing, the tree has the
// structure; but they are written in CSN and CDL as the author set them.
func Parens(x Expr) Expr {
	switch x := x.(type) {
	case *Unary:
		c := *x
		c.Paren = true
		return &c
	case *Binary:
		c := *x
		c.Paren = true
		return &c
	case *Between:
		c := *x
		c.Paren = true
		return &c
	case *Like:
		c := *x
		c.Paren = true
		return &c
	case *In:
		c := *x
		c.Paren = true
		return &c
	case *Case:
		c := *x
		c.Paren = true
		return &c
	}
	return x
}

// InParens reports whether an expression was written in parentheses, see Parens.
func InParens(x Expr) bool {
	switch x := x.(type) {
	case *Unary:
		return x.Paren
	case *Binary:
		return x.Paren
	case *Between:
		return x.Paren
	case *Like:
		return x.Paren
	case *In:
		return x.Paren
	case *Case:
		return x.Paren
	}
	return false
}
