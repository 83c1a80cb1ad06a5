package users

import (
	"context"
	"net/http"

	"cds/runtime/auth"
)

// A Strategy lets in the users of a table by Basic credentials.
type Strategy struct{ Users *Table }

// Authenticate returns the user behind Basic credentials; Anonymous where there are none.
func (s Strategy) Authenticate(_ context.Context, r *http.Request) (*auth.User, error) {
	name, password, ok, err := auth.Basic(r)
	if err != nil {
		return nil, err
	}
	if !ok {
		return auth.Anonymous, nil
	}
	return s.Users.Login(name, password)
}

// Challenge asks browsers for a name and password.
func (s Strategy) Challenge() string { return `Basic realm="Users"` }
