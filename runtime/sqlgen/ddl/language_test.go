package ddl_test

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"cds/parser"
	"cds/parser/diag"
	"cds/runtime/db/postgres"
	"cds/runtime/db/sqlite"
	"cds/runtime/sqlgen"
	"cds/runtime/sqlgen/ddl"
)

// What the page on the language says is understood can be deployed, too, but for what it says there.
func TestLanguage(t *testing.T) {
	ar, err := txtar.ParseFile("../../../parser/testdata/language.txtar")
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for _, f := range ar.Files {
		files[strings.TrimPrefix(f.Name, ".")] = &fstest.MapFile{Data: f.Data}
	}
	want := map[string]diag.Code{ // by file and dialect; those of both have one entry
		"A1": ddl.CodeNameClash, "A59": ddl.CodeView, "A66": ddl.CodeView, "A66b": ddl.CodeView, "A64 postgres": ddl.CodeView,
		"M14": ddl.CodeView, // structures made of several columns
	}
	n := 0
	for _, f := range ar.Files {
		if strings.HasPrefix(f.Name, ".") {
			continue
		}
		res := parser.Compile(files, []string{f.Name}, parser.Options{})
		if res.Model == nil {
			continue // it is an example of a finding
		}
		n++
		for _, d := range []sqlgen.Dialect{sqlite.Dialect(), postgres.Dialect()} {
			name := strings.TrimSuffix(f.Name, ".cds")
			code, ok := want[name]
			if !ok {
				code = want[name+" "+d.Name()]
			}
			_, err := ddl.Create(res.Model, d)
			var fault *ddl.Error
			if errors.As(err, &fault) != (err != nil) || err == nil && code != "" || fault != nil && fault.Code != code {
				t.Errorf("%s for %s: %v, want %q", f.Name, d.Name(), err, code)
			}
		}
	}
	if n < 90 {
		t.Errorf("only %d examples were deployed", n)
	}
}
