package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A Section is a part of the configuration: nested maps, lists, strings, numbers (json.Number) and booleans. The nil Section is
// empty.
type Section map[string]any

// Get returns the value at a dotted path such as "requires.auth.kind".
func (s Section) Get(path string) (any, bool) {
	var cur any = map[string]any(s)
	if path == "" {
		return cur, true
	}
	for _, key := range strings.Split(path, ".") {
		m, ok := asMap(cur)
		if !ok {
			return nil, false
		}
		if cur, ok = m[key]; !ok {
			return nil, false
		}
	}
	return cur, true
}

// Str returns the text at a path; numbers and booleans are formatted, anything else is "".
func (s Section) Str(path string) string {
	v, _ := s.Get(path)
	return text(v)
}

// Bool returns the truth value at a path, def if there is none or if it is no boolean.
func (s Section) Bool(path string, def bool) bool {
	v, ok := s.Get(path)
	if !ok {
		return def
	}
	if b, err := strconv.ParseBool(text(v)); err == nil {
		return b
	}
	return def
}

// Int returns the whole number at a path, def if there is none or if it is no whole number.
func (s Section) Int(path string, def int) int {
	v, _ := s.Get(path)
	if n, err := strconv.Atoi(text(v)); err == nil {
		return n
	}
	return def
}

// Sub returns the map at a path, nil if there is none.
func (s Section) Sub(path string) Section {
	v, _ := s.Get(path)
	m, _ := asMap(v)
	return m
}

// Strings returns the list of texts at a path; a single text counts as a list of one. Members that are no texts are formatted.
func (s Section) Strings(path string) []string {
	v, ok := s.Get(path)
	if !ok || v == nil {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		return []string{text(v)}
	}
	out := make([]string, len(list))
	for i := range list {
		out[i] = text(list[i])
	}
	return out
}

// Keys returns the names of a section, sorted.
func (s Section) Keys() []string { return slices.Sorted(maps.Keys(s)) }

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case nil, map[string]any, Section, []any:
		return ""
	}
	return fmt.Sprint(v)
}

func asMap(v any) (map[string]any, bool) {
	switch v := v.(type) {
	case map[string]any:
		return v, true
	case Section:
		return v, true
	}
	return nil, false
}

// Merge returns base overlaid with over: maps are merged deeply, everything else (lists too) is replaced. Neither argument changes.
func Merge(base, over Section) Section {
	out := make(Section, len(base)+len(over))
	for k, v := range base {
		out[k] = copyValue(v)
	}
	for k, v := range over {
		if m, ok := asMap(v); ok {
			b, _ := asMap(out[k])
			out[k] = map[string]any(Merge(b, m))
			continue
		}
		out[k] = copyValue(v)
	}
	return out
}

func copyValue(v any) any {
	if m, ok := asMap(v); ok {
		return map[string]any(Merge(nil, m))
	}
	if l, ok := v.([]any); ok {
		c := make([]any, len(l))
		for i := range l {
			c[i] = copyValue(l[i])
		}
		return c
	}
	return v
}
