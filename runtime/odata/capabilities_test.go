package odata_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	cdl "cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/cdstest"
	"cds/runtime/config"
)

const orders = `
context db {
  entity Orders {
    key ID : Integer;
    owner : String(20); country : String(2); total : Integer;
    status : String(20) enum { open; approved } default 'open';
    margin : Integer;
    items : Composition of many Items on items.order = $self;
  }
  entity Items { key ID : Integer; order : Association to Orders; product : String(20); }
  entity Secrets { key ID : Integer; code : String(20); }
}
@path: '/shop' @requires: 'authenticated-user'
service Shop {
  @restrict: [
    { grant: 'READ' },
    { grant: ['UPDATE', 'approve'], to: 'clerk', where: 'owner = $user' },
    { grant: 'DELETE', to: 'clerk', where: 'owner = $user and total < 100' },
    { grant: '*', to: 'manager' }
  ]
  @flow.status: status
  entity Orders as projection on db.Orders actions {
    @from: #open @to: #approved
    action approve();
    action archive();
  };
  entity Items as projection on db.Items;
  @requires: 'manager'
  entity Secrets as projection on db.Secrets;
  @requires: 'manager'
  action close();
}
annotate Shop.Orders with { margin @requires: 'manager'; };
`

func ordersConfig() cdstest.Config {
	return cdstest.Config{
		FS: fstest.MapFS{
			"db/data/db-Orders.csv": {Data: []byte("ID,owner,country,total,status,margin\n1,bob,DE,20,open,5\n2,eve,FR,500,open,6\n3,bob,DE,700,approved,7\n")},
			"db/data/db-Items.csv":  {Data: []byte("ID,order_ID,product\n1,1,Pen\n2,2,Ink\n")},
		},
		Users: []cdstest.TestUser{cdstest.User("bob", cdstest.Roles("clerk")), cdstest.User("vera", cdstest.Roles("manager")), cdstest.User("nobody")},
	}
}

// TestCapabilities asks as several users what they may do.
func TestCapabilities(t *testing.T) {
	cfg := ordersConfig()
	cfg.Model = compiled(orders)
	app := cdstest.New(t, cfg)
	const all = `{"read":["ID","owner","country","total","status","margin","items"],"masked":[],"create":["ID","owner","country","total","status","margin","items"],"update":["owner","country","total","status","margin","items"]}`
	item := func(may string) string {
		return `"Items":{"read":"all","create":"` + may + `","update":"` + may + `","delete":"` + may + `","actions":{},"elements":{"read":["ID","order","order_ID","product"],"masked":[],`
	}
	const allItems = `"create":["ID","order","order_ID","product"],"update":["order","order_ID","product"]}}`
	for user, want := range map[string]string{
		"bob": `{"service":"Shop","actions":{"close":"none"},"entities":{"Orders":{"read":"all","create":"none","update":"some","delete":"some","actions":{"approve":"some","archive":"none"},` +
			`"elements":{"read":["ID","owner","country","total","status","items"],"masked":[],"create":[],"update":["owner","country","total","status","items"]}},` + item("some") + allItems +
			`,"Secrets":{"read":"none","create":"none","update":"none","delete":"none","actions":{},"elements":{"read":[],"masked":[],"create":[],"update":[]}}}}`,
		"vera": `{"service":"Shop","actions":{"close":"all"},"entities":{"Orders":{"read":"all","create":"all","update":"all","delete":"all","actions":{"approve":"all","archive":"all"},` +
			`"elements":` + all + `},` + item("all") + allItems +
			`,"Secrets":{"read":"all","create":"all","update":"all","delete":"all","actions":{},"elements":{"read":["ID","code"],"masked":[],"create":["ID","code"],"update":["code"]}}}}`,
		"nobody": `{"service":"Shop","actions":{"close":"none"},"entities":{"Orders":{"read":"all","create":"none","update":"none","delete":"none","actions":{"approve":"none","archive":"none"},` +
			`"elements":{"read":["ID","owner","country","total","status","items"],"masked":[],"create":[],"update":[]}},` + item("none") + `"create":[],"update":[]}}` +
			`,"Secrets":{"read":"none","create":"none","update":"none","delete":"none","actions":{},"elements":{"read":[],"masked":[],"create":[],"update":[]}}}}`,
	} {
		r := app.HTTP().As(user).GET("/shop/-/capabilities").Status(200)
		if r.Body() != want {
			t.Errorf("%s:\n%s\nwant\n%s", user, r.Body(), want)
		}
		if r.Header("Cache-Control") != "private, no-cache" || !strings.Contains(r.Header("Vary"), "Authorization") {
			t.Errorf("%s: Cache-Control %q, Vary %q", user, r.Header("Cache-Control"), r.Header("Vary"))
		}
		app.HTTP().As(user).With("If-None-Match", r.Header("ETag")).GET("/shop/-/capabilities").Status(304)
	}
	app.HTTP().GET("/shop/-/capabilities").Status(401)
	app.HTTP().As("bob").POST("/shop/-/capabilities", "{}").Status(405)
	app.HTTP().As("bob").GET("/shop/-/other").Status(404)
	app.HTTP().POST("/shop/-/capabilities", "{}").Status(401)
}

// compiled returns what compiles a model.
func compiled(text string) func() (*csn.Model, error) {
	return func() (*csn.Model, error) {
		res := cdl.CompileString("model.cds", text)
		return res.Model, res.Diags.Err()
	}
}

const wantsRights = `odata.include-annotations="cds.may"`

// TestRowRights compares what is said of each row with what happens, for changes, deletions and actions.
func TestRowRights(t *testing.T) {
	onBothOf(t, orders, ordersConfig(), func(t *testing.T, app *cdstest.App) {
		s := app.CDS.Service("Shop")
		e := s.Model.Entity("Orders")
		said := map[bool]int{}
		for _, user := range []string{"bob", "vera", "nobody"} {
			var body struct{ Value []map[string]any }
			app.HTTP().As(user).With("Prefer", wantsRights).GET("/shop/Orders").Status(200).JSON(&body)
			if len(body.Value) != 3 {
				t.Fatalf("%s sees %v", user, body.Value)
			}
			for _, row := range body.Value {
				key := cqn.NewRow(cqn.Field{Name: "ID", Value: cqn.Int(int64(row["ID"].(float64)))})
				may := row["@cds.may"].(map[string]any)
				tells := map[string]bool{"UPDATE": may["update"].(bool), "DELETE": may["delete"].(bool)}
				for name, v := range may["actions"].(map[string]any) {
					tells[name] = v.(bool)
				}
				if len(tells) != 4 {
					t.Errorf("%s, %v: %v", user, row, tells)
				}
				inGo, err := s.May(app.As(user), "Orders", key)
				if err != nil {
					t.Fatal(err)
				}
				for what, yes := range tells {
					said[yes]++
					err := undone(app, user, func(ctx context.Context) error {
						r := &cds.RawRequest{Event: cds.Event(what), Target: e, Params: []cds.Keys{{Entity: e, Values: key}}, Op: e.Action(what), Path: []*csn.Entity{e}}
						switch what {
						case "UPDATE":
							r.Query, r.Data = &cqn.Update{Entity: cqn.NewRef(e.Name), Where: cds.KeyFilter(e, key)}, cqn.NewRow(cqn.Field{Name: "country", Value: cqn.String("FR")})
							r.MustExist = true
						case "DELETE":
							r.Query = &cqn.Delete{From: cqn.NewRef(e.Name), Where: cds.KeyFilter(e, key)}
						}
						res, err := s.Dispatch(ctx, r)
						if err == nil && what == "DELETE" && res.Affected == 0 {
							err = errors.New("no row")
						}
						return err
					})
					if err != nil && cds.AsError(err).Status == 501 { // allowed, and not implemented
						err = nil
					}
					if yes != (err == nil) {
						t.Errorf("%s: %s of %v is said to be %v, yet it ends with %v", user, what, key, yes, err)
					}
					if have := map[string]bool{"UPDATE": inGo.Update, "DELETE": inGo.Delete}; what == "UPDATE" || what == "DELETE" {
						if have[what] != yes {
							t.Errorf("%s: %s of %v is %v in Go, %v over HTTP", user, what, key, have[what], yes)
						}
					} else if inGo.Actions[what] != yes {
						t.Errorf("%s: %s of %v is %v in Go, %v over HTTP", user, what, key, inGo.Actions[what], yes)
					}
				}
			}
		}
		if said[true] < 10 || said[false] < 10 {
			t.Errorf("%v: the test has lost its sense", said)
		}
	})
}

var errUndo = errors.New("undone")

// undone does something as a user and takes it back.
func undone(app *cdstest.App, user string, fn func(ctx context.Context) error) error {
	var done error
	err := app.CDS.Tx(app.As(user), func(ctx context.Context) error {
		done = fn(ctx)
		return errUndo
	})
	if done == nil && !errors.Is(err, errUndo) {
		return err
	}
	return done
}

// TestRowRights_forms asks for rights in all kinds of answers.
func TestRowRights_forms(t *testing.T) {
	cfg := ordersConfig()
	cfg.Model = compiled(strings.Replace(orders, "@path: '/shop'", "@protocol: [{kind: 'odata', path: '/shop'}, {kind: 'rest', path: '/rest'}]", 1))
	app := cdstest.New(t, cfg)
	const first = `"@cds.may":{"update":true,"delete":true,"actions":{"approve":true,"archive":false}}`
	for _, tc := range []struct{ prefer, url, has, lacks string }{
		{wantsRights, "/shop/Orders(1)", first, ""},
		{wantsRights, "/shop/Orders?$select=ID&$filter=ID%20eq%201", `[{"ID":1,` + first + `}]`, ""},
		{wantsRights, "/shop/Orders?$expand=items&$filter=ID%20eq%202", `"items":[{"ID":2,"order_ID":2,"product":"Ink","@cds.may":{"update":false,"delete":false}}]`, ""},
		{wantsRights, "/shop/Items?$expand=order&$filter=ID%20eq%201", `"order":{"ID":1,"owner":"bob","country":"DE","total":20,"status":"open",` + first + `},"@cds.may":{"update":true,"delete":true}`, ""},
		{wantsRights, "/shop/Orders(1)/items", `"@cds.may":{"update":true,"delete":true}`, ""},
		{wantsRights, "/shop/Items(1)/order", first, ""},
		{wantsRights, "/shop/Orders?$filter=startswith(owner,'e')%20and%2010%20div%20total%20gt%20-1", `"ID":2`, ""},
		{"", "/shop/Orders?cds-may=true&$top=1", first, ""},
		{"", "/shop/Orders?cds-may=false&$top=1", `"ID":1`, "cds.may"},
		{"", "/shop/Orders?cds-may=true&cds-may=true&$top=1", `"ID":1`, "cds.may"},
		{"", "/shop/Orders?cds-may=true&$expand=items($select=ID;$top=1)&$filter=ID%20eq%201", first, ""},
		{"", "/rest/Orders?cds-may=true&$filter=ID%20eq%201", first, "@odata"},
		{wantsRights, "/rest/Orders/1", first, "@odata"},
		{wantsRights, "/rest/Orders?$filter=ID%20eq%201", first, "@odata"},
		{`return=minimal, include-annotations="-*,cds.*"; x=1`, "/shop/Orders(1)", first, ""},
		{"", "/shop/Orders(1)", "", "cds.may"},
		{`odata.include-annotations="*,-cds.may"`, "/shop/Orders(1)", "", "cds.may"},
		{wantsRights, "/shop/Orders?$apply=aggregate(total%20with%20sum%20as%20t)", `"t":1220`, "cds.may"},
		{wantsRights, "/shop/Orders?$apply=groupby((country))", `"country":"DE"`, "cds.may"},
		{wantsRights, "/shop/Orders/$count", "3", "cds.may"},
	} {
		c := app.HTTP().As("bob")
		if tc.prefer != "" {
			c = c.With("Prefer", tc.prefer)
		}
		r := c.GET(tc.url).Status(200)
		if !strings.Contains(r.Body(), tc.has) || tc.lacks != "" && strings.Contains(r.Body(), tc.lacks) {
			t.Errorf("%s, GET %s: %s", tc.prefer, tc.url, r.Body())
		}
		if applied := strings.Contains(r.Body(), "cds.may") && tc.prefer != ""; applied != strings.Contains(r.Header("Preference-Applied"), "cds.may") {
			t.Errorf("%s, GET %s: Preference-Applied %q", tc.prefer, tc.url, r.Header("Preference-Applied"))
		}
	}
	batch := app.HTTP().As("bob").POST("/shop/$batch", `{"requests":[{"id":"1","method":"GET","url":"Orders(1)","headers":{"prefer":"include-annotations=cds.may"}},{"id":"2","method":"GET","url":"Orders(1)"}]}`).Status(200)
	if n := strings.Count(batch.Body(), "@cds.may"); n != 1 {
		t.Errorf("%d of two parts have rights: %s", n, batch.Body())
	}
	batch = app.HTTP().As("bob").POST("/shop/$batch", `{"requests":[{"id":"1","method":"GET","url":"Orders?cds-may=true&$expand=items($select=ID;$top=1)&$filter=ID eq 1"}]}`).Status(200)
	if !strings.Contains(batch.Body(), first) {
		t.Errorf("a part that asks by its query: %s", batch.Body())
	}
	app.HTTP().As("bob").GET("/rest/-/capabilities").Status(200)
	// What is asked of rows cannot be asked by name, nor be used to look behind what is hidden.
	for _, url := range []string{"/shop/Orders?$orderby=cds.rights()", "/shop/Orders?$filter=cds.rights()", "/shop/Orders?$compute=cds.rights()%20as%20x", "/shop/Orders?$select=cds.rights()"} {
		if r := app.HTTP().As("bob").With("Prefer", wantsRights).GET(url); r.Code() < 400 {
			t.Errorf("GET %s: %d %s", url, r.Code(), r.Body())
		}
	}
}

// TestRowRights_handlers asks for rights where handlers see the rows, or make them.
func TestRowRights_handlers(t *testing.T) {
	cfg := ordersConfig()
	cfg.Model = compiled(orders)
	own := false
	cfg.Register = func(app *cds.App) error {
		s := app.Service("Shop")
		read := cds.Match{Events: []cds.Event{"READ"}, Entities: []string{"Orders"}}
		s.After(read, func(_ context.Context, _ *cds.RawRequest, res *cds.Result) error {
			for _, row := range res.Rows {
				row.Set("country", cqn.String("XX"))
			}
			return nil
		})
		s.On(read, func(ctx context.Context, r *cds.RawRequest, next cds.Next) (*cds.Result, error) {
			if own {
				return &cds.Result{Rows: []*cds.Row{cqn.NewRow(cqn.Field{Name: "ID", Value: cqn.Int(9)})}}, nil
			}
			return next(ctx, r)
		})
		return nil
	}
	app := cdstest.New(t, cfg)
	r := app.HTTP().As("bob").With("Prefer", wantsRights).GET("/shop/Orders?$expand=items").Status(200)
	for _, want := range []string{`"country":"XX"`, `"@cds.may":{"update":true,"delete":true,"actions":{"approve":true,"archive":false}}`, `"product":"Pen","@cds.may":{"update":true,"delete":true}`} {
		if !strings.Contains(r.Body(), want) {
			t.Errorf("%s\nlacks %s", r.Body(), want)
		}
	}
	own = true
	if r := app.HTTP().As("bob").With("Prefer", wantsRights).GET("/shop/Orders").Status(200); strings.Contains(r.Body(), "cds.may") || !strings.Contains(r.Body(), `"ID":9`) {
		t.Errorf("rows of a handler: %s", r.Body())
	}
}

// TestRights_inGo asks from code: as a user, as nobody, and with all rights.
func TestRights_inGo(t *testing.T) {
	cfg := ordersConfig()
	cfg.Model = compiled(orders)
	app := cdstest.New(t, cfg)
	s := app.CDS.Service("Shop")
	orders := s.Model.Entity("Orders")
	key := cqn.NewRow(cqn.Field{Name: "ID", Value: cqn.Int(2)})
	if r := s.Rights(app.As("bob")).Entity(orders); r.Delete != cds.MaySome || r.Create != cds.MayNone {
		t.Errorf("bob: %+v", r)
	}
	if r := s.Rights(app.As("bob")); r != s.Rights(app.As("bob")) {
		t.Error("the same rights are made twice")
	}
	if r := s.Rights(app.As("")).Entity(orders); r.Any() {
		t.Errorf("anonymous: %+v", r)
	}
	for user, status := range map[string]int{"": 401, "bob": 404} {
		_, err := s.May(app.As(user), "Orders", cqn.NewRow(cqn.Field{Name: "ID", Value: cqn.Int(99)}))
		if err == nil || cds.AsError(err).Status != status {
			t.Errorf("%q, a missing row: %v", user, err)
		}
	}
	if _, err := s.May(app.As("bob"), "Orders", cqn.NewRow()); err == nil || cds.AsError(err).Status != 400 {
		t.Errorf("no key: %v", err)
	}
	if _, err := s.May(app.As("bob"), "Nothing", key); err == nil || cds.AsError(err).Status != 404 {
		t.Errorf("no entity: %v", err)
	}
	if _, err := s.May(app.As("bob"), "Secrets", key); err == nil || cds.AsError(err).Status != 403 {
		t.Errorf("forbidden entity: %v", err)
	}
	err := cds.Privileged(app.As("bob"), "test", func(ctx context.Context) error {
		may, err := s.May(ctx, "Orders", key)
		if err == nil && (!may.Update || !may.Delete || !may.Actions["approve"]) {
			t.Errorf("privileged: %+v", may)
		}
		if r := s.Rights(ctx).Entity(orders); r.Delete != cds.MayAll || r.Create != cds.MayAll {
			t.Errorf("privileged: %+v", r)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestRowRights_drafts asks for rights on active rows and drafts.
func TestRowRights_drafts(t *testing.T) {
	const model = `
entity db.Docs { key ID : Integer; title : String(20); owner : String(20); parts : Composition of many db.Parts on parts.doc = $self; }
entity db.Parts { key ID : Integer; doc : Association to db.Docs; text : String(20); }
@path: '/docs' @requires: 'authenticated-user' service Docs {
  @restrict: [{ grant: ['READ', 'CREATE'] }, { grant: ['UPDATE', 'publish'], where: 'owner = $user or owner is null' }, { grant: 'DELETE', where: 'owner = $user' }]
  @odata.draft.enabled entity Docs as projection on db.Docs actions { action publish(); };
}`
	cfg := cdstest.Config{
		FS:       fstest.MapFS{"db/data/db-Docs.csv": {Data: []byte("ID,title,owner\n1,one,\n2,two,eve\n")}, "db/data/db-Parts.csv": {Data: []byte("ID,doc_ID,text\n1,1,a\n")}},
		Users:    []cdstest.TestUser{cdstest.User("bob"), cdstest.User("eve")},
		Register: func(*cds.App) error { return nil },
	}
	onBothOf(t, model, cfg, func(t *testing.T, app *cdstest.App) {
		as := func(user string) *cdstest.Client { return app.HTTP().As(user).With("Prefer", wantsRights) }
		has := func(r *cdstest.Response, wants ...string) {
			t.Helper()
			for _, want := range wants {
				if r.Code() != 200 || !strings.Contains(r.Body(), want) {
					t.Errorf("%d %s\nlacks %s", r.Code(), r.Body(), want)
				}
			}
		}
		const active = "/docs/Docs(ID=1,IsActiveEntity=true)"
		const open = `"@cds.may":{"update":true,"delete":false,"actions":{"publish":true}}`
		has(as("eve").GET(active), open)
		as("bob").POST(active+"/Docs.draftEdit", `{"PreserveChanges":false}`).Status(201)
		has(as("bob").GET(active), open)
		// Somebody else's draft keeps the row from being changed, and from being deleted; it says nothing of actions.
		has(as("eve").GET(active), `"@cds.may":{"update":false,"delete":false,"actions":{"publish":true}}`)
		app.HTTP().As("eve").PATCH(active, `{"title":"x"}`).Status(409)
		// One's own draft is changed and thrown away.
		has(as("bob").GET("/docs/Docs(ID=1,IsActiveEntity=false)?$expand=parts"), `"update":true,"delete":true`, `"text":"a"`)
		const both = "/docs/Docs?$filter=IsActiveEntity%20eq%20false%20or%20SiblingEntity/IsActiveEntity%20eq%20null&$orderby=ID&$select=ID,IsActiveEntity"
		has(as("bob").GET(both), `{"ID":1,"IsActiveEntity":false,"@cds.may":{"update":true,"delete":true,"actions":{"publish":true}}}`,
			`{"ID":2,"IsActiveEntity":true,"@cds.may":{"update":false,"delete":false,"actions":{"publish":false}}}`)
		has(as("eve").GET(both), `{"ID":2,"IsActiveEntity":true,"@cds.may":{"update":true,"delete":true,"actions":{"publish":true}}}`)
	})
}

// A narrow Authorizer keeps changes to rows with few, and archiving from all.
type narrow struct{}

func (narrow) Decide(_ context.Context, a cds.Access) (cds.Narrowing, error) {
	switch a.Event {
	case "UPDATE":
		return cds.Narrowing{Where: &cqn.Binary{Op: cqn.Lt, L: cqn.NewRef("total"), R: &cqn.Lit{Value: cqn.Int(600)}}}, nil
	case "DELETE":
		return cds.Narrowing{Deny: true}, nil
	}
	return cds.Narrowing{}, nil
}

// TestRowRights_authorizer asks for rights that an Authorizer narrows.
func TestRowRights_authorizer(t *testing.T) {
	cfg := ordersConfig()
	cfg.Model = compiled(orders)
	cfg.Register = func(app *cds.App) error {
		app.Authorize(narrow{})
		return nil
	}
	app := cdstest.New(t, cfg)
	for range 2 { // compiled, and from the cache
		r := app.HTTP().As("vera").With("Prefer", wantsRights).GET("/shop/Orders?$select=ID").Status(200)
		for _, want := range []string{`{"ID":1,"@cds.may":{"update":true,"delete":false,`, `{"ID":3,"@cds.may":{"update":false,"delete":false,`} {
			if !strings.Contains(r.Body(), want) {
				t.Errorf("%s\nlacks %s", r.Body(), want)
			}
		}
	}
	app.HTTP().As("vera").PATCH("/shop/Orders(3)", `{"country":"FR"}`).Status(403)
	app.HTTP().As("vera").DELETE("/shop/Orders(1)").Status(403)
}

// TestByRole asks for documents that follow roles.
func TestByRole(t *testing.T) {
	cfg := ordersConfig()
	cfg.Model = compiled(orders)
	cfg.Overrides = config.Section{"authz": config.Section{"metadata": "role"}}
	app := cdstest.New(t, cfg)
	bob, vera := app.HTTP().As("bob").GET("/shop/$metadata").Status(200), app.HTTP().As("vera").GET("/shop/$metadata").Status(200)
	for _, name := range []string{"Secrets", "margin", "close", "archive"} {
		if strings.Contains(bob.Body(), name) {
			t.Errorf("bob is told of %s", name)
		}
		if !strings.Contains(vera.Body(), name) {
			t.Errorf("vera is not told of %s", name)
		}
		if r := app.HTTP().As("bob").With("Accept", "application/json").GET("/shop/$metadata"); strings.Contains(r.Body(), name) {
			t.Errorf("bob is told of %s in JSON", name)
		}
		if r := app.HTTP().As("bob").GET("/shop/"); strings.Contains(r.Body(), name) {
			t.Errorf("bob is told of %s at the root", name)
		}
		if r := app.HTTP().As("bob").GET("/shop/-/capabilities"); strings.Contains(r.Body(), name) {
			t.Errorf("bob is told of %s in his capabilities", name)
		}
	}
	if !strings.Contains(bob.Body(), `<PropertyValue Property="Insertable" Bool="false"/>`) || strings.Contains(vera.Body(), "Insertable") {
		t.Error("who may not create is not told so, or everybody is")
	}
	if bob.Header("ETag") == vera.Header("ETag") || bob.Header("Cache-Control") != "private, no-cache" || !strings.Contains(bob.Header("Vary"), "Authorization") {
		t.Errorf("ETag %s and %s, Cache-Control %q, Vary %q", bob.Header("ETag"), vera.Header("ETag"), bob.Header("Cache-Control"), bob.Header("Vary"))
	}
	app.HTTP().As("bob").With("If-None-Match", bob.Header("ETag")).GET("/shop/$metadata").Status(304)
	app.HTTP().As("vera").With("If-None-Match", bob.Header("ETag")).GET("/shop/$metadata").Status(200)
	app.HTTP().As("bob").GET("/shop/Secrets").Status(403) // what is not described is refused as ever
}
