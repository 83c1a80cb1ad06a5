package oidc_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"cds/runtime/auth"
	"cds/runtime/authstore"
	"cds/runtime/config"
	"cds/strategies"
	"cds/strategies/internal/idptest"
	"cds/strategies/strategytest"
)

func env(now func() time.Time) *auth.Env {
	store := authstore.Memory(now)
	return &auth.Env{Now: now, Log: slog.New(slog.DiscardHandler), HTTP: http.DefaultClient, Sessions: store, Users: store,
		Client: func(*http.Request) string { return "192.0.2.1" }, Trusted: func(*http.Request) bool { return false }}
}

// resource makes a strategy that only takes tokens.
func resource(t *testing.T, idp *idptest.Server, oidc map[string]any) auth.Strategy {
	t.Helper()
	all := map[string]any{"issuer": idp.URL, "audience": "api", "insecureLoopback": true}
	for k, v := range oidc {
		all[k] = v
	}
	s, err := strategies.Builtin()["oidc"](config.Section{"oidc": all})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.(auth.Setter).Setup(t.Context(), env(time.Now)); err != nil {
		t.Fatal(err)
	}
	return s
}

func bearer(token string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func TestBearer(t *testing.T) {
	idp := idptest.New(t)
	good := idp.Token(t, map[string]any{"sub": "u-1", "aud": []string{"api", "x"}, "scope": "read write", "country": "DE"}, time.Now())
	strategytest.Run(t, strategytest.Subject{
		New:     func(t *testing.T) auth.Strategy { return resource(t, idp, nil) },
		Good:    func(*testing.T) *http.Request { return bearer(good) },
		UserID:  "u-1",
		Bad:     []string{"Bearer", "Bearer a.b.c", "bearer x", "Bearer " + good + "x", "Bearer " + good[:len(good)-4]},
		Foreign: []string{"Basic Ym9iOg==", "Digest x", "Negotiate x"},
	})
	s := resource(t, idp, nil)
	u, err := s.Authenticate(t.Context(), bearer(good))
	if err != nil || !u.Is("read") || !u.Is("write") || u.Is("api") || u.Attr("country")[0] != "DE" || string(u.Token) != good {
		t.Errorf("%+v %v", u, err)
	}
	if len(s.(auth.Routes).Routes()) > 0 || len(s.(auth.Varier).Vary()) > 0 {
		t.Error("pages without a login")
	}
	if lines, u, err := s.(auth.Explainer).Explain(t.Context(), good); err != nil || u.ID != "u-1" || !strings.Contains(strings.Join(lines, "\n"), "audience api") {
		t.Errorf("%q %v", lines, err)
	}
	if lines, _, err := s.(auth.Explainer).Explain(t.Context(), good+"x"); err == nil || !strings.Contains(strings.Join(lines, "\n"), "refused") {
		t.Errorf("%q %v", lines, err)
	}
}

func TestBearer_Attacks(t *testing.T) {
	idp, other := idptest.New(t), idptest.New(t)
	s := resource(t, idp, nil)
	now := time.Now()
	claims := func(c map[string]any) map[string]any {
		return merge(map[string]any{"sub": "u-1", "aud": "api"}, c)
	}
	for name, token := range map[string]string{
		"another audience":    idp.Token(t, claims(map[string]any{"aud": "other"}), now),
		"no audience":         idp.Token(t, claims(map[string]any{"aud": nil}), now),
		"another issuer":      idp.Token(t, claims(map[string]any{"iss": other.URL}), now),
		"of another issuer":   other.Token(t, claims(nil), now),
		"another's key":       other.Token(t, claims(map[string]any{"iss": idp.URL}), now),
		"expired":             idp.Token(t, claims(map[string]any{"exp": now.Unix() - 61}), now),
		"no exp":              idp.Token(t, claims(map[string]any{"exp": nil}), now),
		"not yet":             idp.Token(t, claims(map[string]any{"nbf": now.Unix() + 70}), now),
		"a logout token":      idp.Token(t, claims(map[string]any{"events": map[string]any{}}), now),
		"typed as logout":     idp.Key().SignRaw(t, `{"alg":"ES256","kid":"key-1","typ":"logout+jwt"}`, `{"iss":"`+idp.URL+`","aud":"api","sub":"x","exp":9999999999}`),
		"the reserved user":   idp.Token(t, claims(map[string]any{"sub": "anonymous"}), now),
		"no subject":          idp.Token(t, claims(map[string]any{"sub": nil}), now),
		"the key as a secret": idptest.HS256(t, "x", claims(map[string]any{"iss": idp.URL, "exp": now.Unix() + 60})),
	} {
		u, err := s.Authenticate(t.Context(), bearer(token))
		if err == nil || u != nil {
			t.Errorf("%s: user %v", name, u)
		}
	}
	u, err := s.Authenticate(t.Context(), bearer(idp.Token(t, claims(map[string]any{"roles": []string{"internal-user", "system-user", "any", "real"}}), now)))
	if err != nil || u.Is("internal-user") || u.Is("system-user") || !u.Is("real") {
		t.Errorf("%v %v", u, err)
	}
}

// Several hundred first requests make one discovery and one fetch of the keys.
func TestBearer_Herd(t *testing.T) {
	idp := idptest.New(t)
	s := resource(t, idp, nil)
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			token := idp.Token(t, map[string]any{"sub": "u-1", "aud": "api", "jti": string(rune('a' + i))}, time.Now())
			if _, err := s.Authenticate(t.Context(), bearer(token)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if idp.Discoveries() != 1 || idp.Fetches() != 1 {
		t.Errorf("%d discoveries, %d fetches", idp.Discoveries(), idp.Fetches())
	}
}

// An issuer that lies or fails lets nobody in, and its recovery is found out.
func TestBearer_IssuerLies(t *testing.T) {
	for name, mode := range map[string]idptest.Mode{"fails": idptest.Fail, "drops": idptest.Drop, "garbage": idptest.Garbage, "html": idptest.HTML, "empty": idptest.Empty, "huge": idptest.Huge, "redirects": idptest.Redirect} {
		t.Run(name, func(t *testing.T) {
			idp := idptest.New(t)
			idp.Set(mode)
			s := resource(t, idp, nil)
			token := idp.Token(t, map[string]any{"sub": "u-1", "aud": "api"}, time.Now())
			if u, err := s.Authenticate(t.Context(), bearer(token)); err == nil || u != nil {
				t.Errorf("%v", u)
			}
		})
	}
	idp := idptest.New(t)
	idp.Metadata = map[string]any{"issuer": "https://evil.example"}
	token := idp.Token(t, map[string]any{"sub": "u-1", "aud": "api"}, time.Now())
	if _, err := resource(t, idp, nil).Authenticate(t.Context(), bearer(token)); err == nil {
		t.Error("metadata of another issuer")
	}
	if _, err := resource(t, idp, map[string]any{"insecureLoopback": true, "algorithms": []any{"RS256"}}).Authenticate(t.Context(), bearer(token)); err == nil {
		t.Error("an algorithm that is not listed")
	}
}

func BenchmarkBearer(b *testing.B) {
	idp := idptest.New(b)
	s, err := strategies.Builtin()["oidc"](config.Section{"oidc": map[string]any{"issuer": idp.URL, "audience": "api", "insecureLoopback": true}})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.(auth.Setter).Setup(b.Context(), env(time.Now)); err != nil {
		b.Fatal(err)
	}
	r := bearer(idp.Token(b, map[string]any{"sub": "u-1", "aud": "api"}, time.Now()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Authenticate(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}

// A token that is known is no more when its key is taken away at the issuer, as soon as that is known.
func TestBearer_RetiredKey(t *testing.T) {
	idp := idptest.New(t)
	claims := map[string]any{"sub": "u-1", "aud": "api"}
	s, old := resource(t, idp, nil), idp.Token(t, claims, time.Now())
	for range 2 {
		if _, err := s.Authenticate(t.Context(), bearer(old)); err != nil {
			t.Fatal(err)
		}
	}
	idp.Rotate(t, "ES256")
	idp.Retire()
	if _, err := s.Authenticate(t.Context(), bearer(idp.Token(t, claims, time.Now()))); err != nil { // an unknown key: the set is fetched again
		t.Fatal(err)
	}
	if u, err := s.Authenticate(t.Context(), bearer(old)); !errors.Is(err, auth.ErrCredentials) {
		t.Errorf("%v is let in by a key that is no more: %v", u, err)
	}
}
