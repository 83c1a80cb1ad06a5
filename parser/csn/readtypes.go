package csn

import "strings"

// kinds maps the names of the builtin types to what they are. The types of HANA are mapped to the nearest one.
func builtinKind(name string) Scalar {
	switch name {
	case "cds.UUID":
		return UUID
	case "cds.Boolean":
		return Boolean
	case "cds.Integer", "cds.Int32":
		return Int32
	case "cds.UInt8", "cds.hana.TINYINT":
		return UInt8
	case "cds.Int16", "cds.hana.SMALLINT":
		return Int16
	case "cds.Int64", "cds.Integer64":
		return Int64
	case "cds.Decimal", "cds.DecimalFloat", "cds.hana.SMALLDECIMAL":
		return Decimal
	case "cds.Double", "cds.hana.REAL":
		return Double
	case "cds.Date":
		return Date
	case "cds.Time":
		return Time
	case "cds.DateTime":
		return DateTime
	case "cds.Timestamp":
		return Timestamp
	case "cds.String", "cds.hana.VARCHAR", "cds.hana.NCHAR", "cds.hana.CHAR", "cds.hana.ST_POINT", "cds.hana.ST_GEOMETRY":
		return String
	case "cds.LargeString", "cds.hana.CLOB":
		return LargeString
	case "cds.Binary", "cds.hana.BINARY":
		return Binary
	case "cds.LargeBinary":
		return LargeBinary
	case "cds.Vector":
		return Vector
	case "cds.Map":
		return Map
	}
	return NoScalar
}

// NewBuiltin returns the builtin type of a name such as cds.String, nil if there is none.
func NewBuiltin(name string) *Builtin {
	k := builtinKind(name)
	if k == NoScalar {
		return nil
	}
	return &Builtin{Name: name, Kind: k}
}

// resolveTypes replaces names of types by the types themselves, in everything that has been read.
func (r *csnReader) resolveTypes(defs []Definition) {
	t := &typeResolver{csnReader: r, state: map[*Element]uint8{}}
	for _, d := range defs {
		r.home = d.Definition().Name
		switch d := d.(type) {
		case *Entity:
			t.all(d.Elements)
			t.all(d.Params)
			t.operations(d.Actions)
		case *Aspect:
			t.all(d.Elements)
			t.operations(d.Actions)
		case *TypeDef:
			t.element(d.Type)
		case *AnnotationDef:
			t.element(d.Type)
		case *Event:
			t.element(d.Type)
		case *Operation:
			t.operations([]*Operation{d})
		}
	}
	r.home = ""
}

type typeResolver struct {
	*csnReader
	state map[*Element]uint8 // 1 being resolved, 2 done
	depth int
}

func (t *typeResolver) all(els Elements) {
	for _, el := range els {
		t.element(el)
	}
}

func (t *typeResolver) operations(ops []*Operation) {
	for _, o := range ops {
		t.all(o.Params)
		t.element(o.Returns)
	}
}

// element resolves the type of one element and of what is below it.
func (t *typeResolver) element(el *Element) {
	if el == nil || t.state[el] == 2 {
		return
	}
	if t.state[el] == 1 {
		t.bad(codeCycle, nil, "the type of %s leads back to itself", t.home)
		return
	}
	if t.depth++; t.depth > maxDepth {
		t.depth--
		t.bad(codeTooDeep, nil, "the types of %s are nested more than %d levels deep", t.home, maxDepth)
		return
	}
	t.state[el] = 1
	defer func() { t.state[el] = 2; t.depth-- }()
	switch ty := el.Type.(type) {
	case *Struct:
		t.all(ty.Elements)
	case *Array:
		t.element(ty.Items)
	case *Assoc:
		t.all(ty.targetAspect().Elements)
		if base := t.named(el); base != nil {
			if a := base.Assoc(); a != nil {
				ty.Composition = a.Composition
				if ty.TargetName == "" {
					c := *a
					el.Type = &c
				}
			}
		}
	case *Builtin:
		t.scalar(el, ty)
	}
}

// scalar resolves an element that has a type by name only, or none at all.
func (t *typeResolver) scalar(el *Element, given *Builtin) {
	if el.TypeOf() == nil {
		if b := NewBuiltin(el.TypeName); b != nil {
			el.Type = given.over(b)
			return
		}
		switch el.TypeName {
		case "", "cds.Association", "cds.Composition", "$self":
			el.Type = nil // unknown, as of `null as x`
			return
		}
	}
	base := t.named(el)
	if base == nil {
		return
	}
	if el.TypeOf() != nil {
		el.TypeName = base.TypeName
	}
	switch bt := base.Type.(type) {
	case *Builtin:
		el.Type = given.over(bt)
	case *Assoc:
		c := *bt
		el.Type = &c
	default:
		el.Type = base.Type
	}
	if el.Enum() == nil {
		el.SetEnum(base.Enum())
	}
}

// over returns the builtin base with the facets that b has.
func (b *Builtin) over(base *Builtin) *Builtin {
	c := *base
	if b.Length > 0 {
		c.Length = b.Length
	}
	if b.Precision > 0 {
		c.Precision = b.Precision
	}
	if b.SRID > 0 {
		c.SRID = b.SRID
	}
	if b.HasScale {
		c.Scale, c.HasScale, c.Variable = b.Scale, true, false
	}
	if b.Variable {
		c.Variable, c.HasScale, c.Scale = true, false, 0
	}
	return &c
}

// named returns the resolved element that describes the named type, or the element that `type of` points to; nil for builtin types.
func (t *typeResolver) named(el *Element) *Element {
	var ref []string
	if el.TypeOf() != nil {
		ref = el.TypeOf().Path
	} else {
		if el.TypeName == "" || strings.HasPrefix(el.TypeName, "cds.") && t.byDef[el.TypeName] == nil {
			if el.Assoc() == nil {
				t.unknown(el.TypeName)
			}
			return nil
		}
		ref = []string{el.TypeName}
	}
	var base *Element
	var els Elements
	switch d := t.byDef[ref[0]].(type) {
	case *TypeDef:
		base = d.Type
	case *AnnotationDef:
		base = d.Type
	case *Event:
		base = d.Type
	case *Entity:
		els = d.Elements
		base = &Element{TypeName: d.Name, Type: &Struct{d.Elements}}
		t.state[base] = 2
	case *Aspect:
		els = d.Elements
		base = &Element{TypeName: d.Name, Type: &Struct{d.Elements}}
		t.state[base] = 2
	default:
		t.unknown(ref[0])
		return nil
	}
	t.element(base)
	for _, step := range ref[1:] {
		if base != nil {
			switch ty := base.Type.(type) {
			case *Struct:
				els = ty.Elements
			case *Assoc:
				if target, ok := t.byDef[ty.TargetName].(*Entity); ok {
					els = target.Elements
				}
			}
		}
		if base = els.Lookup(step); base == nil {
			t.unknown(strings.Join(ref, ":"))
			return nil
		}
		els = nil
		t.element(base)
	}
	return base
}

func (t *typeResolver) unknown(name string) {
	t.bad(codeUnknownType, nil, "unknown type %q in %s", name, t.home)
}
