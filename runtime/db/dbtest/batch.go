package dbtest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"cds/parser/cqn"
	"cds/runtime/db"
)

// put is a statement that inserts a row into the table of the batch tests.
func put(p db.Pool, v ...cqn.Value) db.Stmt {
	sql := "INSERT INTO b (id, name) VALUES ("
	for i := range v {
		if i > 0 {
			sql += ", "
		}
		sql += string(p.Dialect().Param(nil, i+1, nil))
	}
	return db.Stmt{SQL: sql + ")", Binds: v}
}

// beginBatch makes the table and begins a transaction; the test is left out for drivers without batches.
func beginBatch(t *testing.T, p db.Pool) (db.Tx, db.Batcher) {
	t.Helper()
	Write(t, p, func(tx db.Tx) {
		if err := tx.Script(context.Background(), "CREATE TABLE b (id INTEGER PRIMARY KEY, name VARCHAR(20))"); err != nil {
			t.Fatal(err)
		}
	})
	tx, err := p.Write(context.Background(), db.Session{UserID: "u"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback() })
	b, ok := tx.(db.Batcher)
	if !ok {
		t.Skip("the driver takes one statement at a time")
	}
	return tx, b
}

// Many statements, more than a driver may send at once, of two texts, with nulls in between.
func batch(t *testing.T, p db.Pool) {
	tx, b := beginBatch(t, p)
	var all []db.Stmt
	for i := range 200 {
		name := cqn.String(fmt.Sprint("n", i))
		if i%7 == 0 {
			name = cqn.Null
		}
		all = append(all, put(p, cqn.Int(int64(i)), name))
		if i%5 == 0 {
			all = append(all, db.Stmt{SQL: fmt.Sprintf("UPDATE b SET name = 'five' WHERE id = %d", i)})
		}
	}
	if done, err := b.ExecAll(context.Background(), all); err != nil || done != len(all) {
		t.Fatal(done, err)
	}
	if done, err := b.ExecAll(context.Background(), nil); err != nil || done != 0 {
		t.Fatal(done, err)
	}
	if got := rowsOf(t, tx, "SELECT count(*), count(name), sum(CASE WHEN name = 'five' THEN 1 ELSE 0 END) FROM b"); got[0] != "200|177|40" {
		t.Error(got)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if done, err := b.ExecAll(context.Background(), all[:2]); err == nil || done != 0 {
		t.Error("a transaction that has ended took statements", done)
	}
}

// The first error is that of the statement it belongs to, and nothing of the transaction stays.
func batchErrors(t *testing.T, p db.Pool) {
	tx, b := beginBatch(t, p)
	n := func(i int64) db.Stmt { return put(p, cqn.Int(i), cqn.String("x")) }
	end, err := tx.Savepoint(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	done, err := b.ExecAll(context.Background(), []db.Stmt{n(1), n(2), n(1), n(2), n(3)})
	var v *db.Violation
	if done != 2 || !errors.Is(err, db.ErrUnique) || !errors.As(err, &v) {
		t.Errorf("%d %v", done, err)
	}
	if err := end(false); err != nil {
		t.Fatal(err)
	}
	if done, err := b.ExecAll(context.Background(), []db.Stmt{n(1), n(4)}); err != nil || done != 2 {
		t.Errorf("%d %v", done, err)
	}
	// One that cannot be bound: those before it are run.
	if done, err := b.ExecAll(context.Background(), []db.Stmt{n(5), n(6), put(p, cqn.Int(7), cqn.String("a\x00b")), n(8)}); err == nil || done != 2 {
		t.Errorf("%d %v", done, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if done, err := b.ExecAll(ctx, []db.Stmt{n(10), n(11)}); done != 0 || !errors.Is(err, db.ErrCanceled) {
		t.Errorf("%d %v", done, err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if got := Rows(t, p, db.Session{}, "SELECT count(*) FROM b"); got[0] != "0" {
		t.Error(got)
	}
}
