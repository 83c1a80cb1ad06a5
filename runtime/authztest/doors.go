package authztest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/odata"
	"cds/runtime/rest"
)

// doors are the ways into an application: both protocols for every service, wherever it is served, and calls from code.
//
// The application may have another model than the world that cases are of, as mutants do; names are the same.
type doors struct {
	w     *world
	app   *cds.App
	odata map[string]http.Handler
	rest  map[string]http.Handler
}

func newDoors(w *world, app *cds.App) *doors {
	d := &doors{w, app, map[string]http.Handler{}, map[string]http.Handler{}}
	for _, s := range app.Services() {
		d.odata[s.Model.Name] = odata.Mount(s, odata.Options{})
		d.rest[s.Model.Name] = rest.Mount(s, rest.Options{})
	}
	return d
}

// A reply is what a door answers.
type reply struct {
	status int
	body   []byte
}

// send sends a request as the user of a case.
func (d *doors) send(h http.Handler, c *Case, method, path, body string) reply {
	r := httptest.NewRequest(method, "http://localhost"+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if anyState(c, method) {
		r.Header.Set("If-Match", "*")
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r.WithContext(cds.NewContext(d.w.ctx, c.u, "")))
	return reply{rec.Code, rec.Body.Bytes()}
}

// anyState reports whether requests are about a state, any. A PUT that says so creates nothing.
func anyState(c *Case, method string) bool {
	return method != http.MethodGet && (c.Event != evUpsert || c.state)
}

// part is one request of a batch.
type part struct {
	ID      string            `json:"id"`
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    json.RawMessage   `json:"body,omitempty"`
}

func (d *doors) batch(c *Case, method, path, body string) reply {
	p := part{ID: "1", Method: method, URL: strings.TrimPrefix(path, "/"), Headers: map[string]string{}}
	if anyState(c, method) {
		p.Headers["If-Match"] = "*"
	}
	if body != "" {
		p.Headers["Content-Type"] = "application/json"
		p.Body = json.RawMessage(body)
	}
	text, err := json.Marshal(map[string]any{"requests": []part{p}})
	if err != nil {
		return reply{}
	}
	out := d.send(d.odata[c.service.Name], c, http.MethodPost, "/$batch", string(text))
	var answer struct {
		Responses []struct {
			Status int             `json:"status"`
			Body   json.RawMessage `json:"body"`
		} `json:"responses"`
	}
	if out.status >= 400 || json.Unmarshal(out.body, &answer) != nil || len(answer.Responses) != 1 {
		return out
	}
	return reply{answer.Responses[0].Status, answer.Responses[0].Body}
}

// setName is what an entity is called in URLs.
func setName(e *csn.Entity) string { return strings.ReplaceAll(e.LocalName(), ".", "_") }

// address is the URL of a row.
func address(r *row) string { return "/" + setName(r.e) + "(" + keyText(r) + ")" }

func keyText(r *row) string {
	var parts []string
	for _, k := range r.e.Keys {
		v := literal(k, r.values[k.Name])
		if len(r.e.Keys) > 1 {
			v = k.Name + "=" + v
		}
		parts = append(parts, v)
	}
	return strings.Join(parts, ",")
}

// literal writes a value as it stands in URLs.
func literal(el *csn.Element, v cqn.Value) string {
	if v.IsNull() {
		return "null"
	}
	t := el.Scalar()
	if t != nil && (t.Kind == csn.String || t.Kind == csn.LargeString) {
		return "'" + url.PathEscape(strings.ReplaceAll(v.Str(), "'", "''")) + "'"
	}
	return url.PathEscape(plain(v))
}

// condition says that the row is the one with the keys.
func (r *row) condition() cqn.Expr {
	var out cqn.Expr
	for _, k := range r.e.Keys {
		var x cqn.Expr = &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef(k.Name), R: &cqn.Lit{Value: r.values[k.Name]}}
		if out != nil {
			x = &cqn.Binary{Op: cqn.And, L: out, R: x}
		}
		out = x
	}
	return out
}

// path addresses the row in a query.
func (r *row) path() *cqn.Ref {
	return &cqn.Ref{Path: []cqn.Step{{Name: r.e.Name, Filter: r.condition()}}}
}

// code runs a query of the service as the user of a case does in Go.
func (d *doors) code(c *Case, q cqn.Query) reply {
	s := d.app.Service(c.service.Name)
	res, err := s.Run(d.app.NewContext(d.w.ctx, c.u, ""), q)
	if err != nil {
		e := cds.AsError(err)
		return reply{e.Status, []byte(e.Code + " " + e.Message)}
	}
	switch q.(type) {
	case *cqn.Select:
		if len(res.Rows) == 0 {
			return reply{status: 404}
		}
	case *cqn.Update, *cqn.Delete:
		if res.Affected == 0 {
			return reply{status: 404}
		}
	}
	return reply{status: 200}
}

// keysIn returns the keys of the rows in an answer.
func keysIn(e *csn.Entity, body []byte, at string) ([]string, bool) {
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil, false
	}
	if o, ok := v.(map[string]any); ok && at == "" {
		if list, ok := o["value"]; ok {
			v = list
		}
	} else if ok {
		v = o[at]
	}
	var out []string
	switch v := v.(type) {
	case nil:
	case []any:
		for _, r := range v {
			out = append(out, keyIn(e, r))
		}
	case map[string]any:
		out = append(out, keyIn(e, v))
	default:
		return nil, false
	}
	return out, true
}

func keyIn(e *csn.Entity, v any) string {
	o, _ := v.(map[string]any)
	var parts []string
	for _, k := range e.Keys {
		var text string
		switch x := o[k.Name].(type) {
		case string:
			text = x
		case json.Number:
			text = x.String()
		case bool:
			text = cqn.Bool(x).Format()
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ",")
}

// id is the key of a row as keyIn writes it.
func (r *row) id() string {
	var parts []string
	for _, k := range r.e.Keys {
		parts = append(parts, plain(r.values[k.Name]))
	}
	return strings.Join(parts, ",")
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(b)
}
