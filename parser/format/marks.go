package format

import (
	"reflect"
	"sort"

	"cds/parser/ast"
	"cds/parser/cqn"
	"cds/parser/token"
)

// marks is what the layout needs to know of the syntax tree, by offsets in the text.
type marks struct {
	heads  ranges       // from the beginning of a declaration, element, column to its name: what begins a line here stands at the level of the block
	fixed  ranges       // expressions in annotations: their text is part of the model
	typed  map[int]bool // beginnings of types behind a colon
	casts  map[int]bool // beginnings of other names behind a colon with space around
	values map[int]bool // beginnings of annotation values
}

// A ranges is a list of sorted ranges of offsets.
type ranges [][2]int

func (r ranges) has(off int) bool {
	i := sort.Search(len(r), func(i int) bool { return r[i][0] > off })
	for n := 0; i > 0 && n < maxNested; n++ {
		if i--; off < r[i][1] {
			return true
		}
	}
	return false
}

// maxNested is how many ranges may lie within one another.
const maxNested = 4

// begins reports whether a range begins at off.
func (r ranges) begins(off int) bool {
	i := sort.Search(len(r), func(i int) bool { return r[i][0] >= off })
	return i < len(r) && r[i][0] == off
}

// verbatim reports whether the space before the token at off must stay.
func (m *marks) verbatim(off int) bool { return m.fixed.has(off - 1) }

func marksOf(f *ast.File) *marks {
	m := &marks{typed: map[int]bool{}, casts: map[int]bool{}, values: map[int]bool{}}
	m.walk(reflect.ValueOf(f), 0)
	for _, r := range []ranges{m.heads, m.fixed} {
		sort.Slice(r, func(i, j int) bool { return r[i][0] < r[j][0] })
	}
	return m
}

// maxWalk bounds the walk; the parser allows less nesting.
const maxWalk = 5000

// walk visits all nodes of the tree. Reflection makes sure that none is left out.
func (m *marks) walk(v reflect.Value, depth int) {
	if depth > maxWalk || !v.IsValid() {
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			m.walk(v.Elem(), depth+1)
		}
	case reflect.Slice:
		for i := range v.Len() {
			m.walk(v.Index(i), depth+1)
		}
	case reflect.Struct:
		if v.CanInterface() {
			m.node(v)
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				m.walk(v.Field(i), depth+1)
			}
		}
	}
}

func (m *marks) node(v reflect.Value) {
	switch n := v.Interface().(type) {
	case ast.Head:
		m.head(n.Where, n.Name.Span)
	case ast.Column:
		at := n.Span
		if n.X != nil {
			at = n.X.Span()
		}
		m.head(n.Span, at)
		for _, a := range n.Annos {
			m.head(a.Span, at)
		}
		if n.Type != nil && n.Type.Span.Valid() {
			m.casts[int(n.Type.Span.Start)] = true
		}
	case ast.Element:
		if n.Type != nil && n.Type.Span.Valid() {
			m.typed[int(n.Type.Span.Start)] = true
		}
	case ast.Type:
		if n.Type != nil {
			m.typed[int(n.Type.Span.Start)] = true
		}
		m.includes(n.Includes)
	case ast.Event:
		if n.Type != nil {
			m.typed[int(n.Type.Span.Start)] = true
		}
		m.includes(n.Includes)
	case ast.Entity:
		m.includes(n.Includes)
	case ast.Aspect:
		m.includes(n.Includes)
	case ast.Using:
		m.head(n.Span, n.Span)
	case cqn.AnnoValue:
		m.values[int(n.Span.Start)] = true
		if n.Kind == cqn.AnnoExpr {
			m.fixed = append(m.fixed, [2]int{int(n.Span.Start), int(n.Span.End)})
		}
	}
}

// includes stand behind a colon, but are not lined up.
func (m *marks) includes(names []*ast.Name) {
	if len(names) > 0 {
		m.casts[int(names[0].Span.Start)] = true
	}
}

func (m *marks) head(whole, name token.Span) {
	if whole.Valid() && name.Valid() {
		m.heads = append(m.heads, [2]int{int(whole.Start), int(name.Start) + 1})
	}
}
