package srv

import (
	"context"

	cds "cds/runtime"
	"cds/samples/bookshop/internal/gen/admin"
	"cds/samples/bookshop/internal/gen/catalog"
	"cds/samples/bookshop/internal/gen/order"
)

// discount computes the virtual element offer: ten percent off where the shelf is full. It runs once per page.
func discount(_ context.Context, _ *cds.Request[catalog.Book], books []*catalog.Book) error {
	for _, b := range books {
		price, ok := b.Price.Get()
		if !ok {
			continue // not asked for, or not for sale
		}
		if b.Stock.Or(0) > 111 {
			price = price.Mul(cds.MustDecimal("0.9")).Round(2)
		}
		b.Offer.Set(price)
	}
	return nil
}

// oneReviewEach lets a reader review a book once. The query runs through the service, as the same user.
func oneReviewEach(ctx context.Context, req *cds.Request[catalog.Review]) error {
	book, ok := req.Data.BookID.Get()
	if !ok {
		return nil // @mandatory says so already
	}
	n, err := catalog.From(catalog.Reviews).
		Where(catalog.Reviews.BookID.Eq(book), catalog.Reviews.CreatedBy.Eq(cds.UserFrom(ctx).ID)).
		Count(ctx)
	if err != nil {
		return err
	}
	if n > 0 {
		return cds.Reject(409, "REVIEW_EXISTS", "You have reviewed book %d already", book)
	}
	return nil
}

// shop implements the operations of CatalogService.
type shop struct{}

// SubmitOrder takes books off the shelf and makes an order of them. Everything in it is one transaction: if the order is refused,
// the books stay on the shelf.
func (shop) SubmitOrder(ctx context.Context, req *cds.Request[catalog.SubmitOrderParams]) (*catalog.SubmitOrderResult, error) {
	p := req.Data
	if p.Quantity < 1 {
		return nil, cds.Reject(400, "QUANTITY_TOO_SMALL", "Order one copy at least")
	}
	left, err := takeFromShelf(ctx, p.Book, p.Quantity)
	if err != nil {
		return nil, err
	}
	// The order is made through OrderService, as the customer: its own rules and handlers hold.
	made, err := order.InsertInto(order.Orders, &order.Order{
		CountryCode: cds.Some(p.Country),
		Items:       cds.ManyOf(&order.OrderItem{BookID: cds.Some(p.Book), Quantity: cds.Some(p.Quantity)}),
	}).Exec(ctx)
	if err != nil {
		return nil, err
	}
	// Who wants to know is told when all this is committed, and not at all if it is not.
	if err := catalog.Ordered.Emit(ctx, catalog.OrderedEvent{Book: cds.Some(p.Book), Quantity: cds.Some(p.Quantity)}); err != nil {
		return nil, err
	}
	result := &catalog.SubmitOrderResult{Stock: cds.Some(left)}
	if len(made) == 1 {
		result.Order = made[0].ID
	}
	return result, nil
}

// takeFromShelf lowers the stock, if there is enough. Customers may not change books: the change is made with full rights, which needs a
// reason and is logged.
func takeFromShelf(ctx context.Context, book, quantity int32) (left int32, err error) {
	err = cds.Privileged(ctx, "a sale takes books off the shelf", func(ctx context.Context) error {
		n, err := admin.Modify(admin.Books).
			Where(admin.Books.Key(book), admin.Books.Stock.Ge(quantity)).
			Set(admin.Books.Stock.Minus(quantity)).
			Exec(ctx)
		if err != nil {
			return err
		}
		b, err := admin.From(admin.Books).Where(admin.Books.Key(book)).One(ctx)
		if err != nil {
			return err // 404: there is no such book
		}
		if n == 0 {
			return cds.Reject(409, "OUT_OF_STOCK", "%d exceeds the stock of book %d", quantity, book)
		}
		left = b.Stock.Or(0)
		return nil
	})
	return left, err
}
