package postgres

import (
	"context"
	"strings"
	"testing"
	"time"

	"cds/runtime/db"
	"cds/runtime/db/dbtest"
	"cds/runtime/db/postgres/pgtest"
)

func openRows(t testing.TB) db.Pool {
	t.Helper()
	cfg := pgtest.Open(t)
	key, err := db.NewRowKey("a secret of these tests, and no other")
	if err != nil {
		t.Fatal(err)
	}
	cfg.RowKey = key
	p, err := New().Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A pool that signs its sessions is a pool like any other.
func TestConformance_rows(t *testing.T) {
	dbtest.Run(t, func(t *testing.T) db.Pool { return openRows(t) })
}

// Each statement is told what is open to it and nothing else, whatever was before; a connection that is given back knows nothing any more.
func TestOpens(t *testing.T) {
	p := openRows(t)
	defer func() { _ = p.Close() }()
	ctx := context.Background()
	told := func(tx db.Tx, opens string) string {
		out := ""
		err := db.Each(ctx, tx, db.Stmt{SQL: "SELECT current_setting('cds.rls', true)", Opens: opens, Anonymous: true}, func(r db.Rows) error {
			out = string(r.Text(0))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for range 2 {
		tx, err := p.Write(ctx, db.Session{Claims: `{"user":"alice"}`})
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct{ opens, want string }{{"", `"o":[],"v":{"user":"alice"}}`}, {`"a"`, `"o":["a"]`}, {`"b"`, `"o":["b"]`}, {"", `"o":[]`}} {
			if got := told(tx, tt.opens); !strings.Contains(got, tt.want) {
				t.Errorf("opens %s: told %s", tt.opens, got)
			}
		}
		end, err := tx.Savepoint(ctx)
		if err != nil {
			t.Fatal(err)
		}
		told(tx, `"c"`)
		if err := end(false); err != nil {
			t.Fatal(err)
		}
		if got := told(tx, `"c"`); !strings.Contains(got, `"o":["c"]`) {
			t.Errorf("after a scope that was undone: told %s", got)
		}
		if err := tx.(db.SessionSetter).SetSession(ctx, db.Session{Claims: `{"user":"bob"}`}); err != nil {
			t.Fatal(err)
		}
		if got := told(tx, `"c"`); !strings.Contains(got, "bob") {
			t.Errorf("another user: told %s", got)
		}
		b := tx.(db.Batcher)
		if n, err := b.ExecAll(ctx, []db.Stmt{{SQL: "SELECT 1", Opens: `"d"`}, {SQL: "SELECT 2", Opens: `"e"`}}); n != 2 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if got := told(tx, `"d","e"`); !strings.Contains(got, `"o":["d","e"]`) {
			t.Errorf("sent together: told %s", got)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	one, err := p.(db.OneReader).ReadOne(ctx, db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	if got := told(one, ""); !strings.Contains(got, `"o":["cds.system"],"v":{}}`) {
		t.Errorf("no user: told %s", got)
	}
	_ = one.Commit()
	raw, err := p.(*pool).pool.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Release()
	left := ""
	if err := raw.QueryRow(ctx, "SELECT coalesce(current_setting('cds.rls', true), '')").Scan(&left); err != nil || left != "" {
		t.Errorf("left on the connection: %q, %v", left, err)
	}
}

func TestContext_time(t *testing.T) {
	key, err := db.NewRowKey("a secret of these tests, and no other")
	if err != nil {
		t.Fatal(err)
	}
	r := &rowSecurity{key: key, now: func() time.Time { return time.Unix(7, 0) }}
	got := string(r.context(`{"a":1}`, `"t"`))
	if len(got) < 64 || got[64:] != `{"i":7,"o":["t"],"v":{"a":1}}` {
		t.Error(got)
	}
	if again := string(r.context(`{"a":2}`, `"t"`)); again[:64] == got[:64] {
		t.Error("another text has the same signature")
	}
}

// BenchmarkReadOne compares one read without and with row-level security.
func BenchmarkReadOne(b *testing.B) {
	for name, open := range map[string]func(testing.TB) db.Pool{"plain": func(t testing.TB) db.Pool { return mustOpen(t) }, "rows": openRows} {
		b.Run(name, func(b *testing.B) {
			p := open(b)
			defer func() { _ = p.Close() }()
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				tx, err := p.(db.OneReader).ReadOne(ctx, db.Session{UserID: "alice", Claims: `{"user":"alice"}`})
				if err != nil {
					b.Fatal(err)
				}
				if err := db.Each(ctx, tx, db.Stmt{SQL: "SELECT 1"}, func(db.Rows) error { return nil }); err != nil {
					b.Fatal(err)
				}
				_ = tx.Commit()
			}
		})
	}
}
