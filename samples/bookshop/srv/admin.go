package srv

import (
	"context"

	cds "cds/runtime"
	"cds/samples/bookshop/internal/gen/admin"
	"cds/samples/bookshop/internal/gen/catalog"
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

// few is when a book should be ordered from its publisher.
const few = 10

// reorder watches the shelf: it is told of every order, after that was saved, and has a transaction of its own. Were it to fail, nobody but the log
// would notice. The customer may not look at the stock of AdminService: reading it needs full rights.
func reorder(ctx context.Context, msg *cds.Received[catalog.OrderedEvent]) error {
	return cds.Privileged(ctx, "the shelf is watched", func(ctx context.Context) error {
		book, err := admin.From(admin.Books).Where(admin.Books.Key(msg.Data.Book.Or(0))).One(ctx)
		if err != nil {
			return err
		}
		if n := book.Stock.Or(0); n < few {
			cds.Log(ctx, "stock").Warn("running low", "book", book.ID.Or(0), "left", n)
		}
		return nil
	})
}
