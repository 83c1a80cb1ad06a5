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
		{"tables with one name", `"a.b_c": {"kind":"entity","elements":{` + key + `}}, "a_b.C": {"kind":"entity","elements":{` + key + `}}`, "ddl-name-clash"},
		{"columns that differ in case", `"a": {"kind":"entity","elements":{` + key + `,"id": {"type":"cds.Integer"}}}`, "ddl-name-clash"},
		{"default with an unknown function", `"a": {"kind":"entity","elements":{` + key + `,"x": {"type":"cds.Integer","default":{"func":"random"}}}}`, "ddl-expression"},
		{"default with a column", `"a": {"kind":"entity","elements":{` + key + `,"x": {"type":"cds.Integer","default":{"ref":["ID"]}}}}`, "ddl-expression"},
		{"default with an unknown symbol", `"a": {"kind":"entity","elements":{` + key + `,"x": {"type":"cds.String","enum":{"b":{}},"default":{"#":"c"}}}}`, "ddl-expression"},
		{"value over an association", `"a": {"kind":"entity","elements":{` + key + `,"o": {"type":"cds.Association","target":"a","keys":[{"ref":["ID"]}]},"x": {"type":"cds.Integer","value":{"ref":["o","x"],"stored":true}}}}`, "ddl-expression"},
		{"unique without element", `"a": {"kind":"entity","@assert.unique.u":[{"=":"nope"}],"elements":{` + key + `}}`, "ddl-unique"},
		{"view with parameters", `"a": {"kind":"entity","elements":{` + key + `}}, "v": {"kind":"entity","params":{"p":{"type":"cds.Integer"}},"projection":{"from":{"ref":["a"]}},"elements":{` + key + `}}`, "ddl-view"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ddl.Create(model(t, `{"definitions": {`+c.defs+`}}`), sqlite.Dialect())
			var e *ddl.Error
			if !errors.As(err, &e) || string(e.Code) != c.code || e.Entity == "" {
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

// TestConstants renders the values of stored elements and defaults. The table is created with each, so that SQLite has its say.
func TestConstants(t *testing.T) {
	for _, c := range []struct{ value, want string }{
		{`"xpr": [{"ref": ["n"]}, "+", {"xpr": [{"ref": ["m"]}, "-", {"val": 1}]}]`, `n + (m - 1)`},
		{`"xpr": [{"val": "a"}, "||", {"ref": ["$self", "s", "x"]}]`, `'a' || s_x`},
		{`"xpr": [{"ref": ["n"]}, "==", {"val": null}]`, `n IS NULL`},
		{`"xpr": [{"ref": ["n"]}, "!=", {"ref": ["m"]}]`, `n IS NOT m`},
		{`"xpr": [{"ref": ["n"]}, "is", "not", "null", "and", "not", {"ref": ["m"]}, "<", {"val": 2}]`, `(n IS NOT NULL) AND (NOT (m < 2))`},
		{`"xpr": ["-", {"ref": ["n"]}]`, `-n`},
		{`"xpr": ["case", {"ref": ["n"]}, "when", {"val": 1}, "then", {"val": true}, "end"]`, `CASE n WHEN 1 THEN TRUE END`},
		{`"func": "coalesce", "args": [{"ref": ["n"]}, {"val": 0.5}]`, `coalesce(n, 0.5)`},
		{`"func": "substring", "args": [{"ref": ["s", "x"]}, {"val": 2}]`, `substr(s_x, 2)`},
		{`"xpr": [{"ref": ["n"], "cast": {"type": "cds.String", "length": 5}}]`, `CAST(n AS NVARCHAR(5))`},
		{`"val": "00ff", "literal": "x"`, `x'00ff'`},
	} {
		t.Run(c.want, func(t *testing.T) {
			m := model(t, `{"definitions": {"a": {"kind":"entity","elements":{"ID": {"key": true, "type": "cds.Integer"}, "n": {"type": "cds.Integer"}, "m": {"type": "cds.Integer"},
				"s": {"elements": {"x": {"type": "cds.String"}}}, "v": {"type":"cds.String","value":{"stored": true, `+c.value+`}}}}}}`)
			stmts, err := ddl.Create(m, sqlite.Dialect())
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(stmts[0], "GENERATED ALWAYS AS ("+c.want+") STORED") {
				t.Errorf("got %s", stmts[0])
			}
			schema(t, stmts[0])
		})
	}
}

// TestNoConstants has expressions that a column cannot be generated from.
func TestNoConstants(t *testing.T) {
	for _, value := range []string{
		`"ref": ["$user"]`, `"ref": ["$now"]`, `"ref": ["v"]`, `"func": "random"`, `"func": "current_date"`, `"func": "length", "args": [{"ref": ["nope"]}]`,
		`"xpr": ["exists", {"ref": ["n"]}]`, `"SELECT": {"from": {"ref": ["a"]}}`, `"xpr": [{"ref": ["n"], "cast": {"type": "strange"}}]`,
	} {
		m := model(t, `{"definitions": {"a": {"kind":"entity","elements":{"ID": {"key": true, "type": "cds.Integer"}, "n": {"type": "cds.Integer"}, "v": {"type":"cds.String","value":{"stored": true, `+value+`}}}}}}`)
		_, err := ddl.Create(m, sqlite.Dialect())
		var e *ddl.Error
		if !errors.As(err, &e) || e.Code != "ddl-expression" {
			t.Errorf("%s: got %v", value, err)
		}
	}
}
