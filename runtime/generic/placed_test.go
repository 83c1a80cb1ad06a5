package generic_test

import (
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/authz"
)

// TestPlaced: a row that belongs to a tenant by what it is a part of is written, or moved, nowhere but below a row of the tenant: not below another one's, below none,
// nor beside all of them.
func TestPlaced(t *testing.T) {
	const model = `
context d {
  entity W { key ID : Integer; @tenant t : String; kids : Composition of many K on kids.w = $self; }
  entity K { key ID : Integer; n : Integer; w : Association to W; }
}
@requires: 'any' service S { entity W as projection on d.W; entity K as projection on d.K; }
@requires: 'any' service R { entity W as projection on d.W; @restrict: [{ grant: '*', where: 'n < 5' }] entity K as projection on d.K; }
@requires: 'any' service Q { @restrict: [{ grant: '*', where: 'ID > 5' }] entity W as projection on d.W; entity K as projection on d.K; }`
	const data = `INSERT INTO d_W (ID, t) VALUES (1, 't1'), (2, 't2'); INSERT INTO d_K (ID, n, w_ID) VALUES (10, 1, 1), (20, 1, 2);`
	a := newApp(t, model, data, cds.AppOptions{}, nil)
	u := auth.New(auth.User{ID: "u", Tenant: "t1"})
	all := auth.New(auth.User{ID: "x", Tenant: "t2"})
	kids := func(u *auth.User) string {
		t.Helper()
		res, _ := a.want(req{event: authz.Read, path: "S.K", user: u}, 200)
		return ids(res.Rows)
	}
	for _, c := range []struct {
		q    req
		code int
	}{
		{req{event: authz.Create, path: "S.K", data: row("ID", 11, "w_ID", 1)}, 200},
		{req{event: authz.Create, path: "S.K", data: row("ID", 12, "w_ID", 2)}, 400}, // another tenant's
		{req{event: authz.Create, path: "S.K", data: row("ID", 12, "w_ID", 9)}, 400}, // nobody's: the same
		{req{event: authz.Create, path: "S.K", data: row("ID", 13)}, 400},
		{req{event: authz.Create, path: "S.K", data: row("ID", 14, "w_ID", nil)}, 400},
		{req{event: authz.Update, path: "S.K(15)", data: row("w_ID", 2), upsert: true}, 403},
		{req{event: authz.Update, path: "S.K(15)", data: row("n", 2), upsert: true}, 403},
		{req{event: authz.Update, path: "S.K(16)", data: row("w_ID", 1), upsert: true}, 200},
		{req{event: authz.Update, path: "S.K(10)", data: row("w_ID", 2)}, 400},
		{req{event: authz.Update, path: "S.K(10)", data: row("w_ID", nil)}, 400},
		{req{event: authz.Update, path: "S.K(10)", data: row("n", 5)}, 200},
		{req{event: authz.Update, path: "S.K(20)", data: row("n", 5)}, 404},
		// the model's conditions on the part and on the whole hold beside it
		{req{event: authz.Create, path: "R.K", data: row("ID", 17, "n", 9, "w_ID", 1)}, 403},
		{req{event: authz.Create, path: "R.K", data: row("ID", 17, "n", 1, "w_ID", 2)}, 400},
		{req{event: authz.Create, path: "Q.K", data: row("ID", 18, "n", 1, "w_ID", 1)}, 400},
		{req{event: authz.Update, path: "S.K(20)", data: row("w_ID", 1)}, 404},
	} {
		c.q.user = u
		if _, err := a.do(c.q); status(err) != c.code {
			t.Errorf("%s %s %v: %d %v, want %d", c.q.event, c.q.path, c.q.data, status(err), err, c.code)
		}
	}
	ctx := a.as(u)
	for name, c := range map[string]struct {
		q       cqn.Query
		refused bool
	}{
		"beside all":     {&cqn.Insert{Into: "d.K", Rows: []*cds.Row{row("ID", 30, "n", 1)}}, true},
		"below no row":   {&cqn.Insert{Into: "d.K", Rows: []*cds.Row{row("ID", 31, "w_ID", 9)}}, true},
		"below its own":  {&cqn.Insert{Into: "d.K", Rows: []*cds.Row{row("ID", 32, "w_ID", 1)}}, false},
		"changed":        {&cqn.Update{Entity: cqn.NewRef("d.K"), Data: row("n", 7), Where: eq("ID", 10)}, false},
		"moved":          {&cqn.Update{Entity: cqn.NewRef("d.K"), Data: row("w_ID", 2), Where: eq("ID", 10)}, true},
		"moved away":     {&cqn.Update{Entity: cqn.NewRef("d.K"), With: []cqn.Assignment{{Name: "w_ID", X: &cqn.Lit{}}}, Where: eq("ID", 10)}, true},
		"moved by value": {&cqn.Update{Entity: cqn.NewRef("S.K"), Data: row("w_ID", 2), Where: eq("ID", 11)}, true},
		"other's":        {&cqn.Update{Entity: cqn.NewRef("d.K"), Data: row("w_ID", 1), Where: eq("ID", 20)}, false},
	} {
		if _, err := cds.DB(ctx).Run(ctx, c.q); (err != nil) != c.refused {
			t.Errorf("%s: %v", name, err)
		}
	}
	if mine, others := kids(u), kids(all); mine != "10 11 16 32" || others != "20" {
		t.Errorf("left: %s and %s", mine, others)
	}
}
