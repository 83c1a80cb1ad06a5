package sqlgen

import (
	"strings"

	"cds/parser/csn"
)

// union writes the occurrence of an entity that stands for others together: active rows and drafts. Each of them is an occurrence of its own,
// made by newSource with the guard's condition on it; the union adds none, and has no table that could be named without them.
func (sc *scope) union(e *csn.Entity, use Use) (string, error) {
	if use >= Update || sc.mapped {
		return "", &Error{Code: "NOT_UPDATABLE", Message: "rows of " + e.Name + " are written by the entities that it puts together", Status: 400}
	}
	var branches []string
	for _, b := range e.Union {
		in := sc.sub()
		bs, err := in.newSource(b, use)
		if err != nil {
			return "", err
		}
		in.sources, in.self = []*source{bs}, bs
		var cols []string
		for _, el := range e.Flat {
			if !inUnion(el) {
				continue
			}
			own := b.Element(el.Name)
			if own == nil {
				return "", sc.fail("INVALID_QUERY", "%s has no element %s", b.Name, el.Name)
			}
			f, err := in.element(bs, own)
			if err != nil {
				return "", err
			}
			col, err := sc.alike(f.sql, own, b)
			if err != nil {
				return "", err
			}
			cols = append(cols, col+" AS "+Quote(el.Name, sc.d))
		}
		sql := "SELECT " + strings.Join(cols, ", ") + " FROM " + in.from(bs.table())
		if bs.guard != "" {
			sql += " WHERE " + bs.guard
		}
		branches = append(branches, sql)
	}
	return "(" + strings.Join(branches, " UNION ALL ") + ")", nil
}

// inUnion reports whether an element of a union is a column of it.
func inUnion(el *csn.Element) bool { return el.Assoc() == nil && !el.Virtual && !el.OnRead }

// alike gives a computed column the type of the column that it is put together with. SQLite looks into a union, so that indexes and the end of a page
// count for its parts, only if their columns have the same affinity.
func (sc *scope) alike(sql string, el *csn.Element, e *csn.Entity) (string, error) {
	t := el.Scalar()
	if t == nil || el.Seal() != nil || !el.OnRead && (e.Source == nil || e.Base == nil || el.Origin != nil) {
		return sql, nil
	}
	typ, err := TypeSQL(t, sc.d)
	return "CAST(" + sql + " AS " + typ + ")", err
}
