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

// deepInsert returns a function that sends an order with three items, which is checked, written and read back.
func deepInsert(tb testing.TB, h http.Handler) func() {
	tb.Helper()
	const body = `{"orderNo":7,"status":"open","currency_code":"EUR","total":12.5,"items":[{"pos":1,"quantity":1,"amount":2.5},{"pos":2,"quantity":1,"amount":5},{"pos":3,"quantity":1,"amount":5}]}`
	w := &sink{header: http.Header{}}
	return func() {
		r := httptest.NewRequest("POST", "/odata/v4/bench/Orders", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.SetBasicAuth("u001", "pw")
		clear(w.header)
		h.ServeHTTP(w, r)
		if w.status != http.StatusCreated {
			tb.Fatal(w.status)
		}
	}
}

// What a deep insert allocates is bounded on both databases.
func TestWriteAllocations(t *testing.T) {
	for _, tt := range []struct {
		name string
		h    http.Handler
		most float64
	}{{"sqlite", speedServer(t), 265}, {"postgres", postgresServer(t), 300}} {
		call := deepInsert(t, tt.h)
		for range 20 {
			call()
		}
		n := testing.AllocsPerRun(50, call)
		t.Logf("%s: %v allocations", tt.name, n)
		if n > tt.most+5*raceAllocs {
			t.Errorf("%s: %v allocations, at most %v were expected", tt.name, n, tt.most)
		}
	}
}

// BenchmarkDeepInsert measures them without the HTTP connection.
func BenchmarkDeepInsert(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchmark(b, deepInsert(b, speedServer(b))) })
	b.Run("postgres", func(b *testing.B) { benchmark(b, deepInsert(b, postgresServer(b))) })
}

func benchmark(b *testing.B, call func()) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		call()
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
