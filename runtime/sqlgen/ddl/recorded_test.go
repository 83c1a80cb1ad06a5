package ddl_test

import (
	"context"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cds/parser"
	"cds/parser/csn"
	"cds/runtime/db"
	"cds/runtime/db/sqlite"
	"cds/runtime/sqlgen/ddl"
)

// different are models whose recorded SQL we do not want to equal.
var different = map[string]string{
	"047-virtual-default.csn.json":    "the recorded DEFAULT 1 + 2 is no SQL of SQLite",
	"069-temporal.csn.json":           "@cds.valid.key is not supported",
	"001-builtin-types.csn.json":      "the length of vectors",
	"085-hana-types.csn.json":         "types of HANA",
	"089-odata-annos.csn.json":        "drafts",
	"099-params-only-select.csn.json": "SQLite has no views with parameters",
}

// TestRecorded runs our statements and the recorded ones in two databases, and compares the tables and views there.
func TestRecorded(t *testing.T) {
	files, _ := filepath.Glob("../../../../shared/conformance/csn/*/*.csn.json")
	if len(files) == 0 {
		t.Skip("the recorded models are not at hand")
	}
	n, same := 0, 0
	for _, file := range files {
		sql, err := os.ReadFile(strings.TrimSuffix(file, ".csn.json") + ".sql")
		if err != nil || strings.Contains(file, "/invalid/") {
			continue
		}
		n++
		t.Run(filepath.Base(file), func(t *testing.T) {
			if why := different[filepath.Base(file)]; why != "" {
				t.Skip(why)
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			m, diags := csn.Read(data)
			if m == nil {
				t.Fatal(diags)
			}
			want := schema(t, string(sql))
			compare(t, want, m)
			if text, err := os.ReadFile(strings.TrimSuffix(file, ".csn.json") + ".cds"); err == nil {
				res := parser.CompileString(filepath.Base(file), string(text))
				if res.Model == nil {
					t.Fatal(res.Diags)
				}
				compare(t, want, res.Model)
			}
			if !t.Failed() {
				same++
			}
		})
	}
	t.Logf("score: SQL for SQLite, run and compared %d of %d", same, n)
	if n < 50 {
		t.Errorf("only %d models were compared", n)
	}
}

// compare runs our statements for a model and compares the outcome.
func compare(t *testing.T, want map[string]string, m *csn.Model) {
	t.Helper()
	ours, err := ddl.Create(m, sqlite.Dialect())
	if err != nil {
		t.Error(err)
	}
	got := schema(t, strings.Join(ours, ";\n"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("recorded (-) and ours (+):\n%s\n%s", diff, strings.Join(ours, ";\n"))
	}
}

func open(t *testing.T) db.Pool {
	t.Helper()
	p, err := sqlite.New().Open(context.Background(), db.Config{URL: ":memory:", Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// schema runs a script in a fresh database and describes what is there: name → kind and columns.
func schema(t *testing.T, script string) map[string]string {
	t.Helper()
	ctx := context.Background()
	tx, err := open(t).Write(ctx, db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := tx.Script(ctx, script); err != nil {
		t.Fatalf("%v\n%s", err, script)
	}
	out := map[string]string{}
	for _, row := range query(t, tx, "SELECT type, name FROM sqlite_schema WHERE type IN ('table','view') AND name NOT LIKE 'sqlite_%'") {
		kind, name := row[0], row[1]
		var cols []string
		for _, c := range query(t, tx, `SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo('`+strings.ReplaceAll(name, "'", "''")+`')`) {
			if kind == "view" { // types and null-ability of a view's columns follow from its body's form
				c = c[:1]
			}
			cols = append(cols, strings.Join(c, " "))
		}
		if kind == "view" {
			sort.Strings(cols)
		}
		out[name] = kind + "\n" + strings.Join(cols, "\n")
	}
	return out
}

func query(t *testing.T, tx db.Tx, sql string) [][]string {
	t.Helper()
	rows, err := tx.Query(context.Background(), db.Stmt{SQL: sql})
	if err != nil {
		t.Fatalf("%v: %s", err, sql)
	}
	defer func() { _ = rows.Close() }()
	var out [][]string
	for {
		ok, err := rows.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return out
		}
		row := make([]string, rows.Columns())
		for i := range row {
			if row[i] = string(rows.Text(i)); rows.IsNull(i) {
				row[i] = "null"
			}
		}
		out = append(out, row)
	}
}
