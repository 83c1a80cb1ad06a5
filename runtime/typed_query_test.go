package cds

import (
	"context"
	"testing"

	"cds/parser/cqn"
)

type tBooks struct {
	Entity[tBook]
	ID     Col[tBook, int32]
	Title  Col[tBook, string]
	Author ToOne[tBook, tAuthor]
	Items  ToMany[tBook, tAuthor]
}

var (
	books      = tBooks{NewEntity[tBook]("S.Books"), "ID", "title", "author", "items"}
	authorName = Col[tAuthor, string]("name")
	viaAuthor  = Col[tBook, string]("author.name")
)

// recorder is a Runner that keeps the queries and answers with prepared results.
type recorder struct {
	got     []cqn.Query
	answers []*Result
}

func (r *recorder) Run(_ context.Context, q cqn.Query) (*Result, error) {
	r.got = append(r.got, q)
	if len(r.answers) == 0 {
		return &Result{}, nil
	}
	res := r.answers[0]
	r.answers = r.answers[1:]
	return res, nil
}

func TestSelectBuildsCQN(t *testing.T) {
	rec := &recorder{}
	_, err := From(rec, books).
		Where(books.ID.Gt(3), Or(viaAuthor.Eq("Poe"), Not(books.Title.IsNull()))).
		Where(books.Items.Any(authorName.In("a", "b")), Contains(books.Title, "x")).
		Expand(books.Author, books.Items.With(From(rec, EntityRef[tAuthor](NewEntity[tAuthor]("S.Authors"))).Where(authorName.Ne("c")).Limit(2))).
		OrderBy(viaAuthor.Desc(), books.ID.Asc()).Limit(10).Offset(5).
		All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sel := rec.got[0].(*cqn.Select)
	items := sel.Columns[2].Expand
	for _, c := range []struct{ what, got, want string }{
		{"from", cqn.Format(sel.From.(*cqn.From).Path), "S.Books"},
		{"where", cqn.Format(sel.Where), "ID > 3 and (author.name = 'Poe' or not title is null) and exists items[name in ('a', 'b')] and contains(title, 'x')"},
		{"expand", cqn.Format(sel.Columns[1].X) + " " + cqn.Format(sel.Columns[2].X), "author items"},
		{"nested where", cqn.Format(items.Where), "name != 'c'"},
		{"nested limit", cqn.Format(items.Limit), "2"},
		{"order", cqn.Format(sel.OrderBy[0].X) + " " + cqn.Format(sel.OrderBy[1].X), "author.name ID"},
		{"limit", cqn.Format(sel.Limit) + " " + cqn.Format(sel.Offset), "10 5"},
	} {
		if c.got != c.want {
			t.Errorf("%s is\n  %s\nwant\n  %s", c.what, c.got, c.want)
		}
	}
	if !sel.Columns[0].Star || !sel.OrderBy[0].Desc || sel.OrderBy[1].Desc || items.From != nil {
		t.Errorf("query is %+v", sel)
	}
}

func TestEmptyConditionsNeverMeanAllRows(t *testing.T) {
	rec := &recorder{}
	for name, run := range map[string]func() error{
		"where":          func() error { _, err := From(rec, books).Where(Pred[tBook]{}).All(t.Context()); return err },
		"and of nothing": func() error { _, err := From(rec, books).Where(And[tBook]()).All(t.Context()); return err },
		"not of nothing": func() error { _, err := From(rec, books).Where(Not(Pred[tBook]{})).One(t.Context()); return err },
		"any of nothing": func() error { _, err := From(rec, books).Where(books.Items.Any()).Count(t.Context()); return err },
		"one of two": func() error {
			_, err := From(rec, books).Where(Or(books.ID.Eq(1), Pred[tBook]{})).All(t.Context())
			return err
		},
		"update, none":    func() error { _, err := Modify(rec, books).Set(books.ID.To(1)).Exec(t.Context()); return err },
		"update, empty":   func() error { _, err := Modify(rec, books).Where(Pred[tBook]{}).All().Exec(t.Context()); return err },
		"delete, none":    func() error { _, err := DeleteFrom(rec, books).Exec(t.Context()); return err },
		"delete, where()": func() error { _, err := DeleteFrom(rec, books).Where().Exec(t.Context()); return err },
	} {
		if err := run(); err == nil {
			t.Errorf("%s: ran", name)
		}
	}
	if len(rec.got) > 0 {
		t.Errorf("%d queries ran", len(rec.got))
	}
}

func TestInOfNothingIsFalse(t *testing.T) {
	b, ok := books.ID.In().Expr().(*cqn.Binary)
	if !ok || b.Op != cqn.Eq || b.L.(*cqn.Lit).Value.Equal(b.R.(*cqn.Lit).Value) {
		t.Errorf("x in () is %v", b)
	}
}

func TestAllReadsAllPages(t *testing.T) {
	page := func(more bool, next int64, ids ...int64) *Result {
		res := &Result{More: more, Next: next}
		for _, id := range ids {
			res.Rows = append(res.Rows, row("ID", cqn.Int(id)))
		}
		return res
	}
	rec := &recorder{answers: []*Result{page(true, 2, 1, 2), page(true, 4, 3, 4), page(false, 0, 5)}}
	rows, err := From(rec, books).All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 5 || rows[4].ID.Or(0) != 5 {
		t.Errorf("%d rows", len(rows))
	}
	if off := rec.got[2].(*cqn.Select).Offset.(*cqn.Lit).Value.Int(); off != 4 {
		t.Errorf("third page begins at %d", off)
	}
	rec.answers = []*Result{page(true, 2, 1, 2)}
	if rows, _ := From(rec, books).Limit(2).All(t.Context()); len(rows) != 2 {
		t.Errorf("Limit(2) gave %d rows", len(rows))
	}
}

func TestOneOfNoneIs404(t *testing.T) {
	_, err := From(&recorder{}, books).Where(books.ID.Eq(1)).One(t.Context())
	if e := AsError(err); e.Status != 404 {
		t.Errorf("error is %v", err)
	}
}

func TestWritesBuildCQN(t *testing.T) {
	rec := &recorder{answers: []*Result{{Rows: []*Row{row("ID", cqn.Int(9))}}, {Affected: 2}, {Affected: 1}}}
	added, err := InsertInto(rec, books, &tBook{Title: Some("x")}).Exec(t.Context())
	if err != nil || len(added) != 1 || added[0].ID.Or(0) != 9 {
		t.Fatalf("insert: %v, %v", added, err)
	}
	n, err := Modify(rec, books).Where(books.ID.Eq(1)).Set(books.ID.Minus(2), books.Title.To("y")).Exec(t.Context())
	if err != nil || n != 2 {
		t.Fatalf("update: %d, %v", n, err)
	}
	u := rec.got[1].(*cqn.Update)
	if len(u.With) != 1 || u.With[0].Name != "ID" || u.Data.Value("title").Str() != "y" || u.Where == nil {
		t.Errorf("update is %+v", u)
	}
	if n, err = DeleteFrom(rec, books).All().Exec(t.Context()); err != nil || n != 1 {
		t.Fatalf("delete: %d, %v", n, err)
	}
}

func TestCallsOutsideAnAppSaySo(t *testing.T) {
	if _, err := From(InService("S"), books).All(context.Background()); err == nil {
		t.Error("a query ran without an app")
	}
}
