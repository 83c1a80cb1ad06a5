package serve_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	cdl "cds/parser"
	"cds/parser/csn"
	"cds/runtime/db"
	"cds/runtime/db/sqlite"
	"cds/runtime/deploy"
	"cds/runtime/serve"
	"cds/strategies"
)

const longModel = `
namespace long;
entity Lines { key ID : Integer; text : String(500); owner : String(20); parts : Composition of many Parts on parts.line = $self; }
entity Parts { key ID : Integer; line : Association to Lines; }
@requires: 'any' @cds.query.limit: { default: 1000, max: 20000 } @path: '/long' service Long {
  @http.CacheControl.maxAge: 60 @restrict: [{ grant: 'READ', where: 'owner = ''a''' }] entity Lines as projection on long.Lines;
}
@requires: 'any' @protocol: 'rest' @cds.query.limit: { default: 1000, max: 20000 } @path: '/plain' service Plain {
  @restrict: [{ grant: 'READ', where: 'owner = ''a''' }] entity Lines as projection on long.Lines;
}`

func longServer(tb testing.TB) http.Handler {
	tb.Helper()
	ctx := context.Background()
	res := cdl.CompileString("long.cds", longModel)
	if res.Diags.HasErrors() {
		tb.Fatal(res.Diags)
	}
	pool, err := sqlite.New().Open(ctx, db.Config{URL: ":memory:"})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = pool.Close() })
	quiet := slog.New(slog.DiscardHandler)
	if err := deploy.Deploy(ctx, pool, res.Model, fstest.MapFS{}, quiet); err != nil {
		tb.Fatal(err)
	}
	tx, err := pool.Write(ctx, db.Session{})
	if err != nil {
		tb.Fatal(err)
	}
	err = tx.Script(ctx, `INSERT INTO long_Lines (ID, text, owner) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 22000)
		SELECT i, printf('%0200d', i), CASE WHEN i % 2 THEN 'a' ELSE 'secret' END FROM n`)
	if err := errors.Join(err, tx.Commit()); err != nil {
		tb.Fatal(err)
	}
	app := serve.New(func() (*csn.Model, error) { return res.Model, nil })
	app.Databases(sqlite.New())
	app.Strategies(strategies.Builtin())
	s, err := app.Build(ctx, serve.Options{FS: fstest.MapFS{}, Env: []string{}, Pool: pool, Log: quiet})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s.Handler()
}

type page struct {
	Context string `json:"@odata.context"`
	Count   int    `json:"@odata.count"`
	Next    string `json:"@odata.nextLink"`
	Value   []struct {
		ID    int
		Owner string `json:"owner"`
	} `json:"value"`
}

// An answer that is sent in pieces is the one that pages would have made together.
func TestStream_LongAnswers(t *testing.T) {
	h := longServer(t)
	for _, c := range []struct {
		query string
		rows  int
		count int
		next  bool
		parts bool
	}{
		{"$top=10000", 10000, 0, false, true},
		{"$top=10000&$count=true", 10000, 11000, false, true},
		{"$top=30000&$count=true", 11000, 11000, false, true},
		{"$count=true", 1000, 11000, true, false},
		{"$top=10000&$filter=ID%20lt%201000", 500, 0, false, false},
		{"$top=10000&$expand=parts", 10000, 0, false, false},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/long/Lines?$orderby=ID&"+c.query, nil))
		var p page
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 200 {
			t.Fatalf("%s: %d %v", c.query, w.Code, err)
		}
		if len(p.Value) != c.rows || p.Count != c.count || (p.Next != "") != c.next || p.Context != "$metadata#Lines" {
			t.Errorf("%s: %d rows, count %d, next %q, context %q", c.query, len(p.Value), p.Count, p.Next, p.Context)
		}
		if streamed := w.Header().Get("Content-Length") == ""; streamed != c.parts {
			t.Errorf("%s: streamed %v", c.query, streamed)
		}
		if got := w.Header().Get("Cache-Control"); got != "max-age=60" {
			t.Errorf("%s: Cache-Control %q", c.query, got)
		}
		for i, r := range p.Value {
			if r.ID != 2*i+1 || r.Owner != "a" {
				t.Fatalf("%s: row %d is %+v", c.query, i, r)
			}
		}
	}
}

// In REST an answer flows if it has neither count nor next page, which are headers.
func TestStream_LongPlainAnswers(t *testing.T) {
	h := longServer(t)
	for _, c := range []struct {
		query       string
		rows        int
		total, next string
		parts       bool
	}{
		{"$top=10000", 10000, "", "", true},
		{"$top=20000", 11000, "", "", true},
		{"$top=10000&$count=true", 10000, "11000", "", false},
		{"$top=30000", 11000, "", "", false},
		{"", 1000, "", `<?%24orderby=ID&%24skiptoken=1000>; rel="next"`, false},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/plain/Lines?$orderby=ID&"+c.query, nil))
		var rows []struct {
			ID    int
			Owner string `json:"owner"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &rows); err != nil || w.Code != 200 {
			t.Fatalf("%s: %d %v", c.query, w.Code, err)
		}
		if len(rows) != c.rows || w.Header().Get("X-Total-Count") != c.total || w.Header().Get("Link") != c.next || w.Header().Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%s: %d rows, %v", c.query, len(rows), w.Header())
		}
		if streamed := w.Header().Get("Content-Length") == ""; streamed != c.parts {
			t.Errorf("%s: streamed %v", c.query, streamed)
		}
		for i, r := range rows {
			if r.ID != 2*i+1 || r.Owner != "a" {
				t.Fatalf("%s: row %d is %+v", c.query, i, r)
			}
		}
	}
}

// deaf takes some bytes, then no more, as a connection that was closed.
type deaf struct {
	httptest.ResponseRecorder
	left int
}

func (d *deaf) Write(b []byte) (int, error) {
	if d.left -= len(b); d.left < 0 {
		return 0, errors.New("closed")
	}
	return len(b), nil
}

// What has begun can't become an error: the connection is cut, and the next request finds the database free.
func TestStream_ClientGone(t *testing.T) {
	h := longServer(t)
	for i := range 50 { // more than there are readers
		func() {
			defer func() {
				if p := recover(); p != http.ErrAbortHandler { //nolint:errorlint // the value itself is what net/http looks for
					t.Fatalf("round %d: %v", i, p)
				}
			}()
			h.ServeHTTP(&deaf{*httptest.NewRecorder(), 300 << 10}, httptest.NewRequest("GET", "/long/Lines?$top=20000", nil))
		}()
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/long/Lines?$top=1", nil))
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"ID":1`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// BenchmarkLongAnswer reports rows a second of one answer of 10 000 rows, and that memory does not grow with it.
func BenchmarkLongAnswer(b *testing.B) {
	h := longServer(b)
	r := httptest.NewRequest("GET", "/long/Lines?$top=10000", nil)
	b.ReportAllocs()
	for b.Loop() {
		w := &sink{header: http.Header{}}
		h.ServeHTTP(w, r)
		if w.status != 200 || w.n < 1<<20 {
			b.Fatal(fmt.Sprint(w.status, w.n))
		}
	}
	b.ReportMetric(10000*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
