package isolation

import (
	"cds/parser/cqn"
	"cds/parser/csn"
)

func from(e *csn.Entity) *cqn.From { return &cqn.From{Path: cqn.NewRef(e.Name)} }

// some is a literal that compares with anything.
func some() cqn.Expr { return &cqn.Lit{Value: cqn.String("1")} }

func equal(names ...string) cqn.Expr {
	return &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef(names...), R: some()}
}

// columns are the elements with a column.
func columns(e *csn.Entity) (out []*csn.Element) {
	for _, el := range e.Flat {
		if el.Assoc() == nil && !el.Virtual {
			out = append(out, el)
		}
	}
	return out
}

// queries are what requests to an entity itself come to.
func queries(e *csn.Entity) []cqn.Query {
	if e.SkipPersistence {
		return nil
	}
	count := cqn.Column{X: &cqn.Call{Name: "count", Star: true}, As: "n"}
	var cols []cqn.Column
	row, changes := cqn.NewRow(), cqn.NewRow()
	var where cqn.Expr
	for _, el := range columns(e) {
		cols = append(cols, cqn.Column{X: cqn.NewRef(el.Name)})
		if el.Value() == nil && !el.OnRead {
			row.Set(el.Name, cqn.String("1"))
			if !el.Key {
				changes.Set(el.Name, cqn.String("1"))
			}
		}
		if where == nil && !el.Annotations.Is("tenant") {
			where = equal(el.Name)
		}
	}
	if len(cols) == 0 || where == nil {
		return nil
	}
	ref := cqn.NewRef(e.Name)
	fails := &cqn.Binary{Op: cqn.Eq, L: &cqn.Binary{Op: cqn.Div, L: &cqn.Lit{Value: cqn.Int(1)}, R: &cqn.Lit{Value: cqn.Int(0)}}, R: &cqn.Lit{Value: cqn.Int(1)}}
	out := []cqn.Query{
		&cqn.Select{From: from(e), Columns: cols},
		&cqn.Select{From: from(e), Columns: cols, Where: where, One: true},
		&cqn.Select{From: from(e), Columns: cols, Where: &cqn.Binary{Op: cqn.Or, L: where, R: fails}},
		&cqn.Select{From: from(e), Columns: []cqn.Column{count}},
		&cqn.Select{From: from(e), Columns: []cqn.Column{cols[0], count}, GroupBy: []cqn.Expr{cols[0].X}},
		&cqn.Insert{Into: e.Name, Rows: []*cqn.Row{row}},
		&cqn.Update{Entity: ref, Data: changes, Where: where},
		&cqn.Update{Entity: ref, Data: changes, Where: fails},
		&cqn.Delete{From: ref, Where: where},
		&cqn.Delete{From: ref},
	}
	if e.Localized {
		out = append(out, &cqn.Select{From: from(e), Columns: cols, Localized: true}, &cqn.Select{From: from(e), Columns: cols, Localized: true, Where: fails})
	}
	return out
}

// pathQueries are what uses of an association come to: followed in the resource path, expanded, and asked in a condition, for sorting and grouping.
func pathQueries(e *csn.Entity, el *csn.Element) []cqn.Query {
	target := el.Assoc().Target
	tc := columns(target)
	key := columns(e)
	if len(tc) == 0 || len(key) == 0 {
		return nil
	}
	own := []cqn.Column{{X: cqn.NewRef(key[0].Name)}}
	last := tc[len(tc)-1].Name
	nested := &cqn.Select{}
	for _, c := range tc {
		nested.Columns = append(nested.Columns, cqn.Column{X: cqn.NewRef(c.Name)})
	}
	follow := cqn.NewRef(e.Name, el.Name)
	exists := &cqn.Exists{Path: cqn.NewRef(el.Name), Pred: equal(last)}
	out := []cqn.Query{
		&cqn.Select{From: &cqn.From{Path: follow}, Columns: nested.Columns},
		&cqn.Select{From: from(e), Columns: append(own[:1:1], cqn.Column{X: cqn.NewRef(el.Name), Expand: nested})},
		&cqn.Select{From: from(e), Columns: own, Where: exists},
		&cqn.Select{From: from(e), Columns: own, Where: &cqn.Unary{Op: cqn.Not, X: exists}},
		&cqn.Update{Entity: cqn.NewRef(e.Name), Data: cqn.NewRow(cqn.Field{Name: key[len(key)-1].Name, Value: cqn.String("1")}), Where: exists},
		&cqn.Delete{From: cqn.NewRef(e.Name), Where: exists},
	}
	if !el.Assoc().Many {
		path := cqn.NewRef(el.Name, last)
		out = append(out,
			&cqn.Select{From: from(e), Columns: append(own[:1:1], cqn.Column{X: path, As: "x"}), OrderBy: []cqn.Order{{X: path}}},
			&cqn.Select{From: from(e), Columns: []cqn.Column{{X: path, As: "x"}, {X: &cqn.Call{Name: "count", Star: true}, As: "n"}}, GroupBy: []cqn.Expr{path}})
	}
	return out
}
