package parsed_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cds/parser/ast"
	"cds/parser/parsed"
	"cds/parser/syntax"
	"cds/parser/token"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

const recorded = "../../../shared/conformance/csn/own"

// TestRecorded compares with recorded CSN of the parsed flavour, by value.
func TestRecorded(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(recorded, "*.cds"))
	if len(files) == 0 {
		t.Skip("recorded models are not there")
	}
	same := 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".cds")
		want, err := os.ReadFile(strings.TrimSuffix(file, ".cds") + ".parsed.json")
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got := parsed.Marshal([]*ast.File{parse(t, name, string(text))}, parsed.Options{})
		d := cmp.Diff(value(t, want), value(t, got))
		switch {
		case d == "":
			same++
		default:
			t.Errorf("%s (-recorded +ours):\n%s", name, d)
		}
	}
	t.Logf("score: parsed CSN of small models %d of %d", same, len(files))
}

// TestXtended compares testdata/*.txtar: files of a model in the order of their layers, and their extended CSN. CDS_UPDATE=1 rewrites it.
func TestXtended(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txtar")
	if len(files) == 0 {
		t.Fatal("no test data")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var trees []*ast.File
			var keep []txtar.File
			want := ""
			for _, f := range ar.Files {
				if f.Name == "want.json" {
					want = string(f.Data)
					continue
				}
				keep = append(keep, f)
				trees = append(trees, parse(t, f.Name, string(f.Data)))
			}
			got := string(parsed.Marshal(trees, parsed.Options{Extended: true, Indent: true, Docs: true})) + "\n"
			if os.Getenv("CDS_UPDATE") != "" {
				ar.Files = append(keep, txtar.File{Name: "want.json", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func parse(t *testing.T, name, text string) *ast.File {
	t.Helper()
	fs := token.NewFileSet()
	f, diags := syntax.ParseFile(fs.Add(name, text), name, text)
	if diags.HasErrors() {
		t.Fatalf("%s: %v", name, diags)
	}
	return f
}

func value(t *testing.T, b []byte) any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	delete(v, "meta")
	return normal(v)
}

// normal drops what means nothing: an alias that repeats the name.
func normal(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = normal(v[i])
		}
	case map[string]any:
		if as, ok := v["as"].(string); ok {
			if ref, ok := v["ref"].([]any); ok && len(ref) > 0 && fmt.Sprint(ref[len(ref)-1]) == as {
				delete(v, "as")
			}
		}
		for k, x := range v {
			v[k] = normal(x)
		}
	}
	return v
}
