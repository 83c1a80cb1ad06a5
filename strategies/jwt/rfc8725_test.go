package jwt

import (
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"
	"unicode/utf16"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/internal/idptest"
)

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// The best current practices for JSON Web Tokens, section by section.
func TestRFC8725(t *testing.T) {
	c, idp := newClock(), idptest.New(t)
	rsaKey := idp.Rotate(t, "RS256")
	s := set(t, config.Section{"jwt": map[string]any{
		"secret": secret, "issuer": "https://me", "audience": "app", "insecureLoopback": true, "keys": []any{
			map[string]any{"jwksUrl": idp.JWKS(), "issuer": idp.URL, "audience": "other-app", "subject": "robot"},
		},
	}}, c, idp.Client)
	claims := func(more map[string]any) string {
		b, err := json.Marshal(valid(c.now(), more))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	own := func(header, payload string) string { return idptest.SignSecret(t, []byte(secret), header, payload) }
	foreign := func(more map[string]any) string {
		m := map[string]any{"iss": idp.URL, "aud": "other-app", "sub": "robot"}
		for k, v := range more {
			m[k] = v
		}
		return idp.Token(t, m, c.now())
	}
	const hs = `{"alg":"HS256"}`
	good := own(hs, claims(nil))
	accepted(t, s, good)
	accepted(t, s, foreign(nil))
	header16 := utf16.Encode([]rune(hs))
	wide := make([]byte, 0, 2*len(header16))
	for _, u := range header16 {
		wide = append(wide, byte(u>>8), byte(u))
	}
	for _, x := range []struct{ section, token, code string }{
		{"3.1 no algorithm", b64(`{"alg":"none"}`) + "." + b64(claims(nil)) + ".", "token-algorithm"},
		{"3.1 no algorithm, with a signature", own(`{"alg":"none"}`, claims(nil)), "token-algorithm"},
		{"3.1 a public key as secret", idptest.SignSecret(t, []byte(publicPEM(t, rsaKey)), `{"alg":"HS256","kid":"`+rsaKey.ID+`"}`, claims(map[string]any{"iss": idp.URL})), "token-algorithm"},
		{"3.1 the header's algorithm is not the key's", rsaKey.SignRaw(t, `{"alg":"ES256","kid":"`+rsaKey.ID+`"}`, claims(map[string]any{"iss": idp.URL})), "token-algorithm"},
		{"3.3 a token in a token", own(`{"alg":"HS256","cty":"JWT"}`, good), "token-malformed"},
		{"3.3 only the outer signature is right", own(hs, `"`+good+`"`), "token-malformed"},
		{"3.6 encrypted and compressed", b64(`{"alg":"dir","enc":"A128GCM","zip":"DEF"}`) + "..AA.AA.AA", "token-encrypted"},
		{"3.7 another encoding", own(string(wide), claims(nil)), "token-malformed"},
		{"3.7 no UTF-8", own(hs, "{\"sub\":\"\xc0\xaf\"}"), "token-malformed"},
		{"3.8 another issuer", own(hs, claims(map[string]any{"iss": "https://evil"})), "token-issuer"},
		{"3.8 the issuer of another key", own(hs, claims(map[string]any{"iss": idp.URL})), "token-issuer"},
		{"3.8 another subject", foreign(map[string]any{"sub": "somebody"}), "token-subject"},
		{"3.9 another audience", own(hs, claims(map[string]any{"aud": "other-app"})), "token-audience"},
		{"3.9 no audience", own(hs, `{"iss":"https://me","sub":"x","exp":4102444800}`), "token-audience"},
		{"3.10 a kid that is a path", own(`{"alg":"HS256","kid":"../../../../dev/null"}`, claims(nil)), "token-unknown-key"},
		{"3.10 a kid that is SQL", own(`{"alg":"HS256","kid":"x' union select 'key"}`, claims(nil)), "token-unknown-key"},
		{"3.11 a logout token", own(`{"alg":"HS256","typ":"logout+jwt"}`, claims(nil)), "token-typ"},
		{"3.11 a security event", own(`{"alg":"HS256","typ":"application/secevent+jwt"}`, claims(nil)), "token-typ"},
		{"3.11 a logout token without a type", own(hs, claims(map[string]any{"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}})), "token-typ"},
		{"3.12 by the rules of another key", foreign(map[string]any{"iss": "https://me", "aud": "app", "sub": "alice"}), "token-issuer"},
	} {
		t.Run(x.section, func(t *testing.T) { refused(t, s, x.token, x.code) })
	}
}

// Sections 3.2, 3.4 and 3.5: keys that are weak or wrong count for nothing, wherever they come from.
func TestRFC8725Keys(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // that it is weak is the point
	if err != nil {
		t.Fatal(err)
	}
	short := &idptest.Key{ID: "short", Algorithm: "RS256", Private: weak}
	if got := place(second(New(section(config.Section{"jwt": map[string]any{"secret": nil, "publicKey": publicPEM(t, short)}})))); got != "requires.auth.jwt.publicKey" {
		t.Errorf("an RSA key of 1024 bits: error at %q", got)
	}
	j := short.JWK()
	b, err := j.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	y := new(big.Int).Sub(elliptic.P256().Params().Gy, big.NewInt(1)).FillBytes(make([]byte, 32))
	off := `{"kty":"EC","kid":"off","crv":"P-256","x":"` + b64(string(elliptic.P256().Params().Gx.FillBytes(make([]byte, 32)))) + `","y":"` + b64(string(y)) + `"}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"keys":[` + string(b) + `,` + off + `,{"kty":"EC","kid":"good","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`))
	}))
	defer server.Close()
	c := newClock()
	s := set(t, config.Section{"jwt": map[string]any{"jwksUrl": server.URL, "issuer": "https://me", "audience": "app", "insecureLoopback": true}}, c, server.Client())
	refused(t, s, short.Sign(t, valid(c.now(), nil), c.now()), "token-unknown-key")
	ec := idptest.NewKey(t, "ES256")
	ec.ID = "off"
	refused(t, s, ec.Sign(t, valid(c.now(), nil), c.now()), "token-unknown-key")
	ec.ID = "good"
	refused(t, s, ec.Sign(t, valid(c.now(), nil), c.now()), "token-signature")

	st, err := New(config.Section{"jwt": map[string]any{"secret": "password", "issuer": "i", "audience": "a"}})
	if err != nil {
		t.Fatal(err)
	}
	err = st.(*Strategy).Setup(t.Context(), &auth.Env{Now: time.Now, Log: slog.New(slog.DiscardHandler), Production: true, Files: os.DirFS(t.TempDir())})
	if got := place(err); got != "requires.auth.jwt.secret" {
		t.Errorf("a short secret in production: error at %q", got)
	}
}

func second(_ auth.Strategy, err error) error { return err }
