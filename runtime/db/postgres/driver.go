// Package postgres is the database driver for PostgreSQL: connections, session variables, the forms of values, error kinds and the
// dialect of its SQL.
//
// Reading transactions are REPEATABLE READ READ ONLY: they see one state of the database. Writing ones are REPEATABLE READ too, so that what
// a handler has read and checked still holds when it writes; of two that change the same row at once the second fails with db.ErrBusy
// and may be tried again. Unlike with SQLite, any failed statement ends the use of its transaction, up to the last savepoint.
//
// Views ask the connection who is asking by the variables that CAP uses as well (cap.applicationuser, cap.locale, …), set for one
// transaction at a time.
package postgres

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

const (
	defaultConns   = 10
	connectTimeout = 10 * time.Second
	// idleTimeout is how long the server waits for the next statement of a transaction.
	idleTimeout = 5 * time.Minute
	// endTimeout bounds the end of a transaction, which must not depend on the request's context.
	endTimeout = 5 * time.Second
	// cancelGrace is how long a canceled statement may take to answer before its connection is given up.
	cancelGrace = 2 * time.Second
)

type driver struct{ dialect sqlgen.Dialect }

// New returns the driver. Config.URL is a connection URL (postgres://user:password@host/database) or a list of key=value words, as
// libpq takes them. If it is empty, Config.Credentials has host (or hostname), port, user (or username), password, database (or dbname), and optionally
// schema, sslmode, sslrootcert, sslcert, sslkey (files or PEM), ssl as Node's driver has it; or uri or url with a URL. Config.Readers bounds the connections, readers and writers together; 10 by default.
func New() db.Driver { return driver{Dialect()} }

func (d driver) Name() string            { return "postgres" }
func (d driver) Dialect() sqlgen.Dialect { return d.dialect }

// Open connects to an existing database. The error never has the password in it.
func (d driver) Open(ctx context.Context, cfg db.Config) (db.Pool, error) {
	if cfg.Synchronous != "" && cfg.Synchronous != "full" && cfg.Synchronous != "normal" && cfg.Synchronous != "off" {
		return nil, fmt.Errorf("synchronous is %q: expected full, normal or off", cfg.Synchronous)
	}
	pc, err := poolConfig(cfg)
	if err != nil {
		return nil, err
	}
	pp, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, wrap(err)
	}
	ctx, stop := context.WithTimeout(ctx, connectTimeout)
	defer stop()
	if err := pp.Ping(ctx); err != nil {
		pp.Close()
		return nil, wrap(err)
	}
	p := &pool{dialect: d.dialect, pool: pp, free: make(chan struct{}, pc.MaxConns), patience: cfg.AcquireTimeout}
	if cfg.RowKey != nil {
		p.rows, p.dialect = &rowSecurity{key: cfg.RowKey, now: time.Now}, RowSecurityDialect()
	}
	return p, nil
}

// poolConfig says how to connect: what the user configured, with settings on which the forms of values and literals depend.
func poolConfig(cfg db.Config) (*pgxpool.Config, error) {
	text := cfg.URL
	if text == "" {
		text = credentialsURL(cfg.Credentials)
	}
	if text == "" {
		return nil, errors.New("no database is named: expected a connection URL or credentials with host and database")
	}
	pc, err := pgxpool.ParseConfig(text)
	if err != nil {
		// The library's message repeats the URL.
		return nil, errors.New("the connection URL cannot be read: expected postgres://user:password@host:port/database")
	}
	params := pc.ConnConfig.RuntimeParams
	for name, value := range map[string]string{
		"client_encoding": "UTF8", "timezone": "UTC", "datestyle": "ISO, YMD", "standard_conforming_strings": "on", "extra_float_digits": "1",
	} {
		params[name] = value
	}
	if params["application_name"] == "" {
		params["application_name"] = "cds"
	}
	if s := cfg.Credentials["schema"]; s != "" {
		params["search_path"] = `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	if cfg.Synchronous == "off" {
		params["synchronous_commit"] = "off"
	}
	pc.MaxConns = defaultConns
	if cfg.Readers > 0 {
		pc.MaxConns = int32(min(cfg.Readers, 1000))
	}
	pc.MinConns = int32(min(max(cfg.MinConns, 0), int(pc.MaxConns)))
	if cfg.IdleTimeout > 0 {
		pc.MaxConnIdleTime = cfg.IdleTimeout
	}
	pc.AfterConnect = settings(cfg)
	if err := certificates(pc.ConnConfig, cfg.Credentials); err != nil {
		return nil, err
	}
	pc.ConnConfig.ConnectTimeout = connectTimeout
	return pc, nil
}

// settings returns what is done with a new connection. Statements outside of a transaction only read; a statement is ended by the server itself if this
// process is gone or stuck, and so is a transaction that nobody goes on with.
func settings(cfg db.Config) func(context.Context, *pgx.Conn) error {
	sql := "SET default_transaction_read_only = on; SET idle_in_transaction_session_timeout = '" + milliseconds(idleTimeout) + "'"
	if cfg.StatementTimeout > 0 {
		sql += "; SET statement_timeout = '" + milliseconds(cfg.StatementTimeout) + "'"
	}
	return func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.PgConn().Exec(ctx, sql).ReadAll()
		return err
	}
}

func milliseconds(d time.Duration) string {
	return strconv.FormatInt(max(d.Milliseconds(), 1), 10) + "ms"
}

// certificates takes certificates that a binding has as text. Those in files are the business of the connection URL.
func certificates(c *pgx.ConnConfig, cred map[string]string) error {
	ca := first(cred, "ssl.ca", "sslrootcert")
	cert, key := first(cred, "ssl.cert", "sslcert"), first(cred, "ssl.key", "sslkey")
	if !isPEM(ca) && !isPEM(cert) {
		return nil
	}
	conf := &tls.Config{ServerName: c.Host, MinVersion: tls.VersionTLS12}
	if isPEM(ca) {
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM([]byte(ca)) {
			return errors.New("the credentials' certificate of the authority (sslrootcert) cannot be read: expected PEM")
		}
	}
	if isPEM(cert) {
		pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
		if err != nil {
			return errors.New("the credentials' client certificate (sslcert, sslkey) cannot be read: expected PEM")
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	c.TLSConfig, c.Fallbacks = conf, nil
	return nil
}

func isPEM(s string) bool { return strings.HasPrefix(s, "-----BEGIN") }

func first(c map[string]string, names ...string) string {
	for _, n := range names {
		if c[n] != "" {
			return c[n]
		}
	}
	return ""
}

// credentialsURL puts a URL together from the fields of a binding; "" if there are none.
func credentialsURL(c map[string]string) string {
	if u := first(c, "uri", "url"); u != "" {
		return u
	}
	host, name := first(c, "host", "hostname"), first(c, "database", "dbname")
	if host == "" && name == "" {
		return ""
	}
	u := url.URL{Scheme: "postgres", Path: "/" + name}
	q := url.Values{}
	if host != "" && host[0] == '/' { // a folder with a socket
		q.Set("host", host)
		if p := c["port"]; p != "" {
			q.Set("port", p)
		}
	} else if u.Host = host; c["port"] != "" {
		u.Host = net.JoinHostPort(host, c["port"])
	}
	if user := first(c, "user", "username"); user != "" {
		u.User = url.User(user)
		if c["password"] != "" {
			u.User = url.UserPassword(user, c["password"])
		}
	}
	for _, n := range []string{"sslmode", "sslrootcert", "sslcert", "sslkey"} {
		if c[n] != "" && !isPEM(c[n]) {
			q.Set(n, c[n])
		}
	}
	if mode := sslMode(c); mode != "" && c["sslmode"] == "" {
		q.Set("sslmode", mode)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// sslMode says what the option ssl of Node's driver means: true checks the server's certificate, unless ssl.rejectUnauthorized is false.
func sslMode(c map[string]string) string {
	switch {
	case c["ssl.rejectUnauthorized"] == "false":
		return "require"
	case c["ssl"] == "true", c["ssl.rejectUnauthorized"] == "true", c["ssl.ca"] != "":
		return "verify-full"
	case c["ssl"] == "false":
		return "disable"
	}
	return ""
}

// A pool hands out connections of pgx's pool as transactions.
type pool struct {
	dialect sqlgen.Dialect
	pool    *pgxpool.Pool
	rows    *rowSecurity // nil where the database has none
	// free has an element for each connection in use, at most as many as there may be.
	free      chan struct{}
	closeWait time.Duration // 0 for db.CloseWait
	patience  time.Duration // the wait for one; 0 for no limit
	idle      atomic.Int32  // connections that were given back and not taken again, more or less: some may be closed by now
	closed    atomic.Bool
	once      sync.Once
	// schema counts scripts run here: they may change tables that prepared statements know.
	schema atomic.Int64
}

func (p *pool) Dialect() sqlgen.Dialect { return p.dialect }

// Close waits for running transactions and closes all connections.
func (p *pool) Close() error {
	var err error
	p.once.Do(func() {
		p.closed.Store(true)
		done := make(chan struct{})
		go func() { // which outlives the wait only where a transaction is never ended
			p.pool.Close()
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(cmp.Or(p.closeWait, db.CloseWait)):
			err = fmt.Errorf("%w: closed with %d open transactions", db.ErrBusy, p.pool.Stat().AcquiredConns())
		}
	})
	return err
}

// Read begins a transaction that sees one state of the database from its first statement on.
func (p *pool) Read(ctx context.Context, s db.Session) (db.Tx, error) {
	return p.begin(ctx, tx{session: s, begin: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"})
}

// ReadOne begins a transaction for one statement, which goes to the server in one message.
func (p *pool) ReadOne(ctx context.Context, s db.Session) (db.Tx, error) {
	return p.begin(ctx, tx{session: s, one: true})
}

// Write begins a transaction that may change data.
func (p *pool) Write(ctx context.Context, s db.Session) (db.Tx, error) {
	return p.begin(ctx, tx{session: s, begin: "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE", write: true})
}

// begin takes a connection. The server hears of the transaction with its first statement.
func (p *pool) begin(ctx context.Context, start tx) (db.Tx, error) {
	pc, err := p.acquire(ctx)
	if err != nil {
		return nil, err
	}
	t := &start
	t.pool, t.pooled, t.c, t.ctx = p, pc, connOf(pc.Conn().PgConn()), ctx
	t.rows.t, t.rows.c = t, t.c
	if err := t.c.renew(ctx, p.schema.Load()); err != nil {
		t.release()
		return nil, err
	}
	return t, nil
}

// acquire takes a connection from the pool, waiting for one no longer than configured.
func (p *pool) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	if p.closed.Load() {
		return nil, db.ErrClosed
	}
	select {
	case p.free <- struct{}{}: // without a timer, which costs more than a free connection
	default:
		if err := p.wait(ctx); err != nil {
			return nil, err
		}
	}
	if p.idle.Load() > 0 { // it will not have to wait, and not to connect: looking at the context costs more than the connection
		p.idle.Add(-1)
		ctx = context.Background()
	}
	pc, err := p.pool.Acquire(ctx)
	if err == nil {
		return pc, nil
	}
	<-p.free
	if p.closed.Load() {
		return nil, db.ErrClosed
	}
	return nil, wrap(err)
}

// wait waits until a connection is free.
func (p *pool) wait(ctx context.Context) error {
	short := patience // looking at the context costs more than most waits
	if p.patience > 0 {
		short = min(short, p.patience)
	}
	timer := time.NewTimer(short)
	defer timer.Stop()
	select {
	case p.free <- struct{}{}:
		return nil
	case <-timer.C:
	}
	var late <-chan time.Time
	if p.patience > 0 {
		timer.Reset(p.patience - short)
		late = timer.C
	}
	select {
	case p.free <- struct{}{}:
		return nil
	case <-late:
		return fmt.Errorf("%w: no connection was free for %s", db.ErrBusy, p.patience)
	case <-ctx.Done():
		return fmt.Errorf("%w while waiting for a connection: %w", db.ErrCanceled, context.Cause(ctx))
	}
}

// giveBack returns a connection to the pool, which closes it if it is not idle.
func (p *pool) giveBack(pc *pgxpool.Conn) {
	pc.Release()
	p.idle.Add(1)
	<-p.free
}
