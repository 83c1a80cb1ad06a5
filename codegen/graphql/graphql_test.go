package graphql_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cds/codegen/graphql"
	"cds/parser"
	"cds/parser/csn"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// TestGolden compares testdata/*.txtar: model.cds in, schema.graphql or error out. CDS_UPDATE=1 rewrites them.
func TestGolden(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txtar")
	if len(files) == 0 {
		t.Fatal("no test data")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			m := compile(t, string(ar.Files[0].Data))
			got := txtar.File{Name: "schema.graphql"}
			got.Data, err = graphql.Generate(m.Services)
			if err != nil {
				got = txtar.File{Name: "error", Data: []byte(err.Error() + "\n")}
			} else {
				valid(t, string(got.Data))
			}
			if os.Getenv("CDS_UPDATE") != "" {
				ar.Files = append(ar.Files[:1:1], got)
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if len(ar.Files) != 2 || ar.Files[1].Name != got.Name {
				t.Fatalf("got %s:\n%s", got.Name, got.Data)
			}
			if d := cmp.Diff(string(ar.Files[1].Data), string(got.Data)); d != "" {
				t.Error(d)
			}
		})
	}
}

// The schemas of the recorded models are valid, too.
func TestRecordedModels(t *testing.T) {
	for _, name := range []string{"bookshop", "authlab"} {
		dir := "../../../shared/conformance/models/" + name
		if _, err := os.Stat(dir); err != nil {
			t.Skip("recorded models are not there:", err)
		}
		r := parser.CompileProject(os.DirFS(dir), parser.Options{})
		if r.Model == nil {
			t.Fatal(r.Diags)
		}
		text, err := graphql.Generate(r.Model.Services)
		if err != nil {
			t.Fatal(name, err)
		}
		valid(t, string(text))
	}
}

func compile(t *testing.T, text string) *csn.Model {
	t.Helper()
	r := parser.CompileString("model.cds", text)
	if r.Model == nil {
		t.Fatal(r.Diags)
	}
	return r.Model
}

var (
	header    = regexp.MustCompile(`^(type|input|enum) ([A-Za-z_]\w*) \{$`)
	scalar    = regexp.MustCompile(`^scalar ([A-Za-z_]\w*)$`)
	field     = regexp.MustCompile(`^  ([A-Za-z_]\w*)(\(([^()]*)\))?: (\[*)([A-Za-z_]\w*)(!?)(\]*)(!?)$`)
	argument  = regexp.MustCompile(`^([A-Za-z_]\w*): (\[*)([A-Za-z_]\w*)(!?)(\]*)(!?)$`)
	enumValue = regexp.MustCompile(`^  [A-Za-z_]\w*$`)
	doc       = regexp.MustCompile(`(?s)"""\n.*?\n *"""\n *`)
)

// valid checks what the specification asks of a schema: every line has the form of one, names are unique and not reserved, types are known,
// inputs lead to inputs and outputs to outputs, and nothing is empty.
func valid(t *testing.T, text string) {
	t.Helper()
	kinds := map[string]string{"Int": "scalar", "Float": "scalar", "String": "scalar", "Boolean": "scalar", "ID": "scalar"}
	type use struct{ typ, where, kind string }
	var uses []use
	kind, name := "", ""
	fields := map[string]bool{}
	for i, line := range strings.Split(doc.ReplaceAllString(text, ""), "\n") {
		add := func(n, k string) {
			if kinds[n] != "" {
				t.Errorf("line %d: %s is defined twice", i+1, n)
			}
			kinds[n] = k
		}
		if m := header.FindStringSubmatch(line); kind == "" && m != nil {
			kind, name, fields = m[1], m[2], map[string]bool{}
			add(name, kind)
		} else if m := scalar.FindStringSubmatch(line); kind == "" && m != nil {
			add(m[1], "scalar")
		} else if kind != "" && line == "}" {
			if len(fields) == 0 {
				t.Errorf("%s is empty", name)
			}
			kind = ""
		} else if kind == "enum" && enumValue.MatchString(line) {
			fields[line] = true
		} else if m := field.FindStringSubmatch(line); kind != "" && m != nil {
			if fields[m[1]] || strings.HasPrefix(m[1], "__") || len(m[4]) != len(m[7]) {
				t.Errorf("line %d: %s", i+1, line)
			}
			fields[m[1]] = true
			uses = append(uses, use{m[5], line, kind})
			for _, a := range strings.Split(m[3], ", ") {
				if m[3] == "" {
					break
				}
				p := argument.FindStringSubmatch(a)
				if p == nil || kind == "input" {
					t.Errorf("line %d: argument %q", i+1, a)
					continue
				}
				uses = append(uses, use{p[3], line, "input"})
			}
		} else if line != "" {
			t.Errorf("line %d is no line of a schema: %q", i+1, line)
		}
	}
	for _, u := range uses {
		k := kinds[u.typ]
		if k == "" || k == "input" && u.kind == "type" || k == "type" && u.kind == "input" {
			t.Errorf("%s: %s is %q", u.where, u.typ, k)
		}
	}
	if kinds["Query"] != "type" {
		t.Error("there is no Query")
	}
}
