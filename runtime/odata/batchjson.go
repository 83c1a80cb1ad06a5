package odata

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	cds "cds/runtime"
	"cds/runtime/odata/internal/edm"
)

// newBody returns a body that is in memory.
func newBody(b []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(b)) }

// jsonBatch reads a batch as JSON (OData JSON 19.1).
func (c *call) jsonBatch(raw []byte) ([]*batchUnit, error) {
	if !utf8.Valid(raw) {
		return nil, syntaxError("The request body is not valid UTF-8")
	}
	p := &batchParser{jsonReader: jsonReader{b: raw}, c: c, ids: map[string]bool{}}
	found := false
	err := p.object(func(name string) error {
		switch {
		case strings.HasPrefix(name, "@"):
			return p.skip()
		case name != "requests":
			return syntaxError("Property %q does not exist in a batch", name)
		}
		found = true
		return p.array(func(int) error { return p.request() })
	})
	if err == nil {
		err = p.end()
	}
	if err == nil && !found {
		err = syntaxError("A batch has a property \"requests\"")
	}
	return p.units, err
}

type batchParser struct {
	jsonReader
	c     *call
	n     int
	units []*batchUnit
	ids   map[string]bool // of requests and groups so far
}

// request reads one of the requests and puts it in its place.
func (p *batchParser) request() error {
	if p.n++; p.n > p.c.opt.MaxBatch {
		return p.c.tooManyParts()
	}
	part := &batchPart{header: http.Header{}}
	var group, when string
	var body []byte
	err := p.object(func(name string) (err error) {
		switch name {
		case "id":
			part.id, err = p.text(name)
		case "method":
			part.method, err = p.text(name)
			part.method = strings.ToUpper(part.method)
		case "url":
			part.url, err = p.text(name)
		case "atomicityGroup":
			group, err = p.text(name)
		case "dependsOn":
			err = p.dependsOn(part)
		case "headers":
			err = p.headers(part)
		case "body":
			p.blanks()
			from := p.i
			if err = p.skip(); err == nil {
				body = p.b[from:p.i]
			}
		case "if":
			when, err = p.text(name)
		default:
			if strings.HasPrefix(name, "@") {
				return p.skip()
			}
			return syntaxError("Property %q does not exist in a request of a batch", name)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := part.setBody(body); err != nil {
		return err
	}
	if when != "" {
		if err := p.condition(part, when); err != nil {
			return err
		}
	}
	return p.place(part, group)
}

// condition reads the condition of a request. What is not supported fails the request, not the batch.
func (p *batchParser) condition(part *batchPart, text string) error {
	when, err := readIf(text, part.after)
	var e *cds.Error
	switch {
	case errors.As(err, &e) && e.Status == http.StatusNotImplemented:
		part.fault = err
		return nil
	case err != nil:
		return err
	}
	part.when = when
	for _, u := range p.units {
		for _, earlier := range u.parts {
			earlier.asked = earlier.asked || slices.Contains(when.ids, earlier.id)
		}
	}
	return nil
}

// text reads a string that must not be empty.
func (p *batchParser) text(name string) (string, error) {
	if p.peek() != '"' {
		return "", syntaxError("%q of a request in a batch must be a string", name)
	}
	s, err := p.str()
	if err == nil && s == "" && name != "url" {
		err = syntaxError("%q of a request in a batch must not be empty", name)
	}
	return s, err
}

// dependsOn reads the requests and groups that a request waits for. All must come before it.
func (p *batchParser) dependsOn(part *batchPart) error {
	return p.array(func(int) error {
		id, err := p.text("dependsOn")
		part.after = append(part.after, id)
		return err
	})
}

func (p *batchParser) headers(part *batchPart) error {
	return p.object(func(name string) error {
		v, err := p.text("headers")
		if err != nil {
			return err
		}
		if !validHeader(name, v) {
			return syntaxError("Header %q of a request in a batch is not valid", name)
		}
		part.header.Add(name, v)
		return nil
	})
}

// validHeader tells headers that could stand in an HTTP message.
func validHeader(name, value string) bool {
	for i := 0; i < len(name); i++ {
		if c := name[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("()<>@,;:\\\"/[]?={}", c) >= 0 {
			return false
		}
	}
	return name != "" && !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// setBody turns the body member into bytes: JSON as it stands, text from a string, all else from base64url.
func (p *batchPart) setBody(raw []byte) error {
	if raw == nil {
		return nil
	}
	ct := p.header.Get("Content-Type")
	if ct == "" {
		p.header.Set("Content-Type", jsonMedia)
		ct = jsonMedia
	}
	t, _, err := mime.ParseMediaType(ct)
	if err != nil || t == jsonMedia || strings.HasSuffix(t, "+json") || raw[0] != '"' {
		p.body = raw
		return nil
	}
	r := jsonReader{b: raw}
	s, err := r.str()
	if err != nil || strings.HasPrefix(t, "text/") {
		p.body = []byte(s)
		return err
	}
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(s), "="))
	if err != nil {
		return syntaxError("The body of a request with Content-Type %s must be in base64url", t)
	}
	p.body = b
	return nil
}

// place checks a request and adds it to its group.
func (p *batchParser) place(part *batchPart, group string) error {
	switch {
	case part.id == "":
		return syntaxError("A request in a batch has no \"id\"")
	case p.ids[part.id] || part.id == group:
		return syntaxError("The id %q is given twice in the batch", part.id)
	case !batchMethod(part.method):
		return syntaxError("The method of request %q must be GET, POST, PUT, PATCH or DELETE", part.id)
	case part.url == "":
		return syntaxError("Request %q has no \"url\"", part.id)
	}
	p.ids[part.id] = true
	for _, id := range part.after {
		if !p.ids[id] || id == part.id || id == group {
			return syntaxError("Request %q depends on %q, which does not come before it", part.id, id)
		}
	}
	last := len(p.units) - 1
	if group != "" && last >= 0 && p.units[last].name == group {
		p.units[last].parts = append(p.units[last].parts, part)
		return nil
	}
	if group != "" {
		if p.ids[group] {
			return syntaxError("The requests of group %q must follow each other, and no request may have its name", group)
		}
		p.ids[group] = true
	}
	p.units = append(p.units, &batchUnit{atomic: group != "", name: group, parts: []*batchPart{part}})
	return nil
}

// A jsonBatchWriter writes answers as JSON (OData JSON 19.5).
type jsonBatchWriter struct{ n int }

func (j *jsonBatchWriter) contentType() string { return jsonType }

func (j *jsonBatchWriter) unit(b []byte, u *batchUnit, answers []*batchAnswer) []byte {
	for _, a := range answers {
		if j.n++; j.n == 1 {
			b = append(b, `{"responses":[`...)
		} else {
			b = append(b, ',')
		}
		b = append(b, `{"id":`...)
		if b = edm.AppendString(b, a.part.id); a.part.id == "" { // from multipart, where it may be missing
			b = append(strconv.AppendInt(b[:len(b)-1], int64(a.part.number), 10), '"')
		}
		if u.name != "" {
			b = append(b, `,"atomicityGroup":`...)
			b = edm.AppendString(b, u.name)
		}
		b = append(b, `,"status":`...)
		b = strconv.AppendInt(b, int64(a.status), 10)
		b = append(b, `,"headers":{`...)
		first := true
		a.eachHeader(func(name, value string) {
			if name == "content-type" && strings.HasPrefix(value, jsonMedia) {
				value = jsonMedia
			}
			if !first {
				b = append(b, ',')
			}
			first = false
			b = edm.AppendString(b, name)
			b = append(b, ':')
			b = edm.AppendString(b, value)
		})
		b = append(b, '}')
		b = append(a.appendBody(b), '}')
	}
	return b
}

func (j *jsonBatchWriter) end(b []byte) []byte {
	if j.n == 0 {
		b = append(b, `{"responses":[`...)
	}
	return append(b, "]}"...)
}

// appendBody appends the body member: JSON as it is, text as a string, all else as base64url.
func (a *batchAnswer) appendBody(b []byte) []byte {
	if len(a.body) == 0 {
		return b
	}
	b = append(b, `,"body":`...)
	ct := a.header.Get("Content-Type")
	switch {
	case strings.HasPrefix(ct, jsonMedia) && json.Valid(a.body):
		return append(b, a.body...)
	case (strings.HasPrefix(ct, "text/") || strings.Contains(ct, "xml")) && utf8.Valid(a.body):
		return edm.AppendString(b, string(a.body))
	}
	b = append(b, '"')
	b = base64.URLEncoding.AppendEncode(b, a.body)
	return append(b, '"')
}

// eachHeader calls fn for the headers that stand in a part, those of OData first.
func (a *batchAnswer) eachHeader(fn func(name, value string)) {
	names := slices.Sorted(maps.Keys(a.header))
	for _, first := range [...]bool{true, false} {
		for _, name := range names {
			switch name {
			case "Content-Length", "Connection", "Cache-Control", "Vary", "X-Content-Type-Options":
				continue
			}
			if (name == "Odata-Version") == first && len(a.header[name]) > 0 {
				fn(strings.ToLower(name), strings.Join(a.header[name], ", "))
			}
		}
	}
}
