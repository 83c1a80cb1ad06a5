package explain_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	cdl "cds/parser"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/cdstest"
	"cds/runtime/db"
	"cds/runtime/explain"
)

const model = `
context db {
  entity Orders { key ID : Integer; @mask: { value: '***', unless: 'hr' } owner : String; @mask: { fn: 'first(1)', unless: ['hr', { where: (total < 20) }], write: 'clerk' } country : String; total : Integer; cost : Integer; secret : Boolean;
    items : Composition of many Items on items.order = $self; reviewers : Composition of many Reviewers on reviewers.order = $self; }
  entity Items { key ID : Integer; order : Association to Orders; qty : Integer; }
  entity Reviewers { key ID : Integer; order : Association to Orders; who : String; }
}
@requires: 'authenticated-user'
service S {
  @restrict: [
    { grant: ['READ', 'UPDATE'], where: 'owner = $user', message: 'Only the owner may change an order.' },
    { grant: 'READ', to: 'support', where: 'country = $user.country and total < 100' },
    { grant: 'READ', where: 'exists reviewers[who = $user]' },
    { grant: '*', to: 'admin' },
    { deny: 'READ', to: 'intern', where: 'secret = true' },
    { deny: '*', to: 'banned', message: 'You are banned.' } ]
  entity Orders as projection on db.Orders actions { action close(); };
  annotate Orders with { cost @requires: 'admin' };
  @readonly entity Items as projection on db.Items;
  @requires: 'admin' action purge();
}`

var data = map[string]string{
	"Orders":    "ID,owner,country,total,cost,secret\n1,bob,DE,10,1,false\n2,eve,FR,200,2,\n3,eve,DE,50,3,true\n4,zoe,,10,4,false\n",
	"Items":     "ID,order_ID,qty\n1,1,1\n2,2,2\n",
	"Reviewers": "ID,order_ID,who\n1,2,rita\n",
}

func start(t *testing.T, pool func(testing.TB) db.Pool) *cdstest.App {
	t.Helper()
	files := fstest.MapFS{}
	for name, text := range data {
		files["db/data/db-"+name+".csv"] = &fstest.MapFile{Data: []byte(text)}
	}
	return cdstest.New(t, cdstest.Config{FS: files, Database: pool, Model: func() (*csn.Model, error) {
		res := cdl.CompileString("srv/s.cds", model)
		if res.Model == nil {
			return nil, res.Diags
		}
		return res.Model, nil
	}})
}

func user(id string, attrs map[string][]string, roles ...string) *auth.User {
	return auth.New(auth.User{ID: id, Attrs: attrs}, roles...)
}

func TestExplain(t *testing.T)          { explains(t, start(t, nil)) }
func TestExplain_postgres(t *testing.T) { explains(t, start(t, cdstest.Postgres)) }

func explains(t *testing.T, app *cdstest.App) {
	german := map[string][]string{"country": {"DE"}}
	for _, c := range []struct {
		name string
		ask  explain.Ask
		// status and parts of the text; those with a leading ! must not be there
		status int
		want   []string
	}{
		{"own row", explain.Ask{User: user("bob", nil), Target: "S.Orders", Key: "1"}, 200,
			[]string{"true: owner = $user    with $user = 'bob', owner = 'bob'", "1 of 4 for bob; 3 hidden", "srv/s.cds:11", "!it would be allowed"}},
		{"hidden row", explain.Ask{User: user("bob", nil), Target: "S.Orders", Key: "2"}, 404,
			[]string{"deny", "false: owner = $user    with $user = 'bob', owner = 'eve'", "false: exists reviewers", "as the user 'eve'", "with the role admin", "hidden"}},
		{"missing row", explain.Ask{User: user("bob", nil), Target: "S.Orders", Key: "99"}, 404, []string{"there is no such row", "!it would be allowed"}},
		{"by a path", explain.Ask{User: user("rita", nil), Target: "S.Orders", Key: "2"}, 200, []string{"true: exists reviewers[who = $user]"}},
		{"part by part", explain.Ask{User: user("sam", german, "support"), Target: "S.Orders", Key: "2"}, 404,
			[]string{"false: country = $user.country and total < 100", "false: country = $user.country    with $user.country = 'DE', country = 'FR'", "false: total < 100    with total = 200"}},
		{"an attribute would do", explain.Ask{User: user("sam", map[string][]string{"country": {"FR"}}, "support"), Target: "S.Orders", Key: "3"}, 404, []string{"with $user.country = 'DE'"}},
		{"a role and an attribute", explain.Ask{User: user("sam", nil), Target: "S.Orders", Key: "3"}, 404, []string{"with the role admin"}},
		{"null is unknown", explain.Ask{User: user("sam", german, "support"), Target: "S.Orders", Key: "4"}, 404, []string{"unknown: country = $user.country    with $user.country = 'DE', country = null"}},
		{"denied", explain.Ask{User: user("eve", nil, "intern"), Target: "S.Orders", Key: "3"}, 404,
			[]string{"no   deny READ to intern where secret = true", "true: secret = true", "without the role intern"}},
		{"denied by what is unknown", explain.Ask{User: user("eve", nil, "intern"), Target: "S.Orders", Key: "2"}, 404, []string{"unknown: secret = true", "without the role intern"}},
		{"not denied", explain.Ask{User: user("bob", nil, "intern"), Target: "S.Orders", Key: "1"}, 200, []string{"yes  deny READ to intern"}},
		{"banned", explain.Ask{User: user("bob", nil, "admin", "banned"), Target: "S.Orders"}, 403, []string{"message: You are banned.", "without the role banned"}},
		{"readable, not to be changed", explain.Ask{User: user("sam", german, "support"), Target: "S.Orders", Key: "1", Event: "UPDATE"}, 403,
			[]string{"the user may read the row", "message: Only the owner may change an order.", "as the user 'bob'"}},
		{"hidden, not to be changed", explain.Ask{User: user("sam", nil), Target: "S.Orders", Key: "1", Event: "UPDATE"}, 404, []string{"it is hidden"}},
		{"create", explain.Ask{User: user("sam", nil), Target: "S.Orders", Event: "CREATE"}, 403, []string{"no grant of CREATE", "with the role admin"}},
		{"new values", explain.Ask{User: user("bob", nil), Target: "S.Orders", Key: "1", Event: "UPDATE"}, 200, []string{"new values must fulfil, else 403 AUTHZ_DATA\n  owner = $user"}},
		{"anonymous", explain.Ask{Target: "S.Orders"}, 401, []string{"anonymous", "logged in"}},
		{"read-only", explain.Ask{User: user("a", nil, "admin"), Target: "S.Items", Event: "DELETE"}, 405, []string{"no user may do this"}},
		{"part of a document", explain.Ask{User: user("bob", nil), Target: "S.Items", Key: "2"}, 404, []string{"parent S.Orders: READ"}},
		{"over a path", explain.Ask{User: user("bob", nil), Target: "S.Orders/items", Key: "1"}, 200, []string{"path S.Orders: READ"}},
		{"element", explain.Ask{User: user("bob", nil), Target: "S.Orders.cost"}, 403, []string{"element S.Orders.cost: READ", "with the role admin", "left out"}},
		{"masked element", explain.Ask{User: user("bob", nil), Target: "S.Orders.owner"}, 200, []string{"mask 200: S.Orders.owner@mask: '***' is shown", "requires hr", "with the role hr"}},
		{"computed mask", explain.Ask{User: user("bob", nil), Target: "S.Orders.country"}, 200,
			[]string{"mask 200: S.Orders.country@mask: first(1) is shown", "of rows that fulfil total < 20, it is the value itself", "requires hr", "grant READ to any where total < 20"}},
		{"computed mask of a row", explain.Ask{User: user("admin", nil, "admin"), Target: "S.Orders.country", Key: "2"}, 200,
			[]string{"mask 200", "false: total < 20    with total = 200", "with the role hr"}},
		{"row without its mask", explain.Ask{User: user("bob", nil), Target: "S.Orders.country", Key: "1"}, 200,
			[]string{"allow 200: S.Orders.country@mask: the row fulfils total < 20, so that the value is shown", "true: total < 20", "!would be"}},
		{"masked element to change", explain.Ask{User: user("bob", nil), Target: "S.Orders.country", Event: "UPDATE"}, 403,
			[]string{"deny 403: S.Orders.country@mask: who sees the mask does not change the value", "requires hr or clerk", "with the role clerk"}},
		{"unmasked element", explain.Ask{User: user("bob", nil, "hr"), Target: "S.Orders.owner"}, 200, []string{"allow if 200", "!would be"}},
		{"element of an admin", explain.Ask{User: user("a", nil, "admin"), Target: "S.Orders.cost"}, 200, nil},
		{"bound operation", explain.Ask{User: user("bob", nil), Target: "S.Orders.close", Key: "1"}, 403, []string{"no grant of close", "with the role admin"}},
		{"bound operation as event", explain.Ask{User: user("a", nil, "admin"), Target: "S.Orders", Event: "close", Key: "1"}, 200, nil},
		{"unbound operation", explain.Ask{User: user("bob", nil), Target: "S.purge"}, 403, []string{"S.purge@requires", "with the role admin"}},
		{"service", explain.Ask{Target: "S"}, 401, []string{"S@requires", "logged in"}},
		{"all of it in SQL", explain.Ask{User: user("bob", nil), Target: "S.Orders"}, 200, []string{"SELECT count(*)", "-- 1: $user"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := explain.Of(t.Context(), app.CDS, c.ask, nil)
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := r.Text(&b); err != nil {
				t.Fatal(err)
			}
			if r.Status != c.status {
				t.Errorf("%d, not %d", r.Status, c.status)
			}
			for _, w := range c.want {
				if text, not := strings.CutPrefix(w, "!"); strings.Contains(b.String(), text) == not {
					t.Errorf("%q: %v", w, not)
				}
			}
			if t.Failed() {
				t.Log(b.String())
			}
		})
	}
}

// What it tells is what the server answers.
func TestAgreesWithServer(t *testing.T) {
	files := fstest.MapFS{}
	for name, text := range data {
		files["db/data/db-"+name+".csv"] = &fstest.MapFile{Data: []byte(text)}
	}
	app := cdstest.New(t, cdstest.Config{FS: files, Users: []cdstest.TestUser{
		cdstest.User("bob"), cdstest.User("eve", cdstest.Roles("intern")), cdstest.User("sam", cdstest.Roles("support"), cdstest.Attr("country", "DE")),
		cdstest.User("ada", cdstest.Roles("admin")), cdstest.User("rita"), cdstest.User("bad", cdstest.Roles("admin", "banned")),
	}, Model: func() (*csn.Model, error) { return cdl.CompileString("srv/s.cds", model).Model, nil }})
	for _, name := range []string{"", "bob", "eve", "sam", "ada", "rita", "bad"} {
		for _, key := range []string{"1", "2", "3", "4", "99"} {
			for _, c := range []struct{ event, method, entity string }{{"READ", "GET", "Orders"}, {"READ", "GET", "Items"}, {"DELETE", "DELETE", "Orders"}, {"UPDATE", "PATCH", "Orders"}} {
				r, err := explain.Of(t.Context(), app.CDS, explain.Ask{User: app.UserNamed(name), Target: "S." + c.entity, Key: key, Event: c.event}, nil)
				if err != nil {
					t.Fatal(err)
				}
				if c.event == "DELETE" && r.Status < 400 {
					continue // the row is needed
				}
				var got *cdstest.Response
				url := "/odata/v4/s/" + c.entity + "(" + key + ")"
				switch c.method {
				case "GET":
					got = app.HTTP().As(name).GET(url)
				case "DELETE":
					got = app.HTTP().As(name).DELETE(url)
				default:
					got = app.HTTP().As(name).With("If-Match", "*").PATCH(url, map[string]any{"total": 10})
				}
				if code := got.Code(); code != r.Status && !(code == 204 && r.Status == 200) {
					t.Errorf("%s %s %s: %d, explained %d", name, c.method, url, code, r.Status)
				}
			}
		}
	}
}

func TestFaults(t *testing.T) {
	app := start(t, nil)
	for _, ask := range []explain.Ask{
		{Target: "S.Nope"}, {Target: ""}, {Target: "db.Orders"}, {Target: "S.Orders", Event: "FROB"}, {Target: "S.Orders", Key: "x"}, {Target: "S.Orders", Key: "a=1"},
		{Target: "S.Orders/nope"}, {Target: "S", Event: "DELETE"}, {Target: "S.purge", Key: "1"}, {Target: "S.purge", Event: "READ"}, {Target: "S.Orders.nope"},
	} {
		_, err := explain.Of(t.Context(), app.CDS, ask, nil)
		var e *explain.Error
		if !errors.As(err, &e) {
			t.Errorf("%+v: %v", ask, err)
		}
	}
}
