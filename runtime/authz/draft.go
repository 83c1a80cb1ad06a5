package authz

import (
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/sqlgen"
)

// The events of the draft choreography. Rights know none of them: each is one of the standard events, on active rows or on drafts (section 10).
const (
	New     Event = "NEW"     // a draft of a new row
	Edit    Event = "EDIT"    // a draft of an active row
	Patch   Event = "PATCH"   // a change of a draft
	Save    Event = "SAVE"    // a draft becomes active
	Discard Event = "DISCARD" // a draft is thrown away
	Prepare Event = "draftPrepare"
)

// Plain returns the access in terms of standard events: EDIT asks for UPDATE of the active row; NEW, PATCH, SAVE and DISCARD ask for
// CREATE, UPDATE and DELETE of the draft. What is saved is decided again, as CREATE or UPDATE of the active row.
func (a Access) Plain() Access {
	if a.Op != nil && a.Op.Draft != csn.NoDraftOp {
		a.Op, a.Event = nil, Update
		return a
	}
	switch a.Event {
	case New:
		a.Event = Create
	case Edit, Patch, Save:
		a.Event = Update
	case Discard:
		a.Event = Delete
	}
	return a
}

// active returns the access to active rows that NEW needs beside the one to drafts: who may not create rows needs no draft of one.
func (a Access) active() (Access, bool) {
	if a.Event != New || a.Op != nil || len(a.Path) != 1 || !isDraft(a.Path[0]) || !a.Path[0].DraftRoot {
		return a, false
	}
	a.Event, a.Path = Create, []*csn.Entity{a.Path[0].Active}
	return a, true
}

// isDraft reports whether an entity holds drafts.
func isDraft(e *csn.Entity) bool { return e != nil && e.Active != nil && len(e.Union) == 0 }

// drafts gives the entities that hold drafts their rules: those of the active rows, without conditions on rows, since drafts need not fulfil them
// yet. What a draft's owner may do follows from CREATE and UPDATE: either lets him write drafts, of which he has only those that he was
// allowed to make.
func (p *policy) drafts() {
	for i := range p.entities {
		er := &p.entities[i]
		e := er.entity
		switch {
		case e == nil:
		case isDraft(e):
			er.own = p.of(e.Active).own.forDrafts(e.Name)
			er.drafts = true
		case len(e.Union) > 0:
			er.own = &rules{on: e.Name, closed: "the union of active rows and drafts has no rights of its own"}
		case e.Name == csn.DraftTable:
			er.own = &rules{on: e.Name, closed: "the records of drafts are read over the drafts"}
		}
	}
}

// forDrafts derives the rules of drafts.
func (r *rules) forDrafts(on string) *rules {
	if r == nil {
		return nil
	}
	out := *r
	out.on, out.privileges = on, nil
	for i := range r.privileges {
		p := r.privileges[i]
		if p.where != nil { // operations of the application keep their conditions
			ops := p
			ops.ev, ops.opsOnly = 0, true
			out.privileges = append(out.privileges, ops)
			p.ops, p.where, p.static, p.text = nil, nil, false, ""
			if p.all {
				p.all, p.ev = false, evRead|evWrite
			}
		}
		if p.ev&(evCreate|evUpdate) != 0 {
			p.ev |= evCreate | evUpdate | evDelete
		} else {
			p.ev &^= evDelete
		}
		out.privileges = append(out.privileges, p)
	}
	out.denies = nil
	for i := range r.denies {
		out.denies = append(out.denies, r.denies[i].forDrafts()...)
	}
	return &out
}

// forDrafts derives what is denied of drafts: operations of the application and READ as on active rows, and writing where neither CREATE nor UPDATE is
// left. A condition on rows is asked of active rows only: when the draft is made and when it is saved.
func (p privilege) forDrafts() []privilege {
	ops := p
	ops.ev, ops.opsOnly = 0, true
	std := p
	std.ops = nil
	if std.all {
		std.all, std.ev = false, evRead|evWrite
	}
	if std.ev&(evCreate|evUpdate) != evCreate|evUpdate {
		std.ev &^= evWrite
	}
	switch {
	case p.where != nil && !p.static:
		return []privilege{ops}
	case std.ev == 0:
		return []privilege{ops}
	}
	return []privilege{ops, std}
}

// owned is the condition that a draft is the user's own. The anonymous user has no id and so no drafts.
func owned() cqn.Expr {
	return &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef(csn.DraftOwner, "InProcessByUser"), R: &cqn.Param{From: cqn.FromUserID}}
}

// followDraft returns the condition for new values of a part of a draft: some parent, be it over any composition, is the user's own draft.
func (b *builder) followDraft(e *csn.Entity, ev Event) (cqn.Expr, bool) {
	static := builder{guard: b.guard, dry: true}
	if _, ok := static.follow(e, ev); !ok {
		b.why = static.why
		return nil, false
	}
	var any cqn.Expr
	for _, r := range b.guard.p.of(e).roots {
		if isDraft(r.parent) {
			any = or(any, &cqn.Exists{Inverse: r.parent.Name, Path: pathOf(r.via), Pred: owned()})
		}
	}
	if any == nil {
		b.why = e.Name + ": its composition parent is out of reach"
	}
	return any, any != nil
}

// serviceEvents are the events of which a service must grant one. Drafts are written by who may create or update rows.
func serviceEvents(target *csn.Entity, ev Event) []Event {
	if isDraft(target) && writes(ev) {
		return []Event{Update, Create}
	}
	return []Event{ev}
}

// draftElement refuses elements that only the framework uses. It writes them, too: to which draft a row belongs is checked with the new values.
func draftElement(el *csn.Element, write bool) bool { return el != nil && el.Internal && !write }

// draftWrite decides whether an element of a draft may be written: a draft is copied whole, and what is changed in it must be something that the user
// may set in new or in active rows. Which of them it is shows when the draft is saved.
func draftWrite(r *rules, g *guard, el *csn.Element, use sqlgen.Use) error {
	if use != sqlgen.Update {
		return nil
	}
	m := r.match(g.s, Update)
	if m.ok || r.match(g.s, Create).ok {
		return nil
	}
	return &sqlgen.Forbidden{Entity: name(el.Owner), Element: el.Name, Anonymous: g.anonymous(), Reason: m.names[0], Message: m.message}
}

// newDraft decides what a new draft needs of the active rows; ok is false if there is nothing to decide.
func (p *Policy) newDraft(u *auth.User, a Access) (Decision, bool) {
	b, ok := a.active()
	if !ok {
		return Decision{}, false
	}
	return p.Decide(u, b), true
}
