package policies

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	cds "cds/runtime"
	"cds/runtime/authz"
	"cds/runtime/db"
)

// Options say how policies are kept.
type Options struct {
	Extend  bool          // policies may grant
	Refresh time.Duration // between looks for what other processes have written; 0 means 5 s
	// Stale is how long the policies that were read last hold while they cannot be read; then everything is denied. 0 means a minute.
	Stale time.Duration
	Parse cds.ConditionParser
	Audit cds.Auditor // is told of changes, in their transactions; nil for nobody
}

func (o *Options) defaults() {
	if o.Refresh <= 0 {
		o.Refresh = 5 * time.Second
	}
	if o.Stale <= 0 {
		o.Stale = time.Minute
	}
}

// A Manager keeps the policy of an application in step with the table.
type Manager struct {
	app  *cds.App
	pool db.Pool
	opt  Options
	log  *slog.Logger

	counted bool // by the database: a look can read what has changed, and no more

	mu     sync.Mutex // of reading and using what was read, in this order
	read   time.Time  // when that worked last
	full   time.Time  // when everything was read last
	since  int64      // the change up to which everything was read
	kept   map[string]compiled
	shut   bool
	failed bool // the last look
}

// rereadAfter is after which time everything is read, whatever was counted: triggers can be switched off.
const rereadAfter = time.Minute

// compiled is what became of the policies for the users of a tenant, together with those for the users of all tenants, which are kept by "".
type compiled struct {
	seen   string // what was read
	policy *authz.Policy
}

// Open makes the table where it is missing, reads it, and lets the policies count. It fails where they cannot be read: without them more would be allowed
// than should be.
func Open(ctx context.Context, app *cds.App, pool db.Pool, opt Options) (*Manager, error) {
	if app == nil || pool == nil || opt.Parse == nil {
		return nil, errors.New("policies need an application, a database and a parser of conditions")
	}
	if e := Taken(app.Model); e != nil {
		return nil, &TableError{Message: "entity " + e.Name + " of the model has this table; give it another name"}
	}
	opt.defaults()
	m := &Manager{app: app, pool: pool, opt: opt, log: app.Logger("policies")}
	if err := Prepare(ctx, pool); err != nil {
		return nil, err
	}
	var err error
	if m.counted, err = counts(ctx, pool); err != nil {
		return nil, &TableError{"its changes cannot be looked for", err}
	}
	if !m.counted {
		m.log.WarnContext(ctx, "the database does not count changes of policies, so all of them are read at each look: cds deploy, as the owner of the table, makes it")
	}
	return m, m.Refresh(ctx)
}

// Load reads the policies of a database for people who ask about them, and lets them count. A database without the table has none.
func Load(ctx context.Context, app *cds.App, pool db.Pool, opt Options) (*Manager, error) {
	opt.defaults()
	m := &Manager{app: app, pool: pool, opt: opt, log: app.Logger("policies")}
	if n, err := hasColumns(ctx, pool); err != nil || n == 0 {
		return m, err
	}
	return m, m.Refresh(ctx)
}

// Start looks for changes of other processes from time to time, until the application ends.
func (m *Manager) Start(ctx context.Context) {
	m.app.Background(ctx, cds.Job{Name: "policies", After: m.opt.Refresh, Every: m.opt.Refresh, Run: func(ctx context.Context) error {
		_ = m.Refresh(ctx) // it has logged what went wrong
		return nil
	}})
}

// Refresh reads the policies and lets them count. Where that fails, those that were read last hold for a while, then everything is denied until they can
// be read again.
func (m *Manager) Refresh(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer func() {
		if x := recover(); x != nil { // older policies must not hold for ever because newer ones cannot be compiled
			m.fail(ctx, fmt.Errorf("%v", x))
			panic(x)
		}
	}()
	now := m.app.Options.Now()
	limit := m.left() // not longer than what was read last holds: a database that does not answer is noticed in time
	if limit <= 0 {
		limit = m.opt.Stale
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := m.look(ctx, now); err != nil {
		m.fail(ctx, err)
		return fmt.Errorf("policies: %w", err)
	}
	if m.failed {
		m.log.InfoContext(ctx, "policies can be read again")
	}
	m.read, m.failed = now, false
	return nil
}

// look reads what has changed and lets it count.
func (m *Manager) look(ctx context.Context, now time.Time) error {
	found := change{all: true}
	if m.counted {
		var err error
		if found, err = changes(ctx, m.pool, m.since); err != nil {
			return err
		}
	}
	if found.all || m.kept == nil || m.shut || m.full.IsZero() || now.Sub(m.full) >= rereadAfter || now.Before(m.full) {
		list, full, err := read(ctx, m.pool, "", true)
		if err == nil && slices.Contains(full, "") {
			err = ErrFull
		}
		if err != nil {
			return err
		}
		m.use(ctx, list, full)
		m.full, m.since = now, found.version
		return nil
	}
	if len(found.tenants) > 0 {
		next := maps.Clone(m.kept)
		for _, tenant := range found.tenants {
			list, full, err := read(ctx, m.pool, tenant, false)
			if err != nil {
				return err
			}
			m.ofTenant(ctx, next, tenant, list, len(full) > 0)
		}
		m.adopt(next)
	}
	m.since = found.version
	return nil
}

// digest tells lists apart.
func digest(list []Policy, full bool) string {
	b, err := json.Marshal(list)
	if err != nil { // texts and times can always be written
		return err.Error()
	}
	sum := sha256.Sum256(fmt.Appendf(b, "%t", full))
	return string(sum[:])
}

// fail is called with m.mu held.
func (m *Manager) fail(ctx context.Context, err error) {
	if !m.failed {
		m.log.ErrorContext(ctx, "policies cannot be read, those that were read last hold for now", "err", err.Error(), "for", m.opt.Stale.String())
	}
	m.failed = true
	if m.shut || m.left() > 0 {
		return
	}
	m.shut = true
	m.app.Policy.Use(m.app.Policy.Shut("the policies in the database cannot be read"))
	m.log.ErrorContext(ctx, "policies cannot be read, everything is denied until they can", "err", err.Error())
}

// left is how long what was read last still holds.
func (m *Manager) left() time.Duration {
	if m.read.IsZero() {
		return 0
	}
	return m.opt.Stale - m.app.Options.Now().Sub(m.read)
}

// use lets policies count, which come in the order of tenants. Those of tenants for which nothing has changed are not compiled again.
func (m *Manager) use(ctx context.Context, list []Policy, full []string) {
	own, rest := cut(list, "")
	all := compiled{seen: digest(own, false), policy: m.kept[""].policy}
	changed := m.shut || m.kept == nil || m.kept[""].seen != all.seen
	if changed {
		all.policy = m.policy(ctx, m.app.Policy, m.compile(own))
	}
	next := map[string]compiled{"": all}
	for len(rest) > 0 {
		tenant := rest[0].Tenant
		own, rest = cut(rest, tenant)
		changed = m.ofTenant(ctx, next, tenant, own, slices.Contains(full, tenant)) || changed
	}
	if !changed && len(next) == len(m.kept) {
		return
	}
	m.adopt(next)
}

// ofTenant adds to what shall hold the policies for the users of a tenant, of which there are too many if over is set, and reports whether they have changed.
func (m *Manager) ofTenant(ctx context.Context, next map[string]compiled, tenant string, own []Policy, over bool) (changed bool) {
	all := next[""]
	if len(own) == 0 {
		delete(next, tenant)
		return false
	}
	c := compiled{seen: all.seen + digest(own, over)}
	if old, ok := m.kept[tenant]; ok && old.seen == c.seen && !m.shut {
		next[tenant] = old
		return false
	}
	data := m.compile(own)
	if over { // none is left out: those users are denied everything
		data = append(data, authz.DataPolicy{ID: "*", Tenant: tenant, Entity: "*", Effect: authz.Refuse, Fault: ErrFull.Error()})
	}
	c.policy = m.policy(ctx, all.policy, data)
	next[tenant] = c
	return true
}

// adopt lets what was compiled count.
func (m *Manager) adopt(next map[string]compiled) {
	tenants := make(map[string]*authz.Policy, len(next))
	for tenant, c := range next {
		if tenant != "" {
			tenants[tenant] = c.policy
		}
	}
	m.kept, m.shut = next, false
	m.app.Policy.UseFor(next[""].policy, tenants)
}

// cut returns the policies of a tenant, with which a list may begin, and the others.
func cut(list []Policy, tenant string) (own, rest []Policy) {
	n := 0
	for n < len(list) && list[n].Tenant == tenant {
		n++
	}
	return list[:n], list[n:]
}

// policy adds to a policy what is compiled, and logs what does not fit.
func (m *Manager) policy(ctx context.Context, p *authz.Policy, data []authz.DataPolicy) *authz.Policy {
	if len(data) == 0 {
		return p
	}
	p, faults := p.With(data, m.opt.Extend)
	for _, f := range faults {
		if f.Closed == "" {
			m.log.WarnContext(ctx, "policy grants nothing", "policy", f.ID, "tenant", f.Tenant, "why", f.Message, "hint", f.Hint)
			continue
		}
		m.log.ErrorContext(ctx, "policy does not fit the model and denies what it is about", "policy", f.ID, "tenant", f.Tenant, "why", f.Message, "hint", f.Hint, "denies", f.Closed)
	}
	return p
}

// compile returns the active policies for the policy compiler.
func (m *Manager) compile(list []Policy) []authz.DataPolicy {
	var out []authz.DataPolicy
	for i := range list {
		if list[i].Active {
			d := list[i].compiled(m.opt.Parse)
			m.ask(&d)
			out = append(out, d)
		}
	}
	return out
}

// ask has the database's compiler look at a condition: what it does not take would fail requests, or hide them behind an error.
func (m *Manager) ask(d *authz.DataPolicy) {
	if d.Where == nil || d.Fault != "" || len(m.app.Policy.Check(*d, m.opt.Extend)) > 0 {
		return
	}
	for _, e := range m.app.Policy.Asked(*d) {
		if err := m.app.CheckCondition(d.Where, e); err != nil {
			d.Fault = "the condition " + d.Text + " cannot be asked on " + e.Name + ": " + err.Error()
			return
		}
	}
}

// Check says what is wrong with a policy, and returns warnings about one that is right. The error is an *Error.
func (m *Manager) Check(p *Policy) (warnings []string, err error) {
	if err := p.checkForm(); err != nil {
		return nil, err
	}
	d := p.compiled(m.opt.Parse)
	m.ask(&d)
	if faults := m.app.Policy.Check(d, m.opt.Extend); len(faults) > 0 {
		return nil, &Error{p.ID, faults[0].Message, faults[0].Hint}
	}
	return m.app.Policy.DataWarnings(d), nil
}

// A Checked is a policy with what is wrong with it.
type Checked struct {
	Policy
	Fault  string `json:"fault,omitempty"`  // why it does not fit the model
	Hint   string `json:"hint,omitempty"`   // what to do about that
	Denies string `json:"denies,omitempty"` // what it denies because of that
}

// List returns all policies, in the order of tenants and ids.
func (m *Manager) List(ctx context.Context) ([]Checked, error) {
	list, _, err := read(ctx, m.pool, "", true)
	return m.checked(list, err)
}

// ListOf returns the policies for the users of one tenant, or with "" those for users of all tenants, in the order of their ids.
func (m *Manager) ListOf(ctx context.Context, tenant string) ([]Checked, error) {
	list, _, err := read(ctx, m.pool, tenant, false)
	return m.checked(list, err)
}

// Get returns a policy for the users of a tenant, or with "" one for users of all tenants; ErrNotFound if it is not there.
func (m *Manager) Get(ctx context.Context, tenant, id string) (Checked, error) {
	tx, err := m.pool.Read(ctx, db.Session{})
	if err != nil {
		return Checked{}, fmt.Errorf("policies: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	p, err := one(ctx, tx, m.pool.Dialect(), tenant, id)
	if err != nil {
		return Checked{}, err
	}
	list, err := m.checked([]Policy{p}, nil)
	return list[0], err
}

func (m *Manager) checked(list []Policy, err error) ([]Checked, error) {
	if err != nil {
		return nil, fmt.Errorf("policies: %w", err)
	}
	out := make([]Checked, 0, len(list))
	for i := range list {
		p := &list[i]
		c := Checked{Policy: *p}
		d := p.compiled(m.opt.Parse)
		m.ask(&d)
		if faults := m.app.Policy.Check(d, m.opt.Extend); len(faults) > 0 {
			c.Fault, c.Hint = faults[0].Message, faults[0].Hint
			if p.Active {
				c.Denies = faults[0].Closed
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// Add writes a policy of a user and lets it count at once, here; other processes follow. An empty ID gets one. Errors are *Error, ErrExists, ErrFull, or of
// the database.
func (m *Manager) Add(ctx context.Context, u *cds.User, p *Policy) (warnings []string, err error) {
	if p.ID == "" {
		p.ID = m.app.Options.NewUUID()
	}
	p.Created = m.app.Options.Now().UTC().Truncate(time.Millisecond)
	p.Modified, p.CreatedBy, p.ModifiedBy = p.Created, u.ID, u.ID
	if warnings, err = m.Check(p); err == nil {
		err = m.within(u, p)
	}
	if err != nil {
		return nil, err
	}
	return warnings, m.change(ctx, u, "added", func(tx db.Tx) (Policy, error) { return *p, insert(ctx, tx, m.pool.Dialect(), p) })
}

// Remove removes a policy for the users of a tenant, or with "" one for users of all tenants.
func (m *Manager) Remove(ctx context.Context, u *cds.User, tenant, id string) error {
	return m.change(ctx, u, "removed", func(tx db.Tx) (Policy, error) {
		p, err := one(ctx, tx, m.pool.Dialect(), tenant, id)
		if err == nil {
			err = remove(ctx, tx, m.pool.Dialect(), tenant, id)
		}
		return p, err
	})
}

// Activate switches a policy on or off, one for the users of a tenant, or with "" one for users of all tenants.
func (m *Manager) Activate(ctx context.Context, u *cds.User, tenant, id string, active bool) error {
	return m.change(ctx, u, "changed", func(tx db.Tx) (Policy, error) {
		p, err := one(ctx, tx, m.pool.Dialect(), tenant, id)
		if err != nil {
			return p, err
		}
		if p.Active = active; active {
			if _, err := m.Check(&p); err != nil {
				return p, err
			}
			if err := m.within(u, &p); err != nil {
				return p, err
			}
		}
		p.Modified, p.ModifiedBy = m.app.Options.Now().UTC(), u.ID
		return p, activate(ctx, tx, m.pool.Dialect(), &p)
	})
}

// within refuses what somebody who belongs to a tenant must not open: rows that are not bound to his tenant, be they shared or those of other tenants.
func (m *Manager) within(u *cds.User, p *Policy) error {
	if u.Tenant == "" || authz.Effect(p.Effect) != authz.Extend || m.app.Policy.OfTenants(m.app.Model.Entity(p.Entity)) {
		return nil
	}
	return &Error{p.ID, "rows of " + p.Entity + " belong to no tenant, so who belongs to one cannot grant them", "somebody without a tenant can"}
}

// change writes in a transaction, with its record in the audit log, and lets the change count.
func (m *Manager) change(ctx context.Context, u *cds.User, what string, fn func(tx db.Tx) (Policy, error)) error {
	var done Policy
	err := db.InTx(ctx, m.pool, func(tx db.Tx) (err error) {
		if done, err = fn(tx); err != nil || m.opt.Audit == nil {
			return err
		}
		return m.opt.Audit.Store(ctx, tx, []cds.AuditEvent{{Kind: cds.AuditPolicy, Time: m.app.Options.Now().UTC(), User: u, Target: done.Entity,
			Rules: []string{"policy:" + done.ID}, Reason: what + ": " + done.String()}})
	})
	if err != nil {
		return err
	}
	m.log.WarnContext(ctx, "policy "+what, "policy", done.ID, "user", u.ID, "tenant", u.Tenant, "says", done.String())
	return m.Refresh(context.WithoutCancel(ctx))
}
