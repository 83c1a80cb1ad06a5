// Package strategies is the table of built-in ways to find out who sent a request. Each kind is a package below this one.
package strategies

import (
	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/apikey"
	"cds/strategies/basic"
	"cds/strategies/dummy"
	"cds/strategies/ias"
	"cds/strategies/jwt"
	"cds/strategies/local"
	"cds/strategies/mocked"
	"cds/strategies/oidc"
	"cds/strategies/xsuaa"
)

// New makes a strategy from the section requires.auth of the configuration. Errors stop the start.
type New = func(cfg config.Section) (auth.Strategy, error)

// Builtin returns the built-in strategies by the name of their kind.
func Builtin() map[string]New {
	return map[string]New{
		"dummy":  dummy.New,
		"mocked": mocked.New,
		"basic":  basic.New,
		"apikey": apikey.New,
		"jwt":    orPlatform(jwt.New),
		"xsuaa":  xsuaa.New,
		"ias":    ias.New,
		"oidc":   oidc.New,
		"local":  local.New,
	}
}
