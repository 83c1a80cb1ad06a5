// Package strategytest is the conformance suite of authentication strategies: what each must keep to, whatever its credentials look
// like. A test of a strategy calls Run and adds its own cases.
package strategytest

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"cds/runtime/auth"
)

// A Subject is the strategy under test.
type Subject struct {
	New func(t *testing.T) auth.Strategy
	// Good makes a request with credentials of the user whose id is UserID. nil if the strategy knows no credentials.
	Good   func(t *testing.T) *http.Request
	UserID string
	// Bad are Authorization headers of the strategy's own scheme that must be refused.
	Bad []string
	// Foreign are Authorization headers of schemes that are not the strategy's: they count as no credentials.
	Foreign []string
	// Always is set for a strategy that identifies every request.
	Always bool
	// Env is what the strategy is set up with, if it is an auth.Setter. nil: New has seen to it. Env returns one with all members set.
	Env func(t *testing.T) *auth.Env
}

// hostile are headers that no strategy may stumble over.
var hostile = []string{
	"", " ", "Basic", "basic ", "Basic Og==", "Basic !!!", "Bearer", "Bearer ", "Bearer a.b.c", "Bearer " + strings.Repeat("a.", 5000), "\x00", "Basic \xff\xfe",
	"Basic " + strings.Repeat("QUFB", 100000), strings.Repeat("x", 1<<16), "Digest username=x", "Basic Ym9i Ym9i", ",", "Basic\tYm9iOg==",
}

// Run runs the suite.
func Run(t *testing.T, s Subject) {
	t.Helper()
	t.Run("without credentials", func(t *testing.T) { s.anonymous(t, request("")) })
	for _, h := range s.Foreign {
		t.Run("foreign "+h, func(t *testing.T) { s.anonymous(t, request(h)) })
	}
	for _, h := range s.Bad {
		t.Run("bad "+h, func(t *testing.T) {
			u, err := s.fresh(t).Authenticate(t.Context(), request(h))
			if !errors.Is(err, auth.ErrCredentials) || u != nil {
				t.Fatalf("got user %v, error %v; want no user and ErrCredentials", u, err)
			}
		})
	}
	t.Run("hostile headers", s.hostile)
	t.Run("hostile requests", s.odd)
	t.Run("secrets", s.secrets)
	t.Run("challenge", s.challenge)
	t.Run("routes", s.routes)
	t.Run("vary", s.vary)
	if s.Good != nil {
		t.Run("good credentials", s.good)
		t.Run("ended context", s.ended)
		t.Run("refresh", s.refresh)
		t.Run("broken stores", s.broken)
		t.Run("concurrent", s.concurrent)
	}
}

// fresh makes a strategy and sets it up.
func (s Subject) fresh(t *testing.T) auth.Strategy {
	t.Helper()
	st := s.New(t)
	if setter, ok := st.(auth.Setter); ok && s.Env != nil {
		s.setup(t, setter, s.Env(t))
	}
	return st
}

func request(header string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if header != "" {
		r.Header["Authorization"] = []string{header}
	}
	return r
}

func (s Subject) anonymous(t *testing.T, r *http.Request) {
	t.Helper()
	u, err := s.fresh(t).Authenticate(t.Context(), r)
	switch {
	case err != nil:
		t.Fatalf("error %v, want none", err)
	case s.Always:
		sound(t, u)
		if !u.Identified() {
			t.Fatal("user is not identified")
		}
	case u != auth.Anonymous:
		t.Fatalf("user %v, want auth.Anonymous", u)
	}
}

// sound checks what holds for every user that a strategy makes.
func sound(t *testing.T, u *auth.User) {
	t.Helper()
	switch {
	case u == nil:
		t.Fatal("neither user nor error")
	case u.Kind == auth.KindPrivileged || u == auth.Privileged:
		t.Fatal("a strategy made a privileged user")
	case u.Kind == auth.KindAnonymous && u != auth.Anonymous:
		t.Fatal("an anonymous user that is not auth.Anonymous")
	case u.ID == "":
		t.Fatal("a user without id")
	case u != auth.Anonymous && u.Kind != auth.KindDummy && auth.ReservedID(u.ID):
		t.Fatalf("the id %q belongs to nobody who logs in", u.ID)
	case !u.Is(auth.RoleAny):
		t.Fatal("a user without the role any")
	case u.Identified() && !u.Is(auth.RoleAuthenticated):
		t.Fatal("an identified user without the role authenticated-user")
	}
}

func (s Subject) hostile(t *testing.T) {
	st := s.fresh(t)
	for _, h := range hostile {
		u, err := st.Authenticate(t.Context(), request(h))
		switch {
		case err != nil && !errors.Is(err, auth.ErrCredentials):
			t.Errorf("%.40q: %v: a bad header is no fault of the server", h, err)
		case err != nil && u != nil:
			t.Errorf("%.40q: both user and error", h)
		case err == nil:
			sound(t, u)
		}
	}
	r := request("x")
	r.Header["Authorization"] = []string{"Basic Ym9iOg==", "Basic YWxpY2U6"}
	if u, err := st.Authenticate(t.Context(), r); err == nil && u.Identified() && !s.Always {
		t.Errorf("two Authorization headers were accepted as %s", u.ID)
	}
}

func (s Subject) challenge(t *testing.T) {
	c := s.fresh(t).Challenge()
	if strings.ContainsAny(c, "\r\n") {
		t.Fatalf("challenge %q breaks the header", c)
	}
	if len(s.Bad) > 0 && c == "" {
		t.Log("no challenge: clients cannot know how to log in")
	}
}

func (s Subject) good(t *testing.T) {
	u, err := s.fresh(t).Authenticate(t.Context(), s.Good(t))
	if err != nil {
		t.Fatal(err)
	}
	sound(t, u)
	if u.ID != s.UserID || !u.Identified() {
		t.Fatalf("user %q, want %q", u.ID, s.UserID)
	}
}

func (s Subject) concurrent(t *testing.T) {
	st := s.fresh(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				u, err := st.Authenticate(t.Context(), s.Good(t))
				if err != nil || u.ID != s.UserID {
					t.Errorf("user %v, error %v", u, err)
					return
				}
				if u, err := st.Authenticate(t.Context(), request("")); err != nil || u.Identified() && !s.Always {
					t.Errorf("without credentials: user %v, error %v", u, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
