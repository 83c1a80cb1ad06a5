package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// A keySet is a parsed key set: only keys that may verify something.
type keySet struct {
	keys    []setKey
	skipped int // keys of kinds that are not used
}

type setKey struct {
	kid, alg string // alg "" means every algorithm that fits the key
	key      any
}

// find returns the key with an id that fits an algorithm. known tells whether there is one with that id at all.
func (s *keySet) find(kid, alg string) (key any, known bool) {
	if kid == "" {
		return nil, false
	}
	for _, k := range s.keys {
		if k.kid != kid {
			continue
		}
		known = true
		if !k.fits(alg) || key != nil && sameKey(k.key, key) {
			continue
		}
		if key != nil { // which one is meant can't be known
			return nil, true
		}
		key = k.key
	}
	return key, known
}

// fits reports whether a key may verify an algorithm. A secret has to be as long as the digest at least (RFC 7518 section 3.2).
func (k setKey) fits(alg string) bool {
	if secret, ok := k.key.([]byte); ok && len(secret) < map[string]int{"HS256": 32, "HS384": 48, "HS512": 64}[alg] {
		return false
	}
	return (k.alg == "" || k.alg == alg) && CheckKey(alg, k.key) == nil
}

// contains reports whether every key of another set is in this one too, for the same algorithms.
func (s *keySet) contains(other *keySet) bool {
	for _, k := range other.keys {
		if !slices.ContainsFunc(s.keys, func(o setKey) bool { return o.kid == k.kid && o.alg == k.alg && sameKey(o.key, k.key) }) {
			return false
		}
	}
	return true
}

func sameKey(a, b any) bool {
	if secret, ok := a.([]byte); ok {
		other, ok := b.([]byte)
		return ok && subtle.ConstantTimeCompare(secret, other) == 1
	}
	public, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(b)
}

// parseSet reads a key set (RFC 7517 section 5). Keys that are not for verifying signatures, or that are not understood, are left out, as the
// RFC wants; a set without any usable key is an error, so that it never replaces one that works. Secrets count only in files.
func parseSet(b []byte, maxKeys int, secrets bool) (*keySet, error) {
	m, err := decodeObject(b)
	if err != nil {
		return nil, fmt.Errorf("no key set: %w", err)
	}
	list, ok := m["keys"].([]any)
	if !ok {
		return nil, errors.New("no key set: it has no list keys")
	}
	if len(list) > maxKeys {
		return nil, fmt.Errorf("%d keys, more than %d", len(list), maxKeys)
	}
	set := &keySet{}
	for _, v := range list {
		k, err := parseJWK(v, secrets)
		if err != nil {
			set.skipped++
			continue
		}
		set.keys = append(set.keys, k)
	}
	if len(set.keys) == 0 {
		return nil, fmt.Errorf("no usable key among %d", len(list))
	}
	return set, set.pure()
}

// pure refuses a set of secrets and public keys: whoever may read such a file knows the secrets.
func (s *keySet) pure() error {
	_, first := s.keys[0].key.([]byte)
	for _, k := range s.keys {
		if _, secret := k.key.([]byte); secret != first {
			return errors.New("secrets and public keys in one set")
		}
	}
	return nil
}

func parseJWK(v any, secrets bool) (setKey, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return setKey{}, errors.New("no object")
	}
	if err := verifies(m); err != nil {
		return setKey{}, err
	}
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth"} {
		if _, ok := m[private]; ok {
			return setKey{}, errors.New("a private key")
		}
	}
	// What certificates say is not asked: go-jose would check that they fit, and refuse keys for their sake.
	plain := map[string]any{}
	for _, name := range []string{"kty", "kid", "alg", "crv", "x", "y", "n", "e", "k"} {
		if v, ok := m[name]; ok {
			plain[name] = v
		}
	}
	b, err := json.Marshal(plain)
	if err != nil {
		return setKey{}, err
	}
	var k jose.JSONWebKey
	if err := k.UnmarshalJSON(b); err != nil {
		return setKey{}, err
	}
	out := setKey{kid: k.KeyID, alg: k.Algorithm, key: k.Key}
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		if err := checkRSA(key); err != nil {
			return setKey{}, err
		}
		if weakPrimes(key.N) {
			return setKey{}, errors.New("an RSA key of a faulty generator")
		}
	case *ecdsa.PublicKey, ed25519.PublicKey:
	case []byte:
		if !secrets {
			return setKey{}, errors.New("a secret")
		}
	default:
		return setKey{}, errors.New("another kind of key")
	}
	if out.alg != "" && (!Known(out.alg) || !out.fits(out.alg)) {
		return setKey{}, errors.New("the algorithm does not fit the key")
	}
	return out, nil
}

// verifies checks use and key_ops: both may be missing; what is there must allow signatures to be verified.
func verifies(m map[string]any) error {
	if use, ok := m["use"]; ok && use != "sig" {
		return errors.New("a key for another use")
	}
	ops, ok := m["key_ops"]
	if !ok {
		return nil
	}
	list, _ := texts(ops)
	for _, op := range list {
		if op == "verify" {
			return nil
		}
	}
	return errors.New("a key for other operations")
}
