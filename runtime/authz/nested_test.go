package authz

import (
	"slices"
	"strings"
	"testing"

	"cds/runtime/auth"
	"cds/runtime/sqlgen"
)

// TestElements_nested: what is in a restricted structure and has a restriction of its own is for those whom both let through, in views too; what is in a restricted
// structure of a structure shares its restriction.
func TestElements_nested(t *testing.T) {
	m, p, _ := policyOf(t, `
type d.T { a : Integer; @requires: 'r2' b : Integer; }
entity d.A { key ID : Integer;
  @requires: 'r1' st { a : Integer; @requires: 'r2' b : Integer; @requires: 'r3' inn { c : Integer; d : Integer; @requires: 'r2' e : Integer; @mask: { unless: 'r2' } m : Integer; }; };
  open { a : Integer; @requires: 'r3' inn { c : Integer; d : Integer; @requires: 'any' anyone : Integer; @requires: null none : Integer; }; @requires: 'r2' l : Association to d.A; };
  @requires: 'r1' t : d.T; @requires: 'r1' same { @requires: 'r1' a : Integer; b : Integer; };
  late { inn { a : Integer; }; };
  @requires: 'r1' far { mid { @requires: 'r2' x : Integer; @title: 'y' y : Integer; }; };
  sum : Integer = open.inn.c + open.inn.d; }
annotate d.A with { late { inn @requires: 'r3' { a @requires: 'r1' } } };
service S {
  entity V as projection on d.A { ID, st as s2, st.inn as i, st.inn.e as e2, st.{b as b2, inn as i2}, t.{*}, open.inn.c + open.inn.d as plus : Integer };
  entity W as projection on V { ID, i as j, i.e as e3, s2.inn.{e as e4} };
  entity X as projection on W;
}`)
	for path, want := range map[string]string{
		"d.A.st_a": "1", "d.A.st_b": "12", "d.A.st_inn_c": "13", "d.A.st_inn_d": "13", "d.A.st_inn_e": "123", "d.A.st_inn_m": "123", "d.A.open_a": "", "d.A.open_inn_c": "3", "d.A.open_inn_anyone": "3",
		"d.A.open_inn_none": "3", "d.A.open_l_ID": "2", "d.A.t_a": "1", "d.A.t_b": "12", "d.A.same_a": "1", "d.A.same_b": "1", "d.A.late_inn_a": "13", "d.A.sum": "3", "d.A.far_mid_x": "12", "d.A.far_mid_y": "1",
		"S.V.s2_a": "1", "S.V.s2_b": "12", "S.V.s2_inn_c": "13", "S.V.s2_inn_e": "123", "S.V.i_e": "123", "S.V.e2": "123", "S.V.b2": "12", "S.V.i2_e": "123", "S.V.b": "12", "S.V.plus": "3",
		"S.W.j_e": "123", "S.W.e3": "123", "S.W.e4": "123", "S.X.j_e": "123", "S.X.e3": "123", "S.X.e4": "123",
	} {
		i := strings.LastIndex(path, ".")
		e := m.Entity(path[:i])
		el := e.Element(path[i+1:])
		if el == nil {
			t.Fatalf("%s: %v", path, m.Entity(path[:i]).Flat)
		}
		for n := range 8 {
			var has []string
			enough := true
			for k, r := range []string{"1", "2", "3"} {
				if n>>k&1 == 1 {
					has = append(has, "r"+r)
				} else if strings.Contains(want, r) {
					enough = false
				}
			}
			g := &Guard{state: &guard{p: p.state, s: p.state.roles.subject(named("u", has...), false, nil), access: Access{Event: Read}}}
			if err := g.Element(el, sqlgen.Root); (err == nil) != enough {
				t.Errorf("%s as %v: %v, want %q", path, has, err, want)
			}
		}
	}
	if got := p.ElementRoles(m.Entity("d.A").Element("st_inn_e")); !slices.Equal(got, []string{"r1", "r2", "r3"}) {
		t.Errorf("roles: %v", got)
	}
	tr := p.Trace(auth.Anonymous, access(t, m, "READ S.V"), m.Entity("S.V").Element("s2_inn_e"))
	var on []string
	for _, s := range tr.Steps {
		if s.What == "element" {
			on = append(on, s.On)
		}
	}
	if got := strings.Join(on, " "); got != "S.V.s2 S.V.s2_inn d.A.st_inn S.V.s2_inn_e" {
		t.Errorf("trace: %s", got)
	}
}

// TestElements_nestedPath: a path to what is in a restricted structure takes only its own annotation along; the structure's, under another word, holds all the same.
func TestElements_nestedPath(t *testing.T) {
	m, p, _ := policyOf(t, `
entity d.B { key ID : Integer; @restrict: [{ grant: 'READ', to: 'r1' }] st { a : Integer; @requires: 'r2' b : Integer; };
  out { @restrict: [{ grant: 'READ', to: 'r1' }] inn { @requires: 'r2' b : Integer; }; }; }
entity d.A { key ID : Integer; b : Association to d.B; }
service S { entity V as select from d.A as p left join d.A as q on p.ID = q.ID { key p.ID, q.b.st.b as c, q.b.st.a as a, q.b.out.inn.b as i }; entity W as projection on V { ID, c as d }; }`)
	for _, on := range []string{"S.V.c", "S.W.d", "S.V.a", "S.V.i"} {
		i := strings.LastIndex(on, ".")
		for _, has := range [][]string{nil, {"r1"}, {"r2"}, {"r1", "r2"}} {
			d := p.Decide(named("u", has...), access(t, m, "READ "+on[:i]))
			want := len(has) == 2 || on == "S.V.a" && slices.Contains(has, "r1")
			if err := d.Guard.Element(m.Entity(on[:i]).Element(on[i+1:]), sqlgen.Root); (err == nil) != want {
				t.Errorf("%s as %v: %v", on, has, err)
			}
		}
	}
}

// TestElements_twice: what two * show by the same name is as restricted as both.
func TestElements_twice(t *testing.T) {
	m, p, _ := policyOf(t, `
entity d.B { key ID : Integer; x : Integer; y : Integer; }
entity d.A { key ID : Integer; @requires: 'r1' x : Integer; y : Integer; b : Association to many d.B on b.ID = ID; }
service S { entity V as select from d.A { *, y + 1 as c0 : Integer, b.{ * } excluding { ID } }; }`)
	d := p.Decide(named("u"), access(t, m, "READ S.V"))
	for _, el := range m.Entity("S.V").Flat {
		if err := d.Guard.Element(el, sqlgen.Root); (err != nil) != (el.Name == "x") {
			t.Errorf("%s: %v", el.Name, err)
		}
	}
}

// TestElements_titled: what a view says of an element beside its restriction changes nothing of what it is reached over.
func TestElements_titled(t *testing.T) {
	m, p, _ := policyOf(t, `
entity d.B { key ID : Integer; @requires: 'r1' @title: 't' x : Integer; }
entity d.A { key ID : Integer; @requires: 'r2' b : Association to d.B; }
service S { entity V as select from d.A { ID, b.x as x, @title: 'z' b.x as y }; }`)
	for _, name := range []string{"x", "y"} {
		for _, has := range [][]string{nil, {"r1"}, {"r2"}, {"r1", "r2"}} {
			d := p.Decide(named("u", has...), access(t, m, "READ S.V"))
			if d.Guard.Element(m.Entity("S.V").Element(name), sqlgen.Root) == nil {
				t.Errorf("%s is open to %v", name, has)
			}
		}
	}
}
