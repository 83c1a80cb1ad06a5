package csn_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cds/parser/csn"
)

// TestMarshalAgainstRecorded compares what Marshal writes with what was read, by value. A few definitions differ: mixins, which the linker
// resolves, parentheses that are not needed, and notes of the reference compiler ($calc).
func TestMarshalAgainstRecorded(t *testing.T) {
	same, total := 0, 0
	var diffs []string
	for _, file := range recorded(t) {
		if strings.Contains(file, "/invalid/") {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var want, got struct{ Definitions map[string]any }
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		out := csn.Marshal(read(t, file), csn.MarshalOptions{Docs: true})
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for name := range want.Definitions {
			total++
			diff := cmp.Diff(strip(want.Definitions[name]), got.Definitions[name])
			if diff == "" {
				same++
				continue
			}
			diffs = append(diffs, filepath.Base(file)+" "+name+"\n"+diff)
		}
	}
	t.Logf("%d of %d definitions are the same", same, total)
	if len(diffs) > 8 {
		t.Errorf("%d definitions differ:\n%s", len(diffs), strings.Join(diffs, "\n"))
	}
}

// strip removes the notes that only the reference compiler has a use for.
func strip(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			if k != "$calc" {
				out[k] = strip(x)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = strip(v[i])
		}
		return out
	}
	return v
}
