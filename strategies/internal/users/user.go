package users

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cds/runtime/auth"
	"cds/runtime/config"
)

// properties are those of a user, in the words of CAP for Node.js and for Java.
var properties = [...]string{"additional", "attr", "attributes", "features", "id", "internal-user", "locale", "name", "password", "policies", "privileged", "roles",
	"system-user", "tenant"}

// A Maker makes users of what a configuration says of them.
type Maker struct {
	// Own are properties besides those of a user, which the caller reads itself.
	Own []string
	// Privileged allows users who pass every check on roles and rows, as that of the strategy dummy does.
	Privileged bool

	features map[string][]string // by tenant
	policies []string            // names of users who have some
}

// User reads one user. Errors are *auth.ConfigError with a key below that of the user.
func (m *Maker) User(name string, section map[string]any) (*auth.User, error) {
	d := draft{maker: m, user: auth.User{ID: name}}
	for _, key := range sortedKeys(section) {
		if slices.Contains(m.Own, key) {
			continue
		}
		if err := d.set(key, section[key]); err != nil {
			return nil, Within(key, err)
		}
	}
	if d.policies {
		m.policies = append(m.policies, name)
	}
	if d.user.ID == "" || auth.ReservedID(d.user.ID) {
		return nil, &auth.ConfigError{Key: "id", Message: fmt.Sprintf("%q is no id of a user: it would be taken for somebody else", d.user.ID)}
	}
	if !d.ownFeatures {
		d.user.Features = m.features[d.user.Tenant]
	}
	if d.privileged {
		u := auth.NewDummy(d.user.ID)
		u.Tenant, u.Locale, u.Attrs, u.Features, u.Info = d.user.Tenant, d.user.Locale, d.user.Attrs, d.user.Features, d.user.Info
		return u, nil
	}
	switch { // pseudo-roles make a technical user
	case slices.Contains(d.roles, auth.RoleInternal):
		d.user.Kind = auth.KindInternal
	case slices.Contains(d.roles, auth.RoleSystem):
		d.user.Kind = auth.KindSystem
	}
	return auth.New(d.user, d.roles...), nil
}

// A draft is a user of whom part is read.
type draft struct {
	maker       *Maker
	user        auth.User
	roles       []string
	ownFeatures bool
	privileged  bool
	policies    bool
}

func (d *draft) set(key string, v any) (err error) {
	u := &d.user
	switch key {
	case "id", "ID":
		u.ID, err = text(v)
	case "name": // that of the list form
	case "tenant":
		if v != nil {
			u.Tenant, err = text(v)
		}
	case "locale":
		if v != nil {
			u.Locale, err = text(v)
		}
	case "roles":
		var roles []string
		roles, err = names(v)
		d.roles = append(d.roles, roles...)
	case "features":
		u.Features, err = names(v)
		d.ownFeatures = v != nil
	case "attr", "attributes":
		err = d.attributes(v)
	case "privileged":
		if d.privileged, err = truth(v); d.privileged && !d.maker.Privileged {
			err = errors.New("is for the kind mocked only: give the user roles")
		}
	case "system-user":
		err = d.pseudo(v, auth.RoleSystem)
	case "internal-user":
		err = d.pseudo(v, auth.RoleInternal)
	case "policies":
		d.policies = v != nil
	case "additional": // what users are called besides, which no condition can name
		if m, ok := asMap(v); ok {
			u.Info = m
		} else if v != nil {
			err = fmt.Errorf("an object is expected, not %s", kind(v))
		}
	case "jwt", "tokenInfo": // what CAP's older mocked users have: tokens are not read here, so these give no rights
	default:
		known := append(properties[:], d.maker.Own...)
		if near := config.Closest(key, known); near != "" {
			return fmt.Errorf("unknown property; did you mean %s?", near)
		}
		return fmt.Errorf("unknown property; known are %s", strings.Join(known, ", "))
	}
	return err
}

func (d *draft) pseudo(v any, role string) error {
	on, err := truth(v)
	if on {
		d.roles = append(d.roles, role)
	}
	return err
}

func (d *draft) attributes(v any) error {
	attrs, err := attributes(v)
	if err != nil || attrs == nil {
		return err
	}
	if d.user.Attrs == nil {
		d.user.Attrs = attrs
		return nil
	}
	for name, values := range attrs {
		d.user.Attrs[name] = values
	}
	return nil
}

// Within returns the error with a key before its own. What is no *auth.ConfigError becomes one.
func Within(key string, err error) error {
	var ce *auth.ConfigError
	if errors.As(err, &ce) {
		c := *ce
		c.Key = key
		if ce.Key != "" && ce.Key[0] != '[' {
			c.Key += "."
		}
		c.Key += ce.Key
		return &c
	}
	return &auth.ConfigError{Key: key, Message: err.Error()}
}
