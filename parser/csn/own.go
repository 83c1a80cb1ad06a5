package csn

// share notes what is not for one entity alone: elements of types, aspects, events, operations, parameters and items of arrays. They may be those
// of an entity that is used as a type.
func (f *freezer) share() {
	for _, d := range f.m.Defs {
		switch d := d.(type) {
		case *Entity:
			f.shareAll(d.Params, 0)
			f.shareOps(d.Actions)
			f.shareInside(d.Elements, 0)
		case *Operation:
			f.shareOps([]*Operation{d})
		case *TypeDef:
			f.shareAll(Elements{d.Type}, 0)
		case *AnnotationDef:
			f.shareAll(Elements{d.Type}, 0)
		case *Event:
			f.shareAll(Elements{d.Type}, 0)
		case *Aspect:
			f.shareAll(d.Elements, 0)
			f.shareOps(d.Actions)
		}
	}
}

func (f *freezer) shareOps(ops []*Operation) {
	for _, o := range ops {
		f.shareAll(o.Params, 0)
		f.shareAll(Elements{o.Returns}, 0)
	}
}

func (f *freezer) shareAll(els Elements, depth int) {
	for _, el := range els {
		if el == nil || f.shared[el] || depth > maxDepth {
			continue
		}
		f.shared[el] = true
		switch t := el.Type.(type) {
		case *Struct:
			f.shareAll(t.Elements, depth+1)
		case *Array:
			f.shareAll(Elements{t.Items}, depth+1)
		case *Assoc:
			f.sharedAssoc[t] = true
			f.shareAll(t.targetAspect().Elements, depth+1)
		}
	}
}

// shareInside notes what elements of an entity hold beside their structures.
func (f *freezer) shareInside(els Elements, depth int) {
	if depth > maxDepth { // own reports it
		return
	}
	for _, el := range els {
		if el == nil {
			continue
		}
		switch t := el.Type.(type) {
		case *Struct:
			if !f.inside[t] {
				f.inside[t] = true
				f.shareInside(t.Elements, depth+1)
			}
		case *Array:
			f.shareAll(Elements{t.Items}, depth+1)
		case *Assoc:
			f.shareAll(t.targetAspect().Elements, depth+1)
		}
	}
}

// own gives the entity elements of its own, which nothing else points to, and resolves association targets by name. The associations of
// operations, events and types stay shared: they have no columns.
func (f *freezer) own(e *Entity) {
	n := 0
	e.Elements = f.ownAll(e, e.Elements, 0, &n)
}

func (f *freezer) ownAll(e *Entity, in Elements, depth int, n *int) Elements {
	if depth > maxDepth {
		f.errorf(codeTooDeep, e, nil, "the elements of %s are nested more than %d levels deep", e.Name, maxDepth)
		return nil
	}
	out := make(Elements, 0, len(in))
	names := make(map[string]bool, 0)
	for _, el := range in {
		if el == nil {
			continue
		}
		if *n++; *n > maxFlat {
			if *n == maxFlat+1 {
				f.errorf(codeTooLarge, e, el, "%s has more than %d elements", e.Name, maxFlat)
			}
			return out
		}
		if len(names) == 0 && len(out) > 32 {
			for _, o := range out {
				names[o.Name] = true
			}
		}
		if names[el.Name] || len(names) == 0 && out.Lookup(el.Name) != nil {
			f.errorf(codeDuplicate, e, el, "duplicate element %q in %s", el.Name, e.Name)
			continue
		}
		if len(names) > 0 {
			names[el.Name] = true
		}
		el = f.ownElement(e, el, depth, n)
		f.resolveTarget(e, el)
		out = append(out, el)
	}
	return out
}

// ownElement returns el itself if nobody else has it, else a copy. An element that has an owner already belongs to another entity, perhaps of
// another model; so does an association that has its target.
func (f *freezer) ownElement(e *Entity, el *Element, depth int, n *int) *Element {
	if el.Owner != nil || f.shared[el] {
		c := *el
		el = &c
	}
	el.ID, el.Owner, el.ForeignKey, el.Origin, el.path = 0, e, nil, nil, nil
	switch t := el.Type.(type) {
	case *Struct:
		el.Type = &Struct{f.ownAll(e, t.Elements, depth+1, n)}
	case *Assoc:
		if t.Target != nil || f.sharedAssoc[t] {
			a := *t
			t = &a
		}
		t.FK, t.FKTarget, t.Join, t.Pairs, t.Rest, t.Backlink = nil, nil, nil, nil, nil, nil
		el.Type = t
	}
	return el
}

// resolveTarget sets the target entity of an association. A target pointer that is set already is looked up again by its name, so that it
// is one of this model.
func (f *freezer) resolveTarget(e *Entity, el *Element) {
	a := el.Assoc()
	if a == nil {
		return
	}
	if a.TargetName == "" && a.Target != nil {
		a.TargetName = a.Target.Name
	}
	a.Target = f.m.Entity(a.TargetName)
	if a.Target == nil {
		f.errorf(codeTarget, e, el, "the target %q of %s.%s is not an entity of the model", a.TargetName, e.Name, el.Name)
	}
}
