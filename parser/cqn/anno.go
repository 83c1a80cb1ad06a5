package cqn

import "cds/parser/token"

// AnnoKind says what an annotation value is.
type AnnoKind uint8

// The kinds of annotation values. AnnoTrue, the zero kind, stands for an annotation without a value: `@readonly`.
const (
	AnnoTrue     AnnoKind = iota // `@readonly`: means true
	AnnoNull                     // explicit null: removes an inherited value
	AnnoBool                     // Lit
	AnnoNumber                   // Text holds the digits
	AnnoString                   // Text
	AnnoSymbol                   // #symbol: Text without '#'
	AnnoRef                      // a bare path: Text, such as "author.name"
	AnnoExpr                     // ( expression ): Expr, and Text as written
	AnnoArray                    // Items
	AnnoStruct                   // Fields
	AnnoEllipsis                 // `...` or `... up to v` (Items[0]) inside an array; gone after linking
)

// An AnnoValue is the value of an annotation.
type AnnoValue struct {
	Span   token.Span
	Kind   AnnoKind
	Bool   bool
	Text   string
	Expr   Expr // AnnoExpr; also AnnoString where the linker parsed a condition (`where: 'owner = $user'`)
	Items  []*AnnoValue
	Fields []AnnoField
}

// An AnnoField is a named annotation value: a field of a struct, or a whole annotation with its flattened name without '@'.
type AnnoField struct {
	Name  string
	Value *AnnoValue
	Span  token.Span // of the name
}

// Field returns the value of a struct's field, nil if there is none.
func (v *AnnoValue) Field(name string) *AnnoValue {
	if v != nil {
		for i := range v.Fields {
			if v.Fields[i].Name == name {
				return v.Fields[i].Value
			}
		}
	}
	return nil
}

// True reports whether the annotation is set to true, by `@x`, `@x: true`.
func (v *AnnoValue) True() bool {
	return v != nil && (v.Kind == AnnoTrue || v.Kind == AnnoBool && v.Bool)
}

// False reports whether the annotation is explicitly false.
func (v *AnnoValue) False() bool { return v != nil && v.Kind == AnnoBool && !v.Bool }

// Str returns the text of a string, symbol or number, else "".
func (v *AnnoValue) Str() string {
	if v == nil {
		return ""
	}
	switch v.Kind {
	case AnnoString, AnnoSymbol, AnnoNumber, AnnoRef:
		return v.Text
	}
	return ""
}
