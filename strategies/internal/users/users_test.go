package users

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/runtime/password"
	"cds/strategies/internal/backoff"
)

// hashes of "pw", cheap ones.
const bcryptPW = "$2a$04$8ZPPoPXmfZl6NAwscd4/oOmbhBxO6QGdYjiBnXwglnzPloshrs2Ne"

func argonPW(t *testing.T) string {
	t.Helper()
	h, err := password.Params{Memory: 8 * 1024, Time: 1, Threads: 1}.Hash(t.Context(), "pw")
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func table(t *testing.T, users map[string]any, opt Options) *Table {
	t.Helper()
	tab, err := Read(config.Section{"users": users}, opt)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func TestHashes(t *testing.T) {
	tab := table(t, map[string]any{"argon": map[string]any{"password": argonPW(t)}, "bcrypt": map[string]any{"password": bcryptPW}, "plain": "pw", "off": false}, Options{})
	for _, c := range []struct {
		name, pw string
		ok       bool
	}{
		{"argon", "pw", true}, {"argon", "pw", true}, {"argon", "pW", false}, {"argon", "", false},
		{"bcrypt", "pw", true}, {"bcrypt", "x", false}, {"bcrypt", bcryptPW, false}, // who knows the hash does not know the password
		{"plain", "pw", true}, {"plain", "x", false},
		{"off", "pw", false}, {"off", "", false}, {"nobody", "pw", false}, {"", "", false}, {"*", "", false},
	} {
		u, err := tab.Login(t.Context(), c.name, c.pw)
		if (err == nil) != c.ok || err != nil && (!errors.Is(err, auth.ErrCredentials) || u != nil) || err == nil && u.ID != c.name {
			t.Errorf("%s with %q: %v, %v", c.name, c.pw, u, err)
		}
	}
}

// What was right once is remembered for a minute, by name, hash and password together.
func TestCache(t *testing.T) {
	tab := table(t, map[string]any{"a": map[string]any{"password": bcryptPW}, "b": map[string]any{"password": bcryptPW}}, Options{})
	now := time.Unix(1e9, 0)
	tab.cache.now = func() time.Time { return now }
	if _, err := tab.Login(t.Context(), "a", "pw"); err != nil || len(tab.cache.until) != 1 {
		t.Fatal(err, len(tab.cache.until))
	}
	busy, cancel := context.WithCancel(t.Context())
	cancel() // with it nothing can be checked that has to wait for its turn
	for range 3 {
		if _, err := tab.Login(busy, "a", "pw"); err != nil {
			t.Fatal("not remembered:", err)
		}
	}
	_, _ = tab.Login(t.Context(), "a", "wrong")
	_, _ = tab.Login(t.Context(), "nobody", "pw")
	if len(tab.cache.until) != 1 {
		t.Fatal("a failure is remembered")
	}
	for d := range tab.cache.until {
		if bytes.Contains(d[:], []byte("pw")) {
			t.Fatal("the password itself is kept")
		}
		now = now.Add(cacheTime)
		if tab.cache.has(d) {
			t.Error("remembered for longer than a minute")
		}
	}
	for i := range 3 * cacheSize {
		tab.cache.put(tab.cache.key(fmt.Sprint(i), "", digest{}))
	}
	if len(tab.cache.until) > cacheSize {
		t.Errorf("%d entries", len(tab.cache.until))
	}
}

// Whoever is asked for, one hash is computed if any user has one; the choice for a name without one is always the same.
func TestSameWork(t *testing.T) {
	tab := table(t, map[string]any{"h": map[string]any{"password": bcryptPW}, "plain": "pw", "off": false}, Options{})
	for _, name := range []string{"h", "plain", "off", "nobody"} {
		verified := spent(func() { _, _ = tab.Login(t.Context(), name, "wrong") })
		if verified < 200*time.Microsecond { // bcrypt of the least cost takes about a millisecond, a digest about a microsecond
			t.Errorf("%s: %v: no hash was computed", name, verified)
		}
	}
	if a, b := tab.cache.pick("x", 7), tab.cache.pick("x", 7); a != b {
		t.Error("the choice varies")
	}
}

func spent(fn func()) time.Duration {
	best := time.Hour
	for range 3 {
		start := time.Now()
		fn()
		best = min(best, time.Since(start))
	}
	return best
}

// A request is one try to log in.
func try(t *testing.T, s *Strategy, name, pw, addr string) error {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = addr
	r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(name+":"+pw)))
	u, err := s.Authenticate(t.Context(), r)
	if (err == nil) == (u == nil) || err != nil && !errors.Is(err, auth.ErrCredentials) {
		t.Fatalf("user %v, error %v", u, err)
	}
	return err
}

func waits(err error) time.Duration {
	var w auth.Waiter
	if errors.As(err, &w) {
		return w.RetryAfter()
	}
	return 0
}

func setup(t *testing.T, tame, production bool) (*Strategy, *time.Time, *bytes.Buffer) {
	t.Helper()
	now := time.Unix(1e9, 0)
	var log bytes.Buffer
	s := NewStrategy(table(t, map[string]any{"alice": map[string]any{"password": "pw", "policies": []any{"P"}}, "bob": "pw"}, Options{}), tame)
	env := &auth.Env{Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(&log, nil)), Production: production}
	if err := s.Setup(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	return s, &now, &log
}

func TestBackoff(t *testing.T) {
	s, now, log := setup(t, false, false)
	if !strings.Contains(log.String(), "policies of users") || !strings.Contains(log.String(), "users=alice") {
		t.Errorf("no note on policies: %s", log)
	}
	const home, elsewhere = "192.0.2.1:1000", "192.0.2.2:1000"
	for i := range 6 {
		if err := try(t, s, "alice", "wrong", home); waits(err) != 0 {
			t.Fatalf("try %d waits: %v", i, err)
		}
	}
	if err := try(t, s, "alice", "pw", "192.0.2.1:2000"); waits(err) != time.Second {
		t.Fatalf("the right password is let in while waiting: %v", err)
	}
	if err := try(t, s, "bob", "pw", home); err != nil {
		t.Errorf("another name at the address: %v", err)
	}
	if err := try(t, s, "alice", "pw", elsewhere); err != nil {
		t.Errorf("the name at another address: %v", err)
	}
	for i := range 7 {
		if err := try(t, s, "nobody", "x", home); (waits(err) > 0) != (i > 5) {
			t.Errorf("an unknown name, try %d: %v", i, err)
		}
	}
	*now = now.Add(time.Second)
	if err := try(t, s, "alice", "pw", home); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	for i := range 5 { // who got in has all tries again
		if err := try(t, s, "alice", "wrong", home); waits(err) != 0 {
			t.Fatalf("after success, try %d: %v", i, err)
		}
	}
}

// Many names from one address, and one name from many addresses.
func TestBackoffWide(t *testing.T) {
	s, now, _ := setup(t, false, true)
	for i := range 51 {
		if err := try(t, s, fmt.Sprint("u", i), "x", "[2001:db8::1]:1"); waits(err) != 0 {
			t.Fatalf("try %d: %v", i, err)
		}
	}
	if err := try(t, s, "bob", "pw", "[2001:db8::2]:1"); waits(err) == 0 { // the same network
		t.Errorf("the address does not wait: %v", err)
	}
	*now = now.Add(time.Minute)
	if err := try(t, s, "bob", "pw", "198.51.100.7:1"); err != nil {
		t.Fatal(err)
	}
	for i := range 101 {
		if err := try(t, s, "bob", "x", fmt.Sprintf("10.0.%d.%d:1", i/200, i%200)); waits(err) != 0 {
			t.Fatalf("try %d: %v", i, err)
		}
	}
	if err := try(t, s, "bob", "pw", "203.0.113.9:1"); waits(err) == 0 {
		t.Errorf("the name does not wait: %v", err)
	}
	if err := try(t, s, "bob", "pw", "198.51.100.7:99"); err != nil {
		t.Errorf("locked out at home: %v", err)
	}
}

// Nobody waits in development, where wrong passwords are part of trying things out.
func TestTame(t *testing.T) {
	s, _, _ := setup(t, true, false)
	for range 50 {
		if err := try(t, s, "alice", "wrong", "192.0.2.1:1"); waits(err) != 0 {
			t.Fatal(err)
		}
	}
	s, _, _ = setup(t, true, true)
	for range 6 {
		_ = try(t, s, "alice", "wrong", "192.0.2.1:1")
	}
	if waits(try(t, s, "alice", "pw", "192.0.2.1:1")) == 0 {
		t.Error("nobody waits in production")
	}
}

// Production tells who comes in without a password, and whose can be read in the configuration.
func TestProduction(t *testing.T) {
	for _, c := range []struct {
		users       map[string]any
		tame        bool
		want, warns string
	}{
		{map[string]any{"a": bcryptPW, "b": map[string]any{"password": "pw"}, "c": "pw", "d": false}, false, "", "users=\"b, c\""},
		{map[string]any{"a": bcryptPW}, false, "", ""},
		{map[string]any{"a": bcryptPW, "b": true}, false, "requires.auth.users.b.password: is missing", ""},
		{map[string]any{"a": bcryptPW, "b": map[string]any{"roles": "x"}}, false, "requires.auth.users.b.password: is missing", ""},
		{map[string]any{"b": true}, true, "", ""},
	} {
		var log bytes.Buffer
		s := NewStrategy(table(t, c.users, Options{}), c.tame)
		err := s.Setup(t.Context(), &auth.Env{Now: time.Now, Log: slog.New(slog.NewTextHandler(&log, nil)), Production: true})
		if (err != nil) != (c.want != "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v: %v", c.users, err)
		}
		if c.warns == "" && log.Len() > 0 || !strings.Contains(log.String(), c.warns) || strings.Contains(log.String(), "pw") {
			t.Errorf("%v: %s", c.users, log.String())
		}
	}
}

// The address is what the server makes of it, behind proxies.
func TestClientAddress(t *testing.T) {
	s, _, _ := setup(t, false, false)
	s.env.Client = func(r *http.Request) string { return r.Header.Get("X-Client") }
	s.guard = backoff.NewGuard(s.env.Now)
	one := func(client, pw string) error {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("X-Client", client)
		r.SetBasicAuth("alice", pw)
		_, err := s.Authenticate(t.Context(), r)
		return err
	}
	for range 6 {
		_ = one("192.0.2.1", "x")
	}
	if waits(one("192.0.2.1", "pw")) == 0 || one("192.0.2.2", "pw") != nil {
		t.Error("clients are not told apart")
	}
}

func BenchmarkLogin(b *testing.B) {
	tab, err := Read(config.Section{"users": map[string]any{"alice": "pw"}}, Options{})
	if err != nil {
		b.Fatal(err)
	}
	s := NewStrategy(tab, false)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.SetBasicAuth("alice", "pw")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Authenticate(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}
