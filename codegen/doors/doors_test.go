package doors

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

func compile(t *testing.T, text string) *csn.Model {
	t.Helper()
	res := parser.CompileString("model.cds", text)
	if res.Model == nil || res.Diags.HasErrors() {
		t.Fatal(res.Diags)
	}
	return res.Model
}

const shop = `
context db {
  entity Customers { key ID : Integer; name : String; country : String; @requires: 'boss' credit : Integer; @mask: { value: '***', unless: 'boss' } iban : String;
    orders : Association to many Orders on orders.customer = $self; }
  entity Orders { key ID : UUID; owner : String; total : Decimal(9,2); title : localized String; customer : Association to Customers;
    items : Composition of many { key pos : Integer; qty : Integer; note : String; }; notes : Composition of many Notes on notes.order = $self; }
  entity Notes { key ID : Integer; order : Association to Orders; text : String; }
  entity Secrets { key ID : String(10); word : String; order : Association to Orders; }
}
@requires: 'authenticated-user'
service Shop {
  @restrict: [{ grant: 'READ', where: 'country = $user.country' }, { grant: '*', to: 'boss' }]
  @cds.redirection.target entity Customers as projection on db.Customers;
  @restrict: [{ grant: ['READ', 'close'], where: 'owner = $user' }, { grant: 'READ', to: 'clerk', where: 'customer.country = $user.country' },
    { grant: 'WRITE', to: 'clerk', where: 'owner = $user and total < 1000' }, { grant: '*', to: 'boss' }, { deny: 'DELETE', to: 'boss', where: 'total > 500' }]
  entity Orders as projection on db.Orders actions { action close(reason : String); function size(per : Integer) returns Integer; action every(in : many $self); };
  entity Notes as projection on db.Notes;
  @requires: 'boss' entity Secrets as projection on db.Secrets;
  @readonly @restrict: [{ grant: 'READ', where: 'exists orders[owner = $user]' }] entity Names as projection on db.Customers { ID, name, orders };
  @requires: 'clerk' action ping(x : Integer) returns Integer;
  function now() returns String;
}`

func run(t *testing.T, m *csn.Model, opt authz.Options) *Report {
	t.Helper()
	r, err := New(context.Background(), m, Options{Policy: opt})
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.Rows {
		row := &r.Rows[i]
		if !row.Same {
			t.Errorf("%s of %s for %v differs", row.Operation, row.Target, row.Roles)
			for _, d := range row.Doors {
				t.Logf("  %s: %d %s %v", d.Name, d.Status, d.Answer, d.Where)
			}
		}
	}
	if r.Statements == 0 || r.Differences != 0 {
		t.Errorf("%d statements, %d differences", r.Statements, r.Differences)
	}
	return r
}

// TestDoors: the doors to a model with all kinds of restrictions come to the same, and reach it.
func TestDoors(t *testing.T) {
	r := run(t, compile(t, shop), authz.Options{Strict: true, RestrictAllServices: true})
	reached := map[string]int{}
	for _, row := range r.Rows {
		for _, d := range row.Doors {
			if d.Answer == Unreached {
				t.Errorf("%s of %s for %v: %s was not reached: %d", row.Operation, row.Target, row.Roles, d.Name, d.Status)
			}
			reached[row.Operation+" "+strings.Join(row.Roles, "+")+" "+row.Target+" "+d.Answer+" "+strings.Join(d.Where, "; ")]++
		}
	}
	for what, least := range map[string]int{
		"READ any Shop.Orders refused ":                                                                             8,
		"READ authenticated-user Shop.Orders allowed row: owner = $user":                                            12,
		"READ clerk Shop.Orders allowed row: owner = $user or customer.country = $user.country":                     12,
		"READ boss Shop.Orders allowed row: true":                                                                   12,
		"UPDATE clerk Shop.Orders allowed new: owner = $user and total < 1000; row: owner = $user and total < 1000": 4,
		"CREATE clerk Shop.Orders refused new: owner = $user and total < 1000":                                      4,
		"DELETE boss Shop.Orders allowed row: not total > 500":                                                      4,
		"DELETE authenticated-user Shop.Orders refused ":                                                            4,
		"close authenticated-user Shop.Orders allowed row: owner = $user":                                           4,
		"READ authenticated-user Shop.Secrets refused ":                                                             8,
		"READ authenticated-user Shop.Customers.credit refused ":                                                    4,
		"FILTER authenticated-user Shop.Customers.iban refused ":                                                    5,
		"READ boss Shop.Customers.credit allowed row: true":                                                         4,
		"READ authenticated-user Shop.Names allowed row: exists orders[owner = $user]":                              8,
		"ping authenticated-user Shop.ping refused ":                                                                4,
		"ping clerk Shop.ping allowed ":                                                                             4,
	} {
		if reached[what] < least {
			t.Errorf("%q by %d doors, want %d", what, reached[what], least)
		}
	}
	if t.Failed() {
		for k, n := range reached {
			t.Logf("%3d %s", n, k)
		}
	}
}

// Models of others, if they are there.
func TestDoorsOfModels(t *testing.T) {
	for _, dir := range []string{"../../samples/bookshop", "../../../shared/conformance/models/bookshop", "../../../shared/conformance/models/authlab"} {
		t.Run(strings.ReplaceAll(strings.TrimLeft(dir, "./"), "/", "-"), func(t *testing.T) {
			if _, err := os.Stat(dir); err != nil {
				t.Skip("the recorded models are not beside the repository: ", dir)
			}
			res := parser.Compile(os.DirFS(dir), []string{"db", "srv"}, parser.Options{})
			if res.Model == nil {
				t.Fatal(res.Diags)
			}
			run(t, res.Model, authz.Options{RestrictAllServices: true})
		})
	}
}

// What differs is told.
func TestDifference(t *testing.T) {
	r := &runner{report: &Report{}}
	app, diags := cds.NewApp(compile(t, "service S { entity E { key ID : Integer; } }"), cds.AppOptions{})
	if app == nil {
		t.Fatal(diags)
	}
	r.app = app
	says := func(status int, seen ...cds.Observed) func(context.Context) int {
		return func(context.Context) int {
			r.seen = seen
			return status
		}
	}
	e := app.Model.Entity("S.E")
	access := authz.Access{Event: "CREATE", Path: []*csn.Entity{e}}
	check := func(n int64) cds.Observed {
		x := &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("ID"), R: &cqn.Lit{Value: cqn.Int(n)}}
		return cds.Observed{Access: access, Decision: &authz.Decision{Verdict: authz.AllowIf, Check: x}}
	}
	p := people(nil)[0]
	for _, c := range []struct {
		a, b func(context.Context) int
		same bool
	}{
		{says(200), says(404), true},
		{says(401), says(403), true},
		{says(200), says(403), false},
		{says(405), says(403), false},
		{says(200), says(400), true},
		{says(200, check(1)), says(200, check(1)), true},
		{says(403, check(1)), says(201, check(1)), false},
		{says(400, check(1)), says(201, check(1)), true},
		{says(403, check(1)), says(403, check(2)), false},
		{says(200, check(1)), says(200, check(2)), false},
		{says(200, check(1)), says(200), false},
		{says(200), says(200, cds.Observed{Query: &cqn.Delete{From: cqn.NewRef("S.X")}, Plan: nil}), true},
	} {
		r.report.Rows = nil
		r.compare(context.Background(), Row{Target: "S.E", Operation: "CREATE"}, p, e, false, []way{{"a", c.a}, {"b", c.b}})
		if got := r.report.Rows[0].Same; got != c.same {
			t.Errorf("%+v: same is %v", r.report.Rows[0].Doors, got)
		}
	}
}

// A condition counts only where it must hold.
func TestMust(t *testing.T) {
	for sql, want := range map[string]bool{
		"SELECT 1 FROM x AS t1 WHERE t1.a = 1":                      true,
		"SELECT 1 FROM x AS t1 WHERE (t1.a = 1)":                    true,
		"SELECT 1 FROM x AS t1 WHERE t1.b = 2 AND t1.a = 1 LIMIT 1": true,
		"SELECT 1 FROM y JOIN x AS t1 ON t1.a = 1":                  true,
		"SELECT 1 FROM x AS t1 WHERE t1.b = 2 OR t1.a = 1":          false,
		"SELECT 1 FROM x AS t1 WHERE t1.a = 1 OR t1.b = 2":          false,
		"SELECT 1 FROM x AS t1 WHERE NOT (t1.a = 1)":                false,
		"SELECT 1 FROM x AS t1":                                     false,
		"SELECT 1 WHERE NOT t1.a = 1 UNION SELECT 2 WHERE t1.a = 1": true,
	} {
		if got := holds([]string{sql}, "t1.a = 1"); got != want {
			t.Errorf("%s: %v", sql, got)
		}
	}
}

// Requests that no door understands are no answer.
func TestAnswer(t *testing.T) {
	for status, want := range map[int]string{200: Allowed, 201: Allowed, 204: Allowed, 404: Allowed, 412: Allowed, 501: Allowed, 401: Refused, 403: Refused, 405: Nobody, 400: Unreached, 415: Unreached, 500: Unreached, http.StatusConflict: Unreached} {
		if got := answer(status); got != want {
			t.Errorf("%d: %s, want %s", status, got, want)
		}
	}
}
