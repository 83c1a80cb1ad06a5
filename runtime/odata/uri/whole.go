package uri

import (
	"math"
	"strconv"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/odata/internal/edm"
)

// limits returns the range of an integer type.
func limits(k csn.Scalar) (lo, hi int64, ok bool) {
	switch k {
	case csn.UInt8:
		return 0, math.MaxUint8, true
	case csn.Int16:
		return math.MinInt16, math.MaxInt16, true
	case csn.Integer, csn.Int32:
		return math.MinInt32, math.MaxInt32, true
	case csn.Int64:
		return math.MinInt64, math.MaxInt64, true
	}
	return 0, 0, false
}

// compareWhole compares an integer with a number that its type does not have, such as 1.5 or 3000000000, by means of numbers that it
// has: what lies below and what lies above. It returns nil where l is no integer or r a value of its type.
func compareWhole(op cqn.BinaryOp, l, r operand) cqn.Expr {
	if l.lit != nil || l.t == nil || r.lit == nil || !edm.IsNumber(r.lit.text) {
		return nil
	}
	lo, hi, ok := limits(l.t.Kind)
	if !ok {
		return nil
	}
	if n, ok := edm.Int(r.lit.text); ok && n >= lo && n <= hi {
		return nil
	}
	f, err := strconv.ParseFloat(r.lit.text, 64)
	if err != nil && !math.IsInf(f, 0) {
		return nil
	}
	test := func(op cqn.BinaryOp, n int64) cqn.Expr {
		return &cqn.Binary{Op: op, L: l.x, R: &cqn.Lit{Value: cqn.Int(n)}}
	}
	var below, above cqn.Expr
	switch k := math.Floor(f); {
	case k == f && k >= float64(lo) && k <= float64(hi) && k < math.MaxInt64: // 2.0 or 2e3
		return test(op, int64(k))
	case k < float64(lo):
		below, above = test(cqn.Lt, lo), test(cqn.Ge, lo)
	case k >= float64(hi):
		below, above = test(cqn.Le, hi), test(cqn.Gt, hi)
	default:
		below, above = test(cqn.Le, int64(k)), test(cqn.Gt, int64(k))
	}
	switch op {
	case cqn.Lt, cqn.Le:
		return below
	case cqn.Gt, cqn.Ge:
		return above
	case cqn.Ne: // true, for null too
		return &cqn.Binary{Op: cqn.Or, L: &cqn.Unary{Op: cqn.IsNull, X: l.x}, R: &cqn.Binary{Op: cqn.Or, L: below, R: above}}
	}
	return &cqn.Binary{Op: cqn.And, L: below, R: above}
}
