package main_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	cds "cds/runtime"
	"cds/runtime/cdstest"
	"cds/runtime/config"
	"cds/samples/bookshop/internal/gen/model"
	"cds/samples/bookshop/internal/gen/order"
	"cds/samples/bookshop/internal/gen/order/ordertest"
	"cds/samples/bookshop/srv"
)

// The orders in the data: one of bob, two of clara. rita was asked to review clara's first; sam is support for DE and AT.
const (
	ofBob    = "7e2f2640-6866-4dcf-8f4d-3027aa831cad" // DE, open
	ofClara  = "64e718c9-ff99-47f1-8ca3-950c850777d4" // FR, open, 11.11
	ofClara2 = "3b1d4f8e-1d5a-4c19-9d5e-5f6f0b7c2a10" // AT, shipped

	itemOfBob   = "58040e66-1dcd-4ffb-ab10-fdce32028b79"
	itemOfClara = "e9641166-e050-4261-bfee-d1e797e6cb7f"

	orders  = "/odata/v4/order/Orders"
	reviews = "/odata/v4/order/Reviews"
)

func TestEveryoneSeesTheirOrders(t *testing.T) {
	app := start(t)
	for user, want := range map[string][]string{
		"bob":   {ofBob},
		"clara": {ofClara2, ofClara},
		"rita":  {ofClara},
		"sam":   {ofBob}, // DE; AT is shipped, and support sees open orders only (see openOrdersOnly)
		"alice": {ofClara2, ofClara, ofBob},
	} {
		got := app.HTTP().As(user).GET(orders + "?$select=ID").Status(200).Values("ID")
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s sees %v, want %v", user, got, want)
		}
	}
	app.HTTP().GET(orders).Status(401)
}

// The following tests try to reach clara's order as bob, one way each.

func TestForeignOrderByKey(t *testing.T) {
	app := start(t)
	bob := app.HTTP().As("bob")
	bob.GET(orders + "(" + ofClara + ")").Status(404)
	bob.GET(orders + "(" + ofClara + ")/status").Status(404)
	bob.PATCH(orders+"("+ofClara+")", `{"country_code":"DE"}`).Status(404)
	bob.DELETE(orders + "(" + ofClara + ")").Status(404)
	bob.POST(orders+"("+ofClara+")/OrderService.cancel", `{}`).Status(404)

	// From Go it is the same.
	_, err := order.From(order.Orders).Where(order.Orders.Key(ofClara)).One(app.As("bob"))
	cdstest.NotFound(t, err)
	_, err = order.Orders.Cancel.Call(app.As("bob"), order.Orders.Key(ofClara), cds.None{})
	cdstest.NotFound(t, err)
	app.HTTP().As("clara").GET(orders + "(" + ofClara + ")").Status(200).Contains(`"status":"open"`)
}

func TestForeignOrderByExpand(t *testing.T) {
	app := start(t)
	// Everybody with a login reads reviews; the order behind one shows to those only who may see it.
	app.HTTP().As("bob").GET(reviews+"?$expand=order($expand=items)").Status(200).
		Contains("Bleak and grand", ofBob, itemOfBob).
		Lacks(itemOfClara, `"createdBy":"clara","status"`, `"total":"11.11"`)
	app.HTTP().As("clara").GET(reviews + "?$expand=order($expand=items)").Status(200).Contains(itemOfClara).Lacks(itemOfBob)
}

func TestForeignOrderByNavigation(t *testing.T) {
	app := start(t)
	bob := app.HTTP().As("bob")
	bob.GET(orders + "(" + ofClara + ")/items").Status(404)
	bob.GET(orders + "(" + ofClara + ")/reviewers").Status(404)
	if code := bob.GET(reviews+"(0f1c1f55-6b6e-4c0e-8b8a-0e3f2d5a7a02)/order").Lacks(ofClara, "FR").Code(); code != 404 && code != 204 {
		t.Errorf("the order behind clara's review answers %d", code)
	}
	bob.GET(orders + "(" + ofBob + ")/items").Status(200).Contains(itemOfBob)
}

func TestForeignOrderByFilter(t *testing.T) {
	app := start(t)
	bob := app.HTTP().As("bob")
	// Only clara's order comes to 11.11. The answer must not tell whether such an order exists.
	if got := bob.GET(reviews + "?$filter=order/total eq 11.11&$select=ID").Status(200).Values("ID"); len(got) != 0 {
		t.Errorf("a path in a filter tells of clara's order: %v", got)
	}
	if got := bob.GET(reviews + "?$filter=order/items/any(i:i/book_ID eq 271)&$select=ID").Status(200).Values("ID"); len(got) != 0 {
		t.Errorf("any() tells of clara's order: %v", got)
	}
	if got := app.HTTP().As("clara").GET(reviews + "?$filter=order/total eq 11.11&$select=ID").Status(200).Values("ID"); len(got) != 1 {
		t.Errorf("clara finds %d reviews by her own order", len(got))
	}
	n, err := order.From(order.Reviews).Where(order.Reviews.Order.Total.Eq(cds.MustDecimal("11.11"))).Count(app.As("bob"))
	if err != nil || n != 0 {
		t.Errorf("a condition from Go finds %d, %v", n, err)
	}
}

func TestForeignOrderByOrderBy(t *testing.T) {
	app := start(t)
	// To bob, clara's two orders have no total: sorted by it, her reviews lie side by side in the order of their keys, whichever way.
	const up, down = "?$orderby=order/total asc,ID&$select=text", "?$orderby=order/total desc,ID&$select=text"
	ofClara := func(r *cdstest.Response) (out []string) {
		for _, text := range r.Status(200).Values("text") {
			if text != "Read it aloud" {
				out = append(out, text)
			}
		}
		return out
	}
	bob := app.HTTP().As("bob")
	if a, d := ofClara(bob.GET(reviews+up)), ofClara(bob.GET(reviews+down)); !slices.Equal(a, d) || len(a) != 2 {
		t.Errorf("the order of reviews tells the totals of clara's orders: %v, %v", a, d)
	}
	clara := app.HTTP().As("clara")
	if a, d := ofClara(clara.GET(reviews+up)), ofClara(clara.GET(reviews+down)); slices.Equal(a, d) {
		t.Errorf("clara's own orders are not sorted: %v", a)
	}
}

func TestForeignOrderByCount(t *testing.T) {
	app := start(t)
	if got := app.HTTP().As("bob").GET(orders + "/$count").Status(200).Body(); got != "1" {
		t.Errorf("bob counts %s orders", got)
	}
	app.HTTP().As("bob").GET(orders + "?$count=true&$top=0").Status(200).Contains(`"@odata.count":1`)
	if got := app.HTTP().As("bob").GET(orders + "/$count?$filter=total eq 11.11").Status(200).Body(); got != "0" {
		t.Errorf("bob counts %s orders of 11.11", got)
	}
}

func TestForeignOrderByDeepUpdate(t *testing.T) {
	app := start(t)
	bob := app.HTTP().As("bob")
	// An item of clara's order in the body of bob's: refused as if there were no such item.
	taken := `{"items":[{"ID":"` + itemOfClara + `","book_ID":201,"quantity":9}]}`
	if r := bob.PATCH(orders+"("+ofBob+")", taken); r.Code() != 400 && r.Code() != 404 && r.Code() != 409 {
		t.Errorf("a foreign item was accepted: %d %s", r.Code(), r.Body())
	}
	// An own item that claims to belong to clara's order, from now on or from the beginning.
	moved := `{"items":[{"ID":"` + itemOfBob + `","order_ID":"` + ofClara + `","book_ID":251,"quantity":9}]}`
	if r := bob.PATCH(orders+"("+ofBob+")", moved); r.Code() != 400 && r.Code() != 404 {
		t.Errorf("an item was moved to a foreign order: %d %s", r.Code(), r.Body())
	}
	made := `{"country_code":"DE","items":[{"order_ID":"` + ofClara + `","book_ID":251,"quantity":9}]}`
	if r := bob.POST(orders, made); r.Code() != 400 && r.Code() != 404 {
		t.Errorf("an item was made for a foreign order: %d %s", r.Code(), r.Body())
	}
	// A new order with the key of clara's item, or with that of her order.
	for _, body := range []string{
		`{"country_code":"DE","items":[{"ID":"` + itemOfClara + `","book_ID":201,"quantity":9}]}`,
		`{"ID":"` + ofClara + `","country_code":"DE","items":[{"book_ID":201,"quantity":9}]}`,
	} {
		if r := bob.POST(orders, body); r.Code() < 400 {
			t.Errorf("an existing key was taken: %d %s", r.Code(), r.Body())
		}
	}
	// And clara's order itself, with items or without.
	bob.PATCH(orders+"("+ofClara+")", `{"items":[]}`).Status(404)
	bob.PUT(orders+"("+ofClara+")", `{"country_code":"DE","items":[{"book_ID":201,"quantity":9}]}`).Status(403).Lacks("FR")
	bob.POST(orders+"("+ofClara+")/items", `{"book_ID":201,"quantity":1}`).Status(404)
	bob.DELETE(orders + "(" + ofClara + ")/items(" + itemOfClara + ")").Status(404)

	// Nothing of all that has left a trace.
	app.HTTP().As("clara").GET(orders+"("+ofClara+")?$expand=items").Status(200).
		Contains(itemOfClara, `"quantity":1`, `"country_code":"FR"`).Lacks(itemOfBob, `"quantity":9`)
	app.HTTP().As("bob").GET(orders+"?$expand=items").Status(200).Contains(itemOfBob).Lacks(itemOfClara, `"quantity":9`)
}

// An order can't be given away: the new row must still be the user's own.
func TestOrdersAreMadeInOnesOwnName(t *testing.T) {
	app := start(t)
	items := cds.ManyOf(&order.OrderItem{BookID: cds.Some[int32](207), Quantity: cds.Some[int32](2)})
	made, err := order.InsertInto(order.Orders, &order.Order{CountryCode: cds.Some("FR"), Items: items, CreatedBy: cds.Some("clara")}).Exec(app.As("bob"))
	if err != nil {
		t.Fatal(err)
	}
	if len(made) != 1 || made[0].CreatedBy.Or("") != "bob" || made[0].Total.Or(cds.Decimal{}).String() != "24.68" {
		t.Errorf("order is %+v", made)
	}
}

func TestFaultyOrdersNameAllFaults(t *testing.T) {
	app := start(t)
	app.HTTP().As("bob").POST(orders, `{"country_code":"DE","items":[{"book_ID":999,"quantity":1},{"book_ID":998,"quantity":1}]}`).
		Status(400).Contains("items[0]/book_ID", "items[1]/book_ID", "BOOK_UNKNOWN")
	app.HTTP().As("bob").POST(orders, `{"country_code":"DE","items":[]}`).Status(400).Contains("ORDER_EMPTY")
}

func TestChangedItemsHaveTheirPrice(t *testing.T) {
	app := start(t)
	app.HTTP().As("bob").PATCH(orders+"("+ofBob+")", `{"items":[{"ID":"`+itemOfBob+`","book_ID":252,"quantity":3}]}`).Status(200)
	o, err := order.From(order.Orders).Where(order.Orders.Key(ofBob)).Expand(order.Orders.Items).One(app.As("bob"))
	if err != nil || o.Total.Or(cds.Decimal{}).String() != "42.00" || o.Items.Len() != 1 || !o.Items.All()[0].Price.Or(cds.Decimal{}).Equal(cds.DecimalOf(14)) {
		t.Errorf("order is %+v, %v", o, err)
	}
}

func TestShippedOrdersStayAsTheyAre(t *testing.T) {
	app := start(t)
	app.HTTP().As("clara").PATCH(orders+"("+ofClara2+")", `{"country_code":"DE"}`).Status(409).Contains("ORDER_CLOSED")
	app.HTTP().As("clara").DELETE(orders + "(" + ofClara2 + ")").Status(409)
	app.HTTP().As("clara").PATCH(orders+"("+ofClara+")", `{"status":"shipped"}`).Status(403).Contains("STAFF_ONLY")
	app.HTTP().As("alice").PATCH(orders+"("+ofClara+")", `{"status":"shipped"}`).Status(200)
	app.HTTP().As("alice").PATCH(orders+"("+ofClara+")", `{"status":"lost"}`).Status(400).Contains("ASSERT_ENUM")
}

func TestCancelGivesBooksBack(t *testing.T) {
	app := start(t)
	done, err := order.Orders.Cancel.Call(app.As("bob"), order.Orders.Key(ofBob), cds.None{})
	if err != nil {
		t.Fatal(err)
	}
	if done.Status.Or("") != order.OrderStatusCanceled {
		t.Errorf("status is %s", done.Status.Or(""))
	}
	book, err := order.From(order.Books).Where(order.Books.Key(251)).One(app.As("bob"))
	if err != nil || book.Stock.Or(0) != 334 {
		t.Errorf("stock is %v, %v", book, err)
	}
	if !strings.Contains(app.Log(), "a canceled order puts books back on the shelf") {
		t.Error("the use of full rights was not logged")
	}
	_, err = order.Orders.Cancel.Call(app.As("bob"), order.Orders.Key(ofBob), cds.None{})
	cdstest.Rejected(t, err, 409)
}

// Support of another country, and of none.
func TestSupportSeesItsCountries(t *testing.T) {
	app := start(t,
		cdstest.User("fr", cdstest.Roles("Support"), cdstest.Attr("country", "FR")),
		cdstest.User("none", cdstest.Roles("Support")),
		cdstest.User("plain", cdstest.Attr("country", "FR")))
	for user, want := range map[string]int64{"fr": 1, "none": 0, "plain": 0} {
		n, err := order.From(order.Orders).Count(app.As(user))
		if err != nil || n != want {
			t.Errorf("%s sees %d orders, want %d, %v", user, n, want, err)
		}
	}
	// Reading is all that support may do.
	app.HTTP().As("fr").PATCH(orders+"("+ofClara+")", `{"country_code":"DE"}`).Status(403)
}

// Without generated code and handlers there is still a server, and it still guards: rights come from the model alone.
func TestBareModelsAreGuarded(t *testing.T) {
	app := cdstest.New(t, cdstest.Config{Model: bareModel(t)})
	app.HTTP().GET("/odata/v4/catalog/Books(201)").Status(200).Contains("Wuthering Heights")
	app.HTTP().GET(orders).Status(401)
	app.HTTP().As("bob").GET("/odata/v4/admin/Books").Status(403)
	app.HTTP().As("bob").GET(orders + "(" + ofClara + ")").Status(404)
	app.HTTP().As("bob").GET(orders + "(" + ofBob + ")").Status(200)
	app.HTTP().As("bob").POST("/odata/v4/catalog/submitOrder", `{"book":201,"quantity":1,"country":"DE"}`).Status(501)
}

// A policy that was generated from another model stops the start.
func TestStaleGeneratedCodeDoesNotStart(t *testing.T) {
	if os.Getenv(cdstest.ModelVariable) != "" {
		t.Skip("it is meant to run with another model")
	}
	app := cdstest.New(t, cdstest.Config{Model: model.Model})
	stale := order.Policy
	stale.Rows = slices.Clone(stale.Rows)
	stale.Rows[len(stale.Rows)-1].To = "any"
	err := stale.Check(app.CDS, order.Name)
	if err == nil || !strings.Contains(err.Error(), "run cds gen") {
		t.Errorf("error is %v", err)
	}
	if err := order.Policy.Check(app.CDS, order.Name); err != nil {
		t.Error(err)
	}
}

// In production services without a restriction of their own need a login. The generated code serves there too.
func TestProductionIsStricter(t *testing.T) {
	app := ordertest.New(t, cdstest.Config{Register: srv.Register, Template: &template, Profiles: []string{"production"},
		Overrides: config.Section{"requires": map[string]any{"auth": map[string]any{"allowInProduction": true}}}})
	app.HTTP().GET("/odata/v4/catalog/Books(201)").Status(401)
	app.HTTP().As("bob").GET("/odata/v4/catalog/Books(201)").Status(200)
	app.HTTP().As("bob").GET(orders + "(" + ofClara + ")").Status(404)
}
