package edmx

import (
	"encoding/xml"
	"strconv"
	"strings"

	"cds/parser/csn"
	"cds/runtime/odata/internal/edm"
)

// JSON returns the metadata document of service s of model m as CSDL JSON (OData CSDL JSON 4.01). It says what Marshal says: the XML is
// the one place where the content is decided.
func JSON(m *csn.Model, s *csn.Service, opt Options) []byte {
	var root elem
	if err := xml.Unmarshal(Marshal(m, s, opt), &root); err != nil { // Marshal writes well-formed XML
		return []byte("{}")
	}
	return appendJSON(nil, document(&root))
}

// An elem is an XML element.
type elem struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Children []elem     `xml:",any"`
	Text     string     `xml:",chardata"`
}

func (e *elem) name() string { return e.XMLName.Local }

func (e *elem) attr(name string) string {
	for _, a := range e.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// An object is a JSON object in order; values are object, []any, string, bool, and number.
type object []member

type member struct {
	key string
	val any
}

type number string

func (o *object) set(key string, val any) { *o = append(*o, member{key, val}) }

func document(root *elem) object {
	var doc, refs object
	schema := object{}
	var ns string
	for i := range root.Children {
		c := &root.Children[i]
		switch c.name() {
		case "Reference":
			var include []any
			for j := range c.Children {
				include = append(include, object{{"$Alias", c.Children[j].attr("Alias")}, {"$Namespace", c.Children[j].attr("Namespace")}})
			}
			refs.set(c.attr("Uri"), object{{"$Include", include}})
		case "DataServices":
			for j := range c.Children {
				ns, schema = c.Children[j].attr("Namespace"), schemaOf(&c.Children[j])
			}
		}
	}
	doc.set("$Version", root.attr("Version"))
	doc.set("$EntityContainer", ns+".EntityContainer")
	doc.set("$Reference", refs)
	doc.set(ns, schema)
	return doc
}

func schemaOf(s *elem) object {
	var out, annotations object
	overloads := map[string][]any{}
	var operations []string
	for i := range s.Children {
		c := &s.Children[i]
		switch c.name() {
		case "Annotation":
			out.annotate("", c)
		case "EntityContainer":
			out.set("EntityContainer", containerOf(c))
		case "EntityType", "ComplexType":
			out.set(c.attr("Name"), typeOf(c))
		case "TypeDefinition":
			o := object{{"$Kind", "TypeDefinition"}, {"$UnderlyingType", c.attr("UnderlyingType")}}
			for _, f := range []string{"MaxLength", "Precision", "Scale"} {
				if v := c.attr(f); v != "" {
					o.set("$"+f, scalar(f, v))
				}
			}
			out.set(c.attr("Name"), o)
		case "Action", "Function":
			name := c.attr("Name")
			if overloads[name] == nil {
				operations = append(operations, name)
			}
			overloads[name] = append(overloads[name], operationOf(c))
		case "Annotations":
			var list object
			for j := range c.Children {
				a := &c.Children[j]
				list.annotate("", a)
			}
			annotations.set(c.attr("Target"), list)
		}
	}
	for _, name := range operations {
		out.set(name, overloads[name])
	}
	if len(annotations) > 0 {
		out.set("$Annotations", annotations)
	}
	return out
}

func termOf(a *elem) string {
	if q := a.attr("Qualifier"); q != "" {
		return a.attr("Term") + "#" + q
	}
	return a.attr("Term")
}

func containerOf(c *elem) object {
	out := object{{"$Kind", "EntityContainer"}}
	for i := range c.Children {
		x := &c.Children[i]
		var o object
		switch x.name() {
		case "EntitySet":
			o.set("$Collection", true)
			o.set("$Type", x.attr("EntityType"))
		case "Singleton":
			o.set("$Type", x.attr("Type"))
		case "ActionImport":
			o.set("$Action", x.attr("Action"))
		case "FunctionImport":
			o.set("$Function", x.attr("Function"))
		}
		if set := x.attr("EntitySet"); set != "" {
			o.set("$EntitySet", set)
		}
		var bindings object
		for j := range x.Children {
			bindings.set(x.Children[j].attr("Path"), x.Children[j].attr("Target"))
		}
		if len(bindings) > 0 {
			o.set("$NavigationPropertyBinding", bindings)
		}
		out.set(x.attr("Name"), o)
	}
	return out
}

func typeOf(t *elem) object {
	out := object{{"$Kind", t.name()}}
	for i := range t.Children {
		c := &t.Children[i]
		switch c.name() {
		case "Key":
			var keys []any
			for j := range c.Children {
				keys = append(keys, c.Children[j].attr("Name"))
			}
			out.set("$Key", keys)
		case "Property":
			out.set(c.attr("Name"), typed(nil, c))
		case "NavigationProperty":
			out.set(c.attr("Name"), navigationOf(c))
		}
	}
	return out
}

// typed adds type, facets and nullability. Edm.String is the default type.
func typed(o object, c *elem) object {
	typ, many := strings.CutPrefix(c.attr("Type"), "Collection(")
	if many {
		typ = strings.TrimSuffix(typ, ")")
	}
	if typ != "Edm.String" {
		o.set("$Type", typ)
	}
	if p := c.attr("Partner"); p != "" {
		o.set("$Partner", p)
	}
	if many {
		o.set("$Collection", true)
	}
	for _, f := range []string{"MaxLength", "Precision", "Scale", "DefaultValue"} {
		if v := c.attr(f); v != "" {
			o.set("$"+f, scalar(f, v))
		}
	}
	if n := c.attr("Nullable"); n == "true" || n == "" && !many {
		o.set("$Nullable", true)
	}
	return o
}

// scalar makes a number of a facet that is one.
func scalar(facet, v string) any {
	if _, err := strconv.Atoi(v); err == nil && facet != "DefaultValue" {
		return number(v)
	}
	return v
}

func navigationOf(c *elem) object {
	o := typed(object{{"$Kind", "NavigationProperty"}}, c)
	var constraint object
	for i := range c.Children {
		switch x := &c.Children[i]; x.name() {
		case "ReferentialConstraint":
			constraint.set(x.attr("Property"), x.attr("ReferencedProperty"))
		case "OnDelete":
			o.set("$OnDelete", x.attr("Action"))
		}
	}
	if len(constraint) > 0 {
		o.set("$ReferentialConstraint", constraint)
	}
	return o
}

func operationOf(c *elem) object {
	o := object{{"$Kind", c.name()}, {"$IsBound", c.attr("IsBound") == "true"}}
	if p := c.attr("EntitySetPath"); p != "" {
		o.set("$EntitySetPath", p)
	}
	if p := c.attr("IsComposable"); p != "" {
		o.set("$IsComposable", p == "true")
	}
	var params []any
	for i := range c.Children {
		if x := &c.Children[i]; x.name() == "Parameter" {
			params = append(params, typed(object{{"$Name", x.attr("Name")}}, x))
		}
	}
	if len(params) > 0 {
		o.set("$Parameter", params)
	}
	for i := range c.Children {
		if x := &c.Children[i]; x.name() == "ReturnType" {
			o.set("$ReturnType", typed(nil, x))
		}
	}
	return o
}

// valueOf returns the value of an annotation or of a property of a record, which an attribute or a child element holds.
func valueOf(e *elem, term string) any {
	for _, a := range e.Attrs {
		if v, ok := constantOf(a.Name.Local, a.Value); ok {
			return v
		}
	}
	for i := range e.Children {
		if c := &e.Children[i]; c.name() != "Annotation" {
			return itemOf(c, term)
		}
	}
	return true
}

// annotate sets an annotation of what name says, and the annotations of that: @Common.Text and @Common.Text@UI.TextArrangement.
func (o *object) annotate(name string, a *elem) {
	name += "@" + termOf(a)
	o.set(name, valueOf(a, a.attr("Term")))
	o.annotations(name, a)
}

func (o *object) annotations(name string, e *elem) {
	for i := range e.Children {
		if c := &e.Children[i]; c.name() == "Annotation" {
			o.annotate(name, c)
		}
	}
}

func itemOf(c *elem, term string) any {
	switch c.name() {
	case "Record":
		o := object{}
		if typ := c.attr("Type"); typ != "" && typ != term+"Type" && (typ != recordType(term) || typ == "UI.ReferenceFacet") {
			alias, _, _ := strings.Cut(typ, ".")
			if _, uri := vocabulary(alias); uri != "" {
				typ = uri + "#" + typ
			}
			o.set("@type", typ)
		}
		for i := range c.Children {
			p := &c.Children[i]
			if p.name() == "Annotation" {
				o.annotate("", p)
				continue
			}
			o.set(p.attr("Property"), valueOf(p, term+"/"+p.attr("Property")))
			o.annotations(p.attr("Property"), p)
		}
		return o
	case "Collection":
		list := []any{}
		for i := range c.Children {
			list = append(list, itemOf(&c.Children[i], term))
		}
		return list
	case "Null":
		return nil
	case "Not", "Neg":
		return object{{"$" + c.name(), valueOf(c, term)}}
	case "And", "Or", "Eq", "Ne", "Lt", "Le", "Gt", "Ge", "Add", "Sub", "Mul", "DivBy", "Mod", "In", "If", "Apply":
		args := []any{}
		for i := range c.Children {
			args = append(args, itemOf(&c.Children[i], term))
		}
		o := object{{"$" + c.name(), args}}
		if f := c.attr("Function"); f != "" {
			o.set("$Function", f)
		}
		return o
	}
	if v, ok := constantOf(c.name(), c.Text); ok {
		return v
	}
	return c.Text
}

// constantOf returns the value of a constant or path by the name of its attribute or element.
func constantOf(kind, text string) (any, bool) {
	switch kind {
	case "Bool":
		return text == "true", true
	case "Int", "Decimal", "Float":
		return numeric(text), true
	case "Path":
		return object{{"$Path", text}}, true
	case "EnumMember":
		var names []string
		for _, m := range strings.Fields(text) {
			names = append(names, m[strings.LastIndexByte(m, '/')+1:])
		}
		return strings.Join(names, ","), true
	case "String", "PropertyPath", "NavigationPropertyPath", "AnnotationPath", "Date", "DateTimeOffset", "TimeOfDay", "Duration", "Guid", "Binary":
		return text, true
	}
	return nil, false
}

// numeric returns a number if the text is one that JSON knows.
func numeric(text string) any {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f-f != 0 {
		return text
	}
	return number(strconv.FormatFloat(f, 'g', -1, 64))
}

func appendJSON(b []byte, v any) []byte {
	switch v := v.(type) {
	case object:
		b = append(b, '{')
		for i, m := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(edm.AppendString(b, m.key), ':')
			b = appendJSON(b, m.val)
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for i, x := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, x)
		}
		return append(b, ']')
	case string:
		return edm.AppendString(b, v)
	case bool:
		return strconv.AppendBool(b, v)
	case number:
		return append(b, v...)
	}
	return append(b, "null"...)
}
