// Package generic has the handlers that every service gets: reading and writing entities, checks of payloads, managed elements, paging,
// entity tags. They are ordinary named entries of the phases of a request, so an application can replace one by its name.
//
// Handlers here decide nothing about authorization: they go through RawRequest.Execute, Page and Locate, where the request's guard is woven in.
package generic

import (
	"context"
	"regexp"
	"sync"

	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

// handlers are the generic handlers of one App.
type handlers struct {
	app      *cds.App
	patterns sync.Map // text of @assert.format → *regexp.Regexp, or error
	entities map[*csn.Entity]facts
}

// facts are what annotations say about an entity, found once.
type facts struct {
	etag                 *csn.Element
	pageDefault, pageMax int64
}

func (h *handlers) findFacts(e *csn.Entity) facts {
	f := facts{etag: etagElement(e)}
	f.pageDefault, f.pageMax = h.readPageSizes(e)
	return f
}

func (h *handlers) factsOf(e *csn.Entity) facts {
	f, ok := h.entities[e]
	if !ok {
		f = h.findFacts(e)
	}
	return f
}

// etag returns the element whose value is the entity tag of e, nil if there is none.
func (h *handlers) etag(e *csn.Entity) *csn.Element { return h.factsOf(e).etag }

// Install gives all services of an App their generic handlers. It belongs before App.Start; the application's handlers may be registered
// before or after it.
//
// Names of the entries, in order: before-phase "etag", "input", "managed", "validate", "target"; on-phase "read", "create", "update",
// "delete", "upsert".
func Install(app *cds.App) {
	h := &handlers{app: app, entities: map[*csn.Entity]facts{}}
	writes := []cds.Event{authz.Create, authz.Update, authz.Upsert}
	for _, s := range app.Services() {
		for _, e := range s.Model.Entities {
			h.entities[e] = h.findFacts(e)
		}
		s.GenericBefore(cds.Match{Events: []cds.Event{authz.Update, authz.Delete}, Name: "etag"}, h.requireETag)
		s.GenericBefore(cds.Match{Events: writes, Name: "input"}, h.input)
		s.GenericBefore(cds.Match{Events: writes, Name: "managed"}, h.managed)
		s.GenericBefore(cds.Match{Events: writes, Name: "validate"}, h.validate)
		s.GenericBefore(cds.Match{Events: writes, Name: "target"}, h.targets)
		if ops := operations(s.Model); len(ops) > 0 {
			s.GenericBefore(cds.Match{Events: ops, Name: "parameters"}, h.parameters)
		}
		s.GenericOn(cds.Match{Events: []cds.Event{authz.Read}, Name: "read"}, h.read)
		s.GenericOn(cds.Match{Events: []cds.Event{authz.Create}, Name: "create"}, h.create)
		s.GenericOn(cds.Match{Events: []cds.Event{authz.Update}, Name: "update"}, h.update)
		s.GenericOn(cds.Match{Events: []cds.Event{authz.Delete}, Name: "delete"}, h.remove)
		s.GenericOn(cds.Match{Events: []cds.Event{authz.Upsert}, Name: "upsert"}, h.upsert)
	}
}

func operations(s *csn.Service) []cds.Event {
	var out []cds.Event
	for _, o := range s.Ops {
		out = append(out, cds.Event(o.LocalName()))
	}
	for _, e := range s.Entities {
		for _, o := range e.Actions {
			out = append(out, cds.Event(o.LocalName()))
		}
	}
	return out
}

// persistent refuses entities that have no table: only the application can serve them.
func persistent(e *csn.Entity) error {
	if e.SkipPersistence {
		return cds.Reject(501, "501", "Entity %q is annotated with \"@cds.persistence.skip\" and cannot be served generically.", e.Name)
	}
	return nil
}

// payload returns the rows that a write brings.
func payload(r *cds.RawRequest) []*cds.Row {
	switch {
	case r.Rows != nil:
		return r.Rows
	case r.Data != nil:
		return []*cds.Row{r.Data}
	}
	return nil
}

// pattern returns the compiled pattern of an @assert.format, nil if it cannot be compiled: then no value is accepted.
func (h *handlers) pattern(ctx context.Context, text string) *regexp.Regexp {
	if p, ok := h.patterns.Load(text); ok {
		return p.(*regexp.Regexp)
	}
	p, err := regexp.Compile(text)
	if err != nil {
		h.app.Options.Log.ErrorContext(ctx, "pattern of @assert.format cannot be compiled: every value is refused", "pattern", text, "err", err.Error())
	}
	h.patterns.Store(text, p)
	return p
}
