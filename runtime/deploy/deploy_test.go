package deploy_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"cds/parser/csn"
	"cds/runtime/db"
	"cds/runtime/db/sqlite"
	"cds/runtime/deploy"
)

const shop = `{"definitions": {
  "my.Books": {"kind": "entity", "elements": {
    "ID": {"key": true, "type": "cds.Integer"},
    "title": {"type": "cds.String", "length": 10, "notNull": true},
    "author": {"type": "cds.Association", "target": "my.Authors", "keys": [{"ref": ["ID"]}]},
    "at": {"elements": {"row": {"type": "cds.Int16"}}},
    "price": {"type": "cds.Decimal", "precision": 9, "scale": 2},
    "sold": {"type": "cds.Boolean"},
    "day": {"type": "cds.Date"},
    "since": {"type": "cds.Timestamp"},
    "cover": {"type": "cds.LargeBinary"},
    "tags": {"items": {"type": "cds.String"}},
    "half": {"type": "cds.Integer", "value": {"stored": true, "xpr": [{"ref": ["ID"]}, "/", {"val": 2}]}},
    "note": {"type": "cds.String", "virtual": true},
    "state": {"type": "cds.String", "default": {"val": "new"}},
    "texts": {"type": "cds.Composition", "cardinality": {"max": "*"}, "target": "my.Books.texts", "on": [{"ref": ["texts", "ID"]}, "=", {"ref": ["ID"]}]}
  }},
  "my.Books.texts": {"kind": "entity", "elements": {
    "locale": {"key": true, "type": "cds.String", "length": 14}, "ID": {"key": true, "type": "cds.Integer"}, "title": {"type": "cds.String"}
  }},
  "my.Authors": {"kind": "entity", "elements": {
    "ID": {"key": true, "type": "cds.UUID"}, "name": {"type": "cds.String"},
    "createdAt": {"type": "cds.Timestamp", "@cds.on.insert": {"=": "$now"}}, "createdBy": {"type": "cds.String", "@cds.on.insert": {"=": "$user"}},
    "changed": {"type": "cds.DateTime", "default": {"ref": ["$now"]}}
  }},
  "my.Lists": {"kind": "entity", "@cds.persistence.skip": "if-unused", "elements": {"ID": {"key": true, "type": "cds.Integer"}}},
  "S": {"kind": "service"},
  "S.Books": {"kind": "entity", "projection": {"from": {"ref": ["my.Books"]}, "columns": [{"ref": ["ID"]}]}, "elements": {"ID": {"key": true, "type": "cds.Integer"}}}
}}`

func model(t testing.TB, text string) *csn.Model {
	t.Helper()
	m, diags := csn.Read([]byte(text))
	if m == nil {
		t.Fatal(diags)
	}
	return m
}

func open(t testing.TB) db.Pool {
	t.Helper()
	p, err := sqlite.New().Open(context.Background(), db.Config{URL: ":memory:", Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// files makes a project of names and contents.
func files(pairs ...string) fs.FS {
	out := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return out
}

// query returns rows as lines, cells joined by |, null as ∅.
func query(t testing.TB, p db.Pool, sql string) string {
	t.Helper()
	ctx := context.Background()
	tx, err := p.Read(ctx, db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	rows, err := tx.Query(ctx, db.Stmt{SQL: sql})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for {
		ok, err := rows.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return strings.Join(out, "\n")
		}
		cells := make([]string, rows.Columns())
		for i := range cells {
			if cells[i] = string(rows.Text(i)); rows.IsNull(i) {
				cells[i] = "∅"
			}
		}
		out = append(out, strings.Join(cells, "|"))
	}
}

func TestLoad(t *testing.T) {
	p := open(t)
	data := files(
		"db/data/my-Books.csv", "ID;title;author.ID;at_row;price;sold;day;since;cover;tags\n"+
			"1;Emma;0a000000-0000-4000-8000-000000000001;3;12.5;true;2024-02-29;2024-02-29T10:00:00+02:00;AQID;\"[\"\"a\"\"]\"\n"+
			"2;\"x; \"\"y\"\"\";;;;0\n",
		"db/csv/my.Books_texts.csv", "locale,ID,title\nde,1,Emma\n",
		"data/my.Authors.csv", "name\nJane\nCharlotte\n",
	)
	if err := deploy.Deploy(context.Background(), p, model(t, shop), data, nil); err != nil {
		t.Fatal(err)
	}
	want := "1|Emma|0a000000-0000-4000-8000-000000000001|3|12.5|1|2024-02-29|2024-02-29T08:00:00.000Z|010203|[\"a\"]|0|new\n" +
		"2|x; \"y\"|∅|∅|∅|0|∅|∅||∅|1|new"
	if diff := cmp.Diff(want, query(t, p, "SELECT ID, title, author_ID, at_row, price, sold, day, since, hex(cover), tags, half, state FROM my_Books")); diff != "" {
		t.Error(diff)
	}
	if got := query(t, p, "SELECT locale, ID, title FROM my_Books_texts"); got != "de|1|Emma" {
		t.Errorf("texts: %s", got)
	}
	authors := regexp.MustCompile(`(?m)^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f-]{17}\|(Jane|Charlotte)\|\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z\|anonymous\|\d{4}-\d\d-\d\dT[\d:]{8}Z$`)
	if got := query(t, p, "SELECT ID, name, createdAt, createdBy, changed FROM my_Authors"); len(authors.FindAllString(got, -1)) != 2 {
		t.Errorf("authors:\n%s", got)
	}
}

func TestFaults(t *testing.T) {
	for _, c := range []struct{ name, file, text, want string }{
		{"unknown column", "db/data/my-Books.csv", "ID,titel\n1,x", `db/data/my-Books.csv:1:4: error[csv-unknown-column]: my.Books has no column "titel"` + "\n" + `  hint: did you mean "title"?`},
		{"association", "db/data/my-Books.csv", "ID,title,author\n1,x,y", `db/data/my-Books.csv:1:10: error[csv-unknown-column]: my.Books has no column "author"` + "\n  hint: write the foreign key: author_ID"},
		{"virtual", "db/data/my-Books.csv", "ID,title,note\n1,x,y", `db/data/my-Books.csv:1:10: error[csv-unknown-column]: my.Books has no column "note"` + "\n  hint: the element has no column in the database"},
		{"calculated", "db/data/my-Books.csv", "ID,title,half\n1,x,2", `db/data/my-Books.csv:1:10: error[csv-unknown-column]: my.Books.half is calculated, it cannot be loaded` + "\n  hint: remove the column"},
		{"column twice", "db/data/my-Books.csv", "ID,title,at_row,at.row\n1,x,2,3", `db/data/my-Books.csv:1:17: error[csv-duplicate-column]: the column "at.row" is there twice`},
		{"no key", "db/data/my-Books.csv", "title\nx", `db/data/my-Books.csv:1:1: error[csv-missing-key]: the column of the key "ID" is missing`},
		{"bad number", "db/data/my-Books.csv", "ID,title\n1,x\n1.5,y", `db/data/my-Books.csv:3:1: error[csv-bad-value]: ID: Value 1.5 is not a valid Integer`},
		{"number too big", "db/data/my-Books.csv", "ID,title,at_row\n1,x,40000", `db/data/my-Books.csv:2:5: error[csv-bad-value]: at_row: Value 40000 is not a valid Int16`},
		{"bad date", "db/data/my-Books.csv", "ID;title;day\n1;x;29.2.2024", `db/data/my-Books.csv:2:5: error[csv-bad-value]: day: Value 29.2.2024 is not a valid Date` + "\n  hint: such as 2024-02-29"},
		{"bad boolean", "db/data/my-Books.csv", "ID,title,sold\n1,x,yes", `db/data/my-Books.csv:2:5: error[csv-bad-value]: sold: "yes" is not a valid Boolean` + "\n  hint: true or false"},
		{"bad array", "db/data/my-Books.csv", "ID,title,tags\n1,x,a b", `db/data/my-Books.csv:2:5: error[csv-bad-value]: tags: "a b" is not JSON` + "\n" + `  hint: such as ["a","b"]`},
		{"null", "db/data/my-Books.csv", "ID,title\n1,", `db/data/my-Books.csv:2:3: error[csv-null]: title must have a value`},
		{"null by absence", "db/data/my-Books.csv", "ID\n1", `db/data/my-Books.csv:2:1: error[csv-null]: an element of my.Books that must not be null is null`},
		{"key twice", "db/data/my-Books.csv", "ID,title\n1,x\n2,y\n1,z", `db/data/my-Books.csv:4:1: error[csv-duplicate-key]: my.Books has another row with the key 1` + "\n  hint: the first one is in line 2"},
		{"too many cells", "db/data/my-Books.csv", "ID,title\n1,x,y", `db/data/my-Books.csv:2:5: error[csv-too-many-cells]: the row has more cells than the header has columns (2)` + "\n  hint: put a cell that has the separator in it in quotes"},
		{"open quote", "db/data/my-Books.csv", "ID,title\n1,\"x", `db/data/my-Books.csv:2:3: error[csv-syntax]: the quote is not closed`},
		{"encoding", "db/data/my-Books.csv", "ID,title\n1,\xff", `db/data/my-Books.csv: error[csv-encoding]: the file is not encoded in UTF-8` + "\n  hint: save it as UTF-8"},
		{"view", "db/data/S.Books.csv", "ID\n1", `db/data/S.Books.csv: error[csv-not-a-table]: S.Books is a view, data can only be loaded into tables` + "\n  hint: name the file after my.Books"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := open(t)
			err := deploy.Deploy(context.Background(), p, model(t, shop), files(c.file, c.text), nil)
			var e *deploy.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff(c.want, err.Error()); diff != "" {
				t.Error(diff)
			}
			if left := query(t, p, "SELECT name FROM sqlite_schema"); left != "" {
				t.Errorf("a failed deployment left %s", left)
			}
		})
	}
}

// TestAllFaultsAtOnce has faults in two files, and more than are told.
func TestAllFaultsAtOnce(t *testing.T) {
	bad := "ID,title\n" + strings.Repeat("x,y\n", 60)
	err := deploy.Deploy(context.Background(), open(t), model(t, shop), files("db/data/my-Authors.csv", "nam\n1", "db/data/my-Books.csv", bad), nil)
	var e *deploy.Error
	if !errors.As(err, &e) || len(e.Faults) != 50 || e.More != 11 || e.Faults[0].File == e.Faults[1].File {
		t.Errorf("got %v", err)
	}
}

// What CAP loads although it does not fit the type is loaded here too, with a warning.
func TestDeploy_OpaqueTexts(t *testing.T) {
	var out bytes.Buffer
	data := files("db/data/my-Books.csv", "ID,title\n1,12345678901\n2,12345678902\n")
	if err := deploy.Deploy(context.Background(), open(t), model(t, shop), data, slog.New(slog.NewTextHandler(&out, nil))); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "does not fit its type"); n != 1 {
		t.Errorf("%d warnings, want one for the column:\n%s", n, out.String())
	}
}

func TestWarnings(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	data := files("db/data/my-Nobody.csv", "x\n1", "db/data/my-Lists.csv", "ID\n1", "db/data/.my-Books.csv", "x", "db/data/readme.txt", "", "db/data/my-Books.csv", "")
	if err := deploy.Deploy(context.Background(), open(t), model(t, shop), data, log); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"tells no entity", "db/data/my-Nobody.csv", "has no table", "db/data/my-Lists.csv", `msg="data loaded" files=`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, out.String())
		}
	}
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := deploy.Deploy(ctx, open(t), model(t, shop), nil, nil); !errors.Is(err, db.ErrCanceled) && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestFirstFolderWins has the same file in two folders.
func TestFirstFolderWins(t *testing.T) {
	p := open(t)
	data := files("db/data/my-Books.csv", "ID,title\n1,first", "data/my-Books.csv", "ID,title\n1,second")
	if err := deploy.Deploy(context.Background(), p, model(t, shop), data, nil); err != nil {
		t.Fatal(err)
	}
	if got := query(t, p, "SELECT title FROM my_Books"); got != "first" {
		t.Errorf("got %s", got)
	}
}

func TestRecordedModels(t *testing.T) {
	for name, want := range map[string]string{
		"bookshop": "SELECT (SELECT count(*) FROM CatalogService_Books) > 3, (SELECT title FROM sap_capire_bookshop_Books_texts WHERE ID = 201 AND locale = 'de')",
		"authlab":  "SELECT (SELECT count(*) FROM WhereSrv_ByCountry) > 3, (SELECT name FROM val_Makers_texts WHERE locale = 'de')",
	} {
		t.Run(name, func(t *testing.T) {
			const root = "../../../shared/conformance/"
			data, err := os.ReadFile(root + "csn/models/" + name + ".csn.json")
			if err != nil {
				t.Skip("the recorded models are not at hand")
			}
			p := open(t)
			if err := deploy.Deploy(context.Background(), p, model(t, string(data)), os.DirFS(root+"models/"+name), nil); err != nil {
				t.Fatal(err)
			}
			if got := query(t, p, want); !strings.HasPrefix(got, "1|") || strings.HasSuffix(got, "∅") {
				t.Errorf("got %s", got)
			}
		})
	}
}
