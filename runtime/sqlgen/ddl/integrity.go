package ddl

import (
	"cds/parser/csn"
	"cds/runtime/sqlgen"
)

// references adds a foreign key constraint for each managed association to one whose target is a table with those keys. It is checked at the end of
// the transaction, so that deep inserts may write in any order. @assert.integrity: false on an association, its entity or its target
// leaves it out. Rows of a composition go with their parent.
func (g *generator) references() {
	byName := map[string]*csn.Entity{}
	for _, e := range g.m.Entities {
		byName[e.Name] = e
	}
	for i := range g.schema.Tables {
		t := &g.schema.Tables[i]
		e := byName[t.Entity]
		if e == nil || e.Annotations.Get("assert.integrity").False() {
			continue
		}
		for _, el := range e.Flat {
			if c, ok := g.reference(t, el); ok {
				t.Constraints = append(t.Constraints, c)
			}
		}
	}
}

func (g *generator) reference(t *Table, el *csn.Element) (Constraint, bool) {
	a := el.Assoc()
	if a == nil || len(a.FK) == 0 || len(a.FK) != len(a.FKTarget) || a.Target == nil || el.Annotations.Get("assert.integrity").False() {
		return Constraint{}, false
	}
	target := a.Target.Table()
	if target == nil || target != a.Target || !persisted(target) || target.Annotations.Get("assert.integrity").False() {
		return Constraint{}, false
	}
	keys := Key(target)
	if len(keys) != len(a.FKTarget) {
		return Constraint{}, false
	}
	cols, refs := make([]string, len(keys)), make([]string, len(keys))
	for i, k := range keys { // in the order of the target's key
		for j, ft := range a.FKTarget {
			if ft.Name == k {
				cols[i], refs[i] = a.FK[j].Name, k
			}
		}
		if cols[i] == "" || t.column(cols[i]) == nil {
			return Constraint{}, false
		}
	}
	onDelete := "NO ACTION" // unlike RESTRICT it waits for the end of the transaction
	if isParent(el, target) {
		onDelete = "CASCADE"
	}
	return Constraint{
		Name: "c__" + t.Name + "_" + el.Name,
		SQL: "FOREIGN KEY(" + names(cols, g.d) + ") REFERENCES " + sqlgen.Quote(sqlgen.TableName(target), g.d) + "(" + names(refs, g.d) +
			") ON DELETE " + onDelete + " DEFERRABLE INITIALLY DEFERRED",
		Refs: sqlgen.TableName(target),
	}, true
}

// isParent reports whether an association leads from the part of a composition to its whole.
func isParent(el *csn.Element, target *csn.Entity) bool {
	for _, p := range target.Flat {
		if a := p.Assoc(); a != nil && a.Composition && a.Backlink != nil && a.Backlink == el {
			return true
		}
	}
	return false
}
