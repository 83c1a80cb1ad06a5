package authz

import (
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// TestCheckCondition: every name at every place of a condition must be an element that the database can be asked for. Models arrive as CSN too, which says
// things that our parser refuses.
func TestCheckCondition(t *testing.T) {
	m := compiled(t, `
entity E { key ID : Integer; x : Integer; tags : array of String; st { a : Integer; inner { b : Integer; } } virtual v : Integer;
  to : Association to F; lone : Association to F on lone.y = x; many : Association to many F on many.e = $self; }
entity F { key ID : Integer; y : Integer; list : array of String; e : Association to E; }`)
	e := m.Entity("E")
	ref, one := cqn.NewRef, &cqn.Lit{Value: cqn.Int(1)}
	nope, x := ref("nope"), ref("x")
	is := func(l cqn.Expr) cqn.Expr { return &cqn.Binary{Op: cqn.Eq, L: l, R: one} }
	step := func(first cqn.Step, rest ...string) *cqn.Ref {
		r := ref(append([]string{first.Name}, rest...)...)
		r.Path[0] = first
		return r
	}
	const missing = "there is no element nope in E"
	for _, c := range []struct {
		x    cqn.Expr
		want string // how the fault begins; "" for none
	}{
		{x, ""}, {nope, missing}, {one, ""}, {&cqn.Param{From: cqn.FromUserID}, ""}, {&cqn.Param{From: cqn.FromUserAttr, Name: "a"}, ""},
		{&cqn.Param{From: cqn.FromLiteral}, "a parameter"}, {&cqn.Param{From: cqn.FromKeys}, "a parameter"}, {&cqn.Param{From: cqn.FromViewArg}, "a parameter"},
		{&cqn.Binary{L: ref("one"), R: ref("two")}, "there is no element one in E"},
		// every operand
		{is(x), ""}, {is(nope), missing}, {&cqn.Binary{L: one, R: nope}, missing}, {&cqn.Unary{X: nope}, missing},
		{&cqn.Between{X: nope, Lo: one, Hi: one}, missing}, {&cqn.Between{X: x, Lo: nope, Hi: one}, missing}, {&cqn.Between{X: x, Lo: one, Hi: nope}, missing}, {&cqn.Between{X: x, Lo: one, Hi: one}, ""},
		{&cqn.Like{X: nope, Pattern: one}, missing}, {&cqn.Like{X: x, Pattern: nope}, missing}, {&cqn.Like{X: x, Pattern: one, Escape: nope}, missing}, {&cqn.Like{X: x, Pattern: one}, ""},
		{&cqn.Case{X: nope}, missing}, {&cqn.Case{Else: nope}, missing}, {&cqn.Case{Whens: []cqn.When{{Cond: nope, Then: one}}}, missing}, {&cqn.Case{Whens: []cqn.When{{Cond: x, Then: nope}}}, missing},
		{&cqn.Case{Whens: []cqn.When{{Cond: is(x), Then: one}}}, ""}, {&cqn.Tuple{Items: []cqn.Expr{x, nope}}, missing}, {&cqn.Tuple{Items: []cqn.Expr{x, one}}, ""},
		{&cqn.Cast{X: nope}, missing}, {&cqn.Cast{X: x}, ""}, {&cqn.Call{Name: "lower", Args: []cqn.Expr{nope}}, missing}, {&cqn.Call{Name: "lower", Args: []cqn.Expr{x}}, ""},
		{&cqn.Call{Name: "count", Star: true}, "aggregates"}, {&cqn.Call{Name: "count", Distinct: true}, "aggregates"}, {&cqn.Call{Name: "sum", Over: &cqn.Window{}}, "aggregates"},
		{&cqn.Subquery{}, "subqueries"}, {&cqn.Unary{X: &cqn.Subquery{}}, "subqueries"},
		// lists
		{ref("tags"), "tags is a list"}, {&cqn.In{X: one, Set: ref("tags")}, ""}, {&cqn.In{X: nope, Set: ref("tags")}, missing}, {&cqn.In{X: one, Set: x}, "x is no list"}, {&cqn.In{X: one, Set: nope}, missing},
		{&cqn.In{X: one, Set: &cqn.Tuple{Items: []cqn.Expr{one, nope}}}, missing}, {&cqn.In{X: x, Set: &cqn.Param{From: cqn.FromUserAttr}}, ""}, {&cqn.In{X: one, Set: ref("to", "list")}, ""},
		// structures and associations
		{ref("st"), "st is a structure"}, {ref("st", "a"), ""}, {ref("st_a"), ""}, {ref("st", "inner"), "st.inner is a structure"}, {ref("st", "inner", "b"), ""}, {ref("st", "nope"), "there is no element st.nope"},
		{ref("st", "x"), "there is no element st.x"}, {ref("x", "y"), "x has no elements"}, {ref("x", "x"), "x has no elements"}, {ref("tags", "x"), "tags has no elements"},
		{ref("to"), ""}, {ref("to_ID"), ""}, {ref("to", "y"), ""}, {ref("to", "e", "x"), ""}, {ref("to", "e_ID"), ""}, {ref("to", "nope"), "there is no element to.nope"}, {ref("to", "x"), "there is no element to.x"},
		{ref("to", "list"), "to.list is a list"}, {ref("lone"), "lone is an association without"}, {ref("many"), "many is an association without"}, {ref("lone", "y"), ""}, {ref("many", "y"), ""}, {ref("v"), "v is virtual"},
		{step(cqn.Step{Name: "to", Filter: is(ref("y"))}, "y"), ""}, {step(cqn.Step{Name: "to", Filter: is(nope)}, "y"), missing}, {step(cqn.Step{Name: "to", Filter: is(x)}, "y"), "there is no element x"},
		{step(cqn.Step{Name: "st", Filter: is(x)}, "a"), "st has a filter"}, {step(cqn.Step{Name: "x", Filter: is(x)}), "x has a filter"}, {step(cqn.Step{Name: "to", Args: []cqn.NamedArg{{Name: "a", X: one}}}, "y"), "arguments"},
		// the row itself
		{ref("$self", "x"), ""}, {ref("$projection", "x"), ""}, {ref("$self", "nope"), "there is no element $self.nope"}, {ref("$self"), "there is no element $self"}, {ref("E", "x"), "there is no element E.x"},
		// exists
		{&cqn.Exists{}, "exists needs a path"}, {&cqn.Exists{Path: ref("e"), Inverse: "F"}, "exists needs a path"}, {&cqn.Exists{Path: ref("many"), Inverse: "F"}, "exists needs a path"},
		{&cqn.Exists{Path: x}, "exists needs an association"}, {&cqn.Exists{Path: nope}, missing},
		{&cqn.Exists{Path: ref("many")}, ""}, {&cqn.Exists{Path: ref("many", "e")}, ""}, {&cqn.Exists{Path: ref("many"), Pred: is(ref("y"))}, ""}, {&cqn.Exists{Path: ref("many"), Pred: is(x)}, "there is no element x"},
		{&cqn.Exists{Path: ref("many"), Pred: is(ref("$self", "x"))}, ""}, {&cqn.Exists{Path: ref("many"), Pred: is(ref("$self", "y"))}, "there is no element $self.y"},
		{&cqn.Exists{Path: ref("many"), Var: "f", Pred: &cqn.Binary{L: ref("f", "y"), R: x}}, ""}, {&cqn.Exists{Path: ref("many"), Var: "f", Pred: is(ref("y"))}, "there is no element y"},
		{&cqn.Exists{Path: ref("many"), Var: "f", Pred: is(ref("f", "x"))}, "there is no element f.x"}, {&cqn.Exists{Path: ref("many"), Var: "f", Pred: ref("f")}, "there is no element f in"},
		{&cqn.Exists{Path: ref("many"), Var: "f", Pred: &cqn.Exists{Path: ref("f", "e"), Var: "g", Pred: &cqn.Binary{L: ref("f", "y"), R: ref("g", "x")}}}, ""},
		{&cqn.Exists{Path: ref("many"), Var: "f", Pred: &cqn.Exists{Path: ref("f", "e"), Var: "f", Pred: is(ref("f", "x"))}}, ""},
		{&cqn.Exists{Path: ref("many"), Var: "f", Pred: &cqn.Exists{Path: ref("f", "e"), Var: "f", Pred: is(ref("f", "y"))}}, "there is no element f.y"},
		{&cqn.Exists{Path: ref("many"), Var: "f", Pred: &cqn.Exists{Path: ref("f", "e"), Pred: &cqn.Binary{L: ref("f", "y"), R: x}}}, ""},
		{&cqn.Exists{Path: ref("many"), Var: "f", Pred: &cqn.Exists{Path: ref("to"), Pred: &cqn.Binary{L: ref("f", "y"), R: ref("y")}}}, ""},
		{&cqn.Exists{Path: ref("many"), Var: "f", Pred: is(step(cqn.Step{Name: "to", Filter: &cqn.Binary{L: ref("f", "y"), R: ref("y")}}, "y"))}, ""},
	} {
		got := checkCondition(c.x, e)
		if (got == "") != (c.want == "") || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %q", cqn.Format(c.x), got, c.want)
		}
	}
	e.Elements.Lookup("to").Type.(*csn.Assoc).Target = nil // of a model that was not linked
	for _, c := range []struct {
		x    cqn.Expr
		want string
	}{
		{&cqn.Exists{Path: ref("to")}, "exists needs an association"}, {ref("to", "y"), "to has no elements"}, {step(cqn.Step{Name: "to", Filter: is(one)}), "to has a filter"},
	} {
		if got := checkCondition(c.x, e); !strings.HasPrefix(got, c.want) {
			t.Errorf("without a target: %s: %q, want %q", cqn.Format(c.x), got, c.want)
		}
	}
}

// TestConditionOf: a condition is an expression, a constant or a text that was parsed; nothing else is taken for one.
func TestConditionOf(t *testing.T) {
	x := cqn.NewRef("x")
	for _, c := range []struct {
		v    *cqn.AnnoValue
		want string
	}{
		{nil, ""}, {&cqn.AnnoValue{Kind: cqn.AnnoNull}, ""}, {&cqn.AnnoValue{Kind: cqn.AnnoArray}, ""}, {&cqn.AnnoValue{Kind: cqn.AnnoStruct}, ""}, {&cqn.AnnoValue{Kind: cqn.AnnoExpr, Expr: x}, "x"},
		{&cqn.AnnoValue{Kind: cqn.AnnoString, Text: "x", Expr: x}, "x"}, {&cqn.AnnoValue{Kind: cqn.AnnoString, Text: "x"}, ""}, {&cqn.AnnoValue{Kind: cqn.AnnoString, Text: "true"}, "true"},
		{&cqn.AnnoValue{Kind: cqn.AnnoBool, Bool: true}, "true"}, {&cqn.AnnoValue{Kind: cqn.AnnoBool}, "false"},
	} {
		got := ""
		if x := conditionOf(c.v); x != nil {
			got = cqn.Format(x)
		}
		if got != c.want {
			t.Errorf("%v: %q, want %q", c.v, got, c.want)
		}
	}
}
