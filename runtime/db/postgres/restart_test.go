package postgres

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"cds/runtime/db"
	"cds/runtime/db/dbtest"
	"cds/runtime/db/postgres/pgtest"
)

// TestConnectionsLost: the server ends all connections while they are in use, as in a restart. Requests fail as "busy" or not at all, and those after
// it succeed.
func TestConnectionsLost(t *testing.T) {
	cfg := pgtest.Open(t)
	cfg.Readers = 8
	p, err := New().Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	script(t, p, "CREATE TABLE T (x integer)")
	ctx := context.Background()
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			for range 60 {
				if err := readOrWrite(ctx, p, i%3); err != nil && !errors.Is(err, db.ErrBusy) {
					t.Errorf("got %v, want ErrBusy", err)
				}
			}
		})
	}
	other, err := New().Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	for range 10 {
		dbtest.Rows(t, other, db.Session{}, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
	}
	wg.Wait()
	failed := 0
	for range 20 { // connections that were lost while idle are found out by use
		if err := readOrWrite(ctx, p, 0); err != nil {
			failed++
		}
	}
	if failed > cfg.Readers {
		t.Errorf("%d requests failed after the connections were lost, with %d connections", failed, cfg.Readers)
	}
	if err := readOrWrite(ctx, p, 1); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func readOrWrite(ctx context.Context, p db.Pool, kind int) error {
	var tx db.Tx
	var err error
	switch kind {
	case 0:
		tx, err = p.(db.OneReader).ReadOne(ctx, db.Session{})
	case 1:
		tx, err = p.Read(ctx, db.Session{UserID: "u"})
	case 2:
		if tx, err = p.Write(ctx, db.Session{}); err == nil {
			if _, err = tx.Exec(ctx, db.Stmt{SQL: "INSERT INTO T VALUES (1)"}); err != nil {
				_ = tx.Rollback()
				return err
			}
			return tx.Commit()
		}
	}
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	rows, err := tx.Query(ctx, db.Stmt{SQL: "SELECT count(*) FROM T", Anonymous: kind == 0})
	if err != nil {
		return err
	}
	_, err = rows.Next()
	return errors.Join(err, rows.Close())
}

func TestAcquireTimeout(t *testing.T) {
	cfg := pgtest.Open(t)
	cfg.Readers, cfg.AcquireTimeout = 1, 20*time.Millisecond
	p, err := New().Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	tx, err := p.Read(context.Background(), db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Read(context.Background(), db.Session{}); !errors.Is(err, db.ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
	_ = tx.Rollback()
	if tx, err = p.Write(context.Background(), db.Session{}); err != nil {
		t.Fatal(err)
	}
	_ = tx.Rollback()
}

// TestStatementTimeout: the server ends a statement by itself.
func TestStatementTimeout(t *testing.T) {
	cfg := pgtest.Open(t)
	cfg.StatementTimeout = 30 * time.Millisecond
	p, err := New().Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	tx, err := p.Read(context.Background(), db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	rows, err := tx.Query(context.Background(), db.Stmt{SQL: "SELECT pg_sleep(60)"})
	if err == nil {
		_, err = rows.Next()
	}
	if !errors.Is(err, db.ErrCanceled) {
		t.Errorf("got %v, want ErrCanceled", err)
	}
}

// BenchmarkWriters is that of dbtest, on a server whose data are not safe.
func BenchmarkWriters(b *testing.B) {
	dbtest.BenchmarkWriters(b, func(tb testing.TB) db.Pool {
		p, err := New().Open(context.Background(), pgtest.Open(tb))
		if err != nil {
			tb.Fatal(err)
		}
		return p
	})
}
