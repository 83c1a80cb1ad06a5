package codegen

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"strings"
)

// An Object is a JSON object whose members keep their order, for targets that write JSON. Values are *Object, []any, []string, string,
// bool, int, json.Number, json.RawMessage and nil.
type Object struct {
	keys []string
	vals map[string]any
}

// NewObject returns an object with the given keys and values in turn.
func NewObject(members ...any) *Object {
	o := &Object{vals: map[string]any{}}
	for i := 0; i+1 < len(members); i += 2 {
		o.Set(members[i].(string), members[i+1])
	}
	return o
}

// Set gives a member a value. An old one keeps its place.
func (o *Object) Set(key string, v any) *Object {
	if _, ok := o.vals[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.vals[key] = v
	return o
}

// Get returns the value of a member, nil if there is none.
func (o *Object) Get(key string) any { return o.vals[key] }

// Has reports whether there is such a member.
func (o *Object) Has(key string) bool { _, ok := o.vals[key]; return ok }

// Len returns the number of members.
func (o *Object) Len() int { return len(o.keys) }

// Child returns the object at a member, which is made if it is not there.
func (o *Object) Child(key string) *Object {
	if c, ok := o.vals[key].(*Object); ok {
		return c
	}
	c := NewObject()
	o.Set(key, c)
	return c
}

// Copy returns a copy of the object whose members can be set without changing o.
func (o *Object) Copy() *Object {
	c := NewObject()
	for _, k := range o.keys {
		c.Set(k, o.vals[k])
	}
	return c
}

// MarshalJSON writes the members in their order.
func (o *Object) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, k := range o.keys {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := encode(k)
		if err != nil {
			return nil, err
		}
		val, err := encode(o.vals[k])
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), val...)
	}
	return append(b, '}'), nil
}

// encode is json.Marshal that leaves <, > and & alone.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

// JSON returns a value as indented JSON with a line end.
func JSON(v any) ([]byte, error) {
	b, err := encode(v)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// YAML turns a JSON text into YAML 1.2 with the same content in the same order. The error is that of a text that is no JSON.
func YAML(text []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	y := &yamlWriter{dec: dec}
	if err := y.value(0, false); err != nil {
		return nil, err
	}
	return y.b.Bytes(), nil
}

type yamlWriter struct {
	dec *json.Decoder
	b   bytes.Buffer
}

// value writes the next value. After a key or dash the text stands behind it, on the same line if it is a scalar or empty.
func (y *yamlWriter) value(depth int, after bool) error {
	t, err := y.dec.Token()
	if err != nil {
		return err
	}
	d, ok := t.(json.Delim)
	if !ok {
		y.scalar(t, after)
		return nil
	}
	if !y.dec.More() {
		if after {
			y.b.WriteByte(' ')
		}
		y.b.WriteString(map[json.Delim]string{'{': "{}\n", '[': "[]\n"}[d])
		_, err := y.dec.Token()
		return err
	}
	if after {
		y.b.WriteByte('\n')
	}
	for y.dec.More() {
		y.b.WriteString(strings.Repeat("  ", depth))
		if d == '[' {
			y.b.WriteByte('-')
		} else {
			key, err := y.dec.Token()
			if err != nil {
				return err
			}
			s, _ := key.(string)
			y.b.WriteString(yamlString(s) + ":")
		}
		if err := y.value(depth+1, true); err != nil {
			return err
		}
	}
	_, err = y.dec.Token()
	return err
}

func (y *yamlWriter) scalar(t json.Token, after bool) {
	if after {
		y.b.WriteByte(' ')
	}
	switch t := t.(type) {
	case string:
		y.b.WriteString(yamlString(t))
	case json.Number:
		y.b.WriteString(t.String())
	case bool:
		y.b.WriteString(strconv.FormatBool(t))
	default:
		y.b.WriteString("null")
	}
	y.b.WriteByte('\n')
}

// yamlString writes words of letters, digits and a few marks plainly, and all others in quotes, where JSON and YAML agree.
func yamlString(s string) string {
	plain := s != ""
	for i, c := range s {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '.' || c == '/' || c == '-')) {
			plain = false
		}
	}
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		plain = false
	}
	if plain {
		return s
	}
	b, _ := encode(s)
	return string(b)
}

// WriteJSON writes a value as JSON does.
func WriteJSON(w io.Writer, v any) error {
	b, err := JSON(v)
	if err == nil {
		_, err = w.Write(b)
	}
	return err
}
