package eval_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"testing/fstest"
	"time"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/db"
	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgtest"
	"cds/runtime/db/sqlite"
	"cds/runtime/deploy"
	"cds/runtime/eval"
	"cds/runtime/generic"
)

// Rule V5: a condition lets through the same rows whether it is evaluated here or by the database. Random conditions on random rows
// by random users, through the whole runtime, are the judge.

const sqlModel = `service S { entity E { key ID : Integer; s : String(20); n : Integer; d : Decimal(9, 2); b : Boolean; day : Date; ts : Timestamp;
	color : String enum { red = 'r'; green = 'g'; blue }; tags : array of String; addr { city : String(20); }; ref : Association to E; } }`

var now = time.Date(2026, 5, 4, 12, 30, 0, 0, time.UTC)

const nowText = "2026-05-04T12:30:00.000Z"

// world is a database with rows, and the same rows in memory.
type world struct {
	app  *cds.App
	e    *csn.Entity
	rows []*cqn.Row
}

func newWorld(t *testing.T, driver db.Driver, cfg db.Config) *world {
	t.Helper()
	res := parser.CompileString("v5.cds", sqlModel)
	if res.Model == nil {
		t.Fatal(res.Diags)
	}
	app, diags := cds.NewApp(res.Model, cds.AppOptions{Now: func() time.Time { return now }, PageDefault: 1000})
	if app == nil {
		t.Fatal(diags)
	}
	generic.Install(app)
	pool, err := driver.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	if err := deploy.Deploy(t.Context(), pool, res.Model, fstest.MapFS{}, nil); err != nil {
		t.Fatal(err)
	}
	app.Connect(pool)
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := &world{app: app, e: res.Model.Entity("S.E")}
	r := rand.New(rand.NewPCG(7, 7))
	for i := range 60 {
		w.rows = append(w.rows, randomRow(r, i+1))
	}
	for _, row := range w.rows {
		if _, err := w.service().Run(w.as(auth.Privileged), &cqn.Insert{Into: "S.E", Rows: []*cqn.Row{row.Clone()}}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) service() *cds.Service { return w.app.Service("S") }

func (w *world) as(u *auth.User) context.Context {
	return w.app.NewContext(context.Background(), u, "en")
}

// Values that occur in rows, literals and attributes alike, so that comparisons hit.
var (
	texts    = []string{"", "a", "A", "ab", "abc", "a%b", "a_b", "b", "10", "9", "ä", "it's"}
	numbers  = []int64{-3, 0, 1, 2, 9, 10, 100}
	decimals = []string{"-0.50", "0.00", "0.10", "1.00", "9.99", "10.00", "99.95"}
	days     = []string{"2025-12-31", "2026-05-04", "2026-05-05"}
	stamps   = []string{"2026-05-04T12:29:59.999Z", "2026-05-04T12:30:00.000Z", "2026-05-04T12:30:00.001Z"}
	colors   = []string{"r", "g", "blue", "x"}
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func randomRow(r *rand.Rand, id int) *cqn.Row {
	row := cqn.NewRow(cqn.Field{Name: "ID", Value: cqn.Int(int64(id))})
	set := func(name string, v cqn.Value) {
		if r.IntN(4) == 0 {
			v = cqn.Null
		}
		row.Set(name, v)
	}
	set("s", cqn.String(pick(r, texts)))
	set("n", cqn.Int(pick(r, numbers)))
	set("d", cqn.Decimal(pick(r, decimals)))
	set("b", cqn.Bool(r.IntN(2) == 0))
	set("day", cqn.Text(cqn.KindDate, pick(r, days)))
	set("ts", cqn.Text(cqn.KindTimestamp, pick(r, stamps)))
	set("color", cqn.String(pick(r, colors)))
	set("addr_city", cqn.String(pick(r, texts)))
	set("ref_ID", cqn.Int(int64(r.IntN(60)+1)))
	var tags []cqn.Value
	for range r.IntN(3) {
		tags = append(tags, cqn.String(pick(r, texts)))
	}
	set("tags", cqn.List(tags))
	return row
}

func randomUser(r *rand.Rand) *auth.User {
	if r.IntN(8) == 0 {
		return auth.Anonymous
	}
	list := func(from []string) []string {
		var out []string
		for range r.IntN(3) {
			out = append(out, pick(r, from))
		}
		return out
	}
	return auth.New(auth.User{ID: pick(r, []string{"a", "ab", "zoe"}), Tenant: pick(r, []string{"", "a", "b"}), Attrs: map[string][]string{
		"t": list(texts), "n": list([]string{"-3", "1", "9", "10", "x", "1.5", ""}), "d": list([]string{"0.1", "9.99", "10", "1e2", "abc", "0.125"}),
		"b": list([]string{"true", "false", "1"}), "day": list(append([]string{"yesterday"}, days...)), "none": nil,
	}})
}

// A maker makes random expressions.
type maker struct{ r *rand.Rand }

func (m maker) one(fs ...func() cqn.Expr) cqn.Expr { return pick(m.r, fs)() }

func ref(path ...string) func() cqn.Expr { return func() cqn.Expr { return cqn.NewRef(path...) } }
func lit(v cqn.Value) cqn.Expr           { return &cqn.Lit{Value: v} }
func attr(name string) func() cqn.Expr {
	return func() cqn.Expr { return &cqn.Param{From: cqn.FromUserAttr, Name: name} }
}

func (m maker) text(depth int) cqn.Expr {
	fs := []func() cqn.Expr{ref("s"), ref("addr", "city"), ref("addr_city"), ref("color"), func() cqn.Expr { return lit(cqn.String(pick(m.r, texts))) }}
	if depth > 0 {
		fs = append(fs,
			func() cqn.Expr { return &cqn.Binary{Op: cqn.Concat, L: m.text(depth - 1), R: m.text(depth - 1)} },
			func() cqn.Expr { return &cqn.Call{Name: "coalesce", Args: []cqn.Expr{ref("s")(), m.text(depth - 1)}} },
			func() cqn.Expr { return &cqn.Call{Name: "concat", Args: []cqn.Expr{ref("s")(), m.text(depth - 1)}} },
			func() cqn.Expr {
				// Lists of attributes within a condition within a value are beyond the query compiler.
				when := &cqn.Unary{Op: cqn.IsNull, X: m.number(depth - 1)}
				return &cqn.Case{Whens: []cqn.When{{Cond: when, Then: m.text(depth - 1)}}, Else: m.text(0)}
			})
	}
	return m.one(fs...)
}

func (m maker) number(depth int) cqn.Expr {
	fs := []func() cqn.Expr{ref("n"), ref("ID"), ref("ref", "ID"), ref("ref_ID"), func() cqn.Expr { return lit(cqn.Int(pick(m.r, numbers))) }}
	if depth > 0 {
		fs = append(fs,
			func() cqn.Expr {
				return &cqn.Binary{Op: pick(m.r, []cqn.BinaryOp{cqn.Add, cqn.Sub, cqn.Mul}), L: m.number(depth - 1), R: ref("n")()}
			},
			func() cqn.Expr { return &cqn.Unary{Op: cqn.Neg, X: ref("n")()} },
			func() cqn.Expr { return &cqn.Call{Name: "length", Args: []cqn.Expr{ref("s")()}} })
	}
	return m.one(fs...)
}

var comparisons = []cqn.BinaryOp{cqn.Eq, cqn.Ne, cqn.NeSQL, cqn.EqNull, cqn.Lt, cqn.Le, cqn.Gt, cqn.Ge}

// operands returns two operands of one type, the first of which is an element or made of some.
func (m maker) operands(depth int) (l, r cqn.Expr) {
	switch m.r.IntN(8) {
	case 0:
		return m.text(depth), m.one(func() cqn.Expr { return m.text(depth) }, attr("t"), attr("none"),
			func() cqn.Expr { return &cqn.Param{From: cqn.FromUserID} }, func() cqn.Expr { return &cqn.Param{From: cqn.FromUserTenant} })
	case 1:
		return m.number(depth), m.number(depth)
	case 2:
		return m.one(ref("n"), ref("ID"), func() cqn.Expr { return &cqn.Binary{Op: cqn.Add, L: ref("n")(), R: ref("ID")()} }), m.one(attr("n"), attr("none"), func() cqn.Expr { return lit(cqn.Int(pick(m.r, numbers))) })
	case 3:
		return ref("d")(), m.one(attr("d"), attr("none"), ref("n"), func() cqn.Expr { return lit(cqn.Decimal(pick(m.r, decimals))) })
	case 4:
		return ref("b")(), m.one(attr("b"), func() cqn.Expr { return lit(cqn.Bool(m.r.IntN(2) == 0)) })
	case 5:
		return ref("day")(), m.one(attr("day"), func() cqn.Expr { return &cqn.Param{From: cqn.FromNow} }, func() cqn.Expr { return lit(cqn.Text(cqn.KindDate, pick(m.r, days))) })
	case 6:
		return ref("ts")(), m.one(func() cqn.Expr { return &cqn.Param{From: cqn.FromNow} }, func() cqn.Expr { return lit(cqn.Text(cqn.KindTimestamp, pick(m.r, stamps))) })
	}
	return ref("color")(), m.one(attr("t"), func() cqn.Expr { return &cqn.Lit{Enum: pick(m.r, []string{"red", "green", "blue"})} }, func() cqn.Expr { return lit(cqn.Null) })
}

func (m maker) cond(depth int) cqn.Expr {
	if depth > 0 && m.r.IntN(3) > 0 {
		return m.one(
			func() cqn.Expr { return &cqn.Binary{Op: cqn.And, L: m.cond(depth - 1), R: m.cond(depth - 1)} },
			func() cqn.Expr { return &cqn.Binary{Op: cqn.Or, L: m.cond(depth - 1), R: m.cond(depth - 1)} },
			func() cqn.Expr { return &cqn.Unary{Op: cqn.Not, X: m.cond(depth - 1)} },
			func() cqn.Expr { return &cqn.Unary{Op: cqn.IsNotTrue, X: m.cond(depth - 1)} })
	}
	not := m.r.IntN(2) == 0
	switch m.r.IntN(8) {
	case 0:
		op := pick(m.r, []cqn.UnaryOp{cqn.IsNull, cqn.IsNotNull})
		return &cqn.Unary{Op: op, X: m.one(ref("s"), ref("n"), ref("ref"), attr("t"), attr("none"), ref("addr", "city"))}
	case 1:
		return &cqn.Like{X: m.text(0), Pattern: m.one(func() cqn.Expr {
			return lit(cqn.String(pick(m.r, []string{"a%", "%b", "_", "%", "A", "%a%", "", "a\\%b"})))
		}, attr("t")), Negated: not}
	case 2:
		return &cqn.Like{X: ref("s")(), Pattern: lit(cqn.String("a!%b")), Escape: lit(cqn.String("!")), Negated: not}
	case 3:
		lo, hi := pick(m.r, numbers), pick(m.r, numbers)
		return &cqn.Between{X: m.number(1), Lo: lit(cqn.Int(lo)), Hi: m.one(func() cqn.Expr { return lit(cqn.Int(hi)) }, ref("n")), Negated: not}
	case 4:
		return &cqn.In{X: m.text(1), Set: m.one(attr("t"), attr("none"), func() cqn.Expr {
			return &cqn.Tuple{Items: []cqn.Expr{lit(cqn.String(pick(m.r, texts))), lit(cqn.String(pick(m.r, texts)))}}
		}, func() cqn.Expr {
			return &cqn.Tuple{Items: []cqn.Expr{lit(cqn.String(pick(m.r, texts))), ref("color")()}}
		}), Negated: not}
	case 5:
		return &cqn.In{X: m.one(func() cqn.Expr { return lit(cqn.String(pick(m.r, texts))) }, ref("s"), attr("t")), Set: cqn.NewRef("tags"), Negated: not}
	}
	l, r := m.operands(depth)
	if not {
		l, r = r, l
	}
	return &cqn.Binary{Op: pick(m.r, comparisons), L: l, R: r}
}

func TestAgreesWithSQL(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { agreesWithSQL(t, newWorld(t, sqlite.New(), db.Config{URL: ":memory:"})) })
	t.Run("postgres", func(t *testing.T) { agreesWithSQL(t, newWorld(t, postgres.New(), pgtest.Open(t))) })
}

func agreesWithSQL(t *testing.T, w *world) {
	n, seed := 2000, uint64(time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC).Unix())
	if testing.Short() {
		n = 300
	}
	asked, refused, failed := 0, 0, 0
	for i := range n {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		x, u := maker{r}.cond(1+r.IntN(3)), randomUser(r)
		want, err := w.inMemory(x, u)
		var ne *eval.ErrNotEvaluable
		if errors.As(err, &ne) {
			refused++
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", cqn.Format(x), err)
		}
		asked++
		got, err := w.inSQL(x, u)
		if err == nil && slices.Equal(got, want) {
			continue
		}
		if failed++; failed <= 10 {
			t.Errorf("#%d %s\n  by %s %v\n  eval: %v\n  SQL:  %v %v", i, cqn.Format(x), u.ID, u.Attrs, want, got, err)
		}
	}
	if refused > asked/2 {
		t.Errorf("only %d of %d conditions could be evaluated", asked, n)
	}
	t.Logf("%d conditions agree, %d need the database", asked-failed, refused)
}

func (w *world) inMemory(x cqn.Expr, u *auth.User) ([]string, error) {
	var out []string
	env := &eval.Env{User: u, Now: nowText}
	for _, row := range w.rows {
		truth, err := eval.Test(x, row, w.e, env)
		if err != nil {
			return nil, err
		}
		if truth == eval.True {
			out = append(out, strconv.FormatInt(row.Value("ID").Int(), 10))
		}
	}
	return out, nil
}

func (w *world) inSQL(x cqn.Expr, u *auth.User) (ids []string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	res, err := w.service().Run(w.as(u), &cqn.Select{From: &cqn.From{Path: cqn.NewRef("S.E")}, Columns: []cqn.Column{{X: cqn.NewRef("ID")}},
		Where: x, OrderBy: []cqn.Order{{X: cqn.NewRef("ID")}}})
	if err != nil {
		return nil, err
	}
	for _, row := range res.Rows {
		ids = append(ids, strconv.FormatInt(row.Value("ID").Int(), 10))
	}
	return ids, nil
}
