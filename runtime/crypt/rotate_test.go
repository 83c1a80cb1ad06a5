package crypt_test

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"

	"cds/parser/csn"
	"cds/runtime/cdstest"
	"cds/runtime/config"
	"cds/runtime/crypt"
	"cds/runtime/db"
	"cds/runtime/db/sqlite"
	"cds/runtime/deploy"
	"cds/runtime/serve"
	"cds/strategies"

	"net/http"
	"net/http/httptest"
)

// An app on a database that outlives it, with the keys of its ids.
func serveOn(t *testing.T, pool db.Pool, ids ...string) *serve.Server {
	t.Helper()
	srv := serve.New(func() (*csn.Model, error) { return compile(t, model), nil })
	srv.Databases(sqlite.New())
	srv.Strategies(strategies.Builtin())
	s, err := srv.Build(context.Background(), serve.Options{FS: data(), Env: []string{}, Profiles: []string{"test"}, Pool: pool, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Overrides: config.Section{"encryption": map[string]any{"keys": keysOf(ids)}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func keysOf(ids []string) []any {
	var out []any
	for _, id := range ids {
		out = append(out, map[string]any{"kid": id, "key": hex.EncodeToString(key(id, id[1]).Secret)})
	}
	return out
}

func ringOf(t *testing.T, ids ...string) *crypt.Ring {
	t.Helper()
	r, err := serve.KeysOf(&config.Config{Section: config.Section{"encryption": map[string]any{"keys": keysOf(ids)}}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func get(t *testing.T, s *serve.Server, method, path, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.SetBasicAuth("alice", "")
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// TestKeyChange: a new key comes first; old values are still read and found; cds encrypt brings them to it; then the old key can go.
func TestKeyChange(t *testing.T) {
	on(t, func(t *testing.T) {
		pool := emptyPool(t)
		m := compile(t, model)
		if err := deploy.New(t.Context(), pool, m, deploy.Options{Files: data(), Keys: ringOf(t, "k1")}); err != nil {
			t.Fatal(err)
		}
		const find = odata + "Staff?$filter=ssn%20eq%20'PLAIN-ssn-1'"
		one := serveOn(t, pool, "k1")
		if code, body := get(t, one, http.MethodPost, odata+"Files", `{"ID":1,"body":"PLAIN-draft"}`); code != 201 {
			t.Fatal(code, body)
		}
		both := serveOn(t, pool, "k2", "k1")
		if code, body := get(t, both, http.MethodPatch, odata+"Staff(2)", `{"iban":"PLAIN-new"}`); code != 200 || !strings.Contains(body, "PLAIN-ssn-2") {
			t.Fatal(code, body)
		}
		for _, s := range []*serve.Server{one, both} {
			if code, body := get(t, s, http.MethodGet, find, ""); code != 200 || !strings.Contains(body, "PLAIN-iban-1") {
				t.Error(code, body)
			}
		}
		if code, body := get(t, one, http.MethodGet, odata+"Staff(2)", ""); code != 500 || !strings.Contains(body, "DECRYPTION_FAILED") {
			t.Error("a server without the new key:", code, body)
		}

		dry, err := deploy.Encrypt(t.Context(), pool, m, deploy.EncryptOptions{Keys: ringOf(t, "k2", "k1"), Dry: true})
		if err != nil || sum(dry, func(e deploy.Encrypted) int { return e.Old }) == 0 || sum(dry, func(e deploy.Encrypted) int { return e.Changed }) != 0 {
			t.Errorf("dry: %+v, %v", dry, err)
		}
		if _, err := deploy.Encrypt(t.Context(), pool, m, deploy.EncryptOptions{Keys: ringOf(t, "k2")}); err == nil || !strings.Contains(err.Error(), "k1") || strings.Contains(err.Error(), "PLAIN") {
			t.Errorf("without the old key: %v", err)
		}
		done, err := deploy.Encrypt(t.Context(), pool, m, deploy.EncryptOptions{Keys: ringOf(t, "k2", "k1")})
		if err != nil {
			t.Fatal(err)
		}
		drafts := false
		for _, e := range done {
			drafts = drafts || strings.HasSuffix(e.Table, ".drafts") && e.Column == "body" && e.Changed == 1
			if e.Changed != e.Old {
				t.Errorf("%+v", e)
			}
		}
		if !drafts {
			t.Errorf("the draft: %+v", done)
		}
		two := serveOn(t, pool, "k2")
		if code, body := get(t, two, http.MethodGet, odata+"Staff", ""); code != 200 || !strings.Contains(body, "PLAIN-iban-1") || !strings.Contains(body, "PLAIN-new") || !strings.Contains(body, `"dec":"1000.50"`) {
			t.Error(code, body)
		}
		if code, body := get(t, two, http.MethodGet, find, ""); code != 200 || !strings.Contains(body, "PLAIN-iban-1") {
			t.Error(code, body)
		}
		if code, body := get(t, one, http.MethodGet, odata+"Staff", ""); code != 500 {
			t.Error("the old key:", code, body)
		}
		again, err := deploy.Encrypt(t.Context(), pool, m, deploy.EncryptOptions{Keys: ringOf(t, "k2")})
		if err != nil || sum(again, func(e deploy.Encrypted) int { return e.Old + e.Plain + e.Changed }) != 0 {
			t.Errorf("again: %+v, %v", again, err)
		}
	})
}

func sum(all []deploy.Encrypted, of func(deploy.Encrypted) int) (n int) {
	for _, e := range all {
		n += of(e)
	}
	return n
}

func emptyPool(t *testing.T) db.Pool {
	t.Helper()
	if strings.Contains(t.Name(), "postgres") {
		pool := cdstest.Postgres(t)
		t.Cleanup(func() { pool.Close() })
		return pool
	}
	pool, err := sqlite.New().Open(t.Context(), db.Config{URL: ":memory:"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	return pool
}

// TestMigration: an element with data becomes encrypted, another one hashed. Plain values are refused until somebody says that they are right.
func TestMigration(t *testing.T) {
	on(t, func(t *testing.T) {
		pool := emptyPool(t)
		before := strings.NewReplacer("@encrypted: 'deterministic' ssn", "ssn", "@hash pw", "pw", "type Secret : String(100) @encrypted;", "type Secret : String(100);").Replace(model)
		if err := deploy.Evolve(t.Context(), pool, compile(t, before), deploy.Options{Files: data(), Keys: ringOf(t, "k1")}); err != nil {
			t.Fatal(err)
		}
		m := compile(t, model)
		if err := deploy.Evolve(t.Context(), pool, m, deploy.Options{Keys: ringOf(t, "k1")}); err != nil {
			t.Fatal(err)
		}
		if code, body := get(t, serveOn(t, pool, "k1"), http.MethodGet, odata+"Staff", ""); code != 500 || strings.Contains(body, "PLAIN") {
			t.Error(code, body)
		}
		_, err := deploy.Encrypt(t.Context(), pool, m, deploy.EncryptOptions{Keys: ringOf(t, "k1")})
		var de *deploy.Error
		if !errors.As(err, &de) || de.Faults[0].Code != "encrypt-plain" || strings.Contains(err.Error(), "PLAIN") {
			t.Fatal(err)
		}
		done, err := deploy.Encrypt(t.Context(), pool, m, deploy.EncryptOptions{Keys: ringOf(t, "k1"), Plain: true})
		if err != nil || sum(done, func(e deploy.Encrypted) int { return e.Changed }) != 5 { // 2 iban, 2 ssn, 1 pw
			t.Fatalf("%+v, %v", done, err)
		}
		s := serveOn(t, pool, "k1")
		if code, body := get(t, s, http.MethodGet, odata+"Staff?$filter=ssn%20eq%20'PLAIN-ssn-2'", ""); code != 200 || !strings.Contains(body, "PLAIN-iban-2") {
			t.Error(code, body)
		}
	})
}

// TestManyRows: more rows than are changed in one transaction.
func TestManyRows(t *testing.T) {
	pool := emptyPool(t)
	m := compile(t, "entity my.T { key a : Integer; key b : String(10); @encrypted v : String; }")
	var b strings.Builder
	b.WriteString("a,b,v\n")
	for i := range 450 {
		b.WriteString(strings.Repeat("1", 1+i%3) + "," + string(rune('a'+i%26)) + strings.Repeat("x", i/60) + ",v\n")
	}
	files := data()
	files["db/data/my-T.csv"] = files["db/data/my-Staff.csv"]
	rows := map[string]bool{}
	var lines []string
	for line := range strings.Lines(b.String()) {
		if !rows[line] {
			rows[line] = true
			lines = append(lines, line)
		}
	}
	files["db/data/my-T.csv"].Data = []byte(strings.Join(lines, ""))
	delete(files, "db/data/my-Staff.csv")
	delete(files, "db/data/my-Notes.json")
	if err := deploy.New(t.Context(), pool, m, deploy.Options{Files: files, Keys: ringOf(t, "k1")}); err != nil {
		t.Fatal(err)
	}
	done, err := deploy.Encrypt(t.Context(), pool, m, deploy.EncryptOptions{Keys: ringOf(t, "k2", "k1")})
	if err != nil || len(done) != 1 || done[0].Changed != len(lines)-1 || done[0].Changed <= 200 {
		t.Errorf("%+v of %d, %v", done, len(lines)-1, err)
	}
}
