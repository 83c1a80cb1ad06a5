package link

import (
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
)

// isRestriction reports whether an annotation decides who may do or see what. @restrict: {…} arrives flattened.
func isRestriction(name string) bool {
	base, _, _ := strings.Cut(name, ".")
	return base == "restrict" || base == "requires" || base == "mask"
}

// conditions parses the conditions that stand in strings: `where` of @restrict. The tree goes into Expr beside the text. A
// condition that is not understood keeps no tree, which closes what it guards.
func (l *linker) conditions(as csn.Annotations) {
	for i := range as {
		switch {
		case as[i].Name == "restrict":
			as[i].Value = l.conditionsIn(as[i].Value, false, 0)
		case as[i].Name == "restrict.where":
			as[i].Value = l.conditionsIn(as[i].Value, true, 0)
		}
	}
}

func (l *linker) conditionsIn(v *cqn.AnnoValue, where bool, depth int) *cqn.AnnoValue {
	if v == nil || depth > maxDepth {
		return v
	}
	switch v.Kind {
	case cqn.AnnoString:
		if !where || v.Expr != nil {
			return v
		}
		return l.parseCondition(v)
	case cqn.AnnoArray, cqn.AnnoEllipsis:
		out := *v
		out.Items = make([]*cqn.AnnoValue, len(v.Items))
		for i, it := range v.Items {
			out.Items[i] = l.conditionsIn(it, where, depth+1)
		}
		return &out
	case cqn.AnnoStruct:
		out := *v
		out.Fields = append([]cqn.AnnoField(nil), v.Fields...)
		for i := range out.Fields {
			out.Fields[i].Value = l.conditionsIn(out.Fields[i].Value, out.Fields[i].Name == "where", depth+1)
		}
		return &out
	}
	return v
}

func (l *linker) parseCondition(v *cqn.AnnoValue) *cqn.AnnoValue {
	if l.opt.ParseExpr == nil {
		return v
	}
	// The text of a plain string begins behind its quote. Other notations have escapes, so that places inside can't be told exactly.
	x, diags := l.opt.ParseExpr(v.Span.File, v.Text, v.Span.Start+1)
	bad := diags.HasErrors()
	for _, d := range diags {
		if d.Severity == diag.Error && l.opt.Lenient {
			d.Severity = diag.Warning
		}
		l.diags = append(l.diags, d)
	}
	out := *v
	if !bad {
		out.Expr = x
	}
	return &out
}

// converted returns annotations of src as they read in the view d: the paths of their expressions follow the view's renames.
// Those that the heir has itself are left out.
func (l *linker) converted(d, src *def, has, as csn.Annotations) csn.Annotations {
	var out csn.Annotations
	for i, f := range as {
		if !hasExpr(f.Value, 0) {
			if out != nil {
				out = append(out, f)
			}
			continue
		}
		if out == nil {
			out = append(make(csn.Annotations, 0, len(as)), as[:i]...)
		}
		if own := has.Get(f.Name); own != nil && !hasEllipsis(own) {
			continue
		}
		c := &converter{l: l, d: d, src: src}
		f.Value = c.value(f.Value, 0)
		if c.bad != nil {
			l.lost(d, f.Name, c.bad)
			if !isRestriction(f.Name) {
				continue
			}
		}
		out = append(out, f)
	}
	if out == nil {
		return as
	}
	return out
}

// afar returns annotations of an element that a view takes over an association. A restriction's condition is about the row at the other end, which
// the row of the view is not: it would be judged on the wrong one. Without its tree the condition closes the element.
func (l *linker) afar(d, src *def, has, as csn.Annotations) csn.Annotations {
	var out csn.Annotations
	for i, f := range as {
		if !isRestriction(f.Name) || !hasExpr(f.Value, 0) || has.Get(f.Name) != nil {
			continue
		}
		c := &converter{l: l, d: d, src: src, afar: true}
		if v := c.value(f.Value, 0); c.bad != nil {
			if out == nil {
				out = slices.Clone(as)
			}
			out[i].Value = v
			l.lost(d, f.Name, c.bad)
		}
	}
	if out == nil {
		return as
	}
	return out
}

// lost reports that an inherited condition does not work in a view, since it uses an element that the view has not.
func (l *linker) lost(d *def, anno string, r *cqn.Ref) {
	sev := diag.Warning
	if isRestriction(anno) && !l.opt.Lenient {
		sev = diag.Error
	}
	x := l.diags.Add(sev, "anno-condition-not-covered", d.span, "“%s” inherits “@%s”, whose condition uses “%s”, but has no such element", d.name, anno, refText(r))
	x.Hint = "Add the element to “" + d.name + "”, or annotate it with a “@" + anno + "” of its own."
	x.Home = home(d, "")
	x.Related = []diag.Related{{Message: "the condition", Span: r.Where}}
}

func hasExpr(v *cqn.AnnoValue, depth int) bool {
	if v == nil || depth > maxDepth {
		return false
	}
	if v.Expr != nil {
		return true
	}
	for _, it := range v.Items {
		if hasExpr(it, depth+1) {
			return true
		}
	}
	for i := range v.Fields {
		if hasExpr(v.Fields[i].Value, depth+1) {
			return true
		}
	}
	return false
}

// A converter rewrites the expressions of one annotation value.
type converter struct {
	l      *linker
	d, src *def
	bad    *cqn.Ref // the first path that could not be followed
	afar   bool     // src is not what d projects but the target of an association: none of its elements can be followed
}

func (c *converter) value(v *cqn.AnnoValue, depth int) *cqn.AnnoValue {
	if !hasExpr(v, depth) {
		return v
	}
	out := *v
	if v.Expr != nil {
		changed, bad := false, c.bad
		c.bad = nil
		out.Expr = mapHeads(v.Expr, func(r *cqn.Ref) cqn.Expr {
			n, ch := c.ref(r)
			changed = changed || ch
			return n
		})
		switch {
		case c.bad != nil:
			out.Expr = nil
		case changed:
			out.Text = cqn.Format(out.Expr)
			out.Span = v.Span
		default:
			out.Expr = v.Expr
		}
		if bad != nil {
			c.bad = bad
		}
	}
	if v.Items != nil {
		out.Items = make([]*cqn.AnnoValue, len(v.Items))
		for i, it := range v.Items {
			out.Items[i] = c.value(it, depth+1)
		}
	}
	if v.Fields != nil {
		out.Fields = append([]cqn.AnnoField(nil), v.Fields...)
		for i := range out.Fields {
			out.Fields[i].Value = c.value(out.Fields[i].Value, depth+1)
		}
	}
	return &out
}

func (c *converter) ref(r *cqn.Ref) (*cqn.Ref, bool) {
	path := r.Path
	self := path[0].Name == "$self" || path[0].Name == "$projection"
	if self {
		path = path[1:]
	}
	if len(path) == 0 || !self && strings.HasPrefix(path[0].Name, "$") {
		return r, false
	}
	els := c.l.along(c.src, path)
	if len(els) == 0 {
		return r, false // unknown where it was written: that is reported there
	}
	mapped, ok := c.l.mapPath(c.src, c.d, path, 0)
	if !ok || c.afar {
		if c.bad == nil {
			c.bad = r
		}
		return r, false
	}
	changed := false
	for i := range mapped {
		changed = changed || i >= len(path) || mapped[i].Name != path[i].Name || mapped[i].Filter != path[i].Filter
	}
	if !changed && len(mapped) == len(path) {
		return r, false
	}
	if self {
		mapped = append([]cqn.Step{r.Path[0]}, mapped...)
	}
	return &cqn.Ref{At: r.At, Path: mapped}, true
}

// restrictAll gives enum symbols in conditions their values, in the scope of the entity they guard. Unknown names are left to the
// checks over the linked model, which know more about restrictions.
func (l *linker) restrictAll() {
	for _, d := range l.defs {
		if d.kind != kEntity {
			continue
		}
		s := &escope{l: l, names: d.scope, owner: d, silent: true, direct: true, sources: []source{{def: d, elems: d.elems}}}
		s.self = func(name string) *csn.Element { return d.elems.Lookup(name) }
		for i := range d.annos {
			d.annos[i].Value = s.symbolsIn(d.annos[i].Value, 0)
		}
		for _, e := range d.elems {
			for i, f := range e.Annotations {
				v := s.symbolsIn(f.Value, 0)
				if v == f.Value {
					continue
				}
				e.Annotations = slices.Clone(e.Annotations) // they may be those of the element behind
				e.Annotations[i].Value = v
			}
		}
	}
}

func (s *escope) symbolsIn(v *cqn.AnnoValue, depth int) *cqn.AnnoValue {
	if !symbolic(v, depth) {
		return v
	}
	out := *v
	if v.Expr != nil && hasSymbol(v.Expr) {
		out.Expr = s.expr(v.Expr)
	}
	if v.Items != nil {
		out.Items = make([]*cqn.AnnoValue, len(v.Items))
		for i, it := range v.Items {
			out.Items[i] = s.symbolsIn(it, depth+1)
		}
	}
	if v.Fields != nil {
		out.Fields = append([]cqn.AnnoField(nil), v.Fields...)
		for i := range out.Fields {
			out.Fields[i].Value = s.symbolsIn(out.Fields[i].Value, depth+1)
		}
	}
	return &out
}

// symbolic reports whether an expression in an annotation has an enum symbol.
func symbolic(v *cqn.AnnoValue, depth int) bool {
	if v == nil || depth > maxDepth {
		return false
	}
	if v.Expr != nil && hasSymbol(v.Expr) {
		return true
	}
	for _, it := range v.Items {
		if symbolic(it, depth+1) {
			return true
		}
	}
	for i := range v.Fields {
		if symbolic(v.Fields[i].Value, depth+1) {
			return true
		}
	}
	return false
}

func hasSymbol(x cqn.Expr) bool {
	found := false
	cqn.Walk(x, func(n any) bool {
		if lit, ok := n.(*cqn.Lit); ok && lit.Enum != "" {
			found = true
		}
		return !found
	})
	return found
}
