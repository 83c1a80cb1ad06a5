package cds

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"

	"cds/parser/cqn"
	"cds/runtime/authz"
)

// Dispatch is the only way into a service. It authorizes, opens a transaction unless ctx already has one of the same App (a
// nested call), runs the phases and commits.
//
// The errors it returns are *Error. A handler that panics costs its request a 500 and its changes, no more. A nested call keeps the
// user of the request (see NewContext and Privileged) and is authorized again; if it fails, its own changes are undone.
func (s *Service) Dispatch(ctx context.Context, r *RawRequest) (*Result, error) {
	if !s.App.inner.started.Load() {
		return nil, Reject(503, "503", "Service Unavailable")
	}
	r.Service = s
	r.nameEvent()
	sc := scopeOf(ctx)
	if sc != nil && sc.unit != nil && sc.app == s.App && !sc.unit.isEnded() {
		if sc.envelope {
			return s.enveloped(ctx, sc, r)
		}
		return s.nested(ctx, sc, r)
	}
	return s.outermost(ctx, sc, r)
}

func (s *Service) outermost(ctx context.Context, sc *scope, r *RawRequest) (res *Result, err error) {
	m := &struct { // one allocation
		ctx   scoped
		unit  unit
		state state
	}{}
	inner := &m.ctx.scope
	*inner = scope{app: s.App, user: r.User, locale: r.Locale}
	if sc != nil {
		inner.privileged = sc.privileged && sc.app == s.App
		if inner.user == nil {
			inner.user = sc.user
		}
		if inner.locale == "" {
			inner.locale = sc.locale
		}
	}
	if inner.user == nil {
		inner.user = anonymous
	}
	inner.user = inner.user.Under(s.App.inner.hierarchy)
	r.User, r.Locale = inner.user, inner.locale
	u := &m.unit
	u.start(s.App, ctx, r.User, r.Locale, !readsOnly(r))
	inner.unit, inner.request, u.first = u, r, r
	m.ctx.Context = ctx
	ctx = &m.ctx
	defer func() {
		if p := recover(); p != nil {
			s.logPanic(ctx, r, p)
			e := s.conceal(panicked(p))
			_ = u.end(ctx, e) // the answer is 500 already
			res, err = nil, e
		}
	}()
	res, err = s.run(ctx, inner, r, &m.state)
	if s.App.Options.OnRefused != nil {
		r.tellHidden(ctx, res, err)
	}
	if err != nil && s.App.inner.accounts != nil {
		r.noteRefused(err)
	}
	if err = u.end(ctx, err); err != nil {
		return nil, s.report(ctx, r, err)
	}
	return res, nil
}

func (s *Service) logPanic(ctx context.Context, r *RawRequest, p any) {
	s.App.Options.Log.ErrorContext(ctx, "panic in a handler", "panic", fmt.Sprint(p), "service", s.Model.Name,
		"event", string(r.Event), "target", entityName(r.Target), "stack", string(debug.Stack()))
}

func (s *Service) nested(ctx context.Context, sc *scope, r *RawRequest) (*Result, error) {
	if r.User = sc.user; r.User == nil {
		r.User = anonymous
	}
	r.User = r.User.Under(s.App.inner.hierarchy)
	if r.Locale == "" {
		r.Locale = sc.locale
	}
	if readsOnly(r) || s.App.DB == nil {
		res, err := s.run(ctx, sc, r, &state{})
		return res, nestedError(err)
	}
	return s.underSavepoint(ctx, sc, r)
}

// underSavepoint runs a request so that it can be undone alone.
func (s *Service) underSavepoint(ctx context.Context, sc *scope, r *RawRequest) (*Result, error) {
	end, err := sc.unit.savepoint(ctx)
	if err != nil {
		return nil, clientError(err)
	}
	kept := false
	defer func() {
		if !kept { // an error, or a panic on its way to the outermost call
			_ = end(false)
		}
	}()
	res, err := s.run(ctx, sc, r, &state{})
	if err != nil {
		return nil, nestedError(err)
	}
	kept = true
	if err := end(true); err != nil {
		return nil, clientError(err)
	}
	return res, nil
}

func nestedError(err error) error {
	if err == nil {
		return nil
	}
	return clientError(err)
}

// readsOnly tells requests that need no write transaction from the start.
func readsOnly(r *RawRequest) bool { return r.Event == authz.Read || r.Op != nil && r.Op.Function }

// run runs the phases of one request, and the handlers of errors if they fail; st is its new state.
func (s *Service) run(ctx context.Context, sc *scope, r *RawRequest, st *state) (*Result, error) {
	st.unit, st.scope = sc.unit, sc
	r.state = st
	res, err := s.phases(ctx, r, st)
	if err != nil && len(s.inner.onError) > 0 {
		err = s.failed(ctx, r, err)
	}
	return res, err
}

// failed lets the application's handlers of errors see one.
func (s *Service) failed(ctx context.Context, r *RawRequest, err error) error {
	e := clientError(err)
	for i := range s.inner.onError {
		if h := &s.inner.onError[i]; h.match.matches(chainKey{r.Event, r.Target, r.Op}) {
			c := *e
			if changed := h.fn(ctx, r, &c); changed != nil {
				e = changed
			}
		}
	}
	return e
}

func (s *Service) phases(ctx context.Context, r *RawRequest, st *state) (*Result, error) {
	if err := s.authorize(ctx, r); err != nil {
		return nil, err
	}
	if st.chain = s.inner.chains[chainKey{r.Event, r.Target, r.Op}]; st.chain == nil {
		return nil, Reject(501, "501", "Service %q has no event %q.", s.Model.Name, r.Event)
	}
	if err := runBefore(ctx, r, st.chain.generic); err != nil {
		return nil, err
	}
	if err := r.checkInstance(ctx); err != nil {
		return nil, err
	}
	if err := runBefore(ctx, r, st.chain.before); err != nil {
		return nil, err
	}
	res, err := st.chain.runOn(ctx, r, 0)
	if err != nil {
		return nil, err
	}
	if err := st.collected(); err != nil {
		return nil, err
	}
	if err := r.verify(ctx); err != nil {
		return nil, err
	}
	if res == nil {
		res = &Result{}
	}
	if res.JSON == nil {
		res.N = len(res.Rows)
	}
	for _, h := range st.chain.after {
		if err := h(ctx, r, res); err != nil {
			return nil, err
		}
	}
	if err := st.collected(); err != nil {
		return nil, err
	}
	return s.complete(r, res), nil
}

func runBefore(ctx context.Context, r *RawRequest, hs []Before) error {
	for _, h := range hs {
		if err := h(ctx, r); err != nil {
			return err
		}
	}
	return r.state.collected()
}

// complete fills what doors rely on: numbers, messages, and JSON if it was asked for.
func (s *Service) complete(r *RawRequest, res *Result) *Result {
	if res.JSON == nil {
		res.N = len(res.Rows)
		if e := s.resultEntity(r); r.Format != nil && e != nil && res.Value == nil {
			for i, row := range res.Rows {
				if i > 0 {
					res.JSON = append(res.JSON, ',')
				}
				res.JSON = r.Format.AppendRow(res.JSON, e, row)
			}
		}
	}
	if !r.Count {
		res.Count = -1
	} else if res.Count == 0 {
		res.Count = int64(res.N) // a handler of the application that does not page
	}
	res.Messages = append(res.Messages, r.state.messages...)
	return res
}

// report logs a failure of the server and hides what is not for the client.
func (s *Service) report(ctx context.Context, r *RawRequest, err error) *Error {
	e := clientError(err)
	if e.Status >= 500 && !e.logged {
		s.App.Options.Log.ErrorContext(ctx, "request failed", "service", s.Model.Name, "event", string(r.Event),
			"target", entityName(r.Target), "status", e.Status, "err", err.Error(), "cause", causeOf(e))
	}
	if e.Status >= 500 && !e.logged {
		c := *e
		c.logged = true
		e = &c
	}
	return s.App.translate(s.conceal(e), r.Locale)
}

func causeOf(e *Error) string {
	if e.Cause == nil {
		return ""
	}
	return e.Cause.Error()
}

func (s *Service) conceal(e *Error) *Error { return s.App.conceal(e) }

// conceal gives failures of the server a constant text in production.
func (a *App) conceal(e *Error) *Error {
	if e.Status < 500 || !a.Options.Production {
		return e
	}
	text := http.StatusText(e.Status)
	if text == "" || e.Status > 599 {
		text = http.StatusText(500)
	}
	return &Error{Status: e.Status, Code: strconv.Itoa(e.Status), Message: text, Cause: e.Cause, logged: true}
}

// Call calls an operation of the service from code. Parameters are checked and handlers run as for a request.
func (s *Service) Call(ctx context.Context, op string, params *Row) (*Result, error) {
	o := s.Model.Operation(op)
	if o == nil {
		return nil, Reject(404, "404", "Service %q has no operation %q.", s.Model.Name, op)
	}
	if params == nil {
		params = cqn.NewRow()
	}
	return s.Dispatch(ctx, &RawRequest{Event: Event(op), Op: o, Data: params})
}

func (t *unit) isEnded() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ended
}
