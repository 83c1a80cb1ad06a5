package token

import (
	"errors"
	"strings"
	"testing"

	"cds/runtime/auth"
)

// Whatever an issuer answers, a set that is accepted has keys that verify something.
func FuzzParseSet(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`), false)
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`), false)
	f.Add([]byte(`{"keys":[{"kty":"RSA","e":"AQAB","n":"AQ","use":"sig"}]}`), false)
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8","alg":"HS256"}]}`), true)
	f.Add([]byte(`{"keys":[{"kty":"oct","k":1},null,[],{"kty":{}}]}`), true)
	f.Fuzz(func(t *testing.T, b []byte, secrets bool) {
		set, err := parseSet(b, 100, secrets)
		if err != nil {
			return
		}
		for _, k := range set.keys {
			fits := false
			for _, alg := range []string{"HS256", "HS384", "HS512", "RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"} {
				fits = fits || CheckKey(alg, k.key) == nil
			}
			if _, secret := k.key.([]byte); !fits || secret && !secrets {
				t.Fatalf("%s: %+v", b, k)
			}
			if key, known := set.find(k.kid, k.alg); key != nil && !known {
				t.Fatal("found and not known")
			}
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(`{"issuer":"https://i","jwks_uri":"https://i/keys","token_endpoint":"https://i/token"}`))
	f.Add([]byte(`{"issuer":"https://i","jwks_uri":"http://i/keys"}`))
	f.Add([]byte(`{"issuer":"https://i","jwks_uri":["https://i/keys"]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMetadata(b, "https://i", false)
		if err != nil {
			return
		}
		for _, u := range []string{m.JWKSURI, m.AuthorizationEndpoint, m.TokenEndpoint, m.UserinfoEndpoint, m.EndSessionEndpoint, m.IntrospectionEndpoint, m.RevocationEndpoint} {
			if u != "" && !strings.HasPrefix(strings.ToLower(u), "https://") {
				t.Fatalf("%s: %s", b, u)
			}
		}
		if m.Issuer != "https://i" || m.JWKSURI == "" {
			t.Fatalf("%s: %+v", b, m)
		}
	})
}

// No claims make a user that only code may make, or one with a pseudo-role that the settings do not give.
func FuzzMapping(f *testing.F) {
	m, err := NewMapping(section(f, `{"claims":{"id":["user_id","sub"],"roles":["roles","a.b",{"path":"scope","prefix":"p."},{"path":"adm","role":"admin"}],"tenant":"t","merge":["u"],"attrs":{"*":"*","c":"x.y"}}}`))
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{
		`{"sub":"x","roles":["any","system-user"],"scope":"p.a p.internal-user","u":{"sub":"privileged"}}`, `{"user_id":1e999,"a":{"b":["r"]}}`, `{"user_id":-0.0}`, `{"sub":"x","adm":true,"x":{"y":[1,null,"z"]}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseClaims(b)
		if err != nil {
			return
		}
		u, err := m.User(c)
		if err != nil {
			if !errors.Is(err, auth.ErrCredentials) || u != nil {
				t.Fatalf("%s: %v", b, err)
			}
			return
		}
		if u.Kind != auth.KindNamed || u.Is(auth.RoleSystem) || u.Is(auth.RoleInternal) || u.ID == "" || strings.EqualFold(u.ID, "privileged") || strings.EqualFold(u.ID, "anonymous") {
			t.Fatalf("%s: %+v", b, u)
		}
	})
}
