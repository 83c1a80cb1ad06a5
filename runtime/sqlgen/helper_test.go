package sqlgen_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/db"
	"cds/runtime/db/sqlite"
	"cds/runtime/sqlgen"
)

// recorded reads one of the recorded models; the test is skipped where they are not at hand.
func recorded(t testing.TB, name string) *csn.Model {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../../shared/conformance/csn", name))
	if err != nil {
		t.Skip("the recorded models are not here:", err)
	}
	m, diags := csn.Read(data)
	if m == nil {
		t.Fatalf("%s: %v", name, diags)
	}
	return m
}

// open returns an empty database.
func open(t testing.TB) db.Pool {
	t.Helper()
	p, err := sqlite.New().Open(context.Background(), db.Config{URL: ":memory:", Readers: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// script returns the tables and views of a model, sources before the views on them.
func script(t testing.TB, m *csn.Model, d sqlgen.Dialect) []string {
	t.Helper()
	var out []string
	for _, e := range m.Entities {
		if e.Source == nil && !e.SkipPersistence && !strings.HasPrefix(e.Name, "cds.") {
			out = append(out, tableSQL(t, e, d))
		}
	}
	done := map[*csn.Entity]bool{}
	var view func(e *csn.Entity)
	view = func(e *csn.Entity) {
		if done[e] || e.Source == nil || e.SkipPersistence || len(e.Params) > 0 {
			return
		}
		done[e] = true
		for _, r := range e.Reads {
			view(r)
		}
		sql, err := sqlgen.CompileView(e.Source, e, m, d, sqlgen.ViewOptions{})
		if err != nil {
			t.Errorf("%v", err)
			return
		}
		out = append(out, "CREATE VIEW "+sqlgen.Quote(sqlgen.TableName(e), d)+" AS "+sql)
	}
	for _, e := range m.Entities {
		view(e)
	}
	return append(out, localizedViews(t, m, d)...)
}

func localizedViews(t testing.TB, m *csn.Model, d sqlgen.Dialect) []string {
	t.Helper()
	var out []string
	done := map[*csn.Entity]bool{}
	var view func(e *csn.Entity)
	view = func(e *csn.Entity) {
		if done[e] || !e.Localized || e.SkipPersistence {
			return
		}
		done[e] = true
		for _, r := range e.Reads {
			view(r)
		}
		var sql string
		var err error
		if e.Source == nil {
			sql, err = sqlgen.CompileLocalized(e, m, d)
		} else {
			sql, err = sqlgen.CompileView(e.Source, e, m, d, sqlgen.ViewOptions{Localized: true})
		}
		if err != nil {
			t.Errorf("%v", err)
			return
		}
		out = append(out, "CREATE VIEW "+sqlgen.Quote("localized_"+sqlgen.TableName(e), d)+" AS "+sql)
	}
	for _, e := range m.Entities {
		view(e)
	}
	return out
}

func tableSQL(t testing.TB, e *csn.Entity, d sqlgen.Dialect) string {
	t.Helper()
	var cols, keys []string
	for _, el := range e.Flat {
		if el.Assoc() != nil || el.Virtual || el.Value() != nil && !el.Stored {
			continue
		}
		typ := d.Tables().Types["cds.LargeString"]
		if b := el.Scalar(); b != nil {
			var err error
			if typ, err = sqlgen.TypeSQL(b, d); err != nil {
				t.Fatal(err)
			}
		}
		cols = append(cols, sqlgen.Quote(el.Name, d)+" "+typ)
		if el.Key {
			keys = append(keys, sqlgen.Quote(el.Name, d))
		}
	}
	sql := "CREATE TABLE " + sqlgen.Quote(sqlgen.TableName(e), d) + " (" + strings.Join(cols, ", ")
	if len(keys) > 0 {
		sql += ", PRIMARY KEY (" + strings.Join(keys, ", ") + ")"
	}
	return sql + ")"
}

// exec runs statements one by one.
func exec(t testing.TB, p db.Pool, stmts ...string) {
	t.Helper()
	tx, err := p.Write(context.Background(), db.Session{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	for _, s := range stmts {
		if err := tx.Script(context.Background(), s); err != nil {
			t.Errorf("%v\n%s", err, s)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// guard is a guarder for tests: conditions by entity, forbidden entities and elements, and a record of what was asked.
type guard struct {
	where     map[string]cqn.Expr
	forbidden map[string]bool
	hidden    map[string]bool // "Entity.element"
	asked     []string
}

var uses = [...]string{sqlgen.Root: "root", sqlgen.Path: "path", sqlgen.Expand: "expand", sqlgen.Exists: "exists", sqlgen.Update: "update", sqlgen.Delete: "delete", sqlgen.Insert: "insert"}

func (g *guard) Condition(e *csn.Entity, use sqlgen.Use) (sqlgen.Condition, error) {
	g.asked = append(g.asked, uses[use]+" "+e.Name)
	if g.forbidden[e.Name] {
		return sqlgen.Condition{}, &sqlgen.Forbidden{Entity: e.Name}
	}
	if x := g.where[e.Name]; x != nil && use != sqlgen.Insert {
		return sqlgen.Where(x), nil
	}
	return sqlgen.AllRows(), nil
}

func (g *guard) Element(e *csn.Element, use sqlgen.Use) error {
	owner := ""
	if e.Owner != nil {
		owner = e.Owner.Name
	}
	if g.hidden[owner+"."+e.Name] {
		return &sqlgen.Forbidden{Entity: owner, Element: e.Name}
	}
	return nil
}

func (g *guard) Key() string { return "" }
