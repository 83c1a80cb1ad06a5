package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"cds/parser/cqn"
	"cds/runtime/db"
	"cds/runtime/db/stmts"
)

// A conn is one connection with its prepared statements. Only one transaction uses it at a time.
type conn struct {
	pg      *pgconn.PgConn
	stmts   stmts.Cache[*entry]
	names   int   // of prepared statements given out so far
	schema  int64 // of the pool when the statements were prepared
	watcher watcher
	// scratch memory for binds
	buf     []byte
	values  [][]byte
	formats []int16
}

// An entry is a prepared statement.
type entry struct {
	stmt    *pgconn.StatementDescription
	asked   []uint32 // types that the parameters were prepared with; 0 where the server found out
	formats []int16  // of the result columns
}

// connKey is where a pgconn keeps our state.
const connKey = "cds"

// connOf returns our state of a connection, which lives as long as the connection.
func connOf(pg *pgconn.PgConn) *conn {
	if c, ok := pg.CustomData()[connKey].(*conn); ok {
		return c
	}
	c := &conn{pg: pg}
	pg.CustomData()[connKey] = c
	return c
}

// renew forgets the statements that were prepared before the schema changed.
func (c *conn) renew(ctx context.Context, schema int64) error {
	if c.schema == schema {
		return nil
	}
	for e, ok := c.stmts.Pop(); ok; e, ok = c.stmts.Pop() {
		if err := c.end(ctx, e); err != nil {
			return err
		}
	}
	c.schema = schema
	return nil
}

const setSession = `SELECT set_config('cap.applicationuser', $1, true), set_config('cap.tenant', $2, true), set_config('cap.locale', $3, true), ` +
	`set_config('cap.now', $4, true), set_config('cap.valid_from', $5, true), set_config('cap.valid_to', $6, true)`

// sessionValues are the parameters of setSession.
func sessionValues(s db.Session) [6]string {
	return [...]string{s.UserID, s.Tenant, s.Locale, s.Now, firstOf(s.ValidFrom, s.Now), firstOf(s.ValidTo, s.Now)}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// prepare returns the statement for a text whose parameters have the types of the values. A statement that was prepared for other types is
// prepared anew.
func (c *conn) prepare(ctx context.Context, sql string, binds []cqn.Value) (*entry, error) {
	e, ok := c.stmts.Get(sql)
	if ok {
		if e.fits(binds) {
			return e, nil
		}
		c.stmts.Remove(sql)
		if err := c.end(ctx, e); err != nil {
			return nil, err
		}
	}
	if c.stmts.Full() {
		if old, ok := c.stmts.Pop(); ok {
			if err := c.end(ctx, old); err != nil {
				return nil, err
			}
		}
	}
	var asked []uint32
	for i, v := range binds {
		if oid := oidOf(v); oid != 0 {
			if asked == nil {
				asked = make([]uint32, len(binds))
			}
			asked[i] = oid
		}
	}
	c.names++
	st, err := c.pg.Prepare(ctx, "c"+strconv.Itoa(c.names), sql, asked)
	if err != nil {
		return nil, c.wrap(err)
	}
	e = &entry{stmt: st, asked: asked, formats: make([]int16, len(st.Fields))}
	for i := range st.Fields {
		e.formats[i] = resultFormat(st.Fields[i].DataTypeOID)
	}
	c.stmts.Add(sql, e)
	return e, nil
}

// fits reports whether values can be bound to parameters of the types that were asked for: null fits everywhere.
func (e *entry) fits(binds []cqn.Value) bool {
	for i, v := range binds {
		var have uint32
		if i < len(e.asked) {
			have = e.asked[i]
		}
		if !v.IsNull() && oidOf(v) != have {
			return false
		}
	}
	return true
}

// end has the server forget a statement that was taken out of the cache.
func (c *conn) end(ctx context.Context, e *entry) error {
	return c.wrap(c.pg.Deallocate(ctx, e.stmt.Name))
}

// prepared returns the statement, with its values bound.
func (c *conn) prepared(ctx context.Context, s db.Stmt) (*entry, error) {
	e, err := c.prepare(ctx, s.SQL, s.Binds)
	if err != nil {
		return nil, err
	}
	if n := len(e.stmt.ParamOIDs); n != len(s.Binds) {
		return nil, fmt.Errorf("%w: the statement has %d parameters, %d are given", db.ErrValue, n, len(s.Binds))
	}
	return e, c.bind(s.Binds, e.stmt.ParamOIDs)
}

// wrap is the error of a statement. Whatever it is, on a connection that is lost the database was not there: it may be tried again.
func (c *conn) wrap(err error) error {
	err = wrap(err)
	if err != nil && c.pg.IsClosed() && !errors.Is(err, db.ErrBusy) && !errors.Is(err, db.ErrCanceled) {
		return fmt.Errorf("%w: %w", db.ErrBusy, err)
	}
	return err
}

// kinds are the error kinds by SQLSTATE, or by its class of two letters.
var kinds = map[string]error{
	"23505": db.ErrUnique, "23503": db.ErrForeignKey, "23502": db.ErrNotNull, "23": db.ErrCheck,
	"22":    db.ErrValue,
	"42804": db.ErrValue, "42883": db.ErrValue, "42725": db.ErrValue, "42P18": db.ErrValue, // operands of types that do not go together
	"54001": db.ErrValue, // stack depth: too deeply nested
	"25006": db.ErrReadOnly,
	"40001": db.ErrConflict, "40P01": db.ErrConflict, "55P03": db.ErrBusy, "53300": db.ErrBusy, "53200": db.ErrBusy, "57P01": db.ErrBusy, "57P02": db.ErrBusy,
	"57P03": db.ErrBusy, "08": db.ErrBusy,
	"53100": db.ErrFull,
	"57014": db.ErrCanceled,
}

// wrap turns an error of the library into one of db's kinds, keeping it as cause. What it says may contain data.
func wrap(err error) error {
	if err == nil {
		return nil
	}
	for _, k := range [...]error{db.ErrCanceled, db.ErrValue, db.ErrClosed, db.ErrBusy} {
		if errors.Is(err, k) {
			return err
		}
	}
	var kind error
	var pe *pgconn.PgError
	var ne net.Error
	var ce *pgconn.ConnectError
	switch {
	case errors.As(err, &pe):
		kind = kinds[pe.Code]
		if kind == nil && len(pe.Code) == 5 {
			kind = kinds[pe.Code[:2]]
		}
		if pe.Code == "42501" && pe.Routine == "ExecWithCheckOptions" { // not a right that is lacking on the table
			kind = db.ErrRows
			if strings.Contains(pe.Message, `"cds_rls_tenant"`) {
				kind = db.ErrRowsTenant
			}
		}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		kind = db.ErrCanceled
	case errors.As(err, &ce), errors.As(err, &ne), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		kind = db.ErrBusy
	}
	if kind == nil {
		return fmt.Errorf("postgres: %w", err)
	}
	if errors.Is(kind, db.ErrUnique) && pe != nil {
		return &db.Violation{Kind: kind, Constraint: pe.ConstraintName, Cause: err}
	}
	return fmt.Errorf("%w: %w", kind, err)
}
