package cds

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/runtime/auth"
	"cds/runtime/authz"
	"cds/runtime/crypt"
	"cds/runtime/db"
)

// app is the private part of an App.
type app struct {
	order  []*Service
	plans  *planCache
	rights rightsCache
	// readOnly tells elements whose values never come from a payload; nil for none.
	readOnly func(e *csn.Entity, el *csn.Element) bool
	started  atomic.Bool
	refused  error // why Start must fail

	hierarchy     *auth.Hierarchy          // roles that include roles; nil if there are none
	box           *crypt.Box               // for encrypted elements
	accounts      *accounts                // nil without an Auditor
	observer      func(Observed)           // nil but for reports
	slices        map[*csn.Entity]cqn.Expr // conditions on temporal entities; nil if there are none
	sqlLog        *slog.Logger             // logs statements; nil unless asked for
	subscriptions []subscription
	subscribers   subscribers
	jobs          jobs
	served        []func(context.Context) error
	shutdown      []func()
	streams       atomic.Int32 // answers that flow while they are read
	spooled       atomic.Int64 // bytes of room for media data in temporary files
	rowSecurity   bool         // the database has row-level security, see claims.go
	claims        []Claim
	masks         map[string]maskFunc // functions for masks; nil for none
}

// NewApp compiles the policy of a model and makes an App without handlers. The list has what the policy compiler found; with errors
// in it the App is nil.
func NewApp(m *csn.Model, opt AppOptions) (*App, diag.List) {
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.NewUUID == nil {
		opt.NewUUID = newUUID
	}
	if opt.DefaultLocale == "" {
		opt.DefaultLocale = "en"
	}
	if opt.PageDefault == 0 {
		opt.PageDefault = 1000
	}
	if opt.PageMax == 0 {
		opt.PageMax = 1000
	}
	opt.Authz.Production = opt.Authz.Production || opt.Production
	if opt.Authz.Production {
		opt.OnRefused = nil
	}
	opt.Drafts.defaults()
	m, faults := csn.WithDrafts(m, opt.Drafts.Lock.String())
	if m == nil {
		return nil, faults
	}
	policy, diags := authz.Compile(m, opt.Authz)
	if diags.HasErrors() || policy == nil {
		return nil, diags
	}
	a := &App{Model: m, Policy: policy, Options: opt, services: make(map[string]*Service, len(m.Services)), inner: &app{plans: newPlanCache(maxPlans), hierarchy: policy.Hierarchy()}}
	a.inner.slices = findTemporal(m)
	if box, err := crypt.NewBox(m, opt.Keys); err != nil {
		a.Refuse(err)
	} else {
		a.inner.box = box
	}
	a.inner.sqlLog = a.statementLog()
	for _, sm := range m.Services {
		s := &Service{Model: sm, App: a, inner: &service{}}
		a.services[sm.Name] = s
		a.inner.order = append(a.inner.order, s)
	}
	return a, diags
}

// newUUID makes a time-ordered UUID (version 7), so that keys of new rows lie side by side in an index.
func newUUID() string {
	id, err := uuid.NewV7()
	if err != nil { // the system's random source failed: version 4 would need it too
		panic(fmt.Errorf("no random numbers: %w", err))
	}
	return id.String()
}

// Connect gives the App its database. It belongs before Start; without a database only handlers of the application can answer.
func (a *App) Connect(p db.Pool) { a.DB = p }

// Refuse makes Start fail with err; errors add up. It is for what prepares an App and finds something in the model that it can't serve.
func (a *App) Refuse(err error) { a.inner.refused = errors.Join(a.inner.refused, err) }

// Start freezes registration and gets ready to serve. Registering a handler after it panics: it is a fault of the program.
func (a *App) Start(ctx context.Context) error {
	if a.inner.started.Load() {
		return errors.New("app is started already")
	}
	if a.inner.refused != nil {
		return a.inner.refused
	}
	if err := a.checkMasks(); err != nil {
		return err
	}
	for _, s := range a.inner.order {
		if err := s.inner.err; err != nil {
			return err
		}
		s.freeze()
	}
	a.inner.started.Store(true)
	ctx = a.NewContext(ctx, nil, "")
	for _, fn := range a.inner.served {
		if err := fn(ctx); err != nil {
			a.inner.started.Store(false)
			return err
		}
	}
	a.inner.jobs.begin()
	return nil
}

// Service returns the service with the given absolute name, nil if the model has none.
func (a *App) Service(name string) *Service { return a.services[name] }

// Services returns all services in order of the model.
func (a *App) Services() []*Service { return a.inner.order }
