// Package token reads and verifies JSON Web Tokens (RFC 7519, 7515) for the strategies that know users by them: strict parsing, keys and key
// sets, claims, where a token is found in a request, and how its claims become a user.
//
// Nothing in a token is believed before Verify: the header only chooses among configured keys, and each key is bound to its algorithms.
package token

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// MaxLength is the longest token that is read, in bytes.
const MaxLength = 16 << 10

// A Header is the protected header of a token. Members that could smuggle in a key (jwk, jku, x5u, x5c) are never used;
// JKU is kept as text for strategies that compare it with their configuration.
type Header struct {
	Alg, Kid, Typ, JKU string
}

// A Token is a token that was read; its claims are not verified until Verifier.Verify said so.
type Token struct {
	Raw    string
	Header Header
	Claims Claims

	signed    string // what the signature is over: header and payload as they came
	signature []byte
}

// Parse reads a token in the compact form. It refuses, with an error that wraps auth.ErrCredentials: more than 16 KB, anything but three parts of
// strict base64url (no padding, no line breaks, no bits left over), JSON that is not strict (see decodeObject), encrypted tokens, critical extensions and
// detached payloads, a missing algorithm and "none", and registered claims of the wrong type.
func Parse(raw string) (*Token, error) {
	t, payload, err := parseJWS(raw)
	if err != nil {
		return nil, err
	}
	if t.Claims, err = ParseClaims(payload); err != nil {
		return nil, err
	}
	return t, nil
}

// parseJWS reads all but the claims, which it returns decoded from base64.
func parseJWS(raw string) (*Token, []byte, error) {
	if len(raw) > MaxLength {
		return nil, nil, refuse("token-too-long", "the token has more than %d bytes", MaxLength)
	}
	head, rest, _ := strings.Cut(raw, ".")
	body, sig, ok := strings.Cut(rest, ".")
	switch n := strings.Count(raw, "."); {
	case n == 4:
		return nil, nil, refuse("token-encrypted", "encrypted tokens (JWE) are not accepted")
	case !ok || n != 2:
		return nil, nil, refuse("token-malformed", "a token has three parts, this has %d", n+1)
	}
	header, err := decodePart("header", head)
	if err != nil {
		return nil, nil, err
	}
	t := &Token{Raw: raw, signed: raw[:len(head)+1+len(body)]}
	if err := t.Header.read(header); err != nil {
		return nil, nil, err
	}
	payload, err := decodePart("payload", body)
	if err != nil {
		return nil, nil, err
	}
	if t.signature, err = decodePart("signature", sig); err != nil {
		return nil, nil, err
	}
	if len(t.signature) == 0 {
		return nil, nil, refuse("token-signature", "the token is not signed")
	}
	return t, payload, nil
}

// Opaque reports whether a text can be a token of a kind that only its issuer understands (RFC 6750 section 2.1): anything but three parts.
func Opaque(raw string) bool {
	if raw == "" || len(raw) > MaxLength || strings.Count(raw, ".") == 2 {
		return false
	}
	return !strings.ContainsFunc(raw, func(r rune) bool {
		return !strings.ContainsRune("-._~+/=", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

var strict = base64.RawURLEncoding.Strict()

func decodePart(what, s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") { // the decoder would skip them
		return nil, refuse("token-malformed", "the %s has line breaks", what)
	}
	b, err := strict.DecodeString(s)
	if err != nil {
		return nil, refuse("token-malformed", "the %s is no strict base64url", what)
	}
	return b, nil
}

// read checks the header. Names that differ from a known member in case only are refused: another reader may take them for it.
func (h *Header) read(b []byte) error {
	m, err := decodeObject(b)
	if err != nil {
		return refuse("token-malformed", "the header is no strict JSON object: %v", err)
	}
	for name, v := range m {
		if err := exactName(name, "header", "alg", "kid", "typ", "jku", "crit", "b64", "enc"); err != nil {
			return err
		}
		switch name {
		case "alg", "kid", "typ", "jku":
			s, ok := v.(string)
			if !ok || !utf8.ValidString(s) {
				return refuse("token-malformed", "the header's %s is no text", name)
			}
			*map[string]*string{"alg": &h.Alg, "kid": &h.Kid, "typ": &h.Typ, "jku": &h.JKU}[name] = s
		case "crit":
			return refuse("token-critical", "critical header extensions are not accepted")
		case "b64":
			return refuse("token-critical", "unencoded payloads (b64) are not accepted")
		case "enc":
			return refuse("token-encrypted", "encrypted tokens (JWE) are not accepted")
		}
	}
	switch {
	case h.Alg == "":
		return refuse("token-algorithm", "the header names no algorithm")
	case strings.EqualFold(h.Alg, "none"):
		return refuse("token-algorithm", "unsigned tokens are not accepted")
	}
	return nil
}

func exactName(name, where string, known ...string) error {
	for _, k := range known {
		if name != k && strings.EqualFold(name, k) {
			return refuse("token-malformed", "the %s has a member that differs from %s in case only", where, k)
		}
	}
	return nil
}
