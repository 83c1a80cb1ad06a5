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
			in.columns(s.Columns, nil, e, el, depth)
		}
		return true
	})
}

// columns looks for el among columns; before are the steps that lead to them.
func (in inputs) columns(cols []cqn.Column, before []cqn.Step, e *csn.Entity, el *csn.Element, depth int) {
	if len(before) > maxInputs {
		return
	}
	for i := range cols {
		c := &cols[i]
		r, ok := c.X.(*cqn.Ref)
		switch {
		case c.Star && len(before) > 0:
			in.star(before, e, el, depth)
		case !ok:
		case c.Inline != nil:
			in.columns(c.Inline, slices.Concat(before, r.Path), e, el, depth)
		case shows(c, before, el):
			if path := slices.Concat(before, r.Path); len(path) > 2 || len(path) == 2 && passes(e, path[0].Name) {
				in.passed(path, e, el, depth)
			}
		}
	}
}

// shows reports whether a column is el, or the structure that el is a part of.
func shows(c *cqn.Column, before []cqn.Step, el *csn.Element) bool {
	name := columnName(c)
	for i := len(before); i >= 0; i-- {
		if el.Name == name || strings.HasPrefix(el.Name, name+"_") {
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
		return from.Elements.Lookup(first) != nil || from.Flat.Lookup(first) != nil
	})
}

// passed adds the elements along the path of a column, and what it shows.
func (in inputs) passed(path []cqn.Step, e *csn.Entity, el *csn.Element, depth int) {
	if el.Origin != nil {
		in[el.Origin] = true
	}
	for _, from := range e.Reads {
		if !in.path(from, path, depth) {
			in.path(from, path[1:], depth) // after the alias of a source
		}
	}
}

// star adds the way to el where it is one of all elements of a structure or of an association's target.
func (in inputs) star(before []cqn.Step, e *csn.Entity, el *csn.Element, depth int) {
	if el.Origin == nil {
		return
	}
	prefix := ""
	for _, s := range before {
		prefix += s.Name + "_"
	}
	for _, from := range e.Reads {
		if el.Origin.Owner == from && strings.HasPrefix(el.Origin.Name, prefix) {
			in[el.Origin] = true
		} else if el.Origin.Owner != from {
			in.path(from, before, depth)
		}
	}
}
