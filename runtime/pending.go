package cds

import (
	"context"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/runtime/db"
)

type (
	state   struct{}
	app     struct{}
	service struct{}
)

// NewApp compiles the policy of a model and makes an App without handlers. The list has what the policy compiler found; with errors
// in it the App is nil.
func NewApp(m *csn.Model, opt AppOptions) (*App, diag.List) { panic("pending") }

// Connect gives the App its database.
func (a *App) Connect(p db.Pool) { panic("pending") }

// Start freezes registration and gets ready to serve (warms plans). No handler may be registered after it.
func (a *App) Start(ctx context.Context) error { panic("pending") }

// Service returns the service with the given absolute name, nil if the model has none.
func (a *App) Service(name string) *Service { panic("pending") }

// Services returns all services in order of the model.
func (a *App) Services() []*Service { panic("pending") }

// Before, On and After register handlers; they run in order of registration, application handlers before generic ones in the
// on-phase. Generic checks (validation, managed elements) are named before-entries that run ahead of the user's.
func (s *Service) Before(m Match, h Before) { panic("pending") }
func (s *Service) On(m Match, h On)         { panic("pending") }
func (s *Service) After(m Match, h After)   { panic("pending") }

// GenericOn registers a handler of last resort; GenericBefore one that runs ahead of the application's. For package generic.
func (s *Service) GenericBefore(m Match, h Before) { panic("pending") }
func (s *Service) GenericOn(m Match, h On)         { panic("pending") }
func (s *Service) GenericAfter(m Match, h After)   { panic("pending") }

// Dispatch is the only way into a service. It authorizes, opens a transaction unless ctx already has one of the same App (a
// nested call), runs the phases and commits.
func (s *Service) Dispatch(ctx context.Context, r *RawRequest) (*Result, error) { panic("pending") }

// Run sends a query through the service: authorized again, handlers run.
func (s *Service) Run(ctx context.Context, q cqn.Query) (*Result, error) { panic("pending") }

// Call calls an operation of the service from code.
func (s *Service) Call(ctx context.Context, op string, params *Row) (*Result, error) {
	panic("pending")
}

// Authorize decides without running anything: doors use it for the service root, $metadata and before naming what a path does not
// have. A nil error means allowed; else an *Error with 401, 403 or 405.
func (s *Service) Authorize(u *User, e Event, path []*csn.Entity, via []*csn.Element, op *csn.Operation) error {
	panic("pending")
}

// Execute runs a query on the database with the request's guard woven in. It is what generic handlers end with. Reads may go deep
// (expands); writes are flat: one table, no nested rows.
func (r *RawRequest) Execute(ctx context.Context, q cqn.Query) (*Result, error) { panic("pending") }

// Error, Warn and Info collect messages; collected errors end the request after the phase they were made in.
func (r *RawRequest) Error(status int, code, target, message string, args ...any) { panic("pending") }
func (r *RawRequest) Warn(code, message string)                                   { panic("pending") }
func (r *RawRequest) Info(code, message string)                                   { panic("pending") }

// Subject is the query for the rows that the request addresses (path, keys); guarded when run.
func (r *RawRequest) Subject() *cqn.Select { panic("pending") }

// UserFrom returns the user of the request that ctx belongs to, Anonymous outside requests.
func UserFrom(ctx context.Context) *User { panic("pending") }

// AppFrom returns the App of the request (or App.NewContext) that ctx belongs to, nil outside of both. The typed query builders
// find their service through it.
func AppFrom(ctx context.Context) *App { panic("pending") }

// NewContext returns a context for calls from code outside requests: AppFrom, UserFrom and LocaleFrom find a, u and locale in it.
func (a *App) NewContext(ctx context.Context, u *User, locale string) context.Context { panic("pending") }

// Privileged runs fn with every check passed. The reason is logged with the user who caused it.
func Privileged(ctx context.Context, reason string, fn func(ctx context.Context) error) error {
	panic("pending")
}

// Database gives code access to the database of the request, in its transaction. It is not authorized: no guard, no handlers.
type Database struct{ inner *state }

// DB returns the database of the request that ctx belongs to.
func DB(ctx context.Context) *Database { panic("pending") }

// Run runs a query as the database's owner.
func (d *Database) Run(ctx context.Context, q cqn.Query) (*Result, error) { panic("pending") }
