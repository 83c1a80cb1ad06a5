package edmx

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/odata/internal/testmodel"

	"github.com/google/go-cmp/cmp"
)

// TestGolden compares with the document of our own model; CDS_UPDATE=1 writes it anew.
func TestGolden(t *testing.T) {
	m := testmodel.Shop(t)
	got := Marshal(m, m.Service("Shop"), Options{})
	file := filepath.Join("testdata", "shop.xml")
	if os.Getenv("CDS_UPDATE") != "" {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); d != "" {
		t.Errorf("-golden +now:\n%s", d)
	}
}

// TestPure: two runs give the same bytes, and options only change what they say.
func TestPure(t *testing.T) {
	m := testmodel.Shop(t)
	a, b := Marshal(m, m.Service("Shop"), Options{}), Marshal(m, m.Service("Shop"), Options{})
	if string(a) != string(b) {
		t.Error("two runs differ")
	}
	if strings.Contains(string(a), "Core.Links") {
		t.Error("author link without an author")
	}
	if c := Marshal(m, m.Service("Shop"), Options{Author: "https://example.com/?a=1&b=<2>"}); !strings.Contains(string(c), `String="https://example.com/?a=1&amp;b=&lt;2&gt;"`) {
		t.Error("the author's URL is not escaped")
	}
}

func annotated(fields ...cqn.AnnoField) *csn.Model {
	e := &csn.Entity{Def: csn.Def{Name: "S.E", Annotations: fields}}
	e.Elements = csn.Elements{{Def: csn.Def{Name: "ID"}, Key: true, Type: &csn.Builtin{Name: "cds.Integer", Kind: csn.Integer}, TypeName: "cds.Integer"}}
	m, list := csn.Freeze([]csn.Definition{&csn.Service{Def: csn.Def{Name: "S"}}, e}, nil, "")
	if list.HasErrors() {
		panic(list)
	}
	return m
}

func str(s string) *cqn.AnnoValue { return &cqn.AnnoValue{Kind: cqn.AnnoString, Text: s} }

// TestAnnotations has values of all kinds.
func TestAnnotations(t *testing.T) {
	array := func(items ...*cqn.AnnoValue) *cqn.AnnoValue { return &cqn.AnnoValue{Kind: cqn.AnnoArray, Items: items} }
	record := func(fs ...cqn.AnnoField) *cqn.AnnoValue { return &cqn.AnnoValue{Kind: cqn.AnnoStruct, Fields: fs} }
	for _, tc := range []struct {
		name  string
		value *cqn.AnnoValue
		want  string // "" for nothing
	}{
		{"UI.Hidden", &cqn.AnnoValue{}, `<Annotation Term="UI.Hidden" Bool="true"/>`},
		{"UI.Hidden", &cqn.AnnoValue{Kind: cqn.AnnoBool}, `<Annotation Term="UI.Hidden" Bool="false"/>`},
		{"UI.Hidden", &cqn.AnnoValue{Kind: cqn.AnnoNull}, ""},
		{"UI.Criticality", &cqn.AnnoValue{Kind: cqn.AnnoSymbol, Text: "Neutral"}, `EnumMember="UI.CriticalityType/Neutral"`},
		{"Common.Text", &cqn.AnnoValue{Kind: cqn.AnnoRef, Text: "author.name"}, `Path="author/name"`},
		{"Measures.Scale", &cqn.AnnoValue{Kind: cqn.AnnoNumber, Text: "3"}, `Int="3"`},
		{"Measures.Scale", &cqn.AnnoValue{Kind: cqn.AnnoNumber, Text: "1.5"}, `Decimal="1.5"`},
		{"Core.Description", str("a < b & \"c\"\x01"), `String="a &lt; b &amp; &quot;c&quot;` + "\ufffd" + `"`},
		{"UI.SelectionFields", array(&cqn.AnnoValue{Kind: cqn.AnnoRef, Text: "a.b"}), `<PropertyPath>a/b</PropertyPath>`},
		{"UI.LineItem", array(record(cqn.AnnoField{Name: "Value", Value: &cqn.AnnoValue{Kind: cqn.AnnoRef, Text: "ID"}})), `<Record Type="UI.DataField">`},
		{"UI.HeaderInfo.TypeName", str("Book"), `<Record Type="UI.HeaderInfoType">`},
		{"UI.Chart#a", record(cqn.AnnoField{Name: "$Type", Value: str("UI.ChartDefinitionType")}), `Qualifier="a"`},
		{"restrict", str("secret condition"), ""},
		{"my.own", str("x"), ""},
		{"Core.Description", &cqn.AnnoValue{Kind: cqn.AnnoExpr, Expr: cqn.NewRef("x", "y")}, `Term="Core.Description" Path="x/y"/>`},
		{"Core.Description", &cqn.AnnoValue{Kind: cqn.AnnoExpr, Expr: &cqn.Param{From: cqn.FromUserID}}, ""},
	} {
		m := annotated(cqn.AnnoField{Name: tc.name, Value: tc.value})
		got := string(Marshal(m, m.Service("S"), Options{}))
		switch {
		case tc.want == "" && strings.Contains(got, "<Annotations Target=\"S.E\""):
			t.Errorf("%s: nothing expected in\n%s", tc.name, got)
		case !strings.Contains(got, tc.want):
			t.Errorf("%s: %s missing in\n%s", tc.name, tc.want, got)
		}
		if err := xml.Unmarshal([]byte(got), new(element)); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// TestDeepAnnotation: a value nested without end costs no stack.
func TestDeepAnnotation(t *testing.T) {
	v := str("end")
	for range 100_000 {
		v = &cqn.AnnoValue{Kind: cqn.AnnoArray, Items: []*cqn.AnnoValue{v}}
	}
	w := &writer{vocab: map[string]bool{}, complex: map[string]bool{}}
	w.annotation(&node{name: "UI.LineItem", value: v})
	if len(w.b) > 100_000 {
		t.Errorf("%d bytes written", len(w.b))
	}
}

// TestText: references to texts are replaced where there is a text.
func TestText(t *testing.T) {
	m := annotated(cqn.AnnoField{Name: "title", Value: str("{i18n>Name}")}, cqn.AnnoField{Name: "description", Value: str("{i18n>Other}")})
	text := func(key string) (string, bool) { return "Text <1>", key == "Name" }
	got := string(Marshal(m, m.Service("S"), Options{Text: text}))
	for _, want := range []string{`Term="Common.Label" String="Text &lt;1&gt;"`, `Term="Core.Description" String="{i18n&gt;Other}"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s missing in\n%s", want, got)
		}
	}
}

func TestReturnType(t *testing.T) {
	m := testmodel.Shop(t)
	s := m.Service("Shop")
	for name, want := range map[string]string{"sum": "Edm.Int32", "top": "Shop.Books", "stats": "Shop.return_Shop_stats"} {
		o := s.Operation(name)
		got := ReturnType(s, o)
		if e := EntityOf(s, o.Returns); e != nil {
			got = s.Name + "." + SetName(e)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
