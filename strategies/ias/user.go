package ias

import (
	"encoding/json"
	"slices"

	"cds/runtime/auth"
	"cds/strategies/internal/token"
)

// systemID is the id of technical users.
const systemID = "system"

// protocol are claims that are about the token, not about the user.
var protocol = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "azp", "app_tid", "cnf", "ias_apis", "nonce", "at_hash", "c_hash", "auth_time", "sid", "acr", "amr"}

// user makes the user of a verified token. Tokens of technical clients have their client as subject.
func (s *Strategy) user(t *token.Token) (*auth.User, error) {
	c := t.Claims
	sub, _ := c["sub"].(string)
	if err := token.CheckID(sub); err != nil {
		return nil, err
	}
	tenant, err := optional(c, "app_tid")
	if err != nil {
		return nil, err
	}
	azp, err := optional(c, "azp")
	if err != nil {
		return nil, err
	}
	u := auth.User{ID: sub, Kind: auth.KindNamed, Tenant: tenant, Attrs: attributes(c), Info: map[string]any(c), Token: auth.Secret(t.Raw)}
	if azp == "" || sub != azp {
		if sub == systemID {
			return nil, token.Refuse("token-claim", "the user id %q is that of technical users", sub)
		}
		return auth.New(u), nil
	}
	roles, err := apis(c)
	if err != nil {
		return nil, err
	}
	u.ID, u.Kind = systemID, auth.KindSystem
	if azp == s.clientID {
		u.Kind = auth.KindInternal
		roles = append(roles, auth.RoleSystem)
	}
	return auth.New(u, roles...), nil
}

func optional(c token.Claims, name string) (string, error) {
	v, ok := c[name]
	if !ok || v == nil {
		return "", nil
	}
	text, ok := v.(string)
	if !ok {
		return "", token.Refuse("token-claim", "the claim %s is no text", name)
	}
	return text, nil
}

// apis are the roles of a technical client: the interfaces of the application that it was granted. The pseudo-roles can't be given.
func apis(c token.Claims) ([]string, error) {
	v, ok := c["ias_apis"]
	if !ok || v == nil {
		return nil, nil
	}
	list := c.Strings("ias_apis")
	if l, isList := v.([]any); list == nil && !(isList && len(l) == 0) {
		return nil, token.Refuse("token-claim", "the claim ias_apis is no list of texts")
	}
	return slices.DeleteFunc(slices.Clone(list), auth.ReservedRole), nil
}

// attributes are the claims about the user: texts, numbers, truth values, and lists of texts.
func attributes(c token.Claims) map[string][]string {
	out := map[string][]string{}
	for name, v := range c {
		if slices.Contains(protocol, name) {
			continue
		}
		switch v := v.(type) {
		case string:
			out[name] = []string{v}
		case json.Number:
			out[name] = []string{v.String()}
		case bool:
			out[name] = []string{map[bool]string{false: "false", true: "true"}[v]}
		case []any:
			if list := c.Strings(name); list != nil {
				out[name] = list
			}
		}
	}
	return out
}
