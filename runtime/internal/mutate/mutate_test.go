// Package mutate asks whether tests would notice if a check on rights were missing. It changes single conditions, grants and guards of the code that
// decides, runs the tests that are about rights, and reports the changes that none of them noticed.
//
//	make mutate                       100 of them, chosen by CDS_SEED
//	make mutate MUTANTS=0             all
package mutate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// targets are the files that are changed. Those about rights only are changed wherever they decide, others in the functions and lines that words tells.
var targets = []struct {
	glob  string
	words []string
}{
	{"runtime/authz/*.go", nil},
	{"runtime/sqlgen/*.go", []string{"guard", "allowed(", "definer", "barrier", "fallible", "Forbidden", ".inner", "g.Element", "enclose", "settled"}},
	{"runtime/authorize.go", nil},
	{"runtime/execute.go", []string{"check", "guard", "refused", "holds", "satisfies", "pending", "Forbidden"}},
}

// reports are files that decide nothing: texts, lists for people.
var reports = []string{"runtime/authz/messages.go", "runtime/authz/table.go", "runtime/authz/rows.go", "runtime/authz/inspect.go", "runtime/authz/trace.go", "runtime/authz/position.go"}

// suites are the tests that must notice, the quickest first. One with of is run for mutants whose name has one of the words.
var suites = []struct {
	pkg, run string
	of       []string
}{
	{"runtime/authz", ".", []string{"runtime/authz/"}},
	{"runtime/sqlgen", ".", []string{"runtime/sqlgen/"}},
	{"runtime/internal/leaktest", ".", nil},
	{"runtime/odata", "TestNothingShows|Access|Leak|Forbidden|Restrict|Hidden", nil},
	{"runtime/internal/drafttest", ".", []string{"raft", "owned", "nion"}},
	{"runtime/internal/difftest", ".", nil},
}

func number(name string, def int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return def
}

// TestMutants is the run. It needs CDS_MUTANTS, the number of mutants to try, 0 for all. CDS_MUTANT_QUICK leaves the slower half of the tests out, which is
// enough to see what tests have been added for.
func TestMutants(t *testing.T) {
	if os.Getenv("CDS_MUTANTS") == "" {
		t.Skip("set CDS_MUTANTS to the number of mutants to try; make mutate does")
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	start := time.Now()
	mutants := build(t, root, dir)
	known, stale := equivalent(t, mutants)
	left := slices.DeleteFunc(slices.Clone(mutants), func(m mutant) bool { return known[m.name()] || !wanted(t, m) })
	if n := number("CDS_MUTANTS", 100); n > 0 && n < len(left) {
		seed := uint64(number("CDS_SEED", 1))
		r := rand.New(rand.NewPCG(seed, seed))
		r.Shuffle(len(left), func(i, j int) { left[i], left[j] = left[j], left[i] })
		left = left[:n]
	}
	t.Logf("%d mutants, %d of them equivalent, %d to try; built in %v", len(mutants), len(known), len(left), time.Since(start).Round(time.Second))
	if killed := survives(t, root, dir, mutant{}); killed != "" {
		t.Fatalf("%s fails without any change", killed)
	}
	survivors, by := try(t, root, dir, left)
	for _, m := range survivors {
		t.Errorf("survives: %s", m)
	}
	score := 100 * float64(len(left)-len(survivors)) / float64(max(1, len(left)))
	t.Logf("killed %d of %d mutants: %.1f %%, by %v, in %v", len(left)-len(survivors), len(left), score, by, time.Since(start).Round(time.Second))
	for _, line := range stale {
		t.Logf("equivalent.txt has a line for no mutant: %s", line)
	}
	table(t, left, survivors)
}

// wanted chooses mutants: of the files whose paths end as CDS_MUTANT_FILES says, and of those that the table CDS_MUTANT_ONLY names, as an earlier run has
// written it.
func wanted(t *testing.T, m mutant) bool {
	if files := strings.Fields(os.Getenv("CDS_MUTANT_FILES")); len(files) > 0 && !slices.ContainsFunc(files, func(f string) bool { return strings.HasSuffix(m.file, f) }) {
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

// try runs the tests on each mutant.
func try(t *testing.T, root, dir string, left []mutant) (survivors []mutant, by map[string]int) {
	by, done := map[string]int{}, 0
	var mu sync.Mutex
	var wg sync.WaitGroup
	jobs := make(chan mutant)
	for range max(1, number("CDS_MUTANT_JOBS", runtime.NumCPU())) {
		wg.Go(func() {
			for m := range jobs {
				suite := survives(t, root, dir, m)
				mu.Lock()
				if done++; done%50 == 0 {
					fmt.Println(done, "of", len(left))
				}
				if by[suite]++; suite == "" {
					survivors = append(survivors, m)
					fmt.Println("survives:", m)
				}
				mu.Unlock()
			}
		})
	}
	for _, m := range left {
		jobs <- m
	}
	close(jobs)
	wg.Wait()
	delete(by, "")
	slices.SortFunc(survivors, func(a, b mutant) int { return a.id - b.id })
	return survivors, by
}

// survives runs the suites and returns the first that fails, "" if none does. A test that does not end has noticed.
func survives(t *testing.T, root, dir string, m mutant) string {
	quick := os.Getenv("CDS_MUTANT_QUICK") != ""
	for i, s := range suites {
		if quick && i >= 3 {
			break
		}
		if m.id > 0 && s.of != nil && !slices.ContainsFunc(s.of, func(w string) bool { return strings.Contains(m.name(), w) }) {
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		cmd := exec.CommandContext(ctx, filepath.Join(dir, filepath.Base(s.pkg)+".test"), "-test.short", "-test.failfast", "-test.run", s.run, "-test.skip", "ostgres")
		cmd.Dir = filepath.Join(root, s.pkg)
		cmd.Env = append(os.Environ(), "CDS_MUTANT="+strconv.Itoa(m.id), "CDS_DIFF=20", "GOMAXPROCS=1", "GOMEMLIMIT=500MiB")
		out, err := cmd.CombinedOutput()
		cancel()
		if err != nil {
			if m.id == 0 {
				t.Logf("%s", out)
			}
			return filepath.Base(s.pkg)
		}
	}
	return ""
}

// build compiles the tests with all mutants in them.
func build(t *testing.T, root, dir string) []mutant {
	t.Helper()
	overlay := map[string]string{}
	var all []mutant
	keep := func(file string, text []byte) {
		to := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(to, text, 0o600); err != nil {
			t.Fatal(err)
		}
		overlay[filepath.Join(root, file)] = to
	}
	for _, target := range targets {
		files, err := filepath.Glob(filepath.Join(root, target.glob))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			file, err := filepath.Rel(root, f)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(file, "_test.go") || slices.Contains(reports, file) {
				continue
			}
			out, mutants, err := put(root, file, len(all)+1, counts(target.words))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, mutants...)
			keep(file, out)
			pkg := filepath.Dir(file)
			name := filepath.Base(pkg)
			if name == "runtime" {
				name = "cds"
			}
			keep(filepath.Join(pkg, "zz_mutants.go"), fmt.Appendf(nil, helpers, name))
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for i, s := range suites {
		if os.Getenv("CDS_MUTANT_QUICK") != "" && i >= 3 {
			break
		}
		cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay", list, "-o", filepath.Join(dir, filepath.Base(s.pkg)+".test"), "./"+s.pkg)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", s.pkg, err, out)
		}
	}
	return all
}

// counts returns a filter for places: all, or those that have one of the words.
func counts(words []string) func(fn, text string) bool {
	return func(fn, text string) bool {
		return words == nil || slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
	}
}

// equivalent reads the list of mutants that change nothing, each with a reason: a name, then " # ", then why. A * at the end of a name stands for
// any rest.
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
		prefix, open := strings.CutSuffix(name, "*")
		for _, m := range mutants {
			if n := m.name(); n == name || open && strings.HasPrefix(n, prefix) {
				known[n], found = true, true
			}
		}
		if !found {
			stale = append(stale, line)
		}
	}
	return known, stale
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

// TestInstrument: what is put into a file compiles to the same, and each kind of mutant is made.
func TestInstrument(t *testing.T) {
	dir := t.TempDir()
	src := "package x\n\nfunc f(a, b bool, p *int) (bool, error) {\n\tif a && (b || p == nil) {\n\t\t*p = 1\n\t\treturn true, nil\n\t}\n\tswitch {\n\tcase a:\n\t\tg(and(1, 2))\n\t}\n\treturn false, nil\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "x.go"), []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	out, mutants, err := put(dir, "x.go", 1, counts(nil))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range mutants {
		got = append(got, fmt.Sprint(m.id, " ", m.line, " ", m.kind, " ", m.text))
	}
	want := "mB(1, mT(3, a) && mT(4, (mF(5, b) || mF(6, p == nil))))"
	if !bytes.Contains(out, []byte(want)) || !bytes.Contains(out, []byte("g(mAnd(12, and)(1, 2))")) {
		t.Errorf("%s\n%s", strings.Join(got, "\n"), out)
	}
}
