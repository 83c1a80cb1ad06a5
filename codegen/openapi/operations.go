package openapi

import (
	"strings"

	"cds/codegen"
	"cds/parser/csn"
	"cds/runtime/odata/edmx"
)

func ref(kind, name string) *codegen.Object {
	return codegen.NewObject("$ref", "#/components/"+kind+"/"+name)
}

func content(schema any) *codegen.Object {
	return codegen.NewObject("application/json", codegen.NewObject("schema", schema))
}

// op is one operation with its answers.
func (g *generator) op(e *csn.Entity, summary string, params []any, status string, answer *codegen.Object) *codegen.Object {
	o := codegen.NewObject("summary", summary)
	if e != nil {
		o.Set("tags", []any{g.label(&e.Def, edmx.SetName(e), "title", "Common.Label")})
	} else {
		o.Set("tags", []any{"Service Operations"})
	}
	if len(params) > 0 {
		o.Set("parameters", params)
	}
	answers := codegen.NewObject(status, answer)
	if restricted(&g.s.Def) || e != nil && restricted(&e.Def) {
		answers.Set("401", ref("responses", "unauthorized")).Set("403", ref("responses", "forbidden"))
	}
	return o.Set("responses", answers.Set("4XX", ref("responses", "error")))
}

// names is the parameter of an option that takes names, such as $select.
func names(option, what string, values []string) *codegen.Object {
	items := codegen.NewObject("type", "string")
	if len(values) > 0 {
		items.Set("enum", values)
	}
	return codegen.NewObject("name", option, "in", "query", "description", what, "explode", false,
		"schema", codegen.NewObject("type", "array", "uniqueItems", true, "items", items))
}

// selection returns the parameters that choose what of each row is shown.
func (g *generator) selection(e *csn.Entity) []any {
	var props, navs []string
	for _, el := range e.Flat {
		switch a := el.Assoc(); {
		case el.Annotations.Is("cds.api.ignore") || !g.shows(e, el) && a == nil || hashed(el):
		case a == nil:
			props = append(props, el.Name)
		case g.shows(e, el):
			navs = append(navs, el.Name)
		}
	}
	out := []any{names("$select", "Select properties to be returned", props)}
	if len(navs) > 0 {
		navs = append(append([]string{"*"}, navs...), g.deeper(e)...)
		out = append(out, names("$expand", "Expand related entities", navs))
	}
	return out
}

// maxNested bounds the values of $expand that name associations of associations.
const maxNested = 40

// deeper returns the values of $expand that follow two associations. Back to where one comes from is left out, and so are those beyond maxNested:
// they are possible, but no list would have them all.
func (g *generator) deeper(e *csn.Entity) []string {
	var out []string
	for _, el := range e.Flat {
		a := el.Assoc()
		if a == nil || !g.shows(e, el) {
			continue
		}
		for _, sub := range a.Target.Flat {
			b := sub.Assoc()
			if b == nil || !g.shows(a.Target, sub) || b.Target == e || len(out) == maxNested {
				continue
			}
			out = append(out, el.Name+"($expand="+sub.Name+")")
		}
	}
	return out
}

func (g *generator) list(e *csn.Entity, summary string) *codegen.Object {
	var order []string
	for _, el := range e.Flat {
		if b := el.Scalar(); b != nil && b.Kind != csn.LargeBinary && el.Seal() == nil && g.shows(e, el) {
			order = append(order, el.Name, el.Name+" desc")
		}
	}
	params := []any{
		ref("parameters", "top"), ref("parameters", "skip"), ref("parameters", "search"),
		codegen.NewObject("name", "$filter", "in", "query", "description", "Filter items by property values", "schema", codegen.NewObject("type", "string")),
		ref("parameters", "count"),
		names("$orderby", "Order items by property values", order),
	}
	if g.opt.REST {
		return g.op(e, summary, append(params, g.selection(e)...), "200", codegen.NewObject("description", "Retrieved entities",
			"headers", codegen.NewObject("X-Total-Count", codegen.NewObject("description", "The number of entities, if $count asks for it", "schema", codegen.NewObject("type", "integer")),
				"Link", codegen.NewObject("description", "The next page, if there is one", "schema", codegen.NewObject("type", "string"))),
			"content", content(g.array(ref("schemas", g.schemaName(e))))))
	}
	schema := codegen.NewObject("type", "object", "title", "Collection of "+edmx.SetName(e), "properties", codegen.NewObject(
		"@odata.count", ref("schemas", "count"),
		"value", codegen.NewObject("type", "array", "items", ref("schemas", g.schemaName(e)))))
	return g.op(e, summary, append(params, g.selection(e)...), "200", codegen.NewObject("description", "Retrieved entities", "content", content(schema)))
}

func (g *generator) read(e *csn.Entity, summary string) *codegen.Object {
	return g.op(e, summary, g.selection(e), "200", codegen.NewObject("description", "Retrieved entity", "content", content(ref("schemas", g.schemaName(e)))))
}

func (g *generator) create(e *csn.Entity, summary string) *codegen.Object {
	created, body := ref("schemas", g.schemaName(e)), ref("schemas", g.schemaName(e)+"-create")
	if g.opt.REST { // an array of rows too
		created, body = g.oneOrMany(created), g.oneOrMany(body)
	}
	o := g.op(e, summary, nil, "201", codegen.NewObject("description", "Created entity", "content", content(created)))
	return o.Set("requestBody", codegen.NewObject("description", "New entity", "required", true, "content", content(body)))
}

func (g *generator) array(items any) *codegen.Object {
	return codegen.NewObject("type", "array", "items", items)
}

func (g *generator) oneOrMany(schema *codegen.Object) *codegen.Object {
	return codegen.NewObject("oneOf", []any{schema, g.array(schema)})
}

func (g *generator) update(e *csn.Entity, summary string) *codegen.Object {
	o := g.op(e, summary, nil, "200", codegen.NewObject("description", "Changed entity", "content", content(ref("schemas", g.schemaName(e)))))
	return o.Set("requestBody", codegen.NewObject("description", "New property values", "required", true, "content", content(ref("schemas", g.schemaName(e)+"-update"))))
}

// operation writes an action or function, bound to the rows at a path or to none.
func (g *generator) operation(o *csn.Operation, e *csn.Entity, path string, keys []any) {
	if o.Annotations.Is("cds.api.ignore") || !g.opt.View.Operation(o) {
		return
	}
	g.guarded = g.guarded || restricted(&g.s.Def) || restricted(&o.Def)
	name := o.LocalName()
	if e != nil {
		if !g.opt.REST {
			name = g.s.Name + "." + name
		}
	} else if !contains(g.tags, "Service Operations") {
		g.tags = append(g.tags, "Service Operations")
	}
	item := codegen.NewObject()
	if keys != nil {
		item.Set("parameters", keys)
	}
	status, answer := "204", codegen.NewObject("description", "Success")
	if o.Returns != nil {
		status, answer = "200", codegen.NewObject("description", "Success", "content", g.returned(o.Returns))
	}
	kind := "Invokes action "
	if o.Function {
		kind = "Invokes function "
	}
	op := g.op(e, g.label(&o.Def, kind+o.LocalName(), "title", "Common.Label", "Core.Description"), nil, status, answer)
	if restricted(&o.Def) {
		answers := op.Child("responses")
		answers.Set("401", ref("responses", "unauthorized")).Set("403", ref("responses", "forbidden"))
	}
	if o.Function {
		item.Set("get", op)
		g.functionParameters(op, o, &name)
	} else {
		item.Set("post", op)
		if len(o.Params) > 0 {
			op.Set("requestBody", codegen.NewObject("description", "Action parameters", "required", true, "content", content(g.structure(o.Params))))
		}
	}
	g.paths.Set(path+"/"+name, item)
}

// functionParameters puts the parameters of a function into its URL: fn(a={a},b='{b}').
func (g *generator) functionParameters(op *codegen.Object, o *csn.Operation, name *string) {
	if g.opt.REST {
		g.queryParameters(op, o)
		return
	}
	var url []string
	var list []any
	for _, p := range o.Params {
		v := "{" + p.Name + "}"
		if quoted(p) {
			v = "'" + v + "'"
		}
		url = append(url, p.Name+"="+v)
		list = append(list, codegen.NewObject("name", p.Name, "in", "path", "required", true, "schema", g.scalar(p)))
	}
	*name += "(" + strings.Join(url, ",") + ")"
	if list != nil {
		op.Set("parameters", list)
	}
}

// queryParameters are those of a function of the REST interface: fn?a=1.
func (g *generator) queryParameters(op *codegen.Object, o *csn.Operation) {
	var list []any
	for _, p := range o.Params {
		list = append(list, codegen.NewObject("name", p.Name, "in", "query", "required", p.NotNull, "schema", g.scalar(p)))
	}
	if list != nil {
		op.Set("parameters", list)
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// returned is the content of what an operation answers: texts are plain by REST.
func (g *generator) returned(el *csn.Element) *codegen.Object {
	if b := el.Scalar(); g.opt.REST && b != nil && (b.Kind == csn.String || b.Kind == csn.LargeString || b.Kind == csn.UUID) {
		return codegen.NewObject("text/plain", codegen.NewObject("schema", g.schema(el)))
	}
	return content(g.result(el))
}

// result is the schema of what an operation returns: rows and values of simple types are wrapped by OData.
func (g *generator) result(el *csn.Element) any {
	switch el.Type.(type) {
	case *csn.Struct:
		return g.schema(el)
	case *csn.Assoc:
		return g.schema(el)
	}
	if g.opt.REST {
		return g.schema(el)
	}
	return codegen.NewObject("type", "object", "properties", codegen.NewObject("value", g.schema(el)))
}

func (g *generator) components() *codegen.Object {
	str := func(desc string) *codegen.Object { return codegen.NewObject("type", "string", "description", desc) }
	g.schemas.Set("count", codegen.NewObject("description", "The number of entities in the collection", "anyOf",
		[]any{codegen.NewObject("type", "integer", "minimum", 0), codegen.NewObject("type", "string")}))
	g.schemas.Set("error", codegen.NewObject("type", "object", "required", []string{"error"}, "properties", codegen.NewObject("error",
		codegen.NewObject("type", "object", "required", []string{"code", "message"}, "properties", codegen.NewObject(
			"code", str("Machine-readable"), "message", str("For people"), "target", str("Where the fault is"),
			"details", codegen.NewObject("type", "array", "items", codegen.NewObject("type", "object")))))))
	query := func(name, desc string, schema *codegen.Object) *codegen.Object {
		return codegen.NewObject("name", name, "in", "query", "description", desc, "schema", schema)
	}
	natural := codegen.NewObject("type", "integer", "minimum", 0)
	out := codegen.NewObject("schemas", g.schemas, "parameters", codegen.NewObject(
		"top", query("$top", "Show only the first n items", natural),
		"skip", query("$skip", "Skip the first n items", natural),
		"count", query("$count", "Include count of items", codegen.NewObject("type", "boolean")),
		"search", query("$search", "Search items by search phrases", codegen.NewObject("type", "string"))))
	answers := codegen.NewObject("error", codegen.NewObject("description", "Error", "content", content(ref("schemas", "error"))))
	if g.guarded {
		answers.Set("unauthorized", codegen.NewObject("description", "Credentials are missing or not accepted"))
		answers.Set("forbidden", codegen.NewObject("description", "The user may not do this", "content", content(ref("schemas", "error"))))
		out.Set("securitySchemes", codegen.NewObject(
			"basic", codegen.NewObject("type", "http", "scheme", "basic"),
			"bearer", codegen.NewObject("type", "http", "scheme", "bearer")))
	}
	return out.Set("responses", answers)
}
