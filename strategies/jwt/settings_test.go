package jwt

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/internal/idptest"
)

// A logBuffer is written to by what goes on in the background too.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func sectionOf(t testing.TB, text string) config.Section {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return m
}

// place returns where an error of the configuration is.
func place(err error) string {
	var a *auth.ConfigError
	var c *config.Error
	switch {
	case errors.As(err, &a):
		return a.Key
	case errors.As(err, &c):
		return c.Place
	case err == nil:
		return ""
	}
	return err.Error()
}

func TestSettings(t *testing.T) {
	ec, rsa, p521 := publicPEM(t, idptest.NewKey(t, "ES256")), publicPEM(t, idptest.NewKey(t, "RS256")), publicPEM(t, idptest.NewKey(t, "ES512"))
	quote := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	const jwks = `"jwksUrl":"https://i.example/keys"`
	const who = `"issuer":"https://i.example","audience":"app"`
	for _, c := range []struct{ name, cfg, want string }{ // want: the key that is wrong, "" for none
		{"a key set", `{"jwt":{` + jwks + `,` + who + `}}`, ""},
		{"its other name", `{"jwt":{"jwkUrl":"https://i.example/keys",` + who + `}}`, ""},
		{"both names", `{"jwt":{"jwkUrl":"https://i.example/keys",` + jwks + `,` + who + `}}`, "requires.auth.jwt.jwkUrl"},
		{"as variables have it", `{"jwt":{"jwksurl":"https://i.example/keys","requireexp":"false","issuer":"https://i.example","audience":"false"}}`, ""},
		{"nothing", `{}`, "requires.auth.jwt.jwksUrl"},
		{"no key", `{"jwt":{` + who + `}}`, "requires.auth.jwt.jwksUrl"},
		{"an empty list", `{"jwt":{"keys":[],` + who + `}}`, "requires.auth.jwt.jwksUrl"},
		{"no audience", `{"jwt":{` + jwks + `,"issuer":"https://i.example"}}`, "requires.auth.jwt.audience"},
		{"no issuer", `{"jwt":{` + jwks + `,"audience":"app"}}`, "requires.auth.jwt.issuer"},
		{"empty audience", `{"jwt":{` + jwks + `,"issuer":"https://i.example","audience":""}}`, "requires.auth.jwt.audience"},
		{"empty audience list", `{"jwt":{` + jwks + `,"issuer":"https://i.example","audience":[]}}`, "requires.auth.jwt.audience"},
		{"audience true", `{"jwt":{` + jwks + `,"issuer":"https://i.example","audience":true}}`, "requires.auth.jwt.audience"},
		{"audience null", `{"jwt":{` + jwks + `,"issuer":"https://i.example","audience":null}}`, "requires.auth.jwt.audience"},
		{"audience of a key", `{"jwt":{"issuer":"https://i.example","keys":[{` + jwks + `}]}}`, "requires.auth.jwt.keys[0].audience"},
		{"none expected", `{"jwt":{` + jwks + `,"issuer":false,"audience":false}}`, ""},
		{"http", `{"jwt":{"jwksUrl":"http://i.example/keys",` + who + `}}`, "requires.auth.jwt.jwksUrl"},
		{"http to loopback", `{"jwt":{"jwksUrl":"http://127.0.0.1/keys",` + who + `}}`, "requires.auth.jwt.jwksUrl"},
		{"http to loopback with the flag", `{"jwt":{"jwksUrl":"http://127.0.0.1/keys","insecureLoopback":true,` + who + `}}`, ""},
		{"no URL", `{"jwt":{"jwksUrl":"i.example",` + who + `}}`, "requires.auth.jwt.jwksUrl"},
		{"secret", `{"jwt":{"secret":"` + secret + `",` + who + `}}`, ""},
		{"empty secret", `{"jwt":{"secret":"",` + who + `}}`, "requires.auth.jwt.secret"},
		{"blank secret", `{"jwt":{"secret":"  ",` + who + `}}`, "requires.auth.jwt.secret"},
		{"secret is a list", `{"jwt":{"secret":["a"],` + who + `}}`, "requires.auth.jwt.secret"},
		{"a public key as secret", `{"jwt":{"secret":` + quote(rsa) + `,` + who + `}}`, "requires.auth.jwt.secret"},
		{"a JWK as secret", `{"jwt":{"secret":"{\"kty\":\"RSA\"}",` + who + `}}`, "requires.auth.jwt.secret"},
		{"public key", `{"jwt":{"publicKey":` + quote(ec) + `,` + who + `}}`, ""},
		{"public key with written line breaks", `{"jwt":{"publicKey":` + quote(strings.ReplaceAll(ec, "\n", `\n`)) + `,` + who + `}}`, ""},
		{"public key of P-521 without algorithm", `{"jwt":{"publicKey":` + quote(p521) + `,` + who + `}}`, "requires.auth.jwt.algorithms"},
		{"public key of P-521", `{"jwt":{"publicKey":` + quote(p521) + `,"algorithms":"ES512",` + who + `}}`, ""},
		{"no public key", `{"jwt":{"publicKey":"x",` + who + `}}`, "requires.auth.jwt.publicKey"},
		{"a private key", `{"jwt":{"publicKey":"-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----",` + who + `}}`, "requires.auth.jwt.publicKey"},
		{"two public keys", `{"jwt":{"publicKey":` + quote(ec+rsa) + `,` + who + `}}`, "requires.auth.jwt.publicKey"},
		{"HS256 for a public key", `{"jwt":{"keys":[{"publicKey":` + quote(rsa) + `,"algorithms":["HS256"]}],` + who + `}}`, "requires.auth.jwt.keys[0].algorithms"},
		{"HS256 for a set", `{"jwt":{"keys":[{` + jwks + `,"algorithms":["HS256"]}],` + who + `}}`, "requires.auth.jwt.keys[0].algorithms"},
		{"RS256 for a secret", `{"jwt":{"secret":"` + secret + `","algorithms":["RS256"],` + who + `}}`, "requires.auth.jwt.algorithms"},
		{"ES256 for RSA", `{"jwt":{"publicKey":` + quote(rsa) + `,"algorithms":["ES256"],` + who + `}}`, "requires.auth.jwt.algorithms"},
		{"common algorithms", `{"jwt":{"algorithms":["HS256","RS256"],` + who + `,"keys":[{"secret":"` + secret + `"},{"publicKey":` + quote(rsa) + `},{` + jwks + `}]}}`, ""},
		{"none", `{"jwt":{` + jwks + `,"algorithms":["none"],` + who + `}}`, "requires.auth.jwt.algorithms"},
		{"algorithm in another case", `{"jwt":{` + jwks + `,"algorithms":["rs256"],` + who + `}}`, "requires.auth.jwt.algorithms"},
		{"misspelt", `{"jwt":{` + jwks + `,"audiense":"x",` + who + `}}`, "requires.auth.jwt.audiense"},
		{"misspelt in a key", `{"jwt":{"keys":[{` + jwks + `,"audiense":"x"}],` + who + `}}`, "requires.auth.jwt.keys[0].audiense"},
		{"two materials in a key", `{"jwt":{"keys":[{` + jwks + `,"secret":"` + secret + `"}],` + who + `}}`, "requires.auth.jwt.keys[0]"},
		{"no material in a key", `{"jwt":{"keys":[{"kid":"x"}],` + who + `}}`, "requires.auth.jwt.keys[0].jwksUrl"},
		{"a key that is a text", `{"jwt":{"keys":["x"],` + who + `}}`, "requires.auth.jwt.keys[0]"},
		{"kid of a set", `{"jwt":{` + jwks + `,"kid":"x",` + who + `}}`, "requires.auth.jwt.kid"},
		{"kid twice", `{"jwt":{"keys":[{"kid":"x","secret":"` + secret + `"},{"kid":"x","secret":"` + secret + `2"}],` + who + `}}`, "requires.auth.jwt.keys[1]"},
		{"leeway", `{"jwt":{` + jwks + `,"leeway":30,` + who + `}}`, ""},
		{"too much leeway", `{"jwt":{` + jwks + `,"leeway":61,` + who + `}}`, "requires.auth.jwt.leeway"},
		{"negative leeway", `{"jwt":{` + jwks + `,"leeway":-1,` + who + `}}`, "requires.auth.jwt.leeway"},
		{"time to live", `{"jwt":{` + jwks + `,"jwksTtl":"10m",` + who + `}}`, ""},
		{"no time", `{"jwt":{` + jwks + `,"jwksTtl":"soon",` + who + `}}`, "requires.auth.jwt.jwksTtl"},
		{"jwt is a text", `{"jwt":"x"}`, "requires.auth.jwt"},
		{"claims", `{"jwt":{` + jwks + `,` + who + `},"claims":{"role":"x"}}`, "requires.auth.claims.role"},
		{"token", `{"jwt":{` + jwks + `,` + who + `},"token":{"from":"query"}}`, "requires.auth.token.from"},
		{"token section", `{"jwt":{` + jwks + `,` + who + `},"token":{"form":"raw"}}`, "requires.auth.token.form"},
		{"optional", `{"jwt":{` + jwks + `,` + who + `},"optional":"maybe"}`, "requires.auth.optional"},
		{"introspection", `{"jwt":{"audience":"app"},"introspection":{"url":"https://i.example/i","clientId":"a","clientSecret":"b"}}`, ""},
		{"introspection without audience", `{"introspection":{"url":"https://i.example/i","clientId":"a","clientSecret":"b"}}`, "requires.auth.introspection"},
		{"introspection without secret", `{"jwt":{"audience":"app"},"introspection":{"url":"https://i.example/i","clientId":"a"}}`, "requires.auth.introspection.clientSecret"},
		{"introspection by http", `{"jwt":{"audience":"app"},"introspection":{"url":"http://i.example/i","clientId":"a","clientSecret":"b"}}`, "requires.auth.introspection.url"},
		{"introspection, misspelt", `{"jwt":{"audience":"app"},"introspection":{"uri":"https://i.example/i"}}`, "requires.auth.introspection.uri"},
		{"revocation", `{"jwt":{` + jwks + `,` + who + `},"revocation":{"store":"yes"}}`, "requires.auth.revocation.store"},
	} {
		st, err := New(sectionOf(t, c.cfg))
		if got := place(err); got != c.want {
			t.Errorf("%s: %v, want an error at %q", c.name, err, c.want)
		}
		if (st == nil) == (err == nil) {
			t.Errorf("%s: strategy %v, error %v", c.name, st, err)
		}
		if err != nil && (strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), strings.Fields(ec)[3])) {
			t.Errorf("%s: the error tells a key: %v", c.name, err)
		}
	}
}

// What production refuses and other profiles warn of.
func TestProduction(t *testing.T) {
	const who = `"issuer":"https://i.example","audience":"app"`
	for _, c := range []struct{ name, cfg, want string }{
		{"all right", `{"jwt":{"secret":"` + secret + `",` + who + `}}`, ""},
		{"short secret", `{"jwt":{"secret":"secret",` + who + `}}`, "requires.auth.jwt.secret"},
		{"short secret of a key", `{"jwt":{"keys":[{"secret":"secret"}],` + who + `}}`, "requires.auth.jwt.keys[0]"},
		{"optional", `{"jwt":{"secret":"` + secret + `",` + who + `},"optional":true}`, "requires.auth.optional"},
	} {
		for _, production := range []bool{true, false} {
			st, err := New(sectionOf(t, c.cfg))
			if err != nil {
				t.Fatal(err)
			}
			var log logBuffer
			env := &auth.Env{Now: time.Now, Log: slog.New(slog.NewTextHandler(&log, nil)), Production: production, Files: os.DirFS(t.TempDir())}
			want := ""
			if production {
				want = c.want
			}
			if got := place(st.(*Strategy).Setup(t.Context(), env)); got != want {
				t.Errorf("%s, production %v: error at %q, want %q", c.name, production, got, want)
			}
			if warned := strings.Contains(log.String(), "production refuses this"); warned != (!production && c.want != "") {
				t.Errorf("%s, production %v: log %q", c.name, production, log.String())
			}
		}
	}
}

// A secret for development stays in force when the profile production adds a key set, unless it is taken away.
func TestMixture(t *testing.T) {
	for cfg, want := range map[string]bool{
		`{"jwt":{"secret":"` + secret + `","jwksFile":"keys.json","issuer":"i","audience":"a"}}`:              true,
		`{"jwt":{"secret":null,"jwksFile":"keys.json","issuer":"i","audience":"a"}}`:                          false,
		`{"jwt":{"secret":"` + secret + `","issuer":"i","audience":"a"}}`:                                     false,
		`{"jwt":{"issuer":"i","audience":"a","keys":[{"secret":"` + secret + `"},{"jwksFile":"keys.json"}]}}`: false,
		`{"jwt":{"secret":"` + secret + `","issuer":"i","audience":"a","keys":[{"jwksFile":"keys.json"}]}}`:   false,
	} {
		st, err := New(sectionOf(t, cfg))
		if err != nil {
			t.Fatal(err)
		}
		var log logBuffer
		env := &auth.Env{Now: time.Now, Log: slog.New(slog.NewTextHandler(&log, nil)), Production: true, Files: os.DirFS(t.TempDir())}
		if err := st.(*Strategy).Setup(t.Context(), env); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "are accepted"); got != want {
			t.Errorf("%s: log %q", cfg, log.String())
		}
	}
}

// auth.optional lets requests with bad tokens go on without a user.
func TestOptional(t *testing.T) {
	c := newClock()
	s := set(t, section(config.Section{"optional": true}), c, nil)
	for _, tok := range []string{"", "garbage", idptest.HS256(t, secret, valid(c.now(), map[string]any{"exp": 1}))} {
		if u, err := s.Authenticate(t.Context(), bearer(tok)); u != auth.Anonymous || err != nil {
			t.Errorf("%q: %v, %v", tok, u, err)
		}
	}
	if u := accepted(t, s, idptest.HS256(t, secret, valid(c.now(), nil))); u.ID != "alice" {
		t.Error(u)
	}
}

func FuzzSettings(f *testing.F) {
	for _, s := range []string{
		`{"jwt":{"secret":"x","issuer":"i","audience":"a"}}`, `{"jwt":{"keys":[{"jwksUrl":"https://x/"}],"issuer":false,"audience":[]}}`, `{"provider":"auth0","domain":"x"}`,
		`{"provider":"azure","tenant":"t","jwt":{"audience":"a"}}`, `{"jwt":{"publicKey":"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----"}}`, `{"claims":{"roles":[{"path":1}]}}`,
		`{"token":{"from":["cookie:a","header:b"]},"introspection":{"url":1}}`, `{"jwt":{"keys":{"0":{}},"leeway":1e9}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m map[string]any
		if json.Unmarshal(b, &m) != nil || bytes.Contains(b, []byte("File")) || bytes.Contains(b, []byte("file")) {
			return
		}
		st, err := New(m)
		if err != nil && place(err) == err.Error() {
			t.Fatalf("%s: an error without a place: %v", b, err)
		}
		if err == nil {
			if u, err := st.Authenticate(t.Context(), bearer("a.b.c")); u != nil && u.Identified() || err != nil && !errors.Is(err, auth.ErrCredentials) {
				t.Fatalf("%s: %v, %v", b, u, err)
			}
		}
	})
}
