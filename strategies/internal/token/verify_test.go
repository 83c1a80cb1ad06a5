package token

import (
	"encoding/pem"
	"testing"
	"time"

	"crypto/x509"

	"cds/strategies/internal/idptest"
)

// verifier has one key of each sort.
func verifier(c *clock, keys ...*Key) *Verifier {
	return &Verifier{Keys: func() []*Key { return keys }, Now: c.now, Leeway: MaxLeeway}
}

func check(t *testing.T, v *Verifier, raw, want string) *Key {
	t.Helper()
	tok, err := Parse(raw)
	var k *Key
	if err == nil {
		k, err = v.Verify(t.Context(), tok)
	}
	got := ""
	if err != nil {
		got = code(err)
	}
	if got != want {
		t.Errorf("got %v, want %q", err, want)
	}
	if (k == nil) == (want == "") {
		t.Errorf("key %v, want %q", k, want)
	}
	return k
}

// Drill 17: leeway is the same for both ends.
func TestTimes(t *testing.T) {
	c := newClock()
	v := verifier(c, &Key{Secret: secret, NoIssuer: true, NoAudience: true})
	tok := func(claim string, offset time.Duration) string {
		claims := map[string]any{"exp": c.now().Add(time.Hour).Unix()}
		claims[claim] = c.now().Add(offset).Unix()
		return idptest.HS256(t, string(secret), claims)
	}
	for _, x := range []struct {
		claim  string
		offset time.Duration
		want   string
	}{
		{"exp", -61 * time.Second, "token-expired"}, {"exp", -60 * time.Second, "token-expired"}, {"exp", -59 * time.Second, ""}, {"exp", time.Second, ""},
		{"nbf", 59 * time.Second, ""}, {"nbf", 60 * time.Second, ""}, {"nbf", 61 * time.Second, "token-not-yet"}, {"nbf", -time.Hour, ""},
		{"iat", time.Hour, ""},
	} {
		t.Run(x.claim+" "+x.offset.String(), func(t *testing.T) { check(t, v, tok(x.claim, x.offset), x.want) })
	}
	v.Leeway = time.Hour // never more than the most
	check(t, v, tok("exp", -61*time.Second), "token-expired")
	v.Leeway = -time.Hour
	check(t, v, tok("exp", time.Second), "")
	v.Leeway = 0
	check(t, v, tok("exp", 0), "token-expired")
	check(t, v, idptest.HS256(t, string(secret), map[string]any{"sub": "x"}), "token-claim")
	check(t, v, idptest.SignSecret(t, secret, `{"alg":"HS256"}`, `{"exp":1795262400.5}`), "") // half a second from now
}

func TestIssuerAudienceSubject(t *testing.T) {
	c := newClock()
	claims := func(more map[string]any) string {
		m := map[string]any{"exp": c.now().Add(time.Hour).Unix(), "iss": "https://a", "aud": "app", "sub": "x"}
		for k, v := range more {
			m[k] = v
		}
		return idptest.HS256(t, string(secret), m)
	}
	full := func() *Key {
		return &Key{Secret: secret, Issuer: []string{"https://a", "https://b"}, Audience: []string{"app", "other"}}
	}
	for _, x := range []struct {
		name   string
		change func(*Key)
		claims map[string]any
		want   string
	}{
		{"all right", nil, nil, ""},
		{"second issuer", nil, map[string]any{"iss": "https://b"}, ""},
		{"foreign issuer", nil, map[string]any{"iss": "https://c"}, "token-issuer"},
		{"issuer with a slash", nil, map[string]any{"iss": "https://a/"}, "token-issuer"},
		{"issuer in another case", nil, map[string]any{"iss": "HTTPS://A"}, "token-issuer"},
		{"a beginning of the issuer", nil, map[string]any{"iss": "https://"}, "token-issuer"},
		{"no issuer", nil, map[string]any{"iss": nil}, "token-issuer"},
		{"empty issuer", func(k *Key) { k.Issuer = []string{""} }, map[string]any{"iss": nil}, "token-issuer"},
		{"no issuer expected", func(k *Key) { k.NoIssuer = true }, map[string]any{"iss": nil}, ""},
		{"none configured", func(k *Key) { k.Issuer = nil }, nil, "token-issuer"},
		{"audience list", nil, map[string]any{"aud": []string{"x", "other"}}, ""},
		{"foreign audience", nil, map[string]any{"aud": "x"}, "token-audience"},
		{"foreign audiences", nil, map[string]any{"aud": []string{"x", "y"}}, "token-audience"},
		{"a beginning of the audience", nil, map[string]any{"aud": "ap"}, "token-audience"},
		{"no audience", nil, map[string]any{"aud": nil}, "token-audience"},
		{"empty audience list", nil, map[string]any{"aud": []string{}}, "token-audience"},
		{"empty audience", func(k *Key) { k.Audience = []string{""} }, map[string]any{"aud": ""}, "token-audience"},
		{"no audience expected", func(k *Key) { k.NoAudience = true }, map[string]any{"aud": nil}, ""},
		{"none configured", func(k *Key) { k.Audience = nil }, nil, "token-audience"},
		{"subject", func(k *Key) { k.Subject = "x" }, nil, ""},
		{"foreign subject", func(k *Key) { k.Subject = "y" }, nil, "token-subject"},
		{"no subject", func(k *Key) { k.Subject = "x" }, map[string]any{"sub": nil}, "token-subject"},
		{"own audience rule", func(k *Key) { k.Audiences = func(c Claims) []string { return c.Strings("azp") } }, map[string]any{"azp": "app"}, ""},
		{"own audience rule without", func(k *Key) { k.Audiences = func(c Claims) []string { return c.Strings("azp") } }, nil, "token-audience"},
		{"own issuer rule", func(k *Key) { k.IssuerOK = func(iss string) bool { return iss == "https://c" } }, map[string]any{"iss": "https://c"}, ""},
		{"own issuer rule says no", func(k *Key) { k.IssuerOK = func(string) bool { return false } }, nil, "token-issuer"},
	} {
		t.Run(x.name, func(t *testing.T) {
			k := full()
			if x.change != nil {
				x.change(k)
			}
			check(t, verifier(c, k), claims(x.claims), x.want)
		})
	}
}

// RFC 8725 section 3.11 and 3.12: tokens that were made for something else.
func TestTypes(t *testing.T) {
	c := newClock()
	for _, x := range []struct {
		typ   string
		types []string
		want  string
	}{
		{`"JWT"`, nil, ""}, {`"jwt"`, nil, ""}, {`"at+jwt"`, nil, ""}, {`"application/at+jwt"`, nil, ""}, {`"Application/AT+JWT"`, nil, ""}, {`""`, nil, ""},
		{`"logout+jwt"`, nil, "token-typ"}, {`"dpop+jwt"`, nil, "token-typ"}, {`"secevent+jwt"`, nil, "token-typ"}, {`"application/"`, nil, "token-typ"}, {`"JOSE"`, nil, "token-typ"},
		{`"logout+jwt"`, []string{"logout+jwt"}, ""}, {`"JWT"`, []string{"logout+jwt"}, "token-typ"},
	} {
		v := verifier(c, &Key{Secret: secret, NoIssuer: true, NoAudience: true, NoExp: true, Types: x.types})
		t.Run(x.typ, func(t *testing.T) {
			check(t, v, idptest.SignSecret(t, secret, `{"alg":"HS256","typ":`+x.typ+`}`, `{}`), x.want)
		})
	}
}

// RFC 8725 section 3.1: the algorithm is bound to the key, whatever a token's header says.
func TestAlgorithms(t *testing.T) {
	c := newClock()
	keys := map[string]*idptest.Key{}
	for _, alg := range []string{"RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"} {
		keys[alg] = idptest.NewKey(t, alg)
	}
	keys["RS384"] = &idptest.Key{Algorithm: "RS384", Private: keys["RS256"].Private}
	keys["PS512"] = &idptest.Key{Algorithm: "PS512", Private: keys["RS256"].Private}
	open := func(k Key) *Key {
		k.NoIssuer, k.NoAudience = true, true
		return &k
	}
	der, err := x509.MarshalPKIXPublicKey(keys["RS256"].Private.Public())
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	sign := func(alg string) string { return keys[alg].Sign(t, map[string]any{}, c.now()) }
	public := func(alg string, list ...string) *Key {
		return open(Key{Public: keys[alg].Private.Public(), Algorithms: list})
	}
	exp := `{"exp":4102444800}`
	for _, x := range []struct {
		name string
		key  *Key
		raw  string
		want string
	}{
		{"RS256", public("RS256"), sign("RS256"), ""},
		{"PS256", public("PS256"), sign("PS256"), ""},
		{"ES256", public("ES256"), sign("ES256"), ""},
		{"ES384", public("ES384"), sign("ES384"), ""},
		{"EdDSA", public("EdDSA"), sign("EdDSA"), ""},
		{"ES512 is not in the default", public("ES512"), sign("ES512"), "token-algorithm"},
		{"ES512 listed", public("ES512", "ES512"), sign("ES512"), ""},
		{"RS384 is not in the default", public("RS256"), sign("RS384"), "token-algorithm"},
		{"RS384 listed", public("RS256", "RS384"), sign("RS384"), ""},
		{"RS256 not listed", public("RS256", "RS384"), sign("RS256"), "token-algorithm"},
		{"PS512 listed", public("RS256", "PS512"), sign("PS512"), ""},
		{"HS256 with the public key's text", public("RS256"), idptest.SignSecret(t, text, `{"alg":"HS256"}`, exp), "token-algorithm"},
		{"HS256 with the public key's bytes", public("RS256"), idptest.SignSecret(t, der, `{"alg":"HS256"}`, exp), "token-algorithm"},
		{"HS256 listed at a public key", public("RS256", "HS256", "RS256"), idptest.SignSecret(t, text, `{"alg":"HS256"}`, exp), "token-algorithm"},
		{"RS256 at a secret", open(Key{Secret: secret, Algorithms: []string{"RS256", "HS256"}}), sign("RS256"), "token-algorithm"},
		{"HS512 is not in the default", open(Key{Secret: secret}), idptest.SignSecret(t, secret, `{"alg":"HS512"}`, exp), "token-algorithm"},
		{"header names another curve", public("ES256", "ES256", "ES384"), idptest.NewKey(t, "ES256").SignRaw(t, `{"alg":"ES384"}`, exp), "token-algorithm"},
		{"header names an unknown algorithm", public("ES256", "XX256"), keys["ES256"].SignRaw(t, `{"alg":"XX256"}`, exp), "token-algorithm"},
		{"header names the algorithm in another case", public("ES256"), keys["ES256"].SignRaw(t, `{"alg":"es256"}`, exp), "token-algorithm"},
		{"no key at all", open(Key{}), sign("ES256"), "token-algorithm"},
		{"an empty secret", open(Key{Secret: []byte{}}), idptest.SignSecret(t, []byte("x"), `{"alg":"HS256"}`, exp), "token-algorithm"},
		{"another key", public("ES256"), idptest.NewKey(t, "ES256").Sign(t, nil, c.now()), "token-signature"},
	} {
		t.Run(x.name, func(t *testing.T) { check(t, verifier(c, x.key), x.raw, x.want) })
	}
}

// A kid is judged by the key that has it only (the rule S4 of several issuers side by side).
func TestKid(t *testing.T) {
	idp, c := idptest.New(t), newClock()
	set := setOf(t, idp, c)
	other := idptest.New(t)
	second := setOf(t, other, c)
	two := idptest.New(t)
	two.Rotate(t, "ES256")
	third := setOf(t, two, c)
	if err := third.Prefetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	open := func(k Key) *Key {
		k.NoAudience, k.NoIssuer = true, k.Issuer == nil
		return &k
	}
	first, next := []byte("first secret, 32 bytes and more.."), []byte("second secret, 32 bytes and more.")
	v := verifier(c,
		open(Key{Name: "first", Kid: "a", Secret: first}), open(Key{Name: "next", Kid: KeyID(next), Secret: next}),
		open(Key{Name: "hidden", Kid: "key-1", Secret: first}), open(Key{Name: "set", Set: set, Issuer: []string{idp.URL}}), open(Key{Name: "second", Set: second, Issuer: []string{other.URL}}),
		open(Key{Name: "third", Set: third, Issuer: []string{two.URL}}))
	exp := `{"exp":4102444800}`
	hs := func(secret []byte, kid string) string {
		return idptest.SignSecret(t, secret, `{"alg":"HS256"`+kid+`}`, exp)
	}
	for _, x := range []struct{ name, raw, want string }{
		{"first secret without kid", hs(first, ""), ""},
		{"second secret without kid", hs(next, ""), ""},
		{"unknown secret", hs(secret, ""), "token-signature"},
		{"empty kid is none", hs(next, `,"kid":""`), ""},
		{"kid of the secret", hs(first, `,"kid":"a"`), ""},
		{"kid from the hash", hs(next, `,"kid":"`+KeyID(next)+`"`), ""},
		{"kid of another secret", hs(next, `,"kid":"a"`), "token-signature"},
		{"unknown kid", hs(first, `,"kid":"zz"`), "token-unknown-key"},
		{"kid of a secret", hs(first, `,"kid":"key-1"`), ""}, // the sets are of other issuers
		{"kid of a set and of a secret", idptest.SignSecret(t, first, `{"alg":"HS256","kid":"key-1"}`, `{"iss":"`+idp.URL+`","exp":4102444800}`), "token-algorithm"},
		{"key of a set", idp.Token(t, nil, c.now()), ""},
		{"key of the other set with the same kid", other.Token(t, nil, c.now()), ""},
		{"key of a set with the issuer of the other", idp.Token(t, map[string]any{"iss": other.URL}, c.now()), "token-signature"},
		{"key of the other set with a foreign issuer", two.Token(t, map[string]any{"iss": "https://evil"}, c.now()), "token-issuer"},
		{"key of a set without kid", (&idptest.Key{Algorithm: "ES256", Private: idp.Key().Private}).Sign(t, map[string]any{"iss": idp.URL}, c.now()), "token-algorithm"},
		{"kid that is a path", hs(first, `,"kid":"../../../etc/passwd"`), "token-unknown-key"},
		{"kid that is SQL", hs(first, `,"kid":"a' or 1=1 --"`), "token-unknown-key"},
	} {
		t.Run(x.name, func(t *testing.T) { check(t, v, x.raw, x.want) })
	}
	if n := idp.Requests("/evil"); n != 0 {
		t.Fatal("a key was fetched from where a token said")
	}
	only := verifier(c, open(Key{Name: "set", Set: set, Issuer: []string{idp.URL}}))
	check(t, only, (&idptest.Key{Algorithm: "ES256", Private: idp.Key().Private}).Sign(t, map[string]any{"iss": idp.URL}, c.now()), "token-no-kid")
	for _, e := range v.Explain(t.Context(), parse(t, hs(next, ""))) {
		if want := map[string]string{"first": "token-signature", "hidden": "token-signature", "next": "<nil>", "set": "token-no-kid", "second": "token-no-kid", "third": "token-no-kid"}[e.Key.Name]; code(e.Err) != want {
			t.Errorf("%s: %v, want %s", e.Key.Name, e.Err, want)
		}
	}
}

func parse(t *testing.T, raw string) *Token {
	t.Helper()
	tok, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// A key of one's own in the header (jwk), or where to find it (jku, x5u), is never used: RFC 8725 section 3.10.
func TestKeysInHeader(t *testing.T) {
	idp, c := idptest.New(t), newClock()
	v := verifier(c, &Key{Set: setOf(t, idp, c), NoIssuer: true, NoAudience: true})
	evil := idptest.New(t)
	j := evil.Key().JWK()
	b, err := j.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	exp := `{"exp":4102444800}`
	check(t, v, evil.Key().SignRaw(t, `{"alg":"ES256","kid":"key-1","jwk":`+string(b)+`}`, exp), "token-signature")
	check(t, v, evil.Key().SignRaw(t, `{"alg":"ES256","kid":"key-9","jku":"`+evil.JWKS()+`","x5u":"`+evil.URL+`/x"}`, exp), "token-unknown-key")
	if evil.Fetches() != 0 || evil.Requests("/x") != 0 {
		t.Fatal("a key was fetched from where a token said")
	}
}
