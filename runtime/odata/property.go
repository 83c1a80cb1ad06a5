package odata

import (
	"encoding/json"
	"net/http"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/odata/uri"
)

// readProperty answers GET on an element of a row: as JSON, raw with $value, or as a stream.
func (c *call) readProperty() error {
	if _, err := c.res.Query(nil); err != nil {
		return err
	}
	e, el := c.res.Entity(), c.res.Property
	m := mediaOf(e, el)
	part := &partRead{c: c}
	row, res, err := c.readElements(part, e, el, m.typeElement, m.nameElement)
	if err != nil || row == nil {
		if err == nil {
			err = c.absent()
		}
		if err != nil {
			return err
		}
		return c.noContent()
	}
	v := row.Value(el.Name)
	defer cds.ReleaseMedia(v)
	c.headers(res)
	c.cacheable(e)
	if c.opt.Plain && !c.res.Value && !isStream(el) {
		return c.plainProperty(row)
	}
	if v.IsNull() {
		return c.noContent()
	}
	if isStream(el) {
		return c.stream(v, m, row, part)
	}
	if isLink(el) {
		return c.redirect(v)
	}
	if c.res.Value {
		c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		raw := appendAny(nil, v, el, false)
		if t := el.Scalar(); t != nil && v.Kind() != cqn.KindList {
			raw = []byte(v.Format())
			if v.Kind() == cqn.KindBytes {
				raw = []byte(v.Str())
			}
		}
		return c.send(http.StatusOK, raw)
	}
	return c.property(row, v)
}

// property writes the value of an element as JSON.
func (c *call) property(row *cqn.Row, v cqn.Value) error {
	e, el := c.res.Entity(), c.res.Property
	fragment := uri.SetName(e)
	if !uri.IsSingleton(e) {
		last := c.res.Segments[len(c.res.Segments)-1]
		fragment += keyPredicate(e, row, last.Keys)
	}
	b := append(c.context(fragment+"/"+el.Name), `,"value":`...)
	b = appendStored(b, v, el, c.format.DecimalStrings)
	return c.sendJSON(http.StatusOK, append(b, '}'))
}

// appendStored appends the value of an element as it was read: arrays are stored as JSON.
func appendStored(b []byte, v cqn.Value, el *csn.Element, exact bool) []byte {
	if _, array := el.Type.(*csn.Array); array && v.Kind() == cqn.KindString && json.Valid([]byte(v.Str())) {
		return append(b, v.Str()...)
	}
	return appendAny(b, v, el, exact)
}

// readElements reads the row with an element, its keys, and further elements, which may be nil. The row is nil if there is none.
func (c *call) readElements(part *partRead, e *csn.Entity, el *csn.Element, further ...*csn.Element) (*cqn.Row, *cds.Result, error) {
	req := c.request(eventRead)
	sel := &cqn.Select{From: &cqn.From{Path: c.res.Ref()}, One: true}
	seen := map[string]bool{}
	add := func(el *csn.Element) {
		if el != nil && !seen[el.Name] {
			seen[el.Name] = true
			sel.Columns = append(sel.Columns, cqn.Column{X: cqn.NewRef(el.Name)})
		}
	}
	if !el.Virtual {
		add(el)
	}
	for _, k := range e.Keys {
		add(k)
	}
	for _, f := range further {
		add(f)
	}
	req.Query = sel
	if isStream(el) && el.Scalar().Kind == csn.LargeBinary {
		req.Media = &cds.MediaRead{Element: el, Part: part.choose}
	}
	res, err := c.svc.Dispatch(c.ctx, req)
	if err != nil {
		if cds.AsError(err).Status == http.StatusNotFound {
			return nil, nil, nil
		}
		return nil, nil, err
	}
	if len(res.Rows) == 0 {
		return nil, res, nil
	}
	return res.Rows[0], res, nil
}

// putProperty answers PUT on an element: {"value": …}, or raw bytes for a stream.
func (c *call) putProperty() error {
	el := c.res.Property
	row := cqn.NewRow()
	if isStream(el) {
		end, err := c.mediaBody(row, mediaOf(c.res.Entity(), el))
		if err != nil {
			return err
		}
		defer end()
	} else {
		if c.res.Value {
			return cds.Reject(415, "415", "Unsupported Media Type")
		}
		v, err := c.valueBody(el)
		if err != nil {
			return err
		}
		row.Set(el.Name, v)
	}
	res, err := c.svc.Dispatch(c.ctx, c.patch(row))
	if err != nil {
		return err
	}
	c.headers(res)
	if isStream(el) || len(res.Rows) == 0 {
		return c.noContent()
	}
	v := res.Rows[0].Value(el.Name)
	if v.IsNull() {
		return c.noContent()
	}
	return c.property(res.Rows[0], v)
}

// deleteProperty answers DELETE on an element: it becomes null.
func (c *call) deleteProperty() error {
	row := cqn.NewRow(cqn.Field{Name: c.res.Property.Name})
	req := c.patch(row)
	req.Return = cds.ReturnNothing
	res, err := c.svc.Dispatch(c.ctx, req)
	if err != nil {
		return err
	}
	c.messages(res)
	return c.noContent()
}

// patch returns the request that changes single elements of an existing row.
func (c *call) patch(row *cqn.Row) *cds.RawRequest {
	req := c.request(eventUpdate)
	req.Data, req.Query = row, &cqn.Update{Entity: c.res.Ref(), Data: row}
	req.MustExist = true
	return req
}
