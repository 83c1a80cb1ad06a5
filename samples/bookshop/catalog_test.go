// The tests of the bookshop read as a tutorial: first the shop window, then orders and who may reach them, then what happens without
// generated code.
package main_test

import (
	"os"
	"testing"

	cds "cds/runtime"
	"cds/runtime/cdstest"
	"cds/samples/bookshop/internal/gen/admin"
	"cds/samples/bookshop/internal/gen/admin/admintest"
	"cds/samples/bookshop/internal/gen/catalog"
	"cds/samples/bookshop/internal/gen/catalog/catalogtest"
	"cds/samples/bookshop/internal/gen/order"
	"cds/samples/bookshop/internal/gen/order/ordertest"
	"cds/samples/bookshop/srv"
)

// template is deployed once; each test gets a copy.
var template cdstest.Template

func TestMain(m *testing.M) {
	code := m.Run()
	if err := template.Close(); err != nil {
		code = 1
	}
	os.Exit(code)
}

// start runs the app for one test: the embedded model, the handlers of package srv, the users of .cdsrc.json.
func start(t *testing.T, users ...cdstest.TestUser) *cdstest.App {
	t.Helper()
	return catalogtest.New(t, cdstest.Config{Register: srv.Register, Template: &template, Users: users})
}

func TestEverybodyMayLookAtBooks(t *testing.T) {
	app := start(t)
	app.HTTP().GET("/odata/v4/catalog/Books(201)").
		Status(200).
		Contains("Wuthering Heights", "11.11").
		Lacks("createdBy", "modifiedBy")

	// The same from Go. The context says who asks; "" is nobody.
	book, err := catalog.From(catalog.Books).Where(catalog.Books.Key(201)).Expand(catalog.Books.Author).One(app.As(""))
	if err != nil {
		t.Fatal(err)
	}
	if book.Title.Or("") != "Wuthering Heights" || book.Author == nil || book.Author.Name.Or("") != "Emily Brontë" {
		t.Errorf("book is %+v", book)
	}
}

func TestBooksSpeakTheLanguageOfTheUser(t *testing.T) {
	app := start(t)
	app.HTTP().With("Accept-Language", "de").GET("/odata/v4/catalog/Books(251)?$select=title").Status(200).Contains("Der Rabe")
	app.HTTP().With("Accept-Language", "de").GET("/odata/v4/catalog/Books(261)?$select=title").Status(200).Contains("Frankenstein")
}

func TestNobodyMayChangeTheShopWindow(t *testing.T) {
	app := start(t)
	app.HTTP().As("alice").PATCH("/odata/v4/catalog/Books(201)", `{"stock":0}`).Status(405)
	app.HTTP().As("alice").DELETE("/odata/v4/catalog/Books(201)").Status(405)
	if n := app.Handled("CatalogService"); n != 0 {
		t.Errorf("%d refused requests got as far as a handler", n)
	}
}

func TestFullShelvesAreCheaper(t *testing.T) {
	app := start(t)
	offer := func(id int32) string {
		b, err := catalog.From(catalog.Books).Where(catalog.Books.Key(id)).One(app.As(""))
		if err != nil {
			t.Fatal(err)
		}
		return b.Offer.Or(cds.Decimal{}).String()
	}
	if got := offer(251); got != "11.82" { // 333 copies: ten percent off 13.13
		t.Errorf("the offer for book 251 is %s", got)
	}
	if got := offer(201); got != "11.11" { // 12 copies
		t.Errorf("the offer for book 201 is %s", got)
	}
	app.HTTP().GET("/odata/v4/catalog/Books?$filter=ID eq 251&$select=ID,price,stock,offer").Status(200).Contains(`"11.82"`)
}

func TestOrderingNeedsALogin(t *testing.T) {
	app := start(t)
	body := catalog.SubmitOrderParams{Book: 201, Quantity: 2, Country: "DE"}
	app.HTTP().POST("/odata/v4/catalog/submitOrder", body).Status(401)
	app.HTTP().As("bob").POST("/odata/v4/catalog/submitOrder", body).Status(200).Contains(`"stock":10`)

	_, err := catalog.SubmitOrder.Call(app.As(""), body)
	cdstest.Unauthorized(t, err)
}

// Orders are events: AdminService is told of them once they are saved.
func TestTheShelfIsWatched(t *testing.T) {
	app := start(t)
	bob := app.As("bob")
	order := func(quantity int32, want int) {
		t.Helper()
		_, err := catalog.SubmitOrder.Call(bob, catalog.SubmitOrderParams{Book: 201, Quantity: quantity, Country: "DE"})
		if err != nil {
			cdstest.Rejected(t, err, want)
		}
	}
	order(1, 0) // 11 are left
	if n := len(app.Logged("running low")); n != 0 {
		t.Errorf("%d warnings with a full shelf", n)
	}
	order(100, 409) // refused: nobody is told
	order(5, 0)
	if got := app.Events(catalog.Ordered.Name()); len(got) != 2 || got[1].Data.Value("quantity").Int() != 5 || got[1].User.ID != "bob" {
		t.Errorf("events are %+v", got)
	}
	if got := app.Logged("running low"); len(got) != 1 || got[0]["left"] != 6.0 || got[0]["module"] != "stock" {
		t.Errorf("warnings are %v", got)
	}
	app.Reset()
	b, err := catalog.From(catalog.Books).Where(catalog.Books.Key(201)).One(bob)
	if err != nil || b.Stock.Or(0) != 12 {
		t.Errorf("stock is %d, %v", b.Stock.Or(0), err)
	}
}

func TestAnOrderIsOneTransaction(t *testing.T) {
	app := start(t)
	bob := app.As("bob")
	res, err := catalog.SubmitOrder.Call(bob, catalog.SubmitOrderParams{Book: 201, Quantity: 2, Country: "DE"})
	if err != nil {
		t.Fatal(err)
	}
	made, err := order.From(order.Orders).Where(order.Orders.Key(res.Order.Or(""))).Expand(order.Orders.Items).One(bob)
	if err != nil {
		t.Fatal(err)
	}
	if made.CreatedBy.Or("") != "bob" || made.Total.Or(cds.Decimal{}).String() != "22.22" || made.Items.Len() != 1 {
		t.Errorf("order is %+v", made)
	}

	// The country does not exist in the model's eyes only if the order says none: a refused order leaves the books on the shelf.
	_, err = catalog.SubmitOrder.Call(bob, catalog.SubmitOrderParams{Book: 201, Quantity: 200, Country: "DE"})
	cdstest.Rejected(t, err, 409)
	_, err = catalog.SubmitOrder.Call(bob, catalog.SubmitOrderParams{Book: 207, Quantity: 1, Country: ""})
	cdstest.Rejected(t, err, 400)
	b, err := catalog.From(catalog.Books).Where(catalog.Books.Key(207)).One(bob)
	if err != nil || b.Stock.Or(0) != 11 {
		t.Errorf("stock of 207 is %d, %v: the refused order has kept a book", b.Stock.Or(0), err)
	}
	_, err = catalog.SubmitOrder.Call(bob, catalog.SubmitOrderParams{Book: 999, Quantity: 1, Country: "DE"})
	cdstest.NotFound(t, err)
}

func TestReadersReviewOnceAndChangeTheirOwn(t *testing.T) {
	app := start(t)
	review := &catalog.Review{BookID: cds.Some[int32](271), Rating: cds.Some[int32](5)}
	_, err := catalog.InsertInto(catalog.Reviews, review).Exec(app.As(""))
	cdstest.Unauthorized(t, err)
	if _, err = catalog.InsertInto(catalog.Reviews, review).Exec(app.As("bob")); err != nil {
		t.Fatal(err)
	}
	_, err = catalog.InsertInto(catalog.Reviews, review).Exec(app.As("bob"))
	cdstest.Rejected(t, err, 409)

	const ofClara = "/odata/v4/catalog/Reviews(0f1c1f55-6b6e-4c0e-8b8a-0e3f2d5a7a02)"
	app.HTTP().As("bob").PATCH(ofClara, `{"rating":1}`).Status(403)
	app.HTTP().As("clara").PATCH(ofClara, `{"rating":5}`).Status(200).Contains(`"rating":5`)
	app.HTTP().As("clara").PATCH(ofClara, `{"rating":6}`).Status(400).Contains("ASSERT_RANGE")
}

func TestStaffNeedsTheAdminRole(t *testing.T) {
	app := start(t, cdstest.User("newcomer", cdstest.Roles("admin")))
	app.HTTP().GET("/odata/v4/admin/Books").Status(401)
	app.HTTP().As("bob").GET("/odata/v4/admin/Books").Status(403)
	app.HTTP().As("alice").GET("/odata/v4/admin/Books").Status(200).Contains("createdBy")

	// A user who exists in this test only.
	book, err := admin.Books.Restock.Call(app.As("newcomer"), admin.Books.Key(201), admin.BooksRestockParams{Amount: 8})
	if err != nil || book.Stock.Or(0) != 20 {
		t.Errorf("stock is %v, %v", book, err)
	}
	n, err := admin.StockLevel.Call(app.As("alice"), cds.None{})
	if err != nil || n.Or(0) != 12+11+333+555+80+22+8 {
		t.Errorf("stock level is %d, %v", n.Or(0), err)
	}
	_, err = admin.StockLevel.Call(app.As("bob"), cds.None{})
	cdstest.Forbidden(t, err)
}

// TestWhoMayDoWhat compares the rights of all services with the committed tables: a change of a right shows in a review.
func TestWhoMayDoWhat(t *testing.T) {
	app := start(t)
	catalogtest.Matrix(t, app)
	ordertest.Matrix(t, app)
	admintest.Matrix(t, app)
}
