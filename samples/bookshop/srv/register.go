// Package srv has the handlers of the bookshop, one file per service.
package srv

import (
	"errors"

	cds "cds/runtime"
	"cds/samples/bookshop/internal/gen/admin"
	"cds/samples/bookshop/internal/gen/catalog"
	"cds/samples/bookshop/internal/gen/order"
)

// Register hands the handlers to the app. A handler for the wrong entity or of the wrong service does not compile, nor does a missing
// operation.
func Register(app *cds.App) error {
	app.Authorize(openOrdersOnly{})
	return errors.Join(
		catalog.Serve(app, shop{},
			catalog.After(catalog.Read, catalog.Books, discount),
			catalog.Before(catalog.Create, catalog.Reviews, oneReviewEach),
		),
		admin.Serve(app, stock{},
			admin.Subscribe(catalog.Ordered, reorder),
		),
		order.Serve(app, orders{},
			order.Before(order.Create, order.Orders, price),
			order.Before(order.Update, order.Orders, whileOpen),
			order.Before(order.Update, order.Orders, price),
			order.Before(order.Delete, order.Orders, whileOpen),
		),
	)
}
