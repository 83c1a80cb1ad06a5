package deploy_test

import (
	"context"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cds/parser"
	"cds/parser/csn"
	"cds/runtime/db"
	"cds/runtime/deploy"
	"cds/runtime/sqlgen"
	"cds/runtime/sqlgen/ddl"
)

// TestViewsAgree deploys whole projects to both databases: every table and every view must have the same rows.
func TestViewsAgree(t *testing.T) {
	for name, dir := range map[string]string{"bookshop": "../../samples/bookshop", "recorded bookshop": "../../../shared/conformance/models/bookshop",
		"recorded authlab": "../../../shared/conformance/models/authlab"} {
		t.Run(name, func(t *testing.T) {
			if _, err := os.Stat(dir); err != nil {
				t.Skip("the project is not here:", err)
			}
			files := os.DirFS(dir)
			res := parser.CompileProject(files, parser.Options{})
			if res.Model == nil {
				t.Fatal(res.Diags)
			}
			rows := map[string]map[string][]string{}
			both(t, func(t *testing.T, open func() db.Pool) {
				p := open()
				if err := deploy.New(context.Background(), p, res.Model, deploy.Options{Files: files, TestData: true}); err != nil {
					t.Fatal(err)
				}
				rows[p.Dialect().Name()] = content(t, p, res.Model, files)
			})
			total := 0
			for view, want := range rows["sqlite"] {
				if d := cmp.Diff(want, rows["postgres"][view]); d != "" && rows["postgres"] != nil {
					t.Errorf("%s: SQLite and PostgreSQL differ: %s", view, d)
				}
				total += len(want)
			}
			if total < 20 {
				t.Errorf("%d rows in all: the test has lost its sense", total)
			}
		})
	}
}

// content reads all tables and views, also the localized ones, as a user who speaks German.
func content(t *testing.T, p db.Pool, m *csn.Model, _ fs.FS) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, e := range m.Entities {
		if e.SkipPersistence || e.Exists || len(e.Params) > 0 {
			continue
		}
		names := []string{sqlgen.TableName(e)}
		if e.Localized {
			names = append(names, ddl.LocalizedName(e))
		}
		var cols []string
		for _, el := range e.Flat {
			s := el.Scalar()
			generated := s != nil && s.Kind == csn.UUID && el.Key || el.Annotations.Get("cds.on.insert") != nil // another one each time
			if el.Assoc() == nil && !el.Virtual && !generated && (el.Value() == nil || el.Stored || e.Source != nil) {
				cols = append(cols, sqlgen.Quote(el.Name, p.Dialect()))
			}
		}
		for _, name := range names {
			if len(cols) > 0 {
				out[name] = texts(t, p, "SELECT "+strings.Join(cols, ", ")+" FROM "+sqlgen.Quote(name, p.Dialect()))
			}
		}
	}
	return out
}

func texts(t *testing.T, p db.Pool, sql string) []string {
	t.Helper()
	tx, err := p.Read(context.Background(), db.Session{UserID: "alice", Locale: "de", Now: "2024-02-29T08:30:00.000Z"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	rows, err := tx.Query(context.Background(), db.Stmt{SQL: sql})
	if err != nil {
		t.Errorf("%s: %v", sql, err)
		return nil
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for {
		ok, err := rows.Next()
		if err != nil {
			t.Errorf("%s: %v", sql, err)
		}
		if err != nil || !ok {
			slices.Sort(out)
			return out
		}
		var line []string
		for i := range rows.Columns() {
			line = append(line, comparable(rows, i))
		}
		out = append(out, strings.Join(line, "|"))
	}
}

// comparable is a value in a form that does not depend on how a database stores it.
func comparable(rows db.Rows, i int) string {
	switch rows.Type(i) {
	case db.TypeNull:
		return "∅"
	case db.TypeBool:
		return strconv.FormatInt(rows.Int(i), 10)
	case db.TypeDecimal, db.TypeFloat:
		return strconv.FormatFloat(rows.Float(i), 'f', -1, 64)
	}
	s := string(rows.Text(i))
	if f, err := strconv.ParseFloat(s, 64); err == nil && rows.Type(i) != db.TypeText {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return strings.TrimSuffix(strings.Replace(s, ".000Z", "Z", 1), "Z")
}
