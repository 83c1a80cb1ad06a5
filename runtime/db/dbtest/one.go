package dbtest

import (
	"context"
	"errors"
	"testing"

	"cds/parser/cqn"
	"cds/runtime/db"
)

// readOne: a read of one statement, for pools that can do that.
func readOne(t *testing.T, p db.Pool) {
	r, ok := p.(db.OneReader)
	if !ok {
		t.Skip("the pool has no reads of one statement")
	}
	table(t, p)
	ctx, s := context.Background(), p.Dialect().Tables().Sessions
	for _, anonymous := range []bool{true, false, true} {
		tx, err := r.ReadOne(ctx, db.Session{UserID: "alice"})
		if err != nil {
			t.Fatal(err)
		}
		if tx.Writable() {
			t.Error("a read says that it is writable")
		}
		rows, err := tx.Query(ctx, db.Stmt{SQL: Place(p, "SELECT s FROM T WHERE id = ?1"), Binds: []cqn.Value{cqn.Int(2)}, Anonymous: anonymous})
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := rows.Next(); !ok || err != nil || string(rows.Text(0)) != "two" {
			t.Errorf("%v %v", ok, err)
		}
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
		if _, err := tx.Query(ctx, db.Stmt{SQL: "SELECT 1"}); err == nil {
			t.Error("a second statement succeeded")
		}
		if err := tx.Commit(); err != nil {
			t.Error(err)
		}
	}
	for _, user := range []string{"alice", "bob"} { // connections are used again
		tx, err := r.ReadOne(ctx, db.Session{UserID: user})
		if err != nil {
			t.Fatal(err)
		}
		same(t, rowsOf(t, tx, "SELECT "+s["$user.id"]), user)
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
	tx, err := r.ReadOne(ctx, db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, db.Stmt{SQL: "DELETE FROM T", Anonymous: true}); !errors.Is(err, db.ErrReadOnly) {
		t.Errorf("a change: got %v, want ErrReadOnly", err)
	}
	_ = tx.Rollback()
	same(t, Rows(t, p, db.Session{}, "SELECT count(*) FROM T"), "3")
	same(t, Rows(t, p, db.Session{}, "SELECT "+s["$user.id"]), "∅")
}

// sessionChanges: several requests share a transaction.
func sessionChanges(t *testing.T, p db.Pool) {
	sql := "SELECT " + p.Dialect().Tables().Sessions["$user.id"]
	ctx := context.Background()
	tx, err := p.Write(ctx, db.Session{UserID: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	set, ok := tx.(db.SessionSetter)
	if !ok {
		t.Fatal("the session cannot be changed")
	}
	rows, err := tx.Query(ctx, db.Stmt{SQL: "SELECT 1", Anonymous: true})
	if err != nil {
		t.Fatal(err)
	}
	_ = rows.Close()
	same(t, rowsOf(t, tx, sql), "alice")
	undo, err := tx.Savepoint(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := set.SetSession(ctx, db.Session{UserID: "bob"}); err != nil {
		t.Fatal(err)
	}
	same(t, rowsOf(t, tx, sql), "bob")
	if err := undo(false); err != nil {
		t.Fatal(err)
	}
	same(t, rowsOf(t, tx, sql), "bob") // set, not written: undoing changes does not change who is asking
	if err := set.SetSession(ctx, db.Session{UserID: "alice"}); err != nil {
		t.Fatal(err)
	}
	same(t, rowsOf(t, tx, sql), "alice")
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	if err := set.SetSession(ctx, db.Session{}); err == nil {
		t.Error("the session of an ended transaction was changed")
	}
}

// unused: transactions in which nothing happens end like others.
func unused(t *testing.T, p db.Pool) {
	for range 3 {
		w, err := p.Write(context.Background(), db.Session{})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(); err != nil {
			t.Error(err)
		}
		r, err := p.Read(context.Background(), db.Session{})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Rollback(); err != nil {
			t.Error(err)
		}
	}
	same(t, Rows(t, p, db.Session{}, "SELECT 1"), "1")
}
