package serve

import (
	"fmt"

	"cds/runtime/config"
)

// kindsByBinding are the kinds of required services that a bound service gives, by the filter that finds it (requires.kinds.x.vcap), as in CAP.
func kindsByBinding(kinds map[string]any) map[string]any {
	for kind, label := range map[string]string{"xsuaa": "xsuaa", "jwt": "xsuaa", "ias": "identity", "postgres": "postgresql-db"} {
		preset, ok := kinds[kind].(map[string]any)
		if !ok {
			preset = map[string]any{}
			kinds[kind] = preset
		}
		preset["vcap"] = map[string]any{"label": label}
	}
	return kinds
}

// followedKinds are the kinds that requires.auth takes in production if it names none and such a service is bound.
func followedKinds() map[string][]string { return map[string][]string{"auth": {"xsuaa", "ias"}} }

// checkBindings refuses a start without the credentials of a service that is bound by name only: what cds bind has written.
func (s *Server) checkBindings() error {
	for _, p := range s.Config.Unbound {
		what := p.Data.Str("instance")
		if what == "" {
			what = p.Data.Str("name")
		}
		if p.Service != "auth" && (p.Service != "db" || s.opt.InMemory || s.opt.Pool != nil) {
			s.Notes = append(s.Notes, fmt.Sprintf("requires.%s is bound to %q, whose credentials are not there", p.Service, what))
			continue
		}
		return &StartError{"binding-unresolved", fmt.Sprintf("requires.%s.binding: the credentials of %q are not there", p.Service, what),
			"cds watch and cds serve fetch them; for other programs: cds bind --exec -- COMMAND"}
	}
	return nil
}

// AuthSection is what the strategy is configured with: requires.auth, and beside kind ias the credentials of requires.xsuaa, whose tokens are accepted too.
func AuthSection(c *config.Config) config.Section {
	sec := c.Sub("requires.auth")
	if other := c.Sub("requires.xsuaa"); other.Sub("credentials") != nil && sec.Str("kind") != "xsuaa" {
		sec = config.Merge(config.Section{"xsuaa": map[string]any(other)}, sec)
	}
	return sec
}
