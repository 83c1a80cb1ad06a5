// Package jsonw appends JSON values to byte slices: no reflection, no allocation beyond the growth of the slice.
//
// It writes what OData and REST answers need: strings with minimal escaping, numbers, decimals with a fixed scale, dates and times in
// their canonical forms, binary as base64url.
package jsonw

import (
	"encoding/base64"
	"math"
	"strconv"
	"unicode/utf8"
)

const hex = "0123456789abcdef"

// safe tells which bytes stand for themselves in a JSON string.
var safe = func() (t [256]bool) {
	for i := range utf8.RuneSelf {
		t[i] = i >= ' ' && i != '"' && i != '\\' && i != 0x7f
	}
	return t
}()

// String appends s as a JSON string with its quotes. Bytes that are no UTF-8 become U+FFFD; line separators that break JavaScript
// (U+2028, U+2029) and DEL are escaped.
func String[T ~string | ~[]byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if safe[c] {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			dst = append(dst, s[start:i]...)
			dst = escape(dst, c)
			i++
			start = i
			continue
		}
		r, n := decode(s[i:])
		if r == utf8.RuneError && n == 1 || r == '\u2028' || r == '\u2029' {
			dst = append(dst, s[start:i]...)
			dst = append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
			start = i + n
		}
		i += n
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// decode reads one rune without converting the whole rest of s.
func decode[T ~string | ~[]byte](s T) (rune, int) {
	var b [utf8.UTFMax]byte
	return utf8.DecodeRune(b[:copy(b[:], s[:min(len(s), utf8.UTFMax)])])
}

func escape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// Bool appends true or false.
func Bool(dst []byte, b bool) []byte { return strconv.AppendBool(dst, b) }

// Null appends null.
func Null(dst []byte) []byte { return append(dst, "null"...) }

// Int appends a whole number, as a string if quoted.
func Int(dst []byte, n int64, quoted bool) []byte {
	if !quoted {
		return strconv.AppendInt(dst, n, 10)
	}
	dst = append(dst, '"')
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, '"')
}

// Float appends a binary floating-point number in its shortest form. JSON has no infinities: those and NaN become strings, as in OData.
func Float(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"INF"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-INF"`...)
	}
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

// Decimal appends a decimal number given as text, padded to scale digits after the point (a negative scale leaves it as it is), as a
// string if quoted. Digits beyond the scale stay: no value is changed on the way out.
func Decimal[T ~string | ~[]byte](dst []byte, digits T, scale int, quoted bool) []byte {
	if len(digits) == 0 || !isNumber(digits) {
		return String(dst, digits)
	}
	if quoted {
		dst = append(dst, '"')
	}
	dst = append(dst, digits...)
	dst = pad(dst, digits, scale)
	if quoted {
		dst = append(dst, '"')
	}
	return dst
}

// pad appends the zeros that digits lacks for scale.
func pad[T ~string | ~[]byte](dst []byte, digits T, scale int) []byte {
	if scale <= 0 {
		return dst
	}
	frac := -1
	for i := 0; i < len(digits); i++ {
		switch digits[i] {
		case '.':
			frac = len(digits) - i - 1
		case 'e', 'E':
			return dst
		}
	}
	if frac < 0 {
		dst = append(dst, '.')
		frac = 0
	}
	for ; frac < scale; frac++ {
		dst = append(dst, '0')
	}
	return dst
}

func isNumber[T ~string | ~[]byte](s T) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9', c == '-', c == '+', c == '.', c == 'e', c == 'E':
		default:
			return false
		}
	}
	return true
}

// DecimalFloat appends a decimal number that a database keeps as a binary one: rounded to scale, or in its shortest form for a negative
// scale.
func DecimalFloat(dst []byte, f float64, scale int, quoted bool) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Float(dst, f)
	}
	if quoted {
		dst = append(dst, '"')
	}
	if out, ok := fixed(dst, f, scale); ok {
		dst = out
	} else {
		dst = strconv.AppendFloat(dst, f, 'f', max(scale, -1), 64)
	}
	if quoted {
		dst = append(dst, '"')
	}
	return dst
}

// fixed appends f with scale digits after the point, for the most frequent numbers: strconv takes its slow way for a given number of digits.
// ok is false where the product is too large or too near to a tie for its rounding error to be sure not to matter.
func fixed(dst []byte, f float64, scale int) (out []byte, ok bool) {
	pow := [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6}
	if scale < 0 || scale >= len(pow) || math.Abs(f) >= 1e9 {
		return dst, false
	}
	x := f * pow[scale]
	r := math.Round(x)
	if math.Abs(x-r) > 0.25 || r == 0 {
		return dst, false
	}
	if r < 0 {
		dst, r = append(dst, '-'), -r
	}
	n, div := uint64(r), uint64(pow[scale])
	dst = strconv.AppendUint(dst, n/div, 10)
	if scale == 0 {
		return dst, true
	}
	dst = append(dst, '.')
	for n %= div; scale > 0; scale-- {
		div /= 10
		dst = append(dst, byte('0'+n/div%10))
	}
	return dst, true
}

// Binary appends bytes as a base64url string.
func Binary(dst []byte, b []byte) []byte {
	dst = append(dst, '"')
	dst = base64.URLEncoding.AppendEncode(dst, b)
	return append(dst, '"')
}

// Timestamp, DateTime, Date and Time append a moment given as ISO text in the canonical form of their type: milliseconds and Z, seconds
// and Z, the day, seconds. Text of another form is written as it is.
func Timestamp[T ~string | ~[]byte](dst []byte, s T) []byte {
	switch {
	case len(s) == 24 && s[23] == 'Z':
		return quote(dst, s)
	case len(s) == 20 && s[19] == 'Z':
		return append(append(append(dst, '"'), s[:19]...), `.000Z"`...)
	case len(s) > 24 && s[19] == '.' && s[len(s)-1] == 'Z':
		return append(append(append(dst, '"'), s[:23]...), `Z"`...)
	case len(s) > 20 && len(s) < 24 && s[19] == '.' && s[len(s)-1] == 'Z':
		dst = append(append(dst, '"'), s[:len(s)-1]...)
		return append(append(dst, "000"[:24-len(s)]...), `Z"`...)
	}
	return quote(dst, s)
}

// DateTime: see Timestamp.
func DateTime[T ~string | ~[]byte](dst []byte, s T) []byte {
	if len(s) > 20 && s[19] == '.' && s[len(s)-1] == 'Z' {
		return append(append(append(dst, '"'), s[:19]...), `Z"`...)
	}
	return quote(dst, s)
}

// Date: see Timestamp.
func Date[T ~string | ~[]byte](dst []byte, s T) []byte {
	if len(s) > 10 && s[10] == 'T' {
		return quote(dst, s[:10])
	}
	return quote(dst, s)
}

// Time: see Timestamp.
func Time[T ~string | ~[]byte](dst []byte, s T) []byte { return quote(dst, s) }

// quote appends text that is most likely clean.
func quote[T ~string | ~[]byte](dst []byte, s T) []byte { return String(dst, s) }

// Name appends a member name, its colon, and before them a comma unless the object is still empty.
func Name(dst []byte, name string) []byte {
	if n := len(dst); n > 0 && dst[n-1] != '{' {
		dst = append(dst, ',')
	}
	dst = String(dst, name)
	return append(dst, ':')
}
