package odata

import (
	"net/http"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/odata/internal/edm"
	"cds/runtime/odata/uri"
)

// prefer reads the Prefer header and tells the client that it is heeded.
func (c *call) prefer() cds.Return {
	for _, v := range c.r.Header.Values("Prefer") {
		for _, p := range strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ';' }) {
			switch strings.TrimSpace(p) {
			case "return=minimal":
				c.w.Header().Set("Preference-Applied", "return=minimal")
				return cds.ReturnNothing
			case "return=representation":
				c.w.Header().Set("Preference-Applied", "return=representation")
				return cds.ReturnRow
			}
		}
	}
	return cds.ReturnRow
}

// create answers POST on a collection.
func (c *call) create() error {
	if c.opt.Plain {
		return c.plainCreate()
	}
	row, err := c.entityBody(c.res.Entity())
	if err != nil {
		return err
	}
	c.chooseSide(row)
	return c.createRow(row)
}

// creation returns the request that creates a row.
func (c *call) creation(row *cqn.Row) *cds.RawRequest {
	req := c.request(eventCreate)
	req.Data, req.Query = row, &cqn.Insert{Into: c.res.Entity().Name, Rows: []*cqn.Row{row}}
	req.Format = &c.format
	return req
}

func (c *call) createRow(row *cqn.Row) error {
	c.fromParent(row)
	req := c.creation(row)
	req.Return = c.prefer()
	res, err := c.perform(c.ctx, req, req.Target)
	if err != nil {
		c.w.Header().Del("Preference-Applied")
		return err
	}
	return c.created(req, res)
}

// fromParent gives a row that is posted to Authors(1)/books what the path says of it: the foreign key to its parent. Values in the
// body stay; the service refuses those that name another parent.
func (c *call) fromParent(row *cqn.Row) {
	n := len(c.res.Segments)
	if n < 2 {
		return
	}
	parent := c.res.Segments[n-2].Keys
	for _, p := range c.res.Segments[n-1].Via.Assoc().Pairs {
		if p.Source == nil || p.Target == nil || row.Has(p.Target.Name) {
			continue
		}
		if v, ok := parent.Get(p.Source.Name); ok {
			row.Set(p.Target.Name, v)
		}
	}
}

// created answers with a new row and where it is; with the place only if the row is not wanted or may not be read.
func (c *call) created(req *cds.RawRequest, res *cds.Result) error {
	loc := c.location(req, res)
	c.w.Header().Set("Location", loc)
	c.echo(req, res)
	if res.N == 0 || req.Return == cds.ReturnNothing {
		if !c.opt.Plain {
			c.w.Header().Set("OData-EntityId", loc)
		}
		c.headers(res)
		return c.noContent()
	}
	return c.single(http.StatusCreated, res, req.Target)
}

// location returns the URL of a written row relative to the service.
func (c *call) location(req *cds.RawRequest, res *cds.Result) string {
	e := req.Target
	b := []byte(uri.SetName(e))
	if uri.IsSingleton(e) {
		return string(b)
	}
	row := req.Data
	if len(res.Rows) > 0 {
		row = res.Rows[0]
	}
	if c.opt.Plain {
		if key := plainKey(e, row, req.Data, lastKeys(req)); key != "" {
			return string(append(append(b, '/'), key...))
		}
	}
	return string(append(b, keyPredicate(e, row, req.Data, lastKeys(req))...))
}

func lastKeys(req *cds.RawRequest) *cqn.Row {
	if n := len(req.Params); n > 0 {
		return req.Params[n-1].Values
	}
	return nil
}

// keyPredicate returns the key of a row as in URLs, (1) or (a=1,b='x'). Values come from the first of the rows that has them.
func keyPredicate(e *csn.Entity, rows ...*cqn.Row) string {
	var b strings.Builder
	b.WriteByte('(')
	side := sideKey(e)
	for i, k := range e.Keys {
		v := cqn.Null
		for _, r := range rows {
			if f, ok := r.Get(k.Name); ok {
				v = f
				break
			}
		}
		if i > 0 {
			b.WriteByte(',')
		}
		if len(e.Keys) > 1 || side != "" {
			b.WriteString(k.Name + "=")
		}
		b.Write(escapeKey(edm.Literal(v, k.Scalar())))
	}
	if side != "" {
		b.WriteString("," + side)
	}
	b.WriteByte(')')
	return b.String()
}

// escapeKey percent-encodes what would end a path segment or break a header line.
func escapeKey(s string) []byte {
	var b []byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c <= ' ' || c >= 0x7f || strings.IndexByte(`/%?#"<>\^{}|`+"`", c) >= 0:
			b = uri.EscapeOption(b, s[i:i+1])
		default:
			b = append(b, c)
		}
	}
	return b
}

// update answers PATCH and PUT on single rows.
func (c *call) update() error {
	switch {
	case c.res.Kind == uri.Collection && c.opt.Plain:
		return c.plainBulk()
	case c.res.Kind == uri.Collection:
		return c.patchCollection()
	}
	row, err := c.entityBody(c.res.Entity())
	if err != nil {
		return err
	}
	req := c.change(row)
	req.Return = c.prefer()
	res, err := c.perform(c.ctx, req, req.Target)
	switch {
	case err != nil:
		c.w.Header().Del("Preference-Applied")
		return err
	case res.Created:
		return c.created(req, res)
	case res.N == 0 || req.Return == cds.ReturnNothing:
		c.headers(res)
		return c.noContent()
	}
	c.echo(req, res)
	return c.single(http.StatusOK, res, req.Target)
}

// change returns the request that changes the addressed row.
func (c *call) change(row *cqn.Row) *cds.RawRequest {
	e := c.res.Entity()
	last := c.res.Segments[len(c.res.Segments)-1]
	req := c.request(eventUpdate)
	for _, k := range e.Keys { // the path says which row, never the body
		sent, given := row.Get(k.Name)
		if v, ok := last.Keys.Get(k.Name); ok {
			row.Set(k.Name, v)
			continue
		}
		if given && uri.IsSingleton(e) { // if there is none yet, the body says what it is
			if req.NewKeys == nil {
				req.NewKeys = cqn.NewRow()
			}
			req.NewKeys.Set(k.Name, sent)
		}
		row.Delete(k.Name)
	}
	req.Data, req.Query = row, &cqn.Update{Entity: c.res.Ref(), Data: row}
	// A row is created only where the path says its key: not at the end of an association to one.
	creates := c.r.Method == http.MethodPut && !c.opt.NoUpsertByPut || c.r.Method == http.MethodPatch && c.opt.UpsertByPatch
	req.Upsert = creates && (last.Keys != nil || uri.IsSingleton(e))
	req.MustExist = !req.Upsert
	req.Format = &c.format
	return req
}

// delete answers DELETE on single rows.
func (c *call) delete() error {
	if c.res.Kind == uri.Collection {
		return c.plainBulk()
	}
	res, err := c.svc.Dispatch(c.ctx, c.deletion())
	if err != nil {
		return err
	}
	c.messages(res)
	return c.noContent()
}

// deletion returns the request that deletes the addressed row.
func (c *call) deletion() *cds.RawRequest {
	req := c.request(eventDelete)
	req.Query = &cqn.Delete{From: c.res.Ref()}
	return req
}
