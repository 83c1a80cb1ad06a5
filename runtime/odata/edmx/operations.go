package edmx

import (
	"strings"

	"cds/parser/csn"
	"cds/runtime/odata/internal/edm"
)

// operations writes actions and functions: bound ones in order of their entities, then unbound ones.
func (w *writer) operations() {
	for _, e := range w.exposed() {
		for _, o := range e.Actions {
			if w.opt.View.Operation(o) {
				w.operation(o, e)
			}
		}
	}
	for _, o := range w.s.Ops {
		if w.opt.View.Operation(o) {
			w.operation(o, nil)
		}
	}
}

func (w *writer) operation(o *csn.Operation, e *csn.Entity) {
	tag, attrs := "Action", []string{"Name", o.LocalName(), "IsBound", "false"}
	if e != nil {
		attrs[3] = "true"
	}
	if o.Function {
		tag = "Function"
		attrs = append(attrs, "IsComposable", "false")
	}
	if e != nil && w.returned(o) == e {
		attrs = append(attrs, "EntitySetPath", binding(o))
	}
	w.nest(tag, attrs, func() {
		if e != nil {
			if o.Collection {
				w.empty("Parameter", "Name", binding(o), "Type", "Collection("+w.entityType(e)+")", "Nullable", "true")
			} else {
				w.empty("Parameter", "Name", binding(o), "Type", w.entityType(e))
			}
		}
		for _, p := range o.Params {
			typ, f := w.typeOf(w.paramType("ap_", o, e)+"_"+p.Name, p)
			attrs := append([]string{"Name", p.Name, "Type", typ}, f...)
			if _, many := p.Type.(*csn.Array); many && !p.NotNull {
				attrs = append(attrs, "Nullable", "true")
			} else if p.NotNull {
				attrs = append(attrs, "Nullable", "false")
			}
			w.empty("Parameter", attrs...)
		}
		if o.Returns != nil {
			typ, f := w.typeOf(w.paramType("return_", o, e), o.Returns)
			attrs := append([]string{"Type", typ}, f...)
			if _, many := o.Returns.Type.(*csn.Array); many && w.returned(o) == nil && !o.Returns.NotNull {
				attrs = append(attrs, "Nullable", "true")
			} else if o.Returns.NotNull {
				attrs = append(attrs, "Nullable", "false")
			}
			w.empty("ReturnType", attrs...)
		}
	})
}

func binding(o *csn.Operation) string {
	if o.Binding != "" {
		return o.Binding
	}
	return "in"
}

// paramType returns the beginning of the name of the complex type for an anonymous structure of an operation.
func (w *writer) paramType(prefix string, o *csn.Operation, e *csn.Entity) string {
	name := prefix + strings.ReplaceAll(w.s.Name, ".", "_") + "_"
	if e != nil {
		name += SetName(e) + "_"
	}
	return name + o.LocalName()
}

// ReturnType returns the name of the Edm type that an operation returns, without "Collection(…)", as context URLs show it.
func ReturnType(s *csn.Service, o *csn.Operation) string {
	el := o.Returns
	if a, ok := el.Type.(*csn.Array); ok && a.Items != nil {
		el = a.Items
	}
	switch t := el.Type.(type) {
	case *csn.Builtin:
		return edm.TypeName(t)
	case *csn.Assoc:
		if t.Target != nil {
			return s.Name + "." + SetName(t.Target)
		}
	case *csn.Struct:
		w := &writer{s: s, complex: map[string]bool{}}
		return w.complexType(w.paramType("return_", o, o.Entity), el, t)
	}
	return "Edm.Untyped"
}

// signature returns what annotations of an operation's parameters are addressed by: overloads of functions by their parameter types.
func (w *writer) signature(o *csn.Operation, e *csn.Entity) string {
	var types []string
	if e != nil {
		t := w.entityType(e)
		if o.Collection {
			t = "Collection(" + t + ")"
		}
		types = append(types, t)
	}
	if o.Function {
		for _, p := range o.Params {
			t, _ := w.typeOf(w.paramType("ap_", o, e)+"_"+p.Name, p)
			types = append(types, t)
		}
	}
	return w.s.Name + "." + o.LocalName() + "(" + strings.Join(types, ",") + ")"
}

// EntityOf returns the entity of the service that an element's type, or the items of its array type, name; nil for none.
func EntityOf(s *csn.Service, el *csn.Element) *csn.Entity {
	if el == nil {
		return nil
	}
	if a, ok := el.Type.(*csn.Array); ok && a.Items != nil {
		el = a.Items
	}
	if a := el.Assoc(); a != nil {
		return a.Target
	}
	if el.TypeName == "" {
		return nil
	}
	for _, e := range s.Entities {
		if e.Name == el.TypeName {
			return e
		}
	}
	return nil
}
