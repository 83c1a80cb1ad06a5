package dbtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

// pattern is large data that is made while it is read.
type pattern struct {
	size, seed int64
	short      int64 // so many bytes are missing
}

func (p pattern) Size() int64 { return p.size }

func (p pattern) Open() (io.ReadCloser, error) {
	return io.NopCloser(io.LimitReader(&generator{state: uint64(p.seed)*2 + 1}, p.size-p.short)), nil
}

// A generator gives bytes that no compression makes smaller.
type generator struct{ state uint64 }

func (g *generator) Read(b []byte) (int, error) {
	for i := range b {
		g.state = g.state*6364136223846793005 + 1442695040888963407
		b[i] = byte(g.state >> 56)
	}
	return len(b), nil
}

func (p pattern) bytes() []byte {
	r, _ := p.Open()
	b, _ := io.ReadAll(r)
	return b
}

// writeBlob runs a write with large data, whose columns are those of table B.
func writeBlob(ctx context.Context, p db.Pool, tx db.Tx, sql string, binds ...cqn.Value) (int64, error) {
	s := db.Stmt{SQL: Place(p, sql), Binds: binds}
	bt, ok := tx.(db.BlobTx)
	if !ok {
		return tx.Exec(ctx, s)
	}
	s.SQL += " RETURNING " + p.Dialect().Tables().RowID[0]
	var cols []sqlgen.BlobColumn
	for i, v := range binds {
		if v.Kind() == cqn.KindBlob {
			cols = append(cols, sqlgen.BlobColumn{Table: "B", Column: "x", Bind: i})
		}
	}
	return bt.ExecBlobs(ctx, s, cols)
}

// Large data go in by pieces, beside other values, and come out as they were: at once, in pieces, and by their place.
func blobs(t *testing.T, p db.Pool) {
	ctx := context.Background()
	ty := p.Dialect().Tables().Types
	one, two := pattern{size: 300_001, seed: 1}, pattern{size: 0, seed: 2}
	Write(t, p, func(tx db.Tx) {
		exec(t, tx, fmt.Sprintf("CREATE TABLE B (id INTEGER NOT NULL PRIMARY KEY, x %s, s VARCHAR(20))", ty["cds.LargeBinary"]))
		for i, d := range []pattern{one, two} {
			if n, err := writeBlob(ctx, p, tx, "INSERT INTO B (id, x, s) VALUES (?1, ?2, ?3)", cqn.Int(int64(i)), cqn.OfBlob(d), cqn.Null); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}
		if n, err := writeBlob(ctx, p, tx, "INSERT INTO B (id, s, x) VALUES (?1, ?2, ?3)", cqn.Int(3), cqn.String("after"), cqn.OfBlob(one)); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := writeBlob(ctx, p, tx, "UPDATE B SET x = ?1 WHERE id < ?2", cqn.OfBlob(pattern{size: 100_000, seed: 3}), cqn.Int(2)); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := writeBlob(ctx, p, tx, "UPDATE B SET x = ?1 WHERE id = ?2", cqn.OfBlob(one), cqn.Int(99)); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		exec(t, tx, Place(p, "UPDATE B SET s = ?1 WHERE id = ?2"), cqn.String("still there"), cqn.Int(3)) // the connection is in order
	})
	tx, err := p.Read(ctx, db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	want := map[int64][]byte{0: pattern{size: 100_000, seed: 3}.bytes(), 1: pattern{size: 100_000, seed: 3}.bytes(), 3: one.bytes()}
	for id, data := range want {
		whole := blobQuery(t, p, tx, "SELECT x FROM B WHERE id = ?1", cqn.Int(id))
		if !bytes.Equal(whole, data) {
			t.Errorf("%d: %d bytes, want %d", id, len(whole), len(data))
		}
		size := p.Dialect().Tables().Functions["cds.size"]
		if got := blobQuery(t, p, tx, "SELECT "+strings.ReplaceAll(size, "?1", "x")+" FROM B WHERE id = ?1", cqn.Int(id)); len(got) == 0 {
			t.Errorf("%d: no size", id)
		}
		piece := strings.NewReplacer("?1", "x", "?2", "101", "?3", "50").Replace(p.Dialect().Tables().Functions["cds.piece"])
		if got := blobQuery(t, p, tx, "SELECT "+piece+" FROM B WHERE id = ?1", cqn.Int(id)); !bytes.Equal(got, data[100:150]) {
			t.Errorf("%d: piece %x, want %x", id, got, data[100:150])
		}
		placed(t, tx, id, data)
	}
}

func blobQuery(t *testing.T, p db.Pool, tx db.Tx, sql string, binds ...cqn.Value) []byte {
	t.Helper()
	rs, err := tx.Query(context.Background(), db.Stmt{SQL: Place(p, sql), Binds: binds})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rs.Close() }()
	if ok, err := rs.Next(); !ok || err != nil {
		t.Fatal(sql, ok, err)
	}
	return bytes.Clone(rs.Bytes(0))
}

// placed reads a value by its place, in the middle too.
func placed(t *testing.T, tx db.Tx, id int64, data []byte) {
	t.Helper()
	bt, ok := tx.(db.BlobTx)
	if !ok {
		return
	}
	b, err := bt.OpenBlob(context.Background(), db.Place{Table: "B", Column: "x", Row: id})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	got, err := io.ReadAll(b)
	if err != nil || !bytes.Equal(got, data) || b.Size() != int64(len(data)) {
		t.Errorf("%d: %d bytes of %d, %v", id, len(got), b.Size(), err)
	}
	if _, err := b.Seek(1000, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(b); !bytes.Equal(got, data[1000:]) {
		t.Errorf("%d: from 1000 on: %d bytes", id, len(got))
	}
}

// Data that turn out shorter than they were said to be change nothing, as do those that nobody waits for any more; a violated constraint is told as ever.
func blobErrors(t *testing.T, p db.Pool) {
	ctx := context.Background()
	Write(t, p, func(tx db.Tx) {
		exec(t, tx, fmt.Sprintf("CREATE TABLE B (id INTEGER NOT NULL PRIMARY KEY, x %s)", p.Dialect().Tables().Types["cds.LargeBinary"]))
		exec(t, tx, "INSERT INTO B (id) VALUES (1)")
	})
	const insert = "INSERT INTO B (id, x) VALUES (?1, ?2)"
	gone, stop := context.WithCancel(ctx)
	stop()
	for _, tc := range []struct {
		name string
		ctx  context.Context
		id   int64
		data pattern
		want error
	}{
		{"short", ctx, 2, pattern{size: 200_000, short: 1}, nil}, {"canceled", gone, 3, pattern{size: 200_000}, db.ErrCanceled},
		{"twice", ctx, 1, pattern{size: 200_000}, db.ErrUnique},
	} {
		tx, err := p.Write(ctx, db.Session{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = writeBlob(tc.ctx, p, tx, insert, cqn.Int(tc.id), cqn.OfBlob(tc.data))
		if err == nil || tc.want != nil && !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
		if err := tx.Rollback(); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	same(t, Rows(t, p, db.Session{}, "SELECT count(*) FROM B"), "1")
	tx, err := p.Write(ctx, db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, ok := tx.(db.BlobTx); ok { // a statement that is not told what is large refuses it instead of writing something else
		if _, err := tx.Exec(ctx, db.Stmt{SQL: Place(p, insert), Binds: []cqn.Value{cqn.Int(9), cqn.OfBlob(pattern{size: 9})}}); !errors.Is(err, db.ErrValue) {
			t.Error(err)
		}
	}
}
