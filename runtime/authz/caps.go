package authz

import (
	"slices"

	"cds/parser/csn"
)

// capabilities are what nobody may do with an entity, whoever he is (section 4, step 4).
type capabilities struct {
	readOnly, insertOnly               bool
	noRead, noInsert, noUpdate, noDrop bool
}

// readCapabilities reads @readonly, @insertonly and @Capabilities, in the current and in the older form.
func readCapabilities(e *csn.Entity) capabilities {
	a := e.Annotations
	off := func(names ...string) bool {
		for _, n := range names {
			if a.Get("Capabilities." + n).False() {
				return true
			}
		}
		return false
	}
	return capabilities{
		readOnly:   a.Is("readonly"),
		insertOnly: a.Is("insertonly"),
		noRead:     off("ReadRestrictions.Readable", "Readable"),
		noInsert:   off("InsertRestrictions.Insertable", "Insertable"),
		noUpdate:   off("UpdateRestrictions.Updatable", "Updatable"),
		noDrop:     off("DeleteRestrictions.Deletable", "Deletable"),
	}
}

// refusal is a 405 with CAP's code and message; the zero value refuses nothing.
type refusal struct{ code, message string }

// The codes of a 405.
const (
	codeReadOnly    = "ENTITY_IS_READ_ONLY"
	codeInsertOnly  = "ENTITY_IS_INSERT_ONLY"
	codeNotCRUD     = "ENTITY_IS_NOT_CRUD"
	codeAutoExposed = "ENTITY_IS_AUTOEXPOSED"
)

// check applies the capabilities of e to a standard event.
func (c capabilities) check(e *csn.Entity, ev Event) refusal {
	not := func(refused bool, verb string) refusal {
		if !refused {
			return refusal{}
		}
		return refusal{codeNotCRUD, "Entity \"" + e.LocalName() + "\" is not " + verb}
	}
	switch {
	case c.readOnly && writes(ev):
		return refusal{codeReadOnly, "Entity \"" + e.Name + "\" is read-only"}
	case c.insertOnly && ev != Create:
		return refusal{codeInsertOnly, "Entity \"" + e.Name + "\" is insert-only"}
	}
	switch ev {
	case Read:
		return not(c.noRead, "readable")
	case Create:
		return not(c.noInsert, "insertable")
	case Update:
		return not(c.noUpdate, "updatable")
	case Delete:
		return not(c.noDrop, "deletable")
	case Upsert:
		if r := not(c.noUpdate, "updatable"); r.code != "" {
			return r
		}
		return not(c.noInsert, "insertable")
	}
	return refusal{}
}

// writes reports whether a standard event changes data.
func writes(ev Event) bool {
	switch ev {
	case Create, Update, Delete, Upsert:
		return true
	}
	return false
}

// refused applies all static rules to an access: exposure (A1, A2) and capabilities of the target, of the entities that the path
// passes, and of the document that the target is a part of.
func (p *policy) refused(a *Access) refusal {
	last := len(a.Path) - 1
	target := a.Path[last]
	if target.Exposure == csn.AutoExposed && last == 0 {
		return refusal{codeAutoExposed, "Entity \"" + target.Name + "\" is not explicitly exposed as part of the service"}
	}
	if a.Op == nil {
		if target.Exposure == csn.AutoExposedRead && writes(a.Event) {
			return refusal{codeReadOnly, "Entity \"" + target.Name + "\" is read-only"}
		}
		if r := p.of(target).caps.check(target, a.Event); r.code != "" {
			return r
		}
	}
	for _, e := range a.Path[:last] {
		if r := p.of(e).caps.check(e, Read); r.code != "" {
			return r
		}
	}
	if !writes(a.Event) {
		return refusal{}
	}
	child := target
	for i := last - 1; i >= 0 && i < len(a.Via) && part(child, a.Path[i], a.Via[i]); i-- {
		child = a.Path[i]
		if child.Exposure == csn.AutoExposedRead { // A2: by path too
			return refusal{codeReadOnly, "Entity \"" + child.Name + "\" is read-only"}
		}
		if r := p.of(child).caps.check(child, Update); r.code != "" {
			return r
		}
	}
	return p.partRefused(child, nil)
}

// partRefused asks what a child is a part of where the path does not say: it was reached over an association, or is addressed by itself. If it may be a part of
// something that nobody may change, it is not changed.
func (p *policy) partRefused(child *csn.Entity, seen []*csn.Entity) refusal {
	if slices.Contains(seen, child) {
		return refusal{}
	}
	seen = append(seen, child)
	for _, r := range p.of(child).roots {
		if !part(child, r.parent, r.via) {
			continue
		}
		if r.parent.Exposure == csn.AutoExposedRead {
			return refusal{codeReadOnly, "Entity \"" + r.parent.Name + "\" is read-only"}
		}
		if r := p.of(r.parent).caps.check(r.parent, Update); r.code != "" {
			return r
		}
		if r := p.partRefused(r.parent, seen); r.code != "" {
			return r
		}
	}
	return refusal{}
}

// part reports whether a child has no place of its own in the service, so that writing it is writing its parent: it is exposed for
// its composition only, or was written within it.
func part(child, parent *csn.Entity, via *csn.Element) bool {
	return composition(via) && (child.Exposure == csn.AutoExposed || child.Name == parent.Name+"."+via.Name)
}

func composition(el *csn.Element) bool {
	if el == nil {
		return false
	}
	a := el.Assoc()
	return a != nil && a.Composition
}
