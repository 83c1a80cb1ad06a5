package csn

import "strings"

// flatInfo is what later passes need to know about a flat foreign key before pointers can be set.
type flatInfo struct {
	target     *Entity
	targetName string // flat name in the target
}

// flatten computes Flat and Keys of an entity: structures become their leaves, managed associations are followed by their foreign keys.
func (f *freezer) flatten(e *Entity) {
	e.Flat, e.Keys = nil, nil
	w := &flattener{freezer: f, e: e}
	e.Flat = make(Elements, 0, len(e.Elements)+len(e.Elements)/4)
	for _, el := range e.Elements {
		w.element(el, flatParent{}, el)
	}
	for i, el := range e.Flat {
		el.ID = int32(i)
		if el.Key && el.Assoc() == nil {
			e.Keys = append(e.Keys, el)
		}
	}
}

type flattener struct {
	*freezer
	e    *Entity
	seen map[string]*Element // flat elements by name, if there are many; else nil
}

// flatParent is what leaves take over from the structures around them.
type flatParent struct {
	prefix   string
	path     []string
	key      bool
	nullable bool // one of the structures may be null, hence the leaf may
	virtual  bool
	annos    Annotations
}

// element adds the flat elements of el. At the top level el itself becomes the flat element; leaves of structures are copies.
func (w *flattener) element(el *Element, p flatParent, top *Element) {
	if len(w.e.Flat) >= maxFlat {
		if len(w.e.Flat) == maxFlat {
			w.errorf(codeTooLarge, w.e, top, "%s has more than %d flat elements", w.e.Name, maxFlat)
			w.e.Flat = append(w.e.Flat, &Element{Def: Def{Name: "…"}, Owner: w.e})
		}
		return
	}
	flat := el
	if p.prefix != "" {
		c := *el
		c.Name = p.prefix + el.Name
		c.Key = el.Key || p.key
		c.NotNull = el.NotNull && !p.nullable
		c.Virtual = el.Virtual || p.virtual
		c.Annotations = mergeAnnos(el.Annotations, p.annos)
		flat = &c
	}
	if len(p.path) == 0 {
		flat.path = w.pathOf(nil, el.Name)
	} else {
		flat.path = w.pathOf(p.path, el.Name)
	}
	flat.Owner = w.e
	if s, ok := el.Type.(*Struct); ok {
		sub := flatParent{flat.Name + "_", flat.Path(), flat.Key, !(flat.NotNull || flat.Key) || p.nullable, flat.Virtual, flat.Annotations}
		for _, part := range s.Elements {
			w.element(part, sub, top)
		}
		return
	}
	if !w.add(flat) {
		return
	}
	if a := flat.Assoc(); a != nil {
		w.foreignKeys(flat, a)
	}
}

// add appends a flat element unless its name is taken.
func (w *flattener) add(el *Element) bool {
	if old := w.named(el.Name); old != nil {
		d := w.errorf(codeDuplicate, w.e, el, "%s has two flat elements %q: %s and %s", w.e.Name, el.Name,
			strings.Join(old.Path(), "."), strings.Join(el.Path(), "."))
		d.Hint = "Rename one of them: structures are flattened with underscores, and a managed association adds its foreign keys."
		return false
	}
	if w.seen != nil {
		w.seen[el.Name] = el
	}
	w.e.Flat = append(w.e.Flat, el)
	return true
}

// named returns the flat element of a name. Entities have few elements mostly: then comparing names is faster than a table.
func (w *flattener) named(name string) *Element {
	if w.seen == nil {
		if len(w.e.Flat) < 40 {
			return w.e.Flat.Lookup(name)
		}
		w.seen = make(map[string]*Element, 2*len(w.e.Flat))
		for _, el := range w.e.Flat {
			w.seen[el.Name] = el
		}
	}
	return w.seen[name]
}

// foreignKeys adds the foreign keys of a managed association.
func (w *flattener) foreignKeys(el *Element, a *Assoc) {
	if a.On != nil || a.Target == nil {
		return
	}
	if len(a.Keys) == 0 && !a.Many {
		for _, k := range a.Target.Elements {
			if k.Key && !k.Virtual {
				a.Keys = append(a.Keys, ForeignKey{Ref: []string{k.Name}})
			}
		}
	}
	for _, k := range a.Keys {
		name := k.As
		if name == "" && len(k.Ref) > 0 {
			name = strings.Join(k.Ref, "_")
		}
		for _, leaf := range w.leavesAt(el, a.Target, k.Ref, nil) {
			fk := w.newElement()
			*fk = Element{
				Def:        Def{Name: el.Name + "_" + name + leaf.suffix, Annotations: el.Annotations, Span: el.Span},
				Owner:      w.e,
				Type:       leaf.el.Type,
				TypeName:   leaf.el.TypeName,
				Key:        el.Key,
				NotNull:    el.NotNull || a.NotNull,
				Virtual:    el.Virtual,
				ForeignKey: el,
				path:       w.pathOf(el.Path(), leaf.path...),
			}
			also := Facets{Enum: leaf.el.Enum()}
			if len(a.Keys) == 1 && leaf.suffix == "" {
				also.Default = el.Default()
			}
			fk.SetFacets(also)
			if len(w.e.Flat) >= maxFlat || !w.add(fk) {
				return
			}
			w.info[fk] = flatInfo{a.Target, strings.Join(leaf.names, "_")}
			a.FK = append(a.FK, fk)
		}
	}
}

// newElement returns an element. They are made in portions that fill 32 kB.
func (f *freezer) newElement() *Element {
	if len(f.slab) == 0 {
		f.slab = make([]Element, 204)
	}
	el := &f.slab[0]
	f.slab = f.slab[1:]
	return el
}

// A leaf is a scalar at the end of a foreign key's path.
type leaf struct {
	el     *Element
	path   []string // structured path in the entity
	names  []string // parts of the flat name in the entity; foreign keys may be renamed by `as`
	suffix string   // what its flat name adds to that of the path it was found at
}

// visit is one step of the way that leavesAt has gone, to find cycles.
type visit struct {
	e    *Entity
	el   *Element
	next *visit
}

// leavesAt returns the scalars at and below a structured path of an entity, following managed associations to their keys.
// from is the association whose foreign key is being made.
func (w *flattener) leavesAt(from *Element, e *Entity, ref []string, way *visit) []leaf {
	els := e.Elements
	var el *Element
	for i, name := range ref {
		el = els.Lookup(name)
		switch {
		case el == nil:
			w.errorf(codeKey, w.e, from, "the foreign key %q of %s.%s: %s has no element %q", strings.Join(ref, "."), w.e.Name, from.Name, e.Name, name)
			return nil
		case i == len(ref)-1:
		default:
			switch t := el.Type.(type) {
			case *Struct:
				els = t.Elements
			case *Assoc:
				// A path into another association's keys: a.b names the foreign key b of a.
				return w.keyBehind(from, e, ref, i, t, way)
			default:
				w.errorf(codeKey, w.e, from, "the foreign key %q of %s.%s: %q has no parts", strings.Join(ref, "."), w.e.Name, from.Name, name)
				return nil
			}
		}
	}
	if el == nil {
		return nil
	}
	return w.leaves(from, e, el, leaf{path: ref, names: ref}, way)
}

// keyBehind resolves a foreign key's path that goes on behind the association at ref[i].
func (w *flattener) keyBehind(from *Element, e *Entity, ref []string, i int, a *Assoc, way *visit) []leaf {
	at := leaf{path: ref[:i+1], names: ref[:i+1]}
	rest := strings.Join(ref[i+1:], ".")
	var out []leaf
	for _, l := range w.assocLeaves(from, e, nil, a, at, way) {
		if p := strings.Join(l.path[i+1:], "."); p == rest || strings.HasPrefix(p, rest+".") {
			l.suffix = strings.ReplaceAll(strings.TrimPrefix(p, rest), ".", "_")
			out = append(out, l)
		}
	}
	if len(out) == 0 {
		w.errorf(codeKey, w.e, from, "the foreign key %q of %s.%s does not end in a key of %s", strings.Join(ref, "."), w.e.Name, from.Name, a.TargetName)
	}
	return out
}

// leaves expands one element: at says where it stands.
func (w *flattener) leaves(from *Element, e *Entity, el *Element, at leaf, way *visit) []leaf {
	switch t := el.Type.(type) {
	case *Struct:
		var out []leaf
		for _, part := range t.Elements {
			sub := leaf{path: appendPath(at.path, part.Name), names: appendPath(at.names, part.Name), suffix: at.suffix + "_" + part.Name}
			out = append(out, w.leaves(from, e, part, sub, way)...)
			if len(out) > maxFlat {
				return nil
			}
		}
		return out
	case *Assoc:
		return w.assocLeaves(from, e, el, t, at, way)
	case *Builtin:
		at.el = el
		return []leaf{at}
	}
	w.errorf(codeKey, w.e, from, "the foreign key %q of %s.%s is neither a scalar nor a structure", strings.Join(at.path, "."), w.e.Name, from.Name)
	return nil
}

// keyCycle reports a cycle of associations that are keys, once for all that are part of it, with the chain.
func (w *flattener) keyCycle(from *Element, way *visit) {
	var chain []string
	known := false
	for v := way; v != nil; v = v.next {
		if v.el == nil {
			continue
		}
		known = known || w.cyclic[v.el]
		chain = append([]string{v.e.Name + "." + v.el.Name}, chain...)
	}
	for v := way; v != nil; v = v.next {
		if v.el != nil {
			w.cyclic[v.el] = true
		}
	}
	if !known {
		w.errorf(codeCycle, w.e, from, "the foreign keys of %s.%s lead back to themselves: %s", w.e.Name, from.Name, strings.Join(chain, " → "))
	}
}

// assocLeaves returns the foreign keys of an association that is itself part of a key.
func (w *flattener) assocLeaves(from *Element, e *Entity, el *Element, a *Assoc, at leaf, way *visit) []leaf {
	n := 0
	for v := way; v != nil; v = v.next {
		if n++; v.e == e && v.el == el && el != nil || n > maxDepth {
			w.keyCycle(from, way)
			return nil
		}
	}
	if a.On != nil || a.Target == nil {
		if a.On != nil {
			w.errorf(codeKey, w.e, from, "the foreign key %q of %s.%s is an unmanaged association, which has no keys", strings.Join(at.path, "."), w.e.Name, from.Name)
		}
		return nil
	}
	keys := a.Keys
	if len(keys) == 0 && !a.Many {
		for _, k := range a.Target.Elements {
			if k.Key && !k.Virtual {
				keys = append(keys, ForeignKey{Ref: []string{k.Name}})
			}
		}
	}
	var out []leaf
	for _, k := range keys {
		as := k.As
		if as == "" {
			as = strings.Join(k.Ref, "_")
		}
		for _, l := range w.leavesAt(from, a.Target, k.Ref, &visit{e, el, way}) {
			out = append(out, leaf{
				el:     l.el,
				path:   appendPath(at.path, l.path...),
				names:  appendPath(at.names, as+l.suffix),
				suffix: at.suffix + "_" + as + l.suffix,
			})
		}
		if len(out) > maxFlat {
			return nil
		}
	}
	return out
}

// linkForeignKeys sets FKTarget, now that all entities are flat.
func (f *freezer) linkForeignKeys() {
	for _, e := range f.m.Entities {
		for _, el := range e.Flat {
			a := el.Assoc()
			if a == nil {
				continue
			}
			for _, fk := range a.FK {
				in := f.info[fk]
				t := in.target.Element(in.targetName)
				if t == nil {
					f.errorf(codeKey, e, el, "the foreign key %s of %s.%s has no counterpart %q in %s", fk.Name, e.Name, el.Name, in.targetName, in.target.Name)
					a.FK, a.FKTarget = nil, nil
					break
				}
				a.FKTarget = append(a.FKTarget, t)
			}
		}
	}
}

// mergeAnnos returns own annotations and those outer ones that are not among them.
func mergeAnnos(own, outer Annotations) Annotations {
	if len(outer) == 0 {
		return own
	}
	out := append(Annotations(nil), own...)
	for _, a := range outer {
		if own.Get(a.Name) == nil {
			out = append(out, a)
		}
	}
	return out
}

func appendPath(p []string, more ...string) []string {
	return append(append(make([]string, 0, len(p)+len(more)), p...), more...)
}
