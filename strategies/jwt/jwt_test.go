package jwt

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/internal/idptest"
	"cds/strategies/internal/token"
	"cds/strategies/strategytest"
)

// A clock is a time that tests set.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

const secret = "0123456789abcdef0123456789abcdef"

// section is requires.auth with one shared secret, and what else is given.
func section(more config.Section) config.Section {
	return config.Merge(config.Section{"kind": "jwt", "jwt": map[string]any{"secret": secret, "issuer": "https://me", "audience": "app"}}, more)
}

// set makes a strategy and sets it up.
func set(t testing.TB, cfg config.Section, c *clock, client *http.Client) *Strategy {
	t.Helper()
	st, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	env := &auth.Env{Now: c.now, Log: slog.New(slog.DiscardHandler), HTTP: client, Files: os.DirFS(t.TempDir())}
	if err := st.(*Strategy).Setup(ctx, env); err != nil {
		t.Fatal(err)
	}
	return st.(*Strategy)
}

func bearer(token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

// valid are claims that a key of section accepts, with changes; nil takes a claim away.
func valid(now time.Time, more map[string]any) map[string]any {
	c := map[string]any{"iss": "https://me", "aud": "app", "sub": "alice", "exp": now.Add(time.Hour).Unix()}
	for k, v := range more {
		c[k] = v
	}
	return c
}

func accepted(t *testing.T, s *Strategy, token string) *auth.User {
	t.Helper()
	u, err := s.Authenticate(t.Context(), bearer(token))
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	return u
}

func refused(t *testing.T, s *Strategy, token, code string) {
	t.Helper()
	u, err := s.Authenticate(t.Context(), bearer(token))
	if u != nil || !errors.Is(err, auth.ErrCredentials) {
		t.Fatalf("user %v, error %v; want wrong credentials", u, err)
	}
	if got := codeOf(err); got != code {
		t.Fatalf("refused with %v, want %s", err, code)
	}
}

func TestConformance(t *testing.T) {
	good := idptest.HS256(t, secret, valid(time.Now(), nil))
	strategytest.Run(t, strategytest.Subject{
		New: func(t *testing.T) auth.Strategy {
			s, err := New(section(nil))
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		Good:   func(*testing.T) *http.Request { return bearer(good) },
		UserID: "alice",
		Bad: []string{
			"Bearer", "bearer ", "Bearer x", "BEARER a.b.c", "Bearer " + good + "x", "Bearer " + good[:len(good)-2], "Bearer\t" + good + " " + good, "Bearer " + good + ".",
			"Bearer " + idptest.HS256(t, "another secret, just as long as that", valid(time.Now(), nil)),
			"Bearer " + idptest.HS256(t, secret, valid(time.Now(), map[string]any{"exp": 1})),
			"Bearer " + idptest.HS256(t, secret, valid(time.Now(), map[string]any{"aud": "other"})),
		},
		Foreign: []string{"Basic Ym9iOg==", "Digest x", "Bearerx abc", good},
	})
}

func codeOf(err error) string {
	var r *token.Refusal
	if errors.As(err, &r) {
		return r.Code
	}
	return ""
}
