package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/db"
	"cds/runtime/db/dbtest"
	"cds/runtime/db/postgres/pgtest"
)

func mustOpen(t testing.TB) db.Pool {
	t.Helper()
	p, err := New().Open(context.Background(), pgtest.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func script(t testing.TB, p db.Pool, sql string) {
	t.Helper()
	dbtest.Write(t, p, func(tx db.Tx) {
		if err := tx.Script(context.Background(), sql); err != nil {
			t.Fatal(err)
		}
	})
}

func write(t testing.TB, p db.Pool) db.Tx {
	t.Helper()
	tx, err := p.Write(context.Background(), db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback() })
	return tx
}

func exec(tx db.Tx, sql string, binds ...cqn.Value) error {
	_, err := tx.Exec(context.Background(), db.Stmt{SQL: sql, Binds: binds})
	return err
}

func TestConformance(t *testing.T) {
	dbtest.Run(t, func(t *testing.T) db.Pool {
		p, err := New().Open(context.Background(), pgtest.Open(t))
		if err != nil {
			t.Fatal(err)
		}
		return p
	})
}

func TestOpen_refuses(t *testing.T) {
	dir := t.TempDir() // no server listens there
	for _, cfg := range []db.Config{
		{},
		{URL: "postgres://u:hunter2@[/x"},
		{URL: "postgres://u:hunter2@/x?host=" + dir},
		{URL: "postgres://u@/x?host=" + dir, Synchronous: "sometimes"},
		{Credentials: map[string]string{"host": dir, "user": "u", "password": "hunter2", "database": "x"}},
	} {
		p, err := New().Open(context.Background(), cfg)
		if err == nil {
			t.Errorf("%+v was opened", cfg)
			_ = p.Close()
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error has the password in it: %v", err)
		}
	}
}

func TestCredentialsURL(t *testing.T) {
	for _, tt := range []struct {
		in   map[string]string
		want string
	}{
		{nil, ""},
		{map[string]string{"user": "only"}, ""},
		{map[string]string{"uri": "postgres://a/b", "host": "c"}, "postgres://a/b"},
		{map[string]string{"host": "h", "port": "5433", "user": "u@x", "password": "p/w:?", "database": "d b"}, "postgres://u%40x:p%2Fw%3A%3F@h:5433/d%20b"},
		{map[string]string{"hostname": "::1", "port": "1", "username": "u", "dbname": "d", "sslmode": "require"}, "postgres://u@[::1]:1/d?sslmode=require"},
		{map[string]string{"host": "/run/pg", "port": "5433", "database": "d"}, "postgres:///d?host=%2Frun%2Fpg&port=5433"},
	} {
		if got := credentialsURL(tt.in); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestPoolConfig(t *testing.T) {
	pc, err := poolConfig(db.Config{Credentials: map[string]string{"host": "h", "database": "d", "schema": `a"b`}, Readers: 3, Synchronous: "off"})
	if err != nil {
		t.Fatal(err)
	}
	params := pc.ConnConfig.RuntimeParams
	if pc.MaxConns != 3 || params["search_path"] != `"a""b"` || params["synchronous_commit"] != "off" || params["standard_conforming_strings"] != "on" || params["timezone"] != "UTC" {
		t.Errorf("%d connections, %v", pc.MaxConns, params)
	}
}

func TestClose(t *testing.T) {
	p := mustOpen(t)
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := p.Read(context.Background(), db.Session{}); !errors.Is(err, db.ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
	if _, err := p.Write(context.Background(), db.Session{}); !errors.Is(err, db.ErrClosed) {
		t.Errorf("write after close: %v", err)
	}
}

// Values arrive in the forms that those of SQLite have, exactly.
func TestValues(t *testing.T) {
	p := mustOpen(t)
	tx, err := p.Read(context.Background(), db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	for _, tt := range []struct {
		sql, text string
		typ       db.ColumnType
		n         int64
		f         float64
	}{
		{"123456789012345678901234.5670::numeric", "123456789012345678901234.5670", db.TypeDecimal, math.MaxInt64, 123456789012345678901234.567},
		{"-7.9::numeric", "-7.9", db.TypeDecimal, -7, -7.9},
		{"(-3)::smallint", "-3", db.TypeInt, -3, -3},
		{"(-3)::integer", "-3", db.TypeInt, -3, -3},
		{"4294967295::oid", "4294967295", db.TypeInt, 4294967295, 4294967295},
		{"0.1::float4", "0.1", db.TypeFloat, 0, float64(float32(0.1))},
		{"1e300::float8", "1e+300", db.TypeFloat, math.MinInt64, 1e300},
		{"true", "true", db.TypeBool, 1, 1},
		{"false", "false", db.TypeBool, 0, 0},
		{"'2024-02-29 08:30:05.678'::timestamp", "2024-02-29T08:30:05.678Z", db.TypeText, 0, 0},
		{"'2024-02-29 08:30:05'::timestamp", "2024-02-29T08:30:05.000Z", db.TypeText, 0, 0},
		{"'2024-02-29 08:30:05.000001'::timestamp", "2024-02-29T08:30:05.000001Z", db.TypeText, 0, 0},
		{"'1969-12-31 23:59:59.999'::timestamp", "1969-12-31T23:59:59.999Z", db.TypeText, 0, 0},
		{"'0001-01-01 00:00:00'::timestamp", "0001-01-01T00:00:00.000Z", db.TypeText, 0, 0},
		{"'2024-02-29 10:30:05+02'::timestamptz", "2024-02-29T08:30:05.000Z", db.TypeText, 0, 0},
		{"'infinity'::timestamp", "infinity", db.TypeText, 0, 0},
		{"'-infinity'::timestamp", "-infinity", db.TypeText, 0, 0},
		{"'2024-02-29'::date", "2024-02-29", db.TypeText, 2024, 0},
		{"'08:30:05'::time", "08:30:05", db.TypeText, 8, 0},
		{`'{"a": 1}'::jsonb`, `{"a": 1}`, db.TypeText, 0, 0},
		{`'\x00ff'::bytea`, "\x00\xff", db.TypeBlob, 0, 0},
		{"''::text", "", db.TypeText, 0, 0},
	} {
		rs, err := tx.Query(context.Background(), db.Stmt{SQL: "SELECT " + tt.sql + ", 1"})
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := rs.Next(); !ok || err != nil {
			t.Fatal(tt.sql, err)
		}
		if got := string(rs.Text(0)); got != tt.text || rs.Type(0) != tt.typ || rs.IsNull(0) {
			t.Errorf("%s: got %q of type %d, want %q of type %d", tt.sql, got, rs.Type(0), tt.text, tt.typ)
		}
		if tt.typ != db.TypeText && tt.typ != db.TypeBlob && (rs.Int(0) != tt.n && tt.f != 1e300 || rs.Float(0) != tt.f) {
			t.Errorf("%s: got %d and %v, want %d and %v", tt.sql, rs.Int(0), rs.Float(0), tt.n, tt.f)
		}
		_ = rs.Close()
	}
}

func TestLists(t *testing.T) {
	p := mustOpen(t)
	script(t, p, `CREATE TABLE T (s TEXT, n INTEGER, d NUMERIC, b BOOLEAN, x BYTEA, day DATE, ts TIMESTAMP);
		INSERT INTO T VALUES ('a"b\c,{}', 1, 1.50, true, '\x00ff', '2024-02-29', '2024-02-29 08:30:00.5'), ('', 2, 2, false, '\x', '2024-03-01', NULL), ('NULL', NULL, NULL, NULL, NULL, NULL, NULL)`)
	bt := func(k csn.Scalar) *csn.Builtin { return &csn.Builtin{Kind: k} }
	for _, tt := range []struct {
		col  string
		typ  *csn.Builtin
		in   []cqn.Value
		want string // found by IN, found by NOT IN
	}{
		{"s", bt(csn.String), []cqn.Value{cqn.String(`a"b\c,{}`)}, "1 2"},
		{"s", bt(csn.String), []cqn.Value{cqn.String("NULL"), cqn.String("")}, "2 1"},
		{"s", bt(csn.String), []cqn.Value{cqn.Null}, "0 0"},
		{"s", nil, []cqn.Value{cqn.String("")}, "1 2"},
		{"n", bt(csn.Integer), []cqn.Value{cqn.Int(1), cqn.Int(3)}, "1 1"},
		{"n", bt(csn.Integer), nil, "0 3"},
		{"n", bt(csn.Decimal), []cqn.Value{cqn.Decimal("1.5"), cqn.Decimal("2.0")}, "1 1"},
		{"d", bt(csn.Decimal), []cqn.Value{cqn.Decimal("1.5"), cqn.Float(2)}, "2 0"},
		{"b", bt(csn.Boolean), []cqn.Value{cqn.Bool(true)}, "1 1"},
		{"x", bt(csn.Binary), []cqn.Value{cqn.Bytes([]byte{0, 255})}, "1 1"},
		{"day", bt(csn.Date), []cqn.Value{cqn.Text(cqn.KindDate, "2024-02-29")}, "1 1"},
		{"ts", bt(csn.Timestamp), []cqn.Value{cqn.Text(cqn.KindTimestamp, "2024-02-29T08:30:00.500Z")}, "1 0"},
	} {
		got := ""
		for _, not := range []bool{false, true} {
			sql := "SELECT count(*) FROM T WHERE " + string(p.Dialect().InList([]byte(tt.col), 1, tt.typ, not))
			got += " " + dbtest.Rows(t, p, db.Session{}, sql, cqn.List(tt.in))[0]
		}
		if got[1:] != tt.want {
			t.Errorf("%s in %v: got %s, want %s", tt.col, tt.in, got[1:], tt.want)
		}
	}
	for _, v := range []cqn.Value{cqn.OfRow(cqn.NewRow()), cqn.List([]cqn.Value{cqn.List(nil)}), cqn.List([]cqn.Value{cqn.OfRow(cqn.NewRow())})} {
		if err := exec(write(t, p), "SELECT $1::text[]", v); !errors.Is(err, db.ErrValue) {
			t.Errorf("%v was bound: %v", v.Kind(), err)
		}
	}
}

func TestErrors(t *testing.T) {
	p := mustOpen(t)
	script(t, p, "CREATE TABLE T (id INTEGER PRIMARY KEY, s VARCHAR(3), n SMALLINT); INSERT INTO T VALUES (1, 'a', 1); CREATE TABLE C (t INTEGER REFERENCES T (id))")
	for _, tt := range []struct {
		sql   string
		binds []cqn.Value
		want  error
	}{
		{"INSERT INTO C VALUES (9)", nil, db.ErrForeignKey},
		{"UPDATE T SET s = 'long'", nil, db.ErrValue},
		{"UPDATE T SET n = 70000", nil, db.ErrValue},
		{"SELECT 1 / 0", nil, db.ErrValue},
		{"SELECT id FROM T WHERE id = s", nil, db.ErrValue},
		{"SELECT $1::integer", []cqn.Value{cqn.String("x")}, db.ErrValue},
		{"SELECT $1", []cqn.Value{cqn.String("a\x00b")}, db.ErrValue},
		{"SELECT $1", []cqn.Value{cqn.String("\xff")}, db.ErrValue},
		{"SELECT 'a' ~ $1", []cqn.Value{cqn.String("(")}, db.ErrValue},
		{"SELECT $1::integer + $2::integer", []cqn.Value{cqn.Int(1)}, db.ErrValue},
	} {
		tx := write(t, p)
		err := exec(tx, tt.sql, tt.binds...)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.sql, err, tt.want)
		}
		_ = tx.Rollback()
	}
	if err := write(t, p).Script(context.Background(), "SELECT 1;\x00"); !errors.Is(err, db.ErrValue) {
		t.Errorf("a NUL in a script: %v", err)
	}
}

// After a failed statement nothing can be committed, unless a savepoint before it is gone back to.
func TestFailedStatement(t *testing.T) {
	p := mustOpen(t)
	script(t, p, "CREATE TABLE T (id INTEGER PRIMARY KEY)")
	ctx := context.Background()
	tx := write(t, p)
	if err := exec(tx, "INSERT INTO T VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	if err := exec(tx, "INSERT INTO T VALUES (1)"); !errors.Is(err, db.ErrUnique) {
		t.Fatal(err)
	}
	if err := tx.Commit(); err == nil {
		t.Error("a failed transaction was committed")
	}
	if got := dbtest.Rows(t, p, db.Session{}, "SELECT id FROM T"); len(got) != 0 {
		t.Errorf("there is %v", got)
	}
	dbtest.Write(t, p, func(tx db.Tx) {
		end, err := tx.Savepoint(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := exec(tx, "INSERT INTO nowhere VALUES (1)"); err == nil {
			t.Error("no error")
		}
		if err := end(false); err != nil {
			t.Fatal(err)
		}
		if err := exec(tx, "INSERT INTO T VALUES (2)"); err != nil {
			t.Fatal(err)
		}
	})
	if got := dbtest.Rows(t, p, db.Session{}, "SELECT id FROM T"); len(got) != 1 || got[0] != "2" {
		t.Errorf("there is %v", got)
	}
}

// What one transaction has read and checked, another cannot change beneath it: no update is lost.
func TestConcurrentUpdate(t *testing.T) {
	p := mustOpen(t)
	script(t, p, "CREATE TABLE T (id INTEGER PRIMARY KEY, stock INTEGER); INSERT INTO T VALUES (1, 1)")
	a, b := write(t, p), write(t, p)
	for _, tx := range []db.Tx{a, b} {
		if err := exec(tx, "SELECT stock FROM T"); err != nil {
			t.Fatal(err)
		}
	}
	if err := exec(a, "UPDATE T SET stock = stock - 1"); err != nil {
		t.Fatal(err)
	}
	if err := a.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := exec(b, "UPDATE T SET stock = stock - 1"); !errors.Is(err, db.ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
}

// A statement that runs is interrupted, and its connection can be used again.
func TestCancel_running(t *testing.T) {
	p := mustOpen(t)
	for _, of := range []string{"transaction", "statement"} {
		ctx, stop := context.WithCancel(context.Background())
		txCtx, stCtx := ctx, context.WithoutCancel(ctx)
		if of == "statement" {
			other, end := context.WithCancel(context.Background())
			defer end()
			txCtx, stCtx = other, ctx
		}
		tx, err := p.Write(txCtx, db.Session{})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			_, err := tx.Exec(stCtx, db.Stmt{SQL: "SELECT pg_sleep(60)"})
			done <- err
		}()
		for dbtest.Rows(t, p, db.Session{}, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(60)'")[0] == "0" {
			if len(done) > 0 {
				t.Fatal(<-done)
			}
		}
		stop()
		if err := <-done; !errors.Is(err, db.ErrCanceled) {
			t.Errorf("end of the %s: got %v, want ErrCanceled", of, err)
		}
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
}

// A lost connection is the end of its transaction, not of the pool.
func TestLostConnection(t *testing.T) {
	p := mustOpen(t)
	tx := write(t, p)
	rs, err := tx.Query(context.Background(), db.Stmt{SQL: "SELECT pg_backend_pid()"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rs.Next(); err != nil {
		t.Fatal(err)
	}
	pid := rs.Int(0)
	_ = rs.Close()
	dbtest.Rows(t, p, db.Session{}, "SELECT pg_terminate_backend($1::integer)", cqn.Int(pid))
	if err := exec(tx, "SELECT 1"); !errors.Is(err, db.ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
	if err := tx.Commit(); err == nil {
		t.Error("a lost transaction was committed")
	}
	if got := dbtest.Rows(t, p, db.Session{}, "SELECT 1"); got[0] != "1" {
		t.Error(got)
	}
}

// One statement can be given values of other kinds, and outlives changes of the schema.
func TestStatements(t *testing.T) {
	p := mustOpen(t)
	for _, v := range []cqn.Value{cqn.Null, cqn.Int(5), cqn.String("x"), cqn.Null, cqn.Decimal("1.50"), cqn.Bool(true), cqn.Int(6)} {
		want := v.Format()
		switch v.Kind() {
		case cqn.KindNull:
			want = "∅"
		case cqn.KindString:
			want = v.Str()
		}
		if got := dbtest.Rows(t, p, db.Session{}, "SELECT $1", v); got[0] != want {
			t.Errorf("got %s, want %s", got[0], want)
		}
	}
	script(t, p, "CREATE VIEW V AS SELECT 1 AS a")
	before := dbtest.Rows(t, p, db.Session{}, "SELECT * FROM V")
	script(t, p, "DROP VIEW V; CREATE VIEW V AS SELECT 'x' AS b, 2 AS c")
	after := dbtest.Rows(t, p, db.Session{}, "SELECT * FROM V")
	if before[0] != "1" || after[0] != "x|2" {
		t.Errorf("got %v and %v", before, after)
	}
}

func TestRows_noAllocation(t *testing.T) {
	p := mustOpen(t)
	tx, err := p.Read(context.Background(), db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	rs, err := tx.Query(context.Background(), db.Stmt{SQL: "SELECT i, 'some text', NULL, 1.5::float8, now(), i % 2 = 0 FROM generate_series(1, 5000) AS n(i)"})
	if err != nil {
		t.Fatal(err)
	}
	read := func() {
		if ok, err := rs.Next(); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if rs.IsNull(2) {
			_ = rs.Int(0) + int64(len(rs.Text(1))+len(rs.Text(4))) + int64(rs.Float(3)) + rs.Int(5)
		}
	}
	for range 100 {
		read()
	}
	if allocs := testing.AllocsPerRun(1000, read); allocs > 0 {
		t.Errorf("%v allocations a row", allocs)
	}
}

func BenchmarkKeyRead(b *testing.B) {
	p := mustOpen(b)
	script(b, p, "CREATE TABLE T (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO T SELECT i, 'text ' || i FROM generate_series(1, 10000) AS n(i)")
	ctx := context.Background()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		tx, err := p.Read(ctx, db.Session{})
		if err != nil {
			b.Fatal(err)
		}
		rs, err := tx.Query(ctx, db.Stmt{SQL: "SELECT id, a FROM T WHERE id = $1::integer", Binds: []cqn.Value{cqn.Int(int64(i%10000 + 1))}})
		if err != nil {
			b.Fatal(err)
		}
		if ok, err := rs.Next(); !ok || err != nil {
			b.Fatal(fmt.Sprint(ok), err)
		}
		_ = rs.Close()
		_ = tx.Commit()
	}
}

// TestClose_open: a transaction that nobody ends does not keep Close for ever.
func TestClose_open(t *testing.T) {
	p := mustOpen(t).(*pool)
	p.closeWait = time.Millisecond
	tx, err := p.Write(context.Background(), db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); !errors.Is(err, db.ErrBusy) {
		t.Errorf("closed with %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
}
