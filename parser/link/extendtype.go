package link

import (
	"maps"
	"slices"
	"strconv"

	"cds/parser/ast"
	"cds/parser/token"
)

// A typeExtension is what an extension adds to the type of an element: parts of a structure, symbols of an enum, greater facets.
type typeExtension struct {
	elements []*ast.Element
	enum     []*ast.EnumSymbol
	args     map[string]string
	at       token.Span
	name     string // of what is extended, for messages
}

func (x *typeExtension) empty() bool { return len(x.elements)+len(x.enum)+len(x.args) == 0 }

// ofElement returns what `extend x with …` inside the block of an extension says.
func (l *linker) ofElement(e *ast.Element) *typeExtension {
	x := &typeExtension{elements: e.Elements, at: e.Name.Span, name: e.Name.Text}
	if t := e.Type; t != nil {
		x.enum, x.args = t.Enum, t.NamedArgs
		if len(t.Args) > 0 {
			l.diags.Errorf("extend-unknown-arg", t.Span, "The facets of a type need names here").Hint = "Write `length: 100`, for example."
		}
	}
	return x
}

// extendMember extends the element of a definition that a path names.
func (l *linker) extendMember(d *def, path []ast.Ident, n *notes, src int, x *typeExtension) {
	for i := range d.members {
		m := &d.members[i]
		if m.el == nil || m.el.Name.Text != path[0].Text {
			continue
		}
		m.el = l.extendedElement(m.el, path[1:], n, src, x, 0)
		return
	}
	if !x.empty() {
		l.diags.Errorf("ref-undefined-element", path[0].Span, "Element “%s” of “%s” has not been found", path[0].Text, d.name).Hint =
			"Only elements that are written in the definition itself can be extended."
	}
}

// extendedElement returns a copy of an element with the extension made to it, or to the part of it that the path leads to. Syntax trees
// are never changed: they may be cached.
func (l *linker) extendedElement(e *ast.Element, path []ast.Ident, n *notes, src int, x *typeExtension, depth int) *ast.Element {
	if x.empty() || depth > maxDepth {
		return e
	}
	if e.Type == nil {
		l.cantExtend(x.at, x.name, "it has no type of its own")
		return e
	}
	c := *e
	c.Type = l.extendedType(e.Type, path, n, src, x, depth+1)
	return &c
}

func (l *linker) cantExtend(at token.Span, name, why string) {
	l.diags.Errorf("extend-unsupported", at, "“%s” can't be extended: %s", name, why)
}

func (l *linker) extendedType(t *ast.TypeExpr, path []ast.Ident, n *notes, src int, x *typeExtension, depth int) *ast.TypeExpr {
	c := *t
	if t.Array != nil && depth <= maxDepth {
		c.Array = l.extendedType(t.Array, path, n, src, x, depth+1)
		return &c
	}
	fields := &c.Fields
	inside := t.Struct
	if t.Assoc != nil && t.Assoc.HasInline {
		a := *t.Assoc
		c.Assoc, fields, inside = &a, &a.Inline, true
	}
	if len(path) > 0 {
		i := fieldIndex(*fields, path[0].Text)
		if i < 0 {
			l.diags.Errorf("ref-undefined-element", path[0].Span, "Element “%s” has not been found", path[0].Text).Hint =
				"Only parts that are written in the definition itself can be extended."
			return t
		}
		*fields = slices.Clone(*fields)
		(*fields)[i] = l.extendedElement((*fields)[i], path[1:], n, src, x, depth)
		return &c
	}
	if len(x.elements) > 0 {
		if !inside {
			l.cantExtend(x.at, x.name, "it is no structure that is written here")
			return t
		}
		*fields = l.extendedFields(*fields, n, src, x.elements, depth)
	}
	if len(x.enum) > 0 {
		if !t.HasEnum && len(t.Enum) == 0 {
			l.cantExtend(x.at, x.name, "it is no enum that is written here")
			return t
		}
		c.Enum = append(slices.Clone(t.Enum), x.enum...)
	}
	if len(x.args) > 0 {
		if t.Name == nil {
			l.cantExtend(x.at, x.name, "its type has no facets")
			return t
		}
		l.extendArgs(&c, x)
	}
	return &c
}

// extendedFields adds parts to a structure; those that extend a part go to it.
func (l *linker) extendedFields(fields []*ast.Element, n *notes, src int, more []*ast.Element, depth int) []*ast.Element {
	fields = slices.Clone(fields)
	for _, e := range more {
		switch {
		case e.AnnotateOnly:
			l.noteElement(n, e, src, depth)
		case e.ExtendOnly:
			in := child(&n.elems, e.Name.Text, e.Name.Span)
			l.note(in, l.flatten(e.Annos), src)
			in.comment(e.Doc)
			x := l.ofElement(e)
			if i := fieldIndex(fields, e.Name.Text); i >= 0 {
				fields[i] = l.extendedElement(fields[i], nil, in, src, x, depth+1)
			} else if !x.empty() {
				l.diags.Errorf("ref-undefined-element", e.Name.Span, "Element “%s” has not been found", e.Name.Text)
			}
		default:
			fields = append(fields, e)
		}
	}
	return fields
}

func fieldIndex(fields []*ast.Element, name string) int {
	return slices.IndexFunc(fields, func(e *ast.Element) bool { return e.Name.Text == name && !e.ExtendOnly && !e.AnnotateOnly })
}

// extendNamed extends a type that is no structure: `extend T with (length: 100)`, `extend T with enum { … }`.
func (l *linker) extendNamed(d *def, n *notes, src int, x *typeExtension) {
	t, ok := d.node.(*ast.Type)
	if !ok || t.Type == nil {
		if d.query == nil || len(x.enum)+len(x.args) > 0 {
			l.cantExtend(x.at, x.name, "it is no type with facets or symbols")
		}
		return
	}
	c := *t
	c.Type = l.extendedType(t.Type, nil, n, src, x, 0)
	d.node = &c
}

// extendArgs is `extend E:elem with (length: 100)`.
func (l *linker) extendArgs(t *ast.TypeExpr, x *typeExtension) {
	args := slices.Clone(t.Args)
	named := maps.Clone(t.NamedArgs)
	for _, k := range sortedKeys(x.args) {
		v := x.args[k]
		i := 0
		switch k {
		case "length", "precision", "srid":
		case "scale":
			i = 1
		default:
			l.diags.Errorf("extend-unknown-arg", x.at, "Unknown type argument “%s”", k).Hint = "length, precision and scale can be extended."
			continue
		}
		old, isNamed := named[k]
		if !isNamed {
			for len(args) <= i {
				args = append(args, "")
			}
			old = args[i]
		}
		if before, err := strconv.Atoi(old); err == nil {
			if now, err := strconv.Atoi(v); err == nil && now < before {
				l.diags.Errorf("extend-smaller", x.at, "The %s %d is less than %d, which it was", k, now, before).Hint = "Extensions can enlarge an element only: what is stored must still fit."
				continue
			}
		}
		if isNamed {
			named[k] = v
		} else {
			args[i] = v
		}
	}
	t.Args, t.NamedArgs = args, named
}
