package link

import (
	"slices"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/token"
)

// star returns the columns that `*` stands for in a scope. named has the explicit columns, which take the place of those of their name.
func (l *linker) star(s *escope, exclude []string, named func(name string) *outCol) []outCol {
	n := 0
	for i := range s.sources {
		n += len(s.sources[i].elems)
	}
	out := l.spareCols[:0]
	if l.spareCols = nil; cap(out) < n {
		out = make([]outCol, 0, n)
	}
	for i := range s.sources {
		src := &s.sources[i]
		for _, e := range src.elems {
			if slices.Contains(exclude, e.Name) {
				continue
			}
			if named != nil {
				if c := named(e.Name); c != nil {
					out = append(out, *c)
					continue
				}
			}
			out = append(out, outCol{name: e.Name, el: e, direct: true, from: src})
		}
	}
	return out
}

// A columnLinker links the columns of one select.
type columnLinker struct {
	l       *linker
	s       *escope
	specs   []colSpec
	exclude []string
	sig     *signature
	sub     bool // columns of an expand or inline
}

// run links the columns and fills the signature. Columns that refer to others by $self come last, though they keep their place.
func (c *columnLinker) run() []cqn.Column {
	linked := make([]cqn.Column, len(c.specs))
	cols := make([][]outCol, len(c.specs))
	link := func(i int) {
		sp := &c.specs[i]
		if sp.c.Star {
			linked[i] = sp.c
			return
		}
		linked[i], cols[i] = c.column(sp)
		c.sig.cols = append(c.sig.cols, cols[i]...) // so that $self finds them
	}
	for i := range c.specs {
		if !usesSelf(c.specs[i].c.X) {
			link(i)
		}
	}
	for i := range c.specs {
		if usesSelf(c.specs[i].c.X) {
			link(i)
		}
	}
	c.arrange(cols)
	return linked
}

func usesSelf(x cqn.Expr) bool {
	found := false
	cqn.Walk(x, func(n any) bool {
		if r, ok := n.(*cqn.Ref); ok && len(r.Path) > 1 && (r.Path[0].Name == "$self" || r.Path[0].Name == "$projection") {
			found = true
		}
		return !found
	})
	return found
}

// arrange puts the columns into the order of the result: an explicit column replaces that of its name in `*`.
func (c *columnLinker) arrange(cols [][]outCol) {
	type place struct{ i, j int }
	index := map[string]place{}
	for i := range cols {
		for j := range cols[i] {
			n := cols[i][j].name
			if _, dup := index[n]; dup && n != "" {
				c.l.diags.Errorf("duplicate-definition", cols[i][j].span, "Duplicate definition of element “%s”", n)
			}
			index[n] = place{i, j}
		}
	}
	var out []outCol
	used := map[string]bool{}
	for i := range c.specs {
		if c.specs[i].c.Star {
			for _, o := range c.l.star(c.s, c.exclude, func(name string) *outCol {
				if p, ok := index[name]; ok {
					return &cols[p.i][p.j]
				}
				return nil
			}) {
				if !used[o.name] {
					used[o.name] = true
					out = append(out, o)
				}
			}
			continue
		}
		for _, o := range cols[i] {
			if o.name == "" || !used[o.name] {
				used[o.name] = true
				out = append(out, o)
			}
		}
	}
	c.sig.cols = out
}

func (c *columnLinker) column(sp *colSpec) (cqn.Column, []outCol) {
	out := sp.c
	o := outCol{spec: sp, span: sp.c.Span, key: sp.c.Key}
	ref, isRef := sp.c.X.(*cqn.Ref)
	switch {
	case sp.c.Inline != nil && isRef:
		return c.inline(sp, ref)
	case sp.c.Expand != nil && isRef:
		return c.expand(sp, ref)
	case sp.c.Expand != nil:
		return c.structColumn(sp)
	case isRef:
		r, t, ok := c.s.path(ref)
		out.X, o.x = r, r
		if !ok {
			return out, nil
		}
		if t.el == nil {
			c.l.diags.Errorf("ref-unexpected-self", ref.Where, "An element is expected here, not a whole row")
			return out, nil
		}
		c.l.resolve(t.el)
		o.name, o.el, o.path, o.from = t.el.Name, t.el, t.path, t.from
		o.direct = len(t.path) == 0 && ref.Path[0].Name != "$self" && ref.Path[0].Name != "$projection" && c.s.extra.Lookup(t.el.Name) != t.el
		o.filter = r.Path[len(r.Path)-1].Filter
		o.span = ref.Path[len(ref.Path)-1].Span
	default:
		out.X = c.s.expr(sp.c.X)
		o.x = out.X
		if call, ok := out.X.(*cqn.Call); ok && len(call.Args) == 0 && sp.c.As == "" && call.Over == nil && !call.Star {
			o.name = call.Name // current_date and the like name themselves
		}
	}
	c.finish(sp, &out, &o)
	return out, []outCol{o}
}

// finish applies alias and type of a column.
func (c *columnLinker) finish(sp *colSpec, out *cqn.Column, o *outCol) {
	if sp.c.As != "" {
		o.name = sp.c.As
	}
	if sp.ast != nil && sp.ast.As != nil {
		o.span = sp.ast.As.Span
	}
	if o.name == "" && sp.ast != nil {
		x := c.l.diags.Errorf("query-req-name", sp.c.Span, "Alias name is required for this select item")
		x.Hint = "Add `as name`."
		x.Home = home(c.s.owner, "")
		o.name = ""
	}
	if out.Cast != nil {
		t := c.s.typeName(*out.Cast, sp.c.Span)
		out.Cast = &t
	}
	if sp.ast != nil && sp.ast.Type != nil {
		e := &csn.Element{}
		e.Span = sp.c.Span
		inf := c.l.know(e, elemInfo{owner: c.s.owner, more: &moreInfo{scope: sp.names, notes: &notes{used: true}}, state: doing})
		c.l.typeInto(e, inf, sp.ast.Type, 0)
		inf.state = done
		o.cast = e
	} else if out.Cast != nil {
		o.cast = c.l.castElement(out.Cast, c.s, sp.c.Span)
	}
}

// castElement makes an element of the type of a cast.
func (l *linker) castElement(t *cqn.TypeName, s *escope, at token.Span) *csn.Element {
	e := &csn.Element{}
	e.Span = at
	if d := l.byName[t.Name]; d != nil && d.kind == kType {
		te := l.typeOfDef(d, at)
		e.Type, e.TypeName = te.Type, d.name
		e.SetEnum(te.Enum())
		return e
	}
	name := t.Name
	if len(name) > 4 && name[:4] == "cds." {
		name = name[4:]
	}
	if b, ok := builtins[name]; ok {
		e.TypeName = t.Name
		e.Type = &csn.Builtin{Name: t.Name, Kind: b.kind, Length: t.Length, Precision: t.Precision, Scale: t.Scale, HasScale: t.Scale != 0}
	}
	return e
}

// inline links `a.{ x, y }` and `a.*`: the columns become columns of this query.
func (c *columnLinker) inline(sp *colSpec, ref *cqn.Ref) (cqn.Column, []outCol) {
	out := sp.c
	r, t, ok := c.s.path(ref)
	out.X = r
	if !ok {
		return out, nil
	}
	elems, d := c.l.targetOf(t)
	if elems == nil {
		c.l.diags.Errorf("ref-expecting-struct", ref.Where, "A structure, an association or a source is expected before “.{”")
		return out, nil
	}
	in := c.nested(elems, d)
	var sig signature
	cl := &columnLinker{l: c.l, s: in, specs: sp.inline, exclude: sp.c.Exclude, sig: &sig, sub: true}
	out.Inline = cl.run()
	for i := range sig.cols {
		o := &sig.cols[i]
		if t.el != nil {
			o.path = append(append(append([]*csn.Element(nil), t.path...), t.el), o.path...)
			o.direct = false
		} else {
			o.from = t.source
		}
	}
	return out, sig.cols
}

// targetOf returns the elements behind what a path leads to.
func (l *linker) targetOf(t target) (csn.Elements, *def) {
	if t.source != nil {
		return t.source.elems, t.source.def
	}
	if t.el == nil {
		return nil, nil
	}
	return l.below(t.el)
}

// nested is the scope of columns inside an expand or inline.
func (c *columnLinker) nested(elems csn.Elements, d *def) *escope {
	in := &escope{l: c.l, names: c.s.names, owner: c.s.owner, params: c.s.params, silent: c.s.silent, depth: c.s.depth + 1, direct: true}
	in.sources = []source{{def: d, elems: elems}}
	return in
}

// expand links `a { x, y }`: a structured result, an array for associations to many.
func (c *columnLinker) expand(sp *colSpec, ref *cqn.Ref) (cqn.Column, []outCol) {
	out := sp.c
	r, t, ok := c.s.path(ref)
	out.X = r
	if !ok {
		return out, nil
	}
	elems, d := c.l.targetOf(t)
	if elems == nil || t.el == nil || c.s.depth > maxDepth {
		c.l.diags.Errorf("ref-expecting-struct", ref.Where, "A structure or an association is expected before “{”")
		return out, nil
	}
	var sig signature
	cl := &columnLinker{l: c.l, s: c.nested(elems, d), specs: sp.expand, exclude: sp.c.Expand.Exclude, sig: &sig, sub: true}
	sel := *sp.c.Expand
	sel.Columns = cl.run()
	out.Expand = &sel
	o := outCol{name: t.el.Name, spec: sp, span: ref.Path[len(ref.Path)-1].Span, sub: sig.cols, x: r, key: sp.c.Key}
	if a := t.el.Assoc(); a != nil {
		o.many = a.Many
	}
	c.finish(sp, &out, &o)
	return out, []outCol{o}
}

// structColumn links `{ a, b } as s`.
func (c *columnLinker) structColumn(sp *colSpec) (cqn.Column, []outCol) {
	out := sp.c
	var sig signature
	in := *c.s
	cl := &columnLinker{l: c.l, s: &in, specs: sp.expand, exclude: sp.c.Expand.Exclude, sig: &sig, sub: true}
	sel := *sp.c.Expand
	sel.Columns = cl.run()
	out.Expand = &sel
	o := outCol{spec: sp, span: sp.c.Span, sub: sig.cols, key: sp.c.Key}
	c.finish(sp, &out, &o)
	return out, []outCol{o}
}
