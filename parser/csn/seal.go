package csn

import (
	"slices"
	"strings"

	"cds/parser/cqn"
)

// SealKind says in which form the values of an element are kept.
type SealKind uint8

// The forms. SealClosed is that of an element whose annotation is not understood: it can be neither read nor written.
const (
	SealClosed        SealKind = iota
	SealRandom                 // @encrypted
	SealDeterministic          // @encrypted: 'deterministic'
	SealArgon2id               // @hash, @hash: 'argon2id'
	SealBcrypt                 // @hash: 'bcrypt'
	SealSHA256                 // @hash: 'sha256'
)

// A Seal says that the values of an element are not kept as they are. All elements over one column have the seal of the column.
type Seal struct {
	Kind SealKind
	// Column is the name of the table's entity and the flat name of its element: what encrypted values are bound to. Drafts have that of the active rows.
	Column string
}

// Hashed reports whether values are replaced by hashes, which nothing brings back.
func (s *Seal) Hashed() bool { return s.Kind >= SealArgon2id }

// Annotations of seals.
const (
	encryptedAnno = "encrypted"
	hashAnno      = "hash"
)

// Seal returns how values of the element are kept, nil for as they are.
func (e *Element) Seal() *Seal {
	if e.facets == nil {
		return nil
	}
	return e.facets.Seal
}

// setSeal sets it.
func (e *Element) setSeal(s *Seal) {
	if f := e.Facets(); f.Seal != s {
		f.Seal = s
		e.SetFacets(f)
	}
}

// sealAnno reports whether an annotation is @encrypted or @hash, or begins as one of them.
func sealAnno(name string) (base string, ok bool) {
	base = name
	if i := strings.IndexByte(name, '.'); i > 0 {
		base = name[:i]
	}
	return base, base == encryptedAnno || base == hashAnno
}

// seals sets the seals of elements and reports those that cannot be. Those of tables come from their annotations, all others from the column that they
// show: what is kept is a fact of the table, which no view changes.
func (f *freezer) seals() {
	var tables []*Entity
	for _, e := range f.m.Entities {
		found := false
		for _, el := range e.Flat {
			el.setSeal(nil) // of the model that this one was made from
			if el.ForeignKey == nil && e.Source == nil {
				s := f.tableSeal(e, el)
				el.setSeal(s)
				found = found || s != nil
			}
		}
		if found {
			tables = append(tables, e)
		}
	}
	f.sealPlaces()
	if len(tables) == 0 {
		return
	}
	r := &sealer{freezer: f, state: make([]uint8, len(f.m.Entities))}
	for _, e := range f.m.Entities {
		r.visit(e, 0)
	}
	f.sealDrafts()
	f.sealUses()
}

// tableSeal reads the annotations of an element of a table.
func (f *freezer) tableSeal(e *Entity, el *Element) *Seal {
	var s *Seal
	var at *cqn.AnnoField
	for i := range el.Annotations {
		a := &el.Annotations[i]
		base, ok := sealAnno(a.Name)
		if !ok {
			switch meant := MeantAnnotation(a); {
			case meant == encryptedAnno || meant == hashAnno:
				f.sealFault(e, el, a, "write @"+meant+", or give the annotation another name", "@%s looks like a misspelt @%s", a.Name, meant)
				s = &Seal{Kind: SealClosed, Column: e.Name + "." + el.Name}
			case meant == "" && AlikeAnnotation(a) == encryptedAnno && a.Span.Valid():
				d := f.diags.Warnf(codeSeal, a.Span, "@%s encrypts nothing", a.Name)
				d.Hint = "write @encrypted if that is meant"
			}
			continue
		}
		if a.Name != base {
			f.sealFault(e, el, a, "give the form as a text: @encrypted: 'deterministic', @hash: 'bcrypt'", "@%s is not understood: @%s has no parts", a.Name, base)
			s = &Seal{Kind: SealClosed, Column: e.Name + "." + el.Name}
			continue
		}
		if a.Value == nil || a.Value.Kind == cqn.AnnoNull || a.Value.False() {
			continue
		}
		if s != nil {
			f.sealFault(e, el, a, "a hash cannot be decrypted: choose one of them", "%s has @encrypted and @hash", el.Name)
		}
		kind, hint := sealKind(base, a.Value)
		if kind == SealClosed {
			f.sealFault(e, el, a, hint, "@%s: %s is not understood", base, annoText(a.Value))
		}
		s, at = &Seal{Kind: kind, Column: e.Name + "." + el.Name}, a
	}
	if at != nil {
		f.sealable(e, el, s, at)
	}
	if !el.Virtual {
		f.sealItems(e, el, el.Type, 0)
	}
	return s
}

// annoText is a value of an annotation for a message.
func annoText(v *cqn.AnnoValue) string {
	if t := v.Str(); t != "" && len(t) < 60 {
		return "'" + t + "'"
	}
	return "its value"
}

// sealKind reads the value of an annotation; SealClosed and what was expected if it is none.
func sealKind(base string, v *cqn.AnnoValue) (SealKind, string) {
	name := ""
	if v.Kind == cqn.AnnoString {
		name = v.Text
	}
	if base == encryptedAnno {
		switch {
		case v.True(), name == "random":
			return SealRandom, ""
		case name == "deterministic":
			return SealDeterministic, ""
		}
		return SealClosed, "expected true, 'random' or 'deterministic'"
	}
	switch {
	case v.True(), name == "argon2id":
		return SealArgon2id, ""
	case name == "bcrypt":
		return SealBcrypt, ""
	case name == "sha256":
		return SealSHA256, ""
	}
	return SealClosed, "expected true, 'argon2id', 'bcrypt' or 'sha256'"
}

// sealable reports what cannot be sealed.
func (f *freezer) sealable(e *Entity, el *Element, s *Seal, at *cqn.AnnoField) {
	base, _ := sealAnno(at.Name)
	bad := func(hint, why string) {
		f.sealFault(e, el, at, hint, "%s cannot have @%s: %s", el.Name, base, why)
	}
	b := el.Scalar()
	switch {
	case b == nil:
		bad("annotate its parts, or elements with scalar types", "it is an association, an array or a structure")
		return
	case b.Kind == LargeBinary || b.Kind == Vector || b.Kind == Map || b.Kind == NoScalar:
		bad("use String, LargeString or Binary", "values of type "+b.Name+" are not encrypted")
	case s.Hashed() && b.Kind != String:
		bad("use String", "hashes are made of texts")
	}
	switch {
	case el.Key:
		bad("take another key, and find rows by a unique element: @assert.unique with @encrypted: 'deterministic'", "it is a key")
	case el.Virtual:
		bad("", "it is virtual, nothing of it is kept")
	case el.Value() != nil:
		bad("", "it is calculated")
	case el.Localized:
		bad("take localized away", "it is localized")
	case el.Default() != nil:
		bad("set the value by @cds.on.insert or in a handler", "the database would fill in its default as it is")
	}
	for _, name := range []string{"odata.etag", "cds.valid.from", "cds.valid.to", "cds.valid.key", "tenant", "cds.tenant", "Core.IsURL", "Core.MediaType"} {
		if v := el.Annotations.Get(name); v != nil && v.Kind != cqn.AnnoNull && !v.False() {
			bad("", "it has @"+name)
		}
	}
	if s.Kind == SealDeterministic || s.Kind == SealSHA256 {
		return
	}
	for _, a := range e.Annotations {
		if !strings.HasPrefix(a.Name, "assert.unique") || a.Value == nil {
			continue
		}
		for _, it := range a.Value.Items {
			if n := strings.ReplaceAll(it.Str(), ".", "_"); n == el.Name {
				bad("@encrypted: 'deterministic' keeps equal values equal", "it is part of @"+a.Name+", and each value is kept in another form")
			}
		}
	}
}

// sealFault reports an annotation that cannot be.
func (f *freezer) sealFault(e *Entity, el *Element, at *cqn.AnnoField, hint, format string, args ...any) {
	d := f.errorf(codeSeal, e, el, format, args...)
	if at != nil && at.Span.Valid() {
		d.Span = at.Span
	}
	d.Hint = hint
}

// sealPlaces reports annotations where they mean nothing: on anything but elements of entities, and what these are made of.
func (f *freezer) sealPlaces() {
	const hint = "write it before the element that it is for"
	for _, d := range f.m.Defs {
		def := d.Definition()
		switch d := d.(type) {
		case *TypeDef:
			continue // what elements of it have
		case *AnnotationDef:
			continue
		case *Entity:
			for _, o := range d.Actions {
				f.sealOperation(o)
			}
			for _, p := range d.Params {
				f.sealOn(&p.Def, "what a view is asked with is not stored")
			}
		case *Operation:
			f.sealOperation(d)
		case *Event:
			f.sealParts(d.Type, "what an event carries is not stored by it: annotate the element that keeps it")
		}
		f.sealOn(def, hint)
	}
}

func (f *freezer) sealOn(def *Def, hint string) {
	for i := range def.Annotations {
		a := &def.Annotations[i]
		if _, ok := sealAnno(a.Name); ok && a.Value != nil && a.Value.Kind != cqn.AnnoNull {
			d := f.diags.Errorf(codeSeal, a.Span, "@%s means nothing on %s", a.Name, def.Name)
			if !a.Span.Valid() {
				d.Span = def.Span
			}
			d.Hint = hint
		}
	}
}

// sealOperation reports annotations on an operation and its parameters. Those that a parameter has from its type are for what is stored.
func (f *freezer) sealOperation(o *Operation) {
	const hint = "what an operation takes and returns is not stored: annotate the element that keeps it"
	f.sealOn(&o.Def, hint)
	for _, p := range o.Params {
		f.sealOwn(p, hint)
	}
	f.sealOwn(o.Returns, hint)
}

// sealOwn reports annotations on an element that is not stored, unless it has them from its type.
func (f *freezer) sealOwn(el *Element, hint string) {
	if el != nil && el.TypeOf() == nil && strings.HasPrefix(el.TypeName, "cds.") {
		f.sealOn(&el.Def, hint)
	}
	f.sealParts(el, hint)
}

// sealParts does so for the parts of a structure that stands where it is used.
func (f *freezer) sealParts(el *Element, hint string) {
	if el == nil || el.TypeName != "" || el.TypeOf() != nil {
		return
	}
	if s, ok := el.Type.(*Struct); ok {
		for _, p := range s.Elements {
			f.sealOwn(p, hint)
		}
	}
}

// sealItems reports annotations within the arrays of an element, whose items are kept together, as they are. Those on the array itself are reported with the element's.
func (f *freezer) sealItems(e *Entity, el *Element, t Type, depth int) {
	if depth > maxDepth {
		return
	}
	switch t := t.(type) {
	case *Array:
		if t.Items != nil {
			f.sealItem(e, el, t.Items, depth+1)
		}
	case *Struct:
		if depth > 0 { // the parts of the element's own structure are elements of the table
			for _, part := range t.Elements {
				f.sealItem(e, el, part, depth+1)
			}
		}
	}
}

func (f *freezer) sealItem(e *Entity, el, item *Element, depth int) {
	annos := item.Annotations
	if def, ok := f.m.byName[item.TypeName].(*TypeDef); ok {
		annos = append(slices.Clip(annos), def.Annotations...)
	}
	for i := range annos {
		a := &annos[i]
		if base, ok := sealAnno(a.Name); ok && a.Value != nil && a.Value.Kind != cqn.AnnoNull && !a.Value.False() {
			f.sealFault(e, el, a, "make a composition of entities of it, with the annotation on an element", "%s has @%s within an array, whose items are kept as they are", el.Name, base)
			return
		}
	}
	f.sealItems(e, el, item.Type, depth)
}

// sealDrafts refuses hashes in what is edited as a draft: the draft would be hashed, and hashed again when it is saved.
func (f *freezer) sealDrafts() {
	for _, e := range f.m.Entities {
		if !e.IsDraftRoot() {
			continue
		}
		for _, t := range e.DraftTree() {
			for _, el := range t.Flat {
				if s := el.Seal(); s != nil && s.Hashed() {
					d := f.errorf(codeSeal, t, el, "%s.%s has @hash and is edited as a draft of %s", t.Name, el.Name, e.Name)
					d.Hint = "leave the element out of this projection and set it by an action"
				}
			}
		}
	}
}
