package generic_test

import (
	"fmt"
	"strings"
	"testing"

	cds "cds/runtime"
	"cds/runtime/ql"
)

const shelf = `
context db {
entity Books { key ID : Integer; title : String; stock : Integer; price : Decimal(9,2); author : Association to Authors; pages : Composition of many Pages on pages.book = $self; }
entity Pages { key ID : UUID; book : Association to Books; no : Integer; }
entity Authors { key ID : Integer; name : String; books : Association to many Books on books.author = $self; }
}
service Cat {
  @restrict: [{ grant: '*', where: 'stock < 100' }] @cds.redirection.target entity Books as projection on db.Books;
  entity Pages as projection on db.Pages; entity Authors as projection on db.Authors;
  @requires: 'any' @cds.query.limit: 2 entity Few as projection on db.Books { ID };
}`

const shelfData = `INSERT INTO db_Authors (ID, name) VALUES (1, 'Ann'), (2, 'Bob');
INSERT INTO db_Books (ID, title, stock, price, author_ID) VALUES (1, 'Wind', 5, 1.5, 1), (2, 'Water', 7, 2.5, 1), (3, 'Fire', 9, 3.5, 2), (4, 'Hidden', 500, 9, 2);`

func TestQueryBuilder(t *testing.T) {
	a := newApp(t, shelf, shelfData, cds.AppOptions{}, nil)
	ctx, s := a.as(user("u")), a.Service("Cat")
	show := func(q *ql.SelectQuery, r cds.Runner) string {
		t.Helper()
		rows, err := q.Rows(ctx, r)
		if err != nil {
			return fmt.Sprint(cds.AsError(err).Status)
		}
		var out []string
		for _, row := range rows {
			out = append(out, text(row))
		}
		return strings.Join(out, " ")
	}
	for _, tt := range []struct {
		name string
		q    *ql.SelectQuery
		want string
	}{
		{"columns, order", ql.Select("Books").Columns("ID", "author.name as by").OrderBy("stock desc"), `{"ID":3,"by":"Bob"} {"ID":2,"by":"Ann"} {"ID":1,"by":"Ann"}`},
		{"where", ql.Select("Books").Columns("ID").Where(ql.Gt("stock", 5), ql.StartsWith("title", "W")), `{"ID":2}`},
		{"or, not, in", ql.Select("Books").Columns("ID").Where(ql.Or(ql.Eq("ID", 1), ql.Not(ql.In("ID", 1, 2)))), `{"ID":1} {"ID":3}`},
		{"map", ql.Select("Books").Columns("ID").Where(ql.Where(map[string]any{"title": "Wind", "stock": 5})), `{"ID":1}`},
		{"path in condition", ql.Select("Books").Columns("ID").Where(ql.Eq("author.name", "Bob")), `{"ID":3}`},
		{"exists", ql.Select("Authors").Columns("ID").Where(ql.Exists("books", ql.Gt("stock", 8))), `{"ID":2}`},
		{"exists sees what the user sees", ql.Select("Authors").Columns("ID").Where(ql.Exists("books", ql.Gt("stock", 400))), ``},
		{"expression", ql.Select("Books").Columns("ID").Where(ql.Eq(ql.Plus("stock", 2), 9)), `{"ID":2}`},
		{"null", ql.Select("Books").Columns("ID").Where(ql.Eq("title", nil)), ``},
		{"group", ql.Select("Books").Columns("author_ID", ql.As(ql.Call("sum", "stock"), "n")).GroupBy("author_ID").Having(ql.Gt(ql.Call("count"), 1)), `{"author_ID":1,"n":12}`},
		{"distinct", ql.Select("Books").Columns("author_ID").Distinct().OrderBy("author_ID"), `{"author_ID":1} {"author_ID":2}`},
		{"limit", ql.Select("Books").Columns("ID").OrderBy("ID").Limit(1).Offset(1), `{"ID":2}`},
		{"search", ql.Select("Books").Columns("ID").Search("wat"), `{"ID":2}`},
		{"expand", ql.Select("Authors").Columns("name", ql.Expand("books", "ID")).Where(ql.Eq("ID", 2)), `{"name":"Bob","books":[{"ID":3}]}`},
		{"expand with", ql.Select("Authors").Columns("ID", ql.ExpandWith("books", ql.Select("").Columns("ID").Where(ql.Gt("stock", 5)).Limit(1))).OrderBy("ID"), `{"ID":1,"books":[{"ID":2}]} {"ID":2,"books":[{"ID":3}]}`},
		{"over a path", ql.SelectFrom(ql.Entity("Authors").If(ql.Eq("ID", 1)).To("books")).Columns("ID").OrderBy("ID"), `{"ID":1} {"ID":2}`},
		{"pages", ql.Select("Few"), `{"ID":1} {"ID":2} {"ID":3} {"ID":4}`},
		{"lock", ql.Select("Books").Columns("ID").Where(ql.Eq("ID", 1)).ForUpdate(), `{"ID":1}`},
		{"shared lock", ql.Select("Books").Columns("ID").Where(ql.Eq("ID", 1)).ForShare(), `{"ID":1}`},
		{"unknown entity", ql.Select("Bokks"), `404`},
		{"unknown element", ql.Select("Books").Columns("nope"), `400`},
		{"no value", ql.Select("Books").Where(ql.Eq("ID", struct{}{})), `500`},
		{"empty condition", ql.Select("Books").Where(ql.Expr{}), `500`},
		{"empty or", ql.Select("Books").Where(ql.Or()), `500`},
		{"injection", ql.Select("Books").Columns("ID").Where(ql.Eq("title", "' OR 1=1 --")), ``},
	} {
		if got := show(tt.q, s); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
	if got := show(ql.Select("db.Books").Columns("ID").OrderBy("ID"), cds.DB(ctx)); got != `{"ID":1} {"ID":2} {"ID":3} {"ID":4}` {
		t.Error(got)
	}
	n, err := ql.Select("Books").Where(ql.Gt("stock", 5)).Count(ctx, s)
	if err != nil || n != 2 {
		t.Errorf("%d, %v", n, err)
	}
	if row, err := ql.Select("Books").Where(ql.Eq("ID", 4)).One(ctx, s); row != nil || err != nil {
		t.Errorf("a hidden row: %v, %v", row, err)
	}
	pages := 0
	if err := ql.Select("Few").Each(ctx, s, func(rows []*cds.Row) error { pages++; return nil }); err != nil || pages != 2 {
		t.Errorf("%d pages, %v", pages, err)
	}
}

func TestWritesByQueryBuilder(t *testing.T) {
	a := newApp(t, shelf, shelfData, cds.AppOptions{}, nil)
	ctx, s := a.as(user("u")), a.Service("Cat")
	res, err := ql.Insert("Books", ql.Row{"ID": 10, "title": "Earth", "stock": 1, "price": 2.5, "pages": []ql.Row{{"no": 1}, {"no": 2}}}).
		Values([]string{"ID", "title", "stock"}, []any{11, "Air", 3}).Run(ctx, s)
	if err != nil || res.Affected != 2 || len(res.Rows) != 2 {
		t.Fatalf("%+v, %v", res, err)
	}
	if got := a.sql("db.Pages", "no", "book_ID"); got != "1,10;2,10" {
		t.Error(got)
	}
	n, err := ql.Update("Books").Set("stock", ql.Minus("stock", 1)).Set("title", "x").Where(ql.Ge("stock", 3)).Run(ctx, s)
	if err != nil || n != 4 { // not the hidden one
		t.Errorf("%d, %v", n, err)
	}
	if got := a.sql("db.Books", "ID", "stock", "title"); got != "1,4,x;10,1,Earth;11,2,x;2,6,x;3,8,x;4,500,Hidden" && got != "1,4,x;2,6,x;3,8,x;4,500,Hidden;10,1,Earth;11,2,x" {
		t.Error(got)
	}
	n, err = ql.Update("Books").Data(ql.Row{"title": "y", "pages": []ql.Row{{"no": 9}}}).Where(ql.Eq("ID", 10)).Run(ctx, s)
	if err != nil || n != 1 || a.sql("db.Pages", "no") != "9" {
		t.Errorf("%d, %v, %s", n, err, a.sql("db.Pages", "no"))
	}
	if _, err := ql.Upsert("Books", ql.Row{"ID": 10, "title": "z", "stock": 2}, ql.Row{"ID": 12, "title": "new", "stock": 1}).Run(ctx, s); err != nil {
		t.Error(err)
	}
	n, err = ql.Delete("Books").Where(ql.Gt("ID", 9)).Run(ctx, s)
	if err != nil || n != 3 || a.sql("db.Pages", "no") != "" {
		t.Errorf("%d, %v", n, err)
	}
	for name, err := range map[string]error{
		"update without condition": second(ql.Update("Books").Set("stock", 1).Run(ctx, s)),
		"delete without condition": second(ql.Delete("Books").Run(ctx, s)),
		"too few values":           second(ql.Insert("Books").Values([]string{"ID", "title"}, []any{1}).Run(ctx, s)),
		"a value without type":     second(ql.Insert("Books", ql.Row{"ID": make(chan int)}).Run(ctx, s)),
		"hidden row":               second(ql.Insert("Books", ql.Row{"ID": 4, "stock": 1}).Run(ctx, s)),
		"beyond the condition":     second(ql.Update("Books").Set("stock", 1000).Where(ql.Eq("ID", 1)).Run(ctx, s)),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }
