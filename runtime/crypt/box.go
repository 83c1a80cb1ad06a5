package crypt

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/password"
)

// A Box encrypts, decrypts and hashes the values of a model's elements. It is safe for concurrent use.
type Box struct {
	columns map[string]*Column // by name
}

// Needs returns the first encrypted element of a model, nil if there is none: a Ring is needed.
func Needs(m *csn.Model) *csn.Element {
	for _, e := range m.Entities {
		for _, el := range e.Flat {
			if s := el.Seal(); e.Source == nil && s != nil && !s.Hashed() {
				return el
			}
		}
	}
	return nil
}

// ErrNoKeys is the error of a model with encrypted elements where there is no Ring.
var ErrNoKeys = errors.New("the model has encrypted elements, and there is no key")

// NewBox prepares the columns of a model. ring may be nil if nothing of it is encrypted, else it is ErrNoKeys.
func NewBox(m *csn.Model, ring *Ring) (*Box, error) {
	b := &Box{columns: map[string]*Column{}}
	for _, e := range m.Entities {
		for _, el := range e.Flat {
			s := el.Seal()
			if s == nil || s.Hashed() || b.columns[s.Column] != nil {
				continue
			}
			if ring == nil {
				return nil, ErrNoKeys
			}
			c, err := ring.Column(s)
			if err != nil {
				return nil, err
			}
			b.columns[s.Column] = c
		}
	}
	return b, nil
}

// Column returns what encrypts the values of a seal; an error if the box was made for another model.
func (b *Box) Column(s *csn.Seal) (*Column, error) {
	if b != nil {
		if c := b.columns[s.Column]; c != nil {
			return c, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", s.Column, ErrNoKeys)
}

// Store returns the form in which a value is kept. It must have been converted to the element's type. Null stays null. Errors: password.ErrLength and
// password.ErrBusy of hashes.
func (b *Box) Store(ctx context.Context, s *csn.Seal, v cqn.Value) (cqn.Value, error) {
	if v.IsNull() {
		return v, nil
	}
	if s.Hashed() {
		h, err := Hash(ctx, s.Kind, v.Str())
		return cqn.String(h), err
	}
	c, err := b.Column(s)
	if err != nil {
		return cqn.Null, err
	}
	text, err := plainText(v)
	if err != nil {
		return cqn.Null, fmt.Errorf("%s: %w", s.Column, err)
	}
	return cqn.String(string(c.Seal(nil, text))), nil
}

// Compared returns the forms that kept values may have which equal v, or one of the list v. The values must have been converted. Nulls equal nothing.
func (b *Box) Compared(s *csn.Seal, v cqn.Value) (cqn.Value, error) {
	c, err := b.Column(s)
	if err != nil {
		return cqn.Null, err
	}
	all := []cqn.Value{v}
	if v.Kind() == cqn.KindList {
		all = v.List()
	}
	out := make([]cqn.Value, 0, len(all))
	for _, x := range all {
		if x.IsNull() {
			continue
		}
		text, err := plainText(x)
		if err != nil {
			return cqn.Null, fmt.Errorf("%s: %w", s.Column, err)
		}
		for _, form := range c.SealAll(text) {
			out = append(out, cqn.String(form))
		}
	}
	return cqn.List(out), nil
}

// plainText is the text of a value that is encrypted: one for all values that are equal.
func plainText(v cqn.Value) ([]byte, error) {
	switch v.Kind() {
	case cqn.KindFloat:
		if v.Float() == 0 {
			return []byte("0"), nil // also for -0
		}
		return strconv.AppendFloat(nil, v.Float(), 'g', -1, 64), nil
	case cqn.KindDecimal:
		return []byte(shortDecimal(v.Str())), nil
	case cqn.KindBool: // both of one length, which shows
		if v.Bool() {
			return []byte("1"), nil
		}
		return []byte("0"), nil
	case cqn.KindBytes:
		return []byte(v.Str()), nil
	case cqn.KindInt, cqn.KindString, cqn.KindDate, cqn.KindTime, cqn.KindDateTime, cqn.KindTimestamp:
		return []byte(v.Format()), nil
	}
	return nil, errors.New("only single values can be encrypted")
}

// shortDecimal is -?digits(.digits)? without zeros that say nothing.
func shortDecimal(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	whole, frac, _ := strings.Cut(s, ".")
	whole, frac = strings.TrimLeft(whole, "0"), strings.TrimRight(frac, "0")
	if whole == "" {
		whole = "0"
	}
	switch {
	case frac != "":
		return sign + whole + "." + frac
	case whole == "0":
		return whole
	}
	return sign + whole
}

// Hash returns the hash of a text: argon2id and bcrypt with a salt, in PHC and in bcrypt's own form; sha256 without one, as 64 hexadecimal digits.
func Hash(ctx context.Context, kind csn.SealKind, text string) (string, error) {
	switch kind {
	case csn.SealArgon2id:
		return password.Default.Hash(ctx, text)
	case csn.SealBcrypt:
		return password.Bcrypt(ctx, text)
	case csn.SealSHA256:
		sum := sha256.Sum256([]byte(text))
		return hex.EncodeToString(sum[:]), nil
	}
	return "", errors.New("unknown hash")
}

// Verify reports whether a text fits a hash of a kind. An empty hash fits nothing, and costs the same. The error is password.ErrBusy.
func Verify(ctx context.Context, kind csn.SealKind, hash, text string) (bool, error) {
	if kind == csn.SealSHA256 {
		sum := sha256.Sum256([]byte(text))
		return subtle.ConstantTimeCompare([]byte(hash), []byte(hex.EncodeToString(sum[:]))) == 1, nil
	}
	if hash == "" {
		hash = password.None
		if kind == csn.SealBcrypt {
			hash = password.NoneBcrypt
		}
	}
	ok, _, err := password.Default.Verify(ctx, hash, text)
	return ok, err
}

// IsHash reports whether a text of a data file is a hash of the kind already.
func IsHash(kind csn.SealKind, text string) bool {
	if kind != csn.SealArgon2id && kind != csn.SealBcrypt || !password.Is(text) {
		return false
	}
	return strings.HasPrefix(text, "$argon2id$") == (kind == csn.SealArgon2id) && password.Valid(text) == nil
}

// IsSHA256 reports whether a text has the form of a SHA-256 hash.
func IsSHA256(text string) bool {
	_, err := hex.DecodeString(text)
	return err == nil && len(text) == 2*sha256.Size && strings.ToLower(text) == text
}
