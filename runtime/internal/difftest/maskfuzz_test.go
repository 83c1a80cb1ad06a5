package difftest

import (
	"errors"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/authz"
	"cds/runtime/db/postgres"
	"cds/runtime/db/sqlite"
	"cds/runtime/sqlgen"
)

// FuzzMask: whatever stands in a mask, what is understood can be asked of every database, and what is not is reported at its place.
func FuzzMask(f *testing.F) {
	for _, x := range []string{"concat('x', substring(s, -4))", "case when n > 5 then s else a.s end", "n * 2", "d", "exists k[n = 1]", "s || s", "n / 3 - 1", "floor(p / 2.5)", "$user", "$now",
		"coalesce(s, a.s, 'x')", "b", "not b", "n in (1, 2)", "s like 'a%'", "year(d)", "null", "-n", "a.a.n", "n between 1 and 2", "s = $user.x", "$self.s", "#x", "(s)", "a", "k.n", "cast(n as String)"} {
		f.Add(x, "last(4)")
	}
	for _, fn := range []string{"first(2)", "email", "round(100)", "year", "month", " last ( 3 ) ", "last(0)", "last(", "hash", ""} {
		f.Add("s", fn)
	}
	f.Fuzz(func(t *testing.T, x, fn string) {
		if len(x) > 500 || strings.ContainsAny(fn, "'\n\r\\`") || strings.ContainsRune(x, 0) || strings.ContainsRune(fn, 0) {
			return
		}
		for _, el := range []string{"s : String", "n : Integer", "p : Decimal(9,2)", "d : Date", "m : Timestamp", "b : Boolean", "u : UUID"} {
			name, _, _ := strings.Cut(el, " ")
			for _, mask := range []string{"expr: (" + x + "\n)", "fn: '" + fn + "'", "unless: { where: (" + x + "\n) }"} {
				compileMask(t, "service S { @requires: 'any' entity E { key ID : Integer; s : String; n : Integer; p : Decimal(9,2); d : Date; m : Timestamp; b : Boolean; u : UUID; "+
					"a : Association to E; k : Association to many E on k.a = $self; }; annotate E with { "+name+" @mask: { "+mask+" } }; }", name)
			}
		}
	})
}

func compileMask(t *testing.T, model, name string) {
	res := parser.CompileString("m.cds", model)
	if res.Model == nil || res.Diags.HasErrors() || res.Model.Entity("S.E") == nil || len(res.Model.Services) != 1 {
		return
	}
	p, diags := authz.Compile(res.Model, authz.Options{Strict: true})
	if diags.HasErrors() {
		for _, d := range diags {
			if !d.Span.Valid() {
				t.Errorf("%s: a finding without a place: %s", model, d.Message)
			}
		}
		return
	}
	e := res.Model.Entity("S.E")
	d := p.Decide(auth.New(auth.User{ID: "u"}), authz.Access{Service: res.Model.Services[0], Event: authz.Read, Path: []*csn.Entity{e}})
	if !d.Allowed() {
		return
	}
	for _, dialect := range []sqlgen.Dialect{sqlite.Dialect(), postgres.Dialect()} {
		for _, q := range []*cqn.Select{
			{From: &cqn.From{Path: cqn.NewRef("S.E")}},
			{From: &cqn.From{Path: cqn.NewRef("S.E")}, Columns: []cqn.Column{{X: cqn.NewRef("a"), Expand: &cqn.Select{Columns: []cqn.Column{{X: cqn.NewRef(name)}}}}}},
		} {
			if _, err := sqlgen.Compile(q, res.Model, d.Guard, dialect); err != nil {
				t.Errorf("%s: %s: %v", model, dialect.Name(), err)
			}
		}
		var f *sqlgen.Forbidden
		q := &cqn.Select{From: &cqn.From{Path: cqn.NewRef("S.E")}, OrderBy: []cqn.Order{{X: cqn.NewRef(name)}}}
		if _, err := sqlgen.Compile(q, res.Model, d.Guard, dialect); d.Guard.Element(e.Element(name), sqlgen.Root) != nil && !errors.As(err, &f) {
			t.Errorf("%s: %s: sorting is not refused: %v", model, dialect.Name(), err)
		}
	}
}
