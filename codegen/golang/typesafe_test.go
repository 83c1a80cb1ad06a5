package golang

import (
	"go/ast"
	goparser "go/parser"
	"go/types"
	"strings"
	"testing"
)

const twoServices = `
service ShopService {
  entity Books { key ID : Integer; title : String; price : Decimal; state : String enum { fresh; gone; }; items : Composition of many Items on items.book = $self;
    main : Association to Items; } actions { action sell(n : Integer not null) returns Books; };
  entity Items { key ID : UUID; book : Association to Books; qty : Int64; }
  action order(book : Books:ID not null, n : Integer) returns { left : Integer };
}
service AdminService { entity Books { key ID : Integer; title : String; } }`

const typesafeHead = `package x
import ("context"; cds "cds/runtime"; "example.com/shop/internal/gen/shop"; "example.com/shop/internal/gen/admin")
var _ context.Context; var _ cds.Date; var _ shop.Book; var _ admin.Book
func onBook(ctx context.Context, req *cds.Request[shop.Book]) error { return nil }
func onItem(ctx context.Context, req *cds.Request[shop.Item]) error { return nil }
func seen(ctx context.Context, req *cds.Request[shop.Book], rows []*shop.Book) error { return nil }
type impl struct{}
func (impl) Order(ctx context.Context, req *cds.Request[shop.OrderParams]) (*shop.OrderResult, error) { return nil, nil }
func (impl) BooksSell(ctx context.Context, req *cds.Bound[shop.Book, shop.BooksSellParams]) (*shop.Book, error) { return nil, nil }
type half struct{}
func (half) Order(ctx context.Context, req *cds.Request[shop.OrderParams]) (*shop.OrderResult, error) { return nil, nil }
func f(app *cds.App, ctx context.Context) {
`

// TestWhatDoesNotCompile holds the facade to its promise: mistakes that CAP finds when a request comes are found by the compiler.
func TestWhatDoesNotCompile(t *testing.T) {
	check := newChecker()
	check.files(t, generate(t, compile(t, twoServices)))
	for _, c := range []struct {
		name, code, wrong string // wrong is part of the error; "" compiles
	}{
		{"handlers", "_ = shop.Serve(app, impl{}, shop.Before(shop.Create, shop.Books, onBook), shop.After(shop.Read, shop.Books, seen))", ""},
		{"query", "_, _ = shop.From(shop.Books).Where(shop.Books.Title.Eq(\"x\"), shop.Books.Main.Qty.Gt(3), shop.Books.Items.Any(shop.Items.Qty.Lt(2))).Expand(shop.Books.Items, shop.Books.Main).OrderBy(shop.Books.Main.Qty.Desc()).All(ctx)", ""},
		{"update", "_, _ = shop.Modify(shop.Books).Where(shop.Books.Key(1)).Set(shop.Books.State.To(shop.BookStateGone)).Exec(ctx)", ""},
		{"call", "r, _ := shop.Order.Call(ctx, shop.OrderParams{Book: 1, N: cds.Some[int32](2)}); _ = r.Left.Or(0)", ""},
		{"bound call", "b, _ := shop.Books.Sell.Call(ctx, shop.Books.Key(1), shop.BooksSellParams{N: 2}); _ = b.Title", ""},

		{"rows of another entity", "_ = shop.Before(shop.Create, shop.Books, onItem)", "type"},
		{"entity of another service", "_ = shop.Before(shop.Create, admin.Books, nil)", "shop.Entity"},
		{"handler of another service", "_ = shop.Serve(app, impl{}, admin.BeforeAny(nil))", "admin.Handler"},
		{"data handler for READ", "_ = shop.Before(shop.Read, shop.Books, onBook)", "WriteEvent"},
		{"missing operation", "_ = shop.Serve(app, half{})", "BooksSell"},
		{"wrong value", "_ = shop.Books.Title.Eq(1)", "untyped int"},
		{"wrong enum", "_ = shop.Books.State.Eq(cds.Date(\"x\"))", "BookState"},
		{"condition on another entity", "_ = shop.From(shop.Books).Where(shop.Items.Qty.Eq(1))", "Pred"},
		{"order by another entity", "_ = shop.From(shop.Books).OrderBy(shop.Items.Qty.Asc())", "Order"},
		{"expand of another entity", "_ = shop.From(shop.Books).Expand(shop.Items.Book)", "Expansion[shop.Book]"},
		{"any with the wrong rows", "_ = shop.Books.Items.Any(shop.Books.ID.Eq(1))", "Pred"},
		{"unknown element", "_ = shop.Books.Titel", "Titel"},
		{"wrong key", "_ = shop.Books.Key(\"1\")", "int32"},
		{"wrong parameters", "_, _ = shop.Order.Call(ctx, shop.BooksSellParams{})", "OrderParams"},
		{"rows into the wrong entity", "_ = shop.InsertInto(shop.Books, &shop.Item{})", "type"},
		{"a query of another service", "_ = shop.From(admin.Books)", "shop.Entity"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := check.snippet(typesafeHead + c.code + "\n}\n")
			switch {
			case c.wrong == "" && err != nil:
				t.Errorf("does not compile: %v", err)
			case c.wrong != "" && err == nil:
				t.Error("compiles")
			case c.wrong != "" && !strings.Contains(err.Error(), c.wrong):
				t.Errorf("the compiler says %q, which does not name %q", err, c.wrong)
			}
		})
	}
}

func (c *checker) snippet(text string) error {
	tree, err := goparser.ParseFile(c.fset, "x.go", text, goparser.SkipObjectResolution)
	if err != nil {
		return err
	}
	conf := types.Config{Importer: c}
	_, err = conf.Check("x", c.fset, []*ast.File{tree}, nil)
	return err
}
