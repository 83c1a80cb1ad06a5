package jwt

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/internal/idptest"
)

// ready is a strategy with one RSA key, and a token of a usual size.
func ready(tb testing.TB) (*Strategy, string) {
	tb.Helper()
	key := idptest.NewKey(tb, "RS256")
	st, err := New(config.Section{"jwt": map[string]any{"publicKey": publicPEM(tb, key), "issuer": "https://issuer.example/", "audience": "app"}})
	if err != nil {
		tb.Fatal(err)
	}
	s := st.(*Strategy)
	env := &auth.Env{Now: time.Now, Log: slog.New(slog.DiscardHandler), Files: os.DirFS(tb.TempDir())}
	if err := s.Setup(tb.Context(), env); err != nil {
		tb.Fatal(err)
	}
	return s, key.Sign(tb, map[string]any{
		"iss": "https://issuer.example/", "aud": []string{"app", "https://issuer.example/userinfo"}, "sub": "auth0|1234567890abcdef", "azp": "client-1", "scope": "openid profile email read:books write:books",
		"permissions": []string{"read:books", "write:books", "admin"}, "email": "alice@example.com", "locale": "de-DE", "org_id": "org_1",
	}, time.Now())
}

func BenchmarkKnownToken(b *testing.B) {
	s, tok := ready(b)
	r := bearer(tok)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Authenticate(context.Background(), r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNewToken(b *testing.B) {
	s, tok := ready(b)
	r := s.run.Load()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.verify(context.Background(), r, tok); err != nil {
			b.Fatal(err)
		}
	}
}

// A known token costs a hash and a look into a map.
func TestKnownTokenAllocations(t *testing.T) {
	s, tok := ready(t)
	r := bearer(tok)
	ctx := t.Context()
	accepted(t, s, tok)
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := s.Authenticate(ctx, r); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations for a known token, none are expected", n)
	}
}

func TestNewTokenAllocations(t *testing.T) {
	s, tok := ready(t)
	r := s.run.Load()
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		if _, _, err := s.verify(ctx, r, tok); err != nil {
			t.Fatal(err)
		}
	}); n > 150 {
		t.Errorf("%v allocations for a new token, at most 150 are expected", n)
	}
}
