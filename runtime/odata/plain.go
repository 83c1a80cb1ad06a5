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

// The REST protocol has the URLs, query options and rights of OData; what differs is how answers are written: rows without a wrapper and
// without control information, and what OData puts there in headers. Requests take the same way through the door, so that no rule can be
// missing on one of the two (see Options.Plain).

// A Document is served at the root of a service to all who may enter it, such as the service's description.
type Document struct {
	ContentType string
	// SecurityPolicy is the Content-Security-Policy of pages; "" for none.
	SecurityPolicy string
	// Open serves the document to anybody: it tells nothing of the service.
	Open bool
	// Body makes the document, on each request; callers keep what is costly to make.
	Body func() ([]byte, error)
	// ByRole makes it where descriptions follow roles, once for each set of roles; nil if it is the same for all.
	ByRole func(v *View) ([]byte, error)
}

// extra answers for one of Options.Documents; ok is false if the path names none.
func (c *call) extra() (err error, ok bool) {
	if c.path == CapabilitiesPath && !c.opt.NoCapabilities {
		return c.capabilities(), true
	}
	doc, ok := c.opt.Documents[c.path]
	if !ok || c.r.Method != http.MethodGet && c.r.Method != http.MethodHead {
		return nil, false
	}
	if !doc.Open {
		if err := c.gate(); err != nil {
			return err, true
		}
	}
	read := doc.Body
	if doc.ByRole != nil && c.opt.ByRole {
		c.w.Header().Set("Cache-Control", privately)
		read = c.documentsFor(c.locale, c.user()).others[c.path]
	}
	body, err := read()
	if err != nil {
		return err, true
	}
	if doc.SecurityPolicy != "" {
		c.w.Header().Set("Content-Security-Policy", doc.SecurityPolicy)
	}
	return c.sendTagged(tag(body), doc.ContentType, body), true
}

// plainMethod refuses what REST does not have: $metadata and $batch, and methods that a kind of resource does not have.
func (c *call) plainMethod() error {
	m := c.r.Method
	read := m == http.MethodGet || m == http.MethodHead
	no := func(what string) error { return cds.Reject(405, "405", "Method %s is not allowed for %s", m, what) }
	switch c.res.Kind {
	case uri.Metadata, uri.Batch, uri.Reference:
		return cds.Reject(404, "404", "Invalid resource path %q", c.svc.Model.Name+"."+c.path)
	case uri.Root:
		if !read {
			return no("the root of a service")
		}
	case uri.Operation:
		switch {
		case c.res.Op.Function && m != http.MethodGet:
			return cds.Reject(400, "400", "Function must be called by GET")
		case !c.res.Op.Function && m != http.MethodPost:
			return cds.Reject(400, "400", "Action must be called by POST")
		}
	case uri.Single:
		if m == http.MethodPost {
			return no("singletons and individual entities")
		}
	case uri.Property:
		if !read && !(isStream(c.res.Property) && m == http.MethodPut) && m != http.MethodDelete {
			return no("properties")
		}
	case uri.Count:
		if !read {
			return no("$count")
		}
	}
	return nil
}

// plainRoot lists the entities of the service.
func (c *call) plainRoot() error {
	if err := c.gate(); err != nil {
		return err
	}
	b := []byte(`{"entities":[`)
	if c.opt.ByRole {
		c.w.Header().Set("Cache-Control", privately)
	}
	for i, e := range sets(c.svc.Model, c.view()) {
		if i > 0 {
			b = append(b, ',')
		}
		name := uri.SetName(e)
		b = append(b, `{"name":`...)
		b = edm.AppendString(b, name)
		b = append(b, `,"url":`...)
		b = edm.AppendString(b, name)
		b = append(b, '}')
	}
	return c.sendJSON(http.StatusOK, append(b, `]}`...))
}

// plainCollection writes rows as an array. The number of all rows and the next page are told in headers.
func (c *call) plainCollection(status int, rows []byte, count int64, next string) error {
	h := c.w.Header()
	if count >= 0 {
		h.Set("X-Total-Count", strconv.FormatInt(count, 10))
	}
	if i := strings.IndexByte(next, '?'); i >= 0 { // relative to this resource (RFC 3986 5.3), wherever a proxy shows it
		h.Set("Link", "<"+next[i:]+`>; rel="next"`)
	}
	b := append(append(c.buf.body[:0], '['), rows...)
	c.buf.body = append(b, ']')
	return c.sendJSON(status, c.buf.body)
}

// plainRow writes a row, or 204 for none.
func (c *call) plainRow(status int, row []byte) error {
	if len(row) == 0 {
		return c.noContent()
	}
	return c.sendJSON(status, row)
}

// plainValue writes what an operation returned: texts as they are, everything else as JSON.
func (c *call) plainValue(v cqn.Value, el *csn.Element) error {
	if v.Kind() == cqn.KindString {
		if b := el.Scalar(); b == nil || b.Kind == csn.String || b.Kind == csn.LargeString || b.Kind == csn.UUID {
			c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			return c.send(http.StatusOK, []byte(v.Str()))
		}
	}
	return c.sendJSON(http.StatusOK, appendAny(nil, v, el, false))
}

// plainProperty writes an element with the key of its row.
func (c *call) plainProperty(row *cqn.Row) error {
	b := append([]byte{'{'}, edm.AppendString(nil, c.res.Property.Name)...)
	b = append(b, ':')
	b = appendStored(b, row.Value(c.res.Property.Name), c.res.Property, c.format.DecimalStrings)
	for _, k := range c.res.Entity().Keys {
		v, ok := row.Get(k.Name)
		if !ok || k == c.res.Property {
			continue
		}
		b = append(edm.AppendString(append(b, ','), k.Name), ':')
		b = appendAny(b, v, k, c.format.DecimalStrings)
	}
	return c.sendJSON(http.StatusOK, append(b, '}'))
}

// plainEcho leaves of a written row, as it was read back, what the client wrote or the server computed for it on the way: a column that
// neither has a value for tells nothing.
func plainEcho(e *csn.Entity, row, written *cqn.Row) *cqn.Row {
	out := cqn.NewRow()
	for _, f := range row.Fields() {
		el := e.Element(f.Name)
		v, sent := written.Get(f.Name)
		switch {
		case el == nil, el.Key, el.Virtual:
		case !sent:
			continue
		case el.Assoc() != nil && el.Assoc().Target != nil:
			f.Value = echoChildren(el.Assoc().Target, f.Value, v)
		}
		out.Set(f.Name, f.Value)
	}
	return out
}

// echoChildren does so for the rows of a composition. Children are told apart by their keys, and shown as a whole where these don't match.
func echoChildren(e *csn.Entity, read, written cqn.Value) cqn.Value {
	if r := read.Row(); r != nil {
		if w := written.Row(); w != nil {
			return cqn.OfRow(plainEcho(e, r, w))
		}
		return read
	}
	if read.Kind() != cqn.KindRows {
		return read
	}
	rows := make([]*cqn.Row, 0, len(read.Rows()))
	for _, r := range read.Rows() {
		for _, w := range written.Rows() {
			if sameKey(e, r, w) {
				r = plainEcho(e, r, w)
				break
			}
		}
		rows = append(rows, r)
	}
	return cqn.OfRows(rows)
}

func sameKey(e *csn.Entity, a, b *cqn.Row) bool {
	for _, k := range e.Keys {
		if k.Assoc() == nil && a.Value(k.Name).Format() != b.Value(k.Name).Format() {
			return false
		}
	}
	return len(e.Keys) > 0
}
