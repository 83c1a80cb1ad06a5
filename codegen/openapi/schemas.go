package openapi

import (
	"encoding/json"
	"strings"

	"cds/codegen"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/odata/edmx"
)

// maxDepth bounds nested types.
const maxDepth = 50

func (g *generator) schemaName(e *csn.Entity) string {
	return component(g.s.Name + "." + edmx.SetName(e))
}

// component makes a name of what the names of components may have; a delimited name of CDS may have any character.
func component(name string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-' {
			return c
		}
		return '_'
	}, name)
}

// entitySchemas writes the schemas of an entity: as read, for creation, for changes.
func (g *generator) entitySchemas(e *csn.Entity) {
	full, create, update := codegen.NewObject(), codegen.NewObject(), codegen.NewObject()
	var required []string
	for _, el := range e.Flat {
		if el.Annotations.Is("cds.api.ignore") || el.Internal || !g.opt.View.Shows(el) {
			continue
		}
		if a := el.Assoc(); a != nil {
			g.associated(full, create, update, el)
			continue
		}
		s := g.schema(el)
		if !hashed(el) {
			full.Set(el.Name, s)
		}
		switch {
		case computed(el) || g.opt.View.Fix(el):
		case el.Key:
			create.Set(el.Name, s)
		default:
			create.Set(el.Name, s)
			if !el.Annotations.Is("Core.Immutable") {
				update.Set(el.Name, s)
			}
		}
		if (el.Annotations.Is("mandatory") || el.Key && !generated(el)) && el.Default() == nil && !computed(el) && !g.opt.View.Fix(el) {
			required = append(required, el.Name)
		}
	}
	name, title := g.schemaName(e), g.label(&e.Def, edmx.SetName(e), "title", "Common.Label")
	put := func(suffix, what string, props *codegen.Object, need []string) {
		o := codegen.NewObject("title", title+what, "type", "object", "properties", props)
		if len(need) > 0 {
			o.Set("required", need)
		}
		g.schemas.Set(name+suffix, o)
	}
	put("", "", full, nil)
	put("-create", " (for create)", create, required)
	put("-update", " (for update)", update, nil)
}

// associated adds the rows behind an association. Compositions can be created and changed along with their parent.
func (g *generator) associated(full, create, update *codegen.Object, el *csn.Element) {
	a := el.Assoc()
	if !g.reachable(a.Target) {
		return
	}
	name := g.schemaName(a.Target)
	wrap := func(r *codegen.Object) any {
		if a.Many {
			return codegen.NewObject("type", "array", "items", r)
		}
		if g.v31 {
			return codegen.NewObject("anyOf", []any{r, codegen.NewObject("type", "null")})
		}
		return codegen.NewObject("nullable", true, "allOf", []any{r})
	}
	full.Set(el.Name, wrap(ref("schemas", name)))
	if a.Composition && !g.opt.View.Fix(el) {
		create.Set(el.Name, wrap(ref("schemas", name+"-create")))
		update.Set(el.Name, wrap(ref("schemas", name+"-create")))
	}
}

// computed reports whether clients can't set an element.
func computed(el *csn.Element) bool {
	a := el.Annotations
	return a.Is("readonly") || a.Is("Core.Computed") || el.Virtual || el.Value() != nil || a.Get("cds.on.insert") != nil || a.Get("cds.on.update") != nil
}

// hashed reports whether an element is written and never read.
func hashed(el *csn.Element) bool { return el.Seal() != nil && el.Seal().Hashed() }

// generated reports whether a missing key gets a value.
func generated(el *csn.Element) bool {
	b := el.Scalar()
	return b != nil && b.Kind == csn.UUID
}

// schema returns the schema of an element with its label and whether it may be null.
func (g *generator) schema(el *csn.Element) any {
	s := g.typed(el, 0)
	if o, ok := s.(*codegen.Object); ok && !o.Has("$ref") {
		if t := g.label(&el.Def, "", "title", "Common.Label"); t != "" {
			o.Set("title", t)
		}
		if t := g.label(&el.Def, el.Doc, "description", "Core.Description"); t != "" {
			o.Set("description", t)
		}
		if l, ok := el.Default().(*cqn.Lit); ok && !l.Value.IsNull() && l.Enum == "" {
			o.Set("default", literal(l.Value))
		}
		if !el.Key && !el.NotNull && el.Scalar() != nil {
			g.nullable(o)
		}
	}
	return s
}

// scalar is the schema of a parameter in a URL, which is never null.
func (g *generator) scalar(el *csn.Element) any { return g.typed(el, 0) }

func literal(v cqn.Value) any {
	switch v.Kind() {
	case cqn.KindInt, cqn.KindFloat, cqn.KindDecimal:
		if n := json.Number(v.Format()); json.Valid([]byte(n)) {
			return n
		}
	case cqn.KindBool:
		return v.Format() == "true"
	}
	return v.Str()
}

// nullable lets a schema be null, in the way of the document's version.
func (g *generator) nullable(o *codegen.Object) {
	switch {
	case !g.v31:
		o.Set("nullable", true)
	case o.Has("anyOf"):
		o.Set("anyOf", append(o.Get("anyOf").([]any), codegen.NewObject("type", "null")))
	default:
		if t, ok := o.Get("type").(string); ok {
			o.Set("type", []string{t, "null"})
			if list, ok := o.Get("enum").([]any); ok {
				o.Set("enum", append(list, nil))
			}
		}
	}
}

func (g *generator) typed(el *csn.Element, depth int) any {
	if el == nil || depth > maxDepth {
		return codegen.NewObject()
	}
	switch t := el.Type.(type) {
	case *csn.Builtin:
		return builtin(el, t)
	case *csn.Array:
		return codegen.NewObject("type", "array", "items", g.typed(t.Items, depth+1))
	case *csn.Struct:
		if e := edmx.EntityOf(g.s, el); e != nil {
			return ref("schemas", g.schemaName(e))
		}
		if local, ok := strings.CutPrefix(el.TypeName, g.s.Name+"."); ok {
			name := component(g.s.Name + "." + strings.ReplaceAll(local, ".", "_"))
			if !g.schemas.Has(name) {
				g.schemas.Set(name, codegen.NewObject()) // types may contain one another
				g.schemas.Set(name, g.parts(t.Elements, depth))
			}
			return ref("schemas", name)
		}
		return g.parts(t.Elements, depth)
	case *csn.Assoc:
		if !g.reachable(t.Target) {
			return codegen.NewObject("type", "object")
		}
		if r := ref("schemas", g.schemaName(t.Target)); !t.Many {
			return r
		} else {
			return codegen.NewObject("type", "array", "items", r)
		}
	}
	return codegen.NewObject()
}

// structure is the schema of named parts, such as the parameters of an action.
func (g *generator) structure(els csn.Elements) *codegen.Object { return g.parts(els, 0) }

func (g *generator) parts(els csn.Elements, depth int) *codegen.Object {
	props := codegen.NewObject()
	for _, el := range els {
		if el.Assoc() == nil {
			props.Set(el.Name, g.typed(el, depth+1))
		}
	}
	return codegen.NewObject("type", "object", "properties", props)
}

// builtin is the schema of a scalar. Int64 and Decimal are strings on the wire unless the client asks for numbers.
func builtin(el *csn.Element, b *csn.Builtin) *codegen.Object {
	typ := func(t, format string) *codegen.Object {
		o := codegen.NewObject("type", t)
		if format != "" {
			o.Set("format", format)
		}
		return o
	}
	var o *codegen.Object
	switch b.Kind {
	case csn.UUID:
		o = typ("string", "uuid")
	case csn.Boolean:
		o = typ("boolean", "")
	case csn.Integer, csn.Int32:
		o = typ("integer", "int32")
	case csn.UInt8:
		o = typ("integer", "uint8")
	case csn.Int16:
		o = typ("integer", "int16")
	case csn.Int64:
		o = codegen.NewObject("anyOf", []any{typ("integer", "int64"), typ("string", "")})
	case csn.Decimal:
		o = codegen.NewObject("anyOf", []any{typ("number", "decimal"), typ("string", "")})
	case csn.Double:
		o = typ("number", "double")
	case csn.Date:
		o = typ("string", "date")
	case csn.Time:
		o = typ("string", "time")
	case csn.DateTime, csn.Timestamp:
		o = typ("string", "date-time")
	case csn.Binary, csn.LargeBinary:
		o = typ("string", "base64url")
	case csn.Map:
		return typ("object", "")
	default:
		o = typ("string", "")
	}
	if b.Length > 0 && o.Get("type") == "string" {
		o.Set("maxLength", b.Length)
	}
	if len(el.Enum()) > 0 && !o.Has("anyOf") {
		var values []any
		for i := range el.Enum() {
			values = append(values, literal(el.Enum()[i].Val()))
		}
		o.Set("enum", values)
	}
	return o
}
