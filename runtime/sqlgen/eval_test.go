package sqlgen_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/db"
	"cds/runtime/eval"
	"cds/runtime/sqlgen"

	"pgregory.net/rapid"
)

// Conditions are evaluated in two places: in memory, on new values and for what depends on the user only, and by the database. Both must
// let the same rows through, for any condition, row and user (V5).
func TestEval_agrees(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { evalAgrees(t, open(t)) })
	t.Run("postgres", func(t *testing.T) { evalAgrees(t, openPostgres(t)) })
}

func evalAgrees(t *testing.T, p db.Pool) {
	m := compile(t, `entity E { key ID : Integer; a : Integer; b : Integer; s : String; u : String; d : Decimal(9,2); f : Boolean; }
		service S { entity Es as projection on E; }`)
	exec(t, p, script(t, m, p.Dialect())...)
	e := m.Entity("S.Es")
	rows := sampleRows()
	for _, r := range rows {
		ins := &cqn.Insert{Into: "S.Es", Rows: []*cqn.Row{r}}
		if _, _, err := write(t, m, p, &guard{}, user{}, ins, r); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		x := genCond(rt, 3)
		u := genUser(rt)
		want := inMemory(rt, x, rows, e, u)
		got := inDatabase(rt, t, x, m, p, u)
		if got != want {
			plan, _ := sqlgen.Compile(&cqn.Select{From: from("S.Es")}, m, &guard{where: map[string]cqn.Expr{"S.Es": x}}, p.Dialect())
			rt.Fatalf("%s\nfor %+v\nin memory   %s\nin database %s\n%s", cqn.Format(x), u, want, got, plan.SQL)
		}
	})
}

func sampleRows() []*cqn.Row {
	var out []*cqn.Row
	add := func(a, b, s, u, d, f cqn.Value) {
		out = append(out, row("ID", len(out), "a", a, "b", b, "s", s, "u", u, "d", d, "f", f))
	}
	i, s := func(n int64) cqn.Value { return cqn.Int(n) }, cqn.String
	add(i(1), i(1), s("x"), s("alice"), cqn.Decimal("1.50"), cqn.Bool(true))
	add(i(2), i(1), s("X"), s("bob"), cqn.Decimal("2"), cqn.Bool(false))
	add(i(3), cqn.Null, s(""), cqn.Null, cqn.Decimal("-1.25"), cqn.Null)
	add(cqn.Null, i(2), cqn.Null, s("alice"), cqn.Null, cqn.Bool(true))
	add(cqn.Null, cqn.Null, s("a_b%c"), s("DE"), cqn.Decimal("10.00"), cqn.Bool(false))
	add(i(-1), i(0), s("ä"), s("10"), cqn.Decimal("0.10"), cqn.Null)
	return out
}

func inMemory(rt *rapid.T, x cqn.Expr, rows []*cqn.Row, e *csn.Entity, u user) string {
	who := auth.Anonymous
	if u.id != "" {
		who = auth.New(auth.User{ID: u.id, Tenant: u.tenant, Attrs: u.attrs})
	}
	var ids []string
	for i, r := range rows {
		truth, err := eval.Test(x, r, e, &eval.Env{User: who, Now: now})
		if err != nil {
			rt.Skip(err)
		}
		if truth == eval.True {
			ids = append(ids, fmt.Sprint("ID=", i))
		}
	}
	return strings.Join(ids, ";")
}

func inDatabase(rt *rapid.T, t *testing.T, x cqn.Expr, m *csn.Model, p db.Pool, u user) string {
	q := &cqn.Select{From: from("S.Es"), Columns: cols("ID"), OrderBy: []cqn.Order{{X: cqn.NewRef("ID")}}}
	plan, err := sqlgen.Compile(q, m, &guard{where: map[string]cqn.Expr{"S.Es": x}}, p.Dialect())
	if err != nil {
		rt.Skip(err)
	}
	tx, err := p.Read(context.Background(), db.Session{})
	if err != nil {
		rt.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	return strings.Join(run(t, tx, plan, u, nil, nil, ""), ";")
}

func genUser(rt *rapid.T) user {
	u := user{attrs: map[string][]string{}}
	u.id = rapid.SampledFrom([]string{"", "alice", "bob"}).Draw(rt, "id")
	if u.id == "" {
		return u // nothing is known of the anonymous
	}
	u.tenant = rapid.SampledFrom([]string{"", "x"}).Draw(rt, "tenant")
	u.attrs["text"] = rapid.SliceOfN(rapid.SampledFrom([]string{"x", "X", "DE", "alice", "%"}), 0, 3).Draw(rt, "text")
	u.attrs["num"] = rapid.SliceOfN(rapid.SampledFrom([]string{"1", "2", "10", "1.5", "many"}), 0, 3).Draw(rt, "num")
	return u
}

func genCond(rt *rapid.T, depth int) cqn.Expr {
	kinds := []string{"text", "number", "bool", "null"}
	if depth > 0 {
		kinds = append(kinds, "and", "or", "not", "and", "or", "not")
	}
	switch rapid.SampledFrom(kinds).Draw(rt, "kind") {
	case "and":
		return &cqn.Binary{Op: cqn.And, L: genCond(rt, depth-1), R: genCond(rt, depth-1)}
	case "or":
		return &cqn.Binary{Op: cqn.Or, L: genCond(rt, depth-1), R: genCond(rt, depth-1)}
	case "not":
		return &cqn.Unary{Op: cqn.Not, X: genCond(rt, depth-1)}
	case "text":
		return genCompare(rt, genText)
	case "number":
		return genCompare(rt, genNumber)
	case "bool":
		return rapid.SampledFrom([]cqn.Expr{cqn.NewRef("f"), &cqn.Lit{Value: cqn.Bool(true)}, &cqn.Lit{Value: cqn.Bool(false)},
			&cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("f"), R: &cqn.Lit{Value: cqn.Bool(true)}},
			&cqn.Binary{Op: cqn.Ne, L: cqn.NewRef("f"), R: &cqn.Lit{Value: cqn.Bool(true)}}}).Draw(rt, "bool")
	}
	op := rapid.SampledFrom([]cqn.UnaryOp{cqn.IsNull, cqn.IsNotNull}).Draw(rt, "op")
	if rapid.Bool().Draw(rt, "text?") {
		return &cqn.Unary{Op: op, X: genText(rt)}
	}
	return &cqn.Unary{Op: op, X: genNumber(rt)}
}

func genText(rt *rapid.T) cqn.Expr {
	return rapid.SampledFrom([]cqn.Expr{
		cqn.NewRef("s"), cqn.NewRef("u"), cqn.NewRef("s"), &cqn.Lit{Value: cqn.String("x")}, &cqn.Lit{Value: cqn.String("alice")}, &cqn.Lit{Value: cqn.String("")},
		&cqn.Param{From: cqn.FromUserID}, &cqn.Param{From: cqn.FromUserTenant}, &cqn.Param{From: cqn.FromUserAttr, Name: "text"}, &cqn.Param{From: cqn.FromUserAttr, Name: "nosuch"},
	}).Draw(rt, "text")
}

func genNumber(rt *rapid.T) cqn.Expr {
	if rapid.IntRange(0, 7).Draw(rt, "arith") == 0 {
		op := rapid.SampledFrom([]cqn.BinaryOp{cqn.Add, cqn.Sub, cqn.Mul}).Draw(rt, "op")
		return &cqn.Binary{Op: op, L: cqn.NewRef("a"), R: rapid.SampledFrom([]cqn.Expr{cqn.NewRef("b"), &cqn.Lit{Value: cqn.Int(2)}}).Draw(rt, "r")}
	}
	return rapid.SampledFrom([]cqn.Expr{
		cqn.NewRef("a"), cqn.NewRef("b"), cqn.NewRef("d"), &cqn.Lit{Value: cqn.Int(1)}, &cqn.Lit{Value: cqn.Int(2)}, &cqn.Lit{Value: cqn.Decimal("1.5")},
		&cqn.Param{From: cqn.FromUserAttr, Name: "num"},
	}).Draw(rt, "number")
}

func genCompare(rt *rapid.T, operand func(*rapid.T) cqn.Expr) cqn.Expr {
	not := rapid.Bool().Draw(rt, "negated")
	switch rapid.IntRange(0, 9).Draw(rt, "form") {
	case 0:
		return &cqn.Between{X: operand(rt), Lo: operand(rt), Hi: operand(rt), Negated: not}
	case 1:
		return &cqn.In{X: operand(rt), Set: &cqn.Tuple{Items: []cqn.Expr{operand(rt), operand(rt)}}, Negated: not}
	case 2:
		name := "text"
		if _, ok := operand(rt).(*cqn.Param); ok {
			name = "nosuch"
		}
		return &cqn.In{X: genText(rt), Set: &cqn.Param{From: cqn.FromUserAttr, Name: name}, Negated: not}
	case 3:
		return &cqn.Like{X: genText(rt), Pattern: rapid.SampledFrom([]cqn.Expr{&cqn.Lit{Value: cqn.String("a%")}, &cqn.Lit{Value: cqn.String("_")}}).Draw(rt, "pattern"), Negated: not}
	}
	op := rapid.SampledFrom([]cqn.BinaryOp{cqn.Eq, cqn.Eq, cqn.Ne, cqn.NeSQL, cqn.EqNull, cqn.Lt, cqn.Le, cqn.Gt, cqn.Ge}).Draw(rt, "op")
	x := &cqn.Binary{Op: op, L: operand(rt), R: operand(rt)}
	if mixesArithmetic(x) {
		return &cqn.Binary{Op: op, L: cqn.NewRef("a"), R: operand(rt)}
	}
	return x
}

// mixesArithmetic reports whether arithmetic is compared with a user attribute: in memory that is unknown, since results of arithmetic have
// no type that the attribute could be converted to; the database takes any number.
func mixesArithmetic(x cqn.Expr) bool {
	arith, attr := false, false
	cqn.Walk(x, func(n any) bool {
		switch n := n.(type) {
		case *cqn.Binary:
			arith = arith || n.Op >= cqn.Add
		case *cqn.Param:
			attr = attr || n.From == cqn.FromUserAttr
		}
		return true
	})
	return arith && attr
}
