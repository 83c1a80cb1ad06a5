package sqlgen_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/syntax"
	"cds/runtime/db"
	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgtest"
	"cds/runtime/sqlgen"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// TestGolden runs the archives of testdata: a model, data, and queries in CQL with the SQL and the rows that they must give. The sections
// of an archive:
//
//	model.cds    the model
//	data.sql     rows, on the tables of the model
//	guard        who may see what: lines `Entity: condition`, `Entity: -` for forbidden, `Entity.element: -`
//	user         lines `id: x`, `tenant: x`, `locale: x`, `attribute: value, value`
//	*.cql        a query; guard and user hold for the queries after them
//	*.out        its plan and its rows, or its error; written anew with CDS_UPDATE=1
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no archives", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar"), func(t *testing.T) { golden(t, f) })
	}
}

// TestGolden_postgres runs the same archives on PostgreSQL: its SQL is another, its rows and errors must be the same.
func TestGolden_postgres(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no archives", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar"), func(t *testing.T) {
			eachQuery(t, f, openPostgres(t), func(text, want string, query func(text string) string) {
				got := query(text)
				if _, rows, ok := strings.Cut(want, "\n\n"); ok {
					want = rows
					_, rows, _ = strings.Cut(got, "\n\n")
					if !strings.Contains(text, "order by") {
						want, rows = sorted(want), sorted(rows)
					}
					if d := cmp.Diff(want, rows); d != "" {
						t.Errorf("%s:\n%s\n%s", text, d, got)
					}
				} else if want != got {
					t.Errorf("%s: got %s, want %s", text, got, want)
				}
			})
		})
	}
}

// sorted brings rows that come in any order into one.
func sorted(rows string) string {
	lines := strings.Split(rows, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func openPostgres(t testing.TB) db.Pool {
	t.Helper()
	p, err := postgres.New().Open(context.Background(), pgtest.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// eachQuery deploys an archive and calls fn for its queries, with the outcome that it has on record and a function that runs it.
func eachQuery(t *testing.T, file string, p db.Pool, fn func(text, want string, query func(text string) string)) *txtar.Archive {
	t.Helper()
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, f := range ar.Files {
		want[f.Name] = string(f.Data)
	}
	res := parser.CompileString("model.cds", want["model.cds"])
	if res.Model == nil {
		t.Fatalf("%v", res.Diags)
	}
	exec(t, p, script(t, res.Model, p.Dialect())...)
	exec(t, p, want["data.sql"])
	g, u := &guard{}, user{}
	for _, f := range ar.Files {
		switch name := f.Name; {
		case name == "guard" || strings.HasPrefix(name, "guard."):
			g = parseGuard(t, string(f.Data))
		case name == "user" || strings.HasPrefix(name, "user."):
			u = parseUser(string(f.Data))
		case strings.HasSuffix(name, ".cql"):
			fn(string(f.Data), want[strings.TrimSuffix(name, ".cql")+".out"], func(text string) string { return goldenQuery(t, res.Model, p, g, u, text) })
		}
	}
	return ar
}

func golden(t *testing.T, file string) {
	results := map[string]string{} // by query
	ar := eachQuery(t, file, open(t), func(text, want string, query func(text string) string) {
		got := query(text)
		results[text+want] = got
		if d := cmp.Diff(want, got); d != "" && os.Getenv("CDS_UPDATE") == "" {
			t.Errorf("%s:\n%s", text, d)
		}
	})
	if os.Getenv("CDS_UPDATE") == "" {
		return
	}
	var out []txtar.File
	old := map[string]string{}
	for _, f := range ar.Files {
		old[f.Name] = string(f.Data)
	}
	for _, f := range ar.Files {
		if strings.HasSuffix(f.Name, ".out") {
			continue
		}
		out = append(out, f)
		if name, ok := strings.CutSuffix(f.Name, ".cql"); ok {
			out = append(out, txtar.File{Name: name + ".out", Data: []byte(results[string(f.Data)+old[name+".out"]])})
		}
	}
	ar.Files = out
	if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
		t.Fatal(err)
	}
}

func parseGuard(t *testing.T, text string) *guard {
	t.Helper()
	g := &guard{where: map[string]cqn.Expr{}, forbidden: map[string]bool{}, hidden: map[string]bool{}}
	for line := range strings.Lines(text) {
		name, cond, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			continue
		}
		if cond == "-" {
			g.forbidden[name], g.hidden[name] = true, true
			continue
		}
		x, diags := parser.ParseExpr(cond)
		if x == nil {
			t.Fatalf("%s: %v", cond, diags)
		}
		g.where[name] = x
	}
	return g
}

func parseUser(text string) user {
	u := user{attrs: map[string][]string{}}
	for line := range strings.Lines(text) {
		name, v, _ := strings.Cut(strings.TrimSpace(line), ":")
		v = strings.TrimSpace(v)
		switch name {
		case "id":
			u.id = v
		case "tenant":
			u.tenant = v
		case "locale":
			u.locale = v
		default:
			for _, s := range strings.Split(v, ",") {
				if s = strings.TrimSpace(s); s != "" {
					u.attrs[name] = append(u.attrs[name], s)
				}
			}
		}
	}
	return u
}

// parseQuery reads a query in CQL; the words localized, update and delete before it choose other kinds.
func parseQuery(t testing.TB, text string) cqn.Query {
	t.Helper()
	localized := false
	if rest, ok := strings.CutPrefix(text, "localized "); ok {
		localized, text = true, rest
	}
	q, diags := syntax.ParseQuery(0, text, 0)
	if q == nil {
		t.Fatalf("%s: %v", text, diags)
	}
	out := q.CQN()
	if s, ok := out.(*cqn.Select); ok {
		s.Localized = localized
	}
	return out
}

func goldenQuery(t *testing.T, m *csn.Model, p db.Pool, g *guard, u user, text string) string {
	t.Helper()
	q := parseQuery(t, strings.TrimSpace(text))
	plan, err := sqlgen.Compile(q, m, g, p.Dialect())
	if err != nil {
		return "error: " + err.Error() + errorKind(err) + "\n"
	}
	_, lits := cqn.Shape(q)
	tx, err := p.Read(context.Background(), db.Session{UserID: u.id, Tenant: u.tenant, Locale: u.locale, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	out := showPlan(plan, "") + "\n"
	for _, line := range run(t, tx, plan, u, lits, nil, "") {
		out += line + "\n"
	}
	return out
}

func errorKind(err error) string {
	var f *sqlgen.Forbidden
	var e *sqlgen.Error
	switch {
	case errors.As(err, &f):
		return " (forbidden)"
	case errors.As(err, &e):
		return " (" + e.Code + ")"
	}
	return ""
}
