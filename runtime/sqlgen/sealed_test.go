package sqlgen_test

import (
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/cqn"
	"cds/runtime/db/sqlite"
	"cds/runtime/sqlgen"
)

// What a subquery yields is part of an expression, so it is none of an encrypted element: code would get the encrypted form, or compare and sort by it.
func TestSealedSubqueries(t *testing.T) {
	res := parser.CompileString("m.cds", `entity E { key ID : Integer; n : String; @encrypted: 'deterministic' s : String; @encrypted r : String; @hash h : String; }`)
	if err := res.Diags.Err(); err != nil {
		t.Fatal(err)
	}
	from := func() *cqn.From { return &cqn.From{Path: cqn.NewRef("E")} }
	sub := func(col string, exists bool) *cqn.Subquery {
		return &cqn.Subquery{Exists: exists, Query: &cqn.Select{From: from(), Columns: []cqn.Column{{X: cqn.NewRef(col)}}}}
	}
	where := func(x cqn.Expr) *cqn.Select { return &cqn.Select{From: from(), Where: x} }
	for name, tt := range map[string]struct {
		q    *cqn.Select
		want string // "" for none
	}{
		"in":        {where(&cqn.In{X: cqn.NewRef("n"), Set: sub("s", false)}), `"s" is encrypted`},
		"of one":    {where(&cqn.In{X: cqn.NewRef("s"), Set: sub("n", false)}), `"s" is encrypted`},
		"equal":     {where(&cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("n"), R: sub("s", false)}), `"s" is encrypted`},
		"null":      {where(&cqn.Unary{Op: cqn.IsNull, X: sub("r", false)}), `"r" is encrypted`},
		"hash":      {where(&cqn.In{X: cqn.NewRef("n"), Set: sub("h", false)}), `"h" is hashed`},
		"column":    {&cqn.Select{From: from(), Columns: []cqn.Column{{X: sub("s", false), As: "x"}}}, `"s" is encrypted`},
		"order":     {&cqn.Select{From: from(), OrderBy: []cqn.Order{{X: sub("r", false)}}}, `"r" is encrypted`},
		"of others": {where(&cqn.In{X: cqn.NewRef("n"), Set: sub("n", false)}), ""},
		"exists":    {where(sub("s", true)), ""},
	} {
		p, err := sqlgen.Compile(tt.q, res.Model, &guard{}, sqlite.Dialect())
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, %v; want %q", name, p, err, tt.want)
		}
	}
}
