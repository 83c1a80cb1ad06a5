package authztest

import (
	"context"
	"errors"
	"os"
	"testing"

	"cds/runtime/db/postgres/pgtest"
)

// onPostgres makes databases on a server of the test's own; where there is none, the test is skipped, but not in CI.
func onPostgres(t *testing.T) Databases {
	t.Helper()
	p, err := OnPostgres(context.Background(), "")
	if errors.Is(err, pgtest.ErrNoBinaries) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if len(p.all) > 0 {
			t.Errorf("%d databases are left", len(p.all))
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// TestPostgres comes to the same cases, and the same answers, on PostgreSQL.
func TestPostgres(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	m := compiled(t, `
entity my.Orders { key ID : UUID; @tenant tenant : String(36); title : String(40); total : Decimal(9,2); at : Timestamp; done : Boolean; }
service Shop {
  @restrict: [{ grant: 'READ', where: 'total > 10.5 or done = true' }, { grant: 'UPDATE', to: 'clerk', where: 'at < $now' }]
  entity Orders as projection on my.Orders;
}`).Model
	opt := strict
	memory := tried(t, m, opt)
	opt.Databases = onPostgres(t)
	rep := tried(t, m, opt)
	if rep.Differences > 0 || len(rep.Cases) != len(memory.Cases) || len(rep.Cases) < 20 || len(rep.Lacking) > 0 {
		t.Errorf("%d cases, %d on SQLite: %s", len(rep.Cases), len(memory.Cases), written(t, rep, "text", false))
	}
	t.Log(rep.Summary())
}

func TestPostgresURL(t *testing.T) {
	for _, url := range []string{"mysql://x", "postgres://", "postgres://u:secret@127.0.0.1:1/x", ":"} {
		if p, err := OnPostgres(context.Background(), url); err == nil || p != nil {
			t.Errorf("%s: %v %v", url, p, err)
		}
	}
}

// TestPostgresAttached makes databases on a server that is running, and leaves none there.
func TestPostgresAttached(t *testing.T) {
	s := pgtest.Shared(t)
	cred := s.Config("postgres").Credentials
	p, err := OnPostgres(t.Context(), "postgres:///postgres?sslmode=disable&host="+cred["host"]+"&user="+cred["user"])
	if err != nil {
		t.Fatal(err)
	}
	m := compiled(t, "service S { @restrict: [{ grant: 'UPDATE', to: 'a' }, { grant: 'READ' }] entity E { key ID : Integer; n : Integer; } }").Model
	opt := strict
	opt.Databases = p
	if rep := tried(t, m, opt); rep.Differences > 0 || len(rep.Cases) == 0 {
		t.Error(written(t, rep, "text", false))
	}
	if len(p.all) > 0 {
		t.Errorf("%d databases are left", len(p.all))
	}
	if pool, err := p.Empty(t.Context()); err != nil || len(p.all) != 1 {
		t.Error(pool, err)
	} else {
		_ = pool.Close() // as if the run had been ended
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if again, err := OnPostgres(t.Context(), "postgres:///nosuch?sslmode=disable&host="+cred["host"]+"&user="+cred["user"]); err == nil {
		t.Error(again)
	}
}
