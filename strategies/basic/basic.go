// Package basic is the strategy with Basic credentials for users of the configuration. It is mocked without the pre-defined users:
// whoever is not configured is refused.
package basic

import (
	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/mocked"
)

// New makes the strategy from the section requires.auth. Errors: a user that is not understood.
func New(cfg config.Section) (auth.Strategy, error) { return mocked.New(cfg) }
