package odata

import (
	"net/http"

	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/odata/edmx"
	"cds/runtime/odata/internal/edm"
	"cds/runtime/odata/uri"
)

// CapabilitiesPath is where a service tells its users what they may do, below its own path. No entity set can have the name "-".
const CapabilitiesPath = "-/capabilities"

// privately is the Cache-Control of documents that depend on who asks: the client itself may keep them, and asks each time whether they still hold.
const privately = "private, no-cache"

// capabilities answers with what the user may do with the service, as far as it does not depend on single rows. It needs the right to the service, as
// the metadata document does, and names nothing that this does not name.
func (c *call) capabilities() error {
	if c.r.Method != http.MethodGet && c.r.Method != http.MethodHead {
		return c.behindGate(cds.Reject(405, "405", "Method Not Allowed"))
	}
	if err := c.gate(); err != nil {
		return err
	}
	body := c.rightsJSON(c.svc.Rights(c.ctx))
	c.w.Header().Set("Cache-Control", privately)
	return c.sendTagged(tag(body), jsonType, body)
}

// rightsJSON writes the rights on all that the metadata document of the user has.
func (c *call) rightsJSON(r *cds.Rights) []byte {
	v := c.view()
	b := append([]byte(`{"service":`), edm.AppendString(nil, c.svc.Model.Name)...)
	b = append(b, `,"actions":`...)
	b = operationRights(b, r.Ops, v)
	b = append(b, `,"entities":{`...)
	n := 0
	for i := range r.Entities {
		e := &r.Entities[i]
		if !edmx.Exposed(e.Entity) || isDraftHelper(e.Entity) || !v.Entity(e.Entity) {
			continue
		}
		if n++; n > 1 {
			b = append(b, ',')
		}
		b = append(edm.AppendString(b, uri.SetName(e.Entity)), ':')
		b = c.entityRights(b, e, v)
	}
	return append(b, `}}`...)
}

func (c *call) entityRights(b []byte, r *cds.EntityRights, v *edmx.View) []byte {
	for _, x := range []struct {
		open string
		may  cds.Extent
	}{{`{"read":"`, r.Read}, {`","create":"`, r.Create}, {`","update":"`, r.Update}, {`","delete":"`, r.Delete}} {
		b = append(append(b, x.open...), x.may.String()...)
	}
	b = append(b, `","actions":`...)
	b = operationRights(b, r.Ops, v)
	b = append(b, `,"elements":{`...)
	readOnly := func(el *csn.Element) bool { return c.svc.App.ReadOnly(r.Entity, el) }
	for i, list := range []struct {
		name string
		has  func(el *csn.Element, x cds.ElementRights) bool
	}{
		{"read", func(_ *csn.Element, x cds.ElementRights) bool {
			return r.Read != cds.MayNone && (x.Read != cds.MayNone || x.Masked)
		}},
		{"masked", func(_ *csn.Element, x cds.ElementRights) bool { return r.Read != cds.MayNone && x.Masked }},
		{"create", func(el *csn.Element, x cds.ElementRights) bool {
			return r.Create != cds.MayNone && x.Create != cds.MayNone && !readOnly(el)
		}},
		{"update", func(el *csn.Element, x cds.ElementRights) bool {
			return r.Update != cds.MayNone && x.Update != cds.MayNone && !el.Key && !readOnly(el)
		}},
	} {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(edm.AppendString(b, list.name), `:[`...)
		n := 0
		for j, el := range r.Entity.Flat {
			if !v.Element(r.Entity, el) || !list.has(el, r.Elements[j]) {
				continue
			}
			if n++; n > 1 {
				b = append(b, ',')
			}
			b = edm.AppendString(b, el.Name)
		}
		b = append(b, ']')
	}
	return append(b, `}}`...)
}

func operationRights(b []byte, ops []cds.OperationRights, v *edmx.View) []byte {
	b = append(b, '{')
	n := 0
	for _, o := range ops {
		if !v.Operation(o.Op) {
			continue
		}
		if n++; n > 1 {
			b = append(b, ',')
		}
		b = append(edm.AppendString(b, o.Op.LocalName()), `:"`...)
		b = append(append(b, o.Call.String()...), '"')
	}
	return append(b, '}')
}
