package graphql

import (
	"slices"

	"cds/parser/csn"
	"cds/runtime/odata/edmx"
)

// inputs writes the types for changes: an entry for each entity that may be changed, with what clients may send.
func (g *generator) inputs(s *csn.Service, name string) bool {
	var fields []string
	for _, e := range exposed(s) {
		n := entityType(e)
		if g.types[n] == "" || !g.claim(n+"_input", e.Name) || !g.claim(n+"_C", e.Name) || !g.claim(n+"_U", e.Name) {
			continue
		}
		if ops := g.changes(e, n); len(ops) > 0 {
			g.put(n+"_input", "", "type", ops)
			fields = append(fields, edmx.SetName(e)+": "+n+"_input")
		}
	}
	if len(fields) == 0 || !g.claim(name+"_input", s.Name) {
		return false
	}
	g.put(name+"_input", "", "type", fields)
	return true
}

// changes returns the operations on an entity.
func (g *generator) changes(e *csn.Entity, n string) []string {
	create, update := g.sent(e, n)
	g.put(n+"_C", "", "input", create) // also for rows that are created within those of others only
	if e.Annotations.Is("readonly") || e.Exposure == csn.AutoExposedRead {
		return nil
	}
	var out []string
	if len(create) > 0 && !forbidden(e, "Insert") {
		out = append(out, "create(input: ["+n+"_C]!): ["+n+"]")
	}
	if e.Annotations.Is("insertonly") {
		return out
	}
	if !forbidden(e, "Delete") {
		out = append(out, "delete(filter: ["+n+"_filter]!): Int")
	}
	if len(update) > 0 && !forbidden(e, "Update") {
		g.put(n+"_U", "", "input", update)
		out = append(out, "update(filter: ["+n+"_filter]!, input: "+n+"_U!): ["+n+"]")
	}
	return out
}

// forbidden reports what @Capabilities say can't be done: Insertable, Updatable, Deletable.
func forbidden(e *csn.Entity, what string) bool {
	name := map[string]string{"Insert": "Insertable", "Update": "Updatable", "Delete": "Deletable"}[what]
	return e.Annotations.Get("Capabilities." + what + "Restrictions." + name).False()
}

// sent returns the fields of the inputs for new rows and for changes of one. Keys don't change.
func (g *generator) sent(e *csn.Entity, n string) (create, update []string) {
	for _, el := range e.Flat {
		if el.Annotations.Is("cds.api.ignore") || !validName.MatchString(el.Name) || computed(el) {
			continue
		}
		field := ""
		if a := el.Assoc(); a != nil {
			if !a.Composition || g.associated(e, el) == "" || a.Target.Annotations.Is("readonly") || !settable(a.Target) {
				continue
			}
			if field = el.Name + ": " + entityType(a.Target) + "_C"; a.Many {
				field = el.Name + ": [" + entityType(a.Target) + "_C]"
			}
		} else if t := g.typed(e, el, n+"_"+el.Name+"_C", "input", 0); t != "" {
			field = el.Name + ": " + t
		}
		if field == "" {
			continue
		}
		create = append(create, field)
		if !el.Key && !el.Annotations.Is("Core.Immutable") {
			update = append(update, field)
		}
	}
	return create, update
}

// settable reports whether rows of an entity have something that clients can send.
func settable(e *csn.Entity) bool {
	for _, el := range e.Flat {
		if el.Scalar() != nil && !el.Annotations.Is("cds.api.ignore") && validName.MatchString(el.Name) && !computed(el) {
			return true
		}
	}
	return false
}

// computed reports whether clients can't set an element.
func computed(el *csn.Element) bool {
	a := el.Annotations
	return a.Is("readonly") || a.Is("Core.Computed") || el.Virtual || el.Value() != nil || a.Get("cds.on.insert") != nil || a.Get("cds.on.update") != nil
}

// A kindOf is what a scalar is in GraphQL, and which filters there are for it: "" for none, "order" for comparisons, "text" for those of strings too.
type kindOf struct{ name, filter string }

var scalarKinds = map[csn.Scalar]kindOf{
	csn.UUID: {"ID", "equal"}, csn.Boolean: {"Boolean", "equal"},
	csn.Integer: {"Int", "order"}, csn.Int32: {"Int", "order"}, csn.UInt8: {"UInt8", "order"}, csn.Int16: {"Int16", "order"}, csn.Int64: {"Int64", "order"},
	csn.Decimal: {"Decimal", "order"}, csn.Double: {"Float", "order"},
	csn.Date: {"Date", "order"}, csn.Time: {"Time", "order"}, csn.DateTime: {"DateTime", "order"}, csn.Timestamp: {"Timestamp", "order"},
	csn.String: {"String", "text"}, csn.LargeString: {"String", "text"}, csn.Binary: {"Binary", "equal"}, csn.LargeBinary: {"Binary", "equal"},
}

// filterKinds say which filters a scalar of GraphQL has.
var filterKinds = func() map[string]string {
	out := map[string]string{}
	for _, k := range scalarKinds {
		out[k.name] = k.filter
	}
	return out
}()

func (g *generator) scalar(t *csn.Builtin) string {
	k, ok := scalarKinds[t.Kind]
	if !ok { // maps and vectors are text
		return "String"
	}
	if !slices.Contains([]string{"ID", "Boolean", "Int", "Float", "String"}, k.name) {
		g.scalars[k.name] = true
	}
	return k.name
}

// scalarDocs describe the scalars that GraphQL has not.
var scalarDocs = map[string]string{
	"Binary": "Bytes in base64url.", "Date": "A date, as 2021-06-27.", "DateTime": "A point in time to the second, as 2021-06-27T14:52:23Z.",
	"Decimal": "A decimal number as a string, exact.", "Int16": "A whole number of 16 bits.", "Int64": "A whole number of 64 bits as a string.",
	"Time": "A time of day, as 14:52:23.", "Timestamp": "A point in time, as 2021-06-27T14:52:23.123Z.", "UInt8": "A whole number from 0 to 255.",
}

// shared writes what the types of all services use.
func (g *generator) shared() {
	g.types["SortDirection"] = "enum SortDirection {\n  asc\n  desc\n}\n"
	for s := range g.scalars {
		g.types[s] = description(scalarDocs[s], "") + "scalar " + s + "\n"
	}
	for s := range g.filters {
		fields := []string{"eq: " + s, "in: [" + s + "]", "ne: [" + s + "]"}
		switch filterKinds[s] {
		case "text":
			fields = append(fields, "contains: ["+s+"]", "endsWith: ["+s+"]", "startsWith: ["+s+"]", "ge: "+s, "gt: "+s, "le: "+s, "lt: "+s)
		case "order":
			fields = append(fields, "ge: "+s, "gt: "+s, "le: "+s, "lt: "+s)
		}
		slices.Sort(fields)
		g.put(s+"_filter", "", "input", fields)
	}
}
