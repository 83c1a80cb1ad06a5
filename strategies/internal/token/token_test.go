package token

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"cds/runtime/auth"
	"cds/strategies/internal/idptest"
)

var secret = []byte("0123456789abcdef0123456789abcdef")

func TestParse(t *testing.T) {
	good := idptest.SignSecret(t, secret, `{"alg":"HS256","typ":"JWT"}`, `{"sub":"x"}`)
	head, body, sig := parts(good)
	enc := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	hdr := func(h string) string { return enc(h) + "." + body + "." + sig }
	pay := func(p string) string { return head + "." + enc(p) + "." + sig }
	for _, c := range []struct{ name, raw, code string }{
		{"good", good, ""},
		{"empty", "", "token-malformed"},
		{"two parts", head + "." + body, "token-malformed"},
		{"four parts", good + "." + sig, "token-malformed"},
		{"encrypted", good + "." + sig + "." + sig, "token-encrypted"},
		{"many dots", strings.Repeat(".", 5000), "token-malformed"},
		{"too long", strings.Repeat("a", MaxLength+1), "token-too-long"},
		{"longest", strings.Repeat("a", MaxLength), "token-malformed"},
		{"padding", head + "." + body + "." + sig + "=", "token-malformed"},
		{"line break", head + "." + body[:4] + "\n" + body[4:] + "." + sig, "token-malformed"},
		{"carriage return at the end", good + "\r", "token-malformed"},
		{"blank", head + ". " + body + "." + sig, "token-malformed"},
		{"standard alphabet", head + "." + body + "." + "+/" + sig[2:], "token-malformed"},
		{"bits left over", head + "." + body + "." + sig[:len(sig)-1] + "B", "token-malformed"},
		{"no signature", head + "." + body + ".", "token-signature"},
		{"no header", "." + body + "." + sig, "token-malformed"},
		{"no payload", head + ".." + sig, "token-malformed"},
		{"no algorithm", hdr(`{"typ":"JWT"}`), "token-algorithm"},
		{"empty algorithm", hdr(`{"alg":""}`), "token-algorithm"},
		{"none", hdr(`{"alg":"none"}`), "token-algorithm"},
		{"None", hdr(`{"alg":"NoNe"}`), "token-algorithm"},
		{"algorithm is a list", hdr(`{"alg":["HS256"]}`), "token-malformed"},
		{"algorithm is null", hdr(`{"alg":null}`), "token-malformed"},
		{"algorithm twice", hdr(`{"alg":"none","alg":"HS256"}`), "token-malformed"},
		{"algorithm in another case", hdr(`{"Alg":"HS256"}`), "token-malformed"},
		{"algorithm in both cases", hdr(`{"alg":"HS256","ALG":"none"}`), "token-malformed"},
		{"kid is a number", hdr(`{"alg":"HS256","kid":1}`), "token-malformed"},
		{"crit", hdr(`{"alg":"HS256","crit":["exp"]}`), "token-critical"},
		{"crit empty", hdr(`{"alg":"HS256","crit":[]}`), "token-critical"},
		{"crit in another case", hdr(`{"alg":"HS256","Crit":["x"]}`), "token-malformed"},
		{"b64", hdr(`{"alg":"HS256","b64":false}`), "token-critical"},
		{"enc", hdr(`{"alg":"dir","enc":"A128GCM"}`), "token-encrypted"},
		{"header is a list", hdr(`[]`), "token-malformed"},
		{"header has a tail", hdr(`{"alg":"HS256"}x`), "token-malformed"},
		{"header is no UTF-8", hdr("{\"alg\":\"HS256\",\"x\":\"\xff\"}"), "token-malformed"},
		{"key in the header is ignored", hdr(`{"alg":"HS256","jwk":{"kty":"oct","k":"AA"},"x5c":["x"],"x5u":"http://evil","jku":"http://evil"}`), ""},
		{"payload is a list", pay(`[]`), "token-malformed"},
		{"payload is a text", pay(`"x"`), "token-malformed"},
		{"payload is null", pay(`null`), "token-malformed"},
		{"payload has a tail", pay(`{}{}`), "token-malformed"},
		{"payload ends early", pay(`{"sub":"x"`), "token-malformed"},
		{"byte order mark", pay("\ufeff{}"), "token-malformed"},
		{"half a surrogate", pay(`{"sub":"\ud800"}`), "token-malformed"},
		{"control character", pay("{\"sub\":\"a\nb\"}"), "token-malformed"},
		{"sub twice", pay(`{"sub":"a","sub":"b"}`), "token-malformed"},
		{"sub twice by escape", pay(`{"sub":"a","\u0073ub":"b"}`), "token-malformed"},
		{"sub in two cases", pay(`{"sub":"a","Sub":"b"}`), "token-malformed"},
		{"sub with a long s", pay(`{"sub":"a","ſub":"b"}`), "token-malformed"},
		{"exp in another case only", pay(`{"Exp":1}`), "token-malformed"},
		{"twice further in", pay(`{"x":{"y":[{"a":1,"A":2}]}}`), "token-malformed"},
		{"deep", pay(`{"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`), "token-malformed"},
		{"very deep", pay(strings.Repeat(`{"a":`, 2000)), "token-malformed"},
		{"exp is a text", pay(`{"exp":"4102444800"}`), "token-claim"},
		{"exp is a list", pay(`{"exp":[4102444800]}`), "token-claim"},
		{"exp is null", pay(`{"exp":null}`), "token-claim"},
		{"exp is true", pay(`{"exp":true}`), "token-claim"},
		{"exp is huge", pay(`{"exp":1e400}`), "token-claim"},
		{"exp is far", pay(`{"exp":1e15}`), "token-claim"},
		{"exp is negative", pay(`{"exp":-1}`), "token-claim"},
		{"exp is no number", pay(`{"exp":NaN}`), "token-malformed"},
		{"exp has a leading zero", pay(`{"exp":01}`), "token-malformed"},
		{"exp with a fraction", pay(`{"exp":4102444800.5}`), ""},
		{"nbf is a text", pay(`{"nbf":"0"}`), "token-claim"},
		{"iat is an object", pay(`{"iat":{}}`), "token-claim"},
		{"iss is a number", pay(`{"iss":1}`), "token-claim"},
		{"iss is a list", pay(`{"iss":["a"]}`), "token-claim"},
		{"iss is null", pay(`{"iss":null}`), "token-claim"},
		{"aud is a number", pay(`{"aud":1}`), "token-claim"},
		{"aud is an object", pay(`{"aud":{"app":true}}`), "token-claim"},
		{"aud has a number", pay(`{"aud":["a",1]}`), "token-claim"},
		{"aud is nested", pay(`{"aud":[["a"]]}`), "token-claim"},
		{"aud is null", pay(`{"aud":null}`), "token-claim"},
		{"sub is a number", pay(`{"sub":1}`), "token-claim"},
		{"jti is a number", pay(`{"jti":1}`), "token-claim"},
	} {
		tok, err := Parse(c.raw)
		switch {
		case c.code == "" && (err != nil || tok == nil):
			t.Errorf("%s: %v", c.name, err)
		case c.code != "" && (tok != nil || code(err) != c.code || !errors.Is(err, auth.ErrCredentials)):
			t.Errorf("%s: got %v, want %s", c.name, err, c.code)
		}
	}
}

func parts(raw string) (head, body, sig string) {
	p := strings.Split(raw, ".")
	return p[0], p[1], p[2]
}

// The decoder agrees with encoding/json on everything that it accepts.
func FuzzDecodeObject(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":1}`, `{"a":[1,2.5e3,-0,true,false,null,"x\u00e9\ud83d\ude00\n"]}`, `{"a":{"a":{"b":[]}}}`, ` {"a" : "b" } `, `{"a":1,"A":2}`, `{"a":`, `{"a":"\u12"}`, `{"":""}`,
		`{"k":1,"K":2}`, "{\"a\":\"\xff\"}", `{"a":1}x`, `{"a":tru}`, `{"a":1e}`, `{"a":--1}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeObject(b)
		if err != nil {
			return
		}
		dec := json.NewDecoder(strings.NewReader(string(b)))
		dec.UseNumber()
		var want map[string]any
		if err := dec.Decode(&want); err != nil {
			t.Fatalf("%q: accepted, but encoding/json says %v", b, err)
		}
		if !reflect.DeepEqual(m, want) {
			t.Fatalf("%q: %v, encoding/json says %v", b, m, want)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ4IiwiZXhwIjoxfQ.AAAA")
	f.Add(strings.Repeat(".", 100))
	v := Verifier{Keys: func() []*Key { return []*Key{{Secret: []byte("x"), NoAudience: true, NoIssuer: true, NoExp: true}} }, Now: func() time.Time { return time.Unix(0, 0) }}
	f.Fuzz(func(t *testing.T, raw string) {
		tok, err := Parse(raw)
		if err != nil {
			if !errors.Is(err, auth.ErrCredentials) || tok != nil {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		if tok.Raw != raw || tok.Header.Alg == "" || tok.Claims == nil {
			t.Fatalf("%q: %+v", raw, tok)
		}
		if _, err := v.Verify(t.Context(), tok); err != nil && !errors.Is(err, auth.ErrCredentials) {
			t.Fatalf("%q: %v", raw, err)
		}
	})
}

func TestClaims(t *testing.T) {
	m, err := decodeObject([]byte(`{"a":{"b":{"c":"1"},"b.c":"2"},"https://ns.example/x.y":{"roles":["r"]},"a.d":"3","n":5,"l":["x","y"],"m":["x",1],"s":"t"}`))
	if err != nil {
		t.Fatal(err)
	}
	c := Claims(m)
	for _, x := range []struct{ path, want string }{
		{"a.b.c", "2"}, {"a.d", "3"}, {"https://ns.example/x.y.roles", "r"}, {"s", "t"}, {"a.x", ""}, {"a", ""}, {"n", ""}, {"m", ""}, {"", ""}, {".", ""}, {"s.t", ""}, {"l.0", ""},
	} {
		if got := strings.Join(c.Strings(x.path), ","); got != x.want {
			t.Errorf("%q: %q, want %q", x.path, got, x.want)
		}
	}
	if got := c.Strings("l"); len(got) != 2 {
		t.Errorf("list: %v", got)
	}
	if s, ok := c.Str("l"); ok || s != "" {
		t.Error("a list is no text")
	}
	if _, ok := c.Get(strings.Repeat("a.", 10000)); ok {
		t.Error("a long path")
	}
}
