package cds

import (
	"context"

	"cds/parser/cqn"
)

// A Change is what a request is about to do to one element of a row.
type Change struct {
	Element  string
	Old, New Value
}

// A RowDiff is what a request is about to do to a row: Keys say which one.
type RowDiff struct {
	Keys    *Row
	Changes []Change
}

// Diff compares the payload of an UPDATE with the rows that it addresses, as far as the user may see them: elements that keep their value are left out,
// as are compositions. For a CREATE every element is new; for a DELETE none is compared and the keys alone tell which rows go.
func (r *RawRequest) Diff(ctx context.Context) ([]RowDiff, error) {
	if r.Target == nil {
		return nil, nil
	}
	if r.Event == "CREATE" || r.Event == "UPSERT" {
		var out []RowDiff
		for _, row := range append(r.Rows[:len(r.Rows):len(r.Rows)], r.Data) {
			if row != nil {
				out = append(out, r.diffRow(cqn.NewRow(), row))
			}
		}
		return out, nil
	}
	sub := r.Subject()
	if sub == nil {
		return nil, nil
	}
	sub.Columns = keyColumns(r.Target)
	if r.Event == "UPDATE" {
		for _, f := range r.Data.Fields() {
			if el := r.Target.Element(f.Name); el != nil && el.Assoc() == nil && !el.Key && !el.Virtual && (el.Seal() == nil || !el.Seal().Hashed()) {
				sub.Columns = append(sub.Columns, cqn.Column{X: cqn.NewRef(f.Name)})
			}
		}
	}
	res, err := r.ReadLarge(ctx, sub)
	if err != nil {
		return nil, err
	}
	out := make([]RowDiff, 0, len(res.Rows))
	for _, old := range res.Rows {
		out = append(out, r.diffRow(old, r.Data))
	}
	return out, nil
}

func (r *RawRequest) diffRow(old, data *Row) RowDiff {
	d := RowDiff{Keys: cqn.NewRow()}
	for _, k := range r.Target.Keys {
		v, ok := old.Get(k.Name)
		if !ok {
			v = data.Value(k.Name)
		}
		d.Keys.Set(k.Name, v)
	}
	for _, f := range data.Fields() {
		el := r.Target.Element(f.Name)
		if el == nil || el.Assoc() != nil || el.Key {
			continue
		}
		was := old.Value(f.Name)
		now := f.Value
		if c, err := Convert(el, now, f.Name); err == nil {
			now = c
		}
		if c, err := Convert(el, was, f.Name); err == nil {
			was = c
		}
		if was.IsNull() != now.IsNull() || was.Format() != now.Format() || was.Blob() != now.Blob() {
			d.Changes = append(d.Changes, Change{f.Name, was, now})
		}
	}
	return d
}
