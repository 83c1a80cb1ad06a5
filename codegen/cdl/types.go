package cdl

import (
	"encoding/json"
	"strings"
)

// typ writes what stands behind the colon.
func (w *writer) typ(el *obj, indent int) {
	ok, leave := w.enter()
	defer leave()
	if !ok {
		return
	}
	if el.is("localized") {
		w.add("localized ")
	}
	t := el.str("type")
	switch {
	case (t == "cds.Association" || t == "cds.Composition") && el.has("target"):
		w.assoc(t, el, indent)
	case t != "":
		if t == "$self" {
			w.add(t)
		} else {
			w.add(path(t))
		}
		w.args(t, el)
	case el.obj("type") != nil:
		w.typeOf(el.obj("type").list("ref"))
	case el.has("items"):
		items := el.obj("items")
		w.add("many ")
		w.typ(items, indent)
		w.facts(items)
	default:
		w.elements(el.obj("elements"), indent)
	}
	if enum := el.obj("enum"); enum != nil {
		w.enum(enum, indent)
	}
}

func (w *writer) args(t string, el *obj) {
	var list []string
	keys := []string{"length", "srid"}
	if el.has("precision") || t == "cds.Decimal" {
		keys = []string{"precision", "scale"}
	}
	for _, k := range keys {
		switch v := el.get(k).(type) {
		case json.Number:
			list = append(list, v.String())
		case string:
			list = append(list, v)
		}
	}
	if len(list) > 0 {
		w.add("(", strings.Join(list, ", "), ")")
	}
}

func (w *writer) typeOf(ref []any) {
	w.add("type of ")
	for i, s := range ref {
		name, _ := s.(string)
		switch i {
		case 0:
			w.add(path(name))
			continue
		case 1:
			w.add(":")
		default:
			w.add(".")
		}
		w.add(id(name))
	}
}

func (w *writer) enum(symbols *obj, indent int) {
	w.add(" enum {")
	for _, name := range symbols.names() {
		s := symbols.obj(name)
		w.line(indent + 1)
		w.notes(s, indent+1)
		w.add(id(name))
		if s.present("val") || s.present("#") {
			w.add(" = ")
			w.operand(s, false)
		}
		w.add(";")
	}
	w.line(indent)
	w.add("}")
}

func (w *writer) assoc(t string, el *obj, indent int) {
	w.add(strings.TrimPrefix(t, "cds."))
	c := el.obj("cardinality")
	max := number(c.get("max"))
	simple := c == nil || !c.has("src") && !c.has("min") && (max == "*" || max == "1")
	if !simple {
		w.add("[")
		if s := number(c.get("src")); s != "" {
			w.add(s, ", ")
		}
		if s := number(c.get("min")); s != "" {
			w.add(s, "..")
		}
		if max == "" {
			max = "1"
		}
		w.add(max, "]")
	}
	if t == "cds.Composition" {
		w.add(" of ")
	} else {
		w.add(" to ")
	}
	if c != nil && simple {
		w.add(map[string]string{"*": "many ", "1": "one "}[max])
	}
	if parts := el.obj("target"); parts != nil {
		w.elements(parts.obj("elements"), indent)
		return
	}
	w.add(path(el.str("target")))
	w.condition(el)
}

// condition writes the ON condition or the foreign keys of an association.
func (w *writer) condition(el *obj) {
	switch {
	case el.has("on"):
		w.add(" on ")
		w.tokens(el.list("on"))
	case el.has("keys"):
		w.add(" { ")
		for i, k := range el.list("keys") {
			if i > 0 {
				w.add(", ")
			}
			if o, ok := k.(*obj); ok {
				w.notes(o, -1)
				w.ref(o.list("ref"))
				if as := o.str("as"); as != "" {
					w.add(" as ", id(as))
				}
			}
		}
		w.add(" }")
	}
}

func number(v any) string {
	switch v := v.(type) {
	case json.Number:
		return v.String()
	case string:
		return v
	}
	return ""
}

// notes writes the doc comment and annotations before a thing: on lines of their own, or on the same line if indent is negative.
func (w *writer) notes(o *obj, indent int) {
	if o == nil {
		return
	}
	if indent >= 0 {
		w.doc(o, indent)
	}
	for _, k := range o.names() {
		name, ok := strings.CutPrefix(k, "@")
		if !ok {
			continue
		}
		w.add("@")
		w.annoName(name)
		if v := o.get(k); v != true {
			w.add(": ")
			w.anno(v)
		}
		w.add(" ")
	}
}

func (w *writer) doc(o *obj, indent int) {
	switch doc := o.str("doc"); {
	case doc != "":
		w.add("/**")
		for _, l := range strings.Split(strings.ReplaceAll(doc, "*/", "* /"), "\n") {
			w.line(indent)
			w.add(" * ", l)
		}
		w.line(indent)
		w.add(" */")
		w.line(indent)
	case o != nil && o.present("doc"):
		w.add("/** */")
		w.line(indent)
	}
}

// annoName writes a dotted name with a qualifier.
func (w *writer) annoName(name string) {
	name, qualifier, has := strings.Cut(name, "#")
	w.add(annoPath(name))
	if has {
		w.add("#", annoPath(qualifier))
	}
}

// annoPath keeps what annotations may have in names besides letters: a second '@' for annotations of annotations, and `$`.
func annoPath(name string) string {
	parts := strings.Split(name, ".")
	for i, p := range parts {
		bare := strings.TrimPrefix(p, "@")
		if !plain(bare) {
			parts[i] = p[:len(p)-len(bare)] + delimited(bare)
		}
	}
	return strings.Join(parts, ".")
}

func (w *writer) anno(v any) {
	ok, leave := w.enter()
	defer leave()
	if !ok {
		return
	}
	switch v := v.(type) {
	case *obj:
		w.annoObject(v)
	case []any:
		w.add("[")
		for i, x := range v {
			if i > 0 {
				w.add(", ")
			}
			w.anno(x)
		}
		w.add("]")
	default:
		w.constant(v, "")
	}
}

func (w *writer) annoObject(v *obj) {
	switch {
	case v.present("#") && len(v.names()) == 1:
		w.add("#", id(v.str("#")))
	case v.present("...") && len(v.names()) == 1:
		w.add("...")
		if v.get("...") != true {
			w.add(" up to ")
			w.anno(v.get("..."))
		}
	case v.present("=") && len(v.names()) == 1:
		w.add(v.str("="))
	case v.present("="):
		w.add("(", v.str("="), ")")
	case v.present("xpr") && len(v.names()) == 1:
		w.add("(")
		w.tokens(v.list("xpr"))
		w.add(")")
	default:
		w.add("{")
		for i, k := range v.names() {
			if i > 0 {
				w.add(", ")
			}
			w.annoName(k)
			w.add(": ")
			w.anno(v.get(k))
		}
		w.add("}")
	}
}
