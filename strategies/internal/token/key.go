package token

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// A Key is one thing that tokens may be verified with, and what such tokens must say. Exactly one of Secret, Public and Set is there.
type Key struct {
	// Name says where the key is configured, such as requires.auth.jwt.keys[0]; for messages.
	Name string
	// Kid is the key's id. A Secret or Public without one answers to KeyID; a Set knows the ids of its keys.
	Kid string
	// Algorithms are those that tokens may be signed with by this key; empty means DefaultAlgorithms. A token's algorithm only ever picks
	// among them: a public key is never taken for a secret.
	Algorithms []string

	Secret []byte // HS256, HS384, HS512
	Public any    // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
	Set    *JWKS

	// Issuer lists the accepted values of iss; Audience those of aud, of which a token must name one. Empty refuses every token unless NoIssuer or
	// NoAudience say that nothing is expected.
	Issuer, Audience     []string
	NoIssuer, NoAudience bool
	Subject              string // the only accepted sub, "" for any
	NoExp                bool   // tokens may lack exp; it counts where it is there

	// Audiences tells the audiences of a token where they are not just aud.
	Audiences func(Claims) []string
	// IssuerOK decides about iss instead of Issuer.
	IssuerOK func(iss string) bool
	// Types are the accepted header types (typ), compared without case and without "application/". nil means none, JWT and at+jwt.
	Types []string
}

// minRSA is the shortest RSA key that is used (RFC 7518 section 3.3).
const minRSA = 2048

// maxRSA bounds the work of a verification.
const maxRSA = 8192

// DefaultAlgorithms returns the algorithms of a key that names none: HS256 for a secret, RS256 and PS256, ES256, ES384 or EdDSA by the type of a
// public key, and all of these but HS256 for a set. nil for a key that has to name them, such as one on the curve P-521.
func DefaultAlgorithms(secret []byte, public any) []string {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return []string{"RS256", "PS256"}
	case *ecdsa.PublicKey:
		switch k.Curve.Params().BitSize {
		case 256:
			return []string{"ES256"}
		case 384:
			return []string{"ES384"}
		}
		return nil
	case ed25519.PublicKey:
		return []string{"EdDSA"}
	}
	if secret != nil {
		return []string{"HS256"}
	}
	return []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"}
}

// Known reports whether an algorithm is one that keys may be bound to.
func Known(alg string) bool {
	return slices.Contains([]string{"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}, alg)
}

// Symmetric reports whether an algorithm needs a shared secret.
func Symmetric(alg string) bool { return strings.HasPrefix(alg, "HS") }

// CheckKey says why a public key or a secret ([]byte) can't verify an algorithm: another type of key, another curve, an RSA key that is too
// short. nil if it can.
func CheckKey(alg string, key any) error {
	switch k := key.(type) {
	case []byte:
		if Symmetric(alg) && len(k) > 0 {
			return nil
		}
	case *rsa.PublicKey:
		if err := checkRSA(k); err != nil {
			return err
		}
		if strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS") {
			return nil
		}
	case *ecdsa.PublicKey:
		if want := map[string]int{"ES256": 256, "ES384": 384, "ES512": 521}[alg]; want == k.Curve.Params().BitSize {
			return nil
		}
	case ed25519.PublicKey:
		if alg == "EdDSA" && len(k) == ed25519.PublicKeySize {
			return nil
		}
	}
	return fmt.Errorf("%s does not fit the type of the key", alg)
}

// CheckPublic says why an RSA key from the configuration must not be used: its length, its exponent, or the faulty generator that made it.
func CheckPublic(k *rsa.PublicKey) error {
	if err := checkRSA(k); err != nil {
		return err
	}
	if weakPrimes(k.N) {
		return errors.New("an RSA key of a faulty generator")
	}
	return nil
}

// checkRSA refuses RSA keys that are short, long or have an exponent that is none.
func checkRSA(k *rsa.PublicKey) error {
	switch {
	case k.N.BitLen() < minRSA:
		return fmt.Errorf("an RSA key of %d bits, at least %d are needed", k.N.BitLen(), minRSA)
	case k.N.BitLen() > maxRSA:
		return fmt.Errorf("an RSA key of more than %d bits", maxRSA)
	case k.E < 3 || k.E&1 == 0:
		return errors.New("an RSA key with a bad exponent")
	}
	return nil
}

// KeyID returns the id of a static key that was given none: the first 16 hex digits of the SHA-256 of the secret, or of the PEM text that a public
// key was read from.
func KeyID(material []byte) string {
	sum := sha256.Sum256(material)
	return hex.EncodeToString(sum[:8])
}

func (k *Key) algorithms() []string {
	if len(k.Algorithms) > 0 {
		return k.Algorithms
	}
	return DefaultAlgorithms(k.Secret, k.Public)
}

// material returns what verifies a token with this header.
func (k *Key) material(ctx context.Context, h Header) (any, error) {
	switch {
	case k.Set != nil:
		return k.Set.Key(ctx, h.Kid, h.Alg)
	case k.Secret != nil:
		return k.Secret, nil
	}
	return k.Public, nil
}

// verifySignature checks a signature with one key. The algorithm is the one of the header, which must be among those that the key is bound to.
func verifySignature(t *Token, allowed []string, key any) error {
	alg := t.Header.Alg
	if !slices.Contains(allowed, alg) || !Known(alg) {
		return refuse("token-algorithm", "algorithm %.20q; the key accepts %s", alg, strings.Join(allowed, ", "))
	}
	if err := CheckKey(alg, key); err != nil {
		return refuse("token-algorithm", "%v", err)
	}
	method := jwt.GetSigningMethod(alg)
	if pss, ok := method.(*jwt.SigningMethodRSAPSS); ok { // the library takes salts of any length
		exact := *pss
		exact.VerifyOptions = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
		method = &exact
	}
	if err := method.Verify(t.signed, t.signature, key); err != nil {
		return refuse("token-signature", "the signature does not fit the key")
	}
	return nil
}
