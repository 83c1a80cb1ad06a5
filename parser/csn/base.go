package csn

import (
	"strings"

	"cds/parser/cqn"
)

// bases sets Base of simple projections and Origin of their elements.
func (f *freezer) bases() {
	for _, e := range f.m.Entities {
		e.Base = f.base(e)
	}
	// A chain of bases that leads back to itself would make Table loop.
	for _, e := range f.m.Entities {
		slow, n := e, 0
		for slow != nil && slow.Base != nil {
			if slow = slow.Base; n > len(f.m.Entities) {
				f.errorf(codeCycle, e, nil, "the projection %s leads back to itself", e.Name)
				e.Base = nil
				break
			}
			n++
		}
	}
	o := &originator{f: f, paths: map[string][]string{}, byPath: map[string]*Element{}}
	for _, e := range f.m.Entities {
		if e.Base != nil {
			o.e, o.base, o.sel = e, e.Base, e.Source.(*cqn.Select)
			o.run()
		}
	}
}

// base returns the entity behind a simple projection: one source, no join, grouping, distinct, aggregation, limit or set operation.
func (f *freezer) base(e *Entity) *Entity {
	s, ok := e.Source.(*cqn.Select)
	if !ok || s == nil || s.Distinct || len(s.GroupBy) > 0 || s.Having != nil || s.Limit != nil || s.Offset != nil {
		return nil
	}
	from, ok := s.From.(*cqn.From)
	if !ok || from.Path == nil || len(from.Path.Path) != 1 || len(from.Path.Path[0].Args) > 0 {
		return nil
	}
	for i := range s.Columns {
		if aggregates(s.Columns[i].X) {
			return nil
		}
	}
	return f.m.Entity(from.Path.Path[0].Name)
}

// aggregates reports whether an expression has an aggregate function outside of subqueries and windows.
func aggregates(x cqn.Expr) bool {
	found := false
	if x == nil {
		return false
	}
	cqn.Walk(x, func(n any) bool {
		switch n := n.(type) {
		case *cqn.Subquery, *cqn.Exists, *cqn.Select, *cqn.SetOp:
			return false
		case *cqn.Call:
			switch strings.ToLower(n.Name) {
			case "count", "countdistinct", "sum", "avg", "average", "min", "max":
				found = found || n.Over == nil
			}
		}
		return !found
	})
	return found
}

// originator finds the elements of the base behind those of a simple projection.
type originator struct {
	f       *freezer
	e, base *Entity
	sel     *cqn.Select
	paths   map[string][]string // output element (joined structured path) → structured path in the base
	byPath  map[string]*Element // flat elements of the base by structured path; foreign keys excluded
}

func (o *originator) run() {
	if len(o.byPath) > 200 { // emptying a table takes time by the room it has
		o.paths, o.byPath = map[string][]string{}, map[string]*Element{}
	}
	clear(o.paths)
	clear(o.byPath)
	for _, b := range o.base.Flat {
		if b.ForeignKey == nil {
			o.byPath[strings.Join(b.Path(), ".")] = b
		}
	}
	if len(o.sel.Columns) == 0 {
		o.star(nil, nil, o.base.Elements, o.sel.Exclude)
	}
	o.columns(nil, nil, o.base.Elements, o.sel.Columns, o.sel.Exclude, 0)
	for _, el := range o.e.Flat {
		if el.ForeignKey == nil {
			el.Origin = o.origin(el)
		}
	}
	for _, el := range o.e.Flat {
		if el.ForeignKey != nil {
			el.Origin = foreignOrigin(el)
		}
	}
}

// star notes all elements of a scope under their own names.
func (o *originator) star(out, in []string, els Elements, exclude []string) {
	for _, el := range els {
		switch {
		case contains(exclude, el.Name):
		case len(in) == 0:
			o.set(out, el.Name, *o.f.pathOf(nil, el.Name))
		default:
			o.set(out, el.Name, appendPath(in, el.Name))
		}
	}
}

func (o *originator) set(out []string, name string, in []string) {
	if len(out) > 0 {
		name = strings.Join(out, ".") + "." + name
	}
	o.paths[name] = in
}

// columns notes what each column of a (nested) list is. out is where the columns land, in the structure of the base that they are taken
// from, whose elements are els.
func (o *originator) columns(out, in []string, els Elements, cols []cqn.Column, exclude []string, depth int) {
	if depth > maxDepth {
		return
	}
	for i := range cols {
		if cols[i].Star {
			o.star(out, in, els, exclude)
		}
	}
	for i := range cols {
		c := &cols[i]
		if c.Star {
			continue
		}
		ref, _ := c.X.(*cqn.Ref)
		name := c.As
		if name == "" && ref != nil && len(ref.Path) > 0 {
			name = ref.Path[len(ref.Path)-1].Name
		}
		path, sub := o.path(ref, in, els, len(out) == 0)
		switch {
		case c.Inline != nil:
			o.columns(out, path, sub, c.Inline, c.Exclude, depth+1)
		case c.Expand != nil:
			if path != nil {
				o.columns(appendPath(out, name), path, sub, c.Expand.Columns, c.Expand.Exclude, depth+1)
			}
		default:
			o.set(out, name, path)
		}
	}
}

// path resolves a column's reference to a structured path in the base, nil if it is an expression or leads elsewhere.
// sub has the elements at its end.
func (o *originator) path(ref *cqn.Ref, in []string, els Elements, top bool) (path []string, sub Elements) {
	if ref == nil {
		return nil, nil
	}
	steps := ref.Path
	if top && len(steps) > 0 && o.alias(steps[0].Name) && (len(steps) > 1 || els.Lookup(steps[0].Name) == nil) {
		if steps = steps[1:]; len(steps) == 0 {
			return []string{}, els
		}
	}
	if top && len(steps) > 1 && (steps[0].Name == "$self" || steps[0].Name == "$projection") {
		var names []string
		for _, s := range steps[1:] {
			names = append(names, s.Name)
		}
		return o.paths[strings.Join(names, ".")], nil
	}
	path = appendPath(in)
	for i, s := range steps {
		if s.Filter != nil || len(s.Args) > 0 {
			return nil, nil
		}
		el := els.Lookup(s.Name)
		if el == nil {
			return nil, nil
		}
		path = append(path, s.Name)
		switch t := el.Type.(type) {
		case *Struct:
			els = t.Elements
		case *Assoc:
			if i == len(steps)-1 {
				return path, nil
			}
			return o.foreignKey(path, steps[i+1:]), nil
		default:
			els = nil
		}
	}
	return path, els
}

// foreignKey resolves a path that goes on behind an association, which stays in the base only if it ends in a foreign key. The path of the
// key is marked by a leading empty step and its flat name.
func (o *originator) foreignKey(assoc []string, steps []cqn.Step) []string {
	p := append([]string(nil), assoc...)
	for _, s := range steps {
		if s.Filter != nil || len(s.Args) > 0 {
			return nil
		}
		p = append(p, s.Name)
	}
	for _, b := range o.base.Flat {
		if b.ForeignKey != nil && equalPath(b.Path(), p) {
			return []string{"", b.Name}
		}
	}
	return nil
}

func (o *originator) alias(name string) bool {
	from := o.sel.From.(*cqn.From)
	if from.As != "" {
		return name == from.As
	}
	n := from.Path.Path[0].Name
	return name == n || name == n[strings.LastIndexByte(n, '.')+1:]
}

// origin returns the base's element behind a flat element that is no foreign key.
func (o *originator) origin(el *Element) *Element {
	for i := len(el.Path()); i > 0; i-- {
		in, ok := o.paths[strings.Join(el.Path()[:i], ".")]
		if !ok {
			continue
		}
		if in == nil {
			return nil
		}
		var b *Element
		if len(in) == 2 && in[0] == "" {
			if i == len(el.Path()) {
				b = o.base.Element(in[1])
			}
		} else {
			if i < len(el.Path()) {
				in = appendPath(in, el.Path()[i:]...)
			}
			b = o.byPath[strings.Join(in, ".")]
		}
		if b == nil || b.Value() != nil && !b.Stored && b.Assoc() == nil || (b.Assoc() == nil) != (el.Assoc() == nil) {
			return nil
		}
		return b
	}
	return nil
}

// foreignOrigin returns the foreign key of the base's association that corresponds to a foreign key of a projected one.
func foreignOrigin(fk *Element) *Element {
	mine := fk.ForeignKey.Assoc()
	if fk.ForeignKey.Origin == nil {
		return nil
	}
	theirs := fk.ForeignKey.Origin.Assoc()
	if theirs == nil {
		return nil
	}
	want := fk.ForeignKey.Origin.Name + strings.TrimPrefix(fk.Name, fk.ForeignKey.Name)
	for _, b := range theirs.FK {
		if b.Name == want {
			return b
		}
	}
	if len(mine.FK) == len(theirs.FK) {
		for i := range mine.FK {
			if mine.FK[i] == fk {
				return theirs.FK[i]
			}
		}
	}
	return nil
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
