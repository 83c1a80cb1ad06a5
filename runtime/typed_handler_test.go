package cds_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"cds/parser"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/cdstest"
)

const shopModel = `
service S {
  entity Books { key ID : Integer; title : String(20); stock : Integer; virtual note : String; }
  @restrict: [{ grant: 'READ' }, { grant: 'WRITE', to: 'admin' }]
  entity Shelves { key ID : Integer; name : String; }
  function words(from_ : String not null) returns array of String;
  function pairs() returns many { a : String; n : Integer };
  function best() returns Books;
  function none() returns String;
  function every() returns many Books;
  action   touch();
}
service T { entity Books { key ID : Integer; } }`

const shopBooks = "ID,title,stock\n1,One,10\n2,Two,20\n3,Three,30\n"

// The typed side of S as the generator would write it.
type (
	brand struct{}
	book  struct {
		ID    cds.Opt[int32]
		Title cds.Opt[string]
		Stock cds.Opt[int32]
		Note  cds.Opt[string]
		cds.Ext
	}
	pair      struct{ A, N cds.Opt[string] }
	wordsOf   struct{ Of string }
	bookRef   struct{ cds.Entity[book] }
	bookStock = cds.Col[book, int32]
)

func (x *book) CDSFields(f *cds.Fields) {
	cds.Field(f, "ID", &x.ID)
	cds.Field(f, "title", &x.Title)
	cds.Field(f, "stock", &x.Stock)
	cds.Field(f, "note", &x.Note)
}

func (x *pair) CDSFields(f *cds.Fields)    { cds.Field(f, "a", &x.A) }
func (x *wordsOf) CDSFields(f *cds.Fields) { cds.Plain(f, "from_", &x.Of) }

var (
	sBooks  = bookRef{cds.NewEntity[book]("S.Books")}
	tBooks  = bookRef{cds.NewEntity[book]("T.Books")}
	bookID  = cds.Col[book, int32]("ID")
	stock   = bookStock("stock")
	inS     = cds.InService("S")
	words   = cds.NewOperation[wordsOf]("S", "words", cds.ReturnsList[string]())
	pairs   = cds.NewOperation[cds.None]("S", "pairs", cds.ReturnsStructs[pair]())
	best    = cds.NewOperation[cds.None]("S", "best", cds.ReturnsEntity[book]())
	none    = cds.NewOperation[cds.None]("S", "none", cds.ReturnsValue[string]())
	all     = cds.NewOperation[cds.None]("S", "every", cds.ReturnsEntities[book]())
	touch   = cds.NewOperation[cds.None]("S", "touch", cds.ReturnsNone())
	unknown = cds.NewOperation[cds.None]("S", "unknown", cds.ReturnsNone())
)

type handlers = []cds.Handler[brand]

func shop(t *testing.T, hs ...cds.Handler[brand]) *cdstest.App {
	t.Helper()
	return cdstest.New(t, cdstest.Config{
		Model: func() (*csn.Model, error) {
			res := parser.CompileString("s.cds", shopModel)
			return res.Model, res.Diags.Err()
		},
		FS:       fstest.MapFS{"db/data/S.Books.csv": {Data: []byte(shopBooks)}},
		Users:    []cdstest.TestUser{cdstest.User("ann", cdstest.Roles("admin"))},
		Register: func(app *cds.App) error { return cds.Serve(app, "S", cds.PolicyOf(app, "S"), nil, hs) },
	})
}

func TestOnReplacesOrWraps(t *testing.T) {
	app := shop(t, cds.OnEntity[brand](cds.Read, cds.EntityRef[book](sBooks),
		func(ctx context.Context, req *cds.Request[book], next cds.NextRows[book]) ([]*book, error) {
			rows, err := next(ctx)
			if err != nil {
				return nil, err
			}
			for _, b := range rows {
				b.Note.Set("seen " + b.Title.Or(""))
			}
			return rows[:len(rows)-1], nil
		}))
	app.HTTP().GET("/odata/v4/s/Books?$orderby=ID").Status(200).Contains("seen One", "seen Two").Lacks("Three")
	rows, err := cds.From(inS, sBooks).All(app.As(""))
	if err != nil || len(rows) != 2 || rows[0].Note.Or("") != "seen One" {
		t.Errorf("rows are %v, %v", rows, err)
	}
}

func TestOnWriteSeesAndChangesData(t *testing.T) {
	app := shop(t, cds.OnEntity[brand](cds.Create, cds.EntityRef[book](sBooks),
		func(ctx context.Context, req *cds.Request[book], next cds.NextRows[book]) ([]*book, error) {
			req.Data.Title.Set(strings.ToUpper(req.Data.Title.Or("")))
			return next(ctx)
		}))
	app.HTTP().POST("/odata/v4/s/Books", `{"ID":9,"title":"nine"}`).Status(201).Contains("NINE")
	app.HTTP().GET("/odata/v4/s/Books(9)").Status(200).Contains("NINE")
}

func TestBeforeChangesEachRow(t *testing.T) {
	n := 0
	app := shop(t, cds.BeforeEntity[brand](cds.Create, cds.EntityRef[book](sBooks), func(_ context.Context, req *cds.Request[book]) error {
		n++
		if req.Data.Stock.Or(0) < 0 {
			req.Invalid(stock, "STOCK_NEGATIVE", "There are no %d copies", req.Data.Stock.Or(0))
		}
		req.Data.Stock.Set(req.Data.Stock.Or(0) + 1)
		return nil
	}))
	made, err := cds.InsertInto(inS, sBooks, &book{ID: cds.Some[int32](7), Stock: cds.Some[int32](1)}, &book{ID: cds.Some[int32](8)}).Exec(app.As(""))
	if err != nil || n != 2 || len(made) != 2 || made[0].Stock.Or(0) != 2 || made[1].Stock.Or(0) != 1 {
		t.Errorf("%d calls, rows %v, %v", n, made, err)
	}
	app.HTTP().POST("/odata/v4/s/Books", `{"ID":9,"stock":-3}`).Status(400).Contains("STOCK_NEGATIVE", "no -3 copies", `"target":"stock"`)
	app.HTTP().GET("/odata/v4/s/Books(9)").Status(404)
}

func TestBeforeReadNarrowsTheQuery(t *testing.T) {
	app := shop(t, cds.BeforeRead[brand](cds.EntityRef[book](sBooks), func(_ context.Context, req *cds.RawRequest) error {
		req.Query = cds.From(nil, sBooks).Where(stock.Ge(20)).Query()
		return nil
	}))
	if got := app.HTTP().GET("/odata/v4/s/Books").Status(200).Values("ID"); len(got) != 2 {
		t.Errorf("rows are %v", got)
	}
}

func TestAfterRunsOncePerPage(t *testing.T) {
	calls, rows := 0, 0
	app := shop(t, cds.AfterEntity[brand](cds.Read, cds.EntityRef[book](sBooks), func(_ context.Context, _ *cds.Request[book], page []*book) error {
		calls++
		rows += len(page)
		return nil
	}))
	app.HTTP().GET("/odata/v4/s/Books").Status(200)
	if calls != 1 || rows != 3 {
		t.Errorf("%d calls with %d rows", calls, rows)
	}
}

func TestHandlerErrorsAreFaultsNotAnswers(t *testing.T) {
	app := shop(t, cds.BeforeAny[brand](func(context.Context, *cds.RawRequest) error { return errors.New("disk at /var/secret is full") }))
	app.HTTP().GET("/odata/v4/s/Books").Status(500).Lacks("secret")
	if !strings.Contains(app.Log(), "secret") {
		t.Error("the log does not tell what happened")
	}
}

func TestOperations(t *testing.T) {
	app := shop(t,
		cds.Implement[brand](words, func(_ context.Context, r *cds.Request[wordsOf]) ([]string, error) {
			return strings.Fields(r.Data.Of), nil
		}),
		cds.Implement[brand](pairs, func(context.Context, *cds.Request[cds.None]) ([]*pair, error) {
			return []*pair{{A: cds.Some("x")}, {A: cds.Null[string]()}}, nil
		}),
		cds.Implement[brand](best, func(ctx context.Context, _ *cds.Request[cds.None]) (*book, error) {
			return cds.From(inS, sBooks).OrderBy(stock.Desc()).One(ctx)
		}),
		cds.Implement[brand](none, func(context.Context, *cds.Request[cds.None]) (cds.Opt[string], error) { return cds.Null[string](), nil }),
		cds.Implement[brand](all, func(ctx context.Context, _ *cds.Request[cds.None]) ([]*book, error) {
			return cds.From(inS, sBooks).Where(bookID.In(1, 3)).All(ctx)
		}),
		cds.Implement[brand](touch, func(context.Context, *cds.Request[cds.None]) (cds.None, error) { return cds.None{}, nil }),
	)
	ctx := app.As("")
	if w, err := words.Call(ctx, wordsOf{"a b"}); err != nil || strings.Join(w, "+") != "a+b" {
		t.Errorf("words: %v, %v", w, err)
	}
	if p, err := pairs.Call(ctx, cds.None{}); err != nil || len(p) != 2 || p[0].A.Or("") != "x" || !p[1].A.IsNull() {
		t.Errorf("pairs: %v, %v", p, err)
	}
	if b, err := best.Call(ctx, cds.None{}); err != nil || b.ID.Or(0) != 3 {
		t.Errorf("best: %v, %v", b, err)
	}
	if o, err := none.Call(ctx, cds.None{}); err != nil || !o.IsNull() {
		t.Errorf("none: %v, %v", o, err)
	}
	if bs, err := all.Call(ctx, cds.None{}); err != nil || len(bs) != 2 {
		t.Errorf("all: %v, %v", bs, err)
	}
	if _, err := touch.Call(ctx, cds.None{}); err != nil {
		t.Errorf("touch: %v", err)
	}
	if _, err := unknown.Call(ctx, cds.None{}); err == nil {
		t.Error("an operation that the model does not have was called")
	}
	app.HTTP().GET("/odata/v4/s/words(from_='x y')").Status(200).Contains(`["x","y"]`)
	app.HTTP().GET("/odata/v4/s/best()").Status(200).Contains(`"title":"Three"`)
	app.HTTP().GET("/odata/v4/s/none()").Status(204)
	app.HTTP().POST("/odata/v4/s/touch", "{}").Status(204)
}

func TestWritesThroughServiceAndDatabase(t *testing.T) {
	shelves := bookRef{cds.NewEntity[book]("S.Shelves")}
	app := shop(t)
	_, err := cds.Modify(inS, shelves).Where(bookID.Eq(1)).Set(cds.Col[book, int32]("ID").To(2)).Exec(app.As(""))
	cdstest.Unauthorized(t, err)
	if n, err := cds.Modify(inS, sBooks).Where(stock.Ge(20)).Set(stock.Plus(5)).Exec(app.As("ann")); err != nil || n != 2 {
		t.Errorf("%d rows changed, %v", n, err)
	}
	if n, err := cds.DeleteFrom(inS, sBooks).Where(bookID.Eq(1)).Exec(app.As("ann")); err != nil || n != 1 {
		t.Errorf("%d rows removed, %v", n, err)
	}
	if n, err := cds.From(inS, sBooks).Where(stock.Gt(20)).Count(app.As("ann")); err != nil || n != 2 {
		t.Errorf("%d rows are left, %v", n, err)
	}
	if _, err := cds.UpsertInto(inS, sBooks, &book{ID: cds.Some[int32](2), Title: cds.Some("deux")}).Exec(app.As("ann")); err != nil {
		t.Error(err)
	}
	if b, err := cds.From(inS, sBooks).Where(bookID.Eq(2)).One(app.As("")); err != nil || b.Title.Or("") != "deux" || b.Stock.Or(0) != 25 {
		t.Errorf("row is %+v, %v", b, err)
	}
}

func TestServeRefusesWhatDoesNotFit(t *testing.T) {
	fine := func(context.Context, *cds.Request[book]) error { return nil }
	app := shop(t)
	for name, hs := range map[string]handlers{
		"entity of another service": {cds.BeforeEntity[brand](cds.Create, cds.EntityRef[book](tBooks), fine)},
		"entity that is gone":       {cds.BeforeEntity[brand](cds.Create, cds.EntityRef[book](cds.NewEntity[book]("S.Gone")), fine)},
		"operation that is gone":    {cds.Implement[brand](unknown, func(context.Context, *cds.Request[cds.None]) (cds.None, error) { return cds.None{}, nil })},
		"no function":               {cds.BeforeEntity[brand](cds.Create, cds.EntityRef[book](sBooks), nil)},
		"empty handler":             {{}},
	} {
		if err := cds.Serve(app.CDS, "S", cds.PolicyOf(app.CDS, "S"), nil, hs); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := cds.Serve[brand](app.CDS, "Gone", cds.PolicyTable{}, nil, nil); err == nil {
		t.Error("a service that the model does not have was served")
	}
}

func TestStalePolicyIsRefused(t *testing.T) {
	app := shop(t)
	now := cds.PolicyOf(app.CDS, "S")
	for name, table := range map[string]cds.PolicyTable{
		"less":   {Digest: now.Digest, Rows: now.Rows[:1]},
		"more":   {Digest: now.Digest, Rows: append(now.Rows[:len(now.Rows):len(now.Rows)], cds.PolicyRow{On: "S.Books", Grant: "*"})},
		"other":  {Digest: now.Digest, Rows: []cds.PolicyRow{now.Rows[0], {On: "S.Shelves", Grant: "WRITE", To: "any"}}},
		"digest": {Digest: "0", Rows: now.Rows},
		"none":   {},
	} {
		err := cds.Serve[brand](app.CDS, "S", table, nil, nil)
		if err == nil || !strings.Contains(err.Error(), "policy-stale") || !strings.Contains(err.Error(), "cds gen") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	if err := cds.Serve[brand](app.CDS, "S", now, nil, nil); err != nil {
		t.Error(err)
	}
}

const deskModel = `
service S {
  @restrict: [{ grant: ['READ', 'mark', 'first'], where: 'owner = $user' }, { grant: '*', to: 'admin' }]
  entity Notes { key ID : Integer; owner : String; text : String; } actions {
    action mark(text : String) returns { was : String };
    function first(in : many $self) returns Notes;
  };
}`

type note struct {
	ID          cds.Opt[int32]
	Owner, Text cds.Opt[string]
}
type (
	markText struct{ Text cds.Opt[string] }
	wasText  struct{ Was cds.Opt[string] }
)

func (x *note) CDSFields(f *cds.Fields) {
	cds.Field(f, "ID", &x.ID)
	cds.Field(f, "owner", &x.Owner)
	cds.Field(f, "text", &x.Text)
}
func (x *markText) CDSFields(f *cds.Fields) { cds.Field(f, "text", &x.Text) }
func (x *wasText) CDSFields(f *cds.Fields)  { cds.Field(f, "was", &x.Was) }

var (
	notes  = cds.EntityRef[note](cds.NewEntity[note]("S.Notes"))
	noteID = cds.Col[note, int32]("ID")
	mark   = cds.NewBoundOperation[note, markText]("S", "S.Notes", "mark", cds.ReturnsStruct[wasText]())
	first  = cds.NewBoundOperation[note, cds.None]("S", "S.Notes", "first", cds.ReturnsEntity[note]())
)

// Bound operations see what the caller may see: a hidden row is missing, and a collection is the visible part of it.
func TestBoundOperations(t *testing.T) {
	calls := 0
	app := cdstest.New(t, cdstest.Config{
		Model: func() (*csn.Model, error) {
			res := parser.CompileString("s.cds", deskModel)
			return res.Model, res.Diags.Err()
		},
		FS:    fstest.MapFS{"db/data/S.Notes.csv": {Data: []byte("ID,owner,text\n1,ann,a\n2,ben,b\n3,ben,c\n")}},
		Users: []cdstest.TestUser{cdstest.User("ann"), cdstest.User("ben"), cdstest.User("cat")},
		Register: func(app *cds.App) error {
			return cds.Serve(app, "S", cds.PolicyOf(app, "S"), handlers{
				cds.ImplementBound[brand](notes, mark, func(ctx context.Context, b *cds.Bound[note, markText]) (*wasText, error) {
					calls++
					n, err := b.Load(ctx)
					if err != nil {
						return nil, err
					}
					return &wasText{Was: n.Text}, nil
				}),
				cds.ImplementBound[brand](notes, first, func(ctx context.Context, b *cds.Bound[note, cds.None]) (*note, error) {
					ns, err := b.LoadAll(ctx)
					if err != nil || len(ns) == 0 {
						return nil, err
					}
					return ns[0], nil
				}),
			}, nil)
		},
	})
	was, err := mark.Call(app.As("ben"), noteID.Eq(2), markText{Text: cds.Some("x")})
	if err != nil || was.Was.Or("") != "b" || calls != 1 {
		t.Errorf("was %v, %v, %d calls", was, err, calls)
	}
	_, err = mark.Call(app.As("ann"), noteID.Eq(2), markText{})
	cdstest.NotFound(t, err)
	_, err = mark.Call(app.As(""), noteID.Eq(2), markText{})
	cdstest.Rejected(t, err, 404)
	if _, err = mark.Call(app.As("ben"), cds.Pred[note]{}, markText{}); err == nil {
		t.Error("an operation was called on no row in particular")
	}
	if calls != 1 {
		t.Errorf("the handler ran %d times", calls)
	}
	for user, want := range map[string]int32{"ann": 1, "ben": 2, "cat": 0} {
		n, err := first.Call(app.As(user), noteID.Gt(0), cds.None{})
		if err != nil || (n == nil) != (want == 0) || n != nil && n.ID.Or(0) != want {
			t.Errorf("%s: %+v, %v", user, n, err)
		}
	}
}
