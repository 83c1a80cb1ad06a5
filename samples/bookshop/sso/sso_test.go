package sso_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/samples/bookshop/sso"
	"cds/strategies/strategytest"
)

func load(t *testing.T) auth.Strategy {
	t.Helper()
	s, err := sso.New(config.Section{"sso": map[string]any{"user": "X-Remote-User", "groups": "X-Remote-Groups"}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// env is a server behind a gateway in network 10.
func env(t *testing.T) *auth.Env {
	e := strategytest.Env(t)
	e.Trusted = func(r *http.Request) bool { return strings.HasPrefix(r.RemoteAddr, "10.") }
	return e
}

func request(from, user, groups string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = from
	r.Header.Set("X-Remote-User", user)
	r.Header.Set("X-Remote-Groups", groups)
	return r
}

func TestSuite(t *testing.T) {
	strategytest.Run(t, strategytest.Subject{
		New: load, Env: env, UserID: "ann", Foreign: []string{"Basic Ym9iOg==", "Bearer x"},
		Good: func(*testing.T) *http.Request { return request("10.0.0.7:1234", "ann", "admin, Support") },
	})
}

func TestHeaders(t *testing.T) {
	s := load(t)
	if err := s.(auth.Setter).Setup(t.Context(), env(t)); err != nil {
		t.Fatal(err)
	}
	u, err := s.Authenticate(t.Context(), request("10.0.0.7:1", "ann", "admin, Support"))
	if err != nil || !u.Is("admin") || !u.Is("Support") || u.Is("other") {
		t.Errorf("%v, %v", u, err)
	}
	for _, c := range []struct {
		from, user, groups string
		want               error
	}{
		{"192.0.2.1:1", "ann", "admin", auth.ErrCredentials}, // anybody can write a header
		{"10.0.0.7:1", "", "", auth.ErrCredentials},
		{"10.0.0.7:1", "privileged", "", auth.ErrCredentials},
		{"10.0.0.7:1", "ann", "system-user", auth.ErrForbidden},
	} {
		if u, err := s.Authenticate(t.Context(), request(c.from, c.user, c.groups)); !errors.Is(err, c.want) || u != nil {
			t.Errorf("%v: %v, %v", c, u, err)
		}
	}
	if _, err := sso.New(nil); err == nil || !strings.HasPrefix(err.Error(), "requires.auth.sso.user: is missing") {
		t.Error(err)
	}
}
