// Package users is the table of users kept in the configuration, which the strategies mocked and basic share.
//
// Its form is CAP's: a map from names to `true`, or to an object with password, roles, tenant, attr and features; the list of CAP for Java is read
// too. What is not understood is an error at start, since a misspelt password would let anybody in.
package users

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"cds/runtime/auth"
	"cds/runtime/config"
)

// key is where the table is in the configuration.
const key = "requires.auth.users"

// A Table holds the configured users. It is immutable but for what Login remembers.
type Table struct {
	byName   map[string]*entry
	others   bool // `*: true`: any other name is a user without roles
	policies []string
	hashes   []string // of all users that have one
	cache    *Cache
}

type entry struct {
	user    *auth.User
	refused bool // `name: false`
	secret  secret
}

// Options are what the strategies differ in.
type Options struct {
	Others     bool // the entry `*` counts
	Privileged bool // see Maker
}

// Read reads the table from a section with users and tenants. Errors are *auth.ConfigError.
func Read(cfg config.Section, opt Options) (*Table, error) {
	t := &Table{byName: map[string]*entry{}, cache: NewCache()}
	features, err := tenantFeatures(cfg)
	if err != nil {
		return nil, err
	}
	raw, _ := cfg.Get("users")
	users, err := named(raw)
	if err != nil {
		return nil, Within(key, err)
	}
	m := &Maker{Own: []string{"password"}, Privileged: opt.Privileged, features: features}
	for _, name := range sortedKeys(users) {
		v := users[name]
		if name == "*" {
			b, err := truth(v)
			if err != nil {
				return nil, Within(key+".*", err)
			}
			t.others = b && opt.Others
			continue
		}
		e, err := m.entry(name, v)
		if err != nil {
			return nil, Within(key+"."+name, err)
		}
		if e == nil {
			continue
		}
		t.byName[name] = e
		if e.secret.hash != "" {
			t.hashes = append(t.hashes, e.secret.hash)
		}
	}
	t.policies = m.policies
	return t, nil
}

// named returns users by their names. A list is that of CAP for Java: each object says its name.
func named(raw any) (map[string]any, error) {
	if raw == nil {
		return nil, nil
	}
	if m, ok := asMap(raw); ok {
		return m, nil
	}
	items, ok := raw.([]any)
	if !ok {
		return nil, fmt.Errorf("must be an object with a user for each name, not %s", kind(raw))
	}
	out := map[string]any{}
	for i, it := range items {
		m, ok := asMap(it)
		if !ok {
			return nil, fmt.Errorf("must be an object with a user for each name, or a list of objects with a name, not a list with %s", kind(it))
		}
		name, _ := m["name"].(string)
		if name == "" {
			return nil, &auth.ConfigError{Key: fmt.Sprintf("[%d].name", i), Message: "is missing"}
		}
		if _, twice := out[name]; twice {
			return nil, &auth.ConfigError{Key: fmt.Sprintf("[%d].name", i), Message: fmt.Sprintf("%q is there twice", name)}
		}
		out[name] = m
	}
	return out, nil
}

// entry reads one user; nil for none.
func (m *Maker) entry(name string, v any) (*entry, error) {
	if auth.ReservedID(name) || name == "" {
		return nil, fmt.Errorf("%q is no name of a user: it would be taken for somebody else", name)
	}
	section := map[string]any{}
	switch v := v.(type) {
	case nil:
		return nil, nil
	case bool:
		if !v {
			return &entry{refused: true}, nil
		}
	case string:
		section["password"] = v
	default:
		var ok bool
		if section, ok = asMap(v); !ok {
			return nil, fmt.Errorf("true, false or an object with password, roles, tenant, attr and features is expected, not %s", kind(v))
		}
	}
	e := &entry{}
	var err error
	if e.user, err = m.User(name, section); err != nil {
		return nil, err
	}
	if e.secret, err = readSecret(section["password"]); err != nil {
		return nil, Within("password", err)
	}
	return e, nil
}

// Errors of Login, which only logs tell from each other.
var (
	errWrong    = errors.New("wrong password")
	errUnknown  = errors.New("unknown user")
	errDisabled = errors.New("user is disabled")
)

// Login returns the user of a name and password. Names are case-sensitive. A user without a password accepts any. Wrong credentials yield an error
// that wraps auth.ErrCredentials, after the same work whether or not there is such a user. Any other error says that nothing was checked.
func (t *Table) Login(ctx context.Context, name, password string) (*auth.User, error) {
	e := t.byName[name]
	if e == nil && t.others && !auth.ReservedID(name) {
		return auth.New(auth.User{ID: name}), nil
	}
	if e != nil && !e.refused && e.secret.open {
		return e.user, nil
	}
	ok, err := t.check(ctx, e, name, password)
	switch {
	case err != nil:
		return nil, err
	case ok:
		return e.user, nil
	case e == nil:
		err = errUnknown
	case e.refused:
		err = errDisabled
	default:
		err = errWrong
	}
	return nil, fmt.Errorf("%w: %w, name %q", auth.ErrCredentials, err, name)
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

// weak returns the names of users whom any password lets in, and of those whose password is readable.
func (t *Table) weak() (open, plain []string) {
	for _, name := range t.Names() {
		switch e := t.byName[name]; {
		case e.secret.open:
			open = append(open, name)
		case e.secret.hash == "":
			plain = append(plain, name)
		}
	}
	return open, plain
}

// tenantFeatures reads the features of tenants: by name, or as the list of CAP for Java.
func tenantFeatures(cfg config.Section) (map[string][]string, error) {
	raw, _ := cfg.Get("tenants")
	tenants, err := named(raw)
	if err != nil {
		return nil, Within("requires.auth.tenants", err)
	}
	out := map[string][]string{}
	for name, v := range tenants {
		m, ok := asMap(v)
		if !ok {
			continue
		}
		f, err := names(m["features"])
		if err != nil {
			return nil, Within("requires.auth.tenants."+name+".features", err)
		}
		out[name] = f
	}
	return out, nil
}
