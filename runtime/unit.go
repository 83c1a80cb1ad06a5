package cds

import (
	"context"
	"errors"
	"sync"
	"time"

	"cds/runtime/auth"
	"cds/runtime/db"
)

var anonymous = auth.Anonymous

var (
	errOutside = errors.New("the context belongs to no request and was not made by App.NewContext")
	errEnded   = errors.New("the request of this context has ended")
	errNoDB    = errors.New("the app is not connected to a database")
)

// A unit is a unit of work: the outermost Dispatch and everything called from it. It has one clock reading, one user's session and at
// most one transaction, which begins with the first access to the database: reading for READ and functions, writing for all else.
type unit struct {
	app     *App
	ctx     context.Context // of the outermost request: the transaction must not end with a narrower one of some handler
	now     time.Time
	nowText string
	session db.Session
	asker   *User // whom the session's claims are about; nil without row-level security
	writing bool
	first   *RawRequest // the outermost request

	mu    sync.Mutex // handlers may start goroutines; a db.Tx serves one at a time
	tx    db.Tx
	ended bool
	hooks *hooks // nil as long as nobody asked for any
	later []laterWrite
	// flushed tells that inserts that waited have been sent apart, failed is the error of such an insert.
	flushed bool
	failed  error
	// readLast: nothing follows but one read.
	readLast bool
	spools   []*Spool     // to be closed at the end
	noted    []AuditEvent // to be written at the end
}

// nowForm is the form of $now: a Timestamp.
const nowForm = "2006-01-02T15:04:05.000Z"

// nowText writes a time in UTC as $now. Every request needs it, and time.Format takes longer than finding a plan does.
func nowText(t time.Time) string {
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.Format(nowForm)
	}
	hour, minute, second := t.Clock()
	b := [len(nowForm)]byte{4: '-', 7: '-', 10: 'T', 13: ':', 16: ':', 19: '.', 23: 'Z'}
	digits := func(at, width, n int) {
		for i := at + width - 1; i >= at; i-- {
			b[i] = byte('0' + n%10)
			n /= 10
		}
	}
	digits(0, 4, year)
	digits(5, 2, int(month))
	digits(8, 2, day)
	digits(11, 2, hour)
	digits(14, 2, minute)
	digits(17, 2, second)
	digits(20, 3, t.Nanosecond()/1e6)
	return string(b[:])
}

func (a *App) newUnit(ctx context.Context, u *User, locale string, writing bool) *unit {
	t := &unit{}
	t.start(a, ctx, u, locale, writing)
	return t
}

// start makes a new unit of t.
func (t *unit) start(a *App, ctx context.Context, u *User, locale string, writing bool) {
	t.app, t.ctx, t.writing, t.now = a, ctx, writing, a.Options.Now().UTC()
	t.nowText = nowText(t.now)
	t.session = db.Session{UserID: u.ID, Tenant: u.Tenant, Locale: locale, Now: t.nowText}
	if locale == "" {
		t.session.Locale = a.Options.DefaultLocale
	}
}

// begin returns the transaction, opened if need be. A write inside a request that only reads so far ends its snapshot and goes on with
// a new one: a connection is never held while waiting for another. Callers hold t.mu.
func (t *unit) begin(write bool) (db.Tx, error) {
	switch {
	case t.ended:
		return nil, errEnded
	case t.app.DB == nil:
		return nil, errNoDB
	case len(t.later) > 0:
		if err := t.flush(t.ctx); err != nil {
			return nil, err
		}
		return t.tx, nil // it writes
	case t.tx != nil && (t.tx.Writable() || !write):
		return t.tx, nil
	case t.tx != nil:
		if err := t.tx.Rollback(); err != nil {
			return nil, err
		}
		t.tx = nil
	}
	t.writing = t.writing || write
	var err error
	if t.writing {
		t.tx, err = t.app.DB.Write(t.ctx, t.session)
	} else {
		t.tx, err = t.app.DB.Read(t.ctx, t.session)
	}
	return t.tx, err
}

// beginRead returns the transaction for a read. For a statement that stands alone it is one of its own, which the caller ends.
func (t *unit) beginRead(alone bool) (tx db.Tx, own bool, err error) {
	if r, ok := t.app.DB.(db.OneReader); ok && alone && t.tx == nil && !t.writing && !t.ended {
		tx, err = r.ReadOne(t.ctx, t.session)
		return tx, true, err
	}
	tx, err = t.beginQuery(false)
	return tx, false, err
}

// savepoint begins a scope for a nested call that may write: if that fails, its changes are undone though its caller may go on.
func (t *unit) savepoint(ctx context.Context) (end func(keep bool) error, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tx, err := t.begin(true)
	if err != nil {
		return nil, err
	}
	sp, err := tx.Savepoint(ctx)
	if err != nil {
		return nil, err
	}
	m := t.marked()
	return func(keep bool) error {
		t.mu.Lock()
		defer t.mu.Unlock()
		if keep {
			if err := t.flush(ctx); err != nil {
				_ = sp(false) // the error of the write says more
				t.forget(m)
				return err
			}
		} else {
			t.later, t.failed = nil, nil // all of it is of this scope: it began by sending what was before
			t.forget(m)
		}
		return sp(keep)
	}, nil
}

// finish commits, or rolls back if the request failed.
func (t *unit) finish(ok bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	for _, s := range t.spools {
		if !s.handed || !ok {
			defer func() { _ = s.Close() }() // after the commit; nothing is lost with it
		}
	}
	tx := t.tx
	if tx == nil {
		return nil
	}
	var err error
	if ok {
		err = t.flush(t.ctx)
	}
	t.tx, t.later = nil, nil
	if !ok || err != nil {
		if rerr := tx.Rollback(); err == nil {
			err = rerr
		}
		return err
	}
	return tx.Commit()
}
