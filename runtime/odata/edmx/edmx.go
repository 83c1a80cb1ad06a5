// Package edmx writes the metadata document of a service: EDMX 4.0 XML (OData CSDL XML 4.01). It is a pure function of the model.
package edmx

import (
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/odata/internal/edm"
)

// Options change what is written.
type Options struct {
	// Author is the URL of a Core.Links annotation with the relation "author" on the schema; "" leaves it out.
	Author string
	// Text returns the text for a key of {i18n>key}; false leaves the reference as it is. nil leaves all.
	Text func(key string) (string, bool)
	// Indent is the text of one level of indentation; "" means two blanks.
	Indent string
	// Version is the version of OData that the document names: "4.0", which "" stands for, or "4.01".
	Version string
	// View leaves out what some users may not use; nil for nothing.
	View *View
}

// Marshal returns the metadata document of service s of model m as XML.
func Marshal(m *csn.Model, s *csn.Service, opt Options) []byte {
	if opt.Indent == "" {
		opt.Indent = "  "
	}
	if opt.Version == "" {
		opt.Version = "4.0"
	}
	s = withDrafts(m, s)
	w := &writer{m: m, s: s, opt: opt, vocab: map[string]bool{"Common": true, "Core": true}, complex: map[string]bool{}}
	w.depth = 3
	body := w.capture(func() {
		if opt.Author != "" {
			w.links()
		}
		w.container()
		w.types()
		w.operations()
		w.annotations()
	})
	w.depth = 0
	w.b = append(w.b, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"...)
	w.open("edmx:Edmx", "Version", opt.Version, "xmlns:edmx", "http://docs.oasis-open.org/odata/ns/edmx")
	w.references()
	w.open("edmx:DataServices")
	w.open("Schema", "Namespace", s.Name, "xmlns", "http://docs.oasis-open.org/odata/ns/edm")
	w.b = append(w.b, body...)
	w.close("Schema")
	w.close("edmx:DataServices")
	w.close("edmx:Edmx")
	return w.b
}

type writer struct {
	m     *csn.Model
	s     *csn.Service
	opt   Options
	b     []byte
	depth int
	vocab map[string]bool // aliases of the vocabularies in use
	// Complex types are made when something refers to them and written after the entity types.
	complex map[string]bool
	pending []complexType
	// backlinks are the associations based on each managed one.
	backlinks map[*csn.Element][]backlink
}

type complexType struct {
	name string
	els  csn.Elements
}

// capture returns what f writes, and takes it away.
func (w *writer) capture(f func()) []byte {
	old := w.b
	w.b = nil
	f()
	out := w.b
	w.b = old
	return out
}

// start appends an opening tag without its end. attrs are names and values in turn; an attribute with the empty value is left out
// unless its name ends in '!'.
func (w *writer) start(tag string, attrs []string) {
	for range w.depth {
		w.b = append(w.b, w.opt.Indent...)
	}
	w.b = append(append(w.b, '<'), tag...)
	for i := 0; i+1 < len(attrs); i += 2 {
		name, keep := strings.CutSuffix(attrs[i], "!")
		if attrs[i+1] == "" && !keep {
			continue
		}
		w.b = append(append(append(w.b, ' '), name...), '=', '"')
		w.b = appendText(w.b, w.translate(attrs[i+1]))
		w.b = append(w.b, '"')
	}
}

func (w *writer) open(tag string, attrs ...string) {
	w.start(tag, attrs)
	w.b = append(w.b, '>', '\n')
	w.depth++
}

func (w *writer) empty(tag string, attrs ...string) {
	w.start(tag, attrs)
	w.b = append(w.b, '/', '>', '\n')
}

func (w *writer) text(tag, s string) {
	w.start(tag, nil)
	w.b = append(w.b, '>')
	w.b = appendText(w.b, s)
	w.b = append(append(append(w.b, '<', '/'), tag...), '>', '\n')
}

func (w *writer) close(tag string) {
	w.depth--
	for range w.depth {
		w.b = append(w.b, w.opt.Indent...)
	}
	w.b = append(append(append(w.b, '<', '/'), tag...), '>', '\n')
}

// nest writes an element with what f writes inside, or an empty one if f writes nothing.
func (w *writer) nest(tag string, attrs []string, f func()) {
	w.depth++
	body := w.capture(f)
	w.depth--
	if len(body) == 0 {
		w.empty(tag, attrs...)
		return
	}
	w.open(tag, attrs...)
	w.b = append(w.b, body...)
	w.close(tag)
}

// translate replaces a reference to a translatable text.
func (w *writer) translate(s string) string {
	key, ok := strings.CutPrefix(s, "{i18n>")
	if key, ok2 := strings.CutSuffix(key, "}"); ok && ok2 && w.opt.Text != nil {
		if text, found := w.opt.Text(key); found {
			return text
		}
	}
	return s
}

// appendText escapes s for text and attribute values. Characters that XML cannot hold become U+FFFD.
func appendText(b []byte, s string) []byte {
	for _, r := range s {
		switch {
		case r == '&':
			b = append(b, "&amp;"...)
		case r == '<':
			b = append(b, "&lt;"...)
		case r == '>':
			b = append(b, "&gt;"...)
		case r == '"':
			b = append(b, "&quot;"...)
		case r == '\n' || r == '\t' || r == '\r':
			b = append(append(append(b, "&#x"...), strconv.FormatInt(int64(r), 16)...), ';')
		case r < 0x20 || r == 0xFFFE || r == 0xFFFF:
			b = append(b, "\ufffd"...)
		default:
			b = append(b, string(r)...)
		}
	}
	return b
}

func (w *writer) links() {
	w.open("Annotation", "Term", w.term("Core.Links"))
	w.open("Collection")
	w.open("Record")
	w.empty("PropertyValue", "Property", "rel", "String", "author")
	w.empty("PropertyValue", "Property", "href", "String", w.opt.Author)
	w.close("Record")
	w.close("Collection")
	w.close("Annotation")
}

// exposed returns the entities that the document describes.
func (w *writer) exposed() []*csn.Entity {
	var out []*csn.Entity
	for _, e := range w.s.Entities {
		if Exposed(e) && w.opt.View.Entity(e) {
			out = append(out, e)
		}
	}
	return out
}

// SetName returns the name of an entity in the document and in URLs. Drafts have that of the active rows.
func SetName(e *csn.Entity) string {
	if e.Active != nil {
		e = e.Active
	}
	return strings.ReplaceAll(e.LocalName(), ".", "_")
}

func (w *writer) entityType(e *csn.Entity) string { return w.s.Name + "." + SetName(e) }

func (w *writer) visible(e *csn.Entity) bool {
	return e != nil && e.Service == w.s && !e.Annotations.Is("cds.api.ignore") && w.opt.View.Entity(e)
}

func (w *writer) container() {
	w.nest("EntityContainer", []string{"Name", "EntityContainer"}, func() {
		for _, e := range w.sets() {
			tag, attrs := "EntitySet", []string{"Name", SetName(e), "EntityType", w.entityType(e)}
			if e.Annotations.Is("odata.singleton") {
				tag, attrs[2] = "Singleton", "Type"
			}
			w.nest(tag, attrs, func() {
				for _, el := range e.Flat {
					if a := el.Assoc(); a != nil && w.visible(a.Target) && !isDraftAdmin(a.Target) && w.opt.View.Set(a.Target) && w.opt.View.shows(el) {
						w.empty("NavigationPropertyBinding", "Path", el.Name, "Target", SetName(a.Target))
					}
				}
			})
		}
		for _, o := range w.s.Ops {
			if !w.opt.View.Operation(o) {
				continue
			}
			set := ""
			if e := w.returned(o); w.visible(e) && w.opt.View.Set(e) {
				set = SetName(e)
			}
			kind := "Action"
			if o.Function {
				kind = "Function"
			}
			w.empty(kind+"Import", "Name", o.LocalName(), kind, w.s.Name+"."+o.LocalName(), "EntitySet", set)
		}
	})
}

// returned returns the entity whose rows an operation returns, nil for none.
func (w *writer) returned(o *csn.Operation) *csn.Entity { return EntityOf(w.s, o.Returns) }

func (w *writer) types() {
	for _, e := range w.exposed() {
		open := ""
		if e.Annotations.Is("open") {
			open = "true"
		}
		w.nest("EntityType", []string{"Name", SetName(e), "OpenType", open}, func() {
			w.key(e)
			for _, el := range e.Flat {
				w.element(e, el)
			}
		})
	}
	// What operations refer to comes here too, so they are visited before they are written.
	w.capture(w.operations)
	if w.opt.View == nil {
		w.namedTypes()
	}
	for i := 0; i < len(w.pending); i++ { // grows as nested types turn up
		c := w.pending[i]
		w.nest("ComplexType", []string{"Name", c.name}, func() {
			for _, el := range c.els {
				if el.Assoc() == nil {
					w.property(c.name, el)
				}
			}
		})
	}
	if w.opt.View == nil {
		w.typeDefinitions()
	}
}

// namedTypes sees to it that all structured types of the service are written, also those that nothing refers to.
func (w *writer) namedTypes() {
	for _, t := range w.s.Types {
		if s, ok := t.Type.Type.(*csn.Struct); ok && !t.Annotations.Is("cds.api.ignore") {
			w.complexType(t.Name, &csn.Element{TypeName: t.Name}, s)
		}
	}
}

// typeDefinitions writes the scalar types of the service. Properties name the types below them.
func (w *writer) typeDefinitions() {
	for _, t := range w.s.Types {
		if b := t.Type.Scalar(); b != nil && !t.Annotations.Is("cds.api.ignore") {
			name := strings.ReplaceAll(strings.TrimPrefix(t.Name, w.s.Name+"."), ".", "_")
			w.empty("TypeDefinition", append([]string{"Name", name, "UnderlyingType", edm.TypeName(b)}, facets(w.m.Sized(b))...)...)
		}
	}
}

func (w *writer) key(e *csn.Entity) {
	if len(e.Keys) == 0 || e.Annotations.Is("odata.singleton") && len(e.Keys) == 0 {
		return
	}
	w.open("Key")
	for _, k := range e.Keys {
		w.empty("PropertyRef", "Name", k.Name)
	}
	if e.Drafts != nil {
		w.empty("PropertyRef", "Name", csn.DraftActive)
	}
	w.close("Key")
}

// hidden reports whether an element is no property or navigation property.
func (w *writer) hidden(el *csn.Element) bool {
	return el.Annotations.Is("cds.api.ignore") || el.Internal || !w.opt.View.shows(el)
}

func (w *writer) element(e *csn.Entity, el *csn.Element) {
	if w.hidden(el) {
		return
	}
	if el.Assoc() != nil {
		w.navigation(e, el)
		return
	}
	w.property(SetName(e), el)
}

func (w *writer) property(owner string, el *csn.Element) {
	typ, facets := w.typeOf(owner+"_"+el.Name, el)
	attrs := append([]string{"Name", el.Name, "Type", typ}, facets...)
	if _, many := el.Type.(*csn.Array); many {
		attrs = append(attrs, "Nullable", "true")
		if el.NotNull {
			attrs[len(attrs)-1] = "false"
		}
	} else if el.Key || el.NotNull {
		attrs = append(attrs, "Nullable", "false")
	}
	if l, ok := el.Default().(*cqn.Lit); ok && !l.Value.IsNull() {
		attrs = append(attrs, "DefaultValue", l.Value.Format())
	}
	w.empty("Property", attrs...)
}

// typeOf returns the Edm type of an element and its facets. name is what an anonymous structure is called.
func (w *writer) typeOf(name string, el *csn.Element) (string, []string) {
	switch t := el.Type.(type) {
	case *csn.Builtin:
		if as := el.Annotations.Str("odata.Type"); strings.HasPrefix(as, "Edm.") {
			return as, annotatedFacets(el)
		}
		if el.Annotations.Get("Core.MediaType") != nil && (t.Kind == csn.LargeBinary || t.Kind == csn.Binary || t.Kind == csn.LargeString) {
			return "Edm.Stream", nil
		}
		if t.Kind == csn.String && el.Annotations.Is("Core.IsURL") && el.Annotations.Get("Core.MediaType") != nil { // a link to one
			return "Edm.Stream", nil
		}
		return edm.TypeName(t), facets(w.m.Sized(t))
	case *csn.Struct:
		if e := EntityOf(w.s, el); e != nil {
			return w.entityType(e), nil
		}
		return w.complexType(name, el, t), nil
	case *csn.Array:
		if t.Items == nil {
			return "Collection(Edm.Untyped)", nil
		}
		item, f := w.typeOf(name, t.Items)
		return "Collection(" + item + ")", f
	case *csn.Assoc:
		if t.Target != nil {
			if t.Many {
				return "Collection(" + w.entityType(t.Target) + ")", nil
			}
			return w.entityType(t.Target), nil
		}
	}
	return "Edm.Untyped", nil
}

// annotatedFacets returns the facets beside @odata.Type: those of the type itself may not suit the one that takes its place.
func annotatedFacets(el *csn.Element) []string {
	var out []string
	for _, name := range []string{"MaxLength", "Precision", "Scale", "SRID"} {
		if v := el.Annotations.Get("odata." + name); v != nil && v.Text != "" {
			out = append(out, name, v.Text)
		}
	}
	return out
}

func facets(t *csn.Builtin) []string {
	switch t.Kind {
	case csn.String, csn.Binary:
		if t.Length > 0 {
			return []string{"MaxLength", strconv.Itoa(t.Length)}
		}
	case csn.Timestamp:
		return []string{"Precision", "7"}
	case csn.Decimal:
		if t.Variable || t.Precision == 0 {
			f := []string{"Scale", "variable"}
			if t.Precision > 0 {
				f = append([]string{"Precision", strconv.Itoa(t.Precision)}, f...)
			}
			return f
		}
		if t.Scale == 0 && !t.HasScale {
			return []string{"Precision", strconv.Itoa(t.Precision)}
		}
		return []string{"Precision", strconv.Itoa(t.Precision), "Scale", strconv.Itoa(t.Scale)}
	}
	return nil
}

// complexType returns the name of the complex type for a structure: the named type's if it belongs to the service, else one made
// from the place.
func (w *writer) complexType(name string, el *csn.Element, t *csn.Struct) string {
	if local, ok := strings.CutPrefix(el.TypeName, w.s.Name+"."); ok && el.TypeName != "" {
		name = strings.ReplaceAll(local, ".", "_")
	}
	if !w.complex[name] {
		w.complex[name] = true
		w.pending = append(w.pending, complexType{name, t.Elements})
	}
	return w.s.Name + "." + name
}

func (w *writer) navigation(e *csn.Entity, el *csn.Element) {
	a := el.Assoc()
	if !w.visible(a.Target) || w.draftNavigation(e, el) {
		return
	}
	typ := w.entityType(a.Target)
	if a.Many {
		typ = "Collection(" + typ + ")"
	}
	attrs := []string{"Name", el.Name, "Type", typ}
	if !a.Many && (el.NotNull || a.NotNull) {
		attrs = append(attrs, "Nullable", "false")
	}
	attrs = append(attrs, "Partner", w.partner(e, el))
	w.nest("NavigationProperty", attrs, func() {
		if a.Composition {
			w.empty("OnDelete", "Action", "Cascade")
		}
		if a.Many {
			return
		}
		for _, p := range a.Pairs {
			if p.Source != nil && p.Target != nil && isKey(a.Target, p.Target.Name) && w.opt.View.shows(p.Source) {
				w.empty("ReferentialConstraint", "Property", p.Source.Name, "ReferencedProperty", p.Target.Name)
			}
		}
	})
}

func isKey(e *csn.Entity, name string) bool {
	for _, k := range e.Keys {
		if k.Name == name {
			return true
		}
	}
	return false
}

// partner returns the association in the other direction, where the relation is one between exactly two of them: a managed one and one
// that is based on it.
func (w *writer) partner(e *csn.Entity, el *csn.Element) string {
	a := el.Assoc()
	managed, owner := el, e
	if a.Backlink != nil {
		managed, owner = a.Backlink, a.Target
	}
	if w.backlinks == nil {
		w.backlinks = w.findBacklinks()
	}
	based := w.backlinks[managed]
	if len(based) != 1 || !w.opt.View.shows(managed) || managed.Assoc().Target != based[0].owner || based[0].el.Assoc().Target != owner {
		return ""
	}
	if a.Backlink != nil {
		return managed.Name
	}
	return based[0].el.Name
}

// A backlink is an association that is based on a managed one in the other direction.
type backlink struct {
	owner *csn.Entity
	el    *csn.Element
}

func (w *writer) findBacklinks() map[*csn.Element][]backlink {
	out := map[*csn.Element][]backlink{}
	for _, e := range w.exposed() {
		for _, el := range e.Flat {
			if a := el.Assoc(); a != nil && a.Backlink != nil && w.opt.View.Entity(a.Target) && w.opt.View.shows(el) {
				out[a.Backlink] = append(out[a.Backlink], backlink{e, el})
			}
		}
	}
	return out
}
