package generic

import (
	"context"
	"errors"
	"slices"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

// create inserts rows with their children and answers what a READ shows of them.
func (h *handlers) create(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
	if err := persistent(r.Target); err != nil {
		return nil, err
	}
	parent, err := h.parentKeys(ctx, r)
	if err != nil {
		return nil, err
	}
	d := &deep{h: h, r: r}
	rows := payload(r)
	for _, row := range rows {
		if err := setParent(row, parent); err != nil {
			return nil, err
		}
		if err := completeKeys(r, row); err != nil {
			return nil, err
		}
		if err := d.add(ctx, r.Target, row, 0); err != nil {
			return nil, err
		}
	}
	if len(rows) == 1 && h.etag(r.Target) == nil {
		r.ReadLast()
	}
	res, err := h.readBack(ctx, r, rows, true)
	if ferr := r.Flush(ctx); ferr != nil {
		return nil, ferr
	}
	if err != nil {
		return nil, err
	}
	res.Affected, res.Created = int64(len(rows)), true
	return res, nil
}

// A given is a value that the path of a request determines.
type given struct {
	name  string
	value cqn.Value
}

// parentKeys returns what rows created over a path get from their parent: POST Orders(1)/items sets order_ID. The parent must be there and
// readable, else 404; whether it may be changed is part of the check of the new row.
func (h *handlers) parentKeys(ctx context.Context, r *cds.RawRequest) ([]given, error) {
	if len(r.Via) == 0 {
		return nil, nil
	}
	via := r.Via[len(r.Via)-1]
	a := via.Assoc()
	if a == nil || len(a.Pairs) == 0 || !a.Many {
		return nil, cds.Reject(405, "405", "Rows cannot be created over %q.", via.Name)
	}
	sub := r.Subject()
	from, ok := sub.From.(*cqn.From)
	if !ok || len(from.Path.Path) < 2 {
		return nil, cds.Reject(400, "400", "The path of the request does not lead to its target.")
	}
	ref := *from.Path
	ref.Path = ref.Path[:len(ref.Path)-1]
	q := &cqn.Select{From: &cqn.From{Path: &ref}}
	for _, p := range a.Pairs {
		q.Columns = append(q.Columns, cqn.Column{X: cqn.NewRef(p.Source.Name)})
	}
	res, err := r.Execute(ctx, q)
	if err != nil {
		return nil, err
	}
	if len(res.Rows) != 1 {
		return nil, notFound()
	}
	var out []given
	for _, p := range a.Pairs {
		out = append(out, given{p.Target.Name, res.Rows[0].Value(p.Source.Name)})
	}
	return out, nil
}

func notFound() error { return cds.Reject(404, "404", "Not Found") }

func forbidden(r *cds.RawRequest) error {
	if !r.User.Identified() {
		return cds.Reject(401, "401", "Unauthorized")
	}
	return cds.Reject(403, "403", "Forbidden")
}

// setParent sets the keys of the parent; a payload that names another one is refused (decision 6).
func setParent(row *cds.Row, parent []given) error {
	for _, g := range parent {
		if v, ok := row.Get(g.name); ok && !v.IsNull() && v.Format() != g.value.Format() {
			return &cds.Error{Status: 400, Code: "400", Message: "The value differs from that of the parent in the path.", Target: g.name}
		}
		row.Set(g.name, g.value)
	}
	return nil
}

// completeKeys sets keys that the path gives and refuses rows without a key: they could not be told from others when read back.
func completeKeys(r *cds.RawRequest, row *cds.Row) error {
	for _, k := range r.Target.Keys {
		if stored(r.Target, k) && row.Value(k.Name).IsNull() {
			return &cds.Error{Status: 400, Code: "ASSERT_MANDATORY", Message: "Provide the missing value.", Target: k.Name}
		}
	}
	return nil
}

// update changes the addressed rows. With Upsert (PUT) it creates a row that is missing.
func (h *handlers) update(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
	if err := persistent(r.Target); err != nil {
		return nil, err
	}
	if q, ok := r.Query.(*cqn.Update); ok && len(q.With) > 0 {
		return h.assign(ctx, r, q)
	}
	rows, err := h.locate(ctx, r)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		if r.Upsert && len(r.IfMatch) > 0 { // names a state: there is none, or none for this user (RFC 9110, 13.1.1)
			return nil, cds.Reject(412, "412", "Precondition Failed")
		}
		if r.Upsert {
			return h.createByPut(ctx, r)
		}
		if byCode(r) {
			return &cds.Result{}, nil
		}
		return nil, r.Missing(ctx)
	}
	d := &deep{h: h, r: r}
	changed := make([]*cds.Row, len(rows))
	for i, row := range rows {
		if err := matchETag(r, row); err != nil {
			return nil, err
		}
		data := r.Data
		if len(rows) > 1 {
			data = data.Clone()
		}
		if err := d.update(ctx, r.Target, row, data, 0); err != nil {
			return nil, err
		}
		changed[i] = row
	}
	res, err := h.readBack(ctx, r, changed, false)
	if err != nil {
		return nil, err
	}
	res.Affected = int64(len(rows))
	return res, nil
}

// byCode tells updates and deletes by code of any number of rows: finding none is no error then.
func byCode(r *cds.RawRequest) bool {
	if r.HTTP != nil {
		return false // doors address single rows
	}
	switch r.Query.(type) {
	case *cqn.Update, *cqn.Delete:
		return !r.MustExist
	}
	return false
}

// assign runs an update by code that computes values from the old ones, such as `stock = stock - 1`.
func (h *handlers) assign(ctx context.Context, r *cds.RawRequest, q *cqn.Update) (*cds.Result, error) {
	for _, a := range q.With {
		if el := r.Target.Element(a.Name); el == nil || !stored(r.Target, el) || readOnly(el) {
			return nil, noProperty(a.Name, r.Target.Name)
		}
	}
	rows, err := h.locate(ctx, r)
	if err != nil || len(rows) == 0 {
		return &cds.Result{}, err
	}
	res := &cds.Result{}
	data := flat(r.Target, r.Data, true)
	for _, row := range rows {
		out, err := r.Execute(ctx, &cqn.Update{Entity: cqn.NewRef(r.Target.Name), Where: cds.KeyFilter(r.Target, row), Data: data, With: q.With})
		if err != nil {
			return nil, err
		}
		res.Affected += out.Affected
		h.touch(r, r.Target, row, nil)
	}
	return res, nil
}

// locate returns the rows that the request addresses and may write, with the columns that a deep write needs.
func (h *handlers) locate(ctx context.Context, r *cds.RawRequest) ([]*cds.Row, error) {
	sub := r.Subject()
	sub.Columns = columnsToWrite(r.Target)
	return r.Locate(ctx, sub)
}

// columnsToWrite are the keys, the entity tag, and the columns that compositions join by.
func columnsToWrite(e *csn.Entity) []cqn.Column {
	var names []string
	add := func(el *csn.Element) {
		if !slices.Contains(names, el.Name) {
			names = append(names, el.Name)
		}
	}
	for _, k := range e.Keys {
		add(k)
	}
	if el := etagElement(e); el != nil {
		add(el)
	}
	for _, c := range compositions(e) {
		for _, p := range c.Assoc().Pairs {
			add(p.Source)
		}
	}
	out := make([]cqn.Column, len(names))
	for i, n := range names {
		out[i] = cqn.Column{X: cqn.NewRef(n)}
	}
	if len(out) == 0 {
		return one()
	}
	return out
}

// createByPut creates the row that a PUT addresses. A row that is there but hidden, or not to be changed, is 403 without change, as is a
// missing one that may not be created (decision 10).
func (h *handlers) createByPut(ctx context.Context, r *cds.RawRequest) (*cds.Result, error) {
	row := r.Data
	if ok, err := newKeys(r, row); err != nil || !ok {
		if err == nil {
			err = r.Missing(ctx)
		}
		return nil, err
	}
	parent, err := h.parentKeys(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := setParent(row, parent); err != nil {
		return nil, err
	}
	c, err := r.As(ctx, authz.Create)
	if err != nil {
		return nil, err
	}
	m := manager{h: h, r: c}
	m.created(row, r.Target, 0)
	v := validator{h: h, r: r}
	v.row(row, r.Target, nil, true, 0)
	if len(r.Errors()) > 0 {
		return &cds.Result{}, nil // ends the request after this phase
	}
	if err := completeKeys(r, row); err != nil {
		return nil, err
	}
	where := cds.KeyFilter(r.Target, row)
	if where != nil { // last, so that nothing wrong with the payload tells hidden rows from missing ones
		if singleton(r) {
			where = nil // whatever its key is, a second one cannot be there
		}
		first := &cqn.Lit{Value: cqn.Int(1)}
		res, err := cds.DB(ctx).Run(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef(r.Target.Name)}, Columns: one(), Where: where, Limit: first})
		if err != nil {
			return nil, err
		}
		if len(res.Rows) > 0 {
			return nil, forbidden(r)
		}
	}
	if err := (&deep{h: h, r: c}).insert(ctx, r.Target, row, 0); err != nil {
		return nil, err
	}
	res, err := h.readBack(ctx, r, []*cds.Row{row}, true)
	if err != nil {
		return nil, err
	}
	res.Created, res.Affected = true, 1
	return res, nil
}

// singleton tells requests for a row that is addressed by its entity alone.
func singleton(r *cds.RawRequest) bool {
	return len(r.Path) == 1 && r.Target.Annotations.Is("odata.singleton")
}

// newKeys gives the row that a PUT creates its keys: those of the path or, for a singleton, of the payload, where generated ones and defaults may
// be left out. ok is false if the path does not say which row it is.
func newKeys(r *cds.RawRequest, row *cds.Row) (ok bool, err error) {
	if n := len(r.Params); n > 0 && r.Params[n-1].Values != nil {
		for _, f := range r.Params[n-1].Values.Fields() {
			row.Set(f.Name, f.Value)
		}
		return true, nil
	}
	if !singleton(r) {
		return false, nil
	}
	for _, f := range r.NewKeys.Fields() {
		v, err := cds.Convert(r.Target.Element(f.Name), f.Value, f.Name)
		if err != nil {
			return false, err
		}
		row.Set(f.Name, v)
	}
	return true, nil
}

// upsert adds or changes rows by key, for code.
func (h *handlers) upsert(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
	if err := persistent(r.Target); err != nil {
		return nil, err
	}
	res := &cds.Result{}
	for _, row := range payload(r) {
		if err := completeKeys(r, row); err != nil {
			return nil, err
		}
		where := cds.KeyFilter(r.Target, row)
		sub := &cqn.Select{From: &cqn.From{Path: cqn.NewRef(r.Target.Name)}, Columns: columnsToWrite(r.Target), Where: where}
		all, err := cds.DB(ctx).Run(ctx, sub)
		if err != nil {
			return nil, err
		}
		res.Affected++
		if len(all.Rows) == 0 {
			c, err := r.As(ctx, authz.Create)
			if err != nil {
				return nil, err
			}
			c.Upsert = true // what is refused is refused as for a row that is there and hidden (decision 10)
			if err := (&deep{h: h, r: c}).insert(ctx, r.Target, row, 0); err != nil {
				return nil, err
			}
			continue
		}
		c, err := r.As(ctx, authz.Update)
		if err != nil {
			return nil, err
		}
		mine, err := c.Locate(ctx, sub)
		if err != nil {
			return nil, err
		}
		if len(mine) == 0 {
			return nil, forbidden(r)
		}
		(&manager{h: h, r: c}).changed(row, r.Target)
		if err := (&deep{h: h, r: c}).update(ctx, r.Target, mine[0], row, 0); err != nil {
			return nil, err
		}
	}
	return res, nil
}

// remove deletes the addressed rows with all that is composed of them.
func (h *handlers) remove(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
	if err := persistent(r.Target); err != nil {
		return nil, err
	}
	rows, err := h.locate(ctx, r)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 && !byCode(r) {
		return nil, r.Missing(ctx)
	}
	for _, row := range rows {
		if err := matchETag(r, row); err != nil {
			return nil, err
		}
	}
	if err := (&deep{h: h, r: r}).removeAll(ctx, r.Target, rows, 0); err != nil {
		return nil, err
	}
	return &cds.Result{Affected: int64(len(rows))}, nil
}

// readBack reads written rows as the user would, through the service. What the user may not read is left out: the answer has no row then.
func (h *handlers) readBack(ctx context.Context, r *cds.RawRequest, rows []*cds.Row, created bool) (*cds.Result, error) {
	out := &cds.Result{One: r.Rows == nil}
	if r.Return == cds.ReturnNothing {
		return out, nil
	}
	for _, row := range rows {
		where := cds.KeyFilter(r.Target, row)
		if where == nil {
			continue
		}
		q := &cqn.Select{From: &cqn.From{Path: cqn.NewRef(r.Target.Name)}, Where: where, One: true}
		if created {
			q.Columns = expandWritten(r.Target, row, 0)
		}
		res, err := h.readOne(ctx, r, q)
		if err != nil && len(q.Columns) > 0 && r.Flush(ctx) == nil { // some child may not be read: the root alone
			bare := *q
			bare.Columns = nil
			res, err = h.readOne(ctx, r, &bare)
		}
		if err != nil {
			if !unreadable(err) {
				return nil, err
			}
			continue
		}
		out.Rows = append(out.Rows, res.Rows...)
		out.ETag = res.ETag
	}
	return out, nil
}

func (h *handlers) readOne(ctx context.Context, r *cds.RawRequest, q *cqn.Select) (*cds.Result, error) {
	return r.Service.Dispatch(ctx, &cds.RawRequest{Event: authz.Read, Target: r.Target, Path: r.Path, Via: r.Via, Query: q, User: r.User, Locale: r.Locale})
}

func unreadable(err error) bool {
	var e *cds.Error
	return errors.As(err, &e) && (e.Status == 401 || e.Status == 403 || e.Status == 404 || e.Status == 405)
}

// expandWritten returns the columns that show a created row with the children that were created with it; none if there are no children.
func expandWritten(e *csn.Entity, row *cds.Row, depth int) []cqn.Column {
	var cols []cqn.Column
	for _, el := range compositions(e) {
		v, ok := row.Get(el.Name)
		if !ok || v.IsNull() || depth >= maxDepth {
			continue
		}
		sub := &cqn.Select{}
		merged := cqn.NewRow()
		for _, c := range children(v) { // all children are shown alike, as deep as the deepest of them
			for _, part := range compositions(el.Assoc().Target) {
				v, ok := c.Get(part.Name)
				if !ok {
					continue
				}
				if k := children(v); len(k) > 0 && k[0] != nil || !merged.Has(part.Name) {
					merged.Set(part.Name, v)
				}
			}
		}
		sub.Columns = expandWritten(el.Assoc().Target, merged, depth+1)
		cols = append(cols, cqn.Column{X: cqn.NewRef(el.Name), Expand: sub})
	}
	if len(cols) == 0 {
		return nil
	}
	return append([]cqn.Column{{Star: true}}, cols...)
}
