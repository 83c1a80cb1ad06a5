package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cds/strategies/internal/idptest"
)

// A clock is a time that tests set.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func setOf(t *testing.T, idp *idptest.Server, c *clock) *JWKS {
	t.Helper()
	s := NewJWKS(JWKSOptions{URL: idp.JWKS(), Client: idp.Client, Now: c.now, Loopback: true})
	t.Cleanup(s.Close)
	return s
}

// settle waits for a fetch that is under way.
func settle[T any](r *remote[T]) {
	r.mu.Lock()
	f := r.flight
	r.mu.Unlock()
	if f != nil {
		<-f
	}
}

func code(err error) string {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Code
	}
	return fmt.Sprint(err)
}

func expect(t *testing.T, s *JWKS, kid, want string) {
	t.Helper()
	key, err := s.Key(t.Context(), kid, "ES256")
	got := ""
	if err != nil {
		got = code(err)
	}
	if got != want || (key == nil) == (want == "") {
		t.Fatalf("key %q: got %v, error %v; want %q", kid, key, err, want)
	}
}

// Drill 11: the issuer is down when the server starts.
func TestSetDownAtStart(t *testing.T) {
	idp, c := idptest.New(t), newClock()
	idp.Set(idptest.Fail)
	s := setOf(t, idp, c)
	for range 20 {
		expect(t, s, "key-1", "token-keys-unavailable")
	}
	if n := idp.Fetches(); n != 1 {
		t.Fatalf("%d fetches for 20 requests", n)
	}
	for range 60 { // down for a while: the pauses grow, up to a limit
		c.add(time.Second)
		expect(t, s, "key-1", "token-keys-unavailable")
	}
	if n := idp.Fetches(); n < 12 || n > 30 {
		t.Fatalf("%d fetches within a minute", n)
	}
	idp.Set(idptest.OK)
	c.add(5 * time.Second)
	expect(t, s, "key-1", "")
}

// Drill 12: the issuer fails later, in every way it can.
func TestSetDownLater(t *testing.T) {
	for _, mode := range []idptest.Mode{idptest.Fail, idptest.Hang, idptest.Drop, idptest.Garbage, idptest.HTML, idptest.Empty, idptest.Huge, idptest.Redirect, idptest.TooMany} {
		t.Run(fmt.Sprint("mode ", mode), func(t *testing.T) {
			idp, c := idptest.New(t), newClock()
			s := setOf(t, idp, c)
			s.r.wait, s.opt.MaxBytes = 1, 64<<10
			expect(t, s, "key-1", "")
			idp.Set(mode)
			for range 60 { // half an hour, of which the first five minutes are the set's own
				c.add(30 * time.Second)
				expect(t, s, "key-1", "")
				if mode != idptest.Hang {
					settle(&s.r)
				}
			}
			if n := idp.Requests("/elsewhere"); n != 0 {
				t.Fatal("a redirect to another host was followed")
			}
			if mode == idptest.Hang {
				return
			}
			expect(t, s, "other", "token-unknown-key")
			c.add(25 * time.Hour)
			expect(t, s, "key-1", "token-keys-unavailable")
			idp.Set(idptest.OK)
			c.add(time.Minute)
			expect(t, s, "key-1", "")
		})
	}
}

// Drill 13: the issuer takes long; one fetch is under way at most, and what is known is used meanwhile.
func TestSetSlow(t *testing.T) {
	idp, c := idptest.New(t), newClock()
	s := setOf(t, idp, c)
	expect(t, s, "key-1", "")
	idp.Set(idptest.Hang)
	c.add(4*time.Minute + 30*time.Second) // the set is about to end
	for range 1000 {
		expect(t, s, "key-1", "")
	}
	idp.Set(idptest.OK)
	settle(&s.r)
	if n := idp.Fetches(); n != 2 {
		t.Fatalf("%d fetches, want 2", n)
	}
	if until := s.FreshUntil(); !until.Equal(c.now().Add(5 * time.Minute)) {
		t.Fatalf("fresh until %v", until)
	}
}

// Drill 14: rotation. A new key is found with one fetch; a retired one is refused when the set has ended.
func TestSetRotation(t *testing.T) {
	idp, c := idptest.New(t), newClock()
	idp.MaxAge = 120
	removed := 0
	s := NewJWKS(JWKSOptions{URL: idp.JWKS(), Client: idp.Client, Now: c.now, Loopback: true, Removed: func() { removed++ }})
	defer s.Close()
	expect(t, s, "key-1", "")
	idp.Rotate(t, "ES256")
	c.add(time.Second)
	expect(t, s, "key-2", "")
	expect(t, s, "key-1", "")
	if n := idp.Fetches(); n != 2 || removed != 0 {
		t.Fatalf("%d fetches, %d removals", n, removed)
	}
	idp.Retire()
	c.add(90 * time.Second)
	expect(t, s, "key-1", "") // ahead fetch not due yet
	c.add(30 * time.Second)
	expect(t, s, "key-1", "token-unknown-key")
	expect(t, s, "key-2", "")
	if removed != 1 {
		t.Fatalf("%d removals", removed)
	}
}

// Drill 15: a flood of unknown kids reaches the issuer at most once in 30 s.
func TestSetFlood(t *testing.T) {
	idp, c := idptest.New(t), newClock()
	s := setOf(t, idp, c)
	expect(t, s, "key-1", "")
	for i := range 10_000 {
		c.add(time.Millisecond)
		expect(t, s, fmt.Sprint("random-", i), "token-unknown-key")
		if i%100 == 0 {
			expect(t, s, "key-1", "")
		}
	}
	if n := idp.Fetches(); n > 2 {
		t.Fatalf("%d fetches within 10 s", n)
	}
	idp.Rotate(t, "ES256")
	c.add(20*time.Second + time.Millisecond)
	expect(t, s, "key-2", "")
}

// Drill 16: 500 first requests at once make one discovery and one fetch.
func TestSetHerd(t *testing.T) {
	idp, c := idptest.New(t), newClock()
	idp.Set(idptest.Hang)
	d := NewDiscovery(idp.URL, JWKSOptions{Client: idp.Client, Now: c.now, Loopback: true})
	defer d.Close()
	s := d.JWKS()
	defer s.Close()
	var wg sync.WaitGroup
	errs := make(chan error, 500)
	for range 500 {
		wg.Go(func() {
			_, err := s.Key(t.Context(), "key-1", "ES256")
			errs <- err
		})
	}
	idp.Set(idptest.OK)
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	if idp.Discoveries() != 1 || idp.Fetches() != 1 {
		t.Fatalf("%d discoveries, %d fetches", idp.Discoveries(), idp.Fetches())
	}
}

func TestSetFile(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	name := filepath.Join(dir, "keys.json")
	write := func(text string, at time.Time) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	key := func(id string) string {
		k := idptest.NewKey(t, "ES256")
		k.ID = id
		j := k.JWK()
		b, err := j.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		return `{"keys":[` + string(b) + `]}`
	}
	write(key("a"), c.now())
	for _, opt := range []JWKSOptions{{File: name}, {File: "keys.json", Files: os.DirFS(dir)}} {
		opt.Now = c.now
		s := NewJWKS(opt)
		defer s.Close()
		expect(t, s, "a", "")
		expect(t, s, "b", "token-unknown-key")
		write(key("b"), c.now().Add(time.Hour))
		c.add(2 * time.Second)
		expect(t, s, "b", "")
		expect(t, s, "a", "token-unknown-key")
		write("{", c.now().Add(2*time.Hour)) // broken: the keys from before stay
		c.add(2 * time.Second)
		expect(t, s, "b", "")
		write(key("a"), c.now().Add(3*time.Hour))
		c.add(2 * time.Second)
		expect(t, s, "a", "")
	}
}

func TestParseSet(t *testing.T) {
	const ec = `{"kty":"EC","crv":"P-256","kid":"a","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"`
	const oct = `{"kty":"oct","kid":"s","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"`
	for _, c := range []struct {
		name, doc string
		secrets   bool
		keys      int // 0: an error
	}{
		{"one", `{"keys":[` + ec + `}]}`, false, 1},
		{"for signatures", `{"keys":[` + ec + `,"use":"sig","key_ops":["verify"]}]}`, false, 1},
		{"encryption", `{"keys":[` + ec + `,"use":"enc"}]}`, false, 0},
		{"use is no text", `{"keys":[` + ec + `,"use":["sig"]}]}`, false, 0},
		{"other operations", `{"keys":[` + ec + `,"key_ops":["sign"]}]}`, false, 0},
		{"private", `{"keys":[` + ec + `,"d":"AQ"}]}`, false, 0},
		{"algorithm of another type", `{"keys":[` + ec + `,"alg":"RS256"}]}`, false, 0},
		{"algorithm of another curve", `{"keys":[` + ec + `,"alg":"ES384"}]}`, false, 0},
		{"encryption algorithm", `{"keys":[` + ec + `,"alg":"ECDH-ES"}]}`, false, 0},
		{"point off the curve", `{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}`, false, 0},
		{"short RSA", `{"keys":[{"kty":"RSA","kid":"r","e":"AQAB","n":"vjqxm_cXV2sFJw3MoQbDHRvHFM5MbJqrBb6EF6FzmKy5n2WH0V1rKw"}]}`, false, 0},
		{"unknown kind", `{"keys":[{"kty":"AKP","kid":"x"},` + ec + `}]}`, false, 1},
		{"no object", `{"keys":["x",` + ec + `}]}`, false, 1},
		{"certificates are not asked", `{"keys":[` + ec + `,"x5c":["!"],"x5u":"http://evil","x5t":"x"}]}`, false, 1},
		{"secret at a URL", `{"keys":[` + oct + `}]}`, false, 0},
		{"secret in a file", `{"keys":[` + oct + `}]}`, true, 1},
		{"short secret for HS512", `{"keys":[` + oct + `,"alg":"HS512"}]}`, true, 0},
		{"mixed", `{"keys":[` + oct + `},` + ec + `}]}`, true, 0},
		{"empty", `{"keys":[]}`, false, 0},
		{"no list", `{"keys":{}}`, false, 0},
		{"none", `{}`, false, 0},
		{"a list", `[]`, false, 0},
		{"twice", `{"keys":[],"keys":[` + ec + `}]}`, false, 0},
		{"in another case", `{"Keys":[` + ec + `}]}`, false, 0},
	} {
		set, err := parseSet([]byte(c.doc), 10, c.secrets)
		if (err == nil) != (c.keys > 0) || err == nil && len(set.keys) != c.keys {
			t.Errorf("%s: %v, error %v", c.name, set, err)
		}
	}
	if _, err := parseSet([]byte(`{"keys":[`+ec+`},`+ec+`},`+ec+`}]}`), 2, false); err == nil {
		t.Error("more keys than the limit")
	}
}

// Two keys with the same id that both fit can't be told apart; the same key twice can.
func TestAmbiguousKid(t *testing.T) {
	a, b := idptest.NewKey(t, "ES256"), idptest.NewKey(t, "ES256")
	r := idptest.NewKey(t, "RS256")
	one := func(keys ...*idptest.Key) *keySet {
		s := &keySet{}
		for _, k := range keys {
			s.keys = append(s.keys, setKey{kid: "k", key: k.Private.Public()})
		}
		return s
	}
	for _, c := range []struct {
		set  *keySet
		want bool
	}{{one(a), true}, {one(a, a), true}, {one(a, b), false}, {one(a, r), true}, {one(r), false}, {one(), false}} {
		if key, _ := c.set.find("k", "ES256"); (key != nil) != c.want {
			t.Errorf("%d keys: found %v, want %v", len(c.set.keys), key, c.want)
		}
	}
}

func TestCheckURL(t *testing.T) {
	for _, c := range []struct {
		url      string
		loopback bool
		ok       bool
	}{
		{"https://issuer.example/keys", false, true},
		{"https://issuer.example/keys?zid=1", false, true},
		{"http://issuer.example/keys", false, false},
		{"http://issuer.example/keys", true, false},
		{"http://127.0.0.1:1234/keys", true, true},
		{"http://[::1]:1234/keys", true, true},
		{"http://localhost/keys", true, true},
		{"http://localhost/keys", false, false},
		{"http://localhost.evil.example/keys", true, false},
		{"http://127.0.0.1.evil.example/keys", true, false},
		{"https://user:pw@issuer.example/keys", false, false},
		{"https://issuer.example/keys#x", false, false},
		{"https:///keys", false, false},
		{"https://:443/keys", false, false},
		{"file:///etc/passwd", false, false},
		{"/keys", false, false},
		{"", false, false},
		{"https://a b/", false, false},
	} {
		if err := CheckURL(c.url, c.loopback); (err == nil) != c.ok {
			t.Errorf("%q (loopback %v): %v", c.url, c.loopback, err)
		}
	}
}

func TestLifetime(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		header map[string]string
		want   time.Duration
	}{
		{nil, 0},
		{map[string]string{"Cache-Control": "public, max-age=600"}, 10 * time.Minute},
		{map[string]string{"Cache-Control": "s-maxage=60"}, time.Minute},
		{map[string]string{"Cache-Control": "max-age=600", "Age": "590"}, 10 * time.Second},
		{map[string]string{"Cache-Control": "max-age=600", "Age": "700"}, time.Second},
		{map[string]string{"Cache-Control": "no-cache"}, 0},
		{map[string]string{"Cache-Control": "no-store, max-age=600"}, 0},
		{map[string]string{"Cache-Control": "max-age=-1"}, 0},
		{map[string]string{"Cache-Control": "max-age=x"}, 0},
		{map[string]string{"Cache-Control": "max-age=99999999999999999999"}, 0},
		{map[string]string{"Expires": now.Add(time.Hour).Format(http.TimeFormat)}, time.Hour},
		{map[string]string{"Expires": now.Add(-time.Hour).Format(http.TimeFormat)}, 0},
		{map[string]string{"Expires": "0"}, 0},
	} {
		h := http.Header{}
		for k, v := range c.header {
			h.Set(k, v)
		}
		if got := lifetime(h, now); got != c.want {
			t.Errorf("%v: %v, want %v", c.header, got, c.want)
		}
	}
}

// A flood while the issuer hangs: nobody waits for it longer than patience allows.
func TestSetFloodWhileHanging(t *testing.T) {
	idp, c := idptest.New(t), newClock()
	s := setOf(t, idp, c)
	expect(t, s, "key-1", "")
	s.r.wait = 1
	idp.Set(idptest.Hang)
	for i := range 100 {
		expect(t, s, fmt.Sprint("random-", i), "token-unknown-key")
		expect(t, s, "key-1", "")
	}
	if n := idp.Fetches(); n > 2 {
		t.Fatalf("%d fetches", n)
	}
}

func TestDiscover(t *testing.T) {
	idp := idptest.NewTLS(t)
	m, err := Discover(t.Context(), idp.Client, idp.URL)
	if err != nil || m.TokenEndpoint != idp.URL+"/token" {
		t.Fatal(m, err)
	}
	if _, err := Discover(t.Context(), idp.Client, idp.URL+"/other"); err == nil {
		t.Error("another issuer")
	}
	if _, err := Discover(t.Context(), http.DefaultClient, idp.URL); err == nil {
		t.Error("a certificate that nobody knows")
	}
}

func TestDiscovery(t *testing.T) {
	idp := idptest.New(t)
	for _, c := range []struct {
		name string
		meta map[string]any
		mode idptest.Mode
		ok   bool
	}{
		{"as it should be", nil, idptest.OK, true},
		{"another issuer", map[string]any{"issuer": "https://evil.example"}, idptest.OK, false},
		{"a slash more", map[string]any{"issuer": idp.URL + "/"}, idptest.OK, false},
		{"no issuer", map[string]any{"issuer": nil}, idptest.OK, false},
		{"no keys", map[string]any{"jwks_uri": nil}, idptest.OK, false},
		{"keys by http", map[string]any{"jwks_uri": "http://issuer.example/keys"}, idptest.OK, false},
		{"an endpoint by http", map[string]any{"token_endpoint": "http://issuer.example/token"}, idptest.OK, false},
		{"an endpoint that is no text", map[string]any{"token_endpoint": 1}, idptest.OK, false},
		{"issuer twice", map[string]any{"Issuer": idp.URL}, idptest.OK, false},
		{"html", nil, idptest.HTML, false},
		{"empty", nil, idptest.Empty, false},
		{"huge", nil, idptest.Huge, false},
		{"redirect", nil, idptest.Redirect, false},
		{"down", nil, idptest.Drop, false},
	} {
		idp.Metadata = c.meta
		idp.Set(c.mode)
		d := NewDiscovery(idp.URL, JWKSOptions{Client: idp.Client, Loopback: true})
		m, err := d.Metadata(t.Context())
		d.Close()
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		if err == nil && (m.JWKSURI != idp.JWKS() || m.Issuer != idp.URL || len(m.CodeChallengeMethods) != 1) {
			t.Errorf("%s: %+v", c.name, m)
		}
	}
}

// A load that panics is one that failed.
func TestRemotePanic(t *testing.T) {
	c := newClock()
	r := remote[int]{name: "x", load: func(context.Context, int) (int, time.Duration, error) { panic("odd") }, now: c.now, log: slog.New(slog.DiscardHandler), stale: time.Hour, pause: time.Second}
	r.start()
	defer r.close()
	if _, err := r.get(t.Context()); err == nil || !strings.Contains(err.Error(), "odd") {
		t.Fatal(err)
	}
}
