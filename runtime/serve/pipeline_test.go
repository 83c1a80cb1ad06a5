package serve_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	cdl "cds/parser"
	"cds/parser/csn"
	"cds/runtime/config"
	"cds/runtime/db"
	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgtest"
	"cds/runtime/db/sqlite"
	"cds/runtime/deploy"
	"cds/runtime/serve"
	"cds/strategies"
)

const pipelineModel = `
namespace p;
entity Orders { key ID : Integer; title : String(20) not null; owner : String(20) @cds.on.insert: $user; total : Decimal(9, 2);
  items : Composition of many Items on items.order = $self; notes : Composition of many Notes on notes.order = $self; }
entity Items { key ID : Integer; order : Association to Orders; qty : Integer; parts : Composition of many Parts on parts.item = $self; }
entity Notes { key ID : Integer; order : Association to Orders; text : String(20); }
entity Parts { key ID : Integer; item : Association to Items; }
@requires: 'any' @path: '/odata/v4/s' service S {
  @restrict: [{ grant: ['READ', 'UPDATE', 'DELETE'], where: 'owner = $user' }, { grant: 'CREATE' }] entity Orders as projection on p.Orders;
  entity Items as projection on p.Items; entity Notes as projection on p.Notes; entity Parts as projection on p.Parts;
  @cds.redirection.target: false @restrict: [{ grant: 'CREATE' }] entity Drop as projection on p.Notes;
}`

// A tap counts the messages to a database, as far as the runtime makes them.
type tap struct {
	db.Pool
	n atomic.Int64
}

func (p *tap) Read(ctx context.Context, s db.Session) (db.Tx, error) {
	return p.wrap(p.Pool.Read(ctx, s))
}
func (p *tap) Write(ctx context.Context, s db.Session) (db.Tx, error) {
	return p.wrap(p.Pool.Write(ctx, s))
}
func (p *tap) ReadOne(ctx context.Context, s db.Session) (db.Tx, error) {
	tx, err := p.Pool.(db.OneReader).ReadOne(ctx, s)
	if err != nil {
		return nil, err
	}
	return &tapTx{Tx: tx, p: p, ended: true}, nil
}

func (p *tap) wrap(tx db.Tx, err error) (db.Tx, error) {
	if err != nil {
		return nil, err
	}
	return &tapTx{Tx: tx, p: p}, nil
}

type tapTx struct {
	db.Tx
	p     *tap
	ended bool // Commit sends nothing
}

func (t *tapTx) Query(ctx context.Context, s db.Stmt) (db.Rows, error) {
	t.p.n.Add(1)
	return t.Tx.Query(ctx, s)
}

func (t *tapTx) Exec(ctx context.Context, s db.Stmt) (int64, error) {
	t.p.n.Add(1)
	return t.Tx.Exec(ctx, s)
}

func (t *tapTx) ExecAll(ctx context.Context, all []db.Stmt) (int, error) {
	t.p.n.Add(1)
	return t.Tx.(db.Batcher).ExecAll(ctx, all)
}

func (t *tapTx) QueryAll(ctx context.Context, before, queries []db.Stmt, last bool) (int, db.Rows, error) {
	t.p.n.Add(1)
	t.ended = last
	return t.Tx.(db.Pipeliner).QueryAll(ctx, before, queries, last)
}

func (t *tapTx) NextRows(ctx context.Context) (db.Rows, error) {
	return t.Tx.(db.Pipeliner).NextRows(ctx)
}

func (t *tapTx) SetSession(ctx context.Context, s db.Session) error {
	return t.Tx.(db.SessionSetter).SetSession(ctx, s)
}

func (t *tapTx) Commit() error {
	if !t.ended {
		t.p.n.Add(1)
	}
	return t.Tx.Commit()
}

// pipelineServer serves the model from an empty database.
func pipelineServer(t *testing.T, pool db.Pool) http.Handler {
	t.Helper()
	ctx := context.Background()
	t.Cleanup(func() { _ = pool.Close() })
	res := cdl.CompileString("p.cds", pipelineModel)
	if res.Diags.HasErrors() {
		t.Fatal(res.Diags)
	}
	quiet := slog.New(slog.DiscardHandler)
	if err := deploy.Deploy(ctx, pool, res.Model, fstest.MapFS{}, quiet); err != nil {
		t.Fatal(err)
	}
	app := serve.New(func() (*csn.Model, error) { return res.Model, nil })
	app.Databases(sqlite.New(), postgres.New())
	app.Strategies(strategies.Builtin())
	users := map[string]any{"ann": map[string]any{"password": "pw"}, "bob": map[string]any{"password": "pw"}}
	s, err := app.Build(ctx, serve.Options{FS: fstest.MapFS{}, Env: []string{}, Pool: pool, Log: quiet,
		Overrides: config.Section{"requires": map[string]any{"auth": map[string]any{"kind": "basic", "users": users}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s.Handler()
}

// TestOneMessage: writes and reads that belong together are one message to PostgreSQL; answers, errors and what is stored are those of
// SQLite, where every statement stands alone.
func TestOneMessage(t *testing.T) {
	lite, err := sqlite.New().Open(context.Background(), db.Config{URL: ":memory:"})
	if err != nil {
		t.Fatal(err)
	}
	pg, err := postgres.New().Open(context.Background(), pgtest.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	counted := &tap{Pool: pg}
	onLite, onPG := pipelineServer(t, lite), pipelineServer(t, counted)
	big := make([]string, 150)
	for i := range big {
		big[i] = fmt.Sprintf(`{"ID":%d,"qty":1}`, 1000+i)
	}
	text := regexp.MustCompile(`"message":"[^"]*"`)
	for _, tt := range []struct {
		who, method, path, body string
		status                  int
		messages                int64 // 0: not looked at
	}{
		{"ann", "POST", "Orders", `{"ID":1,"title":"a","total":12.5,"items":[{"ID":1,"qty":2},{"ID":2}],"notes":[{"ID":1,"text":"x"}]}`, 201, 1},
		{"ann", "POST", "Orders", `{"ID":2,"title":"b"}`, 201, 1},
		{"ann", "POST", "Orders", `{"ID":2,"title":"b"}`, 409, 0},
		{"ann", "POST", "Orders", `{"ID":3,"title":"c","items":[{"ID":5},{"ID":2}]}`, 409, 0},
		{"ann", "GET", "Orders(3)", "", 404, 1},
		{"ann", "GET", "Items(5)", "", 404, 1},
		{"ann", "POST", "Orders", `{"ID":3}`, 400, 0},
		{"ann", "POST", "Orders", `{"ID":3,"title":"c","items":[{"ID":6,"parts":[{"ID":1},{"ID":2}]}]}`, 201, 0},
		{"ann", "GET", "Orders(3)?$expand=items($expand=parts)", "", 200, 0},
		{"ann", "POST", "Orders", `{"ID":4,"title":"many","items":[` + strings.Join(big, ",") + `]}`, 201, 0},
		{"ann", "GET", "Orders(4)?$expand=items($top=2;$orderby=ID desc)", "", 200, 0},
		{"ann", "GET", "Orders(1)", "", 200, 1},
		{"ann", "GET", "Orders(1)?$expand=items", "", 200, 1},
		{"ann", "GET", "Orders(1)?$expand=items,notes($select=text)", "", 200, 1},
		{"ann", "GET", "Orders?$filter=ID eq 1&$expand=notes,items", "", 200, 1},
		{"ann", "GET", "Orders?$filter=ID eq 1 or ID eq 2&$expand=notes,items&$orderby=ID", "", 200, 0},
		{"ann", "GET", "Orders?$filter=ID eq 9&$expand=notes,items", "", 200, 1},
		{"bob", "GET", "Orders(1)?$expand=items", "", 404, 1},
		{"ann", "GET", "Orders(9)?$expand=items,notes", "", 404, 1},
		{"bob", "GET", "Items?$filter=order_ID eq 1", "", 200, 1},
		{"ann", "POST", "Drop", `{"ID":77,"order_ID":1,"text":"y"}`, 204, 0},
		{"ann", "PATCH", "Orders(1)", `{"items":[{"ID":2,"qty":9},{"ID":7}]}`, 200, 0},
		{"ann", "GET", "Orders(1)?$expand=items", "", 200, 1},
		{"ann", "POST", "Orders(1)/items", `{"ID":8,"qty":3}`, 201, 0},
		{"ann", "POST", "Orders(1)/items", `{"ID":8,"qty":3}`, 409, 0},
		{"ann", "POST", "$batch", `{"requests":[{"id":"1","method":"POST","url":"Orders","atomicityGroup":"g","headers":{"content-type":"application/json"},"body":{"ID":20,"title":"g"}},
			{"id":"2","method":"POST","url":"Orders","atomicityGroup":"g","headers":{"content-type":"application/json"},"body":{"ID":2,"title":"again"}}]}`, 200, 0},
		{"ann", "POST", "Orders", `{"ID":30,"title":"zero","items":[{"ID":30,"qty":0}]}`, 201, 1},
		{"bob", "GET", "Orders(30)?$expand=items($filter=1 div qty gt 1)", "", 404, 1},
		{"bob", "GET", "Orders(31)?$expand=items($filter=1 div qty gt 1)", "", 404, 1},
		{"ann", "GET", "Orders?$count=true&$orderby=ID&$select=ID", "", 200, 0},
	} {
		ask := func(h http.Handler) (int, string) {
			r := httptest.NewRequest(tt.method, "/odata/v4/s/"+strings.ReplaceAll(tt.path, " ", "%20"), strings.NewReader(tt.body))
			if tt.body != "" {
				r.Header.Set("Content-Type", "application/json")
			}
			r.SetBasicAuth(tt.who, "pw")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w.Code, text.ReplaceAllString(w.Body.String(), "")
		}
		before := counted.n.Load()
		status, body := ask(onPG)
		messages := counted.n.Load() - before
		wantStatus, wantBody := ask(onLite)
		if status != tt.status || wantStatus != tt.status || body != wantBody {
			t.Errorf("%s %s %s: PostgreSQL %d %s\nSQLite %d %s\nwant %d", tt.who, tt.method, tt.path, status, body, wantStatus, wantBody, tt.status)
		}
		if tt.messages != 0 && messages != tt.messages {
			t.Errorf("%s %s %s: %d messages, want %d", tt.who, tt.method, tt.path, messages, tt.messages)
		}
	}
}
