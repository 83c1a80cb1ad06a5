package check_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cds/parser"
	"cds/parser/check"
	"cds/parser/diag"
)

// The recorded models have faulty restrictions on purpose; nothing else in them may be reported as an error.
func TestRecordedModels(t *testing.T) {
	const root = "../../../shared/conformance/models"
	if _, err := os.Stat(root); err != nil {
		t.Skipf("no recorded models: %v", err)
	}
	for name, want := range map[string]map[string]int{
		"bookshop": {},
		"authlab": {
			"srv/caps.cds restrict-open-sibling":      9, // beside RoAndRestrict
			"srv/nav.cds restrict-open-sibling":       3, // CustomerNames, OrdersFlat, VaultNull
			"srv/requires.cds restrict-form":          1, // NotAnArray
			"srv/requires.cds restrict-unknown-grant": 1, // LowerCase
		},
	} {
		res := parser.CompileProject(os.DirFS(root+"/"+name), parser.Options{})
		if res.Model == nil {
			t.Fatalf("%s does not compile: %v", name, res.Diags)
		}
		got := map[string]int{}
		for _, d := range check.Run(res.Model, check.Options{Strict: true}) {
			if d.Severity == diag.Error {
				got[fmt.Sprintf("%s %s", res.Files.Position(d.Span).File, d.Code)]++
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: -want +got:\n%s", name, d)
		}
		if l := check.Run(res.Model, check.Options{}); l.HasErrors() {
			t.Errorf("%s: errors without strict: %v", name, l)
		}
	}
}
