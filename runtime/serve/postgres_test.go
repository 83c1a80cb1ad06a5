package serve_test

import (
	"context"
	"net/http"
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
