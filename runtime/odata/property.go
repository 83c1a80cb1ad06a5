package odata

import (
	"encoding/json"
	"mime"
	"net/http"
	"strings"

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
	mediaType, constant := mediaTypeOf(e, el)
	row, res, err := c.readElements(e, el, mediaType)
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
	c.headers(res)
	if c.opt.Plain && !c.res.Value && !isStream(el) {
		return c.plainProperty(row)
	}
	if v.IsNull() {
		return c.noContent()
	}
	if isStream(el) {
		ct := constant
		if mediaType != nil {
			ct = row.Value(mediaType.Name).Str()
		}
		return c.stream(v, ct)
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

// readElements reads the row with an element, its keys, and the element with its media type if there is one. The row is nil if there is none.
func (c *call) readElements(e *csn.Entity, el, mediaType *csn.Element) (*cqn.Row, *cds.Result, error) {
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
	add(mediaType)
	req.Query = sel
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

// isStream reports whether an element is read and written as raw bytes.
func isStream(el *csn.Element) bool {
	b := el.Scalar()
	return b != nil && (b.Kind == csn.LargeBinary || b.Kind == csn.Binary && el.Annotations.Get("Core.MediaType") != nil)
}

// mediaTypeOf returns where the media type of a stream is: in an element, or as a constant.
func mediaTypeOf(e *csn.Entity, el *csn.Element) (*csn.Element, string) {
	a := el.Annotations.Get("Core.MediaType")
	if a == nil {
		return nil, ""
	}
	switch a.Kind {
	case cqn.AnnoRef:
		return e.Element(strings.ReplaceAll(a.Text, ".", "_")), ""
	case cqn.AnnoExpr:
		if r, ok := a.Expr.(*cqn.Ref); ok && len(r.Path) == 1 {
			return e.Element(r.Path[0].Name), ""
		}
	}
	return nil, a.Str()
}

// stream writes stored bytes. They are a user's, so no browser may run them: attachment, sandbox, no sniffing.
func (c *call) stream(v cqn.Value, contentType string) error {
	h := c.w.Header()
	h.Set("Content-Type", safeType(contentType))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Disposition", "attachment")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	return c.send(http.StatusOK, []byte(v.Str()))
}

// safeType returns a stored media type if it is well-formed: it goes into a header.
func safeType(s string) string {
	t, params, err := mime.ParseMediaType(s)
	if err != nil || !strings.Contains(t, "/") {
		return "application/octet-stream"
	}
	if strings.HasPrefix(t, "text/") && params["charset"] == "" {
		params["charset"] = "utf-8"
	}
	if out := mime.FormatMediaType(t, params); out != "" {
		return out
	}
	return "application/octet-stream"
}

// putProperty answers PUT on an element: {"value": …}, or raw bytes for a stream.
func (c *call) putProperty() error {
	el := c.res.Property
	row := cqn.NewRow()
	if isStream(el) {
		raw, err := c.readBody(c.opt.MaxMedia)
		if err != nil {
			return err
		}
		row.Set(el.Name, cqn.Bytes(raw))
		if m, _ := mediaTypeOf(c.res.Entity(), el); m != nil {
			if t, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); err == nil {
				row.Set(m.Name, cqn.String(t))
			}
		}
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
