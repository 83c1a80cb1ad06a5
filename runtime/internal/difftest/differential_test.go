package difftest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cds/parser"
	"cds/parser/csn"
	"cds/runtime/cdstest"
	"cds/runtime/db"
)

// number reads how much to do from the environment: CDS_DIFF=1000 compares 1000 worlds.
func number(name string, def int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return def
}

// app starts a server for a world.
func (w *world) app(t *testing.T) *cdstest.App {
	t.Helper()
	res := parser.CompileString("world.cds", w.cdl())
	if res.Model == nil {
		t.Fatalf("%v\n%s", res.Diags, w.cdl())
	}
	cfg := cdstest.Config{Model: func() (*csn.Model, error) { return res.Model, nil }, FS: w.data(), Database: w.database}
	for _, p := range w.people[1:] {
		opts := []func(*cdstest.TestUser){cdstest.Roles(p.roles...)}
		for name, vs := range p.attrs {
			opts = append(opts, cdstest.Attr(name, vs...))
		}
		cfg.Users = append(cfg.Users, cdstest.User(p.name, opts...))
	}
	return cdstest.New(t, cfg)
}

func send(h http.Handler, who *person, method, url, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, url, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if who.name != "" {
		r.SetBasicAuth(who.name, who.name)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

// got brings an answer into the form that the oracle gives.
func got(rec *httptest.ResponseRecorder) answer {
	a := answer{status: rec.Code}
	if rec.Code != 200 {
		return a
	}
	if strings.HasPrefix(rec.Header().Get("Content-Type"), "text/plain") {
		a.body = rec.Body.String()
		return a
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &a.body); err != nil {
		a.body = err.Error()
	}
	clean(a.body)
	return a
}

// clean removes what the oracle does not tell, and makes counts text: they are numbers or strings, as recorded.
func clean(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "@odata.context")
		for name, x := range v {
			if strings.HasSuffix(name, "@odata.count") {
				v[name] = fmt.Sprint(x)
			}
			clean(x)
		}
	case []any:
		for _, x := range v {
			clean(x)
		}
	}
}

// plain brings the oracle's answer into the types of decoded JSON.
func (a answer) plain(t *testing.T) answer {
	b, err := json.Marshal(a.body)
	if err != nil {
		t.Fatal(err)
	}
	a.body = nil
	if err := json.Unmarshal(b, &a.body); err != nil {
		t.Fatal(err)
	}
	return a
}

// TestReads compares answers to GET: paths, keys, $filter, $orderby, $select, $expand, $count, $search, $top, $skip.
func TestReads(t *testing.T) { reads(t, number("CDS_DIFF", 60), nil) }

// TestReads_postgres is TestReads on PostgreSQL. CDS_DIFF sets the number of worlds too.
func TestReads_postgres(t *testing.T) { reads(t, number("CDS_DIFF", 40), cdstest.PostgresSchemas(t)) }

// inWorlds runs fn for the seed of each world, as a test of its own, so that what it opens is closed before the next. It ends at the third fault that fn
// has counted.
func inWorlds(t *testing.T, worlds int, faults *int, fn func(t *testing.T, seed uint64)) {
	for seed := range worlds {
		t.Run(strconv.Itoa(seed), func(t *testing.T) { fn(t, uint64(seed)) })
		if *faults >= number("CDS_FAULTS", 3) {
			t.FailNow()
		}
	}
}

func reads(t *testing.T, worlds int, database func(testing.TB) db.Pool) {
	const each = 15
	statuses := map[int]int{}
	rows, faults := 0, 0
	inWorlds(t, worlds, &faults, func(t *testing.T, seed uint64) {
		w := newWorld(seed)
		w.database = database
		h := w.app(t).Server.Handler()
		for range each {
			r := w.request()
			for range 2 { // the same request of several users: what is kept of it must not pass from one to the other
				who := pick(w.Rand, w.people...)
				want := newOracle(w, who).answer(r).plain(t)
				rec := send(h, who, "GET", r.url(), "")
				have := got(rec)
				statuses[have.status]++
				if b, ok := have.body.(map[string]any); ok {
					if list, ok := b["value"].([]any); ok {
						rows += len(list)
					}
				}
				if diff := cmp.Diff(want, have, cmp.AllowUnexported(answer{})); diff != "" {
					faults++
					t.Errorf("seed %d, %q %v %v: GET %s\n%s\n%s\n%s", seed, who.name, who.roles, who.attrs, show(r), diff, rec.Body, w.cdl())
				}
			}
		}
	})
	t.Logf("%d requests, %d rows in lists, answers %v", 2*worlds*each, rows, statuses)
	for _, s := range []int{200, 204, 401, 403, 404} {
		if worlds >= 40 && statuses[s] == 0 {
			t.Errorf("no request was answered %d: the test has lost its sense", s)
		}
	}
}

func show(r *request) string {
	text := r.url()
	if path, _, ok := strings.Cut(text, "?"); ok {
		return path + "?" + strings.Join(r.q.options(), "&")
	}
	return text
}
