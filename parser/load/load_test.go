package load

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func mapFS(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for n, t := range files {
		m[n] = &fstest.MapFile{Data: []byte(t)}
	}
	return m
}

func names(r *Result) []string {
	var out []string
	for _, s := range r.Sources {
		out = append(out, s.File.Name)
	}
	return out
}

func codes(r *Result) []string {
	var out []string
	for _, d := range r.Diags {
		out = append(out, string(d.Code))
	}
	return out
}

func TestUsings(t *testing.T) {
	fsys := mapFS(map[string]string{
		"srv/s.cds":                        "using { a } from '../db/a';\nusing from './sub';\nusing { managed } from '@sap/cds/common';\nusing from 'pkg/model';\nusing from 'whole';\nusing from '../db/a.cds';",
		"db/a.cds":                         "using from '../srv/s'; entity a { key ID : Integer; }",
		"srv/sub/index.cds":                "using from './deeper/x';",
		"srv/sub/deeper/x.cds":             "entity x { key ID : Integer; }",
		"node_modules/pkg/model.cds":       "using from './other';",
		"node_modules/pkg/other.cds":       "entity o { key ID : Integer; }",
		"srv/node_modules/whole/index.cds": "",
	})
	r := Load(fsys, []string{"srv/s.cds"}, Options{})
	if len(r.Diags) > 0 {
		t.Fatal(r.Diags)
	}
	want := []string{"srv/s.cds", "db/a.cds", "srv/sub/index.cds", "@sap/cds/common.cds", "node_modules/pkg/model.cds", "srv/node_modules/whole/index.cds", "srv/sub/deeper/x.cds", "node_modules/pkg/other.cds"}
	if d := cmp.Diff(want, names(r)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]int{1, 2, 3, 4, 5, 1}, r.Sources[0].Uses); d != "" {
		t.Error("uses of the root:", d)
	}
	if d := cmp.Diff([]int{0}, r.Sources[1].Uses); d != "" {
		t.Error("a cycle of usings is fine:", d)
	}
	for _, p := range r.Paths {
		if strings.HasPrefix(p, "@") {
			t.Errorf("the embedded file %s is among the paths", p)
		}
	}
}

func TestUsingFaults(t *testing.T) {
	tests := []struct {
		from, code string
		line, col  int
	}{
		{"./missing", "file-unknown-local", 1, 12},
		{"../out", "file-outside-project", 1, 12},
		{"./../../../etc/passwd", "file-outside-project", 1, 12},
		{"/etc/passwd", "file-outside-project", 1, 12},
		{"c:/x", "file-outside-project", 1, 12},
		{"no-such-package", "file-unknown-package", 1, 12},
		{"@sap/cds/nothing", "file-unknown-package", 1, 12},
		{"./m.csn", "csn-shape", 1, 1},
		{"./j", "csn-shape", 1, 1},
		{"./text.txt", "file-unsupported", 1, 12},
		{"..\\..\\x", "file-outside-project", 1, 12},
	}
	for _, tt := range tests {
		fsys := mapFS(map[string]string{"a.cds": "using from '" + tt.from + "';", "m.csn": "{}", "j.json": "{}", "text.txt": ""})
		r := Load(fsys, []string{"a.cds"}, Options{})
		if len(r.Diags) != 1 || string(r.Diags[0].Code) != tt.code {
			t.Errorf("%s: got %v, want %s", tt.from, codes(r), tt.code)
			continue
		}
		if p := r.Files.Position(r.Diags[0].Span); p.Line != tt.line || p.Col != tt.col {
			t.Errorf("%s: reported at %d:%d, want %d:%d", tt.from, p.Line, p.Col, tt.line, tt.col)
		}
		if r.Diags[0].Hint == "" {
			t.Errorf("%s: no hint", tt.from)
		}
	}
}

func TestRoots(t *testing.T) {
	fsys := mapFS(map[string]string{
		"db/b.cds": "", "db/a.cds": "", "db/deep/no.cds": "", "db/data/x.csv": "",
		"srv/index.cds": "", "srv/other.cds": "",
		"app/common.cds": "", "app/ui/fiori.cds": "", "app/node_modules/x.cds": "", "app/.hidden/x.cds": "",
		"schema.cds": "", "readme.md": "",
	})
	roots := ProjectRoots(fsys)
	if d := cmp.Diff([]string{"db", "srv", "app", "app/ui", "schema.cds"}, roots); d != "" {
		t.Error(d)
	}
	r := Load(fsys, roots, Options{})
	if d := cmp.Diff([]string{"db/a.cds", "db/b.cds", "srv/index.cds", "app/common.cds", "app/ui/fiori.cds", "schema.cds"}, names(r)); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{"nope.cds", "../x", "/abs", ""} {
		if r := Load(fsys, []string{bad}, Options{}); bad != "" && !r.Diags.HasErrors() {
			t.Errorf("root %q is accepted", bad)
		}
	}
	if r := Load(fsys, []string{"db/a"}, Options{}); len(r.Sources) != 1 {
		t.Error("a root without ending is not found")
	}
}

func TestCache(t *testing.T) {
	files := map[string]string{"a.cds": "using from './b'; entity A { key ID : Integer; }", "b.cds": "entity B { key ID : Integer }; entity {"}
	c := NewCache()
	first := Load(mapFS(files), []string{"a.cds"}, Options{Cache: c})
	again := Load(mapFS(files), []string{"a.cds"}, Options{Cache: c})
	if c.hits != 2 {
		t.Errorf("%d hits for two unchanged files", c.hits)
	}
	if first.Sources[0].File != again.Sources[0].File {
		t.Error("an unchanged file was parsed again")
	}
	if d := cmp.Diff(codes(first), codes(again)); d != "" || len(codes(first)) == 0 {
		t.Error("diagnostics are not the same from the cache:", d)
	}
	files["b.cds"] = "entity B { key ID : UUID; }"
	third := Load(mapFS(files), []string{"a.cds"}, Options{Cache: c})
	if c.hits != 3 || third.Sources[0].File != first.Sources[0].File || third.Sources[1].File == first.Sources[1].File {
		t.Error("only the changed file is to be parsed")
	}
	if len(c.m) != 2 {
		t.Errorf("the cache keeps %d trees, want those of the last run", len(c.m))
	}
}

func TestTextsAndSize(t *testing.T) {
	r := Load(mapFS(nil), []string{"x.cds"}, Options{Texts: map[string]string{"x.cds": "using from './y';", "y.cds": "entity Y { key ID : Integer; }"}})
	if len(r.Diags) > 0 || len(r.Sources) != 2 {
		t.Error("texts in place of files:", r.Diags, names(r))
	}
	r = Load(bigFS{}, []string{"big.cds"}, Options{})
	if d := cmp.Diff([]string{"file-not-readable"}, codes(r)); d != "" {
		t.Error(d)
	}
}

// bigFS has one file that claims to be huge.
type bigFS struct{}

func (bigFS) Open(name string) (fs.File, error) {
	return mapFS(map[string]string{name: ""}).Open(name)
}
func (bigFS) Stat(name string) (fs.FileInfo, error) {
	return bigInfo{}, nil
}

type bigInfo struct{ fs.FileInfo }

func (bigInfo) Size() int64 { return 3 << 30 }
func (bigInfo) IsDir() bool { return false }

// The embedded model is parsed without a complaint.
func TestCommon(t *testing.T) {
	r := Load(mapFS(map[string]string{"a.cds": "using from '@sap/cds/common';"}), []string{"a.cds"}, Options{})
	if len(r.Diags) > 0 || len(r.Sources) != 2 {
		t.Fatal(r.Diags)
	}
}
