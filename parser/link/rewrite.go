package link

import (
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// rewriteAll finishes associations. Before: all elements are there, targets are final. After: conditions of inherited associations
// name the elements of their new owners and targets, managed ones have their keys, and references in conditions and values of
// written elements are checked.
func (l *linker) rewriteAll() {
	for _, d := range l.defs {
		if d.kind != kEntity && d.kind != kAspect && d.kind != kType {
			continue
		}
		for _, e := range append(csn.Elements(nil), d.elems...) {
			l.finish(d, e, 0)
		}
		if d.element != nil {
			l.finish(d, d.element, 0)
		}
	}
	for _, d := range l.defs {
		d.elems = l.dropBroken(d.elems)
	}
}

// dropBroken removes associations that a `*` took along but that can't work in the view.
func (l *linker) dropBroken(es csn.Elements) csn.Elements {
	dropped := func(e *csn.Element) bool {
		inf := l.info(e)
		return inf != nil && inf.dropped
	}
	if !slices.ContainsFunc(es, dropped) {
		return es
	}
	return slices.DeleteFunc(slices.Clone(es), dropped)
}

func (l *linker) finish(d *def, e *csn.Element, depth int) {
	if depth > maxDepth {
		return
	}
	switch t := e.Type.(type) {
	case *csn.Struct:
		for _, x := range l.parts(e) {
			l.finish(d, x, depth+1)
		}
	case *csn.Assoc:
		l.finishAssoc(d, e, t, depth)
	}
	if d.query == nil && e.Value() != nil && depth == 0 && d.kind == kEntity {
		if inf := l.info(e); inf.rest().from == nil || inf.owner == d {
			e.SetValue(l.valueScope(d, inf).expr(e.Value()))
		}
	}
}

func (l *linker) valueScope(d *def, inf *elemInfo) *escope {
	s := l.elementScope(inf)
	s.owner = d
	s.sources = []source{{def: d, elems: d.elems}}
	return s
}

func (l *linker) finishAssoc(d *def, e *csn.Element, a *csn.Assoc, depth int) {
	inf := l.info(e)
	if inf == nil || inf.rewritten != todo {
		return
	}
	inf.rewritten = doing
	defer func() { inf.rewritten = done }()
	switch {
	case inf.ownOn, inf.source == nil || d.query == nil:
		l.checkOn(d, e, inf, a, depth)
	case a.On != nil:
		l.rewriteOn(d, e, inf, a)
	}
	if a.On == nil {
		a.Keys = l.managedKeys(e)
	}
	if f := inf.rest().filter; f != nil {
		l.filteredAssoc(e, inf.source, f)
	}
}

// checkOn checks the references of a written condition.
func (l *linker) checkOn(d *def, e *csn.Element, inf *elemInfo, a *csn.Assoc, depth int) {
	if a.On == nil || inf.target == nil || inf.rest().aspect != nil || inf.inline || d.kind != kEntity || depth > 0 || !inf.written && !inf.ownOn {
		return
	}
	s := &escope{l: l, names: inf.names(), owner: d, direct: true}
	s.sources = []source{{def: d, elems: d.elems}}
	s.self = func(name string) *csn.Element { return d.elems.Lookup(name) }
	if d.elems.Lookup(e.Name) != e {
		s.extra = csn.Elements{e}
	}
	a.On = s.expr(a.On)
}

// managedKeys returns the foreign keys of a managed association: as written, as the source's under the names of the new target,
// or all keys of the target.
func (l *linker) managedKeys(e *csn.Element) []csn.ForeignKey {
	a, inf := e.Assoc(), l.info(e)
	if a == nil || a.On != nil || inf == nil || inf.target == nil {
		return nil
	}
	if inf.keysDone {
		return a.Keys
	}
	inf.keysDone = true
	var src *csn.Element
	if inf.source != nil && !inf.ownOn && !inf.cast {
		src = inf.source
	}
	if src != nil && src.Assoc() != nil {
		si := l.info(src)
		if keys := l.managedKeys(src); len(keys) > 0 && si != nil && si.target != nil {
			a.Keys = l.mapKeys(e, keys, si.target, inf.target)
			return a.Keys
		}
	}
	if len(a.Keys) == 0 && !a.Many {
		for _, k := range l.elementsOf(inf.target) {
			if k.Key && !k.Virtual {
				if ka := k.Assoc(); ka != nil && ka.On != nil {
					continue
				}
				a.Keys = append(a.Keys, csn.ForeignKey{Ref: []string{k.Name}})
			}
		}
	}
	return a.Keys
}

// mapKeys names foreign keys as the new target does. The names of the foreign keys themselves stay.
func (l *linker) mapKeys(e *csn.Element, keys []csn.ForeignKey, from, to *def) []csn.ForeignKey {
	if from == to {
		return keys
	}
	out, same := make([]csn.ForeignKey, 0, len(keys)), true
	for _, k := range keys {
		steps := make([]cqn.Step, len(k.Ref))
		for i, n := range k.Ref {
			steps[i].Name = n
		}
		mapped, ok := l.mapPath(from, to, steps, 0)
		if !ok {
			l.diags.Errorf("rewrite-key-not-covered", e.Span, "The key “%s” of the association “%s” is not in its new target “%s”", strings.Join(k.Ref, "."), e.Name, to.name).
				Hint = "Add the element to “" + to.name + "”, or redirect the association with an explicit ON condition."
			mapped = steps
		}
		fk := csn.ForeignKey{As: k.As}
		for _, s := range mapped {
			fk.Ref = append(fk.Ref, s.Name)
		}
		if old, now := strings.Join(k.Ref, "_"), strings.Join(fk.Ref, "_"); fk.As == "" && old != now {
			fk.As = old
		}
		same = same && fk.As == k.As && slices.Equal(fk.Ref, k.Ref)
		out = append(out, fk)
	}
	if same {
		return keys // shared: keys are not changed
	}
	return out
}

// rewriteOn adapts the condition of an inherited association to the names of the view and of the target.
func (l *linker) rewriteOn(d *def, e *csn.Element, inf *elemInfo, a *csn.Assoc) {
	src := inf.source
	si := l.info(src)
	if si == nil || si.target == nil {
		return
	}
	owner := si.owner
	if owner != nil && owner != d && owner.kind == kEntity {
		l.finishAssoc(owner, src, src.Assoc(), 0)
		if sa := src.Assoc(); sa != nil && sa.On != nil {
			a.On = sa.On
		}
	}
	bad := ""
	if inf.overAssoc {
		bad = src.Name
	} else {
		a.On = mapHeads(a.On, func(r *cqn.Ref) cqn.Expr {
			out, ok := l.onRef(d, e, src, si.target, inf.target, owner, r)
			if !ok && bad == "" {
				bad = refText(r)
			}
			return out
		})
	}
	if bad == "" {
		return
	}
	if inf.byStar {
		l.diags.Warnf("rewrite-on-dropped", e.Span, "The association “%s” of “%s” is left out: its condition uses “%s”, which is not available", e.Name, d.name, bad)
		inf.dropped = true
		return
	}
	x := l.diags.Errorf("rewrite-not-supported", e.Span, "The condition of the association “%s” uses “%s”, which is not available in “%s”", e.Name, bad, d.name)
	x.Hint = "Project that element too, or redirect the association with an explicit ON condition."
	x.Home = home(d, e.Name)
}

// onRef adapts one reference of an association's condition.
func (l *linker) onRef(d *def, e, src *csn.Element, from, to, owner *def, r *cqn.Ref) (*cqn.Ref, bool) {
	out := &cqn.Ref{At: r.At}
	path := r.Path
	self := false
	if n := path[0].Name; n == "$self" || n == "$projection" {
		if len(path) == 1 {
			return r, true
		}
		self, path = true, path[1:]
	}
	var ok bool
	var mapped []cqn.Step
	switch {
	case !self && path[0].Name == src.Name: // the target's side
		first := path[0]
		first.Name = e.Name
		mapped, ok = l.mapPath(from, to, path[1:], 0)
		mapped = append([]cqn.Step{first}, mapped...)
	case l.info(src).owner == nil: // mixin: $projection means the view
		return r, true
	default:
		if owner == nil || owner == d {
			mapped, ok = path, d.elems.Lookup(path[0].Name) != nil // a mixin, whose names are those of the view
			if !self {
				mapped, ok = l.mapPath(l.primary(d), d, path, 0)
			}
		} else {
			mapped, ok = l.mapPath(owner, d, path, 0)
		}
	}
	if !ok {
		return r, false
	}
	if self {
		mapped = append([]cqn.Step{{Name: "$self", Span: r.Path[0].Span}}, mapped...)
	}
	out.Path = mapped
	return out, true
}

func refText(r *cqn.Ref) string {
	parts := make([]string, len(r.Path))
	for i := range r.Path {
		parts[i] = r.Path[i].Name
	}
	return strings.Join(parts, ".")
}

// mapPath finds what a path of the entity from is called in the view to, which projects it, directly or over other views.
func (l *linker) mapPath(from, to *def, path []cqn.Step, depth int) ([]cqn.Step, bool) {
	if from == to || len(path) == 0 {
		return path, true
	}
	if from == nil || to == nil || depth > maxDepth {
		return nil, false
	}
	p := l.primary(to)
	if p == nil || !l.descends(p, from) {
		return l.sameNames(from, to, path)
	}
	path, ok := l.mapPath(from, p, path, depth+1)
	if !ok {
		return nil, false
	}
	els := l.along(p, path)
	for k := range els {
		el := l.projected(to, els[:k+1])
		if el == nil {
			continue
		}
		if steps, ok := l.mapRest(els[k], el, path[k:], depth); ok {
			return steps, true
		}
	}
	return nil, false
}

// mapRest maps what follows the element old, now called el: its filter and further steps.
func (l *linker) mapRest(old, el *csn.Element, path []cqn.Step, depth int) ([]cqn.Step, bool) {
	oldTarget, newTarget := l.targetDef(old), l.targetDef(el)
	st := path[0]
	st.Name = el.Name
	ok := true
	if st.Filter != nil && oldTarget != newTarget {
		st.Filter = mapHeads(st.Filter, func(r *cqn.Ref) cqn.Expr {
			if n := r.Path[0].Name; strings.HasPrefix(n, "$") {
				return r
			}
			steps, fine := l.mapPath(oldTarget, newTarget, r.Path, depth+1)
			ok = ok && fine
			return &cqn.Ref{At: r.At, Path: steps}
		})
	}
	rest, fine := path[1:], true
	if oldTarget != nil {
		rest, fine = l.mapPath(oldTarget, newTarget, rest, depth+1)
	}
	return append([]cqn.Step{st}, rest...), ok && fine
}

func (l *linker) targetDef(e *csn.Element) *def {
	if inf := l.info(e); inf != nil && e.Assoc() != nil {
		return inf.target
	}
	return nil
}

// sameNames accepts a path in an entity that does not project the old one (an explicit redirection) if it has elements of that name.
func (l *linker) sameNames(from, to *def, path []cqn.Step) ([]cqn.Step, bool) {
	if len(l.along(to, path)) != len(path) {
		return nil, false
	}
	return path, true
}

// along returns the elements that a path passes, as far as they exist.
func (l *linker) along(d *def, path []cqn.Step) []*csn.Element {
	elems := l.elementsOf(d)
	var out []*csn.Element
	for i := range path {
		el := elems.Lookup(path[i].Name)
		if el == nil {
			break
		}
		out = append(out, el)
		elems, _ = l.below(el)
	}
	return out
}

// projected returns the element of a view that stands for the last of the given elements of its source, which are a path. One of
// the same name is preferred.
func (l *linker) projected(to *def, els []*csn.Element) *csn.Element {
	last := els[len(els)-1]
	var found *csn.Element
	for _, e := range l.elementsOf(to) {
		inf := l.info(e)
		if inf == nil || inf.source != last || inf.cast || inf.rest().filter != nil || len(inf.rest().path) != len(els)-1 {
			continue
		}
		same := true
		for i, p := range inf.rest().path {
			same = same && p == els[i]
		}
		if same && (found == nil || e.Name == last.Name) {
			found = e
		}
	}
	return found
}
