package cds

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

// readRows is read without keeping account.
func (t *unit) readRows(ctx context.Context, q cqn.Query, g sqlgen.Guarder, u *User, limit int64) (rows []*Row, more bool, err error) {
	buf := bufferPool.Get().(*buffers)
	defer buf.release()
	p, err := t.app.plan(q, g, buf)
	if err != nil {
		return nil, false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.identify(ctx, u); err != nil {
		return nil, false, err
	}
	last := t.takeLast()
	tx, err := t.beginQuery(locks(q))
	if err != nil {
		return nil, false, err
	}
	rd := t.reader(ctx, tx, u, buf)
	rd.limit, rd.last = limit, last
	return rd.rows(p.Plan)
}

// locks tells queries that lock rows: only a transaction that may write can.
func locks(q cqn.Query) bool {
	s, ok := q.(*cqn.Select)
	return ok && s.Lock != cqn.NoLock
}

// jsonRows runs a query and appends its rows to dst as JSON objects separated by commas. alone tells that the request reads nothing
// before or after, so that its one statement needs no snapshot to share. Without expands of many rows, long answers go to the writer,
// if it is not nil.
func (t *unit) jsonRows(ctx context.Context, q cqn.Query, g sqlgen.Guarder, u *User, f Format, limit int64, alone bool, to RowWriter, dst []byte) (out []byte, n int, more bool, err error) {
	buf := bufferPool.Get().(*buffers)
	defer buf.release()
	p, err := t.app.plan(q, g, buf)
	if err != nil {
		return nil, 0, false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.identify(ctx, u); err != nil {
		return nil, 0, false, err
	}
	last := t.takeLast() || alone && !t.writing
	tx, own, err := t.beginRead(alone && len(p.Children) == 0)
	if err != nil {
		return nil, 0, false, err
	}
	rd := t.reader(ctx, tx, u, buf)
	rd.limit, rd.last = limit, last && !own
	if to != nil && len(p.Children) == 0 {
		rd.to, rd.streams = to, &t.app.inner.streams
		defer rd.endStream()
	}
	out, n, more, err = rd.json(p.encoder(f), dst)
	if own {
		if cerr := tx.Commit(); err == nil {
			err = cerr
		}
	}
	return out, n, more, err
}

// writeOne is write without keeping account.
func (t *unit) writeOne(ctx context.Context, q cqn.Query, g sqlgen.Guarder, u *User, row *Row) (n int64, err error) {
	buf := bufferPool.Get().(*buffers)
	defer buf.release()
	p, err := t.app.plan(q, g, buf)
	if err != nil {
		return 0, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.identify(ctx, u); err != nil {
		return 0, err
	}
	tx, err := t.begin(true)
	if err != nil {
		return 0, err
	}
	rd := t.reader(ctx, tx, u, buf)
	rd.binds.row = row
	binds, err := rd.fillAll(p.Plan)
	if err != nil {
		return 0, err
	}
	t.app.logStatement(ctx, p.SQL, len(binds))
	stmt := db.Stmt{SQL: p.SQL, Binds: binds, Anonymous: p.Anonymous, Opens: p.Opens}
	if len(p.Blobs) == 0 {
		return tx.Exec(ctx, stmt)
	}
	b, ok := tx.(db.BlobTx)
	if !ok {
		return 0, errors.New("the database keeps rows by number, but its driver cannot write large values there")
	}
	return b.ExecBlobs(ctx, stmt, p.Blobs)
}

func (t *unit) reader(ctx context.Context, tx db.Tx, u *User, buf *buffers) reader {
	return reader{ctx: ctx, tx: tx, binds: bindings{user: u, unit: t, lits: buf.lits}, buf: buf}
}

// A keyBuilder writes parts of plan keys so that different parts never make equal keys.
type keyBuilder struct{ strings.Builder }

// value appends a constant with its kind and length.
func (b *keyBuilder) value(v cqn.Value) {
	if l := v.List(); l != nil {
		b.WriteString("[" + strconv.Itoa(len(l)))
		for _, i := range l {
			b.value(i)
		}
		return
	}
	s := v.Format()
	b.WriteString("," + strconv.Itoa(int(v.Kind())) + ":" + strconv.Itoa(len(s)) + ":" + s)
}
