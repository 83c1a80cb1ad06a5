package syntax

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cds/parser/ast"
	"cds/parser/cqn"
)

// wholeFile parses a file the way that faulty ones are parsed.
func wholeFile(text string) (*ast.File, bool) {
	f := &ast.File{ID: 1, Name: "x.cds"}
	c, diags := open(1, text, 0)
	if c == nil {
		return f, false
	}
	c.declarations(false, (&fileBuilder{f, c}).declaration)
	return f, len(c.finish(diags)) == 0
}

func sameTree(t *testing.T, text string) {
	t.Helper()
	whole, clean := wholeFile(text)
	f := &ast.File{ID: 1, Name: "x.cds"}
	ok := parseClean(f, 1, text)
	if ok && !clean {
		t.Fatalf("a window takes what the whole refuses:\n%s", text)
	}
	if !ok {
		return
	}
	if reflect.DeepEqual(whole, f) {
		return
	}
	if d := cmp.Diff(whole, f, cmp.AllowUnexported(cqn.Value{}), cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("another tree through windows (-whole +windows):\n%s\nof\n%s", d, text)
	}
}

// What stands behind or before a declaration belongs to it wherever windows end.
func TestWindowBorders(t *testing.T) {
	pieces := []string{
		"type T%d : { a : String }\n@x: {b: 1}\n", "@p entity E%d { key a : String; }\n", "type entity%d : { a : String } @y;\n",
		"type entity : { a : String }\n@late: {b: 1}\n", "/** doc */\nentity D%d { key a : String; }\n", "@type type U%d : { a : String }\n/** lost */ @late: {b: 1}\n",
		"entity V%d as select from E { a } where a = 'x';\n", "entity W%d as projection on E { a }\n@z: {b: 1}\n", "annotate E with { a @q };\n",
		"service S%d { entity A as projection on E; }\n", "extend entity E with { b : String };\n", "entity B%d { key a : String; } actions { action f(); }\n",
		"@entity\ntype K%d : { a : String }\n@late: {b: 1}\n", "context C%d { type X : String; }\n", "@v: entity type L%d : { a : String }\n@late: {b: 1}\n",
	}
	for i := range pieces {
		for j := range pieces {
			var b strings.Builder
			for n := range 25 {
				for _, p := range []string{pieces[i], pieces[j]} {
					if strings.Contains(p, "%d") {
						p = fmt.Sprintf(p, n)
					}
					b.WriteString(p)
				}
			}
			sameTree(t, b.String())
		}
	}
}

func TestWindowsOfRecordedModels(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/conformance/*/*/*.cds")
	if len(files) == 0 {
		t.Skip("no recorded models beside the repository")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sameTree(t, string(text))
		sameTree(t, strings.Repeat(string(text)+"\n;\n", 5))
	}
}
