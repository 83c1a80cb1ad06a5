package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"

	"zombiezen.com/go/sqlite"

	"cds/parser/cqn"
	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

// Large values. SQLite opens a single value of a row by the row's number and reads or writes it in pieces, but a value can't grow: a write sets aside
// its room first, by a value of zeros, which SQLite knows how to make without having them in memory where the column is the last one of its table.

var _ db.BlobTx = (*tx)(nil)

// pieceSize is how much of a value is copied at once.
const pieceSize = 64 << 10

// OpenBlob implements db.BlobTx.
func (t *tx) OpenBlob(ctx context.Context, at db.Place) (db.Blob, error) {
	if err := t.free(ctx); err != nil {
		return nil, err
	}
	t.c.held.spoilt = true // the value may be left open
	b, err := t.c.conn.OpenBlob("", at.Table, at.Column, at.Row, false)
	if err != nil {
		return nil, wrap(err)
	}
	return &blob{b}, nil
}

// free reports why nothing can be done in the transaction now.
func (t *tx) free(ctx context.Context) error {
	switch {
	case t.c == nil:
		return errDone
	case t.rows.stmt != nil:
		return errors.New("rows of the statement before are still open")
	case t.one:
		return errUsed
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", db.ErrCanceled, err)
	}
	return nil
}

// A blob gives errors the kinds of db.
type blob struct{ *sqlite.Blob }

// Read implements io.Reader.
func (b *blob) Read(p []byte) (int, error) {
	n, err := b.Blob.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = wrap(err)
	}
	return n, err
}

// ExecBlobs implements db.BlobTx.
func (t *tx) ExecBlobs(ctx context.Context, s db.Stmt, columns []sqlgen.BlobColumn) (int64, error) {
	if err := t.free(ctx); err != nil {
		return 0, err
	}
	plain := make([]cqn.Value, len(s.Binds))
	copy(plain, s.Binds)
	for _, c := range columns {
		if c.Bind < 0 || c.Bind >= len(plain) || plain[c.Bind].Kind() != cqn.KindBlob {
			return 0, fmt.Errorf("%w: parameter %d has no large data", db.ErrValue, c.Bind+1)
		}
		plain[c.Bind] = cqn.Null
	}
	st, err := t.stmt(ctx, db.Stmt{SQL: s.SQL, Binds: plain})
	if err != nil {
		return 0, err
	}
	for _, c := range columns {
		st.BindZeroBlob(c.Bind+1, s.Binds[c.Bind].Blob().Size())
	}
	ids, err := t.written(st)
	if err != nil {
		return 0, err
	}
	for _, c := range columns {
		for _, id := range ids {
			if err := t.fill(ctx, db.Place{Table: c.Table, Column: c.Column, Row: id}, s.Binds[c.Bind].Blob()); err != nil {
				return 0, err
			}
		}
	}
	return int64(len(ids)), nil
}

// written runs a statement and returns the numbers of the rows that it has written.
func (t *tx) written(st *sqlite.Stmt) (ids []int64, err error) {
	for {
		row, err := t.c.step(st)
		if err != nil {
			_ = st.Reset() // says the same
			return nil, err
		}
		if !row {
			return ids, wrap(st.Reset())
		}
		ids = append(ids, st.ColumnInt64(0))
	}
}

// fill writes data into the room that was set aside for them.
func (t *tx) fill(ctx context.Context, at db.Place, data cqn.Blob) (err error) {
	if data.Size() == 0 {
		return nil
	}
	from, err := data.Open()
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // was only read
	to, err := t.c.conn.OpenBlob("", at.Table, at.Column, at.Row, true)
	if err != nil {
		return wrap(err)
	}
	defer func() {
		if cerr := to.Close(); err == nil {
			err = wrap(cerr)
		}
	}()
	left := data.Size()
	piece := make([]byte, min(left, pieceSize))
	for left > 0 {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%w: %w", db.ErrCanceled, err)
		}
		n := min(left, int64(len(piece)))
		if _, err := io.ReadFull(from, piece[:n]); err != nil {
			return fmt.Errorf("large data cannot be read: %w", err)
		}
		if _, err := to.Write(piece[:n]); err != nil {
			return wrap(err)
		}
		left -= n
	}
	return nil
}
