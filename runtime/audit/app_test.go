package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"cds/parser"
	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/audit"
	"cds/runtime/auth"
	"cds/runtime/db"
	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgtest"
	"cds/runtime/db/sqlite"
	"cds/runtime/generic"
	"cds/runtime/sqlgen/ddl"
)

const model = `
@PersonalData.EntitySemantics: 'DataSubject'
@PersonalData.DataSubjectRole: 'Customer'
entity shop.Customers {
  key ID : Integer;
  @PersonalData.FieldSemantics: 'DataSubjectID' email : String(100);
  @PersonalData.IsPotentiallyPersonal name : String(100);
  @PersonalData.IsPotentiallySensitive card : String(100);
  points : Integer default 0;
  owner : String(100);
  addresses : Composition of many shop.Addresses on addresses.customer = $self;
}
@PersonalData.EntitySemantics: 'DataSubjectDetails'
entity shop.Addresses {
  key ID : Integer;
  customer : Association to shop.Customers;
  @PersonalData.IsPotentiallyPersonal street : String(100);
}
@changelog: [title]
entity shop.Books {
  key ID : Integer;
  @changelog title : String(100);
  @changelog stock : Integer;
  @changelog cost : Integer;
  @changelog @title: '{i18n>hidden}' secret : String(100);
  note : String(100);
}
@requires: 'authenticated-user'
service S {
  @restrict: [{ grant: '*', to: 'admin' }, { grant: ['READ', 'UPDATE'], where: 'owner = $user' }]
  entity Customers as projection on shop.Customers;
  entity Addresses as projection on shop.Addresses;
  entity Books as projection on shop.Books actions {
    @changelog function changes() returns array of { createdAt : Timestamp; createdBy : String; attribute : String; label : String; objectID : String; modification : String; valueChangedFrom : String; valueChangedTo : String };
  };
  @cds.redirection.target: false entity Names as select from shop.Customers { key ID, name as called, card as paysWith };
  action elevate();
}
annotate S.Books with @restrict: [{ grant: '*', to: 'admin' }, { grant: ['READ', 'UPDATE', 'changes'], where: 'stock > 0' }];
annotate S.Books:cost with @requires: 'admin';
annotate S.Books:secret with @mask: { value: 'x', write: 'admin' };
annotate S.Names with @requires: 'admin';
`

const data = `INSERT INTO shop_Customers (ID, email, name, card, points, owner) VALUES (1, 'a@x', 'Ann', '4111', 1, 'ann'), (2, 'b@x', 'Bob', '4222', 2, 'bob'), (3, 'c@x', 'Cid', '4333', 3, 'cid');
INSERT INTO shop_Addresses (ID, customer_ID, street) VALUES (10, 1, 'High Street'), (20, 2, 'Low Street');
INSERT INTO shop_Books (ID, title, stock, note) VALUES (1, 'One', 5, 'n')`

var clock = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)

// An app is a served model with an audit log, on a database of its own.
type app struct {
	*cds.App
	t    *testing.T
	pool db.Pool
	log  *audit.Log
	text bytes.Buffer
	mu   sync.Mutex
	ids  int
}

func (a *app) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.text.Write(p)
}

func (a *app) newID() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ids++
	return fmt.Sprintf("00000000-0000-7000-8000-%012d", a.ids)
}

// both runs a test on both databases.
func both(t *testing.T, run func(t *testing.T, pool db.Pool)) {
	t.Run("sqlite", func(t *testing.T) { run(t, opened(t, sqlite.New(), db.Config{URL: ":memory:"})) })
	t.Run("postgres", func(t *testing.T) { run(t, opened(t, postgres.New(), pgtest.Open(t))) })
}

func sqliteOnly(t *testing.T) db.Pool { return opened(t, sqlite.New(), db.Config{URL: ":memory:"}) }

func opened(t *testing.T, d db.Driver, cfg db.Config) db.Pool {
	t.Helper()
	p, err := d.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func newApp(t *testing.T, pool db.Pool, opt audit.Options, register func(*cds.App)) *app {
	t.Helper()
	res := parser.CompileString("test.cds", model)
	if res.Model == nil {
		t.Fatalf("model: %v", res.Diags)
	}
	a := &app{t: t, pool: pool}
	o := cds.AppOptions{Log: slog.New(slog.NewTextHandler(a, nil)), Now: func() time.Time { return clock }, NewUUID: a.newID}
	o.Authz.Strict = true
	core, diags := cds.NewApp(res.Model, o)
	if core == nil {
		t.Fatalf("policy: %v", diags)
	}
	a.App = core
	generic.Install(core)
	if register != nil {
		register(core)
	}
	script, err := ddl.Create(core.Model, pool.Dialect())
	if err != nil {
		t.Fatal(err)
	}
	a.script(strings.Join(script, ";\n") + ";\n" + data)
	core.Connect(pool)
	opt.Now, opt.NewID, opt.Log, opt.Position = o.Now, a.newID, o.Log, func(string) string { return "test.cds:1" }
	if a.log, err = audit.Open(t.Context(), core.Model, pool, opt); err != nil {
		t.Fatal(err)
	}
	a.log.Start()
	t.Cleanup(func() { _ = a.log.Close() })
	core.Audit(a.log)
	a.log.ServeChanges(core)
	if err := core.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *app) script(sql string) {
	a.t.Helper()
	tx, err := a.pool.Write(a.t.Context(), db.Session{})
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := tx.Script(a.t.Context(), sql); err != nil {
		a.t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		a.t.Fatal(err)
	}
}

// rows returns the first column of a query.
func (a *app) rows(sql string) []string {
	a.t.Helper()
	tx, err := a.pool.Read(a.t.Context(), db.Session{})
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	rows, err := tx.Query(a.t.Context(), db.Stmt{SQL: sql})
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for {
		ok, err := rows.Next()
		if err != nil {
			a.t.Fatal(err)
		}
		if !ok {
			return out
		}
		out = append(out, string(rows.Text(0)))
	}
}

// records returns all records, without their ids and times.
func (a *app) records() string {
	a.t.Helper()
	var out []string
	for _, r := range a.rows("SELECT data FROM cds_audit ORDER BY id") {
		_, rest, _ := strings.Cut(r, `"event":`)
		out = append(out, `{"event":`+rest)
	}
	return strings.Join(out, "\n")
}

func (a *app) as(name string, roles ...string) context.Context {
	return a.NewContext(a.t.Context(), auth.New(auth.User{ID: name, Attrs: map[string][]string{}}, roles...), "")
}

func (a *app) run(ctx context.Context, q cqn.Query) (*cds.Result, error) {
	return a.Service("S").Run(ctx, q)
}

func (a *app) must(ctx context.Context, q cqn.Query) *cds.Result {
	a.t.Helper()
	res, err := a.run(ctx, q)
	if err != nil {
		a.t.Fatal(err)
	}
	return res
}

func status(err error) int {
	var e *cds.Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

func from(name string, columns ...string) *cqn.Select {
	q := &cqn.Select{From: &cqn.From{Path: cqn.NewRef(name)}}
	for _, c := range columns {
		q.Columns = append(q.Columns, cqn.Column{X: cqn.NewRef(strings.Split(c, ".")...)})
	}
	return q
}

func is(name string, v cqn.Value) cqn.Expr {
	return &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef(name), R: &cqn.Lit{Value: v}}
}

func row(pairs ...any) *cds.Row {
	r := cqn.NewRow()
	for i := 0; i < len(pairs); i += 2 {
		switch v := pairs[i+1].(type) {
		case int:
			r.Set(pairs[i].(string), cqn.Int(int64(v)))
		case string:
			r.Set(pairs[i].(string), cqn.String(v))
		case cqn.Value:
			r.Set(pairs[i].(string), v)
		}
	}
	return r
}
