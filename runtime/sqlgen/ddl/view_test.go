package ddl_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cds/parser"
	"cds/runtime/db"
	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgtest"
	"cds/runtime/sqlgen/ddl"
)

// viewCases are views with the rows that they have to give, over data that both databases are given alike.
var viewCases = []struct{ name, cds, data, query, want string }{
	{"mixin", `entity A { key ID : Integer; x : Integer; b : Association to B; }
entity B { key ID : Integer; x : Integer; t : String(10); up : Association to A; c : Association to C; }
entity C { key ID : Integer; name : String(10); }
entity V as select from A mixin {
  m : Association to many B on m.x = $projection.y and m.up.ID = $projection.ID;
  hidden : Association to C on hidden.ID = A.x - 9;
  low : Association to many B on low.x < x;
} into { ID, x as y, m.t, m.c.name as cn, hidden.name as hn, m[t = 'b2'].ID as one, hidden.{ ID as hid }, m.ID + 1 as next, m }
where exists low or hidden.name = 'one' order by ID, t;
entity Over as select from V { ID, m.t as again };`,
		`insert into A (ID, x, b_ID) values (1, 10, null), (2, 20, null), (3, 0, null);
insert into C (ID, name) values (1, 'one'), (11, 'eleven');
insert into B (ID, x, t, up_ID, c_ID) values (1, 10, 'b1', 1, 1), (2, 10, 'b2', 1, null), (3, 20, 'b3', 1, 1), (4, 20, 'b4', 2, 11)`,
		`select ID, y, t, cn, hn, one, hid, next from V`,
		"1|10|b1|one|one|2|1|2\n1|10|b2||one|2|1|3\n2|20|b4|eleven|eleven||11|5"},
	{"mixin in a union", `entity A { key ID : Integer; x : Integer; }
entity B { key ID : Integer; x : Integer; t : String(10); }
entity V as select from A mixin { m : Association to B on m.ID = $projection.ID; } into { ID, m.t as t }
union all select from B mixin { m : Association to A on m.ID = $projection.ID; } into { ID, case when exists m then 'yes' else 'no' end as t : String };`,
		`insert into A (ID, x) values (1, 10), (2, 20); insert into B (ID, x, t) values (1, 1, 'b1'), (3, 3, 'b3')`,
		`select ID, t from V order by ID, t`,
		"1|b1\n1|yes\n2|\n3|no"},
	{"mixin published only", `entity A { key ID : Integer; x : Integer; }
entity B { key ID : Integer; x : Integer; t : String(10); }
entity V as select from A mixin { m : Association to B on m.ID = $projection.dbl; } into { ID, x * 2 as dbl : Integer, m, m.t };
entity W as select from V { ID, m.t as w };`,
		`insert into A (ID, x) values (1, 1), (2, 2); insert into B (ID, x, t) values (2, 1, 'two'), (4, 3, 'four')`,
		`select v.ID, v.t, w.w from V v join W w on v.ID = w.ID order by v.ID`,
		"1|two|two\n2|four|four"},
}

func TestViews(t *testing.T) {
	for _, c := range viewCases {
		t.Run(c.name, func(t *testing.T) { viewRows(t, open(t), c.cds, c.data, c.query, c.want) })
	}
}

func TestViews_postgres(t *testing.T) {
	for _, c := range viewCases {
		t.Run(c.name, func(t *testing.T) {
			p, err := postgres.New().Open(context.Background(), pgtest.Open(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = p.Close() })
			viewRows(t, p, c.cds, c.data, c.query, c.want)
		})
	}
}

func viewRows(t *testing.T, p db.Pool, cds, data, sql, want string) {
	t.Helper()
	res := parser.CompileString("v.cds", cds)
	if res.Model == nil {
		t.Fatal(res.Diags)
	}
	stmts, err := ddl.Create(res.Model, p.Dialect())
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	tx, err := p.Write(ctx, db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := tx.Script(ctx, strings.Join(stmts, ";\n")+";\n"+data); err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(stmts, ";\n"))
	}
	var got []string
	for _, row := range query(t, tx, sql) {
		got = append(got, strings.ReplaceAll(strings.Join(row, "|"), "null", ""))
	}
	if diff := cmp.Diff(want, strings.Join(got, "\n")); diff != "" {
		t.Errorf("rows (-want +got):\n%s\n%s", diff, strings.Join(stmts, ";\n"))
	}
}
