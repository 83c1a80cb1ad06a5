package link

import (
	"cds/parser/ast"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/token"
)

// A notes tree has the annotations that `annotate` directives give to a definition and to what lies in it, merged in order of the layers.
type notes struct {
	annos   csn.Annotations
	span    token.Span // of the first name that led here
	src     map[string]int
	elems   map[string]*notes
	actions map[string]*notes
	params  map[string]*notes
	returns *notes
	used    bool
	clashes map[string]*clash
	doc     string // of doc comments, ast.NoDoc for an empty one
}

func (n *notes) elem(name string) *notes {
	if n == nil {
		return nil
	}
	return n.elems[name]
}

func (n *notes) action(name string) *notes {
	if n == nil {
		return nil
	}
	return n.actions[name]
}

func (n *notes) param(name string) *notes {
	if n == nil {
		return nil
	}
	return n.params[name]
}

func child(m *map[string]*notes, name string, at token.Span) *notes {
	if *m == nil {
		*m = map[string]*notes{}
	}
	c := (*m)[name]
	if c == nil {
		c = &notes{span: at}
		(*m)[name] = c
	}
	return c
}

// own returns the annotations of a tree node; it marks the node as used.
func (n *notes) own() csn.Annotations {
	if n == nil {
		return nil
	}
	n.used = true
	return n.annos
}

// comment notes a doc comment; the last one counts.
func (n *notes) comment(doc string) {
	if doc != "" {
		n.doc = doc
	}
}

// document puts the doc comment of an annotate or extend in the place of the one that was written or included. An empty one hides it.
func (n *notes) document(doc *string) {
	if n != nil && n.doc != "" {
		*doc = docText(n.doc)
	}
}

func docText(doc string) string {
	if doc == ast.NoDoc {
		return ""
	}
	return doc
}

// Flatten turns annotations as written into flat ones: records become one annotation for each field, arrays stay.
func Flatten(as []*ast.Anno) csn.Annotations { return flatten(as) }

// FillEllipsis returns the value v of an annotation with `...` replaced by the items of the value before.
func FillEllipsis(v, before *cqn.AnnoValue) *cqn.AnnoValue { return fillEllipsis(v, before) }

// flatten turns annotations as written into flat ones: records become one annotation for each field, arrays stay as they are
// (CDL, "record flattening").
func flatten(as []*ast.Anno) csn.Annotations {
	var out csn.Annotations
	for _, a := range as {
		if a != nil && a.Name.Text != "" {
			flattenInto(&out, a.Name.Text, a.Value, a.Name.Span, 0)
		}
	}
	return out
}

// flatten is the function of this name; it reports what is assigned twice in one place, where chance alone would say which one was meant.
func (l *linker) flatten(as []*ast.Anno) csn.Annotations {
	out := flatten(as)
	if len(as) > 1 {
		l.repeated(as)
	}
	return out
}

func (l *linker) repeated(as []*ast.Anno) {
	var all csn.Annotations
	for _, a := range as {
		n := len(all)
		for _, f := range flatten([]*ast.Anno{a}) {
			for i := range all[:n] {
				if all[i].Name == f.Name && !hasEllipsis(f.Value) {
					l.diags.Errorf("anno-duplicate", f.Span, "Duplicate assignment with “@%s”", f.Name).Related =
						[]diag.Related{{Message: "the other one", Span: all[i].Span}}
				}
			}
			all = append(all, f)
		}
	}
}

func flattenInto(out *csn.Annotations, name string, v *cqn.AnnoValue, at token.Span, depth int) {
	if v == nil {
		v = &cqn.AnnoValue{Kind: cqn.AnnoTrue, Span: at}
	}
	if v.Kind != cqn.AnnoStruct || depth > maxDepth {
		assign(out, cqn.AnnoField{Name: name, Value: v, Span: at})
		return
	}
	for i := range v.Fields {
		f := &v.Fields[i]
		switch {
		case f.Name == "$value":
			flattenInto(out, name, f.Value, f.Span, depth+1)
		default:
			flattenInto(out, name+"."+f.Name, f.Value, f.Span, depth+1)
		}
	}
}

// assign sets one annotation. A `...` in the new value stands for the items of the old one.
func assign(as *csn.Annotations, f cqn.AnnoField) {
	for i := range *as {
		if (*as)[i].Name == f.Name {
			f.Value = fillEllipsis(f.Value, (*as)[i].Value)
			(*as)[i] = f
			return
		}
	}
	*as = append(*as, f)
}

func assignAll(as *csn.Annotations, more csn.Annotations) {
	for _, f := range more {
		assign(as, f)
	}
}

// inherit adds the annotations of base that as lacks and that pass the filter; own ones win, an own null hides an inherited one.
// An inherited null is not passed on: it has done its work.
func inherit(as *csn.Annotations, base csn.Annotations, keep func(name string) bool) {
	for _, f := range base {
		if keep != nil && !keep(f.Name) {
			continue
		}
		found := false
		for i := range *as {
			if (*as)[i].Name == f.Name {
				(*as)[i].Value = fillEllipsis((*as)[i].Value, f.Value)
				found = true
				break
			}
		}
		if !found && f.Value.Kind != cqn.AnnoNull {
			*as = append(*as, f)
		}
	}
}

func hasEllipsis(v *cqn.AnnoValue) bool {
	if v == nil || v.Kind != cqn.AnnoArray {
		return false
	}
	for _, it := range v.Items {
		if it.Kind == cqn.AnnoEllipsis {
			return true
		}
	}
	return false
}

// fillEllipsis replaces `...` and `... up to v` in an array by items of the array base. Each takes up where the one before ended.
// `up to` ends after the first item that is v, or has all fields of the record v.
func fillEllipsis(v, base *cqn.AnnoValue) *cqn.AnnoValue {
	if !hasEllipsis(v) {
		return v
	}
	var rest []*cqn.AnnoValue
	if base != nil && base.Kind == cqn.AnnoArray {
		rest = base.Items
	}
	out := *v
	out.Items = make([]*cqn.AnnoValue, 0, len(v.Items)+len(rest))
	for _, it := range v.Items {
		if it.Kind != cqn.AnnoEllipsis {
			out.Items = append(out.Items, it)
			continue
		}
		n := len(rest)
		if len(it.Items) > 0 {
			for i, b := range rest {
				if matches(it.Items[0], b) {
					n = i + 1
					break
				}
			}
		}
		out.Items = append(out.Items, rest[:n]...)
		rest = rest[n:]
	}
	return &out
}

// matches reports whether an item is what `up to` asks for.
func matches(want, got *cqn.AnnoValue) bool {
	if want.Kind == cqn.AnnoStruct {
		if got.Kind != cqn.AnnoStruct {
			return false
		}
		for i := range want.Fields {
			g := got.Field(want.Fields[i].Name)
			if g == nil || !matches(want.Fields[i].Value, g) {
				return false
			}
		}
		return true
	}
	return want.Kind == got.Kind && want.Text == got.Text && want.Bool == got.Bool && len(want.Items) == len(got.Items)
}

// dropEllipsis removes what no base was found for.
func dropEllipsis(as csn.Annotations) {
	for i := range as {
		as[i].Value = fillEllipsis(as[i].Value, nil)
	}
}

// neverInherited are annotations that say something about one definition only, hence do not pass to projections, includers or users of a type.
var neverInherited = map[string]bool{
	"cds.autoexposed":          true,
	"cds.redirection.target":   true,
	"cds.persistence.exists":   true,
	"cds.persistence.table":    true,
	"cds.persistence.calcview": true,
	"cds.persistence.udf":      true,
	"cds.persistence.journal":  true,
	"cds.external":             true,
	"sql.append":               true,
	"sql.prepend":              true,
	"Analytics.hidden":         true,
	"Analytics.visible":        true,
}

// byArtifactOnly pass from entity to projection, but not from a type to its users.
var byArtifactOnly = map[string]bool{
	"cds.autoexpose":       true,
	"fiori.draft.enabled":  true,
	"odata.draft.enabled":  true,
	"restrict":             true,
	"requires":             true,
	"cds.persistence.skip": true,
}

func toProjection(name string) bool { return !neverInherited[name] }

func toInclude(name string) bool { return !neverInherited[name] }

func toTypeUser(name string) bool { return !neverInherited[name] && !byArtifactOnly[name] }
