package serve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"testing/fstest"

	cdl "cds/parser"
	"cds/parser/csn"
	"cds/runtime/config"
	"cds/runtime/db"
	"cds/runtime/db/sqlite"
	"cds/runtime/deploy"
	"cds/runtime/serve"
	"cds/strategies"
)

// speedModel has the same reads with and without restrictions.
const speedModel = `
namespace shop;
entity Authors { key ID : Integer; name : String(111); country : String(3); owner : String(255);
  books : Association to many Books on books.author = $self; }
entity Books { key ID : Integer; title : String(111); descr : String(1111); author : Association to Authors; genre_ID : Integer;
  stock : Integer; price : Decimal(9, 2); currency_code : String(3); modifiedAt : Timestamp; owner : String(255); }
entity Orders { key ID : UUID; orderNo : Integer; status : String(10); total : Decimal(11, 2); currency_code : String(3);
  createdAt : Timestamp @cds.on.insert: $now; owner : String(255) @cds.on.insert: $user; items : Composition of many Items on items.order = $self; }
entity Items { key ID : UUID; order : Association to Orders; pos : Integer; book : Association to Books; quantity : Integer; amount : Decimal(11, 2); }

@requires: 'authenticated-user' @path: '/odata/v4/bench' service Bench {
  @readonly entity Books as projection on shop.Books excluding { owner };
  @readonly entity Authors as projection on shop.Authors excluding { owner };
  @restrict: [{ grant: 'READ', where: 'owner = $user' }, { grant: 'CREATE' }] entity Orders as projection on shop.Orders;
  entity Items as projection on shop.Items;
}
@requires: 'any' @path: '/odata/v4/open' service Open {
  entity Orders as projection on shop.Orders;
  entity Books as projection on shop.Books;
}
@requires: 'any' @path: '/odata/v4/ruled' service Ruled {
  @restrict: [{ grant: 'READ', to: 'authenticated-user', where: 'orderNo >= 0' }, { grant: 'READ', to: 'Auditor' }, { grant: 'WRITE', to: 'admin' }]
  entity Orders as projection on shop.Orders;
  @restrict: [{ grant: 'READ', to: 'authenticated-user', where: 'stock >= 0' }, { grant: '*', to: 'admin' }]
  entity Books as projection on shop.Books;
  @requires: 'Auditor' entity Authors as projection on shop.Authors;
}`

// The requests that the HTTP benchmark sends, and the same ones to services without and with restrictions.
var speedRequests = []struct{ name, path string }{
	{"key", "/odata/v4/bench/Books(7)"},
	{"list", "/odata/v4/bench/Books?$filter=genre_ID%20eq%203&$orderby=price%20desc&$top=20&$select=ID,title,genre_ID,price,stock,currency_code"},
	{"own", "/odata/v4/bench/Orders?$orderby=createdAt%20desc&$top=20&$select=ID,orderNo,status,total,currency_code,createdAt"},
	{"expand", "/odata/v4/bench/Books?$filter=genre_ID%20eq%203&$orderby=price%20desc&$top=20&$select=ID,title,genre_ID,price,stock,currency_code&$expand=author($select=ID,name)"},
	{"aggregate", "/odata/v4/bench/Orders?$apply=groupby((status),aggregate($count%20as%20cnt,total%20with%20sum%20as%20total))&$orderby=status"},
}

func speedData() fstest.MapFS {
	var authors, books, orders bytes.Buffer
	authors.WriteString("ID,name,country,owner\n")
	books.WriteString("ID,title,descr,author_ID,genre_ID,stock,price,currency_code,modifiedAt,owner\n")
	orders.WriteString("ID,orderNo,status,total,currency_code,createdAt,owner\n")
	for i := range 100 {
		fmt.Fprintf(&authors, "%d,Author %d,DE,u%03d\n", i, i, i%10)
	}
	for i := range 500 {
		fmt.Fprintf(&books, "%d,Title %d,Some words about book %d and its theme,%d,%d,%d,%d.%02d,EUR,2024-01-01T00:00:%02d.000Z,u%03d\n", i, i, i, i%100, i%20, i%50, i%90, i%100, i%60, i%10)
		fmt.Fprintf(&orders, "00000000-0000-4000-8000-%012d,%d,open,%d.50,EUR,2024-01-01T00:%02d:%02d.000Z,u%03d\n", i, i, i, i/60, i%60, i%10)
	}
	return fstest.MapFS{"db/data/shop-Authors.csv": {Data: authors.Bytes()}, "db/data/shop-Books.csv": {Data: books.Bytes()}, "db/data/shop-Orders.csv": {Data: orders.Bytes()}}
}

func speedServer(tb testing.TB) http.Handler {
	tb.Helper()
	pool, err := sqlite.New().Open(context.Background(), db.Config{URL: ":memory:"})
	if err != nil {
		tb.Fatal(err)
	}
	return speedServerOn(tb, pool)
}

// speedServerOn deploys the model into an empty database and serves it.
func speedServerOn(tb testing.TB, pool db.Pool) http.Handler {
	tb.Helper()
	ctx := context.Background()
	res := cdl.CompileString("speed.cds", speedModel)
	if res.Diags.HasErrors() {
		tb.Fatal(res.Diags)
	}
	tb.Cleanup(func() { _ = pool.Close() })
	quiet := slog.New(slog.DiscardHandler)
	if err := deploy.Deploy(ctx, pool, res.Model, speedData(), quiet); err != nil {
		tb.Fatal(err)
	}
	tx, err := pool.Write(ctx, db.Session{})
	if err != nil {
		tb.Fatal(err)
	}
	err = tx.Script(ctx, "CREATE INDEX genre ON shop_Books(genre_ID, price DESC, ID); CREATE INDEX owner ON shop_Orders(owner, createdAt DESC, ID)")
	if err := errors.Join(err, tx.Commit()); err != nil {
		tb.Fatal(err)
	}
	app := serve.New(func() (*csn.Model, error) { return res.Model, nil })
	app.Databases(sqlite.New())
	app.Strategies(strategies.Builtin())
	s, err := app.Build(ctx, serve.Options{FS: fstest.MapFS{}, Env: []string{}, Pool: pool, Log: quiet, Overrides: config.Section{"requires": map[string]any{
		"auth": map[string]any{"kind": "basic", "users": map[string]any{
			"u001": map[string]any{"password": "pw"}, "u002": map[string]any{"password": "pw"},
			"audit": map[string]any{"password": "pw", "roles": []any{"Auditor"}},
		}},
	}}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s.Handler()
}

// A sink counts what a handler writes and allocates nothing itself.
type sink struct {
	header http.Header
	status int
	n      int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(b []byte) (int, error) { s.n += len(b); return len(b), nil }

// speedCall returns a function that sends one request again and again, as net/http does: with a new context that can be canceled.
func speedCall(tb testing.TB, h http.Handler, path string) func() {
	u, err := url.Parse(path)
	if err != nil {
		tb.Fatal(err)
	}
	w := &sink{header: http.Header{}}
	base := httptest.NewRequest("GET", u.String(), nil)
	base.SetBasicAuth("u001", "pw")
	ctx, cancel := context.WithCancel(context.Background())
	tb.Cleanup(cancel)
	r := base.WithContext(ctx)
	return func() {
		clear(w.header)
		w.n = 0
		h.ServeHTTP(w, r)
		if w.status != http.StatusOK || w.n < 80 {
			tb.Fatalf("%s: status %d, %d bytes", path, w.status, w.n)
		}
	}
}

// BenchmarkRequest measures whole requests without the HTTP connection.
func BenchmarkRequest(b *testing.B) {
	h := speedServer(b)
	for _, q := range speedRequests {
		b.Run(q.name, func(b *testing.B) {
			call := speedCall(b, h, q.path)
			b.ReportAllocs()
			for b.Loop() {
				call()
			}
		})
	}
}

// BenchmarkRestricted compares requests to open entities with the same ones to entities with restrictions, by rows and by roles.
func BenchmarkRestricted(b *testing.B) {
	h := speedServer(b)
	for _, q := range []struct{ name, path string }{
		{"key", "/Books(7)"},
		{"list", "/Orders?$orderby=ID&$top=20&$select=ID,orderNo,status"},
	} {
		for _, service := range []string{"open", "ruled"} {
			b.Run(q.name+"/"+service, func(b *testing.B) {
				call := speedCall(b, h, "/odata/v4/"+service+q.path)
				b.ReportAllocs()
				for b.Loop() {
					call()
				}
			})
		}
	}
}
