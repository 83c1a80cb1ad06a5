package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"cds/parser/cqn"
	"cds/runtime/db"
)

var (
	errDone = errors.New("the transaction has ended")
	errOpen = errors.New("rows of the statement before are still open")
)

// A tx is a transaction; it owns its connection until it ends.
type tx struct {
	pool   *pool
	pooled *pgxpool.Conn
	c      *conn // nil after the end
	ctx    context.Context
	write  bool
	script bool // a script has run
	rows   rows
	depth  int // of savepoints, for their names
}

var _ db.Tx = (*tx)(nil)

func (t *tx) Writable() bool { return t.c != nil && t.write }

// both returns a context that ends with that of the transaction as well as with that of a statement.
func (t *tx) both(ctx context.Context) (context.Context, func()) {
	switch {
	case ctx == t.ctx || ctx.Done() == nil:
		return t.ctx, nothing
	case t.ctx.Done() == nil:
		return ctx, nothing
	}
	joint, stop := context.WithCancel(ctx)
	unwatch := context.AfterFunc(t.ctx, stop)
	return joint, func() { unwatch(); stop() }
}

func nothing() {}

// ready reports why no statement can be run now, nil if it can.
func (t *tx) ready(ctx context.Context) error {
	switch {
	case t.c == nil:
		return errDone
	case t.rows.rr != nil:
		return errOpen
	}
	for _, c := range [...]context.Context{ctx, t.ctx} {
		if err := c.Err(); err != nil {
			return fmt.Errorf("%w: %w", db.ErrCanceled, err)
		}
	}
	return nil
}

func (t *tx) Query(ctx context.Context, s db.Stmt) (db.Rows, error) {
	if err := t.ready(ctx); err != nil {
		return nil, err
	}
	ctx, stop := t.both(ctx)
	rr, e, err := t.c.exec(ctx, s)
	if err != nil {
		stop()
		return nil, err
	}
	r := &t.rows
	r.rr, r.fields, r.stop, r.vals = rr, e.stmt.Fields, stop, nil
	return r, nil
}

func (t *tx) Exec(ctx context.Context, s db.Stmt) (int64, error) {
	if err := t.ready(ctx); err != nil {
		return 0, err
	}
	ctx, stop := t.both(ctx)
	defer stop()
	rr, _, err := t.c.exec(ctx, s)
	if err != nil {
		return 0, err
	}
	tag, err := rr.Close()
	if err != nil {
		return 0, wrap(err)
	}
	return tag.RowsAffected(), nil
}

// Script runs statements in one message. They may change the schema, so other connections prepare their statements anew.
func (t *tx) Script(ctx context.Context, sql string) error {
	if err := t.ready(ctx); err != nil {
		return err
	}
	if strings.IndexByte(sql, 0) >= 0 {
		return fmt.Errorf("%w: a statement contains a NUL character", db.ErrValue)
	}
	ctx, stop := t.both(ctx)
	defer stop()
	t.script = true
	return t.run(ctx, sql)
}

// SetSession changes what views are told about who is asking.
func (t *tx) SetSession(ctx context.Context, s db.Session) error {
	binds := make([]cqn.Value, 0, 6)
	for _, v := range sessionValues(s) {
		binds = append(binds, cqn.String(v))
	}
	rows, err := t.Query(ctx, db.Stmt{SQL: setSession, Binds: binds})
	if err != nil {
		return err
	}
	return rows.Close()
}

func (t *tx) run(ctx context.Context, sql string) error {
	_, err := t.c.pg.Exec(ctx, sql).ReadAll()
	return wrap(err)
}

func (t *tx) Savepoint(ctx context.Context) (func(keep bool) error, error) {
	if err := t.ready(ctx); err != nil {
		return nil, err
	}
	name := "s" + strconv.Itoa(t.depth+1)
	if err := t.run(t.ctx, "SAVEPOINT "+name); err != nil {
		return nil, err
	}
	t.depth++
	ended := false
	return func(keep bool) error {
		if ended || t.c == nil {
			return errDone
		}
		_ = t.rows.Close() // rows of a scope that is given up may be open still
		ended = true
		t.depth--
		if !keep {
			return t.run(t.ctx, "ROLLBACK TO "+name+"; RELEASE "+name)
		}
		return t.run(t.ctx, "RELEASE "+name)
	}, nil
}

// Commit ends the transaction. That of one in which a statement has failed is an error and changes nothing.
func (t *tx) Commit() error {
	c := t.c
	if c == nil {
		return errDone
	}
	_ = t.rows.Close()
	if err := t.ctx.Err(); err != nil {
		_ = t.Rollback()
		return fmt.Errorf("%w: %w", db.ErrCanceled, err)
	}
	var err error
	switch c.pg.TxStatus() {
	case 'E':
		_ = t.Rollback()
		return errors.New("the transaction cannot be committed: one of its statements failed")
	case 'T':
		var res []*pgconn.Result
		ctx, stop := context.WithTimeout(context.WithoutCancel(t.ctx), endTimeout)
		res, err = c.pg.Exec(ctx, "COMMIT").ReadAll()
		stop()
		if err == nil && (len(res) != 1 || res[0].CommandTag.String() != "COMMIT") {
			err = errors.New("the database has rolled the transaction back")
		}
	default:
		err = errors.New("the connection was lost before the end of the transaction")
	}
	if t.script {
		t.pool.schema.Add(1)
	}
	t.release()
	return wrap(err)
}

// Rollback undoes the transaction. If the connection is lost, so is the transaction, and all is well.
func (t *tx) Rollback() error {
	c := t.c
	if c == nil {
		return nil
	}
	_ = t.rows.Close()
	if !c.pg.IsClosed() {
		ctx, stop := context.WithTimeout(context.WithoutCancel(t.ctx), endTimeout)
		_ = t.run(ctx, "ROLLBACK") // a connection that fails here is closed by release, which rolls back
		stop()
	}
	if t.script { // statements may have been prepared while its changes were visible
		t.pool.schema.Add(1)
	}
	t.release()
	return nil
}

// release gives the connection back to the pool, which closes it if it is not idle.
func (t *tx) release() {
	t.c = nil
	t.pooled.Release()
}

// rows is the cursor of a transaction.
type rows struct {
	rr     *pgconn.ResultReader
	fields []pgconn.FieldDescription
	vals   [][]byte
	buf    []byte // texts made for the current row
	stop   func()
}

var _ db.Rows = (*rows)(nil)

func (r *rows) Next() (bool, error) {
	if r.rr == nil {
		return false, nil
	}
	r.buf = r.buf[:0]
	if r.rr.NextRow() {
		r.vals = r.rr.Values()
		return true, nil
	}
	return false, r.end()
}

// end finishes the statement.
func (r *rows) end() error {
	if r.rr == nil {
		return nil
	}
	_, err := r.rr.Close()
	r.rr, r.vals = nil, nil
	r.stop()
	return wrap(err)
}

func (r *rows) Columns() int        { return len(r.fields) }
func (r *rows) IsNull(i int) bool   { return r.vals[i] == nil }
func (r *rows) Int(i int) int64     { return intOf(r.fields[i].DataTypeOID, r.vals[i]) }
func (r *rows) Float(i int) float64 { return floatOf(r.fields[i].DataTypeOID, r.vals[i]) }

func (r *rows) Type(i int) db.ColumnType {
	if r.vals[i] == nil {
		return db.TypeNull
	}
	return columnType(r.fields[i].DataTypeOID)
}

// Text returns the value as text: booleans as true and false, moments in the form of $now.
func (r *rows) Text(i int) []byte {
	v, oid := r.vals[i], r.fields[i].DataTypeOID
	if v == nil || resultFormat(oid) == textFormat || oid == oidBytea {
		return v
	}
	n := len(r.buf)
	switch oid {
	case oidBool:
		r.buf = strconv.AppendBool(r.buf, intOf(oid, v) != 0)
	case oidFloat4, oidFloat8:
		bits := 64
		if oid == oidFloat4 {
			bits = 32
		}
		r.buf = strconv.AppendFloat(r.buf, floatOf(oid, v), 'g', -1, bits)
	case oidTimestamp, oidTimestamptz:
		r.buf = appendMoment(r.buf, intOf(oid, v))
	default:
		r.buf = strconv.AppendInt(r.buf, intOf(oid, v), 10)
	}
	return r.buf[n:len(r.buf):len(r.buf)]
}

func (r *rows) Bytes(i int) []byte { return r.Text(i) }

// Close ends the statement; rows that were not read are passed over.
func (r *rows) Close() error { return r.end() }
