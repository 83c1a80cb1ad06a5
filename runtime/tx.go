package cds

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"cds/runtime/db"
)

// Tx runs fn as one unit of work: every Dispatch with fn's context, or one made from it, takes part in one transaction, which is committed if
// fn returns nil and rolled back otherwise. Hooks registered by Succeeded and its like run when it has ended.
//
// Each Dispatch in it is a request of its own: it is authorized, has its own user, locale and HTTP request (those of its RawRequest, else of the
// context), and its own savepoint. One that fails is undone by itself; whether the whole fails is for fn to say, which it does by returning
// the error. A panic in fn or in a handler undoes the whole and is a 500.
//
// Within a request, or within another Tx, it joins: fn runs in the transaction that is there, under a savepoint that is undone if fn fails, as
// the user of that request.
func (a *App) Tx(ctx context.Context, fn func(ctx context.Context) error) error {
	return a.within(ctx, true, fn)
}

// Snapshot is Tx for reading: everything that fn reads is of one moment, and no writer is held up. A write in it is possible; what is read
// after it is of a later moment.
func (a *App) Snapshot(ctx context.Context, fn func(ctx context.Context) error) error {
	return a.within(ctx, false, fn)
}

// Detach returns a context with the user and locale of ctx, but outside its transaction and not ended when ctx ends: what is called with
// it has a transaction of its own. Rights that Privileged gave are left behind.
func (a *App) Detach(ctx context.Context) context.Context {
	return a.NewContext(context.WithoutCancel(ctx), UserFrom(ctx), LocaleFrom(ctx))
}

func (a *App) within(ctx context.Context, writing bool, fn func(ctx context.Context) error) error {
	if !a.inner.started.Load() {
		return Reject(503, "503", "Service Unavailable")
	}
	sc := scopeOf(ctx)
	if sc != nil && sc.unit != nil && sc.app == a && !sc.unit.isEnded() {
		return a.join(ctx, sc, writing, fn)
	}
	inner := scope{app: a, user: anonymous, envelope: true}
	if sc != nil {
		inner.privileged = sc.privileged && sc.app == a
		inner.locale = sc.locale
		if sc.user != nil {
			inner.user = sc.user.Under(a.inner.hierarchy)
		}
	}
	u := a.newUnit(ctx, inner.user, inner.locale, writing)
	inner.unit = u
	ctx = inner.into(ctx)
	err := u.end(ctx, a.guarded(ctx, fn))
	if err == nil {
		return nil
	}
	e := clientError(err)
	if e.Status >= 500 && !reported(err) {
		a.Options.Log.ErrorContext(ctx, "transaction failed", "status", e.Status, "err", err.Error(), "cause", causeOf(e))
	}
	return a.conceal(e)
}

// reported tells errors that a Dispatch has logged.
func reported(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.logged
}

// join runs fn in the transaction of the request that ctx belongs to.
func (a *App) join(ctx context.Context, sc *scope, writing bool, fn func(ctx context.Context) error) error {
	if !writing || a.DB == nil {
		return fn(ctx)
	}
	end, err := sc.unit.savepoint(ctx)
	if err != nil {
		return clientError(err)
	}
	kept := false
	defer func() {
		if !kept {
			_ = end(false) // fn's error, or its panic, says more
		}
	}()
	if err := fn(ctx); err != nil {
		return err
	}
	kept = true
	if err := end(true); err != nil {
		return clientError(err)
	}
	return nil
}

// guarded calls fn and makes an error of a panic.
func (a *App) guarded(ctx context.Context, fn func(ctx context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			a.Options.Log.ErrorContext(ctx, "panic in a transaction", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = panicked(p)
		}
	}()
	return fn(ctx)
}

// panicked is the error for a panic, whose text is in the log already.
func panicked(p any) *Error {
	return &Error{Status: 500, Code: "500", Message: "Internal Server Error", Cause: fmt.Errorf("panic: %v", p), logged: true}
}

// enveloped runs one of the requests in a Tx: as an outermost one, but in the transaction that is there.
func (s *Service) enveloped(ctx context.Context, sc *scope, r *RawRequest) (res *Result, err error) {
	inner := *sc
	inner.envelope, inner.request = false, r
	if r.User != nil {
		inner.user = r.User
	}
	if r.Locale != "" {
		inner.locale = r.Locale
	}
	ctx = inner.into(ctx)
	back, err := sc.unit.actAs(ctx, inner.user, inner.locale)
	if err != nil {
		return nil, s.report(ctx, r, err)
	}
	defer func() {
		if p := recover(); p != nil {
			s.logPanic(ctx, r, p)
			res, err = nil, s.conceal(panicked(p))
		}
		if berr := back(); berr != nil && err == nil {
			res, err = nil, s.report(ctx, r, berr)
		}
	}()
	r.User, r.Locale = inner.user, inner.locale
	if sc.unit.writing && s.App.DB != nil { // also for reads: a statement that fails would end the transaction on PostgreSQL
		res, err = s.underSavepoint(ctx, &inner, r)
	} else {
		res, err = s.nested(ctx, &inner, r)
	}
	if err != nil {
		if s.App.inner.accounts != nil {
			r.noteRefused(err)
		}
		return nil, s.report(ctx, r, err)
	}
	return res, nil
}

// actAs makes the database's session that of another user or locale, for views that ask for them; back makes it what it was.
func (t *unit) actAs(ctx context.Context, u *User, locale string) (back func() error, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.session
	now := old
	now.UserID, now.Tenant = u.ID, u.Tenant
	if now.Locale = locale; locale == "" {
		now.Locale = t.app.Options.DefaultLocale
	}
	if now != old {
		if err := t.setSession(ctx, now); err != nil {
			return nil, err
		}
	}
	return func() error {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.session == old { // else the request has changed it, if only the time that it sees (At)
			return nil
		}
		return t.setSession(ctx, old)
	}, nil
}

// identify makes the database's session that of the user a statement is for: code of a request may call services as another user (NewContext), and
// requests of several users in one transaction may run at the same time. Callers hold t.mu.
func (t *unit) identify(ctx context.Context, u *User) error {
	rows := t.app.inner.rowSecurity
	if t.session.UserID == u.ID && t.session.Tenant == u.Tenant && (!rows || t.asker == u) {
		return nil
	}
	s := t.session
	s.UserID, s.Tenant = u.ID, u.Tenant
	if rows {
		t.asker = u
	}
	return t.setSession(ctx, s)
}

// setSession changes the session, also that of a transaction that has begun. Callers hold t.mu.
func (t *unit) setSession(ctx context.Context, s db.Session) error {
	if err := t.flush(ctx); err != nil { // as who asked for it
		return err
	}
	t.session = s
	if t.app.inner.rowSecurity {
		t.claim()
		s = t.session
	}
	if t.tx == nil {
		return nil
	}
	if x, ok := t.tx.(db.SessionSetter); ok {
		return x.SetSession(ctx, s)
	}
	return errors.New("this database cannot change the user of a transaction")
}
