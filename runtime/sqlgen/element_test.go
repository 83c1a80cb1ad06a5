package sqlgen_test

import (
	"context"
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

// An element that may not be named is refused wherever a query names it, associations included, and left out where it is not named.
func TestElement(t *testing.T) {
	m, p := archive(t, "bookshop")
	books := func(cs ...cqn.Column) *cqn.Select { return &cqn.Select{From: from("my.Cat.Books"), Columns: cs} }
	ref := func(path ...string) cqn.Column { return cqn.Column{X: cqn.NewRef(path...)} }
	where := func(text string) *cqn.Select { q := books(ref("ID")); q.Where = expr(t, text); return q }
	for _, tt := range []struct {
		name, hidden string
		q            *cqn.Select
	}{
		{"association in exists", "my.Cat.Books.reviews", where("exists reviews")},
		{"association in any", "my.Cat.Books.reviews", where("reviews.rating > 1")},
		{"association in a path", "my.Cat.Books.author", where("author.name = 'x'")},
		{"association in the resource path", "my.Cat.Books.author", &cqn.Select{From: &cqn.From{Path: cqn.NewRef("my.Cat.Books", "author")}}},
		{"association in expand", "my.Cat.Books.author", books(cqn.Column{X: cqn.NewRef("author"), Expand: &cqn.Select{}})},
		{"to-many association in expand", "my.Cat.Books.reviews", books(cqn.Column{X: cqn.NewRef("reviews"), Expand: &cqn.Select{}})},
		{"association as a column", "my.Cat.Books.author", books(ref("author"))},
		{"key of the target by its foreign key", "my.Cat.Authors.ID", books(ref("author", "ID"))},
		{"part of a structure", "my.Cat.Books.dims_width", books(ref("dims", "width"))},
		{"in a nested expand", "my.Cat.Authors.name", books(cqn.Column{X: cqn.NewRef("author"), Expand: &cqn.Select{Columns: []cqn.Column{ref("name")}}})},
		{"in an inline projection", "my.Cat.Authors.name", books(cqn.Column{X: cqn.NewRef("author"), Inline: []cqn.Column{ref("name")}})},
		{"in having", "my.Cat.Books.stock", &cqn.Select{From: from("my.Cat.Books"), Columns: []cqn.Column{ref("ID")}, GroupBy: []cqn.Expr{cqn.NewRef("ID")}, Having: expr(t, "max(stock) > 1")}},
		{"in group by", "my.Cat.Books.stock", &cqn.Select{From: from("my.Cat.Books"), Columns: []cqn.Column{{X: &cqn.Call{Name: "count", Star: true}, As: "n"}}, GroupBy: []cqn.Expr{cqn.NewRef("stock")}}},
		{"in the order of an expand", "my.Cat.Reviews.rating", books(cqn.Column{X: cqn.NewRef("reviews"), Expand: &cqn.Select{OrderBy: []cqn.Order{{X: cqn.NewRef("rating")}}}})},
		{"in the filter of a path", "my.Cat.Authors.country", books(cqn.Column{X: &cqn.Ref{Path: []cqn.Step{{Name: "author", Filter: expr(t, "country = 'x'")}, {Name: "name"}}}})},
		{"in a key", "my.Cat.Books.stock", &cqn.Select{From: &cqn.From{Path: keyed("my.Cat.Books", "stock = 1", t)}}},
	} {
		g := &guard{hidden: map[string]bool{tt.hidden: true}}
		if _, err := sqlgen.Compile(tt.q, m, g, p.Dialect()); kindOf(err) != "forbidden" {
			t.Errorf("%s: got %v", tt.name, err)
		}
		if _, err := sqlgen.Compile(tt.q, m, &guard{}, p.Dialect()); err != nil {
			t.Errorf("%s, unguarded: %v", tt.name, err)
		}
	}
	for _, tt := range []struct {
		name, hidden string
		q            *cqn.Select
		not          string
	}{
		{"structure", "my.Cat.Books.dims_width", books(ref("dims")), "dims_width"},
		{"inlined *", "my.Cat.Authors.country", books(cqn.Column{X: cqn.NewRef("author"), Inline: []cqn.Column{{Star: true}}}), "country"},
		{"media type", "my.Cat.Books.coverType", books(ref("cover")), "coverType"},
	} {
		plan, err := sqlgen.Compile(tt.q, m, &guard{hidden: map[string]bool{tt.hidden: true}}, p.Dialect())
		if err != nil || strings.Contains(plan.SQL, tt.not) {
			t.Errorf("%s: %v, %+v", tt.name, err, plan)
		}
		if plan, err = sqlgen.Compile(tt.q, m, &guard{}, p.Dialect()); err != nil || !strings.Contains(plan.SQL, tt.not) {
			t.Errorf("%s, unguarded: %v, %+v", tt.name, err, plan)
		}
	}
}

// insertOnly is a guard whose condition holds for new rows too.
type insertOnly struct{ guard }

func (g *insertOnly) Condition(*csn.Entity, sqlgen.Use) (sqlgen.Condition, error) {
	return sqlgen.Where(cqn.NewRef("ID")), nil
}

func TestInsert_condition(t *testing.T) {
	m, p := archive(t, "bookshop")
	q := &cqn.Insert{Into: "my.Cat.Books", Rows: []*cqn.Row{row("ID", 1)}}
	if _, err := sqlgen.Compile(q, m, &insertOnly{}, p.Dialect()); kindOf(err) != "forbidden" {
		t.Errorf("a condition that the statement cannot hold was dropped: %v", err)
	}
}

// Guards of parents hold in the places that only conditions and expands reach.
func TestGuard_parents(t *testing.T) {
	m, p := archive(t, "guard")
	g := &guard{where: map[string]cqn.Expr{"my.S.Orders": expr(t, "ID = 2")}}
	q := &cqn.Select{From: from("my.S.Items"), Columns: cols("ID"), Where: &cqn.Exists{Inverse: "my.S.Orders", Path: cqn.NewRef("items")}}
	if plan, rows := read(t, m, p, g, user{}, q); strings.Join(rows, ";") != "ID=21" {
		t.Errorf("%v\n%s", rows, plan.SQL)
	}
	m = compile(t, `entity A { key ID : Integer; lo : Integer; above : Association to many B on above.n > lo; }
		entity B { key ID : Integer; n : Integer; }
		service S { entity Aa as projection on A; entity Bb as projection on B; }`)
	p = open(t)
	exec(t, p, script(t, m, p.Dialect())...)
	exec(t, p, "INSERT INTO A VALUES (1, 1), (2, 1)", "INSERT INTO B VALUES (1, 5)")
	g = &guard{where: map[string]cqn.Expr{"S.Aa": expr(t, "ID = 1")}}
	q = &cqn.Select{From: from("S.Aa"), Columns: []cqn.Column{{X: cqn.NewRef("above"), Expand: &cqn.Select{Columns: cols("ID")}}}}
	plan, err := sqlgen.Compile(q, m, g, p.Dialect())
	if err != nil {
		t.Fatal(err)
	}
	tx, err := p.Read(context.Background(), db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	// Asked for the children of a hidden parent, whose key the caller should not have.
	if rows := run(t, tx, plan.Children[0].Plan, user{}, nil, [][]cqn.Value{{cqn.Int(1), cqn.Int(2)}}, ""); strings.Join(rows, ";") != "(ID)=1 ID=1" {
		t.Errorf("%v\n%s", rows, plan.Children[0].Plan.SQL)
	}
}
