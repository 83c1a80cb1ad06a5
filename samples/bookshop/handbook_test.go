package main_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cds "cds/runtime"
	"cds/runtime/cdstest"
	"cds/runtime/ql"
	"cds/runtime/serve"
	"cds/samples/bookshop/internal/gen/admin"
	"cds/samples/bookshop/internal/gen/catalog"
	"cds/samples/bookshop/internal/gen/model"
	"cds/samples/bookshop/internal/gen/order"
	"cds/samples/bookshop/srv"
)

// The functions of this file are the examples of docs/handlers.md. TestHandbook runs them; TestHandbookShowsThisCode compares the page with them.

func titleCase(_ context.Context, req *cds.Request[admin.Book]) error {
	if title, ok := req.Data.Title.Get(); ok {
		req.Data.Title.Set(strings.TrimSpace(title))
	}
	if req.Data.Stock.Or(0) > 9000 {
		req.Invalid(admin.Books.Stock, "SHELF_FULL", "SHELF_FULL", 9000)
	}
	req.Notify("SAVED", "The book is saved")
	return nil
}

func noOffer(_ context.Context, _ *cds.Request[catalog.Book], book *catalog.Book) error {
	if book.Stock.Or(1) == 0 {
		book.Offer.SetNull()
	} else {
		book.Offer = book.Price
	}
	return nil
}

func friendlier(_ context.Context, _ *cds.RawRequest, e *cds.Error) *cds.Error {
	if e.Code == "UNIQUE_CONSTRAINT_VIOLATION" {
		return cds.Reject(409, "TAKEN", "There is such an entry already")
	}
	return e
}

func register(app *cds.App) error {
	return admin.Serve(app, books{},
		admin.Before(admin.Create, admin.Books, titleCase),
		cds.OnFailure[admin.Service](friendlier),
	)
}

func stockOf(ctx context.Context, author string) (total int32, err error) {
	books, err := admin.From(admin.Books).
		Where(admin.Books.Author.Name.Eq(author), admin.Books.Stock.Gt(0)).
		Expand(admin.Books.Genre).
		OrderBy(admin.Books.Title.Asc()).
		All(ctx)
	for _, b := range books {
		total += b.Stock.Or(0)
	}
	return total, err
}

func sell(ctx context.Context, id int32) error {
	n, err := admin.Modify(admin.Books).
		Where(admin.Books.Key(id), admin.Books.Stock.Ge(1)).
		Set(admin.Books.Stock.Minus(1)).
		Exec(ctx)
	if err == nil && n == 0 {
		err = cds.Reject(409, "OUT_OF_STOCK", "Nothing left")
	}
	return err
}

func cheapest(ctx context.Context, app *cds.App) ([]*cds.Row, error) {
	return ql.Select("Books").
		Columns("title", "price", ql.Expand("author", "name")).
		Where(ql.Gt("stock", 0), ql.Or(ql.Lt("price", 12), ql.StartsWith("title", "E"))).
		OrderBy("price", "title desc").
		Limit(3).
		Rows(ctx, app.Service("CatalogService"))
}

func moveStock(ctx context.Context, app *cds.App, from, to int32) error {
	return app.Tx(ctx, func(ctx context.Context) error {
		if err := sell(ctx, from); err != nil {
			return err
		}
		_, err := ql.Update("Books").Set("stock", ql.Plus("stock", 1)).Where(ql.Eq("ID", to)).Run(ctx, app.Service("AdminService"))
		return err
	})
}

func audited(ctx context.Context, req *cds.RawRequest) error {
	changes, err := req.Diff(ctx)
	if err != nil {
		return err
	}
	return cds.Succeeded(ctx, func(ctx context.Context) {
		for _, d := range changes {
			for _, c := range d.Changes {
				cds.Log(ctx, "audit").Info("changed", "element", c.Element, "from", c.Old.Format(), "to", c.New.Format())
			}
		}
	})
}

func nightly(app *cds.App) {
	app.Background(app.NewContext(context.Background(), nil, ""), cds.Job{
		Name: "cleanup", After: time.Minute, Every: 24 * time.Hour,
		Run: func(ctx context.Context) error {
			return cds.Privileged(ctx, "old orders go", func(ctx context.Context) error {
				_, err := order.DeleteFrom(order.Orders).Where(order.Orders.Status.Eq(order.OrderStatusCanceled)).Exec(ctx)
				return err
			})
		},
	})
}

func newServer() *serve.App {
	app := serve.New(model.Model)
	app.Register(srv.Register)
	app.HandleFunc("GET /stock/{author}", func(w http.ResponseWriter, r *http.Request) {
		n, err := stockOf(r.Context(), r.PathValue("author"))
		if err != nil {
			http.Error(w, "no", cds.AsError(err).Status)
			return
		}
		_, _ = w.Write([]byte(strings.Repeat("*", int(n))))
	})
	app.UseFor("AdminService", func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Seen-By", cds.UserFrom(r.Context()).ID)
			next.ServeHTTP(w, r)
		})
	})
	return app
}

// books implements the operations of AdminService for the examples.
type books struct{}

func (books) BooksRestock(ctx context.Context, req *cds.Bound[admin.Book, admin.BooksRestockParams]) (*admin.Book, error) {
	book, err := req.Load(ctx)
	if err != nil {
		return nil, err
	}
	_, err = admin.Modify(admin.Books).Where(admin.Books.Key(book.ID.Or(0))).Set(admin.Books.Stock.Plus(req.Data.Amount)).Exec(ctx)
	return book, err
}

func (books) StockLevel(ctx context.Context, _ *cds.Request[cds.None]) (cds.Opt[int32], error) {
	return cds.Null[int32](), nil
}

func TestHandbook(t *testing.T) {
	app := catalogStart(t, func(a *cds.App) error {
		if err := register(a); err != nil {
			return err
		}
		nightly(a)
		a.Service("AdminService").Before(cds.Match{Events: []cds.Event{"UPDATE"}}, audited)
		return catalog.Serve(a, nothing{}, catalog.After(catalog.Read, catalog.Books, cds.Each(noOffer)))
	})
	alice := app.As("alice")
	app.HTTP().As("alice").POST("/odata/v4/admin/Books", `{"ID":1,"title":"  Emma ","author_ID":101,"stock":9001}`).Status(400).Contains("SHELF_FULL", `"target":"stock"`)
	app.HTTP().As("alice").POST("/odata/v4/admin/Books", `{"ID":1,"title":"  Emma ","author_ID":101,"stock":1,"price":"1.00"}`).Status(201).Contains(`"title":"Emma"`)
	app.HTTP().As("alice").POST("/odata/v4/admin/Books", `{"ID":1,"title":"Emma","author_ID":101}`).Status(409).Contains("TAKEN")
	if err := moveStock(alice, app.CDS, 1, 201); err != nil {
		t.Fatal(err)
	}
	cdstest.Rejected(t, moveStock(alice, app.CDS, 1, 201), 409)
	if n, err := stockOf(alice, "Emily Brontë"); err != nil || n != 13 {
		t.Errorf("%d, %v", n, err)
	}
	if got := app.Logged("changed"); len(got) == 0 {
		t.Error("no change is in the log")
	}
	cdstest.Forbidden(t, sell(app.As("bob"), 201))
	rows, err := cheapest(app.As(""), app.CDS)
	if err != nil || len(rows) != 3 || rows[0].Value("title").Str() == "Emma" {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	app.HTTP().GET("/odata/v4/catalog/Books(1)?$select=offer,price,stock").Status(200).Contains(`"offer":null`)
	app.HTTP().GET("/odata/v4/catalog/Books(201)?$select=offer,price,stock").Status(200).Contains(`"offer":"11.11"`)
	if newServer() == nil {
		t.Error("no server")
	}
}

func catalogStart(t *testing.T, register func(*cds.App) error) *cdstest.App {
	t.Helper()
	return cdstest.New(t, cdstest.Config{Model: model.Model, Register: register, Template: &template})
}

type nothing struct{}

func (nothing) SubmitOrder(context.Context, *cds.Request[catalog.SubmitOrderParams]) (*catalog.SubmitOrderResult, error) {
	return nil, cds.Reject(501, "501", "not here")
}

// TestHandbookShowsThisCode: each block of Go code on the page stands in the code of the sample, apart from indentation.
func TestHandbookShowsThisCode(t *testing.T) {
	page, err := os.ReadFile("../../docs/handlers.md")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, pattern := range []string{"*.go", "srv/*.go", "srv/*.cds"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			code.WriteString(plainCode(string(b)))
		}
	}
	blocks := strings.Split(string(page), "\n```go\n")
	if len(blocks) < 8 {
		t.Fatalf("the page has %d examples", len(blocks)-1)
	}
	for _, b := range blocks[1:] {
		b, _, _ = strings.Cut(b, "\n```")
		if !strings.Contains(code.String(), plainCode(b)) {
			t.Errorf("this stands on the page, but not in the sample:\n%s", b)
		}
	}
}

// plainCode takes indentation and empty lines out.
func plainCode(s string) string {
	var b strings.Builder
	for _, l := range strings.Split(s, "\n") {
		if l = strings.TrimSpace(l); l != "" {
			b.WriteString(l + "\n")
		}
	}
	return b.String()
}
