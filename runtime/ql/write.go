package ql

import (
	"context"
	"errors"
	"slices"

	"cds/parser/cqn"
	cds "cds/runtime"
)

// A Row is the values of a row by element. Nested rows are Row and []Row, arrays []any.
type Row = map[string]any

// An InsertQuery adds rows.
type InsertQuery struct {
	into   string
	rows   []*cds.Row
	upsert bool
	err    error
}

// Insert begins adding rows to an entity.
func Insert(entity string, rows ...Row) *InsertQuery {
	return (&InsertQuery{into: entity}).Entries(rows...)
}

// Upsert begins adding rows, or changing those whose keys exist.
func Upsert(entity string, rows ...Row) *InsertQuery {
	return (&InsertQuery{into: entity, upsert: true}).Entries(rows...)
}

// Entries adds rows.
func (q *InsertQuery) Entries(rows ...Row) *InsertQuery {
	for _, r := range rows {
		row, err := cds.RowOf(r)
		q.err = errors.Join(q.err, err)
		q.rows = append(q.rows, row)
	}
	return q
}

// Values adds rows of values in the order of columns.
func (q *InsertQuery) Values(columns []string, rows ...[]any) *InsertQuery {
	for _, vs := range rows {
		if len(vs) != len(columns) {
			q.err = errors.Join(q.err, errors.New("a row has not as many values as there are columns"))
			return q
		}
		row := cqn.NewRow()
		for i, v := range vs {
			val, err := cds.ValueOf(v)
			q.err = errors.Join(q.err, err)
			row.Set(columns[i], val)
		}
		q.rows = append(q.rows, row)
	}
	return q
}

// Query returns the query as data.
func (q *InsertQuery) Query() (cqn.Query, error) {
	if q.upsert {
		return &cqn.Upsert{Into: q.into, Rows: q.rows}, q.err
	}
	return &cqn.Insert{Into: q.into, Rows: q.rows}, q.err
}

// Run adds the rows. A service answers what the user may read of them, generated keys included.
func (q *InsertQuery) Run(ctx context.Context, r cds.Runner) (*cds.Result, error) {
	if len(q.rows) == 0 {
		return &cds.Result{}, q.err
	}
	x, err := q.Query()
	return run(ctx, r, x, err)
}

var errNoWhere = errors.New("an update or delete without a condition: say All() if all rows are meant")

// An UpdateQuery changes rows.
type UpdateQuery struct {
	q   cqn.Update
	all bool
	err error
}

// Update begins a change of rows of an entity. It needs Where, or All for all rows.
func Update(entity string) *UpdateQuery {
	return &UpdateQuery{q: cqn.Update{Entity: cqn.NewRef(entity)}}
}

// Where adds conditions; all must hold.
func (u *UpdateQuery) Where(conditions ...Expr) *UpdateQuery {
	u.q.Where = both(u.q.Where, conditions, &u.err)
	return u
}

// All says that all rows are meant.
func (u *UpdateQuery) All() *UpdateQuery { u.all = true; return u }

// Set gives an element a value, or what an expression computes from the row as it was: Set("stock", ql.Minus("stock", 1)).
func (u *UpdateQuery) Set(element string, value any) *UpdateQuery {
	if x, ok := value.(Expr); ok {
		u.err = errors.Join(u.err, x.err)
		u.q.With = append(u.q.With, cqn.Assignment{Name: element, X: x.x})
		return u
	}
	v, err := cds.ValueOf(value)
	u.err = errors.Join(u.err, err)
	if u.q.Data == nil {
		u.q.Data = cqn.NewRow()
	}
	u.q.Data.Set(element, v)
	return u
}

// Data gives several elements values; nested rows are the new set of children.
func (u *UpdateQuery) Data(row Row) *UpdateQuery {
	for _, n := range sorted(row) {
		u.Set(n, row[n])
	}
	return u
}

func sorted(row Row) []string {
	names := make([]string, 0, len(row))
	for n := range row {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Query returns the query as data.
func (u *UpdateQuery) Query() (*cqn.Update, error) {
	q := u.q
	if q.Where == nil && !u.all && u.err == nil {
		return &q, errNoWhere
	}
	return &q, u.err
}

// Run changes the rows and returns how many there were.
func (u *UpdateQuery) Run(ctx context.Context, r cds.Runner) (int64, error) {
	q, err := u.Query()
	res, err := run(ctx, r, q, err)
	if err != nil {
		return 0, err
	}
	return res.Affected, nil
}

// A DeleteQuery removes rows.
type DeleteQuery struct {
	q   cqn.Delete
	all bool
	err error
}

// Delete begins a removal of rows of an entity. It needs Where, or All for all rows.
func Delete(entity string) *DeleteQuery { return &DeleteQuery{q: cqn.Delete{From: cqn.NewRef(entity)}} }

// Where adds conditions; all must hold.
func (d *DeleteQuery) Where(conditions ...Expr) *DeleteQuery {
	d.q.Where = both(d.q.Where, conditions, &d.err)
	return d
}

// All says that all rows are meant.
func (d *DeleteQuery) All() *DeleteQuery { d.all = true; return d }

// Query returns the query as data.
func (d *DeleteQuery) Query() (*cqn.Delete, error) {
	q := d.q
	if q.Where == nil && !d.all && d.err == nil {
		return &q, errNoWhere
	}
	return &q, d.err
}

// Run removes the rows and returns how many there were.
func (d *DeleteQuery) Run(ctx context.Context, r cds.Runner) (int64, error) {
	q, err := d.Query()
	res, err := run(ctx, r, q, err)
	if err != nil {
		return 0, err
	}
	return res.Affected, nil
}
