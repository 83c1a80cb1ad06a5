package authz

import (
	"strings"
	"testing"

	"cds/runtime/sqlgen"
)

// TestElements_ways: what a view takes from below a restricted structure or association is restricted, by *, by nested columns and behind the alias of a source
// too; and what it takes from beside them is not. Elements that begin with h, or have _h in their names, are for hr.
func TestElements_ways(t *testing.T) {
	const model = `
entity d.C { key ID : Integer; hy : Integer; }
entity d.B { key ID : Integer; n : Integer; x : Integer; st { a : Integer; @requires: 'hr' hb : Integer; }; @requires: 'hr' hc : Association to d.C; c : Association to d.C; }
entity d.Hr { key ID : Integer; hx : Integer; hst { ha : Integer; } }
entity d.A { key ID : Integer; m : Integer; home { street : Integer; town : Integer; }; @requires: 'hr' work { hroad : Integer; hcity : Integer; }; @requires: 'hr' b : Association to d.Hr; c : Association to d.B; hc : Association to d.C; }
service S { `
	for _, columns := range []string{
		"d.A { key ID as id0, home.{*}, work.{*} }",
		"d.A { key ID as id0, Q.home.{*}, Q.work.{*} }",
		"d.A { key m as k, c.{*} excluding { c } }",
		"d.A { key m as k, Q.c.{*} excluding { c } }",
		"d.A { key m as k, b.{*} excluding { ID } }",
		"d.A { key m as k, Q.b.{*} excluding { ID } }",
		"d.A { key m as k, c.hc.{*} excluding { ID } }",
		"d.A { key m as k, c.{hc.{hy}} }",
		"d.A { key m as k, c.{st.{*}} }",
		"d.A { key m as k, c.{ID, x, st.{a}} }",
		"d.A { key m as k, b.{ID as hid, hx}, c.{x} }",
		"d.A { key m as k, b.hst as hst, b.hst.ha as hst2, work.hcity as hc, home.town as t }",
		"d.A { key m as k, home {town}, work as w {hcity}, b as bb {hx, hst {ha}}, c {x, st {a, hb}, hc as y {hy}} }",
		"d.A { key m as k, Q.home {town}, Q.work {hcity}, Q.b {hx}, Q.c {x, hc {hy}} }",
		"d.A { key m as k, home {*}, work {*}, c {*} }",
		"d.A { key m as k, b {*, 1 as one : Integer} excluding { ID } }",
		"d.A { key m as k, b.{hx * 2 as htwice : Integer}, c.{x * 2 as twice : Integer, hc.ID + 1 as hplus : Integer} }",
		"d.A { key m as k, b {hx * 2 as twice_h : Integer}, Q.c {x * 2 as twice : Integer, hc.hy + x as sum_h : Integer}, Q.work { hcity + 1 as h : Integer } }",
		"d.A { key m as k, b {hx as hbx}, c.x as hidden_not }",
	} {
		from, list, _ := strings.Cut(columns, " ")
		for _, source := range []string{"projection on " + from + " ", "select from " + from + " ", "select from " + from + " as q ", "select from " + from + " join d.B as z on A.ID = z.ID "} {
			alias := map[bool]string{true: "q", false: "A"}[strings.Contains(source, " as q")]
			if strings.Contains(list, "Q.") && strings.HasPrefix(source, "projection") {
				continue
			}
			view := source + strings.ReplaceAll(list, "Q.", alias+".")
			if strings.Contains(source, "join") {
				view = strings.Replace(view, "key m as", "key A.m as", 1)
				view = strings.Replace(view, "key ID as", "key A.ID as", 1)
			}
			m, p, _ := policyOf(t, model+"entity V as "+view+"; }")
			for _, user := range []string{"", "hr"} {
				d := p.Decide(named("u", user), access(t, m, "READ S.V"))
				for _, el := range m.Entity("S.V").Flat {
					hidden := strings.HasPrefix(el.Name, "h") && !strings.HasPrefix(el.Name, "hidden") && !strings.HasPrefix(el.Name, "home_") || strings.Contains(el.Name, "_h")
					if err := d.Guard.Element(el, sqlgen.Root); (err != nil) != (hidden && user == "") {
						t.Errorf("%s: %s as %q: %v", view, el.Name, user, err)
					}
				}
			}
		}
	}
}

// TestElements_joins: paths of a join begin in each of its sources.
func TestElements_joins(t *testing.T) {
	for _, columns := range []string{
		"{ key C.ID as id0, w.hc.hy as hx, w.st.hb as hb, w.st.a as a, w.c.y as yy, w.hc.{ID as hid} }",
		"{ key C.y as id0, w.hc.{*} excluding { ID } }",
		"{ key C.ID as id0, w.st.{*} }",
	} {
		m, p, _ := policyOf(t, `
entity d.C { key ID : Integer; y : Integer; hy : Integer; }
entity d.B { key ID : Integer; st { a : Integer; @requires: 'hr' hb : Integer; }; @requires: 'hr' hc : Association to d.E; c : Association to d.C; }
entity d.E { key ID : Integer; hy : Integer; }
service S { entity V as select from d.C join d.B as w on C.ID = w.ID `+columns+`; }`)
		for _, user := range []string{"", "hr"} {
			d := p.Decide(named("u", user), access(t, m, "READ S.V"))
			for _, el := range m.Entity("S.V").Flat {
				if err := d.Guard.Element(el, sqlgen.Root); (err != nil) != (el.Name[0] == 'h' && user == "") {
					t.Errorf("%s: %s as %q: %v", columns, el.Name, user, err)
				}
			}
		}
	}
}

// TestElements_columns: what a column makes of a restricted element is restricted, whatever it is called and wherever it is named: with a type of its own, by
// $self, over associations of the view, in subqueries and in queries that are read from. Elements that begin with h are for hr.
func TestElements_columns(t *testing.T) {
	for _, view := range []string{
		"select from d.A { key ID, pay as hp, pay as htyped : Integer, net as hnet : String, m as typed : String, ID as id2 : Integer }",
		"projection on d.A { ID, pay as hp, $self.hp as hsame : Integer, $self.hp as hsame2, $self.hp * 2 as htwice : Integer, m as mm, $self.mm * 2 as twice : Integer }",
		"select from d.A { key ID, m + 1 as mm : Integer, pay + 1 as hpp : Integer, $self.hpp * 2 as htwice : Integer, $self.mm * 2 as twice : Integer }",
		"select from d.A mixin { b2 : Association to d.B on b2.ID = $projection.ID } into { key ID, b2.hx as hx, b2.x as x, b2.hx * 2 as h2 : Integer, b2[hx = 1].x as hfil, b2[x = 1].x as fil }",
		"select from d.A { key ID, (select sum(hx) from d.B) as hsum : Integer, (select sum(x) from d.B) as sum : Integer, (select count(*) from d.B as y where y.hx = 1) as hcount : Integer }",
		"select from d.A { key ID, case when exists b[hx = 1] then 1 else 0 end as hex : Integer, case when exists b[x = 1] then 1 else 0 end as ex : Integer }",
		"select from d.A { key ID, sum(pay) as hsum : Integer, max(b.hx) as hmax : Integer, max(b.x) as max : Integer } group by ID",
		"select from d.A as y, d.B as z { key y.ID, z.hx as hh, z.hx + y.m as h2 : Integer, z.x + y.m as s2 : Integer }",
		"select from d.A:b { key ID, hx, x }",
		"select from (select from d.B { ID, hx as z, x as zz }) as q { key ID, z as hz, q.z * 2 as hz2 : Integer, z + zz as hz3 : Integer, q.zz * 2 as zz2 : Integer }",
		"select from d.A { key ID, net as hnet2, *, b.hx as hx } excluding { net, pay, hb }",
		"projection on d.A { ID, @requires: 'any' net as told, net as hn2 }",
		"select from d.B { key ID, x, x as hall } union all select from d.A { ID, m, pay }",
		"select from d.N { key ID, n as hx2, n as hy2, n as op } union all select from d.H { * }",
		"select from d.N { key ID, n as hx2, n as hy2, n as op } union all select from d.H",
		"select from d.N { key ID, n as hx2, n as hy2, n as op } union all select from d.H { ID, hx, * }",
		"select from d.N { key ID, n as hx2, n as op } union all select from d.H { * } excluding { hy }",
		"select from d.N { key ID, n as hx2, n as op, n as last } union all select from d.H { *, 1 as hy : Integer }",
		"select from d.N { key ID, n as a, n as hy2, n as op } union all select from d.H { *, 1 as hx : Integer }",
		"select from d.H { * } union all select from d.N { ID, n as x, n as y, n as z }",
		"select from d.N { key ID, st as hst } union all select from d.N { ID, hst2 as other }",
		"select from d.N { key ID, n, st as st } union all select from d.N { ID, n, st as other }",
		"select from d.N { key ID, n } union all select from d.N { ID, n } union all select from d.H { ID, open }",
		"select from d.N { key ID, n as hn } union all (select from d.N { ID, n as m } union all select from d.H { ID, hy as z })",
		"select from d.N { key ID as id2, n as a, n as b, n as hc } union all select from d.H as h join d.N as y on y.ID = h.ID { h.ID, h.open, y.n as k, h.hx }",
		"projection on P { ID, hp2 as hp3, hp2 as hp4 : Integer, free, free as free2, said as said2 : Integer }",
	} {
		m, p, _ := policyOf(t, `
entity d.B { key ID : Integer; x : Integer; @requires: 'hr' hx : Integer; }
entity d.H { key ID : Integer; @requires: 'hr' hx : Integer; @requires: 'hr' hy : Integer; open : Integer; }
entity d.N { key ID : Integer; n : Integer; st { a : Integer; b : Integer; }; @requires: 'hr' hst2 { a : Integer; b : Integer; } }
entity d.A { key ID : Integer; m : Integer; b : Association to d.B; @requires: 'hr' hb : Association to d.B; @requires: 'hr' pay : Integer; net : Integer = pay * 2; }
service S { @cds.redirection.target entity P as projection on d.A { ID, pay as hp, pay as hp2 : Integer, pay as free, pay as said : Integer }; annotate P with { free @requires: null; said @requires: 'any'; };
  entity V as `+view+"; entity W as projection on V; }")
		for _, name := range []string{"S.V", "S.W"} {
			for _, user := range []string{"", "hr"} {
				d := p.Decide(named("u", user), access(t, m, "READ "+name))
				for _, el := range m.Entity(name).Flat {
					if err := d.Guard.Element(el, sqlgen.Root); (err != nil) != (el.Name[0] == 'h' && user == "") {
						t.Errorf("%s of %s: %s as %q: %v", name, view, el.Name, user, err)
					}
				}
			}
		}
	}
}

// TestElements_ways_both: what is restricted itself and reached over a restricted association is for nobody who has not both: without an own restriction, for nobody.
func TestElements_ways_both(t *testing.T) {
	m, p, _ := policyOf(t, `
entity d.B { key ID : Integer; @requires: 'z' z : Integer; @requires: 'hr' same : Integer; n : Integer; }
entity d.A { key ID : Integer; @requires: 'hr' b : Association to d.B; open : Association to d.B; }
service S {
  entity V as select from d.A { key ID, b.z as z2, b.same as same2, b.{z as z3}, open.z as z4, @requires: 'own' b.z as z5 };
  entity W as projection on V;
  entity X as projection on V { ID, z2 as z6 };
  entity F as select from d.A:b { ID, same, z, n, @requires: 'own' n as n2 };
  entity G as select from d.A:open { ID, same, z, n };
  entity H as projection on d.A:b;
}`)
	for path, want := range map[string]string{
		"S.V.z2": "", "S.V.z3": "", "S.V.same2": "hr all", "S.V.z4": "z all", "S.V.z5": "own",
		"S.W.z2": "", "S.W.z3": "", "S.W.same2": "hr all", "S.W.z4": "z all", "S.W.z5": "own", "S.X.z6": "",
		"S.F.ID": "hr all", "S.F.same": "hr all", "S.F.z": "", "S.F.n": "hr all", "S.F.n2": "own",
		"S.G.ID": "hr z own all", "S.G.same": "hr all", "S.G.z": "z all", "S.G.n": "hr z own all",
		"S.H.n": "hr all", "S.H.z": "",
	} {
		i := strings.LastIndex(path, ".")
		el := m.Entity(path[:i]).Element(path[i+1:])
		var may []string
		for _, roles := range [][]string{{"hr"}, {"z"}, {"own"}, {"hr", "z"}} {
			if d := p.Decide(named("u", roles...), access(t, m, "READ "+path[:i])); d.Guard.Element(el, sqlgen.Root) == nil {
				may = append(may, map[bool]string{true: roles[0], false: "all"}[len(roles) == 1])
			}
		}
		if got := strings.Join(may, " "); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
