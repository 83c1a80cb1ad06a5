package cds

import (
	"context"
	"slices"
	"time"

	"cds/parser/csn"
	"cds/runtime/authz"
	"cds/runtime/sqlgen"
)

// The events of drafts. NEW, PATCH and DISCARD happen to drafts, so their handlers are registered for `E.drafts`; EDIT and SAVE are
// about E. In place of these, CREATE, UPDATE and DELETE of `E.drafts` may be named, and CANCEL for DISCARD.
//
//	s.Before(cds.Match{Events: []cds.Event{cds.NewDraft}, Entities: []string{"Books.drafts"}}, suggestPrice)
//
// The typed functions take them with the entity itself: admin.Before(cds.NewDraft, admin.Books, suggestPrice). At EDIT, data has the action's
// parameters, at SAVE all that is about to be active.
const (
	NewDraft     = "NEW"
	EditDraft    = "EDIT"
	PatchDraft   = "PATCH"
	SaveDraft    = "SAVE"
	DiscardDraft = "DISCARD"
	PrepareDraft = "draftPrepare"
)

// DraftOptions configure drafts.
type DraftOptions struct {
	// Lock is how long a draft keeps others from editing the same row after its last change (fiori.draft_lock_timeout); 0 means 15 minutes.
	Lock time.Duration
	// Expiry is how long a draft is kept after its last change (fiori.draft_deletion_timeout); 0 means 30 days, less than 0 forever.
	Expiry time.Duration
	// Bypass lets rows be created active without saying so, and changed without a draft (fiori.bypass_draft). Without it, this needs
	// `IsActiveEntity: true` in the payload, or @odata.draft.bypass at the entity.
	Bypass bool
}

func (o *DraftOptions) defaults() {
	if o.Lock <= 0 {
		o.Lock = 15 * time.Minute
	}
	if o.Expiry == 0 {
		o.Expiry = 30 * 24 * time.Hour
	}
}

// isDraft reports whether an entity holds drafts.
func isDraft(e *csn.Entity) bool { return e != nil && e.Active != nil && len(e.Union) == 0 }

// draftEvents are the events of drafts, beside READ.
var draftEvents = []Event{NewDraft, PatchDraft, DiscardDraft}

// draftEvent returns what an event is called where it happens to drafts.
func draftEvent(ev Event) Event {
	switch ev {
	case authz.Create:
		return NewDraft
	case authz.Update, authz.Upsert:
		return PatchDraft
	case authz.Delete, "CANCEL":
		return DiscardDraft
	}
	return ev
}

// stepEvent returns the event of an operation that is a step of the draft choreography.
func stepEvent(op *csn.Operation) Event {
	switch op.Draft {
	case csn.DraftEdit:
		return EditDraft
	case csn.DraftActivate:
		return SaveDraft
	case csn.DraftPrepare:
		return PrepareDraft
	}
	return Event(op.LocalName())
}

// nameEvent gives a request the event that its handlers are registered for.
func (r *RawRequest) nameEvent() {
	switch {
	case r.Op != nil && (r.Event == "" || r.Op.Draft != csn.NoDraftOp):
		r.Event = stepEvent(r.Op)
	case r.Op == nil && isDraft(r.Target):
		r.Event = draftEvent(r.Event)
	}
}

// matchDrafts gives a match for drafts alone the names that their events have.
func (s *Service) matchDrafts(m Match) Match {
	if len(m.Entities) == 0 || len(m.Events) == 0 {
		return m
	}
	for _, name := range m.Entities {
		if !isDraft(s.Model.Entity(name)) {
			return m
		}
	}
	m.Events = slices.Clone(m.Events)
	for i := range m.Events {
		m.Events[i] = draftEvent(m.Events[i])
	}
	return m
}

// hasDrafts reports whether the service has draft-enabled entities.
func (s *Service) hasDrafts() bool {
	return slices.ContainsFunc(s.Model.Entities, isDraft)
}

// isDraftEvent reports whether an event is one of the draft choreography.
func isDraftEvent(ev Event) bool {
	switch ev {
	case NewDraft, EditDraft, PatchDraft, SaveDraft, DiscardDraft, PrepareDraft:
		return true
	}
	return false
}

// holder returns the local name of the entity that an event happens to: NEW, PATCH and DISCARD happen to its drafts.
func holder(ev Event, local string) string {
	if slices.Contains(draftEvents, ev) {
		return local + ".drafts"
	}
	return local
}

// eventsOf returns the events that entities have without operations.
func eventsOf(e *csn.Entity) []Event {
	switch {
	case isDraft(e):
		return append([]Event{authz.Read}, draftEvents...)
	case e.Active != nil:
		return nil // requests name active rows or drafts
	}
	return standardEvents
}

// handlerFor reports whether handlers of the entity named so run for a request on e. Those of active rows also see operations on drafts, and SAVE.
func handlerFor(name string, k chainKey) bool {
	switch {
	case k.target == nil:
		return false
	case k.target.LocalName() == name:
		return true
	}
	return k.op != nil && isDraft(k.target) && k.target.Active.LocalName() == name
}

// For returns a request for an event on another entity of the same service. It is decided anew, as if it had been sent by itself, and its Execute
// has the guard of that decision. Handlers do not run for it.
func (r *RawRequest) For(ctx context.Context, ev Event, e *csn.Entity) (*RawRequest, error) {
	if r.state == nil {
		return nil, AsError(errOutside)
	}
	c := &RawRequest{Event: ev, Service: r.Service, Target: e, User: r.User, Locale: r.Locale}
	c.state = &state{unit: r.state.unit, scope: r.state.scope, chain: r.state.chain, root: r.state}
	if err := c.decide(ctx, ev, []*csn.Entity{e}, nil); err != nil {
		return nil, err
	}
	return c, nil
}

// MayRead reports whether the user may see an element, as far as that does not depend on rows.
func (r *RawRequest) MayRead(el *csn.Element) bool {
	return r.state != nil && r.state.guard != nil && r.state.guard.Element(el, sqlgen.Root) == nil
}
