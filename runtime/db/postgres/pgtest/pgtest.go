// Package pgtest gives tests a PostgreSQL server of their own, started from installed binaries and ended with the test binary.
package pgtest

import (
	"context"
	"errors"
	"maps"
	"os"
	"strconv"
	"sync"
	"testing"

	"cds/runtime/db"
	"cds/runtime/db/postgres/pgserver"
)

// shared is the one server of a test binary, started by the first test that needs it.
var shared = sync.OnceValues(func() (*pgserver.Server, error) { return pgserver.Start(context.Background()) })

// Shared returns the one server of the test binary. Where PostgreSQL is not installed the test is skipped; with CI=true in the environment it
// fails.
func Shared(t testing.TB) *pgserver.Server {
	t.Helper()
	s, err := shared()
	switch {
	case errors.Is(err, pgserver.ErrNoBinaries) && os.Getenv("CI") != "true":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	return s
}

// Open returns an empty database of the test's own, removed when it ends. Where PostgreSQL is not installed the test is skipped; with CI=true in
// the environment it fails.
func Open(t testing.TB) db.Config {
	t.Helper()
	s := Shared(t)
	name, err := s.Create(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Drop(context.Background(), name); err != nil {
			t.Errorf("dropping the test's database: %v", err)
		}
	})
	return s.Config(name)
}

// Schemas returns a function that makes empty schemas in one database of the test's own, and says how to open each as if it were a database. That takes a
// fraction of the time that a database takes. They are removed when the test ends.
func Schemas(t testing.TB) func() (db.Config, error) {
	t.Helper()
	cfg := Open(t)
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := s.Connect(context.Background(), cfg.Credentials["database"])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // before the database is dropped
	made := 0
	return func() (db.Config, error) {
		made++
		own := db.Config{Credentials: maps.Clone(cfg.Credentials)}
		own.Credentials["schema"] = "s" + strconv.Itoa(made)
		_, err := conn.Exec(context.Background(), "CREATE SCHEMA "+own.Credentials["schema"]).ReadAll()
		return own, err
	}
}

// Copy returns a copy of a test's database, as a database of the test's own. No connection to the original may be open.
func Copy(t testing.TB, template db.Config) db.Config {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	name, err := s.Create(context.Background(), template.Credentials["database"])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Drop(context.Background(), name); err != nil {
			t.Errorf("dropping the test's database: %v", err)
		}
	})
	return s.Config(name)
}
