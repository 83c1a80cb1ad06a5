package generic_test

import (
	"context"
	"strings"
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
)

const guarded = `
context db {
entity Orders { key ID : Integer; owner : String; items : Composition of many Items on items.order = $self; }
entity Items { key ID : Integer; order : Association to Orders; qty : Integer; }
entity Plain { key ID : Integer; text : String; }
}
service S {
  @restrict: [{ grant: '*', where: 'owner = $user' }] entity Orders as projection on db.Orders;
  entity Items as projection on db.Items;
  @restrict: [{ grant: 'READ' }] entity Plain as projection on db.Plain;
  action run();
  function look() returns Integer;
}`

const guardedData = `INSERT INTO db_Orders (ID, owner) VALUES (1, 'ann'), (2, 'ben');
INSERT INTO db_Items (ID, order_ID, qty) VALUES (11, 1, 1), (21, 2, 1); INSERT INTO db_Plain (ID, text) VALUES (1, 'a');`

// What a handler writes by Execute is held to the rules of what it writes, whatever request it runs for.
func TestExecuteInHandlersIsGuarded(t *testing.T) {
	var q cqn.Query
	var got *cds.Result
	run := func(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
		res, err := r.Execute(ctx, q)
		got = res
		return nil, err
	}
	a := newApp(t, guarded, guardedData, cds.AppOptions{}, func(a *cds.App) {
		a.Service("S").On(cds.Match{Events: []cds.Event{"run", "look"}}, run)
	})
	ann := user("ann")
	ref := func(n string) *cqn.Ref { return cqn.NewRef("S." + n) }
	sel := func(n string) cqn.Query {
		return &cqn.Select{From: &cqn.From{Path: ref(n)}, Columns: []cqn.Column{{X: cqn.NewRef("ID")}}}
	}
	ins := func(n string, r *cds.Row) cqn.Query { return &cqn.Insert{Into: "S." + n, Rows: []*cds.Row{r}} }
	tests := []struct {
		name string
		q    cqn.Query
		code int
		n    int64 // rows read or changed
	}{
		{"read", sel("Orders"), 200, 1},
		{"read children", sel("Items"), 200, 1},
		{"path", sel("Items/order"), 404, 0},
		{"insert own", ins("Orders", row("ID", 3, "owner", "ann")), 200, 1},
		{"insert foreign", ins("Orders", row("ID", 4, "owner", "ben")), 403, 0},
		{"insert own child", ins("Items", row("ID", 12, "order_ID", 1)), 200, 1},
		{"insert foreign child", ins("Items", row("ID", 22, "order_ID", 2)), 400, 0},
		{"insert orphan", ins("Items", row("ID", 23)), 400, 0},
		{"update foreign", &cqn.Update{Entity: ref("Orders"), Where: eq("ID", 2), Data: row("owner", "ann")}, 200, 0},
		{"give away", &cqn.Update{Entity: ref("Orders"), Where: eq("ID", 1), Data: row("owner", "ben")}, 403, 0},
		{"move child", &cqn.Update{Entity: ref("Items"), Where: eq("ID", 11), Data: row("order_ID", 2)}, 400, 0},
		{"update all children", &cqn.Update{Entity: ref("Items"), Data: row("qty", 9)}, 200, 2},
		{"delete all children", &cqn.Delete{From: ref("Items")}, 200, 2},
		{"not granted", ins("Plain", row("ID", 5)), 403, 0},
		{"delete not granted", &cqn.Delete{From: ref("Plain")}, 403, 0},
		{"unknown", ins("Frob", row("ID", 5)), 404, 0},
		{"nothing named", &cqn.Delete{}, 400, 0},
		{"nothing named", &cqn.Update{}, 400, 0},
		{"nothing named", &cqn.Select{}, 400, 0},
	}
	for _, path := range []string{"S.look", "S.run"} {
		for _, tt := range tests {
			if path == "S.look" && tt.code == 200 && tt.name[:4] != "read" {
				continue // would change data
			}
			q, got = tt.q, nil
			_, err := a.do(req{path: path, user: ann})
			if s := status(err); s != tt.code && !(tt.code == 404 && s == 400) {
				t.Errorf("%s %s: status %d, want %d: %v", path, tt.name, s, tt.code, err)
				continue
			}
			if tt.code == 200 && got.Affected+int64(got.N) != tt.n && path == "S.run" {
				t.Errorf("%s: %d rows, want %d", tt.name, got.Affected+int64(got.N), tt.n)
			}
		}
	}
	if s := a.sql("db.Orders", "ID", "owner") + "/" + a.sql("db.Items", "ID", "order_ID") + "/" + a.sql("db.Plain", "ID"); s != "1,ann;2,ben;3,ann/21,2/1" {
		t.Error(s)
	}
}

// Outside of a request nothing can be executed, and a service that is not started answers nothing.
func TestNotServing(t *testing.T) {
	a := newApp(t, guarded, "", cds.AppOptions{}, nil)
	r := &cds.RawRequest{Service: a.Service("S")}
	if _, err := r.Execute(context.Background(), &cqn.Select{From: &cqn.From{Path: cqn.NewRef("S.Plain")}}); status(err) != 403 {
		t.Error(err)
	}
	if err := cds.Privileged(context.Background(), "x", func(context.Context) error { return nil }); err == nil {
		t.Error("privileged outside of an app")
	}
	if _, err := cds.DB(context.Background()).Run(context.Background(), &cqn.Delete{From: cqn.NewRef("db.Plain")}); err == nil {
		t.Error("database outside of an app")
	}
	core, _ := cds.NewApp(a.Model, cds.AppOptions{})
	if _, err := core.Service("S").Call(context.Background(), "run", nil); status(err) != 503 {
		t.Error(err)
	}
}

// A literal of a wrong type is the client's fault; a user attribute that does not convert matches nothing, and an empty one no row with null.
func TestLiteralsAndAttributes(t *testing.T) {
	a := newApp(t, `
context db { entity E { key ID : Integer; level : Integer; at : Date; } }
service S { @requires: 'any' entity Every as projection on db.E; @restrict: [{grant: 'READ', where: 'level = $user.level'}] entity Mine as select from db.E where ID > 0; }`,
		`INSERT INTO db_E (ID, level, at) VALUES (1, 1, '2024-01-01'), (2, 2, NULL), (3, NULL, NULL);`, cds.AppOptions{}, nil)
	where := func(name string, v cqn.Value) func(*cqn.Select) {
		return func(s *cqn.Select) {
			s.Where = &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef(name), R: &cqn.Lit{Value: v}}
		}
	}
	a.want(req{event: "READ", path: "S.Every", query: where("ID", cqn.String("x"))}, 400)
	a.want(req{event: "READ", path: "S.Every", query: where("at", cqn.String("yesterday"))}, 400)
	a.want(req{event: "READ", path: "S.Every", query: where("nosuch", cqn.Int(1))}, 400)
	if res, _ := a.want(req{event: "READ", path: "S.Every", query: where("at", cqn.String("2024-01-01"))}, 200); res.N != 1 {
		t.Errorf("%d rows", res.N)
	}
	for attr, n := range map[string]int{"1": 1, "x": 0, "": 0, "1,2": 2, "2,x": 1} {
		u := user("bob")
		for _, v := range strings.Split(attr, ",") {
			if v != "" {
				u.Attrs["level"] = append(u.Attrs["level"], v)
			}
		}
		if res, _ := a.want(req{event: "READ", path: "S.Mine", user: u}, 200); res.N != n {
			t.Errorf("level %q: %d rows, want %d", attr, res.N, n)
		}
	}
}
