package config

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMask(t *testing.T) {
	in := Section{"requires": map[string]any{
		"auth": map[string]any{
			"kind":  "jwt",
			"users": map[string]any{"bob": "SECRET", "eve": map[string]any{"password": "SECRET", "roles": []any{"admin"}}, "*": true},
			"jwt": map[string]any{"secret": "SECRET", "issuer": "https://idp.example", "jwksUrl": "https://idp.example/keys", "requireExp": true, "leeway": json.Number("60"),
				"keys": []any{map[string]any{"kid": "k1", "secret": "SECRET", "publicKey": "-----BEGIN PUBLIC KEY-----"}, map[string]any{"algorithms": []any{"RS256"}}}},
			"token":       map[string]any{"from": []any{"bearer", "cookie:sid"}},
			"oidc":        map[string]any{"clientId": "shop", "clientSecret": "SECRET", "session": map[string]any{"key": "SECRET"}, "tokenUrl": "https://idp.example/token"},
			"apikey":      map[string]any{"header": "X-API-Key", "keys": map[string]any{"billing": map[string]any{"hash": "sha256:SECRET", "roles": []any{"x"}}, "short": "SECRET"}},
			"credentials": map[string]any{"clientid": "sb-shop", "clientsecret": "SECRET", "certificate": "SECRET", "key": "SECRET", "url": "https://idp.example", "uaa": map[string]any{"client_secret": "SECRET"}},
			"binding":     map[string]any{"type": "cf", "key": "shop-key", "secret": "name-of-one", "credentials": map[string]any{"clientsecret": "SECRET"}},
			"odd":         map[string]any{"one": "-----BEGIN EC PRIVATE KEY-----\nSECRET", "two": "eyJhbGciOi.SECRET.x", "three": "$argon2id$SECRET", "four": "$2b$10$SECRET"},
		},
		"db": map[string]any{"credentials": map[string]any{"url": "postgres://me:SECRET@db.example/shop?sslpassword=SECRET", "password": json.Number("1234"), "host": "db"}},
		"authz": map[string]any{"webhooks": map[string]any{"legal": map[string]any{"url": "https://policy.example/decide?key=SECRET", "token": "SECRET", "attrs": []any{"country"},
			"headers": map[string]any{"X-Functions-Key": "SECRET", "X-Caller": "SECRET"}}}},
		"q": map[string]any{"uri": "amqp://u:SECRET@%zz", "text": "host=db password=SECRET"},
	}}
	masked := Mask("", map[string]any(in))
	text := fmt.Sprint(masked)
	if strings.Contains(text, "SECRET") || strings.Contains(text, "1234") {
		t.Errorf("a secret is shown:\n%s", text)
	}
	for _, kept := range []string{"jwt", "https://idp.example/keys", "k1", "bearer", "cookie:sid", "X-API-Key", "sb-shop", "postgres://me:***@db.example/shop", "https://idp.example/token", "BEGIN PUBLIC", "60", "admin", "https://policy.example/decide", "country"} {
		if !strings.Contains(text, kept) {
			t.Errorf("%s is masked:\n%s", kept, text)
		}
	}
	if diff := cmp.Diff("SECRET", in.Str("requires.auth.jwt.secret")); diff != "" {
		t.Error("Mask changed what it was given")
	}
	for path, want := range map[string]any{"requires.auth.jwt.secret": Masked, "requires.auth.users.bob": Masked, "requires.auth.users.*": true, "requires.auth.kind": "jwt"} {
		v, _ := in.Get(path)
		if got := Mask(path, v); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

// Nothing deep goes around it.
func TestMaskDepth(t *testing.T) {
	v := any(map[string]any{"password": "SECRET", "x": "SECRETIVE"})
	for range 200 {
		v = map[string]any{"a": v}
	}
	if strings.Contains(fmt.Sprint(Mask("", v)), "SECRET") {
		t.Error("shown")
	}
}
