package authz

import (
	"fmt"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/token"
	"cds/runtime/eval"
)

// A maskKind is what the value of an expression is, as far as it must fit in the place of an element.
type maskKind uint8

const (
	kindNone maskKind = iota // null, or a variable that takes the type of what it is compared with
	kindText
	kindWhole // of an integer type
	kindRound // a number that has no fraction, of some other type
	kindNumber
	kindTruth
	kindDate
	kindTime
	kindMoment
	kindOther // nothing that an expression can yield
)

func (k maskKind) String() string {
	return [...]string{"null", "a text", "a whole number", "a rounded number", "a number", "true or false", "a date", "a time", "a moment", "of another type"}[k]
}

// kindOfType returns the kind of an element's values.
func kindOfType(b *csn.Builtin) maskKind {
	if b == nil {
		return kindOther
	}
	switch b.Kind {
	case csn.String, csn.LargeString, csn.UUID:
		return kindText
	case csn.Integer, csn.UInt8, csn.Int16, csn.Int32, csn.Int64:
		return kindWhole
	case csn.Decimal, csn.Double:
		return kindNumber
	case csn.Boolean:
		return kindTruth
	case csn.Date:
		return kindDate
	case csn.Time:
		return kindTime
	case csn.DateTime, csn.Timestamp:
		return kindMoment
	}
	return kindOther
}

// checkMask checks what is shown in the place of an element: all names resolve on the rows of e, and the value is one of the element's type on every
// database. It returns the expression with numbers that can be calculated with; or what is not understood and where.
func checkMask(x cqn.Expr, e *csn.Entity, el *csn.Element) (out cqn.Expr, fault string, at token.Span) {
	if fault := checkCondition(x, e); fault != "" {
		return nil, fault, x.Span()
	}
	c := &maskTyper{names: conditionChecker{root: e}, entity: e}
	got := c.value(x, 0)
	want := kindOfType(el.Scalar())
	if b := el.Scalar(); b != nil && b.Kind == csn.UUID {
		c.fail(x, "a UUID can only be shown as null")
	}
	if !fits(got, want) && !(got == kindRound && want == kindWhole) {
		c.fail(x, "it is %s, and %s is %s", got, el.Name, want)
		if got == kindNumber && want == kindWhole {
			c.fault += "; use floor, ceiling or round"
		}
	}
	out = c.calculable(x)
	if got == kindRound && want == kindWhole {
		out = callOf(wholeCall, out)
	}
	return out, c.fault, c.at
}

// calculable returns an expression with integers wide enough for its arithmetic, and binary numbers that it does not fail for.
func (c *maskTyper) calculable(x cqn.Expr) cqn.Expr {
	if !c.arith {
		return x
	}
	wide := func(x cqn.Expr) cqn.Expr { return &cqn.Cast{X: x, Type: cqn.TypeName{Name: "cds.Int64"}} }
	return cqn.Rewrite(x, func(n cqn.Expr) cqn.Expr {
		switch n := n.(type) {
		case *cqn.Ref:
			switch c.inArith[n] {
			case kindWhole:
				return wide(n)
			case kindNumber:
				return callOf(boundedCall, n)
			}
		case *cqn.Call:
			switch n.Name {
			case "length", "indexof", "year", "month", "day":
				return wide(n)
			}
		}
		return n
	})
}

// checkMaskCondition checks the condition of rows that show the value itself. It returns it with numbers that can be calculated with.
func checkMaskCondition(x cqn.Expr, e *csn.Entity) (out cqn.Expr, fault string, at token.Span) {
	if fault := checkCondition(x, e); fault != "" {
		return nil, fault, x.Span()
	}
	c := &maskTyper{names: conditionChecker{root: e}, entity: e, condition: true}
	c.truth(x, 0)
	return c.calculable(x), c.fault, c.at
}

// fits reports whether a value of one kind can stand for one of another.
func fits(got, want maskKind) bool {
	return got == want || got == kindNone || got == kindWhole && (want == kindRound || want == kindNumber) || got == kindRound && want == kindNumber
}

// A maskTyper finds out what an expression yields. Functions and operators that databases do not agree upon, or that fail for some values, are not
// understood.
type maskTyper struct {
	names     conditionChecker // for paths, which were checked before
	entity    *csn.Entity
	condition bool                  // paths over to-many associations mean that some row fulfils a comparison
	inside    int                   // of arithmetic
	arith     bool                  // there is some
	inArith   map[*cqn.Ref]maskKind // paths in arithmetic: kindWhole for integers, kindNumber for binary numbers
	fault     string
	at        token.Span
}

func (c *maskTyper) fail(x cqn.Expr, format string, args ...any) maskKind {
	if c.fault == "" {
		c.fault = fmt.Sprintf(format, args...)
		if x != nil {
			c.at = x.Span()
		}
	}
	return kindNone
}

func (c *maskTyper) truth(x cqn.Expr, depth int) {
	if k := c.value(x, depth); k != kindTruth {
		c.fail(x, "%s is %s, where something true or false is expected", cqn.Format(x), k)
	}
}

func (c *maskTyper) need(x cqn.Expr, want maskKind, depth int) {
	if k := c.value(x, depth); k == kindNone || !fits(k, want) {
		c.fail(x, "%s is %s, where %s is expected", cqn.Format(x), k, want)
	}
}

func (c *maskTyper) value(x cqn.Expr, depth int) maskKind {
	if depth++; depth > maxDepth {
		return c.fail(x, "it is nested too deeply")
	}
	switch x := x.(type) {
	case *cqn.Ref:
		return c.ref(x)
	case *cqn.Lit:
		return c.literal(x)
	case *cqn.Param:
		return c.param(x)
	case *cqn.Call:
		return c.call(x, depth)
	case *cqn.Unary:
		return c.unary(x, depth)
	case *cqn.Binary:
		return c.binary(x, depth)
	case *cqn.Between:
		c.compared(x.X, x.Lo, depth)
		c.compared(x.X, x.Hi, depth)
		return kindTruth
	case *cqn.Like:
		c.need(x.X, kindText, depth)
		c.need(x.Pattern, kindText, depth)
		if x.Escape != nil {
			c.fail(x, "escape cannot stand in it")
		}
		return kindTruth
	case *cqn.In:
		c.in(x, depth)
		return kindTruth
	case *cqn.Case:
		return c.cases(x, depth)
	case *cqn.Exists: // its names were checked; inside it is a condition like those of @restrict
		return kindTruth
	case *cqn.Tuple:
		if len(x.Items) == 1 {
			return c.value(x.Items[0], depth)
		}
	}
	return c.fail(x, "%s cannot stand in it", cqn.Format(x))
}

func (c *maskTyper) ref(x *cqn.Ref) maskKind {
	el := c.names.path(x, scope{entity: c.entity}, 0)
	if el == nil {
		return c.fail(x, "%s is no element", cqn.Format(x))
	}
	if !c.condition && c.toMany(x) {
		return c.fail(x, "%s leads over a to-many association", cqn.Format(x))
	}
	b := el.Scalar()
	if a := el.Assoc(); a != nil {
		if len(a.FK) != 1 {
			return c.fail(x, "%s is an association", cqn.Format(x))
		}
		b = a.FK[0].Scalar()
	}
	if el.Seal() != nil {
		return c.fail(x, "%s is encrypted or hashed", cqn.Format(x))
	}
	k := kindOfType(b)
	if k == kindOther {
		return c.fail(x, "%s is binary data, a list or a structure", cqn.Format(x))
	}
	if c.inside > 0 && (k == kindWhole || b.Kind == csn.Double) && !c.toMany(x) {
		if c.inArith == nil {
			c.inArith = map[*cqn.Ref]maskKind{}
		}
		c.inArith[x] = k
	}
	return k
}

// toMany reports whether some step of a path but the last is a to-many association.
func (c *maskTyper) toMany(x *cqn.Ref) bool {
	for n := 1; n < len(x.Path); n++ {
		if el := c.names.path(&cqn.Ref{Path: x.Path[:n]}, scope{entity: c.entity}, 0); el != nil && el.Assoc() != nil && el.Assoc().Many {
			return true
		}
	}
	return false
}

func (c *maskTyper) literal(x *cqn.Lit) maskKind {
	if x.Enum != "" && x.Value.IsNull() {
		return c.fail(x, "the symbol #%s has no meaning in it", x.Enum)
	}
	switch x.Value.Kind() {
	case cqn.KindNull:
		return kindNone
	case cqn.KindString:
		return kindText
	case cqn.KindInt:
		return kindWhole
	case cqn.KindDecimal, cqn.KindFloat:
		return kindNumber
	case cqn.KindBool:
		return kindTruth
	case cqn.KindDate:
		return kindDate
	case cqn.KindTime:
		return kindTime
	case cqn.KindDateTime, cqn.KindTimestamp:
		return kindMoment
	}
	return c.fail(x, "%s cannot stand in it", cqn.Format(x))
}

func (c *maskTyper) param(x *cqn.Param) maskKind {
	switch x.From {
	case cqn.FromUserID, cqn.FromUserTenant, cqn.FromUserLocale:
		return kindText
	case cqn.FromNow:
		return kindMoment
	}
	return c.fail(x, "%s can only be compared with something", cqn.Format(x))
}

func (c *maskTyper) unary(x *cqn.Unary, depth int) maskKind {
	switch x.Op {
	case cqn.IsNull, cqn.IsNotNull:
		if p, ok := x.X.(*cqn.Param); !ok || p.From != cqn.FromUserAttr {
			c.value(x.X, depth)
		}
		return kindTruth
	case cqn.Not, cqn.IsNotTrue:
		c.truth(x.X, depth)
		return kindTruth
	}
	c.inside, c.arith = c.inside+1, true
	k := c.number(x.X, depth)
	c.inside--
	return c.reachable(x, k, depth)
}

// number checks an operand that must be a number.
func (c *maskTyper) number(x cqn.Expr, depth int) maskKind {
	k := c.value(x, depth)
	if k == kindNone || !fits(k, kindNumber) {
		return c.fail(x, "%s is %s, where a number is expected", cqn.Format(x), k)
	}
	return k
}

func (c *maskTyper) binary(x *cqn.Binary, depth int) maskKind {
	switch x.Op {
	case cqn.And, cqn.Or:
		c.truth(x.R, depth)
		c.truth(x.L, depth)
		return kindTruth
	case cqn.Concat:
		c.need(x.L, kindText, depth)
		c.need(x.R, kindText, depth)
		return kindText
	case cqn.Add, cqn.Sub, cqn.Mul, cqn.Div, cqn.Mod:
		return c.reachable(x, c.arithmetic(x.Op, x.L, x.R, depth), depth)
	}
	c.compared(x.L, x.R, depth)
	return kindTruth
}

// arithmetic checks two numbers. What is divided by must be a constant, since a division by zero would make whole answers fail.
func (c *maskTyper) arithmetic(op cqn.BinaryOp, l, r cqn.Expr, depth int) maskKind {
	c.inside, c.arith = c.inside+1, true
	a, b := c.number(l, depth), c.number(r, depth)
	c.inside--
	if op == cqn.Div || op == cqn.Mod {
		if n, ok := r.(*cqn.Lit); !ok || zero(n.Value) {
			return c.fail(r, "%s is no number other than 0, by which alone can be divided", cqn.Format(r))
		}
		if op == cqn.Mod && (a > kindWhole || b > kindWhole) {
			return c.fail(l, "remainders are of whole numbers only")
		}
		if a == kindRound { // what is divided by is a constant
			return kindNumber
		}
	}
	return max(a, b, kindWhole)
}

func zero(v cqn.Value) bool {
	switch v.Kind() {
	case cqn.KindInt:
		return v.Int() == 0
	case cqn.KindFloat:
		return v.Float() == 0
	case cqn.KindDecimal:
		digits, _, _ := strings.Cut(strings.ToLower(v.Str()), "e")
		return !strings.ContainsAny(digits, "123456789")
	}
	return true
}

// compared checks two operands of a comparison.
func (c *maskTyper) compared(l, r cqn.Expr, depth int) {
	a, b := c.operand(l, depth), c.operand(r, depth)
	switch {
	case a == kindNone && !free(l) || b == kindNone && !free(r):
		c.fail(l, "a comparison with what is never anything but null")
	case fits(a, b) || fits(b, a):
	case a >= kindDate && b >= kindDate && (free(l) || free(r)): // $now takes the form of the other one
	case a == kindText && b >= kindDate && bare(l):
		c.dated(l, b)
	case b == kindText && a >= kindDate && bare(r):
		c.dated(r, a)
	default:
		c.fail(r, "%s is compared with %s", a, b)
	}
}

// operand is value for an operand of a comparison: variables take the type of the other one.
func (c *maskTyper) operand(x cqn.Expr, depth int) maskKind {
	if p, ok := x.(*cqn.Param); ok {
		switch p.From {
		case cqn.FromUserAttr, cqn.FromUserID, cqn.FromUserTenant, cqn.FromUserLocale:
			return kindNone
		}
	}
	return c.value(x, depth)
}

// dated checks a date or the like that is written as a text.
func (c *maskTyper) dated(x cqn.Expr, k maskKind) {
	t := map[maskKind]csn.Scalar{kindDate: csn.Date, kindTime: csn.Time, kindMoment: csn.Timestamp}[k]
	if _, ok := eval.Convert(x.(*cqn.Lit).Value.Str(), &csn.Builtin{Kind: t}); !ok {
		c.fail(x, "%s is not %s", cqn.Format(x), k)
	}
}

func bare(x cqn.Expr) bool { _, ok := x.(*cqn.Lit); return ok }

// nothing reports whether an expression is null, written as such.
func nothing(x cqn.Expr) bool { l, ok := x.(*cqn.Lit); return ok && l.Value.IsNull() }

// free reports whether an expression takes its type from what it is compared with.
func free(x cqn.Expr) bool { _, ok := x.(*cqn.Param); return ok || nothing(x) }

func (c *maskTyper) in(x *cqn.In, depth int) {
	switch set := x.Set.(type) {
	case *cqn.Tuple:
		for _, it := range set.Items {
			c.compared(x.X, it, depth)
		}
	case *cqn.Param, *cqn.Ref: // a list of the user, or of the row, as was checked
		c.operand(x.X, depth)
	default:
		c.compared(x.X, x.Set, depth)
	}
}

func (c *maskTyper) cases(x *cqn.Case, depth int) maskKind {
	out := kindNone
	result := func(v cqn.Expr) {
		k := c.value(v, depth)
		switch {
		case k == kindNone && !nothing(v):
			c.fail(v, "%s is never anything but null", cqn.Format(v))
		case fits(k, out):
		case fits(out, k):
			out = k
		default:
			c.fail(v, "%s is %s, and another result of case is %s", cqn.Format(v), k, out)
		}
	}
	for _, w := range x.Whens {
		if x.X != nil {
			c.compared(x.X, w.Cond, depth)
		} else {
			c.truth(w.Cond, depth)
		}
		result(w.Then)
	}
	if x.Else != nil {
		result(x.Else)
	}
	return out
}

// maskCalls are the functions that an expression may call: what they take and give. They are those that give the same on every database, and never fail.
var maskCalls = map[string]struct {
	args   []maskKind
	least  int // of args
	result maskKind
}{
	"substring":  {[]maskKind{kindText, kindWhole, kindWhole}, 2, kindText},
	"tolower":    {[]maskKind{kindText}, 1, kindText},
	"lower":      {[]maskKind{kindText}, 1, kindText},
	"toupper":    {[]maskKind{kindText}, 1, kindText},
	"upper":      {[]maskKind{kindText}, 1, kindText},
	"trim":       {[]maskKind{kindText}, 1, kindText},
	"replace":    {[]maskKind{kindText, kindText, kindText}, 3, kindText},
	"length":     {[]maskKind{kindText}, 1, kindWhole},
	"indexof":    {[]maskKind{kindText, kindText}, 2, kindWhole},
	"contains":   {[]maskKind{kindText, kindText}, 2, kindTruth},
	"startswith": {[]maskKind{kindText, kindText}, 2, kindTruth},
	"endswith":   {[]maskKind{kindText, kindText}, 2, kindTruth},
	"floor":      {[]maskKind{kindNumber}, 1, kindRound},
	"ceiling":    {[]maskKind{kindNumber}, 1, kindRound},
	"ceil":       {[]maskKind{kindNumber}, 1, kindRound},
	"round":      {[]maskKind{kindNumber}, 1, kindRound},
	"now":        {nil, 0, kindMoment},
}

func (c *maskTyper) call(x *cqn.Call, depth int) maskKind {
	switch x.Name {
	case "concat":
		if len(x.Args) < 2 || len(x.Args) > 9 {
			return c.fail(x, "concat takes two to nine arguments")
		}
		for _, a := range x.Args {
			if k := c.value(a, depth); k != kindText && k != kindWhole {
				c.fail(a, "%s is %s, where a text is expected", cqn.Format(a), k)
			}
		}
		return kindText
	case "coalesce", "ifnull":
		if len(x.Args) < 2 || x.Name == "ifnull" && len(x.Args) > 2 {
			return c.fail(x, "%s takes another number of arguments", x.Name)
		}
		one := &cqn.Case{} // of which the value is, as of a case
		for _, a := range x.Args {
			one.Whens = append(one.Whens, cqn.When{Cond: &cqn.Lit{Value: cqn.Bool(true)}, Then: a})
		}
		return c.cases(one, depth)
	case "year", "month", "day":
		if len(x.Args) != 1 {
			return c.fail(x, "%s takes one argument", x.Name)
		}
		if k := c.value(x.Args[0], depth); k != kindDate && k != kindMoment {
			c.fail(x.Args[0], "%s is %s, where a date is expected", cqn.Format(x.Args[0]), k)
		}
		return kindWhole
	}
	f, ok := maskCalls[x.Name]
	if !ok {
		return c.fail(x, "the function %s cannot stand in it", x.Name)
	}
	if len(x.Args) < f.least || len(x.Args) > len(f.args) {
		return c.fail(x, "%s takes another number of arguments", x.Name)
	}
	for i, a := range x.Args {
		c.need(a, f.args[i], depth)
	}
	if x.Name == "replace" && !bare(x.Args[2]) { // texts in texts have no bound
		c.fail(x.Args[2], "%s is no constant, by which alone can be replaced", cqn.Format(x.Args[2]))
	}
	return f.result
}
