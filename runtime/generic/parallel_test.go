package generic_test

import (
	"fmt"
	"sync"
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

// Requests of several users at once: each sees its own rows, every write is there once, and nobody waits forever.
func TestParallelRequests(t *testing.T) {
	n := narrow(func(a cds.Access) cds.Narrowing { return cds.Narrowing{} })
	a := newApp(t, shop, shopData, cds.AppOptions{Authorizers: []cds.Authorizer{n}}, nil)
	a.Options.NewUUID = nil
	const users, rounds = 6, 8
	var wg sync.WaitGroup
	for u := range users {
		wg.Go(func() {
			me := user(fmt.Sprintf("u%d", u))
			for i := range rounds {
				id := 1000*(u+1) + i
				res, err := a.do(req{event: authz.Create, path: "Shop.Orders", user: me, data: row("ID", id, "title", me.ID, "items", []*cds.Row{row("ID", id, "qty", 1)})})
				if err != nil || len(res.Rows) != 1 {
					t.Errorf("%s: %v", me.ID, err)
					return
				}
				res, err = a.do(req{event: authz.Read, path: "Shop.Orders", user: me, format: &cds.Format{OData: true}, query: func(s *cqn.Select) {
					s.Columns = append(cols("title"), col("items", &cqn.Select{Columns: cols("ID")}))
				}})
				if err != nil || res.N != i+1 {
					t.Errorf("%s sees %d rows, want %d: %v", me.ID, res.N, i+1, err)
					return
				}
			}
		})
	}
	wg.Wait()
	res, _ := a.want(req{event: authz.Read, path: "Shop.Orders", user: user("root", "admin")}, 200)
	if res.N != users*rounds+2 {
		t.Errorf("%d orders", res.N)
	}
}

// A part that may not be read does not hide the root that was written with it.
func TestAnswerWithoutUnreadableParts(t *testing.T) {
	a := newApp(t, `
context db { entity Orders { key ID : Integer; items : Composition of many Items on items.order = $self; }
entity Items { key ID : Integer; order : Association to Orders; } }
service S { entity Orders as projection on db.Orders; @restrict: [{grant: 'CREATE'}] entity Items as projection on db.Items; }`, "", cds.AppOptions{}, nil)
	bob := user("bob")
	res, _ := a.want(req{event: authz.Create, path: "S.Orders", user: bob, data: row("ID", 1, "items", []*cds.Row{row("ID", 2)})}, 200)
	if len(res.Rows) != 1 || text(res.Rows[0]) != `{"ID":1}` {
		t.Errorf("%+v", res)
	}
	a.want(req{event: authz.Update, path: "S.Orders(1)", user: bob, data: row("items", []*cds.Row{})}, 403)
	a.want(req{event: authz.Delete, path: "S.Orders(1)", user: bob}, 403)
	if s := a.sql("db.Items", "ID"); s != "2" {
		t.Error(s)
	}
}
