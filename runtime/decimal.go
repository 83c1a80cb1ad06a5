package cds

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// A Decimal is an exact decimal number. It keeps its text form: 1.50 stays 1.50. Its zero value is 0. Use Cmp or Equal to compare:
// the operator == compares the text.
type Decimal struct{ text string }

// Bounds of what ParseDecimal takes, so that arithmetic on it cannot be made to run away.
const (
	maxDecimalDigits   = 400
	maxDecimalExponent = 400
)

// ParseDecimal reads digits of the form -?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?, up to 400 digits and exponents from -400 to 400.
func ParseDecimal(s string) (Decimal, error) {
	if !decimalForm(s) {
		return Decimal{}, fmt.Errorf("%q is not a decimal number", shorten(s))
	}
	d, _, err := apd.NewFromString(s)
	if err != nil {
		return Decimal{}, fmt.Errorf("%q is not a decimal number", shorten(s))
	}
	if d.NumDigits() > maxDecimalDigits || d.Exponent > maxDecimalExponent || d.Exponent < -maxDecimalExponent {
		return Decimal{}, fmt.Errorf("the decimal number %q is out of range", shorten(s))
	}
	if strings.ContainsAny(s, "eE") {
		return fromAPD(d), nil
	}
	return Decimal{s}, nil
}

// MustDecimal is ParseDecimal for constants of a program: it panics on text that is not a decimal number.
func MustDecimal(s string) Decimal {
	d, err := ParseDecimal(s)
	if err != nil {
		panic("cds: " + err.Error())
	}
	return d
}

// DecimalOf returns a whole number as a Decimal.
func DecimalOf(n int64) Decimal { return fromAPD(apd.New(n, 0)) }

func decimalForm(s string) bool {
	if len(s) > maxDecimalDigits+10 {
		return false
	}
	s = strings.TrimPrefix(s, "-")
	mantissa, exp, hasExp := s, "", false
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, exp, hasExp = s[:i], s[i+1:], true
		if exp != "" && (exp[0] == '+' || exp[0] == '-') {
			exp = exp[1:]
		}
	}
	whole, frac, hasFrac := strings.Cut(mantissa, ".")
	return digits(whole) && (!hasFrac || digits(frac)) && (!hasExp || digits(exp) && len(exp) <= 4)
}

func digits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func shorten(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

func fromAPD(d *apd.Decimal) Decimal { return Decimal{d.Text('f')} }

// apd returns the number for arithmetic. The text was checked when d was made.
func (d Decimal) apd() *apd.Decimal {
	if d.text == "" {
		return apd.New(0, 0)
	}
	n, _, err := apd.NewFromString(d.text)
	if err != nil {
		return apd.New(0, 0)
	}
	return n
}

// String returns the digits.
func (d Decimal) String() string {
	if d.text == "" {
		return "0"
	}
	return d.text
}

// Float returns the nearest binary floating-point number.
func (d Decimal) Float() float64 { f, _ := d.apd().Float64(); return f }

// Sign returns -1, 0 or 1.
func (d Decimal) Sign() int { return d.apd().Sign() }

// Cmp returns -1, 0 or 1 as d is less than, equal to or greater than e.
func (d Decimal) Cmp(e Decimal) int { return d.apd().Cmp(e.apd()) }

// Equal reports whether d and e are the same number: 1.5 equals 1.50.
func (d Decimal) Equal(e Decimal) bool { return d.Cmp(e) == 0 }

// Add, Sub and Mul are exact.
func (d Decimal) Add(e Decimal) Decimal { return d.exact(e, (*apd.Context).Add) }

// Sub returns d - e.
func (d Decimal) Sub(e Decimal) Decimal { return d.exact(e, (*apd.Context).Sub) }

// Mul returns d * e.
func (d Decimal) Mul(e Decimal) Decimal { return d.exact(e, (*apd.Context).Mul) }

// exact runs an operation with enough digits for any result of numbers within the bounds of ParseDecimal.
func (d Decimal) exact(e Decimal, op func(*apd.Context, *apd.Decimal, *apd.Decimal, *apd.Decimal) (apd.Condition, error)) Decimal {
	x, y := d.apd(), e.apd()
	ctx := apd.BaseContext.WithPrecision(uint32(x.NumDigits()+y.NumDigits()) + 4*maxDecimalExponent)
	var z apd.Decimal
	if _, err := op(ctx, &z, x, y); err != nil {
		return Decimal{}
	}
	return fromAPD(&z)
}

// Round returns d with the given number of digits after the point, rounded half up (away from zero).
func (d Decimal) Round(scale int) Decimal {
	scale = max(0, min(scale, maxDecimalExponent))
	x := d.apd()
	ctx := apd.BaseContext.WithPrecision(uint32(x.NumDigits()) + 2*maxDecimalExponent)
	ctx.Rounding = apd.RoundHalfUp
	var z apd.Decimal
	if _, err := ctx.Quantize(&z, x, int32(-scale)); err != nil {
		return d
	}
	return fromAPD(&z)
}

// MarshalJSON writes a string, so that no reader loses digits.
func (d Decimal) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads a string or a number.
func (d *Decimal) UnmarshalJSON(data []byte) error {
	s := string(data)
	if len(data) > 0 && data[0] == '"' {
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
	}
	v, err := ParseDecimal(s)
	if err != nil {
		return err
	}
	*d = v
	return nil
}
