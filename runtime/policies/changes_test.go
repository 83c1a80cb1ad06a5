package policies_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/db"
	"cds/runtime/db/dbtest"
	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgtest"
	"cds/runtime/policies"
	"cds/runtime/rls"
)

// watched is a database that notes what is read from the tables of policies, and how many rows come of it.
type watched struct {
	db.Pool
	mu      sync.Mutex
	queries []string
	rows    int
}

func (w *watched) Read(ctx context.Context, s db.Session) (db.Tx, error) {
	tx, err := w.Pool.Read(ctx, s)
	return &watchedTx{tx, w}, err
}

type watchedTx struct {
	db.Tx
	w *watched
}

func (t *watchedTx) Query(ctx context.Context, s db.Stmt) (db.Rows, error) {
	rows, err := t.Tx.Query(ctx, s)
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	for _, name := range []string{policies.ChangesTable, policies.Table} {
		if _, after, ok := strings.Cut(s.SQL, "FROM "+name+" "); ok {
			where, _, _ := strings.Cut(after, " ORDER")
			t.w.queries = append(t.w.queries, name+" "+where)
			return &watchedRows{rows, t.w}, err
		}
	}
	return rows, err
}

type watchedRows struct {
	db.Rows
	w *watched
}

func (r *watchedRows) Next() (bool, error) {
	ok, err := r.Rows.Next()
	if ok {
		r.w.mu.Lock()
		r.w.rows++
		r.w.mu.Unlock()
	}
	return ok, err
}

// took returns what was read since it was called last.
func (w *watched) took() (queries []string, rows int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	queries, rows = w.queries, w.rows
	w.queries, w.rows = nil, 0
	return queries, rows
}

func script(t *testing.T, pool db.Pool, sql string) {
	t.Helper()
	dbtest.Write(t, pool, func(tx db.Tx) {
		if err := tx.Script(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	})
}

// row is a policy that denies a tenant's users orders, as a row of the table.
func row(id, tenant string) string {
	return fmt.Sprintf("INSERT INTO cds_policies VALUES ('%s', '', 'my.Shop.Orders', '', '', '', '%s', 'deny', '', true, 0, '', 0, '')", id, tenant)
}

func denied(app *cds.App, tenant string) bool {
	s := app.Service("my.Shop")
	return s.Authorize(auth.New(auth.User{ID: "x", Tenant: tenant}, "admin"), "READ", []*csn.Entity{s.Model.Entity("Orders")}, nil, nil) != nil
}

const look = "cds_policies_changes WHERE scope = 0 OR version > "

// TestLooks: a look at which nothing has changed is one statement that reads one row, whatever number of policies there are; one after a change reads the
// policies of that tenant. Changes count whoever writes them, however.
func TestLooks(t *testing.T) {
	onBoth(t, func(t *testing.T, pool db.Pool) {
		w := newWorld(t, pool, managed, model)
		for i := range 20 {
			fill(t, pool, fmt.Sprintf("many%d", i), 50)
		}
		seen := &watched{Pool: pool}
		m, app := w.manager(seen)
		seen.took()
		is := func(what string, rows int, queries ...string) {
			t.Helper()
			if err := m.Refresh(t.Context()); err != nil {
				t.Fatal(what, err)
			}
			got, n := seen.took()
			fits := len(got) == len(queries) && n == rows
			for i := range got {
				fits = fits && strings.HasPrefix(got[i], queries[i])
			}
			if !fits {
				t.Errorf("%s: %q, %d rows; want %q, %d rows", what, got, n, queries, rows)
			}
		}
		const one = "cds_policies WHERE tenant = "
		is("nothing", 1, look)
		is("nothing again", 1, look)
		script(t, pool, row("a", "t1"))
		is("t1", 3, look, one)
		if !denied(app, "t1") || denied(app, "t2") || denied(app, "") {
			t.Error("a policy for t1 does not hold for t1 alone")
		}
		script(t, pool, row("a", "t2")+";"+row("a", "many3"))
		is("t2 and another one", 1+2+1+51, look, one, one)
		if !denied(app, "t1") || !denied(app, "t2") || !denied(app, "many3") || denied(app, "many4") {
			t.Error("policies for t2 and many3 do not hold")
		}
		script(t, pool, "UPDATE cds_policies SET tenant = 't3' WHERE tenant = 't2'")
		is("moved", 1+2+0+1, look, one, one)
		if denied(app, "t2") || !denied(app, "t3") {
			t.Error("the policy has not moved")
		}
		script(t, pool, "UPDATE cds_policies SET active = false WHERE tenant = 't3'")
		is("off", 3, look, one)
		script(t, pool, "DELETE FROM cds_policies WHERE tenant = 't1'")
		is("gone", 2, look, one)
		if denied(app, "t1") || denied(app, "t3") {
			t.Error("policies that are off or gone hold")
		}
		if _, err := m.Add(t.Context(), auth.New(auth.User{ID: "x"}), &policies.Policy{Entity: "my.Shop.Orders", Effect: "deny", Active: true}); err != nil || !denied(app, "t9") {
			t.Error("it does not hold at once:", err)
		}
		if q, n := seen.took(); len(q) != 2 || n < 1000 { // one for everybody is part of what holds for each tenant
			t.Errorf("%q, %d rows", q, n)
		}
		is("after that", 1, look)
		w.clock.pass(time.Minute)
		is("after a minute", 1+1003, look, "cds_policies")
		script(t, pool, "DELETE FROM cds_policies_changes")
		is("no counter", 1003, look, "cds_policies")
		script(t, pool, row("b", "t1"))
		is("counted anew", 3, look, one)
		script(t, pool, "UPDATE cds_policies_changes SET version = version + 1; "+row("c", "t1"))
		is("more", 4, look, one)
		script(t, pool, "UPDATE cds_policies_changes SET version = 1; DELETE FROM cds_policies WHERE id = 'c'")
		is("a counter that goes back", 1+1004, look, "cds_policies")
		script(t, pool, "DELETE FROM cds_policies")
		if err := m.Refresh(t.Context()); err != nil || denied(app, "t1") || denied(app, "") {
			t.Error("all are gone:", err)
		}
	})
}

// TestLooks_notCounted: where the database does not count, all is read at each look.
func TestLooks_notCounted(t *testing.T) {
	owner := pgtest.Open(t)
	pool := opened(t, postgres.New(), owner)
	if err := policies.Prepare(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, pool, managed, model)
	script(t, pool, "DROP TABLE cds_policies_changes CASCADE; DROP FUNCTION cds_policies_count() CASCADE; GRANT SELECT ON cds_policies TO PUBLIC")
	cfg, err := pgtest.Shared(t).As(t.Context(), owner, "policies_reader")
	if err != nil {
		t.Fatal(err)
	}
	seen := &watched{Pool: opened(t, postgres.New(), cfg)}
	m, app := w.manager(seen)
	if !strings.Contains(w.log.String(), "does not count changes") {
		t.Error("nobody is told:", w.log)
	}
	seen.took()
	script(t, pool, row("a", "t1"))
	if err := m.Refresh(t.Context()); err != nil || !denied(app, "t1") {
		t.Error(err)
	}
	if q, _ := seen.took(); len(q) != 1 || !strings.HasPrefix(q[0], "cds_policies ") {
		t.Errorf("%q", q)
	}
}

// TestTruncate: everything is read after a statement that has no rows to count.
func TestTruncate(t *testing.T) {
	pool := databases["postgres"](t)
	w := newWorld(t, pool, managed, model)
	script(t, pool, row("a", "t1"))
	m, app := w.manager(pool)
	script(t, pool, "TRUNCATE cds_policies")
	if err := m.Refresh(t.Context()); err != nil || denied(app, "t1") {
		t.Error("a policy that is gone holds:", err)
	}
}

// TestCountedElsewhere: the table of changes is found beside the table of policies, whatever a session looks through.
func TestCountedElsewhere(t *testing.T) {
	pool := databases["postgres"](t)
	w := newWorld(t, pool, managed, model)
	m, app := w.manager(pool)
	script(t, pool, "CREATE SCHEMA aside; SET LOCAL search_path = aside; "+strings.Replace(row("a", "t1"), "cds_policies", "public.cds_policies", 1))
	if err := m.Refresh(t.Context()); err != nil || !denied(app, "t1") {
		t.Error("the change is not counted:", err)
	}
}

const oldTable = `CREATE TABLE cds_policies (id VARCHAR(64) NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL, entity VARCHAR(255) NOT NULL, events TEXT NOT NULL, roles TEXT NOT NULL,
users TEXT NOT NULL, tenant VARCHAR(255) NOT NULL, effect VARCHAR(20) NOT NULL, cond TEXT NOT NULL, active BOOLEAN NOT NULL, created_at BIGINT NOT NULL, created_by VARCHAR(255) NOT NULL,
modified_at BIGINT NOT NULL, modified_by VARCHAR(255) NOT NULL);`

// TestOldKey: a table whose key is the id alone gets the key of tenant and id, and keeps its rows.
func TestOldKey(t *testing.T) {
	onBoth(t, func(t *testing.T, pool db.Pool) {
		script(t, pool, oldTable+row("a", "t1")+";"+row("b", ""))
		for range 2 {
			if err := policies.Prepare(t.Context(), pool); err != nil {
				t.Fatal(err)
			}
		}
		if got := dbtest.Rows(t, pool, db.Session{}, "SELECT id, tenant FROM cds_policies ORDER BY id"); len(got) != 2 || !strings.Contains(got[0], "t1") {
			t.Errorf("%q", got)
		}
		w := newWorld(t, pool, managed, model)
		m, app := w.manager(pool)
		if !denied(app, "t1") || !denied(app, "") {
			t.Error("policies are lost")
		}
		script(t, pool, "DELETE FROM cds_policies WHERE id = 'b'")
		if err := m.Refresh(t.Context()); err != nil || denied(app, "") || !denied(app, "t1") {
			t.Error("changes are not counted:", err)
		}
		add := &policies.Policy{ID: "a", Entity: "my.Shop.Orders", Effect: "deny", Active: true, Tenant: "t2"}
		if _, err := m.Add(t.Context(), auth.New(auth.User{ID: "x"}), add); err != nil || !denied(app, "t2") {
			t.Error("ids are not each tenant's own:", err)
		}
		if _, err := m.Add(t.Context(), auth.New(auth.User{ID: "x"}), add); !errors.Is(err, policies.ErrExists) {
			t.Error("twice:", err)
		}
	})
}

// TestOldKey_refused: who may not change the key is told who does.
func TestOldKey_refused(t *testing.T) {
	owner := pgtest.Open(t)
	pool := opened(t, postgres.New(), owner)
	script(t, pool, oldTable+"GRANT ALL ON cds_policies TO PUBLIC")
	cfg, err := pgtest.Shared(t).As(t.Context(), owner, "policies_reader")
	if err != nil {
		t.Fatal(err)
	}
	var te *policies.TableError
	if err := policies.Prepare(t.Context(), opened(t, postgres.New(), cfg)); !errors.As(err, &te) || !strings.Contains(err.Error(), "cds deploy, as the owner") || te.Cause == nil {
		t.Errorf("%v", err)
	}
	script(t, pool, "ALTER TABLE cds_policies ALTER tenant DROP NOT NULL; "+strings.Replace(row("x", "t"), "'t'", "NULL", 1))
	if err := policies.Prepare(t.Context(), pool); !errors.As(err, &te) {
		t.Errorf("a row without a tenant: %v", err)
	}
	if n := dbtest.Rows(t, pool, db.Session{}, "SELECT id FROM cds_policies"); len(n) != 1 {
		t.Errorf("%q", n)
	}
}

// TestPrepareAtOnce: several processes make the table, change its key and let its changes be counted at the same time.
func TestPrepareAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, pool db.Pool) {
		for _, before := range []string{"", oldTable + row("a", "t1")} {
			if before != "" {
				script(t, pool, "DROP TABLE cds_policies; DROP TABLE cds_policies_changes; "+before)
			}
			var wg sync.WaitGroup
			errs := make([]error, 6)
			for i := range errs {
				wg.Go(func() { errs[i] = policies.Prepare(context.Background(), pool) })
			}
			wg.Wait()
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
		}
		w := newWorld(t, pool, managed, model)
		if _, app := w.manager(pool); !denied(app, "t1") || strings.Contains(w.log.String(), "does not count") {
			t.Error("not prepared:", w.log)
		}
	})
}

// TestCountedUnderRowSecurity: the server's role, which does not own the tables, writes and counts under row-level security.
func TestCountedUnderRowSecurity(t *testing.T) {
	cfg := pgtest.Open(t)
	owner := opened(t, postgres.New(), cfg)
	if err := policies.Prepare(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, owner, managed, model)
	schema, diags := rls.Compile(w.s.CDS.Model, w.s.CDS.Policy, postgres.Dialect())
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	key, err := db.NewRowKey("a secret of these tests, and of nobody else")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err = pgtest.Shared(t).As(t.Context(), cfg, "policies_app")
	if err == nil {
		err = schema.Apply(t.Context(), owner, rls.Application{Role: "policies_app", Key: key})
	}
	if err != nil {
		t.Fatal(err)
	}
	cfg.RowKey = key
	locked := opened(t, postgres.New(), cfg)
	m, app := w.manager(locked)
	other, second := w.manager(locked)
	add := &policies.Policy{Entity: "my.Shop.Orders", Effect: "deny", Active: true, Tenant: "t1"}
	if _, err := m.Add(t.Context(), auth.New(auth.User{ID: "x"}), add); err != nil || !denied(app, "t1") {
		t.Fatal(err)
	}
	if err := other.Refresh(t.Context()); err != nil || !denied(second, "t1") || denied(second, "t2") || strings.Contains(w.log.String(), "does not count") {
		t.Error(err, w.log)
	}
}
