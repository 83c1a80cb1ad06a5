package jwt

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/internal/settings"
)

// A preset knows an identity provider. It only expands to settings that could be written by hand; those that are written win.
type preset struct {
	needs  []string          // settings beside provider
	sample map[string]string // of each
	expand func(p map[string]string) config.Section
}

// presets returns the presets by the name of the provider.
func presets() map[string]preset {
	return map[string]preset{
		"auth0": {[]string{"domain"}, map[string]string{"domain": "tenant.eu.auth0.com"}, func(p map[string]string) config.Section {
			return issuer("https://"+p["domain"]+"/", "https://"+p["domain"]+"/.well-known/jwks.json", config.Section{
				"roles": []any{"roles", "permissions", "scope"}, "tenant": "org_id", "kind": map[string]any{"claim": "gty", "system": []any{"client-credentials"}},
			})
		}},
		"cognito": {[]string{"region", "pool"}, map[string]string{"region": "eu-central-1", "pool": "eu-central-1_AbCdEfGhI"}, func(p map[string]string) config.Section {
			iss := "https://cognito-idp." + p["region"] + ".amazonaws.com/" + p["pool"]
			s := issuer(iss, iss+"/.well-known/jwks.json", config.Section{"roles": []any{"cognito:groups", "scope"}})
			s["jwt"].(map[string]any)["audienceClaims"] = []any{"aud", "client_id"} // access tokens have no aud
			return s
		}},
		"azure": {[]string{"tenant"}, map[string]string{"tenant": "0aef2d4c-0000-4000-8000-1234567890ab"}, func(p map[string]string) config.Section {
			s := issuer("https://login.microsoftonline.com/"+p["tenant"]+"/v2.0", "https://login.microsoftonline.com/"+p["tenant"]+"/discovery/v2.0/keys", config.Section{
				"id": []any{"oid", "sub"}, "roles": []any{"roles", "scp"}, "tenant": "tid", "kind": map[string]any{"claim": "idtyp", "system": []any{"app"}},
			})
			s["jwt"].(map[string]any)["issuer"] = []any{"https://login.microsoftonline.com/" + p["tenant"] + "/v2.0", "https://sts.windows.net/" + p["tenant"] + "/"}
			return s
		}},
		"okta": {[]string{"domain"}, map[string]string{"domain": "dev-123456.okta.com"}, func(p map[string]string) config.Section {
			server := p["server"]
			if server == "" {
				server = "default"
			}
			iss := "https://" + p["domain"] + "/oauth2/" + server
			return issuer(iss, iss+"/v1/keys", config.Section{"roles": []any{"groups", "scp"}, "kind": map[string]any{"claim": "sub", "equals": "cid"}})
		}},
		"keycloak": {[]string{"domain", "realm"}, map[string]string{"domain": "sso.example.com", "realm": "main"}, func(p map[string]string) config.Section {
			iss := "https://" + p["domain"] + "/realms/" + p["realm"]
			roles := []any{"realm_access.roles"}
			if p["client"] != "" {
				roles = append(roles, "resource_access."+p["client"]+".roles")
			}
			return issuer(iss, iss+"/protocol/openid-connect/certs", config.Section{"roles": roles})
		}},
		"firebase": {[]string{"project"}, map[string]string{"project": "my-project"}, func(p map[string]string) config.Section {
			// The keys are those of all projects: only the audience tells them apart.
			s := issuer("https://securetoken.google.com/"+p["project"], "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
				config.Section{"roles": []any{"roles", "role"}, "tenant": "firebase.tenant"})
			s["jwt"].(map[string]any)["audience"] = p["project"]
			return s
		}},
		"clerk": {[]string{"domain"}, map[string]string{"domain": "clerk.example.com"}, func(p map[string]string) config.Section {
			s := issuer("https://"+p["domain"], "https://"+p["domain"]+"/.well-known/jwks.json", config.Section{
				"roles": []any{"roles", "role", "org_role", "o.rol"}, "tenant": []any{"org_id", "o.id"},
			})
			s["jwt"].(map[string]any)["audienceClaims"] = []any{"aud", "azp"}
			return s
		}},
		"cube": {nil, nil, func(map[string]string) config.Section {
			return open(config.Section{"id": []any{"user_id", "userId", "id", "sub"}, "defaultId": "cube", "roles": []any{"roles", "role"}, "merge": []any{"u"}}, "raw")
		}},
		"space-cloud": {nil, nil, func(map[string]string) config.Section {
			return open(config.Section{"id": []any{"id", "sub"}, "roles": []any{"roles", "role"}}, "bearer")
		}},
		"rest-go": {nil, nil, func(map[string]string) config.Section {
			return open(config.Section{"id": []any{"user_id"}, "idType": "number", "roles": []any{map[string]any{"path": "is_admin", "role": "admin"}}}, "raw")
		}},
	}
}

func issuer(iss, keys string, claims config.Section) config.Section {
	return config.Section{"jwt": map[string]any{"issuer": iss, "jwksUrl": keys, "algorithms": []any{"RS256"}}, "claims": map[string]any(claims)}
}

// open is what systems expect that issue tokens to themselves: neither issuer nor audience, and tokens without end.
func open(claims config.Section, from string) config.Section {
	return config.Section{
		"jwt":    map[string]any{"issuer": false, "audience": false, "requireExp": false},
		"claims": map[string]any(claims), "token": map[string]any{"from": []any{from}},
	}
}

// part is what may stand in a URL without changing its meaning.
var part = regexp.MustCompile(`^[A-Za-z0-9_.:-]+$`)

// Preset lays the section requires.auth over what its provider stands for, for other kinds that know providers too: requires.auth.jwt.issuer has the issuers,
// claims the mapping. Without a provider it is the section itself.
func Preset(cfg config.Section) (config.Section, error) { return expand(cfg) }

// expand lays the section over what its provider stands for.
func expand(cfg config.Section) (config.Section, error) {
	r := settings.New(cfg, "requires.auth")
	name := r.Text("provider")
	if name == "" {
		return cfg, r.Err()
	}
	all := presets()
	p, ok := all[name]
	if !ok {
		var names []string
		for n := range all {
			names = append(names, n)
		}
		slices.Sort(names)
		r.Fail("provider", "known are "+strings.Join(names, ", "), "%.40q is unknown", name)
		return nil, r.Err()
	}
	values := map[string]string{}
	for _, key := range []string{"domain", "tenant", "region", "pool", "project", "realm", "client", "server"} {
		v := r.Text(key)
		if slices.Contains(p.needs, key) && v == "" {
			r.Missing(key, "the provider "+name+" needs it", `"`+p.sample[key]+`"`)
		}
		if key == "domain" {
			v = strings.TrimSuffix(strings.TrimPrefix(v, "https://"), "/")
		}
		if v != "" && !validPart(key, v) {
			r.Fail(key, "such as "+p.sample[key], "%.60q can't be a part of the issuer's address", v)
		}
		values[key] = v
	}
	if t := values["tenant"]; name == "azure" && slices.Contains([]string{"common", "organizations", "consumers"}, t) {
		r.Fail("tenant", "the id of a directory; for several, write requires.auth.jwt.keys with one issuer each", "%q would accept every directory", t)
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	expanded := p.expand(values)
	for _, own := range [][]string{{"jwksUrl", "jwkUrl", "jwksurl", "jwkurl"}} { // the preset's set makes way for one under another name
		if j := cfg.Sub("jwt"); slices.ContainsFunc(own[1:], func(k string) bool { return j[k] != nil }) {
			delete(expanded.Sub("jwt"), own[0])
		}
	}
	return config.Merge(expanded, cfg), nil
}

func validPart(key, v string) bool {
	if key == "domain" {
		u, err := url.Parse("https://" + v)
		return err == nil && u.Host == v && part.MatchString(v)
	}
	return part.MatchString(v) && v != "." && v != ".."
}

var _ auth.Explainer = (*Strategy)(nil)
