package sqlgen_test

import (
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/runtime/db/postgres"
	"cds/runtime/sqlgen"
)

func callOf(name string, args ...cqn.Expr) cqn.Expr { return &cqn.Call{Name: name, Args: args} }

// TestAggregate_sql: an aggregate reads the guarded rows themselves, where an index may serve; only a condition that may fail is kept from hidden rows.
func TestAggregate_sql(t *testing.T) {
	stock := cqn.NewRef("stock")
	quotient := &cqn.Binary{Op: cqn.Div, L: lit(100), R: stock}
	total := []cqn.Column{{X: cqn.NewRef("status"), As: "#1"}, {X: callOf("sum", quotient), As: "#2"}}
	for _, tt := range []struct {
		name, guard, want string
		q                 *cqn.Select
	}{
		{"grouped", "stock > 1", "SELECT t1.status, sum(($2::integer / t1.stock)) FROM my_Cat_Books AS t1 WHERE t1.stock > $1::bigint GROUP BY t1.status ORDER BY 2 DESC NULLS LAST LIMIT +$3::bigint",
			&cqn.Select{From: from("my.Cat.Books"), Columns: total, GroupBy: []cqn.Expr{cqn.NewRef("status")}, OrderBy: []cqn.Order{{X: cqn.NewRef("#2"), Desc: true}}, Limit: lit(5)}},
		{"grouped by a computed column", "stock > 1", "SELECT $2::integer / t1.stock, count(*) FROM my_Cat_Books AS t1 WHERE t1.stock > $1::bigint GROUP BY 1",
			&cqn.Select{From: from("my.Cat.Books"), Columns: []cqn.Column{{X: quotient, As: "#1"}, {X: &cqn.Call{Name: "count", Star: true}, As: "#2"}}, GroupBy: []cqn.Expr{cqn.NewRef("#1")}}},
		{"computed column", "stock > 1", "SELECT $2::integer / t1.stock FROM my_Cat_Books AS t1 WHERE t1.stock > $1::bigint",
			&cqn.Select{From: from("my.Cat.Books"), Columns: []cqn.Column{{X: quotient, As: "q"}}}},
	} {
		got := planSQL(t, tt.guard, tt.q)
		if got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
	q := &cqn.Select{From: from("my.Cat.Books"), Columns: cols("ID"), Where: &cqn.Binary{Op: cqn.Gt, L: quotient, R: lit(1)}}
	if got := planSQL(t, "stock > 1", q); !strings.Contains(got, "OFFSET 0") {
		t.Errorf("a condition that may fail: %s", got)
	}
	inner := &cqn.Select{From: from("my.Cat.Books"), Columns: []cqn.Column{{X: quotient, As: "#1"}}}
	q = &cqn.Select{From: &cqn.Derived{Query: inner, As: "r"}, Columns: cols("#1"), Where: &cqn.Binary{Op: cqn.Gt, L: cqn.NewRef("#1"), R: lit(1)}}
	if got := planSQL(t, "stock > 1", q); !strings.Contains(got, "OFFSET 0") {
		t.Errorf("a column that may become a condition: %s", got)
	}
}

// TestAnswer: values with a path of their own are nested, and columns say in which rows they are.
func TestAnswer(t *testing.T) {
	m, p := archive(t, "bookshop")
	q := &cqn.Select{From: from("my.Cat.Books"), Columns: []cqn.Column{
		{X: cqn.NewRef("genre", "name"), As: "#1", Out: []string{"genre", "name"}}, {X: cqn.NewRef("genre", "parent", "name"), As: "#2", Out: []string{"genre", "parent", "name"}, Variants: 2},
		{X: callOf("count", cqn.NewRef("ID")), As: "#3", Out: []string{"n"}, Variants: 1}, {X: lit(0), As: cqn.VariantColumn},
	}, GroupBy: []cqn.Expr{cqn.NewRef("genre", "name"), cqn.NewRef("genre", "parent", "name")}}
	plan, err := sqlgen.Compile(q, m, &guard{}, p.Dialect())
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Columns) != 3 {
		t.Fatalf("%+v", plan.Columns)
	}
	g, n, v := plan.Columns[0], plan.Columns[1], plan.Columns[2]
	if g.Name != "genre" || len(g.Nested) != 2 || g.Present != -1 || g.Variants != 0 || g.Nested[0].Name != "name" || g.Nested[1].Nested[0].Name != "name" || g.Nested[1].Variants != 2 {
		t.Errorf("%+v", g)
	}
	if n.Name != "n" || n.Variants != 1 || n.Variant != v.Index || !v.Hidden {
		t.Errorf("%+v %+v", n, v)
	}
}

// TestRelated: aggregates over related rows and searches as conditions are guarded like any other path.
func TestRelated(t *testing.T) {
	m, p := archive(t, "bookshop")
	rows := func(path ...string) cqn.Expr { return &cqn.Exists{Path: cqn.NewRef(path...)} }
	author := func(x cqn.Expr) *cqn.Select {
		return &cqn.Select{From: from("my.Cat.Authors"), Columns: []cqn.Column{{X: cqn.NewRef("ID")}, {X: x, As: "n"}}, OrderBy: []cqn.Order{{X: cqn.NewRef("ID")}}}
	}
	g := &guard{where: map[string]cqn.Expr{"my.Cat.Books": expr(t, "stock > 4")}}
	for _, tt := range []struct {
		name, want string
		q          *cqn.Select
	}{
		{"count", "ID=1 n=1; ID=2 n=1; ID=3 n=0", author(callOf("cds.count", rows("books")))},
		{"sum", "ID=1 n=12; ID=2 n=5; ID=3 n=null", author(callOf("cds.sum", rows("books"), cqn.NewRef("stock")))},
		{"max", "ID=1 n=Heights; ID=2 n=Raven; ID=3 n=null", author(callOf("cds.max", rows("books"), cqn.NewRef("title")))},
		{"number", "ID=1 n=1; ID=2 n=1; ID=3 n=0", author(callOf("cds.number", rows("books"), cqn.NewRef("status")))},
		{"nested", "ID=1 n=3; ID=2 n=1; ID=3 n=0", author(callOf("cds.count", rows("books", "pages")))},
		{"words", "ID=2 n=2", &cqn.Select{From: from("my.Cat.Authors"), Columns: []cqn.Column{{X: cqn.NewRef("ID")}, {X: cqn.NewRef("ID"), As: "n"}},
			Where: &cqn.Binary{Op: cqn.And, L: &cqn.Unary{Op: cqn.Not, X: callOf("cds.words", &cqn.Lit{Value: cqn.String("EMILY")})}, R: callOf("cds.words", &cqn.Lit{Value: cqn.String("us")})}}},
	} {
		_, got := read(t, m, p, g, user{}, tt.q)
		if s := strings.Join(got, "; "); s != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, s, tt.want)
		}
	}
	for name, q := range map[string]*cqn.Select{
		"forbidden": author(callOf("cds.count", rows("books", "reviews"))),
		"hidden":    author(callOf("cds.sum", rows("books"), cqn.NewRef("price"))),
	} {
		g := &guard{forbidden: map[string]bool{"my.Cat.Reviews": true}, hidden: map[string]bool{"my.Cat.Books.price": true}}
		if _, err := sqlgen.Compile(q, m, g, p.Dialect()); kindOf(err) != "forbidden" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, x := range map[string]cqn.Expr{
		"no path": callOf("cds.count", cqn.NewRef("ID")), "no value": callOf("cds.sum", rows("books")), "of texts": callOf("cds.sum", rows("books"), cqn.NewRef("title")), "sum of texts": callOf("sum", cqn.NewRef("name")),
		"inverse": callOf("cds.count", &cqn.Exists{Path: cqn.NewRef("books"), Inverse: "my.Cat.Books"}),
	} {
		if _, err := sqlgen.Compile(author(x), m, &guard{}, p.Dialect()); kindOf(err) == "" || kindOf(err) == "forbidden" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func planSQL(t *testing.T, where string, q *cqn.Select) string {
	t.Helper()
	model, _ := archive(t, "bookshop")
	plan, err := sqlgen.Compile(q, model, &guard{where: map[string]cqn.Expr{"my.Cat.Books": expr(t, where)}}, postgres.Dialect())
	if err != nil {
		t.Fatal(err)
	}
	return plan.SQL
}
