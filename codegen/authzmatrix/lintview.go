package authzmatrix

import (
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/token"
	"cds/runtime/authz"
	"cds/runtime/sqlgen"
)

// views reports views whose rows, or their order, depend on an element that somebody who reads the view may not read: which rows are there tells of it.
func (l *linter) views() {
	if l.closed == nil {
		l.closed = l.closedElements()
	}
	for _, s := range l.model.Services {
		for _, e := range s.Entities {
			if e.Active == nil && len(e.Union) == 0 && e.Exposure != csn.AutoExposed && !doorless(s) {
				v := &viewReader{linter: l, shown: e, seen: map[*csn.Entity]bool{}}
				v.view(e)
			}
		}
	}
}

// A viewReader looks at what decides about the rows of an entity of a service.
type viewReader struct {
	*linter
	shown *csn.Entity
	of    *csn.Entity // whose body is read: it, or a view below
	seen  map[*csn.Entity]bool
}

// A viewScope has the names that references may begin with.
type viewScope struct {
	names  map[string]*csn.Entity // aliases, and mixins
	all    []*csn.Entity          // whose elements need no alias
	outer  *viewScope
	clause string
}

func (v *viewReader) view(e *csn.Entity) {
	if e == nil || v.seen[e] || e.Source == nil {
		return
	}
	v.seen[e] = true
	was := v.of
	v.of = e
	v.query(e.Source, nil, 0)
	v.of = was
}

func (v *viewReader) query(q cqn.Query, outer *viewScope, depth int) {
	if depth > 20 {
		return
	}
	switch q := q.(type) {
	case *cqn.SetOp:
		for _, a := range q.Args {
			v.query(a, outer, depth+1)
		}
	case *cqn.Select:
		sc := &viewScope{names: map[string]*csn.Entity{}, outer: outer}
		v.source(q.From, sc, depth)
		for _, m := range q.Mixins {
			sc.names[m.Name] = v.model.Entity(m.Target)
		}
		v.clause(sc, "where", q.Where, depth)
		v.clause(sc, "having", q.Having, depth)
		for _, x := range q.GroupBy {
			v.clause(sc, "group by", x, depth)
		}
		for _, o := range q.OrderBy {
			v.clause(sc, "order by", o.X, depth)
		}
	}
}

// source reads what a query reads from, and what joins and filters there ask.
func (v *viewReader) source(s cqn.Source, sc *viewScope, depth int) {
	switch s := s.(type) {
	case *cqn.From:
		e := v.path(s.Path, nil, sc, "where", depth)
		v.view(e)
		name := s.As
		if name == "" && s.Path != nil && len(s.Path.Path) > 0 {
			last := s.Path.Path[len(s.Path.Path)-1].Name
			name = last[strings.LastIndexByte(last, '.')+1:]
		}
		sc.names[name] = e
		sc.all = append(sc.all, e)
	case *cqn.Join:
		v.source(s.L, sc, depth)
		v.source(s.R, sc, depth)
		v.clause(sc, "on", s.On, depth)
	case *cqn.Derived:
		v.query(s.Query, sc.outer, depth+1)
	}
}

func (v *viewReader) clause(sc *viewScope, name string, x cqn.Expr, depth int) {
	if x == nil {
		return
	}
	own := *sc
	own.clause = name
	v.expr(x, &own, depth)
}

// expr reads an expression.
func (v *viewReader) expr(x cqn.Expr, sc *viewScope, depth int) {
	if depth > 20 || x == nil {
		return
	}
	cqn.Walk(x, func(n any) bool {
		switch n := n.(type) {
		case *cqn.Ref:
			v.ref(n, sc, depth)
			return false
		case *cqn.Exists:
			if t := v.ref(n.Path, sc, depth); t != nil && n.Pred != nil {
				v.expr(n.Pred, &viewScope{names: map[string]*csn.Entity{n.Var: t}, all: []*csn.Entity{t}, outer: sc, clause: sc.clause}, depth+1)
			}
			return false
		case *cqn.Subquery:
			v.query(n.Query, sc, depth+1)
			return false
		}
		return true
	})
}

// ref reads a reference: the element that it ends in, and what its filters ask. It returns the entity of the rows that it leads to, nil for none.
func (v *viewReader) ref(r *cqn.Ref, sc *viewScope, depth int) *csn.Entity {
	if r == nil || len(r.Path) == 0 {
		return nil
	}
	first := r.Path[0].Name
	for s := sc; s != nil; s = s.outer {
		if e, ok := s.names[first]; ok && first != "" && len(r.Path) > 1 {
			return v.path(&cqn.Ref{At: r.At, Path: r.Path[1:]}, e, sc, sc.clause, depth)
		}
		if (first == "$self" || first == "$projection") && len(r.Path) > 1 {
			return v.path(&cqn.Ref{At: r.At, Path: r.Path[1:]}, v.of, sc, sc.clause, depth)
		}
		for _, e := range s.all {
			if e != nil && (e.Elements.Lookup(first) != nil || e.Flat.Lookup(first) != nil) {
				return v.path(r, e, sc, sc.clause, depth)
			}
		}
		if e, ok := s.names[first]; ok && first != "" {
			return e
		}
	}
	return nil
}

// path follows a path from an entity, nil for one that begins with the name of an entity.
func (v *viewReader) path(r *cqn.Ref, e *csn.Entity, sc *viewScope, clause string, depth int) *csn.Entity {
	full := ""
	for i := range r.Path {
		st := &r.Path[i]
		if e == nil && i == 0 {
			e = v.model.Entity(st.Name)
			if e == nil {
				return nil
			}
		} else {
			full += st.Name
			el := e.Flat.Lookup(full)
			switch {
			case el == nil:
				full += "_" // within a structure
				continue
			case el.Assoc() == nil:
				v.tells(e, el, r, clause)
				return nil
			}
			if e, full = el.Assoc().Target, ""; e == nil {
				return nil
			}
		}
		if st.Filter != nil {
			v.expr(st.Filter, &viewScope{names: map[string]*csn.Entity{}, all: []*csn.Entity{e}, outer: sc, clause: clause}, depth+1)
		}
	}
	return e
}

// tells reports an element that decides about rows which somebody reads without it.
func (v *viewReader) tells(e *csn.Entity, el *csn.Element, r *cqn.Ref, clause string) {
	var kept []*csn.Element
	for _, x := range authz.Lineage(e, el) {
		kept = append(kept, v.closed[bottom(x)]...)
		if v.policy.RestrictedElement(x) && !slices.Contains(kept, x) {
			kept = append(kept, x)
		}
	}
	for _, c := range kept {
		people := base()
		for _, role := range slices.Concat(v.policy.ElementRoles(c), v.policy.AccessRoles(authz.Access{Service: v.shown.Service, Event: authz.Read, Path: []*csn.Entity{v.shown}})) {
			people = append(people, []string{role})
		}
		for _, roles := range people {
			if o := v.best(roles, v.shown, authz.Read); !o.Allowed() {
				continue
			}
			if o := v.policy.InspectElement(slices.Clone(roles), c, sqlgen.Root); o.Verdict == authz.Allow {
				continue
			}
			at := r.Span()
			if !at.Valid() || v.opt.Own != nil && !v.opt.Own(at) {
				at = v.of.Span
			}
			what := "which rows " + v.shown.Name + " has"
			if clause == "order by" {
				what = "the order of " + v.shown.Name
			}
			d := v.add(codeViewTells, at, "%s tells %s of %s.%s, which they may not read (%s)", what, roleWords(roles), nameOf(c.Owner), c.Name, clause)
			v.keptPlace(d, c, at)
			return
		}
	}
}

func nameOf(e *csn.Entity) string {
	if e == nil {
		return ""
	}
	return e.Name
}

// keptPlace says what to do, and names the restriction.
func (v *viewReader) keptPlace(d *diag.Diagnostic, c *csn.Element, not token.Span) {
	d.Hint = "Restrict the view to those who may read the element, or leave it out of what chooses the rows."
	at, ok := v.policy.RuleSpan(nameOf(c.Owner) + "." + c.Name)
	if !ok || !at.Valid() {
		at = c.Span
	}
	if at.Valid() && at != not {
		d.Related = []diag.Related{{Message: "the restriction of " + nameOf(c.Owner) + "." + c.Name, Span: at}}
	}
}
