package command

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"cds/codegen/xssecurity"
	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/runtime/serve"
	"cds/strategies"
	"cds/strategies/jwt"
	"cds/strategies/local"
)

// authFacets are the kinds of authentication that need no platform.
func authFacets() []facet {
	return []facet{
		{name: "mocked", short: "users for development, one for each role of the model, without passwords", prepare: prepareMocked, next: "cds watch"},
		{name: "basic", short: "a user admin with the roles of the model, in production; its password is told once", prepare: prepareBasic,
			next: "give users their roles in requires.auth.users; cds auth hash makes hashes of their passwords"},
		{name: "jwt", short: "tokens of a provider (--provider), or of one's own with a random secret in .env", prepare: prepareJWT, next: "cds auth token --user alice makes a token to try it"},
		{name: "oidc", short: "tokens and logins of an OpenID Connect provider, in production", prepare: prepareOIDC,
			next: "register the application at the provider with the redirect address BASE/auth/callback, and keep its secret in .env: CDS_REQUIRES_AUTH_OIDC_CLIENTSECRET"},
		{name: "apikey", short: "a key for machines, in production; it is told once", prepare: prepareAPIKey, next: "give the key its roles in requires.auth.apikey.keys"},
		localFacet(),
	}
}

// authSection puts a section of authentication into profiles; none: into all of them.
func authSection(section map[string]any, profiles []string) map[string]any {
	if len(profiles) == 0 {
		return map[string]any{"requires": map[string]any{"auth": section}}
	}
	requires := map[string]any{}
	for _, p := range profiles {
		requires["["+p+"]"] = map[string]any{"auth": section}
	}
	return map[string]any{"requires": requires}
}

// orProfile is what --for says, or else the profile that a facet is meant for.
func orProfile(profiles []string, usual string) []string {
	if len(profiles) == 0 {
		return []string{usual}
	}
	return profiles
}

// finishAuth tells what is still to be set, or what is in the way.
func finishAuth(kind string, profiles []string) func(e *env, dir string) error {
	return func(e *env, dir string) error {
		cfg, err := serve.LoadConfig(serve.Options{Dir: dir, Profiles: profiles})
		if err != nil {
			return err
		}
		sec := cfg.Sub("requires.auth")
		if have := sec.Str("kind"); have != kind {
			fmt.Fprintf(e.err, "warning: requires.auth.kind is %q there, which stays; change it by hand, or serve both: { \"kind\": \"chain\", \"strategies\": [ … ] }\n", have)
			return nil
		}
		_, err = strategies.Builtin()[kind](sec)
		var ce *auth.ConfigError
		if errors.As(err, &ce) {
			fmt.Fprintf(e.err, "\n  to be set: %v\n", ce)
			if h := ce.Hint(); h != "" {
				fmt.Fprintf(e.err, "             %s\n", h)
			}
		} else if err != nil {
			fmt.Fprintf(e.err, "\n  to be set: %v\n", err)
		}
		return nil
	}
}

// rolesOf returns the roles that the project's model speaks of; none if it does not compile.
func rolesOf(dir string) []any {
	p, err := newProject([]string{dir}, "")
	if err != nil {
		return nil
	}
	res, err := p.compile()
	if err != nil || res.Model == nil {
		return nil
	}
	text, err := xssecurity.Generate(res.Model)
	if err != nil {
		return nil
	}
	var doc struct {
		Scopes []struct{ Description string }
	}
	if json.Unmarshal(text, &doc) != nil {
		return nil
	}
	var out []any
	for _, s := range doc.Scopes {
		out = append(out, s.Description)
	}
	return out
}

func prepareMocked(_ *env, f facet, dir string, profiles []string) (facet, error) {
	profiles = orProfile(profiles, config.Development)
	users := map[string]any{}
	for _, r := range rolesOf(dir) {
		role, _ := r.(string)
		name := strings.ToLower(strings.NewReplacer(".", "-", " ", "-").Replace(role)) + "-user"
		users[name] = map[string]any{"roles": []any{role}}
	}
	section := map[string]any{"kind": "mocked"}
	if len(users) > 0 {
		section["users"] = users
	}
	f.section, f.finish = authSection(section, profiles), finishAuth("mocked", profiles)
	return f, nil
}

func prepareBasic(e *env, f facet, dir string, profiles []string) (facet, error) {
	profiles = orProfile(profiles, config.Production)
	if present(dir, profiles, "users.admin.password") {
		f.section, f.finish = authSection(map[string]any{"kind": "basic"}, profiles), finishAuth("basic", profiles)
		return f, nil
	}
	pw := randomText(15)
	hash, err := local.HashPassword(context.Background(), nil, "admin", pw)
	if err != nil {
		return f, err
	}
	roles := rolesOf(dir)
	if roles == nil {
		roles = []any{}
	}
	f.section = authSection(map[string]any{"kind": "basic", "users": map[string]any{"admin": map[string]any{"password": hash, "roles": roles}}}, profiles)
	f.finish = func(e *env, dir string) error {
		fmt.Fprintf(e.err, "\n  password of admin, not to be seen again: %s\n", pw)
		return finishAuth("basic", profiles)(e, dir)
	}
	return f, nil
}

// present reports whether requires.auth has a setting already in the first of the profiles.
func present(dir string, profiles []string, key string) bool {
	cfg, err := serve.LoadConfig(serve.Options{Dir: dir, Profiles: profiles[:min(len(profiles), 1)]})
	if err != nil {
		return false // a profile that is new
	}
	return cfg.Str("requires.auth."+key) != ""
}

func randomText(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

func prepareJWT(_ *env, f facet, dir string, profiles []string) (facet, error) {
	section := map[string]any{"kind": "jwt"}
	if f.provider != "" {
		section["provider"] = f.provider
		for k, v := range f.settings {
			section[k] = v
		}
		if _, err := jwt.Expand(config.Merge(nil, section)); err != nil && isUnknownProvider(err) {
			return f, usageError{err}
		}
		profiles = orProfile(profiles, config.Production)
		f.next = "cds serve --profile " + profiles[0]
	} else {
		name := projectName(dir)
		section["jwt"] = map[string]any{"issuer": name, "audience": name}
		f.variables = map[string]string{"CDS_REQUIRES_AUTH_JWT_SECRET": randomText(32)}
	}
	f.section, f.finish = authSection(section, profiles), finishAuth("jwt", profiles)
	return f, nil
}

// isUnknownProvider tells a wrong name from settings that are still missing.
func isUnknownProvider(err error) bool {
	var ce *auth.ConfigError
	if errors.As(err, &ce) {
		return ce.Key == "requires.auth.provider"
	}
	var f *config.Error
	return errors.As(err, &f) && strings.HasSuffix(f.Place, "requires.auth.provider")
}

// projectName names tokens' issuer and audience after the project.
func projectName(dir string) string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "app"
	}
	return filepath.Base(abs)
}

func prepareOIDC(_ *env, f facet, _ string, profiles []string) (facet, error) {
	profiles = orProfile(profiles, config.Production)
	own := map[string]any{}
	section := map[string]any{"kind": "oidc", "oidc": own}
	if f.provider != "" {
		section["provider"] = f.provider
	}
	for k, v := range f.settings {
		if slices.Contains([]string{"issuer", "clientId", "audience", "baseUrl"}, k) {
			own[k] = v
		} else {
			section[k] = v
		}
	}
	if _, err := jwt.Expand(config.Merge(nil, section)); err != nil && isUnknownProvider(err) {
		return f, usageError{err}
	}
	f.variables = map[string]string{"CDS_REQUIRES_AUTH_OIDC_SESSION_KEY": randomText(32)}
	f.section, f.finish = authSection(section, profiles), finishAuth("oidc", profiles)
	return f, nil
}

func prepareAPIKey(_ *env, f facet, dir string, profiles []string) (facet, error) {
	profiles = orProfile(profiles, config.Production)
	section := map[string]any{"kind": "apikey"}
	f.section, f.finish = authSection(section, profiles), finishAuth("apikey", profiles)
	if present(dir, profiles, "apikey.keys.machine.hash") {
		return f, nil
	}
	key := randomText(32)
	sum := sha256.Sum256([]byte(key))
	section["apikey"] = map[string]any{"keys": map[string]any{"machine": map[string]any{"hash": "sha256:" + hex.EncodeToString(sum[:]), "roles": []any{}}}}
	f.finish = func(e *env, dir string) error {
		fmt.Fprintf(e.err, "\n  key of machine, to be sent as X-API-Key and not to be seen again: %s\n", key)
		return finishAuth("apikey", profiles)(e, dir)
	}
	return f, nil
}

// readSettings reads --set name=value.
func readSettings(list []string) (map[string]string, error) {
	out := map[string]string{}
	for _, s := range list {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" || value == "" {
			return nil, usageError{fmt.Errorf("--set %s: NAME=VALUE is expected, such as domain=tenant.eu.auth0.com", s)}
		}
		if config.SecretName(name) {
			return nil, usageError{fmt.Errorf("--set %s: secrets are kept in .env, not in files that are shared", name)}
		}
		out[name] = value
	}
	return out, nil
}
