package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/internal/settings"
)

// A Mapping makes a user of the claims of a verified token.
type Mapping struct {
	id, tenant, locale []string
	defaultID          string
	numeric            bool // the id has to be a number
	roles              []roleSource
	allAttrs           bool
	attrs              map[string]string // name → path
	merge              []string
	namespace          string
	system, internal   kindRule
}

type roleSource struct {
	path     string
	prefixes []string // none: every role counts as it is
	role     string   // the claim is a boolean, and true gives this role
}

// A kindRule says which tokens are of technical users: a claim with one of the values, or with the same value as another claim.
type kindRule struct {
	claim  string
	values []string
	equals string
}

// NewMapping reads the mapping from the section requires.auth: claims, and jwt.claimsNamespace. Errors say which key is wrong.
func NewMapping(cfg config.Section) (*Mapping, error) {
	r := settings.New(cfg, "requires.auth")
	c := r.Section("claims")
	c.Known("id", "idType", "defaultId", "roles", "rolesPrefix", "attrs", "tenant", "locale", "merge", "kind")
	m := &Mapping{
		id: c.Texts("id"), tenant: c.Texts("tenant"), locale: c.Texts("locale"), merge: c.Texts("merge"), defaultID: c.Text("defaultId"),
		namespace: r.Section("jwt").Text("claimsNamespace"),
	}
	if m.id == nil {
		m.id = []string{"sub"}
	}
	if m.locale == nil {
		m.locale = []string{"locale"}
	}
	m.readRoles(c)
	m.readAttrs(c)
	m.readKind(c.Section("kind"))
	switch c.Text("idType") {
	case "", "text":
	case "number":
		m.numeric = true
	default:
		c.Fail("idType", "text (which a number may be too) or number", "unknown type")
	}
	if m.defaultID != "" {
		if err := checkID(m.defaultID); err != nil {
			c.Fail("defaultId", "", "%v", err)
		}
	}
	return m, r.Err()
}

func (m *Mapping) readRoles(c *settings.Reader) {
	prefixes := c.Texts("rolesPrefix")
	v, ok := c.Config["roles"]
	if !ok {
		v = []any{"roles", "scope"}
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, e := range list {
		if s, ok := e.(string); ok && s != "" {
			m.roles = append(m.roles, roleSource{path: s, prefixes: prefixes})
			continue
		}
		if _, ok := settings.AsMap(e); !ok {
			c.Fail("roles", `such as "roles" or {"path": "scope", "prefix": "app."}`, "the name of a claim is expected")
			continue
		}
		sub := c.Object("roles", e)
		sub.Known("path", "prefix", "role")
		src := roleSource{sub.Text("path"), sub.Texts("prefix"), sub.Text("role")}
		if src.path == "" {
			sub.Fail("path", "", "the name of a claim is expected")
		}
		m.roles = append(m.roles, src)
	}
}

func (m *Mapping) readAttrs(c *settings.Reader) {
	v, ok := c.Config["attrs"]
	if !ok || v == "*" {
		m.allAttrs = true
		return
	}
	o, ok := settings.AsMap(v)
	if !ok {
		c.Fail("attrs", `"*", or an object such as {"country": "address.country"}`, "which claims become attributes?")
		return
	}
	m.attrs = map[string]string{}
	for name, p := range o {
		path, ok := p.(string)
		if name == "*" && p == "*" {
			m.allAttrs = true
			continue
		}
		if !ok || path == "" || name == "" {
			c.Fail("attrs."+name, "", "the name of a claim is expected")
			continue
		}
		m.attrs[name] = path
	}
}

func (m *Mapping) readKind(k *settings.Reader) {
	k.Known("claim", "system", "internal", "equals")
	claim := k.Text("claim")
	m.system = kindRule{claim, k.Texts("system"), k.Text("equals")}
	m.internal = kindRule{claim, k.Texts("internal"), ""}
	if claim == "" && len(k.Config) > 0 {
		k.Fail("claim", "such as grant_type", "the claim that tells technical users is expected")
	}
}

// User makes the user. Errors wrap auth.ErrCredentials: no id, an id that is reserved, values of the wrong type.
func (m *Mapping) User(c Claims) (*auth.User, error) {
	view, root, err := m.view(c)
	if err != nil {
		return nil, err
	}
	u := auth.User{Info: map[string]any(c)}
	if u.ID, err = first("user id", m.numeric, m.id, view, root); err != nil && m.defaultID == "" {
		return nil, err
	}
	if u.ID == "" { // a list names nobody either
		u.ID = m.defaultID
	}
	if err := checkID(u.ID); err != nil {
		return nil, refuse("token-claim", "%v (claims looked at: %s)", err, strings.Join(m.id, ", "))
	}
	if u.Tenant, err = first("tenant", false, m.tenant, view, root); err != nil {
		return nil, err
	}
	u.Locale = m.userLocale(view, root)
	if u.Attrs, err = m.attributes(view); err != nil {
		return nil, err
	}
	roles, err := m.userRoles(view)
	if err != nil {
		return nil, err
	}
	u.Kind = m.kind(view, root)
	return auth.New(u, roles...), nil
}

// view returns the claims that the user is made of: those of the namespace, or the root's overlaid with those of the objects to merge. root is what
// id, tenant, locale and kind are looked up in next.
func (m *Mapping) view(c Claims) (view, root Claims, err error) {
	if m.namespace != "" {
		v, ok := c[m.namespace]
		if !ok {
			return Claims{}, c, nil
		}
		o, ok := v.(map[string]any)
		if !ok {
			return nil, nil, refuse("token-claim", "the claim %.60q is no object", m.namespace)
		}
		return o, c, nil
	}
	view = c
	for _, name := range m.merge {
		v, ok := c[name]
		if !ok {
			continue
		}
		o, ok := v.(map[string]any)
		if !ok {
			return nil, nil, refuse("token-claim", "the claim %.60q is no object", name)
		}
		merged := make(Claims, len(view)+len(o))
		for k, v := range view {
			if k != name {
				merged[k] = v
			}
		}
		for k, v := range o {
			merged[k] = v
		}
		view = merged
	}
	return view, view, nil
}

// first returns the first value that is there, as text.
func first(what string, number bool, paths []string, views ...Claims) (string, error) {
	for _, c := range views {
		for _, p := range paths {
			v, ok := c.Get(p)
			if !ok || v == nil {
				continue
			}
			s, ok := scalar(v)
			_, isBool := v.(bool)
			_, isNumber := v.(json.Number)
			switch {
			case !ok || isBool:
				return "", refuse("token-claim", "the claim %.60q (%s) is neither a text nor a number", p, what)
			case number && !isNumber:
				return "", refuse("token-claim", "the claim %.60q (%s) is no number", p, what)
			}
			return s, nil
		}
	}
	return "", nil
}

// userLocale returns a language tag; anything else is no reason to refuse a token.
func (m *Mapping) userLocale(views ...Claims) string {
	for _, c := range views {
		for _, p := range m.locale {
			s, ok := c.Str(p)
			if ok && s != "" && len(s) <= 35 && !strings.ContainsFunc(s, func(r rune) bool {
				return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
			}) {
				return s
			}
		}
	}
	return ""
}

func (m *Mapping) attributes(c Claims) (map[string][]string, error) {
	out := map[string][]string{}
	if m.allAttrs {
		for name, v := range c {
			if values, ok := values(v); ok && len(values) > 0 {
				out[name] = values
			}
		}
	}
	for name, path := range m.attrs {
		v, ok := c.Get(path)
		if !ok || v == nil {
			continue
		}
		list, ok := values(v)
		if !ok {
			return nil, refuse("token-claim", "the claim %.60q (attribute %s) is neither a value nor a list of values", path, name)
		}
		out[name] = list
	}
	return out, nil
}

func (m *Mapping) userRoles(c Claims) ([]string, error) {
	var out []string
	for _, src := range m.roles {
		v, _ := c.Get(src.path)
		if src.role != "" {
			if yes, ok := v.(bool); !ok && v != nil {
				return nil, refuse("token-claim", "the claim %.60q (role %s) is neither true nor false", src.path, src.role)
			} else if yes && !auth.ReservedRole(src.role) {
				out = append(out, src.role)
			}
			continue
		}
		list, ok := texts(v)
		if !ok {
			return nil, refuse("token-claim", "the claim %.60q (roles) is neither a text nor a list of texts", src.path)
		}
		if s, ok := v.(string); ok {
			list = strings.Fields(s)
		}
		for _, role := range list {
			if role, ok = src.strip(role); ok && !auth.ReservedRole(role) {
				out = append(out, role)
			}
		}
	}
	return out, nil
}

// strip takes the prefix off. A role without it is of another application.
func (s roleSource) strip(role string) (string, bool) {
	if len(s.prefixes) == 0 {
		return role, role != ""
	}
	for _, p := range s.prefixes {
		if rest, ok := strings.CutPrefix(role, p); ok && rest != "" {
			return rest, true
		}
	}
	return "", false
}

func (m *Mapping) kind(views ...Claims) auth.Kind {
	for _, c := range views {
		switch {
		case m.internal.fits(c):
			return auth.KindInternal
		case m.system.fits(c):
			return auth.KindSystem
		}
	}
	return auth.KindNamed
}

func (k kindRule) fits(c Claims) bool {
	if k.claim == "" {
		return false
	}
	v, ok := c.Str(k.claim)
	if !ok || v == "" {
		return false
	}
	other, _ := c.Str(k.equals)
	return slices.Contains(k.values, v) || k.equals != "" && v == other
}

// checkID refuses ids that nobody may have.
func checkID(id string) error {
	switch {
	case id == "":
		return errors.New("the token names no user")
	case auth.ReservedID(id):
		return fmt.Errorf("the user id %q is reserved", id)
	case len(id) > 1000:
		return errors.New("the user id has more than 1000 bytes")
	case strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("the user id has control characters")
	}
	return nil
}

// CheckID says why no token may name a user so: empty, reserved, too long, control characters. The error wraps auth.ErrCredentials.
func CheckID(id string) error {
	if err := checkID(id); err != nil {
		return refuse("token-claim", "%v", err)
	}
	return nil
}

// values reads a value or a list of values as texts; false if there is anything else.
func values(v any) ([]string, bool) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var out []string
	for _, e := range list {
		if e == nil {
			continue
		}
		s, ok := scalar(e)
		if !ok {
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}

// scalar writes a text, a number or a boolean as text; whole numbers always in the same way, whatever the token wrote.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return fmt.Sprint(v), true
	case json.Number:
		s := v.String()
		if strings.ContainsAny(s, ".eE") {
			if f, _, err := big.ParseFloat(s, 10, 200, big.ToNearestEven); err == nil && f.IsInt() && f.MantExp(nil) < 128 {
				s = f.Text('f', 0)
			}
		}
		if s == "-0" {
			s = "0"
		}
		return s, true
	}
	return "", false
}
