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
