package link

import (
	"slices"

	"cds/parser/ast"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/token"
)

// extend attaches extensions and annotations to what they name, layer by layer. Before: names are collected. After: members,
// actions and columns of extensions belong to the definitions, notes hold what annotate says; whether annotated names exist is
// checked at the end (unusedNotes), since texts entities and exposed entities come later.
func (l *linker) extend() {
	for _, src := range l.order {
		l.extendServices(src, l.fileScopes[src], l.sources[src].File.Decls, 0)
	}
	for _, src := range l.order {
		l.extendDecls(src, l.fileScopes[src], l.sources[src].File.Decls, 0)
	}
	for _, u := range l.uses {
		if !l.isPrefix(u.name) {
			x := l.diags.Errorf("ref-undefined-art", u.span, "No definition of “%s” has been found", u.name)
			var known []string
			for _, d := range l.defs {
				known = append(known, d.name)
			}
			x.Hint = didYouMean(u.name, known)
		}
	}
}

// extendServices enters the definitions inside `extend service S with { … }`, so that later extensions can name them.
func (l *linker) extendServices(src int, s *scope, decls []ast.Decl, depth int) {
	if depth > maxDepth {
		return
	}
	for _, n := range decls {
		switch n := n.(type) {
		case *ast.Service:
			l.extendServices(src, l.blockScope(s, n.Name.Text, n.Decls), n.Decls, depth+1)
		case *ast.Context:
			l.extendServices(src, l.blockScope(s, n.Name.Text, n.Decls), n.Decls, depth+1)
		case *ast.Extend:
			if len(n.Decls) == 0 {
				continue
			}
			d := l.find(s, &n.Name, "Artifact")
			if d == nil {
				continue
			}
			if d.kind != kService && d.kind != kContext {
				l.diags.Errorf("extend-unexpected-def", n.Name.Span, "Only a service or context can be extended with definitions; “%s” is a %s", d.name, d.kind)
				continue
			}
			inner := newScope(s, d.name)
			inner.whole = true
			l.declare(inner, n.Decls)
			svc := d.service
			if d.kind == kService {
				svc = d
			}
			l.collectDecls(src, inner, svc, n.Decls, 0)
		}
	}
}

// blockScope rebuilds the scope of a block, for directives inside it.
func (l *linker) blockScope(s *scope, name string, decls []ast.Decl) *scope {
	inner := newScope(s, join(s.prefix, name))
	l.declare(inner, decls)
	return inner
}

func (l *linker) extendDecls(src int, s *scope, decls []ast.Decl, depth int) {
	if depth > maxDepth {
		return
	}
	for _, n := range decls {
		switch n := n.(type) {
		case *ast.Service:
			l.extendDecls(src, l.blockScope(s, n.Name.Text, n.Decls), n.Decls, depth+1)
		case *ast.Context:
			l.extendDecls(src, l.blockScope(s, n.Name.Text, n.Decls), n.Decls, depth+1)
		case *ast.Extend:
			l.extendOne(src, s, n, depth)
		case *ast.Annotate:
			l.annotateOne(src, s, n)
		}
	}
}

func (l *linker) extendOne(src int, s *scope, n *ast.Extend, depth int) {
	abs, _ := l.absolute(s, n.Name.Text)
	d := l.byName[abs]
	if d == nil {
		if len(n.Decls) == 0 { // else reported already
			l.unknownDef(s, &n.Name, "Artifact")
		}
		return
	}
	root := l.noteFor(abs, n.Name.Span)
	if n.ElementPath != nil {
		l.extendElement(src, root, d, s, n)
		return
	}
	l.note(root, l.flatten(n.Annos), src)
	root.comment(n.Doc)
	if len(n.Decls) > 0 {
		inner := newScope(s, abs)
		inner.whole = true
		l.declare(inner, n.Decls)
		l.extendDecls(src, inner, n.Decls, depth+1)
	}
	if d.query != nil {
		d.query.extend(n, s)
	}
	for _, inc := range n.Includes {
		d.members = append(d.members, member{include: inc, scope: s})
	}
	l.extendElements(src, root, d, s, n)
	d.addActions(n.Actions, s)
}

// extendElements adds elements; those that only extend an existing element are attached to it.
func (l *linker) extendElements(src int, root *notes, d *def, s *scope, n *ast.Extend) {
	for _, e := range n.Elements {
		switch {
		case e.AnnotateOnly:
			l.noteElement(root, e, src, 0)
		case e.ExtendOnly:
			in := child(&root.elems, e.Name.Text, e.Name.Span)
			l.note(in, l.flatten(e.Annos), src)
			in.comment(e.Doc)
			l.extendMember(d, []ast.Ident{{Text: e.Name.Text, Span: e.Name.Span}}, in, src, l.ofElement(e))
		case d.query != nil:
			l.diags.Errorf("extend-query", e.Name.Span, "A view can't be extended with elements").Hint = "Use `extend … with columns { … }`."
		case d.kind == kService || d.kind == kContext || d.kind == kOperation:
			l.diags.Errorf("extend-unexpected-element", e.Name.Span, "A %s can't be extended with elements", d.kind)
		default:
			d.members = append(d.members, member{el: e, scope: s})
		}
	}
	if x := (&typeExtension{enum: n.Enum, args: n.TypeArgs, at: n.Name.Span, name: d.name}); !x.empty() {
		l.extendNamed(d, root, src, x)
	}
}

// extendElement is `extend E:elem with …`.
func (l *linker) extendElement(src int, root *notes, d *def, s *scope, n *ast.Extend) {
	at := root
	for _, p := range pathParts(n.ElementPath) {
		at = child(&at.elems, p.Text, p.Span)
	}
	l.note(at, l.flatten(n.Annos), src)
	at.comment(n.Doc)
	x := &typeExtension{elements: n.Elements, enum: n.Enum, args: n.TypeArgs, at: n.ElementPath.Span, name: n.ElementPath.Text}
	if d.query != nil {
		if !x.empty() {
			l.cantExtend(x.at, x.name, "it belongs to a view")
		}
		return
	}
	l.extendMember(d, pathParts(n.ElementPath), at, src, x)
}

// pathParts returns the identifiers of a path of elements.
func pathParts(n *ast.Name) []ast.Ident { return n.Idents() }

func (l *linker) noteFor(abs string, at token.Span) *notes {
	n := l.notes[abs]
	if n == nil {
		n = &notes{span: at}
		l.notes[abs] = n
		l.noteOrder = append(l.noteOrder, abs)
	}
	return n
}

// assignLate replaces an earlier assignment, except that a value with `...` stays in the list: its base may be declared or inherited.
func assignLate(as *csn.Annotations, f field) {
	if !hasEllipsis(f.Value) {
		*as = slices.DeleteFunc(*as, func(o field) bool { return o.Name == f.Name })
	}
	*as = append(*as, f)
}

func (l *linker) annotateOne(src int, s *scope, n *ast.Annotate) {
	if n.Name.Text == "" {
		return
	}
	abs, _ := l.absolute(s, n.Name.Text)
	root := l.noteFor(abs, n.Name.Span)
	at := root
	for _, p := range pathParts(n.ElementPath) {
		at = child(&at.elems, p.Text, p.Span)
	}
	l.note(at, l.flatten(n.Annos), src)
	at.comment(n.Doc)
	for _, e := range n.Elements {
		l.noteElement(at, e, src, 0)
	}
	for _, o := range n.Actions {
		l.noteOperation(child(&root.actions, o.Name.Text, o.Name.Span), o, src)
	}
	for _, p := range n.Params {
		l.noteElement2(&root.params, p, src)
	}
	if n.Returns != nil {
		if root.returns == nil {
			root.returns = &notes{span: n.Returns.Name.Span}
		}
		l.note(root.returns, l.flatten(n.Returns.Annos), src)
		for _, e := range n.Returns.Elements {
			l.noteElement(root.returns, e, src, 0)
		}
	}
}

func (l *linker) noteOperation(at *notes, o *ast.Operation, src int) {
	l.note(at, l.flatten(o.Annos), src)
	at.comment(o.Doc)
	for _, p := range o.Params {
		l.noteElement2(&at.params, p, src)
	}
	if len(o.ReturnsAnnos) > 0 {
		if at.returns == nil {
			at.returns = &notes{span: o.Name.Span}
		}
		l.note(at.returns, l.flatten(o.ReturnsAnnos), src)
	}
}

func (l *linker) noteElement(at *notes, e *ast.Element, src, depth int) {
	if depth > maxDepth || e.Name.Text == "" {
		return
	}
	l.noteInto(child(&at.elems, e.Name.Text, e.Name.Span), e, src, depth)
}

func (l *linker) noteElement2(m *map[string]*notes, e *ast.Element, src int) {
	if e.Name.Text != "" {
		l.noteInto(child(m, e.Name.Text, e.Name.Span), e, src, 0)
	}
}

func (l *linker) noteInto(c *notes, e *ast.Element, src, depth int) {
	l.note(c, l.flatten(e.Annos), src)
	c.comment(e.Doc)
	for _, k := range e.Elements {
		l.noteElement(c, k, src, depth+1)
	}
}

// unusedNotes warns of annotations for things that do not exist. Annotating what is not there is no error (a reuse model may
// be annotated whose optional parts are missing), but a restriction that reaches nothing must not go unnoticed: it is an error.
func (l *linker) unusedNotes() {
	for _, abs := range l.noteOrder {
		n := l.notes[abs]
		if l.byName[abs] == nil {
			x := l.unused(n, "ext-undefined-def", n.span, "Artifact “%s” has not been found", abs)
			var known []string
			for _, d := range l.defs {
				known = append(known, d.name)
			}
			l.diags[x].Hint = didYouMean(abs, known)
			continue
		}
		l.unusedIn(n, abs, 0)
	}
}

func (l *linker) unusedIn(n *notes, abs string, depth int) {
	if depth > maxDepth {
		return
	}
	walk := func(m map[string]*notes, code diag.Code, format string) {
		for _, name := range sortedKeys(m) {
			c := m[name]
			if !c.used {
				l.unused(c, code, c.span, format, name, abs)
				continue
			}
			l.unusedIn(c, abs, depth+1)
		}
	}
	walk(n.elems, "anno-undefined-element", "Element “%s” of “%s” has not been found")
	walk(n.actions, "anno-undefined-action", "Action “%s” of “%s” has not been found")
	walk(n.params, "anno-undefined-param", "Parameter “%s” of “%s” has not been found")
}
