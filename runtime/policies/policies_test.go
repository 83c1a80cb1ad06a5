package policies_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"cds/parser"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/runtime/db"
	"cds/runtime/db/dbtest"
	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgtest"
	"cds/runtime/db/sqlite"
	"cds/runtime/deploy"
	"cds/runtime/policies"
	"cds/runtime/serve"
	"cds/strategies"
)

const model = `
namespace my;
entity Orders { key ID : Integer; owner : String(20); total : Integer; country : String(2); items : Composition of many Items on items.order = $self; customer : Association to Customers; }
entity Items { key ID : Integer; order : Association to Orders; qty : Integer; }
entity Customers { key ID : Integer; name : String(20); orders : Association to many Orders on orders.customer = $self; }
@requires: 'authenticated-user' @path: 'shop' @protocol: ['odata', 'rest']
service Shop {
  @restrict: [{ grant: ['READ', 'UPDATE', 'CREATE'], to: 'clerk' }, { grant: '*', to: 'admin' }] entity Orders as projection on my.Orders actions { action approve(); };
  entity Items as projection on my.Items;
  @requires: 'authenticated-user' entity Customers as projection on my.Customers;
  @cds.redirection.target: false @restrict: [{ grant: 'READ', to: 'admin' }] entity Closed as projection on my.Customers;
  action close();
}`

var data = fstest.MapFS{
	"db/data/my-Orders.csv":    {Data: []byte("ID,owner,total,country,customer_ID\n1,ann,10,DE,1\n2,bob,200,AT,1\n3,ann,300,DE,2\n4,,5,,1\n")},
	"db/data/my-Items.csv":     {Data: []byte("ID,order_ID,qty\n1,1,5\n2,2,6\n3,4,7\n")},
	"db/data/my-Customers.csv": {Data: []byte("ID,name\n1,X\n2,Y\n")},
}

// databases opens an empty database of each kind.
var databases = map[string]func(t *testing.T) db.Pool{
	"sqlite":   func(t *testing.T) db.Pool { return opened(t, sqlite.New(), db.Config{URL: ":memory:"}) },
	"postgres": func(t *testing.T) db.Pool { return opened(t, postgres.New(), pgtest.Open(t)) },
}

func opened(t *testing.T, d db.Driver, cfg db.Config) db.Pool {
	t.Helper()
	p, err := d.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func onBoth(t *testing.T, run func(t *testing.T, p db.Pool)) {
	for name, open := range databases {
		t.Run(name, func(t *testing.T) { run(t, open(t)) })
	}
}

// A clock goes on when it is told to.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(c.at.Load()))
}
func (c *clock) pass(d time.Duration) { c.at.Add(int64(d)) }

// A world is an application with policies in its database.
type world struct {
	t     *testing.T
	s     *serve.Server
	pool  db.Pool
	clock *clock
	log   *bytes.Buffer
}

func newWorld(t *testing.T, pool db.Pool, mode any, text string) *world {
	t.Helper()
	ctx := context.Background()
	res := parser.CompileString("m.cds", text)
	if res.Diags.HasErrors() {
		t.Fatal(res.Diags)
	}
	if err := deploy.New(ctx, pool, res.Model, deploy.Options{Files: data, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	return started(t, pool, mode, res.Model)
}

// started serves a model from a database as it is.
func started(t *testing.T, pool db.Pool, mode any, m *csn.Model) *world {
	t.Helper()
	w := &world{t: t, pool: pool, clock: &clock{}, log: &bytes.Buffer{}}
	app := serve.New(func() (*csn.Model, error) { return m, nil })
	app.Databases(sqlite.New(), postgres.New())
	app.Strategies(strategies.Builtin())
	app.Conditions(parser.ParseExpr)
	users := map[string]any{}
	for name, roles := range map[string][]any{"ann": {"clerk"}, "bob": {"clerk"}, "root": {"admin", "policy-admin"}, "eve": {}, "tess": {"policy-admin"}, "tom": {"policy-admin"}} {
		users[name] = map[string]any{"password": "pw", "roles": roles}
	}
	users["tess"].(map[string]any)["tenant"] = "t1"
	users["tom"].(map[string]any)["tenant"] = "t2"
	s, err := app.Build(context.Background(), serve.Options{FS: data, Env: []string{}, Pool: pool, Log: slog.New(slog.NewTextHandler(w.log, nil)), Now: w.clock.now,
		Overrides: config.Section{"requires": map[string]any{"auth": map[string]any{"kind": "basic", "users": users}},
			"authz": map[string]any{"policies": mode}, "audit": map[string]any{"enabled": true}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	w.s = s
	return w
}

var managed = map[string]any{"mode": "narrow", "service": true}

// ask returns the status and the body of an answer.
func (w *world) ask(who, method, path, body string) (int, string) {
	w.t.Helper()
	r := httptest.NewRequest(method, strings.ReplaceAll(path, " ", "%20"), strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if who != "" {
		r.SetBasicAuth(who, "pw")
	}
	rec := httptest.NewRecorder()
	w.s.Handler().ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

func (w *world) want(status int, who, method, path, body string, parts ...string) string {
	w.t.Helper()
	got, text := w.ask(who, method, path, body)
	if got != status {
		w.t.Errorf("%s %s %s %s: %d %s, want %d", who, method, path, body, got, text, status)
	}
	for _, p := range parts {
		if not, found := strings.CutPrefix(p, "!"); found && strings.Contains(text, not) || !found && !strings.Contains(text, p) {
			w.t.Errorf("%s %s %s: %s, want %s", who, method, path, text, p)
		}
	}
	return text
}

func (w *world) add(policy string) {
	w.t.Helper()
	w.want(201, "root", "POST", "/authz/policies", policy)
}

// A policy holds at once, on every way to the rows.
func TestEveryWay(t *testing.T) {
	onBoth(t, func(t *testing.T, pool db.Pool) {
		w := newWorld(t, pool, managed, model)
		w.want(200, "ann", "GET", "/odata/v4/shop/Orders/$count", "", "4")
		w.want(200, "ann", "GET", "/odata/v4/shop/Orders?$select=ID", "", `"ID":2`) // a plan to be kept
		w.add(`{"id":"de","name":"Germany only","entity":"my.Shop.Orders","roles":["clerk"],"effect":"restrict","where":"country = 'DE'"}`)
		for path, parts := range map[string][]string{
			"Orders?$select=ID": {`"ID":1`, `"ID":3`, `!"ID":2`, `!"ID":4`},
			"Orders/$count":     {"2"},
			"Orders?$apply=aggregate(total with sum as s)":             {"310"},
			"Orders?$apply=groupby((country))":                         {"DE", "!AT", "!null"},
			"Items?$select=ID":                                         {`"ID":1`, `!"ID":2`, `!"ID":3`},
			"Customers?$expand=orders":                                 {`!"total":200`, `"total":10`},
			"Customers?$filter=orders/any(o:o/total eq 200)":           {`"value":[]`},
			"Customers?$select=ID&$filter=orders/any(o:o/total eq 10)": {`"ID":1`},
			"Customers(1)/orders?$select=ID":                           {`"ID":1`, `!"ID":2`},
			"Items?$expand=order&$select=ID":                           {`"total":10`, `!"total":200`},
		} {
			w.want(200, "ann", "GET", "/odata/v4/shop/"+path, "", parts...)
		}
		w.want(404, "ann", "GET", "/odata/v4/shop/Orders(2)", "")
		w.want(404, "ann", "GET", "/odata/v4/shop/Orders(2)/total", "")
		w.want(404, "ann", "PATCH", "/odata/v4/shop/Orders(2)", `{"total":1}`)
		w.want(403, "ann", "PATCH", "/odata/v4/shop/Orders(1)", `{"country":"AT"}`, "AUTHZ_DATA")
		w.want(403, "ann", "POST", "/odata/v4/shop/Orders", `{"ID":9,"country":"AT"}`, "AUTHZ_DATA")
		w.want(201, "ann", "POST", "/odata/v4/shop/Orders", `{"ID":9,"country":"DE"}`)
		w.want(404, "ann", "GET", "/rest/shop/Orders/2", "")
		w.want(200, "root", "GET", "/odata/v4/shop/Orders/$count", "", "5")
		w.want(200, "root", "GET", "/authz/policies/de", "", "Germany only", "country = 'DE'")
		w.want(204, "root", "PATCH", "/authz/policies/de", `{"active":false}`)
		w.want(200, "ann", "GET", "/odata/v4/shop/Orders/$count", "", "5")
		w.want(204, "root", "PATCH", "/authz/policies/de", `{"active":true}`)
		w.want(200, "ann", "GET", "/odata/v4/shop/Orders/$count", "", "3")
		w.want(204, "root", "DELETE", "/authz/policies/de", "")
		w.want(404, "root", "DELETE", "/authz/policies/de", "")
		w.want(200, "ann", "GET", "/odata/v4/shop/Orders/$count", "", "5")
		w.add(`{"id":"no","entity":"my.Shop.Orders","effect":"deny"}`)
		w.want(403, "root", "GET", "/odata/v4/shop/Orders", "")
		w.want(403, "root", "GET", "/odata/v4/shop/Customers?$expand=orders", "")
		w.want(403, "root", "GET", "/odata/v4/shop/Customers?$filter=orders/any()", "")
		w.want(403, "root", "GET", "/odata/v4/shop/Items", "")
		w.want(200, "root", "GET", "/authz/policies", "", `"no"`) // whoever manages policies is not locked out
		records := strings.Join(dbtest.Rows(t, pool, db.Session{}, "SELECT event || ' ' || user_id || ' ' || data FROM cds_audit WHERE event = 'PolicyChanged'"), "\n")
		for _, part := range []string{"PolicyChanged root", "added: restrict my.Shop.Orders roles clerk where country = 'DE'", "changed: ", "removed: ", "policy:de"} {
			if !strings.Contains(records, part) {
				t.Errorf("the audit log lacks %s:\n%s", part, records)
			}
		}
	})
}

// Who may write policies, and how they must be written.
func TestService(t *testing.T) {
	onBoth(t, func(t *testing.T, pool db.Pool) {
		w := newWorld(t, pool, managed, model)
		const p = "/authz/policies"
		w.want(401, "", "GET", p, "")
		w.want(403, "ann", "GET", p, "", "Forbidden", "!policy-admin")
		w.want(403, "ann", "POST", p, `{"entity":"*","effect":"deny"}`)
		w.want(403, "ann", "DELETE", p+"/x", "")
		w.want(405, "root", "PUT", p, `{}`)
		w.want(405, "root", "DELETE", p, "")
		w.want(405, "root", "POST", p+"/x", `{}`)
		w.want(404, "root", "GET", p+"/x", "")
		w.want(404, "root", "GET", p+"/x/y", "")
		for body, part := range map[string]string{
			`{"entity":"*","effect":"deny","efect":"x"}`:                                                `no property`,
			`{"entity":"*","effect":"deny","ID":"x"}`:                                                   `no property`,
			`{"entity":"*","effect":"deny","effect":"grant"}`:                                           `only one`,
			`{"entity":"*","effect":"deny"}{}`:                                                          `no policy`,
			`{"entity":"*","effect":"deny"} {}`:                                                         "no policy",
			`[]`:                                                                                        "no policy",
			`{"entity":"*"`:                                                                             "no policy",
			`{"entity":"*","effect":"allow"}`:                                                           "effects are restrict, deny and grant",
			`{"effect":"deny"}`:                                                                         "names the entity",
			`{"entity":"my.Shop.Order","effect":"deny"}`:                                                "did you mean my.Shop.Orders?",
			`{"entity":"my.Orders","effect":"deny"}`:                                                    "no entity of a service",
			`{"entity":"my.Shop.Orders","effect":"restrict"}`:                                           "needs a condition",
			`{"entity":"my.Shop.Orders","effect":"restrict","where":"land = 'DE'"}`:                     "no element land",
			`{"entity":"my.Shop.Orders","effect":"restrict","where":"country = "}`:                      "not understood",
			`{"entity":"my.Shop.Orders","effect":"restrict","where":"country = ?"}`:                     "",
			`{"entity":"my.Shop.Orders","effect":"restrict","where":"pg_sleep(9) = 1"}`:                 "not supported",
			`{"entity":"my.Shop.Orders","effect":"restrict","where":"1 = (select ID from my.Orders)"}`:  "",
			`{"entity":"my.Shop.Orders","effect":"restrict","where":"total = sum(total)"}`:              "",
			`{"entity":"my.Shop.Orders","effect":"restrict","where":"country = #de"}`:                   "symbol",
			`{"entity":"my.Shop.Orders","effect":"deny","events":["read"]}`:                             "did you mean READ?",
			`{"entity":"my.Shop.Orders","effect":"deny","events":["UPSERT"]}`:                           "UPSERT",
			`{"entity":"my.Shop.Orders","effect":"deny","users":["anonymous"]}`:                         "nobody in particular",
			`{"entity":"my.Shop.Orders","effect":"deny","roles":[""]}`:                                  "roles",
			`{"id":"a b","entity":"my.Shop.Orders","effect":"deny"}`:                                    "id of a policy",
			`{"id":"a","entity":"my.Shop.Closed","effect":"grant","events":["READ"],"roles":["clerk"]}`: "may not grant",
		} {
			w.want(400, "root", "POST", p, body, part, "!SELECT", "!cds_policies")
		}
		w.want(413, "root", "POST", p, `{"entity":"`+strings.Repeat("x", 70_000)+`"}`)
		w.want(200, "root", "GET", p, "", `"value":[]`)
		w.add(`{"id":"a","entity":"my.Shop.Orders","effect":"deny","roles":["clrek"]}`)
		w.want(409, "root", "POST", p, `{"id":"a","entity":"my.Shop.Orders","effect":"deny"}`)
		w.want(201, "root", "POST", p, `{"id":"b","entity":"my.Shop.Customers","effect":"deny","roles":["clrek"]}`, "did you mean clerk?", "my.Shop.Closed shows the same data")
		w.want(400, "root", "PATCH", p+"/a", `{}`)
		// Who belongs to a tenant manages that tenant's policies.
		w.want(200, "tess", "GET", p, "", `"value":[]`)
		w.want(404, "tess", "DELETE", p+"/a", "")
		w.want(404, "tess", "PATCH", p+"/a", `{"active":false}`)
		w.want(403, "tess", "POST", p, `{"entity":"*","effect":"deny","tenant":"t2"}`, "POLICY_TENANT")
		w.want(201, "tess", "POST", p, `{"id":"c","entity":"*","effect":"deny"}`, `"tenant":"t1"`)
		w.want(200, "tess", "GET", p, "", `"c"`, `!"a"`)
		w.want(200, "ann", "GET", "/odata/v4/shop/Customers", "")
		w.want(403, "tess", "GET", "/odata/v4/shop/Customers", "")
		w.want(204, "tess", "DELETE", p+"/c", "")
		r := httptest.NewRequest("POST", p, strings.NewReader(`{"entity":"*","effect":"deny"}`)) // as a form of another site would send it
		r.SetBasicAuth("root", "pw")
		r.Header.Set("Content-Type", "text/plain")
		rec := httptest.NewRecorder()
		if w.s.Handler().ServeHTTP(rec, r); rec.Code != 415 {
			t.Errorf("text/plain: %d", rec.Code)
		}
	})
}

// Without being asked for there is neither the table nor the service; with false there are no policies.
func TestOff(t *testing.T) {
	onBoth(t, func(t *testing.T, pool db.Pool) {
		w := newWorld(t, pool, false, model)
		w.want(404, "root", "GET", "/authz/policies", "")
		tx, err := pool.Read(t.Context(), db.Session{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }()
		if rows, err := tx.Query(t.Context(), db.Stmt{SQL: "SELECT count(*) FROM " + policies.Table}); err == nil {
			if _, err = rows.Next(); err == nil {
				t.Error("the table is made")
			}
			_ = rows.Close()
		}
	})
}

// What grants works where it is allowed, and opens nothing else.
func TestExtend(t *testing.T) {
	onBoth(t, func(t *testing.T, pool db.Pool) {
		w := newWorld(t, pool, map[string]any{"mode": "extend", "service": true}, model)
		if !strings.Contains(w.log.String(), "policies in the database may grant what the model does not") {
			t.Error("nobody is warned")
		}
		w.want(403, "ann", "GET", "/odata/v4/shop/Closed", "")
		w.add(`{"id":"g","entity":"my.Shop.Closed","effect":"grant","events":["READ"],"roles":["clerk"],"where":"ID = 1"}`)
		w.want(200, "ann", "GET", "/odata/v4/shop/Closed?$select=ID", "", `"ID":1`, `!"ID":2`)
		w.want(403, "eve", "GET", "/odata/v4/shop/Closed", "")
		w.want(401, "", "GET", "/odata/v4/shop/Closed", "")
		w.want(403, "ann", "DELETE", "/odata/v4/shop/Closed(1)", "")
		w.want(400, "root", "POST", "/authz/policies", `{"entity":"my.Shop.Customers","effect":"grant","events":["READ"],"roles":["clerk"]}`, "no @restrict")
		// The same database under a server where policies may not grant.
		w2 := started(t, pool, "narrow", w.s.CDS.Model)
		w2.want(403, "ann", "GET", "/odata/v4/shop/Closed", "")
		if !strings.Contains(w2.log.String(), "policy grants nothing") {
			t.Errorf("log: %s", w2.log)
		}
	})
}

// flaky is a database whose reads fail for a while.
type flaky struct {
	db.Pool
	broken atomic.Bool
}

var errBroken = errors.New("connection reset")

func (f *flaky) Read(ctx context.Context, s db.Session) (db.Tx, error) {
	if f.broken.Load() {
		return nil, errBroken
	}
	return f.Pool.Read(ctx, s)
}

// manager opens the policies of a world a second time, as another process does.
func (w *world) manager(pool db.Pool) (*policies.Manager, *cds.App) {
	w.t.Helper()
	app, diags := cds.NewApp(w.s.CDS.Model, cds.AppOptions{Log: slog.New(slog.NewTextHandler(w.log, nil)), Now: w.clock.now})
	if app == nil {
		w.t.Fatal(diags)
	}
	app.Connect(w.pool)
	m, err := policies.Open(w.t.Context(), app, pool, policies.Options{Parse: parser.ParseExpr})
	if err != nil {
		w.t.Fatal(err)
	}
	return m, app
}

func readable(app *cds.App, roles ...string) error {
	s := app.Service("my.Shop")
	return s.Authorize(auth.New(auth.User{ID: "x"}, roles...), "READ", []*csn.Entity{s.Model.Entity("Orders")}, nil, nil)
}

// Another process follows at its next look. While it can't look, it keeps what it knows for a while, and then denies everything.
func TestUnreadable(t *testing.T) {
	onBoth(t, func(t *testing.T, pool db.Pool) {
		w := newWorld(t, pool, managed, model)
		f := &flaky{Pool: pool}
		m, app := w.manager(f)
		w.add(`{"id":"no","entity":"my.Shop.Orders","effect":"deny","roles":["clerk"]}`)
		if err := readable(app, "clerk"); err != nil {
			t.Errorf("before its look: %v", err)
		}
		if err := m.Refresh(t.Context()); err != nil || readable(app, "clerk") == nil || readable(app, "admin") != nil {
			t.Errorf("after its look: %v", err)
		}
		f.broken.Store(true)
		w.clock.pass(59 * time.Second)
		if err := m.Refresh(t.Context()); !errors.Is(err, errBroken) || readable(app, "admin") != nil || readable(app, "clerk") == nil {
			t.Errorf("what was known does not hold: %v", err)
		}
		w.clock.pass(2 * time.Second)
		if err := m.Refresh(t.Context()); err == nil || readable(app, "admin") == nil {
			t.Error("too old policies hold")
		}
		f.broken.Store(false)
		if err := m.Refresh(t.Context()); err != nil || readable(app, "admin") != nil || readable(app, "clerk") == nil {
			t.Errorf("it has not recovered: %v", err)
		}
		f.broken.Store(true)
		if _, err := policies.Open(t.Context(), app, f, policies.Options{Parse: parser.ParseExpr}); err == nil {
			t.Error("it starts without knowing the policies")
		}
	})
}

// When the model changes, what does not fit any more denies what it is about, and says so.
func TestModelChanged(t *testing.T) {
	onBoth(t, func(t *testing.T, pool db.Pool) {
		w := newWorld(t, pool, managed, model)
		w.add(`{"id":"de","entity":"my.Shop.Orders","effect":"restrict","roles":["clerk"],"where":"country = 'DE'"}`)
		w.add(`{"id":"cu","entity":"my.Shop.Customers","effect":"restrict","events":["READ"],"where":"name = 'X'"}`)
		changed := strings.NewReplacer("country : String(2)", "land : String(2)", "Customers as projection on my.Customers", "Clients as projection on my.Customers").Replace(model)
		res := parser.CompileString("m.cds", changed)
		if res.Diags.HasErrors() {
			t.Fatal(res.Diags)
		}
		w2 := started(t, pool, managed, res.Model)
		w2.want(403, "ann", "PATCH", "/odata/v4/shop/Orders(1)", `{"total":3}`)
		w2.want(403, "ann", "GET", "/odata/v4/shop/Clients", "") // the entity has gone: its service
		w2.want(403, "root", "GET", "/odata/v4/shop/Clients", "")
		for _, part := range []string{"policy=de", "there is no element country", "policy=cu", "my.Shop.Customers", "denies=my.Shop"} {
			if !strings.Contains(w2.log.String(), part) {
				t.Errorf("the log lacks %s: %s", part, w2.log)
			}
		}
		w2.want(200, "root", "GET", "/authz/policies", "", `"fault":"the condition country = 'DE' cannot be resolved`, `"denies":"my.Shop"`)
		w2.want(204, "root", "DELETE", "/authz/policies/cu", "")
		if status, _ := w2.ask("root", "GET", "/odata/v4/shop/Clients", ""); status == 403 {
			t.Error("it denies though it is gone")
		}
	})
}

// Whatever somebody has written into the table by other means is read so that it denies.
func TestGarbage(t *testing.T) {
	onBoth(t, func(t *testing.T, pool db.Pool) {
		w := newWorld(t, pool, managed, model)
		for _, set := range []string{"events = '{'", "roles = '[1]'", "users = 'x'", "effect = 'frob'", "cond = ''", "cond = 'country ='", "effect = ''", "entity = ''", "entity = 'nowhere'"} {
			w.add(`{"id":"g","entity":"my.Shop.Orders","effect":"restrict","where":"1 = 1","users":["nobody"]}`)
			w.want(200, "ann", "GET", "/odata/v4/shop/Orders", "")
			dbtest.Write(t, pool, func(tx db.Tx) {
				if err := tx.Script(t.Context(), "UPDATE cds_policies SET users = ''; UPDATE cds_policies SET "+set); err != nil {
					t.Fatal(err)
				}
			})
			w.add(`{"id":"other","entity":"my.Shop.Closed","effect":"deny"}`) // has everything read again
			w.want(403, "ann", "GET", "/odata/v4/shop/Orders", "")
			w.want(200, "root", "GET", "/authz/policies", "", `"fault"`)
			w.want(204, "root", "DELETE", "/authz/policies/g", "")
			w.want(204, "root", "DELETE", "/authz/policies/other", "")
		}
	})
}

func TestForeignTable(t *testing.T) {
	onBoth(t, func(t *testing.T, pool db.Pool) {
		dbtest.Write(t, pool, func(tx db.Tx) {
			if err := tx.Script(t.Context(), "CREATE TABLE cds_policies (id INTEGER, foo INTEGER)"); err != nil {
				t.Fatal(err)
			}
		})
		var te *policies.TableError
		if err := policies.Prepare(t.Context(), pool); !errors.As(err, &te) || !strings.Contains(err.Error(), "not ours") {
			t.Errorf("%v", err)
		}
	})
	m := parser.CompileString("m.cds", "@cds.persistence.name: 'x' entity cds_policies { key ID : Integer; }").Model
	if policies.Taken(m) == nil {
		t.Error("an entity over the table is not found")
	}
}

// Random policies leave nobody a row more, on either database, whatever way is taken.
func TestOnlyNarrowOnDatabases(t *testing.T) {
	onBoth(t, func(t *testing.T, pool db.Pool) {
		w := newWorld(t, pool, managed, model)
		rnd := rand.New(rand.NewPCG(3, 5))
		pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
		paths := []string{"Orders?$select=ID&$orderby=ID", "Items?$select=ID&$orderby=ID", "Customers?$select=ID&$orderby=ID", "Customers?$select=ID&$filter=orders/any(o:o/total gt 0)", "Customers(1)/orders?$select=ID"}
		seen := func(who, path string) map[float64]bool {
			status, body := w.ask(who, "GET", "/odata/v4/shop/"+path, "")
			var v struct{ Value []struct{ ID float64 } }
			if out := map[float64]bool{}; status == 200 && json.Unmarshal([]byte(body), &v) == nil {
				for _, r := range v.Value {
					out[r.ID] = true
				}
				return out
			}
			return nil
		}
		before := map[string]map[float64]bool{}
		for _, who := range []string{"ann", "root", "eve"} {
			for _, p := range paths {
				before[who+p] = seen(who, p)
			}
		}
		fewer := 0
		for range 25 {
			n := 1 + rnd.IntN(3)
			for i := range n {
				p := map[string]any{"id": fmt.Sprint("p", i), "entity": pick("my.Shop.Orders", "my.Shop.Customers", "my.Shop.Items", "*"), "effect": pick("restrict", "deny")}
				where := pick("$user = 'ann'", "1 = 1", "")
				if p["entity"] == "my.Shop.Orders" {
					where = pick("country = 'DE'", "total > 100", "owner = $user", "not (owner = 'ann')", "exists items[qty > 5]", "country != 'AT' or total is null", "customer.name = 'X'")
				}
				if where == "" && p["effect"] == "restrict" {
					where = "1 = 2"
				}
				p["where"] = where
				if rnd.IntN(2) == 0 {
					p["roles"] = []string{pick("clerk", "admin")}
				}
				b, _ := json.Marshal(p)
				w.add(string(b))
			}
			for _, who := range []string{"ann", "root", "eve"} {
				for _, p := range paths {
					now := seen(who, p)
					for id := range now {
						if !before[who+p][id] {
							t.Errorf("%s sees %v at %s, and not without policies", who, id, p)
						}
					}
					if len(now) < len(before[who+p]) {
						fewer++
					}
				}
			}
			for i := range n {
				w.want(204, "root", "DELETE", fmt.Sprint("/authz/policies/p", i), "")
			}
		}
		if fewer < 40 {
			t.Errorf("only %d lists became shorter", fewer)
		}
		for key, rows := range before {
			who, path := key[:3], key[3:]
			if who == "roo" {
				who, path = "root", key[4:]
			}
			if now := seen(who, path); len(now) != len(rows) {
				t.Errorf("%s %s: policies that are gone still hold", who, path)
			}
		}
	})
}

// The job looks from time to time, and ends with the application.
func TestStart(t *testing.T) {
	onBoth(t, func(t *testing.T, pool db.Pool) {
		w := newWorld(t, pool, managed, model)
		w.add(`{"id":"no","entity":"my.Shop.Orders","effect":"deny","roles":["clerk"]}`)
		looks := make(chan time.Duration)
		app, _ := cds.NewApp(w.s.CDS.Model, cds.AppOptions{Log: slog.New(slog.DiscardHandler), Now: w.clock.now, Sleep: func(ctx context.Context, d time.Duration) error {
			select {
			case looks <- d:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}})
		app.Connect(pool)
		m, err := policies.Open(t.Context(), app, pool, policies.Options{Parse: parser.ParseExpr, Refresh: 7 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		m.Start(app.NewContext(t.Context(), nil, ""))
		if err := app.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.want(204, "root", "DELETE", "/authz/policies/no", "")
		if d := <-looks; d != 7*time.Second {
			t.Errorf("it waits %s", d)
		}
		<-looks // it has looked
		if err := readable(app, "clerk"); err != nil {
			t.Errorf("%v", err)
		}
		if err := app.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestStartErrors(t *testing.T) {
	build := func(a func(*serve.App), authz map[string]any) error {
		app := serve.New(func() (*csn.Model, error) { return parser.CompileString("m.cds", model).Model, nil })
		app.Databases(sqlite.New())
		app.Strategies(strategies.Builtin())
		a(app)
		s, err := app.Build(t.Context(), serve.Options{FS: data, Env: []string{}, InMemory: true, Log: slog.New(slog.DiscardHandler),
			Overrides: config.Section{"requires": map[string]any{"auth": map[string]any{"kind": "mocked"}}, "authz": authz}})
		if s != nil {
			_ = s.Close()
		}
		return err
	}
	parse := func(a *serve.App) { a.Conditions(parser.ParseExpr) }
	for _, c := range []struct {
		app  func(*serve.App)
		p    any
		want string
	}{
		{func(*serve.App) {}, true, "app.Conditions(parser.ParseExpr)"},
		{parse, "extnd", "'narrow' or 'extend'"},
		{parse, map[string]any{"mod": "narrow"}, "did you mean mode?"},
		{parse, map[string]any{"refresh": "soon"}, "authz.policies.refresh"},
		{parse, map[string]any{"refresh": "2m"}, "authz.policies.stale"},
		{parse, map[string]any{"service": map[string]any{"role": "any"}}, "lets everybody"},
		{parse, map[string]any{"service": map[string]any{"path": "x"}}, "is no path"},
		{parse, map[string]any{"service": map[string]any{"path": "/odata/v4/shop/x"}}, "service my.Shop is served already"},
		{func(a *serve.App) { parse(a); a.HandleFunc("POST /own", func(http.ResponseWriter, *http.Request) {}) }, map[string]any{"service": map[string]any{"path": "/own"}}, "served already"},
		{parse, true, ""},
		{parse, "false", ""},
	} {
		err := build(c.app, map[string]any{"policies": c.p})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: %v, want %s", c.p, err, c.want)
		}
	}
}

// What is sent can be anything.
func FuzzPolicy(f *testing.F) {
	for _, s := range []string{`{"id":"a","entity":"*","effect":"deny"}`, `{"entity":"my.Shop.Orders","effect":"restrict","where":"exists items[qty > $user.level]","events":["READ"]}`, `{"where":"(((("}`} {
		f.Add(s)
	}
	pool, err := sqlite.New().Open(context.Background(), db.Config{URL: ":memory:"})
	if err != nil {
		f.Fatal(err)
	}
	defer pool.Close()
	app, _ := cds.NewApp(parser.CompileString("m.cds", model).Model, cds.AppOptions{Log: slog.New(slog.DiscardHandler)})
	app.Connect(pool)
	m, err := policies.Open(context.Background(), app, pool, policies.Options{Parse: parser.ParseExpr, Extend: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var p policies.Policy
		if json.Unmarshal([]byte(body), &p) != nil {
			return
		}
		if _, err := m.Check(&p); err != nil && !errors.Is(err, policies.ErrInvalid) {
			t.Errorf("%q: %v", body, err)
		}
	})
}
