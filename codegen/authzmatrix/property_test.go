package authzmatrix

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/eval"
)

// conditionModel has one restriction per condition; the compiled conditions are taken from there.
func conditions(t *testing.T, texts []string) (*csn.Entity, []cqn.Expr) {
	t.Helper()
	var b strings.Builder
	b.WriteString("entity E { key ID : Integer; s : String; t : String; n : Integer; d : Decimal; b : Boolean; }\n")
	for i, x := range texts {
		fmt.Fprintf(&b, "annotate E with @x%d: (%s);\n", i, x)
	}
	r := parser.CompileString("e.cds", b.String())
	if r.Model == nil {
		t.Fatal(r.Diags)
	}
	e := r.Model.Entity("E")
	var out []cqn.Expr
	for i := range texts {
		out = append(out, e.Annotations.Get(fmt.Sprintf("x%d", i)).Expr)
	}
	return e, out
}

// randomCondition makes a condition from few names and constants, so that two of them meet.
func randomCondition(rnd *rand.Rand, depth int) string {
	if depth > 0 && rnd.Intn(2) == 0 {
		op := []string{" and ", " or "}[rnd.Intn(2)]
		return "(" + randomCondition(rnd, depth-1) + op + randomCondition(rnd, depth-1) + ")"
	}
	if depth > 0 && rnd.Intn(6) == 0 {
		return "not (" + randomCondition(rnd, depth-1) + ")"
	}
	pick := func(list ...string) string { return list[rnd.Intn(len(list))] }
	switch rnd.Intn(6) {
	case 0:
		return "n " + pick("=", "!=", "<>", "<", "<=", ">", ">=") + " " + pick("0", "1", "2", "3", "5")
	case 1:
		return "n between " + pick("0", "1", "2") + " and " + pick("1", "3", "5")
	case 2:
		return "s " + pick("=", "!=", "<>") + " " + pick("'x'", "'y'", "$user", "$user.a", "$user.b")
	case 3:
		return pick("s", "t", "n", "$user.a", "$user.b", "$user.tenant") + " is " + pick("", "not ") + "null"
	case 4:
		return pick("s in ('x', 'y')", "n in (1, 3)", "b", "b = false", "t = 'z'", "$user.a = 'x'", "$user.tenant = 't1'", "$user.a in ('x', 'z')", "s in $user.a")
	}
	return pick("n = $user.c", "s = $user.a", "t = s", "d > 1.5", "d <= 2", "d = n")
}

// What is found is an example, and where none is said to be there random users and rows are none either.
func TestFindIsRight(t *testing.T) {
	rnd := rand.New(rand.NewSource(7))
	var texts []string
	for range 600 {
		texts = append(texts, randomCondition(rnd, 2))
	}
	e, xs := conditions(t, texts)
	some := func(list ...string) []string { return list[:rnd.Intn(len(list)+1)] }
	found, none, open := 0, 0, 0
	for i := 0; i+1 < len(xs); i += 2 {
		yes, no := termsOf(xs[i]), termsOf(xs[i+1])
		f := find([]string{auth.RoleAuthenticated}, []*csn.Entity{e}, yes, no)
		switch {
		case f.sample != nil:
			found++
			continue // found by asking the evaluator
		case f.undecided:
			open++
			continue
		}
		none++
		for range 400 {
			row := cqn.NewRow(cqn.Field{Name: "ID", Value: cqn.Int(1)})
			null := func(name string, v cqn.Value) {
				if rnd.Intn(5) == 0 {
					v = cqn.Null
				}
				row.Set(name, v)
			}
			words := []string{"x", "y", "z", "u", "q", "alice"}
			null("s", cqn.String(words[rnd.Intn(6)]))
			null("t", cqn.String(words[rnd.Intn(6)]))
			null("n", cqn.Int(int64(rnd.Intn(8)-1)))
			null("d", cqn.Decimal([]string{"0", "1", "1.5", "1.75", "2", "2.5", "3"}[rnd.Intn(7)]))
			null("b", cqn.Bool(rnd.Intn(2) == 0))
			u := auth.New(auth.User{ID: words[rnd.Intn(6)], Tenant: []string{"", "t1", "t2"}[rnd.Intn(3)],
				Attrs: map[string][]string{"a": some("x", "y", "q"), "b": some("q", "x"), "c": some("3", "1", "7")}})
			env := &eval.Env{User: u, AbsentIsNull: true}
			a, err := eval.Test(xs[i], row, e, env)
			if err != nil {
				t.Fatal(err)
			}
			b, err := eval.Test(xs[i+1], row, e, env)
			if err != nil {
				t.Fatal(err)
			}
			if a == eval.True && b != eval.True {
				t.Fatalf("%s holds and %s does not for %v %v %s, yet no example was found", texts[i], texts[i+1], u.ID, u.Attrs, cqn.Format(&cqn.Lit{Value: cqn.OfRow(row)}))
			}
		}
	}
	t.Logf("%d found, %d without, %d open", found, none, open)
	if found < 50 || none < 20 {
		t.Errorf("too few cases: %d found, %d without, %d open", found, none, open)
	}
}

// Alternatives say the same as the condition that they are made of.
func TestTermsSayTheSame(t *testing.T) {
	rnd := rand.New(rand.NewSource(11))
	var texts []string
	for range 300 {
		texts = append(texts, randomCondition(rnd, 4))
	}
	_, xs := conditions(t, texts)
	for i, x := range xs {
		ts := termsOf(x)
		y := ts.expr()
		if y == nil {
			y = &cqn.Lit{Value: cqn.Bool(true)}
		}
		for range 30 {
			row := cqn.NewRow()
			for _, n := range []string{"s", "t", "n", "d", "b"} {
				if rnd.Intn(3) == 0 {
					row.Set(n, cqn.Null)
					continue
				}
				switch n {
				case "n", "d":
					row.Set(n, cqn.Int(int64(rnd.Intn(5))))
				case "b":
					row.Set(n, cqn.Bool(rnd.Intn(2) == 0))
				default:
					row.Set(n, cqn.String([]string{"x", "y", "z"}[rnd.Intn(3)]))
				}
			}
			env := &eval.Env{User: auth.New(auth.User{ID: "x", Attrs: map[string][]string{"a": {"x"}, "c": {"1"}}}), AbsentIsNull: true}
			a, aerr := eval.Test(x, row, nil, env)
			b, berr := eval.Test(y, row, nil, env)
			if (a == eval.True) != (b == eval.True) || (aerr == nil) != (berr == nil) {
				t.Fatalf("%s is %v (%v), as %s it is %v (%v)", texts[i], a, aerr, ts, b, berr)
			}
		}
	}
}
