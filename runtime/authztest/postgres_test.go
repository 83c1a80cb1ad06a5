package authztest

import (
	"context"
	"errors"
	"os"
	"testing"

	"cds/runtime/db/postgres/pgserver"
	"cds/runtime/db/postgres/pgtest"
)

// onPostgres makes databases on a server of the test's own; where there is none, the test is skipped, but not in CI.
func onPostgres(t *testing.T) Databases {
	t.Helper()
	p, err := OnPostgres(context.Background(), "")
	if errors.Is(err, pgserver.ErrNoBinaries) && os.Getenv("CI") != "true" {
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
		t.Skip("short mode: it makes PostgreSQL databases for each model")
	}
	on := onPostgres(t)
	for name, model := range map[string]string{"values": values, "tenants": tenanted, "parts": parted, "drafts": draftModel} {
		m := compiled(t, model).Model
		opt := strict
		memory := tried(t, m, opt)
		opt.Databases = on
		rep := tried(t, m, opt)
		if rep.Differences > 0 || rep.Undecided != memory.Undecided || len(rep.Cases) != len(memory.Cases) || len(rep.Cases) < 20 || len(rep.Lacking) != len(memory.Lacking) {
			t.Errorf("%s: %d cases, %d on SQLite: %s", name, len(rep.Cases), len(memory.Cases), written(t, rep, "text", false))
		}
		t.Log(name, rep.Summary())
	}
}

// values are of types that databases write in forms of their own.
const values = `
entity my.Orders { key ID : UUID; @tenant tenant : String(36); title : String(40); total : Decimal(9,2); at : Timestamp; done : Boolean; }
service Shop {
  @restrict: [{ grant: 'READ', where: 'total > 10.5 or done = true' }, { grant: 'UPDATE', to: 'clerk', where: 'at < $now' }]
  entity Orders as projection on my.Orders;
}`

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

// TestPostgresReset gives rows back, and says where it cannot.
func TestPostgresReset(t *testing.T) {
	ctx := t.Context()
	p := onPostgres(t)
	pool, err := p.Empty(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := script(ctx, pool, "CREATE TABLE a (id INT, n INT); CREATE TABLE b (id INT); INSERT INTO a VALUES (1, 2), (3, 4)"); err != nil {
		t.Fatal(err)
	}
	kept, err := p.Keep(ctx, pool)
	if err != nil {
		t.Fatal(err)
	}
	if pool, err = kept.Copy(ctx); err != nil {
		t.Fatal(err)
	}
	same := "DO $$ BEGIN ASSERT (SELECT sum(id * 10 + n) FROM a) = 46 AND (SELECT count(*) FROM b) = 0; END $$"
	if err := script(ctx, pool, "INSERT INTO b VALUES (1); DELETE FROM a WHERE id = 1; UPDATE a SET n = 5"); err != nil || script(ctx, pool, same) == nil {
		t.Fatal(err)
	}
	if r := kept.(resetter); !r.Reset(ctx, pool) || script(ctx, pool, same) != nil {
		t.Error("the rows are not as they were")
	}
	if err := script(ctx, pool, "ALTER TABLE a ADD c INT GENERATED ALWAYS AS (n + 1) STORED; ALTER TABLE cds_kept.a ADD c INT"); err != nil || kept.(resetter).Reset(ctx, pool) {
		t.Error("a computed column cannot be given back", err)
	}
	if err := errors.Join(p.Drop(pool), kept.Drop()); err != nil {
		t.Error(err)
	}
}
