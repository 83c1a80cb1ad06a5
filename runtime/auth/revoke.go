package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// RevokedID is the key of a revoked token in a SessionStore; of is the token's id (jti), or the token itself.
func RevokedID(of string) string {
	sum := sha256.Sum256([]byte(of))
	return "revoked:" + hex.EncodeToString(sum[:])
}

// Revoke puts a token on the list of those that count no more, until it would have ended anyway. of is the token's id (jti), or the token itself. Strategies
// look at the list if they are told to: requires.auth.revocation.store.
func Revoke(ctx context.Context, store SessionStore, of string, until time.Time) error {
	return store.PutSession(ctx, &Session{ID: RevokedID(of), Expires: until})
}
