package auth

import "log/slog"

// A Secret is a text that is neither printed nor logged nor written as JSON: all of them show asterisks. string(s) is the text itself.
type Secret string

const masked = "***"

// String hides the text, also from fmt's %v and %+v of what contains it.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return masked
}

// GoString hides the text from %#v.
func (s Secret) GoString() string { return `auth.Secret("` + s.String() + `")` }

// LogValue hides the text from log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the text from encoding/json.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
