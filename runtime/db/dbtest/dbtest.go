// Package dbtest is the conformance suite for database drivers: Run checks what the query engine relies on.
package dbtest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"cds/parser/cqn"
	"cds/runtime/db"
)

// Run checks a driver. open returns a new empty database and is called for each subtest; the suite closes it.
func Run(t *testing.T, open func(t *testing.T) db.Pool) {
	tests := []struct {
		name string
		run  func(t *testing.T, p db.Pool)
	}{
		{"values", values}, {"lists", lists}, {"nulls", nulls}, {"error kinds", errorKinds}, {"read only", readOnly}, {"rollback", rollback},
		{"savepoints", savepoints}, {"snapshot", snapshot}, {"cancel", cancel}, {"cancel while waiting", cancelWaiting}, {"session", session},
		{"many statements", manyStatements}, {"concurrent readers", concurrentReaders}, {"scripts", scripts}, {"misuse", misuse}, {"injection", injection},
		{"read one", readOne}, {"session changes", sessionChanges}, {"unused", unused},
		{"batch", batch}, {"batch errors", batchErrors}, {"blobs", blobs}, {"blob errors", blobErrors},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := open(t)
			t.Cleanup(func() {
				if err := p.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			tt.run(t, p)
		})
	}
}

// Write runs fn in a write transaction and commits it.
func Write(t testing.TB, p db.Pool, fn func(tx db.Tx)) {
	t.Helper()
	tx, err := p.Write(context.Background(), db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	fn(tx)
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// Rows runs a query in a read transaction and returns its rows as text, columns separated by "|" and nulls as "∅".
func Rows(t testing.TB, p db.Pool, s db.Session, sql string, binds ...cqn.Value) []string {
	t.Helper()
	tx, err := p.Read(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	return rowsOf(t, tx, sql, binds...)
}

func rowsOf(t testing.TB, tx db.Tx, sql string, binds ...cqn.Value) []string {
	t.Helper()
	rs, err := tx.Query(context.Background(), db.Stmt{SQL: sql, Binds: binds})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rs.Close() }()
	var out []string
	for {
		ok, err := rs.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return out
		}
		line := ""
		for i := range rs.Columns() {
			if i > 0 {
				line += "|"
			}
			if rs.IsNull(i) {
				line += "∅"
			} else {
				line += string(rs.Text(i))
			}
		}
		out = append(out, line)
	}
}

func exec(t testing.TB, tx db.Tx, sql string, binds ...cqn.Value) int64 {
	t.Helper()
	n, err := tx.Exec(context.Background(), db.Stmt{SQL: sql, Binds: binds})
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func same(t testing.TB, got []string, want ...string) {
	t.Helper()
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// table makes table T with an integer key and a text, and three rows.
func table(t testing.TB, p db.Pool) {
	t.Helper()
	Write(t, p, func(tx db.Tx) {
		exec(t, tx, "CREATE TABLE T (id INTEGER NOT NULL PRIMARY KEY, s VARCHAR(20) NOT NULL CHECK (s <> 'bad'))")
		for i, s := range []string{"one", "two", "three"} {
			exec(t, tx, Place(p, "INSERT INTO T VALUES (?1, ?2)"), cqn.Int(int64(i+1)), cqn.String(s))
		}
	})
}

// Place replaces ?1 … ?9 by the dialect's placeholders.
func Place(p db.Pool, sql string) string {
	var out []byte
	for i := 0; i < len(sql); i++ {
		if sql[i] == '?' && i+1 < len(sql) && sql[i+1] > '0' && sql[i+1] <= '9' {
			out = p.Dialect().Param(out, int(sql[i+1]-'0'), nil)
			i++
			continue
		}
		out = append(out, sql[i])
	}
	return string(out)
}

func values(t *testing.T, p db.Pool) {
	ty := p.Dialect().Tables().Types
	Write(t, p, func(tx db.Tx) {
		exec(t, tx, fmt.Sprintf("CREATE TABLE V (i %s, f %s, s %s, d %s, b %s, x %s)", ty["cds.Int64"], ty["cds.Double"], ty["cds.LargeString"],
			ty["cds.Date"], ty["cds.Boolean"], ty["cds.LargeBinary"]))
		n := exec(t, tx, Place(p, "INSERT INTO V VALUES (?1, ?2, ?3, ?4, ?5, ?6)"), cqn.Int(-1<<63), cqn.Float(0.1), cqn.String("äöü€𝄞'\"\x01"),
			cqn.Text(cqn.KindDate, "2024-02-29"), cqn.Bool(true), cqn.Bytes([]byte{0, 1, 255}))
		if n != 1 {
			t.Errorf("%d rows inserted", n)
		}
	})
	tx, err := p.Read(context.Background(), db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	rs, err := tx.Query(context.Background(), db.Stmt{SQL: "SELECT i, f, s, d, b, x FROM V"})
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := rs.Next(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if rs.Columns() != 6 || rs.Int(0) != -1<<63 || rs.Float(1) != 0.1 || string(rs.Text(2)) != "äöü€𝄞'\"\x01" || string(rs.Text(3)) != "2024-02-29" ||
		rs.Int(4) != 1 || string(rs.Bytes(5)) != "\x00\x01\xff" {
		t.Errorf("%d %v %q %q %d %q", rs.Int(0), rs.Float(1), rs.Text(2), rs.Text(3), rs.Int(4), rs.Bytes(5))
	}
	if got := string(rs.Text(0)); got != "-9223372036854775808" {
		t.Errorf("number as text: %q", got)
	}
	if rs.Type(0) != db.TypeInt || rs.Type(1) != db.TypeFloat || rs.Type(2) != db.TypeText || rs.Type(5) != db.TypeBlob {
		t.Errorf("types %v %v %v %v", rs.Type(0), rs.Type(1), rs.Type(2), rs.Type(5))
	}
	if ok, err := rs.Next(); ok || err != nil {
		t.Error("a second row", err)
	}
	if err := rs.Close(); err != nil {
		t.Error(err)
	}
}

func lists(t *testing.T, p db.Pool) {
	table(t, p)
	d := p.Dialect()
	sql := "SELECT id FROM T WHERE s" + string(d.InList(nil, 1, nil, false)) + " ORDER BY id"
	list := func(ss ...string) cqn.Value {
		vs := make([]cqn.Value, len(ss))
		for i, s := range ss {
			vs[i] = cqn.String(s)
		}
		return cqn.List(vs)
	}
	same(t, Rows(t, p, db.Session{}, sql, list("three", "one", `"],["`)), "1", "3")
	same(t, Rows(t, p, db.Session{}, sql, list()))
	same(t, Rows(t, p, db.Session{}, sql, cqn.List([]cqn.Value{cqn.Null})))
	sql = "SELECT id FROM T WHERE s" + string(d.InList(nil, 1, nil, true)) + " ORDER BY id"
	same(t, Rows(t, p, db.Session{}, sql, list("three", "one")), "2")
	same(t, Rows(t, p, db.Session{}, sql, list()), "1", "2", "3")
	same(t, Rows(t, p, db.Session{}, sql, cqn.List([]cqn.Value{cqn.Null, cqn.String("one")})))
	ids := cqn.List([]cqn.Value{cqn.Int(3), cqn.Int(2)})
	same(t, Rows(t, p, db.Session{}, "SELECT l.value FROM "+string(d.ListRows(nil, 1, nil, "l"))+" ORDER BY 1", ids), "2", "3")
}

func nulls(t *testing.T, p db.Pool) {
	tb := p.Dialect().Tables()
	same(t, Rows(t, p, db.Session{}, "SELECT NULL, 1"), "∅|1")
	for _, tt := range []struct{ tmpl, want string }{{tb.NullSafeEq, "n"}, {tb.NullSafeNe, "y"}} {
		sql := "SELECT CASE WHEN " + Fill(tt.tmpl, "NULL", "1") + " THEN 'y' ELSE 'n' END"
		same(t, Rows(t, p, db.Session{}, sql), tt.want)
	}
}

// Fill puts arguments into a template of sqlgen.Tables.
func Fill(tmpl string, args ...string) string {
	out := ""
	for i := 0; i < len(tmpl); i++ {
		if tmpl[i] == '?' && i+1 < len(tmpl) {
			out += args[tmpl[i+1]-'1']
			i++
			continue
		}
		out += tmpl[i : i+1]
	}
	return out
}

func errorKinds(t *testing.T, p db.Pool) {
	table(t, p)
	for _, tt := range []struct {
		sql  string
		want error
	}{
		{"INSERT INTO T VALUES (1, 'again')", db.ErrUnique},
		{"INSERT INTO T VALUES (9, NULL)", db.ErrNotNull},
		{"INSERT INTO T VALUES (9, 'bad')", db.ErrCheck},
	} {
		tx, err := p.Write(context.Background(), db.Session{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(context.Background(), db.Stmt{SQL: tt.sql}); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.sql, err, tt.want)
		}
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
	tx, err := p.Read(context.Background(), db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.Query(context.Background(), db.Stmt{SQL: "SELECT nothing FROM nowhere"}); err == nil {
		t.Error("a faulty statement gave no error")
	}
}

func readOnly(t *testing.T, p db.Pool) {
	table(t, p)
	tx, err := p.Read(context.Background(), db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	if tx.Writable() {
		t.Error("a read transaction says that it is writable")
	}
	if _, err := tx.Exec(context.Background(), db.Stmt{SQL: "DELETE FROM T"}); !errors.Is(err, db.ErrReadOnly) {
		t.Errorf("got %v, want ErrReadOnly", err)
	}
	_ = tx.Rollback()
	same(t, Rows(t, p, db.Session{}, "SELECT count(*) FROM T"), "3")
}

func rollback(t *testing.T, p db.Pool) {
	table(t, p)
	tx, err := p.Write(context.Background(), db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	if n := exec(t, tx, "DELETE FROM T WHERE id > 1"); n != 2 {
		t.Errorf("%d rows deleted", n)
	}
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	same(t, Rows(t, p, db.Session{}, "SELECT count(*) FROM T"), "3")
	if err := tx.Rollback(); err != nil {
		t.Errorf("a second rollback: %v", err)
	}
	if err := tx.Commit(); err == nil {
		t.Error("commit after rollback succeeded")
	}
}

func savepoints(t *testing.T, p db.Pool) {
	table(t, p)
	ctx := context.Background()
	Write(t, p, func(tx db.Tx) {
		exec(t, tx, "DELETE FROM T WHERE id = 1")
		outer, err := tx.Savepoint(ctx)
		if err != nil {
			t.Fatal(err)
		}
		exec(t, tx, "DELETE FROM T WHERE id = 2")
		inner, err := tx.Savepoint(ctx)
		if err != nil {
			t.Fatal(err)
		}
		exec(t, tx, "DELETE FROM T WHERE id = 3")
		if err := inner(false); err != nil {
			t.Error(err)
		}
		if err := outer(true); err != nil {
			t.Error(err)
		}
		if err := outer(true); err == nil {
			t.Error("a savepoint was ended twice")
		}
	})
	same(t, Rows(t, p, db.Session{}, "SELECT id FROM T"), "3")
}

func snapshot(t *testing.T, p db.Pool) {
	table(t, p)
	tx, err := p.Read(context.Background(), db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	same(t, rowsOf(t, tx, "SELECT count(*) FROM T"), "3")
	Write(t, p, func(w db.Tx) { exec(t, w, "DELETE FROM T") })
	same(t, rowsOf(t, tx, "SELECT count(*) FROM T"), "3")
	same(t, Rows(t, p, db.Session{}, "SELECT count(*) FROM T"), "0")
}

func cancel(t *testing.T, p db.Pool) {
	ctx, stop := context.WithCancel(context.Background())
	tx, err := p.Read(ctx, db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { // some drivers wait for the first row in Query
		rs, err := tx.Query(ctx, db.Stmt{SQL: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n WHERE i < 0"})
		if err == nil {
			_, err = rs.Next()
			_ = rs.Close()
		}
		done <- err
	}()
	stop()
	if err := <-done; !errors.Is(err, db.ErrCanceled) {
		t.Errorf("got %v, want ErrCanceled", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	same(t, Rows(t, p, db.Session{}, "SELECT 1"), "1")
}

// cancelWaiting has a second writer wait for the first: to begin, or with databases that let several write, to change the same row.
func cancelWaiting(t *testing.T, p db.Pool) {
	table(t, p)
	tx, err := p.Write(context.Background(), db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	exec(t, tx, "UPDATE T SET s = 'eins' WHERE id = 1")
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		w, err := p.Write(ctx, db.Session{})
		if err == nil {
			_, err = w.Exec(ctx, db.Stmt{SQL: "UPDATE T SET s = 'one' WHERE id = 1"})
			_ = w.Rollback()
		}
		done <- err
	}()
	stop()
	if err := <-done; !errors.Is(err, db.ErrCanceled) {
		t.Errorf("a second writer: got %v, want ErrCanceled", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
}

func session(t *testing.T, p db.Pool) {
	s := p.Dialect().Tables().Sessions
	sql := "SELECT " + s["$user.id"] + ", " + s["$user.tenant"] + ", " + s["$user.locale"] + ", " + s["$now"]
	alice := db.Session{UserID: "alice", Tenant: "t1", Locale: "de", Now: "2024-02-29T08:30:00.000Z"}
	for range 3 { // connections are used again
		same(t, Rows(t, p, alice, sql), "alice|t1|de|2024-02-29T08:30:00.000Z")
		same(t, Rows(t, p, db.Session{UserID: "bob"}, sql), "bob|∅|∅|∅")
	}
	Write(t, p, func(tx db.Tx) { exec(t, tx, "CREATE VIEW Me AS SELECT "+s["$user.id"]+" AS id") })
	same(t, Rows(t, p, alice, "SELECT id FROM Me"), "alice")
}

func manyStatements(t *testing.T, p db.Pool) {
	tx, err := p.Read(context.Background(), db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	for i := range 1000 {
		same(t, rowsOf(t, tx, fmt.Sprintf("SELECT %d", i%300)), fmt.Sprint(i%300))
	}
}

func concurrentReaders(t *testing.T, p db.Pool) {
	table(t, p)
	errs := make(chan error, 16)
	for range 16 {
		go func() {
			for range 20 {
				tx, err := p.Read(context.Background(), db.Session{})
				if err != nil {
					errs <- err
					return
				}
				rs, err := tx.Query(context.Background(), db.Stmt{SQL: "SELECT s FROM T"})
				if err == nil {
					_, err = rs.Next()
				}
				_ = tx.Rollback()
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range 16 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func scripts(t *testing.T, p db.Pool) {
	Write(t, p, func(tx db.Tx) {
		err := tx.Script(context.Background(), "CREATE TABLE A (x INTEGER);\n\n-- a comment; with a semicolon\nINSERT INTO A VALUES (1);INSERT INTO A VALUES (2) ; ")
		if err != nil {
			t.Fatal(err)
		}
	})
	same(t, Rows(t, p, db.Session{}, "SELECT x FROM A ORDER BY x"), "1", "2")
	tx, err := p.Write(context.Background(), db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := tx.Script(context.Background(), "INSERT INTO A VALUES (3); NONSENSE; INSERT INTO A VALUES (4)"); err == nil {
		t.Error("a faulty script gave no error")
	}
}

func misuse(t *testing.T, p db.Pool) {
	ctx := context.Background()
	tx, err := p.Read(ctx, db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	rs, err := tx.Query(ctx, db.Stmt{SQL: "SELECT 1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Query(ctx, db.Stmt{SQL: "SELECT 2"}); err == nil {
		t.Error("a second query beside open rows succeeded")
	}
	_ = rs.Close()
	if _, err := tx.Query(ctx, db.Stmt{SQL: Place(p, "SELECT ?1"), Binds: nil}); !errors.Is(err, db.ErrValue) {
		t.Errorf("a missing bind: %v", err)
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	if _, err := tx.Query(ctx, db.Stmt{SQL: "SELECT 1"}); err == nil {
		t.Error("a query after the end succeeded")
	}
	if tx.Writable() {
		t.Error("writable after the end")
	}
}

func injection(t *testing.T, p db.Pool) {
	table(t, p)
	evil := "x'; DROP TABLE T; --"
	same(t, Rows(t, p, db.Session{}, Place(p, "SELECT id FROM T WHERE s = ?1"), cqn.String(evil)))
	same(t, Rows(t, p, db.Session{UserID: evil}, "SELECT "+p.Dialect().Tables().Sessions["$user.id"]), evil)
	same(t, Rows(t, p, db.Session{}, "SELECT count(*) FROM T"), "3")
}
