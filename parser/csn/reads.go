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
	outer   *readScope
}

func (r *reader) note(t *Entity) {
	if t != nil && !r.seen[t] {
		r.seen[t] = true
		r.e.Reads = append(r.e.Reads, t)
	}
}

func (r *reader) query(q cqn.Query, outer *readScope, depth int) {
	if depth > maxDepth {
		r.errorf(codeTooDeep, r.e, nil, "the query of %s is nested more than %d levels deep", r.e.Name, maxDepth)
		return
	}
	switch q := q.(type) {
	case *cqn.Select:
		sc := &readScope{aliases: map[string]Elements{}, outer: outer}
		r.source(q.From, sc, depth)
		r.columns(q.Columns, sc, depth)
		r.exprs(sc, depth, q.Where, q.Having, q.Limit, q.Offset)
		r.exprs(sc, depth, q.GroupBy...)
		for _, o := range q.OrderBy {
			r.exprs(sc, depth, o.X)
		}
	case *cqn.SetOp:
		for _, a := range q.Args {
			r.query(a, outer, depth+1)
		}
	}
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
		r.query(s.Query, sc.outer, depth+1)
		// Associations may be published by the inner query; its reads are noted above, those behind them are found by name below.
		sc.aliases[s.As] = nil
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
