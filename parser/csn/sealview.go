package csn

import (
	"slices"
	"strings"

	"cds/parser/cqn"
)

// A sealer finds the seals of what views show, after those of tables, and reports what needs the values themselves: the database does not have them.
type sealer struct {
	*freezer
	state []uint8 // by entity: 1 if it has been visited
	e     *Entity // whose body is read
	quiet bool    // the caller reports, by seen
	seen  *Seal   // of the first element whose value is needed
}

// A sealScope has the names that references of a query may begin with.
type sealScope struct {
	sources []sealSource
	mixins  []cqn.Mixin
	outer   *sealScope
}

type sealSource struct {
	name   string
	entity *Entity // nil for a subquery
}

// visit sets the seals of a view, those of what it reads first.
func (r *sealer) visit(e *Entity, depth int) {
	if r.state[e.ID] != 0 || depth > 10*maxDepth {
		return
	}
	r.state[e.ID] = 1
	if e.Source == nil {
		return
	}
	sealed := false
	for _, t := range e.Reads {
		r.visit(t, depth+1)
		sealed = sealed || hasSeal(t)
	}
	out := map[string]*Seal{}
	if sealed {
		r.e = e
		r.query(e.Source, nil, out, 0)
	}
	for _, el := range e.Flat {
		if el.ForeignKey != nil || el.OnRead {
			continue
		}
		s := out[el.Name]
		if el.Origin != nil {
			s = el.Origin.Seal()
		}
		el.setSeal(s)
		r.declared(e, el, s)
	}
}

func hasSeal(e *Entity) bool {
	return slices.ContainsFunc(e.Flat, func(el *Element) bool { return el.Seal() != nil })
}

// declared compares the annotations of an element of a view with the column that it shows.
func (r *sealer) declared(e *Entity, el *Element, s *Seal) {
	if el.Assoc() != nil {
		return
	}
	for i := range el.Annotations {
		a := &el.Annotations[i]
		base, ok := sealAnno(a.Name)
		if !ok {
			continue
		}
		off := a.Value == nil || a.Value.Kind == cqn.AnnoNull || a.Value.False()
		switch {
		case s == nil && !off:
			r.sealFault(e, el, a, "write it where the element of the table is defined", "@%s on %s: a view keeps nothing, and the column behind it does not have it", base, el.Name)
		case s == nil:
		case off && s.Hashed() == (base == hashAnno), a.Name != base:
			r.sealFault(e, el, a, "take the annotation away", "@%s on %s: a view cannot change how the column behind it is kept", base, el.Name)
		case !off:
			if kind, _ := sealKind(base, a.Value); kind != s.Kind {
				r.sealFault(e, el, a, "take the annotation away", "@%s on %s is not that of the column behind it", base, el.Name)
			}
		}
	}
}

// query reads a query. out takes the seals of its columns by their names; nil where sealed values cannot be followed any further.
func (r *sealer) query(q cqn.Query, outer *sealScope, out map[string]*Seal, depth int) {
	if depth > maxDepth {
		return // reads has reported it
	}
	switch q := q.(type) {
	case *cqn.Select:
		sc := &sealScope{outer: outer, mixins: q.Mixins}
		r.source(q.From, sc, depth)
		if q.Distinct || len(q.GroupBy) > 0 {
			out = nil
		}
		r.columns(q, sc, out, depth)
		for _, m := range q.Mixins {
			r.expr(m.On, sc, depth)
		}
		r.expr(q.Where, sc, depth)
		r.expr(q.Having, sc, depth)
		for _, x := range q.GroupBy {
			r.expr(x, sc, depth)
		}
		for _, o := range q.OrderBy {
			r.expr(o.X, sc, depth)
		}
	case *cqn.SetOp:
		for _, a := range q.Args {
			r.query(a, outer, nil, depth+1)
		}
	}
}

func (r *sealer) source(s cqn.Source, sc *sealScope, depth int) {
	if depth > maxDepth {
		return
	}
	switch s := s.(type) {
	case *cqn.From:
		if s.Path == nil || len(s.Path.Path) == 0 {
			return
		}
		e := r.m.Entity(s.Path.Path[0].Name)
		name := s.As
		if name == "" {
			name = lastOf(s.Path.Path[len(s.Path.Path)-1].Name)
		}
		for i, st := range s.Path.Path {
			if i > 0 && e != nil {
				e = targetOf(e, st.Name)
			}
			if st.Filter != nil && e != nil {
				r.expr(st.Filter, &sealScope{sources: []sealSource{{entity: e}}, outer: sc}, depth+1)
			}
		}
		sc.sources = append(sc.sources, sealSource{name, e})
	case *cqn.Join:
		r.source(s.L, sc, depth+1)
		r.source(s.R, sc, depth+1)
		r.expr(s.On, sc, depth)
	case *cqn.Derived:
		r.query(s.Query, sc.outer, nil, depth+1)
		sc.sources = append(sc.sources, sealSource{name: s.As})
	}
}

func lastOf(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

func targetOf(e *Entity, name string) *Entity {
	if el := e.Flat.Lookup(name); el != nil && el.Assoc() != nil {
		return el.Assoc().Target
	}
	return nil
}

// columns finds the seals of a query's columns.
func (r *sealer) columns(q *cqn.Select, sc *sealScope, out map[string]*Seal, depth int) {
	star := len(q.Columns) == 0
	for i := range q.Columns {
		c := &q.Columns[i]
		ref, plain := c.X.(*cqn.Ref)
		switch {
		case c.Star:
			star = true
		case c.Expand != nil || c.Inline != nil:
			r.nested(c, sc, depth)
		case plain && c.Cast == nil:
			r.column(ref, columnAs(c, ref), sc, out, depth)
		default:
			r.expr(c.X, sc, depth)
		}
	}
	if !star {
		return
	}
	for _, src := range sc.sources {
		if src.entity == nil {
			continue
		}
		for _, el := range src.entity.Flat {
			if s := el.Seal(); s != nil && len(el.Path()) > 0 && !contains(q.Exclude, el.Path()[0]) && !contains(q.Exclude, el.Name) && !named(q.Columns, el.Name) {
				r.yield(el.Name, s, out)
			}
		}
	}
}

// named reports whether some column has a name, so that it takes the place of what * would give.
func named(cols []cqn.Column, name string) bool {
	for i := range cols {
		if ref, ok := cols[i].X.(*cqn.Ref); ok && columnAs(&cols[i], ref) == name || cols[i].As == name {
			return true
		}
	}
	return false
}

func columnAs(c *cqn.Column, ref *cqn.Ref) string {
	if c.As != "" || len(ref.Path) == 0 {
		return c.As
	}
	return ref.Path[len(ref.Path)-1].Name
}

// yield notes the seal of a column, or reports that it cannot be followed.
func (r *sealer) yield(name string, s *Seal, out map[string]*Seal) {
	switch {
	case out == nil:
		r.use(s, "leave it out: in unions, subqueries, distinct and grouped queries it cannot be told what was encrypted how")
	case out[name] == nil || *out[name] == *s:
		out[name] = s
	default:
		r.use(s, "give its columns different names")
	}
}

// column is a path as a column: an element, or a structure that stands for its parts.
func (r *sealer) column(ref *cqn.Ref, as string, sc *sealScope, out map[string]*Seal, depth int) {
	r.filters(ref, sc, depth)
	e, path := sc.base(ref)
	el, last := elementAt(e, path)
	if el != nil {
		if s := el.Seal(); s != nil {
			r.yield(as, s, out)
		}
		return
	}
	if last.entity == nil || len(last.rest) == 0 {
		return
	}
	for _, p := range last.entity.Flat {
		if s := p.Seal(); s != nil && len(p.Path()) > len(last.rest) && slices.Equal(p.Path()[:len(last.rest)], last.rest) {
			r.yield(as+"_"+strings.Join(p.Path()[len(last.rest):], "_"), s, out)
		}
	}
}

// nested reports sealed elements in nested projections, but for those of the entity's own structures: Origin knows them.
func (r *sealer) nested(c *cqn.Column, sc *sealScope, depth int) {
	ref, ok := c.X.(*cqn.Ref)
	if !ok || depth > maxDepth {
		return
	}
	if e, path := sc.base(ref); r.e.Base != nil && e != nil {
		if el, _ := elementAt(e, path); el == nil {
			return
		}
	}
	cols := c.Inline
	if cols == nil {
		cols = c.Expand.Columns
	}
	for i := range cols {
		in, ok := cols[i].X.(*cqn.Ref)
		if cols[i].Star || !ok {
			in = &cqn.Ref{}
		}
		full := &cqn.Ref{At: ref.At, Path: append(append([]cqn.Step(nil), ref.Path...), in.Path...)}
		r.column(full, "", sc, nil, depth)
		if e, path := sc.base(full); cols[i].Star {
			if el, _ := elementAt(e, path); el != nil && el.Assoc() != nil && el.Assoc().Target != nil && hasSeal(el.Assoc().Target) {
				r.use(firstSeal(el.Assoc().Target), "name the columns that are wanted")
			}
		}
	}
}

func firstSeal(e *Entity) *Seal {
	for _, el := range e.Flat {
		if s := el.Seal(); s != nil {
			return s
		}
	}
	return nil
}

// filters reads the conditions along a path.
func (r *sealer) filters(ref *cqn.Ref, sc *sealScope, depth int) {
	e, path := sc.base(ref)
	for i := range path {
		if path[i].Filter == nil || e == nil {
			continue
		}
		if el, _ := elementAt(e, path[:i+1]); el != nil && el.Assoc() != nil && el.Assoc().Target != nil {
			r.expr(path[i].Filter, &sealScope{sources: []sealSource{{entity: el.Assoc().Target}}, outer: sc}, depth+1)
		}
	}
}

// base finds the entity that a path begins in, and its steps from there; nil if it begins in none.
func (sc *sealScope) base(ref *cqn.Ref) (*Entity, []cqn.Step) {
	if ref == nil || len(ref.Path) == 0 {
		return nil, nil
	}
	path := ref.Path
	if first := path[0].Name; (first == "$self" || first == "$projection") && len(path) > 1 {
		path = path[1:]
	}
	for s := sc; s != nil; s = s.outer {
		for _, src := range s.sources {
			if src.name != "" && src.name == path[0].Name && len(path) > 1 {
				return src.entity, path[1:]
			}
		}
		for _, src := range s.sources {
			if src.entity != nil {
				if el, at := elementAt(src.entity, path); el != nil || at.moved || at.inside {
					return src.entity, path
				}
			}
		}
	}
	return nil, nil
}

// A pathEnd is where a path ended that leads to no element: the entity that was reached, and the steps that remained.
type pathEnd struct {
	entity *Entity
	rest   []string
	moved  bool // some step was understood
	inside bool // the steps that remain name a structure
}

// elementAt follows a path from an entity. Structures are flat: their parts have names with underscores.
func elementAt(e *Entity, path []cqn.Step) (*Element, pathEnd) {
	end := pathEnd{entity: e}
	for e != nil && len(path) > 0 {
		var el *Element
		n, name := 0, ""
		for i := range path {
			if i > 0 {
				name += "_"
			}
			name += path[i].Name
			if el = e.Flat.Lookup(name); el != nil {
				n = i + 1
				break
			}
		}
		end.entity, end.rest = e, nil
		if el == nil {
			for _, s := range path {
				end.rest = append(end.rest, s.Name)
			}
			end.inside = slices.ContainsFunc(e.Flat, func(p *Element) bool {
				return len(p.Path()) > len(end.rest) && slices.Equal(p.Path()[:len(end.rest)], end.rest)
			})
			return nil, end
		}
		end.moved = true
		if path = path[n:]; len(path) == 0 {
			return el, end
		}
		if e = nil; el.Assoc() != nil {
			e = el.Assoc().Target
		}
	}
	return nil, end
}

// expr reports sealed elements in an expression, but where it only asks whether they are null.
func (r *sealer) expr(x cqn.Expr, sc *sealScope, depth int) {
	if x == nil || depth > maxDepth {
		return
	}
	cqn.Walk(x, func(n any) bool {
		switch n := n.(type) {
		case *cqn.Unary:
			if ref, ok := n.X.(*cqn.Ref); ok && (n.Op == cqn.IsNull || n.Op == cqn.IsNotNull) {
				r.filters(ref, sc, depth)
				return false
			}
		case *cqn.Binary:
			if ref, ok := nullTest(n); ok {
				r.filters(ref, sc, depth)
				return false
			}
		case *cqn.Ref:
			r.filters(n, sc, depth)
			e, path := sc.base(n)
			if el, _ := elementAt(e, path); el != nil && el.Seal() != nil {
				r.use(el.Seal(), "conditions may ask whether it is null, nothing else")
			}
			return false
		case *cqn.Subquery:
			r.query(n.Query, sc, nil, depth+1)
			return false
		case *cqn.Exists:
			r.exists(n, sc, depth)
			return false
		}
		return true
	})
}

// nullTest returns the path that a comparison with null is about.
func nullTest(b *cqn.Binary) (*cqn.Ref, bool) {
	if b.Op != cqn.Eq && b.Op != cqn.Ne && b.Op != cqn.EqNull {
		return nil, false
	}
	null := func(x cqn.Expr) bool {
		l, ok := x.(*cqn.Lit)
		return ok && l.Enum == "" && l.Value.IsNull()
	}
	if ref, ok := b.L.(*cqn.Ref); ok && null(b.R) {
		return ref, true
	}
	ref, ok := b.R.(*cqn.Ref)
	return ref, ok && null(b.L)
}

func (r *sealer) exists(x *cqn.Exists, sc *sealScope, depth int) {
	if x.Path == nil {
		return
	}
	r.filters(x.Path, sc, depth)
	e, path := sc.base(x.Path)
	el, _ := elementAt(e, path)
	if x.Pred == nil || el == nil || el.Assoc() == nil {
		return
	}
	r.expr(x.Pred, &sealScope{sources: []sealSource{{x.Var, el.Assoc().Target}}, outer: sc}, depth+1)
}

// use reports that a view or a condition needs the value of a sealed element.
func (r *sealer) use(s *Seal, hint string) {
	if r.seen == nil {
		r.seen = s
	}
	if r.quiet {
		return
	}
	d := r.errorf(codeSealUse, r.e, nil, "%s uses %s, of which the database has %s only", r.e.Name, s.Column, s.form())
	d.Hint = hint
}

// form is what the database has of values.
func (s *Seal) form() string {
	if s.Hashed() {
		return "the hash"
	}
	return "the encrypted form"
}
