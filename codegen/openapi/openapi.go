// Package openapi describes the OData or REST interface of a service as an OpenAPI 3.0 or 3.1 document, after OASIS' "OData to OpenAPI Mapping".
// Resources appear as far as the model lets them be used: @readonly, @insertonly and the Capabilities vocabulary take operations away.
package openapi

import (
	"strings"

	"cds/codegen"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/odata/edmx"
)

// Options say how the document is written. The zero value is useful.
type Options struct {
	Version string   // of OpenAPI: "3.0", which "" stands for, or "3.1"
	Servers []string // base URLs; none: the path that the service is served at
	// REST describes the REST interface: keys as path segments, answers without OData's wrappers. A service that has no OData
	// interface is described so anyway.
	REST bool
	// Text returns the text for a key of {i18n>key}; nil leaves the references as they are.
	Text func(key string) (string, bool)
	// View leaves out what some users may not use; nil for nothing. Its entities are those of the model that is described.
	View *edmx.View
}

// Versions are the versions of OpenAPI that can be written.
func Versions() []string { return []string{"3.0", "3.1"} }

// Generate returns the document of service s of model m as indented JSON.
func Generate(m *csn.Model, s *csn.Service, opt Options) ([]byte, error) {
	g := &generator{m: m, s: s, opt: opt, schemas: codegen.NewObject(), paths: codegen.NewObject(), v31: opt.Version == "3.1"}
	if !opt.REST && g.endpoint("odata") == "" {
		g.opt.REST = g.endpoint("rest") != ""
	}
	doc := codegen.NewObject()
	if g.v31 {
		doc.Set("openapi", "3.1.0")
	} else {
		doc.Set("openapi", "3.0.3")
	}
	doc.Set("info", g.info())
	doc.Set("servers", g.servers())
	for _, e := range s.Entities {
		g.entity(e)
	}
	for _, o := range s.Ops {
		g.operation(o, nil, "", nil)
	}
	doc.Set("tags", g.tagList())
	doc.Set("paths", g.paths)
	doc.Set("components", g.components())
	if g.guarded {
		doc.Set("security", []any{codegen.NewObject("basic", []any{}), codegen.NewObject("bearer", []any{})})
	}
	return codegen.JSON(doc)
}

// REST is Generate for the REST interface served at path, with the options of a server that describes itself: see serve.App.OpenAPI.
func REST(m *csn.Model, s *csn.Service, path string) ([]byte, error) {
	return Generate(m, s, Options{REST: true, Servers: []string{path}})
}

// RESTByRole is REST for users to whom a view of the service is described: see serve.App.OpenAPIByRole.
func RESTByRole(m *csn.Model, s *csn.Service, path string, v *edmx.View) ([]byte, error) {
	return Generate(m, s, Options{REST: true, Servers: []string{path}, View: v})
}

type generator struct {
	m       *csn.Model
	s       *csn.Service
	opt     Options
	v31     bool
	guarded bool // something is restricted
	schemas *codegen.Object
	paths   *codegen.Object
	tags    []string
}

func (g *generator) text(s string) string {
	if key, ok := strings.CutPrefix(s, "{i18n>"); ok && g.opt.Text != nil {
		if t, found := g.opt.Text(strings.TrimSuffix(key, "}")); found {
			return t
		}
	}
	return s
}

// label returns the first text among annotations, or a fallback.
func (g *generator) label(d *csn.Def, fallback string, names ...string) string {
	for _, n := range names {
		if t := d.Annotations.Str(n); t != "" {
			return g.text(t)
		}
	}
	return fallback
}

func (g *generator) info() *codegen.Object {
	d := &g.s.Def
	info := codegen.NewObject("title", g.label(d, g.s.Name, "title", "Common.Label", "Core.Description", "description"),
		"description", g.label(d, d.Doc, "Core.LongDescription", "description"),
		"version", g.label(d, "1.0.0", "Core.SchemaVersion", "version"))
	if info.Get("description") == "" {
		info.Set("description", "The "+g.interfaceName()+" interface of "+g.s.Name)
	}
	return info
}

func (g *generator) servers() []any {
	var out []any
	for _, u := range g.opt.Servers {
		out = append(out, codegen.NewObject("url", u))
	}
	for _, e := range cds.Endpoints(g.s) {
		if e.Protocol == g.protocol() && len(g.opt.Servers) == 0 {
			out = append(out, codegen.NewObject("url", e.Path))
		}
	}
	if out == nil {
		out = []any{codegen.NewObject("url", "/")}
	}
	return out
}

// protocol names the interface as @protocol does.
func (g *generator) protocol() string {
	if g.opt.REST {
		return "rest"
	}
	return "odata"
}

func (g *generator) interfaceName() string {
	if g.opt.REST {
		return "REST"
	}
	return "OData"
}

// endpoint returns the path that the service is served at by a protocol, "" for none.
func (g *generator) endpoint(protocol string) string {
	for _, e := range cds.Endpoints(g.s) {
		if e.Protocol == protocol {
			return e.Path
		}
	}
	return ""
}

func (g *generator) tagList() []any {
	out := []any{}
	for _, t := range g.tags {
		out = append(out, codegen.NewObject("name", t))
	}
	return out
}

// may reports whether the model lets an entity be used in a way: "Read", "Insert", "Update", "Delete".
func may(e *csn.Entity, what string) bool {
	a := e.Annotations
	property := map[string]string{"Read": "Readable", "Insert": "Insertable", "Update": "Updatable", "Delete": "Deletable"}[what]
	for _, n := range []string{"Capabilities." + what + "Restrictions." + property, "Capabilities." + property} {
		if v := a.Get(n); v != nil {
			return !v.False()
		}
	}
	if v := a.Get("Capabilities." + what + "Restrictions").Field(property); v != nil {
		return !v.False()
	}
	if a.Is("readonly") || e.Exposure == csn.AutoExposedRead {
		return what == "Read"
	}
	if a.Is("insertonly") {
		return what == "Insert"
	}
	return true
}

// reachable reports whether an entity is part of the document.
func (g *generator) reachable(e *csn.Entity) bool {
	return e != nil && e.Service == g.s && edmx.Exposed(e) && g.opt.View.Entity(e)
}

// shows reports whether an element of an entity is part of the document.
func (g *generator) shows(e *csn.Entity, el *csn.Element) bool {
	return g.opt.View.Element(e, el) && (el.Assoc() == nil || g.reachable(el.Assoc().Target))
}

// may reports whether an entity may be used in a way, by the model and by whom the document is for.
func (g *generator) may(e *csn.Entity, what string) bool {
	if v := g.opt.View; v != nil && (what == "Read" && v.NoRead[e] || what == "Insert" && v.NoInsert[e] || what == "Update" && v.NoUpdate[e] || what == "Delete" && v.NoDelete[e]) {
		return false
	}
	return may(e, what)
}

func (g *generator) entity(e *csn.Entity) {
	if !g.reachable(e) || len(e.Params) > 0 {
		return
	}
	set := edmx.SetName(e)
	g.entitySchemas(e)
	if !g.opt.View.Set(e) {
		return
	}
	g.guarded = g.guarded || restricted(&g.s.Def) || restricted(&e.Def)
	g.tags = append(g.tags, g.label(&e.Def, set, "title", "Common.Label"))
	if e.Exposure == csn.AutoExposed { // rows are listed and created through those that they are parts of
		if len(e.Keys) > 0 {
			g.item(g.itemPath(e), e, keyParameters(g, e), false)
		}
		return
	}
	if e.Annotations.Is("odata.singleton") {
		g.item("/"+set, e, nil, true)
		return
	}
	path := "/" + set
	item := codegen.NewObject()
	if g.may(e, "Read") {
		item.Set("get", g.list(e, "Get entities from "+set))
	}
	if g.may(e, "Insert") {
		item.Set("post", g.create(e, "Add new entity to "+set))
	}
	if item.Len() > 0 {
		g.paths.Set(path, item)
	}
	if len(e.Keys) > 0 {
		g.item(g.itemPath(e), e, keyParameters(g, e), false)
	}
}

func restricted(d *csn.Def) bool {
	return d.Annotations.Get("requires") != nil || d.Annotations.Get("restrict") != nil
}

// itemPath is the path of one row: /Books({ID}), /Texts(locale='{locale}',ID={ID}), by REST /Books/{ID}.
func (g *generator) itemPath(e *csn.Entity) string {
	if g.opt.REST && len(e.Keys) == 1 {
		return "/" + edmx.SetName(e) + "/{" + e.Keys[0].Name + "}"
	}
	var keys []string
	for _, k := range e.Keys {
		p := "{" + k.Name + "}"
		if quoted(k) {
			p = "'" + p + "'"
		}
		if len(e.Keys) > 1 {
			p = k.Name + "=" + p
		}
		keys = append(keys, p)
	}
	return "/" + edmx.SetName(e) + "(" + strings.Join(keys, ",") + ")"
}

// quoted reports whether a key stands in quotes in URLs.
func quoted(el *csn.Element) bool {
	b := el.Scalar()
	return b != nil && (b.Kind == csn.String || b.Kind == csn.LargeString)
}

func keyParameters(g *generator, e *csn.Entity) []any {
	var out []any
	for _, k := range e.Keys {
		out = append(out, codegen.NewObject("name", k.Name, "in", "path", "required", true, "description", "key: "+k.Name, "schema", g.scalar(k)))
	}
	return out
}

// item writes the paths of one row, its bound operations and its associations.
func (g *generator) item(path string, e *csn.Entity, keys []any, singleton bool) {
	set := edmx.SetName(e)
	item := codegen.NewObject()
	if keys != nil {
		item.Set("parameters", keys)
	}
	if g.may(e, "Read") {
		item.Set("get", g.read(e, "Get entity from "+set+" by key"))
	}
	if g.may(e, "Update") {
		item.Set("patch", g.update(e, "Update entity in "+set))
	}
	if g.may(e, "Delete") && !singleton {
		item.Set("delete", g.op(e, "Delete entity from "+set, nil, "204", codegen.NewObject("description", "Success")))
	}
	if item.Has("get") || item.Has("patch") || item.Has("delete") {
		g.paths.Set(path, item)
	}
	g.bound(e, path, keys)
	if !g.may(e, "Read") {
		return
	}
	for _, el := range e.Flat {
		a := el.Assoc()
		if a == nil || !g.shows(e, el) || !g.opt.View.Set(a.Target) || g.opt.View != nil && !g.may(a.Target, "Read") {
			continue
		}
		way := codegen.NewObject()
		if keys != nil {
			way.Set("parameters", keys)
		}
		if a.Many {
			way.Set("get", g.list(a.Target, "Get "+el.Name+" of an entity of "+set))
			if a.Composition && g.may(e, "Update") && g.may(a.Target, "Insert") {
				way.Set("post", g.create(a.Target, "Add new entity to "+el.Name+" of an entity of "+set))
			}
		} else {
			way.Set("get", g.read(a.Target, "Get "+el.Name+" of an entity of "+set))
		}
		g.paths.Set(path+"/"+el.Name, way)
	}
}

func (g *generator) bound(e *csn.Entity, path string, keys []any) {
	for _, o := range e.Actions {
		if o.Collection {
			g.operation(o, e, "/"+edmx.SetName(e), nil)
		} else {
			g.operation(o, e, path, keys)
		}
	}
}
