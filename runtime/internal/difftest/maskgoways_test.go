package difftest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/cdstest"
	"cds/runtime/db"
)

// everyType has an element of each type that can be masked, some of them encrypted, and values that only their owner sees.
const everyType = `
context d {
  entity E { key ID : Integer; owner : String;
    @mask: { go: 'string', unless: { where: (owner = $user) } } s : String(40);
    @mask: { go: 'string' } l : LargeString;
    @mask: { go: 'uuid' } u : UUID;
    @mask: { go: 'bool', unless: { where: (owner = $user) } } b : Boolean;
    @mask: { go: 'int16' } i16 : Int16; @mask.go: 'int32' i : Integer; @mask: { go: 'int64' } i64 : Int64; @mask: { go: 'int64' } small : UInt8;
    @mask: { go: 'double' } f : Double; @mask: { go: 'decimal', unless: [{ to: 'never', where: (owner = $user) }] } p : Decimal(9,2);
    @mask: { go: 'date' } day : Date; @mask: { go: 'time' } at : Time; @mask: { go: 'moment' } dt : DateTime; @mask: { go: 'moment' } ts : Timestamp;
    @mask: { go: 'nulls', unless: [{ where: (owner = $user) }, 'hr'] } n : String;
    @mask: { go: 'string', unless: [{ where: (owner = $user) }, 'hr'] } @encrypted secret : String(40);
    @mask: { go: 'decimal' } @encrypted pay : Decimal(9,2); @mask: { go: 'string', unless: 'hr' } @encrypted: 'deterministic' code : String;
    bank { @mask: { go: 'string' } name : String; };
    other : Association to E; kids : Composition of many K on kids.e = $self; }
  entity K { key ID : Integer; e : Association to E; @mask: { go: 'string', unless: { where: (e.owner = $user) } } s : String(10); }
}
@protocol: [{ kind: 'odata', path: '/s' }, { kind: 'rest', path: '/rest/s' }] @requires: 'authenticated-user' service S {
  @requires: 'any' entity E as projection on d.E; entity K as projection on d.K;
}`

var everyTypeData = fstest.MapFS{
	"db/data/d-E.csv": {Data: []byte("ID,owner,s,l,u,b,i16,i,i64,small,f,p,day,at,dt,ts,n,secret,pay,code,bank_name,other_ID\n" +
		"1,u1,SECRET1,SECRETL,7e2f2640-6866-4dcf-8f4d-3027aa831cad,true,77,7777,777777777777,77,7777.5,7777.5,1987-06-05,07:07:07,1987-06-05T07:07:07Z,1987-06-05T07:07:07.777Z,SECRETN,SECRETE,7777.25,SECRETC,SECRETB,2\n" +
		"2,u2,SECRET2,SECRETL,7e2f2640-6866-4dcf-8f4d-3027aa831cad,false,77,7777,777777777777,77,7777.5,7777.5,1987-06-05,07:07:07,1987-06-05T07:07:07Z,1987-06-05T07:07:07.777Z,,SECRETE,7777.25,SECRETC,SECRETB,1\n" +
		"3,u1,,,,,,,,,,,,,,,,,,,,\n")},
	"db/data/d-K.csv": {Data: []byte("ID,e_ID,s\n1,1,SECRETK\n2,2,SECRETK\n")},
}

func typeMasks(app *cds.App) error {
	fixed(app, "string", "hidden")
	fixed(app, "uuid", cds.UUID("00000000-0000-0000-0000-000000000000"))
	cds.Mask(app, "bool", func(_ context.Context, b bool) (bool, error) { return !b, nil })
	fixed(app, "int16", int16(-1))
	fixed(app, "int32", int32(-2))
	fixed(app, "int64", int64(3))
	fixed(app, "double", -0.5)
	fixed(app, "decimal", cds.MustDecimal("1.5"))
	fixed(app, "date", cds.Date("2001-01-01"))
	fixed(app, "time", cds.TimeOfDay("01:01:01"))
	fixed(app, "moment", time.Date(2001, 1, 1, 1, 1, 1, 999, time.FixedZone("", 3600)))
	cds.MaskOpt(app, "nulls", func(ctx context.Context, s cds.Opt[string]) (cds.Opt[string], error) {
		if s.IsNull() {
			return cds.Some("none for " + cds.UserFrom(ctx).ID), nil
		}
		return cds.Null[string](), nil
	})
	return nil
}

func fixed[T cds.Maskable](app *cds.App, name string, v T) {
	cds.Mask(app, name, func(context.Context, T) (T, error) { return v, nil })
}

func typesApp(t *testing.T, database func(testing.TB) db.Pool) *cdstest.App {
	return cdstest.New(t, cdstest.Config{FS: everyTypeData, Database: database, Register: typeMasks, Model: compiled(everyType),
		Users: []cdstest.TestUser{cdstest.User("u1"), cdstest.User("u2"), cdstest.User("hr", cdstest.Roles("hr"))}})
}

func plainIn(body string) bool {
	return strings.Contains(body, "SECRET") || strings.Contains(body, "77") || strings.Contains(body, "1987") || strings.Contains(body, "7e2f")
}

// TestGoMask_types: values of all types, in exempt rows and others, null and not, encrypted and not, at all doors.
func TestGoMask_types(t *testing.T) { both(t, goMaskTypes) }

func goMaskTypes(t *testing.T, database func(testing.TB) db.Pool) {
	app := typesApp(t, database)
	h := app.Server.Handler()
	const rest = `"l":"hidden","u":"00000000-0000-0000-0000-000000000000","b":true,"i16":-1,"i":-2,"i64":"3","small":3,"f":-0.5,"p":"1.50","day":"2001-01-01","at":"01:01:01","dt":"2001-01-01T00:01:01Z","ts":"2001-01-01T00:01:01.000Z"`
	const two = `"ID":2,"owner":"u2","s":"hidden",` + rest + `,"n":"none for u1","secret":"hidden","pay":"1.50","code":"hidden","bank_name":"hidden","other_ID":1`
	const none = `"s":null,"l":null,"u":null,"b":null,"i16":null,"i":null,"i64":null,"small":null,"f":null,"p":null,"day":null,"at":null,"dt":null,"ts":null,"n":null,"secret":null,"pay":null,"code":null,"bank_name":null`
	for _, c := range []struct{ user, url, want string }{
		{"u1", "/s/E(2)", two},
		{"u1", "/s/E(3)", none},
		{"u1", "/s/E(1)", `"s":"SECRET1",` + rest + `,"n":"SECRETN","secret":"SECRETE","pay":"1.50","code":"hidden","bank_name":"hidden"`},
		{"u1", "/s/E?$filter=ID eq 2&$expand=kids", two + `,"kids":[{"ID":2,"e_ID":2,"s":"hidden"}]`},
		{"u1", "/s/E(1)?$select=ID&$expand=other($select=s,n,secret,b)", `"other":{"s":"hidden","n":"none for u1","secret":"hidden","b":true,"ID":2}`},
		{"u1", "/s/E(3)?$expand=other", `"other":null`},
		{"u1", "/s/E(1)?$select=ID&$expand=other($expand=other($select=s))", `"other":{"s":"SECRET1","ID":1}`},
		{"u2", "/s/E(1)", `"n":null,"secret":"hidden"`},
		{"u2", "/s/E?$filter=ID lt 2&$expand=kids", `"kids":[{"ID":1,"e_ID":1,"s":"hidden"}]`},
		{"u2", "/s/E(2)", `"n":null,"secret":"SECRETE"`},
		{"u2", "/s/E(3)", `"n":"none for u2","secret":null`},
		{"hr", "/s/E(1)", `"n":"SECRETN","secret":"SECRETE"`},
		{"hr", "/s/E?$filter=ID eq 1 and code eq 'SECRETC'", `"code":"SECRETC"`},
		{"hr", "/s/E?$filter=n eq 'SECRETN'", `"n":"SECRETN"`},
		{"u1", "/s/E(2)/p", `"value":"1.50"`},
		{"u1", "/s/E(2)/p/$value", `1.5`},
		{"u1", "/s/E(2)/secret/$value", `hidden`},
		{"u1", "/s/E(2)/l/$value", `hidden`},
		{"u1", "/s/E(2)/ts/$value", `2001-01-01T00:01:01.000Z`},
		{"u1", "/s/E(2)/bank_name", `"value":"hidden"`},
		{"u1", "/s/K?$filter=ID eq 2&$expand=e($select=s)", `{"ID":2,"e_ID":2,"s":"hidden","e":{"s":"hidden","ID":2}}`},
		{"u1", "/rest/s/E/2", `"n":"none for u1","secret":"hidden"`},
		{"u1", "/rest/s/E?$select=ID,f,i64&$filter=ID eq 2", `"f":-0.5,"i64":"3"`},
	} {
		rec := send(h, &person{name: c.user}, "GET", strings.ReplaceAll(escape(c.url), "%26", "&"), "")
		if rec.Code != 200 || !strings.Contains(rec.Body.String(), c.want) || !strings.Contains(c.want, "SECRET") && plainIn(rec.Body.String()) { // what is expected says whether values are
			t.Errorf("%s: GET %s: %d %s, not %s", c.user, c.url, rec.Code, rec.Body, c.want)
		}
	}
	goMaskWrites(t, app)
	goMaskInCode(t, app)
}

// goMaskWrites: answers to writes are masked, who sees the mask changes nothing, and a batch is as its parts.
func goMaskWrites(t *testing.T, app *cdstest.App) {
	h := app.Server.Handler()
	for _, c := range []struct {
		method, url, body, want string
		status                  int
	}{
		{"POST", "/s/E", `{"ID":9,"owner":"u2","s":"SECRET9","n":"SECRET9","secret":"SECRET9","i":7777,"kids":[{"ID":9,"s":"SECRET9"}]}`, `"s":"hidden"`, 201},
		{"PUT", "/s/E(10)", `{"owner":"u2","s":"SECRET9","p":77}`, `"s":"hidden"`, 201},
		{"PUT", "/s/E(10)", `{"owner":"u2","s":"SECRET9","p":77}`, ``, 403},
		{"PATCH", "/s/E(2)", `{"owner":"u2"}`, ``, 200},
		{"PATCH", "/s/E(2)", `{"s":"hidden"}`, ``, 403},
		{"PATCH", "/s/E(2)", `{"secret":"hidden"}`, ``, 403},
		{"GET", "/s/E?$filter=code eq 'SECRETC'", ``, ``, 403},
		{"GET", "/s/E?$filter=code in ('SECRETC','x')", ``, ``, 403},
		{"GET", "/s/E?$filter=code eq null", ``, ``, 403},
		{"GET", "/s/E?$filter=other/code ne 'SECRETC'", ``, ``, 403},
		{"GET", "/s/E?$filter=secret ne null", ``, ``, 403},
		{"GET", "/s/E?$orderby=code", ``, ``, 403},
		{"GET", "/s/E?$apply=groupby((code))", ``, ``, 403},
		{"POST", "/s/$batch", `{"requests":[{"id":"1","method":"GET","url":"E(2)"},{"id":"2","method":"GET","url":"E?$filter=s eq 'SECRET2'"},{"id":"3","method":"GET","url":"E(2)/secret/$value"}]}`, `"secret":"hidden"`, 200},
	} {
		rec := send(h, &person{name: "u1"}, c.method, escape(c.url), c.body)
		if rec.Code != c.status || !strings.Contains(rec.Body.String(), c.want) || plainIn(strings.ReplaceAll(rec.Body.String(), "SECRET2'", "")) {
			t.Errorf("%s %s: %d %s, not %d %s", c.method, c.url, rec.Code, rec.Body, c.status, c.want)
		}
	}
	rec := send(h, &person{name: "hr"}, "GET", "/s/E(9)?$expand=kids", "")
	if !strings.Contains(rec.Body.String(), `"n":"SECRET9","secret":"SECRET9"`) {
		t.Errorf("what was written is kept: %s", rec.Body)
	}
}

// goMaskInCode: code with the user's right sees what he sees, in whatever form it asks; that of the database's owner sees the values.
func goMaskInCode(t *testing.T, app *cdstest.App) {
	ctx := app.CDS.NewContext(context.Background(), auth.New(auth.User{ID: "u1"}), "")
	s := app.CDS.Service("S")
	from := func() *cqn.Select {
		return &cqn.Select{From: &cqn.From{Path: cqn.NewRef("S.E")}, Where: &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("ID"), R: &cqn.Lit{Value: cqn.Int(2)}}}
	}
	res, err := s.Run(ctx, from())
	if err != nil || len(res.Rows) != 1 {
		t.Fatal(res, err)
	}
	row := res.Rows[0]
	for name, want := range map[string]string{"s": "hidden", "b": "true", "i64": "3", "f": "-0.5", "p": "1.50", "day": "2001-01-01", "dt": "2001-01-01T00:01:01Z", "ts": "2001-01-01T00:01:01.000Z", "n": "none for u1", "secret": "hidden", "pay": "1.50"} {
		if got := row.Value(name).Format(); strings.Trim(got, "'") != want {
			t.Errorf("%s is %s, not %s", name, got, want)
		}
	}
	el := func(name string) *cqn.Ref { return cqn.NewRef(name) }
	col := func(x cqn.Expr) []cqn.Column { return []cqn.Column{{X: x, As: "x"}} }
	sub := from()
	sub.Columns = []cqn.Column{{X: el("s")}}
	for _, name := range []string{"s", "b", "p", "n", "secret", "ts"} {
		inner := from()
		inner.Columns = []cqn.Column{{X: el(name), As: "x"}}
		text := &cqn.Lit{Value: cqn.String("x")}
		for i, change := range []func(q *cqn.Select){
			func(q *cqn.Select) { q.Columns = col(&cqn.Call{Name: "max", Args: []cqn.Expr{el(name)}}) },
			func(q *cqn.Select) {
				q.Columns = col(&cqn.Call{Name: "coalesce", Args: []cqn.Expr{el(name), el(name)}})
			},
			func(q *cqn.Select) { q.Columns = col(&cqn.Cast{X: el(name), Type: cqn.TypeName{Name: "cds.String"}}) },
			func(q *cqn.Select) {
				q.Columns = []cqn.Column{{X: el(name), As: "x", Cast: &cqn.TypeName{Name: "cds.String"}}}
			},
			func(q *cqn.Select) {
				q.Columns = append(col(el(name)), cqn.Column{X: &cqn.Call{Name: "count", Star: true}, As: "c"})
			},
			func(q *cqn.Select) { q.Columns, q.GroupBy = col(el(name)), []cqn.Expr{el("ID")} },
			func(q *cqn.Select) { q.Columns, q.GroupBy = col(el("ID")), []cqn.Expr{el(name)} },
			func(q *cqn.Select) { q.Columns, q.Distinct = col(el(name)), true },
			func(q *cqn.Select) { q.Distinct = true },
			func(q *cqn.Select) { q.OrderBy = []cqn.Order{{X: el(name)}} },
			func(q *cqn.Select) { q.Columns, q.OrderBy = col(el(name)), []cqn.Order{{X: el("x")}} },
			func(q *cqn.Select) { q.Where = &cqn.Binary{Op: cqn.Eq, L: el(name), R: el(name)} },
			func(q *cqn.Select) { q.Where = &cqn.In{X: text, Set: &cqn.Subquery{Query: inner}} },
			func(q *cqn.Select) { q.Columns = col(&cqn.Subquery{Query: inner}) },
			func(q *cqn.Select) {
				q.From = &cqn.Derived{Query: inner, As: "i"}
				q.Where = nil
				q.Columns = col(el("x"))
			},
			func(q *cqn.Select) { q.From = &cqn.Derived{Query: from(), As: "i"}; q.Where = nil; q.Columns = nil },
			func(q *cqn.Select) {
				q.Columns = []cqn.Column{{X: &cqn.Ref{Path: []cqn.Step{{Name: "other"}, {Name: name}}}, As: "x"}}
			},
		} {
			q := from()
			change(q)
			if res, err := s.Run(ctx, q); err == nil {
				t.Errorf("%s, %d: %s: %v", name, i, cqn.Format(&cqn.Subquery{Query: q}), res.Rows)
			}
		}
		for _, op := range []string{"union", "intersect", "except"} {
			if res, err := s.Run(ctx, &cqn.SetOp{Op: op, Args: []cqn.Query{inner, inner}}); err == nil {
				t.Errorf("%s: %s: %v", op, name, res.Rows)
			}
		}
	}
	if res, err := app.CDS.Service("S").Run(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef("S.E")}, Columns: []cqn.Column{{X: el("s")}}, Where: &cqn.Subquery{Query: sub, Exists: true}}); err == nil && slices.ContainsFunc(res.Rows, func(r *cds.Row) bool { return r.Value("s").Str() == "SECRET2" }) {
		t.Errorf("beside exists: %v", res.Rows)
	}
	err = cds.Privileged(ctx, "test", func(ctx context.Context) error {
		res, err := s.Run(ctx, from())
		if err == nil && (len(res.Rows) != 1 || res.Rows[0].Value("s").Str() != "SECRET2") {
			return fmt.Errorf("rows are %v", res.Rows)
		}
		return err
	})
	if err != nil {
		t.Error("privileged:", err)
	}
}

// TestGoMask_faults: a function that fails, panics or returns what the element cannot have costs its request a 500, and nobody hears the value.
func TestGoMask_faults(t *testing.T) {
	for _, c := range []struct {
		name, model string
		register    func(app *cds.App)
		log         string
	}{
		{"an error", "s : String", func(app *cds.App) {
			cds.Mask(app, "f", func(_ context.Context, s string) (string, error) { return s, fmt.Errorf("bad value %s", s) })
		}, "mask function f: an error of type *errors.errorString"},
		{"a joined error", "s : String", func(app *cds.App) {
			cds.Mask(app, "f", func(_ context.Context, s string) (string, error) { return s, cds.Reject(404, "404", "no %s", s) })
		}, "mask function f: an error of type *cds.Error"},
		{"a panic", "s : String", func(app *cds.App) {
			cds.Mask(app, "f", func(_ context.Context, s string) (string, error) { panic(s) })
		}, "mask function f: a panic at "},
		{"a panic of Go", "s : String", func(app *cds.App) {
			cds.Mask(app, "f", func(_ context.Context, s string) (string, error) { return s[:2*len(s)], nil })
		}, "maskgoways_test.go:"},
		{"no number", "n : Double", func(app *cds.App) { fixed(app, "f", math.NaN()) }, "the result is not of the element's type"},
		{"too large", "n : Int16", func(app *cds.App) { fixed(app, "f", int64(70000)) }, "the result is not of the element's type"},
		{"no date", "n : Date", func(app *cds.App) { fixed(app, "f", cds.Date("2001-02-30")) }, "the result is not of the element's type"},
		{"no time", "n : Time", func(app *cds.App) { fixed(app, "f", cds.TimeOfDay("")) }, "the result is not of the element's type"},
		{"no id", "n : UUID", func(app *cds.App) { fixed(app, "f", cds.UUID("x")) }, "the result is not of the element's type"},
		{"no year", "n : Timestamp", func(app *cds.App) { fixed(app, "f", time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)) }, "the result is not of the element's type"},
	} {
		name, typ, _ := strings.Cut(c.model, " : ")
		value := map[string]string{"String": "SECRET", "Double": "7777.5", "Int16": "7777", "Date": "1987-06-05", "Time": "07:07:07", "UUID": "7e2f2640-6866-4dcf-8f4d-3027aa831cad", "Timestamp": "1987-06-05T07:07:07.777Z"}[typ]
		app := cdstest.New(t, cdstest.Config{FS: fstest.MapFS{"db/data/S-E.csv": {Data: []byte("ID," + name + "\n1," + value + "\n")}},
			Register: func(app *cds.App) error { c.register(app); return nil },
			Model:    compiled("@protocol: [{ kind: 'odata', path: '/s' }] service S { @requires: 'any' entity E { key ID : Integer; @mask: { go: 'f' } " + c.model + "; }; }")})
		for _, url := range []string{"/s/E", "/s/E(1)", "/s/E(1)/" + name, "/s/E(1)/" + name + "/$value"} {
			rec := send(app.Server.Handler(), &person{}, "GET", url, "")
			if rec.Code != 500 || !strings.Contains(rec.Body.String(), "MASK_FAILED") && !strings.Contains(rec.Body.String(), `"500"`) || plainIn(rec.Body.String()) {
				t.Errorf("%s: GET %s: %d %s", c.name, url, rec.Code, rec.Body)
			}
		}
		if log := app.Log(); !strings.Contains(log, "S.E."+name+", ") || !strings.Contains(log, c.log) || strings.Contains(log, value) {
			t.Errorf("%s: the log is %s", c.name, log)
		}
	}
}

// TestGoMask_context: a function knows who asks, and cannot read by its context in the midst of the rows.
func TestGoMask_context(t *testing.T) {
	var found error
	app := cdstest.New(t, cdstest.Config{FS: fstest.MapFS{"db/data/S-E.csv": {Data: []byte("ID,s\n1,SECRET\n")}}, Users: []cdstest.TestUser{cdstest.User("u1")},
		Register: func(app *cds.App) error {
			cds.Mask(app, "f", func(ctx context.Context, s string) (string, error) {
				_, found = cds.DB(ctx).Run(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef("S.E")}})
				return "for " + cds.UserFrom(ctx).ID + " " + cds.LocaleFrom(ctx), nil
			})
			return nil
		},
		Model: compiled("@protocol: [{ kind: 'odata', path: '/s' }] service S { @requires: 'any' entity E { key ID : Integer; @mask: { go: 'f' } s : String; }; }")})
	rec := send(app.Server.Handler(), &person{name: "u1"}, "GET", "/s/E?sap-locale=de", "")
	if !strings.Contains(rec.Body.String(), `"s":"for u1 de"`) || found == nil {
		t.Errorf("%s, %v", rec.Body, found)
	}
}

// TestGoMask_start: what is not there, or for another type, stops the start at its place; so do registrations that mean nothing.
func TestGoMask_start(t *testing.T) {
	text := func(context.Context, string) (string, error) { return "", nil }
	for _, c := range []struct {
		name, model string
		register    func(app *cds.App)
		want        string
	}{
		{"missing", "@mask: { go: 'f' } s : String;", func(*cds.App) {}, "the mask of S.E.s names the function f, which the application does not have"},
		{"misspelt", "@mask: { go: 'F' } s : String;", func(app *cds.App) { cds.Mask(app, "f", text) }, "names the function F"},
		{"of a structure", "x { @mask: { go: 'f' } s : String; };", func(*cds.App) {}, "names the function f"},
		{"for nobody", "@requires: 'nobody' @mask: { go: 'f' } s : String;", func(*cds.App) {}, "names the function f"},
		{"another type", "@mask: { go: 'f' } s : Integer;", func(app *cds.App) { cds.Mask(app, "f", text) }, "the function f takes and returns string, and S.E.s is a Integer"},
		{"a text for an id", "@mask: { go: 'f' } s : UUID;", func(app *cds.App) { cds.Mask(app, "f", text) }, "takes and returns string"},
		{"a smaller number", "@mask: { go: 'f' } s : Int64;", func(app *cds.App) { fixed(app, "f", int32(1)) }, "takes and returns int32"},
		{"twice", "s : String;", func(app *cds.App) { cds.Mask(app, "f", text); cds.Mask(app, "f", text) }, "f is registered twice"},
		{"nil", "s : String;", func(app *cds.App) { cds.Mask[string](app, "f", nil) }, "the function f is nil"},
		{"nil of the other kind", "s : String;", func(app *cds.App) { cds.MaskOpt[string](app, "f", nil) }, "the function f is nil"},
		{"no name", "s : String;", func(app *cds.App) { cds.Mask(app, "f(4)", text) }, "is no name for a function"},
	} {
		err := startError(t, "service S { @requires: 'any' entity E { key ID : Integer; "+c.model+" }; }", func(app *cds.App) error { c.register(app); return nil })
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := startError(t, "service S { event V { @mask: { go: 'f' } s : String; }; }", nil); err == nil || !strings.Contains(err.Error(), "names the function f") {
		t.Errorf("of an event: %v", err)
	}
	if err := startError(t, "service S { @requires: 'any' entity E { key ID : Integer; @mask: { go: 'f' } s : Integer; @mask: { go: 'f' } b : UInt8; @mask: { go: 'f', value: null } c : Int64; }; }",
		func(app *cds.App) error { fixed(app, "f", int64(1)); return nil }); err != nil {
		t.Errorf("what is right does not start: %v", err)
	}
}

var errNotStarted = errors.New("the model does not compile")

func startError(t *testing.T, model string, register func(*cds.App) error) error {
	t.Helper()
	m, err := compiled(model)()
	if err != nil {
		t.Fatal(model, errNotStarted, err)
	}
	opt := cds.AppOptions{}
	opt.Authz.Strict = true
	app, diags := cds.NewApp(m, opt)
	if app == nil {
		return diags.Err()
	}
	if register != nil {
		if err := register(app); err != nil {
			return err
		}
	}
	return app.Start(t.Context())
}

// TestGoMask_draft: a draft of a row with masked elements keeps their values, and does not show them.
func TestGoMask_draft(t *testing.T) { both(t, goMaskDraft) }

func goMaskDraft(t *testing.T, database func(testing.TB) db.Pool) {
	model := strings.NewReplacer("@requires: 'any' entity E as", "@requires: 'any' @odata.draft.enabled entity E as", " entity K as projection on d.K;", "").Replace(everyType)
	app := cdstest.New(t, cdstest.Config{FS: everyTypeData, Database: database, Register: typeMasks, Model: compiled(model), Users: []cdstest.TestUser{cdstest.User("u1"), cdstest.User("hr", cdstest.Roles("hr"))}})
	h := app.Server.Handler()
	for _, c := range []struct{ user, method, url, body, want string }{
		{"u1", "GET", "/s/E", "", `"s":"hidden"`},
		{"u1", "GET", "/s/E(ID=2,IsActiveEntity=true)", "", `"s":"hidden"`},
		{"u1", "POST", "/s/E(ID=2,IsActiveEntity=true)/S.draftEdit", `{}`, `"IsActiveEntity":false`},
		{"u1", "PATCH", "/s/E(ID=2,IsActiveEntity=false)", `{"owner":"anna"}`, ""},
		{"u1", "GET", "/s/E(ID=2,IsActiveEntity=false)?$expand=kids,DraftAdministrativeData", "", `"owner":"anna"`},
		{"u1", "GET", "/s/E?$filter=ID eq 2 and (IsActiveEntity eq false or SiblingEntity/IsActiveEntity eq null)", "", `"owner":"anna"`},
		{"u1", "GET", "/s/E(ID=2,IsActiveEntity=true)?$expand=DraftAdministrativeData,other,kids", "", `"secret":"hidden"`},
		{"u1", "POST", "/s/E(ID=2,IsActiveEntity=false)/S.draftActivate", `{}`, ""},
		{"hr", "GET", "/s/E(ID=2,IsActiveEntity=true)", "", `"owner":"anna"`},
		{"hr", "GET", "/s/E(ID=2,IsActiveEntity=true)", "", `"secret":"SECRETE"`},
	} {
		rec := send(h, &person{name: c.user}, c.method, strings.ReplaceAll(escape(c.url), "%26", "&"), c.body)
		if rec.Code >= 300 || !strings.Contains(rec.Body.String(), c.want) {
			t.Errorf("%s: %s %s: %d %s", c.user, c.method, c.url, rec.Code, rec.Body)
		}
		if b := rec.Body.String(); c.user == "u1" && strings.Contains(b, "SECRET2") {
			t.Errorf("%s %s shows a masked value: %s", c.method, c.url, b)
		}
	}
	priv := app.CDS.NewContext(context.Background(), auth.Privileged, "")
	res, err := app.CDS.Service("S").Run(priv, &cqn.Select{From: &cqn.From{Path: cqn.NewRef("S.E")}, Where: &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("ID"), R: &cqn.Lit{Value: cqn.Int(2)}}})
	if err != nil || len(res.Rows) != 1 || res.Rows[0].Value("s").Str() != "SECRET2" || res.Rows[0].Value("p").Str() != "7777.50" || res.Rows[0].Value("i").Int() != 7777 {
		t.Errorf("what is kept: %v %v", res, err)
	}
}
