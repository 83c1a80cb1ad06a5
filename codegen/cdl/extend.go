package cdl

import (
	"encoding/json"
	"strings"
)

// extension writes an extend or annotate directive.
func (w *writer) extension(x *obj) {
	if name := x.str("extend"); name != "" {
		w.extend(path(name), x)
		return
	}
	w.annotate(x.str("annotate"), x)
}

// extend writes one directive for each kind of extension; order and effect are those of a single one.
func (w *writer) extend(at string, x *obj) {
	if hasNotes(x) {
		w.line(0)
		w.doc(x, 0)
		w.add("annotate ", at, " with ")
		w.notes(x, -1)
		w.add(";\n")
	}
	for _, n := range x.list("includes") {
		s, _ := n.(string)
		w.add("\nextend ", at, " with ", path(s), ";\n")
	}
	if els := x.obj("elements"); els != nil {
		w.extendElements(at, els)
	}
	if cols := x.list("columns"); len(cols) > 0 {
		w.add("\nextend ", at, " with columns ")
		w.columns(cols, 0)
		w.add(";\n")
	}
	if acts := x.obj("actions"); acts != nil {
		w.add("\nextend ", at, " with actions ")
		w.operations(acts, 0)
		w.add(";\n")
	}
	if syms := x.obj("enum"); syms != nil {
		w.add("\nextend ", at, " with")
		w.enum(syms, 0)
		w.add(";\n")
	}
	var args []string
	for _, k := range []string{"length", "precision", "scale", "srid"} {
		switch v := x.get(k).(type) {
		case json.Number:
			args = append(args, k+": "+v.String())
		case string:
			args = append(args, k+": "+v)
		}
	}
	if args != nil {
		w.add("\nextend ", at, " with (", strings.Join(args, ", "), ");\n")
	}
}

// extendElements writes new elements in one block and extensions of elements by directives of their own.
func (w *writer) extendElements(at string, els *obj) {
	ok, leave := w.enter()
	defer leave()
	if !ok {
		return
	}
	sep := ":"
	if strings.Contains(at, ":") {
		sep = "."
	}
	fresh := &obj{vals: map[string]any{}}
	for _, k := range els.names() {
		if el := els.obj(k); el.has("extend") && el.str("extend") == k {
			w.extend(at+sep+id(k), el)
		} else {
			fresh.keys = append(fresh.keys, k)
			fresh.vals[k] = el
		}
	}
	if len(fresh.names()) > 0 {
		w.add("\nextend ", at, " with ")
		w.elements(fresh, 0)
		w.add(";\n")
	}
}

func hasNotes(x *obj) bool {
	for _, k := range x.names() {
		if strings.HasPrefix(k, "@") || k == "doc" {
			return true
		}
	}
	return false
}

func (w *writer) annotate(name string, x *obj) {
	w.line(0)
	w.doc(x, 0)
	w.add("annotate ", path(name), " with ")
	w.notes(x, -1)
	if els := x.obj("elements"); els != nil {
		w.annotated(els, 0)
	}
	if acts := x.obj("actions"); acts != nil {
		w.add(" actions {")
		for _, k := range acts.names() {
			a := acts.obj(k)
			w.line(1)
			w.notes(a, -1)
			w.add(id(k))
			w.annotatedParams(a.obj("params"))
			w.annotatedReturns(a.obj("returns"))
			w.add(";")
		}
		w.add("\n}")
	}
	w.annotatedParams(x.obj("params"))
	w.annotatedReturns(x.obj("returns"))
	w.add(";\n")
}

func (w *writer) annotated(els *obj, indent int) {
	ok, leave := w.enter()
	defer leave()
	if !ok {
		return
	}
	w.add("{")
	for _, k := range els.names() {
		el := els.obj(k)
		w.line(indent + 1)
		w.notes(el, indent+1)
		w.add(id(k))
		if sub := el.obj("elements"); sub != nil {
			w.add(" ")
			w.annotated(sub, indent+1)
		}
		w.add(";")
	}
	w.line(indent)
	w.add("}")
}

func (w *writer) annotatedParams(ps *obj) {
	if ps == nil {
		return
	}
	w.add(" (")
	for i, k := range ps.names() {
		if i > 0 {
			w.add(", ")
		}
		w.notes(ps.obj(k), -1)
		w.add(id(k))
	}
	w.add(")")
}

func (w *writer) annotatedReturns(r *obj) {
	if r == nil {
		return
	}
	w.add(" returns ")
	if els := r.obj("elements"); els != nil {
		w.notes(r, -1)
		w.annotated(els, 0)
		return
	}
	w.notes(r, -1)
}
