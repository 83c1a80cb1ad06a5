package generic_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/authz"
)

// TestAuthorizersTogether: several Authorizers, what they say of the request and of rows, and the model's own rules all hold.
func TestAuthorizersTogether(t *testing.T) {
	where := func(event cds.Event, request bool, x cqn.Expr) cds.Authorizer {
		return narrow(func(a cds.Access) cds.Narrowing {
			if a.Target != nil && a.Target.LocalName() == "A" && a.Event == event && a.Request == request {
				return cds.Narrowing{Where: x}
			}
			return cds.Narrowing{}
		})
	}
	u := user("u")
	most := &cqn.Binary{Op: cqn.Le, L: cqn.NewRef("ID"), R: &cqn.Lit{Value: cqn.Int(2)}}
	least := &cqn.Binary{Op: cqn.Ge, L: cqn.NewRef("ID"), R: &cqn.Lit{Value: cqn.Int(2)}}
	for _, c := range []struct {
		first, second cds.Authorizer
		want          string
	}{
		{where(authz.Read, false, most), where(authz.Read, false, least), "2"}, {where(authz.Read, true, most), where(authz.Read, true, least), "2"}, {where(authz.Read, true, most), where(authz.Read, false, least), "2"},
		{where(authz.Read, false, most), where(authz.Update, false, least), "1 2"}, {where(authz.Read, false, most), narrow(func(cds.Access) cds.Narrowing { return cds.Narrowing{} }), "1 2"},
	} {
		a := newApp(t, askedModel, askedData, cds.AppOptions{Authorizers: []cds.Authorizer{c.first, c.second}}, nil)
		if res, _ := a.want(req{event: authz.Read, path: "S.A", user: u}, 200); ids(res.Rows) != c.want {
			t.Errorf("%s, want %s", ids(res.Rows), c.want)
		}
	}
	// new values: the model refuses n = 9, the Authorizer all but the first
	a := asking(t, map[string]cds.Narrowing{"!UPDATE A": {Where: eq("ID", 1)}, "UPDATE A": {}}, nil)
	a.want(req{event: authz.Update, path: "S.A(1)", user: u, data: row("n", 9)}, 403)
	a.want(req{event: authz.Update, path: "S.A(2)", user: u, data: row("n", 3)}, 403)
	a.want(req{event: authz.Update, path: "S.A(1)", user: u, data: row("n", 3)}, 200)
}

// TestAuthorizersOfWholes: what is written as a part within a request on the whole is covered by what is asked for that; what code writes in another request, or in
// an operation, changes the whole.
func TestAuthorizersOfWholes(t *testing.T) {
	for _, c := range []struct {
		do   req
		want string // what is asked of the whole's rows because a part is written
	}{
		{req{event: authz.Delete, path: "S.A(1)"}, ""},
		{req{event: authz.Create, path: "S.P", data: row("ID", 7, "a_ID", 1)}, "UPDATE A"},
		{req{event: authz.Delete, path: "S.P(1)"}, "UPDATE A"},
		{req{event: authz.Read, path: "S.A"}, "UPDATE A"},
		{req{path: "S.A(1)/touch"}, "UPDATE A"},
	} {
		var asked []string
		n := narrow(func(a cds.Access) cds.Narrowing {
			if a.Target != nil && a.Target.LocalName() == "A" && !a.Request {
				asked = append(asked, string(a.Event)+" A")
			}
			return cds.Narrowing{}
		})
		a := newApp(t, askedModel, askedData, cds.AppOptions{Authorizers: []cds.Authorizer{n}}, func(core *cds.App) {
			core.Service("S").On(cds.Match{Events: []cds.Event{"touch", authz.Read}}, func(ctx context.Context, r *cds.RawRequest, next cds.Next) (*cds.Result, error) {
				if r.Target.LocalName() != "A" {
					return next(ctx, r)
				}
				if _, err := r.Execute(ctx, &cqn.Update{Entity: cqn.NewRef("S.P"), Data: row("n", 7)}); err != nil {
					return nil, err
				}
				if r.Op == nil {
					return next(ctx, r)
				}
				one := cqn.Int(1)
				return &cds.Result{Value: &one}, nil
			})
		})
		c.do.user = user("u")
		a.want(c.do, 200)
		for _, e := range asked {
			if e != "READ A" && e != "UPDATE A" && e != "CREATE A" && e != "DELETE A" {
				t.Errorf("%s %s: asked for %q", c.do.event, c.do.path, e)
			}
		}
		if updates := slices.Contains(asked, "UPDATE A"); updates != (c.want != "") {
			t.Errorf("%s %s: asked for %v", c.do.event, c.do.path, asked)
		}
	}
}

// TestAdmit: who is not known is nobody, and what is refused is in the log.
func TestAdmit(t *testing.T) {
	a := newApp(t, "service S { @requires: 'any' entity Open { key ID : Integer; } @requires: 'boss' entity Closed { key ID : Integer; } }", "", cds.AppOptions{}, nil)
	s := a.Service("S")
	for _, u := range []*auth.User{nil, auth.Anonymous, user("u"), user("b", "boss")} {
		for name, closed := range map[string]bool{"Open": false, "Closed": true} {
			want := 200
			switch {
			case closed && (u == nil || u == auth.Anonymous):
				want = 401
			case closed && u.ID == "u":
				want = 403
			}
			path := []*csn.Entity{s.Model.Entity(name)}
			if got := status(s.Authorize(u, authz.Read, path, nil, nil)); got != want {
				t.Errorf("%s by %v: %d, want %d", name, u, got, want)
			}
			before := strings.Count(a.log.String(), "authorization refused")
			if got := status(s.Admit(t.Context(), u, authz.Read, path, nil, nil)); got != want {
				t.Errorf("%s by %v is admitted: %d, want %d", name, u, got, want)
			}
			if logged := strings.Count(a.log.String(), "authorization refused") > before; logged != (want != 200) {
				t.Errorf("%s by %v: in the log: %v", name, u, logged)
			}
		}
	}
	if err := (&cds.RawRequest{}).MayWrite(s.Model.Entity("Open").Elements[0]); status(err) != 403 {
		t.Errorf("outside of requests: %v", err)
	}
}

// TestRights_asked: rights are those of the user of the context and of the application that is asked; what roles alone allow is something else, and is kept apart.
func TestRights_asked(t *testing.T) {
	const model = `service S { @restrict: [{ grant: 'READ', to: 'boss' }, { grant: 'READ', to: 'authenticated-user', where: 'ID = 1' }] entity E { key ID : Integer; @restrict: [{ grant: '*', where: ($user.level = 'high') }] x : Integer;
  @Core.Computed made : Integer; } }
service T { entity F { key ID : Integer; } }`
	a, b := newApp(t, model, "", cds.AppOptions{}, nil), newApp(t, model, "", cds.AppOptions{}, nil)
	s := a.Service("S")
	e := s.Model.Entity("E")
	high := auth.New(auth.User{ID: "h", Attrs: map[string][]string{"level": {"high"}}})
	dummy := auth.NewDummy("d")
	extents := func(r *cds.Rights) string {
		x := r.Entity(e)
		return x.Read.String() + " " + x.Elements[1].Read.String()
	}
	for range 2 { // the second time they are kept
		for _, c := range []struct {
			user         *auth.User
			rights, role string
		}{
			{user("u"), "some none", "some some"}, {high, "some all", "some some"}, {user("b", "boss"), "all none", "all some"}, {dummy, "all all", "all all"}, {auth.Anonymous, "none none", "none some"}, {nil, "none none", "none some"},
		} {
			ctx := t.Context()
			if c.user != nil {
				ctx = a.as(c.user)
			}
			if got, role := extents(s.Rights(ctx)), extents(s.RoleRightsOf(c.user)); got != c.rights || role != c.role {
				t.Errorf("%v: rights %s, want %s; of the roles %s, want %s", c.user, got, c.rights, role, c.role)
			}
		}
	}
	if err := cds.Privileged(a.as(user("u")), "test", func(ctx context.Context) error {
		if got := extents(s.Rights(ctx)); got != "all all" {
			t.Errorf("elevated: %s", got)
		}
		if x := b.Service("S").Rights(ctx).Entity(b.Service("S").Model.Entity("E")); x.Read != cds.MaySome {
			t.Errorf("elevated in another application: %v", x.Read)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if a.ReadOnly(e, e.Element("x")) || !a.ReadOnly(e, e.Element("made")) {
		t.Error("what comes from no payload is confused")
	}
	calls := 0
	if err := cds.AllTenants(a.as(user("u")), "test", func(context.Context, string) error { calls++; return nil }); err != nil || calls > 0 {
		t.Errorf("a model without tenants: %v, %d calls", err, calls)
	}
}

// TestAuthorizersBesideModel: conditions of the model and of Authorizers both hold, those for a request count for its own entity only, and no refusal is lost.
func TestAuthorizersBesideModel(t *testing.T) {
	const model = `entity d.R { key ID : Integer; owner : String; n : Integer; } @requires: 'any' service S { @restrict: [{ grant: '*', where: 'owner = $user' }] entity R as projection on d.R; }`
	const data = `INSERT INTO d_R (ID, owner, n) VALUES (1, 'u', 1), (2, 'v', 1), (3, 'u', 2);`
	for _, request := range []bool{false, true} {
		n := narrow(func(a cds.Access) cds.Narrowing {
			if a.Target != nil && a.Request == request && a.Event != authz.Create {
				return cds.Narrowing{Where: eq("n", 1)}
			}
			return cds.Narrowing{}
		})
		a := newApp(t, model, data, cds.AppOptions{Authorizers: []cds.Authorizer{n}}, nil)
		for range 2 {
			if res, _ := a.want(req{event: authz.Read, path: "S.R", user: user("u")}, 200); ids(res.Rows) != "1" {
				t.Errorf("of the request %v: %s", request, ids(res.Rows))
			}
		}
		for path, code := range map[string]int{"S.R(2)": 404, "S.R(3)": 404} {
			if _, err := a.do(req{event: authz.Delete, path: path, user: user("u")}); status(err) != code && status(err) != 403 {
				t.Errorf("DELETE %s: %d", path, status(err))
			}
		}
		a.want(req{event: authz.Delete, path: "S.R(1)", user: user("u")}, 200)
		if got := a.sql("d.R", "ID"); got != "2;3" {
			t.Errorf("left: %s", got)
		}
	}
	a := asking(t, map[string]cds.Narrowing{"!READ A": {Where: eq("n", 9)}}, nil)
	res, _ := a.want(req{event: authz.Read, path: "S.A", user: user("u"), query: func(s *cqn.Select) {
		s.Columns = []cqn.Column{{X: cqn.NewRef("ID")}, {X: cqn.NewRef("b"), Expand: &cqn.Select{}}}
	}}, 200)
	if ids(res.Rows) != "3" || res.Rows[0].Value("b").Row() == nil {
		t.Errorf("a condition of the request is asked of others: %v", res.Rows)
	}
	a = asking(t, map[string]cds.Narrowing{"!READ A": {Where: eq("n", 9)}, "READ A": {Deny: true}}, nil)
	a.want(req{event: authz.Read, path: "S.A", user: user("u")}, 403)
}
