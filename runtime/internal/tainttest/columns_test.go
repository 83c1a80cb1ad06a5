package tainttest

import (
	"fmt"
	"strings"

	"cds/parser/csn"
)

// columns returns a list of columns in braces: ID and g, and random ones.
func (m *maker) columns(fs []from, projection bool) string {
	f := fs[0]
	cols := []string{"key " + f.prefix + "ID as ID", f.prefix + "g as g"}
	exclude := ""
	if len(fs) == 1 && m.IntN(3) == 0 {
		cols = []string{"*"}
		exclude = pick(m.Rand, "", "", " excluding { v }", " excluding { w }")
	}
	var nums []string
	for i := range 2 + m.IntN(5) {
		name := fmt.Sprintf("c%d", i)
		x, num := m.column(pick(m.Rand, fs...), fs, name, nums, projection)
		if x == "" {
			continue
		}
		if num {
			nums = append(nums, name)
		}
		cols = append(cols, x)
	}
	return " { " + strings.Join(cols, ", ") + " }" + exclude
}

// column returns one column; num tells that it is a number and has the name.
func (m *maker) column(f from, fs []from, name string, nums []string, projection bool) (text string, num bool) {
	as := " as " + name
	switch m.IntN(20) {
	case 0, 1:
		return m.path(f, 2, false) + as, true
	case 2:
		m.features["cast by type"]++
		return m.path(f, 2, false) + as + " : " + pick(m.Rand, "Integer", "Integer64"), true
	case 3:
		m.features["cast"]++
		return "cast(" + m.path(f, 2, false) + " as String)" + as, false
	case 4, 5:
		m.features["expression"]++
		return m.num(fs, 3) + as + " : Integer", true
	case 6:
		m.features["text"]++
		if x := m.path(f, 2, true); x != "" {
			return pick(m.Rand, x+as, "coalesce("+x+", 'none')"+as+" : String", x+" || 'x'"+as+" : String", "concat("+x+", "+m.path(f, 1, false)+")"+as+" : String", x+as+" : String(40)"), false
		}
	case 7, 8:
		if el := m.assoc(f.el); el != nil {
			m.features["association"]++
			return pick(m.Rand, f.prefix+el.Name, f.prefix+el.Name+as, f.prefix+el.Name+as), false
		}
	case 9, 10, 11:
		if el := m.assoc(f.el); el != nil {
			return m.below(f, el, name, 2), false
		}
	case 12, 13:
		if el := m.structure(f.el); el != nil {
			return m.below(f, el, name, 2), false
		}
	case 14:
		if len(nums) > 0 {
			m.features["$self"]++
			x := "$self." + pick(m.Rand, nums...)
			return pick(m.Rand, x+as, x+" * 2"+as+" : Integer", x+" + "+m.num(fs, 1)+as+" : Integer", x+as+" : Integer"), true
		}
	case 15, 16:
		m.features["subquery"]++
		return m.subquery(f) + as + " : Integer", true
	case 17:
		if el := m.assoc(f.el); el != nil {
			m.features["exists"]++
			t := from{el: el.Assoc().Target.Elements, entity: el.Assoc().Target}
			return "case when exists " + f.prefix + el.Name + "[" + m.num([]from{t}, 1) + " > 4000] then 1 else 0 end" + as + " : Integer", true
		}
	case 18:
		if o := m.source(); !projection || m.IntN(2) == 0 {
			m.features["own association"]++
			return name + " : Association to " + o.Name + " on " + name + ".ID = " + pick(m.Rand, "$self.ID", "$self.g", "$projection.ID"), false
		}
	case 19:
		m.features["window"]++
		return pick(m.Rand, "sum", "max", "min") + "(" + m.num(fs, 1) + ") over (partition by " + f.prefix + "g)" + as + " : Integer", true
	}
	return "", false
}

// below returns columns from below a structure or an association.
func (m *maker) below(f from, el *csn.Element, name string, deep int) string {
	in := elementsOf(el)
	if in == nil {
		return ""
	}
	at := f.prefix + el.Name
	sub := from{el: in}
	if a := el.Assoc(); a != nil {
		sub.entity = a.Target
	}
	switch m.IntN(7) {
	case 0:
		m.features[".{*}"]++
		return at + ".{ * } excluding { ID, g" + pick(m.Rand, "", ", v") + " }"
	case 1:
		m.features["{*}"]++
		return at + pick(m.Rand, " as "+name, "") + " { * }"
	case 2, 3:
		m.features[".{}"]++
		return at + ".{ " + m.list(sub, name, deep) + " }"
	case 4, 5:
		m.features["{}"]++
		return at + pick(m.Rand, " as "+name, "") + " { " + m.list(sub, "n", deep) + " }"
	}
	if el.Assoc() == nil {
		return at + pick(m.Rand, "", " as "+name)
	}
	if x := m.assoc(in); x != nil {
		m.features["association of association"]++
		return at + "." + x.Name + " as " + name
	}
	return m.path(sub, 1, false) + " as " + name
}

// list returns nested columns.
func (m *maker) list(f from, name string, deep int) string {
	var cols []string
	for i := range 1 + m.IntN(2) {
		sub := fmt.Sprintf("%s_%d", name, i)
		x := pick(m.Rand, f.el...)
		switch k := m.IntN(4); {
		case k == 0 && deep > 0 && elementsOf(x) != nil:
			cols = append(cols, m.below(f, x, sub, deep-1))
			continue
		case k == 1:
			cols = append(cols, m.path(f, 1, false)+" as "+sub+" : Integer")
			continue
		}
		cols = append(cols, pick(m.Rand, x.Name+" as "+sub, m.path(f, 1, false)+" as "+sub))
	}
	return strings.Join(cols, ", ")
}

// subquery returns one number in parentheses.
func (m *maker) subquery(f from) string {
	o := m.source()
	t := from{el: o.Elements, entity: o, name: o.Name, prefix: "sq."}
	x := m.num([]from{t}, 1)
	if m.IntN(3) == 0 { // of the row around it
		x += " + " + m.path(f, 1, false)
	}
	if f.prefix == "" || m.IntN(2) == 0 {
		return "(select " + pick(m.Rand, "sum", "max", "count") + "(" + m.num([]from{t}, 2) + ") as z from " + o.Name + " as sq)"
	}
	return "(select max(" + x + ") as z from " + o.Name + " as sq where sq.ID = " + f.prefix + "ID)"
}

// num returns an expression that is a number.
func (m *maker) num(fs []from, deep int) string {
	p := func() string { return m.path(pick(m.Rand, fs...), 2, false) }
	if deep <= 0 {
		return p()
	}
	switch m.IntN(9) {
	case 0:
		return p() + pick(m.Rand, " + ", " - ", " * ") + p()
	case 1:
		return "case when " + p() + " > 4000 then 1 else " + p() + " end"
	case 2:
		return "coalesce(" + p() + ", " + p() + ")"
	case 3:
		return "abs(" + p() + ")"
	case 4:
		return "case " + p() + " when 1 then 2 else 3 end"
	case 5:
		return "(" + m.num(fs, deep-1) + ")"
	case 6:
		return "case when " + p() + " between 1 and 5000 or " + p() + " is null then 1 else 0 end"
	}
	return p()
}

// path returns a path to a number or, with text, to a text; "v" or "w" if it finds nothing else.
func (m *maker) path(f from, deep int, text bool) string {
	for range 6 {
		el := pick(m.Rand, f.el...)
		at := f.prefix + el.Name
		if el.Scalar() != nil && (isText(el) == text) {
			return at
		}
		if in := elementsOf(el); in != nil && deep > 0 {
			a := el.Assoc()
			if a != nil && a.Many && m.IntN(6) > 0 {
				continue
			}
			if a != nil && !a.Many && m.IntN(5) == 0 {
				m.features["filter in a path"]++
				t := from{el: in, entity: a.Target}
				at += "[" + pick(m.Rand, "ID > 1", m.path(t, 1, false)+" > 4000") + "]"
			}
			sub := from{el: in}
			if x := m.path(sub, deep-1, text); x != "" {
				m.features["path"]++
				return at + "." + x
			}
		}
	}
	for _, name := range []string{"g", "ID"} {
		if !text && f.el.Lookup(name) != nil {
			return f.prefix + name
		}
	}
	if text {
		return ""
	}
	return "1"
}

// elementsOf returns what is below an element; nil for nothing.
func elementsOf(el *csn.Element) csn.Elements {
	switch t := el.Type.(type) {
	case *csn.Struct:
		return t.Elements
	case *csn.Assoc:
		if t.Target != nil && !strings.HasSuffix(t.Target.Name, "texts") {
			return t.Target.Elements
		}
	}
	return nil
}

// assoc returns one of the associations; nil for none.
func (m *maker) assoc(els csn.Elements) *csn.Element {
	return m.some(els, func(el *csn.Element) bool { return el.Assoc() != nil && elementsOf(el) != nil })
}

func (m *maker) structure(els csn.Elements) *csn.Element {
	return m.some(els, func(el *csn.Element) bool { return el.Assoc() == nil && elementsOf(el) != nil })
}

func (m *maker) some(els csn.Elements, is func(*csn.Element) bool) *csn.Element {
	var all []*csn.Element
	for _, el := range els {
		if is(el) {
			all = append(all, el)
		}
	}
	if all == nil {
		return nil
	}
	return pick(m.Rand, all...)
}
