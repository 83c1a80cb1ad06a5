package doors

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
)

// http sends a request to the door of a protocol and returns the status.
func (r *runner) http(h http.Handler, method, path, body string) func(context.Context) int {
	return func(ctx context.Context) int { return send(ctx, h, method, path, body).Code }
}

func send(ctx context.Context, h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequestWithContext(ctx, method, "/"+path, strings.NewReader(body))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if method != http.MethodGet {
		req.Header.Set("If-Match", "*") // rows with an entity tag ask for one
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

// batch sends a request as a part of a JSON batch.
func (r *runner) batch(s *csn.Service, method, path, body string) func(context.Context) int {
	return func(ctx context.Context) int {
		head := map[string]string{}
		part := map[string]any{"id": "1", "method": method, "url": path, "headers": head}
		if body != "" {
			part["body"], head["Content-Type"] = json.RawMessage(body), "application/json"
		}
		if method != http.MethodGet {
			head["If-Match"] = "*"
		}
		data, err := json.Marshal(map[string]any{"requests": []any{part}})
		if err != nil {
			return 0
		}
		w := send(ctx, r.odata[s], http.MethodPost, "$batch", string(data))
		var out struct {
			Responses []struct{ Status int }
		}
		if json.NewDecoder(bytes.NewReader(w.Body.Bytes())).Decode(&out) != nil || len(out.Responses) != 1 {
			return w.Code
		}
		return out.Responses[0].Status
	}
}

// code runs a query by the service, as code in the same process does.
func (r *runner) code(s *csn.Service, q func() cqn.Query) func(context.Context) int {
	return func(ctx context.Context) int {
		_, err := r.app.Service(s.Name).Run(ctx, q())
		return status(err)
	}
}

func status(err error) int {
	if err == nil {
		return http.StatusOK
	}
	return cds.AsError(err).Status
}

// reads are the ways to read an entity by its own address.
func (r *runner) reads(s *csn.Service, e *csn.Entity) []way {
	name := url.PathEscape(e.LocalName())
	get := func(path string) []way {
		return []way{{"odata " + show(path), r.http(r.odata[s], http.MethodGet, path, "")}, {"rest " + show(path), r.http(r.rest[s], http.MethodGet, path, "")}}
	}
	out := get(name)
	out = append(out,
		way{"odata " + name + "/$count", r.http(r.odata[s], http.MethodGet, name+"/$count", "")},
		way{"odata " + name + "?$apply", r.http(r.odata[s], http.MethodGet, name+"?$apply=aggregate($count%20as%20n)", "")},
		way{"batch " + name, r.batch(s, http.MethodGet, name, "")})
	if k := key(e); k != "" {
		out = append(out, get(name+k)...)
		out = append(out, way{"batch " + name + show(k), r.batch(s, http.MethodGet, name+k, "")})
	}
	return append(out, way{"go SELECT", r.code(s, func() cqn.Query { return &cqn.Select{From: from(e.Name)} })})
}

// over are the ways to read the target of an association along its path.
func (r *runner) over(s *csn.Service, el *csn.Element) []way {
	p := el.Owner
	name := url.PathEscape(p.LocalName())
	var out []way
	if k := key(p); k != "" && p.Exposure != csn.AutoExposed {
		path := name + k + "/" + el.Name
		out = append(out, way{"odata " + show(path), r.http(r.odata[s], http.MethodGet, path, "")},
			way{"rest " + show(path), r.http(r.rest[s], http.MethodGet, path, "")},
			way{"batch " + show(path), r.batch(s, http.MethodGet, path, "")})
	}
	return out
}

// expands are the ways to read the target of an association as nested rows and by a condition.
func (r *runner) expands(s *csn.Service, el *csn.Element) []way {
	p := el.Owner
	name := url.PathEscape(p.LocalName())
	first := p.Keys
	var out []way
	expand := name + "?$expand=" + el.Name
	if p.Exposure != csn.AutoExposed {
		out = append(out, way{"odata " + expand, r.http(r.odata[s], http.MethodGet, expand, "")}, way{"rest " + expand, r.http(r.rest[s], http.MethodGet, expand, "")})
	}
	target := el.Assoc().Target
	if f := filter(el); f != "" && p.Exposure != csn.AutoExposed {
		out = append(out, way{"odata " + name + "?$filter=" + f, r.http(r.odata[s], http.MethodGet, name+"?$filter="+url.PathEscape(f), "")})
	}
	if len(first) > 0 && len(target.Keys) > 0 && p.Exposure != csn.AutoExposed {
		out = append(out, way{"go expand " + p.LocalName() + "." + el.Name, r.code(s, func() cqn.Query {
			nested := &cqn.Select{Columns: []cqn.Column{{X: cqn.NewRef(target.Keys[0].Name)}}}
			return &cqn.Select{From: from(p.Name), Columns: []cqn.Column{{X: cqn.NewRef(first[0].Name)}, {X: cqn.NewRef(el.Name), Expand: nested}}}
		})})
	}
	return out
}

// filter is a condition over an association in the notation of OData; "" for none.
func filter(el *csn.Element) string {
	a := el.Assoc()
	if a.Many {
		return el.Name + "/any()"
	}
	for _, f := range a.Target.Flat {
		if f.Assoc() == nil && !f.Virtual && f.ForeignKey == nil && !f.Key && f.Scalar() != nil && f.Scalar().Kind != csn.LargeBinary {
			return el.Name + "/" + f.Name + " eq null"
		}
	}
	return ""
}

// writes are the ways to create, change or remove a row by its own address.
func (r *runner) writes(s *csn.Service, e *csn.Entity, event string) []way {
	name := url.PathEscape(e.LocalName())
	method, path, body := http.MethodPost, name, payload(e, true)
	query := func() cqn.Query { return &cqn.Insert{Into: e.Name, Rows: []*cqn.Row{row(e, true)}} }
	if event != "CREATE" {
		if path = key(e); path == "" {
			return nil
		}
		path = name + path
	}
	switch event {
	case "UPDATE":
		method, body = http.MethodPatch, payload(e, false)
		query = func() cqn.Query { return &cqn.Update{Entity: cqn.NewRef(e.Name), Data: row(e, false), Where: keyIs(e)} }
	case "DELETE":
		method, body = http.MethodDelete, ""
		query = func() cqn.Query { return &cqn.Delete{From: cqn.NewRef(e.Name), Where: keyIs(e)} }
	}
	show := method + " " + show(path)
	return []way{
		{"odata " + show, r.http(r.odata[s], method, path, body)},
		{"rest " + show, r.http(r.rest[s], method, path, body)},
		{"batch " + show, r.batch(s, method, path, body)},
		{"go " + event, r.code(s, query)},
	}
}

// selectOf selects an element, or only sorts by it.
func selectOf(e *csn.Entity, el *csn.Element, sort bool) func() cqn.Query {
	return func() cqn.Query {
		q := &cqn.Select{From: from(e.Name), Columns: []cqn.Column{{X: cqn.NewRef(el.Name)}}}
		if sort {
			q.OrderBy = []cqn.Order{{X: cqn.NewRef(el.Name)}}
			q.Columns = nil
			for _, k := range e.Keys {
				q.Columns = append(q.Columns, cqn.Column{X: cqn.NewRef(k.Name)})
			}
		}
		return q
	}
}

// calls are the ways to call an operation, on an entity or not.
func (r *runner) calls(s *csn.Service, op *csn.Operation, e *csn.Entity) []way {
	params := cqn.NewRow()
	for _, p := range op.Params {
		if v, _, ok := sample(p); ok {
			params.Set(p.Name, v)
		}
	}
	name := op.LocalName()
	req := func() *cds.RawRequest {
		q := &cds.RawRequest{Event: cds.Event(name), Op: op, Data: params.Clone()}
		if e != nil {
			q.Target, q.Path = e, []*csn.Entity{e}
			q.Params = []cds.Keys{{Entity: e, Values: keys(e)}}
			if op.Collection {
				q.Params[0].Values = nil
			}
		}
		return q
	}
	out := []way{{"go " + name, func(ctx context.Context) int {
		_, err := r.app.Service(s.Name).Dispatch(ctx, req())
		return status(err)
	}}}
	path, plain := name, name
	if e != nil {
		k := key(e)
		if op.Collection {
			k = ""
		} else if k == "" {
			return out
		}
		path = url.PathEscape(e.LocalName()) + k + "/" + s.Name + "." + name
		plain = url.PathEscape(e.LocalName()) + k + "/" + name
	}
	method, body := http.MethodPost, jsonOf(op.Params)
	if op.Function {
		method, body = http.MethodGet, ""
		path += "(" + arguments(op.Params) + ")"
		plain += "?" + strings.ReplaceAll(arguments(op.Params), ",", "&")
	}
	return append([]way{
		{"odata " + method + " " + show(path), r.http(r.odata[s], method, path, body)},
		{"rest " + method + " " + show(plain), r.http(r.rest[s], method, plain, body)},
		{"batch " + method + " " + show(path), r.batch(s, method, path, body)},
	}, out...)
}

func from(name string) *cqn.From { return &cqn.From{Path: cqn.NewRef(name)} }

// show is a path as people read it, without the values of keys.
func show(path string) string {
	if i, j := strings.IndexByte(path, '('), strings.IndexByte(path, ')'); i >= 0 && j > i {
		return path[:i] + "(…)" + path[j+1:]
	}
	return path
}
