package authzmatrix_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cds/codegen/authzmatrix"
	"cds/parser"
	"cds/parser/csn"
	"cds/runtime/authz"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

func compile(t testing.TB, name, text string) (*csn.Model, authzmatrix.Options) {
	t.Helper()
	r := parser.CompileString(name, text)
	if r.Model == nil {
		t.Fatal(r.Diags)
	}
	return r.Model, authzmatrix.Options{Files: r.Files, Profile: "production", Policy: authz.Options{RestrictAllServices: true}, Doors: func(s *csn.Service) []authzmatrix.Door {
		if s.Annotations.Str("protocol") == "none" {
			return nil
		}
		return []authzmatrix.Door{{Protocol: "odata", Path: "/odata/v4/" + strings.ToLower(s.Name)}}
	}}
}

// TestMatrix compares testdata/matrix/*.txtar: model.cds in, the matrix in all formats out; the first line of the comment may name a role.
// CDS_UPDATE=1 rewrites them.
func TestMatrix(t *testing.T) {
	golden(t, "testdata/matrix/*.txtar", 1, func(t *testing.T, ar *txtar.Archive) []txtar.File {
		m, opt := compile(t, "model.cds", string(ar.Files[0].Data))
		var out []txtar.File
		for _, f := range authzmatrix.Formats() {
			full, diags := authzmatrix.New(m, opt)
			if full == nil {
				t.Fatal(diags)
			}
			if full.Model = "…"; f == "json" && len(full.Rows) > 6 {
				full.Rows = full.Rows[:6] // the rest is in the CSV file
			}
			full.Policy = "…"
			var b bytes.Buffer
			if err := full.Write(&b, f); err != nil {
				t.Fatal(err)
			}
			out = append(out, txtar.File{Name: "matrix." + f, Data: b.Bytes()})
		}
		return out
	})
}

// TestDiff compares testdata/diff/*.txtar: old.cds and new.cds in, text and md out.
func TestDiff(t *testing.T) {
	golden(t, "testdata/diff/*.txtar", 2, func(t *testing.T, ar *txtar.Archive) []txtar.File {
		a, oldOpt := compile(t, "old.cds", string(ar.Files[0].Data))
		b, newOpt := compile(t, "new.cds", string(ar.Files[1].Data))
		d, diags := authzmatrix.Compare(a, b, oldOpt, newOpt)
		if d == nil {
			t.Fatal(diags)
		}
		var out []txtar.File
		for _, f := range []string{"text", "md"} {
			var w bytes.Buffer
			if err := d.Write(&w, f); err != nil {
				t.Fatal(err)
			}
			out = append(out, txtar.File{Name: "diff." + f, Data: w.Bytes()})
		}
		return out
	})
}

func golden(t *testing.T, pattern string, in int, run func(*testing.T, *txtar.Archive) []txtar.File) {
	files, _ := filepath.Glob(pattern)
	if len(files) == 0 {
		t.Fatal("no test data")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := run(t, ar)
			if os.Getenv("CDS_UPDATE") != "" {
				ar.Files = append(ar.Files[:in:in], got...)
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(ar.Files[in:], got, cmp.Transformer("text", func(b []byte) string { return string(b) })); d != "" {
				t.Error(d)
			}
		})
	}
}
