// Package mocked is the strategy for development and tests: users from the configuration, with Basic credentials. By default CAP's
// pre-defined users are there, most of them without a password, and any other name is accepted as a user without roles.
package mocked

import (
	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/internal/users"
)

// New makes the strategy from the section requires.auth: users and tenants. The pre-defined users come in by configuration, see
// Defaults. Errors: a user that is not understood.
func New(cfg config.Section) (auth.Strategy, error) {
	t, err := users.Read(cfg, users.Options{Others: true, Privileged: true})
	if err != nil {
		return nil, err
	}
	return users.NewStrategy(t, true), nil
}

// Defaults is the weakest configuration of the kind: CAP's pre-defined users and tenants. An application's own users are merged
// into it, property by property, so that naming a user `dave` without roles leaves him the roles of the default dave.
func Defaults() map[string]any {
	user := func(tenant string, roles ...any) map[string]any {
		u := map[string]any{"tenant": tenant}
		if len(roles) > 0 {
			u["roles"] = roles
		}
		return u
	}
	with := func(u map[string]any, features ...any) map[string]any {
		u["features"] = features
		if features == nil {
			u["features"] = []any{}
		}
		return u
	}
	const extension = "cds.ExtensionDeveloper"
	return map[string]any{
		"users": map[string]any{
			"alice": user("t1", "admin"),
			"bob":   user("t1", extension),
			"carol": user("t1", "admin", extension),
			"dave":  with(user("t1", "admin")),
			"erin":  user("t2", "admin", extension),
			"fred":  with(user("t2"), "isbn"),
			"me":    with(user("t1"), "*"),
			"yves":  map[string]any{"roles": []any{auth.RoleInternal}},
			"*":     true,
		},
		"tenants": map[string]any{
			"t1": map[string]any{"features": []any{"isbn"}},
			"t2": map[string]any{"features": []any{"*"}},
		},
	}
}
