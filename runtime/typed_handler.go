package cds

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"cds/parser/csn"
)

// A WriteEvent is an event that carries data, a ReadEvent one that does not. Two types keep a handler for data from being
// registered for READ.
type (
	WriteEvent Event
	ReadEvent  Event
)

// The standard events. Generated packages repeat them.
const (
	Create WriteEvent = "CREATE"
	Update WriteEvent = "UPDATE"
	Delete WriteEvent = "DELETE"
	Read   ReadEvent  = "READ"
)

// AnyEvent is the constraint of both kinds of events.
type AnyEvent interface{ WriteEvent | ReadEvent }

// A Request is what typed handlers see: a RawRequest whose Data is the generated struct. For DELETE and READ Data is empty.
type Request[T any] struct {
	*RawRequest
	Data *T
}

// Invalid collects an error about an element of the data, answered as 400. The request ends after the phase.
func (r *Request[T]) Invalid(target interface{ Path() string }, code, message string, args ...any) {
	r.Error(400, code, target.Path(), message, args...)
}

// A NextRows calls the following on-handler and returns its rows.
type NextRows[T any] func(ctx context.Context) ([]*T, error)

// A Handler is a handler of the service that the type S stands for; handlers of another service do not compile.
type Handler[S any] struct{ bind func(s *Service) error }

// BeforeEntity makes a typed before-handler. It is called once for each row of the data; what it changes in req.Data goes on.
// Generated packages wrap it as Before.
func BeforeEntity[S, T any](ev WriteEvent, e EntityRef[T], fn func(ctx context.Context, req *Request[T]) error) Handler[S] {
	ent := e.Ref()
	return Handler[S]{func(s *Service) error {
		m, err := match(s, Event(ev), ent, fn == nil)
		if err != nil {
			return err
		}
		s.Before(m, func(ctx context.Context, r *RawRequest) error { return eachRow(ctx, r, ent, fn) })
		return nil
	}}
}

// match finds the entity in the service; a wrong one is a fault of generated code or of its use, found when the app starts.
func match[T any](s *Service, ev Event, e Entity[T], noFunc bool) (Match, error) {
	local, ok := e.local(s.Model.Name)
	local = holder(ev, local)
	if !ok || s.Model.Entity(local) == nil {
		return Match{}, fmt.Errorf("service %s has no entity %s: is the generated code up to date?", s.Model.Name, e.name)
	}
	if noFunc {
		return Match{}, fmt.Errorf("the handler for %s of %s is nil", ev, e.name)
	}
	return Match{Events: []Event{ev}, Entities: []string{local}}, nil
}

func eachRow[T any](ctx context.Context, r *RawRequest, e Entity[T], fn func(context.Context, *Request[T]) error) error {
	rows := r.Rows
	if r.Data != nil || len(rows) == 0 {
		rows = []*Row{r.Data}
	}
	for _, row := range rows {
		x, codec := e.make()
		if err := FromRow(row, codec); err != nil {
			return Reject(400, "ASSERT_DATA_TYPE", "%s", err.Error())
		}
		if err := fn(ctx, &Request[T]{r, x}); err != nil {
			return err
		}
		if row == nil {
			continue
		}
		if err := updateRow(row, codec); err != nil {
			return err
		}
	}
	return nil
}

// OnEntity makes a typed on-handler for a standard event. next leads to the generic handler in the end. Generated packages wrap it
// as On.
func OnEntity[S, T any, V AnyEvent](ev V, e EntityRef[T], fn func(ctx context.Context, req *Request[T], next NextRows[T]) ([]*T, error)) Handler[S] {
	ent := e.Ref()
	return Handler[S]{func(s *Service) error {
		m, err := match(s, Event(ev), ent, fn == nil)
		if err != nil {
			return err
		}
		s.On(m, func(ctx context.Context, r *RawRequest, next Next) (*Result, error) {
			return onRows(ctx, r, next, ent, fn)
		})
		return nil
	}}
}

func onRows[T any](ctx context.Context, r *RawRequest, next Next, e Entity[T],
	fn func(context.Context, *Request[T], NextRows[T]) ([]*T, error)) (*Result, error) {
	data, codec := e.make()
	if err := FromRow(r.Data, codec); err != nil {
		return nil, Reject(400, "ASSERT_DATA_TYPE", "%s", err.Error())
	}
	r.Format = nil // the handler sees rows, never JSON
	res := &Result{Count: -1}
	rows, err := fn(ctx, &Request[T]{r, data}, func(ctx context.Context) ([]*T, error) {
		if r.Data != nil {
			if err := updateRow(r.Data, codec); err != nil {
				return nil, err
			}
		}
		got, err := next(ctx, r)
		if err != nil || got == nil {
			return nil, err
		}
		res = got
		return e.decodeAll(got.Rows)
	})
	if err != nil {
		return nil, err
	}
	return res, encodeInto(res, rows)
}

func encodeInto[T any](res *Result, rows []*T) error {
	out := make([]*Row, len(rows))
	for i, x := range rows {
		c, err := coded(x)
		if err == nil {
			out[i], err = ToRow(c)
		}
		if err != nil {
			return err
		}
	}
	res.Rows, res.N, res.JSON = out, len(out), nil
	return nil
}

// AfterEntity makes a typed after-handler. It is called once per page with the rows of the result; what it changes in them goes on.
// Generated packages wrap it as After.
func AfterEntity[S, T any, V AnyEvent](ev V, e EntityRef[T], fn func(ctx context.Context, req *Request[T], rows []*T) error) Handler[S] {
	ent := e.Ref()
	return Handler[S]{func(s *Service) error {
		m, err := match(s, Event(ev), ent, fn == nil)
		if err != nil {
			return err
		}
		s.After(m, func(ctx context.Context, r *RawRequest, res *Result) error { return afterRows(ctx, r, res, ent, fn) })
		return nil
	}}
}

func afterRows[T any](ctx context.Context, r *RawRequest, res *Result, e Entity[T], fn func(context.Context, *Request[T], []*T) error) error {
	if res == nil {
		return nil
	}
	if len(res.JSON) > 0 && res.Rows == nil {
		return errors.New("an after-handler got JSON instead of rows")
	}
	rows := make([]*T, len(res.Rows))
	codecs := make([]Coded, len(res.Rows))
	for i, row := range res.Rows {
		rows[i], codecs[i] = e.make()
		if err := FromRow(row, codecs[i]); err != nil {
			return err
		}
	}
	data, codec := e.make()
	if err := FromRow(r.Data, codec); err != nil {
		return err
	}
	if err := fn(ctx, &Request[T]{r, data}, rows); err != nil {
		return err
	}
	for i, row := range res.Rows {
		if err := updateRow(row, codecs[i]); err != nil {
			return err
		}
	}
	return nil
}

// BeforeAny makes an untyped before-handler for all events of all entities and operations of the service.
func BeforeAny[S any](fn func(ctx context.Context, req *RawRequest) error) Handler[S] {
	return Handler[S]{func(s *Service) error { s.Before(Match{}, fn); return nil }}
}

// BeforeRead makes an untyped before-handler for READ, which may rewrite the query. Rights cannot be lost by that: they are woven in later.
func BeforeRead[S, T any](e EntityRef[T], fn func(ctx context.Context, req *RawRequest) error) Handler[S] {
	ent := e.Ref()
	return Handler[S]{func(s *Service) error {
		m, err := match(s, Event(Read), ent, fn == nil)
		if err != nil {
			return err
		}
		s.Before(m, fn)
		return nil
	}}
}

// Serve registers the handlers of one service. It compares the policy that the app has compiled from its model with the one that was
// generated, and refuses on a difference: stale generated code must not describe rights that do not hold. Generated packages wrap it.
func Serve[S any](app *App, service string, policy PolicyTable, implementations []Handler[S], handlers []Handler[S]) error {
	s := app.Service(service)
	if s == nil {
		return fmt.Errorf("the model has no service %s: is the generated code up to date?", service)
	}
	if err := policy.Check(app, service); err != nil {
		return err
	}
	for _, h := range append(handlers[:len(handlers):len(handlers)], implementations...) {
		if h.bind == nil {
			return fmt.Errorf("service %s: a handler is empty", service)
		}
		if err := h.bind(s); err != nil {
			return err
		}
	}
	return nil
}

// operation finds an operation by the absolute name of the service or entity it belongs to.
func operation(s *Service, entity, name string) (*csn.Operation, string, error) {
	if entity == "" {
		if op := s.Model.Operation(name); op != nil {
			return op, "", nil
		}
		return nil, "", fmt.Errorf("service %s has no operation %s: is the generated code up to date?", s.Model.Name, name)
	}
	local := strings.TrimPrefix(entity, s.Model.Name+".")
	if e := s.Model.Entity(local); e != nil {
		if op := e.Action(name); op != nil {
			return op, local, nil
		}
	}
	return nil, "", fmt.Errorf("entity %s has no operation %s: is the generated code up to date?", entity, name)
}

// ErrNoImplementation is the error of a generated Serve that got no implementation for the operations of its service.
func ErrNoImplementation(service string) error {
	return fmt.Errorf("service %s has operations: pass a value that implements them to Serve", service)
}

// Prepend makes a handler run ahead of those that were registered before it.
func Prepend[S any](h Handler[S]) Handler[S] {
	return Handler[S]{func(s *Service) error {
		return s.Prepend(func() error { return h.bind(s) })
	}}
}

// OnFailure makes a handler of errors for all requests of the service: see OnError.
func OnFailure[S any](fn OnError) Handler[S] {
	return Handler[S]{func(s *Service) error { s.OnError(Match{}, fn); return nil }}
}

// Each makes an after-handler of a function for single rows: catalog.After(catalog.Read, catalog.Books, cds.Each(discount)).
func Each[T any](fn func(ctx context.Context, req *Request[T], row *T) error) func(ctx context.Context, req *Request[T], rows []*T) error {
	return func(ctx context.Context, req *Request[T], rows []*T) error {
		for _, row := range rows {
			if err := fn(ctx, req, row); err != nil {
				return err
			}
		}
		return nil
	}
}
