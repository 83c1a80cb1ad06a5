package authz

import (
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// A payloadPart is what a part of an event's payload shows: an element, with what is in it.
type payloadPart struct {
	rules *rules                  // nil for none
	in    map[string]*payloadPart // of a structure and of the key of an association: names that are not here are left out
	items *payloadPart            // of an array
	plain bool                    // a value without elements
	open  bool                    // a value with whatever names it has
}

// A payloadReader finds the parts of a payload, and their restrictions: an element's own, or those of the element that it is of the type of, at any depth.
type payloadReader struct {
	p     *policy
	n     *normalizer
	m     *csn.Model
	named []csn.Annotations
	found bool // something is restricted, or may hold more than is shown
	known map[payloadType]*payloadPart
}

// A payloadType is a structure, and the element of an entity that it is the type of.
type payloadType struct {
	of     *csn.Struct
	entity *csn.Entity
	path   string
}

// An origin is the element of an entity that a part of a payload is of the type of.
type origin struct {
	entity *csn.Entity // nil for none
	path   []string    // empty for a row of the entity, and without one
}

// element returns the flat or structured element, nil if there is none.
func (o origin) element() *csn.Element {
	if len(o.path) == 0 {
		return nil
	}
	if el := o.entity.Flat.Lookup(strings.Join(o.path, "_")); el != nil {
		return el
	}
	if len(o.path) == 1 {
		return o.entity.Elements.Lookup(o.path[0])
	}
	return nil
}

// structure returns the structure at the end of the path that is within another one, nil if there is none.
func (o origin) structure() *csn.Element {
	if len(o.path) < 2 {
		return nil
	}
	var el *csn.Element
	in := o.entity.Elements
	for _, name := range o.path {
		if el = in.Lookup(name); el == nil {
			return nil
		}
		in = nil
		if st, ok := el.Type.(*csn.Struct); ok {
			in = st.Elements
		}
	}
	return el
}

func (o origin) step(name string) origin {
	if o.entity == nil {
		return o
	}
	return origin{o.entity, append(o.path[:len(o.path):len(o.path)], name)}
}

// part reads an element; on is its name in messages, within what it is in.
func (r *payloadReader) part(on string, within *csn.Entity, el *csn.Element, from origin, depth int) *payloadPart {
	out := &payloadPart{}
	if from.element() == nil {
		if o, ok := r.declared(el, 0); ok {
			from = o
		}
		out.rules = r.own(on, within, el, r.named)
		if st := from.structure(); st != nil && out.rules == nil {
			out.rules = r.own(on, from.entity, st, namedBy(from.entity))
		}
	}
	if out.rules == nil {
		out.rules = r.p.elements[from.element()]
	}
	r.found = r.found || out.rules != nil
	r.content(out, on, el, from, depth)
	return out
}

// own reads the restriction of an element itself; nil if it has none.
func (r *payloadReader) own(on string, within *csn.Entity, el *csn.Element, named []csn.Annotations) *rules {
	res := resource{what: "element", on: on, events: true, loose: true, named: named}
	if own := r.n.masked(res, within, el, r.n.rules(res, &el.Def)); own != nil {
		return r.p.askFirst(r.p.keep(own))
	}
	return nil
}

// content reads what is in an element.
func (r *payloadReader) content(out *payloadPart, on string, el *csn.Element, from origin, depth int) {
	if depth > maxDepth { // nothing of it is shown
		r.found = true
		return
	}
	switch t := el.Type.(type) {
	case *csn.Builtin:
		out.plain, out.open = true, t.Kind == csn.Map
	case *csn.Struct:
		r.structure(out, on, t, from, depth)
	case *csn.Array:
		if t.Items != nil {
			out.items = r.part(on, &csn.Entity{}, t.Items, origin{}, depth+1)
		}
	case *csn.Assoc: // what else it leads to are rows of others, whose conditions nobody has asked
		r.found, out.in = true, r.key(t)
	default:
		r.found = true
	}
}

func (r *payloadReader) structure(out *payloadPart, on string, t *csn.Struct, from origin, depth int) {
	key := payloadType{t, from.entity, strings.Join(from.path, "_")}
	if known := r.known[key]; known != nil { // a type that is used often is read once
		out.in = known.in
		return
	}
	out.in = make(map[string]*payloadPart, len(t.Elements))
	r.known[key] = out
	within := plainElements(t.Elements)
	for _, el := range t.Elements {
		out.in[el.Name] = r.part(on+"."+el.Name, within, el, from.step(el.Name), depth+1)
	}
}

// declared returns the element of an entity that another element has its type from, over named types; ok is false for an element with a type of its own.
func (r *payloadReader) declared(el *csn.Element, depth int) (o origin, ok bool) {
	if depth > maxDepth {
		return origin{}, false
	}
	if t := el.TypeOf(); t != nil && len(t.Path) > 1 {
		switch d := r.m.Lookup(t.Path[0]).(type) {
		case *csn.Entity:
			return along(d, t.Path[1:]), true
		case *csn.TypeDef:
			return r.within(d.Type, t.Path[1:], depth)
		case *csn.Event:
			return r.within(d.Type, t.Path[1:], depth)
		case *csn.Aspect:
			return r.within(&csn.Element{Type: &csn.Struct{Elements: d.Elements}}, t.Path[1:], depth)
		}
		return origin{}, false
	}
	switch d := r.m.Lookup(el.TypeName).(type) {
	case *csn.Entity: // a row of it
		return origin{entity: d}, true
	case *csn.TypeDef:
		if d.Type != nil {
			return r.declared(d.Type, depth+1)
		}
	}
	return origin{}, false
}

// within follows a path into a type, to what the element at its end was declared by.
func (r *payloadReader) within(el *csn.Element, path []string, depth int) (o origin, ok bool) {
	for i, name := range path {
		if el == nil {
			return origin{}, false
		}
		if o, _ := r.declared(el, depth+1); o.entity != nil {
			return along(o.entity, append(o.path[:len(o.path):len(o.path)], path[i:]...)), true
		}
		st, _ := el.Type.(*csn.Struct)
		if st == nil {
			return origin{}, false
		}
		el = st.Elements.Lookup(name)
	}
	if el == nil {
		return origin{}, false
	}
	return r.declared(el, depth+1)
}

// key has the parts of the key that a managed association refers to a row by.
func (r *payloadReader) key(t *csn.Assoc) map[string]*payloadPart {
	out := map[string]*payloadPart{}
	if t.Target == nil || t.On != nil || t.Many {
		return out
	}
	for _, k := range t.Keys {
		if to := (origin{t.Target, k.Ref}).element(); to != nil && to.Scalar() != nil {
			out[keyName(k)] = &payloadPart{rules: r.p.elements[to], plain: true}
		}
	}
	if len(t.Keys) == 0 { // outside entities they are not spelt out
		for _, to := range t.Target.Keys {
			out[to.Name] = &payloadPart{rules: r.p.elements[to], plain: true}
		}
	}
	return out
}

// keyName is what an association's value calls a part of the key.
func keyName(k csn.ForeignKey) string {
	if k.As != "" {
		return k.As
	}
	return strings.Join(k.Ref, "_")
}

// along follows a path through associations.
func along(e *csn.Entity, path []string) origin {
	o := origin{entity: e}
	for i, name := range path {
		o = o.step(name)
		if el := o.element(); el != nil && el.Assoc() != nil && i < len(path)-1 {
			o = origin{entity: el.Assoc().Target}
		}
	}
	return o
}

// shown returns what a user is shown of a value; false for nothing.
func (part *payloadPart) shown(g *guard, v cqn.Value) (cqn.Value, bool) {
	if part == nil || !part.rules.match(g.s, Read).ok {
		return cqn.Null, false
	}
	switch {
	case v.IsNull():
		return v, true
	case part.plain:
		return v, part.open || !structured(v)
	case part.items != nil:
		return part.items.list(g, v)
	case v.Kind() == cqn.KindRow:
		return cqn.OfRow(part.row(g, v.Row())), true
	}
	return cqn.Null, false
}

// row returns what is shown of a structure.
func (part *payloadPart) row(g *guard, r *cqn.Row) *cqn.Row {
	out := cqn.NewRow()
	for _, f := range r.Fields() {
		if v, ok := part.in[f.Name].shown(g, f.Value); ok {
			out.Set(f.Name, v)
		}
	}
	return out
}

// list returns what is shown of the values in a list.
func (part *payloadPart) list(g *guard, v cqn.Value) (cqn.Value, bool) {
	switch v.Kind() {
	case cqn.KindRows:
		rows := make([]*cqn.Row, 0, len(v.Rows()))
		for _, r := range v.Rows() {
			if x, ok := part.shown(g, cqn.OfRow(r)); ok && x.Row() != nil {
				rows = append(rows, x.Row())
			}
		}
		return cqn.OfRows(rows), true
	case cqn.KindList:
		all := make([]cqn.Value, 0, len(v.List()))
		for _, x := range v.List() {
			if x, ok := part.shown(g, x); ok {
				all = append(all, x)
			}
		}
		return cqn.List(all), true
	}
	return cqn.Null, false
}

// structured reports whether a value has elements of its own.
func structured(v cqn.Value) bool { return v.Kind() == cqn.KindRow || v.Kind() == cqn.KindRows }
