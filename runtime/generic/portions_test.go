package generic_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	cds "cds/runtime"
	"cds/runtime/authz"
	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

// heap is a database that notes, at every sixth statement, how much of the heap is in use, and the most rows that one statement returned.
type heap struct {
	db.Pool
	most uint64
	rows int
	n    int
}

func (h *heap) Write(ctx context.Context, s db.Session) (db.Tx, error) {
	tx, err := h.Pool.Write(ctx, s)
	return &heapTx{tx, h}, err
}

type heapTx struct {
	db.Tx
	h *heap
}

func (t *heapTx) Query(ctx context.Context, s db.Stmt) (db.Rows, error) {
	if t.h.n++; t.h.n%6 == 0 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		t.h.most = max(t.h.most, m.HeapAlloc)
	}
	rows, err := t.Tx.Query(ctx, s)
	if err != nil {
		return nil, err
	}
	return &heapRows{rows, t.h, 0}, nil
}

type heapRows struct {
	db.Rows
	h *heap
	n int
}

func (r *heapRows) Next() (bool, error) {
	ok, err := r.Rows.Next()
	if ok {
		r.n++
		r.h.rows = max(r.h.rows, r.n)
	}
	return ok, err
}

func left(t *testing.T, p db.Pool, tables ...string) string {
	t.Helper()
	tx, err := p.Read(context.Background(), db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	var out []string
	for _, table := range tables {
		if err := db.Each(context.Background(), tx, db.Stmt{SQL: "SELECT count(*) FROM " + table, Opens: sqlgen.EverythingOpen}, func(r db.Rows) error {
			out = append(out, string(r.Text(0)))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return strings.Join(out, " ")
}

const deepForest = `
entity d.Roots { key ID : Integer; kids : Composition of many d.Kids on kids.root = $self; hidden : Composition of many d.Hidden on hidden.root = $self; }
entity d.Kids { key ID : Integer; locked : Boolean; root : Association to d.Roots; leaves : Composition of many d.Leaves on leaves.kid = $self; }
entity d.Leaves { key a : Integer; key b : String(10); kid : Association to d.Kids; }
entity d.Hidden { key ID : Integer; root : Association to d.Roots; }
@requires: 'any' service S {
  entity Roots as projection on d.Roots excluding { hidden };
  @restrict: [{ grant: ['READ', 'UPDATE'] }, { grant: 'DELETE', where: 'locked is null' }] entity Kids as projection on d.Kids;
  entity Leaves as projection on d.Leaves;
}`

// TestRemoveInPortions: what is deleted together is never in memory as a whole, nor does memory grow with it; and yet all is asked for first.
func TestRemoveInPortions(t *testing.T) {
	const small, large = 1000, 5000
	remove := func(n int) (most uint64, rows int) {
		var sql strings.Builder
		sql.WriteString("INSERT INTO d_Roots (ID) VALUES (1), (2);\n")
		for _, table := range []string{"d_Kids (ID, root_ID)", "d_Hidden (ID, root_ID)"} {
			fmt.Fprintf(&sql, "INSERT INTO %s VALUES (-1, 2)", table)
			for i := range n {
				fmt.Fprintf(&sql, ", (%d, 1)", i)
			}
			sql.WriteString(";\n")
		}
		sql.WriteString("INSERT INTO d_Leaves (a, b, kid_ID) VALUES (-1, 'x', -1)")
		for i := range n {
			fmt.Fprintf(&sql, ", (%d, '%d', 7)", i/10, i%10)
		}
		fmt.Fprintf(&sql, ";\nUPDATE d_Kids SET locked = TRUE WHERE ID = %d;", n-1)
		a := newApp(t, deepForest, sql.String(), cds.AppOptions{}, nil)
		h := &heap{Pool: a.DB}
		a.Connect(h)
		runtime.GC()
		var before runtime.MemStats
		runtime.ReadMemStats(&before)
		a.want(req{event: authz.Delete, path: "S.Roots(1)", user: user("u")}, 403) // of the last one
		if got := left(t, h.Pool, "d_Roots", "d_Kids", "d_Leaves", "d_Hidden"); got != fmt.Sprintf("2 %d %d %d", n+1, n+1, n+1) {
			t.Errorf("something has gone: %s", got)
		}
		dbWrite(t, h.Pool, "UPDATE d_Kids SET locked = NULL")
		a.want(req{event: authz.Delete, path: "S.Roots(1)", user: user("u")}, 200)
		if got := left(t, h.Pool, "d_Roots", "d_Kids", "d_Leaves", "d_Hidden"); got != "1 1 1 1" {
			t.Errorf("left: %s", got)
		}
		return h.most - min(h.most, before.HeapAlloc), h.rows
	}
	few, _ := remove(small)
	many, rows := remove(large)
	t.Logf("%d kB for %d rows, %d kB for %d", few>>10, 3*small, many>>10, 3*large)
	if many > few+512<<10 {
		t.Errorf("memory grows from %d kB to %d kB", few>>10, many>>10)
	}
	if rows > 500 {
		t.Errorf("a statement returns %d rows", rows)
	}
}

// dbWrite changes rows past the application.
func dbWrite(t *testing.T, p db.Pool, sql string) {
	t.Helper()
	if err := db.InTx(context.Background(), p, func(tx db.Tx) error {
		_, err := tx.Exec(context.Background(), db.Stmt{SQL: sql, Opens: sqlgen.EverythingOpen})
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// TestRemoveTree: a hierarchy goes with all of its levels, in portions; one that is a cycle is refused.
func TestRemoveTree(t *testing.T) {
	var sql strings.Builder
	sql.WriteString("INSERT INTO d_Nodes (ID, parent_ID) VALUES (0, NULL), (-1, NULL), (-2, -3), (-3, -2)")
	for i := 1; i <= 1600; i++ {
		parent := 0
		if i > 1200 {
			parent = i - 400 // of the third level
		}
		fmt.Fprintf(&sql, ", (%d, %d)", i, parent)
	}
	a := newApp(t, `
entity d.Nodes { key ID : Integer; parent : Association to d.Nodes; kids : Composition of many d.Nodes on kids.parent = $self; }
@requires: 'any' service S { entity Nodes as projection on d.Nodes; }`, sql.String()+";", cds.AppOptions{}, nil)
	a.want(req{event: authz.Delete, path: "S.Nodes(-2)", user: user("u")}, 400)
	a.want(req{event: authz.Delete, path: "S.Nodes(0)", user: user("u")}, 200)
	if got := left(t, a.DB, "d_Nodes"); got != "3" {
		t.Errorf("left: %s", got)
	}
}

// TestRemoveRemembered: what is reached on several ways goes once, and what some of them may not take refuses the whole.
func TestRemoveRemembered(t *testing.T) {
	a := newApp(t, `
entity d.Nodes { key ID : Integer; locked : Boolean; one : Association to d.Nodes; two : Association to d.Nodes;
  ones : Composition of many d.Nodes on ones.one = $self; twos : Composition of many d.Nodes on twos.two = $self; }
entity d.Groups { key ID : Integer; code : Integer; members : Composition of many d.Members on members.code = code; }
entity d.Members { key ID : Integer; code : Integer; subs : Composition of many d.Members on subs.code = code; }
@requires: 'any' service S {
  @restrict: [{ grant: ['READ', 'UPDATE'] }, { grant: 'DELETE', where: 'locked is null' }] entity Nodes as projection on d.Nodes;
  entity Groups as projection on d.Groups; entity Members as projection on d.Members; }`,
		`INSERT INTO d_Nodes (ID, one_ID, two_ID, locked) VALUES (1, NULL, NULL, NULL), (2, 1, 1, NULL), (3, 2, 2, NULL), (4, 3, 3, NULL), (5, 4, 4, NULL), (6, 5, 5, TRUE), (7, 6, NULL, NULL);
INSERT INTO d_Groups (ID, code) VALUES (1, 1), (2, 2); INSERT INTO d_Members (ID, code) VALUES (1, 1), (2, 1), (3, 2);`, cds.AppOptions{}, nil)
	u := user("u")
	a.want(req{event: authz.Delete, path: "S.Nodes(1)", user: u}, 403)
	if got := left(t, a.DB, "d_Nodes"); got != "7" {
		t.Errorf("left: %s", got)
	}
	dbWrite(t, a.DB, "UPDATE d_Nodes SET locked = NULL")
	a.want(req{event: authz.Delete, path: "S.Nodes(1)", user: u}, 200)
	if got := left(t, a.DB, "d_Nodes"); got != "0" {
		t.Errorf("left: %s", got)
	}
	a.want(req{event: authz.Delete, path: "S.Groups(1)", user: u}, 400) // members are their own parts
	if got := left(t, a.DB, "d_Groups", "d_Members"); got != "2 3" {
		t.Errorf("left: %s", got)
	}
}
