package odata

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/odata/internal/edm"
	"cds/runtime/odata/uri"
)

// PATCH on a collection takes a delta payload (OData 4.01 11.4.13, JSON 15): rows to be added or changed, and removed ones. Each is a write of its
// own, authorized and checked as if it had come alone; all are done or none. OData 4.0 knows no such request, so it has to say OData-Version: 4.01.

// A deltaItem is one member of a delta payload.
type deltaItem struct {
	row     *cqn.Row
	keys    *cqn.Row // nil if they are not all there
	removed bool
	etag    string
}

// place names the item of a delta payload in the targets of errors.
func place(i int) string { return "value[" + strconv.Itoa(i) + "]" }

// takesDelta reports whether a request may change a collection.
func (c *call) takesDelta() bool {
	return c.r.Method == http.MethodPatch && !c.opt.Plain && c.r.Header.Get("OData-Version") == "4.01"
}

// patchCollection answers PATCH on a collection.
func (c *call) patchCollection() error {
	e := c.res.Entity()
	if e.Drafts != nil || e.Active != nil {
		return cds.Reject(501, "501", "Delta payloads are not supported for draft-enabled entities")
	}
	items, err := c.deltaBody(e)
	if err != nil {
		return err
	}
	minimal := c.prefer() == cds.ReturnNothing
	var body []byte
	err = c.svc.App.Tx(c.ctx, func(ctx context.Context) error {
		for i, it := range items {
			b, err := c.applyDelta(ctx, it, minimal)
			if err != nil {
				return inRow(err, place(i))
			}
			if i > 0 {
				body = append(body, ',')
			}
			body = append(body, b...)
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
	b := append(c.appendContext(nil, uri.SetName(e), "/$delta"), `,"value":[`...)
	return c.sendJSON(http.StatusOK, append(append(b, body...), `]}`...))
}

// applyDelta does what one item says and returns how the answer shows it.
func (c *call) applyDelta(ctx context.Context, it deltaItem, minimal bool) ([]byte, error) {
	e := c.res.Entity()
	one, res := *c, *c.res
	res.Segments = slices.Clone(res.Segments)
	var req *cds.RawRequest
	if it.keys != nil {
		res.Segments[len(res.Segments)-1].Keys = it.keys
		res.Kind, one.res = uri.Single, &res
	}
	switch {
	case it.removed:
		req = one.deletion()
	case it.keys != nil:
		req = one.change(it.row)
		req.Upsert, req.MustExist = true, false
	default:
		req = c.creation(it.row)
	}
	req.IfMatch, req.IfNoneMatch = nil, nil // those of the request are about the collection
	if it.etag != "" {
		req.IfMatch = []string{it.etag}
	}
	if minimal {
		req.Return = cds.ReturnNothing
	}
	out, err := c.perform(ctx, req, e)
	if err != nil || minimal {
		return nil, err
	}
	if rows := c.rowsJSON(out, e, c.format); !it.removed && out.N == 1 {
		return rows, nil
	}
	b := []byte(`{`)
	if it.removed {
		b = append(b, `"@odata.removed":{"reason":"deleted"},`...)
	}
	b = append(b, `"@odata.id":`...)
	b = edm.AppendString(b, uri.SetName(e)+keyPredicate(e, it.keys, req.Data))
	return append(b, '}'), nil
}

// deltaBody reads a delta payload.
func (c *call) deltaBody(e *csn.Entity) ([]deltaItem, error) {
	b, err := c.jsonBody()
	if err != nil {
		return nil, err
	}
	d := c.decoder(b)
	d.bare = true
	var items []deltaItem
	found, delta := false, false
	err = d.object(func(name string) error {
		switch name {
		case "@context", "@odata.context":
			if d.peek() != '"' {
				return d.fail("a string")
			}
			text, err := d.str()
			delta = strings.HasSuffix(text, "$delta")
			return err
		case "value":
			found = true
			return d.array(func(i int) error {
				if i >= maxRows {
					return cds.Reject(413, "413", "More than %d rows in one request", maxRows)
				}
				it, err := d.deltaItem(e, place(i))
				if err != nil {
					return err
				}
				c.fromParent(it.row)
				if it.keys, err = keysIn(e, it.row); err != nil {
					if it.keys = nil; it.removed {
						return inRow(err, place(i))
					}
				}
				items = append(items, it)
				return nil
			})
		}
		if strings.HasPrefix(name, "@") {
			return d.skip()
		}
		return unknownProperty(name, "a delta payload")
	})
	if err = d.done(err); err == nil && (!found || !delta) {
		err = syntaxError("PATCH on a collection needs a delta payload: {\"@context\":\"#$delta\",\"value\":[…]}")
	}
	return items, err
}

// deltaItem reads one item: first what its control information says, then its elements.
func (d *decoder) deltaItem(e *csn.Entity, path string) (it deltaItem, err error) {
	from, depth := d.i, d.depth
	var id string
	err = d.object(func(name string) error {
		if !strings.HasPrefix(name, "@") {
			return d.skip()
		}
		switch name = strings.TrimPrefix(name[1:], "odata."); name {
		case "removed":
			it.removed = true
			return d.removed(path)
		case "id", "etag":
			if d.peek() != '"' {
				return d.fail("a string")
			}
			text, err := d.str()
			if name == "id" {
				id = text
			} else {
				it.etag = text
			}
			return err
		case "context":
			return cds.Reject(501, "501", "Links, and entities of other sets, are not supported in delta payloads")
		}
		return d.skip()
	})
	if err != nil {
		return it, err
	}
	d.i, d.depth = from, depth
	if it.row, err = d.entity(e, path, e.Name); err != nil {
		return it, err
	}
	if id != "" {
		keys := d.bound(id, e)
		if keys == nil {
			return it, &cds.Error{Status: 400, Code: "400", Message: "Expected the URL of an entity of this collection", Target: path + "/@id"}
		}
		for _, f := range keys.Fields() {
			it.row.Set(f.Name, f.Value)
		}
	}
	return it, nil
}

// removed reads why an entity was removed. Only a deletion can be repeated: what was removed from a selection is still there.
func (d *decoder) removed(path string) error {
	return d.object(func(name string) error {
		if name != "reason" || d.peek() != '"' {
			return d.skip()
		}
		reason, err := d.str()
		if err == nil && reason != "deleted" {
			err = &cds.Error{Status: 501, Code: "501", Message: "Only entities that were deleted can be removed by a delta payload", Target: path}
		}
		return err
	})
}
