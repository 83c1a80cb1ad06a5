package edmx

import (
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// A View says what of a service a document shows: what some users may use. A nil View shows all of it.
//
// What is left out is named nowhere: neither are navigation properties that lead there, nor bindings, constraints, partners and annotations that refer to it.
// Keys of an entity that is shown are always shown.
type View struct {
	// Hidden are the entities that are left out, NoSet those of which only the type is shown, since operations return it.
	Hidden, NoSet map[*csn.Entity]bool
	HiddenOps     map[*csn.Operation]bool
	HiddenElement map[*csn.Element]bool
	// Fixed are elements that are shown, and that the users may not set.
	Fixed map[*csn.Element]bool
	// NoRead, NoInsert, NoUpdate and NoDelete are the entities for which the document says so.
	NoRead, NoInsert, NoUpdate, NoDelete map[*csn.Entity]bool
}

// Entity reports whether the type of an entity is shown.
func (v *View) Entity(e *csn.Entity) bool { return v == nil || !v.Hidden[e] }

// Set reports whether an entity is shown with a set or singleton.
func (v *View) Set(e *csn.Entity) bool { return v == nil || !v.Hidden[e] && !v.NoSet[e] }

// Operation reports whether an operation is shown.
func (v *View) Operation(o *csn.Operation) bool {
	return v == nil || !v.HiddenOps[o] && (o.Entity == nil || !v.Hidden[o.Entity])
}

// Element reports whether an element of e is shown. Elements that are in no document, with or without a View, are not.
func (v *View) Element(e *csn.Entity, el *csn.Element) bool {
	if el.Internal || el.Annotations.Is("cds.api.ignore") {
		return false
	}
	if a := el.Assoc(); a != nil && (a.Target == nil || a.Target.Service != e.Service || !Exposed(a.Target) || !v.Entity(a.Target)) {
		return false
	}
	return v == nil || el.Key || !v.HiddenElement[el]
}

// shows is Element for an element of an entity that is in the document, as far as the View goes.
func (v *View) shows(el *csn.Element) bool { return v == nil || el.Key || !v.HiddenElement[el] }

// Shows is Element for an element whose entity and target are known to be shown.
func (v *View) Shows(el *csn.Element) bool { return v.shows(el) }

// Fix reports whether an element is one that the users may not set.
func (v *View) Fix(el *csn.Element) bool { return v != nil && v.Fixed[el] }

// names reports whether e has an element of the name that is shown.
func (v *View) names(e *csn.Entity, name string) bool {
	el := e.Flat.Lookup(name)
	return v == nil || el == nil || v.Element(e, el)
}

// says reports whether the View has something to say about a restriction of an entity's set.
func (v *View) says(e *csn.Entity, what string) bool {
	if v == nil {
		return false
	}
	switch what {
	case "ReadRestrictions":
		return v.NoRead[e]
	case "InsertRestrictions":
		return v.NoInsert[e]
	case "UpdateRestrictions":
		return v.NoUpdate[e]
	}
	return v.NoDelete[e]
}

// Exposed reports whether an entity of a service is in its document.
func Exposed(e *csn.Entity) bool { return !e.Annotations.Is("cds.api.ignore") && e.Active == nil }

// shown returns the annotations of a definition without those that name something that is left out. Paths begin in base, or at the binding parameter.
// Where a part of a term's value does, the term goes as a whole; from lists only the items that do.
func (w *writer) shown(as csn.Annotations, base *csn.Entity, binding string) csn.Annotations {
	if w.opt.View == nil {
		return as
	}
	r := &referrer{w: w, base: base, binding: binding}
	gone := map[string]bool{}
	out := make(csn.Annotations, 0, len(as))
	for i := range as {
		r.list = nil
		if set := as.Get(termOfName(as[i].Name) + ".CollectionPath"); set != nil {
			r.list = w.setNamed(set.Str())
		}
		v, ok := r.value(lastName(as[i].Name), as[i].Value)
		if !ok {
			gone[termOfName(as[i].Name)] = true
			continue
		}
		a := as[i]
		a.Value = v
		out = append(out, a)
	}
	if len(gone) == 0 {
		return out
	}
	kept := out[:0]
	for _, a := range out {
		if !gone[termOfName(a.Name)] {
			kept = append(kept, a)
		}
	}
	return kept
}

// termOfName returns the first two parts of a flattened name, the term.
func termOfName(name string) string {
	parts := strings.SplitN(name, ".", 3)
	if len(parts) < 2 {
		return name
	}
	return parts[0] + "." + parts[1]
}

func lastName(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// A referrer looks for names of what is left out in the values of annotations.
type referrer struct {
	w       *writer
	base    *csn.Entity
	binding string
	// list is the set that a value list reads.
	list *csn.Entity
}

// value returns a value without the list items that name what is left out; false if it does so itself.
func (r *referrer) value(name string, v *cqn.AnnoValue) (*cqn.AnnoValue, bool) {
	if v == nil {
		return v, true
	}
	switch v.Kind {
	case cqn.AnnoRef:
		return v, r.path(strings.ReplaceAll(v.Text, ".", "/"))
	case cqn.AnnoExpr:
		return v, r.expression(v.Expr)
	case cqn.AnnoString:
		return v, r.text(name, v.Text)
	case cqn.AnnoArray:
		out := *v
		out.Items = nil
		for _, item := range v.Items {
			if x, ok := r.value(name, item); ok {
				out.Items = append(out.Items, x)
			}
		}
		return &out, len(out.Items) > 0 || len(v.Items) == 0
	case cqn.AnnoStruct:
		return r.record(v)
	}
	return v, true
}

func (r *referrer) record(v *cqn.AnnoValue) (*cqn.AnnoValue, bool) {
	in := *r
	if set := v.Field("CollectionPath"); set != nil {
		in.list = r.w.setNamed(set.Str())
	}
	out := *v
	out.Fields = nil
	for _, f := range v.Fields {
		x, ok := in.value(lastName(f.Name), f.Value)
		if !ok {
			return nil, false
		}
		f.Value = x
		out.Fields = append(out.Fields, f)
	}
	return &out, true
}

// text reports whether a text, which may be a name or a path by what it is the value of, names nothing that is left out.
func (r *referrer) text(name, text string) bool {
	switch {
	case name == "CollectionPath":
		e := r.w.setNamed(text)
		return e == nil || r.w.opt.View.Set(e)
	case name == "ValueListProperty":
		return r.list == nil || r.steps(r.list, text)
	case strings.HasSuffix(name, "Path") || strings.HasSuffix(name, "Property") || strings.HasSuffix(name, "Properties") || strings.HasSuffix(name, "Entities") || name == "Target":
		return r.path(text)
	}
	return !r.w.hiddenOperation(text)
}

// path reports whether a path leads to nothing that is left out. One that leads nowhere at all is the model's own affair.
func (r *referrer) path(path string) bool {
	if rest, ok := strings.CutPrefix(path, r.binding+"/"); ok && r.binding != "" {
		path = rest
	}
	return r.steps(r.base, path)
}

func (r *referrer) steps(e *csn.Entity, path string) bool {
	name := ""
	for step := range strings.SplitSeq(path, "/") {
		step, _, _ = strings.Cut(step, "@") // of an annotation
		if step == "" || e == nil {
			return true
		}
		if name != "" {
			name += "_"
		}
		name += step
		el := e.Flat.Lookup(name)
		switch {
		case el == nil && r.w.hiddenOperation(step):
			return false
		case el == nil:
			continue // the beginning of a structure
		case !r.w.opt.View.Element(e, el):
			return false
		case el.Assoc() == nil:
			return true
		}
		e, name = el.Assoc().Target, ""
	}
	return true
}

func (r *referrer) expression(x cqn.Expr) bool {
	ok := true
	cqn.Walk(x, func(n any) bool {
		if ref, is := n.(*cqn.Ref); is {
			names := make([]string, 0, len(ref.Path))
			for i, s := range ref.Path {
				if i > 0 || s.Name != "$self" {
					names = append(names, s.Name)
				}
			}
			ok = ok && r.path(strings.Join(names, "/"))
		}
		return ok
	})
	return ok
}

// setNamed returns the entity with a set of the name, nil for none.
func (w *writer) setNamed(name string) *csn.Entity {
	for _, e := range w.s.Entities {
		if e.Active == nil && SetName(e) == name {
			return e
		}
	}
	return nil
}

// hiddenOperation reports whether a text names an operation that is left out: by its qualified name, with a signature or as an import.
func (w *writer) hiddenOperation(text string) bool {
	name, ok := strings.CutPrefix(text, w.s.Name+".")
	if !ok {
		return false
	}
	name, _, _ = strings.Cut(name, "(")
	if _, imported, ok := strings.Cut(name, "/"); ok {
		name = imported
	}
	hidden := false
	for _, o := range w.s.Ops {
		if o.LocalName() == name {
			return !w.opt.View.Operation(o)
		}
	}
	for _, e := range w.s.Entities {
		for _, o := range e.Actions {
			if o.LocalName() != name || e.Active != nil {
				continue
			}
			if w.opt.View.Operation(o) { // one of several of the name
				return false
			}
			hidden = true
		}
	}
	return hidden
}

// restrict puts what the View says of an entity's set in the place of what the model says of it.
func (w *writer) restrict(e *csn.Entity, as csn.Annotations) csn.Annotations {
	v := w.opt.View
	if v == nil {
		return as
	}
	for _, r := range []struct {
		on         map[*csn.Entity]bool
		term, prop string
	}{{v.NoDelete, "DeleteRestrictions", "Deletable"}, {v.NoInsert, "InsertRestrictions", "Insertable"}, {v.NoRead, "ReadRestrictions", "Readable"},
		{v.NoUpdate, "UpdateRestrictions", "Updatable"}} {
		if r.on[e] {
			as = withFalse(as, "Capabilities."+r.term, r.prop)
		}
	}
	return as
}

// withFalse returns the annotations with a property of a record set to false.
func withFalse(as csn.Annotations, term, prop string) csn.Annotations {
	out := make(csn.Annotations, 0, len(as)+1)
	for _, a := range as {
		switch {
		case a.Name == term+"."+prop, a.Name == "Capabilities."+prop:
			continue
		case a.Name == term && a.Value != nil && a.Value.Kind == cqn.AnnoStruct:
			v := *a.Value
			v.Fields = nil
			for _, f := range a.Value.Fields {
				if f.Name != prop {
					v.Fields = append(v.Fields, f)
				}
			}
			a.Value = &v
		case a.Name == term: // null or no record
			continue
		}
		out = append(out, a)
	}
	return append(out, cqn.AnnoField{Name: term + "." + prop, Value: &cqn.AnnoValue{Kind: cqn.AnnoBool}})
}
