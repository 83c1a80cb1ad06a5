package generic

import (
	"context"
	"fmt"
	"slices"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
)

// Rows that are deleted together may be many more than fit into memory. Where the model tells that each row below is met once, they are walked twice in portions:
// all are asked for and locked, then they go. Else what has been asked for has to be remembered, and there is a bound.

// maxRemembered is how many rows are deleted together where they have to be remembered.
const maxRemembered = 100_000

// inPortions reports whether the rows below e can be walked twice without remembering them: on a cycle of the model a row has one parent, since the composition is by the
// parent's keys, and no other composition of the cycle leads to it. Elsewhere paths are as many as the model has.
func inPortions(e *csn.Entity) bool {
	seen := map[*csn.Entity]bool{}
	var all []*csn.Entity
	var visit func(*csn.Entity)
	visit = func(e *csn.Entity) {
		if e == nil || seen[e] {
			return
		}
		seen[e] = true
		all = append(all, e)
		for _, el := range compositions(e) {
			visit(el.Assoc().Target)
		}
	}
	visit(e)
	back := map[*csn.Entity]int{}
	for _, p := range all {
		if !identified(p) || len(p.Keys) == 0 {
			return false
		}
		for _, el := range compositions(p) {
			a := el.Assoc()
			if !leads(a.Target, p, map[*csn.Entity]bool{}) {
				continue
			}
			if back[a.Target]++; back[a.Target] > 1 || !ofOneParent(p, a) {
				return false
			}
		}
	}
	return true
}

// leads reports whether compositions lead from one entity to another, or are those of the same.
func leads(from, to *csn.Entity, seen map[*csn.Entity]bool) bool {
	if from == to {
		return true
	}
	if seen[from] {
		return false
	}
	seen[from] = true
	return slices.ContainsFunc(compositions(from), func(el *csn.Element) bool { return leads(el.Assoc().Target, to, seen) })
}

// ofOneParent reports whether a composition of e says for each row below whose it is: it compares all keys of the parent.
func ofOneParent(e *csn.Entity, a *csn.Assoc) bool {
	return !holdsKey(a) && !slices.ContainsFunc(e.Keys, func(k *csn.Element) bool {
		return !slices.ContainsFunc(a.Pairs, func(p csn.JoinPair) bool { return p.Source == k })
	})
}

// askAll asks for rows and all that the service shows to be composed of them, and locks them.
func (d *deep) askAll(ctx context.Context, e *csn.Entity, rows []*cds.Row, depth int) error {
	if depth > maxDepth {
		return tooDeep()
	}
	for some := range slices.Chunk(rows, atOnce(e)) {
		if err := d.ask(ctx, e, some); err != nil {
			return err
		}
		for _, el := range compositions(e) {
			if err := d.eachPortion(ctx, el.Assoc(), some, func(rows []*cds.Row) error { return d.askAll(ctx, el.Assoc().Target, rows, depth+1) }); err != nil {
				return err
			}
		}
	}
	return nil
}

func tooDeep() error { return cds.Reject(400, "400", "The rows to be deleted are nested too deep.") }

// ask refuses rows that the user may not delete.
func (d *deep) ask(ctx context.Context, e *csn.Entity, rows []*cds.Row) error {
	where := keysAmong(e, rows)
	if where == nil {
		return noKey(e)
	}
	switch n, err := d.r.Removable(ctx, e, where); {
	case err != nil:
		return err
	case n < len(rows):
		return forbidden(d.r)
	}
	return nil
}

// eachPortion calls fn for the rows that a composition has below some parents, in the order of their keys.
func (d *deep) eachPortion(ctx context.Context, a *csn.Assoc, parents []*cds.Row, fn func([]*cds.Row) error) error {
	var last *cds.Row
	for n := atOnce(a.Target); ; {
		rows, err := d.portion(ctx, a, parents, last)
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := fn(rows); err != nil {
			return err
		}
		if len(rows) < n {
			return nil
		}
		last = rows[len(rows)-1]
	}
}

// portion returns the next rows that a composition has below some parents, behind one of them.
func (d *deep) portion(ctx context.Context, a *csn.Assoc, parents []*cds.Row, last *cds.Row) ([]*cds.Row, error) {
	where := joinedAny(a, parents)
	if where == nil || a.Rest != nil {
		return nil, nil // conditions beyond keys: left to the table's own composition
	}
	t := a.Target
	q := &cqn.Select{From: &cqn.From{Path: cqn.NewRef(t.Name)}, Columns: columnsToWrite(t), Where: where, OrderBy: byKeys(t), Limit: &cqn.Lit{Value: cqn.Int(int64(atOnce(t)))}}
	if last != nil {
		q.Where = and(where, behind(t, last))
	}
	res, err := cds.DB(ctx).Run(ctx, q)
	if err != nil {
		return nil, err
	}
	return res.Rows, nil
}

// behind returns the condition that a row comes after another in the order of keys.
func behind(e *csn.Entity, row *cds.Row) cqn.Expr {
	var out cqn.Expr
	for i := len(e.Keys) - 1; i >= 0; i-- {
		name := e.Keys[i].Name
		v := &cqn.Lit{Value: row.Value(name)}
		more := cqn.Expr(&cqn.Binary{Op: cqn.Gt, L: cqn.NewRef(name), R: v})
		if out != nil {
			more = either(more, and(&cqn.Binary{Op: cqn.Eq, L: cqn.NewRef(name), R: v}, out))
		}
		out = more
	}
	return out
}

// takeAll deletes rows that were asked for, those below them first.
func (d *deep) takeAll(ctx context.Context, e *csn.Entity, rows []*cds.Row, depth int) error {
	if depth > maxDepth {
		return tooDeep()
	}
	for some := range slices.Chunk(rows, atOnce(e)) {
		for _, el := range compositions(e) {
			a := el.Assoc()
			for first := ""; ; {
				below, err := d.portion(ctx, a, some, nil)
				if err != nil {
					return err
				}
				if len(below) == 0 {
					break
				}
				if k := keyText(a.Target, below[0]); k == first {
					return fmt.Errorf("rows of %s are still there after they were deleted", a.Target.Name)
				} else {
					first = k
				}
				if err := d.takeAll(ctx, a.Target, below, depth+1); err != nil {
					return err
				}
				if len(below) < atOnce(a.Target) {
					break
				}
			}
		}
		if err := d.removeSome(ctx, &removal{e, some, depth}, true); err != nil {
			return err
		}
	}
	return nil
}
