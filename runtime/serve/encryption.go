package serve

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"cds/parser/csn"
	"cds/runtime/config"
	"cds/runtime/crypt"
)

// KeysOf reads the keys for elements with @encrypted from the section encryption of the configuration:
//
//	keys        list of {kid, key}: the first one encrypts, all of them decrypt. key has 32 bytes, in base64 or hexadecimal
//	key         the short form of one key, with the kid 1
//	allowPlain  values that are not encrypted are read as they are, while data are migrated (false)
//
// They may stand in requires.encryption.credentials as well, where services that are bound go. The Ring is nil if there are none. Errors are *config.Error, without the keys.
func KeysOf(cfg *config.Config) (*crypt.Ring, error) {
	const place = "encryption"
	sec := cfg.Sub(place)
	for _, k := range sec.Keys() {
		if !slices.Contains([]string{"keys", "key", "allowPlain"}, k) {
			return nil, keyError(place+"."+k, "is not known", "known keys: keys, key, allowPlain")
		}
	}
	allow, err := allowPlain(sec)
	if err != nil {
		return nil, err
	}
	at := place
	if _, ok := sec.Get("keys"); !ok && sec.Str("key") == "" {
		bound := cfg.Sub("requires.encryption.credentials")
		if bound == nil {
			return nil, nil
		}
		sec, at = bound, "requires.encryption.credentials"
	}
	keys, err := keyList(sec, at)
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	r, err := crypt.New(keys, crypt.Options{AllowPlain: allow})
	if err != nil {
		return nil, keyError(at, err.Error(), keyHint)
	}
	return r, nil
}

const keyHint = "cds add encryption writes a new key; openssl rand -base64 32 makes one, too"

func keyError(place, message, hint string) error {
	return &config.Error{Code: "config-bad-value", Place: place, Message: message, Hint: hint}
}

func allowPlain(sec config.Section) (bool, error) {
	v, ok := sec.Get("allowPlain")
	if !ok {
		return false, nil
	}
	if t := fmt.Sprint(v); t != "true" && t != "false" {
		return false, keyError("encryption.allowPlain", "is neither true nor false", "it is for the time of a migration only")
	}
	return sec.Bool("allowPlain", false), nil
}

func keyList(sec config.Section, at string) ([]crypt.Key, error) {
	v, listed := sec.Get("keys")
	if !listed {
		one, err := decodeKey(sec.Str("key"), at+".key")
		return []crypt.Key{{ID: "1", Secret: one}}, err
	}
	if sec.Str("key") != "" {
		return nil, keyError(at, "has key and keys", "put all keys into keys, the one that encrypts first")
	}
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return nil, keyError(at+".keys", "is no list of keys", `such as [{"kid": "2025", "key": "…"}]`)
	}
	out := make([]crypt.Key, len(list))
	for i, x := range list {
		place := fmt.Sprintf("%s.keys[%d]", at, i)
		m, ok := x.(map[string]any)
		if !ok {
			return nil, keyError(place, "is no key", `such as {"kid": "2025", "key": "…"}`)
		}
		k := config.Section(m)
		for _, name := range k.Keys() {
			if name != "kid" && name != "key" {
				return nil, keyError(place+"."+name, "is not known", "a key has kid and key")
			}
		}
		secret, err := decodeKey(k.Str("key"), place+".key")
		if err != nil {
			return nil, err
		}
		out[i] = crypt.Key{ID: k.Str("kid"), Secret: secret}
	}
	return out, nil
}

// decodeKey reads base64 of either alphabet, padded or not, or hexadecimal digits.
func decodeKey(s, place string) ([]byte, error) {
	s = strings.TrimSpace(s)
	if b, err := hex.DecodeString(s); err == nil && len(b) == crypt.KeyLength {
		return b, nil
	}
	plain := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(s, "="))
	if b, err := base64.RawStdEncoding.Strict().DecodeString(plain); err == nil && len(b) == crypt.KeyLength {
		return b, nil
	}
	return nil, keyError(place, fmt.Sprintf("is no key: %d bytes in base64 or hexadecimal are expected", crypt.KeyLength), keyHint)
}

// needKeys reports a model with encrypted elements where no key is configured.
func needKeys(m *csn.Model, r *crypt.Ring) error {
	el := crypt.Needs(m)
	if el == nil || r != nil {
		return nil
	}
	where := ""
	if m.Files != nil && el.Span.Valid() {
		p := m.Files.Position(el.Span)
		where = fmt.Sprintf(" (%s:%d:%d)", p.File, p.Line, p.Col)
	}
	return &StartError{"encryption-no-key", el.Owner.Name + "." + el.Name + where + " has @encrypted, and there is no key",
		"cds add encryption writes one into .cdsrc-private.json; elsewhere set encryption.keys, as CDS_ENCRYPTION_KEYS='[{\"kid\":\"2025\",\"key\":\"…\"}]'"}
}
