package check

import (
	"fmt"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/token"
)

// kind is what the value of an expression is, as far as it matters for comparisons.
type kind uint8

const (
	anyKind kind = iota // unknown, such as a user's attribute
	boolKind
	numberKind
	textKind
	timeKind
	binaryKind
)

func (k kind) String() string {
	return [...]string{"something", "a truth value", "a number", "a text", "a date or time", "binary data"}[k]
}

func (k *condition) span(x cqn.Expr) token.Span {
	if x != nil && x.Span().Valid() {
		return x.Span()
	}
	return k.at
}

func (k *condition) fail(at token.Span, hint, format string, args ...any) kind {
	if !at.Valid() {
		at = k.at
	}
	k.faults = append(k.faults, note{text: fmt.Sprintf(format, args...), hint: hint, at: at})
	return anyKind
}

func (k *condition) note(code diag.Code, x cqn.Expr, hint, format string, args ...any) {
	k.notes = append(k.notes, note{code: code, text: fmt.Sprintf(format, args...), hint: hint, at: k.span(x)})
}

// boolean checks an expression that must be true or false.
func (k *condition) boolean(x cqn.Expr, s rows, depth int) {
	if b, ok := x.(*cqn.Binary); ok && (b.Op == cqn.And || b.Op == cqn.Or) {
		k.logical(b, s, depth)
		return
	}
	t := k.value(x, s, depth)
	switch y := x.(type) {
	case *cqn.Param:
		k.fail(k.span(x), "Compare it with something.", "A condition must be true or false, but a variable is neither")
	case *cqn.Ref:
		if el := (&condition{root: k.root, at: k.at}).path(y, s, depth); t == anyKind && el != nil && el.Assoc() != nil {
			k.fail(k.span(x), "Write `exists "+cqn.Format(y)+"`.", "A condition must be true or false, but %s is an association", cqn.Format(y))
		}
	}
	if t != boolKind && t != anyKind {
		k.fail(k.span(x), "Compare it with something.", "A condition must be true or false, but this is %s", t)
	}
}

// logical checks a chain of and/or. Chains lean to the left: their length is no depth.
func (k *condition) logical(b *cqn.Binary, s rows, depth int) {
	for n := 0; ; n++ {
		if b.Op == cqn.Or {
			k.nullTrap(b.L)
			k.nullTrap(b.R)
		}
		k.boolean(b.R, s, depth+1)
		l, ok := b.L.(*cqn.Binary)
		if !ok || l.Op != cqn.And && l.Op != cqn.Or {
			k.boolean(b.L, s, depth+1)
			return
		}
		b = l
	}
}

// nullTrap warns of `… or $user.a is null` (V4).
func (k *condition) nullTrap(x cqn.Expr) {
	u, ok := x.(*cqn.Unary)
	if !ok || u.Op != cqn.IsNull {
		return
	}
	if p, ok := u.X.(*cqn.Param); ok && p.From == cqn.FromUserAttr {
		k.note(codeNullTrap, u, "Grant all rows to a role of its own instead, by a privilege without where.",
			"Whoever lacks the attribute %s sees everything; giving them a value takes that away", p.Name)
	}
}

// value checks an expression and returns what it yields.
func (k *condition) value(x cqn.Expr, s rows, depth int) kind {
	if depth > maxDepth {
		return k.fail(k.span(x), "", "The condition is nested too deeply")
	}
	depth++
	switch x := x.(type) {
	case nil:
		return anyKind
	case *cqn.Ref:
		return k.operand(x, s, depth)
	case *cqn.Lit:
		if x.Enum != "" {
			return k.fail(k.span(x), "", "The symbol #%s has no meaning without an element of an enum type beside it", x.Enum)
		}
		return kindOf(x.Value)
	case *cqn.Param:
		return k.param(x)
	case *cqn.Call:
		if x.Star || x.Distinct || x.Over != nil || aggregate(x.Name) {
			return k.fail(k.span(x), "", "The aggregate %s cannot stand in a condition on rows", x.Name)
		}
		for _, a := range x.Args {
			k.value(a, s, depth)
		}
		return callKind(x.Name)
	case *cqn.Unary:
		return k.unary(x, s, depth)
	case *cqn.Binary:
		return k.binary(x, s, depth)
	case *cqn.Between:
		t := k.value(x.X, s, depth)
		k.pair(x.X, x.Lo, t, s, depth)
		k.pair(x.X, x.Hi, t, s, depth)
		return boolKind
	case *cqn.Like:
		k.text(x.X, s, depth)
		k.text(x.Pattern, s, depth)
		k.value(x.Escape, s, depth)
		return boolKind
	case *cqn.In:
		k.in(x, s, depth)
		return boolKind
	case *cqn.Case:
		return k.cases(x, s, depth)
	case *cqn.Exists:
		k.exists(x, s, depth)
		return boolKind
	case *cqn.Tuple:
		for _, i := range x.Items {
			k.value(i, s, depth)
		}
		return anyKind
	case *cqn.Cast:
		k.value(x.X, s, depth)
		return anyKind
	}
	return k.fail(k.span(x), "Use `exists` and a path.", "Queries are not supported in conditions of restrictions")
}

func (k *condition) param(x *cqn.Param) kind {
	switch x.From {
	case cqn.FromLiteral, cqn.FromKeys, cqn.FromViewArg:
		return k.fail(k.span(x), "", "A parameter cannot stand in the condition of a restriction")
	case cqn.FromUserAttr:
		return anyKind
	case cqn.FromNow, cqn.FromAt:
		return timeKind
	}
	return textKind
}

func (k *condition) unary(x *cqn.Unary, s rows, depth int) kind {
	switch x.Op {
	case cqn.Not, cqn.IsNotTrue:
		k.boolean(x.X, s, depth)
		return boolKind
	case cqn.IsNull, cqn.IsNotNull:
		k.value(x.X, s, depth)
		return boolKind
	}
	if t := k.value(x.X, s, depth); t != anyKind && t != numberKind {
		k.mismatch(x, numberKind, t)
	}
	return numberKind
}

func (k *condition) binary(x *cqn.Binary, s rows, depth int) kind {
	switch x.Op {
	case cqn.And, cqn.Or:
		k.boolean(x, s, depth)
		return boolKind
	case cqn.Concat:
		k.value(x.L, s, depth)
		k.value(x.R, s, depth)
		return textKind
	case cqn.Add, cqn.Sub, cqn.Mul, cqn.Div, cqn.Mod:
		for _, y := range []cqn.Expr{x.L, x.R} {
			if t := k.value(y, s, depth); t == boolKind || t == textKind || t == binaryKind {
				k.mismatch(y, numberKind, t)
			}
		}
		return numberKind
	}
	if isSymbol(x.L) && !isSymbol(x.R) {
		k.pair(x.R, x.L, k.value(x.R, s, depth), s, depth)
	} else {
		k.pair(x.L, x.R, k.value(x.L, s, depth), s, depth)
	}
	if p := attribute(x.L, x.R); p != nil && (x.Op == cqn.Ne || x.Op == cqn.NeSQL) {
		k.note(codeNotEqual, x, "", "The attribute %s may have several values: this means ‘is none of them’, and never holds without a value", p.Name)
	}
	return boolKind
}

func isSymbol(x cqn.Expr) bool { l, ok := x.(*cqn.Lit); return ok && l.Enum != "" }

func attribute(xs ...cqn.Expr) *cqn.Param {
	for _, x := range xs {
		if p, ok := x.(*cqn.Param); ok && p.From == cqn.FromUserAttr {
			return p
		}
	}
	return nil
}

// pair checks the second of two values that are compared; the first, x, is of kind t.
func (k *condition) pair(x, y cqn.Expr, t kind, s rows, depth int) {
	if l, ok := y.(*cqn.Lit); ok && l.Enum != "" {
		k.symbol(x, l, s, depth)
		return
	}
	u := k.value(y, s, depth)
	if t == anyKind || u == anyKind || t == u {
		return
	}
	if l, ok := y.(*cqn.Lit); ok && l.Value.Kind() == cqn.KindString && (t == timeKind || t == binaryKind) {
		return // dates are often written as texts
	}
	if l, ok := x.(*cqn.Lit); ok && l.Value.Kind() == cqn.KindString && (u == timeKind || u == binaryKind) {
		return
	}
	k.mismatch(y, t, u)
}

func (k *condition) mismatch(x cqn.Expr, want, got kind) {
	k.note(codeTypes, x, "", "This is %s, but it meets %s", got, want)
}

// symbol checks #name against the enum of the element that it is compared with.
func (k *condition) symbol(x cqn.Expr, l *cqn.Lit, s rows, depth int) {
	var el *csn.Element
	if r, ok := x.(*cqn.Ref); ok {
		probe := &condition{root: k.root, at: k.at} // faults in the path have been reported
		el = probe.path(r, s, depth)
	}
	if el == nil || len(el.Enum()) == 0 {
		k.fail(k.span(l), "", "The symbol #%s has no meaning without an element of an enum type beside it", l.Enum)
		return
	}
	names := make([]string, len(el.Enum()))
	for i := range el.Enum() {
		if names[i] = el.Enum()[i].Name; names[i] == l.Enum {
			return
		}
	}
	k.fail(k.span(l), suggest(l.Enum, names), "The enum of %s has no symbol #%s", el.Name, l.Enum)
}

func suggest(name string, known []string) string {
	if near := nearest(name, known...); near != "" {
		return fmt.Sprintf("Did you mean %s?", near)
	}
	return ""
}

func (k *condition) text(x cqn.Expr, s rows, depth int) {
	if t := k.value(x, s, depth); t == numberKind || t == boolKind {
		k.mismatch(x, textKind, t)
	}
}

// in checks membership, the one place where an array element can stand (N10, decision 14).
func (k *condition) in(x *cqn.In, s rows, depth int) {
	t := k.value(x.X, s, depth)
	switch set := x.Set.(type) {
	case *cqn.Tuple:
		for _, i := range set.Items {
			if _, nested := i.(*cqn.Tuple); nested {
				k.value(i, s, depth)
				continue
			}
			k.pair(x.X, i, t, s, depth)
		}
	case *cqn.Ref:
		el := k.path(set, s, depth)
		if el == nil {
			return
		}
		if _, array := el.Type.(*csn.Array); !array {
			k.fail(k.span(set), "Write `=`, or a list in parentheses.", "%s is not a list", cqn.Format(set))
		}
	default:
		k.value(x.Set, s, depth)
	}
}

func (k *condition) cases(x *cqn.Case, s rows, depth int) kind {
	t := anyKind
	if x.X != nil {
		t = k.value(x.X, s, depth)
	}
	out := anyKind
	for _, w := range x.Whens {
		if x.X != nil {
			k.pair(x.X, w.Cond, t, s, depth)
		} else {
			k.boolean(w.Cond, s, depth)
		}
		if u := k.value(w.Then, s, depth); u != anyKind {
			out = u
		}
	}
	k.value(x.Else, s, depth)
	return out
}

func kindOf(v cqn.Value) kind {
	switch v.Kind() {
	case cqn.KindBool:
		return boolKind
	case cqn.KindInt, cqn.KindFloat, cqn.KindDecimal:
		return numberKind
	case cqn.KindString:
		return textKind
	case cqn.KindBytes:
		return binaryKind
	case cqn.KindDate, cqn.KindTime, cqn.KindDateTime, cqn.KindTimestamp:
		return timeKind
	}
	return anyKind
}

func aggregate(name string) bool {
	switch name {
	case "count", "sum", "min", "max", "avg", "average", "countdistinct":
		return true
	}
	return false
}

func callKind(name string) kind {
	switch name {
	case "contains", "startswith", "endswith", "matchespattern":
		return boolKind
	case "length", "indexof", "round", "floor", "ceiling", "year", "month", "day", "hour", "minute", "second":
		return numberKind
	case "lower", "upper", "tolower", "toupper", "substring", "concat", "trim":
		return textKind
	case "now", "current_date", "current_time", "current_timestamp":
		return timeKind
	}
	return anyKind
}
