package syntax

import (
	"strings"
	"testing"

	"github.com/alecthomas/participle/v2/lexer"
	"github.com/google/go-cmp/cmp"

	"cds/parser/ast"
	"cds/parser/cqn"
)

func TestTokens(t *testing.T) {
	names := lexer.SymbolsByRune(definition{})
	for text, want := range map[string]string{
		"":                       "",
		"\ufeffa":                "Ident:a",
		"a.b $x _y a1":           "Ident:a Punct:. Ident:b Ident:$x Ident:_y Ident:a1",
		"größe Ärger":            "Ident:größe Ident:Ärger",
		"1 1.5 1e3 1.5E-3 1..2":  "Number:1 Number:1.5 Number:1e3 Number:1.5E-3 Number:1 Punct:.. Number:2",
		"0..* 1.x 1e 2e+":        "Number:0 Punct:.. Punct:* Number:1 Punct:. Ident:x Number:1 Ident:e Number:2 Ident:e Punct:+",
		"'a''b' '' 'c'":          "String:'a''b' String:'' String:'c'",
		"x'ff' DATE'1' date '1'": "Typed:x'ff' Typed:DATE'1' Ident:date String:'1'",
		"`a\\`b` ```\nx```":      "Backtick:`a\\`b` Backtick:```\nx```",
		"![a b] ![a]]b]":         "Delim:![a b] Delim:![a]]b]",
		"a//b\nc/*d*/e/**/f":     "Ident:a Ident:c Ident:e Ident:f",
		"/** doc */a /***/b":     "Doc:/** doc */ Ident:a Doc:/***/ Ident:b",
		"<=>=<>!===||...=>":      "Punct:<= Punct:>= Punct:<> Punct:!= Punct:== Punct:|| Punct:... Punct:=>",
		"a\u00a0b\u2028c":        "Ident:a Ident:b Ident:c",
		"{}()[];:,.@#<>+-*/?":    "Punct:{ Punct:} Punct:( Punct:) Punct:[ Punct:] Punct:; Punct:: Punct:, Punct:. Punct:@ Punct:# Punct:<> Punct:+ Punct:- Punct:* Punct:/ Punct:?",
	} {
		for _, open := range []func() (lexer.Lexer, error){
			func() (lexer.Lexer, error) { return definition{}.LexString("f", text) },
			func() (lexer.Lexer, error) { return definition{}.Lex("f", strings.NewReader(text)) },
		} {
			lex, err := open()
			if err != nil {
				t.Fatal(err)
			}
			tokens, err := lexer.ConsumeAll(lex)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, tok := range tokens[:len(tokens)-1] {
				got = append(got, names[tok.Type]+":"+tok.Value)
				if text[tok.Pos.Column:tok.Pos.Column+len(tok.Value)] != tok.Value {
					t.Errorf("%q: token %q does not stand at %d", text, tok.Value, tok.Pos.Column)
				}
			}
			if d := cmp.Diff(want, strings.Join(got, " ")); d != "" {
				t.Errorf("%q: -want +got:\n%s", text, d)
			}
		}
	}
}

func TestStrings(t *testing.T) {
	for text, want := range map[string]string{
		"'it''s'":                          "it's",
		"'\\n'":                            `\n`,
		"`a\\n\\r\\t\\b\\f\\v\\0\\\\`":     "a\n\r\t\b\f\v\x00\\",
		"`\\`\\$\\'\\\"`":                  "`$'\"",
		"`\\x41\\u0042\\u{1F600}`":         "AB😀",
		"`a\\\nb`":                         "ab",
		"`a\r\nb`":                         "a\nb",
		"```\n  a\n    b\n  ```":           "a\n  b",
		"```sql\nselect\n```":              "select",
		"```one line```":                   "one line",
		"`${x}`":                           "${x}",
		"date'2024-02-29'":                 "2024-02-29",
		"```\n\n   deep\n\n  less\n   ```": "\n deep\n\nless",
	} {
		f, diags := parseText(t, "@a: "+text+" entity E { }")
		if len(diags) > 0 {
			t.Errorf("%q: %v", text, diags)
			continue
		}
		if v := f.Decls[0].(*ast.Entity).Annos[0].Value; v.Kind != cqn.AnnoString || v.Text != want {
			t.Errorf("%q: got %q, want %q", text, v.Text, want)
		}
	}
	for _, text := range []string{"`\\q`", "`\\x4`", "`\\u12`", "`\\u{}`", "`\\u{110000}`", "`\\u{D800}`", "`\\01`", "`\\xzz`"} {
		if _, diags := parseText(t, "@a: "+text+" entity E { }"); !hasCode(diags, codeEscape) {
			t.Errorf("%s: %v", text, diags)
		}
	}
}

func TestNumbersAndLiterals(t *testing.T) {
	for text, want := range map[string]cqn.Value{
		"007": cqn.Int(7), "-1": cqn.Int(-1), "-0": cqn.Int(0), "+5": cqn.Int(5), "1.50": cqn.Decimal("1.50"), "-1.5": cqn.Decimal("-1.5"),
		"9223372036854775807": cqn.Int(9223372036854775807), "9223372036854775808": cqn.Decimal("9223372036854775808"),
		"-9223372036854775808": cqn.Decimal("-9223372036854775808"), "1e3": cqn.Decimal("1e3"),
		"time'10:00'":                            cqn.Text(cqn.KindTime, "10:00:00"),
		"timestamp'2024-02-29T10:00:00.5+02:00'": cqn.Text(cqn.KindTimestamp, "2024-02-29T08:00:00.500Z"),
		"timestamp'2024-02-29 10:00:00'":         cqn.Text(cqn.KindTimestamp, "2024-02-29T10:00:00.000Z"),
		"X'00FF'":                                cqn.Bytes([]byte{0, 255}),
		"TRUE":                                   cqn.Bool(true),
		"Null":                                   cqn.Null,
	} {
		x, diags := ParseExpr(0, text, 0)
		l, ok := x.(*cqn.Lit)
		if !ok || len(diags) > 0 || !l.Value.Equal(want) || l.Value.Kind() != want.Kind() {
			t.Errorf("%s: %v %v, want %v", text, x, diags, want)
		}
	}
	for _, text := range []string{"date'2023-02-29'", "time'25:00:00'", "timestamp'x'", "x'0'", "x'zz'", "date''"} {
		if _, diags := ParseExpr(0, text, 0); !hasCode(diags, codeLiteral) {
			t.Errorf("%s: %v", text, diags)
		}
	}
}

// Parentheses may hold a query, a join, or a query in parentheses.
func TestSourcesInParentheses(t *testing.T) {
	for text, want := range map[string]string{
		"select from (A join B on A.x = B.y) { x }":           "*cqn.Join",
		"select from ((select from A) union select from B) x": "",
		"select from ((select from A) union (select from B))": "*cqn.Derived",
		"select from (((A)))":                                 "*cqn.From",
		"select from ((A join B on x = y) join C on z = w)":   "*cqn.Join",
		"select from (select from A) as a join B on a.x = 1":  "*cqn.Join",
	} {
		q, diags := ParseQuery(0, text, 0)
		if got := ""; want != "" && (len(diags) > 0 || q == nil) {
			t.Errorf("%s: %v", text, diags)
		} else {
			if q != nil {
				got = typeName(q.From)
			}
			if got != want {
				t.Errorf("%s: got %s, want %s", text, got, want)
			}
		}
	}
}

func typeName(s cqn.Source) string {
	switch s.(type) {
	case *cqn.From:
		return "*cqn.From"
	case *cqn.Join:
		return "*cqn.Join"
	case *cqn.Derived:
		return "*cqn.Derived"
	}
	return "?"
}
