// Package db is the narrow interface between the query engine and a database: connections, transactions, prepared statements
// and rows read by column position. Everything known about one database is in a driver's package below this one.
package db

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"cds/parser/cqn"
	"cds/runtime/sqlgen"
)

// A Driver opens databases of one kind.
type Driver interface {
	Name() string // "sqlite", "postgres"
	Dialect() sqlgen.Dialect
	Open(ctx context.Context, cfg Config) (Pool, error)
}

// Config says which database to open.
type Config struct {
	URL      string // file name, ":memory:" or connection URL
	Readers  int    // most read connections; 0 lets the driver choose. PostgreSQL: most connections, readers and writers together
	MinConns int    // PostgreSQL: connections that are kept open; 0 for none
	// AcquireTimeout bounds the wait for a free connection, which then fails with ErrBusy; 0 waits as long as the context lasts.
	AcquireTimeout time.Duration
	IdleTimeout    time.Duration // PostgreSQL: idle connections are closed after it; 0 lets the driver choose
	// StatementTimeout is how long the server runs a statement at most, also if nobody is there any more to cancel it; 0 for no limit of its own.
	StatementTimeout time.Duration
	// RowKey is set for a database with row-level security: it signs what sessions tell of the user. PostgreSQL only; nil for none.
	RowKey      *RowKey
	Synchronous string // SQLite: "full", "normal", "off"; "" lets the driver choose
	ForeignKeys bool   // SQLite: foreign key constraints are enforced; elsewhere they always are
	Credentials map[string]string
}

// A Pool holds connections to one database. It is safe for concurrent use.
type Pool interface {
	// Read begins a read-only transaction with a stable snapshot; Write one that may change data (one at a time on SQLite).
	Read(ctx context.Context, s Session) (Tx, error)
	Write(ctx context.Context, s Session) (Tx, error)
	Dialect() sqlgen.Dialect
	// Close waits for open transactions, for CloseWait at most, and closes all connections that nobody has any more. Those that are still in use
	// then are left alone, and Close fails with ErrBusy.
	Close() error
}

// CloseWait is how long Pool.Close waits for transactions that are not ended.
const CloseWait = 10 * time.Second

// A OneReader is a Pool that can save the bracket around a read of one statement.
type OneReader interface {
	// ReadOne begins a read-only transaction for one call of Query; others on it fail. It is ended like any other.
	ReadOne(ctx context.Context, s Session) (Tx, error)
}

// Session is what views can ask of the connection: session_context('$user.locale') and the like.
type Session struct {
	UserID, Tenant, Locale string
	Now                    string // timestamp text, as bound for $now
	ValidFrom, ValidTo     string // temporal; "" means now
	// Claims is what row-level security is told of the user, a JSON object; "" for nobody, who sees no rows of the model.
	Claims string
}

// A Tx is a transaction on one connection. It is not safe for concurrent use. End it with Commit or Rollback exactly once;
// Rollback after Commit does nothing. When ctx of Read or Write ends, running statements are interrupted.
type Tx interface {
	// Query runs a statement that returns rows. The Rows must be closed before the next call on the Tx.
	Query(ctx context.Context, s Stmt) (Rows, error)
	// Exec runs a statement and returns the number of rows it changed.
	Exec(ctx context.Context, s Stmt) (int64, error)
	// Script runs several statements separated by semicolons, without binds (DDL).
	Script(ctx context.Context, sql string) error
	// Savepoint begins a nested scope; the returned func ends it, undoing its changes if keep is false.
	Savepoint(ctx context.Context) (end func(keep bool) error, err error)
	Commit() error
	Rollback() error
	Writable() bool
}

// A SessionSetter is a Tx whose session can change while it runs: several requests, each with its user or locale, share a transaction.
type SessionSetter interface {
	SetSession(ctx context.Context, s Session) error
}

// A Batcher is a Tx that can send several statements in one message.
type Batcher interface {
	// ExecAll runs statements in their order up to the first that fails. done is the number of those that did not: the error is that of the next one.
	ExecAll(ctx context.Context, all []Stmt) (done int, err error)
}

// A BlobTx is a Tx of a database that opens stored values by the place where they are kept, so that they are read and written in pieces. Others take a
// bind of cqn.KindBlob in Exec, and send its data in pieces.
type BlobTx interface {
	// OpenBlob opens a stored value to be read. It must be closed before the next call on the Tx.
	OpenBlob(ctx context.Context, at Place) (Blob, error)
	// ExecBlobs runs a write whose first result column is the number of each row written (sqlgen.Tables.RowID), then fills these rows' columns with the
	// data of its binds of cqn.KindBlob. It returns the number of rows.
	ExecBlobs(ctx context.Context, s Stmt, columns []sqlgen.BlobColumn) (int64, error)
}

// A Place says where a value is kept.
type Place struct {
	Table, Column string
	Row           int64
}

// A Blob is an open stored value.
type Blob interface {
	io.ReadSeekCloser
	Size() int64
}

// A Pipeliner is a Batcher that can send queries in one message too, with statements before them and the end of the transaction behind.
type Pipeliner interface {
	Batcher
	// QueryAll runs before, as ExecAll does, then queries, of which there is at least one: rows are those of the first. done is the number of statements
	// of before that have not failed. With last nothing follows but Commit, which the database may be told at once; if it fails or has to be a
	// rollback, Commit says so. The binds of the queries must be left alone until the rows of the last one are closed.
	QueryAll(ctx context.Context, before, queries []Stmt, last bool) (done int, rows Rows, err error)
	// NextRows returns the rows of the next one of the queries, when those before are closed. What is not asked for is passed over by any other call.
	NextRows(ctx context.Context) (Rows, error)
}

// A Stmt is SQL text with its binds. Prepared statements are cached per connection by text.
type Stmt struct {
	SQL   string
	Binds []cqn.Value // KindList binds one list parameter (JSON array on SQLite, array on PostgreSQL); for KindBlob see BlobTx
	// Anonymous promises that nothing in the statement asks the session: no view that looks at the user, the locale or the time, no such function. A
	// driver may then spare itself telling the database.
	Anonymous bool
	// Opens lists the tables that row-level security opens to the statement beyond the rights of the user, see sqlgen.Plan.
	Opens string
}

// Rows is a cursor. Columns are read by position; the slices returned are valid until the next call of Next.
type Rows interface {
	Next() (bool, error)
	Columns() int
	Name(i int) string // of a column, as the database has it
	IsNull(i int) bool
	Int(i int) int64
	Float(i int) float64
	Text(i int) []byte // the value as text: also of numbers, in the database's own form
	Bytes(i int) []byte
	// Type returns what the database delivered in column i of the current row.
	Type(i int) ColumnType
	Close() error
}

// ColumnType is the storage type of a delivered value.
type ColumnType uint8

// The storage types.
const (
	TypeNull ColumnType = iota
	TypeInt
	TypeFloat
	TypeText
	TypeBlob
	TypeBool
	TypeDecimal // an exact number: Text has its digits, Float and Int are near it
)

// A Violation is the error of a write that a constraint forbids, with what the database tells about it: the name of the constraint, or its columns.
// Drivers return it for unique constraints.
type Violation struct {
	Kind       error // ErrUnique
	Constraint string
	Columns    []string
	Cause      error
}

func (v *Violation) Error() string { return v.Kind.Error() + ": " + v.Cause.Error() }

// Unwrap returns kind and cause.
func (v *Violation) Unwrap() []error { return []error{v.Kind, v.Cause} }

// Errors by kind. Drivers wrap their own errors in one of these; texts of a driver never reach a client.
var (
	ErrUnique     = errors.New("unique constraint violated")
	ErrForeignKey = errors.New("foreign key constraint violated")
	ErrNotNull    = errors.New("not-null constraint violated")
	ErrCheck      = errors.New("check constraint violated")
	ErrValue      = errors.New("value out of range or of wrong type")
	ErrBusy       = errors.New("database is busy")
	// ErrConflict is an ErrBusy because another transaction has changed the same rows at the same time.
	ErrConflict = fmt.Errorf("%w: rows were changed at the same time", ErrBusy)
	ErrFull     = errors.New("disk is full")
	// ErrRows is the error of a write that row-level security forbids: the values of the new row.
	ErrRows = errors.New("row-level security forbids the new row")
	// ErrRowsTenant is an ErrRows because the row would not be one of the tenant.
	ErrRowsTenant = fmt.Errorf("%w: it is not of the tenant", ErrRows)
	ErrReadOnly   = errors.New("database is read-only")
	ErrCanceled   = errors.New("statement was canceled")
	ErrClosed     = errors.New("database is closed")
)
