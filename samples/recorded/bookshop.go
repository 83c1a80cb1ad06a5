package main

import (
	"context"
	"fmt"

	"cds/parser/cqn"
	cds "cds/runtime"
)

func registerBookshop(app *cds.App) error {
	app.Service("CatalogService").On(cds.Match{Events: []cds.Event{"submitOrder"}}, submitOrder)
	return nil
}

// submitOrder takes books off the stock, in one transaction with the check that there are enough.
func submitOrder(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
	const books = "sap.capire.bookshop.Books"
	book, quantity := r.Data.Value("book"), r.Data.Value("quantity").Int()
	byID := &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("ID"), R: &cqn.Lit{Value: book}}
	res, err := cds.DB(ctx).Run(ctx, &cqn.Select{
		From:    &cqn.From{Path: cqn.NewRef(books)},
		Columns: []cqn.Column{{X: cqn.NewRef("stock")}},
		Where:   byID, One: true, Lock: cqn.LockUpdate,
	})
	if err != nil {
		return nil, err
	}
	if len(res.Rows) == 0 {
		return nil, cds.Reject(404, "", "Book #%s doesn't exist", book.Format())
	}
	stock := res.Rows[0].Value("stock").Int()
	switch {
	case quantity < 1:
		return nil, cds.Reject(400, "", "quantity has to be 1 or more")
	case quantity > stock:
		return nil, cds.Reject(409, "", "%s", fmt.Sprintf("%d exceeds stock for book #%s", quantity, book.Format()))
	}
	stock -= quantity
	if _, err := cds.DB(ctx).Run(ctx, &cqn.Update{
		Entity: cqn.NewRef(books), Where: byID, Data: cqn.NewRow(cqn.Field{Name: "stock", Value: cqn.Int(stock)}),
	}); err != nil {
		return nil, err
	}
	return object(cqn.Field{Name: "stock", Value: cqn.Int(stock)}), nil
}

// object is the result of an operation that returns one structured value.
func object(fields ...cqn.Field) *cds.Result {
	return &cds.Result{Rows: []*cds.Row{cqn.NewRow(fields...)}, N: 1, One: true, Count: -1}
}

// scalar is the result of an operation that returns a simple value.
func scalar(v cds.Value) *cds.Result { return &cds.Result{Value: &v, Count: -1} }
