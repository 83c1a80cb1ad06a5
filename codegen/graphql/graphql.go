// Package graphql writes a schema in the schema definition language of GraphQL (October 2021) for the entities of services: what CAP's GraphQL
// protocol serves.
//
//	query { CatalogService { Books(filter: {…}, orderBy: {…}, top: 10, skip: 0) { totalCount nodes { title author { name } } } } }
//	mutation { CatalogService { Books { create(input: […]) update(filter: …, input: …) delete(filter: …) } } }
//
// Actions, functions and events have no place in it.
package graphql

import (
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strings"

	"cds/parser/csn"
	"cds/runtime/odata/edmx"
)

// maxDepth bounds nested types.
const maxDepth = 50

// Generate returns the schema for the services. Names of the model that GraphQL can't have, and those that come to the same name in GraphQL, where
// dots become underscores, are errors; all are reported at once.
func Generate(services []*csn.Service) ([]byte, error) {
	g := &generator{types: map[string]string{}, from: map[string]string{}, scalars: map[string]bool{}, filters: map[string]bool{}}
	var query, mutation []string
	for _, s := range services {
		name := typeName(s.Name)
		if g.service(s, name) {
			query = append(query, name+": "+name)
		}
		if g.inputs(s, name) {
			mutation = append(mutation, name+": "+name+"_input")
		}
	}
	if len(query) == 0 {
		g.errs = append(g.errs, errors.New("no service has an entity for GraphQL"))
	}
	if err := errors.Join(g.errs...); err != nil {
		return nil, err
	}
	g.put("Query", "", "type", query)
	if len(mutation) > 0 {
		g.put("Mutation", "", "type", mutation)
	}
	g.shared()
	g.prune()
	return []byte(g.text()), nil
}

type generator struct {
	types   map[string]string // text of each type by its name
	from    map[string]string // what each type was made from
	scalars map[string]bool   // in use, beside those of GraphQL
	filters map[string]bool   // scalars with a filter in use
	errs    []error
}

var validName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// typeName makes one name of a dotted one.
func typeName(s string) string { return strings.ReplaceAll(s, ".", "_") }

// valid checks a name of the model. Names that begin with two underscores are those of GraphQL itself.
func (g *generator) valid(name, home string) bool {
	if validName.MatchString(name) && !strings.HasPrefix(name, "__") {
		return true
	}
	g.errs = append(g.errs, fmt.Errorf("%s: %q can't be a name in GraphQL; use letters, digits and underscores, or leave it out by @cds.api.ignore", home, name))
	return false
}

// put adds a type with fields. One without fields is left out: GraphQL has none.
func (g *generator) put(name, doc, kind string, fields []string) {
	if len(fields) == 0 {
		return
	}
	g.types[name] = description(doc, "") + kind + " " + name + " {\n  " + strings.Join(fields, "\n  ") + "\n}\n"
}

// claim notes what a type is made from and reports whether it is still to be made.
func (g *generator) claim(name, from string) bool {
	old, taken := g.from[name]
	switch {
	case !taken:
		g.from[name] = from
		return true
	case old != from:
		g.errs = append(g.errs, fmt.Errorf("%s and %s are both called %s in GraphQL", old, from, name))
	}
	return false
}

func description(doc, indent string) string {
	if doc = strings.TrimSpace(doc); doc == "" {
		return ""
	}
	doc = strings.ReplaceAll(doc, `"""`, `\"""`)
	return `"""` + "\n" + indent + strings.ReplaceAll(doc, "\n", "\n"+indent) + "\n" + indent + `"""` + "\n" + indent
}

// exposed returns the entities of a service that the schema has.
func exposed(s *csn.Service) []*csn.Entity {
	var out []*csn.Entity
	for _, e := range s.Entities {
		if !e.Annotations.Is("cds.api.ignore") && len(e.Params) == 0 {
			out = append(out, e)
		}
	}
	return out
}

func entityType(e *csn.Entity) string { return typeName(e.Service.Name) + "_" + edmx.SetName(e) }

// service writes the types for reading.
func (g *generator) service(s *csn.Service, name string) bool {
	if !g.valid(name, s.Name) || !g.claim(name, s.Name) {
		return false
	}
	var fields []string
	for _, e := range exposed(s) {
		set := edmx.SetName(e)
		if !g.valid(set, e.Name) || !g.entity(e) {
			continue
		}
		fields = append(fields, description(e.Doc, "  ")+set+g.arguments(e)+": "+entityType(e)+"_connection")
	}
	g.put(name, s.Doc, "type", fields)
	return len(fields) > 0
}

// arguments are those of a field that yields many rows.
func (g *generator) arguments(e *csn.Entity) string {
	n := entityType(e)
	return fmt.Sprintf("(filter: [%s_filter], orderBy: [%s_orderBy], skip: Int, top: Int)", n, n)
}

// entity writes the types of an entity's rows and the inputs that select them.
func (g *generator) entity(e *csn.Entity) bool {
	name := entityType(e)
	if !g.claim(name, e.Name) {
		return false
	}
	for _, suffix := range []string{"_connection", "_filter", "_orderBy"} {
		if !g.claim(name+suffix, e.Name) {
			return false
		}
	}
	var fields, filter, order []string
	for _, el := range e.Flat {
		if el.Annotations.Is("cds.api.ignore") || !g.valid(el.Name, e.Name) {
			continue
		}
		if el.Assoc() != nil {
			if f := g.associated(e, el); f != "" {
				fields = append(fields, description(el.Doc, "  ")+f)
			}
			continue
		}
		seal := el.Seal()
		t := g.output(e, el)
		if t == "" || seal != nil && seal.Hashed() {
			continue
		}
		fields = append(fields, description(el.Doc, "  ")+el.Name+": "+t)
		if el.Scalar() != nil && !el.Virtual {
			if scalarKinds[el.Scalar().Kind].filter != "" && (seal == nil || seal.Kind == csn.SealDeterministic) {
				g.filters[t] = true
				filter = append(filter, el.Name+": ["+t+"_filter]")
			}
			if seal == nil {
				order = append(order, el.Name+": SortDirection")
			}
		}
	}
	if len(filter) == 0 { // nothing can be selected or sorted by
		filter, order = []string{"_: Boolean"}, nil
	}
	if len(order) == 0 {
		order = []string{"_: SortDirection"}
	}
	if len(fields) == 0 {
		fields = []string{"_: Boolean"}
	}
	g.put(name, e.Doc, "type", fields)
	g.put(name+"_connection", "", "type", []string{"nodes: [" + name + "]", "totalCount: Int"})
	g.put(name+"_filter", "", "input", filter)
	g.put(name+"_orderBy", "", "input", order)
	return true
}

// associated returns the field of an association, "" if its target is not in the schema.
func (g *generator) associated(e *csn.Entity, el *csn.Element) string {
	a := el.Assoc()
	t := a.Target
	if t == nil || t.Service != e.Service || t.Annotations.Is("cds.api.ignore") || len(t.Params) > 0 {
		return ""
	}
	if a.Many {
		return el.Name + g.arguments(t) + ": " + entityType(t) + "_connection"
	}
	return el.Name + ": " + entityType(t)
}

// output returns the type of an element that is read, "" if it has none.
func (g *generator) output(e *csn.Entity, el *csn.Element) string {
	return g.typed(e, el, entityType(e)+"_"+el.Name, "type", 0)
}

// typed returns the type of an element. Structures inside arrays become types of their own, of the given kind.
func (g *generator) typed(e *csn.Entity, el *csn.Element, name, kind string, depth int) string {
	switch t := el.Type.(type) {
	case *csn.Builtin:
		return g.scalar(t)
	case *csn.Array:
		if t.Items == nil || depth > maxDepth {
			return ""
		}
		if in := g.typed(e, t.Items, name, kind, depth+1); in != "" {
			return "[" + in + "]"
		}
	case *csn.Struct:
		if depth > maxDepth || !g.claim(name, e.Name+":"+name) {
			return ""
		}
		var fields []string
		for _, part := range t.Elements {
			if part.Assoc() != nil || !g.valid(part.Name, e.Name) {
				continue
			}
			if in := g.typed(e, part, name+"_"+part.Name, kind, depth+1); in != "" {
				fields = append(fields, part.Name+": "+in)
			}
		}
		if len(fields) == 0 {
			return ""
		}
		g.put(name, "", kind, fields)
		return name
	}
	return ""
}

var words = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)

// prune removes types that nothing leads to.
func (g *generator) prune() {
	reached := map[string]bool{}
	work := []string{"Query", "Mutation"}
	for len(work) > 0 {
		n := work[len(work)-1]
		work = work[:len(work)-1]
		if text, ok := g.types[n]; ok && !reached[n] {
			reached[n] = true
			work = append(work, words.FindAllString(text, -1)...)
		}
	}
	for n := range g.types {
		if !reached[n] {
			delete(g.types, n)
		}
	}
}

// text puts the types together, by name.
func (g *generator) text() string {
	var names []string
	for n := range g.types {
		names = append(names, n)
	}
	sort.Strings(names)
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = g.types[n]
	}
	return strings.Join(parts, "\n")
}
