package xsuaa_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/internal/idptest"
	"cds/strategies/internal/saptest"
	"cds/strategies/strategytest"
	"cds/strategies/xsuaa"
)

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func section(l *saptest.Landscape) config.Section {
	return config.Section{"kind": "xsuaa", "credentials": map[string]any{
		"clientid": "sb-shop!t1", "clientsecret": "secret", "url": l.URL, "xsappname": "shop!t1", "uaadomain": l.Domain}}
}

func strategy(t *testing.T, l *saptest.Landscape, cfg config.Section, clock func() time.Time) auth.Strategy {
	t.Helper()
	s, err := xsuaa.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if clock == nil {
		clock = func() time.Time { return now }
	}
	trusted := func(r *http.Request) bool { return strings.HasPrefix(r.RemoteAddr, "10.") }
	if err := s.(auth.Setter).Setup(t.Context(), &auth.Env{Now: clock, Log: logger(), HTTP: l.Client, Trusted: trusted}); err != nil {
		t.Fatal(err)
	}
	return s
}

func bearer(token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func TestConformance(t *testing.T) {
	l := saptest.New(t)
	good := l.Key(t, "t1").Sign(t, saptest.XSUAA("t1", nil), now)
	strategytest.Run(t, strategytest.Subject{
		New:     func(t *testing.T) auth.Strategy { return strategy(t, l, section(l), nil) },
		Good:    func(*testing.T) *http.Request { return bearer(good) },
		UserID:  "alice",
		Bad:     []string{"Bearer", "Bearer x", "Bearer a.b.c", "bearer " + good + "x", "Bearer " + good + " " + good},
		Foreign: []string{"Basic Ym9iOg==", "Digest x"},
	})
}

type claims = map[string]any

func TestUsers(t *testing.T) {
	l := saptest.New(t)
	s := strategy(t, l, section(l), nil)
	key := l.Key(t, "t1")
	for _, tt := range []struct {
		name   string
		claims claims
		id     string
		roles  string // without any and authenticated-user
		attrs  map[string][]string
	}{
		{"a person", nil, "alice", "Editor openid", map[string][]string{"logonName": {"alice"}}},
		{"attributes", claims{"xs.user.attributes": claims{"country": []string{"DE", "FR"}, "level": []string{}}, "given_name": "Al", "family_name": "Ice", "email": "a@x.example"}, "alice", "Editor openid",
			map[string][]string{"country": {"DE", "FR"}, "level": nil, "logonName": {"alice"}, "givenName": {"Al"}, "familyName": {"Ice"}, "email": {"a@x.example"}}},
		{"an attribute can't replace the name", claims{"xs.user.attributes": claims{"logonName": []string{"bob"}}}, "alice", "Editor openid", map[string][]string{"logonName": {"alice"}}},
		{"scopes of others keep their names", claims{"scope": []string{"admin", "fooshop!t1.admin", "shop!t2.admin", "shop!t1.a.b", "x.shop!t1.admin"}}, "alice",
			"a.b admin fooshop!t1.admin shop!t2.admin x.shop!t1.admin", nil},
		{"scopes as a text", claims{"scope": "openid shop!t1.Viewer"}, "alice", "Viewer openid", nil},
		{"no scope among them", claims{"scope": []string{}}, "alice", "", nil},
		{"pseudo-roles can't be given", claims{"scope": []string{"shop!t1.system-user", "internal-user", "shop!t1.internal-user", "any", "shop!t1.authenticated-user", "shop!t1."}}, "alice", "", nil},
		{"a technical client", claims{"grant_type": "client_credentials", "user_name": nil, "cid": "sb-other!t1", "client_id": "sb-other!t1", "azp": "sb-other!t1"}, "system", "Editor openid system-user", map[string][]string{}},
		{"the application itself", claims{"grant_type": "client_credentials", "user_name": nil}, "system", "Editor internal-user openid system-user", map[string][]string{}},
		{"by certificate", claims{"grant_type": "client_x509", "user_name": nil}, "system", "Editor internal-user openid system-user", map[string][]string{}},
		{"one claim names another client", claims{"grant_type": "client_credentials", "azp": "sb-other!t1"}, "system", "Editor openid system-user", nil},
		{"no claim names the client", claims{"grant_type": "client_credentials", "azp": nil, "cid": nil, "client_id": nil}, "system", "Editor openid system-user", nil},
		{"audience is the client", claims{"aud": "sb-shop!t1"}, "alice", "Editor openid", nil},
		{"audience with more behind a dot", claims{"aud": []string{"shop!t1.sub"}}, "alice", "Editor openid", nil},
		{"audience of the scopes", claims{"aud": nil}, "alice", "Editor openid", nil},
		{"empty audience", claims{"aud": []string{}}, "alice", "Editor openid", nil},
		{"issuer is not looked at", claims{"iss": "https://elsewhere.example"}, "alice", "Editor openid", nil},
		{"issued in the future", claims{"iat": now.Add(time.Hour).Unix()}, "alice", "Editor openid", nil},
		{"expired 59 s ago", claims{"exp": now.Add(-59 * time.Second).Unix()}, "alice", "Editor openid", nil},
		{"counts in 59 s", claims{"nbf": now.Add(59 * time.Second).Unix()}, "alice", "Editor openid", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, err := s.Authenticate(t.Context(), bearer(key.Sign(t, saptest.XSUAA("t1", tt.claims), now)))
			if err != nil {
				t.Fatal(err)
			}
			var roles []string
			for _, r := range u.Roles() {
				if r != auth.RoleAny && r != auth.RoleAuthenticated {
					roles = append(roles, r)
				}
			}
			if got := strings.Join(roles, " "); u.ID != tt.id || got != tt.roles || u.Tenant != "t1" {
				t.Errorf("user %q of %q with %q, want %q with %q", u.ID, u.Tenant, got, tt.id, tt.roles)
			}
			if tt.attrs != nil {
				if d := cmp.Diff(tt.attrs, u.Attrs); d != "" {
					t.Errorf("attributes: -want +got:\n%s", d)
				}
			}
			if u.Token == "" || u.Info == nil {
				t.Error("no token or info")
			}
		})
	}
}

func TestRefused(t *testing.T) {
	l := saptest.New(t)
	s := strategy(t, l, section(l), nil)
	key := l.Key(t, "t1")
	other := l.Key(t, "t2")
	raw := func(header string, k *idptest.Key) string {
		return k.SignRaw(t, header, fmt.Sprintf(`{"zid":"t1","aud":["shop!t1"],"scope":["shop!t1.Editor"],"user_name":"alice","exp":%d}`, now.Add(time.Hour).Unix()))
	}
	sign := func(c claims) string { return key.Sign(t, saptest.XSUAA("t1", c), now) }
	stranger := idptest.NewKey(t, "RS256")
	stranger.ID = key.ID
	ec := idptest.NewKey(t, "ES256")
	ec.ID = key.ID
	jwk, err := key.JWK().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"` + key.ID + `"}`))
	for name, token := range map[string]string{
		"another zone's key":              other.Sign(t, saptest.XSUAA("t1", nil), now),
		"the zone of another key":         key.Sign(t, saptest.XSUAA("t2", nil), now),
		"a zone that is not known":        key.Sign(t, saptest.XSUAA("nowhere", nil), now),
		"no zone":                         sign(claims{"zid": nil}),
		"a zone that is a path":           sign(claims{"zid": "t1/../../x?zid=t1"}),
		"a zone that is a number":         sign(claims{"zid": 1}),
		"a stranger's key":                stranger.Sign(t, saptest.XSUAA("t1", nil), now),
		"another type of key":             ec.Sign(t, saptest.XSUAA("t1", nil), now),
		"no kid":                          raw(`{"alg":"RS256"}`, key),
		"unknown kid":                     raw(`{"alg":"RS256","kid":"x"}`, key),
		"none":                            none + "." + strings.Split(sign(nil), ".")[1] + ".",
		"RS512":                           raw(`{"alg":"RS512","kid":"`+key.ID+`"}`, &idptest.Key{ID: key.ID, Algorithm: "RS512", Private: key.Private}),
		"the public key as secret":        idptest.SignSecret(t, jwk, `{"alg":"HS256","kid":"`+key.ID+`"}`, `{"zid":"t1","aud":"shop!t1","scope":[],"user_name":"alice","exp":9999999999}`),
		"a key of its own (jwk)":          raw(`{"alg":"RS256","kid":"`+key.ID+`","jwk":{"kty":"RSA"}}`, stranger),
		"keys from elsewhere (jku)":       raw(`{"alg":"RS256","kid":"`+key.ID+`","jku":"https://evil.test/token_keys"}`, stranger),
		"keys from a host like ours":      raw(`{"alg":"RS256","kid":"`+key.ID+`","jku":"https://`+l.Domain+`.evil.test/token_keys"}`, stranger),
		"critical extension":              raw(`{"alg":"RS256","kid":"`+key.ID+`","crit":["x"],"x":1}`, key),
		"another application":             sign(claims{"aud": []string{"other!t1"}}),
		"audience with ours in it":        sign(claims{"aud": []string{"xshop!t1", "shop!t10", "evil.shop!t1"}}),
		"another's audience, our scopes":  sign(claims{"aud": []string{"other!t1"}, "scope": []string{"shop!t1.Editor"}}),
		"no audience, foreign scopes":     sign(claims{"aud": nil, "scope": []string{"other!t1.Editor", "openid"}}),
		"audience of the wrong type":      sign(claims{"aud": claims{"shop!t1": true}}),
		"expired 61 s ago":                sign(claims{"exp": now.Add(-61 * time.Second).Unix()}),
		"no end":                          sign(claims{"exp": nil}),
		"end of the wrong type":           sign(claims{"exp": "tomorrow"}),
		"counts in 61 s":                  sign(claims{"nbf": now.Add(61 * time.Second).Unix()}),
		"no scopes":                       sign(claims{"scope": nil}),
		"scopes of the wrong type":        sign(claims{"scope": claims{"admin": true}}),
		"scopes that are no texts":        sign(claims{"scope": []any{"shop!t1.Editor", 1}}),
		"no user":                         sign(claims{"user_name": nil}),
		"an empty user":                   sign(claims{"user_name": ""}),
		"a user that is no text":          sign(claims{"user_name": []string{"alice"}}),
		"the anonymous user":              sign(claims{"user_name": "anonymous"}),
		"the privileged user":             sign(claims{"user_name": "Privileged"}),
		"the technical user's name":       sign(claims{"user_name": "system"}),
		"attributes of the wrong type":    sign(claims{"xs.user.attributes": []string{"x"}}),
		"an attribute of the wrong type":  sign(claims{"xs.user.attributes": claims{"country": claims{"x": "y"}}}),
		"an attribute with half a number": sign(claims{"xs.user.attributes": claims{"country": []any{"DE", 1}}}),
		"two users":                       key.SignRaw(t, `{"alg":"RS256","kid":"`+key.ID+`"}`, `{"zid":"t1","aud":"shop!t1","scope":[],"user_name":"alice","USER_NAME":"bob","exp":9999999999}`),
		"bound to a certificate":          sign(claims{"cnf": claims{"x5t#S256": strings.Repeat("A", 43)}}),
		"bound to something else":         sign(claims{"cnf": claims{"jkt": strings.Repeat("A", 43)}}),
	} {
		t.Run(name, func(t *testing.T) {
			u, err := s.Authenticate(t.Context(), bearer(token))
			if !errors.Is(err, auth.ErrCredentials) || u != nil {
				t.Errorf("user %v, error %v", u, err)
			}
			if err != nil && strings.Contains(err.Error(), strings.Split(token, ".")[2]) && len(strings.Split(token, ".")[2]) > 4 {
				t.Error("the error tells the signature")
			}
		})
	}
	if n := len(l.Requests("evil")); n > 0 {
		t.Errorf("%d requests went where a token said", n)
	}
	if n := len(l.Requests("..")); n > 0 {
		t.Errorf("%d requests with a path of a token", n)
	}
}

func TestKeys(t *testing.T) {
	l := saptest.New(t)
	clock := now
	var mu sync.Mutex
	s := strategy(t, l, section(l), func() time.Time { mu.Lock(); defer mu.Unlock(); return clock })
	ahead := func(d time.Duration) { mu.Lock(); clock = clock.Add(d); mu.Unlock() }
	ok := func(token string) bool {
		_, err := s.Authenticate(t.Context(), bearer(token))
		return err == nil
	}
	claims := func(n int) claims {
		return saptest.XSUAA("t1", map[string]any{"n": n, "exp": now.Add(100 * time.Hour).Unix()})
	}
	first := l.Key(t, "t1").Sign(t, claims(0), now)
	var wg sync.WaitGroup
	for i := range 50 {
		token := l.Key(t, "t1").Sign(t, claims(i), now)
		wg.Go(func() {
			if !ok(token) {
				t.Error("refused")
			}
		})
	}
	wg.Wait()
	if n := len(l.Requests("token_keys")); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
	if got := l.Requests("token_keys")[0].URL.String(); got != "/token_keys?zid=t1" {
		t.Errorf("fetched %s", got)
	}
	second := l.Rotate(t, "t1", "RS384").Sign(t, claims(100), now)
	if !ok(second) {
		t.Error("a new key was not found")
	}
	if !ok(first) {
		t.Error("the old key is gone")
	}
	l.Break(true)
	ahead(2 * time.Hour)
	if !ok(first) {
		t.Error("keys are not used while the service is down")
	}
	if _, err := s.Authenticate(t.Context(), bearer(l.Key(t, "t9").Sign(t, saptest.XSUAA("t9", map[string]any{"exp": clock.Add(time.Hour).Unix()}), clock))); !errors.Is(err, auth.ErrCredentials) {
		t.Errorf("no keys: %v, want a refusal", err)
	}
	l.Break(false)
	ahead(10 * time.Second)
	if _, err := s.Authenticate(t.Context(), bearer(l.Key(t, "t9").Sign(t, saptest.XSUAA("t9", map[string]any{"exp": clock.Add(time.Hour).Unix()}), clock))); err != nil {
		t.Errorf("the service is back: %v", err)
	}
}

// The keys of the provider are there before the first request, and a service that is down does not stop the start.
func TestPrefetch(t *testing.T) {
	l := saptest.New(t)
	good := l.Key(t, "t1").Sign(t, saptest.XSUAA("t1", nil), now)
	cfg := config.Merge(section(l), config.Section{"credentials": claims{"identityzoneid": "t1"}})
	s := strategy(t, l, cfg, nil)
	for end := time.Now().Add(10 * time.Second); len(l.Requests("zid=t1")) == 0; {
		if time.Now().After(end) {
			t.Fatal("nothing is fetched")
		}
		runtime.Gosched()
	}
	if _, err := s.Authenticate(t.Context(), bearer(good)); err != nil || len(l.Requests("zid=t1")) != 1 {
		t.Errorf("%v, %d fetches", err, len(l.Requests("zid=t1")))
	}
	l.Break(true)
	s = strategy(t, l, cfg, nil)
	if _, err := s.Authenticate(t.Context(), bearer(good)); !errors.Is(err, auth.ErrCredentials) {
		t.Errorf("while the service is down: %v", err)
	}
}

// Tokens that name many zones neither ask for all of their keys nor displace those that are used.
func TestFloodOfZones(t *testing.T) {
	l := saptest.New(t)
	s := strategy(t, l, section(l), nil)
	good := l.Key(t, "t1")
	if _, err := s.Authenticate(t.Context(), bearer(good.Sign(t, saptest.XSUAA("t1", nil), now))); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		if _, err := s.Authenticate(t.Context(), bearer(good.Sign(t, saptest.XSUAA(fmt.Sprintf("z%d", i), nil), now))); err == nil {
			t.Fatal("accepted")
		}
	}
	if n := len(l.Requests("token_keys")); n > 40 {
		t.Errorf("%d fetches", n)
	}
	before := len(l.Requests("zid=t1"))
	if _, err := s.Authenticate(t.Context(), bearer(good.Sign(t, saptest.XSUAA("t1", map[string]any{"jti": "2"}), now))); err != nil {
		t.Errorf("the zone in use: %v", err)
	}
	if n := len(l.Requests("zid=t1")); n != before {
		t.Error("the keys of the zone in use were displaced")
	}
}

// A token that is bound to a certificate is of use to its owner only, also once it is known.
func TestBoundToken(t *testing.T) {
	l := saptest.New(t)
	mine, other := []byte("my certificate"), []byte("another certificate")
	sum := sha256.Sum256(mine)
	token := l.Key(t, "t1").Sign(t, saptest.XSUAA("t1", claims{"cnf": claims{"x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])}}), now)
	free := l.Key(t, "t1").Sign(t, saptest.XSUAA("t1", nil), now)
	with := func(token string, der []byte) *http.Request {
		r := bearer(token)
		if der != nil {
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Raw: der}}}
		}
		return r
	}
	for _, tt := range []struct {
		name string
		x5t  any
		want string // for: the owner, somebody else, nobody, a token that is not bound
	}{
		{"on", nil, "yes no no yes"},
		{"required", "required", "yes no no no"},
		{"off", false, "yes yes yes yes"},
	} {
		s := strategy(t, l, config.Merge(section(l), config.Section{"x5t": tt.x5t}), nil)
		for range 2 { // the second time the token is known
			var got []string
			for _, r := range []*http.Request{with(token, mine), with(token, other), with(token, nil), with(free, mine)} {
				u, err := s.Authenticate(t.Context(), r)
				switch {
				case err == nil && u.ID == "alice":
					got = append(got, "yes")
				case errors.Is(err, auth.ErrCredentials) && u == nil:
					got = append(got, "no")
				default:
					t.Fatalf("%s: %v %v", tt.name, u, err)
				}
			}
			if g := strings.Join(got, " "); g != tt.want {
				t.Errorf("%s: %s, want %s", tt.name, g, tt.want)
			}
		}
	}
}

func TestConfiguration(t *testing.T) {
	cred := func(c map[string]any) config.Section { return config.Section{"credentials": c} }
	good := func(more map[string]any) map[string]any {
		c := map[string]any{"clientid": "c", "xsappname": "a", "uaadomain": "uaa.example", "clientsecret": "hunter2"}
		for k, v := range more {
			c[k] = v
		}
		return c
	}
	for _, tt := range []struct {
		cfg  config.Section
		want string
	}{
		{config.Section{}, "requires.auth.credentials: is missing: no XSUAA instance is bound"},
		{cred(good(map[string]any{"clientid": ""})), "requires.auth.credentials.clientid"},
		{cred(good(map[string]any{"xsappname": nil})), "requires.auth.credentials.xsappname"},
		{cred(good(map[string]any{"uaadomain": ""})), "requires.auth.credentials.uaadomain"},
		{cred(good(map[string]any{"uaadomain": "https://uaa.example"})), "requires.auth.credentials.uaadomain"},
		{cred(good(map[string]any{"uaadomain": "uaa.example/x"})), "requires.auth.credentials.uaadomain"},
		{cred(good(map[string]any{"uaadomain": "user@uaa.example"})), "requires.auth.credentials.uaadomain"},
		{cred(good(map[string]any{"uaadomain": "uaa.example:99999999"})), "requires.auth.credentials.uaadomain"},
		{cred(good(map[string]any{"clientid": []any{"c"}})), "requires.auth.credentials.clientid"},
		{config.Merge(cred(good(nil)), config.Section{"x5t": "maybe"}), "requires.auth.x5t"},
		{config.Merge(cred(good(nil)), config.Section{"x5t": map[string]any{"enabeld": false}}), "requires.auth.x5t.enabeld"},
		{config.Merge(cred(good(nil)), config.Section{"token": map[string]any{"from": "anywhere"}}), "requires.auth.token.from"},
	} {
		_, err := xsuaa.New(tt.cfg)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v: got %v, want an error with %s", tt.cfg, err, tt.want)
		}
	}
	if _, err := xsuaa.New(cred(good(nil))); err != nil {
		t.Fatal(err)
	}
	s, err := xsuaa.New(config.Merge(cred(good(nil)), config.Section{"ca": "none.pem"}))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.(auth.Setter).Setup(t.Context(), &auth.Env{HTTP: http.DefaultClient, Files: fstest.MapFS{}, Now: time.Now}); err == nil {
		t.Error("a file of certificates that is not there was accepted")
	}
}

func TestExplain(t *testing.T) {
	l := saptest.New(t)
	s := strategy(t, l, section(l), nil).(auth.Explainer)
	key := l.Key(t, "t1")
	lines, u, err := s.Explain(t.Context(), key.Sign(t, saptest.XSUAA("t1", nil), now))
	if err != nil || u.ID != "alice" || !slices.ContainsFunc(lines, func(s string) bool { return strings.Contains(s, "accepted") }) {
		t.Errorf("%v %v %q", u, err, lines)
	}
	lines, _, err = s.Explain(t.Context(), key.Sign(t, saptest.XSUAA("t1", claims{"aud": "x"}), now))
	if err == nil || !strings.Contains(strings.Join(lines, "\n"), "audience") {
		t.Errorf("%v %q", err, lines)
	}
}

func BenchmarkKnownToken(b *testing.B) {
	l := saptest.New(b)
	s, err := xsuaa.New(section(l))
	if err != nil {
		b.Fatal(err)
	}
	if err := s.(auth.Setter).Setup(b.Context(), &auth.Env{Now: func() time.Time { return now }, Log: logger(), HTTP: l.Client}); err != nil {
		b.Fatal(err)
	}
	r := bearer(l.Key(b, "t1").Sign(b, saptest.XSUAA("t1", nil), now))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Authenticate(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}

func logger() *slog.Logger { return slog.New(slog.DiscardHandler) }
