// Package authztest makes test cases from the restrictions of a model, tries them at all doors of an application in memory, and measures how many changes
// of the restrictions would be noticed.
//
// For every position of @requires and @restrict it looks for users and rows that it lets through and that it just does not: without the role, without the
// attribute, with a row on the other side of each comparison, with null, with nothing behind an exists, of another tenant. What must come of them is told by
// an evaluator of its own, which keeps to the annotations as they are written and looks at all rows in memory; it shares no code with the policy compiler and
// the query compiler, so that a fault of these is a difference.
package authztest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	cds "cds/runtime"
	"cds/runtime/authz"
	"cds/runtime/crypt"
	"cds/runtime/db"
	"cds/runtime/deploy"
	"cds/runtime/generic"
)

// Now is the time of all requests.
const Now = "2026-01-01T12:00:00.000Z"

// Options say how a model is tried.
type Options struct {
	Authz authz.Options
	// Seed makes other rows. The same seed makes the same cases.
	Seed uint64
	// Register registers the application's handlers; nil for none.
	Register func(*cds.App) error
	// App are further settings of the application.
	App func(*cds.AppOptions)
	// Databases makes the databases; nil for SQLite in memory.
	Databases Databases
	// Policies makes policies as data too, which narrow what the model grants.
	Policies bool
	made     []authz.DataPolicy
	// Service leaves all other services out, by its absolute name; "" for none.
	Service string
}

// An app is an application in memory with made-up rows.
type app struct {
	*cds.App
	databases Databases
	saved     Kept
	pool      db.Pool
	ctx       context.Context
	late      *atomic.Int64 // how much later than Now it is, in nanoseconds
}

func (a *app) close() error {
	var all []error
	if a.pool != nil {
		all = append(all, a.databases.Drop(a.pool))
	}
	if a.saved != nil {
		all = append(all, a.saved.Drop())
	}
	return errors.Join(all...)
}

// keep keeps the rows as they are, for restore.
func (a *app) keep() (err error) {
	pool := a.pool
	a.pool = nil
	if a.saved, err = a.databases.Keep(a.ctx, pool); err != nil {
		return err
	}
	if a.pool, err = a.saved.Copy(a.ctx); err == nil {
		a.Connect(a.pool)
	}
	return err
}

// pass makes it so much later than Now.
func (a *app) pass(d time.Duration) { a.late.Store(int64(d)) }

// restore gives the database the rows back that it had.
func (a *app) restore() error {
	if r, ok := a.saved.(resetter); ok && r.Reset(a.ctx, a.pool) {
		return nil
	}
	fresh, err := a.saved.Copy(a.ctx)
	if err != nil {
		return err
	}
	old := a.pool
	a.pool = fresh
	a.Connect(fresh)
	return a.databases.Drop(old)
}

// open starts an application on an empty database, or on a copy of one that another application with the same tables has filled.
func open(ctx context.Context, m *csn.Model, opt Options, filled Kept) (*app, diag.List, error) {
	now, err := time.Parse(time.RFC3339Nano, Now)
	if err != nil {
		return nil, nil, err
	}
	late := &atomic.Int64{}
	o := cds.AppOptions{Authz: opt.Authz, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now.Add(time.Duration(late.Load())) }}
	if opt.App != nil {
		opt.App(&o)
	}
	if o.Keys == nil {
		o.Keys = crypt.Samples()
	}
	c, diags := cds.NewApp(m, o)
	if c == nil || diags.HasErrors() {
		return nil, diags, nil
	}
	if len(opt.made) > 0 {
		q, faults := c.Policy.With(opt.made, false)
		if len(faults) > 0 {
			return nil, nil, fmt.Errorf("a policy that was made up does not fit the model: %s: %s", faults[0].ID, faults[0].Message)
		}
		c.Policy.Use(q)
	}
	generic.Install(c)
	if opt.Register != nil {
		if err := opt.Register(c); err != nil {
			return nil, nil, err
		}
	} else {
		c.StandInMasks()
	}
	a := &app{App: c, ctx: ctx, databases: opt.Databases, late: late}
	if a.databases == nil {
		a.databases = inMemory{}
	}
	if filled != nil {
		a.pool, err = filled.Copy(ctx)
	} else if a.pool, err = a.databases.Empty(ctx); err == nil {
		err = deploy.New(ctx, a.pool, m, deploy.Options{Log: slog.New(slog.DiscardHandler)})
	}
	if err == nil {
		c.Connect(a.pool)
		err = c.Start(ctx)
	}
	if err != nil {
		return nil, nil, errors.Join(err, a.close())
	}
	return a, diags, nil
}

// world makes the rows of an application.
func (a *app) world(opt Options) *world {
	w := &world{app: a.App, ctx: a.ctx, now: Now, tenants: []string{""}, bound: map[*csn.Entity]bool{}, standIns: opt.Register == nil}
	w.policy = readPolicy(a.Model, opt.Authz.RestrictAllServices)
	w.policy.given(a.Model, opt.made)
	if a.Policy.Tenants() {
		w.tenants = []string{ours, other}
		for _, t := range a.Policy.TenantTables() {
			w.bound[t.Entity] = t.Bound
		}
	}
	w.spare = newSpare(w, opt.Seed)
	w.forget()
	return w
}

// The rows that are made at first and in each further round for what was not reached, and how many rounds there are.
const (
	firstRows = 14
	moreRows  = 22
	maxRounds = 5
)

// Run makes the cases of a model and tries them. The diagnostics are those of a policy that does not compile; then there is no report.
func Run(ctx context.Context, m *csn.Model, opt Options) (*Report, diag.List, error) {
	t, diags, err := newTrial(ctx, m, opt)
	if t == nil || err != nil {
		return nil, diags, err
	}
	rep, err := t.run()
	return rep, diags, errors.Join(err, t.close())
}

// A trial is an application with rows, and the cases that were made for it.
type trial struct {
	*app
	opt  Options
	made *maker
}

func newTrial(ctx context.Context, m *csn.Model, opt Options) (*trial, diag.List, error) {
	if opt.Policies {
		opt.made = madePolicies(m, opt.Seed)
	}
	a, diags, err := open(ctx, m, opt, nil)
	if a == nil || err != nil {
		return nil, diags, err
	}
	t := &trial{app: a, opt: opt, made: a.world(opt).cases(opt)}
	if err := a.keep(); err != nil {
		return nil, diags, errors.Join(err, a.close())
	}
	return t, diags, nil
}

// run tries all cases.
func (t *trial) run() (*Report, error) {
	x := &runner{doors: newDoors(t.made.w, t.App), restore: t.restore, pass: t.pass, names: map[string]bool{}}
	for _, c := range t.made.cases {
		if err := x.run(c); err != nil {
			return nil, err
		}
	}
	return t.made.report(x), nil
}

// cases makes rows until all is reached that can be, and the cases.
func (w *world) cases(opt Options) *maker {
	w.spare.fill(firstRows)
	for round := 1; ; round++ {
		mk := &maker{w: w, oracles: map[string]*oracle{}, only: opt.Service}
		mk.all()
		mk.lists()
		mk.together()
		if mk.wanting == 0 || round == maxRounds {
			mk.settle()
			return mk
		}
		w.spare.fill(moreRows)
	}
}

// newSpare prepares what rows are made of: the values that the conditions of the model compare.
func newSpare(w *world, seed uint64) *spare {
	s := &spare{Rand: newRand(seed), w: w, pools: newPools(), count: map[*csn.Entity]int{}, odd: map[*csn.Entity]int{}, keys: map[*csn.Entity]map[string][]*cqn.Row{}, lost: map[*csn.Entity]string{}}
	for _, e := range w.app.Model.Entities {
		if q, ok := e.Source.(*cqn.Select); ok && e.Base != nil { // what a view shows at all
			s.pools.note(q.Where, e.Base, e.Base, nil, 0)
		}
		if r := w.policy.rules[e]; r != nil && e.Active == nil {
			for _, list := range [][]*privilege{r.grants, r.denies} {
				for _, p := range list {
					for _, x := range p.where {
						s.pools.note(x, e, e, nil, 0)
					}
				}
			}
		}
	}
	for key, r := range w.policy.rules {
		if _, ok := key.(*csn.Entity); ok {
			continue
		}
		for _, list := range [][]*privilege{r.grants, r.denies} {
			for _, p := range list {
				for _, x := range p.where {
					s.pools.note(x, nil, nil, nil, 0)
				}
			}
		}
	}
	return s
}

// lists makes a case for everybody who reads an entity: all that is listed, compared with all that may be seen.
func (m *maker) lists() {
	type asked struct {
		e    *csn.Entity
		user string
	}
	done := map[asked]bool{}
	for _, c := range slices.Clone(m.cases) {
		if c.Event != evRead || c.e == nil || c.op != nil || c.el != nil || c.e.Exposure == csn.AutoExposed || limited(c.e) || done[asked{c.e, c.User.String()}] {
			continue
		}
		done[asked{c.e, c.User.String()}] = true
		o := m.oracle(c.u)
		x, ok := o.entity(c.e, evRead, false)
		l := &Case{At: c.At, Rule: c.Rule, Event: evRead, Goal: "the whole list", User: c.User, Target: c.Target, Expect: "allowed", service: c.service, e: c.e, u: c.u, x: x, keys: []string{}}
		if ok {
			for _, r := range m.w.of(c.e) {
				if o.sees(r) {
					l.keys = append(l.keys, r.id())
				}
			}
			slices.Sort(l.keys)
		} else {
			l.Expect = statusText(x)
		}
		if o.fault == "" {
			m.cases = append(m.cases, l)
		}
	}
}

// limited reports whether the model lists less than there is.
func limited(e *csn.Entity) bool {
	for _, as := range []csn.Annotations{e.Annotations, e.Service.Annotations} {
		for i := range as {
			if strings.HasPrefix(as[i].Name, "cds.query.limit") {
				return true
			}
		}
	}
	return false
}
