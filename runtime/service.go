package cds

import (
	"context"
	"log/slog"
	"time"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/authz"
	"cds/runtime/crypt"
	"cds/runtime/db"
)

// Before runs before the on-phase: it validates, completes and may reject. An error ends the request.
type Before func(ctx context.Context, r *RawRequest) error

// On answers the request, or calls next to let the handlers after it (last the generic one) do so.
type On func(ctx context.Context, r *RawRequest, next Next) (*Result, error)

// Next calls the following on-handler.
type Next func(ctx context.Context, r *RawRequest) (*Result, error)

// After sees the rows of a result and may change them.
type After func(ctx context.Context, r *RawRequest, res *Result) error

// A Match selects requests. Empty lists match everything; Entity names are local names of the service.
type Match struct {
	Events   []Event
	Entities []string
	// Name of the handler, for logs, explain and for replacing or removing generic ones; "" is allowed.
	Name string
}

// AppOptions configure an App.
type AppOptions struct {
	Authz      authz.Options
	Production bool
	// ModelAhead says that the model may be newer than generated code, as for a moment under cds watch: tables of generated policies are not
	// compared then. It has no effect in production. Enforcement always follows the model.
	ModelAhead bool
	Log        *slog.Logger     // nil: slog.Default()
	Now        func() time.Time // nil: time.Now
	NewUUID    func() string    // nil: version 7
	// Authorizers narrow decisions, in order (see Authorizer).
	Authorizers []Authorizer
	// OnRefused hears of every refusal and of rows that conditions have hidden, with the rules that decided: for people who develop. In production it is
	// never called, as answers must not tell rules.
	OnRefused     func(ctx context.Context, r Refusal)
	DefaultLocale string // "" means en
	// LogLevels say from which level on modules log (see App.Logger); "*" stands for those without one. nil leaves it to Log.
	LogLevels map[string]slog.Level
	Texts     Texts // translations of messages; nil for none
	// Sleep waits for background work; nil waits by the clock. It returns early, with an error, when ctx ends.
	Sleep func(ctx context.Context, d time.Duration) error
	// PageDefault and PageMax are the page sizes where no @cds.query.limit says otherwise; 0 means 1000.
	PageDefault, PageMax int
	Drafts               DraftOptions
	// SpoolDir is where media data that are too large for memory stay for the moment; "" for the system's folder for temporary files. Spool bounds all of
	// them together in bytes; 0 means 1 GB. Beyond it requests are answered by 503.
	SpoolDir string
	Spool    int64
	// Keys encrypt elements with @encrypted. A model that has some does not start without.
	Keys *crypt.Ring
}

// An App is a served model: services with handlers, one policy, one database. Handlers are registered before Start; after it the
// App is safe for concurrent use.
type App struct {
	Model    *csn.Model
	Policy   *authz.Policy
	Options  AppOptions
	DB       db.Pool
	services map[string]*Service
	inner    *app
}

// A Service is one service of the model with its handlers.
type Service struct {
	Model *csn.Service
	App   *App
	inner *service
}

// An Authorizer can narrow what the model's rules decided, never widen it: the decisions are combined by AND.
type Authorizer interface {
	Decide(ctx context.Context, a Access) (Narrowing, error)
}

// Access is what an Authorizer is asked about.
type Access struct {
	User    *User
	Event   Event
	Service *csn.Service
	Target  *csn.Entity
	Op      *csn.Operation
	// Request says that it is about a request itself, once for each, with the keys of its path in Params. All other questions are about the rows of one entity that
	// a query of the request touches, in whatever place.
	Request bool
	Params  []Keys
}

// A Narrowing is the answer of an Authorizer: deny, or a further condition on the target's rows. The zero value changes nothing.
type Narrowing struct {
	Deny   bool
	Reason string
	Where  cqn.Expr
}
