package uri

import (
	"strings"

	"cds/parser/cqn"
	"cds/runtime/odata/internal/edm"
)

// A scanner walks over the decoded value of one query option.
type scanner struct {
	option string // for messages
	s      string
	i      int
	// colons is set where a colon ends a number: 10:20 is a condition's last operand and a value then, no time.
	colons bool
}

func (c *scanner) fail(format string, args ...any) error {
	e := bad(format, args...)
	found := "end of input"
	if c.i < len(c.s) {
		n := min(len(c.s), c.i+20)
		found = "\"" + strings.ToValidUTF8(c.s[c.i:n], "\ufffd") + "\""
	}
	e.Message = "Parsing URL failed at position " + itoa(c.i+1) + " of " + c.option + ": " + e.Message + " but " + found + " found."
	return e
}

func isIdent(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// blanks skips blanks and reports whether there were any. A plus sign between words is a blank of clients that encode forms.
func (c *scanner) blanks() bool {
	from := c.i
	for c.i < len(c.s) && (c.s[c.i] == ' ' || c.s[c.i] == '\t' || c.s[c.i] == '+') {
		c.i++
	}
	return c.i > from
}

func (c *scanner) end() bool { return c.i >= len(c.s) }

func (c *scanner) peek() byte {
	if c.i < len(c.s) {
		return c.s[c.i]
	}
	return 0
}

// at returns the byte n places further on, 0 behind the end.
func (c *scanner) at(n int) byte {
	if c.i+n < len(c.s) {
		return c.s[c.i+n]
	}
	return 0
}

// acceptText consumes a text if it comes next.
func (c *scanner) acceptText(s string) bool {
	if strings.HasPrefix(c.s[c.i:], s) {
		c.i += len(s)
		return true
	}
	return false
}

// accept consumes b if it comes next.
func (c *scanner) accept(b byte) bool {
	if c.peek() == b && b != 0 {
		c.i++
		return true
	}
	return false
}

func (c *scanner) expect(b byte) error {
	if !c.accept(b) {
		return c.fail("Expected %q", string(b))
	}
	return nil
}

// word returns the identifier that comes next without consuming it; "" if there is none.
func (c *scanner) word() string {
	i := c.i
	for i < len(c.s) && isIdent(c.s[i]) {
		i++
	}
	return c.s[c.i:i]
}

// keyword consumes an operator word such as " and ", which must stand between blanks or before a parenthesis.
func (c *scanner) keyword(words ...string) (string, bool) {
	start := c.i
	if !c.blanks() && (start == 0 || c.s[start-1] != ')') {
		return "", false
	}
	w := c.word()
	for _, k := range words {
		if strings.EqualFold(w, k) {
			end := c.i + len(k)
			if end < len(c.s) && strings.IndexByte(" \t+(-,)", c.s[end]) < 0 {
				break
			}
			c.i = end
			c.blanks()
			return k, true
		}
	}
	c.i = start
	return "", false
}

// quoted reads a single-quoted string; quotes within are doubled.
func (c *scanner) quoted() (string, error) {
	if err := c.expect('\''); err != nil {
		return "", err
	}
	from := c.i
	plain := true
	for c.i < len(c.s) {
		if c.s[c.i] != '\'' {
			c.i++
			continue
		}
		if c.i+1 < len(c.s) && c.s[c.i+1] == '\'' {
			plain = false
			c.i += 2
			continue
		}
		s := c.s[from:c.i]
		c.i++
		if !plain {
			s = strings.ReplaceAll(s, "''", "'")
		}
		return s, nil
	}
	return "", c.fail("Expected a closing quote")
}

// A literal is a constant as written: text is without quotes, value what it is on its own.
type literal struct {
	text   string
	quoted bool
	value  cqn.Value
	// duration tells that text is a duration and value its seconds.
	duration bool
}

// number, date, time, guid or quoted literal; ok is false if none of them comes next.
func (c *scanner) literal() (lit literal, ok bool, err error) {
	b := c.peek()
	switch {
	case b == '\'':
		s, err := c.quoted()
		return literal{text: s, quoted: true, value: cqn.String(s)}, err == nil, err
	case c.i+36 <= len(c.s) && edm.IsUUID(c.s[c.i:c.i+36]) && (c.i+36 == len(c.s) || !isIdent(c.s[c.i+36])):
		s := c.s[c.i : c.i+36]
		c.i += 36
		return literal{text: s, value: cqn.String(s)}, true, nil
	case isDigit(b), b == '-' && c.i+1 < len(c.s) && isDigit(c.s[c.i+1]):
		return c.bare()
	}
	w := c.word()
	if w == "" {
		return literal{}, false, nil
	}
	next := byte(0)
	if c.i+len(w) < len(c.s) {
		next = c.s[c.i+len(w)]
	}
	if next == '\'' {
		return c.prefixed(w)
	}
	if next == '/' || next == '(' || next == '.' {
		return literal{}, false, nil
	}
	switch w {
	case "null":
		c.i += 4
		return literal{text: w, value: cqn.Null}, true, nil
	case "true", "false":
		c.i += len(w)
		return literal{text: w, value: cqn.Bool(w == "true")}, true, nil
	}
	return literal{}, false, nil
}

// prefixed reads type'text'.
func (c *scanner) prefixed(prefix string) (literal, bool, error) {
	c.i += len(prefix)
	s, err := c.quoted()
	if err != nil {
		return literal{}, false, err
	}
	switch strings.ToLower(prefix) {
	case "binary":
		raw, ok := edm.DecodeBase64(s)
		if !ok {
			return literal{}, false, bad("%q is no base64", s)
		}
		return literal{text: s, quoted: true, value: cqn.Bytes(raw)}, true, nil
	case "duration":
		secs, ok := durationSeconds(s)
		if !ok {
			return literal{}, false, bad("%q is no duration", s)
		}
		return literal{s, true, cqn.Decimal(secs), true}, true, nil
	case "geography", "geometry":
		return literal{}, false, unsupported("Literals of type %q are not supported", prefix)
	}
	return literal{}, false, bad("%q is no type of literals", prefix)
}

// bare reads a number, date, time of day or point in time.
func (c *scanner) bare() (literal, bool, error) {
	from := c.i
	c.i++
	for c.i < len(c.s) {
		b := c.s[c.i]
		if isIdent(b) || b == '.' || b == ':' || b == '-' {
			c.i++
			continue
		}
		// A plus sign belongs to a time zone (…T01:00:00+01:00) or an exponent (1e+3), else it is a blank.
		if b == '+' && c.i+1 < len(c.s) && isDigit(c.s[c.i+1]) {
			seen := c.s[from:c.i]
			if strings.Contains(seen, "T") || strings.HasSuffix(seen, "e") || strings.HasSuffix(seen, "E") {
				c.i++
				continue
			}
		}
		break
	}
	s := c.s[from:c.i]
	if n := strings.IndexByte(s, ':'); c.colons && n > 0 && edm.IsNumber(s[:n]) && strings.Count(s, ":") == 1 {
		s, c.i = s[:n], from+n
	}
	if v, ok := bareValue(s); ok {
		return literal{text: s, value: v}, true, nil
	}
	c.i = from
	return literal{}, false, c.fail("Expected a number, date, time or guid")
}

func bareValue(s string) (cqn.Value, bool) {
	if edm.IsNumber(s) {
		return number(s), true
	}
	if edm.IsUUID(s) {
		return cqn.String(s), true
	}
	return edm.Moment(s)
}

// number keeps whole numbers as such and all others exact.
func number(s string) cqn.Value {
	if n, ok := edm.Int(s); ok {
		return cqn.Int(n)
	}
	return cqn.Decimal(s)
}
