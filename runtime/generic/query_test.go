package generic_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

const capable = `
context db {
entity Books { key ID : Integer; title : String; stock : Integer; author : Association to Authors; }
entity Authors { key ID : Integer; name : String; books : Association to many Books on books.author = $self; }
}
service Cat {
  @Capabilities: { FilterRestrictions.NonFilterableProperties: ['stock'], SortRestrictions.NonSortableProperties: ['title', 'author'], ExpandRestrictions.NonExpandableProperties: ['author'] }
  entity Books as projection on db.Books;
  @Capabilities: { FilterRestrictions.Filterable: false, SortRestrictions.Sortable: false, ExpandRestrictions.Expandable: false, SearchRestrictions.Searchable: false }
  entity Closed as projection on db.Authors { *, books : redirected to Books };
  @Capabilities.FilterRestrictions.RequiredProperties: ['ID']
  @cds.redirection.target entity Authors as projection on db.Authors { *, books : redirected to Books };
  entity Sorted as projection on db.Books { *, title as name, author : redirected to Authors } order by stock desc, title;
}`

const capableData = `INSERT INTO db_Authors (ID, name) VALUES (1, 'A'), (2, 'B');
INSERT INTO db_Books (ID, title, stock, author_ID) VALUES (1, 'c', 5, 1), (2, 'b', 7, 1), (3, 'a', 5, 2);`

func where(x cqn.Expr) func(*cqn.Select) { return func(q *cqn.Select) { q.Where = x } }

func orderBy(names ...string) func(*cqn.Select) {
	return func(q *cqn.Select) {
		for _, n := range names {
			q.OrderBy = append(q.OrderBy, cqn.Order{X: cqn.NewRef(strings.Split(n, ".")...)})
		}
	}
}

func expand(name string, inner func(*cqn.Select)) func(*cqn.Select) {
	return func(q *cqn.Select) {
		sub := &cqn.Select{}
		if inner != nil {
			inner(sub)
		}
		q.Columns = []cqn.Column{{Star: true}, {X: cqn.NewRef(name), Expand: sub}}
	}
}

func TestCapabilitiesOfQueries(t *testing.T) {
	a := newApp(t, capable, capableData, cds.AppOptions{}, nil)
	for _, tt := range []struct {
		name, path string
		query      func(*cqn.Select)
		want       int
	}{
		{"plain", "Books", nil, 200},
		{"filter", "Books", where(eq("ID", 1)), 200},
		{"no filter", "Books", where(eq("stock", 1)), 400},
		{"no filter inside", "Books", where(&cqn.Binary{Op: cqn.Or, L: eq("ID", 1), R: &cqn.Unary{Op: cqn.Not, X: eq("stock", 1)}}), 400},
		{"sort", "Books", orderBy("stock"), 200},
		{"no sort", "Books", orderBy("stock", "title"), 400},
		{"no sort by path", "Books", orderBy("author.name"), 400},
		{"no expand", "Books", expand("author", nil), 400},
		{"closed", "Closed", nil, 200},
		{"closed filter", "Closed", where(eq("ID", 1)), 400},
		{"closed sort", "Closed", orderBy("ID"), 400},
		{"closed expand", "Closed", expand("books", nil), 400},
		{"closed search", "Closed", func(q *cqn.Select) { q.Terms = []cqn.Expr{cqn.NewRef("name")} }, 400},
		{"required", "Authors", nil, 400},
		{"required other", "Authors", where(&cqn.Unary{Op: cqn.IsNull, X: cqn.NewRef("name")}), 400},
		{"required given", "Authors", where(eq("ID", 1)), 200},
		{"by key", "Authors(1)", nil, 200},
		{"nested", "Authors(1)", expand("books", where(eq("stock", 1))), 400},
		{"nested sort", "Authors(1)", expand("books", orderBy("title")), 400},
		{"nested fine", "Authors(1)", expand("books", where(eq("ID", 1))), 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a.t = t
			a.want(req{event: authz.Read, path: "Cat." + tt.path, query: tt.query, user: user("u")}, tt.want)
		})
	}
	a.t = t
	// Code is not a client.
	if _, err := a.Service("Cat").Run(a.as(user("u")), &cqn.Select{From: &cqn.From{Path: cqn.NewRef("Closed")}, Where: eq("ID", 1)}); err != nil {
		t.Error(err)
	}
}

// TestOrderOfViews: the order of a projection is the order of the answer, behind the client's own, before the keys.
func TestOrderOfViews(t *testing.T) {
	a := newApp(t, capable, capableData, cds.AppOptions{}, nil)
	ids := func(q func(*cqn.Select)) string {
		t.Helper()
		sel := &cqn.Select{From: &cqn.From{Path: cqn.NewRef("Cat.Sorted")}}
		if q != nil {
			q(sel)
		}
		res, err := a.Service("Cat").Dispatch(a.as(user("u")), &cds.RawRequest{Event: authz.Read, Target: a.Model.Entity("Cat.Sorted"), Query: sel, HTTP: httptest.NewRequest("GET", "/", nil)})
		if err != nil {
			t.Fatal(err)
		}
		out := ""
		for _, r := range res.Rows {
			out += r.Value("ID").Format()
		}
		return out
	}
	if got := ids(nil); got != "231" { // stock 7; then 5 by title: a, c
		t.Error(got)
	}
	if got := ids(orderBy("author_ID")); got != "213" {
		t.Error(got)
	}
	if got := ids(func(q *cqn.Select) { q.OrderBy = []cqn.Order{{X: cqn.NewRef("stock")}} }); got != "312" {
		t.Error(got)
	}
}
