package cdl_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"cds/codegen/cdl"
	"cds/parser"
	"cds/parser/csn"
	"cds/parser/parsed"

	"github.com/google/go-cmp/cmp"
)

const recorded = "../../../shared/conformance"

// text writes the sources of a text as CDL.
func text(t *testing.T, name, src string) string {
	t.Helper()
	p := parser.ParseFiles(fstest.MapFS{name: {Data: []byte(src)}}, []string{name}, false, parser.Options{})
	if p.Diags.HasErrors() {
		t.Fatal(p.Diags)
	}
	out, err := cdl.Generate(parsed.Marshal(p.Trees, parsed.Options{Docs: true}))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// same reports differences between the models of two texts.
func same(t *testing.T, name, src, written string) {
	t.Helper()
	a, b := parser.CompileString(name, src), parser.CompileString(name, written)
	if a.Model == nil {
		t.Fatal(a.Diags)
	}
	if b.Model == nil {
		t.Errorf("%s: what was written does not compile: %v\n%s", name, b.Diags, written)
		return
	}
	if name == "extensions.cds" { // definitions in an extended service stand after those of all files
		if d := cmp.Diff(content(a.Model), content(b.Model)); d != "" {
			t.Errorf("%s (-before +after):\n%s", name, d)
		}
		return
	}
	if a.Model.Fingerprint() != b.Model.Fingerprint() {
		opt := csn.MarshalOptions{Indent: true, Docs: true}
		t.Errorf("%s: the model is another (-before +after):\n%s\n%s", name, cmp.Diff(string(csn.Marshal(a.Model, opt)), string(csn.Marshal(b.Model, opt))), written)
	}
}

func TestGenerate_RoundTrip(t *testing.T) {
	files, _ := filepath.Glob(recorded + "/csn/own/*.cds")
	if len(files) == 0 {
		t.Skip("recorded models are not there")
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(f)
		t.Run(name, func(t *testing.T) { same(t, name, string(src), text(t, name, string(src))) })
	}
}

// Models of several files become one text that means the same, but for the files that services are said to come from and the namespace.
func TestGenerate_Projects(t *testing.T) {
	for _, name := range []string{"bookshop", "authlab"} {
		dir := recorded + "/models/" + name
		if _, err := os.Stat(dir); err != nil {
			t.Skip("recorded models are not there")
		}
		fsys := os.DirFS(dir)
		a := parser.CompileProject(fsys, parser.Options{})
		if a.Model == nil {
			t.Fatal(a.Diags)
		}
		b := parser.CompileString("one.cds", whole(t, fsys))
		if b.Model == nil {
			t.Errorf("%s: what was written does not compile: %v", name, b.Diags)
			continue
		}
		if d := cmp.Diff(content(a.Model), content(b.Model)); d != "" {
			t.Errorf("%s (-before +after):\n%s", name, d)
		}
	}
}

func whole(t *testing.T, fsys fs.FS) string {
	t.Helper()
	p := parser.ParseFiles(fsys, parser.ProjectRoots(fsys), true, parser.Options{})
	if p.Diags.HasErrors() {
		t.Fatal(p.Diags)
	}
	out, err := cdl.Generate(parsed.Marshal(p.Trees, parsed.Options{Docs: true, Leave: parser.IsReuse}))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

var source = regexp.MustCompile(`"@source":"[^"]*",?`)

// content is a model's CSN, definition by definition, without the files of services.
func content(m *csn.Model) map[string]string {
	var doc struct{ Definitions map[string]json.RawMessage }
	if err := json.Unmarshal(csn.Marshal(m, csn.MarshalOptions{Docs: true}), &doc); err != nil {
		panic(err)
	}
	out := map[string]string{}
	for name, d := range doc.Definitions {
		out[name] = source.ReplaceAllString(string(d), "")
	}
	return out
}

// Everything that can be said is said again.
func TestGenerate_Constructs(t *testing.T) {
	for name, src := range map[string]string{
		"types": `namespace my.app;
type T : String(10) enum { a = 'x'; @t b; } default 'x' not null;
type D : Decimal(9, 2); type V : Decimal(9); type S { x : Integer; inner { y : many String not null; z : many { q : Date; }; }; }
type R : type of E:s.x; type L : localized String; type A : Association to E;
entity E { key ID : UUID; s : S; e : T; ![a b] : Integer null; ![select] : String; type : String; v : Vector(3) ; virtual w : Integer;
  c : Integer = s.x + 1; st : Integer = (s.x + 2) * 3 stored; n : Integer default -5; now : Timestamp default $now; lit : Date default date'2020-01-01'; }`,
		"associations": `entity A { key ID : Integer; key k : String; b : Association to one B; m : Association[1, 0..*] to A on m.ID = ID; n : Association[0..5] to A on n.ID = ID; f : Association to A { ID as x, k }; nn : Association to B not null;
  items : Composition of many { key pos : Integer; @t q : Integer; }; c : Composition of many P; }
aspect P { key nr : Integer; a : Association to B; } actions { action go(); };
entity B { key ID : Integer; back : Association to many A on back.b = $self; big = back[ID > 5]; }`,
		"views": `entity A { key ID : Integer; x : Integer; s : String; a : Association to A; bs : Association to many A on bs.a = $self; st { u : String; v : String; } }
entity V1 as select distinct from A { key ID, x + 1 as y : Integer, 'a''b' as l : String(3), null as nu : Integer, case when x > 1 then 'p' else 'q' end as c : String } where not (x = 1 or x is null) and s like 'a%' escape '!' and ID in (1, 2) group by ID, x having count(*) > 1 order by ID desc nulls last, x limit 5 offset 2;
entity V2 as select from A as l left join (A as m inner join A as n on m.ID = n.ID) on l.ID = m.ID { key l.ID, n.x as nx };
entity V3 as select from A mixin { o : Association to many A on o.x = $projection.x; } into { *, o };
entity V4 as (select from A { key ID }) union all (select from A { key ID }) order by ID limit 3;
entity V5(p : Integer not null, q : String @t) as select from A { key ID, x } where x = :p and s = :q and s = $user.id and x between 1 and 3;
entity V6 as projection on A { *, a : redirected to A1, a.s as as_, st.{ u, v as w }, cast(x as String) as xs } excluding { bs, st };
entity A1 as projection on A { key ID, x as xx @t, s };
entity V7 as select from A { key ID, (select max(m.x) from A as m where m.ID < A.ID) as mx : Integer } where exists a[x > 1] and not exists bs;
entity V8 as select from A:bs { key ID }; entity V9 as projection on A[x = 1]:a { ID };
entity W as select from A { ID, rank() over (partition by s order by x desc) as r : Integer };`,
		"services": `@requires: 'x' @path: '/p' service my.S { entity E { key ID : Integer; @title: 'T' n : Integer; } actions { @a action act(@p x : Integer, y : many String) returns E; function fn() returns { a : Integer; b : String }; action coll(in : many $self, z : String); };
  event Ev { x : Integer; } event Ev2 : T2; type T2 { a : String; } action un(a : type of E:n) returns many T2; function f2(b : String default 'x') returns Boolean; }
context c { service D { entity P as projection on my.S.E; } entity F { key ID : Integer; } }`,
		"annotations": `/** A doc comment
 * of two lines */
@a @b: null @c: [1, -2.5, 'x', #sym, { y: 1, z.w: [ { k: true } ] }] @d.e: { f: 1, g: { h: #s } } @Common.Label#q: 'l' @p: a.b.c @x: (n > 1 and $user.a = 'b') @UI.![odd name]: 1
@restrict: [{ grant: ['READ', '*'], to: 'r', where: 'n = $user.n' }, { grant: 'WRITE', where: (n > 2) }] @multi: ` + "`a\\nb'c\\`d`" + `
entity E { /** doc */ @t: 'it''s' key ID : Integer; n : Integer; s { x : Integer; }; } actions { action go(p : Integer) returns { r : Integer; }; };
annotate E with @late @c: [ ..., 7 ] { n @u; s { x @v }; } actions { go @w (p @p1) };
annotate E:n with @direct; annotate E with @c: [ 0, ... up to 1, 99, ... ];`,
		"extensions": `using { managed, sap.common } from '@sap/cds/common';
entity E : managed { key ID : Integer; s : String(5); st { a : String(1); }; }
entity V as projection on E { ID };
aspect X { x : Integer; } aspect Y { y : Integer; }
extend E with X, Y; extend E with @n { z : Integer; w : Association to E; } actions { action more(); };
extend V with columns { s as ss, x }; extend E:s with (length: 50); extend E with { last : String; };
service S { entity E2 as projection on E; } extend service S with { action later(); entity E3 as projection on E2; };
extend common.Currencies with { numcode : Integer; }; extend managed with { note : String; };`,
	} {
		t.Run(name, func(t *testing.T) { same(t, name+".cds", src, text(t, name+".cds", src)) })
	}
}

func TestGenerate_BadInput(t *testing.T) {
	for _, c := range []struct{ csn, want string }{
		{``, "can't be read"}, {`[]`, "no object"}, {`{"definitions": {"E": {"kind": "nonsense"}}}`, "unknown kind"},
		{`{"a":` + strings.Repeat(`[`, 500), "nested more than"},
		{`{"definitions": {"T": {"kind": "type"` + strings.Repeat(`,"items":{"x":1`, 190) + strings.Repeat("}", 190) + `}}}`, ""},
		{`{"definitions": {"E": 1, "F": {"kind":"entity","elements":{"a":null,"b":{"type":{"ref":[1]}},"c":{"enum":{"x":null}}},"query":{"SELECT":{"from":{"ref":[{}]},"columns":[1,null,{"ref":1}]}}}}}`, ""},
		{`{"definitions": {"F": {"kind":"entity","actions":{"a":null,"b":{"params":{"x":null}}}}},"extensions":[null,{"annotate":"F","actions":{"x":null}},{"extend":"F","elements":{"x":null}}]}`, ""},
	} {
		_, err := cdl.Generate([]byte(c.csn))
		if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%.60s: %v, want %q", c.csn, err, c.want)
		}
	}
}
