package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"cds/runtime/db"

	"zombiezen.com/go/sqlite"
)

var (
	errDone = errors.New("the transaction has ended")
	errUsed = errors.New("the transaction was begun for one statement")
)

// A tx is a transaction; it owns its connection until it ends.
type tx struct {
	c     *conn
	rows  rows
	depth int  // of savepoints, for their names
	one   bool // for one statement, without BEGIN and COMMIT
	used  bool // the one statement has been run
}

var _ db.Tx = (*tx)(nil)

func (t *tx) Writable() bool { return t.c != nil && t.c.write }

// SetSession changes what views are told about who is asking.
func (t *tx) SetSession(_ context.Context, s db.Session) error {
	if t.c == nil {
		return errDone
	}
	t.c.session = s
	return nil
}

// stmt prepares and binds.
func (t *tx) stmt(ctx context.Context, s db.Stmt) (*sqlite.Stmt, error) {
	if t.c == nil {
		return nil, errDone
	}
	if t.rows.stmt != nil {
		return nil, errors.New("rows of the statement before are still open")
	}
	if t.one && t.used {
		return nil, errUsed
	}
	t.used = true
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", db.ErrCanceled, err)
	}
	st, err := t.c.prepare(s.SQL)
	if err != nil {
		return nil, err
	}
	if err := bind(st, s.Binds); err != nil {
		return nil, err
	}
	return st, nil
}

func (t *tx) Query(ctx context.Context, s db.Stmt) (db.Rows, error) {
	st, err := t.stmt(ctx, s)
	if err != nil {
		return nil, err
	}
	t.rows = rows{t.c, st, st.ColumnCount(), t.c.text[:0]}
	return &t.rows, nil
}

func (t *tx) Exec(ctx context.Context, s db.Stmt) (int64, error) {
	st, err := t.stmt(ctx, s)
	if err != nil {
		return 0, err
	}
	_, err = t.c.step(st)
	n := int64(t.c.conn.Changes())
	if rerr := st.Reset(); err == nil {
		err = wrap(rerr)
	}
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Script runs statements one by one. Comments and empty statements are fine.
func (t *tx) Script(ctx context.Context, sql string) error {
	if t.c == nil {
		return errDone
	}
	if t.one {
		return errUsed
	}
	if strings.IndexByte(sql, 0) >= 0 {
		return fmt.Errorf("%w: a statement contains a NUL character", db.ErrValue)
	}
	t.c.held.spoilt = true
	for sql = strings.TrimSpace(sql); sql != ""; sql = strings.TrimSpace(sql) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%w: %w", db.ErrCanceled, err)
		}
		s, rest, err := t.c.conn.PrepareTransient(sql)
		if err != nil {
			return wrap(err)
		}
		for row := s.BindParamCount() >= 0; row && err == nil; {
			row, err = t.c.step(s)
		}
		_ = s.Finalize()
		if err != nil {
			return err
		}
		sql = sql[len(sql)-rest:]
	}
	return nil
}

func (t *tx) Savepoint(context.Context) (func(keep bool) error, error) {
	if t.c == nil {
		return nil, errDone
	}
	if t.one {
		return nil, errUsed
	}
	t.depth++
	name := "s" + strconv.Itoa(t.depth)
	if err := t.c.run("SAVEPOINT " + name); err != nil {
		t.depth--
		return nil, err
	}
	ended := false
	return func(keep bool) error {
		if ended || t.c == nil {
			return errDone
		}
		ended = true
		t.depth--
		if !keep {
			if err := t.c.run("ROLLBACK TO " + name); err != nil {
				return err
			}
		}
		return t.c.run("RELEASE " + name)
	}, nil
}

func (t *tx) Commit() error { return t.end("COMMIT") }

func (t *tx) Rollback() error {
	if t.c == nil {
		return nil
	}
	return t.end("ROLLBACK")
}

// end ends the transaction and gives the connection back. A failed commit rolls back.
func (t *tx) end(how string) error {
	c := t.c
	if c == nil {
		return errDone
	}
	_ = t.rows.Close()
	t.c = nil
	var err error
	keep := how == "COMMIT" && c.held.open && t.depth == 0 && c.pool.keeps(c)
	if how == "COMMIT" && !t.one && !keep {
		err = c.run(how)
	}
	c.unwatched()
	if !keep {
		c.held.open = false
	}
	if !keep && (how != "COMMIT" || err != nil || t.one) {
		// An error may have rolled back on its own.
		if !c.conn.AutocommitEnabled() {
			if rerr := c.run("ROLLBACK"); err == nil {
				err = rerr
			}
		}
	}
	c.session = db.Session{}
	long := c.write && how == "COMMIT" && err == nil && c.pool.committed()
	c.pool.release(c)
	if long && c.pool.checking.CompareAndSwap(false, true) {
		go c.pool.checkpoint()
	}
	return err
}

// rows is the cursor of a transaction.
type rows struct {
	conn *conn
	stmt *sqlite.Stmt
	cols int
	buf  []byte // values of the current row that were asked for as bytes
}

var _ db.Rows = (*rows)(nil)

func (r *rows) Next() (bool, error) {
	if r.stmt == nil {
		return false, nil
	}
	r.buf = r.buf[:0]
	return r.conn.step(r.stmt)
}

func (r *rows) Name(i int) string   { return r.stmt.ColumnName(i) }
func (r *rows) Columns() int        { return r.cols }
func (r *rows) IsNull(i int) bool   { return r.stmt.ColumnType(i) == sqlite.TypeNull }
func (r *rows) Int(i int) int64     { return r.stmt.ColumnInt64(i) }
func (r *rows) Float(i int) float64 { return r.stmt.ColumnFloat(i) }

// Text copies the value, since SQLite's own memory is gone with the next row or conversion.
func (r *rows) Text(i int) []byte {
	start := len(r.buf)
	b := r.buf[start:cap(r.buf)]
	n := r.stmt.ColumnBytes(i, b)
	if n == len(b) { // it may be longer
		n = r.stmt.ColumnLen(i)
		// Slices given out before keep the old memory.
		r.buf = make([]byte, 0, 2*cap(r.buf)+n+256)
		start, b = 0, r.buf[:n]
		n = r.stmt.ColumnBytes(i, b)
	}
	r.buf = r.buf[:start+n]
	return b[:n:n]
}

func (r *rows) Bytes(i int) []byte { return r.Text(i) }

func (r *rows) Type(i int) db.ColumnType {
	switch r.stmt.ColumnType(i) {
	case sqlite.TypeInteger:
		return db.TypeInt
	case sqlite.TypeFloat:
		return db.TypeFloat
	case sqlite.TypeText:
		return db.TypeText
	case sqlite.TypeBlob:
		return db.TypeBlob
	}
	return db.TypeNull
}

func (r *rows) Close() error {
	if r.stmt == nil {
		return nil
	}
	err := r.stmt.Reset()
	r.stmt = nil
	if cap(r.buf) <= maxText {
		r.conn.text = r.buf
	}
	r.buf = nil
	// What Reset reports is the error of the last Step, which Next has returned.
	_ = err
	return nil
}
