package csn

import (
	"slices"

	"cds/parser/cqn"
)

// An Element is a named part of an entity, type, aspect, event or operation. Large models have hundreds of thousands of them: what few elements
// have stands behind a pointer (Facets), and the flags stand together.
type Element struct {
	Def
	Owner    *Entity
	Type     Type
	TypeName string  // as declared and resolved: "cds.String", "my.Price", "Currency"; "" for anonymous types
	facets   *Facets // nil for none; never changed, so that elements may share it

	ID int32 // position within Flat for flat elements

	Key, NotNull, Virtual, Localized, Masked, Stored bool
	// OnRead says that queries compute Value also where the entity is a view. Internal is set for bookkeeping that no client may name, Apart for
	// what is read only where it is named; neither is part of *. Only models from WithDrafts have such elements.
	OnRead, Internal, Apart bool

	// For flat elements:
	path       *[]string // see Path
	ForeignKey *Element  // the flat association that this foreign key belongs to; nil for others
	Origin     *Element  // flat element of Owner.Base that this one renames; nil for tables and computed columns
}

// Facets are what few elements have.
type Facets struct {
	Default cqn.Expr
	Value   cqn.Expr     // calculated on read, or on write if the element is Stored
	Enum    []EnumSymbol // symbols of this element's type; nil for none
	TypeOf  *TypeRef     // where it was declared by `type of`; else nil
	Seal    *Seal        // of flat elements: values are encrypted or hashed; else nil
}

// Facets returns all of them.
func (e *Element) Facets() Facets {
	if e.facets == nil {
		return Facets{}
	}
	return *e.facets
}

// Default returns the element's default, nil for none.
func (e *Element) Default() cqn.Expr { return e.Facets().Default }

// Value returns the expression that a calculated element has, nil for others.
func (e *Element) Value() cqn.Expr { return e.Facets().Value }

// Enum returns the symbols of the element's type, nil for none.
func (e *Element) Enum() []EnumSymbol { return e.Facets().Enum }

// TypeOf returns the element that this one has its type from, if it was declared by `type of`.
func (e *Element) TypeOf() *TypeRef { return e.Facets().TypeOf }

// SetFacets sets all of them. Like the functions below it belongs to the making of a model.
func (e *Element) SetFacets(f Facets) {
	if f.Default == nil && f.Value == nil && f.Enum == nil && f.TypeOf == nil && f.Seal == nil {
		e.facets = nil
		return
	}
	e.facets = &f
}

// ShareFacets takes those of another element over.
func (e *Element) ShareFacets(from *Element) { e.facets = from.facets }

// SetDefault sets the default.
func (e *Element) SetDefault(x cqn.Expr) {
	if f := e.Facets(); x != nil || f.Default != nil {
		f.Default = x
		e.SetFacets(f)
	}
}

// SetValue sets the expression of a calculated element.
func (e *Element) SetValue(x cqn.Expr) {
	if f := e.Facets(); x != nil || f.Value != nil {
		f.Value = x
		e.SetFacets(f)
	}
}

// SetEnum sets the symbols.
func (e *Element) SetEnum(all []EnumSymbol) {
	if f := e.Facets(); all != nil || f.Enum != nil {
		f.Enum = all
		e.SetFacets(f)
	}
}

// SetTypeOf sets where the type is from.
func (e *Element) SetTypeOf(r *TypeRef) {
	if f := e.Facets(); r != nil || f.TypeOf != nil {
		f.TypeOf = r
		e.SetFacets(f)
	}
}

// Path returns the names of a flat element in the structured form, as address, geo, lat; nil for others. It must not be changed.
func (e *Element) Path() []string {
	if e.path == nil {
		return nil
	}
	return *e.path
}

// pathOf returns the path of some steps and more, the same for the same steps.
func (f *freezer) pathOf(steps []string, more ...string) *[]string {
	f.spell = f.spell[:0]
	for _, s := range steps {
		f.spell = append(append(f.spell, s...), 0)
	}
	for _, s := range more {
		f.spell = append(append(f.spell, s...), 0)
	}
	p := f.paths[string(f.spell)]
	if p != nil && len(*p) == len(steps)+len(more) && slices.Equal((*p)[:len(steps)], steps) && slices.Equal((*p)[len(steps):], more) {
		return p // names may hold any character, so that others may have the same key
	}
	all := appendPath(steps, more...)
	f.paths[string(f.spell)] = &all
	return &all
}

// Assoc returns the element's type as an association, nil if it is none.
func (e *Element) Assoc() *Assoc { a, _ := e.Type.(*Assoc); return a }

// Scalar returns the element's builtin type, nil for structures, arrays and associations.
func (e *Element) Scalar() *Builtin { b, _ := e.Type.(*Builtin); return b }
