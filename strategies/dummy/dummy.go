// Package dummy is the strategy for trying things out without thinking of users: every request comes from one user who passes every
// check on roles and rows. What nobody may do, such as writing a read-only entity, stays refused.
package dummy

import (
	"context"
	"net/http"

	"cds/runtime/auth"
	"cds/runtime/config"
)

// UserID is the id of the one user, as in CAP.
const UserID = "privileged"

// New makes the strategy. It has no settings.
func New(config.Section) (auth.Strategy, error) { return strategy{auth.NewDummy(UserID)}, nil }

type strategy struct{ user *auth.User }

// Authenticate looks at nothing.
func (s strategy) Authenticate(context.Context, *http.Request) (*auth.User, error) {
	return s.user, nil
}

// Challenge is empty: nobody is ever asked.
func (s strategy) Challenge() string { return "" }
