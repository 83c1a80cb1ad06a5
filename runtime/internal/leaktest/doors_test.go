package leaktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/odata/uri"
)

// An answer is what a door says: the status, and a text that has all of it.
type answer struct {
	status int
	text   string
}

// A door is one way into an application. missing says which constructs it does not have, and why: the tests of these leave it out.
type door struct {
	name    string
	ask     func(w *world, r request) answer
	missing map[string]string
}

var doors = []door{
	{"odata", func(w *world, r request) answer { return w.http("/odata/v4/", r) }, nil},
	{"rest", func(w *world, r request) answer { return w.http("/rest/", r) }, map[string]string{
		"$batch": "the REST door has no batches",
		"$value": "the REST door answers elements as JSON, see /element",
	}},
	{"go", (*world).code, map[string]string{
		"$batch":      "code calls a service once per request; App.Tx is tested with it",
		"$value":      "code reads an element as a column, see $select",
		"$expand=*":   "the door that reads a * leaves out what may not be read; code names what it expands",
		"$count=true": "code counts by a query, see /$count",
		"call":        "operations run by Service.Call, which has no errors of its own",
	}},
}

// A request is what is asked of all doors, in the terms of URLs.
type request struct{ who, method, path, body string }

func (w *world) http(root string, r request) answer {
	c := w.HTTP().As(r.who)
	if root == "/odata/v4/" { // counts and contexts are no part of what is compared otherwise
		c = c.With("Accept", "application/json;odata.metadata=minimal")
	}
	var body any
	if r.body != "" {
		body = r.body
	}
	res := c.Do(r.method, root+r.path, body)
	head := res.Header("X-Total-Count") + res.Header("Location") + res.Header("ETag")
	return answer{res.Code(), head + res.Body()}
}

// code runs a request as Go code does: as a query of a service.
func (w *world) code(r request) answer {
	service, path, _ := strings.Cut(r.path, "/")
	s := w.CDS.Service("d." + strings.ToUpper(service[:1]) + service[1:])
	ctx := w.As(r.who)
	path, options, _ := strings.Cut(path, "?")
	res, err := uri.NewIndex(s.Model).Parse(path, strings.ReplaceAll(options, " ", "%20"))
	if err != nil {
		return failed(err)
	}
	q, err := res.Query(func(*csn.Entity, *csn.Element) bool { return true })
	if err != nil {
		return failed(err)
	}
	if r.method == http.MethodGet {
		return w.read(ctx, s, res, q)
	}
	row, err := payload(r.body)
	if err != nil {
		return failed(err)
	}
	var query cqn.Query
	from := q.Select.From.(*cqn.From).Path
	switch r.method {
	case http.MethodPost:
		if len(res.Segments) > 1 {
			return w.below(ctx, s, res, row)
		}
		query = &cqn.Insert{Into: res.Entity().Name, Rows: []*cds.Row{row}}
	case http.MethodPut:
		for _, f := range res.Segments[len(res.Segments)-1].Keys.Fields() {
			row.Set(f.Name, f.Value)
		}
		query = &cqn.Upsert{Into: res.Entity().Name, Rows: []*cds.Row{row}}
	case http.MethodPatch:
		query = &cqn.Update{Entity: from, Data: row}
	case http.MethodDelete:
		query = &cqn.Delete{From: from}
	}
	out, err := s.Run(ctx, query)
	if err != nil {
		return failed(err)
	}
	if (r.method == http.MethodPatch || r.method == http.MethodDelete) && out.Affected == 0 {
		return answer{status: 404}
	}
	return answer{200, texts(out)}
}

// below inserts over a path, as a handler of a door does.
func (w *world) below(ctx context.Context, s *cds.Service, res *uri.Resource, row *cds.Row) answer {
	r := &cds.RawRequest{Event: "CREATE", Data: row, Target: res.Entity()}
	for _, seg := range res.Segments {
		r.Path, r.Params = append(r.Path, seg.Entity), append(r.Params, cds.Keys{Entity: seg.Entity, Values: seg.Keys})
		if seg.Via != nil {
			r.Via = append(r.Via, seg.Via)
		}
	}
	r.Query = &cqn.Insert{Into: res.Entity().Name, Rows: []*cds.Row{row}}
	out, err := s.Dispatch(ctx, r)
	if err != nil {
		return failed(err)
	}
	return answer{200, texts(out)}
}

func (w *world) read(ctx context.Context, s *cds.Service, res *uri.Resource, q *uri.Query) answer {
	out, err := s.Run(ctx, q.Select)
	if err != nil {
		return failed(err)
	}
	if len(out.Rows) == 0 && (!res.Many() || len(res.Segments) > 1) {
		return answer{status: 404} // code is told of rows only, not of the way to them
	}
	if res.Kind == uri.Count {
		return answer{200, fmt.Sprint(len(out.Rows))}
	}
	return answer{200, texts(out)}
}

func failed(err error) answer {
	var u *uri.Error
	if errors.As(err, &u) {
		return answer{u.Status, u.Message}
	}
	e := cds.AsError(err)
	return answer{e.Status, e.Code + " " + e.Message}
}

// payload reads a JSON object into a row.
func payload(body string) (*cds.Row, error) {
	values := map[string]any{}
	if body == "" {
		return cqn.NewRow(), nil
	}
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&values); err != nil {
		return nil, err
	}
	return cds.RowOf(plain(values).(map[string]any))
}

// plain turns numbers of JSON into those of Go.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		n, _ := v.Int64()
		return n
	case map[string]any:
		for k, x := range v {
			v[k] = plain(x)
		}
	case []any: // of rows
		rows := make([]map[string]any, len(v))
		for i, x := range v {
			rows[i] = plain(x).(map[string]any)
		}
		return rows
	}
	return v
}

func texts(res *cds.Result) string {
	var b strings.Builder
	for _, r := range res.Rows {
		b.WriteString(text(r) + "\n")
	}
	return b.String()
}

// text writes a row as JSON does, in order.
func text(r *cds.Row) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, f := range r.Fields() {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:", f.Name)
		switch f.Value.Kind() {
		case cqn.KindRow:
			b.WriteString(text(f.Value.Row()))
		case cqn.KindRows:
			b.WriteByte('[')
			for j, x := range f.Value.Rows() {
				if j > 0 {
					b.WriteByte(',')
				}
				b.WriteString(text(x))
			}
			b.WriteByte(']')
		default:
			b.WriteString(value(f.Value))
		}
	}
	return b.String() + "}"
}

func value(v cds.Value) string {
	switch v.Kind() {
	case cqn.KindNull:
		return "null"
	case cqn.KindString:
		return strconv.Quote(v.Str())
	}
	return v.Format()
}
