package sqlgen

import (
	"strconv"
	"strings"

	"cds/parser/csn"
)

// unionSource makes an occurrence of an entity that stands for others together: active rows and drafts. Each of them is an occurrence of its
// own, made by newSource with the guard's condition on it; the union adds none and has no table that could be named without them.
func (sc *scope) unionSource(e *csn.Entity, use Use) (*source, error) {
	if use >= Update || sc.mapped {
		return nil, &Error{Code: "NOT_UPDATABLE", Message: "rows of " + e.Name + " are written by the entities that it puts together", Status: 400}
	}
	sc.aliases++
	src := &source{scope: sc, entity: e, alias: "t" + strconv.Itoa(sc.aliases), name: e.Active.Name[strings.LastIndexByte(e.Active.Name, '.')+1:]}
	var branches []string
	for _, b := range e.Union {
		in := sc.sub()
		bs, err := in.newSource(b, use)
		if err != nil {
			return nil, err
		}
		in.sources, in.self = []*source{bs}, bs
		var cols []string
		for _, el := range e.Flat {
			if !inUnion(el) {
				continue
			}
			own := b.Element(el.Name)
			if own == nil {
				return nil, sc.fail("INVALID_QUERY", "%s has no element %s", b.Name, el.Name)
			}
			f, err := in.element(bs, own)
			if err != nil {
				return nil, err
			}
			cols = append(cols, f.sql+" AS "+Quote(el.Name, sc.d))
		}
		sql := "SELECT " + strings.Join(cols, ", ") + " FROM " + in.from(bs.table())
		if bs.guard != "" {
			sql += " WHERE " + bs.guard
		}
		branches = append(branches, sql)
	}
	src.from = "(" + strings.Join(branches, " UNION ALL ") + ")"
	return src, nil
}

// inUnion reports whether an element of a union is a column of it.
func inUnion(el *csn.Element) bool { return el.Assoc() == nil && !el.Virtual && !el.OnRead }
