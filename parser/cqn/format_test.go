package cqn

import "testing"

func TestFormat(t *testing.T) {
	lit := func(v Value) Expr { return &Lit{Value: v} }
	bin := func(op BinaryOp, l, r Expr) Expr { return &Binary{Op: op, L: l, R: r} }
	a, b, c := NewRef("a"), NewRef("b", "x"), NewRef("c")
	tests := []struct {
		x    Expr
		want string
	}{
		{bin(And, bin(Or, a, b), c), "(a or b.x) and c"},
		{bin(Or, bin(And, a, b), c), "a and b.x or c"},
		{&Unary{Op: Not, X: bin(And, a, b)}, "not (a and b.x)"},
		{&Unary{Op: Not, X: bin(Eq, a, lit(String("it's")))}, "not a = 'it''s'"},
		{bin(Sub, a, bin(Sub, b, c)), "a - (b.x - c)"},
		{bin(Mul, bin(Add, a, b), &Unary{Op: Neg, X: c}), "(a + b.x) * -c"},
		{bin(Eq, a, &Param{From: FromUserID}), "a = $user"},
		{&In{X: a, Set: &Param{From: FromUserAttr, Name: "country"}}, "a in $user.country"},
		{&In{X: a, Set: &Tuple{Items: []Expr{lit(Int(1)), &Lit{Enum: "open"}}}, Negated: true}, "a not in (1, #open)"},
		{&Between{X: a, Lo: lit(Int(1)), Hi: &Param{From: FromNow}}, "a between 1 and $now"},
		{&Like{X: a, Pattern: lit(String("%")), Escape: lit(String(`\`)), Negated: true}, `a not like '%' escape '\'`},
		{&Exists{Path: &Ref{Path: []Step{{Name: "items", Filter: bin(Gt, NewRef("qty"), lit(Int(10)))}}}}, "exists items[qty > 10]"},
		{&Exists{Path: NewRef("items"), Var: "i", Pred: bin(Gt, NewRef("i", "qty"), a)}, "exists items[i: i.qty > a]"},
		{&Unary{Op: IsNull, X: &Param{From: FromUserAttr, Name: "x"}}, "$user.x is null"},
		{&Call{Name: "count", Star: true}, "count(*)"},
		{&Call{Name: "count", Distinct: true, Args: []Expr{a}}, "count(distinct a)"},
		{&Case{Whens: []When{{bin(Lt, a, lit(Int(0))), lit(Bool(false))}}, Else: lit(Null)}, "case when a < 0 then false else null end"},
		{&Cast{X: a, Type: TypeName{Name: "cds.Decimal", Precision: 9, Scale: 2}}, "cast(a as cds.Decimal(9,2))"},
		{&Param{From: FromLiteral, Index: 1}, "?2"},
		{&In{X: a, Set: &Subquery{Query: &Select{From: &From{Path: NewRef("E")}, Columns: []Column{{X: b}}, Where: c}}}, "a in (select b.x from E where c)"},
		{lit(Text(KindDate, "2024-02-29")), "date'2024-02-29'"},
		{nil, ""},
	}
	for _, tt := range tests {
		if got := Format(tt.x); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}
