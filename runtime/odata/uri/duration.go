package uri

import (
	"math/big"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// Durations (OData URL Conventions 5.1.1.6.1): no element has this type, but literals have, and differences of moments. In expressions a
// duration is its number of seconds.

// durationType marks operands that are durations.
var durationType = &csn.Builtin{Name: "Edm.Duration", Kind: csn.Double}

func isDuration(o operand) bool { return o.t == durationType }

// durationSeconds reads [-]P[nD][T[nH][nM][n.nS]] and returns the seconds as decimal digits.
func durationSeconds(s string) (string, bool) {
	sign := ""
	switch {
	case strings.HasPrefix(s, "-"):
		sign, s = "-", s[1:]
	case strings.HasPrefix(s, "+"):
		s = s[1:]
	}
	s, ok := strings.CutPrefix(s, "P")
	if !ok || s == "" || len(s) > 40 {
		return "", false
	}
	total := new(big.Rat)
	units := []struct {
		letter byte
		secs   int64
		time   bool
	}{{'D', 86400, false}, {'H', 3600, true}, {'M', 60, true}, {'S', 1, true}}
	inTime, parts := false, 0
	for _, u := range units {
		if !inTime && strings.HasPrefix(s, "T") {
			inTime, s, parts = true, s[1:], 0
		}
		n := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if n <= 0 || s[n] != u.letter || u.time != inTime {
			continue
		}
		r, ok := new(big.Rat).SetString(s[:n])
		if !ok || strings.Contains(s[:n], ".") && (u.letter != 'S' || s[n-1] == '.') {
			return "", false
		}
		total.Add(total, r.Mul(r, new(big.Rat).SetInt64(u.secs)))
		s, parts = s[n+1:], parts+1
	}
	if s != "" || parts == 0 {
		return "", false
	}
	text := total.FloatString(12)
	text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	if text == "0" {
		sign = ""
	}
	return sign + text, true
}

// duration returns the operand for a constant duration.
func constantDuration(secs string) operand {
	x := &cqn.Cast{X: &cqn.Lit{Value: number(secs)}, Type: cqn.TypeName{Name: "cds.Double"}}
	return operand{x: x, t: durationType, secs: secs}
}

// asDuration turns a literal, duration'P1D' or, where a duration is expected, 'P1D', into a duration.
func asDuration(o operand) (operand, bool) {
	if isDuration(o) {
		return o, true
	}
	if o.lit != nil && o.lit.quoted {
		if secs, ok := durationSeconds(o.lit.text); ok {
			return constantDuration(secs), true
		}
	}
	return o, false
}

// toDuration makes both sides of a comparison durations.
func toDuration(c *scanner, l, r *operand) error {
	for _, o := range []*operand{l, r} {
		if isNull(*o) {
			continue
		}
		d, ok := asDuration(*o)
		if !ok {
			return c.fail("Expected a duration to compare a duration with,")
		}
		*o = d
	}
	return nil
}

func negatedDuration(o operand) operand {
	switch {
	case o.secs == "":
		return operand{x: &cqn.Unary{Op: cqn.Neg, X: o.x}, t: durationType}
	case strings.HasPrefix(o.secs, "-"):
		return constantDuration(o.secs[1:])
	case o.secs == "0":
		return o
	}
	return constantDuration("-" + o.secs)
}

// isMoment reports whether an operand is a date or a point in time. Constants without type are made one.
func asMoment(o operand) (operand, bool) {
	if o.lit != nil && !o.lit.quoted {
		switch o.lit.value.Kind() {
		case cqn.KindDate:
			t := &csn.Builtin{Name: "cds.Date", Kind: csn.Date}
			return operand{x: &cqn.Cast{X: &cqn.Lit{Value: o.lit.value}, Type: cqn.TypeName{Name: t.Name}}, t: t}, true
		case cqn.KindTimestamp, cqn.KindDateTime:
			t := &csn.Builtin{Name: "cds.Timestamp", Kind: csn.Timestamp}
			return operand{x: &cqn.Cast{X: &cqn.Lit{Value: o.lit.value}, Type: cqn.TypeName{Name: t.Name}}, t: t}, true
		}
	}
	if o.lit != nil || o.t == nil || o.cond || o.assoc != nil || o.many != nil {
		return o, false
	}
	switch o.t.Kind {
	case csn.Date, csn.DateTime, csn.Timestamp:
		return o, true
	}
	return o, false
}

// calculateTime does arithmetic with durations and moments. ok is false where neither side is one.
func (p *exprParser) calculateTime(c *scanner, word string, l, r operand) (o operand, ok bool, err error) {
	lm, lIsMoment := asMoment(l)
	rm, rIsMoment := asMoment(r)
	ld, lIsDuration := asDuration(l)
	rd, rIsDuration := asDuration(r)
	switch {
	case lIsMoment && rIsMoment:
		if word == "sub" && (lm.t.Kind == csn.Date) == (rm.t.Kind == csn.Date) {
			return operand{x: &cqn.Call{Name: "cds.seconds", Args: []cqn.Expr{lm.x, rm.x}}, t: durationType}, true, nil
		}
	case lIsMoment && rIsDuration && (word == "add" || word == "sub"):
		if word == "sub" {
			rd = negatedDuration(rd)
		}
		name := "cds.add_timestamp"
		switch lm.t.Kind {
		case csn.Date:
			name = "cds.add_date"
		case csn.DateTime:
			name = "cds.add_datetime"
		}
		return operand{x: &cqn.Call{Name: name, Args: []cqn.Expr{lm.x, rd.x}}, t: lm.t}, true, nil
	case lIsDuration && rIsDuration && (word == "add" || word == "sub"):
		op := cqn.Add
		if word == "sub" {
			op = cqn.Sub
		}
		return operand{x: &cqn.Binary{Op: op, L: ld.x, R: rd.x}, t: durationType}, true, nil
	case lIsDuration && numeric(r) && (word == "mul" || word == "div" || word == "divby"):
		op := cqn.Mul
		if word != "mul" {
			op = cqn.Div
		}
		return operand{x: &cqn.Binary{Op: op, L: ld.x, R: double(r)}, t: durationType}, true, nil
	case numeric(l) && rIsDuration && word == "mul":
		return operand{x: &cqn.Binary{Op: cqn.Mul, L: double(l), R: rd.x}, t: durationType}, true, nil
	case !lIsMoment && !rIsMoment && !isDuration(l) && !isDuration(r):
		return o, false, nil
	}
	return o, true, c.fail("Expected operands that %q has a meaning for", word)
}

// double returns a number as a binary floating-point number, so that nothing is rounded to whole ones.
func double(o operand) cqn.Expr {
	return &cqn.Cast{X: o.x, Type: cqn.TypeName{Name: "cds.Double"}}
}
