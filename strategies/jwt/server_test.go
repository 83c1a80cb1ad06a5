package jwt_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"cds/parser"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/cdstest"
	"cds/runtime/config"
	"cds/strategies/internal/idptest"
)

const model = `
entity db.Orders { key ID : Integer; user_id : Integer; country : String; }
service Shop {
  @restrict: [{ grant: 'READ', to: 'authenticated-user', where: (user_id = $user.user_id) }] entity Mine as projection on db.Orders;
  @restrict: [{ grant: 'READ', to: 'Viewer', where: (country = $user.country) }, { grant: 'READ', to: 'admin' }] entity Orders as projection on db.Orders;
  @requires: 'any' entity Public as projection on db.Orders;
  @requires: 'system-user' entity Machines as projection on db.Orders;
  @requires: 'internal-user' entity Inner as projection on db.Orders;
}
`

const serverSecret = "0123456789abcdef0123456789abcdef"

type server struct{ *cdstest.App }

func build(t *testing.T, section config.Section) *server {
	t.Helper()
	return &server{cdstest.New(t, cdstest.Config{
		Model: func() (*csn.Model, error) {
			res := parser.CompileString("shop.cds", model)
			if res.Model == nil {
				return nil, res.Diags
			}
			return res.Model, nil
		},
		FS:        fstest.MapFS{"db/data/db-Orders.csv": {Data: []byte("ID,user_id,country\n1,42,DE\n2,42,FR\n3,44,DE\n4,0,AT\n5,,DE\n")}},
		Overrides: config.Section{"requires": map[string]any{"auth": map[string]any(section)}},
	})}
}

func (s *server) get(path, authorization string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	s.Server.Handler().ServeHTTP(w, r)
	return w
}

// ids are the keys of the rows that an answer has; the status where it is none.
func ids(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	if w.Code != http.StatusOK {
		return fmt.Sprint(w.Code)
	}
	var body struct{ Value []struct{ ID int } }
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range body.Value {
		out = append(out, fmt.Sprint(r.ID))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// The rows that a token shows, as far as it says who asks: what is missing closes, what is a list is one of them, and 0 is a value.
func TestRowsOfToken(t *testing.T) {
	s := build(t, config.Section{"kind": "jwt", "provider": "cube", "jwt": map[string]any{"secret": serverSecret}, "token": map[string]any{"from": []any{"raw"}}})
	for _, c := range []struct{ claims, mine, orders string }{
		{`{}`, "", "403"},
		{`{"u":{"user_id":42}}`, "1 2", "403"},
		{`{"user_id":43,"u":{"user_id":42}}`, "1 2", "403"},
		{`{"user_id":42,"u":{"user_id":null}}`, "", "403"},
		{`{"user_id":42,"u":{"user_id":{"a":1}}}`, "", "403"},
		{`{"u":{"user_id":[42,44]}}`, "1 2 3", "403"},
		{`{"u":{"user_id":[]}}`, "", "403"},
		{`{"u":{"user_id":0}}`, "4", "403"},
		{`{"u":{"user_id":"42"}}`, "1 2", "403"},
		{`{"u":"str"}`, "401", "401"},
		{`{"u":null}`, "401", "401"},
		{`{"user_id":44,"roles":["Viewer"],"country":"FR"}`, "3", "2"},
		{`{"user_id":44,"roles":["Viewer"]}`, "3", ""},
		{`{"user_id":44,"roles":"admin"}`, "3", "1 2 3 4 5"},
		{`{"user_id":44,"roles":["Viewer","admin"],"country":"FR"}`, "3", "1 2 3 4 5"},
		{`{"user_id":44,"roles":["viewer"],"country":"FR"}`, "3", "403"},
		{`{"user_id":44,"roles":{"admin":true}}`, "401", "401"},
		{`{"user_id":"x' or '1'='1","country":"' or 1=1 --","roles":["Viewer"]}`, "", ""},
	} {
		tok := idptest.SignSecret(t, []byte(serverSecret), `{"alg":"HS256","typ":"JWT"}`, c.claims)
		for path, want := range map[string]string{"/odata/v4/shop/Mine": c.mine, "/odata/v4/shop/Orders": c.orders} {
			if got := ids(t, s.get(path, tok)); got != want {
				t.Errorf("%s %s: rows %q, want %q", c.claims, path, got, want)
			}
		}
	}
}

// What a client gets for a bad token: 401 with a challenge, on public paths too, and not a word about the cause; the log has it.
func TestRefusalOverHTTP(t *testing.T) {
	idp := idptest.New(t)
	idp.Set(idptest.Drop)
	s := build(t, config.Section{"kind": "jwt", "jwt": map[string]any{
		"secret": serverSecret, "issuer": "me", "audience": "shop", "insecureLoopback": true, "keys": []any{map[string]any{"jwksUrl": idp.JWKS(), "issuer": idp.URL}},
	}})
	sign := func(more map[string]any) string {
		claims := map[string]any{"iss": "me", "aud": "shop", "sub": "alice"}
		for k, v := range more {
			claims[k] = v
		}
		tok, err := auth.Sign(auth.SigningKey{Secret: serverSecret}, claims, time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return tok
	}
	down := idp.Token(t, map[string]any{"aud": "shop", "sub": "x"}, time.Now())
	for name, c := range map[string]struct{ header, cause string }{
		"garbage":         {"Bearer garbage", "token-malformed"},
		"empty":           {"Bearer", "token-malformed"},
		"expired":         {"Bearer " + sign(map[string]any{"exp": 1}), "token-expired"},
		"audience":        {"Bearer " + sign(map[string]any{"aud": "other"}), "token-audience"},
		"issuer":          {"Bearer " + sign(map[string]any{"iss": "other"}), "token-issuer"},
		"privileged":      {"Bearer " + sign(map[string]any{"sub": "privileged"}), "token-claim"},
		"anonymous":       {"Bearer " + sign(map[string]any{"sub": "anonymous"}), "token-claim"},
		"too long":        {"Bearer " + strings.Repeat("a", 17<<10), "token-too-long"},
		"the issuer down": {"Bearer " + down, "token-keys-unavailable"},
	} {
		s.ClearLog()
		for _, path := range []string{"/odata/v4/shop/Public", "/odata/v4/shop/Mine", "/odata/v4/shop/$metadata"} {
			w := s.get(path, c.header)
			if w.Code != 401 || w.Header().Get("WWW-Authenticate") != `Bearer error="invalid_token"` || w.Body.String() != "Unauthorized" {
				t.Errorf("%s, %s: %d %q %q", name, path, w.Code, w.Header().Get("WWW-Authenticate"), w.Body)
			}
		}
		log := s.Log()
		if !strings.Contains(log, c.cause) {
			t.Errorf("%s: the log does not name %s: %s", name, c.cause, log)
		}
		if tok := strings.TrimPrefix(c.header, "Bearer "); len(tok) > 20 && strings.Contains(log, tok[len(tok)-20:]) {
			t.Errorf("%s: the token is in the log", name)
		}
	}
	if w := s.get("/odata/v4/shop/Public", ""); w.Code != 200 {
		t.Errorf("anonymous: %d", w.Code)
	}
	if w := s.get("/odata/v4/shop/Mine", ""); w.Code != 401 || w.Header().Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("anonymous: %d %q", w.Code, w.Header().Get("WWW-Authenticate"))
	}
	if w := s.get("/odata/v4/shop/Public", "Basic Ym9iOg=="); w.Code != 200 {
		t.Errorf("another scheme: %d", w.Code)
	}
	ok := "Bearer " + sign(map[string]any{"roles": []string{"system-user", "internal-user", "any"}})
	for path, want := range map[string]int{"Public": 200, "Mine": 200, "Machines": 403, "Inner": 403} {
		if w := s.get("/odata/v4/shop/"+path, ok); w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
}
