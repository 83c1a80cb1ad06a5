package golang

import (
	"bytes"
	"go/ast"
	"go/importer"
	goparser "go/parser"
	"go/token"
	"go/types"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"cds/codegen"
	"cds/parser"
	"cds/parser/csn"
	"cds/parser/diag"
)

func compile(t *testing.T, text string) *csn.Model {
	t.Helper()
	res := parser.CompileString("model.cds", text)
	if res.Model == nil {
		for _, d := range res.Diags {
			t.Log(res.Files.Position(d.Span), d.Message)
		}
		t.Fatal("the model does not compile")
	}
	return res.Model
}

func generate(t *testing.T, m *csn.Model) []codegen.File {
	t.Helper()
	files, diags := Generate(m, Options{Module: "example.com/shop"})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return files
}

// TestGolden compares generated code with the archives in testdata; CDS_UPDATE=1 writes them. All of it must pass Go's type checker.
func TestGolden(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal("no archives", err)
	}
	check := newChecker()
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			ar, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files := generate(t, compile(t, string(ar.Files[0].Data)))
			check.files(t, files)
			want := map[string]string{}
			for _, f := range ar.Files[1:] {
				want[f.Name] = string(f.Data)
			}
			got := map[string]string{}
			out := &txtar.Archive{Comment: ar.Comment, Files: ar.Files[:1]}
			for _, f := range files {
				if !strings.HasPrefix(f.Path, "internal/gen/model/") {
					got[f.Path] = string(f.Content)
					out.Files = append(out.Files, txtar.File{Name: f.Path, Data: f.Content})
				}
			}
			if os.Getenv("CDS_UPDATE") == "1" {
				if err := os.WriteFile(name, txtar.Format(out), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("generated code has changed (-want +got), run with CDS_UPDATE=1 if that is meant:\n%s", diff)
			}
		})
	}
}

// A checker runs Go's type checker over generated packages. The runtime is read from source once.
type checker struct {
	fset *token.FileSet
	src  types.Importer
	made map[string]*types.Package
}

var newChecker = sync.OnceValue(func() *checker {
	fset := token.NewFileSet()
	return &checker{fset, importer.ForCompiler(fset, "source", nil), map[string]*types.Package{}}
})

// Import finds generated packages first.
func (c *checker) Import(name string) (*types.Package, error) {
	if p := c.made[name]; p != nil {
		return p, nil
	}
	return c.src.Import(name)
}

// files checks all packages but those for tests, whose imports are large.
func (c *checker) files(t *testing.T, files []codegen.File) {
	t.Helper()
	clear(c.made)
	byDir := map[string][]*ast.File{}
	var dirs []string
	for _, f := range files {
		if !strings.HasSuffix(f.Path, ".go") {
			continue
		}
		tree, err := goparser.ParseFile(c.fset, f.Path, f.Content, goparser.SkipObjectResolution)
		if err != nil {
			t.Errorf("%s: %v", f.Path, err)
			continue
		}
		dir := path.Dir(f.Path)
		if strings.HasSuffix(path.Base(path.Dir(dir)), "gen") {
			if byDir[dir] == nil {
				dirs = append(dirs, dir)
			}
			byDir[dir] = append(byDir[dir], tree)
		}
	}
	for _, dir := range dirs {
		conf := types.Config{Importer: c, Error: func(err error) { t.Error(err) }}
		pkg, _ := conf.Check("example.com/shop/"+dir, c.fset, byDir[dir], nil)
		c.made["example.com/shop/"+dir] = pkg
	}
}

func TestEveryFileIsMarkedAndFreeOfPlaces(t *testing.T) {
	ar, err := txtar.ParseFile("testdata/shop.txtar")
	if err != nil {
		t.Fatal(err)
	}
	header := regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)
	m := compile(t, string(ar.Files[0].Data))
	files := generate(t, m)
	for _, f := range files {
		if strings.HasSuffix(f.Path, ".go") && !header.Match(f.Content) {
			t.Errorf("%s is not marked as generated", f.Path)
		}
		if wd, _ := os.Getwd(); bytes.Contains(f.Content, []byte(wd)) || path.IsAbs(f.Path) {
			t.Errorf("%s names a place on this machine", f.Path)
		}
	}
	again := generate(t, m)
	for i := range files {
		if files[i].Path != again[i].Path || !bytes.Equal(files[i].Content, again[i].Content) {
			t.Errorf("%s differs between two runs", files[i].Path)
		}
	}
}

// TestModelSurvives reads the embedded model back: it must be the one that was generated from.
func TestModelSurvives(t *testing.T) {
	ar, err := txtar.ParseFile("testdata/shop.txtar")
	if err != nil {
		t.Fatal(err)
	}
	m := compile(t, string(ar.Files[0].Data))
	for _, f := range generate(t, m) {
		if path.Base(f.Path) != "model.csn" {
			continue
		}
		back, diags := csn.Read(f.Content)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		if back.Fingerprint() != m.Fingerprint() {
			t.Error("the embedded model is another one")
		}
		return
	}
	t.Error("there is no embedded model")
}

func TestClashes(t *testing.T) {
	for _, c := range []struct {
		name, model string
		code        diag.Code
		parts       []string
	}{
		{"elements", "service S { entity E { key ID : Integer; author_ID : String; authorID : String; } }", codeClash, []string{"author_ID", "authorID", "AuthorID"}},
		{"entities", "service S { entity Books { key ID : Integer; } entity books { key ID : Integer; } }", codeClash, []string{"S.Books", "S.books"}},
		{"rows", "service S { entity Foo { key ID : Integer; } @go.name: 'Bars' @go.singular: 'Foo' entity Bar { key ID : Integer; } }", codeClash, []string{"S.Foo", "S.Bar"}},
		{"operation and entity", "service S { entity Stops { key ID : Integer; } action stops(); }", codeClash, []string{"Stops"}},
		{"bound operation and element", "service S { entity E { key ID : Integer; stop : Boolean; } actions { action Stop(); } }", codeClash, []string{"stop"}},
		{"packages", "service CatalogService { entity A { key ID : Integer; } } @path: 'other' service Catalog { entity B { key ID : Integer; } }", codePackage, []string{"CatalogService", "catalog"}},
		{"package without letters", "service ![Ωμ] { entity A { key ID : Integer; } }", codePackage, nil},
		{"package annotation", "@go.package: 'no way' service S { entity A { key ID : Integer; } }", codePackage, nil},
		{"symbols", "service S { entity E { key ID : Integer; x : String enum { a_b; aB; } } }", codeClash, []string{"a_b", "aB"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, diags := Generate(compile(t, c.model), Options{Module: "example.com/shop"})
			if !diags.HasErrors() || files != nil {
				t.Fatalf("%d files were generated", len(files))
			}
			for _, d := range diags {
				if d.Code != c.code {
					continue
				}
				for _, p := range c.parts {
					if !strings.Contains(d.Message, p) {
						t.Errorf("the message does not name %s: %s", p, d.Message)
					}
				}
				if d.Hint == "" {
					t.Error("there is no hint")
				}
				return
			}
			t.Errorf("no %s among %v", c.code, diags)
		})
	}
}

func TestModuleIsNeeded(t *testing.T) {
	if _, diags := Generate(compile(t, "service S { entity A { key ID : Integer; } }"), Options{}); !diags.HasErrors() {
		t.Error("generated without an import path")
	}
}

// TestFaultyPolicyStopsTheGenerator: code must not be generated for a model whose rights nobody understands.
func TestFaultyPolicyStopsTheGenerator(t *testing.T) {
	m := compile(t, "service S { @restrict: [{ grants: 'READ', to: 'x' }] entity A { key ID : Integer; } }")
	if files, diags := Generate(m, Options{Module: "example.com/shop"}); !diags.HasErrors() || files != nil {
		t.Error("generated from a restriction that can't be understood")
	}
	if _, diags := Generate(m, Options{Module: "example.com/shop", Lenient: true}); diags.HasErrors() {
		t.Errorf("lenient: %v", diags)
	}
}

func TestDocCommentsCannotBreakOut(t *testing.T) {
	m := compile(t, "/** one\r\nimport \"os\"\r func main() {} */ service S { /** x\u2028var y int */ entity A { key ID : Integer; } }")
	newChecker().files(t, generate(t, m))
	for _, f := range generate(t, m) {
		if bytes.Contains(f.Content, []byte("\nimport \"os\"")) || bytes.Contains(f.Content, []byte("\nfunc main")) {
			t.Errorf("%s has code from a comment", f.Path)
		}
	}
}

// TestSize holds the generator to its promise: at most 60 lines for an entity of ten elements.
func TestSize(t *testing.T) {
	one := "entity E1 { key ID : Integer; a : String; b : String; c : String; d : String; e : String; f : String; g : String; h : Decimal; i : Date; }"
	lines := func(model string) int {
		n := 0
		for _, f := range generate(t, compile(t, "service S { "+model+" }")) {
			if strings.HasSuffix(f.Path, ".go") {
				n += bytes.Count(f.Content, []byte("\n"))
			}
		}
		return n
	}
	if n := lines(one+strings.ReplaceAll(one, "E1", "E2")) - lines(one); n > 60 {
		t.Errorf("an entity of ten elements takes %d lines", n)
	} else {
		t.Logf("an entity of ten elements takes %d lines", n)
	}
}

// TestSamplesAreUpToDate is `cds gen --check` for the committed sample.
func TestSamplesAreUpToDate(t *testing.T) {
	dir := os.DirFS("../../samples/bookshop")
	res := parser.CompileProject(dir, parser.Options{Strict: true})
	if res.Model == nil {
		t.Fatal(res.Diags)
	}
	files, diags := Generate(res.Model, Options{Module: "cds/samples/bookshop"})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if drift := codegen.Diff(dir, files); len(drift) > 0 {
		t.Errorf("run: go run ./cmd/cds gen samples/bookshop\nnot up to date: %s", strings.Join(drift, ", "))
	}
}

// TestRecordedModels generates and type-checks code for large foreign models.
func TestRecordedModels(t *testing.T) {
	check := newChecker()
	for _, name := range []string{"bookshop", "authlab"} {
		data, err := os.ReadFile("../../../shared/conformance/csn/models/" + name + ".csn.json")
		if err != nil {
			t.Skip("the recorded models are not here")
		}
		m, diags := csn.Read(data)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		files, diags := Generate(m, Options{Module: "example.com/shop", Lenient: true})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		check.files(t, files)
	}
}
