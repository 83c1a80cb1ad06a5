package tainttest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing/fstest"

	"cds/parser/csn"
)

// rows is how many rows each table has.
const rows = 5

// data returns the rows of both databases, as CSV files: they differ in what is hidden from the user, and in nothing else.
func (m *maker) data() [2]fstest.MapFS {
	out := [2]fstest.MapFS{{}, {}}
	for _, e := range m.model.Entities {
		if e.Source != nil || e.Service != nil || !strings.HasPrefix(e.Name, "d.") {
			continue
		}
		var cols []*csn.Element
		var names []string
		for _, el := range e.Flat {
			if el.Scalar() != nil && el.Value() == nil && !el.Virtual {
				cols, names = append(cols, el), append(names, el.Name)
			}
		}
		text := strings.Join(names, ";") + "\n"
		both := [2]string{text, text}
		for n := range rows {
			for i, el := range cols {
				a, b := m.values(e, el, n)
				sep := ";"
				if i == len(cols)-1 {
					sep = "\n"
				}
				both[0] += a + sep
				both[1] += b + sep
			}
		}
		for i := range out {
			out[i]["db/data/d-"+strings.TrimPrefix(e.Name, "d.")+".csv"] = &fstest.MapFile{Data: []byte(both[i])}
		}
	}
	return out
}

// values returns the value of an element in one row, in both databases.
func (m *maker) values(e *csn.Entity, el *csn.Element, n int) (a, b string) {
	a = value(m.Rand, el, n)
	if b = value(m.Rand, el, n); !m.hides(e, el) || m.paths && (el.ForeignKey != nil || strings.HasSuffix(el.Name, "j")) {
		b = a
	}
	return a, b
}

func value(r *rand.Rand, el *csn.Element, n int) string {
	switch {
	case el.Name == "ID", el.Name == "pos", el.Key && el.ForeignKey != nil:
		return fmt.Sprint(n + 1)
	case el.Name == "locale":
		return "de"
	case el.Name == "g":
		return fmt.Sprint(n%3 + 1)
	case r.IntN(8) == 0:
		return ""
	case el.ForeignKey != nil, strings.HasSuffix(el.Name, "j"):
		return fmt.Sprint(1 + r.IntN(rows))
	case isText(el):
		return fmt.Sprint("s", r.IntN(9000))
	}
	return fmt.Sprint(r.IntN(9000))
}

// hides reports whether the user must not see an element of a table: by what was written, not by what the policy makes of it.
func (m *maker) hides(e *csn.Entity, el *csn.Element) bool {
	name := strings.TrimSuffix(e.Name, ".texts")
	if el.Key || el.Name == "g" {
		return false
	}
	if el.ForeignKey != nil && strings.HasPrefix(el.Name, "u") { // ways back: which rows there are is nobody's secret
		return false
	}
	if m.hidden[name] || m.hidden[name+".*"] {
		return true
	}
	path := el.Path()
	if len(path) == 0 {
		path = []string{el.Name}
	}
	if el.ForeignKey != nil {
		if path = el.ForeignKey.Path(); len(path) == 0 {
			path = []string{el.ForeignKey.Name}
		}
	}
	for i := range path {
		if m.hidden[name+"."+strings.Join(path[:i+1], "_")] {
			return true
		}
	}
	return false
}
