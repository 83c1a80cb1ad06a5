package odata

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
)

// Media data in and out. Neither direction needs memory for them, nor time of the request's deadline: a client has so much time for each piece as slow
// lines need, and a transaction is open only while no client is waited for (see cds.Spool).

const (
	// mediaPiece is how much is sent at once, within writeStall.
	mediaPiece = 64 << 10
	// readStall is how long a client may take to send readPiece bytes.
	readStall = 30 * time.Second
	readPiece = 256 << 10
	// maxBatchMedia bounds the data in the answer to a part of a batch, which is put together in memory.
	maxBatchMedia = 16 << 20
)

// A partRead is what a client wants of data: all of them, none (HEAD), or a range.
type partRead struct {
	c       *call
	off, n  int64
	ranged  bool // a range is wanted, and can be had
	outside bool // the range begins after the end
	large   bool // too large for a batch
}

// choose decides what is read of size bytes.
func (p *partRead) choose(size int64) (off, n int64) {
	r := p.c.r
	p.off, p.n = 0, size
	p.ranged, p.outside, p.large = false, false, false
	if r.Method == http.MethodGet && r.Header.Get("Range") != "" && r.Header.Get("If-Range") == "" { // entity tags here are weak, which If-Range takes for different
		if from, count, ok := byteRange(r.Header.Get("Range"), size); ok {
			p.ranged, p.off, p.n = true, from, count
			p.outside = count == 0
		}
	}
	if p.c.inBatch != nil && p.n > min(p.c.opt.MaxMedia, maxBatchMedia) {
		p.large, p.n = true, 0
	}
	if r.Method == http.MethodHead {
		return 0, 0
	}
	return p.off, p.n
}

// byteRange reads a Range header of one range (RFC 9110, 14.1.2). ok is false for all else, which is passed over as the RFC allows. n is 0 for a range
// without a byte.
func byteRange(header string, size int64) (off, n int64, ok bool) {
	unit, spec, found := strings.Cut(header, "=")
	if !found || !strings.EqualFold(strings.TrimSpace(unit), "bytes") || strings.Contains(spec, ",") {
		return 0, 0, false
	}
	first, last, found := strings.Cut(textproto.TrimString(spec), "-")
	first, last = textproto.TrimString(first), textproto.TrimString(last)
	switch {
	case !found, first == "" && last == "":
		return 0, 0, false
	case first == "": // the last n bytes
		n, err := strconv.ParseInt(last, 10, 64)
		if err != nil || n < 0 || last[0] == '+' {
			return 0, 0, false
		}
		n = min(n, size)
		return size - n, n, true
	}
	from, err := strconv.ParseInt(first, 10, 64)
	if err != nil || from < 0 || first[0] == '+' {
		return 0, 0, false
	}
	to := size - 1
	if last != "" {
		if to, err = strconv.ParseInt(last, 10, 64); err != nil || to < from || last[0] == '+' {
			return 0, 0, false
		}
		to = min(to, size-1)
	}
	if from >= size {
		return size, 0, true
	}
	return from, to - from + 1, true
}

// A sectioner has parts of data without what is before them.
type sectioner interface {
	Section(off, n int64) (io.Reader, error)
}

// sendMedia writes data or the wanted part of them.
func (c *call) sendMedia(v cqn.Value, p *partRead) error {
	size := cds.MediaSize(v)
	if size < 0 {
		return c.sendUnmeasured(v)
	}
	p.choose(size)
	h, status := c.w.Header(), http.StatusOK
	switch {
	case p.large:
		clearMedia(h)
		return cds.Reject(http.StatusRequestEntityTooLarge, "MEDIA_TOO_LARGE", "The data are too large for a batch: read them by a request of their own")
	case p.outside:
		clearMedia(h)
		h.Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
		return cds.Reject(http.StatusRequestedRangeNotSatisfiable, "416", "Range Not Satisfiable")
	case p.ranged:
		status = http.StatusPartialContent
		h.Set("Content-Range", "bytes "+strconv.FormatInt(p.off, 10)+"-"+strconv.FormatInt(p.off+p.n-1, 10)+"/"+strconv.FormatInt(size, 10))
	}
	if c.inBatch == nil {
		h.Set("Accept-Ranges", "bytes")
	}
	if v.Blob() == nil {
		return c.sendText(status, v.Str()[p.off:p.off+p.n])
	}
	h.Set("Content-Length", strconv.FormatInt(p.n, 10))
	if c.r.Method == http.MethodHead {
		c.w.WriteHeader(status)
		return nil
	}
	data, end, err := section(v.Blob(), p.off, p.n)
	if err != nil {
		clearMedia(h)
		return err
	}
	defer end()
	c.w.WriteHeader(status)
	if n, err := c.copyOut(data, p.n); err != nil || n != p.n {
		panic(http.ErrAbortHandler) // nobody may take the part for the whole
	}
	return nil
}

// returnedMedia writes the data that an operation returns.
func (c *call) returnedMedia(v cqn.Value, el *csn.Element) error {
	defer cds.ReleaseMedia(v)
	return c.stream(v, media{element: el, typ: el.Annotations.Str("Core.MediaType"), name: el.Annotations.Str("Core.ContentDisposition.Filename"),
		inline: el.Annotations.Str("Core.ContentDisposition.Type") == "inline"}, nil, &partRead{c: c})
}

// whole returns a value that can stand in JSON; ok is false for data that are too large for that.
func whole(v cqn.Value) (out cqn.Value, ok bool) {
	b := v.Blob()
	if b == nil {
		return v, true
	}
	defer cds.ReleaseMedia(v)
	r, err := b.Open()
	if err != nil {
		return v, false
	}
	defer func() { _ = r.Close() }() // was only read
	body, err := io.ReadAll(io.LimitReader(r, maxBatchMedia+1))
	return cqn.Bytes(body), err == nil && len(body) <= maxBatchMedia
}

// clearMedia takes back headers about data that are not sent.
func clearMedia(h http.Header) {
	for _, name := range []string{"Content-Type", "Content-Length", "Content-Disposition", "Content-Range", "Accept-Ranges", "Cache-Control"} {
		h.Del(name)
	}
}

// section opens n bytes from off on. end closes them.
func section(b cqn.Blob, off, n int64) (data io.Reader, end func(), err error) {
	if s, ok := b.(sectioner); ok {
		r, err := s.Section(off, n)
		return r, func() {}, err
	}
	r, err := b.Open()
	if err != nil {
		return nil, nil, err
	}
	end = func() { _ = r.Close() } // was only read
	if off > 0 {
		if _, err := io.CopyN(io.Discard, r, off); err != nil {
			end()
			return nil, nil, err
		}
	}
	return io.LimitReader(r, n), end, nil
}

// sendUnmeasured writes data whose size shows only at their end: those that code of the application answers.
func (c *call) sendUnmeasured(v cqn.Value) error {
	if c.r.Method == http.MethodHead {
		c.w.WriteHeader(http.StatusOK)
		return nil
	}
	data, err := v.Blob().Open()
	if err != nil {
		clearMedia(c.w.Header())
		return err
	}
	defer func() { _ = data.Close() }() // was only read
	if c.inBatch != nil {
		body, err := io.ReadAll(io.LimitReader(data, maxBatchMedia+1))
		if err == nil && len(body) > maxBatchMedia {
			err = cds.Reject(http.StatusRequestEntityTooLarge, "MEDIA_TOO_LARGE", "The data are too large for a batch: read them by a request of their own")
		}
		if err != nil {
			clearMedia(c.w.Header())
			return err
		}
		return c.send(http.StatusOK, body)
	}
	c.w.WriteHeader(http.StatusOK)
	if _, err := c.copyOut(data, -1); err != nil {
		panic(http.ErrAbortHandler) // as above
	}
	return nil
}

// copyOut writes data in pieces, each within the time that a client has for it. n says how many bytes there are at most, less than 0 for any number.
func (c *call) copyOut(data io.Reader, n int64) (sent int64, err error) {
	size := int64(mediaPiece)
	if n >= 0 {
		size = min(size, n)
	}
	buf := make([]byte, max(size, 1))
	to := http.NewResponseController(c.w)
	for n < 0 || sent < n {
		m, err := data.Read(buf)
		if m > 0 {
			_ = to.SetWriteDeadline(time.Now().Add(writeStall)) // the writer of a test, or of a batch, has no deadlines
			if _, werr := c.w.Write(buf[:m]); werr != nil {
				return sent, werr
			}
			sent += int64(m)
		}
		if errors.Is(err, io.EOF) {
			return sent, nil
		}
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// incoming reads the data of a PUT for an element. end is to be called when they are stored.
func (c *call) incoming(el *csn.Element) (v cqn.Value, end func(), err error) {
	if el.Scalar().Kind != csn.LargeBinary { // short by its type
		var b strings.Builder // the value is its memory, not a copy
		err := c.copyBody(&b, c.opt.MaxMedia)
		return cqn.Text(cqn.KindBytes, b.String()), func() {}, err
	}
	again := c.pause()
	if v, err = c.upload(); err != nil {
		return v, nil, err
	}
	stop := again()
	return v, func() { cds.ReleaseMedia(v); stop() }, nil
}

// upload reads a body for an element with large data.
func (c *call) upload() (cqn.Value, error) {
	if e := c.r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return cqn.Null, cds.Reject(http.StatusUnsupportedMediaType, "415", "Unsupported Content-Encoding") // the bytes would not be what their type says
	}
	limit := c.opt.MaxMedia
	tooLarge := cds.Reject(http.StatusRequestEntityTooLarge, "413", "Request body is larger than %d bytes", limit)
	if c.r.ContentLength > limit {
		return cqn.Null, tooLarge
	}
	body := &unhurried{r: http.MaxBytesReader(c.w, c.r.Body, limit), to: http.NewResponseController(c.w)}
	v, err := c.svc.App.Spool(context.WithoutCancel(c.ctx), body, limit) // if the client is gone, reading fails
	body.done()
	var most *http.MaxBytesError
	var known *cds.Error
	switch {
	case errors.As(err, &most):
		return cqn.Null, tooLarge
	case errors.As(err, &known):
		return cqn.Null, err
	case err != nil:
		return cqn.Null, cds.Reject(400, "400", "The request body could not be read")
	}
	return v, nil
}

// An unhurried reads a body whose client has so much time for each piece, in place of a time for the whole.
type unhurried struct {
	r    io.Reader
	to   *http.ResponseController
	left int // bytes until the time begins anew
}

// Read implements io.Reader.
func (u *unhurried) Read(b []byte) (int, error) {
	if u.left <= 0 {
		_ = u.to.SetReadDeadline(time.Now().Add(readStall)) // tests and batches have no deadlines
		u.left = readPiece
	}
	n, err := u.r.Read(b)
	u.left -= n
	return n, err
}

// done ends the deadline: what is read from the connection from now on is the next request.
func (u *unhurried) done() { _ = u.to.SetReadDeadline(time.Time{}) }

// pause stops the clock of the request's deadline; the function that it returns starts it again, with the time that was left.
func (c *call) pause() (again func() (stop func())) {
	outer := c.ctx
	deadline, limited := outer.Deadline()
	if !limited || c.inBatch != nil {
		return func() func() { return func() {} }
	}
	left := time.Until(deadline)
	return func() func() {
		_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(left + writeStall)) // it was for the whole request too
		ctx, cancel := context.WithTimeout(context.WithoutCancel(outer), left)
		c.ctx, c.r = ctx, c.r.WithContext(ctx)
		// The end of the client's connection ends the request as before; the old deadline does not.
		forget := context.AfterFunc(outer, func() {
			if errors.Is(outer.Err(), context.Canceled) {
				cancel()
			}
		})
		return func() { forget(); cancel() }
	}
}

// isLink tells elements that hold the URL of data that are somewhere else: @Core.IsURL with @Core.MediaType.
func isLink(el *csn.Element) bool {
	b := el.Scalar()
	return b != nil && (b.Kind == csn.String || b.Kind == csn.LargeString) && el.Annotations.Is("Core.IsURL") && el.Annotations.Get("Core.MediaType") != nil
}

// redirect sends the client to the data that a link leads to. Only web addresses are: others could make a browser run something.
func (c *call) redirect(v cqn.Value) error {
	u, err := url.Parse(v.Str())
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return cds.Reject(http.StatusNotFound, "404", "Not Found")
	}
	c.w.Header().Set("Location", u.String())
	c.w.WriteHeader(http.StatusFound)
	return nil
}
