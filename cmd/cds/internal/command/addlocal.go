package command

import (
	"cds/runtime/config"
	"cds/strategies/local"
)

// localFacet is the kind of authentication with users of the application's own.
func localFacet() facet {
	return facet{name: local.Kind, short: "users in the database, with a login; in production, with a random secret in .env", prepare: prepareLocal,
		next: "cds deploy makes the tables, cds auth setup the first user; both with --profile production, or that of --for"}
}

func prepareLocal(_ *env, f facet, dir string, profiles []string) (facet, error) {
	profiles = orProfile(profiles, config.Production)
	name := projectName(dir)
	section := map[string]any{"kind": local.Kind, "jwt": map[string]any{"issuer": name, "audience": name}}
	f.variables = map[string]string{"CDS_REQUIRES_AUTH_JWT_SECRET": randomText(32)}
	f.section, f.finish = authSection(section, profiles), finishAuth(local.Kind, profiles)
	return f, nil
}
