package ias

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"cds/runtime/auth"
	"cds/strategies/internal/token"
)

// Whatever a verified token claims: a user that only code may be, or a role of a person, never comes of it.
func FuzzUser(f *testing.F) {
	for _, payload := range []string{
		`{"sub":"u-1","azp":"c","app_tid":"t1","email":"a@x.example","groups":["g"]}`, `{"sub":"c","azp":"c","ias_apis":["Read","internal-user"]}`,
		`{"sub":"client-1","azp":"client-1"}`, `{"sub":"privileged"}`, `{"sub":"x","ias_apis":{"a":1},"n":1e999,"b":true,"l":[1,"a"]}`, `{}`,
	} {
		f.Add(payload)
	}
	s := &Strategy{clientID: "client-1"}
	f.Fuzz(func(t *testing.T, payload string) {
		enc := base64.RawURLEncoding
		tok, err := token.Parse(enc.EncodeToString([]byte(`{"alg":"RS256"}`)) + "." + enc.EncodeToString([]byte(payload)) + ".AA")
		if err != nil {
			return
		}
		u, err := s.user(tok)
		if err != nil {
			if !errors.Is(err, auth.ErrCredentials) || u != nil {
				t.Fatalf("%v, user %v", err, u)
			}
			return
		}
		technical := tok.Claims["sub"] == tok.Claims["azp"]
		switch {
		case u.ID == "" || strings.EqualFold(u.ID, "anonymous") || strings.EqualFold(u.ID, "privileged"):
			t.Errorf("user %q", u.ID)
		case u.Is(auth.RoleSystem) != technical, (u.ID == "system") != technical:
			t.Errorf("user %q with roles %v, technical %v", u.ID, u.Roles(), technical)
		case !technical && len(u.Roles()) != 2:
			t.Errorf("roles %v of a person", u.Roles())
		case u.Is(auth.RoleInternal) != (technical && tok.Claims["azp"] == "client-1"):
			t.Errorf("internal-user: %v", u.Roles())
		}
	})
}

func FuzzIssuer(f *testing.F) {
	for _, iss := range []string{"https://a.accounts.test", "https://accounts.test", "https://a.accounts.test@evil", "https://a.accounts.test/", "https://A.ACCOUNTS.TEST", "https://evil/.accounts.test"} {
		f.Add(iss)
	}
	s := &Strategy{domains: []string{"accounts.test"}}
	f.Fuzz(func(t *testing.T, iss string) {
		if !s.issuerOK(iss) {
			return
		}
		u := strings.ToLower(strings.TrimPrefix(iss, "https://"))
		if !strings.HasPrefix(iss, "https://") || !strings.HasSuffix(u, ".accounts.test") || strings.ContainsAny(u, "/@?#\\:% \t\r\n") {
			t.Errorf("%q was accepted", iss)
		}
	})
}
