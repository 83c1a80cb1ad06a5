package generic_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

const list = `
context db { entity Books { key ID : Integer; title : String(100); price : Decimal(9,2); stock : Integer; at : Timestamp; genre : String; big : Int64; author : Association to Authors; }
entity Authors { key ID : Integer; name : String; books : Association to many Books on books.author = $self; } }
service Cat { @restrict: [{grant: 'READ', where: 'genre = $user.genre'}] entity Books as projection on db.Books; entity Authors as projection on db.Authors; }`

func listData(n int) string {
	var b strings.Builder
	b.WriteString("INSERT INTO db_Authors (ID, name) VALUES (1, 'One'), (2, 'Two');")
	for i := range n {
		fmt.Fprintf(&b, "INSERT INTO db_Books (ID, title, price, stock, at, genre, big, author_ID) VALUES (%d, 'Title ü %d', 11.5, %d, '2024-01-01T00:00:00.000Z', 'x', 9007199254740993, %d);", i, i, i%7, 1+i%2)
	}
	return b.String()
}

func readBooks(tb testing.TB, a *app, u *cds.User, top int64, sel func(*cqn.Select)) func() {
	s := a.Service("Cat")
	e := s.Model.Entity("Books")
	f := &cds.Format{OData: true, DecimalStrings: true}
	path := cqn.NewRef(e.Name)
	return func() {
		q := &cqn.Select{From: &cqn.From{Path: path}, Limit: &cqn.Lit{Value: cqn.Int(top)}}
		if sel != nil {
			sel(q)
		}
		res, err := s.Dispatch(context.Background(), &cds.RawRequest{Event: authz.Read, Target: e, Query: q, User: u, Format: f})
		if err != nil || res.N != int(top) {
			tb.Fatalf("%d rows: %v", res.N, err)
		}
	}
}

// Writing a row allocates nothing: what a page costs does not depend on its number of rows.
func TestRowsAllocateNothing(t *testing.T) {
	a := newApp(t, list, listData(400), cds.AppOptions{}, nil)
	u := user("bob")
	u.Attrs["genre"] = []string{"x"}
	few, many := readBooks(t, a, u, 2, nil), readBooks(t, a, u, 400, nil)
	few()
	many()
	nFew, nMany := testing.AllocsPerRun(50, few), testing.AllocsPerRun(50, many)
	t.Logf("allocations: %v for 2 rows, %v for 400 rows", nFew, nMany)
	if nMany > nFew+16 { // the buffer grows by doubling
		t.Errorf("%v allocations for 2 rows, %v for 400", nFew, nMany)
	}
	if nFew > 80 {
		t.Errorf("%v allocations for a page", nFew)
	}
}

func BenchmarkRead(b *testing.B) {
	t := &testing.T{}
	a := newApp(t, list, listData(1000), cds.AppOptions{}, nil)
	u := user("bob")
	u.Attrs["genre"] = []string{"x"}
	for _, n := range []int64{1, 20, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			read := readBooks(b, a, u, n, nil)
			b.ReportAllocs()
			for b.Loop() {
				read()
			}
		})
	}
}
