package generic

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// newFormatCheck is for @assert.format: a regular expression of JavaScript (with its u flag), which a value matches if some part of it does.
// Patterns that need backtracking (look-around, back-references) have no form here and stop the start.
func newFormatCheck(el *csn.Element) (Check, error) {
	a := anno(el, "assert.format")
	if a == nil || a.Kind != cqn.AnnoString {
		return nil, nil
	}
	re, err := pattern(a.Text)
	if err != nil {
		return nil, fmt.Errorf("@assert.format: %q: %w; check the value in a before handler instead", a.Text, err)
	}
	return func(f Fault, x cqn.Value) {
		if !re.MatchString(x.Format()) {
			f.Add("assert.format", "ASSERT_FORMAT", "Enter a value matching the pattern "+a.Text+".", a.Text, x.Format())
		}
	}, nil
}

// pattern translates a regular expression of JavaScript to one of Go with the same meaning.
func pattern(js string) (*regexp.Regexp, error) {
	t := translator{in: js}
	if err := t.run(); err != nil {
		return nil, err
	}
	return regexp.Compile(t.out.String())
}

// What some escapes of JavaScript stand for, as the inside of a class.
const (
	jsSpace    = `\t\n\v\f\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`
	jsNotSpace = `\x00-\x08\x0e-\x1f!-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{fefe}\x{ff00}-\x{10ffff}`
	jsDot      = `[^\n\r\x{2028}\x{2029}]`
	jsNever    = `[^\x00-\x{10ffff}]`
	jsAny      = `[\x00-\x{10ffff}]`
)

type translator struct {
	in  string
	pos int
	out strings.Builder
}

func (t *translator) run() error {
	for t.pos < len(t.in) {
		c := t.in[t.pos]
		var err error
		switch {
		case c == '\\':
			err = t.escape(false)
		case c == '[':
			err = t.class()
		case c == '.':
			t.out.WriteString(jsDot)
			t.pos++
		case c == '(' && strings.HasPrefix(t.in[t.pos:], "(?"):
			err = t.group()
		default:
			t.out.WriteByte(c)
			t.pos++
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *translator) group() error {
	rest := t.in[t.pos:]
	for _, look := range [...]string{"(?=", "(?!", "(?<=", "(?<!"} {
		if strings.HasPrefix(rest, look) {
			return fmt.Errorf("look-around %s…) is not supported", look)
		}
	}
	t.out.WriteString("(?")
	t.pos += 2
	return nil
}

// class translates [ … ].
func (t *translator) class() error {
	t.pos++
	not := strings.HasPrefix(t.in[t.pos:], "^")
	if not {
		t.pos++
	}
	if strings.HasPrefix(t.in[t.pos:], "]") { // [] matches nothing, [^] everything
		t.pos++
		if not {
			t.out.WriteString(jsAny)
		} else {
			t.out.WriteString(jsNever)
		}
		return nil
	}
	t.out.WriteByte('[')
	if not {
		t.out.WriteByte('^')
	}
	for t.pos < len(t.in) {
		switch c := t.in[t.pos]; c {
		case ']':
			t.out.WriteByte(']')
			t.pos++
			return nil
		case '\\':
			if err := t.escape(true); err != nil {
				return err
			}
		case '[', '^', '&', '~':
			t.out.WriteByte('\\')
			t.out.WriteByte(c)
			t.pos++
		default:
			t.out.WriteByte(c)
			t.pos++
		}
	}
	return fmt.Errorf("a class is not closed by ]")
}

// escape translates what begins with a backslash.
func (t *translator) escape(inClass bool) error {
	t.pos++
	if t.pos >= len(t.in) {
		return fmt.Errorf("a backslash at the end")
	}
	c, size := utf8.DecodeRuneInString(t.in[t.pos:])
	t.pos += size
	switch {
	case c == 's' && inClass:
		t.out.WriteString(jsSpace)
	case c == 's':
		t.out.WriteString("[" + jsSpace + "]")
	case c == 'S' && inClass:
		t.out.WriteString(jsNotSpace)
	case c == 'S':
		t.out.WriteString("[^" + jsSpace + "]")
	case c == 'b' && inClass:
		t.out.WriteString(`\x08`)
	case strings.ContainsRune("dDwWbBtnrvf", c):
		t.out.WriteString(`\` + string(c))
	case c == '0' && !digitAt(t.in, t.pos):
		t.out.WriteString(`\x00`)
	case c >= '0' && c <= '9', c == 'k' && !inClass:
		return fmt.Errorf("back-references are not supported")
	case c == 'c' && t.pos < len(t.in):
		fmt.Fprintf(&t.out, `\x{%x}`, t.in[t.pos]&31)
		t.pos++
	case c == 'x':
		return t.code(2)
	case c == 'u' && strings.HasPrefix(t.in[t.pos:], "{"):
		return t.braced()
	case c == 'u':
		return t.code(4)
	case c == 'p' || c == 'P':
		return t.property(c)
	case c < utf8.RuneSelf && !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'):
		t.out.WriteString(`\` + string(c))
	default:
		return fmt.Errorf(`\%c means nothing`, c)
	}
	return nil
}

// code translates \xHH and \uHHHH; two of the latter may be halves of one character.
func (t *translator) code(digits int) error {
	r, err := t.hex(digits)
	if err != nil {
		return err
	}
	if utf16.IsSurrogate(r) && strings.HasPrefix(t.in[t.pos:], `\u`) {
		t.pos += 2
		low, err := t.hex(4)
		if err != nil {
			return err
		}
		r = utf16.DecodeRune(r, low)
	}
	if utf16.IsSurrogate(r) || r == utf8.RuneError {
		return fmt.Errorf("half a character")
	}
	fmt.Fprintf(&t.out, `\x{%x}`, r)
	return nil
}

func (t *translator) hex(digits int) (rune, error) {
	if t.pos+digits > len(t.in) {
		return 0, fmt.Errorf("an escape is too short")
	}
	n, err := strconv.ParseUint(t.in[t.pos:t.pos+digits], 16, 32)
	t.pos += digits
	if err != nil {
		return 0, fmt.Errorf("an escape has no hexadecimal digits")
	}
	return rune(n), nil
}

// braced translates \u{…}.
func (t *translator) braced() error {
	end := strings.IndexByte(t.in[t.pos:], '}')
	if end < 0 {
		return fmt.Errorf(`\u{ is not closed`)
	}
	n, err := strconv.ParseUint(t.in[t.pos+1:t.pos+end], 16, 32)
	if err != nil || n > utf8.MaxRune {
		return fmt.Errorf(`\u{…} has no code of a character`)
	}
	t.pos += end + 1
	fmt.Fprintf(&t.out, `\x{%x}`, n)
	return nil
}

// property translates \p{…}: general categories by their short names, and scripts.
func (t *translator) property(c rune) error {
	end := strings.IndexByte(t.in[t.pos:], '}')
	if end < 0 || t.in[t.pos] != '{' {
		return fmt.Errorf(`\%c needs a property in braces`, c)
	}
	name := t.in[t.pos+1 : t.pos+end]
	t.pos += end + 1
	if k, v, ok := strings.Cut(name, "="); ok {
		switch k {
		case "Script", "sc", "General_Category", "gc":
			name = v
		default:
			return fmt.Errorf(`the property %s is not supported`, k)
		}
	}
	if short, ok := longCategories[name]; ok {
		name = short
	}
	fmt.Fprintf(&t.out, `\%c{%s}`, c, name)
	return nil
}

// longCategories are the long names of general categories that patterns use.
var longCategories = map[string]string{
	"Letter": "L", "Uppercase_Letter": "Lu", "Lowercase_Letter": "Ll", "Titlecase_Letter": "Lt", "Modifier_Letter": "Lm", "Other_Letter": "Lo",
	"Mark": "M", "Number": "N", "Decimal_Number": "Nd", "Letter_Number": "Nl", "Other_Number": "No", "Punctuation": "P", "Symbol": "S",
	"Separator": "Z", "Space_Separator": "Zs", "Control": "Cc", "Currency_Symbol": "Sc", "Math_Symbol": "Sm",
}

func digitAt(s string, i int) bool { return i < len(s) && s[i] >= '0' && s[i] <= '9' }
