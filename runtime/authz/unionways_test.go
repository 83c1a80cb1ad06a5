package authz

import (
	"testing"

	"cds/parser/csn"
	"cds/runtime/sqlgen"
)

// TestElements_unions: in a union places count, not names: what stands in the place of a restricted column is restricted as that, in whatever way the part
// says its columns. Where it is not clear what stands where, everything is restricted. Elements that begin with h are for hr.
func TestElements_unions(t *testing.T) {
	const model = `
entity d.B { key ID : Integer; x : Integer; y { a : Integer; b : Integer; }; }
entity d.Two { key k1 : Integer; key k2 : Integer; }
entity d.W { key ID : Integer; b : Association to d.B; virtual v : Integer; st { a : Integer; b : Integer; }; @requires: 'hr' hx : Integer; two : Association to d.Two; y : Integer; }
entity d.M { key ID : Integer; virtual v : Integer; b : Association to d.B; st { a : Integer; b : Integer; }; n : Integer; two : Association to d.Two; hid : Integer; }
entity d.M2 { key ID : Integer; virtual v : Integer; b : Association to d.B; st { a : Integer; b : Integer; }; n : Integer; two : Association to d.Two; @requires: 'hr' secret : Integer; }
entity d.H { key ID : Integer; virtual v : Integer; b : Association to d.B; st { a : Integer; b : Integer; }; n : Integer; two : Association to d.Two; }
entity d.V3 { key ID : Integer; @requires: 'hr' hx : Integer; b : Association to d.B; }
entity d.V4 { key ID : Integer; @requires: 'hr' hx : Integer; virtual v : Integer; two : Association to d.Two; }
entity d.Small { key ID : Integer; n : Integer; @requires: 'hr' hx : Integer; }
entity d.R { key ID : Integer; n : Integer; p : Integer; small : Association to d.Small; }
entity d.N { key ID : Integer; n : Integer; }
service S { `
	// the columns of d.W are ID, b_ID, st_a, st_b, hx, two_k1, two_k2, y
	for _, view := range []string{
		"select from d.M { key ID, v, b, st, n as hh, two, n as yy } union all select from d.W",
		"select from d.M { key ID, v, b, st, n as hh, two, n as yy } union all select from d.W { * }",
		"select from d.M { key ID, v, b, n as hh, two, n as yy } union all select from d.W { * } excluding { st }",
		"select from d.M { key ID, v, st, n as hh, two, n as yy } union all select from d.W { * } excluding { b }",
		"select from d.M { key ID, b, st, n as hh, n as yy } union all select from d.W { * } excluding { two, v }",
		"select from d.M { n as yy, key ID, v, b, st, n as hh, two } union all select from d.W { y, * }",
		"select from d.M { n as hh, key ID, v, b, st, two, n as yy } union all select from d.W { hx, * }",
		"select from d.M { n as a, key ID, v, b, st, n as hh, two, n as yy } union all select from d.W { y + 1 as first : Integer, * }",
		"select from d.M { * } union all select from d.M2 { * }",
		"select from d.M { key ID, b, st, n as hh, v, two, n as yy } union all select from d.W",
		"select from d.M { key ID, b as hb, n as m } union all select from d.V3",
		"select from d.M { key ID, v, n as hn, two } union all select from d.V4",
		"select from d.N { key ID, n as a, n as hh } union all select from d.W { ID, y + 1 as p : Integer, hx + 1 as q : Integer }",
		"select from d.N { key ID, n as a, n as hh, n as b } union all (select from d.N { ID, n, n as k, n as l } union all select from d.W { ID, y, hx, y as z })",
		// structures, associations with several columns, paths, joins: everything may stand everywhere
		"select from d.H { st as h1, key ID as h2, v as h3, b as h4, st as h5, n as h6, two as h7, n as h8 } union all select from d.W { st as s2, * }",
		"select from d.H { two as h1, key ID as h2, v as h3, b as h4, st as h5, n as h6, two as h7, n as h8 } union all select from d.W { two as t2, * }",
		"select from d.H { st as h1, key ID as h2, v as h3, b as h4, st as h5, n as h6, two as h7 } union all select from d.W { b.y, * } excluding { y }",
		"select from d.H { n as h1, n as h2, n as h3, key ID as h4 } union all select from d.W { st.{a, b}, hx, ID }",
		"select from d.H { st as h1, n as h2, key ID as h3 } union all select from d.W { st {a, b}, hx, ID }",
		"select from d.H { n as h1, n as h2, n as h3, key ID as h4, n as h5 } union all select from d.W { st.{a, b}, * } excluding { st, b, v, two }",
		"select from d.H { st as h1, n as h2, n as h3, key ID as h4 } union all select from d.W { st {a, b}, * } excluding { b, v, two, st }",
		"select from d.H { key ID as h1, n as h2 } union all select from d.Small as w join d.N as m on m.ID = w.ID { * } excluding { ID }",
		"select from d.H { key ID as h1, n as h2, n as h3 } union all select from d.R:small { * }",
		"select from d.H { key ID as h1, n as h2, n as h3 } union all select from (select from d.W { ID, y, hx }) as q { * }",
	} {
		m, p, _ := policyOf(t, model+"entity V as "+view+"; entity U as projection on V; }")
		unionShows(t, m, p, view, "S.V", "S.U")
	}
}

func unionShows(t *testing.T, m *csn.Model, p *Policy, what string, entities ...string) {
	t.Helper()
	for _, name := range entities {
		for _, user := range []string{"", "hr"} {
			d := p.Decide(named("u", user), access(t, m, "READ "+name))
			for _, el := range m.Entity(name).Flat {
				if err := d.Guard.Element(el, sqlgen.Root); (err != nil) != (el.Name[0] == 'h' && user == "") {
					t.Errorf("%s of %s: %s as %q: %v", name, what, el.Name, user, err)
				}
			}
		}
	}
}
