package auth

import "testing"

func TestConfigError(t *testing.T) {
	for _, c := range []struct {
		err         *ConfigError
		error, hint string
	}{
		{Missing("requires.auth.jwt.audience", "tokens for others would be accepted", `"my-api"`),
			"requires.auth.jwt.audience: is missing: tokens for others would be accepted",
			`set it in .cdsrc.json: { "requires": { "auth": { "jwt": { "audience": "my-api" } } } }, or in the environment: CDS_REQUIRES_AUTH_JWT_AUDIENCE=my-api`},
		{Missing("requires.auth.jwt.jwksUrl", "", `"https://idp.example/jwks"`), "requires.auth.jwt.jwksUrl: is missing",
			`set it in .cdsrc.json: { "requires": { "auth": { "jwt": { "jwksUrl": "https://idp.example/jwks" } } } }, or in the environment: ` +
				`cds_requires_auth_jwt_jwksUrl=https://idp.example/jwks`},
		{&ConfigError{"requires.auth.jwt.keys[1].algorithms", "is empty", `["RS256"]`}, "requires.auth.jwt.keys[1].algorithms: is empty",
			`set it in .cdsrc.json: { "requires": { "auth": { "jwt": { "keys": [ …, { "algorithms": ["RS256"] } ] } } } }`},
		{&ConfigError{"requires.auth.audience", "is wrong", `["a","b"]`}, "requires.auth.audience: is wrong",
			`set it in .cdsrc.json: { "requires": { "auth": { "audience": ["a","b"] } } }, or in the environment: CDS_REQUIRES_AUTH_AUDIENCE='["a","b"]'`},
		{Missing("requires.auth.jwt.secret", "", `"…"`), "requires.auth.jwt.secret: is missing", `set it in the environment or in .env: CDS_REQUIRES_AUTH_JWT_SECRET=…, or in ` +
			`.cdsrc-private.json, which is not shared: { "requires": { "auth": { "jwt": { "secret": "…" } } } }`},
		{&ConfigError{"requires.auth.jwt.keys[0].secret", "is short", `"…"`}, "requires.auth.jwt.keys[0].secret: is short",
			`set it in .cdsrc-private.json, which is not shared: { "requires": { "auth": { "jwt": { "keys": [ { "secret": "…" } ] } } } }`},
		{Missing("requires.auth.credentials", "", `{"clientid":"…","clientsecret":"…"}`), "requires.auth.credentials: is missing", `set it in the environment or in .env: ` +
			`CDS_REQUIRES_AUTH_CREDENTIALS='{"clientid":"…","clientsecret":"…"}', or in .cdsrc-private.json, which is not shared: ` +
			`{ "requires": { "auth": { "credentials": {"clientid":"…","clientsecret":"…"} } } }`},
		{&ConfigError{Key: "requires.auth.kind", Message: "is unknown"}, "requires.auth.kind: is unknown", ""},
	} {
		if got := c.err.Error(); got != c.error {
			t.Errorf("error %q, want %q", got, c.error)
		}
		if got := c.err.Hint(); got != c.hint {
			t.Errorf("hint of %s\n got %s\nwant %s", c.err.Key, got, c.hint)
		}
	}
}

func TestConfigErrorAt(t *testing.T) {
	e := Missing("requires.auth.jwt.audience", "", "")
	if got := e.At("requires.auth", "requires.auth.strategies[1]").Key; got != "requires.auth.strategies[1].jwt.audience" {
		t.Error(got)
	}
	if got := e.At("requires.aut", "x").Key; got != e.Key {
		t.Error(got)
	}
}
