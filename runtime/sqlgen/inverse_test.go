package sqlgen_test

import (
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/runtime/sqlgen"
)

// A composition child without a rule of its own follows its root: its condition asks for a parent that satisfies the root's.
func TestExists_inverse(t *testing.T) {
	m, p := archive(t, "guard")
	root := expr(t, "country = $user.country and customer.country = 'DE'")
	child := &cqn.Exists{Inverse: "my.S.Orders", Path: cqn.NewRef("items"), Pred: root}
	g := &guard{where: map[string]cqn.Expr{"my.S.Orders": root, "my.S.Items": child,
		"my.S.Orders.approvers": &cqn.Exists{Inverse: "my.S.Orders", Path: cqn.NewRef("approvers"), Pred: root}}}
	alice := user{id: "alice", attrs: map[string][]string{"country": {"DE", "US"}}}
	q := &cqn.Select{From: from("my.S.Items"), Columns: cols("ID"), OrderBy: []cqn.Order{{X: cqn.NewRef("ID")}}}
	plan, rows := read(t, m, p, g, alice, q)
	if got := strings.Join(rows, ";"); got != "ID=11;ID=12" {
		t.Errorf("direct: %s\n%s", got, plan.SQL)
	}
	q = &cqn.Select{From: from("my.S.Products"), Columns: cols("ID")}
	q.Where = &cqn.Subquery{Exists: true, Query: &cqn.Select{From: &cqn.From{Path: cqn.NewRef("my.S.Items"), As: "i"}, Columns: cols("ID"), Where: expr(t, "i.qty = 20")}}
	if plan, rows = read(t, m, p, g, alice, q); len(rows) != 0 {
		t.Errorf("subquery: %v\n%s", rows, plan.SQL)
	}
	q = &cqn.Select{From: from("my.S.Orders.approvers"), Columns: cols("user")}
	if plan, rows = read(t, m, p, g, alice, q); strings.Join(rows, ";") != "user=bob" {
		t.Errorf("inline aspect: %v\n%s", rows, plan.SQL)
	}
	q = &cqn.Select{From: from("my.S.Customers"), Columns: append(cols("ID"), cqn.Column{X: cqn.NewRef("orders"), Expand: &cqn.Select{Columns: []cqn.Column{{X: cqn.NewRef("items"), Expand: &cqn.Select{Columns: cols("ID")}}}}})}
	plan, rows = read(t, m, p, g, alice, q)
	if got := strings.Join(rows, ";"); strings.Contains(got, "ID=21") || !strings.Contains(got, "ID=12") {
		t.Errorf("expand: %v\n%s", rows, plan.SQL)
	}
	data := row("qty", 1)
	n, plan, err := write(t, m, p, g, alice, &cqn.Update{Entity: cqn.NewRef("my.S.Items"), Data: data}, data)
	if err != nil || n != 2 {
		t.Errorf("update: %d rows, %v, %v", n, err, plan)
	}
}

func TestExists_refused(t *testing.T) {
	m, p := archive(t, "guard")
	for name, x := range map[string]cqn.Expr{
		"unknown parent": &cqn.Exists{Inverse: "my.S.Nope", Path: cqn.NewRef("items")},
		"no path":        &cqn.Exists{Inverse: "my.S.Orders"},
		"no association": &cqn.Exists{Inverse: "my.S.Orders", Path: cqn.NewRef("title")},
		"scalar":         &cqn.Exists{Path: cqn.NewRef("qty")},
		"nothing":        &cqn.Exists{},
		"unknown":        &cqn.Exists{Path: cqn.NewRef("nope")},
		"variable only":  &cqn.Exists{Path: cqn.NewRef("order"), Var: "o", Pred: &cqn.Exists{Path: cqn.NewRef("o")}},
	} {
		q := &cqn.Select{From: from("my.S.Items"), Where: x}
		if _, err := sqlgen.Compile(q, m, &guard{}, p.Dialect()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	m, p := archive(b, "bookshop")
	q := &cqn.Select{From: from("my.Cat.Books"), Columns: append(cols("ID", "title"), cqn.Column{X: cqn.NewRef("author"), Expand: &cqn.Select{Columns: cols("name")}}),
		Where: expr(b, "stock > 5 and author.name = 'x'"), Limit: lit(50)}
	g := &guard{where: map[string]cqn.Expr{"my.Cat.Books": expr(b, "status = $user.status")}}
	b.Run("shape", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			cqn.Shape(q)
		}
	})
	b.Run("compile", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if _, err := sqlgen.Compile(q, m, g, p.Dialect()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
