// Package tainttest looks for ways around restricted elements: random models with restricted elements in tables, random views over them, several levels deep, and two
// databases that differ only in values that one user must not see. Whatever he asks, both must answer alike. Nothing here knows how restrictions are traced through views.
package tainttest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"

	"cds/parser"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/runtime/authz"
)

// A maker writes one random model. What the model's author may leak on purpose it does not write: restricted elements in conditions of views, and rights of their own on
// columns of views. Conditions use the elements ID and g, which each table and view has and which are never restricted.
type maker struct {
	*rand.Rand
	has      map[string]bool // roles of the user
	tables   []*table
	hidden   map[string]bool // "d.E0.x1", also of a structure or an association: the user must not see it
	text     string          // the model so far
	model    *csn.Model      // and compiled
	views    []string        // names of what views may read
	open     map[string]bool // views without a restriction of their own
	paths    bool            // queries read from paths; then no hidden association leads elsewhere in one of the databases, as that is which rows there are
	dropped  map[string]int  // views that did not compile, by code
	kept     int
	features map[string]int
}

// A table is a base entity.
type table struct {
	name  string
	apart bool // only a restricted association leads there: all its values are hidden, and nothing else reads it
}

func pick[T any](r *rand.Rand, xs ...T) T { return xs[r.IntN(len(xs))] }

func newMaker(seed uint64) *maker {
	m := &maker{Rand: rand.New(rand.NewPCG(seed, 20260303)), has: map[string]bool{}, hidden: map[string]bool{}, open: map[string]bool{}, dropped: map[string]int{}, features: map[string]int{}}
	for _, r := range []string{"r1", "r2", "r3"} {
		m.has[r] = m.IntN(3) == 0
	}
	m.paths = m.IntN(2) == 0
	return m
}

// lock returns an annotation that restricts an element, and whether it hides it from the user.
func (m *maker) lock(scalar bool) (anno string, hides bool) {
	role := pick(m.Rand, "r1", "r2", "r3")
	switch m.IntN(9) {
	case 0:
		return "@requires: ['r1', 'r2'] ", !m.has["r1"] && !m.has["r2"]
	case 1:
		return "@restrict: [{ grant: 'READ', to: '" + role + "' }] ", !m.has[role]
	case 2:
		return "@restrict: [{ grant: '*', where: '$user = ''all''' }] ", true
	case 3:
		return "@restrict: [{ grant: '*' }, { deny: 'READ', where: '$user <> ''all''' }] ", true
	case 4, 5:
		if scalar {
			return "@mask: { unless: '" + role + "' } ", !m.has[role]
		}
	}
	return "@requires: '" + role + "' ", !m.has[role]
}

// maybe returns a restriction for the element of that name, or none.
func (m *maker) maybe(name string, scalar bool) string {
	if m.IntN(4) > 0 {
		return ""
	}
	anno, hides := m.lock(scalar)
	m.hidden[name] = m.hidden[name] || hides
	m.features["restricted element"]++
	return anno
}

// base writes the tables.
func (m *maker) base() {
	n := 2 + m.IntN(3)
	for i := range n {
		m.tables = append(m.tables, &table{name: fmt.Sprintf("d.E%d", i)})
	}
	if m.IntN(3) == 0 {
		m.tables = append(m.tables, &table{name: "d.Apart", apart: true})
	}
	m.text = "type d.T { a : Integer; " + m.typed("T") + "b : Integer; }\naspect d.Asp { p0 : Integer; " + m.typed("Asp") + "p1 : Integer; }\n"
	back := make([]string, len(m.tables)) // associations to one that others' associations to many lead back by
	for i, t := range m.tables {
		m.text += m.table(i, t, back)
	}
	for i, b := range back {
		if b != "" {
			m.text += fmt.Sprintf("extend %s with { %s};\n", m.tables[i].name, b)
		}
	}
	m.text += "@protocol: [{ kind: 'odata', path: '/s' }, { kind: 'rest', path: '/r' }] @requires: 'any' service S { }\n"
}

// typed returns the restriction of an element of a type or aspect, which holds in all that have it.
func (m *maker) typed(name string) string {
	anno := m.maybe(name, true)
	return strings.Replace(anno, "@mask: { unless:", "@mask: { value: 7, unless:", 1)
}

func (m *maker) table(i int, t *table, back []string) string {
	var b strings.Builder
	asp := ""
	if m.IntN(3) == 0 {
		asp = " : d.Asp"
		m.hidden[t.name+".p1"] = m.hidden["Asp"]
	}
	fmt.Fprintf(&b, "entity %s%s { key ID : Integer; g : Integer; v : Integer; w : String(20); ", t.name, asp)
	nums, kept := []string{"v", "g"}, []string{"v", "g"} // what may be calculated with, and what is a column
	for k := range 4 + m.IntN(5) {
		name := fmt.Sprintf("x%d", k)
		full := t.name + "." + name
		to := pick(m.Rand, m.tables...)
		switch m.IntN(16) {
		case 0, 1, 2:
			fmt.Fprintf(&b, "%s%s : Integer; ", m.maybe(full, true), name)
			nums, kept = append(nums, name), append(kept, name)
		case 3, 4:
			fmt.Fprintf(&b, "%s%s : %sString(20); ", m.maybe(full, true), name, pick(m.Rand, "", "", "localized "))
		case 5:
			fmt.Fprintf(&b, "%s%s { a : Integer; %sb : String(20); %sinn { c : Integer; %se : Integer; }; }; ", m.maybe(full, false), name, m.maybe(full+"_b", true), m.maybe(full+"_inn", false), m.maybe(full+"_inn_e", true))
			nums = append(nums, name+".a", name+".inn.c", name+".inn.e")
		case 6:
			m.hidden[full+"_b"] = m.hidden["T"]
			fmt.Fprintf(&b, "%s%s : d.T; ", m.maybe(full, false), name)
			nums = append(nums, name+".a", name+".b")
		case 7:
			fmt.Fprintf(&b, "%s : Integer = %s; ", name, m.sum(nums))
			nums = append(nums, name)
		case 8:
			fmt.Fprintf(&b, "%s : Integer = (%s) stored; ", name, m.sum(kept))
			nums, kept = append(nums, name), append(kept, name)
		case 9, 10, 11:
			b.WriteString(m.toOne(full, name, to))
			if !to.apart && m.IntN(3) == 0 {
				fmt.Fprintf(&b, "%sc : Integer = %s.v; ", name, name)
				nums = append(nums, name+"c")
			}
		case 12, 13:
			if t.apart {
				continue
			}
			b.WriteString(m.toMany(i, full, name, to, back))
		case 15: // an association by a value, which may be restricted
			if !to.apart {
				m.features["association by an element"]++
				fmt.Fprintf(&b, "%s%sj : Integer; %s : Association to %s on %s.ID = %sj; ", m.maybe(full+"j", false), name, name, to.name, name, name)
			}
		case 14:
			anno := m.maybe(full, false)
			if m.hidden[full] {
				m.hidden[full+".*"] = true
			}
			fmt.Fprintf(&b, "%s%s : Composition of many { key pos : Integer; g : Integer; v : Integer; %sq : Integer; }; ", anno, name, m.maybe(full+".q", true))
		}
	}
	b.WriteString("};\n")
	return b.String()
}

func (m *maker) sum(nums []string) string {
	return pick(m.Rand, nums...) + pick(m.Rand, " + ", " * ", " - ") + pick(m.Rand, append(nums, "1", "3")...)
}

// toOne writes an association to one row: managed, with names for its keys, or not managed.
func (m *maker) toOne(full, name string, to *table) string {
	if to.apart { // only restricted ones lead there
		m.hidden[full], m.hidden[to.name] = true, true
		return "@requires: 'nobody' " + name + " : Association to " + to.name + "; "
	}
	anno := m.maybe(full, false)
	switch m.IntN(5) {
	case 0:
		return anno + name + " : Association to " + to.name + " { ID as k }; "
	case 1:
		return anno + name + " : Association to " + to.name + " on " + name + ".ID = g; "
	}
	return anno + name + " : " + pick(m.Rand, "Association to ", "Association to ", "Composition of ") + to.name + "; "
}

// toMany writes an association to many, and the way back.
func (m *maker) toMany(i int, full, name string, to *table, back []string) string {
	up := fmt.Sprintf("u%d%s", i, name)
	for k, t := range m.tables {
		if t == to {
			back[k] += fmt.Sprintf("%s : Association to %s; ", up, m.tables[i].name)
		}
	}
	if to.apart {
		m.hidden[to.name] = true
		return "@requires: 'nobody' " + name + " : Association to many " + to.name + " on " + name + "." + up + " = $self; "
	}
	anno := m.maybe(full, false)
	m.hidden[full] = false // rows that it leads to show elsewhere
	return anno + name + " : " + pick(m.Rand, "Association to many ", "Composition of many ") + to.name + " on " + name + "." + up + " = $self; "
}

// compile compiles the model with more text; nil and the codes of what is wrong with it.
func (m *maker) compile(more string) (*csn.Model, []string) {
	res := parser.CompileStringWith("m.cds", m.text+more, parser.Options{Strict: true})
	var codes []string
	note := func(list diag.List) {
		for _, d := range list {
			if d.Severity == diag.Error {
				codes = append(codes, string(d.Code))
				if os.Getenv("CDS_TAINT_DROPPED") != "" {
					fmt.Println("dropped:", d.Code, d.Message, strings.TrimSpace(more))
				}
			}
		}
	}
	if note(res.Diags); res.Model == nil || len(codes) > 0 {
		return nil, codes
	}
	_, diags := authz.Compile(res.Model, authz.Options{Strict: true})
	if note(diags); len(codes) > 0 {
		return nil, codes
	}
	return res.Model, nil
}

// add adds text if the model then still compiles.
func (m *maker) add(more string) bool {
	model, codes := m.compile(more)
	if model == nil {
		for _, c := range codes {
			m.dropped[c]++
		}
		return false
	}
	m.text, m.model = m.text+more, model
	m.kept++
	return true
}
