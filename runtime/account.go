package cds

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

// An Auditor keeps account of what users do: of refusals, of code that was elevated, and of reading and writing what the model says is personal. The
// runtime tells it at the one place where statements are run, so nothing that goes deep or is written by handlers passes it by.
type Auditor interface {
	// Watch says what is noted about an entity, nil for nothing. It is called when the App starts, once for each entity.
	Watch(e *csn.Entity) *Watch
	// Store writes events in the transaction of the data that they are about. An error fails the request.
	Store(ctx context.Context, tx db.Tx, events []AuditEvent) error
	// Keep writes events that hang on no transaction, at the end of a request that has none any more. An error fails the request.
	Keep(ctx context.Context, events []AuditEvent) error
	// Offer is Keep for callers that may be in a transaction: it does not wait.
	Offer(ctx context.Context, e AuditEvent)
}

// A Watch says what of an entity is noted. Names are those of flat elements.
type Watch struct {
	Reads   []string // elements whose reading is noted
	Changes []string // elements whose changes are noted
	Columns []string // what else is to be known of a row, beside its keys
}

// AuditKind says what an AuditEvent is about.
type AuditKind uint8

// The kinds of events.
const (
	AuditDenied     AuditKind = iota + 1 // a user was refused something
	AuditPrivileged                      // code has passed the checks, with a reason
	AuditRead                            // watched elements were read
	AuditInsert                          // rows were written
	AuditUpdate
	AuditDelete
	AuditLogin  // who somebody is was not accepted
	AuditPolicy // a policy beside the model's was written, changed or removed
)

// An AuditEvent is something to be kept account of. Those about rows have an Entity.
type AuditEvent struct {
	Kind    AuditKind
	Time    time.Time
	User    *User
	Service string
	Event   Event  // of the request
	Target  string // of the request
	Rules   []string
	Status  int
	Reason  string
	Client  string // address, where it is known
	Entity  *csn.Entity
	Names   []string // elements that were read
	Rows    []AuditRow
}

// An AuditRow is a row that was read or written: its keys and the columns that the Watch asks for, and what has changed.
type AuditRow struct {
	Row     *Row
	Changes []Change
}

// accounts are what an App with an Auditor knows.
type accounts struct {
	auditor Auditor
	watches map[*csn.Entity]*Watch
	reads   bool // some entity has elements whose reading is noted
}

// Audit gives the App an Auditor. It belongs before Start.
func (a *App) Audit(z Auditor) {
	acc := &accounts{auditor: z, watches: map[*csn.Entity]*Watch{}}
	for _, e := range a.Model.Entities {
		if w := z.Watch(e); w != nil {
			acc.watches[e] = w
			acc.reads = acc.reads || len(w.Reads) > 0
		}
	}
	a.inner.accounts = acc
}

// event returns an AuditEvent with what is known of the request that ctx belongs to.
func (t *unit) event(ctx context.Context, kind AuditKind, u *User) AuditEvent {
	e := AuditEvent{Kind: kind, Time: t.now, User: u}
	if s := scopeOf(ctx); s != nil && s.request != nil && s.unit == t {
		r := s.request
		e.Service, e.Event, e.Target = r.Service.Model.Name, r.Event, entityName(r.Target)
		if r.state != nil {
			e.Rules = r.state.decision.Rules
		}
	}
	return e
}

// note keeps an event until the unit of work ends: it is written also if that fails.
func (t *unit) note(e AuditEvent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.noted = append(t.noted, e)
}

// noteDenied notes a refusal.
func (r *RawRequest) noteDenied(status int, reason string) {
	acc := r.Service.App.inner.accounts
	if acc == nil {
		return
	}
	st := r.state
	e := AuditEvent{Kind: AuditDenied, Time: st.unit.now, User: r.User, Service: r.Service.Model.Name, Event: st.access.Event, Target: entityName(r.Target),
		Rules: st.decision.Rules, Status: status, Reason: reason}
	if st.access.Op != nil {
		e.Event = Event(st.access.Op.LocalName())
	}
	st.unit.note(e)
}

// noteRefused notes the refusal that a request ends with, unless account is kept of it already: handlers refuse, too.
func (r *RawRequest) noteRefused(err error) {
	var e *Error
	if r.state == nil || !errors.As(err, &e) || e.Status != 401 && e.Status != 403 || r.state.unit.hasRefused(r.User) {
		return
	}
	r.noteDenied(e.Status, e.Code+" "+e.Message)
}

// hasRefused reports whether a refusal of the user is noted.
func (t *unit) hasRefused(u *User) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.ContainsFunc(t.noted, func(e AuditEvent) bool { return e.Kind == AuditDenied && e.User == u })
}

// admitted keeps an event of a door: with the unit of work that it takes part in, else at once. The request ends with a refusal either way.
func (acc *accounts) admitted(ctx context.Context, e AuditEvent) {
	if s := scopeOf(ctx); s != nil && s.unit != nil && !s.unit.isEnded() {
		s.unit.note(e)
		return
	}
	_ = acc.auditor.Keep(context.WithoutCancel(ctx), []AuditEvent{e}) // the Auditor logs what it cannot keep
}

// notePrivileged notes that code passes the checks.
func (s *scope) notePrivileged(ctx context.Context, acc *accounts, reason string) {
	u := s.user
	if u == nil {
		u = anonymous
	}
	if s.unit != nil && !s.unit.isEnded() {
		e := s.unit.event(ctx, AuditPrivileged, u)
		e.Reason = reason
		s.unit.note(e)
		return
	}
	acc.auditor.Offer(ctx, AuditEvent{Kind: AuditPrivileged, Time: s.app.Options.Now().UTC(), User: u, Reason: reason})
}

// storeNoted writes what was noted in the transaction that is about to be committed, if it writes.
func (t *unit) storeNoted(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.noted) == 0 || t.tx == nil || !t.tx.Writable() || t.ended {
		return nil
	}
	if err := t.flush(t.ctx); err != nil {
		return err
	}
	if err := t.app.inner.accounts.auditor.Store(ctx, t.tx, t.noted); err != nil {
		return auditFailed(err)
	}
	t.noted = nil
	return nil
}

// keepNoted writes what was noted and is not in a transaction, when the unit of work has ended.
func (t *unit) keepNoted(ctx context.Context) error {
	t.mu.Lock()
	all := t.noted
	t.noted = nil
	t.mu.Unlock()
	if len(all) == 0 {
		return nil
	}
	if err := t.app.inner.accounts.auditor.Keep(context.WithoutCancel(ctx), all); err != nil {
		return auditFailed(err)
	}
	return nil
}

// auditFailed is the answer where account can't be kept.
func auditFailed(err error) error {
	return &Error{Status: 503, Code: "503", Message: "Service Unavailable", Cause: fmt.Errorf("audit: %w", err)}
}

// watched returns what is noted about the entity that a write is about; nil for nothing.
func (t *unit) watched(q cqn.Query) (*csn.Entity, *Watch) {
	acc := t.app.inner.accounts
	if acc == nil || len(acc.watches) == 0 {
		return nil, nil
	}
	var e *csn.Entity
	switch q := q.(type) {
	case *cqn.Insert:
		e = t.app.Model.Entity(q.Into)
	case *cqn.Update:
		e = t.app.addressee(q.Entity)
	case *cqn.Delete:
		e = t.app.addressee(q.From)
	}
	if w := acc.watches[e]; w != nil && len(w.Changes) > 0 {
		return e, w
	}
	return nil, nil
}

// addressee returns the entity that a path leads to, nil if it is not known.
func (a *App) addressee(ref *cqn.Ref) *csn.Entity {
	if ref == nil {
		return nil
	}
	return largeEntity(a, &cqn.Select{From: &cqn.From{Path: ref}})
}

// write runs an Insert, Update or Delete of one table, and keeps account of it. row has the values of the columns that are set.
func (t *unit) write(ctx context.Context, q cqn.Query, g sqlgen.Guarder, u *User, row *Row) (int64, error) {
	e, w := t.watched(q)
	if w == nil {
		return t.writeOne(ctx, q, g, u, row)
	}
	ev := t.event(ctx, AuditInsert, u)
	ev.Entity = e
	var before []*Row
	var names, computed []string
	switch q := q.(type) {
	case *cqn.Insert:
		n, err := t.writeOne(ctx, q, g, u, row)
		if err == nil && n > 0 {
			ev.Rows = append(ev.Rows, AuditRow{veiled(e, row), changes(e, w.Changes, nil, row)})
			err = t.account(ctx, ev)
		}
		return n, err
	case *cqn.Update:
		ev.Kind = AuditUpdate
		if names, computed = changing(q, w.Changes); len(names) == 0 {
			return t.writeOne(ctx, q, g, u, row)
		}
		var err error
		if before, err = t.before(ctx, &cqn.Select{From: &cqn.From{Path: q.Entity}, Where: q.Where}, e, w, names, asUse{openElements{g}, sqlgen.Update}, u); err != nil {
			return 0, err
		}
	case *cqn.Delete:
		ev.Kind = AuditDelete
		var err error
		if before, err = t.before(ctx, &cqn.Select{From: &cqn.From{Path: q.From}, Where: q.Where}, e, w, w.Changes, asUse{openElements{g}, sqlgen.Delete}, u); err != nil {
			return 0, err
		}
	}
	n, err := t.writeOne(ctx, q, g, u, row)
	if err != nil || n == 0 {
		return n, err
	}
	for _, old := range before {
		now := cqn.NewRow()
		if ev.Kind == AuditUpdate {
			if now, err = t.after(ctx, e, old, row, computed, u); err != nil {
				return 0, err
			}
			if c := changes(e, names, old, now); len(c) > 0 {
				ev.Rows = append(ev.Rows, AuditRow{veiled(e, merged(old, now)), c})
			}
			continue
		}
		ev.Rows = append(ev.Rows, AuditRow{veiled(e, old), changes(e, w.Changes, old, now)})
	}
	if len(ev.Rows) == 0 {
		return n, nil
	}
	return n, t.account(ctx, ev)
}

// changing returns those of the watched elements that an update sets, and those of them that the database computes.
func changing(q *cqn.Update, watched []string) (names, computed []string) {
	for _, f := range q.Data.Fields() {
		if slices.Contains(watched, f.Name) {
			names = append(names, f.Name)
		}
	}
	for _, a := range q.With {
		if slices.Contains(watched, a.Name) && !slices.Contains(names, a.Name) {
			names = append(names, a.Name)
		}
		if slices.Contains(watched, a.Name) {
			computed = append(computed, a.Name)
		}
	}
	return names, computed
}

// before reads the rows that a write is about.
func (t *unit) before(ctx context.Context, q *cqn.Select, e *csn.Entity, w *Watch, names []string, g sqlgen.Guarder, u *User) ([]*Row, error) {
	q.Columns = columnsNamed(e, w.Columns, names)
	if err := t.beginWrite(); err != nil { // not in a snapshot that the write would leave
		return nil, err
	}
	rows, _, err := t.readRows(ctx, q, g, u, 0)
	return rows, err
}

// beginWrite begins the transaction for writing.
func (t *unit) beginWrite() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err := t.begin(true)
	return err
}

// after returns the new values of a row that was changed.
func (t *unit) after(ctx context.Context, e *csn.Entity, old, data *Row, computed []string, u *User) (*Row, error) {
	now := data
	if now == nil {
		now = cqn.NewRow()
	}
	where := KeyFilter(e, old)
	if len(computed) == 0 || where == nil {
		return now, nil
	}
	q := &cqn.Select{From: &cqn.From{Path: cqn.NewRef(e.Name)}, Where: where, Columns: columnsNamed(e, computed, nil)}
	rows, _, err := t.readRows(ctx, q, t.app.owner(), u, 0)
	if err != nil || len(rows) != 1 {
		return now, err
	}
	now = now.Clone()
	for _, name := range computed {
		now.Set(name, rows[0].Value(name))
	}
	return now, nil
}

// columnsNamed are the keys of an entity and further elements.
func columnsNamed(e *csn.Entity, lists ...[]string) []cqn.Column {
	var names []string
	for _, k := range e.Keys {
		names = append(names, k.Name)
	}
	for _, l := range lists {
		for _, n := range readable(e, l) {
			if !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	out := make([]cqn.Column, len(names))
	for i, n := range names {
		out[i] = cqn.Column{X: cqn.NewRef(n)}
	}
	return out
}

// readable drops those of the names whose values cannot be read back: hashes.
func readable(e *csn.Entity, names []string) []string {
	hashed := func(n string) bool { el := e.Element(n); return el != nil && el.Seal() != nil && el.Seal().Hashed() }
	if !slices.ContainsFunc(names, hashed) {
		return names
	}
	return slices.DeleteFunc(slices.Clone(names), hashed)
}

// veil takes the place of values of encrypted and hashed elements, of which no account is kept.
const veil = "***"

// veiled returns a row without the values of encrypted and hashed elements, the row itself if it has none.
func veiled(e *csn.Entity, row *Row) *Row {
	out := row
	for _, f := range row.Fields() {
		if el := e.Element(f.Name); el != nil && el.Seal() != nil && !f.Value.IsNull() {
			if out == row {
				out = row.Clone()
			}
			out.Delete(f.Name)
		}
	}
	return out
}

func veiledValue(v Value) Value {
	if v.IsNull() {
		return v
	}
	return cqn.String(veil)
}

func merged(old, now *Row) *Row {
	out := old.Clone()
	for _, f := range now.Fields() {
		out.Set(f.Name, f.Value)
	}
	return out
}

// changes compares watched elements of a row before and after a write.
func changes(e *csn.Entity, names []string, old, now *Row) []Change {
	var out []Change
	for _, name := range names {
		el := e.Element(name)
		if el == nil {
			continue
		}
		was, is := converted(el, old.Value(name)), converted(el, now.Value(name))
		if was.IsNull() != is.IsNull() || was.Format() != is.Format() || was.Blob() != is.Blob() {
			if el.Seal() != nil {
				was, is = veiledValue(was), veiledValue(is)
			}
			out = append(out, Change{name, was, is})
		}
	}
	return out
}

// converted gives a value the form of its element's type, so that values from payloads and databases compare.
func converted(el *csn.Element, v Value) Value {
	if c, err := Convert(el, v, el.Name); err == nil {
		return c
	}
	return v
}

// account stores an event about a write at once, in its transaction and savepoint: if the write is undone, so is its record.
func (t *unit) account(ctx context.Context, ev AuditEvent) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	tx, err := t.begin(true)
	if err != nil {
		return err
	}
	if err := t.app.inner.accounts.auditor.Store(ctx, tx, []AuditEvent{ev}); err != nil {
		if errors.Is(err, db.ErrConflict) {
			return err
		}
		return auditFailed(err)
	}
	return nil
}

// openElements is a guard that lets elements be named which the user may not read: account is kept of them all the same. Rows are those that the guard
// behind lets through.
type openElements struct{ sqlgen.Guarder }

// Element lets all elements be named.
func (openElements) Element(*csn.Element, sqlgen.Use) error { return nil }

// Key differs from the key of the guard behind.
func (o openElements) Key() string { return o.Guarder.Key() + "/audit" }

func (o openElements) unwrap() sqlgen.Guarder { return o.Guarder }
