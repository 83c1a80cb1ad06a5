package syntax

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"cds/parser/ast"
	"cds/parser/cqn"
	"cds/parser/diag"
	"cds/parser/token"
)

func parseText(t testing.TB, text string) (*ast.File, diag.List) {
	t.Helper()
	return ParseFile(token.NewFileSet().Add("f.cds", text), "f.cds", text)
}

// Whatever nests can nest too deeply. It must be refused with a code of its own, quickly and without a crash.
func TestTooDeep(t *testing.T) {
	const n = 100_000
	rep := strings.Repeat
	for name, text := range map[string]string{
		"parentheses":  "entity V as select from E where " + rep("(", n) + "1" + rep(")", n) + ";",
		"structs":      "type T " + rep("{ a : ", n) + "String" + rep("}", n),
		"arrays":       "type T : " + rep("many ", n) + "String;",
		"arrays of":    "type T : " + rep("array of ", n) + "String;",
		"services":     rep("service S { ", n) + rep("}", n),
		"contexts":     rep("context S { ", n) + rep("}", n),
		"annotations":  "@a: " + rep("[", n) + rep("]", n) + " type T : String;",
		"anno structs": "@a: " + rep("{a: ", n) + "1" + rep("}", n) + " type T : String;",
		"minus":        "entity V as select from E where x = " + rep("- ", n) + "1;",
		"not":          "entity V as select from E where " + rep("not ", n) + "x;",
		"case":         "entity V as select from E where " + rep("case when ", n) + "x;",
		"ternary":      "entity V as select from E { (" + rep("a ? b : ", n) + "c) as x };",
		"or":           "entity V as select from E where " + rep("a or ", n) + "a;",
		"plus":         "entity V as select from E where " + rep("a + ", n) + "a;",
		"path":         "entity V as select from E where " + rep("a.", n) + "a = 1;",
		"filters":      "entity V as select from E where " + rep("a[", n) + "1" + rep("]", n) + ";",
		"calls":        "entity V as select from E where " + rep("f(", n) + "1" + rep(")", n) + ";",
		"subqueries":   "entity V as " + rep("select from (", n) + "select from E" + rep(")", n) + ";",
		"unions":       "entity V as select from E " + rep("union select from E ", n) + ";",
		"joins":        "entity V as select from E " + rep("join E on a = b ", n) + ";",
		"sources":      "entity V as select from E " + rep(", E", n) + ";",
		"expands":      "entity V as select from E { " + rep("a {", n) + rep("}", n) + "};",
		"exists":       "entity V as select from E where " + rep("exists a[", n) + "1=1" + rep("]", n) + ";",
		"annotate":     "annotate E with { " + rep("a { ", n) + rep("}", n) + "};",
	} {
		_, diags := parseText(t, text)
		if !hasCode(diags, codeDeep) {
			t.Errorf("%s: no %s, but %v", name, codeDeep, diags)
		}
		if len(diags) > 3 {
			t.Errorf("%s: %d diagnostics for one fault", name, len(diags))
		}
	}
}

func hasCode(l diag.List, code diag.Code) bool {
	for i := range l {
		if l[i].Code == code {
			return true
		}
	}
	return false
}

// What is just below the limits parses.
func TestDeepEnough(t *testing.T) {
	for name, text := range map[string]string{
		"parentheses": "entity V as select from E where " + strings.Repeat("(", 90) + "a = 1" + strings.Repeat(")", 90) + ";",
		"or":          "entity V as select from E where a = 0" + strings.Repeat(" or a = 1", 4000) + ";",
		"columns":     "entity V as select from E { " + strings.Repeat("a, ", 20_000) + "b };",
	} {
		if _, diags := parseText(t, text); len(diags) > 0 {
			t.Errorf("%s: %v", name, diags)
		}
	}
}

func TestManyErrorsAreCut(t *testing.T) {
	f, diags := parseText(t, strings.Repeat("entity E { x : : y; }\n", 500)+"entity Last { x : String; }")
	if len(diags) != maxDiags+1 || diags[maxDiags].Code != codeTooMany {
		t.Errorf("%d diagnostics, the last %v", len(diags), diags[len(diags)-1])
	}
	if len(f.Decls) != 501 {
		t.Errorf("%d declarations; the good parts must be there", len(f.Decls))
	}
}

func TestTooLarge(t *testing.T) {
	_, diags := parseText(t, strings.Repeat(" ", maxText+1))
	if !hasCode(diags, codeLarge) {
		t.Error(diags)
	}
}

// The spans of a condition in a string point into the file, also behind doubled quotes.
func TestParseExprPlaces(t *testing.T) {
	src := `@x: 'status = ''open'' and ownr = $user.a' entity E { }`
	files := token.NewFileSet()
	id := files.Add("f.cds", src)
	f, diags := ParseFile(id, "f.cds", src)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	v := f.Decls[0].(*ast.Entity).Annos[0].Value
	x, diags := ParseExpr(id, v.Text, v.Span.Start+1)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	at := func(sp token.Span) string { return src[sp.Start:sp.End] }
	and := x.(*cqn.Binary)
	eq, own := and.L.(*cqn.Binary), and.R.(*cqn.Binary)
	for want, got := range map[string]cqn.Expr{
		"status": eq.L, "''open''": eq.R, "ownr": own.L, "$user.a": own.R, "ownr = $user.a": own,
		"status = ''open'' and ownr = $user.a": and,
	} {
		if text := at(got.Span()); text != want {
			t.Errorf("got %q, want %q", text, want)
		}
	}
	_, diags = ParseExpr(id, `a = ''x'' and and`, v.Span.Start+1)
	if len(diags) != 1 {
		t.Fatal(diags)
	}
}

func TestParseExprErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                  "1: Unexpected end of text, expected an expression",
		"a = 'x":            "5: String that starts here is not terminated, expected '",
		"a = 1 b":           "7: Unexpected ‘b’, expected an operator or the end of the condition",
		"a = 1;":            "6: Unexpected ‘;’, expected an operator or the end of the condition",
		"a in ()":           "7: Unexpected ‘)’, expected an expression",
		"exists (a)":        "9: Unexpected ‘a’, expected ‘select’ or ‘projection on’",
		"a between 1":       "12: Unexpected end of text, expected ‘and’",
		"case end":          "9: Unexpected end of text, expected ‘when’",
		"f(":                "3: Unexpected end of text, expected an expression",
		"f(a,":              "5: Unexpected end of text, expected an expression",
		"a.":                "3: Unexpected end of text, expected a name",
		"a[1 = 1":           "8: Unexpected end of text, expected ‘]’",
		"a[2: x]":           "3: Unexpected number 2, expected cardinality 1",
		"a = 1 /* x":        "7: Comment that starts here is not terminated, expected */",
		"a = \x00":          `5: Unknown character "\x00"`,
		"a = \xff\xfe":      `5: Unknown character "�"`,
		"$user.country.":    "15: Unexpected end of text, expected a name",
		"a is nul":          "6: Unexpected ‘nul’, expected ‘null’",
		"a like":            "7: Unexpected end of text, expected an expression",
		"rank() over (x)":   "14: Unexpected ‘x’, expected ‘)’",
		"r() over (rows 1)": "17: Unexpected ‘)’, expected ‘preceding’ or ‘following’",
		"date'x' = d":       `1: Malformed date literal "x", expected the form date'YYYY-MM-DD'`,
		"cast(a as {})":     "11: A cast needs a named type",
	} {
		files := token.NewFileSet()
		x, diags := ParseExpr(files.Add("x", text), text, 0)
		if x != nil || len(diags) == 0 {
			t.Errorf("%q: accepted as %v", text, x)
			continue
		}
		if got := fmt.Sprintf("%d: %s", files.Position(diags[0].Span).Col, diags[0].Message); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

// Conditions survive being written and read again.
func TestExprRoundTrip(t *testing.T) {
	for _, text := range []string{
		"a = 1", "a or b and not c", "(a or b) and c", "a - (b - c)", "a in ('x', 'it''s')", "x in ('y')", "'x' in tags",
		"exists items[qty > 10].product[price > 5]", "not exists items", "a between 1 and 2", "a not like '%x'", "$user.country is null",
		"country in $user.country", "count(*) > 1", "case when a then 1 else 2 end = 1", "#open = status", "a == null", "-a = - -b",
		"validTo > $now", "tenant = $user.tenant", "a || b || 'c' = d", "(select max(n) from E where x = 1) = 2",
	} {
		x, diags := ParseExpr(0, text, 0)
		if len(diags) > 0 {
			t.Errorf("%s: %v", text, diags)
			continue
		}
		y, diags := ParseExpr(0, cqn.Format(x), 0)
		if len(diags) > 0 || cqn.Format(x) != cqn.Format(y) {
			t.Errorf("%s: %s, then %v %v", text, cqn.Format(x), y, diags)
		}
	}
}

func TestParseQuery(t *testing.T) {
	q, diags := ParseQuery(0, "select from A { x } where y = 1", 0)
	if len(diags) > 0 || q.Where == nil || len(q.Columns) != 1 {
		t.Errorf("%v %v", q, diags)
	}
	if q, diags := ParseQuery(0, "select from A limit", 0); q != nil || !diags.HasErrors() {
		t.Errorf("%v %v", q, diags)
	}
	if q, diags := ParseQuery(0, "select from A; drop table A", 0); q != nil || !diags.HasErrors() {
		t.Errorf("%v %v", q, diags)
	}
}

// Each message code is documented.
func TestCatalogue(t *testing.T) {
	for code, e := range Messages() {
		if !strings.HasPrefix(string(code), "syntax-") || e.Title == "" || e.Explain == "" || e.Severity != diag.Error {
			t.Errorf("%s: %+v", code, e)
		}
	}
}

// invariants holds for every input: spans lie inside the file, nothing is nil that must not be.
func invariants(t *testing.T, text string) {
	files := token.NewFileSet()
	id := files.Add("f.cds", text)
	f, diags := ParseFile(id, "f.cds", text)
	inside := func(what string, sp token.Span) {
		if sp.Valid() && (sp.File != id || sp.Start < 0 || sp.Start > sp.End || int(sp.End) > len(text)) {
			t.Errorf("%s: span %v outside of %d bytes", what, sp, len(text))
		}
	}
	for _, d := range diags {
		inside(d.Message, d.Span)
		if d.Message == "" || d.Code == "" {
			t.Errorf("empty diagnostic %+v", d)
		}
	}
	seen := 0
	var walk func(v reflect.Value, depth int)
	walk = func(v reflect.Value, depth int) {
		if seen++; seen > 200_000 || depth > 3000 {
			return
		}
		switch v.Kind() {
		case reflect.Pointer, reflect.Interface:
			if !v.IsNil() {
				walk(v.Elem(), depth+1)
			}
		case reflect.Slice:
			for i := range v.Len() {
				if e := v.Index(i); e.Kind() == reflect.Interface && e.IsNil() {
					t.Error("nil in a list of ", v.Type())
				} else {
					walk(e, depth+1)
				}
			}
		case reflect.Struct:
			if v.CanInterface() {
				if sp, ok := v.Interface().(token.Span); ok {
					inside("node", sp)
					return
				}
			}
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() {
					walk(v.Field(i), depth+1)
				}
			}
		}
	}
	walk(reflect.ValueOf(f), 0)
}

func FuzzParseFile(f *testing.F) {
	for _, s := range []string{
		"entity E { key ID : Integer; }", "@a: { b: [1, #x] } service S @(c) { action a() returns many T; }", "using { a as b } from 'c';",
		"entity V as select from A { *, b.{c}, d as e { f } } excluding { g } where exists h[i = 'j''k'] order by l desc limit 1;",
		"extend projection P with { a }; annotate E with { b @c: ( d > 1 ) };", "type T : String enum { a = 'b'; } default #a;",
		"entity E { a : Association to many B on a.b = $self; }", "entity E { x : `", "/** doc */ ![a]]b] \"q\" date'2020' {{{((([[[", "\xff\x00{",
		"entity E { a : ;}} } @( } ) ] ; ; entity", "entity E{" + strings.Repeat("x:String(", 30),
	} {
		f.Add(s)
	}
	f.Fuzz(invariants)
}

func FuzzParseExpr(f *testing.F) {
	for _, s := range []string{"a = 1", "exists a[b > 1]", "x in (1, 2) and not y", "case when a then b end", "((((", "a.b.c[1: d]", "f(x) over (order by y)", "'''", "- - - 1 ? 2 : 3"} {
		f.Add(s, int32(0))
		f.Add(s, int32(7))
	}
	f.Fuzz(func(t *testing.T, text string, base int32) {
		if base < 0 || base > 1<<20 {
			return
		}
		x, diags := ParseExpr(1, text, base)
		if (x == nil) != diags.HasErrors() {
			t.Errorf("%q: %v with %v", text, x, diags)
		}
		limit := int(base) + len(text) + strings.Count(text, "'")
		for _, d := range diags {
			if d.Span.Start < base || int(d.Span.End) > limit || d.Span.Start > d.Span.End {
				t.Errorf("%q: span %v outside of %d..%d", text, d.Span, base, limit)
			}
		}
	})
}

func BenchmarkParseFile(b *testing.B) {
	var text strings.Builder
	for i := range 200 {
		fmt.Fprintf(&text, "@title: 'E%d' entity E%d : managed { key ID : UUID; name : String(100) not null default 'x' @mandatory; n : Integer = a + b * 2;\n"+
			"parent : Association to E%d on parent.ID = x and n > 10; kind : String enum { a; b = 'c'; }; }\n"+
			"entity V%d as select from E%d { *, name as n2, case when n > 1 then 'a' else 'b' end as k : String } where name like 'x%%' and n between 1 and 10;\n", i, i, i, i, i)
	}
	s := text.String()
	b.SetBytes(int64(len(s)))
	b.ReportAllocs()
	for b.Loop() {
		if _, diags := parseText(b, s); len(diags) > 0 {
			b.Fatal(diags)
		}
	}
}

// Files are parsed at the same time: nothing may be shared but the grammar.
func TestConcurrent(t *testing.T) {
	const text = "service S { entity E { key ID : Integer; x : ; } action a(p : E:ID) returns many { y : String; }; }\nentity V as select from E { a.{ b } } where c = 'd';"
	want := dumpFile(text)
	done := make(chan string)
	for range 8 {
		go func() { done <- dumpFile(text) }()
	}
	for range 8 {
		if got := <-done; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
