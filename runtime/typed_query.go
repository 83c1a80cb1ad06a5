package cds

import (
	"context"
	"errors"
	"fmt"

	"cds/parser/cqn"
)

// A Runner runs queries. *Service runs them authorized and with handlers; *Database as the owner of the database.
type Runner interface {
	Run(ctx context.Context, q cqn.Query) (*Result, error)
}

// InService returns a Runner for the service with the given name in the App that the context of each call belongs to.
// Generated packages use it.
func InService(name string) Runner { return inService(name) }

type inService string

func (n inService) find(ctx context.Context) (*Service, error) {
	app := AppFrom(ctx)
	if app == nil {
		return nil, fmt.Errorf("the context of a call to %s belongs to no app: hand on the context of the request, or make one with app.NewContext", string(n))
	}
	s := app.Service(string(n))
	if s == nil {
		return nil, fmt.Errorf("the app has no service %s", string(n))
	}
	return s, nil
}

// Run implements Runner.
func (n inService) Run(ctx context.Context, q cqn.Query) (*Result, error) {
	s, err := n.find(ctx)
	if err != nil {
		return nil, err
	}
	return s.Run(ctx, q)
}

// A SelectQuery reads rows of one entity. Its methods add to it and return it.
type SelectQuery[T any] struct {
	entity Entity[T]
	run    Runner
	sel    cqn.Select
	err    error
}

// From begins a query that r runs. Generated packages have a From for their service; From(cds.DB(ctx), …) reads without any check.
func From[T any](r Runner, e EntityRef[T]) *SelectQuery[T] {
	ent := e.Ref()
	return &SelectQuery[T]{entity: ent, run: r, sel: cqn.Select{From: &cqn.From{Path: cqn.NewRef(ent.name)}}}
}

// Where adds conditions; all must hold.
func (q *SelectQuery[T]) Where(ps ...Pred[T]) *SelectQuery[T] {
	q.sel.Where = where(q.sel.Where, ps, &q.err)
	return q
}

func where[T any](old cqn.Expr, ps []Pred[T], err *error) cqn.Expr {
	for _, p := range ps {
		if e := p.check(); e != nil {
			*err = errors.Join(*err, e)
			continue
		}
		if old == nil {
			old = p.x
		} else {
			old = &cqn.Binary{Op: cqn.And, L: old, R: p.x}
		}
	}
	return old
}

// Expand reads associated rows too.
func (q *SelectQuery[T]) Expand(xs ...Expansion[T]) *SelectQuery[T] {
	if len(q.sel.Columns) == 0 {
		q.sel.Columns = []cqn.Column{{Star: true}}
	}
	for _, x := range xs {
		c, err := x.expansion(nil)
		q.err = errors.Join(q.err, err)
		q.sel.Columns = append(q.sel.Columns, c)
	}
	return q
}

// OrderBy sorts, by the first of os first.
func (q *SelectQuery[T]) OrderBy(os ...Order[T]) *SelectQuery[T] {
	for _, o := range os {
		q.sel.OrderBy = append(q.sel.OrderBy, o.o)
	}
	return q
}

// Limit reads n rows at most.
func (q *SelectQuery[T]) Limit(n int) *SelectQuery[T] {
	q.sel.Limit = &cqn.Lit{Value: cqn.Int(int64(n))}
	return q
}

// Offset leaves out the first n rows.
func (q *SelectQuery[T]) Offset(n int) *SelectQuery[T] {
	q.sel.Offset = &cqn.Lit{Value: cqn.Int(int64(n))}
	return q
}

// ForUpdate locks the rows until the transaction ends.
func (q *SelectQuery[T]) ForUpdate() *SelectQuery[T] {
	q.sel.Lock = cqn.LockUpdate
	return q
}

// Query returns the query as data.
func (q *SelectQuery[T]) Query() *cqn.Select { s := q.sel; return &s }

// All returns the rows. Without Limit it reads page after page until there are no more.
func (q *SelectQuery[T]) All(ctx context.Context) ([]*T, error) {
	if q.err != nil {
		return nil, q.err
	}
	sel := q.Query()
	var out []*T
	for {
		res, err := q.run.Run(ctx, sel)
		if err != nil {
			return nil, err
		}
		rows, err := q.entity.decodeAll(res.Rows)
		if err != nil {
			return nil, err
		}
		if out = append(out, rows...); !res.More || len(rows) == 0 || q.sel.Limit != nil {
			return out, nil
		}
		next := *sel
		next.Offset = &cqn.Lit{Value: cqn.Int(res.Next)}
		sel = &next
	}
}

// One returns the first row. If there is none, the error is an *Error with status 404: as the code that a client's request runs
// through mostly wants to say that.
func (q *SelectQuery[T]) One(ctx context.Context) (*T, error) {
	if q.err != nil {
		return nil, q.err
	}
	sel := q.Query()
	sel.One = true
	res, err := q.run.Run(ctx, sel)
	if err != nil {
		return nil, err
	}
	if len(res.Rows) == 0 {
		return nil, Reject(404, "404", "Not Found")
	}
	return q.entity.decode(res.Rows[0])
}

// Count returns the number of rows, without regard to Limit and Offset.
func (q *SelectQuery[T]) Count(ctx context.Context) (int64, error) {
	if q.err != nil {
		return 0, q.err
	}
	sel := &cqn.Select{From: q.sel.From, Where: q.sel.Where,
		Columns: []cqn.Column{{X: &cqn.Call{Name: "count", Star: true}, As: "n"}}}
	res, err := q.run.Run(ctx, sel)
	if err != nil {
		return 0, err
	}
	if len(res.Rows) != 1 {
		return 0, errors.New("count answered no row")
	}
	var n int64
	err = scanValue(&n, res.Rows[0].Value("n"))
	return n, err
}

// An InsertQuery adds rows to an entity.
type InsertQuery[T any] struct {
	entity Entity[T]
	run    Runner
	rows   []*T
	upsert bool
}

// InsertInto begins adding rows, which may be deep.
func InsertInto[T any](r Runner, e EntityRef[T], rows ...*T) *InsertQuery[T] {
	return &InsertQuery[T]{entity: e.Ref(), run: r, rows: rows}
}

// UpsertInto begins adding rows, or changing those whose keys exist.
func UpsertInto[T any](r Runner, e EntityRef[T], rows ...*T) *InsertQuery[T] {
	return &InsertQuery[T]{entity: e.Ref(), run: r, rows: rows, upsert: true}
}

// Exec adds the rows and returns them as the user may read them, generated keys included; nil where the user may not read them.
func (q *InsertQuery[T]) Exec(ctx context.Context) ([]*T, error) {
	if len(q.rows) == 0 {
		return nil, nil
	}
	rows := make([]*Row, len(q.rows))
	for i, x := range q.rows {
		c, err := coded(x)
		if err == nil {
			rows[i], err = ToRow(c)
		}
		if err != nil {
			return nil, err
		}
	}
	var query cqn.Query = &cqn.Insert{Into: q.entity.name, Rows: rows}
	if q.upsert {
		query = &cqn.Upsert{Into: q.entity.name, Rows: rows}
	}
	res, err := q.run.Run(ctx, query)
	if err != nil {
		return nil, err
	}
	return q.entity.decodeAll(res.Rows)
}

// An UpdateQuery changes rows of an entity.
type UpdateQuery[T any] struct {
	entity Entity[T]
	run    Runner
	upd    cqn.Update
	all    bool
	err    error
}

// Modify begins a change of rows. It needs Where, or All for all rows.
func Modify[T any](r Runner, e EntityRef[T]) *UpdateQuery[T] {
	ent := e.Ref()
	return &UpdateQuery[T]{entity: ent, run: r, upd: cqn.Update{Entity: cqn.NewRef(ent.name)}}
}

// Where adds conditions; all must hold.
func (q *UpdateQuery[T]) Where(ps ...Pred[T]) *UpdateQuery[T] {
	q.upd.Where = where(q.upd.Where, ps, &q.err)
	return q
}

// All says that all rows are meant.
func (q *UpdateQuery[T]) All() *UpdateQuery[T] { q.all = true; return q }

// Set gives elements new values.
func (q *UpdateQuery[T]) Set(as ...Assign[T]) *UpdateQuery[T] {
	for _, a := range as {
		q.err = errors.Join(q.err, a.err)
		if lit, ok := a.x.(*cqn.Lit); ok {
			if q.upd.Data == nil {
				q.upd.Data = cqn.NewRow()
			}
			q.upd.Data.Set(a.name, lit.Value)
			continue
		}
		q.upd.With = append(q.upd.With, cqn.Assignment{Name: a.name, X: a.x})
	}
	return q
}

// Data gives all elements that x has new values; x may be deep.
func (q *UpdateQuery[T]) Data(x *T) *UpdateQuery[T] {
	c, err := coded(x)
	if err == nil {
		q.upd.Data, err = ToRow(c)
	}
	q.err = errors.Join(q.err, err)
	return q
}

// Exec changes the rows and returns how many there were.
func (q *UpdateQuery[T]) Exec(ctx context.Context) (int64, error) {
	if err := needsWhere(q.err, q.upd.Where, q.all); err != nil {
		return 0, err
	}
	u := q.upd
	res, err := q.run.Run(ctx, &u)
	if err != nil {
		return 0, err
	}
	return res.Affected, nil
}

func needsWhere(err error, x cqn.Expr, all bool) error {
	if err == nil && x == nil && !all {
		err = errors.New("an update or delete without a condition: say All() if all rows are meant")
	}
	return err
}

// A DeleteQuery removes rows of an entity.
type DeleteQuery[T any] struct {
	entity Entity[T]
	run    Runner
	del    cqn.Delete
	all    bool
	err    error
}

// DeleteFrom begins a removal of rows. It needs Where, or All for all rows.
func DeleteFrom[T any](r Runner, e EntityRef[T]) *DeleteQuery[T] {
	ent := e.Ref()
	return &DeleteQuery[T]{entity: ent, run: r, del: cqn.Delete{From: cqn.NewRef(ent.name)}}
}

// Where adds conditions; all must hold.
func (q *DeleteQuery[T]) Where(ps ...Pred[T]) *DeleteQuery[T] {
	q.del.Where = where(q.del.Where, ps, &q.err)
	return q
}

// All says that all rows are meant.
func (q *DeleteQuery[T]) All() *DeleteQuery[T] { q.all = true; return q }

// Exec removes the rows and returns how many there were.
func (q *DeleteQuery[T]) Exec(ctx context.Context) (int64, error) {
	if err := needsWhere(q.err, q.del.Where, q.all); err != nil {
		return 0, err
	}
	d := q.del
	res, err := q.run.Run(ctx, &d)
	if err != nil {
		return 0, err
	}
	return res.Affected, nil
}
