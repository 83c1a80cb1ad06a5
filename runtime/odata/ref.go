package odata

import (
	"net/http"
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/odata/internal/edm"
	"cds/runtime/odata/uri"
)

// References (OData Protocol 11.4.6.1): …/$ref is the URL of an entity in place of the entity. Writing one changes a link, which is the foreign
// key on one of its two sides: an UPDATE of the row that has the key, with all the rights and checks of one.

// reference answers requests for …/$ref.
func (c *call) references() error {
	if c.r.Method == http.MethodGet {
		return c.readReferences()
	}
	if err := c.res.CheckOptions(); err != nil {
		return c.behindGate(err)
	}
	n := len(c.res.Segments)
	if n < 2 {
		return c.behindGate(noMethod(c.r.Method, "references to entities; DELETE the entity itself"))
	}
	last := c.res.Segments[n-1]
	many := last.Via.Assoc().Many
	switch m := c.r.Method; {
	case many && m == http.MethodPost && last.Keys == nil:
		return c.addReference(last)
	case many && m == http.MethodDelete:
		return c.removeReference(last)
	case !many && m == http.MethodPut:
		return c.setReference(last)
	case !many && m == http.MethodDelete:
		return c.unlink(last.Via)
	}
	return c.behindGate(noMethod(c.r.Method, "this reference"))
}

func noMethod(m, what string) error {
	return cds.Reject(http.StatusMethodNotAllowed, "405", "Method %s is not allowed for %s", m, what)
}

// readReferences answers with the URLs of the rows that a GET without $ref would answer with.
func (c *call) readReferences() error {
	q, err := c.res.Query(nil)
	if err == nil && q.Select.Columns != nil {
		err = cds.Reject(400, "400", "References have neither $select nor $expand")
	}
	if err != nil {
		if refused := c.allowed(eventRead); refused != nil {
			return refused
		}
		return err
	}
	e := c.res.Entity()
	q.Select.Columns = nil
	for _, k := range e.Keys {
		if k.Assoc() == nil {
			q.Select.Columns = append(q.Select.Columns, cqn.Column{X: cqn.NewRef(k.Name)})
		}
	}
	req := c.request(eventRead)
	req.IfMatch, req.IfNoneMatch = nil, nil // those of the entity are not those of the reference
	req.Query, req.Count = q.Select, q.Count
	res, err := c.svc.Dispatch(c.ctx, req)
	if !c.res.Many() {
		return c.oneReference(res, err)
	}
	if err != nil {
		return err
	}
	if res.N == 0 {
		if err := c.parentExists(); err != nil {
			return err
		}
	}
	b := c.appendContext(c.buf.body[:0], "Collection($ref)", "")
	if res.Count >= 0 {
		b = strconv.AppendInt(append(b, `,"@odata.count":`...), res.Count, 10)
	}
	if next := c.nextLink(q, res); next != "" {
		b = append(b, `,"@odata.nextLink":`...)
		b = edm.AppendString(b, next)
	}
	b = append(b, `,"value":[`...)
	for i, row := range res.Rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"@odata.id":`...)
		b = append(edm.AppendString(b, entityURL(e, row)), '}')
	}
	c.headers(res)
	c.buf.body = append(b, `]}`...)
	return c.sendJSON(http.StatusOK, c.buf.body)
}

func (c *call) oneReference(res *cds.Result, err error) error {
	if err != nil && cds.AsError(err).Status != http.StatusNotFound {
		return err
	}
	if err != nil || len(res.Rows) == 0 {
		if err := c.absent(); err != nil {
			return err
		}
		return c.noContent()
	}
	b := append(c.appendContext(c.buf.body[:0], "$ref", ""), `,"@odata.id":`...)
	c.buf.body = append(edm.AppendString(b, entityURL(c.res.Entity(), res.Rows[0])), '}')
	return c.sendJSON(http.StatusOK, c.buf.body)
}

// entityURL returns the URL of a row relative to the service.
func entityURL(e *csn.Entity, row *cqn.Row) string {
	if uri.IsSingleton(e) {
		return uri.SetName(e)
	}
	return uri.SetName(e) + keyPredicate(e, row)
}

// linked returns the elements that make the link of an association, as far as it can be changed by itself: a managed association to one, or one to
// many that is the other side of such. Parts of a composition cannot leave their whole.
func linked(a *csn.Assoc) bool {
	if a.Composition || a.Target == nil {
		return false
	}
	if !a.Many {
		return len(a.FK) > 0
	}
	for _, p := range a.Pairs {
		if p.Source == nil || p.Target == nil || p.Target.Key || p.Target.ForeignKey == nil {
			return false
		}
	}
	return len(a.Pairs) > 0
}

func (c *call) mayLink(via *csn.Element) error {
	if !linked(via.Assoc()) {
		return c.behindGate(cds.Reject(http.StatusMethodNotAllowed, "405", "The link %q can't be changed by itself", via.Name))
	}
	return nil
}

// parentUpdate returns the request that changes elements of the row before the last association of the path.
func (c *call) parentUpdate(row *cqn.Row) *cds.RawRequest {
	n := len(c.res.Segments) - 1
	req := c.request(eventUpdate)
	req.Target = c.res.Segments[n-1].Entity
	req.Path, req.Via, req.Params = req.Path[:n], req.Via[:n-1], req.Params[:n]
	req.Data, req.Query = row, &cqn.Update{Entity: c.res.Parent(), Data: row}
	req.MustExist, req.Return = true, cds.ReturnNothing
	return req
}

// setReference answers PUT Books(1)/author/$ref.
func (c *call) setReference(last uri.Segment) error {
	a := last.Via.Assoc()
	row := cqn.NewRow()
	req := c.parentUpdate(row)
	if err := c.svc.Admit(c.ctx, c.user(), eventUpdate, req.Path, req.Via, nil); err != nil {
		return err
	}
	if err := c.mayLink(last.Via); err != nil {
		return err
	}
	keys, err := c.referenceBody(a.Target)
	if err != nil {
		return err
	}
	for i, t := range a.FKTarget {
		v, ok := keys.Get(t.Name)
		if !ok {
			return cds.Reject(http.StatusMethodNotAllowed, "405", "The link %q is not by key", last.Via.Name)
		}
		row.Set(a.FK[i].Name, v)
	}
	return c.changed(req)
}

// unlink answers DELETE Books(1)/author and DELETE Books(1)/author/$ref.
func (c *call) unlink(via *csn.Element) error {
	row := cqn.NewRow()
	req := c.parentUpdate(row)
	if err := c.svc.Admit(c.ctx, c.user(), eventUpdate, req.Path, req.Via, nil); err != nil {
		return err
	}
	if err := c.mayLink(via); err != nil {
		return err
	}
	for _, fk := range via.Assoc().FK {
		row.Set(fk.Name, cqn.Null)
	}
	return c.changed(req)
}

func (c *call) changed(req *cds.RawRequest) error {
	res, err := c.svc.Dispatch(c.ctx, req)
	if err != nil {
		return err
	}
	c.headers(res)
	return c.noContent()
}

// addReference answers POST Authors(1)/books/$ref: the row with the foreign key is the one that the body names.
func (c *call) addReference(last uri.Segment) error {
	target := last.Entity
	if err := c.allowedAlone(target); err != nil {
		return err
	}
	if err := c.mayLink(last.Via); err != nil {
		return err
	}
	keys, err := c.referenceBody(target)
	if err != nil {
		return err
	}
	parent, err := c.parentValues(last.Via.Assoc())
	if err != nil {
		return err
	}
	return c.changed(c.keyUpdate(target, keys, parent))
}

// removeReference answers DELETE Authors(1)/books(5)/$ref and DELETE Authors(1)/books/$ref?$id=Books(5).
func (c *call) removeReference(last uri.Segment) error {
	target := last.Entity
	if err := c.allowedAlone(target); err != nil {
		return err
	}
	if err := c.mayLink(last.Via); err != nil {
		return err
	}
	keys := last.Keys
	if keys == nil {
		id, ok := c.res.Option("$id")
		if keys = c.decoder(nil).bound(id, target); !ok || keys == nil {
			return cds.Reject(400, "400", "DELETE of a reference needs $id=%s(…), the URL of the entity", uri.SetName(target))
		}
	}
	// The row must be linked now, as far as the user can see.
	link, err := c.parentValues(last.Via.Assoc())
	if err != nil {
		return err
	}
	req := c.keyUpdate(target, keys, cqn.NewRow())
	sel := &cqn.Select{From: &cqn.From{Path: cqn.NewRef(target.Name)}, One: true, Where: cds.KeyFilter(target, keys)}
	for _, k := range target.Keys {
		sel.Columns = append(sel.Columns, cqn.Column{X: cqn.NewRef(k.Name)})
	}
	for _, f := range link.Fields() {
		sel.Where = &cqn.Binary{Op: cqn.And, L: sel.Where, R: &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef(f.Name), R: &cqn.Lit{Value: f.Value}}}
		req.Data.Set(f.Name, cqn.Null)
	}
	read := c.request(eventRead)
	read.IfMatch, read.IfNoneMatch = nil, nil
	read.Target, read.Path, read.Via, read.Params, read.Query = target, req.Path, nil, nil, sel
	res, err := c.svc.Dispatch(c.ctx, read)
	if err != nil {
		return err
	}
	if len(res.Rows) == 0 {
		return errNotFound
	}
	return c.changed(req)
}

// allowedAlone asks whether rows of an entity may be changed at all, before anything of the request is looked at.
func (c *call) allowedAlone(e *csn.Entity) error {
	return c.svc.Admit(c.ctx, c.user(), eventUpdate, []*csn.Entity{e}, nil, nil)
}

// keyUpdate returns the request that changes the row of an entity with the given keys, as if the path were its own URL.
func (c *call) keyUpdate(e *csn.Entity, keys, row *cqn.Row) *cds.RawRequest {
	req := c.request(eventUpdate)
	ref := cqn.NewRef(e.Name)
	ref.Path[0].Filter = cds.KeyFilter(e, keys)
	req.Target, req.Path, req.Via = e, []*csn.Entity{e}, nil
	req.Params = []cds.Keys{{Entity: e, Values: keys}}
	req.Data, req.Query = row, &cqn.Update{Entity: ref, Data: row}
	req.MustExist, req.Return = true, cds.ReturnNothing
	return req
}

// parentValues reads the row before the last association and returns what rows on its other side have in their foreign keys: 404 if the user
// sees no such row.
func (c *call) parentValues(a *csn.Assoc) (*cqn.Row, error) {
	n := len(c.res.Segments) - 1
	req := c.request(eventRead)
	req.IfMatch, req.IfNoneMatch = nil, nil
	req.Target = c.res.Segments[n-1].Entity
	req.Path, req.Via, req.Params = req.Path[:n], req.Via[:n-1], req.Params[:n]
	sel := &cqn.Select{From: &cqn.From{Path: c.res.Parent()}, One: true}
	for _, p := range a.Pairs {
		sel.Columns = append(sel.Columns, cqn.Column{X: cqn.NewRef(p.Source.Name)})
	}
	req.Query = sel
	res, err := c.svc.Dispatch(c.ctx, req)
	if err != nil {
		return nil, err
	}
	if len(res.Rows) == 0 {
		return nil, errNotFound
	}
	row := cqn.NewRow()
	for _, p := range a.Pairs {
		v := res.Rows[0].Value(p.Source.Name)
		if v.IsNull() {
			return nil, errNotFound // nothing can be linked to it
		}
		row.Set(p.Target.Name, v)
	}
	return row, nil
}

// referenceBody reads {"@odata.id": "Authors(101)"} and returns the keys in it.
func (c *call) referenceBody(target *csn.Entity) (*cqn.Row, error) {
	b, err := c.jsonBody()
	if err != nil {
		return nil, err
	}
	d := c.decoder(b)
	var id string
	err = d.object(func(name string) (err error) {
		switch {
		case name == "@odata.id" || name == "@id":
			if d.peek() != '"' {
				return syntaxError("Expected the URL of an entity in %q", name)
			}
			id, err = d.str()
			return err
		case strings.HasPrefix(name, "@odata."):
			return d.skip()
		}
		return unknownProperty(name, "$ref")
	})
	if err := d.done(err); err != nil {
		return nil, err
	}
	keys := d.bound(id, target)
	if keys == nil {
		return nil, cds.Reject(400, "400", "%q is not the URL of an entity of %s", clipped(id), target.Name)
	}
	return keys, nil
}
