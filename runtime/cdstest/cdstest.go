// Package cdstest runs an application in a test: in memory, without a port, as any user.
//
// Every test gets its own App with its own database. Calls from code run through the services as the user of the context that As
// returns; HTTP scenarios run through the real server in the same process.
//
//	app := catalogtest.New(t, cdstest.Config{Dir: "..", Register: srv.Register})
//	_, err := catalog.InsertInto(catalog.Reviews, &catalog.Review{…}).Exec(app.As(""))
//	cdstest.Unauthorized(t, err)
//	app.HTTP().As("bob").GET("/odata/v4/catalog/Books(201)").Status(200).Contains("Wuthering")
package cdstest

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"cds/parser/csn"
	"cds/parser/diag"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/runtime/db"
	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgtest"
	"cds/runtime/db/sqlite"
	"cds/runtime/serve"
	"cds/strategies"
)

// Config says what to run. Model is needed.
type Config struct {
	Model func() (*csn.Model, error)
	// Dir is the project's folder, for configuration and data; "" means the working directory. FS takes its place if set.
	Dir string
	FS  fs.FS
	// Register registers the handlers, as in main.
	Register func(*cds.App) error
	// Users are known beside those of the configuration.
	Users []TestUser
	// Template lets tests share the work of deploying: each gets a copy. nil deploys anew.
	Template *Template
	// Database opens an empty database of the test's own, which the model is deployed to; nil means SQLite in memory, or with CDS_TEST_DB=postgres in
	// the environment a PostgreSQL server that is started for the tests.
	Database func(t testing.TB) db.Pool
	// Overrides are the strongest configuration.
	Overrides config.Section
	// Profiles are active instead of test.
	Profiles []string
	Now      func() time.Time // nil: time.Now
	// DefaultUser takes the place of the anonymous one, where authorization is not what the test is about: auth.Privileged may do everything. nil: nobody.
	DefaultUser *cds.User
	// Identify is what the application gives to serve.App.Identify, if anything.
	Identify serve.Identifier
}

// A TestUser is a user who exists in one test.
type TestUser struct {
	name    string
	section map[string]any
}

// User returns a user with the given name, roles and attributes, for Config.Users.
func User(name string, options ...func(*TestUser)) TestUser {
	u := TestUser{name, map[string]any{"password": name, "roles": []any{}}}
	for _, o := range options {
		o(&u)
	}
	return u
}

// Roles gives a user roles.
func Roles(roles ...string) func(*TestUser) {
	return func(u *TestUser) {
		for _, r := range roles {
			u.section["roles"] = append(u.section["roles"].([]any), r)
		}
	}
}

// Attr gives a user an attribute.
func Attr(name string, values ...string) func(*TestUser) {
	return func(u *TestUser) {
		attrs, _ := u.section["attr"].(map[string]any)
		if attrs == nil {
			attrs = map[string]any{}
			u.section["attr"] = attrs
		}
		list := make([]any, len(values))
		for i, v := range values {
			list[i] = v
		}
		attrs[name] = list
	}
}

// Tenant puts a user into a tenant.
func Tenant(name string) func(*TestUser) {
	return func(u *TestUser) { u.section["tenant"] = name }
}

// An App is a running application.
type App struct {
	CDS    *cds.App
	Server *serve.Server
	t      testing.TB
	log    *logBuffer
	count  *counter

	records *logBuffer // the log as JSON
	events  *captured

	anonymous *cds.User // or the default user
	template  *Template // nil if the test has a database of its own kind
	pool      db.Pool
}

// New starts the application. It ends with the test. Faults of the model or the configuration end the test at once.
func New(t testing.TB, cfg Config) *App {
	t.Helper()
	if cfg.Model == nil {
		t.Fatal("cdstest: Config.Model is missing")
	}
	a := &App{t: t, log: &logBuffer{}, records: &logBuffer{}, count: &counter{}, events: &captured{}, anonymous: auth.Anonymous}
	m, err := cfg.model()
	if err != nil {
		t.Fatalf("cdstest: model: %s", explain(err))
	}
	pool, err := a.connect(m, cfg)
	if err != nil {
		t.Fatalf("cdstest: database: %s", explain(err))
	}
	srv := serve.New(func() (*csn.Model, error) { return m, nil })
	srv.Databases(sqlite.New())
	srv.Strategies(strategies.Builtin())
	srv.Register(a.count.register)
	srv.Register(a.events.register)
	if cfg.Register != nil {
		srv.Register(cfg.Register)
	}
	if cfg.DefaultUser != nil {
		srv.DefaultUser(cfg.DefaultUser)
		a.anonymous = cfg.DefaultUser
	}
	if cfg.Identify != nil {
		srv.Identify(cfg.Identify)
	}
	profiles := cfg.Profiles
	if profiles == nil {
		profiles = []string{"test"}
	}
	a.Server, err = srv.Build(context.Background(), serve.Options{Dir: cfg.Dir, FS: cfg.FS, Env: environ(t, profiles), Profiles: profiles,
		Overrides: cfg.overrides(), Pool: pool, RowSecurity: a.lockRows, Now: cfg.Now, Log: slog.New(a.logHandler())})
	if err != nil {
		t.Fatalf("cdstest: %s", explain(err))
	}
	t.Cleanup(func() { a.Server.Close() })
	a.CDS = a.Server.CDS
	return a
}

// explain shows all diagnostics of an error that has some.
func explain(err error) string {
	var list diag.List
	var model *serve.ModelError
	switch {
	case errors.As(err, &model):
		list = model.Diags
	case errors.As(err, &list):
	default:
		return err.Error()
	}
	var b bytes.Buffer
	for _, d := range list {
		b.WriteString("\n  " + d.Severity.String() + "[" + string(d.Code) + "]: " + d.Message)
	}
	return b.String()
}

func (c Config) files() fs.FS {
	if c.FS != nil {
		return c.FS
	}
	if c.Dir == "" {
		return os.DirFS(".")
	}
	return os.DirFS(c.Dir)
}

// Postgres opens an empty PostgreSQL database for Config.Database. Where the server is not installed the test is skipped, or fails if CI=true is in the
// environment.
func Postgres(t testing.TB) db.Pool {
	t.Helper()
	pool, err := postgres.New().Open(context.Background(), pgtest.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// PostgresSchemas is for a test with many apps, one after the other: it returns what opens for each an empty schema of its own in one PostgreSQL database, in much
// less time than Postgres takes. Give it to Config.Database.
func PostgresSchemas(t testing.TB) func(testing.TB) db.Pool {
	t.Helper()
	next := pgtest.Schemas(t)
	return func(t testing.TB) db.Pool {
		t.Helper()
		cfg, err := next()
		if err != nil {
			t.Fatal(err)
		}
		pool, err := postgres.New().Open(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return pool
	}
}

// overrides makes the test run with mocked users, whatever the project's profiles say. The user "*", who lets any name in, is off: a
// misspelt name must not pass.
func (c Config) overrides() config.Section {
	users := map[string]any{"*": false}
	for _, u := range c.Users {
		users[u.name] = u.section
	}
	base := config.Section{"requires": map[string]any{"auth": map[string]any{"kind": "mocked", "users": users}},
		"encryption": map[string]any{"keys": []any{map[string]any{"kid": "test", "key": testKey}}}}
	if c.Overrides == nil {
		return base
	}
	return config.Merge(base, c.Overrides)
}

// UserNamed returns a mocked user as the configured strategy knows it; "" is the anonymous one, or Config.DefaultUser. An unknown user ends the test.
func (a *App) UserNamed(name string) *cds.User {
	a.t.Helper()
	if name == "" {
		return a.anonymous
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.SetBasicAuth(name, a.password(name))
	u, err := a.Server.Strategy.Authenticate(r.Context(), r)
	if err != nil || u == nil || !u.Identified() {
		a.t.Fatalf("cdstest: there is no user %q: %v", name, err)
	}
	return u
}

func (a *App) password(name string) string {
	a.t.Helper()
	users, _ := a.Server.Config.Get("requires.auth.users")
	all, _ := users.(map[string]any)
	pw, _ := all[name].(string) // the short form
	if user, ok := all[name].(map[string]any); ok {
		pw, _ = user["password"].(string)
	}
	if strings.HasPrefix(pw, "$argon2") || strings.HasPrefix(pw, "$2") && len(pw) == 60 {
		a.t.Fatalf("cdstest: the password of %q is kept as a hash, which nobody can log in with: give the test a user of that name in Config.Users", name)
	}
	return pw
}

// As returns a context for calls from code as a mocked user: catalog.From(catalog.Books).All(app.As("bob")). "" is the anonymous user.
func (a *App) As(name string) context.Context {
	a.t.Helper()
	return a.CDS.NewContext(a.t.Context(), a.UserNamed(name), "")
}

// In is As with a locale.
func (a *App) In(name, locale string) context.Context {
	a.t.Helper()
	return a.CDS.NewContext(a.t.Context(), a.UserNamed(name), locale)
}

// logHandler writes the log as text and as JSON.
func (a *App) logHandler() slog.Handler {
	opt := &slog.HandlerOptions{Level: slog.LevelDebug}
	return slog.NewMultiHandler(slog.NewTextHandler(a.log, opt), slog.NewJSONHandler(a.records, opt))
}

// Log returns what has been logged so far.
func (a *App) Log() string { return a.log.String() }

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

// A counter counts the requests that got as far as handlers.
type counter struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counter) register(app *cds.App) error {
	c.n = map[string]int{}
	for _, s := range app.Services() {
		s.Before(cds.Match{Name: "cdstest.count"}, func(_ context.Context, r *cds.RawRequest) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			name := s.Model.Name
			c.n[name]++
			if r.Target != nil {
				name = r.Target.Name
			}
			c.n[string(r.Event)+" "+name]++
			return nil
		})
	}
	return nil
}

// Handled returns how many requests got as far as handlers: Handled("OrderService") all of the service, Handled("CREATE OrderService.Orders")
// those of one kind. A denied request never gets there.
func (a *App) Handled(what string) int {
	a.count.mu.Lock()
	defer a.count.mu.Unlock()
	return a.count.n[what]
}

// Counts returns all counts.
func (a *App) Counts() map[string]int {
	a.count.mu.Lock()
	defer a.count.mu.Unlock()
	return maps.Clone(a.count.n)
}
