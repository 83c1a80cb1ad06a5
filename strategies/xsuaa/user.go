package xsuaa

import (
	"strings"

	"cds/runtime/auth"
	"cds/strategies/internal/token"
)

// systemID is the id of technical users.
const systemID = "system"

// user makes the user of a verified token.
func (s *Strategy) user(t *token.Token, zid string) (*auth.User, error) {
	c := t.Claims
	roles, err := s.roles(c)
	if err != nil {
		return nil, err
	}
	attrs, err := attributes(c)
	if err != nil {
		return nil, err
	}
	u := auth.User{Tenant: zid, Attrs: attrs, Info: map[string]any(c), Token: auth.Secret(t.Raw)}
	switch grant, _ := c.Str("grant_type"); grant {
	case "client_credentials", "client_x509":
		u.ID, u.Kind = systemID, auth.KindSystem
		if s.own(c) {
			u.Kind = auth.KindInternal
			roles = append(roles, auth.RoleSystem)
		}
	default:
		name, ok := c.Str("user_name")
		if !ok {
			return nil, token.Refuse("token-claim", "the token names no user: the claim user_name is missing or no text")
		}
		if err := token.CheckID(name); err != nil {
			return nil, err
		}
		if name == systemID {
			return nil, token.Refuse("token-claim", "the user id %q is that of technical users", name)
		}
		u.ID, u.Kind = name, auth.KindNamed
	}
	return auth.New(u, roles...), nil
}

// own reports whether the token was made for the application itself. Every claim that names the client must say so.
func (s *Strategy) own(c token.Claims) bool {
	own := false
	for _, name := range []string{"azp", "cid", "client_id"} {
		v, ok := c[name]
		if !ok {
			continue
		}
		if v != s.clientID {
			return false
		}
		own = true
	}
	return own
}

// roles are the scopes, those of the application without its name in front. Scopes of other applications keep theirs. The pseudo-roles can't be given. A token
// without scopes is none for access to a service, such as an id token.
func (s *Strategy) roles(c token.Claims) ([]string, error) {
	v, ok := c["scope"]
	if !ok || v == nil {
		return nil, token.Refuse("token-claim", "the token has no scopes (claim scope), so it is no access token")
	}
	if list, isList := v.([]any); isList {
		if c.Strings("scope") == nil && len(list) > 0 {
			return nil, token.Refuse("token-claim", "the claim scope is no list of texts")
		}
	} else if _, isText := v.(string); !isText {
		return nil, token.Refuse("token-claim", "the claim scope is neither a list nor a text")
	}
	var out []string
	for _, scope := range scopesOf(c) {
		role := strings.TrimPrefix(scope, s.appName+".")
		if !auth.ReservedRole(role) {
			out = append(out, role)
		}
	}
	return out, nil
}

// attributes are those of xs.user.attributes, and four that say who the user is.
func attributes(c token.Claims) (map[string][]string, error) {
	out := map[string][]string{}
	v, ok := c["xs.user.attributes"]
	if m, isObject := v.(map[string]any); isObject {
		for name := range m {
			values := token.Claims(m).Strings(name)
			if list, isList := m[name].([]any); values == nil && !(isList && len(list) == 0) && m[name] != nil {
				return nil, token.Refuse("token-claim", "the attribute %.60q is neither a text nor a list of texts", name)
			}
			out[name] = values
		}
	} else if ok && v != nil {
		return nil, token.Refuse("token-claim", "the claim xs.user.attributes is no object")
	}
	for name, claim := range map[string]string{"logonName": "user_name", "givenName": "given_name", "familyName": "family_name", "email": "email"} {
		if text, ok := c[claim].(string); ok && text != "" {
			out[name] = []string{text}
		}
	}
	return out, nil
}
