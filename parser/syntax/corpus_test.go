package syntax

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cds/parser/diag"
	"cds/parser/token"
)

// The recorded models lie beside the repository, if at all.
const recorded = "../../../shared/conformance"

func TestRecordedModelsParse(t *testing.T) {
	n := 0
	for _, dir := range []string{"models", "csn/own"} {
		root := filepath.Join(recorded, dir)
		if _, err := os.Stat(root); err != nil {
			t.Skipf("no recorded models: %v", err)
		}
		err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(p) != ".cds" {
				return err
			}
			n++
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			files := token.NewFileSet()
			id := files.Add(filepath.Base(p), string(b))
			f, diags := ParseFile(id, filepath.Base(p), string(b))
			for _, d := range diags {
				pos := files.Position(d.Span)
				t.Errorf("%s:%d:%d: %s [%s]", p, pos.Line, pos.Col, d.Message, d.Code)
			}
			if len(f.Decls) == 0 {
				t.Errorf("%s: no declarations", p)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d files", n)
}

// Where the recorded compiler finds a syntax error first, we find one at the same line.
func TestRecordedSyntaxErrors(t *testing.T) {
	names, _ := filepath.Glob(filepath.Join(recorded, "csn/invalid/*.err.json"))
	if len(names) == 0 {
		t.Skip("no recorded errors")
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".sql.err.json") {
			continue // found by the database's part of the compiler
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var want []struct {
			ID, Severity string
			Line, Col    int
		}
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatal(err)
		}
		src, err := os.ReadFile(strings.TrimSuffix(name, ".err.json") + ".cds")
		if err != nil {
			t.Fatal(err)
		}
		files := token.NewFileSet()
		id := files.Add(filepath.Base(name), string(src))
		_, diags := ParseFile(id, "", string(src))
		lines := map[int]bool{}
		for _, d := range diags {
			lines[files.Position(d.Span).Line] = true
		}
		syntax := false
		for _, w := range want {
			if strings.HasPrefix(w.ID, "syntax-") && w.Severity == "Error" {
				syntax = true
				if !lines[w.Line] {
					t.Errorf("%s: no diagnostic at line %d (%s); got %v", filepath.Base(name), w.Line, w.ID, messages(files, diags))
				}
			}
		}
		if !syntax && len(diags) > 0 {
			t.Errorf("%s: a fault of meaning is not the parser's business: %v", filepath.Base(name), messages(files, diags))
		}
	}
}

func messages(files *token.FileSet, l diag.List) []string {
	var out []string
	for _, d := range l {
		p := files.Position(d.Span)
		out = append(out, strings.Join([]string{itoa(p.Line), itoa(p.Col), d.Message}, ":"))
	}
	return out
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }
