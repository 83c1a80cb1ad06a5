package odata

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/odata/internal/edm"
	"cds/runtime/odata/uri"
)

const jsonType = "application/json; charset=utf-8"

// send writes a whole answer.
func (c *call) send(status int, body []byte) error {
	c.set(1, "Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(body) // the client may be gone
	}
	return nil
}

// sendText is send for what is a string already.
func (c *call) sendText(status int, body string) error {
	c.set(1, "Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		_, _ = io.WriteString(c.w, body) // the client may be gone
	}
	return nil
}

func (c *call) sendJSON(status int, body []byte) error {
	c.set(2, "Content-Type", jsonType)
	return c.send(status, body)
}

func (c *call) noContent() error {
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// fail writes an error. Refusals at the gate of the service are told as if there were no OData behind it.
func (c *call) fail(err error) {
	e := asError(err)
	if e.Code == cds.CodeConflict && len(c.r.Header["If-Match"]) > 0 { // the state that the client knows is not the latest any more
		e = &cds.Error{Status: http.StatusPreconditionFailed, Code: "412", Message: "Precondition Failed"}
	}
	h := c.w.Header()
	switch e.Status {
	case http.StatusNotModified:
		c.w.WriteHeader(http.StatusNotModified)
		return
	case http.StatusUnauthorized, http.StatusForbidden:
		inside := c.svc.Authorize(c.user(), eventRead, nil, nil, nil) == nil
		if !inside {
			h.Del("OData-Version")
		}
		if e.Status == http.StatusUnauthorized && c.inBatch == nil {
			c.opt.Unauthorized(unauthorized{c.w, inside && !c.opt.Plain}, c.r)
			return
		}
	case http.StatusRequestEntityTooLarge:
		h.Set("Connection", "close")
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	}
	h.Del("ETag")
	status := e.Status
	if status < 400 || status > 599 {
		status = 500
	}
	if c.r.Method == http.MethodHead {
		c.w.WriteHeader(status)
		return
	}
	suffix := `,"@Common.numericSeverity":4`
	if c.opt.Plain {
		if suffix = ""; status == http.StatusForbidden {
			suffix = `,"internal":null` // as CAP's clients know it
		}
	}
	if c.inSet && c.part.id != "" { // which request of the change set it was
		suffix += `,"@Core.ContentID":` + string(edm.AppendString(nil, c.part.id))
	}
	b := appendError([]byte(`{"error":`), e, suffix, 0)
	_ = c.sendJSON(status, append(b, '}'))
}

// unauthorized lets the server write a 401, and keeps OData's header on those that come from within the service.
type unauthorized struct {
	http.ResponseWriter
	inside bool
}

func (u unauthorized) WriteHeader(status int) {
	if u.inside {
		u.Header().Set("OData-Version", "4.0")
	}
	u.ResponseWriter.WriteHeader(status)
}

// maxMessage bounds the texts of errors, which may quote what the client sent.
const maxMessage = 1000

func clipped(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	return strings.ToValidUTF8(s[:maxMessage], "") + "…"
}

// appendError appends an error or one of its details, each with the members of suffix. depth bounds details of details.
func appendError(b []byte, e *cds.Error, suffix string, depth int) []byte {
	code := e.Code
	if code == "" {
		code = strconv.Itoa(e.Status)
	}
	b = append(b, `{"message":`...)
	b = edm.AppendString(b, clipped(e.Message))
	b = append(b, `,"code":`...)
	b = edm.AppendString(b, code)
	if e.Target != "" {
		b = append(b, `,"target":`...)
		b = edm.AppendString(b, clipped(e.Target))
	}
	if len(e.Details) > 0 && depth < 2 {
		b = append(b, `,"details":[`...)
		for i, d := range e.Details {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendError(b, d, suffix, depth+1)
		}
		b = append(b, ']')
	}
	return append(append(b, suffix...), '}')
}

// context begins a JSON object with the context URL for fragment: {"@odata.context":"../$metadata#fragment"
func (c *call) context(fragment string) []byte { return c.appendContext(nil, fragment, "") }

// appendContext does so in b, for a fragment of a name and a suffix that needs no escapes.
func (c *call) appendContext(b []byte, name, suffix string) []byte {
	b = append(b, `{"@odata.context":"`...)
	for i := 1; i < c.res.Depth; i++ {
		b = append(b, "../"...)
	}
	b = append(b, "$metadata#"...)
	at := len(b)
	b = edm.AppendString(b, name)
	b = append(b[:at], b[at+1:len(b)-1]...) // without the quotes
	return append(append(b, suffix...), '"')
}

// object continues an object that c.context began with the members of row, a JSON object.
func object(b, row []byte) []byte {
	if len(row) > 2 {
		b = append(append(b, ','), row[1:]...)
		return b
	}
	return append(b, '}')
}

// messages puts warnings and the like into the sap-messages header, in ASCII.
func (c *call) messages(res *cds.Result) {
	if len(res.Messages) == 0 {
		return
	}
	b := []byte{'['}
	for i, m := range res.Messages {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"code":`...)
		b = edm.AppendString(b, m.Code)
		b = append(b, `,"message":`...)
		b = edm.AppendString(b, m.Message)
		if m.Target != "" {
			b = append(b, `,"target":`...)
			b = edm.AppendString(b, m.Target)
		}
		b = append(b, `,"numericSeverity":`...)
		b = strconv.AppendInt(b, int64(m.Severity), 10)
		b = append(b, '}')
		if len(b) > 8<<10 { // header space is limited
			break
		}
	}
	c.w.Header().Set("sap-messages", ascii(append(b, ']')))
}

// ascii escapes all other characters of a JSON text.
func ascii(b []byte) string {
	var s strings.Builder
	for _, r := range string(b) {
		if r < 0x7f {
			s.WriteByte(byte(r))
			continue
		}
		units := utf16.AppendRune(nil, r)
		for _, u := range units {
			h := strconv.FormatUint(uint64(u), 16)
			s.WriteString(`\u` + strings.Repeat("0", 4-len(h)) + h)
		}
	}
	return s.String()
}

// headers sets what results of all kinds have in common.
func (c *call) headers(res *cds.Result) {
	c.messages(res)
	if res.ETag != "" {
		c.w.Header().Set("ETag", res.ETag)
	}
}

// rowsJSON returns the rows of a result as JSON objects separated by commas.
func (c *call) rowsJSON(res *cds.Result, e *csn.Entity, f cds.Format) []byte {
	if res.JSON != nil || len(res.Rows) == 0 {
		return res.JSON
	}
	var b []byte
	for i, row := range res.Rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = f.AppendRow(b, e, row)
	}
	return b
}

// collection writes rows with count and next link.
func (c *call) collection(res *cds.Result, e *csn.Entity, next string) error {
	c.cacheable(e)
	rows := c.rowsJSON(res, e, c.format)
	if c.opt.Plain {
		c.headers(res)
		return c.plainCollection(http.StatusOK, rows, res.Count, next)
	}
	b := c.appendContext(slices.Grow(c.buf.body[:0], len(rows)+256), uri.SetName(e), "")
	if res.Count >= 0 {
		b = append(b, `,"@odata.count":`...)
		b = strconv.AppendInt(b, res.Count, 10)
	}
	if next != "" {
		b = append(b, `,"@odata.nextLink":`...)
		b = edm.AppendString(b, next)
	}
	b = append(b, `,"value":[`...)
	b = append(b, rows...)
	c.headers(res)
	c.buf.body = append(b, `]}`...)
	return c.sendJSON(http.StatusOK, c.buf.body)
}

// single writes one row.
func (c *call) single(status int, res *cds.Result, e *csn.Entity) error {
	if res.N > 1 {
		return cds.Reject(500, "500", "The service answered %d rows in place of one", res.N)
	}
	c.cacheable(e)
	if c.opt.Plain {
		c.headers(res)
		return c.plainRow(status, c.rowsJSON(res, e, c.format))
	}
	suffix := "/$entity"
	if uri.IsSingleton(e) {
		suffix = ""
	}
	rows := c.rowsJSON(res, e, c.format)
	b := c.appendContext(slices.Grow(c.buf.body[:0], len(rows)+128), uri.SetName(e), suffix)
	c.headers(res)
	c.buf.body = object(b, rows)
	return c.sendJSON(status, c.buf.body)
}

// appendAny appends a value of any type: el, which may be nil, describes it.
func appendAny(b []byte, v cqn.Value, el *csn.Element, exact bool) []byte {
	var t csn.Type
	if el != nil {
		t = el.Type
	}
	switch v.Kind() {
	case cqn.KindList:
		return appendList(b, v.List(), t, exact)
	case cqn.KindRow:
		return appendRow(b, v.Row(), members(t), exact)
	case cqn.KindRows:
		b = append(b, '[')
		for i, r := range v.Rows() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendRow(b, r, members(t), exact)
		}
		return append(b, ']')
	}
	scalar, _ := t.(*csn.Builtin)
	return edm.AppendValue(b, v, scalar, exact)
}

func appendList(b []byte, vs []cqn.Value, t csn.Type, exact bool) []byte {
	var item *csn.Element
	if a, ok := t.(*csn.Array); ok {
		item = a.Items
	}
	b = append(b, '[')
	for i, v := range vs {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendAny(b, v, item, exact)
	}
	return append(b, ']')
}

// members returns the elements of a structure, of the items of an array, or of the target of an association.
func members(t csn.Type) csn.Elements {
	switch t := t.(type) {
	case *csn.Struct:
		return t.Elements
	case *csn.Array:
		if t.Items != nil {
			return members(t.Items.Type)
		}
	case *csn.Assoc:
		if t.Target != nil {
			return t.Target.Flat
		}
	}
	return nil
}

func appendRow(b []byte, r *cqn.Row, els csn.Elements, exact bool) []byte {
	b = append(b, '{')
	for i, f := range r.Fields() {
		if i > 0 {
			b = append(b, ',')
		}
		b = edm.AppendString(b, f.Name)
		b = append(b, ':')
		b = appendAny(b, f.Value, els.Lookup(f.Name), exact)
	}
	return append(b, '}')
}
