// Package csn is the linked model: services, entities, elements, associations, operations and their annotations, with all
// names resolved, aspects copied, projections inferred and numbers given. A Model is frozen: safe for any number of readers,
// never changed. Making one is the linker's business (package parser), or reading one from CSN JSON (Read).
//
// Entities have two element lists. Elements is the structured form, as in inferred CSN. Flat is what tables, OData and REST
// see: structures flattened with underscores, foreign keys of managed associations added after them.
package csn

import (
	"sync"

	"cds/parser/cqn"
	"cds/parser/token"
)

// A Fingerprint identifies the content of a model. Equal fingerprints mean equal models.
type Fingerprint [32]byte

// A Model is a linked set of definitions.
type Model struct {
	Files     *token.FileSet // may be nil for a model read from CSN
	Namespace string         // of the first file, as in CSN
	Defs      []Definition   // in order of the inferred CSN
	Entities  []*Entity      // by Entity.ID
	Services  []*Service     // in order of definition
	// StringLength is the length of strings without one in the database and in OData, 0 for that of the database's dialect and none
	// (cdsc.defaultStringLength). SetStringLength sets it.
	StringLength int
	byName       map[string]Definition
	print        func() Fingerprint // nil for a model with errors
}

// Lookup returns the definition of an absolute name, nil if there is none.
func (m *Model) Lookup(name string) Definition { return m.byName[name] }

// Entity returns the entity of an absolute name, nil if there is none.
func (m *Model) Entity(name string) *Entity { e, _ := m.byName[name].(*Entity); return e }

// Service returns the service of an absolute name, nil if there is none.
func (m *Model) Service(name string) *Service { s, _ := m.byName[name].(*Service); return s }

// SetStringLength sets StringLength. It belongs to the making of a model, which must not be in use yet.
func (m *Model) SetStringLength(n int) {
	if n > 0 && n != m.StringLength {
		m.StringLength = n
		m.seal()
	}
}

// seal says that the model is complete. Its fingerprint is taken when somebody asks for it: compilers don't.
func (m *Model) seal() {
	m.print = sync.OnceValue(func() Fingerprint { return fingerprint(m) })
}

// Sized returns a type with the length that the model gives to strings without one.
func (m *Model) Sized(t *Builtin) *Builtin {
	if m == nil || m.StringLength == 0 || t == nil || t.Kind != String || t.Length > 0 {
		return t
	}
	c := *t
	c.Length = m.StringLength
	return &c
}

// Fingerprint returns the hash of the model's content.
func (m *Model) Fingerprint() Fingerprint {
	if m.print == nil {
		return Fingerprint{}
	}
	return m.print()
}

// A Definition is *Service *Context *Entity *Aspect *TypeDef *Operation *Event *AnnotationDef.
type Definition interface{ Definition() *Def }

// A Def is what definitions and elements have in common.
type Def struct {
	Name        string // absolute for definitions, simple for elements, parameters and bound operations
	Doc         string
	Annotations Annotations
	Span        token.Span // of the name
}

// Definition returns d itself; it makes every type that embeds Def a Definition.
func (d *Def) Definition() *Def { return d }

// Annotations are flattened annotations: name without '@' ("UI.LineItem", "restrict", "requires") and value, in order.
type Annotations []cqn.AnnoField

// Get returns the value of an annotation; nil if it is absent. An explicit null is returned as AnnoNull.
func (a Annotations) Get(name string) *cqn.AnnoValue {
	for i := range a {
		if a[i].Name == name {
			return a[i].Value
		}
	}
	return nil
}

// Is reports whether the annotation is set to true.
func (a Annotations) Is(name string) bool { return a.Get(name).True() }

// Str returns the text of a string annotation, "" if absent.
func (a Annotations) Str(name string) string { return a.Get(name).Str() }

// A Service is a set of entities, operations and events that is served together.
type Service struct {
	Def
	Source   string    // file the service is defined in, "@source"
	Entities []*Entity // exposed ones, auto-exposed included, in order of the inferred CSN
	Ops      []*Operation
	Events   []*Event
	Types    []*TypeDef
}

// Entity returns the service's entity with the given local name (`Books`, `Books.texts`).
func (s *Service) Entity(local string) *Entity {
	for _, e := range s.Entities {
		if e.LocalName() == local {
			return e
		}
	}
	return nil
}

// Operation returns the unbound operation with the given local name.
func (s *Service) Operation(local string) *Operation {
	for _, o := range s.Ops {
		if o.LocalName() == local {
			return o
		}
	}
	return nil
}

// A Context only groups names.
type Context struct{ Def }

// An AnnotationDef declares the type of an annotation.
type AnnotationDef struct {
	Def
	Type *Element
}

// A TypeDef is a named type. Type describes it as an element would be.
type TypeDef struct {
	Def
	Service  *Service // nil outside services
	Includes []string
	Type     *Element
}

// An Aspect is a named bundle of elements to be included.
type Aspect struct {
	Def
	Includes []string
	Elements Elements
	Actions  []*Operation
}

// An Event is a message that a service emits. Elements is its payload; Type if it is a reference to a type.
type Event struct {
	Def
	Service  *Service
	Includes []string
	Type     *Element
}

// Exposure says how an entity came into its service.
type Exposure uint8

// The ways of exposure. Implicit is a composition child, a `texts` entity or a draft helper, which may only be reached over its
// parent; Explicit by annotation is @cds.autoexpose, readable directly.
const (
	Exposed         Exposure = iota // written in the service
	AutoExposedRead                 // because of @cds.autoexpose on the source
	AutoExposed                     // because a composition in the service leads to it
)

// An Entity is a table or a view.
type Entity struct {
	Def
	ID       int      // dense, index into Model.Entities
	Service  *Service // nil outside services
	Exposure Exposure
	Includes []string
	Params   Elements   // of a parameterised view
	Elements Elements   // structured
	Flat     Elements   // flattened, with foreign keys
	Keys     []*Element // flat scalar keys, in order
	Actions  []*Operation

	Source     cqn.Query // body of a view, linked: absolute names, no aliases lost; nil for a table
	Projection bool      // Source was written as `projection on`

	// Base is the entity that a simple projection reads: one source, no join, grouping, distinct or set operation. Writes go through
	// it. nil for tables and other views. Element.Origin then tells the element of Base behind each element.
	Base *Entity
	// Reads has every entity that the body of a view names, also in joins, paths and subqueries; nil for a table.
	Reads []*Entity
	// Parents are the compositions that lead here from entities of the same service (or, outside services, from any).
	Parents []*Element
	// Localized is set if the entity or one below it has localized elements, so that a localized view of it exists.
	Localized bool
	// Texts is the entity with the translations, nil if there is none.
	Texts *Entity
	// SkipPersistence is set by @cds.persistence.skip (true or if-unused and unused) and for entities without table or view.
	SkipPersistence bool
	// Exists is set by @cds.persistence.exists: somebody else makes the table.
	Exists bool

	// Drafts is the table with the drafts of a draft-enabled entity, Both the union of it and the entity; Active is the entity that one of these
	// two belongs to, Union what a union is made of. Only models from WithDrafts have them.
	Drafts, Both, Active *Entity
	Union                []*Entity
	// DraftRoot is set, for these three, if drafts begin here; else they are parts of others' drafts.
	DraftRoot bool
}

// LocalName returns the name without the service's or context's prefix; outside services the absolute name.
func (e *Entity) LocalName() string { return local(e.Name, e.Service) }

// Element returns the flat element with the given name, nil if there is none.
func (e *Entity) Element(name string) *Element { return e.Flat.Lookup(name) }

// Action returns the bound operation with the given name.
func (e *Entity) Action(name string) *Operation {
	for _, o := range e.Actions {
		if o.Name == name {
			return o
		}
	}
	return nil
}

// Table returns the entity at the bottom of the chain of Base, itself if it is a table, and nil if a view in between is not simple.
func (e *Entity) Table() *Entity {
	for e.Base != nil {
		e = e.Base
	}
	if e.Source != nil {
		return nil
	}
	return e
}

// Elements is an ordered list of elements.
type Elements []*Element

// Lookup returns the element with the given name, nil if there is none.
func (es Elements) Lookup(name string) *Element {
	for _, e := range es {
		if e.Name == name {
			return e
		}
	}
	return nil
}

// A TypeRef names an element whose type another one has: {ref: [E, x, y]}.
type TypeRef struct{ Path []string }

// An EnumSymbol is one allowed value of an enum.
type EnumSymbol struct {
	Def
	Value cqn.Value // null: the name is the value
}

// Val returns the symbol's value; without an explicit one it is the symbol's name.
func (s *EnumSymbol) Val() cqn.Value {
	if s.Value.IsNull() {
		return cqn.String(s.Name)
	}
	return s.Value
}

// A Type is *Builtin *Struct *Array *Assoc. Named types are resolved to these.
type Type interface{ typ() }

// A Builtin is a scalar type of CDS with its parameters. 0 means "not given".
type Builtin struct {
	Name      string // "cds.String", "cds.Integer", …
	Kind      Scalar
	Length    int
	Precision int
	Scale     int
	SRID      int
	HasScale  bool // scale was given, also as 0
	Variable  bool // Decimal with scale: variable or floating
}

// Scalar enumerates the builtin types.
type Scalar uint8

// The builtin scalar types. Integer is Int32; HANA types are mapped by the compiler.
const (
	NoScalar Scalar = iota
	UUID
	Boolean
	Integer
	UInt8
	Int16
	Int32
	Int64
	Decimal
	Double
	Date
	Time
	DateTime
	Timestamp
	String
	LargeString
	Binary
	LargeBinary
	Vector
	Map
)

// A Struct has named parts.
type Struct struct{ Elements Elements }

// An Array is `many T`.
type Array struct{ Items *Element }

// An Assoc is an association or composition.
type Assoc struct {
	Target        *Entity
	TargetName    string
	Composition   bool
	Many          bool
	NotNull       bool
	Min, Max, Src string       // explicit cardinality as in CSN; "" for not given
	On            cqn.Expr     // unmanaged: as written, linked
	Keys          []ForeignKey // managed: structured form, as in CSN
	FK            []*Element   // managed: flat foreign key elements in the owner, in order of Keys
	FKTarget      []*Element   // flat key elements in the target, parallel to FK

	// Join is the condition in flat form: refs are ["$source", column] and ["$target", column], pseudo variables are Params.
	// It is nil if the target does not exist in the database.
	Join cqn.Expr
	// Pairs are the equalities of Join if it has some at its top level: source column and target column. Rest is what else must hold.
	Pairs []JoinPair
	Rest  cqn.Expr
	// Aspect is that of a composition of an aspect, nil for others.
	Aspect *TargetAspect
	// Backlink, for `on x.back = $self` (also with more conditions, see Rest), is the managed association of the target; nil otherwise.
	Backlink *Element
}

// A TargetAspect is the aspect that a composition is of: a named one, or else the elements of one without a name.
type TargetAspect struct {
	Name     string
	Elements Elements
}

// targetAspect returns it, an empty one for associations without.
func (a *Assoc) targetAspect() TargetAspect {
	if a.Aspect == nil {
		return TargetAspect{}
	}
	return *a.Aspect
}

// A ForeignKey is one key of a managed association: a path in the target, and its name.
type ForeignKey struct {
	Ref []string
	As  string
}

// A JoinPair is one equality of a join.
type JoinPair struct{ Source, Target *Element }

func (*Builtin) typ() {}
func (*Struct) typ()  {}
func (*Array) typ()   {}
func (*Assoc) typ()   {}

// An Operation is an action or function.
type Operation struct {
	Def
	Service  *Service
	Entity   *Entity // nil for unbound ones
	Function bool
	Params   Elements // without the binding parameter
	// Collection is set for an operation bound to the collection (first parameter `many $self`); Binding is that parameter's name.
	Collection bool
	Binding    string
	Returns    *Element // nil for none
	Draft      DraftOp  // the step of the draft choreography that the operation is; none for those that were written
}

// LocalName returns the name within the service or entity.
func (o *Operation) LocalName() string {
	if o.Entity != nil {
		return o.Name
	}
	return local(o.Name, o.Service)
}

func local(name string, s *Service) string {
	if s != nil && len(name) > len(s.Name) {
		return name[len(s.Name)+1:]
	}
	return name
}
