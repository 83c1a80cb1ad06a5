// Package ast is the syntax tree of one .cds file, as written: nothing is resolved, merged or checked here.
//
// Expressions inside the tree are cqn nodes, so that conditions, default values and queries have one form everywhere.
package ast

import (
	"cds/parser/cqn"
	"cds/parser/token"
)

// A File is one parsed source.
type File struct {
	ID        token.FileID
	Name      string
	Namespace *Name // nil for none
	Usings    []*Using
	Decls     []Decl // in source order
}

// A Name is a possibly dotted name with its place.
type Name struct {
	Text string // delimiters removed, parts joined by dots
	Span token.Span
	// Parts has the single identifiers; nil for one that is not delimited, as most are.
	Parts []Ident
}

// NameOf returns the name that is one identifier.
func NameOf(id Ident) Name {
	n := Name{Text: id.Text, Span: id.Span}
	if id.Delimited {
		n.Parts = []Ident{id}
	}
	return n
}

// Idents returns the single identifiers.
func (n *Name) Idents() []Ident {
	switch {
	case n == nil:
		return nil
	case n.Parts != nil:
		return n.Parts
	}
	return []Ident{{Text: n.Text, Span: n.Span}}
}

// An Ident is one identifier without delimiters.
type Ident struct {
	Text      string
	Span      token.Span
	Delimited bool
}

// A Using imports names: `using { a.b as c, d } from './x';`, `using a.b from 'y';`, `using from 'z';`.
type Using struct {
	Items []UsingItem // none: `using from`
	From  string      // "" for a using without from
	FromSpan,
	Span token.Span
}

// A UsingItem is one imported name and the name it has here.
type UsingItem struct {
	Name Name
	As   *Ident // nil: the last part of Name
}

// A Decl is *Service *Context *Entity *Aspect *Type *Operation *Event *Annotation *Extend *Annotate.
type Decl interface {
	decl()
	Span() token.Span
}

// NoDoc is the Doc of what has an empty doc comment, which hides an inherited one.
const NoDoc = "\x00"

// Head is what declarations and elements have in common.
type Head struct {
	Doc   string // text of the doc comment, "" for none, NoDoc for an empty one
	Annos []*Anno
	Name  Name
	Where token.Span // the whole declaration
}

// Span returns the place of the whole declaration.
func (h *Head) Span() token.Span { return h.Where }
func (*Head) decl()              {}

// An Anno is one assignment `@a.b.c#qualifier: value` as written, before flattening.
type Anno struct {
	Name  Name // without '@', with the qualifier: `Common.Label#x`
	Value *cqn.AnnoValue
	Span  token.Span
}

// A Service or a Context groups declarations.
type (
	Service struct {
		Head
		Decls []Decl
	}
	Context struct {
		Head
		Decls []Decl
	}
)

// An Entity is `entity E : A, B { … }`, `entity E as select …`, `entity E as projection on …`, or the same with `view`.
type Entity struct {
	Head
	Params   []*Element // of a parameterised view; nil for none
	Includes []*Name
	Elements []*Element // nil where there is no body
	HasBody  bool
	Query    *Query // nil for a table
	Actions  []*Operation
}

// An Aspect is `aspect A : B { … }`; also `abstract entity`.
type Aspect struct {
	Head
	Includes []*Name
	Elements []*Element
	Actions  []*Operation
}

// A Type is `type T : …;` or `type T { … }`.
type Type struct {
	Head
	Includes []*Name // type T : A { … } with several or with a body
	Type     *TypeExpr
	// Projection for `type T as projection on E { … }`.
	Query   *Query
	Default cqn.Expr
	NotNull *bool // nil: not said
	// Localized for `type T : localized String`.
	Localized bool
}

// An Event is `event E : T;`, `event E { … }`, `event E : projection on …`.
type Event struct {
	Head
	Includes []*Name
	Type     *TypeExpr
	Query    *Query
}

// An Annotation is `annotation a.b : T;`.
type Annotation struct {
	Head
	Type *TypeExpr
}

// An Operation is an action or a function, bound or not.
type Operation struct {
	Head
	Function bool
	Params   []*Element
	Returns  *TypeExpr // nil for none
	// ReturnsAnnos are annotations before the type of `returns`.
	ReturnsAnnos []*Anno
}

// An Element is an element of an entity, type or aspect, a parameter, or an enum's owner.
type Element struct {
	Head
	Key, Virtual, Localized, Masked, Stored bool
	// AnnotateOnly marks the entries of `annotate E with { x @a; }`; ExtendOnly those of `extend e with (length: 10)` or `extend element`.
	AnnotateOnly, ExtendOnly bool
	Type                     *TypeExpr // nil: to be inferred from Value, or missing
	NotNull                  *bool     // nil: not said
	Default                  cqn.Expr
	Value                    cqn.Expr   // calculated element: = expr, stored with Stored
	Elements                 []*Element // nested entries of an annotate or extend
}

// A TypeExpr is what stands after the colon.
type TypeExpr struct {
	Span token.Span
	// Exactly one of the groups is used. The flags Colon, Struct and HasEnum belong to TypeOf, Fields and Enum.
	Colon, Struct, HasEnum bool

	Name      *Name    // named type, with Args: String(10), Decimal(9,2)
	Args      []string // numbers or "variable", "floating"
	NamedArgs map[string]string
	TypeOf    *cqn.Ref   // `type of x.y`, or `E:x.y` (then the first step is the absolute or relative definition name and Colon is set)
	Fields    []*Element // struct
	Array     *TypeExpr  // array of, many
	Assoc     *AssocExpr
	// Enum symbols follow a named type.
	Enum []*EnumSymbol
	// NotNull of array items: `many String not null`.
	NotNull *bool
}

// An AssocExpr is `Association to many T on …` or `Composition of many { … }`.
type AssocExpr struct {
	Composition bool
	Many        bool
	One         bool // `to one` is said
	Card        *Card
	Target      *Name
	Inline      []*Element // composition of an anonymous aspect
	HasInline   bool
	On          cqn.Expr
	Keys        []FKey
	HasKeys     bool
}

// A Card is an explicit cardinality: [1,0..*]. Empty strings are "not given".
type Card struct {
	Src, Min, Max string
	Span          token.Span
}

// An FKey is one explicit foreign key of a managed association: { ID as x }.
type FKey struct {
	Path  *cqn.Ref
	As    *Ident
	Annos []*Anno
}

// An EnumSymbol is one symbol of an enum type.
type EnumSymbol struct {
	Head
	Value cqn.Expr // nil: the name is the value
}

// An Extend is `extend [entity|service|…] N with …`.
type Extend struct {
	Head               // Annos are annotations given with the extend
	Kind        string // "", entity, projection, service, context, type, aspect, element…
	ElementPath *Name  // extend E:elem
	Includes    []*Name
	Elements    []*Element
	Actions     []*Operation
	Decls       []Decl    // of a service or context
	Columns     []*Column // extend projection
	Excluding   []Ident
	Enum        []*EnumSymbol
	// TypeArgs for `extend E:elem with (length: 100)`.
	TypeArgs map[string]string
}

// An Annotate is `annotate N with @a { elem @b; } actions { … }`.
type Annotate struct {
	Head
	ElementPath *Name // annotate E:elem
	Elements    []*Element
	Actions     []*Operation
	Params      []*Element
	Returns     *Element // annotate f with returns { … }
}

// A Query is a select, a projection or a set operation.
type Query struct {
	Span       token.Span
	Projection bool // `projection on` rather than `select from`
	From       cqn.Source
	// Names of the sources' paths as written: first steps are unresolved definition names.
	Columns       []*Column // nil: all
	HasColumns    bool
	Excluding     []Ident
	Where         cqn.Expr
	GroupBy       []cqn.Expr
	Having        cqn.Expr
	OrderBy       []cqn.Order
	Limit, Offset cqn.Expr
	Distinct      bool
	Mixin         []*Element
	// Set operation; then From and Columns are empty.
	SetOp string
	All   bool
	Args  []*Query
}

// A Column is one entry of a select list.
type Column struct {
	Doc                             string
	Annos                           []*Anno
	Star                            bool
	X                               cqn.Expr
	As                              *Ident
	Key, Virtual, Masked, Localized bool
	Type                            *TypeExpr  // cast: x as y : T; also redirection: Association to T on …
	Redirect                        *AssocExpr // `redirected to T [on …|{keys}]`
	Expand                          []*Column  // a { … }
	HasExpand                       bool
	Inline                          []*Column // a.{ … }
	HasInline                       bool
	Excluding                       []Ident
	NotNull                         *bool
	Span                            token.Span
}
