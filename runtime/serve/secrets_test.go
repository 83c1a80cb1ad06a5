package serve_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"cds/runtime/config"
	"cds/runtime/serve"
)

// theSecret is in every place of a configuration where a secret may be; theHash is one of the same worth.
const theSecret = "S3CR3T-0123456789-abcdefghij-0123456789"

func theHash() string {
	sum := sha256.Sum256([]byte(theSecret))
	return hex.EncodeToString(sum[:])
}

// secretConfigs are configurations of all kinds with secrets.
func secretConfigs() map[string]string {
	key := base64.RawURLEncoding.EncodeToString([]byte(theSecret)[:32])
	return map[string]string{
		"basic":  `{"kind":"basic","users":{"bob":{"password":"SECRET","roles":["admin"]},"eve":"SECRET"}}`,
		"mocked": `{"kind":"mocked","users":{"bob":{"password":"SECRET","roles":["admin"]},"eve":"SECRET"}}`,
		"list":   `{"kind":"mocked","users":[{"name":"bob","password":"SECRET","roles":["admin"]}]}`,
		"apikey": `{"kind":"apikey","apikey":{"keys":{"job":{"hash":"sha256:` + theHash() + `","roles":["admin"]}}}}`,
		"chain":  `{"kind":"chain","strategies":[{"kind":"basic","users":{"bob":{"password":"SECRET"}}},{"kind":"jwt","jwt":{"secret":"SECRET","issuer":"i","audience":"a"}}]}`,
		"jwt":    `{"kind":"jwt","jwt":{"secret":"SECRET","issuer":"i","audience":"a","keys":[{"kid":"k","secret":"SECRET2"}]},"introspection":{"url":"https://127.0.0.1:1/i","clientId":"c","clientSecret":"SECRET"}}`,
		"oidc":   `{"kind":"oidc","oidc":{"issuer":"https://127.0.0.1:1","clientId":"c","clientSecret":"SECRET","baseUrl":"https://shop.example","session":{"key":"` + key + `"}}}`,
		"local":  `{"kind":"local","jwt":{"secret":"SECRET","issuer":"i","audience":"a"},"local":{"setupToken":"SECRET","oldSecrets":["SECRET3"]}}`,
		"xsuaa":  `{"kind":"xsuaa","credentials":{"clientid":"c","clientsecret":"SECRET","url":"https://127.0.0.1:1","uaadomain":"127.0.0.1:1","xsappname":"x"}}`,
		"ias":    `{"kind":"ias","credentials":{"clientid":"c","clientsecret":"SECRET","url":"https://t.accounts.example","domains":["accounts.example"],"app_tid":"t","key":"SECRET"}}`,
	}
}

// shown reports the first secret that a text has in it.
func shown(text string) string {
	for _, s := range []string{theSecret, theHash(), base64.StdEncoding.EncodeToString([]byte(theSecret))[:20], "WR0NG-PASSWORD", base64.StdEncoding.EncodeToString([]byte("bob:" + theSecret))[:24]} {
		if strings.Contains(text, s) {
			return s
		}
	}
	return ""
}

// No secret of the configuration, and none that a client presents, is in the log at its fullest, in the banner, on the index page, in an answer, or in
// what cds env prints.
func TestSecretsAreNowhere(t *testing.T) {
	for name, section := range secretConfigs() {
		t.Run(name, func(t *testing.T) {
			rc := `{"requires":{"auth":` + strings.ReplaceAll(section, "SECRET", theSecret) + `}}`
			var out bytes.Buffer
			s, err := newApp(t).Build(t.Context(), serve.Options{FS: fstest.MapFS{".cdsrc.json": {Data: []byte(rc)}}, Env: []string{"DEBUG=all"}, Out: &out,
				Log: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			s.Banner(&out, "http://localhost")
			for _, path := range []string{"/", "/health", "/odata/v4/open/Books", "/odata/v4/staff/Books", "/odata/v4/staff/$metadata", "/auth/login", "/auth/callback?code=x&state=y"} {
				for _, credentials := range []string{"", "bob:" + theSecret, "eve:" + theSecret, "bob:WR0NG-PASSWORD", "nobody:" + theSecret} {
					r := httptest.NewRequest("GET", path, nil)
					if user, pw, ok := strings.Cut(credentials, ":"); ok {
						r.SetBasicAuth(user, pw)
						r.Header.Set("X-API-Key", pw)
					}
					w := httptest.NewRecorder()
					s.Handler().ServeHTTP(w, r)
					r = httptest.NewRequest("GET", path, nil)
					r.Header.Set("Authorization", "Bearer "+theSecret)
					r.Header.Set("Cookie", "__Host-session="+theSecret)
					s.Handler().ServeHTTP(w, r)
					fmt.Fprintln(&out, w.Body.String(), w.Header())
				}
			}
			if secret := shown(out.String()); secret != "" {
				i := strings.Index(out.String(), secret)
				t.Errorf("a secret is shown: …%s…", out.String()[max(0, i-200):i+len(secret)+20])
			}
			printed, err := json.Marshal(config.Mask("", map[string]any(s.Config.Section)))
			if err != nil {
				t.Fatal(err)
			}
			if secret := shown(string(printed)); secret != "" || bytes.Contains(printed, []byte(theSecret[:10])) {
				t.Errorf("cds env shows a secret: %s", printed)
			}
		})
	}
}

// A start that a configuration stops does not tell the secrets in it either.
func TestSecretsAreInNoStartError(t *testing.T) {
	for name, section := range map[string]string{
		"hash of a wrong kind":   `{"kind":"basic","users":{"bob":{"password":"$6$SECRET$SECRET"}}}`,
		"a broken hash":          `{"kind":"basic","users":{"bob":{"password":"$argon2id$v=19$m=1,t=1,p=1$SECRET$SECRET"}}}`,
		"misspelt":               `{"kind":"basic","users":{"bob":{"pasword":"SECRET"}}}`,
		"key in place of a hash": `{"kind":"apikey","apikey":{"keys":{"job":{"hash":"SECRET"}}}}`,
		"keys as a list":         `{"kind":"apikey","apikey":{"keys":["SECRET"]}}`,
		"key as a text":          `{"kind":"apikey","apikey":{"keys":{"job":"SECRET"}}}`,
		"a key that is none":     `{"kind":"jwt","jwt":{"publicKey":"SECRET","issuer":"i","audience":"a"}}`,
		"a list":                 `{"kind":"jwt","jwt":{"secret":["SECRET"],"issuer":"i","audience":"a"}}`,
		"no audience":            `{"kind":"jwt","jwt":{"secret":"SECRET","issuer":"i"}}`,
		"no issuer":              `{"kind":"jwt","jwt":{"secret":"SECRET","audience":"i"}}`,
		"wrong algorithm":        `{"kind":"jwt","jwt":{"secret":"SECRET","issuer":"i","audience":"a","algorithms":["RS256"]}}`,
		"oidc":                   `{"kind":"oidc","oidc":{"clientSecret":"SECRET","session":{"key":"SECRET!"}}}`,
		"session key":            `{"kind":"oidc","oidc":{"issuer":"https://127.0.0.1:1","clientId":"c","clientSecret":"x","baseUrl":"https://shop.example","session":{"key":"SECRET!"}}}`,
		"xsuaa":                  `{"kind":"xsuaa","credentials":{"clientsecret":"SECRET"}}`,
	} {
		for _, profile := range []string{"development", "production"} {
			_, err := startRC(t, newApp(t), `{"requires":{"auth":`+strings.ReplaceAll(section, "SECRET", theSecret)+`}}`, profile)
			if err == nil {
				t.Errorf("%s in %s: it starts", name, profile)
				continue
			}
			if shown(err.Error()) != "" || strings.Contains(err.Error(), theSecret[:10]) {
				t.Errorf("%s in %s: %v", name, profile, err)
			}
			if !strings.Contains(err.Error(), "requires.auth") || !strings.Contains(err.Error(), "hint:") {
				t.Errorf("%s in %s: no key, or no hint: %v", name, profile, err)
			}
		}
	}
}
