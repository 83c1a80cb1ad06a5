package cdl

import (
	"encoding/json"
	"strings"
)

// tokens writes a list of tokens.
func (w *writer) tokens(list []any) {
	ok, leave := w.enter()
	defer leave()
	if !ok {
		return
	}
	for i, t := range list {
		if i > 0 {
			w.add(" ")
		}
		switch t := t.(type) {
		case string:
			w.add(t)
		case *obj:
			w.operand(t, false)
		}
	}
}

// operand writes an operand. Operators inside stand in brackets, unless bare is set.
func (w *writer) operand(o *obj, bare bool) {
	if c := o.obj("cast"); c != nil {
		w.add("cast(")
		w.plainOperand(o, true)
		w.add(" as ")
		w.typ(c, 0)
		w.add(")")
		return
	}
	w.plainOperand(o, bare)
}

// plainOperand is operand without its cast.
func (w *writer) plainOperand(o *obj, bare bool) {
	ok, leave := w.enter()
	defer leave()
	switch {
	case !ok:
	case o.present("ref"):
		if o.is("param") {
			w.add(":")
		}
		w.ref(o.list("ref"))
	case o.present("func"):
		w.call(o)
	case o.present("val"):
		w.constant(o.get("val"), o.str("literal"))
	case o.present("#"):
		w.add("#", id(o.str("#")))
	case o.present("list"):
		w.add("(")
		for i, x := range o.list("list") {
			if i > 0 {
				w.add(", ")
			}
			if x, ok := x.(*obj); ok {
				w.operand(x, true)
			}
		}
		w.add(")")
	case o.present("xpr"):
		if !bare {
			w.add("(")
		}
		w.tokens(o.list("xpr"))
		if !bare {
			w.add(")")
		}
	case o.present("SELECT") || o.present("SET"):
		w.add("(")
		w.queryOf(o)
		w.add(")")
	}
}

func (w *writer) ref(steps []any) {
	for i, s := range steps {
		if i > 0 {
			w.add(".")
		}
		w.step(s, false)
	}
}

// step writes one step of a path. The name of a definition may have dots.
func (w *writer) step(s any, definition bool) {
	name := func(n string) string {
		if definition {
			return path(n)
		}
		return id(n)
	}
	switch s := s.(type) {
	case string:
		w.add(name(s))
	case *obj:
		w.add(name(s.str("id")))
		if args := s.obj("args"); args != nil {
			w.add("(")
			for i, k := range args.names() {
				if i > 0 {
					w.add(", ")
				}
				w.add(id(k), ": ")
				if x := args.obj(k); x != nil {
					w.operand(x, true)
				}
			}
			w.add(")")
		}
		if s.has("where") {
			w.add("[")
			w.tokens(s.list("where"))
			w.add("]")
		}
	}
}

func (w *writer) call(o *obj) {
	w.add(o.str("func"))
	if o.present("args") {
		w.add("(")
		for i, a := range o.list("args") {
			if i > 0 {
				w.add(", ")
			}
			switch a := a.(type) {
			case string:
				w.add(a)
			case *obj:
				w.operand(a, true)
			}
		}
		w.add(")")
	}
	if over := o.list("xpr"); over != nil {
		w.add(" ")
		w.tokens(over)
	}
}

func (w *writer) constant(v any, literal string) {
	switch v := v.(type) {
	case nil:
		w.add("null")
	case bool:
		if v {
			w.add("true")
		} else {
			w.add("false")
		}
	case json.Number:
		w.add(v.String())
	case string:
		switch literal {
		case "date", "time", "timestamp", "x":
			w.add(literal)
		case "datetime":
			w.add("timestamp")
		}
		w.add(quote(v))
	}
}

// quote returns a string of CDL: in quotes if it fits on a line, else in back quotes with escapes.
func quote(s string) string {
	if !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == '\u2028' || c == '\u2029' }) {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	var b strings.Builder
	b.WriteByte('`')
	for _, c := range s {
		switch {
		case c == '`' || c == '\\' || c == '$':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString("\\n")
		case c == '\r':
			b.WriteString("\\r")
		case c == '\t':
			b.WriteString("\\t")
		case c < ' ' || c == '\u2028' || c == '\u2029':
			const hex = "0123456789abcdef"
			b.WriteString("\\u")
			for _, n := range []rune{c >> 12, c >> 8, c >> 4, c} {
				b.WriteByte(hex[n&15])
			}
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('`')
	return b.String()
}

// path writes a dotted name.
func path(name string) string {
	parts := strings.Split(name, ".")
	for i, p := range parts {
		parts[i] = id(p)
	}
	return strings.Join(parts, ".")
}

// id writes one name, delimited where it could be read as something else.
func id(name string) string {
	if strings.HasPrefix(name, "$") && plain(name[1:]) || plain(name) && !keywords[strings.ToLower(name)] {
		return name
	}
	return delimited(name)
}

func delimited(name string) string { return "![" + strings.ReplaceAll(name, "]", "]]") + "]" }

func plain(name string) bool {
	for i, c := range name {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '$')) {
			return false
		}
	}
	return name != ""
}
