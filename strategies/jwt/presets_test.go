package jwt

import (
	"encoding/json"
	"strings"
	"testing"
)

// A preset is no more than settings that could be written by hand.
func TestPresets(t *testing.T) {
	for _, c := range []struct{ cfg, want string }{
		{`{"provider":"auth0","domain":"shop.eu.auth0.com","jwt":{"audience":"app"}}`,
			`{"claims":{"kind":{"claim":"gty","system":["client-credentials"]},"roles":["roles","permissions","scope"],"tenant":"org_id"},"domain":"shop.eu.auth0.com","jwt":{"algorithms":["RS256"],"audience":"app","issuer":"https://shop.eu.auth0.com/","jwksUrl":"https://shop.eu.auth0.com/.well-known/jwks.json"},"provider":"auth0"}`},
		{`{"provider":"auth0","domain":"https://shop.eu.auth0.com/","jwt":{"audience":"app","issuer":"https://id.shop.example/"},"claims":{"roles":["permissions"]}}`,
			`{"claims":{"kind":{"claim":"gty","system":["client-credentials"]},"roles":["permissions"],"tenant":"org_id"},"domain":"https://shop.eu.auth0.com/","jwt":{"algorithms":["RS256"],"audience":"app","issuer":"https://id.shop.example/","jwksUrl":"https://shop.eu.auth0.com/.well-known/jwks.json"},"provider":"auth0"}`},
		{`{"provider":"cognito","region":"eu-central-1","pool":"eu-central-1_Ab","jwt":{"audience":"client"}}`,
			`{"claims":{"roles":["cognito:groups","scope"]},"jwt":{"algorithms":["RS256"],"audience":"client","audienceClaims":["aud","client_id"],"issuer":"https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Ab","jwksUrl":"https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Ab/.well-known/jwks.json"},"pool":"eu-central-1_Ab","provider":"cognito","region":"eu-central-1"}`},
		{`{"provider":"azure","tenant":"0aef","jwt":{"audience":"api://app"}}`,
			`{"claims":{"id":["oid","sub"],"kind":{"claim":"idtyp","system":["app"]},"roles":["roles","scp"],"tenant":"tid"},"jwt":{"algorithms":["RS256"],"audience":"api://app","issuer":["https://login.microsoftonline.com/0aef/v2.0","https://sts.windows.net/0aef/"],"jwksUrl":"https://login.microsoftonline.com/0aef/discovery/v2.0/keys"},"provider":"azure","tenant":"0aef"}`},
		{`{"provider":"okta","domain":"dev-1.okta.com","jwt":{"audience":"api://default"}}`,
			`{"claims":{"kind":{"claim":"sub","equals":"cid"},"roles":["groups","scp"]},"domain":"dev-1.okta.com","jwt":{"algorithms":["RS256"],"audience":"api://default","issuer":"https://dev-1.okta.com/oauth2/default","jwksUrl":"https://dev-1.okta.com/oauth2/default/v1/keys"},"provider":"okta"}`},
		{`{"provider":"keycloak","domain":"sso.example.com:8443","realm":"main","client":"shop","jwt":{"audience":"shop"}}`,
			`{"claims":{"roles":["realm_access.roles","resource_access.shop.roles"]},"client":"shop","domain":"sso.example.com:8443","jwt":{"algorithms":["RS256"],"audience":"shop","issuer":"https://sso.example.com:8443/realms/main","jwksUrl":"https://sso.example.com:8443/realms/main/protocol/openid-connect/certs"},"provider":"keycloak","realm":"main"}`},
		{`{"provider":"firebase","project":"shop-1"}`,
			`{"claims":{"roles":["roles","role"],"tenant":"firebase.tenant"},"jwt":{"algorithms":["RS256"],"audience":"shop-1","issuer":"https://securetoken.google.com/shop-1","jwksUrl":"https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com"},"project":"shop-1","provider":"firebase"}`},
		{`{"provider":"clerk","domain":"clerk.shop.example","jwt":{"audience":"https://shop.example"}}`,
			`{"claims":{"roles":["roles","role","org_role","o.rol"],"tenant":["org_id","o.id"]},"domain":"clerk.shop.example","jwt":{"algorithms":["RS256"],"audience":"https://shop.example","audienceClaims":["aud","azp"],"issuer":"https://clerk.shop.example","jwksUrl":"https://clerk.shop.example/.well-known/jwks.json"},"provider":"clerk"}`},
		{`{"provider":"cube","jwt":{"secret":"x"}}`,
			`{"claims":{"defaultId":"cube","id":["user_id","userId","id","sub"],"merge":["u"],"roles":["roles","role"]},"jwt":{"audience":false,"issuer":false,"requireExp":false,"secret":"x"},"provider":"cube","token":{"from":["raw"]}}`},
		{`{"jwt":{"secret":"x"}}`, `{"jwt":{"secret":"x"}}`},
	} {
		cfg := sectionOf(t, c.cfg)
		got, err := expand(cfg)
		if err != nil {
			t.Errorf("%s: %v", c.cfg, err)
			continue
		}
		b, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if text := strings.ReplaceAll(string(b), `\u0026`, "&"); text != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.cfg, text, c.want)
		}
		if got["provider"] != nil {
			if _, err := New(cfg); err != nil {
				t.Errorf("%s: %v", c.cfg, err)
			}
		}
	}
}

func TestPresetSettings(t *testing.T) {
	for cfg, want := range map[string]string{
		`{"provider":"auth1"}`:                                                 "requires.auth.provider",
		`{"provider":["auth0"]}`:                                               "requires.auth.provider",
		`{"provider":"auth0"}`:                                                 "requires.auth.domain",
		`{"provider":"auth0","domain":"shop.eu.auth0.com"}`:                    "requires.auth.jwt.audience",
		`{"provider":"auth0","domain":"evil.example/x?","jwt":{}}`:             "requires.auth.domain",
		`{"provider":"auth0","domain":"a@b","jwt":{}}`:                         "requires.auth.domain",
		`{"provider":"auth0","domain":"http://a","jwt":{}}`:                    "requires.auth.domain",
		`{"provider":"cognito","region":"eu-central-1"}`:                       "requires.auth.pool",
		`{"provider":"cognito","region":"eu/../x","pool":"p"}`:                 "requires.auth.region",
		`{"provider":"azure","tenant":"common","jwt":{"audience":"a"}}`:        "requires.auth.tenant",
		`{"provider":"azure","tenant":"organizations","jwt":{"audience":"a"}}`: "requires.auth.tenant",
		`{"provider":"keycloak","domain":"a"}`:                                 "requires.auth.realm",
		`{"provider":"keycloak","domain":"a","realm":"..","jwt":{}}`:           "requires.auth.realm",
		`{"provider":"firebase"}`:                                              "requires.auth.project",
		`{"provider":"okta","domain":"a","server":"x/y","jwt":{}}`:             "requires.auth.server",
		`{"provider":"cube"}`:                                                  "requires.auth.jwt.jwksUrl",
	} {
		_, err := New(sectionOf(t, cfg))
		if got := place(err); got != want {
			t.Errorf("%s: %v, want an error at %s", cfg, err, want)
		}
	}
}

// What the presets make of a token of their provider.
func TestPresetUsers(t *testing.T) {
	for _, c := range []struct{ cfg, claims, want string }{
		{`{"provider":"auth0","domain":"d","jwt":{"audience":"a"}}`, `{"sub":"auth0|1","permissions":["read:books"],"scope":"openid","org_id":"o1"}`, "auth0|1 @o1 openid read:books"},
		{`{"provider":"auth0","domain":"d","jwt":{"audience":"a"}}`, `{"sub":"m@clients","gty":"client-credentials"}`, "m@clients system-user"},
		{`{"provider":"cognito","region":"r","pool":"p","jwt":{"audience":"a"}}`, `{"sub":"1","cognito:groups":["admin"]}`, "1 admin"},
		{`{"provider":"azure","tenant":"t","jwt":{"audience":"a"}}`, `{"sub":"s","oid":"o","tid":"t","roles":["Admin"],"scp":"read write"}`, "o @t Admin read write"},
		{`{"provider":"okta","domain":"d","jwt":{"audience":"a"}}`, `{"sub":"me@x","cid":"c","groups":["Everyone"],"scp":["read"]}`, "me@x Everyone read"},
		{`{"provider":"okta","domain":"d","jwt":{"audience":"a"}}`, `{"sub":"c","cid":"c"}`, "c system-user"},
		{`{"provider":"keycloak","domain":"d","realm":"r","client":"shop","jwt":{"audience":"a"}}`,
			`{"sub":"1","realm_access":{"roles":["admin"]},"resource_access":{"shop":{"roles":["buyer"]},"account":{"roles":["other"]}}}`, "1 admin buyer"},
		{`{"provider":"firebase","project":"p"}`, `{"sub":"1","role":"editor","firebase":{"tenant":"t1","identities":{}}}`, "1 @t1 editor"},
		{`{"provider":"clerk","domain":"d","jwt":{"audience":"a"}}`, `{"sub":"user_1","o":{"id":"org_1","rol":"admin"}}`, "user_1 @org_1 admin"},
	} {
		st, err := New(sectionOf(t, c.cfg))
		if err != nil {
			t.Errorf("%s: %v", c.cfg, err)
			continue
		}
		u, err := st.(*Strategy).mapping.User(map[string]any(sectionOf(t, c.claims)))
		if err != nil {
			t.Errorf("%s: %v", c.claims, err)
			continue
		}
		got := u.ID
		if u.Tenant != "" {
			got += " @" + u.Tenant
		}
		for _, r := range u.Roles() {
			if r != "any" && r != "authenticated-user" {
				got += " " + r
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.claims, got, c.want)
		}
	}
}
