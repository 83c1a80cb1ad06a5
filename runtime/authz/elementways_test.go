package authz

import (
	"strings"
	"testing"

	"cds/parser/csn"
	"cds/runtime/sqlgen"
)

// TestElements_forms: other forms of views, each with elements that begin with h for hr, as what they show, and others that are open.
func TestElements_forms(t *testing.T) {
	const model = `
entity d.C { key ID : Integer; y : Integer; hy : Integer; }
entity d.B { key ID : Integer; x : Integer; y : Integer; st { a : Integer; b : Integer; }; @requires: 'hr' hc : Association to d.C; c : Association to d.C; }
entity d.A { key ID : Integer; m : Integer; hole : Integer; b : Association to d.B; @requires: 'hr' hb : Association to d.B; @requires: 'hr' pay : Integer; w : Association to d.W; @requires: 'hr' work { road : Integer; city : Integer; }; home { road : Integer; city : Integer; } }
entity d.W { key ID : Integer; hc : Association to d.C; x : Integer; st { a : Integer; b : Integer; } }
type Way { road : Integer; city : Integer; }
type Pair { a : Integer; b : Integer; }
service S { `
	for _, view := range []string{
		// over restricted associations in FROM
		"select from d.A:hb { key ID as hid, x as hx } union all select from d.A:hb { ID, x }",
		"select from d.B { key ID as hid, x as hx } union all select from d.A:hb { ID, x }",
		"select from (select from d.A:hb { ID, x }) as q { key ID as hid, x as hx }",
		"select from d.A:hb as q join d.C as c2 on c2.ID = q.ID { key q.ID as hid, q.x as hx, c2.y as hy }",
		"select from d.C as c2 join d.A:hb as q on c2.ID = q.ID { key q.ID as hid, q.x as hx, c2.y as hy }",
		"select from d.A:b { key ID, x } union all select from d.A:b { ID, x }",
		// names that are those of others too
		"select from d.A { key ID as k, work as w_h {city as mm}, m as mm }",
		"select from d.A { key ID as k, pay as hole, ID + hole as plus : Integer }",
		"select from d.A { key ID as k, pay as hole, $self.hole + 1 as hplus : Integer }",
		"select from d.A as q { key ID as k, q.pay as hp, @requires: null q.pay as free, q.m as m2 }",
		"select from d.A { key ID as k, b.{c.{y}}, b.{hc.{y as y_h}}, b.c.{hy as y3} }",
		"select from d.A { key ID as k, b.{c.{y as y1}, hc.{y as y_h}}, b.{x as x1} }",
		"select from d.A { key ID as k, b.st as st1, hb.st as hst1 }",
		"select from d.A { key ID as k, b.st as st1 : Pair, hb.st as hst1 : Pair }",
		"select from d.A { key ID as k, work as h1 : Way, home as o1 : Way }",
		// an alias that is the name of an element of another source
		"select from d.A join d.B as w on A.ID = w.ID { key A.ID as k, w.hc.y as hx, w.hc.{ID as hid}, w.c.y as cy }",
		"select from d.A join d.B as w on A.ID = w.ID { key A.ID as k, w.hc.{*} excluding { ID, y } }",
	} {
		m, p, _ := policyOf(t, model+"entity V as "+view+"; entity W as projection on V; }")
		for _, name := range []string{"S.V", "S.W"} {
			for _, user := range []string{"", "hr"} {
				d := p.Decide(named("u", user), access(t, m, "READ "+name))
				for _, el := range m.Entity(name).Flat {
					hidden := el.Name[0] == 'h' || strings.Contains(el.Name, "_h")
					if err := d.Guard.Element(el, sqlgen.Root); (err != nil) != (hidden && user == "") {
						t.Errorf("%s of %s: %s as %q: %v", name, view, el.Name, user, err)
					}
				}
			}
		}
	}
}

// TestElements_both_kinds: what inherits a restriction of any form and is reached over another restricted element is closed; only where both ask for the same roles and
// nothing else it is not. Models that are read from CSN have no places in the source.
func TestElements_both_kinds(t *testing.T) {
	text := `
entity d.B { key ID : Integer; n : Integer; @requires: 'z' z : Integer; @title: 'Same' @requires: 'hr' same : Integer; @requires: 'hr' @title: 'After' after : Integer;
  @restrict: [{ grant: 'READ', to: 'z' }] zr : Integer; @mask: 'x' zm : String; @mask: { value: 'x', unless: 'z' } zu : String; @title: 'Z' @requires: 'z' zt : Integer; @requires: 'hr' @mask: { value: 'x', unless: 'hr' } hm : String; @requires: 'hr' calc : Integer = z + 1; @requires: ['hr', 'z'] two : Integer; }
entity d.A { key ID : Integer; open : Association to d.B; @requires: 'hr' b : Association to d.B; @restrict: [{ grant: 'READ', to: 'hr' }] r : Association to d.B; @requires: 'hr' @restrict: [{ grant: 'READ', to: 'z' }] both : Association to d.B;
  @requires: 'hr' @restrict: [{ grant: 'READ' }, { deny: 'READ', to: 'temp' }] deny : Association to d.B; @requires: ['z', 'hr'] turned : Association to d.B; @requires: 'hr' @restrict: [{ deny: 'READ', to: 'temp' }] denied : Association to d.B; @requires: 'hr' @requires.not: 'x' odd : Association to d.B; @requires: 'z' bonus : Integer; @requires: 'hr' pay : Integer; @requires: 'hr' net : Integer = pay + bonus; }
service S {
  entity A as projection on d.A { ID, net };
  entity V as select from d.A { key ID, b.same as same, b.after as after, b.zr as zr, b.zm as zm, b.zu as zu, b.zt as zt, b.hm as hm, @title: 'T' b.z as zt2, @title: 'T' b.same as same2, @requires: 'own' b.z as own, b.two as two, b.calc as calc,
    r.same as rsame, both.same as bsame, deny.same as dsame, turned.two as ttwo, denied.same as nsame, odd.same as csame,
    open.zr as ozr, open.zm as ozm, open.zu as ozu, open.hm as ohm, open.same as osame, open.two as otwo, open.calc as ocalc };
  entity W as projection on V;
}`
	first, _, _ := policyOf(t, text)
	second, diags := csn.Read(csn.Marshal(first, csn.MarshalOptions{}))
	if second == nil {
		t.Fatal(diags)
	}
	for form, m := range map[string]*csn.Model{"source": first, "CSN": second} {
		p, _ := Compile(m, Options{})
		for path, want := range map[string]string{
			"same": "hr all", "after": "hr all", "same2": "hr all", "zr": "", "zm": "", "zu": "", "zt": "", "zt2": "", "hm": "", "own": "own", "two": "", "rsame": "", "bsame": "", "dsame": "", "ttwo": "", "calc": "hr all",
			"ozr": "z all", "ozm": "", "ozu": "z all", "ohm": "hr all", "nsame": "", "csame": "", "osame": "hr all", "otwo": "hr z all", "ocalc": "hr all",
		} {
			for _, view := range []string{"S.V", "S.W"} {
				if got := whoReads(t, m, p, view, path); got != want {
					t.Errorf("%s: %s.%s: %q, want %q", form, view, path, got, want)
				}
			}
		}
		if got := whoReads(t, m, p, "S.A", "net"); got != "hr all" {
			t.Errorf("%s: a restriction of its own: %q", form, got)
		}
	}
}

// whoReads returns the roles that see an element as it is; all are those of hr and z.
func whoReads(t *testing.T, m *csn.Model, p *Policy, entity, element string) string {
	t.Helper()
	el := m.Entity(entity).Element(element)
	var may []string
	for _, roles := range [][]string{{"hr"}, {"z"}, {"own"}, {"hr", "z"}} {
		if d := p.Decide(named("u", roles...), access(t, m, "READ "+entity)); d.Guard.Element(el, sqlgen.Root) == nil {
			may = append(may, map[bool]string{true: roles[0], false: "all"}[len(roles) == 1])
		}
	}
	return strings.Join(may, " ")
}

// TestElements_prefixed: in models from CSN, columns below a path may be called by the whole path.
func TestElements_prefixed(t *testing.T) {
	m, diags := csn.Read([]byte(`{"definitions": {
		"d.C": {"kind": "entity", "elements": {"ID": {"key": true, "type": "cds.Integer"}, "y": {"type": "cds.Integer"}}},
		"d.A": {"kind": "entity", "elements": {"ID": {"key": true, "type": "cds.Integer"}, "hc": {"type": "cds.Association", "target": "d.C", "keys": [{"ref": ["ID"]}], "@requires": "hr"}, "c": {"type": "cds.Association", "target": "d.A", "keys": [{"ref": ["ID"]}]}}},
		"S": {"kind": "service"},
		"S.V": {"kind": "entity", "query": {"SELECT": {"from": {"ref": ["d.A"]}, "columns": [{"ref": ["ID"]}, {"ref": ["c"], "inline": [{"ref": ["hc"], "inline": [{"ref": ["y"]}]}, {"ref": ["c"], "inline": [{"ref": ["ID"]}]}]}]}},
			"elements": {"ID": {"key": true, "type": "cds.Integer"}, "c_hc_y": {"type": "cds.Integer"}, "c_c_ID": {"type": "cds.Integer"}}}}}`))
	if m == nil {
		t.Fatal(diags)
	}
	p, _ := Compile(m, Options{})
	for element, want := range map[string]string{"ID": "hr z own all", "c_hc_y": "hr all", "c_c_ID": "hr z own all"} {
		if got := whoReads(t, m, p, "S.V", element); got != want {
			t.Errorf("%s: %q, want %q", element, got, want)
		}
	}
}

// TestElements_nested_both: what is restricted within a restricted structure, and reached over a restricted association, is closed in all views of that too.
func TestElements_nested_both(t *testing.T) {
	m, p, _ := policyOf(t, `
entity d.B { key ID : Integer; @requires: 'hr' st { @requires: 'z' x : Integer; y : Integer; } }
entity d.A { key ID : Integer; @requires: 'own' to : Association to d.B; open : Association to d.B; }
service S {
  entity V as select from d.A { key ID, to.st.x as x1, open.st.x as x2, open.st.y as y2 };
  entity W as projection on V;
  entity X as projection on W { ID, x1 as x1, x2 as x2, y2 as y2 };
  entity U as select from V { key ID, x1 + 1 as x1 : Integer, x2 + 1 as x2 : Integer, y2 + 1 as y2 : Integer };
  entity Y as projection on U;
}`)
	for _, view := range []string{"S.V", "S.W", "S.X", "S.U", "S.Y"} {
		for element, want := range map[string]string{"x1": "", "x2": "all", "y2": "hr all"} {
			if got := whoReads(t, m, p, view, element); got != want && (element != "x2" || view != "S.U" && view != "S.Y" || got != "") { // what is computed of it may be closed
				t.Errorf("%s.%s: %q, want %q", view, element, got, want)
			}
		}
	}
}
