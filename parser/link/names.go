package link

import (
	"strings"

	"cds/parser/ast"
	"cds/parser/diag"
	"cds/parser/token"
)

// A scope is a block in which names are looked up: the body of a service or context, or a file.
type scope struct {
	outer  *scope
	prefix string            // absolute name of the block, "" at the top of a file without namespace
	names  map[string]string // first parts of names to absolute names: own definitions, and aliases of using
	whole  bool              // body of an extend: everything of the extended definition is visible
}

func newScope(outer *scope, prefix string) *scope {
	return &scope{outer: outer, prefix: prefix, names: map[string]string{}}
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

func firstPart(name string) (first, rest string) {
	first, rest, _ = strings.Cut(name, ".")
	return first, rest
}

func lastPart(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// collect puts all definitions of all sources into the table. Before: nothing. After: byName is complete for written
// definitions, each def has its scope; names are not resolved.
func (l *linker) collect() {
	l.sortLayers()
	for i, s := range l.sources {
		f := s.File
		ns := ""
		if f.Namespace != nil {
			ns = f.Namespace.Text
			if ns == "cds" || strings.HasPrefix(ns, "cds.") && !trusted(f.Name) {
				l.diags.Errorf("reserved-namespace-cds", f.Namespace.Span, "The namespace “cds” is reserved for builtin types")
			}
		}
		global := newScope(nil, "")
		for _, u := range f.Usings {
			l.using(global, u)
		}
		top := newScope(global, ns)
		l.declare(top, f.Decls)
		l.fileScopes = append(l.fileScopes, top)
		l.collectDecls(i, top, nil, f.Decls, 0)
	}
}

// services finds the service of definitions that are in one by their name only, as `entity S.E …` beside `service S { }`.
func (l *linker) services() {
	for _, d := range l.defs {
		svc := l.serviceOf(d.name)
		switch {
		case svc == nil || d.service != nil:
		case d.kind == kService:
			l.diags.Errorf("service-nested-service", d.span, "A service can't be nested within a service “%s”", svc.name)
		default:
			d.service = svc
		}
	}
}

// trusted reports whether a file belongs to the embedded reuse model.
func trusted(name string) bool { return strings.HasPrefix(name, "@sap/cds/") }

func (l *linker) using(s *scope, u *ast.Using) {
	for i := range u.Items {
		it := &u.Items[i]
		alias := lastPart(it.Name.Text)
		if it.As != nil {
			alias = it.As.Text
		}
		if old, ok := s.names[alias]; ok && old != it.Name.Text {
			l.diags.Errorf("duplicate-using", it.Name.Span, "The name “%s” is already used for “%s”", alias, old).Hint = "Give one of them another name with `as`."
			continue
		}
		s.names[alias] = it.Name.Text
		l.uses = append(l.uses, usedName{it.Name.Text, it.Name.Span})
	}
}

type usedName struct {
	name string
	span token.Span
}

// declare enters the first parts of the names defined in a block.
func (l *linker) declare(s *scope, decls []ast.Decl) {
	for _, d := range decls {
		if h, ok := definition(d); ok {
			first, _ := firstPart(h.Name.Text)
			s.names[first] = join(s.prefix, first)
		}
	}
}

// definition returns the head of a declaration that defines a name.
func definition(d ast.Decl) (*ast.Head, bool) {
	switch d := d.(type) {
	case *ast.Service:
		return &d.Head, true
	case *ast.Context:
		return &d.Head, true
	case *ast.Entity:
		return &d.Head, true
	case *ast.Aspect:
		return &d.Head, true
	case *ast.Type:
		return &d.Head, true
	case *ast.Operation:
		return &d.Head, true
	case *ast.Event:
		return &d.Head, true
	case *ast.Annotation:
		return &d.Head, true
	}
	return nil, false
}

func (l *linker) collectDecls(src int, s *scope, svc *def, decls []ast.Decl, depth int) {
	if depth > maxDepth {
		return
	}
	for _, n := range decls {
		h, ok := definition(n)
		if !ok {
			continue
		}
		if h.Name.Text == "" {
			continue // a syntax error was reported
		}
		d := &def{name: join(s.prefix, h.Name.Text), src: src, scope: s, node: n, written: h.Annos, doc: docText(h.Doc), service: svc, span: h.Name.Span}
		if strings.HasPrefix(d.name, "cds.") && !trusted(l.sources[src].File.Name) {
			l.diags.Errorf("reserved-namespace-cds", h.Name.Span, "The namespace “cds” is reserved for builtin types")
		}
		l.enter(d)
		switch n := n.(type) {
		case *ast.Service:
			d.kind = kService
			if svc != nil {
				l.diags.Errorf("service-nested-service", h.Name.Span, "A service can't be nested within a service “%s”", svc.name)
			}
			inner := newScope(s, d.name)
			l.declare(inner, n.Decls)
			l.collectDecls(src, inner, d, n.Decls, depth+1)
		case *ast.Context:
			d.kind = kContext
			inner := newScope(s, d.name)
			l.declare(inner, n.Decls)
			l.collectDecls(src, inner, svc, n.Decls, depth+1)
		default:
			l.collectDef(d)
		}
	}
}

// enter puts a definition into the table; a second one of the same name is an error and stays out.
func (l *linker) enter(d *def) bool {
	if old := l.byName[d.name]; old != nil {
		l.duplicate(old, d.span, d.name)
		return false
	}
	l.put(d)
	return true
}

func (l *linker) duplicate(old *def, at token.Span, name string) {
	x := l.diags.Errorf("duplicate-definition", at, "Duplicate definition of “%s”", name)
	x.Related = append(x.Related, diag.Related{Message: "the first definition", Span: old.span})
	if old.span.Valid() {
		y := l.diags.Errorf("duplicate-definition", old.span, "Duplicate definition of “%s”", name)
		y.Related = append(y.Related, diag.Related{Message: "the other definition", Span: at})
	}
}

// collectDef takes the content of a definition apart.
func (l *linker) collectDef(d *def) {
	switch n := d.node.(type) {
	case *ast.Entity:
		d.kind = kEntity
		d.addIncludes(n.Includes, d.scope)
		d.addElements(n.Elements, d.scope)
		d.addActions(n.Actions, d.scope)
		if n.Query != nil {
			d.query = &viewQuery{node: n.Query, owner: d}
		}
	case *ast.Aspect:
		d.kind = kAspect
		d.addIncludes(n.Includes, d.scope)
		d.addElements(n.Elements, d.scope)
		d.addActions(n.Actions, d.scope)
	case *ast.Type:
		d.kind = kType
		d.addIncludes(n.Includes, d.scope)
		if n.Type != nil && n.Type.Struct {
			d.addElements(n.Type.Fields, d.scope)
		}
		if n.Query != nil {
			d.query = &viewQuery{node: n.Query, owner: d}
		}
	case *ast.Event:
		d.kind = kEvent
		d.addIncludes(n.Includes, d.scope)
		if n.Type != nil && n.Type.Struct {
			d.addElements(n.Type.Fields, d.scope)
		}
		if n.Query != nil {
			d.query = &viewQuery{node: n.Query, owner: d}
		}
	case *ast.Operation:
		d.kind = kOperation
	case *ast.Annotation:
		d.kind = kAnnotation
	}
}

func (d *def) addIncludes(ns []*ast.Name, s *scope) {
	for _, n := range ns {
		d.members = append(d.members, member{include: n, scope: s})
	}
}

func (d *def) addElements(es []*ast.Element, s *scope) {
	for _, e := range es {
		d.members = append(d.members, member{el: e, scope: s})
	}
}

func (d *def) addActions(os []*ast.Operation, s *scope) {
	for _, o := range os {
		d.actions = append(d.actions, action{op: o, scope: s})
	}
}

// sortLayers orders sources so that what is used comes before what uses it; cycles are cut where they close.
func (l *linker) sortLayers() {
	seen := make([]bool, len(l.sources))
	var visit func(i int)
	visit = func(i int) {
		if i < 0 || i >= len(l.sources) || seen[i] {
			return
		}
		seen[i] = true
		for _, u := range l.sources[i].Uses {
			visit(u)
		}
		l.order = append(l.order, i)
	}
	for i := range l.sources {
		visit(i)
	}
}

// absolute resolves the first part of a name in a scope. found is false if no block knows it; then the name is taken as absolute.
func (l *linker) absolute(s *scope, name string) (abs string, found bool) {
	first, rest := firstPart(name)
	for b := s; b != nil; b = b.outer {
		if a, ok := b.names[first]; ok {
			return joinRest(a, rest), true
		}
		if b.whole && b.prefix != "" {
			if a := b.prefix + "." + first; l.isPrefix(a) {
				return joinRest(a, rest), true
			}
		}
	}
	return name, l.isPrefix(first)
}

func joinRest(a, rest string) string {
	if rest == "" {
		return a
	}
	return a + "." + rest
}

// isPrefix reports whether name is a definition or the beginning of one.
func (l *linker) isPrefix(name string) bool { return l.byName[name] != nil || l.prefixes[name] }

// put enters a definition and the beginnings of its name.
func (l *linker) put(d *def) {
	l.byName[d.name] = d
	l.defs = append(l.defs, d)
	for i := strings.LastIndexByte(d.name, '.'); i > 0; i = strings.LastIndexByte(d.name[:i], '.') {
		if l.prefixes[d.name[:i]] {
			break
		}
		l.prefixes[d.name[:i]] = true
	}
	if len(l.defs) == maxDefs {
		l.tooLarge(d.span)
	}
}

// lookup finds the definition that a name stands for in a scope; nil if there is none. Nothing is reported.
func (l *linker) lookup(s *scope, name string) *def {
	abs, _ := l.absolute(s, name)
	return l.byName[abs]
}

// find is lookup with a diagnostic for a name that stands for nothing.
func (l *linker) find(s *scope, n *ast.Name, what string) *def {
	if n == nil || n.Text == "" {
		return nil
	}
	if d := l.lookup(s, n.Text); d != nil {
		return d
	}
	l.unknownDef(s, n, what)
	return nil
}

func (l *linker) unknownDef(s *scope, n *ast.Name, what string) {
	x := l.diags.Errorf("ref-undefined-def", n.Span, "%s “%s” has not been found", upper(what), n.Text)
	var known []string
	for b := s; b != nil; b = b.outer {
		for k := range b.names {
			known = append(known, k)
		}
	}
	for _, d := range l.defs {
		known = append(known, d.name)
	}
	if what == "Type" || what == "type" {
		known = append(known, builtinNames()...)
	}
	x.Hint = didYouMean(n.Text, known)
	if x.Hint == "" {
		if d := l.elsewhere(n.Text); d != "" {
			x.Hint = "There is “" + d + "”; import it with `using`."
		}
	}
}

// elsewhere finds a definition whose last part is the given name.
func (l *linker) elsewhere(name string) string {
	for _, d := range l.defs {
		if lastPart(d.name) == lastPart(name) {
			return d.name
		}
	}
	return ""
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// newDef enters a generated definition; nil if that is not possible, which has been reported.
func (l *linker) newDef(name string, k kind, like *def) *def {
	if len(l.defs) >= maxDefs {
		return nil
	}
	d := &def{name: name, kind: k, src: like.src, scope: like.scope, span: like.span}
	if old := l.byName[name]; old != nil {
		l.diags.Errorf("duplicate-generated", like.span, "“%s” would be generated here, but that name is already defined", name).
			Related = []diag.Related{{Message: "the definition", Span: old.span}}
		return nil
	}
	l.put(d)
	return d
}

// serviceOf finds the service that a name lies in.
func (l *linker) serviceOf(name string) *def {
	for {
		i := strings.LastIndexByte(name, '.')
		if i < 0 {
			return nil
		}
		name = name[:i]
		if d := l.byName[name]; d != nil && d.kind == kService {
			return d
		}
	}
}

func home(d *def, el string) string {
	h := d.kind.String() + ":“" + d.name + "”"
	if el != "" {
		h += "/element:“" + el + "”"
	}
	return h
}
