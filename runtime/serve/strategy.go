package serve

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cds/runtime/config"
	"cds/strategies/chain"
)

// chooseStrategy makes the strategy that the configuration names. In production a kind must be named or follow from a bound service, and what lets anybody
// in needs requires.auth.allowInProduction.
func (s *Server) chooseStrategy(a *App, production bool) error {
	if err := s.checkBindings(); err != nil {
		return err
	}
	sec := AuthSection(s.Config)
	presets := s.Config.Sub("requires.kinds")
	kinds := maps.Clone(a.strategies)
	if kinds[chain.Kind] == nil {
		kinds[chain.Kind] = chain.New(kinds, presets)
	}
	if s.Kind = chain.KindOf(sec); s.Kind == "" {
		return s.kindMissing(production)
	}
	if s.optional = sec.Bool("optional", false); s.optional {
		if production {
			return &StartError{"auth-optional-in-production", "requires.auth.optional lets requests with wrong credentials in as anonymous and is refused in production",
				"take it away, or set it for a profile: \"[development]\": { \"requires\": { \"auth\": { \"optional\": true } } }"}
		}
		s.Notes = append(s.Notes, "requires.auth.optional: requests with wrong credentials are anonymous")
	}
	if _, list := sec.Get("strategies"); list && s.Kind != chain.Kind {
		s.Notes = append(s.Notes, fmt.Sprintf("requires.auth.strategies is not used: the kind is %s, not chain", s.Kind))
	}
	parts := []chain.Part{{Kind: s.Kind, Section: sec, Place: "requires.auth"}}
	if s.Kind == chain.Kind {
		var err error
		if parts, err = chain.Parts(sec, presets); err != nil {
			return s.strategyError(err)
		}
	}
	for i := range parts {
		if err := s.checkKind(kinds, &parts[i], production); err != nil {
			return err
		}
		if s.Kind == chain.Kind {
			s.members = append(s.members, parts[i].Kind)
		}
	}
	strategy, err := kinds[s.Kind](sec)
	if err != nil {
		return s.strategyError(err)
	}
	s.Strategy = strategy
	return nil
}

// kindMissing is the start error where nothing says who may come in.
func (s *Server) kindMissing(production bool) error {
	if impl := s.Config.Str("requires.auth.impl"); chain.IsScript(impl) {
		return scriptError(impl, "custom")
	}
	hint := `name one: { "requires": { "auth": { "kind": "jwt", … } } }, or in the environment: CDS_REQUIRES_AUTH_KIND=jwt; cds add jwt writes what it needs`
	if production {
		hint = `name one: { "requires": { "[production]": { "auth": "jwt" } } }, or bind the application to a service that gives one (xsuaa, identity)`
	}
	return &StartError{"auth-kind-missing", "requires.auth.kind: no authentication kind is configured for profile " + strings.Join(s.Config.Profiles, ", "), hint}
}

func scriptError(impl, kind string) error {
	return &StartError{"auth-impl-script", fmt.Sprintf("requires.auth.impl names the script %q, which is not run here", impl),
		"register a Go function in main.go: app.Strategy(\"" + kind + "\", New), and name it: { \"requires\": { \"auth\": { \"kind\": \"" + kind + "\" } } }"}
}

// checkKind refuses a kind that is not there, and in production one that lets anybody in.
func (s *Server) checkKind(kinds map[string]NewStrategy, p *chain.Part, production bool) error {
	if impl := p.Section.Str("impl"); chain.IsScript(impl) {
		kind := p.Kind
		if kinds[kind] != nil { // a function of that name would take the place of what is there
			kind = "custom"
		}
		return scriptError(impl, kind)
	}
	if kinds[p.Kind] == nil {
		return kindUnknown(kinds, p)
	}
	if !production {
		return nil
	}
	sec := p.Section
	if p.Kind == "mocked" || p.Kind == "dummy" {
		if !s.Config.Bool("requires.auth.allowInProduction", false) {
			return &StartError{"auth-unsafe-in-production", fmt.Sprintf("%s.kind: authentication kind %q lets anybody in and is refused in production", p.Place, p.Kind),
				"configure another kind, or set requires.auth.allowInProduction: true if this is no real production"}
		}
		note := fmt.Sprintf("authentication kind %q in production: anybody may come in under any name", p.Kind)
		s.Notes = append(s.Notes, note)
		s.Log.Warn(note, "setting", "requires.auth.allowInProduction")
	}
	if p.Kind == "basic" {
		if name := withoutPassword(sec.Sub("users")); name != "" {
			return &StartError{"auth-password-missing", fmt.Sprintf("%s.users.%s.password: is missing: user %q has no password, so anybody could come in as that user", p.Place, name, name),
				"give every user of " + p.Place + ".users a password (cds auth hash makes a hash of one), or choose another kind for production"}
		}
	}
	return nil
}

func kindUnknown(kinds map[string]NewStrategy, p *chain.Part) error {
	known := slices.Sorted(maps.Keys(kinds))
	key := ".kind"
	if p.Section.Str("impl") == p.Kind {
		key = ".impl"
	}
	hint := "known kinds: " + strings.Join(known, ", ")
	if near := config.Closest(p.Kind, known); near != "" {
		hint = "did you mean " + near + "? " + hint
	}
	hint += "; a kind of your own is registered in main.go: app.Strategy(\"" + p.Kind + "\", New)"
	return &StartError{"auth-kind-unknown", fmt.Sprintf("%s%s: authentication kind %q is not known", p.Place, key, p.Kind), hint}
}

// withoutPassword returns the first user, by name, that comes in without a password.
func withoutPassword(users config.Section) string {
	for _, name := range users.Keys() {
		switch u := users[name].(type) {
		case map[string]any:
			if config.Section(u).Str("password") == "" {
				return name
			}
		case string:
			if u == "" {
				return name
			}
		default:
			if users.Bool(name, true) {
				return name
			}
		}
	}
	return ""
}
