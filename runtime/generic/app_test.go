package generic_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"cds/parser"
	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/authz"
	"cds/runtime/db"
	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgtest"
	"cds/runtime/db/sqlite"
	"cds/runtime/generic"
	"cds/runtime/rls"
	"cds/runtime/sqlgen/ddl"
)

// An app is a served model on a database of its own, for tests.
type app struct {
	*cds.App
	t   *testing.T
	log bytes.Buffer
	ids int
}

var clock = time.Date(2024, 5, 6, 7, 8, 9, 123456789, time.UTC)

// newApp compiles a model, deploys it with some SQL as data, and starts it after register has had its turn.
func newApp(t *testing.T, model, data string, opt cds.AppOptions, register func(*cds.App)) *app {
	t.Helper()
	res := parser.CompileString("test.cds", model)
	if res.Model == nil {
		t.Fatalf("model: %v", res.Diags)
	}
	a := &app{t: t}
	opt.Authz.Strict = true
	opt.Log = slog.New(slog.NewTextHandler(&a.log, nil))
	opt.Now = func() time.Time { return clock }
	opt.NewUUID = func() string { a.ids++; return fmt.Sprintf("00000000-0000-7000-8000-%012d", a.ids) }
	core, diags := cds.NewApp(res.Model, opt)
	if core == nil {
		t.Fatalf("policy: %v", diags)
	}
	a.App = core
	generic.Install(core)
	if register != nil {
		register(core)
	}
	ctx := context.Background()
	pool := openPool(t)
	script, err := ddl.Create(res.Model, pool.Dialect())
	if err != nil {
		t.Fatal(err)
	}
	tx, err := pool.Write(ctx, db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := tx.Script(ctx, strings.Join(script, ";\n")+";\n"+data); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	core.Connect(lockRows(t, core, pool))
	if err := core.Start(ctx); err != nil {
		t.Fatal(err)
	}
	return a
}

// lockRows puts row-level security on the tables and connects as a role that is held to it, where tests are to run so: CDS_TEST_DB=postgres-rls.
func lockRows(t *testing.T, core *cds.App, owner db.Pool) db.Pool {
	t.Helper()
	if !withRows || !onPostgres {
		return owner
	}
	const role = "cds_generic_test"
	ctx := context.Background()
	schema, diags := rls.Compile(core.Model, core.Policy, owner.Dialect())
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	key, err := db.NewRowKey("a secret of these tests, and no other")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := pgtest.Shared(t).As(ctx, opened[owner], role)
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Apply(ctx, owner, rls.Application{Role: role, Key: key}); err != nil {
		t.Fatal(err)
	}
	claims := make([]cds.Claim, len(schema.Claims))
	for i, c := range schema.Claims {
		claims[i] = cds.Claim(c)
	}
	core.RowSecurity(claims)
	cfg.RowKey = key
	pool, err := postgres.New().Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	return pool
}

// withRows makes newApp use row-level security: CDS_TEST_DB=postgres-rls.
var withRows = os.Getenv("CDS_TEST_DB") == "postgres-rls"

// onPostgres makes newApp use PostgreSQL: set by TestOnPostgres, or by CDS_TEST_DB=postgres for all tests.
var onPostgres = os.Getenv("CDS_TEST_DB") == "postgres" || withRows

// opened says how the pools of tests were opened.
var opened = map[db.Pool]db.Config{}

// openPool returns an empty database, which goes with the test.
func openPool(t *testing.T) db.Pool {
	t.Helper()
	driver, cfg := db.Driver(sqlite.New()), db.Config{URL: ":memory:"}
	if onPostgres {
		driver, cfg = postgres.New(), pgtest.Open(t)
	}
	pool, err := driver.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { delete(opened, pool); _ = pool.Close() })
	opened[pool] = cfg
	return pool
}

// TestOnPostgres runs the tests whose subject reaches the database on PostgreSQL too.
func TestOnPostgres(t *testing.T) {
	if onPostgres {
		t.Skip("all tests run on PostgreSQL")
	}
	onPostgres = true
	defer func() { onPostgres = false }()
	for _, tt := range bothDatabases {
		t.Run(tt.name, tt.run)
	}
}

// bothDatabases are the tests for TestOnPostgres.
var bothDatabases = []struct {
	name string
	run  func(*testing.T)
}{
	{"transactions and nested calls", TestTransactionsAndNestedCalls},
	{"tx", TestTx},
	{"users of one transaction", TestUsersOfOneTransaction},
	{"times of one transaction", TestTimesOfOneTransaction},
	{"assertions", TestAssertions},
	{"targets of nested rows", TestDeepTargets},
	{"field control", TestFieldControl},
	{"deletion of many", TestRemoveMany},
	{"deletion asks the whole", TestRemoveAsksTheWhole},
	{"deletion asks first", TestRemoveAsksFirst},
	{"deletion by other keys", TestRemoveByOtherKeys},
	{"deletion from views", TestRemoveFromView},
	{"native SQL", TestNative},
	{"assertions of updates", TestAssertionsOfUpdates},
	{"flows", TestFlows},
	{"events", TestEvents},
	{"temporal reads", TestTemporalReads},
	{"media", TestMediaFromCode},
	{"unique constraints", TestUniqueConstraints},
	{"read-only on condition", TestReadOnlyOnCondition},
	{"diff", TestDiff},
	{"query builder", TestQueryBuilder},
	{"writes by query builder", TestWritesByQueryBuilder},
	{"errors of deep inserts", TestDeepInsertErrors},
}

func user(id string, roles ...string) *auth.User {
	return auth.New(auth.User{ID: id, Attrs: map[string][]string{}}, roles...)
}

// as returns a context for calls as a user.
func (a *app) as(u *auth.User) context.Context {
	return a.NewContext(context.Background(), u, "")
}

// A req describes a request in few words.
type req struct {
	event  cds.Event
	path   string // "Svc.Orders(1)/items(2)": keys in parentheses, one per segment, integers or text
	data   *cds.Row
	user   *auth.User
	upsert bool
	match  []string
	format *cds.Format
	query  func(*cqn.Select)
	count  bool
	locale string
}

// do sends a request as a door would.
func (a *app) do(q req) (*cds.Result, error) {
	a.t.Helper()
	svc, rest, _ := strings.Cut(q.path, ".")
	s := a.Service(svc)
	if s == nil {
		a.t.Fatalf("no service %s", svc)
	}
	if q.user == nil {
		q.user = auth.Anonymous
	}
	r := &cds.RawRequest{Event: q.event, Data: q.data, User: q.user, Upsert: q.upsert, MustExist: !q.upsert, IfMatch: q.match, Format: q.format,
		HTTP: httptest.NewRequest("GET", "/", nil), Count: q.count, Locale: q.locale}
	ref := &cqn.Ref{}
	one := false
	for i, seg := range strings.Split(rest, "/") {
		name, key, keyed := strings.Cut(strings.TrimSuffix(seg, ")"), "(")
		var keys *cds.Row
		if op := r.Target; op != nil && op.Action(name) != nil {
			r.Op, r.Event = op.Action(name), cds.Event(name)
			break
		}
		if i == 0 {
			if op := s.Model.Operation(name); op != nil {
				r.Op, r.Event = op, cds.Event(name)
				break
			}
			r.Target = s.Model.Entity(name)
		} else {
			via := r.Target.Element(name)
			if via == nil {
				a.t.Fatalf("no element %s", name)
			}
			r.Via, r.Target = append(r.Via, via), via.Assoc().Target
		}
		if r.Target == nil {
			a.t.Fatalf("no entity %s", name)
		}
		st := cqn.Step{Name: name}
		if i == 0 {
			st.Name = r.Target.Name
		}
		if keyed {
			k := r.Target.Keys[len(r.Target.Keys)-1]
			v := cqn.String(key)
			if n := 0; func() bool { _, err := fmt.Sscanf(key, "%d", &n); return err == nil && len(key) < 10 }() {
				v = cqn.Int(int64(n))
			}
			keys = cqn.NewRow(cqn.Field{Name: k.Name, Value: v})
			st.Filter = &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef(k.Name), R: &cqn.Lit{Value: v}}
		}
		one = keyed
		ref.Path = append(ref.Path, st)
		r.Path = append(r.Path, r.Target)
		r.Params = append(r.Params, cds.Keys{Entity: r.Target, Values: keys})
	}
	switch {
	case r.Op != nil && r.Target == nil:
	case r.Event == authz.Update:
		r.Query = &cqn.Update{Entity: ref, Data: r.Data}
	case r.Event == authz.Delete:
		r.Query = &cqn.Delete{From: ref}
	default:
		sel := &cqn.Select{From: &cqn.From{Path: ref}, One: one && r.Event == authz.Read}
		if q.query != nil {
			q.query(sel)
		}
		r.Query = sel
	}
	return s.Dispatch(context.Background(), r)
}

// status returns the status of an error, 200 for none.
func status(err error) int {
	var e *cds.Error
	switch {
	case err == nil:
		return 200
	case errors.As(err, &e):
		return e.Status
	}
	return -1
}

// want checks the status of an answer.
func (a *app) want(q req, code int) (*cds.Result, *cds.Error) {
	a.t.Helper()
	res, err := a.do(q)
	if got := status(err); got != code {
		a.t.Fatalf("%s %s: status %d, want %d: %v\n%s", q.event, q.path, got, code, err, a.log.String())
	}
	var e *cds.Error
	errors.As(err, &e)
	return res, e
}

// sql returns the rows of a table as text: fields by comma, rows by semicolon.
func (a *app) sql(entity string, cols ...string) string {
	a.t.Helper()
	sel := &cqn.Select{From: &cqn.From{Path: cqn.NewRef(entity)}}
	for _, c := range cols {
		sel.Columns = append(sel.Columns, cqn.Column{X: cqn.NewRef(c)})
		sel.OrderBy = append(sel.OrderBy, cqn.Order{X: cqn.NewRef(c)})
	}
	res, err := cds.DB(a.as(nil)).Run(a.as(nil), sel)
	if err != nil {
		a.t.Fatal(err)
	}
	var rows []string
	for _, r := range res.Rows {
		var fs []string
		for _, f := range r.Fields() {
			fs = append(fs, f.Value.Format())
		}
		rows = append(rows, strings.Join(fs, ","))
	}
	return strings.Join(rows, ";")
}

// row makes a row of names and values.
func row(kv ...any) *cds.Row {
	r := cqn.NewRow()
	for i := 0; i < len(kv); i += 2 {
		r.Set(kv[i].(string), value(kv[i+1]))
	}
	return r
}

func value(v any) cqn.Value {
	switch v := v.(type) {
	case nil:
		return cqn.Null
	case int:
		return cqn.Int(int64(v))
	case string:
		return cqn.String(v)
	case bool:
		return cqn.Bool(v)
	case float64:
		return cqn.Float(v)
	case *cds.Row:
		return cqn.OfRow(v)
	case []*cds.Row:
		return cqn.OfRows(v)
	case []any:
		var l []cqn.Value
		for _, x := range v {
			l = append(l, value(x))
		}
		return cqn.List(l)
	}
	panic(fmt.Sprintf("%T", v))
}

func text(r *cds.Row) string {
	return string(cds.Format{OData: true, DecimalStrings: true}.AppendRow(nil, nil, r))
}
