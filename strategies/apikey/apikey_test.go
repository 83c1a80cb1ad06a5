package apikey_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
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
	"cds/strategies/apikey"
	"cds/strategies/strategytest"
)

const secret = "k3y-of-the-billing-job"

func digest(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func slow(t *testing.T, key string) string {
	t.Helper()
	h, err := password.Params{Memory: 8 * 1024, Time: 1, Threads: 1}.Hash(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func section(own map[string]any) config.Section {
	return config.Section{"kind": "apikey", "apikey": own}
}

func load(t *testing.T, own map[string]any) auth.Strategy {
	t.Helper()
	s, err := apikey.New(section(own))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func keys(t *testing.T) map[string]any {
	return map[string]any{
		"billing": map[string]any{"hash": digest(secret), "roles": []any{"Importer"}, "attr": map[string]any{"country": "DE"}, "tenant": "t1"},
		"upper":   map[string]any{"hash": strings.ToUpper(strings.TrimPrefix(digest("other"), "sha256:")), "user": "batch", "roles": []any{"system-user"}},
		"old":     map[string]any{"hash": digest("old"), "expires": "2020-12-31"},
		"late":    map[string]any{"hash": digest("late"), "expires": "2001-09-09T01:46:41Z"}, // one second after the test's time
		"manual":  map[string]any{"hash": slow(t, "chosen by hand"), "roles": []any{"Viewer"}},
	}
}

func with(header, value string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header[http.CanonicalHeaderKey(header)] = []string{value}
	return r
}

func TestSuite(t *testing.T) {
	for _, c := range []struct {
		name string
		own  map[string]any
		good func(*testing.T) *http.Request
		bad  []string
	}{
		{"header", map[string]any{"keys": keys(t)}, func(*testing.T) *http.Request { return with("X-API-Key", secret) }, nil},
		{"other header", map[string]any{"keys": keys(t), "header": "x-machine"}, func(*testing.T) *http.Request { return with("X-Machine", secret) }, nil},
		{"scheme", map[string]any{"keys": keys(t), "scheme": "ApiKey"}, func(*testing.T) *http.Request { return with("Authorization", "apikey  "+secret) },
			[]string{"ApiKey wrong", "ApiKey", "ApiKey " + strings.Repeat("x", 600), "ApiKey manual.wrong", "ApiKey nobody.wrong"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			strategytest.Run(t, strategytest.Subject{
				Env:  strategytest.Env,
				New:  func(t *testing.T) auth.Strategy { return load(t, c.own) },
				Good: c.good, UserID: "billing", Bad: c.bad,
				Foreign: []string{"Basic Ym9iOg==", "Bearer abc", "Apikeys x"},
			})
		})
	}
}

func TestKeys(t *testing.T) {
	s := load(t, map[string]any{"keys": keys(t)})
	var log bytes.Buffer
	now := time.Unix(1e9, 0)
	env := &auth.Env{Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(&log, nil)), Production: true, Client: func(*http.Request) string { return "192.0.2.1" }}
	if err := s.(auth.Setter).Setup(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{secret: "billing", "other": "batch", "late": "late", "old": "old", "manual.chosen by hand": "manual",
		"": "", " ": "", "chosen by hand": "", "manual.": "", "manual.x": "", "nobody.x": "", "billing." + secret: "", secret + "x": "", digest(secret): "", strings.Repeat("k", 10000): ""} {
		u, err := s.Authenticate(t.Context(), with("X-API-Key", key))
		if want == "" {
			if !errors.Is(err, auth.ErrCredentials) || u != nil {
				t.Errorf("%.40q: %v, %v", key, u, err)
			} else if key != "" && key != " " && strings.Contains(err.Error(), key) {
				t.Errorf("%.40q is in the error: %v", key, err)
			}
			continue
		}
		if err != nil || u.ID != want {
			t.Errorf("%q: %v, %v", key, u, err)
		}
	}
	u, _ := s.Authenticate(t.Context(), with("X-API-Key", secret))
	if !u.Is("Importer") || u.Tenant != "t1" || u.Attr("country")[0] != "DE" || u.Kind != auth.KindNamed {
		t.Errorf("%+v", u)
	}
	if u, _ = s.Authenticate(t.Context(), with("X-API-Key", "other")); u.Kind != auth.KindSystem {
		t.Errorf("%+v", u)
	}
	now = now.Add(time.Second)
	if _, err := s.Authenticate(t.Context(), with("X-API-Key", "late")); !errors.Is(err, auth.ErrCredentials) {
		t.Errorf("expired: %v", err)
	}
	two := with("X-API-Key", secret)
	two.Header.Add("X-API-Key", secret)
	if _, err := s.Authenticate(t.Context(), two); !errors.Is(err, auth.ErrCredentials) {
		t.Errorf("two headers: %v", err)
	}
	if v := s.(auth.Varier).Vary(); len(v) != 1 || v[0] != "X-Api-Key" {
		t.Error(v)
	}
}

// What has expired is told at start; whoever guesses keys that people chose has to wait; random keys are let in meanwhile.
func TestGuessing(t *testing.T) {
	s := load(t, map[string]any{"keys": keys(t)})
	var log bytes.Buffer
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	env := &auth.Env{Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(&log, nil)), Client: func(r *http.Request) string { return r.Header.Get("From") }}
	if err := s.(auth.Setter).Setup(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "name=old") || !strings.Contains(log.String(), "name=late") || strings.Contains(log.String(), "name=billing") {
		t.Errorf("log: %s", log.String())
	}
	send := func(key, from string) error {
		r := with("X-API-Key", key)
		r.Header.Set("From", from)
		_, err := s.Authenticate(t.Context(), r)
		return err
	}
	var w auth.Waiter
	for i := range 21 {
		if err := send(fmt.Sprint("manual.", i), "192.0.2.1"); errors.As(err, &w) {
			t.Fatalf("try %d: %v", i, err)
		}
	}
	if err := send("manual.chosen by hand", "192.0.2.1"); !errors.As(err, &w) || w.RetryAfter() != time.Second || !errors.Is(err, auth.ErrCredentials) {
		t.Errorf("no wait: %v", err)
	}
	if err := send("manual.chosen by hand", "192.0.2.2"); err != nil {
		t.Error(err)
	}
	if err := send(secret, "192.0.2.1"); err != nil {
		t.Error(err)
	}
}

func TestConfiguration(t *testing.T) {
	one := func(entry any) map[string]any { return map[string]any{"keys": map[string]any{"a": entry}} }
	for _, c := range []struct {
		own  map[string]any
		want string
	}{
		{nil, "requires.auth.apikey.keys: is missing"},
		{map[string]any{"keys": map[string]any{}}, "requires.auth.apikey.keys: is missing"},
		{map[string]any{"hedder": "x"}, "requires.auth.apikey.hedder: unknown"},
		{map[string]any{"header": "a b"}, "requires.auth.apikey.header: the name of a header"},
		{map[string]any{"header": "authorization"}, "requires.auth.apikey.header: the name of a header"},
		{map[string]any{"scheme": "Bearer"}, "requires.auth.apikey.scheme: a scheme"},
		{one("the-key-itself"), "requires.auth.apikey.keys.a: an object"},
		{one(map[string]any{}), "requires.auth.apikey.keys.a.hash: the hash of a key is expected"},
		{one(map[string]any{"hash": "the-key-itself"}), "requires.auth.apikey.keys.a.hash: the hash of a key is expected"},
		{one(map[string]any{"hash": digest("")}), "requires.auth.apikey.keys.a.hash: is the hash of an empty key"},
		{one(map[string]any{"hash": "$2b$31$mkBHSVVtZp6XQGvyVlq63eEhWdsCM/h7ePTjbqbWuWtSr0Ss/Z75e"}), "requires.auth.apikey.keys.a.hash: has the cost"},
		{one(map[string]any{"hash": digest("x"), "expires": "soon"}), "requires.auth.apikey.keys.a.expires: a day"},
		{one(map[string]any{"hash": digest("x"), "expires": map[string]any{}}), "requires.auth.apikey.keys.a.expires: a day"},
		{one(map[string]any{"hash": digest("x"), "user": "privileged"}), "requires.auth.apikey.keys.a.id: "},
		{one(map[string]any{"hash": digest("x"), "user": 5}), "requires.auth.apikey.keys.a.user: a text"},
		{one(map[string]any{"hash": digest("x"), "privileged": true}), "requires.auth.apikey.keys.a.privileged: "},
		{one(map[string]any{"hash": digest("x"), "role": "x"}), "requires.auth.apikey.keys.a.role: unknown property; did you mean roles?"},
		{map[string]any{"keys": map[string]any{"a": map[string]any{"hash": digest("x")}, "b": map[string]any{"hash": digest("x")}}}, "requires.auth.apikey.keys.b.hash: is that of a"},
		{map[string]any{"keys": map[string]any{"a.b": map[string]any{"hash": digest("x")}}}, "requires.auth.apikey.keys.a.b: the name of a key has no dots"},
	} {
		_, err := apikey.New(section(c.own))
		var ce *auth.ConfigError
		if !errors.As(err, &ce) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v: got %v, want %s", c.own, err, c.want)
			continue
		}
		if strings.Contains(err.Error(), "the-key-itself") {
			t.Errorf("a key is in the message: %v", err)
		}
	}
}

func BenchmarkKey(b *testing.B) {
	s, err := apikey.New(section(map[string]any{"keys": map[string]any{"billing": map[string]any{"hash": digest(secret)}}}))
	if err != nil {
		b.Fatal(err)
	}
	r := with("X-API-Key", secret)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Authenticate(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}
