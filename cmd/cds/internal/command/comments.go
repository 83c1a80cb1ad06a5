package command

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"cds/runtime/config"

	"github.com/tailscale/hujson"
)

// mergeCommented is mergeJSON for a text with comments or trailing commas, which stay where they are.
func mergeCommented(text []byte, add map[string]any) ([]byte, bool, error) {
	v, err := hujson.Parse(text)
	if err != nil {
		return nil, false, err
	}
	if _, ok := v.Value.(*hujson.Object); !ok {
		return nil, false, errNoObject
	}
	changed, err := mergeObject(&v, add, "")
	if err != nil || !changed {
		return text, false, err
	}
	return v.Pack(), true, nil
}

// mergeObject adds members to the object at v, which stands at an indentation.
func mergeObject(v *hujson.Value, add map[string]any, indent string) (changed bool, err error) {
	obj, ok := v.Value.(*hujson.Object)
	if !ok {
		return false, nil
	}
	inner := innerIndent(obj, indent)
	for _, name := range slices.Sorted(maps.Keys(add)) {
		sub, isObject := add[name].(map[string]any)
		i := slices.IndexFunc(obj.Members, func(m hujson.ObjectMember) bool {
			l, ok := m.Name.Value.(hujson.Literal)
			return ok && l.String() == name
		})
		if i < 0 {
			if err := appendMember(obj, name, add[name], inner, indent); err != nil {
				return false, err
			}
			changed = true
			continue
		}
		m := &obj.Members[i].Value
		if l, short := m.Value.(hujson.Literal); short && isObject && name == "db" && l.Kind() == '"' { // the short form has to become a section to be refined
			if m.Value, err = valueOf(config.Merge(config.Section{"kind": l.String()}, sub), inner); err != nil {
				return false, err
			}
			changed = true
		} else if isObject {
			more, err := mergeObject(m, sub, inner)
			if err != nil {
				return false, err
			}
			changed = changed || more
		}
	}
	return changed, nil
}

// innerIndent is the indentation of an object's members: that of the first one on a line of its own, or two blanks more than the object's.
func innerIndent(obj *hujson.Object, indent string) string {
	for _, m := range obj.Members {
		before := string(m.Name.BeforeExtra)
		if i := strings.LastIndexByte(before, '\n'); i >= 0 {
			line := before[i+1:]
			return line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		}
	}
	return indent + "  "
}

// appendMember puts a member behind the others, on a line of its own.
func appendMember(obj *hujson.Object, name string, value any, inner, indent string) error {
	v, err := valueOf(value, inner)
	if err != nil {
		return err
	}
	m := hujson.ObjectMember{
		Name:  hujson.Value{BeforeExtra: hujson.Extra("\n" + inner), Value: hujson.String(name)},
		Value: hujson.Value{BeforeExtra: hujson.Extra(" "), Value: v},
	}
	// What stands before the closing brace may be a comment on the last member.
	after := bytes.TrimRight(obj.AfterExtra, " \t\r\n")
	if n := len(obj.Members); n > 0 {
		last := &obj.Members[n-1].Value
		if last.AfterExtra != nil { // there is a trailing comma, which the new member takes over
			m.Value.AfterExtra = hujson.Extra{}
		}
	}
	if len(after) > 0 {
		m.Name.BeforeExtra = append(bytes.Clone(after), m.Name.BeforeExtra...)
	}
	obj.Members = append(obj.Members, m)
	obj.AfterExtra = hujson.Extra("\n" + indent)
	return nil
}

// valueOf is a value as it is written at an indentation.
func valueOf(value any, indent string) (hujson.ValueTrimmed, error) {
	b, err := json.MarshalIndent(value, indent, "  ")
	if err != nil {
		return nil, err
	}
	v, err := hujson.Parse(b)
	return v.Value, err
}
