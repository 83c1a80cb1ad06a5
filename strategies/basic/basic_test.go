package basic_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/basic"
	"cds/strategies/strategytest"
)

func TestBasic(t *testing.T) {
	cfg := config.Section{"users": map[string]any{"bob": map[string]any{"password": "pw", "roles": []any{"Viewer"}}, "*": true}}
	good := func(*testing.T) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.SetBasicAuth("bob", "pw")
		return r
	}
	strategytest.Run(t, strategytest.Subject{
		Env: strategytest.Env,
		New: func(t *testing.T) auth.Strategy {
			s, err := basic.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		Good: good, UserID: "bob",
		Bad:     []string{"Basic Ym9i", "Basic Ym9iOg==", "Basic YWxpY2U6", "Basic Og==", "Basic *"}, // bob without, with empty password; alice
		Foreign: []string{"Bearer abc"},
	})
}

// Nobody is there by default.
func TestNoUsers(t *testing.T) {
	s, err := basic.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.SetBasicAuth("alice", "")
	if _, err := s.Authenticate(t.Context(), r); !errors.Is(err, auth.ErrCredentials) {
		t.Fatalf("alice without configuration: %v", err)
	}
	if s.Challenge() != `Basic realm="Users"` {
		t.Fatal(s.Challenge())
	}
}
