package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// A SigningKey makes tokens. Exactly one of Secret and Private is there.
type SigningKey struct {
	Kid string // the key's id, named in the header; "" for none
	// Algorithm is HS256, HS384 or HS512 for a secret, else RS256…, PS256…, ES256… or EdDSA; "" picks HS256, RS256, the one of the curve, or EdDSA.
	Algorithm string
	Secret    Secret        // at least 32 bytes are wise
	Private   crypto.Signer // *rsa.PrivateKey, *ecdsa.PrivateKey or ed25519.PrivateKey
	Type      string        // of the token (typ), "" for JWT
}

// Sign makes a token with the claims, and iat and exp by the time and how long it shall count; those in claims win. Errors: a key
// that does not fit the algorithm, a time to live that is not positive, claims that can't be written as JSON.
func Sign(key SigningKey, claims map[string]any, now time.Time, ttl time.Duration) (string, error) {
	if ttl <= 0 {
		return "", errors.New("a token has to count for some time")
	}
	material, alg, err := key.material()
	if err != nil {
		return "", err
	}
	method := jwt.GetSigningMethod(alg)
	if method == nil || alg == "none" {
		return "", fmt.Errorf("algorithm %.20q is unknown", alg)
	}
	all := jwt.MapClaims{"iat": now.Unix(), "exp": now.Add(ttl).Unix()}
	maps.Copy(all, claims)
	t := jwt.NewWithClaims(method, all)
	if key.Type != "" {
		t.Header["typ"] = key.Type
	}
	if key.Kid != "" {
		t.Header["kid"] = key.Kid
	}
	return t.SignedString(material)
}

// material returns what the library signs with, and the algorithm.
func (k SigningKey) material() (any, string, error) {
	alg := k.Algorithm
	fits := func(def string, families ...string) (string, error) {
		if alg == "" {
			return def, nil
		}
		for _, f := range families {
			if strings.HasPrefix(alg, f) {
				return alg, nil
			}
		}
		return "", fmt.Errorf("algorithm %.20q does not fit the key", alg)
	}
	var err error
	switch p := k.Private.(type) {
	case nil:
		if k.Secret == "" {
			return nil, "", errors.New("no key to sign with")
		}
		alg, err = fits("HS256", "HS")
		return []byte(k.Secret), alg, err
	case *rsa.PrivateKey:
		alg, err = fits("RS256", "RS", "PS")
	case *ecdsa.PrivateKey:
		byCurve := map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[p.Curve.Params().BitSize]
		alg, err = fits(byCurve, byCurve)
	case ed25519.PrivateKey:
		alg, err = fits("EdDSA", "EdDSA")
	default:
		err = fmt.Errorf("keys of the type %T can't sign", p)
	}
	if err == nil && k.Secret != "" {
		err = errors.New("both a secret and a private key")
	}
	return k.Private, alg, err
}
