// Package generic has the handlers that every service gets: reading and writing entities, checks of payloads, managed elements, paging,
// entity tags. They are ordinary named entries of the phases of a request, so an application can replace one by its name.
//
// Handlers here decide nothing about authorization: they go through RawRequest.Execute, Page and Locate, where the request's guard is woven in.
package generic

import (
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

// handlers are the generic handlers of one App.
type handlers struct {
	app      *cds.App
	checks   []namedCheck
	entities map[*csn.Entity]*facts
	params   map[*csn.Element]*checkPlan // of operations
}

// facts are what annotations say about an entity, found once.
type facts struct {
	etag                 *csn.Element
	pageDefault, pageMax int64
	needed               []*csn.Element // that must have a value
	checks               map[string]*checkPlan
	asserts              []*assertion
	readOnly             []*assertion  // elements that are read-only on a condition
	restrictions         *restrictions // of queries; nil for none
}

func (h *handlers) findFacts(e *csn.Entity) (*facts, error) {
	f := &facts{etag: etagElement(e), needed: neededElements(e), checks: map[string]*checkPlan{}, asserts: assertionsOf(e), readOnly: conditionallyReadOnly(e), restrictions: readRestrictions(e)}
	f.pageDefault, f.pageMax = h.readPageSizes(e)
	for _, el := range e.Flat {
		p, err := h.planChecks(el, 0)
		if err != nil {
			return f, fmt.Errorf("entity %s: %w", e.Name, err)
		}
		if p != nil {
			f.checks[el.Name] = p
		}
	}
	return f, nil
}

// learn finds the facts of an entity and of what is composed of it.
func (h *handlers) learn(e *csn.Entity) {
	if e == nil || h.entities[e] != nil {
		return
	}
	f, err := h.findFacts(e)
	if err != nil {
		h.app.Refuse(err)
	}
	h.entities[e] = f
	for _, el := range compositions(e) {
		h.learn(el.Assoc().Target)
	}
}

// learnParams plans the checks of an operation's parameters.
func (h *handlers) learnParams(o *csn.Operation) {
	for _, p := range o.Params {
		plan, err := h.planChecks(p, 0)
		if err != nil {
			h.app.Refuse(fmt.Errorf("operation %s: %w", o.Name, err))
		}
		h.params[p] = plan
	}
}

// factsOf returns the facts of an entity; of one that no service shows they are found anew.
func (h *handlers) factsOf(e *csn.Entity) *facts {
	f, ok := h.entities[e]
	if !ok {
		f, _ = h.findFacts(e) // what it lacks then is checked by no service either
	}
	return f
}

// etag returns the element whose value is the entity tag of e, nil if there is none.
func (h *handlers) etag(e *csn.Entity) *csn.Element { return h.factsOf(e).etag }

// Options change the generic handlers of an App.
type Options struct {
	// Checks replace the checks of values with the same names (range, enum, format), or are added to them. nil for a name switches it off.
	Checks map[string]NewCheck
}

// Install gives all services of an App their generic handlers. It belongs before App.Start; the application's handlers may be registered
// before or after it.
//
// Names of the entries, in order: before-phase "temporal", "restrictions", "etag", "input", "managed", "validate", "target", "flow"; on-phase "read", "create", "update",
// "delete", "upsert"; after-phase "assert"; and those of drafts (see installDrafts). What can't be understood in annotations makes Start fail.
func Install(app *cds.App) { InstallWith(app, Options{}) }

// InstallWith is Install with options.
func InstallWith(app *cds.App, opt Options) {
	h := &handlers{app: app, checks: mergeChecks(opt.Checks), entities: map[*csn.Entity]*facts{}, params: map[*csn.Element]*checkPlan{}}
	writes := []cds.Event{authz.Create, authz.Update, authz.Upsert}
	drafts, collected := false, new(atomic.Int64)
	app.TellReadOnly(neverSet)
	for _, s := range app.Services() {
		for _, e := range s.Model.Entities {
			h.learn(e)
			for _, o := range e.Actions {
				h.learnParams(o)
			}
		}
		for _, o := range s.Model.Ops {
			h.learnParams(o)
		}
		h.installTemporal(s)
		h.installRestrictions(s)
		s.GenericBefore(cds.Match{Events: []cds.Event{authz.Update, authz.Delete}, Name: "etag"}, h.requireETag)
		s.GenericBefore(cds.Match{Events: writes, Name: "input"}, h.input)
		s.GenericBefore(cds.Match{Events: writes, Name: "managed"}, h.managed)
		s.GenericBefore(cds.Match{Events: writes, Name: "validate"}, h.validate)
		s.GenericBefore(cds.Match{Events: writes, Name: "target"}, h.targets)
		if ops := operations(s.Model); len(ops) > 0 {
			s.GenericBefore(cds.Match{Events: ops, Name: "parameters"}, h.parameters)
		}
		h.installFlow(s)
		s.GenericOn(cds.Match{Events: []cds.Event{authz.Read}, Name: "read"}, h.read)
		s.GenericOn(cds.Match{Events: []cds.Event{authz.Create}, Name: "create"}, h.create)
		s.GenericOn(cds.Match{Events: []cds.Event{authz.Update}, Name: "update"}, h.update)
		s.GenericOn(cds.Match{Events: []cds.Event{authz.Delete}, Name: "delete"}, h.remove)
		s.GenericOn(cds.Match{Events: []cds.Event{authz.Upsert}, Name: "upsert"}, h.upsert)
		if names := h.withAssertions(s.Model); len(names) > 0 {
			s.GenericAfter(cds.Match{Events: writes, Entities: names, Name: "assert"}, h.assert)
		}
		drafts = h.installDrafts(s, collected) || drafts
	}
	if drafts {
		d := &drafting{h, collected}
		app.OnServed(d.collectAtStart)
	}
}

// mergeChecks puts the application's checks in the place of the built-in ones, and new ones behind them in order of their names.
func mergeChecks(own map[string]NewCheck) []namedCheck {
	var out []namedCheck
	for _, c := range builtinChecks() {
		if mine, ok := own[c.name]; ok {
			c.make = mine
		}
		if c.make != nil {
			out = append(out, c)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		if !slices.ContainsFunc(builtinChecks(), func(c namedCheck) bool { return c.name == name }) && own[name] != nil {
			out = append(out, namedCheck{name, own[name]})
		}
	}
	return out
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
