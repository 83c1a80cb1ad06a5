package csn

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A node is a JSON value that keeps the order of properties and the text of numbers, which encoding/json's maps do not.
type node struct {
	kind  byte     // 'o' object, 'a' array, 's' string, 'n' number, 't' true, 'f' false, 'z' null
	text  string   // of strings (decoded) and numbers (as written)
	keys  []string // of objects, parallel to items
	items []*node
	off   int
}

const (
	maxJSON      = 64 << 20
	maxJSONDepth = 200 // conditions nest arrays and objects, hence twice maxDepth
)

// get returns a property, nil if n is no object or lacks it.
func (n *node) get(key string) *node {
	if n != nil && n.kind == 'o' {
		for i, k := range n.keys {
			if k == key {
				return n.items[i]
			}
		}
	}
	return nil
}

func (n *node) has(key string) bool { return n.get(key) != nil }

// str returns the text of a string, "" for other nodes.
func (n *node) str() string {
	if n != nil && n.kind == 's' {
		return n.text
	}
	return ""
}

func (n *node) what() string {
	switch {
	case n == nil:
		return "nothing"
	case n.kind == 'o':
		return "an object"
	case n.kind == 'a':
		return "an array"
	case n.kind == 's':
		return "a string"
	case n.kind == 'n':
		return "a number"
	case n.kind == 'z':
		return "null"
	}
	return "a boolean"
}

// A jsonError is a place where the text is not JSON.
type jsonError struct {
	off     int
	msg     string
	tooDeep bool
}

func (e *jsonError) Error() string { return e.msg }

type jsonParser struct {
	s string
	i int
}

// parseJSON parses one JSON value. It refuses what JSON does not allow, duplicate properties, and nesting beyond maxJSONDepth.
func parseJSON(s string) (*node, *jsonError) {
	p := &jsonParser{s: strings.TrimPrefix(s, "\ufeff")}
	if !utf8.ValidString(p.s) {
		return nil, &jsonError{off: 0, msg: "it is not UTF-8"}
	}
	n, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.i < len(p.s) {
		return nil, p.errorf("text after the end of the value")
	}
	return n, nil
}

func (p *jsonParser) errorf(format string, args ...any) *jsonError {
	return &jsonError{off: p.i, msg: fmt.Sprintf(format, args...)}
}

func (p *jsonParser) space() {
	for p.i < len(p.s) {
		switch p.s[p.i] {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return
		}
	}
}

func (p *jsonParser) value(depth int) (*node, *jsonError) {
	if depth > maxJSONDepth {
		return nil, &jsonError{off: p.i, msg: fmt.Sprintf("it is nested more than %d levels deep", maxJSONDepth), tooDeep: true}
	}
	p.space()
	if p.i >= len(p.s) {
		return nil, p.errorf("unexpected end, a value was expected")
	}
	n := &node{off: p.i}
	switch c := p.s[p.i]; {
	case c == '{':
		return n, p.object(n, depth)
	case c == '[':
		return n, p.array(n, depth)
	case c == '"':
		n.kind = 's'
		var err *jsonError
		n.text, err = p.string()
		return n, err
	case c == '-' || c >= '0' && c <= '9':
		n.kind = 'n'
		var err *jsonError
		n.text, err = p.number()
		return n, err
	}
	for _, w := range [...]struct {
		text string
		kind byte
	}{{"true", 't'}, {"false", 'f'}, {"null", 'z'}} {
		if strings.HasPrefix(p.s[p.i:], w.text) {
			p.i += len(w.text)
			n.kind = w.kind
			return n, nil
		}
	}
	return nil, p.errorf("unexpected %q, a value was expected", firstRune(p.s[p.i:]))
}

func firstRune(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return s[:n]
}

func (p *jsonParser) object(n *node, depth int) *jsonError {
	n.kind = 'o'
	p.i++
	var seen map[string]bool
	for first := true; ; first = false {
		p.space()
		if p.i < len(p.s) && p.s[p.i] == '}' && first {
			p.i++
			return nil
		}
		if p.i >= len(p.s) || p.s[p.i] != '"' {
			return p.errorf("the name of a property was expected")
		}
		key, err := p.string()
		if err != nil {
			return err
		}
		if len(n.keys) >= 8 && seen == nil {
			seen = make(map[string]bool, 64)
			for _, k := range n.keys {
				seen[k] = true
			}
		}
		if seen[key] || seen == nil && contains(n.keys, key) {
			return p.errorf("duplicate property %q", key)
		}
		if seen != nil {
			seen[key] = true
		}
		if p.space(); p.i >= len(p.s) || p.s[p.i] != ':' {
			return p.errorf("':' was expected after a property's name")
		}
		p.i++
		v, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		n.keys = append(n.keys, key)
		n.items = append(n.items, v)
		if done, err := p.more('}'); done || err != nil {
			return err
		}
	}
}

func (p *jsonParser) array(n *node, depth int) *jsonError {
	n.kind = 'a'
	p.i++
	if p.space(); p.i < len(p.s) && p.s[p.i] == ']' {
		p.i++
		return nil
	}
	for {
		v, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		n.items = append(n.items, v)
		if done, err := p.more(']'); done || err != nil {
			return err
		}
	}
}

// more reads a comma or the end of an object or array.
func (p *jsonParser) more(end byte) (done bool, err *jsonError) {
	p.space()
	if p.i < len(p.s) {
		switch p.s[p.i] {
		case ',':
			p.i++
			return false, nil
		case end:
			p.i++
			return true, nil
		}
	}
	return false, p.errorf("',' or %q was expected", string(end))
}

func (p *jsonParser) string() (string, *jsonError) {
	p.i++
	start := p.i
	for p.i < len(p.s) && p.s[p.i] != '"' && p.s[p.i] != '\\' && p.s[p.i] >= ' ' {
		p.i++
	}
	if p.i < len(p.s) && p.s[p.i] == '"' {
		p.i++
		return p.s[start : p.i-1], nil
	}
	b := append([]byte(nil), p.s[start:p.i]...)
	for p.i < len(p.s) {
		switch c := p.s[p.i]; {
		case c == '"':
			p.i++
			return string(b), nil
		case c < ' ':
			return "", p.errorf("a control character in a string")
		case c == '\\':
			var err *jsonError
			if b, err = p.escape(b); err != nil {
				return "", err
			}
		default:
			b = append(b, c)
			p.i++
		}
	}
	return "", p.errorf("a string without end")
}

func (p *jsonParser) escape(b []byte) ([]byte, *jsonError) {
	if p.i+1 >= len(p.s) {
		return nil, p.errorf("a string without end")
	}
	c := p.s[p.i+1]
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
		p.i += 2
		return append(b, "\"\\/\b\f\n\r\t"[i]), nil
	}
	if c != 'u' {
		return nil, p.errorf("unknown escape %q in a string", "\\"+firstRune(p.s[p.i+1:]))
	}
	r, err := p.hex(p.i)
	if err != nil {
		return nil, err
	}
	p.i += 6
	if utf16.IsSurrogate(r) {
		low, err := p.hex(p.i)
		if err != nil {
			return nil, p.errorf("half a surrogate pair in a string")
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return nil, p.errorf("half a surrogate pair in a string")
		}
		p.i += 6
	}
	return utf8.AppendRune(b, r), nil
}

// hex reads \uXXXX at offset i.
func (p *jsonParser) hex(i int) (rune, *jsonError) {
	if i+6 > len(p.s) || p.s[i] != '\\' || p.s[i+1] != 'u' {
		return 0, p.errorf("\\u needs four hexadecimal digits")
	}
	n, err := strconv.ParseUint(p.s[i+2:i+6], 16, 16)
	if err != nil {
		return 0, p.errorf("\\u needs four hexadecimal digits")
	}
	return rune(n), nil
}

func (p *jsonParser) number() (string, *jsonError) {
	start := p.i
	digits := func() bool {
		from := p.i
		for p.i < len(p.s) && p.s[p.i] >= '0' && p.s[p.i] <= '9' {
			p.i++
		}
		return p.i > from
	}
	at := func(set string) bool { return p.i < len(p.s) && strings.IndexByte(set, p.s[p.i]) >= 0 }
	if at("-") {
		p.i++
	}
	zero := at("0")
	from := p.i
	if !digits() || zero && p.i > from+1 {
		return "", p.errorf("a bad number")
	}
	if at(".") {
		if p.i++; !digits() {
			return "", p.errorf("a bad number")
		}
	}
	if at("eE") {
		if p.i++; at("+-") {
			p.i++
		}
		if !digits() {
			return "", p.errorf("a bad number")
		}
	}
	return p.s[start:p.i], nil
}

// lineCol returns the 1-based line and column of an offset.
func lineCol(s string, off int) (line, col int) {
	off = min(off, len(s))
	before := s[:off]
	line = strings.Count(before, "\n") + 1
	return line, utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
}
