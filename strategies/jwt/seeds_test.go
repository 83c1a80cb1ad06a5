package jwt

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/internal/idptest"
)

// The systems whose users may come over to this strategy decided about tokens as recorded; ours is the same decision, or a safer one that is listed.
const seeds = "../../../shared/conformance/seeds/"

// safer lists decisions that differ from the recorded ones, with the reason.
var safer = map[string]string{
	"28-17":      "u is a text: Cube ignores it and shows all rows; here the token is refused",
	"35-17":      "u is a text: Cube ignores it and shows all rows; here the token is refused",
	"rest-go 46": "user_id of another type than a number: rest-go crashes; here the token is refused",
	"rest-go 47": "no user_id: rest-go crashes; here the token is refused",
	"rest-go 48": "is_admin of another type than a boolean: rest-go crashes; here the token is refused",
}

// recordedAt is when the cases were recorded: some tokens have ended since.
func recordedAt() *clock { return &clock{t: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)} }

func readSeeds(t *testing.T, name string, each func(line []byte)) {
	t.Helper()
	f, err := os.Open(seeds + name)
	if err != nil {
		t.Skipf("the recorded cases are not here: %v", err)
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<24)
	for sc.Scan() {
		each(sc.Bytes())
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
}

// decision is "anonymous", "refused" or "accepted".
func decision(t *testing.T, s *Strategy, header string) (string, *auth.User) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if header != "" {
		r.Header.Set("Authorization", header)
	}
	u, err := s.Authenticate(t.Context(), r)
	switch {
	case err != nil && !errors.Is(err, auth.ErrCredentials):
		t.Fatal(err)
	case err != nil:
		return "refused", nil
	case !u.Identified():
		return "anonymous", u
	}
	return "accepted", u
}

// Every request to Cube that was recorded, with the preset cube.
func TestCube(t *testing.T) {
	c := recordedAt()
	s := set(t, config.Section{"provider": "cube", "jwt": map[string]any{"secret": "cube-test-secret"}}, c, nil)
	count := map[string]int{}
	readSeeds(t, "cube-cases.jsonl", func(line []byte) {
		var rec struct {
			ID       string
			Path     string
			Headers  map[string]string
			Status   int
			Response json.RawMessage
		}
		if err := json.Unmarshal(line, &rec); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(rec.Path, "/cubejs-api/v1/") {
			return
		}
		want := "accepted"
		switch text := string(rec.Response); {
		case rec.Status == 403 && strings.Contains(text, "header isn't set"):
			want = "anonymous"
		case rec.Status == 403 && strings.Contains(text, "Invalid token"):
			want = "refused"
		case rec.Headers["Authorization"] == "": // the path is answered without a token, or not at all
			return
		}
		if safer[rec.ID] != "" {
			want = "refused"
		}
		got, u := decision(t, s, rec.Headers["Authorization"])
		count[got]++
		if got != want {
			t.Errorf("%s: %s, recorded %d %.100s", rec.ID, got, rec.Status, rec.Response)
			return
		}
		if got == "accepted" {
			checkContext(t, rec.ID, rec.Headers["Authorization"], u)
		}
	})
	if count["accepted"] < 50 || count["refused"] < 4 || count["anonymous"] < 2 {
		t.Errorf("too few cases: %v", count)
	}
}

// checkContext compares attributes with what Cube calls the security context: the claims of the root, overlaid with those of u.
func checkContext(t *testing.T, id, header string, u *auth.User) {
	t.Helper()
	if _, rest, ok := strings.Cut(header, " "); ok {
		header = rest
	}
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(header, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{}
	if err := json.Unmarshal(b, &claims); err != nil {
		t.Fatal(err)
	}
	over, _ := claims["u"].(map[string]any)
	delete(claims, "u")
	for k, v := range over {
		claims[k] = v
	}
	for k, v := range claims {
		var want []string
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		for _, e := range list {
			if e != nil {
				want = append(want, fmt.Sprint(e))
			}
		}
		if k == "exp" || k == "nbf" || k == "iat" {
			continue
		}
		if got := u.Attr(k); strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%s: attribute %s is %v, want %v", id, k, got, want)
		}
	}
	for k := range u.Attrs {
		if _, ok := claims[k]; !ok {
			t.Errorf("%s: attribute %s is not in the token", id, k)
		}
	}
}

// Cube with a key set, audience, issuer and a namespace for claims. The tokens were signed with a key that is not known any more: they are signed
// again, header and claims as they were.
func TestCubeKeySet(t *testing.T) {
	c, idp := recordedAt(), idptest.New(t)
	key := idp.Rotate(t, "RS256")
	key.ID = "k1"
	s := set(t, config.Section{
		"provider": "cube",
		"jwt": map[string]any{
			"jwkUrl": idp.JWKS(), "issuer": []any{"https://issuer.example/"}, "audience": "cubejs", "algorithms": []any{"RS256"}, "claimsNamespace": "https://ns.example", "insecureLoopback": true,
		},
	}, c, idp.Client)
	foreign, public := idptest.NewKey(t, "RS256"), publicPEM(t, key)
	n := 0
	readSeeds(t, "cube-auth-cases.jsonl", func(line []byte) {
		var rec struct {
			N             int
			Profile, Name string
			Claims        json.RawMessage `json:"token_claims"`
			Status        int
		}
		if err := json.Unmarshal(line, &rec); err != nil {
			t.Fatal(err)
		}
		if rec.Profile != "jwks" {
			return
		}
		n++
		var tok struct{ Header, Payload json.RawMessage }
		header := ""
		if json.Unmarshal(rec.Claims, &header) != nil && json.Unmarshal(rec.Claims, &tok) == nil && tok.Header != nil {
			name := strings.ToLower(rec.Name)
			switch {
			case strings.Contains(string(tok.Header), "HS256"):
				header = idptest.SignSecret(t, []byte(public), string(tok.Header), string(tok.Payload))
			case strings.Contains(name, "other key"), strings.Contains(name, "another key"), strings.Contains(name, "wrong key"), strings.Contains(name, "signature"):
				header = foreign.SignRaw(t, string(tok.Header), string(tok.Payload))
			default:
				header = key.SignRaw(t, string(tok.Header), string(tok.Payload))
			}
		}
		want := map[bool]string{true: "refused", false: "accepted"}[rec.Status == 403]
		if header == "" {
			want = "anonymous"
		}
		got, u := decision(t, s, header)
		if got != want {
			t.Errorf("A-%d (%s): %s, recorded %d", rec.N, rec.Name, got, rec.Status)
		}
		if got != "accepted" {
			return
		}
		var claims struct {
			NS map[string]any `json:"https://ns.example"`
		}
		if err := json.Unmarshal(tok.Payload, &claims); err != nil {
			t.Fatal(err)
		}
		if len(u.Attrs) != len(claims.NS) || claims.NS["user_id"] != nil && strings.Join(u.Attr("user_id"), "") != fmt.Sprint(claims.NS["user_id"]) {
			t.Errorf("A-%d (%s): attributes %v, want %v", rec.N, rec.Name, u.Attrs, claims.NS)
		}
	})
	if n < 9 || idp.Fetches() > 2 {
		t.Errorf("%d cases, %d fetches", n, idp.Fetches())
	}
}

// Space Cloud's tokens. What was recorded is their name and the decision; the tokens are made here.
func TestSpaceCloud(t *testing.T) {
	c, idp := recordedAt(), idptest.New(t)
	const first, second = "first secret", "second secret"
	rsa := idptest.NewKey(t, "RS256")
	s := set(t, config.Section{
		"provider": "space-cloud",
		"jwt": map[string]any{"insecureLoopback": true, "keys": []any{
			map[string]any{"secret": first}, map[string]any{"secret": second, "kid": "second"},
			map[string]any{"publicKey": publicPEM(t, rsa), "kid": "rsa", "algorithms": []any{"RS256"}, "audience": []any{"app"}, "issuer": []any{"iss1", "iss2"}},
			map[string]any{"jwksUrl": idp.JWKS(), "audience": []any{"app"}},
		}},
	}, c, idp.Client)
	now := c.now().Unix()
	hs := func(secret, kid, claims string) string {
		if kid != "" {
			kid = `,"kid":"` + kid + `"`
		}
		return idptest.SignSecret(t, []byte(secret), `{"alg":"HS256","typ":"JWT"`+kid+`}`, claims)
	}
	rs := func(claims string) string { return rsa.SignRaw(t, `{"alg":"RS256","typ":"JWT"}`, claims) }
	jwk := func(kid, claims string) string {
		return idp.Key().SignRaw(t, `{"alg":"ES256","kid":"`+kid+`"}`, claims)
	}
	tampered := func(tok string) string {
		p := strings.Split(tok, ".")
		return p[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"id":"admin"}`)) + "." + p[2]
	}
	const id = `{"id":"u1"}`
	with := func(more string) string { return `{"id":"u1",` + more + `}` }
	tokens := map[string]struct {
		token string
		valid bool
	}{
		"first HS256 secret, no kid":               {hs(first, "", id), true},
		"second HS256 secret, no kid":              {hs(second, "", id), true},
		"unknown secret":                           {hs("third", "", id), false},
		"kid of the second secret":                 {hs(second, "second", id), true},
		"kid names another secret than the signer": {hs(first, "second", id), false},
		"unknown kid":                              {hs(first, "nope", id), false},
		"expired":                                  {hs(first, "", with(fmt.Sprintf(`"exp":%d`, now-3600))), false},
		"exp in future":                            {hs(first, "", with(fmt.Sprintf(`"exp":%d`, now+3600))), true},
		"nbf in future":                            {hs(first, "", with(fmt.Sprintf(`"nbf":%d`, now+3600))), false},
		"RS256, aud and iss":                       {rs(with(`"aud":"app","iss":"iss1"`)), true},
		"RS256, aud list":                          {rs(with(`"aud":["x","app"],"iss":"iss1"`)), true},
		"RS256, second iss":                        {rs(with(`"aud":"app","iss":"iss2"`)), true},
		"RS256, no aud":                            {rs(with(`"iss":"iss1"`)), false},
		"RS256, wrong aud":                         {rs(with(`"aud":"x","iss":"iss1"`)), false},
		"RS256, wrong iss":                         {rs(with(`"aud":"app","iss":"x"`)), false},
		"RS256, no iss":                            {rs(with(`"aud":"app"`)), false},
		"JWK URL key":                              {jwk("key-1", with(`"aud":"app"`)), true},
		"JWK URL key, unknown kid":                 {jwk("key-9", with(`"aud":"app"`)), false},
		"JWK URL key, wrong aud":                   {jwk("key-1", with(`"aud":"x"`)), false},
		"JWK URL key, no kid":                      {jwk("", with(`"aud":"app"`)), false},
		"HS256 signed with the RSA public key":     {hs(publicPEM(t, rsa), "rsa", with(`"aud":"app","iss":"iss1"`)), false},
		"alg none":                                 {base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(id)) + ".", false},
		"tampered payload":                         {tampered(hs(first, "", id)), false},
		"empty token":                              {"", false},
		"malformed token":                          {"x.y", false},
	}
	for name, tok := range tokens {
		got, u := decision(t, s, "Bearer "+tok.token)
		if (got == "accepted") != tok.valid {
			t.Errorf("%s: %s", name, got)
		}
		if tok.valid && (u.ID != "u1" || u.Attr("id")[0] != "u1") {
			t.Errorf("%s: user %+v", name, u)
		}
	}
	compared := 0
	readSeeds(t, "spacecloud-cases.jsonl", func(line []byte) {
		var rec struct {
			Kind, Name string
			Valid      bool
		}
		if err := json.Unmarshal(line, &rec); err != nil {
			t.Fatal(err)
		}
		tok, ok := tokens[rec.Name]
		if rec.Kind != "token" || !ok {
			return
		}
		compared++
		if tok.valid != rec.Valid {
			t.Errorf("%s: recorded as valid: %v", rec.Name, rec.Valid)
		}
	})
	if compared < 12 {
		t.Errorf("%d cases were compared", compared)
	}
}

// rest-go's tokens. Its door takes a bad token for none; the strategy refuses it, and with both the request is answered 401.
func TestRestGo(t *testing.T) {
	c := recordedAt()
	s := set(t, config.Section{"provider": "rest-go", "jwt": map[string]any{"secret": "restgo-test-secret"}}, c, nil)
	n := 0
	readSeeds(t, "restgo-cases.jsonl", func(line []byte) {
		var rec struct {
			N       int
			Server  string
			Path    string
			Headers map[string]string
			Status  any
		}
		if err := json.Unmarshal(line, &rec); err != nil {
			t.Fatal(err)
		}
		if rec.N < 41 || rec.N > 48 {
			return
		}
		n++
		want := "accepted"
		if safer[fmt.Sprint("rest-go ", rec.N)] != "" || rec.Status == 401.0 {
			want = "refused"
		}
		got, u := decision(t, s, rec.Headers["Authorization"])
		if got != want {
			t.Errorf("R-%d: %s, recorded %v", rec.N, got, rec.Status)
		}
		if got == "accepted" && u.ID != "2" {
			t.Errorf("R-%d: user %q", rec.N, u.ID)
		}
	})
	if n < 4 {
		t.Errorf("%d cases", n)
	}
	for claims, want := range map[string]string{
		`{"user_id":2,"is_admin":true}`: "accepted admin", `{"user_id":2,"is_admin":false}`: "accepted", `{"user_id":2}`: "accepted", `{"user_id":"2"}`: "refused", `{"user_id":null}`: "refused",
		`{"user_id":2,"is_admin":"true"}`: "refused", `{"user_id":2,"is_admin":1}`: "refused", `{"user_id":[2]}`: "refused", `{"sub":"2"}`: "refused", `{"user_id":true}`: "refused",
	} {
		for _, scheme := range []string{"Bearer ", ""} {
			got, u := decision(t, s, scheme+idptest.SignSecret(t, []byte("restgo-test-secret"), `{"alg":"HS256","typ":"JWT"}`, claims))
			if u != nil && u.Is("admin") {
				got += " admin"
			}
			if got != want {
				t.Errorf("%s: %s, want %s", claims, got, want)
			}
		}
	}
}
