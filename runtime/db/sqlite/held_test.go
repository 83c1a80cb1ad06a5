package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cds/parser/cqn"
	"cds/runtime/db"
	"cds/runtime/db/dbtest"
)

// counted opens a database with a table of one number.
func counted(t *testing.T, readers int) (*pool, string) {
	path := filepath.Join(t.TempDir(), "x.db")
	p := reopened(t, path, readers)
	dbtest.Write(t, p, func(tx db.Tx) {
		if err := tx.Script(context.Background(), "CREATE TABLE T (n INTEGER); INSERT INTO T VALUES (0)"); err != nil {
			t.Fatal(err)
		}
	})
	return p, path
}

func reopened(t *testing.T, path string, readers int) *pool {
	p := mustOpen(t, db.Config{URL: path, Readers: readers, Synchronous: "off"}).(*pool)
	t.Cleanup(func() { _ = p.Close() })
	if p.held.index == nil {
		t.Skip("no transactions are kept: the wal-index cannot be looked at on this system")
	}
	p.held.ticking.Store(true) // tests tick by themselves
	return p
}

// query reads the number in a transaction for one statement or for several.
func query(t testing.TB, p *pool, one bool) int64 {
	t.Helper()
	begin := p.Read
	if one {
		begin = func(ctx context.Context, s db.Session) (db.Tx, error) { return p.ReadOne(ctx, s) }
	}
	ctx := context.Background()
	tx, err := begin(ctx, db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	n := number(t, ctx, tx)
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	return n
}

func number(t testing.TB, ctx context.Context, tx db.Tx) int64 {
	t.Helper()
	rows, err := tx.Query(ctx, db.Stmt{SQL: "SELECT n FROM T"})
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := rows.Next(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	n := rows.Int(0)
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	return n
}

func set(t testing.TB, p db.Pool, n int64) {
	t.Helper()
	dbtest.Write(t, p, func(tx db.Tx) {
		if _, err := tx.Exec(context.Background(), db.Stmt{SQL: "UPDATE T SET n = ?1", Binds: []cqn.Value{cqn.Int(n)}}); err != nil {
			t.Fatal(err)
		}
	})
}

// open counts the readers that keep a transaction.
func open(p *pool) (n int) {
	p.letAllGo(func(*held) bool { n++; return false })
	return n
}

// TestHeld: a reader keeps its transaction from the second read of a state on, and never reads an older state than the newest.
func TestHeld(t *testing.T) {
	for _, one := range []bool{true, false} {
		t.Run(fmt.Sprint(one), func(t *testing.T) {
			p, _ := counted(t, 1)
			for n := range int64(5) {
				set(t, p, n)
				if open(p) > 0 && n == 0 {
					t.Error("a transaction is kept without a read")
				}
				for range 3 {
					if got := query(t, p, one); got != n {
						t.Fatalf("read %d after %d was written", got, n)
					}
				}
				if open(p) != 1 {
					t.Error("after three reads of one state no transaction is kept")
				}
			}
			set(t, p, 9)
			if got := query(t, p, true); got != 9 || open(p) != 0 {
				t.Errorf("read %d, %d kept: after a commit the transaction should have ended", got, open(p))
			}
		})
	}
}

// TestHeld_state: within one transaction nothing changes, though others write; the next one sees it.
func TestHeld_state(t *testing.T) {
	p, _ := counted(t, 2)
	ctx := context.Background()
	for range 4 {
		query(t, p, false)
	}
	tx, err := p.Read(ctx, db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	before := number(t, ctx, tx)
	set(t, p, before+1)
	if now := number(t, ctx, tx); now != before {
		t.Errorf("%d became %d within a transaction", before, now)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if now := query(t, p, false); now != before+1 {
			t.Errorf("read %d after %d was written", now, before+1)
		}
	}
}

// TestHeld_tick: what is not used is ended after idleTicks, what is used after maxTicks.
func TestHeld_tick(t *testing.T) {
	p, _ := counted(t, 1)
	query(t, p, true)
	query(t, p, true)
	for i := range idleTicks {
		if open(p) != 1 {
			t.Fatalf("not kept after %d ticks", i)
		}
		p.tick()
	}
	if open(p) != 0 {
		t.Errorf("kept without use after %d ticks", idleTicks)
	}
	query(t, p, true)
	born := p.held.ticks.Load()
	for range 3 * maxTicks {
		p.tick()
		query(t, p, true)
		if c := <-p.readers; c.held.open && c.held.born == born {
			if now := p.held.ticks.Load(); now-born >= maxTicks {
				t.Errorf("kept for %d ticks", now-born)
			}
			p.readers <- c
		} else {
			p.readers <- c
		}
	}
	if open(p) != 1 {
		t.Error("not kept while it is used")
	}
}

// TestHeld_tickAgain: ticks come as long as something is kept, and end then.
func TestHeld_tickAgain(t *testing.T) {
	p, _ := counted(t, 1)
	p.held.ticking.Store(false)
	query(t, p, false)
	if !p.held.ticking.Load() {
		t.Fatal("nothing will end what is kept")
	}
	for range 2 * idleTicks {
		p.tick()
	}
	if open(p) != 0 || p.held.ticking.Load() {
		t.Errorf("%d kept, ticking %v", open(p), p.held.ticking.Load())
	}
	tx, err := p.Read(context.Background(), db.Session{}) // in use while it is looked for
	if err != nil {
		t.Fatal(err)
	}
	p.tick()
	if !p.held.ticking.Load() {
		t.Error("a reader in use is forgotten")
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// TestHeld_spoilt: after an error, a script, an interruption or a rollback nothing is kept.
func TestHeld_spoilt(t *testing.T) {
	ctx := context.Background()
	for name, fn := range map[string]func(t *testing.T, tx db.Tx) (commit bool){
		"error": func(t *testing.T, tx db.Tx) bool {
			if _, err := tx.Exec(ctx, db.Stmt{SQL: "UPDATE T SET n = 1"}); err == nil {
				t.Error("a reader has written")
			}
			return true
		},
		"script": func(t *testing.T, tx db.Tx) bool {
			if err := tx.Script(ctx, "COMMIT; BEGIN"); err != nil {
				t.Error(err)
			}
			return true
		},
		"ended by itself": func(t *testing.T, tx db.Tx) bool {
			tx.(*sqliteTx).c.held.spoilt = false
			if _, err := tx.Exec(ctx, db.Stmt{SQL: "COMMIT"}); err != nil {
				t.Error(err)
			}
			return false
		},
		"savepoint left": func(t *testing.T, tx db.Tx) bool {
			if _, err := tx.Savepoint(ctx); err != nil {
				t.Error(err)
			}
			return true
		},
		"rolled back": func(*testing.T, db.Tx) bool { return false },
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := counted(t, 1)
			query(t, p, false)
			tx, err := p.Read(ctx, db.Session{})
			if err != nil {
				t.Fatal(err)
			}
			if fn(t, tx) {
				err = tx.Commit()
			} else {
				err = tx.Rollback()
			}
			if err != nil {
				t.Fatal(err)
			}
			if open(p) != 0 {
				t.Error("the transaction is kept")
			}
			set(t, p, 7)
			if got := query(t, p, false); got != 7 {
				t.Errorf("read %d afterwards", got)
			}
		})
	}
}

type sqliteTx = tx

// TestHeld_checkpoint: while the log is begun anew none is kept.
func TestHeld_checkpoint(t *testing.T) {
	p, path := counted(t, 3)
	for range 9 {
		query(t, p, true)
	}
	if open(p) == 0 {
		t.Fatal("none is kept")
	}
	p.checkpoint()
	if open(p) != 0 {
		t.Error("one is kept over a checkpoint")
	}
	if st, err := os.Stat(path + "-wal"); err != nil || st.Size() != 0 {
		t.Errorf("the log has %d bytes, %v", st.Size(), err)
	}
	p.held.barred.Store(true)
	query(t, p, false)
	query(t, p, true)
	if open(p) != 0 {
		t.Error("one is kept though it is barred")
	}
}

// TestHeld_newest: readers beside a writer never see less than what was written before they began.
func TestHeld_newest(t *testing.T) {
	p, path := counted(t, 3)
	other := reopened(t, path, 2)
	var written atomic.Int64
	var stop atomic.Bool
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for !stop.Load() {
				from := p
				if i == 0 {
					from = other
				}
				least := written.Load()
				if got := query(t, from, i%2 == 0); got < least {
					t.Errorf("read %d after %d was written", got, least)
					return
				}
			}
		})
	}
	for n := range int64(1500) {
		to := p
		if n%5 == 0 {
			to = other
		}
		set(t, to, n+1)
		written.Store(n + 1)
		if n%100 == 0 {
			for range 20 { // so that something is kept now and then
				query(t, p, true)
			}
			p.tick()
		}
	}
	stop.Store(true)
	wg.Wait()
}

// TestHeld_processes: another process's commits are seen at once, and locks survive the end of a second pool on the same file.
func TestHeld_processes(t *testing.T) {
	if path := os.Getenv("CDS_TEST_SQLITE"); path != "" { // the other process
		p := mustOpen(t, db.Config{URL: path}).(*pool)
		n := query(t, p, true)
		set(t, p, n+1)
		fmt.Printf("wrote %d\n", n+1)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		return
	}
	p, path := counted(t, 1)
	second := reopened(t, path, 1)
	query(t, second, true)
	query(t, second, true)
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	for n := int64(1); n < 8; n += 2 {
		for range 3 {
			query(t, p, true)
		}
		if open(p) != 1 {
			t.Fatal("no transaction is kept")
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestHeld_processes$")
		cmd.Env = append(os.Environ(), "CDS_TEST_SQLITE="+path)
		out, err := cmd.CombinedOutput()
		cancel()
		if err != nil || !bytes.Contains(out, []byte("wrote "+strconv.FormatInt(n, 10))) {
			t.Fatalf("%v: %s", err, out)
		}
		if got := query(t, p, true); got != n {
			t.Errorf("read %d after another process has written %d", got, n)
		}
		set(t, p, n+1)
	}
}

// TestWalIndex_shared: pools of one file share its descriptor, and the last one closes it.
func TestWalIndex_shared(t *testing.T) {
	p, path := counted(t, 1)
	second := reopened(t, path, 1)
	if p.held.index != second.held.index {
		t.Error("two descriptors of one file")
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if got := query(t, second, true); got != 0 {
		t.Error(got)
	}
	before := len(walIndexes.all)
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if len(walIndexes.all) != before-1 {
		t.Error("the descriptor of a closed database is kept")
	}
}

// TestHeld_noLog: without a log nothing is kept, whatever lies beside the database.
func TestHeld_noLog(t *testing.T) {
	p, _ := counted(t, 1)
	c := <-p.writer
	_, err := c.value("PRAGMA journal_mode=DELETE")
	p.writer <- c
	if err != nil {
		t.Fatal(err)
	}
	other := &pool{path: p.path}
	if err := other.hold(c); err != nil || other.held.index != nil {
		t.Errorf("a database without a log has a wal-index, %v", err)
	}
}
