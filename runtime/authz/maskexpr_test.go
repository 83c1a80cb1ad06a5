package authz

import (
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
)

const maskExprModel = `
entity d.F { key ID : Integer; x : Integer; up : Association to d.F; s : String; }
entity d.G { key a : Integer; key b : Integer; }
service S { entity E { key ID : Integer; n : Integer; i8 : UInt8; i16 : Int16; i64 : Int64; dec : Decimal; dbl : Double; s : String; b : Boolean; d : Date; tm : Time; at : Timestamp; dt : DateTime; u : UUID;
  bin : LargeBinary; tags : many String; st { x : String; y { z : Integer; } } one : Association to d.F; two : Association to d.G; fs : Association to many d.F on fs.ID = n; @encrypted enc : String; } }`

// TestMaskExpressions: what can stand in the place of an element of a type, with numbers that can be calculated with, and what cannot.
func TestMaskExpressions(t *testing.T) {
	m := compiled(t, maskExprModel)
	e := m.Entity("S.E")
	tables := map[string]string{"x": maskValues, "c": maskConditions}
	for kind, table := range tables {
		for line := range strings.Lines(table) {
			text, want, _ := strings.Cut(strings.TrimSpace(line), " -> ")
			if text == "" {
				continue
			}
			var el *csn.Element
			if kind == "x" {
				name, rest, _ := strings.Cut(text, ": ")
				el, text = e.Element(name), rest
			}
			got := maskedAs(t, text, e, el)
			if got != want {
				name := ""
				if el != nil {
					name = el.Name + ": "
				}
				t.Errorf("%s%s -> %s", name, text, got)
			}
		}
	}
}

// TestMaskExpressions_long: chains are checked to their end, and what is nested too deeply is refused.
func TestMaskExpressions_long(t *testing.T) {
	e := compiled(t, maskExprModel).Entity("S.E")
	for _, c := range []struct{ el, text, want string }{
		{"b", "b" + strings.Repeat(" and b", 20), "fine"}, {"b", "b" + strings.Repeat(" or b and b", 20), "fine"}, {"b", "b" + strings.Repeat(" and b", 20) + " and n", "! n is a whole number"},
		{"b", "b" + strings.Repeat(" or b", 300), "! it is nested too deeply"},
		{"i64", "n" + strings.Repeat(" + n", 40), "cast(n as cds.Int64) + cast(n"}, {"i64", "(n / 2000000000)" + strings.Repeat(" * (n / 2000000000)", 16), "cast("},
	} {
		if got := maskedAs(t, c.text, e, e.Element(c.el)); !strings.HasPrefix(got, c.want) {
			t.Errorf("%.40s: %.200s, want %s", c.text, got, c.want)
		}
	}
}

// TestMaskExpressions_made: forms that our language does not have, or not in every place, as models of others have them.
func TestMaskExpressions_made(t *testing.T) {
	e := compiled(t, maskExprModel).Entity("S.E")
	n, one := cqn.NewRef("n"), cqn.Expr(&cqn.Lit{Value: cqn.Int(1)})
	for _, c := range []struct {
		el   string
		x    cqn.Expr
		want string // of a fault, "" for none
	}{
		{"n", &cqn.Tuple{Items: []cqn.Expr{n}}, ""}, {"i64", &cqn.Binary{Op: cqn.Add, L: &cqn.Tuple{Items: []cqn.Expr{n}}, R: one}, ""}, {"n", &cqn.Tuple{Items: []cqn.Expr{n, n}}, "cannot stand in it"},
		{"s", &cqn.Lit{Enum: "open", Value: cqn.String("o")}, ""}, {"s", &cqn.Lit{Enum: "open"}, "the symbol #open"},
		{"b", &cqn.Unary{Op: cqn.IsNull, X: &cqn.Param{From: cqn.FromAt, Name: "from"}}, "can only be compared"},
		{"dbl", &cqn.Binary{Op: cqn.Div, L: cqn.NewRef("dbl"), R: &cqn.Lit{Value: cqn.Float(0)}}, "is no number other than 0"}, {"dbl", &cqn.Binary{Op: cqn.Div, L: cqn.NewRef("dbl"), R: &cqn.Lit{Value: cqn.Float(2)}}, ""},
		{"b", &cqn.In{X: n, Set: &cqn.Lit{Value: cqn.String("x")}}, "is compared with a text"}, {"b", &cqn.In{X: n, Set: one}, ""},
	} {
		_, got, _ := checkMask(c.x, e, e.Element(c.el))
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", cqn.Format(c.x), got, c.want)
		}
	}
}

// TestMaskFunctionNames: how @mask.fn is written, what each function is for, and what it stands for.
func TestMaskFunctionNames(t *testing.T) {
	e := compiled(t, maskExprModel).Entity("S.E")
	const form, letters, step = "a name, and perhaps a number in parentheses, is expected", "it needs a number from 1 to 1000 in parentheses", "it needs a number from 1 to 1000000000000000 in parentheses"
	const texts, numbers, dates = "it is for texts", "it is for numbers", "it is for dates and moments"
	for _, c := range []struct{ el, fn, want string }{ // what begins the expression, or why not
		{"s", "last(4)", "case when length(s) >= 8 then concat('***', substring(s, -4)) else '***' end"}, {"s", " last ( 4 ) ", "case when length(s) >= 8"}, {"s", "first(2)", "case when length(s) >= 4 then concat(substring(s, 0, 2), '***') else '***' end"},
		{"s", "email", "case when indexof(s, '@') > 1 and"}, {"s", "", form}, {"s", "()", form}, {"s", "(4)", form}, {"s", "last()", form}, {"s", "last(4", form}, {"s", "last(a)", form}, {"s", "last(04)", form}, {"s", "last(+4)", form}, {"s", "last(4)x", form},
		{"s", "last(1001)", letters}, {"s", "last(1000)", "case when length(s) >= 2000"}, {"s", "last", letters}, {"n", "round(1000000000000000)", "n - n % 1000000000000000"}, {"n", "round(1000000000000001)", step}, {"s", "email(1)", "it takes no number"}, {"d", "year(1)", "it takes no number"},
		{"s", "hash", "there is no such function"}, {"s", "lats(4)", "there is no such function; did you mean last?"},
		{"n", "last(4)", texts}, {"at", "last(4)", texts}, {"u", "last(4)", texts}, {"tags", "last(4)", texts}, {"s", "round(10)", numbers}, {"tags", "round(10)", numbers}, {"s", "year", dates}, {"tm", "year", dates}, {"tags", "year", dates},
		{"n", "round(10)", "n - n % 10"}, {"i64", "round(10)", "i64 - i64 % 10"}, {"dec", "round(10)", "case when dec < 0 then -(floor(-dec / 10) * 10) else floor(dec / 10) * 10 end"},
		{"dbl", "round(10)", "case when cds.bounded(dbl) < 0 then"}, {"d", "year", "cds.year_date(d)"}, {"dt", "month", "cds.month_datetime(dt)"}, {"at", "year", "cds.year_stamp(at)"},
	} {
		x, got := maskFunction(c.fn, e.Element(c.el))
		if x != nil {
			got = cqn.Format(x)
		}
		if x == nil && got != c.want || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s of %s: %s, want %s", c.fn, c.el, got, c.want)
		}
	}
}

func maskedAs(t *testing.T, text string, e *csn.Entity, el *csn.Element) string {
	x, diags := parser.ParseExpr(strings.ReplaceAll(text, " mod ", " / ")) // which only models of others have
	if diags.HasErrors() {
		t.Errorf("%s: %v", text, diags)
		return ""
	}
	if strings.Contains(text, " mod ") {
		cqn.Walk(x, func(n any) bool {
			if b, ok := n.(*cqn.Binary); ok && b.Op == cqn.Div {
				b.Op = cqn.Mod
			}
			return true
		})
	}
	var out cqn.Expr
	var fault string
	if el != nil {
		out, fault, _ = checkMask(x, e, el)
	} else {
		out, fault, _ = checkMaskCondition(x, e)
	}
	switch got := ""; {
	case fault != "":
		return "! " + fault
	default:
		if got = cqn.Format(out); got == text {
			return "fine"
		}
		return got
	}
}

const maskValues = `
dec: n * 2 -> cast(n as cds.Int64) * 2
i64: n * 2 -> cast(n as cds.Int64) * 2
n: n + i8 -> cast(n as cds.Int64) + cast(i8 as cds.Int64)
n: length(s) -> fine
n: length(s) + 1 -> cast(length(s) as cds.Int64) + 1
n: -n -> -cast(n as cds.Int64)
n: -i64 -> ! -i64 may be more than an integer of 64 bits can be; calculate with decimal numbers, as in floor(… * 1.0)
n: +i64 -> +cast(i64 as cds.Int64)
n: floor(dec) -> cds.whole(floor(dec))
dec: floor(dbl) -> fine
s: floor(dec) -> ! it is a rounded number, and s is a text
s: 1 -> ! it is a whole number, and s is a text
s: 5.5 -> ! it is a number, and s is a text
n: 5.5 -> ! it is a number, and n is a whole number; use floor, ceiling or round
tags: 'x' -> ! it is a text, and tags is of another type
u: 'x' -> ! a UUID can only be shown as null
dbl: dbl * 2 -> cds.bounded(dbl) * 2
dec: dec * 2 -> fine
n: case when b then floor(dec) else 1 end -> cds.whole(case when b then floor(dec) else 1 end)
n: case when b then 1 else floor(dec) end -> cds.whole(case when b then 1 else floor(dec) end)
n: case when b then 'x' else 1 end -> ! 1 is a whole number, and another result of case is a text
n: case when b then null else null end -> fine
n: case when b then null else 1 end -> fine
n: case when n > 5 then n else n + 1 end -> case when n > 5 then n else cast(n as cds.Int64) + 1 end
n: case when n + 1 > 5 then n else 0 end -> case when cast(n as cds.Int64) + 1 > 5 then n else 0 end
dec: coalesce(dec, 0.0) * 1.5 -> fine
n: case when -n > 5 then n else 0 end -> case when -cast(n as cds.Int64) > 5 then n else 0 end
n: case n when 1 then 2 end -> fine
n: case n when 'x' then 2 end -> ! a whole number is compared with a text
n: case when n then 2 end -> ! n is a whole number, where something true or false is expected
s: upper(null) -> ! null is null, where a text is expected
s: upper(n) -> ! n is a whole number, where a text is expected
s: upper(s, s) -> ! upper takes another number of arguments
s: substring(s) -> ! substring takes another number of arguments
s: substring(s, 1, 2) -> fine
s: substring(s, 's') -> ! 's' is a text, where a whole number is expected
s: soundex(s) -> ! the function soundex cannot stand in it
s: replace(s, 'a', s) -> ! s is no constant, by which alone can be replaced
s: replace(s, 'a', 'b') -> fine
s: $user -> fine
n: $user -> ! it is a text, and n is a whole number
at: $now -> fine
s: $user.level -> ! $user.level can only be compared with something
b: $user.level is null -> fine
b: $user is null -> fine
b: n + 's' is null -> ! 's' is a text, where a number is expected
b: n between 's' and 5 -> ! a whole number is compared with a text
b: n between 1 and 's' -> ! a whole number is compared with a text
b: n between 1 and 5 -> fine
b: n like 'x' -> ! n is a whole number, where a text is expected
b: s like 5 -> ! 5 is a whole number, where a text is expected
b: s like 'x' -> fine
b: s like 'x' escape '!' -> ! escape cannot stand in it
b: n in ('x') -> ! a whole number is compared with a text
b: n in (1, 'x') -> ! a whole number is compared with a text
b: n in (1, 2) -> fine
b: s in $user.list -> fine
b: 'x' in tags -> fine
b: upper(n) in tags -> ! n is a whole number, where a text is expected
n: (n) -> n
n: cast(s as Integer) -> ! cast(s as Integer) cannot stand in it
n: one -> fine
n: two -> ! two is an association
n: fs -> ! fs is an association without foreign key; use exists
n: one.x -> fine
n: one.up.x -> fine
n: fs.x -> ! fs.x leads over a to-many association
s: st.x -> fine
n: st.y.z -> fine
s: st -> ! st is a structure
s: bin -> ! bin is binary data, a list or a structure
s: enc -> ! enc is encrypted or hashed
b: not n -> ! n is a whole number, where something true or false is expected
b: not b -> fine
n: -s -> ! s is a text, where a number is expected
s: -n -> ! it is a whole number, and s is a text
s: n + 1 -> ! it is a whole number, and s is a text
b: b and n -> ! n is a whole number, where something true or false is expected
b: n and b -> ! n is a whole number, where something true or false is expected
b: b and b and n -> ! n is a whole number, where something true or false is expected
b: b and n and b -> ! n is a whole number, where something true or false is expected
b: b or n or b -> ! n is a whole number, where something true or false is expected
b: b or (b and n) -> ! n is a whole number, where something true or false is expected
s: s || n -> ! n is a whole number, where a text is expected
s: n || s -> ! n is a whole number, where a text is expected
s: s || s -> fine
n: n mod 3 -> cast(n as cds.Int64) % 3
n: n mod 0 -> ! 0 is no number other than 0, by which alone can be divided
n: dec mod 3 -> ! remainders are of whole numbers only
n: n mod 1.5 -> ! remainders are of whole numbers only
dec: dec mod 3 -> ! remainders are of whole numbers only
n: n / 2 -> cast(n as cds.Int64) / 2
n: n / n -> ! n is no number other than 0, by which alone can be divided
n: n / 0 -> ! 0 is no number other than 0, by which alone can be divided
dec: dec / 0.0 -> ! 0.0 is no number other than 0, by which alone can be divided
dec: dec / 0.10 -> fine
dbl: dbl / 0e0 -> ! 0e0 is no number other than 0, by which alone can be divided
dbl: dbl / 0e10 -> ! 0e10 is no number other than 0, by which alone can be divided
dbl: dbl / 0.00E7 -> ! 0.00E7 is no number other than 0, by which alone can be divided
dbl: dbl / 1e2 -> cds.bounded(dbl) / 1e2
dec: floor(dec) / 2 -> fine
n: floor(dec) / 2 -> ! it is a number, and n is a whole number; use floor, ceiling or round
b: d > '2020-01-01' -> fine
b: '2020-01-01' < d -> fine
b: d > 'xx' -> ! 'xx' is not a date
b: 'xx' < d -> ! 'xx' is not a date
b: tm > '10:00:00' -> fine
b: at > '2020-01-01T00:00:00Z' -> fine
b: d > s -> ! a date is compared with a text
b: s < d -> ! a text is compared with a date
b: 'x' = b -> ! a text is compared with true or false
b: b = 'x' -> ! true or false is compared with a text
b: 5 < d -> ! a whole number is compared with a date
b: d > 5 -> ! a date is compared with a whole number
b: n > $now -> ! a whole number is compared with a moment
b: $now > n -> ! a moment is compared with a whole number
b: d > $now -> fine
b: $now > d -> fine
b: d > at -> ! a date is compared with a moment
b: d > time'10:00:00' -> ! a date is compared with a time
b: time'10:00:00' < d -> ! a time is compared with a date
b: n = null -> fine
b: null = n -> fine
b: d > null -> fine
b: n = case when b then null end -> ! a comparison with what is never anything but null
b: case when b then null end = n -> ! a comparison with what is never anything but null
b: s > n -> ! a text is compared with a whole number
b: n > 1.5 -> fine
s: concat(s) -> ! concat takes two to nine arguments
s: concat(s, n, s) -> fine
s: concat(s, dec) -> ! dec is a number, where a text is expected
s: concat(s, s, s, s, s, s, s, s, s) -> fine
s: concat(s, s, s, s, s, s, s, s, s, s) -> ! concat takes two to nine arguments
s: coalesce(s) -> ! coalesce takes another number of arguments
s: coalesce(s, s, 'x') -> fine
s: coalesce(s, s, 5) -> ! 5 is a whole number, and another result of case is a text
s: ifnull(s, s, s) -> ! ifnull takes another number of arguments
s: ifnull(s, 'x') -> fine
n: year(d) -> fine
n: month(at) -> fine
n: day(dt) -> fine
n: year(s) -> ! s is a text, where a date is expected
n: year(d, d) -> ! year takes one argument
n: year(d) * 2 -> cast(year(d) as cds.Int64) * 2
n: -9223372036854775807 - 2 -> ! -9223372036854775807 - 2 may be more than an integer of 64 bits can be; calculate with decimal numbers, as in floor(… * 1.0)
n: 9223372036854775807 + 1 -> ! 9223372036854775807 + 1 may be more than an integer of 64 bits can be; calculate with decimal numbers, as in floor(… * 1.0)
n: (case when b then 1 else 4000000000000000000 end) * 2 -> case when b then 1 else 4000000000000000000 end * 2
n: (case when b then 1 else 5000000000000000000 end) * 2 -> ! case when b then 1 else 5000000000000000000 end * 2 may be more than an integer of 64 bits can be; calculate with decimal numbers, as in floor(… * 1.0)
n: (case when b then 5000000000000000000 else 1 end) * 2 -> ! case when b then 5000000000000000000 else 1 end * 2 may be more than an integer of 64 bits can be; calculate with decimal numbers, as in floor(… * 1.0)
n: (case when b then 1 else -5000000000000000000 end) * 2 -> ! case when b then 1 else -5000000000000000000 end * 2 may be more than an integer of 64 bits can be; calculate with decimal numbers, as in floor(… * 1.0)
n: (case when b then -5000000000000000000 else 1 end) * 2 -> ! case when b then -5000000000000000000 else 1 end * 2 may be more than an integer of 64 bits can be; calculate with decimal numbers, as in floor(… * 1.0)
n: (case when b then 1 end) * 2 -> case when b then 1 end * 2
n: coalesce(n, null) + 1 -> coalesce(cast(n as cds.Int64), null) + 1
n: coalesce(null, n) + 1 -> coalesce(null, cast(n as cds.Int64)) + 1
n: ifnull(n, 0) + 1 -> ifnull(cast(n as cds.Int64), 0) + 1
n: coalesce(n, i64) + 1 -> ! coalesce(n, i64) + 1 may be more than an integer of 64 bits can be; calculate with decimal numbers, as in floor(… * 1.0)
n: i8 * 2 -> cast(i8 as cds.Int64) * 2
n: i16 * 2 -> cast(i16 as cds.Int64) * 2
n: n - 1 -> cast(n as cds.Int64) - 1
n: i64 - 1 -> ! i64 - 1 may be more than an integer of 64 bits can be; calculate with decimal numbers, as in floor(… * 1.0)
n: i64 / 2 -> cast(i64 as cds.Int64) / 2
n: i64 mod 3 + 1 -> cast(i64 as cds.Int64) % 3 + 1
n: one + 1 -> cast(one as cds.Int64) + 1
n: one.x + 1 -> cast(one.x as cds.Int64) + 1
dbl: dbl * dbl * dbl -> cds.bounded(dbl) * cds.bounded(dbl) * cds.bounded(dbl)
dbl: dbl * dbl * dbl * dbl -> ! dbl * dbl * dbl * dbl may be too large or too small a number
dbl: 1.0 / dbl -> ! dbl is no number other than 0, by which alone can be divided
dbl: dbl / 1e200 -> cds.bounded(dbl) / 1e200
dbl: dbl / 1e-200 -> cds.bounded(dbl) / 1e-200
dbl: dbl * dbl / 1e-101 -> ! dbl * dbl / 1e-101 may be too large or too small a number
dbl: (dbl + dbl) * dbl * dbl -> ! (dbl + dbl) * dbl * dbl may be too large or too small a number
dbl: (dbl - 1) * dbl -> (cds.bounded(dbl) - 1) * cds.bounded(dbl)
dbl: coalesce(1.0, 1.0) * dbl * dbl * dbl -> coalesce(1.0, 1.0) * cds.bounded(dbl) * cds.bounded(dbl) * cds.bounded(dbl)
dbl: coalesce(1.0, null, 1.0) * dbl * dbl * dbl -> coalesce(1.0, null, 1.0) * cds.bounded(dbl) * cds.bounded(dbl) * cds.bounded(dbl)
dbl: coalesce(dbl, 1.5) * dbl * dbl * 1e10 -> ! coalesce(dbl, 1.5) * dbl * dbl * 1e10 may be too large or too small a number
dbl: coalesce(1.5, dbl) * dbl * dbl * 1e10 -> ! coalesce(1.5, dbl) * dbl * dbl * 1e10 may be too large or too small a number
dbl: coalesce(dec, null) * 1.5 -> fine
dbl: n * dbl * dbl * 1e60 -> cast(n as cds.Int64) * cds.bounded(dbl) * cds.bounded(dbl) * 1e60
dbl: dec * dbl * dbl * 1e60 -> ! dec * dbl * dbl * 1e60 may be too large or too small a number
dbl: n * dbl * dbl * 1e90 -> ! n * dbl * dbl * 1e90 may be too large or too small a number
dbl: (-dbl) * dbl * dbl * 1e10 -> ! -dbl * dbl * dbl * 1e10 may be too large or too small a number
dbl: floor(dbl) * dbl * dbl * 1e10 -> ! floor(dbl) * dbl * dbl * 1e10 may be too large or too small a number
dbl: length(s) * dbl * dbl * 1e90 -> ! length(s) * dbl * dbl * 1e90 may be too large or too small a number
dbl: dbl * 0 -> cds.bounded(dbl) * 0
`

const maskConditions = `
fs.x > 1 -> fine
fs.x + 1 > 2 -> fine
n + 1 > 2 -> cast(n as cds.Int64) + 1 > 2
n -> ! n is a whole number, where something true or false is expected
s = 'x' and n -> ! n is a whole number, where something true or false is expected
nix > 1 -> ! there is no element nix in S.E
length(s) > n -> fine
exists fs -> fine
`
