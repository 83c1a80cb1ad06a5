package sqlite

import (
	"context"
	"path/filepath"
	"testing"

	"cds/parser/cqn"
	"cds/runtime/db"
	"cds/runtime/db/dbtest"
)

func filled(b *testing.B) db.Pool {
	p := mustOpen(b, db.Config{})
	b.Cleanup(func() { _ = p.Close() })
	dbtest.Write(b, p, func(tx db.Tx) {
		err := tx.Script(context.Background(), `CREATE TABLE T (id INTEGER PRIMARY KEY, a TEXT, b TEXT, n INTEGER);
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) INSERT INTO T SELECT i, 'text ' || i, 'more', i % 7 FROM n`)
		if err != nil {
			b.Fatal(err)
		}
	})
	return p
}

func BenchmarkKeyRead(b *testing.B) {
	p := filled(b)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	b.ReportAllocs()
	for i := range b.N {
		tx, err := p.Read(ctx, db.Session{})
		if err != nil {
			b.Fatal(err)
		}
		rows, err := tx.Query(ctx, db.Stmt{SQL: "SELECT id, a, b, n FROM T WHERE id = ?1", Binds: []cqn.Value{cqn.Int(int64(i%10000 + 1))}})
		if err != nil {
			b.Fatal(err)
		}
		if ok, err := rows.Next(); !ok || err != nil {
			b.Fatal(err)
		}
		_ = rows.Text(1)
		_ = rows.Close()
		_ = tx.Commit()
	}
}

func BenchmarkInsertCommit(b *testing.B) {
	p := filled(b)
	ctx := context.Background()
	b.ReportAllocs()
	for i := range b.N {
		tx, err := p.Write(ctx, db.Session{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := tx.Exec(ctx, db.Stmt{SQL: "INSERT INTO T VALUES (?1, 'a', 'b', 1)", Binds: []cqn.Value{cqn.Int(int64(100000 + i))}}); err != nil {
			b.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkClone(b *testing.B) {
	p := filled(b)
	for range b.N {
		c, err := Clone(context.Background(), p)
		if err != nil {
			b.Fatal(err)
		}
		_ = c.Close()
	}
}

// BenchmarkWriters is that of dbtest, on a file with the durability of development and of production.
func BenchmarkWriters(b *testing.B) {
	for _, synchronous := range []string{"normal", "full"} {
		b.Run(synchronous, func(b *testing.B) {
			dbtest.BenchmarkWriters(b, func(tb testing.TB) db.Pool {
				p, err := New().Open(context.Background(), db.Config{URL: filepath.Join(tb.TempDir(), "w.db"), Synchronous: synchronous})
				if err != nil {
					tb.Fatal(err)
				}
				return p
			})
		})
	}
}
