package parser_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"cds/parser"
	"cds/parser/csn"
	"cds/parser/diag"
)

const languageFile = "testdata/language.txtar"

// Each construct compiles, or gives the finding that its first line names, with a place: nothing is ignored silently.
func TestLanguage(t *testing.T) {
	a, err := txtar.ParseFile(languageFile)
	if err != nil {
		t.Fatal(err)
	}
	fsys := fstest.MapFS{}
	for _, f := range a.Files {
		fsys[strings.TrimPrefix(f.Name, ".")] = &fstest.MapFile{Data: f.Data}
	}
	for _, f := range a.Files {
		if strings.HasPrefix(f.Name, ".") {
			continue
		}
		res := parser.Compile(fsys, []string{f.Name}, parser.Options{})
		want := ""
		if line, _, _ := strings.Cut(string(f.Data), "\n"); strings.HasPrefix(line, "// ") && !strings.Contains(line[3:], " ") {
			want = line[3:]
		}
		found := 0
		for _, d := range res.Diags {
			if string(d.Code) == want && d.Span.Valid() {
				found++
			} else if d.Severity == diag.Error && want == "" {
				t.Errorf("%s: %v: %s: %s", f.Name, res.Files.Position(d.Span), d.Code, d.Message)
			}
		}
		if want != "" && found != 1 {
			t.Errorf("%s: %d findings %s, want one: %v", f.Name, found, want, res.Diags)
		}
		if res.Model != nil {
			if m, diags := csn.Read(csn.Marshal(res.Model, csn.MarshalOptions{Docs: true})); m == nil || m.Fingerprint() != res.Model.Fingerprint() {
				t.Errorf("%s: the model is another one after writing and reading it: %v", f.Name, diags)
			}
		}
	}
}

// The page on the language has a row for each construct, and says "no" exactly where a finding comes.
func TestLanguagePage(t *testing.T) {
	page, err := os.ReadFile("../docs/language.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\| ([AB]\d+) \| [^|]+ \| ([a-z]+) \|`).FindAllStringSubmatch(string(page), -1) {
		rows[m[1]] = m[2]
	}
	for _, group := range []struct {
		letter string
		last   int
	}{{"A", 99}, {"B", 42}} {
		for i := 1; i <= group.last; i++ {
			id := group.letter + strconv.Itoa(i)
			switch rows[id] {
			case "yes", "partly", "no":
			default:
				t.Errorf("docs/language.md says %q of %s", rows[id], id)
			}
		}
	}
	a, err := txtar.ParseFile(languageFile)
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, f := range a.Files {
		have[regexp.MustCompile(`^[A-Z]\d+`).FindString(f.Name)] = true
	}
	for i := 1; i <= 99; i++ {
		if id := "A" + strconv.Itoa(i); !have[id] {
			t.Errorf("%s has no example in %s", id, languageFile)
		}
	}
}
