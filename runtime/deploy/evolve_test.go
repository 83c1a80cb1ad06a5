package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"cds/parser"
	"cds/parser/csn"
	"cds/runtime/db"
	"cds/runtime/db/dbtest"
	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgtest"
	"cds/runtime/db/sqlite"
	"cds/runtime/deploy"
)

// both runs a test on both databases, each time with an empty one.
func both(t *testing.T, test func(t *testing.T, open func() db.Pool)) {
	opened := func(t *testing.T, p db.Pool, err error) db.Pool {
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() })
		return p
	}
	t.Run("sqlite", func(t *testing.T) {
		test(t, func() db.Pool {
			p, err := sqlite.New().Open(context.Background(), db.Config{URL: ":memory:"})
			return opened(t, p, err)
		})
	})
	t.Run("postgres", func(t *testing.T) { // a schema is made much faster than a database
		cfg, n := pgtest.Open(t), 0
		p, err := postgres.New().Open(context.Background(), cfg)
		admin := opened(t, p, err)
		test(t, func() db.Pool {
			n++
			name := fmt.Sprintf("s%d", n)
			dbtest.Write(t, admin, func(tx db.Tx) {
				if err := tx.Script(context.Background(), "CREATE SCHEMA "+name); err != nil {
					t.Fatal(err)
				}
			})
			own := cfg
			own.Credentials = maps.Clone(cfg.Credentials)
			own.Credentials["schema"] = name
			own.Readers = 2
			p, err := postgres.New().Open(context.Background(), own)
			return opened(t, p, err)
		})
	})
}

func compile(t testing.TB, text string) *csn.Model {
	t.Helper()
	res := parser.CompileString("model.cds", text)
	if res.Model == nil || res.Diags.HasErrors() {
		t.Fatalf("%v\n%s", res.Diags, text)
	}
	return res.Model
}

// columns tells what the tables of a database are like.
func columns(t testing.TB, p db.Pool) []string {
	t.Helper()
	if p.Dialect().Name() == "sqlite" {
		return dbtest.Rows(t, p, db.Session{}, `SELECT m.name, c.name, c.type, c."notnull", c.dflt_value, c.pk, c.hidden FROM sqlite_master m, pragma_table_xinfo(m.name) c
			WHERE m.type IN ('table', 'view') AND m.name <> 'cds_model' UNION ALL SELECT m.name, m.tbl_name, m.sql, 0, 0, 0, 0 FROM sqlite_master m WHERE m.type = 'index' ORDER BY 1, 2`)
	}
	return dbtest.Rows(t, p, db.Session{}, `SELECT table_name, column_name, data_type, character_maximum_length, numeric_precision, numeric_scale, is_nullable, column_default,
		generation_expression FROM information_schema.columns WHERE table_schema = current_schema() AND table_name <> 'cds_model'
		UNION ALL SELECT tablename, indexname, replace(indexdef, current_schema() || '.', ''), 0, 0, 0, '', '', '' FROM pg_indexes WHERE schemaname = current_schema()
		UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), 0, 0, 0, '', '', '' FROM pg_constraint WHERE connamespace = current_schema()::regnamespace ORDER BY 1, 2`)
}

const before = `namespace my;
entity Books { key ID : Integer; title : String(20); price : Decimal(5,2); stock : Int16; old : String; state : String(10) default 'new'; author : Association to Authors; half : Integer = stock / 2 stored; }
entity Authors { key ID : UUID; name : String(50) not null; books : Association to many Books on books.author = $self; }
entity Gone { key ID : Integer; }
entity Cheap as select from Books { ID, title } where price < 10;
service S { entity Titles as projection on Books { ID, title }; }`

func TestEvolve(t *testing.T) {
	both(t, func(t *testing.T, open func() db.Pool) { evolve(t, open) })
}

func evolve(t *testing.T, open func() db.Pool) {
	keep := `old : String; `
	for name, tt := range map[string]struct {
		change  []string // old, new, …
		drop    bool
		refused string // codes
		shown   string // kinds
	}{
		"nothing":        {},
		"new table":      {change: []string{"entity Gone", "entity More { key a : String(5); b : Association to Books; } entity Gone"}, shown: "create table"},
		"new column":     {change: []string{"old : String;", "old : String; isbn : String(13);"}, shown: "add column"},
		"with default":   {change: []string{"old : String;", "old : String; n : Integer not null default 5;"}, shown: "add column"},
		"must have one":  {change: []string{"old : String;", "old : String; n : Integer not null;"}, refused: "delta-not-null"},
		"wider":          {change: []string{"String(20)", "String(40)", "Decimal(5,2)", "Decimal(9,3)", "Int16", "Int64"}, shown: "alter column"},
		"to large":       {change: []string{"title : String(20)", "title : LargeString"}, shown: "alter column"},
		"narrower":       {change: []string{"String(20)", "String(10)"}, refused: "delta-narrow"},
		"fewer digits":   {change: []string{"Decimal(5,2)", "Decimal(5,3)"}, refused: "delta-narrow"},
		"other type":     {change: []string{"title : String(20)", "title : Integer"}, refused: "delta-narrow"},
		"may be null":    {change: []string{"String(50) not null", "String(50)"}, shown: "alter column"},
		"must be there":  {change: []string{"title : String(20)", "title : String(20) not null"}, refused: "delta-not-null"},
		"other default":  {change: []string{"default 'new'", "default 'open'"}, shown: "alter column"},
		"no default":     {change: []string{"default 'new'", ""}, shown: "alter column"},
		"calculated":     {change: []string{"stock / 2 stored", "stock / 3 stored"}, shown: "alter column"},
		"new calculated": {change: []string{"old : String;", "old : String; twice : Integer = stock * 2 stored;"}, shown: "add column"},
		"column gone":    {change: []string{keep, ""}, refused: "delta-drop"},
		"column dropped": {change: []string{keep, ""}, drop: true, shown: "drop column"},
		"table gone":     {change: []string{"entity Gone { key ID : Integer; }", ""}, refused: "delta-drop"},
		"table dropped":  {change: []string{"entity Gone { key ID : Integer; }", ""}, drop: true, shown: "drop table"},
		"view changed":   {change: []string{"price < 10", "price < 20"}, shown: "change view"},
		"view gone":      {change: []string{"entity Cheap as select from Books { ID, title } where price < 10;", ""}, shown: "drop view"},
		"other key":      {change: []string{"title : String(20)", "key title : String(20)"}, refused: "delta-key"},
		"unique":         {change: []string{"entity Books {", "@assert.unique.t: [title] entity Books {"}, shown: "add constraint"},
		"new restriction": {change: []string{"entity Titles", "@restrict: [{ grant: 'READ', to: 'any', where: 'title = $user' }] entity Titles"},
			shown: "create index"},
	} {
		t.Run(name, func(t *testing.T) {
			after := strings.NewReplacer(tt.change...).Replace(before)
			if after == before && tt.change != nil {
				t.Fatal("the test changes nothing")
			}
			ctx, p := context.Background(), open()
			if err := deploy.Evolve(ctx, p, compile(t, before), deploy.Options{}); err != nil {
				t.Fatal(err)
			}
			dbtest.Write(t, p, func(tx db.Tx) {
				if err := tx.Script(ctx, "INSERT INTO my_Authors (ID, name) VALUES ('a', 'Ann'); INSERT INTO my_Books (ID, title, price, stock, old) VALUES (1, 'one', 1.5, 7, 'x')"); err != nil {
					t.Fatal(err)
				}
			})
			was := columns(t, p)
			var plan *deploy.Plan
			err := deploy.Evolve(ctx, p, compile(t, after), deploy.Options{AllowDrop: tt.drop, Show: func(pl *deploy.Plan) error { plan = pl; return nil }})
			if tt.refused != "" {
				var de *deploy.Error
				if !errors.As(err, &de) || de.Faults[0].Code != tt.refused || de.Faults[0].Hint == "" {
					t.Fatalf("got %v, want %s", err, tt.refused)
				}
				if d := cmp.Diff(was, columns(t, p)); d != "" {
					t.Errorf("refused, but changed: %s", d)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if kinds := fmtKinds(plan); !strings.Contains(kinds, tt.shown) || plan.Same != (tt.shown == "") {
				t.Errorf("shown: %s, want %s", kinds, tt.shown)
			}
			same := open()
			if err := deploy.Evolve(ctx, same, compile(t, after), deploy.Options{}); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(sorted(columns(t, same)), sorted(columns(t, p))); d != "" && name != "may be null" {
				t.Errorf("another database than if it were deployed at once: %s", d)
			}
			got := dbtest.Rows(t, p, db.Session{}, "SELECT ID, title, price, stock FROM my_Books")
			if len(got) != 1 || !strings.HasPrefix(got[0], "1|one|1.5") {
				t.Errorf("data: %q", got)
			}
			if err := deploy.Evolve(ctx, p, compile(t, after), deploy.Options{Show: func(pl *deploy.Plan) error {
				if !pl.Same {
					t.Errorf("a second time: %v", pl.Changes)
				}
				return nil
			}}); err != nil {
				t.Error(err)
			}
		})
	}
}

func sorted(s []string) []string { slices.Sort(s); return s }

func fmtKinds(p *deploy.Plan) string {
	var out []string
	for _, c := range p.Changes {
		out = append(out, c.Kind)
	}
	return strings.Join(out, ", ")
}

// TestEvolve_unknown: tables that nobody remembers are left alone.
func TestEvolve_unknown(t *testing.T) {
	both(t, func(t *testing.T, open func() db.Pool) {
		ctx, p, m := context.Background(), open(), compile(t, before)
		if err := deploy.Deploy(ctx, p, m, nil, nil); err != nil {
			t.Fatal(err)
		}
		if known, _, err := deploy.Compare(ctx, p, m, false); known || err != nil {
			t.Errorf("known: %v %v", known, err)
		}
		err := deploy.Evolve(ctx, p, m, deploy.Options{})
		var de *deploy.Error
		if !errors.As(err, &de) || de.Faults[0].Code != "deploy-unknown-state" {
			t.Fatalf("got %v", err)
		}
		for range 2 {
			if err := deploy.Evolve(ctx, p, m, deploy.Options{Fresh: true}); err != nil {
				t.Fatal(err)
			}
		}
		for text, want := range map[string]bool{before: true, strings.Replace(before, "old :", "young :", 1): false} {
			if known, same, err := deploy.Compare(ctx, p, compile(t, text), false); !known || same != want || err != nil {
				t.Errorf("compared: %v %v %v, want %v", known, same, err, want)
			}
		}
	})
}

// TestEvolve_data: rows of files replace those with the same key; rows that others have added stay.
func TestEvolve_data(t *testing.T) {
	both(t, func(t *testing.T, open func() db.Pool) {
		ctx, p, m := context.Background(), open(), compile(t, before)
		files := fstest.MapFS{
			"db/data/my-Books.csv":   {Data: []byte("ID,title,price\n1,one,1\n2,two,2\n")},
			"db/data/my-Authors.csv": {Data: []byte("name\nAnn\n")},
			"test/data/my-Gone.csv":  {Data: []byte("ID\n7\n")},
		}
		opt := deploy.Options{Files: files, TestData: true}
		if err := deploy.Evolve(ctx, p, m, opt); err != nil {
			t.Fatal(err)
		}
		dbtest.Write(t, p, func(tx db.Tx) {
			if err := tx.Script(ctx, "UPDATE my_Books SET title = 'mine', stock = 3 WHERE ID = 1; INSERT INTO my_Books (ID, title) VALUES (9, 'nine')"); err != nil {
				t.Fatal(err)
			}
		})
		files["db/data/my-Books.csv"] = &fstest.MapFile{Data: []byte("ID,title,price\n1,uno,1\n3,three,3\n")}
		if err := deploy.Evolve(ctx, p, m, opt); err != nil {
			t.Fatal(err)
		}
		want := []string{"1|uno|3", "2|two|∅", "3|three|∅", "9|nine|∅"}
		if d := cmp.Diff(want, dbtest.Rows(t, p, db.Session{}, "SELECT ID, title, stock FROM my_Books ORDER BY ID")); d != "" {
			t.Error(d)
		}
		if n := dbtest.Rows(t, p, db.Session{}, "SELECT count(*) FROM my_Authors"); n[0] != "1" {
			t.Errorf("%s authors: rows without keys are not loaded again", n[0])
		}
		if n := dbtest.Rows(t, p, db.Session{}, "SELECT count(*) FROM my_Gone"); n[0] != "1" {
			t.Errorf("%s rows of test data", n[0])
		}
	})
}

// TestFaults_both: what is wrong with the data is told, also where the database gives its transaction up at the first fault.
func TestFaults_both(t *testing.T) {
	both(t, func(t *testing.T, open func() db.Pool) {
		ctx, p, m := context.Background(), open(), compile(t, `entity T { key ID : Integer; s : String(20); } @assert.unique.s: [s] entity U { key ID : Integer; s : String; }`)
		err := deploy.Evolve(ctx, p, m, deploy.Options{Files: fstest.MapFS{"data/U.csv": {Data: []byte("ID,s\n1,a\n2,a\n3,b\n4,x\ny,z\n")}}})
		var de *deploy.Error
		if !errors.As(err, &de) || len(de.Faults) != 2 || de.Faults[0].Code != "csv-duplicate-key" || de.Faults[0].Line != 3 || de.Faults[1].Code != "csv-bad-value" {
			t.Fatalf("got %v", err)
		}
		if known, _, err := deploy.Compare(ctx, p, m, false); known || err != nil {
			t.Errorf("something was deployed: %v %v", known, err)
		}
	})
}

// TestEvolve_random: whatever a model was, changed to another one the database is as if that had been deployed at once.
func TestEvolve_random(t *testing.T) {
	chains := [][]string{{"Int16", "Integer", "Int64"}, {"String(10)", "String(20)", "LargeString"}, {"Decimal(9,2)", "Decimal(12,4)"}, {"Boolean"}, {"Date"},
		{"Association to A"}}
	// shape is the same for both models of a seed, so that most types stay or become wider.
	random := func(shape, r *rand.Rand, wide int) string {
		var b strings.Builder
		b.WriteString("namespace my; ")
		for _, name := range []string{"A", "B", "C"} {
			var elements strings.Builder
			for i := range 6 {
				chain, at := chains[shape.IntN(len(chains))], shape.IntN(2)
				if r.IntN(20) == 0 { // another type, at times
					chain = chains[r.IntN(len(chains))]
				}
				if r.IntN(3) == 0 {
					continue
				}
				typ := chain[min(at+wide*r.IntN(2), len(chain)-1)]
				fmt.Fprintf(&elements, "e%d : %s", i, typ)
				if typ == "Integer" {
					elements.WriteString([]string{"", " default 1", " default 2", " not null default 3", " = ID + 1 stored"}[r.IntN(5)])
				}
				elements.WriteString("; ")
			}
			if name == "A" || r.IntN(5) > 0 {
				b.WriteString("entity " + name + " { key ID : Integer; " + elements.String() + "} entity V" + name + " as select from " + name +
					" { ID } where ID > " + strconv.Itoa(r.IntN(3)) + "; ")
			}
		}
		return b.String()
	}
	ctx, made := context.Background(), 0
	for seed := range 80 {
		r := rand.New(rand.NewPCG(uint64(seed), 7))
		shape := func() *rand.Rand { return rand.New(rand.NewPCG(uint64(seed), 8)) }
		one, two := random(shape(), r, 0), random(shape(), r, 1)
		open := func() db.Pool {
			p, err := sqlite.New().Open(ctx, db.Config{URL: ":memory:", Readers: 1})
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		p, q := open(), open()
		if err := deploy.Evolve(ctx, p, compile(t, one), deploy.Options{}); err != nil {
			t.Fatalf("%v\n%s", err, one)
		}
		was := columns(t, p)
		err := deploy.Evolve(ctx, p, compile(t, two), deploy.Options{AllowDrop: true})
		var de *deploy.Error
		switch {
		case errors.As(err, &de) && strings.HasPrefix(de.Faults[0].Code, "delta-"):
			if d := cmp.Diff(was, columns(t, p)); d != "" {
				t.Errorf("refused, but changed: %s", d)
			}
		case err != nil:
			t.Errorf("%v\n%s\n%s", err, one, two)
		default:
			made++
			if err := deploy.Evolve(ctx, q, compile(t, two), deploy.Options{}); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(unplaced(columns(t, q)), unplaced(columns(t, p))); d != "" {
				t.Errorf("%s\n%s\n%s", one, two, d)
			}
		}
		_, _ = p.Close(), q.Close()
	}
	if made < 15 {
		t.Errorf("only %d changes were made", made)
	}
}

// unplaced leaves the text of statements out: columns that were added stand behind the others.
func unplaced(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i], _, _ = strings.Cut(l, "\n")
	}
	slices.Sort(out)
	return out
}

const deep = `namespace my;
entity Orders { key ID : UUID; no : Integer; ship { city : String; at { zip : String } } customer : Association to Customers; tags : array of String;
  items : Composition of many { key pos : Integer; what : String; notes : Composition of many { key n : Integer; text : String } }; }
entity Customers { key ID : Integer; name : String; }`

func TestJSON(t *testing.T) {
	both(t, func(t *testing.T, open func() db.Pool) {
		ctx, p, m := context.Background(), open(), compile(t, deep)
		files := fstest.MapFS{"db/data/my.Orders.json": {Data: []byte(`[
  { "no": 1, "ship": { "city": "Rome", "at": { "zip": "00100" } }, "customer": { "ID": 5 }, "tags": ["a","b"],
    "items": [ { "pos": 1, "what": "pen", "notes": [ { "n": 1, "text": "red" }, { "n": 2 } ] }, { "pos": 2 } ] },
  { "no": 2, "customer_ID": 6, "ship_city": null }
]`)}, "db/data/my-Customers.json": {Data: []byte(`[]`)}}
		if err := deploy.Deploy(ctx, p, m, files, nil); err != nil {
			t.Fatal(err)
		}
		query := func(sql string, want ...string) {
			t.Helper()
			if d := cmp.Diff(want, dbtest.Rows(t, p, db.Session{}, sql)); d != "" {
				t.Errorf("%s: %s", sql, d)
			}
		}
		query("SELECT no, ship_city, ship_at_zip, customer_ID, tags FROM my_Orders ORDER BY no", `1|Rome|00100|5|["a","b"]`, "2|∅|∅|6|∅")
		query("SELECT o.no, i.pos, i.what FROM my_Orders_items i JOIN my_Orders o ON o.ID = i.up__ID ORDER BY i.pos", "1|1|pen", "1|2|∅")
		query("SELECT n.up__pos, n.n, n.text FROM my_Orders_items_notes n JOIN my_Orders o ON o.ID = n.up__up__ID ORDER BY n.n", "1|1|red", "1|2|∅")
	})
}

func TestJSON_faults(t *testing.T) {
	m := compile(t, deep)
	for text, want := range map[string]string{
		`{}`:                               "json-syntax",
		`[`:                                "json-syntax",
		`[1]`:                              "json-syntax",
		`[{"no": 1}] x`:                    "json-syntax",
		`[{"no": 1, "nothing": 2}]`:        "json-unknown-element",
		`[{"no": "x"}]`:                    "csv-bad-value",
		`[{"items": [1]}]`:                 "json-syntax",
		`[{"items": [{"pos": 1, "q":1}]}]`: "json-unknown-element",
		`[{"customer": {"name": "x"}}]`:    "",
	} {
		p, err := sqlite.New().Open(context.Background(), db.Config{URL: ":memory:"})
		if err != nil {
			t.Fatal(err)
		}
		err = deploy.Deploy(context.Background(), p, m, fstest.MapFS{"db/data/my.Orders.json": {Data: []byte(text)}}, nil)
		_ = p.Close()
		var de *deploy.Error
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && (!errors.As(err, &de) || de.Faults[0].Code != want || !strings.HasPrefix(de.Faults[0].String(), "db/data/my.Orders.json:1:")):
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

// TestIntegrity: with foreign keys in the database a reference to nothing fails at the end of the transaction.
func TestIntegrity(t *testing.T) {
	ctx, m := context.Background(), compile(t, deep)
	p, err := postgres.New().Open(ctx, pgtest.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	if err := deploy.Evolve(ctx, p, m, deploy.Options{Integrity: true}); err != nil {
		t.Fatal(err)
	}
	testIntegrity(t, p)
	s, err := sqlite.New().Open(ctx, db.Config{URL: ":memory:", ForeignKeys: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := deploy.Evolve(ctx, s, m, deploy.Options{Integrity: true}); err != nil {
		t.Fatal(err)
	}
	testIntegrity(t, s)
}

func testIntegrity(t *testing.T, p db.Pool) {
	t.Helper()
	ctx := context.Background()
	try := func(sql string) error {
		tx, err := p.Write(ctx, db.Session{})
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.Script(ctx, sql); err != nil {
			_ = tx.Rollback()
			return err
		}
		return tx.Commit()
	}
	if err := try("INSERT INTO my_Orders (ID, customer_ID) VALUES ('a', 1); INSERT INTO my_Customers (ID) VALUES (1)"); err != nil {
		t.Errorf("in the wrong order: %v", err)
	}
	if err := try("INSERT INTO my_Orders (ID, customer_ID) VALUES ('b', 2)"); !errors.Is(err, db.ErrForeignKey) {
		t.Errorf("no customer: %v", err)
	}
	if err := try("INSERT INTO my_Orders_items (up__ID, pos) VALUES ('a', 1)"); err != nil {
		t.Error(err)
	}
	if err := try("DELETE FROM my_Customers"); !errors.Is(err, db.ErrForeignKey) {
		t.Errorf("the customer of an order: %v", err)
	}
	if err := try("DELETE FROM my_Orders"); err != nil {
		t.Error(err)
	}
	if n := dbtest.Rows(t, p, db.Session{}, "SELECT count(*) FROM my_Orders_items"); n[0] != "0" {
		t.Error("the items of an order have stayed")
	}
}
