package token

import (
	"fmt"

	"cds/runtime/auth"
)

// A Refusal is a token that is not accepted. Its text is for the log and for Explain; clients learn only that the token is invalid.
type Refusal struct {
	Code string // stable, such as token-expired
	Text string
}

func (r *Refusal) Error() string { return r.Code + ": " + r.Text }

// Unwrap makes every refusal wrong credentials: the request is answered 401.
func (r *Refusal) Unwrap() error { return auth.ErrCredentials }

// Challenge is what RFC 6750 section 3.1 wants for tokens that are expired, malformed or invalid for other reasons.
func (r *Refusal) Challenge() string { return `Bearer error="invalid_token"` }

// Refuse returns a Refusal.
func Refuse(code, format string, args ...any) error { return refuse(code, format, args...) }

func refuse(code, format string, args ...any) error {
	return &Refusal{Code: code, Text: fmt.Sprintf(format, args...)}
}
