package sqlite

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"cds/parser/cqn"

	"zombiezen.com/go/sqlite"
)

const maxRegexps = 100

// register adds our functions to a connection. They may be used in views; session_context is constant within a statement.
func (c *conn) register() error {
	fns := map[string]*sqlite.FunctionImpl{
		"session_context": {NArgs: 1, Deterministic: true, AllowIndirect: true, Scalar: c.sessionContext},
		"regexp":          {NArgs: 2, Deterministic: true, AllowIndirect: true, Scalar: c.regexp},
		"concat_null":     {NArgs: -1, Deterministic: true, AllowIndirect: true, Scalar: concatNull},
		"fold_lower":      {NArgs: 1, Deterministic: true, AllowIndirect: true, Scalar: textFunction(strings.ToLower)},
		"fold_upper":      {NArgs: 1, Deterministic: true, AllowIndirect: true, Scalar: textFunction(strings.ToUpper)},
		"fold_instr":      {NArgs: 2, Deterministic: true, AllowIndirect: true, Scalar: c.foldInstr},
	}
	for name, f := range fns {
		if err := c.conn.CreateFunction(name, f); err != nil {
			return err
		}
	}
	return nil
}

// sessionContext returns a variable of the transaction's user; unknown and empty ones are null.
func (c *conn) sessionContext(_ sqlite.Context, args []sqlite.Value) (sqlite.Value, error) {
	var v string
	switch args[0].Text() {
	case "$user.id", "$user":
		v = c.session.UserID
	case "$user.tenant", "$tenant":
		v = c.session.Tenant
	case "$user.locale", "$locale":
		v = c.session.Locale
	case "$now":
		v = c.session.Now
	case "$valid.from", "$at.from":
		v = firstOf(c.session.ValidFrom, c.session.Now)
	case "$valid.to", "$at.to":
		v = firstOf(c.session.ValidTo, c.session.Now)
	}
	if v == "" {
		return sqlite.Value{}, nil
	}
	return sqlite.TextValue(v), nil
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// regexp implements `value REGEXP pattern`, which SQLite calls with the pattern first. Go's expressions run in linear time. A pattern that is
// none matches nothing: SQLite may ask for rows that other conditions of the statement hide, so an error would tell of them.
func (c *conn) regexp(_ sqlite.Context, args []sqlite.Value) (sqlite.Value, error) {
	if args[0].Type() == sqlite.TypeNull || args[1].Type() == sqlite.TypeNull {
		return sqlite.Value{}, nil
	}
	pattern := args[0].Text()
	re, ok := c.regexps[pattern]
	if !ok {
		if c.regexps == nil || len(c.regexps) >= maxRegexps {
			c.regexps = map[string]*regexp.Regexp{}
		}
		re, _ = regexp.Compile(pattern)
		c.regexps[pattern] = re
	}
	if re == nil {
		return sqlite.Value{}, nil
	}
	return truth(re.MatchString(args[1].Text())), nil
}

func truth(b bool) sqlite.Value {
	if b {
		return sqlite.IntegerValue(1)
	}
	return sqlite.IntegerValue(0)
}

// concatNull joins its arguments; null if one is, as SQL's || does (SQLite's concat skips nulls).
func concatNull(_ sqlite.Context, args []sqlite.Value) (sqlite.Value, error) {
	var b []byte
	for _, a := range args {
		if a.Type() == sqlite.TypeNull {
			return sqlite.Value{}, nil
		}
		b = append(b, a.Text()...)
	}
	return sqlite.TextValue(string(b)), nil
}

// textFunction makes a function of a text. SQLite's own lower and upper know ASCII only.
func textFunction(fn func(string) string) func(sqlite.Context, []sqlite.Value) (sqlite.Value, error) {
	return func(_ sqlite.Context, args []sqlite.Value) (sqlite.Value, error) {
		if args[0].Type() == sqlite.TypeNull {
			return sqlite.Value{}, nil
		}
		return sqlite.TextValue(fn(args[0].Text())), nil
	}
}

// foldInstr tells whether a text contains another one, in any case of letters. The other one is the same for all rows of a search mostly.
func (c *conn) foldInstr(_ sqlite.Context, args []sqlite.Value) (sqlite.Value, error) {
	if args[0].Type() == sqlite.TypeNull || args[1].Type() == sqlite.TypeNull {
		return sqlite.Value{}, nil
	}
	if part := args[1].Text(); part != c.folded[0] {
		c.folded = [2]string{part, strings.ToLower(part)}
	}
	return truth(strings.Contains(strings.ToLower(args[0].Text()), c.folded[1])), nil
}

// bindDecimal binds exact digits as the number that a column of SQLite's REAL affinity would hold.
func bindDecimal(s *sqlite.Stmt, i int, digits string) {
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
		s.BindInt64(i, n)
		return
	}
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		s.BindText(i, digits)
		return
	}
	s.BindFloat(i, f)
}

// listJSON is the JSON array that stands for a list. Bytes become hexadecimal text.
func listJSON(vs []cqn.Value) string {
	b := append(make([]byte, 0, 2+16*len(vs)), '[')
	for i, v := range vs {
		if i > 0 {
			b = append(b, ',')
		}
		switch v.Kind() {
		case cqn.KindBool:
			b = strconv.AppendBool(b, v.Bool())
		case cqn.KindInt:
			b = strconv.AppendInt(b, v.Int(), 10)
		case cqn.KindFloat, cqn.KindDecimal:
			b = appendFloat(b, v.Float())
		case cqn.KindBytes:
			b = fmt.Appendf(b, `"%X"`, v.Str())
		case cqn.KindString, cqn.KindDate, cqn.KindTime, cqn.KindDateTime, cqn.KindTimestamp:
			b = appendString(b, v.Str())
		default:
			b = append(b, "null"...)
		}
	}
	return string(append(b, ']'))
}

func appendFloat(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	return strconv.AppendFloat(b, f, 'g', -1, 64)
}

// appendString appends a JSON string. Invalid UTF-8 becomes the replacement character.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < 0x20:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
