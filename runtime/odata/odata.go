// Package odata is the OData V4 door: it reads requests, hands them to a service as cds.RawRequest, and writes the results.
//
// The door decides no rights, sees no SQL and knows no database: names in URLs and payloads are bound to elements of the model,
// everything else is the service's business. Rights are asked for before names of a path are told apart and before a body is read.
package odata

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"sync"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/odata/edmx"
	"cds/runtime/odata/internal/edm"
	"cds/runtime/odata/uri"
)

// The events that a door asks for.
const (
	eventRead   cds.Event = "READ"
	eventCreate cds.Event = "CREATE"
	eventUpdate cds.Event = "UPDATE"
	eventDelete cds.Event = "DELETE"
)

// Options configure a door.
type Options struct {
	// BasePath is taken off the paths of requests; "" if they are relative to the service already.
	BasePath string
	// Unauthorized writes the 401, with the challenge of the authentication in use; nil writes one without.
	Unauthorized func(w http.ResponseWriter, r *http.Request)
	Production   bool
	// MaxBody limits JSON bodies, MaxMedia the streams of PUT …/image; 0 means 1 MB and 16 MB.
	MaxBody, MaxMedia int64
	// MaxBatch limits the requests in a batch; 0 means 100.
	MaxBatch int
	// UpsertByPatch lets PATCH create a row that is missing, NoUpsertByPut keeps PUT from it.
	UpsertByPatch, NoUpsertByPut bool
	// Locale finds the language of a request of a user, for parts of a batch that name one; nil leaves them the language of the batch.
	Locale func(r *http.Request, u *cds.User) string
	// Text returns the text for a key of {i18n>key} in titles and descriptions of the metadata document; nil, or false, leaves it to
	// the texts of the reuse model.
	Text func(key string) (string, bool)
	// Plain serves the REST protocol: the URLs, query options and rights are the same, answers are rows without a wrapper and without control
	// information, collections take arrays, and there is neither $metadata nor $batch.
	Plain bool
	// Documents are served beside the resources, by their path below the service.
	Documents map[string]Document
	// NoCapabilities leaves out the document at CapabilitiesPath.
	NoCapabilities bool
	// ByRole leaves out of the metadata and service documents what users with the roles of who asks may never use.
	ByRole bool
}

// Mount returns the door of a service.
func Mount(s *cds.Service, opt Options) http.Handler {
	if opt.MaxBody <= 0 {
		opt.MaxBody = 1 << 20
	}
	if opt.MaxMedia <= 0 {
		opt.MaxMedia = 16 << 20
	}
	if opt.MaxBatch <= 0 {
		opt.MaxBatch = 100
	}
	if opt.Unauthorized == nil {
		opt.Unauthorized = func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
		}
	}
	opt.BasePath = strings.TrimSuffix(opt.BasePath, "/")
	d := &door{svc: s, opt: opt, index: uri.NewIndex(s.Model), cached: cacheControl(s.Model)}
	d.index.ActiveOnly = opt.Plain
	return d
}

type door struct {
	svc    *cds.Service
	opt    Options
	index  *uri.Index
	docs   documentCache
	memory sync.Pool // of *buffers
	parsed parsedCache
	cached map[*csn.Entity]string // Cache-Control for answers with rows of an entity
}

// buffers are the memory that an answer is put together in. They are kept for further requests.
type buffers struct{ rows, body []byte }

// maxKept bounds the size of kept buffers.
const maxKept = 512 << 10

// documents are the metadata and service document with their entity tags.
type documents struct {
	metadata, root         []byte
	metadataETag, rootETag string
	csdl                   func() []byte // the metadata document as JSON
	view                   *edmx.View    // what they show; nil for all
	others                 map[string]func() ([]byte, error)
}

func (d *door) build(opt edmx.Options) *documents {
	doc := &documents{metadata: edmx.Marshal(d.svc.App.Model, d.svc.Model, opt)}
	doc.metadataETag = tag(doc.metadata)
	b := []byte(`{"@odata.context":"$metadata","@odata.metadataEtag":`)
	b = edm.AppendString(b, doc.metadataETag)
	b = append(b, `,"value":[`...)
	for i, e := range sets(d.svc.Model, opt.View) {
		if i > 0 {
			b = append(b, ',')
		}
		name := uri.SetName(e)
		b = append(b, `{"name":`...)
		b = edm.AppendString(b, name)
		b = append(b, `,"url":`...)
		b = edm.AppendString(b, name)
		if uri.IsSingleton(e) {
			b = append(b, `,"kind":"Singleton"`...)
		}
		b = append(b, '}')
	}
	doc.root = append(b, `]}`...)
	doc.rootETag = doc.metadataETag
	return doc
}

// sets returns the entities of the service document: each is followed by what it leads to, as recorded.
func sets(s *csn.Service, v *edmx.View) []*csn.Entity {
	var out []*csn.Entity
	seen := map[*csn.Entity]bool{}
	var visit func(e *csn.Entity)
	visit = func(e *csn.Entity) { // as deep as there are entities, at most
		if e == nil || e.Service != s || seen[e] {
			return
		}
		seen[e] = true
		if !e.Annotations.Is("cds.api.ignore") && !isDraftHelper(e) && v.Set(e) {
			out = append(out, e)
		}
		visit(e.Base)
		for _, el := range e.Flat {
			if a := el.Assoc(); a != nil {
				visit(a.Target)
			}
		}
	}
	for _, e := range s.Entities {
		visit(e)
	}
	return out
}

func tag(b []byte) string {
	sum := sha256.Sum256(b)
	return `W/"` + base64.StdEncoding.EncodeToString(sum[:]) + `"`
}

// A call is one request on its way through the door.
type call struct {
	*door
	ctx       context.Context
	w         http.ResponseWriter
	r         *http.Request
	res       *uri.Resource
	path      string // below the service, still encoded, without leading slashes
	format    cds.Format
	buf       *buffers
	known     *uri.Query // what is known of the URL from an earlier request; nil for nothing
	header    [4]string  // memory for header values
	streaming bool       // part of the answer has been sent
	locale    string
	inBatch   *batch       // for the parts of a batch, else nil
	part      *batchPart   // the part itself
	inSet     bool         // it belongs to a change set
	shape     []cqn.Column // what $select and $expand ask of the row that is answered to a write; see perform
}

// set sets a header to the n-th string of c.header. The name is in canonical form.
func (c *call) set(n int, name, value string) {
	c.header[n] = value
	c.w.Header()[name] = c.header[n : n+1 : n+1]
}

// ServeHTTP answers one request.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	if rest, ok := strings.CutPrefix(path, d.opt.BasePath); ok && (rest == "" || rest[0] == '/') {
		path = rest
	}
	c := &call{door: d, ctx: r.Context(), w: w, r: r, path: strings.TrimLeft(path, "/")}
	c.locale = cds.LocaleFrom(c.ctx)
	d.answer(c)
}

// answer answers a request that came alone or as a part of a batch.
func (d *door) answer(c *call) {
	if !d.opt.Plain {
		c.set(0, "Odata-Version", "4.0")
	}
	c.format = cds.Format{OData: !d.opt.Plain, DecimalStrings: !ieee754False(c.r.Header.Get("Accept")) && !formatNumbers(c.r.URL.RawQuery)}
	c.buf, _ = d.memory.Get().(*buffers)
	if c.buf == nil {
		c.buf = &buffers{rows: make([]byte, 0, 4<<10), body: make([]byte, 0, 4<<10)}
	}
	if err := c.serve(); err != nil {
		c.fail(err)
	}
	// After a panic the buffers are left to the garbage collector.
	if b := c.buf; cap(b.rows)+cap(b.body) <= maxKept {
		d.memory.Put(b)
	}
}

// formatNumbers is ieee754False for the value of $format, which may say it too.
func formatNumbers(query string) bool {
	if !strings.Contains(query, "754") {
		return false
	}
	q := strings.ToLower(query)
	return strings.Contains(q, "format") && (strings.Contains(q, "ieee754compatible=false") || strings.Contains(q, "ieee754compatible%3dfalse"))
}

// ieee754False reports whether the client wants Decimal and Int64 as JSON numbers.
func ieee754False(accept string) bool {
	if len(accept) < len("ieee754compatible=false") {
		return false
	}
	return strings.Contains(strings.ToLower(accept), "ieee754compatible=false")
}

func (c *call) user() *cds.User { return cds.UserFrom(c.ctx) }

// gate asks whether the user may enter the service at all.
func (c *call) gate() error {
	return c.svc.Admit(c.ctx, c.user(), eventRead, nil, nil, nil)
}

// behindGate returns the gate's refusal if there is one, else err: strangers are not told what exists.
func (c *call) behindGate(err error) error {
	var e *cds.Error
	if errors.As(err, &e) && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden) { // account is kept of it already
		if g := c.svc.Authorize(c.user(), eventRead, nil, nil, nil); g != nil {
			return g
		}
		return err
	}
	if g := c.gate(); g != nil {
		return g
	}
	return err
}

func (c *call) serve() error {
	switch c.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete:
	case http.MethodOptions:
		const allow = "HEAD,POST,GET,PUT,PATCH,DELETE"
		c.w.Header().Set("Allow", allow)
		c.w.Header().Set("Content-Type", "text/html; charset=utf-8")
		return c.send(http.StatusOK, []byte(allow))
	default: // not even HTTP's own method for resources
		c.w.Header().Del("OData-Version")
		c.w.WriteHeader(http.StatusBadRequest)
		return nil
	}
	if t, ok := c.target(); ok {
		if p, ok := c.parsed.get(t); ok {
			c.res, c.known = p.res, p.q
			return c.read()
		}
	}
	if err, ok := c.extra(); ok {
		return err
	}
	res, err := c.index.Parse(c.path, c.r.URL.RawQuery)
	if err != nil {
		return c.behindGate(err)
	}
	c.res = res
	if err := c.method(); err != nil {
		return c.behindGate(err)
	}
	if c.r.Method != http.MethodGet && c.r.Method != http.MethodHead {
		if err := res.CheckOptions(); err != nil {
			return c.behindGate(err)
		}
	}
	switch res.Kind {
	case uri.Root, uri.Metadata:
		return c.document()
	case uri.Batch:
		return c.batch()
	case uri.Operation:
		return c.operation()
	case uri.Reference:
		return c.references()
	case uri.Single:
		if via := res.Segments[len(res.Segments)-1].Via; c.r.Method == http.MethodDelete && via != nil && !via.Assoc().Many && !via.Assoc().Composition {
			return c.unlink(via) // not the entity that it leads to
		}
	}
	if ev := c.event(); ev != eventRead || res.Kind == uri.Property {
		if err := c.allowed(ev); err != nil {
			return err
		}
	}
	switch c.r.Method {
	case http.MethodPost:
		return c.create()
	case http.MethodPatch, http.MethodPut:
		if res.Kind == uri.Property {
			return c.putProperty()
		}
		return c.update()
	case http.MethodDelete:
		if res.Kind == uri.Property {
			return c.deleteProperty()
		}
		return c.delete()
	}
	if res.Kind == uri.Property {
		return c.readProperty()
	}
	return c.read()
}

// method refuses methods that a kind of resource does not have.
func (c *call) method() error {
	if c.opt.Plain {
		return c.plainMethod()
	}
	m := c.r.Method
	no := func(text string) error { return cds.Reject(405, "405", "%s", text) }
	switch c.res.Kind {
	case uri.Root, uri.Metadata:
		if m != http.MethodGet && m != http.MethodHead {
			return no("Method Not Allowed")
		}
		return nil
	case uri.Batch:
		if m != http.MethodPost {
			return no("Method Not Allowed")
		}
		return nil
	case uri.Operation:
		if c.res.Op.Function != (m == http.MethodGet) || !c.res.Op.Function && m != http.MethodPost {
			return no("Method Not Allowed")
		}
		return nil
	}
	if m == http.MethodGet {
		return nil
	}
	switch c.res.Kind {
	case uri.Collection:
		if m != http.MethodPost && !c.takesDelta() {
			return no("Method " + m + " is not allowed for entity collections")
		}
	case uri.Single:
		if m == http.MethodPost || m == http.MethodHead {
			return no("Method " + m + " is not allowed for singletons and individual entities")
		}
		if m == http.MethodDelete && len(c.res.Segments) == 1 && uri.IsSingleton(c.res.Entity()) && !nullable(c.res.Entity()) {
			return no("Method DELETE is not allowed for singletons that are always there")
		}
	case uri.Property:
		if m != http.MethodPut && m != http.MethodDelete && (m != http.MethodHead || !isStream(c.res.Property)) {
			return no("Method " + m + " is not allowed for properties")
		}
	case uri.Count:
		return no("Method " + m + " is not allowed for $count")
	case uri.Reference:
		if m == http.MethodHead || m == http.MethodPatch {
			return no("Method " + m + " is not allowed for references")
		}
	}
	return nil
}

// nullable tells singletons that may be absent.
func nullable(e *csn.Entity) bool { return e.Annotations.Is("odata.singleton.nullable") }

// event returns the event that the method means for entities.
func (c *call) event() cds.Event {
	switch c.r.Method {
	case http.MethodPost:
		return eventCreate
	case http.MethodPatch, http.MethodPut:
		return eventUpdate
	case http.MethodDelete:
		if c.res.Kind == uri.Property {
			return eventUpdate
		}
		return eventDelete
	}
	return eventRead
}

// allowed asks for the static part of the decision, before the body is read. Dispatch decides again, with the rows.
func (c *call) allowed(ev cds.Event) error {
	path, via := c.route()
	return c.svc.Admit(c.ctx, c.user(), ev, path, via, c.res.Op)
}

// route returns the entities of the path and the associations between them.
func (c *call) route() (path []*csn.Entity, via []*csn.Element) {
	path = make([]*csn.Entity, 0, len(c.res.Segments))
	for _, s := range c.res.Segments {
		path = append(path, s.Entity)
		if s.Via != nil {
			via = append(via, s.Via)
		}
	}
	return path, via
}

// request returns a request for the resource.
func (c *call) request(ev cds.Event) *cds.RawRequest {
	r := &cds.RawRequest{
		Event: ev, Service: c.svc, Target: c.res.Entity(), Op: c.res.Op,
		User: c.user(), Locale: c.locale, HTTP: c.r,
		IfMatch: tags(c.r.Header.Values("If-Match")), IfNoneMatch: tags(c.r.Header.Values("If-None-Match")),
	}
	r.Path, r.Via = c.route()
	r.Params = make([]cds.Keys, 0, len(c.res.Segments))
	for _, s := range c.res.Segments {
		r.Params = append(r.Params, cds.Keys{Entity: s.Entity, Values: s.Keys})
	}
	return r
}

// tags splits lists of entity tags at commas outside quotes.
func tags(values []string) []string {
	var out []string
	for _, v := range values {
		quoted, from := false, 0
		for i := 0; i <= len(v); i++ {
			if i < len(v) && v[i] == '"' {
				quoted = !quoted
			}
			if i == len(v) || v[i] == ',' && !quoted {
				if t := strings.TrimSpace(v[from:i]); t != "" {
					out = append(out, t)
				}
				from = i + 1
			}
		}
	}
	return out
}

// document answers the service root and $metadata.
func (c *call) document() error {
	if c.opt.Plain {
		return c.plainRoot()
	}
	if err := c.gate(); err != nil {
		return err
	}
	doc := c.documentsFor(c.locale, c.user())
	if c.opt.ByRole {
		c.w.Header().Set("Cache-Control", privately)
	}
	body, etag, ct := doc.root, doc.rootETag, jsonType
	if c.res.Kind == uri.Metadata {
		body, etag, ct = doc.metadata, doc.metadataETag, "application/xml; charset=utf-8"
		if c.wantsJSON() {
			body = doc.csdl()
			etag, ct = tag(body), jsonType
		}
	}
	return c.sendTagged(etag, ct, body)
}

// sendTagged answers with a document, or with 304 if the client has it already.
func (c *call) sendTagged(etag, contentType string, body []byte) error {
	h := c.w.Header()
	h.Set("ETag", etag)
	for _, t := range tags(c.r.Header.Values("If-None-Match")) {
		if t == etag || t == "*" {
			c.w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	h.Set("Content-Type", contentType)
	return c.send(http.StatusOK, body)
}

// asError turns what the parts of the door return into an error for clients.
func asError(err error) *cds.Error {
	var u *uri.Error
	if errors.As(err, &u) {
		e := &cds.Error{Status: u.Status, Message: u.Message}
		if u.Hint != "" {
			e.Message += " (" + u.Hint + ")"
		}
		return e
	}
	return cds.AsError(err)
}
