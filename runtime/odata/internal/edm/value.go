package edm

import (
	"encoding/base64"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// ErrValue says that a text is not a value of the type it is wanted for.
var ErrValue = errors.New("not a value of this type")

// Parse turns a text into a value of a scalar type: a literal of a URL without its quotes, or a string or number of a JSON payload.
// Dates and times are normalised to the form that cqn documents. Limits of the type (length, precision, range) hold.
func Parse(b *csn.Builtin, s string) (cqn.Value, error) {
	switch b.Kind {
	case csn.Boolean:
		switch s {
		case "true":
			return cqn.Bool(true), nil
		case "false":
			return cqn.Bool(false), nil
		}
		return cqn.Null, ErrValue
	case csn.UInt8:
		return parseInt(s, 0, math.MaxUint8)
	case csn.Int16:
		return parseInt(s, math.MinInt16, math.MaxInt16)
	case csn.Integer, csn.Int32:
		return parseInt(s, math.MinInt32, math.MaxInt32)
	case csn.Int64:
		return parseInt(s, math.MinInt64, math.MaxInt64)
	case csn.Decimal:
		return parseDecimal(b, s)
	case csn.Double:
		if !IsNumber(s) {
			return cqn.Null, ErrValue
		}
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return cqn.Null, ErrValue
		}
		return cqn.Float(f), nil
	case csn.Date:
		return parseTime(cqn.KindDate, s)
	case csn.Time:
		return parseTime(cqn.KindTime, s)
	case csn.DateTime:
		return parseTime(cqn.KindDateTime, s)
	case csn.Timestamp:
		return parseTime(cqn.KindTimestamp, s)
	case csn.UUID:
		if !IsUUID(s) {
			return cqn.Null, ErrValue
		}
		return cqn.String(s), nil
	case csn.Binary, csn.LargeBinary:
		raw, ok := DecodeBase64(s)
		if !ok {
			return cqn.Null, ErrValue
		}
		return cqn.Bytes(raw), nil
	}
	if b.Length > 0 && len(s) > b.Length && utf8.RuneCountInString(s) > b.Length {
		return cqn.Null, ErrValue
	}
	return cqn.String(s), nil
}

func parseInt(s string, lo, hi int64) (cqn.Value, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < lo || n > hi || s[0] == '+' {
		return cqn.Null, ErrValue
	}
	return cqn.Int(n), nil
}

// parseDecimal accepts plain digits only: an exponent has no exact scale to check. Digits before the point count as precision minus
// scale at most, those after it as scale at most.
func parseDecimal(b *csn.Builtin, s string) (cqn.Value, error) {
	if !IsNumber(s) || strings.ContainsAny(s, "eE") {
		return cqn.Null, ErrValue
	}
	whole, frac, _ := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	whole, frac = strings.TrimLeft(whole, "0"), strings.TrimRight(frac, "0")
	if b.Precision > 0 && !b.Variable {
		if len(whole) > b.Precision-b.Scale || len(frac) > b.Scale {
			return cqn.Null, ErrValue
		}
	}
	return cqn.Decimal(s), nil
}

// IsNumber reports whether s has the form of a JSON number.
func IsNumber(s string) bool {
	i := 0
	digits := func() bool {
		from := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(s) && s[i] == '-' {
		i++
	}
	if i+1 < len(s) && s[i] == '0' && s[i+1] >= '0' && s[i+1] <= '9' {
		return false
	}
	if !digits() {
		return false
	}
	if i < len(s) && s[i] == '.' {
		i++
		if !digits() {
			return false
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if !digits() {
			return false
		}
	}
	return i == len(s)
}

// IsUUID reports whether s has the form 8-4-4-4-12 hexadecimal digits.
func IsUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return false
		}
	}
	return true
}

// DecodeBase64 reads base64 and base64url, with or without padding.
func DecodeBase64(s string) ([]byte, bool) {
	s = strings.TrimRight(s, "=")
	enc := base64.RawURLEncoding
	if strings.ContainsAny(s, "+/") {
		enc = base64.RawStdEncoding
	}
	raw, err := enc.DecodeString(s)
	return raw, err == nil
}

// layouts returns the accepted forms of a kind of date or time, and the form it is kept in.
func layouts(k cqn.Kind) (accept []string, keep string) {
	switch k {
	case cqn.KindDate:
		return []string{"2006-01-02"}, "2006-01-02"
	case cqn.KindTime:
		return []string{"15:04:05", "15:04"}, "15:04:05"
	}
	keep = "2006-01-02T15:04:05Z"
	if k == cqn.KindTimestamp {
		keep = "2006-01-02T15:04:05.000Z"
	}
	return []string{
		"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02",
	}, keep
}

// parseTime reads dates and times strictly (no 30 February) and brings them to UTC. Fractions of seconds are cut to what the kind
// keeps.
func parseTime(k cqn.Kind, s string) (cqn.Value, error) {
	if len(s) > 40 || strings.Contains(s, ",") { // package time takes a comma as the decimal point
		return cqn.Null, ErrValue
	}
	accept, keep := layouts(k)
	for _, l := range accept {
		if t, err := time.Parse(l, s); err == nil {
			t = t.UTC()
			if y := t.Year(); y < 0 || y > 9999 {
				return cqn.Null, ErrValue
			}
			return cqn.Text(k, t.Format(keep)), nil
		}
	}
	return cqn.Null, ErrValue
}

// Int reads a whole number.
func Int(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && s[0] != '+'
}

// Moment reads a date, a time of day or a point in time by its form alone. Points in time keep milliseconds.
func Moment(s string) (cqn.Value, bool) {
	kind := cqn.KindTime
	switch {
	case strings.Contains(s, "T"):
		kind = cqn.KindTimestamp
	case strings.Contains(s, "-"):
		kind = cqn.KindDate
	}
	v, err := parseTime(kind, s)
	return v, err == nil
}
