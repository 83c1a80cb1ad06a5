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
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"

	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

const (
	defaultConns   = 10
	connectTimeout = 10 * time.Second
	// endTimeout bounds the end of a transaction, which must not depend on the request's context.
	endTimeout = 5 * time.Second
	// cancelGrace is how long a canceled statement may take to answer before its connection is given up.
	cancelGrace = 2 * time.Second
)

type driver struct{ dialect sqlgen.Dialect }

// New returns the driver. Config.URL is a connection URL (postgres://user:password@host/database) or a list of key=value words, as
// libpq takes them. If it is empty, Config.Credentials has host (or hostname), port, user (or username), password, database (or dbname), and optionally
// schema, sslmode, sslrootcert; or uri with a URL. Config.Readers bounds the connections, readers and writers together; 10 by default.
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
	return &pool{dialect: d.dialect, pool: pp}, nil
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
	pc.ConnConfig.ConnectTimeout = connectTimeout
	pc.ConnConfig.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: cancelGrace}
	}
	return pc, nil
}

// credentialsURL puts a URL together from the fields of a binding; "" if there are none.
func credentialsURL(c map[string]string) string {
	first := func(names ...string) string {
		for _, n := range names {
			if c[n] != "" {
				return c[n]
			}
		}
		return ""
	}
	if u := first("uri", "url"); u != "" {
		return u
	}
	host, name := first("host", "hostname"), first("database", "dbname")
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
	if user := first("user", "username"); user != "" {
		u.User = url.User(user)
		if c["password"] != "" {
			u.User = url.UserPassword(user, c["password"])
		}
	}
	for _, n := range []string{"sslmode", "sslrootcert"} {
		if c[n] != "" {
			q.Set(n, c[n])
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// A pool hands out connections of pgx's pool as transactions.
type pool struct {
	dialect sqlgen.Dialect
	pool    *pgxpool.Pool
	closed  atomic.Bool
	once    sync.Once
	// schema counts scripts run here: they may change tables that prepared statements know.
	schema atomic.Int64
}

func (p *pool) Dialect() sqlgen.Dialect { return p.dialect }

// Close waits for running transactions and closes all connections.
func (p *pool) Close() error {
	p.once.Do(func() {
		p.closed.Store(true)
		p.pool.Close()
	})
	return nil
}

// Read begins a transaction that sees one state of the database.
func (p *pool) Read(ctx context.Context, s db.Session) (db.Tx, error) {
	return p.begin(ctx, s, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", false)
}

// Write begins a transaction that may change data.
func (p *pool) Write(ctx context.Context, s db.Session) (db.Tx, error) {
	return p.begin(ctx, s, "BEGIN ISOLATION LEVEL REPEATABLE READ", true)
}

func (p *pool) begin(ctx context.Context, s db.Session, begin string, write bool) (db.Tx, error) {
	if p.closed.Load() {
		return nil, db.ErrClosed
	}
	pc, err := p.pool.Acquire(ctx)
	if err != nil {
		if p.closed.Load() {
			return nil, db.ErrClosed
		}
		return nil, wrap(err)
	}
	c := connOf(pc.Conn().PgConn())
	t := &tx{pool: p, pooled: pc, c: c, ctx: ctx, write: write}
	err = c.renew(ctx, p.schema.Load())
	if err == nil {
		err = c.begin(ctx, begin, s)
	}
	if err != nil {
		pc.Release() // which closes it if the transaction has begun
		return nil, err
	}
	return t, nil
}
