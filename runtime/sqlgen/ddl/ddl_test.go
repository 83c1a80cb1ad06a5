package ddl_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"cds/parser/csn"
	"cds/runtime/db/sqlite"
	"cds/runtime/sqlgen/ddl"
)

// model reads CSN that a test wrote.
func model(t *testing.T, text string) *csn.Model {
	t.Helper()
	m, diags := csn.Read([]byte(text))
	if m == nil {
		t.Fatal(diags)
	}
	return m
}

// TestGolden compares testdata/*.txtar: model.json in, tables.sql and drop.sql out. CDS_UPDATE=1 rewrites them.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no test data", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			m := model(t, string(ar.Files[0].Data))
			stmts, err := ddl.Create(m, sqlite.Dialect())
			if err != nil {
				t.Fatal(err)
			}
			got := []txtar.File{
				ar.Files[0],
				{Name: "create.sql", Data: []byte(strings.Join(stmts, ";\n") + "\n")},
				{Name: "drop.sql", Data: []byte(strings.Join(ddl.Drop(m, sqlite.Dialect()), ";\n") + "\n")},
			}
			out := txtar.Format(&txtar.Archive{Comment: ar.Comment, Files: got})
			if os.Getenv("CDS_UPDATE") != "" {
				if err := os.WriteFile(file, out, 0o644); err != nil {
					t.Fatal(err)
				}
			} else if want := txtar.Format(ar); string(want) != string(out) {
				t.Errorf("got\n%s\nwant\n%s", out, want)
			}
			// What is written also runs, and what is dropped is gone.
			if left := schema(t, strings.Join(append(stmts, ddl.Drop(m, sqlite.Dialect())...), ";\n")); len(left) > 0 {
				t.Errorf("left after drop: %v", left)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	key := `"ID": {"key": true, "type": "cds.Integer"}`
	for _, c := range []struct{ name, defs, code string }{
		{"tables with one name", `"a.b_c": {"kind":"entity","elements":{` + key + `}}, "a_b.C": {"kind":"entity","elements":{` + key + `}}`, "DDL_NAME_CLASH"},
		{"columns that differ in case", `"a": {"kind":"entity","elements":{` + key + `,"id": {"type":"cds.Integer"}}}`, "DDL_NAME_CLASH"},
		{"default with an unknown function", `"a": {"kind":"entity","elements":{` + key + `,"x": {"type":"cds.Integer","default":{"func":"random"}}}}`, "DDL_EXPRESSION"},
		{"default with a column", `"a": {"kind":"entity","elements":{` + key + `,"x": {"type":"cds.Integer","default":{"ref":["ID"]}}}}`, "DDL_EXPRESSION"},
		{"default with an unknown symbol", `"a": {"kind":"entity","elements":{` + key + `,"x": {"type":"cds.String","enum":{"b":{}},"default":{"#":"c"}}}}`, "DDL_EXPRESSION"},
		{"value over an association", `"a": {"kind":"entity","elements":{` + key + `,"o": {"type":"cds.Association","target":"a","keys":[{"ref":["ID"]}]},"x": {"type":"cds.Integer","value":{"ref":["o","x"],"stored":true}}}}`, "DDL_EXPRESSION"},
		{"unique without element", `"a": {"kind":"entity","@assert.unique.u":[{"=":"nope"}],"elements":{` + key + `}}`, "DDL_UNIQUE"},
		{"view with parameters", `"a": {"kind":"entity","elements":{` + key + `}}, "v": {"kind":"entity","params":{"p":{"type":"cds.Integer"}},"projection":{"from":{"ref":["a"]}},"elements":{` + key + `}}`, "DDL_VIEW"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ddl.Create(model(t, `{"definitions": {`+c.defs+`}}`), sqlite.Dialect())
			var e *ddl.Error
			if !errors.As(err, &e) || e.Code != c.code || e.Entity == "" {
				t.Errorf("got %v, want code %s", err, c.code)
			}
		})
	}
}

// TestTextInDefaults has texts that would end a string too early, were they not escaped.
func TestTextInDefaults(t *testing.T) {
	m := model(t, `{"definitions": {"a": {"kind":"entity","elements":{"ID": {"key": true, "type": "cds.Integer"},
		"x": {"type":"cds.String","default":{"val":"'); DROP TABLE a; --"}}, "y\"; --": {"type":"cds.String"}}}}}`)
	stmts, err := ddl.Create(m, sqlite.Dialect())
	if err != nil {
		t.Fatal(err)
	}
	got := schema(t, stmts[0])["a"]
	if !strings.Contains(got, `'''); DROP TABLE a; --'`) || !strings.Contains(got, `y"; -- `) {
		t.Errorf("got %s", got)
	}
}
