package ddl

import (
	"slices"
	"sort"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/sqlgen"
)

func (g *generator) tables() {
	for _, e := range g.m.Entities {
		if e.Source == nil && persisted(e) && g.claim(e, sqlgen.TableName(e)) {
			g.table(e)
		}
	}
}

// Columns returns the elements of a table that have a column: scalars and arrays that are neither virtual nor calculated on read. Stored
// calculated ones come last.
func Columns(e *csn.Entity) []*csn.Element {
	var out, stored []*csn.Element
	for _, el := range e.Flat {
		switch {
		case el.Assoc() != nil, el.Virtual, el.Value != nil && !el.Stored, el.Type == nil:
		case el.Value != nil:
			stored = append(stored, el)
		default:
			out = append(out, el)
		}
	}
	return append(out, stored...)
}

func (g *generator) table(e *csn.Entity) {
	var parts, keys []string
	seen := map[string]bool{}
	versioned := versionKeys(e)
	for _, el := range Columns(e) {
		low := strings.ToLower(el.Name)
		if seen[low] {
			g.fail(CodeNameClash, e, nil, "it has two columns %s: case does not count in the database", el.Name)
			return
		}
		seen[low] = true
		parts = append(parts, g.column(e, el, versioned))
		if el.Key && versioned == nil || slices.Contains(versioned, el) {
			keys = append(keys, sqlgen.Quote(el.Name, g.d))
		}
	}
	if len(parts) == 0 {
		return
	}
	if len(keys) > 0 {
		parts = append(parts, "PRIMARY KEY("+strings.Join(keys, ", ")+")")
	}
	if versioned != nil {
		parts = append(parts, g.versions(e))
	}
	parts = append(parts, g.unique(e)...)
	g.out = append(g.out, "CREATE TABLE "+sqlgen.Quote(sqlgen.TableName(e), g.d)+" (\n  "+strings.Join(parts, ",\n  ")+"\n)")
}

// versionKeys returns the elements with @cds.valid.key. They tell the versions of a record apart, and are the primary key of the table in place
// of the keys of the model, of which each version has the same.
func versionKeys(e *csn.Entity) []*csn.Element {
	var out []*csn.Element
	for _, el := range Columns(e) {
		if el.Annotations.Is("cds.valid.key") {
			out = append(out, el)
		}
	}
	return out
}

// versions is the constraint that there is one version of a record at a time: its keys and the beginning of its validity are unique.
func (g *generator) versions(e *csn.Entity) string {
	var cols []string
	from := false
	for _, el := range Columns(e) {
		if el.Key {
			cols = append(cols, sqlgen.Quote(el.Name, g.d))
		}
	}
	for _, el := range Columns(e) {
		if el.Annotations.Is("cds.valid.from") {
			cols, from = append(cols, sqlgen.Quote(el.Name, g.d)), true
		}
	}
	if !from {
		g.fail(CodeUnique, e, nil, "@cds.valid.key needs an element with @cds.valid.from in the same entity")
	}
	return "CONSTRAINT " + sqlgen.Quote(sqlgen.TableName(e)+"___c_cds_valid", g.d) + " UNIQUE (" + strings.Join(cols, ", ") + ")"
}

// column returns the definition of one column. versioned are the keys of the table if they are not those of the model.
func (g *generator) column(e *csn.Entity, el *csn.Element, versioned []*csn.Element) string {
	b := &csn.Builtin{Name: "cds.LargeString", Kind: csn.LargeString} // arrays are JSON text
	if s := el.Scalar(); s != nil {
		b = s
	}
	typ, err := sqlgen.TypeSQL(g.m.Sized(b), g.d)
	if err != nil {
		g.fail(CodeType, e, err, "the element %s: %s", el.Name, err)
	}
	s := sqlgen.Quote(el.Name, g.d) + " " + typ
	if el.Value != nil { // stored
		x, err := g.constant(el.Value, el, e)
		if err != nil {
			g.fail(CodeExpression, e, err, "the value of %s: %s", el.Name, err)
		}
		return s + " GENERATED ALWAYS AS (" + x + ") STORED"
	}
	if el.Key && versioned == nil || el.NotNull || slices.Contains(versioned, el) {
		s += " NOT NULL"
	}
	if el.Default != nil && !perRow(el.Default) {
		x, err := g.constant(el.Default, el, nil)
		if err != nil {
			g.fail(CodeExpression, e, err, "the default of %s: %s", el.Name, err)
		}
		if !simpleDefault(el.Default) {
			x = "(" + x + ")"
		}
		s += " DEFAULT " + x
	}
	return s
}

// perRow reports a default that is another one for each row, $uuid: the runtime fills it in.
func perRow(x cqn.Expr) bool {
	r, ok := x.(*cqn.Ref)
	return ok && len(r.Path) == 1 && r.Path[0].Name == "$uuid"
}

// simpleDefault reports whether a default needs no parentheses.
func simpleDefault(x cqn.Expr) bool {
	switch n := x.(type) {
	case *cqn.Lit:
		return true
	case *cqn.Param:
		return n.From == cqn.FromNow
	case *cqn.Unary:
		_, lit := n.X.(*cqn.Lit)
		return lit && n.Op == cqn.Neg
	case *cqn.Call:
		return isCurrent(n)
	}
	return false
}

// unique returns the constraints of @assert.unique.<name>: [a, b].
func (g *generator) unique(e *csn.Entity) []string {
	var out []string
	for _, a := range e.Annotations {
		name, ok := strings.CutPrefix(a.Name, "assert.unique.")
		if !ok || a.Value == nil || a.Value.Kind != cqn.AnnoArray {
			continue
		}
		var cols []string
		for _, it := range a.Value.Items {
			found := g.uniqueColumns(e, it)
			if found == nil {
				g.fail(CodeUnique, e, nil, "@assert.unique.%s names %q, which is no element with a column", name, it.Str())
			}
			cols = append(cols, found...)
		}
		if len(cols) > 0 {
			out = append(out, "CONSTRAINT "+sqlgen.Quote(sqlgen.TableName(e)+"_"+name, g.d)+" UNIQUE ("+strings.Join(cols, ", ")+")")
		}
	}
	sort.Strings(out)
	return out
}

// uniqueColumns returns the columns of an element: itself, the foreign keys of an association, the parts of a structure.
func (g *generator) uniqueColumns(e *csn.Entity, v *cqn.AnnoValue) []string {
	var out []string
	path := v.Str()
	for _, el := range Columns(e) {
		if p := strings.Join(el.Path, "."); p == path || el.Name == path || strings.HasPrefix(p, path+".") && path != "" {
			out = append(out, sqlgen.Quote(el.Name, g.d))
		}
	}
	return out
}

// localizedTables creates the views that put texts in the session's language in the place of those in the default language.
func (g *generator) localizedTables() {
	for _, e := range g.m.Entities {
		if e.Source == nil && e.Localized && persisted(e) && e.Texts != nil && g.claim(e, LocalizedName(e)) {
			g.localizedTable(e)
		}
	}
}

func (g *generator) localizedTable(e *csn.Entity) {
	body, err := sqlgen.CompileLocalized(e, g.m, g.d)
	if err != nil {
		g.fail(CodeView, e, err, "its localized view cannot be created: %s", err)
		return
	}
	g.out = append(g.out, "CREATE VIEW "+sqlgen.Quote(LocalizedName(e), g.d)+" AS "+body)
}
