package users

import (
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"cds/runtime/config"
)

// attributes reads lists of texts; a single value counts as a list of one.
func attributes(v any) (map[string][]string, error) {
	if v == nil {
		return nil, nil
	}
	m, ok := asMap(v)
	if !ok {
		return nil, fmt.Errorf("an object with a list of values for each attribute is expected, not %s", kind(v))
	}
	out := map[string][]string{}
	for name, v := range m {
		values, err := list(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = values
	}
	return out, nil
}

// list reads a scalar or a list of scalars.
func list(v any) ([]string, error) {
	if v == nil {
		return nil, nil
	}
	items, ok := v.([]any)
	if !ok {
		items = []any{v}
	}
	var out []string
	for _, it := range items {
		if it == nil {
			continue
		}
		s, err := text(it)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// names reads a list of names, or an object whose properties with a true value are the names.
func names(v any) ([]string, error) {
	m, ok := asMap(v)
	if !ok {
		return list(v)
	}
	var out []string
	for _, name := range sortedKeys(m) {
		switch v := m[name].(type) {
		case bool:
			if v {
				out = append(out, name)
			}
		case nil:
		default:
			if s, err := text(v); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			} else if s != "0" && s != "" {
				out = append(out, name)
			}
		}
	}
	return out, nil
}

// truth reads a boolean.
func truth(v any) (bool, error) {
	switch v := v.(type) {
	case nil:
		return false, nil
	case bool:
		return v, nil
	case string:
		if b, err := strconv.ParseBool(v); err == nil {
			return b, nil
		}
	}
	return false, fmt.Errorf("true or false is expected, not %s", kind(v))
}

// text reads a scalar as text.
func text(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	}
	return "", fmt.Errorf("a text is expected, not %s", kind(v))
}

func asMap(v any) (map[string]any, bool) {
	switch v := v.(type) {
	case map[string]any:
		return v, true
	case config.Section:
		return v, true
	}
	return nil, false
}

func sortedKeys(m map[string]any) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// kind names a kind of value for messages.
func kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a text"
	case json.Number, int, float64:
		return "a number"
	case []any:
		return "a list"
	}
	if _, ok := asMap(v); ok {
		return "an object"
	}
	return strings.TrimPrefix(fmt.Sprintf("a %T", v), "a *")
}
