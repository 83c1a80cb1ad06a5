package link

import (
	"cds/parser/cqn"
	"cds/parser/csn"
)

func scalar(e *csn.Element, name string, k csn.Scalar) {
	e.TypeName, e.Type = "cds."+name, &csn.Builtin{Name: "cds." + name, Kind: k}
}

// exprType gives an element the type of an expression, as far as that is known without a declaration; else e.Type stays nil.
func (l *linker) exprType(e *csn.Element, x cqn.Expr) { l.exprTypeDepth(e, x, 0) }

func (l *linker) exprTypeDepth(e *csn.Element, x cqn.Expr, depth int) {
	if depth > 20 {
		return
	}
	switch x := x.(type) {
	case *cqn.Lit:
		litType(e, x.Value)
	case *cqn.Param:
		switch x.From {
		case cqn.FromNow, cqn.FromAt:
			scalar(e, "Timestamp", csn.Timestamp)
		default:
			scalar(e, "String", csn.String)
		}
	case *cqn.Cast:
		if c := l.castElement(&x.Type, nil, x.Where); c.Type != nil {
			e.Type, e.TypeName = c.Type, c.TypeName
		}
	case *cqn.Call:
		l.callType(e, x, depth)
	case *cqn.Unary:
		if x.Op == cqn.Neg || x.Op == cqn.Plus {
			l.exprTypeDepth(e, x.X, depth+1)
			return
		}
		scalar(e, "Boolean", csn.Boolean)
	case *cqn.Binary:
		switch {
		case x.Op == cqn.Concat:
			scalar(e, "String", csn.String)
		case x.Op >= cqn.Add && x.Op <= cqn.Mod:
			scalar(e, "Decimal", csn.Decimal)
		default:
			scalar(e, "Boolean", csn.Boolean)
		}
	case *cqn.Between, *cqn.Like, *cqn.In, *cqn.Exists:
		scalar(e, "Boolean", csn.Boolean)
	case *cqn.Case:
		for _, w := range x.Whens {
			if l.exprTypeDepth(e, w.Then, depth+1); e.Type != nil {
				return
			}
		}
		l.exprTypeDepth(e, x.Else, depth+1)
	}
}

func litType(e *csn.Element, v cqn.Value) {
	switch v.Kind() {
	case cqn.KindBool:
		scalar(e, "Boolean", csn.Boolean)
	case cqn.KindInt:
		scalar(e, "Integer", csn.Integer)
	case cqn.KindDecimal, cqn.KindFloat:
		scalar(e, "Decimal", csn.Decimal)
	case cqn.KindDate:
		scalar(e, "Date", csn.Date)
	case cqn.KindTime:
		scalar(e, "Time", csn.Time)
	case cqn.KindDateTime:
		scalar(e, "DateTime", csn.DateTime)
	case cqn.KindTimestamp:
		scalar(e, "Timestamp", csn.Timestamp)
	case cqn.KindBytes:
		scalar(e, "Binary", csn.Binary)
	case cqn.KindString:
		scalar(e, "String", csn.String)
	}
}

func (l *linker) callType(e *csn.Element, x *cqn.Call, depth int) {
	switch x.Name {
	case "count", "countdistinct", "length", "indexof", "year", "month", "day", "hour", "minute", "second", "rank", "row_number", "dense_rank":
		scalar(e, "Integer", csn.Integer)
	case "lower", "upper", "tolower", "toupper", "trim", "substring", "concat", "replace", "session_context", "substr":
		scalar(e, "String", csn.String)
	case "avg", "average", "sum", "round", "floor", "ceiling", "abs":
		scalar(e, "Decimal", csn.Decimal)
	case "contains", "startswith", "endswith", "matchespattern":
		scalar(e, "Boolean", csn.Boolean)
	case "current_date", "date":
		scalar(e, "Date", csn.Date)
	case "current_time", "time":
		scalar(e, "Time", csn.Time)
	case "current_timestamp", "now":
		scalar(e, "Timestamp", csn.Timestamp)
	case "coalesce", "ifnull", "min", "max", "first_value", "last_value", "lag", "lead":
		for _, a := range x.Args {
			if l.exprTypeDepth(e, a, depth+1); e.Type != nil {
				return
			}
		}
	}
}

// calculated gives a calculated element without a written type the type of its expression.
func (l *linker) calculated(e *csn.Element, inf *elemInfo) {
	s := l.elementScope(inf)
	r, ok := e.Value().(*cqn.Ref)
	if !ok {
		l.exprType(e, e.Value())
		if e.Type == nil {
			l.diags.Errorf("def-missing-type", e.Span, "The type of the calculated element “%s” is not known", e.Name).Hint = "Write `" + e.Name + " : Integer = …`, for example."
		}
		return
	}
	linked, t, ok := s.path(r)
	if !ok || t.el == nil {
		return
	}
	l.resolve(t.el)
	l.takeType(e, inf, t.el)
	a := e.Assoc()
	if a == nil {
		return
	}
	if len(t.path) > 0 {
		l.diags.Errorf("calc-unsupported-assoc", r.Where, "An association behind a path can't be a calculated element")
		return
	}
	last := linked.Path[len(linked.Path)-1]
	l.filteredAssoc(e, t.el, last.Filter)
}

// filteredAssoc makes the condition of an association that is another one with an infix filter.
func (l *linker) filteredAssoc(e, of *csn.Element, filter cqn.Expr) {
	a := e.Assoc()
	if filter == nil || a == nil {
		return
	}
	if a.On == nil {
		inf := l.info(of)
		if inf == nil || inf.target == nil {
			return
		}
		for _, k := range l.managedKeys(of) {
			path := append([]string{e.Name}, k.Ref...)
			a.On = and(a.On, &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef(path...), R: cqn.NewRef(append([]string{of.Name}, k.Ref...)...)})
		}
		a.Keys = nil
	}
	a.On = and(cqn.Parens(a.On), cqn.Parens(prefixRefs(filter, e.Name)))
}

// prefixRefs puts a step before all references of a condition that stand in the scope of a filter.
func prefixRefs(x cqn.Expr, name string) cqn.Expr {
	return mapHeads(x, func(r *cqn.Ref) cqn.Expr {
		if n := r.Path[0].Name; n == "$self" || n == "$projection" {
			return r
		}
		return &cqn.Ref{At: r.At, Path: append([]cqn.Step{{Name: name}}, r.Path...)}
	})
}

// elementScope is the scope of expressions inside an element: its siblings.
func (l *linker) elementScope(inf *elemInfo) *escope {
	s := &escope{l: l, names: inf.names(), owner: inf.owner, direct: true}
	var elems csn.Elements
	if in := inf.rest().in; in != nil {
		elems = *in
	} else if inf.owner != nil {
		elems = inf.owner.elems
	}
	s.sources = []source{{def: inf.owner, elems: elems}}
	s.self = func(name string) *csn.Element {
		if inf.owner == nil {
			return nil
		}
		return inf.owner.elems.Lookup(name)
	}
	return s
}
