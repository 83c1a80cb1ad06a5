package uri

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// An option is one query option, decoded.
type option struct{ name, value string }

// splitOptions splits and decodes a raw query. Parameter aliases (@x=…) go to the map. A plus sign is kept: it is part of time zone
// offsets, and expressions take it for a blank where a blank is meant.
func splitOptions(raw string) ([]option, map[string]string, error) {
	if raw == "" {
		return nil, nil, nil
	}
	opts := make([]option, 0, strings.Count(raw, "&")+1)
	var aliases map[string]string
	for raw != "" {
		var part string
		part, raw, _ = strings.Cut(raw, "&")
		if part == "" {
			continue
		}
		n, v, _ := strings.Cut(part, "=")
		name, err := unescape(n)
		if err != nil {
			return nil, nil, err
		}
		value, err := unescape(v)
		if err != nil {
			return nil, nil, err
		}
		if strings.HasPrefix(name, "@") {
			if _, dup := aliases[name]; dup {
				return nil, nil, bad("Parameter alias %q is given twice", name)
			}
			if aliases == nil {
				aliases = map[string]string{}
			}
			aliases[name] = value
			continue
		}
		opts = append(opts, option{name, value})
	}
	return opts, aliases, nil
}

// unescape decodes percent-encoding, once. The result is valid UTF-8.
func unescape(s string) (string, error) {
	if !strings.Contains(s, "%") {
		if !utf8.ValidString(s) {
			return "", bad("Parsing URL failed: it is not valid UTF-8")
		}
		return s, nil
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", bad("Parsing URL failed: incomplete percent-encoding at its end")
		}
		n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", bad("Parsing URL failed: %q is no percent-encoding", s[i:i+3])
		}
		b.WriteByte(byte(n))
		i += 2
	}
	if !utf8.ValidString(b.String()) {
		return "", bad("Parsing URL failed: it is not valid UTF-8")
	}
	return b.String(), nil
}

// EscapeOption appends s in the encoding that next links use: everything but letters, digits and -_.!~*'() is percent-encoded.
func EscapeOption(b []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("-_.!~*'()", c) >= 0 {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return b
}

// NextQuery returns the query options of the resource for the next page: those of this request with $skiptoken set to token.
func (r *Resource) NextQuery(token string) string {
	var b []byte
	add := func(name, value string) {
		if len(b) > 0 {
			b = append(b, '&')
		}
		b = EscapeOption(b, name)
		b = append(b, '=')
		b = EscapeOption(b, value)
	}
	for _, o := range r.options {
		if o.name != "$skiptoken" {
			add(o.name, o.value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.aliases)) {
		add(name, r.aliases[name])
	}
	add("$skiptoken", token)
	return string(b)
}

// lookup returns the value of the only option with the given name.
func (r *Resource) lookup(name string) (string, bool) {
	for _, o := range r.options {
		if o.name == name {
			return o.value, true
		}
	}
	return "", false
}

// Option returns the decoded value of a query option; ok is false if it is not given, or more than once.
func (r *Resource) Option(name string) (value string, ok bool) {
	for _, o := range r.options {
		if o.name == name {
			if ok {
				return "", false
			}
			value, ok = o.value, true
		}
	}
	return value, ok
}

// CheckOptions refuses system query options that no request may have. Query does so too; this is for requests that ask for no rows.
func (r *Resource) CheckOptions() error { return r.checkOptions() }

// checkOptions refuses unknown and unsupported system options and repeated ones. Options without $ are the application's own and pass.
func (r *Resource) checkOptions() error {
	seen := map[string]bool{}
	for _, o := range r.options {
		if !strings.HasPrefix(o.name, "$") {
			continue
		}
		switch o.name {
		case "$filter": // repeated ones are and-ed
			continue
		case "$id":
			if r.Kind != Reference {
				return bad("Query option \"$id\" is for $ref only")
			}
		case "$select", "$expand", "$orderby", "$top", "$skip", "$count", "$search", "$skiptoken", "$apply", "$compute":
		case "$format":
			if o.value != "json" && !strings.HasPrefix(o.value, "application/json") {
				return unsupported("Only query parameter \"json\" is allowed in \"$format\".")
			}
		case "$index":
			if _, err := strconv.ParseInt(o.value, 10, 64); err != nil {
				return bad("Parsing URL failed: Expected an integer but %q found in $index.", o.value)
			}
			return unsupported("Query option %q is not supported", o.name)
		case "$deltatoken", "$schemaversion", "$levels", "$at", "$from", "$to", "$toInclusive":
			return unsupported("Query option %q is not supported", o.name)
		default:
			return &Error{Status: 400, Message: "Query option \"" + o.name + "\" does not exist",
				Hint: "system query options are $select, $expand, $filter, $orderby, $top, $skip, $count, $search, $compute, $apply, $format and $skiptoken; custom ones have no $"}
		}
		if seen[o.name] {
			return bad("Query option %q is given twice", o.name)
		}
		seen[o.name] = true
	}
	return nil
}
