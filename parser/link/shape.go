package link

import (
	"slices"
	"strings"

	"cds/parser/ast"
	"cds/parser/csn"
	"cds/parser/diag"
)

// shapeAll makes the element lists of all definitions that are written with elements. Before: members have what was declared
// and extended. After: elems has an entry for each own and included element, in order, with flags but without types; elemInfo
// leads back to the declaration or to the element it was copied from. Views have none yet.
func (l *linker) shapeAll() {
	for i := 0; i < len(l.defs); i++ {
		l.shape(l.defs[i], nil)
	}
}

// structured reports whether a definition consists of elements.
func (d *def) structured() bool {
	switch n := d.node.(type) {
	case *ast.Entity:
		return n.Query == nil
	case *ast.Aspect:
		return true
	case *ast.Type:
		return n.Query == nil && (n.Type == nil || n.Type.Struct) && (n.Type != nil || len(n.Includes) > 0)
	case *ast.Event:
		return n.Query == nil && (n.Type == nil || n.Type.Struct) && (n.Type != nil || len(n.Includes) > 0)
	case nil:
		return d.kind == kEntity && d.query == nil
	}
	return false
}

// shape computes the elements of one definition; chain has the definitions that include one another on the way here.
func (l *linker) shape(d *def, chain []*def) bool {
	switch d.shaped {
	case done:
		return true
	case doing:
		return false
	}
	if d.query != nil {
		d.shaped = done
		return true
	}
	switch d.kind {
	case kEntity, kAspect, kType, kEvent:
	default:
		d.shaped = done
		return true
	}
	d.shaped = doing
	chain = append(chain, d)
	var own []*csn.Element
	for _, m := range d.members {
		if m.include != nil {
			l.include(d, m, chain)
			continue
		}
		if m.el.Name.Text == "" {
			continue
		}
		e := l.newElement(d, m.el, m.scope)
		own = append(own, e)
		l.addElement(d, e)
	}
	l.shapeActions(d)
	d.shaped = done
	d.members = nil
	if n, ok := d.node.(*ast.Entity); ok && n.Query == nil && len(n.Params) == 0 {
		d.node = l.bare // nobody asks for the elements in the tree any more
	}
	for _, e := range own {
		l.info(e).top = true
	}
	return true
}

// addElement appends an own element. It replaces an included one of its name in place; a second own one is an error.
func (l *linker) addElement(d *def, e *csn.Element) {
	for i, old := range d.elems {
		if old.Name != e.Name {
			continue
		}
		if l.info(old).rest().from == nil {
			x := l.diags.Errorf("duplicate-definition", e.Span, "Duplicate definition of element “%s”", e.Name)
			x.Home = home(d, e.Name)
			x.Related = []diag.Related{{Message: "the other one", Span: old.Span}}
			y := l.diags.Errorf("duplicate-definition", old.Span, "Duplicate definition of element “%s”", e.Name)
			y.Home = home(d, e.Name)
			return
		}
		d.elems[i] = e
		return
	}
	d.elems = append(d.elems, e)
}

// include copies the elements of what a member names.
func (l *linker) include(d *def, m member, chain []*def) {
	inc := l.find(m.scope, m.include, "Artifact")
	if inc == nil {
		return
	}
	if inc.kind == kEntity && inc.query != nil {
		l.diags.Errorf("ref-invalid-include", m.include.Span, "The view “%s” can't be included", inc.name).Hint = "Write a projection on it instead."
		return
	}
	if !inc.structured() {
		x := l.diags.Errorf("ref-invalid-include", m.include.Span, "An explicitly structured entity, type, aspect, or event is expected here, but “%s” is none", inc.name)
		x.Home = home(d, "")
		return
	}
	if !l.shape(inc, chain) {
		l.includeCycle(d, inc, m, chain)
		return
	}
	d.includes = append(d.includes, inc)
	for _, e := range inc.elems {
		if old := d.elems.Lookup(e.Name); old != nil {
			if from := l.info(old).rest().from; from != nil && l.root(from) != l.root(e) {
				l.diags.Errorf("duplicate-definition", m.include.Span, "The element “%s” is included twice, from “%s” and from “%s”", e.Name, l.info(from).owner.name, inc.name).
					Hint = "Define the element in “" + d.name + "” itself to say which is meant."
			}
			continue
		}
		if !l.room(m.include.Span) {
			return
		}
		d.elems = append(d.elems, l.copyElement(d, e))
	}
	for _, a := range inc.actions {
		if !slices.ContainsFunc(d.actions, func(b action) bool { return b.op.Name.Text == a.op.Name.Text }) {
			d.actions = append(d.actions, a)
		}
	}
}

// root follows copies to the element that was written.
func (l *linker) root(e *csn.Element) *csn.Element {
	for i := 0; i < maxDepth; i++ {
		inf := l.info(e)
		from := inf.rest().from
		if from == nil {
			break
		}
		e = from
	}
	return e
}

func (l *linker) includeCycle(d, inc *def, m member, chain []*def) {
	var names []string
	for i := len(chain) - 1; i >= 0; i-- {
		names = append([]string{chain[i].name}, names...)
		if chain[i] == inc {
			break
		}
	}
	x := l.diags.Errorf("ref-cyclic", m.include.Span, "Illegal circular reference: %s → %s", strings.Join(names, " → "), inc.name)
	x.Home = home(d, "")
}

// newElement makes the element of a declaration, without type.
func (l *linker) newElement(d *def, n *ast.Element, s *scope) *csn.Element {
	e := l.element()
	e.Key, e.Virtual, e.Localized, e.Masked, e.Stored = n.Key, n.Virtual, n.Localized, n.Masked, n.Stored
	e.SetFacets(csn.Facets{Default: n.Default, Value: n.Value})
	e.Name, e.Doc, e.Span = n.Name.Text, docText(n.Doc), n.Name.Span
	if n.NotNull != nil {
		e.NotNull = *n.NotNull
	}
	e.Annotations = l.flatten(n.Annos)
	l.know(e, elemInfo{texpr: n.Type, written: true, owner: d}).setNames(s)
	return e
}

// copyElement makes the copy of an included element. Its type comes later from the original.
func (l *linker) copyElement(d *def, from *csn.Element) *csn.Element {
	e := l.element()
	e.Key, e.Virtual, e.Localized, e.Masked, e.NotNull, e.Stored = from.Key, from.Virtual, from.Localized, from.Masked, from.NotNull, from.Stored
	e.SetFacets(csn.Facets{Default: from.Default(), Value: from.Value()})
	e.Name, e.Doc, e.Span = from.Name, from.Doc, from.Span
	fi := l.info(from)
	l.know(e, elemInfo{texpr: fi.texpr, written: fi.written, owner: d, more: &moreInfo{from: from}, inferredTarget: true}).setNames(fi.names())
	return e
}

// shapeActions reports bound operations of the same name.
func (l *linker) shapeActions(d *def) {
	for i, a := range d.actions {
		for _, b := range d.actions[:i] {
			if a.op.Name.Text == b.op.Name.Text && a.op != b.op {
				l.diags.Errorf("duplicate-definition", a.op.Name.Span, "Duplicate definition of action “%s”", a.op.Name.Text)
			}
		}
		if d.elems.Lookup(a.op.Name.Text) != nil {
			l.diags.Errorf("duplicate-definition", a.op.Name.Span, "The action “%s” has the name of an element", a.op.Name.Text)
		}
	}
}
