package auth

import (
	"context"
	"net/http"
)

// A Prompter is a Strategy that sometimes has a better answer than 401 for a request that was refused for want of a user: a browser that opened a page
// is sent to the login. It is asked before the plain 401 is written, and answers itself or returns false without touching w.
type Prompter interface {
	Prompt(w http.ResponseWriter, r *http.Request) bool
}

// A Varier is a Strategy that looks at headers besides Authorization, such as Cookie. Answers name them in Vary, so that no cache gives one user's answer
// to another one. It is asked once, after Setup.
type Varier interface {
	Vary() []string
}

// A Replacer is a SessionStore that replaces a session only if it is still there, in one step. Else it returns ErrNotFound.
type Replacer interface {
	ReplaceSession(ctx context.Context, s *Session) error
}

// ReplaceSession changes a session that has not been ended meanwhile: changing must not bring back what a logout took away. It returns ErrNotFound if the
// session is not there. With a store that is no Replacer, others may miss the session for a moment.
func ReplaceSession(ctx context.Context, store SessionStore, s *Session) error {
	if r, ok := store.(Replacer); ok {
		return r.ReplaceSession(ctx, s)
	}
	if _, err := store.TakeSession(ctx, s.ID); err != nil {
		return err
	}
	return store.PutSession(ctx, s)
}
