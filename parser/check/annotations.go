package check

import (
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/token"
)

// definedAnnotations compares the values of annotations with their definitions (`annotation Rank : Integer;`). A definition says what is usual:
// other values are warned of, once for each place where one is written, and kept.
func (c *checker) definedAnnotations() {
	k := &annoChecker{checker: c, defs: map[string]*csn.AnnotationDef{}, seen: map[token.Span]bool{}}
	for _, d := range c.model.Defs {
		if a, ok := d.(*csn.AnnotationDef); ok && a.Type != nil {
			k.defs[a.Name] = a
		}
	}
	if len(k.defs) == 0 {
		return
	}
	for _, d := range c.model.Defs {
		k.home = home(definitionKind(d), d.Definition().Name)
		k.annotations(d.Definition())
		switch d := d.(type) {
		case *csn.Entity:
			k.elements(d.Elements, 0)
			k.elements(d.Params, 0)
			k.operations(d.Actions)
		case *csn.Aspect:
			k.elements(d.Elements, 0)
			k.operations(d.Actions)
		case *csn.TypeDef:
			k.elements(csn.Elements{d.Type}, 0)
		case *csn.Event:
			k.elements(csn.Elements{d.Type}, 0)
		case *csn.Operation:
			k.operations([]*csn.Operation{d})
		}
	}
}

type annoChecker struct {
	*checker
	defs map[string]*csn.AnnotationDef
	seen map[token.Span]bool
	home string
}

func definitionKind(d csn.Definition) string {
	switch d.(type) {
	case *csn.Service:
		return "service"
	case *csn.Context:
		return "context"
	case *csn.Entity:
		return "entity"
	case *csn.Aspect:
		return "aspect"
	case *csn.Event:
		return "event"
	case *csn.Operation:
		return "operation"
	case *csn.AnnotationDef:
		return "annotation"
	}
	return "type"
}

func (k *annoChecker) warn(at token.Span, format string, args ...any) {
	k.diags.Warnf(codeAnnoValue, at, format, args...).Home = k.home
}

// inside looks at a part of what home names.
func (k *annoChecker) inside(kind, name string, look func()) {
	old := k.home
	if name != "" {
		k.home += "/" + home(kind, name)
	}
	look()
	k.home = old
}

func (k *annoChecker) operations(list []*csn.Operation) {
	for _, o := range list {
		name := o.Name
		if o.Entity == nil {
			name = "" // it is the definition itself
		}
		k.inside("action", name, func() {
			k.annotations(&o.Def)
			k.elements(o.Params, 0)
			k.elements(csn.Elements{o.Returns}, 0)
		})
	}
}

func (k *annoChecker) elements(els csn.Elements, depth int) {
	if depth > maxDepth {
		return
	}
	for _, el := range els {
		if el == nil {
			continue
		}
		k.inside("element", el.Name, func() {
			k.annotations(&el.Def)
			for i := range el.Enum() {
				k.annotations(&el.Enum()[i].Def)
			}
			if s, ok := el.Type.(*csn.Struct); ok && el.TypeName == "" { // parts of named types are looked at there
				k.elements(s.Elements, depth+1)
			}
		})
	}
}

func (k *annoChecker) annotations(d *csn.Def) {
	for i := range d.Annotations {
		a := &d.Annotations[i]
		if !a.Span.Valid() || k.seen[a.Span] {
			continue
		}
		name, _, _ := strings.Cut(a.Name, "#")
		el, path := k.definition(name)
		if el == nil {
			continue
		}
		k.seen[a.Span] = true
		for ; path != ""; path = rest(path) {
			first, _, _ := strings.Cut(path, ".")
			s, ok := el.Type.(*csn.Struct)
			if ok {
				el = s.Elements.Lookup(first)
			}
			if !ok || el == nil {
				k.warn(a.Span, "@%s has no part “%s” by its definition", strings.TrimSuffix(strings.TrimSuffix(name, path), "."), first)
				break
			}
		}
		if path == "" {
			k.value(a.Name, a.Value, el, a.Span, 0)
		}
	}
}

// definition returns the type that is defined for an annotation, or for one of which it is a part, and the path to the part.
func (k *annoChecker) definition(name string) (*csn.Element, string) {
	for n := name; ; {
		if d := k.defs[n]; d != nil {
			return d.Type, strings.TrimPrefix(name[len(n):], ".")
		}
		i := strings.LastIndexByte(n, '.')
		if i < 0 {
			return nil, ""
		}
		n = n[:i]
	}
}

func rest(path string) string {
	_, r, _ := strings.Cut(path, ".")
	return r
}

// value compares a value with a type. References and expressions yield anything, and null is the absence of a value.
func (k *annoChecker) value(name string, v *cqn.AnnoValue, el *csn.Element, at token.Span, depth int) {
	if v == nil || depth > maxDepth || v.Kind == cqn.AnnoNull || v.Kind == cqn.AnnoRef || v.Kind == cqn.AnnoExpr || v.Kind == cqn.AnnoEllipsis {
		return
	}
	if v.Span.Valid() {
		at = v.Span
	}
	want := ""
	switch t := el.Type.(type) {
	case *csn.Array:
		if v.Kind != cqn.AnnoArray {
			want = "a list"
			break
		}
		for _, it := range v.Items {
			k.value(name, it, t.Items, at, depth+1)
		}
		return
	case *csn.Struct:
		if v.Kind != cqn.AnnoStruct {
			want = "a structure"
			break
		}
		for i := range v.Fields {
			f := &v.Fields[i]
			if part := t.Elements.Lookup(f.Name); part != nil {
				k.value(name+"."+f.Name, f.Value, part, at, depth+1)
			} else if !strings.HasPrefix(f.Name, "@") {
				k.warn(at, "@%s has no part “%s” by its definition", name, f.Name)
			}
		}
		return
	case *csn.Builtin:
		want = k.scalar(v, t, el)
	}
	if want != "" {
		k.warn(at, "@%s takes %s by its definition", name, want)
	}
}

// scalar returns what is wanted in the place of a value, "" if it fits.
func (k *annoChecker) scalar(v *cqn.AnnoValue, t *csn.Builtin, el *csn.Element) string {
	if v.Kind == cqn.AnnoSymbol {
		if len(el.Enum()) == 0 {
			return "no symbol"
		}
		for i := range el.Enum() {
			if el.Enum()[i].Name == v.Text {
				return ""
			}
		}
		return "a symbol of its enum"
	}
	switch t.Kind {
	case csn.Boolean:
		if v.Kind != cqn.AnnoBool && v.Kind != cqn.AnnoTrue {
			return "true or false"
		}
	case csn.UInt8, csn.Int16, csn.Int32, csn.Int64, csn.Integer, csn.Decimal, csn.Double:
		if v.Kind != cqn.AnnoNumber {
			return "a number"
		}
	case csn.Map:
		if v.Kind != cqn.AnnoStruct {
			return "a structure"
		}
	default:
		if v.Kind != cqn.AnnoString {
			return "a text"
		}
	}
	return ""
}
