package parser_test

import (
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"cds/parser"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/load"
)

func TestCompileString(t *testing.T) {
	r := parser.CompileString("a.cds", "using { managed } from '@sap/cds/common'; namespace n; entity E : managed { key ID : Integer; }")
	if r.Model == nil || len(r.Diags) > 0 {
		t.Fatal(r.Diags)
	}
	if r.Model.Namespace != "n" || r.Model.Entity("n.E").Element("createdBy") == nil {
		t.Error("namespace or included element is missing")
	}
	if len(r.Sources) != 1 || r.Sources[0] != "a.cds" {
		t.Errorf("sources %v", r.Sources)
	}
}

func TestNoModelOnErrors(t *testing.T) {
	for name, text := range map[string]string{
		"syntax": "entity E { key ID : ",
		"link":   "entity E { key ID : Nope; }",
		"freeze": "entity E { key a : Integer; a_b : Integer; a { b : Integer; } }",
		"using":  "using from './nope';",
	} {
		r := parser.CompileString(name+".cds", text)
		if r.Model != nil || !r.Diags.HasErrors() {
			t.Errorf("%s: a model in spite of errors, %v", name, r.Diags)
		}
		for _, d := range r.Diags {
			if d.Severity == diag.Error && !d.Span.Valid() {
				t.Errorf("%s: %s has no place", name, d.Code)
			}
		}
	}
}

// A restriction that is not understood stops a strict compilation and closes the resource otherwise.
func TestStrict(t *testing.T) {
	tests := []struct{ name, text string }{
		{"unparsable", "service S { @restrict: [{ grant: 'READ', where: 'a = = 1' }] entity E { key a : Integer; } }"},
		{"hidden by a projection", "@restrict: [{ grant: 'READ', where: 'a = 1' }] entity E { key ID : Integer; a : Integer; } service S { entity P as projection on E { ID }; }"},
		{"annotates nothing", "service S { entity E { key ID : Integer; } } annotate S.F with @requires: 'admin';"},
		{"two includes", "@requires: 'a' aspect A { a : Integer; } @requires: 'b' aspect B { b : Integer; } service S { entity E : A, B { key ID : Integer; } }"},
	}
	for _, tt := range tests {
		strict := parser.CompileStringWith("a.cds", tt.text, parser.Options{Strict: true})
		if strict.Model != nil {
			t.Errorf("%s: compiles in strict mode", tt.name)
		}
		loose := parser.CompileStringWith("a.cds", tt.text, parser.Options{})
		if loose.Model == nil || len(loose.Diags) == 0 {
			t.Errorf("%s: want a model and a warning, got %v", tt.name, loose.Diags)
			continue
		}
	}
	r := parser.CompileString("a.cds", tests[1].text)
	where := r.Model.Entity("S.P").Annotations.Get("restrict").Items[0].Field("where")
	if where == nil || where.Expr != nil {
		t.Error("a condition that can't be followed keeps its text but no tree, so that it closes")
	}
}

func TestProject(t *testing.T) {
	r := parser.CompileProject(fstest.MapFS{}, parser.Options{})
	if r.Model != nil || len(r.Diags) != 1 || r.Diags[0].Code != "file-no-model" || r.Diags[0].Hint == "" {
		t.Errorf("a project without a model: %v", r.Diags)
	}
}

func TestParseExpr(t *testing.T) {
	if x, diags := parser.ParseExpr("a = 1 and exists b[c > 2]"); x == nil || len(diags) > 0 {
		t.Error(diags)
	}
	if _, diags := parser.ParseExpr("a = "); !diags.HasErrors() {
		t.Error("an incomplete expression is accepted")
	}
}

const shared = `
using { cuid, managed, Currency } from '@sap/cds/common';
@restrict: [{ grant: 'READ', where: 'country = $user.country' }]
entity Orders : cuid, managed { country : String(2); price : Decimal(9,2); currency : Currency; items : Composition of many { key pos : Integer; note : localized String; }; }
service S { entity Orders as projection on Orders2 { *, country as land } excluding { country }; }
entity Orders2 as projection on Orders;
annotate S.Orders with { land @title: 'Land'; };
extend Orders with { more : Integer enum { a = 1; }; };
`

// Trees in the cache are shared by all compilations, which may run at the same time: none of them changes a tree.
func TestCacheIsNeverChanged(t *testing.T) {
	cache := load.NewCache()
	first := parser.CompileStringWith("a.cds", shared, parser.Options{Cache: cache})
	if first.Model == nil {
		t.Fatal(first.Diags)
	}
	var wg sync.WaitGroup
	prints := make([]csn.Fingerprint, 8)
	for i := range prints {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if r := parser.CompileStringWith("a.cds", shared, parser.Options{Cache: cache}); r.Model != nil {
				prints[i] = r.Model.Fingerprint()
			}
		}()
	}
	wg.Wait()
	for i, p := range prints {
		if p != first.Model.Fingerprint() {
			t.Errorf("compilation %d from the cache differs from the first one", i)
		}
	}
	if plain := parser.CompileString("a.cds", shared); plain.Model.Fingerprint() != first.Model.Fingerprint() {
		t.Error("a compilation without cache differs")
	}
}

// Copying types and aspects into one another multiplies: the size is limited, not the patience of the reader.
func TestGrowthIsLimited(t *testing.T) {
	types, aspects := strings.Builder{}, strings.Builder{}
	types.WriteString("type T0 { x : Integer; }\n")
	aspects.WriteString("aspect A0 { key x : Integer; }\n")
	for i := 1; i < 40; i++ {
		n, p := string(rune('0'+i/10))+string(rune('0'+i%10)), "T0"
		q := "A0"
		if i > 1 {
			o := string(rune('0'+(i-1)/10)) + string(rune('0'+(i-1)%10))
			p, q = "T"+o, "A"+o
		}
		types.WriteString("type T" + n + " { a : " + p + "; b : " + p + "; }\n")
		aspects.WriteString("aspect A" + n + " { key k : Integer; a : Composition of many " + q + "; b : Composition of many " + q + "; }\n")
	}
	types.WriteString("entity E { key ID : Integer; t : T39; }")
	aspects.WriteString("entity E { key ID : Integer; t : Composition of many A39; }")
	for name, text := range map[string]string{"types": types.String(), "aspects": aspects.String()} {
		if r := parser.CompileString(name+".cds", text); r.Model != nil {
			t.Errorf("%s: compiles", name)
		}
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(shared)
	f.Add("type T { t : T; } type U : many U; entity E { key e : Association to E; s : S; } type S : E; entity V as select from V { V.V }; service S.S { entity E as projection on E; }")
	f.Add("entity A as projection on B.c.d; entity B { key ID : Integer; c : Association to B { c }; d = c[d = 1]; e : type of e; x : E:x:y; } extend B with B; annotate B:c.d with @x: [..., ... up to 1];")
	f.Add("aspect A : A { c : Composition of many A; } entity E : A, E { key a : Composition of many E on a = $self and $self.a.a.a = a; }")
	f.Add("context a { service b { action c(in : many $self, d : e.f) returns g; event h : projection on i; type j : projection on k { *, l.{ * } }; } } using a.b.c as d;")
	f.Fuzz(func(t *testing.T, text string) {
		r := parser.CompileString("a.cds", text)
		if r.Model == nil && !r.Diags.HasErrors() {
			t.Error("neither a model nor an error")
		}
	})
}
