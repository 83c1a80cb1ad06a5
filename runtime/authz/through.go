package authz

import (
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// through adds what a column of a view passes on its way to the element that it shows: structures and associations, whose restrictions hold for what lies
// below them. work.town has no annotation of work's, nor has author.ID of author's.
func (in inputs) through(e *csn.Entity, el *csn.Element, depth int) {
	if e.Source == nil {
		return
	}
	cqn.Walk(e.Source, func(n any) bool {
		if s, ok := n.(*cqn.Select); ok {
			in.columns(s.Columns, nil, nil, e, el, el.Name, depth)
		}
		return true
	})
	in.sources(e.Source, e, depth)
}

// sources adds the associations that lead to what a view reads from: select from Orders:items is reached over items.
func (in inputs) sources(n any, e *csn.Entity, depth int) {
	switch n := n.(type) {
	case *cqn.Select:
		in.sources(n.From, e, depth)
	case *cqn.SetOp:
		for _, q := range n.Args {
			in.sources(q, e, depth)
		}
	case *cqn.Derived:
		in.sources(n.Query, e, depth)
	case *cqn.Join:
		in.sources(n.L, e, depth)
		in.sources(n.R, e, depth)
	case *cqn.From:
		for _, from := range e.Reads {
			if n.Path != nil && from.Name == n.Path.Path[0].Name {
				in.path(from, n.Path.Path[1:], depth)
			}
		}
	}
}

// columns looks for el among columns, where it is called name; before are the steps that lead to them, and excluded what a * among them leaves out.
func (in inputs) columns(cols []cqn.Column, before []cqn.Step, excluded []string, e *csn.Entity, el *csn.Element, name string, depth int) {
	if len(before) > maxInputs {
		return
	}
	for i := range cols {
		c := &cols[i]
		r, ok := c.X.(*cqn.Ref)
		switch {
		case c.Star && len(before) > 0:
			if !slices.Contains(excluded, name) {
				in.star(before, e, name, depth)
			}
		case !ok:
			if len(before) > 0 && c.X != nil && shows(c, before, name) {
				in.below(c.X, before, e, depth)
			}
		case c.Inline != nil:
			in.columns(c.Inline, slices.Concat(before, r.Path), c.Exclude, e, el, name, depth)
		case c.Expand != nil:
			if rest, ok := strings.CutPrefix(name, columnName(c)+"_"); ok {
				in.columns(c.Expand.Columns, slices.Concat(before, r.Path), c.Expand.Exclude, e, el, rest, depth)
			}
		case shows(c, before, name):
			if path := slices.Concat(before, r.Path); len(path) > 2 || len(path) == 2 && passes(e, path[0].Name) {
				in.passed(path, e, depth)
			}
		}
	}
}

// below adds what an expression among the columns below a path names.
func (in inputs) below(x cqn.Expr, before []cqn.Step, e *csn.Entity, depth int) {
	cqn.Walk(x, func(n any) bool {
		if r, ok := n.(*cqn.Ref); ok {
			in.passed(slices.Concat(before, r.Path), e, depth)
		}
		return true
	})
}

// column adds what the expression of a column of e names: elements of what e reads, and other columns by $self or of a query that it reads from; seen are
// those that were looked at.
func (in inputs) column(x cqn.Expr, e *csn.Entity, seen map[*cqn.Column]bool, depth int) {
	in.names(x, e.Reads, depth)
	cqn.Walk(x, func(n any) bool {
		if r, ok := n.(*cqn.Ref); ok && len(r.Path) > 0 && !begins(e.Reads, r.Path) {
			in.others(r.Path[:min(2, len(r.Path))], e, seen, depth)
		}
		return true
	})
}

// others adds what columns of e are made from that have one of the names.
func (in inputs) others(names []cqn.Step, e *csn.Entity, seen map[*cqn.Column]bool, depth int) {
	cqn.Walk(e.Source, func(n any) bool {
		s, ok := n.(*cqn.Select)
		if !ok {
			return true
		}
		for i := range s.Columns {
			c := &s.Columns[i]
			if c.X != nil && !seen[c] && slices.ContainsFunc(names, func(s cqn.Step) bool { return s.Name == columnName(c) }) {
				seen[c] = true
				in.column(c.X, e, seen, depth)
			}
		}
		return true
	})
}

// begins reports whether a path begins with an element of one of the entities, perhaps after the alias of a source.
func begins(entities []*csn.Entity, path []cqn.Step) bool {
	return slices.ContainsFunc(entities, func(e *csn.Entity) bool {
		has := func(name string) bool { return e.Elements.Lookup(name) != nil || e.Flat.Lookup(name) != nil }
		return has(path[0].Name) || path[0].Name != "$self" && len(path) > 1 && has(path[1].Name)
	})
}

// recast reports whether a column of e gives el a type of its own.
func recast(e *csn.Entity, el *csn.Element) bool {
	name := el.Name
	if p := el.Path(); len(p) > 0 {
		name = p[0]
	}
	found := false
	cqn.Walk(e.Source, func(n any) bool {
		s, ok := n.(*cqn.Select)
		found = found || ok && slices.ContainsFunc(s.Columns, func(c cqn.Column) bool { return c.Cast != nil && columnName(&c) == name })
		return true
	})
	return found
}

// shows reports whether a column is the element of that name, or the structure that it is a part of.
func shows(c *cqn.Column, before []cqn.Step, el string) bool {
	name := columnName(c)
	for i := len(before); i >= 0; i-- {
		if el == name || strings.HasPrefix(el, name+"_") {
			return true
		}
		if i > 0 {
			name = before[i-1].Name + "_" + name
		}
	}
	return false
}

// passes reports whether a path of two steps begins with an element, not with the alias of a source.
func passes(e *csn.Entity, first string) bool {
	return slices.ContainsFunc(e.Reads, func(from *csn.Entity) bool {
		return from.Elements.Lookup(first) != nil
	})
}

// passed adds the elements along the path of a column, and what it shows.
func (in inputs) passed(path []cqn.Step, e *csn.Entity, depth int) {
	for _, from := range firsts(e) {
		if found := in.path(from, path, depth) || in.path(from, path[1:], depth); found && from == e.Base { // the second after the alias of a source
			return
		}
	}
}

// firsts are the entities in which paths of a view may begin. Where it is not clear in which, it is in any of them; a projection's begin in what it projects, if
// they can.
func firsts(e *csn.Entity) []*csn.Entity {
	if e.Base == nil {
		return e.Reads
	}
	return append([]*csn.Entity{e.Base}, e.Reads...)
}

// star adds the way to an element that is one of all of a structure or of an association's target, and what it shows there.
func (in inputs) star(before []cqn.Step, e *csn.Entity, name string, depth int) {
	for _, from := range firsts(e) {
		for _, path := range [][]cqn.Step{before, before[1:]} { // the second after the alias of a source
			if x := behind(from, path, name); x != nil {
				in[x] = true
				in.path(from, path, depth)
				in.beside(e, name, depth)
				if from == e.Base {
					return
				}
				break
			}
		}
	}
}

// beside adds what * shows by a name that * behind an association has too: it is not clear which of them the column is.
func (in inputs) beside(e *csn.Entity, name string, depth int) {
	cqn.Walk(e.Source, func(n any) bool {
		if s, ok := n.(*cqn.Select); ok && !slices.Contains(s.Exclude, name) && slices.ContainsFunc(s.Columns, func(c cqn.Column) bool { return c.Star }) {
			for _, from := range firsts(e) {
				in.path(from, []cqn.Step{{Name: name}}, depth)
				if from == e.Base {
					break
				}
			}
		}
		return true
	})
}

// behind returns the element of that name at the end of a path, in a structure or the target of an association; nil for none.
func behind(e *csn.Entity, path []cqn.Step, name string) *csn.Element {
	if len(path) == 0 {
		return nil
	}
	prefix := ""
	for _, s := range path {
		if e == nil {
			return nil
		}
		prefix += s.Name
		if el := e.Flat.Lookup(prefix); el != nil && el.Assoc() != nil {
			e, prefix = el.Assoc().Target, ""
		} else {
			prefix += "_"
		}
	}
	if e == nil {
		return nil
	}
	return e.Flat.Lookup(prefix + name)
}
