package generic_test

import (
	"context"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/authz"
	"cds/runtime/generic"
)

const asserted = `
context db {
type Tag : String(10) @assert.format: '^[a-z]+$';
type Status : String enum { open; paid; sent; };
entity Orders {
  key ID : Integer;
  stock : Integer @assert: (case when stock < 0 then 'NEGATIVE' when exists items[qty > 9] then 'TOO_MANY' when customer.blocked = true then 'BLOCKED' end);
  limit : Integer @assert: (limit is null or limit >= 10) @assert.message: 'Ten at least';
  note : String @mandatory: (status = 'paid') @mandatory.message: 'i18n>NOTE';
  qty : Integer @assert.range: [1, 5] @assert.range.message: 'Between one and five';
  status : Status default 'open' @assert.range;
  must : String not null;
  soft : String not null @assert.notNull: false default 'x';
  tags : many Tag;
  nums : many Integer @assert.range: [0, 9];
  lines : many { k : String @mandatory; v : Integer @assert.range: [(0), _]; };
  customer : Association to Customers;
  items : Composition of many Items on items.up = $self;
}
entity Items { key ID : Integer; up : Association to Orders; qty : Integer @assert: (case when qty = 7 then 'SEVEN' end);
  once : String @Core.Immutable; }
entity Customers { key ID : Integer; blocked : Boolean; }
}
service Cat {
  entity Orders as projection on db.Orders { *, stock as amount } excluding { stock };
  @requires: 'admin' entity Customers as projection on db.Customers;
  action act(tag : db.Tag, n : many Integer @assert.range: [0, 9], s : db.Status @assert.range);
}`

const assertedData = `INSERT INTO db_Customers (ID, blocked) VALUES (1, FALSE), (2, TRUE);
INSERT INTO db_Orders (ID, stock, must, soft, status) VALUES (1, 5, 'm', 'x', 'open'), (2, 5, 'm', 'x', 'paid');
INSERT INTO db_Items (ID, up_ID, qty, once) VALUES (1, 1, 1, 'first');`

func TestAssertions(t *testing.T) {
	a := newApp(t, asserted, assertedData, cds.AppOptions{}, nil)
	for _, tt := range []struct {
		name string
		data *cds.Row
		want string // codes, messages and targets
	}{
		{"fine", row("must", "m", "amount", 1, "items", []*cds.Row{row("ID", 10, "qty", 9)}), "ok"},
		{"own element", row("must", "m", "amount", -1), "ASSERT NEGATIVE amount"},
		{"exists", row("must", "m", "amount", 1, "items", []*cds.Row{row("ID", 10, "qty", 10)}), "ASSERT TOO_MANY amount"},
		{"path to what the user may not read", row("must", "m", "customer_ID", 2), "ASSERT BLOCKED amount"},
		{"path that holds", row("must", "m", "customer_ID", 1), "ok"},
		{"condition", row("must", "m", "limit", 9), "ASSERT Ten at least limit"},
		{"child", row("must", "m", "items", []*cds.Row{row("ID", 10, "qty", 7)}), "ASSERT SEVEN items(ID=10)/qty"},
		{"all together", row("must", "m", "amount", -1, "limit", 1, "items", []*cds.Row{row("ID", 10, "qty", 7), row("ID", 11, "qty", 7)}),
			"ASSERT SEVEN items(ID=10)/qty; ASSERT SEVEN items(ID=11)/qty; ASSERT Ten at least limit; ASSERT NEGATIVE amount"},
		{"mandatory by condition", row("must", "m", "status", "paid"), "ASSERT_MANDATORY NOTE note"},
		{"mandatory by condition, given", row("must", "m", "status", "paid", "note", "n"), "ok"},
		{"own message", row("must", "m", "qty", 6), "ASSERT_RANGE Between one and five qty"},
		{"not null missing", row(), "ASSERT_NOT_NULL Provide the missing value. must"},
		{"not null null", row("must", nil), "ASSERT_NOT_NULL Provide the missing value. must"},
		{"not null, check switched off", row("must", "m", "soft", nil), "NOT_NULL_CONSTRAINT_VIOLATION A value that must not be null is missing. "},
		{"items of an array, by their type", row("must", "m", "tags", []any{"a", "B", "c", "1"}), "ASSERT_FORMAT Enter a value matching the pattern ^[a-z]+$. tags[1]; ASSERT_FORMAT Enter a value matching the pattern ^[a-z]+$. tags[3]"},
		{"items of an array, by the element", row("must", "m", "nums", []any{0, 10}), "ASSERT_RANGE Enter a value between 0 and 9. nums[1]"},
		{"parts of items", row("must", "m", "lines", []*cds.Row{row("v", 1), row("v", 0)}), "ASSERT_RANGE Enter a value between >0 and _. lines[1]/v"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.data.Set("ID", cqn.Int(100))
			_, err := a.do(req{event: authz.Create, path: "Cat.Orders", user: user("u"), data: tt.data})
			if got := faults(err); !sameParts(got, tt.want) {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if left := a.sql("db.Orders", "ID"); (left == "1;2") != (tt.want != "ok") {
				t.Errorf("rows are %s", left)
			}
			a.clear("db.Items", 10)
			a.clear("db.Orders", 100)
		})
	}
}

// clear deletes the rows of a table from an ID on.
func (a *app) clear(entity string, from int64) {
	a.t.Helper()
	_, err := cds.DB(a.as(nil)).Run(a.as(nil), &cqn.Delete{From: cqn.NewRef(entity), Where: &cqn.Binary{Op: cqn.Ge, L: cqn.NewRef("ID"), R: &cqn.Lit{Value: cqn.Int(from)}}})
	if err != nil {
		a.t.Fatal(err)
	}
}

// faults shows an error with its details in one line.
func faults(err error) string {
	if err == nil {
		return "ok"
	}
	e := cds.AsError(err)
	if len(e.Details) == 0 {
		return e.Code + " " + e.Message + " " + e.Target
	}
	var all []string
	for _, d := range e.Details {
		all = append(all, faults(d))
	}
	return strings.Join(all, "; ")
}

func sameParts(a, b string) bool {
	x, y := strings.Split(a, "; "), strings.Split(b, "; ")
	if len(x) != len(y) {
		return false
	}
	for _, p := range x {
		if !strings.Contains("; "+b+"; ", "; "+p+"; ") {
			return false
		}
	}
	return true
}

func TestAssertionsOfUpdates(t *testing.T) {
	a := newApp(t, asserted, assertedData, cds.AppOptions{}, nil)
	u := user("u")
	_, e := a.want(req{event: authz.Update, path: "Cat.Orders(1)", user: u, data: row("amount", -5)}, 400)
	if got := faults(e); got != "ASSERT NEGATIVE amount" {
		t.Error(got)
	}
	// What was wrong before and is not made worse is the writer's business all the same: the row as it is now must hold.
	_, e = a.want(req{event: authz.Update, path: "Cat.Orders(2)", user: u, data: row("amount", 6)}, 400)
	if got := faults(e); got != "ASSERT_MANDATORY NOTE note" {
		t.Error(got)
	}
	// By code, with a computed value.
	_, err := a.Service("Cat").Run(a.as(u), &cqn.Update{Entity: cqn.NewRef("Orders"), Where: eq("ID", 1), With: []cqn.Assignment{
		{Name: "amount", X: &cqn.Binary{Op: cqn.Sub, L: cqn.NewRef("amount"), R: &cqn.Lit{Value: cqn.Int(9)}}}}})
	if got := faults(err); got != "ASSERT NEGATIVE amount" {
		t.Error(got)
	}
	// Immutable elements of children that exist stay.
	a.want(req{event: authz.Update, path: "Cat.Orders(1)", user: u, data: row("items", []*cds.Row{row("ID", 1, "qty", 2, "once", "second"), row("ID", 2, "once", "new")})}, 200)
	if got := a.sql("db.Items", "ID", "once"); got != "1,first;2,new" {
		t.Error(got)
	}
}

func TestAssertionsOfParameters(t *testing.T) {
	a := newApp(t, asserted, assertedData, cds.AppOptions{}, func(a *cds.App) {
		a.Service("Cat").On(cds.Match{Events: []cds.Event{"act"}}, func(context.Context, *cds.RawRequest, cds.Next) (*cds.Result, error) { return nil, nil })
	})
	a.want(req{path: "Cat.act", user: user("u"), data: row("tag", "a", "n", []any{1, 2}, "s", "paid")}, 200)
	_, e := a.want(req{path: "Cat.act", user: user("u"), data: row("tag", "1", "n", []any{1, 12}, "s", "gone")}, 400)
	if got := faults(e); !sameParts(got, "ASSERT_FORMAT Enter a value matching the pattern ^[a-z]+$. tag; ASSERT_RANGE Enter a value between 0 and 9. n[1]; ASSERT_ENUM Enter one of the allowed values: open, paid, sent. s") {
		t.Error(got)
	}
}

// TestUnfitAnnotationsStopTheStart: what is not understood must not pass as fulfilled.
func TestUnfitAnnotationsStopTheStart(t *testing.T) {
	for src, want := range map[string]string{
		`entity E { key ID : Integer; x : String @assert.format: '(?<!a)b'; }`:                          "look-around",
		`entity E { key ID : Integer; x : String @assert.format: '(a)\1'; }`:                            "back-references",
		`entity E { key ID : Integer; x : String @assert.format: '[a'; }`:                               "class",
		`entity E { key ID : Integer; x : Integer @assert.range: [1]; }`:                                "two ends",
		`@flow.status: x entity E { key ID : Integer; x : String; } actions { @from: #a action b(); };`: "no value",
	} {
		res := parser.CompileString("test.cds", "service S { "+src+" }")
		if res.Model == nil {
			t.Fatal(res.Diags)
		}
		core, diags := cds.NewApp(res.Model, cds.AppOptions{})
		if core == nil {
			t.Fatal(diags)
		}
		generic.Install(core)
		if err := core.Start(context.Background()); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "S.E") {
			t.Errorf("%s: %v", src, err)
		}
	}
}

func TestChecksCanBeReplaced(t *testing.T) {
	res := parser.CompileString("test.cds", `service S { entity E { key ID : Integer; x : String @assert.format: '(?<!a)b' @odd; y : Integer @assert.range: [1, 2]; } }`)
	core, _ := cds.NewApp(res.Model, cds.AppOptions{})
	generic.InstallWith(core, generic.Options{Checks: map[string]generic.NewCheck{
		"format": func(*csn.Element) (generic.Check, error) { return nil, nil },
		"range":  nil,
		"odd": func(el *csn.Element) (generic.Check, error) {
			if !el.Annotations.Is("odd") {
				return nil, nil
			}
			return func(f generic.Fault, v cqn.Value) {
				if len(v.Str())%2 == 0 {
					f.Add("odd", "EVEN", "even")
				}
			}, nil
		},
	}})
	if err := core.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	e := core.Model.Entity("S.E")
	ctx := core.NewContext(context.Background(), user("u"), "")
	_, err := core.Service("S").Dispatch(ctx, &cds.RawRequest{Event: authz.Create, Target: e, Data: row("ID", 1, "x", "ab", "y", 7)})
	if got := faults(err); got != "EVEN even x" {
		t.Error(got)
	}
}

const flows = `
context db { entity Travels { key ID : Integer; status : String enum { Open = 'O'; Accepted = 'A'; Rejected = 'X'; } default 'O'; owner : String; note : String;
  changed : String @cds.on.update: $user; } }
service Cat {
  @flow.status: status
  @restrict: [{ grant: '*', where: 'owner = $user' }]
  entity Travels as projection on db.Travels actions {
    @from: #Open @to: #Accepted action accept();
    @from: [#Open, 'A'] @to: #Rejected action reject(why : String) returns Travels;
    @from: #Rejected action look();
    @from: #Rejected @to: $flow.previous action back();
  };
}`

func TestFlows(t *testing.T) {
	a := newApp(t, flows, `INSERT INTO db_Travels (ID, status, owner) VALUES (1, 'O', 'u'), (2, 'A', 'u'), (3, 'A', 'other');`, cds.AppOptions{}, func(a *cds.App) {
		a.Service("Cat").On(cds.Match{Events: []cds.Event{"reject"}, Entities: []string{"Travels"}}, func(ctx context.Context, r *cds.RawRequest, next cds.Next) (*cds.Result, error) {
			_, err := r.Service.Run(ctx, &cqn.Update{Entity: cqn.NewRef("Travels"), Where: eq("ID", 1), Data: row("note", "rejected")})
			return &cds.Result{}, err
		})
	})
	u := user("u")
	a.want(req{path: "Cat.Travels(1)/accept", user: u}, 200)
	_, e := a.want(req{path: "Cat.Travels(1)/accept", user: u}, 409)
	if e.Code != "INVALID_FLOW_TRANSITION" || e.Message != `Action "accept" requires "status" to be "O".` || e.Target != "status" {
		t.Errorf("%+v", e)
	}
	res, _ := a.want(req{path: "Cat.Travels(1)/reject", user: u, data: row("why", "x")}, 200)
	if len(res.Rows) != 1 || res.Rows[0].Value("status").Str() != "X" || res.Rows[0].Value("note").Str() != "rejected" {
		t.Errorf("%v", res.Rows)
	}
	a.want(req{path: "Cat.Travels(1)/look", user: u}, 200)
	a.want(req{path: "Cat.Travels(1)/back", user: u}, 501)
	if got := a.sql("db.Travels", "ID", "status", "changed"); got != "1,X,u;2,A,null;3,A,null" {
		t.Error(got)
	}
	// The state of a row that the user may not act on is no news: the answer is that for a missing row.
	_, hidden := a.want(req{path: "Cat.Travels(3)/accept", user: u}, 404)
	_, missing := a.want(req{path: "Cat.Travels(9)/accept", user: u}, 404)
	if hidden.Message != missing.Message || hidden.Code != missing.Code {
		t.Errorf("%v, %v", hidden, missing)
	}
}

const lockable = `
context db { entity Orders { key ID : Integer; closed : Boolean; note : String @readonly: (closed = true); free : String; who : Association to Users @readonly: (closed = true);
  items : Composition of many Items on items.up = $self; }
entity Items { key ID : Integer; up : Association to Orders; qty : Integer @readonly: (up.closed = true); }
entity Users { key ID : Integer; } }
service Cat { entity Orders as projection on db.Orders { *, note as remark } excluding { note }; entity Users as projection on db.Users; }`

// TestReadOnlyOnCondition: what is sent is dropped, silently as for any read-only element, in the rows that the condition holds for.
func TestReadOnlyOnCondition(t *testing.T) {
	a := newApp(t, lockable, `INSERT INTO db_Orders (ID, closed, note, free) VALUES (1, FALSE, 'a', 'x'), (2, TRUE, 'a', 'x');
INSERT INTO db_Items (ID, up_ID, qty) VALUES (1, 1, 1), (2, 2, 1);`, cds.AppOptions{}, nil)
	u := user("u")
	for _, id := range []string{"1", "2"} {
		items := []*cds.Row{row("ID", int(id[0]-'0'), "qty", 5)}
		a.want(req{event: authz.Update, path: "Cat.Orders(" + id + ")", user: u, data: row("remark", "b", "free", "y", "who_ID", 7, "items", items)}, 200)
	}
	if got := a.sql("db.Orders", "ID", "note", "free", "who_ID"); got != "1,b,y,7;2,a,y,null" {
		t.Error(got)
	}
	if got := a.sql("db.Items", "ID", "qty"); got != "1,5;2,1" {
		t.Error(got)
	}
	a.want(req{event: authz.Create, path: "Cat.Orders", user: u, data: row("ID", 3, "remark", "n", "closed", true)}, 200)
	if got := a.sql("db.Orders", "ID", "note"); got != "1,b;2,a;3,n" {
		t.Error(got)
	}
}
