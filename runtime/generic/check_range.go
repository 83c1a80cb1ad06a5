package generic

import (
	"errors"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// newRangeCheck is for @assert.range: [min, max]. Both ends belong to the range; an end in parentheses does not, and `_` is no end.
// Numbers are compared exactly, dates and times as moments, texts as texts.
func newRangeCheck(el *csn.Element) (Check, error) {
	a := anno(el, "assert.range")
	if a == nil || a.Kind != cqn.AnnoArray {
		return nil, nil
	}
	if len(a.Items) != 2 {
		return nil, errors.New("@assert.range needs two ends, [min, max]; write _ for an open one")
	}
	lo, hi := readBound(a.Items[0]), readBound(a.Items[1])
	if lo.open && hi.open {
		return nil, nil
	}
	return func(f Fault, x cqn.Value) {
		c, d := compare(x, lo.value), compare(x, hi.value)
		if !lo.open && (c < 0 || c == 0 && lo.exclusive) || !hi.open && (d > 0 || d == 0 && hi.exclusive) {
			l, h := lo.text(">"), hi.text("<")
			f.Add("assert.range", "ASSERT_RANGE", "Enter a value between "+l+" and "+h+".", l, h, x.Format())
		}
	}, nil
}

// A bound is one end of an @assert.range: a value, exclusive if it stands in parentheses, or none (`_`).
type bound struct {
	value     cqn.Value
	exclusive bool
	open      bool
}

func readBound(a *cqn.AnnoValue) bound {
	switch a.Kind {
	case cqn.AnnoNumber:
		return bound{value: cqn.Decimal(a.Text)}
	case cqn.AnnoString:
		return bound{value: cqn.String(a.Text)}
	case cqn.AnnoExpr:
		if v, ok := constant(a.Expr); ok {
			return bound{value: v, exclusive: true}
		}
	}
	return bound{open: true}
}

func constant(x cqn.Expr) (cqn.Value, bool) {
	switch x := x.(type) {
	case *cqn.Lit:
		return x.Value, !x.Value.IsNull()
	case *cqn.Unary:
		if l, ok := x.X.(*cqn.Lit); ok && x.Op == cqn.Neg {
			return cqn.Decimal("-" + l.Value.Format()), true
		}
	}
	return cqn.Null, false
}

func (b bound) text(sign string) string {
	switch {
	case b.open:
		return "_"
	case b.exclusive:
		return sign + b.value.Format()
	}
	return b.value.Format()
}

// compare orders two values: as exact numbers if both are, else as text. Dates and times order as text does.
func compare(x, y cqn.Value) int {
	a, okA := number(x)
	b, okB := number(y)
	if okA && okB {
		return a.Cmp(b)
	}
	return strings.Compare(x.Format(), y.Format())
}

func number(v cqn.Value) (*apd.Decimal, bool) {
	switch v.Kind() {
	case cqn.KindInt:
		return apd.New(v.Int(), 0), true
	case cqn.KindFloat:
		d := new(apd.Decimal)
		_, err := d.SetFloat64(v.Float())
		return d, err == nil
	case cqn.KindDecimal:
		d, _, err := apd.NewFromString(v.Str())
		return d, err == nil
	}
	return nil, false
}
