package authz

import (
	"slices"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// positions adds what stands in the place of an element in each part of a union: there places count, not names.
func (in inputs) positions(u *cqn.SetOp, e *csn.Entity, el *csn.Element, depth int) {
	name := el.Name
	if p := el.Path(); len(p) > 0 {
		name = p[0]
	}
	at := slices.IndexFunc(e.Elements, func(o *csn.Element) bool { return o.Name == name })
	flat := []*csn.Element{el}
	if a := el.Assoc(); a != nil {
		flat = a.FK
	}
	for _, q := range u.Args {
		s, ok := q.(*cqn.Select)
		if !ok {
			continue // a union, which is looked at by itself
		}
		if plain := !slices.ContainsFunc(s.Columns, func(c cqn.Column) bool { return c.X == nil || c.Inline != nil || c.Expand != nil }); plain && len(s.Columns) > 0 {
			if at >= 0 && at < len(s.Columns) {
				in.column(s.Columns[at].X, e, map[*cqn.Column]bool{}, depth)
				in.structure(s.Columns[at].X, e, depth)
			}
			continue
		}
		if cols, ok := laidOut(s, e); ok {
			for _, f := range flat {
				if k := slices.Index(columnsOf(e, nil), f); k >= 0 && k < len(cols) {
					in.column(cols[k], e, map[*cqn.Column]bool{}, depth)
				}
			}
			continue
		}
		in.anywhere(e, depth) // it is not clear which column is in that place
	}
}

// structure adds the parts of a structure that a column is.
func (in inputs) structure(x cqn.Expr, e *csn.Entity, depth int) {
	r, ok := x.(*cqn.Ref)
	if !ok {
		return
	}
	for _, from := range e.Reads {
		for _, path := range [][]cqn.Step{r.Path, r.Path[1:]} { // the second after the alias of a source
			for _, part := range from.Flat {
				if p := part.Path(); len(path) > 0 && len(p) > len(path) && slices.EqualFunc(p[:len(path)], path, func(name string, s cqn.Step) bool { return name == s.Name }) {
					in.path(from, []cqn.Step{{Name: part.Name}}, depth)
				}
			}
		}
	}
}

// anywhere adds all that the queries of a view name.
func (in inputs) anywhere(e *csn.Entity, depth int) {
	for _, from := range e.Reads {
		for _, o := range from.Flat {
			in.path(from, []cqn.Step{{Name: o.Name}}, depth)
		}
	}
}

// laidOut returns the columns of a part with *, one by one; false where it is not clear what they are.
func laidOut(s *cqn.Select, e *csn.Entity) (out []cqn.Expr, ok bool) {
	from, ok := s.From.(*cqn.From)
	if !ok || from.Path == nil || len(from.Path.Path) != 1 {
		return nil, false
	}
	i := slices.IndexFunc(e.Reads, func(r *csn.Entity) bool { return r.Name == from.Path.Path[0].Name })
	if i < 0 {
		return nil, false
	}
	source := e.Reads[i]
	var names []string // that are there already
	add := func(name string, x cqn.Expr) {
		if !slices.Contains(names, name) {
			names, out = append(names, name), append(out, x)
		}
	}
	cols := s.Columns
	if len(cols) == 0 {
		cols = []cqn.Column{{Star: true}}
	}
	for i := range cols {
		c := &cols[i]
		switch {
		case c.Star:
			for _, o := range columnsOf(source, s.Exclude) {
				var x cqn.Expr = cqn.NewRef(o.Name)
				if k := slices.IndexFunc(cols, func(c cqn.Column) bool { return !c.Star && columnName(&c) == o.Name }); k >= 0 {
					x = cols[k].X // takes its place
				}
				add(o.Name, x)
			}
		case c.X == nil || wide(source, c.X):
			return nil, false
		default:
			add(columnName(c), c.X)
		}
	}
	return out, true
}

// wide reports whether a column is perhaps several ones in the database: a structure or an association.
func wide(source *csn.Entity, x cqn.Expr) bool {
	r, ok := x.(*cqn.Ref)
	if !ok {
		return false
	}
	el := source.Flat.Lookup(r.Path[len(r.Path)-1].Name)
	return len(r.Path) != 1 || el == nil || el.Assoc() != nil
}

// columnsOf returns the elements of an entity that are columns in the database, but those whose names, or what they are parts of, are excluded.
func columnsOf(e *csn.Entity, excluded []string) []*csn.Element {
	var out []*csn.Element
	for _, el := range e.Flat {
		top := el.Name
		if p := el.Path(); len(p) > 0 {
			top = p[0]
		}
		if el.Assoc() == nil && !el.Virtual && !el.Internal && !el.Apart && !slices.Contains(excluded, el.Name) && !slices.Contains(excluded, top) {
			out = append(out, el)
		}
	}
	return out
}
