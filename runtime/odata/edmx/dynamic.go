package edmx

import (
	"strings"

	"cds/parser/cqn"
)

// Expressions in annotations become dynamic expressions (CSDL XML 4.01, section 14.4): @UI.Hidden: (status = 'done') is
// <Eq><Path>status</Path><String>done</String></Eq>. What clients can't compute, as the user's attributes, has no form there: such an annotation is
// left out.

var dynamicOperators = map[cqn.BinaryOp]string{
	cqn.And: "And", cqn.Or: "Or", cqn.Eq: "Eq", cqn.EqNull: "Eq", cqn.Ne: "Ne", cqn.NeSQL: "Ne", cqn.Lt: "Lt", cqn.Le: "Le", cqn.Gt: "Gt", cqn.Ge: "Ge",
	cqn.Add: "Add", cqn.Sub: "Sub", cqn.Mul: "Mul", cqn.Div: "DivBy", cqn.Mod: "Mod",
}

// odataFunctions are the functions that OData has under the same name.
var odataFunctions = map[string]bool{
	"concat": true, "contains": true, "startswith": true, "endswith": true, "length": true, "tolower": true, "toupper": true, "trim": true, "substring": true,
	"indexof": true, "matchespattern": true, "round": true, "floor": true, "ceiling": true, "year": true, "month": true, "day": true, "hour": true, "minute": true,
	"second": true, "date": true, "time": true, "now": true,
}

// dynamic writes an expression. It reports whether there is a form for all of it; else what was written is of no use.
func (w *writer) dynamic(x cqn.Expr, depth int) bool {
	if depth > maxDepth {
		return false
	}
	switch x := x.(type) {
	case *cqn.Ref:
		path, ok := pathOf(x)
		if ok {
			w.text("Path", path)
		}
		return ok
	case *cqn.Lit:
		return w.constant(x)
	case *cqn.Unary:
		switch x.Op {
		case cqn.Not:
			return w.apply("Not", nil, depth, x.X)
		case cqn.Neg:
			return w.apply("Neg", nil, depth, x.X)
		case cqn.Plus:
			return w.dynamic(x.X, depth+1)
		case cqn.IsNull:
			return w.apply("Eq", nil, depth, x.X, &cqn.Lit{})
		case cqn.IsNotNull:
			return w.apply("Ne", nil, depth, x.X, &cqn.Lit{})
		}
	case *cqn.Binary:
		if x.Op == cqn.Concat {
			return w.apply("Apply", []string{"Function", "odata.concat"}, depth, x.L, x.R)
		}
		if op := dynamicOperators[x.Op]; op != "" {
			return w.apply(op, nil, depth, x.L, x.R)
		}
	case *cqn.Between:
		in := &cqn.Binary{Op: cqn.And, L: &cqn.Binary{Op: cqn.Ge, L: x.X, R: x.Lo}, R: &cqn.Binary{Op: cqn.Le, L: x.X, R: x.Hi}}
		return w.negated(in, x.Negated, depth)
	case *cqn.In:
		if _, ok := x.Set.(*cqn.Tuple); ok && x.Negated {
			return w.negated(&cqn.In{X: x.X, Set: x.Set}, true, depth)
		} else if ok {
			return w.apply("In", nil, depth, x.X, x.Set)
		}
	case *cqn.Tuple:
		return w.apply("Collection", nil, depth, x.Items...)
	case *cqn.Case:
		return w.conditional(x, depth)
	case *cqn.Call:
		if odataFunctions[x.Name] && !x.Distinct && !x.Star && x.Over == nil {
			return w.apply("Apply", []string{"Function", "odata." + x.Name}, depth, x.Args...)
		}
	}
	return false
}

func (w *writer) negated(x cqn.Expr, not bool, depth int) bool {
	if not {
		x = &cqn.Unary{Op: cqn.Not, X: x}
	}
	return w.dynamic(x, depth+1)
}

// apply writes an element with operands.
func (w *writer) apply(tag string, attrs []string, depth int, args ...cqn.Expr) bool {
	ok := true
	w.nest(tag, attrs, func() {
		for _, a := range args {
			ok = ok && w.dynamic(a, depth+1)
		}
	})
	return ok
}

// conditional writes a case as Ifs in one another.
func (w *writer) conditional(x *cqn.Case, depth int) bool {
	if len(x.Whens) == 0 {
		return false
	}
	first := x.Whens[0]
	cond := first.Cond
	if x.X != nil {
		cond = &cqn.Binary{Op: cqn.Eq, L: x.X, R: cond}
	}
	args := []cqn.Expr{cond, first.Then}
	switch {
	case len(x.Whens) > 1:
		args = append(args, &cqn.Case{X: x.X, Whens: x.Whens[1:], Else: x.Else})
	case x.Else != nil:
		args = append(args, x.Else)
	}
	return w.apply("If", nil, depth, args...)
}

func (w *writer) constant(l *cqn.Lit) bool {
	v := l.Value
	switch v.Kind() {
	case cqn.KindNull:
		if l.Enum != "" {
			return false
		}
		w.empty("Null")
	case cqn.KindBool:
		w.text("Bool", v.Format())
	case cqn.KindInt:
		w.text("Int", v.Format())
	case cqn.KindDecimal, cqn.KindFloat:
		w.text("Decimal", v.Format())
	case cqn.KindString:
		w.text("String", v.Str())
	case cqn.KindDate:
		w.text("Date", v.Format())
	default:
		return false
	}
	return true
}

// pathOf returns a path as OData writes it. Filters have no form.
func pathOf(r *cqn.Ref) (string, bool) {
	var parts []string
	for i, s := range r.Path {
		if s.Filter != nil || len(s.Args) > 0 {
			return "", false
		}
		if i == 0 && s.Name == "$self" && len(r.Path) > 1 {
			continue
		}
		parts = append(parts, s.Name)
	}
	return strings.Join(parts, "/"), len(parts) > 0
}

// expression returns the element for an expression as the value of an annotation or property; nil if there is no form for it.
func (w *writer) expression(v *cqn.AnnoValue) []byte {
	if v == nil || v.Kind != cqn.AnnoExpr || v.Expr == nil {
		return nil
	}
	ok := false
	w.depth++
	body := w.capture(func() { ok = w.dynamic(v.Expr, 0) })
	w.depth--
	if !ok {
		return nil
	}
	return body
}
