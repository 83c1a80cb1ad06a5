package odata

import (
	"bytes"
	"encoding/json"
	"math/big"
	"slices"
	"strconv"
	"strings"

	cds "cds/runtime"
)

// A condition of a request in a JSON batch, its member `if` (OData JSON 19.1): a boolean expression as in $filter about the answers to earlier requests,
// which are named in dependsOn. It takes the place of the rule that all of these must have succeeded. $1/$succeeded tells whether request 1 has,
// $1/a/b is a value in its answer, $1 the answer itself. What the user was not answered cannot be asked for.

// maxIfDepth bounds the nesting of a condition, maxIf its length.
const (
	maxIfDepth = 50
	maxIf      = 4 << 10
)

// A batchIf is a condition as it was sent, with the ids of the requests in it.
type batchIf struct {
	text string
	ids  []string
}

// An ifValue is the value of a part of a condition: nil, bool, string, json.Number, or what JSON has else.
type ifValue any

// readIf reads a condition without evaluating it, to find out what is wrong with it before anything is done.
func readIf(text string, after []string) (*batchIf, error) {
	if len(text) > maxIf {
		return nil, syntaxError("The condition of a request in a batch is longer than %d bytes", maxIf)
	}
	b := &batchIf{text: text}
	p := &ifParser{s: text, answer: func(id string, _ []string) (ifValue, error) {
		if !slices.Contains(after, id) {
			return nil, syntaxError("The condition of a request in a batch refers to %q, which is not in its \"dependsOn\"", id)
		}
		if !slices.Contains(b.ids, id) {
			b.ids = append(b.ids, id)
		}
		return nil, nil
	}}
	_, err := p.whole()
	return b, err
}

// holds evaluates a condition. null is not true.
func (b *batch) holds(x *batchIf) (bool, error) {
	p := &ifParser{s: x.text, answer: func(id string, path []string) (ifValue, error) {
		r, ok := b.results[id]
		if len(path) == 1 && path[0] == "$succeeded" {
			return ok && !r.failed, nil
		}
		return member(r.body, path), nil
	}}
	v, err := p.whole()
	return v == true, err
}

// member returns a value in a JSON body, nil if there is none.
func member(body []byte, path []string) ifValue {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil
	}
	for _, name := range path {
		o, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = o[name]
	}
	return v
}

// An ifParser reads a condition and evaluates it on the way.
type ifParser struct {
	s      string
	i      int
	depth  int
	answer func(id string, path []string) (ifValue, error)
}

func (p *ifParser) whole() (ifValue, error) {
	v, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.blanks(); p.i < len(p.s) {
		return nil, p.fail("Expected the end or an operator")
	}
	return v, nil
}

func (p *ifParser) fail(what string) error {
	return syntaxError("%s at position %d of the condition %q", what, p.i+1, clipped(p.s))
}

func (p *ifParser) blanks() {
	for p.i < len(p.s) && (p.s[p.i] == ' ' || p.s[p.i] == '\t') {
		p.i++
	}
}

// word returns what comes next as far as a name or literal goes.
func (p *ifParser) word() string {
	p.blanks()
	n := p.i
	for n < len(p.s) && strings.IndexByte(" \t(),'", p.s[n]) < 0 {
		n++
	}
	return p.s[p.i:n]
}

// keyword takes an operator.
func (p *ifParser) keyword(name string) bool {
	if w := p.word(); w == name {
		p.i += len(w)
		return true
	}
	return false
}

func (p *ifParser) char(c byte) bool {
	if p.blanks(); p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

func (p *ifParser) or() (ifValue, error) {
	l, err := p.and()
	for err == nil && p.keyword("or") {
		var r ifValue
		r, err = p.and()
		l = either(l, r, true)
	}
	return l, err
}

func (p *ifParser) and() (ifValue, error) {
	l, err := p.not()
	for err == nil && p.keyword("and") {
		var r ifValue
		r, err = p.not()
		l = either(l, r, false)
	}
	return l, err
}

// either returns what decides if one of both is it, else null if one of both is no boolean, else the opposite.
func either(l, r ifValue, decides bool) ifValue {
	x, okX := l.(bool)
	y, okY := r.(bool)
	switch {
	case okX && x == decides || okY && y == decides:
		return decides
	case okX && okY:
		return !decides
	}
	return nil
}

func (p *ifParser) not() (ifValue, error) {
	if !p.keyword("not") {
		return p.comparison()
	}
	if p.depth++; p.depth > maxIfDepth {
		return nil, p.fail("Nested too deep")
	}
	v, err := p.not()
	p.depth--
	if b, ok := v.(bool); ok {
		return !b, err
	}
	return nil, err
}

func (p *ifParser) comparison() (ifValue, error) {
	l, err := p.operand()
	if err != nil {
		return nil, err
	}
	op := p.word()
	switch op {
	case "eq", "ne", "lt", "le", "gt", "ge":
		p.i += len(op)
	case "in", "has", "add", "sub", "mul", "div", "divby", "mod":
		return nil, cds.Reject(501, "501", "Operator %q is not supported in conditions of a batch", op)
	default:
		return l, nil
	}
	r, err := p.operand()
	if err != nil {
		return nil, err
	}
	return compared(op, l, r), nil
}

func (p *ifParser) operand() (ifValue, error) {
	if p.depth++; p.depth > maxIfDepth {
		return nil, p.fail("Nested too deep")
	}
	defer func() { p.depth-- }()
	if p.char('(') {
		v, err := p.or()
		if err == nil && !p.char(')') {
			err = p.fail("Expected \")\"")
		}
		return v, err
	}
	if p.char('\'') {
		return p.text()
	}
	w := p.word()
	at := p.i
	p.i += len(w)
	switch {
	case w == "":
		return nil, p.fail("Expected a value")
	case w == "true" || w == "false":
		return w == "true", nil
	case w == "null":
		return nil, nil
	case w[0] == '$':
		path := strings.Split(w[1:], "/")
		return p.answer(path[0], path[1:])
	case p.i < len(p.s) && p.s[p.i] == '(':
		return p.call(w)
	case strings.IndexByte("+-0123456789", w[0]) >= 0 || isGUID(w):
		if _, err := strconv.ParseFloat(w, 64); err == nil {
			return json.Number(strings.TrimPrefix(w, "+")), nil
		}
		return w, nil // dates and the like are texts in JSON
	}
	p.i = at
	return nil, p.fail("Expected a value, such as $1/$succeeded or $1/name,")
}

// isGUID tells literals that begin with a letter, unlike dates.
func isGUID(w string) bool { return len(w) == 36 && w[8] == '-' && w[13] == '-' }

// text reads the rest of a string.
func (p *ifParser) text() (ifValue, error) {
	var b strings.Builder
	for p.i < len(p.s) {
		c := p.s[p.i]
		p.i++
		if c != '\'' {
			b.WriteByte(c)
			continue
		}
		if p.i >= len(p.s) || p.s[p.i] != '\'' {
			return b.String(), nil
		}
		p.i++
		b.WriteByte('\'')
	}
	return nil, p.fail("Expected \"'\"")
}

// call evaluates a function of texts.
func (p *ifParser) call(name string) (ifValue, error) {
	p.i++
	var args []ifValue
	for !p.char(')') {
		if len(args) > 0 && !p.char(',') {
			return nil, p.fail("Expected \",\" or \")\"")
		}
		v, err := p.operand()
		if err != nil {
			return nil, err
		}
		args = append(args, v)
	}
	var s [2]string
	ok := true
	for i := range min(len(args), 2) {
		var is bool
		s[i], is = args[i].(string)
		ok = ok && is
	}
	want := 2
	var v ifValue
	switch name {
	case "contains":
		v = strings.Contains(s[0], s[1])
	case "startswith":
		v = strings.HasPrefix(s[0], s[1])
	case "endswith":
		v = strings.HasSuffix(s[0], s[1])
	case "tolower":
		v, want = strings.ToLower(s[0]), 1
	case "toupper":
		v, want = strings.ToUpper(s[0]), 1
	case "length":
		v, want = json.Number(strconv.Itoa(len([]rune(s[0])))), 1
	default:
		return nil, cds.Reject(501, "501", "Function %q is not supported in conditions of a batch", name)
	}
	if len(args) != want {
		return nil, p.fail("Wrong number of arguments of " + name)
	}
	if !ok {
		return nil, nil
	}
	return v, nil
}

// compared compares two values. Only eq and ne hold for null; values that can't be compared are not equal.
func compared(op string, l, r ifValue) ifValue {
	if l == nil || r == nil {
		switch op {
		case "eq":
			return l == nil && r == nil
		case "ne":
			return l != nil || r != nil
		}
		return false
	}
	n, ok := order3(l, r)
	switch op {
	case "eq":
		return ok && n == 0
	case "ne":
		return !ok || n != 0
	case "lt":
		return ok && n < 0
	case "le":
		return ok && n <= 0
	case "gt":
		return ok && n > 0
	}
	return ok && n >= 0
}

// order3 tells the order of two values of a kind. Numbers are texts in JSON where their type is exact.
func order3(l, r ifValue) (n int, ok bool) {
	switch x := l.(type) {
	case bool:
		y, ok := r.(bool)
		return b2i(x) - b2i(y), ok
	case string:
		if y, ok := r.(string); ok {
			return strings.Compare(x, y), true
		}
	}
	x, okX := number(l)
	y, okY := number(r)
	if !okX || !okY {
		return 0, false
	}
	return x.Cmp(y), true
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// number reads a number, exactly unless it has an exponent.
func number(v ifValue) (*big.Rat, bool) {
	s, isText := v.(string)
	if n, ok := v.(json.Number); ok {
		s = string(n)
	} else if !isText {
		return nil, false
	}
	if len(s) > 100 || strings.ContainsAny(s, "/_xXbBoOpP") {
		return nil, false
	}
	if strings.ContainsAny(s, "eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return nil, false
		}
		r := new(big.Rat)
		return r, r.SetFloat64(f) != nil
	}
	return new(big.Rat).SetString(s)
}
