package edmx

import (
	"slices"

	"cds/parser/csn"
)

// withDrafts returns the service with what drafts bring. Where drafts cannot be made, the document is written without them.
func withDrafts(m *csn.Model, s *csn.Service) *csn.Service {
	if !slices.ContainsFunc(s.Entities, (*csn.Entity).IsDraftRoot) {
		return s
	}
	full, _ := csn.WithDrafts(m, "")
	if full == nil {
		return s
	}
	if x := full.Service(s.Name); x != nil {
		return x
	}
	return s
}

// isDraftAdmin reports whether an entity is the service's record of drafts: it has a type, but no set.
func isDraftAdmin(e *csn.Entity) bool {
	return e.Service != nil && e.LocalName() == csn.DraftAdmin && e.Base != nil && e.Base.Name == csn.DraftTable
}

// sets returns the entities that have a set in the container.
func (w *writer) sets() []*csn.Entity {
	var out []*csn.Entity
	for _, e := range w.exposed() {
		if !isDraftAdmin(e) && w.opt.View.Set(e) {
			out = append(out, e)
		}
	}
	return out
}

// draftNavigation writes the navigation properties that drafts bring; false for others.
func (w *writer) draftNavigation(e *csn.Entity, el *csn.Element) bool {
	if e.Drafts == nil || el.Name != csn.DraftAdmin && el.Name != csn.DraftSibling {
		return false
	}
	attrs := []string{"Name", el.Name, "Type", w.entityType(el.Assoc().Target)}
	if el.Name == csn.DraftAdmin {
		attrs = append(attrs, "ContainsTarget", "true")
	}
	w.empty("NavigationProperty", attrs...)
	return true
}

// draftContainer tells clients that parts of drafts are addressed by way of their roots.
func (w *writer) draftContainer() {
	for _, e := range w.s.Entities {
		if e.Drafts != nil && w.opt.View.Entity(e) {
			w.empty("Annotation", "Term", w.term("Common.AddressViaNavigationPath"), "Bool", "true")
			return
		}
	}
}

// draftType writes the annotations of a draft-enabled entity's type.
func (w *writer) draftType(e *csn.Entity) {
	if e.Drafts == nil {
		return
	}
	w.draftSideEffects(e)
	w.empty("Annotation", "Term", w.term("Common.Messages"), "Path", csn.DraftNotes)
}

// draftSet writes the annotations of a draft-enabled entity's set: by which actions drafts are handled.
func (w *writer) draftSet(e *csn.Entity) {
	switch {
	case e.Drafts == nil:
		return
	case !e.DraftRoot:
		w.open("Annotation", "Term", w.term("Common.DraftNode"))
		w.open("Record", "Type", "Common.DraftNodeType")
		w.empty("PropertyValue", "Property", "PreparationAction", "String", w.s.Name+".draftPrepare")
	default:
		w.open("Annotation", "Term", w.term("Common.DraftRoot"))
		w.open("Record", "Type", "Common.DraftRootType")
		w.empty("PropertyValue", "Property", "ActivationAction", "String", w.s.Name+".draftActivate")
		w.empty("PropertyValue", "Property", "EditAction", "String", w.s.Name+".draftEdit")
		w.empty("PropertyValue", "Property", "PreparationAction", "String", w.s.Name+".draftPrepare")
	}
	w.close("Record")
	w.close("Annotation")
	w.draftSideEffects(e)
}

// draftSideEffects lets clients fetch the messages after every change.
func (w *writer) draftSideEffects(e *csn.Entity) {
	if !e.DraftRoot {
		return
	}
	w.open("Annotation", "Term", w.term("Common.SideEffects"), "Qualifier", "alwaysFetchMessages")
	w.open("Record", "Type", "Common.SideEffectsType")
	w.open("PropertyValue", "Property", "SourceEntities")
	w.open("Collection")
	w.text("NavigationPropertyPath", "")
	w.close("Collection")
	w.close("PropertyValue")
	w.open("PropertyValue", "Property", "TargetProperties")
	w.open("Collection")
	w.text("String", csn.DraftNotes)
	w.close("Collection")
	w.close("PropertyValue")
	w.close("Record")
	w.close("Annotation")
}
