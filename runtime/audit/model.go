package audit

import (
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// Annotations of personal data, as CAP has them.
const (
	entitySemantics = "PersonalData.EntitySemantics"
	fieldSemantics  = "PersonalData.FieldSemantics"
	subjectRole     = "PersonalData.DataSubjectRole"
	isPersonal      = "PersonalData.IsPotentiallyPersonal"
	isSensitive     = "PersonalData.IsPotentiallySensitive"
	changelogName   = "changelog"
)

// HasPersonalData reports whether a model says of any data that they are personal, or shows the audit log.
func HasPersonalData(m *csn.Model) bool {
	if len(Shown(m)) > 0 {
		return true
	}
	for _, e := range m.Entities {
		if e.Annotations.Get(entitySemantics) != nil || slices.ContainsFunc(e.Elements, func(el *csn.Element) bool { return on(el, isPersonal) || on(el, isSensitive) }) {
			return true
		}
	}
	return false
}

// HasHistory reports whether a model asks for the history of any element.
func HasHistory(m *csn.Model) bool {
	return slices.ContainsFunc(m.Entities, func(e *csn.Entity) bool { return slices.ContainsFunc(e.Elements, tracked) })
}

// on reports whether an annotation is there and not switched off.
func on(el *csn.Element, name string) bool {
	v := el.Annotations.Get(name)
	return v != nil && v.Kind != cqn.AnnoNull && !v.False()
}

func tracked(el *csn.Element) bool { return on(el, changelogName) }

// facts are what is known of an entity: flat elements by name.
type facts struct {
	entity    *csn.Entity
	kind      string            // of objects: the name of the table
	keys      map[string]string // name of a key → its name in the table
	personal  map[string]bool
	sensitive map[string]bool
	history   map[string]bool
	subject   *subject
}

// A subject says how the person is found whom the data of a row are about.
type subject struct {
	kind, role string
	names      []string // elements of the row
	ids        []string // the subject's keys that they are the values of
}

// A reader of annotations finds them through all doors: an element counts as annotated if it, or any other element over the same column, is.
type reader struct {
	personal, sensitive, history map[*csn.Element]bool // elements of tables
	facts                        map[*csn.Entity]*facts
}

func read(m *csn.Model) map[*csn.Entity]*facts {
	r := &reader{map[*csn.Element]bool{}, map[*csn.Element]bool{}, map[*csn.Element]bool{}, map[*csn.Entity]*facts{}}
	for _, e := range m.Entities {
		for _, el := range e.Elements {
			r.mark(r.personal, e, el, isPersonal)
			r.mark(r.sensitive, e, el, isSensitive)
			if tracked(el) {
				r.mark(r.history, e, el, changelogName)
			}
		}
		for _, el := range e.Flat {
			r.mark(r.personal, e, el, isPersonal)
			r.mark(r.sensitive, e, el, isSensitive)
			r.mark(r.history, e, el, changelogName)
		}
	}
	for _, e := range m.Entities {
		r.facts[e] = r.of(e)
	}
	for _, e := range m.Entities {
		if f := r.facts[e]; f != nil {
			f.subject = r.subjectOf(e)
		}
	}
	return r.facts
}

// mark notes the columns of an element with an annotation: its own, those of its foreign key, or those of a structure.
func (r *reader) mark(set map[*csn.Element]bool, e *csn.Entity, el *csn.Element, name string) {
	if !on(el, name) {
		return
	}
	for _, c := range columnsOf(e, el) {
		set[origin(c)] = true
	}
}

// columnsOf returns the flat elements that an element stands for.
func columnsOf(e *csn.Entity, el *csn.Element) []*csn.Element {
	if a := el.Assoc(); a != nil {
		return a.FK
	}
	if c := e.Element(el.Name); c != nil {
		return []*csn.Element{c}
	}
	var out []*csn.Element
	for _, c := range e.Flat {
		if strings.HasPrefix(c.Name, el.Name+"_") && c.Assoc() == nil {
			out = append(out, c)
		}
	}
	return out
}

func origin(el *csn.Element) *csn.Element {
	for el.Origin != nil {
		el = el.Origin
	}
	return el
}

// of finds the facts of one entity; nil if nothing of it is noted.
func (r *reader) of(e *csn.Entity) *facts {
	f := &facts{entity: e, kind: e.Name, keys: map[string]string{}, personal: map[string]bool{}, sensitive: map[string]bool{}, history: map[string]bool{}}
	from := e
	if e.Active != nil {
		from = e.Active
	}
	table := from.Table()
	if table != nil {
		f.kind = table.Name
	}
	for _, el := range e.Flat {
		src := el
		if e.Active != nil { // drafts are of the same data
			if src = e.Active.Element(el.Name); src == nil {
				continue
			}
		}
		if el.Assoc() != nil || el.Virtual {
			continue
		}
		o := origin(src)
		if el.Key && (table == nil || table.Element(o.Name) != nil && o.Name != "IsActiveEntity") { // whether a row is a draft is not who it is about
			f.keys[el.Name] = o.Name
		}
		if r.sensitive[o] {
			f.sensitive[el.Name] = true
		}
		if r.personal[o] {
			f.personal[el.Name] = true
		}
		if r.history[o] {
			f.history[el.Name] = true
		}
	}
	if len(f.personal)+len(f.sensitive)+len(f.history) == 0 {
		return nil
	}
	return f
}

// subjectOf finds whom the rows of an entity are about: what is annotated as the id, the keys of a data subject, or the association to one.
func (r *reader) subjectOf(e *csn.Entity) *subject {
	s := &subject{kind: e.Name, role: e.Annotations.Str(subjectRole)}
	if f := r.facts[e]; f != nil {
		s.kind = f.kind
	}
	for _, el := range e.Elements {
		if el.Annotations.Str(fieldSemantics) != "DataSubjectID" {
			continue
		}
		if a := el.Assoc(); a != nil && a.Target != nil {
			return viaAssociation(a, s.role)
		}
		for _, c := range columnsOf(e, el) {
			s.names, s.ids = append(s.names, c.Name), append(s.ids, c.Name)
		}
	}
	if len(s.names) > 0 {
		return s.named(e)
	}
	if e.Annotations.Str(entitySemantics) == "DataSubject" {
		for _, k := range e.Keys {
			s.names, s.ids = append(s.names, k.Name), append(s.ids, k.Name)
		}
		return s.named(e)
	}
	for _, el := range e.Elements {
		if a := el.Assoc(); a != nil && !a.Many && a.Target != nil && a.Target.Annotations.Str(entitySemantics) == "DataSubject" {
			return viaAssociation(a, s.role)
		}
	}
	return nil
}

func (s *subject) named(e *csn.Entity) *subject {
	if s.role == "" {
		s.role = lastPart(e.Name)
	}
	return s
}

func lastPart(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// viaAssociation is the subject that an association leads to, known by its foreign key; nil if there is none.
func viaAssociation(a *csn.Assoc, role string) *subject {
	s := &subject{kind: a.Target.Name, role: role}
	if t := a.Target.Table(); t != nil {
		s.kind = t.Name
	}
	if s.role == "" {
		s.role = a.Target.Annotations.Str(subjectRole)
	}
	for _, p := range a.Pairs {
		s.names, s.ids = append(s.names, p.Source.Name), append(s.ids, p.Target.Name)
	}
	if len(s.names) == 0 {
		return nil
	}
	return s.named(a.Target)
}

// object makes what a record says of a row.
func (f *facts) object(row *cqn.Row) Object {
	o := Object{Type: f.kind, ID: map[string]string{}}
	for name, as := range f.keys {
		o.ID[as] = value(row.Value(name))
	}
	if s := f.subject; s != nil {
		id := map[string]string{}
		for i, name := range s.names {
			if v := row.Value(name); !v.IsNull() {
				id[s.ids[i]] = value(v)
			}
		}
		if len(id) == len(s.names) {
			o.Subject = &Subject{Type: s.kind, Role: s.role, ID: id}
		}
	}
	return o
}

// value is how a record writes a value.
func value(v cqn.Value) string {
	switch v.Kind() {
	case cqn.KindBytes, cqn.KindBlob:
		return "(binary)"
	}
	return text(v.Format(), maxText)
}
