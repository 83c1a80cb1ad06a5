package generic

import (
	"context"
	"slices"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
)

// How many rows one statement deletes at most: keys of one element are one list, others a chain of conditions, which databases take only so deep.
const (
	removedAtOnce = 500
	chainedAtOnce = 40
)

func atOnce(e *csn.Entity) int {
	n := removedAtOnce
	if len(e.Keys) > 1 {
		n = chainedAtOnce
	}
	for _, el := range compositions(e) {
		if len(el.Assoc().Pairs) > 1 {
			n = chainedAtOnce
		}
	}
	return n
}

// remove deletes a located row with all that is composed of it.
func (d *deep) remove(ctx context.Context, e *csn.Entity, row *cds.Row, depth int) error {
	return d.removeAll(ctx, e, []*cds.Row{row}, depth)
}

// removeAll deletes located rows, and before them their children: one statement for each level and some hundred rows. Children that the service shows go
// under the guard: one that the user may not delete refuses the whole. Rows with children are asked for, and locked, while these are there. Then the tables below follow, so that nothing is orphaned
// that the service does not show.
func (d *deep) removeAll(ctx context.Context, e *csn.Entity, rows []*cds.Row, depth int) error {
	if depth > maxDepth {
		return cds.Reject(400, "400", "The rows to be deleted are nested too deep.")
	}
	for some := range slices.Chunk(rows, atOnce(e)) {
		if err := d.removeSome(ctx, e, some, depth); err != nil {
			return err
		}
	}
	return nil
}

func (d *deep) removeSome(ctx context.Context, e *csn.Entity, rows []*cds.Row, depth int) error {
	where := keysAmong(e, rows)
	if where == nil {
		return cds.Reject(405, "405", "Rows of %q have no key and cannot be deleted.", e.Name)
	}
	whole := len(compositions(e)) > 0 || e.Table() != nil && len(compositions(e.Table())) > 0
	if whole {
		switch n, err := d.r.Removable(ctx, e, where); {
		case err != nil:
			return err
		case n < len(rows):
			return cds.Reject(403, "403", "Forbidden")
		}
	}
	for _, el := range compositions(e) {
		a := el.Assoc()
		cond := joinedAny(a, rows)
		if cond == nil || a.Rest != nil {
			continue // conditions beyond keys: left to the table's own composition
		}
		res, err := cds.DB(ctx).Run(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef(a.Target.Name)}, Columns: columnsToWrite(a.Target), Where: cond})
		if err != nil {
			return err
		}
		if len(res.Rows) > 0 {
			if err := d.removeAll(ctx, a.Target, res.Rows, depth+1); err != nil {
				return err
			}
		}
	}
	keys := make([]*cds.Row, len(rows))
	for i, row := range rows {
		keys[i] = tableKeys(e, row)
	}
	if err := d.cascade(ctx, e.Table(), keys, depth); err != nil {
		return err
	}
	run := d.r.Execute
	if whole { // the question whether they may go has been answered while their parts were there
		run = cds.DB(ctx).Run
	}
	res, err := run(ctx, &cqn.Delete{From: cqn.NewRef(e.Name), Where: where})
	if err != nil {
		return err
	}
	if res.Affected < int64(len(rows)) {
		return cds.Reject(403, "403", "Forbidden")
	}
	return nil
}

// keysAmong returns the condition that the keys of e are those of one of the rows; nil if a row lacks one.
func keysAmong(e *csn.Entity, rows []*cds.Row) cqn.Expr {
	if len(rows) == 1 {
		return cds.KeyFilter(e, rows[0])
	}
	if len(e.Keys) == 1 {
		set := &cqn.Tuple{}
		for _, row := range rows {
			v := row.Value(e.Keys[0].Name)
			if v.IsNull() {
				return nil
			}
			set.Items = append(set.Items, &cqn.Lit{Value: v})
		}
		return &cqn.In{X: cqn.NewRef(e.Keys[0].Name), Set: set}
	}
	var any cqn.Expr
	for _, row := range rows {
		one := cds.KeyFilter(e, row)
		if one == nil {
			return nil
		}
		any = either(any, one)
	}
	return any
}

func either(l, r cqn.Expr) cqn.Expr {
	if l == nil {
		return r
	}
	return &cqn.Binary{Op: cqn.Or, L: l, R: r}
}

// joinedAny returns the condition that a row of the target belongs to one of the parents; nil if none can have any.
func joinedAny(a *csn.Assoc, parents []*cds.Row) cqn.Expr {
	if len(parents) == 1 || len(a.Pairs) != 1 {
		var any cqn.Expr
		for _, p := range parents {
			if one := joined(a, p); one != nil {
				any = either(any, one)
			}
		}
		return any
	}
	set := &cqn.Tuple{}
	for _, p := range parents {
		if v := p.Value(a.Pairs[0].Source.Name); !v.IsNull() {
			set.Items = append(set.Items, &cqn.Lit{Value: v})
		}
	}
	if len(set.Items) == 0 {
		return nil
	}
	return &cqn.In{X: cqn.NewRef(a.Pairs[0].Target.Name), Set: set}
}

// tableKeys returns the keys of a row as those of the table behind e.
func tableKeys(e *csn.Entity, row *cds.Row) *cds.Row {
	out := cqn.NewRow()
	for _, k := range e.Keys {
		o := k
		for o.Origin != nil {
			o = o.Origin
		}
		out.Set(o.Name, row.Value(k.Name))
	}
	return out
}

// cascade deletes what is composed of a table's rows and not shown by the service. It runs as the database's owner: such rows follow their
// root.
func (d *deep) cascade(ctx context.Context, t *csn.Entity, keys []*cds.Row, depth int) error {
	if t == nil || depth > maxDepth {
		return nil
	}
	where := keysAmong(t, keys)
	if where == nil {
		return nil
	}
	db := cds.DB(ctx)
	for _, el := range compositions(t) {
		a := el.Assoc()
		child := a.Target.Table()
		if child == nil || child.SkipPersistence || len(child.Keys) == 0 || holdsKey(a) {
			continue
		}
		path := &cqn.Ref{Path: []cqn.Step{{Name: t.Name, Filter: where}, {Name: el.Name}}}
		res, err := db.Run(ctx, &cqn.Select{From: &cqn.From{Path: path}, Columns: columnsToWrite(a.Target)})
		if err != nil {
			return err
		}
		for some := range slices.Chunk(res.Rows, atOnce(child)) {
			below := make([]*cds.Row, len(some))
			for i, row := range some {
				below[i] = tableKeys(a.Target, row)
			}
			if err := d.cascade(ctx, child, below, depth+1); err != nil {
				return err
			}
			which := keysAmong(child, below)
			if which == nil { // a deletion without condition would take all
				return cds.Reject(405, "405", "Rows of %q have no key and cannot be deleted.", child.Name)
			}
			if _, err := db.Run(ctx, &cqn.Delete{From: cqn.NewRef(child.Name), Where: which}); err != nil {
				return err
			}
		}
	}
	return nil
}
