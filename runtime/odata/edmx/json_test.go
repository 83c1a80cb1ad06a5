package edmx

import (
	"bufio"
	"encoding/json"
	"os"
	"testing"

	"cds/runtime/odata/internal/testmodel"

	"github.com/google/go-cmp/cmp"
)

// TestJSON_Recorded compares with a recorded document, but for texts, which depend on the language.
func TestJSON_Recorded(t *testing.T) {
	f, err := os.Open(testmodel.Shared(t, "conformance", "cases", "bookshop-read.expect.jsonl"))
	if err != nil {
		t.Skip("recorded answers are not there: ", err)
	}
	defer f.Close()
	var want map[string]any
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		var c struct {
			Name    string
			Answers []struct{ Body json.RawMessage }
		}
		if err := json.Unmarshal(sc.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		if c.Name == "bookshop-read/p-metadata-json" {
			if err := json.Unmarshal(c.Answers[0].Body, &want); err != nil {
				t.Fatal(err)
			}
		}
	}
	if want == nil {
		t.Fatal("the recorded answer is not there")
	}
	m := testmodel.Recorded(t, "bookshop")
	var got map[string]any
	b := JSON(m, m.Service("CatalogService"), Options{Author: "https://cap.cloud.sap"})
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	text := func(doc map[string]any) map[string]any {
		for _, a := range doc["CatalogService"].(map[string]any)["$Annotations"].(map[string]any) {
			for term, v := range a.(map[string]any) {
				if list, ok := v.(map[string]any); ok && term == "@Common.ValueList" {
					list["Label"] = "text"
				}
				if term == "@Common.Label" || term == "@Core.Description" {
					a.(map[string]any)[term] = "text"
				}
			}
		}
		return doc
	}
	if d := cmp.Diff(text(want), text(got)); d != "" {
		t.Errorf("-recorded +ours:\n%s", d)
	}
}

func TestJSON_Values(t *testing.T) {
	for _, c := range []struct{ kind, text, want string }{
		{"Bool", "true", "true"}, {"Int", "007", "7"}, {"Decimal", "1.50", "1.5"}, {"Decimal", "x", `"x"`},
		{"Path", "a/b", `{"$Path":"a/b"}`}, {"EnumMember", "A.B/c A.B/d", `"c,d"`}, {"String", "a\"b", `"a\"b"`},
	} {
		v, ok := constantOf(c.kind, c.text)
		if got := string(appendJSON(nil, v)); !ok || got != c.want {
			t.Errorf("%s %s: %s, want %s", c.kind, c.text, got, c.want)
		}
	}
}
