package uri

import (
	"errors"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/odata/internal/edm"
)

// errPositional marks several values without names: OData has no such keys.
var errPositional = errors.New("keys without names")

// keys reads a key predicate: (1), ('a'), (ID=1), (a=1,b='x'). via is the association that leads to the entity, nil for none: keys
// that it fixes may be left out.
func (p *pathParser) keys(e *csn.Entity, via *csn.Element, args string) (*cqn.Row, error) {
	if strings.TrimSpace(args) == "" {
		if len(e.Keys) == 0 {
			return nil, p.notFound(SetName(e) + "()")
		}
		return nil, missingKey(e, e.Keys[0].Name)
	}
	if isPlain(args) {
		if strings.HasPrefix(args, "@") {
			v, ok := p.r.aliases[args]
			if !ok {
				return nil, bad("Parameter alias %q has no value", args)
			}
			args = v
		}
		if strings.Contains(args, ",") {
			if parts, err := splitList(args); err == nil && len(parts) > 1 {
				return nil, errPositional
			}
		}
		return p.plainKey(e, via, args)
	}
	pairs, err := splitPairs(args)
	if err != nil {
		return nil, err
	}
	row := cqn.NewRow()
	for _, kv := range pairs {
		if s, ok, err := sideKey(e, kv[0], kv[1]); ok {
			if err != nil {
				return nil, err
			}
			if p.side != anySide {
				return nil, bad("Key %q is given twice", kv[0])
			}
			p.side = s
			continue
		}
		el := keyOf(e, kv[0])
		if el == nil {
			return nil, bad("Property %q is not a key of %q", kv[0], e.Name)
		}
		if row.Has(kv[0]) {
			return nil, bad("Key %q is given twice", kv[0])
		}
		text := kv[1]
		if strings.HasPrefix(text, "@") {
			v, ok := p.r.aliases[text]
			if !ok {
				return nil, bad("Parameter alias %q has no value", text)
			}
			text = v
		}
		v, err := keyValue(el, text, false)
		if err != nil {
			return nil, err
		}
		row.Set(kv[0], v)
	}
	for _, k := range e.Keys {
		if !row.Has(k.Name) && !k.Virtual && !fixedBy(via, k) {
			return nil, missingKey(e, k.Name)
		}
	}
	return row, nil
}

// plainKey reads the value of the only key that is not fixed by the association.
func (p *pathParser) plainKey(e *csn.Entity, via *csn.Element, text string) (*cqn.Row, error) {
	var free *csn.Element
	for _, k := range e.Keys {
		if fixedBy(via, k) && len(e.Keys) > 1 {
			continue
		}
		if free != nil {
			return nil, missingKey(e, free.Name)
		}
		free = k
	}
	if free == nil {
		return nil, p.notFound(text)
	}
	v, err := keyValue(free, text, true)
	if err != nil {
		return nil, err
	}
	return cqn.NewRow(cqn.Field{Name: free.Name, Value: v}), nil
}

func missingKey(e *csn.Entity, key string) error {
	return bad("Key %q is missing for entity %q", key, e.Name)
}

func keyOf(e *csn.Entity, name string) *csn.Element {
	for _, k := range e.Keys {
		if k.Name == name {
			return k
		}
	}
	return nil
}

// fixedBy reports whether the association to an entity determines its key k.
func fixedBy(via, k *csn.Element) bool {
	if via == nil {
		return false
	}
	for _, pair := range via.Assoc().Pairs {
		if pair.Target != nil && pair.Target.Name == k.Name {
			return true
		}
	}
	return false
}

// keyValue reads one key value. A key given as a path segment may leave out the quotes.
func keyValue(k *csn.Element, text string, segment bool) (cqn.Value, error) {
	b := k.Scalar()
	if b == nil {
		return cqn.Null, bad("Key %q cannot be given in a URL", k.Name)
	}
	s, quoted, err := stripLiteral(text)
	stringLike := edm.TypeName(b) == "Edm.String"
	if err != nil || stringLike && !quoted && !segment || s == "" && !stringLike {
		return cqn.Null, badKey(k, b)
	}
	v, err := edm.Parse(b, s)
	if err != nil {
		if stringLike { // longer than any stored value
			return cqn.String(s), nil
		}
		return cqn.Null, badKey(k, b)
	}
	return v, nil
}

func badKey(k *csn.Element, b *csn.Builtin) error {
	return bad("Element %q does not contain a valid %s", k.Name, edm.Describe(b))
}

// Scalar reads an argument of a scalar type in its URL form. null gives cqn.Null. With literal set, texts must be quoted.
func Scalar(b *csn.Builtin, text string, literal bool) (cqn.Value, error) {
	if text == "null" {
		return cqn.Null, nil
	}
	s, quoted, err := stripLiteral(text)
	if err != nil || literal && !quoted && edm.TypeName(b) == "Edm.String" {
		return cqn.Null, edm.ErrValue
	}
	return edm.Parse(b, s)
}

// stripLiteral removes quotes ('it”s') and type prefixes (binary'…') of a literal.
func stripLiteral(text string) (s string, quoted bool, err error) {
	i := strings.IndexByte(text, '\'')
	if i < 0 {
		return text, false, nil
	}
	if i > 0 && !isTypePrefix(text[:i]) || len(text) < i+2 || text[len(text)-1] != '\'' {
		return "", false, edm.ErrValue
	}
	body := text[i+1 : len(text)-1]
	plain := strings.ReplaceAll(body, "''", "'")
	if strings.Count(body, "'") != 2*strings.Count(plain, "'") {
		return "", false, edm.ErrValue
	}
	return plain, true, nil
}

func isTypePrefix(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(isIdent(c) || c == '.') {
			return false
		}
	}
	return true
}

// isPlain reports whether a predicate is a value without a name: no '=' outside quotes.
func isPlain(s string) bool {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\'':
			quoted = !quoted
		case '=':
			if !quoted {
				return false
			}
		}
	}
	return true
}

// splitList splits at commas outside quotes, brackets and braces.
func splitList(s string) ([]string, error) {
	var out []string
	depth, from, quote := 0, 0, byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0:
			if c == '\\' && quote == '"' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"' && depth > 0:
			quote = c
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			depth--
		case c == ',' && depth == 0:
			out = append(out, s[from:i])
			from = i + 1
		}
		if depth < 0 || depth > MaxDepth {
			return nil, bad("Parsing URL failed: unbalanced or too deep parentheses")
		}
	}
	if depth != 0 || quote != 0 {
		return nil, bad("Parsing URL failed: unbalanced parentheses or quotes")
	}
	return append(out, s[from:]), nil
}

// splitPairs reads name=value,name=value.
func splitPairs(s string) ([][2]string, error) {
	parts, err := splitList(s)
	if err != nil {
		return nil, err
	}
	var out [][2]string
	for _, part := range parts {
		name, value, ok := strings.Cut(part, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" || value == "" {
			return nil, bad("Parsing URL failed: expected name=value but %q found", part)
		}
		out = append(out, [2]string{name, value})
	}
	return out, nil
}
