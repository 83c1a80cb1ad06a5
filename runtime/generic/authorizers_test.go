package generic_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/authz"
)

const askedModel = `
context d {
  entity A { key ID : Integer; owner : String; n : Integer; @requires: 'hr' pay : Integer; b : Association to B; kids : Association to many K on kids.a = $self; parts : Composition of many P on parts.a = $self; }
  entity B { key ID : Integer; owner : String; n : Integer; }
  entity K { key ID : Integer; n : Integer; a : Association to A; }
  entity P { key ID : Integer; n : Integer; a : Association to A; }
}
@requires: 'any' service S {
  @restrict: [{ grant: '*' }, { deny: 'UPDATE', where: (n = 9) }] entity A as projection on d.A actions { action touch() returns Integer; };
  entity B as projection on d.B; entity K as projection on d.K; entity P as projection on d.P;
  action go() returns Integer;
}`

const askedData = `INSERT INTO d_A (ID, owner, n, pay, b_ID) VALUES (1, 'u', 1, 10, 1), (2, 'v', 2, 20, 2), (3, 'u', 9, 30, 2);
INSERT INTO d_B (ID, owner, n) VALUES (1, 'u', 1), (2, 'v', 2); INSERT INTO d_K (ID, n, a_ID) VALUES (1, 1, 1), (2, 2, 1), (3, 1, 2); INSERT INTO d_P (ID, n, a_ID) VALUES (1, 1, 1), (2, 2, 2), (3, 3, 3);`

// ids are the keys of rows.
func ids(rows []*cds.Row) string {
	var out []string
	for _, r := range rows {
		out = append(out, r.Value("ID").Format())
	}
	return strings.Join(out, " ")
}

// asking is an application where an Authorizer answers by the event and entity, as "READ A", for the rows and, behind "!", for the request itself.
func asking(t *testing.T, answers map[string]cds.Narrowing, asked *[]string) *app {
	t.Helper()
	n := narrow(func(a cds.Access) cds.Narrowing {
		name := string(a.Event)
		if a.Target != nil {
			name += " " + a.Target.LocalName()
		}
		if a.Request {
			name = "!" + name
		}
		if asked != nil {
			*asked = append(*asked, name)
		}
		return answers[name]
	})
	return newApp(t, askedModel, askedData, cds.AppOptions{Authorizers: []cds.Authorizer{n}}, func(core *cds.App) {
		core.Service("S").On(cds.Match{Events: []cds.Event{"touch", "go"}}, func(ctx context.Context, r *cds.RawRequest, next cds.Next) (*cds.Result, error) {
			if _, err := r.Execute(ctx, &cqn.Update{Entity: cqn.NewRef("S.B"), Data: row("n", 7)}); err != nil {
				return nil, err
			}
			one := cqn.Int(1)
			return &cds.Result{Value: &one}, nil
		})
	})
}

// TestAuthorizersReach: what is asked of an entity's rows counts wherever a query comes to them, for that entity and event alone, beside the model's rules.
func TestAuthorizersReach(t *testing.T) {
	owned := cds.Narrowing{Where: &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("owner"), R: &cqn.Param{From: cqn.FromUserID}}}
	a := asking(t, map[string]cds.Narrowing{"READ B": owned, "READ K": {Where: eq("n", 1)}, "UPDATE A": {Where: eq("n", 1)}, "DELETE A": {Where: eq("n", 2)}, "READ P": {Where: eq("n", 1)}}, nil)
	u, hr := user("u"), user("u", "hr")
	read := func(path string, q func(*cqn.Select), who *auth.User) []*cds.Row {
		t.Helper()
		res, _ := a.want(req{event: authz.Read, path: path, user: who, query: q}, 200)
		return res.Rows
	}
	for range 2 { // the second time from the cache
		if got := ids(read("S.A", nil, u)); got != "1 2 3" {
			t.Errorf("A: %s", got)
		}
		if got := ids(read("S.B", nil, u)); got != "1" {
			t.Errorf("B: %s", got)
		}
		if got := ids(read("S.B", nil, user("v"))); got != "2" {
			t.Errorf("B of v: %s", got)
		}
		if got := ids(read("S.A(2)/kids", nil, u)) + "," + ids(read("S.A(1)/kids", nil, u)); got != "3,1" {
			t.Errorf("kids: %s", got)
		}
		if got := ids(read("S.A", func(s *cqn.Select) { s.Where = &cqn.Exists{Path: cqn.NewRef("kids"), Pred: eq("n", 2)} }, u)); got != "" {
			t.Errorf("with hidden kids: %s", got)
		}
		if got := ids(read("S.A", func(s *cqn.Select) {
			s.Where = &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("b", "n"), R: &cqn.Lit{Value: cqn.Int(2)}}
		}, u)); got != "" {
			t.Errorf("by a hidden row: %s", got)
		}
		rows := read("S.A", func(s *cqn.Select) {
			s.Columns = []cqn.Column{{X: cqn.NewRef("ID")}, {X: cqn.NewRef("b"), Expand: &cqn.Select{}}, {X: cqn.NewRef("kids"), Expand: &cqn.Select{}}}
		}, u)
		if len(rows) != 3 || rows[0].Value("b").Row() == nil || rows[1].Value("b").Row() != nil || ids(rows[0].Value("kids").Rows()) != "1" {
			t.Errorf("expanded: %v", rows)
		}
		if got := ids(read("S.P", nil, u)); got != "1" {
			t.Errorf("parts: %s", got)
		}
		// elements are the model's business
		if rows := read("S.A", nil, u); !rows[0].Value("pay").IsNull() {
			t.Error("an element that is not for everybody")
		}
		if rows := read("S.A", nil, hr); rows[0].Value("pay").Int() != 10 {
			t.Error("an element is lost, or the plan of others is used")
		}
	}
	a.want(req{event: authz.Read, path: "S.A", user: u, query: func(s *cqn.Select) { s.Where = eq("pay", 10) }}, 403)
	a.want(req{event: authz.Update, path: "S.A(1)", user: u, data: row("pay", 1)}, 403)
	a.want(req{event: authz.Update, path: "S.A(2)", user: u, data: row("owner", "x")}, 403)
	a.want(req{event: authz.Update, path: "S.A(1)", user: u, data: row("n", 2)}, 403) // it would leave what is left
	a.want(req{event: authz.Update, path: "S.A(1)", user: u, data: row("owner", "x")}, 200)
	a.want(req{event: authz.Delete, path: "S.A(1)", user: u}, 403)
	a.want(req{event: authz.Delete, path: "S.A(2)", user: u}, 200)
	a.want(req{event: authz.Create, path: "S.A", user: u, data: row("ID", 7, "n", 5)}, 200)
	a.want(req{event: authz.Create, path: "S.P", user: u, data: row("ID", 7, "n", 5, "a_ID", 3)}, 400) // its whole may not be changed: as if it were not there
	a.want(req{event: authz.Create, path: "S.P", user: u, data: row("ID", 8, "n", 1, "a_ID", 1)}, 200)
	if got := a.sql("d.A", "ID", "n"); got != "1,1;3,9;7,5" {
		t.Errorf("left: %s", got)
	}
}

// TestAuthorizersRequests: what is said of a request counts for its own rows and new values, and says nothing of what an operation does to others.
func TestAuthorizersRequests(t *testing.T) {
	var asked []string
	a := asking(t, map[string]cds.Narrowing{"!READ A": {Where: eq("n", 1)}, "!UPDATE A": {Where: eq("n", 1)}, "!CREATE A": {Where: eq("n", 1)}, "!touch A": {Where: eq("n", 1)}, "!DELETE A": {Where: eq("n", 2)}}, &asked)
	u := user("u")
	res, _ := a.want(req{event: authz.Read, path: "S.A", user: u, query: func(s *cqn.Select) {
		s.Columns = []cqn.Column{{X: cqn.NewRef("ID")}, {X: cqn.NewRef("b"), Expand: &cqn.Select{}}}
	}}, 200)
	if ids(res.Rows) != "1" || res.Rows[0].Value("b").Row() == nil {
		t.Errorf("rows %s", ids(res.Rows))
	}
	res, _ = a.want(req{event: authz.Read, path: "S.B", user: u}, 200)
	if ids(res.Rows) != "1 2" {
		t.Errorf("others %s", ids(res.Rows))
	}
	a.want(req{event: authz.Create, path: "S.A", user: u, data: row("ID", 7, "n", 5)}, 403)
	a.want(req{event: authz.Create, path: "S.A", user: u, data: row("ID", 7, "n", 1)}, 200)
	a.want(req{event: authz.Update, path: "S.A(2)", user: u, data: row("owner", "x")}, 403)
	a.want(req{event: authz.Update, path: "S.A(1)", user: u, data: row("n", 3)}, 403)
	a.want(req{event: authz.Update, path: "S.A(1)", user: u, data: row("owner", "x")}, 200)
	a.want(req{event: authz.Update, path: "S.A(8)", user: u, data: row("n", 5), upsert: true}, 403)
	a.want(req{event: authz.Update, path: "S.A(8)", user: u, data: row("n", 1), upsert: true}, 200)
	a.want(req{event: authz.Delete, path: "S.A(1)", user: u}, 403)
	a.want(req{event: authz.Delete, path: "S.A(2)", user: u}, 200)
	a.want(req{path: "S.A(3)/touch", user: u}, 403)
	a.want(req{path: "S.A(1)/touch", user: u}, 200)
	a.want(req{path: "S.go", user: u}, 200)
	if got := a.sql("d.B", "ID", "n"); got != "1,7;2,7" {
		t.Errorf("what operations change: %s", got)
	}
	if !strings.Contains(strings.Join(asked, " "), "!touch A") || !strings.Contains(strings.Join(asked, " "), "!go") {
		t.Errorf("asked: %v", asked)
	}
}

// TestAuthorizersRefuse: who is refused gets 401 or 403 before anything runs; what an Authorizer fails with is no permission; elevated code is not asked about.
func TestAuthorizersRefuse(t *testing.T) {
	no := cds.Narrowing{Deny: true, Reason: "never"}
	a := asking(t, map[string]cds.Narrowing{"!READ A": no, "UPDATE B": no, "!go": no, "READ K": no}, nil)
	u := user("u")
	for who, code := range map[*auth.User]int{u: 403, auth.Anonymous: 401} {
		a.want(req{event: authz.Read, path: "S.A", user: who}, code)
		a.want(req{event: authz.Update, path: "S.B(1)", user: who, data: row("n", 3)}, code)
		a.want(req{path: "S.go", user: who}, code)
		a.want(req{path: "S.A(1)/touch", user: who}, code)
		a.want(req{event: authz.Read, path: "S.K", user: who}, code)
	}
	a.want(req{event: authz.Read, path: "S.B", user: u, query: func(s *cqn.Select) { s.Where = eq("n", 1) }}, 200)
	if got := a.sql("d.B", "ID", "n"); got != "1,1;2,2" {
		t.Errorf("changed: %s", got)
	}
	if log := a.log.String(); strings.Count(log, "authorization refused") < 10 || !strings.Contains(log, "reason=never") || !strings.Contains(log, "status=401") {
		t.Errorf("log: %s", log)
	}
	fails := newApp(t, askedModel, askedData, cds.AppOptions{Authorizers: []cds.Authorizer{failing{}}}, nil)
	for _, path := range []string{"S.A", "S.B"} {
		if _, err := fails.do(req{event: authz.Read, path: path, user: u}); err == nil || status(err) < 400 && status(err) != -1 {
			t.Errorf("%s: %v", path, err)
		}
	}
	var n int
	counted := narrow(func(cds.Access) cds.Narrowing { n++; return no })
	free := newApp(t, askedModel, askedData, cds.AppOptions{Authorizers: []cds.Authorizer{counted}}, nil)
	if err := cds.Privileged(free.as(u), "test", func(ctx context.Context) error {
		rows, err := free.Service("S").Run(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef("S.A")}})
		if err == nil && rows.N != 3 {
			t.Errorf("%d rows", rows.N)
		}
		return err
	}); err != nil || n > 0 {
		t.Errorf("elevated code: asked %d times, %v", n, err)
	}
}

// failing is an Authorizer that cannot answer.
type failing struct{}

func (failing) Decide(context.Context, cds.Access) (cds.Narrowing, error) {
	return cds.Narrowing{}, errors.New("cannot tell")
}

// TestAuthorizersPlans: what an Authorizer asks now is asked, whatever it asked when the same query came before, of the entity itself or of another one.
func TestAuthorizersPlans(t *testing.T) {
	answers := map[string]cds.Narrowing{}
	a := asking(t, answers, nil)
	u := user("u")
	gt := func(name string, n int64) cqn.Expr {
		return &cqn.Binary{Op: cqn.Gt, L: cqn.NewRef(name), R: &cqn.Lit{Value: cqn.Int(n)}}
	}
	read := func() string {
		t.Helper()
		res, _ := a.want(req{event: authz.Read, path: "S.A", user: u, query: func(s *cqn.Select) { s.Where = &cqn.Exists{Path: cqn.NewRef("kids")} }}, 200)
		return ids(res.Rows)
	}
	for i, c := range []struct {
		a, k cqn.Expr
		want string
	}{
		{nil, nil, "1 2"}, {eq("ID", 1), nil, "1"}, {eq("ID", 2), nil, "2"}, {gt("ID", 1), nil, "2"}, {nil, eq("ID", 1), "1"}, {nil, eq("ID", 3), "2"}, {nil, gt("ID", 1), "1 2"}, {eq("ID", 1), eq("ID", 3), ""}, {eq("ID", 2), eq("ID", 3), "2"}, {nil, nil, "1 2"}, {eq("ID", 1), nil, "1"},
	} {
		answers["READ A"], answers["READ K"] = cds.Narrowing{Where: c.a}, cds.Narrowing{Where: c.k}
		for range 2 {
			if got := read(); got != c.want {
				t.Errorf("%d: %s, want %s", i, got, c.want)
			}
		}
	}
	answers["READ K"] = cds.Narrowing{Deny: true}
	a.want(req{event: authz.Read, path: "S.A", user: u, query: func(s *cqn.Select) { s.Where = &cqn.Exists{Path: cqn.NewRef("kids")} }}, 403)
}

// TestAuthorizersOperations: who calls an operation on a row is asked about as somebody who changes it, where the model asks nothing of rows too; rights that are
// shown with rows say the same.
func TestAuthorizersOperations(t *testing.T) {
	mine := cds.Narrowing{Where: &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("owner"), R: &cqn.Lit{Value: cqn.String("u")}}}
	for name, c := range map[string]struct {
		answers map[string]cds.Narrowing
		want    [2]bool // of rows 1, of u, and 2
	}{
		"nothing":        {nil, [2]bool{true, true}},
		"some rows":      {map[string]cds.Narrowing{"UPDATE A": mine}, [2]bool{true, false}},
		"no row":         {map[string]cds.Narrowing{"UPDATE A": {Deny: true}}, [2]bool{false, false}},
		"the request":    {map[string]cds.Narrowing{"!touch A": mine}, [2]bool{true, false}},
		"no request":     {map[string]cds.Narrowing{"!touch A": {Deny: true}}, [2]bool{false, false}},
		"rows to delete": {map[string]cds.Narrowing{"DELETE A": {Deny: true}}, [2]bool{true, true}},
	} {
		for i, want := range c.want {
			a := asking(t, c.answers, nil)
			u := user("u")
			may, err := a.Service("S").May(a.as(u), "A", row("ID", i+1))
			if err != nil || may.Actions["touch"] != want {
				t.Errorf("%s: row %d: shown %+v, want %t: %v", name, i+1, may, want, err)
			}
			code := 200
			if !want {
				code = 403
			}
			a.want(req{path: fmt.Sprintf("S.A(%d)/touch", i+1), user: u}, code)
		}
	}
}
