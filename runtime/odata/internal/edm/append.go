package edm

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// AppendString appends s as a JSON string. Invalid UTF-8 becomes U+FFFD.
func AppendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= 0x20 && c != '"' && c != '\\' {
				i++
				continue
			}
			b = append(b, s[from:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, '\\', 'n')
			case '\r':
				b = append(b, '\\', 'r')
			case '\t':
				b = append(b, '\\', 't')
			default:
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			i++
			from = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			b = append(b, s[from:i]...)
			b = append(b, "\ufffd"...)
			from = i + 1
		}
		i += n
	}
	b = append(b, s[from:]...)
	return append(b, '"')
}

// AppendValue appends a scalar value as JSON. t, which may be nil, is the type it belongs to: it gives decimals their scale. With
// exact set, Decimal and Int64 are written as strings, which keeps their digits in clients that read numbers as doubles.
func AppendValue(b []byte, v cqn.Value, t *csn.Builtin, exact bool) []byte {
	kind := csn.NoScalar
	if t != nil {
		kind = t.Kind
	}
	switch v.Kind() {
	case cqn.KindNull:
		return append(b, "null"...)
	case cqn.KindBool:
		return strconv.AppendBool(b, v.Bool())
	case cqn.KindInt, cqn.KindFloat, cqn.KindDecimal:
		switch {
		case kind == csn.Boolean && v.Kind() == cqn.KindInt:
			return strconv.AppendBool(b, v.Int() != 0)
		case kind == csn.Decimal && exact:
			b = append(b, '"')
			return append(append(b, scaled(v.Format(), t)...), '"')
		case kind == csn.Int64 && exact:
			b = append(b, '"')
			return append(append(b, v.Format()...), '"')
		}
		if v.Kind() == cqn.KindFloat && (math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0)) {
			return append(b, "null"...)
		}
		return append(b, v.Format()...)
	case cqn.KindBytes:
		return AppendString(b, base64.URLEncoding.EncodeToString([]byte(v.Str())))
	}
	return AppendString(b, v.Format())
}

// scaled pads or keeps the digits of a decimal so that it shows the scale of its type. Digits beyond the scale are never cut here:
// the value was checked when it was written.
func scaled(digits string, t *csn.Builtin) string {
	if t == nil || t.Variable || t.Scale <= 0 || strings.ContainsAny(digits, "eE") {
		return digits
	}
	_, frac, ok := strings.Cut(digits, ".")
	if !ok {
		digits += "."
	}
	if n := t.Scale - len(frac); n > 0 {
		digits += strings.Repeat("0", n)
	}
	return digits
}

// Literal returns the URL form of a key value: quoted and escaped for texts, bare for the rest.
func Literal(v cqn.Value, t *csn.Builtin) string {
	if v.Kind() == cqn.KindString && (t == nil || t.Kind != csn.UUID) {
		return "'" + strings.ReplaceAll(v.Format(), "'", "''") + "'"
	}
	if v.IsNull() {
		return "null"
	}
	if v.Kind() == cqn.KindBytes {
		return "binary'" + base64.URLEncoding.EncodeToString([]byte(v.Str())) + "'"
	}
	return v.Format()
}
