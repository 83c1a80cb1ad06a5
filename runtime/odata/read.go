package odata

import (
	"net/http"
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/odata/uri"
)

// read answers GET on collections, single rows and $count. Rights are decided by Dispatch; where it does not come so far, since the options
// are wrong, they are asked for before anything is said about these.
func (c *call) read() error {
	q, err := c.known, error(nil)
	if q == nil {
		q, err = c.res.Query(c.mayExpand)
	}
	if err != nil {
		if refused := c.allowed(eventRead); refused != nil {
			return refused
		}
		return err
	}
	if q.Aggregated {
		c.format.DecimalStrings = false          // as recorded: results of $apply have numbers
		if err := c.parentExists(); err != nil { // no row at all may still be one result
			return err
		}
	}
	req := c.request(eventRead)
	req.Query, req.Count = q.Select, q.Count
	req.Format, req.Buffer = &c.format, c.buf.rows[:0]
	if c.res.Kind == uri.Count {
		return c.count(req, q)
	}
	if !q.Aggregated {
		c.askRights(req)
	}
	if c.res.Kind != uri.Single && c.inBatch == nil { // parts of a batch stay whole
		req.Stream, req.StreamWhole = c, c.opt.Plain // where count and next page are headers
	}
	res, err := c.svc.Dispatch(c.ctx, req)
	c.buf.rows = req.Buffer // it may have grown
	if c.streaming {
		next := ""
		if err == nil {
			next = c.nextLink(q, res)
		}
		return c.endStream(res, next, err)
	}
	if err == nil {
		c.keep(q, req.Target)
	}
	if c.res.Kind == uri.Single {
		return c.readSingle(res, err)
	}
	if err != nil {
		return err
	}
	if res.N == 0 {
		if err := c.parentExists(); err != nil {
			return err
		}
	}
	return c.collection(res, req.Target, c.nextLink(q, res))
}

// mayExpand leaves out of $expand=* what the user may not read.
func (c *call) mayExpand(from *csn.Entity, via *csn.Element) bool {
	path := []*csn.Entity{from, via.Assoc().Target}
	return c.svc.Authorize(c.user(), eventRead, path, []*csn.Element{via}, nil) == nil
}

func (c *call) readSingle(res *cds.Result, err error) error {
	missing := err == nil && res.N == 0
	if err != nil {
		e := cds.AsError(err)
		if e.Status != http.StatusNotFound {
			return err
		}
		missing = true
	}
	if !missing {
		return c.single(http.StatusOK, res, c.res.Entity())
	}
	if err := c.absent(); err != nil {
		return err
	}
	return c.noContent()
}

var errNotFound = &cds.Error{Status: 404, Code: "404", Message: "Not Found"}

// absent tells a missing row from an association to one that leads nowhere: 404, or nil if there is just no content.
func (c *call) absent() error {
	last := c.res.Segments[len(c.res.Segments)-1]
	if last.Via == nil && uri.IsSingleton(last.Entity) && nullable(last.Entity) {
		return nil
	}
	if last.Via == nil || last.Keys != nil || last.Via.Assoc().Many {
		return errNotFound
	}
	return c.parentExists()
}

// parentExists returns a 404 if the row before the last association of the path does not exist for the user.
func (c *call) parentExists() error {
	parent := c.res.Parent()
	if parent == nil {
		return nil
	}
	n := len(c.res.Segments) - 1
	req := c.request(eventRead)
	req.IfMatch, req.IfNoneMatch = nil, nil
	req.Target = c.res.Segments[n-1].Entity
	req.Path, req.Via, req.Params = req.Path[:n], req.Via[:n-1], req.Params[:n]
	sel := &cqn.Select{From: &cqn.From{Path: parent}, One: true}
	for _, k := range req.Target.Keys {
		sel.Columns = append(sel.Columns, cqn.Column{X: cqn.NewRef(k.Name)})
	}
	req.Query = sel
	res, err := c.svc.Dispatch(c.ctx, req)
	switch {
	case err != nil:
		return err
	case res.N == 0:
		return errNotFound
	}
	return nil
}

// count answers …/$count: the number of rows as plain text.
func (c *call) count(req *cds.RawRequest, q *uri.Query) error {
	sel := q.Select
	sel.OrderBy, sel.Offset = nil, nil
	if !q.Aggregated {
		sel.Columns = nil
		for _, k := range req.Target.Keys {
			sel.Columns = append(sel.Columns, cqn.Column{X: cqn.NewRef(k.Name)})
		}
	}
	sel.Limit = &cqn.Lit{Value: cqn.Int(0)}
	req.Count = true
	res, err := c.svc.Dispatch(c.ctx, req)
	if err != nil {
		return err
	}
	if res.Count <= 0 {
		if err := c.parentExists(); err != nil {
			return err
		}
	}
	c.messages(res)
	c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	return c.send(http.StatusOK, strconv.AppendInt(nil, max(res.Count, 0), 10))
}

// nextLink returns the URL of the next page relative to the service, "" for none.
func (c *call) nextLink(q *uri.Query, res *cds.Result) string {
	if !res.More {
		return ""
	}
	rows := int64(-1)
	if l, ok := q.Select.Limit.(*cqn.Lit); ok {
		if rows = l.Value.Int() - int64(res.N); rows <= 0 {
			return ""
		}
	}
	return strings.TrimRight(c.path, "/") + "?" + c.res.NextQuery(uri.Token(rows, res.Next-q.Skip))
}
