package command

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestLinksNoTests keeps the command free of the testing packages: what starts servers for users must not be what fails tests.
func TestLinksNoTests(t *testing.T) {
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is not installed: ", err)
	}
	out, err := exec.CommandContext(t.Context(), tool, "list", "-deps", "cds/cmd/cds").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, "cds/runtime/serve") {
		t.Fatalf("%d packages without the server", len(deps))
	}
	for _, p := range deps {
		if p == "testing" || strings.HasPrefix(p, "testing/") {
			t.Errorf("cmd/cds links %s", p)
		}
	}
}
