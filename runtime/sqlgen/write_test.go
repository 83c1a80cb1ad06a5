package sqlgen_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/db"
	"cds/runtime/db/dbtest"
	"cds/runtime/sqlgen"

	"github.com/rogpeppe/go-internal/txtar"
)

// archive returns the model and the filled database of an archive of testdata.
func archive(t testing.TB, name string) (*csn.Model, db.Pool) {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name + ".txtar")
	if err != nil {
		t.Fatal(err)
	}
	var model, rows string
	for _, f := range txtar.Parse(data).Files {
		switch f.Name {
		case "model.cds":
			model = string(f.Data)
		case "data.sql":
			rows = string(f.Data)
		}
	}
	m := compile(t, model)
	p := open(t)
	exec(t, p, script(t, m, p.Dialect())...)
	exec(t, p, rows)
	return m, p
}

func compile(t testing.TB, text string) *csn.Model {
	t.Helper()
	res := parser.CompileString("model.cds", text)
	if res.Model == nil {
		t.Fatalf("%v", res.Diags)
	}
	return res.Model
}

func expr(t testing.TB, text string) cqn.Expr {
	t.Helper()
	x, diags := parser.ParseExpr(text)
	if x == nil {
		t.Fatalf("%s: %v", text, diags)
	}
	return x
}

func row(kv ...any) *cqn.Row {
	r := cqn.NewRow()
	for i := 0; i < len(kv); i += 2 {
		v := cqn.Null
		switch x := kv[i+1].(type) {
		case int:
			v = cqn.Int(int64(x))
		case string:
			v = cqn.String(x)
		case cqn.Value:
			v = x
		}
		r.Set(kv[i].(string), v)
	}
	return r
}

// write compiles and runs a writing query and returns the number of rows.
func write(t testing.TB, m *csn.Model, p db.Pool, g sqlgen.Guarder, u user, q cqn.Query, data *cqn.Row) (int64, *sqlgen.Plan, error) {
	t.Helper()
	plan, err := sqlgen.Compile(q, m, g, p.Dialect())
	if err != nil {
		return 0, nil, err
	}
	_, lits := cqn.Shape(q)
	tx, err := p.Write(context.Background(), db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	n, err := tx.Exec(context.Background(), db.Stmt{SQL: plan.SQL, Binds: binds(t, plan, u, lits, data, nil)})
	if err != nil {
		t.Fatalf("%v\n%s", err, plan.SQL)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	return n, plan, nil
}

func TestInsert(t *testing.T) {
	m, p := archive(t, "bookshop")
	data := row("ID", 9, "title", "New", "author_ID", 1, "dims_width", 7, "price", cqn.Decimal("1.50"))
	n, plan, err := write(t, m, p, &guard{}, user{}, &cqn.Insert{Into: "my.Cat.Books", Rows: []*cqn.Row{data}}, data)
	if err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if want := "INSERT INTO my_Books (ID, title, author_ID, dims_width, price) VALUES (?1, ?2, ?3, ?4, ?5)"; plan.SQL != want {
		t.Errorf("got %s", plan.SQL)
	}
	renamed := row("ID", 10, "name", "Renamed")
	if _, _, err := write(t, m, p, &guard{}, user{}, &cqn.Insert{Into: "my.Cat.Cheap", Rows: []*cqn.Row{renamed}}, renamed); err != nil {
		t.Fatal(err)
	}
	got := dbtest.Rows(t, p, db.Session{}, "SELECT ID, title, author_ID, dims_width, price FROM my_Books WHERE ID > 8")
	if strings.Join(got, ";") != "9|New|1|7|1.5;10|Renamed|∅|∅|∅" {
		t.Errorf("rows are %v", got)
	}
}

func TestInsert_refused(t *testing.T) {
	m, p := archive(t, "bookshop")
	tests := []struct {
		name, into string
		row        *cqn.Row
		g          *guard
		kind       string
	}{
		{"unknown element", "my.Cat.Books", row("ID", 1, "nope", 2), &guard{}, "UNKNOWN_ELEMENT"},
		{"association", "my.Cat.Books", row("author", 1), &guard{}, "UNKNOWN_ELEMENT"},
		{"nested", "my.Cat.Books", row("title", cqn.OfRow(row("a", 1))), &guard{}, "INVALID_QUERY"},
		{"computed column", "my.Cat.Cheap", row("ID", 1, "writer", "x"), &guard{}, "not updatable"},
		{"virtual", "my.Cat.Books", row("rating", 1), &guard{}, "not updatable"},
		{"forbidden", "my.Cat.Books", row("ID", 1), &guard{forbidden: map[string]bool{"my.Cat.Books": true}}, "forbidden"},
		{"forbidden element", "my.Cat.Books", row("ID", 1, "stock", 1), &guard{hidden: map[string]bool{"my.Cat.Books.stock": true}}, "forbidden"},
		{"unknown entity", "my.Nope", row("ID", 1), &guard{}, "UNKNOWN_ENTITY"},
		{"nothing", "my.Cat.Books", nil, &guard{}, "INVALID_QUERY"},
	}
	for _, tt := range tests {
		_, err := sqlgen.Compile(&cqn.Insert{Into: tt.into, Rows: []*cqn.Row{tt.row}}, m, tt.g, p.Dialect())
		if kindOf(err) != tt.kind {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}

func kindOf(err error) string {
	var f *sqlgen.Forbidden
	var e *sqlgen.Error
	switch {
	case errors.As(err, &f):
		return "forbidden"
	case errors.Is(err, sqlgen.ErrNotUpdatable):
		return "not updatable"
	case errors.As(err, &e):
		return e.Code
	case err == nil:
		return ""
	}
	return err.Error()
}

func keyed(entity string, key string, t testing.TB) *cqn.Ref {
	return &cqn.Ref{Path: []cqn.Step{{Name: entity, Filter: expr(t, key)}}}
}

func TestUpdate(t *testing.T) {
	m, p := archive(t, "guard")
	us := &guard{where: map[string]cqn.Expr{"my.S.Orders": expr(t, "country = $user.country")}}
	alice := user{id: "alice", attrs: map[string][]string{"country": {"US"}}}
	data := row("title", "changed")
	tests := []struct {
		name string
		q    *cqn.Update
		g    *guard
		rows int64
		sql  string
	}{
		{"own", &cqn.Update{Entity: keyed("my.S.Orders", "ID = 2", t), Data: data}, us, 1, "UPDATE my_Orders AS t1 SET title = "},
		{"foreign", &cqn.Update{Entity: keyed("my.S.Orders", "ID = 1", t), Data: data}, us, 0, ""},
		{"all own", &cqn.Update{Entity: cqn.NewRef("my.S.Orders"), Data: data}, us, 1, ""},
		{"condition", &cqn.Update{Entity: cqn.NewRef("my.S.Orders"), Where: expr(t, "amount > 50 and customer.country = 'US'"), Data: data}, &guard{}, 1, ""},
		{"hidden by path", &cqn.Update{Entity: cqn.NewRef("my.S.Orders"), Where: expr(t, "customer.name = 'Bert'"), Data: data},
			&guard{where: map[string]cqn.Expr{"my.S.Customers": expr(t, "country = 'DE'")}}, 0, ""},
		{"with", &cqn.Update{Entity: keyed("my.S.Orders", "ID = 1", t), With: []cqn.Assignment{{Name: "amount", X: expr(t, "amount - 1")}, {Name: "title", X: expr(t, "customer.name")}}},
			&guard{}, 1, "UPDATE my_Orders AS t1 SET amount = t1.amount - "},
		{"over a path", &cqn.Update{Entity: &cqn.Ref{Path: []cqn.Step{{Name: "my.S.Customers", Filter: expr(t, "ID = 1")}, {Name: "orders", Filter: expr(t, "ID = 3")}}}, Data: data},
			&guard{}, 1, "UPDATE my_Orders AS t3 SET title = ?3 WHERE t3.ID IN (SELECT t1.ID FROM my_S_Orders AS t1 "},
		{"over a hidden path", &cqn.Update{Entity: &cqn.Ref{Path: []cqn.Step{{Name: "my.S.Customers", Filter: expr(t, "ID = 2")}, {Name: "orders", Filter: expr(t, "ID = 2")}}}, Data: data},
			&guard{where: map[string]cqn.Expr{"my.S.Customers": expr(t, "country = 'DE'")}}, 0, ""},
		{"composite key", &cqn.Update{Entity: &cqn.Ref{Path: []cqn.Step{{Name: "my.S.Orders", Filter: expr(t, "ID = 1")}, {Name: "approvers", Filter: expr(t, "user = 'bob'")}}},
			Data: row("level", 7)}, &guard{}, 1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, plan, err := write(t, m, p, tt.g, alice, tt.q, tt.q.Data)
			if err != nil {
				t.Fatal(err)
			}
			if n != tt.rows || !strings.HasPrefix(plan.SQL, tt.sql) {
				t.Errorf("%d rows by %s", n, plan.SQL)
			}
		})
	}
	got := dbtest.Rows(t, p, db.Session{}, "SELECT ID, title, amount FROM my_Orders ORDER BY ID")
	if strings.Join(got, ";") != "1|Ann|9.0;2|changed|100.0;3|changed|∅;4|four|1000.0" {
		t.Errorf("rows are %v", got)
	}
}

func TestUpdate_view(t *testing.T) {
	m := compile(t, `
		entity T { key ID : Integer; a : String; b : Integer; r : Association to T; }
		entity J as select from T as x join T as y on x.ID = y.b { key x.ID, y.a };
		service S {
			entity Part as select from T { key ID as id, a as name, r } where b > 1;
			entity Deep as projection on Part { id as key1, name as label, r };
			@cds.redirection.target entity Whole as projection on T;
			entity Joined as projection on J;
			entity Grouped as select from T { key a, count(*) as n : Integer } group by a;
		}`)
	p := open(t)
	exec(t, p, script(t, m, p.Dialect())...)
	exec(t, p, "INSERT INTO T (ID, a, b) VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3)")
	g := &guard{where: map[string]cqn.Expr{"S.Deep": expr(t, "label != 'three'")}}
	data := row("label", "new")
	n, plan, err := write(t, m, p, g, user{}, &cqn.Update{Entity: cqn.NewRef("S.Deep"), Data: data}, data)
	if err != nil || n != 1 {
		t.Fatalf("%d rows, %v", n, err)
	}
	if want := "UPDATE T AS t2 SET a = ?2 WHERE t2.ID IN (SELECT t1.key1 FROM S_Deep AS t1 WHERE t1.label IS NOT ?1)"; plan.SQL != want {
		t.Errorf("got %s", plan.SQL)
	}
	n, plan, err = write(t, m, p, &guard{}, user{}, &cqn.Delete{From: keyed("S.Whole", "ID = 3", t)}, nil)
	if err != nil || n != 1 || plan.SQL != "DELETE FROM T AS t1 WHERE t1.ID = ?1" {
		t.Errorf("%d rows, %v, %v", n, err, plan)
	}
	if got := dbtest.Rows(t, p, db.Session{}, "SELECT ID, a FROM T"); strings.Join(got, ";") != "1|one;2|new" {
		t.Errorf("rows are %v", got)
	}
	for _, e := range []string{"S.Joined", "S.Grouped", "J"} {
		if _, err := sqlgen.Compile(&cqn.Delete{From: cqn.NewRef(e)}, m, &guard{}, p.Dialect()); kindOf(err) != "not updatable" {
			t.Errorf("%s: got %v", e, err)
		}
		if _, err := sqlgen.Compile(&cqn.Insert{Into: e, Rows: []*cqn.Row{row("a", "x")}}, m, &guard{}, p.Dialect()); kindOf(err) != "not updatable" {
			t.Errorf("insert into %s: got %v", e, err)
		}
	}
}

// A projection may declare other keys than its table. Rows beyond those that the conditions let through must not change with them.
func TestChange_otherKeys(t *testing.T) {
	m := compile(t, `
		entity T { key ID : Integer; kind : String; owner : String; }
		service S {
			entity Kinds as select from T { key kind, ID, owner } where ID < 100;
			entity Blind as select from T { key kind, owner } where ID < 100;
		}`)
	p := open(t)
	exec(t, p, script(t, m, p.Dialect())...)
	exec(t, p, "INSERT INTO T VALUES (1, 'x', 'alice'), (2, 'x', 'bob'), (3, 'y', 'alice')")
	g := &guard{where: map[string]cqn.Expr{"S.Kinds": expr(t, "owner = $user")}}
	if n, plan, err := write(t, m, p, g, user{id: "bob"}, &cqn.Delete{From: keyed("S.Kinds", "kind = 'x'", t)}, nil); err != nil || n != 1 {
		t.Errorf("%d rows, %v, %v", n, err, plan)
	}
	if got := dbtest.Rows(t, p, db.Session{}, "SELECT ID FROM T ORDER BY ID"); strings.Join(got, ";") != "1;3" {
		t.Errorf("left are %v", got)
	}
	if _, err := sqlgen.Compile(&cqn.Delete{From: cqn.NewRef("S.Blind")}, m, &guard{}, p.Dialect()); kindOf(err) != "not updatable" {
		t.Errorf("without the table's key: %v", err)
	}
}

func TestChange_asks(t *testing.T) {
	m, p := archive(t, "guard")
	for _, tt := range []struct {
		q    cqn.Query
		want string
	}{
		{&cqn.Update{Entity: keyed("my.S.Orders", "ID = 1", t), Data: row("title", "x")}, "update my.S.Orders"},
		{&cqn.Delete{From: keyed("my.S.Orders", "ID = 1", t)}, "delete my.S.Orders"},
		{&cqn.Insert{Into: "my.S.Orders", Rows: []*cqn.Row{row("ID", 7)}}, "insert my.S.Orders"},
		{&cqn.Delete{From: &cqn.Ref{Path: []cqn.Step{{Name: "my.S.Orders"}, {Name: "items"}}}}, "delete my.S.Items,path my.S.Orders"},
		{&cqn.Update{Entity: cqn.NewRef("my.S.Orders"), With: []cqn.Assignment{{Name: "title", X: expr(t, "customer.name")}}}, "update my.S.Orders,path my.S.Customers"},
	} {
		g := &guard{}
		if _, err := sqlgen.Compile(tt.q, m, g, p.Dialect()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(g.asked, ","); got != tt.want {
			t.Errorf("asked %s, want %s", got, tt.want)
		}
	}
	for _, q := range []cqn.Query{
		&cqn.Update{Entity: cqn.NewRef("my.S.Orders"), Data: row("owner", "me")},
		&cqn.Update{Entity: cqn.NewRef("my.S.Orders"), With: []cqn.Assignment{{Name: "owner", X: expr(t, "title")}}},
		&cqn.Update{Entity: cqn.NewRef("my.S.Orders"), With: []cqn.Assignment{{Name: "title", X: expr(t, "owner")}}},
		&cqn.Update{Entity: cqn.NewRef("my.S.Orders"), Where: expr(t, "owner = 'bob'"), Data: row("title", "x")},
	} {
		g := &guard{hidden: map[string]bool{"my.S.Orders.owner": true}}
		if _, err := sqlgen.Compile(q, m, g, p.Dialect()); kindOf(err) != "forbidden" {
			t.Errorf("a hidden element: got %v", err)
		}
	}
}

func TestCompile_refuses(t *testing.T) {
	m, p := archive(t, "guard")
	sel := &cqn.Select{From: &cqn.From{Path: cqn.NewRef("my.S.Orders")}}
	if _, err := sqlgen.Compile(sel, m, nil, p.Dialect()); err == nil {
		t.Error("a query without a guard was compiled")
	}
	if _, err := sqlgen.Compile(sel, m, denyNothing{}, p.Dialect()); kindOf(err) != "forbidden" {
		t.Errorf("the zero condition lets rows through: %v", err)
	}
	deep := cqn.Expr(expr(t, "ID = 1"))
	for range 10000 {
		deep = &cqn.Unary{Op: cqn.Not, X: deep}
	}
	for name, q := range map[string]cqn.Query{
		"upsert":   &cqn.Upsert{Into: "my.S.Orders"},
		"nothing":  nil,
		"no from":  &cqn.Select{},
		"no path":  &cqn.Select{From: &cqn.From{}},
		"deep":     &cqn.Select{From: &cqn.From{Path: cqn.NewRef("my.S.Orders")}, Where: deep},
		"empty in": &cqn.Select{From: &cqn.From{Path: cqn.NewRef("my.S.Orders")}, Where: &cqn.In{X: cqn.NewRef("ID"), Set: &cqn.Tuple{}, Negated: true}},
		"nil expr": &cqn.Select{From: &cqn.From{Path: cqn.NewRef("my.S.Orders")}, Where: &cqn.Binary{Op: cqn.And}},
		"update":   &cqn.Update{},
		"delete":   &cqn.Delete{},
	} {
		if _, err := sqlgen.Compile(q, m, &guard{}, p.Dialect()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// denyNothing is a faulty guard: its conditions are the zero value.
type denyNothing struct{}

func (denyNothing) Condition(*csn.Entity, sqlgen.Use) (sqlgen.Condition, error) {
	return sqlgen.Condition{}, nil
}
func (denyNothing) Element(*csn.Element, sqlgen.Use) error { return nil }
func (denyNothing) Key() string                            { return "" }
