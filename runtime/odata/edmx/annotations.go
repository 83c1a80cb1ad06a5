package edmx

import (
	"slices"
	"sort"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// vocabulary returns the namespace and document of a vocabulary by its alias.
func vocabulary(alias string) (namespace, uri string) {
	const oasis = "https://oasis-tcs.github.io/odata-vocabularies/vocabularies/"
	const sap = "https://sap.github.io/odata-vocabularies/vocabularies/"
	switch alias {
	case "Core", "Capabilities", "Validation", "Aggregation", "Measures", "Authorization", "Temporal":
		ns := "Org.OData." + alias + ".V1"
		return ns, oasis + ns + ".xml"
	case "Common", "UI", "Analytics", "Communication", "PersonalData", "Hierarchy", "Session", "CodeList", "HTML5", "DataIntegration":
		return "com.sap.vocabularies." + alias + ".v1", sap + alias + ".xml"
	}
	return "", ""
}

// term notes that a vocabulary is in use and returns the term's name.
func (w *writer) term(name string) string {
	alias, _, _ := strings.Cut(name, ".")
	w.vocab[alias] = true
	return name
}

func (w *writer) references() {
	var aliases []string
	for a := range w.vocab {
		aliases = append(aliases, a)
	}
	sort.Strings(aliases)
	for _, a := range aliases {
		ns, uri := vocabulary(a)
		w.open("edmx:Reference", "Uri", uri)
		w.empty("edmx:Include", "Alias", a, "Namespace", ns)
		w.close("edmx:Reference")
	}
}

// target writes the annotations of one target, nothing if there are none.
func (w *writer) target(name string, f func()) {
	w.depth++
	body := w.capture(f)
	w.depth--
	if len(body) == 0 {
		return
	}
	w.open("Annotations", "Target", name)
	w.b = append(w.b, body...)
	w.close("Annotations")
}

func (w *writer) annotations() {
	for _, e := range w.exposed() {
		name := w.entityType(e)
		set := w.s.Name + ".EntityContainer/" + SetName(e)
		w.target(name, func() { w.definition(&e.Def, e, false); w.draftType(e) })
		if w.opt.View.Set(e) {
			w.target(set, func() { w.concurrency(e); w.definition(&e.Def, e, true); w.capabilities(e); w.draftSet(e) })
		}
		for _, el := range e.Flat {
			if (el.Assoc() == nil || w.visible(el.Assoc().Target)) && w.opt.View.shows(el) {
				w.target(name+"/"+el.Name, func() { w.elementAnnotations(el, e) })
			}
		}
		for _, o := range e.Actions {
			if w.opt.View.Operation(o) {
				w.operationAnnotations(o, e)
			}
		}
	}
	for _, o := range w.s.Ops {
		if w.opt.View.Operation(o) {
			w.operationAnnotations(o, nil)
		}
	}
	w.target(w.s.Name+".EntityContainer", func() { w.definition(&w.s.Def, nil, true); w.draftContainer() })
}

func (w *writer) operationAnnotations(o *csn.Operation, e *csn.Entity) {
	sig := w.signature(o, e)
	w.target(sig, func() { w.boundDefinition(o, e) })
	for _, p := range o.Params {
		w.target(sig+"/"+p.Name, func() {
			w.elementAnnotations(p, e)
			if o.Function && !p.NotNull {
				w.open("Annotation", "Term", w.term("Core.OptionalParameter"))
				w.empty("Record", "Type", "Core.OptionalParameterType")
				w.close("Annotation")
			}
		})
	}
}

func (w *writer) flag(term string) { w.empty("Annotation", "Term", w.term(term), "Bool", "true") }

// elementAnnotations writes what is annotated with terms of vocabularies, and what CDS' own annotations mean.
func (w *writer) elementAnnotations(el *csn.Element, e *csn.Entity) {
	if el.Internal {
		return
	}
	w.validation(el)
	g := &groups{w: w}
	a := w.shown(el.Annotations, e, "")
	g.generic(a, false)
	if w.opt.View.Fix(el) && a.Get("Common.FieldControl") == nil && a.Get("Core.Computed") == nil && !a.Is("readonly") {
		g.add("Common", func() {
			w.empty("Annotation", "Term", w.term("Common.FieldControl"), "EnumMember", "Common.FieldControlType/ReadOnly")
		})
		a = append(slices.Clone(a), cqn.AnnoField{Name: "Common.FieldControl", Value: &cqn.AnnoValue{Kind: cqn.AnnoTrue}}) // it is said
	}
	if a.Is("mandatory") && a.Get("Common.FieldControl") == nil && el.Assoc() == nil {
		g.add("Common", func() {
			w.empty("Annotation", "Term", w.term("Common.FieldControl"), "EnumMember", "Common.FieldControlType/Mandatory")
		})
	}
	if a.Get("Core.Computed") == nil && (a.Is("readonly") || el.Virtual || el.Value() != nil && !el.OnRead || a.Get("cds.on.insert") != nil || a.Get("cds.on.update") != nil) {
		g.add("Core", func() { w.flag("Core.Computed") })
	}
	if b := el.Scalar(); b != nil && b.Kind == csn.UUID && el.Key && el.ForeignKey == nil && el.Owner != nil && a.Get("Core.ComputedDefaultValue") == nil {
		g.add("Core", func() { w.flag("Core.ComputedDefaultValue") })
	}
	g.texts(&el.Def)
	if el.ForeignKey != nil && a.Get("Common.ValueList") == nil {
		g.valueList(el)
	}
	g.write()
}

// definition writes the annotations of a definition; of an entity e those of its type, or those of its set.
func (w *writer) definition(d *csn.Def, e *csn.Entity, set bool) {
	as := w.shown(d.Annotations, e, "")
	if set && e != nil {
		as = w.sealed(e, w.restrict(e, as))
	}
	w.defined(d, as, set)
}

// boundDefinition writes the annotations of an operation.
func (w *writer) boundDefinition(o *csn.Operation, e *csn.Entity) {
	w.defined(&o.Def, w.shown(o.Annotations, e, binding(o)), false)
}

func (w *writer) defined(d *csn.Def, as csn.Annotations, set bool) {
	g := &groups{w: w}
	g.generic(as, set)
	if !set {
		g.texts(d)
	}
	g.write()
}

// groups holds annotations by vocabulary, in the order in which the vocabularies turn up.
type groups struct {
	w     *writer
	order []string
	parts map[string][]byte
}

func (g *groups) add(vocabulary string, f func()) {
	body := g.w.capture(f)
	if len(body) == 0 {
		return
	}
	if g.parts == nil {
		g.parts = map[string][]byte{}
	}
	if g.parts[vocabulary] == nil {
		g.order = append(g.order, vocabulary)
	}
	g.parts[vocabulary] = append(g.parts[vocabulary], body...)
}

func (g *groups) write() {
	for _, v := range g.order {
		g.w.b = append(g.w.b, g.parts[v]...)
	}
}

// texts writes the title and the description.
func (g *groups) texts(d *csn.Def) {
	w := g.w
	for i := range d.Annotations {
		s := d.Annotations[i].Value.Str()
		if s == "" {
			continue
		}
		switch d.Annotations[i].Name {
		case "title", "label":
			if d.Annotations.Get("Common.Label") == nil {
				g.add("Common", func() { w.empty("Annotation", "Term", w.term("Common.Label"), "String", s) })
			}
		case "description":
			if d.Annotations.Get("Core.Description") == nil {
				g.add("Core", func() { w.empty("Annotation", "Term", w.term("Core.Description"), "String", s) })
			}
		}
	}
}

// valueList offers the rows of a code list (@cds.odata.valuelist) as values of the foreign key to it.
func (g *groups) valueList(fk *csn.Element) {
	w, a := g.w, fk.ForeignKey.Assoc()
	if !w.visible(a.Target) || !w.opt.View.Set(a.Target) || !a.Target.Annotations.Is("cds.odata.valuelist") || len(a.FK) != 1 {
		return
	}
	label := fk.ForeignKey.Annotations.Str("title")
	if label == "" {
		label = a.Target.Annotations.Str("title")
	}
	if label == "" {
		label = SetName(a.Target)
	}
	g.add("Common", func() {
		w.open("Annotation", "Term", w.term("Common.ValueList"))
		w.open("Record", "Type", "Common.ValueListType")
		w.empty("PropertyValue", "Property", "Label", "String", label)
		w.empty("PropertyValue", "Property", "CollectionPath", "String", SetName(a.Target))
		w.open("PropertyValue", "Property", "Parameters")
		w.open("Collection")
		w.open("Record", "Type", "Common.ValueListParameterInOut")
		w.empty("PropertyValue", "Property", "LocalDataProperty", "PropertyPath", fk.Name)
		w.empty("PropertyValue", "Property", "ValueListProperty", "String", a.FKTarget[0].Name)
		w.close("Record")
		if v := a.Target.Annotations.Get("UI.Identification"); v != nil {
			for _, item := range v.Items {
				if name := item.Field("Value").Str(); name != "" && w.opt.View.names(a.Target, name) {
					w.open("Record", "Type", "Common.ValueListParameterDisplayOnly")
					w.empty("PropertyValue", "Property", "ValueListProperty", "String", name)
					w.close("Record")
				}
			}
		}
		w.close("Collection")
		w.close("PropertyValue")
		w.close("Record")
		w.close("Annotation")
	})
}

// validation writes what @assert.range, @assert.format and enums allow.
func (w *writer) validation(el *csn.Element) {
	if s := el.Annotations.Str("assert.format"); s != "" {
		w.empty("Annotation", "Term", w.term("Validation.Pattern"), "String", s)
	}
	if r := el.Annotations.Get("assert.range"); r != nil && r.Kind == cqn.AnnoArray && len(r.Items) == 2 {
		w.bound("Validation.Minimum", r.Items[0])
		w.bound("Validation.Maximum", r.Items[1])
	}
	if len(el.Enum()) > 0 && !el.Annotations.Get("assert.range").False() {
		w.open("Annotation", "Term", w.term("Validation.AllowedValues"))
		w.open("Collection")
		for i := range el.Enum() {
			sym := &el.Enum()[i]
			w.open("Record", "Type", "Validation.AllowedValue")
			w.empty("Annotation", "Term", w.term("Core.SymbolicName"), "String", sym.Name)
			attr := "String"
			if sym.Val().Kind() == cqn.KindInt {
				attr = "Int"
			}
			w.empty("PropertyValue", "Property", "Value", attr+"!", sym.Val().Format())
			w.close("Record")
		}
		w.close("Collection")
		w.close("Annotation")
	}
}

// bound writes one end of a range. An expression in parentheses, (0), excludes the value itself; _ means no bound.
func (w *writer) bound(term string, v *cqn.AnnoValue) {
	exclusive := v.Kind == cqn.AnnoExpr || v.Kind == cqn.AnnoStruct
	if exclusive {
		if v = inParentheses(v); v == nil {
			return
		}
	}
	attr, text, ok := scalarAttr(v, term)
	if !ok || v.Kind == cqn.AnnoRef {
		return
	}
	w.nest("Annotation", []string{"Term", w.term(term), attr, text}, func() {
		if exclusive {
			w.flag("Validation.Exclusive")
		}
	})
}

// inParentheses returns the constant of (0), which models keep as an expression and CSN as {"=": true, "val": 0}; nil for others.
func inParentheses(v *cqn.AnnoValue) *cqn.AnnoValue {
	if v.Kind == cqn.AnnoStruct {
		return v.Field("val")
	}
	l, ok := v.Expr.(*cqn.Lit)
	if !ok {
		return nil
	}
	kind := cqn.AnnoString
	if k := l.Value.Kind(); k == cqn.KindInt || k == cqn.KindDecimal || k == cqn.KindFloat {
		kind = cqn.AnnoNumber
	}
	return &cqn.AnnoValue{Kind: kind, Text: l.Value.Format()}
}

// concurrency says that changes need an entity tag (@odata.etag). The empty list leaves open how it is computed.
func (w *writer) concurrency(e *csn.Entity) {
	for _, el := range e.Flat {
		if el.Annotations.Is("odata.etag") && el.Assoc() == nil {
			w.open("Annotation", "Term", w.term("Core.OptimisticConcurrency"))
			w.empty("Collection")
			w.close("Annotation")
			return
		}
	}
}

// capabilities writes what @readonly, @insertonly and the old form of @Capabilities forbid.
func (w *writer) capabilities(e *csn.Entity) {
	a := e.Annotations
	no := func(what, prop string) {
		if w.opt.View.says(e, what) || a.Get("Capabilities."+what+"."+prop) != nil || a.Get("Capabilities."+what) != nil {
			return
		}
		w.open("Annotation", "Term", w.term("Capabilities."+what))
		w.open("Record", "Type", "Capabilities."+what+"Type")
		w.empty("PropertyValue", "Property", prop, "Bool", "false")
		w.close("Record")
		w.close("Annotation")
	}
	readonly := a.Is("readonly")
	insertonly := a.Is("insertonly")
	if readonly || insertonly {
		no("DeleteRestrictions", "Deletable")
	}
	if readonly {
		no("InsertRestrictions", "Insertable")
	}
	if insertonly {
		no("ReadRestrictions", "Readable")
	}
	if readonly || insertonly {
		no("UpdateRestrictions", "Updatable")
	}
}

// A node is an annotation with the flattened names below its term put together again: @UI.HeaderInfo.TypeName and
// @UI.HeaderInfo.Title.Value make one record.
type node struct {
	name   string
	value  *cqn.AnnoValue
	fields []*node
	annos  []*node // annotations of the annotation: @Common.Text.@UI.TextArrangement
}

// annotated returns the annotation of n with a dotted name, the term's first.
func (n *node) annotated(name string) *node {
	parts := strings.Split(name, ".")
	if ns, _ := vocabulary(parts[0]); ns == "" || len(parts) < 2 {
		return nil
	}
	term := &node{fields: n.annos}
	a := term.field(parts[0] + "." + parts[1])
	n.annos = term.fields
	for _, p := range parts[2:] {
		a = a.field(p)
	}
	return a
}

// unwrapped takes apart a value that brings annotations along: {$value: 1, @UI.Hidden: true}.
func (n *node) unwrapped() *node {
	inner := n.value.Field("$value")
	if inner == nil || n.value.Kind != cqn.AnnoStruct {
		return n
	}
	out := &node{name: n.name, value: inner, fields: n.fields, annos: n.annos}
	for _, f := range n.value.Fields {
		if name, ok := strings.CutPrefix(f.Name, "@"); ok {
			if a := out.annotated(name); a != nil {
				a.value = f.Value
			}
		}
	}
	return out
}

func (n *node) field(name string) *node {
	for _, f := range n.fields {
		if f.name == name {
			return f
		}
	}
	f := &node{name: name}
	n.fields = append(n.fields, f)
	return f
}

// generic adds annotations with terms of known vocabularies, in order. set selects those that belong to the entity set instead of
// the type: those of Capabilities.
func (g *groups) generic(as csn.Annotations, set bool) {
	root := &node{}
	for i := range as {
		names := strings.Split(oldCapability(as[i].Name), ".@")
		if names[0] == "Common.TextArrangement" && as.Get("Common.Text") != nil {
			names = []string{"Common.Text", "UI.TextArrangement"}
		}
		parts := strings.Split(names[0], ".")
		if ns, _ := vocabulary(parts[0]); ns == "" || len(parts) < 2 || as[i].Value == nil || as[i].Value.Kind == cqn.AnnoNull {
			continue
		}
		if (parts[0] == "Capabilities") != set {
			continue
		}
		n := root.field(parts[0] + "." + parts[1])
		for _, p := range parts[2:] {
			n = n.field(p)
		}
		for _, name := range names[1:] {
			if n != nil {
				n = n.annotated(name)
			}
		}
		if n != nil {
			n.value = as[i].Value
		}
	}
	for _, n := range root.fields {
		alias, _, _ := strings.Cut(n.name, ".")
		g.add(alias, func() { g.w.annotation(n) })
	}
}

// oldCapability translates the short form @Capabilities.Insertable.
func oldCapability(name string) string {
	switch name {
	case "Capabilities.Insertable":
		return "Capabilities.InsertRestrictions.Insertable"
	case "Capabilities.Updatable":
		return "Capabilities.UpdateRestrictions.Updatable"
	case "Capabilities.Deletable":
		return "Capabilities.DeleteRestrictions.Deletable"
	case "Capabilities.Readable":
		return "Capabilities.ReadRestrictions.Readable"
	}
	return name
}

func (w *writer) annotation(n *node) {
	n = n.unwrapped()
	term, qualifier, _ := strings.Cut(n.name, "#")
	w.holder("Annotation", []string{"Term", term, "Qualifier", qualifier}, n, term, recordType(term), 0, func() { w.term(term) })
}

// holder writes an annotation or a property of a record: its value as an attribute or as an element, then its annotations. Without a value it
// writes nothing. used is called if something is written.
func (w *writer) holder(tag string, attrs []string, n *node, owner, typ string, depth int, used func()) {
	var body []byte
	if attr, text, ok := simple(n, owner); ok {
		attrs = append(attrs, attr+"!", text)
	} else {
		if body = w.expression(n.value); body == nil {
			w.depth++
			body = w.capture(func() { w.value(n, typ, depth) })
			w.depth--
		}
		if len(body) == 0 {
			return
		}
	}
	used()
	if depth <= maxDepth {
		w.depth++
		body = append(body, w.capture(func() {
			for _, a := range n.annos {
				w.annotation(a)
			}
		})...)
		w.depth--
	}
	if len(body) == 0 {
		w.empty(tag, attrs...)
		return
	}
	w.open(tag, attrs...)
	w.b = append(w.b, body...)
	w.close(tag)
}

// simple returns the attribute for a value without parts.
func simple(n *node, owner string) (attr, text string, ok bool) {
	if len(n.fields) > 0 || n.value == nil {
		return "", "", false
	}
	if owner == "Property" && n.value.Kind == cqn.AnnoRef { // in the vocabularies it is the path to one
		return "PropertyPath", strings.ReplaceAll(n.value.Text, ".", "/"), true
	}
	if r, isRef := n.value.Expr.(*cqn.Ref); isRef && n.value.Kind == cqn.AnnoExpr {
		text, ok = pathOf(r)
		return "Path", text, ok
	}
	return scalarAttr(n.value, owner)
}

// recordType returns the type of a record for the most used terms; "" leaves it out.
func recordType(term string) string {
	switch term {
	case "UI.Identification", "UI.LineItem", "UI.FieldGroup/Data":
		return "UI.DataField"
	case "UI.FieldGroup":
		return "UI.FieldGroupType"
	case "UI.HeaderInfo":
		return "UI.HeaderInfoType"
	case "UI.HeaderInfo/Title", "UI.HeaderInfo/Description":
		return "UI.DataField"
	case "UI.Facets":
		return "UI.ReferenceFacet"
	case "Common.ValueList":
		return "Common.ValueListType"
	}
	if strings.HasPrefix(term, "Capabilities.") && !strings.Contains(term, "/") {
		return term + "Type"
	}
	return ""
}

// maxDepth bounds nested annotation values.
const maxDepth = 50

// value writes a structured value as a record or collection.
func (w *writer) value(n *node, typ string, depth int) {
	if depth > maxDepth {
		return
	}
	v := n.value
	if len(n.fields) > 0 || v != nil && v.Kind == cqn.AnnoStruct {
		w.record(n, typ, depth)
		return
	}
	if v == nil || v.Kind != cqn.AnnoArray {
		return
	}
	w.nest("Collection", nil, func() {
		for _, item := range v.Items {
			switch item.Kind {
			case cqn.AnnoStruct, cqn.AnnoArray:
				w.value(&node{value: item}, typ, depth+1)
			case cqn.AnnoRef:
				w.text("PropertyPath", strings.ReplaceAll(item.Text, ".", "/"))
			default:
				if attr, text, ok := scalarAttr(item, typ); ok {
					w.text(attr, text)
				} else if item.Kind == cqn.AnnoExpr && item.Expr != nil {
					w.b = append(w.b, w.expression(item)...)
				}
			}
		}
	})
}

func (w *writer) record(n *node, typ string, depth int) {
	var fields []*node
	if n.value != nil {
		for _, f := range n.value.Fields {
			if f.Name == "$Type" {
				typ = f.Value.Str()
				continue
			}
			fields = append(fields, &node{name: f.Name, value: f.Value})
		}
	}
	for _, f := range n.fields {
		if f.name == "$Type" {
			typ = f.value.Str()
			continue
		}
		fields = append(fields, f)
	}
	w.nest("Record", []string{"Type", typ}, func() {
		var annos []*node
		for _, f := range fields {
			if name, ok := strings.CutPrefix(f.name, "@"); ok {
				if a := (&node{}).annotated(name); a != nil {
					annos = append(annos, &node{name: name, value: f.value, fields: f.fields})
				}
				continue
			}
			f = f.unwrapped()
			w.holder("PropertyValue", []string{"Property", f.name}, f, f.name, recordType(typ+"/"+f.name), depth+1, func() {})
		}
		for _, a := range annos {
			w.annotation(a)
		}
	})
}

// scalarAttr returns the attribute for a simple value; ok is false for structured ones and for expressions.
func scalarAttr(v *cqn.AnnoValue, owner string) (attr, text string, ok bool) {
	switch v.Kind {
	case cqn.AnnoTrue:
		return "Bool", "true", true
	case cqn.AnnoBool:
		if v.Bool {
			return "Bool", "true", true
		}
		return "Bool", "false", true
	case cqn.AnnoNumber:
		if strings.ContainsAny(v.Text, ".eE") {
			return "Decimal", v.Text, true
		}
		return "Int", v.Text, true
	case cqn.AnnoString:
		return "String", v.Text, true
	case cqn.AnnoSymbol:
		return "EnumMember", owner + "Type/" + v.Text, true
	case cqn.AnnoRef:
		return "Path", strings.ReplaceAll(v.Text, ".", "/"), true
	}
	return "", "", false
}
