package jwt

import (
	"strings"
	"testing"
	"time"

	"cds/runtime/config"
	"cds/strategies/internal/idptest"
)

func TestExplain(t *testing.T) {
	c, idp := newClock(), idptest.New(t)
	rsa := idptest.NewKey(t, "RS256")
	s := set(t, config.Section{
		"jwt": map[string]any{"secret": secret, "issuer": "https://me", "audience": "app", "insecureLoopback": true, "keys": []any{
			map[string]any{"publicKey": publicPEM(t, rsa), "kid": "rsa"}, map[string]any{"jwksUrl": idp.JWKS(), "issuer": idp.URL},
		}},
	}, c, idp.Client)
	for _, x := range []struct {
		name, token string
		want        []string // in this order, among the lines
	}{
		{"accepted", idptest.HS256(t, secret, valid(c.now(), map[string]any{"roles": []string{"admin"}, "country": "DE"})), []string{
			`header: alg "HS256", no kid, typ "JWT"`, `claims: iss "https://me", sub "alice", aud ["app"], exp 2026-11-21T13:00:00Z (in 1h0m0s)`,
			`requires.auth.jwt.secret (secret, HS256, kid `, `: accepts the token`, `requires.auth.jwt.keys[0] (rsa.PublicKey, RS256 PS256, kid rsa): algorithm "HS256"; the key accepts RS256, PS256 [token-algorithm]`,
			`requires.auth.jwt.keys[1] (http://127.0.0.1:`, `not asked: the token names no key (kid)`, `accepted: user "alice", roles: admin; attributes: aud, country, exp, iss, roles, sub`,
		}},
		{"with Bearer", "Bearer " + idptest.HS256(t, secret, valid(c.now(), nil)), []string{`accepted: user "alice"`}},
		{"audience", idptest.HS256(t, secret, valid(c.now(), map[string]any{"aud": "shop"})), []string{
			`requires.auth.jwt.secret`, `the audience (aud) is ["shop"], expected: app [token-audience]`, `refused: the audience (aud)`, `hint: compare aud with requires.auth.jwt.audience`,
		}},
		{"expired", idptest.HS256(t, secret, valid(c.now(), map[string]any{"exp": c.now().Add(-time.Hour).Unix()})), []string{`(1h0m0s ago)`, `refused: the token expired at 2026-11-21T11:00:00Z [token-expired]`}},
		{"unknown kid", idp.Key().SignRaw(t, `{"alg":"ES256","kid":"zz"}`, `{"iss":"https://me"}`), []string{
			`not asked: the token names another key (kid)`, `has no key with the kid "zz" [token-unknown-key]`, `hint: the kid of the header`,
		}},
		{"malformed", "a.b", []string{`the token is not read: a token has three parts, this has 2 [token-malformed]`}},
		{"no user", idptest.HS256(t, secret, valid(c.now(), map[string]any{"sub": nil})), []string{`accepts the token`, `refused: the token names no user (claims looked at: sub) [token-claim]`}},
	} {
		t.Run(x.name, func(t *testing.T) {
			lines, u, err := s.Explain(t.Context(), x.token)
			text := strings.Join(lines, "\n")
			rest := text
			for _, w := range x.want {
				i := strings.Index(rest, w)
				if i < 0 {
					t.Fatalf("%q is missing, or out of order, in\n%s", w, text)
				}
				rest = rest[i+len(w):]
			}
			if (u == nil) == (err == nil) || strings.Contains(text, secret) {
				t.Errorf("user %v, error %v\n%s", u, err, text)
			}
		})
	}
}
