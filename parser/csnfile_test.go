package parser_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"cds/parser"
	"cds/parser/csn"
)

// csnDefs returns the definitions of a model as JSON, without the names of files.
func csnDefs(t *testing.T, m *csn.Model) map[string]any {
	t.Helper()
	var doc struct{ Definitions map[string]any }
	if err := json.Unmarshal(csn.Marshal(m, csn.MarshalOptions{Docs: true}), &doc); err != nil {
		t.Fatal(err)
	}
	for _, d := range doc.Definitions {
		delete(d.(map[string]any), "@source")
	}
	return doc.Definitions
}

// A model that uses another one in its compiled form is the same as one that uses its source.
func TestUsingCSN(t *testing.T) {
	const base = `namespace n; using { cuid } from '@sap/cds/common';
@title: 'Books' entity Books : cuid { title : localized String(100) @title: 'T'; price : Decimal(9,2) default 1.5; status : String enum { open; closed = 'c'; } default 'open';
  author : Association to Authors; items : Composition of many { key pos : Integer; q : Integer; }; tags : many String; s { x : Integer; y : type of Books:price; }; twice : Integer = stock * 2; stock : Integer not null; }
  actions { @requires: 'admin' action restock(amount : Integer not null) returns Books; function allOf(in : many $self) returns Integer; };
entity Authors { key ID : Integer; name : String; books : Association to many Books on books.author = $self and books.stock > 1; }
type Money { amount : Decimal(9,2); currency : String(3); }
aspect tracked { by_ : String; }
@requires: 'any' service S { @restrict: [{ grant: 'READ', where: 'stock > 1' }] entity Books as projection on n.Books { *, @x: 1 title as name, author.name as an } excluding { title };
  @requires: 'admin' entity V as select from n.Books as b left join n.Authors as a on a.ID = b.author.ID { b.ID, sum(b.stock) as total : Integer } where b.stock is not null group by b.ID order by b.ID desc;
  action a(m : Money, list : many String) returns { ok : Boolean; }; event e { id : UUID; } }`
	const rest = `using { n } from './base'; entity Mine : n.tracked { key ID : UUID; m : n.Money; b : Association to n.Books; } annotate n.Authors with { name @mandatory; }
service T { entity Books as projection on n.Books; }`
	want := parser.Compile(fstest.MapFS{"base.cds": {Data: []byte(base)}, "x.cds": {Data: []byte(rest)}}, []string{"x.cds"}, parser.Options{Strict: true})
	compiled := parser.CompileStringWith("base.cds", base, parser.Options{Strict: true})
	if want.Model == nil || compiled.Model == nil {
		for _, d := range append(want.Diags, compiled.Diags...) {
			t.Error(d.Code, d.Message)
		}
		t.FailNow()
	}
	data := csn.Marshal(compiled.Model, csn.MarshalOptions{Indent: true, Docs: true})
	got := parser.Compile(fstest.MapFS{"base.csn": {Data: data}, "x.cds": {Data: []byte(rest)}}, []string{"x.cds"}, parser.Options{Strict: true})
	if got.Model == nil {
		for _, d := range got.Diags {
			t.Error(d.Home, d.Message)
		}
		t.FailNow()
	}
	if d := cmp.Diff(csnDefs(t, want.Model), csnDefs(t, got.Model)); d != "" {
		t.Errorf("another model (-from source +from CSN):\n%s", d)
	}
}

// Recorded models come out the same when they are used in their compiled form. Some constructs have no form in inferred CSN that says how they
// were written; those models are counted.
func TestUsingRecordedCSN(t *testing.T) {
	files, _ := filepath.Glob("../../shared/conformance/csn/own/*.cds")
	if len(files) == 0 {
		t.Skip("no recorded models beside the repository")
	}
	same := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := parser.CompileString("m.cds", string(text)).Model
		if m == nil {
			continue
		}
		res := parser.Compile(fstest.MapFS{"m.csn": {Data: csn.Marshal(m, csn.MarshalOptions{Docs: true})}}, []string{"m.csn"}, parser.Options{})
		name := strings.TrimSuffix(filepath.Base(file), ".cds")
		switch {
		case res.Model == nil:
			t.Logf("%s: %v", name, res.Diags)
		case cmp.Equal(csnDefs(t, m), csnDefs(t, res.Model)):
			same++
		default:
			d := cmp.Diff(csnDefs(t, m), csnDefs(t, res.Model))
			t.Logf("%s differs (%d lines)", name, strings.Count(d, "\n"))
			if os.Getenv("CDS_VERBOSE") != "" {
				t.Log(d)
			}
		}
	}
	t.Logf("%d of %d are the same", same, len(files))
	if same < 50 {
		t.Errorf("only %d of %d are the same", same, len(files))
	}
}

// Any JSON at all as a source: no panic, findings inside the file.
func FuzzCSNSource(f *testing.F) {
	f.Add(`{"definitions": {"E": {"kind": "entity", "elements": {"ID": {"key": true, "type": "cds.UUID"}, "a": {"type": "cds.Association", "target": "E"}}}}}`)
	f.Add(`{"definitions": {"S": {"kind": "service"}, "S.V": {"kind": "entity", "query": {"SELECT": {"from": {"ref": ["E"]}, "columns": [{"ref": ["x"], "as": "y"}, "*"]}}, "elements": {"y": {"@a": 1}}}}}`)
	f.Add(`{"definitions": {"t": {"kind": "type", "items": {"elements": {"x": {"enum": {"a": {"val": 1}}, "type": "cds.Decimal", "precision": 9}}}}, "f": {"kind": "function", "params": {"p": {"type": {"ref": ["E", "x"]}}}, "returns": {"type": "t"}}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		res := parser.Compile(fstest.MapFS{"m.csn": {Data: []byte(text)}}, []string{"m.csn"}, parser.Options{Strict: true})
		for _, d := range res.Diags {
			if d.Span.Valid() && int(d.Span.End) > len(text) && res.Files.File(d.Span.File).Name == "m.csn" {
				t.Fatalf("%s: %v lies outside of the text", d.Code, d.Span)
			}
		}
	})
}
