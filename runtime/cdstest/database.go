package cdstest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"testing"

	"cds/parser/csn"
	"cds/runtime/config"
	"cds/runtime/crypt"
	"cds/runtime/db"
	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgtest"
	"cds/runtime/db/sqlite"
	"cds/runtime/deploy"
	"cds/runtime/serve"
)

// onPostgres tells that tests run on PostgreSQL: CDS_TEST_DB=postgres in the environment, or postgres-rls.
func onPostgres() bool { return os.Getenv("CDS_TEST_DB") == "postgres" || withRows() }

// withRows tells that the database holds a second lock on its tables, and the server connects with a role that is held to it: CDS_TEST_DB=postgres-rls.
func withRows() bool { return os.Getenv("CDS_TEST_DB") == "postgres-rls" }

// A Template is a deployed database that tests get copies of. Keep one per test binary, and Close it in TestMain. Its zero value is ready.
type Template struct {
	mu   sync.Mutex
	made bool
	err  error
	pool db.Pool // SQLite
	name string  // PostgreSQL
	rows *locks  // PostgreSQL with row-level security; nil before the first one
}

// make deploys the template, once.
func (t *Template) make(tb testing.TB, m *csn.Model, files fs.FS, keys *crypt.Ring) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.made {
		return t.err
	}
	t.made = true
	if !onPostgres() {
		t.pool, t.err = sqlite.New().Open(context.Background(), db.Config{URL: ":memory:"})
		if t.err == nil {
			t.err = deployTo(t.pool, m, files, keys)
		}
		return t.err
	}
	s := pgtest.Shared(tb)
	if t.name, t.err = s.Create(context.Background(), ""); t.err != nil {
		return t.err
	}
	pool, err := postgres.New().Open(context.Background(), s.Config(t.name))
	if err != nil {
		t.err = err
		return err
	}
	t.err = errors.Join(deployTo(pool, m, files, keys), pool.Close()) // a template must have no connections
	return t.err
}

func deployTo(pool db.Pool, m *csn.Model, files fs.FS, keys *crypt.Ring) error {
	return deploy.New(context.Background(), pool, m, deploy.Options{Files: files, Log: slog.New(slog.DiscardHandler), Keys: keys})
}

// testKey encrypts the data of tests, which live no longer than these: a project's own keys are not needed.
const testKey = "dGhpcyBrZXkgaXMgb25seSBmb3IgdGVzdHMsIGFsd2E"

// keys are those of the configuration of the test.
func (c Config) keys() (*crypt.Ring, error) {
	return serve.KeysOf(&config.Config{Section: c.overrides()})
}

// copy returns a copy of the template, which the caller closes; on PostgreSQL it is removed with the test.
func (t *Template) copy(tb testing.TB) (db.Pool, error) {
	if !onPostgres() {
		return sqlite.Clone(context.Background(), t.pool)
	}
	s := pgtest.Shared(tb)
	name, err := s.Create(context.Background(), t.name)
	if err != nil {
		return nil, fmt.Errorf("copy of the template: %w", err)
	}
	tb.Cleanup(func() { _ = s.Drop(context.Background(), name) })
	if withRows() {
		return t.locked(s, name)
	}
	return postgres.New().Open(context.Background(), s.Config(name))
}

// Close removes the database.
func (t *Template) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pool == nil {
		return nil // that of PostgreSQL goes with its server, which ends with the process
	}
	return t.pool.Close()
}

// connect makes the database of a test. Without a shared template the test has one of its own, for Reset.
func (a *App) connect(m *csn.Model, cfg Config) (db.Pool, error) {
	keys, err := cfg.keys()
	if err != nil {
		return nil, err
	}
	if cfg.Database != nil {
		a.pool = cfg.Database(a.t)
		a.t.Cleanup(func() { a.pool.Close() })
		return a.pool, deployTo(a.pool, m, cfg.files(), keys)
	}
	a.template = cfg.Template
	if a.template == nil {
		a.template = &Template{}
		a.t.Cleanup(func() { _ = a.template.Close() })
	}
	if err := a.template.make(a.t, m, cfg.files(), keys); err != nil {
		return nil, err
	}
	pool, err := a.template.copy(a.t)
	if err != nil {
		return nil, err
	}
	a.pool = pool
	a.t.Cleanup(func() { a.pool.Close() })
	return pool, nil
}

// Reset gives the app its data back as they were deployed, in a few milliseconds on SQLite. No request may be running.
func (a *App) Reset() {
	a.t.Helper()
	if a.template == nil {
		a.t.Fatalf("cdstest: reset: the test opened its database itself")
	}
	pool, err := a.template.copy(a.t)
	if err != nil {
		a.t.Fatalf("cdstest: reset: %v", err)
	}
	old := a.pool
	a.pool = pool
	a.CDS.Connect(pool)
	if err := old.Close(); err != nil {
		a.t.Errorf("cdstest: reset: %v", err)
	}
	a.events.clear()
}
