package parser_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/csn"
	"cds/parser/diag"

	"github.com/google/go-cmp/cmp"
)

const recorded = "../../shared/conformance/csn"

// A score counts definitions that are equal to the recorded ones.
type score struct{ same, all int }

func (s *score) add(o score) { s.same += o.same; s.all += o.all }

// TestRecordedModels compares what we infer with what was recorded, definition by definition and by value. Both go through the CSN writer,
// so that only the meaning counts.
func TestRecordedModels(t *testing.T) {
	var total score
	for name, floor := range map[string]int{"bookshop": 45, "authlab": 201} {
		dir := "../../shared/conformance/models/" + name
		want, err := os.ReadFile(filepath.Join(recorded, "models", name+".csn.json"))
		if err != nil {
			t.Skip("recorded models are not there:", err)
		}
		r := parser.CompileProject(os.DirFS(dir), parser.Options{})
		s := compareModels(t, name, r, want)
		total.add(s)
		if s.same < floor {
			t.Errorf("%s: %d of %d definitions are as recorded, want at least %d", name, s.same, s.all, floor)
		}
		t.Logf("score: inferred CSN of %s, definitions %d of %d", name, s.same, s.all)
	}
}

// TestRecordedOwn does the same for the small models, each of which must be equal as a whole but for the listed ones.
func TestRecordedOwn(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(recorded, "own", "*.cds"))
	if len(files) == 0 {
		t.Skip("recorded models are not there")
	}
	var total score
	whole := 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".cds")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(strings.TrimSuffix(file, ".cds") + ".csn.json")
		if err != nil {
			t.Fatal(err)
		}
		r := parser.CompileString("own/"+name+".cds", string(text))
		s := compareModels(t, name, r, want)
		if s.same == s.all {
			whole++
		} else {
			t.Errorf("%s: %d of %d definitions are as recorded", name, s.same, s.all)
		}
		total.add(s)
	}
	t.Logf("score: inferred CSN of small models %d of %d (%d of %d definitions)", whole, len(files), total.same, total.all)
}

func compareModels(t *testing.T, name string, r *parser.Result, recorded []byte) score {
	t.Helper()
	var raw struct{ Definitions map[string]any }
	if err := json.Unmarshal(recorded, &raw); err != nil {
		t.Fatal(err)
	}
	if r.Model == nil {
		var b strings.Builder
		diag.Render(&b, r.Diags, r.Files, diag.RenderOptions{})
		t.Logf("%s does not compile:\n%s", name, b.String())
		return score{0, len(raw.Definitions)}
	}
	m, diags := csn.Read(recorded)
	if m == nil || diags.HasErrors() {
		t.Logf("%s: the recorded model can't be read: %v", name, diags)
		return score{0, len(raw.Definitions)}
	}
	want, got := definitions(t, m), definitions(t, r.Model)
	var s score
	for _, n := range keys(want) {
		if strings.HasPrefix(n, "cds.outbox.") || strings.HasPrefix(n, "cds.xt.") {
			continue
		}
		s.all++
		w, g := want[n], got[n]
		switch {
		case g == nil:
			t.Logf("%s: %s is missing", name, n)
		case !reflect.DeepEqual(w, g):
			t.Logf("%s: %s differs (-recorded +ours):\n%s", name, n, clip(cmp.Diff(w, g)))
		default:
			s.same++
		}
	}
	for _, n := range keys(got) {
		if want[n] == nil {
			t.Logf("%s: %s is not in the recorded model", name, n)
			s.all++
		}
	}
	return s
}

func clip(s string) string {
	if len(s) > 1500 && os.Getenv("CDS_DIFF") == "" {
		return s[:1500] + "\n…"
	}
	return s
}

func keys(m map[string]any) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// definitions returns the definitions of a model in CSN, without what does not count: aliases that repeat the name, docs.
func definitions(t *testing.T, m *csn.Model) map[string]any {
	t.Helper()
	var raw struct{ Definitions map[string]any }
	if err := json.Unmarshal(csn.Marshal(m, csn.MarshalOptions{}), &raw); err != nil {
		t.Fatal(err)
	}
	for k, v := range raw.Definitions {
		raw.Definitions[k] = normal(v)
	}
	return raw.Definitions
}

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
		if c, ok := v["cardinality"].(map[string]any); ok && len(c) == 1 && fmt.Sprint(c["max"]) == "1" {
			delete(v, "cardinality")
		}
		_, xpr := v["xpr"]
		if _, val := v["val"]; xpr || val {
			delete(v, "=") // the text of an expression, which recorded models lack
		}
		for _, k := range []string{"doc", "$calc", "targetAspect"} {
			delete(v, k)
		}
		for k, x := range v {
			v[k] = normal(x)
		}
	}
	return v
}
