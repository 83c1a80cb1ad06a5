package authstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/authstore"
	"cds/runtime/authstore/authstoretest"
	"cds/runtime/db"
	"cds/runtime/db/dbtest"
	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgtest"
	"cds/runtime/db/sqlite"
)

// databases opens an empty database of each kind.
var databases = map[string]func(t *testing.T) db.Pool{
	"sqlite":   func(t *testing.T) db.Pool { return opened(t, sqlite.New(), db.Config{URL: ":memory:"}) },
	"postgres": func(t *testing.T) db.Pool { return opened(t, postgres.New(), pgtest.Open(t)) },
}

func opened(t *testing.T, d db.Driver, cfg db.Config) db.Pool {
	t.Helper()
	p, err := d.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func store(t *testing.T, p db.Pool, now func() time.Time) *authstore.Store {
	t.Helper()
	s, err := authstore.Open(t.Context(), p, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		authstoretest.Run(t, func(_ *testing.T, now func() time.Time) authstoretest.Store { return authstore.Memory(now) })
	})
	for name, open := range databases {
		t.Run(name, func(t *testing.T) {
			authstoretest.Run(t, func(t *testing.T, now func() time.Time) authstoretest.Store { return store(t, open(t), now) })
		})
	}
}

func onBoth(t *testing.T, run func(t *testing.T, p db.Pool)) {
	for name, open := range databases {
		t.Run(name, func(t *testing.T) { run(t, open(t)) })
	}
}

// A table that another system has made is taken over, with its users.
func TestForeignTable(t *testing.T) {
	onBoth(t, func(t *testing.T, p db.Pool) {
		id := "INTEGER PRIMARY KEY AUTOINCREMENT"
		if p.Dialect().Name() == "postgres" {
			id = "SERIAL PRIMARY KEY"
		}
		script(t, p, "CREATE TABLE auth_users (id "+id+", username VARCHAR(32) UNIQUE NOT NULL, password VARCHAR(72) NOT NULL, is_admin BOOL NOT NULL DEFAULT false);"+
			"INSERT INTO auth_users (username, password, is_admin) VALUES ('rest_admin', '$2a$10$x', true), ('hello', '$2a$10$y', false)")
		s := store(t, p, authstoretest.NewClock().Now)
		u, err := s.UserByName(t.Context(), "rest_admin")
		if err != nil || u.ID != "1" || u.Hash != "$2a$10$x" || !u.Admin || u.Disabled || u.Roles != nil || !u.Valid.IsZero() {
			t.Fatalf("%+v, %v", u, err)
		}
		u.Hash = "$argon2id$" + strings.Repeat("x", 90)
		if err := s.SetUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		if id, err := s.AddUser(t.Context(), &auth.StoredUser{Name: strings.Repeat("long", 20)}); err != nil || id != "3" {
			t.Errorf("id %s, %v", id, err)
		}
	})
}

// A table of the same name that is something else stays as it is.
func TestNotOurs(t *testing.T) {
	for _, ddl := range []string{
		"CREATE TABLE auth_users (id INTEGER, name VARCHAR(20))",
		"CREATE TABLE auth_sessions (id VARCHAR(20), subject VARCHAR(20))",
		"CREATE TABLE auth_users (username VARCHAR(20), password VARCHAR(20), is_admin BOOLEAN, roles VARCHAR(20))",
	} {
		onBoth(t, func(t *testing.T, p db.Pool) {
			script(t, p, ddl)
			s := store(t, p, authstoretest.NewClock().Now)
			var te *authstore.TableError
			if err := s.Prepare(t.Context()); !errors.As(err, &te) || !strings.Contains(err.Error(), "is not ours") {
				t.Errorf("%s: %v", ddl, err)
			}
			if _, err := s.UserByName(t.Context(), "alice"); !errors.As(err, &te) {
				t.Errorf("reading: %v", err)
			}
		})
	}
}

// What is in the columns and not understood lets nobody in.
func TestGarbage(t *testing.T) {
	onBoth(t, func(t *testing.T, p db.Pool) {
		s := store(t, p, authstoretest.NewClock().Now)
		if err := s.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, garbage := range []string{"roles = '{}'", "roles = '[1]'", "attrs = '[]'", `attrs = '{"a":"b"}'`, "roles = 'x'"} {
			name := fmt.Sprint("user", i)
			script(t, p, "INSERT INTO auth_users (username, password) VALUES ('"+name+"', '')", "UPDATE auth_users SET "+garbage+" WHERE username = '"+name+"'")
			if u, err := s.UserByName(t.Context(), name); err == nil || u != nil {
				t.Errorf("%s: %+v", garbage, u)
			}
		}
	})
}

// Expired sessions are removed by those who write new ones.
func TestSweep(t *testing.T) {
	onBoth(t, func(t *testing.T, p db.Pool) {
		c := authstoretest.NewClock()
		s := store(t, p, c.Now)
		for i := range 30 {
			if err := s.PutSession(t.Context(), &auth.Session{ID: fmt.Sprint("x:", i), Expires: c.Now().Add(time.Second)}); err != nil {
				t.Fatal(err)
			}
		}
		c.Pass(2 * time.Minute)
		if err := s.PutSession(t.Context(), &auth.Session{ID: "x:new", Expires: c.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		got := dbtest.Rows(t, p, db.Session{}, "SELECT id FROM auth_sessions")
		if len(got) != 1 || got[0] != "x:new" {
			t.Errorf("left: %v", got)
		}
		if n, err := s.Sweep(t.Context()); n != 0 || err != nil {
			t.Errorf("swept %d, %v", n, err)
		}
	})
}

// Two processes that start at the same time both find the tables made.
func TestTogether(t *testing.T) {
	onBoth(t, func(t *testing.T, p db.Pool) {
		done := make(chan error, 6)
		for range cap(done) {
			s := store(t, p, authstoretest.NewClock().Now)
			go func() { done <- s.Prepare(context.Background()) }()
		}
		for range cap(done) {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	c := authstoretest.NewClock()
	m := authstore.Memory(c.Now)
	last := 0
	for i := range 150_000 {
		if err := m.PutSession(t.Context(), &auth.Session{ID: fmt.Sprint(i), Expires: c.Now().Add(time.Hour + time.Duration(i)*time.Millisecond)}); err != nil {
			t.Fatal(err)
		}
		last = i
	}
	there := 0
	for i := range 150_000 {
		if _, err := m.Session(t.Context(), fmt.Sprint(i)); err == nil {
			there++
		}
	}
	if there > 100_000 || there < 80_000 {
		t.Errorf("%d sessions", there)
	}
	if _, err := m.Session(t.Context(), fmt.Sprint(last)); err != nil {
		t.Error("the one that lives longest has gone")
	}
}

func TestTaken(t *testing.T) {
	for name, want := range map[string]bool{"auth_users": true, "Auth.Users": true, "auth.sessions": true, "AUTH_SESSIONS": true, "auth.Users2": false, "my.auth.Users": false} {
		m := &csn.Model{Entities: []*csn.Entity{entity("other"), entity(name)}}
		if e := authstore.Taken(m); (e != nil) != want {
			t.Errorf("%s: %v", name, e)
		}
	}
}

func script(t *testing.T, p db.Pool, list ...string) {
	t.Helper()
	dbtest.Write(t, p, func(tx db.Tx) {
		for _, sql := range list {
			if err := tx.Script(t.Context(), sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
	})
}

func entity(name string) *csn.Entity { return &csn.Entity{Def: csn.Def{Name: name}} }

// A job removes what has expired, and makes no tables that nobody uses.
func TestClean(t *testing.T) {
	onBoth(t, func(t *testing.T, p db.Pool) {
		c := authstoretest.NewClock()
		s := store(t, p, c.Now)
		if err := s.Clean(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := readSessions(t, p); err == nil {
			t.Error("cleaning makes tables")
		}
		for i := range 1100 {
			if err := s.PutSession(t.Context(), &auth.Session{ID: fmt.Sprint("x:", i), Expires: c.Now().Add(time.Second)}); err != nil {
				t.Fatal(err)
			}
		}
		c.Pass(time.Minute)
		if err := s.Clean(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := dbtest.Rows(t, p, db.Session{}, "SELECT count(*) FROM auth_sessions"); got[0] != "0" {
			t.Errorf("%s are left", got[0])
		}
	})
}

// readSessions reads the table of sessions.
func readSessions(t *testing.T, p db.Pool) error {
	t.Helper()
	tx, err := p.Read(t.Context(), db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	rows, err := tx.Query(t.Context(), db.Stmt{SQL: "SELECT count(*) FROM auth_sessions"})
	if err != nil {
		return err
	}
	_, err = rows.Next()
	return errors.Join(err, rows.Close())
}

// Blocked has no users and takes none.
func TestBlocked(t *testing.T) {
	b := authstore.Blocked(entity("auth.Users"))
	_, err1 := b.UserByName(t.Context(), "alice")
	_, err2 := b.UserByID(t.Context(), "1")
	_, err3 := b.AddUser(t.Context(), &auth.StoredUser{Name: "alice"})
	_, err4 := b.Users(t.Context(), "", 1)
	for i, err := range []error{err1, err2, err3, err4, b.SetUser(t.Context(), &auth.StoredUser{}), b.RemoveUser(t.Context(), "alice"), b.Prepare(t.Context())} {
		var te *authstore.TableError
		if !errors.As(err, &te) || !strings.Contains(err.Error(), "entity auth.Users") {
			t.Errorf("%d: %v", i, err)
		}
	}
}

// A database whose user may not make tables says what is to be done.
func TestNoRight(t *testing.T) {
	file := t.TempDir() + "/db.sqlite"
	w := opened(t, sqlite.New(), db.Config{URL: file})
	s := store(t, readOnly{w}, authstoretest.NewClock().Now)
	var te *authstore.TableError
	if err := s.Prepare(t.Context()); !errors.As(err, &te) || !strings.Contains(err.Error(), "cds auth setup") || !errors.Is(err, db.ErrReadOnly) {
		t.Errorf("%v", err)
	}
}

// readOnly is a database that takes no writes.
type readOnly struct{ db.Pool }

func (readOnly) Write(context.Context, db.Session) (db.Tx, error) { return nil, db.ErrReadOnly }
