package cds

import (
	"context"
	"strings"
	"sync"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/authz"
	"cds/runtime/sqlgen"
)

// Authorize decides without running anything: doors use it for the service root, $metadata and before naming what a path does not
// have. A nil error means allowed; else an *Error with 401, 403 or 405.
func (s *Service) Authorize(u *User, e Event, path []*csn.Entity, via []*csn.Element, op *csn.Operation) error {
	if u == nil {
		u = anonymous
	}
	now := s.App.Options.Now().UTC().Format(nowForm)
	d := s.App.Policy.Decide(u, authz.Access{Service: s.Model, Event: e, Path: path, Via: via, Op: op, Now: now})
	if err := denied(&d); err != nil {
		return err
	}
	return nil
}

// Admit is Authorize for a request that ends with its error: a refusal is logged, and account is kept of it.
func (s *Service) Admit(ctx context.Context, u *User, e Event, path []*csn.Entity, via []*csn.Element, op *csn.Operation) error {
	if u == nil {
		u = anonymous
	}
	now := s.App.Options.Now().UTC().Format(nowForm)
	d := s.App.Policy.Decide(u, authz.Access{Service: s.Model, Event: e, Path: path, Via: via, Op: op, Now: now})
	err := denied(&d)
	if err == nil {
		return nil
	}
	if op != nil {
		e = Event(op.LocalName())
	}
	target := ""
	if n := len(path); n > 0 {
		target = entityName(path[n-1])
	}
	reason := strings.Join(d.Rules, "; ")
	s.App.Options.Log.WarnContext(ctx, "authorization refused", "user", u.ID, "tenant", u.Tenant, "service", s.Model.Name, "event", string(e), "target", target,
		"status", err.Status, "reason", reason)
	if acc := s.App.inner.accounts; acc != nil {
		acc.admitted(ctx, AuditEvent{Kind: AuditDenied, Time: s.App.Options.Now().UTC(), User: u, Service: s.Model.Name, Event: e, Target: target, Rules: d.Rules, Status: err.Status, Reason: reason})
	}
	s.App.tellRefused(ctx, Refusal{Status: err.Status, User: u, Event: string(e), Target: target, Rules: d.Rules})
	return s.App.translate(err, LocaleFrom(ctx))
}

// denied returns the answer for a decision that does not allow, nil for one that does.
func denied(d *authz.Decision) *Error {
	switch d.Verdict {
	case authz.Allow, authz.AllowIf:
		return nil
	case authz.Deny401:
		return &Error{Status: 401, Code: "401", Message: "Unauthorized"}
	case authz.Deny405:
		return &Error{Status: 405, Code: orElse(d.Code, "405"), Message: orElse(d.Message, "Method Not Allowed")}
	}
	return &Error{Status: 403, Code: orElse(d.Code, "403"), Message: orElse(d.Message, "Forbidden")}
}

func orElse(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// authorize takes the static part of the decision about a request and keeps its guard for Execute.
func (s *Service) authorize(ctx context.Context, r *RawRequest) error {
	if r.Target != nil && len(r.Path) == 0 {
		r.Path = []*csn.Entity{r.Target}
	}
	return r.decide(ctx, r.Event, r.Path, r.Via)
}

// decide fills the request's decision and guard.
func (r *RawRequest) decide(ctx context.Context, ev Event, path []*csn.Entity, via []*csn.Element) error {
	s, st := r.Service, r.state
	st.access = authz.Access{Service: s.Model, Event: ev, Path: path, Via: via, Op: r.Op, Privileged: st.scope.privileged, Now: st.unit.nowText}
	st.decision = s.App.Policy.Decide(r.User, st.access)
	if s.App.inner.observer != nil {
		s.App.inner.observer(Observed{Access: st.access, Decision: &st.decision})
	}
	st.access = st.access.Plain()
	if st.access.Op == nil {
		ev = st.access.Event
	}
	if err := denied(&st.decision); err != nil {
		r.logDenied(ctx, err.Status, strings.Join(st.decision.Rules, "; "))
		return err
	}
	if st.decision.Guard == nil { // allowed, yet without a guard: nothing may be read or written
		return &Error{Status: 403, Code: "403", Message: "Forbidden"}
	}
	st.guard = st.decision.Guard
	if s.App.inner.slices != nil {
		st.guard = timely{st.guard, s.App.inner.slices}
	}
	if len(s.App.Options.Authorizers) == 0 || st.scope.privileged {
		return nil
	}
	n := &narrower{ctx: ctx, r: r, base: st.guard}
	st.guard = n
	where, err := n.ask(Access{User: r.User, Event: ev, Service: s.Model, Target: r.Target, Op: r.Op, Params: r.Params, Request: true})
	if err != nil {
		return err
	}
	where = and(where, st.also)
	st.where = where
	if r.Op == nil {
		n.own = narrowed{entity: r.Target, event: ev, where: where}
	}
	if where != nil && (ev == authz.Create || ev == authz.Update || ev == authz.Upsert) {
		st.decision.Check = and(st.decision.Check, where)
	}
	return nil
}

// MayWrite refuses elements that the user may not set by this request. Flat elements are asked for when they are written; this is for compositions,
// whose rows have their own tables.
func (r *RawRequest) MayWrite(el *csn.Element) error {
	if r.state == nil || r.state.guard == nil {
		return &Error{Status: 403, Code: "403", Message: "Forbidden", Cause: errOutside}
	}
	use := sqlgen.Update
	if r.Event == authz.Create {
		use = sqlgen.Insert
	}
	if err := r.state.guard.Element(el, use); err != nil {
		return clientError(err)
	}
	return nil
}

// logDenied writes the decision log: who was refused what, and by which rule.
func (r *RawRequest) logDenied(ctx context.Context, status int, reason string) {
	if r.state.quiet {
		return
	}
	r.Service.App.Options.Log.WarnContext(ctx, "authorization refused", "user", r.User.ID, "tenant", r.User.Tenant,
		"service", r.Service.Model.Name, "event", string(r.state.access.Event), "target", entityName(r.Target), "status", status, "reason", reason)
	r.tellRefused(ctx, status, []string{reason})
	r.noteDenied(status, reason)
}

func and(a, b cqn.Expr) cqn.Expr {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return &cqn.Binary{Op: cqn.And, L: a, R: b}
}

// A narrower adds to a guard what the application's Authorizers say, for each entity that a query touches. They can only narrow: their
// conditions are combined by AND with the model's.
type narrower struct {
	ctx  context.Context
	r    *RawRequest
	base sqlgen.Guarder
	own  narrowed // what they said about the request itself, where it is no operation
	// What they said about the rows of entities: for one alone, and with what its rows are parts of.
	answers, memo []narrowed
	mu            sync.Mutex // for both: handlers may query in parallel
}

type narrowed struct {
	entity *csn.Entity
	event  Event
	where  cqn.Expr
	err    error
}

// Condition asks for one entity and use. New rows are no matter of it: they are checked (RawRequest.checks).
func (n *narrower) Condition(e *csn.Entity, use sqlgen.Use) (sqlgen.Condition, error) {
	c, err := n.base.Condition(e, use)
	if err != nil {
		return c, err
	}
	where, err := n.where(e, use)
	if err != nil {
		return sqlgen.Condition{}, err
	}
	x, ok := c.Expr()
	if !ok || where == nil || use == sqlgen.Insert {
		return c, nil
	}
	return c.With(and(x, where)), nil
}

// where is what Authorizers ask of the rows of an entity in one use. What they said about the request itself counts for the rows that it is about.
func (n *narrower) where(e *csn.Entity, use sqlgen.Use) (cqn.Expr, error) {
	where, err := n.whereOf(e, use)
	if err != nil || n.own.where == nil || e != n.own.entity {
		return where, err
	}
	if ev := useEvent(use); ev == n.own.event || n.own.event == authz.Upsert && ev == authz.Update {
		where = and(where, n.own.where)
	}
	return where, nil
}

func (n *narrower) whereOf(e *csn.Entity, use sqlgen.Use) (cqn.Expr, error) {
	ev := useEvent(use)
	if m, ok := n.known(e, ev); ok {
		return m.where, m.err
	}
	where, err := n.asked(e, ev)
	if err == nil {
		var whole cqn.Expr
		c := climber{n: n}
		whole, err = c.follow(e, ev)
		where = and(where, whole)
	}
	n.mu.Lock()
	n.memo = append(n.memo, narrowed{e, ev, where, err})
	n.mu.Unlock()
	return where, err
}

// Bounds of what Authorizers are asked about above one part, as for the rules of the model: how often an entity may stand in a chain of wholes (levels of
// a hierarchy), and how many wholes there may be in all. What lies beyond is hidden if anything is asked of it.
const (
	maxLevels = 3
	maxWholes = 200
)

// A climber finds what Authorizers ask of the rows that those of one entity are parts of.
type climber struct {
	n      *narrower
	stack  []*csn.Entity
	wholes int
}

// follow returns the condition that some row of which a row of e is a part is left, as with the rules of the model; nil if nothing is asked. What writes a
// part changes the whole.
func (c *climber) follow(e *csn.Entity, ev Event) (cqn.Expr, error) {
	wholes := c.n.r.Service.App.Policy.WholesOf(e)
	if len(wholes) == 0 {
		return nil, nil
	}
	c.stack = append(c.stack, e)
	defer func() { c.stack = c.stack[:len(c.stack)-1] }()
	var any cqn.Expr
	var refused error
	open := true
	for _, w := range wholes {
		x, err := c.whole(w.Entity, ev)
		if err != nil {
			open, refused = false, err
			continue
		}
		open = open && x == nil
		part, ok := w.Part(x)
		switch {
		case !ok:
			refused = forbidden(&sqlgen.Forbidden{Entity: entityName(e), Reason: "what is asked of " + entityName(w.Entity) + " cannot be asked of its parts"})
		case any == nil:
			any = part
		default:
			any = &cqn.Binary{Op: cqn.Or, L: any, R: part}
		}
	}
	switch {
	case open:
		return nil, nil
	case any == nil:
		return nil, refused
	}
	return any, nil
}

// whole returns what Authorizers ask of the rows of an entity for an event on its parts, and of what these are parts of in their turn.
func (c *climber) whole(e *csn.Entity, ev Event) (cqn.Expr, error) {
	ev = c.n.wholeEvent(e, ev)
	level := 0
	for _, s := range c.stack {
		if s == e {
			level++
		}
	}
	if level >= maxLevels || c.wholes >= maxWholes {
		if c.free(e, ev, map[*csn.Entity]bool{}) {
			return nil, nil
		}
		return nil, forbidden(&sqlgen.Forbidden{Entity: entityName(e), Reason: "too many levels of parts"})
	}
	c.wholes++
	where, err := c.n.asked(e, ev)
	if err != nil {
		return nil, err
	}
	up, err := c.follow(e, ev)
	return and(where, up), err
}

// free reports whether nothing is asked of the rows of e, nor of anything above.
func (c *climber) free(e *csn.Entity, ev Event, seen map[*csn.Entity]bool) bool {
	if seen[e] {
		return true
	}
	seen[e] = true
	if where, err := c.n.asked(e, ev); where != nil || err != nil {
		return false
	}
	for _, w := range c.n.r.Service.App.Policy.WholesOf(e) {
		if !c.free(w.Entity, c.n.wholeEvent(w.Entity, ev), seen) {
			return false
		}
	}
	return true
}

// wholeEvent is what an event on a part is to the whole.
func (n *narrower) wholeEvent(e *csn.Entity, ev Event) Event {
	if ev == authz.Read {
		return ev
	}
	if a := &n.r.state.access; e == n.r.Target && a.Op == nil && a.Event != authz.Read { // the request's own event covers the parts
		return a.Event
	}
	return authz.Update
}

// asked is what Authorizers ask of the rows of one entity alone. They are asked once.
func (n *narrower) asked(e *csn.Entity, ev Event) (cqn.Expr, error) {
	n.mu.Lock()
	for i := range n.answers {
		if m := &n.answers[i]; m.entity == e && m.event == ev {
			n.mu.Unlock()
			return m.where, m.err
		}
	}
	n.mu.Unlock()
	where, err := n.ask(Access{User: n.r.User, Event: ev, Service: n.r.Service.Model, Target: e})
	n.mu.Lock()
	n.answers = append(n.answers, narrowed{e, ev, where, err})
	n.mu.Unlock()
	return where, err
}

func (n *narrower) known(e *csn.Entity, ev Event) (narrowed, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range n.memo {
		if n.memo[i].entity == e && n.memo[i].event == ev {
			return n.memo[i], true
		}
	}
	return narrowed{}, false
}

// Element is the base's answer: Authorizers decide about rows.
func (n *narrower) Element(e *csn.Element, use sqlgen.Use) error { return n.base.Element(e, use) }

// Key is the base's key; what the Authorizers add is a second part, which depends on the entities a query touches (see narrowKey).
func (n *narrower) Key() string { return n.base.Key() }

// narrowKey is the second part of the key, for the accesses that a plan asked for when it was compiled.
func (n *narrower) narrowKey(asked []askedFor) (string, error) {
	var b keyBuilder
	for _, a := range asked {
		x, err := n.where(a.entity, a.use)
		if err != nil {
			return "", err
		}
		b.WriteByte('|')
		if x != nil {
			key, values := cqn.Shape(&cqn.Delete{Where: x})
			b.WriteString(key)
			for _, v := range values { // constants of the condition are part of the plan
				b.value(v)
			}
		}
	}
	return b.String(), nil
}

// ask asks all Authorizers.
func (n *narrower) ask(a Access) (cqn.Expr, error) {
	var where cqn.Expr
	for _, z := range n.r.Service.App.Options.Authorizers {
		d, err := z.Decide(n.ctx, a)
		if err != nil {
			return nil, err
		}
		if d.Deny {
			status := 403
			if !n.r.User.Identified() {
				status = 401
			}
			n.r.logDenied(n.ctx, status, orElse(d.Reason, "Authorizer"))
			return nil, forbidden(&sqlgen.Forbidden{Entity: entityName(a.Target), Anonymous: status == 401, Reason: d.Reason})
		}
		where = and(where, d.Where)
	}
	return where, nil
}

func useEvent(u sqlgen.Use) Event {
	switch u {
	case sqlgen.Update:
		return authz.Update
	case sqlgen.Delete:
		return authz.Delete
	case sqlgen.Insert:
		return authz.Create
	}
	return authz.Read
}

// As returns a request for a further event on the same target. It is decided anew, and its Execute has the guard of that decision. The
// generic handlers use it for a PUT that creates. Handlers do not run for it.
func (r *RawRequest) As(ctx context.Context, ev Event) (*RawRequest, error) {
	c := &RawRequest{Event: ev, Service: r.Service, Target: r.Target, User: r.User, Locale: r.Locale, Params: r.Params, Path: r.Path, Via: r.Via,
		Query: r.Query, HTTP: r.HTTP, Data: r.Data, Upsert: r.Upsert}
	c.state = &state{unit: r.state.unit, scope: r.state.scope, chain: r.state.chain, root: r.state}
	if r.Event == authz.Upsert { // which is the CREATE or UPDATE that it becomes
		c.state.also = r.state.where
	}
	if err := c.decide(ctx, ev, c.Path, c.Via); err != nil {
		return nil, err
	}
	return c, nil
}
