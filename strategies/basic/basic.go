// Package basic is the strategy with Basic credentials for users of the configuration. It is like mocked, but without the pre-defined
// users, and the entry `*` for any other name counts for nothing: whoever is not configured by name is refused.
//
// Passwords may be written as hashes (argon2id in PHC form, bcrypt). Wrong passwords make their sender wait.
package basic

import (
	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/internal/users"
)

// New makes the strategy from the section requires.auth. Errors: a user that is not understood.
func New(cfg config.Section) (auth.Strategy, error) {
	t, err := users.Read(cfg, users.Options{})
	if err != nil {
		return nil, err
	}
	return users.NewStrategy(t, false), nil
}
