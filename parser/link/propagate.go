package link

import (
	"cds/parser/cqn"
	"cds/parser/csn"
)

// propagateAll lets views inherit annotations from what they read: own ones win, null removes. Before: all elements are there and
// all targets are final. After: annotations are complete; paths in inherited expressions use the names of the heirs.
func (l *linker) propagateAll() {
	for _, d := range l.defs {
		l.propagate(d)
	}
}

func (l *linker) propagate(d *def) {
	if d.propagated {
		return
	}
	d.propagated = true
	if d.query == nil {
		for _, e := range d.elems {
			l.fromViewType(e, 0)
		}
		return
	}
	if src := l.primary(d); src != nil && d.kind == kEntity {
		l.propagate(src)
		inherit(&d.annos, l.converted(d, src, d.annos, src.annos), toProjection)
	}
	dropEllipsis(d.annos)
	for _, e := range d.elems {
		l.inheritElement(d, e)
	}
}

// inheritElement adds the annotations of the source's element.
func (l *linker) inheritElement(d *def, e *csn.Element) {
	inf := l.info(e)
	if inf == nil {
		return
	}
	if inf.source != nil && !inf.cast {
		from := inf.source
		base := from.Annotations
		if fi := l.info(from); fi != nil && fi.owner != nil && fi.owner != d {
			l.propagate(fi.owner)
			base = from.Annotations
			if len(inf.rest().path) == 0 {
				base = l.converted(d, fi.owner, e.Annotations, base)
			} else {
				base = l.afar(d, fi.owner, e.Annotations, base)
			}
		}
		if len(e.Annotations) == 0 && wholly(base, toProjection) {
			e.Annotations = base[:len(base):len(base)] // shared: nobody changes them from here on without copying
		} else {
			inherit(&e.Annotations, base, toProjection)
			dropEllipsis(e.Annotations)
		}
	} else {
		dropEllipsis(e.Annotations)
	}
	if inf.source == nil && !inf.cast && e.TypeName == "" {
		for _, x := range l.parts(e) {
			l.inheritElement(d, x)
		}
	}
}

// wholly reports whether annotations pass on as they are.
func wholly(as csn.Annotations, keep func(name string) bool) bool {
	for i := range as {
		if v := as[i].Value; !keep(as[i].Name) || v.Kind == cqn.AnnoNull || hasEllipsis(v) {
			return false
		}
	}
	return true
}

// fromViewType completes what an element takes over from an element of a view by `type of`.
func (l *linker) fromViewType(e *csn.Element, depth int) {
	inf := l.info(e)
	if inf == nil || depth > maxDepth {
		return
	}
	if from := inf.rest().typeFrom; from != nil {
		if ti := l.info(from); ti != nil && ti.owner != nil && ti.owner.query != nil {
			l.propagate(ti.owner)
			inherit(&e.Annotations, from.Annotations, toTypeUser)
		}
	}
	if e.TypeName == "" {
		for _, x := range l.parts(e) {
			l.fromViewType(x, depth+1)
		}
	}
}

// annotated returns an annotation of an entity or of the nearest one it projects, before annotations have been inherited.
func (l *linker) annotated(d *def, name string) csn.Annotations {
	for i := 0; d != nil && i < maxDepth; i++ {
		l.annotateDef(d)
		if d.annos.Get(name) != nil {
			return d.annos
		}
		d = l.primary(d)
	}
	return nil
}
