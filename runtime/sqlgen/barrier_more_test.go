package sqlgen_test

import (
	"fmt"
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/sqlgen"
)

const barrierMore = barrierModel + `
entity my.Calm { key ID : Integer; title : String; owner : String; n : Integer; fine : String = title || '!'; kept : Integer = 100 / n stored; }
entity my.OverCalm as select from my.Calm { ID, owner, upper(title) as u : String, title };
entity my.OverOverCalm as select from my.OverCalm { ID, owner, upper(u) as uu : String };
entity my.OverHalf as select from my.Half { ID, owner, upper(title) as u : String };
entity my.Big as select from my.Q { key title, max(owner) as owner : String, count(*) as c : Integer } group by title having count(*) > 1;
entity my.Filtered as select from my.P[100 / n > 1] { ID, owner, title };
entity my.G { key ID : Integer; owner : String; n : Integer; title : String; name : String; ratio : Integer = 100 / n; }
entity my.F { key ID : Integer; owner : String; title : String; g : Association to my.G; by_g : Integer = g.ratio; again : Integer = by_g; g_name : String = g.name; }
entity my.OverG as select from my.G { ID, owner, upper(title) as u : String };
entity my.XG as select from my.F { key title, max(owner) as owner : String } group by title having max(by_g) > 1;
entity my.XH as select from my.F { key title, max(owner) as owner : String } group by title having max(title) > 'a';
entity my.Alias as select from my.Q { key title, max(owner) as owner : String, count(*) as c : Integer } group by title having $self.c > 1;
entity my.VF as select from my.F { ID, owner, title, by_g, again as ag };
entity my.PF as projection on my.F;
entity my.WF as select from my.VF { ID, owner, title, by_g, ag };
entity my.XF as select from my.F { ID, owner, title } where by_g > 1;
entity my.XA as select from my.F as f { ID, owner, title } where f.again > 1;
entity my.XB as select from my.F { ID, owner, title } where g.ratio > 1;
entity my.XC as select from my.F { ID, owner, title } where g.title > 'a' and g is not null and F.title > 'a';
entity my.XD as select from my.F[again > 1] { ID, owner, title };
entity my.YF as select from my.F { ID, owner, title, case when by_g > 1 then 1 else 0 end as c : Integer };
entity my.J { key ID : Integer; owner : String; n : Integer; ratio : Integer = 100 / n; far : Association to my.N on far.ID = 100 / n; rat : Association to my.N on rat.ID = ratio; fars : Association to many my.N on fars.ID = 100 / n; half : Association to many my.G on half.ID = ID and half.ratio = 1; near : Association to my.N on near.ID = n; nears : Association to many my.N on nears.ID = n and nears.text = 'a'; }
entity my.Odd { key ID : Integer; owner : String; n : Integer; tags : many String; float : Decimal(9, variable); dbl : Double; ratio : Integer = 100 / n; of_ratio : Integer = ratio stored; own : Integer = $self.n; ownRatio : Integer = $self.ratio; }
`

// barredIn is barred for another model, a query that is made already and any guard.
func barredIn(t *testing.T, m *csn.Model, q cqn.Query, g sqlgen.Guarder) (sql string, barrier bool, err error) {
	t.Helper()
	p, err := sqlgen.Compile(q, m, g, open(t).Dialect())
	if err != nil {
		return "", false, err
	}
	sql = p.SQL
	for _, c := range p.Children {
		sql += "\n" + c.Plan.SQL
	}
	return sql, strings.Contains(sql, "OFFSET 0"), nil
}

// owned guards all entities with an owner.
func owned(m *csn.Model) *guard {
	g := &guard{where: map[string]cqn.Expr{}}
	for _, e := range m.Entities {
		if e.Flat.Lookup("owner") != nil {
			g.where[e.Name] = &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("owner"), R: &cqn.Param{From: cqn.FromUserID}}
		}
	}
	return g
}

// TestBarrier_forms: where a condition stands, and what it is made of, does not matter; only whether it may fail on a row that is hidden.
func TestBarrier_forms(t *testing.T) {
	m := compile(t, barrierMore)
	for query, want := range map[string]bool{
		// paths to what is read
		"select from my.P[ID = 1]:notes[100 / ID > 1] { ID }": true, "select from my.P[100 / n > 1]:notes { ID }": true, "select from my.P[n = 1]:notes[ID = 1] { ID }": false, "select from my.P[100 / n > 1]:notes[ID = 1] { ID }": true,
		// aggregates are computed of the rows that were chosen, and what is inside of them; what is beside them in HAVING, too late to be moved, is taken for what may fail
		"select from my.P { title } group by title having sum(n) > 1": false, "select from my.P { title } group by title having max(100 / n) > 1": false, "select from my.P { title } group by title having max(n) > 100 / count(*)": true, "select from my.P { title } group by title having count(*) > 1": false,
		"select from my.P { ID } where max(100 / n, 1) > 1": true, "select from my.P { ID } where tolower(cast(n as String)) = 'a'": true, "select from my.P { ID } where coalesce(100 / n, 1) > 1": true, "select from my.P { ID, coalesce(100 / n, 1) as x }": false, "select from my.P { ID } order by ratio": false, "select from my.P { ID } order by up.ratio": true,
		// dates and times
		"select from my.P { ID } where year(tolower(title)) = 1": true, "select from my.P { ID } where totaloffsetminutes(title) = 1": true, "select from my.P { ID } where year(n) = 1": true,
		// operators
		"select from my.P { ID } where -(1) < n": false, "select from my.P { ID } where -(n) < 1": true, "select from my.Odd { ID } where 'a' in tags": true, "select from my.Odd { ID } where float > dbl": true,
		// subqueries with one row
		"select from my.P { ID } where (select ID from my.N union select ID from my.Q) = n": true, "select from my.P { ID } where (select max(ID) over () as m from my.N) = n": true, "select from my.P { ID } where (select max(ID) as m from my.N) = n": false, "select from my.P { ID } where (select from my.N {}) = n": true,
		// derived tables
		"select from (select ID, title || 'x' as x from my.P) as d { ID } where x = 'a'": false, "select from (select ID, 100 / n as x from my.P) as d { ID } where x = 1": true,
		// what is stored does not fail, whatever it was made of
		"select from my.Odd { ID } where of_ratio = 1": false, "select from my.Odd { ID } where own = 1": false, "select from my.Odd { ID } where ownRatio = 1": true,
		// computed columns of views over views
		"select from my.OverCalm { ID } where u = 'a'": false, "select from my.OverOverCalm { ID } where uu = 'a'": false, "select from my.OverHalf { ID } where u = 'a'": true, "select from my.Calm { ID } where kept = 1": false, "select from my.Calm { ID } where fine = 'a'": false,
		// what is computed over an association, by what is computed there
		"select from my.F { ID } where again > 1": true, "select from my.VF { ID } where by_g > 1": true, "select from my.VF { ID } where ag > 1": true, "select from my.PF { ID } where by_g > 1": true, "select from my.PF { ID } where g.title = 'a'": false, "select from my.WF { ID } where ag > 1": true,
		"select from my.XF { ID }": true, "select from my.F { ID } where g_name = 'a'": false, "select from my.OverG { ID } where u = 'a'": true, "select from my.XG { title }": true, "select from my.XH { title }": false, "select from my.Alias { title }": true, "select from my.XA { ID } where title = 'a'": true, "select from my.XB { ID } where title = 'a'": true, "select from my.XC { ID }": false, "select from my.XD { ID }": true, "select from my.YF { ID } where c = 1": true, "select from my.PF { ID } where title = 'a'": false,
		// associations whose conditions may fail
		"select from my.J { ID } where far.text = 'a'": true, "select from my.J { ID } where rat.text = 'a'": true, "select from my.J { ID } where exists far": true, "select from my.J { ID } where exists fars": true, "select from my.J { ID } where near.text = 'a'": false, "select from my.J { ID } where exists nears": false,
		"select from my.J { ID, far { text } }": true, "select from my.J { ID, fars { text } }": true, "select from my.J { ID, half { title } }": true, "select from my.J { ID, near { text } }": false, "select from my.J { ID, nears { text } }": false, "select from my.J:fars { text }": true, "select from my.J:nears { text }": false,
		// conditions of views
		"select from my.Some { title } where title = 'a'": true, "select from my.Big { title } where title = 'a'": false, "select from my.Some { title }": true, "select from my.Big { title }": false, "select from my.Few { ID }": true, "select from my.Filtered { ID }": true, "select from my.Plain { ID }": false,
		// what has no type, or is no number
		"select from my.P { ID } where coalesce(dbl, null) > 1": false, "select from my.P { ID } where dbl between null and 2": false, "select from my.P { ID } where dbl > (select null as z from my.N)": true, "select from my.P { ID } where case when n = 1 then dbl else null end > 1": false, "select from (select ID, null as z, dbl from my.P) as d { ID } where dbl > z": false,
	} {
		sql, got, err := barredIn(t, m, parseQuery(t, query), owned(m))
		if err != nil || got != want {
			t.Errorf("%s: barrier %v, %v: %s", query, got, err, sql)
		}
	}
	minus := &cqn.Select{From: from("my.P"), Columns: cols("ID"), Where: &cqn.Binary{Op: cqn.Gt, L: &cqn.Unary{Op: cqn.Neg, X: &cqn.Lit{Value: cqn.Int(1)}}, R: cqn.NewRef("n")}}
	if sql, got, err := barredIn(t, m, minus, owned(m)); err != nil || got {
		t.Errorf("a negative number: barrier %v, %v: %s", got, err, sql)
	}
	for _, query := range []string{"select from my.P { ID } where nosuch = 1", "select from my.P { ID } where year(nosuch) = 1", "select from my.P { ID } where up.nosuch = 1", "select from my.P { ID } where 100 / n > 1 and nosuch = 1"} {
		if sql, _, err := barredIn(t, m, parseQuery(t, query), owned(m)); err == nil {
			t.Errorf("%s: %s", query, sql)
		}
	}
	inside := func(query string, want bool) {
		sql, barrier, err := barredIn(t, m, parseQuery(t, query), owned(m))
		before, _, _ := strings.Cut(sql, "OFFSET 0")
		if got := strings.Contains(before, " AND "); err != nil || !barrier || got != want {
			t.Errorf("%s: barrier %v, with a condition inside %v, %v: %s", query, barrier, got, err, sql)
		}
	}
	inside("select from my.Some { title } where title = 'a' and 100 / c > 1", false)
	inside("select from my.Big { title } where title = 'a' and 100 / c > 1", true)
	inside("select from my.P { ID } where up.n = n and 100 / n > 1", false)
	inside("select from my.P { ID } where v = 1 and 100 / n > 1", true)
}

// TestBarrier_guards: what a guard asks itself may fail, as the model says it; only what clients ask is kept away from rows that are hidden.
func TestBarrier_guards(t *testing.T) {
	m := compile(t, barrierMore)
	for where, want := range map[string]bool{
		"100 / n > 1": false, "ratio > 1": false, "n in (select half from my.Half)": false, "dbl > d": false, "(select max(ratio) as r from my.P) > 1": false, "up.ratio > 1": false,
	} {
		for query, more := range map[string]bool{"select from my.P { ID }": false, "select from my.P { ID } where 100 / n > 1": true} {
			g := &guard{where: map[string]cqn.Expr{"my.P": expr(t, where)}}
			if sql, got, err := barredIn(t, m, parseQuery(t, query), g); err != nil || got != (want || more) {
				t.Errorf("%s under %s: barrier %v, %v: %s", query, where, got, err, sql)
			}
		}
	}
	if sql, got, err := barredIn(t, m, parseQuery(t, "select from my.J { ID }"), &guard{where: map[string]cqn.Expr{"my.J": expr(t, "exists fars or far.text = 'a'")}}); err != nil || got {
		t.Errorf("under an association that may fail: barrier %v, %v: %s", got, err, sql)
	}
	// What clients cannot aggregate, since databases differ, conditions and views of the model may.
	flags := compile(t, "entity my.B { key ID : Integer; flag : Boolean; }; entity my.M as select from my.B { max(flag) as m : Boolean };")
	max := "(select max(flag) as m from my.B) = true"
	if sql, _, err := barredIn(t, flags, parseQuery(t, "select from my.B { ID } where "+max), &guard{}); err == nil {
		t.Errorf("a client aggregates truth values: %s", sql)
	}
	if _, _, err := barredIn(t, flags, parseQuery(t, "select from my.B { ID }"), &guard{where: map[string]cqn.Expr{"my.B": expr(t, max)}}); err != nil {
		t.Errorf("a condition aggregates truth values: %v", err)
	}
	if _, err := sqlgen.CompileView(flags.Entity("my.M").Source, flags.Entity("my.M"), flags, open(t).Dialect(), sqlgen.ViewOptions{}); err != nil {
		t.Errorf("a view aggregates truth values: %v", err)
	}
}

// TestBarrier_deep: what is nested deeper than anybody looks is taken for what may fail, and for what belongs to tenants.
func TestBarrier_deep(t *testing.T) {
	const n = 60
	var b strings.Builder
	b.WriteString("entity R { key ID : Integer; owner : String; near : Association to W5; far : Association to W45; }\nentity W0 as select from P { ID, c12 as n };\nentity P { key ID : Integer; owner : String; n : Integer; c0 : Integer = n;")
	for i := 1; i <= 12; i++ {
		fmt.Fprintf(&b, " c%d : Integer = c%d;", i, i-1)
	}
	b.WriteString(" }\nentity T { key ID : Integer; @tenant t : String; }\nentity V0 as select from P { ID, owner, n, upper(owner) as u : String };\nentity T0 as select from T { ID };\n")
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "entity V%d as select from V%d { ID, owner, n, upper(u) as u : String };\nentity T%d as select from T%d { ID };\nentity W%d as select from W%d { ID, n };\n", i, i-1, i, i-1, i, i-1)
	}
	m := compile(t, b.String())
	for query, want := range map[string]bool{
		"select from P { ID } where c5 > 1": false, "select from V5 { ID } where u = 'a'": false, "select from V60 { ID } where u = 'a'": true, "select from V5 { ID } where n = 1": false, "select from V60 { ID } where n = 1": true, "select from R { ID } where near.n = 1": false, "select from R { ID } where far.n = 1": false,
	} {
		sql, got, err := barredIn(t, m, parseQuery(t, query), owned(m))
		if err != nil || got != want {
			t.Errorf("%s: barrier %v, %v: %s", query, got, err, sql)
		}
	}
	// What is looked at once is not looked at again: else this would take longer than anybody waits.
	b.Reset()
	b.WriteString("entity A { key ID : Integer; owner : String; t : String; up : Association to VA; ")
	for i := range n {
		fmt.Fprintf(&b, "c%d : String = up.y%d || up.y0; ", i, i)
	}
	b.WriteString("}\nentity VA as select from A { ID, owner, t")
	for i := range n {
		fmt.Fprintf(&b, ", upper(t) as y%d : String", i)
	}
	b.WriteString(" };")
	around := compile(t, b.String())
	if sql, got, err := barredIn(t, around, parseQuery(t, "select from VA { ID } where y1 = 'a' and up.c1 = 'a'"), owned(around)); err == nil || got {
		t.Errorf("an unknown path: %v: %s", got, sql)
	}
	if sql, got, err := barredIn(t, around, parseQuery(t, "select from VA { ID } where y1 = 'a'"), owned(around)); err != nil || got {
		t.Errorf("views and calculations that lead to each other: barrier %v, %v: %s", got, err, sql)
	}
	if !sqlgen.TenantBound(m.Entity("T5")) || !sqlgen.TenantBound(m.Entity("T60")) || sqlgen.TenantBound(m.Entity("V5")) {
		t.Error("whose rows are is forgotten over views")
	}
}

// A masker masks titles by what a test says.
type masker struct {
	guard
	mask *sqlgen.Mask
}

func (g *masker) Element(e *csn.Element, _ sqlgen.Use) error {
	if e.Name != "title" {
		return nil
	}
	return &sqlgen.Forbidden{Entity: e.Owner.Name, Element: e.Name, Mask: g.mask}
}

// TestBarrier_masks: masks are computed of the rows that were chosen, but where rows are joined or selected for another query they may be computed before.
func TestBarrier_masks(t *testing.T) {
	m := compile(t, barrierMore)
	fails, calm := expr(t, "cast(100 / n as String)"), expr(t, "upper(owner)")
	for _, tt := range []struct {
		query string
		mask  sqlgen.Mask
		want  bool
	}{
		{"select from my.P { ID, title }", sqlgen.Mask{X: fails, Computed: true}, false},
		{"select from my.P { ID, up { ID, title } }", sqlgen.Mask{X: fails, Computed: true}, true},
		{"select from my.P { ID, up { ID, title } }", sqlgen.Mask{X: calm, Computed: true}, false},
		{"select from my.P { ID, up { ID, title } }", sqlgen.Mask{X: expr(t, "cast(ratio as String)"), Computed: true}, true},
		{"select from my.P { ID, up { ID, title } }", sqlgen.Mask{X: expr(t, "fine_up"), Computed: true}, false},
		{"select from my.P { ID, up { ID, title } }", sqlgen.Mask{X: expr(t, "'***'"), Unless: expr(t, "100 / n > 1")}, true},
		{"select from my.P { ID, up { ID, title } }", sqlgen.Mask{X: expr(t, "'***'"), Unless: expr(t, "ratio > 1")}, true},
		{"select from my.P { ID, up { ID, title } }", sqlgen.Mask{X: expr(t, "'***'"), Unless: expr(t, "n > 1")}, false},
		{"select from (select ID, title from my.P) as d { ID, title }", sqlgen.Mask{X: fails, Computed: true}, true},
		{"select from (select ID, title from my.P) as d { ID, title }", sqlgen.Mask{X: calm, Computed: true}, false},
	} {
		g := &masker{*owned(m), &tt.mask}
		sql, got, err := barredIn(t, m, parseQuery(t, tt.query), g)
		if err != nil || got != tt.want {
			t.Errorf("%s, %s unless %v: barrier %v, %v: %s", tt.query, cqn.Format(tt.mask.X), tt.mask.Unless, got, err, sql)
		}
	}
}

// A rower tells what may be done with the rows of an expand.
type rower struct {
	guard
	on []sqlgen.RowCondition
}

func (g *rower) RowRights(level []string) []sqlgen.RowRight {
	return []sqlgen.RowRight{{Name: "delete", On: g.on}}
}

// TestBarrier_rights: what may be done with the rows of a query is asked when they are chosen; of rows that are joined it may be asked before.
func TestBarrier_rights(t *testing.T) {
	m := compile(t, barrierMore)
	p := m.Entity("my.P")
	for _, tt := range []struct {
		where        string
		root, joined bool
	}{{"100 / n > 1", false, true}, {"ratio > 1", false, true}, {"n > 1", false, false}} {
		g := &rower{*owned(m), []sqlgen.RowCondition{{Entity: p, When: sqlgen.Where(expr(t, tt.where))}}}
		root := &cqn.Select{From: from("my.P"), Columns: []cqn.Column{{X: cqn.NewRef("ID")}, sqlgen.RightsOf(nil, "may")}}
		joined := &cqn.Select{From: from("my.P"), Columns: []cqn.Column{{X: cqn.NewRef("ID")}, {X: cqn.NewRef("up"), Expand: &cqn.Select{Columns: []cqn.Column{{X: cqn.NewRef("ID")}, sqlgen.RightsOf([]string{"up"}, "may")}}}}}
		for q, want := range map[*cqn.Select]bool{root: tt.root, joined: tt.joined} {
			sql, got, err := barredIn(t, m, q, g)
			if err != nil || got != want || !strings.Contains(sql, "coalesce(") {
				t.Errorf("%s: barrier %v, %v: %s", tt.where, got, err, sql)
			}
		}
	}
}
