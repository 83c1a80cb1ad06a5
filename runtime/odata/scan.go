package odata

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	cds "cds/runtime"
)

// Limits of JSON bodies.
const (
	maxDepth  = 100 // nesting of objects and arrays
	maxErrors = 100 // type errors told at once
)

// A jsonReader reads JSON strictly (RFC 8259): UTF-8 only, no trailing commas, no repeated names, nothing after the value.
type jsonReader struct {
	b     []byte
	i     int
	depth int
}

func syntaxError(format string, args ...any) error { return cds.Reject(400, "400", format, args...) }

func (j *jsonReader) fail(want string) error {
	if j.i >= len(j.b) {
		return syntaxError("Unexpected end of JSON input")
	}
	r, _ := utf8.DecodeRune(j.b[j.i:])
	return syntaxError("Expected %s but %q found in JSON at position %d", want, r, j.i)
}

func (j *jsonReader) blanks() {
	for j.i < len(j.b) {
		switch j.b[j.i] {
		case ' ', '\t', '\n', '\r':
			j.i++
		default:
			return
		}
	}
}

// peek returns the first byte of the next token, 0 at the end.
func (j *jsonReader) peek() byte {
	j.blanks()
	if j.i < len(j.b) {
		return j.b[j.i]
	}
	return 0
}

func (j *jsonReader) expect(c byte, want string) error {
	if j.peek() != c || j.i >= len(j.b) {
		return j.fail(want)
	}
	j.i++
	return nil
}

func (j *jsonReader) enter() error {
	if j.depth++; j.depth > maxDepth {
		return syntaxError("JSON is nested deeper than %d levels", maxDepth)
	}
	return nil
}

// object reads an object; member is called at the value of each name and must consume it.
func (j *jsonReader) object(member func(name string) error) error {
	if err := j.expect('{', "an object"); err != nil {
		return err
	}
	if err := j.enter(); err != nil {
		return err
	}
	defer func() { j.depth-- }()
	if j.peek() == '}' {
		j.i++
		return nil
	}
	seen := map[string]struct{}{}
	for {
		if j.peek() != '"' {
			return j.fail("a property name in double quotes")
		}
		name, err := j.str()
		if err != nil {
			return err
		}
		if _, dup := seen[name]; dup {
			return syntaxError("Property %q is given twice", name)
		}
		seen[name] = struct{}{}
		if err := j.expect(':', "\":\""); err != nil {
			return err
		}
		if err := member(name); err != nil {
			return err
		}
		if j.peek() == '}' {
			j.i++
			return nil
		}
		if err := j.expect(',', "\",\" or \"}\""); err != nil {
			return err
		}
	}
}

// array reads an array; item is called at each item and must consume it.
func (j *jsonReader) array(item func(i int) error) error {
	if err := j.expect('[', "an array"); err != nil {
		return err
	}
	if err := j.enter(); err != nil {
		return err
	}
	defer func() { j.depth-- }()
	if j.peek() == ']' {
		j.i++
		return nil
	}
	for i := 0; ; i++ {
		if err := item(i); err != nil {
			return err
		}
		if j.peek() == ']' {
			j.i++
			return nil
		}
		if err := j.expect(',', "\",\" or \"]\""); err != nil {
			return err
		}
	}
}

// str reads a string.
func (j *jsonReader) str() (string, error) {
	if err := j.expect('"', "a string"); err != nil {
		return "", err
	}
	from := j.i
	for j.i < len(j.b) {
		switch c := j.b[j.i]; {
		case c == '"':
			s := string(j.b[from:j.i])
			j.i++
			return s, nil
		case c == '\\':
			return j.escaped(from)
		case c < 0x20:
			return "", j.fail("no control character in a string")
		}
		j.i++
	}
	return "", j.fail("a closing quote")
}

// escaped goes on with a string at its first backslash.
func (j *jsonReader) escaped(from int) (string, error) {
	var s strings.Builder
	s.Write(j.b[from:j.i])
	for j.i < len(j.b) {
		c := j.b[j.i]
		switch {
		case c == '"':
			j.i++
			return s.String(), nil
		case c < 0x20:
			return "", j.fail("no control character in a string")
		case c != '\\':
			s.WriteByte(c)
			j.i++
			continue
		}
		j.i++
		if j.i >= len(j.b) {
			break
		}
		c = j.b[j.i]
		j.i++
		if k := strings.IndexByte(`"\/bfnrt`, c); k >= 0 {
			s.WriteByte("\"\\/\b\f\n\r\t"[k])
			continue
		}
		if c != 'u' {
			j.i--
			return "", j.fail("an escape sequence")
		}
		r, err := j.unicode()
		if err != nil {
			return "", err
		}
		s.WriteRune(r)
	}
	return "", j.fail("a closing quote")
}

// unicode reads the digits of \uXXXX, and of a second one that makes a surrogate pair with it.
func (j *jsonReader) unicode() (rune, error) {
	hex := func() (rune, bool) {
		if j.i+4 > len(j.b) {
			return 0, false
		}
		n, err := strconv.ParseUint(string(j.b[j.i:j.i+4]), 16, 16)
		if err != nil {
			return 0, false
		}
		j.i += 4
		return rune(n), true
	}
	r, ok := hex()
	if !ok {
		return 0, j.fail("four hexadecimal digits")
	}
	if !utf16.IsSurrogate(r) {
		return r, nil
	}
	if j.i+2 <= len(j.b) && j.b[j.i] == '\\' && j.b[j.i+1] == 'u' {
		j.i += 2
		if r2, ok := hex(); ok {
			if both := utf16.DecodeRune(r, r2); both != utf8.RuneError {
				return both, nil
			}
		}
	}
	return 0, j.fail("a surrogate pair")
}

// number reads the text of a number.
func (j *jsonReader) number() (string, error) {
	j.blanks()
	from := j.i
	digits := func() bool {
		at := j.i
		for j.i < len(j.b) && j.b[j.i] >= '0' && j.b[j.i] <= '9' {
			j.i++
		}
		return j.i > at
	}
	at := func(c byte) bool { return j.i < len(j.b) && j.b[j.i] == c }
	if at('-') {
		j.i++
	}
	if at('0') {
		j.i++
	} else if !digits() {
		return "", j.fail("a digit")
	}
	if at('.') {
		j.i++
		if !digits() {
			return "", j.fail("a digit")
		}
	}
	if at('e') || at('E') {
		j.i++
		if at('+') || at('-') {
			j.i++
		}
		if !digits() {
			return "", j.fail("a digit")
		}
	}
	return string(j.b[from:j.i]), nil
}

func (j *jsonReader) word(w string) error {
	j.blanks()
	if len(j.b)-j.i < len(w) || string(j.b[j.i:j.i+len(w)]) != w {
		return j.fail("a value")
	}
	j.i += len(w)
	return nil
}

// null consumes null if it comes next.
func (j *jsonReader) null() (bool, error) {
	if j.peek() != 'n' {
		return false, nil
	}
	return true, j.word("null")
}

// skip reads any value and forgets it.
func (j *jsonReader) skip() error {
	switch c := j.peek(); {
	case c == '{':
		return j.object(func(string) error { return j.skip() })
	case c == '[':
		return j.array(func(int) error { return j.skip() })
	case c == '"':
		_, err := j.str()
		return err
	case c == 't':
		return j.word("true")
	case c == 'f':
		return j.word("false")
	case c == 'n':
		return j.word("null")
	case c == '-' || c >= '0' && c <= '9':
		_, err := j.number()
		return err
	}
	return j.fail("a value")
}

// end makes sure that nothing follows.
func (j *jsonReader) end() error {
	if j.blanks(); j.i < len(j.b) {
		return j.fail("end of input")
	}
	return nil
}
