package cds

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cockroachdb/apd/v3"
	"github.com/google/uuid"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// Convert returns v in the form that values of el have: numbers exact and within their range, dates and times canonical, binary as bytes.
// Where v is no value of el's type the error is 400 ASSERT_DATA_TYPE with target. Null is a value of every type. Only scalar types are
// handled; structures, arrays and associations are returned as they are.
func Convert(el *csn.Element, v Value, target string) (Value, error) {
	t := el.Scalar()
	if t == nil || v.IsNull() {
		return v, nil
	}
	c, ok := coerce(v, t)
	if !ok {
		return v, notValid(v, t, target)
	}
	return c, nil
}

// notValid is the answer for a value that is not of a type.
func notValid(v Value, t *csn.Builtin, target string) *Error {
	text := v.Format()
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "…"
	}
	return &Error{Status: 400, Code: "ASSERT_DATA_TYPE", Message: fmt.Sprintf("Value %s is not a valid %s", text, typeText(t)), Target: target}
}

func typeText(t *csn.Builtin) string {
	name := strings.TrimPrefix(t.Name, "cds.")
	switch {
	case t.Kind == csn.Decimal && t.Precision > 0:
		return fmt.Sprintf("%s(%d,%d)", name, t.Precision, t.Scale)
	case t.Length > 0:
		return fmt.Sprintf("%s(%d)", name, t.Length)
	}
	return name
}

// coerce converts a value to a scalar type. ok is false if it is none of its values.
func coerce(v Value, t *csn.Builtin) (out Value, ok bool) {
	switch t.Kind {
	case csn.Integer, csn.Int32:
		return toInt(v, math.MinInt32, math.MaxInt32)
	case csn.Int64:
		return toInt(v, math.MinInt64, math.MaxInt64)
	case csn.Int16:
		return toInt(v, math.MinInt16, math.MaxInt16)
	case csn.UInt8:
		return toInt(v, 0, math.MaxUint8)
	case csn.Decimal:
		return toDecimal(v, t)
	case csn.Double:
		return toDouble(v)
	case csn.Boolean:
		if v.Kind() == cqn.KindInt && (v.Int() == 0 || v.Int() == 1) {
			return cqn.Bool(v.Int() == 1), true
		}
		return v, v.Kind() == cqn.KindBool
	case csn.UUID:
		if v.Kind() == cqn.KindString && len(v.Str()) == 36 && uuid.Validate(v.Str()) == nil {
			return v, true
		}
		return v, false
	case csn.String, csn.LargeString:
		if v.Kind() != cqn.KindString || t.Length > 0 && len(v.Str()) > t.Length && utf8.RuneCountInString(v.Str()) > t.Length {
			return v, false
		}
		return v, true
	case csn.Date:
		return toDate(v)
	case csn.Time:
		return toTime(v)
	case csn.DateTime:
		return toMoment(v, cqn.KindDateTime, "2006-01-02T15:04:05Z")
	case csn.Timestamp:
		return toMoment(v, cqn.KindTimestamp, "2006-01-02T15:04:05.000Z")
	case csn.LargeBinary:
		if v.Kind() == cqn.KindBlob {
			return v, true
		}
		return toBytes(v)
	case csn.Binary:
		return toBytes(v)
	}
	return v, true // Map, Vector: kept as they are
}

func toInt(v Value, lo, hi int64) (Value, bool) {
	var n int64
	switch v.Kind() {
	case cqn.KindInt:
		n = v.Int()
	case cqn.KindFloat:
		f := v.Float()
		if f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			return v, false
		}
		n = int64(f)
	case cqn.KindDecimal, cqn.KindString:
		s := v.Str()
		if v.Kind() == cqn.KindDecimal {
			s, _ = plainDecimal(s)
			if i := strings.IndexByte(s, '.'); i >= 0 && strings.Trim(s[i+1:], "0") == "" {
				s = s[:i]
			}
		}
		if s == "" || s[0] == '+' {
			return v, false
		}
		i, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return v, false
		}
		n = i
	default:
		return v, false
	}
	return cqn.Int(n), n >= lo && n <= hi
}

// plainDecimal writes the exponent of a number out.
func plainDecimal(s string) (string, bool) {
	if !strings.ContainsAny(s, "eE") {
		return s, true
	}
	d, _, err := apd.NewFromString(s)
	if err != nil || d.Form != apd.Finite || d.Exponent > 400 || d.Exponent < -400 {
		return s, false
	}
	return d.Text('f'), true
}

func toDecimal(v Value, t *csn.Builtin) (Value, bool) {
	var s string
	switch v.Kind() {
	case cqn.KindInt:
		s = strconv.FormatInt(v.Int(), 10)
	case cqn.KindFloat:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return v, false
		}
		s = strconv.FormatFloat(v.Float(), 'f', -1, 64)
	case cqn.KindDecimal:
		var ok bool
		if s, ok = plainDecimal(v.Str()); !ok {
			return v, false
		}
	case cqn.KindString:
		s = v.Str()
	default:
		return v, false
	}
	whole, frac, ok := splitDecimal(s)
	if !ok {
		return v, false
	}
	if t.Precision > 0 && !t.Variable {
		frac = strings.TrimRight(frac, "0")
		if len(frac) > t.Scale || len(strings.TrimLeft(whole, "0")) > t.Precision-t.Scale {
			return v, false
		}
	}
	return cqn.Decimal(s), true
}

// splitDecimal splits -?digits(.digits)?
func splitDecimal(s string) (whole, frac string, ok bool) {
	s = strings.TrimPrefix(s, "-")
	whole, frac, point := strings.Cut(s, ".")
	if whole == "" || point && frac == "" || len(s) > 400 {
		return "", "", false
	}
	for _, part := range [2]string{whole, frac} {
		for i := 0; i < len(part); i++ {
			if part[i] < '0' || part[i] > '9' {
				return "", "", false
			}
		}
	}
	return whole, frac, true
}

func toDouble(v Value) (Value, bool) {
	switch v.Kind() {
	case cqn.KindInt:
		return cqn.Float(float64(v.Int())), true
	case cqn.KindFloat:
		f := v.Float()
		return v, !math.IsNaN(f) && !math.IsInf(f, 0)
	case cqn.KindDecimal, cqn.KindString:
		f, err := strconv.ParseFloat(v.Str(), 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) || strings.ContainsAny(v.Str(), "xX_pP") {
			return v, false
		}
		return cqn.Float(f), true
	}
	return v, false
}

// isText tells kinds that hold a moment as text.
func isText(v Value) bool {
	switch v.Kind() {
	case cqn.KindString, cqn.KindDate, cqn.KindTime, cqn.KindDateTime, cqn.KindTimestamp:
		return true
	}
	return false
}

func toDate(v Value) (Value, bool) {
	s := v.Str()
	if k := v.Kind(); (k == cqn.KindDateTime || k == cqn.KindTimestamp) && len(s) > 10 {
		s = s[:10] // $now compared with a date
	}
	if !isText(v) || len(s) != 10 {
		return v, false
	}
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		return v, false
	}
	return cqn.Text(cqn.KindDate, s), true
}

func toTime(v Value) (Value, bool) {
	s := v.Str()
	if k := v.Kind(); (k == cqn.KindDateTime || k == cqn.KindTimestamp) && len(s) >= 19 {
		s = s[11:19]
	}
	if !isText(v) {
		return v, false
	}
	for _, layout := range [...]string{time.TimeOnly, "15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			return cqn.Text(cqn.KindTime, t.Format(time.TimeOnly)), true
		}
	}
	return v, false
}

// moments are the accepted forms of DateTime and Timestamp; without a zone they count as UTC.
var moments = [...]string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", time.DateOnly}

func toMoment(v Value, kind cqn.Kind, form string) (Value, bool) {
	if !isText(v) {
		return v, false
	}
	for _, layout := range moments {
		if t, err := time.Parse(layout, v.Str()); err == nil {
			t = t.UTC()
			if t.Year() < 0 || t.Year() > 9999 {
				return v, false
			}
			return cqn.Text(kind, t.Format(form)), true
		}
	}
	return v, false
}

func toBytes(v Value) (Value, bool) {
	switch v.Kind() {
	case cqn.KindBytes:
		return v, true
	case cqn.KindString:
		s := strings.TrimRight(v.Str(), "=")
		enc := base64.RawURLEncoding
		if strings.ContainsAny(s, "+/") {
			enc = base64.RawStdEncoding
		}
		if b, err := enc.DecodeString(s); err == nil {
			return cqn.Bytes(b), true
		}
	}
	return v, false
}
