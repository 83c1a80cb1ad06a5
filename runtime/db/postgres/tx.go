package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"cds/runtime/db"
)

var (
	errDone = errors.New("the transaction has ended")
	errOpen = errors.New("rows of the statement before are still open")
	errUsed = errors.New("the transaction was begun for one statement")
)

// A tx is a transaction; it owns its connection until it ends.
type tx struct {
	pool    *pool
	pooled  *pgxpool.Conn
	c       *conn // nil after the end
	ctx     context.Context
	session db.Session
	begin   string // the statement that begins it, sent with the first one; "" once it is sent, and for one that needs none
	told    bool   // the database has been told the session
	opens   string // with row-level security: the tables that were opened when it was told
	write   bool
	one     bool // for one query, which brackets itself
	used    bool // the one query has been run
	script  bool // a script has run
	rows    rows
	pipe    pipeline
	depth   int // of savepoints, for their names
}

var _ db.Tx = (*tx)(nil)

func (t *tx) Writable() bool { return t.c != nil && t.write }

// ready reports why no statement can be run now, nil if it can.
func (t *tx) ready(ctx context.Context) error {
	switch {
	case t.c == nil:
		return errDone
	case t.rows.rr != nil:
		return errOpen
	case t.one && t.used:
		return errUsed
	case len(t.pipe.next) > 0:
		if err := t.passOver(); err != nil {
			return err
		}
	}
	t.pipe.later = nil
	if t.pipe.ended {
		return errDone
	}
	for _, c := range [...]context.Context{ctx, t.ctx} {
		if err := c.Err(); err != nil {
			return fmt.Errorf("%w: %w", db.ErrCanceled, err)
		}
	}
	return nil
}

func (t *tx) Query(ctx context.Context, s db.Stmt) (db.Rows, error) {
	if err := t.start(ctx, s); err != nil {
		return nil, err
	}
	return &t.rows, nil
}

func (t *tx) Exec(ctx context.Context, s db.Stmt) (int64, error) {
	if hasBlob(s) {
		return t.execBlobs(ctx, s)
	}
	if err := t.start(ctx, s); err != nil {
		return 0, err
	}
	tag, err := t.rows.finish()
	if err != nil {
		return 0, err
	}
	return tag.RowsAffected(), nil
}

// start sends a statement. Its contexts are watched until the end of its rows.
func (t *tx) start(ctx context.Context, s db.Stmt) error {
	if err := t.ready(ctx); err != nil {
		return err
	}
	t.c.watch(ctx, t.ctx)
	t.rows.ctx = ctx
	if err := t.send(s); err != nil {
		t.c.unwatch()
		return t.ended(err, ctx)
	}
	return nil
}

func (t *tx) ended(err error, ctx context.Context) error {
	if err = ended(err, t.ctx); err != nil && t.ctx.Err() == nil {
		err = ended(err, ctx)
	}
	return err
}

// send sends a statement, together with what has to come before it: the beginning of the transaction, and who is asking.
func (t *tx) send(s db.Stmt) error {
	ctx := context.Background() // the statement is watched already
	e, err := t.c.prepared(ctx, s)
	if err != nil {
		return err
	}
	r := &t.rows
	if t.begin == "" && t.knows(!s.Anonymous, s.Opens) {
		t.used = true
		r.rr, r.fields, r.vals = t.c.pg.ExecStatement(ctx, e.stmt, t.c.values, t.c.formats, e.formats), e.stmt.Fields, nil
		return nil
	}
	b, before, err := t.bracket(ctx, !s.Anonymous, s.Opens)
	if err != nil {
		return err
	}
	if err := t.c.bind(s.Binds, e.stmt.ParamOIDs); err != nil { // again: preparing what comes before may have used the memory
		return err
	}
	t.used = true
	b.ExecStatement(e.stmt, t.c.values, t.c.formats, e.formats)
	all := t.c.pg.ExecBatch(ctx, b)
	for range before {
		if !all.NextResult() {
			return t.c.wrap(all.Close())
		}
		if _, err := all.ResultReader().Close(); err != nil {
			_ = all.Close()
			return t.c.wrap(err)
		}
	}
	if !all.NextResult() {
		return t.c.wrap(all.Close())
	}
	r.all, r.rr, r.fields, r.vals = all, all.ResultReader(), e.stmt.Fields, nil
	return nil
}

// knows reports whether the database has been told the session as far as a statement needs it.
func (t *tx) knows(asks bool, opens string) bool {
	if t.pool.rows != nil {
		return t.told && t.opens == opens
	}
	return t.told || !asks
}

// bracket returns a batch with what has to be sent before the next statement, and the number of its parts.
func (t *tx) bracket(ctx context.Context, tell bool, opens string) (b *pgconn.Batch, n int, err error) {
	b = &pgconn.Batch{}
	var e *entry
	if !t.knows(tell, opens) {
		if e, err = t.c.prepare(ctx, t.pool.setSession(), nil); err != nil {
			return nil, 0, err
		}
	}
	if t.begin != "" {
		start, err := t.c.prepare(ctx, t.begin, nil)
		if err != nil {
			return nil, 0, err
		}
		b.ExecStatement(start.stmt, nil, nil, nil)
		t.begin = ""
		n++
	}
	if e != nil {
		vals := make([][]byte, 0, 7)
		for _, v := range sessionValues(t.session) {
			vals = append(vals, []byte(v))
		}
		if t.pool.rows != nil {
			vals = append(vals, t.pool.rows.context(t.session.Claims, opens))
		}
		b.ExecStatement(e.stmt, vals, nil, nil)
		t.told, t.opens = true, opens
		n++
	}
	return b, n, nil
}

// open sends the beginning of the transaction if that has not been done.
func (t *tx) open(opens string) error {
	if t.begin == "" && t.told && t.knows(true, opens) {
		return nil
	}
	ctx := context.Background()
	b, _, err := t.bracket(ctx, true, opens)
	if err != nil {
		return err
	}
	_, err = t.c.pg.ExecBatch(ctx, b).ReadAll()
	return t.c.wrap(err)
}

// SetSession changes what views are told about who is asking.
func (t *tx) SetSession(_ context.Context, s db.Session) error {
	if t.c == nil {
		return errDone
	}
	t.session, t.told = s, false
	return nil
}

// Script runs statements in one message. They may change the schema, so other connections prepare their statements anew.
func (t *tx) Script(ctx context.Context, sql string) error {
	if err := t.ready(ctx); err != nil {
		return err
	}
	if strings.IndexByte(sql, 0) >= 0 {
		return fmt.Errorf("%w: a statement contains a NUL character", db.ErrValue)
	}
	t.c.watch(ctx, t.ctx)
	defer t.c.unwatch()
	if err := t.open(t.opens); err != nil {
		return t.ended(err, ctx)
	}
	t.script = true
	return t.ended(t.run(context.Background(), sql), ctx)
}

func (t *tx) run(ctx context.Context, sql string) error {
	_, err := t.c.pg.Exec(ctx, sql).ReadAll()
	return t.c.wrap(err)
}

func (t *tx) Savepoint(ctx context.Context) (func(keep bool) error, error) {
	if err := t.ready(ctx); err != nil {
		return nil, err
	}
	if err := t.open(t.opens); err != nil {
		return nil, err
	}
	name := "s" + strconv.Itoa(t.depth+1)
	if err := t.run(context.Background(), "SAVEPOINT "+name); err != nil {
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
			t.told = false // what it was told since is undone as well
			return t.run(context.Background(), "ROLLBACK TO "+name+"; RELEASE "+name)
		}
		return t.run(context.Background(), "RELEASE "+name)
	}, nil
}

// Commit ends the transaction. That of one in which a statement has failed is an error and changes nothing.
func (t *tx) Commit() error {
	c := t.c
	if c == nil {
		return errDone
	}
	_ = t.rows.Close()
	passed := t.passOver() // a failure shows in the state of the transaction
	if err := t.ctx.Err(); err != nil && !t.pipe.ended {
		_ = t.Rollback()
		return fmt.Errorf("%w: %w", db.ErrCanceled, err)
	}
	var err error
	switch status := c.pg.TxStatus(); {
	case t.pipe.ended:
		err = t.pipe.err
	case status == 'I' && (t.begin != "" || t.one): // nothing was sent, or nothing that has to be ended
	case status == 'E' && !t.write && passed != nil: // of rows that nobody wanted, and nothing else is lost
		return t.Rollback()
	case status == 'E':
		_ = t.Rollback()
		return errors.New("the transaction cannot be committed: one of its statements failed")
	case status == 'T':
		var res []*pgconn.Result
		ctx, stop := context.WithTimeout(context.WithoutCancel(t.ctx), endTimeout)
		res, err = c.pg.Exec(ctx, "COMMIT").ReadAll()
		stop()
		if err == nil && (len(res) != 1 || res[0].CommandTag.String() != "COMMIT") {
			err = errUndone
		}
	default:
		err = errors.New("the connection was lost before the end of the transaction")
	}
	if t.script {
		t.pool.schema.Add(1)
	}
	err = c.wrap(err)
	t.release()
	return err
}

// Rollback undoes the transaction. If the connection is lost, so is the transaction, and all is well.
func (t *tx) Rollback() error {
	c := t.c
	if c == nil {
		return nil
	}
	_ = t.rows.Close()
	_ = t.passOver()
	if !c.pg.IsClosed() && c.pg.TxStatus() != 'I' {
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
	t.pool.giveBack(t.pooled)
}

// rows is the cursor of a transaction.
type rows struct {
	t      *tx
	c      *conn
	ctx    context.Context // of the statement
	rr     *pgconn.ResultReader
	all    *pgconn.MultiResultReader // of a statement that was sent with others
	fields []pgconn.FieldDescription
	vals   [][]byte
	buf    []byte // texts made for the current row
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
	_, err := r.finish()
	return err
}

func (r *rows) finish() (pgconn.CommandTag, error) {
	tag, err := r.rr.Close()
	r.rr, r.vals = nil, nil
	if err == nil && len(r.t.pipe.next) > 0 {
		return tag, nil // there are more in the message
	}
	if r.all != nil {
		if err == nil && r.t.pipe.last {
			r.t.readEnd(r.all)
		}
		if cerr := r.all.Close(); err == nil && !r.t.pipe.ended {
			err = cerr
		}
	}
	r.all, r.t.pipe.next, r.t.pipe.last = nil, nil, false
	r.c.unwatch()
	return tag, r.t.ended(r.c.wrap(err), r.ctx)
}

func (r *rows) Name(i int) string   { return r.fields[i].Name }
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
