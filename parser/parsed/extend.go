package parsed

import (
	"slices"
	"strings"

	"cds/parser/ast"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/link"
)

func (w *writer) add(kind, name string) *obj {
	o := newObj().set(kind, name)
	w.exts = append(w.exts, extension{name, o})
	return o
}

func (w *writer) extend(s *scope, n *ast.Extend, depth int) {
	name := s.name(n.Name.Text)
	if name == "" {
		return
	}
	m := &member{w: w, s: s, def: name}
	o := w.add("extend", name)
	at := o
	if n.ElementPath != nil {
		at = elementAt(o, n.ElementPath.Text, "extend")
	}
	w.notes(at, n.Doc, n.Annos)
	w.includes(at, s, n.Includes)
	m.extendElements(at, n.Elements, 0)
	m.actions(at, n.Actions)
	if len(n.Columns) > 0 {
		at.set("columns", m.columns(n.Columns, 0))
	}
	excluding(at, n.Excluding)
	if len(n.Enum) > 0 {
		m.enum(at, n.Enum)
	}
	facets(at, n.TypeArgs)
	if len(n.Decls) > 0 {
		inner := w.block(s, name, n.Decls)
		for known := range w.known { // everything of the extended definition is visible
			if rest, ok := strings.CutPrefix(known, name+"."); ok {
				first, _, _ := strings.Cut(rest, ".")
				inner.names[first] = name + "." + first
			}
		}
		w.decls(inner, n.Decls, depth+1)
	}
}

// facets sets the facets of a type that an extension enlarges.
func facets(o *obj, args map[string]string) {
	for _, k := range []string{"length", "precision", "scale", "srid"} {
		if a, ok := args[k]; ok {
			o.set(k, arg(a))
		}
	}
}

// elementAt makes the way from a definition to an element inside it.
func elementAt(o *obj, path, kind string) *obj {
	for _, step := range strings.Split(path, ".") {
		o = o.child("elements").child(step)
		if kind != "" {
			o.set(kind, step)
		}
	}
	return o
}

func (m *member) extendElements(o *obj, els []*ast.Element, depth int) {
	if len(els) == 0 || depth > maxDepth {
		return
	}
	c := o.child("elements")
	for _, el := range els {
		if !el.ExtendOnly {
			c.set(el.Name.Text, m.element(el, 0))
			continue
		}
		x := newObj().set("extend", el.Name.Text)
		m.w.notes(x, el.Doc, el.Annos)
		m.typ(x, el.Type, 0)
		if el.Type != nil {
			facets(x, el.Type.NamedArgs)
		}
		m.extendElements(x, el.Elements, depth+1)
		c.set(el.Name.Text, x)
	}
}

func (w *writer) annotate(s *scope, n *ast.Annotate) {
	name := s.name(n.Name.Text)
	if name == "" {
		return
	}
	o := w.add("annotate", name)
	at := o
	if n.ElementPath != nil {
		at = elementAt(o, n.ElementPath.Text, "")
	}
	w.notes(at, n.Doc, n.Annos)
	w.annotateElements(at, "elements", n.Elements, 0)
	w.annotateElements(at, "params", n.Params, 0)
	if n.Returns != nil {
		w.annotateElement(at.child("returns"), n.Returns, 0)
	}
	for _, op := range n.Actions {
		a := at.child("actions").child(op.Name.Text)
		w.notes(a, op.Doc, op.Annos)
		w.annotateElements(a, "params", op.Params, 0)
		if len(op.ReturnsAnnos) > 0 {
			w.notes(a.child("returns"), "", op.ReturnsAnnos)
		}
	}
}

func (w *writer) annotateElements(o *obj, key string, els []*ast.Element, depth int) {
	if depth > maxDepth {
		return
	}
	for _, el := range els {
		w.annotateElement(o.child(key).child(el.Name.Text), el, depth)
	}
}

func (w *writer) annotateElement(o *obj, el *ast.Element, depth int) {
	w.notes(o, el.Doc, el.Annos)
	w.annotateElements(o, "elements", el.Elements, depth+1)
}

// merge puts the extensions of known definitions into these. Others stay.
func (w *writer) merge() {
	rest := w.exts[:0]
	for _, e := range w.exts {
		d, ok := w.defs.vals[e.name].(*obj)
		if !ok {
			rest = append(rest, e)
			continue
		}
		mergeInto(d, e.o, 0)
	}
	w.exts = rest
}

// mergeInto adds the properties of an extension to a definition or element.
func mergeInto(d, ext *obj, depth int) {
	if depth > maxDepth {
		return
	}
	for _, k := range ext.keys {
		v := ext.vals[k]
		switch {
		case k == "extend" || k == "annotate":
		case strings.HasPrefix(k, "@"):
			n := v.(note)
			old, _ := d.vals[k].(note)
			d.set(k, note{link.FillEllipsis(n.v, old.v)})
		case k == "includes" || k == "columns" || k == "excluding":
			mergeList(bodyOf(d, k), k, v.([]any))
		default:
			sub, ok := v.(*obj)
			old, have := d.vals[k].(*obj)
			switch {
			case ok && have:
				mergeInto(old, sub, depth+1)
			case ok && k == "elements" && d.vals["enum"] != nil: // symbols are annotated as elements are
				if enum, ok := d.vals["enum"].(*obj); ok {
					mergeInto(enum, sub, depth+1)
				}
			case ok && k == "elements" && d.vals["items"] != nil:
				if items, ok := d.vals["items"].(*obj); ok {
					mergeInto(items, newObj().set(k, v), depth+1)
				}
			default:
				d.set(k, v)
			}
		}
	}
}

// bodyOf returns where a list of an extension belongs: columns to the query.
func bodyOf(d *obj, key string) *obj {
	if key == "includes" {
		return d
	}
	if p, ok := d.vals["projection"].(*obj); ok {
		return p
	}
	if q, ok := d.vals["query"].(*obj); ok {
		if s, ok := q.vals["SELECT"].(*obj); ok {
			return s
		}
	}
	return d
}

func mergeList(o *obj, key string, more []any) {
	old, had := o.vals[key].([]any)
	if !had && key == "columns" {
		old = []any{"*"}
	}
	o.set(key, append(slices.Clip(old), more...))
}

// value returns the JSON of an annotation.
func (n note) value() []byte {
	if n.v == nil {
		return csn.AnnotationJSON(&cqn.AnnoValue{})
	}
	return csn.AnnotationJSON(n.v)
}
