package generic_test

import (
	"context"
	"strings"
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/authz"
)

// TestRowRights_ways: the rights on rows, and on what is expanded below them, are those of the user who asks now, also where another one with the same roles has asked
// the same before; parts that must stay keep the whole.
func TestRowRights_ways(t *testing.T) {
	const model = `
context d {
  entity A { key ID : Integer; owner : String; parts : Composition of many P on parts.a = $self; notes : Composition of many { key no : Integer; text : String; }; b : Association to B; }
  entity P { key ID : Integer; n : Integer; a : Association to A; deep : Composition of many Q on deep.p = $self; }
  entity Q { key ID : Integer; n : Integer; p : Association to P; }
  entity B { key ID : Integer; owner : String; }
}
@requires: 'any' service S {
  entity A as projection on d.A actions { action touch(); action every(in : many $self); };
  entity P as projection on d.P; entity Q as projection on d.Q; @readonly entity B as projection on d.B;
  @cds.redirection.target: false entity Sums as select from d.P { key n, count(*) as c : Integer } group by n;
}`
	const data = `INSERT INTO d_B (ID, owner) VALUES (1, 'u'); INSERT INTO d_A (ID, owner, b_ID) VALUES (1, 'u', 1), (2, 'v', 1), (3, 'u', null), (4, 'u', null); INSERT INTO d_P (ID, n, a_ID) VALUES (1, 1, 1), (2, 9, 1), (3, 1, 3), (4, 1, 4);
INSERT INTO d_Q (ID, n, p_ID) VALUES (1, 9, 3), (2, 1, 4); INSERT INTO d_A_notes (up__ID, no, text) VALUES (1, 1, 'x'), (2, 1, 'y');`
	small := &cqn.Binary{Op: cqn.Lt, L: cqn.NewRef("n"), R: &cqn.Lit{Value: cqn.Int(5)}}
	n := narrow(func(a cds.Access) cds.Narrowing {
		if a.Target == nil {
			return cds.Narrowing{}
		}
		switch name := a.Target.LocalName(); {
		case a.Event == authz.Update && name == "A" && !a.Request, a.Event == "touch" && a.Request:
			return cds.Narrowing{Where: &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("owner"), R: &cqn.Lit{Value: cqn.String(a.User.ID)}}}
		case a.Event == authz.Read && name == "A" && len(a.User.ID) > 1: // the second letter is whose rows are shown
			return cds.Narrowing{Where: &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("owner"), R: &cqn.Lit{Value: cqn.String(a.User.ID[1:])}}}
		case a.Event == authz.Delete && (name == "P" || name == "Q"):
			return cds.Narrowing{Where: small}
		case a.Event == authz.Update && name == "Q":
			return cds.Narrowing{Deny: true}
		}
		return cds.Narrowing{}
	})
	a := newApp(t, model, data, cds.AppOptions{Authorizers: []cds.Authorizer{n}}, nil)
	s := a.Service("S")
	col := func(name string) cqn.Column { return cqn.Column{X: cqn.NewRef(name)} }
	below := func(name string, key string, more ...cqn.Column) cqn.Column {
		return cqn.Column{X: cqn.NewRef(name), Expand: &cqn.Select{Columns: append([]cqn.Column{col(key), cds.RightsColumn(name)}, more...), OrderBy: []cqn.Order{{X: cqn.NewRef(key)}}}}
	}
	said := func(row *cds.Row) string {
		may := row.Value(cds.RowRights).Row()
		if may == nil {
			return "?"
		}
		out := ""
		for _, f := range may.Fields() {
			if f.Value.Kind() == cqn.KindBool {
				out += map[bool]string{true: f.Name[:1], false: "-"}[f.Value.Bool()]
				continue
			}
			for _, op := range f.Value.Row().Fields() {
				out += map[bool]string{true: " " + op.Name, false: " -"}[op.Value.Bool()]
			}
		}
		return out
	}
	ask := func(u *auth.User) string {
		t.Helper()
		q := &cqn.Select{From: &cqn.From{Path: cqn.NewRef("S.A")}, OrderBy: []cqn.Order{{X: cqn.NewRef("ID")}},
			Columns: []cqn.Column{col("ID"), cds.RightsColumn(), below("notes", "no"), below("parts", "ID"), below("b", "ID")}}
		res, err := s.Dispatch(a.as(u), &cds.RawRequest{Event: authz.Read, Target: s.Model.Entity("A"), Query: q, May: true, User: u})
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, row := range res.Rows {
			text := row.Value("ID").Format() + " " + said(row)
			for _, name := range []string{"notes", "parts"} {
				for _, x := range row.Value(name).Rows() {
					text += ", " + name + " " + said(x)
				}
			}
			if b := row.Value("b").Row(); b != nil {
				text += ", b " + said(b)
			}
			out = append(out, text)
		}
		return strings.Join(out, "; ")
	}
	// the first has a part that must stay, the third a part of a part
	const ofU = "1 u- touch, notes ud, parts ud, parts u-, b --; 2 -d -, notes --, b --; 3 u- touch, parts u-; 4 ud touch, parts ud"
	const ofV = "1 -- -, notes --, parts --, parts --, b --; 2 ud touch, notes ud, b --; 3 -- -, parts --; 4 -d -, parts --"
	for range 2 {
		if got := ask(user("u")); got != ofU {
			t.Errorf("u:\n%s, want\n%s", got, ofU)
		}
		if got := ask(user("v")); got != ofV {
			t.Errorf("v:\n%s, want\n%s", got, ofV)
		}
	}
	for range 2 { // what Authorizers ask of the rows themselves is asked anew, too
		for who, want := range map[string]string{"xu": "1 3 4", "xv": "2", "xw": ""} {
			got := ask(user(who))
			var keys []string
			for _, x := range strings.Split(got, "; ") {
				key, _, _ := strings.Cut(x, " ")
				keys = append(keys, key)
			}
			if strings.Join(keys, " ") != want {
				t.Errorf("%s sees %s, want %s", who, got, want)
			}
		}
	}
	if err := cds.Privileged(a.as(user("v")), "test", func(ctx context.Context) error {
		may, err := s.May(ctx, "A", row("ID", 1))
		if err == nil && (!may.Update || !may.Delete || !may.Actions["touch"] || len(may.Actions) != 1) {
			t.Errorf("elevated: %+v", may)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	may, err := s.May(a.as(user("u")), "Sums", row("n", 1))
	if err != nil || may.Update || may.Delete || len(may.Actions) > 0 {
		t.Errorf("rows that are no rows of a table: %+v, %v", may, err)
	}
}
