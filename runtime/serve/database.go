package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"cds/runtime/config"
	"cds/runtime/db"
	"cds/runtime/deploy"
)

// A Database is what the configuration says about the database of an application, ready for its driver.
type Database struct {
	Kind   string // of driver: "sqlite", "postgres"
	Config db.Config
	Shown  string // for people: no secrets
	Memory bool   // private to the process and gone with it
}

// defaultAcquire is how long a request waits for a database connection.
const defaultAcquire = 5 * time.Second

// kindNames are other names of kinds, as CAP knows them. The kind sql is SQLite, with the profile pg PostgreSQL.
var kindNames = map[string]string{"sql": "sqlite", "better-sqlite": "sqlite", "postgresql": "postgres", "legacy-sqlite": "sqlite", "legacy-postgres": "postgres"}

// DatabaseOf reads requires.db, by the names that CAP has for it: kind, credentials (url; host, port, user, password, database, schema, ssl and the names of
// service bindings for them), pool (min, max, acquireTimeoutMillis, idleTimeoutMillis), and our own synchronous and statement_timeout (in
// seconds; the request's limit by default). PostgreSQL without credentials takes the variable DATABASE_URL.
func DatabaseOf(cfg *config.Config, opt Options) (Database, error) {
	sec := cfg.Sub("requires.db")
	d := Database{Kind: sec.Str("kind")}
	cred := credentials(sec.Sub("credentials"))
	if kind, ok := kindNames[d.Kind]; ok {
		d.Kind = kind
		if d.Kind == "sqlite" && cfg.Is("pg") {
			d.Kind = "postgres"
		}
	}
	if opt.InMemory || d.Kind == "" {
		d.Kind, cred = "sqlite", nil
	}
	d.Config = db.Config{Credentials: cred, Synchronous: sec.Str("synchronous"),
		MinConns: sec.Int("pool.min", 0), Readers: sec.Int("pool.readers", sec.Int("pool.max", 0)),
		AcquireTimeout:   time.Duration(sec.Int("pool.acquireTimeoutMillis", int(defaultAcquire.Milliseconds()))) * time.Millisecond,
		IdleTimeout:      time.Duration(sec.Int("pool.idleTimeoutMillis", 0)) * time.Millisecond,
		StatementTimeout: time.Duration(sec.Int("statement_timeout", cfg.Int("server.request_timeout", 30))) * time.Second,
	}
	if d.Config.Synchronous == "" && cfg.Is(config.Production) {
		d.Config.Synchronous = "full"
	}
	d.Config.ForeignKeys = cfg.Str("features.assert_integrity") == "db"
	if d.Kind == "sqlite" && !cfg.Is(config.Production) {
		d.sqlite(opt)
		return d, nil
	}
	rows, err := RowSecurityOf(cfg)
	if err != nil {
		return d, err
	}
	if d.Kind == "sqlite" {
		if rows.On {
			return d, &StartError{"rls-database", "requires.db.rls asks for row-level security, which SQLite does not have", "use PostgreSQL, or take the setting away"}
		}
		d.sqlite(opt)
		return d, nil
	}
	d.Config.RowKey = rows.Key
	return d, d.server(opt)
}

// sqlite finds the file. A relative name is one in the project.
func (d *Database) sqlite(opt Options) {
	file := d.Config.Credentials["url"]
	if file == "" {
		file = d.Config.Credentials["database"]
	}
	file = strings.TrimPrefix(file, "file:")
	d.Config.Credentials = nil
	if file == "" || file == ":memory:" {
		d.Config.URL, d.Memory, d.Shown = ":memory:", true, "sqlite in memory"
		return
	}
	if !strings.HasPrefix(file, "/") && opt.Dir != "" && opt.Dir != "." {
		file = opt.Dir + "/" + file
	}
	d.Config.URL, d.Shown = file, "sqlite "+file
}

// server finds the address of a database server.
func (d *Database) server(opt Options) error {
	c := d.Config.Credentials
	if c["url"] == "" && c["uri"] == "" && c["host"] == "" && c["hostname"] == "" && c["database"] == "" && c["dbname"] == "" {
		if u := opt.variable("DATABASE_URL"); strings.HasPrefix(u, "postgres") {
			c = map[string]string{"url": u}
			d.Config.Credentials = c
		}
	}
	if len(c) == 0 {
		return &StartError{"db-credentials-missing", fmt.Sprintf("database kind %q has no credentials", d.Kind),
			"set requires.db.credentials (host, port, user, password, database), the variables cds_requires_db_credentials_host and so on, or DATABASE_URL"}
	}
	d.Shown = d.Kind + " " + address(c)
	return nil
}

// address tells where a server is: never who comes and with what password.
func address(c map[string]string) string {
	get := func(names ...string) string {
		for _, n := range names {
			if c[n] != "" {
				return c[n]
			}
		}
		return ""
	}
	if text := get("uri", "url"); text != "" {
		u, err := url.Parse(text)
		if err != nil || !strings.HasPrefix(u.Scheme, "postgres") {
			return "(address not shown)"
		}
		return u.Host + u.EscapedPath()
	}
	host := get("host", "hostname")
	if port := c["port"]; port != "" {
		host += ":" + port
	}
	name := get("database", "dbname")
	if s := c["schema"]; s != "" {
		name += "." + s
	}
	return host + "/" + name
}

// credentials flattens the section: nested names are joined by dots.
func credentials(sec config.Section) map[string]string {
	out := map[string]string{}
	for _, k := range sec.Keys() {
		if sub := sec.Sub(k); sub != nil {
			for n, v := range credentials(sub) {
				out[k+"."+n] = v
			}
			continue
		}
		if v := sec.Str(k); v != "" {
			out[k] = v
		}
	}
	return out
}

// Open connects. Errors are *StartError without anything secret in them; the cause is in Cause.
func (d Database) Open(ctx context.Context, drivers map[string]db.Driver) (db.Pool, error) {
	driver, ok := drivers[d.Kind]
	if !ok {
		return nil, &StartError{"db-kind-unknown", fmt.Sprintf("database kind %q is not known", d.Kind),
			"known kinds: " + strings.Join(slices.Sorted(maps.Keys(drivers)), ", ")}
	}
	pool, err := driver.Open(ctx, d.Config)
	if err == nil {
		return pool, nil
	}
	hint := "check requires.db.credentials"
	if errors.Is(err, db.ErrBusy) {
		hint = "is the server running and reachable? check requires.db.credentials"
	}
	return nil, fmt.Errorf("%w", &openError{StartError{"db-connect", "the database can't be opened: " + d.Shown, hint}, err})
}

// An openError is a StartError with the driver's error, which may name more than everybody should read.
type openError struct {
	StartError
	cause error
}

// Unwrap makes it a *StartError for those who look for one; its cause is for logs.
func (e *openError) Unwrap() []error { return []error{&e.StartError, e.cause} }

// connect opens the configured database. One in memory is deployed from the model at once, a file only where it is new. Others are deployed by
// `cds deploy`.
func (s *Server) connect(ctx context.Context, a *App) error {
	if s.opt.Pool != nil {
		s.pool, s.Database = s.opt.Pool, "given by the caller"
		s.CDS.Connect(s.pool)
		return nil
	}
	d, err := DatabaseOf(s.Config, s.opt)
	if err != nil {
		return err
	}
	fresh := d.Memory
	if !fresh && d.Kind == "sqlite" {
		_, err := os.Stat(d.Config.URL)
		fresh = errors.Is(err, fs.ErrNotExist)
	}
	pool, err := d.Open(ctx, a.drivers)
	if err != nil {
		s.logOpen(err)
		return err
	}
	s.pool, s.ownPool, s.Database = pool, true, d.Shown
	if d.Memory && s.Config.Is(config.Production) {
		s.Notes = append(s.Notes, "the database is in memory: all data are gone when the server stops; configure requires.db")
	}
	switch {
	case fresh:
		err = s.deployFresh(ctx, a, d)
	default:
		err = s.compareDeployed(ctx)
	}
	if err != nil {
		pool.Close()
		return err
	}
	s.CDS.Connect(pool)
	return nil
}

// deployFresh deploys to a database that is new. One that outlives the process remembers what was deployed, so that `cds deploy` can change it later.
func (s *Server) deployFresh(ctx context.Context, a *App, d Database) error {
	opt := deploy.Options{Files: a.data, Log: s.Log, TestData: !s.Config.Is(config.Production), NoIndexes: !s.Config.Bool("requires.db.indexes", true),
		Integrity: d.Config.ForeignKeys, Keys: s.CDS.Options.Keys}
	if opt.Files == nil {
		opt.Files = s.opt.files()
	}
	if d.Memory {
		return deploy.New(ctx, s.pool, s.Model, opt)
	}
	return deploy.Evolve(ctx, s.pool, s.Model, opt)
}

// compareDeployed notes if the database was not deployed from the model that is served: requests would fail then where the two differ.
func (s *Server) compareDeployed(ctx context.Context) error {
	known, same, err := deploy.Compare(ctx, s.pool, s.Model, s.Config.Str("features.assert_integrity") == "db")
	switch {
	case err != nil:
		s.Log.Error("database", "err", err)
		return &StartError{"db-read", "what is deployed in the database can't be read: " + s.Database, "check the rights of the user in requires.db.credentials; cds deploy deploys the model"}
	case !known:
		s.Notes = append(s.Notes, "the database does not say what is deployed in it; cds deploy deploys the model")
	case !same:
		s.Notes = append(s.Notes, "the database was deployed from another state of the model; cds deploy brings it up to date")
	}
	return nil
}

// logOpen logs why a database could not be opened: the driver's own words have no password in them, but more than the error tells everybody.
func (s *Server) logOpen(err error) {
	var o *openError
	if errors.As(err, &o) {
		s.Log.Error("database", "err", o.cause)
	}
}
