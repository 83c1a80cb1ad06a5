package csn

import (
	"strings"

	"cds/parser/cqn"
)

// reads sets Reads: the entities that the bodies of views name.
func (f *freezer) reads() {
	for _, e := range f.m.Entities {
		e.Reads = nil
		if e.Source == nil {
			continue
		}
		r := &reader{freezer: f, e: e, seen: map[*Entity]bool{}}
		r.query(e.Source, nil, 0)
	}
}

type reader struct {
	*freezer
	e    *Entity
	seen map[*Entity]bool
}

// readScope has the names that references of a query may begin with.
type readScope struct {
	aliases map[string]Elements
	sources []Elements
	mixins  Elements
	outer   *readScope
}

func (r *reader) note(t *Entity) {
	if t != nil && !r.seen[t] {
		r.seen[t] = true
		r.e.Reads = append(r.e.Reads, t)
	}
}

// query notes what a query names and returns the elements that it yields, as far as they are elements of its sources.
func (r *reader) query(q cqn.Query, outer *readScope, depth int) Elements {
	if depth > maxDepth {
		r.errorf(codeTooDeep, r.e, nil, "the query of %s is nested more than %d levels deep", r.e.Name, maxDepth)
		return nil
	}
	switch q := q.(type) {
	case *cqn.Select:
		sc := &readScope{aliases: map[string]Elements{}, outer: outer}
		r.source(q.From, sc, depth)
		for i := range q.Mixins {
			sc.mixins = append(sc.mixins, &Element{Def: Def{Name: q.Mixins[i].Name}, Type: &Assoc{Target: r.m.Entity(q.Mixins[i].Target)}})
		}
		r.columns(q.Columns, sc, depth)
		r.exprs(sc, depth, q.Where, q.Having, q.Limit, q.Offset)
		r.exprs(sc, depth, q.GroupBy...)
		for _, o := range q.OrderBy {
			r.exprs(sc, depth, o.X)
		}
		return r.yield(q, sc)
	case *cqn.SetOp:
		var first Elements
		for i, a := range q.Args {
			if els := r.query(a, outer, depth+1); i == 0 {
				first = els
			}
		}
		return first
	}
	return nil
}

// yield returns the elements behind the columns of a query.
func (r *reader) yield(q *cqn.Select, sc *readScope) Elements {
	var out Elements
	all := func() {
		for _, els := range sc.sources {
			out = append(out, els...)
		}
	}
	if len(q.Columns) == 0 {
		all()
	}
	for i := range q.Columns {
		c := &q.Columns[i]
		if c.Star {
			all()
			continue
		}
		ref, ok := c.X.(*cqn.Ref)
		if !ok || len(ref.Path) == 0 || c.Expand != nil || c.Inline != nil {
			continue
		}
		last := ref.Path[len(ref.Path)-1].Name
		el := r.scope(ref, sc).Lookup(last)
		if el == nil {
			continue
		}
		renamed := *el
		if c.As != "" {
			renamed.Name = c.As
		}
		out = append(out, &renamed)
	}
	return out
}

// scope returns the elements among which the last step of a path stands. It notes nothing: the path itself has been walked.
func (r *reader) scope(ref *cqn.Ref, sc *readScope) Elements {
	head, rest := ref.Path[0].Name, ref.Path[1:]
	if els, ok := sc.aliases[head]; ok && els != nil && len(rest) > 0 {
		return below(els, rest[:len(rest)-1])
	}
	for _, els := range append([]Elements{sc.mixins}, sc.sources...) {
		if els.Lookup(head) != nil {
			return below(els, ref.Path[:len(ref.Path)-1])
		}
	}
	return nil
}

// below follows a path through structures and associations.
func below(els Elements, steps []cqn.Step) Elements {
	for _, s := range steps {
		el := els.Lookup(s.Name)
		if el == nil {
			return nil
		}
		switch t := el.Type.(type) {
		case *Struct:
			els = t.Elements
		case *Assoc:
			if t.Target == nil {
				return nil
			}
			els = t.Target.Elements
		default:
			return nil
		}
	}
	return els
}

func (r *reader) source(s cqn.Source, sc *readScope, depth int) {
	if depth > maxDepth {
		return
	}
	switch s := s.(type) {
	case *cqn.From:
		if s.Path == nil || len(s.Path.Path) == 0 {
			return
		}
		head := s.Path.Path[0]
		t := r.m.Entity(head.Name)
		if t == nil {
			r.errorf(codeTarget, r.e, nil, "%s reads from %q, which is not an entity of the model", r.e.Name, head.Name)
			return
		}
		r.note(t)
		r.filter(head, t.Elements, depth)
		els := r.steps(t.Elements, s.Path.Path[1:], true, depth)
		as := s.As
		if as == "" {
			last := s.Path.Path[len(s.Path.Path)-1].Name
			as = last[strings.LastIndexByte(last, '.')+1:]
		}
		sc.aliases[as] = els
		sc.sources = append(sc.sources, els)
	case *cqn.Join:
		r.source(s.L, sc, depth+1)
		r.source(s.R, sc, depth+1)
		r.exprs(sc, depth, s.On)
	case *cqn.Derived:
		els := r.query(s.Query, sc.outer, depth+1)
		sc.aliases[s.As] = els
		sc.sources = append(sc.sources, els)
	}
}

func (r *reader) columns(cols []cqn.Column, sc *readScope, depth int) {
	if depth > maxDepth {
		return
	}
	for i := range cols {
		c := &cols[i]
		ref, _ := c.X.(*cqn.Ref)
		if c.Expand == nil && c.Inline == nil {
			r.exprs(sc, depth, c.X)
			continue
		}
		els := r.ref(ref, sc, true, depth)
		inner := &readScope{sources: []Elements{els}, outer: sc}
		if c.Expand != nil {
			r.columns(c.Expand.Columns, inner, depth+1)
			r.exprs(inner, depth+1, c.Expand.Where)
		}
		r.columns(c.Inline, inner, depth+1)
	}
}

func (r *reader) exprs(sc *readScope, depth int, xs ...cqn.Expr) {
	for _, x := range xs {
		if x == nil {
			continue
		}
		cqn.Walk(x, func(n any) bool {
			switch n := n.(type) {
			case *cqn.Ref:
				r.ref(n, sc, false, depth)
				return false
			case *cqn.Exists:
				els := r.ref(n.Path, sc, true, depth)
				inner := &readScope{sources: []Elements{els}, outer: sc}
				if n.Var != "" {
					inner.aliases = map[string]Elements{n.Var: els}
				}
				r.exprs(inner, depth+1, n.Pred)
				return false
			case *cqn.Subquery:
				r.query(n.Query, sc, depth+1)
				return false
			}
			return depth <= maxDepth
		})
	}
}

// ref notes the entities on a path and returns the elements at its end. all is set if the last association is followed, too.
func (r *reader) ref(ref *cqn.Ref, sc *readScope, all bool, depth int) Elements {
	if ref == nil || len(ref.Path) == 0 {
		return nil
	}
	head := ref.Path[0].Name
	if head == "$self" || head == "$projection" {
		return r.steps(r.e.Elements, ref.Path[1:], all, depth)
	}
	for s := sc; s != nil; s = s.outer {
		if s.mixins.Lookup(head) != nil {
			return r.steps(s.mixins, ref.Path, all, depth)
		}
		if els, ok := s.aliases[head]; ok && els != nil {
			return r.steps(els, ref.Path[1:], all, depth)
		}
		for _, els := range s.sources {
			if els.Lookup(head) != nil {
				return r.steps(els, ref.Path, all, depth)
			}
		}
	}
	// A mixin that is published as an element of the view itself.
	return r.steps(r.e.Elements, ref.Path, all, depth)
}

func (r *reader) steps(els Elements, steps []cqn.Step, all bool, depth int) Elements {
	for i, s := range steps {
		el := els.Lookup(s.Name)
		if el == nil {
			return nil
		}
		switch t := el.Type.(type) {
		case *Struct:
			els = t.Elements
		case *Assoc:
			if t.Target == nil {
				return nil
			}
			if all || i < len(steps)-1 || s.Filter != nil {
				r.note(t.Target)
			}
			els = t.Target.Elements
			r.filter(s, els, depth)
		default:
			return nil
		}
	}
	return els
}

func (r *reader) filter(s cqn.Step, els Elements, depth int) {
	if s.Filter != nil && depth <= maxDepth {
		r.exprs(&readScope{sources: []Elements{els}}, depth+1, s.Filter)
	}
}
