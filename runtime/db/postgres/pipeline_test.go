package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/runtime/db"
	"cds/runtime/db/dbtest"
)

func stmt(sql string, binds ...cqn.Value) db.Stmt { return db.Stmt{SQL: sql, Binds: binds} }

// texts reads and closes rows.
func texts(rs db.Rows) (string, error) {
	var out []string
	for {
		ok, err := rs.Next()
		if err != nil || !ok {
			return strings.Join(out, " "), errors.Join(err, rs.Close())
		}
		out = append(out, string(rs.Text(0)))
	}
}

// allOf runs a pipeline and describes what came of it.
func allOf(tx db.Tx, before, queries []db.Stmt, last bool) string {
	ctx := context.Background()
	p := tx.(db.Pipeliner)
	done, rs, err := p.QueryAll(ctx, before, queries, last)
	out := fmt.Sprint(done, " done")
	for i := 0; err == nil; i++ {
		var s string
		if s, err = texts(rs); err == nil {
			out += " [" + s + "]"
		}
		if i == len(queries)-1 || err != nil {
			break
		}
		rs, err = p.NextRows(ctx)
	}
	if err != nil {
		out += " error"
	}
	err = tx.Commit()
	if err != nil {
		_ = tx.Rollback()
		out += ", not committed"
	}
	return out
}

// Statements and queries in one message: each has its result, an error belongs to the one that failed and undoes all.
func TestQueryAll(t *testing.T) {
	p := mustOpen(t)
	script(t, p, "CREATE TABLE P (id INTEGER PRIMARY KEY); CREATE TABLE C (id INTEGER PRIMARY KEY, p INTEGER REFERENCES P (id) DEFERRABLE INITIALLY DEFERRED)")
	ins := func(table string, vals ...int64) db.Stmt {
		if table == "P" {
			return stmt("INSERT INTO P VALUES ($1::integer)", cqn.Int(vals[0]))
		}
		return stmt("INSERT INTO C VALUES ($1::integer, $2::integer)", cqn.Int(vals[0]), cqn.Int(vals[1]))
	}
	both := []db.Stmt{stmt("SELECT id FROM P ORDER BY id"), stmt("SELECT id FROM C WHERE p = $1::integer ORDER BY id", cqn.Int(1))}
	fail := stmt("SELECT 1 / (id - id) FROM P")
	many := make([]db.Stmt, maxBatch+1)
	for i := range many {
		many[i] = ins("C", int64(100+i), 1)
	}
	for _, tt := range []struct {
		name            string
		before, queries []db.Stmt
		want, left      string
	}{
		{"all well", []db.Stmt{ins("P", 1), ins("C", 1, 1), ins("C", 2, 1)}, both, "3 done [1] [1 2]", "1|1 2"},
		{"nothing before", nil, both, "0 done [1] [1 2]", "1|1 2"},
		{"a statement fails", []db.Stmt{ins("P", 2), ins("P", 1), ins("C", 3, 1)}, both, "1 done error, not committed", "1|1 2"},
		{"the first query fails", []db.Stmt{ins("P", 2)}, []db.Stmt{fail, both[0]}, "1 done error, not committed", "1|1 2"},
		{"the second query fails", []db.Stmt{ins("P", 2)}, []db.Stmt{both[0], fail}, "1 done [1 2] error, not committed", "1|1 2"},
		{"a query that cannot be prepared", []db.Stmt{ins("P", 2)}, []db.Stmt{both[0], stmt("SELECT nothing FROM P")}, "1 done [1 2] error, not committed", "1|1 2"},
		{"the end fails", []db.Stmt{ins("C", 3, 9)}, both, "1 done [1] [1 2], not committed", "1|1 2"},
		{"other types", []db.Stmt{stmt("INSERT INTO P VALUES ($1)", cqn.Int(3)), stmt("INSERT INTO P VALUES ($1)", cqn.Decimal("4"))}, both, "2 done [1 3 4] [1 2]", "1 3 4|1 2"},
		{"too many for one message", many, both[:1], "65 done [1 3 4]", "1 3 4|" + strings.TrimSuffix("1 2 "+numbers(100, 165), " ")},
	} {
		for _, last := range []bool{true, false} {
			tx := write(t, p)
			if got := allOf(tx, tt.before, tt.queries, last); got != tt.want {
				t.Errorf("%s, last %v: got %s, want %s", tt.name, last, got, tt.want)
			}
			left := strings.Join(dbtest.Rows(t, p, db.Session{}, "SELECT id FROM P ORDER BY id"), " ") + "|" + strings.Join(dbtest.Rows(t, p, db.Session{}, "SELECT id FROM C ORDER BY id"), " ")
			if left != tt.left {
				t.Errorf("%s, last %v: there is %s, want %s", tt.name, last, left, tt.left)
			}
			if last && len(tt.before) > 0 && !strings.Contains(tt.want, "not") { // the same again, another way
				script(t, p, "DELETE FROM C WHERE id > 2; DELETE FROM P WHERE id > 1"+map[bool]string{true: "; DELETE FROM C; DELETE FROM P", false: ""}[tt.name == "all well"]+
					map[bool]string{true: "; INSERT INTO P VALUES (3), (4)", false: ""}[len(tt.before) > maxBatch])
			}
		}
	}
}

func numbers(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprint(&b, i, " ")
	}
	return b.String()
}

// What is not asked for is passed over, rows that are not read too; after a COMMIT that was sent nothing more can be.
func TestQueryAll_passedOver(t *testing.T) {
	p := mustOpen(t)
	script(t, p, "CREATE TABLE T (id INTEGER PRIMARY KEY)")
	ctx := context.Background()
	list := []db.Stmt{stmt("SELECT i FROM generate_series(1, 1000) AS n(i)"), stmt("SELECT 2"), stmt("SELECT 3")}
	for _, last := range []bool{true, false} {
		tx := write(t, p)
		q := tx.(db.Pipeliner)
		_, rs, err := q.QueryAll(ctx, nil, list, last)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := q.NextRows(ctx); !errors.Is(err, errOpen) {
			t.Errorf("rows that are open: %v", err)
		}
		if ok, err := rs.Next(); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if err := rs.Close(); err != nil {
			t.Fatal(err)
		}
		err = exec(tx, "INSERT INTO T VALUES (7)")
		if last && !errors.Is(err, errDone) || !last && err != nil {
			t.Errorf("last %v: a statement after it: %v", last, err)
		}
		if _, err := q.NextRows(ctx); !errors.Is(err, errNoMore) {
			t.Errorf("more rows: %v", err)
		}
		if err := tx.Commit(); err != nil {
			t.Error(err)
		}
	}
	read, err := p.Read(ctx, db.Session{}) // what fails and is not asked for is no failure of a read
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := read.(db.Pipeliner).QueryAll(ctx, nil, []db.Stmt{list[1], stmt("SELECT 1 / (i - 1) FROM generate_series(1, 2) AS n(i)")}, true); err != nil {
		t.Fatal(err)
	}
	if err := read.Commit(); err != nil {
		t.Error(err)
	}
	tx := write(t, p)
	if _, _, err := tx.(db.Pipeliner).QueryAll(ctx, nil, list, true); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil { // with everything still open
		t.Error(err)
	}
	if got := dbtest.Rows(t, p, db.Session{}, "SELECT id FROM T"); strings.Join(got, " ") != "7" {
		t.Error(got)
	}
	one, err := p.(db.OneReader).ReadOne(ctx, db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = one.Rollback() }()
	if _, _, err := one.(db.Pipeliner).QueryAll(ctx, nil, list, true); !errors.Is(err, errUsed) {
		t.Errorf("a transaction for one statement: %v", err)
	}
}

// A pipeline that is canceled changes nothing, and its connection can be used again.
func TestQueryAll_canceled(t *testing.T) {
	p := mustOpen(t)
	script(t, p, "CREATE TABLE T (id INTEGER PRIMARY KEY)")
	ctx, stop := context.WithCancel(context.Background())
	tx, err := p.Write(ctx, db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, rs, err := tx.(db.Pipeliner).QueryAll(ctx, []db.Stmt{stmt("INSERT INTO T VALUES (1)")}, []db.Stmt{stmt("SELECT pg_sleep(60)")}, true)
		if err == nil {
			_, err = rs.Next()
		}
		done <- err
	}()
	for dbtest.Rows(t, p, db.Session{}, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(60)'")[0] == "0" {
		if len(done) > 0 {
			t.Fatal(<-done)
		}
	}
	stop()
	if err := <-done; !errors.Is(err, db.ErrCanceled) {
		t.Errorf("got %v, want ErrCanceled", err)
	}
	if err := tx.Commit(); err == nil {
		t.Error("a canceled transaction was committed")
	}
	if got := dbtest.Rows(t, p, db.Session{}, "SELECT id FROM T"); len(got) != 0 {
		t.Error(got)
	}
}
