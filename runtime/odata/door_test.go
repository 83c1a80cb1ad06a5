package odata

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/odata/internal/testmodel"
)

// A stage is a door before a service whose handler is a function of the test: it sees what the door made of a request.
type stage struct {
	t       testing.TB
	handler http.Handler
	seen    []*cds.RawRequest
	answer  func(r *cds.RawRequest) (*cds.Result, error)
	user    *cds.User
}

func newStage(t testing.TB, m *csn.Model, service string, opt Options) *stage {
	t.Helper()
	app, list := cds.NewApp(m, cds.AppOptions{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if list.HasErrors() {
		t.Fatal(list)
	}
	s := &stage{t: t, user: auth.Anonymous}
	svc := app.Service(service)
	svc.On(cds.Match{}, func(_ context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
		s.seen = append(s.seen, r)
		if s.answer == nil {
			return &cds.Result{}, nil
		}
		return s.answer(r)
	})
	if err := app.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.handler = Mount(svc, opt)
	return s
}

func (s *stage) rows(rows ...*cqn.Row) {
	s.answer = func(r *cds.RawRequest) (*cds.Result, error) {
		return &cds.Result{Rows: rows, N: len(rows)}, nil
	}
}

// do sends "METHOD path" with an optional body and headers ("Name: value").
func (s *stage) do(request, body string, headers ...string) *httptest.ResponseRecorder {
	s.t.Helper()
	h := http.Header{}
	if body != "" {
		h.Set("Content-Type", "application/json")
	}
	for _, x := range headers {
		n, v, _ := strings.Cut(x, ": ")
		h.Set(n, v)
	}
	return s.send(request, body, h)
}

// send is do with headers as they are.
func (s *stage) send(request, body string, h http.Header) *httptest.ResponseRecorder {
	s.t.Helper()
	s.seen = nil
	method, path, _ := strings.Cut(request, " ")
	var rd io.Reader
	if body != "" {
		rd = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, "http://host"+strings.ReplaceAll(path, " ", "%20"), rd)
	r.Header = h
	r = r.WithContext(cds.NewContext(r.Context(), s.user, ""))
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// last returns the only request that the service saw.
func (s *stage) last() *cds.RawRequest {
	s.t.Helper()
	if len(s.seen) != 1 {
		s.t.Fatalf("the service saw %d requests", len(s.seen))
	}
	return s.seen[0]
}

func field(n string, v cqn.Value) cqn.Field { return cqn.Field{Name: n, Value: v} }

func book() *cqn.Row {
	return cqn.NewRow(field("ID", cqn.Int(1)), field("title", cqn.String("Emma")), field("price", cqn.Decimal("9.5")), field("big", cqn.Int(1<<60)))
}

const one = `"ID":1,"title":"Emma","price":"9.50","big":"1152921504606846976"}`

// TestAnswers is about statuses and bodies of results.
func TestAnswers(t *testing.T) {
	s := newStage(t, testmodel.Shop(t), "Shop", Options{BasePath: "/shop"})
	num := func(v cqn.Value) func(*cds.RawRequest) (*cds.Result, error) {
		return func(*cds.RawRequest) (*cds.Result, error) { return &cds.Result{Value: &v}, nil }
	}
	list := func(rows ...*cqn.Row) func(*cds.RawRequest) (*cds.Result, error) {
		return func(r *cds.RawRequest) (*cds.Result, error) {
			return &cds.Result{Rows: rows, N: len(rows), Count: 7}, nil
		}
	}
	for _, tc := range []struct {
		request, body string
		answer        func(*cds.RawRequest) (*cds.Result, error)
		status        int
		want          string // the body
	}{
		{"GET /shop/Books", "", list(book()), 200, `{"@odata.context":"$metadata#Books","value":[{` + one + `]}`},
		{"GET /shop//Books", "", list(), 200, `{"@odata.context":"$metadata#Books","value":[]}`},
		{"GET /shop/Books?$count=true&$top=1", "", list(book()), 200, `{"@odata.context":"$metadata#Books","@odata.count":7,"value":[{` + one + `]}`},
		{"GET /shop/Books(1)", "", list(book()), 200, `{"@odata.context":"$metadata#Books/$entity",` + one},
		{"GET /shop/Books/1", "", list(book()), 200, `{"@odata.context":"$metadata#Books/$entity",` + one},
		{"GET /shop/Books(1)", "", list(), 404, `{"error":{"message":"Not Found","code":"404","@Common.numericSeverity":4}}`},
		{"GET /shop/Books/$count", "", list(), 200, `7`},
		{"GET /shop/Books(1)/title", "", list(book()), 200, `{"@odata.context":"../$metadata#Books(1)/title","value":"Emma"}`},
		{"GET /shop/Books(1)/price", "", list(book()), 200, `{"@odata.context":"../$metadata#Books(1)/price","value":"9.50"}`},
		{"GET /shop/Books(1)/title/$value", "", list(book()), 200, `Emma`},
		{"GET /shop/Books(1)/stock", "", list(book()), 204, ``},
		{"GET /shop/Settings", "", list(cqn.NewRow(field("theme", cqn.String("dark")))), 200, `{"@odata.context":"$metadata#Settings","theme":"dark"}`},
		{"GET /shop/Settings/theme", "", list(cqn.NewRow(field("theme", cqn.String("dark")))), 200, `{"@odata.context":"../$metadata#Settings/theme","value":"dark"}`},
		{"POST /shop/Books", `{"ID":1}`, list(book()), 201, `{"@odata.context":"$metadata#Books/$entity",` + one},
		{"POST /shop/Books", `{"ID":1}`, list(), 204, ``},
		{"PATCH /shop/Books(1)", `{"title":"x"}`, list(book()), 200, `{"@odata.context":"$metadata#Books/$entity",` + one},
		{"PUT /shop/Books(1)/title", `{"value":"Emma"}`, list(book()), 200, `{"@odata.context":"../$metadata#Books(1)/title","value":"Emma"}`},
		{"DELETE /shop/Books(1)", "", list(), 204, ``},
		{"DELETE /shop/Books(1)/title", "", list(), 204, ``},
		{"GET /shop/sum(a=1,s='x')", "", num(cqn.Int(3)), 200, `{"@odata.context":"$metadata#Edm.Int32","value":3}`},
		{"GET /shop/sum", "", num(cqn.Null), 204, ``},
		{"GET /shop/top()", "", list(book()), 200, `{"@odata.context":"$metadata#Books","value":[{"ID":1,"title":"Emma","price":9.50,"big":1152921504606846976}]}`},
		{"GET /shop/stats()", "", list(cqn.NewRow(field("n", cqn.Int(2)), field("avg", cqn.Decimal("1.5")))), 200, `{"@odata.context":"$metadata#Shop.return_Shop_stats","n":2,"avg":1.5}`},
		{"POST /shop/reset", `{"p":{"a":1,"b":"x"},"l":[1,2]}`, list(), 204, ``},
		{"GET /shop/Books(1)/margin(of=1.5)", "", num(cqn.Decimal("0.5")), 200, `{"@odata.context":"../$metadata#Edm.Decimal","value":0.5}`},
		{"POST /shop/Books(1)/Shop.order", `{"amount":1}`, list(book()), 200, `{"@odata.context":"../$metadata#Books/$entity","ID":1,"title":"Emma","price":9.50,"big":1152921504606846976}`},
		{"GET /shop/Books/Shop.best()", "", list(), 204, ``},
	} {
		s.answer = tc.answer
		w := s.do(tc.request, tc.body)
		if w.Code != tc.status || w.Body.String() != tc.want {
			t.Errorf("%s: %d %s\nwant %d %s", tc.request, w.Code, w.Body, tc.status, tc.want)
		}
		if w.Header().Get("OData-Version") != "4.0" {
			t.Errorf("%s: no OData-Version", tc.request)
		}
	}
}

// TestRefusals has what ends at the door; none of it reaches a handler.
func TestRefusals(t *testing.T) {
	s := newStage(t, testmodel.Shop(t), "Shop", Options{BasePath: "/shop", MaxBody: 10000})
	for _, tc := range []struct {
		request, body string
		headers       []string
		status        int
		want          string // part of the body
	}{
		{"GET /shop/Nope", "", nil, 404, `Invalid resource path \"Shop.Nope\"`},
		{"GET /shop/Books(1)/nope", "", nil, 404, `Invalid resource path \"Shop.Books:nope\"`},
		{"GET /shop/Books(x)", "", nil, 400, `Element \"ID\" does not contain a valid Integer`},
		{"GET /shop/Books/", "", nil, 400, `Element \"ID\" does not contain a valid Integer`},
		{"GET /shop/Books?$filter=nope eq 1", "", nil, 400, `Property \"nope\" does not exist in \"Shop.Books\"`},
		{"GET /shop/Books?$frob=1", "", nil, 400, `Query option \"$frob\" does not exist (system query options are`},
		{"GET /shop/Books?$format=xml", "", nil, 501, `json`},
		{"GET /shop/Books(1)?$expand=nope", "", nil, 400, `Navigation property \"nope\" is not defined in Shop.Books`},
		{"POST /shop/$batch", "{}", nil, 400, `requests`},
		{"HEAD /shop/Books", "", nil, 405, ``},
		{"PATCH /shop/Books", "{}", nil, 405, `Method PATCH is not allowed for entity collections`},
		{"POST /shop/Books(1)", "{}", nil, 405, `Method POST is not allowed for singletons and individual entities`},
		{"PATCH /shop/Books(1)/title", "{}", nil, 405, `Method PATCH is not allowed for properties`},
		{"GET /shop/reset", "", nil, 405, `Method Not Allowed`},
		{"POST /shop/top", "{}", nil, 405, `Method Not Allowed`},
		{"FROB /shop/Books", "", nil, 400, ``},
		{"POST /shop/Books", "a=b", []string{"Content-Type: application/x-www-form-urlencoded"}, 415, `Unsupported Media Type`},
		{"POST /shop/Books", "{}", []string{"Content-Type: "}, 415, `Unsupported Media Type`},
		{"POST /shop/Books", "{}", []string{"Content-Type: application/json; charset=latin1"}, 415, `Unsupported Media Type`},
		{"POST /shop/Books", `{"title":`, nil, 400, `Unexpected end of JSON input`},
		{"POST /shop/Books", `[{}]`, nil, 400, `Only single entity representations are allowed`},
		{"POST /shop/Books", `{"title":"` + strings.Repeat("x", 20000) + `"}`, nil, 413, ``},
		{"POST /shop/Books", `{"items":` + strings.Repeat("[", 9000), nil, 400, ``},
		{"GET /shop/sum(a='x',s='y')", "", nil, 400, `"ASSERT_DATA_TYPE","target":"a"`},
		{"GET /shop/sum(a=1,c=2)", "", nil, 400, `Property \"c\" does not exist in Shop.sum`},
		{"GET /shop/Books?" + strings.Repeat("x", 17000), "", nil, 414, ``},
	} {
		w := s.do(tc.request, tc.body, tc.headers...)
		if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.want) {
			t.Errorf("%.80s: %d %s\nwant %d %s", tc.request, w.Code, w.Body, tc.status, tc.want)
		}
		if len(s.seen) > 0 {
			t.Errorf("%.80s: the handler was called", tc.request)
		}
	}
}

// TestTranslation is about what the service sees.
func TestTranslation(t *testing.T) {
	s := newStage(t, testmodel.Shop(t), "Shop", Options{BasePath: "/shop"})
	for _, tc := range []struct{ request, body, want string }{
		{"GET /shop/Books?$top=3", "", "READ Shop.Books select Shop.Books limit 3"},
		{"GET /shop/Books(1)/items(pos=2)", "", "READ Shop.Items select Shop.Books[ID = 1].items[pos = 2] one"},
		{"POST /shop/Books", `{"ID":5,"author":{"ID":"0a000000-0000-4000-8000-00000000000a"},"items":[{"pos":1}]}`,
			"CREATE Shop.Books insert Shop.Books {ID:5 author_ID:0a000000-0000-4000-8000-00000000000a items:[{pos:1}]}"},
		{"PATCH /shop/Books(1)", `{"ID":7,"title":"x"}`, "UPDATE Shop.Books update Shop.Books[ID = 1] {ID:1 title:x} must exist"},
		{"PUT /shop/Books(1)", `{"title":"x"}`, "UPDATE Shop.Books update Shop.Books[ID = 1] {title:x ID:1} upsert"},
		{"PATCH /shop/Books(1)/items(pos=2)", `{"book_ID":9,"note":"x"}`, "UPDATE Shop.Items update Shop.Books[ID = 1].items[pos = 2] {note:x pos:2} must exist"},
		{"PUT /shop/Books(1)/author", `{"ID":"0a000000-0000-4000-8000-00000000000a","name":"x"}`, "UPDATE Shop.Authors update Shop.Books[ID = 1].author {name:x} must exist"},
		{"POST /shop/Books(1)/items", `{"pos":2}`, "CREATE Shop.Items insert Shop.Items {pos:2 book_ID:1}"},
		{"POST /shop/Books(1)/items", `{"pos":2,"book_ID":9}`, "CREATE Shop.Items insert Shop.Items {pos:2 book_ID:9}"},
		{"DELETE /shop/Books(1)/items(pos=2)", "", "DELETE Shop.Items delete Shop.Books[ID = 1].items[pos = 2]"},
		{"DELETE /shop/Books(1)/title", "", "UPDATE Shop.Books update Shop.Books[ID = 1] {title:null} must exist"},
		{"POST /shop/Books(1)/order", `{"amount":2}`, "order Shop.Books select Shop.Books[ID = 1] one {amount:2}"},
		{"GET /shop/Books/best()", "", "best Shop.Books select Shop.Books {}"},
		{"GET /shop/sum(a=@x,s='it''s',many=@m)?@x=4&@m=[\"p\",\"q\"]", "", "sum {a:4 s:it's many:(p,q)}"},
		{"GET /shop/sum?a=4&s=plain", "", "sum {a:4 s:plain}"},
		{"POST /shop/reset", "", "reset {}"},
	} {
		s.rows(book())
		w := s.do(tc.request, tc.body)
		if w.Code >= 400 {
			t.Errorf("%s: %d %s", tc.request, w.Code, w.Body)
			continue
		}
		if got := describe(s.last()); got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.request, got, tc.want)
		}
	}
}

func describe(r *cds.RawRequest) string {
	b := &strings.Builder{}
	b.WriteString(string(r.Event))
	if r.Target != nil {
		b.WriteString(" " + r.Target.Name)
	}
	switch q := r.Query.(type) {
	case *cqn.Select:
		b.WriteString(" select " + cqn.Format(q.From.(*cqn.From).Path))
		if l, ok := q.Limit.(*cqn.Lit); ok {
			b.WriteString(" limit " + l.Value.Format())
		}
		if q.One {
			b.WriteString(" one")
		}
	case *cqn.Insert:
		b.WriteString(" insert " + q.Into)
	case *cqn.Update:
		b.WriteString(" update " + cqn.Format(q.Entity))
	case *cqn.Delete:
		b.WriteString(" delete " + cqn.Format(q.From))
	}
	if r.Data != nil {
		b.WriteString(" " + rowText(r.Data))
	}
	if r.MustExist {
		b.WriteString(" must exist")
	}
	if r.Upsert {
		b.WriteString(" upsert")
	}
	return b.String()
}

func rowText(r *cqn.Row) string {
	var parts []string
	for _, f := range r.Fields() {
		parts = append(parts, f.Name+":"+valueText(f.Value))
	}
	return "{" + strings.Join(parts, " ") + "}"
}

func valueText(v cqn.Value) string {
	var parts []string
	switch v.Kind() {
	case cqn.KindRow:
		return rowText(v.Row())
	case cqn.KindRows:
		for _, r := range v.Rows() {
			parts = append(parts, rowText(r))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case cqn.KindList:
		for _, i := range v.List() {
			parts = append(parts, valueText(i))
		}
		return "(" + strings.Join(parts, ",") + ")"
	}
	return v.Format()
}

// TestAbsent: an association to one that leads nowhere is 204, one of a missing row 404; likewise for empty collections.
func TestAbsent(t *testing.T) {
	s := newStage(t, testmodel.Shop(t), "Shop", Options{})
	for _, tc := range []struct {
		path   string
		parent bool
		status int
	}{
		{"/Books(1)/author", true, 204},
		{"/Books(1)/author", false, 404},
		{"/Books(1)/items", true, 200},
		{"/Books(1)/items", false, 404},
		{"/Books(1)/items/$count", false, 404},
		{"/Books(1)/items(pos=1)", true, 404},
		{"/Books(1)/author/name", false, 404},
		{"/Books(1)/author/name", true, 204},
	} {
		s.answer = func(r *cds.RawRequest) (*cds.Result, error) {
			if len(r.Path) == 1 && tc.parent {
				return &cds.Result{Rows: []*cqn.Row{book()}}, nil
			}
			return &cds.Result{}, nil
		}
		if w := s.do("GET "+tc.path, ""); w.Code != tc.status {
			t.Errorf("%s, parent %v: %d, want %d", tc.path, tc.parent, w.Code, tc.status)
		}
	}
}

func TestHeaders(t *testing.T) {
	s := newStage(t, testmodel.Shop(t), "Shop", Options{})
	s.answer = func(*cds.RawRequest) (*cds.Result, error) {
		return &cds.Result{Rows: []*cqn.Row{book()}, ETag: `W/"a"`, Messages: []cds.Message{{Code: "W", Message: "über\n", Severity: 3}}}, nil
	}
	w := s.do("POST /Books", `{"ID":1}`, "Prefer: return=minimal", `If-Match: W/"a,b", *`)
	for name, want := range map[string]string{
		"Location": "Books(1)", "Preference-Applied": "return=minimal", "ETag": `W/"a"`,
		"sap-messages": `[{"code":"W","message":"\u00fcber\n","numericSeverity":3}]`,
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if w.Code != 204 || w.Body.Len() > 0 {
		t.Errorf("minimal: %d %s", w.Code, w.Body)
	}
	if got := fmt.Sprint(s.last().IfMatch); got != `[W/"a,b" *]` {
		t.Errorf("If-Match: %s", got)
	}
	if w := s.do("GET /Books(1)", "", "Accept: application/json;IEEE754Compatible=false"); !strings.Contains(w.Body.String(), `"price":9.5`) {
		t.Errorf("numbers: %s", w.Body)
	}
	if w := s.do("GET /Books(1)?$format=application/json;IEEE754Compatible%3Dfalse", ""); !strings.Contains(w.Body.String(), `"price":9.5`) {
		t.Errorf("numbers by $format: %s", w.Body)
	}
	if w := s.do("HEAD /", ""); w.Code != 200 || w.Header().Get("ETag") == "" || w.Body.Len() > 0 {
		t.Errorf("HEAD of the root: %d", w.Code)
	}
	etag := s.do("GET /$metadata", "").Header().Get("ETag")
	if w := s.do("GET /$metadata", "", "If-None-Match: "+etag); w.Code != 304 {
		t.Errorf("metadata not modified: %d", w.Code)
	}
}

// TestLocation: keys in headers are encoded, whatever text they are.
func TestLocation(t *testing.T) {
	s := newStage(t, testmodel.Shop(t), "Shop", Options{})
	for b, want := range map[string]string{
		`it's`: "Codes(a=1,b='it''s')", `a/?#%`: "Codes(a=1,b='a%2F%3F%23%25')", `\r\nX: `: "Codes(a=1,b='%0D%0AX:%20')", `ü"`: "Codes(a=1,b='%C3%BC%22')",
	} {
		w := s.do("POST /Codes", `{"a":1,"b":"`+strings.ReplaceAll(b, `"`, `\"`)+`"}`)
		if got := w.Header().Get("Location"); got != want || w.Header().Get("OData-EntityId") != want || w.Code != 204 {
			t.Errorf("%q: %d %s, want %s", b, w.Code, got, want)
		}
	}
}

// TestServiceDocument: sets come with what they lead to.
func TestServiceDocument(t *testing.T) {
	s := newStage(t, testmodel.Shop(t), "Shop", Options{})
	body := s.do("GET /", "").Body.String()
	_, list, _ := strings.Cut(body, `"value":`)
	want := `[{"name":"Books","url":"Books"},{"name":"Authors","url":"Authors"},{"name":"Items","url":"Items"},{"name":"Codes","url":"Codes"},{"name":"Settings","url":"Settings","kind":"Singleton"}]}`
	if list != want {
		t.Errorf("%s\nwant %s", list, want)
	}
}

// TestErrors: errors of the service come out in OData's form.
func TestErrors(t *testing.T) {
	s := newStage(t, testmodel.Shop(t), "Shop", Options{})
	for _, tc := range []struct {
		err    error
		status int
		want   string
	}{
		{cds.Reject(418, "", "tea"), 418, `{"error":{"message":"tea","code":"418","@Common.numericSeverity":4}}`},
		{&cds.Error{Status: 400, Code: "X", Message: "m", Target: "a/b"}, 400, `{"error":{"message":"m","code":"X","target":"a/b","@Common.numericSeverity":4}}`},
		{&cds.Error{Status: 400, Code: "MULTIPLE_ERRORS", Message: "m", Details: []*cds.Error{{Status: 409, Message: "d", Target: "t"}}}, 400,
			`{"error":{"message":"m","code":"MULTIPLE_ERRORS","details":[{"message":"d","code":"409","target":"t","@Common.numericSeverity":4}],"@Common.numericSeverity":4}}`},
		{&cds.Error{Status: 304}, 304, ""},
		{cds.Reject(503, "", "busy"), 503, `{"error":{"message":"busy","code":"503","@Common.numericSeverity":4}}`},
	} {
		s.answer = func(*cds.RawRequest) (*cds.Result, error) { return nil, tc.err }
		w := s.do("GET /Books", "")
		if w.Code != tc.status || w.Body.String() != tc.want {
			t.Errorf("%v: %d %s", tc.err, w.Code, w.Body)
		}
		if got := w.Header().Get("Retry-After"); (got != "") != (tc.status == 503) {
			t.Errorf("%v: Retry-After %q", tc.err, got)
		}
	}
}

// TestNextLink: a cut result names its next page, with the options of this one.
func TestNextLink(t *testing.T) {
	s := newStage(t, testmodel.Shop(t), "Shop", Options{})
	for _, tc := range []struct {
		path string
		next int64
		want string // "" for no link
	}{
		{"/Books?$select=ID", 2, "Books?%24select=ID&%24skiptoken=2"},
		{"/Books?$filter=ID gt 2&$skip=3", 5, "Books?%24filter=ID%20gt%202&%24skip=3&%24skiptoken=2"},
		{"/Books?$skiptoken=2", 4, "Books?%24skiptoken=4"},
		{"/Books?$top=5", 2, "Books?%24top=5&%24skiptoken=JHJvd3M9MyYkb2Zmc2V0PTI%3D"},
		{"/Books?$top=5&$skiptoken=JHJvd3M9MyYkb2Zmc2V0PTI=", 4, "Books?%24top=5&%24skiptoken=JHJvd3M9MSYkb2Zmc2V0PTQ%3D"},
		{"/Books?$top=2", 2, ""},
	} {
		s.answer = func(*cds.RawRequest) (*cds.Result, error) {
			return &cds.Result{Rows: []*cqn.Row{book(), book()}, More: true, Next: tc.next}, nil
		}
		body := s.do("GET "+tc.path, "").Body.String()
		_, link, found := strings.Cut(body, `"@odata.nextLink":"`)
		link, _, _ = strings.Cut(link, `"`)
		if found != (tc.want != "") || link != tc.want {
			t.Errorf("%s: %q, want %q", tc.path, link, tc.want)
		}
	}
}

// TestStream: stored bytes come out under their media type, but never so that a browser runs them.
func TestStream(t *testing.T) {
	s := newStage(t, testmodel.Shop(t), "Shop", Options{MaxMedia: 10})
	for stored, want := range map[string]string{
		"image/png": "image/png", "text/plain": "text/plain; charset=utf-8",
		"text/html\r\nX-Evil: 1": "application/octet-stream", "": "application/octet-stream", "a;b;c=": "application/octet-stream",
	} {
		s.rows(cqn.NewRow(field("ID", cqn.Int(1)), field("mime", cqn.String(stored)), field("image", cqn.Bytes([]byte("\x00\xffdata")))))
		w := s.do("GET /Books(1)/image", "")
		h := w.Header()
		if w.Code != 200 || w.Body.String() != "\x00\xffdata" || h.Get("Content-Type") != want {
			t.Errorf("%q: %d %q %q", stored, w.Code, w.Body, h.Get("Content-Type"))
		}
		if h.Get("X-Evil") != "" || h.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(h.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%q: headers %v", stored, h)
		}
	}
	if w := s.do("PUT /Books(1)/image", "bytes", "Content-Type: image/gif"); w.Code != 204 {
		t.Errorf("PUT: %d %s", w.Code, w.Body)
	}
	if got := rowText(s.last().Data); got != "{image:bytes mime:image/gif}" {
		t.Errorf("PUT: %s", got)
	}
	if w := s.do("PUT /Books(1)/image", "more than ten bytes", "Content-Type: image/gif"); w.Code != 413 {
		t.Errorf("too large: %d", w.Code)
	}
}

// endless is a body without end that counts what is read of it.
type endless struct{ n int64 }

func (e *endless) Read(p []byte) (int, error) { e.n += int64(len(p)); return len(p), nil }

// TestHugeBody: 413 before 2 MB are read.
func TestHugeBody(t *testing.T) {
	s := newStage(t, testmodel.Shop(t), "Shop", Options{})
	e := &endless{}
	r := httptest.NewRequest("POST", "http://host/Books", io.LimitReader(e, 2<<30))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if w.Code != 413 || e.n > 2<<20 {
		t.Errorf("%d after %d bytes", w.Code, e.n)
	}
	if len(s.seen) > 0 {
		t.Error("the handler was called")
	}
}
