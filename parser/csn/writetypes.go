package csn

import (
	"bytes"

	"cds/parser/cqn"
)

// typ writes the properties that describe the type of an element. def is set for the definition of a named type, which writes everything.
func (w *csnWriter) typ(el *Element, def bool) {
	if el == nil {
		return
	}
	if s, ok := el.Type.(*Struct); ok && def && el.TypeName == "" && el.TypeOf() == nil {
		w.elementsAlways(s.Elements)
		return
	}
	switch {
	case el.TypeOf() != nil:
		w.key("type")
		w.open('{')
		w.key("ref")
		w.strings(el.TypeOf().Path)
		w.close('}')
	case el.TypeName != "":
		w.prop("type", el.TypeName)
	case el.Assoc() != nil:
		w.prop("type", assocType(el.Assoc()))
	case el.Scalar() != nil:
		w.prop("type", el.Scalar().Name)
	}
	base := w.typeDef(el)
	switch t := el.Type.(type) {
	case *Builtin:
		w.facets(t)
	case *Struct:
		if base == nil || w.full || !w.sameParts(t, base.Type) {
			w.elementsAlways(t.Elements)
		}
	case *Array:
		if base == nil {
			w.key("items")
			w.open('{')
			w.typ(t.Items, false)
			w.close('}')
		}
	case *Assoc:
		w.assoc(el, t)
	}
	if len(el.Enum()) > 0 && (base == nil || len(base.Enum()) == 0) {
		w.enum(el.Enum())
	}
	w.flag("notNull", el.NotNull)
	if el.Default() != nil {
		w.key("default")
		w.open('{')
		w.operandFields(el.Default())
		w.close('}')
	}
	if el.Value() != nil {
		w.key("value")
		w.open('{')
		w.operandFields(el.Value())
		w.flag("stored", el.Stored)
		w.close('}')
	}
}

func (w *csnWriter) elementsAlways(els Elements) {
	w.key("elements")
	w.open('{')
	for _, el := range els {
		w.element(el)
	}
	w.close('}')
}

func assocType(a *Assoc) string {
	if a.Composition {
		return "cds.Composition"
	}
	return "cds.Association"
}

// typeDef returns the description of the named type of an element, nil if its type is builtin or anonymous.
func (w *csnWriter) typeDef(el *Element) *Element {
	if el.TypeOf() != nil {
		return w.typeOf(el.TypeOf().Path)
	}
	switch d := w.m.Lookup(el.TypeName).(type) {
	case *TypeDef:
		return d.Type
	case *Event:
		return d.Type
	case *Entity:
		return &Element{Type: &Struct{d.Elements}}
	case *Aspect:
		return &Element{Type: &Struct{d.Elements}}
	}
	return nil
}

// typeOf returns the element that `type of` points to.
func (w *csnWriter) typeOf(ref []string) *Element {
	if len(ref) == 0 {
		return nil
	}
	el := w.typeDef(&Element{TypeName: ref[0]})
	for _, step := range ref[1:] {
		if el == nil {
			return nil
		}
		switch t := el.Type.(type) {
		case *Struct:
			el = t.Elements.Lookup(step)
		case *Assoc:
			if t.Target == nil {
				return nil
			}
			el = t.Target.Elements.Lookup(step)
		default:
			return nil
		}
	}
	return el
}

// sameParts reports whether a structure is that of its named type, unchanged by annotations at its use.
func (w *csnWriter) sameParts(t *Struct, base Type) bool {
	b, ok := base.(*Struct)
	if !ok {
		return false
	}
	if len(t.Elements) == len(b.Elements) && (len(t.Elements) == 0 || t.Elements[0] == b.Elements[0]) {
		return true
	}
	x, y := &csnWriter{m: w.m, opt: w.opt, full: true}, &csnWriter{m: w.m, opt: w.opt, full: true}
	x.elementsAlways(t.Elements)
	y.elementsAlways(b.Elements)
	return bytes.Equal(x.buf, y.buf)
}

func (w *csnWriter) facets(b *Builtin) {
	if b.Length > 0 {
		w.num("length", b.Length)
	}
	if b.Precision > 0 {
		w.num("precision", b.Precision)
	}
	switch {
	case b.Variable:
		w.prop("scale", "variable")
	case b.HasScale || b.Scale > 0:
		w.num("scale", b.Scale)
	}
	if b.SRID > 0 {
		w.num("srid", b.SRID)
	}
}

func (w *csnWriter) assoc(el *Element, a *Assoc) {
	if a.Min != "" || a.Max != "" || a.Src != "" || a.Many {
		w.key("cardinality")
		w.open('{')
		w.cardinality("src", a.Src)
		w.cardinality("min", a.Min)
		max := a.Max
		if max == "" && a.Many {
			max = "*"
		}
		w.cardinality("max", max)
		w.close('}')
	}
	switch asp := a.targetAspect(); {
	case asp.Name != "":
		w.prop("targetAspect", asp.Name)
	case asp.Elements != nil:
		w.key("targetAspect")
		w.open('{')
		w.elementsAlways(asp.Elements)
		w.close('}')
	}
	if a.TargetName != "" {
		w.prop("target", a.TargetName)
	}
	switch {
	case a.On != nil:
		w.key("on")
		w.tokens(a.On)
	case len(a.Keys) > 0:
		w.key("keys")
		w.open('[')
		for _, k := range a.Keys {
			w.open('{')
			w.key("ref")
			w.strings(k.Ref)
			if k.As != "" {
				w.prop("as", k.As)
			}
			w.close('}')
		}
		w.close(']')
	}
}

func (w *csnWriter) cardinality(key, v string) {
	switch {
	case v == "":
	case v[0] >= '0' && v[0] <= '9' && jsonNumber(v) == v:
		w.key(key)
		w.raw(v)
	default:
		w.prop(key, v)
	}
}

func (w *csnWriter) enum(symbols []EnumSymbol) {
	w.key("enum")
	w.open('{')
	for i := range symbols {
		s := &symbols[i]
		w.key(s.Name)
		w.open('{')
		w.annos(&s.Def)
		if !s.Value.IsNull() {
			w.litFields(&cqn.Lit{Value: s.Value})
		}
		w.close('}')
	}
	w.close('}')
}

// indent returns compact JSON as indenter writes it, with a line end.
func indent(b []byte) []byte {
	var d indenter
	return append(d.indent(make([]byte, 0, 2*len(b)), b), '\n')
}

// An indenter puts every property and item of compact JSON on its own line, except for short lists of scalars. It is the depth reached, so that a
// text can come in pieces; these must not end within a list of scalars.
type indenter int

func (d *indenter) indent(out, b []byte) []byte {
	line := func() {
		out = append(out, '\n')
		for i := 0; i < int(*d); i++ {
			out = append(out, ' ', ' ')
		}
	}
	for i := 0; i < len(b); i++ {
		switch c := b[i]; c {
		case '"':
			j := i + 1
			for b[j] != '"' {
				if b[j] == '\\' {
					j++
				}
				j++
			}
			out = append(out, b[i:j+1]...)
			i = j
		case '{', '[':
			if i+1 < len(b) && b[i+1] == c+2 { // '}' is '{'+2, ']' is '['+2
				out = append(out, c, c+2)
				i++
				continue
			}
			if end := bytes.IndexAny(b[i+1:], "{}[]"); c == '[' && b[i+1+end] == ']' && end < 80 {
				out = append(out, bytes.ReplaceAll(b[i:i+end+2], []byte(`","`), []byte(`", "`))...)
				i += end + 1
				continue
			}
			out = append(out, c)
			*d++
			line()
		case '}', ']':
			*d--
			line()
			out = append(out, c)
		case ',':
			out = append(out, c)
			line()
		case ':':
			out = append(out, ':', ' ')
		default:
			out = append(out, c)
		}
	}
	return out
}
