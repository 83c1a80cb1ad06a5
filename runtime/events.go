package cds

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// An EventMessage is an event that was emitted, as its subscribers see it.
type EventMessage struct {
	Name  string // absolute, such as "CatalogService.Ordered"
	Event *csn.Event
	Data  *Row
	ID    string // of this message
	Time  Value  // when it was emitted: a Timestamp
	User  *User  // who caused it
}

// An EventHandler is called with an event. It runs after the transaction of the emitter was committed, in a transaction of its own, as the user
// who caused the event: what it calls is authorized as usual. An error undoes its own changes and is logged; nobody else notices.
//
// It is code of the application, which gets the whole payload of all events. Users get theirs by App.SubscribeUser.
type EventHandler func(ctx context.Context, m *EventMessage) error

// subscription is one EventHandler.
type subscription struct {
	event string
	name  string
	fn    EventHandler
}

// Subscribe has fn called for every event of the given absolute name, "*" for all events. name is for logs. Handlers are called one after another in
// order of subscription. It belongs before Start; an event that the model does not have makes Start fail.
func (a *App) Subscribe(event, name string, fn EventHandler) {
	if a.inner.started.Load() {
		panic("subscription after Start: " + name)
	}
	if event != "*" && a.event(event) == nil {
		a.Refuse(fmt.Errorf("subscription %q: the model has no event %q", name, event))
	}
	a.inner.subscriptions = append(a.inner.subscriptions, subscription{event, name, fn})
}

// event finds an event by its absolute name.
func (a *App) event(name string) *csn.Event {
	for _, s := range a.inner.order {
		if local, ok := strings.CutPrefix(name, s.Model.Name+"."); ok {
			if e := s.event(local); e != nil {
				return e
			}
		}
	}
	return nil
}

func (s *Service) event(local string) *csn.Event {
	for _, e := range s.Model.Events {
		if e.Name == s.Model.Name+"."+local {
			return e
		}
	}
	return nil
}

// Emit emits an event of the service, by its local name. Within a request it goes out when the transaction was committed, and not at all if that
// fails; outside of one at once. data may only have elements that the model gives the event; nil is an event without data.
//
// Subscribers in the same process have run when the request is answered. Long work belongs in a job: App.Background.
func (s *Service) Emit(ctx context.Context, event string, data *Row) error {
	e := s.event(event)
	if e == nil {
		return fmt.Errorf("service %s has no event %q", s.Model.Name, event)
	}
	if data == nil {
		data = cqn.NewRow()
	}
	data, err := eventData(e, data)
	if err != nil {
		return err
	}
	app := s.App
	m := &EventMessage{Name: e.Name, Event: e, Data: data, ID: app.Options.NewUUID(), User: UserFrom(ctx),
		Time: cqn.Text(cqn.KindTimestamp, app.Options.Now().UTC().Format(nowForm))}
	if sc := scopeOf(ctx); sc != nil && sc.unit != nil && sc.app == app && !sc.unit.isEnded() {
		return Succeeded(ctx, func(ctx context.Context) { app.deliver(ctx, m) }) // as the user of the emitter
	}
	app.deliver(ctx, m)
	return nil
}

// eventData checks the payload of an event and gives its values the types of their elements.
func eventData(e *csn.Event, data *Row) (*Row, error) {
	var els csn.Elements
	if e.Type != nil {
		if st, ok := e.Type.Type.(*csn.Struct); ok {
			els = st.Elements
		}
	}
	out := cqn.NewRow()
	for _, f := range data.Fields() {
		el := els.Lookup(f.Name)
		if el == nil {
			return nil, fmt.Errorf("event %s has no element %q", e.Name, f.Name)
		}
		v, err := Convert(el, f.Value, f.Name)
		if err != nil {
			return nil, err
		}
		out.Set(f.Name, v)
	}
	return out, nil
}

// deliver calls the subscribers of an event.
func (a *App) deliver(ctx context.Context, m *EventMessage) {
	a.deliverToUsers(ctx, m)
	for _, sub := range a.inner.subscriptions {
		if sub.event != "*" && sub.event != m.Name {
			continue
		}
		c := *m
		c.Data = m.Data.Clone()
		err := a.Tx(a.Detach(ctx), func(ctx context.Context) error { return sub.fn(ctx, &c) })
		if err != nil {
			e := AsError(err)
			a.Options.Log.ErrorContext(ctx, "event handler failed", "event", m.Name, "handler", sub.name, "id", m.ID, "status", e.Status, "err", err.Error(), "cause", causeOf(e))
		}
	}
}

// An EventRef is a reference to an event of a service with payload T. Generated packages have one for each event.
type EventRef[T any] struct {
	service, name string
	make          func() (*T, Coded)
}

// NewEvent returns a reference to an event, by the names of service and event. Generated code calls it.
func NewEvent[T any, P PtrTo[T]](service, name string) EventRef[T] {
	return EventRef[T]{service, name, func() (*T, Coded) { x := new(T); return x, P(x) }}
}

// Name returns the absolute name of the event.
func (e EventRef[T]) Name() string { return e.service + "." + e.name }

// Emit emits the event with a payload: see Service.Emit.
func (e EventRef[T]) Emit(ctx context.Context, payload T) error {
	s, err := inService(e.service).find(ctx)
	if err != nil {
		return err
	}
	c, err := coded(&payload)
	if err != nil {
		return err
	}
	row, err := ToRow(c)
	if err != nil {
		return err
	}
	return s.Emit(ctx, e.name, row)
}

// A Received is an event with its payload.
type Received[T any] struct {
	*EventMessage
	Data *T
}

// Subscribe makes a handler for an event of this or another service: see EventHandler. Generated packages pass it to Serve like any other handler.
func Subscribe[S, T any](e EventRef[T], fn func(ctx context.Context, msg *Received[T]) error) Handler[S] {
	return Handler[S]{func(s *Service) error {
		if fn == nil {
			return fmt.Errorf("the handler for event %s is nil", e.Name())
		}
		s.App.Subscribe(e.Name(), s.Model.Name+" for "+e.Name(), func(ctx context.Context, m *EventMessage) error {
			x, codec := e.make()
			if err := FromRow(m.Data, codec); err != nil {
				return err
			}
			return fn(ctx, &Received[T]{m, x})
		})
		return nil
	}}
}

// Subscribed tells whether somebody subscribed to an event, for tools.
func (a *App) Subscribed(event string) bool {
	return slices.ContainsFunc(a.inner.subscriptions, func(s subscription) bool { return s.event == event || s.event == "*" })
}
