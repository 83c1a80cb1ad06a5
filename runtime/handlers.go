package cds

import (
	"context"
	"fmt"
	"slices"

	"cds/parser/csn"
)

// service is the private part of a Service: handlers as registered, and from Start on the chains made of them.
type service struct {
	genericBefore, before []entry[Before]
	on, genericOn         []entry[On]
	after, genericAfter   []entry[After]

	chains   map[chainKey]*chain
	needs    map[needKey][]need // what handlers demand of rows, see Needs
	onError  []entry[OnError]
	ahead    bool  // in Prepend
	replaced bool  // the application took the place of a generic handler
	err      error // the first faulty registration, returned by Start
}

type entry[H any] struct {
	match Match
	fn    H
}

type chainKey struct {
	event  Event
	target *csn.Entity
	op     *csn.Operation
}

// A chain has the handlers of one kind of request. The application's come before the generic ones in the on-phase, after them in the
// before-phase.
type chain struct {
	generic, before []Before
	on              []On
	userOn          bool // an on-handler of the application sees the result of those after it
	plain           bool // only one generic handler sees requests
	after           []After
}

// Before, On and After register handlers; they run in order of registration, application handlers before generic ones in the
// on-phase. Generic checks (validation, managed elements) are named before-entries that run ahead of the user's.
//
// A handler for an event or entity that the service does not have makes Start fail. Registering after Start panics.
func (s *Service) Before(m Match, h Before) { register(s, &s.inner.before, m, h) }

// On registers a handler of the on-phase: see Before.
func (s *Service) On(m Match, h On) { register(s, &s.inner.on, m, h) }

// After registers a handler of the after-phase: see Before.
func (s *Service) After(m Match, h After) { register(s, &s.inner.after, m, h) }

// GenericBefore registers one that runs ahead of the application's. A named entry replaces the generic one of that name in its phase.
func (s *Service) GenericBefore(m Match, h Before) { register(s, &s.inner.genericBefore, m, h) }

// GenericOn registers a handler of last resort: see GenericBefore.
func (s *Service) GenericOn(m Match, h On) { register(s, &s.inner.genericOn, m, h) }

// GenericAfter registers a handler that runs before the application's after-handlers: see GenericBefore.
func (s *Service) GenericAfter(m Match, h After) { register(s, &s.inner.genericAfter, m, h) }

// An OnError sees the error that a request is about to end with, and returns the one that the client gets: the same, a changed copy, or another. It can't
// make a success of a failure: nil leaves the error as it is.
type OnError func(ctx context.Context, r *RawRequest, e *Error) *Error

// OnError registers a handler for errors, also those of nested calls. Several run in order of registration, each with the error of the one before.
func (s *Service) OnError(m Match, h OnError) { register(s, &s.inner.onError, m, h) }

// AfterEach registers a handler of the after-phase that is called for each row of a result.
func (s *Service) AfterEach(m Match, h func(ctx context.Context, r *RawRequest, row *Row) error) {
	s.After(m, func(ctx context.Context, r *RawRequest, res *Result) error {
		for _, row := range res.Rows {
			if err := h(ctx, r, row); err != nil {
				return err
			}
		}
		return nil
	})
}

// Prepend has the handlers that fn registers run ahead of those that were registered before.
func (s *Service) Prepend(fn func() error) error {
	if s.inner.ahead {
		return fn()
	}
	in := s.inner
	before, on, after, onError := in.before, in.on, in.after, in.onError
	in.before, in.on, in.after, in.onError = nil, nil, nil, nil
	in.ahead = true
	err := fn()
	in.ahead = false
	in.before, in.on = append(in.before, before...), append(in.on, on...)
	in.after, in.onError = append(in.after, after...), append(in.onError, onError...)
	return err
}

func register[H any](s *Service, list *[]entry[H], m Match, h H) {
	if s.App.inner.started.Load() {
		panic("handler registered after Start: " + m.Name)
	}
	m = s.matchDrafts(m)
	if err := s.checkMatch(m); err != nil && s.inner.err == nil {
		s.inner.err = err
	}
	e := entry[H]{m, h}
	if m.Name != "" && isGeneric(s, list) {
		if i := slices.IndexFunc(*list, func(o entry[H]) bool { return o.match.Name == m.Name }); i >= 0 {
			(*list)[i] = e
			s.inner.replaced = true
			return
		}
	}
	*list = append(*list, e)
}

func isGeneric[H any](s *Service, list *[]entry[H]) bool {
	switch l := any(list).(type) {
	case *[]entry[Before]:
		return l == &s.inner.genericBefore
	case *[]entry[On]:
		return l == &s.inner.genericOn
	case *[]entry[After]:
		return l == &s.inner.genericAfter
	}
	return false
}

// checkMatch finds names that no request can have: a handler that never runs is a hole where it was meant to check something.
func (s *Service) checkMatch(m Match) error {
	for _, name := range m.Entities {
		if s.Model.Entity(name) == nil {
			return fmt.Errorf("handler %q: service %s has no entity %q", m.Name, s.Model.Name, name)
		}
	}
	for _, ev := range m.Events {
		if !s.hasEvent(ev) {
			return fmt.Errorf("handler %q: service %s has no event %q", m.Name, s.Model.Name, ev)
		}
	}
	return nil
}

func (s *Service) hasEvent(ev Event) bool {
	if slices.Contains(standardEvents, ev) || s.Model.Operation(string(ev)) != nil || isDraftEvent(ev) && s.hasDrafts() {
		return true
	}
	for _, e := range s.Model.Entities {
		if e.Action(string(ev)) != nil {
			return true
		}
	}
	return false
}

func (m *Match) matches(k chainKey) bool {
	if len(m.Events) > 0 && !slices.Contains(m.Events, k.event) {
		return false
	}
	return len(m.Entities) == 0 || slices.ContainsFunc(m.Entities, func(name string) bool { return handlerFor(name, k) })
}

var standardEvents = []Event{"READ", "CREATE", "UPDATE", "DELETE", "UPSERT"}

// freeze makes the chains of everything the service has, so that a request finds its handlers by one look-up.
func (s *Service) freeze() {
	in := s.inner
	in.chains = make(map[chainKey]*chain)
	for _, e := range s.Model.Entities {
		for _, ev := range eventsOf(e) {
			in.add(chainKey{ev, e, nil})
		}
		for _, o := range e.Actions {
			in.add(chainKey{stepEvent(o), e, o})
		}
	}
	for _, o := range s.Model.Ops {
		in.add(chainKey{Event(o.LocalName()), nil, o})
	}
}

func (in *service) add(k chainKey) {
	c := &chain{}
	c.generic = pick(in.genericBefore, k)
	c.before = pick(in.before, k)
	c.on = pick(in.on, k)
	c.userOn = len(c.on) > 0
	c.on = append(c.on, pick(in.genericOn, k)...)
	c.after = append(pick(in.genericAfter, k), pick(in.after, k)...)
	c.plain = len(c.on) == 1 && !c.userOn && !in.replaced && len(c.generic)+len(c.before)+len(c.after) == 0
	in.chains[k] = c
}

// Plain reports whether nothing but the one generic handler sees requests for an event on e: no code of the application could change
// their query in place, so that a door may use it for several requests.
func (s *Service) Plain(ev Event, e *csn.Entity) bool {
	c := s.inner.chains[chainKey{ev, e, nil}]
	return c != nil && c.plain
}

func pick[H any](list []entry[H], k chainKey) []H {
	var out []H
	for i := range list {
		if list[i].match.matches(k) {
			out = append(out, list[i].fn)
		}
	}
	return out
}

// runOn calls the on-handlers from index i on; each gets the rest as next.
func (c *chain) runOn(ctx context.Context, r *RawRequest, i int) (*Result, error) {
	if i >= len(c.on) {
		if r.Op != nil {
			return nil, Reject(501, "501", "Service %q has no handler for %q.", r.Service.Model.Name, r.Event)
		}
		return nil, Reject(501, "501", "Service %q has no handler for %s of %q.", r.Service.Model.Name, r.Event, entityName(r.Target))
	}
	return c.on[i](ctx, r, func(ctx context.Context, r *RawRequest) (*Result, error) { return c.runOn(ctx, r, i+1) })
}

func entityName(e *csn.Entity) string {
	if e == nil {
		return ""
	}
	return e.Name
}
