package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestSign(t *testing.T) {
	now := time.Unix(1_795_262_400, 0)
	ec := func(c elliptic.Curve) *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const secret = "0123456789abcdef0123456789abcdef"
	for _, c := range []struct {
		key    SigningKey
		verify any
		alg    string // "": an error
	}{
		{SigningKey{Secret: secret}, []byte(secret), "HS256"},
		{SigningKey{Secret: secret, Algorithm: "HS512", Kid: "k", Type: "at+jwt"}, []byte(secret), "HS512"},
		{SigningKey{Private: r}, &r.PublicKey, "RS256"},
		{SigningKey{Private: r, Algorithm: "PS384"}, &r.PublicKey, "PS384"},
		{SigningKey{Private: ec(elliptic.P256())}, nil, "ES256"},
		{SigningKey{Private: ec(elliptic.P521())}, nil, "ES512"},
		{SigningKey{Private: ed}, ed.Public(), "EdDSA"},
		{SigningKey{}, nil, ""},
		{SigningKey{Secret: secret, Algorithm: "none"}, nil, ""},
		{SigningKey{Secret: secret, Algorithm: "RS256"}, nil, ""},
		{SigningKey{Secret: secret, Algorithm: "HS1024"}, nil, ""},
		{SigningKey{Secret: secret, Private: ed}, nil, ""},
		{SigningKey{Private: r, Algorithm: "HS256"}, nil, ""},
		{SigningKey{Private: ec(elliptic.P256()), Algorithm: "ES384"}, nil, ""},
		{SigningKey{Private: ec(elliptic.P224())}, nil, ""},
		{SigningKey{Private: ed, Algorithm: "ES256"}, nil, ""},
	} {
		token, err := Sign(c.key, map[string]any{"sub": "x"}, now, time.Hour)
		if (err == nil) != (c.alg != "") {
			t.Errorf("%s: %v", c.alg, err)
			continue
		}
		if err != nil {
			if token != "" || strings.Contains(err.Error(), secret) {
				t.Errorf("%q, %v", token, err)
			}
			continue
		}
		if c.verify == nil {
			c.verify = c.key.Private.Public()
		}
		parsed, err := jwt.Parse(token, func(*jwt.Token) (any, error) { return c.verify, nil }, jwt.WithTimeFunc(func() time.Time { return now }), jwt.WithValidMethods([]string{c.alg}))
		if err != nil {
			t.Errorf("%s: %v", c.alg, err)
			continue
		}
		typ, kid := "JWT", any(nil)
		if c.key.Type != "" {
			typ, kid = c.key.Type, c.key.Kid
		}
		if parsed.Header["typ"] != typ || parsed.Header["kid"] != kid {
			t.Errorf("%s: header %v", c.alg, parsed.Header)
		}
		want := jwt.MapClaims{"sub": "x", "iat": 1_795_262_400.0, "exp": 1_795_266_000.0}
		if got := parsed.Claims.(jwt.MapClaims); !maps.Equal(got, want) {
			t.Errorf("%s: claims %v", c.alg, got)
		}
	}
	for _, ttl := range []time.Duration{0, -time.Hour} {
		if _, err := Sign(SigningKey{Secret: secret}, nil, now, ttl); err == nil {
			t.Errorf("a token that counts for %v", ttl)
		}
	}
	if _, err := Sign(SigningKey{Secret: secret}, map[string]any{"x": make(chan int)}, now, time.Hour); err == nil {
		t.Error("claims that are no JSON")
	}
	token, err := Sign(SigningKey{Secret: secret}, map[string]any{"exp": 5, "iat": 4}, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1]); string(b) != `{"exp":5,"iat":4}` {
		t.Errorf("own claims do not win: %s", b)
	}
}

func TestSecret(t *testing.T) {
	type holder struct{ Key Secret }
	h := holder{"sEcReT"}
	b, err := json.Marshal(h)
	if err != nil || string(b) != `{"Key":"***"}` {
		t.Errorf("%s, %v", b, err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", h.Key, "holder", h, "pointer", &h)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", h.Key, "holder", h, "pointer", &h)
	for _, f := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		log.WriteString(fmt.Sprintf(f, h) + fmt.Sprintf(f, &h) + fmt.Sprintf(f, h.Key))
	}
	if strings.Contains(log.String(), "sEcReT") || strings.Contains(log.String(), "734563") {
		t.Error(log.String())
	}
	if (Secret("")).String() != "" || string(h.Key) != "sEcReT" {
		t.Error("the text itself")
	}
}
