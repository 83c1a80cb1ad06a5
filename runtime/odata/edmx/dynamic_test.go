package edmx

import (
	"encoding/xml"
	"regexp"
	"strings"
	"testing"

	"cds/parser"
)

// TestDynamic has annotations of annotations, and expressions, in both forms of the document. The model is `@… entity E` in a service S.
func TestDynamic(t *testing.T) {
	space := regexp.MustCompile(`>\s+<`)
	for _, c := range []struct{ anno, xml, json string }{
		{"@UI.Hidden: (n = 'x' and not (ID > 3))", `<Annotation Term="UI.Hidden"><And><Eq><Path>n</Path><String>x</String></Eq><Not><Gt><Path>ID</Path><Int>3</Int></Gt></Not></And></Annotation>`,
			`"@UI.Hidden":{"$And":[{"$Eq":[{"$Path":"n"},"x"]},{"$Not":{"$Gt":[{"$Path":"ID"},3]}}]}`},
		{"@UI.Hidden: (n is null or up.n is not null)", `<Or><Eq><Path>n</Path><Null/></Eq><Ne><Path>up/n</Path><Null/></Ne></Or>`, `{"$Ne":[{"$Path":"up/n"},null]}`},
		{"@UI.Criticality: (case when ID between 1 and 2 then 7 when n = 'q' then 1 end)", `<If><And><Ge><Path>ID</Path><Int>1</Int></Ge><Le><Path>ID</Path><Int>2</Int></Le></And><Int>7</Int><If><Eq><Path>n</Path><String>q</String></Eq><Int>1</Int></If></If>`,
			`{"$If":[{"$Eq":[{"$Path":"n"},"q"]},1]}`},
		{"@UI.Hidden: (ID not in (1, 2))", `<Not><In><Path>ID</Path><Collection><Int>1</Int><Int>2</Int></Collection></In></Not>`, `{"$Not":{"$In":[{"$Path":"ID"},[1,2]]}}`},
		{"@Common.Label: (n || toupper('<z>'))", `<Apply Function="odata.concat"><Path>n</Path><Apply Function="odata.toupper"><String>&lt;z&gt;</String></Apply></Apply>`, `"$Function":"odata.concat"`},
		{"@Common.Label: ($self.n)", `Path="n"`, `"@Common.Label":{"$Path":"n"}`},
		{"@UI.Hidden: (n = $user.country)", "", ""},
		{"@UI.Hidden: (exists up)", "", ""},
		{"@UI.Hidden: (coalesce(n, 'x') = 'x')", "", ""},
		{"@Common: { Text: n, Text.@UI.TextArrangement: #TextFirst }", `<Annotation Term="Common.Text" Path="n"><Annotation Term="UI.TextArrangement" EnumMember="UI.TextArrangementType/TextFirst"/></Annotation>`,
			`"@Common.Text":{"$Path":"n"},"@Common.Text@UI.TextArrangement":"TextFirst"`},
		{"@Common: { Text: n, TextArrangement: #TextOnly }", `Path="n"><Annotation Term="UI.TextArrangement"`, `"@Common.Text@UI.TextArrangement":"TextOnly"`},
		{"@Common.Text: { $value: (up.n), @UI.Hidden }", `<Annotation Term="Common.Text" Path="up/n"><Annotation Term="UI.Hidden" Bool="true"/>`, `"@Common.Text@UI.Hidden":true`},
		{"@UI.LineItem: [{ Value: ID, @UI.Importance: #High, Label: (ID > 1 ? 'a' : 'b') }]", `<PropertyValue Property="Value" Path="ID"/><PropertyValue Property="Label"><If>`, `"@UI.Importance":"High"`},
		{"@UI.LineItem: [{ Value: { $value: ID, @Common.Label: 'L' } }]", `<PropertyValue Property="Value" Path="ID"><Annotation Term="Common.Label" String="L"/></PropertyValue>`, `"Value":{"$Path":"ID"},"Value@Common.Label":"L"`},
		{"@UI.LineItem.@UI.Criticality: #Positive @UI.LineItem: [{ Value: n }]", `</Collection><Annotation Term="UI.Criticality" EnumMember="UI.CriticalityType/Positive"/></Annotation>`, `"@UI.LineItem@UI.Criticality":"Positive"`},
		{"@Common.Text.@UI.Hidden: true", "", ""}, // of what is not there
	} {
		r := parser.CompileString("m.cds", "service S { "+c.anno+" entity E { key ID : Integer; n : String; up : Association to E; } }")
		if r.Model == nil {
			t.Errorf("%s: %v", c.anno, r.Diags)
			continue
		}
		s := r.Model.Service("S")
		text := Marshal(r.Model, s, Options{})
		got := space.ReplaceAllString(string(text), "><")
		if err := xml.Unmarshal(text, new(element)); err != nil {
			t.Errorf("%s: %v", c.anno, err)
		}
		if c.xml == "" && strings.Contains(got, `Target="S.E"`) || !strings.Contains(got, c.xml) {
			t.Errorf("%s: want %s in\n%s", c.anno, c.xml, got)
		}
		if js := string(JSON(r.Model, s, Options{})); !strings.Contains(js, c.json) {
			t.Errorf("%s: want %s in\n%s", c.anno, c.json, js)
		}
	}
}
