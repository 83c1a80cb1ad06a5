package edmx

import (
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"cds/parser"
	"cds/runtime/odata/internal/testmodel"

	"github.com/google/go-cmp/cmp"
)

// An element is one XML element with its children in a comparable form.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Children []element  `xml:",any"`
	Text     string     `xml:",chardata"`
}

func (e *element) attr(names ...string) string {
	for _, n := range names {
		for _, a := range e.Attrs {
			if a.Name.Local == n {
				return a.Value
			}
		}
	}
	return ""
}

// canonical returns the lines of a document with the children of Schema and EntityContainer in a fixed order.
func canonical(t testing.TB, data []byte) []string {
	t.Helper()
	var root element
	if err := xml.Unmarshal(data, &root); err != nil {
		t.Fatalf("%v in\n%s", err, data)
	}
	var lines []string
	var walk func(e *element, depth int)
	walk = func(e *element, depth int) {
		if n := e.XMLName.Local; n == "Schema" || n == "EntityContainer" {
			sort.SliceStable(e.Children, func(i, j int) bool {
				a, b := &e.Children[i], &e.Children[j]
				if a.XMLName.Local != b.XMLName.Local {
					return a.XMLName.Local < b.XMLName.Local
				}
				return a.attr("Name", "Target", "Alias", "Uri") < b.attr("Name", "Target", "Alias", "Uri")
			})
		}
		var attrs []string
		for _, a := range e.Attrs {
			if a.Name.Local != "xmlns" && a.Name.Space != "xmlns" {
				attrs = append(attrs, fmt.Sprintf("%s=%q", a.Name.Local, a.Value))
			}
		}
		sort.Strings(attrs)
		lines = append(lines, strings.Repeat(" ", depth)+e.XMLName.Local+" "+strings.Join(attrs, " ")+strings.TrimSpace(e.Text))
		for i := range e.Children {
			walk(&e.Children[i], depth+1)
		}
	}
	walk(&root, 0)
	return lines
}

// TestRecorded compares with recorded documents of CAP.
func TestRecorded(t *testing.T) {
	for _, name := range []string{"bookshop", "authlab"} {
		dir := testmodel.Shared(t, "conformance", "csn", "models", name+"-edmx")
		m := testmodel.Recorded(t, name)
		files, err := filepath.Glob(filepath.Join(dir, "*.xml"))
		if err != nil {
			t.Fatal(err)
		}
		same := 0
		for _, file := range files {
			service := strings.TrimSuffix(filepath.Base(file), ".xml")
			s := m.Service(service)
			if s == nil {
				t.Errorf("%s: no service %s", name, service)
				continue
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := canonical(t, Marshal(m, s, Options{Author: "https://cap.cloud.sap"}))
			if d := cmp.Diff(canonical(t, want), got); d != "" {
				t.Logf("%s (-recorded +ours):\n%s", service, d)
				continue
			}
			same++
		}
		t.Logf("score: EDMX of %s %d of %d", name, same, len(files))
		if same < len(files) {
			t.Errorf("%s: only %d of %d documents are equal", name, same, len(files))
		}
	}
}

// TestRecordedOwn compiles small models and compares their documents with recorded ones.
func TestRecordedOwn(t *testing.T) {
	files, _ := filepath.Glob("../../../../shared/conformance/csn/own/*.edmx")
	if len(files) == 0 {
		t.Skip("recorded models are not there")
	}
	same := 0
	for _, file := range files {
		name, service, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".edmx"), ".")
		text, err := os.ReadFile(filepath.Join(filepath.Dir(file), name+".cds"))
		if err != nil {
			t.Fatal(err)
		}
		res := parser.CompileString(name+".cds", string(text))
		if res.Model == nil || res.Model.Service(service) == nil {
			t.Errorf("%s has no service %s: %v", name, service, res.Diags)
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got := Marshal(res.Model, res.Model.Service(service), Options{Author: "https://cap.cloud.sap"})
		if d := cmp.Diff(canonical(t, want), canonical(t, got)); d != "" {
			if ownDifferent[name] == "" {
				t.Errorf("%s %s (-recorded +ours):\n%s", name, service, d)
			}
			continue
		}
		same++
	}
	t.Logf("score: EDMX of small models %d of %d", same, len(files))
}

// ownDifferent are models whose recorded document we do not have yet, with the reason.
var ownDifferent = map[string]string{}
