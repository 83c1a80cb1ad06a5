package authz

import (
	"math"
	"math/big"
	"strconv"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// Masks fail for no value: one that did would keep a whole list from whoever reads one row that is out of the way. Databases calculate with integers of 64 bits
// and with binary numbers up to about 1e308, and refuse, or round, what goes beyond. So integers are calculated with only where the types of the elements say
// that the outcome fits; binary numbers are taken for null where they are too large or too small to be calculated with.

// The functions of sqlgen for that, which no client can call.
const (
	boundedCall = "cds.bounded" // of a binary number: null beyond 1e100, and below 1e-100 but for 0
	wholeCall   = "cds.whole"   // null for what an integer of 64 bits cannot be
)

// A span is what the values of an expression of integers are between.
type span struct{ lo, hi *big.Int }

func spanOf(lo, hi int64) span { return span{big.NewInt(lo), big.NewInt(hi)} }

var anyInt = spanOf(math.MinInt64, math.MaxInt64)

func (s span) fits() bool { return s.lo.Cmp(anyInt.lo) >= 0 && s.hi.Cmp(anyInt.hi) <= 0 }

func (s span) join(o span) span {
	if s.lo == nil {
		return o
	}
	if o.lo.Cmp(s.lo) < 0 {
		s.lo = o.lo
	}
	if o.hi.Cmp(s.hi) > 0 {
		s.hi = o.hi
	}
	return s
}

// size is the largest absolute value.
func (s span) size() *big.Int {
	lo, hi := new(big.Int).Abs(s.lo), new(big.Int).Abs(s.hi)
	if lo.Cmp(hi) > 0 {
		return lo
	}
	return hi
}

func around(n *big.Int) span { return span{new(big.Int).Neg(n), n} }

// wholeSpan returns the span of an expression of integers.
func (c *maskTyper) wholeSpan(x cqn.Expr, depth int) span {
	if depth++; depth > maxDepth {
		return anyInt
	}
	switch x := x.(type) {
	case *cqn.Lit:
		if x.Value.Kind() == cqn.KindInt {
			return spanOf(x.Value.Int(), x.Value.Int())
		}
	case *cqn.Ref:
		return spanOfType(c.scalar(x))
	case *cqn.Call:
		switch x.Name {
		case "length", "indexof":
			return spanOf(-1, 1<<30) // the longest text
		case "year", "month", "day":
			return spanOf(-300_000, 300_000)
		}
	case *cqn.Unary:
		s := c.wholeSpan(x.X, depth)
		if x.Op == cqn.Neg {
			s.lo, s.hi = new(big.Int).Neg(s.hi), new(big.Int).Neg(s.lo)
		}
		return s
	case *cqn.Binary:
		return spanOfOp(x.Op, c.wholeSpan(x.L, depth), c.wholeSpan(x.R, depth))
	}
	var s span
	for _, v := range results(x) {
		if !nothing(v) {
			s = s.join(c.wholeSpan(v, depth))
		}
	}
	if s.lo == nil {
		return anyInt
	}
	return s
}

// results returns the expressions of which one is the value of x; none if x is computed otherwise.
func results(x cqn.Expr) []cqn.Expr {
	switch x := x.(type) {
	case *cqn.Tuple:
		return x.Items
	case *cqn.Call:
		if x.Name == "coalesce" || x.Name == "ifnull" {
			return x.Args
		}
	case *cqn.Case:
		var out []cqn.Expr
		for _, w := range x.Whens {
			out = append(out, w.Then)
		}
		if x.Else != nil {
			out = append(out, x.Else)
		}
		return out
	}
	return nil
}

func spanOfType(b *csn.Builtin) span {
	if b != nil {
		switch b.Kind {
		case csn.UInt8:
			return spanOf(0, math.MaxUint8)
		case csn.Int16:
			return spanOf(math.MinInt16, math.MaxInt16)
		case csn.Integer, csn.Int32:
			return spanOf(math.MinInt32, math.MaxInt32)
		}
	}
	return anyInt
}

func spanOfOp(op cqn.BinaryOp, l, r span) span {
	switch op {
	case cqn.Add:
		return span{new(big.Int).Add(l.lo, r.lo), new(big.Int).Add(l.hi, r.hi)}
	case cqn.Sub:
		return span{new(big.Int).Sub(l.lo, r.hi), new(big.Int).Sub(l.hi, r.lo)}
	case cqn.Mul:
		return around(new(big.Int).Mul(l.size(), r.size()))
	case cqn.Div:
		if n := r.size(); n.Sign() > 0 { // a constant
			return around(new(big.Int).Quo(l.size(), n))
		}
	case cqn.Mod:
		return around(r.size())
	}
	return anyInt
}

// A scale is between which powers of ten the values of an expression are that are not zero, whatever their sign.
type scale struct{ lo, hi int }

// The scale of a binary number that boundedCall lets pass, and the one that all can be calculated with.
const (
	mostTens  = 100
	leastTens = -100
	allTens   = 300
)

func (s scale) fits() bool { return s.lo >= -allTens && s.hi <= allTens }

func (s scale) join(o scale) scale { return scale{min(s.lo, o.lo), max(s.hi, o.hi)} }

// tens returns the scale of an expression of numbers.
func (c *maskTyper) tens(x cqn.Expr, depth int) scale {
	any := scale{leastTens, mostTens}
	if depth++; depth > maxDepth {
		return any
	}
	switch x := x.(type) {
	case *cqn.Lit:
		return tensOf(x.Value)
	case *cqn.Ref:
		if b := c.scalar(x); b != nil && b.Kind != csn.Double && b.Kind != csn.Decimal {
			return scale{0, 20}
		}
		return any
	case *cqn.Unary:
		return c.tens(x.X, depth)
	case *cqn.Binary:
		l, r := c.tens(x.L, depth), c.tens(x.R, depth)
		switch x.Op {
		case cqn.Mul:
			return scale{l.lo + r.lo, l.hi + r.hi}
		case cqn.Div:
			return scale{l.lo - r.hi, l.hi - r.lo}
		}
		s := l.join(r)
		return scale{s.lo - 20, s.hi + 1} // a difference has no more digits than a binary number
	case *cqn.Call:
		switch x.Name {
		case "floor", "ceiling", "ceil", "round":
			return scale{0, max(c.tens(x.Args[0], depth).hi, 1)}
		case "coalesce", "ifnull":
		default:
			return scale{0, 20} // of a text or a date
		}
	}
	s, found := any, false
	for _, v := range results(x) {
		if nothing(v) {
			continue
		}
		if t := c.tens(v, depth); found {
			s = s.join(t)
		} else {
			s, found = t, true
		}
	}
	return s
}

func tensOf(v cqn.Value) scale {
	f, err := strconv.ParseFloat(v.Format(), 64)
	switch {
	case err != nil:
		return scale{-2 * allTens, 2 * allTens}
	case f == 0:
		return scale{}
	}
	n := math.Log10(math.Abs(f))
	return scale{int(math.Floor(n)), int(math.Ceil(n))}
}

// scalar returns the type of the element that a path ends in, nil if it has none.
func (c *maskTyper) scalar(x *cqn.Ref) *csn.Builtin {
	el := c.names.path(x, scope{entity: c.entity}, 0)
	if el == nil {
		return nil
	}
	if a := el.Assoc(); a != nil && len(a.FK) == 1 {
		return a.FK[0].Scalar()
	}
	return el.Scalar()
}

// reachable checks that an outcome of arithmetic is one that the database can calculate with.
func (c *maskTyper) reachable(x cqn.Expr, k maskKind, depth int) maskKind {
	switch {
	case c.fault != "":
	case k == kindWhole && !c.wholeSpan(x, depth).fits():
		return c.fail(x, "%s may be more than an integer of 64 bits can be; calculate with decimal numbers, as in floor(… * 1.0)", cqn.Format(x))
	case k > kindWhole && !c.tens(x, depth).fits():
		return c.fail(x, "%s may be too large or too small a number", cqn.Format(x))
	}
	return k
}
