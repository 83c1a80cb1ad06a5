package check_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cds/parser"
	"cds/parser/check"
	"cds/parser/diag"
)

// A comment `// error: code` (or warning, info) in a fixture says what is to be found at its line, several of them separated by commas.
// `lenient: code` is a warning that is seen only where restrictions are not strict, since the linker's errors come first otherwise.
var expectation = regexp.MustCompile(`(error|warning|info|lenient): ([a-z0-9-]+)`)

func expected(text string, strict bool) (out []string) {
	for i, line := range strings.Split(text, "\n") {
		_, comment, ok := strings.Cut(line, "// ")
		if !ok {
			continue
		}
		for _, m := range expectation.FindAllStringSubmatch(comment, -1) {
			sev := m[1]
			if sev == "lenient" {
				if strict {
					continue
				}
				sev = "warning"
			}
			if !strict && sev == "error" && (strings.HasPrefix(m[2], "restrict-") || strings.HasPrefix(m[2], "requires-") || strings.HasPrefix(m[2], "anno-") || strings.HasPrefix(m[2], "syntax-")) {
				sev = "warning"
			}
			out = append(out, fmt.Sprintf("%d %s: %s", i+1, sev, m[2]))
		}
	}
	return out
}

func found(res *parser.Result) (out []string) {
	for _, d := range res.Diags {
		out = append(out, fmt.Sprintf("%d %s: %s", res.Files.Position(d.Span).Line, d.Severity, d.Code))
	}
	return out
}

func TestFixtures(t *testing.T) {
	names, err := filepath.Glob("testdata/*.cds")
	if err != nil || len(names) == 0 {
		t.Fatal("no fixtures", err)
	}
	seen := map[diag.Code]bool{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, strict := range []bool{true, false} {
			res := parser.CompileStringWith(filepath.Base(name), string(b), parser.Options{Strict: strict})
			sorted := cmp.Transformer("sort", func(s []string) map[string]int {
				m := map[string]int{}
				for _, x := range s {
					m[x]++
				}
				return m
			})
			if d := cmp.Diff(expected(string(b), strict), found(res), sorted); d != "" {
				t.Errorf("%s, strict %v: -want +got:\n%s", name, strict, d)
				for _, g := range res.Diags {
					p := res.Files.Position(g.Span)
					t.Logf("%d:%d %s: %s (%s)", p.Line, p.Col, g.Code, g.Message, g.Hint)
				}
			}
			for _, g := range res.Diags {
				seen[g.Code] = true
				if _, ours := check.Messages()[g.Code]; ours && g.Home == "" {
					t.Errorf("%s: no home: %s", name, g.Message)
				}
			}
		}
	}
	for code := range check.Messages() {
		if !seen[code] {
			t.Errorf("no fixture shows %s", code)
		}
	}
}

// The wrong examples of the catalogue need not compile, but each entry says something.
func TestCatalogue(t *testing.T) {
	for code, e := range check.Messages() {
		if e.Title == "" || e.Explain == "" || e.Wrong == "" || e.Right == "" || e.Severity == 0 {
			t.Errorf("%s is not documented: %+v", code, e)
		}
	}
}

func TestHints(t *testing.T) {
	for annos, want := range map[string]string{
		"@restrict: [{ grant: 'read' }]":                       "Did you mean READ?",
		"@restrict: [{ grant: 'DELTE' }]":                      "Did you mean DELETE?",
		"@restrict: [{ grant: 'Approve' }]":                    "Did you mean approve?",
		"@restrict: [{ were: 'x = 1' }]":                       "Did you mean where?",
		"@restrict: [{ To: 'x' }]":                             "Did you mean to?",
		"@restrict: { grant: 'READ', to: 'A' }":                "Write @restrict: [{ grant: …, to: … }].",
		"@restrict: [{ to: admin }]":                           "Write to: 'admin'.",
		"@requires: admin":                                     "Write @requires: 'admin'.",
		"@require: 'admin'":                                    "Write @requires, or give the annotation a name that is less similar.",
		"@restrict: [{ where: 'ownr = $user' }]":               "Did you mean owner?",
		"@restrict: [{ where: (state = #opn) }]":               "Did you mean open?",
		"@restrict: [{ where: 'exists owner' }]":               "Use `is not null` for values.",
		"@restrict: [{ where: 'tags = ''x''' }]":               "Write 'x' in tags.",
		"@restrict: [{ where: 'owner' }]":                      "Compare it with something.",
		"@restrict: [{ where: 'items' }]":                      "Use `exists items`, or name an element of the target.",
		"@restrict: [{ where: 'parent' }]":                     "Write `exists parent`.",
		"@restrict: [{ where: 'x = $users.country' }]":         "Known are $user, $user.<attribute>, $tenant, $now, $at.from, $at.to and $self.",
		"@restrict: [{ where: 'ID in (select ID from s.E)' }]": "Use `exists` and a path.",
	} {
		text := "service s {\n" + annos + "\nentity E { key ID : Integer; x : Integer; owner : String; state : String enum { open; closed };" +
			"tags : many String; items : Association to many E on items.parent = $self; parent : Association to E; } actions { action approve(); } }"
		res := parser.CompileString("f.cds", text)
		if len(res.Diags) == 0 || res.Diags[0].Hint != want {
			t.Errorf("%s: %+v, want the hint %q", annos, res.Diags, want)
		}
	}
}

func TestNilModel(t *testing.T) {
	if l := check.Run(nil, check.Options{}); l != nil {
		t.Error(l)
	}
}
