package generic_test

import (
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

const shop = `
using { managed, cuid } from '@sap/cds/common';
context db {
entity Orders : managed {
  key ID : Integer;
  title : String(20) @mandatory;
  status : String default 'open';
  total : Decimal(9,2);
  items : Composition of many Items on items.order = $self;
  note : Composition of one Notes;
}
entity Items { key ID : Integer; order : Association to Orders; qty : Integer @assert.range: [1, 9];
  subs : Composition of many Subs on subs.item = $self; }
entity Subs { key ID : Integer; item : Association to Items; text : String(10); }
entity Notes : cuid { text : String(10); }
}
service Shop {
  @restrict: [{ grant: '*', where: 'createdBy = $user' }, { grant: 'READ', to: 'Auditor' }, { grant: '*', to: 'admin' }]
  entity Orders as projection on db.Orders;
}`

const shopData = `
INSERT INTO db_Orders (ID, title, createdBy, total) VALUES (1, 'mine', 'ann', 10), (2, 'his', 'ben', 20.5);
INSERT INTO db_Items (ID, order_ID, qty) VALUES (11, 1, 1), (12, 1, 2), (21, 2, 5);
INSERT INTO db_Subs (ID, item_ID, text) VALUES (111, 11, 'a'), (211, 21, 'b');`

func TestCreateReadUpdateDelete(t *testing.T) {
	a := newApp(t, shop, shopData, cds.AppOptions{}, nil)
	ann := user("ann")
	res, _ := a.want(req{event: authz.Create, path: "Shop.Orders", user: ann, data: row("ID", 3, "title", "new", "createdBy", "evil", "total", "7.5")}, 200)
	if len(res.Rows) != 1 {
		t.Fatalf("no row back: %+v", res)
	}
	got := res.Rows[0]
	for name, want := range map[string]string{"createdBy": "ann", "status": "open", "total": "7.50", "createdAt": "2024-05-06T07:08:09.123Z", "modifiedBy": "ann"} {
		if v := got.Value(name).Format(); v != want {
			t.Errorf("%s = %s, want %s", name, v, want)
		}
	}
	res, _ = a.want(req{event: authz.Update, path: "Shop.Orders(3)", user: ann, data: row("ID", 99, "title", "changed")}, 200)
	if v := res.Rows[0].Value("title").Format(); v != "changed" {
		t.Errorf("title = %s", v)
	}
	a.want(req{event: authz.Delete, path: "Shop.Orders(3)", user: ann}, 200)
	a.want(req{event: authz.Delete, path: "Shop.Orders(3)", user: ann}, 404)
	a.want(req{event: authz.Update, path: "Shop.Orders(3)", user: ann, data: row("title", "x")}, 404)
	if s := a.sql("db.Orders", "ID", "title"); s != "1,mine;2,his" {
		t.Error(s)
	}
}

func TestHiddenRowsAnswerAsMissingOnes(t *testing.T) {
	a := newApp(t, shop, shopData, cds.AppOptions{}, nil)
	ann, auditor := user("ann"), user("cat", "Auditor")
	res, _ := a.want(req{event: authz.Read, path: "Shop.Orders(2)", user: ann}, 200)
	if res.N != 0 {
		t.Error("hidden row was read")
	}
	a.want(req{event: authz.Update, path: "Shop.Orders(2)", user: ann, data: row("title", "x")}, 404)
	a.want(req{event: authz.Delete, path: "Shop.Orders(2)", user: ann}, 404)
	a.want(req{event: authz.Update, path: "Shop.Orders(2)", user: ann, upsert: true, data: row("title", "x")}, 403)
	// Who may read the row but not change it knows of it: 403.
	a.want(req{event: authz.Update, path: "Shop.Orders(2)", user: auditor, data: row("title", "x")}, 403)
	a.want(req{event: authz.Delete, path: "Shop.Orders(2)", user: auditor}, 403)
	if res, _ := a.want(req{event: authz.Read, path: "Shop.Orders"}, 200); res.N != 0 {
		t.Error("anonymous sees rows")
	}
	a.want(req{event: authz.Create, path: "Shop.Orders", data: row("ID", 9, "title", "x")}, 401)
	if s := a.sql("db.Orders", "ID", "title"); s != "1,mine;2,his" {
		t.Error(s)
	}
}

func TestPut(t *testing.T) {
	a := newApp(t, shop, shopData, cds.AppOptions{}, nil)
	ann := user("ann")
	res, _ := a.want(req{event: authz.Update, path: "Shop.Orders(7)", user: ann, upsert: true, data: row("title", "put")}, 200)
	if !res.Created || res.Rows[0].Value("createdBy").Str() != "ann" || res.Rows[0].Value("status").Str() != "open" {
		t.Errorf("created %v: %s", res.Created, text(res.Rows[0]))
	}
	res, _ = a.want(req{event: authz.Update, path: "Shop.Orders(7)", user: ann, upsert: true, data: row("total", 3)}, 200)
	if res.Created || res.Rows[0].Value("title").Str() != "put" {
		t.Errorf("a PUT changes what it brings: %s", text(res.Rows[0]))
	}
	_, e := a.want(req{event: authz.Update, path: "Shop.Orders(8)", user: ann, upsert: true, data: row("total", 3)}, 400)
	if e.Code != "ASSERT_MANDATORY" || e.Target != "title" {
		t.Errorf("%+v", e)
	}
	if s := a.sql("db.Orders", "ID"); s != "1;2;7" {
		t.Error(s)
	}
}

func TestDeepInsertAndUpdate(t *testing.T) {
	a := newApp(t, shop, shopData, cds.AppOptions{}, nil)
	ann := user("ann")
	res, _ := a.want(req{event: authz.Create, path: "Shop.Orders", user: ann, data: row("ID", 3, "title", "deep",
		"note", row("text", "n"),
		"items", []*cds.Row{row("ID", 31, "qty", 1, "subs", []*cds.Row{row("ID", 311, "text", "s")}), row("ID", 32, "qty", 2)})}, 200)
	if got := text(res.Rows[0].Value("items").Rows()[0]); got != `{"ID":31,"order_ID":3,"qty":1,"subs":[{"ID":311,"item_ID":31,"text":"s"}]}` {
		t.Errorf("answer: %s", text(res.Rows[0]))
	}
	if s := a.sql("db.Notes", "ID", "text"); s != "00000000-0000-7000-8000-000000000001,n" {
		t.Error(s)
	}
	// 31 is changed, 32 removed, 33 added.
	a.want(req{event: authz.Update, path: "Shop.Orders(3)", user: ann, data: row(
		"items", []*cds.Row{row("ID", 31, "qty", 9), row("ID", 33, "qty", 3)}, "note", nil)}, 200)
	if s := a.sql("db.Items", "order_ID", "ID", "qty"); s != "1,11,1;1,12,2;2,21,5;3,31,9;3,33,3" {
		t.Error(s)
	}
	if s := a.sql("db.Subs", "ID"); s != "111;211;311" {
		t.Errorf("subs that were not named stay: %s", s)
	}
	if s := a.sql("db.Notes", "ID"); s != "" {
		t.Errorf("note stays: %s", s)
	}
	a.want(req{event: authz.Delete, path: "Shop.Orders(3)", user: ann}, 200)
	if s := a.sql("db.Items", "ID") + "/" + a.sql("db.Subs", "ID"); s != "11;12;21/111;211" {
		t.Error(s)
	}
}

func TestForeignChildrenAreRefused(t *testing.T) {
	a := newApp(t, shop, shopData, cds.AppOptions{}, nil)
	ann := user("ann")
	before := a.sql("db.Items", "ID", "order_ID", "qty")
	for name, items := range map[string][]*cds.Row{
		"a child of another parent": {row("ID", 21, "qty", 9)},
		"another parent named":      {row("ID", 11, "order_ID", 2, "qty", 9)},
		"a new child, other parent": {row("ID", 99, "order_ID", 2, "qty", 9)},
		"the same child twice":      {row("ID", 11, "qty", 9), row("ID", 11, "qty", 8)},
	} {
		_, err := a.do(req{event: authz.Update, path: "Shop.Orders(1)", user: ann, data: row("items", items)})
		if s := status(err); s != 400 && s != 409 {
			t.Errorf("%s: status %d: %v", name, s, err)
		}
	}
	a.want(req{event: authz.Create, path: "Shop.Orders(2)/items", user: ann, data: row("ID", 99, "qty", 1)}, 404)
	a.want(req{event: authz.Create, path: "Shop.Orders(1)/items", user: ann, data: row("ID", 99, "order_ID", 2, "qty", 1)}, 400)
	a.want(req{event: authz.Update, path: "Shop.Orders(2)/items(21)", user: ann, data: row("qty", 1)}, 404)
	a.want(req{event: authz.Delete, path: "Shop.Orders(2)/items(21)", user: ann}, 404)
	a.want(req{event: authz.Update, path: "Shop.Orders(1)/items(21)", user: ann, data: row("qty", 1)}, 404)
	if s := a.sql("db.Items", "ID", "order_ID", "qty"); s != before {
		t.Errorf("changed: %s", s)
	}
	a.want(req{event: authz.Create, path: "Shop.Orders(1)/items", user: ann, data: row("ID", 13, "qty", 3)}, 200)
	a.want(req{event: authz.Update, path: "Shop.Orders(1)/items(12)", user: ann, data: row("qty", 3)}, 200)
	a.want(req{event: authz.Delete, path: "Shop.Orders(1)/items(11)", user: ann}, 200)
	if s := a.sql("db.Items", "ID", "order_ID", "qty"); s != "12,1,3;13,1,3;21,2,5" {
		t.Errorf("changed: %s", s)
	}
}

func TestCollisionsAndMissingKeys(t *testing.T) {
	a := newApp(t, shop, shopData, cds.AppOptions{}, nil)
	ann := user("ann")
	_, e := a.want(req{event: authz.Create, path: "Shop.Orders", user: ann, data: row("ID", 2, "title", "x")}, 409)
	if e.Code != "UNIQUE_CONSTRAINT_VIOLATION" {
		t.Errorf("%+v", e)
	}
	_, e = a.want(req{event: authz.Create, path: "Shop.Orders", user: ann, data: row("title", "x")}, 400)
	if e.Target != "ID" {
		t.Errorf("%+v", e)
	}
	// The failed deep insert leaves nothing behind.
	a.want(req{event: authz.Create, path: "Shop.Orders", user: ann, data: row("ID", 5, "title", "x", "items", []*cds.Row{row("ID", 50), row("ID", 21)})}, 409)
	if s := a.sql("db.Orders", "ID") + "/" + a.sql("db.Items", "ID"); s != "1;2/11;12;21" {
		t.Error(s)
	}
}

func TestExpandsAndPages(t *testing.T) {
	a := newApp(t, shop, shopData, cds.AppOptions{PageDefault: 1, PageMax: 2}, nil)
	admin := user("root", "admin")
	expand := func(s *cqn.Select) {
		s.Columns = []cqn.Column{{X: cqn.NewRef("ID")}, {X: cqn.NewRef("total")}, {X: cqn.NewRef("items"), Count: true, Expand: &cqn.Select{
			Columns: []cqn.Column{{X: cqn.NewRef("qty")}, {X: cqn.NewRef("subs"), Expand: &cqn.Select{Columns: []cqn.Column{{X: cqn.NewRef("text")}}}}}}}}
	}
	json := &cds.Format{OData: true, DecimalStrings: true}
	res, _ := a.want(req{event: authz.Read, path: "Shop.Orders", user: admin, query: expand, format: json, count: true}, 200)
	want := `{"ID":1,"total":"10.00","items@odata.count":"2","items":[{"qty":1,"subs":[{"text":"a"}]},{"qty":2,"subs":[]}]}`
	if string(res.JSON) != want || !res.More || res.Next != 1 || res.Count != 2 || res.N != 1 {
		t.Errorf("%s %+v", res.JSON, res)
	}
}
