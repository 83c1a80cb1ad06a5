package ast

import (
	"testing"

	"cds/parser/cqn"
)

func TestQueryCQN(t *testing.T) {
	name := func(s string) *Ident { return &Ident{Text: s} }
	q := &Query{
		From: &cqn.From{Path: cqn.NewRef("A")}, Distinct: true, HasColumns: true,
		Excluding: []Ident{{Text: "x"}},
		Columns: []*Column{
			{Star: true},
			{X: cqn.NewRef("a"), As: name("b"), Key: true, Type: &TypeExpr{Name: &Name{Text: "Decimal"}, Args: []string{"9", "2"}}},
			{X: cqn.NewRef("c"), HasExpand: true, Expand: []*Column{{X: cqn.NewRef("d")}}},
			{X: cqn.NewRef("e"), HasInline: true, Inline: []*Column{{Star: true}}, Excluding: []Ident{{Text: "f"}}},
		},
		Where: cqn.NewRef("w"),
	}
	s := q.CQN().(*cqn.Select)
	if !s.Distinct || len(s.Columns) != 4 || s.Exclude[0] != "x" || s.Where == nil || s.From == nil {
		t.Fatalf("%+v", s)
	}
	if c := s.Columns[1]; c.As != "b" || !c.Key || c.Cast.String() != "Decimal(9,2)" {
		t.Errorf("%+v, cast %v", c, c.Cast)
	}
	if c := s.Columns[2]; c.Expand == nil || len(c.Expand.Columns) != 1 || c.Expand.From != nil {
		t.Errorf("%+v", c)
	}
	if c := s.Columns[3]; len(c.Inline) != 1 || !c.Inline[0].Star || c.Exclude[0] != "f" || c.Expand != nil {
		t.Errorf("%+v", c)
	}
	u := (&Query{SetOp: "union", All: true, Args: []*Query{q, q}, Limit: &cqn.Lit{}}).CQN().(*cqn.SetOp)
	if u.Op != "union" || !u.All || len(u.Args) != 2 || u.Limit == nil {
		t.Errorf("%+v", u)
	}
	if _, ok := (*Query)(nil).CQN().(*cqn.Select); !ok {
		t.Error("a missing query has no form")
	}
}

func TestTypeName(t *testing.T) {
	for want, typ := range map[string]*TypeExpr{
		"":             nil,
		"String(10)":   {Name: &Name{Text: "String"}, Args: []string{"10"}},
		"String(5)":    {Name: &Name{Text: "String"}, NamedArgs: map[string]string{"length": "5"}},
		"Decimal(9,2)": {Name: &Name{Text: "Decimal"}, NamedArgs: map[string]string{"precision": "9", "scale": "2"}},
		"Decimal(9,0)": {Name: &Name{Text: "Decimal"}, Args: []string{"9", "variable"}},
		"my.T":         {Name: &Name{Text: "my.T"}},
	} {
		if got := typ.TypeName().String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := (&TypeExpr{Struct: true}).TypeName(); got != (cqn.TypeName{}) {
		t.Errorf("a structure is named %v", got)
	}
}
