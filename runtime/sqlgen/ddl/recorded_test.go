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
	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgtest"
	"cds/runtime/db/sqlite"
	"cds/runtime/sqlgen"
	"cds/runtime/sqlgen/ddl"
)

// different are models whose recorded SQL we do not want to equal.
var different = map[string]string{
	"047-virtual-default.csn.json":    "the recorded DEFAULT 1 + 2 is no SQL of SQLite",
	"001-builtin-types.csn.json":      "the length of vectors",
	"085-hana-types.csn.json":         "types of HANA",
	"099-params-only-select.csn.json": "SQLite has no views with parameters",
}

// differentPostgres are those for PostgreSQL.
var differentPostgres = map[string]string{
	"001-builtin-types.csn.json": "vectors need an extension",
}

// TestRecorded runs our statements and the recorded ones in two databases, and compares the tables and views there.
func TestRecorded(t *testing.T) {
	recorded(t, ".sql", different, sqlite.Dialect(), schema)
}

// TestRecorded_postgres does so in one database of PostgreSQL for all models, each within a transaction that is undone.
func TestRecorded_postgres(t *testing.T) {
	p, err := postgres.New().Open(context.Background(), pgtest.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	recorded(t, ".postgres.sql", differentPostgres, p.Dialect(), func(t *testing.T, script string) map[string]string {
		return schemaPostgres(t, p, script)
	})
}

func recorded(t *testing.T, ext string, different map[string]string, d sqlgen.Dialect, schema func(*testing.T, string) map[string]string) {
	files, _ := filepath.Glob("../../../../shared/conformance/csn/*/*.csn.json")
	if len(files) == 0 {
		t.Skip("the recorded models are not at hand")
	}
	n, same := 0, 0
	for _, file := range files {
		sql, err := os.ReadFile(strings.TrimSuffix(file, ".csn.json") + ext)
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
			compare(t, want, m, d, schema)
			if text, err := os.ReadFile(strings.TrimSuffix(file, ".csn.json") + ".cds"); err == nil {
				res := parser.CompileString(strings.TrimSuffix(filepath.Base(file), ".csn.json")+".cds", string(text))
				if res.Model == nil {
					t.Fatal(res.Diags)
				}
				compare(t, want, res.Model, d, schema)
			}
			if !t.Failed() {
				same++
			}
		})
	}
	t.Logf("score: SQL, run and compared, from *%s %d of %d", ext, same, n)
	if n < 50 {
		t.Errorf("only %d models were compared", n)
	}
}

// compare runs our statements for a model and compares the outcome.
func compare(t *testing.T, want map[string]string, m *csn.Model, d sqlgen.Dialect, schema func(*testing.T, string) map[string]string) {
	t.Helper()
	ours, err := ddl.Create(m, d)
	if err != nil {
		t.Error(err)
	}
	got := schema(t, strings.Join(ours, ";\n"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("recorded (-) and ours (+):\n%s\n%s", diff, strings.Join(ours, ";\n"))
	}
}

// schemaPostgres describes what a script makes: names, columns with types, defaults, generation, and keys.
func schemaPostgres(t *testing.T, p db.Pool, script string) map[string]string {
	t.Helper()
	ctx := context.Background()
	tx, err := p.Write(ctx, db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := tx.Script(ctx, script); err != nil {
		t.Fatalf("%v\n%s", err, script)
	}
	out := map[string]string{}
	for _, row := range query(t, tx, `SELECT c.relname, c.relkind, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated,
		regexp_replace(pg_get_expr(d.adbin, d.adrelid), '(\.[0-9]*[1-9])0+$', '\1') -- 1.50 is 1.5
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0 ORDER BY c.relname, CASE c.relkind WHEN 'v' THEN a.attname ELSE to_char(a.attnum, '0000') END`) {
		if row[1] == "v" { // types of a view's columns follow from its body's form
			row = row[:3]
		}
		out[row[0]] += strings.Join(row[1:], " ") + "\n"
	}
	for _, row := range query(t, tx, `SELECT conrelid::regclass::text, contype, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 3`) {
		out[strings.Trim(row[0], `"`)] += strings.Join(row[1:], " ") + "\n"
	}
	return out
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
