package parser_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/diag"
)

// TestRecordedInvalid compiles models that the recorded compiler refuses: ours reports an error on the same line at least.
func TestRecordedInvalid(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(recorded, "invalid", "*.cds"))
	if len(files) == 0 {
		t.Skip("recorded models are not there")
	}
	found, all := 0, 0
	defer func() { t.Logf("score: errors of invalid models, at their lines %d of %d", found, all) }()
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".cds")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r := parser.CompileString(name+".cds", string(text))
		msgs, err := os.ReadFile(strings.TrimSuffix(file, ".cds") + ".err.json")
		if err != nil {
			if r.Model == nil {
				t.Logf("%s: the recorded compiler accepts it, ours does not: %v", name, r.Diags.Err())
			}
			continue
		}
		var want []struct {
			Severity, ID, Message string
			Line                  int
		}
		if err := json.Unmarshal(msgs, &want); err != nil {
			t.Fatal(err)
		}
		got := map[int]string{}
		for _, d := range r.Diags {
			if d.Severity == diag.Error {
				got[r.Files.Position(d.Span).Line] += string(d.Code) + " "
			}
		}
		for _, w := range want {
			if w.Severity == "Error" {
				all++
			}
			if w.ID == "ref-cyclic" && strings.Contains(fmt.Sprint(got), w.ID) {
				found++
				continue // ours reports a cycle once, with all that take part
			}
			if w.Severity == "Error" && got[w.Line] != "" {
				found++
			}
			if w.Severity == "Error" && got[w.Line] == "" {
				t.Errorf("%s: line %d: want an error %s (%s), got %v", name, w.Line, w.ID, w.Message, got)
			} else if w.Severity == "Error" && !strings.Contains(got[w.Line], w.ID) {
				t.Logf("%s: line %d: %s, ours: %s", name, w.Line, w.ID, got[w.Line])
			}
		}
	}
}
