package csn

// A cloner copies the definitions of a model as far as Freeze changes them, so that another model can be made of them. Expressions, queries,
// annotations and builtin types are shared.
type cloner struct{}

func (c cloner) definition(d Definition) Definition {
	switch d := d.(type) {
	case *Service:
		return &Service{Def: d.Def, Source: d.Source}
	case *Entity:
		return c.entity(d)
	case *Aspect:
		x := *d
		x.Elements, x.Actions = c.elements(d.Elements, 0), c.operations(d.Actions)
		return &x
	case *TypeDef:
		x := *d
		x.Type = c.element(d.Type, 0)
		return &x
	case *Event:
		x := *d
		x.Type = c.element(d.Type, 0)
		return &x
	case *Operation:
		return c.operation(d)
	case *AnnotationDef:
		x := *d
		return &x
	case *Context:
		x := *d
		return &x
	}
	return d
}

// entity copies what was defined; Freeze computes the rest.
func (c cloner) entity(e *Entity) *Entity {
	return &Entity{Def: e.Def, Exposure: e.Exposure, Includes: e.Includes, Params: c.elements(e.Params, 0), Elements: c.elements(e.Elements, 0),
		Actions: c.operations(e.Actions), Source: e.Source, Projection: e.Projection}
}

func (c cloner) operations(ops []*Operation) []*Operation {
	var out []*Operation
	for _, o := range ops {
		out = append(out, c.operation(o))
	}
	return out
}

func (c cloner) operation(o *Operation) *Operation {
	x := *o
	x.Entity, x.Service = nil, nil
	x.Params, x.Returns = c.elements(o.Params, 0), c.element(o.Returns, 0)
	return &x
}

func (c cloner) elements(els Elements, depth int) Elements {
	var out Elements
	for _, el := range els {
		out = append(out, c.element(el, depth))
	}
	return out
}

func (c cloner) element(el *Element, depth int) *Element {
	if el == nil || depth > maxDepth {
		return el
	}
	x := *el
	x.ID, x.Owner, x.path, x.ForeignKey, x.Origin = 0, nil, nil, nil, nil
	switch t := el.Type.(type) {
	case *Struct:
		x.Type = &Struct{c.elements(t.Elements, depth+1)}
	case *Array:
		x.Type = &Array{c.element(t.Items, depth+1)}
	case *Assoc:
		a := *t
		a.FK, a.FKTarget, a.Join, a.Pairs, a.Rest, a.Backlink = nil, nil, nil, nil, nil, nil
		x.Type = &a
	}
	return &x
}
