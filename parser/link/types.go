package link

import (
	"cds/parser/ast"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/token"
)

// resolveAll gives every element its type, and what it inherits from types and includes. Before: shapes are known. After: the
// elements of tables, aspects, types and events are complete, except that implicit foreign keys of associations are left open
// (rewrite.go); annotations of definitions other than views are complete.
func (l *linker) resolveAll() {
	l.composed = true
	for _, d := range l.defs {
		if d.kind == kType && d.element == nil {
			l.typeOfDef(d, d.span)
		}
		if d.query == nil {
			l.annotateDef(d)
		}
		if d.query != nil && d.kind == kEntity {
			continue
		}
		for _, e := range d.elems {
			l.resolve(e)
		}
	}
}

// annotateDef completes the annotations of a definition: its own, those of annotate, and those of its includes, where the last one wins.
func (l *linker) annotateDef(d *def) {
	if d.noted {
		return
	}
	d.noted = true
	own := d.annos
	d.annos = nil
	assignAll(&d.annos, l.flatten(d.written))
	d.written = nil
	assignAll(&d.annos, own)
	assignAll(&d.annos, l.notes[d.name].own())
	l.notes[d.name].document(&d.doc)
	l.conditions(d.annos)
	for i := len(d.includes) - 1; i >= 0; i-- {
		inc := d.includes[i]
		if d.parent != nil {
			continue // E.items and E.texts have the elements of the aspect, not its annotations
		}
		l.annotateDef(inc)
		l.oneRestriction(d, i)
		inherit(&d.annos, inc.annos, toInclude)
	}
	if d.query == nil {
		dropEllipsis(d.annos)
	}
}

// oneRestriction reports a restriction that two includes bring along differently: which one holds would be chance.
func (l *linker) oneRestriction(d *def, i int) {
	for _, later := range d.includes[i+1:] {
		for _, f := range d.includes[i].annos {
			if g := later.annos.Get(f.Name); !isRestriction(f.Name) || g == nil || g == f.Value || d.annos.Get(f.Name) != g {
				continue
			}
			l.restrictionError("anno-ambiguous-restriction", d.span, "“%s” includes “%s” and “%s”, which have different “@%s”", d.name, d.includes[i].name, later.name, f.Name).
				Hint = "Annotate “" + d.name + "” itself to say what holds."
			for j := range d.annos { // nothing is granted until that is done
				if d.annos[j].Name == f.Name {
					d.annos[j].Value = &cqn.AnnoValue{Kind: cqn.AnnoArray, Span: f.Value.Span}
				}
			}
		}
	}
}

// restrictionError reports a fault of a restriction: an error, or a warning in lenient mode.
func (l *linker) restrictionError(code diag.Code, at token.Span, format string, args ...any) *diag.Diagnostic {
	sev := diag.Error
	if l.opt.Lenient {
		sev = diag.Warning
	}
	return l.diags.Add(sev, code, at, format, args...)
}

// notesOf returns what annotate says of an element.
func (l *linker) notesOf(inf *elemInfo) *notes {
	if n := inf.rest().notes; n != nil || inf.owner == nil {
		return n
	}
	return l.notes[inf.owner.name].elem(inf.elem.Name)
}

// resolve completes one element. It is called on demand, since types, `type of` and calculated elements refer to one another.
func (l *linker) resolve(e *csn.Element) {
	inf := l.info(e)
	if inf == nil || inf.state == done {
		return
	}
	if inf.state == doing {
		x := l.diags.Errorf("ref-cyclic", e.Span, "The type of “%s” depends on itself", e.Name)
		if inf.owner != nil {
			x.Home = home(inf.owner, e.Name)
		}
		l.fallback(e)
		return
	}
	inf.state = doing
	ns := l.notesOf(inf)
	if inf.rest().from != nil {
		l.resolveCopy(e, inf, ns)
	} else {
		l.resolveWritten(e, inf, ns)
	}
	if e.Type == nil {
		l.fallback(e)
	}
	inf.state = done
	if l.composed {
		inf.texpr = nil
	}
}

// fallback gives an element a type after a fault, so that others can go on.
func (l *linker) fallback(e *csn.Element) {
	if e.Type == nil {
		e.TypeName, e.Type = "cds.String", &csn.Builtin{Name: "cds.String", Kind: csn.String}
	}
}

func (l *linker) resolveCopy(e *csn.Element, inf *elemInfo, ns *notes) {
	from := inf.rest().from
	l.resolve(from)
	assignAll(&e.Annotations, ns.own())
	ns.document(&e.Doc)
	inherit(&e.Annotations, from.Annotations, toInclude)
	dropEllipsis(e.Annotations)
	if inf.asText {
		e.Annotations = withoutComputed(e.Annotations)
		e.SetFacets(csn.Facets{Default: e.Default(), Value: e.Value(), TypeOf: from.TypeOf(), Enum: from.Enum()})
	} else {
		e.ShareFacets(from)
	}
	e.TypeName = from.TypeName
	e.Type = l.copyType(from.Type, inf.owner, ns, 0)
	fi := l.info(from)
	if a := e.Assoc(); a != nil {
		switch {
		case inf.target != nil: // composition of an aspect
			a.TargetName = inf.target.name
			a.On = upCondition(e.Name)
		case fi.target != nil:
			inf.target = fi.target
		}
		a.On = renameHead(a.On, from.Name, e.Name)
	}
}

func withoutComputed(as csn.Annotations) csn.Annotations {
	var out csn.Annotations
	for _, f := range as {
		if f.Name != "cds.on.insert" && f.Name != "cds.on.update" {
			out = append(out, f)
		}
	}
	return out
}

// copyType copies structures and associations, which the new owner may change; the rest is shared.
func (l *linker) copyType(t csn.Type, owner *def, ns *notes, depth int) csn.Type {
	if depth > maxDepth {
		return t
	}
	switch t := t.(type) {
	case *csn.Struct:
		if !l.room(token.Span{}) {
			return t
		}
		out := &csn.Struct{Elements: make(csn.Elements, len(t.Elements))}
		for i, el := range t.Elements {
			l.resolve(el)
			if !l.room(el.Span) {
				return t
			}
			c := *el
			c.Annotations = append(csn.Annotations(nil), el.Annotations...)
			n := ns.elem(el.Name)
			assignAll(&c.Annotations, n.own())
			n.document(&c.Doc)
			c.Type = l.copyType(el.Type, owner, n, depth+1)
			inf := l.know(&c, elemInfo{owner: owner, state: done, inferredTarget: true, source: el})
			if old := l.info(el); old != nil {
				inf.target = old.target
				inf.setNames(old.names())
			}
			out.Elements[i] = &c
		}
		return out
	case *csn.Assoc:
		a := *t
		return &a
	}
	return t
}

func (l *linker) resolveWritten(e *csn.Element, inf *elemInfo, ns *notes) {
	assignAll(&e.Annotations, ns.own())
	ns.document(&e.Doc)
	switch {
	case inf.texpr != nil:
		l.typeInto(e, inf, inf.texpr, 0)
	case e.Value() != nil:
		l.calculated(e, inf)
	case e.Assoc() != nil: // generated
	case e.Type == nil:
		l.diags.Errorf("def-missing-type", e.Span, "The element “%s” has no type", e.Name).Hint = "Write `" + e.Name + " : String;`, for example."
	}
	l.conditions(e.Annotations)
	dropEllipsis(e.Annotations)
	if e.Virtual || isComputed(e.Value()) {
		computed(&e.Annotations)
	}
	if e.Default() != nil {
		e.SetDefault(l.enumLits(e.Default(), e.Enum()))
	}
}

// isComputed reports whether a calculated element is more than another name for an element.
func isComputed(x cqn.Expr) bool {
	if x == nil {
		return false
	}
	_, ref := x.(*cqn.Ref)
	return !ref
}

func computed(as *csn.Annotations) {
	if as.Get("Core.Computed") == nil {
		*as = append(*as, constant("Core.Computed", true))
	}
}

// typeInto resolves a type as written into an element.
func (l *linker) typeInto(e *csn.Element, inf *elemInfo, t *ast.TypeExpr, depth int) {
	if depth > maxDepth {
		l.diags.Errorf("type-too-deep", t.Span, "The type is nested too deeply")
		return
	}
	switch {
	case t.Struct:
		e.Type = l.structType(inf, t.Fields, depth)
	case t.Array != nil:
		l.arrayType(e, inf, t, depth)
	case t.Assoc != nil:
		l.assocType(e, inf, t.Assoc)
	case t.TypeOf != nil:
		l.typeOf(e, inf, t)
	case t.Name != nil:
		l.namedType(e, inf, t)
	}
	if t.HasEnum || len(t.Enum) > 0 {
		l.enum(e, t, l.notesOf(inf))
	}
}

func (l *linker) structType(inf *elemInfo, fields []*ast.Element, depth int) *csn.Struct {
	s := &csn.Struct{}
	var list []*csn.Element
	for _, f := range fields {
		if f.Name.Text == "" {
			continue
		}
		if old := s.Elements.Lookup(f.Name.Text); old != nil {
			l.diags.Errorf("duplicate-definition", f.Name.Span, "Duplicate definition of element “%s”", f.Name.Text)
			continue
		}
		c := l.newElement(inf.owner, f, inf.names())
		n := l.notesOf(inf).elem(f.Name.Text)
		if n == nil {
			n = &notes{}
		}
		l.info(c).extra().notes = n
		s.Elements = append(s.Elements, c)
		list = append(list, c)
	}
	for _, c := range list {
		l.info(c).extra().in = &s.Elements
	}
	for _, c := range list {
		if depth < maxDepth {
			l.resolve(c)
		}
	}
	return s
}

func (l *linker) arrayType(e *csn.Element, inf *elemInfo, t *ast.TypeExpr, depth int) {
	item := &csn.Element{}
	item.Span = t.Array.Span
	ii := l.know(item, elemInfo{owner: inf.owner, top: inf.top, state: doing})
	ii.setNotes(l.notesOf(inf))
	ii.more.in, ii.more.scope = inf.rest().in, inf.rest().scope
	l.typeInto(item, ii, t.Array, depth+1)
	if t.NotNull != nil {
		item.NotNull = *t.NotNull
	}
	if item.Type == nil {
		l.fallback(item)
	}
	ii.state = done
	e.Type = &csn.Array{Items: item}
}

func (l *linker) assocType(e *csn.Element, inf *elemInfo, x *ast.AssocExpr) {
	a := &csn.Assoc{Composition: x.Composition, On: x.On}
	e.TypeName = "cds.Association"
	if x.Composition {
		e.TypeName = "cds.Composition"
	}
	cardinality(a, x)
	a.NotNull = e.NotNull
	e.Type = a
	for _, k := range x.Keys {
		if k.Path == nil {
			continue
		}
		fk := csn.ForeignKey{}
		for _, s := range k.Path.Path {
			fk.Ref = append(fk.Ref, s.Name)
		}
		if k.As != nil {
			fk.As = k.As.Text
		}
		a.Keys = append(a.Keys, fk)
	}
	if asp := inf.rest().aspect; asp != nil {
		a.Aspect = &csn.TargetAspect{Name: asp.name}
	}
	switch {
	case inf.target != nil: // made by compose
		a.TargetName = inf.target.name
		a.On = upCondition(e.Name)
	case x.HasInline || x.Target == nil:
	default:
		l.assocTarget(e, inf, a, x)
	}
}

// upCondition is the condition of a composition of an aspect.
func upCondition(name string) cqn.Expr {
	return &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef(name, "up_"), R: cqn.NewRef("$self")}
}

func (l *linker) assocTarget(e *csn.Element, inf *elemInfo, a *csn.Assoc, x *ast.AssocExpr) {
	t := l.find(inf.names(), x.Target, "Artifact")
	if t == nil {
		return
	}
	switch {
	case t.kind == kEntity:
		inf.target, a.TargetName = t, t.name
	case t.kind == kAspect && x.Composition && (inf.owner == nil || inf.owner.kind != kEntity):
		a.Aspect = &csn.TargetAspect{Name: t.name}
		inf.extra().aspect = t
	default:
		l.diags.Errorf("ref-invalid-target", x.Target.Span, "An entity is expected here, but “%s” is %s %s", t.name, article(t.kind), t.kind)
	}
}

func article(k kind) string {
	switch k {
	case kEntity, kAspect, kOperation, kEvent, kAnnotation:
		return "an"
	}
	return "a"
}

// typeOf resolves `type of x`, `type of E:x.y` and `E:x`.
func (l *linker) typeOf(e *csn.Element, inf *elemInfo, t *ast.TypeExpr) {
	path := t.TypeOf.Path
	if len(path) == 0 {
		return
	}
	var d *def
	var elems csn.Elements
	rest := path
	if !t.Colon {
		if in := inf.siblings(); in.Lookup(path[0].Name) != nil {
			d, elems = inf.owner, in
		}
	}
	if d == nil {
		d, rest = l.definitionIn(inf.names(), path, t.Colon)
		if d == nil {
			l.unknownDef(inf.names(), &ast.Name{Text: path[0].Name, Span: path[0].Span}, "Artifact")
			return
		}
		elems = l.elementsOf(d)
	}
	ref := []string{d.name}
	var el *csn.Element
	for i := range rest {
		el = elems.Lookup(rest[i].Name)
		if el == nil {
			l.unknownElement(rest[i].Name, rest[i].Span, elems, d.name)
			return
		}
		ref = append(ref, el.Name)
		elems, _ = l.below(el)
	}
	if el == nil {
		l.namedTypeOf(e, d)
		return
	}
	l.resolve(el)
	e.SetTypeOf(&csn.TypeRef{Path: ref})
	l.takeType(e, inf, el)
}

// definitionIn finds the definition that the first steps of a path name.
func (l *linker) definitionIn(s *scope, path []cqn.Step, colon bool) (*def, []cqn.Step) {
	if colon {
		return l.lookup(s, path[0].Name), path[1:]
	}
	name := ""
	for i := range path {
		name = join(name, path[i].Name)
		if d := l.lookup(s, name); d != nil && d.kind != kContext && d.kind != kService {
			return d, path[i+1:]
		}
	}
	return nil, nil
}

// takeType copies the type of el, and what comes with it, to e.
func (l *linker) takeType(e *csn.Element, inf *elemInfo, el *csn.Element) {
	e.Type = l.copyType(el.Type, inf.owner, l.notesOf(inf), 0)
	if e.TypeOf() == nil {
		e.TypeName = el.TypeName
	} else {
		e.TypeName = strTypeName(el)
	}
	if e.Enum() == nil {
		e.SetEnum(el.Enum())
	}
	if e.Default() == nil && e.Value() == nil && e.TypeOf() == nil {
		e.SetDefault(el.Default())
	}
	inherit(&e.Annotations, el.Annotations, toTypeUser)
	inf.extra().typeFrom = el
	if ti := l.info(el); ti != nil {
		if a := e.Assoc(); a != nil {
			inf.target, inf.inferredTarget = ti.target, true
			a.On = renameHead(a.On, el.Name, e.Name)
		}
	}
}

// strTypeName is the name that the type of a referenced element has.
func strTypeName(el *csn.Element) string { return el.TypeName }

// namedType resolves a builtin or a definition used as a type.
func (l *linker) namedType(e *csn.Element, inf *elemInfo, t *ast.TypeExpr) {
	if t.Name.Text == "$self" {
		e.TypeName = "$self"
		if inf.owner != nil {
			e.Type = &csn.Struct{Elements: inf.owner.elems}
		}
		return
	}
	d := l.lookup(inf.names(), t.Name.Text)
	if d == nil {
		if b, ok := l.builtin(t); ok {
			e.TypeName, e.Type = b.Name, b
			return
		}
		l.unknownDef(inf.names(), t.Name, "Type")
		return
	}
	switch d.kind {
	case kType, kEntity, kAspect, kEvent:
	default:
		l.diags.Errorf("ref-invalid-type", t.Name.Span, "A type is expected here, but “%s” is %s %s", d.name, article(d.kind), d.kind)
		return
	}
	if len(t.Args) > 0 || len(t.NamedArgs) > 0 {
		l.diags.Errorf("type-ignoring-argument", t.Name.Span, "The type “%s” takes no arguments", d.name)
	}
	if d.kind != kType {
		l.namedTypeOf(e, d)
		return
	}
	te := l.typeOfDef(d, t.Name.Span)
	l.takeType(e, inf, te)
	e.TypeName = d.name
}

// namedTypeOf makes e an element whose type is a structured definition.
func (l *linker) namedTypeOf(e *csn.Element, d *def) {
	e.TypeName = d.name
	if d.kind == kType {
		e.Type = l.typeOfDef(d, d.span).Type
		return
	}
	e.Type = &csn.Struct{Elements: l.elementsOf(d)}
}

// typeOfDef returns a type definition as an element.
func (l *linker) typeOfDef(d *def, at token.Span) *csn.Element {
	if d.element != nil {
		if inf := l.info(d.element); inf != nil && inf.state == doing {
			l.diags.Errorf("ref-cyclic", at, "The type “%s” contains itself", d.name)
			l.fallback(d.element)
		}
		return d.element
	}
	e := &csn.Element{}
	e.Name, e.Span, e.Doc = "", d.span, ""
	d.element = e
	inf := l.know(e, elemInfo{owner: d, state: doing, more: &moreInfo{notes: l.notes[d.name]}})
	n, _ := d.node.(*ast.Type)
	l.annotateDef(d)
	e.Annotations = append(csn.Annotations(nil), d.annos...)
	switch {
	case d.query != nil:
		l.infer(d)
		e.Type = &csn.Struct{Elements: d.elems}
	case d.structured():
		l.shape(d, nil)
		e.Type = &csn.Struct{Elements: d.elems}
		for _, el := range d.elems {
			l.resolve(el)
		}
	case n != nil && n.Type != nil:
		l.typeInto(e, inf, n.Type, 0)
	}
	if e.Type == nil {
		l.fallback(e)
	}
	if a := e.Assoc(); a != nil && a.On != nil {
		l.diags.Errorf("assoc-as-type", d.span, "An unmanaged association can't be defined as type")
	}
	d.annos = e.Annotations
	inf.state = done
	return e
}

// enum makes the symbols of an enum type. They replace those of the type below.
func (l *linker) enum(e *csn.Element, t *ast.TypeExpr, ns *notes) {
	var all []csn.EnumSymbol
	for _, s := range t.Enum {
		sym := csn.EnumSymbol{}
		sym.Name, sym.Doc, sym.Span, sym.Annotations = s.Name.Text, docText(s.Doc), s.Name.Span, l.flatten(s.Annos)
		assignAll(&sym.Annotations, ns.elem(sym.Name).own())
		ns.elem(sym.Name).document(&sym.Doc)
		dropEllipsis(sym.Annotations)
		for i := range all {
			if all[i].Name == sym.Name {
				l.diags.Errorf("duplicate-definition", sym.Span, "Duplicate definition of enum symbol “%s”", sym.Name)
			}
		}
		sym.Value = constantOf(s.Value)
		if s.Value != nil && sym.Value.IsNull() {
			l.diags.Errorf("enum-invalid-value", s.Value.Span(), "The value of an enum symbol is a number, a string or a truth value")
		}
		all = append(all, sym)
	}
	e.SetEnum(all)
}

// constantOf returns the value of a literal, also of a negated number; null for everything else.
func constantOf(x cqn.Expr) cqn.Value {
	switch x := x.(type) {
	case *cqn.Lit:
		return x.Value
	case *cqn.Unary:
		if lit, ok := x.X.(*cqn.Lit); ok && x.Op == cqn.Neg {
			switch lit.Value.Kind() {
			case cqn.KindInt:
				return cqn.Int(-lit.Value.Int())
			case cqn.KindDecimal:
				return cqn.Decimal("-" + lit.Value.Str())
			case cqn.KindFloat:
				return cqn.Float(-lit.Value.Float())
			}
		}
	}
	return cqn.Null
}
