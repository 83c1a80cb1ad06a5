package srv

import (
	"context"

	cds "cds/runtime"
	"cds/samples/bookshop/internal/gen/admin"
)

// stock implements the operations of AdminService.
type stock struct{}

// BooksRestock puts more copies on the shelf.
func (stock) BooksRestock(ctx context.Context, req *cds.Bound[admin.Book, admin.BooksRestockParams]) (*admin.Book, error) {
	if req.Data.Amount < 1 {
		return nil, cds.Reject(400, "AMOUNT_TOO_SMALL", "Put one copy on the shelf at least")
	}
	b, err := req.Load(ctx)
	if err != nil {
		return nil, err
	}
	_, err = admin.Modify(admin.Books).
		Where(admin.Books.Key(b.ID.Or(0))).
		Set(admin.Books.Stock.Plus(req.Data.Amount)).
		Exec(ctx)
	if err != nil {
		return nil, err
	}
	return req.Load(ctx)
}

// StockLevel counts the copies of all books. It reads the database directly: no handlers run and nothing is authorized, which is why
// cds.DB stands out.
func (stock) StockLevel(ctx context.Context, _ *cds.Request[cds.None]) (cds.Opt[int32], error) {
	books, err := cds.From(cds.DB(ctx), admin.Books).All(ctx)
	if err != nil {
		return cds.Null[int32](), err
	}
	var n int32
	for _, b := range books {
		n += b.Stock.Or(0)
	}
	return cds.Some(n), nil
}
