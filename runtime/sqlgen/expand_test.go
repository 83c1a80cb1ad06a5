package sqlgen_test

import (
	"context"
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/db"
	"cds/runtime/sqlgen"

	"github.com/google/go-cmp/cmp"
)

// read compiles and runs a reading query and returns its rows as text.
func read(t testing.TB, m *csn.Model, p db.Pool, g sqlgen.Guarder, u user, q cqn.Query) (*sqlgen.Plan, []string) {
	t.Helper()
	plan, err := sqlgen.Compile(q, m, g, p.Dialect())
	if err != nil {
		t.Fatal(err)
	}
	_, lits := cqn.Shape(q)
	tx, err := p.Read(context.Background(), db.Session{UserID: u.id, Locale: u.locale, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	return plan, run(t, tx, plan, u, lits, nil, "")
}

func lit(n int) cqn.Expr { return &cqn.Lit{Value: cqn.Int(int64(n))} }

func cols(names ...string) []cqn.Column {
	out := make([]cqn.Column, len(names))
	for i, n := range names {
		out[i].X = cqn.NewRef(strings.Split(n, ".")...)
	}
	return out
}

func from(entity string) *cqn.From { return &cqn.From{Path: cqn.NewRef(entity)} }

func TestExpand_options(t *testing.T) {
	m, p := archive(t, "bookshop")
	tests := []struct {
		name   string
		column cqn.Column
		want   string
	}{
		{"where", cqn.Column{X: cqn.NewRef("reviews"), Expand: &cqn.Select{Columns: cols("text"), Where: expr(t, "rating > 4 and book.author.name = 'Emily'")}},
			"(book_ID)=1 text=great"},
		{"order", cqn.Column{X: cqn.NewRef("reviews"), Expand: &cqn.Select{Columns: cols("text"), OrderBy: []cqn.Order{{X: cqn.NewRef("rating")}}}},
			"(book_ID)=1 text=long; (book_ID)=1 text=great; (book_ID)=2 text=dark"},
		{"top", cqn.Column{X: cqn.NewRef("pages"), Expand: &cqn.Select{Columns: cols("no"), OrderBy: []cqn.Order{{X: cqn.NewRef("no"), Desc: true}}, Limit: lit(1)}},
			"(book_ID)=1 no=3; (book_ID)=2 no=1"},
		{"top and skip", cqn.Column{X: cqn.NewRef("pages"), Expand: &cqn.Select{Columns: cols("no"), Limit: lit(1), Offset: lit(1)}}, "(book_ID)=1 no=2"},
		{"skip", cqn.Column{X: cqn.NewRef("pages"), Expand: &cqn.Select{Columns: cols("no"), Offset: lit(1)}}, "(book_ID)=1 no=2; (book_ID)=1 no=3"},
		{"search", cqn.Column{X: cqn.NewRef("reviews"), Expand: &cqn.Select{Columns: cols("text"), Search: []string{"DAR"}}}, "(book_ID)=2 text=dark"},
		{"nested top", cqn.Column{X: cqn.NewRef("pages"), Expand: &cqn.Select{Columns: append(cols("no"), cqn.Column{X: cqn.NewRef("notes"), Expand: &cqn.Select{Columns: cols("text"), Limit: lit(1)}}),
			Limit: lit(1)}}, "(book_ID)=1 no=1 notes=#1; (book_ID)=2 no=1 notes=#1; children 1:; (page_book_ID)=1 (page_no)=1 text=n1; (page_book_ID)=2 (page_no)=1 text=n3"},
		{"filter of the step", cqn.Column{X: &cqn.Ref{Path: []cqn.Step{{Name: "reviews", Filter: expr(t, "rating = 2")}}}, Expand: &cqn.Select{Columns: cols("text")}},
			"(book_ID)=1 text=long"},
		{"over a to-one", cqn.Column{X: cqn.NewRef("author", "books"), As: "siblings", Expand: &cqn.Select{Columns: cols("ID")}},
			"(author_ID)=1 ID=1; (author_ID)=2 ID=2; (author_ID)=2 ID=3; (author_ID)=3 ID=4"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := &cqn.Select{From: from("my.Cat.Books"), Columns: []cqn.Column{{X: cqn.NewRef("ID")}, tt.column}, OrderBy: []cqn.Order{{X: cqn.NewRef("ID")}}}
			plan, rows := read(t, m, p, &guard{}, user{}, q)
			var got []string
			for _, r := range rows[5:] { // after the books and the head line
				got = append(got, strings.TrimSpace(r))
			}
			if d := cmp.Diff(tt.want, strings.Join(got, "; ")); d != "" {
				t.Errorf("%s\n%s", d, plan.Children[0].Plan.SQL)
			}
		})
	}
}

func TestExpand_count(t *testing.T) {
	m, p := archive(t, "bookshop")
	q := &cqn.Select{From: from("my.Cat.Books"), Columns: []cqn.Column{{X: cqn.NewRef("pages"), Count: true, Expand: &cqn.Select{Columns: cols("no")}}}}
	plan, err := sqlgen.Compile(q, m, &guard{}, p.Dialect())
	if err != nil {
		t.Fatal(err)
	}
	c := plan.Children[0]
	_, lits := cqn.Shape(q)
	tx, err := p.Read(context.Background(), db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	rows, err := tx.Query(context.Background(), db.Stmt{SQL: c.Plan.SQL, Binds: binds(t, c.Plan, user{}, lits, nil, [][]cqn.Value{{cqn.Int(1), cqn.Int(2)}})})
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	for {
		ok, err := rows.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		got = append(got, rows.Int(c.ChildKeys[0]), rows.Int(c.CountIndex))
	}
	if d := cmp.Diff([]int64{1, 3, 1, 3, 1, 3, 2, 1}, got); d != "" {
		t.Error(d)
	}
}

// With a page, the number stands in the parent's row: the page may be empty.
func TestExpand_countPaged(t *testing.T) {
	m, p := archive(t, "bookshop")
	nested := &cqn.Select{Columns: cols("no"), Where: expr(t, "no < 3"), Search: []string{"P"}, Limit: lit(0)}
	q := &cqn.Select{From: from("my.Cat.Books"), Columns: append(cols("ID"), cqn.Column{X: cqn.NewRef("pages"), Count: true, Expand: nested}), OrderBy: []cqn.Order{{X: cqn.NewRef("ID")}}}
	g := &guard{where: map[string]cqn.Expr{"my.Cat.Pages": expr(t, "no > 1 or book.ID = 2")}}
	plan, rows := read(t, m, p, g, user{}, q)
	want := []string{"ID=1 pages@odata.count=1 pages=#1", "ID=2 pages@odata.count=1 pages=#1", "ID=3 pages@odata.count=0 pages=#1", "ID=4 pages@odata.count=0 pages=#1", "  children 1:"}
	if d := cmp.Diff(want, rows); d != "" {
		t.Errorf("%s\n%s", d, plan.SQL)
	}
}

func TestExpand_unmanaged(t *testing.T) {
	m := compile(t, `
		entity A { key ID : Integer; lo : Integer; hi : Integer; kind : String;
			inRange : Association to many B on inRange.n >= lo and inRange.n <= hi;
			ofKind : Association to many B on ofKind.kind = kind and ofKind.n > 1;
			mine : Association to many B on mine.owner = $user and mine.kind = kind;
			first : Association to one B on first.kind = kind;
			byName : Association to B { name } }
		entity B { key ID : Integer; n : Integer; kind : String; owner : String; name : String }
		service S { entity Aa as projection on A; entity Bs as projection on B; }`)
	p := open(t)
	exec(t, p, script(t, m, p.Dialect())...)
	exec(t, p, "INSERT INTO A (ID, lo, hi, kind, byName_name) VALUES (1, 1, 2, 'x', 'same'), (2, 2, 9, 'y', NULL)",
		"INSERT INTO B (ID, n, kind, owner, name) VALUES (1, 1, 'x', 'alice', 'same'), (2, 2, 'x', 'bob', 'same'), (3, 3, 'y', 'alice', 'b')")
	for assoc, want := range map[string]string{
		"inRange": "(ID)=1 ID=1; (ID)=1 ID=2; (ID)=2 ID=2; (ID)=2 ID=3",
		"ofKind":  "(kind)=x ID=2; (kind)=y ID=3",
		"mine":    "(kind)=x ID=1; (kind)=y ID=3",
	} {
		q := &cqn.Select{From: from("S.Aa"), Columns: []cqn.Column{{X: cqn.NewRef("ID")}, {X: cqn.NewRef(assoc), Expand: &cqn.Select{Columns: cols("ID")}}}}
		plan, rows := read(t, m, p, &guard{}, user{id: "alice"}, q)
		var got []string
		for _, r := range rows[3:] {
			got = append(got, strings.TrimSpace(r))
		}
		if s := strings.Join(got, "; "); s != want {
			t.Errorf("%s: got %s\n%s", assoc, s, plan.Children[0].Plan.SQL)
		}
	}
	// To-one associations that lead to several rows must not multiply those of the query.
	for _, q := range []*cqn.Select{
		{From: from("S.Aa"), Columns: append(cols("ID"), cqn.Column{X: cqn.NewRef("first"), Expand: &cqn.Select{Columns: cols("ID")}})},
		{From: from("S.Aa"), Columns: append(cols("ID"), cqn.Column{X: cqn.NewRef("byName"), Expand: &cqn.Select{Columns: cols("ID")}})},
		{From: from("S.Aa"), Columns: append(cols("ID"), cqn.Column{X: cqn.NewRef("first", "n"), As: "n"}), Where: expr(t, "byName.ID > 0 or byName.ID is null")},
	} {
		plan, rows := read(t, m, p, &guard{where: map[string]cqn.Expr{"S.Bs": expr(t, "ID > 0")}}, user{}, q)
		if len(rows) != 2 {
			t.Errorf("%d rows: %v\n%s", len(rows), rows, plan.SQL)
		}
	}
}

func TestExpand_star(t *testing.T) {
	m, p := archive(t, "guard")
	g := &guard{hidden: map[string]bool{"my.S.Customers.country": true}}
	q := &cqn.Select{From: from("my.S.Orders"), Columns: []cqn.Column{{X: cqn.NewRef("customer"), Expand: &cqn.Select{}}}, Where: expr(t, "ID = 1")}
	if _, rows := read(t, m, p, g, user{}, q); strings.Join(rows, ";") != "customer={ID=1 name=Ann}" {
		t.Errorf("got %v", rows)
	}
	q.Columns[0].Expand.Columns = cols("country")
	if _, err := sqlgen.Compile(q, m, g, p.Dialect()); kindOf(err) != "forbidden" {
		t.Errorf("a hidden element in an expand: %v", err)
	}
}

func TestExpand_deep(t *testing.T) {
	m, p := archive(t, "bookshop")
	inner := &cqn.Select{Columns: cols("ID")}
	for range 40 {
		inner = &cqn.Select{Columns: []cqn.Column{{X: cqn.NewRef("children"), Expand: inner}}}
	}
	inner.From = from("my.Cat.Genres")
	if _, err := sqlgen.Compile(inner, m, &guard{}, p.Dialect()); kindOf(err) != "QUERY_TOO_DEEP" {
		t.Errorf("got %v", err)
	}
}

func TestExpand_refused(t *testing.T) {
	m, p := archive(t, "bookshop")
	for name, q := range map[string]*cqn.Select{
		"scalar":         {Columns: []cqn.Column{{X: cqn.NewRef("title"), Expand: &cqn.Select{}}}},
		"unknown":        {Columns: []cqn.Column{{X: cqn.NewRef("nope"), Expand: &cqn.Select{}}}},
		"past":           {Columns: []cqn.Column{{X: cqn.NewRef("reviews", "book"), Expand: &cqn.Select{}}}},
		"distinct":       {Distinct: true, Columns: []cqn.Column{{X: cqn.NewRef("author"), Expand: &cqn.Select{}}}},
		"value":          {Columns: []cqn.Column{{X: lit(1), Expand: &cqn.Select{}}}},
		"page of groups": {Columns: []cqn.Column{{X: cqn.NewRef("reviews"), Expand: &cqn.Select{Limit: lit(1), Columns: []cqn.Column{{X: &cqn.Call{Name: "count", Star: true}, As: "n"}}}}}},
	} {
		q.From = from("my.Cat.Books")
		if _, err := sqlgen.Compile(q, m, &guard{}, p.Dialect()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestSearch(t *testing.T) {
	m := compile(t, `
		entity A { key ID : Integer; name : String; b : Association to B; secret : String; memo : LargeString; }
		entity B { key ID : Integer; label : String; code : String; }
		service S {
			@cds.redirection.target entity Aa as projection on A;
			@cds.search: { name, b } entity Both as projection on A;
			@cds.search: { secret: false } entity Less as projection on A;
			@cds.redirection.target entity Bs as projection on B; }`)
	p := open(t)
	exec(t, p, script(t, m, p.Dialect())...)
	exec(t, p, "INSERT INTO B VALUES (1, 'Green', 'x%')", "INSERT INTO A (ID, name, b_ID, secret, memo) VALUES (1, 'Apple Tree', 1, 'hush', 'note'), (2, 'apple', NULL, 'tree', NULL)")
	tests := []struct {
		entity, words, want string
		g                   *guard
	}{
		{"S.Aa", "APPLE", "ID=1;ID=2", &guard{}},
		{"S.Aa", "apple tree", "ID=1;ID=2", &guard{}},
		{"S.Aa", "apple hush", "ID=1", &guard{}},
		{"S.Aa", "green", "", &guard{}},
		{"S.Aa", "note", "", &guard{}},
		{"S.Both", "green", "ID=1", &guard{}},
		{"S.Both", "hush", "", &guard{}},
		{"S.Both", "%", "ID=1", &guard{}},
		{"S.Both", "green", "", &guard{forbidden: map[string]bool{"S.Bs": true}}},
		{"S.Both", "green", "", &guard{where: map[string]cqn.Expr{"S.Bs": expr(t, "ID > 1")}}},
		{"S.Both", "green", "", &guard{hidden: map[string]bool{"S.Bs.label": true}}},
		{"S.Less", "hush", "", &guard{}},
		{"S.Aa", "hush", "", &guard{hidden: map[string]bool{"S.Aa.secret": true}}},
		{"S.Aa", "apple", "ID=2", &guard{where: map[string]cqn.Expr{"S.Aa": expr(t, "ID = 2")}}},
	}
	for _, tt := range tests {
		q := &cqn.Select{From: from(tt.entity), Columns: cols("ID"), Search: strings.Fields(tt.words), OrderBy: []cqn.Order{{X: cqn.NewRef("ID")}}}
		plan, rows := read(t, m, p, tt.g, user{}, q)
		if got := strings.Join(rows, ";"); got != tt.want {
			t.Errorf("%s %q: got %s, want %s\n%s", tt.entity, tt.words, got, tt.want, plan.SQL)
		}
	}
}
