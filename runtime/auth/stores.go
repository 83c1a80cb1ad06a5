package auth

import (
	"context"
	"errors"
	"time"
)

// ErrInvalid is wrapped by errors of stores about users and sessions that are not kept since something about them is wrong, such as a name with control
// characters. Its text may be shown to who sent the name.
var ErrInvalid = errors.New("invalid")

// A PasswordStore is a UserStore that changes a hash only if it is still the old one, in one step, and leaves all else as it is. valid, unless it is zero, becomes
// the time before which no token of the user counts. Else it returns ErrNotFound.
type PasswordStore interface {
	SetPassword(ctx context.Context, id, old, hash string, valid time.Time) error
}

// SetPassword changes the hash of a user's password, so that what somebody else changes about the user at the same time is not undone. With a store that is
// no PasswordStore it may be.
func SetPassword(ctx context.Context, store UserStore, id, old, hash string, valid time.Time) error {
	if p, ok := store.(PasswordStore); ok {
		return p.SetPassword(ctx, id, old, hash, valid)
	}
	u, err := store.UserByID(ctx, id)
	if err != nil {
		return err
	}
	if u.Hash != old {
		return ErrNotFound
	}
	u.Hash = hash
	if !valid.IsZero() {
		u.Valid = valid
	}
	return store.SetUser(ctx, u)
}
