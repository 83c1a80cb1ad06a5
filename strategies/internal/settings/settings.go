// Package settings reads sections of the configuration strictly: unknown keys and values of the wrong type are errors that name the whole
// path of the key.
package settings

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"cds/runtime/auth"
	"cds/runtime/config"
)

// A Reader reads one section. The first error of it and of the sections below stays until Err.
type Reader struct {
	Config config.Section
	Path   string // of the section, such as requires.auth
	errs   *[]error
}

// New returns a reader of the section at a path.
func New(cfg config.Section, path string) *Reader {
	return &Reader{Config: cfg, Path: path, errs: new([]error)}
}

// Err returns the first error, a *config.Error or *auth.ConfigError; nil if there was none.
func (r *Reader) Err() error {
	if len(*r.errs) == 0 {
		return nil
	}
	return (*r.errs)[0]
}

// Fail adds an error at a key ("" for the section itself).
func (r *Reader) Fail(key, hint, format string, args ...any) {
	*r.errs = append(*r.errs, &config.Error{Code: "config-auth", Place: r.At(key), Message: fmt.Sprintf(format, args...), Hint: hint})
}

// Missing adds the error that a key is needed: why completes "is missing: ", example is a value as JSON.
func (r *Reader) Missing(key, why, example string) {
	*r.errs = append(*r.errs, auth.Missing(r.At(key), why, example))
}

// At returns the whole path of a key.
func (r *Reader) At(key string) string {
	if key == "" {
		return r.Path
	}
	return r.Path + "." + key
}

// Has reports whether a key is there and not null.
func (r *Reader) Has(key string) bool { return r.Config[key] != nil }

// Section returns a reader of the object at a key, empty if there is none.
func (r *Reader) Section(key string) *Reader { return r.Object(key, r.Config[key]) }

// Object returns a reader of a value that has to be an object, or nil; key is where it is.
func (r *Reader) Object(key string, v any) *Reader {
	sub := &Reader{Path: r.At(key), errs: r.errs}
	if v == nil {
		return sub
	}
	m, ok := AsMap(v)
	if !ok {
		r.Fail(key, "", "an object is expected")
	}
	sub.Config = m
	return sub
}

// List returns the members of the list at a key; a single value counts as a list of one.
func (r *Reader) List(key string) []any {
	switch v := r.Config[key].(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

// Known refuses keys that nothing reads: a misspelt one would be ignored in silence. A key in lower case stands for the one that is meant, since variables
// of the environment that are written in upper case come like that. Call it before anything is read.
func (r *Reader) Known(keys ...string) {
	var own config.Section // a copy, once something is renamed
	for _, k := range r.Config.Keys() {
		if slices.Contains(keys, k) {
			continue
		}
		i := slices.IndexFunc(keys, func(known string) bool { return strings.ToLower(known) == k })
		switch {
		case i < 0:
			r.Fail(k, "known are "+strings.Join(keys, ", "), "unknown key")
		case r.Has(keys[i]):
			r.Fail(k, "write the variable as cds_"+strings.ReplaceAll(r.At(keys[i]), ".", "_"), "is there as %s too", keys[i])
		default:
			if own == nil {
				own = maps.Clone(r.Config)
			}
			own[keys[i]] = own[k]
			delete(own, k)
		}
	}
	if own != nil {
		r.Config = own
	}
}

// Text returns the text at a key, "" if there is none. Numbers and booleans, which variables of the environment may look like, are texts here.
func (r *Reader) Text(key string) string {
	v := r.Config[key]
	if v == nil {
		return ""
	}
	if !scalar(v) {
		r.Fail(key, "", "a text is expected")
		return ""
	}
	return text(v)
}

// Texts returns a list of texts, nil if there are none; a single text counts as a list of one.
func (r *Reader) Texts(key string) []string {
	var out []string
	for _, e := range r.List(key) {
		if !scalar(e) || text(e) == "" {
			r.Fail(key, "", "a text or a list of texts is expected")
			return nil
		}
		out = append(out, text(e))
	}
	return out
}

// Bool returns a truth value.
func (r *Reader) Bool(key string, def bool) bool {
	v := r.Config[key]
	if v == nil {
		return def
	}
	b, err := strconv.ParseBool(text(v))
	if err != nil || !scalar(v) {
		r.Fail(key, "", "true or false is expected")
		return def
	}
	return b
}

// Duration returns a time such as 30s, 5m or 24h, or a number of seconds, between least and most.
func (r *Reader) Duration(key string, def, least, most time.Duration) time.Duration {
	v := r.Config[key]
	if v == nil {
		return def
	}
	s := text(v)
	d, err := time.ParseDuration(s)
	if n, e := strconv.Atoi(s); e == nil && n >= 0 && n < 1<<30 {
		d, err = time.Duration(n)*time.Second, nil
	}
	switch {
	case err != nil || !scalar(v):
		r.Fail(key, `such as "30s", "5m" or 60 (seconds)`, "a time is expected")
		return def
	case d < least || d > most:
		r.Fail(key, "", "%s is not between %s and %s", d, least, most)
		return def
	}
	return d
}

func text(v any) string { return config.Section{"v": v}.Str("v") }

func scalar(v any) bool {
	if _, ok := AsMap(v); ok {
		return false
	}
	_, list := v.([]any)
	return !list && v != nil
}

// AsMap returns an object's members.
func AsMap(v any) (config.Section, bool) {
	switch v := v.(type) {
	case map[string]any:
		return v, true
	case config.Section:
		return v, true
	}
	return nil, false
}
