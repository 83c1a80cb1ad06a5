package eval

import (
	"errors"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
)

func parse1(t testing.TB, text string) cqn.Expr {
	t.Helper()
	x, diags := parser.ParseExpr(text)
	if x == nil || diags.HasErrors() {
		t.Fatalf("%s: %v", text, diags)
	}
	return x
}

// The table of authz-semantics section 11: what a comparison with an attribute means for no, one and two values.
func TestAttributes(t *testing.T) {
	users := []*auth.User{
		auth.New(auth.User{ID: "u"}),
		auth.New(auth.User{ID: "u", Attrs: map[string][]string{"a": {"x"}}}),
		auth.New(auth.User{ID: "u", Attrs: map[string][]string{"a": {"x", "y"}}}),
	}
	for _, c := range []struct {
		cond string
		e    cqn.Value
		want [3]Truth // without value, {x}, {x,y}
	}{
		{"e = $user.a", cqn.String("x"), [3]Truth{False, True, True}},
		{"$user.a = e", cqn.String("y"), [3]Truth{False, False, True}},
		{"e = $user.a", cqn.String("z"), [3]Truth{False, False, False}},
		{"e = $user.a", cqn.Null, [3]Truth{False, Unknown, Unknown}},
		{"e in $user.a", cqn.String("y"), [3]Truth{False, False, True}},
		{"e not in $user.a", cqn.String("y"), [3]Truth{False, True, False}},
		{"e not in $user.a", cqn.Null, [3]Truth{False, Unknown, Unknown}},
		{"e != $user.a", cqn.String("y"), [3]Truth{False, True, False}},
		{"e != $user.a", cqn.Null, [3]Truth{False, True, True}}, // null-safe
		{"e <> $user.a", cqn.Null, [3]Truth{False, Unknown, Unknown}},
		{"e == $user.a", cqn.Null, [3]Truth{False, False, False}},
		{"e < $user.a", cqn.String("xx"), [3]Truth{False, False, True}},
		{"not (e = $user.a)", cqn.String("z"), [3]Truth{True, True, True}},
		{"not (e = $user.a)", cqn.String("x"), [3]Truth{True, False, False}},
		{"$user.a is null", cqn.Null, [3]Truth{True, False, False}},
		{"$user.a is not null", cqn.Null, [3]Truth{False, True, True}},
		{"e = $user.a or $user.a is null", cqn.String("z"), [3]Truth{True, False, False}},
		{"e like $user.a", cqn.String("y"), [3]Truth{False, False, True}},
		{"e between $user.a and 'z'", cqn.String("xx"), [3]Truth{False, True, True}},
		{"$user.a in ('y', 'z')", cqn.Null, [3]Truth{False, False, True}},
		{"$user.a not in ('y', 'z')", cqn.Null, [3]Truth{False, True, False}},
		{"e = upper($user.a)", cqn.String("Y"), [3]Truth{False, False, True}},
		{"$user = 'u'", cqn.Null, [3]Truth{True, True, True}},
	} {
		x := parse1(t, c.cond)
		for i, u := range users {
			got, err := Test(x, cqn.NewRow(cqn.Field{Name: "e", Value: c.e}), nil, &Env{User: u})
			if err != nil || got != c.want[i] {
				t.Errorf("%s with e %s, %d values: %s, %v; want %s", c.cond, c.e.Format(), i, got, err, c.want[i])
			}
		}
	}
}

// The anonymous user has no id: nothing is his, and nothing is somebody else's.
func TestAnonymous(t *testing.T) {
	row := cqn.NewRow(cqn.Field{Name: "owner", Value: cqn.String("anonymous")}, cqn.Field{Name: "none", Value: cqn.Null})
	for cond, want := range map[string]Truth{
		"owner = $user": Unknown, "owner != $user": False, "owner <> $user": Unknown, "none == $user": False, "none = $user": Unknown,
		"owner in ($user, 'x')": Unknown, "$user is null": True, "$user.tenant is null": True, "owner != $user.tenant": False,
	} {
		for _, env := range []*Env{nil, {}, {User: auth.Anonymous}} {
			if got, err := Test(parse1(t, cond), row, nil, env); err != nil || got != want {
				t.Errorf("%s: %s, %v; want %s", cond, got, err, want)
			}
		}
	}
}

func TestValues(t *testing.T) {
	row := cqn.NewRow(
		cqn.Field{Name: "s", Value: cqn.String("Abc")}, cqn.Field{Name: "i", Value: cqn.Int(7)}, cqn.Field{Name: "d", Value: cqn.Decimal("0.10")},
		cqn.Field{Name: "f", Value: cqn.Float(0.5)}, cqn.Field{Name: "big", Value: cqn.Int(9007199254740993)}, cqn.Field{Name: "t", Value: cqn.Bool(true)},
		cqn.Field{Name: "nil", Value: cqn.Null}, cqn.Field{Name: "addr_city", Value: cqn.String("Rom")},
		cqn.Field{Name: "tags", Value: cqn.List([]cqn.Value{cqn.String("a"), cqn.Null})}, cqn.Field{Name: "json", Value: cqn.String(`["a",1,true]`)},
		cqn.Field{Name: "nested", Value: cqn.OfRow(cqn.NewRow())})
	for cond, want := range map[string]string{
		"i + 1": "8", "i - 8": "-1", "i * i": "49", "-i": "-7", "d + d": "0.20", "d * 3": "0.30", "i + d": "7.10", "f + i": "7.5",
		"9223372036854775807 + 1": "9223372036854775808", "nil + 1": "null", "s || 'd'": "Abcd", "s || i": "Abc7", "s || nil": "null",
		"d = 0.1": "true", "d = 0.100": "true", "big = 9007199254740992": "false", "big > 9007199254740992.5": "true", "i = 7.0": "true",
		"s = 'abc'": "false", "s < 'a'": "true", "s like 'A%'": "true", "s like 'a%'": "false", "s like '_b_'": "true", "s like 'A!%' escape '!'": "false",
		"s is null": "false", "nil is null": "true", "nil = nil": "null", "nil == nil": "true", "nil != 1": "true", "i != nil": "true", "i = null": "false", "nil = null": "true",
		"nil and 1 = 2": "false", "nil or 1 = 1": "true", "nil and 1 = 1": "null", "not nil": "null",
		"i in (1, 7)": "true", "i in (1, null)": "null", "i not in (1, 2)": "true", "nil in (1)": "null", "i between 7 and 8": "true", "i not between 8 and 9": "true",
		"'a' in tags": "true", "'b' in tags": "null", "'a' in json": "true", "1 in json": "true", "'x' in nil": "false", "'x' not in nil": "true",
		"case when i > 5 then 'big' else 'small' end": "big", "case i when 7 then 'seven' end": "seven", "case i when 8 then 'eight' end": "null",
		"i > 5 ? 'y' : 'n'": "y", "coalesce(nil, s)": "Abc", "lower(s)": "abc", "upper(s)": "ABC", "length(s)": "3", "trim(' x ')": "x", "concat(s, 'd', 'e')": "Abcde",
		"contains(s, 'b')": "true", "startswith(s, 'b')": "false", "endswith(s, 'c')": "true", "contains(nil, 'b')": "null",
		"addr.city = 'Rom'": "true", "t": "true", "not t": "false", "t = true": "true", "t = 1": "true", "i": "7", "cast(i as String)": "7", "$now > '2026'": "true",
	} {
		v, err := Eval(parse1(t, cond), row, nil, &Env{Now: "2026-01-01T00:00:00.000Z"})
		if err != nil || v.Format() != want {
			t.Errorf("%s: %s, %v; want %s", cond, v.Format(), err, want)
		}
	}
}

// What needs the database is said, never guessed.
func TestNotEvaluable(t *testing.T) {
	row := cqn.NewRow(cqn.Field{Name: "i", Value: cqn.Int(7)}, cqn.Field{Name: "s", Value: cqn.String("Ä")}, cqn.Field{Name: "nested", Value: cqn.OfRow(cqn.NewRow())})
	for _, cond := range []string{
		"absent = 1", "author.name = 'x'", "exists items", "exists items[i = 1]", "i / 2 = 3", "lower(s) = 'ä'", "year('2024-01-01') = 2024",
		"nested = 1", "$now > '2026'", "#red = i", "$user.x || 'a' = $user.y and round(i) = 7", "round(i) = 7", "cast(s as Integer) = 1", "s like 'a' escape 'bc'", "count(*) = 1",
	} {
		x := parse1(t, cond)
		got, err := Test(x, row, nil, &Env{User: auth.New(auth.User{ID: "u", Attrs: map[string][]string{"x": {"1"}, "y": {"1a"}}})})
		var ne *ErrNotEvaluable
		if !errors.As(err, &ne) || got == True {
			t.Errorf("%s: %s, %v", cond, got, err)
		}
	}
	// A side that decides makes the other one needless.
	for cond, want := range map[string]Truth{"exists items or i = 7": True, "i = 8 and absent = 1": False, "absent = 1 and i = 8": False} {
		if got, err := Test(parse1(t, cond), row, nil, nil); err != nil || got != want {
			t.Errorf("%s: %s, %v", cond, got, err)
		}
	}
	if got, err := Test(parse1(t, "absent is null"), row, nil, &Env{AbsentIsNull: true}); err != nil || got != True {
		t.Errorf("an absent element of a complete row: %s, %v", got, err)
	}
}

func TestWithEntity(t *testing.T) {
	res := parser.CompileString("e.cds", `entity E { key ID : Integer; a_b : String; a { b : String; c : Integer; }; color : String enum { red = 'r' };
		up : Association to E; two : Association to F; many : Association to many E on many.up = $self; double : Integer = ID * 2; virtual v : String; }
		entity F { key x : Integer; key y : Integer; }`)
	if res.Model != nil {
		t.Fatal("expected a clash of a_b with a.b") // two elements of one flat name
	}
	res = parser.CompileString("e.cds", `entity E { key ID : Integer; x_y : String; a { b : String; c : Integer; }; color : String enum { red = 'r' };
		up : Association to E; two : Association to F; many : Association to many E on many.up = $self; double : Integer = ID * 2; }
		entity F { key x : Integer; key y : Integer; }`)
	if res.Model == nil {
		t.Fatal(res.Diags)
	}
	e := res.Model.Entity("E")
	row := cqn.NewRow(cqn.Field{Name: "ID", Value: cqn.Int(4)}, cqn.Field{Name: "x_y", Value: cqn.String("flat")}, cqn.Field{Name: "a_b", Value: cqn.String("B")},
		cqn.Field{Name: "color", Value: cqn.String("r")}, cqn.Field{Name: "up_ID", Value: cqn.Int(3)}, cqn.Field{Name: "two_x", Value: cqn.Int(1)}, cqn.Field{Name: "two_y", Value: cqn.Int(2)})
	for cond, want := range map[string]string{
		"a.b = 'B'": "true", "a_b = 'B'": "true", "$self.a.b = 'B'": "true", "up.ID = 3": "true", "up_ID = 3": "true", "up = 3": "true", "up is null": "false",
		"two.y = 2": "true", "color = #red": "true", "#red = color": "true", "double = 8": "true", "x_y = 'flat'": "true",
		"x.y = 'flat'": "error", "up.up.ID = 1": "error", "up.a.b = 'B'": "error", "two = 1": "error", "two.z = 1": "error", "many.ID = 1": "error", "many is null": "error",
		"a = 1": "error", "frob = 1": "error", "color = #blue": "error", "up[ID = 1].ID = 3": "error", "a.c = 1": "error",
	} {
		got := "error"
		v, err := Eval(parse1(t, cond), row, e, nil)
		if err == nil {
			got = v.Format()
		}
		if got != want {
			t.Errorf("%s: %s, %v; want %s", cond, got, err, want)
		}
	}
}

func TestStatic(t *testing.T) {
	for cond, want := range map[string]bool{
		"1 = 1": true, "$user.a = 'x'": true, "$user = 'bob'": true, "$now > '2026'": true, "$user.tenant in ('a', 'b')": true, "case when $user.a is null then 1 else 2 end = 1": true,
		"not ($user.a like 'x%') and 1 between 0 and 2": true, "lower($user.a) = 'x'": true, "cast($user.a as String) = 'x'": true,
		"a = 1": false, "$user.a = a": false, "exists a": false, "lower(a) = 'x'": false, "a is null": false, "1 in (2, a)": false, "#red = 1": false, "count(*) = 1": false,
	} {
		if got := Static(parse1(t, cond)); got != want {
			t.Errorf("%s: static %v", cond, got)
		}
	}
	for _, p := range []cqn.Origin{cqn.FromLiteral, cqn.FromKeys, cqn.FromViewArg, cqn.FromAt} {
		if Static(&cqn.Param{From: p}) {
			t.Errorf("parameter from %d is static", p)
		}
	}
	if Static(nil) || Static(&cqn.Unary{}) || Static(&cqn.Subquery{}) {
		t.Error("broken trees are static")
	}
}

// Trees that no parser makes yield errors, not panics.
func TestBrokenTrees(t *testing.T) {
	var deep cqn.Expr = &cqn.Lit{Value: cqn.Bool(true)}
	for range 100_000 {
		deep = &cqn.Unary{Op: cqn.Not, X: deep}
	}
	if _, err := Test(deep, nil, nil, nil); !errors.Is(err, ErrTooDeep) {
		t.Errorf("deep: %v", err)
	}
	if Static(deep) {
		t.Error("deep: static")
	}
	for i, x := range []cqn.Expr{
		nil, &cqn.Unary{}, &cqn.Binary{}, &cqn.Binary{Op: cqn.Eq}, &cqn.In{}, &cqn.Like{}, &cqn.Between{}, &cqn.Ref{}, &cqn.Call{Name: "lower"}, &cqn.Call{Name: "contains"},
		&cqn.Case{Whens: []cqn.When{{}}}, &cqn.Cast{}, &cqn.Tuple{}, &cqn.Subquery{}, &cqn.Param{From: cqn.FromLiteral, Index: -5}, &cqn.Binary{Op: 99, L: cqn.NewRef("a"), R: cqn.NewRef("a")},
	} {
		if got, err := Test(x, nil, nil, &Env{}); err == nil && got == True {
			t.Errorf("tree %d is true", i)
		}
	}
}

func TestConvert(t *testing.T) {
	res := parser.CompileString("c.cds", `entity E { key i : Integer; u : UInt8; l : Int64; d : Decimal(5, 2); f : Decimal; x : Double; b : Boolean; s : String(3); id : UUID; day : Date; tm : Time; dt : DateTime; ts : Timestamp; bin : Binary; }`)
	if res.Model == nil {
		t.Fatal(res.Diags)
	}
	e := res.Model.Entity("E")
	for _, c := range []struct{ el, text, want string }{
		{"i", "5", "5"}, {"i", "-5", "-5"}, {"i", "+5", ""}, {"i", "5.0", ""}, {"i", "2147483648", ""}, {"i", " 5", ""}, {"i", "", ""},
		{"u", "255", "255"}, {"u", "256", ""}, {"u", "-1", ""}, {"l", "9223372036854775807", "9223372036854775807"}, {"l", "9223372036854775808", ""},
		{"d", "999.99", "999.99"}, {"d", "1000", "1000"}, {"d", "1.234", "1.234"}, {"d", "1.230", "1.230"}, {"d", "1e2", ""}, {"d", ".5", ""}, {"d", "5.", ""}, {"d", "", ""}, {"d", "-", ""}, {"d", "x", ""},
		{"f", "123456789.123456789", "123456789.123456789"}, {"f", strings.Repeat("9", 500), ""}, {"x", "1e3", "1000"}, {"x", "NaN", ""}, {"x", "0x1p3", ""},
		{"b", "true", "true"}, {"b", "false", "false"}, {"b", "1", ""}, {"b", "TRUE", ""}, {"s", "äöü", "äöü"}, {"s", "abcd", "abcd"},
		{"id", "a0b1c2d3-e4f5-4678-9abc-def012345678", "a0b1c2d3-e4f5-4678-9abc-def012345678"}, {"id", "a0b1c2d3e4f546789abcdef012345678", ""}, {"id", "g0b1c2d3-e4f5-4678-9abc-def012345678", ""},
		{"day", "2024-02-29", "2024-02-29"}, {"day", "2023-02-29", ""}, {"tm", "08:30", "08:30:00"}, {"tm", "25:00:00", ""},
		{"dt", "2024-01-01T01:00:00+01:00", "2024-01-01T00:00:00Z"}, {"ts", "2024-01-01", "2024-01-01T00:00:00.000Z"}, {"ts", "now", ""}, {"bin", "AA==", ""},
	} {
		v, ok := Convert(c.text, e.Element(c.el).Scalar())
		if ok != (c.want != "") || ok && v.Format() != c.want {
			t.Errorf("%s %q: %s %v", c.el, c.text, v.Format(), ok)
		}
	}
}

// A match takes time of text times pattern, not more.
func TestLikeBomb(t *testing.T) {
	text, pattern := strings.Repeat("a", 5000), strings.Repeat("%a", 2000)+"b"
	if match([]rune(text), tokens(pattern, -1)) {
		t.Error("matched")
	}
}

func FuzzNumbers(f *testing.F) {
	for _, s := range []string{"1", "-0.10", "1e400", "1e999999999", "NaN", "Infinity", ".", "-", "0x1", "1_000", "٣"} {
		f.Add(s, "1")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		l, r := cqn.Decimal(a), cqn.String(b)
		c, ok := compareNumbers(l, r)
		if d, back := compareNumbers(r, l); ok != back || ok && c != -d {
			t.Fatalf("%q, %q: %d %d", a, b, c, d)
		}
		for _, op := range []cqn.BinaryOp{cqn.Add, cqn.Sub, cqn.Mul} {
			arithmetic(op, l, r)
		}
	})
}

// No attribute value, however odd, makes a conversion panic, and what converts is a value of its kind.
func FuzzConvert(f *testing.F) {
	for _, s := range []string{"", "-", "+1", "1.5", "1e9", "true", "2024-02-29", "2024-02-29T10:00:00Z", "10:00", "\x00", "٣", strings.Repeat("9", 500)} {
		f.Add(s)
	}
	kinds := map[csn.Scalar]cqn.Kind{
		csn.Integer: cqn.KindInt, csn.UInt8: cqn.KindInt, csn.Int64: cqn.KindInt, csn.Decimal: cqn.KindDecimal, csn.Double: cqn.KindFloat, csn.Boolean: cqn.KindBool,
		csn.String: cqn.KindString, csn.UUID: cqn.KindString, csn.Date: cqn.KindDate, csn.Time: cqn.KindTime, csn.DateTime: cqn.KindDateTime, csn.Timestamp: cqn.KindTimestamp,
	}
	f.Fuzz(func(t *testing.T, s string) {
		for k, want := range kinds {
			if v, ok := Convert(s, &csn.Builtin{Kind: k}); ok && v.Kind() != want {
				t.Errorf("%q as %d: kind %d", s, k, v.Kind())
			}
		}
	})
}
