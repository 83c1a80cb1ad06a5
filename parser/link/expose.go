package link

import (
	"sort"
	"strings"

	"cds/parser/ast"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
)

// redirectTree redirects an association, or those inside a structure.
func (l *linker) redirectTree(d *def, e *csn.Element, depth int) {
	if depth > maxDepth {
		return
	}
	switch t := e.Type.(type) {
	case *csn.Struct:
		for _, x := range l.parts(e) {
			l.redirectTree(d, x, depth+1)
		}
	case *csn.Assoc:
		if inf := l.info(e); inf != nil && inf.inferredTarget && !inf.redirected && inf.target != nil {
			l.redirect(d, e, inf, t)
		}
	}
}

// redirect points an association inside a service to the entity of the service that stands for its target: the one that projects
// it, else an auto-exposed one for compositions, texts and targets with @cds.autoexpose. Otherwise it leads out of the service.
func (l *linker) redirect(d *def, e *csn.Element, inf *elemInfo, a *csn.Assoc) {
	t := inf.target
	if t.service == d.service || t == d {
		return
	}
	to := l.owned(d, t)
	if to == nil {
		to = l.exposed(d, e, t)
	}
	if to == nil {
		to = l.exposedPart(d, t, 0)
	}
	if to == nil && l.mayExpose(t, a) {
		to = l.expose(d, t)
	}
	if to != nil {
		inf.target, a.TargetName = to, to.name
	}
}

// owned returns the exposure that d belongs to, if d is an exposed part of an entity (S.Orders.items.parts) and t is that entity or a part
// between them (Orders, Orders.items).
func (l *linker) owned(d, t *def) *def {
	if d.exposes == nil {
		return nil
	}
	in, src := d.parent, l.scopeParent(d.exposes)
	for i := 0; in != nil && src != nil && i < maxDepth; i++ {
		if src == t {
			return in
		}
		in, src = in.parent, l.scopeParent(src)
	}
	return nil
}

// exposedPart returns what stands in the service of d for a part of an entity (Orders.items) that is exposed along with the entity.
func (l *linker) exposedPart(d, t *def, depth int) *def {
	p := l.scopeParent(t)
	if p == nil || depth > maxDepth {
		return nil
	}
	in := l.standIn(d, p)
	if in == nil {
		in = l.exposedPart(d, p, depth+1)
	}
	if in == nil {
		return nil
	}
	if in.inferred != doing {
		l.complete(in) // exposes its parts
	}
	if x := l.byName[in.name+t.name[len(p.name):]]; x != nil && x.exposes == t {
		return x
	}
	return nil
}

// scopeParent returns the entity that a definition is a part of by name: Orders for Orders.items.
func (l *linker) scopeParent(d *def) *def {
	if d.parent != nil {
		return d.parent
	}
	i := strings.LastIndexByte(d.name, '.')
	if i < 0 {
		return nil
	}
	if p := l.byName[d.name[:i]]; p != nil && p.kind == kEntity {
		return p
	}
	return nil
}

// exposed finds the explicit projection of t in the service of d that associations to t are redirected to.
func (l *linker) exposed(d *def, e *csn.Element, t *def) *def {
	all := l.candidates(d.service, t)
	var marked []*def
	for _, c := range all {
		if c.annos.Is("cds.redirection.target") {
			marked = append(marked, c)
		}
	}
	if len(marked) == 1 {
		return marked[0]
	}
	if len(marked) > 1 {
		all = marked
	}
	var nearest []*def
	for _, c := range all {
		over := false
		for _, o := range all {
			over = over || o != c && l.descends(c, o)
		}
		if !over {
			nearest = append(nearest, c)
		}
	}
	switch len(nearest) {
	case 0:
		return nil
	case 1:
		return nearest[0]
	}
	l.ambiguous(d, e, t, nearest)
	return nil
}

// candidates are the written projections of t in a service.
func (l *linker) candidates(svc, t *def) []*def {
	if l.projections == nil {
		l.projections = map[*def][]*def{}
		for _, c := range l.defs {
			if c.kind != kEntity || c.query == nil || c.service == nil || c.exposes != nil || !l.plainSource(c) {
				continue
			}
			for i, p := 0, l.primary(c); p != nil && i < maxDepth; i, p = i+1, l.primary(p) {
				l.projections[p] = append(l.projections[p], c)
			}
		}
	}
	var out []*def
	for _, c := range l.projections[t] {
		if c.service != svc {
			continue
		}
		l.annotateDef(c)
		if !c.annos.Get("cds.redirection.target").False() {
			out = append(out, c)
		}
	}
	return out
}

// plainSource reports whether a view reads an entity by its name: neither by a path nor from a subquery.
func (l *linker) plainSource(d *def) bool {
	q := d.query.node
	if q == nil {
		return d.query.plain
	}
	f, ok := q.From.(*cqn.From)
	if !ok || q.SetOp != "" || f.Path == nil || len(f.Path.Path) != 1 {
		return false
	}
	_, rest := l.entityPrefix(d.scope, f.Path.Path[0].Name)
	return len(rest) == 0
}

func (l *linker) ambiguous(d *def, e *csn.Element, t *def, cs []*def) {
	names := make([]string, len(cs))
	for i, c := range cs {
		names[i] = "“" + c.name + "”"
	}
	sort.Strings(names)
	x := l.diags.Errorf("redirected-implicitly-ambiguous", cs[0].span, "Add “@cds.redirection.target” to either %s to select the entity as redirection target for “%s” in this service; can't auto-redirect “%s:%s” otherwise",
		strings.Join(names, " or "), t.name, d.name, e.Name)
	x.Home = home(cs[0], "")
	for _, c := range cs[1:] {
		x.Related = append(x.Related, diag.Related{Message: "another projection of “" + t.name + "”", Span: c.span})
	}
}

// mayExpose reports whether a target is exposed without being asked for.
func (l *linker) mayExpose(t *def, a *csn.Assoc) bool {
	auto := l.annotated(t, "cds.autoexpose").Get("cds.autoexpose")
	if auto.False() {
		return false
	}
	return a.Composition || auto.True() || t.parent != nil && t.parent.texts == t
}

// expose makes the projection on t in the service of d. A part of an entity (Orders.items) is exposed as part of the exposure of
// that entity, one for each; others once per service under their local name.
func (l *linker) expose(d, t *def) *def {
	svc := d.service
	if p := l.scopeParent(t); p != nil {
		in := d
		if !l.descends(d, p) {
			in = l.standIn(d, p)
		}
		if in != nil {
			return l.exposeAs(svc, in, t, in.name+t.name[len(p.name):])
		}
	}
	return l.exposeAs(svc, nil, t, svc.name+"."+l.localName(t))
}

// standIn finds the entity of the service that stands for p, without reporting.
func (l *linker) standIn(d, p *def) *def {
	var only *def
	for _, c := range l.candidates(d.service, p) {
		if c.annos.Is("cds.redirection.target") {
			return c
		}
		if only != nil {
			return nil
		}
		only = c
	}
	return only
}

// localName is the name of an entity without the namespace, context or service it is in, but with the entities it is part of.
func (l *linker) localName(t *def) string {
	i := strings.LastIndexByte(t.name, '.')
	for i > 0 {
		p := l.byName[t.name[:i]]
		if p == nil || p.kind != kEntity {
			break
		}
		i = strings.LastIndexByte(t.name[:i], '.')
	}
	return t.name[i+1:]
}

func (l *linker) exposeAs(svc, in, t *def, name string) *def {
	if old := l.byName[name]; old != nil {
		if old.exposes == t || old.kind == kEntity && l.descends(old, t) {
			return old
		}
		x := l.diags.Errorf("duplicate-autoexposed", old.span, "“%s” can't be exposed as “%s”: that name is taken", t.name, name)
		x.Hint = "Expose it explicitly in the service “" + svc.name + "” under another name."
		x.Related = []diag.Related{{Message: "what would be exposed", Span: t.span}}
		return nil
	}
	x := &def{name: name, kind: kEntity, src: svc.src, span: svc.span, service: svc, exposes: t, parent: in, shaped: done}
	if in != nil {
		x.span = in.span
	}
	path := &cqn.Ref{Path: []cqn.Step{{Name: t.name}}}
	x.query = &viewQuery{owner: x, node: &ast.Query{Projection: true, From: &cqn.From{Path: path}}}
	x.annos = csn.Annotations{constant("cds.autoexposed", true)}
	if len(l.defs) >= maxDefs {
		return nil
	}
	l.put(x)
	return x
}

// redirectTo is an explicit `redirected to T`.
func (l *linker) redirectTo(d *def, e *csn.Element, inf *elemInfo, a *csn.Assoc, c *outCol) {
	r := c.spec.ast.Redirect
	t := l.find(c.spec.names, r.Target, "Artifact")
	if t == nil {
		return
	}
	if t.kind != kEntity {
		l.diags.Errorf("ref-invalid-target", r.Target.Span, "An entity is expected here, but “%s” is %s %s", t.name, article(t.kind), t.kind)
		return
	}
	inf.target, a.TargetName, inf.redirected = t, t.name, true
	switch {
	case r.On != nil:
		a.On, a.Keys, inf.ownOn = r.On, nil, true
	case r.HasKeys:
		a.On, a.Keys, inf.ownOn = nil, nil, true
		for _, k := range r.Keys {
			fk := csn.ForeignKey{}
			if k.Path == nil {
				continue
			}
			for _, s := range k.Path.Path {
				fk.Ref = append(fk.Ref, s.Name)
			}
			if k.As != nil {
				fk.As = k.As.Text
			}
			a.Keys = append(a.Keys, fk)
		}
	}
}
