package tainttest

import (
	"context"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/cdstest"
	"cds/runtime/db"
)

// number reads how much to do from the environment: CDS_TAINT=1000 tries 1000 models.
func number(def int) int {
	if n, err := strconv.Atoi(os.Getenv("CDS_TAINT")); err == nil {
		return n
	}
	return def
}

// TestTaint asks databases that differ in what a user must not see.
func TestTaint(t *testing.T) { taint(t, number(9), nil) }

// TestTaint_postgres is TestTaint on PostgreSQL.
func TestTaint_postgres(t *testing.T) { taint(t, number(3), cdstest.PostgresSchemas(t)) }

// tally is what a run has met.
type tally struct {
	models, refused, views, requests, differ, leaks int
	columns, closed, needless                       int
	dropped, features, statuses, other              map[string]int
}

func taint(t *testing.T, models int, database func(testing.TB) db.Pool) {
	sum := &tally{dropped: map[string]int{}, features: map[string]int{}, statuses: map[string]int{}, other: map[string]int{}}
	first, _ := strconv.Atoi(os.Getenv("CDS_TAINT_SEED"))
	for i := range models {
		seed := uint64(first + i)
		t.Run(strconv.Itoa(int(seed)), func(t *testing.T) { one(t, seed, sum, database) })
		if sum.leaks > 20 {
			break
		}
	}
	t.Logf("%d models, %d that do not deploy; %d views, dropped by what they were refused for: %s", sum.models, sum.refused, sum.views, counts(sum.dropped))
	t.Logf("written: %s", counts(sum.features))
	t.Logf("%d requests twice: %s; %d leaks; %d answers differ for others", sum.requests, counts(sum.statuses), sum.leaks, sum.differ)
	t.Logf("%d columns, %d closed to the user, %d of them (%.1f%%) show the same in both databases", sum.columns, sum.closed, sum.needless, 100*float64(sum.needless)/float64(max(sum.closed, 1)))
	t.Log(counts(sum.other))
	if models >= 3 && (sum.differ == 0 || sum.views < models || sum.statuses["200"] == 0 || sum.statuses["403"] == 0) {
		t.Error("the test has lost its sense")
	}
}

func counts(m map[string]int) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, fmt.Sprint(k, " ", m[k]))
	}
	return strings.Join(out, ", ")
}

// one tries one model.
func one(t *testing.T, seed uint64, sum *tally, database func(testing.TB) db.Pool) {
	m := newMaker(seed)
	m.base()
	model, codes := m.compile("")
	if model == nil {
		t.Fatalf("seed %d: the tables do not compile: %v\n%s", seed, codes, m.text)
	}
	m.model = model
	m.exposed()
	for i := range 10 {
		m.view(i)
	}
	data := m.data()
	var apps [2]*cdstest.App
	var roles []string
	for r, has := range m.has {
		if has {
			roles = append(roles, r)
		}
	}
	for i := range apps {
		cfg := cdstest.Config{Model: func() (*csn.Model, error) { return m.model, nil }, FS: data[i], Database: database,
			Users: []cdstest.TestUser{cdstest.User("u", cdstest.Roles(roles...)), cdstest.User("all", cdstest.Roles("r1", "r2", "r3"))}}
		var why string
		if apps[i], why = start(t, cfg); apps[i] == nil {
			sum.refused++
			t.Logf("seed %d: %s", seed, why)
			return
		}
	}
	sum.models++
	sum.views += m.kept
	for k, n := range m.dropped {
		sum.dropped[k] += n
	}
	for k, n := range m.features {
		sum.features[k] += n
	}
	m.judge(t, seed, sum, apps)
}

// judge asks both servers.
func (m *maker) judge(t *testing.T, seed uint64, sum *tally, apps [2]*cdstest.App) {
	user := pick(m.Rand, "u", "u", "u", "")
	if user == "" {
		for r := range m.has {
			if m.has[r] {
				user = "u"
			}
		}
	}
	for _, e := range entities(m.model) {
		leaks := 0
		for _, url := range m.requests(e) {
			a, b := send(apps[0], user, url), send(apps[1], user, url)
			sum.requests++
			sum.statuses[strconv.Itoa(a.Code)]++
			if a.Code >= 500 && a.Code != 501 {
				sum.other["failures"]++
				if !strings.Contains(a.Body.String(), "rows in place of one") { // by a key that is none
					t.Errorf("seed %d: GET %s: %s\n%s\n%s", seed, url, a.Body, define(m.text, e.Name), last(apps[0].Log()))
				}
			}
			if x, y := answered(a), answered(b); x != y {
				if leaks++; leaks < 4 {
					t.Errorf("seed %d, %q %v: GET %s tells of what is hidden: %s\n%s", seed, user, m.has, url, difference(x, y), define(m.text, e.Name))
				}
			}
			if m.IntN(20) == 0 && answered(send(apps[0], "all", url)) != answered(send(apps[1], "all", url)) {
				sum.differ++
			}
		}
		for i, el := range append([]*csn.Element{nil}, e.Flat...) {
			name := ""
			if i > 0 {
				if name = el.Name; el.Scalar() == nil {
					continue
				}
			}
			ctx := [2]context.Context{apps[0].As(user), apps[1].As(user)}
			if x, y := inProcess(ctx[0], apps[0], e, name), inProcess(ctx[1], apps[1], e, name); x != y {
				leaks++
				t.Errorf("seed %d, %q %v: reading %q of %s tells of what is hidden: %s", seed, user, m.has, name, e.Name, difference(x, y))
			}
			if i > 0 {
				m.needed(sum, apps, ctx, e, name)
			}
		}
		sum.leaks += min(leaks, 1)
	}
	if name := os.Getenv("CDS_TAINT_MODEL"); name != "" || t.Failed() {
		t.Log(m.text)
		_ = os.WriteFile(name, []byte(m.text), 0o600)
	}
}

// difference shows where two texts differ.
func difference(x, y string) string {
	i := 0
	for i < min(len(x), len(y)) && x[i] == y[i] {
		i++
	}
	around := func(s string) string { return s[max(0, min(i-60, len(s))):min(len(s), i+60)] }
	return fmt.Sprintf("\n  %q\n  %q", around(x), around(y))
}

// last returns the end of a log.
func last(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	return lines[len(lines)-1]
}

// define returns the line that defines an entity.
func define(text, name string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, "entity "+name+" ") {
			return line
		}
	}
	return ""
}

// needed counts a column, and whether it is closed to the user although it shows the same in both databases: not necessarily a fault, since values may be equal by chance.
func (m *maker) needed(sum *tally, apps [2]*cdstest.App, ctx [2]context.Context, e *csn.Entity, name string) {
	sum.columns++
	if got := send(apps[0], "u", "/s/"+strings.TrimPrefix(e.Name, "S.")+"?$select="+name); got.Code != 401 && got.Code != 403 {
		return
	}
	sum.closed++
	var all [2]string
	for i := range apps {
		_ = cds.Privileged(ctx[i], "what the column holds", func(ctx context.Context) error {
			all[i] = inProcess(ctx, apps[i], e, name)
			return nil
		})
	}
	if all[0] == all[1] {
		sum.needless++
		if os.Getenv("CDS_TAINT_NEEDLESS") != "" {
			fmt.Println("needless:", e.Name, name, define(m.text, e.Name))
		}
	}
}

// quiet is a test that ends where the application does not start, and tells why.
type quiet struct {
	testing.TB
	why string
}

func (q *quiet) Fatalf(format string, args ...any) {
	q.why = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (q *quiet) Fatal(args ...any) {
	q.why = fmt.Sprint(args...)
	runtime.Goexit()
}

func start(t *testing.T, cfg cdstest.Config) (app *cdstest.App, why string) {
	q := &quiet{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		app = cdstest.New(q, cfg)
	}()
	<-done
	return app, q.why
}
