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
		case el.Assoc() != nil, el.Virtual, el.Value() != nil && !el.Stored, el.Type == nil:
		case el.Value() != nil:
			stored = append(stored, el)
		default:
			out = append(out, el)
		}
	}
	return append(out, stored...)
}

func (g *generator) table(e *csn.Entity) {
	t := Table{Name: sqlgen.TableName(e), Entity: e.Name}
	seen := map[string]bool{}
	versioned := versionKeys(e)
	for _, el := range Columns(e) {
		low := strings.ToLower(el.Name)
		if seen[low] {
			g.fail(CodeNameClash, e, nil, "it has two columns %s: case does not count in the database", el.Name)
			return
		}
		seen[low] = true
		t.Columns = append(t.Columns, g.column(e, el, versioned))
		if el.Key && versioned == nil || slices.Contains(versioned, el) {
			t.Key = append(t.Key, el.Name)
		}
	}
	if len(t.Columns) == 0 {
		return
	}
	if versioned != nil {
		t.Constraints = append(t.Constraints, g.versions(e))
	}
	t.Constraints = append(t.Constraints, g.unique(e)...)
	g.schema.Tables = append(g.schema.Tables, t)
	g.out = append(g.out, t.create(t.Name, g.d))
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
func (g *generator) versions(e *csn.Entity) Constraint {
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
	return Constraint{Name: sqlgen.TableName(e) + "___c_cds_valid", SQL: "UNIQUE (" + strings.Join(cols, ", ") + ")"}
}

// column returns the definition of one column. versioned are the keys of the table if they are not those of the model.
func (g *generator) column(e *csn.Entity, el *csn.Element, versioned []*csn.Element) Column {
	b := &csn.Builtin{Name: "cds.LargeString", Kind: csn.LargeString} // arrays are JSON text
	if s := el.Scalar(); s != nil && el.Seal() == nil {               // what is encrypted or hashed is text, too
		b = s
	}
	typ, err := sqlgen.TypeSQL(g.m.Sized(b), g.d)
	if err != nil {
		g.fail(CodeType, e, err, "the element %s: %s", el.Name, err)
	}
	c := Column{Name: el.Name, Type: typ}
	if el.Value() != nil { // stored
		x, err := g.constant(el.Value(), el, e)
		if err != nil {
			g.fail(CodeExpression, e, err, "the value of %s: %s", el.Name, err)
		}
		c.Generated = x
		return c
	}
	c.NotNull = el.Key && versioned == nil || el.NotNull || slices.Contains(versioned, el)
	if el.Default() != nil && !perRow(el.Default()) {
		x, err := g.constant(el.Default(), el, nil)
		if err != nil {
			g.fail(CodeExpression, e, err, "the default of %s: %s", el.Name, err)
		}
		if !simpleDefault(el.Default()) {
			x = "(" + x + ")"
		}
		c.Default = x
	}
	return c
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
func (g *generator) unique(e *csn.Entity) []Constraint {
	var out []Constraint
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
		if own := sqlgen.TenantColumn(e); own != nil && len(cols) > 0 { // values are unique in a tenant: a collision must not tell of another one
			if col := sqlgen.Quote(own.Name, g.d); !slices.Contains(cols, col) {
				cols = append([]string{col}, cols...)
			}
		}
		if len(cols) > 0 {
			out = append(out, Constraint{Name: sqlgen.TableName(e) + "_" + name, SQL: "UNIQUE (" + strings.Join(cols, ", ") + ")"})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// uniqueColumns returns the columns of an element: itself, the foreign keys of an association, the parts of a structure.
func (g *generator) uniqueColumns(e *csn.Entity, v *cqn.AnnoValue) []string {
	var out []string
	path := v.Str()
	for _, el := range Columns(e) {
		if p := strings.Join(el.Path(), "."); p == path || el.Name == path || strings.HasPrefix(p, path+".") && path != "" {
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
	g.view(LocalizedName(e), e, body)
}
