package link

import (
	"slices"
	"strings"

	"cds/parser/ast"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
)

// inferAll gives views their elements, in dependency order. Before: everything that is no view is resolved. After: each view has
// elements with types and own annotations, associations inside services lead to entities of the service where there is one,
// and exposed entities are in the table, inferred as well.
func (l *linker) inferAll() {
	for i := 0; i < len(l.defs); i++ { // exposing appends to the list
		l.complete(l.defs[i])
	}
}

// complete makes a definition ready for being a source: elements typed, associations redirected.
func (l *linker) complete(d *def) {
	if d.query != nil {
		l.infer(d)
		return
	}
	if d.kind != kEntity || d.inferred != todo {
		return
	}
	d.inferred = doing
	l.shape(d, nil)
	for _, e := range d.elems {
		l.resolve(e)
	}
	l.annotateDef(d)
	if d.service != nil {
		for _, e := range d.elems {
			l.redirectTree(d, e, 0)
		}
	}
	d.inferred = done
}

// infer computes the elements of a view.
func (l *linker) infer(d *def) {
	switch d.inferred {
	case done:
		return
	case doing:
		l.viewCycle(d)
		return
	}
	d.inferred = doing
	l.chain = append(l.chain, d)
	q := d.query
	names := d.scope
	if q.scope != nil {
		names = q.scope
	}
	l.viewParams(d)
	l.annotateDef(d)
	s := &escope{l: l, names: names, owner: d, params: q.params}
	linked, sig := l.linkAST(q.node, q.more, s)
	d.linked = linked
	d.elems = nil
	l.viewElements(d, sig)
	clear(sig.cols)
	l.spareCols = sig.cols // nothing refers to the columns any more
	d.inferred = done
	l.settle(d)
	l.chain = l.chain[:len(l.chain)-1]
	if d.kind == kEntity && d.service != nil {
		for _, e := range d.elems {
			l.redirectTree(d, e, 0)
		}
	}
}

// settle keeps what will be asked about the body of a view and lets go of its syntax tree.
func (l *linker) settle(d *def) {
	q := d.query
	q.plain, q.base, q.projection = l.plainSource(d), l.primary(d), q.node.Projection
	q.node, q.more = nil, nil
	if _, ok := d.node.(*ast.Entity); ok {
		d.node = l.bareView
	}
}

func (l *linker) viewCycle(d *def) {
	if d.cyclic {
		return
	}
	d.cyclic = true
	var names []string
	for i := len(l.chain) - 1; i >= 0; i-- {
		names = append([]string{l.chain[i].name}, names...)
		if l.chain[i] == d {
			break
		}
	}
	x := l.diags.Errorf("ref-cyclic", d.span, "Illegal circular reference: %s → %s", strings.Join(names, " → "), d.name)
	x.Home = home(d, "")
	for _, c := range l.chain {
		if c != d {
			x.Related = append(x.Related, diag.Related{Message: "over this view", Span: c.span})
		}
	}
}

// viewElements makes the elements of a view from the columns of its query.
func (l *linker) viewElements(d *def, sig signature) {
	if sig.missing != "" && d.kind == kEntity {
		l.diags.Add(diag.Info, "query-missing-keys", d.span, "Key “%s” has not been projected: the view has no key", sig.missing).Home = home(d, "")
	}
	for i := range sig.cols {
		c := &sig.cols[i]
		if c.name == "" {
			continue
		}
		if old := d.elems.Lookup(c.name); old != nil {
			l.diags.Errorf("duplicate-definition", c.span, "Duplicate definition of element “%s”", c.name).Related = []diag.Related{{Message: "the other one", Span: old.Span}}
			continue
		}
		e := l.viewElement(d, c)
		e.Key = c.isKey
		d.elems = append(d.elems, e)
	}
}

// markKeys decides which columns are keys: those marked `key`, if there are any; else the keys of the source, if all of them are
// columns (if one is missing, the result may have several rows for the remaining ones). Joins have no keys.
func (sig *signature) markKeys() {
	explicit := false
	var src *source
	for i := range sig.cols {
		c := &sig.cols[i]
		c.isKey = c.key
		explicit = explicit || c.key
		if src == nil && c.direct {
			src = c.from
		}
	}
	if explicit || !sig.keys || src == nil {
		return
	}
	for _, k := range src.elems {
		if k.Key && !slices.ContainsFunc(sig.cols, func(c outCol) bool { return c.direct && c.el == k }) {
			sig.missing = k.Name
			return
		}
	}
	for i := range sig.cols {
		c := &sig.cols[i]
		c.isKey = c.direct && c.el != nil && c.el.Key
	}
}

// viewElement makes one element of a view. Its annotations come later, when all elements are there.
func (l *linker) viewElement(d *def, c *outCol) *csn.Element {
	e := l.element()
	e.Name, e.Span = c.name, c.span
	inf := l.know(e, elemInfo{owner: d, state: done, inferredTarget: true, source: c.el, more: columnInfo(c.path, c.filter)})
	if c.el != nil && len(c.path) == 0 {
		if si := l.info(c.el); si != nil && si.derived && c.filter == nil { // look through the subquery
			inf.source, inf.more, inf.cast = si.source, columnInfo(si.rest().path, si.rest().filter), si.cast
		}
	}
	inf.byStar = c.spec == nil
	ns := l.notes[d.name].elem(c.name)
	if c.spec != nil && c.spec.ast != nil {
		e.Doc = docText(c.spec.ast.Doc)
		assignAll(&e.Annotations, l.flatten(c.spec.ast.Annos))
	}
	assignAll(&e.Annotations, ns.own())
	ns.document(&e.Doc)
	l.conditions(e.Annotations)
	if !e.Span.Valid() {
		e.Span = d.span
	}
	switch {
	case c.cast != nil:
		l.castColumn(e, c)
	case c.sub != nil:
		l.expandColumn(d, e, c)
	case c.el != nil:
		l.sourceColumn(d, e, inf, c)
	default:
		l.exprType(e, c.x)
		if e.Type == nil {
			l.fallback(e)
		}
	}
	l.columnFlags(e, c)
	return e
}

func (l *linker) columnFlags(e *csn.Element, c *outCol) {
	if c.spec != nil && c.spec.ast != nil {
		a := c.spec.ast
		e.Virtual = e.Virtual || a.Virtual
		e.Localized = e.Localized || a.Localized
		e.Masked = e.Masked || a.Masked
		if a.NotNull != nil {
			e.NotNull = *a.NotNull
		}
	}
	if c.el == nil && c.sub == nil || e.Virtual {
		computed(&e.Annotations)
	}
}

// castColumn is `x as y : T`: the type is that of the cast, and nothing is inherited from x.
func (l *linker) castColumn(e *csn.Element, c *outCol) {
	e.Type, e.TypeName = c.cast.Type, c.cast.TypeName
	e.SetFacets(csn.Facets{TypeOf: c.cast.TypeOf(), Enum: c.cast.Enum()})
	inherit(&e.Annotations, c.cast.Annotations, nil)
	inf := l.info(e)
	if ci := l.info(c.cast); ci != nil {
		inf.target = ci.target
	}
	if c.el != nil {
		e.Key = false
		inf.cast = true
	}
	if e.Type == nil {
		l.fallback(e)
	}
}

func (l *linker) expandColumn(d *def, e *csn.Element, c *outCol) {
	st := &csn.Struct{}
	for i := range c.sub {
		if c.sub[i].name != "" {
			st.Elements = append(st.Elements, l.viewElement(d, &c.sub[i]))
		}
	}
	e.Type = st
	if c.many {
		item := &csn.Element{}
		item.Type = st
		l.know(item, elemInfo{owner: d, state: done})
		e.Type = &csn.Array{Items: item}
	}
}

// sourceColumn takes over what the element of the source is.
func (l *linker) sourceColumn(d *def, e *csn.Element, inf *elemInfo, c *outCol) {
	src := c.el
	l.resolve(src)
	e.TypeName = src.TypeName
	e.ShareFacets(src)
	e.SetValue(nil)
	e.Virtual, e.Localized, e.Masked = src.Virtual, src.Localized, src.Masked
	over := c.from != nil && c.from.outer
	for _, p := range c.path {
		over = over || p.Assoc() != nil
	}
	if over {
		e.SetDefault(nil)
	} else {
		e.NotNull = src.NotNull
	}
	inf.overAssoc = over
	e.Type = l.copyType(src.Type, d, l.notesOf(inf), 0)
	si := l.info(src)
	if si != nil {
		inf.target = si.target
	}
	if a := e.Assoc(); a != nil && c.spec != nil && c.spec.ast != nil && c.spec.ast.Redirect != nil {
		l.redirectTo(d, e, inf, a, c)
	}
}

// viewParams resolves the parameters of a parameterised view.
func (l *linker) viewParams(d *def) {
	for _, p := range d.paramNodes() {
		e := l.newElement(d, p, d.scope)
		l.info(e).setNotes(l.notes[d.name].param(e.Name))
		l.resolve(e)
		d.query.params = append(d.query.params, e)
	}
}

// primary returns the entity that a view projects: that of its only source, over subqueries in FROM, or of the first query of a set
// operation. It is nil for joins. It needs no inference.
func (l *linker) primary(d *def) *def {
	if d.query == nil {
		return nil
	}
	q := d.query.node
	if q == nil {
		return d.query.base
	}
	for i := 0; q.SetOp != "" && len(q.Args) > 0 && i < maxDepth; i++ {
		q = q.Args[0]
	}
	f := fromOf(q.From)
	if f == nil || f.Path == nil || len(f.Path.Path) == 0 {
		return nil
	}
	names := d.scope
	if d.query.scope != nil {
		names = d.query.scope
	}
	src, rest := l.entityPrefix(names, f.Path.Path[0].Name)
	if src == nil {
		return nil
	}
	steps := append([]string(nil), rest...)
	for _, st := range f.Path.Path[1:] {
		steps = append(steps, st.Name)
	}
	for _, name := range steps {
		el := l.elementsOf(src).Lookup(name)
		if el == nil {
			return nil
		}
		_, src = l.below(el)
		if src == nil {
			return nil
		}
	}
	return src
}

// fromOf returns the FROM entry at the bottom of nested subqueries, nil for joins.
func fromOf(s cqn.Source) *cqn.From {
	for i := 0; i < maxDepth; i++ {
		switch x := s.(type) {
		case *cqn.From:
			return x
		case *cqn.Derived:
			q := x.Query
			for j := 0; j < maxDepth; j++ {
				set, ok := q.(*cqn.SetOp)
				if !ok || len(set.Args) == 0 {
					break
				}
				q = set.Args[0]
			}
			sel, ok := q.(*cqn.Select)
			if !ok {
				return nil
			}
			s = sel.From
		default:
			return nil
		}
	}
	return nil
}

// descends reports whether d is a projection of base, over any number of others.
func (l *linker) descends(d, base *def) bool {
	for i := 0; d != nil && i < maxDepth; i++ {
		if d == base {
			return true
		}
		d = l.primary(d)
	}
	return false
}
