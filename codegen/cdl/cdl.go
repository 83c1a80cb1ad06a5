// Package cdl writes CSN as CDL, the language of .cds files, in one text. It takes the flavours of sources (parsed, xtended): what the
// compiler infers would be inferred again. The text compiles to the same model. Names are absolute, so services and contexts need no blocks.
package cdl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// maxDepth bounds nested types, queries and expressions.
const maxDepth = 200

// Generate returns a CSN document as CDL. Errors are a text that is no JSON or nested too deeply, and what CDL has no words for.
func Generate(csn []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(csn))
	dec.UseNumber()
	v, err := decode(dec, 0)
	if err != nil {
		return nil, fmt.Errorf("the CSN can't be read: %w", err)
	}
	root, ok := v.(*obj)
	if !ok {
		return nil, fmt.Errorf("the CSN is no object")
	}
	w := &writer{}
	w.model(root)
	return w.b.Bytes(), w.err
}

// An obj is a JSON object in its order.
type obj struct {
	keys []string
	vals map[string]any
}

func (o *obj) get(key string) any {
	if o == nil {
		return nil
	}
	return o.vals[key]
}

func (o *obj) obj(key string) *obj     { v, _ := o.get(key).(*obj); return v }
func (o *obj) list(key string) []any   { v, _ := o.get(key).([]any); return v }
func (o *obj) str(key string) string   { v, _ := o.get(key).(string); return v }
func (o *obj) is(key string) bool      { v, _ := o.get(key).(bool); return v }
func (o *obj) has(key string) bool     { return o != nil && o.vals[key] != nil }
func (o *obj) present(key string) bool { return o != nil && slices.Contains(o.keys, key) }

// names returns the members' names in their order. All methods take a missing object for one without members.
func (o *obj) names() []string {
	if o == nil {
		return nil
	}
	return o.keys
}

// decode reads a JSON value: *obj, []any, string, json.Number, bool or nil.
func decode(dec *json.Decoder, depth int) (any, error) {
	if depth > 2*maxDepth {
		return nil, fmt.Errorf("it is nested more than %d levels deep", 2*maxDepth)
	}
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('{'):
		o := &obj{vals: map[string]any{}}
		for dec.More() {
			k, err := dec.Token()
			if err != nil {
				return nil, err
			}
			v, err := decode(dec, depth+1)
			if err != nil {
				return nil, err
			}
			key, _ := k.(string)
			if _, twice := o.vals[key]; !twice {
				o.keys = append(o.keys, key)
			}
			o.vals[key] = v
		}
		_, err := dec.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := decode(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	}
	return t, nil
}

type writer struct {
	b     bytes.Buffer
	err   error  // the first thing that can't be written
	ns    string // namespace with a dot at its end; "" for none
	depth int
}

func (w *writer) add(parts ...string) {
	for _, p := range parts {
		w.b.WriteString(p)
	}
}

func (w *writer) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

// enter counts levels of nesting. What lies too deep is left out, with an error.
func (w *writer) enter() (ok bool, leave func()) {
	w.depth++
	if w.depth > maxDepth {
		w.fail("the model is nested more than %d levels deep", maxDepth)
	}
	return w.depth <= maxDepth, func() { w.depth-- }
}

func (w *writer) line(indent int) { w.add("\n", strings.Repeat("  ", indent)) }

func (w *writer) model(root *obj) {
	defs := root.obj("definitions")
	if ns := root.str("namespace"); ns != "" && fits(ns, defs) {
		w.add("namespace ", path(ns), ";\n")
		w.ns = ns + "."
	}
	for _, r := range root.list("requires") {
		if s, ok := r.(string); ok {
			w.add("using from ", quote(s), ";\n")
		}
	}
	if defs != nil {
		for _, name := range defs.names() {
			if d := defs.obj(name); d != nil {
				w.definition(name, d)
			}
		}
	}
	for _, x := range root.list("extensions") {
		if o, ok := x.(*obj); ok {
			w.extension(o)
		}
	}
}

// fits reports whether a namespace can be said: all definitions lie in it, and none of them hides its beginning.
func fits(ns string, defs *obj) bool {
	if defs == nil {
		return true
	}
	first, _, _ := strings.Cut(ns, ".")
	for _, name := range defs.names() {
		local, ok := strings.CutPrefix(name, ns+".")
		if head, _, _ := strings.Cut(local, "."); !ok || head == first {
			return false
		}
	}
	return true
}

func (w *writer) definition(name string, d *obj) {
	w.add("\n")
	w.notes(d, 0)
	local := path(strings.TrimPrefix(name, w.ns))
	switch kind := d.str("kind"); kind {
	case "service", "context":
		w.add(kind, " ", local, " { }\n")
	case "entity":
		w.add("entity ", local)
		w.params(d.obj("params"), 0)
		w.includes(d)
		w.body(d)
		if acts := d.obj("actions"); acts != nil {
			w.add(" actions ")
			w.operations(acts, 0)
		}
		w.add(";\n")
	case "aspect":
		w.add("aspect ", local)
		w.includes(d)
		w.add(" ")
		w.elements(d.obj("elements"), 0)
		if acts := d.obj("actions"); acts != nil {
			w.add(" actions ")
			w.operations(acts, 0)
		}
		w.add(";\n")
	case "type", "event", "annotation":
		w.add(kind, " ", local)
		w.includes(d)
		switch {
		case d.has("projection") || d.has("query"):
			w.add(" :")
			w.query(d)
		case d.has("includes"):
			w.add(" ")
			w.elements(d.obj("elements"), 0)
		default:
			w.add(" : ")
			w.typ(d, 0)
			w.facts(d)
		}
		w.add(";\n")
	case "action", "function":
		w.operation(local, d, 0)
	default:
		w.fail("%s has the unknown kind %q", name, kind)
	}
}

func (w *writer) includes(d *obj) {
	for i, n := range d.list("includes") {
		if i == 0 {
			w.add(" : ")
		} else {
			w.add(", ")
		}
		s, _ := n.(string)
		w.add(path(s))
	}
}

// body writes the elements of a table or the query of a view.
func (w *writer) body(d *obj) {
	if d.has("projection") || d.has("query") {
		w.add(" as ")
		w.query(d)
		return
	}
	w.add(" ")
	w.elements(d.obj("elements"), 0)
}

func (w *writer) operations(ops *obj, indent int) {
	w.add("{")
	for _, name := range ops.names() {
		w.line(indent + 1)
		o := ops.obj(name)
		w.notes(o, indent+1)
		w.operation(path(name), o, indent+1)
	}
	w.line(indent)
	w.add("}")
}

func (w *writer) operation(name string, o *obj, indent int) {
	w.add(o.str("kind"), " ", name)
	if o.has("params") {
		w.params(o.obj("params"), indent)
	} else {
		w.add("()")
	}
	if r := o.obj("returns"); r != nil {
		w.add(" returns ")
		w.notes(r, -1)
		w.typ(r, indent)
		w.facts(r)
	}
	w.add(";\n")
}

func (w *writer) params(ps *obj, indent int) {
	if ps == nil {
		return
	}
	w.add("(")
	for i, name := range ps.names() {
		if i > 0 {
			w.add(", ")
		}
		p := ps.obj(name)
		w.notes(p, -1)
		w.add(id(name), " : ")
		w.typ(p, indent)
		w.facts(p)
	}
	w.add(")")
}

// elements writes a block of elements.
func (w *writer) elements(els *obj, indent int) {
	ok, leave := w.enter()
	defer leave()
	w.add("{")
	if els != nil && ok {
		for _, name := range els.names() {
			w.line(indent + 1)
			w.element(name, els.obj(name), indent+1)
			w.add(";")
		}
		w.line(indent)
	}
	w.add("}")
}

func (w *writer) element(name string, el *obj, indent int) {
	w.notes(el, indent)
	for _, f := range []string{"key", "virtual", "masked"} {
		if el.is(f) {
			w.add(f, " ")
		}
	}
	w.add(id(name))
	if hasType(el) {
		w.add(" : ")
		w.typ(el, indent)
	}
	w.facts(el)
	if v := el.obj("value"); v != nil {
		w.add(" = ")
		w.operand(v, true)
		if v.is("stored") {
			w.add(" stored")
		}
	}
}

func hasType(el *obj) bool {
	return el.has("type") || el.has("elements") || el.has("items") || el.has("target")
}

// facts writes default and nullability.
func (w *writer) facts(el *obj) {
	if d := el.obj("default"); d != nil {
		w.add(" default ")
		w.operand(d, false)
	}
	if v, ok := el.get("notNull").(bool); ok && v {
		w.add(" not null")
	} else if ok {
		w.add(" null")
	}
}
