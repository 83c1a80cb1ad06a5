package link

import (
	"slices"

	"cds/parser/ast"
	"cds/parser/csn"
)

// output makes the definitions: written ones in order of the sources, then generated ones in the order in which they are reached,
// as in recorded inferred CSN: parts of an entity (texts, compositions of aspects) when the entity is visited, exposed entities when an
// association to them is.
func (l *linker) output() []csn.Definition {
	o := &outputter{l: l, seen: map[*def]bool{}}
	for _, d := range l.defs {
		if d.node != nil {
			o.emit(d)
		}
	}
	for i := 0; i < len(o.order); i++ {
		o.reach(o.order[i])
	}
	for _, d := range l.defs {
		o.emit(d)
	}
	return l.definitions(o.order)
}

// definitions makes them. What is not an entity, and what entities need to know of elements, comes first: the table of elements is large, and
// gone before the entities are made.
func (l *linker) definitions(order []*def) []csn.Definition {
	out := make([]csn.Definition, len(order))
	ops := map[*def][]*csn.Operation{}
	for i, d := range order {
		if d.kind != kEntity {
			out[i] = l.definition(d)
			continue
		}
		if a := l.actions(d); len(a) > 0 {
			ops[d] = a
		}
		if t := l.info(d.elems.Lookup("texts")); d.texts == nil && t != nil && d.query != nil {
			d.texts = t.target
		}
	}
	l.forget()
	ents := map[*def]*csn.Entity{}
	for _, d := range order {
		if d.kind == kEntity {
			ents[d] = &csn.Entity{}
		}
	}
	for i, d := range order {
		if d.kind == kEntity {
			out[i] = l.entity(d, ents, ops[d])
		}
	}
	return slices.DeleteFunc(out, func(d csn.Definition) bool { return d == nil })
}

type outputter struct {
	l     *linker
	seen  map[*def]bool
	order []*def
}

func (o *outputter) emit(d *def) {
	if !o.seen[d] {
		o.seen[d] = true
		o.order = append(o.order, d)
	}
}

func (o *outputter) reach(d *def) {
	for _, m := range d.made {
		o.emit(m)
	}
	for _, e := range d.elems {
		inf := o.l.info(e)
		if inf == nil || inf.target == nil || inf.target.exposes == nil || o.seen[inf.target] {
			continue
		}
		for _, m := range inf.target.exposes.made {
			o.emit(m)
		}
		o.emit(inf.target)
	}
}

func (l *linker) base(d *def) csn.Def {
	return csn.Def{Name: d.name, Doc: d.doc, Annotations: d.annos, Span: d.span}
}

func (l *linker) definition(d *def) csn.Definition {
	switch d.kind {
	case kContext:
		return &csn.Context{Def: l.base(d)}
	case kService:
		return &csn.Service{Def: l.base(d), Source: l.sources[d.src].File.Name}
	case kAspect:
		return &csn.Aspect{Def: l.base(d), Includes: names(d.includes), Elements: d.elems, Actions: l.actions(d)}
	case kType:
		return &csn.TypeDef{Def: l.base(d), Includes: names(d.includes), Type: l.typeOfDef(d, d.span)}
	case kEvent:
		return &csn.Event{Def: l.base(d), Includes: names(d.includes), Type: l.eventType(d)}
	case kOperation:
		op := l.operation(d, d.node.(*ast.Operation), d.scope, l.notes[d.name], d.name)
		op.Def = l.base(d)
		return op
	case kAnnotation:
		return &csn.AnnotationDef{Def: l.base(d), Type: l.annotationType(d)}
	}
	return nil
}

func names(ds []*def) []string {
	var out []string
	for _, d := range ds {
		out = append(out, d.name)
	}
	return out
}

func (l *linker) entity(d *def, ents map[*def]*csn.Entity, ops []*csn.Operation) *csn.Entity {
	e := ents[d]
	e.Def = l.base(d)
	e.Includes = names(d.includes)
	e.Elements = d.elems
	e.Actions = ops
	for _, a := range ops {
		a.Entity = e
	}
	if d.exposes != nil {
		e.Exposure = csn.AutoExposed
		if d.annos.Is("cds.autoexpose") {
			e.Exposure = csn.AutoExposedRead
		}
	}
	if d.texts != nil {
		e.Texts = ents[d.texts]
	}
	if d.query != nil {
		e.Source = d.linked
		e.Params = d.query.params
		e.Projection = d.query.projection
	}
	return e
}

// actions makes the bound operations of an entity or aspect.
func (l *linker) actions(d *def) []*csn.Operation {
	var out []*csn.Operation
	for _, a := range d.actions {
		if a.op.Name.Text == "" {
			continue
		}
		ns := l.notes[d.name].action(a.op.Name.Text)
		out = append(out, l.operation(d, a.op, a.scope, ns, a.op.Name.Text))
	}
	return out
}

// operation makes an action or function. A first parameter of type $self or many $self is the binding parameter.
func (l *linker) operation(d *def, n *ast.Operation, s *scope, ns *notes, name string) *csn.Operation {
	op := &csn.Operation{Function: n.Function}
	op.Name, op.Doc, op.Span = name, docText(n.Doc), n.Name.Span
	assignAll(&op.Annotations, l.flatten(n.Annos))
	assignAll(&op.Annotations, ns.own())
	ns.document(&op.Doc)
	l.conditions(op.Annotations)
	dropEllipsis(op.Annotations)
	for i, p := range n.Params {
		if p.Name.Text == "" {
			continue
		}
		if many, ok := binding(p); ok && i == 0 {
			op.Binding, op.Collection = p.Name.Text, many
			ns.param(p.Name.Text).own()
			continue
		}
		if op.Params.Lookup(p.Name.Text) != nil {
			l.diags.Errorf("duplicate-definition", p.Name.Span, "Duplicate definition of parameter “%s”", p.Name.Text)
			continue
		}
		e := l.newElement(d, p, s)
		l.info(e).setNotes(ns.param(p.Name.Text))
		l.loose(e)
		op.Params = append(op.Params, e)
	}
	if n.Returns != nil {
		r := &csn.Element{}
		r.Span = n.Returns.Span
		inf := elemInfo{owner: d, texpr: n.Returns, more: &moreInfo{scope: s, in: &csn.Elements{}}}
		if ns != nil {
			inf.more.notes = ns.returns
		}
		assignAll(&r.Annotations, l.flatten(n.ReturnsAnnos))
		l.know(r, inf)
		l.loose(r)
		op.Returns = r
	}
	return op
}

// loose resolves an element that belongs to no definition's element list.
func (l *linker) loose(e *csn.Element) {
	inf := l.info(e)
	inf.setNotes(inf.rest().notes)
	l.resolve(e)
	if a := e.Assoc(); a != nil && a.On == nil {
		a.Keys = l.managedKeys(e)
	}
}

// binding reports whether a parameter stands for the entity that an operation is bound to.
func binding(p *ast.Element) (many, ok bool) {
	t := p.Type
	if t != nil && t.Array != nil {
		many, t = true, t.Array
	}
	return many, t != nil && t.Name != nil && t.Name.Text == "$self"
}

func (l *linker) eventType(d *def) *csn.Element {
	e := &csn.Element{}
	e.Name, e.Span = "", d.span
	n, _ := d.node.(*ast.Event)
	switch {
	case d.query != nil:
		l.infer(d)
		e.Type = &csn.Struct{Elements: d.elems}
	case d.structured() || len(d.elems) > 0:
		e.Type = &csn.Struct{Elements: d.elems}
	case n != nil && n.Type != nil:
		l.know(e, elemInfo{owner: d, texpr: n.Type, more: &moreInfo{notes: &notes{used: true}}})
		l.resolve(e)
	default:
		e.Type = &csn.Struct{}
	}
	return e
}

func (l *linker) annotationType(d *def) *csn.Element {
	e := &csn.Element{}
	e.Span = d.span
	if n, ok := d.node.(*ast.Annotation); ok && n.Type != nil {
		l.know(e, elemInfo{owner: d, texpr: n.Type, more: &moreInfo{notes: &notes{used: true}}})
		l.resolve(e)
	}
	return e
}

// paramNodes returns the declared parameters of a view.
func (d *def) paramNodes() []*ast.Element {
	if n, ok := d.node.(*ast.Entity); ok {
		return n.Params
	}
	return nil
}
