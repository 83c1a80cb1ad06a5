package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cds/parser/cqn"
	"cds/runtime/db"
	"cds/runtime/db/dbtest"
)

func mustOpen(t testing.TB, cfg db.Config) db.Pool {
	t.Helper()
	p, err := New().Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestConformance(t *testing.T) {
	t.Run("private", func(t *testing.T) {
		dbtest.Run(t, func(t *testing.T) db.Pool { return mustOpen(t, db.Config{URL: ":memory:"}) })
	})
	t.Run("file", func(t *testing.T) {
		dbtest.Run(t, func(t *testing.T) db.Pool {
			return mustOpen(t, db.Config{URL: filepath.Join(t.TempDir(), "a b.sqlite"), Readers: 3, Synchronous: "full"})
		})
	})
}

func TestOpen_refuses(t *testing.T) {
	for _, cfg := range []db.Config{
		{Synchronous: "sometimes"},
		{URL: filepath.Join(t.TempDir(), "no", "such", "dir.sqlite")},
	} {
		if p, err := New().Open(context.Background(), cfg); err == nil {
			t.Errorf("%+v was opened", cfg)
			_ = p.Close()
		}
	}
}

func TestClose_removes(t *testing.T) {
	p := mustOpen(t, db.Config{})
	dir := p.(*pool).dir
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the temporary directory is still there: %v", err)
	}
	if _, err := p.Read(context.Background(), db.Session{}); !errors.Is(err, db.ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

func TestClone(t *testing.T) {
	p := mustOpen(t, db.Config{})
	defer func() { _ = p.Close() }()
	dbtest.Write(t, p, func(tx db.Tx) {
		if err := tx.Script(context.Background(), "CREATE TABLE T (x INTEGER); INSERT INTO T VALUES (1)"); err != nil {
			t.Fatal(err)
		}
	})
	c, err := Clone(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	dbtest.Write(t, c, func(tx db.Tx) {
		if err := tx.Script(context.Background(), "INSERT INTO T VALUES (2)"); err != nil {
			t.Fatal(err)
		}
	})
	if got := dbtest.Rows(t, p, db.Session{}, "SELECT x FROM T"); len(got) != 1 {
		t.Errorf("the original changed: %v", got)
	}
	if got := dbtest.Rows(t, c, db.Session{}, "SELECT x FROM T"); len(got) != 2 {
		t.Errorf("the clone has %v", got)
	}
	if got := dbtest.Rows(t, c, db.Session{}, "PRAGMA journal_mode"); got[0] != "wal" {
		t.Errorf("the clone's mode is %v", got)
	}
	if _, err := Clone(context.Background(), nil); err == nil {
		t.Error("nothing was cloned")
	}
}

func TestFunctions(t *testing.T) {
	p := mustOpen(t, db.Config{})
	defer func() { _ = p.Close() }()
	fns := p.Dialect().Tables().Functions
	tests := []struct {
		fn   string
		args []string
		want string
	}{
		{"contains", []string{"'abc'", "'b'"}, "1"},
		{"contains", []string{"'abc'", "'B'"}, "0"},
		{"contains", []string{"'50%'", "'%'"}, "1"},
		{"contains", []string{"NULL", "'b'"}, "∅"},
		{"startswith", []string{"'abc'", "'ab'"}, "1"},
		{"startswith", []string{"'abc'", "'abcd'"}, "0"},
		{"endswith", []string{"'abc'", "'bc'"}, "1"},
		{"endswith", []string{"'abc'", "'zabc'"}, "0"},
		{"endswith", []string{"'abc'", "''"}, "1"},
		{"indexof", []string{"'abc'", "'c'"}, "2"},
		{"substring/2", []string{"'abc'", "1"}, "bc"},
		{"substring/2", []string{"'abc'", "-1"}, "c"},
		{"substring/3", []string{"'abc'", "0", "2"}, "ab"},
		{"year", []string{"'2024-02-29T08:30:05.678Z'"}, "2024"},
		{"second", []string{"'2024-02-29T08:30:05.678Z'"}, "5"},
		{"fractionalseconds", []string{"'2024-02-29T08:30:05.678Z'"}, "0.678"},
		{"date", []string{"'2024-02-29T08:30:05.678Z'"}, "2024-02-29"},
		{"time", []string{"'2024-02-29T08:30:05.678Z'"}, "08:30:05"},
		{"cds.search", []string{"'The Raven'", "'RAVEN'"}, "1"},
		{"matchespattern", []string{"'abc'", "'^a.c$'"}, "1"},
		{"matchespattern", []string{"NULL", "'a'"}, "∅"},
	}
	for _, tt := range tests {
		tmpl, ok := fns[tt.fn]
		if !ok {
			t.Errorf("no function %s", tt.fn)
			continue
		}
		if got := dbtest.Rows(t, p, db.Session{}, "SELECT "+dbtest.Fill(tmpl, tt.args...)); got[0] != tt.want {
			t.Errorf("%s%v = %s, want %s", tt.fn, tt.args, got[0], tt.want)
		}
	}
	if got := dbtest.Rows(t, p, db.Session{}, "SELECT concat_null('a', 1, 'b'), concat_null('a', NULL)"); got[0] != "a1b|∅" {
		t.Errorf("concat: %v", got)
	}
	if got := dbtest.Rows(t, p, db.Session{}, "SELECT 'abc' LIKE 'A%', 'abc' LIKE 'a%'"); got[0] != "0|1" {
		t.Errorf("like ignores case: %v", got)
	}
}

// TestRegexp_faulty: a pattern that is none matches nothing. An error would tell of rows that are asked before other conditions hide them.
func TestRegexp_faulty(t *testing.T) {
	p := mustOpen(t, db.Config{})
	defer func() { _ = p.Close() }()
	tx, err := p.Read(context.Background(), db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	for range 2 { // compiled, and from memory
		rs, err := tx.Query(context.Background(), db.Stmt{SQL: "SELECT 1 WHERE 'a' REGEXP ?1 OR NOT 'a' REGEXP ?1", Binds: []cqn.Value{cqn.String("(")}})
		if err != nil {
			t.Fatal(err)
		}
		if row, err := rs.Next(); row || err != nil {
			t.Errorf("got %v, %v; want no row", row, err)
		}
		if err := rs.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDecimals(t *testing.T) {
	p := mustOpen(t, db.Config{})
	defer func() { _ = p.Close() }()
	dbtest.Write(t, p, func(tx db.Tx) {
		if err := tx.Script(context.Background(), "CREATE TABLE T (p REAL_DECIMAL(9,2)); INSERT INTO T VALUES (11.11), (9), ('100.5')"); err != nil {
			t.Fatal(err)
		}
	})
	for digits, want := range map[string]int{"10": 2, "11.11": 1, "9.99": 2, "-1": 3, "1e2": 1} {
		if got := dbtest.Rows(t, p, db.Session{}, "SELECT p FROM T WHERE p > ?1", cqn.Decimal(digits)); len(got) != want {
			t.Errorf("p > %s: %v", digits, got)
		}
	}
	list := cqn.List([]cqn.Value{cqn.Decimal("11.11"), cqn.Decimal("100.50")})
	if got := dbtest.Rows(t, p, db.Session{}, "SELECT p FROM T WHERE p"+string(p.Dialect().InList(nil, 1, nil, false)), list); len(got) != 2 {
		t.Errorf("in list: %v", got)
	}
}

func TestRows_noAllocation(t *testing.T) {
	p := mustOpen(t, db.Config{})
	defer func() { _ = p.Close() }()
	tx, err := p.Read(context.Background(), db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	rs, err := tx.Query(context.Background(), db.Stmt{SQL: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, 'some text', NULL, 1.5 FROM n LIMIT 100000"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rs.Next(); err != nil {
		t.Fatal(err)
	}
	_ = rs.Text(1)
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := rs.Next(); err != nil {
			t.Fatal(err)
		}
		if rs.IsNull(2) {
			_ = rs.Int(0) + int64(len(rs.Text(1))) + int64(rs.Float(3))
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations a row", allocs)
	}
}

// A transaction for one statement runs one, and gives its connection back like any other.
func TestReadOne(t *testing.T) {
	p := mustOpen(t, db.Config{URL: ":memory:"})
	one := p.(db.OneReader)
	for range 50 { // more often than there are connections
		tx, err := one.ReadOne(context.Background(), db.Session{UserID: "bob"})
		if err != nil {
			t.Fatal(err)
		}
		rows, err := tx.Query(context.Background(), db.Stmt{SQL: "SELECT session_context('$user.id')"})
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := rows.Next(); !ok || err != nil || string(rows.Text(0)) != "bob" {
			t.Fatalf("%v %v", ok, err)
		}
		if tx.Writable() {
			t.Error("it is writable")
		}
		// Not even its rows are read to their end.
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	tx, err := one.ReadOne(context.Background(), db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	rows, err := tx.Query(context.Background(), db.Stmt{SQL: "SELECT 1"})
	if err != nil {
		t.Fatal(err)
	}
	_ = rows.Close()
	if _, err := tx.Query(context.Background(), db.Stmt{SQL: "SELECT 1"}); err == nil {
		t.Error("a second statement ran")
	}
	if _, err := tx.Savepoint(context.Background()); err == nil {
		t.Error("a savepoint was made")
	}
	if err := tx.Script(context.Background(), "SELECT 1"); err == nil {
		t.Error("a script ran")
	}
}

// TestClose_open: a transaction that nobody ends keeps Close from nothing but its connection.
func TestClose_open(t *testing.T) {
	p := mustOpen(t, db.Config{}).(*pool)
	p.closeWait = time.Millisecond
	for _, begin := range []func(context.Context, db.Session) (db.Tx, error){p.Read, p.Write} {
		if _, err := begin(context.Background(), db.Session{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(); !errors.Is(err, db.ErrBusy) || !strings.Contains(err.Error(), "2 open") {
		t.Errorf("closed with %v", err)
	}
}
