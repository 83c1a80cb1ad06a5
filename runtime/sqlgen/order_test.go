package sqlgen_test

import (
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/cqn"
	"cds/runtime/db/postgres"
	"cds/runtime/sqlgen"
)

// TestOrder_nulls: on a database where nulls are the greatest, queries say where they belong, but not for columns without nulls: an index may serve
// there. What only looks like such a column does not count: the same element of another row that may be missing, an expression, a table of others.
func TestOrder_nulls(t *testing.T) {
	res := parser.CompileString("m.cds", `
		entity A { key ID : Integer; n : Integer not null; o : Integer; parent : Association to A; twice : Integer not null = n * 2; virtual v : Integer not null; }
		entity P as projection on A { *, n as m, o as q, parent.n as pn };
		entity J as select from A left join A as B on B.ID = A.parent.ID { key A.ID, B.n as bn };
		@cds.persistence.exists entity X { key ID : Integer; n : Integer not null; }`)
	if res.Diags.HasErrors() {
		t.Fatal(res.Diags)
	}
	order := func(e string, columns []cqn.Column, desc bool, by ...string) string {
		q := &cqn.Select{From: from(e), Columns: columns, OrderBy: []cqn.Order{{X: cqn.NewRef(by...), Desc: desc}}}
		p, err := sqlgen.Compile(q, res.Model, &guard{}, postgres.Dialect())
		if err != nil {
			t.Fatalf("%s by %v: %v", e, by, err)
		}
		_, out, _ := strings.Cut(p.SQL, " ORDER BY ")
		return out
	}
	parent := func(name string) []cqn.Column { return []cqn.Column{{X: cqn.NewRef("parent", name), As: name}} }
	for _, tt := range []struct {
		entity  string
		columns []cqn.Column
		desc    bool
		by      []string
		want    string
	}{
		{"A", cols("ID"), false, []string{"ID"}, "t1.ID"},
		{"A", cols("ID"), true, []string{"n"}, "t1.n DESC"},
		{"A", cols("ID"), false, []string{"o"}, "t1.o NULLS FIRST"},
		{"A", cols("ID"), true, []string{"o"}, "t1.o DESC NULLS LAST"},
		{"A", cols("ID"), false, []string{"parent", "n"}, "t2.n NULLS FIRST"},
		{"A", parent("n"), false, []string{"n"}, "t2.n NULLS FIRST"},
		{"A", parent("ID"), false, []string{"ID"}, "t1.parent_ID NULLS FIRST"},
		{"A", cols("ID"), false, []string{"twice"}, "t1.n * $1::bigint NULLS FIRST"},
		{"A", cols("ID"), false, []string{"v"}, "NULL NULLS FIRST"},
		{"P", cols("ID"), false, []string{"m"}, "t1.m"},
		{"P", cols("ID"), false, []string{"q"}, "t1.q NULLS FIRST"},
		{"P", cols("ID"), false, []string{"pn"}, "t1.pn NULLS FIRST"},
		{"J", cols("ID"), false, []string{"bn"}, "t1.bn NULLS FIRST"},
		{"X", cols("ID"), false, []string{"n"}, "t1.n NULLS FIRST"},
	} {
		if got := order(tt.entity, tt.columns, tt.desc, tt.by...); got != tt.want {
			t.Errorf("%s by %v: got %q, want %q", tt.entity, tt.by, got, tt.want)
		}
	}
}
