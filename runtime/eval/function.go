package eval

import (
	"strings"
	"unicode/utf8"

	"cds/parser/cqn"
)

// predicate evaluates functions that yield a truth value. ok is false for other functions.
func (m *machine) predicate(c *cqn.Call) (t Truth, ok bool, err error) {
	var test func(s, part string) bool
	switch c.Name {
	case "contains":
		test = strings.Contains
	case "startswith":
		test = strings.HasPrefix
	case "endswith":
		test = strings.HasSuffix
	default:
		return Unknown, false, nil
	}
	if len(c.Args) != 2 {
		return Unknown, true, &ErrNotEvaluable{"the function " + c.Name}
	}
	args, null, err := m.texts(c)
	if err != nil || null {
		return Unknown, true, err
	}
	return of(test(args[0], args[1])), true, nil
}

// texts evaluates the arguments of a function of texts.
func (m *machine) texts(c *cqn.Call) (args []string, null bool, err error) {
	for _, a := range c.Args {
		v, err := m.value(a)
		if err != nil {
			return nil, false, err
		}
		switch {
		case v.IsNull():
			null = true
		case !isText(v):
			return nil, false, &ErrNotEvaluable{"the function " + c.Name + " of a value that is no text"}
		}
		args = append(args, v.Str())
	}
	return args, null, nil
}

// call evaluates a function. Those whose result depends on the database's own notions (dates, rounding, collations beyond ASCII)
// are not evaluable here.
func (m *machine) call(c *cqn.Call) (cqn.Value, error) {
	if c.Over != nil || c.Star || c.Distinct {
		return cqn.Null, &ErrNotEvaluable{"the function " + c.Name}
	}
	if t, ok, err := m.predicate(c); ok || err != nil {
		return t.value(), err
	}
	switch c.Name {
	case "coalesce", "ifnull":
		return m.coalesce(c)
	case "lower", "tolower", "upper", "toupper", "length", "trim", "concat":
		return m.textFunction(c)
	case "now":
		return m.param(&cqn.Param{From: cqn.FromNow})
	}
	return cqn.Null, &ErrNotEvaluable{"the function " + c.Name}
}

func (m *machine) coalesce(c *cqn.Call) (cqn.Value, error) {
	for _, a := range c.Args {
		v, err := m.value(a)
		if err != nil || !v.IsNull() {
			return v, err
		}
	}
	return cqn.Null, nil
}

func (m *machine) textFunction(c *cqn.Call) (cqn.Value, error) {
	unknown := &ErrNotEvaluable{"the function " + c.Name}
	if c.Name != "concat" && len(c.Args) != 1 || c.Name == "concat" && len(c.Args) < 2 {
		return cqn.Null, unknown
	}
	args, null, err := m.texts(c)
	if err != nil || null {
		return cqn.Null, err
	}
	s := args[0]
	switch c.Name {
	case "concat":
		return cqn.String(strings.Join(args, "")), nil
	case "trim":
		return cqn.String(strings.Trim(s, " ")), nil
	case "length":
		return cqn.Int(int64(utf8.RuneCountInString(s))), nil
	}
	if !ascii(s) {
		return cqn.Null, unknown // databases differ on letters beyond ASCII
	}
	if c.Name == "lower" || c.Name == "tolower" {
		return cqn.String(strings.ToLower(s)), nil
	}
	return cqn.String(strings.ToUpper(s)), nil
}

func ascii(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// like evaluates x like pattern, with regard to the case of letters.
func (m *machine) like(x *cqn.Like) (Truth, error) {
	xs := []cqn.Expr{x.X, x.Pattern}
	if x.Escape != nil {
		xs = append(xs, x.Escape)
	}
	args, null, err := m.texts(&cqn.Call{Name: "like", Args: xs})
	if err != nil || null {
		return Unknown, err
	}
	escape := rune(-1)
	if x.Escape != nil {
		r, n := utf8.DecodeRuneInString(args[2])
		if n != len(args[2]) || n == 0 {
			return Unknown, &ErrNotEvaluable{"an escape of other than one character"}
		}
		escape = r
	}
	t := of(match([]rune(args[0]), tokens(args[1], escape)))
	if x.Negated {
		t = t.not()
	}
	return t, nil
}

// A token of a like pattern: a character, or a wildcard.
type token struct {
	char rune
	wild byte // '%', '_' or 0
}

func tokens(pattern string, escape rune) []token {
	var out []token
	escaped := false
	for _, r := range pattern {
		switch {
		case escaped:
			out = append(out, token{char: r})
			escaped = false
		case r == escape:
			escaped = true
		case r == '%':
			if n := len(out); n == 0 || out[n-1].wild != '%' {
				out = append(out, token{wild: '%'})
			}
		case r == '_':
			out = append(out, token{wild: '_'})
		default:
			out = append(out, token{char: r})
		}
	}
	return out
}

// match compares with one point of return per '%', hence in time of at most text times pattern.
func match(s []rune, p []token) bool {
	i, j := 0, 0
	star, back := -1, 0
	for i < len(s) {
		switch {
		case j < len(p) && p[j].wild == '%':
			star, back = j, i
			j++
		case j < len(p) && (p[j].wild == '_' || p[j].wild == 0 && p[j].char == s[i]):
			i++
			j++
		case star >= 0:
			back++
			i, j = back, star+1
		default:
			return false
		}
	}
	for j < len(p) && p[j].wild == '%' {
		j++
	}
	return j == len(p)
}
