package command

import (
	"fmt"

	"cds/codegen/xssecurity"
	"cds/runtime/serve"
)

// platformFacets are those for identity services of SAP's Business Technology Platform.
func platformFacets() []facet {
	return []facet{
		{name: "xsuaa", short: "authentication by XSUAA in production, and xs-security.json with the roles and attributes of the model", prepare: prepareXSUAA,
			next: "cf create-service xsuaa application shop-uaa -c xs-security.json && cf create-service-key shop-uaa shop-uaa-key && cds bind --to shop-uaa"},
		{name: "ias", short: "authentication by Identity Authentication in production", prepare: prepareIAS,
			next: "cf create-service identity application shop-ias && cf create-service-key shop-ias shop-ias-key && cds bind --to shop-ias"},
		{name: "approuter", short: "the folder app with an approuter, which logs users in, for the service at port 4004", prepare: prepareApprouter,
			next: "npm install --prefix app, then cds watch --profile hybrid, and in another terminal: cds bind --exec -- npm start --prefix app"},
	}
}

// authIn is the configuration of a kind of authentication in profiles.
func authIn(kind string, profiles []string) map[string]any {
	if len(profiles) == 0 {
		profiles = []string{"production"}
	}
	requires := map[string]any{}
	for _, p := range profiles {
		requires["["+p+"]"] = map[string]any{"auth": map[string]any{"kind": kind}} // not the short form, which would replace what is configured besides
	}
	return map[string]any{"requires": requires}
}

func prepareXSUAA(e *env, f facet, dir string, profiles []string) (facet, error) {
	p, err := newProject([]string{dir}, "")
	if err != nil {
		return f, err
	}
	res, err := p.compile()
	if err != nil {
		return f, err
	}
	if res.Model == nil {
		e.diagnostics(res.Diags, res.Files)
		return f, silent{res.Diags}
	}
	text, err := xssecurity.Generate(res.Model)
	if err != nil {
		return f, err
	}
	f.section, f.files = authIn("xsuaa", profiles), map[string]string{"xs-security.json": string(text)}
	return f, e.keepsKind(dir, "xsuaa", profiles)
}

func prepareIAS(e *env, f facet, dir string, profiles []string) (facet, error) {
	f.section = authIn("ias", profiles)
	return f, e.keepsKind(dir, "ias", profiles)
}

// keepsKind tells of profiles that have another kind of authentication: what is configured stays.
func (e *env) keepsKind(dir, kind string, profiles []string) error {
	if len(profiles) == 0 {
		profiles = []string{"production"}
	}
	for _, p := range profiles {
		cfg, err := serve.LoadConfig(serve.Options{Dir: dir, Profiles: []string{p}})
		if err != nil {
			continue // a profile that is new
		}
		if have := cfg.Str("requires.auth.kind"); have != "" && have != kind && have != "mocked" {
			fmt.Fprintf(e.err, "warning: requires.auth is %q in profile %s; where a file says so, change it there\n", have, p)
		}
	}
	return nil
}

// The files of an approuter. Its port and where the service is are in default-env.json, which counts on the own machine only.
const (
	approuterPackage = `{
  "name": "approuter",
  "private": true,
  "dependencies": {
    "@sap/approuter": "^20"
  },
  "engines": {
    "node": ">=20"
  },
  "scripts": {
    "start": "node node_modules/@sap/approuter/approuter.js"
  }
}
`
	approuterRoutes = `{
  "authenticationMethod": "route",
  "routes": [
    {
      "source": "^/(.*)$",
      "target": "$1",
      "destination": "srv-api",
      "authenticationType": "%s",
      "csrfProtection": true
    }
  ]
}
`
	approuterEnv = `{
  "PORT": 5000,
  "destinations": [
    {
      "name": "srv-api",
      "url": "http://localhost:4004",
      "forwardAuthToken": true
    }
  ]
}
`
)

func prepareApprouter(_ *env, f facet, dir string, profiles []string) (facet, error) {
	if len(profiles) == 0 {
		profiles = []string{"production", "hybrid"}
	}
	kind := "xsuaa"
	for _, p := range profiles {
		cfg, err := serve.LoadConfig(serve.Options{Dir: dir, Profiles: []string{p}})
		if err == nil && cfg.Str("requires.auth.kind") == "ias" {
			kind = "ias"
		}
	}
	f.files = map[string]string{"app/package.json": approuterPackage, "app/xs-app.json": fmt.Sprintf(approuterRoutes, kind), "app/default-env.json": approuterEnv}
	return f, nil
}
