package dbtest

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"

	"cds/parser/cqn"
	"cds/runtime/db"
)

// BenchmarkWriters measures writing transactions of four rows while others read all the time: drivers and their settings differ there more than anywhere
// else. It reports the reads beside them. open returns an empty database.
func BenchmarkWriters(b *testing.B, open func(tb testing.TB) db.Pool) {
	for _, readers := range []int{0, 2, 8} {
		b.Run(strconv.Itoa(readers)+" readers", func(b *testing.B) { writers(b, open(b), readers) })
	}
}

func writers(b *testing.B, p db.Pool, readers int) {
	b.Cleanup(func() { _ = p.Close() })
	ctx := context.Background()
	Write(b, p, func(tx db.Tx) {
		exec(b, tx, "CREATE TABLE W (id INTEGER NOT NULL PRIMARY KEY, owner VARCHAR(20), note VARCHAR(200))")
		exec(b, tx, "CREATE INDEX W_owner ON W (owner, id)")
		for i := range 2000 {
			exec(b, tx, Place(p, "INSERT INTO W VALUES (?1, ?2, ?3)"), cqn.Int(int64(i)), cqn.String("u"+strconv.Itoa(i%50)), cqn.String("some words"))
		}
	})
	var stop atomic.Bool
	var reads atomic.Int64
	done := make(chan error, readers)
	for r := range readers {
		go func() {
			var err error
			for i := r; !stop.Load() && err == nil; i++ {
				err = readOnce(ctx, p, i)
				reads.Add(1)
			}
			done <- err
		}()
	}
	next := int64(1e6)
	b.ResetTimer()
	for b.Loop() {
		if err := insertFour(ctx, p, &next); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	stop.Store(true)
	for range readers {
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
	b.ReportMetric(float64(reads.Load())/float64(b.N), "reads/op")
}

func insertFour(ctx context.Context, p db.Pool, next *int64) error {
	tx, err := p.Write(ctx, db.Session{UserID: "u"})
	if err != nil {
		return err
	}
	sql := Place(p, "INSERT INTO W VALUES (?1, ?2, ?3)")
	for range 4 {
		*next++
		s := db.Stmt{SQL: sql, Binds: []cqn.Value{cqn.Int(*next), cqn.String("u7"), cqn.String("more words")}, Anonymous: true}
		if _, err := tx.Exec(ctx, s); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

func readOnce(ctx context.Context, p db.Pool, i int) error {
	tx, err := p.Read(ctx, db.Session{UserID: "u"})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	rows, err := tx.Query(ctx, db.Stmt{SQL: Place(p, "SELECT id, note FROM W WHERE owner = ?1 ORDER BY id DESC LIMIT 20"),
		Binds: []cqn.Value{cqn.String("u" + strconv.Itoa(i%50))}, Anonymous: true})
	if err != nil {
		return err
	}
	for {
		ok, err := rows.Next()
		if err != nil || !ok {
			return errors.Join(err, rows.Close())
		}
	}
}
