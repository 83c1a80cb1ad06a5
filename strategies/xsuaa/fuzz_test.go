package xsuaa

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"cds/runtime/auth"
	"cds/strategies/internal/token"
)

// Whatever a verified token claims: a user that only code may be, or a pseudo-role that was not earned, never comes of it.
func FuzzUser(f *testing.F) {
	for _, payload := range []string{
		`{"user_name":"alice","scope":["shop!t1.Editor","openid"],"xs.user.attributes":{"country":["DE"]}}`,
		`{"grant_type":"client_credentials","scope":[],"cid":"sb-shop!t1","azp":"sb-shop!t1"}`,
		`{"grant_type":"client_x509","scope":"shop!t1.internal-user any","client_id":"other"}`,
		`{"user_name":"privileged","scope":["system-user"]}`, `{"scope":{"a":1},"user_name":["x"],"xs.user.attributes":{"a":{"b":[1]}}}`, `{}`,
	} {
		f.Add(payload)
	}
	s := &Strategy{clientID: "sb-shop!t1", appName: "shop!t1"}
	f.Fuzz(func(t *testing.T, payload string) {
		enc := base64.RawURLEncoding
		tok, err := token.Parse(enc.EncodeToString([]byte(`{"alg":"RS256"}`)) + "." + enc.EncodeToString([]byte(payload)) + ".AA")
		if err != nil {
			return
		}
		_ = audiences(tok.Claims)
		u, err := s.user(tok, "t1")
		if err != nil {
			if !errors.Is(err, auth.ErrCredentials) || u != nil {
				t.Fatalf("%v, user %v", err, u)
			}
			return
		}
		grant, _ := tok.Claims["grant_type"].(string)
		technical := grant == "client_credentials" || grant == "client_x509"
		own := tok.Claims["azp"] == "sb-shop!t1" || tok.Claims["cid"] == "sb-shop!t1" || tok.Claims["client_id"] == "sb-shop!t1"
		switch {
		case u.ID == "" || strings.EqualFold(u.ID, "anonymous") || strings.EqualFold(u.ID, "privileged"):
			t.Errorf("user %q", u.ID)
		case u.Kind != auth.KindNamed && u.Kind != auth.KindSystem && u.Kind != auth.KindInternal:
			t.Errorf("kind %v", u.Kind)
		case u.Is(auth.RoleSystem) != technical, (u.ID == "system") != technical:
			t.Errorf("user %q with roles %v, technical %v", u.ID, u.Roles(), technical)
		case u.Is(auth.RoleInternal) && !(technical && own):
			t.Errorf("internal-user for %q", payload)
		case u.Tenant != "t1":
			t.Errorf("tenant %q", u.Tenant)
		}
	})
}
