package tainttest

import (
	"fmt"
	"strings"

	"cds/parser/csn"
)

// exposed shows tables in the service.
func (m *maker) exposed() {
	for _, t := range m.tables {
		if t.apart {
			continue
		}
		m.views = append(m.views, t.name)
		if m.IntN(4) == 0 {
			continue
		}
		name := "S" + strings.TrimPrefix(t.name, "d")
		how := pick(m.Rand, "projection on "+t.name, "projection on "+t.name, "select from "+t.name, "projection on "+t.name+" { *, v as vv }", "select from "+t.name+" { *, w as ww } excluding { w }")
		if m.add("@cds.redirection.target entity " + name + " as " + how + ";\n") {
			m.views, m.open[name] = append(m.views, name), true
			m.inService(t, name)
		}
	}
}

// inService restricts an element in the service, where the tables say nothing: what else shows it there must say what holds.
func (m *maker) inService(t *table, name string) {
	el := pick(m.Rand, m.model.Entity(name).Elements...)
	if full := t.name + "." + el.Name; m.IntN(3) == 0 && strings.HasPrefix(el.Name, "x") && el.Scalar() != nil && el.Value() == nil && m.hidden[full] == false {
		anno, hides := m.lock(true)
		if m.add("annotate " + name + " with { " + el.Name + " " + strings.TrimSpace(anno) + " };\n") {
			m.features["restricted in the service"]++
			m.hidden[full] = hides
		}
	}
}

// view adds one random view.
func (m *maker) view(i int) {
	name := pick(m.Rand, "d.V", "S.V", "S.V", "S.V") + fmt.Sprint(i)
	body := m.body(2)
	text := "entity " + name + " as " + body + ";\n"
	if strings.HasPrefix(name, "S.") && m.IntN(4) > 0 {
		text = "@cds.redirection.target: false " + text
	}
	if m.add(text) {
		m.views, m.open[name] = append(m.views, name), true
		if strings.HasPrefix(name, "S.") && m.IntN(6) == 0 { // restricted afterwards
			if e := m.model.Entity(name); e != nil && len(e.Elements) > 2 {
				if el := e.Elements[m.IntN(len(e.Elements))]; el.Name != "ID" && el.Name != "g" {
					m.add("annotate " + name + " with { " + el.Name + " @requires: 'nobody' };\n")
				}
			}
		}
	}
}

// A from is a source of a query: how its elements are named, and what has them.
type from struct {
	prefix string
	el     csn.Elements
	entity *csn.Entity
	name   string
}

func (m *maker) source() *csn.Entity {
	n := len(m.views)
	name := m.views[m.IntN(n)]
	if m.IntN(2) == 0 { // the latest, so that views stand upon views
		name = m.views[n-1-m.IntN(min(n, 3))]
	}
	return m.model.Entity(name)
}

// body returns a query; deep is how many more it may hold.
func (m *maker) body(deep int) string {
	e := m.source()
	f := from{el: e.Elements, entity: e, name: e.Name}
	switch n := m.IntN(16); {
	case n < 3:
		m.features["projection"]++
		return "projection on " + e.Name + m.columns([]from{f}, true)
	case n < 4:
		m.features["whole"]++
		return pick(m.Rand, "projection on ", "select from ") + e.Name + pick(m.Rand, "", " excluding { v }", " { * } excluding { w, v }")
	case n < 7:
		m.features["select"]++
		f, as := m.alias(f)
		return "select from " + e.Name + as + m.columns([]from{f}, false) + m.tail(f)
	case n < 9:
		return m.join(f)
	case n < 11 && deep > 0:
		return m.union(f)
	case n < 12:
		return m.mixin(f)
	case n < 14:
		if q := m.along(f); m.paths && q != "" {
			return q
		}
		return m.grouped(f)
	case n < 15 && deep > 0:
		m.features["query in from"]++
		return m.nested(f, deep)
	}
	return m.grouped(f)
}

// alias gives a source a name of its own, or uses that which it has, or none.
func (m *maker) alias(f from) (from, string) {
	switch m.IntN(4) {
	case 0:
		f.prefix = "q."
		return f, " as q"
	case 1:
		f.prefix = f.name[strings.LastIndexByte(f.name, '.')+1:] + "."
	}
	return f, ""
}

// tail is what follows the columns: conditions use what is never restricted.
func (m *maker) tail(f from) string {
	return pick(m.Rand, "", "", "", " where "+f.prefix+"ID > 1", " where "+f.prefix+"g is not null", " where exists "+f.name+"[ID = 2]", " order by "+f.prefix+"ID")
}

func (m *maker) join(f from) string {
	m.features["join"]++
	o := m.source()
	f.prefix = "p."
	g := from{prefix: "q.", el: o.Elements, entity: o, name: o.Name}
	on := " on p.ID = q.ID"
	how := pick(m.Rand, " join ", " left join ", " inner join ")
	fs := []from{f, g}
	head := f.name + " as p" + how + o.Name + " as q" + on
	switch m.IntN(5) {
	case 0:
		head = f.name + " as p, " + o.Name + " as q"
		return "select from " + head + m.columns(fs, false) + " where p.ID = q.ID"
	case 1:
		t := m.source()
		head += " left join " + t.Name + " as t on t.ID = p.g"
		fs = append(fs, from{prefix: "t.", el: t.Elements, entity: t, name: t.Name})
	}
	return "select from " + head + m.columns(fs, false)
}

func (m *maker) mixin(f from) string {
	m.features["mixin"]++
	to := m.source()
	mix := from{prefix: "mx.", el: to.Elements, entity: to, name: to.Name}
	f, as := m.alias(f)
	cols := strings.TrimSuffix(m.columns([]from{f, mix}, false), " }")
	if m.IntN(2) == 0 {
		cols += ", mx"
	}
	return "select from " + f.name + as + " mixin { mx : Association to " + to.Name + " on mx.ID = " + pick(m.Rand, "$projection.ID", "$self.g") + " } into" + cols + " }"
}

// along returns a query from what an association leads to.
func (m *maker) along(f from) string {
	var path string
	e := f.entity
	for range 1 + m.IntN(2) {
		el := m.assoc(e.Elements)
		if el == nil {
			break
		}
		if path != "" {
			path += "."
		}
		path += el.Name
		e = el.Assoc().Target
	}
	if path == "" || e.Element("g") == nil {
		return ""
	}
	m.features["from a path"]++
	to := from{el: e.Elements, entity: e, name: e.Name}
	if m.IntN(3) == 0 {
		to.prefix = "q."
		return "select from " + f.name + ":" + path + " as q" + m.columns([]from{to}, false)
	}
	if m.IntN(4) == 0 {
		return "projection on " + f.name + ":" + path + pick(m.Rand, "", m.columns([]from{to}, true))
	}
	return "select from " + f.name + pick(m.Rand, "", "[ID > 1]") + ":" + path + m.columns([]from{to}, false)
}

func (m *maker) nested(f from, deep int) string {
	f2, as := m.alias(f)
	cols := []string{"key " + f2.prefix + "ID as ID", f2.prefix + "g as g"}
	names := []string{"ID", "g"}
	for i := range 1 + m.IntN(3) {
		cols = append(cols, fmt.Sprintf("%s as y%d", m.num([]from{f2}, 2), i))
		names = append(names, fmt.Sprintf("y%d", i))
	}
	inner := "(select from " + f.name + as + " { " + strings.Join(cols, ", ") + " }) as "
	if m.IntN(4) == 0 {
		inner = "(select from (select from " + f.name + as + " { " + strings.Join(cols, ", ") + " }) as z { *, ID + 1 as y7 : Integer }) as "
		names = append(names, "y7")
	}
	if m.IntN(4) == 0 { // joined with another
		o := m.source()
		g := from{prefix: "t.", el: o.Elements, entity: o}
		return "select from " + inner + "r join " + o.Name + " as t on t.ID = r.ID { key r.ID, r.g as g, r." + pick(m.Rand, names...) + " as a1, " + m.num([]from{g}, 2) + " + r." + pick(m.Rand, names...) + " as a2 : Integer }"
	}
	p := pick(m.Rand, "", "r.")
	return "select from " + inner + "r { key " + p + "ID, " + p + "g, " + p + pick(m.Rand, names...) + " as b1, " + p + pick(m.Rand, names...) + " + 1 as b2 : Integer, " + pick(m.Rand, "*", p+pick(m.Rand, names...)+" as b3") + " }"
}

// grouped returns a query with group by.
func (m *maker) grouped(f from) string {
	m.features["grouped"]++
	f, as := m.alias(f)
	cols := []string{"key " + f.prefix + "g as ID", f.prefix + "g as g"}
	for i := range 1 + m.IntN(3) {
		fn := pick(m.Rand, "sum", "min", "max", "avg", "count")
		cols = append(cols, fmt.Sprintf("%s(%s%s) as a%d : Integer", fn, pick(m.Rand, "", "", "distinct "), m.num([]from{f}, 2), i))
	}
	return "select from " + f.name + as + " { " + strings.Join(cols, ", ") + " } group by " + f.prefix + "g"
}

// union returns a union of queries whose columns fit by their places.
func (m *maker) union(f from) string {
	m.features["union"]++
	n := 1 + m.IntN(3)
	part := func(f from, first bool) string {
		f, as := m.alias(f)
		cols := []string{"key " + f.prefix + "ID as ID", f.prefix + "g as g"}
		for i := range n {
			x := m.num([]from{f}, 2)
			if first || m.IntN(2) == 0 {
				x += fmt.Sprintf(" as %s%d", pick(m.Rand, "c", "c", "e"), i)
			} else if strings.ContainsAny(x, "( ") {
				x += fmt.Sprintf(" as o%d", i)
			}
			cols = append(cols, x)
		}
		if !first {
			cols[0] = f.prefix + "ID"
		}
		return "select from " + f.name + as + " { " + strings.Join(cols, ", ") + " }"
	}
	o := m.source()
	g := from{el: o.Elements, entity: o, name: o.Name}
	switch m.IntN(5) {
	case 0: // an entity as it is, and others with as many columns
		var cols []string
		for _, el := range o.Flat {
			switch {
			case el.Assoc() != nil || el.Virtual:
			case isText(el):
				cols = append(cols, pick(m.Rand, "w", "'a'")+" as "+el.Name)
			case el.Name == "ID":
				cols = append(cols, "key ID")
			case el.Name == "g":
				cols = append(cols, "g")
			default:
				cols = append(cols, m.num([]from{f}, 1)+" as "+el.Name)
			}
		}
		if f.entity.Element("w") == nil {
			return part(f, true) + " union all " + part(g, false)
		}
		return "select from " + f.name + " { " + strings.Join(cols, ", ") + " } union all select from " + o.Name + pick(m.Rand, "", " { * }", " as u", " { ID, * }")
	case 1:
		t := m.source()
		return part(f, true) + " union all " + part(g, false) + " union all " + part(from{el: t.Elements, entity: t, name: t.Name}, false)
	case 2:
		return part(f, true) + " union all (" + part(g, false) + " union all " + part(f, false) + ")"
	}
	return part(f, true) + " union all " + part(g, false)
}

func isText(el *csn.Element) bool {
	b := el.Scalar()
	return b != nil && b.Kind == csn.String
}
