package format_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"cds/parser"
	"cds/parser/format"
	"cds/parser/load"
)

// The golden file has pairs: name.in.cds and name.out.cds.
func TestGolden(t *testing.T) {
	const file = "testdata/format.txtar"
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	update := os.Getenv("CDS_UPDATE") != ""
	var out []txtar.File
	for _, f := range a.Files {
		name, in := strings.CutSuffix(f.Name, ".in.cds")
		if !in {
			continue
		}
		got, diags := format.Source(1, f.Name, string(f.Data))
		if len(diags) > 0 {
			t.Errorf("%s: %v", name, diags)
		}
		out = append(out, f, txtar.File{Name: name + ".out.cds", Data: []byte(got)})
		for _, want := range a.Files {
			if want.Name == name+".out.cds" && !update {
				if d := cmp.Diff(string(want.Data), got); d != "" {
					t.Errorf("%s (-want +got):\n%s", name, d)
				}
			}
		}
	}
	if update {
		a.Files = out
		if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// sources returns all .cds files at hand: ours, and recorded ones if they are there.
func sources(t *testing.T) []string {
	var out []string
	for _, dir := range []string{"../../samples", "../load/reuse", "../../../shared/conformance"} {
		_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.HasSuffix(path, ".cds") {
				out = append(out, path)
			}
			return nil
		})
	}
	if len(out) < 5 {
		t.Fatal("no sources")
	}
	return out
}

// Formatting keeps the meaning, and twice is once.
func TestSourcesKeepTheirMeaning(t *testing.T) {
	for _, file := range sources(t) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		got, diags := format.Source(1, file, text)
		if diags.HasErrors() {
			for _, d := range diags {
				if d.Code == format.CodeUnstable {
					t.Errorf("%s: %v", file, d.Message)
				}
			}
			continue
		}
		if again, diags := format.Source(1, file, got); again != got || len(diags) > 0 {
			t.Errorf("%s: formatting twice differs (-once +twice) %v:\n%s", file, diags, cmp.Diff(got, again))
		}
		keepsMeaning(t, file, text, got)
	}
}

// keepsMeaning compares the models of which the file is a part, before and after.
func keepsMeaning(t *testing.T, file, before, after string) {
	t.Helper()
	dir := filepath.Dir(filepath.Dir(file)) // files use each other by ../db/schema and the like
	name, err := filepath.Rel(dir, file)
	if err != nil {
		t.Fatal(err)
	}
	name = filepath.ToSlash(name)
	models := [2]*parser.Result{}
	for i, text := range []string{before, after} {
		models[i] = parser.Compile(os.DirFS(dir), []string{name}, parser.Options{Texts: map[string]string{name: text}, Cache: load.NewCache()})
	}
	if (models[0].Model == nil) != (models[1].Model == nil) {
		t.Errorf("%s: the formatted text compiles otherwise: %v", file, models[1].Diags)
	} else if m := models[0].Model; m != nil && m.Fingerprint() != models[1].Model.Fingerprint() {
		t.Errorf("%s: the formatted text has another meaning", file)
	}
}

func TestFaultyTextStays(t *testing.T) {
	for _, text := range []string{"entity E {", "entity E { key a : 'x }", "\x00"} {
		if got, diags := format.Source(1, "x.cds", text); got != text || !diags.HasErrors() {
			t.Errorf("%q became %q, %v", text, got, diags)
		}
	}
}

func FuzzFormat(f *testing.F) {
	f.Add("entity E { key a : String; } // c\n")
	f.Add("@a:(x\n = 1) type T:String enum{a;b};")
	f.Add("/** x\n * y */ service S @(a:1,b){entity E as select from F{a,b as c}where a>1;}")
	f.Fuzz(func(t *testing.T, text string) {
		got, diags := format.Source(1, "x.cds", text)
		if len(diags) > 0 {
			for _, d := range diags {
				if d.Code == format.CodeUnstable {
					t.Fatal(d.Message)
				}
			}
			return
		}
		if again, _ := format.Source(1, "x.cds", got); again != got {
			t.Fatalf("twice is not once:\n%s", cmp.Diff(got, again))
		}
	})
}
