package sqlgen_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/runtime/db/postgres"
	"cds/runtime/sqlgen"
)

// zeros is large data.
type zeros int64

func (z zeros) Size() int64                  { return int64(z) }
func (z zeros) Open() (io.ReadCloser, error) { return nil, errors.New("nobody reads it") }

func largeOf(name, el string, args ...cqn.Expr) cqn.Column {
	return cqn.Column{X: &cqn.Call{Name: name, Args: append([]cqn.Expr{cqn.NewRef(el)}, args...)}, As: "x"}
}

// Sizes, pieces and places of values are asked for under the guard, and not at all of elements that the user may not read.
func TestPlaces(t *testing.T) {
	m, p := archive(t, "bookshop")
	one := func(c cqn.Column) *cqn.Select {
		return &cqn.Select{From: from("my.Cat.Books"), Columns: []cqn.Column{c}, Where: expr(t, "ID = 7")}
	}
	lit := func(n int64) cqn.Expr { return &cqn.Lit{Value: cqn.Int(n)} }
	g := &guard{where: map[string]cqn.Expr{"my.Cat.Books": expr(t, "stock > 3")}}
	for _, c := range []cqn.Column{largeOf("cds.size", "cover"), largeOf("cds.piece", "cover", lit(1), lit(10)), largeOf("cds.place", "cover")} {
		plan, err := sqlgen.Compile(one(c), m, g, p.Dialect())
		if err != nil || !strings.Contains(plan.SQL, "stock > ") || !strings.Contains(plan.SQL, "ID = ") {
			t.Errorf("%v: %+v %v", c.X, plan, err)
		}
		hidden := &guard{hidden: map[string]bool{"my.Cat.Books.cover": true}}
		if _, err := sqlgen.Compile(one(c), m, hidden, p.Dialect()); kindOf(err) != "forbidden" {
			t.Errorf("%v: %v", c.X, err)
		}
	}
	all := one(largeOf("cds.pieces", "cover", lit(1), lit(100), lit(10)))
	if plan, err := sqlgen.Compile(all, m, g, postgres.Dialect()); err != nil || strings.Index(plan.SQL, "stock > ") > strings.Index(plan.SQL, ") AS s(x)") || len(plan.Binds) != 5 {
		t.Errorf("all pieces: %+v %v", plan, err)
	}
	if _, err := sqlgen.Compile(all, m, &guard{hidden: map[string]bool{"my.Cat.Books.cover": true}}, postgres.Dialect()); kindOf(err) != "forbidden" {
		t.Errorf("all pieces of a hidden element: %v", err)
	}
	if _, err := sqlgen.Compile(all, m, g, p.Dialect()); !errors.Is(err, sqlgen.ErrNotUpdatable) {
		t.Errorf("all pieces on SQLite: %v", err)
	}
	plan, err := sqlgen.Compile(one(largeOf("cds.place", "cover")), m, g, p.Dialect())
	if err != nil || plan.Place.Table != "my_Books" || plan.Place.Column != "cover" || !strings.HasPrefix(plan.SQL, "SELECT t2.rowid FROM my_Books AS t2 WHERE t2.ID IN (SELECT t1.ID ") {
		t.Errorf("%+v %v", plan, err)
	}
	for name, q := range map[string]*cqn.Select{
		"computed":       {From: from("my.Cat.Books"), Columns: []cqn.Column{largeOf("cds.place", "title || 'x'")}},
		"missing":        {From: from("my.Cat.Books"), Columns: []cqn.Column{largeOf("cds.place", "nothing")}},
		"no entity":      {From: from("my.Nothing"), Columns: []cqn.Column{largeOf("cds.place", "cover")}},
		"beside another": {From: from("my.Cat.Books"), Columns: []cqn.Column{largeOf("cds.place", "cover"), {X: cqn.NewRef("ID")}}},
		"derived":        {From: &cqn.Derived{Query: one(cqn.Column{X: cqn.NewRef("cover")}), As: "d"}, Columns: []cqn.Column{largeOf("cds.place", "cover")}},
	} {
		if _, err := sqlgen.Compile(q, m, &guard{}, p.Dialect()); err == nil {
			t.Errorf("%s: has a place", name)
		}
	}
	if _, err := sqlgen.Compile(one(largeOf("cds.place", "cover")), m, g, postgres.Dialect()); !errors.Is(err, sqlgen.ErrNotUpdatable) {
		t.Errorf("PostgreSQL: %v", err)
	}
}

// A write of large data tells the rows that they are to be filled into, where the database keeps rows by number.
func TestLargeWrites(t *testing.T) {
	m, p := archive(t, "bookshop")
	data := cqn.NewRow(cqn.Field{Name: "title", Value: cqn.String("x")}, cqn.Field{Name: "cover", Value: cqn.OfBlob(zeros(9))})
	upd := &cqn.Update{Entity: cqn.NewRef("my.Cat.Books"), Where: expr(t, "ID = 7"), Data: data}
	ins := &cqn.Insert{Into: "my.Cat.Books", Rows: []*cqn.Row{data}}
	for _, q := range []cqn.Query{upd, ins} {
		plan, err := sqlgen.Compile(q, m, &guard{}, p.Dialect())
		if err != nil || len(plan.Blobs) != 1 || plan.Blobs[0].Table != "my_Books" || plan.Blobs[0].Column != "cover" || plan.Binds[plan.Blobs[0].Bind].Column != "cover" ||
			!strings.HasSuffix(plan.SQL, " RETURNING rowid") {
			t.Errorf("%+v %v", plan, err)
		}
		if plan, err = sqlgen.Compile(q, m, &guard{}, postgres.Dialect()); err != nil || len(plan.Blobs) != 0 || strings.Contains(plan.SQL, "RETURNING") {
			t.Errorf("PostgreSQL: %+v %v", plan, err)
		}
		if _, err := sqlgen.Compile(q, m, &guard{hidden: map[string]bool{"my.Cat.Books.cover": true}}, p.Dialect()); kindOf(err) != "forbidden" {
			t.Errorf("hidden: %v", err)
		}
	}
	// Few data are a write of their own: the plan of one must not serve the other.
	small := &cqn.Update{Entity: upd.Entity, Where: upd.Where, Data: cqn.NewRow(cqn.Field{Name: "title", Value: cqn.String("x")}, cqn.Field{Name: "cover", Value: cqn.Bytes(nil)})}
	a, _ := cqn.Shape(upd)
	b, _ := cqn.Shape(small)
	if a == b {
		t.Error("the same shape")
	}
}
