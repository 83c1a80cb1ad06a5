package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/db"
)

// A Log is the audit log of an application: what the runtime tells goes to the tables, and from there to the sinks.
type Log struct {
	opt   Options
	pool  db.Pool
	facts map[*csn.Entity]*facts
	names []string // of sinks

	queue  chan *entry
	stop   chan struct{}
	group  sync.WaitGroup
	closed atomic.Bool
	lost   atomic.Int64 // records that could not be kept since the last one
	full   atomic.Bool  // too many records wait for a sink
	work   []sync.Mutex // one for each sink: deliveries do not overlap
	wake   chan struct{}
}

var _ cds.Auditor = (*Log)(nil)

// An entry is records that wait to be written together; done, unless nil, is told how that went.
type entry struct {
	records []Record
	done    chan error
}

// ErrFull is the error of requests whose records find no room: the queue or the outbox of a sink is full.
var ErrFull = errors.New("there is no room for further records")

// Open returns the log of a model, and makes its tables where they are missing. Start lets it work, Close ends it.
func Open(ctx context.Context, m *csn.Model, pool db.Pool, opt Options) (*Log, error) {
	if pool == nil || opt.Now == nil || opt.NewID == nil {
		return nil, errors.New("an audit log needs a database, a clock and ids")
	}
	if e := Taken(m); e != nil {
		return nil, fmt.Errorf("entity %s has a table of the audit log", e.Name)
	}
	opt.defaults()
	if err := Prepare(ctx, pool); err != nil {
		return nil, err
	}
	l := &Log{opt: opt, pool: pool, facts: read(m), queue: make(chan *entry, opt.Queue), stop: make(chan struct{}), work: make([]sync.Mutex, len(opt.Sinks)), wake: make(chan struct{}, 1)}
	for _, s := range opt.Sinks {
		if slices.Contains(l.names, s.Name()) {
			return nil, fmt.Errorf("two sinks have the name %q", s.Name())
		}
		l.names = append(l.names, s.Name())
	}
	return l, nil
}

// Start begins to write what waits and to deliver what is in the outbox, also of an earlier run.
func (l *Log) Start() {
	l.group.Add(1)
	go l.writer()
	if len(l.opt.Sinks) > 0 && l.opt.Interval > 0 {
		l.group.Add(1)
		go l.deliverer()
	}
}

// Close writes what waits, delivers what is due, ends the work and closes the sinks. What stays in the outbox is for the next run.
func (l *Log) Close() error {
	if l.closed.Swap(true) {
		return nil
	}
	close(l.stop)
	l.group.Wait()
	if len(l.opt.Sinks) > 0 && l.opt.Interval > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), l.opt.Timeout)
		if err := l.Deliver(ctx); err != nil {
			l.opt.Log.WarnContext(ctx, "audit: records are delivered at the next start", "err", err.Error())
		}
		cancel()
	}
	var err error
	for _, s := range l.opt.Sinks {
		err = errors.Join(err, s.Close())
	}
	return err
}

// Watch implements cds.Auditor.
func (l *Log) Watch(e *csn.Entity) *cds.Watch {
	f := l.facts[e]
	if f == nil {
		return nil
	}
	w := &cds.Watch{}
	changed := maps.Clone(f.history)
	if l.opt.Enabled {
		w.Reads = slices.Sorted(maps.Keys(f.sensitive))
		maps.Copy(changed, f.personal)
		maps.Copy(changed, f.sensitive)
		if f.subject != nil {
			w.Columns = append(w.Columns, f.subject.names...)
		}
	}
	if e.Active == nil { // drafts are nobody's data yet
		w.Changes = slices.Sorted(maps.Keys(changed))
		for _, name := range f.objectID(e) {
			if el := e.Element(name); el != nil && el.Assoc() == nil && !el.Virtual && !slices.Contains(w.Columns, name) {
				w.Columns = append(w.Columns, name)
			}
		}
	}
	if len(w.Reads)+len(w.Changes) == 0 {
		return nil
	}
	return w
}

// Store implements cds.Auditor.
func (l *Log) Store(ctx context.Context, tx db.Tx, events []cds.AuditEvent) error {
	records, changes := l.records(ctx, events)
	if len(records)+len(changes) == 0 {
		return nil
	}
	if l.full.Load() && len(records) > 0 {
		if !l.opt.FailOpen {
			return ErrFull
		}
	}
	if !l.opt.FailOpen {
		return l.insertAll(ctx, tx, records, changes)
	}
	end, err := tx.Savepoint(ctx) // so that a failure does not end the transaction of the request
	if err != nil {
		return err
	}
	err = l.insertAll(ctx, tx, records, changes)
	if serr := end(err == nil); serr != nil {
		return serr
	}
	if err != nil {
		l.lose(ctx, len(records), err)
	}
	return nil
}

func (l *Log) insertAll(ctx context.Context, tx db.Tx, records []Record, changes []change) error {
	d := l.pool.Dialect()
	if err := insert(ctx, tx, d, records, l.outboxes()); err != nil {
		return err
	}
	return insertChanges(ctx, tx, d, changes)
}

// outboxes are the sinks that records are put out for: none where too many wait already, and requests are to go on.
func (l *Log) outboxes() []string {
	if l.full.Load() {
		return nil
	}
	return l.names
}

// lose counts and logs records that are not kept.
func (l *Log) lose(ctx context.Context, n int, err error) {
	l.lost.Add(int64(n))
	l.opt.Log.ErrorContext(ctx, "audit: records are lost", "records", n, "err", err.Error())
}

// Keep implements cds.Auditor: it waits until the records are in the database, unless requests are to go on whatever happens.
func (l *Log) Keep(ctx context.Context, events []cds.AuditEvent) error {
	records, _ := l.records(ctx, events)
	if len(records) == 0 {
		return nil
	}
	if l.opt.FailOpen {
		l.offer(ctx, records)
		return nil
	}
	e := &entry{records: records, done: make(chan error, 1)}
	timer := time.NewTimer(l.opt.Timeout)
	defer timer.Stop()
	select {
	case l.queue <- e:
	case <-l.stop:
		return l.lateErr(ctx, records)
	case <-timer.C:
		l.lose(ctx, len(records), ErrFull)
		return ErrFull
	}
	select {
	case err := <-e.done:
		return err
	case <-timer.C:
		return fmt.Errorf("records were not written within %s", l.opt.Timeout)
	}
}

// lateErr is for records that come when the log is closed.
func (l *Log) lateErr(ctx context.Context, records []Record) error {
	err := errors.New("the audit log is closed")
	l.lose(ctx, len(records), err)
	return err
}

// Offer implements cds.Auditor.
func (l *Log) Offer(ctx context.Context, e cds.AuditEvent) {
	if records, _ := l.records(ctx, []cds.AuditEvent{e}); len(records) > 0 {
		l.offer(ctx, records)
	}
}

func (l *Log) offer(ctx context.Context, records []Record) {
	if l.closed.Load() {
		_ = l.lateErr(ctx, records)
		return
	}
	select {
	case l.queue <- &entry{records: records}:
	default:
		if l.lost.Add(int64(len(records))) == int64(len(records)) { // the first: the number is told with the next record
			l.opt.Log.ErrorContext(ctx, "audit: the queue is full, records are lost; the next one that is kept has their number")
		}
	}
}

// atOnce is how many entries are written in one transaction, and how many records are delivered in one call.
const atOnce = 100

// writer writes what waits, many at once.
func (l *Log) writer() {
	defer l.group.Done()
	for {
		select {
		case e := <-l.queue:
			l.writeWaiting(e)
		case <-l.stop:
			for {
				select {
				case e := <-l.queue:
					l.writeWaiting(e)
				default:
					return
				}
			}
		}
	}
}

// writeWaiting writes an entry and those behind it. If that fails, each is tried alone, so that one cannot spoil the others.
func (l *Log) writeWaiting(first *entry) {
	batch := []*entry{first}
	for len(batch) < atOnce {
		select {
		case e := <-l.queue:
			batch = append(batch, e)
			continue
		default:
		}
		break
	}
	err := l.writeEntries(batch)
	if err == nil || len(batch) == 1 {
		l.finish(batch, err)
		return
	}
	for _, e := range batch {
		one := []*entry{e}
		l.finish(one, l.writeEntries(one))
	}
}

func (l *Log) writeEntries(batch []*entry) error {
	ctx, cancel := context.WithTimeout(context.Background(), l.opt.Timeout)
	defer cancel()
	if l.full.Load() && !l.opt.FailOpen {
		return ErrFull
	}
	var all []Record
	for _, e := range batch {
		all = append(all, e.records...)
	}
	lost := l.lost.Load()
	all[0].Lost = int(lost)
	err := db.InTx(ctx, l.pool, func(tx db.Tx) error { return insert(ctx, tx, l.pool.Dialect(), all, l.outboxes()) })
	if err == nil {
		l.lost.Add(-lost)
	}
	return err
}

func (l *Log) finish(batch []*entry, err error) {
	for _, e := range batch {
		if err != nil {
			l.lose(context.Background(), len(e.records), err)
		}
		if e.done != nil {
			e.done <- err
		}
	}
	if err == nil {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// records makes records and changes of events.
func (l *Log) records(ctx context.Context, events []cds.AuditEvent) (out []Record, history []change) {
	var seen map[string]bool // reads: what is shown several times in one unit of work is recorded once
	for i := range events {
		e := &events[i]
		switch e.Kind {
		case cds.AuditInsert, cds.AuditUpdate, cds.AuditDelete:
			out, history = l.changed(ctx, e, out, history)
		case cds.AuditRead:
			if !l.opt.Enabled {
				continue
			}
			if seen == nil {
				seen = map[string]bool{}
			}
			for _, r := range l.shown(ctx, e) {
				if key := readKey(&r); !seen[key] {
					seen[key] = true
					out = append(out, r)
				}
			}
		default:
			if l.opt.Enabled {
				r := l.record(ctx, e)
				r.Event = map[cds.AuditKind]string{cds.AuditDenied: AccessDenied, cds.AuditPrivileged: PrivilegedCode, cds.AuditLogin: LoginRefused,
					cds.AuditPolicy: PolicyChanged, cds.AuditLogRead: AuditLogRead}[e.Kind]
				out = append(out, r)
			}
		}
	}
	return out, history
}

// record fills what all records have.
func (l *Log) record(ctx context.Context, e *cds.AuditEvent) Record {
	r := Record{ID: l.opt.NewID(), Time: e.Time.UTC(), Correlation: text(l.opt.Correlation(ctx), 128), Service: e.Service, Request: text(string(e.Event), 255), Target: e.Target,
		Status: e.Status, Client: text(e.Client, 100), Reason: text(e.Reason, 500)}
	if e.User != nil {
		r.User, r.Tenant = text(e.User.ID, 255), text(e.User.Tenant, 255)
	}
	for _, rule := range e.Rules {
		if at := l.opt.Position(rule); at != "" {
			rule += " (" + at + ")"
		}
		r.Grants = append(r.Grants, text(rule, 500))
	}
	return r
}

// objectsAtOnce is how many rows a record of a read names; more make further records.
const objectsAtOnce = 500

// shown makes the records of a read.
func (l *Log) shown(ctx context.Context, e *cds.AuditEvent) []Record {
	f := l.facts[e.Entity]
	if f == nil {
		return nil
	}
	var objects []Object
	seen := map[string]bool{}
	for _, row := range e.Rows {
		o := f.object(row.Row)
		key := keyText(o.ID)
		if !seen[key] {
			seen[key] = true
			objects = append(objects, o)
		}
	}
	var out []Record
	for first := true; first || len(objects) > 0; first = false {
		r := l.record(ctx, e)
		r.Event = SensitiveDataRead
		for _, name := range e.Names {
			r.Attributes = append(r.Attributes, Attribute{Name: name})
		}
		n := min(len(objects), objectsAtOnce)
		switch {
		case n == 0:
			r.Object = &Object{Type: f.kind}
			r.Reason = "the query shows no single rows"
		case n == 1 && first:
			r.Object = &objects[0]
		default:
			r.Objects = objects[:n]
		}
		objects = objects[n:]
		out = append(out, r)
	}
	return out
}

// readKey says who was shown what.
func readKey(r *Record) string {
	b := strconv.Quote(r.User) + strconv.Quote(r.Service)
	for _, a := range r.Attributes {
		b += "," + a.Name
	}
	if r.Object != nil {
		b += "/" + r.Object.Type + "(" + keyText(r.Object.ID) + ")"
	}
	for i := range r.Objects {
		b += "/" + r.Objects[i].Type + "(" + keyText(r.Objects[i].ID) + ")"
	}
	return b
}

// keyText writes keys in order of their names, so that equal ones are equal texts.
func keyText(id map[string]string) string {
	b := ""
	for i, name := range slices.Sorted(maps.Keys(id)) {
		if i > 0 {
			b += ","
		}
		b += name + "=" + strconv.Quote(id[name])
	}
	return b
}

var actions = [...]string{cds.AuditInsert: "create", cds.AuditUpdate: "update", cds.AuditDelete: "delete"}

// changed makes the records of a write: one for each row.
func (l *Log) changed(ctx context.Context, e *cds.AuditEvent, out []Record, history []change) ([]Record, []change) {
	f := l.facts[e.Entity]
	if f == nil {
		return out, history
	}
	for _, row := range e.Rows {
		r := Record{}
		for _, c := range row.Changes {
			sensitive := f.sensitive[c.Element]
			if f.history[c.Element] {
				history = append(history, l.change(e, f, row.Row, c))
			}
			if !l.opt.Enabled || !sensitive && !f.personal[c.Element] {
				continue
			}
			show := l.opt.ShowPersonal && !sensitive || l.opt.ShowSensitive && sensitive
			r.Attributes = append(r.Attributes, Attribute{c.Element, kept(c.Old, show), kept(c.New, show)})
		}
		if len(r.Attributes) == 0 && !(l.opt.Enabled && e.Kind == cds.AuditDelete && len(f.personal)+len(f.sensitive) > 0) {
			continue
		}
		base := l.record(ctx, e)
		base.Event, base.Action, base.Attributes = PersonalDataModified, actions[e.Kind], r.Attributes
		o := f.object(row.Row)
		base.Object = &o
		out = append(out, base)
	}
	return out, history
}

// kept is how a record has a value: nil for none.
func kept(v cqn.Value, show bool) *string {
	if v.IsNull() {
		return nil
	}
	s := Hidden
	if show {
		s = value(v)
	}
	return &s
}
