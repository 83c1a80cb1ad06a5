package srv

import (
	"context"
	"fmt"

	cds "cds/runtime"
	"cds/samples/bookshop/internal/gen/admin"
	"cds/samples/bookshop/internal/gen/order"
)

// price completes an order with items: each gets the price of its book, the order their sum. All faults are collected, so that the client
// sees them at once.
func price(ctx context.Context, req *cds.Request[order.Order]) error {
	if req.Event == cds.Event(order.Update) && !req.Data.Items.Has() {
		return nil // the items stay as they are
	}
	if req.Data.Items.Len() == 0 {
		req.Error(400, "ORDER_EMPTY", "items", "An order needs one item at least")
		return nil
	}
	total := cds.DecimalOf(0)
	for i, item := range req.Data.Items.All() {
		book, err := order.From(order.Books).Where(order.Books.Key(item.BookID.Or(0))).One(ctx)
		if err != nil {
			if cds.AsError(err).Status != 404 {
				return err
			}
			req.Error(400, "BOOK_UNKNOWN", fmt.Sprintf("items[%d]/book_ID", i), "There is no such book")
			continue
		}
		one := book.Price.Or(cds.DecimalOf(0))
		item.Price.Set(one)
		total = total.Add(one.Mul(cds.DecimalOf(int64(item.Quantity.Or(0)))))
		req.Data.CurrencyCode = book.CurrencyCode
	}
	req.Data.Total.Set(total)
	return nil
}

// whileOpen refuses changes of orders that are on their way. Subject are the rows that the request addresses, as far as this user may see
// them.
func whileOpen(ctx context.Context, req *cds.Request[order.Order]) error {
	if req.Data.Status.Or("") == order.OrderStatusShipped && !req.User.Is(order.RoleAdmin) {
		return cds.Reject(403, "STAFF_ONLY", "Only the staff of the shop sends orders off")
	}
	res, err := req.Execute(ctx, req.Subject())
	if err != nil {
		return err
	}
	if len(res.Rows) == 0 && req.MustExist {
		return cds.Reject(404, "404", "Not Found") // not there, or not for this user: the answer is the same
	}
	for _, row := range res.Rows {
		var o order.Order
		if err := cds.FromRow(row, &o); err != nil {
			return err
		}
		if o.Status.Or(order.OrderStatusOpen) != order.OrderStatusOpen {
			return cds.Reject(409, "ORDER_CLOSED", "Order %s is %s", o.ID.Or(""), o.Status.Or(""))
		}
	}
	return nil
}

// orders implements the operations of OrderService.
type orders struct{}

// OrdersCancel closes an order and gives its books back. The policy has let through only those who may cancel this order.
func (orders) OrdersCancel(ctx context.Context, req *cds.Bound[order.Order, cds.None]) (*order.Order, error) {
	o, err := req.Load(ctx)
	if err != nil {
		return nil, err
	}
	id := o.ID.Or("")
	if o.Status.Or("") != order.OrderStatusOpen {
		return nil, cds.Reject(409, "ORDER_CLOSED", "Order %s is %s", id, o.Status.Or(""))
	}
	_, err = order.Modify(order.Orders).
		Where(order.Orders.Key(id)).
		Set(order.Orders.Status.To(order.OrderStatusCanceled)).
		Exec(ctx)
	if err != nil {
		return nil, err
	}
	canceled, err := order.From(order.Orders).Where(order.Orders.Key(id)).Expand(order.Orders.Items).One(ctx)
	if err != nil {
		return nil, err
	}
	return canceled, putBack(ctx, canceled.Items.All())
}

func putBack(ctx context.Context, items []*order.OrderItem) error {
	return cds.Privileged(ctx, "a canceled order puts books back on the shelf", func(ctx context.Context) error {
		for _, item := range items {
			_, err := admin.Modify(admin.Books).
				Where(admin.Books.Key(item.BookID.Or(0))).
				Set(admin.Books.Stock.Plus(item.Quantity.Or(0))).
				Exec(ctx)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// openOrdersOnly narrows what Support sees: orders that still need attention. An Authorizer can take rights away, never give any.
type openOrdersOnly struct{}

// Decide implements cds.Authorizer.
func (openOrdersOnly) Decide(_ context.Context, a cds.Access) (cds.Narrowing, error) {
	if a.Target == nil || a.Target.Name != order.Orders.EntityName() || !a.User.Is(order.RoleSupport) || a.User.Is(order.RoleAdmin) {
		return cds.Narrowing{}, nil
	}
	return cds.Narrowing{
		Reason: "support sees open orders only",
		Where:  order.Orders.Status.Eq(order.OrderStatusOpen).Expr(),
	}, nil
}
