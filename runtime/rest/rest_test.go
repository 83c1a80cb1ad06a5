package rest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"cds/codegen/openapi"
	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/cdstest"
	"cds/runtime/cdstest/browser"
	"cds/runtime/odata"
	"cds/runtime/rest"
)

const shop = `
@protocol: 'rest' @requires: 'authenticated-user'
service Shop {
  @restrict: [{ grant: 'READ', where: 'owner = $user' },
              { grant: ['CREATE', 'UPDATE', 'DELETE', 'close', 'size'], to: 'Editor', where: 'owner = $user' }, { grant: '*', to: 'admin' }]
  entity Orders {
    key ID : Integer; owner : String; note : String @mandatory; total : Decimal(9,2); big : Int64; paid : Boolean default false;
    book : Association to Books; items : Composition of many Items on items.order = $self;
    changedAt : Timestamp @cds.on.insert: $now @cds.on.update: $now;
  } actions { action close(reason : String) returns Orders; function size(per : Integer) returns Integer; };
  entity Items { key order : Association to Orders; key pos : Integer; qty : Integer; }
  @readonly entity Books { key ID : Integer; title : String; orders : Association to many Orders on orders.book = $self; }
  @requires: 'admin' entity Secrets { key ID : Integer; word : String; }
  entity Codes { key a : Integer; key b : String(5); text : String; }
  entity Tags { key name : String(10); rank : Integer @odata.etag; }
  entity Pictures { key ID : Integer; mime : String; data : LargeBinary @Core.MediaType: mime; }
  action ping(x : Integer) returns String;
  action quiet();
  function sum(a : Integer, b : Integer) returns Integer;
  function books() returns many Books;
  function stats() returns { n : Integer; text : String; };
}`

func model() (*csn.Model, error) {
	r := parser.CompileString("shop.cds", shop)
	if r.Model == nil {
		return nil, r.Diags
	}
	return r.Model, nil
}

var data = fstest.MapFS{
	"db/data/Shop-Orders.csv":  {Data: []byte("ID,owner,note,total,big,book_ID\n1,bob,mine,1.5,9007199254740993,7\n2,alice,hidden,2.25,2,7\n3,bob,more,,3,\n")},
	"db/data/Shop-Items.csv":   {Data: []byte("order_ID,pos,qty\n1,1,5\n2,1,6\n")},
	"db/data/Shop-Books.csv":   {Data: []byte("ID,title\n7,Emma\n8,Dune\n")},
	"db/data/Shop-Secrets.csv": {Data: []byte("ID,word\n1,xyzzy\n")},
	"db/data/Shop-Codes.csv":   {Data: []byte("a,b,text\n1,x,one\n")},
	"db/data/Shop-Tags.csv":    {Data: []byte("name,rank\nred,1\n")},
}

func register(app *cds.App) error {
	s := app.Service("Shop")
	value := func(v cqn.Value) cds.On {
		return func(context.Context, *cds.RawRequest, cds.Next) (*cds.Result, error) {
			return &cds.Result{Value: &v}, nil
		}
	}
	s.On(cds.Match{Events: []cds.Event{"ping"}}, func(_ context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
		v := cqn.String("ping " + r.Data.Value("x").Format())
		return &cds.Result{Value: &v}, nil
	})
	s.On(cds.Match{Events: []cds.Event{"sum"}}, func(_ context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
		v := cqn.Int(r.Data.Value("a").Int() + r.Data.Value("b").Int())
		return &cds.Result{Value: &v}, nil
	})
	s.On(cds.Match{Events: []cds.Event{"quiet"}}, value(cqn.Null))
	s.On(cds.Match{Events: []cds.Event{"size"}}, value(cqn.Int(42)))
	s.On(cds.Match{Events: []cds.Event{"stats"}}, value(cqn.OfRow(cqn.NewRow(cqn.Field{Name: "n", Value: cqn.Int(2)}))))
	s.On(cds.Match{Events: []cds.Event{"books"}}, func(ctx context.Context, _ *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
		return s.Run(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef("Shop.Books")}})
	})
	s.On(cds.Match{Events: []cds.Event{"close"}}, func(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
		return s.Run(ctx, &cqn.Select{From: r.Subject().From})
	})
	return nil
}

func start(t testing.TB) *cdstest.App {
	t.Helper()
	return cdstest.New(t, cdstest.Config{
		Model: model, FS: data, Register: register,
		Users: []cdstest.TestUser{
			cdstest.User("bob", cdstest.Roles("Editor")), cdstest.User("carl"), cdstest.User("alice", cdstest.Roles("admin")),
		},
	})
}

// A step is a request and what is answered. An answer that begins with { or [ is compared as JSON, one with ~ must be contained.
type step struct {
	who, request, body string
	status             int
	want               string
}

func (s step) run(t *testing.T, app *cdstest.App) *cdstest.Response {
	t.Helper()
	method, path, _ := strings.Cut(s.request, " ")
	var body any
	if s.body != "" {
		body = s.body
	}
	r := app.HTTP().As(s.who).Do(method, "/rest/shop"+strings.ReplaceAll(path, " ", "%20"), body)
	got := r.Body()
	ok := got == s.want
	if part, has := strings.CutPrefix(s.want, "~"); has {
		ok = strings.Contains(got, part)
	} else if s.want != "" && (s.want[0] == '{' || s.want[0] == '[') {
		ok = sameJSON(got, s.want)
	}
	if r.Code() != s.status || !ok {
		t.Errorf("%s as %q: %d %s\nwant %d %s", s.request, s.who, r.Code(), got, s.status, s.want)
	}
	if v := r.Header("OData-Version"); v != "" || strings.Contains(got, "@odata") || strings.Contains(got, "numericSeverity") {
		t.Errorf("%s: OData shows: %q %s", s.request, v, got)
	}
	return r
}

func sameJSON(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	p, _ := json.Marshal(x)
	q, _ := json.Marshal(y)
	return string(p) == string(q)
}

func TestReads(t *testing.T) {
	app := start(t)
	const notFound = `{"error":{"message":"Not Found","code":"404"}}`
	for _, s := range []step{
		{"bob", "GET /", "", 200, `{"entities":[{"name":"Orders","url":"Orders"},{"name":"Books","url":"Books"},{"name":"Items","url":"Items"},{"name":"Secrets","url":"Secrets"},{"name":"Codes","url":"Codes"},{"name":"Tags","url":"Tags"},{"name":"Pictures","url":"Pictures"}]}`},
		{"bob", "GET /Orders?$select=ID,total,big", "", 200, `[{"ID":1,"total":"1.50","big":"9007199254740993"},{"ID":3,"total":null,"big":"3"}]`},
		{"bob", "GET /Orders?$select=ID&$filter=note eq 'more'", "", 200, `[{"ID":3}]`},
		{"bob", "GET /Orders?note=more&$select=ID", "", 200, `[{"ID":1},{"ID":3}]`},
		{"bob", "GET /Orders/$count", "", 200, `2`},
		{"bob", "GET /Orders/1?$select=ID,note&$expand=items", "", 200, `{"ID":1,"note":"mine","items":[{"order_ID":1,"pos":1,"qty":5}]}`},
		{"bob", "GET /Orders(1)?$select=ID", "", 200, `{"ID":1}`},
		{"bob", "GET /Orders/1/book", "", 200, `{"ID":7,"title":"Emma"}`},
		{"bob", "GET /Orders/1/items/1", "", 200, `{"order_ID":1,"pos":1,"qty":5}`},
		{"bob", "GET /Orders/3/book", "", 204, ``},
		{"bob", "GET /Orders/1/note", "", 200, `{"note":"mine","ID":1}`},
		{"bob", "GET /Orders/3/total", "", 200, `{"total":null,"ID":3}`},
		{"bob", "GET /Orders/1/note/$value", "", 200, `mine`},
		{"bob", "GET /Orders/99", "", 404, notFound},
		{"bob", "GET /Codes(a=1,b='x')", "", 200, `{"a":1,"b":"x","text":"one"}`},
		{"bob", "GET /Books?$expand=orders($select=ID)&$filter=ID eq 7", "", 200, `[{"ID":7,"title":"Emma","orders":[{"ID":1}]}]`},
		{"bob", "GET /$metadata", "", 404, `{"error":{"message":"Invalid resource path \"Shop.$metadata\"","code":"404"}}`},
		{"bob", "POST /$batch", `{"requests":[]}`, 404, `{"error":{"message":"Invalid resource path \"Shop.$batch\"","code":"404"}}`},
		{"bob", "GET /Frob", "", 404, `{"error":{"message":"Invalid resource path \"Shop.Frob\"","code":"404"}}`},
		{"bob", "GET /Orders?$frob=1", "", 400, `~does not exist`},
		{"bob", "HEAD /Orders", "", 200, ``},
		{"bob", "PUT /Orders/1/note", `{"value":"x"}`, 405, `~Method PUT is not allowed for properties`},
		{"bob", "POST /Orders/1", `{}`, 405, `~Method POST is not allowed`},
	} {
		s.run(t, app)
	}
	r := step{"bob", "GET /Orders?$count=true&$top=1&$select=ID", "", 200, `[{"ID":1}]`}.run(t, app)
	if got := r.Header("X-Total-Count"); got != "2" {
		t.Errorf("X-Total-Count: %q", got)
	}
}

func TestPaging(t *testing.T) {
	app := cdstest.New(t, cdstest.Config{Model: model, FS: data, Users: []cdstest.TestUser{cdstest.User("bob")},
		Overrides: map[string]any{"query": map[string]any{"limit": map[string]any{"max": 1}}}})
	r := step{"bob", "GET /Orders?$select=ID", "", 200, `[{"ID":1}]`}.run(t, app)
	const want = `<?%24select=ID&%24skiptoken=1>; rel="next"`
	if got := r.Header("Link"); got != want {
		t.Fatalf("Link: %s\nwant %s", got, want)
	}
	r = step{"bob", "GET /Orders?%24select=ID&%24skiptoken=1", "", 200, `[{"ID":3}]`}.run(t, app)
	if got := r.Header("Link"); got != "" {
		t.Errorf("Link after the last page: %s", got)
	}
}

func TestWrites(t *testing.T) {
	app := start(t)
	location := func(s step, want string) {
		t.Helper()
		if r := s.run(t, app); r.Header("Location") != want || r.Header("OData-EntityId") != "" {
			t.Errorf("%s: location %q, want %q", s.request, r.Header("Location"), want)
		}
	}
	location(step{"bob", "POST /Codes", `{"a":2,"b":"y z"}`, 201, `{"a":2,"b":"y z"}`}, "Codes(a=2,b='y%20z')")
	location(step{"bob", "POST /Tags", `{"name":"a/b","rank":1}`, 201, `{"name":"a/b","rank":1}`}, "Tags('a%2Fb')")
	location(step{"bob", "POST /Tags", `{"name":"blue"}`, 201, `{"name":"blue"}`}, "Tags/blue")
	location(step{"bob", "PUT /Codes(a=9,b='n')", `{"text":"new"}`, 201, `{"a":9,"b":"n","text":"new"}`}, "Codes(a=9,b='n')")
	for _, s := range []step{
		{"bob", "POST /Codes", `[{"a":3,"b":"x"},{"a":4,"b":"x","text":"t"}]`, 201, `[{"a":3,"b":"x"},{"a":4,"b":"x","text":"t"}]`},
		{"bob", "POST /Codes", `[{"a":5,"b":"x"},{"a":1,"b":"x"}]`, 409, `~"target":"[1]"`},
		{"bob", "GET /Codes(a=5,b='x')", "", 404, `~Not Found`},
		{"bob", "POST /Codes", `[]`, 201, `[]`},
		{"bob", "POST /Codes", `[{"a":6,"b":"x"},{"a":"no","b":"x"}]`, 400, `~"target":"[1]/a"`},
		{"bob", "POST /Codes", `[1]`, 400, `~`},
		{"bob", "PATCH /Codes(a=1,b='x')", `{"text":"uno"}`, 200, `{"a":1,"b":"x","text":"uno"}`},
		{"bob", "PATCH /Codes(a=8,b='x')", `{"text":"uno"}`, 404, `~Not Found`},
		{"bob", "PATCH /Codes", `[{"a":1,"b":"x","text":"I"},{"a":3,"b":"x","text":"III"}]`, 200, `[{"a":1,"b":"x","text":"I"},{"a":3,"b":"x","text":"III"}]`},
		{"bob", "PATCH /Codes", `[{"a":1,"b":"x","text":"no"},{"a":77,"b":"x","text":"no"}]`, 404, `~"target":"[1]"`},
		{"bob", "PATCH /Codes", `[{"a":1}]`, 400, `~"target":"[0]/b"`},
		{"bob", "PATCH /Codes", `{"a":1}`, 400, `~Expected an array`},
		{"bob", "GET /Codes(a=1,b='x')/text", "", 200, `{"text":"I","a":1,"b":"x"}`},
		{"bob", "PUT /Codes", `[{"a":1,"b":"x","text":"II"},{"a":10,"b":"x"}]`, 200, `[{"a":1,"b":"x","text":"II"},{"a":10,"b":"x"}]`},
		{"bob", "DELETE /Codes", `[{"a":10,"b":"x"},{"a":3,"b":"x"}]`, 204, ``},
		{"bob", "DELETE /Codes", `[{"a":4,"b":"x"},{"a":3,"b":"x"}]`, 404, `~"target":"[1]"`},
		{"bob", "GET /Codes?$select=a", "", 200, `[{"a":1,"b":"x"},{"a":2,"b":"y z"},{"a":4,"b":"x"},{"a":9,"b":"n"}]`},
		{"bob", "DELETE /Codes(a=9,b='n')", "", 204, ``},
		{"bob", "DELETE /Codes(a=9,b='n')", "", 404, `~Not Found`},
		{"bob", "DELETE /Codes(a=4,b='x')/text", "", 204, ``},
		{"bob", "POST /Orders", `{"ID":10,"owner":"bob"}`, 400, `{"error":{"message":"Provide the missing value.","code":"ASSERT_MANDATORY","target":"note"}}`},
		{"bob", "POST /Codes", `{`, 400, `~"code":"400"`},
		{"bob", "POST /Codes", `{"frob":1}`, 400, `~Property \"frob\" does not exist`},
		{"bob", "POST /Books", `{"ID":1}`, 405, `~read-only`},
	} {
		s.run(t, app)
	}
	r := app.HTTP().As("bob").With("Prefer", "return=minimal").POST("/rest/shop/Codes", map[string]any{"a": 20, "b": "x"})
	if r.Code() != 204 || r.Body() != "" || r.Header("Location") != "Codes(a=20,b='x')" {
		t.Errorf("return=minimal: %d %s %s", r.Code(), r.Body(), r.Header("Location"))
	}
}

// A deep insert answers the rows as they were sent, with what the server computed.
func TestDeepInsert(t *testing.T) {
	app := start(t)
	r := step{"bob", "POST /Orders", `{"ID":10,"owner":"bob","note":"n","items":[{"pos":1},{"pos":2,"qty":3}]}`, 201,
		`~"items":[{"order_ID":10,"pos":1},{"order_ID":10,"pos":2,"qty":3}]`}.run(t, app)
	var row map[string]any
	r.JSON(&row)
	if row["changedAt"] == nil || row["paid"] == nil {
		t.Errorf("computed values are missing: %v", row)
	}
	if _, has := row["total"]; has {
		t.Errorf("what nobody wrote is shown: %v", row)
	}
	step{"bob", "GET /Orders/10/items?$select=pos", "", 200, `[{"order_ID":10,"pos":1},{"order_ID":10,"pos":2}]`}.run(t, app)
	step{"bob", "POST /Orders/10/items", `[{"pos":3},{"pos":4}]`, 201, `[{"order_ID":10,"pos":3},{"order_ID":10,"pos":4}]`}.run(t, app)
}

func TestOperations(t *testing.T) {
	app := start(t)
	for _, s := range []step{
		{"bob", "POST /ping", `{"x":1}`, 200, `ping 1`},
		{"bob", "GET /ping", "", 400, `{"error":{"message":"Action must be called by POST","code":"400"}}`},
		{"bob", "POST /quiet", "", 204, ``},
		{"bob", "GET /sum?a=1&b=2", "", 200, `3`},
		{"bob", "GET /sum(a=1,b=2)", "", 200, `3`},
		{"bob", "POST /sum", `{}`, 400, `{"error":{"message":"Function must be called by GET","code":"400"}}`},
		{"bob", "GET /sum?a=x", "", 400, `~ASSERT_DATA_TYPE`},
		{"bob", "GET /books", "", 200, `[{"ID":7,"title":"Emma"},{"ID":8,"title":"Dune"}]`},
		{"bob", "GET /stats", "", 200, `{"n":2}`},
		{"bob", "POST /Orders/1/close", `{"reason":"x"}`, 200, `~"note":"mine"`},
		{"bob", "POST /Orders/1/Shop.close", `{}`, 200, `~"note":"mine"`},
		{"bob", "GET /Orders/1/size?per=1", "", 200, `42`},
		{"bob", "POST /Orders/2/close", `{}`, 404, `~Not Found`},
	} {
		s.run(t, app)
	}
	if r := app.HTTP().As("bob").POST("/rest/shop/ping", map[string]any{"x": 1}); r.Header("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("texts come as %s", r.Header("Content-Type"))
	}
}

func TestETags(t *testing.T) {
	app := start(t)
	r := step{"bob", "GET /Tags/red", "", 200, `{"name":"red","rank":1}`}.run(t, app)
	etag := r.Header("ETag")
	if etag == "" {
		t.Fatal("no ETag")
	}
	client := func() *cdstest.Client { return app.HTTP().As("bob") }
	client().With("If-None-Match", etag).GET("/rest/shop/Tags/red").Status(304)
	client().PATCH("/rest/shop/Tags/red", map[string]any{"rank": 2}).Status(428)
	client().With("If-Match", `W/"9"`).PATCH("/rest/shop/Tags/red", map[string]any{"rank": 2}).Status(412)
	client().With("If-Match", etag).PATCH("/rest/shop/Tags/red", map[string]any{"rank": 2}).Status(200)
	client().With("If-Match", etag).DELETE("/rest/shop/Tags/red").Status(412)
}

func TestMedia(t *testing.T) {
	app := start(t)
	app.HTTP().As("bob").POST("/rest/shop/Pictures", map[string]any{"ID": 1}).Status(201)
	app.HTTP().As("bob").With("Content-Type", "image/png").Do(http.MethodPut, "/rest/shop/Pictures/1/data", "PNG").Status(204)
	r := app.HTTP().As("bob").GET("/rest/shop/Pictures/1/data").Status(200)
	if r.Body() != "PNG" || r.Header("Content-Type") != "image/png" || r.Header("Content-Disposition") != "attachment" {
		t.Errorf("%s %s %s", r.Body(), r.Header("Content-Type"), r.Header("Content-Disposition"))
	}
	step{"bob", "GET /Pictures/1", "", 200, `{"ID":1,"mime":"image/png"}`}.run(t, app)
}

// TestHidden: a row that is hidden from a user answers as one that is missing, on every way to it, and is never changed.
func TestHidden(t *testing.T) {
	app := start(t)
	for _, request := range []string{
		"GET /Orders/%", "HEAD /Orders/%", "GET /Orders/%/note", "GET /Orders/%/note/$value", "GET /Orders/%/items", "GET /Orders/%/items/$count", "GET /Orders/%/items/1",
		"GET /Orders/%/book", "GET /Orders/%?$expand=items", "PATCH /Orders/%", "DELETE /Orders/%", "DELETE /Orders/%/note", "POST /Orders/%/items",
		"POST /Orders/%/close", "GET /Orders/%/size", "GET /Items(order_ID=%,pos=1)", "PATCH /Items(order_ID=%,pos=1)",
	} {
		body := ""
		if m := request[:4]; m == "PATC" {
			body = `{"qty":1}`
			if strings.Contains(request, "Orders") {
				body = `{"note":"stolen"}`
			}
		} else if m == "POST" {
			body = `{}`
			if strings.Contains(request, "items") {
				body = `{"pos":9}`
			}
		}
		ask := func(id string) (int, string) {
			method, path, _ := strings.Cut(strings.ReplaceAll(request, "%", id), " ")
			var b any
			if body != "" {
				b = body
			}
			r := app.HTTP().As("bob").Do(method, "/rest/shop"+path, b)
			return r.Code(), strings.ReplaceAll(r.Body(), id, "%")
		}
		hiddenCode, hidden := ask("2")
		missingCode, missing := ask("88")
		if hiddenCode != missingCode || hidden != missing || hiddenCode < 400 {
			t.Errorf("%s: hidden %d %s\nmissing %d %s", request, hiddenCode, hidden, missingCode, missing)
		}
	}
	for _, s := range []step{
		{"bob", "GET /Orders?$filter=note eq 'hidden'", "", 200, `[]`},
		{"bob", "GET /Orders?$filter=contains(note,'hid')&$count=true", "", 200, `[]`},
		{"bob", "GET /Orders?$search=hidden", "", 200, `[]`},
		{"bob", "GET /Books/7/orders?$select=ID", "", 200, `[{"ID":1}]`},
		{"bob", "GET /Books/7/orders/2", "", 404, `~Not Found`},
		{"bob", "GET /Books?$filter=orders/any(o:o/note eq 'hidden')", "", 200, `[]`},
		{"bob", "GET /Items?$select=qty", "", 200, `[{"order_ID":1,"pos":1,"qty":5}]`},
		{"bob", "POST /Orders", `{"ID":20,"owner":"alice","note":"n"}`, 403, `{"error":{"message":"Forbidden","internal":null,"code":"AUTHZ_DATA"}}`},
		{"bob", "POST /Orders", `[{"ID":21,"owner":"bob","note":"n"},{"ID":22,"owner":"alice","note":"n"}]`, 403, `~"target":"[1]"`},
		{"bob", "GET /Orders/21", "", 404, `~Not Found`},
		{"bob", "PATCH /Orders", `[{"ID":1,"note":"changed"},{"ID":2,"note":"stolen"}]`, 404, `~"target":"[1]"`},
		{"bob", "DELETE /Orders", `[{"ID":1},{"ID":2}]`, 404, `~"target":"[1]"`},
		{"bob", "PUT /Orders", `[{"ID":2,"owner":"bob","note":"stolen"}]`, 403, `~Forbidden`},
		{"bob", "GET /Orders/1/note", "", 200, `{"note":"mine","ID":1}`},
		{"alice", "GET /Orders/2/note", "", 200, `{"note":"hidden","ID":2}`},
		{"bob", "GET /Secrets", "", 403, `~Forbidden`},
		{"bob", "POST /Secrets", `[{"ID":5}]`, 403, `~Forbidden`},
		{"bob", "DELETE /Secrets", `[{"ID":1}]`, 403, `~Forbidden`},
		{"carl", "PATCH /Orders", `[{"ID":1,"note":"x"}]`, 403, `~Forbidden`},
		{"carl", "POST /Orders", `[{"ID":30,"owner":"carl","note":"x"}]`, 403, `~Forbidden`},
	} {
		s.run(t, app)
	}
}

// TestStrangers: who may not enter the service learns nothing of it, whatever is wrong with the request besides.
func TestStrangers(t *testing.T) {
	app := start(t)
	for _, request := range []string{
		"GET /", "GET /Orders", "GET /Nope", "GET /Orders/x", "GET /$metadata", "POST /$batch", "POST /Orders", "PATCH /Orders", "DELETE /Orders",
		"GET /ping", "POST /ping", "GET /sum?a=x", "GET /openapi.json", "PUT /openapi.json", "GET /Orders?$frob=1",
	} {
		method, path, _ := strings.Cut(request, " ")
		var body any
		if method != "GET" {
			body = "not json"
		}
		if r := app.HTTP().Do(method, "/rest/shop"+path, body); r.Code() != 401 || r.Body() != "Unauthorized" || r.Header("OData-Version") != "" {
			t.Errorf("%s: %d %s", request, r.Code(), r.Body())
		}
	}
}

// TestDescription: the description is behind the service's rights; the page tells nothing of the service and may run only its own script.
func TestDescription(t *testing.T) {
	app := start(t)
	s := app.CDS.Service("Shop")
	made := 0
	door := rest.Mount(s, rest.Options{Options: odata.Options{BasePath: "/rest/shop"}, Page: true, OpenAPI: func() ([]byte, error) {
		made++
		return openapi.REST(app.CDS.Model, s.Model, "/rest/shop")
	}})
	get := func(user *cds.User, path, etag string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "http://host/rest/shop/"+path, nil)
		r.Header.Set("If-None-Match", etag)
		w := httptest.NewRecorder()
		door.ServeHTTP(w, r.WithContext(cds.NewContext(r.Context(), user, "")))
		return w
	}
	bob := app.UserNamed("bob")
	if w := get(auth.Anonymous, "openapi.json", ""); w.Code != 401 || strings.Contains(w.Body.String(), "Orders") || made > 0 {
		t.Errorf("anonymous: %d %s", w.Code, w.Body)
	}
	w := get(bob, "openapi.json", "")
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"/Orders/{ID}"`) || w.Header().Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("%d %.200s", w.Code, w.Body)
	}
	if w := get(bob, "openapi.json", w.Header().Get("ETag")); w.Code != 304 || made != 1 {
		t.Errorf("again: %d, made %d times", w.Code, made)
	}
	w = get(auth.Anonymous, "$api-docs", "")
	csp := w.Header().Get("Content-Security-Policy")
	if w.Code != 200 || strings.Contains(w.Body.String(), "Orders") || !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("page: %d %s", w.Code, csp)
	}
	if strings.Contains(w.Body.String(), "http://") || strings.Contains(w.Body.String(), "https://") {
		t.Error("the page names another host")
	}
	without := rest.Mount(s, rest.Options{Options: odata.Options{BasePath: "/rest/shop"}, Page: true})
	r := httptest.NewRequest("GET", "http://host/rest/shop/$api-docs", nil)
	w = httptest.NewRecorder()
	without.ServeHTTP(w, r.WithContext(cds.NewContext(r.Context(), bob, "")))
	if w.Code != 404 {
		t.Errorf("page without description: %d", w.Code)
	}
}

// TestPage uses the page as people do: it lists the operations, takes parameters and a body, sends, and shows what came back.
func TestPage(t *testing.T) {
	b := browser.Open(t)
	app := start(t)
	s := app.CDS.Service("Shop")
	door := rest.Mount(s, rest.Options{Options: odata.Options{BasePath: "/rest/shop"}, Page: true,
		OpenAPI: func() ([]byte, error) { return openapi.REST(app.CDS.Model, s.Model, "/rest/shop") }})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user := auth.Anonymous
		if r.Header.Get("Authorization") == "Bearer bobs" {
			user = app.UserNamed("bob")
		}
		door.ServeHTTP(w, r.WithContext(cds.NewContext(r.Context(), user, "")))
	}))
	defer srv.Close()
	b.Visit(srv.URL + "/rest/shop/$api-docs")
	const script = `(async () => {
		const until = async (what, ok) => {
			for (let i = 0; i < 300; i++) {
				if (ok()) return;
				await new Promise((go) => setTimeout(go, 20));
			}
			throw new Error(what + ": " + document.body.innerText);
		};
		const text = (css) => document.querySelector(css)?.innerText ?? "";
		const choose = (verb, path) => {
			for (const x of document.querySelectorAll("nav button")) if (x.innerText.toLowerCase().replace(/\s+/g, " ") === verb + " " + path.toLowerCase()) return x.click();
			throw new Error("no " + verb + " " + path + " in " + text("nav"));
		};
		const send = async (want) => {
			document.querySelector(".send").click();
			await until("answer " + want, () => text(".status").startsWith(want));
		};
		await until("a hint", () => text("main").includes("401"));
		const auth = document.getElementById("auth");
		auth.value = "Bearer bobs";
		auth.onchange();
		await until("operations", () => document.querySelectorAll("nav button").length > 20);
		choose("get", "/Orders/{ID}");
		document.getElementById("p-ID").value = "1";
		document.getElementById("p-$select").value = "note";
		await send("200");
		const shown = text("section");
		choose("post", "/Codes");
		const body = document.querySelector("textarea"), proposed = body.value;
		body.value = '{"a": 70, "b": "p"}';
		await send("201");
		const created = text("section");
		choose("get", "/sum");
		document.getElementById("p-a").value = "40";
		document.getElementById("p-b").value = "2";
		await send("200");
		return [shown, proposed, created, text("section"), document.title];
	})()`
	var got []string
	b.Eval(script, &got)
	b.Screenshot("../../bin/artifacts/rest-page.png")
	for i, want := range []string{`"note": "mine"`, `"a": 0`, `"a": 70`, "42", "Shop"} {
		if i >= len(got) || !strings.Contains(got[i], want) {
			t.Fatalf("%d: no %q in %q", i, want, got)
		}
	}
}
