package csn_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cds/parser"
	"cds/parser/csn"
)

// TestCompiledRoundTrip writes and reads the models of all sources at hand: what a generated program embeds must be what was compiled.
func TestCompiledRoundTrip(t *testing.T) {
	compiled := map[string]*parser.Result{"sample": parser.CompileProject(os.DirFS("../../samples/bookshop"), parser.Options{})}
	const root = "../../../shared/conformance/"
	for _, name := range []string{"bookshop", "authlab"} {
		if _, err := os.Stat(root + "models/" + name); err == nil {
			compiled[name] = parser.CompileProject(os.DirFS(root+"models/"+name), parser.Options{})
		}
	}
	files, _ := filepath.Glob(root + "csn/own/*.cds")
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		compiled[filepath.Base(f)] = parser.CompileString(filepath.Base(f), string(text))
	}
	for name, res := range compiled {
		if res.Model == nil {
			if !strings.Contains(name, ".cds") {
				t.Errorf("%s: %v", name, res.Diags)
			}
			continue
		}
		t.Run(name, func(t *testing.T) {
			for _, opt := range []csn.MarshalOptions{{Docs: true}, {Docs: true, Indent: true, Creator: "x"}} {
				out := csn.Marshal(res.Model, opt)
				m, diags := csn.Read(out)
				if m == nil {
					t.Fatalf("%v\n%s", diags, out)
				}
				if m.Fingerprint() != res.Model.Fingerprint() {
					t.Errorf("it changes on the way: %s", cmp.Diff(string(csn.Marshal(res.Model, csn.MarshalOptions{Docs: true, Indent: true})), string(csn.Marshal(m, csn.MarshalOptions{Docs: true, Indent: true}))))
				}
				var a, b strings.Builder
				dump(&a, res.Model)
				dump(&b, m)
				if diff := cmp.Diff(a.String(), b.String()); diff != "" {
					t.Errorf("what is computed differs:\n%s", diff)
				}
			}
		})
	}
}
