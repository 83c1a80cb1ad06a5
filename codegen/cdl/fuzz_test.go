package cdl_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"cds/codegen/cdl"
	"cds/parser"
	"cds/parser/parsed"
)

// Any bytes as CSN: an error or a text, never a panic.
func FuzzGenerate(f *testing.F) {
	f.Add([]byte(`{"definitions":{"E":{"kind":"entity","elements":{"ID":{"key":true,"type":"cds.Integer"}}},"V":{"kind":"entity","query":{"SELECT":{"from":{"ref":["E"]},"columns":["*",{"xpr":[{"ref":["ID"]},"+",{"val":1}],"as":"n"}]}}}},"extensions":[{"extend":"E","elements":{"x":{"extend":"x","length":3}}},{"annotate":"E","@a":{"#":"b"}}]}`))
	f.Add([]byte(`{"definitions":{"S.f":{"kind":"function","params":{"p":{"items":{"type":"$self"}}},"returns":{"target":{"elements":{}},"type":"cds.Composition"}}}}`))
	f.Add([]byte(`{"extensions":[{"extend":"E","elements":{"":0,"x":[]}},{"annotate":"E","elements":{"x":0},"actions":{"":0},"params":[]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = cdl.Generate(b)
	})
}

// What the parser accepts without an error is written in words that it accepts again.
func FuzzRoundTrip(f *testing.F) {
	for _, s := range []string{
		"entity E { key ID : UUID; t : localized String(3) default 'x' not null; }",
		"@a.b: [1, #c, { d: `e\\n` }] service S { action f(p : many String) returns E; }",
		"entity V as select distinct from A as a left join B on a.x = B.x { key a.x, count(*) as n : Integer } where exists a.b[c > 1] group by x;",
		"annotate E with @x { y @z } actions { g @h (i @j) }; extend E:s with (length: 5);",
		"entity A { a : Composition; b : Association @x; }",
	} {
		f.Add(s)
	}
	files, _ := filepath.Glob(recorded + "/csn/own/*.cds")
	for _, name := range files {
		if b, err := os.ReadFile(name); err == nil {
			f.Add(string(b))
		}
	}
	parse := func(src string) *parser.Parsed {
		return parser.ParseFiles(fstest.MapFS{"a.cds": {Data: []byte(src)}}, []string{"a.cds"}, false, parser.Options{})
	}
	f.Fuzz(func(t *testing.T, src string) {
		p := parse(src)
		if p.Diags.HasErrors() {
			return
		}
		out, err := cdl.Generate(parsed.Marshal(p.Trees, parsed.Options{Docs: true}))
		if err != nil {
			return
		}
		if again := parse(string(out)); again.Diags.HasErrors() {
			t.Errorf("%q became %q, which does not parse: %v", src, out, again.Diags)
		}
	})
}
