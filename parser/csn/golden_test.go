package csn_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cds/parser/csn"
)

// recorded returns the CSN goldens of the reference compiler, or skips where they are not at hand.
func recorded(t testing.TB) []string {
	files, _ := filepath.Glob("../../../shared/conformance/csn/*/*.csn.json")
	if len(files) == 0 {
		t.Skip("the recorded CSN files are not at hand")
	}
	return files
}

func read(t testing.TB, file string) *csn.Model {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m, diags := csn.Read(data)
	for _, d := range diags {
		t.Logf("%s: %s %s: %s", file, d.Code, d.Home, d.Message)
	}
	if m == nil {
		t.Fatalf("%s: no model", file)
	}
	return m
}

func TestRecordedModelsRoundTrip(t *testing.T) {
	for _, file := range recorded(t) {
		if strings.Contains(file, "/invalid/") {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			m := read(t, file)
			for _, opt := range []csn.MarshalOptions{{Docs: true}, {Docs: true, Indent: true}} {
				out := csn.Marshal(m, opt)
				again, diags := csn.Read(out)
				if again == nil {
					t.Fatalf("cannot read what was written: %v\n%s", diags, out)
				}
				if again.Fingerprint() != m.Fingerprint() {
					t.Errorf("fingerprints differ after a round trip\n%s\n%s", out, csn.Marshal(again, opt))
				}
			}
		})
	}
}
