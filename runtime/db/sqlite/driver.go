// Package sqlite is the database driver for SQLite, in pure Go: connections, session variables, functions, error kinds and the
// dialect of its SQL.
//
// A pool has one connection that writes and several that read, in WAL mode, so readers never wait for the writer nor it for them. A
// database "in memory" is a private temporary file without syncing, removed by Close: SQLite's own memory databases cannot be shared
// between connections without their blocking one another.
//
// Foreign keys are not enforced by the database unless asked for (CAP's default as well): integrity is a matter of the model, checked by the
// runtime where a model asks for it.
package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cds/runtime/db"
	"cds/runtime/sqlgen"

	"zombiezen.com/go/sqlite"
)

type driver struct{ dialect sqlgen.Dialect }

// New returns the driver. Config.URL is a file name, or ":memory:" or "" for a private temporary database.
func New() db.Driver { return driver{Dialect()} }

func (d driver) Name() string            { return "sqlite" }
func (d driver) Dialect() sqlgen.Dialect { return d.dialect }

// Open opens or creates a database. Config.Synchronous defaults to "normal", for a private one to "off".
func (d driver) Open(ctx context.Context, cfg db.Config) (db.Pool, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p := &pool{dialect: d.dialect, sync: cfg.Synchronous, size: cfg.Readers, foreignKeys: cfg.ForeignKeys}
	if p.size <= 0 {
		p.size = min(max(2, runtime.GOMAXPROCS(0)), 8)
	}
	switch p.sync {
	case "", "full", "normal", "off":
	default:
		return nil, fmt.Errorf("synchronous is %q: expected full, normal or off", p.sync)
	}
	p.path = cfg.URL
	if cfg.URL == "" || cfg.URL == ":memory:" {
		if err := p.makePrivate(nil); err != nil {
			return nil, err
		}
	}
	if p.sync == "" {
		p.sync = "normal"
	}
	if err := p.start(); err != nil {
		p.removeDir()
		return nil, err
	}
	return p, nil
}

// Clone returns an independent private copy of a database, with everything committed so far. It takes the place of deploying anew
// for each test.
func Clone(ctx context.Context, from db.Pool) (db.Pool, error) {
	src, ok := from.(*pool)
	if !ok {
		return nil, fmt.Errorf("only an SQLite database can be cloned, not a %T", from)
	}
	c, err := src.acquire(ctx, src.writer, true)
	if err != nil {
		return nil, err
	}
	image, err := c.conn.Serialize("main")
	src.release(c)
	if err != nil {
		return nil, wrap(err)
	}
	p := &pool{dialect: src.dialect, size: src.size, foreignKeys: src.foreignKeys}
	if err := p.makePrivate(image); err != nil {
		return nil, err
	}
	if err := p.start(); err != nil {
		p.removeDir()
		return nil, err
	}
	return p, nil
}

// A pool keeps its connections in channels; a nil entry stands for one that has not been opened yet.
type pool struct {
	dialect     sqlgen.Dialect
	path        string
	dir         string // temporary directory to be removed by Close; "" for none
	sync        string
	size        int
	foreignKeys bool
	readers     chan *conn
	writer      chan *conn
	done        chan struct{} // closed by Close
	once        sync.Once
	commits     int // of the writer, who counts them
	maxLog      int64
	checking    atomic.Bool // a checkpoint is waiting or running
	held        holder
	closeWait   time.Duration // 0 for db.CloseWait
}

// makePrivate gives the pool a temporary file of its own, with the given content.
func (p *pool) makePrivate(image []byte) error {
	dir, err := os.MkdirTemp("", "cds-db-")
	if err != nil {
		return err
	}
	p.dir, p.path = dir, filepath.Join(dir, "db.sqlite")
	if p.sync == "" {
		p.sync = "off"
	}
	if image != nil {
		if err := os.WriteFile(p.path, image, 0o600); err != nil {
			p.removeDir()
			return err
		}
	}
	return nil
}

// start opens the writer, which makes the tables' file what it should be. A new file is for its owner only: it may hold anything, hashes of passwords too.
func (p *pool) start() error {
	if f, err := os.OpenFile(p.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err == nil { // of failures the database tells more
		_ = f.Close()
	}
	p.done, p.maxLog = make(chan struct{}), maxLog
	p.readers, p.writer = make(chan *conn, p.size), make(chan *conn, 1)
	for range p.size {
		p.readers <- nil
	}
	c, err := p.open(true)
	if err != nil {
		return err
	}
	if err := p.hold(c); err != nil {
		_ = c.close()
		return err
	}
	p.writer <- c
	return nil
}

func (p *pool) Dialect() sqlgen.Dialect { return p.dialect }

// open makes a connection.
func (p *pool) open(write bool) (*conn, error) {
	flags := sqlite.OpenReadWrite | sqlite.OpenCreate
	if !write {
		flags = sqlite.OpenReadOnly
	}
	raw, err := sqlite.OpenConn(p.path, flags)
	if err != nil {
		return nil, wrap(err)
	}
	c := &conn{pool: p, conn: raw, write: write}
	raw.SetBusyTimeout(busyTimeout)
	if err := c.setUp(p); err != nil {
		_ = raw.Close()
		return nil, wrap(err)
	}
	return c, nil
}

// acquire takes a connection out of a channel, opening it if need be.
func (p *pool) acquire(ctx context.Context, from chan *conn, write bool) (*conn, error) {
	select {
	case <-p.done:
		return nil, db.ErrClosed
	default:
	}
	select {
	case c := <-from: // without a look at ctx.Done, which may have to set a timer first
		return p.opened(c, from, write)
	default:
	}
	select {
	case c := <-from:
		return p.opened(c, from, write)
	case <-ctx.Done():
		return nil, fmt.Errorf("%w while waiting for a connection: %w", db.ErrCanceled, context.Cause(ctx))
	case <-p.done:
		return nil, db.ErrClosed
	}
}

// opened returns a connection that was taken out of a channel, opening it if it has not been yet.
func (p *pool) opened(c *conn, from chan *conn, write bool) (*conn, error) {
	if c != nil {
		return c, nil
	}
	c, err := p.open(write)
	if err != nil {
		from <- nil
		return nil, err
	}
	return c, nil
}

// release gives a connection back.
func (p *pool) release(c *conn) {
	if c.write {
		p.writer <- c
	} else {
		p.readers <- c
	}
}

// Close waits for running transactions, closes all connections and removes a private database.
func (p *pool) Close() error {
	var err error
	p.once.Do(func() {
		close(p.done)
		ctx, stop := context.WithTimeout(context.Background(), cmp.Or(p.closeWait, db.CloseWait))
		defer stop()
		open := 0
		for i := range p.size + 1 {
			from := p.readers
			if i == p.size {
				from = p.writer
			}
			if c, ok := unused(ctx, from); !ok {
				open++
			} else if c != nil {
				err = errors.Join(err, c.close())
			}
		}
		if open > 0 {
			err = errors.Join(err, fmt.Errorf("%w: closed with %d open transactions", db.ErrBusy, open))
		}
		p.held.index.release(open == 0)
		err = errors.Join(err, p.removeDir())
	})
	return err
}

// unused waits for a connection that nobody uses.
func unused(ctx context.Context, from chan *conn) (c *conn, ok bool) {
	select {
	case c = <-from:
		return c, true
	default:
	}
	select {
	case c = <-from:
		return c, true
	case <-ctx.Done():
		return nil, false
	}
}

func (p *pool) removeDir() error {
	if p.dir == "" || !strings.Contains(filepath.Base(p.dir), "cds-db-") {
		return nil
	}
	return os.RemoveAll(p.dir)
}

// Read begins a transaction that sees one state of the database from its first statement on.
func (p *pool) Read(ctx context.Context, s db.Session) (db.Tx, error) {
	return p.begin(ctx, p.readers, s, false)
}

// ReadOne begins a transaction for one statement, which SQLite brackets itself.
func (p *pool) ReadOne(ctx context.Context, s db.Session) (db.Tx, error) {
	return p.begin(ctx, p.readers, s, true)
}

// Write begins a transaction that may change data. It waits for the one before it, in this process or another.
func (p *pool) Write(ctx context.Context, s db.Session) (db.Tx, error) {
	return p.begin(ctx, p.writer, s, false)
}

func (p *pool) begin(ctx context.Context, from chan *conn, s db.Session, one bool) (db.Tx, error) {
	c, err := p.acquire(ctx, from, from == p.writer)
	if err != nil {
		return nil, err
	}
	c.session = s
	c.watch(ctx)
	var t *tx
	if c.write {
		t, err = &tx{c: c}, c.run("BEGIN IMMEDIATE")
	} else {
		t, err = p.beginRead(c, one)
	}
	if err != nil {
		c.unwatched()
		p.release(c)
		return nil, err
	}
	return t, nil
}
