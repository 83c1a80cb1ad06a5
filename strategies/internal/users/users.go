// Package users is the table of users kept in the configuration, which the strategies mocked and basic share.
//
// Its form is CAP's: a map from names to `true`, or to an object with password, roles, tenant, attr and features. What is not
// understood is an error at start, since a misspelt password would let anybody in.
package users

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"cds/runtime/auth"
	"cds/runtime/config"
)

// A Table holds the configured users. It is immutable.
type Table struct {
	byName map[string]*entry
	others bool // `*: true`: any other name is a user without roles
}

type entry struct {
	user     *auth.User
	refused  bool // `name: false`
	password *[sha256.Size]byte
}

// Read reads the table from a section with users and tenants. Errors name the user and what was expected.
func Read(cfg config.Section) (*Table, error) {
	t := &Table{byName: map[string]*entry{}}
	raw, ok := cfg.Get("users")
	if !ok || raw == nil {
		return t, nil
	}
	users, ok := asMap(raw)
	if !ok {
		return nil, fmt.Errorf("users must be an object with a user for each name, not %s", kind(raw))
	}
	features, err := tenantFeatures(cfg)
	if err != nil {
		return nil, err
	}
	for name, v := range users {
		if name == "*" {
			b, isBool := v.(bool)
			if !isBool {
				return nil, fmt.Errorf("users.*: true or false is expected, not %s", kind(v))
			}
			t.others = b
			continue
		}
		e, err := read(name, v, features)
		if err != nil {
			return nil, fmt.Errorf("users.%s: %w", name, err)
		}
		if e != nil {
			t.byName[name] = e
		}
	}
	return t, nil
}

// Login returns the user of a name and password. Names are case-sensitive. A user without a password accepts any. Wrong
// credentials yield an error that wraps auth.ErrCredentials.
func (t *Table) Login(name, password string) (*auth.User, error) {
	e, ok := t.byName[name]
	switch {
	case ok && e.refused:
		return nil, fmt.Errorf("%w: user %q is disabled", auth.ErrCredentials, name)
	case ok && !e.accepts(password):
		return nil, fmt.Errorf("%w: wrong password for user %q", auth.ErrCredentials, name)
	case ok:
		return e.user, nil
	case t.others && !reserved(name):
		return auth.New(auth.User{ID: name}), nil
	}
	return nil, fmt.Errorf("%w: unknown user %q", auth.ErrCredentials, name)
}

// Names returns the names of the configured users, sorted, without disabled ones.
func (t *Table) Names() []string {
	out := make([]string, 0, len(t.byName))
	for name, e := range t.byName {
		if !e.refused {
			out = append(out, name)
		}
	}
	sort.Strings(out)
	return out
}

// Known returns the table without the entry for any other name.
func (t *Table) Known() *Table { return &Table{byName: t.byName} }

// reserved names would be taken for somebody else.
func reserved(name string) bool {
	return name == "*" || name == auth.Anonymous.ID || name == auth.Privileged.ID
}

// accepts compares hashes, in time that does not depend on where they differ.
func (e *entry) accepts(password string) bool {
	if e.password == nil {
		return true
	}
	sum := sha256.Sum256([]byte(password))
	return subtle.ConstantTimeCompare(sum[:], e.password[:]) == 1
}

// read reads one user; nil for none.
func read(name string, v any, features map[string][]string) (*entry, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case bool:
		if !v {
			return &entry{refused: true}, nil
		}
		return &entry{user: auth.New(auth.User{ID: name})}, nil
	case string:
		return object(name, map[string]any{"password": v}, features)
	}
	m, ok := asMap(v)
	if !ok {
		return nil, fmt.Errorf("true, false or an object with password, roles, tenant, attr and features is expected, not %s", kind(v))
	}
	return object(name, m, features)
}

func object(name string, m map[string]any, features map[string][]string) (*entry, error) {
	e := &entry{}
	u := auth.User{ID: name}
	var roles []string
	own := false
	for _, key := range sortedKeys(m) {
		v := m[key]
		var err error
		switch key {
		case "id", "ID":
			u.ID, err = text(v)
		case "password":
			err = e.setPassword(v)
		case "tenant":
			if v != nil {
				u.Tenant, err = text(v)
			}
		case "locale":
			u.Locale, err = text(v)
		case "roles":
			roles, err = names(v)
		case "features":
			u.Features, err = names(v)
			own = v != nil
		case "attr":
			u.Attrs, err = attributes(v)
		case "jwt", "tokenInfo": // what CAP's older mocked users have: tokens are not read here, so these give no rights
		default:
			err = fmt.Errorf("unknown property; known are password, roles, tenant, attr, features, locale and id")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	if u.ID == "" {
		return nil, fmt.Errorf("id: a text is expected")
	}
	if !own {
		u.Features = features[u.Tenant]
	}
	switch { // pseudo-roles make a technical user
	case slices.Contains(roles, auth.RoleInternal):
		u.Kind = auth.KindInternal
	case slices.Contains(roles, auth.RoleSystem):
		u.Kind = auth.KindSystem
	}
	e.user = auth.New(u, roles...)
	return e, nil
}

func (e *entry) setPassword(v any) error {
	if v == nil {
		return nil
	}
	s, err := text(v)
	if err != nil {
		return err
	}
	if s == "" {
		return fmt.Errorf("is empty; leave it out to accept any password")
	}
	sum := sha256.Sum256([]byte(s))
	e.password = &sum
	return nil
}

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

func tenantFeatures(cfg config.Section) (map[string][]string, error) {
	out := map[string][]string{}
	tenants := cfg.Sub("tenants")
	for name, v := range tenants {
		m, ok := asMap(v)
		if !ok {
			continue
		}
		f, err := names(m["features"])
		if err != nil {
			return nil, fmt.Errorf("tenants.%s.features: %w", name, err)
		}
		out[name] = f
	}
	return out, nil
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
	case []any:
		return "a list"
	}
	if _, ok := asMap(v); ok {
		return "an object"
	}
	return strings.TrimPrefix(fmt.Sprintf("a %T", v), "a *")
}
