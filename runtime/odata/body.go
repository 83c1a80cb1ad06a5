package odata

import (
	"bytes"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/odata/internal/edm"
	"cds/runtime/odata/uri"
)

// readBody reads a whole body of at most limit bytes.
func (c *call) readBody(limit int64) ([]byte, error) {
	var b bytes.Buffer
	err := c.copyBody(&b, limit)
	return b.Bytes(), err
}

// A store is memory that a body is read into.
type store interface {
	io.Writer
	Grow(n int)
}

// trusted is how much memory is set aside for a body because of its announced length alone.
const trusted = 64 << 10

// copyBody reads a whole body of at most limit bytes into memory. What the client announces is believed once some of it has come.
func (c *call) copyBody(to store, limit int64) error {
	if e := c.r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return cds.Reject(415, "415", "Unsupported Content-Encoding") // packed bodies would have no limit of size
	}
	tooLarge := cds.Reject(413, "413", "Request body is larger than %d bytes", limit)
	announced := c.r.ContentLength
	if announced > limit {
		return tooLarge
	}
	body := http.MaxBytesReader(c.w, c.r.Body, limit)
	to.Grow(int(min(max(announced, 0), trusted)))
	n, err := io.CopyN(to, body, trusted)
	if err == nil {
		to.Grow(int(max(announced-n, 0)))
		_, err = io.Copy(to, body)
	}
	var most *http.MaxBytesError
	switch {
	case errors.As(err, &most):
		return tooLarge
	case err != nil && !errors.Is(err, io.EOF):
		return cds.Reject(400, "400", "The request body could not be read")
	}
	return nil
}

// jsonBody reads a JSON body. It is empty if the client sent none.
func (c *call) jsonBody() ([]byte, error) {
	ct := c.r.Header.Get("Content-Type")
	if ct == "" && c.r.ContentLength == 0 {
		return nil, nil
	}
	t, params, err := mime.ParseMediaType(ct)
	if err != nil || t != "application/json" || params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8") {
		return nil, cds.Reject(415, "415", "Unsupported Media Type")
	}
	b, err := c.readBody(c.opt.MaxBody)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(b) {
		return nil, syntaxError("The request body is not valid UTF-8")
	}
	return b, nil
}

// A decoder turns JSON into values as the model wants them. Faults of types are collected, faults of syntax end the reading.
type decoder struct {
	jsonReader
	index *uri.Index
	refer func(string) string // resolves references to other requests of a batch; nil for none
	errs  []*cds.Error
	bare  bool // control information may have names without "odata.", as in OData 4.01
}

func (d *decoder) fault(e *cds.Error) {
	if len(d.errs) < maxErrors {
		d.errs = append(d.errs, e)
	}
}

func (c *call) decoder(b []byte) *decoder {
	return &decoder{jsonReader: jsonReader{b: b}, index: c.index, refer: c.reference}
}

// entityBody reads the row of a POST, PATCH or PUT. No body is an empty row.
func (c *call) entityBody(e *csn.Entity) (*cqn.Row, error) {
	b, err := c.jsonBody()
	if err != nil || len(b) == 0 {
		return cqn.NewRow(), err
	}
	d := c.decoder(b)
	if d.peek() == '[' {
		return nil, syntaxError("Only single entity representations are allowed")
	}
	row, err := d.entity(e, "", e.Name)
	return row, d.done(err)
}

func (d *decoder) done(err error) error {
	if err == nil {
		err = d.end()
	}
	if err != nil {
		return err
	}
	return joined(d.errs)
}

// paramsBody reads the parameters of an action.
func (c *call) paramsBody(op *csn.Operation) (*cqn.Row, error) {
	b, err := c.jsonBody()
	if err != nil || len(b) == 0 {
		return cqn.NewRow(), err
	}
	d := c.decoder(b)
	row, err := d.structure(op.Params, "", c.opName())
	return row, d.done(err)
}

// valueBody reads {"value": …} for one element.
func (c *call) valueBody(el *csn.Element) (cqn.Value, error) {
	b, err := c.jsonBody()
	if err != nil {
		return cqn.Null, err
	}
	d := c.decoder(b)
	v, found := cqn.Null, false
	err = d.object(func(name string) error {
		if strings.HasPrefix(name, "@odata.") {
			return d.skip()
		}
		if name != "value" {
			return unknownProperty(name, el.Name)
		}
		found = true
		v, err = d.value(el, el.Name)
		return err
	})
	if err := d.done(err); err != nil {
		return cqn.Null, err
	}
	if !found {
		return cqn.Null, syntaxError("Expected an object with the property \"value\"")
	}
	return v, nil
}

// decodeText reads a JSON argument of a function.
func (c *call) decodeText(p *csn.Element, text string) (cqn.Value, error) {
	d := c.decoder([]byte(text))
	v, err := d.value(p, p.Name)
	return v, d.done(err)
}

// control reports whether a name is control information or an instance annotation with a qualified term, which may be ignored.
func control(name string) bool {
	i := strings.IndexByte(name, '@')
	return i >= 0 && strings.IndexByte(name[i:], '.') > 0
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "/" + name
}

// entity reads a row of an entity. path is its place in the body; owner names it in messages.
func (d *decoder) entity(e *csn.Entity, path, owner string) (*cqn.Row, error) {
	row := cqn.NewRow()
	err := d.object(func(name string) error {
		if assoc, ok := strings.CutSuffix(name, "@odata.bind"); ok {
			return d.bind(row, e, assoc, join(path, name))
		}
		if control(name) || d.bare && name != "" && name[0] == '@' {
			return d.skip()
		}
		el := e.Element(name)
		switch {
		case el == nil, d.hidden(el): // nothing more is told to who does not know the model
			return unknownProperty(name, owner)
		case el.Assoc() != nil:
			return d.association(row, el, join(path, name))
		}
		v, err := d.value(el, join(path, name))
		if err == nil {
			d.set(row, name, v)
		}
		return err
	})
	return row, err
}

// hidden reports whether an element is a composition of something that the service does not expose: it cannot be written through it.
func (d *decoder) hidden(el *csn.Element) bool {
	a := el.Assoc()
	return a != nil && a.Composition && (a.Target == nil || a.Target.Service != d.index.Service)
}

// set adds a value unless another member of the body gave it already.
func (d *decoder) set(row *cqn.Row, name string, v cqn.Value) {
	if row.Has(name) {
		d.fault(&cds.Error{Status: 400, Code: "400", Message: "Property \"" + name + "\" is given twice", Target: name})
		return
	}
	row.Set(name, v)
}

// association reads compositions as nested rows and managed associations to one as foreign keys. Others cannot be written through
// this entity and are dropped.
func (d *decoder) association(row *cqn.Row, el *csn.Element, path string) error {
	a := el.Assoc()
	switch {
	case !a.Composition && (a.Many || len(a.FK) == 0):
		return d.skip()
	}
	null, err := d.null()
	if err != nil {
		return err
	}
	switch {
	case a.Composition && a.Many:
		if null {
			return nil
		}
		return d.children(row, el, path)
	case null:
		for _, fk := range a.FK {
			d.set(row, fk.Name, cqn.Null)
		}
		if len(a.FK) == 0 || a.Composition {
			d.set(row, el.Name, cqn.Null)
		}
		return nil
	case d.peek() != '{':
		d.fault(&cds.Error{Status: 400, Code: "ASSERT_DATA_TYPE", Message: "Value must be an object", Target: path})
		return d.skip()
	case a.Composition:
		child, err := d.entity(a.Target, path, path)
		if err == nil {
			d.set(row, el.Name, cqn.OfRow(child))
		}
		return err
	}
	return d.reference(row, a, path)
}

// children reads the rows of a composition to many.
func (d *decoder) children(row *cqn.Row, el *csn.Element, path string) error {
	if d.peek() != '[' {
		d.fault(&cds.Error{Status: 400, Code: "ASSERT_ARRAY", Message: "Value must be an array", Target: path})
		return d.skip()
	}
	rows := []*cqn.Row{}
	err := d.array(func(i int) error {
		place := path + "[" + strconv.Itoa(i) + "]"
		if d.peek() != '{' {
			d.fault(&cds.Error{Status: 400, Code: "ASSERT_DATA_TYPE", Message: "Value must be an object", Target: place})
			return d.skip()
		}
		child, err := d.entity(el.Assoc().Target, place, place)
		rows = append(rows, child)
		return err
	})
	if err == nil {
		d.set(row, el.Name, cqn.OfRows(rows))
	}
	return err
}

// reference reads {"ID": 1} for a managed association: the keys of its target and nothing else.
func (d *decoder) reference(row *cqn.Row, a *csn.Assoc, path string) error {
	return d.object(func(name string) error {
		if control(name) {
			return d.skip()
		}
		for i, t := range a.FKTarget {
			if t.Name != name {
				continue
			}
			v, err := d.value(a.FK[i], join(path, name))
			if err == nil {
				d.set(row, a.FK[i].Name, v)
			}
			return err
		}
		return unknownProperty(name, path)
	})
}

// bind reads the URL of a bound entity: "author@odata.bind": "Authors(101)".
func (d *decoder) bind(row *cqn.Row, e *csn.Entity, name, path string) error {
	el := e.Element(name)
	if el == nil || el.Assoc() == nil || el.Assoc().Many || len(el.Assoc().FK) == 0 {
		d.fault(&cds.Error{Status: 400, Code: "400", Message: "Property \"" + name + "\" cannot be bound", Target: path})
		return d.skip()
	}
	a := el.Assoc()
	if null, err := d.null(); null || err != nil {
		for _, fk := range a.FK {
			d.set(row, fk.Name, cqn.Null)
		}
		return err
	}
	if d.peek() != '"' {
		d.fault(&cds.Error{Status: 400, Code: "400", Message: "Expected the URL of an entity", Target: path})
		return d.skip()
	}
	url, err := d.str()
	if err != nil {
		return err
	}
	keys := d.bound(url, a.Target)
	if keys == nil {
		d.fault(&cds.Error{Status: 400, Code: "400", Message: "\"" + url + "\" is not the URL of an entity of " + a.Target.Name, Target: path})
		return nil
	}
	for i, t := range a.FKTarget {
		d.set(row, a.FK[i].Name, keys.Value(t.Name))
	}
	return nil
}

// bound returns the keys in the URL of an entity, relative or absolute.
func (d *decoder) bound(url string, target *csn.Entity) *cqn.Row {
	if d.refer != nil {
		url = d.refer(url)
	}
	if i := strings.IndexByte(url, '('); i >= 0 {
		url = url[strings.LastIndexByte(url[:i], '/')+1:]
	}
	res, err := d.index.Parse(url, "")
	if err != nil || res.Kind != uri.Single || len(res.Segments) != 1 || res.Entity() != target {
		return nil
	}
	return res.Segments[0].Keys
}

// structure reads an object with the given members: parameters of an action, or a structured value.
func (d *decoder) structure(els csn.Elements, path, owner string) (*cqn.Row, error) {
	row := cqn.NewRow()
	if d.peek() == '[' { // an array has members named by numbers
		return row, unknownProperty("0", owner)
	}
	err := d.object(func(name string) error {
		if control(name) {
			return d.skip()
		}
		el := els.Lookup(name)
		if el == nil {
			return unknownProperty(name, owner)
		}
		v, err := d.value(el, join(path, name))
		if err == nil {
			d.set(row, name, v)
		}
		return err
	})
	return row, err
}

// value reads a value of an element's type.
func (d *decoder) value(el *csn.Element, path string) (cqn.Value, error) {
	if null, err := d.null(); null || err != nil {
		return cqn.Null, err
	}
	switch t := el.Type.(type) {
	case *csn.Builtin:
		return d.scalar(t, path)
	case *csn.Struct:
		return d.nested(t.Elements, path)
	case *csn.Assoc:
		if t.Target != nil {
			return d.nested(t.Target.Flat, path)
		}
	case *csn.Array:
		return d.list(t, path)
	}
	return cqn.Null, d.skip()
}

func (d *decoder) nested(els csn.Elements, path string) (cqn.Value, error) {
	if d.peek() != '{' {
		return cqn.Null, d.mismatch(&csn.Builtin{Name: "structure"}, path)
	}
	row, err := d.structure(els, path, path)
	return cqn.OfRow(row), err
}

func (d *decoder) list(t *csn.Array, path string) (cqn.Value, error) {
	if d.peek() != '[' || t.Items == nil {
		d.fault(&cds.Error{Status: 400, Code: "ASSERT_ARRAY", Message: "Value must be an array", Target: path})
		return cqn.Null, d.skip()
	}
	items := []cqn.Value{}
	err := d.array(func(i int) error {
		v, err := d.value(t.Items, path+"["+strconv.Itoa(i)+"]")
		items = append(items, v)
		return err
	})
	return cqn.List(items), err
}

// mismatch notes that the next value has the wrong type, and skips it.
func (d *decoder) mismatch(t *csn.Builtin, path string) error {
	from := d.i
	c := d.peek()
	if err := d.skip(); err != nil {
		return err
	}
	text := strings.TrimSpace(string(d.b[from:d.i]))
	switch c {
	case '{':
		text = "[object Object]"
	case '"':
		r := jsonReader{b: []byte(text)}
		text, _ = r.str() // read once already
	}
	if len(text) > 1000 {
		text = strings.ToValidUTF8(text[:1000], "") + "…"
	}
	d.fault(wrongType(text, t, path))
	return nil
}

func isNumeric(k csn.Scalar) bool {
	switch k {
	case csn.Integer, csn.Int16, csn.Int32, csn.Int64, csn.UInt8, csn.Decimal, csn.Double:
		return true
	}
	return false
}

// scalar reads a value of a builtin type: numbers as numbers or strings, all but booleans and numbers as strings.
func (d *decoder) scalar(t *csn.Builtin, path string) (cqn.Value, error) {
	from := d.i
	var text string
	var err error
	switch c := d.peek(); {
	case t.Kind == csn.Map && c == '{', t.Kind == csn.Vector && c == '[':
		d.blanks()
		from = d.i
		err = d.skip()
		return cqn.String(string(d.b[from:d.i])), err
	case c == '"' && t.Kind != csn.Boolean:
		text, err = d.str()
	case (c == 't' || c == 'f') && t.Kind == csn.Boolean:
		if text = "true"; c == 'f' {
			text = "false"
		}
		err = d.word(text)
	case (c == '-' || c >= '0' && c <= '9') && (isNumeric(t.Kind) || t.Kind == csn.Boolean):
		if text, err = d.number(); err == nil {
			text = plainNumber(text, t.Kind)
		}
	default:
		return cqn.Null, d.mismatch(t, path)
	}
	if err != nil {
		return cqn.Null, err
	}
	v, perr := edm.Parse(t, text)
	if perr != nil {
		d.i = from
		return cqn.Null, d.mismatch(t, path)
	}
	return v, nil
}

// plainNumber brings whole numbers written as 1.0 or 1e2 to digits, and 0 and 1 to truth values.
func plainNumber(s string, k csn.Scalar) string {
	switch k {
	case csn.Boolean:
		switch s {
		case "0":
			return "false"
		case "1":
			return "true"
		}
		return s
	case csn.Decimal, csn.Double:
		return s
	}
	if strings.ContainsAny(s, ".eE") {
		if f, err := strconv.ParseFloat(s, 64); err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return strconv.FormatInt(int64(f), 10)
		}
	}
	return s
}
