package odata_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	cdl "cds/parser"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/cdstest"
	"cds/runtime/db"
	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgtest"
)

// The door before everything behind it, on both databases.

const library = `
namespace lib;
entity Shelves { key ID : Integer; land : String(2); name : String(20); books : Association to many Books on books.shelf = $self; }
entity Books { key ID : Integer; title : String(20); stock : Integer; shelf : Association to Shelves; owner : String(20);
  mime : String(50); file : String(50); content : LargeBinary @Core.MediaType: mime @Core.ContentDisposition.Filename: file;
  modifiedAt : Timestamp @cds.on.insert: $now @cds.on.update: $now @odata.etag;
  pages : Composition of many Pages on pages.book = $self; }
entity Pages { key book : Association to Books; key nr : Integer; text : String(100); }
entity Counters { key ID : Integer; n : Integer; modifiedAt : Timestamp @cds.on.insert: $now @cds.on.update: $now @odata.etag; }
entity Plain { key ID : Integer; text : String(20); }
@path: '/lib' @requires: 'any' service Lib {
  @restrict: [{ grant: 'READ', where: 'land = $user.land' }] entity Shelves as projection on lib.Shelves;
  @restrict: [{ grant: ['READ', 'CREATE', 'UPDATE', 'DELETE'], where: 'owner = $user' }, { grant: '*', to: 'boss' }] entity Books as projection on lib.Books;
  @requires: 'any' entity Counters as projection on lib.Counters;
  @requires: 'any' entity Plain as projection on lib.Plain;
  @requires: 'any' action boom();
  @requires: 'any' action write(fail : Boolean);
}`

// onBoth runs a test of the library on SQLite and on PostgreSQL.
func onBoth(t *testing.T, fn func(t *testing.T, app *cdstest.App)) {
	onBothOf(t, library, cdstest.Config{
		FS: fstest.MapFS{
			"db/data/lib-Shelves.csv":  {Data: []byte("ID,land,name\n1,DE,mine\n2,FR,hidden\n")},
			"db/data/lib-Books.csv":    {Data: []byte("ID,title,stock,shelf_ID,owner,modifiedAt\n1,Emma,5,1,bob,2024-01-01T00:00:00.000Z\n2,Secret,6,2,eve,2024-01-01T00:00:00.000Z\n")},
			"db/data/lib-Counters.csv": {Data: []byte("ID,n,modifiedAt\n1,0,2024-01-01T00:00:00.000Z\n")},
		},
		Users:    []cdstest.TestUser{cdstest.User("bob", cdstest.Attr("land", "DE")), cdstest.User("eve", cdstest.Attr("land", "FR")), cdstest.User("boss", cdstest.Roles("boss"), cdstest.Attr("land", "DE", "FR"))},
		Register: handlers,
	}, fn)
}

// onBothOf runs a test of any model on SQLite and on PostgreSQL.
func onBothOf(t *testing.T, model string, cfg cdstest.Config, fn func(t *testing.T, app *cdstest.App)) {
	databases := map[string]func(t testing.TB) db.Pool{
		"sqlite": nil,
		"postgres": func(t testing.TB) db.Pool {
			pool, err := postgres.New().Open(context.Background(), pgtest.Open(t))
			if err != nil {
				t.Fatal(err)
			}
			return pool
		},
	}
	for name, open := range databases {
		t.Run(name, func(t *testing.T) {
			if name == "postgres" && testing.Short() {
				t.Skip("without PostgreSQL in short mode")
			}
			cfg := cfg
			cfg.Database = open
			cfg.Model = func() (*csn.Model, error) {
				res := cdl.CompileString("model.cds", model)
				return res.Model, res.Diags.Err()
			}
			fn(t, cdstest.New(t, cfg))
		})
	}
}

func handlers(a *cds.App) error {
	s := a.Service("lib.Lib")
	s.On(cds.Match{Events: []cds.Event{"boom"}}, func(context.Context, *cds.RawRequest, cds.Next) (*cds.Result, error) {
		panic("assignment to entry in nil map")
	})
	s.On(cds.Match{Events: []cds.Event{"write"}}, func(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
		if r.Data.Value("fail").Bool() {
			return nil, cds.Reject(500, "X", "internal detail")
		}
		return &cds.Result{}, nil
	})
	return nil
}

// send sends a JSON batch and returns id:status of the answers.
func send(t *testing.T, app *cdstest.App, user, requests string) string {
	t.Helper()
	var b struct {
		Responses []struct {
			ID     string
			Status int
			Body   json.RawMessage
		}
	}
	app.HTTP().As(user).With("Content-Type", "application/json").POST("/lib/$batch", json.RawMessage(`{"requests":[`+requests+`]}`)).Status(200).JSON(&b)
	var out []string
	for _, r := range b.Responses {
		out = append(out, fmt.Sprintf("%s:%d", r.ID, r.Status))
		if strings.Contains(string(r.Body), "Secret") && user != "eve" && user != "boss" {
			t.Errorf("%s sees %s", user, r.Body)
		}
	}
	return strings.Join(out, " ")
}

// TestBatchGuards: rows that are hidden alone are hidden in batches too, whatever way they are named.
func TestBatchGuards(t *testing.T) {
	onBoth(t, func(t *testing.T, app *cdstest.App) {
		for _, tc := range []struct{ user, requests, want string }{
			{"bob", `{"id":"1","method":"GET","url":"Books"},{"id":"2","method":"GET","url":"Books(2)"},{"id":"3","method":"GET","url":"$2/title"},{"id":"4","method":"GET","url":"Shelves(2)/books"},{"id":"5","method":"GET","url":"Books/$ref"},{"id":"6","method":"GET","url":"Books(2)/$ref"}`, "1:200 2:404 3:424 4:404 5:200 6:404"},
			{"bob", `{"id":"1","method":"PATCH","url":"Books(2)","headers":{"If-Match":"*"},"body":{"stock":1}},{"id":"2","method":"DELETE","url":"Books(2)","headers":{"If-Match":"*"}},{"id":"3","method":"PUT","url":"Books(2)/shelf/$ref","headers":{"If-Match":"*"},"body":{"@odata.id":"Shelves(1)"}},{"id":"4","method":"DELETE","url":"Books(2)/shelf","headers":{"If-Match":"*"}}`, "1:404 2:404 3:404 4:404"},
			{"bob", `{"id":"1","method":"POST","url":"Shelves(2)/books/$ref","headers":{"If-Match":"*"},"body":{"@odata.id":"Books(1)"}},{"id":"2","method":"POST","url":"Shelves(1)/books/$ref","headers":{"If-Match":"*"},"body":{"@odata.id":"Books(2)"}},{"id":"3","method":"DELETE","url":"Shelves(2)/books(2)/$ref","headers":{"If-Match":"*"}}`, "1:404 2:404 3:404"},
			{"bob", `{"id":"1","method":"POST","url":"Books","body":{"ID":7,"title":"x","owner":"eve"}}`, "1:403"},
			{"bob", `{"id":"1","atomicityGroup":"g","method":"PATCH","url":"Books(1)","headers":{"If-Match":"*"},"body":{"stock":99}},{"id":"2","atomicityGroup":"g","method":"PATCH","url":"Books(2)","headers":{"If-Match":"*"},"body":{"stock":99}}`, "1:424 2:404"},
			{"bob", `{"id":"1","method":"GET","url":"Books(1)/stock"}`, "1:200"},
			{"", `{"id":"1","method":"GET","url":"Books(1)"},{"id":"2","method":"GET","url":"Plain"}`, "1:404 2:200"},
			{"boss", `{"id":"1","method":"GET","url":"Books(2)"}`, "1:200"},
		} {
			if got := send(t, app, tc.user, tc.requests); got != tc.want {
				t.Errorf("%s %s: %s, want %s", tc.user, tc.requests, got, tc.want)
			}
		}
		app.HTTP().As("boss").GET("/lib/Books?$select=stock,shelf_ID&$orderby=ID").Contains(`"stock":5,"shelf_ID":1`, `"stock":6,"shelf_ID":2`)
	})
}

// TestChangeSets: all or nothing, also where a handler panics or fails after others have written, and the server goes on.
func TestChangeSets(t *testing.T) {
	onBoth(t, func(t *testing.T, app *cdstest.App) {
		post := func(id string, n int) string {
			return fmt.Sprintf(`{"id":"%s","atomicityGroup":"g","method":"POST","url":"Plain","body":{"ID":%d,"text":"t"}}`, id, n)
		}
		action := func(id, name, body string) string {
			return fmt.Sprintf(`{"id":"%s","atomicityGroup":"g","method":"POST","url":"%s","body":%s}`, id, name, body)
		}
		for _, tc := range []struct {
			requests, want string
			rows           int
		}{
			{post("1", 1) + "," + post("2", 2) + "," + action("3", "write", `{"fail":false}`), "1:201 2:201 3:204", 2},
			{post("1", 3) + "," + post("2", 3), "1:424 2:409", 2},
			{post("1", 3) + "," + action("2", "boom", `{}`) + "," + post("3", 4), "1:424 2:500 3:424", 2},
			{post("1", 3) + "," + action("2", "write", `{"fail":true}`), "1:424 2:500", 2},
			{post("1", 3) + `,{"id":"2","atomicityGroup":"g","method":"GET","url":"Plain/$count"},{"id":"3","method":"GET","url":"Plain(3)"}`, "1:201 2:200 3:200", 3},
		} {
			if got := send(t, app, "bob", tc.requests); got != tc.want {
				t.Errorf("%s: %s, want %s", tc.requests, got, tc.want)
			}
			if got := app.HTTP().GET("/lib/Plain/$count").Body(); got != fmt.Sprint(tc.rows) {
				t.Errorf("%s: %s rows, want %d", tc.requests, got, tc.rows)
			}
		}
	})
}

// TestConcurrentUpdates: of many writers with the same entity tag one succeeds, and no update is lost.
func TestConcurrentUpdates(t *testing.T) {
	const writers = 16
	onBoth(t, func(t *testing.T, app *cdstest.App) {
		for round := range 3 {
			etag := app.HTTP().GET("/lib/Counters(1)").Status(200).Header("ETag")
			codes := make([]int, writers)
			var wg sync.WaitGroup
			for i := range writers {
				wg.Go(func() {
					r := httptest.NewRequest("PATCH", "/lib/Counters(1)", strings.NewReader(fmt.Sprintf(`{"n":%d}`, round*100+i+1)))
					r.Header.Set("Content-Type", "application/json")
					r.Header.Set("If-Match", etag)
					w := httptest.NewRecorder()
					app.Server.Handler().ServeHTTP(w, r)
					codes[i] = w.Code
				})
			}
			wg.Wait()
			var won []int
			for i, c := range codes {
				switch c {
				case http.StatusOK:
					won = append(won, i)
				case http.StatusPreconditionFailed:
				default:
					t.Errorf("round %d, writer %d: %d", round, i, c)
				}
			}
			if len(won) != 1 {
				t.Fatalf("round %d: %d writers succeeded (%v)", round, len(won), codes)
			}
			app.HTTP().GET("/lib/Counters(1)").Contains(fmt.Sprintf(`"n":%d`, round*100+won[0]+1))
		}
	})
}

// TestStoredMedia: bytes come back as they were written, under their name, for who may see the row.
func TestStoredMedia(t *testing.T) {
	onBoth(t, func(t *testing.T, app *cdstest.App) {
		content := strings.Repeat("\x00\x01\xff\r\n", 100_001)
		put := func(user, path string) int {
			r := httptest.NewRequest("PUT", path, strings.NewReader(content))
			r.Header.Set("Content-Type", "image/png")
			r.Header.Set("If-Match", "*")
			r.SetBasicAuth(user, user)
			w := httptest.NewRecorder()
			app.Server.Handler().ServeHTTP(w, r)
			return w.Code
		}
		if code := put("bob", "/lib/Books(2)/content"); code != 404 {
			t.Errorf("a hidden row: %d", code)
		}
		if code := put("bob", "/lib/Books(1)/content"); code != 204 {
			t.Fatalf("PUT: %d", code)
		}
		app.HTTP().As("bob").With("If-Match", "*").PATCH("/lib/Books(1)", map[string]any{"file": "é.png"}).Status(200)
		got := app.HTTP().As("bob").GET("/lib/Books(1)/content").Status(200)
		if got.Body() != content || got.Header("Content-Type") != "image/png" || got.Header("Content-Disposition") != "attachment; filename*=utf-8''%C3%A9.png" {
			t.Errorf("GET: %d bytes, %s, %s", len(got.Body()), got.Header("Content-Type"), got.Header("Content-Disposition"))
		}
		app.HTTP().As("eve").GET("/lib/Books(1)/content").Status(404)
		app.HTTP().As("bob").With("If-Match", "*").Do("DELETE", "/lib/Books(1)/content", nil).Status(204)
		app.HTTP().As("bob").GET("/lib/Books(1)/content").Status(204)
	})
}

// TestCancelledClient: a write whose client goes away is done or not done, and the database is free afterwards.
func TestCancelledClient(t *testing.T) {
	onBoth(t, func(t *testing.T, app *cdstest.App) {
		for i := range 20 {
			ctx, cancel := context.WithCancel(context.Background())
			body := fmt.Sprintf(`{"ID":%d,"title":"x","owner":"bob","pages":[{"nr":1,"text":"a"},{"nr":2,"text":"b"}]}`, 100+i)
			r := httptest.NewRequest("POST", "/lib/Books", strings.NewReader(body)).WithContext(ctx)
			r.Header.Set("Content-Type", "application/json")
			r.SetBasicAuth("bob", "bob")
			if i%4 == 0 {
				cancel()
			} else {
				stop := context.AfterFunc(ctx, func() {})
				defer stop()
				go cancel()
			}
			app.Server.Handler().ServeHTTP(httptest.NewRecorder(), r)
			cancel()
			res := app.HTTP().As("bob").GET(fmt.Sprintf("/lib/Books(%d)?$select=ID&$expand=pages($select=nr)", 100+i))
			if res.Code() != 404 && strings.Count(res.Body(), `"nr":`) != 2 {
				t.Fatalf("half a write: %d %s", res.Code(), res.Body())
			}
		}
		app.HTTP().As("bob").POST("/lib/Books", map[string]any{"ID": 999, "title": "x", "owner": "bob"}).Status(201)
	})
}
