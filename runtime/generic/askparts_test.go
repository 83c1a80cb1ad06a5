package generic_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/authz"
	"cds/runtime/db"
)

// answers is an Authorizer that answers by the event and entity, as "READ A", for the rows and, behind "!", for the request itself.
func answers(by map[string]cds.Narrowing) cds.AppOptions {
	return cds.AppOptions{Authorizers: []cds.Authorizer{narrow(func(a cds.Access) cds.Narrowing {
		name := string(a.Event)
		if a.Target != nil {
			name += " " + a.Target.LocalName()
		}
		if a.Request {
			name = "!" + name
		}
		return by[name]
	})}}
}

// is is the condition that an element has a text for a value.
func is(name, value string) cqn.Expr {
	return &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef(name), R: &cqn.Lit{Value: cqn.String(value)}}
}

// TestAuthorizersParts_carried: what is asked of a whole in the service's form of it is asked of the parts, where the table's rows can be asked so too; where they
// cannot, the parts are refused, or hidden if another whole may have them.
func TestAuthorizersParts_carried(t *testing.T) {
	const tables = `context d {
  entity X { key ID : Integer; state : String; ys : Composition of many Y on ys.x = $self; }
  entity Z { key ID : Integer; ys : Composition of many Y on ys.z = $self; }
  entity Y { key ID : Integer; x : Association to X; z : Association to Z; }
}
`
	const data = `INSERT INTO d_X (ID, state) VALUES (1, 'open'), (2, 'shut'); INSERT INTO d_Z (ID) VALUES (1); INSERT INTO d_Y (ID, x_ID, z_ID) VALUES (1, 1, null), (2, 2, null), (3, null, 1);`
	for _, c := range []struct{ service, asked, want string }{
		{"entity X as projection on d.X { ID, state }; @cds.redirection.target: false entity Y as projection on d.Y { ID, x };", "state", "1"},
		{"entity X as projection on d.X { ID, state as st }; entity Y as projection on d.Y;", "st", "403"},
		{"entity X as projection on d.X { ID, state as st }; entity Y as projection on d.Y;", "", "1 2 3"},
		{"entity X as projection on d.X { ID, state as st }; entity Z as projection on d.Z { ID }; entity Y as projection on d.Y;", "st", "3"},
		{"entity X as projection on d.X { ID, state }; entity Z as projection on d.Z { ID }; entity Y as projection on d.Y;", "state", "1 3"},
	} {
		model := tables + "@requires: 'any' service S { " + c.service + " }"
		by := map[string]cds.Narrowing{}
		if c.asked != "" {
			by["READ X"] = cds.Narrowing{Where: is(c.asked, "open")}
		}
		if !strings.Contains(c.service, "entity Z") && c.want != "1 2 3" {
			model = strings.Replace(model, "  entity Z { key ID : Integer; ys : Composition of many Y on ys.z = $self; }", "  entity Z { key ID : Integer; }", 1)
		}
		a := newApp(t, model, data, answers(by), nil)
		res, err := a.do(req{event: authz.Read, path: "S.Y", user: user("u")})
		got := fmt.Sprint(status(err))
		if err == nil {
			got = ids(res.Rows)
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s (%v)", c.service, got, c.want, err)
		}
	}
}

// TestAuthorizersParts_ways: one entity above a part on several ways is no hierarchy, and who is refused a whole reads none of its parts, however deep.
func TestAuthorizersParts_ways(t *testing.T) {
	const ways = 4
	m, s, data := "entity R { key ID : Integer; state : String; ms : Composition of many M on ms.r = $self; }\nentity P { key ID : Integer; ", "entity R as projection on d.R; entity M as projection on d.M; entity P as projection on d.P; ", "INSERT INTO d_R (ID, state) VALUES (1, 'open'), (2, 'shut'); INSERT INTO d_M (ID, r_ID) VALUES (1, 1), (2, 2);"
	whole := "entity M { key ID : Integer; r : Association to R; "
	for i := range ways {
		m += fmt.Sprintf("a%d : Association to A%d; ", i, i)
		whole += fmt.Sprintf("a%ds : Composition of many A%d on a%ds.m = $self; ", i, i, i)
		s += fmt.Sprintf("entity A%d as projection on d.A%d; ", i, i)
		data += fmt.Sprintf("INSERT INTO d_A%d (ID, m_ID) VALUES (1, 1), (2, 2); INSERT INTO d_P (ID, a%d_ID) VALUES (%d, 1), (%d, 2);", i, i, i, 10+i)
	}
	m += "}\n" + whole + "}\n"
	for i := range ways {
		m += fmt.Sprintf("entity A%d { key ID : Integer; m : Association to M; ps : Composition of many P on ps.a%d = $self; }\n", i, i)
	}
	a := newApp(t, "context d {\n"+m+"}\n@requires: 'any' service S { "+s+"}", data, answers(map[string]cds.Narrowing{"READ R": {Where: is("state", "open")}}), nil)
	if res, _ := a.want(req{event: authz.Read, path: "S.P", user: user("u")}, 200); ids(res.Rows) != "0 1 2 3" {
		t.Errorf("parts on several ways: %s", ids(res.Rows))
	}

	const tree = `context d {
  entity Books { key ID : Integer; chapters : Composition of many Chapters on chapters.book = $self; }
  entity Chapters { key ID : Integer; book : Association to Books; up : Association to Chapters; parts : Composition of many Chapters on parts.up = $self; }
}
@requires: 'any' service S { entity Books as projection on d.Books; entity Chapters as projection on d.Chapters actions { action touch(); }; }`
	const chapters = `INSERT INTO d_Books (ID) VALUES (1); INSERT INTO d_Chapters (ID, book_ID, up_ID) VALUES (1, 1, null), (2, null, 1), (3, null, 2), (4, null, 3), (5, null, 4), (6, null, 5);`
	a = newApp(t, tree, chapters, answers(map[string]cds.Narrowing{"READ Books": {Deny: true}}), nil)
	a.want(req{event: authz.Read, path: "S.Chapters", user: user("u")}, 403)

	// An operation on a row changes what the row is a part of: nobody is asked about the operation on other rows.
	var asked []string
	a = newApp(t, tree, chapters, cds.AppOptions{Authorizers: []cds.Authorizer{narrow(func(x cds.Access) cds.Narrowing {
		if x.Target != nil && !x.Request {
			asked = append(asked, string(x.Event)+" "+x.Target.LocalName())
		}
		return cds.Narrowing{}
	})}}, nil)
	if may, err := a.Service("S").May(a.as(user("u")), "Chapters", row("ID", 2)); err != nil || !may.Actions["touch"] {
		t.Errorf("%+v, %v", may, err)
	}
	if !slices.Contains(asked, "UPDATE Chapters") || !slices.Contains(asked, "UPDATE Books") || slices.Contains(asked, "touch Chapters") || slices.Contains(asked, "touch Books") {
		t.Errorf("asked: %v", asked)
	}
}

// TestAuthorizersNew: who is refused new rows makes none, by whatever request.
func TestAuthorizersNew(t *testing.T) {
	u := user("u")
	for _, c := range []struct {
		by   map[string]cds.Narrowing
		want string // of CREATE, of an UPDATE that creates, and of UPSERTs of a new row and of rows that are there
	}{
		{nil, "200 200 200 200 200"},
		{map[string]cds.Narrowing{"CREATE A": {Deny: true}}, "403 403 403 200 200"},
		{map[string]cds.Narrowing{"!CREATE A": {Deny: true}}, "403 403 403 200 200"},
		{map[string]cds.Narrowing{"!UPSERT A": {Deny: true}}, "200 200 403 403 403"},
		{map[string]cds.Narrowing{"!UPDATE A": {Where: eq("ID", 1)}}, "200 200 200 200 403"},
		{map[string]cds.Narrowing{"!UPSERT A": {Where: eq("ID", 1)}}, "200 200 403 200 403"},
		{map[string]cds.Narrowing{"!UPSERT A": {Where: eq("owner", 0)}}, "200 200 403 403 403"},
	} {
		a := newApp(t, askedModel, askedData, answers(c.by), nil)
		var got []string
		note := func(err error) { got = append(got, fmt.Sprint(max(200, status(err)))) }
		_, err := a.do(req{event: authz.Create, path: "S.A", user: u, data: row("ID", 11, "n", 1)})
		note(err)
		_, err = a.do(req{event: authz.Update, path: "S.A(12)", user: u, data: row("n", 1), upsert: true})
		note(err)
		for _, id := range []int{13, 1, 2} {
			_, err = a.Service("S").Run(a.as(u), &cqn.Upsert{Into: "S.A", Rows: []*cds.Row{row("ID", id, "n", 1)}})
			note(err)
		}
		if have := strings.Join(got, " "); have != c.want {
			t.Errorf("%v: %s, want %s", c.by, have, c.want)
		}
	}
}

// TestAuthorizersElsewhere: an Authorizer opens nothing that the model closes to what a query leads to, and what is said of a request is asked of no other use of the
// same rows.
func TestAuthorizersElsewhere(t *testing.T) {
	const model = `context d { entity A { key ID : Integer; n : Integer; hs : Association to many H on hs.a = $self; } entity H { key ID : Integer; n : Integer; a : Association to A; } }
@requires: 'any' service S { entity A as projection on d.A; @restrict: [{ grant: '*', to: 'hr' }] entity H as projection on d.H; }`
	const data = `INSERT INTO d_A (ID, n) VALUES (1, 1), (2, 2); INSERT INTO d_H (ID, n, a_ID) VALUES (1, 1, 1), (2, 2, 1);`
	with := func(s *cqn.Select) { s.Where = &cqn.Exists{Path: cqn.NewRef("hs"), Pred: eq("n", 1)} }
	for _, by := range []map[string]cds.Narrowing{nil, {"READ H": {Where: eq("n", 1)}}, {"READ A": {Where: eq("n", 1)}}} {
		a := newApp(t, model, data, answers(by), nil)
		for range 2 {
			a.want(req{event: authz.Read, path: "S.A", user: user("u"), query: with}, 403)
			if res, _ := a.want(req{event: authz.Read, path: "S.A", user: user("h", "hr"), query: with}, 200); ids(res.Rows) != "1" {
				t.Errorf("%v: %s", by, ids(res.Rows))
			}
		}
	}

	// What a search may not look at, it leaves out.
	a := newApp(t, `context d { entity A { key ID : Integer; name : String; b : Association to B; } entity B { key ID : Integer; title : String; } }
@requires: 'any' service S { @cds.search: { name, b } entity A as projection on d.A; @restrict: [{ grant: '*', to: 'hr' }] entity B as projection on d.B; }`,
		`INSERT INTO d_A (ID, name, b_ID) VALUES (1, 'word', 2), (2, 'none', 1); INSERT INTO d_B (ID, title) VALUES (1, 'word'), (2, 'none');`, answers(nil), nil)
	for role, want := range map[string]string{"": "1", "hr": "1 2"} {
		res, _ := a.want(req{event: authz.Read, path: "S.A", user: user("u", role), query: func(s *cqn.Select) { s.Search = []string{"word"} }}, 200)
		if ids(res.Rows) != want {
			t.Errorf("the search of %q finds %s, want %s", role, ids(res.Rows), want)
		}
	}

	for _, event := range []cds.Event{authz.Read, authz.Delete, authz.Upsert} {
		var rows *cds.Result
		a := newApp(t, askedModel, askedData, answers(map[string]cds.Narrowing{"!" + string(event) + " A": {Where: eq("n", 1)}}), func(core *cds.App) {
			core.Service("S").On(cds.Match{Events: []cds.Event{event}, Entities: []string{"A"}}, func(ctx context.Context, r *cds.RawRequest, next cds.Next) (*cds.Result, error) {
				var err error
				if event == authz.Upsert {
					if rows, err = r.Execute(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef("S.A")}, OrderBy: []cqn.Order{{X: cqn.NewRef("ID")}}}); err != nil {
						return nil, err
					}
					if _, err := r.Execute(ctx, &cqn.Insert{Into: "S.A", Rows: []*cds.Row{row("ID", 21, "n", 5)}}); status(err) != 403 {
						t.Errorf("an UPSERT writes what it is refused: %v", err)
					}
				}
				if _, err = r.Execute(ctx, &cqn.Update{Entity: cqn.NewRef("S.A"), Data: row("owner", "x")}); err != nil {
					return nil, err
				}
				return next(ctx, r)
			})
		})
		u := user("u", "hr")
		want := "1,x;2,x;3,u" // the third is denied by the model
		switch event {
		case authz.Read:
			a.want(req{event: authz.Read, path: "S.A", user: u}, 200)
		case authz.Delete:
			a.want(req{event: authz.Delete, path: "S.A(1)", user: u}, 200)
			want = "2,x;3,u"
		default:
			if _, err := a.Service("S").Run(a.as(u), &cqn.Upsert{Into: "S.A", Rows: []*cds.Row{row("ID", 1, "n", 1)}}); err != nil {
				t.Error(err)
			}
			if rows == nil || ids(rows.Rows) != "1 2 3" {
				t.Errorf("what an UPSERT reads: %v", rows)
			}
			want = "1,x;2,v;3,u"
		}
		if got := a.sql("d.A", "ID", "owner"); got != want {
			t.Errorf("%s: left %s, want %s", event, got, want)
		}
	}
}

// TestAuthorizersDrafts: the steps of drafts are asked about as what becomes of them.
func TestAuthorizersDrafts(t *testing.T) {
	const id = "00000000-0000-4000-8000-000000000001"
	var asked []string
	n := narrow(func(x cds.Access) cds.Narrowing {
		if x.Request && x.Target != nil {
			asked = append(asked, string(x.Event))
		}
		return cds.Narrowing{Deny: x.Request && x.User.ID == "no" && x.Event != authz.Read}
	})
	a := newApp(t, "@requires: 'any' service S { @odata.draft.enabled entity E { key ID : UUID; n : Integer; } }", "INSERT INTO S_E (ID, n) VALUES ('"+id+"', 1);", cds.AppOptions{Authorizers: []cds.Authorizer{n}}, nil)
	for _, c := range []struct {
		do   req
		want string
	}{
		{req{event: cds.NewDraft, path: "S.E.drafts", data: row("n", 2)}, "CREATE"},
		{req{path: "S.E(" + id + ")/draftEdit", data: row()}, "UPDATE"},
		{req{event: cds.PatchDraft, path: "S.E.drafts(" + id + ")", data: row("n", 3)}, "UPDATE"},
		{req{path: "S.E.drafts(" + id + ")/draftPrepare", data: row()}, "UPDATE"},
		{req{event: cds.DiscardDraft, path: "S.E.drafts(" + id + ")"}, "DELETE"},
	} {
		c.do.user, asked = user("no"), nil
		a.want(c.do, 403)
		c.do.user = user("u")
		if _, err := a.do(c.do); status(err) == 403 {
			t.Errorf("%s %s: %v", c.do.event, c.do.path, err)
		}
		for _, e := range asked {
			if e != c.want && e != "READ" && (e != "CREATE" && e != "UPDATE" || c.want == "DELETE") {
				t.Errorf("%s %s: asked for %v, want %s", c.do.event, c.do.path, asked, c.want)
			}
		}
		if !slices.Contains(asked, c.want) {
			t.Errorf("%s %s: asked for %v, want %s", c.do.event, c.do.path, asked, c.want)
		}
	}
}

// An account is an Auditor that keeps events.
type account struct{ kept []cds.AuditEvent }

func (*account) Watch(*csn.Entity) *cds.Watch                         { return nil }
func (*account) Store(context.Context, db.Tx, []cds.AuditEvent) error { return nil }
func (a *account) Offer(_ context.Context, e cds.AuditEvent)          { a.kept = append(a.kept, e) }
func (a *account) Keep(_ context.Context, events []cds.AuditEvent) error {
	a.kept = append(a.kept, events...)
	return nil
}

// TestAdmit_account: account is kept of what a door refuses before there is a request.
func TestAdmit_account(t *testing.T) {
	z := &account{}
	a := newApp(t, "service S { @requires: 'boss' entity E { key ID : Integer; } }", "", cds.AppOptions{}, func(core *cds.App) { core.Audit(z) })
	s := a.Service("S")
	path := []*csn.Entity{s.Model.Entity("E")}
	for _, u := range []*auth.User{user("b", "boss"), user("u")} {
		_ = s.Admit(t.Context(), u, authz.Delete, path, nil, nil)
	}
	if len(z.kept) != 1 || z.kept[0].Kind != cds.AuditDenied || z.kept[0].User.ID != "u" || z.kept[0].Event != authz.Delete || z.kept[0].Target != "S.E" || z.kept[0].Status != 403 {
		t.Errorf("kept: %+v", z.kept)
	}
}

// TestMayWrite_undecided: a request that nothing has decided writes nothing.
func TestMayWrite_undecided(t *testing.T) {
	a := newApp(t, askedModel, "", cds.AppOptions{}, nil)
	el := a.Service("S").Model.Entity("A").Element("n")
	r := &cds.RawRequest{}
	for range 2 {
		if err := r.MayWrite(el); status(err) != 403 {
			t.Errorf("%v", err)
		}
		r.Error(400, "", "", "")
	}
}

// TestRowRights_shared: two users for whom the rights on rows have the same form share nothing where Authorizers tell them apart by what may be read.
func TestRowRights_shared(t *testing.T) {
	n := narrow(func(x cds.Access) cds.Narrowing {
		if x.Target == nil || x.Event != authz.Read || x.Request {
			return cds.Narrowing{}
		}
		switch x.Target.LocalName() {
		case "A":
			return cds.Narrowing{Where: is("owner", x.User.ID)}
		case "K":
			return cds.Narrowing{Deny: x.User.ID == "v", Where: eq("n", 1)}
		}
		return cds.Narrowing{}
	})
	a := newApp(t, askedModel, askedData, cds.AppOptions{Authorizers: []cds.Authorizer{n}}, nil)
	s := a.Service("S")
	ask := func(u *auth.User, more ...cqn.Column) (*cds.Result, error) {
		q := &cqn.Select{From: &cqn.From{Path: cqn.NewRef("S.A")}, OrderBy: []cqn.Order{{X: cqn.NewRef("ID")}}, Columns: append([]cqn.Column{{X: cqn.NewRef("ID")}, cds.RightsColumn()}, more...)}
		return s.Dispatch(a.as(u), &cds.RawRequest{Event: authz.Read, Target: s.Model.Entity("A"), Query: q, May: true, User: u})
	}
	for range 2 {
		for who, want := range map[string]string{"u": "1 3", "v": "2", "w": ""} {
			res, err := ask(user(who))
			if err != nil || ids(res.Rows) != want {
				t.Errorf("%s reads %v, want %s: %v", who, res, want, err)
			}
		}
	}
	kids := cqn.Column{X: cqn.NewRef("kids"), Expand: &cqn.Select{Columns: []cqn.Column{{X: cqn.NewRef("ID")}, cds.RightsColumn("kids")}}}
	for range 2 {
		if res, err := ask(user("u"), kids); err != nil || ids(res.Rows) != "1 3" || ids(res.Rows[0].Value("kids").Rows()) != "1" {
			t.Errorf("u expands: %v, %v", res, err)
		}
		if res, err := ask(user("v"), kids); status(err) != 403 {
			t.Errorf("v is refused what is expanded, and reads %v: %v", res, err)
		}
	}
}
