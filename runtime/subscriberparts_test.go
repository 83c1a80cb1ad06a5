package cds_test

import (
	"context"
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
)

const nested = `
context db {
  type Address { @requires: 'buyer' street : String; city : String; };
  type Cost : Books:cost;
  entity Books { key ID : Integer; @requires: 'buyer' cost : Integer; more : Integer = cost + 1; address : Address;
     size { @requires: 'buyer' x : Integer; y : Integer; }; @requires: 'buyer' shut { z : Integer; }; @requires: 'buyer' lots : many { x : Integer; y : Integer; };
     up : Association to Books; }
}
@requires: 'authenticated-user'
service Stock {
  event Named { a : db.Address; };
  event Declared { a : db.Books:address; b : db.Books:size; c : db.Books:shut; d : db.Books:shut.z; e : db.Books:up.cost; f : db.Books:more; };
  event Inline { a { @requires: 'buyer' street : String; city : String; deep { @mask: { value: 'x' } b : String; c : String; }; }; };
  event Lists { a : many db.Address; b : many { c : db.Books:cost; d : Integer; }; c : db.Books:lots; d : many db.Books:cost; };
  event Whole : db.Address;
  event Row : db.Books;
  event Shut : db.Books:shut;
  event Rows { a : db.Books; b : many db.Books; };
  event Alias { a : db.Cost; b : Alias2:c; };
  event Alias2 { c : db.Cost; };
  event Link { a : Association to db.Books; };
  event Own { @requires: 'any' a : db.Books:cost; };
  event View : projection on db.Books { ID, cost as k, address };
  event Free { m : Map; n : many Integer; };
}`

func TestDeliveryOfStructures(t *testing.T) {
	row := func(kv ...any) *cqn.Row {
		out := cqn.NewRow()
		for i := 0; i < len(kv); i += 2 {
			var v cqn.Value
			switch x := kv[i+1].(type) {
			case *cqn.Row:
				v = cqn.OfRow(x)
			case []*cqn.Row:
				v = cqn.OfRows(x)
			case cqn.Value:
				v = x
			case string:
				v = cqn.String(x)
			case int:
				v = cqn.Int(int64(x))
			}
			out.Set(kv[i].(string), v)
		}
		return out
	}
	addr := row("street", "S", "city", "C")
	app := stockApp(t, nested, cds.AppOptions{})
	for _, c := range []struct {
		event       string
		data        *cqn.Row
		want, buyer string // "": all
	}{
		{"Named", row("a", addr), `{"a":{"city":"C"}}`, ""},
		{"Named", row("a", row("street", "S", "town", "T")), `{"a":{}}`, `{"a":{"street":"S"}}`},
		{"Named", row("a", cqn.Null), ``, ``},
		{"Declared", row("a", addr, "b", row("x", 1, "y", 2), "c", row("z", 3), "d", 4, "e", 5, "f", 6), `{"a":{"city":"C"},"b":{"y":2}}`, ""},
		{"Inline", row("a", row("street", "S", "city", "C", "deep", row("b", "B", "c", "C"))), `{"a":{"city":"C","deep":{"c":"C"}}}`, `{"a":{"street":"S","city":"C","deep":{"c":"C"}}}`},
		{"Lists", row("a", []*cqn.Row{addr, addr}, "b", []*cqn.Row{row("c", 1, "d", 2)}, "c", cqn.List([]cqn.Value{cqn.OfRow(row("x", 1, "y", 2))}), "d", cqn.List([]cqn.Value{cqn.Int(7)})),
			`{"a":[{"city":"C"},{"city":"C"}],"b":[{"d":2}],"d":[]}`, ""},
		{"Whole", addr, `{"city":"C"}`, ""},
		{"Shut", row("z", 1), `{}`, ""},
		{"Row", row("ID", 1, "cost", 2, "more", 3, "address", addr, "size", row("x", 1, "y", 2), "shut", row("z", 1), "lots", []*cqn.Row{row("x", 1, "y", 2)}, "up", row("ID", 9, "cost", 8)),
			`{"ID":1,"address":{"city":"C"},"size":{"y":2},"up":{"ID":9}}`,
			`{"ID":1,"cost":2,"more":3,"address":{"street":"S","city":"C"},"size":{"x":1,"y":2},"shut":{"z":1},"lots":[{"x":1,"y":2}],"up":{"ID":9}}`},
		{"Rows", row("a", row("ID", 1, "cost", 2), "b", []*cqn.Row{row("ID", 1, "more", 2)}), `{"a":{"ID":1},"b":[{"ID":1}]}`, ""},
		{"Alias", row("a", 1, "b", 2), `{}`, ""},
		{"Link", row("a", row("ID", 1, "cost", 2, "address", addr)), `{"a":{"ID":1}}`, `{"a":{"ID":1}}`},
		{"Own", row("a", 1), ``, ``},
		{"View", row("ID", 1, "k", 2, "address", addr), `{"ID":1,"address":{"city":"C"}}`, ""},
		{"Free", row("m", row("x", 1), "n", cqn.List([]cqn.Value{cqn.Int(7)})), "", ""},
	} {
		all := string(cds.Format{}.AppendValue(nil, nil, cqn.OfRow(c.data)))
		for _, u := range []struct {
			user *cds.User
			want string
		}{{who("bob"), c.want}, {who("bea", "buyer"), c.buyer}} {
			got := "nothing"
			s, err := app.SubscribeUser(context.Background(), u.user, "Stock."+c.event, func(m *cds.EventMessage) {
				got = string(cds.Format{}.AppendValue(nil, nil, cqn.OfRow(m.Data)))
			})
			if err != nil {
				t.Fatalf("%s: %v", c.event, err)
			}
			if err := app.Service("Stock").Emit(app.NewContext(context.Background(), who("eve"), ""), c.event, c.data); err != nil {
				t.Fatalf("%s: %v", c.event, err)
			}
			s.Close()
			want := u.want
			if want == "" {
				want = all
			}
			if got != want {
				t.Errorf("%s to %s: %s, want %s", c.event, u.user.ID, got, want)
			}
		}
	}
}
