package odata

import (
	"context"
	"slices"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/odata/uri"
)

// The answer to a write, and to an operation that returns rows, has what $expand and $select ask for (OData 11.2.5, 11.4.1.5) beside what it has
// anyway: clients know these answers as whole rows, and more than was selected is allowed. What is missing is read by a READ of the client's own,
// with its rights, in the transaction of the write: if it is refused, nothing has been done.

// maxShaped bounds the rows of one answer that are completed so.
const maxShaped = 1000

// perform dispatches a write or an operation whose rows are rows of e.
func (c *call) perform(ctx context.Context, req *cds.RawRequest, e *csn.Entity) (*cds.Result, error) {
	shape, err := c.res.Shape(e, c.mayExpand)
	if err != nil { // before anything is done
		return nil, err
	}
	if c.shape = shape; shape == nil || req.Return == cds.ReturnNothing {
		return c.svc.Dispatch(ctx, req)
	}
	var res *cds.Result
	err = c.svc.App.Tx(ctx, func(ctx context.Context) error {
		if res, err = c.svc.Dispatch(ctx, req); err != nil {
			return err
		}
		if res.Value != nil && len(res.Rows) == 0 && res.JSON == nil {
			res.Rows = rowsOf(*res.Value)
			res.N = len(res.Rows)
		}
		if len(res.Rows) > maxShaped {
			return cds.Reject(501, "501", "$select and $expand are supported for %d returned rows at most, not for %d", maxShaped, len(res.Rows))
		}
		for _, row := range res.Rows {
			if err := c.complete(ctx, req, e, row); err != nil {
				return err
			}
		}
		if len(res.Rows) > 0 {
			res.JSON = nil // was written before they were complete
		}
		return nil
	})
	return res, err
}

// complete reads what c.shape has and the row has not. A row without key, or one that is not there, has nothing more to show.
func (c *call) complete(ctx context.Context, req *cds.RawRequest, e *csn.Entity, row *cqn.Row) error {
	var missing []cqn.Column
	for _, col := range c.shape {
		if !col.Star && (col.Expand != nil || !row.Has(uri.OutName(col))) {
			missing = append(missing, col)
		}
	}
	if e = sideOf(e, row); len(missing) == 0 {
		return nil
	}
	where := cds.KeyFilter(e, row)
	if where == nil {
		return nil
	}
	again := &cds.RawRequest{Event: eventRead, Service: c.svc, Target: e, Path: []*csn.Entity{e}, User: req.User, Locale: c.locale, HTTP: c.r}
	if e == req.Target && req.Op == nil { // parts of a composition are read over their path
		again.Path, again.Via, again.Params = req.Path, req.Via, req.Params
	}
	again.Query = &cqn.Select{From: &cqn.From{Path: cqn.NewRef(e.Name)}, Where: where, One: true, Columns: slices.Clip(missing)}
	res, err := c.svc.Dispatch(ctx, again)
	if err != nil || len(res.Rows) != 1 {
		return err
	}
	for _, f := range res.Rows[0].Fields() {
		if !row.Has(f.Name) || slices.ContainsFunc(missing, func(col cqn.Column) bool { return uri.OutName(col) == f.Name }) {
			row.Set(f.Name, f.Value)
		}
	}
	return nil
}

// shaped puts what the client asked for by name into the row of an answer that leaves it out.
func (c *call) shaped(out, row *cqn.Row) *cqn.Row {
	for _, col := range c.shape {
		if col.Star {
			continue
		}
		name := uri.OutName(col)
		for _, n := range [...]string{name, name + "@odata.count"} {
			if v, ok := row.Get(n); ok && !out.Has(n) {
				out.Set(n, v)
			}
		}
	}
	return out
}
