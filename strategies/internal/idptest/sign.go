package idptest

import (
	"encoding/base64"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// SignRaw signs a header and a payload as they are, good or bad: any text. The algorithm is the key's, whatever the header says.
func (k *Key) SignRaw(t testing.TB, header, payload string) string {
	t.Helper()
	return signRaw(t, k.Algorithm, k.Private, header, payload)
}

// SignSecret signs a header and a payload as they are with a shared secret by HS256.
func SignSecret(t testing.TB, secret []byte, header, payload string) string {
	t.Helper()
	return signRaw(t, "HS256", secret, header, payload)
}

// HS256 signs claims with a shared secret. A claim that is nil is left out; nothing is added.
func HS256(t testing.TB, secret string, claims map[string]any) string {
	t.Helper()
	all := map[string]any{}
	for name, v := range claims {
		if v != nil {
			all[name] = v
		}
	}
	return SignSecret(t, []byte(secret), `{"alg":"HS256","typ":"JWT"}`, marshal(t, all))
}

func signRaw(t testing.TB, alg string, key any, header, payload string) string {
	t.Helper()
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	sig, err := jwt.GetSigningMethod(alg).Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}
