package odata

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	cds "cds/runtime"
)

// A batch is one request with many in it (OData Protocol 11.7). Each of them goes through the door like one that came alone: of the same user,
// authorized by itself. What a change set does is one transaction; everything else has its own. Answers are sent as they are ready, so that a
// batch needs no more memory than its largest part.

// A batchPart is one request in a batch.
type batchPart struct {
	id     string // Content-ID, or id in JSON; "" for none
	number int    // its place in the batch, from 1
	method string
	url    string // as it was sent
	header http.Header
	body   []byte
	after  []string // dependsOn: ids of parts and names of change sets
	when   *batchIf // the condition to run it; nil: all of after have succeeded
	asked  bool     // a later condition asks for the answer
	fault  error    // why the part cannot be served
}

// A batchUnit is a request of its own, or a change set: one transaction.
type batchUnit struct {
	atomic bool
	name   string // atomicityGroup
	parts  []*batchPart
}

// A batchAnswer is the answer to one part.
type batchAnswer struct {
	part   *batchPart
	path   string // of the URL, with references resolved
	status int
	header http.Header
	body   []byte
}

func (a *batchAnswer) failed() bool { return a.status >= 400 }

// Header implements http.ResponseWriter.
func (a *batchAnswer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *batchAnswer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

// Write implements http.ResponseWriter.
func (a *batchAnswer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	a.body = append(a.body, b...)
	return len(b), nil
}

// A batchWriter sends the answers in one of the two formats.
type batchWriter interface {
	contentType() string
	// unit appends the answers of a unit. Of a change set that has failed there is one answer for each part in JSON, and one for all in multipart
	// (OData Protocol 11.7.4).
	unit(b []byte, u *batchUnit, answers []*batchAnswer) []byte
	end(b []byte) []byte
}

// A batch is the state of one batch request.
type batch struct {
	c       *call
	results map[string]batchResult // of parts and change sets by id
}

// A batchResult is what later parts may refer to.
type batchResult struct {
	failed   bool
	location string // URL of the entity, relative to the service
	etag     string
	body     []byte // if a condition asks for it
}

// batch answers a batch request.
func (c *call) batch() error {
	if c.part != nil {
		return cds.Reject(400, "400", "A batch must not contain a batch")
	}
	if err := c.gate(); err != nil {
		return err
	}
	ct, boundary, err := c.batchType()
	if err != nil {
		return err
	}
	raw, err := c.readBody(c.opt.MaxBody)
	if err != nil {
		return err
	}
	var units []*batchUnit
	if ct == multipartType {
		units, err = c.multipartBatch(raw, boundary)
	} else {
		units, err = c.jsonBatch(raw)
	}
	if err != nil {
		return err
	}
	w, err := c.batchFormat(ct)
	if err != nil {
		return err
	}
	return (&batch{c: c, results: map[string]batchResult{}}).serve(units, w, c.continues(ct == jsonMedia))
}

// tooManyParts is the answer for batches over the limit. Parts are counted while they are read.
func (c *call) tooManyParts() error {
	return cds.Reject(http.StatusRequestEntityTooLarge, "BATCH_TOO_MANY_REQUESTS", "A batch has at most %d requests", c.opt.MaxBatch)
}

// serve runs the units in order and sends their answers. After the first failure it stops unless the client wants it to go on.
func (b *batch) serve(units []*batchUnit, w batchWriter, goOn bool) error {
	h := b.c.w.Header()
	h.Set("Content-Type", w.contentType())
	b.c.w.WriteHeader(http.StatusOK)
	var out []byte
	for _, u := range units {
		answers, failed := b.run(u)
		out = w.unit(out[:0], u, answers)
		if _, err := b.c.w.Write(out); err != nil {
			return nil // the client is gone
		}
		if failed && !goOn {
			break
		}
	}
	_, _ = b.c.w.Write(w.end(out[:0]))
	return nil
}

// run runs one unit.
func (b *batch) run(u *batchUnit) (answers []*batchAnswer, failed bool) {
	if b.c.ctx.Err() != nil { // nothing is begun any more
		for _, p := range u.parts {
			answers = append(answers, b.refused(p, cds.Reject(http.StatusGatewayTimeout, "504", "The request took too long."), u.atomic))
		}
		return answers, true
	}
	if !u.atomic {
		a := b.answer(b.c.ctx, u.parts[0], false)
		b.remember(a)
		return []*batchAnswer{a}, a.failed()
	}
	answers = b.changeSet(u)
	for _, a := range answers {
		failed = failed || a.failed()
	}
	if u.name != "" {
		b.results[u.name] = batchResult{failed: failed}
	}
	for _, a := range answers {
		b.remember(a)
	}
	return answers, failed
}

var errChangeSet = errors.New("a request of the change set has failed")

// changeSet runs the parts of a change set in one transaction. If one fails nothing is changed, and nobody is told that it was: the others
// answer 424, be it that they ran before or were not run at all.
func (b *batch) changeSet(u *batchUnit) []*batchAnswer {
	answers := make([]*batchAnswer, 0, len(u.parts))
	broken := -1
	err := b.c.svc.App.Tx(b.c.ctx, func(ctx context.Context) error {
		for i, p := range u.parts {
			a := b.answer(ctx, p, true)
			answers = append(answers, a)
			if a.failed() {
				broken = i
				return errChangeSet
			}
			b.remember(a) // for the parts after it
		}
		return nil
	})
	if err == nil {
		return answers
	}
	if broken < 0 { // the commit failed
		a := b.refused(u.parts[0], err, true)
		answers, broken = []*batchAnswer{a}, 0
	}
	all := make([]*batchAnswer, len(u.parts))
	for i, p := range u.parts {
		if i == broken {
			all[i] = answers[i]
			continue
		}
		all[i] = b.refused(p, failedDependency(), true)
	}
	return all
}

func failedDependency() error {
	return cds.Reject(http.StatusFailedDependency, "424", "Failed Dependency")
}

// remember keeps what later parts may refer to.
func (b *batch) remember(a *batchAnswer) {
	if a.part.id == "" {
		return
	}
	r := batchResult{failed: a.failed(), etag: a.header.Get("ETag")}
	if r.location = a.header.Get("Location"); r.location == "" {
		r.location = a.path
	}
	if a.part.asked {
		r.body = a.body
	}
	b.results[a.part.id] = r
}

// refused answers a part without running it.
func (b *batch) refused(p *batchPart, err error, inSet bool) *batchAnswer {
	a := &batchAnswer{part: p, header: http.Header{}}
	c := &call{door: b.c.door, ctx: b.c.ctx, w: a, r: b.c.r, part: p, inSet: inSet, inBatch: b}
	c.set(0, "Odata-Version", "4.0")
	c.fail(err)
	return a
}

// answer runs one part.
func (b *batch) answer(ctx context.Context, p *batchPart, inSet bool) *batchAnswer {
	if p.fault != nil {
		return b.refused(p, p.fault, inSet)
	}
	if err := b.ready(p); err != nil {
		return b.refused(p, err, inSet)
	}
	path, query, _ := strings.Cut(p.url, "?")
	path = strings.TrimLeft(b.c.relative(path), "/")
	path, err := b.resolve(path)
	if err != nil {
		return b.refused(p, err, inSet)
	}
	r, err := b.request(ctx, p, path, query)
	if err != nil {
		return b.refused(p, err, inSet)
	}
	a := &batchAnswer{part: p, path: path, header: http.Header{}}
	c := &call{door: b.c.door, ctx: ctx, w: a, r: r, path: path, part: p, inSet: inSet, inBatch: b, locale: b.c.locale}
	if b.c.opt.Locale != nil && p.namesLocale() {
		c.locale = b.c.opt.Locale(r, b.c.user())
	}
	b.c.answer(c)
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a
}

// ready tells whether a part may be run: its condition holds, or what it depends on has succeeded.
func (b *batch) ready(p *batchPart) error {
	if p.when != nil {
		ok, err := b.holds(p.when)
		if err == nil && !ok {
			err = failedDependency()
		}
		return err
	}
	for _, id := range p.after {
		if b.results[id].failed {
			return failedDependency()
		}
	}
	return nil
}

// namesLocale reports whether a part wants another language than the batch.
func (p *batchPart) namesLocale() bool {
	return p.header.Get("Accept-Language") != "" || p.header.Get("X-Sap-Request-Language") != "" || strings.Contains(p.url, "sap-locale=")
}

// relative takes scheme, host and the path of the service off a URL, as far as it has them. CAP takes paths that begin with a slash as relative to
// the service too.
func (d *door) relative(path string) string {
	if i := strings.Index(path, "://"); i > 0 && !strings.Contains(path[:i], "/") {
		rest := path[i+len("://"):]
		at := strings.IndexByte(rest, '/')
		if at < 0 {
			return ""
		}
		path = rest[at:]
	}
	if rest, ok := strings.CutPrefix(path, d.opt.BasePath); ok && (rest == "" || rest[0] == '/') {
		return rest
	}
	return path
}

// resolve replaces $id, the first segment of a path, by the URL of the entity that the part with that id has created or answered.
func (b *batch) resolve(path string) (string, error) {
	if !strings.HasPrefix(path, "$") {
		return path, nil
	}
	id, rest, more := strings.Cut(path[1:], "/")
	if name, err := url.PathUnescape(id); err == nil {
		id = name
	}
	r, ok := b.results[id]
	switch {
	case !ok || slices.Contains(systemResources, id):
		return path, nil // $metadata, or nothing that is there
	case r.failed:
		return "", failedDependency()
	case more:
		return r.location + "/" + rest, nil
	}
	return r.location, nil
}

// systemResources have their names whatever the ids of requests are (OData JSON 19.1).
var systemResources = []string{"batch", "crossjoin", "all", "entity", "root", "id", "metadata"}

// outerHeaders are headers of the batch that do not hold for its parts.
var outerHeaders = []string{"Accept", "Prefer", "If-Match", "If-None-Match", "Range", "Connection", "Transfer-Encoding", "Te", "Trailer", "Upgrade", "Expect"}

// request makes the request of a part. It is sent by the user of the batch, whatever its own headers say.
func (b *batch) request(ctx context.Context, p *batchPart, path, query string) (*http.Request, error) {
	plain, err := url.PathUnescape(path)
	if err != nil {
		return nil, cds.Reject(400, "400", "Parsing URL failed: bad percent-encoding")
	}
	h := b.c.r.Header.Clone()
	for name := range h {
		if slices.Contains(outerHeaders, name) || strings.HasPrefix(name, "Content-") || strings.HasPrefix(name, "Odata-") {
			delete(h, name)
		}
	}
	for name, values := range p.header {
		switch name {
		case "Authorization", "Cookie", "Host", "Content-Length", "Transfer-Encoding":
		case "If-Match", "If-None-Match":
			h[name] = b.tags(values)
		default:
			h[name] = values
		}
	}
	base := b.c.opt.BasePath
	r := &http.Request{
		Method: p.method, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h, Host: b.c.r.Host, RemoteAddr: b.c.r.RemoteAddr, TLS: b.c.r.TLS,
		URL:  &url.URL{Path: base + "/" + plain, RawPath: base + "/" + path, RawQuery: query},
		Body: http.NoBody, ContentLength: int64(len(p.body)),
	}
	if len(p.body) > 0 {
		r.Body = newBody(p.body)
	}
	return r.WithContext(ctx), nil
}

// tags replaces $id by the entity tag of what the part with that id has answered (OData Protocol 11.7.3.2).
func (b *batch) tags(values []string) []string {
	out := slices.Clone(values)
	for i, v := range out {
		if id, ok := strings.CutPrefix(v, "$"); ok && b.results[id].etag != "" {
			out[i] = b.results[id].etag
		}
	}
	return out
}

// continues tells whether a batch goes on after a failure: as the client prefers, else as is usual in the format.
func (c *call) continues(def bool) bool {
	for _, p := range c.preferences() {
		name, value, _ := strings.Cut(p, "=")
		if name = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(name)), "odata."); name != "continue-on-error" {
			continue
		}
		if v, err := strconv.ParseBool(strings.Trim(strings.TrimSpace(value), `"`)); err == nil {
			return v
		}
		return strings.TrimSpace(value) == ""
	}
	return def
}

// reference resolves a reference in a payload to a URL.
func (c *call) reference(text string) string {
	if c.inBatch == nil {
		return text
	}
	if u, err := c.inBatch.resolve(text); err == nil {
		return u
	}
	return text // names nothing then
}
