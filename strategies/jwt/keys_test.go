package jwt

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/internal/idptest"
)

func publicPEM(t testing.TB, k *idptest.Key) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.Private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// idpSection is requires.auth with the key set of an issuer.
func idpSection(idp *idptest.Server) config.Section {
	return config.Section{"kind": "jwt", "jwt": map[string]any{"jwksUrl": idp.JWKS(), "issuer": idp.URL, "audience": "app", "insecureLoopback": true}}
}

// Secrets, public keys and key sets stand side by side, each with rules of its own.
func TestSideBySide(t *testing.T) {
	c, idp := newClock(), idptest.New(t)
	rsa := idptest.NewKey(t, "RS256")
	s := set(t, config.Section{"jwt": map[string]any{
		"secret": secret, "issuer": "https://me", "audience": "app", "insecureLoopback": true,
		"keys": []any{
			map[string]any{"kid": "old", "secret": "another secret that is long enough", "issuer": "https://old"},
			map[string]any{"publicKey": publicPEM(t, rsa), "issuer": []any{"https://rsa", "https://rsa2"}, "audience": false},
			map[string]any{"jwksUrl": idp.JWKS(), "issuer": idp.URL, "requireExp": false, "algorithms": "ES256"},
		},
	}}, c, idp.Client)
	old := func(kid, iss string) string {
		return idptest.SignSecret(t, []byte("another secret that is long enough"), `{"alg":"HS256"`+kid+`}`, `{"iss":"`+iss+`","aud":"app","sub":"bob","exp":4102444800}`)
	}
	accepted(t, s, idptest.HS256(t, secret, valid(c.now(), nil)))
	accepted(t, s, old("", "https://old"))
	accepted(t, s, old(`,"kid":"old"`, "https://old"))
	accepted(t, s, rsa.Sign(t, map[string]any{"iss": "https://rsa2", "sub": "x"}, c.now()))
	accepted(t, s, idp.Token(t, map[string]any{"sub": "x", "aud": "app", "exp": nil}, c.now()))

	refused(t, s, old(`,"kid":"old"`, "https://me"), "token-issuer")
	refused(t, s, old("", "https://me"), "token-issuer")
	refused(t, s, idptest.HS256(t, secret, valid(c.now(), map[string]any{"iss": "https://old"})), "token-issuer")
	refused(t, s, idptest.HS256(t, secret, valid(c.now(), map[string]any{"iss": "https://rsa", "aud": nil})), "token-issuer")
	refused(t, s, idptest.SignSecret(t, []byte(publicPEM(t, rsa)), `{"alg":"HS256"}`, `{"iss":"https://rsa","sub":"x","exp":4102444800}`), "token-signature")
	refused(t, s, idp.Token(t, map[string]any{"sub": "x", "aud": "other"}, c.now()), "token-audience")
	refused(t, s, idp.Token(t, map[string]any{"sub": "x", "aud": "app", "iss": "https://me"}, c.now()), "token-issuer")
}

// Drill 11: the issuer is down at the start; the server starts, tokens are refused until it is back.
func TestIssuerDownAtStart(t *testing.T) {
	c, idp := newClock(), idptest.New(t)
	idp.Set(idptest.Drop)
	s := set(t, idpSection(idp), c, idp.Client)
	tok := idp.Token(t, map[string]any{"sub": "x", "aud": "app"}, c.now())
	refused(t, s, tok, "token-keys-unavailable")
	idp.Set(idptest.OK)
	c.add(5 * time.Second)
	accepted(t, s, tok)
}

// Drills 12 and 13: with a set and known tokens at hand, an issuer that fails or hangs is not noticed.
func TestIssuerHangsLater(t *testing.T) {
	c, idp := newClock(), idptest.New(t)
	s := set(t, idpSection(idp), c, idp.Client)
	tok := idp.Token(t, map[string]any{"sub": "x", "aud": "app", "exp": c.now().Add(2 * time.Hour).Unix()}, c.now())
	u := accepted(t, s, tok)
	idp.Set(idptest.Hang)
	before := idp.Fetches()
	for range 58 {
		c.add(time.Second)
		for range 100 {
			if accepted(t, s, tok) != u {
				t.Fatal("the token was verified again")
			}
		}
	}
	if n := idp.Fetches(); n != before {
		t.Fatalf("%d fetches for known tokens", n-before)
	}
	idp.Set(idptest.Fail)
	for range 60 {
		c.add(time.Minute)
		accepted(t, s, tok)
	}
}

// Drill 14: rotation and retirement, with tokens that are known already.
func TestRotation(t *testing.T) {
	c, idp := newClock(), idptest.New(t)
	idp.MaxAge = 120
	s := set(t, idpSection(idp), c, idp.Client)
	claims := map[string]any{"sub": "x", "aud": "app"}
	old := idp.Token(t, claims, c.now())
	accepted(t, s, old)
	idp.Rotate(t, "ES256")
	fetches := idp.Fetches()
	accepted(t, s, idp.Token(t, claims, c.now()))
	if n := idp.Fetches() - fetches; n != 1 {
		t.Fatalf("%d fetches for the new key", n)
	}
	idp.Retire()
	for range 11 {
		c.add(10 * time.Second)
		_, _ = s.Authenticate(t.Context(), bearer(old)) // keeps it known as long as can be
	}
	c.add(10 * time.Second)
	refused(t, s, old, "token-unknown-key")
	accepted(t, s, idp.Token(t, claims, c.now()))
}

// Drill 15: a flood of tokens with unknown keys does not reach the issuer, nor disturb others.
func TestFlood(t *testing.T) {
	c, idp := newClock(), idptest.New(t)
	s := set(t, idpSection(idp), c, idp.Client)
	claims := map[string]any{"sub": "x", "aud": "app"}
	good := idp.Token(t, claims, c.now())
	accepted(t, s, good)
	before := idp.Fetches()
	foreign := idptest.NewKey(t, "ES256")
	for i := range 10_000 {
		c.add(time.Millisecond)
		foreign.ID = "random-" + time.Duration(i).String()
		if i%10 == 0 {
			accepted(t, s, good)
		}
		refused(t, s, foreign.SignRaw(t, `{"alg":"ES256","kid":"`+foreign.ID+`"}`, `{"iss":"`+idp.URL+`","sub":"x"}`), "token-unknown-key")
		if i >= 300 { // the rest needs no signatures
			break
		}
	}
	if n := idp.Fetches() - before; n > 1 {
		t.Fatalf("%d fetches for unknown keys", n)
	}
}

// Drill 16: 500 first requests at once.
func TestHerd(t *testing.T) {
	c, idp := newClock(), idptest.New(t)
	idp.Set(idptest.Hang)
	s := set(t, idpSection(idp), c, idp.Client)
	key := idp.Key()
	tokens := make([]string, 500)
	for i := range tokens {
		tokens[i] = key.Sign(t, map[string]any{"iss": idp.URL, "aud": "app", "sub": "x", "n": i}, c.now())
	}
	var wg sync.WaitGroup
	for _, tok := range tokens {
		wg.Go(func() {
			if _, err := s.Authenticate(t.Context(), bearer(tok)); err != nil {
				t.Error(err)
			}
		})
	}
	idp.Set(idptest.OK)
	wg.Wait()
	if n := idp.Fetches(); n != 1 {
		t.Fatalf("%d fetches, want 1", n)
	}
}

// Drill 17: the clock jumps.
func TestClockJumps(t *testing.T) {
	c, idp := newClock(), idptest.New(t)
	s := set(t, idpSection(idp), c, idp.Client)
	tok := idp.Token(t, map[string]any{"sub": "x", "aud": "app", "exp": c.now().Add(30 * time.Minute).Unix(), "nbf": c.now().Unix()}, c.now())
	accepted(t, s, tok)
	c.add(-time.Hour)
	accepted(t, s, tok) // verified just before
	fresh := idp.Token(t, map[string]any{"sub": "x", "aud": "app", "exp": c.now().Add(2 * time.Hour).Unix()}, c.now())
	accepted(t, s, fresh)
	c.add(2 * time.Hour)
	refused(t, s, tok, "token-expired")
	if n := idp.Fetches(); n > 3 {
		t.Fatalf("%d fetches", n)
	}
}

// Keys in files are read again when the files change, without a restart.
func TestFiles(t *testing.T) {
	c, dir := newClock(), t.TempDir()
	write := func(name, text string) {
		t.Helper()
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c.add(2 * time.Second)
		if err := os.Chtimes(p, c.now(), c.now()); err != nil {
			t.Fatal(err)
		}
	}
	first, second := idptest.NewKey(t, "ES256"), idptest.NewKey(t, "RS256")
	list := func(keys ...map[string]any) string {
		b, err := json.Marshal(keys)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	jwks := func(k *idptest.Key) string {
		j := k.JWK()
		b, err := j.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		return `{"keys":[` + string(b) + `]}`
	}
	const one, two = "file secret number one, 32 bytes..", "file secret number two, 32 bytes.."
	write("key.pem", publicPEM(t, first))
	write("secret", one+"\n")
	write("keys.json", list(map[string]any{"kid": "l1", "secret": one, "issuer": "https://list"}))
	setKey := idptest.NewKey(t, "ES256")
	setKey.ID = "s1"
	write("jwks.json", jwks(setKey))
	st, err := New(config.Section{"jwt": map[string]any{
		"issuer": "https://me", "audience": "app", "publicKeyFile": "key.pem", "secretFile": filepath.Join(dir, "secret"), "keysFile": "keys.json", "jwksFile": "jwks.json",
	}})
	if err != nil {
		t.Fatal(err)
	}
	s := st.(*Strategy)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := s.Setup(ctx, &auth.Env{Now: c.now, Log: slog.New(slog.DiscardHandler), Files: os.DirFS(dir)}); err != nil {
		t.Fatal(err)
	}
	claims := valid(c.now(), nil)
	signed := func(k *idptest.Key) string { return k.Sign(t, claims, c.now()) }
	listed := func(kid, secret string) string {
		return idptest.SignSecret(t, []byte(secret), `{"alg":"HS256","kid":"`+kid+`"}`, `{"iss":"https://list","aud":"app","sub":"x","exp":4102444800}`)
	}
	fromFirst, fromSecret, fromList, fromSet := signed(first), idptest.HS256(t, one, claims), listed("l1", one), signed(setKey)
	for _, tok := range []string{fromFirst, fromSecret, fromList, fromSet} {
		accepted(t, s, tok)
	}
	write("key.pem", publicPEM(t, second))
	accepted(t, s, signed(second))
	refused(t, s, fromFirst, "token-algorithm") // known a moment ago

	write("secret", two)
	accepted(t, s, idptest.HS256(t, two, claims))
	refused(t, s, fromSecret, "token-issuer") // the list has this secret too, for another issuer

	write("keys.json", list(map[string]any{"kid": "l1", "secret": one, "issuer": "https://list"}, map[string]any{"kid": "l2", "secret": two, "issuer": "https://list"}))
	accepted(t, s, fromList)
	accepted(t, s, listed("l2", two))
	write("keys.json", list(map[string]any{"kid": "l2", "secret": two, "issuer": "https://list"}))
	refused(t, s, fromList, "token-unknown-key")
	accepted(t, s, listed("l2", two))

	for _, broken := range []string{"", "[", `{"kid":"l3"}`, `[{"kid":"l3"}]`, `[{"secret":""}]`, `[{"kid":"l3","secret":"` + one + `","isuer":"x"}]`} {
		write("keys.json", broken) // the keys from before stay
		accepted(t, s, listed("l2", two))
	}
	write("key.pem", "no key")
	accepted(t, s, signed(second))
	write("secret", one) // one broken file does not keep the others from being read
	accepted(t, s, idptest.HS256(t, one, claims))

	other := idptest.NewKey(t, "ES256")
	other.ID = "s2"
	write("key.pem", publicPEM(t, second))
	write("keys.json", "[]")
	write("jwks.json", jwks(other))
	accepted(t, s, signed(other))
	refused(t, s, fromSet, "token-unknown-key")
}

func TestFilesAtStart(t *testing.T) {
	for name, file := range map[string]map[string]any{
		"publicKeyFile": {"publicKeyFile": "none.pem"}, "secretFile": {"secretFile": "none"}, "keysFile": {"keysFile": "none.json"}, "out of the project": {"publicKeyFile": "../none.pem"},
	} {
		st, err := New(section(config.Section{"jwt": file}))
		if err == nil {
			err = st.(*Strategy).Setup(t.Context(), &auth.Env{Now: time.Now, Log: slog.New(slog.DiscardHandler), Files: os.DirFS(t.TempDir())})
		}
		if err == nil || !strings.Contains(err.Error(), "requires.auth.jwt") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Secrets may stand in a key set of a file, where their algorithm is listed.
func TestSecretsInFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(name, []byte(`{"keys":[{"kty":"oct","kid":"a","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, listed := range []bool{true, false} {
		c := newClock()
		key := map[string]any{"jwksFile": name, "issuer": "https://me", "audience": "app"}
		if listed {
			key["algorithms"] = []any{"HS256"}
		}
		s := set(t, config.Section{"jwt": key}, c, nil)
		tok := idptest.SignSecret(t, []byte(secret), `{"alg":"HS256","kid":"a"}`, `{"iss":"https://me","aud":"app","sub":"x","exp":4102444800}`)
		if listed {
			accepted(t, s, tok)
		} else {
			refused(t, s, tok, "token-algorithm")
		}
	}
}

// A token of auth.Sign passes, with the id of its key.
func TestSignedByUs(t *testing.T) {
	c := newClock()
	k := idptest.NewKey(t, "EdDSA")
	s := set(t, config.Section{"jwt": map[string]any{"issuer": "https://me", "audience": "app", "keys": []any{map[string]any{"publicKey": publicPEM(t, k), "kid": "ours"}}}}, c, nil)
	for kid, code := range map[string]string{"ours": "", "": "", "theirs": "token-unknown-key"} {
		tok, err := auth.Sign(auth.SigningKey{Kid: kid, Private: k.Private}, map[string]any{"iss": "https://me", "aud": "app", "sub": "x"}, c.now(), time.Hour)
		switch {
		case err != nil:
			t.Fatal(err)
		case code == "":
			accepted(t, s, tok)
		default:
			refused(t, s, tok, code)
		}
	}
}

// Keys are read again, sets fetched and tokens verified, all at once.
func TestReloadConcurrently(t *testing.T) {
	c, idp, dir := newClock(), idptest.New(t), t.TempDir()
	name := filepath.Join(dir, "keys.json")
	stable, moving := `{"kid":"stable","secret":"`+secret+`"}`, `{"kid":"moving","secret":"another secret, as long as that one"}`
	write := func(text string) {
		if err := os.WriteFile(name+".new", []byte(text), 0o600); err != nil {
			t.Error(err)
		}
		if err := os.Rename(name+".new", name); err != nil {
			t.Error(err)
		}
	}
	write("[" + stable + "]")
	s := set(t, config.Section{"jwt": map[string]any{"issuer": "https://me", "audience": "app", "keysFile": name, "insecureLoopback": true, "keys": []any{
		map[string]any{"jwksUrl": idp.JWKS(), "issuer": idp.URL},
	}}}, c, idp.Client)
	far := c.now().Add(24 * time.Hour).Unix()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 100 {
				claims := map[string]any{"iss": "https://me", "aud": "app", "sub": "x", "exp": far, "n": i*1000 + n}
				if _, err := s.Authenticate(t.Context(), bearer(idptest.HS256(t, secret, claims))); err != nil {
					t.Error(err)
				}
				if _, err := s.Authenticate(t.Context(), bearer(idp.Token(t, map[string]any{"aud": "app", "sub": "x", "exp": far, "n": n}, c.now()))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for n := range 100 {
		c.add(time.Duration(n) * time.Second)
		switch n % 4 {
		case 0:
			write("[" + stable + "," + moving + "]")
		case 1:
			write("[" + moving + "," + stable + "]")
		case 2:
			write("[" + stable)
		default:
			write("[" + stable + "]")
		}
	}
	wg.Wait()
}
