package odata

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	cds "cds/runtime"
)

const (
	multipartType = "multipart/mixed"
	jsonMedia     = "application/json"
)

// maxBatchLine bounds the request lines of parts: a URL and what stands around it.
const maxBatchLine = 20 << 10

// batchType returns the format of a batch request.
func (c *call) batchType() (mediaType, boundary string, err error) {
	t, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	switch {
	case err != nil, t != multipartType && t != jsonMedia:
		return "", "", cds.Reject(415, "415", "Batch requests have the type multipart/mixed or application/json")
	case t == multipartType && params["boundary"] == "":
		return "", "", cds.Reject(400, "400", "multipart/mixed needs a boundary")
	}
	return t, params["boundary"], nil
}

// batchFormat chooses the format of the answer: that of the request unless the client accepts only the other.
func (c *call) batchFormat(requested string) (batchWriter, error) {
	accept := c.r.Header.Get("Accept")
	multi, json := accepts(accept, multipartType), accepts(accept, jsonMedia)
	switch {
	case requested == multipartType && multi, requested == jsonMedia && !json && multi:
		return newMultipartWriter(), nil
	case json:
		return &jsonBatchWriter{}, nil
	}
	return nil, cds.Reject(http.StatusNotAcceptable, "406", "Answers to batches have the type multipart/mixed or application/json")
}

// multipartBatch reads a batch as multipart/mixed: parts of application/http, and change sets, which are multipart/mixed again.
func (c *call) multipartBatch(raw []byte, boundary string) ([]*batchUnit, error) {
	m := &multipartReader{limit: c.opt.MaxBatch, tooMany: c.tooManyParts, ids: map[string]bool{}}
	var units []*batchUnit
	err := m.each(raw, boundary, func(h textproto.MIMEHeader, body []byte) error {
		t, params, err := mime.ParseMediaType(h.Get("Content-Type"))
		if err != nil {
			return badBatch("a part without a valid Content-Type")
		}
		if t != multipartType {
			p, err := m.part(t, h, body)
			units = append(units, &batchUnit{parts: []*batchPart{p}})
			return err
		}
		u := &batchUnit{atomic: true}
		units = append(units, u)
		return m.each(body, params["boundary"], func(h textproto.MIMEHeader, body []byte) error {
			t, _, err := mime.ParseMediaType(h.Get("Content-Type"))
			if err != nil {
				return badBatch("a part without a valid Content-Type")
			}
			p, err := m.part(t, h, body)
			if err == nil && (p.method == http.MethodGet || p.method == http.MethodHead) {
				return badBatch("a change set with a " + p.method + " request")
			}
			u.parts = append(u.parts, p)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	out := units[:0]
	for _, u := range units {
		if len(u.parts) > 0 { // an empty change set changes nothing
			out = append(out, u)
		}
	}
	return out, nil
}

func badBatch(what string) error {
	return cds.Reject(400, "400", "The batch is not well-formed: %s", what)
}

// A multipartReader reads the parts of a batch and of its change sets.
type multipartReader struct {
	n, limit int
	tooMany  func() error
	ids      map[string]bool
}

// each calls fn for the parts of a multipart body.
func (m *multipartReader) each(raw []byte, boundary string, fn func(h textproto.MIMEHeader, body []byte) error) error {
	if boundary == "" || len(boundary) > 70 { // RFC 2046 5.1.1
		return badBatch("a boundary has 1 to 70 characters")
	}
	if !bytes.Contains(raw, []byte("--"+boundary)) {
		return badBatch("it has no line with the boundary")
	}
	r := multipart.NewReader(bytes.NewReader(raw), boundary)
	for {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return badBatch("it ends within a part, or has lines that belong to none")
		}
		body, err := io.ReadAll(p)
		if err != nil {
			return badBatch("a part does not end with the boundary")
		}
		if err := fn(p.Header, body); err != nil {
			return err
		}
	}
}

// part reads a part of application/http: a request as it would be sent alone.
func (m *multipartReader) part(mediaType string, h textproto.MIMEHeader, body []byte) (*batchPart, error) {
	if m.n++; m.n > m.limit {
		return nil, m.tooMany()
	}
	if mediaType != "application/http" {
		return nil, badBatch("a part is neither application/http nor, outside of change sets, multipart/mixed")
	}
	switch e := strings.ToLower(h.Get("Content-Transfer-Encoding")); e {
	case "", "binary", "8bit", "7bit":
	default:
		return nil, badBatch("a part with a Content-Transfer-Encoding other than binary")
	}
	p := &batchPart{id: strings.TrimSpace(h.Get("Content-Id")), number: m.n}
	if err := p.http(body); err != nil {
		return nil, err
	}
	if p.id == "" {
		p.id = strings.TrimSpace(p.header.Get("Content-Id")) // some clients put it there
	}
	p.header.Del("Content-Id")
	if p.id != "" {
		if m.ids[p.id] || len(p.id) > 200 || strings.ContainsFunc(p.id, func(r rune) bool { return r < ' ' || r > '~' }) {
			return nil, badBatch("a Content-ID is given twice, longer than 200 characters, or not ASCII")
		}
		m.ids[p.id] = true
	}
	return p, nil
}

// http reads a request. Blanks in its URL are let pass, since the line ends with the HTTP version.
func (p *batchPart) http(raw []byte) error {
	raw = bytes.TrimLeft(raw, "\r\n")
	line, rest, _ := bytes.Cut(raw, []byte("\n"))
	if len(line) > maxBatchLine {
		return &cds.Error{Status: http.StatusRequestURITooLong, Code: "414", Message: "URI Too Long"}
	}
	text := strings.TrimRight(string(line), "\r \t")
	i := strings.LastIndexByte(text, ' ')
	if i < 0 || !strings.HasPrefix(text[i+1:], "HTTP/1.") {
		return badBatch("a request line is \"METHOD URL HTTP/1.1\"")
	}
	method, url, ok := strings.Cut(strings.TrimSpace(text[:i]), " ")
	if !ok || !batchMethod(method) {
		return badBatch("a request line is \"METHOD URL HTTP/1.1\", with GET, POST, PUT, PATCH or DELETE")
	}
	p.method, p.url = method, strings.TrimSpace(url)
	if strings.ContainsFunc(p.url, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return badBatch("a URL with control characters")
	}
	return p.headAndBody(rest)
}

func batchMethod(m string) bool {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return true
	}
	return false
}

// headAndBody reads the headers of a request and takes the rest for its body. A Content-Length must not name more than is there, nor leave
// anything but line ends.
func (p *batchPart) headAndBody(raw []byte) error {
	p.header = http.Header{}
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	buf := bufio.NewReader(bytes.NewReader(raw))
	h, err := textproto.NewReader(buf).ReadMIMEHeader()
	if err != nil && !errors.Is(err, io.EOF) {
		return badBatch("the headers of a request")
	}
	p.header = http.Header(h)
	body, _ := io.ReadAll(buf) // from memory
	if text := p.header.Get("Content-Length"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > len(body) || len(p.header["Content-Length"]) > 1 || len(bytes.Trim(body[n:], "\r\n")) > 0 {
			return badBatch("the Content-Length of a request is not that of its body")
		}
		body = body[:n]
	} else if t, _, _ := mime.ParseMediaType(p.header.Get("Content-Type")); t == jsonMedia || len(bytes.Trim(body, "\r\n")) == 0 {
		body = bytes.Trim(body, "\r\n")
	}
	p.body = body
	return nil
}

// A multipartWriter writes answers as multipart/mixed.
type multipartWriter struct{ boundary string }

func newMultipartWriter() *multipartWriter { return &multipartWriter{"batch_" + rand.Text()} }

func (m *multipartWriter) contentType() string { return "multipart/mixed;boundary=" + m.boundary }

func (m *multipartWriter) unit(b []byte, u *batchUnit, answers []*batchAnswer) []byte {
	b = append(b, "--"+m.boundary+"\r\n"...)
	if !u.atomic {
		return appendHTTP(b, answers[0])
	}
	if a := culprit(answers); a != nil {
		return appendHTTP(b, a)
	}
	set := "changeset_" + rand.Text()
	b = append(b, "content-type: multipart/mixed;boundary="+set+"\r\n\r\n"...)
	for _, a := range answers {
		b = append(b, "--"+set+"\r\n"...)
		b = appendHTTP(b, a)
	}
	return append(b, "--"+set+"--\r\n"...)
}

// culprit returns the answer for which a change set failed, nil if it did not.
func culprit(answers []*batchAnswer) (found *batchAnswer) {
	for _, a := range answers {
		if a.failed() && (found == nil || found.status == http.StatusFailedDependency) {
			found = a
		}
	}
	return found
}

func (m *multipartWriter) end(b []byte) []byte { return append(b, "--"+m.boundary+"--\r\n"...) }

// oneLine keeps a header value on its line, as net/http does for headers of whole answers.
var oneLine = strings.NewReplacer("\r", " ", "\n", " ")

// appendHTTP appends a part of application/http.
func appendHTTP(b []byte, a *batchAnswer) []byte {
	b = append(b, "content-type: application/http\r\ncontent-transfer-encoding: binary\r\n"...)
	if a.part.id != "" {
		b = append(b, "content-id: "+oneLine.Replace(a.part.id)+"\r\n"...) // in JSON it may be any text
	}
	b = append(b, "\r\nHTTP/1.1 "+strconv.Itoa(a.status)+" "+http.StatusText(a.status)+"\r\n"...)
	a.eachHeader(func(name, value string) {
		if name == "content-type" && strings.HasPrefix(value, jsonMedia) {
			value = "application/json;odata.metadata=minimal"
		}
		b = append(b, name+": "+oneLine.Replace(value)+"\r\n"...)
	})
	b = append(b, "\r\n"...)
	b = append(b, a.body...)
	return append(b, "\r\n"...)
}
