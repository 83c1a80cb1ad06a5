package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds the nesting of JSON.
const maxDepth = 32

// decodeObject reads a JSON object more strictly than encoding/json, which takes the last of several members with the same name and compares
// names without case: here a second member with the same name, also in another case, is an error. Text must be UTF-8 without half
// surrogates. Numbers are json.Number.
func decodeObject(b []byte) (map[string]any, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("no UTF-8")
	}
	p := parser{s: string(b)}
	p.space()
	if p.peek() != '{' {
		return nil, errors.New("no object")
	}
	m, err := p.object(1)
	if err != nil {
		return nil, err
	}
	if p.space(); p.i != len(p.s) {
		return nil, errors.New("text after the object")
	}
	return m, nil
}

// DecodeObject reads an object that comes from elsewhere: a member that is there twice, also in another case, is an error, and so is text that is no
// UTF-8, or nesting of more than 32. Numbers are json.Number.
func DecodeObject(b []byte) (map[string]any, error) { return decodeObject(b) }

// DecodeList reads a list as strictly as DecodeObject an object.
func DecodeList(b []byte) ([]any, error) {
	if len(b) > 0 && b[0] == '{' {
		return nil, errors.New("a list is expected")
	}
	m, err := decodeObject(slices.Concat([]byte(`{"list":`), b, []byte("}")))
	if err != nil {
		return nil, err
	}
	list, ok := m["list"].([]any)
	if !ok || len(m) != 1 {
		return nil, errors.New("a list is expected")
	}
	return list, nil
}

type parser struct {
	s string
	i int
}

func (p *parser) peek() byte {
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

func (p *parser) space() {
	for p.i < len(p.s) && strings.IndexByte(" \t\r\n", p.s[p.i]) >= 0 {
		p.i++
	}
}

// next skips blanks and reports whether c follows, which it consumes.
func (p *parser) next(c byte) bool {
	p.space()
	if p.peek() == c {
		p.i++
		return true
	}
	return false
}

func (p *parser) value(depth int) (any, error) {
	p.space()
	if depth > maxDepth {
		return nil, fmt.Errorf("nested more than %d deep", maxDepth)
	}
	switch c := p.peek(); {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		return p.text()
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	}
	for word, v := range map[string]any{"true": true, "false": false, "null": nil} {
		if strings.HasPrefix(p.s[p.i:], word) {
			p.i += len(word)
			return v, nil
		}
	}
	return nil, p.unexpected()
}

func (p *parser) unexpected() error {
	if p.i >= len(p.s) {
		return errors.New("it ends too early")
	}
	return fmt.Errorf("unexpected character at byte %d", p.i)
}

func (p *parser) object(depth int) (map[string]any, error) {
	p.i++
	m := map[string]any{}
	if p.next('}') {
		return m, nil
	}
	seen := map[string]bool{}
	for {
		if p.space(); p.peek() != '"' {
			return nil, p.unexpected()
		}
		name, err := p.text()
		if err != nil {
			return nil, err
		}
		if f := fold(name); seen[f] {
			return nil, fmt.Errorf("member %.40q twice", name)
		} else {
			seen[f] = true
		}
		if !p.next(':') {
			return nil, p.unexpected()
		}
		if m[name], err = p.value(depth + 1); err != nil {
			return nil, err
		}
		if p.next('}') {
			return m, nil
		}
		if !p.next(',') {
			return nil, p.unexpected()
		}
	}
}

func (p *parser) array(depth int) ([]any, error) {
	p.i++
	list := []any{}
	if p.next(']') {
		return list, nil
	}
	for {
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if p.next(']') {
			return list, nil
		}
		if !p.next(',') {
			return nil, p.unexpected()
		}
	}
}

func (p *parser) number() (any, error) {
	start := p.i
	for p.i < len(p.s) && strings.IndexByte("+-.0123456789eE", p.s[p.i]) >= 0 {
		p.i++
	}
	s := p.s[start:p.i]
	if len(s) > 100 || !json.Valid([]byte(s)) {
		return nil, fmt.Errorf("a bad number at byte %d", start)
	}
	return json.Number(s), nil
}

func (p *parser) text() (string, error) {
	p.i++
	start := p.i
	for p.i < len(p.s) { // the common case has no escapes
		switch c := p.s[p.i]; {
		case c == '"':
			p.i++
			return p.s[start : p.i-1], nil
		case c < ' ':
			return "", p.unexpected()
		case c == '\\':
			return p.escaped(start)
		}
		p.i++
	}
	return "", p.unexpected()
}

func (p *parser) escaped(start int) (string, error) {
	var b strings.Builder
	b.WriteString(p.s[start:p.i])
	for p.i < len(p.s) {
		c := p.s[p.i]
		p.i++
		switch {
		case c == '"':
			return b.String(), nil
		case c < ' ':
			p.i--
			return "", p.unexpected()
		case c != '\\':
			b.WriteByte(c)
			continue
		}
		e := p.peek()
		p.i++
		if k := strings.IndexByte(`"\/bfnrt`, e); k >= 0 && e != 0 {
			b.WriteByte("\"\\/\b\f\n\r\t"[k])
			continue
		}
		if e != 'u' {
			return "", errors.New("a bad escape in a text")
		}
		r, err := p.unicode()
		if err != nil {
			return "", err
		}
		b.WriteRune(r)
	}
	return "", p.unexpected()
}

// unicode reads what follows \u. Half a surrogate pair is an error: it would become the same character whatever it was.
func (p *parser) unicode() (rune, error) {
	r, err := p.hex4()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if !strings.HasPrefix(p.s[p.i:], `\u`) {
		return 0, errors.New("half a surrogate pair")
	}
	p.i += 2
	low, err := p.hex4()
	if err != nil {
		return 0, err
	}
	if r = utf16.DecodeRune(r, low); r == unicode.ReplacementChar {
		return 0, errors.New("half a surrogate pair")
	}
	return r, nil
}

func (p *parser) hex4() (rune, error) {
	if len(p.s)-p.i < 4 {
		return 0, p.unexpected()
	}
	n, err := strconv.ParseUint(p.s[p.i:p.i+4], 16, 16)
	if err != nil {
		return 0, errors.New("a bad escape in a text")
	}
	p.i += 4
	return rune(n), nil
}

// fold maps names that differ in case only (Unicode simple folding) to the same text.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && r != 'k' && r != 'K' && r != 's' && r != 'S' {
			return unicode.ToLower(r)
		}
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, s)
}
