package eval

import (
	"math"
	"strconv"
	"strings"
	"time"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// Convert turns the text of a user attribute into a value of the type that it is compared with; nil means text. It fails where the
// text is no value of the type: the attribute then matches nothing (V2). Length, precision and scale don't count: a value that is too long
// for an element can still be compared with it. Binds of SQL are filled by the same rules.
func Convert(s string, t *csn.Builtin) (cqn.Value, bool) {
	if t == nil {
		return cqn.String(s), true
	}
	switch t.Kind {
	case csn.Boolean:
		return cqn.Bool(s == "true"), s == "true" || s == "false"
	case csn.Integer, csn.Int32:
		return whole(s, math.MinInt32, math.MaxInt32)
	case csn.Int64:
		return whole(s, math.MinInt64, math.MaxInt64)
	case csn.Int16:
		return whole(s, math.MinInt16, math.MaxInt16)
	case csn.UInt8:
		return whole(s, 0, math.MaxUint8)
	case csn.Decimal:
		return exact(s)
	case csn.Double:
		f, err := strconv.ParseFloat(s, 64)
		return cqn.Float(f), err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) && !strings.ContainsAny(s, "xX_pP")
	case csn.String, csn.LargeString:
		return cqn.String(s), true
	case csn.UUID:
		return cqn.String(s), uuid(s)
	case csn.Date, csn.Time, csn.DateTime, csn.Timestamp:
		return moment(cqn.String(s), t)
	}
	return cqn.Null, false // binaries, vectors and maps are compared with nothing
}

func whole(s string, lo, hi int64) (cqn.Value, bool) {
	if strings.HasPrefix(s, "+") {
		return cqn.Null, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return cqn.Int(n), err == nil && n >= lo && n <= hi
}

// exact reads -?digits(.digits)?
func exact(s string) (cqn.Value, bool) {
	if len(s) > 400 || strings.ContainsAny(s, "+eE") || !numeral(s) {
		return cqn.Null, false
	}
	before, after, point := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	if before == "" || point && after == "" {
		return cqn.Null, false
	}
	return cqn.Decimal(s), true
}

func uuid(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
		default:
			return false
		}
	}
	return true
}

// moment gives a point in time the form of a type: $now compared with a Date is the day.
func moment(v cqn.Value, t *csn.Builtin) (cqn.Value, bool) {
	s := v.Str()
	full := (v.Kind() == cqn.KindDateTime || v.Kind() == cqn.KindTimestamp) && len(s) >= 19
	switch t.Kind {
	case csn.Date:
		if full {
			s = s[:10]
		}
		_, err := time.Parse(time.DateOnly, s)
		return cqn.Text(cqn.KindDate, s), err == nil && len(s) == 10
	case csn.Time:
		if full {
			s = s[11:19]
		}
		for _, layout := range [...]string{time.TimeOnly, "15:04"} {
			if at, err := time.Parse(layout, s); err == nil {
				return cqn.Text(cqn.KindTime, at.Format(time.TimeOnly)), true
			}
		}
	case csn.DateTime, csn.Timestamp:
		for _, layout := range [...]string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", time.DateOnly} {
			at, err := time.Parse(layout, s)
			if at = at.UTC(); err != nil || at.Year() < 0 || at.Year() > 9999 {
				continue
			}
			if t.Kind == csn.DateTime {
				return cqn.Text(cqn.KindDateTime, at.Format("2006-01-02T15:04:05Z")), true
			}
			return cqn.Text(cqn.KindTimestamp, at.Format("2006-01-02T15:04:05.000Z")), true
		}
	}
	return v, false
}
