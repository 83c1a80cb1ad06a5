package cds

import (
	"context"
	"errors"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/db"
)

// Database gives code access to the database of the request, in its transaction. It is not authorized: no guard, no handlers.
// Values are stored as they are given: no managed elements, no generated keys, no checks but those of the database.
type Database struct{ scope *scope }

// DB returns the database of the request that ctx belongs to, or of App.NewContext: there every query has its own transaction.
func DB(ctx context.Context) *Database { return &Database{scopeOf(ctx)} }

// Run runs a query as the database's owner. Entities are named absolutely, also tables outside services. Writes are flat.
func (d *Database) Run(ctx context.Context, q cqn.Query) (*Result, error) {
	if d.scope == nil || d.scope.app == nil {
		return nil, AsError(errOutside)
	}
	u, user := d.scope.unit, d.scope.user
	if user == nil {
		user = anonymous
	}
	own := u == nil || u.isEnded()
	if own {
		_, isSelect := q.(*cqn.Select)
		u = d.scope.app.newUnit(ctx, user, d.scope.locale, !isSelect)
	}
	res, err := u.run(ctx, q, user)
	if errors.Is(err, db.ErrRowsTenant) {
		err = errElsewhere
	}
	if own {
		err = u.end(ctx, err)
	}
	if err != nil {
		return nil, clientError(err)
	}
	return res, nil
}

func (t *unit) run(ctx context.Context, q cqn.Query, user *User) (*Result, error) {
	g := t.app.owner()
	res := &Result{Count: -1}
	switch q := q.(type) {
	case *cqn.Select, *cqn.SetOp:
		rows, _, err := t.read(ctx, q, g, user, 0)
		return rowsResult(q, rows), err
	case *cqn.Insert:
		for _, row := range q.Rows {
			row, err := t.whole(ctx, row)
			if err != nil {
				return nil, err
			}
			if err := t.mayPlace(ctx, t.app.Model.Entity(q.Into), row, user); err != nil {
				return nil, err
			}
			n, err := t.write(ctx, &cqn.Insert{Into: q.Into, Rows: []*Row{row}}, g, user, row)
			if err == nil {
				err = t.placed(ctx, t.app.Model.Entity(q.Into), []*Row{row}, user)
			}
			if err != nil {
				return nil, err
			}
			res.Affected += n
		}
		return res, nil
	case *cqn.Update:
		c := *q
		var err error
		if c.Data, err = t.whole(ctx, q.Data); err != nil {
			return nil, err
		}
		e, keys, err := t.movedRows(ctx, &c, user)
		if err != nil {
			return nil, err
		}
		n, err := t.write(ctx, &c, g, user, c.Data)
		if err == nil {
			err = t.placed(ctx, e, keys, user)
		}
		res.Affected = n
		return res, err
	case *cqn.Delete:
		n, err := t.write(ctx, q, g, user, nil)
		res.Affected = n
		return res, err
	case *cqn.Upsert:
		return t.upsert(ctx, q, user)
	}
	return nil, Reject(501, "501", "this kind of query cannot be executed")
}

// upsert changes the row with the same keys, or inserts it.
func (t *unit) upsert(ctx context.Context, q *cqn.Upsert, user *User) (*Result, error) {
	e := t.app.Model.Entity(q.Into)
	if e == nil {
		return nil, Reject(400, "400", "Entity %q does not exist.", q.Into)
	}
	res := &Result{Count: -1}
	for _, row := range q.Rows {
		row, err := t.whole(ctx, row)
		if err != nil {
			return nil, err
		}
		where := KeyFilter(e, row)
		if where == nil {
			return nil, Reject(400, "400", "Upsert of %q needs all keys.", e.Name)
		}
		upd := &cqn.Update{Entity: cqn.NewRef(e.Name), Where: where, Data: withoutKeys(e, row)}
		n, err := int64(0), error(nil)
		if len(upd.Data.Fields()) > 0 {
			n, err = t.write(ctx, upd, t.app.owner(), user, upd.Data)
		} else {
			var rows []*Row
			rows, _, err = t.read(ctx, &cqn.Select{From: &cqn.From{Path: upd.Entity}, Columns: keyColumns(e), Where: where}, t.app.owner(), user, 0)
			n = int64(len(rows))
		}
		if err == nil && n > 0 {
			err = t.placed(ctx, e, []*Row{row}, user)
		}
		if err == nil && n == 0 {
			err = t.mayPlace(ctx, e, row, user)
		}
		if err == nil && n == 0 {
			n, err = t.write(ctx, &cqn.Insert{Into: q.Into, Rows: []*Row{row}}, t.app.owner(), user, row)
			if err == nil {
				err = t.placed(ctx, e, []*Row{row}, user)
			}
		}
		if err != nil {
			return nil, err
		}
		res.Affected += n
	}
	return res, nil
}

func withoutKeys(e *csn.Entity, row *Row) *Row {
	var fs []cqn.Field
	for _, f := range row.Fields() {
		if el := e.Element(f.Name); el == nil || !el.Key {
			fs = append(fs, f)
		}
	}
	return cqn.NewRow(fs...)
}

// Run sends a query through the service: authorized again, handlers run. The first step of its path names one of the service's
// entities, absolutely or by its local name. An Update or Delete of rows that do not exist is no error: see Result.Affected.
func (s *Service) Run(ctx context.Context, q cqn.Query) (*Result, error) {
	r := &RawRequest{Query: q}
	var ref *cqn.Ref
	switch x := q.(type) {
	case *cqn.Select:
		from, ok := x.From.(*cqn.From)
		if !ok {
			return nil, Reject(501, "501", "A service can be asked for its entities only, without joins.")
		}
		r.Event, ref = "READ", from.Path
	case *cqn.Insert:
		r.Event, r.Rows, ref = "CREATE", x.Rows, cqn.NewRef(x.Into)
	case *cqn.Upsert:
		r.Event, r.Rows, ref = "UPSERT", x.Rows, cqn.NewRef(x.Into)
	case *cqn.Update:
		r.Event, r.Data, ref = "UPDATE", x.Data.Clone(), x.Entity
		if r.Data == nil {
			r.Data = cqn.NewRow()
		}
	case *cqn.Delete:
		r.Event, ref = "DELETE", x.From
	default:
		return nil, Reject(501, "501", "A service cannot run this kind of query.")
	}
	if err := s.resolve(r, ref); err != nil {
		return nil, err
	}
	if r.Rows != nil {
		rows := make([]*Row, len(r.Rows))
		for i := range rows {
			rows[i] = r.Rows[i].Clone()
		}
		r.Rows = rows
		if len(rows) == 1 {
			r.Data, r.Rows = rows[0], nil
		}
	}
	return s.Dispatch(ctx, r)
}

// resolve walks the path of a query and fills the request's path; a local name becomes absolute in the query.
func (s *Service) resolve(r *RawRequest, ref *cqn.Ref) error {
	if ref == nil || len(ref.Path) == 0 {
		return Reject(400, "400", "The query names no entity.")
	}
	name := ref.Path[0].Name
	e := s.App.Model.Entity(name)
	if e == nil || e.Service != s.Model {
		if e = s.Model.Entity(name); e == nil {
			return Reject(404, "404", "Service %q has no entity %q.", s.Model.Name, name)
		}
		c := *ref
		c.Path = append([]cqn.Step(nil), ref.Path...)
		c.Path[0].Name = e.Name
		r.Query = rename(r.Query, &c)
	}
	r.Path = []*csn.Entity{e}
	for _, st := range ref.Path[1:] {
		el := e.Element(st.Name)
		if el == nil || el.Assoc() == nil || el.Assoc().Target == nil {
			return Reject(404, "404", "%q is no association of %q.", st.Name, e.Name)
		}
		e = el.Assoc().Target
		r.Path, r.Via = append(r.Path, e), append(r.Via, el)
	}
	r.Target = e
	return nil
}

// rename returns the query with another path.
func rename(q cqn.Query, ref *cqn.Ref) cqn.Query {
	switch x := q.(type) {
	case *cqn.Select:
		c, f := *x, *x.From.(*cqn.From)
		f.Path = ref
		c.From = &f
		return &c
	case *cqn.Insert:
		c := *x
		c.Into = ref.Path[0].Name
		return &c
	case *cqn.Upsert:
		c := *x
		c.Into = ref.Path[0].Name
		return &c
	case *cqn.Update:
		c := *x
		c.Entity = ref
		return &c
	case *cqn.Delete:
		c := *x
		c.From = ref
		return &c
	}
	return q
}

// resultEntity returns the entity whose rows a request answers, nil for none.
func (s *Service) resultEntity(r *RawRequest) *csn.Entity {
	if r.Op == nil {
		return r.Target
	}
	el := r.Op.Returns
	if el == nil {
		return nil
	}
	if a, ok := el.Type.(*csn.Array); ok && a.Items != nil {
		el = a.Items
	}
	if e := s.App.Model.Entity(el.TypeName); e != nil {
		return e
	}
	if a := el.Assoc(); a != nil {
		return a.Target
	}
	return nil
}
