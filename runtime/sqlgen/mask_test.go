package sqlgen_test

import (
	"errors"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/sqlgen"
)

// masks is a guard under which titles are masked.
type masks struct{ guard }

func (masks) Element(e *csn.Element, use sqlgen.Use) error {
	if e.Name != "title" {
		return nil
	}
	return &sqlgen.Forbidden{Entity: e.Owner.Name, Element: e.Name, Mask: &sqlgen.Mask{X: &cqn.Lit{Value: cqn.String("***")}, Text: "'***'"}}
}

// TestMaskInSubquery: what a mask shows leaves a subquery to be shown, and for nothing else.
func TestMaskInSubquery(t *testing.T) {
	m, p := archive(t, "bookshop")
	books := func(columns ...string) *cqn.Select {
		return &cqn.Select{From: from("my.Cat.Books"), Columns: cols(columns...)}
	}
	eq := func(l, r cqn.Expr) cqn.Expr { return &cqn.Binary{Op: cqn.Eq, L: l, R: r} }
	title := cqn.NewRef("title")
	derived := func(q cqn.Query, set func(*cqn.Select)) *cqn.Select {
		s := &cqn.Select{From: &cqn.Derived{Query: q, As: "d"}, Columns: cols("ID")}
		set(s)
		return s
	}
	shown := func(s *cqn.Select) { s.Columns = cols("ID", "title") }
	filtered := func(s *cqn.Select) { s.Where = eq(title, &cqn.Lit{Value: cqn.String("***")}) }
	twice := derived(books("ID", "title"), shown)
	union := &cqn.SetOp{Op: "union", Args: []cqn.Query{&cqn.Select{From: from("my.Cat.Books"), Columns: []cqn.Column{{X: cqn.NewRef("ID")}, {X: cqn.NewRef("descr"), As: "title"}}}, books("ID", "title")}}
	scalar := &cqn.Subquery{Query: books("title")}
	for _, tt := range []struct {
		name    string
		q       *cqn.Select
		refused bool
	}{
		{"shown", derived(books("ID", "title"), shown), false},
		{"all shown", derived(books(), func(s *cqn.Select) { s.Columns = []cqn.Column{{Star: true}} }), false},
		{"shown twice", derived(twice, shown), false},
		{"union shown", derived(union, shown), false},
		{"filtered", derived(books("ID", "title"), filtered), true},
		{"filtered twice", derived(twice, filtered), true},
		{"filtered union", derived(union, filtered), true},
		{"sorted", derived(books("ID", "title"), func(s *cqn.Select) { s.OrderBy = []cqn.Order{{X: title}} }), true},
		{"grouped", derived(books("ID", "title"), func(s *cqn.Select) { s.Columns, s.GroupBy = cols("title"), []cqn.Expr{title} }), true},
		{"computed", derived(books("ID", "title"), func(s *cqn.Select) { s.Columns = []cqn.Column{{X: callOf("length", title), As: "n"}} }), true},
		{"null test", derived(books("ID", "title"), func(s *cqn.Select) { s.Where = &cqn.Unary{Op: cqn.IsNull, X: title} }), true},
		{"value", &cqn.Select{From: from("my.Cat.Books"), Columns: cols("ID"), Where: eq(cqn.NewRef("descr"), scalar)}, true},
		{"set", &cqn.Select{From: from("my.Cat.Books"), Columns: cols("ID"), Where: &cqn.In{X: cqn.NewRef("descr"), Set: scalar}}, true},
		{"exists", &cqn.Select{From: from("my.Cat.Books"), Columns: cols("ID"), Where: &cqn.Subquery{Query: books("title"), Exists: true}}, false},
	} {
		_, err := sqlgen.Compile(tt.q, m, &masks{}, p.Dialect())
		var f *sqlgen.Forbidden
		switch {
		case tt.refused && (!errors.As(err, &f) || f.Element != "title"):
			t.Errorf("%s: %v, not refused", tt.name, err)
		case !tt.refused && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// goMasks is a guard under which a function of the application masks titles.
type goMasks struct{ guard }

func (goMasks) Element(e *csn.Element, use sqlgen.Use) error {
	if e.Name != "title" {
		return nil
	}
	return &sqlgen.Forbidden{Entity: e.Owner.Name, Element: e.Name, Mask: &sqlgen.Mask{X: &cqn.Lit{}, Computed: true, Func: "short"}}
}

// TestMaskByFunction: a plan says which of its columns, and of those that are expanded, a function of the application masks, and where the value is.
func TestMaskByFunction(t *testing.T) {
	m, p := archive(t, "bookshop")
	books := &cqn.Select{Columns: cols("ID", "title")}
	for _, q := range []*cqn.Select{
		{From: from("my.Cat.Books"), Columns: cols("ID", "title")},
		{From: from("my.Cat.Authors"), Columns: []cqn.Column{{X: cqn.NewRef("ID")}, {X: cqn.NewRef("books"), Expand: books}}},
	} {
		plan, err := sqlgen.Compile(q, m, &goMasks{}, p.Dialect())
		if err != nil {
			t.Fatal(err)
		}
		for len(plan.Children) > 0 {
			if len(plan.Masked) != 0 {
				t.Errorf("%v is masked", plan.Masked)
			}
			plan = plan.Children[0].Plan
		}
		if len(plan.Masked) != 1 || plan.Masked[0].Name != "title" || plan.Masked[0].Mask.Func != "short" || plan.Masked[0].Mask.Value == plan.Masked[0].Index {
			t.Errorf("masked: %v", plan.Masked)
		}
	}
}
