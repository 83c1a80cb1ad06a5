package eval

import (
	"math"
	"strconv"

	"github.com/cockroachdb/apd/v3"

	"cds/parser/cqn"
)

// maxDigits bounds the text of a number and maxExponent its magnitude: beyond them a value is no number for us, so that no
// comparison can be made expensive from outside.
const (
	maxDigits   = 200
	maxExponent = 400
)

// decimal returns a number exactly; false for what is none, and for infinities.
func decimal(v cqn.Value) (*apd.Decimal, bool) {
	switch v.Kind() {
	case cqn.KindInt:
		return apd.New(v.Int(), 0), true
	case cqn.KindFloat:
		f := v.Float()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, false
		}
		return parse(strconv.FormatFloat(f, 'g', -1, 64))
	case cqn.KindDecimal, cqn.KindString:
		return parse(v.Str())
	}
	return nil, false
}

func parse(s string) (*apd.Decimal, bool) {
	if len(s) == 0 || len(s) > maxDigits || !numeral(s) {
		return nil, false
	}
	d, _, err := apd.NewFromString(s)
	if err != nil || d.Form != apd.Finite || d.Exponent > maxExponent || d.Exponent < -maxExponent {
		return nil, false
	}
	return d, true
}

// numeral reports whether s has the form of a decimal number: -12.5e3.
func numeral(s string) bool {
	i := 0
	if s != "" && (s[0] == '-' || s[0] == '+') {
		i++
	}
	n := digits(s, &i)
	if i < len(s) && s[i] == '.' {
		i++
		n += digits(s, &i)
	}
	if n == 0 {
		return false
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '-' || s[i] == '+') {
			i++
		}
		if digits(s, &i) == 0 {
			return false
		}
	}
	return i == len(s)
}

func digits(s string, i *int) int {
	start := *i
	for *i < len(s) && s[*i] >= '0' && s[*i] <= '9' {
		*i++
	}
	return *i - start
}

// compareNumbers compares exactly; a text that is a number counts as one, as with a column's affinity.
func compareNumbers(l, r cqn.Value) (int, bool) {
	if l.Kind() == cqn.KindInt && r.Kind() == cqn.KindInt {
		switch {
		case l.Int() < r.Int():
			return -1, true
		case l.Int() > r.Int():
			return 1, true
		}
		return 0, true
	}
	a, ok := decimal(l)
	if !ok {
		return 0, false
	}
	b, ok := decimal(r)
	if !ok {
		return 0, false
	}
	return a.Cmp(b), true
}

// arithmetic adds, subtracts and multiplies exactly. What is no number yields null.
func arithmetic(op cqn.BinaryOp, l, r cqn.Value) cqn.Value {
	if l.Kind() == cqn.KindInt && r.Kind() == cqn.KindInt {
		if v, ok := integer(op, l.Int(), r.Int()); ok {
			return v
		}
	}
	a, ok := decimal(l)
	if !ok {
		return cqn.Null
	}
	b, ok := decimal(r)
	if !ok {
		return cqn.Null
	}
	ctx := apd.BaseContext.WithPrecision(2*maxDigits + 2*maxExponent)
	var d apd.Decimal
	var err error
	switch op {
	case cqn.Add:
		_, err = ctx.Add(&d, a, b)
	case cqn.Sub:
		_, err = ctx.Sub(&d, a, b)
	case cqn.Mul:
		_, err = ctx.Mul(&d, a, b)
	default:
		return cqn.Null
	}
	if err != nil || d.Form != apd.Finite {
		return cqn.Null
	}
	return cqn.Decimal(d.Text('f'))
}

// integer computes with whole numbers; false on overflow.
func integer(op cqn.BinaryOp, a, b int64) (cqn.Value, bool) {
	switch op {
	case cqn.Add:
		c := a + b
		return cqn.Int(c), (c > a) == (b > 0)
	case cqn.Sub:
		c := a - b
		return cqn.Int(c), (c < a) == (b > 0)
	case cqn.Mul:
		if a == 0 || b == 0 {
			return cqn.Int(0), true
		}
		c := a * b
		return cqn.Int(c), c/b == a && !(a == -1 && b == math.MinInt64) && !(b == -1 && a == math.MinInt64)
	}
	return cqn.Null, false
}
