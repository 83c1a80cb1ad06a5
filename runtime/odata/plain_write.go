package odata

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/odata/uri"
)

// maxRows bounds the rows that one request of the REST protocol writes.
const maxRows = 1000

// plainRows reads the body of a write on a collection: a row, or an array of rows. many tells which.
func (c *call) plainRows(e *csn.Entity) (rows []*cqn.Row, many bool, err error) {
	b, err := c.jsonBody()
	if err != nil {
		return nil, false, err
	}
	if len(b) == 0 {
		return []*cqn.Row{cqn.NewRow()}, false, nil
	}
	d := c.decoder(b)
	if d.peek() != '[' {
		row, err := d.entity(e, "", e.Name)
		return []*cqn.Row{row}, false, d.done(err)
	}
	err = d.array(func(i int) error {
		if i >= maxRows {
			return cds.Reject(413, "413", "More than %d rows in one request", maxRows)
		}
		row, err := d.entity(e, "["+strconv.Itoa(i)+"]", e.Name)
		rows = append(rows, row)
		return err
	})
	return rows, true, d.done(err)
}

// plainCreate answers POST on a collection with one row or an array of rows.
func (c *call) plainCreate() error {
	e := c.res.Entity()
	rows, many, err := c.plainRows(e)
	if err != nil {
		return err
	}
	if !many {
		return c.createRow(rows[0])
	}
	return c.each(http.StatusCreated, rows, func(row *cqn.Row) (*cds.RawRequest, error) {
		c.fromParent(row)
		return c.creation(row), nil
	})
}

// plainBulk answers PATCH, PUT and DELETE on a collection: each row of the array names one by its key.
func (c *call) plainBulk() error {
	e := c.res.Entity()
	rows, many, err := c.plainRows(e)
	if err != nil {
		return err
	}
	if !many {
		return syntaxError("Expected an array of rows, each with its key")
	}
	status := http.StatusOK
	if c.r.Method == http.MethodDelete {
		status = http.StatusNoContent
	}
	return c.each(status, rows, func(row *cqn.Row) (*cds.RawRequest, error) {
		keys, err := keysIn(e, row)
		if err != nil {
			return nil, err
		}
		one, res := *c, *c.res
		res.Segments = slices.Clone(res.Segments)
		res.Segments[len(res.Segments)-1].Keys = keys
		res.Kind, one.res = uri.Single, &res
		if c.r.Method == http.MethodDelete {
			return one.deletion(), nil
		}
		return one.change(row), nil
	})
}

// keysIn returns the key of a row, all of whose parts must be there.
func keysIn(e *csn.Entity, row *cqn.Row) (*cqn.Row, error) {
	keys := cqn.NewRow()
	for _, k := range e.Keys {
		if k.Assoc() != nil || k.Virtual {
			continue
		}
		v, ok := row.Get(k.Name)
		if !ok || v.IsNull() {
			return nil, &cds.Error{Status: 400, Code: "ASSERT_MANDATORY", Message: "Provide the missing value.", Target: k.Name}
		}
		keys.Set(k.Name, v)
	}
	return keys, nil
}

// each dispatches a request for every row, as if each had come by itself, in one transaction: all are written or none. The first that fails
// is told with its place in the array.
func (c *call) each(status int, rows []*cqn.Row, request func(*cqn.Row) (*cds.RawRequest, error)) error {
	var body []byte
	minimal := c.prefer() == cds.ReturnNothing || status == http.StatusNoContent
	err := c.svc.App.Tx(c.ctx, func(ctx context.Context) error {
		for i, row := range rows {
			req, err := request(row)
			if err != nil {
				return inRow(err, "["+strconv.Itoa(i)+"]")
			}
			if minimal {
				req.Return = cds.ReturnNothing
			}
			res, err := c.perform(ctx, req, req.Target)
			if err != nil {
				return inRow(err, "["+strconv.Itoa(i)+"]")
			}
			if c.echo(req, res); len(res.JSON) > 0 {
				if len(body) > 0 {
					body = append(body, ',')
				}
				body = append(body, res.JSON...)
			}
		}
		return nil
	})
	switch {
	case err != nil:
		c.w.Header().Del("Preference-Applied")
		return err
	case minimal:
		return c.noContent()
	}
	return c.plainCollection(status, body, -1, "")
}

// inRow puts the place of a row before the targets of an error.
func inRow(err error, place string) error {
	var e *cds.Error
	if !errors.As(err, &e) {
		return err
	}
	out := *e
	if out.Target = place; e.Target != "" {
		out.Target += "/" + e.Target
	}
	out.Details = slices.Clone(e.Details)
	for j, d := range e.Details {
		sub := *d
		if sub.Target = place; d.Target != "" {
			sub.Target += "/" + d.Target
		}
		out.Details[j] = &sub
	}
	return &out
}

// echo leaves of the answer to a write what belongs there in the REST protocol.
func (c *call) echo(req *cds.RawRequest, res *cds.Result) {
	if !c.opt.Plain || req.Data == nil || len(res.Rows) == 0 {
		return
	}
	res.JSON = nil
	for i, row := range res.Rows {
		if i > 0 {
			res.JSON = append(res.JSON, ',')
		}
		res.JSON = c.format.AppendRow(res.JSON, req.Target, c.shaped(plainEcho(req.Target, row, req.Data), row))
	}
}

// plainKey returns the key of a row as a path segment, as in Books/1; "" if it has several parts, or could be taken for something else there.
// Values come from the first of the rows that has them.
func plainKey(e *csn.Entity, rows ...*cqn.Row) string {
	if len(e.Keys) != 1 {
		return ""
	}
	for _, r := range rows {
		v, ok := r.Get(e.Keys[0].Name)
		if !ok {
			continue
		}
		s := v.Format()
		for i := range len(s) {
			c := s[i]
			if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '_') {
				return ""
			}
		}
		if e.Action(s) != nil {
			return ""
		}
		return s
	}
	return ""
}
