package deploy

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/authz"
	"cds/runtime/sqlgen"
	"cds/runtime/sqlgen/ddl"
)

// indexes returns the indexes that a model needs beside its keys, each with the reason:
//
//   - the columns by which the rows at the end of a to-many association or composition are found
//   - the columns that restrictions compare with the user; with what is grouped and aggregated behind them where the entity says that it is
//     (@Analytics.Dimension, @Analytics.Measure, @Aggregation.default on elements), so that the index has all of an aggregation
//   - the column of the tenant (@tenant), by which every query is bound
//   - what @cds.persistence.index.<name>: [a, 'b desc'] names
//
// Where rows may be sorted by an index, its columns have the place for nulls that queries ask for: first if ascending, last if descending.
//
// One that is the beginning of a key or of another index is left out.
func indexes(m *csn.Model, schema *ddl.Schema, d sqlgen.Dialect) []ddl.Index {
	x := &indexer{d: d, tables: map[string]*ddl.Table{}, byName: map[string]*wanted{}}
	for i := range schema.Tables {
		x.tables[schema.Tables[i].Name] = &schema.Tables[i]
	}
	full, err := ddl.WithDrafts(m)
	if err == nil {
		m = full
	}
	for _, views := range []bool{false, true} { // what a service repeats of its tables is no further reason
		x.repeats = views
		for _, e := range m.Entities {
			if (e.Source != nil) != views {
				continue
			}
			x.named(e)
			if col := sqlgen.TenantColumn(e); col != nil {
				x.add(e, []*csn.Element{col}, "tenant of "+e.Name)
			}
			for _, el := range e.Flat {
				if a := el.Assoc(); a != nil && a.Many && a.Target != nil {
					x.add(a.Target, targets(a), "association "+e.Name+"."+el.Name)
				}
			}
		}
	}
	x.repeats = false
	policy, _ := authz.Compile(m, authz.Options{}) // what is wrong with a restriction is told by the compiler
	for _, c := range policy.RowConditions() {
		x.condition(c.Entity, c.Where, "restriction "+c.Rule, 0)
	}
	return x.result()
}

// A wanted is an index that something needs.
type wanted struct {
	table string
	cols  []string // with descending behind the names of those that descend
	why   []string
	// sorts: rows may be read in its order, so it has to have the place for nulls that queries ask for.
	sorts bool
}

const descending = " DESC"

type indexer struct {
	d      sqlgen.Dialect
	tables map[string]*ddl.Table
	list   []*wanted
	byName map[string]*wanted
	// repeats: a reason for an index that is wanted already is not noted.
	repeats bool
}

func targets(a *csn.Assoc) []*csn.Element {
	out := make([]*csn.Element, len(a.Pairs))
	for i, p := range a.Pairs {
		out[i] = p.Target
	}
	return out
}

// add wants an index on elements of an entity, if they are columns of one table.
func (x *indexer) add(e *csn.Entity, els []*csn.Element, why string) { x.addSorted(e, els, nil, why) }

// addSorted is add for an index that rows may be sorted by, some columns descending, if desc is not nil.
func (x *indexer) addSorted(e *csn.Entity, els []*csn.Element, desc map[*csn.Element]bool, why string) {
	base := e.Table()
	if base == nil || len(els) == 0 {
		return
	}
	t := x.tables[sqlgen.TableName(base)]
	if t == nil {
		return
	}
	w := &wanted{table: t.Name, why: []string{why}, sorts: desc != nil}
	for _, el := range els {
		col := columnOf(e, el)
		if col == "" || !indexable(t, col) {
			return
		}
		if desc[el] {
			col += descending
		}
		if !slices.Contains(w.cols, col) {
			w.cols = append(w.cols, col)
		}
	}
	key := w.table + "(" + strings.Join(w.cols, ",")
	if old := x.byName[key]; old != nil {
		old.sorts = old.sorts || w.sorts
		if !x.repeats && !slices.Contains(old.why, why) {
			old.why = append(old.why, why)
		}
		return
	}
	x.byName[key] = w
	x.list = append(x.list, w)
}

// columnOf returns the name of the table's column behind an element of a projection, "" for none.
func columnOf(e *csn.Entity, el *csn.Element) string {
	for e.Base != nil {
		if el = el.Origin; el == nil {
			return ""
		}
		e = e.Base
	}
	if el.Virtual || el.Assoc() != nil || el.Value() != nil && !el.Stored {
		return ""
	}
	return el.Name
}

// indexable reports whether a column can be in an index: large texts and bytes cannot.
func indexable(t *ddl.Table, name string) bool {
	for _, c := range t.Columns {
		if c.Name == name {
			switch c.Type {
			case "NCLOB", "TEXT", "BLOB", "BYTEA", "JSON_TEXT", "JSONB":
				return false
			}
			return true
		}
	}
	return false
}

// named wants the indexes that an entity names itself.
func (x *indexer) named(e *csn.Entity) {
	for _, a := range e.Annotations {
		name, ok := strings.CutPrefix(a.Name, "cds.persistence.index.")
		if !ok || a.Value == nil || a.Value.Kind != cqn.AnnoArray {
			continue
		}
		var els []*csn.Element
		desc := map[*csn.Element]bool{}
		for _, it := range a.Value.Items {
			path, order, _ := strings.Cut(strings.TrimSpace(it.Str()), " ")
			at := elementsAt(e, path)
			if len(at) == 0 { // a projection that inherits the annotation without the element
				els = nil
				break
			}
			els = append(els, at...)
			for _, el := range at {
				desc[el] = strings.EqualFold(strings.TrimSpace(order), "desc")
			}
		}
		x.addSorted(e, els, desc, "@cds.persistence.index."+name+" of "+e.Name)
	}
}

// elementsAt returns the flat elements of a path: an element, the foreign keys of an association.
func elementsAt(e *csn.Entity, path string) []*csn.Element {
	el := e.Flat.Lookup(strings.ReplaceAll(path, ".", "_"))
	switch {
	case el == nil:
		return nil
	case el.Assoc() != nil:
		return el.Assoc().FK
	}
	return []*csn.Element{el}
}

// maxNesting bounds the depth of conditions that are looked into.
const maxNesting = 20

// condition wants what a restriction's condition needs: each part of an or by itself, the comparisons of an and together.
func (x *indexer) condition(e *csn.Entity, cond cqn.Expr, why string, depth int) {
	if depth > maxNesting {
		return
	}
	if b, ok := cond.(*cqn.Binary); ok && b.Op == cqn.Or {
		x.condition(e, b.L, why, depth+1)
		x.condition(e, b.R, why, depth+1)
		return
	}
	var own []*csn.Element
	x.conjuncts(e, cond, why, depth, &own)
	x.add(e, own, why)
	if len(own) > 0 {
		if more := analytic(e, own); more != nil {
			x.addSorted(e, append(slices.Clone(own), more...), map[*csn.Element]bool{}, why+" with what is aggregated")
		}
	}
}

// conjuncts collects the elements that an and compares with the user, and wants what its other parts need.
func (x *indexer) conjuncts(e *csn.Entity, cond cqn.Expr, why string, depth int, own *[]*csn.Element) {
	if depth > maxNesting {
		return
	}
	switch c := cond.(type) {
	case *cqn.Binary:
		switch c.Op {
		case cqn.And:
			x.conjuncts(e, c.L, why, depth+1, own)
			x.conjuncts(e, c.R, why, depth+1, own)
		case cqn.Or:
			x.condition(e, c, why, depth+1)
		case cqn.Eq, cqn.EqNull:
			if ofUser(c.R) {
				x.compared(e, c.L, why, own)
			} else if ofUser(c.L) {
				x.compared(e, c.R, why, own)
			}
		}
	case *cqn.In:
		if !c.Negated && ofUser(c.Set) {
			x.compared(e, c.X, why, own)
		}
	case *cqn.Exists:
		x.exists(e, c, why, depth)
	}
}

// ofUser reports whether a value comes from the user, not from the model.
func ofUser(v cqn.Expr) bool {
	p, ok := v.(*cqn.Param)
	return ok && (p.From == cqn.FromUserID || p.From == cqn.FromUserAttr || p.From == cqn.FromUserTenant)
}

// compared notes an element that is compared with the user. At the end of a path, its own entity gets an index, and the foreign key that leads to it.
func (x *indexer) compared(e *csn.Entity, v cqn.Expr, why string, own *[]*csn.Element) {
	ref, ok := v.(*cqn.Ref)
	if !ok {
		return
	}
	first, at, path := true, e, names(ref)
	for n := 1; n <= len(path); n++ {
		el := at.Flat.Lookup(strings.Join(path[:n], "_"))
		if el == nil {
			continue
		}
		a := el.Assoc()
		switch {
		case a == nil && first:
			*own = append(*own, el)
			return
		case a == nil:
			x.add(at, []*csn.Element{el}, why)
			return
		case a.Target == nil || len(path) == n:
			return
		}
		if first {
			*own = append(*own, a.FK...)
		}
		first, at, path, n = false, a.Target, path[n:], 0
	}
}

func names(ref *cqn.Ref) []string {
	out := make([]string, 0, len(ref.Path))
	for _, s := range ref.Path {
		if s.Name != "$self" {
			out = append(out, s.Name)
		}
	}
	return out
}

// exists wants an index of the rows that a condition asks for: by what joins them, and what is compared with the user.
func (x *indexer) exists(e *csn.Entity, c *cqn.Exists, why string, depth int) {
	if c.Path == nil || c.Inverse != "" {
		return
	}
	at := e
	for i, s := range c.Path.Path {
		el := at.Flat.Lookup(s.Name)
		if el == nil || el.Assoc() == nil || el.Assoc().Target == nil {
			return
		}
		a := el.Assoc()
		at = a.Target
		var own []*csn.Element
		if s.Filter != nil {
			x.conjuncts(at, s.Filter, why, depth+1, &own)
		}
		if i == len(c.Path.Path)-1 && c.Pred != nil && c.Var == "" {
			x.conjuncts(at, c.Pred, why, depth+1, &own)
		}
		x.add(at, append(targets(a), own...), why)
	}
}

// analytic returns the dimensions and measures of an entity that says that it has some.
func analytic(e *csn.Entity, own []*csn.Element) []*csn.Element {
	var dims, measures []*csn.Element
	for _, el := range e.Flat {
		switch {
		case slices.Contains(own, el):
		case el.Annotations.Is("Analytics.Dimension"):
			dims = append(dims, el)
		case el.Annotations.Is("Analytics.Measure"), el.Annotations.Get("Aggregation.default") != nil:
			measures = append(measures, el)
		}
	}
	if len(measures) == 0 {
		return nil
	}
	return append(dims, measures...)
}

// result leaves out what a key or another index covers.
func (x *indexer) result() []ddl.Index {
	for _, w := range x.list { // the longest that begins with it serves as well
		for _, other := range x.list {
			if other != w && len(w.why) > 0 && begins(other, w) {
				other.why, w.why = append(other.why, w.why...), nil
			}
		}
	}
	var out []ddl.Index
	for _, w := range x.list {
		if len(w.why) == 0 || isPrefix(w.cols, x.tables[w.table].Key) {
			continue
		}
		cols := make([]string, len(w.cols))
		for i, c := range w.cols {
			cols[i] = x.column(w, c)
		}
		slices.Sort(w.why)
		out = append(out, ddl.Index{Name: indexName(w), Table: w.table, SQL: "(" + strings.Join(cols, ", ") + ")", Why: strings.Join(slices.Compact(w.why), "; ")})
	}
	slices.SortFunc(out, func(a, b ddl.Index) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// column returns the SQL of a column of an index.
func (x *indexer) column(w *wanted, name string) string {
	name, desc := strings.CutSuffix(name, descending)
	sql := sqlgen.Quote(name, x.d)
	if desc {
		sql += descending
	}
	if w.sorts && x.d.Tables().NullsHigh && x.nullable(w.table, name) {
		sql += map[bool]string{false: " NULLS FIRST", true: " NULLS LAST"}[desc]
	}
	return sql
}

func (x *indexer) nullable(table, name string) bool {
	for _, c := range x.tables[table].Columns {
		if c.Name == name {
			return !c.NotNull
		}
	}
	return false
}

func begins(long, short *wanted) bool {
	return long.table == short.table && len(long.why) > 0 && len(long.cols) > len(short.cols) && isPrefix(short.cols, long.cols)
}

func isPrefix(short, long []string) bool {
	return len(short) <= len(long) && slices.Equal(short, long[:len(short)])
}

// maxIndexName is what all databases take for a name.
const maxIndexName = 60

// indexName is made of the table and its columns, so that equal indexes have equal names.
func indexName(w *wanted) string {
	name := "ix_" + w.table + "_" + strings.ReplaceAll(strings.Join(w.cols, "_"), descending, "_desc")
	if len(name) <= maxIndexName {
		return name
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return fmt.Sprintf("%s_%08x", name[:maxIndexName-9], h.Sum32())
}
