package mutate

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A run tries mutants.
type run struct {
	t         *testing.T
	root, dir string
	log       string // what was found out, to go on from; "" for none
	suites    []int  // that were built
	units     []*unit
	killers   map[string]int // by suite
}

// A unit is one test: what it reaches, how long it takes and how often it noticed something.
type unit struct {
	suite int
	name  string
	took  time.Duration
	sees  map[int]bool
	tries int
	kills int
}

// heavy is how long a test may take to be run together with others of its suite.
const heavy = 4 * time.Second

// build compiles the tests with all mutants in them.
func (r *run) build() []mutant {
	r.t.Helper()
	overlay := map[string]string{}
	seen := map[string]bool{}
	names := map[string]string{}
	var all []mutant
	for _, target := range targets {
		files, err := filepath.Glob(filepath.Join(r.root, target.glob))
		if err != nil {
			r.t.Fatal(err)
		}
		for _, f := range files {
			file, err := filepath.Rel(r.root, f)
			if err != nil {
				r.t.Fatal(err)
			}
			if strings.HasSuffix(file, "_test.go") || seen[file] || slices.Contains(reports, file) {
				continue
			}
			seen[file] = true
			out, mutants, err := put(r.root, file, len(all)+1, counts(target.words))
			if err != nil {
				r.t.Fatal(err)
			}
			if len(mutants) == 0 {
				continue
			}
			all = append(all, mutants...)
			r.keep(overlay, file, out)
			names[filepath.Dir(file)] = packageName(out)
		}
	}
	for pkg, name := range names {
		r.keep(overlay, filepath.Join(pkg, "zz_mutants.go"), fmt.Appendf(nil, helpers, name, len(all)+2))
	}
	text, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		r.t.Fatal(err)
	}
	list := filepath.Join(r.dir, "overlay.json")
	if err := os.WriteFile(list, text, 0o600); err != nil {
		r.t.Fatal(err)
	}
	for i, s := range suites {
		if only := strings.Fields(os.Getenv("CDS_MUTANT_SUITES")); len(only) > 0 && !slices.Contains(only, filepath.Base(s.pkg)) {
			continue
		}
		cmd := exec.CommandContext(r.t.Context(), "go", "test", "-c", "-overlay", list, "-o", r.binary(i), "./"+s.pkg)
		cmd.Dir = r.root
		if out, err := cmd.CombinedOutput(); err != nil {
			r.t.Fatalf("%s: %v\n%s", s.pkg, err, out)
		}
		r.suites = append(r.suites, i)
	}
	return all
}

func packageName(src []byte) string {
	m := regexp.MustCompile(`(?m)^package (\w+)`).FindSubmatch(src)
	return string(m[1])
}

func (r *run) keep(overlay map[string]string, file string, text []byte) {
	to := filepath.Join(r.dir, strings.ReplaceAll(file, "/", "_"))
	if err := os.WriteFile(to, text, 0o600); err != nil {
		r.t.Fatal(err)
	}
	overlay[filepath.Join(r.root, file)] = to
}

func (r *run) binary(suite int) string {
	return filepath.Join(r.dir, filepath.Base(suites[suite].pkg)+".test")
}

// command runs tests of a suite. What they leave in the directory for temporary files is theirs alone.
func (r *run) command(ctx context.Context, suite int, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, r.binary(suite), append([]string{"-test.short", "-test.failfast", "-test.skip", "ostgres|.*/ostgres|.*/.*/ostgres"}, args...)...)
	cmd.Dir = filepath.Join(r.root, suites[suite].pkg)
	cmd.Env = append(os.Environ(), "CDS_DIFF="+strconv.Itoa(number("CDS_MUTANT_DIFF", 20)), "GOMAXPROCS=1", "GOMEMLIMIT=500MiB", "TMPDIR="+r.dir)
	cmd.Env = append(cmd.Env, env...)
	cmd.WaitDelay = time.Second
	return cmd
}

// look runs each test by itself without a mutant and notes which mutants it reaches.
func (r *run) look() {
	for _, i := range r.suites {
		out, err := r.command(r.t.Context(), i, nil, "-test.list", suites[i].run).Output()
		if err != nil {
			r.t.Fatal(err)
		}
		for _, name := range strings.Fields(string(out)) {
			if strings.HasPrefix(name, "Benchmark") || strings.Contains(name, "ostgres") {
				continue
			}
			r.units = append(r.units, r.reach(i, name))
		}
	}
}

func (r *run) reach(suite int, name string) *unit {
	u := &unit{suite: suite, name: name, sees: map[int]bool{}}
	seen := filepath.Join(r.dir, "seen")
	start := time.Now()
	out, err := r.command(r.t.Context(), suite, []string{"CDS_MUTANTS_SEEN=" + seen}, "-test.run", "^"+name+"$").CombinedOutput()
	u.took = time.Since(start)
	if err != nil {
		r.t.Errorf("%s fails without any change, and is left out: %v\n%s", name, err, out)
		_ = os.Remove(seen)
		return u
	}
	text, err := os.ReadFile(seen)
	if err != nil {
		r.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if n, err := strconv.Atoi(strings.TrimSpace(line)); err == nil {
			u.sees[n] = true
		}
	}
	if err := os.Remove(seen); err != nil {
		r.t.Fatal(err)
	}
	return u
}

// try runs the tests on each mutant.
func (r *run) try(left []mutant) (survivors []mutant, unreached map[int]bool) {
	unreached = map[int]bool{}
	before := r.logged()
	start := time.Now()
	for i, m := range left {
		if by := before[m.name()]; by != "" {
			r.killers[strings.Fields(by)[0]]++
			continue
		}
		by, reached := r.kill(m)
		if by == "" {
			survivors = append(survivors, m)
			unreached[m.id] = !reached
			fmt.Println("survives:", m, reached)
		} else {
			r.killers[strings.Fields(by)[0]]++
			r.note(m, by)
		}
		if (i+1)%50 == 0 {
			fmt.Println(i+1, "of", len(left), "in", time.Since(start).Round(time.Second))
		}
	}
	return survivors, unreached
}

// logged reads what an earlier run has noted: which test noticed which mutant.
func (r *run) logged() map[string]string {
	out := map[string]string{}
	if r.log == "" {
		return out
	}
	text, err := os.ReadFile(r.log)
	if err != nil && !os.IsNotExist(err) {
		r.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if by, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok {
			out[name] = by
		}
	}
	return out
}

func (r *run) note(m mutant, by string) {
	if r.log == "" {
		return
	}
	f, err := os.OpenFile(r.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(f, "%s\t%s\n", by, m.name()); err != nil {
		r.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		r.t.Fatal(err)
	}
}

// A batch is tests of one suite that are run together.
type batch struct {
	units []*unit
	took  time.Duration
	worth float64 // how often it is expected to notice, by time
}

// kill runs the tests that reach a mutant, those first that promise most for their time, and returns which has noticed, "" if none did.
func (r *run) kill(m mutant) (by string, reached bool) {
	quick := os.Getenv("CDS_MUTANT_QUICK") != ""
	var batches []*batch
	light := map[int]*batch{}
	for _, u := range r.units {
		if !u.sees[m.id] || quick && u.took > heavy {
			continue
		}
		b := light[u.suite]
		if u.took > heavy || b == nil {
			b = &batch{}
			batches = append(batches, b)
			if u.took <= heavy {
				light[u.suite] = b
			}
		}
		b.units = append(b.units, u)
		b.took += u.took
		b.worth = max(b.worth, float64(u.kills+1)/float64(u.tries+2))
	}
	for _, b := range batches {
		b.worth /= b.took.Seconds() + 0.05
	}
	slices.SortStableFunc(batches, func(a, b *batch) int { return cmp.Compare(b.worth, a.worth) })
	for _, b := range batches {
		if by := r.runs(m, b); by != "" {
			return by, true
		}
	}
	return "", len(batches) > 0
}

var failed = regexp.MustCompile(`(?m)^--- FAIL: (\w+)`)

// runs runs tests on a mutant. A test that does not end, or uses all memory, has noticed.
func (r *run) runs(m mutant, b *batch) string {
	var names []string
	for _, u := range b.units {
		names = append(names, u.name)
		u.tries++
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), 20*time.Second+8*b.took)
	defer cancel()
	suite := b.units[0].suite
	cmd := r.command(ctx, suite, []string{"CDS_MUTANT=" + strconv.Itoa(m.id)}, "-test.run", "^("+strings.Join(names, "|")+")$")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err == nil {
		return ""
	}
	by := filepath.Base(suites[suite].pkg)
	if f := failed.FindSubmatch(out.Bytes()); f != nil {
		by += " " + string(f[1])
		for _, u := range b.units {
			if u.name == string(f[1]) {
				u.kills++
			}
		}
	}
	return by
}

// TestInstrument: what is put into a file compiles to the same, and each kind of mutant is made.
func TestInstrument(t *testing.T) {
	dir := t.TempDir()
	src := `package x

func f(a, b bool, p *int) (bool, error) {
	if a && (b || p == nil) {
		*p = 1
		return true, nil
	}
	switch {
	case a:
		g(and(1, 2))
	}
	for range 3 {
		p = nil
	}
	c := !a
	return c, g(h(p == nil))
}
`
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
	for _, want := range []string{
		"if mB(2, mT(4, a) && mT(5, (mF(6, b) || mF(7, p == nil)))) {",
		"if mK(8) { *p = 1 }",
		"return mN(9, true), nil",
		"case mB(10, a):",
		"if mK(12) { g(mAnd(13, and)(1, 2)) }",
		"if mK(1) { for range 3 {",
		"c := mB(16, !a)",
		"return mB(18, c), mZ[error](20, g(h(mB(21, p == nil))))",
	} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("no %s in\n%s\n%s", want, strings.Join(got, "\n"), out)
		}
	}
}
