package auth

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// ErrForbidden says that it is known who asks, and that this one may not come in at all: the request is answered 403, whatever it asks for. Rights on
// single things are none of a strategy's business.
var ErrForbidden = errors.New("forbidden")

// A Waiter is an error that wraps ErrCredentials and asks the client to wait before it tries again: the 401 says so in Retry-After. It is told whether
// or not the credentials would be right.
type Waiter interface {
	error
	RetryAfter() time.Duration
}

// A Group is a Strategy made of others, such as a chain.
type Group interface {
	Strategy
	// Members returns the strategies in their order.
	Members() []Strategy
	// Decide is Authenticate, and tells which member found credentials of its own; nil for none.
	Decide(ctx context.Context, r *http.Request) (*User, Strategy, error)
}
