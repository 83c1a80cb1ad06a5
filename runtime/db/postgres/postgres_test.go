package postgres

import (
	"context"
	"testing"

	"cds/runtime/db"
	"cds/runtime/db/dbtest"
	"cds/runtime/db/postgres/pgtest"
)

func mustOpen(t testing.TB) db.Pool {
	t.Helper()
	p, err := New().Open(context.Background(), pgtest.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestConformance(t *testing.T) {
	dbtest.Run(t, func(t *testing.T) db.Pool { return mustOpen(t) })
}
