package parsed

import (
	"bytes"

	"cds/parser/csn"
)

// An obj is a JSON object under construction, with its properties in order. Values are *obj, []any, string, bool, int, and raw for JSON
// that is written already.
type obj struct {
	keys []string
	vals map[string]any
}

type raw []byte

func newObj() *obj { return &obj{vals: map[string]any{}} }

// set gives a property a value; an old one keeps its place.
func (o *obj) set(key string, v any) *obj {
	if _, ok := o.vals[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.vals[key] = v
	return o
}

// flag sets a property to true, if on.
func (o *obj) flag(key string, on bool) {
	if on {
		o.set(key, true)
	}
}

// child returns the object at a property, which is made if it is not there.
func (o *obj) child(key string) *obj {
	if c, ok := o.vals[key].(*obj); ok {
		return c
	}
	c := newObj()
	o.set(key, c)
	return c
}

// merge adds the properties of a written JSON object; the object must be compact.
func (o *obj) merge(object []byte) *obj {
	for _, p := range properties(object) {
		o.set(p.key, raw(p.value))
	}
	return o
}

type property struct {
	key   string
	value []byte
}

// properties takes the top level of a compact JSON object apart.
func properties(b []byte) []property {
	if len(b) < 2 || b[0] != '{' {
		return nil
	}
	var out []property
	for i := 1; i < len(b)-1; {
		end := skip(b, i)
		key := string(b[i+1 : end-1]) // the names of CSN properties need no escapes
		start := end + 1
		end = skip(b, start)
		out = append(out, property{key, b[start:end]})
		i = end + 1
	}
	return out
}

// skip returns the end of the JSON value that starts at i.
func skip(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',', ':':
			if depth == 0 {
				return i
			}
		}
		i++
		if depth == 0 && (i >= len(b) || b[i] == ',' || b[i] == ':' || b[i] == '}' || b[i] == ']') {
			return i
		}
	}
	return i
}

func appendValue(b *bytes.Buffer, v any) {
	switch v := v.(type) {
	case *obj:
		b.WriteByte('{')
		for i, k := range v.keys {
			if i > 0 {
				b.WriteByte(',')
			}
			b.Write(csn.StringJSON(k))
			b.WriteByte(':')
			appendValue(b, v.vals[k])
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, x := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			appendValue(b, x)
		}
		b.WriteByte(']')
	case string:
		b.Write(csn.StringJSON(v))
	case bool:
		if v {
			b.WriteString("true")
		} else {
			b.WriteString("false")
		}
	case raw:
		b.Write(v)
	case note:
		b.Write(v.value())
	default:
		b.WriteString("null")
	}
}

func texts(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}
