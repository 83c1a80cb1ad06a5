package generic_test

import (
	"fmt"
	"strings"
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

// What an Authorizer asks of a root holds for parts of parts, however deep, and is not lifted by another way up or by levels of a hierarchy.
func TestAuthorizersAboveParts(t *testing.T) {
	onlyOpen := &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("state"), R: &cqn.Lit{Value: cqn.String("open")}}
	ask := func(names ...string) cds.AppOptions {
		return cds.AppOptions{Authorizers: []cds.Authorizer{narrow(func(a cds.Access) cds.Narrowing {
			for _, n := range names {
				if a.Target != nil && a.Target.Name == n && !a.Request {
					return cds.Narrowing{Where: onlyOpen}
				}
			}
			return cds.Narrowing{}
		})}}
	}
	both := func(t *testing.T, name, model, data string, o cds.AppOptions, reads map[string]string) {
		for _, pg := range []bool{false, true} {
			t.Run(name+"/"+map[bool]string{false: "sqlite", true: "postgres"}[pg], func(t *testing.T) {
				was := onPostgres
				onPostgres = pg
				defer func() { onPostgres = was }()
				a := newApp(t, model, data, o, nil)
				for path, want := range reads {
					res, _ := a.want(req{event: authz.Read, path: path, user: user("u")}, 200)
					var ids []string
					for _, r := range res.Rows {
						ids = append(ids, r.Value("ID").Format())
					}
					if got := strings.Join(ids, " "); got != want {
						t.Errorf("%s: %s, want %s", path, got, want)
					}
				}
			})
		}
	}

	// Five levels.
	var m, data strings.Builder
	m.WriteString("context d { entity P0 { key ID : Integer; state : String; parts : Composition of many P1 on parts.up = $self; }\n")
	data.WriteString("INSERT INTO d_P0 (ID, state) VALUES (1, 'open'), (2, 'shut');")
	for i := 1; i <= 5; i++ {
		fmt.Fprintf(&m, "entity P%d { key ID : Integer; up : Association to P%d; ", i, i-1)
		if i < 5 {
			fmt.Fprintf(&m, "parts : Composition of many P%d on parts.up = $self; ", i+1)
		}
		m.WriteString("}\n")
		fmt.Fprintf(&data, "INSERT INTO d_P%d (ID, up_ID) VALUES (1, 1), (2, 2);", i)
	}
	m.WriteString("}\n@requires: 'any' service S {\n")
	want := map[string]string{}
	for i := range 6 {
		fmt.Fprintf(&m, "entity P%d as projection on d.P%d;\n", i, i)
		want[fmt.Sprintf("S.P%d", i)] = "1"
	}
	m.WriteString("}")
	both(t, "deep", m.String(), data.String(), ask("S.P0"), want)

	// Two ways up: the part is there by the one that asks nothing, or by an open row of the other.
	two := `
context d {
  entity A { key ID : Integer; state : String; parts : Composition of many P on parts.a = $self; }
  entity B { key ID : Integer; state : String; parts : Composition of many P on parts.b = $self; }
  entity P { key ID : Integer; a : Association to A; b : Association to B; }
}
@requires: 'any' service S { entity A as projection on d.A; entity B as projection on d.B; entity P as projection on d.P; }`
	rows := `INSERT INTO d_A (ID, state) VALUES (1, 'open'), (2, 'shut'); INSERT INTO d_B (ID, state) VALUES (1, 'shut');
INSERT INTO d_P (ID, a_ID, b_ID) VALUES (1, 1, null), (2, 2, null), (3, 2, 1), (4, null, 1);`
	both(t, "two ways", two, rows, ask("S.A"), map[string]string{"S.A": "1", "S.B": "1", "S.P": "1 3 4"})
	both(t, "both ask", two, rows, ask("S.A", "S.B"), map[string]string{"S.A": "1", "S.B": "", "S.P": "1"})

	// Two levels that are both asked for.
	chain := `
context d {
  entity X { key ID : Integer; state : String; ys : Composition of many Y on ys.x = $self; }
  entity Y { key ID : Integer; state : String; x : Association to X; zs : Composition of many Z on zs.y = $self; }
  entity Z { key ID : Integer; y : Association to Y; }
}
@requires: 'any' service S { entity X as projection on d.X; entity Y as projection on d.Y; entity Z as projection on d.Z; }`
	links := `INSERT INTO d_X (ID, state) VALUES (1, 'open'), (2, 'shut'); INSERT INTO d_Y (ID, state, x_ID) VALUES (1, 'open', 1), (2, 'shut', 1), (3, 'open', 2); INSERT INTO d_Z (ID, y_ID) VALUES (1, 1), (2, 2), (3, 3);`
	both(t, "two levels", chain, links, ask("S.X", "S.Y"), map[string]string{"S.X": "1", "S.Y": "1", "S.Z": "1"})
	both(t, "the middle one", chain, links, ask("S.Y"), map[string]string{"S.X": "1 2", "S.Y": "1 3", "S.Z": "1 3"})

	// A hierarchy below a root: its levels follow the root.
	tree := `
context d {
  entity Books { key ID : Integer; state : String; chapters : Composition of many Chapters on chapters.book = $self; }
  entity Chapters { key ID : Integer; book : Association to Books; up : Association to Chapters; parts : Composition of many Chapters on parts.up = $self; }
}
@requires: 'any' service S { entity Books as projection on d.Books; entity Chapters as projection on d.Chapters; }`
	levels := `INSERT INTO d_Books (ID, state) VALUES (1, 'open'), (2, 'shut');
INSERT INTO d_Chapters (ID, book_ID, up_ID) VALUES (1, 1, null), (2, null, 1), (3, null, 2), (11, 2, null), (12, null, 11), (13, null, 12), (14, null, 13), (15, null, 14), (16, null, 15);`
	both(t, "hierarchy", tree, levels, ask("S.Books"), map[string]string{"S.Books": "1", "S.Chapters": "1 2 3"})
	both(t, "free hierarchy", tree, levels, ask(), map[string]string{"S.Books": "1 2", "S.Chapters": "1 2 3 11 12 13 14 15 16"})
}
