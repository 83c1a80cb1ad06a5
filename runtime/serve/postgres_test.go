package serve_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgtest"
)

func postgresServer(tb testing.TB) http.Handler {
	tb.Helper()
	pool, err := postgres.New().Open(context.Background(), pgtest.Open(tb))
	if err != nil {
		tb.Fatal(err)
	}
	return speedServerOn(tb, pool)
}

// What a request to PostgreSQL allocates is bounded like that of SQLite.
func TestRequestAllocations_postgres(t *testing.T) {
	h := postgresServer(t)
	most := map[string]float64{"key": 36, "list": 27, "own": 32, "expand": 29, "aggregate": 27}
	for _, q := range speedRequests {
		call := speedCall(t, h, q.path)
		for range 20 {
			call()
		}
		n := testing.AllocsPerRun(100, call)
		t.Logf("%s: %v allocations", q.name, n)
		if n > most[q.name]+raceAllocs {
			t.Errorf("%s: %v allocations, at most %v were expected", q.name, n, most[q.name])
		}
	}
}

// What a deep insert allocates is bounded on both databases: an order with three items, checked, written and read back.
func TestWriteAllocations(t *testing.T) {
	const body = `{"orderNo":7,"status":"open","currency_code":"EUR","total":12.5,"items":[{"pos":1,"quantity":1,"amount":2.5},{"pos":2,"quantity":1,"amount":5},{"pos":3,"quantity":1,"amount":5}]}`
	for _, tt := range []struct {
		name string
		h    http.Handler
		most float64
	}{{"sqlite", speedServer(t), 265}, {"postgres", postgresServer(t), 300}} {
		w := &sink{header: http.Header{}}
		call := func() {
			r := httptest.NewRequest("POST", "/odata/v4/bench/Orders", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			r.SetBasicAuth("u001", "pw")
			clear(w.header)
			tt.h.ServeHTTP(w, r)
		}
		for range 20 {
			call()
		}
		if w.status != http.StatusCreated {
			t.Fatalf("%s: %d", tt.name, w.status)
		}
		n := testing.AllocsPerRun(50, call)
		t.Logf("%s: %v allocations", tt.name, n)
		if n > tt.most+5*raceAllocs {
			t.Errorf("%s: %v allocations, at most %v were expected", tt.name, n, tt.most)
		}
	}
}

// BenchmarkRequest_postgres is BenchmarkRequest on PostgreSQL.
func BenchmarkRequest_postgres(b *testing.B) {
	h := postgresServer(b)
	for _, q := range speedRequests {
		b.Run(q.name, func(b *testing.B) {
			call := speedCall(b, h, q.path)
			b.ReportAllocs()
			for b.Loop() {
				call()
			}
		})
	}
}
