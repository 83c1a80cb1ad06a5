package sqlite

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"cds/runtime/db"
	"cds/runtime/db/dbtest"
)

// TestLogStaysSmall: with readers at all times, the log is begun anew all the same.
func TestLogStaysSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	opened, err := New().Open(context.Background(), db.Config{URL: path, Synchronous: "off", Readers: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = opened.Close() }()
	p := opened.(*pool)
	p.maxLog = 256 << 10
	dbtest.Write(t, p, func(tx db.Tx) {
		if err := tx.Script(context.Background(), "CREATE TABLE T (x TEXT)"); err != nil {
			t.Fatal(err)
		}
	})
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for !stop.Load() {
				dbtest.Rows(t, p, db.Session{}, "SELECT x FROM T LIMIT 5")
			}
		})
	}
	most := int64(0)
	for range 3000 {
		dbtest.Write(t, p, func(tx db.Tx) {
			if _, err := tx.Exec(context.Background(), db.Stmt{SQL: "INSERT INTO T VALUES (hex(randomblob(500)))"}); err != nil {
				t.Fatal(err)
			}
		})
		if st, err := os.Stat(path + "-wal"); err == nil {
			most = max(most, st.Size())
		}
	}
	stop.Store(true)
	wg.Wait()
	if most < p.maxLog || most > 3<<20 { // what 3000 commits write is 12 MB and more
		t.Errorf("the log has grown to %d bytes", most)
	}
}
