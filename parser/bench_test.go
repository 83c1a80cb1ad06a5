package parser

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cds/parser/check"
	"cds/parser/csn"
	"cds/parser/link"
	"cds/parser/load"
	"cds/parser/syntax"
)

// largeModel returns a model of n entities in files of a hundred, with a service for fifty entities each: every entity has a key, ten elements, two
// associations, and every fifth a composition of an anonymous aspect.
func largeModel(n int) map[string]string {
	types := []string{"String(80)", "Integer", "Decimal(15, 2)", "Date", "Timestamp", "Boolean", "UUID", "LargeString", "Int64", "Double"}
	texts := map[string]string{}
	var index strings.Builder
	for start := 0; start < n; start += 100 {
		var b strings.Builder
		b.WriteString("namespace big;\n")
		for i := start; i < min(start+100, n); i++ {
			for _, ref := range []int{i / 2, (i*7 + 3) % n} {
				if ref/100 != start/100 {
					fmt.Fprintf(&b, "using { big.E%04d as R%d_%d } from './part%03d.cds';\n", ref, i, ref, ref/100)
				}
			}
		}
		for i := start; i < min(start+100, n); i++ {
			fmt.Fprintf(&b, "\n/** Entity number %d. */\n@title: 'Entity %d'\nentity E%04d {\n  key ID : UUID;\n", i, i, i)
			for k, t := range types {
				fmt.Fprintf(&b, "  f%d : %s @title: 'Field %d';\n", k, t, k)
			}
			fmt.Fprintf(&b, "  parent : Association to big.E%04d;\n  other : Association to big.E%04d;\n", i/2, (i*7+3)%n)
			if i%5 == 0 {
				b.WriteString("  lines : Composition of many { key pos : Integer; text : String(200); amount : Decimal(15, 2); };\n")
			}
			b.WriteString("}\n")
		}
		name := fmt.Sprintf("part%03d.cds", start/100)
		texts[name] = b.String()
		fmt.Fprintf(&index, "using from './%s';\n", name)
	}
	index.WriteString("using { big } from './part000.cds';\n")
	for s := 0; s < n; s += 50 {
		fmt.Fprintf(&index, "\n@requires: 'authenticated-user'\nservice S%03d {\n", s/50)
		for i := s; i < min(s+50, n); i++ {
			fmt.Fprintf(&index, "  @restrict: [{ grant: 'READ', where: 'f0 = $user' }, { grant: 'WRITE', to: 'admin' }]\n  entity E%04d as projection on big.E%04d;\n", i, i)
		}
		index.WriteString("}\n")
	}
	texts["model.cds"] = index.String()
	return texts
}

// The stages of compiling 1 000 entities in 20 services, each on its own.

func BenchmarkParse1000(b *testing.B) {
	texts := largeModel(1000)
	size := 0
	for _, t := range texts {
		size += len(t)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for name, text := range texts {
			if _, diags := syntax.ParseFile(1, name, text); len(diags) > 0 {
				b.Fatal(diags)
			}
		}
	}
}

func loadLarge(b *testing.B, n int) (*load.Result, []link.Source) {
	loaded := load.Load(noFiles{}, []string{"model.cds"}, load.Options{Texts: largeModel(n)})
	if loaded.Diags.HasErrors() {
		b.Fatal(loaded.Diags)
	}
	sources := make([]link.Source, len(loaded.Sources))
	for i, s := range loaded.Sources {
		sources[i] = link.Source{File: s.File, Uses: s.Uses}
	}
	return loaded, sources
}

func BenchmarkLink1000(b *testing.B) {
	loaded, sources := loadLarge(b, 1000)
	b.ReportAllocs()
	for b.Loop() {
		res := link.Link(slices.Clone(sources), link.Options{ParseExpr: syntax.ParseExpr, Files: loaded.Files})
		if res.Diags.HasErrors() {
			b.Fatal(res.Diags)
		}
	}
}

func BenchmarkFreeze1000(b *testing.B) {
	loaded, sources := loadLarge(b, 1000)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		res := link.Link(slices.Clone(sources), link.Options{ParseExpr: syntax.ParseExpr, Files: loaded.Files})
		b.StartTimer()
		if m, diags := csn.Freeze(res.Defs, loaded.Files, res.Namespace); m == nil {
			b.Fatal(diags)
		}
	}
}

func BenchmarkCheck1000(b *testing.B) {
	res := Compile(noFiles{}, []string{"model.cds"}, Options{Strict: true, Texts: largeModel(1000)})
	b.ReportAllocs()
	for b.Loop() {
		check.Run(res.Model, check.Options{Strict: true})
	}
}

func BenchmarkMarshal1000(b *testing.B) {
	res := Compile(noFiles{}, []string{"model.cds"}, Options{Strict: true, Texts: largeModel(1000)})
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(int64(len(csn.Marshal(res.Model, csn.MarshalOptions{Indent: true}))))
	}
}

func BenchmarkCompile1000(b *testing.B)  { benchmarkCompile(b, 1000) }
func BenchmarkCompile10000(b *testing.B) { benchmarkCompile(b, 10000) }

func benchmarkCompile(b *testing.B, n int) {
	if n > 1000 && testing.Short() {
		b.Skip("takes seconds")
	}
	texts := largeModel(n)
	b.ReportAllocs()
	for b.Loop() {
		res := Compile(noFiles{}, []string{"model.cds"}, Options{Strict: true, Texts: texts})
		if res.Model == nil {
			b.Fatal(res.Diags)
		}
	}
}
