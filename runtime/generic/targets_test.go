package generic_test

import (
	"testing"

	cds "cds/runtime"
	"cds/runtime/authz"
)

const targeted = `
context db {
entity Orders { key ID : Integer; pair : Association to Pairs @assert.target; maker : Association to Makers @assert.target; items : Composition of many Items on items.up = $self; head : Composition of one Heads; }
entity Items { key up : Association to Orders @assert.target; key pos : Integer; maker : Association to Makers @assert.target; closed : Association to Closed @assert.target;
  subs : Composition of many Subs on subs.up = $self; }
entity Subs { key up : Association to Items; key n : Integer; maker : Association to Makers @assert.target; pair : Association to Pairs @assert.target; }
entity Heads { key ID : Integer; maker : Association to Makers @assert.target; }
entity Makers { key ID : Integer; hidden : Boolean; }
entity Closed { key ID : Integer; }
entity Pairs { key a : Integer; key b : String(10); }
}
service Cat {
  entity Orders as projection on db.Orders;
  @restrict: [{grant: 'READ', where: 'hidden is null'}] entity Makers as projection on db.Makers;
  @requires: 'admin' entity Closed as projection on db.Closed;
  entity Pairs as projection on db.Pairs;
}`

const targetedData = `INSERT INTO db_Makers (ID, hidden) VALUES (1, NULL), (2, TRUE);
INSERT INTO db_Closed (ID) VALUES (1);
INSERT INTO db_Pairs (a, b) VALUES (1, 'x');
INSERT INTO db_Orders (ID, pair_a, pair_b) VALUES (1, 1, 'x');
INSERT INTO db_Items (up_ID, pos) VALUES (1, 1);`

// TestDeepTargets: @assert.target holds in nested rows as at the root, and a hidden or forbidden target is refused with the words for a missing one.
func TestDeepTargets(t *testing.T) {
	a := newApp(t, targeted, targetedData, cds.AppOptions{}, nil)
	items := func(rows ...*cds.Row) *cds.Row { return row("items", rows) }
	subs := func(rows ...*cds.Row) *cds.Row { return items(row("pos", 1, "subs", rows)) }
	const no = "ASSERT_TARGET Target with this key doesn't exist. "
	for _, tt := range []struct {
		name string
		data *cds.Row
		want string
	}{
		{"fine", items(row("pos", 1, "maker_ID", 1), row("pos", 2, "maker", row("ID", 1)), row("pos", 3, "maker", nil)), "ok"},
		{"missing", items(row("pos", 1, "maker_ID", 9)), no + "items(pos=1)/maker_ID"},
		{"hidden", items(row("pos", 1, "maker_ID", 2)), no + "items(pos=1)/maker_ID"},
		{"as object", items(row("pos", 1, "maker", row("ID", 2))), no + "items(pos=1)/maker_ID"},
		{"forbidden", items(row("pos", 1, "closed_ID", 1)), no + "items(pos=1)/closed_ID"},
		{"forbidden and missing", items(row("pos", 1, "closed_ID", 2)), no + "items(pos=1)/closed_ID"},
		{"each row", items(row("pos", 1, "maker_ID", 2), row("pos", 2, "maker_ID", 1), row("pos", 3, "maker_ID", 2)), no + "items(pos=1)/maker_ID; " + no + "items(pos=3)/maker_ID"},
		{"deeper", subs(row("n", 1, "maker_ID", 1), row("n", 2, "maker_ID", 2)), no + "items(pos=1)/subs(n=2)/maker_ID"},
		{"key of two parts", subs(row("n", 1, "pair", row("a", 1, "b", "x")), row("n", 2, "pair", row("a", 1, "b", "y"))), no + "items(pos=1)/subs(n=2)/pair_a"},
		{"composition of one", row("head", row("ID", 1, "maker_ID", 2)), no + "head/maker_ID"},
		{"root and child", row("maker_ID", 9, "items", []*cds.Row{row("pos", 1, "maker_ID", 9)}), no + "maker_ID; " + no + "items(pos=1)/maker_ID"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data := tt.data.Clone()
			data.Set("ID", row("ID", 100).Value("ID"))
			_, err := a.do(req{event: authz.Create, path: "Cat.Orders", user: user("u"), data: data})
			if got := faults(err); !sameParts(got, tt.want) {
				t.Errorf("create: got  %s\nwant %s", got, tt.want)
			}
			a.clear("db.Orders", 100)
			_, err = a.do(req{event: authz.Update, path: "Cat.Orders(1)", user: user("u"), data: tt.data})
			if got := faults(err); !sameParts(got, tt.want) {
				t.Errorf("update: got  %s\nwant %s", got, tt.want)
			}
		})
	}
	for _, tt := range []struct {
		data *cds.Row
		want string
	}{
		{row("pair_b", "y"), no + "pair_a"}, {row("pair_b", "x"), "ok"}, {row("pair_a", 2), no + "pair_a"}, {row("pair_a", nil), "ok"}, {row("pair_b", "y"), "ok"},
	} {
		_, err := a.do(req{event: authz.Update, path: "Cat.Orders(1)", user: user("u"), data: tt.data})
		if got := faults(err); got != tt.want {
			t.Errorf("part of a key %v: got %s, want %s", tt.data, got, tt.want)
		}
	}
}
