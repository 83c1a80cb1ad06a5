package difftest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
	"testing/fstest"

	"cds/parser"
	"cds/parser/csn"
	"cds/runtime/cdstest"
	"cds/runtime/db"
)

// Twins are two servers of one model whose data differ in what one user must not see: rows that the rules hide, and the values of an element that the
// user may not read. Whatever that user sends, both must answer alike, byte by byte. This needs no oracle for what an answer should be, only the one
// that tells who may see which row, so that requests may be anything, also what makes no sense.

// A twin is a world with what the random model lacks: translated texts, an element with rights of its own, drafts, slices of time.
type twin struct {
	*world
	who       *person
	localized map[*entity]bool
	secret    map[*entity]string // the role that reading x needs; "" for no element x
	drafts    *entity            // is draft-enabled; nil for none
	temporal  *entity
	etag      map[*entity]string   // the element that entity tags are made of
	checked   map[*assoc]bool      // has @assert.target
	hidden    [2]map[*entity][]row // rows of both servers
}

func newTwin(seed uint64, flat bool) *twin {
	w := newWorldOf(seed, flat)
	tw := &twin{world: w, localized: map[*entity]bool{}, secret: map[*entity]string{}, etag: map[*entity]string{}, checked: map[*assoc]bool{}}
	tw.who = w.people[min(1+w.IntN(4), w.IntN(20))] // seldom the anonymous one
	for _, e := range w.entities {
		tw.localized[e] = w.IntN(3) == 0
		if w.IntN(2) == 0 {
			tw.secret[e] = pick(w.Rand, "A", "B", "nobody", "nobody")
			if w.IntN(4) == 0 {
				tw.etag[e] = "x"
			}
		} else if w.IntN(6) == 0 {
			tw.etag[e] = "n"
		}
		for _, a := range e.assocs {
			tw.checked[a] = !a.many && !a.part && w.IntN(3) == 0
		}
	}
	if w.IntN(3) == 0 {
		for _, e := range w.entities {
			if len(e.up) == 0 {
				tw.drafts = e
			}
		}
	}
	if w.IntN(4) == 0 {
		tw.temporal = pick(w.Rand, w.entities...)
	}
	for _, e := range w.entities {
		for _, r := range e.rows {
			r["x"] = w.IntN(5)
		}
	}
	tw.hidden = [2]map[*entity][]row{tw.rowsOf(), nil}
	tw.hidden[1] = tw.vary()
	return tw
}

func (tw *twin) rowsOf() map[*entity][]row {
	out := map[*entity][]row{}
	for _, e := range tw.entities {
		out[e] = e.rows
	}
	return out
}

func (tw *twin) use(rows map[*entity][]row) {
	for e, rs := range rows {
		e.rows = rs
	}
}

// seen tells what the user may see, for comparing; without x where it may not be read.
func (tw *twin) seen() map[string]any {
	o := newOracle(tw.world, tw.who)
	out := map[string]any{}
	for _, e := range tw.entities {
		v := o.see(e)
		var rows []row
		for _, r := range v.rows {
			r = maps.Clone(r)
			if !tw.maySee(e) {
				delete(r, "x")
			}
			rows = append(rows, r)
		}
		sort.Slice(rows, func(i, j int) bool { return rows[i].id() < rows[j].id() })
		out[e.name] = []any{v.denied, v.free, rows}
		if tw.flat { // rows that may be written are not hidden either
			for _, ev := range []string{"CREATE", "UPDATE", "DELETE"} {
				ok, where := o.granted(e, ev)
				for _, r := range e.rows {
					if ok && o.any(where, e, r) {
						r = maps.Clone(r)
						delete(r, "x")
						out[fmt.Sprint(e.name, ev, r.id())] = r
					}
				}
			}
		}
	}
	return out
}

// userHas is a condition that those fulfil who have a role.
func (tw *twin) userHas(role string) string {
	text := "1 = 2"
	for _, p := range tw.people {
		if p.name != "" && p.has([]string{role}) {
			text += " or $user = ''" + p.name + "''"
		}
	}
	return text
}

func (tw *twin) maySee(e *entity) bool {
	r, ok := tw.secret[e]
	return !ok || tw.who.has([]string{r})
}

// vary returns other rows of which the user sees the same: changes that would show are taken back.
func (tw *twin) vary() map[*entity][]row {
	base := tw.rowsOf()
	defer tw.use(base)
	want := tw.seen()
	try := func(e *entity, rows []row) {
		old := e.rows
		if e.rows = rows; !reflect.DeepEqual(want, tw.seen()) {
			e.rows = old
		}
	}
	for _, e := range tw.entities {
		for i := range e.rows {
			r := maps.Clone(e.rows[i])
			if !tw.maySee(e) {
				r["x"] = tw.IntN(5)
			}
			try(e, slices.Concat(e.rows[:i], []row{r}, e.rows[i+1:]))
			for _, name := range slices.Sorted(maps.Keys(r)) {
				if name == "ID" || name == "x" {
					continue
				}
				r := maps.Clone(e.rows[i])
				if r[name] = tw.orNull(tw.literal(name)); strings.HasSuffix(name, "_ID") {
					r[name] = tw.orNull(1 + tw.IntN(8))
				}
				try(e, slices.Concat(e.rows[:i], []row{r}, e.rows[i+1:]))
			}
		}
		for i := len(e.rows) - 1; i >= 0; i-- {
			if tw.IntN(3) == 0 {
				try(e, slices.Concat(e.rows[:i], e.rows[i+1:]))
			}
		}
		for i := range tw.IntN(3) {
			if len(e.rows) == 0 {
				break
			}
			r := maps.Clone(pick(tw.Rand, e.rows...))
			r["ID"] = 20 + i
			try(e, slices.Concat(e.rows, []row{r}))
		}
	}
	return tw.rowsOf()
}

// cdl writes the model with what is added.
func (tw *twin) cdl() string {
	text := tw.world.cdl()
	for _, e := range tw.entities {
		from := fmt.Sprintf("entity d.%s { key ID : Integer; s : String(10);", e.name)
		s, x := "String(10)", ""
		if tw.localized[e] {
			s = "localized String(10)"
		}
		if role, ok := tw.secret[e]; ok {
			rule := "@requires: '" + role + "'"
			if e.name[len(e.name)-1]%2 == 1 { // a condition that looks at the user
				rule = "@restrict: [{ grant: '*', to: ['any'], where: '" + tw.userHas(role) + "' }]"
			}
			x = " " + rule + " x : Integer; y : Integer = x + 1;"
		}
		if e == tw.temporal {
			x += " @cds.valid.from vf : Date; @cds.valid.to vt : Date;"
		}
		if el := tw.etag[e]; el != "" {
			text += "annotate d." + e.name + " with { " + el + " @odata.etag };\n"
		}
		for _, a := range e.assocs {
			if tw.checked[a] {
				text += "annotate d." + e.name + " with { " + a.name + " @assert.target };\n"
			}
		}
		if x != "" && tw.drafts != e {
			text += "annotate d." + e.name + " with @cds.search: { s, c, owner, x };\n"
		}
		text = strings.Replace(text, from, fmt.Sprintf("entity d.%s { key ID : Integer; s : %s;%s", e.name, s, x), 1)
	}
	if tw.drafts != nil {
		text += "annotate S." + tw.drafts.name + " with @odata.draft.enabled;\n"
	}
	return strings.Replace(text, "@path: '/s' ", "@protocol: [{ kind: 'odata', path: '/s' }, { kind: 'rest', path: '/r' }] ", 1)
}

// files writes the data of one of the servers.
func (tw *twin) files(i int) fstest.MapFS {
	base := tw.rowsOf()
	defer tw.use(base)
	tw.use(tw.hidden[i])
	fs := tw.data()
	for _, e := range tw.entities {
		name := "db/data/d-" + e.name
		_, x := tw.secret[e]
		lines := strings.Split(strings.TrimSuffix(string(fs[name+".csv"].Data), "\n"), "\n")
		texts := "ID;locale;s\n"
		for n, r := range e.rows {
			if x {
				lines[n+1] += fmt.Sprint(";", r["x"])
			}
			if e == tw.temporal {
				lines[n+1] += ";2000-01-01;9999-12-31"
			}
			if r["s"] != nil && r.id()%2 == 0 {
				texts += fmt.Sprintf("%d;de;%s-de\n", r.id(), r["s"])
			}
		}
		if x {
			lines[0] += ";x"
		}
		if e == tw.temporal {
			lines[0] += ";vf;vt"
		}
		fs[name+".csv"].Data = []byte(strings.Join(lines, "\n") + "\n")
		if tw.localized[e] {
			fs[name+".texts.csv"] = &fstest.MapFile{Data: []byte(texts)}
		}
	}
	return fs
}

// apps starts both servers; ok is false if the model with its additions is not one.
func (tw *twin) apps(t *testing.T, database func(testing.TB) db.Pool) (apps [2]*cdstest.App, ok bool) {
	t.Helper()
	res := parser.CompileString("world.cds", tw.cdl())
	if res.Model == nil || res.Diags.HasErrors() {
		t.Logf("left out: %v", res.Diags)
		return apps, false
	}
	for i := range apps {
		cfg := cdstest.Config{Model: func() (*csn.Model, error) { return res.Model, nil }, FS: tw.files(i), Database: database}
		for _, p := range tw.people[1:] {
			opts := []func(*cdstest.TestUser){cdstest.Roles(p.roles...)}
			for _, name := range slices.Sorted(maps.Keys(p.attrs)) {
				opts = append(opts, cdstest.Attr(name, p.attrs[name]...))
			}
			cfg.Users = append(cfg.Users, cdstest.User(p.name, opts...))
		}
		apps[i] = cdstest.New(t, cfg)
	}
	return apps, true
}

// A letter is one request of a user.
type letter struct {
	method, url, body string
	header            [][2]string
}

func (l letter) String() string { return l.method + " " + l.url + " " + l.body }

func (l letter) to(app *cdstest.App, who *person) *httptest.ResponseRecorder {
	r := httptest.NewRequest(l.method, l.url, strings.NewReader(l.body))
	if l.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range l.header {
		r.Header.Set(h[0], h[1])
	}
	if who.name != "" {
		r.SetBasicAuth(who.name, who.name)
	}
	rec := httptest.NewRecorder()
	app.Server.Handler().ServeHTTP(rec, r)
	return rec
}

// What differs for each request.
var (
	changing = []string{"X-Correlation-Id", "Date", "Content-Length"}
	made     = regexp.MustCompile(`batch_[0-9A-Za-z-]+|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|X-Correlation-Id: \S+|\d{4}-\d\d-\d\dT[0-9:.]+Z|Content-Length: \d+`)
)

// answered is all that a client gets.
func answered(rec *httptest.ResponseRecorder) string {
	h := rec.Header().Clone()
	for _, n := range changing {
		h.Del(n)
	}
	return made.ReplaceAllString(fmt.Sprint(rec.Code, " ", h, "\n", rec.Body), "…")
}

// newRand is a source of its own for requests, so that a world's seed fixes them too.
func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 20260202)) }

// TestTwins sends random reads of one user to servers that differ in hidden rows and values.
func TestTwins(t *testing.T) { twins(t, number("CDS_DIFF", 20), nil) }

// TestTwins_postgres is TestTwins on PostgreSQL.
func TestTwins_postgres(t *testing.T) { twins(t, number("CDS_DIFF", 6), cdstest.PostgresSchemas(t)) }

func twins(t *testing.T, worlds int, database func(testing.TB) db.Pool) {
	const each = 60
	statuses := map[int]int{}
	faults, differ, sent := 0, 0, 0
	inWorlds(t, worlds, &faults, func(t *testing.T, seed uint64) {
		tw := newTwin(seed+5e6, false)
		apps, ok := tw.apps(t, database)
		if !ok {
			return
		}
		tw.Rand = newRand(seed)
		g := &grammar{twin: tw}
		for range each {
			l := g.read()
			if g.IntN(6) == 0 {
				l = g.batch([]letter{l, g.read(), g.read()})
			}
			sent++
			a, b := l.to(apps[0], tw.who), l.to(apps[1], tw.who)
			statuses[a.Code]++
			if text, _ := url.QueryUnescape(l.url); a.Code >= 500 && a.Code != 501 || strings.Contains(a.Body.String(), `"code":"500"`) {
				faults++
				t.Errorf("seed %d, %q: %s %s %s: a failure\n%s\n%s", seed, tw.who.name, l.method, text, l.body, a.Body, tw.cdl())
			}
			for _, p := range tw.people {
				if p != tw.who && g.IntN(10) == 0 && answered(l.to(apps[0], p)) != answered(l.to(apps[1], p)) {
					differ++
				}
			}
			if x, y := answered(a), answered(b); x != y {
				faults++
				text, _ := url.QueryUnescape(l.url)
				t.Errorf("seed %d, %q %v %v: %s %s %s tells of what is hidden:\n%s\n%s\n%s", seed, tw.who.name, tw.who.roles, tw.who.attrs, l.method, text, l.body, x, y, tw.cdl())
			}
		}
	})
	t.Logf("%d requests, %d others differ, answers %v", sent, differ, statuses)
}

// TestTwins_writes sends random writes of one user to servers that differ in hidden rows and values. Conditions look at the row itself only: what a model
// decides by other rows may depend on hidden ones.
func TestTwins_writes(t *testing.T) { twinWrites(t, number("CDS_DIFF", 20), nil) }

// TestTwins_writes_postgres is TestTwins_writes on PostgreSQL.
func TestTwins_writes_postgres(t *testing.T) {
	twinWrites(t, number("CDS_DIFF", 20), cdstest.PostgresSchemas(t))
}

func twinWrites(t *testing.T, worlds int, database func(testing.TB) db.Pool) {
	const each = 30
	statuses := map[string]int{}
	faults := 0
	inWorlds(t, worlds, &faults, func(t *testing.T, seed uint64) {
		tw := newTwin(seed+6e6, true)
		apps, ok := tw.apps(t, database)
		if !ok {
			return
		}
		tw.Rand = newRand(seed)
		g := &grammar{twin: tw, next: 100}
		g.hideDrafts(apps[1])
		for range each {
			l := g.write()
			switch g.IntN(8) {
			case 0:
				l = g.batch([]letter{l, g.read(), g.write()})
			case 1, 2:
				l = g.read()
			}
			a, b := l.to(apps[0], tw.who), l.to(apps[1], tw.who)
			statuses[fmt.Sprint(l.method, " ", a.Code)]++
			text, _ := url.QueryUnescape(l.url)
			if a.Code >= 500 && a.Code != 501 || strings.Contains(a.Body.String(), `"code":"500"`) {
				faults++
				t.Errorf("seed %d, %q: %s %s %s: a failure\n%s\n%s", seed, tw.who.name, l.method, text, l.body, a.Body, tw.cdl())
			}
			if x, y := answered(a), answered(b); x != y {
				faults++
				t.Errorf("seed %d, %q %v %v: %s %s %s tells of what is hidden:\n%s\n%s\n%s", seed, tw.who.name, tw.who.roles, tw.who.attrs, l.method, text, l.body, x, y, tw.cdl())
			}
		}
	})
	t.Logf("answers %v", statuses)
}
