package diag_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"cds/parser/diag"
	"cds/parser/token"
)

// source is the file that the diagnostics of the tests point into.
const source = "namespace a;\n" +
	"entity E {\n" +
	"\tkey ID :\tStrin;\r\n" +
	"  größe : Integr; // ä\n" +
	"}\n" +
	"bad \x1b[31m char\n"

func fixture() (*token.FileSet, diag.List) {
	fs := token.NewFileSet()
	id := fs.Add("db/schema.cds", source)
	other := fs.Add("db/long.cds", strings.Repeat("x", 1000)+"HERE"+strings.Repeat("y", 1000))
	at := func(what string) token.Span {
		i := strings.Index(source, what)
		return token.Span{File: id, Start: int32(i), End: int32(i + len(what))}
	}
	var l diag.List
	l.Errorf("ref-undefined-def", at("Strin"), "There is no type ‘Strin’").Hint = "Did you mean ‘String’?"
	d := l.Warnf("name-twice", at("Integr"), "Odd type")
	d.Related = []diag.Related{{Message: "first used here", Span: at("E")}, {Message: "and somewhere"}}
	l.Errorf("multi-line", token.Span{File: id, Start: at("entity").Start, End: at("}").End}, "The whole entity")
	l.Errorf("at-end", token.Span{File: id, Start: int32(len(source)), End: int32(len(source))}, "Unexpected end of text")
	l.Add(diag.Info, "escape", at("[31m"), "Source and message \x1b[0m cannot steer the terminal")
	l.Errorf("long-line", token.Span{File: other, Start: 1000, End: 1004}, "Long")
	l.Errorf("no-place", token.Span{}, "Nowhere")
	l.Errorf("beyond", token.Span{File: 99, Start: 4, End: 2}, "Unknown file")
	l.Errorf("backwards", token.Span{File: id, Start: 20, End: 3}, "End before start")
	return fs, l
}

func TestRenderGolden(t *testing.T) {
	fs, l := fixture()
	var got txtar.Archive
	add := func(name string, render func(b *bytes.Buffer) error) {
		var b bytes.Buffer
		if err := render(&b); err != nil {
			t.Fatal(err)
		}
		got.Files = append(got.Files, txtar.File{Name: name, Data: b.Bytes()})
	}
	add("text", func(b *bytes.Buffer) error { return diag.Render(b, l, fs, diag.RenderOptions{Summary: true}) })
	add("short", func(b *bytes.Buffer) error { return diag.Render(b, l, fs, diag.RenderOptions{Short: true}) })
	add("color", func(b *bytes.Buffer) error { return diag.Render(b, l[:1], fs, diag.RenderOptions{Color: true}) })
	add("json", func(b *bytes.Buffer) error { return diag.RenderJSON(b, l, fs) })
	golden := filepath.Join("testdata", "render.txtar")
	if os.Getenv("CDS_UPDATE") == "1" {
		if err := os.WriteFile(golden, txtar.Format(&got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(txtar.Format(&got))); d != "" {
		t.Errorf("-want +got (CDS_UPDATE=1 rewrites):\n%s", d)
	}
}

func TestRenderUnderlinesTheSpan(t *testing.T) {
	fs, l := fixture()
	var b bytes.Buffer
	if err := diag.Render(&b, l[:1], fs, diag.RenderOptions{}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	if i, j := strings.Index(lines[1], "Strin"), strings.Index(lines[2], "^^^^^"); i < 0 || i != j {
		t.Errorf("the carets do not stand below the word, although there are tabs:\n%s", b.String())
	}
	if strings.Contains(lines[2], "^^^^^^") {
		t.Error("too many carets")
	}
}

func TestRenderEmptyListAndNoFiles(t *testing.T) {
	var b bytes.Buffer
	if err := diag.Render(&b, nil, nil, diag.RenderOptions{Summary: true}); err != nil || b.Len() > 0 {
		t.Errorf("got %q, %v", b.String(), err)
	}
	if err := diag.RenderJSON(&b, nil, nil); err != nil || b.String() != "[]\n" {
		t.Errorf("got %q, %v", b.String(), err)
	}
}

type brokenWriter struct{}

var errBroken = errors.New("broken pipe")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestRenderReportsWriteErrors(t *testing.T) {
	fs, l := fixture()
	if err := diag.Render(brokenWriter{}, l, fs, diag.RenderOptions{}); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}

func TestListSortAndErr(t *testing.T) {
	var l diag.List
	l.Warnf("b", token.Span{File: 1, Start: 5}, "later")
	l.Errorf("a", token.Span{File: 1, Start: 2}, "first")
	l.Errorf("a", token.Span{File: 1, Start: 2}, "first")
	l.Errorf("a", token.Span{File: 1, Start: 5}, "same place, worse")
	l.Sort()
	if len(l) != 3 || l[0].Message != "first" || l[1].Message != "same place, worse" || l[2].Code != "b" {
		t.Errorf("got %+v", l)
	}
	if err := l.Err(); err == nil || err.Error() != "first (and 1 more)" {
		t.Errorf("got %v", err)
	}
	if l[2:].Err() != nil {
		t.Error("warnings are no error")
	}
}
