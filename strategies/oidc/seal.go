package oidc

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A sealer encrypts what is stored of sessions (AES-256-GCM), so that who reads the store has no tokens. Each text is bound to the id of its record: it
// cannot be moved to another one. The first key encrypts, all of them decrypt.
type sealer struct {
	keys []cipher.AEAD
}

// newSealer makes a sealer. Without keys it takes a random one, which ends with the process.
func newSealer(keys [][]byte) (*sealer, error) {
	if len(keys) == 0 {
		k := make([]byte, 32)
		_, _ = rand.Read(k) // never fails
		keys = [][]byte{k}
	}
	s := &sealer{}
	for _, k := range keys {
		block, err := aes.NewCipher(k)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, aead)
	}
	return s, nil
}

func (s *sealer) seal(id string, plain []byte) []byte {
	return s.keys[0].Seal(nil, nil, plain, []byte(id))
}

var errSealed = errors.New("it was encrypted with another key, or changed")

func (s *sealer) open(id string, sealed []byte) ([]byte, error) {
	for _, k := range s.keys {
		if b, err := k.Open(nil, nil, sealed, []byte(id)); err == nil {
			return b, nil
		}
	}
	return nil, errSealed
}

// newSecret returns a random value of 256 bits, as text that fits cookies and URLs.
func newSecret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// isSecret reports whether a text may be a value of newSecret.
func isSecret(s string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == 32
}

// digest is what is stored of a secret, or of a name of unknown length: with the store at hand the value cannot be found out. Issuer and client are part of it,
// so that of several strategies side by side none takes what was begun at another one.
func (s *Strategy) digest(kind, value string) string {
	sum := sha256.Sum256([]byte(s.cfg.issuer + "\x00" + s.cfg.clientID + "\x00" + value))
	return "oidc:" + kind + hex.EncodeToString(sum[:])
}

// cookieNames are the names of the two cookies: of the session, and of the browser that began a login.
type cookieNames struct {
	session, login string
	secure         bool
}

// namesFor returns the names. The prefix __Host- makes browsers refuse such a cookie unless it came by https from this very host. Over plain http, which is
// for development on the own machine, there is none; and since cookies don't tell ports apart, the names do. Another path of the pages makes other names.
func namesFor(plain bool, port, path string) cookieNames {
	prefix, suffix := "__Host-", ""
	if path != "/auth" {
		suffix = strings.ReplaceAll(path, "/", "-")
	}
	if plain {
		prefix = ""
		if port != "" {
			suffix += "-" + port
		}
	}
	return cookieNames{prefix + "cds-session" + suffix, prefix + "cds-login" + suffix, !plain}
}

// readCookie returns the value of a cookie; "" where it is not there, comes twice, or was not made by us.
func readCookie(r *http.Request, name string) string {
	list := r.CookiesNamed(name)
	if len(list) != 1 || !isSecret(list[0].Value) {
		return ""
	}
	return list[0].Value
}

// set writes a cookie. A life of 0 is until the browser ends, a negative one takes it away.
func (n cookieNames) set(w http.ResponseWriter, name, value string, life time.Duration) {
	c := &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, Secure: n.secure, SameSite: http.SameSiteLaxMode, MaxAge: int(life.Seconds())}
	if life < 0 {
		c.MaxAge = -1
	}
	set := w.Header()["Set-Cookie"]
	w.Header()["Set-Cookie"] = slices.DeleteFunc(set, func(s string) bool { return strings.HasPrefix(s, name+"=") })
	http.SetCookie(w, c)
}
