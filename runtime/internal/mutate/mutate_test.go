// Package mutate asks whether tests would notice if a check on rights were missing. It changes single conditions, grants and guards of the code that
// decides, runs the tests that are about rights, and reports the changes that none of them noticed.
//
//	make mutate                       100 of them, chosen by CDS_SEED
//	make mutate MUTANTS=0             all
package mutate

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// targets are the files that are changed. Those about rights only are changed wherever they decide, others in the functions and lines that words tells.
var targets = []struct {
	glob  string
	words []string
}{
	{"runtime/authz/*.go", nil},
	{"runtime/sqlgen/barrier.go", nil},
	{"runtime/sqlgen/tenant.go", nil},
	{"runtime/sqlgen/slice.go", nil},
	{"runtime/sqlgen/*.go", []string{"guard", "allowed(", "definer", "barrier", "fallible", "Forbidden", ".inner", ".first", "g.Element", "enclose", "shut()", "settled", "tenant", "Tenant", "protect(", "Anonymous"}},
	{"runtime/authorize.go", nil},
	{"runtime/tenant.go", nil},
	{"runtime/execute.go", nil},
	{"runtime/plans.go", []string{"guard", "Guard", "asked", "narrow"}},
	{"runtime/draft.go", []string{"guard", "Guard", "decide"}},
	{"runtime/disclosure.go", nil},
	{"runtime/dispatch.go", []string{"authorize", "verify", "privileged", "User"}},
	{"runtime/may.go", nil},
	{"runtime/rights.go", nil},
	{"runtime/*.go", []string{"guard", "tenantOf", "authorize(", "MayWrite", "Forbidden", "decide("}},
	{"runtime/generic/*.go", []string{"guard", "Guard", "Decide", "Allowed()", "MayWrite", "authz.", "Forbidden"}},
}

// reports are files that decide nothing: texts, lists for people.
var reports = []string{"runtime/authz/messages.go", "runtime/authz/table.go", "runtime/authz/rows.go", "runtime/authz/inspect.go", "runtime/authz/trace.go", "runtime/authz/position.go",
	"runtime/authz/datawarn.go", "runtime/authz/lineage.go"}

// suites are the tests that must notice, the quickest first.
var suites = []struct{ pkg, run string }{
	{"runtime/authz", "."},
	{"runtime/sqlgen", "."},
	{"runtime/internal/leaktest", "."},
	{"runtime/internal/tenanttest", "."},
	{"runtime/internal/drafttest", "."},
	{"runtime/odata", "TestNothingShows|Access|Leak|Forbidden|Restrict|Hidden|Guard|Rights|Capabilities|ByRole"},
	{"runtime/policies", "."},
	{"runtime/audit", "."},
	{"runtime/rls", "."},
	{"runtime/crypt", "."},
	{"runtime/rest", "."},
	{"runtime/explain", "."},
	{"runtime/generic", "."},
	{"runtime/external", "."},
	{"runtime", "."},
	{"runtime/internal/difftest", "."},
}

func number(name string, def int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return def
}

// TestMutants is the run. It needs CDS_MUTANTS, the number of mutants to try, 0 for all. What has been tried is noted in the file CDS_MUTANT_LOG; a later run
// with the same file goes on with the others, and with those that survived. CDS_MUTANT_QUICK leaves out the tests that take long.
func TestMutants(t *testing.T) {
	if os.Getenv("CDS_MUTANTS") == "" {
		t.Skip("set CDS_MUTANTS to the number of mutants to try; make mutate does")
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	r := &run{t: t, root: root, dir: t.TempDir(), log: os.Getenv("CDS_MUTANT_LOG"), killers: map[string]int{}}
	start := time.Now()
	mutants := r.build()
	known, stale := equivalent(t, mutants)
	left := slices.DeleteFunc(slices.Clone(mutants), func(m mutant) bool { return known[m.name()] || !wanted(t, m) })
	if n := number("CDS_MUTANTS", 100); n > 0 && n < len(left) {
		seed := uint64(number("CDS_SEED", 1))
		r := rand.New(rand.NewPCG(seed, seed))
		r.Shuffle(len(left), func(i, j int) { left[i], left[j] = left[j], left[i] })
		left = left[:n]
	}
	t.Logf("%d mutants, %d of them equivalent, %d to try; built in %v", len(mutants), len(known), len(left), time.Since(start).Round(time.Second))
	r.look()
	t.Logf("what %d tests reach is known after %v", len(r.units), time.Since(start).Round(time.Second))
	survivors, unreached := r.try(left)
	for _, m := range survivors {
		what := "survives"
		if unreached[m.id] {
			what = "is reached by no test"
		}
		t.Errorf("%s: %s", what, m)
	}
	score := 100 * float64(len(left)-len(survivors)) / float64(max(1, len(left)))
	t.Logf("killed %d of %d mutants: %.1f %%, by %v, in %v", len(left)-len(survivors), len(left), score, r.killers, time.Since(start).Round(time.Second))
	for _, line := range stale {
		t.Logf("equivalent.txt has a line for no mutant: %s", line)
	}
	table(t, left, survivors)
}

// wanted chooses mutants: of the files whose paths have one of the words of CDS_MUTANT_FILES, and of those that the table CDS_MUTANT_ONLY names, as an earlier run has
// written it.
func wanted(t *testing.T, m mutant) bool {
	if files := strings.Fields(os.Getenv("CDS_MUTANT_FILES")); len(files) > 0 && !slices.ContainsFunc(files, func(f string) bool { return strings.Contains(m.file, f) }) {
		return false
	}
	list := os.Getenv("CDS_MUTANT_ONLY")
	if list == "" {
		return true
	}
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Contains(strings.Split(string(text), "\n"), "- "+m.name())
}

// counts returns a filter for places: all, or those that have one of the words.
func counts(words []string) func(fn, text string) bool {
	return func(fn, text string) bool {
		return words == nil || slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
	}
}

// equivalent reads the list of mutants that change nothing, each with a reason: a name, then " # ", then why. A * at the end of a name stands for
// any rest, as a kind for any kind.
func equivalent(t *testing.T, mutants []mutant) (known map[string]bool, stale []string) {
	t.Helper()
	text, err := os.ReadFile("equivalent.txt")
	if err != nil {
		t.Fatal(err)
	}
	known = map[string]bool{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, why, ok := strings.Cut(line, " # ")
		if !ok || why == "" {
			t.Errorf("equivalent.txt: a line without a reason: %s", line)
		}
		found := false
		for _, m := range mutants {
			if m.matches(name) {
				known[m.name()], found = true, true
			}
		}
		if !found {
			stale = append(stale, line)
		}
	}
	return known, stale
}

// matches reports whether a name of the list is that of the mutant.
func (m mutant) matches(name string) bool {
	if m.name() == name {
		return true
	}
	parts := strings.SplitN(name, " | ", 4)
	if len(parts) < 4 || parts[2] != "*" && parts[2] != m.kind {
		return false
	}
	text, open := strings.CutSuffix(parts[3], "*")
	own := strings.SplitN(m.name(), " | ", 4)
	return parts[0] == m.file && parts[1] == m.fn && (own[3] == text || open && strings.HasPrefix(own[3], text))
}

// table writes the score by file to CDS_MUTANT_TABLE.
func table(t *testing.T, tried, survivors []mutant) {
	t.Helper()
	count, alive := map[string]int{}, map[string]int{}
	for _, m := range tried {
		count[m.file]++
	}
	for _, m := range survivors {
		alive[m.file]++
	}
	var b bytes.Buffer
	b.WriteString("| file | mutants | killed | survivors |\n|---|---|---|---|\n")
	files := make([]string, 0, len(count))
	for f := range count {
		files = append(files, f)
	}
	slices.Sort(files)
	for _, f := range files {
		fmt.Fprintf(&b, "| %s | %d | %d | %d |\n", f, count[f], count[f]-alive[f], alive[f])
	}
	t.Logf("\n%s", b.String())
	if to := os.Getenv("CDS_MUTANT_TABLE"); to != "" {
		for _, m := range survivors {
			fmt.Fprintf(&b, "\n- %s", m.name())
		}
		if err := os.WriteFile(to, b.Bytes(), 0o600); err != nil {
			t.Error(err)
		}
	}
}
