package db

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
)

// MinRowSecret is the least length of the secret of a RowKey, in bytes.
const MinRowSecret = 32

// A RowKey signs what a session tells a database with row-level security about its user. The database checks the signature before it believes a word of it:
// settings of a session can be changed by any SQL, so they prove nothing by themselves.
type RowKey struct{ key [sha256.Size]byte }

// NewRowKey makes the key from a secret of at least MinRowSecret bytes.
func NewRowKey(secret string) (*RowKey, error) {
	if len(secret) < MinRowSecret {
		return nil, errors.New("the secret is too short")
	}
	return &RowKey{sha256.Sum256([]byte("cds row security\x00" + secret))}, nil
}

// Sign returns the signature of a text, HMAC-SHA256 in hexadecimal digits, with the text behind it.
func (k *RowKey) Sign(text []byte) []byte {
	h := hmac.New(sha256.New, k.key[:])
	h.Write(text)
	out := make([]byte, 2*sha256.Size, 2*sha256.Size+len(text))
	hex.Encode(out, h.Sum(nil))
	return append(out, text...)
}

// Pads returns the key as the database keeps it to check signatures: xored with HMAC's inner and outer padding.
func (k *RowKey) Pads() (inner, outer []byte) {
	inner, outer = make([]byte, sha256.BlockSize), make([]byte, sha256.BlockSize)
	copy(inner, k.key[:])
	copy(outer, k.key[:])
	for i := range inner {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	return inner, outer
}

// String keeps the key out of logs.
func (k *RowKey) String() string { return "RowKey" }

// GoString keeps the key out of logs.
func (k *RowKey) GoString() string { return "RowKey" }

// SystemTables is what Stmt.Opens is for statements on tables of ours that belong to no model, such as those of logins and of the audit log.
const SystemTables = `"cds.system"`
