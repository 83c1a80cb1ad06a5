package sqlgen

import (
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// outputs compiles the columns of a query or of a to-one expand, relative to src. No columns means all.
func (s *selection) outputs(src *source, cols []cqn.Column, exclude []string, depth int) ([]Column, error) {
	if depth > maxExpand {
		return nil, s.fail("QUERY_TOO_DEEP", "too many levels of $expand")
	}
	if len(cols) == 0 {
		cols = []cqn.Column{{Star: true}}
	}
	var out []Column
	for i := range cols {
		c := &cols[i]
		var more []Column
		var err error
		level, rights := IsRights(c)
		switch {
		case rights:
			more, err = s.rights(src, level, c.As)
		case c.Star:
			more, err = s.star(src, exclude, cols, depth)
		case c.Expand != nil:
			more, err = s.expand(src, c, depth)
		case c.Inline != nil:
			more, err = s.inline(src, c, depth)
		default:
			more, err = s.column(src, c)
		}
		if err != nil {
			return nil, err
		}
		for _, m := range more {
			if !hasColumn(out, m.Name) {
				out = append(out, m)
			}
		}
	}
	return out, nil
}

func hasColumn(cols []Column, name string) bool {
	for i := range cols {
		if cols[i].Name == name {
			return true
		}
	}
	return false
}

// columnName is the name of an output column without being told: the last step of its path.
func columnName(c *cqn.Column) string {
	if c.As != "" {
		return c.As
	}
	switch x := c.X.(type) {
	case *cqn.Ref:
		if len(x.Path) > 0 {
			return x.Path[len(x.Path)-1].Name
		}
	case *cqn.Call:
		return x.Name
	}
	return ""
}

func noColumn() Column { return Column{Present: -1, MediaType: -1} }

// star is all scalar elements that may be read, without streams. A column beside the star with the name of an element takes its place.
func (s *selection) star(src *source, exclude []string, cols []cqn.Column, depth int) ([]Column, error) {
	if src == nil || src.entity == nil {
		return s.starDerived(src)
	}
	var out []Column
	for _, el := range src.entity.Flat {
		top := topName(el)
		if contains(exclude, top) || contains(exclude, el.Name) {
			continue
		}
		if c := named(cols, el.Name); c != nil {
			more, err := s.outputs(src, []cqn.Column{*c}, nil, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
			continue
		}
		if el.Assoc() != nil || el.Virtual || el.Internal || el.Apart || s.skipped(el) || named(cols, top) != nil {
			continue
		}
		if err := s.allowed(el, s.use); err != nil {
			if mask := maskOf(err); mask != nil {
				c, err := s.masked(src, el, el.Name, mask, err)
				if err != nil {
					return nil, err
				}
				out = append(out, c)
			}
			continue
		}
		if b := el.Scalar(); b != nil && (b.Kind == csn.LargeBinary || b.Kind == csn.Vector) && !s.view {
			continue
		}
		c, err := s.elementColumn(src, el, el.Name)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// topName is the name of the top-level element that a flat one is part of, or whose foreign key it is.
func topName(el *csn.Element) string {
	for el.ForeignKey != nil && el.ForeignKey != el {
		el = el.ForeignKey
	}
	if len(el.Path()) > 0 {
		return el.Path()[0]
	}
	return el.Name
}

func (s *selection) starDerived(src *source) ([]Column, error) {
	if src == nil {
		return nil, s.fail("INVALID_QUERY", "* has nothing to stand for")
	}
	var out []Column
	for i := range src.derived {
		d := &src.derived[i]
		c := noColumn()
		c.Name, c.Element, c.Type, c.Seal, c.masked = d.name, d.el, d.typ, d.seal, d.masked
		c.Index = s.add(src.alias + "." + Quote(d.name, s.d))
		out = append(out, c)
	}
	return out, nil
}

func contains(names []string, n string) bool {
	for _, x := range names {
		if x == n {
			return true
		}
	}
	return false
}

// named returns the column beside a star that takes the place of the star's column with the name.
func named(cols []cqn.Column, name string) *cqn.Column {
	for i := range cols {
		if c := &cols[i]; !c.Star && c.Expand == nil && c.Inline == nil && columnName(c) == name {
			return c
		}
	}
	return nil
}

func (s *selection) elementColumn(src *source, el *csn.Element, name string) (Column, error) {
	s.noteElement(src, el)
	f, err := s.element(src, el)
	if err != nil {
		return Column{}, err
	}
	c := noColumn()
	c.Name, c.Element, c.Type = name, el, el.Type
	if err := s.output(&c, el.Seal()); err != nil {
		return Column{}, err
	}
	c.Index = s.add(f.sql)
	if b := el.Scalar(); b != nil && (b.Kind == csn.LargeBinary || el.Annotations.Get("Core.IsURL") != nil) {
		err = s.mediaType(src, el, &c)
	}
	return c, err
}

// mediaType reads the element that holds the media type of a stream, or of what a link leads to, beside it.
func (s *selection) mediaType(src *source, el *csn.Element, c *Column) error {
	v := el.Annotations.Get("Core.MediaType")
	if v == nil || v.Kind != cqn.AnnoRef && v.Kind != cqn.AnnoExpr {
		return nil
	}
	name := v.Text
	if ref, ok := v.Expr.(*cqn.Ref); ok && len(ref.Path) == 1 {
		name = ref.Path[0].Name
	}
	m := src.entity.Element(name)
	if m == nil || m.Seal() != nil || s.allowed(m, s.use) != nil || !s.plain {
		return nil
	}
	f, err := s.element(src, m)
	if err == nil {
		c.MediaType = s.add(f.sql)
	}
	return err
}

// column compiles a path or an expression as output. Structures become their parts, managed associations their foreign keys.
func (s *selection) column(src *source, c *cqn.Column) ([]Column, error) {
	at := s.within(src)
	if s.result != nil {
		if el := s.result.Flat.Lookup(columnName(c)); el != nil && el.Virtual {
			return nil, nil // views have no columns for what only handlers fill
		}
	}
	if ref, ok := c.X.(*cqn.Ref); ok {
		if cols, ok, err := s.parts(at, ref, c); ok || err != nil {
			return cols, err
		}
		base, path, err := at.base(ref)
		if err == nil && len(path) == 1 && base.entity != nil && path[0].Filter == nil {
			if el := base.entity.Element(path[0].Name); el != nil && el.Assoc() == nil && c.Cast == nil {
				if err := s.allowed(el, s.use); err != nil {
					mask := maskOf(err)
					if mask == nil {
						return nil, err
					}
					col, err := s.masked(base, el, columnName(c), mask, err)
					return []Column{col}, err
				}
				col, err := s.elementColumn(base, el, columnName(c))
				return []Column{col}, err
			}
		}
	}
	var x = c.X
	if c.Cast != nil {
		x = &cqn.Cast{X: x, Type: *c.Cast}
	}
	f, err := s.shown(at, x)
	if err != nil {
		return nil, err
	}
	out := noColumn()
	out.Name, out.Element, out.masked = columnName(c), f.el, f.masked
	if f.typ != nil {
		out.Type = f.typ
	}
	if f.el != nil {
		out.Type = f.el.Type
	}
	if out.Name == "" {
		return nil, s.fail("INVALID_QUERY", "an expression needs a name: %s", cqn.Format(c.X))
	}
	if err := s.output(&out, f.seal); err != nil {
		return nil, err
	}
	out.Index = s.add(f.sql)
	return []Column{out}, nil
}

// within returns the scope for names relative to src: the query's own for its main source, else one of src alone.
func (s *selection) within(src *source) *scope {
	if src == s.main || src == nil {
		return s.scope
	}
	return &scope{stmt: s.stmt, sources: []*source{src}, self: s.self, definer: s.definer, parent: nil}
}

// parts handles paths to structures and to managed associations: what they stand for are several columns or none.
func (s *selection) parts(at *scope, ref *cqn.Ref, c *cqn.Column) ([]Column, bool, error) {
	base, path, err := at.base(ref)
	if err != nil || base.entity == nil || len(path) == 0 {
		return nil, false, err
	}
	e := base.entity
	el, n := flat(e, path)
	for el != nil && n < len(path) && el.Assoc() != nil && el.Assoc().Target != nil {
		e, path = el.Assoc().Target, path[n:]
		el, n = flat(e, path)
	}
	var elements []*csn.Element
	prefix := ""
	switch {
	case el == nil:
		elements = structParts(e, path)
		for _, p := range path {
			prefix += p.Name + "_"
		}
	case el.Assoc() != nil && path[n-1].Filter == nil:
		if err := s.allowed(el, s.use); err != nil {
			return nil, true, err
		}
		elements, prefix = el.Assoc().FK, el.Name+"_"
		if len(elements) == 0 {
			return nil, true, nil // unmanaged: nothing of it is in the row
		}
	case el.Assoc() != nil && s.unmanaged(columnName(c)):
		return nil, true, s.allowed(el, s.use) // published with a filter, which is in the condition of the view's association
	}
	if len(elements) == 0 {
		return nil, false, nil
	}
	head := ref.Path[: len(ref.Path)-len(path) : len(ref.Path)-len(path)]
	var out []Column
	for _, e := range elements {
		if e.Assoc() != nil || e.Virtual || s.allowed(e, s.use) != nil {
			continue
		}
		if s.skipped(e) {
			continue
		}
		f, err := s.shown(at, &cqn.Ref{At: ref.At, Path: append(head, cqn.Step{Name: e.Name})})
		if err != nil {
			return nil, true, err
		}
		col := noColumn()
		col.Name, col.Element, col.Type = columnName(c)+"_"+strings.TrimPrefix(e.Name, prefix), e, e.Type
		if err := s.output(&col, f.seal); err != nil {
			return nil, true, err
		}
		col.Index = s.add(f.sql)
		out = append(out, col)
	}
	return out, true, nil
}

// unmanaged reports whether the view that is made has an association of the name that is nothing but a condition.
func (s *selection) unmanaged(name string) bool {
	if !s.view || s.result == nil {
		return false
	}
	el := s.result.Flat.Lookup(name)
	return el != nil && el.Assoc() != nil && len(el.Assoc().FK) == 0
}

// inline flattens the columns of a nested projection: `author.{ name }` gives name, with an alias a it gives a_name.
func (s *selection) inline(src *source, c *cqn.Column, depth int) ([]Column, error) {
	ref, ok := c.X.(*cqn.Ref)
	if !ok {
		return nil, s.fail("INVALID_QUERY", "only a path can be followed by .{ }")
	}
	prefix := ""
	if c.As != "" {
		prefix = c.As + "_"
	}
	var cols []cqn.Column
	for i := range c.Inline {
		in := c.Inline[i]
		if in.Star {
			all, err := s.inlineStar(src, ref, c)
			if err != nil {
				return nil, err
			}
			for _, name := range all {
				cols = append(cols, cqn.Column{X: longer(ref, cqn.Step{Name: name}), As: prefix + name})
			}
			continue
		}
		sub, ok := in.X.(*cqn.Ref)
		if !ok {
			return nil, s.fail("INVALID_QUERY", "only paths can stand within .{ }")
		}
		col := cqn.Column{X: longer(ref, sub.Path...), Inline: in.Inline, Cast: in.Cast}
		switch {
		case in.Expand != nil:
			col.Inline, col.As = in.Expand.Columns, prefix+columnName(&in)
		case in.Inline == nil:
			col.As = prefix + columnName(&in)
		case in.As != "" || prefix != "":
			col.As = strings.TrimSuffix(prefix+in.As, "_")
		}
		cols = append(cols, col)
	}
	return s.outputs(src, cols, nil, depth+1)
}

func longer(r *cqn.Ref, steps ...cqn.Step) *cqn.Ref {
	return &cqn.Ref{At: r.At, Path: append(append([]cqn.Step(nil), r.Path...), steps...)}
}

// inlineStar returns the names of all scalar elements at the end of a path.
func (s *selection) inlineStar(src *source, ref *cqn.Ref, c *cqn.Column) ([]string, error) {
	base, path, err := s.within(src).base(ref)
	if err != nil || base.entity == nil {
		return nil, err
	}
	e := base.entity
	var elements []*csn.Element
	prefix := ""
	for len(path) > 0 {
		el, n := flat(e, path)
		if el == nil {
			for _, p := range path {
				prefix += p.Name + "_"
			}
			elements = structParts(e, path)
			break
		}
		if el.Assoc() == nil || el.Assoc().Target == nil {
			return nil, s.fail("INVALID_PATH", "%q has no elements", pathText(ref))
		}
		e, path = el.Assoc().Target, path[n:]
	}
	if elements == nil {
		elements = e.Flat
	}
	var out []string
	for _, el := range elements {
		if el.Assoc() == nil && !el.Virtual && !s.skipped(el) && !contains(c.Exclude, topName(el)) && s.allowed(el, Root) == nil {
			out = append(out, strings.TrimPrefix(el.Name, prefix))
		}
	}
	return out, nil
}

// hidden adds what children need to find their parents, once all visible columns are known.
func (s *selection) hidden() error {
	for i := range s.pending {
		p := &s.pending[i]
		for _, el := range p.elements {
			f, err := s.element(p.src, el)
			if err != nil {
				return err
			}
			at := -1
			for j, sql := range s.columns {
				if sql == f.sql {
					at = j
					break
				}
			}
			if at < 0 {
				at = s.add(f.sql)
				c := noColumn()
				c.Name, c.Index, c.Element, c.Type, c.Hidden = el.Name, at, el, el.Type, true
				s.plan.Columns = append(s.plan.Columns, c)
			}
			p.child.ParentKeys = append(p.child.ParentKeys, at)
		}
	}
	return nil
}
