// Package crypt encrypts and hashes the values of elements: what @encrypted and @hash on an element ask for.
//
// An encrypted value is kept as one text,
//
//	cds1.r.<kid>.<nonce, ciphertext and tag in base64url>      random
//	cds1.d.<kid>.<SIV and ciphertext in base64url>             deterministic
//
// which names the key that it was made with. Each column has keys of its own, derived from the configured one (HKDF-SHA-256), and the column's name
// is authenticated with the value: a value that was moved to another column, or changed, is refused.
//
// The random form is AES-256-GCM with a random nonce. The deterministic one gives equal texts for equal values, so that they can be found: its synthetic IV
// is HMAC-SHA-256 over column and value, cut to 128 bits, and the value is encrypted by AES-256-CTR from there; a value whose IV does not come out again
// is refused (the SIV construction of Rogaway and Shrimpton, as in RFC 5297, with HMAC as its PRF). What it tells is which rows have equal values, and nothing else but lengths.
package crypt

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strings"
	"sync"

	"cds/parser/csn"
)

// KeyLength is the length of a key in bytes.
const KeyLength = 32

// A Key is one of the keys that are configured. ID stands in each value that was encrypted with it.
type Key struct {
	ID     string
	Secret []byte // KeyLength bytes
}

// String and GoString keep the key out of logs.
func (k Key) String() string { return "key " + k.ID }

// GoString is String.
func (k Key) GoString() string { return k.String() }

// A Ring has the keys of an application. The first one encrypts; all of them decrypt. It is safe for concurrent use.
type Ring struct {
	keys  []Key
	plain bool
}

// Options change what a Ring accepts.
type Options struct {
	// AllowPlain reads values that are not encrypted as they are, while the data of a table are being migrated. Without it they are refused: whoever
	// could write to the database could put values of his own there.
	AllowPlain bool
}

// New makes a Ring. Errors: no key, a key of another length than KeyLength, two keys with one id, an id with other characters than letters, digits, - and _.
func New(keys []Key, opt Options) (*Ring, error) {
	if len(keys) == 0 {
		return nil, errors.New("there is no key")
	}
	seen := map[string]bool{}
	for i, k := range keys {
		switch {
		case !validID(k.ID):
			return nil, fmt.Errorf("keys[%d]: the id of a key is 1 to 32 letters, digits, - and _", i)
		case seen[k.ID]:
			return nil, fmt.Errorf("keys[%d]: the id %q is there twice", i, k.ID)
		case len(k.Secret) != KeyLength:
			return nil, fmt.Errorf("keys[%d] (%s): a key has %d bytes, this one has %d", i, k.ID, KeyLength, len(k.Secret))
		}
		seen[k.ID] = true
	}
	return &Ring{keys: keys, plain: opt.AllowPlain}, nil
}

func validID(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

// Active returns the id of the key that encrypts.
func (r *Ring) Active() string { return r.keys[0].ID }

// IDs returns the ids of all keys, the active one first.
func (r *Ring) IDs() []string {
	out := make([]string, len(r.keys))
	for i, k := range r.keys {
		out[i] = k.ID
	}
	return out
}

// A Column encrypts and decrypts the values of one column of a table.
type Column struct {
	name          string
	deterministic bool
	plain         bool
	keys          []columnKey // in the order of the ring
}

// A columnKey is what was derived from one key for one column.
type columnKey struct {
	prefix []byte // of values: cds1.r.<kid>.
	data   []byte // that is authenticated with them
	aead   cipher.AEAD
	block  cipher.Block
	macs   *sync.Pool // of hash.Hash
}

// Column derives the keys of a column. It costs some hashing: keep it.
func (r *Ring) Column(s *csn.Seal) (*Column, error) {
	c := &Column{name: s.Column, deterministic: s.Kind == csn.SealDeterministic, plain: r.plain}
	if s.Kind != csn.SealRandom && s.Kind != csn.SealDeterministic {
		return nil, fmt.Errorf("%s is not encrypted", s.Column)
	}
	for _, k := range r.keys {
		ck, err := derive(k, s.Column, c.deterministic)
		if err != nil {
			return nil, err
		}
		c.keys = append(c.keys, ck)
	}
	return c, nil
}

func derive(k Key, column string, deterministic bool) (columnKey, error) {
	mode := "r"
	if deterministic {
		mode = "d"
	}
	prefix := version + mode + "." + k.ID + "."
	ck := columnKey{prefix: []byte(prefix), data: []byte(prefix + column)}
	sub := func(use string) ([]byte, error) {
		return hkdf.Key(sha256.New, k.Secret, nil, "cds @encrypted "+use+" "+column, KeyLength)
	}
	enc, err := sub("data " + mode)
	if err != nil {
		return ck, err
	}
	if ck.block, err = aes.NewCipher(enc); err != nil {
		return ck, err
	}
	if deterministic {
		mac, err := sub("siv")
		ck.macs = &sync.Pool{New: func() any { return hmac.New(sha256.New, mac) }}
		return ck, err
	}
	ck.aead, err = cipher.NewGCM(ck.block)
	return ck, err
}

const version = "cds1."

var b64 = base64.RawURLEncoding.Strict()

// Seal appends a value, encrypted with the active key.
func (c *Column) Seal(dst, plain []byte) []byte { return c.keys[0].seal(dst, plain) }

// SealAll returns a value as each key encrypts it: what a stored value may equal. Only deterministic columns have that.
func (c *Column) SealAll(plain []byte) []string {
	if !c.deterministic {
		return nil
	}
	out := make([]string, len(c.keys), len(c.keys)+1)
	for i := range c.keys {
		out[i] = string(c.keys[i].seal(nil, plain))
	}
	if c.plain {
		out = append(out, string(plain))
	}
	return out
}

func (k *columnKey) seal(dst, plain []byte) []byte {
	var raw []byte
	if k.aead != nil {
		raw = make([]byte, k.aead.NonceSize(), k.aead.NonceSize()+len(plain)+k.aead.Overhead())
		_, _ = rand.Read(raw) // never fails
		raw = k.aead.Seal(raw, raw, plain, k.data)
	} else {
		raw = append(make([]byte, sivLength, sivLength+len(plain)), plain...)
		siv := k.siv(plain)
		copy(raw, siv[:])
		cipher.NewCTR(k.block, raw[:sivLength]).XORKeyStream(raw[sivLength:], raw[sivLength:])
	}
	return b64.AppendEncode(append(dst, k.prefix...), raw)
}

const sivLength = aes.BlockSize

// siv is the synthetic IV of a value. The length ahead keeps apart what is hashed.
func (k *columnKey) siv(plain []byte) (out [sivLength]byte) {
	h := k.macs.Get().(hash.Hash)
	h.Reset()
	n := uint32(len(k.data))
	var sum [sha256.Size]byte
	copy(sum[:], []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	h.Write(sum[:4])
	h.Write(k.data)
	h.Write(plain)
	copy(out[:], h.Sum(sum[:0]))
	k.macs.Put(h)
	return out
}

// Errors of Open. None of them says anything about the value.
var (
	ErrPlain   = errors.New("the stored value is not encrypted")
	ErrKey     = errors.New("the stored value was encrypted with a key that is not configured")
	ErrInvalid = errors.New("the stored value does not decrypt: it was changed, moved from elsewhere, or encrypted with another key of that id")
)

// Open appends the plain value of a stored one. Errors: ErrPlain, ErrKey and ErrInvalid, wrapped with the column and the id of the key, if it has one.
func (c *Column) Open(dst, stored []byte) ([]byte, error) {
	var room []byte
	return c.OpenWith(dst, stored, &room)
}

// OpenWith is Open with room that is used again for the next value.
func (c *Column) OpenWith(dst, stored []byte, room *[]byte) ([]byte, error) {
	for i := range c.keys {
		if k := &c.keys[i]; bytes.HasPrefix(stored, k.prefix) {
			out, ok := k.open(dst, stored[len(k.prefix):], room)
			if !ok {
				return dst, fmt.Errorf("%s, key %s: %w", c.name, k.id(), ErrInvalid)
			}
			return out, nil
		}
	}
	mode, kid, ok := split(stored)
	switch {
	case !ok && c.plain:
		return append(dst, stored...), nil
	case !ok:
		return dst, fmt.Errorf("%s: %w", c.name, ErrPlain)
	case mode != "r" && mode != "d" || (mode == "d") != c.deterministic:
		return dst, fmt.Errorf("%s, key %s: %w", c.name, kid, ErrInvalid)
	}
	return dst, fmt.Errorf("%s, key %s: %w", c.name, kid, ErrKey)
}

// id is the key's, out of the prefix.
func (k *columnKey) id() string { return string(k.prefix[len(version)+2 : len(k.prefix)-1]) }

func (k *columnKey) open(dst, body []byte, room *[]byte) ([]byte, bool) {
	raw, err := b64.AppendDecode((*room)[:0], body)
	*room = raw
	if err != nil || bytes.ContainsAny(body, "\r\n") { // which the decoder passes over
		return nil, false
	}
	if k.aead != nil {
		n := k.aead.NonceSize()
		if len(raw) < n+k.aead.Overhead() {
			return nil, false
		}
		out, err := k.aead.Open(dst, raw[:n], raw[n:], k.data)
		return out, err == nil
	}
	if len(raw) < sivLength {
		return nil, false
	}
	cipher.NewCTR(k.block, raw[:sivLength]).XORKeyStream(raw[sivLength:], raw[sivLength:])
	if siv := k.siv(raw[sivLength:]); !hmac.Equal(raw[:sivLength], siv[:]) {
		return nil, false
	}
	return append(dst, raw[sivLength:]...), true
}

// split takes the head of a stored value apart: cds1.<mode>.<kid>.<body>. ok is false for what has not that form.
func split(stored []byte) (mode, kid string, ok bool) {
	s := string(stored[:min(len(stored), len(version)+2+33)]) // what names the key is short
	rest, ok := strings.CutPrefix(s, version)
	if !ok {
		return "", "", false
	}
	mode, rest, ok = strings.Cut(rest, ".")
	if !ok || len(mode) != 1 {
		return "", "", false
	}
	kid, _, ok = strings.Cut(rest, ".")
	return mode, kid, ok && validID(kid)
}

// State tells about a stored value: the id of its key, "" for one that is not encrypted; and whether it is as Seal would make it now.
func (c *Column) State(stored []byte) (kid string, current bool) {
	_, kid, ok := split(stored)
	if !ok {
		return "", false
	}
	return kid, bytes.HasPrefix(stored, c.keys[0].prefix)
}

// Samples returns a Ring with a key that everybody knows, for tools that fill a database in memory with samples: nothing that is kept may be encrypted with it.
func Samples() *Ring {
	return &Ring{keys: []Key{{ID: "samples", Secret: []byte("a key for samples, known to all 32")[:KeyLength]}}}
}
