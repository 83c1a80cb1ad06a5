package generic

import (
	"context"
	"slices"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
)

// deep writes a row and, below it, the rows of its compositions. Every statement goes through the request's guard: a child that has a
// restriction of its own is checked like a root (decision 6), one that has none follows its root.
type deep struct {
	h  *handlers
	r  *cds.RawRequest
	at *place // of the row that is written, for messages
}

// below runs fn for a child of the current row.
func (d *deep) below(el *csn.Element, row *cds.Row, pos int, fn func() error) error {
	old := d.at
	d.at = child(old, el, row, pos)
	err := fn()
	d.at = old
	return err
}

// flat returns the fields of a payload that are columns; keys are left out on request.
func flat(e *csn.Entity, row *cds.Row, noKeys bool) *cds.Row {
	fs := make([]cqn.Field, 0, len(row.Fields()))
	for _, f := range row.Fields() {
		if el := element(e, f.Name); el != nil && stored(e, el) && !(noKeys && el.Key) {
			f.Value = column(f.Value)
			fs = append(fs, f)
		}
	}
	return cqn.NewRow(fs...)
}

// column gives the value of an array or map element a form that does not look like the rows of a composition.
func column(v cqn.Value) cqn.Value {
	switch v.Kind() {
	case cqn.KindRows:
		return cqn.List(items(v))
	case cqn.KindRow:
		return cqn.String(string(cds.Format{}.AppendValue(nil, nil, v)))
	}
	return v
}

// holdsKey tells compositions whose foreign key is in the parent: composition of one.
func holdsKey(a *csn.Assoc) bool { return !a.Many && len(a.FK) > 0 }

// insert adds a row and its children. The database hears of all of them at once.
func (d *deep) insert(ctx context.Context, e *csn.Entity, row *cds.Row, depth int) error {
	if err := d.add(ctx, e, row, depth); err != nil {
		return err
	}
	return d.r.Flush(ctx)
}

// add is insert, but for rows that the database may not have heard of yet.
func (d *deep) add(ctx context.Context, e *csn.Entity, row *cds.Row, depth int) error {
	if depth > maxDepth {
		return cds.Reject(400, "400", "The payload is nested too deep.")
	}
	for _, el := range compositions(e) {
		if a := el.Assoc(); holdsKey(a) && row.Value(el.Name).Row() != nil {
			part := row.Value(el.Name).Row()
			if err := d.below(el, part, 0, func() error { return d.insertPart(ctx, a, row, part, depth) }); err != nil {
				return err
			}
		}
	}
	if err := d.r.InsertLater(ctx, &cqn.Insert{Into: e.Name, Rows: []*cds.Row{flat(e, row, false)}}); err != nil {
		return err
	}
	d.h.touch(d.r, e, row, d.at)
	for _, el := range compositions(e) {
		a := el.Assoc()
		v, ok := row.Get(el.Name)
		if !ok || holdsKey(a) {
			continue
		}
		parent := d.fromParent(a, row)
		for i, c := range children(v) {
			if err := setParent(c, parent); err != nil {
				return err
			}
			if err := d.below(el, c, i, func() error { return d.add(ctx, a.Target, c, depth+1) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// insertPart adds the row of a composition of one and sets the foreign key of its parent.
func (d *deep) insertPart(ctx context.Context, a *csn.Assoc, row, part *cds.Row, depth int) error {
	if err := d.add(ctx, a.Target, part, depth+1); err != nil {
		return err
	}
	for i, fk := range a.FK {
		row.Set(fk.Name, part.Value(a.FKTarget[i].Name))
	}
	return nil
}

// fromParent returns the values that children get from their parent.
func (d *deep) fromParent(a *csn.Assoc, parent *cds.Row) []given {
	out := make([]given, 0, len(a.Pairs))
	for _, p := range a.Pairs {
		out = append(out, given{p.Target.Name, parent.Value(p.Source.Name)})
	}
	return out
}

// update changes a row that was located, and its children: those in the payload are the whole new set. old has keys and joined columns.
func (d *deep) update(ctx context.Context, e *csn.Entity, old, data *cds.Row, depth int) error {
	if depth > maxDepth {
		return cds.Reject(400, "400", "The payload is nested too deep.")
	}
	if err := d.h.dropReadOnly(ctx, e, old, data); err != nil {
		return err
	}
	for _, el := range compositions(e) {
		a := el.Assoc()
		v, ok := data.Get(el.Name)
		if !ok || !holdsKey(a) {
			continue
		}
		if err := d.below(el, v.Row(), 0, func() error { return d.updatePart(ctx, el, old, data, v.Row(), depth) }); err != nil {
			return err
		}
	}
	if set := flat(e, data, true); len(set.Fields()) > 0 {
		res, err := d.r.Execute(ctx, &cqn.Update{Entity: cqn.NewRef(e.Name), Where: cds.KeyFilter(e, old), Data: set})
		if err != nil {
			return err
		}
		if res.Affected == 0 {
			return forbidden(d.r)
		}
	}
	d.h.touch(d.r, e, old, d.at)
	for _, el := range compositions(e) {
		v, ok := data.Get(el.Name)
		if !ok || holdsKey(el.Assoc()) {
			continue
		}
		if err := d.updateChildren(ctx, el, old, children(v), depth); err != nil {
			return err
		}
	}
	return nil
}

// updatePart changes a composition of one: the same part is changed, another one takes its place, null removes it. The old part goes while its
// parent still refers to it, since its restriction may ask for the parent.
func (d *deep) updatePart(ctx context.Context, el *csn.Element, old, data, part *cds.Row, depth int) error {
	a := el.Assoc()
	current, err := d.currentPart(ctx, a, old)
	if err != nil {
		return err
	}
	if current != nil && part != nil && sameKeys(a.Target, current, part) {
		(&manager{h: d.h, r: d.r}).changed(part, a.Target)
		return d.update(ctx, a.Target, current, part, depth+1)
	}
	if current != nil {
		if err := d.remove(ctx, a.Target, current, depth+1); err != nil {
			return err
		}
	}
	if part == nil {
		for _, fk := range a.FK {
			data.Set(fk.Name, cqn.Null)
		}
		return nil
	}
	(&manager{h: d.h, r: d.r}).created(part, a.Target, depth+1)
	return d.insertPart(ctx, a, data, part, depth)
}

// currentPart returns the row of a composition of one, nil if there is none.
func (d *deep) currentPart(ctx context.Context, a *csn.Assoc, parent *cds.Row) (*cds.Row, error) {
	var where cqn.Expr
	for _, p := range a.Pairs {
		v := parent.Value(p.Source.Name)
		if v.IsNull() {
			return nil, nil
		}
		where = and(where, &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef(p.Target.Name), R: &cqn.Lit{Value: v}})
	}
	if where == nil {
		return nil, nil
	}
	res, err := cds.DB(ctx).Run(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef(a.Target.Name)}, Columns: columnsToWrite(a.Target), Where: where})
	if err != nil || len(res.Rows) == 0 {
		return nil, err
	}
	return res.Rows[0], nil
}

// sameKeys tells whether a payload means a row: it has the same keys, or none.
func sameKeys(e *csn.Entity, row, data *cds.Row) bool {
	for _, k := range e.Keys {
		if v, ok := data.Get(k.Name); ok && v.Format() != row.Value(k.Name).Format() {
			return false
		}
	}
	return true
}

// updateChildren makes the children of a row those of the payload: known ones are changed, new ones added, those that are not in the
// payload removed. Children that the user may not read stay untouched, and a key of another parent's child is not found among these, so it
// ends in a conflict.
func (d *deep) updateChildren(ctx context.Context, el *csn.Element, parent *cds.Row, rows []*cds.Row, depth int) error {
	a := el.Assoc()
	existing, err := d.existing(ctx, a, parent)
	if err != nil {
		return err
	}
	from := d.fromParent(a, parent)
	seen := make([]bool, len(existing))
	var added []*cds.Row
	for pos, row := range rows {
		if err := setParent(row, from); err != nil {
			return err
		}
		i := slices.IndexFunc(existing, func(x *cds.Row) bool { return allKeys(a.Target, row) && sameKeys(a.Target, x, row) })
		if i < 0 {
			added = append(added, row)
			continue
		}
		if seen[i] {
			return &cds.Error{Status: 400, Code: "400", Message: "The payload has two rows with the same key.", Target: el.Name}
		}
		seen[i] = true
		if len(flat(a.Target, row, true).Fields()) > 0 {
			(&manager{h: d.h, r: d.r}).changed(row, a.Target)
		}
		dropImmutable(a.Target, row)
		if err := d.below(el, existing[i], pos, func() error { return d.update(ctx, a.Target, existing[i], row, depth+1) }); err != nil {
			return err
		}
	}
	var gone []*cds.Row
	for i, row := range existing {
		if !seen[i] {
			gone = append(gone, row)
		}
	}
	if err := d.removeAll(ctx, a.Target, gone, depth+1); err != nil {
		return err
	}
	for i, row := range added {
		(&manager{h: d.h, r: d.r}).created(row, a.Target, depth+1)
		if err := d.below(el, row, i, func() error { return d.insert(ctx, a.Target, row, depth+1) }); err != nil {
			return err
		}
	}
	return nil
}

// dropImmutable takes out what only new rows may set.
func dropImmutable(e *csn.Entity, row *cds.Row) {
	for _, el := range e.Flat {
		if anno(el, "Core.Immutable").True() {
			row.Delete(el.Name)
		}
	}
}

func allKeys(e *csn.Entity, row *cds.Row) bool { return cds.KeyFilter(e, row) != nil }

// existing returns the children of a row that the user may read.
func (d *deep) existing(ctx context.Context, a *csn.Assoc, parent *cds.Row) ([]*cds.Row, error) {
	where := joined(a, parent)
	if where == nil {
		return nil, nil
	}
	res, err := d.r.Execute(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef(a.Target.Name)}, Columns: columnsToWrite(a.Target), Where: where})
	if err != nil {
		return nil, err
	}
	return res.Rows, nil
}

// joined returns the condition that a row of the target belongs to a parent; nil if the parent can have none.
func joined(a *csn.Assoc, parent *cds.Row) cqn.Expr {
	var where cqn.Expr
	for _, p := range a.Pairs {
		v := parent.Value(p.Source.Name)
		if v.IsNull() {
			return nil
		}
		where = and(where, &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef(p.Target.Name), R: &cqn.Lit{Value: v}})
	}
	return where
}
