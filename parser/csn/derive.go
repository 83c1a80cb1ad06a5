package csn

import "strings"

// persistence sets SkipPersistence, Exists and Texts. An entity that is annotated with @cds.persistence.skip: 'if-unused' is skipped unless it
// is written in a service or something that is not skipped leads to it.
func (f *freezer) persistence() {
	used := make([]bool, len(f.m.Entities))
	var work []*Entity
	mark := func(e *Entity) {
		if e != nil && !used[e.ID] && !f.skipped(e) {
			used[e.ID] = true
			work = append(work, e)
		}
	}
	for _, e := range f.m.Entities {
		if e.Texts == nil {
			if a := assocOf(e.Elements.Lookup("texts")); a != nil && a.Target != nil && strings.HasSuffix(a.Target.Name, "texts") {
				e.Texts = a.Target
			}
		}
		e.Exists = e.Annotations.Is("cds.persistence.exists")
		owner := f.textsOwner(e)
		switch {
		case f.ifUnused(e) || owner != nil && f.ifUnused(owner):
			if e.Service != nil && e.Exposure == Exposed && e.Source != nil {
				mark(e)
			}
		default:
			mark(e)
		}
	}
	for len(work) > 0 {
		e := work[len(work)-1]
		work = work[:len(work)-1]
		for _, t := range e.Reads {
			mark(t)
		}
		for _, el := range e.Flat {
			if a := el.Assoc(); a != nil && a.Target != e {
				mark(a.Target)
			}
		}
	}
	for i, e := range f.m.Entities {
		e.SkipPersistence = !used[i]
	}
}

func assocOf(el *Element) *Assoc {
	if el == nil {
		return nil
	}
	return el.Assoc()
}

func (f *freezer) skipped(e *Entity) bool { return e.Annotations.Is("cds.persistence.skip") }
func (f *freezer) ifUnused(e *Entity) bool {
	return e.Annotations.Str("cds.persistence.skip") == "if-unused"
}

// textsOwner returns the entity whose translations e holds, nil if it is no such entity.
func (f *freezer) textsOwner(e *Entity) *Entity {
	if name, ok := strings.CutSuffix(e.Name, ".texts"); ok {
		return f.m.Entity(name)
	}
	return nil
}

// parents sets Parents: the compositions that lead to an entity from its own service, or for an entity outside services from anywhere.
func (f *freezer) parents() {
	for _, e := range f.m.Entities {
		e.Parents = nil
	}
	for _, e := range f.m.Entities {
		for _, el := range e.Flat {
			a := el.Assoc()
			if a != nil && a.Composition && a.Target != nil && (a.Target.Service == nil || a.Target.Service == e.Service) {
				a.Target.Parents = append(a.Target.Parents, el)
			}
		}
	}
}

// localized sets Localized: for tables with localized elements and translations, and for views that read from such.
func (f *freezer) localized() {
	const visiting, no, yes = 1, 2, 3
	state := make([]uint8, len(f.m.Entities))
	var visit func(e *Entity, depth int) bool
	visit = func(e *Entity, depth int) bool {
		switch state[e.ID] {
		case visiting:
			return false
		case no, yes:
			return state[e.ID] == yes
		}
		state[e.ID] = visiting
		is := false
		if e.Source == nil {
			is = e.Texts != nil && hasLocalized(e)
		} else if depth < 10*maxDepth {
			for _, t := range e.Reads {
				is = visit(t, depth+1) || is
			}
		}
		state[e.ID] = no
		if is && !e.SkipPersistence {
			state[e.ID] = yes
		}
		return state[e.ID] == yes
	}
	for _, e := range f.m.Entities {
		e.Localized = visit(e, 0)
	}
}

func hasLocalized(e *Entity) bool {
	for _, el := range e.Flat {
		if el.Localized && el.Assoc() == nil {
			return true
		}
	}
	return false
}
