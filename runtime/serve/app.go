// Package serve wires an application: configuration, database, policy, services, doors and the HTTP server. It is the one place where
// things find each other; there are no registries and no init functions.
//
// A main package looks like this:
//
//	func main() {
//		app := serve.New(model.Model)          // generated: the embedded model
//		app.Databases(sqlite.New(), postgres.New())
//		app.Strategies(strategies.Builtin())
//		app.Register(srv.Register)             // the application's handlers
//		app.Main()
//	}
package serve

import (
	"io"
	"io/fs"
	"log/slog"
	"time"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/runtime/db"
	"cds/runtime/odata/edmx"
	"cds/runtime/rls"
)

// NewStrategy makes a strategy from the section requires.auth of the configuration. Errors stop the start.
type NewStrategy = func(cfg config.Section) (auth.Strategy, error)

// An App is an application before it is configured: a model and what may be chosen by configuration.
type App struct {
	model      func() (*csn.Model, error)
	drivers    map[string]db.Driver
	strategies map[string]NewStrategy
	register   []func(*cds.App) error
	data       fs.FS
	openapi    func(*csn.Model, *csn.Service, string) ([]byte, error)
	// openapiByRole is openapi where descriptions follow roles.
	openapiByRole func(*csn.Model, *csn.Service, string, *edmx.View) ([]byte, error)
	ext           extensions
	parse         func(text string) (cqn.Expr, diag.List) // reads conditions at run time; nil for none
}

// New returns an application that serves a model. model is called once per Build.
func New(model func() (*csn.Model, error)) *App {
	return &App{model: model, drivers: map[string]db.Driver{}, strategies: map[string]NewStrategy{}}
}

// Databases adds database drivers; requires.db.kind chooses one by its name.
func (a *App) Databases(drivers ...db.Driver) {
	for _, d := range drivers {
		a.drivers[d.Name()] = d
	}
}

// Strategies adds authentication strategies by kind; requires.auth.kind chooses one. The kind chain, which asks several of them, is always there.
func (a *App) Strategies(table map[string]NewStrategy) {
	for kind, n := range table {
		a.strategies[kind] = n
	}
}

// Strategy adds one authentication strategy, or replaces a built-in one.
func (a *App) Strategy(kind string, n NewStrategy) { a.strategies[kind] = n }

// Register adds a function that registers handlers. They run in order, once per Build; an error stops the start.
func (a *App) Register(fn func(*cds.App) error) { a.register = append(a.register, fn) }

// OpenAPI sets what makes the description that a REST service has at openapi.json, with a page to try it at $api-docs:
//
//	app.OpenAPI(openapi.REST) // of cds/codegen/openapi
//
// describe gets the path that the service is served at. Without it REST services have neither. server.api_docs switches the page on or off; by default it is off in production.
func (a *App) OpenAPI(describe func(m *csn.Model, s *csn.Service, path string) ([]byte, error)) {
	a.openapi = describe
}

// OpenAPIByRole sets what makes the description where it follows the roles of who asks (authz.metadata: 'role'): it shows what the view shows.
//
//	app.OpenAPIByRole(openapi.RESTByRole)
//
// Without it REST services have no description then.
func (a *App) OpenAPIByRole(describe func(m *csn.Model, s *csn.Service, path string, v *edmx.View) ([]byte, error)) {
	a.openapiByRole = describe
}

// Data sets where CSV files are looked for (db/data, db/csv, data below it). Default: the project's folder.
func (a *App) Data(files fs.FS) { a.data = files }

// Options configure one Build. The zero value serves the project in the working directory as its configuration says.
type Options struct {
	Dir      string   // project folder; "" means "."
	FS       fs.FS    // used instead of Dir if set
	Env      []string // process environment; nil means os.Environ()
	Profiles []string // from the command line
	InMemory bool     // a private database in memory, whatever is configured
	// Overrides are the strongest configuration, for tests.
	Overrides config.Section
	// Pool is a deployed database to use; nil opens and (in memory) deploys one.
	Pool db.Pool
	// RowSecurity is called, where Pool has row-level security, with what it should have, before that is compared. Tests deploy it.
	RowSecurity func(*rls.Schema) error
	Log         *slog.Logger     // nil: text on standard error, JSON in production
	Now         func() time.Time // nil: time.Now
	Out         io.Writer        // for banners; nil: none
}
